"""What a step can see: the data that the trigger, earlier steps and the current loop item deliver, by role.

In: operations of a catalog, calls of a flow in the making. Out: `Profile` (what an operation delivers, worked out once per catalog), `Source` (a result or
loop item in scope) and `Scope` (all of them, nearest first). Nothing here decides what is bound to what: see `binding.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakKeyDictionary

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.dsl.tree import Call, Expression, Function, Name, Path, Segment

TRIGGER = "triggerOutputs"
Key = str | int

_TOP_LEVEL = ("headers", "statusCode", "queries", "relativePathParameters")  # beside the body, not in it, for requests
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_VERSION = re.compile(r"_?v\d+\Z", re.IGNORECASE)

# Nouns that operations are about; words of one line mean the same thing.
_NOUNS = {
    word: line.split()[0]
    for line in """
    mail email emails mails message messages
    event events calendar meeting meetings appointment
    row rows record records entity
    item items
    file files blob blobs document documents
    attachment attachments
    task tasks todo todos
    member members user users person people profile profiles owner owners
    contact contacts
    response responses
    form forms
    card cards
    issue issues ticket tickets
    post posts tweet tweets
    channel channels
    team teams
    group groups
    folder folders
    comment comments
    lead leads
    deal deals
    order orders
    product products
    customer customers
    approval approvals
    video videos
    page pages
    plan plans
    bucket buckets
    run runs
    flow flows
    app apps
    environment environments
    result results
    invoice invoices
    alert alerts
    incident incidents
    project projects
    feed feeds
    job jobs
    envelope envelopes
    """.strip().splitlines()
    for word in line.split()
}
_READS = frozenset("get list find search query read lookup retrieve fetch view download select".split())
_WRITES = frozenset(
    "create add post send update patch delete remove insert upsert move copy mark flag reply forward set assign complete close cancel share invite archive trash"
    " upload put append tweet notify delay terminate respond execute submit publish rename unflag block disable enable edit merge replace createa updatea deletea"
    " void resend start stop run restart".split()
)
_PEOPLE = frozenset(("shared_office365users",))
_MAKERS = ("openai", "aibuilder", "translat", "summar", "conversionservice", "cohere", "claude", "gemini")
_MAKER_IDS = frozenset(("builtin.TableHtml", "builtin.Join", "builtin.Compose"))
_TABLES = ("excel", "sheet", "sql", "commondataservice", "dynamics", "airtable")
_ASKS = re.compile(r"WaitFor|WithOptions|ApprovalMail|RequestFor")

# What one thing of an attachment list has, where the catalog does not say.
_ATTACHMENT = (("name", "file_name"), ("contentBytes", "file_content"), ("contentType", "text"), ("id", "record_id"))


@lru_cache(maxsize=20_000)
def words(text: str) -> tuple[str, ...]:
    """The words of a name, lower case and without plural: `dueDateTime` is (due, date, time)."""
    return tuple(_singular(w.lower()) for w in _WORD.findall(text))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a result: where it is below the result's name, and what it means."""

    path: tuple[Key, ...]
    role: str
    type: str = "any"
    words: tuple[str, ...] = ()  # of the last part of the name

    @property
    def name(self) -> str:
        return str(self.path[-1]) if self.path else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list in a result, and the fields of one of its things."""

    path: tuple[Key, ...]
    role: str
    items: tuple[Field, ...]
    noun: str
    main: bool  # the list the operation is there for, not a by-product such as tags
    lists: tuple[Listing, ...] = ()  # lists inside one thing


@dataclass(frozen=True, slots=True)
class Profile:
    """What is worth knowing about an operation when data is bound."""

    operation: Operation
    fields: tuple[Field, ...]
    lists: tuple[Listing, ...]
    noun: str
    reads: bool
    writes: bool
    asks: bool  # waits for somebody's answer
    people: bool  # looks a person up
    makes: bool  # makes a text that is there to be passed on

    @property
    def main_list(self) -> Listing | None:
        return next((x for x in self.lists if x.main), None)


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


# --- profiles ------------------------------------------------------------------------------------------------------------------

_profiles: WeakKeyDictionary[Catalog, dict[str, Profile]] = WeakKeyDictionary()


def profile(catalog: Catalog, id: str) -> Profile | None:
    """The profile of an operation, worked out on first use; None when the catalog does not know the id."""
    known = _profiles.setdefault(catalog, {})
    found = known.get(id)
    if found is None and (operation := catalog.get(id)) is not None:
        found = known[id] = _profile(operation)
    return found


def _profile(operation: Operation) -> Profile:
    name = _VERSION.sub("", operation.name)
    spoken = words(name)
    noun = _noun(operation.connector, spoken)
    reads = not _READS.isdisjoint(spoken)
    fields, lists = _delivered(operation, noun)
    maker = operation.id in _MAKER_IDS or any(m in operation.connector for m in _MAKERS)
    return Profile(
        operation=operation,
        fields=fields,
        lists=lists,
        noun=noun,
        reads=reads,
        writes=not reads and not _WRITES.isdisjoint(spoken),
        asks=bool(_ASKS.search(operation.name)),
        people=operation.connector in _PEOPLE,
        makes=maker,
    )


def _noun(connector: str, spoken: tuple[str, ...]) -> str:
    """The thing an operation is about: the last noun before `By…`, where `calendar items` are events and the items of tables are rows."""
    if "calendar" in spoken:
        return "event"
    head = spoken[: spoken.index("by")] if "by" in spoken else spoken
    noun = next((_NOUNS[w] for w in reversed(head) if w in _NOUNS), "")
    return "row" if noun == "item" and any(t in connector for t in _TABLES) else noun


def noun_of(word: str) -> str:
    return _NOUNS.get(word, "")


def _delivered(operation: Operation, noun: str) -> tuple[tuple[Field, ...], tuple[Listing, ...]]:
    arrays = [o.name for o in operation.outputs if o.type == "array"]
    fields: list[Field] = []
    lists: list[Listing] = []
    for output in operation.outputs:
        holder = _holder(output.name, arrays)
        if holder is not None:
            continue
        if output.type == "array":
            lists.append(_listing(operation, output.name, output.role, noun, arrays))
        elif not (operation.id == "shared_office365.GetEmailsV3" and output.name == ""):
            fields.append(_field(_path(operation, output.name), output.role, output.type))
    lists.sort(key=lambda x: not x.main)
    return tuple(fields), tuple(lists)


def _holder(name: str, arrays: list[str]) -> str | None:
    """The innermost list an output is inside of."""
    inside = [a for a in arrays if a != name and name.startswith(a + "/")]
    return max(inside, key=len) if inside else None


def _listing(operation: Operation, name: str, role: str, noun: str, arrays: list[str]) -> Listing:
    inner = [o for o in operation.outputs if _holder(o.name, arrays) == name]
    items = tuple(_field(_split(o.name[len(name) + 1 :]), o.role, o.type) for o in inner if o.type != "array")
    nested = tuple(
        Listing(_split(o.name[len(name) + 1 :]), o.role, _attachment_fields(o.name) if _attached(o.name, o.role) else (), _list_noun(o.name, ""), False)
        for o in inner
        if o.type == "array"
    )
    attached = _attached(name, role)
    if attached and not items:
        items = _attachment_fields(name)
    main = name in ("", "value", "results", "records", "items", "rows") or bool(items)
    return Listing(_path(operation, name), role, items, _listed(name, role, noun), main, nested)


def _listed(name: str, role: str, noun: str) -> str:
    """What one thing of a list is called."""
    if role == "list_of_files":
        return "attachment" if _attached(name, role) else "file"
    return _list_noun(name, noun)


def _attached(name: str, role: str) -> bool:
    return role == "list_of_files" and name.rpartition("/")[2].lower() in ("attachments", "documents")


def _attachment_fields(name: str) -> tuple[Field, ...]:
    """Attachments of the newer mail operations are written `contentBytes`, of the older `ContentBytes`."""
    upper = name.rpartition("/")[2][:1].isupper()
    return tuple(_field((n[0].upper() + n[1:] if upper else n,), role, "string") for n, role in _ATTACHMENT)


def _list_noun(name: str, noun: str) -> str:
    spoken = words(name)
    return next((_NOUNS[w] for w in reversed(spoken) if w in _NOUNS and w not in ("result", "item", "record")), noun)


def _field(keys: tuple[Key, ...], role: str, type: str) -> Field:
    return Field(keys, role, type, words(str(keys[-1])) if keys else ())


def _split(name: str) -> tuple[Key, ...]:
    return tuple(name.split("/")) if name else ()


def _path(operation: Operation, name: str) -> tuple[Key, ...]:
    """Where an output is below the result: in the body, but headers, files' names and the like beside it."""
    if operation.id == "builtin.Compose":
        return ()
    if operation.connector in ("builtin", "commonTrigger") and name in _TOP_LEVEL:
        return (name,)
    if name.startswith("x-ms-"):
        return ("headers", name)
    if name.startswith("@"):
        return ("body", name)
    return ("body", *_split(name))


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

    def near(self) -> list[Source]:
        """Everything in the order in which data is looked for: loop items, steps, trigger."""
        return [*self.items(), *self.steps(), self.trigger]

    def telling(self) -> list[Source]:
        """The same for what a message tells: what is walked, read or triggered first, what the flow itself wrote last, look-ups of people never."""
        near = [s for s in self.near() if not s.profile.people or s.item]
        return sorted(near, key=lambda s: (s.profile.writes or s.profile.asks) and not s.trigger and not s.item)

    def first(self, wanted: Callable[[Source], bool]) -> Source | None:
        return next((s for s in self.near() if wanted(s)), None)

    def last_step(self) -> Source | None:
        return next(self.steps(), None)
