"""The connections a definition goes by: which keys its calls use, of which APIs, and how each file format lists them.

In: a definition, and the references that came with it (of a package, a solution or a Logic App), if any. Out: an `Api` for every key, and the lists: the
`connectionReferences` of a package, the value of `$connections` of a Logic App. What nobody knows before the import (ids of somebody's connections) is a stable
stand-in, made from the key.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from nl2dsl.dsl.wire import API

Json = dict[str, Any]

NAMESPACE = uuid.UUID("6f0c2c1e-52a5-5d0e-9d3f-6e6c32646c73")  # of all ids this package makes
GROUPS = "operationGroups/"  # APIs of the platform itself that go by the connection of Dataverse
DATAVERSE = "shared_commondataserviceforapps"
_LEGACY = re.compile(r"\['([^']+)'\]\['connectionId'\]")
_NUMBER = re.compile(r"[_-]\d+$")

# Stand-ins for what a subscription gives; people replace them.
CONNECTION_ID = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.Web/connections/"
MANAGED_API = "/subscriptions/{subscriptionId}/providers/Microsoft.Web/locations/{location}/managedApis/"


def triggers_of(definition: Json) -> dict[str, Json]:
    triggers = definition.get("triggers")
    return {name: trigger for name, trigger in triggers.items() if isinstance(trigger, dict)} if isinstance(triggers, dict) else {}


def actions_of(definition: Json) -> Iterator[tuple[str, Json]]:
    """The triggers, then all actions with their names, containers before what they hold."""
    yield from triggers_of(definition).items()
    yield from _level(definition.get("actions"))


def _level(level: Any) -> Iterator[tuple[str, Json]]:
    for name, action in level.items() if isinstance(level, dict) else ():
        if not isinstance(action, dict):
            continue
        yield name, action
        yield from _level(action.get("actions"))
        cases = action.get("cases")
        for holder in (action.get("else"), *(cases.values() if isinstance(cases, dict) else ()), action.get("default")):
            if isinstance(holder, dict):
                yield from _level(holder.get("actions"))


def uses(definition: Json, given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """`(action, key, api)` of each call; `api` is `shared_…`, and for a call that names only a key what `given` says or the key suggests."""
    for name, action in actions_of(definition):
        inputs = action.get("inputs")
        host = inputs.get("host") if isinstance(inputs, dict) else None
        key, api = _key(host) if isinstance(host, dict) else ("", "")
        if key:
            yield name, key, api or api_of(given.get(key)) or "shared_" + _NUMBER.sub("", key).removeprefix("shared_")


def _key(host: Json) -> tuple[str, str]:
    """Key and API of a host block in any of its spellings."""
    connection = host.get("connection")
    if isinstance(connection, dict):
        found = _LEGACY.search(str(connection.get("name", "")))
        return (found[1] if found else str(connection.get("referenceName", ""))), ""
    key = next((host[name] for name in ("connectionName", "connectionReferenceName", "connection") if isinstance(host.get(name), str)), "")
    api = host.get("apiId")
    if not isinstance(api, str):
        return key, ""
    return key, DATAVERSE if GROUPS in api else api.rpartition("/")[2]


def api_of(reference: Any) -> str:
    """The API that a reference of any format belongs to; '' when it does not say."""
    if not isinstance(reference, dict):
        return ""
    api = reference.get("api")
    if isinstance(api, dict) and isinstance(api.get("name"), str):
        return str(api["name"])
    id = api.get("id") if isinstance(api, dict) else reference.get("id")
    name = id.rstrip("])'").rpartition("/")[2].strip("'") if isinstance(id, str) else ""
    return "shared_" + name.removeprefix("shared_") if name else ""


def _of_package(reference: Json) -> bool:
    return isinstance(reference.get("connectionName"), str) and str(reference.get("id", "")).startswith(API)


def _of_solution(reference: Json) -> bool:
    return isinstance(reference.get("connection"), dict) and "connectionReferenceLogicalName" in reference["connection"]


# --- packages


def reference(key: str, api: str, given: Any = None) -> Json:
    """The entry of `connectionReferences` of a package for one key: as given where that is one, else made.

    `Embedded` means that the flow runs with its owner's connection, which is what `@parameters('$authentication')` in its calls stands for.
    """
    if isinstance(given, dict) and _of_package(given):
        return dict(given)
    source = given.get("runtimeSource") if isinstance(given, dict) else None
    source = source.capitalize() if isinstance(source, str) and source else "Embedded"
    return {"connectionName": stand_in(key, api), "source": source, "id": API + api, "tier": "NotSpecified"}


def stand_in(key: str, api: str) -> str:
    """A name in the form of those that the platform gives to connections."""
    return f"{api.replace('_', '-')}-{uuid.uuid5(NAMESPACE, f'connection {key} {api}')}"


# --- Logic Apps


def connection(key: str, api: str, given: Any = None) -> Json:
    """The entry of `$connections` of a Logic App for one key: as given, unless that is of a package or a solution."""
    if isinstance(given, dict) and api_of(given) and not (_of_package(given) or _of_solution(given)):
        return dict(given)
    name = key.removeprefix("shared_")
    return {"connectionId": CONNECTION_ID + name, "connectionName": name, "id": MANAGED_API + api.removeprefix("shared_")}


def unmade(given: Mapping[str, Any]) -> Json:
    """The given references without those that would be made just so."""
    return {key: entry for key, entry in given.items() if entry not in (reference(key, api_of(entry)), connection(key, api_of(entry)))}
