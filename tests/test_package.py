"""Packages, Logic Apps and templates: what is written has the structure of real exports, what is read loses nothing, and bad files say what is wrong."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.catalog.routes import Route, route_of
from nl2dsl.dsl import archive, carrying, checker, definition, flowfiles, logic_app, package
from nl2dsl.dsl.logic_app import as_expression, placed
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import Flow, calls
from nl2dsl.errors import UsageError

FLOW = """\
@@name("Overdue invoices")

// every Monday
triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Week", "interval": 1 });
outputs_Rows = shared_sharepointonline.GetItems({ "dataset": "https://contoso.example/sites/pay", "table": "Invoices", "$top": 5 });
for (item of outputs_Rows.body.value) {
  @connection("shared_office365_1")
  outputs_Mail = shared_office365.SendEmailV2({ "emailMessage/To": item.Owner, "emailMessage/Body": `Pay ${item.Title} now` });
}
outputs_Copy = shared_office365.SendEmailV2({ "emailMessage/To": "boss@contoso.example", "emailMessage/Subject": "Done" });
"""
NO_CONNECTION = """\
triggerOutputs = await commonTrigger.manual({});
outputs_builtin_Compose = builtin.Compose({ "inputs": "x" });
"""
REFERENCES = ("shared_sharepointonline", "shared_office365_1", "shared_office365")


def flow(text: str) -> Flow:
    tree, found = parse(text)
    assert tree is not None, found
    return tree


def packaged(text: str = FLOW, **options: str) -> bytes:
    data, found = package.write(flow(text), read.builtin(), **options)
    assert not found
    return data


def files(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: json.loads(opened.read(name)) for name in opened.namelist()}


def by_name(data: bytes) -> dict[str, Any]:
    return {name.rpartition("/")[2]: value for name, value in files(data).items() if name != "manifest.json"} | {
        "package": files(data)["manifest.json"]
    }


def zipped(members: dict[str, Any], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as opened:
        for name, value in members.items():
            opened.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return stream.getvalue()


def texts_of(data: bytes, where: str = "x") -> list[str]:
    return [unparse(carrying.flow_of(found)) for found in flowfiles.find(data, where)]


def compiled(text: str) -> dict[str, Any]:
    return definition.compile(flow(text), read.builtin())


# --- packages: the structure of real exports


def test_a_package_has_the_files_of_an_export() -> None:
    made = files(packaged())
    asset = made["Microsoft.Flow/flows/manifest.json"]["flowAssets"]["assetPaths"][0]
    folder = f"Microsoft.Flow/flows/{asset}"
    assert set(made) == {
        "manifest.json",
        "Microsoft.Flow/flows/manifest.json",
        *(f"{folder}/{name}.json" for name in ("definition", "apisMap", "connectionsMap")),
    }
    assert made["Microsoft.Flow/flows/manifest.json"] == {"packageSchemaVersion": "1.0", "flowAssets": {"assetPaths": [asset]}}
    assert str(uuid.UUID(asset)) == asset


def test_the_manifest_has_the_keys_of_an_export() -> None:
    manifest = by_name(packaged())["package"]
    assert list(manifest) == ["schema", "details", "resources"]
    assert list(manifest["details"]) == ["displayName", "description", "createdTime", "packageTelemetryId", "creator", "sourceEnvironment"]
    keys = {
        "Microsoft.Flow/flows": ["type", "suggestedCreationType", "creationType", "details", "configurableBy", "hierarchy", "dependsOn"],
        "Microsoft.PowerApps/apis": ["id", "name", "type", "suggestedCreationType", "details", "configurableBy", "hierarchy", "dependsOn"],
        "Microsoft.PowerApps/apis/connections": [
            "type",
            "suggestedCreationType",
            "creationType",
            "details",
            "configurableBy",
            "hierarchy",
            "dependsOn",
        ],
    }
    kinds = [resource["type"] for resource in manifest["resources"].values()]
    assert [kinds.count(kind) for kind in keys] == [1, 2, 3]
    for resource in manifest["resources"].values():
        assert list(resource) == keys[resource["type"]]
        assert set(resource["details"]) == ({"displayName"} if resource["type"] == "Microsoft.Flow/flows" else {"displayName", "iconUri"})


def test_ids_lead_from_the_flow_to_its_apis_and_connections() -> None:
    made = by_name(packaged())
    resources, asset = made["package"]["resources"], made["manifest.json"]["flowAssets"]["assetPaths"][0]
    assert list(made["apisMap.json"]) == list(made["connectionsMap.json"]) == list(made["definition.json"]["properties"]["connectionReferences"])
    for key in REFERENCES:
        api, connection = made["apisMap.json"][key], made["connectionsMap.json"][key]
        reference = made["definition.json"]["properties"]["connectionReferences"][key]
        assert resources[api]["id"] == reference["id"]
        assert reference["id"] == f"/providers/Microsoft.PowerApps/apis/{resources[api]['name']}"
        assert resources[connection]["dependsOn"] == [api]
    depends = resources[asset]["dependsOn"]
    assert len(depends) == len(set(depends)) == 5
    assert set(depends) == set(resources) - {asset}
    assert resources[asset]["type"] == "Microsoft.Flow/flows"


def test_the_definition_file_has_the_keys_of_an_export() -> None:
    made = by_name(packaged())["definition.json"]
    assert list(made) == ["name", "id", "type", "properties"]
    assert made["id"] == f"/providers/Microsoft.Flow/flows/{made['name']}"
    wanted = ["apiId", "displayName", "definition", "connectionReferences", "flowFailureAlertSubscribed", "isManaged"]
    assert list(made["properties"]) == wanted
    assert made["properties"]["displayName"] == "Overdue invoices"
    assert made["properties"]["definition"] == compiled(FLOW)


def test_references_are_complete_and_of_their_form() -> None:
    references = by_name(packaged())["definition.json"]["properties"]["connectionReferences"]
    assert set(references) == set(REFERENCES)
    for key, reference in references.items():
        assert list(reference) == ["connectionName", "source", "id", "tier"]
        assert reference["connectionName"] != key
    assert len({reference["connectionName"] for reference in references.values()}) == 3


def test_a_flow_without_connections_has_no_maps() -> None:
    made = by_name(packaged(NO_CONNECTION))
    assert set(made) == {"package", "manifest.json", "definition.json"}
    assert next(iter(made["package"]["resources"].values()))["dependsOn"] == []


def test_operations_of_ai_builder_go_by_the_connection_of_dataverse() -> None:
    text = NO_CONNECTION + 'outputs_a = aibuilder.aibuilderpredict_customprompt({ "recordId": "x" });\n'
    references = by_name(packaged(text))["definition.json"]["properties"]["connectionReferences"]
    assert references["shared_commondataserviceforapps"]["id"] == "/providers/Microsoft.PowerApps/apis/shared_commondataserviceforapps"


def test_the_same_flow_gives_the_same_bytes_and_another_seed_other_ids() -> None:
    assert packaged() == packaged()
    one, other = by_name(packaged(seed="a")), by_name(packaged(seed="b"))
    assert by_name(packaged(seed="a")) == one
    assert set(one["package"]["resources"]).isdisjoint(other["package"]["resources"])
    assert one["definition.json"]["properties"] == other["definition.json"]["properties"]


def test_a_name_is_used_where_the_flow_has_none() -> None:
    assert by_name(packaged(NO_CONNECTION, name="Mine"))["package"]["details"]["displayName"] == "Mine"
    assert by_name(packaged(FLOW, name="Mine"))["package"]["details"]["displayName"] == "Overdue invoices"


@pytest.mark.parametrize("name", ["Overdue invoices", 'Überfällig: 3 % "neu"'])
def test_a_package_comes_back_as_the_flow_it_was_made_of(name: str) -> None:
    text = FLOW.replace("Overdue invoices", name.replace('"', '\\"'))
    (found,) = flowfiles.find(packaged(text), "x")
    tree = carrying.flow_of(found)
    assert found.name == name
    assert definition.compile(tree, read.builtin()) == compiled(FLOW)
    assert not {"references", "around"} & {a.name for a in tree.annotations}


def test_one_key_for_two_apis_is_an_error() -> None:
    data, found = package.write(flow(FLOW.replace('"shared_office365_1"', '"shared_sharepointonline"')), read.builtin())
    assert data == b""
    assert [d.code for d in found] == ["T702"]
    assert found[0].span.line == 8


def test_a_package_needs_one_trigger() -> None:
    assert [d.code for d in package.write(flow("@@triggers(null)\n\n" + NO_CONNECTION), read.builtin())[1]] == ["T705"]


def test_a_called_flow_is_told() -> None:
    text = NO_CONNECTION + 'builtin.Workflow({ "host/workflowReferenceName": "4b2c1d5e-0000-4000-8000-000000000001" });\n'
    data, found = package.write(flow(text), read.builtin())
    assert data
    assert [(d.code, d.severity) for d in found] == [("T706", "warning")]


# --- solutions, Logic Apps, templates: everything is read, nothing is lost

SOLUTION_REFERENCE = {
    "runtimeSource": "invoker",
    "connection": {"connectionReferenceLogicalName": "new_sharedoffice365_a1"},
    "api": {"name": "shared_office365"},
}


def clientdata(**properties: Any) -> dict[str, Any]:
    references = {"shared_office365": SOLUTION_REFERENCE}
    return {"properties": {"connectionReferences": references, "definition": compiled(FLOW), **properties}, "schemaVersion": "1.0.0.0"}


def test_a_solution_keeps_its_references_and_names_its_flows_after_their_files() -> None:
    name = "Workflows/Overduebills-D64EC066-C48C-EF11-8A69-7C1E5206606D.json"
    (found,) = flowfiles.find(zipped({"solution.xml": b"<x/>", name: clientdata(templateName="", summary="all bills")}), "s.zip")
    assert found.name == "Overduebills"
    assert found.connections == {"shared_office365": SOLUTION_REFERENCE}
    assert found.around == {"properties": {"summary": "all bills"}}
    tree = carrying.flow_of(found)
    assert flow(unparse(tree)) == tree
    made = by_name(package.write(tree, read.builtin())[0])["definition.json"]["properties"]
    assert made["summary"] == "all bills"
    assert made["connectionReferences"]["shared_office365"]["source"] == "Invoker"


def test_references_of_a_package_come_back_unchanged() -> None:
    own = {
        "connectionName": "3c98a7f6391549e89bb9a2996b0cc3db",
        "source": "Invoker",
        "id": "/providers/Microsoft.PowerApps/apis/shared_office365",
        "tier": "x",
    }
    document = {"type": "Microsoft.Flow/flows", "name": "a", "id": "b", "properties": {"connectionReferences": {"shared_office365": own}}}
    document["properties"]["definition"] = compiled(FLOW)  # type: ignore[index]
    tree = carrying.flow_of(flowfiles.find(json.dumps(document).encode(), "x.json")[0])
    assert by_name(package.write(tree, read.builtin())[0])["definition.json"]["properties"]["connectionReferences"]["shared_office365"] == own


STRANGERS = """\
await shared_ourown.OnThing({});
shared_office365.SendEmailV2({ "emailMessage/To": "a@b.c", "emailMessage/Subject": "s", "emailMessage/Body": "b", "emailMessage/Mood": "good" });
parallel {
  { if (1 == 2) { builtin.Workflow({ "host/triggerName": "manual", "host/workflow": { "id": "/workflows/x" } }); } }
  { switch (1) { case 1: { shared_commondataservice.Nothing({}); } default: { serviceprovider_ours.Do({}); } } }
}
try { for (item of [1]) { builtin.Delay({ "interval/count": 1, "interval/unit": "Minute" }); } } catch { shared_ourown.Get({}); }
"""


def test_calls_that_the_catalog_does_not_know_say_their_type_and_are_passed_on() -> None:
    source = compiled(STRANGERS)
    tree = carrying.flow_of(flowfiles.Found(source, "x"), read.builtin())
    kinds = [next((a.arguments[0].value for a in call.annotations if a.name == "type"), "") for call in calls(tree)]
    plain = "OpenApiConnection"
    assert kinds == [plain, plain, "Workflow", plain, "ServiceProvider", "", plain]
    again = flow(unparse(tree))
    assert again == tree and definition.compile(again, read.builtin()) == source
    assert not [d for d in checker.check(again, read.builtin()) if d.severity == "error"]
    assert carrying.flow_of(flowfiles.Found(definition.compile(again, read.builtin()), "x"), read.builtin()) == tree


def test_a_trigger_that_the_language_has_no_words_for_is_passed_on() -> None:
    trigger = {"type": "Batch", "inputs": {"mode": "Inline", "configurations": {}}}
    tree = carrying.flow_of(flowfiles.Found({"triggers": {"Batch": trigger}, "actions": {}}, "x"))
    assert not [d for d in checker.check(flow(unparse(tree)), read.builtin()) if d.severity == "error"]
    assert definition.compile(tree, read.builtin())["triggers"] == {"Batch": trigger}
    assert carrying.flow_of(flowfiles.Found({"triggers": {"t": {"inputs": {}}}, "actions": {}}, "x")).trigger.operation == "Opaque"


@pytest.mark.parametrize(
    "wrap", [lambda d: d, lambda d: {"definition": d}, lambda d: {"properties": {"definition": d}}, lambda d: [{"definition": d}]]
)
def test_a_definition_is_found_wherever_it_lies(wrap: Any) -> None:
    assert texts_of(json.dumps(wrap(compiled(NO_CONNECTION))).encode()) == [NO_CONNECTION]


def test_a_row_of_the_table_of_solutions_holds_its_flow_as_text() -> None:
    row = {"name": "Bills", "clientdata": json.dumps(clientdata())}
    assert flowfiles.find(json.dumps({"value": [row, row]}).encode(), "rows.json")[1].name == "Bills"


def workflow(name: str, text: str = NO_CONNECTION, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Microsoft.Logic/workflows",
        "apiVersion": "2019-05-01",
        "name": name,
        "location": "[resourceGroup().location]",
        "properties": {"state": "Enabled", "definition": compiled(text), **properties},
    }


def template(*resources: Any, **others: Any) -> bytes:
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    return json.dumps({"$schema": schema, "contentVersion": "1.0.0.0", "resources": list(resources), **others}).encode()


def test_every_workflow_of_a_template_is_read_and_the_rest_is_told() -> None:
    connection = {"type": "Microsoft.Web/connections", "name": "office365"}
    nested = {"type": "Microsoft.Resources/deployments", "name": "d", "properties": {"template": {"resources": [workflow("inner")]}}}
    found = flowfiles.find(template(workflow("[parameters('name')]"), connection, nested), "t.json")
    assert [f.name for f in found] == ["[parameters('name')]", "inner"]
    assert found[0].around["location"] == "[resourceGroup().location]"
    assert found[0].around["properties"] == {"state": "Enabled"}
    assert found[0].left_out == ("Microsoft.Web/connections office365", "Microsoft.Resources/deployments d")
    assert found[1].left_out == ()


def test_resources_with_symbolic_names_are_read() -> None:
    text = json.dumps({"languageVersion": "2.0", "resources": {"flow": workflow("a")}}).encode()
    assert [f.name for f in flowfiles.find(text, "t.json")] == ["a"]


def test_expressions_of_a_template_pass_through() -> None:
    source = NO_CONNECTION.replace('"x"', "\"[parameters('mail')]\"")
    (text,) = texts_of(template(workflow("a", source)))
    assert compiled(text) == compiled(source)


def test_a_logic_app_comes_back_with_its_connections_and_parameters() -> None:
    connections = {
        "office365": {"connectionId": "/subscriptions/1/x", "connectionName": "office365-7", "id": "/subscriptions/1/managedApis/office365"}
    }
    document = {"definition": compiled(NO_CONNECTION), "parameters": {"$connections": {"value": connections}, "limit": {"value": 7}}}
    (found,) = flowfiles.find(json.dumps(document).encode(), "la.json")
    assert found.connections == connections
    again, _ = logic_app.write(carrying.flow_of(found), read.builtin())
    assert again["parameters"] == {"$connections": {"value": connections}, "limit": {"value": 7}}


def test_the_kind_of_a_standard_workflow_comes_back() -> None:
    (found,) = flowfiles.find(json.dumps({"definition": compiled(NO_CONNECTION), "kind": "Stateful"}).encode(), "workflow.json")
    assert logic_app.write(carrying.flow_of(found), read.builtin())[0]["kind"] == "Stateful"


def test_archives_in_archives_are_read() -> None:
    assert [f.name for f in flowfiles.find(zipped({"inner/app.zip": packaged(), "readme.txt": b"hello"}), "x")] == ["Overdue invoices"]


def test_several_flows_get_files_of_their_own() -> None:
    found = flowfiles.find(template(workflow("Bills / 2026"), workflow("bills _2026"), workflow("../../etc/passwd"), workflow("")), "t.json")
    assert list(carrying.file_names(found))[:3] == ["Bills_2026.flow", "bills_2026_2.flow", "etc_passwd.flow"]
    assert all("/" not in name and name.endswith(".flow") for name in carrying.file_names(found))


# --- Logic Apps: calls by method and path


def logic(text: str) -> dict[str, Any]:
    made, found = logic_app.write(flow(text), read.builtin())
    assert not [d for d in found if d.severity == "error"]
    return made


def test_a_call_is_written_with_its_route() -> None:
    actions = logic(FLOW)["definition"]["actions"]
    assert actions["Rows"]["inputs"] == {
        "host": {"connection": {"name": "@parameters('$connections')['sharepointonline']['connectionId']"}},
        "method": "get",
        "path": "/datasets/@{encodeUriComponent(encodeUriComponent('https://contoso.example/sites/pay'))}"
        "/tables/@{encodeUriComponent(encodeUriComponent('Invoices'))}/items",
        "queries": {"$top": 5},
    }
    assert actions["Copy"]["type"] == "ApiConnection"
    assert actions["Copy"]["inputs"]["body"] == {"To": "boss@contoso.example", "Subject": "Done"}


def test_a_call_of_an_imported_operation_is_written_with_its_own_route() -> None:
    parameters = (
        Parameter("id", place="path"),
        Parameter("top", "integer", place="query"),
        Parameter("version", internal=True, default="2", place="query"),
        Parameter("X-Client", internal=True, default="flow", place="header"),
        Parameter("X-Trace", place="header"),
        Parameter("order/note"),
    )
    own = Operation("shared_shop", "Change", "action", parameters=parameters, method="PUT", path="/orders/{id}")
    polled = Operation("shared_shop", "OnNewOrder", "trigger", batch=True, split="orders", method="GET", path="/orders/new")
    catalog = read.with_platform(Catalog([own, polled]))
    text = (
        'await shared_shop.OnNewOrder({});\nshared_shop.Change({ "id": "a b", "top": 5, "X-Trace": "t", "order/note": triggerOutputs.body.note });\n'
    )
    tree, _ = parse(text)
    assert tree is not None
    made, found = logic_app.write(tree, catalog)
    assert not [d for d in found if d.severity == "error"]
    (trigger,), (action,) = (made["definition"][part].values() for part in ("triggers", "actions"))
    assert trigger["splitOn"] == "@triggerBody()?['orders']" and trigger["inputs"]["path"] == "/orders/new"
    assert {key: value for key, value in action["inputs"].items() if key != "host"} == {
        "method": "put",
        "path": "/orders/@{encodeUriComponent('a b')}",
        "queries": {"version": "2", "top": 5},
        "headers": {"X-Client": "flow", "X-Trace": "t"},
        "body": {"note": "@triggerBody()?['note']"},
    }


def test_a_logic_app_lists_a_connection_for_every_key() -> None:
    made = logic(FLOW)
    connections = made["parameters"]["$connections"]["value"]
    assert set(connections) == {"sharepointonline", "office365_1", "office365"}
    assert connections["office365_1"] == {
        "connectionId": "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.Web/connections/office365_1",
        "connectionName": "office365_1",
        "id": "/subscriptions/{subscriptionId}/providers/Microsoft.Web/locations/{location}/managedApis/office365",
    }
    assert set(made["definition"]["parameters"]) == {"$connections"}
    assert "authentication" not in json.dumps(made)


def test_paths_of_expressions_are_in_steps() -> None:
    assert logic(FLOW)["definition"]["actions"]["Apply_to_each"]["foreach"] == "@body('Rows')?['value']"


def test_a_polling_trigger_keeps_its_recurrence_and_splits_its_body() -> None:
    text = 'triggerOutputs = await shared_sharepointonline.GetOnNewItems({ "dataset": "d", "table": "t" });\n' + NO_CONNECTION.split("\n")[1] + "\n"
    (trigger,) = logic(text)["definition"]["triggers"].values()
    assert (trigger["type"], trigger["splitOn"]) == ("ApiConnection", "@triggerBody()?['value']")
    assert trigger["recurrence"] == {"frequency": "Minute", "interval": 1}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("shared_approvals.StartAndWaitForAnApproval({});", "T701"),
        ('shared_sharepointonline.GetItems({ "table": "t" });', "T707"),
    ],
)
def test_a_call_that_cannot_be_written_is_an_error_where_it_stands(step: str, code: str) -> None:
    made, found = logic_app.write(flow(NO_CONNECTION.replace("manual", "Recurrence") + step + "\n"), read.builtin())
    assert made == {}
    assert [(d.code, d.severity, d.span.line) for d in found] == [(code, "error", 3)]
    assert (found[0].hint != "") == (code == "T701")


def test_what_only_power_automate_has_is_a_warning() -> None:
    made, found = logic_app.write(flow(NO_CONNECTION), read.builtin())
    assert made
    assert [(d.code, d.severity) for d in found] == [("T703", "warning")]


def test_calls_that_are_in_the_form_already_stay_as_they_are() -> None:
    once = logic(FLOW)
    (text,) = texts_of(json.dumps(once).encode())
    assert logic(text) == once


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("it's", "'it''s'"),
        ("@variables('x')", "variables('x')"),
        ("@@home", "'@home'"),
        ("a@{variables('x')}b", "concat('a', variables('x'), 'b')"),
        ("@{concat('}', '{')}", "concat('}', '{')"),
        ("a@@{b", "'a@{b'"),
        ("", "''"),
        (7, "7"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_values_become_expressions(value: Any, expression: str) -> None:
    assert as_expression(value) == expression


def test_parameters_go_where_the_route_says() -> None:
    route = Route("POST", "/a/{x}/b/{y z}", twice=("y z",), query=("q",), header=("H",), fixed={"f": True})
    inputs = placed(route, {"x": "1", "y z": "@v", "q": 2, "H": "h", "m/To": "t", "m/deep/er": [1]})
    assert inputs == {
        "path": "/a/@{encodeUriComponent('1')}/b/@{encodeUriComponent(encodeUriComponent(v))}",
        "queries": {"f": True, "q": 2},
        "headers": {"H": "h"},
        "body": {"To": "t", "deep": {"er": [1]}},
    }
    assert placed(Route("POST", "/a"), {"body": "@x"})["body"] == "@x"


def test_every_shipped_route_is_of_an_operation_and_names_its_parameters() -> None:
    catalog = read.builtin()
    routes = {operation.id: route for operation in catalog if (route := route_of(operation.id))}
    assert len(routes) > 700
    for id, route in routes.items():
        assert route.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        assert route.path.startswith("/")
        assert route.path.count("{") == route.path.count("}") == len(route.in_path)
        assert set(route.twice) <= set(route.in_path)
        for name in route.in_path:
            assert catalog.operations[id].parameter(name) is not None, (id, name)


@pytest.mark.parametrize(
    "note",
    [
        "@@around(3)",
        '@@around({ "properties": 3, "parameters": [] })',
        '@@references("x")',
        '@@references({ "shared_office365": 3, "b": { "api": 3 }, "c": { "id": "" } })',
        '@@definition({ "triggers": 3, "actions": { "a": { "type": "OpenApiConnection" }, "b": 4 } })',
        '@@parameters("x")',
    ],
)
def test_odd_annotations_do_no_harm(note: str) -> None:
    tree = flow(f"{note}\n\n{FLOW}")
    assert package.write(tree, read.builtin())
    assert logic_app.write(tree, read.builtin())


# --- files from strangers


def encrypted() -> bytes:
    data = bytearray(packaged())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := data.find(signature, start)) >= 0:
            data[start + offset] |= 1
            start += 4
    return bytes(data)


def flipped() -> bytes:
    """One byte of the packed definition is another."""
    data = bytearray(packaged())
    data[data.index(b"definition.json") + len(b"definition.json") + 20] ^= 255
    return bytes(data)


def nameless() -> bytes:
    """A zip whose only file has a name of no characters, which `zipfile` does not write."""
    data = bytearray(zipped({"x": b""}))
    central, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    for at in (26, central + 28, end + 12, end + 16):  # lengths of the name, size and place of the directory
        data[at] -= 1
    del data[central + 46], data[30]
    return bytes(data)


def bomb() -> bytes:
    return zipped({"Microsoft.Flow/flows/a/definition.json": b" " * (archive.MEMBER_BYTES + 1)})


def many_bombs() -> bytes:
    inner = zipped({"x.json": b" " * (archive.MEMBER_BYTES - 1)})
    return zipped({f"{number}.zip": inner for number in range(6)})


def nested(depth: int) -> bytes:
    data = packaged()
    for _ in range(depth):
        data = zipped({"a.zip": data})
    return data


BROKEN = {
    "truncated": (lambda: packaged()[:-40], "no complete zip file"),
    "cut in the middle": (lambda: packaged()[:300], "no complete zip file"),
    "flipped": (flipped, "cannot be unpacked"),
    "encrypted": (encrypted, "is encrypted"),
    "outside": (lambda: zipped({"../../evil/definition.json": {}}), "points outside"),
    "absolute": (lambda: zipped({"/etc/passwd": b""}), "points outside"),
    "without a name": (nameless, "points outside"),
    "drive": (lambda: zipped({"C:\\x.json": b""}), "points outside"),
    "bomb": (bomb, "unpacks to more than 64 MiB"),
    "many bombs": (many_bombs, "unpacks to more than 256 MiB"),
    "too deep": (lambda: nested(5), "archives inside archives"),
    "nothing inside": (lambda: zipped({}), "no workflow definition in it"),
    "no flow inside": (lambda: zipped({"readme.txt": b"hello", "other.json": {"a": 1}}), "no workflow definition in it"),
    "no JSON inside": (lambda: zipped({"Microsoft.Flow/flows/a/definition.json": b"{"}), "not JSON"),
    "no definition inside": (lambda: zipped({"Microsoft.Flow/flows/a/definition.json": {"properties": {}}}), "no workflow definition"),
    "a template without workflows": (lambda: template({"type": "Microsoft.Web/sites"}), "no workflow definition in it"),
    "a workflow in another file": (lambda: template(workflow("a", definition="[variables('d')]")), "has no definition in the template"),
    "not a number": (lambda: b'{"actions": {}, "x": NaN}', "NaN is no JSON value"),
    "deep JSON": (lambda: b"[" * 100_000, "nested too deeply"),
    "not text": (lambda: b"\xff\xfe{", "not a text file"),
    "empty": (lambda: b" \n", "the file is empty"),
    "a web page": (lambda: b"<!DOCTYPE html><html></html>", "an HTML page, not JSON"),
}


def test_one_bad_flow_does_not_keep_the_others_back() -> None:
    good, bad = clientdata(), b'{"properties": {"definition": '
    told = flowfiles.Told()
    found = flowfiles.find(zipped({"Workflows/a.json": good, "Workflows/b.json": bad, "Workflows/c.json": {"kind": "other"}}), "s.zip", told)
    assert len(found) == 1
    assert [str(problem).partition(": ")[0].partition(":")[0] for problem in told.skipped] == ["s.zip!Workflows/b.json", "s.zip!Workflows/c.json"]
    told = flowfiles.Told()
    assert [f.name for f in flowfiles.find(template(workflow("linked", definition="[variables('d')]"), workflow("here")), "t.json", told)] == ["here"]
    assert "`linked`" in str(told.skipped[0])


def test_comments_commas_and_keys_that_occur_twice_are_told() -> None:
    text = '{ // of mine\n "actions": {}, "triggers": {}, "actions": {"a": {"type": "Compose", "inputs": 1},} }'
    told = flowfiles.Told()
    (found,) = flowfiles.find(text.encode(), "w.json", told)
    assert list(found.definition["actions"]) == ["a"]
    assert {note.removeprefix("w.json: ").split(" ")[0] for note in told.notes} == {"comments", "commas", "the"}


def test_a_definition_of_the_first_schema_is_told() -> None:
    schema = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2015-08-01-preview/workflowdefinition.json#"
    told = flowfiles.Told()
    flowfiles.find(json.dumps({"$schema": schema, "actions": {}}).encode(), "old.json", told)
    assert [note.startswith("old.json: a definition of the schema of 2015") for note in told.notes] == [True]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_with_a_byte_order_mark_are_read(encoding: str) -> None:
    (found,) = flowfiles.find('{"actions": {}, "description": "größer"}'.encode(encoding), "w.json")
    assert found.definition["description"] == "größer"


def test_what_azure_tells_of_a_deployed_logic_app_stays_out_of_the_text() -> None:
    live = {**workflow("Bills"), "location": "westeurope"}
    live["properties"] |= {
        "provisioningState": "Succeeded",
        "accessEndpoint": "https://x",
        "endpointsConfiguration": {"workflow": {}},
        "state": "Disabled",
    }
    (found,) = flowfiles.find(json.dumps(live).encode(), "la.json")
    assert found.around["location"] == "westeurope" and found.around["properties"] == {"state": "Disabled"}


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_file_says_what_is_wrong_with_it(case: str) -> None:
    make, told = BROKEN[case]
    with pytest.raises(UsageError, match=told) as caught:
        flowfiles.find(make(), "x")
    assert str(caught.value).startswith("x")


def test_two_files_of_one_name_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened, pytest.warns(UserWarning, match="Duplicate name"):
        opened.writestr("a.json", "{}")
        opened.writestr("a.json", "{}")
    with pytest.raises(UsageError, match=r"two files in it are called `a\.json`"):
        flowfiles.find(stream.getvalue(), "x")


PACKAGE = packaged()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PACKAGE) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, len(PACKAGE)))
def test_a_damaged_package_is_a_flow_or_a_clear_error(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(PACKAGE)
    for position, value in changes:
        data[position] = value
    for damaged in (bytes(data), bytes(data[:length])):
        try:
            found = flowfiles.find(damaged, "x")
        except UsageError as problem:
            assert str(problem).startswith("x")
        else:
            assert all(isinstance(flow.definition, dict) for flow in found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "properties definition actions triggers resources type name clientdata value parameters $connections connectionReferences".split()
            ),
            inner | st.sampled_from(["Microsoft.Logic/workflows", "Microsoft.Resources/deployments", "Microsoft.Flow/flows"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_flows_or_a_clear_error(value: Any) -> None:
    try:
        for found in flowfiles.find(json.dumps(value).encode(), "x"):
            carrying.flow_of(found)
    except UsageError as problem:
        assert str(problem)
