"""What a value is while a flow runs: JSON, and values of mock connectors.

In: JSON values and the mock data of `mock.py`. Out: their types as the platform names them, their text, and conversions. `Unknown` is a value that a
mock connector delivers and nobody described whole: it becomes a text, a number, a list or an object when something asks for one, always the same
one for the same seed. `MockObject` and `MockList` are described, but perhaps not completely: what they lack is an `Unknown`, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Protocol

MAX_TEXT = 5_000_000  # characters of one value; the platform stops at 100 MB
MAX_ITEMS = 100_000  # of one list, as on the platform
MAX_NODES = 200_000  # values inside one value: one that holds itself twice doubles with each round of a loop


class TemplateError(Exception):
    """An expression or an action's inputs cannot be worked out; becomes a failed action with this code and message."""

    def __init__(self, message: str, code: str = "InvalidTemplate") -> None:
        super().__init__(message)
        self.code = code


class Source(Protocol):
    """Who decides what an unknown value is (`mock.Mocks`)."""

    def text(self, value: Unknown) -> str: ...
    def number(self, value: Unknown) -> int: ...
    def boolean(self, value: Unknown) -> bool: ...
    def natural(self, value: Unknown) -> Any: ...
    def absent(self, value: Unknown) -> bool: ...


class Unknown:
    """A seeded value: `key` tells it from all others of the run, `name` is the property it was read from; `role` and `type` are what is known of it.

    Texts of mock connectors are such values, too, because JSON, XML or a list may be in them.
    """

    __slots__ = ("key", "name", "role", "source", "type")

    def __init__(self, source: Source, key: str, name: str, role: str = "", type: str = "any") -> None:
        self.source = source
        self.key = key
        self.name = name
        self.role = role
        self.type = type

    def child(self, key: object) -> Unknown:
        """What a property or an item of it is; items are called like their list."""
        return Unknown(self.source, f"{self.key}/{key}", self.name if isinstance(key, int) else str(key))

    def items(self) -> MockList:
        count = 2 + self.source.number(self) % 2
        return MockList([self.child(number) for number in range(count)], self)

    def __repr__(self) -> str:
        return f"Unknown({self.key!r})"


class MockObject(dict[str, Any]):
    """An object of a mock connector: `known` properties, and an `Unknown` for each other."""

    def __init__(self, known: dict[str, Any], origin: Unknown) -> None:
        super().__init__(known)
        self.origin = origin


class MockList(list[Any]):
    """A list of a mock connector."""

    def __init__(self, known: list[Any], origin: Unknown) -> None:
        super().__init__(known)
        self.origin = origin


def type_name(value: Any) -> str:
    """The platform's name of a value's type, as it stands in messages."""
    match value:
        case None:
            return "Null"
        case bool():
            return "Boolean"
        case int():
            return "Integer"
        case float():
            return "Float"
        case str():
            return "String"
        case list():
            return "Array"
        case Unknown():
            return type_name(value.source.natural(value))
        case _:
            return "Object"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any, depth: int = 0) -> Any:
    """The value as plain JSON: what an unknown value would be if it were sent now."""
    match value:
        case Unknown():
            return plain(value.source.natural(value), depth + 1) if depth < 60 else value.source.text(value)
        case dict():
            return {key: plain(item, depth + 1) for key, item in value.items()}
        case list():
            return [plain(item, depth + 1) for item in value]
        case float() if not math.isfinite(value):
            return number_text(value)
        case _:
            return value


def to_json(value: Any) -> str:
    return limited(json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")))


def to_text(value: Any) -> str:
    """What string interpolation and `concat` write, as .NET does: nothing for null, `True`, compact JSON for objects and lists."""
    match value:
        case None:
            return ""
        case bool():
            return "True" if value else "False"
        case float():
            return number_text(value)
        case str():
            return value
        case Unknown():
            return value.source.text(value)
        case dict() | list():
            return to_json(value)
        case _:
            return str(value)


def number_text(value: float) -> str:
    """A float as .NET writes it: no `.0`, exponents as `E+20`."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        text = f"{mantissa}E{exponent[0] if exponent[0] in '+-' else '+'}{exponent.lstrip('+-').zfill(2)}"
    return text


def limited(text: str) -> str:
    """The text, or an error if it is too long to go on with."""
    if len(text) > MAX_TEXT:
        raise TemplateError(
            f"The result of an expression has {len(text)} characters; the simulator stops at {MAX_TEXT}.", "ExpressionEvaluationFailed"
        )
    return text


def weigh(value: Any) -> int:
    """How many values are inside a value. Raises `TemplateError` where they are too many to go on with."""
    count, waiting = 0, [value]
    while waiting:
        found = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise TemplateError(
                f"The result of an expression holds more than {MAX_NODES} values; the simulator stops there.", "ExpressionEvaluationFailed"
            )
        if isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
    return count


def same(left: Any, right: Any) -> bool:
    """Equality of the platform: by type and value, numbers by value, text with regard to case. An unknown value takes the type of the other side."""
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return _same_unknown(left, right)
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return type_name(left) == type_name(right) and bool(left == right)


def _same_unknown(left: Any, right: Any) -> bool:
    if isinstance(left, Unknown) and isinstance(right, Unknown):
        return left.key == right.key or left.source.text(left) == right.source.text(right)
    unknown, other = (left, right) if isinstance(left, Unknown) else (right, left)
    return same(as_like(unknown, other), other)


def as_like(unknown: Unknown, other: Any) -> Any:
    """An unknown value in the type of another one; None for null, which an unknown value is not."""
    match other:
        case bool():
            return unknown.source.boolean(unknown)
        case int() | float():
            return unknown.source.number(unknown)
        case str():
            return unknown.source.text(unknown)
        case list():
            return plain(unknown.items())
        case _:
            return unknown.key


def walk_texts(value: Any) -> Iterator[str]:
    """Every string inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from walk_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk_texts(item)
