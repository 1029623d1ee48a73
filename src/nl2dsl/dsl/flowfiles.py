"""Finds the workflow definitions in the files that exports and deployments consist of.

In: the bytes of a file. Out: `Found` values, one for each flow: its definition, its name, and what stood around the definition. Read are definitions alone,
under `definition` or under `properties.definition` (Logic Apps code view, `workflow.json`, resources, the `clientdata` of solutions), ARM templates with any
number of `Microsoft.Logic/workflows`, lists of these, and zips: exported packages, solutions, and archives inside archives. JSON is read as `catalog/lenient.py` reads it:
comments and such are left out and told. A file without a flow, and one that cannot be trusted or read, is a `UsageError`; one bad file beside good ones is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nl2dsl.catalog.lenient import read_json as read_lenient
from nl2dsl.dsl.archive import NESTED, Archive, is_zip
from nl2dsl.errors import CatalogError, UsageError
from nl2dsl.files import decoded

Json = dict[str, Any]

LOGIC_APP = "microsoft.logic/workflows"
_DEPLOYMENT = "microsoft.resources/deployments"
_PACKAGED = re.compile(r"(?:^|/)Microsoft\.Flow/flows/([^/]+)/definition\.json$", re.IGNORECASE)
_SOLUTION = re.compile(r"(?:^|/)Workflows/[^/]+\.json$", re.IGNORECASE)
_ID_IN_NAME = re.compile(r"-[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")
_SHAPE = "the object should hold `triggers` and `actions`, `definition`, `properties.definition`, or ARM `resources`"
_OLD = "a definition of the schema of 2015: the order of its actions (`conditions`, `dependsOn`) is carried along, but not understood"
_DEEPEST = 12  # resources inside resources, deployments inside deployments

# What Azure tells of a Logic App that is deployed, and takes from nobody.
_OF_AZURE = ("provisioningState", "createdTime", "changedTime", "version", "accessEndpoint", "endpointsConfiguration")

# What every export of its kind says; it comes back when the flow is written again.
_USUAL = {
    "type": ("Microsoft.Flow/flows",),
    "schemaVersion": ("1.0.0.0",),
    "apiId": ("/providers/Microsoft.PowerApps/apis/shared_logicflows",),
    "flowFailureAlertSubscribed": (False,),
    "isManaged": (False,),
    "templateName": ("", None),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A definition and what stood around it.

    `name` is what people call the flow, '' when nothing says it; `connections` are its connection references as they were; `around` is everything else that is
    neither the definition nor an id that each export makes anew.
    """

    definition: Json
    where: str
    name: str = ""
    connections: Json = field(default_factory=dict)
    around: Json = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class Told:
    """What a person should know beside the flows: `skipped` are the parts that could not be read, `notes` say what was read although it is no JSON."""

    skipped: list[UsageError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find(data: bytes, where: str, told: Told | None = None) -> list[Found]:
    """All flows of a file, in its order. Raises `UsageError` if there is none, or the file cannot be read."""
    told = told or Told()
    found = list(_in_zip(Archive(data, where), 0, told) if is_zip(data) else _in_document(read_json(data, where, told), where, told))
    if not found and told.skipped:
        raise told.skipped[0]
    told.notes += [f"{flow.where}: {_OLD}" for flow in found if "/2015-" in _text(flow.definition.get("$schema"))]
    if not found:
        zipped = "an exported package holds Microsoft.Flow/flows/…/definition.json, a solution Workflows/….json"
        raise UsageError(f"{where}: no workflow definition in it", zipped if is_zip(data) else _SHAPE)
    return found


def read_json(data: bytes, where: str, told: Told) -> Any:
    """The value of a JSON file; `UsageError` says where it is wrong."""
    text = decoded(data, where)
    if not text.strip():
        raise UsageError(f"{where}: the file is empty", _SHAPE)
    try:
        value, notes = read_lenient(text, where, constants=False)
    except CatalogError as problem:
        raise UsageError(str(problem), "is it a workflow?" if "nested" in str(problem) else problem.hint) from problem
    told.notes.extend(f"{where}: {note}" for note in notes)
    return value


# --- archives


def _in_zip(archive: Archive, depth: int, told: Told) -> Iterator[Found]:
    names = list(archive.names())
    flows = [name for name in names if _PACKAGED.search(name) or _SOLUTION.search(name)]
    titles = _titles(archive, told) if any(_PACKAGED.search(name) for name in flows) else {}
    inner = [name for name in names if name.lower().endswith(".zip")]
    for name in flows or ([] if inner else [name for name in names if name.lower().endswith(".json")]):
        yield from _in_member(archive, name, titles, told if flows else None)
    for name in inner:
        yield from _in_inner(archive, name, depth, told)


def _in_member(archive: Archive, name: str, titles: dict[str, str], told: Told | None) -> Iterator[Found]:
    """The flows of one file; without `told`, a JSON file that may be about something else."""
    where = f"{archive.where}!{name}"
    packaged = _PACKAGED.search(name)
    data = archive.read(name)
    try:
        notes = told or Told()
        found = list(_in_document(read_json(data, where, notes), where, notes))
    except UsageError as problem:
        if told is not None:
            told.skipped.append(problem)
        return
    for flow in found:
        title = titles.get(packaged[1].lower(), "") if packaged else _file_title(name)
        yield replace(flow, name=flow.name or title)


def _in_inner(archive: Archive, name: str, depth: int, told: Told) -> Iterator[Found]:
    where = f"{archive.where}!{name}"
    if depth >= NESTED:
        raise UsageError(f"{where}: archives inside archives, more than {NESTED} deep", "unpack it and give the inner archive")
    data = archive.read(name)
    if is_zip(data):
        yield from _in_zip(Archive(data, where, archive.budget), depth + 1, told)


def _titles(archive: Archive, told: Told) -> dict[str, str]:
    """Names of flows by the folder they lie in, from the package's manifest."""
    if "manifest.json" not in archive:
        return {}
    resources = _dict(_dict(read_json(archive.read("manifest.json"), f"{archive.where}!manifest.json", told)).get("resources"))
    return {id.lower(): _text(_dict(_dict(resource).get("details")).get("displayName")) for id, resource in resources.items()}


def _file_title(name: str) -> str:
    """Solutions name files after their flow and its id."""
    return _ID_IN_NAME.sub("", name.rpartition("/")[2].removesuffix(".json"))


# --- documents


def _in_document(document: Any, where: str, told: Told) -> Iterator[Found]:
    if isinstance(document, list):
        for number, item in enumerate(document):
            if isinstance(item, dict):
                yield from _in_document(item, f"{where}[{number}]", told)
        return
    if not isinstance(document, dict):
        raise UsageError(f"{where}: this is no workflow definition: not a JSON object", _SHAPE)
    if isinstance(document.get("clientdata"), str):  # a row of the table that holds solutions' flows
        inner = _in_document(read_json(document["clientdata"].encode("utf-8", "replace"), f"{where}: clientdata", told), where, told)
        yield from (replace(flow, name=flow.name or _text(document.get("name"))) for flow in inner)
    elif _has_definition(document):
        yield _found(document, where)
    elif isinstance(document.get("resources"), (list, dict)):
        yield from _in_template(document, where, told)
    elif isinstance(document.get("value"), list):
        yield from _in_document(document["value"], f"{where}: value", told)
    else:
        raise UsageError(f"{where}: this is no workflow definition: `actions` is no object of objects", _SHAPE)


def _has_definition(document: Json) -> bool:
    return "actions" in document or any(isinstance(holder.get("definition"), dict) for holder in (document, _dict(document.get("properties"))))


def _found(document: Json, where: str) -> Found:
    if "actions" in document:
        return Found(document, where)
    around = dict(document)
    inside = around["properties"] = dict(_dict(around.get("properties")))
    holder = around if isinstance(around.get("definition"), dict) else inside
    definition = holder.pop("definition")
    name = _text(inside.pop("displayName", ""))
    logic_app = str(document.get("type", "")).lower() == LOGIC_APP
    if logic_app:
        name = _text(around.pop("name", ""))
        del around["type"]
        for key in _OF_AZURE:
            inside.pop(key, None)
    elif document.get("type") == "Microsoft.Flow/flows":  # the ids of a package, which each export makes anew
        around.pop("name", None)
        around.pop("id", None)
    connections = _dict(inside.pop("connectionReferences", None)) or _take_connections(holder)
    for part in (around, inside):
        for key in [key for key, usual in _USUAL.items() if key in part and part[key] in usual]:
            del part[key]
    if not around["properties"]:
        del around["properties"]
    return Found(definition, where, name, connections, around)


def _take_connections(holder: Json) -> Json:
    """The connections that a Logic App is given as the value of its parameter `$connections`; takes them out of `holder`."""
    parameters = holder.get("parameters")
    given = parameters.get("$connections") if isinstance(parameters, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get("value"), dict) or set(given) - {"value", "type"}:
        return {}
    rest = {key: value for key, value in parameters.items() if key != "$connections"} if isinstance(parameters, dict) else {}
    if rest:
        holder["parameters"] = rest
    else:
        del holder["parameters"]
    return dict(given["value"])


def _in_template(template: Json, where: str, told: Told) -> Iterator[Found]:
    """The workflows of an ARM template, in order; what else it deploys is told."""
    resources = list(_resources(template, 0))
    others = tuple(f"{kind} {name}".strip() for kind, name in (_label(r) for r in resources if not _is_workflow(r)))
    for resource in resources:
        if not _is_workflow(resource):
            continue
        name = _text(resource.get("name"))
        if not isinstance(_dict(resource.get("properties")).get("definition"), dict):
            told.skipped.append(
                UsageError(f"{where}: the workflow `{name}` has no definition in the template", "it may be in a linked file; give that file")
            )
            continue
        yield replace(_found(resource, f"{where}: {name}"), left_out=others)
        others = ()  # once is enough


def _resources(template: Any, depth: int) -> Iterator[Json]:
    """All resources: those of a list or of symbolic names, those inside others, and those of nested deployments."""
    given = _dict(template).get("resources")
    for resource in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        if not isinstance(resource, dict) or depth > _DEEPEST:
            continue
        yield {key: value for key, value in resource.items() if key != "resources"} if _is_workflow(resource) else resource
        yield from _resources(resource, depth + 1)
        if str(resource.get("type", "")).lower() == _DEPLOYMENT:
            yield from _resources(_dict(resource.get("properties")).get("template"), depth + 1)


def _is_workflow(resource: Json) -> bool:
    return str(resource.get("type", "")).lower() == LOGIC_APP


def _label(resource: Json) -> tuple[str, str]:
    return str(resource.get("type", "?")), _text(resource.get("name"))


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
