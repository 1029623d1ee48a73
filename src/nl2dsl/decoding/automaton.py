"""The typed prefix automaton: which decisions may follow, so that every sequence it accepts is a flow that checks without errors.

In: the catalog's operations, a query. Out: `allowed()` (what may come next), `push(decision)`, `cost()` (how many decisions the shortest ending needs). Grammar,
catalog and types act together here: an operation is followed only by its own parameters, a parameter by values of its type, text only by stretches of the query.
Every state has an ending, and `allowed(closing=True)` offers only decisions on a shortest one, so a flow can be closed within any budget (DESIGN §6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from nl2dsl.catalog.model import Operation, Parameter
from nl2dsl.decoding.actions import (
    FIRST_NUMBER,
    FIRST_WORD,
    FIXED,
    HIGHEST,
    NUMERIC,
    SPAN_LIMIT,
    SYMBOL,
    TESTS,
    WORDS,
    Decision,
    Kind,
    Query,
    Shape,
    address,
    choices,
    shape,
)
from nl2dsl.dsl.sketch import OPERATORS

DEPTH_LIMIT, STEP_LIMIT, CASE_LIMIT, TEST_LIMIT, LIST_LIMIT = 4, 40, 8, 4, 8
GROWTH = 8  # no single decision makes the shortest ending longer by more than this
SHORTEST = 3  # trigger, one step, `end`

_NUMBERS = tuple(range(FIRST_NUMBER, FIRST_NUMBER + HIGHEST + 1))
_WORDS = tuple(range(FIRST_WORD, FIRST_WORD + len(WORDS)))
_FLAGS = (SYMBOL["true"], SYMBOL["false"])
_OPERATORS = tuple(SYMBOL[o] for o in OPERATORS)
_TESTS = tuple(SYMBOL[t] for t in TESTS)
_LEFT = frozenset(_WORDS)
_RIGHT = frozenset((*_WORDS, *_NUMBERS, *_FLAGS))
DIGITS = 6  # tokens that a number may have

# Built-ins that are language (control, variables): statements of their own, never calls.
NOT_CALLABLE = frozenset("builtin." + name for name in (
    "If", "Foreach", "Switch", "Until", "Scope", "InitializeVariable", "SetVariable", "IncrementVariable", "DecrementVariable",
    "AppendToArrayVariable", "AppendToStringVariable"))  # fmt: skip


def callable_as(operation: Operation, trigger: bool) -> bool:
    """Whether typed decoding may choose the operation as the trigger, or as a step."""
    if operation.id in NOT_CALLABLE or operation.internal:
        return False
    return operation.kind == "any" or (operation.kind == "trigger") == trigger


class Role(IntEnum):
    """Which operations may be chosen."""

    NONE = 0
    TRIGGER = 1
    STEP = 2


@dataclass(slots=True)
class Allowed:
    """What may come next: indices by class. `starts`/`ends` are token positions of the query."""

    fixed: list[int] = field(default_factory=list)
    operations: Role = Role.NONE
    parameters: tuple[int, ...] = ()
    enums: int = 0
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def only(self) -> Decision | None:
        """The single legal decision, when there is just one: a forced token."""
        if self.operations:
            return None
        sizes = len(self.fixed) + len(self.parameters) + self.enums + len(self.starts) + len(self.ends)
        if sizes != 1:
            return None
        if self.fixed:
            return Decision(Kind.FIXED, self.fixed[0])
        if self.parameters:
            return Decision(Kind.PARAMETER, self.parameters[0])
        if self.enums:
            return Decision(Kind.ENUM, 0)
        return Decision(Kind.START, self.starts[0]) if self.starts else Decision(Kind.END, self.ends[0])


# The stack holds what is still to be said, the next thing last. Items are (name, data).
Item = tuple[str, Any]


class Automaton:
    """One run over one query. `push` raises `ValueError` on a decision that the grammar has no place for; it takes operations and parameters of any type (`allowed`
    is what knows types), so that a search without types can be told of its mistakes by the checker."""

    def __init__(self, operations: Sequence[Operation], query: Query) -> None:
        self.operations, self.query = operations, query
        self.tokens = tuple(i for i, (s, e) in enumerate(query.offsets) if e > s)
        self.numeric = tuple(i for i in self.tokens if _begins_number(query.text[query.offsets[i][0]]) and self._numbers(i))
        self.stack: list[Item] = [("steps", (0, 0)), ("trigger", None)]
        self.current: Operation | None = None
        self.count = 0
        self._found: dict[re.Pattern[str], dict[int, tuple[int, ...]]] = {}

    @property
    def done(self) -> bool:
        return not self.stack

    def enum_parameter(self) -> int:
        """Position, among the choices of the current operation, of the parameter whose enum value is being said."""
        name, data = self.stack[-1]
        parameter = data[0] if name == "list" else data
        assert self.current is not None
        return next(i for i, p in enumerate(choices(self.current)) if p.name == parameter.name)

    # --- what may follow -------------------------------------------------------------------------------------------------------

    def allowed(self, closing: bool = False) -> Allowed:
        result = Allowed()
        for name, data in reversed(self.stack):
            if self._offer(result, name, data, closing):
                break
        return result

    def _offer(self, a: Allowed, name: str, data: Any, closing: bool) -> bool:
        """Adds what `name` offers; False when the item may also be empty, so that the one below it counts too."""
        match name:
            case "trigger":
                a.operations = Role.TRIGGER
            case "arguments":
                operation, given = data
                if not closing:
                    a.parameters = tuple(i for i, p in enumerate(choices(operation)) if i not in given and self._sayable(p))
                return False
            case "steps":
                self._steps(a, data[0], data[1], closing)
            case "else":
                if not closing:
                    a.fixed.append(SYMBOL["else"])
                return False
            case "cases":
                number, default = data
                if number:
                    a.fixed.append(SYMBOL["close"])
                if number < CASE_LIMIT and not default and not (closing and number):
                    a.fixed.append(SYMBOL["case"])
                if number and not default and not closing:
                    a.fixed.append(SYMBOL["default"])
            case "test":
                a.fixed += _TESTS if closing else (*_TESTS, SYMBOL["compare"])
            case "more":
                a.fixed.append(SYMBOL["endcondition"])
                joined, number = data
                if number < TEST_LIMIT and not closing:
                    a.fixed += [SYMBOL[j] for j in ([joined] if joined else ["and", "or"])]
            case "operator":
                a.fixed += _OPERATORS
            case "left":
                a.fixed += _WORDS
                a.starts = () if closing else self.tokens
            case "right":
                a.fixed += (*_WORDS, *_NUMBERS, *_FLAGS)
                a.starts = () if closing else self.tokens
            case "value":
                self._value(a, data, closing)
            case "list":
                self._list(a, data[0], data[1], closing)
            case "span":
                a.starts = self.tokens
            case "last":
                a.ends = self._ends(*data)
        return True

    def _steps(self, a: Allowed, depth: int, number: int, closing: bool) -> None:
        if number:
            a.fixed.append(SYMBOL["close" if depth else "end"])
        if number and (closing or self.count >= STEP_LIMIT):
            return
        a.operations = Role.STEP
        if not closing and depth < DEPTH_LIMIT and self.count < STEP_LIMIT:
            a.fixed += [SYMBOL["if"], SYMBOL["for"], SYMBOL["switch"], SYMBOL["do"]]

    def _sayable(self, p: Parameter) -> bool:
        pattern = address(p)
        return bool(self._addresses(pattern) if pattern else self.tokens) or shape(p) not in (Shape.TEXT, Shape.CHILD)

    def _addresses(self, pattern: re.Pattern[str]) -> dict[int, tuple[int, ...]]:
        """First tokens of the addresses in the query, and where each may end: with itself or with a later one of the same list."""
        found = self._found.get(pattern)
        if found is None:
            matches = [(m.start(), m.end()) for m in pattern.finditer(self.query.text)]
            firsts = {s: i for i, (s, e) in enumerate(self.query.offsets) if e > s}
            lasts = {e: i for i, (s, e) in enumerate(self.query.offsets) if e > s}
            pairs = [(firsts[s], lasts[e]) for s, e in matches if s in firsts and e in lasts]
            found = self._found[pattern] = {
                first: tuple(last for _, last in pairs[i:] if last - first < SPAN_LIMIT) for i, (first, _) in enumerate(pairs)
            }
        return found

    def _value(self, a: Allowed, p: Parameter, closing: bool) -> None:
        match shape(p):
            case Shape.ENUM:
                a.enums = len(p.enum)
            case Shape.FLAG:
                a.fixed += _FLAGS
            case Shape.NUMBER:
                a.fixed += _NUMBERS
                a.starts = () if closing else self.numeric
            case _:
                pattern = address(p)
                a.starts = tuple(self._addresses(pattern)) if pattern else self.tokens

    def _list(self, a: Allowed, p: Parameter, number: int, closing: bool) -> None:
        if number:
            a.fixed.append(SYMBOL["endlist"])
        if number < LIST_LIMIT and not (closing and number):
            if p.enum:
                a.enums = len(p.enum)
            else:
                low, high = {"hours": (0, 23), "minutes": (0, 59), "monthDays": (1, 31)}.get(p.name, (0, HIGHEST))
                a.fixed += _NUMBERS[low : high + 1]

    def _ends(self, first: int, numeric: bool, pattern: re.Pattern[str] | None = None) -> tuple[int, ...]:
        if pattern and first in self._addresses(pattern):
            return self._addresses(pattern)[first]
        last = min(first + SPAN_LIMIT, len(self.query.offsets))
        if not numeric:
            return tuple(i for i in range(first, last) if self.query.offsets[i][1] > self.query.offsets[i][0])
        return self._numbers(first) or (first,)

    def _numbers(self, first: int) -> tuple[int, ...]:
        """The last tokens of the numbers that begin with this token."""
        last = min(first + DIGITS, len(self.query.offsets))
        return tuple(
            i for i in range(first, last) if self.query.offsets[i][1] > self.query.offsets[i][0] and NUMERIC.match(self.query.span(first, i))
        )

    # --- moving on -------------------------------------------------------------------------------------------------------------

    def push(self, decision: Decision) -> None:
        """Takes a decision. Raises `ValueError` when it is not allowed here."""
        while self.stack:
            name, data = self.stack.pop()
            if self._take(name, data, decision):
                return
        raise ValueError(f"{decision.kind.name.lower()} {decision.index} cannot follow")

    def _take(self, name: str, data: Any, d: Decision) -> bool:
        symbol = FIXED[d.index] if d.kind == Kind.FIXED else ""
        match name, d.kind:
            case "trigger", Kind.OPERATION:
                self._call(d.index)
            case "arguments", Kind.PARAMETER:
                operation, given = data
                if d.index in given or d.index >= len(choices(operation)):
                    raise ValueError(f"parameter {d.index} cannot follow")
                self.stack.append(("arguments", (operation, given | {d.index})))
                self._argument(choices(operation)[d.index])
            case "arguments", _:
                return False
            case "steps", _:
                self._step(data[0], data[1], d, symbol)
            case "else", Kind.FIXED if symbol == "else":
                self.stack.append(("steps", (data, 0)))
            case "else", _:
                return False
            case "cases", Kind.FIXED:
                self._case(data[0], data[1], symbol)
            case "test", Kind.FIXED if symbol == "compare":
                self.stack += [("right", None), ("operator", None), ("left", None)]
            case "test", Kind.FIXED if symbol in TESTS:
                pass
            case "more", Kind.FIXED if symbol in ("and", "or"):
                self.stack += [("more", (symbol, data[1] + 1)), ("test", None)]
            case "more", Kind.FIXED if symbol == "endcondition":
                pass
            case "operator", Kind.FIXED if symbol in OPERATORS:
                pass
            case (("left" | "right" | "span"), Kind.START) if d.index in self.tokens:
                self.stack.append(("last", (d.index, False)))
            case "left", Kind.FIXED if d.index in _LEFT:
                pass
            case "right", Kind.FIXED if d.index in _RIGHT:
                pass
            case "value", Kind.START if d.index in self.tokens and shape(data) in (Shape.TEXT, Shape.NUMBER):
                self.stack.append(("last", (d.index, shape(data) == Shape.NUMBER, address(data))))
            case "value", (Kind.FIXED | Kind.ENUM) if _fits(data, d):
                pass
            case "list", _ if symbol == "endlist" and data[1]:
                pass
            case "list", (Kind.FIXED | Kind.ENUM) if _fits(data[0], d):
                self.stack.append(("list", (data[0], data[1] + 1)))
            case "last", Kind.END if d.index in self._ends(*data):
                pass
            case _:
                raise ValueError(f"{symbol or d.kind.name.lower()} cannot follow in `{name}`")
        return True

    def _call(self, index: int) -> None:
        self.current = self.operations[index]
        self.stack.append(("arguments", (self.current, frozenset())))

    def _argument(self, p: Parameter) -> None:
        match shape(p):
            case Shape.CHILD:
                self.stack += [("span", None), ("span", None)]
            case Shape.ENUMS | Shape.NUMBERS:
                self.stack.append(("list", (p, 0)))
            case _:
                self.stack.append(("value", p))

    def _step(self, depth: int, number: int, d: Decision, symbol: str) -> None:
        if symbol in ("close", "end"):
            if not number or (symbol == "close") != bool(depth):
                raise ValueError(f"`{symbol}` cannot follow")
            if symbol == "end":
                self.stack.clear()
            return
        self.stack.append(("steps", (depth, number + 1)))
        self.count += 1
        inner: Item = ("steps", (depth + 1, 0))
        if d.kind == Kind.OPERATION:
            self._call(d.index)
        elif symbol == "if":
            self.stack += [("else", depth + 1), inner, ("more", ("", 1)), ("test", None)]
        elif symbol == "for":
            self.stack.append(inner)
        elif symbol == "do":
            self.stack += [("more", ("", 1)), ("test", None), inner]
        elif symbol == "switch":
            self.stack += [("cases", (0, False)), ("left", None)]
        else:
            raise ValueError(f"`{symbol or d.kind.name.lower()}` is no step")

    def _case(self, number: int, default: bool, symbol: str) -> None:
        depth = sum(1 for name, _ in self.stack if name == "steps")
        if symbol == "case" and not default:
            self.stack += [("cases", (number + 1, False)), ("steps", (depth, 0)), ("right", None)]
        elif symbol == "default" and number and not default:
            self.stack += [("cases", (number, True)), ("steps", (depth, 0))]
        elif symbol != "close" or not number:
            raise ValueError(f"`{symbol}` cannot follow")

    # --- the shortest ending ---------------------------------------------------------------------------------------------------

    def cost(self) -> int:
        """Decisions that the shortest ending needs from here."""
        return sum(_cost(name, data) for name, data in self.stack)


def _begins_number(character: str) -> bool:
    return character.isdecimal() or character == "-"


def _fits(p: Parameter, d: Decision) -> bool:
    """Whether a symbol or an enum value is one that the parameter's shape knows."""
    match shape(p):
        case Shape.ENUM | Shape.ENUMS:
            return d.kind == Kind.ENUM and d.index < len(p.enum)
        case Shape.FLAG:
            return d.kind == Kind.FIXED and d.index in _FLAGS
        case Shape.NUMBER | Shape.NUMBERS:
            return d.kind == Kind.FIXED and d.index in _RIGHT and d.index >= FIRST_NUMBER
        case _:
            return False


def _cost(name: str, data: Any) -> int:
    match name:
        case "steps":
            return 1 if data[1] else 2
        case "cases":
            return 1 if data[0] else 5  # case, its value, one step, close, close
        case "value":
            return 2 if shape(data) == Shape.TEXT else 1
        case "list":
            return 1 if data[1] else 2
        case "span":
            return 2
        case "arguments" | "else":
            return 0
        case _:
            return 1
