"""The cycle check: what a model makes of a request does what the row's flow does, or the row is marked; nothing is asked twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.corpus import cycle
from nl2dsl.corpus.cycle import CycleRecipe, Kept, Verdict, check, judge, told
from nl2dsl.dsl import tree
from nl2dsl.dsl.text import parse
from nl2dsl.errors import ModelError
from nl2dsl.example import Example

NEW = 'triggerOutputs = await shared_sharepointonline.GetOnNewItems({ "table": "Visits" });\n'
MAIL = 'outputs_mail = shared_office365.SendEmailV2({ "emailMessage/To": "anna@contoso.com", "emailMessage/Subject": "Done" });\n'
POST = 'outputs_post = shared_slack.PostMessage({ "channel": "#x", "text": "hello" });\n'


def row(dsl: str, id: str = "tr1") -> Example:
    flow, _ = parse(dsl)
    assert flow is not None
    return Example(id, f"request of {id}", "", dsl, tuple(tree.operations(flow)), "written", "train")


def verdict(dsl: str, made: str, **settings: float) -> Verdict:
    return judge(row(dsl), made, catalogs.builtin(), CycleRecipe(**settings))  # type: ignore[arg-type]


def test_another_name_of_a_result_does_the_same() -> None:
    assert verdict(NEW + MAIL, NEW + MAIL.replace("outputs_mail", "sent")).cycle == "same"


def test_another_value_is_alike_and_another_flow_is_marked_with_the_difference() -> None:
    assert verdict(NEW + MAIL, NEW + MAIL.replace("anna@", "ben@")) == Verdict("tr1", "request of tr1", "alike", 1.0)
    found = verdict(NEW + MAIL, NEW + POST)
    assert (found.cycle, found.similarity) == ("marked", 0.5)
    assert found.reason == "lacks shared_office365.SendEmailV2; adds shared_slack.PostMessage"
    assert found.dsl == NEW + POST
    assert verdict(NEW + MAIL, NEW + POST, similar=0.5).cycle == "alike"


def test_no_flow_is_marked() -> None:
    assert verdict(NEW + MAIL, "").reason == "the model wrote no flow"
    assert verdict(NEW + MAIL, "what?").cycle == "marked"


def test_a_check_that_was_killed_asks_only_for_the_rest(tmp_path: Path) -> None:
    rows, asked = [row(NEW + MAIL, f"tr{n}") for n in range(6)], list[str]()

    def opened() -> cycle.Writes:
        def write(query: str) -> str:
            if len(asked) == 4:
                raise KeyboardInterrupt
            asked.append(query)
            return NEW + MAIL

        return write

    def go() -> list[Verdict]:
        return check(rows, CycleRecipe(), catalogs.builtin(), Kept(tmp_path / "kept", "model 1"), opened)

    with pytest.raises(KeyboardInterrupt):
        go()
    kept = tmp_path / "kept"
    kept.write_text(kept.read_text() + '{"key": "to')  # a line that was torn
    asked.clear()
    assert [v.cycle for v in go()] == ["same"] * 6
    assert asked == ["request of tr4", "request of tr5"]
    asked.clear()
    assert told(go()) == {"checked": 6, "same": 6, "alike": 0, "marked": 0, "mean similarity": 1.0}
    assert not asked
    assert len([json.loads(line) for line in kept.read_text().splitlines() if line.endswith("}}")]) == 6


def test_another_model_is_asked_again(tmp_path: Path) -> None:
    rows = [row(NEW + MAIL)]
    for model, wanted in (("model 1", "same"), ("model 2", "marked")):
        made = NEW + MAIL if model == "model 1" else ""
        (found,) = check(rows, CycleRecipe(), catalogs.builtin(), Kept(tmp_path / "kept", model), lambda made=made: lambda _: made)  # type: ignore[misc]
        assert found.cycle == wanted


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cycle check"):
        cycle.model_digest(CycleRecipe(model=str(tmp_path)))
