"""Makes sketch and query agree to the letter.

In: a sketch and the query it was said in, perhaps in lower case by now. Out: the sketch with its words as the query writes them, or None when a word
is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nl2dsl.corpus.wording import Wording
from nl2dsl.dsl.sketch import (
    Choose,
    Condition,
    Each,
    Node,
    Repeat,
    Scalar,
    Sketch,
    Step,
    Value,
    When,
)


def _scalars(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def strings(sketch: Sketch) -> Iterator[str]:
    """Words that the query must keep: stated strings, and both sides of tests."""
    yield from (s for _, v in sketch.trigger.stated for s in _scalars(v) if isinstance(s, str))
    stack: list[Node] = list(sketch.steps)
    while stack:
        node = stack.pop()
        match node:
            case Step():
                yield from (s for _, v in node.stated for s in _scalars(v) if isinstance(s, str))
            case When():
                yield from _sides(node.condition)
                stack += [*node.then, *node.otherwise]
            case Each():
                stack += node.body
            case Repeat():
                yield from _sides(node.condition)
                stack += node.body
            case Choose():
                yield node.subject
                for value, body in node.cases:
                    yield str(value)
                    stack += body
                stack += node.default


def _sides(condition: Condition) -> Iterator[str]:
    for test in condition.tests:
        if test.left:
            yield test.left
        if isinstance(test.right, str) and test.right:
            yield test.right


# keys whose strings are normalised, not copied
_NORMALISED = frozenset(("frequency", "weekDays", "interval/unit", "timeUnit"))


class Lost(Exception):
    """A stated word is not in the query."""


def settle(sketch: Sketch, query: str, wordings: Mapping[str, Wording]) -> Sketch | None:
    """The sketch with its words in the letter case of the query, or None when a word is not there."""
    low = query.lower()

    def word(text: str) -> str:
        if not text:
            return text
        if text in query:
            return text
        at = low.find(text.lower())
        if at < 0:
            raise Lost
        return query[at : at + len(text)]

    def scalar(value: Scalar) -> Scalar:
        return word(value) if isinstance(value, str) else value

    def step(node: Step) -> Step:
        wording = wordings.get(node.operation)
        enums = wording.enums if wording else frozenset()
        return Step(node.operation, tuple((k, v if k in enums or k in _NORMALISED or isinstance(v, tuple) else scalar(v)) for k, v in node.stated))

    def condition(c: Condition) -> Condition:
        return Condition(tuple(replace(t, left=word(t.left), right=scalar(t.right)) for t in c.tests), c.joined)

    def nodes(items: tuple[Node, ...]) -> tuple[Node, ...]:
        out: list[Node] = []
        for node in items:
            match node:
                case Step():
                    out.append(step(node))
                case When():
                    out.append(When(condition(node.condition), nodes(node.then), nodes(node.otherwise)))
                case Each():
                    out.append(Each(nodes(node.body)))
                case Repeat():
                    out.append(Repeat(nodes(node.body), condition(node.condition)))
                case Choose():
                    out.append(Choose(word(node.subject), tuple((scalar(v), nodes(b)) for v, b in node.cases), nodes(node.default)))
        return tuple(out)

    try:
        return Sketch(step(sketch.trigger), nodes(sketch.steps))
    except Lost:
        return None
