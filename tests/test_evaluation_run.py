"""Run folders: everything is kept, a killed run goes on without asking again, and a folder that cannot be used is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.errors import CorpusError, EngineError, Nl2DslError, RecipeError, RunError, UsageError
from nl2dsl.evaluation import run as runs
from nl2dsl.evaluation.cases import Case
from nl2dsl.evaluation.run import EvaluateRecipe, evaluate, load
from nl2dsl.evaluation.writers import Writer

CATALOG = catalogs.builtin()
SKETCH = "shared_office365.OnFlaggedEmailV4(); shared_todo.CreateToDoV3()"
GOOD = "triggerOutputs = await shared_office365.OnFlaggedEmailV4({});\noutputs_shared_todo_CreateToDoV3 = shared_todo.CreateToDoV3({});\n"


class Counting:
    """A writer that counts what it is asked, and stops the world when it is told to."""

    def __init__(self, stop_after: int = 10**9, lost: Callable[[str], bool] = lambda id: False) -> None:
        self.asked: list[tuple[str, int, int | None]] = []
        self.stop_after, self.lost = stop_after, lost

    def __call__(self, case: Case, repeat: int, limit: int | None) -> dict[str, Any]:
        if len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked.append((case.id, repeat, limit))
        if self.lost(case.id):
            return {
                "outcome": "failure",
                "dsl": "",
                "operations": [],
                "calls": [],
                "diagnostics": [{"code": "E001", "severity": "error", "message": "no route", "hint": "call"}],
                "seconds": {},
            }
        return {
            "query": case.query,
            "outcome": "flow",
            "dsl": GOOD,
            "workflow": {"large": 1},
            "operations": list(case.gold),
            "calls": [],
            "diagnostics": [],
            "seconds": {"total": 0.1},
        }


@pytest.fixture
def recipe(tmp_path: Path) -> EvaluateRecipe:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"id": f"r{i}", "query": f"flag {i}", "sketch": SKETCH}) + "\n" for i in range(12)))
    return EvaluateRecipe(path, tmp_path / "run")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Counting]:
    def put(*given: Any, digest: str = "d", **named: Any) -> Counting:
        writer = Counting(*given, **named)
        monkeypatch.setattr(runs, "open_writer", lambda choice: Writer("counting", digest, CATALOG, writer, ("shared_todo",)))
        return writer

    return put


def lines(recipe: EvaluateRecipe) -> list[str]:
    return (Path(recipe.out) / "answers.jsonl").read_text().splitlines()


def test_a_run_keeps_recipe_rows_answers_environment_and_card(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    writer = use()
    assert evaluate(recipe) == Path(recipe.out)
    head, card = (json.loads((Path(recipe.out) / name).read_text()) for name in ("run.json", "card.json"))
    assert head["recipe"]["writer"] == "embedded" and head["writer"] == {"name": "counting", "digest": "d"} and head["unseen"] == ["shared_todo"]
    assert head["environment"]["python"] and head["catalog"]["digest"] == CATALOG.digest and head["rows"]["n"] == 12
    assert (card["rows"], card["answers"], card["outcomes"], card["not_answered"]) == (12, 12, {"flow": 12}, 0)
    assert [a for a, _, _ in writer.asked] == [f"r{i}" for i in range(12)] and "workflow" not in json.loads(lines(recipe)[0])
    found = load(recipe.out)
    assert found.finished and found.name == "run" and len(found.answers) == 12 and found.cases["r3"].query == "flag 3"
    assert found.unseen == frozenset({"shared_todo"})


@pytest.mark.parametrize("stop", [0, 1, 5, 11])
def test_a_killed_run_goes_on_without_asking_again(stop: int, recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    first = use(stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate(recipe)
    with pytest.raises(RunError, match="not finished"):
        load(recipe.out)
    with (Path(recipe.out) / "answers.jsonl").open("a") as stream:
        stream.write('{"id": "r9", "repeat": 0, "outc')  # the kill came in the middle of a line
    second = use()
    evaluate(recipe)
    assert [a for a, _, _ in first.asked + second.asked] == [f"r{i}" for i in range(12)]
    assert len(load(recipe.out).answers) == 12
    third = use()
    evaluate(recipe)
    assert third.asked == []


def test_what_is_there_of_an_unfinished_run_can_be_read(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    use(4)
    with pytest.raises(KeyboardInterrupt):
        evaluate(recipe)
    found = load(recipe.out, partial=True)
    assert not found.finished and len(found.answers) == 4


def test_another_run_does_not_go_into_the_same_folder(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    use()
    evaluate(recipe)
    for other, digest in ((replace(recipe, limit=5), "d"), (recipe, "another model"), (replace(recipe, constrain="none"), "d")):
        use(digest=digest)
        with pytest.raises(RunError, match="holds another run") as told:
            evaluate(other)
        assert told.value.hint


def test_every_row_is_tried_as_often_as_asked(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    writer = use()
    evaluate(replace(recipe, repeats=3, limit=4))
    assert len(writer.asked) == 12 and {r for _, r, _ in writer.asked} == {0, 1, 2} and len({a for a, _, _ in writer.asked}) == 4


def test_random_bounds_are_the_same_every_time(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    first = use()
    evaluate(replace(recipe, max_tokens="random"))
    second = use()
    evaluate(replace(recipe, max_tokens="random", out=recipe.out.with_name("other")))
    assert first.asked == second.asked and {b for _, _, b in first.asked} <= set(runs.BUDGETS)
    third = use()
    evaluate(replace(recipe, max_tokens=32, out=recipe.out.with_name("third")))
    assert {b for _, _, b in third.asked} == {32}


def test_an_engine_that_is_gone_ends_the_run_and_its_rows_are_asked_again(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    use(lost=lambda id: id not in ("r0", "r1"))
    with pytest.raises(EngineError, match="5 rows in a row") as told:
        evaluate(recipe)
    assert told.value.hint == "call" and len(lines(recipe)) == 2
    again = use()
    evaluate(recipe)
    assert [a for a, _, _ in again.asked] == [f"r{i}" for i in range(2, 12)]


def test_single_rows_without_an_answer_are_failures(recipe: EvaluateRecipe, use: Callable[..., Counting]) -> None:
    use(lost=lambda id: id in ("r2", "r3", "r11"))
    evaluate(recipe)
    card = json.loads((Path(recipe.out) / "card.json").read_text())
    assert card["not_answered"] == 3 and card["outcomes"] == {"failure": 3, "flow": 9}
    assert [json.loads(line)["id"] for line in lines(recipe)] == [f"r{i}" for i in range(12)]


def test_a_folder_that_cannot_be_used_is_told(recipe: EvaluateRecipe, use: Callable[..., Counting], tmp_path: Path) -> None:
    use()
    folder = evaluate(recipe)

    def broken(name: str, change: Callable[[str], str]) -> str:
        path = folder / name
        text = path.read_text()
        path.write_text(change(text))
        with pytest.raises(RunError) as told:
            load(folder)
        path.write_text(text)
        assert told.value.hint
        return str(told.value)

    assert "not JSON" in broken("run.json", lambda t: t[:40])
    assert "format 0" in broken("run.json", lambda t: t.replace('"format": 1', '"format": 0'))
    assert "cannot be read" in broken("cases.jsonl", lambda t: t[5:])
    assert "not the rows of this run" in broken("cases.jsonl", lambda t: t.replace("flag 3", "flag 4"))
    assert "not an answer" in broken("answers.jsonl", lambda t: t + "{}\n")
    assert "a second answer" in broken("answers.jsonl", lambda t: t + t.splitlines()[0] + "\n")
    assert "not in cases" in broken("answers.jsonl", lambda t: t.replace('"r0"', '"r99"'))
    assert "changed since" in broken("answers.jsonl", lambda t: t.replace('"outcome": "flow"', '"outcome": "failure"', 1))
    assert "no answers" in broken("answers.jsonl", lambda t: "")
    assert load(folder).finished
    for place, why in ((tmp_path / "nowhere", "no such folder"), (tmp_path, "not a run folder"), (recipe.rows, "a file")):
        with pytest.raises(RunError, match=why):
            load(place)


@pytest.mark.parametrize(
    ("settings", "kind", "why"),
    [
        ({"writer": "oracle"}, UsageError, "unknown writer"),
        ({"writer": "rag"}, UsageError, "which one"),
        ({"writer": "openai:"}, UsageError, "not complete"),
        ({"writer": "embedded", "model": "nowhere"}, Nl2DslError, "no model in nowhere"),
        ({"writer": "nearest", "corpus": "nowhere"}, CorpusError, "no corpus file"),
        ({"writer": "answers:nowhere.jsonl"}, UsageError, "no such file"),
        ({"rows": "nowhere.jsonl"}, UsageError, "no such file"),
        ({"repeats": 0}, RecipeError, "less than 1"),
        ({"limit": -1}, RecipeError, "less than 0"),
        ({"constrain": "tpyed"}, RecipeError, "constrain"),
        ({"writr": "nearest"}, RecipeError, "did you mean `writer`"),
    ],
)
def test_a_recipe_that_cannot_run_is_told(settings: dict[str, Any], kind: type[Nl2DslError], why: str, recipe: EvaluateRecipe) -> None:
    with pytest.raises(kind, match=why):
        evaluate(runs.recipe_of({"rows": str(recipe.rows), "out": str(recipe.out), **settings}))
    assert not Path(recipe.out).exists()


def test_answers_that_are_there_already_can_be_scored(recipe: EvaluateRecipe, tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    row = {"outcome": "flow", "dsl": GOOD, "operations": [], "calls": [], "diagnostics": [], "seconds": {}, "tokens": {}}
    path.write_text(
        "".join(json.dumps({"id": f"r{i}", "query": "x", **row}) + "\n" for i in range(6)) + json.dumps({"query": "flag 6", **row}) + "\n"
    )
    with pytest.raises(CorpusError, match="no answer to `r7`"):
        evaluate(replace(recipe, writer=f"answers:{path}"))
    path.write_text(path.read_text() + "".join(json.dumps({"query": f"flag {i}", **row}) + "\n" for i in range(7, 12)))
    assert len(load(evaluate(replace(recipe, writer=f"answers:{path}", out=tmp_path / "second"))).answers) == 12


def test_recorded_texts_are_written_by_the_text_generator(recipe: EvaluateRecipe, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(
        "".join(json.dumps({"query": f"flag {i}", "text": GOOD if i else 'refuse("misuse");', "prompt_tokens": 7}) + "\n" for i in range(12))
    )
    found = load(evaluate(replace(recipe, writer=f"replay:{path}")))
    assert [a["outcome"] for a in found.answers] == ["refusal"] + ["flow"] * 11
    assert (
        found.answers[1]["operations"] == ["shared_office365.OnFlaggedEmailV4", "shared_todo.CreateToDoV3"]
        and found.answers[1]["tokens"]["prompt"] == 7
    )


def test_every_evaluation_recipe_can_be_read() -> None:
    found = list((Path(__file__).parents[1] / "recipes/evaluate").glob("*.toml"))
    assert found
    for path in found:
        assert runs.recipes.load(path, EvaluateRecipe).rows


def test_a_quick_look_keeps_nothing(recipe: EvaluateRecipe, use: Callable[..., Counting], capsys: pytest.CaptureFixture[str]) -> None:
    from nl2dsl.evaluation import quality

    use()
    assert quality.main([str(recipe.rows), "--limit", "5"]) == 0
    assert "flow_similarity" in capsys.readouterr().out and not Path(recipe.out).exists()
    assert quality.main([str(recipe.rows), "--max-tokens", "many"]) == 2 and "max_tokens" in capsys.readouterr().err
    assert quality.main(["nowhere.jsonl"]) == 2 and capsys.readouterr().err.startswith("error: ")
