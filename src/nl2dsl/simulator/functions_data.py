"""Expression functions on lists and objects, logic, numbers.

In: calls. Out: values as documented for the platform.
"""

from __future__ import annotations

import json
import math
from typing import Any

from nl2dsl.simulator.calls import INTEGER_LIMIT, Call, bounded, function, truth
from nl2dsl.simulator.values import (
    MAX_ITEMS,
    Unknown,
    is_number,
    plain,
    same,
    to_text,
    type_name,
)

# --- lists and objects ---------------------------------------------------------------------------------------------------------


@function("length")
def _length(c: Call) -> int:
    value = c.any(0)
    if isinstance(value, Unknown):
        return len(value.items()) if not isinstance(value.source.natural(value), str) or value.name == "body" else len(value.source.text(value))
    if isinstance(value, list | str):
        return len(value)
    raise c.error(f"expects its parameter to be an array or a string. The provided value is of type '{type_name(value)}'.")


@function("empty")
def _empty(c: Call) -> bool:
    value = c.any(0)
    if value is None:
        return True
    if isinstance(value, Unknown):
        return False
    if isinstance(value, list | str | dict):
        return len(value) == 0
    raise c.error(f"expects its parameter to be an object, an array or a string. The provided value is of type '{type_name(value)}'.")


@function("contains")
def _contains(c: Call) -> bool:
    where, what = c.any(0), c.any(1)
    if isinstance(where, Unknown):
        natural = where.source.natural(where)
        where = natural if isinstance(natural, str | list) else to_text(natural)
    if isinstance(where, str):
        return (what if isinstance(what, str) else to_text(what)) in where
    if isinstance(where, list):
        return any(same(item, what) for item in where)
    if isinstance(where, dict):
        return to_text(what) in where
    raise c.error(
        "expects its first argument 'collection' to be a dictionary (object), an array or a string. "
        f"The provided value is of type '{type_name(where)}'."
    )


@function("first")
def _first(c: Call) -> Any:
    return _end(c, 0)


@function("last")
def _last(c: Call) -> Any:
    return _end(c, -1)


def _end(c: Call, place: int) -> Any:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value.items()[place]
    if isinstance(value, list | str):
        return value[place] if value else ("" if isinstance(value, str) else None)
    raise c.error(f"expects its parameter be an array or a string. The provided value is of type '{type_name(value)}'.")


@function("take")
def _take(c: Call) -> Any:
    value, count = c.any(0), c.integer(1)
    value = value.items() if isinstance(value, Unknown) else value
    if isinstance(value, list | str):
        return value[: max(count, 0)]
    raise c.wrong(0, "an array or a string")


@function("skip")
def _skip(c: Call) -> list[Any]:
    return c.list(0)[max(c.integer(1), 0) :]


@function("reverse")
def _reverse(c: Call) -> Any:
    return c.list(0)[::-1]


@function("sort")
def _sort(c: Call) -> list[Any]:
    items, key = c.list(0), c.text(1, "")
    keyed = [
        (plain(item.get(key) if key and isinstance(item, dict) else item.child(key) if key and isinstance(item, Unknown) else item), item)
        for item in items
    ]
    if all(is_number(k) for k, _ in keyed):
        return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]
    return [item for _, item in sorted(keyed, key=lambda pair: to_text(pair[0]).lower())]


@function("chunk")
def _chunk(c: Call) -> list[Any]:
    value, size = c.any(0), c.integer(1)
    if isinstance(value, Unknown):
        value = value.source.natural(value) if value.name in ("content", "body", "text") else value.items()
    if not isinstance(value, list | str) or size < 1:
        raise c.wrong(0, "an array or a string") if size >= 1 else c.error("expects its second parameter to be a positive integer.")
    return [value[i : i + size] for i in range(0, len(value), size)]


@function("range")
def _range(c: Call) -> list[int]:
    start, count = c.integer(0), c.integer(1)
    if not 0 <= count <= MAX_ITEMS:
        raise c.error(f"expects its second parameter 'count' to be from 0 to {MAX_ITEMS}. The provided value is {count}.")
    bounded(c, start + count)
    return list(range(start, start + count))


@function("union", "intersection")
def _sets(c: Call) -> Any:
    values: list[Any] = [a.items() if isinstance(a, Unknown) else a for a in c.arguments]
    if all(isinstance(v, dict) for v in values):
        return _objects(c.name == "union", values)
    if not all(isinstance(v, list) for v in values):
        raise c.error(
            f"expects parameters of matching types. The function was invoked with values of type '{type_name(values[0])}' and '{type_name(values[1])}' that do not match."
        )
    if c.name == "union":
        return _distinct([item for v in values for item in v])
    others = [{_identity(item) for item in v} for v in values[1:]]
    return _distinct([item for item in values[0] if all(_identity(item) in other for other in others)])


def _objects(union: bool, values: list[dict[str, Any]]) -> dict[str, Any]:
    if union:
        return {key: item for v in values for key, item in v.items()}
    return {key: item for key, item in values[0].items() if all(key in v and same(v[key], item) for v in values[1:])}


def _identity(item: Any) -> str:
    return json.dumps(plain(item), sort_keys=True)


def _distinct(items: list[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(_identity(item), item)
    return list(found.values())


@function("addProperty")
def _add_property(c: Call) -> dict[str, Any]:
    made, name = c.object(0), c.text(1)
    if name in made:
        raise c.error(f"could not add the property: the object already has a property '{name}'.")
    return {**made, name: c.any(2)}


@function("setProperty")
def _set_property(c: Call) -> dict[str, Any]:
    return {**c.object(0), c.text(1): c.any(2)}


@function("removeProperty")
def _remove_property(c: Call) -> dict[str, Any]:
    name = c.text(1)
    return {key: item for key, item in c.object(0).items() if key != name}


# --- logic ---------------------------------------------------------------------------------------------------------------------


@function("equals")
def _equals(c: Call) -> bool:
    return same(c.any(0), c.any(1))


@function("not")
def _not(c: Call) -> bool:
    return not truth(c, 0)


@function("greater")
def _greater(c: Call) -> bool:
    return _compared(c) > 0


@function("greaterOrEquals")
def _greater_or_equals(c: Call) -> bool:
    return _compared(c) >= 0


@function("less")
def _less(c: Call) -> bool:
    return _compared(c) < 0


@function("lessOrEquals")
def _less_or_equals(c: Call) -> bool:
    return _compared(c) <= 0


def _compared(c: Call) -> int:
    """Numbers by value, text by code; an unknown value takes the type of the other."""
    left, right = c.any(0), c.any(1)
    if isinstance(left, Unknown):
        left = _comparable(left, right)
    if isinstance(right, Unknown):
        right = _comparable(right, left)
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return int(left > right) - int(left < right)
    raise c.error(
        f"expects two parameters of matching types. The function was invoked with values of type '{type_name(left)}' and '{type_name(right)}' that do not match."
    )


def _comparable(unknown: Unknown, other: Any) -> Any:
    if isinstance(other, Unknown) or is_number(other):
        return unknown.source.number(unknown)
    return unknown.source.text(unknown)


# --- numbers -------------------------------------------------------------------------------------------------------------------


@function("add")
def _add(c: Call) -> int | float:
    return _result(c, c.number(0) + c.number(1))


@function("sub")
def _sub(c: Call) -> int | float:
    return _result(c, c.number(0) - c.number(1))


@function("mul")
def _mul(c: Call) -> int | float:
    return _result(c, c.number(0) * c.number(1))


@function("div")
def _div(c: Call) -> int | float:
    left, right = c.number(0), c.number(1)
    if right == 0:
        raise c.error("was invoked with a parameter that is not valid: attempt to divide an integral or decimal value by zero in function 'div'.")
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return _result(c, left / right)


@function("mod")
def _mod(c: Call) -> int | float:
    left, right = c.number(0), c.number(1)
    if right == 0:
        raise c.error("was invoked with a parameter that is not valid: attempt to divide an integral or decimal value by zero in function 'mod'.")
    if isinstance(left, int) and isinstance(right, int):
        return int(math.copysign(abs(left) % abs(right), left)) if left and abs(left) < 2**53 else abs(left) % abs(right) * (-1 if left < 0 else 1)
    return math.fmod(left, right)


def _result(c: Call, value: int | float) -> int | float:
    if (isinstance(value, int) and not -INTEGER_LIMIT <= value < INTEGER_LIMIT) or (isinstance(value, float) and not math.isfinite(value)):
        raise c.error("overflowed: the result is not in the range of 64-bit numbers.")
    return value


@function("max", "min")
def _extreme(c: Call) -> int | float:
    values = [c.number(n) for n in range(len(c))] if len(c) > 1 or not isinstance(c.any(0), list | Unknown) else _numbers(c)
    return max(values) if c.name == "max" else min(values)


def _numbers(c: Call) -> list[int | float]:
    items = c.list(0)
    inner = Call(c.name, items, c.runtime)
    if not items:
        raise c.error("expects its parameter to be an array with at least one number.")
    return [inner.number(n) for n in range(len(items))]


@function("rand")
def _rand(c: Call) -> int:
    least, most = c.integer(0), c.integer(1)
    if most <= least:
        raise c.error("expects its second parameter to be greater than the first.")
    return c.runtime.draw().randrange(least, most)
