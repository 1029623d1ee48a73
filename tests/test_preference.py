"""Preferences: what an answer is worth, which answers make a pair, that the rewarded one becomes the likelier one, that a killed run goes on bit for bit, and that only a winner is kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "peft", "accelerate"):
    pytest.importorskip(needed)

import tuning  # noqa: E402
from nl2dsl import recipe as recipes  # noqa: E402
from nl2dsl.catalog import read as catalogs  # noqa: E402
from nl2dsl.catalog.model import Catalog  # noqa: E402
from nl2dsl.engines import Completion, hf  # noqa: E402
from nl2dsl.errors import RecipeError  # noqa: E402
from nl2dsl.prompts import Prompt  # noqa: E402
from nl2dsl.textual import TextGenerator  # noqa: E402
from nl2dsl.training import reward  # noqa: E402
from nl2dsl.training.reward import Score, Weights  # noqa: E402
from nl2dsl.training.sft import bases, preference, trainer_of  # noqa: E402
from nl2dsl.training.sft.data import Encoded  # noqa: E402
from nl2dsl.training.sft.preference import PreferenceRecipe, pairs_of, train_recipe  # noqa: E402
from nl2dsl.training.sft.recipe import Lora, Shape  # noqa: E402
from nl2dsl.training.sft.run import train_recipe as tune  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parent.parent


# --- what an answer is worth -------------------------------------------------------------------------------------------------------


def worth(text: str, n: int = 1) -> Score:
    class Said:
        name = ""

        def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
            return Completion(text)

    gold = tuning._row(n, "test")
    return reward.score(TextGenerator(Said(), catalog=catalog(), constrain="none").generate(gold.query), gold, catalog(), Weights())


@cache
def catalog() -> Catalog:
    with TemporaryDirectory() as place:
        return catalogs.with_platform(catalogs.load([tuning.corpus(Path(place)) / "catalog.jsonl"]))


GOLD = tuning._row(1, "test").dsl
START, MAIL, _ = GOLD.split("\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (GOLD, 1.0),
        (START, 0.2 + 0.4 * 0.5),
        (GOLD.replace('"bread"', '"salt"'), 0.2 + 0.4),  # the same operations, another mail
        (f"{GOLD}{MAIL.replace('Send =', 'Send_2 =')}", 0.2 + 0.4 * 2 / 3),
        ("no idea", 0.0),
        (GOLD.replace("Send(", "Fling("), 0.0),
        ('refuse("violence");', 0.0),
        ("", 0.0),
    ],
)
def test_the_reward_is_compiling_similarity_and_effects(text: str, wanted: float) -> None:
    assert worth(text).reward == pytest.approx(wanted)


def test_the_parts_of_the_reward_add_up() -> None:
    with pytest.raises(RecipeError, match="add up to 1"):
        recipes.build({"start": "x", "reward": {"compiles": 0.5}}, PreferenceRecipe)


# --- pairs -------------------------------------------------------------------------------------------------------------------------


def sampled(*rewards: float) -> dict[str, Any]:
    return {"id": "a", "answers": [{"ids": [i], "text": f"t{i}", "reward": r} for i, r in enumerate(rewards)]}


def test_a_pair_is_the_best_answer_with_the_worst() -> None:
    assert [(p.better, p.worse, p.gain) for p in pairs_of(sampled(0.2, 1.0, 0.0, 1.0), 0.1, 1)] == [((1,), (2,), 1.0)]
    assert [p.worse for p in pairs_of(sampled(0.2, 1.0, 0.0, 1.0), 0.1, 3)] == [(2,), (0,)]


def test_answers_that_are_alike_or_worth_the_same_make_no_pair() -> None:
    assert not list(pairs_of(sampled(0.5, 0.55, 0.5), 0.1, 3))
    same = sampled(1.0, 1.0)
    same["answers"][1]["text"] = "t0"
    assert not list(pairs_of(same, 0.1, 3))


# --- the loss ----------------------------------------------------------------------------------------------------------------------


def encoded(prompt: int, answer: int, start: int) -> Encoded:
    from array import array

    return Encoded(array("i", [start + (7 * i) % 200 for i in range(prompt + answer)]), prompt)


def test_log_probabilities_are_those_of_each_answer_alone(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(bases.make("random:mistral", Shape(2, 32, 4, 2, 48, vocabulary=300), ["x"], tmp_path, 0)).eval()
    pair = encoded(9, 3, 5), encoded(9, 8, 40)
    with torch.no_grad():
        made = preference.row_logs(model, pair, 0)
        for row, value in zip(pair, made, strict=True):
            logits = model(input_ids=torch.tensor([row.ids.tolist()])).logits[0].log_softmax(-1)
            alone = sum(float(logits[i - 1, row.ids[i]]) for i in range(row.prompt, len(row.ids)))
            assert float(value) == pytest.approx(alone, rel=1e-4)
        turned = preference.row_logs(model, pair[::-1], 0)
    torch.testing.assert_close(made.flip(0), turned, rtol=1e-4, atol=1e-4)


# --- the whole way -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("start")
    out = tune(tuning.recipe(folder, methods=("full",), steps=2, offered=1, lora=Lora(4, 8, 0.0)))
    (folder / "corpus" / "test.jsonl").write_bytes((folder / "corpus" / "validation.jsonl").read_bytes())
    return out


def recipe(start: Path, out: Path, **more: Any) -> PreferenceRecipe:
    corpus = start.parent / "corpus"
    made = PreferenceRecipe(
        start=str(start), corpus=str(corpus), out=str(out), catalog=(str(corpus / "catalog.jsonl"),), requests=12, samples=6, max_new_tokens=1, lora=Lora(8, 16, 0.0), steps=16, batch=4,
        max_length=2_048, learning_rate=2e-2, nll=0.0, held_out=6, checkpoint=2, threads=1,
    )  # fmt: skip
    return replace(made, **more)


def rewarding(monkeypatch: pytest.MonkeyPatch, worth: Any) -> None:
    """Another reward, which an untrained model can learn in some steps."""

    def score(self: Any, text: str, row: Any) -> Score:
        value = float(worth(text, row))
        return Score(value, value, False, False, False)

    monkeypatch.setattr(preference._Run, "score", score)


def odd(text: str) -> int:
    return ord(text[:1] or " ") % 2


def usual(start: Path) -> str:
    """What the start begins its answers with."""
    asker = TextGenerator(hf.HF(start), catalog=catalog(), most=1)
    return hf.HF(start).complete(asker.prompt(tuning._row(25, "test").query), max_tokens=1).text


def test_what_is_rewarded_is_written_and_kept(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worn = odd(usual(start))
    rewarding(monkeypatch, lambda text, row: odd(text) != worn)
    out = train_recipe(recipe(start, tmp_path / "out"))
    told = json.loads((out / "card.json").read_text(encoding="utf-8"))
    facts = told["preference"]
    assert facts["kept"] and facts["held out"]["end"]["reward"] > facts["held out"]["start"]["reward"]
    assert facts["start"]["digest"] == json.loads((start / "card.json").read_text(encoding="utf-8"))["digest"]
    assert facts["pairs"]["n"] > 0 and facts["pairs"]["sha256"] and "execution" in facts["reward"]
    margins = [json.loads(line)["margin"] for line in (out / "training" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert margins[0] == pytest.approx(0.0, abs=1e-5) and sum(margins[-4:]) > 0.02  # the policy begins as the reference
    served = hf.HF(out)  # refuses what is not the card's
    assert served.card["method"] == "lora" and served.card["recipe"]["offered"] == 1
    assert odd(usual(out)) != worn


def test_what_does_not_win_leaves_the_start(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewarding(monkeypatch, lambda text, row: int.from_bytes(row.query.encode(), "little") % 2 if row.split == "validation" else odd(text))
    out = train_recipe(recipe(start, tmp_path / "out", steps=1))
    told = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert told["preference"]["kept"] is False and "holds zero" in told["preference"]["why"]
    assert (out / "model.safetensors").read_bytes() == (start / "model.safetensors").read_bytes()
    assert told["method"] == "full" and hf.HF(out).name


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("place", ["sample", "step 3", "write"])
def test_a_killed_run_goes_on_bit_for_bit(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    rewarding(monkeypatch, lambda text, row: odd(text))
    straight = train_recipe(recipe(start, tmp_path / "straight", steps=5))
    with pytest.MonkeyPatch.context() as patch:
        kill(patch, place)
        with pytest.raises(Killed):
            train_recipe(recipe(start, tmp_path / "again", steps=5))
    assert not (tmp_path / "again" / "card.json").exists()
    asked: list[str] = []
    whole = hf.Text.sample

    def counted(self: Any, prompt: Prompt, *a: Any, **k: Any) -> Any:
        asked.append(prompt.query)
        return whole(self, prompt, *a, **k)

    monkeypatch.setattr(hf.Text, "sample", counted)
    again = train_recipe(recipe(start, tmp_path / "again", steps=5))
    assert len(asked) == (9 if place == "sample" else 0)
    for name in ("samples.jsonl", "pairs.jsonl", "held-out-end.jsonl", "metrics.jsonl"):
        assert (straight / "training" / name).read_bytes() == (again / "training" / name).read_bytes(), name
    first, second = (torch.load(sorted((out / "training" / "states").glob("step-*"))[-1], weights_only=True)["weights"] for out in (straight, again))
    assert first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def kill(patch: pytest.MonkeyPatch, place: str) -> None:
    if place == "sample":
        calls, whole = [0], hf.Text.sample

        def some(self: Any, *a: Any, **k: Any) -> Any:
            calls[0] += 1
            if calls[0] > 3:
                raise Killed
            return whole(self, *a, **k)

        patch.setattr(hf.Text, "sample", some)
    elif place == "write":
        patch.setattr(preference, "_verdict", lambda *a: (_ for _ in ()).throw(Killed()))
    else:
        step = preference.Preferring._step

        def until(self: Any, now: int, *a: Any) -> Any:
            if now == 3:
                raise Killed
            return step(self, now, *a)

        patch.setattr(preference.Preferring, "_step", until)


def test_an_adapter_is_a_start_too(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = tune(replace(tuning.recipe(start.parent, steps=1, offered=1), base=str(start), out=str(tmp_path / "adapter")))
    rewarding(monkeypatch, lambda text, row: odd(text))
    out = train_recipe(replace(recipe(start, tmp_path / "out", steps=1), start=str(again)))
    assert (out / "training" / "start" / "model.safetensors").exists()
    assert hf.HF(out).card["preference"]["start"]["digest"] == hf.read_card(again)["digest"]


def test_nothing_to_prefer_is_told(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewarding(monkeypatch, lambda text, row: 0.5)
    with pytest.raises(RecipeError, match="nothing to prefer"):
        train_recipe(recipe(start, tmp_path / "out"))


@pytest.mark.parametrize("wrong", [{"split": "train"}, {"samples": 1}, {"beta": 0.0}])
def test_settings_that_cannot_be_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        recipes.build({"start": "x", **wrong}, PreferenceRecipe)


def test_held_out_rows_are_no_training_rows(start: Path, tmp_path: Path) -> None:
    corpus = start.parent / "corpus"
    (corpus / "known.jsonl").write_bytes((corpus / "train.jsonl").read_bytes())
    with pytest.raises(RecipeError, match="every row of `known` is a training row"):
        train_recipe(recipe(start, tmp_path / "out", split="known"))


def test_the_recipe_reads_as_what_it_is_for() -> None:
    path = ROOT / "recipes" / "train" / "preference.toml"
    assert trainer_of(path) == "preference"
    assert math.isclose(recipes.load(path, PreferenceRecipe).beta, 0.1)
