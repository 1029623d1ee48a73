"""The schemas of one API description, made plain: references followed, parts folded together.

In: a document. Out: for a schema anywhere in it, one mapping with `type`, `properties`, `required` … and no `$ref`, `allOf`, `oneOf`, `anyOf` on its first level. Circular
references end, references that lead nowhere become empty schemas with a warning, and a document whose schemas multiply without end raises `CatalogError` after a fixed
amount of work instead of running for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from nl2dsl.errors import CatalogError

Json = Mapping[str, Any]
WORK = 300_000  # schemas looked at; the largest connector known needs some 30,000
_CHAIN = 32  # references that lead to references
_TYPES = {"string", "integer", "number", "boolean", "array", "object", "file"}
# Spellings of types that no standard knows but files have; anything else may be any value.
_SPELLINGS = {
    **dict.fromkeys(("str", "text", "char", "date", "date-time", "datetime", "uuid", "guid", "uri", "url", "email", "password", "enum"), "string"),
    **dict.fromkeys(("int", "int32", "int64", "long", "short"), "integer"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("list",), "array"),
    **dict.fromkeys(("dict", "map", "hash"), "object"),
}


def mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def listed(of: Json, key: str) -> list[Any]:
    value = of.get(key)
    return value if isinstance(value, list) else []


def text(of: Json, key: str) -> str:
    """The text under a key, its white space made single; "" when there is none."""
    value = of.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def type_of(schema: Json) -> str:
    """string | integer | number | boolean | array | object | file | any."""
    given = schema.get("type")
    if isinstance(given, list):  # OpenAPI 3.1: ["string", "null"]
        kinds = [t for t in given if t != "null"]
        given = kinds[0] if len(kinds) == 1 else "number" if set(map(str, kinds)) == {"integer", "number"} else None
        if len(kinds) > 1 and given is None:
            return "any"
    if isinstance(given, str):
        named = given.strip().lower()
        return named if named in _TYPES else _SPELLINGS.get(named, "any")
    if mapping(schema.get("properties")):
        return "object"
    if "items" in schema:
        return "array"
    values = listed(schema, "enum") or ([schema["const"]] if "const" in schema else [])
    return "string" if values and all(isinstance(v, str) for v in values) else "any"


class Schemas:
    """The schemas of one document; gathers warnings, each once."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.warnings: dict[str, None] = {}
        self._work = 0
        self._targets: dict[str, Json] = {}
        self._folded: dict[str, Json] = {}
        self._folding: set[str] = set()

    def warn(self, what: str) -> None:
        self.warnings[what] = None

    def spend(self) -> None:
        """One more unit of work. Raises `CatalogError` when it is too much."""
        self._work += 1
        if self._work > WORK:
            raise CatalogError(
                "its schemas contain one another too often to be read", "simplify the description, or leave out what flows do not need"
            )

    def ref(self, value: object) -> str:
        found = mapping(value).get("$ref")
        return found if isinstance(found, str) else ""

    def resolve(self, value: object) -> Json:
        """The mapping behind a `$ref`; siblings of the `$ref` win over what it names."""
        found = mapping(value)
        siblings: list[Json] = []
        for _ in range(_CHAIN):
            ref = self.ref(found)
            if not ref:
                break
            siblings.append(found)
            found = self._target(ref)
        if not siblings:
            return found
        merged = {k: v for k, v in found.items() if k != "$ref"}
        for s in reversed(siblings):
            merged.update((k, v) for k, v in s.items() if k != "$ref")
        return merged

    def _target(self, ref: str) -> Json:
        if ref not in self._targets:
            self._targets[ref] = self._find(ref)
        return self._targets[ref]

    def _find(self, ref: str) -> Json:
        if not ref.startswith("#"):
            self.warn(f"`{ref[:120]}` is in another file, which is not read: put the files together first")
            return {}
        target: object = self.document
        for raw in ref.removeprefix("#").removeprefix("/").split("/"):
            step = raw.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and step.isdecimal() and len(step) < 9 and int(step) < len(target):
                target = target[int(step)]
            else:
                inside = mapping(target)
                target = inside.get(step, inside.get(unquote(step)))
        if not isinstance(target, Mapping):
            self.warn(f"`{ref[:120]}` leads nowhere")
            return {}
        return target

    def fold(self, value: object) -> Json:
        """A schema with its references followed and its parts folded in."""
        self.spend()
        ref = self.ref(value)
        if not ref or len(mapping(value)) > 1:
            return self._fold(self.resolve(value), ref)
        if ref not in self._folded:
            self._folded[ref] = self._fold(self.resolve(value), ref)
        return self._folded[ref]

    def _fold(self, found: Json, ref: str) -> Json:
        if not any(k in found for k in ("allOf", "oneOf", "anyOf")):
            return found
        if ref in self._folding:  # it is a part of itself
            return {}
        if ref:
            self._folding.add(ref)
        try:
            return self._choices(self._parts(found))
        except RecursionError:
            raise CatalogError("its schemas are nested too deeply", "simplify the description") from None
        finally:
            self._folding.discard(ref)

    def _parts(self, found: Json) -> Json:
        """`allOf`: everything its parts say, and what stands beside it wins."""
        parts = [*(self.fold(p) for p in listed(found, "allOf")), {k: v for k, v in found.items() if k != "allOf"}]
        if len(parts) == 1:
            return parts[0]
        merged: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        required: dict[str, None] = {}
        for part in parts:
            merged.update(part)
            properties.update(mapping(part.get("properties")))
            required.update((r, None) for r in listed(part, "required") if isinstance(r, str))
        return {**merged, "properties": properties, "required": list(required)} if properties or required else merged

    def _choices(self, found: Json) -> Json:
        """`oneOf`, `anyOf`: the only real choice; else what all choices have in common, with the properties of any."""
        given = [c for key in ("oneOf", "anyOf") for c in listed(found, key)]
        choices = [c for c in map(self.fold, given) if c.get("type") != "null" and c.get("enum") != [None]]
        rest = {k: v for k, v in found.items() if k not in ("oneOf", "anyOf")}
        if not choices:
            return rest
        if len(choices) == 1:
            return self._parts({"allOf": choices, **rest})
        kinds = {type_of(c) for c in choices}
        if kinds == {"object"} or (mapping(rest.get("properties")) and kinds <= {"object", "any"}):
            return self._any_of_objects(choices, rest)
        enums = [listed(c, "enum") or ([c["const"]] if "const" in c else []) for c in choices]
        common: dict[str, Any] = {"type": kinds.pop()} if len(kinds) == 1 and "any" not in kinds else {}
        if all(enums):
            common["enum"] = [v for e in enums for v in e]
        return {**common, **rest}

    def _any_of_objects(self, choices: list[Json], rest: Json) -> Json:
        properties: dict[str, Any] = {}
        for c in [*reversed(choices), rest]:  # of two that share a key, the first is asked
            properties.update(mapping(c.get("properties")))
        ordered = {k: properties[k] for c in [rest, *choices] for k in mapping(c.get("properties"))}
        always = set.intersection(*({r for r in listed(c, "required") if isinstance(r, str)} for c in choices))
        needed = [*listed(rest, "required"), *sorted(always)]
        return {"type": "object", **rest, "properties": ordered, "required": needed}
