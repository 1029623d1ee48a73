"""What a flow writes for a schema: flat keys (`emailMessage/To`), and the fields of a result.

In: schemas of one document. Out: `Parameter`s, one for each key of a call, and `Output`s below the body of a result. Arrays, free-form objects and files are one key each; a
run-time schema is an open object beside the fields that are known beforehand; what only the platform sees is hidden, and never required.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

from nl2dsl.catalog.model import Output, Parameter
from nl2dsl.catalog.naming import OUTPUT_TYPES, output_role, parameter_title, role_of
from nl2dsl.catalog.schemas import Json, Schemas, listed, mapping, text, type_of

DYNAMIC = ("values", "list", "schema", "properties", "tree")
OPEN = ("x-ms-dynamic-schema", "x-ms-dynamic-properties")
DEPTH = 8  # objects inside one another; what lies deeper is given as a whole
KEYS = 2_000  # keys of one operation; the largest known has 255
OUTPUTS = 1_000
NAME = 500  # characters of a key or an operation id


# The same schemas stand under many operations: their keys are put into words once.
_role, _output_role, _title = (lru_cache(maxsize=1 << 15)(f) for f in (role_of, output_role, parameter_title))


def is_hidden(of: Json) -> bool:
    """What the platform fills in itself: internal values, and the address a webhook calls back."""
    return text(of, "x-ms-visibility").lower() == "internal" or of.get("x-ms-notification-url") is True


def shown_as(of: Json) -> str:
    """important | advanced | ''."""
    said = text(of, "x-ms-visibility").lower()
    return said if said in ("important", "advanced") else ""


def is_open(of: Json) -> bool:
    """Whether its properties are known at run time only."""
    return any(k in of for k in OPEN)


class Keys:
    """Makes keys and fields from the schemas of one document."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def flatten(self, key: str, schema: Json, required: bool, hidden: bool, above: tuple[str, ...], shown: str = "") -> Iterator[Parameter]:
        """The leaves of an object schema as `key/property`.

        A required field of an object that may be left out is not required; a field is `shown` like its object unless it says otherwise. An object inside itself (`above`
        are the references on the way here) is given as a whole.
        """
        shown = shown_as(schema) or shown
        properties = mapping(schema.get("properties"))
        if type_of(schema) != "object" or not properties or len(above) > DEPTH or self.schemas.exhausted:
            yield self.leaf(key, schema, required, hidden, shown)
            return
        if is_open(schema):
            yield self.leaf(key, schema, False, hidden, shown)
        needed = set(map(str, listed(schema, "required")))
        for name, raw in properties.items():
            child = self.schemas.fold(raw)
            below = f"{key}/{name}" if key else str(name)
            if child.get("readOnly") is True or len(below) > NAME or self.schemas.exhausted:
                continue
            asked, unseen, ref = required and name in needed, hidden or is_hidden(child), self.schemas.ref(raw)
            if ref and ref in above:
                yield self.leaf(below, child, asked, unseen, shown)
            else:
                yield from self.flatten(below, child, asked, unseen, (*above, ref), shown)

    def leaf(self, key: str, schema: Json, required: bool, hidden: bool, shown: str = "") -> Parameter:
        format = text(schema, "format")[:80]
        type = "object" if is_open(schema) else type_of(schema)
        if (type == "string" and format in ("binary", "byte")) or (type in ("string", "any") and _is_content(schema)):
            type = "file"
        enum = _enum(schema)
        title = text(schema, "x-ms-summary") or text(schema, "title")
        return Parameter(
            key,
            type,
            required=required and not hidden,
            title=title if 0 < len(title) <= 120 else _title(key),
            enum=enum,
            default=_default(schema.get("default")),
            format=format,
            open=is_open(schema),
            internal=hidden,
            role=_role(key, type, format, bool(enum)),
            visibility=shown_as(schema) or shown,
            dynamic=tuple(d for d in DYNAMIC if f"x-ms-dynamic-{d}" in schema),
            items=type_of(self.schemas.fold(schema.get("items"))) if type == "array" else "",
        )

    def outputs(self, schema: Json, batch: bool = False) -> tuple[Output, ...]:
        """The fields of a result, two objects or one list deep; of a batch those of one item, because a flow splits the list."""
        if batch:
            _, items = self.list_in(schema)
            schema = self.schemas.fold(items.get("items")) if items else schema
        if type_of(schema) == "array":
            found = [Output("", "list_of_items", "array"), *islice(self.fields("/", self.schemas.fold(schema.get("items")), 1), OUTPUTS)]
        else:
            found = list(islice(self.fields("", schema, 0), OUTPUTS))
        return tuple({o.name: o for o in found}.values())

    def split(self, schema: Json) -> str | None:
        """The key of the list that a batch trigger is split on: "" for the body itself, None where the body holds no list; by custom `value` where nothing is said of it."""
        key, items = self.list_in(schema)
        return key if items else None if mapping(schema.get("properties")) and not is_open(schema) else "value"

    def list_in(self, schema: Json) -> tuple[str, Json]:
        """The list in a body and its key: `value` where that is one, else the first."""
        if type_of(schema) == "array":
            return "", schema
        properties = mapping(schema.get("properties"))
        for key in ("value", *map(str, properties)):
            if type_of(found := self.schemas.fold(properties.get(key))) == "array":
                return key, found
        return "", {}

    def fields(self, prefix: str, schema: Json, depth: int) -> Iterator[Output]:
        for name, raw in mapping(schema.get("properties")).items():
            child = self.schemas.fold(raw)
            key = f"{prefix}{name}"
            if is_hidden(child) or len(key) > NAME or self.schemas.exhausted:
                continue
            type = type_of(child)
            if type == "array":
                yield Output(key, "list_of_items", "array")
                if depth < 1:
                    yield from self.fields(key + "/", self.schemas.fold(child.get("items")), depth + 1)
            elif child.get("properties") and depth < 2:
                yield from self.fields(key + "/", child, depth + 1)
            else:
                role = _output_role(key)
                yield Output(key, role, OUTPUT_TYPES.get(role, "any") if type == "any" else type)


def _is_content(schema: Json) -> bool:
    """Whether OpenAPI 3.1 says that a text is the content of a file: encoded, or of a type that is no text."""
    media = text(schema, "contentMediaType").lower()
    plain = not media or media.startswith("text/") or any(word in media for word in ("json", "xml", "yaml"))
    return text(schema, "contentEncoding").lower() in ("base64", "base64url", "base16", "base32", "binary") or not plain


def _enum(schema: Json) -> tuple[str, ...]:
    given = listed(schema, "enum") or ([schema["const"]] if "const" in schema else [])
    return tuple(dict.fromkeys(str(e).lower() if isinstance(e, bool) else str(e) for e in given if isinstance(e, (str, int, float))))


def _default(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool)) else None
