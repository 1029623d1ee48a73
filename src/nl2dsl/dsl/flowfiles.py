"""Finds the workflow definitions in the files that exports and deployments consist of.

In: the bytes of a file. Out: `Found` values, one for each flow: its definition, its name, and what stood around the definition. Read are definitions alone,
under `definition` or under `properties.definition` (Logic Apps code view, `workflow.json`, resources, the `clientdata` of solutions), ARM templates with any
number of `Microsoft.Logic/workflows`, lists of these, and zips: exported packages, solutions, and archives inside archives. A file without a flow, and one that
cannot be trusted or read, is a `UsageError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nl2dsl.dsl.archive import NESTED, Archive, is_zip
from nl2dsl.errors import UsageError

Json = dict[str, Any]

LOGIC_APP = "microsoft.logic/workflows"
_DEPLOYMENT = "microsoft.resources/deployments"
_PACKAGED = re.compile(r"(?:^|/)Microsoft\.Flow/flows/([^/]+)/definition\.json$", re.IGNORECASE)
_SOLUTION = re.compile(r"(?:^|/)Workflows/[^/]+\.json$", re.IGNORECASE)
_ID_IN_NAME = re.compile(r"-[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")
_SHAPE = "the object should hold `triggers` and `actions`, `definition`, `properties.definition`, or ARM `resources`"
_DEEPEST = 12  # resources inside resources, deployments inside deployments

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


def find(data: bytes, where: str) -> list[Found]:
    """All flows of a file, in its order. Raises `UsageError` if there is none, or the file cannot be read."""
    found = list(_in_zip(Archive(data, where), 0) if is_zip(data) else _in_document(read_json(data, where), where))
    if not found:
        raise UsageError(
            f"{where}: no workflow definition in it", "an exported package holds Microsoft.Flow/flows/…/definition.json, a solution Workflows/….json"
        )
    return found


def read_json(data: bytes, where: str) -> Any:
    """The value of a JSON file (UTF-8, a byte order mark does not matter); `UsageError` says where it is wrong."""
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as problem:
        raise UsageError(f"{where}: not a text file in UTF-8", "is it the right file?") from problem
    except json.JSONDecodeError as problem:
        raise UsageError(f"{where}:{problem.lineno}:{problem.colno}: not JSON: {problem.msg}") from problem
    except RecursionError as problem:
        raise UsageError(f"{where}: nested too deeply", "is it a workflow?") from problem
    except ValueError as problem:
        raise UsageError(f"{where}: not JSON: {problem}") from problem


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON value")


# --- archives


def _in_zip(archive: Archive, depth: int) -> Iterator[Found]:
    names = list(archive.names())
    flows = [name for name in names if _PACKAGED.search(name) or _SOLUTION.search(name)]
    titles = _titles(archive) if any(_PACKAGED.search(name) for name in flows) else {}
    inner = [name for name in names if name.lower().endswith(".zip")]
    for name in flows or ([] if inner else [name for name in names if name.lower().endswith(".json")]):
        yield from _in_member(archive, name, titles, strict=bool(flows))
    for name in inner:
        yield from _in_inner(archive, name, depth)


def _in_member(archive: Archive, name: str, titles: dict[str, str], strict: bool) -> Iterator[Found]:
    where = f"{archive.where}!{name}"
    packaged = _PACKAGED.search(name)
    data = archive.read(name)
    try:
        found = list(_in_document(read_json(data, where), where))
    except UsageError:
        if strict:
            raise
        return  # a JSON file that is about something else
    for flow in found:
        title = titles.get(packaged[1].lower(), "") if packaged else _file_title(name)
        yield replace(flow, name=flow.name or title)


def _in_inner(archive: Archive, name: str, depth: int) -> Iterator[Found]:
    where = f"{archive.where}!{name}"
    if depth >= NESTED:
        raise UsageError(f"{where}: archives inside archives, more than {NESTED} deep", "unpack it and give the inner archive")
    data = archive.read(name)
    if is_zip(data):
        yield from _in_zip(Archive(data, where, archive.budget), depth + 1)


def _titles(archive: Archive) -> dict[str, str]:
    """Names of flows by the folder they lie in, from the package's manifest."""
    if "manifest.json" not in archive:
        return {}
    resources = _dict(_dict(read_json(archive.read("manifest.json"), f"{archive.where}!manifest.json")).get("resources"))
    return {id.lower(): _text(_dict(_dict(resource).get("details")).get("displayName")) for id, resource in resources.items()}


def _file_title(name: str) -> str:
    """Solutions name files after their flow and its id."""
    return _ID_IN_NAME.sub("", name.rpartition("/")[2].removesuffix(".json"))


# --- documents


def _in_document(document: Any, where: str) -> Iterator[Found]:
    if isinstance(document, list):
        for number, item in enumerate(document):
            if isinstance(item, dict):
                yield from _in_document(item, f"{where}[{number}]")
        return
    if not isinstance(document, dict):
        raise UsageError(f"{where}: this is no workflow definition: not a JSON object", _SHAPE)
    if isinstance(document.get("clientdata"), str):  # a row of the table that holds solutions' flows
        inner = _in_document(read_json(document["clientdata"].encode(), f"{where}: clientdata"), where)
        yield from (replace(flow, name=flow.name or _text(document.get("name"))) for flow in inner)
    elif _has_definition(document):
        yield _found(document, where)
    elif isinstance(document.get("resources"), (list, dict)):
        yield from _in_template(document, where)
    elif isinstance(document.get("value"), list):
        yield from _in_document(document["value"], f"{where}: value")
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


def _in_template(template: Json, where: str) -> Iterator[Found]:
    """The workflows of an ARM template, in order; what else it deploys is told."""
    resources = list(_resources(template, 0))
    others = tuple(f"{kind} {name}".strip() for kind, name in (_label(r) for r in resources if not _is_workflow(r)))
    told = others
    for resource in resources:
        if not _is_workflow(resource):
            continue
        name = _text(resource.get("name"))
        if not isinstance(_dict(resource.get("properties")).get("definition"), dict):
            raise UsageError(f"{where}: the workflow `{name}` has no definition in the template", "it may be in a linked file; give that file")
        yield replace(_found(resource, f"{where}: {name}"), left_out=told)
        told = ()  # once is enough


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
