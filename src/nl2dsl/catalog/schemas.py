"""The schemas of one API description, made plain: references followed, parts folded together.

In: a document. Out: for a schema anywhere in it, one mapping with `type`, `properties`, `required` … and no `$ref`, `allOf`, `oneOf`, `anyOf` on its first level. Circular
references end, and references that lead nowhere become empty schemas with a warning. Every schema is folded once; a document whose schemas multiply without end runs out of
its budget (`exhausted`) instead of running for ever, and whoever unfolds them stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from nl2dsl.errors import CatalogError

Json = Mapping[str, Any]
WORK, WORK_EACH = 200_000, 500  # schemas looked at: by the document and by each of its operations; large connectors need 4,000 in all
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


_TELLING = ("title", "description", "x-ms-summary", "x-ms-visibility")  # what a schema says to people


def _takes(schema: Json) -> str:
    """What a schema says on its first level about the values it takes; what is no plain value is told apart by its identity, as it may hold itself."""
    said = [*(schema.get(key) for key in ("$ref", "format", "const")), type_of(schema), *listed(schema, "enum")]
    return repr([id(value) if isinstance(value, (dict, list)) else value for value in said])


class Schemas:
    """The schemas of one document; gathers warnings, each once."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.warnings: dict[str, None] = {}
        self._left = WORK + WORK_EACH * len(mapping(document.get("paths")))
        self._targets: dict[str, Json] = {}
        self._folded: dict[int, tuple[object, Json]] = {}  # by the identity of a schema, which is held so that no other gets its identity
        self._folding: set[int] = set()

    def warn(self, what: str) -> None:
        self.warnings[what] = None

    @property
    def exhausted(self) -> bool:
        """Whether so much was unfolded that something must be wrong; asking counts."""
        self._left -= 1
        if self._left < 0:
            self.warn("its schemas contain one another too often: what is left of them is given as a whole")
        return self._left < 0

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
        given = mapping(value)
        if not any(k in given for k in ("$ref", "allOf", "oneOf", "anyOf")):
            return given
        identity = id(value)
        known = self._folded.get(identity)
        if known is None:
            if identity in self._folding:  # it is a part of itself
                return {}
            self._folding.add(identity)
            try:
                known = self._folded[identity] = (value, self._fold(given))
            except RecursionError:
                raise CatalogError("its schemas are nested too deeply", "simplify the description") from None
            finally:
                self._folding.discard(identity)
        return known[1]

    def _fold(self, given: Json) -> Json:
        ref = self.ref(given)
        if ref:
            given = {**self.fold(self._target(ref)), **{k: v for k, v in given.items() if k != "$ref"}}
        return self._choices(self._parts(given))

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
        given: dict[str, list[Any]] = {}
        for c in choices:
            for key, value in mapping(c.get("properties")).items():
                given.setdefault(key, []).append(value)
        own = mapping(rest.get("properties"))
        ordered = {**own, **{key: self._any_of(values) for key, values in given.items() if key not in own}}
        always = set.intersection(*({r for r in listed(c, "required") if isinstance(r, str)} for c in choices))
        needed = [*listed(rest, "required"), *sorted(always)]
        return {"type": "object", **rest, "properties": ordered, "required": needed}

    def _any_of(self, values: list[Any]) -> Any:
        """A property that several choices have: the first, unless another one takes something else there (`kind` is "A" in one and "B" in the other)."""
        first, *others = values
        if all(_takes(mapping(other)) == _takes(mapping(first)) for other in others):
            return first
        return {**{key: mapping(first)[key] for key in _TELLING if key in mapping(first)}, "anyOf": values}
