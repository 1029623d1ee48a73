"""What a value is: its type and what it means, as far as functions, declarations and the catalog say.

In: expressions, and what names stand for (`Names`). Out: `Kind`; `ANY` wherever only the run knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import functions
from nl2dsl.dsl.profiles import Field, Key, Listing, profile
from nl2dsl.dsl.tree import Array, Binary, Call, Expression, Function, Literal, Name, Not, Object, Path, Template

_DEPLOYMENT = re.compile(r"\[[A-Za-z]+\(.*\)[\w.\[\]]*\]\Z", re.DOTALL)
NUMBERS = frozenset(("integer", "number", "float"))


def is_deployment(text: str) -> bool:
    """Whether a text is an expression of a deployment template, `[parameters('x')]`: it becomes a value of any type before the flow exists."""
    return text[:1] == "[" and _DEPLOYMENT.match(text) is not None


class Kind(NamedTuple):
    """`type` is string, integer, number, float, boolean, array, object, null or any; `sure` says that the platform itself types the value so."""

    type: str
    role: str = ""
    sure: bool = False

    def article(self) -> str:
        if self.role == "file_content":
            return "the content of a file"
        return {"array": "a list", "object": "an object", "boolean": "true or false", "string": "a text"}.get(self.type, "a number")


ANY = Kind("any")


@dataclass(slots=True)
class Delivered:
    """What is below a name: the kind of each known path, and what one thing of each known list has."""

    at: dict[tuple[Key, ...], Kind] = field(default_factory=dict)
    items: dict[tuple[Key, ...], Delivered] = field(default_factory=dict)


NOTHING = Delivered()
_delivered: WeakKeyDictionary[Catalog, dict[str, Delivered]] = WeakKeyDictionary()


def delivered(catalog: Catalog, id: str) -> Delivered:
    """What an operation delivers, worked out on first use."""
    known = _delivered.setdefault(catalog, {})
    found = known.get(id)
    if found is None:
        made = profile(catalog, id) if id != "builtin.Compose" else None
        if made is None or not made.operation.verified:
            found = NOTHING
        else:  # a profile also guesses lists where the catalog names none
            listed = any(o.type == "array" for o in made.operation.outputs)
            found = _of(made.fields, made.lists if listed else ()) if listed or not made.lists else NOTHING
        known[id] = found
    return found


def _of(fields: Iterable[Field], lists: Iterable[Listing]) -> Delivered:
    at = {f.path: Kind(f.type, f.role) for f in fields}
    items: dict[tuple[Key, ...], Delivered] = {}
    for listing in lists:
        at[listing.path] = Kind("array", listing.role)
        items[listing.path] = _of(listing.items, listing.lists)
    if any(path[0] == "body" for path in at if len(path) > 1):
        at.setdefault(("body",), Kind("object"))
    return Delivered(at, items)


class Names:
    """What the names of a flow stand for at one place of it."""

    __slots__ = ("below", "kinds")

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.below: dict[str, Delivered] = {}

    def call(self, name: str, call: Call, catalog: Catalog) -> None:
        self.below[name] = delivered(catalog, call.id)
        if call.id == "builtin.Compose":
            value = call.get("inputs")
            self.kinds[name] = self.of(value) if value is not None else ANY

    def item(self, name: str, source: Expression) -> None:
        self.kinds.pop(name, None)
        self.below.pop(name, None)
        if isinstance(source, Path) and isinstance(source.base, Name):
            found = self.below.get(source.base.id, NOTHING).items.get(_keys(source))
            if found is not None and found.at:
                self.below[name] = found
                if () in found.at:
                    self.kinds[name] = found.at[()]

    def of(self, value: Expression) -> Kind:
        """The kind of a value."""
        match value:
            case Literal(value=v):
                return ANY if type(v) is str and is_deployment(v) else _LITERALS[type(v)]
            case Name(id=name):
                return self.kinds.get(name, ANY)
            case Path(base=Name(id=name)):
                below = self.below.get(name)
                return below.at.get(_keys(value), ANY) if below is not None else ANY
            case Function(name=name):
                signature = functions.find(name)
                return Kind(signature.returns, "", True) if signature is not None else ANY
            case Template():
                return _TEXT
            case Binary() | Not():
                return _BOOLEAN
            case Array():
                return Kind("array", "", True)
            case Object():
                return Kind("object", "", True)
            case _:
                return ANY


def _keys(path: Path) -> tuple[Key, ...]:
    return tuple(s.key if isinstance(s.key, str | int) else "" for s in path.segments)


_TEXT = Kind("string", "", True)
_BOOLEAN = Kind("boolean", "", True)
_LITERALS: dict[type, Kind] = {
    str: _TEXT,
    bool: _BOOLEAN,
    int: Kind("integer", "", True),
    float: Kind("number", "", True),
    type(None): Kind("null"),
}


def family(kind: Kind) -> str:
    """The group of types that can be equal: all numbers are one."""
    return "number" if kind.type in NUMBERS else kind.type
