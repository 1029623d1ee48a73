"""Benchmarks run, also without a model, and say what they leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="run from the root of the repository")

from benchmarks import cold_start, houses, language, retrieval, speed, validation, validity

from nl2dsl.errors import UsageError

NOWHERE = ["--model", "nowhere"]


def test_the_language_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert language.main(["--limit", "5", "--seconds", "0.01"]) == 0
    printed = capsys.readouterr().out
    assert "python -m benchmarks.language --limit 5" in printed and "1 thread" in printed and "parse, check and compile" in printed


def test_chance_never_leaves_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert validity.main(["--limit", "5", "--random", "30", *NOWHERE]) == 0
    printed = capsys.readouterr().out
    assert "skipped: no model in nowhere" in printed
    line = next(line.split() for line in printed.splitlines() if line.split()[:2] == ["chance", "typed"])
    assert line[2:4] == ["30", "0"]


@pytest.mark.parametrize("benchmark", [speed, cold_start])
def test_without_a_model_that_is_said(benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(NOWHERE) == 0
    assert "skipped: no model in nowhere" in capsys.readouterr().out


def test_retrieval_of_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert retrieval.main(["nowhere.jsonl"]) == 2
    assert capsys.readouterr().err.startswith("error: nowhere.jsonl: no such file")


def test_requests_are_those_that_training_leaves_out() -> None:
    found = validation()
    assert 0 < len(found) < 1000 and validation(3) == found[:3]


def test_houses_are_compared_request_by_request(tmp_path: Path) -> None:
    before = [(["a", "b"], ["a", "c"]), (["a"], ["a"]), (["x"], ["y"])]  # what was made, and the gold
    now = [(["a", "c"], ["a", "c"]), (["b"], ["a"]), (["x"], ["y"])]
    houses.keep(tmp_path / "before.jsonl", {"one catalog": before})
    _, line = houses.compared(tmp_path / "before.jsonl", {"one catalog": now})
    assert line[:2] == ["one catalog", "3"] and line[3].startswith("+0.0 ") and line[4] == "1, 1"
    with pytest.raises(UsageError, match="other requests"):
        houses.compared(tmp_path / "before.jsonl", {"one catalog": now[:2]})
