"""The catalog: what ships, what people bring, and what is found by words."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nl2dsl.catalog import build, build_routes, naming
from nl2dsl.catalog.model import Catalog, Connector, Operation, Output, Parameter, split_id
from nl2dsl.catalog.read import builtin, load, write
from nl2dsl.catalog.search import search
from nl2dsl.errors import CatalogError

SHARED = Path(os.environ.get("NL2DSL_SHARED") or Path(__file__).parents[2] / "shared")
needs_shared = pytest.mark.skipif(not (SHARED / "data" / "catalog").is_dir(), reason="needs the measuring data (NL2DSL_SHARED)")


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n", encoding="utf-8")
    return path


# --- what ships


def test_builtin_holds_every_operation_with_words_of_its_own() -> None:
    catalog = builtin()
    assert len(catalog) == 3194
    assert len(catalog.connectors) == 144
    assert not [o.id for o in catalog if not o.title or not o.summary or "\n" in o.title + o.summary]
    assert max(len(o.summary) for o in catalog) <= 160


def test_titles_are_unique_within_a_connector() -> None:
    counts = Counter((o.connector, o.title) for o in builtin())
    assert [key for key, n in counts.items() if n > 1] == []


def test_every_required_parameter_has_a_role_and_a_title() -> None:
    assert [(o.id, p.name) for o in builtin() for p in o.parameters if not p.title or (p.required and not p.role)] == []


def test_hidden_parameters_are_never_required() -> None:
    assert [(o.id, p.name) for o in builtin() for p in o.parameters if p.internal and p.required] == []


def test_schedule_keys_are_short() -> None:
    recurrence = builtin().operations["commonTrigger.Recurrence"]
    assert [p.name for p in recurrence.parameters if p.required] == ["frequency", "interval"]
    assert {"timeZone", "startTime", "hours", "minutes", "weekDays", "monthDays"} <= {p.name for p in recurrence.parameters}
    assert recurrence.kind == "trigger" and recurrence.definition_type == "Recurrence" and recurrence.flow_type == ""


def test_words_of_the_language_are_not_callable() -> None:
    catalog = builtin()
    assert all(catalog.operations[f"builtin.{name}"].internal for name in build.CONTROL)
    assert not catalog.operations["builtin.Compose"].internal


def test_likely_ids_are_marked_unverified() -> None:
    catalog = builtin()
    assert sum(not o.verified for o in catalog) == 3194 - 2861
    assert not catalog.operations["shared_github.GetPullRequests"].verified


def test_an_open_object_accepts_children() -> None:
    post = builtin().operations["shared_sharepointonline.PostItem"]
    parameter = post.parameter("item/Title")
    assert parameter is not None and parameter.name == "item" and parameter.open
    assert post.parameter("dataset/x") is None


def test_items_of_a_list_are_named_below_it() -> None:
    catalog = builtin()
    assert {"value", "value/title"} <= {o.name for o in catalog.operations["shared_planner.ListTasks_V3"].outputs}
    whole = catalog.operations["shared_todo.ListToDosByFolderV2"].outputs
    assert whole[0] == Output("", "list_of_items", "array") and "/title" in {o.name for o in whole}
    assert "value" not in {o.name for o in catalog.operations["shared_office365.OnNewEmailV3"].outputs}


def test_nearest_names_stay_in_the_connector() -> None:
    assert builtin().nearest("shared_office365.SendEmail_V2")[0] == "shared_office365.SendEmailV2"
    assert builtin().nearest("shared_offic365.SendEmailV2")[0] == "shared_office365.SendEmailV2"


def test_builtin_opens_fast() -> None:
    code = "import time; from nl2dsl.catalog.read import builtin; t = time.process_time(); builtin(); print(time.process_time() - t)"
    seconds = min(float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(3))
    assert seconds < 0.2  # of the processor: whatever else the machine does


def test_digest_is_of_the_content_and_not_of_the_order() -> None:
    a, b = Operation("shared_x", "A", "action", title="A"), Operation("shared_x", "B", "trigger", title="B")
    assert Catalog([a, b]).digest == Catalog([b, a]).digest
    assert Catalog([a, b]).digest != Catalog([a, replace(b, title="C")]).digest
    assert Catalog([a]).digest != Catalog([a], [Connector("shared_x", "X")]).digest
    start = time.process_time()
    assert len(builtin().digest) == 64
    assert time.process_time() - start < 0.5


# --- what people bring


@pytest.mark.parametrize("name", ["catalog.jsonl", "catalog.jsonl.gz"])
def test_a_written_catalog_reads_back_with_the_same_digest(tmp_path: Path, name: str) -> None:
    write(builtin(), tmp_path / name)
    again = load([tmp_path / name])
    assert again.warnings == ()
    assert again.digest == builtin().digest
    assert again.operations["shared_office365.SendEmailV2"] == builtin().operations["shared_office365.SendEmailV2"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    catalog = Catalog([Operation("shared_x", "A", "action")])
    write(catalog, tmp_path / "a.jsonl.gz")
    write(catalog, tmp_path / "b.jsonl.gz")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_lines_with_an_id_and_a_description_are_enough(tmp_path: Path) -> None:
    catalog = load(
        [
            lines(
                tmp_path / "own.jsonl",
                {"id": "crm.OnDealWon", "description": "Fires when a deal is won. It polls every minute."},
                {"id": "crm.CloseDeal", "description": "closes a deal"},
                {"id": "Some Op/1.0", "description": "Does something"},
                {"id": "plain"},
            )
        ]
    )
    assert catalog.warnings == ()
    assert catalog.operations["crm.OnDealWon"].kind == "trigger"
    assert catalog.operations["crm.OnDealWon"].summary == "Fires when a deal is won"
    assert catalog.operations["crm.CloseDeal"].kind == "action"  # the list knows a trigger
    assert catalog.operations["crm.CloseDeal"].title == "Close a deal"
    assert (catalog.operations["Some Op/1.0"].connector, catalog.operations["Some Op/1.0"].name) == ("", "Some Op/1.0")
    assert catalog.operations["plain"].connector == ""


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("When a row is added", "trigger"),
        ("Triggered by a new file", "trigger"),
        ("This poller watches a mailbox", "trigger"),
        ("Starts when an order arrives", "trigger"),
        ("Listens for webhook calls", "trigger"),
        ("Sends an email", "any"),
        ("Deletes a row when asked", "any"),
        ("On new mail", "trigger"),
        ("Event: a new tender", "trigger"),
        ("polling trigger, every minute", "trigger"),
        ("Runs on a schedule", "trigger"),
        ("Triggers on each new row", "trigger"),
        ("Triggers a build", "any"),
        ("One-hot encodes columns", "any"),
        ("one more security lane", "any"),
        ("Online payment of an invoice", "any"),
        ("Trigger emergency stop of a machine", "any"),
        ("Schedule Change: set planned start and end", "any"),
    ],
)
def test_kind_is_guessed_from_words(description: str, kind: str) -> None:
    assert naming.kind_of("x.Do", description) == kind


@pytest.mark.parametrize(
    ("id", "kind"),
    [
        ("aws.events.object_created", "trigger"), ("gcal.event.new", "trigger"), ("crm.OnDealWon", "trigger"), ("mail.new_mail_trigger", "trigger"),
        ("leave_requested", "trigger"), ("onMachineFault", "trigger"), ("git.on-pr-merged", "trigger"), ("ReviewPosted", "trigger"),
        ("mark_resolved", "any"), ("news_feed", "any"), ("gcal.event.create", "any"), ("google_calendar_list_events_today", "any"), ("calendar.get_event_information_by_id", "any"), ("x.Online_status", "any"),
    ],
)  # fmt: skip
def test_kind_is_guessed_from_the_name(id: str, kind: str) -> None:
    assert naming.kind_of(id, "") == kind


def test_optional_keys_of_a_line_are_kept(tmp_path: Path) -> None:
    row = {
        "id": "crm.Add",
        "description": "adds",
        "kind": "action",
        "title": "Add a deal",
        "parameters": [{"name": "body/amount", "type": "number", "required": True}, "note", {"name": "stage", "enum": ["won", "lost"]}],
    }
    operation = load(lines(tmp_path / "a.jsonl", row)).operations["crm.Add"]
    assert operation.title == "Add a deal" and operation.kind == "action"
    assert operation.parameters[0] == Parameter("body/amount", "number", True, "Amount", role="number")
    assert operation.parameters[1].title == "Note"
    assert operation.parameters[2].enum == ("won", "lost") and operation.parameters[2].role == "choice"


def test_parameters_may_be_a_json_schema(tmp_path: Path) -> None:
    row = {"id": "t.x", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}}
    a, b = load(lines(tmp_path / "a.jsonl", row)).operations["t.x"].parameters
    assert (a.name, a.type, a.required, b.required) == ("a", "integer", True, False)


def test_a_broken_line_is_left_out_and_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "own.jsonl", {"id": "a.b"}, "{not json", {"name": "no id"}, [1], {"id": 'q"uote'}, {"id": "a.c", "kind": "verb"})
    catalog = load([path])
    assert list(catalog.operations) == ["a.b"]
    assert [w.split(": ")[0] for w in catalog.warnings] == [f"{path}:{n}" for n in range(2, 7)]


def test_a_repeated_id_counts_once_and_is_told(tmp_path: Path) -> None:
    catalog = load(lines(tmp_path / "a.jsonl", {"id": "a.b", "title": "first"}, {"id": "a.b", "title": "last"}))
    assert catalog.operations["a.b"].title == "last" and "twice" in catalog.warnings[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jsonl", b"", "empty"),
        ("words.jsonl", b"hello\nworld\n", ":1: not JSON"),
        ("number.json", b"42", "not a catalog"),
        ("cut.jsonl.gz", gzip.compress(b'{"id":"a.b"}\n')[:-9], "cannot be read"),
        ("open.json", b'{\n "swagger": "2.0",\n "paths": {\n', "not JSON"),
        ("nothing.json", b'{"swagger": "2.0", "paths": {}}', "no operation"),
        ("bad.json", b'{"swagger": "2.0", "paths": 3}', "no `paths`"),
    ],
)
def test_a_file_that_is_no_catalog_raises_with_its_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=words) as raised:
        load([path])
    assert name in str(raised.value) and raised.value.hint


def test_a_missing_file_raises_and_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no such file") as raised:
        load([tmp_path / "absent.jsonl"])
    assert raised.value.hint


def test_a_folder_is_read_whole_and_strangers_in_it_are_told(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", {"id": "a.x"})
    (tmp_path / "deep").mkdir()
    lines(tmp_path / "deep" / "b.jsonl", {"id": "b.x"})
    (tmp_path / "package.json").write_text('{"version": 1}')
    (tmp_path / "readme.txt").write_text("no catalog")
    catalog = load([tmp_path])
    assert list(catalog.operations) == ["a.x", "b.x"] and len(catalog.warnings) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match="no catalog file"):
        load([tmp_path / "empty"])


def test_own_entries_win_over_the_builtin_ones(tmp_path: Path) -> None:
    path = lines(tmp_path / "own.jsonl", {"id": "shared_office365.SendEmailV2", "title": "Ours"}, {"id": "ours.New"})
    catalog = load([path], with_builtin=True)
    assert len(catalog) == len(builtin()) + 1
    assert catalog.operations["shared_office365.SendEmailV2"].title == "Ours"
    assert builtin().operations["shared_office365.SendEmailV2"].title != "Ours"
    assert catalog.digest != builtin().digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=6), v, max_size=3),
    max_leaves=6,
)
row_keys = st.sampled_from(
    ["id", "description", "kind", "title", "parameters", "outputs", "connector", "nicknames", "flow_type", "paths", "swagger", "verified"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(row_keys, json_values, max_size=5) | st.text(max_size=20), min_size=1, max_size=3))
def test_no_input_crashes_the_reader(tmp_path: Path, rows: list[object]) -> None:
    try:
        catalog = load(lines(tmp_path / "any.jsonl", *rows))
    except CatalogError:
        return
    write(catalog, tmp_path / "again.jsonl")
    assert load(tmp_path / "again.jsonl").digest == catalog.digest


def test_ids_split_at_the_first_dot_after_an_identifier() -> None:
    assert split_id("shared_service-now.GetRecords") == ("shared_service-now", "GetRecords")
    assert split_id("shared_x.list.users") == ("shared_x", "list.users")
    assert split_id("Some Op/1.0") == ("", "Some Op/1.0")
    assert split_id("3d.Print") == ("", "3d.Print")


# --- OpenAPI

SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Shop"},
    "definitions": {
        "Node": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/definitions/Node"}}},
        "Order": {
            "type": "object",
            "required": ["customer", "secret"],
            "properties": {
                "id": {"type": "string", "readOnly": True},
                "customer": {
                    "type": "object",
                    "required": ["email"],
                    "properties": {"email": {"type": "string", "format": "email"}, "name": {"type": "string"}},
                },
                "lines": {"type": "array", "items": {"type": "object"}},
                "priority": {"type": "string", "enum": ["low", "high"], "default": "low"},
                "secret": {"type": "string", "x-ms-visibility": "Internal"},
            },
        },
    },
    "paths": {
        "/orders": {
            "post": {
                "operationId": "PostOrder",
                "parameters": [
                    {"name": "order", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Order"}},
                    {"name": "dry run", "in": "query", "type": "boolean"},
                ],
                "responses": {"200": {"schema": {"$ref": "#/definitions/Order"}}},
            },
            "get": {
                "operationId": "OnNewOrder",
                "x-ms-trigger": "batch",
                "summary": "When an order comes in",
                "description": "Fires on each order. Polls.",
                "responses": {
                    "200": {"schema": {"type": "object", "properties": {"value": {"type": "array", "items": {"$ref": "#/definitions/Order"}}}}}
                },
            },
        },
        "/hook": {
            "x-ms-notification-content": {"schema": {"type": "object", "properties": {"orderId": {"type": "string"}}}},
            "post": {
                "operationId": "OnPaid",
                "x-ms-trigger": "single",
                "deprecated": True,
                "parameters": [
                    {
                        "name": "body",
                        "in": "body",
                        "schema": {"properties": {"url": {"type": "string", "x-ms-notification-url": True, "x-ms-visibility": "internal"}}},
                    }
                ],
                "responses": {},
            },
        },
        "/rows/{t}": {
            "parameters": [{"name": "t", "in": "path", "required": True, "type": "string"}],
            "put": {
                "operationId": "PutRow",
                "parameters": [
                    {"name": "item", "in": "body", "required": True, "schema": {"type": "object", "x-ms-dynamic-schema": {"operationId": "S"}}}
                ],
                "responses": {},
            },
            "patch": {
                "operationId": "PatchNode",
                "parameters": [{"name": "node", "in": "body", "schema": {"$ref": "#/definitions/Node"}}],
                "responses": {},
            },
        },
    },
}


def test_a_swagger_body_is_flattened_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text("\ufeff" + json.dumps(SWAGGER, indent=1), encoding="utf-8")
    operation = load(path).operations["shared_shop.PostOrder"]
    found = {p.name: p for p in operation.parameters}
    assert list(found) == ["order/customer/email", "order/customer/name", "order/lines", "order/priority", "order/secret", "dry run"]
    assert found["order/customer/email"].required and found["order/customer/email"].role == "person_email"
    assert not found["order/customer/name"].required
    assert found["order/lines"].type == "array"
    assert found["order/priority"].enum == ("low", "high") and found["order/priority"].default == "low"
    assert found["order/secret"].internal and not found["order/secret"].required
    assert operation.title == "Post an order" and operation.kind == "action"


def test_swagger_triggers_webhooks_and_run_time_schemas(tmp_path: Path) -> None:
    path = tmp_path / "Shop" / "apiDefinition.swagger.json"
    path.parent.mkdir()
    path.write_text(json.dumps(SWAGGER).replace("}}", "},}", 1))
    catalog = load(path)
    poll, hook = catalog.operations["shared_shop.OnNewOrder"], catalog.operations["shared_shop.OnPaid"]
    assert (poll.kind, poll.batch, poll.title, poll.summary) == ("trigger", True, "When an order comes in", "fires on each order")
    assert "customer/email" in {o.name for o in poll.outputs}
    assert hook.flow_type == "OpenApiConnectionWebhook" and hook.deprecated and hook.outputs[0].name == "orderId"
    assert catalog.operations["shared_shop.PutRow"].parameters == (
        Parameter("t", required=True, title="T", place="path"),
        Parameter("item", "object", True, "Item", open=True, dynamic=("schema",)),
    )
    assert len(catalog.operations["shared_shop.PatchNode"].parameters) < 20  # a circular schema ends


def test_openapi_3_json_and_forms(tmp_path: Path) -> None:
    body = {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}, "when": {"type": "string", "format": "date-time"}}}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "Post"},
        "paths": {
            "/send": {"post": {"operationId": "Send", "requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}},
            "/form": {"post": {"requestBody": {"content": {"multipart/form-data": {"schema": body}}}}},
            "/list": {"get": {"operationId": "ListAll", "parameters": [{"name": "n", "in": "query", "schema": {"type": "integer"}}]}},
        },
    }
    path = tmp_path / "post.json"
    path.write_text(json.dumps(document))
    catalog = load(path)
    assert [(p.name, p.required) for p in catalog.operations["shared_post.Send"].parameters] == [("body/to", True), ("body/when", False)]
    assert [p.name for p in catalog.operations["shared_post.postForm"].parameters] == ["to", "when"]
    assert catalog.operations["shared_post.ListAll"].parameters[0].type == "integer"
    assert "no operationId" in catalog.warnings[0]


def test_yaml_is_read_where_pyyaml_is_installed(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text("openapi: 3.0.0\ninfo: {title: Shop}\npaths:\n  /a:\n    get: {operationId: GetA}\n")
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
    except ImportError:
        with pytest.raises(CatalogError, match="pyyaml"):
            load(path)
        return
    assert list(load(path).operations) == ["shared_shop.GetA"]
    path.write_text("openapi: [3\npaths: {")
    with pytest.raises(CatalogError, match="not YAML"):
        load(path)


# --- words


@pytest.mark.parametrize(
    ("id", "kind", "title"),
    [
        ("GetFileMetadata", "action", "Get file metadata"),
        ("CreateContact", "action", "Create a contact"),
        ("PatchItem_V2", "action", "Update an item (V2)"),
        ("AddMemberToChat", "action", "Add a member to a chat"),
        ("OnNewTicket", "trigger", "When a new ticket is created"),
        ("GetOnUpdatedItemsV2", "trigger", "When items are updated (V2)"),
        ("OnIssueCreated", "trigger", "When an issue is created"),
        ("ConvertPdfToJpg", "action", "Convert a PDF to a JPG"),
        ("SwapShiftsChangeRequestApprove", "action", "Approve a swap shifts change request"),
        ("list_users", "action", "List users"),
    ],
)
def test_titles_are_made_from_ids(id: str, kind: str, title: str) -> None:
    assert naming.title_of(id, kind) == title


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("emailMessage/To", "To"),
        ("body/recipient/channelId", "Channel"),
        ("body/planId", "Plan"),
        ("$filter", "Filter"),
        ("item/Status/Value", "Status"),
        ("startTime", "Start time"),
    ],
)
def test_parameter_titles_are_readable(key: str, title: str) -> None:
    assert naming.parameter_title(key) == title


@pytest.mark.parametrize(
    ("key", "type", "role"),
    [
        ("emailMessage/To", "string", "person_email"),
        ("subject", "string", "title"),
        ("comment", "string", "text"),
        ("fileContent", "string", "file_content"),
        ("webUrl", "string", "url"),
        ("ticketId", "string", "record_id"),
        ("dueDate", "string", "date_time"),
        ("folderPath", "string", "folder_path"),
        ("isPublic", "boolean", "boolean"),
        ("labels", "array", "list_of_items"),
        ("xyzzy", "string", ""),
    ],
)
def test_roles_are_guessed_from_names(key: str, type: str, role: str) -> None:
    assert naming.role_of(key, type) == role


@pytest.mark.parametrize(
    ("words", "id"),
    [
        ("send an email outlook", "shared_office365.SendEmailV2"),
        ("post message teams", "shared_teams.PostMessageToConversation"),
        ("create sharepoint item", "shared_sharepointonline.PostItem"),
        ("trello create card", "shared_trello.CreateCard"),
        ("schedule", "commonTrigger.Recurrence"),
        ("creat plannr task", "shared_planner.CreateTask_V4"),
    ],
)
def test_search_finds_the_operation_people_mean(words: str, id: str) -> None:
    assert id in [o.id for o in search(builtin(), words, 5)]


def test_search_never_shows_hidden_operations_and_survives_anything() -> None:
    assert not [o for o in search(builtin(), "get metadata schema", 50) if o.internal]
    assert search(builtin(), "", 5) == [] and search(builtin(), "???", 5) == []
    assert all(o.kind == "trigger" for o in search(builtin(), "new email", 5, kind="trigger"))


# --- the build


@needs_shared
def test_the_shipped_lists_are_what_the_build_makes() -> None:
    operations = build_routes._lines(str(SHARED / "data" / "catalog" / "facts.jsonl.gz"))
    assert build_routes.splits(operations) == json.loads(build_routes._SPLITS.read_text())


@needs_shared
def test_the_shipped_file_is_what_the_build_makes(tmp_path: Path) -> None:
    titles = Path(__file__).parents[1] / build.TITLES
    connectors, operations = build.build(SHARED / "data" / "catalog", SHARED / "data" / "wording", titles)
    build.write_builtin(connectors, operations, tmp_path / "builtin.jsonl.gz")
    assert (tmp_path / "builtin.jsonl.gz").read_bytes() == build.BUILTIN.read_bytes()


def test_titles_written_by_hand_are_of_known_operations() -> None:
    rows = build.read_rows(Path(__file__).parents[1] / build.TITLES)
    assert len(rows) >= 250
    assert [r["operation"] for r in rows if r["operation"] not in builtin()] == []


def test_a_list_that_knows_triggers_means_actions_by_the_rest(tmp_path: Path) -> None:
    rows = [
        {"id": "mail-new", "description": "When a mail arrives"},
        {"id": "mail-send", "description": "Send a mail"},
        {"id": "free", "kind": "any"},
    ]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert {o.id: o.kind for o in load(path)} == {"mail-new": "trigger", "mail-send": "action", "free": "any"}
    path.write_text("".join(json.dumps(r) + "\n" for r in rows[1:]))
    assert {o.id: o.kind for o in load(path)} == {"mail-send": "any", "free": "any"}
