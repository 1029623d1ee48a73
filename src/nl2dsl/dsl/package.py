"""Exported packages of Power Automate: the zip that "Import package (legacy)" reads.

In: a flow and a catalog. Out: the bytes of the zip, the same for the same flow, name and seed; and diagnostics of what a package cannot hold. Five files:

    manifest.json                                     what is in the package and what depends on what, by generated ids
    Microsoft.Flow/flows/manifest.json                the ids of the flows
    Microsoft.Flow/flows/<id>/definition.json         the flow and its connection references
    Microsoft.Flow/flows/<id>/apisMap.json            connection key -> id of its API in manifest.json      } only if the flow
    Microsoft.Flow/flows/<id>/connectionsMap.json     connection key -> id of its connection in manifest.json } uses connections
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import definition as definitions
from nl2dsl.dsl import wire
from nl2dsl.dsl.action_names import notes_of, texts
from nl2dsl.dsl.carrying import spans
from nl2dsl.dsl.connections import NAMESPACE, actions_of, api_of, reference, triggers_of, uses
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.tree import NOWHERE, Flow, Span
from nl2dsl.dsl.wire import API, Json

FLOW_TYPE, API_TYPE, CONNECTION_TYPE = "Microsoft.Flow/flows", "Microsoft.PowerApps/apis", "Microsoft.PowerApps/apis/connections"
_FOLDER = "Microsoft.Flow/flows"
# A package says when it was made; one that is to be the same every time cannot.
_CREATED = "2000-01-01T00:00:00.0000000Z"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Ids:
    """Ids from a seed: the same for the same part of the same flow."""

    seed: str

    def of(self, part: str) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{self.seed} {part}"))


def write(flow: Flow, catalog: Catalog, name: str = "", seed: str = "") -> tuple[bytes, list[Diagnostic]]:
    """The package of a flow that the checker passed.

    `name` is used if the flow has no `@@name`; ids follow from `seed`, or without one from the name and the definition. With an error among the diagnostics the bytes
    are empty.
    """
    definition = definitions.compile(flow, catalog)
    found = check(flow, definition)
    if any(d.severity == "error" for d in found):
        return b"", found
    notes = notes_of(flow.annotations)
    title = next(iter(texts(notes.get("name", ()))), name) or "Flow"
    connections = wire.raw_object(notes, "references")
    ids = _Ids(seed or hashlib.sha256(_json([title, definition, connections])).hexdigest())
    references = references_of(definition, connections)
    files = _files(title, definition, references, wire.raw_object(notes, "around"), catalog, ids)
    return _zip(files), found


def check(flow: Flow, definition: Json) -> list[Diagnostic]:
    """What a package cannot hold, and what its importer must know."""
    places = spans(flow)
    found = []
    count = len(triggers_of(definition))
    if count != 1:
        found.append(Diagnostic("T705", f"a package needs exactly one trigger, this flow has {count or 'none'}", flow.trigger.span))
    found += clashes(flow, definition, places)
    for name, action in actions_of(definition):
        inputs = action.get("inputs")
        if str(action.get("type", "")).lower() == "workflow" and isinstance(inputs, dict) and isinstance(inputs.get("host"), dict):
            hint = "import that flow first, and choose it again in this step"
            found.append(Diagnostic("T706", f"`{name}` calls another flow, which is not in the package", places.get(name, NOWHERE), "warning", hint))
    return found


def clashes(flow: Flow, definition: Json, places: Mapping[str, Span]) -> Iterator[Diagnostic]:
    """One key, two APIs: no list of connections can hold that."""
    apis: dict[str, str] = {}
    for action, key, api in uses(definition, wire.raw_object(notes_of(flow.annotations), "references")):
        if apis.setdefault(key, api) != api:
            hint = f'give one of them a key of its own: @connection("{api}_2")'
            message = f"the connection `{key}` is used for `{apis[key]}` and for `{api}`"
            yield Diagnostic("T702", message, places.get(action, NOWHERE), hint=hint)


def references_of(definition: Json, given: Mapping[str, Any]) -> Json:
    """`connectionReferences`, complete: every key that a call uses, then those that only came along."""
    apis = {key: api for _, key, api in uses(definition, given)}
    apis |= {key: api_of(entry) for key, entry in given.items() if key not in apis and api_of(entry)}
    return {key: reference(key, api, given.get(key)) for key, api in apis.items()}


def _files(title: str, definition: Json, references: Json, around: Json, catalog: Catalog, ids: _Ids) -> dict[str, Json]:
    asset = ids.of("asset")
    apis = {key: entry["id"].rpartition("/")[2] for key, entry in references.items()}
    maps = {
        "apisMap": {key: ids.of(f"api {api}") for key, api in apis.items()},
        "connectionsMap": {key: ids.of(f"connection {key}") for key in apis},
    }
    files: dict[str, Json] = {f"{_FOLDER}/{asset}/{name}.json": dict(table) for name, table in maps.items() if table}
    files[f"{_FOLDER}/{asset}/definition.json"] = _definition_file(title, definition, references, around, ids)
    files[f"{_FOLDER}/manifest.json"] = {"packageSchemaVersion": "1.0", "flowAssets": {"assetPaths": [asset]}}
    files["manifest.json"] = _manifest(title, definition, apis, catalog, ids)
    return files


def _definition_file(title: str, definition: Json, references: Json, around: Json, ids: _Ids) -> Json:
    flow = ids.of("flow")
    came_along = around.get("properties")
    properties = {
        "apiId": API + "shared_logicflows",
        "displayName": title,
        "definition": definition,
        "connectionReferences": references,
        "flowFailureAlertSubscribed": False,
        "isManaged": False,
    }
    return {
        "name": flow,
        "id": f"/providers/{_FOLDER}/{flow}",
        "type": FLOW_TYPE,
        "properties": (came_along if isinstance(came_along, dict) else {}) | properties,
    }


def _manifest(title: str, definition: Json, apis: Mapping[str, str], catalog: Catalog, ids: _Ids) -> Json:
    depends: list[str] = []
    resources: Json = {}
    for key, api in apis.items():
        shown = {"displayName": catalog.connectors[api].title if api in catalog.connectors else api, "iconUri": ""}
        api_id, connection_id = ids.of(f"api {api}"), ids.of(f"connection {key}")
        resources[api_id] = {"id": API + api, "name": api, **_resource(API_TYPE, "Existing", None, shown, "System", "Child", [])}
        resources[connection_id] = _resource(CONNECTION_TYPE, "Existing", "Existing", shown, "User", "Child", [api_id])
        depends += [id for id in (api_id, connection_id) if id not in depends]
    flow = {ids.of("asset"): _resource(FLOW_TYPE, "New", "Existing, New, Update", {"displayName": title}, "User", "Root", depends)}
    description = definition.get("description")
    details = {
        "displayName": title,
        "description": description if isinstance(description, str) else "",
        "createdTime": _CREATED,
        "packageTelemetryId": ids.of("telemetry"),
        "creator": "N/A",
        "sourceEnvironment": "",
    }
    return {"schema": "1.0", "details": details, "resources": flow | resources}


def _resource(type: str, suggested: str, creation: str | None, details: Json, by: str, hierarchy: str, depends: list[str]) -> Json:
    created = {"creationType": creation} if creation else {}
    head = {"type": type, "suggestedCreationType": suggested, **created, "details": details}
    return {**head, "configurableBy": by, "hierarchy": hierarchy, "dependsOn": depends}


def _zip(files: Mapping[str, Json]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system, info.external_attr = 3, 0o644 << 16  # whatever system it is made on
            archive.writestr(info, _json(files[name]))
    return stream.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
