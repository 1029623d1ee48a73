"""Seeded data of mock connectors: plausible, the same for the same seed, typed by what the catalog says an operation returns.

In: a seed, the catalog's operations, JSON schemas, and `hints`: texts and numbers that a flow compares properties with, so that runs with different
seeds take different branches. Out: values, and outputs of calls. Nothing is remembered: a value depends on the seed, the operation, its inputs, how
often it was called with them, and where in the result it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from nl2dsl.catalog.model import Operation, Output
from nl2dsl.dsl.profiles import words
from nl2dsl.simulator.values import MockList, MockObject, Unknown, is_number, plain

Hints = Mapping[str, Sequence[Any]]  # by the lower-case name of a property

_PEOPLE = ("Ana Sousa", "Ben Okafor", "Chiara Rossi", "David Kim", "Elif Demir", "Frank Meyer", "Grace Lin", "Hugo Martin", "Ines Novak", "Jon Berg")
_TITLES = ("Quarterly report", "Travel request", "Budget review", "Server upgrade", "New laptop", "Contract renewal", "Welcome pack", "Site visit")
_SENTENCES = (
    "Please have a look at the attached figures.",
    "The delivery arrives on Thursday.",
    "We agreed to move the date by one week.",
    "Two points are still open.",
    "All tests passed.",
    "The customer asked for a call back.",
)
_CHOICES = ("Active", "Pending", "Completed", "New")
_OUTCOMES = ("Approve", "Reject")
_PLACES = ("Lisbon", "Oslo", "Toronto", "Vienna")
_COUNTRIES = ("Portugal", "Norway", "Canada", "Austria")
_FILES = ("report.docx", "figures.xlsx", "invoice.pdf", "photo.png")
_ABSENT = 0.3  # how often a property that the flow compares with null is null
_HINTED = 0.6  # how often a property that the flow compares with something has one of those values

# Roles by words of a property's name, for what the catalog does not describe; the first that fits.
_NAMED = tuple(
    (role, frozenset(spoken.split()))
    for role, spoken in (
        ("boolean", "is has enabled disabled flag success succeeded"),
        ("person_email", "email mail upn principal sender recipient mailbox"),
        ("url", "url uri link href website webhook"),
        ("record_id", "id guid uuid key identifier number"),
        ("date_time", "date time created modified createdon modifiedon due start end timestamp deadline expiry birthday"),
        ("number", "count total size length index quantity qty percent score code duration seconds days hours minutes"),
        ("money", "amount price cost revenue"),
        ("status", "status state"),
        ("outcome", "outcome decision"),
        ("file_content", "content bytes base64 encoded"),
        ("file_name", "filename file attachment"),
        ("file_path", "path folder directory"),
        ("phone", "phone mobile fax"),
        ("country", "country"),
        ("location", "city location office address street region"),
        ("person_name", "author owner manager user person creator assignee requestor displayname givenname surname"),
        ("text", "body description text comment comments message notes summary reason details"),
        ("title", "name title subject label topic"),
    )
)
_LISTS = frozenset("value values items results records rows entries list responses members attachments recipients users data".split())
_SCALAR_TYPES = frozenset(("string", "number", "integer", "boolean"))


def digest(*parts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest())


class Mocks:
    """The data of one run. `start` is the run's beginning on the virtual clock: dates lie around it."""

    def __init__(self, seed: int, start: datetime, hints: Hints | None = None) -> None:
        self.seed = str(seed)
        self.start = start
        self.hints = hints or {}

    def unknown(self, key: str, name: str = "") -> Unknown:
        return Unknown(self, key, name)

    def random(self, *parts: str) -> Random:
        return Random(digest(self.seed, *parts))

    # what an unknown value is when something asks for a type (see values.Source)

    def text(self, value: Unknown) -> str:
        return str(self.scalar(value.key, value.name, value.role, "string"))

    def number(self, value: Unknown) -> int:
        hints = [h for h in self.hints.get(value.name.lower(), ()) if is_number(h)]
        rng = self.random(value.key, "number")
        if hints and rng.random() < _HINTED:
            hint = int(rng.choice(hints))
            return rng.choice((hint, hint, hint - 1, hint + 1, hint // 2, hint * 2 + 1))
        return rng.randint(1, 100)

    def boolean(self, value: Unknown) -> bool:
        return self.random(value.key, "boolean").random() < 0.5

    def absent(self, value: Unknown) -> bool:
        """Whether a property is null: sometimes, where the flow asks for that."""
        return None in self.hints.get(value.name.lower(), ()) and self.random(value.key, "absent").random() < _ABSENT

    def natural(self, value: Unknown) -> Any:
        """What it is when nothing asks for a type: a list for a name that says so, else a scalar."""
        if value.type == "any" and value.name.lower() in _LISTS and not value.key.rpartition("/")[2].isdigit():
            return value.items()
        return self.scalar(value.key, value.name, value.role, value.type)

    # scalars

    def scalar(self, key: str, name: str, role: str = "", type: str = "any") -> Any:
        """A text, number or boolean for a property of that name, role and type."""
        rng = self.random(key, "scalar")
        hinted = [h for h in self.hints.get(name.lower(), ()) if _fits(h, type)]
        if hinted and rng.random() < _HINTED:
            return rng.choice(hinted)
        role = role if role not in ("", "other", "text") else role_of_name(name) or role
        if type == "boolean" or (type == "any" and role == "boolean"):
            return rng.random() < 0.5
        if type in ("integer", "number") or (type == "any" and role == "number"):
            return rng.randint(1, 100)
        if type == "any" and role == "money":
            return round(rng.uniform(10, 5000), 2)
        return self._text(rng, role, name)

    def _text(self, rng: Random, role: str, name: str) -> str:
        match role:
            case "person_email":
                return rng.choice(_PEOPLE).lower().replace(" ", ".") + "@contoso.com"
            case "person_name":
                return rng.choice(_PEOPLE)
            case "date_time":
                return (self.start + timedelta(minutes=rng.randint(-20_000, 20_000))).strftime("%Y-%m-%dT%H:%M:%SZ")
            case "url":
                return f"https://contoso.example/{rng.randint(1000, 9999)}"
            case "record_id":
                return guid(rng)
            case "file_name":
                return rng.choice(_FILES)
            case "file_path" | "folder_path":
                return f"/Shared Documents/{rng.choice(_FILES)}"
            case "file_content":
                return "U2VlZGVkIGNvbnRlbnQ="  # base64 of "Seeded content"
            case "html":
                return f"<p>{rng.choice(_SENTENCES)}</p>"
            case "phone":
                return f"+351 21 {rng.randint(1_000_000, 9_999_999)}"
            case "status" | "choice":
                return rng.choice(_CHOICES)
            case "outcome":
                return rng.choice(_OUTCOMES)
            case "country":
                return rng.choice(_COUNTRIES)
            case "location":
                return rng.choice(_PLACES)
            case "language":
                return rng.choice(("en", "pt", "de"))
            case "text":
                return rng.choice(_SENTENCES)
            case "number" | "money" | "duration" | "boolean":
                return str(rng.randint(1, 100))
            case "title" | "project" | "bucket" | "board":
                return f"{rng.choice(_TITLES)} {rng.randint(1, 99)}"
        return f"{name or 'value'} {rng.randint(1, 99)}"

    # objects

    def of_schema(self, schema: Any, key: str, name: str = "", depth: int = 0) -> Any:
        """A value of a JSON schema; what the schema leaves open is an `Unknown`."""
        if not isinstance(schema, dict) or depth > 40:
            return self.unknown(key, name)
        kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "any")
        if isinstance(kind, list):
            kind = next((k for k in kind if k != "null"), "null")
        if not isinstance(kind, str):
            return self.unknown(key, name)
        if kind == "object":
            properties = schema.get("properties")
            known = {k: self.of_schema(s, f"{key}/{k}", k, depth + 1) for k, s in properties.items()} if isinstance(properties, dict) else {}
            return MockObject(known, self.unknown(key, name))
        if kind == "array":
            count = 2 + self.random(key, "count").randrange(2)
            items = [self.of_schema(schema.get("items"), f"{key}/{n}", name, depth + 1) for n in range(count)]
            return MockList(items, self.unknown(key, name))
        if kind == "null":
            return None
        if kind in _SCALAR_TYPES:
            return self._described(key, name, _role_of_format(str(schema.get("format", ""))), kind, schema.get("enum"))
        return self.unknown(key, name)

    def body(self, operation: Operation | None, key: str) -> Any:
        """The body an operation returns by its catalog entry."""
        if operation is None or not operation.outputs:
            return self.unknown(f"{key}/body", "body")
        shape = _Shape()
        for output in operation.outputs:
            shape.add(output)
        return self._of_shape(shape, f"{key}/body", "body")

    def _of_shape(self, shape: _Shape, key: str, name: str) -> Any:
        if shape.is_array:
            count = 2 + self.random(key, "count").randrange(2)
            return MockList([self._of_node(shape, f"{key}/{n}", name) for n in range(count)], self.unknown(key, name))
        return self._of_node(shape, key, name)

    def _of_node(self, shape: _Shape, key: str, name: str) -> Any:
        if shape.children:
            known = {k: self._of_shape(child, f"{key}/{k}", k) for k, child in shape.children.items()}
            return MockObject(known, self.unknown(key, name))
        output = shape.output
        if output is None or output.type not in _SCALAR_TYPES:
            return self.unknown(key, name)
        role = "outcome" if output.role == "choice" and name.lower() in ("outcome", "selectedoption") else output.role
        return self._described(key, name, role, output.type)

    def _described(self, key: str, name: str, role: str, type: str, enum: Any = None) -> Any:
        """A scalar; texts stay open, for something may still be in them."""
        if isinstance(enum, list) and enum:
            return self.random(key, "enum").choice(enum)
        return Unknown(self, key, name, role, type) if type == "string" else self.scalar(key, name, role, type)


class _Shape:
    """What is known of one place in a result: its own entry of the catalog and those below it."""

    def __init__(self) -> None:
        self.output: Output | None = None
        self.is_array = False
        self.children: dict[str, _Shape] = {}

    def add(self, output: Output) -> None:
        shape = self
        for part in output.name.split("/") if output.name else ():
            shape = shape.children.setdefault(part, _Shape())
        shape.output = output
        shape.is_array = output.type == "array"


def role_of_name(name: str) -> str:
    spoken = words(name)
    for role, known in _NAMED:
        if not known.isdisjoint(spoken) or name.lower() in known:
            return role
    return ""


def _role_of_format(format: str) -> str:
    return {"email": "person_email", "date-time": "date_time", "date": "date_time", "uri": "url", "uuid": "record_id", "byte": "file_content"}.get(
        format, ""
    )


def _fits(hint: Any, type: str) -> bool:
    if hint is None:
        return False
    if type == "any":
        return True
    return {"string": isinstance(hint, str), "boolean": isinstance(hint, bool)}.get(
        type, is_number(hint) and (type == "number" or isinstance(hint, int))
    )


def guid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def call_key(operation: str, inputs: Any) -> str:
    """What tells calls of a run apart by what they ask; the names of steps take no part."""
    text = json.dumps(plain(inputs), sort_keys=True, ensure_ascii=False)
    return f"{operation}#{digest(text):x}"
