"""The evaluation of a generator: a right answer scores one everywhere, a wrong or absent one does not, and runs can be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from nl2dsl.catalog import read
from nl2dsl.dsl import checker, definition, sketch, tree, wiring
from nl2dsl.dsl.text import unparse
from nl2dsl.errors import EngineError
from nl2dsl.evaluation import quality
from nl2dsl.example import Example, write
from nl2dsl.outcome import Authored, Facts, Failed, Outcome

CATALOG = read.builtin()
PAIRS = (
    ("New Teams message: mail a@b.c", 'shared_teams.OnNewChannelMessage(); shared_office365.SendEmailV2(emailMessage/To="a@b.c")'),
    ("Every Monday delay, and if found stop", 'commonTrigger.Recurrence(frequency="Week"); builtin.Delay(); if (found) { builtin.Terminate() }'),
    ("Form answers to Excel for each row", "shared_microsoftforms.CreateFormWebhook(); for () { shared_excelonlinebusiness.AddRowV2() }"),
)


def outcome(line: str, query: str) -> Authored:
    flow = wiring.complete(sketch.parse(line), CATALOG, query)
    found = tuple(checker.check(flow, CATALOG))
    return Authored(Facts(query, {"total": 0.1}), unparse(flow), flow, definition.compile(flow, CATALOG), tuple(tree.operations(flow)), (), found)


EXAMPLES = [
    Example(f"e{i}", query, line, (made := outcome(line, query)).dsl, made.operations, f"s{i % 2}", "test") for i, (query, line) in enumerate(PAIRS)
]


def right(query: str) -> Outcome:
    return outcome(dict(PAIRS)[query], query)


def wrong(query: str) -> Outcome:
    return outcome("commonTrigger.PowerApp(); builtin.Compose()", query)


def silent(query: str) -> Outcome:
    raise EngineError("the host is away")


def scores(generate) -> list[quality.Scores]:
    return [s for _, s in quality.evaluate(EXAMPLES, generate, CATALOG)]


def test_right_answers_score_one_everywhere() -> None:
    figures = quality.figures(scores(right))
    for name in (
        "flow_similarity",
        "exact sequence",
        "same operations",
        "order-aware score",
        "parameter F1 (key)",
        "parameter F1 (value)",
        "control F1",
    ):
        assert figures[name].value == 1, name
    assert figures["non-parsed"].value == figures["hallucinated names"].value == figures["ungrounded literals"].value == 0


def test_wrong_answers_do_not() -> None:
    figures = quality.figures(scores(wrong))
    assert figures["flow_similarity"].value == figures["exact sequence"].value == 0
    assert figures["non-parsed"].value == 0


def test_an_engine_that_is_away_is_a_row_that_does_not_parse() -> None:
    found = scores(silent)
    assert [s.outcome for s in found] == ["failure"] * 3
    assert quality.figures(found)["non-parsed"].value == 1


def test_a_flow_with_errors_does_not_count_as_parsed() -> None:
    failed = scores(lambda q: Failed(Facts(q), ()))
    assert not any(s.parsed for s in failed)


def test_slices_hold_the_rows_they_name() -> None:
    found = {name: [s.id for s in part] for name, part in quality.slices(scores(right))}
    assert found["1 action"] == ["e0", "e2"] and found["2 actions"] == ["e1"]
    assert found["no control"] == ["e0"] and found["with if"] == ["e1"] and found["with for"] == ["e2"]
    assert found["from s0"] == ["e0", "e2"]


def test_two_runs_are_compared_row_by_row() -> None:
    earlier = [answer for answer, _ in quality.evaluate(EXAMPLES, wrong, CATALOG)]
    found = quality.compare(scores(right), earlier)
    assert found["flow_similarity"].difference == 1 and found["exact sequence"].n == 3
    assert quality.compare(scores(right), [])["exact sequence"].n == 0


def test_the_command_prints_figures_and_writes_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write(EXAMPLES, tmp_path / "test.jsonl")
    budgets = list[int | None]()

    def generate(query: str, max_tokens: int | None = None) -> Outcome:
        budgets.append(max_tokens)
        return right(query)

    monkeypatch.setattr(quality, "_generator", lambda args: SimpleNamespace(catalog=CATALOG, generate=generate))
    words = [str(tmp_path / "test.jsonl"), "--answers", str(tmp_path / "answers.jsonl"), "--max-tokens", "random"]
    assert quality.main(words) == 0
    printed = capsys.readouterr().out
    assert "flow_similarity" in printed and "1.000 [1.000, 1.000] n 3" in printed and "P50" in printed
    assert set(budgets) <= set(quality.BUDGETS)
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [r["id"] for r in rows] == ["e0", "e1", "e2"] and rows[0]["scores"]["exact"] is True
    assert quality.main([words[0], "--answers", str(tmp_path / "b.jsonl"), "--compare", str(tmp_path / "answers.jsonl"), "--limit", "2"]) == 0
    assert "against" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["nowhere.jsonl"], ["x.jsonl", "--max-tokens", "many"], ["x.jsonl", "--limit", "-1"], ["x.jsonl", "--compare", "nowhere"]]
)
def test_mistakes_are_told_without_a_traceback(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(EXAMPLES, tmp_path / "x.jsonl")
    assert quality.main(words) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_corpus_row_that_cannot_be_read_is_told() -> None:
    from nl2dsl.errors import CorpusError

    with pytest.raises(CorpusError, match="row e0"):
        quality.gold(replace(EXAMPLES[0], dsl="if ("))
