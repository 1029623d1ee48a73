"""Findings about data flow: mostly in `tests/flows`; here what needs the built-in catalog, or many flows."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from nl2dsl.catalog.read import builtin
from nl2dsl.corpus import requests
from nl2dsl.dsl import checker, wiring
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.lint import literals
from nl2dsl.dsl.lint.schedule import check_schedule
from nl2dsl.dsl.text import parse

EVERY_DAY = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'


def said(source: str) -> list[tuple[str, str]]:
    """Code and place of every finding but missing values."""
    flow, problems = parse(source)
    assert flow is not None, problems
    return [(d.code, source[d.span.start : d.span.end]) for d in checker.check(flow, builtin()) if d.code != "M601"]


def hint(source: str, code: str) -> str:
    flow, _ = parse(source)
    assert flow is not None
    return next(d for d in checker.check(flow, builtin()) if d.code == code).hint


def test_a_deprecated_operation_names_its_successor() -> None:
    source = EVERY_DAY + 'outputs_x = shared_azurequeues.PutMessage({ "queueName": "q", "message": "m" });'
    flow, _ = parse(source)
    assert flow is not None
    found = next(d for d in checker.check(flow, builtin()) if d.code == "N206")
    assert found.hint == "`shared_azurequeues.PutMessage_V2` takes its place"
    assert [(f.edits[0].text, f.safe) for f in found.fixes] == [("shared_azurequeues.PutMessage_V2", False)]


def test_the_list_of_a_result_is_named_where_a_loop_takes_the_whole() -> None:
    source = (
        EVERY_DAY
        + 'outputs_x = shared_sharepointonline.GetItems({ "dataset": "s", "table": "t" });\nfor (i of outputs_x.body) {\n  builtin.Compose({ "inputs": i });\n}'
    )
    assert hint(source, "C508") == "its list is `value`: add `.value`"


def test_updating_the_item_that_started_the_flow_is_seen_in_the_built_in_catalog() -> None:
    trigger = 'triggerOutputs = await shared_sharepointonline.GetOnUpdatedItems({ "dataset": "s", "table": "Jobs" });\n'
    update = 'shared_sharepointonline.PatchItem({ "dataset": "s", "table": "Jobs", "id": triggerOutputs.body.ID, "item/Status": "done" });'
    assert [code for code, _ in said(trigger + update)] == ["L803"]
    assert said(trigger + update.replace('"Jobs"', '"Log"')) == []
    assert said(trigger + update.replace('"s"', '"other site"')) == []
    assert said('@condition(triggerOutputs.body.Status == "new")\n' + trigger + update) == []
    assert said(trigger.replace("GetOnUpdatedItems", "GetOnNewItems") + update) == []


def test_dataverse_rows_are_the_same_in_the_singular_and_the_plural() -> None:
    trigger = (
        "triggerOutputs = await shared_commondataserviceforapps.SubscribeWebhookTrigger({\n"
        '  "subscriptionRequest/message": 3,\n  "subscriptionRequest/entityname": "account",\n  "subscriptionRequest/scope": 4\n});\n'
    )
    update = 'shared_commondataserviceforapps.UpdateOnlyRecord({ "entityName": "accounts", "recordId": triggerOutputs.body.accountid });'
    assert [code for code, _ in said(trigger + update)] == ["L803"]
    assert said(trigger + update.replace('"accounts"', '"contacts"')) == []
    filtered = trigger.replace(
        '"subscriptionRequest/scope": 4', '"subscriptionRequest/scope": 4,\n  "subscriptionRequest/filteringattributes": "status"'
    )
    assert said(filtered + update) == []


def test_variables_used_only_inside_json_that_is_carried_along_are_used() -> None:
    source = EVERY_DAY + 'let x: string = "a";\nopaque({ "type": "Agent", "inputs": { "prompt": "@{variables(\'x\')}" } });'
    assert said(source) == []


def test_a_variable_named_otherwise_on_the_platform_is_followed() -> None:
    source = EVERY_DAY + '@variable("Mail text")\nlet Mail_text: string = "";\nbuiltin.AppendToStringVariable({ "name": "Mail text", "value": "x" });'
    assert [code for code, _ in said(source)] == ["R410"]
    assert said(source + '\nbuiltin.Compose({ "inputs": Mail_text });') == []


def test_a_step_that_is_called_to_see_whether_it_fails_is_not_unused() -> None:
    step = 'outputs_x = shared_sharepointonline.GetFileMetadataByPath({ "dataset": "s", "path": "/a" });\n'
    follower = '@runAfter({ "GetFileMetadataByPath": ["Failed"] })\nbuiltin.Terminate({ "runStatus": "Failed" });'
    assert [code for code, _ in said(EVERY_DAY + step)] == ["R408"]
    assert said(EVERY_DAY + step + follower) == []


def test_an_action_that_is_named_by_an_expression_is_not_called_unused() -> None:
    step = 'outputs_x = shared_sharepointonline.GetItems({ "dataset": "s", "table": "t" });\n'
    assert said(EVERY_DAY + step + 'builtin.Compose({ "inputs": body("Get_items") });') == []


@pytest.mark.parametrize(
    ("key", "text", "is_one"),
    [
        ("password", "q8Z~vT5mW2xK", True),
        ("password", "changeme", False),
        ("password", "<password>", False),
        ("password", "[parameters('pw')]", False),
        ("passwordHint", "q8Z~vT5mW2xK", False),
        ("x-api-key", "0f8fad5bd9cb469fa165", True),
        ("Authorization", "Bearer abcdefghijklmnop1234", True),
        ("Authorization", "Bearer ", False),
        ("", "-----BEGIN PRIVATE KEY-----", True),
        ("", "Endpoint=sb://x/;SharedAccessKey=QUJDREVGR0hJSktMTU5PUFFSU1Q=", True),
        ("", "https://x.example/?sig=short", False),
        ("", "the key is under the mat; password = none", False),
    ],
)
def test_only_what_looks_like_a_secret_is_one(key: str, text: str, is_one: bool) -> None:
    assert bool(literals.secret(key, text)) is is_one


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("YYYY-MM-DD", "yyyy-MM-dd"),
        ("dd/mm/yyyy", "dd/MM/yyyy"),
        ("yyyy-mm-dd HH:mm", "yyyy-MM-dd HH:mm"),
        ("HH:MM", "HH:mm"),
        ("dd MMM yyyy", ""),
        ("hh:mm:ss", ""),
        ("yyyyMMddHHmm", ""),
        ("'DD' dd", ""),
        ("o", ""),
        ("Monday, YY", ""),
    ],
)
def test_a_format_that_prints_something_else_is_put_right(text: str, meant: str) -> None:
    assert literals.format_problem(text)[1] == meant


def test_recipients_are_kept_in_order_each_once() -> None:
    assert literals.without_repeats("a@x.y; B@x.y;a@x.y;c@x.y") == "a@x.y; B@x.y;c@x.y"
    assert literals.without_repeats("a@x.y,A@X.Y") == "a@x.y"


def test_a_schedule_with_values_only_the_run_knows_is_not_judged() -> None:
    flow, _ = parse(
        'await commonTrigger.Recurrence({ "frequency": "[parameters(\'f\')]", "interval": parameters("n"), "hours": ["[parameters(\'h\')]"] });'
    )
    assert flow is not None
    assert list(check_schedule(flow.trigger)) == []


def test_flows_made_from_requests_have_few_warnings_and_each_is_of_a_known_sort() -> None:
    """What wiring makes of sentences is mostly right; what is said of it is about the sentence (a date such as `next Friday`) or about a gap a person would see, too."""
    catalog = builtin()
    sample = Random(3).sample(requests.load(), 400)
    found: list[Diagnostic] = []
    for request in sample:
        found += checker.check(wiring.complete(request.sketch, catalog, request.query), catalog)
    warnings = Counter(d.code for d in found if d.severity == "warning")
    assert set(warnings) <= {"P309", "P310", "C506", "C509", "C511", "C515", "L801", "L803", "N206"}
    assert sum(warnings.values()) <= 0.03 * len(sample)
    assert not [d for d in found if d.severity == "error"]
