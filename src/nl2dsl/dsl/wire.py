"""How one call looks in a definition: the `type`, `kind` and `inputs` of an action or a trigger.

In: a call of the tree and its catalog operation, or the JSON of an action. Out: the JSON, or a `Wired` call. Connector calls name their operation in
`inputs.host` (old ones only a method and a path); built-ins are told apart by `type`, `kind` and sometimes by one of their inputs. What differs from
what the platform's designer would write comes back as a note (an annotation of the step), so that both directions meet: `connection`, `type`,
`authentication`, `host`, `kind`, `inputs`, `retry`, `splitOn`, `recurrence`, `condition`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.catalog.routes import split_of
from nl2dsl.dsl import expressions
from nl2dsl.dsl.expressions import Reading
from nl2dsl.dsl.tree import Call, Entry, Expression, Literal, Object

Json = dict[str, Any]
Notes = dict[str, tuple[Expression, ...]]
Names = Mapping[str, str]

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
PARAMETERS: Json = {"$connections": {"defaultValue": {}, "type": "Object"}, "$authentication": {"defaultValue": {}, "type": "SecureObject"}}
LIMIT: Json = {"count": 60, "timeout": "PT1H"}

CONNECTOR_TYPES = ("OpenApiConnection", "OpenApiConnectionWebhook", "OpenApiConnectionNotification")
LEGACY_TYPES = ("ApiConnection", "ApiConnectionWebhook", "ApiConnectionNotification")
API = "/providers/Microsoft.PowerApps/apis/"
SERVICE_PROVIDERS = "/serviceProviders/"
SERVICE_PREFIX = "serviceprovider_"
AUTHENTICATION = "@parameters('$authentication')"
POLLING: Json = {"frequency": "Minute", "interval": 1}
NO_INPUTS_SCHEMA: Json = {"type": "object", "properties": {}, "required": []}

# Groups of operations whose API is not one of the connectors', and the connection they go by.
_GROUPS = {"aibuilder": ("/providers/Microsoft.ProcessSimple/operationGroups/aibuilder", "shared_commondataserviceforapps")}
_OF_GROUP = {api: connector for connector, (api, _) in _GROUPS.items()}


@dataclass(frozen=True, slots=True)
class Builtin:
    """One built-in.

    `nested` are the inputs whose own keys are written flat (`interval/count`); `whole` is the one parameter that is all of the inputs.
    """

    operation: str
    type: str
    kind: str = ""
    nested: tuple[str, ...] = ()
    whole: str = ""
    silent: bool = False  # delivers nothing that other steps could use


_ACTIONS = (
    Builtin("Compose", "Compose", whole="inputs"),
    *(Builtin(name, name) for name in ("ParseJson", "Query", "Select", "Join", "Http")),
    *(Builtin(name, name, silent=True) for name in ("AppendToArrayVariable", "AppendToStringVariable")),
    *(Builtin(n, "Expression", n) for n in "AddToTime ConvertTimeZone CurrentTime FormatNumber GetFutureTime GetPastTime SubtractFromTime".split()),
    Builtin("TableCsv", "Table"),
    Builtin("TableHtml", "Table"),
    Builtin("Delay", "Wait", nested=("interval",), silent=True),
    Builtin("DelayUntil", "Wait", nested=("until",), silent=True),
    Builtin("Response", "Response", "Http", silent=True),
    Builtin("ResponsePowerApp", "Response", "PowerApp", silent=True),
    Builtin("ResponseSkills", "Response", "Skills", silent=True),
    Builtin("Terminate", "Terminate", nested=("runError",), silent=True),
    Builtin("Workflow", "Workflow", nested=("host",)),
    Builtin("HttpWebhook", "HttpWebhook", nested=("subscribe", "unsubscribe")),
)
_TRIGGERS = (
    Builtin("Recurrence", "Recurrence"),
    Builtin("SlidingWindow", "SlidingWindow"),
    Builtin("manual", "Request", "Button"),
    *(Builtin(kind, "Request", kind) for kind in ("Http", "PowerApp", "PowerAppV2", "Skills", "ApiConnection", "Geofence")),
    Builtin("HttpTrigger", "Http"),
    Builtin("HttpWebhookTrigger", "HttpWebhook", nested=("subscribe", "unsubscribe")),
)
_BY_NAME = {b.operation: b for b in _ACTIONS}
_TRIGGER_BY_NAME = {b.operation: b for b in _TRIGGERS}
_BY_TYPE: dict[str, list[Builtin]] = {}
_TRIGGER_BY_TYPE: dict[str, list[Builtin]] = {}
for _table, _index in ((_ACTIONS, _BY_TYPE), (_TRIGGERS, _TRIGGER_BY_TYPE)):
    for _builtin in _table:
        _index.setdefault(_builtin.type.lower(), []).append(_builtin)

# What becomes a statement of the language, never a call; and the keys that any action may have.
_STATEMENTS = frozenset("if foreach switch until scope initializevariable setvariable incrementvariable decrementvariable".split())
_OF_ANY_ACTION = frozenset("type kind inputs runAfter description metadata runtimeConfiguration limit trackedProperties operationOptions".split())
_SCHEDULE = ("hours", "minutes", "weekDays", "monthDays", "monthlyOccurrences")
_ASKS_FOR_SCHEMA = ("manual", "PowerApp", "PowerAppV2", "Skills")
_ITEM_OPERATIONS = ("Query", "Select", "TableCsv", "TableHtml")  # `item()` in them is their own


@dataclass(frozen=True, slots=True)
class Wired:
    """A call as read from JSON; `notes` are what the annotations of the step must say."""

    connector: str
    operation: str
    parameters: tuple[Entry, ...]
    notes: Notes


def is_silent(connector: str, operation: str) -> bool:
    """Whether the result of such a call is never worth a name."""
    return connector == "builtin" and operation in _BY_NAME and _BY_NAME[operation].silent


def joins(connector: str, type: Any) -> bool:
    """Whether the designer joins keys of what such a call delivers (`?['body/value']`): those of connectors called by the id of their operation."""
    return connector not in ("builtin", "commonTrigger") and not connector.startswith(SERVICE_PREFIX) and type not in LEGACY_TYPES


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are one: `true` is not 1, and 1 is not 1.0."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(item, b[key]) for key, item in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def raw(value: Any) -> tuple[Expression, ...]:
    """The arguments of an annotation that carries JSON as it is."""
    return (expressions.read_raw(value),)


def raw_value(notes: Notes, name: str) -> Any:
    """What such an annotation carries; None without arguments."""
    arguments = notes.get(name)
    return expressions.write_raw(arguments[0]) if arguments else None


def raw_object(notes: Notes, name: str) -> Json:
    """What such an annotation carries when that must be an object; the checker's business if it is not."""
    value = raw_value(notes, name)
    return value if isinstance(value, dict) else {}


# --- writing -------------------------------------------------------------------------------------------------------------------


def write_action(call: Call, notes: Notes, catalog: Catalog, names: Names) -> Json:
    if call.connector == "builtin":
        action = _write_builtin(call, _BY_NAME.get(call.operation) or _from_catalog(call, catalog), notes, names)
    else:
        action = _write_connector(call, notes, catalog.get(call.id), names)
    return _with_inputs(action, notes)


def write_trigger(call: Call, notes: Notes, catalog: Catalog, names: Names) -> Json:
    if "definition" in notes:
        return raw_object(notes, "definition")
    if call.connector != "commonTrigger":
        operation = catalog.get(call.id)
        trigger = _with_inputs(_write_connector(call, notes, operation, names), notes)
        if trigger["type"] == "OpenApiConnection":
            trigger["recurrence"] = dict(POLLING)
        split = usual_split(operation) if trigger["type"] in CONNECTOR_TYPES else None
        if split is not None:
            trigger["splitOn"] = split
    elif call.operation in ("Recurrence", "SlidingWindow"):
        trigger = _write_recurrence(call, names)
    else:
        builtin = _TRIGGER_BY_NAME.get(call.operation) or _from_catalog(call, catalog)
        trigger = _with_inputs(_write_builtin(call, builtin, notes, names), notes)
        if call.operation in _ASKS_FOR_SCHEMA and "kind" not in notes:
            trigger["inputs"].setdefault("schema", NO_INPUTS_SCHEMA)
    return _with_trigger_notes(trigger, notes, names)


def usual_split(operation: Operation | None) -> str | None:
    """The `splitOn` that the designer gives a trigger of a connector: the list in its body, where its operation delivers one."""
    key = split_of(operation) if operation is not None and operation.batch else None
    if key is None:
        return None
    steps = ["body", key] if "/" in key else [f"body/{key}" if key else "body"]
    return "@triggerOutputs()" + "".join("?['" + step.replace("'", "''") + "']" for step in steps)


def _with_trigger_notes(trigger: Json, notes: Notes, names: Names) -> Json:
    if "recurrence" in notes:
        trigger["recurrence"] = raw_value(notes, "recurrence")
        if trigger["recurrence"] is None:
            del trigger["recurrence"]
    if notes.get("splitOn"):
        trigger.pop("splitOn", None)
        if notes["splitOn"][0] != Literal(None):
            trigger["splitOn"] = expressions.write(notes["splitOn"][0], names)
    if "condition" in notes:
        trigger["conditions"] = [{"expression": expressions.write(argument, names)} for argument in notes["condition"]]
    return trigger


def _with_inputs(action: Json, notes: Notes) -> Json:
    if "retry" in notes and isinstance(action["inputs"], dict):
        action["inputs"]["retryPolicy"] = raw_value(notes, "retry")
    if "inputs" in notes and isinstance(action["inputs"], dict):
        action["inputs"] |= raw_object(notes, "inputs")
    return action


def _write_connector(call: Call, notes: Notes, operation: Operation | None, names: Names) -> Json:
    parameters = {entry.key: expressions.write(entry.value, names) for entry in call.parameters}
    connection = raw_value(notes, "connection")
    if call.connector.startswith(SERVICE_PREFIX):
        provider = call.connector.removeprefix(SERVICE_PREFIX)
        service = {
            "connectionName": provider if connection is None else connection,
            "operationId": call.operation,
            "serviceProviderId": SERVICE_PROVIDERS + provider,
        }
        return {"type": "ServiceProvider", "inputs": {"parameters": parameters, "serviceProviderConfiguration": service}}
    if raw_value(notes, "type") in LEGACY_TYPES:
        key = connection if isinstance(connection, str) else call.connector.removeprefix("shared_")
        said = {"host": raw_object(notes, "host") or _legacy_host(key), **_said_by(call.operation)}
        legacy: Json = {"type": raw_value(notes, "type"), "inputs": said | parameters}
        if _OPERATION_ID.fullmatch(call.operation):
            legacy["metadata"] = _noted(call.operation)
        return legacy
    api, default = _GROUPS.get(call.connector) or (API + call.connector, call.connector)
    host = {"connectionName": default if connection is None else connection, "operationId": call.operation, "apiId": api}
    inputs: Json = {"host": raw_object(notes, "host") or host, "parameters": parameters}
    authentication = raw_value(notes, "authentication") if "authentication" in notes else AUTHENTICATION
    if authentication is not None:
        inputs["authentication"] = authentication
    return {"type": raw_value(notes, "type") or _connector_type(operation), "inputs": inputs}


def _connector_type(operation: Operation | None) -> str:
    return operation.flow_type if operation is not None and operation.flow_type in CONNECTOR_TYPES else "OpenApiConnection"


_OPERATION_ID = re.compile(r"[A-Za-z_][\w-]*")
_METHOD_AND_PATH = re.compile(r"(?:(?P<method>[A-Za-z]+) )?(?P<path>/\S*)")


def _said_by(operation: str) -> Json:
    """The method and the path of an old connector call that its name gives away; not a path with holes."""
    match = _METHOD_AND_PATH.fullmatch(operation)
    return {key: item for key, item in match.groupdict().items() if item and "{}" not in item} if match else {}


def connection_of(action: Json) -> tuple[str, str] | None:
    """The connector an action calls, and the name of the connection it uses."""
    inputs = action.get("inputs")
    identity = identify(action) if action.get("type") in (*CONNECTOR_TYPES, *LEGACY_TYPES) else None
    if identity is None or not isinstance(inputs, dict):
        return None
    host = inputs.get("host")
    if action["type"] in LEGACY_TYPES:
        match = _LEGACY_HOST.fullmatch(str(_connection_name(host)))
        return (identity[0], match[1]) if match else None
    name = host.get("connectionName") if isinstance(host, dict) else None
    return (identity[0], name) if isinstance(name, str) else None


def usual_connection(connector: str, type: Any) -> str:
    """The connection a call uses when nothing is said."""
    return connector.removeprefix("shared_") if type in LEGACY_TYPES else _GROUPS.get(connector, ("", connector))[1]


def _legacy_host(key: str) -> Json:
    return {"connection": {"name": f"@parameters('$connections')['{key}']['connectionId']"}}


def _noted(operation: str) -> Json:
    """Where the designer notes the operation of a call that names only method and path."""
    return {"flowSystemMetadata": {"swaggerOperationId": operation}}


def _from_catalog(call: Call, catalog: Catalog) -> Builtin:
    operation = catalog.get(call.id)
    if operation is None or not operation.definition_type:
        return Builtin(call.operation, call.operation)
    return Builtin(call.operation, operation.definition_type, operation.definition_kind)


def _write_builtin(call: Call, builtin: Builtin, notes: Notes, names: Names) -> Json:
    action: Json = {"type": raw_value(notes, "type") or builtin.type}
    kind = raw_value(notes, "kind") if "kind" in notes else builtin.kind or None
    if kind is not None:
        action["kind"] = kind
    action["inputs"] = _whole(call, builtin, names) if builtin.whole else _nested(call, builtin, names)
    if builtin.type == "Table":
        action["inputs"].setdefault("format", call.operation.removeprefix("Table").upper())
    return action


def _whole(call: Call, builtin: Builtin, names: Names) -> Any:
    value = call.get(builtin.whole)
    return expressions.write(value if value is not None else Object(call.parameters), names)


def _nested(call: Call, builtin: Builtin, names: Names) -> Json:
    inputs: Json = {}
    for entry in call.parameters:
        parent, _, child = entry.key.partition("/")
        group = inputs.setdefault(parent, {}) if child and parent in builtin.nested else inputs
        value = expressions.write(entry.value, names)
        if isinstance(group, dict):
            group[child if group is not inputs else entry.key] = value
        else:
            inputs[entry.key] = value
    return inputs


def _write_recurrence(call: Call, names: Names) -> Json:
    recurrence: Json = {}
    schedule: Json = {}
    trigger: Json = {"type": call.operation, "recurrence": recurrence}
    for entry in call.parameters:
        value = expressions.write(entry.value, names)
        if entry.key.startswith("inputs/"):
            trigger.setdefault("inputs", {})[entry.key.removeprefix("inputs/")] = value
            continue
        if entry.key in _SCHEDULE or entry.key.startswith("schedule/"):
            schedule[entry.key.removeprefix("schedule/")] = value
        else:
            recurrence[entry.key.removeprefix("recurrence/")] = value
    if schedule:
        recurrence["schedule"] = schedule
    return trigger


# --- reading -------------------------------------------------------------------------------------------------------------------


def identify(action: Json) -> tuple[str, str] | None:
    """The connector and operation an action calls; None when the language has no words for it."""
    kind = action.get("type")
    inputs = action.get("inputs")
    if not isinstance(kind, str):
        return None
    if kind in CONNECTOR_TYPES or kind == "ServiceProvider":
        return _identify_connector(kind, inputs)
    if kind in LEGACY_TYPES:
        return _identify_legacy(action)
    builtin = _find(_BY_TYPE, action)
    return ("builtin", builtin.operation) if builtin else _identify_other(kind, action)


_OTHER_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*")


def _identify_other(kind: str, action: Json) -> tuple[str, str] | None:
    """An action of a type this language does not know, if it only has inputs: a call that says its type."""
    known = kind.lower() in _BY_TYPE or kind in _BY_NAME or kind.lower() in _STATEMENTS
    if known or not _OTHER_TYPE.fullmatch(kind) or not isinstance(action.get("inputs"), dict):
        return None
    return ("builtin", kind) if set(action) <= _OF_ANY_ACTION else None


def _identify_connector(kind: str, inputs: Any) -> tuple[str, str] | None:
    if not isinstance(inputs, dict) or not isinstance(inputs.get("parameters", {}), dict):
        return None
    host = inputs.get("serviceProviderConfiguration" if kind == "ServiceProvider" else "host")
    if not isinstance(host, dict) or not isinstance(host.get("operationId"), str):
        return None
    api = host.get("serviceProviderId" if kind == "ServiceProvider" else "apiId", "")
    if not isinstance(api, str) or not (api or kind in CONNECTOR_TYPES):
        return None
    connector = _OF_GROUP.get(api) or api.rpartition("/")[2]
    if kind == "ServiceProvider":
        return SERVICE_PREFIX + connector, host["operationId"]
    connector = connector or _named_after(host)
    return None if connector in ("", "builtin", "commonTrigger") or connector.startswith(SERVICE_PREFIX) else (connector, host["operationId"])


def _named_after(host: Json) -> str:
    """The connector that a connection's name tells, where nothing else does: `shared_office365_1`, in each of the ways a host may name it."""
    names = (host.get(key) for key in ("connectionName", "connectionReferenceName", "connection"))
    return next((re.sub(r"[_-]\d+$", "", name) for name in names if isinstance(name, str) and name.startswith("shared_")), "")


_CONNECTION = re.compile(r"\['([^']+)'\]\['connectionId'\]\}?")
_LEGACY_HOST = re.compile(r"@parameters\('\$connections'\)\['([^']+)'\]\['connectionId'\]")
_HOLE = re.compile(r"@\{[^}]*(?:\}[^/]*(?=\})|)\}")


def _identify_legacy(action: Json) -> tuple[str, str] | None:
    """The connection's API, and the operation the designer noted, or else method and path with holes for what is filled in."""
    inputs = action.get("inputs")
    host = inputs.get("host") if isinstance(inputs, dict) else None
    connection = host.get("connection") if isinstance(host, dict) else None
    if not isinstance(inputs, dict) or not isinstance(connection, dict):
        return None
    match = _CONNECTION.search(str(connection.get("name", "")))
    key = match.group(1) if match else str(connection.get("referenceName", ""))
    if not key:
        return None
    connector = "shared_" + re.sub(r"[_-]\d+$", "", key).removeprefix("shared_")
    metadata = action.get("metadata")
    system = metadata.get("flowSystemMetadata") if isinstance(metadata, dict) else None
    operation = system.get("swaggerOperationId") if isinstance(system, dict) else None
    if isinstance(operation, str) and operation:
        return connector, operation
    return connector, f"{inputs.get('method', '')} {_HOLE.sub('{}', str(inputs.get('path', '')))}".strip() or str(action["type"])


def _find(index: dict[str, list[Builtin]], action: Json) -> Builtin | None:
    candidates = index.get(str(action.get("type", "")).lower(), [])
    if not candidates or candidates[0].whole:
        return candidates[0] if candidates and "inputs" in action else None
    inputs = action.get("inputs", {})
    if not isinstance(inputs, dict) or any("/" in key and key.partition("/")[0] in b.nested for b in candidates for key in inputs):
        return None
    if candidates[0].type == "Table":
        return _BY_NAME.get({"CSV": "TableCsv", "HTML": "TableHtml"}.get(str(inputs.get("format")).upper(), ""))
    if candidates[0].type == "Wait":
        return next((b for b in candidates if isinstance(inputs.get(b.nested[0]), dict) and len(inputs) == 1), None)
    kind = action.get("kind")
    return next((b for b in candidates if b.kind.lower() == str(kind or "").lower()), None if candidates[0].type == "Expression" else candidates[0])


def read_action(action: Json, reading: Reading, catalog: Catalog) -> Wired:
    """The call of an action that `identify` knows; takes what it has read out of `action`."""
    identity = identify(action)
    assert identity is not None
    connector, operation = identity
    if connector != "builtin":
        return _read_connector(action, connector, operation, reading, catalog)
    if operation in _BY_NAME:
        return _read_builtin(action, "builtin", _BY_NAME[operation], reading)
    wired = _read_builtin(action, "builtin", Builtin(operation, operation), reading)
    return replace(wired, notes={"type": raw(operation), **wired.notes})


def read_trigger(trigger: Json, reading: Reading, catalog: Catalog) -> Wired:
    kind = str(trigger.get("type", ""))
    if kind.lower() in ("recurrence", "slidingwindow") and isinstance(trigger.get("recurrence"), dict):
        return _read_recurrence(trigger, reading)
    builtin = _find(_TRIGGER_BY_TYPE, trigger)
    if builtin is not None and kind.lower() not in ("recurrence", "slidingwindow"):
        wired = _read_builtin(trigger, "commonTrigger", builtin, reading)
        if builtin.operation in _ASKS_FOR_SCHEMA and "kind" not in wired.notes:
            wired = replace(wired, parameters=tuple(p for p in wired.parameters if p != Entry("schema", expressions.read(NO_INPUTS_SCHEMA, reading))))
        return _read_trigger_notes(trigger, wired, reading)
    identity = identify(trigger) if kind in (*CONNECTOR_TYPES, *LEGACY_TYPES, "ServiceProvider") else None
    if identity is None:
        definition = dict(trigger)
        trigger.clear()
        return Wired("commonTrigger", kind or "Opaque", (), {"definition": raw(definition)})
    known = catalog.get(".".join(identity))
    wired = _read_connector(trigger, *identity, reading, catalog)
    return _read_trigger_notes(trigger, wired, reading, kind == "OpenApiConnection", usual_split(known) if kind in CONNECTOR_TYPES else None)


def _read_trigger_notes(trigger: Json, wired: Wired, reading: Reading, polls: bool = False, usual: str | None = None) -> Wired:
    notes = dict(wired.notes)
    recurrence, splits = (None if trigger.get(key) is None else trigger.pop(key) for key in ("recurrence", "splitOn"))
    if not same(recurrence, POLLING if polls else None):
        notes["recurrence"] = raw(recurrence)
    split = expressions.read(splits, reading)
    if splits is not None and split == Literal(None):  # `@null`, which an annotation could not tell from none
        trigger["splitOn"] = splits
    if split != expressions.read(usual, reading):  # in whatever spelling
        notes["splitOn"] = (split,)
    conditions = trigger.get("conditions")
    if isinstance(conditions, list) and all(isinstance(c, dict) and list(c) == ["expression"] for c in conditions):
        del trigger["conditions"]
        notes["condition"] = tuple(expressions.read(c["expression"], reading) for c in conditions)
    return replace(wired, notes=notes)


def _read_connector(action: Json, connector: str, operation: str, reading: Reading, catalog: Catalog) -> Wired:
    inputs = dict(action.pop("inputs"))
    kind = action.pop("type")
    if kind in LEGACY_TYPES:
        return _read_legacy(action, kind, inputs, connector, operation, reading)
    parameters = tuple(Entry(key, expressions.read(value, reading)) for key, value in inputs.pop("parameters", {}).items())
    notes: Notes = {}
    if kind == "ServiceProvider":
        host = inputs.pop("serviceProviderConfiguration")
        provider = connector.removeprefix(SERVICE_PREFIX)
        name = host.get("connectionName")
        if host != {"connectionName": name, "operationId": operation, "serviceProviderId": SERVICE_PROVIDERS + provider} or not isinstance(name, str):
            inputs["serviceProviderConfiguration"] = host
        elif name != provider:
            notes["connection"] = raw(name)
    else:
        notes |= _read_host(inputs.pop("host"), connector, operation)
        if kind != _connector_type(catalog.get(f"{connector}.{operation}")):
            notes["type"] = raw(kind)
        authentication = None if inputs.get("authentication") is None else inputs.pop("authentication")
        if authentication != AUTHENTICATION:
            notes["authentication"] = raw(authentication)
    return Wired(connector, operation, parameters, notes | _read_rest(inputs))


def _read_legacy(action: Json, kind: str, inputs: Json, connector: str, operation: str, reading: Reading) -> Wired:
    notes: Notes = {"type": raw(kind)}
    host = inputs.pop("host")
    match = _LEGACY_HOST.fullmatch(str(_connection_name(host)))
    if match is None or host != _legacy_host(match[1]):
        notes["host"] = raw(host)
    elif match[1] != connector.removeprefix("shared_"):
        notes["connection"] = (Literal(match[1]),)
    if _OPERATION_ID.fullmatch(operation):
        if action.get("metadata") == _noted(operation):
            del action["metadata"]
        elif "metadata" not in action:
            notes["metadata"] = raw(None)
    if "retryPolicy" in inputs:
        notes["retry"] = raw(inputs.pop("retryPolicy"))
    said = _said_by(operation)
    entries = tuple(Entry(key, expressions.read(value, reading)) for key, value in inputs.items() if key not in said or value != said[key])
    return Wired(connector, operation, entries, notes)


def _connection_name(host: Any) -> Any:
    return host["connection"].get("name") if isinstance(host, dict) and isinstance(host.get("connection"), dict) else None


def _read_host(host: Json, connector: str, operation: str) -> Notes:
    api, connection = _GROUPS.get(connector) or (API + connector, connector)
    alias = host.get("connectionName")
    if host != {"connectionName": alias, "operationId": operation, "apiId": api} or not isinstance(alias, str):
        return {"host": raw(host)}
    return {} if alias == connection else {"connection": (Literal(alias),)}


def _read_rest(inputs: Json) -> Notes:
    notes: Notes = {}
    if "retryPolicy" in inputs:
        notes["retry"] = raw(inputs.pop("retryPolicy"))
    if inputs:
        notes["inputs"] = raw(inputs)
    return notes


def _read_builtin(action: Json, connector: str, builtin: Builtin, reading: Reading) -> Wired:
    del action["type"]
    notes: Notes = {}
    kind = action.pop("kind", None)
    if (kind.lower() if isinstance(kind, str) else kind) != (builtin.kind.lower() or None):
        notes["kind"] = raw(kind)
    inputs = action.pop("inputs", {})
    if builtin.whole:
        return Wired(connector, builtin.operation, (Entry(builtin.whole, expressions.read(inputs, reading)),), notes)
    inputs = dict(inputs)
    if isinstance(inputs.get("retryPolicy"), dict):
        notes["retry"] = raw(inputs.pop("retryPolicy"))
    own = replace(reading, item="") if builtin.operation in _ITEM_OPERATIONS else reading
    entries = [
        Entry(path, expressions.read(value, reading if path == "from" else own))
        for key, item in inputs.items()
        for path, value in _flat(key, item, builtin)
    ]
    return Wired(connector, builtin.operation, tuple(entries), notes)


def _flat(key: str, value: Any, builtin: Builtin) -> list[tuple[str, Any]]:
    if key in builtin.nested and isinstance(value, dict) and value and all(value):
        return [(f"{key}/{child}", item) for child, item in value.items()]
    return [(key, value)]


def _is_of_schedule(key: str) -> bool:
    """Whether a key of a recurrence itself reads like one of something else."""
    return key in _SCHEDULE or key.startswith(("schedule/", "inputs/", "recurrence/"))


def _read_recurrence(trigger: Json, reading: Reading) -> Wired:
    operation = {"recurrence": "Recurrence", "slidingwindow": "SlidingWindow"}[trigger.pop("type").lower()]
    recurrence = {f"recurrence/{k}" if _is_of_schedule(k) else k: item for k, item in trigger.pop("recurrence").items()}
    schedule = recurrence.get("schedule")
    if isinstance(schedule, dict) and schedule:
        del recurrence["schedule"]
        recurrence |= {key if key in _SCHEDULE else f"schedule/{key}": value for key, value in schedule.items()}
    inputs = trigger.get("inputs")
    if isinstance(inputs, dict) and inputs:
        del trigger["inputs"]
        recurrence |= {f"inputs/{key}": value for key, value in inputs.items()}
    entries = tuple(Entry(key, expressions.read(value, reading)) for key, value in recurrence.items())
    return _read_trigger_notes(trigger, Wired("commonTrigger", operation, entries, {}), reading)
