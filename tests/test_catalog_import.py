"""Importing: what descriptions of APIs become, what is mended, what is refused, and that nothing can break or stall it."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import time
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nl2dsl import cli
from nl2dsl.catalog import sources
from nl2dsl.catalog.model import Operation, Output, Parameter
from nl2dsl.catalog.read import Gathered, Report, gather, load, write
from nl2dsl.errors import CatalogError

pytest.importorskip("benchmarks", reason="run from the root of the repository")

from benchmarks import fuzz_import, importing

needs_shared = pytest.mark.skipif(not importing.FILES.exists(), reason="needs the measuring data (NL2DSL_SHARED)")
Json = dict[str, Any]


def swagger(post: Json, definitions: Json | None = None, item: Json | None = None) -> Json:
    """An OpenAPI 2 description of one operation, `shared_shop.Do`."""
    route = {"post": {"operationId": "Do", "responses": {}, **post}, **(item or {})}
    return {"swagger": "2.0", "info": {"title": "Shop"}, "paths": {"/do": route}, "definitions": definitions or {}}


def openapi(post: Json, schemas: Json | None = None) -> Json:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop"},
        "paths": {"/do": {"post": {"operationId": "Do", **post}}},
        "components": {"schemas": schemas or {}},
    }


def put(folder: Path, content: object, name: str = "shop.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode())
    return path


def read(folder: Path, document: Json) -> Operation:
    return load(put(folder, document)).operations["shared_shop.Do"]


def keys(operation: Operation) -> dict[str, Parameter]:
    return {p.name: p for p in operation.parameters}


def body(schema: Json, **more: Any) -> Json:
    return {"parameters": [{"name": "item", "in": "body", "required": True, "schema": schema, **more}]}


def only(gathered: Gathered) -> Report:
    (report,) = gathered.reports
    return report


# --- OpenAPI 2 with the extensions of connectors


def test_a_body_is_flattened_under_the_name_of_its_parameter(tmp_path: Path) -> None:
    mail = {"type": "object", "required": ["To"], "properties": {"To": {"type": "string"}, "Files": {"type": "array", "items": {"type": "object"}}}}
    found = keys(read(tmp_path, swagger({"parameters": [{"name": "emailMessage", "in": "body", "required": True, "schema": mail}]})))
    assert list(found) == ["emailMessage/To", "emailMessage/Files"]
    assert found["emailMessage/To"].required and (found["emailMessage/Files"].type, found["emailMessage/Files"].items) == ("array", "object")


@pytest.mark.parametrize(
    ("schema", "type"),
    [
        ({"type": "array", "items": {"type": "string"}}, "array"),
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "binary"}, "file"),
        ({"type": "object"}, "object"),
        ({}, "any"),
    ],
)
def test_a_body_without_known_fields_is_one_key(tmp_path: Path, schema: Json, type: str) -> None:
    (parameter,) = read(tmp_path, swagger(body(schema))).parameters
    assert (parameter.name, parameter.type, parameter.open) == ("item", type, False)


def test_what_the_platform_fills_is_hidden_and_never_required(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["callback", "version"],
        "properties": {
            "callback": {"type": "string", "x-ms-notification-url": True},
            "version": {"type": "string", "x-ms-visibility": "Internal", "default": "1"},
            "id": {"type": "string", "readOnly": True},
        },
    }
    found = keys(read(tmp_path, swagger(body(schema))))
    assert {name: (p.internal, p.required) for name, p in found.items()} == {"item/callback": (True, False), "item/version": (True, False)}


def test_visibility_is_inherited_and_compared_without_case(tmp_path: Path) -> None:
    inner = {
        "type": "object",
        "x-ms-visibility": "Advanced",
        "properties": {"a": {"type": "string"}, "b": {"type": "string", "x-ms-visibility": "important"}},
    }
    found = keys(read(tmp_path, swagger(body({"type": "object", "properties": {"more": inner}}))))
    assert (found["item/more/a"].visibility, found["item/more/b"].visibility) == ("advanced", "important")


def test_run_time_choices_and_schemas_are_marked(tmp_path: Path) -> None:
    query = {"name": "list", "in": "query", "type": "string", "x-ms-dynamic-values": {"operationId": "A"}, "x-ms-dynamic-list": {"operationId": "A"}}
    row = {"name": "item", "in": "body", "schema": {"x-ms-dynamic-schema": {"operationId": "B"}}, "x-ms-dynamic-properties": {"operationId": "B"}}
    found = keys(read(tmp_path, swagger({"parameters": [query, row]})))
    assert found["list"].dynamic == ("values", "list") and not found["list"].open
    assert found["item"].dynamic == ("schema", "properties") and found["item"].open and found["item"].type == "object"


def test_a_webhook_delivers_its_content_and_a_batch_the_fields_of_one_item(tmp_path: Path) -> None:
    content = {"x-ms-notification-content": {"schema": {"type": "object", "properties": {"orderId": {"type": "string"}}}}}
    hook = read(tmp_path, swagger({"x-ms-trigger": "single"}, item=content))
    assert (hook.kind, hook.flow_type, hook.batch) == ("trigger", "OpenApiConnectionWebhook", False)
    assert [o.name for o in hook.outputs] == ["orderId"]
    listed = {"type": "object", "properties": {"value": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}}}
    poll = read(tmp_path, swagger({"x-ms-trigger": "batch", "responses": {"200": {"schema": listed}}, "x-ms-visibility": "important"}))
    assert (poll.flow_type, poll.batch, poll.visibility) == ("OpenApiConnection", True, "important")
    assert [o.name for o in poll.outputs] == ["name"]


ROWS = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("schema", "split"),
    [
        ({"type": "object", "properties": {"total": {"type": "integer"}, "orders": ROWS}}, "orders"),
        ({"type": "object", "properties": {"tags": {"type": "array"}, "value": ROWS}}, "value"),
        (ROWS, ""),
        ({"type": "object", "properties": {"name": {"type": "string"}}}, None),
        ({}, "value"),
    ],
)
def test_a_batch_is_split_on_the_list_that_it_delivers(tmp_path: Path, schema: Json, split: str | None) -> None:
    operation = read(tmp_path, swagger({"x-ms-trigger": "batch", "responses": {"200": {"schema": schema}}}))
    assert operation.split == split
    assert [o.name for o in operation.outputs] == (["name"] if schema else [])


def test_the_request_of_an_operation_is_kept_with_the_places_of_its_parameters(tmp_path: Path) -> None:
    given = [
        {"name": "connectionId", "in": "path", "type": "string"},
        {"name": "id", "in": "path", "type": "string", "x-ms-url-encoding": "double"},
        {"name": "part", "in": "path", "type": "string"},
        {"name": "top", "in": "query", "type": "integer"},
        {"name": "X-Trace", "in": "header", "type": "string"},
        *body({"type": "object", "properties": {"note": {"type": "string"}}})["parameters"],
    ]
    document = swagger({"parameters": given})
    ((_, item),) = document["paths"].items()
    document["paths"] = {"/{connectionId}/things/{id}/{part}": item}
    operation = read(tmp_path, document)
    assert operation.path == "/things/{id}/{part}" and operation.method in ("GET", "POST")
    assert {p.name: p.place for p in operation.parameters} == {"id": "twice", "part": "path", "top": "query", "X-Trace": "header", "item/note": ""}


def test_a_form_and_a_webhook_have_no_request_that_can_be_written(tmp_path: Path) -> None:
    form = read(
        tmp_path, swagger({"parameters": [{"name": "f", "in": "formData", "type": "string"}, {"name": "q", "in": "query", "type": "string"}]})
    )
    hook = read(tmp_path, swagger({"x-ms-trigger": "single"}, item={"x-ms-notification-content": {"schema": {"type": "object"}}}))
    assert (form.path, form.method, hook.path) == ("", "", "") and {p.place for p in form.parameters} == {""}


def test_shared_parameters_are_followed_and_those_of_the_operation_win(tmp_path: Path) -> None:
    document = swagger(
        {"parameters": [{"name": "n", "in": "query", "type": "integer"}]},
        item={"parameters": [{"name": "n", "in": "query", "type": "string"}, {"$ref": "#/parameters/tenant%20id"}]},
    )
    document["parameters"] = {"tenant id": {"name": "tenant", "in": "header", "type": "string", "required": True}}
    found = keys(read(tmp_path, document))
    assert found["n"].type == "integer" and found["tenant"].required


def test_an_object_inside_itself_ends(tmp_path: Path) -> None:
    node = {"type": "object", "properties": {"name": {"type": "string"}, "parent": {"$ref": "#/definitions/Node"}}}
    found = keys(read(tmp_path, swagger(body({"$ref": "#/definitions/Node"}), {"Node": node})))
    assert list(found) == ["item/name", "item/parent"] and found["item/parent"].type == "object"


def test_a_schema_that_is_a_part_of_itself_ends(tmp_path: Path) -> None:
    both = {
        "A": {"allOf": [{"$ref": "#/definitions/B"}]},
        "B": {"allOf": [{"$ref": "#/definitions/A"}], "type": "object", "properties": {"x": {"type": "string"}}},
    }
    assert list(keys(read(tmp_path, swagger(body({"$ref": "#/definitions/A"}), both)))) == ["item/x"]


def test_odd_types_and_a_required_that_is_no_list(tmp_path: Path) -> None:
    schema = {"type": "object", "required": True, "properties": {"a": {"type": "text", "required": True}, "b": {"type": "Voice"}, "c": {"type": 1}}}
    assert [(p.type, p.required) for p in read(tmp_path, swagger(body(schema))).parameters] == [("string", False), ("any", False), ("any", False)]


@pytest.mark.parametrize(
    ("path", "title", "name"),
    [
        ("Big Shop/apiDefinition.swagger.json", "x", "shared_bigshop"),
        ("Brønnøysund/apiDefinition.swagger.json", "x", "shared_bronnoysund"),
        ("v2/openapi.json", "Pet Shop", "shared_petshop"),
        ("漢字/openapi.json", "漢字", "shared_api"),
        ("shared_shop.json", "x", "shared_shop"),
        ("Airtable/apiDefinition.swagger.json", "Airtable (Independent Publisher)", "shared_airtableip"),
    ],
)
def test_connectors_are_named_after_file_folder_or_title(tmp_path: Path, path: str, title: str, name: str) -> None:
    document = swagger({})
    document["info"]["title"] = title
    assert only(gather([put(tmp_path, document, path)])).connectors == (name,)


def test_two_connectors_of_one_name_are_both_kept_and_copies_once(tmp_path: Path) -> None:
    put(tmp_path, swagger({}), "a/shop.json")
    put(tmp_path, swagger({}), "b/shop.json")
    put(tmp_path, swagger({"summary": "Another"}), "c/shop.json")
    found = gather([tmp_path])
    assert list(found.catalog.operations) == ["shared_shop.Do", "shared_shop_2.Do"]
    assert [r.connectors for r in found.reports] == [("shared_shop",), ("shared_shop",), ("shared_shop_2",)]


def test_operations_without_an_id_or_with_a_repeated_one_get_their_own(tmp_path: Path) -> None:
    paths = {"/a/{id}": {"get": {}}, "/b": {"get": {"operationId": "Do"}, "put": {"operationId": "Do"}}, "/c": {"get": {"operationId": 'say "hi"'}}}
    found = gather([put(tmp_path, {"swagger": "2.0", "info": {}, "paths": paths})])
    assert [o.name for o in found.catalog] == ["getAId", "Do", "putB", "say _hi_"]
    assert len(only(found).warnings) == 3


# --- OpenAPI 3


def test_openapi_3_bodies_choices_and_nullable_types(tmp_path: Path) -> None:
    mail = {
        "type": ["object", "null"],
        "required": ["to"],
        "properties": {
            "to": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
            "when": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
            "how": {"oneOf": [{"const": "mail"}, {"const": "chat"}]},
        },
    }
    content = {"application/xml": {}, "application/json": {"schema": {"$ref": "#/components/schemas/Mail"}}}
    found = keys(read(tmp_path, openapi({"requestBody": {"required": True, "content": content}}, {"Mail": mail})))
    assert (found["body/to"].type, found["body/to"].format, found["body/to"].required) == ("string", "email", True)
    assert found["body/when"].type == "any"
    assert (found["body/how"].type, found["body/how"].enum) == ("string", ("mail", "chat"))


def test_a_choice_of_objects_has_the_fields_of_any_and_needs_those_of_all(tmp_path: Path) -> None:
    def one(name: str) -> Json:
        return {"type": "object", "required": ["kind", name], "properties": {"kind": {"type": "string"}, name: {"type": "string"}}}

    schema = {"oneOf": [one("mail"), one("phone")], "discriminator": {"propertyName": "kind"}}
    found = keys(read(tmp_path, openapi({"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}})))
    assert {name: p.required for name, p in found.items()} == {"body/kind": True, "body/mail": False, "body/phone": False}


def test_headers_that_openapi_3_ignores_are_no_parameters(tmp_path: Path) -> None:
    headers = [{"name": n, "in": "header", "schema": {"type": "string"}} for n in ("Accept", "Content-Type", "X-Tenant")]
    assert list(keys(read(tmp_path, openapi({"parameters": headers})))) == ["X-Tenant"]
    assert len(read(tmp_path, swagger({"parameters": [{**h, "type": "string"} for h in headers]})).parameters) == 3


def test_a_file_is_sent_as_body(tmp_path: Path) -> None:
    (parameter,) = read(tmp_path, openapi({"requestBody": {"content": {"application/octet-stream": {}}}})).parameters
    assert (parameter.name, parameter.type) == ("body", "file")


def test_a_reference_into_another_file_is_told(tmp_path: Path) -> None:
    found = gather([put(tmp_path, swagger(body({"$ref": "models.json#/Order"})))])
    assert "another file" in only(found).warnings[0] and [p.type for o in found.catalog for p in o.parameters] == ["any"]


# --- encodings, repairs, YAML

PLAIN = json.dumps(swagger({"summary": "Größe"}), ensure_ascii=False, indent=1)


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbf" + PLAIN.encode(), PLAIN.encode("cp1252"), PLAIN.encode("utf-16"), PLAIN.encode("utf-32"), PLAIN.replace("\n", "\r\n").encode()],
    ids=["BOM", "cp1252", "utf-16", "utf-32", "line ends"],
)
def test_encodings_do_not_matter(tmp_path: Path, data: bytes) -> None:
    assert load(put(tmp_path, data)).operations["shared_shop.Do"].title == "Größe"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PLAIN.replace('"info"', '// a remark, }\n"info"').replace('"paths"', '/* one\n more */ "paths"'), "comments"),
        (PLAIN.replace("}\n}", "},\n}"), "commas"),
        (PLAIN.replace("Größe", "Größe\n und\tmehr"), "control characters"),
        (PLAIN.replace('"summary"', '"summary": "first", "summary"'), "`summary` occurs twice"),
    ],
)
def test_what_can_be_mended_is_mended_and_told(tmp_path: Path, text: str, told: str) -> None:
    found = gather([put(tmp_path, text)])
    assert found.catalog.operations["shared_shop.Do"].title.startswith("Größe")
    assert told in only(found).warnings[0]


def test_strings_that_look_like_comments_or_commas_are_left_alone(tmp_path: Path) -> None:
    text = json.dumps(swagger({"summary": "see http://x.y, ] /* no */ ,}"})) + "// end"
    assert load(put(tmp_path, text)).operations["shared_shop.Do"].title == "see http://x.y, ] /* no */ ,}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PLAIN + "\n" + PLAIN, r"shop\.json:\d+:1: not JSON: a second document begins here"),
        (PLAIN[:-30], r"shop\.json:\d+:\d+: not JSON: .*(too early|missing)"),
        ('{\n "swagger": "2.0",\n "info" {}\n}', r"shop\.json:3:9: not JSON: a colon is missing"),
        ("<!DOCTYPE html><html>", "an HTML page"),
        ("[" * 100_000, "nested too deeply"),
        ('{"info": {"_postman_id": "1"}, "item": []}', "a Postman collection"),
        ('{"asyncapi": "3.0.0", "info": {}, "channels": {}}', "an AsyncAPI description"),
        ('{"swaggerVersion": "1.2", "apis": [], "basePath": "/"}', "a description of Swagger 1"),
        ('{"discoveryVersion": "v1", "kind": "discovery#restDescription", "resources": {}}', "a Google discovery document"),
        ('{"swagger": "2.0", "paths": {}}', "no operation"),
        ("\x00\x01", "not a text"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_name_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    put(tmp_path, swagger({}), "good.json")
    with pytest.raises(CatalogError, match=reason) as raised:
        load(put(tmp_path, text))
    assert "shop.json" in str(raised.value) and raised.value.hint
    assert "shared_good.Do" in gather([tmp_path]).catalog


def test_yaml_follows_the_rules_of_json(tmp_path: Path) -> None:
    text = """
openapi: 3.0.0
info: {title: Shop}
paths:
  /do:
    post: &post
      operationId: Do
      parameters:
        - {name: mode, in: query, schema: {type: string, enum: [on, off, no, 2024-01-01]}}
        - {name: n, in: query, schema: {type: integer, default: 012}}
      responses:
        200: {content: {application/json: {schema: {type: object, properties: {id: {type: string}}}}}}
  /again:
    post: {<<: *post, operationId: Again, x-tag: !Ref thing}
"""
    catalog = load(put(tmp_path, text, "shop.yaml"))
    do = catalog.operations["shared_shop.Do"]
    assert do.parameters[0].enum == ("on", "off", "no", "2024-01-01") and do.parameters[1].default == 12
    assert [o.name for o in do.outputs] == ["id"]
    assert catalog.operations["shared_shop.Again"].parameters == do.parameters


def test_yaml_aliases_that_multiply_without_end_do_no_harm(tmp_path: Path) -> None:
    levels = "\n".join(f"x{i + 1}: &x{i + 1} {{allOf: [{', '.join([f'*x{i}'] * 10)}]}}" for i in range(30))
    text = f"openapi: 3.0.0\nx0: &x0 {{type: string}}\n{levels}\npaths: {{/a: {{get: {{operationId: G, parameters: [{{name: b, in: query, schema: *x30}}]}}}}}}\n"
    assert load(put(tmp_path, text, "shop.yaml")).operations["shared_shop.G"].parameters[0].type == "string"


# --- tool lists

TOOLS = {
    "tools": [
        {
            "name": "create_issue",
            "description": "Creates an issue in a project. Needs write access.",
            "inputSchema": {
                "type": "object",
                "required": ["title", "by"],
                "properties": {
                    "title": {"type": "string"},
                    "labels": {"type": "array", "items": {"type": "string"}},
                    "by": {"$ref": "#/$defs/Person"},
                },
                "$defs": {"Person": {"type": "object", "required": ["mail"], "properties": {"mail": {"type": "string", "format": "email"}}}},
            },
            "outputSchema": {"type": "object", "properties": {"number": {"type": "integer"}}},
        },
        {"name": "ping", "annotations": {"title": "Ping the server"}},
        {"description": "has no name"},
    ]
}


@pytest.mark.parametrize(
    "document",
    [
        TOOLS,
        TOOLS["tools"][:2],
        {"jsonrpc": "2.0", "id": 1, "result": TOOLS},
        [{"jsonrpc": "2.0", "id": 0, "result": {}}, {"jsonrpc": "2.0", "result": TOOLS}],
    ],
    ids=["list", "bare", "answer", "conversation"],
)
def test_mcp_tools_become_operations(tmp_path: Path, document: object) -> None:
    if isinstance(document, list) and "jsonrpc" not in document[0]:
        document = [document[0], {**document[1], "inputSchema": {}}]
    catalog = load(put(tmp_path, document, "tracker.json"))
    assert list(catalog.operations) == ["shared_tracker.create_issue", "shared_tracker.ping"]
    issue, ping = catalog
    assert {n: (p.type, p.required) for n, p in keys(issue).items()} == {
        "title": ("string", True),
        "labels": ("array", False),
        "by/mail": ("string", True),
    }
    assert (issue.kind, issue.title, issue.summary) == ("action", "Create an issue", "creates an issue in a project")
    assert issue.outputs == (Output("number", "number", "integer"),)
    assert ping.title == "Ping the server" and ping.parameters == ()


def test_pages_of_a_tool_list_may_stand_on_lines_and_name_their_server(tmp_path: Path) -> None:
    greeting = {"jsonrpc": "2.0", "id": 0, "result": {"serverInfo": {"name": "tracker", "title": "Issue tracker"}}}
    pages = [{"jsonrpc": "2.0", "id": i, "result": {"tools": [{"name": f"t{i}", "inputSchema": {}}]}} for i in (1, 2)]
    catalog = load(put(tmp_path, "\n".join(map(json.dumps, [greeting, *pages])), "mcp.jsonl"))
    assert [o.id for o in catalog] == ["shared_issuetracker.t1", "shared_issuetracker.t2"] or catalog.connectors
    assert [c.title for c in catalog.connectors.values()] == ["Issue tracker"]


def test_function_lists_of_chat_models_are_read(tmp_path: Path) -> None:
    function = {"name": "send", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}
    catalog = load(put(tmp_path, [{"type": "function", "function": function}], "chat.json"))
    assert [p.name for p in catalog.operations["shared_chat.send"].parameters] == ["to"]


# --- folders and archives


def packed(folder: Path, name: str) -> Path:
    files = {
        "a/shop.json": json.dumps(swagger({})),
        "b/broken.json": "{",
        "b/package.json": '{"name": "x", "version": "1"}',
        "readme.md": "# hi",
        "__MACOSX/a/._shop.json": "x",
    }
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
            for member, text in files.items():
                z.writestr(member, text)
    else:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w:xz") as t:
            for member, text in files.items():
                info = tarfile.TarInfo(member)
                info.size = len(text.encode())
                t.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("name", ["apis.zip", "apis.tar.gz", "apis.tgz", "apis.tar.xz"])
def test_archives_are_read_like_folders(tmp_path: Path, name: str) -> None:
    found = gather([packed(tmp_path, name)])
    assert list(found.catalog.operations) == ["shared_shop.Do"]
    assert [(r.name.rsplit("/", 1)[-1], bool(r.reason), r.aside) for r in found.reports] == [
        ("shop.json", False, False),
        ("broken.json", True, False),
        ("package.json", True, True),
    ]


@pytest.mark.parametrize("name", ["apis.zip", "apis.tar.gz"])
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = only(gather([path]))
    assert report.reason.startswith(str(path)) and report.hint


def test_a_file_that_unpacks_to_more_than_fits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FILE_LIMIT", 100_000)
    big = put(tmp_path, gzip.compress(b" " * 200_000), "big.json.gz")
    assert "larger than" in only(gather([big])).reason
    with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("big.json", b" " * 200_000)
    assert "larger than" in only(gather([tmp_path / "big.zip"])).reason
    monkeypatch.setattr(sources, "ARCHIVE_LIMIT", 100_000)
    assert "GiB unpacked" in only(gather([tmp_path / "big.zip"])).reason


def test_a_missing_path_is_a_report_and_the_rest_is_imported(tmp_path: Path) -> None:
    found = gather([tmp_path / "nowhere", put(tmp_path, swagger({}))])
    assert "no such file" in found.reports[0].reason and len(found.catalog) == 1


# --- bounds


@pytest.mark.parametrize("key", ["properties", "allOf", "oneOf"])
@pytest.mark.parametrize("more", [{}, {"title": "x"}], ids=["plain", "with siblings"])
def test_schemas_that_multiply_without_end_stop_in_time(tmp_path: Path, key: str, more: Json) -> None:
    def level(i: int) -> Json:
        refs = [{"$ref": f"#/definitions/D{(i + 1) % 12}", **more}] * 12
        return {key: {f"p{j}": r for j, r in enumerate(refs)}} if key == "properties" else {key: refs}

    document = swagger(body({"$ref": "#/definitions/D0"}), {f"D{i}": level(i) for i in range(12)})
    started = time.process_time()
    assert len(read(tmp_path, document).parameters) <= 2_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 50_000 + "x",
        '"' + "\\\\" * 300_000,
        "/*" * 300_000,
        '{"a": 1' + "," * 100_000,
        '{"a":"' + 'x"' * 100_000,
        "openapi: 3\n" + "- " * 50_000,
    ],
    ids=["empty lines", "escapes", "comments", "commas", "quotes", "dashes"],
)
@pytest.mark.parametrize("name", ["shop.json", "shop.yaml"])
def test_texts_that_lead_astray_are_refused_in_time(tmp_path: Path, name: str, text: str) -> None:
    started = time.process_time()
    assert only(gather([put(tmp_path, text, name)])).reason
    assert time.process_time() - started < 5


def test_a_tree_without_leaves_exhausts_its_budget_and_says_so(tmp_path: Path) -> None:
    levels = {f"D{i}": {"type": "object", "properties": {f"p{j}": {"$ref": f"#/definitions/D{i + 1}"} for j in range(20)}} for i in range(7)}
    document = swagger(body({"$ref": "#/definitions/D0"}), {**levels, "D7": {"type": "string", "readOnly": True}})
    report = only(gather([put(tmp_path, document)]))
    assert report.operations == 1 and "too often" in report.warnings[0]


# --- written and read again


def test_an_imported_catalog_reads_back_and_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    documents = {"shop.json": fuzz_import.SWAGGER, "post.json": fuzz_import.OPENAPI, "tools.json": fuzz_import.MCP}
    for name, document in documents.items():
        put(tmp_path / "in", document, name)
    catalog = load(tmp_path / "in")
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write(load(tmp_path / "in"), tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    again = load(tmp_path / "a.jsonl.gz")
    assert again.digest == catalog.digest and list(again) == list(catalog)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 10**9))
def test_mutated_descriptions_never_break_the_importer(tmp_path: Path, number: int) -> None:
    random = Random(number)
    name, data = fuzz_import.mutated(random, OWN_SEEDS)
    assert fuzz_import.survive(tmp_path, name, data) in {"whole", "in part", "refused"}


OWN_SEEDS = [seed for seed in fuzz_import.seeds() if seed[0] != "real.json"]


# --- the verb


def run(*words: object) -> int:
    return cli.main([str(w) for w in words])


def test_the_verb_skips_what_is_broken_says_so_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out" / "c.jsonl.gz"
    assert run("catalog", "import", packed(tmp_path, "apis.zip"), "-o", target) == 1
    told = capsys.readouterr().err
    assert "skipped" in told and "broken.json" in told and "left aside 1 file" in told and "1 operation of 1 connector from 1 file, 1 skipped" in told
    assert list(load(target).operations) == ["shared_shop.Do"]
    assert run("catalog", "import", put(tmp_path, swagger({})), "-o", target, "--name", "shared_mine", "--json") == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["connectors"], row["operations"], row["reason"]) == (["shared_mine"], 1, "")
    assert run("catalog", "import", put(tmp_path, "{", "bad.json"), "-o", target) == 2
    assert run("catalog", "import", put(tmp_path, "{", "bad.json"), "-o", target, "--name", "no id") == 2


# --- beside the facts


@needs_shared
def test_real_connectors_agree_with_the_facts(capsys: pytest.CaptureFixture[str]) -> None:
    gathered, seconds = importing.measure(importing.FILES)
    assert len(gathered.reports) == 60 and all(r.operations or "no operation" in r.reason for r in gathered.reports)
    tallies = importing.Tallies(importing.Tally)
    for name, ours, facts in importing.pairs(gathered, importing.load_facts(importing.FACTS)):
        importing.compare(name, ours, facts, tallies)
    assert tallies["key"].compared > 7_000 and tallies["operation"].compared > 1_400
    shares = {name: 1 - len(t.differences) / t.compared for name, t in tallies.items()}
    assert min(shares[n] for n in ("operation", "key", "type", "required", "trigger or action")) >= 0.99
    assert seconds < float(os.environ.get("NL2DSL_IMPORT_SECONDS", "20"))


def test_the_benchmarks_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert importing.main(["--files", str(tmp_path / "absent.zip")]) == 0
    assert "skipped: needs" in capsys.readouterr().out
    document = swagger({"parameters": [{"name": "n", "in": "query", "type": "integer"}, {"name": "more", "in": "query"}]})
    put(tmp_path, document, "apis/certified-connectors/Shop/apiDefinition.swagger.json")
    known = [{"name": "n", "type": "string", "required": False}, {"name": "more", "type": "object", "required": False}]
    fact = {
        "connector": "repo:certified/Shop",
        "operation": "Do",
        "kind": "action",
        "flow_type": "OpenApiConnection",
        "returns_kind": None,
        "params": known,
    }
    (tmp_path / "facts.jsonl.gz").write_bytes(gzip.compress(json.dumps(fact).encode()))
    assert importing.main(["--files", str(tmp_path / "apis"), "--facts", str(tmp_path / "facts.jsonl.gz")]) == 0
    printed = capsys.readouterr().out
    assert "type: repo:certified/Shop Do n: importer 'integer', facts 'string'" in printed and "type: 1 explained: no type" in printed
    assert fuzz_import.main(["--count", "3", "--keep", str(tmp_path)]) == 0
    assert "crashed       0" in capsys.readouterr().out


def test_a_title_that_is_cut_at_a_space_reads_back_as_it_was_written(tmp_path: Path) -> None:
    spec = {"swagger": "2.0", "info": {"title": "Long"}, "paths": {"/a": {"get": {"operationId": "A", "summary": "word " * 60, "responses": {}}}}}
    (tmp_path / "long.json").write_text(json.dumps(spec))
    first = load(tmp_path / "long.json")
    write(first, tmp_path / "out.jsonl")
    assert load(tmp_path / "out.jsonl").digest == first.digest


KINDS = {
    "A": {"kind": {"const": "A"}, "size": {"type": "integer"}},
    "B": {"kind": {"const": "B"}, "size": {"type": "string", "x-ms-summary": "How big"}},
}


@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
def test_what_choices_say_of_one_key_is_what_any_of_them_says(tmp_path: Path, word: str) -> None:
    choices = [{"type": "object", "required": ["kind"], "properties": properties} for properties in KINDS.values()]
    found = keys(read(tmp_path, openapi({"requestBody": {"required": True, "content": {"application/json": {"schema": {word: choices}}}}})))
    assert (found["body/kind"].enum, found["body/kind"].required) == (("A", "B"), True)
    assert found["body/size"].type == "any"
    beside = {word: choices, "properties": {"kind": {"type": "string", "enum": ["C"]}}}
    found = keys(read(tmp_path, openapi({"requestBody": {"content": {"application/json": {"schema": beside}}}})))
    assert found["body/kind"].enum == ("C",)  # what stands beside the choices holds for all of them


@pytest.mark.parametrize(
    ("schema", "type"),
    [
        ({"contentMediaType": "application/octet-stream"}, "file"),
        ({"type": "string", "contentMediaType": "image/png"}, "file"),
        ({"type": ["string", "null"], "contentEncoding": "base64"}, "file"),
        ({"type": "string", "contentMediaType": "application/json"}, "string"),
        ({"type": "string", "contentMediaType": "text/html"}, "string"),
        ({"type": "object", "contentMediaType": "image/png"}, "object"),
    ],
)
def test_the_content_of_a_file_as_openapi_31_says_it(tmp_path: Path, schema: Json, type: str) -> None:
    form = {"multipart/form-data": {"schema": {"type": "object", "properties": {"it": schema}}}}
    assert keys(read(tmp_path, openapi({"requestBody": {"content": form}})))["it"].type == type


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("openapi: 3.0.0\npaths:\n\t/a: {}\n", ":3:1", "indent with spaces"),
        ("a: 1\n---\nb: 2\n", ":2:1", "a file of its own"),
        ("a: [1\nb: 2\n", ":2:2", "check the indentation"),
    ],
)
def test_yaml_that_cannot_be_read_is_refused_with_its_place_and_what_to_do(tmp_path: Path, text: str, place: str, hint: str) -> None:
    with pytest.raises(CatalogError, match=f"{place}: not YAML") as told:
        load(put(tmp_path, text, "shop.yaml"))
    assert hint in (told.value.hint or "")
