"""Whole definitions in shapes that the platform has and few flows use: Standard apps with managed identity, batches, sliding windows, child and desktop flows, odd names.

In: `tests/definitions/*.json`. Each goes in as text and out as a definition, a package and a Logic App, without loss and without a finding that would stop its author, and runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("benchmarks", reason="run from the root of the repository")

from benchmarks.roundtrip import differences, normal, there_and_back

from nl2dsl.catalog.read import builtin
from nl2dsl.dsl import carrying, checker, flowfiles, logic_app, package
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import Flow
from nl2dsl.simulator import run

FILES = sorted((Path(__file__).parent / "definitions").glob("*.json"))
OPAQUE = {"lists_and_tables": ["Table"]}  # its format is an expression
NO_LOGIC_APP = {"child_desktop_dataverse": {"T701"}}  # Dataverse calls: no REST route is known
NO_PACKAGE = {"two_triggers": ["T705"]}


def definition(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def through_text(path: Path) -> Flow:
    (found,) = flowfiles.find(path.read_bytes(), path.name)
    flow, problems = parse(unparse(carrying.flow_of(found)))
    assert flow is not None, problems
    return flow


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_comes_back_without_loss_and_without_an_error(path: Path) -> None:
    result = there_and_back(path.stem, definition(path))
    assert (result.problem, result.losses, result.opaque) == ("", [], OPAQUE.get(path.stem, []))
    assert [d for d in checker.check(through_text(path), builtin()) if d.severity == "error"] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_goes_into_a_package_and_comes_out_of_it(path: Path) -> None:
    flow = through_text(path)
    data, told = package.write(flow, builtin())
    if path.stem in NO_PACKAGE:
        assert [d.code for d in told if d.severity == "error"] == NO_PACKAGE[path.stem]
        return
    (found,) = flowfiles.find(data, "x.zip")
    assert list(differences(normal(found.definition), normal(definition(path)))) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_goes_into_a_logic_app_or_says_which_call_has_no_route(path: Path) -> None:
    app, told = logic_app.write(through_text(path), builtin())
    errors = {d.code for d in told if d.severity == "error"}
    assert errors == NO_LOGIC_APP.get(path.stem, set())
    assert errors or set(app["definition"]["actions"]) == set(definition(path)["actions"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_runs_on_the_simulator_to_the_same_end_twice(path: Path) -> None:
    flow = through_text(path)
    first, second = (run(flow, builtin(), seed=3) for _ in range(2))
    assert first.status in ("Succeeded", "Failed", "Cancelled") and first.status == second.status
    assert first.status != "Failed" or first.declared
