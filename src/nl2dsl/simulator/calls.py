"""Calls of expression functions: their arguments by the types they need, the platform's messages when they have others, and the table of functions.

In: a function's name and evaluated arguments. Out: its value, or `TemplateError`. The functions are in `functions_text.py`, `functions_data.py`, `functions_time.py`; those
that look at the run in `evaluate.py`. Values without a schema (`values.Unknown`) are taken as what a function needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any, Protocol

from nl2dsl.dsl import functions as signatures
from nl2dsl.simulator import dates, xmltree
from nl2dsl.simulator.dates import Stamp
from nl2dsl.simulator.values import (
    MockObject,
    TemplateError,
    Unknown,
    is_number,
    type_name,
)

_HELP = "Please see https://aka.ms/logicexpressions#{} for usage details."
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
INTEGER_LIMIT = 2**63
_ON_LISTS = frozenset("length first last take skip join chunk reverse sort".split())


class Runtime(Protocol):
    """What functions need of the run."""

    def now(self) -> datetime: ...
    def draw(self) -> Random: ...


class Call:
    """One call of a function: its arguments by the types it needs, with the platform's messages when they have others."""

    def __init__(self, name: str, arguments: list[Any], runtime: Runtime) -> None:
        self.name = name
        self.arguments = arguments
        self.runtime = runtime

    def __len__(self) -> int:
        return len(self.arguments)

    def any(self, n: int) -> Any:
        return self.arguments[n]

    def error(self, what: str) -> TemplateError:
        return TemplateError(f"The template language function '{self.name}' {what} {_HELP.format(self.name)}")

    def wrong(self, n: int, wanted: str) -> TemplateError:
        place = "its parameter" if len(self) == 1 else f"its {_ORDINALS[min(n, 4)]} parameter"
        return self.error(f"expects {place} to be {wanted}. The provided value is of type '{type_name(self.arguments[n])}'.")

    def text(self, n: int, default: str | None = None) -> str:
        if n >= len(self) and default is not None:
            return default
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.source.text(value)
        if isinstance(value, str):
            return value
        if xmltree.is_content(value):
            return xmltree.content_text(value)
        raise self.wrong(n, "a string" if len(self) == 1 else "of type string")

    def integer(self, n: int, default: int | None = None) -> int:
        if n >= len(self) and default is not None:
            return default
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.source.number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value == int(value):
            return int(value)
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
            return int(value)
        raise self.wrong(n, "an integer" if len(self) == 1 else "of type integer")

    def number(self, n: int) -> int | float:
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.source.number(value)
        if is_number(value):
            return value  # type: ignore[no-any-return]
        raise self.wrong(n, "an integer or a decimal number")

    def list(self, n: int) -> list[Any]:
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.items()
        if isinstance(value, list):
            return value
        raise self.wrong(n, "an array" if len(self) == 1 else "of type array")

    def object(self, n: int) -> dict[str, Any]:
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return {}
        if isinstance(value, dict):
            return value
        raise self.wrong(n, "an object")

    def stamp(self, n: int) -> Stamp:
        text = self.text(n)
        found = dates.parse(text)
        if found is None and isinstance(self.arguments[n], Unknown):
            value = self.arguments[n]
            found = dates.of_datetime(self.runtime.now())
            found = found.moved(dates.seconds(-3600 * value.source.number(value)))
        if found is None:
            raise self.error(f"parameter is not valid: in function '{self.name}', the value provided for date time string '{text[:100]}' was not valid. "
                             "The datetime string must match ISO 8601 format.")  # fmt: skip
        return found

    def tolerant(self) -> Unknown | None:
        """The first argument if it is a value without a schema."""
        return self.arguments[0] if self.arguments and isinstance(self.arguments[0], Unknown) else None


Implementation = Callable[[Call], Any]
IMPLEMENTATIONS: dict[str, Implementation] = {}


def function(*names: str) -> Callable[[Implementation], Implementation]:
    """Registers what follows as the functions of these names."""

    def register(implementation: Implementation) -> Implementation:
        for name in names:
            IMPLEMENTATIONS[name.lower()] = implementation
        return implementation

    return register


def call(name: str, arguments: list[Any], runtime: Runtime) -> Any:
    """The value of a function. Raises `TemplateError`."""
    implementation = IMPLEMENTATIONS.get(name.lower())
    signature = signatures.find(name)
    if implementation is None or signature is None:
        raise TemplateError(f"The template function '{name}' is not defined or not valid.")
    if not signature.least <= len(arguments) <= signature.most:
        raise TemplateError(
            f"The template function '{name}' is expecting {_counts(signature)} parameters, but {len(arguments)} were given. {_HELP.format(name)}"
        )
    if arguments and isinstance(arguments[0], MockObject) and name.lower() in _ON_LISTS:
        arguments = [arguments[0].origin.items(), *arguments[1:]]  # the catalog took a list for an object
    made = Call(signature.name, arguments, runtime)
    try:
        return implementation(made)
    except (OverflowError, RecursionError, MemoryError):
        raise made.error("was invoked with values that are too large.") from None


def _counts(signature: signatures.Signature) -> str:
    if signature.least == signature.most:
        return str(signature.least)
    return f"at least {signature.least}" if signature.most == signatures.UNBOUNDED else f"{signature.least} to {signature.most}"


def truth(c: Call, n: int) -> bool:
    value = c.any(n)
    if isinstance(value, Unknown):
        return value.source.boolean(value)
    if isinstance(value, bool):
        return value
    raise c.wrong(n, "a boolean" if len(c) == 1 else "of type boolean")


def bounded(c: Call, value: int) -> int:
    if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")
    return value
