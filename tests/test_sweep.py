"""The sweep of Table 1: it goes on where it was killed, writes ordinary folders, and its table says what the answers say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("peft")

from rich.console import Console

import tuning
from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.engines.hf import HF
from nl2dsl.errors import RecipeError, RunError
from nl2dsl.evaluation import run as evaluation
from nl2dsl.evaluation import table1
from nl2dsl.evaluation.run import EvaluateRecipe
from nl2dsl.evaluation.table1 import Cell
from nl2dsl.evaluation.writers import Ahead
from nl2dsl.files import digest_of, write_rows
from nl2dsl.prompts import write_flow
from nl2dsl.textual import TextGenerator, few
from nl2dsl.training import sweep as sweeping
from nl2dsl.training.sft import run as sft
from nl2dsl.training.sft.loop import Training
from nl2dsl.training.sft.recipe import Shape
from nl2dsl.training.sweep import Base, Part, Pretraining, Sweep, SweepRecipe, sweep

SHAPE = Shape(1, 32, 2, 1, 48, vocabulary=1_200, texts=24)
ROOT = Path(__file__).parents[1]
RUNS = {"micro_tokens": 2_048, "max_length": 2_048, "precision": "fp32", "threads": 1, "batch": 2, "log": 1}


class Killed(BaseException):
    """As a signal: nothing catches it."""


def small(folder: Path, out: str = "out", **more: Any) -> SweepRecipe:
    """One base of a layer, two numbers of shots, two steps of training, four cases."""
    corpus = folder / "corpus"
    if not corpus.exists():
        tuning.corpus(corpus)
    made = SweepRecipe(
        bases=(Base("tiny", "random:mistral", SHAPE, paper="Mistral7B"),), out=folder / out, corpus=corpus, trained=(0, 3), tested=(0, 3), baselines=("nearest",),
        part=Part(test=("validation",)), pretraining=Pretraining(6, 1, {**RUNS, "checkpoint": 1, "learning_rate": 1e-2}),
        train={**RUNS, "methods": ["full"], "catalog": [str(corpus / "catalog.jsonl")], "steps": 2, "offered": 2, "decoded": 0, "validation": 2, "checkpoint": 1, "tensorboard": False},
        evaluate={"offered": 2, "batch": 3, "limit": 4, "max_tokens": 6},
    )  # fmt: skip
    return replace(made, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    """The folder of a whole sweep."""
    return sweep(small(place)).parent


def bytes_of(out: Path) -> dict[str, str]:
    """Weights and answers, without the seconds."""
    weights = {p.parent.name: digest_of(p) for p in out.glob("*/*/model.safetensors")}
    answers = {p.parent.name: _said(p) for p in out.glob("runs/*/answers.jsonl")}
    return weights | answers


def _said(path: Path) -> str:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return json.dumps([{k: v for k, v in row.items() if k not in ("seconds", "model")} for row in rows], sort_keys=True)


def test_every_piece_is_a_folder_as_train_and_evaluate_write_it(done: Path) -> None:
    assert sorted(p.name for p in (done / "models").iterdir()) == ["tiny-train0", "tiny-train3"]
    assert sorted(p.name for p in (done / "runs").iterdir()) == ["nearest", *(f"tiny-train{a}-test{b}" for a in (0, 3) for b in (0, 3))]
    for run in (done / "runs").iterdir():
        assert evaluation.load(run).finished
    card = json.loads((done / "models" / "tiny-train3" / "card.json").read_text(encoding="utf-8"))
    assert card["shots"] == 3 and card["base"]["name"].endswith("bases/tiny")
    assert HF(done / "models" / "tiny-train0").name.startswith("hf:")


def test_the_table_has_a_line_for_each_cell_with_the_papers_beside(done: Path) -> None:
    lines = [
        [c.strip() for c in line.split("|")[1:-1]] for line in (done / "table1.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    cells = {tuple(line[:3]): line for line in lines if line[0] in ("tiny", "nearest") and len(line) == 15}
    assert set(cells) == {("nearest", "–", "–"), *(("tiny", a, b) for a in "03" for b in "03")}
    assert all(line[3] == "4" for line in cells.values())
    assert cells["tiny", "3", "3"][-2:] == ["0.72 (Mistral7B)", "1.8"] and cells["tiny", "0", "3"][-2:] == ["–", "–"]


def test_a_sweep_that_is_done_does_nothing(done: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("this is done")

    monkeypatch.setattr(sft, "train_recipe", never)
    monkeypatch.setattr(evaluation, "evaluate", never)
    monkeypatch.setattr(Training, "_step", never)
    assert sweep(small(place)).exists()


def test_a_sweep_killed_anywhere_goes_on_to_the_same_weights_and_answers(done: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(place, "killed")
    for step, answer in ((1, 99), (99, 1), (99, 2), (99, 99)):
        with monkeypatch.context() as patched:
            _kill(patched, step, answer)
            try:
                sweep(recipe)
            except Killed:
                continue
    assert (recipe.out / "table1.md").exists()
    assert bytes_of(recipe.out) == bytes_of(done)


def _kill(patched: pytest.MonkeyPatch, step: int, answer: int) -> None:
    """Ends the process, as it were, in the step of any training or after so many answers of a run."""
    take, prepared = Training._step, Ahead.ask
    asked = iter(range(1, 1_000))

    def steps(self: Training, now: int) -> Any:
        if now == step:
            raise Killed
        return take(self, now)

    def ask(self: Ahead, found: Any) -> None:
        if next(asked) == answer + 1:
            raise Killed
        prepared(self, found)

    patched.setattr(Training, "_step", steps)
    patched.setattr(Ahead, "ask", ask)


def test_answers_side_by_side_are_those_one_by_one(done: Path, place: Path) -> None:
    """Prompts of different lengths in one batch; the seconds are those of the batch."""
    engine = HF(done / "models" / "tiny-train0")
    catalog = catalogs.builtin()
    queries = ("Start on Monday", "Each Friday mail me about milk and bread, and nails, and soap", "Mail")
    prompts = [write_flow(q, few(catalog, q, n)) for n, q in enumerate(queries, 1)]
    together = engine.complete_all(prompts, max_tokens=12)
    alone = [engine.complete(p, max_tokens=12) for p in prompts]
    assert [(a.text, a.prompt_tokens, a.completion_tokens) for a in together] == [(a.text, a.prompt_tokens, a.completion_tokens) for a in alone]
    assert len({a.prompt_tokens for a in together}) == 3 and len({a.seconds for a in together}) == 1


def test_batches_change_nothing_but_the_seconds(done: Path, place: Path) -> None:
    recipe = Sweep(small(place)).evaluating(next(c for c in Sweep(small(place)).cells if (c.trained, c.tested) == (3, 3)))
    alone = evaluation.evaluate(replace(recipe, out=place / "alone", batch=1))
    assert _said(alone / "answers.jsonl") == _said(Path(recipe.out) / "answers.jsonl")


def test_more_shots_offer_the_same_operations() -> None:
    catalog = catalogs.builtin()
    query = "When a file is added to OneDrive, mail it to Anna and post a message to Teams"
    found = few(catalog, query, 5)
    assert len(found) == 5 and [o.id for o in found] == sorted(o.id for o in found)
    assert {"trigger", "action"} <= {o.kind for o in found}, "each clause has its say"

    class Nobody:
        name = "nobody"

    prompts = [TextGenerator(Nobody(), shots=n, most=5).prompt(query) for n in (0, 3)]  # type: ignore[arg-type]
    assert prompts[0].messages[0] == prompts[1].messages[0] and len(prompts[1].messages) == len(prompts[0].messages) + 6


# --- a part of the corpus ------------------------------------------------------------------------------------------------------


def test_a_part_has_the_most_used_operations_and_only_cases_they_can_write(place: Path, tmp_path: Path) -> None:
    made = Sweep(small(place, part=Part(operations=1, held=2, test=("validation",)), out=tmp_path / "part"))
    made._take_part()
    found = {p.stem: [json.loads(line) for line in p.read_text(encoding="utf-8").splitlines()] for p in made.data.glob("*.jsonl")}
    assert all(set(row["operations"]) == {"commonTrigger.Recurrence"} for name in ("train", "validation", "cases") for row in found[name])
    assert len(found["validation"]) == 2 and found["cases"] and [r["id"] for r in found["catalog"] if "id" in r] == ["commonTrigger.Recurrence"]
    assert not {r["id"] for r in found["validation"]} & {r["id"] for r in found["train"]}
    assert made.catalog == (str(made.data / "catalog.jsonl"),)


# --- recipes -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "recipes" / "sweep").glob("*.toml")), ids=lambda p: p.stem)
def test_every_sweep_recipe_is_one_and_so_is_all_it_would_run(path: Path) -> None:
    recipe = recipes.load(path, SweepRecipe)
    made = Sweep(recipe)
    assert len(made.cells) == len(recipe.baselines) + len(recipe.bases) * len(recipe.trained) * len(recipe.tested)
    assert recipes.build(recipes.tomllib.loads(recipes.dump(recipe)), SweepRecipe) == recipe


def test_settings_that_cannot_be_are_told_before_any_work(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"model tiny with 0 shots.*`leaning_rate`"):
        Sweep(small(place, train={"leaning_rate": 1e-3}, evaluate={}))
    with pytest.raises(ValueError, match="prompts it was trained with"):
        small(place, evaluate={"offered": 3})
    with pytest.raises(ValueError, match="names"):
        small(place, bases=(Base("a", "random:phi"), Base("a", "random:qwen3")))
    with pytest.raises(RecipeError, match="no cell"):
        Sweep(small(place, out=tmp_path / "none")).table()


# --- the table -----------------------------------------------------------------------------------------------------------------


@pytest.fixture()
def answered(tmp_path: Path) -> Iterator[Any]:
    """Runs of recorded answers: `answered("name", "110")` is right in the first two rows, and no flow in the last."""
    dsl = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'
    rows = [{"id": f"r{i}", "query": f"each day, {i}", "dsl": dsl} for i in range(20)]
    write_rows(tmp_path / "rows.jsonl", rows)
    from nl2dsl.outcome import row as flat

    class Fixed:
        def __init__(self, right: str) -> None:
            self.right, self.name = right, "fixed"

        def complete(self, prompt: Any, *, max_tokens: int) -> Any:
            from nl2dsl.engines import Completion

            right = self.right[int(prompt.query.rsplit(" ", 1)[1]) % len(self.right)] == "1"
            return Completion(dsl if right else "nothing", 10, 5, 0.1)

    def make(name: str, right: str) -> Path:
        writer = TextGenerator(Fixed(right), constrain="none")
        write_rows(tmp_path / f"{name}.jsonl", [{**flat(writer.generate(r["query"])), "id": r["id"]} for r in rows])
        return evaluation.evaluate(EvaluateRecipe(rows=tmp_path / "rows.jsonl", out=tmp_path / name, writer=f"answers:{tmp_path / f'{name}.jsonl'}"))

    yield make


def test_contrasts_average_cells_row_by_row(answered: Any) -> None:
    cells = [Cell("a", 0, 0, "a00", answered("a00", "10")), Cell("a", 3, 0, "a30", answered("a30", "11")), Cell("b", 0, 0, "b00", answered("b00", "00")), Cell("b", 3, 0, "b30", answered("b30", "10"))]  # fmt: skip
    found = {(c.question, c.of, c.measure.name): c for c in table1.tabled(cells).contrasts}
    pooled = found["3 shots in training, none at test, against none at all", "all bases", "flow_similarity"]
    assert (pooled.first, pooled.second, pooled.found.difference) == (0.25, 0.75, 0.5) and pooled.found.n == 20
    assert pooled.found.low == pooled.found.high == 0.5, "each row gains a half: nothing varies"
    own = found["3 shots in training, none at test, against none at all", "a", "non-parsed"]
    assert (own.first, own.second) == (0.5, 0.0) and own.found.low < own.found.difference < own.found.high < 0
    bases = found["b against a", "all shots", "flow_similarity"]
    assert (bases.first, bases.second) == (0.75, 0.25)
    assert not any("in both" in question for question, _, _ in found), "no such cells, no such question"
    assert all(c.adjusted >= c.found.p for c in found.values())


def test_cells_with_other_rows_are_no_table(answered: Any, done: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="other rows"):
        table1.tabled([Cell("", None, None, "nearest", done / "runs" / "nearest"), Cell("a", 0, 0, "a", answered("a", "1"))])


def test_the_table_is_shown_on_a_terminal(answered: Any) -> None:
    console = Console(record=True, width=250)
    table1.show(table1.tabled([Cell("mine", 3, 3, "m", answered("m", "10"), "Mistral7B")]), console)
    said = console.export_text()
    assert "mine" in said and "0.500 [" in said and "0.72 (Mistral7B)" in said and "Code Cushman 2" in said


def test_the_bar_tells_how_far_it_is() -> None:
    assert sweeping._bar(0, 4).startswith("[........................] 0 of 4") and sweeping._bar(4, 4).startswith("[########################]")
