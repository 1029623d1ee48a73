"""The inventory of wordings: how people say each operation, which values a clause states, and how often operations follow one another.

In: `operations.jsonl` (clauses with `{parameter}` slots, plausible values, roles), `connectors.json` (nicknames) and `counts.json` (how often
operations start a
request, occur in one and follow one another; counted in the curated requests), and the catalog for types and enums. Out: an `Inventory` of frozen
`Wording`s whose
clauses are already cut at their slots and whose values are already what the flow will hold, so that sampling only draws and joins.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.corpus import requests
from nl2dsl.dsl.sketch import Scalar, Sketch

FOLDER = Path(__file__).parents[3] / "data" / "wording"
FORMS = ("imperative", "noun", "terse", "when")
# these are said by control words and by the language itself, never by a call of a sketch
LANGUAGE = frozenset(
    f"builtin.{name}"
    for name in ("If", "Foreach", "Switch", "Until", "Scope", "InitializeVariable", "SetVariable", "IncrementVariable", "DecrementVariable")
)

_SLOT = re.compile(r"\{([^{}]+)\}")
_FOLD = re.compile(r"[^a-z0-9]")
_POINTER = re.compile(
    r"(?:me|us|him|her|them|it|my|our|the|his|their|its|an?|all|every|each|any|today's|yesterday's|"
    r"this|that|these|those|everyone|everybody|nobody|someone|whoever)(?=\s|$)"
)
# people who are in the data of a run, not named in the request
_IN_DATA = re.compile(
    r"request(?:er|or|ers)|sender|applicant|author|creator|attendee|customer|client|owner|submitter|invitee|buyer|person|respondent|user|contact|"
    r"reporter|assignee|member|guest|candidate|subscriber|organi[sz]er|caller|donor|visitor|"
    r"participant|employee|manager|boss|approver|recipient|one\b|who\b|whole|team$"
)
_CLAUSE_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|can|came|comes|starts|started|ships|shipped|arrives|arrived|"
    r"needs|failed|finished|went|goes|filled|changed|did)\b"
)
_TRUE = frozenset(("true", "yes", "on", "archived", "private"))
_FALSE = frozenset(("false", "no", "off", "open", "public"))
# words for values that the catalog spells in another way
_SPELLED: dict[tuple[str, str], Scalar] = {
    ("triggerAuthenticationType", "anyone"): "All",
    ("triggerAuthenticationType", "any user in my tenant"): "Tenant",
    ("triggerAuthenticationType", "specific users in my tenant"): "Users",
    ("operation/securityAlgorithm", "HS256"): "HmacSha256Signature",
    ("operation/securityAlgorithm", "RS256"): "RsaSha256Signature",
    ("operation/barcodeImageFormat", "JPEG"): "JPG",
    ("operation/splitByType", "PageNumbers"): "PageArray",
    ("operation/splitByType", "Bookmarks"): "BookmarkLevel",
    ("operation/splitByType", "EveryXPages"): "NumberOfPages",
    ("body/isRead", "yes"): "true",
    ("calendarid", "my calendar"): "Calendar",
    ("frequency", "each time"): "Multiple",
    ("runningPolicy", "anyone"): "Everyone",
    ("documentId", "certificate"): "Certificate : Get only certificate of completion as pdf",
    ("documentId", "combined"): "Combined with COC : Get all documents as single pdf",
    ("variables/type", "number"): "float",
    ("item/timeZone", "UTC"): "(UTC) Coordinated Universal Time",
    ("item/timeZone", "Eastern Standard Time"): "(UTC-05:00) Eastern Time (US & Canada)",
    ("item/timeZone", "W. Europe Standard Time"): "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
    ("subscriptionRequest/message", "Added"): 1,
    ("subscriptionRequest/message", "Deleted"): 2,
    ("subscriptionRequest/message", "Modified"): 3,
    ("subscriptionRequest/message", "Added or Modified"): 4,
    ("subscriptionRequest/message", "Added or Modified or Deleted"): 7,
    ("subscriptionRequest/scope", "User"): 1,
    ("subscriptionRequest/scope", "Business Unit"): 2,
    ("subscriptionRequest/scope", "Organization"): 4,
    ("parameter/checkinType", "minor"): 0,
    ("parameter/checkinType", "major"): 1,
    ("parameter/checkinType", "overwrite"): 2,
    ("body/priority", "Urgent"): 1,
    ("body/priority", "Important"): 3,
    ("body/priority", "Medium"): 5,
    ("body/priority", "Low"): 9,
}


def fold(text: object) -> str:
    """Letters and digits only: `Added or Modified` and `addedOrModified` are the same word."""
    return _FOLD.sub("", str(text).lower())


@dataclass(frozen=True, slots=True)
class Filler:
    """Words for a slot and what they put into the sketch: `value` is None for words that point at data of the run ("the requester", "me")."""

    words: str
    value: Scalar | None
    verbatim: bool = True


@dataclass(frozen=True, slots=True)
class Clause:
    """One way to say an operation. `pieces` alternate text, slot, text ...; `stated` are the values its fixed words say."""

    operation: str
    form: str
    text: str
    pieces: tuple[str, ...]
    stated: tuple[tuple[str, Scalar], ...] = ()

    @property
    def slots(self) -> tuple[str, ...]:
        return self.pieces[1::2]

    @property
    def id(self) -> str:
        return f"{self.operation}|{self.form}|{self.text}"

    def bucket(self, n: int) -> int:
        """A stable number below n, so that a split by clause is the same in every run."""
        return zlib.crc32(self.id.encode()) % n


@dataclass(frozen=True, slots=True)
class Wording:
    """All that is known about saying one operation."""

    operation: str
    trigger: bool
    title: str
    summary: str
    clauses: Mapping[str, tuple[Clause, ...]]
    fillers: Mapping[str, tuple[Filler, ...]]
    roles: Mapping[str, str]
    outputs: Mapping[str, str]
    open_keys: tuple[str, ...] = ()
    enums: frozenset[str] = frozenset()
    order: Mapping[str, int] = field(default_factory=dict)

    @property
    def connector(self) -> str:
        return self.operation.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Inventory:
    wordings: Mapping[str, Wording]
    nicknames: Mapping[str, tuple[str, ...]]
    things: Mapping[str, tuple[str, ...]]
    triggers: Mapping[str, int]
    actions: Mapping[str, int]
    after: Mapping[str, Mapping[str, int]]
    shapes: tuple[Sketch, ...] = ()


def _number(words: str, type: str) -> Scalar | None:
    if re.fullmatch(r"-?\d+", words):
        return int(words)
    if type == "number" and re.fullmatch(r"-?\d+\.\d+", words):
        return float(words)
    return None


def value_of(parameter: Parameter, words: str) -> Filler | None:
    """What `words` put into a parameter, or None when they cannot be a value of it."""
    spelled = _SPELLED.get((parameter.name, words))
    if parameter.enum:
        wanted = fold(words)
        exact = next((e for e in parameter.enum if fold(e) == wanted or e == spelled), None)
        return None if exact is None or not wanted else Filler(words, exact, verbatim=False)
    if spelled is not None and parameter.type in ("integer", "number", "boolean"):
        return Filler(words, spelled, verbatim=False)
    if parameter.type in ("integer", "number"):
        number = _number(words, parameter.type)
        return None if number is None else Filler(words, number, verbatim=False)
    if parameter.type == "boolean":
        low = words.lower()
        return Filler(words, low in _TRUE, verbatim=False) if low in _TRUE | _FALSE else None
    return Filler(words, words)


def _points(words: str, role: str) -> bool:
    """Whether words name something of the run instead of stating a value."""
    if role in ("file_content", "list_of_files"):
        return True
    if not _POINTER.match(words) or role == "query_text":
        return False
    if role in ("text", "html", "title"):
        return not _CLAUSE_VERB.search(words)
    return True


def _fillers(parameter: Parameter, role: str, values: list[str], references: list[str]) -> tuple[Filler, ...]:
    found: list[Filler] = [Filler(words, None) for words in references]
    for words in values:
        words = words.strip().strip('"')
        if parameter.open or parameter.type in ("object", "file"):
            found.append(Filler(words, None))
        elif parameter.enum and (filler := value_of(parameter, words)):
            found.append(filler)
        elif _points(words, role) and (parameter.name, words) not in _SPELLED:
            if role in ("person_email", "person_name") and words.startswith("the ") and not _IN_DATA.search(words):
                found.append(Filler(words, words[4:]))
            else:
                found.append(Filler(words, None))
        elif filler := value_of(parameter, words):
            found.append(filler)
    return tuple(found)


def _clauses(row: Mapping[str, object], form: str, operation: Operation, fillers: Mapping[str, tuple[Filler, ...]]) -> tuple[Clause, ...]:
    stated_by: Mapping[str, Mapping[str, str]] = row.get("stated", {})  # type: ignore[assignment]
    texts: list[str] = row.get(form, [])  # type: ignore[assignment]
    found = []
    for text in texts:
        pieces = tuple(_SLOT.split(text))
        if any(not fillers.get(slot) for slot in pieces[1::2]):
            continue
        stated = []
        for key, words in stated_by.get(text, {}).items():
            parameter = operation.parameter(key)
            filler = value_of(parameter, words) if parameter else None
            if filler is not None and filler.value is not None:
                stated.append((key, filler.value))
        found.append(Clause(operation.id, form, text, pieces, tuple(stated)))
    return tuple(found)


def wording_of(row: Mapping[str, object], operation: Operation) -> Wording:
    """A row of `operations.jsonl` read against the operation of the catalog it words."""
    roles: Mapping[str, str] = row["roles"]  # type: ignore[assignment]
    values: Mapping[str, list[str]] = row["values"]  # type: ignore[assignment]
    references: Mapping[str, list[str]] = row.get("references", {})  # type: ignore[assignment]
    fillers = {}
    for key in values.keys() | references.keys():
        parameter = operation.parameter(key)
        if parameter is not None:
            fillers[key] = _fillers(parameter, roles.get(key, ""), values.get(key, []), references.get(key, []))
    return Wording(
        operation.id,
        "when" in row,
        str(row["title"]),
        str(row["summary"]),
        {form: _clauses(row, form, operation, fillers) for form in FORMS},
        fillers,
        roles,
        row["outputs"],  # type: ignore[arg-type]
        tuple(p.name for p in operation.parameters if p.open),
        frozenset(p.name for p in operation.parameters if p.enum),
        {p.name: i for i, p in enumerate(operation.parameters)},
    )


def shapes(folder: Path) -> tuple[Sketch, ...]:
    """The sketches of the curated requests in a folder, without their sentences: which operations and which control go together in real life."""
    return tuple(request.sketch for path in sorted(folder.glob("*.requests")) for request in requests.read(path))


def load(folder: Path = FOLDER, catalog: Catalog | None = None) -> Inventory:
    """The inventory in a folder; operations that the catalog does not have are left out."""
    catalog = catalog or read.builtin()
    wordings: dict[str, Wording] = {}
    for line in (folder / "operations.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        operation = catalog.get(row["operation"])
        if operation is not None and operation.id not in LANGUAGE:
            wordings[operation.id] = wording_of(row, operation)
    connectors = json.loads((folder / "connectors.json").read_text(encoding="utf-8"))
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    return Inventory(
        wordings,
        {name: tuple(c["nicknames"]) for name, c in connectors.items()},
        {name: tuple(c["things"]) for name, c in connectors.items()},
        counts["triggers"],
        counts["actions"],
        counts["after"],
        shapes(folder.parent / "requests"),
    )
