"""Flows run on the simulator: order, control, failure, retries, side effects, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nl2dsl.dsl.definition import decompile
from nl2dsl.errors import UsageError
from nl2dsl.simulator import Limits, Run, render, run, to_json
from running import CATALOG, MAIL, MANUAL, READ, ran


def actions(definition: dict[str, Any], **options: Any) -> Run:
    whole = {"triggers": {"manual": {"type": "Request", "kind": "Button", "inputs": {"schema": {}}}}, "actions": definition}
    return run(decompile(whole, CATALOG), CATALOG, **options)


def compose(value: Any, **after: list[str]) -> dict[str, Any]:
    return {"type": "Compose", "inputs": value, "runAfter": after}


def status(done: Run, name: str) -> str:
    return done.find(name)[0].status


def output(done: Run, name: str) -> Any:
    return to_json(done) and done.find(name)[0].outputs


# --- order and run-after -------------------------------------------------------------------------------------------------------


def test_steps_run_in_the_order_of_run_after_not_of_the_json() -> None:
    done = actions({"B": compose("@outputs('A')", A=["Succeeded"]), "A": compose("first")})
    assert [e.name for e in done.trace] == ["A", "B"] and output(done, "B") == "first"


@pytest.mark.parametrize(
    ("asked", "expected"), [(["Succeeded"], "Skipped"), (["Failed"], "Succeeded"), (["Failed", "TimedOut"], "Succeeded"), (["TimedOut"], "Skipped")]
)
def test_what_runs_after_a_failure_is_what_asks_for_it(asked: list[str], expected: str) -> None:
    done = actions({"A": compose("@int('x')"), "B": compose("b", A=asked)})
    assert status(done, "A") == "Failed" and status(done, "B") == expected
    assert done.status == ("Succeeded" if expected == "Succeeded" else "Failed")


def test_a_step_after_a_skipped_one_can_ask_for_that() -> None:
    done = actions({"A": compose("@int('x')"), "B": compose("b", A=["Succeeded"]), "C": compose("c", B=["Skipped"])})
    assert status(done, "C") == "Succeeded" and done.status == "Succeeded"


def test_a_join_waits_for_the_slower_branch() -> None:
    wait = {"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Minute"}}, "runAfter": {}}
    done = actions({"Slow": wait, "Quick": compose(1), "Both": compose("@utcNow()", Slow=["Succeeded"], Quick=["Succeeded"])})
    assert output(done, "Both") == "2026-01-05T08:05:00.0000000Z"


def test_branches_are_interleaved_by_time() -> None:
    done = ran(
        "let order: array = [];\nparallel {\n"
        '{ builtin.Delay({ "interval/count": 2, "interval/unit": "Hour" }); builtin.AppendToArrayVariable({ "name": "order", "value": "late" }); }\n'
        '{ builtin.Delay({ "interval/count": 1, "interval/unit": "Hour" }); builtin.AppendToArrayVariable({ "name": "order", "value": "early" }); }\n}\n'
        'x = builtin.Compose({ "inputs": order });'
    )
    assert output(done, "x") == ["early", "late"]


def test_actions_that_wait_for_each_other_are_skipped() -> None:
    done = actions({"A": compose(1, B=["Succeeded"]), "B": compose(2, A=["Succeeded"]), "C": compose(3)})
    assert status(done, "A") == status(done, "B") == "Skipped" and status(done, "C") == "Succeeded"


# --- control -------------------------------------------------------------------------------------------------------------------


def test_if_runs_one_branch() -> None:
    done = ran('if (1 > 2) { x = builtin.Compose({ "inputs": 1 }); } else { y = builtin.Compose({ "inputs": 2 }); }')
    assert not done.find("x") and output(done, "y") == 2


def test_a_skipped_branch_counts_as_skipped() -> None:
    done = actions(
        {
            "If": {"type": "If", "expression": {"and": [{"equals": [1, 2]}]}, "actions": {"In": compose(1)}, "runAfter": {}},
            "After": compose("@actions('In')?['status']", If=["Succeeded"]),
        }
    )
    assert output(done, "After") == "Skipped"


def test_switch_takes_the_equal_case_or_the_default() -> None:
    source = 'switch ({}) {{ case "a": {{ x = builtin.Compose({{ "inputs": 1 }}); }} default: {{ y = builtin.Compose({{ "inputs": 2 }}); }} }}'
    assert ran(source.format('"a"')).find("x") and ran(source.format('"b"')).find("y")


def test_a_loop_runs_all_items_and_fails_if_one_does() -> None:
    done = ran('for (item of createArray("1", "x", "3")) { n = builtin.Compose({ "inputs": int(item) }); }\nz = builtin.Compose({ "inputs": 0 });')
    assert [e.status for e in done.find("n")] == ["Succeeded", "Failed", "Succeeded"]
    assert status(done, "Apply_to_each") == "Failed" and status(done, "z") == "Skipped" and done.status == "Failed"


def test_nested_loops_see_both_items() -> None:
    done = ran('for (a of [1, 2]) { for (b of [10, 20]) { s = builtin.Compose({ "inputs": add(a, b) }); } }')
    assert [e.outputs for e in done.find("s")] == [11, 21, 12, 22]


def test_a_loop_over_no_list_fails_with_the_words_of_the_platform() -> None:
    done = ran('x = builtin.Compose({ "inputs": "text" });\nfor (item of x) { y = builtin.Compose({ "inputs": item }); }')
    assert done.error is not None and "is of type 'String'. The result must be a valid array." in done.error["message"]


def test_concurrent_iterations_overlap() -> None:
    wait = {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}, "runAfter": {}}
    loop = {"type": "Foreach", "foreach": "@createArray(1,2,3,4)", "actions": {"W": wait}, "runAfter": {}}
    alone = actions({"L": loop})
    together = actions({"L": loop | {"runtimeConfiguration": {"concurrency": {"repetitions": 2}}}})
    assert (alone.end - alone.start).total_seconds() == 4 * 3600 and (together.end - together.start).total_seconds() == 2 * 3600


def test_until_ends_when_its_condition_is_true() -> None:
    done = ran('let n: integer = 0;\ndo { n += 1; } until (n >= 3);\nx = builtin.Compose({ "inputs": n });')
    assert output(done, "x") == 3


def test_until_that_reaches_its_count_succeeds_and_says_so() -> None:
    done = ran('let n: integer = 0;\n@limit({ "count": 4, "timeout": "PT1H" })\ndo { n += 1; } until (n < 0);\nx = builtin.Compose({ "inputs": n });')
    assert output(done, "x") == 4 and "limit" in done.find("Do_until")[0].notes[0]


def test_until_ends_with_its_time() -> None:
    done = ran('let n: integer = 0;\n@limit({ "count": 60, "timeout": "PT1H" })\n'
               'do { n += 1; builtin.Delay({ "interval/count": 25, "interval/unit": "Minute" }); } until (false);\nx = builtin.Compose({ "inputs": n });')  # fmt: skip
    assert output(done, "x") == 3


@pytest.mark.parametrize(("fail", "expected"), [((), ["Skipped", "Succeeded"]), (("SendEmailV2",), ["Succeeded", "Succeeded"])])
def test_catch_runs_only_after_a_failure_and_finally_always(fail: tuple[str, ...], expected: list[str]) -> None:
    done = ran(
        f'try {{ {MAIL} }} catch {{ c = builtin.Compose({{ "inputs": 1 }}); }} finally {{ f = builtin.Compose({{ "inputs": 2 }}); }}', fail=fail
    )
    assert [status(done, "Catch"), status(done, "Finally")] == expected and done.status == "Succeeded"


def test_result_tells_what_happened_in_a_scope() -> None:
    done = actions(
        {
            "Try": {"type": "Scope", "actions": {"A": compose("@int('x')")}, "runAfter": {}},
            "Why": compose("@result('Try')[0]['error']['code']", Try=["Failed"]),
        }
    )
    assert output(done, "Why") == "InvalidTemplate"


def test_terminate_ends_the_run_as_it_says() -> None:
    done = ran(f'builtin.Terminate({{ "runStatus": "Failed", "runError/code": "42", "runError/message": "no" }});\n{MAIL}')
    assert (done.status, done.declared, done.error) == ("Failed", True, {"code": "42", "message": "no"}) and not done.effects


def test_terminate_cancels_what_runs_beside_it() -> None:
    done = ran(
        'parallel {\n{ builtin.Delay({ "interval/count": 2, "interval/unit": "Hour" }); }\n{ builtin.Terminate({ "runStatus": "Cancelled" }); }\n}'
    )
    assert done.status == "Cancelled" and [e.status for e in done.entries() if e.operation == "builtin.Delay"] == ["Cancelled"]


# --- variables and data operations ---------------------------------------------------------------------------------------------


def test_variables_keep_their_type() -> None:
    done = ran('let n: integer = 1;\nn = concat("a", "b");')
    assert done.error is not None and "of type 'Integer' cannot be initialized or updated with value of type 'String'" in done.error["message"]


def test_text_and_lists_grow() -> None:
    done = ran(
        'let t: string = "a";\nlet l: array = [1];\nbuiltin.AppendToStringVariable({ "name": "t", "value": "b" });\n'
        'builtin.AppendToArrayVariable({ "name": "l", "value": 2 });\nx = builtin.Compose({ "inputs": [t, l] });'
    )
    assert output(done, "x") == ["ab", [1, 2]]


def test_data_operations_see_their_item() -> None:
    rows = [{"n": 1, "t": "a"}, {"n": 2, "t": "b, c"}]
    done = actions(
        {
            "Filter": {"type": "Query", "inputs": {"from": rows, "where": "@greater(item()?['n'], 1)"}, "runAfter": {}},
            "Map": {"type": "Select", "inputs": {"from": rows, "select": {"T": "@toUpper(item()['t'])"}}, "runAfter": {"Filter": ["Succeeded"]}},
            "Csv": {"type": "Table", "inputs": {"from": "@body('Map')", "format": "CSV"}, "runAfter": {"Map": ["Succeeded"]}},
            "Html": {"type": "Table", "inputs": {"from": "@body('Filter')", "format": "HTML", "columns": [{"header": "<T>", "value": "@item()['t']"}]}, "runAfter": {"Csv": ["Succeeded"]}},
            "Join": {"type": "Join", "inputs": {"from": [1, 2], "joinWith": "-"}, "runAfter": {"Html": ["Succeeded"]}},
        }
    )  # fmt: skip
    bodies = {e.name: e.outputs["body"] for e in done.trace}
    assert bodies["Filter"] == [rows[1]] and bodies["Map"] == [{"T": "A"}, {"T": "B, C"}]
    assert bodies["Csv"] == 'T\r\nA\r\n"B, C"\r\n' and bodies["Join"] == "1-2"
    assert bodies["Html"] == "<table><thead><tr><th>&lt;T&gt;</th></tr></thead><tbody><tr><td>b, c</td></tr></tbody></table>"


def test_parse_json_checks_the_schema() -> None:
    def parsed(content: str) -> Run:
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        return actions({"P": {"type": "ParseJson", "inputs": {"content": content, "schema": schema}, "runAfter": {}}})

    assert parsed('{"a": 1}').find("P")[0].outputs == {"body": {"a": 1}}
    codes = [run.error["code"] for run in map(parsed, ('{"a": "x"}', "{}", "{")) if run.error]
    assert codes == ["ValidationFailed", "ValidationFailed", "InvalidJSON"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"content": "@body('H')", "schema": {"type": {}, "properties": 5}},
        {"content": "{}", "schema": {"type": "object", "required": [{}]}},
        {"content": "@body('H')", "schema": {"type": "array", "items": {"type": [{}]}}},
    ],
)
def test_a_broken_schema_breaks_no_run(inputs: dict[str, Any]) -> None:
    http = {"type": "Http", "inputs": {"method": "GET", "uri": "x", "host": True}, "runAfter": {}}
    done = actions({"H": http, "P": {"type": "ParseJson", "inputs": inputs, "runAfter": {"H": ["Succeeded"]}}})
    assert done.status == "Succeeded" and render(done)


# --- mock connectors -----------------------------------------------------------------------------------------------------------

LOOP = READ + "for (item of items.body.value) { " + MAIL.replace('"a@contoso.com"', "item.Author.Email") + "}"


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    first, again, other = (json.dumps(to_json(ran(LOOP, seed=s))) for s in (1, 1, 2))
    assert first == again != other


def test_data_fits_its_fields() -> None:
    done = ran(LOOP)
    assert 2 <= len(done.effects) <= 3
    assert all(str(effect["parameters"]["emailMessage/To"]).endswith("@contoso.com") for effect in to_json(done)["effects"])


def test_a_call_depends_on_its_inputs_not_on_the_name_of_its_step() -> None:
    named = ran(READ.replace("items =", "rows =")).find("rows")[0]
    assert to_json(ran(READ))["trace"][0]["outputs"] == {**to_json(ran(READ))["trace"][0]["outputs"], "body": json.loads(json.dumps(_body(named)))}
    other = ran(READ.replace("Invoices", "Orders")).find("items")[0]
    assert _body(other) != _body(named)


def _body(entry: Any) -> Any:
    from nl2dsl.simulator.values import plain

    return plain(entry.outputs["body"])


def test_reading_is_no_side_effect_and_writing_is() -> None:
    done = ran(
        READ
        + MAIL
        + 'builtin.Http({ "method": "GET", "uri": "https://contoso.example" });\nbuiltin.Http({ "method": "POST", "uri": "https://contoso.example" });'
    )
    assert [e.operation for e in done.effects] == ["shared_office365.SendEmailV2", "builtin.Http"]


def test_what_the_catalog_does_not_describe_is_seeded_and_told() -> None:
    done = ran(READ + 'x = builtin.Compose({ "inputs": items.body.value[0].Colour });')
    assert done.status == "Succeeded" and "`Colour` is not described" in done.find("x")[0].notes[0]


def test_seeds_reach_both_sides_of_a_condition() -> None:
    source = READ + 'for (item of items.body.value) { if (item.Status == "Overdue") { ' + MAIL + "} }"
    sent = [len(ran(source, seed=seed).effects) for seed in range(8)]
    assert sum(n > 0 for n in sent) > 0 and len(set(sent)) > 1


def test_what_a_flow_compares_with_null_is_null_sometimes() -> None:
    source = READ + "if (items.body.value[0].Owner == null) { " + MAIL + "}"
    assert {len(ran(source, seed=seed).effects) for seed in range(12)} == {0, 1}


def test_given_trigger_data_is_what_the_flow_sees() -> None:
    done = ran('await commonTrigger.Http({});\nx = builtin.Compose({ "inputs": triggerOutputs.body.who });', data={"who": "me"})
    assert output(done, "x") == "me"


def test_a_trigger_with_a_false_condition_starts_nothing() -> None:
    done = ran(f"@condition(triggerOutputs.body.n > 5)\nawait commonTrigger.Http({{}});\n{MAIL}", data={"n": 1})
    assert (done.status, done.effects) == ("Skipped", [])


def test_split_on_gives_a_run_its_item() -> None:
    source = 'await shared_sharepointonline.GetOnNewItems({});\nx = builtin.Compose({ "inputs": triggerOutputs.body.Title });'
    assert output(ran(source, data={"value": [{"Title": "one"}, {"Title": "two"}]}), "x") == "one"


def test_a_list_without_a_name_is_split_too() -> None:
    source = 'await shared_azureblob.OnUpdatedFiles_V2({});\nx = builtin.Compose({ "inputs": toUpper(triggerOutputs.body.Path) });'
    done = ran(source)
    assert done.status == "Succeeded" and output(done, "x")
    assert output(ran(source, data=[{"Path": "/one"}, {"Path": "/two"}]), "x") == "/ONE"


# --- failures and limits -------------------------------------------------------------------------------------------------------


def test_a_call_is_tried_again_and_the_clock_shows_it() -> None:
    done = ran(f'@retry({{ "type": "fixed", "count": 3, "interval": "PT10M" }})\n{MAIL}', fail=["SendEmailV2=503x2"])
    entry = done.find("shared_office365_SendEmailV2")[0]
    assert (entry.status, entry.attempts, len(done.effects)) == ("Succeeded", 3, 1)
    assert 1200 < (done.end - done.start).total_seconds() < 1210


@pytest.mark.parametrize(("how", "attempts", "ended"), [("404", 1, "Failed"), ("500", 5, "Failed"), ("TimedOut", 5, "TimedOut")])
def test_only_passing_failures_are_tried_again(how: str, attempts: int, ended: str) -> None:
    entry = ran(MAIL, fail=[f"shared_office365.SendEmailV2={how}"]).find("shared_office365_SendEmailV2")[0]
    assert (entry.attempts, entry.status) == (attempts, ended)


def test_a_failure_without_a_step_is_a_usage_error_with_a_hint() -> None:
    with pytest.raises(UsageError) as error:
        ran(MAIL, fail=["SendEmailV3"])
    assert "SendEmailV2".lower() in error.value.hint.lower()


def test_a_run_without_end_is_stopped() -> None:
    loop = 'let n: integer = 0;\n@limit({ "count": 5000, "timeout": "P30D" })\ndo { for (x of range(0, 5000)) { n += 1; } } until (false);'
    done = ran(loop, limits=Limits(steps=500))
    assert done.status == "Stopped" and done.steps == 500


def test_a_long_calculation_is_stopped() -> None:
    many = {"type": "Select", "inputs": {"from": "@range(0, 100000)", "select": "@concat(item(), item(), item())"}, "runAfter": {}}
    assert actions({"S": many}, limits=Limits(nodes=20_000)).status == "Stopped"


def test_a_value_that_doubles_in_a_loop_is_an_error_not_a_hang() -> None:
    done = ran('let l: array = [1];\n@limit({ "count": 20 })\ndo { l = createArray(l, l); } until (false);')
    assert done.status == "Failed" and done.error is not None and "holds more than" in done.error["message"]


def test_a_run_of_more_than_thirty_days_times_out() -> None:
    done = ran('builtin.Delay({ "interval/count": 31, "interval/unit": "Day" });\n' + MAIL)
    assert done.status == "TimedOut" and not done.effects


# --- output --------------------------------------------------------------------------------------------------------------------


def test_the_trace_shows_iterations_errors_and_effects() -> None:
    shown = render(ran(LOOP + '\nx = builtin.Compose({ "inputs": int("x") });'))
    assert "· 2" in shown and "✗ x" in shown and "side effects: " in shown and "! InvalidTemplate" in shown


def test_secured_values_are_not_shown() -> None:
    step = compose("hush") | {"runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}}}
    done = actions({"S": step})
    assert "hush" not in render(done) and "hush" not in json.dumps(to_json(done))


def test_the_trace_names_lines_of_the_text() -> None:
    assert ran(MANUAL + "\n\n" + MAIL).trace[0].line == 4


# --- fuzzing -------------------------------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["A", "B", "C", "D", "E"])
_TEXTS = st.sampled_from(
    [
        "@outputs('A')",
        "@body('B')?['value'][0]",
        "@items('C')",
        "@item()",
        "@variables('v')",
        "@int('x')",
        "@{utcNow()} @{guid()}",
        "@result('D')",
        "@",
        "@concat(",
        "x",
    ]
)
_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), _TEXTS, st.just([1, "a"]), st.just({"name": "v", "value": "@add(variables('v'), 1)"})
)
_AFTER = st.dictionaries(_NAMES, st.lists(st.sampled_from(["Succeeded", "FAILED", "Skipped", "TimedOut", "odd"]), max_size=3), max_size=2)
_SIMPLE = [
    "Compose",
    "Query",
    "Select",
    "Table",
    "Join",
    "ParseJson",
    "SetVariable",
    "IncrementVariable",
    "Wait",
    "Response",
    "Http",
    "Terminate",
    "Odd",
    "Workflow",
]
_INPUTS = st.one_of(
    _VALUES,
    st.dictionaries(st.sampled_from(["from", "where", "select", "content", "name", "value", "interval", "method", "runStatus"]), _VALUES, max_size=3),
)
_LEAF = st.builds(lambda kind, inputs, after: {"type": kind, "inputs": inputs, "runAfter": after}, st.sampled_from(_SIMPLE), _INPUTS, _AFTER)


def _holding(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Actions, some of which hold actions of `inner`."""
    return st.dictionaries(
        _NAMES,
        st.one_of(
            _LEAF,
            st.builds(lambda a, v, r: {"type": "Foreach", "foreach": v, "actions": a, "runAfter": r}, inner, _VALUES, _AFTER),
            st.builds(lambda a, v, r: {"type": "Until", "expression": v, "limit": {"count": 3}, "actions": a, "runAfter": r}, inner, _VALUES, _AFTER),
            st.builds(lambda a, b, v: {"type": "If", "expression": v, "actions": a, "else": {"actions": b}, "runAfter": {}}, inner, inner, _VALUES),
            st.builds(lambda a, r: {"type": "Scope", "actions": a, "runAfter": r}, inner, _AFTER),
            st.builds(lambda a, b, v: {"type": "Switch", "expression": v, "cases": {"One": {"case": 1, "actions": a}}, "default": {"actions": b}}, inner, inner, _VALUES),
        ),
        max_size=3,
    )  # fmt: skip


_ACTIONS = _holding(_holding(st.dictionaries(_NAMES, _LEAF, max_size=3)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_ACTIONS, st.integers(0, 3))
def test_any_definition_comes_to_an_end_the_same_way_twice(definition: dict[str, Any], seed: int) -> None:
    start = {"v": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "v", "type": "integer", "value": 1}]}, "runAfter": {}}}
    first, second = (actions({**start, **definition}, seed=seed, limits=Limits(steps=300)) for _ in range(2))
    assert json.dumps(to_json(first)) == json.dumps(to_json(second)) and render(first)
    assert first.status in ("Succeeded", "Failed", "Cancelled", "TimedOut", "Stopped")
    assert all(entry.status != "Running" for entry in first.entries())
