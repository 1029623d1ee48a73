"""Every definition this package writes keeps to the schema, and the schema refuses what breaks it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nl2dsl.catalog import read
from nl2dsl.corpus import wording
from nl2dsl.corpus.sample import sample
from nl2dsl.dsl import checker, definition, logic_app
from nl2dsl.dsl.schema import FILE, Violation, violations
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.wiring import complete

HERE = Path(__file__).parent
FLOWS = Path(os.environ.get("NL2DSL_SHARED") or HERE.parents[1] / "shared") / "data" / "flows" / "real_flows_dev.jsonl.gz"
SAMPLED = 300
NAMES = ("$schema", "contentVersion", "triggers", "actions")


def compiled(text: str) -> dict[str, Any] | None:
    """The definition of a text that nothing is wrong with."""
    flow, _ = parse(text)
    if flow is None or any(d.severity != "info" for d in checker.check(flow, read.builtin())):
        return None
    return definition.compile(flow, read.builtin())


def valid(actions: dict[str, Any], triggers: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
    manual = {"manual": {"type": "Request", "kind": "Button", "inputs": {"schema": {}}}}
    return {"$schema": schema, "contentVersion": "1.0.0.0", "triggers": manual if triggers is None else triggers, "actions": actions}


def step(type: str, **others: Any) -> dict[str, Any]:
    return valid({"a": {"type": type, "runAfter": {}, **others}})


def told(found: Violation) -> bool:
    """Whether a violation is only that something is missing."""
    return "is a required property" in found.message or "should be non-empty" in found.message


def test_the_flows_of_the_language_tests_compile_to_valid_definitions() -> None:
    seen = 0
    for path in sorted((HERE / "flows").rglob("*.flow")):
        made = compiled(path.read_text(encoding="utf-8"))
        if made is not None:
            seen += 1
            assert violations(made) == [], path.name
    assert seen >= 5


def test_sampled_flows_compile_to_valid_definitions_unless_a_value_is_missing() -> None:
    catalog = read.builtin()
    incomplete = 0
    for row in sample(11, SAMPLED, wording.load()):
        flow = complete(row.sketch, catalog, row.query)
        found = violations(definition.compile(flow, catalog))
        if found:
            # What the sentence left out is left out of the flow, too, and told as M601; nothing else may break the schema.
            incomplete += 1
            assert any(d.code == "M601" for d in checker.check(flow, catalog)), row.query
            assert all(told(f) for f in found), (row.query, found)
    assert incomplete < SAMPLED / 20


def test_logic_apps_of_sampled_flows_are_valid() -> None:
    catalog = read.builtin()
    seen = 0
    for row in sample(12, SAMPLED, wording.load()):
        made, _ = logic_app.write(complete(row.sketch, catalog, row.query), catalog)
        if made:
            seen += 1
            assert [f for f in violations(made["definition"]) if not told(f)] == [], row.query
    assert seen >= 5


def test_the_schema_is_one_of_json_schema() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(FILE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_without_its_parts_is_invalid(name: str) -> None:
    made = valid({})
    assert violations(made) == []
    del made[name]
    assert [f.where for f in violations(made)] == [""]


@pytest.mark.parametrize(
    ("made", "where"),
    [
        (step("Scope"), "actions/a"),
        (step("Scope", actions={"b": {"type": "Wait", "inputs": {}}}), "actions/a/actions/b/inputs"),
        (step("Compose"), "actions/a"),
        (step("Compose", inputs="x", actions={}), "actions/a/actions"),
        (step("Compose", inputs="x", foreach=[]), "actions/a/foreach"),
        (step("Foreach", foreach="@x", actions={}, inputs={}), "actions/a/inputs"),
        (step("If", expression={"equals": [1]}, actions={}), "actions/a/expression"),
        (step("If", expression={"equals": [1, 2], "less": [1, 2]}, actions={}), "actions/a/expression"),
        (step("If", expression="@x", actions={}, **{"else": {"actons": {}}}), "actions/a/else"),
        (step("Switch", expression="@x", cases={"c": {"actions": {}}}), "actions/a/cases/c"),
        (step("Until", expression="@x", actions={}), "actions/a"),
        (step("Http", inputs={"method": "FETCH", "uri": "u"}), "actions/a/inputs/method"),
        (step("Terminate", inputs={"runStatus": "Done"}), "actions/a/inputs/runStatus"),
        (step("InitializeVariable", inputs={"variables": [{"name": "n", "type": "number"}]}), "actions/a/inputs/variables/0/type"),
        (step("SetVariable", inputs={"name": "n"}), "actions/a/inputs"),
        (step("OpenApiConnection", inputs={"host": {"operationId": "x"}, "parameters": {}}), "actions/a/inputs/host"),
        (step("ApiConnection", inputs={"host": {}}), "actions/a/inputs"),
        (step("Compose", inputs="x", runAfter={"b": ["Done"]}), "actions/a/runAfter/b/0"),
        (step("Compose", inputs="x", runAfter={"b": []}), "actions/a/runAfter/b"),
        (step("Compose", inputs="x", runafter={}), "actions/a"),
        (valid({}, {"t": {"type": "Recurrence"}}), "triggers/t"),
        (valid({}, {"t": {"type": "Recurrence", "recurrence": {"frequency": "day", "interval": 1}}}), "triggers/t/recurrence/frequency"),
        (valid({}, {"t": {"type": "Timer", "inputs": {}}}), "triggers/t/type"),
        (valid({}, {"t": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 0}}}), "triggers/t/recurrence/interval"),
    ],
)
def test_what_breaks_the_schema_is_found_where_it_stands(made: dict[str, Any], where: str) -> None:
    assert where in [f.where for f in violations(made)]


@pytest.mark.skipif(not FLOWS.is_file(), reason="no real flows here; set NL2DSL_SHARED")
def test_real_flows_that_come_back_are_valid() -> None:
    """All but a few, which docs/results.md explains; a tenth of them is enough for a test."""
    rows = [json.loads(line) for line in gzip.decompress(FLOWS.read_bytes()).decode().splitlines()][::10]
    catalog = read.builtin()
    valid_ones = sum(not violations(definition.compile(definition.decompile(row["definition"], catalog), catalog)) for row in rows)
    assert valid_ones >= 0.95 * len(rows)
