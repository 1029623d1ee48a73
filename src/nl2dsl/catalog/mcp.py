"""Imports tool lists: what a server of the Model Context Protocol answers to `tools/list`, and the function lists that chat models are given.

In: a parsed document, one of `{"tools": [{"name", "description", "inputSchema"}]}`, a JSON-RPC answer that holds it under `result`, a list of such pages, a bare list of
tools, or of `{"type": "function", "function": {"name", "description", "parameters"}}`; and the path it came from. Out: a connector, one operation for each tool, and warnings.
Nested objects become flat keys (`address/city`), as everywhere in a flow.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from nl2dsl.catalog.keys import KEYS, NAME, Keys
from nl2dsl.catalog.model import Connector, Operation
from nl2dsl.catalog.naming import summary_of, title_of
from nl2dsl.catalog.openapi import FORBIDDEN, Found, connector_name, first_sentence
from nl2dsl.catalog.schemas import Json, Schemas, mapping, text
from nl2dsl.errors import CatalogError

_SCHEMAS = ("inputSchema", "input_schema", "parameters")


def tools_of(document: object) -> list[object] | None:
    """The tools a document lists, or None if it lists none."""
    pages = document if isinstance(document, list) else [document]
    found: list[object] = []
    for page in pages:
        inside = mapping(page).get("result", page)
        listed = mapping(inside).get("tools")
        if isinstance(listed, list):
            found += listed
        elif _is_tool(page):
            found.append(page)
        elif not _is_answer(page):
            return None
    return found or None


def _is_tool(value: object) -> bool:
    tool = mapping(value)
    function = mapping(tool.get("function"))
    return (isinstance(tool.get("name"), str) and any(k in tool for k in _SCHEMAS[:2])) or isinstance(function.get("name"), str)


def _is_answer(value: object) -> bool:
    """Another message of the same conversation, such as the server's greeting."""
    return "jsonrpc" in mapping(value)


def import_tools(document: object, tools: list[object], path: Path, name: str = "") -> Found:
    """The connector of a tool list; `name` is its id, else it is made from the path, or from what the server says of itself."""
    title = _server(document) or path.name.split(".")[0]
    connector = Connector(name or connector_name(path, title), title)
    warnings: dict[str, None] = {}
    operations: dict[str, Operation] = {}
    for number, tool in enumerate(tools, 1):
        try:
            operation = _operation(mapping(tool), connector, warnings)
        except CatalogError as e:
            warnings[f"tool {number}: {e}"] = None
            continue
        if operation.id in operations:
            warnings[f"tool `{operation.name}` occurs twice, the last one counts"] = None
        operations[operation.id] = operation
    return Found(connector, list(operations.values()), list(warnings))


def _server(document: object) -> str:
    """The server's title, from its greeting or from a description around the list."""
    for page in document if isinstance(document, list) else [document]:
        for holder in (mapping(mapping(page).get("result")), mapping(page)):
            info = mapping(holder.get("serverInfo") or holder.get("server"))
            said = text(info, "title") or text(info, "name") or (text(holder, "name") if "tools" in holder else "")
            if said:
                return said
    return ""


def _operation(given: Json, connector: Connector, warnings: dict[str, None]) -> Operation:
    tool = mapping(given.get("function")) or given
    name = text(tool, "name")
    if not name:
        raise CatalogError("`name` is missing or not a text")
    if FORBIDDEN.search(name) or len(name) > NAME:
        raise CatalogError("`name` holds a quote, a backtick or a control character, or is too long")
    schema = next((mapping(tool[k]) for k in _SCHEMAS if mapping(tool.get(k))), mapping(None))
    schemas = Schemas(schema)
    keys = Keys(schemas)
    root = schemas.fold(schema)
    found = islice(keys.flatten("", {"type": "object", **root}, True, False, ("",)), KEYS)
    parameters = {p.name: p for p in found if p.name}
    title = text(tool, "title") or text(mapping(tool.get("annotations")), "title") or title_of(_words(name), "action")
    output = mapping(tool.get("outputSchema"))
    result = Keys(Schemas(output))
    outputs = result.outputs(result.schemas.fold(output))
    for w in (*schemas.warnings, *result.schemas.warnings):
        warnings[f"tool `{name}`: {w}"] = None
    return Operation(
        connector.name,
        name,
        "action",
        title=title[:200].strip(),
        summary=first_sentence(text(tool, "description")) or summary_of(title[:200], "action", connector.title),
        parameters=tuple(parameters.values()),
        outputs=outputs,
    )


def _words(name: str) -> str:
    """`github/create-issue` → `create-issue`: what the tool does, without the place it belongs to."""
    return re.split(r"[/:]|\.", name)[-1] or name
