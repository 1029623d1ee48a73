"""Conditions whose answer is known before the flow runs.

In: a condition and what names stand for. Out: `answer`: a `Known` with the answer and why, or None. Only what cannot be otherwise counts: a comparison of a value
with itself or of two types that are never equal, tests that exclude each other, literals.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from nl2dsl.dsl.lint.kinds import Kind, Names, family
from nl2dsl.dsl.tree import Array, Binary, Expression, Function, Literal, Name, Not, Object, Path, Span, Template

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FUNCTIONS = {"equals": "==", "less": "<", "lessorequals": "<=", "greater": ">", "greaterorequals": ">=", "and": "&&", "or": "||"}
_CHANGING = frozenset(("rand", "guid", "utcnow"))
_CASES: dict[str, Callable[[str], str]] = {"tolower": str.lower, "toupper": str.upper}
_SEARCHES = frozenset(("contains", "startswith", "endswith"))


class Known(NamedTuple):
    """The answer a condition always gives, where that shows, and why in a few words."""

    answer: bool
    span: Span
    why: str


def answer(condition: Expression, names: Names) -> Known | None:
    """What a condition always is, or None."""
    match condition:
        case Literal(value=bool(value)):
            return Known(value, condition.span, f"it is `{str(value).lower()}`")
        case Not(operand=operand):
            known = answer(operand, names)
            return known and known._replace(answer=not known.answer)
        case Binary():
            return _binary(condition.operator, (condition.left, condition.right), condition.span, names)
        case Function(name=name, arguments=arguments):
            lower = name.lower()
            if lower == "not" and len(arguments) == 1:
                return answer(Not(arguments[0], condition.span), names)
            if lower in _FUNCTIONS and len(arguments) == 2:
                return _binary(_FUNCTIONS[lower], arguments, condition.span, names)
            return _search(condition) if lower in _SEARCHES and len(arguments) == 2 else None
        case _:
            return None


def _binary(sign: str, sides: tuple[Expression, ...], span: Span, names: Names) -> Known | None:
    if sign in ("&&", "||"):
        return _joined(sign, sides, span, names)
    left, right = sides
    if isinstance(left, Literal) and isinstance(right, Literal):
        return None if "any" in (names.of(left).type, names.of(right).type) else _literals(sign, left.value, right.value, span)
    if left == right and _steady(left):
        return Known(sign in ("==", "<=", ">="), span, "it compares a value with itself")
    if sign not in ("==", "!="):
        return None
    why = _case(left, right) or _case(right, left) or _types(left, right, names)
    return Known(sign == "!=", span, why) if why else None


def _literals(sign: str, left: Any, right: Any, span: Span) -> Known | None:
    if type(left) is type(right) or sign in ("==", "!="):
        equal_types = type(left) is type(right) or not {bool, str} & {type(left), type(right)}
        try:
            result = _COMPARE[sign](left, right) if equal_types else sign == "!="
        except TypeError:
            return None
        return Known(result, span, "both sides are fixed")
    return None


def _types(left: Expression, right: Expression, names: Names) -> str:
    """Why two values can never be equal, by their types; '' if they can."""
    one, other = names.of(left), names.of(right)
    first, second = family(one), family(other)
    if first == second or {"any", "null"} & {first, second}:
        return ""
    sure = (one.sure and other.sure) or (_certain(one) and other.sure) or (one.sure and _certain(other))
    return f"{one.article()} never equals {other.article()}" if sure else ""


def _certain(kind: Kind) -> bool:
    """Types the catalog is right about: it calls a text whatever it does not know better."""
    return kind.type == "boolean"


def _case(changed: Expression, fixed: Expression) -> str:
    if isinstance(changed, Function) and isinstance(fixed, Literal) and isinstance(fixed.value, str):
        change = _CASES.get(changed.name.lower())
        if change is not None and change(fixed.value) != fixed.value:
            return f"`{changed.name}` never gives `{fixed.value}`"
    return ""


def _search(call: Function) -> Known | None:
    why = _case(call.arguments[0], call.arguments[1])
    return Known(False, call.span, why.replace("gives", "holds")) if why else None


def _joined(sign: str, sides: Iterable[Expression], span: Span, names: Names) -> Known | None:
    """`&&` is false as soon as one side is, `||` true; both also when two tests of one value exclude each other."""
    parts = [part for side in sides for part in _parts(side, sign)]
    known = [answer(part, names) for part in parts]
    stops = sign == "||"
    for found in known:
        if found is not None and found.answer is stops:
            return found
    if all(found is not None for found in known):
        return Known(not stops, span, "each part of it is")
    return _exclusive(parts, sign, span)


def _parts(condition: Expression, sign: str) -> Iterator[Expression]:
    if isinstance(condition, Binary) and condition.operator == sign:
        yield from _parts(condition.left, sign)
        yield from _parts(condition.right, sign)
    else:
        yield condition


def _exclusive(parts: list[Expression], sign: str, span: Span) -> Known | None:
    """`x == 1 && x == 2` is never true, `x != 1 || x != 2` always; `x > 9 && x < 5` never."""
    wanted = "==" if sign == "&&" else "!="
    fixed: list[tuple[Expression, Any]] = []
    above: list[tuple[Expression, float]] = []
    below: list[tuple[Expression, float]] = []
    for part in parts:
        if not (isinstance(part, Binary) and isinstance(part.right, Literal) and _steady(part.left)):
            continue
        value = part.right.value
        if part.operator == wanted and value is not None:
            if any(other == part.left and type(seen) is type(value) and seen != value for other, seen in fixed):
                why = "one value cannot be both" if sign == "&&" else "every value differs from one of them"
                return Known(sign == "||", span, why)
            fixed.append((part.left, value))
        elif sign == "&&" and type(value) in (int, float) and part.operator in ("<", "<=", ">", ">="):
            assert isinstance(value, int | float)
            (above if part.operator[0] == ">" else below).append((part.left, value))
    if any(one == other and low > high for one, low in above for other, high in below):
        return Known(False, span, "no number is both")
    return None


def _steady(value: Expression) -> bool:
    """Whether a value is the same each time it is read."""
    match value:
        case Function(name=name, arguments=arguments):
            return name.lower() not in _CHANGING and all(_steady(a) for a in arguments)
        case Path(base=base, segments=segments):
            return _steady(base) and all(_steady(s.key) for s in segments if not isinstance(s.key, str | int))
        case Template(parts=parts):
            return all(_steady(p) for p in parts if not isinstance(p, str))
        case Binary(left=left, right=right):
            return _steady(left) and _steady(right)
        case Not(operand=operand):
            return _steady(operand)
        case Name() | Literal():
            return True
        case Array() | Object():
            return False
