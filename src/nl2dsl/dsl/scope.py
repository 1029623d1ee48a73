"""What a step can see: the results of the trigger and earlier steps, the item of the loop it is in, and what the request says about data.

In: calls of a flow in the making. Out: `Source` (a result or loop item in scope), `Scope` (all of them, nearest first), `Step` (one call that is
being filled).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nl2dsl.dsl.profiles import Field, Key, Listing, Profile
from nl2dsl.dsl.tree import Call, Expression, Function, Name, Path, Segment

TRIGGER = "triggerOutputs"


@dataclass(frozen=True, slots=True)
class Source:
    """Something in scope that delivers data: the result of a call, or the item of a loop."""

    name: str
    profile: Profile
    fields: tuple[Field, ...]
    lists: tuple[Listing, ...]
    noun: str
    call: Call
    item: bool = False

    @property
    def connector(self) -> str:
        return self.profile.operation.connector

    @property
    def trigger(self) -> bool:
        return self.name == TRIGGER

    def at(self, field: Field) -> Expression:
        return path(self.name, field.path)

    def of(self, *roles: str) -> list[Field]:
        return [f for f in self.fields if f.role in roles]


def path(name: str, keys: tuple[Key, ...]) -> Expression:
    return Path(Name(name), tuple(Segment(k) for k in keys)) if keys else Name(name)


def call_of(function: str, *arguments: Expression) -> Function:
    return Function(function, arguments)


# --- scope ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Scope:
    """The sources a step sees. `enter`/`leave` bracket a block whose results are not sure to exist behind it."""

    sources: list[Source] = field(default_factory=list)
    walked: list[tuple[str, tuple[Key, ...]]] = field(default_factory=list)  # lists that loops around here walk

    def add(self, source: Source) -> None:
        self.sources.append(source)

    def enter(self) -> int:
        return len(self.sources)

    def leave(self, mark: int) -> None:
        del self.sources[mark:]

    @property
    def trigger(self) -> Source:
        return self.sources[0]

    def steps(self) -> Iterator[Source]:
        """Results of steps, nearest first."""
        return (s for s in reversed(self.sources) if not s.item and not s.trigger)

    def items(self) -> Iterator[Source]:
        """Loop items, innermost first."""
        return (s for s in reversed(self.sources) if s.item)

    def inside(self, item: Source) -> Iterator[Source]:
        """What came after a loop item, nearest first."""
        return iter(self.sources[: self.sources.index(item) : -1])

    def near(self) -> list[Source]:
        """Everything in the order in which data is looked for: loop items, steps, trigger."""
        return [*self.items(), *self.steps(), self.trigger]

    def telling(self) -> list[Source]:
        """The same for what a message tells: what is walked, read or triggered first, what the flow itself wrote last, look-ups of people never."""
        near = [s for s in self.near() if not (s.profile.people or s.profile.secret) or s.item]
        return sorted(near, key=lambda s: (s.profile.writes or s.profile.asks) and not s.trigger and not s.item)

    def last_step(self) -> Source | None:
        return next(self.steps(), None)


# --- steps in the making ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hints:
    """What the words of the request say about data: attach files, answer the person it came from, the writer's own manager."""

    attach: bool = False
    file: bool = False
    person: bool = False
    own_manager: bool = False


def hints(query: str) -> Hints:
    if not query:
        return Hints()
    text = query.lower()
    return Hints(
        attach="attach" in text,
        file=bool(re.search(r"\b(attach\w*|pdf|file|document|word doc|invoice|report|certificate)\b", text)),
        person=bool(_PERSON.search(text)) and not re.search(r"\b(me|myself)\b", text),
        own_manager=bool(re.search(r"\bmy (\w+ )?(manager|boss|supervisor|lead|chef)", text)),
    )


_PERSON = re.compile(
    r"\b(requester|requestor|respondent|responder|submitter|applicant|sender|author|creator|customer|employee"
    r"|staff member|whoever|the person|person that|thank them|thanks? (him|her|you)|confirmation to"
    r"|(mail|email|tell|notify|inform|answer|thank|let|write) (to )?(them|him|her|back))\b"
)


@dataclass(slots=True)
class Step:
    """One call in the making."""

    profile: Profile
    scope: Scope
    hints: Hints
    given: dict[str, Expression]
    file: Source | None = None  # where the content comes from: the name comes from there too
    object: Source | None = None  # whose id is taken: the table or site is that one's too
    titled: bool = False

    @property
    def connector(self) -> str:
        return self.profile.operation.connector


def taken(step: Step, name: str) -> bool:
    return name in step.given or any(k.startswith(name + "/") or name.startswith(k + "/") for k in step.given)
