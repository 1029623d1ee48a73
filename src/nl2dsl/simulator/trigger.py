"""What starts a run: seeded data of a trigger, or data that somebody gives, split into one run's share as the platform does.

In: the trigger of a definition, its catalog operation, mock data, perhaps given data. Out: its outputs, and whether its conditions hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nl2dsl.catalog.model import Operation
from nl2dsl.catalog.routes import split_of
from nl2dsl.simulator import evaluate
from nl2dsl.simulator.evaluate import Context
from nl2dsl.simulator.mock import Mocks
from nl2dsl.simulator.values import MockList, MockObject, TemplateError, Unknown

_PARTS = frozenset(("body", "headers", "queries", "relativePathParameters", "statusCode"))
_TIMERS = ("recurrence", "slidingwindow")
_INPUT_FORMATS = {"EMAIL": "person_email", "DATE": "date_time", "FILE": "file_content"}


def given(data: Any) -> dict[str, Any]:
    """Trigger outputs of data from outside: the body, or whole outputs when it has nothing but their parts."""
    if isinstance(data, dict) and "body" in data and set(data) <= _PARTS:
        return dict(data)
    return {"body": data}


def outputs(trigger: Mapping[str, Any], operation: Operation | None, mocks: Mocks, draw: int) -> dict[str, Any]:
    """Seeded outputs; `draw` asks for others of the same seed."""
    kind = str(trigger.get("type", "")).lower()
    key = f"trigger/{draw}"
    if kind in _TIMERS:
        return {}
    if kind == "request":
        return _request(trigger, mocks, key)
    headers = MockObject({}, mocks.unknown(f"{key}/headers", "headers"))
    body = mocks.body(operation, key)
    split = split_of(operation) if operation is not None and operation.batch else None
    if split is not None and isinstance(body, MockObject) and split not in body:  # the catalog describes one item of the list
        items = MockList([body], body.origin)
        body = MockObject({split: items}, body.origin) if split else items
    return {"statusCode": 200, "headers": headers, "body": body}


def _request(trigger: Mapping[str, Any], mocks: Mocks, key: str) -> dict[str, Any]:
    inputs = trigger.get("inputs")
    schema = inputs.get("schema") if isinstance(inputs, dict) else None
    body = mocks.of_schema(schema, f"{key}/body", "body")
    if isinstance(body, MockObject) and isinstance(schema, dict):
        properties = schema.get("properties")
        for name, described in properties.items() if isinstance(properties, dict) else ():
            if isinstance(described, dict) and isinstance(body.get(name), Unknown) and body[name].type == "string":
                body[name].role = _INPUT_FORMATS.get(str(described.get("x-ms-content-hint", "")), body[name].role)
    known = {
        "x-ms-user-name": mocks.scalar(f"{key}/user", "displayName", "person_name", "string"),
        "x-ms-user-email": mocks.scalar(f"{key}/user", "email", "person_email", "string"),
        "x-ms-user-timestamp": mocks.start.strftime("%Y-%m-%dT%H:%M:%S.0000000Z"),
    }
    parts = {name: MockObject({}, mocks.unknown(f"{key}/{name}", name)) for name in ("queries", "relativePathParameters")}
    return {"headers": MockObject(known, mocks.unknown(f"{key}/headers", "headers")), "body": body, **parts}


def share(trigger: Mapping[str, Any], found: dict[str, Any], context: Context) -> dict[str, Any]:
    """The outputs of the run for the first item, if the trigger is split on a list."""
    split = trigger.get("splitOn")
    if not isinstance(split, str):
        return found
    try:
        items = evaluate.value(split, context)
    except TemplateError:
        return found
    if isinstance(items, Unknown):
        items = items.items()
    if isinstance(items, list) and items:
        return {**found, "body": items[0]}
    return found


def holds(trigger: Mapping[str, Any], context: Context) -> bool:
    """Whether all conditions of the trigger are true."""
    conditions = trigger.get("conditions")
    for entry in conditions if isinstance(conditions, list) else ():
        try:
            if not evaluate.condition(entry.get("expression", True) if isinstance(entry, dict) else entry, context):
                return False
        except TemplateError:
            return False
    return True
