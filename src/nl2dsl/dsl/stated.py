"""Values a sentence states, made into values an operation takes.

In: a key and a value of a sketch, the operation. Out: the key as it is on the wire and an expression that the checker accepts, or None where the
words cannot be such a value (`"All Company"` for a numeric id): better asked for than wrong.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from nl2dsl.catalog.model import Operation, Parameter
from nl2dsl.dsl.sketch import Scalar, Value
from nl2dsl.dsl.tree import Array, Entry, Expression, Literal

_CHOICE_COLUMNS = ("status", "priority", "category", "stage", "state", "severity", "type", "department", "phase", "urgency", "impact", "risk")
_LISTS_OF_SHAREPOINT = ("PostItem", "PatchItem", "PatchFileItem")

# Numbers the platform gives to words.
_CODES: dict[str, list[tuple[str, int]]] = {
    "subscriptionRequest/message": [
        (r"(?=.*(add|creat|new|insert))(?=.*(modif|chang|updat|edit))(?=.*(delet|remov))", 7),
        (r"(?=.*(add|creat|new|insert))(?=.*(modif|chang|updat|edit))", 4),
        (r"(?=.*(add|creat|new|insert))(?=.*(delet|remov))", 5),
        (r"(?=.*(modif|chang|updat|edit))(?=.*(delet|remov))", 6),
        (r".*(add|creat|new|insert)", 1),
        (r".*(delet|remov)", 2),
        (r".*(modif|chang|updat|edit)", 3),
    ],
    "subscriptionRequest/scope": [(r".*(user|mine|me)", 1), (r".*(business|unit)", 2), (r".*(parent|child)", 3), (r".*organi", 4)],
    "priority": [(r".*urgent", 1), (r".*(high|important)", 3), (r".*(medium|normal)", 5), (r".*low", 9)],
}


def entry(operation: Operation, key: str, value: Value) -> Entry | None:
    """The entry for a stated value, or None when the operation has no such key or cannot take the value."""
    if not operation.parameters and operation.kind == "any":
        return Entry(key, _plain(value))
    key = _known_key(operation, key)
    parameter = operation.parameter(key)
    if parameter is None:
        return None
    if parameter.name != key:  # a child of an open object: its type is known only at run time
        return Entry(_column(operation, key), _plain(value))
    found = _typed(parameter, value)
    return None if found is None else Entry(key, found)


def _known_key(operation: Operation, key: str) -> str:
    if operation.parameter(key) is not None:
        return key
    last = key.rpartition("/")[2].lower()
    return next((p.name for p in operation.parameters if p.name.lower() == key.lower() or p.name.rpartition("/")[2].lower() == last), key)


def _column(operation: Operation, key: str) -> str:
    """Choice columns of SharePoint lists are set by their `Value`."""
    if operation.connector == "shared_sharepointonline" and operation.name in _LISTS_OF_SHAREPOINT:
        head, _, name = key.partition("/")
        if head == "item" and name.lower() in _CHOICE_COLUMNS:
            return f"{key}/Value"
    return key


def _plain(value: Value) -> Expression:
    return Array(tuple(Literal(v) for v in value)) if isinstance(value, tuple) else Literal(value)


def _typed(parameter: Parameter, value: Value) -> Expression | None:
    match parameter.type:
        case "array":
            found = [_scalar(parameter, v, "any") for v in (value if isinstance(value, tuple) else (value,))]
            return Array(tuple(Literal(v) for v in found if v is not None))
        case "any" | "" if not parameter.enum:
            return _plain(value)
        case "object":
            return None
    if isinstance(value, tuple) and parameter.type == "string" and not parameter.enum:
        return Literal((";" if parameter.role == "person_email" else ", ").join(_text(v) for v in value))
    one = value[0] if isinstance(value, tuple) and value else value
    scalar = None if isinstance(one, tuple) else _scalar(parameter, one, parameter.type)
    return None if scalar is None else Literal(scalar)


def _scalar(parameter: Parameter, value: Scalar, kind: str) -> Scalar | None:
    if kind in ("integer", "number"):
        found: Scalar | None = _number(parameter, value, kind)
    elif kind == "boolean":
        found = _boolean(value)
    elif kind == "string":
        found = _text(value)
    else:
        found = value
    return _chosen(parameter, found) if parameter.enum and found is not None else found


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(parameter: Parameter, value: Scalar, kind: str) -> Scalar | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if kind == "integer" and float(value).is_integer() else (value if kind == "number" else None)
    text = value.strip().replace(",", "").replace(" ", "")
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,15}\.\d{1,9}", text):
        return float(text) if kind == "number" else None
    codes = _CODES.get(parameter.name) or _CODES.get(parameter.name.rpartition("/")[2].lower(), [])
    return next((code for pattern, code in codes if re.match(pattern, value.lower())), None)


def _boolean(value: Scalar) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}.get(str(value).strip().lower())


def _chosen(parameter: Parameter, value: Scalar) -> Scalar | None:
    """The value of the enumeration that is meant."""
    text = _text(value)
    if text in parameter.enum:
        return value
    by_case = {e.lower(): e for e in parameter.enum}
    name = by_case.get(text.lower()) or by_case.get(text.lower().rstrip("s"))
    if name is None and parameter.type in ("string", "array"):
        near = get_close_matches(text.lower(), list(by_case), n=1, cutoff=0.75)
        name = by_case[near[0]] if near else None
    return name if parameter.type in ("string", "array", "any", "") else None
