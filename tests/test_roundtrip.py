"""Nothing is lost between a definition and its text: the comparison that measures it, and random definitions that go through it."""

from __future__ import annotations

import copy
import itertools
import json
import random
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("benchmarks", reason="run from the root of the repository")

from benchmarks import fuzz, roundtrip
from benchmarks.roundtrip import RULES, differences, normal, there_and_back

from nl2dsl.catalog.read import builtin
from nl2dsl.dsl.action_names import FLOW_ANNOTATIONS
from nl2dsl.dsl.definition import compile, decompile
from nl2dsl.dsl.expressions import MAX_DEPTH, MOST_OPERATORS
from nl2dsl.dsl.text import AT_THE_END, parse, unparse
from nl2dsl.dsl.tree import Call
from nl2dsl.errors import UsageError

S = ["Succeeded"]
HOST = {"connectionName": "shared_x", "operationId": "Get", "apiId": "/providers/Microsoft.PowerApps/apis/shared_x"}
CALL = {"type": "OpenApiConnection", "inputs": {"host": HOST, "parameters": {"a": 1}, "authentication": "@parameters('$authentication')"}}


def definition_of(actions: dict[str, Any], **others: Any) -> dict[str, Any]:
    trigger = {"type": "Request", "kind": "Button", "inputs": {"schema": {"type": "object", "properties": {}, "required": []}}}
    return {"contentVersion": "1.0.0.0", "triggers": {"manual": trigger}, "actions": actions, **others}


def compose(value: Any) -> dict[str, Any]:
    return definition_of({"Get": CALL, "It": {"type": "Compose", "inputs": value, "runAfter": {"Get": S}}})


def check(expression: Any) -> dict[str, Any]:
    return definition_of({"If": {"type": "If", "expression": expression, "actions": {}, "runAfter": {}}})


# --- the comparison ------------------------------------------------------------------------------------------------------------

SAME = [
    ("defaults", definition_of({"A": {"type": "Compose", "inputs": 1}}), definition_of({"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})),
    ("case", compose("@CONCAT('a', outputs('GET'))"), compose("@concat('a', outputs('Get'))")),
    (
        "case",
        definition_of({"R": {"type": "Response", "kind": "http", "inputs": {}}}),
        definition_of({"R": {"type": "Response", "kind": "Http", "inputs": {}}}),
    ),
    ("paths", compose("@body('Get')?['value']"), compose("@outputs('Get')?['body/value']")),
    ("paths", compose("@outputs('Get')?['body']?['value']"), compose("@outputs('Get')?['body/value']")),
    ("conditions", check("@equals(1, 2)"), check({"and": [{"equals": [1, 2]}]})),
    ("conditions", check({"not": {"equals": [1, 2]}}), check({"and": [{"not": {"equals": [1, 2]}}]})),
    ("conditions", check({"equals": ["@empty('')", True]}), check("@empty('')")),
    ("constants", compose("@true"), compose(True)),
    ("constants", compose("@{'a'}b"), compose("ab")),
    ("constants", compose("@createArray(1, 'a')"), compose([1, "a"])),
    ("description", definition_of({}, description="a \nb\n"), definition_of({}, description="a\nb")),
    (
        "item",
        definition_of({"L": {"type": "Foreach", "foreach": "@x()", "actions": {"A": {"type": "Compose", "inputs": "@item()"}}}}),
        definition_of({"L": {"type": "Foreach", "foreach": "@x()", "actions": {"A": {"type": "Compose", "inputs": "@items('L')"}}}}),
    ),
]


@pytest.mark.parametrize(("rule", "a", "b"), SAME)
def test_what_may_differ_is_no_loss_and_each_rule_is_what_allows_it(rule: str, a: dict[str, Any], b: dict[str, Any]) -> None:
    assert not list(differences(normal(a), normal(b)))
    rules = frozenset(RULES) - {rule}
    assert list(differences(normal(a, rules), normal(b, rules)))


def test_every_rule_has_an_example() -> None:
    assert {rule for rule, _, _ in SAME} == set(RULES)


OTHER = [
    (compose("@body('Get')['value']"), compose("@body('Get')?['value']")),
    (compose("@body('Get')?['a/b']"), compose("@body('Get')?['a']?['b']")),
    (compose("@{outputs('Get')}"), compose("@outputs('Get')")),
    (compose("@{1}"), compose(1)),
    (compose({"a": 1, "b": 2}), compose({"b": 2, "a": 1})),
    (compose(1), compose(1.0)),
    (compose(1), compose(True)),
    (compose("1"), compose(1)),
    (compose("@@x"), compose("@x")),
    (compose("a "), compose("a")),
    (compose("@and(a(), or(b(), c()))"), compose("@or(and(a(), b()), c())")),
    (check("@triggerBody()?['a']"), check({"equals": ["@triggerBody()?['a']", True]})),
    (check({"and": [{"equals": [1, 2]}, {"equals": [1, 3]}]}), check({"or": [{"equals": [1, 2]}, {"equals": [1, 3]}]})),
    (check({"less": [1, 2]}), check({"less": [2, 1]})),
    (definition_of({"A": CALL, "B": {**CALL, "runAfter": {"A": S}}}), definition_of({"A": CALL, "B": {**CALL, "runAfter": {"A": ["Failed"]}}})),
    (definition_of({"A": CALL, "B": {**CALL, "runAfter": {"A": S}}}), definition_of({"A": CALL, "B": CALL})),
    (definition_of({"A": CALL}), definition_of({"a": CALL})),
    (definition_of({"A": {**CALL, "limit": {"timeout": "PT1H"}}}), definition_of({"A": CALL})),
    (definition_of({}, outputs={"a": 1}), definition_of({})),
]


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_what_may_not_differ_is_a_loss(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert list(differences(normal(a), normal(b)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_any_other_text_or_number_anywhere_is_a_loss(seed: int) -> None:
    chance = random.Random(seed)
    definition = fuzz.Definitions(chance).definition()
    changed = copy.deepcopy(definition)
    holder, key = chance.choice([spot for spot in fuzz.spots(changed) if not isinstance(spot[0][spot[1]], dict | list)])
    holder[key] = "".join(chance.choices(string.ascii_lowercase, k=9))
    assert list(differences(normal(definition), normal(changed)))


# --- random definitions --------------------------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_random_definitions_come_back_through_the_text_without_loss(seed: int) -> None:
    result = there_and_back("", fuzz.Definitions(random.Random(seed)).definition())
    assert (result.problem, result.losses) == ("", [])


def test_random_definitions_hold_every_kind_of_action() -> None:
    found = [fuzz.Definitions(random.Random(seed)).definition() for seed in range(60)]
    kinds = {str(action.get("type")).lower() for definition in found for _, action in roundtrip.every(definition["actions"])}
    assert kinds >= {
        "if",
        "foreach",
        "switch",
        "until",
        "scope",
        "openapiconnection",
        "apiconnection",
        "serviceprovider",
        "agent",
        "response",
        "query",
    }


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_texts_and_definitions_give_typed_errors_only(seed: int) -> None:
    chance = random.Random(seed)
    definition = fuzz.Definitions(chance).definition()
    text = unparse(decompile(definition))
    assert fuzz.try_text(fuzz.damage_text(text, [text], chance)) in ("read", "refused")
    assert fuzz.try_definition(fuzz.damage_definition(definition, chance)) in ("read", "refused")


def test_real_flows_come_back_without_loss() -> None:
    if not roundtrip.shared().exists():
        pytest.skip("no real flows here; set NL2DSL_SHARED")
    for name, definition in itertools.islice(roundtrip.read(roundtrip.shared()), 0, None, 12):
        result = there_and_back(name, definition)
        assert (name, result.problem, result.losses) == (name, "", [])


# --- single cases --------------------------------------------------------------------------------------------------------------


def long(value: str) -> dict[str, Any]:
    return {"type": "If", "expression": {"and": [{"equals": [f"@{value}", number]} for number in range(300)]}, "actions": {"A": CALL}, "runAfter": {}}


LARGE: dict[str, dict[str, Any]] = {
    "a literal of 300 KB": compose('<p>`${x}` \\ "&nbsp;"</p>\r\n' * 12_000),
    "a condition of 300 tests": definition_of({"If": long("triggerBody()")}),
    "an expression of 300 operators": compose("@and(" + ", ".join(["equals(a(), not(b()))"] * 150) + ")"),
    "an expression nested 60 deep": compose("@" + "toLower(" * 60 + "'x'" + ")" * 60),
    "200 strict keys in one text": compose("".join(f"@{{triggerBody()['a{n}']}}, " for n in range(200))),
    "a fork of 40 branches": definition_of({"A": CALL} | {f"B{n}": {**CALL, "runAfter": {"A": S}} for n in range(40)}),
    "a recurrence with the keys of a schedule": definition_of(
        {},
        triggers={
            "R": {
                "type": "Recurrence",
                "recurrence": {"frequency": "Day", "hours": [8], "inputs/a": 1, "recurrence/b": 2, "schedule": {"hours": [9]}},
            }
        },
    ),
    "a request of another kind without a schema": definition_of({}, triggers={"R": {"type": "Request", "kind": "VirtualAgent", "inputs": {"a": 1}}}),
    "an old call that notes another thing than its operation": definition_of(
        {
            "A": {
                "type": "ApiConnection",
                "inputs": {"host": {"connection": {"name": "@parameters('$connections')['x']['connectionId']"}}, "method": "get"},
                "metadata": {"operationMetadataId": "4"},
            }
        }
    ),
    "a long condition that ends in what is no test": check({"and": [*({"equals": ["@triggerBody()", n]} for n in range(120)), "@null"]}),
    "a split that is @null": definition_of({}, triggers={"T": {**CALL, "splitOn": "@null", "recurrence": {"frequency": "Hour", "interval": 3}}}),
    "a loop without a name": definition_of({"": {"type": "Foreach", "foreach": "@x()", "actions": {"A": {"type": "Compose", "inputs": "@item()"}}}}),
    "an old call without a name": definition_of({"": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "x"}}, "method": "get"}}}),
    "an old call without a name or a connection of its own": definition_of(
        {
            "": {
                "type": "ApiConnection",
                "inputs": {"host": {"connection": {"name": "@parameters('$connections')['x']['connectionId']"}}, "path": "/@{1}"},
            }
        }
    ),
    "an action without a name": definition_of({"": CALL, "B": {"type": "Compose", "inputs": "@body('')", "runAfter": {"": S}}}),
    "no run-after": definition_of({"A": {**CALL, "runAfter": None}}),
    "nothing at all": definition_of({}, triggers={}),
    "an operation called builtin": definition_of(
        {"A": {"type": "OpenApiConnection", "inputs": {"host": {**HOST, "apiId": "/apis/builtin"}, "parameters": {}}, "runAfter": {}}}
    ),
    "a connector without an id": definition_of(
        {"A": {"type": "OpenApiConnection", "inputs": {"host": {**HOST, "apiId": ""}, "parameters": {}}, "runAfter": {}}}
    ),
    "metadata that is nothing": definition_of({"A": {**CALL, "metadata": None, "limit": None}}),
    "a split that is an expression": definition_of(
        {}, triggers={"T": {**CALL, "splitOn": "@body('x')?['a/b']", "recurrence": {"frequency": "Hour", "interval": 3}}}
    ),
    "connections by majority": definition_of(
        {
            name: {**CALL, "inputs": {**CALL["inputs"], "host": {**HOST, "connectionName": alias}}}
            for name, alias in {"A": "c1", "B": "c1", "C": "shared_x"}.items()
        }
    ),
    "old and new calls of one connector": definition_of(
        {
            "A": {**CALL, "inputs": {**CALL["inputs"], "host": {**HOST, "connectionName": "x_1"}}},
            "B": {
                "type": "ApiConnection",
                "inputs": {"host": {"connection": {"name": "@parameters('$connections')['x_1']['connectionId']"}}, "method": "get", "path": "/a"},
            },
        }
    ),
    "an action named as the trigger": definition_of(
        {"manual": {**CALL, "metadata": {"operationMetadataId": "1"}}},
        triggers={"manual": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}, "metadata": {"operationMetadataId": "2"}}},
    ),
    "scopes that guard each other": definition_of(
        {
            "Try": {"type": "Scope", "actions": {"A": CALL}},
            "Oh no": {"type": "Scope", "actions": {"B": CALL}, "runAfter": {"Try": ["TimedOut", "Failed"]}, "description": "why"},
            "At last": {
                "type": "Scope",
                "actions": {"C": CALL},
                "runAfter": {"Oh no": ["Succeeded", "Failed"]},
                "metadata": {"operationMetadataId": "3"},
            },
        }
    ),
}


@pytest.mark.parametrize("definition", LARGE.values(), ids=LARGE)
def test_large_and_odd_definitions_come_back(definition: dict[str, Any]) -> None:
    result = there_and_back("", definition)
    assert (result.problem, result.losses) == ("", [])


def test_actions_of_one_name_are_numbered_once_and_for_all() -> None:
    let = {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer"}]}}
    definition = definition_of({"X": {"type": "Scope", "actions": {"x": {"type": "Scope", "actions": {"X": let}}}}, "x_2": CALL})
    again = compile(decompile(definition), builtin())
    names = [name.lower() for name, _ in roundtrip.every(again["actions"])]
    assert len(set(names)) == len(names) == 4
    assert compile(decompile(again), builtin()) == again


def nested(levels: int) -> dict[str, Any]:
    action: dict[str, Any] = CALL
    for number in range(levels):
        action = {"type": "Scope", "actions": {f"A{number}": action}}
    return definition_of({"A": action})


def test_forty_scopes_inside_one_another_come_back() -> None:
    assert there_and_back("", nested(40)).losses == []


@pytest.mark.parametrize(
    "definition",
    [nested(5_000), compose(10**400), compose(float("inf")), compose(json.loads("[" * 70 + "]" * 70)), definition_of({}, parameters=float("nan"))],
    ids=["scopes", "a long number", "infinity", "lists", "no number"],
)
def test_what_no_text_could_hold_is_refused_with_a_hint(definition: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        decompile(definition)
    assert error.value.hint


@pytest.mark.parametrize("after", [5, [], {"B": "Succeeded"}, {"B": [1]}, {"B": None}, {"B": {"a": ["Failed"]}}])
def test_a_run_after_of_another_shape_is_refused_by_name(after: Any) -> None:
    with pytest.raises(UsageError, match="`A`"):
        decompile(definition_of({"A": {**CALL, "runAfter": after}, "B": CALL}))


def test_limits_of_expressions_leave_room_for_what_is_around_them() -> None:
    from nl2dsl.dsl.words import MAX_NESTING, MAX_OPERATORS

    assert MAX_DEPTH < MAX_NESTING - 16
    assert MOST_OPERATORS < MAX_OPERATORS


# --- expressions as people and designers spell them ----------------------------------------------------------------------------------

SPELLINGS = [
    "@outputs('G').body.value[0].a",
    "@triggerBody()['a']",
    "@concat('{', '}', '@{x}', '''')",
    "@{concat('{','}')}",
    "@\n  concat(\n 'a',\n\t'b' )\n",
    "@if(equals(1,2),'a','b')",
    "@variables('v')?[variables('i')]",
    "@Concat('a')",
    "@outputs('g')?.body?.x",
    "@-1",
    "@+1",
    "@1.50",
    "@1e3",
    "@''",
    "@'text'",
    "@{'it''s'}",
    "@True",
    "@{null}",
    "@{true}",
    "@@x",
    "@@@x",
    "a@@b",
    "@@{x",
    "x@{1}@",
    "@{1}@{2}",
    "@{outputs('G')}@@{y}",
    "@ outputs('G')",
    "@{ outputs('G') }",
    "@outputs('G')?['a b']?['c''d']",
    "@outputs('G')?['body/a/b']",
    "@outputs('G')?['body']?['a/b']",
    "@body('G')?['a/b/c']",
    "@outputs('G')?['/x']",
    "@outputs('G')?['x/']",
    "@outputs('G')?['headers/Location']",
    "@outputs('G')['body/value']",
    "@actions('G')?['outputs']?['body']",
    "@result('G')",
    "@workflow()?['run']?['name']",
    "@workflow().tags.x",
    "@json('{\"a\":1}')?['a']",
    "@createArray('a',1,null)",
    "@array(1)",
    "@string('')",
    "@{string('')}",
    "@string(null)",
    "@parameters('p (x_y)')",
    "@triggerOutputs()?['queries']?['a']",
    "@trigger()?['outputs']?['body/x']",
    "@outputs('G')?[0]",
    "@outputs('G')[-1]",
    "@outputs('G')?['a'][length(outputs('G'))]",
    "@first(body('G'))?['a']['b']",
    "@xpath(xml(body('G')), '//a[@b=\"c\"]/text()')",
    "@{xpath(xml('<a/>'),'string(/a)')}",
    "@replace('a','\n','<br>')",
    "@replace(body('G'), decodeUriComponent('%0A'), '\\n')",
    "@formatNumber(1, 'C2', 'en-US')",
    "@and(true, or(false, true), not(false))",
    "@or(true)",
    "@and()",
    "@not(true, false)",
    "@equals(1)",
    "@equals(1,2,3)",
    "@greater(body('G'), body('G'))",
    "@f()?[f()]",
    "@f().a-b",
    "@f()?.a-b.c",
    "@f().$x.@odata",
    "@f()['@odata.type']",
    "@{f()?['@{x}']}",
    "@f('@{x}')",
    "@f('@')",
    "@items('Loop')",
    "@item()",
    "@iterationIndexes('U')",
    "@body('nope')",
    "@body(concat('G',''))",
    "@variables('V')",
    "@uriComponent('é🎉')",
    "@f('\u2028\ufeff\x00')",
    "@f(-5)",
    "@f(.5)",
    "@f(99999999999999999999)",
    "@f(1.0)",
    "@f(1.10)",
    "@f(1E+5)",
    "@f(TRUE,NULL,False)",
    "@ f ( 1 , 2 ) ",
    "@f(1)?[ 'a' ]",
    "@f(1) ?['a']",
    "@f(1). a",
    "@f(1) .a",
    "@outputs(\n'G'\n)",
    "@outputs('G ')",
    "@outputs(' g')",
    "@outputs('')",
    "@outputs()",
    "@body()",
    "@triggerBody('x')",
    "@triggerOutputs('x')",
    "@item('x')",
    "@not(equals(1,2))",
    "@not(not(true))",
    "@less(1,2)",
    "@lessOrEquals(1,'a')",
    "@contains(body('G'),'x')",
    "@{and(true,false)} x",
    "@coalesce(body('G')?['a'],'')",
    "@union(createArray(),body('G'))",
    "@setProperty(json('{}'),'a',1)",
    "@json('[]')",
    "@json('{}')",
    "@{f('}')}",
    "@{f('{')}",
    "@{f('''}')}",
]
NOT_SPELLINGS = [
    "@a",
    "@a.b",
    "@a(",
    "@a)",
    "@'x",
    "@{'x'",
    "@{x}}",
    "@{}",
    "@()",
    "@[1]",
    "@{[1]}",
    '@"x"',
    "@1 2",
    "@f(1,)",
    "@f(,1)",
    "@f(1)(2)",
    "@f(1)?",
    "@f(1)..a",
    "@f()?['a",
    "@f()?[]",
    "@f()?[true]",
    "@f()?[1.5]",
    "@f()?[null]",
    "@raw('x')",
    "@{raw('x')}",
    "@f(- 5)",
    "@f(5.)",
    "@f(0x1F)",
    "@f(1_000)",
    "@f(true.x)",
    "@F",
    "@f(1)? ['a']",
    "@f({})",
    "@f([])",
]


@pytest.mark.parametrize("value", SPELLINGS)
def test_an_expression_of_any_spelling_is_read_and_comes_back(value: str) -> None:
    for inputs in (value, {"k": value}, [value]):
        result = there_and_back("", compose(inputs))
        assert (result.problem, result.losses, result.raw) == ("", [], 0)


@pytest.mark.parametrize("value", NOT_SPELLINGS)
def test_what_only_looks_like_an_expression_stays_as_it_is(value: str) -> None:
    for inputs in (value, {"k": value}, [value]):
        result = there_and_back("", compose(inputs))
        assert (result.problem, result.losses) == ("", [])
        assert result.raw  # `raw("...")` in the text
        assert result.again["actions"]["It"]["inputs"] == inputs


# --- every place, every odd value -----------------------------------------------------------------------------------------------

OLD_HOST = {"connection": {"name": "@parameters('$connections')['x_1']['connectionId']"}}
SERVICE = {"connectionName": "bus", "operationId": "send", "serviceProviderId": "/serviceProviders/bus"}
SMALL: dict[str, dict[str, Any]] = {
    "call": definition_of({"A": {**CALL, "runAfter": {}, "metadata": {"operationMetadataId": "1"}, "limit": {"timeout": "PT1M"}}}, parameters={}),
    "old call": definition_of({"A": {"type": "ApiConnection", "inputs": {"host": OLD_HOST, "method": "get", "path": "/a", "queries": {"q": 1}}}}),
    "service": definition_of({"A": {"type": "ServiceProvider", "inputs": {"parameters": {"a": 1}, "serviceProviderConfiguration": SERVICE}}}),
    "http and response": definition_of(
        {
            "A": {"type": "Http", "inputs": {"method": "GET", "uri": "u", "retryPolicy": {"type": "none"}}, "trackedProperties": {"a": 1}},
            "B": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": {"a": [1]}}, "runAfter": {"A": ["Failed", "Skipped"]}},
        }
    ),
    "waiting and ending": definition_of(
        {
            "A": {"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Day"}}},
            "B": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "1"}}, "runAfter": {"A": S}},
        }
    ),
    "data": definition_of(
        {
            "A": {"type": "Select", "inputs": {"from": "@body('B')", "select": {"a": "@item()?['b']"}}},
            "B": {"type": "Table", "inputs": {"from": [1], "format": "CSV", "columns": [{"header": "x", "value": "@item()"}]}},
            "C": {"type": "ParseJson", "inputs": {"content": "@body('A')", "schema": {"type": ["string"]}}},
        }
    ),
    "if": definition_of(
        {
            "A": {
                "type": "If",
                "expression": {"and": [{"equals": ["@x()", "a"]}, {"or": [{"not": {"contains": ["@x()", 1]}}, {"less": ["@empty('')", True]}]}]},
                "actions": {"B": {"type": "Compose", "inputs": 1}},
                "else": {"actions": {"C": {"type": "Compose", "inputs": ""}}},
            }
        }
    ),
    "until": definition_of(
        {"A": {"type": "Until", "expression": {"and": [{"equals": ["@x()", 1]}]}, "limit": {"count": 60, "timeout": "PT1H"}, "actions": {}}}
    ),
    "until as one": definition_of({"A": {"type": "Until", "expression": "@equals(x(), 1)", "limit": {"count": 5}, "actions": {"B": CALL}}}),
    "switch in a loop": definition_of(
        {
            "A": {
                "type": "Foreach",
                "foreach": "@x()",
                "actions": {
                    "B": {"type": "Switch", "expression": "@item()", "cases": {"Case": {"case": 1, "actions": {}}}, "default": {"actions": {}}}
                },
                "runtimeConfiguration": {"concurrency": {"repetitions": 1}},
            }
        }
    ),
    "variables": definition_of(
        {
            "A": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer", "value": 1}]}},
            "B": {"type": "IncrementVariable", "inputs": {"name": "n", "value": 1}, "runAfter": {"A": S}},
        }
    ),
    "try": definition_of(
        {
            "A": {"type": "Scope", "actions": {"B": CALL}},
            "C": {"type": "Scope", "actions": {"D": CALL}, "runAfter": {"A": ["Failed", "TimedOut"]}},
        }
    ),
    "polling trigger": definition_of(
        {},
        triggers={
            "T": {
                **CALL,
                "recurrence": {"frequency": "Minute", "interval": 1},
                "splitOn": "@triggerBody()?['value']",
                "conditions": [{"expression": "@x()"}],
            }
        },
    ),
    "schedule": definition_of(
        {}, triggers={"R": {"type": "Recurrence", "recurrence": {"frequency": "Week", "interval": 1, "schedule": {"hours": ["8"]}}}}
    ),
    "button": definition_of({}, outputs={"o": {"type": "string", "value": "@x"}}),
}
STRANGE = [None, True, "", "@{x()}", {}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inside for place in [(*path, key), *places(item, (*path, key))]]


@pytest.mark.parametrize("definition", SMALL.values(), ids=SMALL)
def test_an_odd_value_anywhere_comes_back_or_is_refused(definition: dict[str, Any]) -> None:
    """One thing replaced by something that does not belong there, or missing: what is not understood is carried along, never changed in silence."""
    assert fuzz.try_definition(definition) == "read"
    read = 0
    for *outer, last in places(definition):
        for strange in [*STRANGE, ...]:
            given = copy.deepcopy(definition)
            holder: Any = given
            for key in outer:
                holder = holder[key]
            if strange is ...:
                del holder[last]
            else:
                holder[last] = copy.deepcopy(strange)
            read += fuzz.try_definition(given) == "read"
    assert read > len(places(definition)) * len(STRANGE) / 2  # refusing everything is no way out


# --- how it reads --------------------------------------------------------------------------------------------------------------


def test_ids_and_what_all_calls_share_stand_at_the_end() -> None:
    authentication = {"type": "Raw", "value": "@json('x')"}
    inputs = {**CALL["inputs"], "authentication": authentication, "host": {**HOST, "connectionName": "shared_x_1"}}
    action = {"type": "OpenApiConnection", "inputs": inputs, "metadata": {"operationMetadataId": "1-2"}}
    definition = definition_of({"Get": action, "Again": {**action, "runAfter": {"Get": S}}})
    text = unparse(decompile(definition))
    body, _, tail = text.partition("\n\n@@")
    assert "authentication" not in body
    assert "@connection" not in body
    assert "1-2" not in body
    assert tail.startswith('connections({ "shared_x": "shared_x_1" })')
    assert parse(text)[0] == decompile(definition)


def test_annotations_at_the_end_are_those_of_definitions() -> None:
    assert set(FLOW_ANNOTATIONS) <= AT_THE_END


def test_an_action_of_an_unknown_type_is_a_call_that_says_its_type() -> None:
    definition = definition_of({"Run": {"type": "JavaScriptCode", "inputs": {"code": "@body('Get')"}, "runAfter": {}}})
    step = decompile(definition).steps[0]
    assert isinstance(step, Call)
    assert (step.id, step.result, step.annotations[0].name) == ("builtin.JavaScriptCode", "outputs_Run", "type")


def test_an_old_call_says_its_method_and_path_once() -> None:
    inputs = {
        "host": {"connection": {"name": "@parameters('$connections')['mail_1']['connectionId']"}},
        "method": "post",
        "path": "/v2/Mail",
        "body": {"To": "x"},
    }
    text = unparse(decompile(definition_of({"Send it (V2)": {"type": "ApiConnection", "inputs": inputs}})))
    assert 'outputs_Send_it_V2 = shared_mail.`post /v2/Mail`({ "body": { "To": "x" } });' in text
    assert '@@connections({ "shared_mail": "mail_1" })' in text
