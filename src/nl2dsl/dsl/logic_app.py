"""Azure Logic Apps (Consumption): a workflow whose connector calls name method and path, and the connections it is given.

In: a flow and a catalog. Out: `{"definition", "parameters": {"$connections": {"value": ...}}}`, what the code view of a Logic App holds and a
`Microsoft.Logic/workflows` resource has for `properties`; and diagnostics. A call is written with the route that the catalog knows for its operation; one without a route
is an error (T701), never a guess. Calls that are in that form already stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.catalog.routes import Route, route_of
from nl2dsl.dsl import definition as definitions
from nl2dsl.dsl import wire
from nl2dsl.dsl.action_names import notes_of
from nl2dsl.dsl.carrying import spans
from nl2dsl.dsl.connections import actions_of, api_of, connection, triggers_of, uses
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.package import clashes
from nl2dsl.dsl.tree import NOWHERE, Flow, Span
from nl2dsl.dsl.wire import AUTHENTICATION, CONNECTOR_TYPES, Json

_CONNECTIONS = {"$connections": {"defaultValue": {}, "type": "Object"}}
# Kinds of requests and responses that only Power Automate has.
_POWER_AUTOMATE = ("button", "powerapp", "powerappv2", "skills", "virtualagent")
# Power Automate writes `outputs('x')?['body/value']`, which is a path and no key; Logic Apps write the steps of the path from the body.
_SLASHED = re.compile(r"(?:outputs\((?P<action>'(?:[^']|'')+')\)|triggerOutputs\(\))\?\['body/(?P<path>[^']+)'\]")


def write(flow: Flow, catalog: Catalog) -> tuple[Json, list[Diagnostic]]:
    """The workflow of a flow that the checker passed; empty if there is an error among the diagnostics."""
    definition = definitions.compile(flow, catalog)
    places = dict.fromkeys(triggers_of(definition), flow.trigger.span) | spans(flow)
    found = list(_check(flow, definition, places))
    for name, action in actions_of(definition):
        found += _call(name, action, places.get(name, NOWHERE), catalog)
    if any(d.severity == "error" for d in found):
        return {}, found
    notes = notes_of(flow.annotations)
    given = wire.raw_object(notes, "references")
    if isinstance(definition.get("parameters"), dict):
        definition["parameters"] = _CONNECTIONS | {k: v for k, v in definition["parameters"].items() if k != "$authentication"}
    connections = _connections(definition, given)
    if any("{subscriptionId}" in str(entry.get("connectionId")) for entry in connections.values()):
        found.append(Diagnostic("T704", "the ids of connections are yours to fill in", severity="info", hint="replace {subscriptionId} and its like"))
    return _around(notes, _split(definition), connections), found


def _connections(definition: Json, given: Json) -> Json:
    """The value of `$connections`, complete: every key that a call uses, then those that only came along."""
    short = {key.removeprefix("shared_"): entry for key, entry in given.items()}
    apis = {key: api for _, key, api in uses(definition, short | given)}
    made = {key: connection(key, api, given.get(key, short.get(key))) for key, api in apis.items()}
    used = {key.removeprefix("shared_") for key in made}
    return made | {
        key: connection(key, api_of(entry), entry) for key, entry in given.items() if key.removeprefix("shared_") not in used and api_of(entry)
    }


def _around(notes: wire.Notes, definition: Json, connections: Json) -> Json:
    """The definition, the values of its parameters, and the kind that a Standard workflow has."""
    around = wire.raw_object(notes, "around")
    parameters: Json = {"$connections": {"value": connections}}
    for holder in (around, around.get("properties")):
        if isinstance(holder, dict) and isinstance(holder.get("parameters"), dict):
            parameters |= holder["parameters"]
    kind = {"kind": around["kind"]} if "kind" in around else {}
    return {"definition": definition, **kind, "parameters": parameters}


def _check(flow: Flow, definition: Json, places: dict[str, Span]) -> Iterator[Diagnostic]:
    yield from clashes(flow, definition, places)
    if not triggers_of(definition):
        yield Diagnostic("T705", "a Logic App needs a trigger, this flow has none", flow.trigger.span)
    for name, action in actions_of(definition):
        if action.get("type") in ("Request", "Response") and str(action.get("kind", "")).lower() in _POWER_AUTOMATE:
            message = f"`{name}` is of the kind `{action['kind']}`, which only Power Automate has"
            yield Diagnostic("T703", message, places.get(name, NOWHERE), "warning", "take commonTrigger.Http and builtin.Response")


# --- calls


def _call(name: str, action: Json, span: Span, catalog: Catalog) -> Iterator[Diagnostic]:
    """Rewrites a connector call in place; yields why it cannot."""
    if action.get("type") not in CONNECTOR_TYPES:
        return
    inputs = action.get("inputs")
    host = inputs.get("host") if isinstance(inputs, dict) else None
    parameters = inputs.get("parameters", {}) if isinstance(inputs, dict) else None
    if not isinstance(inputs, dict) or not isinstance(host, dict) or not isinstance(parameters, dict):
        yield Diagnostic("T707", f"`{name}` has no operation and parameters that a request could be made of", span)
        return
    api, operation = str(host.get("apiId", "")).rpartition("/")[2], str(host.get("operationId", ""))
    known = catalog.get(f"{api}.{operation}")
    parameters = _filled(known) | parameters
    route = route_of(f"{api}.{operation}", known) if action["type"] == "OpenApiConnection" else None
    if route is None:
        hint = f'look it up in a Logic App of yours and write it as it is there: {api}.`post /its/path`({{ ... }}) with @type("ApiConnection")'
        yield Diagnostic("T701", f"no REST path is known for `{api}.{operation}`, which Logic Apps need", span, hint=hint)
        return
    if problem := _misplaced(route, parameters):
        yield Diagnostic("T707", f"`{api}.{operation}` {problem}", span)
        return
    key = str(host.get("connectionName") or api).removeprefix("shared_")
    rest = {k: v for k, v in inputs.items() if k not in ("host", "parameters", "authentication")}
    if inputs.get("authentication", AUTHENTICATION) != AUTHENTICATION:
        rest["authentication"] = inputs["authentication"]
    action["type"] = "ApiConnection"
    action["inputs"] = {
        "host": {"connection": {"name": f"@parameters('$connections')['{key}']['connectionId']"}},
        "method": route.method.lower(),
        **placed(route, parameters),
        **rest,
    }


def _filled(operation: Operation | None) -> Json:
    """What the platform fills in itself, with the value that the description gives, outside of the body."""
    hidden = [p for p in operation.parameters if p.internal and p.place and p.default is not None] if operation else []
    return {p.name: p.default for p in hidden}


def _misplaced(route: Route, parameters: Json) -> str:
    """Why the parameters of a call have no place in its request; '' if they have."""
    missing = [key for key in route.in_path if key not in parameters]
    if missing:
        return f"needs {', '.join(f'`{key}`' for key in missing)} for its path"
    body = [key for key in parameters if key not in {*route.in_path, *route.query, *route.header}]
    if body and route.method in ("GET", "DELETE"):
        return f"has no body, and it is not known where else `{body[0]}` goes"
    whole = [key for key in body if "/" not in key]
    if whole and len(body) > 1:
        return f"is given `{whole[0]}` as a whole and parts of the body, too"
    return ""


def placed(route: Route, parameters: Json) -> Json:
    """Flat parameters as `path`, `queries`, `headers` and `body`: `emailMessage/To` is the key `To` of the body."""
    path = route.path
    for name in route.in_path:
        path = path.replace("{" + name + "}", _encoded(parameters[name], name in route.twice))
    inputs: Json = {"path": path}
    queries = {**route.fixed, **{key: parameters[key] for key in route.query if key in parameters}}
    headers = {key: parameters[key] for key in route.header if key in parameters}
    elsewhere = {*route.in_path, *route.query, *route.header}
    body = _body({key: value for key, value in parameters.items() if key not in elsewhere})
    for part, value in (("queries", queries), ("headers", headers)):
        if value:
            inputs[part] = value
    return inputs if body is None else inputs | {"body": body}


def _body(flat: Json) -> Any:
    """The body that flat keys describe: the first step of a key is the name of the body itself. None when there is nothing."""
    if len(flat) == 1 and "/" not in next(iter(flat)):
        return next(iter(flat.values()))
    body: Json = {}
    for key, value in flat.items():
        _, *steps, last = key.split("/")
        holder = body
        for step in steps:
            inner = holder.setdefault(step, {})
            holder = inner if isinstance(inner, dict) else holder
        holder[last] = value
    return body or None


def _encoded(value: Any, twice: bool) -> str:
    expression = f"encodeUriComponent({as_expression(value)})"
    return "@{" + (f"encodeUriComponent({expression})" if twice else expression) + "}"


def as_expression(value: Any) -> str:
    """A JSON value of a definition as an expression: `'text'`, `variables('x')` for `@variables('x')`, `concat(...)` for text with `@{...}` in it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if not isinstance(value, str):
        return str(value)
    if value.startswith("@@"):
        return _quoted(value[1:])
    if value.startswith("@") and not value.startswith("@{"):
        return value[1:]
    parts = [_quoted(part) if number % 2 == 0 else part for number, part in enumerate(_interpolated(value)) if part]
    return f"concat({', '.join(parts)})" if len(parts) > 1 else parts[0] if parts else "''"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _interpolated(text: str) -> list[str]:
    """Text and expressions in turn: `a@{b}c` is `a`, `b`, `c`. Braces in the strings of an expression do not count."""
    parts, start, i = [], 0, 0
    while (opened := text.find("@{", i)) >= 0:
        if opened and text[opened - 1] == "@":  # `@@{` is text
            i = opened + 2
            continue
        end = _end(text, opened + 2)
        parts += [text[start:opened].replace("@@{", "@{"), text[opened + 2 : end]]
        start = i = end + 1
    return [*parts, text[start:].replace("@@{", "@{")]


def _end(text: str, start: int) -> int:
    depth, quoted = 1, False
    for i in range(start, len(text)):
        if text[i] == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"{": 1, "}": -1}.get(text[i], 0)
            if not depth:
                return i
    return len(text)


def _split(value: Any) -> Any:
    """The same JSON with the paths of its expressions in steps."""
    if isinstance(value, dict):
        return {key: _split(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_split(item) for item in value]
    return _SLASHED.sub(_steps, value) if isinstance(value, str) and "@" in value else value


def _steps(found: re.Match[str]) -> str:
    body = f"body({found['action']})" if found["action"] else "triggerBody()"
    return body + "".join(f"?['{step}']" for step in found["path"].split("/"))
