"""`nl2dsl run`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nl2dsl import cli
from nl2dsl.dsl.definition import compile
from running import CATALOG, MAIL, flow

FLOW = 'await commonTrigger.Http({});\nx = builtin.Compose({ "inputs": triggerOutputs.body.who });\n' + MAIL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a.flow"
    found.write_text(FLOW)
    return found


def test_a_run_shows_trace_and_side_effects(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "✓ x" in shown and "emailMessage/To: a@contoso.com" in shown and "Succeeded after 2 steps" in shown


def test_json_has_trace_effects_and_status_and_the_given_data(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data.json"
    data.write_text('{"who": "me"}')
    assert cli.main(["run", str(path), "--trigger", str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "Succeeded" and found["trace"][0]["outputs"] == "me"
    assert [effect["operation"] for effect in found["effects"]] == ["shared_office365.SendEmailV2"]


def test_a_definition_runs_as_its_flow_does(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "a.json"
    other.write_text(json.dumps(compile(flow(FLOW), CATALOG)))
    outs = []
    for one in (path, other):
        assert cli.main(["run", str(one), "--json", "--seed", "3"]) == 0
        outs.append(json.loads(capsys.readouterr().out)["effects"])
    assert outs[0] == outs[1]


def test_a_failed_run_exits_with_1(path: Path) -> None:
    assert cli.main(["run", str(path), "--fail", "SendEmailV2=404"]) == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--fail", "Nowhere"], 2, "no step `Nowhere` to fail"),
        (["--trigger", "/nowhere.json"], 2, "no such file"),
        (["--seed", "-1"], 2, "not a number"),
        (["--steps", "1"], 1, ""),
    ],
)
def test_wrong_use_is_told(path: Path, words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(path), *words]) == code
    assert told in capsys.readouterr().err


def test_a_flow_with_errors_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.flow"
    path.write_text("await commonTrigger.manual({});\nshared_office365.SendMail({});\n")
    assert cli.main(["run", str(path)]) == 1
    assert "N201" in capsys.readouterr().err
