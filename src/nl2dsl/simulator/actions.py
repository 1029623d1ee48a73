"""What single actions do: data operations, variables, expressions as actions, delays, answers, and calls of mock connectors.

In: the JSON of an action's inputs and a `Context`. Out: an `Outcome`. Errors of the flow are outcomes or `TemplateError`, never other exceptions.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.dsl.profiles import profile, words
from nl2dsl.simulator import evaluate, functions
from nl2dsl.simulator.evaluate import Context
from nl2dsl.simulator.mock import Mocks
from nl2dsl.simulator.values import MAX_ITEMS, MockList, MockObject, TemplateError, Unknown, is_number, limited, plain, to_text, type_name, weigh

_READING_METHODS = ("get", "head", "options")
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0, "month": 2_592_000.0}
_VARIABLE_TYPES = {"string": "String", "integer": "Integer", "float": "Float", "boolean": "Boolean", "array": "Array", "object": "Object"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an action ended. `seconds` passed on the virtual clock; `inputs` are evaluated."""

    inputs: Any = None
    outputs: Any = None
    status: str = "Succeeded"
    code: str = ""
    message: str = ""
    seconds: float = 0.0


def failed(inputs: Any, code: str, message: str, outputs: Any = None) -> Outcome:
    return Outcome(inputs, outputs, "Failed", code, message)


def listed(found: Any, action: str, what: str = "from") -> list[Any]:
    """A list for a data operation, or the platform's error."""
    if isinstance(found, Unknown):
        return found.items()
    if isinstance(found, MockObject):
        return found.origin.items()
    if isinstance(found, list):
        return found
    raise TemplateError(
        f"The '{what}' property value in the '{action}' action inputs is of type '{type_name(found)}'. The value must be an array.", "BadRequest"
    )


# --- data operations -----------------------------------------------------------------------------------------------------------


def compose(inputs: Any, context: Context) -> Outcome:
    found = evaluate.value(inputs, context)
    return Outcome(found, found)


def query(inputs: Any, context: Context) -> Outcome:
    items = listed(_part(inputs, "from", context), "query")
    kept = [item for item in items if evaluate.condition(inputs.get("where", True), context.with_item(item))]
    return Outcome({"from": items, "where": inputs.get("where")}, {"body": kept})


def select(inputs: Any, context: Context) -> Outcome:
    items = listed(_part(inputs, "from", context), "select")
    made = [evaluate.value(inputs.get("select"), context.with_item(item)) for item in items]
    return Outcome({"from": items, "select": inputs.get("select")}, {"body": made})


def join(inputs: Any, context: Context) -> Outcome:
    items = listed(_part(inputs, "from", context), "join")
    by = to_text(_part(inputs, "joinWith", context))
    return Outcome({"from": items, "joinWith": by}, {"body": limited(by.join(to_text(item) for item in items))})


def table(inputs: Any, context: Context) -> Outcome:
    items = listed(_part(inputs, "from", context), "table")
    format = to_text(_part(inputs, "format", context)) or "CSV"
    columns = inputs.get("columns")
    if isinstance(columns, list) and columns:
        headers = [to_text(evaluate.value(c.get("header", ""), context)) if isinstance(c, dict) else "" for c in columns]
        rows = [[_cell(evaluate.value(c.get("value"), context.with_item(i)) if isinstance(c, dict) else "") for c in columns] for i in items]
    else:
        plains = [row if isinstance(row, dict) else {"Value": row} for row in (plain(item) for item in items)]
        headers = list(dict.fromkeys(key for row in plains for key in row))
        rows = [[_cell(row.get(key)) for key in headers] for row in plains]
    text = _html(headers, rows) if format.lower() == "html" else _csv(headers, rows)
    return Outcome({"from": items, "format": format}, {"body": limited(text)})


def _cell(found: Any) -> str:
    return to_text(found)


def _csv(headers: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(headers)
    writer.writerows(rows)
    return out.getvalue()


def _html(headers: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(h)}</th>" for h in headers)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def parse_json(inputs: Any, context: Context, mocks: Mocks) -> Outcome:
    content, schema = _part(inputs, "content", context), inputs.get("schema")
    if isinstance(content, Unknown):
        context.note("the content is seeded: the result is made from the schema")
        return Outcome({"content": content}, {"body": mocks.of_schema(schema, content.key + "/json", content.name)})
    if content is None:
        return failed({"content": None}, "InvalidTemplate", "Unable to process template language expressions: the 'content' of ParseJson is null.")
    if isinstance(content, str):
        try:
            content = json.loads(content.removeprefix("\ufeff"), strict=False)
        except (ValueError, RecursionError) as error:
            return failed({"content": content}, "InvalidJSON", f"Property 'content' must be valid JSON. {error}")
    wrong = mismatch(content, schema)
    if wrong and isinstance(content, MockObject | MockList):
        context.note("the seeded content does not fit the schema: the result is made from the schema")
        return Outcome({"content": content}, {"body": mocks.of_schema(schema, content.origin.key + "/json", content.origin.name)})
    if wrong:
        return failed({"content": content}, "ValidationFailed", f"The schema validation failed. {wrong}", {"body": content})
    return Outcome({"content": content}, {"body": content})


def mismatch(content: Any, schema: Any, path: str = "") -> str:
    """Why a value does not fit a JSON schema ('' when it does): types, required properties, fixed values. Seeded values fit everything."""
    if not isinstance(schema, dict) or isinstance(content, Unknown):
        return ""
    kinds = schema.get("type")
    allowed = kinds if isinstance(kinds, list) else [kinds] if isinstance(kinds, str) else []
    if allowed and not any(_is_kind(content, kind) for kind in allowed):
        return f"Invalid type. Expected {', '.join(str(k).title() for k in allowed)} but got {type_name(content)}. Path '{path}'."
    enum = schema.get("enum")
    if isinstance(enum, list) and enum and plain(content) not in enum:
        return f"Value {json.dumps(plain(content))} is not defined in enum. Path '{path}'."
    if isinstance(content, dict):
        missing = (
            [r for r in schema.get("required", ()) if isinstance(r, str) and r not in content] if isinstance(schema.get("required"), list) else []
        )
        if missing and not isinstance(content, MockObject):
            return f"Required properties are missing from object: {', '.join(map(str, missing))}. Path '{path}'."
        properties = schema.get("properties")
        for key, inner in properties.items() if isinstance(properties, dict) else ():
            if key in content and (wrong := mismatch(content[key], inner, f"{path}.{key}" if path else key)):
                return wrong
    if isinstance(content, list):
        for number, item in enumerate(content):
            if wrong := mismatch(item, schema.get("items"), f"{path}[{number}]"):
                return wrong
    return ""


def _is_kind(content: Any, kind: Any) -> bool:
    match kind:
        case "object":
            return isinstance(content, dict)
        case "array":
            return isinstance(content, list)
        case "string":
            return isinstance(content, str)
        case "integer":
            return is_number(content) and content == int(content)
        case "number":
            return is_number(content)
        case "boolean":
            return isinstance(content, bool)
        case "null":
            return content is None
        case _:
            return True


def _part(inputs: Any, key: str, context: Context) -> Any:
    return evaluate.value(inputs.get(key), context)


# --- variables -----------------------------------------------------------------------------------------------------------------


def initialize(inputs: Any, context: Context, types: dict[str, str]) -> Outcome:
    """All variables of one action; a text, list or object without a value is empty."""
    declared = inputs.get("variables")
    made = []
    for variable in declared if isinstance(declared, list) else ():
        if not isinstance(variable, dict) or not isinstance(variable.get("name"), str):
            raise TemplateError("A variable needs a name and a type.")
        name, kind = variable["name"], str(variable.get("type", "string")).lower()
        found = evaluate.value(variable.get("value"), context)
        types[name.lower()] = kind
        context.run.variables[name.lower()] = _empty(kind) if found is None else typed(name, kind, found)
        made.append({"name": name, "type": kind, "value": found})
    return Outcome({"variables": made}, None)


def _empty(kind: str) -> Any:
    return {"string": "", "array": [], "object": {}}.get(kind)


def typed(name: str, kind: str, found: Any) -> Any:
    """A value for a variable of a type; a seeded one becomes one of that type."""
    if isinstance(found, Unknown):
        match kind:
            case "integer" | "float":
                return found.source.number(found)
            case "boolean":
                return found.source.boolean(found)
            case "array":
                return found.items()
            case _:
                return found
    actual = type_name(found)
    wanted = _VARIABLE_TYPES.get(kind, kind)
    fits = actual == wanted or (wanted == "Float" and actual == "Integer") or (wanted == "Integer" and actual == "Float" and found == int(found))
    if fits or found is None:
        return found
    if wanted in ("Integer", "Float", "Boolean") and isinstance(found, str):
        return _converted(name, wanted, found)
    if wanted in ("Array", "Object") and isinstance(found, str):
        try:
            parsed = json.loads(found)
        except ValueError:
            parsed = None
        if type_name(parsed) == wanted:
            return parsed
    raise _wrong_type(name, wanted, actual)


def _converted(name: str, wanted: str, text: str) -> Any:
    """Literals of numbers and of true/false may stand in quotes in a definition."""
    try:
        return {"Integer": int, "Float": float}[wanted](text) if wanted != "Boolean" else {"true": True, "false": False}[text.strip().lower()]
    except (KeyError, ValueError):
        raise _wrong_type(name, wanted, "String") from None


def _wrong_type(name: str, wanted: str, actual: str) -> TemplateError:
    return TemplateError(
        f"The variable '{name}' of type '{wanted}' cannot be initialized or updated with value of type '{actual}'. "
        f"The variable '{name}' only supports values of types '{wanted}'.",
        "BadRequest",
    )


def change(kind: str, inputs: Any, context: Context, types: Mapping[str, str]) -> Outcome:
    """SetVariable, IncrementVariable, DecrementVariable, AppendToStringVariable, AppendToArrayVariable."""
    name = to_text(inputs.get("name"))
    key = name.lower()
    variables = context.run.variables
    if key not in variables:
        raise TemplateError(f"The variable '{name}' must be initialized before it can be used inside action inputs or outputs.")
    found = _part(inputs, "value", context)
    old = variables[key]
    match kind:
        case "setvariable":
            made = typed(name, types.get(key, ""), found)
        case "appendtostringvariable":
            made = limited(to_text(old) + to_text(found))
        case "appendtoarrayvariable":
            made = [*(old if isinstance(old, list) else []), found]
            if len(made) > MAX_ITEMS:
                raise TemplateError(f"The variable '{name}' would have more than {MAX_ITEMS} items.", "BadRequest")
        case _:
            sign = -1 if kind == "decrementvariable" else 1
            made = functions.call("add", [old if old is not None else 0, _signed(found, sign)], context.run)
    weigh(made)
    variables[key] = made
    return Outcome({"name": name, "value": found}, {"body": {"name": name, "value": made}})


def _signed(found: Any, sign: int) -> Any:
    """How much to count; 1 when nothing is said."""
    if isinstance(found, Unknown):
        found = found.source.number(found)
    if found is None:
        return sign
    return found * sign if is_number(found) else found


# --- expressions as actions, delays, answers -----------------------------------------------------------------------------------

_EXPRESSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "currenttime": ("utcNow", ()),
    "addtotime": ("addToTime", ("baseTime", "interval", "timeUnit")),
    "subtractfromtime": ("subtractFromTime", ("baseTime", "interval", "timeUnit")),
    "getfuturetime": ("getFutureTime", ("interval", "timeUnit")),
    "getpasttime": ("getPastTime", ("interval", "timeUnit")),
    "converttimezone": ("convertTimeZone", ("baseTime", "sourceTimeZone", "destinationTimeZone", "formatString")),
    "formatnumber": ("formatNumber", ("number", "format", "locale")),
}


def expression(kind: str, inputs: Any, context: Context) -> Outcome | None:
    """The actions whose type is `Expression`; None for a kind that is not known."""
    function = _EXPRESSIONS.get(kind.lower())
    if function is None:
        return None
    found = evaluate.value(inputs, context)
    name, keys = function
    arguments = [found[key] for key in keys if isinstance(found, dict) and found.get(key) not in (None, "")]
    if name == "convertTimeZone" and len(arguments) > 1:
        stamp = functions.Call(name, arguments, context.run).stamp(0)
        if stamp.utc and str(arguments[1]).upper() != "UTC":
            arguments[0] = to_text(arguments[0]).rstrip("Zz")
    return Outcome(found, {"body": functions.call(name, arguments, context.run)})


def wait(inputs: Any, context: Context) -> Outcome:
    """A delay passes on the virtual clock only."""
    found = evaluate.value(inputs, context)
    interval, until = (found.get("interval"), found.get("until")) if isinstance(found, dict) else (None, None)
    if isinstance(interval, dict):
        count = functions.Call("delay", [interval.get("count")], context.run).integer(0)
        unit = _UNITS.get(to_text(interval.get("unit")).lower().rstrip("s"))
        if unit is None:
            return failed(found, "BadRequest", f"The unit '{to_text(interval.get('unit'))}' of the delay is not valid.")
        return Outcome(found, None, seconds=max(count, 0) * unit)
    if isinstance(until, dict):
        stamp = functions.Call("delayUntil", [until.get("timestamp")], context.run).stamp(0)
        return Outcome(found, None, seconds=max(0.0, (stamp.at - context.run.now().replace(tzinfo=None)).total_seconds()))
    return failed(found, "BadRequest", "The delay has neither an interval nor a time.")


# --- calls ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """What a call goes to: the id of its operation, the catalog's entry if there is one, and whether the call changes anything outside."""

    id: str
    operation: Operation | None
    effect: bool
    asks: bool


def target(id: str, kind: str, inputs: Any, catalog: Catalog) -> Target:
    """`inputs` are the evaluated ones of the call."""
    operation = catalog.get(id)
    asks = kind.lower().endswith(("webhook", "notification")) and kind.lower() != "httpwebhook"
    method = _method(inputs)
    if method:
        return Target(id, operation, method not in _READING_METHODS or asks, asks)
    if id.startswith("builtin."):
        return Target(id, operation, kind.lower() in ("workflow", "http", "httpwebhook", "response", "function", "agent"), asks)
    known = profile(catalog, id)
    if known is None:
        spoken = words(id.rpartition(".")[2])
        reads = bool(spoken) and not _READING_WORDS.isdisjoint(spoken)
        return Target(id, operation, not reads or asks, asks)
    if known.reads or known.asks:
        return Target(id, operation, known.asks or asks, asks or known.asks)
    return Target(id, operation, known.writes or asks or not known.operation.outputs, asks)


_READING_WORDS = frozenset("get list find search query read lookup retrieve fetch view download select extract parse convert".split())


def _method(inputs: Any) -> str:
    """The HTTP method of a call that has one, in lower case."""
    if not isinstance(inputs, dict):
        return ""
    for key in ("method", "request/method", "parameters/method"):
        found = inputs.get(key)
        if isinstance(found, str) and found:
            return found.lower()
    return ""


def call_inputs(inputs: Any, context: Context) -> Any:
    """The evaluated parameters of a call, without what is said about connection and sign-in."""
    if not isinstance(inputs, dict):
        return evaluate.value(inputs, context)
    if isinstance(inputs.get("parameters"), dict):
        return evaluate.value(inputs["parameters"], context)
    silent = (
        "authentication",
        "retryPolicy",
        "schema",
        *(("host",) if isinstance(inputs.get("host"), dict) and "connection" in inputs["host"] else ()),
    )
    return {key: evaluate.value(item, context) for key, item in inputs.items() if key not in silent}


def answer(target: Target, key: str, mocks: Mocks) -> dict[str, Any]:
    """What a mock connector returns."""
    headers = MockObject({"Content-Type": "application/json"}, mocks.unknown(f"{key}/headers", "headers"))
    known = {"statusCode": 200, "headers": headers, "body": mocks.body(target.operation, key)}
    return MockObject(known, mocks.unknown(f"{key}/outputs", "outputs"))


DATA_OPERATIONS: dict[str, Callable[[Any, Context], Outcome]] = {**{"query": query, "select": select, "join": join, "table": table, "wait": wait}}
