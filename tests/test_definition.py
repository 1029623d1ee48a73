"""Flows as definitions and back: the exact JSON of small flows, hand-written definitions, and random flows in normal form."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from pathlib import Path as Path_
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trees
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.catalog.read import builtin
from nl2dsl.dsl.definition import compile, decompile
from nl2dsl.dsl.expressions import read_raw
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import (
    Annotation,
    Array,
    Assign,
    Binary,
    Call,
    Case,
    Entry,
    Expression,
    Flow,
    For,
    Function,
    If,
    Let,
    Literal,
    Name,
    Not,
    Object,
    Opaque,
    Parallel,
    Path,
    Scope,
    Segment,
    Statement,
    Switch,
    Template,
    Try,
    Until,
)
from nl2dsl.errors import UsageError

CATALOG = Catalog(
    [
        Operation("shared_lists", "OnNewRows", "trigger", batch=True),
        Operation("shared_lists", "OnNewOrders", "trigger", batch=True, split="orders"),
        Operation("shared_lists", "OnNewFiles", "trigger", batch=True, split=""),
        Operation("shared_lists", "OnOddList", "trigger", batch=True, split="a/b's"),
        Operation("shared_lists", "OnOneThing", "trigger", batch=True, split=None),
        Operation("shared_mail", "OnMail", "trigger", flow_type="OpenApiConnectionNotification"),
        Operation("shared_ask", "AskAndWait", "action", flow_type="OpenApiConnectionWebhook"),
    ]
)
TRIGGER = Call("commonTrigger", "manual", result="triggerOutputs")


def lit(value: Any) -> Literal:
    return Literal(value)


def path(base: str, *keys: str | int) -> Path:
    return Path(Name(base), tuple(Segment(key) for key in keys))


def entries(**values: Expression) -> tuple[Entry, ...]:
    return tuple(Entry(key.replace("__", "/"), value) for key, value in values.items())


def call(id: str, result: str | None = None, *annotations: Annotation, **values: Expression) -> Call:
    connector, _, operation = id.partition(".")
    return Call(connector, operation, entries(**values), result, annotations=annotations)


def actions_of(*steps: Statement) -> dict[str, Any]:
    definition = compile(Flow(TRIGGER, steps), CATALOG)
    assert json.loads(json.dumps(definition)) == definition
    actions: dict[str, Any] = definition["actions"]
    return actions


def triggers_of(trigger: Call) -> dict[str, Any]:
    triggers: dict[str, Any] = compile(Flow(trigger, ()), CATALOG)["triggers"]
    return triggers


def chained(flow: Flow) -> Flow:
    return decompile(compile(flow, CATALOG), CATALOG)


# --- triggers ------------------------------------------------------------------------------------------------------------------


def test_recurrence_puts_short_keys_where_the_platform_wants_them() -> None:
    trigger = call(
        "commonTrigger.Recurrence",
        "triggerOutputs",
        frequency=lit("Week"),
        interval=lit(1),
        timeZone=lit("UTC"),
        weekDays=Array((lit("Monday"),)),
        hours=Array((lit(8),)),
    )
    schedule = {"weekDays": ["Monday"], "hours": [8]}
    recurrence = {"frequency": "Week", "interval": 1, "timeZone": "UTC", "schedule": schedule}
    assert triggers_of(trigger) == {"Recurrence": {"type": "Recurrence", "recurrence": recurrence}}
    assert chained(Flow(trigger, ())) == Flow(trigger, ())


def test_a_manual_trigger_has_a_schema_even_when_it_asks_for_nothing() -> None:
    schema = {"type": "object", "properties": {}, "required": []}
    assert triggers_of(TRIGGER) == {"manual": {"type": "Request", "kind": "Button", "inputs": {"schema": schema}}}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("OnNewOrders", "@triggerOutputs()?['body/orders']"),
        ("OnNewFiles", "@triggerOutputs()?['body']"),
        ("OnOddList", "@triggerOutputs()?['body']?['a/b''s']"),
        ("OnOneThing", None),
    ],
)
def test_a_batch_trigger_is_split_on_the_list_that_its_operation_delivers(name: str, split: str | None) -> None:
    flow = Flow(call(f"shared_lists.{name}", "triggerOutputs"), ())
    definition = compile(flow, CATALOG)
    assert definition["triggers"][name].get("splitOn") == split
    assert decompile(definition, CATALOG) == flow


def test_a_trigger_of_the_built_in_catalog_that_delivers_a_bare_list_is_split_on_its_body() -> None:
    for operation, split in (("shared_azureblob.OnUpdatedFiles_V2", "body"), ("shared_sharepointonline.GetOnNewItems", "body/value")):
        definition = compile(Flow(call(operation, "triggerOutputs"), ()), builtin())
        assert next(iter(definition["triggers"].values()))["splitOn"] == f"@triggerOutputs()?['{split}']"


@pytest.mark.parametrize("split", ["@triggerBody()?['value']", "@triggerOutputs()?['body']?['value']", "@triggerbody()?.value"])
def test_the_usual_split_needs_no_words_however_it_is_spelt(split: str) -> None:
    definition = compile(Flow(call("shared_lists.OnNewRows", "triggerOutputs"), ()), CATALOG)
    definition["triggers"]["OnNewRows"]["splitOn"] = split
    assert decompile(definition, CATALOG).trigger.annotations == ()


def test_a_skills_trigger_keeps_its_schema() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    trigger = call("commonTrigger.Skills", "triggerOutputs", schema=read_raw(schema))
    assert triggers_of(trigger) == {"manual": {"type": "Request", "kind": "Skills", "inputs": {"schema": schema}}}
    assert chained(Flow(trigger, ())) == Flow(trigger, ())


@pytest.mark.parametrize(
    "host",
    [
        {"connectionName": "shared_mail_1", "operationId": "Send"},
        {"connectionReferenceName": "shared_mail", "operationId": "Send"},
        {"connection": "shared_mail-2", "operationId": "Send", "apiId": ""},
    ],
)
def test_a_connection_tells_its_connector_where_nothing_else_does(host: dict[str, str]) -> None:
    action = {"type": "OpenApiConnection", "inputs": {"host": host, "parameters": {"to": "me"}}, "runAfter": {}}
    definition = {"triggers": {}, "actions": {"Send": action}}
    (step,) = decompile(definition, CATALOG).steps
    assert isinstance(step, Call) and step.id == "shared_mail.Send"
    assert compile(decompile(definition, CATALOG), CATALOG)["actions"]["Send"] == action


def test_a_host_that_names_no_connector_stays_as_it_is() -> None:
    action = {"type": "OpenApiConnection", "inputs": {"host": {"connectionName": "mine", "operationId": "Send"}}, "runAfter": {}}
    (step,) = decompile({"triggers": {}, "actions": {"Send": action}}, CATALOG).steps
    assert isinstance(step, Opaque)


def test_a_batch_trigger_is_split_and_polls() -> None:
    trigger = call("shared_lists.OnNewRows", "triggerOutputs", table=lit("Orders"))
    inputs = {
        "host": {"connectionName": "shared_lists", "operationId": "OnNewRows", "apiId": "/providers/Microsoft.PowerApps/apis/shared_lists"},
        "parameters": {"table": "Orders"},
        "authentication": "@parameters('$authentication')",
    }
    split = "@triggerOutputs()?['body/value']"
    recurrence = {"frequency": "Minute", "interval": 1}
    assert triggers_of(trigger) == {"OnNewRows": {"type": "OpenApiConnection", "inputs": inputs, "recurrence": recurrence, "splitOn": split}}
    step = call("builtin.Compose", "outputs_builtin_Compose", inputs=path("triggerOutputs", "body", "Title"))
    assert compile(Flow(trigger, (step,)), CATALOG)["actions"]["builtin_Compose"]["inputs"] == "@triggerOutputs()?['body/Title']"


def test_the_catalog_decides_the_type_of_connector_calls() -> None:
    assert triggers_of(call("shared_mail.OnMail"))["OnMail"]["type"] == "OpenApiConnectionNotification"
    assert "recurrence" not in triggers_of(call("shared_mail.OnMail"))["OnMail"]
    assert actions_of(call("shared_ask.AskAndWait"))["shared_ask_AskAndWait"]["type"] == "OpenApiConnectionWebhook"


# --- actions -------------------------------------------------------------------------------------------------------------------

BUILTINS = [
    (call("builtin.Compose", inputs=Object(entries(a=lit(1)))), {"type": "Compose", "inputs": {"a": 1}}),
    (call("builtin.ParseJson", content=lit("{}"), schema=Object(())), {"type": "ParseJson", "inputs": {"content": "{}", "schema": {}}}),
    (
        Call(
            "builtin",
            "Query",
            (Entry("from", path("triggerOutputs", "body")), Entry("where", Binary("==", Path(Function("item", ()), (Segment("a"),)), lit(1)))),
        ),
        {"type": "Query", "inputs": {"from": "@triggerBody()", "where": "@equals(item()?['a'], 1)"}},
    ),
    (call("builtin.TableCsv", columns=Array(())), {"type": "Table", "inputs": {"columns": [], "format": "CSV"}}),
    (
        call("builtin.Delay", interval__count=lit(5), interval__unit=lit("Minute")),
        {"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Minute"}}},
    ),
    (call("builtin.DelayUntil", until__timestamp=lit("2030")), {"type": "Wait", "inputs": {"until": {"timestamp": "2030"}}}),
    (
        call("builtin.Terminate", runStatus=lit("Failed"), runError__code=lit("1")),
        {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "1"}}},
    ),
    (call("builtin.ResponseSkills", statusCode=lit(200)), {"type": "Response", "kind": "Skills", "inputs": {"statusCode": 200}}),
    (call("builtin.GetPastTime", interval=lit(1)), {"type": "Expression", "kind": "GetPastTime", "inputs": {"interval": 1}}),
    (call("builtin.FormatNumber", number=lit(1)), {"type": "Expression", "kind": "FormatNumber", "inputs": {"number": 1}}),
    (
        Call("builtin", "Workflow", (Entry("host/workflowReferenceName", lit("w")), Entry("body", Object(())))),
        {"type": "Workflow", "inputs": {"host": {"workflowReferenceName": "w"}, "body": {}}},
    ),
    (call("builtin.AppendToArrayVariable", name=lit("v"), value=lit(1)), {"type": "AppendToArrayVariable", "inputs": {"name": "v", "value": 1}}),
]


@pytest.mark.parametrize(("step", "action"), BUILTINS, ids=lambda value: value.operation if isinstance(value, Call) else "")
def test_builtins_have_the_inputs_of_their_type(step: Call, action: dict[str, Any]) -> None:
    assert list(actions_of(step).values()) == [{**action, "runAfter": {}}]


def test_steps_run_after_each_other_and_keep_their_names_unique() -> None:
    actions = actions_of(call("shared_x.Do"), call("shared_x.Do"), call("shared_x.Do", "outputs_shared_x_Do_3"))
    assert [(name, action["runAfter"]) for name, action in actions.items()] == [
        ("shared_x_Do", {}),
        ("shared_x_Do_2", {"shared_x_Do": ["Succeeded"]}),
        ("shared_x_Do_3", {"shared_x_Do_2": ["Succeeded"]}),
    ]


def test_a_name_annotation_is_the_name_the_designer_shows() -> None:
    step = call("shared_x.Do", "outputs_shared_x_Do", Annotation("name", (lit("Send an email (V2)"),)))
    use = call("builtin.Compose", "outputs_builtin_Compose", inputs=path("outputs_shared_x_Do", "body", "id"))
    actions = actions_of(step, use)
    assert list(actions) == ["Send_an_email_(V2)", "builtin_Compose"]
    assert actions["builtin_Compose"]["inputs"] == "@outputs('Send_an_email_(V2)')?['body/id']"
    assert chained(Flow(TRIGGER, (step, use))) == Flow(TRIGGER, (step, use))


def test_variables_are_actions_of_their_own() -> None:
    steps = (Let("total", "", lit(0)), Assign("total", "+=", lit(2)), Assign("total", "-=", lit(1)), Assign("total", "=", Name("total")))
    assert [(action["type"], action["inputs"]) for action in actions_of(*steps).values()] == [
        ("InitializeVariable", {"variables": [{"name": "total", "type": "integer", "value": 0}]}),
        ("IncrementVariable", {"name": "total", "value": 2}),
        ("DecrementVariable", {"name": "total", "value": 1}),
        ("SetVariable", {"name": "total", "value": "@variables('total')"}),
    ]


def test_a_condition_is_structured_and_its_branches_are_nested() -> None:
    step = If(Binary("&&", Binary("==", path("triggerOutputs", "body", "s"), lit("x")), Not(Function("empty", (lit(""),)))), (call("shared_x.Do"),))
    tests = [{"equals": ["@triggerBody()?['s']", "x"]}, {"not": {"equals": ["@empty('')", True]}}]
    action = actions_of(step)["Condition"]
    assert action["expression"] == {"and": tests}
    assert list(action["actions"]) == ["shared_x_Do"]
    assert "else" not in action


def test_items_of_nested_loops_name_their_loops() -> None:
    inner = For("b", path("a", "lines"), (call("builtin.Compose", inputs=Array((Name("a"), Name("b")))),))
    loop = actions_of(For("a", path("triggerOutputs", "body", "value"), (inner,)))["Apply_to_each"]
    assert loop["foreach"] == "@triggerBody()?['value']"
    assert loop["actions"]["Apply_to_each_2"]["foreach"] == "@items('Apply_to_each')?['lines']"
    assert loop["actions"]["Apply_to_each_2"]["actions"]["builtin_Compose"]["inputs"] == ["@items('Apply_to_each')", "@items('Apply_to_each_2')"]


def test_switch_and_until_have_the_designers_defaults() -> None:
    switch = Switch(lit("a"), (Case(lit("a"), (call("shared_x.Do"),)), Case(lit("b"), ())))
    until = Until((), Binary("==", lit(1), lit(1)))
    actions = actions_of(switch, until)
    assert actions["Switch"]["cases"]["Case_2"] == {"case": "b", "actions": {}}
    assert actions["Switch"]["default"] == {"actions": {}}
    assert actions["Do_until"] == {
        "type": "Until",
        "expression": "@equals(1, 1)",
        "limit": {"count": 60, "timeout": "PT1H"},
        "actions": {},
        "runAfter": {"Switch": ["Succeeded"]},
    }


def test_try_is_scopes_that_run_after_failure_and_after_all() -> None:
    step = Try((call("shared_x.A"),), (call("shared_x.B"),), (call("shared_x.C"),))
    actions = actions_of(step, call("shared_x.D"))
    assert {name: action["runAfter"] for name, action in actions.items()} == {
        "Try": {},
        "Catch": {"Try": ["Failed", "Skipped", "TimedOut"]},
        "Finally": {"Catch": ["Succeeded", "Failed", "Skipped", "TimedOut"]},
        "shared_x_D": {"Finally": ["Succeeded"]},
    }


def test_after_a_catch_the_flow_goes_on_whether_it_ran_or_not() -> None:
    actions = actions_of(Try((call("shared_x.A"),), (call("shared_x.B"),)), call("shared_x.C"))
    assert actions["shared_x_C"]["runAfter"] == {"Catch": ["Succeeded", "Skipped"]}


def test_parallel_branches_start_together_and_join() -> None:
    step = Parallel(((call("shared_x.A"), call("shared_x.B")), (call("shared_x.C"),)))
    actions = actions_of(call("shared_x.Start"), step, call("shared_x.End"))
    start = {"shared_x_Start": ["Succeeded"]}
    assert actions["shared_x_A"]["runAfter"] == start
    assert actions["shared_x_C"]["runAfter"] == start
    assert actions["shared_x_End"]["runAfter"] == {"shared_x_B": ["Succeeded"], "shared_x_C": ["Succeeded"]}


def test_compile_gives_each_definition_its_own_parameters() -> None:
    first = compile(Flow(TRIGGER, ()), CATALOG)
    first["parameters"]["$connections"]["defaultValue"]["x"] = 1
    assert compile(Flow(TRIGGER, ()), CATALOG)["parameters"]["$connections"]["defaultValue"] == {}


# --- definitions to flows ------------------------------------------------------------------------------------------------------


def connector_action(operation: str, after: dict[str, list[str]] | None = None, **parameters: Any) -> dict[str, Any]:
    host = {"connectionName": "shared_x", "operationId": operation, "apiId": "/providers/Microsoft.PowerApps/apis/shared_x"}
    inputs = {"host": host, "parameters": parameters, "authentication": "@parameters('$authentication')"}
    return {"type": "OpenApiConnection", "inputs": inputs, "runAfter": after or {}}


def definition_of(actions: dict[str, Any], **others: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}, "required": []}
    trigger = {"type": "Request", "kind": "Button", "inputs": {"schema": schema}}
    return {**compile(Flow(TRIGGER, ()), CATALOG), "triggers": {"manual": trigger}, "actions": actions, **others}


S = ["Succeeded"]
GRAPHS: dict[str, dict[str, dict[str, list[str]]]] = {
    "chain against key order": {"c": {"b": S}, "a": {}, "b": {"a": S}},
    "fork and join": {"a": {}, "b": {"a": S}, "c": {"a": S}, "d": {"b": S, "c": S}},
    "fork without join": {"a": {}, "b": {"a": S}, "c": {"a": S}, "d": {"c": S}},
    "two roots": {"a": {}, "b": {}, "c": {"a": S, "b": S}},
    "nested forks": {"a": {}, "b": {"a": S}, "c": {"a": S}, "d": {"b": S}, "e": {"b": S}, "f": {"d": S, "e": S}, "g": {"f": S, "c": S}},
    "success and failure": {
        "a": {},
        "b": {"a": S},
        "c": {"a": ["Failed", "TimedOut"]},
        "d": {"b": ["Succeeded", "Skipped"], "c": ["Succeeded", "Skipped"]},
    },
    "partial join": {"a": {}, "b": {}, "c": {}, "d": {"a": S, "b": S}, "e": {"d": S, "c": S}},
    "crossing": {"a": {}, "b": {}, "c": {"a": S}, "d": {"a": S, "b": S}, "e": {"c": S, "d": S}},
    "nobody there": {"a": {"missing": S}, "b": {"a": S}},
    "a circle": {"a": {"b": S}, "b": {"a": S}, "c": {}},
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_every_run_after_graph_comes_back(graph: dict[str, dict[str, list[str]]]) -> None:
    definition = definition_of({name: connector_action(name, after) for name, after in graph.items()})
    flow = decompile(definition, CATALOG)
    assert compile(flow, CATALOG) == definition
    assert chained(flow) == flow


def test_execution_order_is_run_after_order() -> None:
    definition = definition_of({name: connector_action(name, after) for name, after in GRAPHS["chain against key order"].items()})
    assert [step.operation for step in decompile(definition, CATALOG).steps if isinstance(step, Call)] == ["a", "b", "c"]


def test_forks_that_join_are_parallel_and_others_say_their_run_after() -> None:
    fork = decompile(definition_of({name: connector_action(name, after) for name, after in GRAPHS["nested forks"].items()}), CATALOG)
    assert [type(step) for step in fork.steps] == [Call, Parallel, Call]
    assert all(not step.annotations for step in fork.steps)
    branches = decompile(definition_of({name: connector_action(name, after) for name, after in GRAPHS["success and failure"].items()}), CATALOG)
    assert [[a.name for a in step.annotations] for step in branches.steps] == [[], [], ["runAfter"], ["runAfter"]]


ACTIONS: dict[str, dict[str, Any]] = {
    "settings": {
        "Send_an_email_(V2)": {
            **connector_action("Send", **{"to": "@{triggerBody()?['a']}", "item/Title": "x"}),
            "description": "why\nand how",
            "metadata": {"operationMetadataId": "1"},
            "runtimeConfiguration": {"contentTransfer": {"transferMode": "Chunked"}},
            "limit": {"timeout": "PT1M"},
            "trackedProperties": {"a": "@action()"},
        }
    },
    "raw authentication and retry": {
        "Get": {
            "type": "OpenApiConnectionWebhook",
            "inputs": {
                "host": {"connectionName": "shared_x_1", "operationId": "Get", "apiId": "/providers/Microsoft.PowerApps/apis/shared_x"},
                "parameters": {},
                "authentication": {"type": "Raw", "value": "@json(decodeBase64(triggerOutputs().headers['X']))['$ConnectionKey']"},
                "retryPolicy": {"type": "none"},
                "unheard": 1,
            },
            "runAfter": {},
        }
    },
    "no authentication and another host": {
        "Get": {
            "type": "OpenApiConnection",
            "inputs": {"host": {"operationId": "Get", "apiId": "/else/where/shared_x"}, "parameters": {}},
            "runAfter": {},
        }
    },
    "service provider": {
        "Put": {
            "type": "ServiceProvider",
            "inputs": {
                "parameters": {"a": 1},
                "serviceProviderConfiguration": {"connectionName": "bus_1", "operationId": "send", "serviceProviderId": "/serviceProviders/bus"},
            },
            "runAfter": {},
        }
    },
    "unknown types": {"Run_code": {"type": "JavaScriptCode", "inputs": {"code": "@x"}, "runAfter": {}, "description": "d"}},
    "unknown conditions": {"Check": {"type": "If", "expression": {"odd": 1}, "actions": {"Inner": connector_action("A")}, "runAfter": {}}},
    "unknown kinds": {"Reply": {"type": "Response", "kind": "VirtualAgent", "inputs": {"statusCode": 200}, "runAfter": {}}},
    "several variables of one action": {
        "Variables": {
            "type": "InitializeVariable",
            "inputs": {"variables": [{"name": "a", "type": "string", "value": ""}, {"name": "b", "type": "array"}]},
            "runAfter": {},
        },
        "Compose": {"type": "Compose", "inputs": "@variables('b')", "runAfter": {"Variables": S}},
    },
    "variables with odd names": {
        "Initialize_variable": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "my var", "type": "string"}]}, "runAfter": {}},
        "Compose": {"type": "Compose", "inputs": "@variables('my var')", "runAfter": {"Initialize_variable": S}},
    },
    "case titles": {
        "Switch": {"type": "Switch", "expression": "a", "cases": {"Yes": {"case": 1, "actions": {}}}, "default": {"actions": {}}, "runAfter": {}}
    },
    "references into other containers": {
        "Scope": {"type": "Scope", "actions": {"Get it": connector_action("Get")}, "runAfter": {}},
        "Compose": {"type": "Compose", "inputs": "@concat(body('Get it'), result('Scope'))", "runAfter": {"Scope": S}},
    },
    "guards with words of their own": {
        "Main_work": {"type": "Scope", "actions": {"A": connector_action("A")}, "runAfter": {}, "metadata": {"a": 1}},
        "On_error": {"type": "Scope", "actions": {"B": connector_action("B")}, "runAfter": {"Main_work": ["Failed"]}, "description": "d"},
        "Last": connector_action("C", {"On_error": ["Succeeded", "Skipped"]}),
    },
    "loops": {
        "For_each_row": {
            "type": "Foreach",
            "foreach": "@range(0, 3)",
            "actions": {"Inner": {"type": "Compose", "inputs": "@items('For_each_row')?['a']", "runAfter": {}}},
            "runAfter": {},
            "runtimeConfiguration": {"concurrency": {"repetitions": 1}},
        },
        "Outside": {"type": "Compose", "inputs": "@items('For_each_row')", "runAfter": {"For_each_row": S}},
    },
    "old connector actions": {
        "Get": {
            "type": "ApiConnection",
            "inputs": {
                "host": {"connection": {"name": "@parameters('$connections')['blobs']['connectionId']"}},
                "method": "get",
                "path": "/files/@{encodeUriComponent('a}b')}/content",
                "retryPolicy": {"type": "none"},
            },
            "runAfter": {},
        },
        "Send": {
            "type": "ApiConnectionWebhook",
            "inputs": {"host": {"connection": {"referenceName": "shared_mail-1"}}, "path": "@concat(body('Get'))"},
            "metadata": {"flowSystemMetadata": {"swaggerOperationId": "SendMail"}},
            "runAfter": {"Get": S},
        },
    },
    "variables named like words of the language": {
        "Initialize_variable": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "case", "type": "string"}]}, "runAfter": {}},
        "Initialize_variable_2": {
            "type": "InitializeVariable",
            "inputs": {"variables": [{"name": "item", "type": "string"}]},
            "runAfter": {"Initialize_variable": S},
        },
        "Set_variable": {
            "type": "SetVariable",
            "inputs": {"name": "case", "value": "@concat(variables('item'), variables('case'))"},
            "runAfter": {"Initialize_variable_2": S},
        },
        "Set_variable_2": {"type": "SetVariable", "inputs": {"name": "not declared", "value": 1}, "runAfter": {"Set_variable": S}},
    },
    "empty waits": {"Delay": {"type": "Wait", "inputs": {}, "runAfter": {}}},
}


@pytest.mark.parametrize("actions", ACTIONS.values(), ids=ACTIONS)
def test_hand_written_actions_come_back(actions: dict[str, Any]) -> None:
    definition = definition_of(actions)
    before = json.dumps(definition)
    flow = decompile(definition, CATALOG)
    again = compile(flow, CATALOG)
    text = (
        json.dumps(again, sort_keys=True)
        .replace("@triggerOutputs()?['body/a']", "@triggerBody()?['a']")
        .replace("@{triggerOutputs()?['body/a']}", "@{triggerBody()?['a']}")
    )
    assert json.loads(text) == definition
    assert json.dumps(definition) == before
    assert chained(flow) == flow
    assert parse(unparse(flow))[0] == flow


def only_step(action: dict[str, Any]) -> Statement:
    return decompile(definition_of({"It": {"runAfter": {}, **action}}), CATALOG).steps[0]


def test_an_old_connector_action_is_a_call_of_what_the_designer_noted_or_of_its_path() -> None:
    calls = decompile(definition_of(ACTIONS["old connector actions"]), CATALOG).steps
    assert [step.id for step in calls if isinstance(step, Call)] == ["shared_blobs.get /files/{}/content", "shared_mail.SendMail"]


def test_item_in_a_filter_is_its_own_and_elsewhere_that_of_the_loop() -> None:
    filtered = {"type": "Query", "inputs": {"from": "@item()?['list']", "where": "@empty(item()?['a'])"}, "runAfter": {}}
    loop = only_step({"type": "Foreach", "foreach": "@range(0, 2)", "actions": {"Filter": filtered}})
    assert isinstance(loop, For)
    query = loop.body[0]
    assert isinstance(query, Call)
    assert query.get("from") == path("item", "list")
    assert query.get("where") == Function("empty", (Path(Function("item", ()), (Segment("a"),)),))


def test_names_of_variables_and_actions_do_not_mind_case() -> None:
    let = {"type": "InitializeVariable", "inputs": {"variables": [{"name": "Total", "type": "Integer"}]}, "runAfter": {}}
    compose = {"type": "Compose", "inputs": "@add(variables('TOTAL'), 1)", "runAfter": {"Let": ["SUCCEEDED"]}}
    again = {"type": "Compose", "inputs": "@outputs('compose')", "runAfter": {"Compose": S}}
    flow = decompile(definition_of({"Let": let, "Compose": compose, "Again": again}), CATALOG)
    assert [step.get("inputs") for step in flow.steps if isinstance(step, Call)] == [
        Function("add", (Name("Total"), lit(1))),
        Name("outputs_Compose"),
    ]


@pytest.mark.parametrize("text", ["@triggerBody()?['done']", "@and(triggerBody()?['done'], equals(1, 2))", True, "plain"])
def test_a_condition_in_one_string_stays_one_where_it_might_not_be_true_or_false(text: str | bool) -> None:
    action = {"type": "If", "expression": text, "actions": {}, "runAfter": {}}
    definition = definition_of({"Condition": action})
    flow = decompile(definition, CATALOG)
    assert [a.name for a in flow.steps[0].annotations] == ["expression"]
    assert compile(flow, CATALOG) == definition


def test_a_condition_in_one_string_that_is_a_test_becomes_structured() -> None:
    step = only_step({"type": "If", "expression": "@and(empty(triggerBody()), not(equals(1, 2)))", "actions": {}})
    assert [a.name for a in step.annotations] == ["name"]
    tests = [{"equals": ["@empty(triggerBody())", True]}, {"not": {"equals": [1, 2]}}]
    assert actions_of(step)["It"]["expression"] == {"and": tests}


def test_a_truth_value_alone_is_compared_with_true() -> None:
    assert actions_of(If(path("triggerOutputs", "body", "done"), ()))["Condition"]["expression"] == {
        "and": [{"equals": ["@triggerBody()?['done']", True]}]
    }


TRIGGERS: dict[str, dict[str, Any]] = {
    "several": {"a": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}, "b": {"type": "Odd"}},
    "none": {},
    "unknown": {"T": {"type": "ApiManagement", "inputs": {"a": "@x"}}},
    "conditions": {
        "T": {
            **{k: v for k, v in connector_action("On").items() if k != "runAfter"},
            "conditions": [{"expression": "@equals(triggerOutputs()?['body/a'], 1)"}],
            "splitOn": "@triggerBody()",
            "recurrence": {"frequency": "Hour", "interval": 2},
            "operationOptions": "SingleInstance",
        }
    },
    "window": {
        "W": {"type": "SlidingWindow", "recurrence": {"frequency": "Day", "interval": 1, "schedule": {"odd": [1]}}, "inputs": {"delay": "PT1M"}}
    },
    "kindless request": {"R": {"type": "Request", "inputs": {"schema": {}}}},
}


@pytest.mark.parametrize("triggers", TRIGGERS.values(), ids=TRIGGERS)
def test_hand_written_triggers_come_back(triggers: dict[str, Any]) -> None:
    definition = definition_of({}, triggers=triggers, outputs={"a": 1}, parameters={"p": {"type": "String", "defaultValue": "@x"}})
    flow = decompile(definition, CATALOG)
    assert compile(flow, CATALOG) == definition
    assert chained(flow) == flow


@pytest.mark.parametrize("definition", [{}, {"triggers": {}}, {"actions": []}, {"triggers": 5, "actions": {}}, [], "x", None])
def test_what_is_no_definition_is_refused_with_a_hint(definition: Any) -> None:
    with pytest.raises(UsageError) as error:
        decompile(definition, CATALOG)
    assert error.value.hint


# --- random flows in normal form -----------------------------------------------------------------------------------------------


class _Writer:
    """Writes one random flow as `decompile` would: references to what is in scope, canonical names, no two ways to say one thing."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.results: list[str] = []
        self.variables: list[str] = []

    def flow(self) -> Flow:
        steps = (*self.lets(), *self.block(0, (), 4))
        return Flow(self.trigger(), steps, self.maybe(Annotation("parameters", (read_raw({"p": "@x"}),))), self.random.choice(["", "what\nit does"]))

    def maybe(self, *annotations: Annotation) -> tuple[Annotation, ...]:
        return tuple(a for a in annotations if self.random.random() < 0.15)

    def text(self) -> str:
        return self.random.choice(["", "x", "it's", "@you", "a@{b}", "@@{", "{}", "me@x.org", "two\nlines", "/", "ü"])

    def trigger(self) -> Call:
        value = self.random.choice(["commonTrigger.manual", "shared_lists.OnNewRows", "shared_mail.OnMail", "shared_other.On"])
        return call(value, "triggerOutputs", *self.maybe(Annotation("name", (lit("The start!"),))), table=lit(self.text()))

    def lets(self) -> list[Let]:
        lets = []
        for name in self.random.sample(["total", "names", "x-y"], self.random.randint(0, 3)):
            lets.append(Let(name, "string", lit(self.text()) if self.random.random() < 0.7 else None, self.comment()))
            self.variables.append(name)
        return lets

    def comment(self) -> str:
        return self.random.choice(["", "", "", "why", "two\nlines"])

    def block(self, depth: int, loops: tuple[str, ...], most: int, least: int = 0) -> tuple[Statement, ...]:
        return tuple(self.statement(depth, loops, first=number == 0) for number in range(self.random.randint(least, most)))

    def statement(self, depth: int, loops: tuple[str, ...], first: bool) -> Statement:
        kinds = [self.connector, self.connector, self.builtin, self.opaque] + ([self.assign] if self.variables else [])
        if depth < 3:
            kinds += [self.condition_step, self.loop, self.switch, self.until, self.scope, self.guard] + ([] if first else [self.parallel])
        return self.random.choice(kinds)(depth, loops)

    def connector(self, depth: int, loops: tuple[str, ...]) -> Call:
        self.count += 1
        operation = f"Op{self.count}"
        parameters = tuple(Entry(key, self.value(loops)) for key in self.random.sample(["a", "item/Title", "$filter", ""], self.random.randint(0, 3)))
        odd = Annotation("name", (lit(f"Do it ({self.count})"),))
        notes = self.maybe(odd, Annotation("retry", (read_raw({"type": "none"}),)))
        notes += self.maybe(Annotation("settings", (read_raw({"a": "@b"}),)), Annotation("extra", (read_raw({"operationOptions": "x"}),)))
        canonical = f"outputs_shared_x_{operation}"
        result = canonical if odd in notes else self.random.choice([canonical, f"outputs_Step{self.count}", f"outputs_it-{self.count}"])
        step = Call("shared_x", operation, parameters, result, self.comment(), notes)
        self.results.append(result)
        return step

    def builtin(self, depth: int, loops: tuple[str, ...]) -> Call:
        self.count += 1
        if self.random.random() < 0.5:
            result = f"outputs_Compose_{self.count}"
            step = call("builtin.Compose", result, inputs=self.value(loops))
            self.results.append(result)
            return step
        entries = (Entry("from", self.value(loops)), Entry("where", Binary("==", Path(Function("item", ()), (Segment("a"), Segment("b"))), lit(1))))
        query = Call("builtin", "Query", entries, f"outputs_Filter{self.count}")
        return self.random.choice([query, call("builtin.Delay", interval__count=lit(1)), call("builtin.Terminate", runStatus=self.value(loops))])

    def opaque(self, depth: int, loops: tuple[str, ...]) -> Opaque:
        definition = read_raw({"type": "Agent", "inputs": {"a": ["@x", None, 1.5]}, "tools": {}})
        assert isinstance(definition, Object)
        return Opaque(definition, self.comment())

    def assign(self, depth: int, loops: tuple[str, ...]) -> Assign:
        return Assign(self.random.choice(self.variables), self.random.choice(["=", "+=", "-="]), self.value(loops))

    def condition_step(self, depth: int, loops: tuple[str, ...]) -> If:
        return If(self.condition(loops, 2), self.block(depth + 1, loops, 2), self.block(depth + 1, loops, 2), self.comment())

    def loop(self, depth: int, loops: tuple[str, ...]) -> For:
        item = f"item_{len(loops) + 1}" if loops else "item"
        return For(item, self.value(loops), self.block(depth + 1, (*loops, item), 3), self.comment())

    def switch(self, depth: int, loops: tuple[str, ...]) -> Switch:
        cases = tuple(Case(lit(self.text()), self.block(depth + 1, loops, 2)) for _ in range(self.random.randint(0, 3)))
        return Switch(self.value(loops), cases, self.block(depth + 1, loops, 2), self.comment())

    def until(self, depth: int, loops: tuple[str, ...]) -> Until:
        limit = Annotation("limit", (read_raw({"count": 5}),))
        body = self.block(depth + 1, loops, 2)
        return Until(body, self.condition(loops, 2), self.comment(), self.maybe(limit))

    def scope(self, depth: int, loops: tuple[str, ...]) -> Scope:
        return Scope(self.block(depth + 1, loops, 2), self.comment())

    def guard(self, depth: int, loops: tuple[str, ...]) -> Try:
        body = self.block(depth + 1, loops, 2, 1)
        catch = self.block(depth + 1, loops, 2)
        return Try(
            body,
            catch,
            self.block(depth + 1, loops, 2, 0 if catch else 1),
            self.comment(),
            self.maybe(Annotation("catch", (read_raw({"x": 1}),))) if catch else (),
        )

    def parallel(self, depth: int, loops: tuple[str, ...]) -> Parallel:
        return Parallel(tuple(self.block(depth + 1, loops, 2, 1) for _ in range(self.random.randint(2, 3))))

    def value(self, loops: tuple[str, ...], depth: int = 2) -> Expression:
        kind = self.random.randint(0, 9)
        if kind < 3 or depth == 0:
            return lit(self.random.choice([self.text(), 1, 2.5, True, None]))
        if kind == 3:
            return Array(tuple(self.value(loops, depth - 1) for _ in range(self.random.randint(0, 2))))
        if kind == 4:
            return Object(tuple(Entry(key, self.value(loops, depth - 1)) for key in self.random.sample(["a", "@b", "c/d"], 2)))
        if kind == 5:
            parts = [part for _ in range(2) for part in (self.random.choice(["a ", "@", "@{", "'"]), self.expression(loops, 1, literals=False))]
            return Template(tuple(parts[self.random.randint(0, 1) :]))
        return self.expression(loops, depth, literals=False)

    def reference(self, loops: tuple[str, ...]) -> Expression:
        base = self.random.choice(["triggerOutputs", *self.results[-3:], *self.variables, *loops])
        keys: list[str | int] = ["body", "value", "a b", "@odata.type", "it's", 0, 7]
        segments = [Segment(self.random.choice(keys), self.random.random() < 0.2) for _ in range(self.random.randint(0, 4))]
        if segments and self.random.random() < 0.1:
            segments.append(Segment(Function("rand", (lit(0), lit(3))), self.random.random() < 0.5))
        return Path(Name(base), tuple(segments)) if segments else Name(base)

    def expression(self, loops: tuple[str, ...], depth: int, literals: bool = True) -> Expression:
        kind = self.random.randint(0, 6)
        if kind == 0 and literals:
            return lit(self.random.choice([self.text(), 0, -1.5, False, None]))
        if depth == 0 or kind < 3:
            return self.reference(loops)
        if kind == 3:
            return self.condition(loops, depth - 1)
        arguments = tuple(self.expression(loops, depth - 1) for _ in range(self.random.randint(1, 2)))
        if kind == 4 and literals:
            return Array(arguments)
        function = Function(self.random.choice(["concat", "first", "union", "myOwn"]), arguments)
        return Path(function, (Segment("a/b"), Segment("c"))) if kind == 5 else function

    def condition(self, loops: tuple[str, ...], depth: int) -> Expression:
        kind = self.random.randint(0, 5)
        if depth > 0 and kind < 2:
            return Binary(self.random.choice(["&&", "||"]), self.condition(loops, depth - 1), self.condition(loops, depth - 1))
        if depth > 0 and kind == 2:
            inner = self.condition(loops, depth - 1)
            return inner if isinstance(inner, Binary) and inner.operator == "==" else Not(inner)
        if kind == 3:
            return Function("empty", (self.reference(loops),))
        if kind == 4:
            return Function("startsWith", (self.reference(loops), lit(self.text())))
        return Binary(
            self.random.choice(["==", "!=", "<", "<=", ">", ">="]), self.reference(loops), lit(self.random.choice([self.text(), 3, True, None]))
        )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_random_flows_in_normal_form_come_back(seed: int) -> None:
    flow = _Writer(seed).flow()
    definition = compile(flow, CATALOG)
    again = decompile(json.loads(json.dumps(definition)), CATALOG)
    assert repr(again) == repr(flow)
    assert compile(again, CATALOG) == definition


@pytest.mark.parametrize("number", [1e298, 1e299, 1.7976931348623157e308, -1e300, 5e-324])
def test_every_number_that_compiles_comes_back(number: float) -> None:
    text = f'triggerOutputs = await commonTrigger.manual({{}});\noutputs_Compose = builtin.Compose({{ "inputs": {number!r} }});\n'
    definition = compile(parse(text)[0], CATALOG)
    assert compile(parse(unparse(decompile(definition, CATALOG)))[0], CATALOG) == definition
    assert repr(number) in json.dumps(definition)


@pytest.mark.parametrize("number", [10**299, -(10**400), float("inf"), float("nan")], ids=["long", "longer", "inf", "nan"])
def test_numbers_that_no_text_holds_are_refused(number: float) -> None:
    definition = compile(parse('triggerOutputs = await commonTrigger.manual({});\noutputs_Compose = builtin.Compose({ "inputs": 1 });\n')[0], CATALOG)
    (action,) = definition["actions"].values()
    action["inputs"] = number
    with pytest.raises(UsageError, match="too large"):
        decompile(definition, CATALOG)


@settings(max_examples=40, deadline=None)
@given(trees.flows)
def test_any_tree_compiles_and_settles_in_normal_form(flow: Flow) -> None:
    settled = chained(chained(flow))
    assert chained(settled) == settled


ODD: list[Any] = [None, 5, "x", "@", "@{", "@x", "", [], {}, [1], {"a": 1}, True, {"actions": 5}, {"type": "If"}, [[]]]


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in JSON where something could be replaced."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [spot for key in keys for spot in ((value, key), *spots(value[key]))]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_definitions_are_read_or_refused_but_never_crash(seed: int) -> None:
    chance = random.Random(seed)
    definition = compile(_Writer(seed).flow(), CATALOG) if chance.random() < 0.3 else definition_of(chance.choice(list(ACTIONS.values())))
    definition = json.loads(json.dumps(definition))
    holder, key = chance.choice(spots(definition))
    holder[key] = chance.choice(ODD)
    try:
        flow = decompile(definition, CATALOG)
    except UsageError:
        return
    assert isinstance(compile(flow, CATALOG), dict)
    assert parse(unparse(flow))[0] == flow


def test_real_flows_settle_and_can_be_written_as_text() -> None:
    shared = Path_(os.environ.get("NL2DSL_SHARED") or Path_(__file__).parents[2] / "shared")
    flows = shared / "data/flows/real_flows_dev.jsonl.gz"
    if not flows.exists():
        pytest.skip("no real flows here; set NL2DSL_SHARED")
    with gzip.open(flows, "rt", encoding="utf-8") as lines:
        definitions = [json.loads(line)["definition"] for line in itertools.islice(lines, 0, None, 10)]
    for definition in definitions:
        flow = decompile(definition, CATALOG)
        assert chained(flow) == flow
        assert parse(unparse(flow))[0] == flow


def test_a_case_that_is_no_object_passes_through() -> None:
    actions = {"S": {"type": "Switch", "expression": "@1", "cases": {"A": "text"}, "runAfter": {}}}
    flow = decompile({"triggers": {"manual": {"type": "Request", "kind": "Button", "inputs": {}}}, "actions": actions}, builtin())
    assert compile(flow, builtin())["actions"] == actions
