"""Imports OpenAPI 2 and 3 descriptions, as connectors have them: a first, simple form.

In: a parsed document and the path it came from. Out: a connector, its operations, and warnings. Bodies are flattened as workflow definitions
spell them (`emailMessage/To`, where `emailMessage` is the name of the body parameter); arrays, free-form bodies and files stay one key; run-time
schemas are open objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nl2dsl.catalog.model import Connector, Operation, Output, Parameter
from nl2dsl.catalog.naming import OUTPUT_TYPES, output_role, parameter_title, role_of, summary_of, title_of
from nl2dsl.errors import CatalogError

_METHODS = ("get", "put", "post", "delete", "patch", "options", "head")
_TYPES = {"string", "integer", "number", "boolean", "array", "object", "file"}
_DYNAMIC = ("x-ms-dynamic-schema", "x-ms-dynamic-properties")
_DEPTH = 8  # circular schemas end here
_KEYS = 400  # and so do very wide ones
Json = Mapping[str, Any]


def import_document(document: Json, path: Path) -> tuple[Connector, list[Operation], list[str]]:
    paths = document.get("paths")
    if not isinstance(paths, Mapping):
        raise CatalogError(f"{path}: the OpenAPI description has no `paths`", "is it complete?")
    title = _text(_mapping(document.get("info")), "title") or path.stem
    connector = Connector(connector_name(path, title), title)
    reader = _Reader(document, connector, title)
    operations: dict[str, Operation] = {}
    for route, item in paths.items():
        for method, raw in reader.methods(item):
            operation = reader.operation(str(route), method, raw, item)
            if operation.id in operations:
                reader.warnings.append(f"operationId `{operation.name}` occurs twice")
            operations[operation.id] = operation
    return connector, list(operations.values()), reader.warnings


def connector_name(path: Path, title: str) -> str:
    """`shared_` and the name of the file, or of its folder where the file has a name that every connector has."""
    stem = path.name.split(".")[0]
    if stem.lower() in {"apidefinition", "openapi", "swagger", "api", "index", "definition"}:
        stem = path.resolve().parent.name or title
    slug = re.sub(r"[^a-z0-9]+", "", stem.lower().removeprefix("shared_"))
    return "shared_" + (slug or re.sub(r"[^a-z0-9]+", "", title.lower()) or "api")


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(of: Json, key: str) -> list[Any]:
    value = of.get(key)
    return value if isinstance(value, list) else []


def _text(of: Json, key: str) -> str:
    value = of.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def _hidden(of: Json) -> bool:
    return _text(of, "x-ms-visibility").lower() == "internal"


def _dynamic(of: Json) -> bool:
    return any(k in of for k in _DYNAMIC)


class _Reader:
    """One document being read; holds it for `$ref`s and gathers warnings."""

    def __init__(self, document: Json, connector: Connector, title: str) -> None:
        self.document, self.connector, self.title = document, connector, title.removesuffix(" (Independent Publisher)")
        self.warnings: list[str] = []

    def methods(self, item: object) -> Iterator[tuple[str, Json]]:
        for method in _METHODS:
            raw = _mapping(item).get(method)
            if isinstance(raw, Mapping):
                yield method, raw

    def resolve(self, value: object, depth: int = 0) -> Json:
        """The mapping behind a `$ref`; siblings of the `$ref` win over what it names."""
        found = _mapping(value)
        ref = found.get("$ref")
        if not isinstance(ref, str) or depth > _DEPTH:
            return found
        target: object = self.document
        for step in ref.removeprefix("#/").split("/"):
            target = _mapping(target).get(step.replace("~1", "/").replace("~0", "~"))
        if not isinstance(target, Mapping):
            self.warnings.append(f"`{ref}` leads nowhere")
        return {**self.resolve(target, depth + 1), **{k: v for k, v in found.items() if k != "$ref"}}

    def schema(self, value: object, depth: int = 0) -> Json:
        """A schema with its `allOf` folded in."""
        found = self.resolve(value)
        parts = _list(found, "allOf")
        if not parts or depth > _DEPTH:
            return found
        merged: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        required: list[Any] = []
        for part in [*(self.schema(p, depth + 1) for p in parts), found]:
            merged.update(part)
            properties.update(_mapping(part.get("properties")))
            required += _list(part, "required")
        return {**merged, "properties": properties, "required": required}

    def operation(self, route: str, method: str, raw: Json, item: object) -> Operation:
        name = _text(raw, "operationId") or self._made_name(route, method)
        trigger = _text(raw, "x-ms-trigger").lower()
        kind = "trigger" if trigger else "action"
        title = _text(raw, "summary") or title_of(name, kind)
        parameters = tuple({p.name: p for p in self.parameters(raw, _mapping(item))}.values())
        content = self.schema(_mapping(_mapping(item).get("x-ms-notification-content")).get("schema"))
        webhook = "x-ms-notification-content" in _mapping(item) or any("x-ms-notification-url" in str(p) for p in _list(raw, "parameters"))
        flow_type = "OpenApiConnectionNotification" if "x-ms-notification" in raw else "OpenApiConnectionWebhook" if webhook else "OpenApiConnection"
        return Operation(
            self.connector.name,
            name,
            kind,
            title=title,
            summary=_first(_text(raw, "description")) or summary_of(title, kind, self.title),
            parameters=parameters,
            outputs=tuple(self.outputs(raw, content, batch=trigger == "batch")),
            flow_type=flow_type,
            batch=trigger == "batch",
            deprecated=raw.get("deprecated") is True,
            internal=_hidden(raw),
        )

    def _made_name(self, route: str, method: str) -> str:
        self.warnings.append(f"{method} {route} has no operationId")
        return method + re.sub(r"[^A-Za-z0-9]+(\w?)", lambda m: m[1].upper(), route)

    def parameters(self, raw: Json, item: Json) -> Iterator[Parameter]:
        for given in [*_list(item, "parameters"), *_list(raw, "parameters")]:
            p = self.resolve(given)
            name = p.get("name")
            if not isinstance(name, str) or name in ("", "connectionId"):
                continue
            required, hidden = p.get("required") is True, _hidden(p)
            if p.get("in") == "body":
                yield from self.flatten(name, {**self.schema(p.get("schema")), **{k: p[k] for k in _DYNAMIC if k in p}}, required, hidden)
            elif p.get("in") != "cookie":
                yield self.leaf(name, {**self.schema(p.get("schema")), **{k: v for k, v in p.items() if k != "schema"}}, required, hidden)
        body = self.resolve(raw.get("requestBody"))
        if body:
            yield from self._request_body(body)

    def _request_body(self, body: Json) -> Iterator[Parameter]:
        """OpenAPI 3: the body has no name, the platform calls it `body`; form fields are keys of their own."""
        contents = _mapping(body.get("content"))
        mime = next((m for m in contents if "json" in str(m)), next(iter(contents), ""))
        schema = self.schema(_mapping(contents.get(mime)).get("schema"))
        required = body.get("required") is True
        if "form" in str(mime):
            for name, child in _mapping(schema.get("properties")).items():
                yield self.leaf(str(name), self.schema(child), name in _list(schema, "required"), _hidden(_mapping(child)))
        else:
            yield from self.flatten("body", schema, required, False)

    def flatten(self, key: str, schema: Json, required: bool, hidden: bool, depth: int = 0) -> Iterator[Parameter]:
        """The leaves of an object schema as `key/property`.

        A required field of an object that may be left out is not required. A run-time schema is an open object, beside the fields that are known
        beforehand.
        """
        properties = _mapping(schema.get("properties"))
        if schema.get("type") not in ("object", None) or not properties or depth >= _DEPTH:
            yield self.leaf(key, schema, required, hidden)
            return
        if _dynamic(schema):
            yield self.leaf(key, schema, False, hidden)
        for name, raw in list(properties.items())[:_KEYS]:
            child = self.schema(raw)
            if child.get("readOnly") is not True:
                yield from self.flatten(f"{key}/{name}", child, required and name in _list(schema, "required"), hidden or _hidden(child), depth + 1)

    def leaf(self, key: str, schema: Json, required: bool, hidden: bool) -> Parameter:
        type = schema.get("type")
        format = _text(schema, "format")
        known = type if isinstance(type, str) and type in _TYPES else "object" if _dynamic(schema) or "properties" in schema else "any"
        if known == "string" and format in ("binary", "byte"):
            known = "file"
        raw_enum = schema.get("enum")
        enum = tuple(str(e).lower() if isinstance(e, bool) else str(e) for e in raw_enum if e is not None) if isinstance(raw_enum, list) else ()
        default = schema.get("default")
        return Parameter(
            key,
            known,
            required=required and not hidden,
            title=_text(schema, "x-ms-summary") or parameter_title(key),
            enum=enum,
            default=default if isinstance(default, (str, int, float, bool)) else None,
            format=format,
            open=_dynamic(schema) or (known == "object" and not schema.get("properties")),
            internal=hidden,
            role=role_of(key, known, format, bool(enum)),
        )

    def outputs(self, raw: Json, content: Json, batch: bool) -> Iterator[Output]:
        schema = content or self._response(raw)
        if batch:
            items = self._list_in(schema)
            schema = self.schema(items.get("items")) if items else schema
        if schema.get("type") == "array":
            yield Output("", "list_of_items", "array")
            yield from self._fields("/", self.schema(schema.get("items")), 1)
        else:
            yield from self._fields("", schema, 0)

    def _response(self, raw: Json) -> Json:
        responses = _mapping(raw.get("responses"))
        chosen = next((responses[c] for c in (*sorted(k for k in responses if str(k).startswith("2")), "default") if c in responses), None)
        response = self.resolve(chosen)
        if "schema" in response:
            return self.schema(response["schema"])
        contents = _mapping(response.get("content"))
        return self.schema(_mapping(next((v for k, v in contents.items() if "json" in str(k)), {})).get("schema"))

    def _list_in(self, schema: Json) -> Json:
        if schema.get("type") == "array":
            return schema
        return next((found for p in _mapping(schema.get("properties")).values() if (found := self.schema(p)).get("type") == "array"), {})

    def _fields(self, prefix: str, schema: Json, depth: int) -> Iterator[Output]:
        for name, raw in list(_mapping(schema.get("properties")).items())[:_KEYS]:
            child = self.schema(raw)
            if _hidden(child):
                continue
            type = child.get("type") if isinstance(child.get("type"), str) else "any"
            key = f"{prefix}{name}"
            if type == "array":
                yield Output(key, "list_of_items", "array")
                if depth < 1:
                    yield from self._fields(key + "/", self.schema(child.get("items")), depth + 1)
            elif child.get("properties") and depth < 2:
                yield from self._fields(key + "/", child, depth + 1)
            else:
                role = output_role(key)
                yield Output(key, role, str(type) if type in _TYPES else OUTPUT_TYPES.get(role, "any"))


def _first(text: str, limit: int = 160) -> str:
    """The first sentence, starting in lower case like our own summaries."""
    first = re.split(r"(?<=[a-z)])\.\s", text, maxsplit=1)[0].rstrip(".")
    first = first if len(first) <= limit else first[:limit].rsplit(" ", 1)[0] + " …"
    return first[:1].lower() + first[1:] if first[1:2].islower() else first
