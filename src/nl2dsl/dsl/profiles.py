"""What an operation delivers and what it does, worked out once per catalog.

In: operations of a catalog. Out: `Profile`: its fields and lists by role, where they are in the result, the thing it is about, and whether it
reads, writes, asks somebody or makes a text. What is bound to what is decided elsewhere: see `binding.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from weakref import WeakKeyDictionary

from nl2dsl.catalog.model import Catalog, Operation

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
_VERBS = """
read: get list find search query read lookup retrieve fetch view download select
write: create add post send update patch delete remove insert upsert move copy mark flag reply forward set assign complete close cancel share
write: invite archive trash upload put append tweet notify delay terminate respond execute submit publish rename unflag block disable enable
write: edit merge replace void resend start stop run restart
"""
_VERB = {word: line.partition(":")[0] for line in _VERBS.strip().splitlines() for word in line.partition(":")[2].split()}
_SEARCHES = frozenset(("search", "query", "find", "lookup", "download"))
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
    secret: bool  # holds what nobody is told
    makes: bool  # makes a text that is there to be passed on

    @property
    def main_list(self) -> Listing | None:
        return next((x for x in self.lists if x.main), None)


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
    verb = _verb(spoken)
    fields, lists = _delivered(operation, noun)
    if verb == "read" and operation.kind != "trigger" and fields:
        fields, lists = _gathered(name, noun, fields, lists)
    maker = operation.id in _MAKER_IDS or any(m in operation.connector for m in _MAKERS)
    return Profile(
        operation=operation,
        fields=fields,
        lists=lists,
        noun=noun,
        reads=verb == "read",
        writes=verb == "write",
        asks=bool(_ASKS.search(operation.name)),
        people=operation.connector in _PEOPLE,
        secret="keyvault" in operation.connector,
        makes=maker,
    )


def _verb(spoken: tuple[str, ...]) -> str:
    """Whether an operation reads or writes, by the first word that says so; a search is one wherever the word stands."""
    if not _SEARCHES.isdisjoint(spoken):
        return "read"
    for word in spoken:
        if word in _VERB:
            return _VERB[word]
        if any(word.startswith(w) and word != "address" for w in ("add", "create", "update", "delete", "remove")):
            return "write"
    return ""


def _many(name: str) -> bool:
    """Whether a look-up delivers several things though the catalog does not say so: `ListCards`, `GetIssues`."""
    raw = [w.lower() for w in _WORD.findall(name)]
    if not raw or raw[0] in ("list", "search"):
        return bool(raw)
    head = raw[: raw.index("by")] if "by" in raw else raw
    return head[0] == "get" and head[-1] != _singular(head[-1]) and head[-1] in _NOUNS


def _gathered(name: str, noun: str, fields: tuple[Field, ...], lists: tuple[Listing, ...]) -> tuple[tuple[Field, ...], tuple[Listing, ...]]:
    """Fields that the catalog has beside a list, though they are those of its things, go where they belong."""
    whole = Listing(("body",), "list_of_items", (), "file" if noun == "folder" else noun, True)
    target = next((x for x in lists if x.main and not x.items), None) if lists else whole if _many(name) else None
    if target is None or any(x.items for x in lists):
        return fields, lists
    inside = [f for f in fields if f.path[:1] == ("body",) and len(f.path) > 1 and not _OF_THE_LIST.fullmatch(f.name)]
    filled = replace(target, items=tuple(Field(f.path[1:], f.role, f.type, f.words) for f in inside))
    return tuple(f for f in fields if f not in inside), (filled, *(x for x in lists if x is not target))


_OF_THE_LIST = re.compile(r"(?i)total.*|count.*|.*count|@.*|.*link|page.*|next.*|limit|offset|has_?more|size|cursor|success|ok|error.*|message")


def _noun(connector: str, spoken: tuple[str, ...]) -> str:
    """The thing an operation is about: the last noun before `By…`, where `calendar items` are events and the items of tables are rows."""
    if "calendar" in spoken:
        return "event"
    if connector == "shared_documentdb":
        return "document"
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
        Listing(
            _split(o.name[len(name) + 1 :]), o.role, _attachment_fields(o.name) if _attached(o.name, o.role) else (), _list_noun(o.name, ""), False
        )
        for o in inner
        if o.type == "array"
    )
    attached = _attached(name, role)
    if attached and not items:
        items = _attachment_fields(name)
    elif role == "list_of_files" and not items:
        items = _file_fields(operation, name)
    main = name in ("", "value", "result", "results", "records", "items", "rows", "data") or bool(items)
    return Listing(_path(operation, name), role, items, _listed(operation.connector, name, role, noun), main, nested)


def _listed(connector: str, name: str, role: str, noun: str) -> str:
    """What one thing of a list is called."""
    if role == "list_of_files" and not ("cognitive" in connector or "documentdb" in connector):
        return "attachment" if _attached(name, role) else "file"
    return _list_noun(name, noun)


def _attached(name: str, role: str) -> bool:
    return role == "list_of_files" and name.rpartition("/")[2].lower() == "attachments"


def _attachment_fields(name: str) -> tuple[Field, ...]:
    """Attachments of the newer mail operations are written `contentBytes`, of the older `ContentBytes`."""
    upper = name.rpartition("/")[2][:1].isupper()
    return tuple(_field((n[0].upper() + n[1:] if upper else n,), role, "string") for n, role in _ATTACHMENT)


def _file_fields(operation: Operation, name: str) -> tuple[Field, ...]:
    """Files that a conversion delivers: the contents themselves, or documents with a name."""
    if name.lower().endswith("contents"):
        return (_field((), "file_content", "string"),)
    if "encodian" in operation.connector:
        return (_field(("FileContent",), "file_content", "string"), _field(("Filename",), "file_name", "string"))
    return ()


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
