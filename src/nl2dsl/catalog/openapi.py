"""Imports OpenAPI 2, 3.0 and 3.1 descriptions, as connectors have them, with Microsoft's extensions (`x-ms-…`).

In: a parsed document and the path it came from. Out: a connector, its operations, and warnings. Bodies are flattened as workflow definitions spell them
(`emailMessage/To`, where `emailMessage` is the name of the body parameter); arrays, free-form bodies and files stay one key; run-time schemas are open objects. What the
platform fills itself (`x-ms-visibility: internal`, the address a webhook calls back) is kept but hidden, and never required. A document that describes no API raises
`CatalogError`; anything odd inside one is a warning, and the rest is imported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from nl2dsl.catalog.keys import KEYS, NAME, OPEN, Keys, is_hidden, shown_as
from nl2dsl.catalog.model import Connector, Operation, Parameter
from nl2dsl.catalog.naming import summary_of, title_of
from nl2dsl.catalog.schemas import Json, Schemas, listed, mapping, text
from nl2dsl.errors import CatalogError

_METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
_PLACES, _FORM = ("path", "query", "header"), "form"
_IGNORED_HEADERS = {"accept", "content-type", "authorization"}  # OpenAPI 3 says so; in OpenAPI 2 they are parameters
_FILE_NAMES = {"apidefinition", "openapi", "swagger", "api", "apis", "index", "definition", "spec", "schema", "main", "tools", "mcp", "manifest"}
_FOLDER_NAMES = {*_FILE_NAMES, "src", "docs", "doc", "dist", "specs", "reference", "latest", "stable", "preview", "connector"}
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f`\"\\]")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"})


class Found(NamedTuple):
    """What a document holds."""

    connector: Connector
    operations: list[Operation]
    warnings: list[str]


def is_openapi(document: object) -> bool:
    return isinstance(document, Mapping) and ("swagger" in document or "openapi" in document or isinstance(document.get("paths"), Mapping))


def import_document(document: Json, path: Path, name: str = "") -> Found:
    """The connector a document describes; `name` is its id, else it is made from `path` and the title."""
    paths = document.get("paths", document.get("x-ms-paths"))
    if not isinstance(paths, Mapping) and mapping(document.get("webhooks")):
        raise CatalogError("the OpenAPI description has only `webhooks`, no `paths`", "a flow calls paths; webhooks call somebody")
    if not isinstance(paths, Mapping):
        raise CatalogError("the OpenAPI description has no `paths`", "is it complete?")
    title = text(mapping(document.get("info")), "title") or path.stem
    connector = Connector(name or connector_name(path, title), title)
    reader = _Reader(document, connector)
    operations: dict[str, Operation] = {}
    for routes in (paths, mapping(document.get("x-ms-paths")) if "paths" in document else {}):
        for route, item in routes.items():
            for operation in reader.operations(str(route), item, operations):
                operations[operation.id] = operation
    return Found(connector, list(operations.values()), list(reader.schemas.warnings))


def connector_name(path: Path, title: str) -> str:
    """`shared_` and the name of the file; of its folder where the file has a name that every connector has; of the API where the folder has, too."""
    stem = path.name.split(".")[0]
    if stem.lower() in _FILE_NAMES:
        stem = path.resolve().parent.name
        if stem.lower() in _FOLDER_NAMES or re.fullmatch(r"v?\d[\d._-]*", stem.lower()):
            stem = title
    slug = _slug(stem) or _slug(title) or "api"
    independent = title.lower().endswith("(independent publisher)") and not slug.endswith("ip")
    return f"shared_{slug}ip" if independent else f"shared_{slug}"  # as the platform calls theirs: shared_airtableip


def _slug(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words.lower().translate(_LETTERS))
    return re.sub(r"[^a-z0-9]+", "", plain.removeprefix("shared_"))[:80]


class _Reader:
    """One document being read."""

    def __init__(self, document: Json, connector: Connector) -> None:
        self.document, self.connector = document, connector
        self.title = connector.title.removesuffix(" (Independent Publisher)")
        self.schemas = Schemas(document)
        self.keys = Keys(self.schemas)
        self.version_3 = "openapi" in document

    # --- operations

    def operations(self, route: str, raw_item: object, known: Mapping[str, Operation]) -> Iterator[Operation]:
        item = self.schemas.resolve(raw_item)
        for key, raw in item.items():
            method = str(key).lower()
            if method in _METHODS and isinstance(raw, Mapping):
                yield self.operation(self._name(route, method, raw, known), raw, item, method, route)

    def _name(self, route: str, method: str, raw: Json, known: Mapping[str, Operation]) -> str:
        """The operation's id, or one made from its route: where it has none, and where another operation has taken it."""
        name = text(raw, "operationId")
        made = f"{method}{re.sub(r'[^A-Za-z0-9]+([A-Za-z0-9]?)', lambda m: m[1].upper(), route)}"[:NAME]
        if not name:
            self.schemas.warn(f"{method} {route[:200]} has no operationId, it is called `{made}`")
            name = made
        if FORBIDDEN.search(name) or len(name) > NAME:
            name = FORBIDDEN.sub("_", name)[:NAME]
            self.schemas.warn(f"an operationId with odd characters became `{name}`")
        number, given = 1, name
        while f"{self.connector.name}.{name}" in known:
            name = made if number == 1 and made != given else f"{given}_{number}"
            number += 1
        if number > 1:
            self.schemas.warn(f"operationId `{given}` occurs twice, {method} {route[:200]} is called `{name}`")
        return name

    def operation(self, name: str, raw: Json, item: Json, method: str, route: str) -> Operation:
        trigger = text(raw, "x-ms-trigger").lower()
        kind = "trigger" if trigger else "action"
        title = text(raw, "summary")[:200].strip() or title_of(name, kind)
        parameters: dict[str, Parameter] = {}
        for p in self.parameters(raw, item):
            if len(parameters) >= KEYS and p.name not in parameters:
                self.schemas.warn(f"`{name}` has more than {KEYS:,} parameters, the rest was left out")
                break
            parameters[p.name] = p
        content = self.schemas.fold(mapping(mapping(item.get("x-ms-notification-content")).get("schema"))) or self._response(raw)
        batch = trigger == "batch"
        flow_type = self._flow_type(raw, item)
        # A form has no place in the request that a Logic App writes, and what is called back is called in another way.
        routed = flow_type == "OpenApiConnection" and all(p.place != _FORM for p in parameters.values())
        return Operation(
            self.connector.name,
            name,
            kind,
            title=title,
            summary=first_sentence(text(raw, "description")) or summary_of(title, kind, self.title),
            parameters=tuple(p if routed else replace(p, place="") for p in parameters.values()),
            outputs=self.keys.outputs(content, batch),
            flow_type=flow_type,
            batch=batch,
            split=self.keys.split(content) if batch else "value",
            method=method.upper() if routed else "",
            path=route.removeprefix("/{connectionId}") if routed else "",
            deprecated=raw.get("deprecated") is True,
            internal=is_hidden(raw),
            visibility=shown_as(raw),
        )

    def _flow_type(self, raw: Json, item: Json) -> str:
        if "x-ms-notification" in raw:
            return "OpenApiConnectionNotification"
        called_back = "x-ms-notification-content" in item or _holds(raw.get("parameters"), "x-ms-notification-url")
        return "OpenApiConnectionWebhook" if called_back else "OpenApiConnection"

    # --- parameters

    def parameters(self, raw: Json, item: Json) -> Iterator[Parameter]:
        for given in [*listed(item, "parameters"), *listed(raw, "parameters")]:
            p = self.schemas.resolve(given)
            name, place = p.get("name"), text(p, "in").lower()
            if not isinstance(name, str) or name in ("", "connectionId") or place == "cookie":
                continue
            if len(name) > NAME:
                self.schemas.warn(f"a parameter with a name of {len(name):,} characters was left out")
            elif place == "body":
                yield from self._body(name, p)
            elif not (self.version_3 and place == "header" and name.lower() in _IGNORED_HEADERS):
                schema = self.schemas.fold(p.get("schema", _media(p)[1].get("schema")))
                leaf = self.keys.leaf(name, {**schema, **{k: v for k, v in p.items() if k != "schema"}}, p.get("required") is True, is_hidden(p))
                twice = place == "path" and text(p, "x-ms-url-encoding").lower() == "double"
                yield replace(leaf, place="twice" if twice else place if place in _PLACES else _FORM)
        body = self.schemas.resolve(raw.get("requestBody"))
        if body:
            yield from self._request_body(body)

    def _body(self, name: str, p: Json) -> Iterator[Parameter]:
        """OpenAPI 2: the keys of a body begin with the name of its parameter."""
        given = p.get("schema")
        schema = {**self.schemas.fold(given), **{k: p[k] for k in OPEN if k in p}}
        if not given:
            schema = {**{k: v for k, v in p.items() if k not in ("required", "in", "name")}, **schema}
        elif "x-ms-visibility" in p:
            schema["x-ms-visibility"] = p["x-ms-visibility"]
        if "x-ms-summary" in p:
            schema.setdefault("x-ms-summary", p["x-ms-summary"])
        yield from self.keys.flatten(name, schema, p.get("required") is True, is_hidden(p), (self.schemas.ref(given),))

    def _request_body(self, body: Json) -> Iterator[Parameter]:
        """OpenAPI 3: the body has no name, the platform calls it `body`; form fields are keys of their own."""
        mime, media = _media(body)
        given = media.get("schema")
        schema = self.schemas.fold(given)
        if "form" in mime:
            needed = set(map(str, listed(schema, "required")))
            for name, raw in mapping(schema.get("properties")).items():
                child = self.schemas.fold(raw)
                yield replace(self.keys.leaf(str(name)[:NAME], child, name in needed, is_hidden(child)), place=_FORM)
            return
        if not schema and mime and "json" not in mime:
            schema = {"type": "string", **({} if mime.startswith("text/") or "xml" in mime else {"format": "binary"})}
        name = text(body, "x-bodyName") or text(body, "x-ms-requestBody-name") or "body"
        yield from self.keys.flatten(name[:NAME], schema, body.get("required") is True, is_hidden(body), (self.schemas.ref(given),))

    def _response(self, raw: Json) -> Json:
        responses = mapping(raw.get("responses"))
        good = sorted((k for k in responses if str(k).startswith("2")), key=str)
        chosen = next((responses[c] for c in (*good, "default") if c in responses), None)
        response = self.schemas.resolve(chosen)
        return self.schemas.fold(response["schema"] if "schema" in response else _media(response)[1].get("schema"))


def _holds(value: object, key: str) -> bool:
    """Whether a key occurs anywhere in a value; a part that occurs many times, as aliases in YAML make it, is looked at once."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, (dict, list)) and id(part) not in seen:
            seen.add(id(part))
            if isinstance(part, dict):
                if key in part:
                    return True
                waiting.extend(part.values())
            else:
                waiting.extend(part)
    return False


def _media(of: Json) -> tuple[str, Json]:
    """What a body is made of, by its most telling content type: JSON, a form, anything else."""
    contents = {str(m).lower(): mapping(v) for m, v in mapping(of.get("content")).items()}
    best = next((m for word in ("json", "form", "") for m in contents if word in m), "")
    return best, contents.get(best, {})


def first_sentence(description: str, limit: int = 160) -> str:
    """The first sentence, starting in lower case like our own summaries."""
    first = re.split(r"(?<=[a-z)])\.\s", description, maxsplit=1)[0].rstrip(".")
    first = first if len(first) <= limit else first[:limit].rsplit(" ", 1)[0] + " …"
    return first[:1].lower() + first[1:] if first[1:2].islower() else first
