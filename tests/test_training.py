"""Training: it learns, it goes on bit for bit after a kill, it skips what is done, and the scorer it validates with is the model it trains."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rich.console import Console  # noqa: E402

import tiny  # noqa: E402
from nl2dsl import recipe as recipes  # noqa: E402
from nl2dsl.corpus import houses, wording  # noqa: E402
from nl2dsl.corpus.build import CorpusRecipe, build  # noqa: E402
from nl2dsl.decoding.actions import FIXED, Kind  # noqa: E402
from nl2dsl.decoding.automaton import Automaton, Role  # noqa: E402
from nl2dsl.errors import CorpusError, ModelError, RecipeError  # noqa: E402
from nl2dsl.example import read  # noqa: E402
from nl2dsl.retrieval import spans  # noqa: E402
from nl2dsl.training import embedded, export, generator, guarding, minilm, reranker, retriever, scoring, shipped  # noqa: E402
from nl2dsl.training.checkpoint import Checkpoint  # noqa: E402
from nl2dsl.training.embedded import RerankerRecipe, TrainRecipe, train_recipe  # noqa: E402
from nl2dsl.training.journal import Journal, line  # noqa: E402
from nl2dsl.training.network import Writer  # noqa: E402
from nl2dsl.training.retriever import Pair  # noqa: E402
from nl2dsl.training.rows import query_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
HERE = Path(__file__).parent.parent


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def kill_at(step: int) -> Any:
    def tick(now: int, share: float, loss: float) -> None:
        if now == step:
            raise Killed

    return tick


def quiet(text: str) -> None:
    pass


def fit(t: tiny.Trained, out: Path, steps: int, **more: Any) -> None:
    options = {"batch_size": 4, "every": 1000, "learning_rate": 2e-3, "encoder_rate": 1e-4, "log": quiet}
    generator.train(t.rows, t.model, t.retrieved, t.banks, t.sets, out, steps=steps, **{**options, **more})


def value(t: tiny.Trained) -> float:
    t.model.eval()
    with torch.no_grad():
        return float(generator.loss(t.model, t.rows, t.retrieved(t.rows), t.banks, t.sets, train=False)[0])


def same(a: Any, b: Any) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# --- the generator -------------------------------------------------------------------------------------------------------------


def test_eight_examples_are_learned_by_heart(tmp_path: Path) -> None:
    t = tiny.trained(8)
    before = value(t)
    fit(t, tmp_path, 150, batch_size=8, learning_rate=6e-3)
    assert value(t) < before / 8
    made = scoring.measure(
        t.rows,
        lambda text: query_of(text, tiny.tokenizer())[0],
        lambda r: scoring.ModelScorer(t.model.eval(), r.tokens, t.queries[r.query], t.banks),
        t.banks.tables,
    )
    assert made["similarity"] > 0.8
    assert made["non_parsed"] == 0
    assert (tmp_path / "encoder.pt").exists()
    assert (tmp_path / "writer.pt").exists()


def test_the_scorer_gives_every_legal_decision_the_score_of_the_training_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss lets a little more be legal than the automaton (any stretch for a number, for instance), never less."""
    t, taken = tiny.trained(6, seed=3), []
    t.model.eval()
    with torch.no_grad():  # so that no score is near its start
        for p in t.model.writer.parameters():
            p.add_(0.05 * torch.randn_like(p))
    real = generator.log_softmax
    monkeypatch.setattr(generator, "log_softmax", lambda x, dim: (taken.append(x), real(x, dim=dim))[1])
    for r in t.rows:
        with torch.no_grad():
            generator.loss(t.model, [r], t.retrieved([r]), t.banks, t.sets, train=False)
        scorer, automaton = (
            scoring.ModelScorer(t.model, r.tokens, t.queries[r.query], t.banks),
            Automaton(t.banks.tables.list, query_of(r.query, tiny.tokenizer())[0]),
        )
        called, waiting = -1, []
        for trained, decision in zip(taken.pop(), scoring.gold(r), strict=True):
            allowed, scores = automaton.allowed(), scorer.push(waiting)
            offered = [scores.fixed[allowed.fixed]]
            if allowed.operations:
                offered.append(scores.operations()[t.banks.tables.triggers if allowed.operations == Role.TRIGGER else t.banks.tables.steps])
            offered.append(scores.parameters(called)[list(allowed.parameters)] if allowed.parameters else [])
            offered.append(scores.enums(called, automaton.enum_parameter()) if allowed.enums else [])
            offered += [scores.starts()[list(allowed.starts)], scores.ends()[list(allowed.ends)]]
            found, legal = np.concatenate(offered), trained[trained > generator.NEVER / 2].numpy()
            assert 0 < len(found) <= len(legal)
            assert np.abs(found[:, None] - legal[None]).min(axis=1).max() < 1e-4
            automaton.push(decision)
            waiting = [decision]
            called = decision.index if decision.kind == Kind.OPERATION else called


def test_illegal_decisions_have_no_share_of_the_loss() -> None:
    """Whatever the heads say about them: a hundred times the score of a symbol that is never legal changes nothing."""
    t = tiny.trained(4)
    before = value(t)
    never = [i for i in range(len(FIXED)) if not t.sets[:, i].any()]
    with torch.no_grad():
        t.model.writer.fixed_bias[never] += 100.0
    assert never
    assert value(t) == pytest.approx(before, abs=1e-6)


NOISE = {"dropout": 0.2, "masked": 0.2}


@pytest.mark.parametrize("name", NOISE)
def test_dropout_and_hidden_tokens_act_in_training_alone(tmp_path: Path, name: str) -> None:
    plain, noisy = tiny.trained(10), tiny.trained(10)
    fit(plain, tmp_path / "plain", 2)
    fit(noisy, tmp_path / "noisy", 2, **{name: 0.2})
    assert not same(plain.model, noisy.model)
    assert value(noisy) == value(noisy)


@pytest.mark.parametrize(("killed", "noise"), [(5, {}), (8, {}), (5, NOISE)])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path, killed: int, noise: dict[str, float]) -> None:
    whole = tiny.trained(10)
    fit(whole, tmp_path / "whole", 11, checkpoint=Checkpoint(tmp_path / "whole.pt", "x", 0.0), **noise)
    cut = Checkpoint(tmp_path / "cut.pt", "x", 0.0)
    with pytest.raises(Killed):
        fit(tiny.trained(10), tmp_path / "cut", 11, checkpoint=cut, tick=kill_at(killed), **noise)
    state = cut.load()
    assert state is not None
    assert state["step"] == killed - 1
    resumed = tiny.trained(10, seed=99)  # whatever it starts from
    fit(resumed, tmp_path / "cut", 11, checkpoint=cut, **noise)
    assert same(whole.model, resumed.model)


def test_a_loss_that_is_never_finite_ends_with_advice(tmp_path: Path) -> None:
    t = tiny.trained(4)
    with torch.no_grad():
        t.model.writer.query_in.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite") as found:
        fit(t, tmp_path, 500)
    assert "learning rate" in found.value.hint


def test_figures_come_every_hundred_steps_and_at_every_validation(tmp_path: Path) -> None:
    t, told = tiny.trained(4), list[dict[str, Any]]()
    options = {"every": 60, "batch_size": 2, "validation": {"validation": (t.rows[:2], t.retrieved)}, "evaluate": lambda name: {"similarity": 0.5}}
    last = generator.train(t.rows, t.model, t.retrieved, t.banks, t.sets, tmp_path, steps=101, record=told.append, log=quiet, **options)
    assert [(f["step"], f.get("set")) for f in told] == [(60, "validation"), (100, None), (101, "validation")]
    assert told[1]["accuracy"]["operation"] <= 1
    assert last["validation"]["similarity"] == 0.5
    assert last["validation"]["steps"] == 101


# --- the retriever -------------------------------------------------------------------------------------------------------------


def tune(base: Path, out: Path, **more: Any) -> None:
    found = [Pair(r.query, tuple(dict.fromkeys(embedded.sketch.operations(r.sketch)))) for r in tiny.curated()]
    options = {"steps": 7, "batch_size": 4, "negatives": 4, "every": 1000, "held_out": {"validation": found[:5]}, "log": quiet}
    retriever.train(found, tiny.catalog(), out, start=base, **{**options, **more})


@pytest.mark.parametrize("large", [1, 200])
def test_a_killed_retriever_goes_on_to_the_same_weights(tmp_path: Path, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in other houses, whose operations stand still from so many on."""
    monkeypatch.setattr(retriever, "LARGE", large)
    bakery = embedded._visit(houses.read(HERE / "tests" / "houses" / "bakery.house"))
    base = tiny.base(tmp_path / "base")
    tune(base, tmp_path / "whole", houses=[bakery], visits=0.5)
    cut = Checkpoint(tmp_path / "cut.pt", "x", 0.0)
    with pytest.raises(Killed):
        tune(base, tmp_path / "cut", houses=[bakery], visits=0.5, checkpoint=cut, tick=kill_at(4))
    tune(base, tmp_path / "cut", houses=[bakery], visits=0.5, checkpoint=cut)
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


# --- checkpoints and the journal -----------------------------------------------------------------------------------------------


def test_a_checkpoint_of_other_inputs_is_not_resumed_from(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "c.pt", "one").save({"step": 3})
    assert (Checkpoint(tmp_path / "c.pt", "one").load() or {})["step"] == 3
    assert Checkpoint(tmp_path / "c.pt", "two").load() is None
    assert Checkpoint(tmp_path / "none.pt", "one").load() is None


def test_a_broken_checkpoint_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_bytes(b"half of it")
    with pytest.raises(ModelError, match="not a checkpoint") as found:
        Checkpoint(tmp_path / "c.pt").load()
    assert "remove" in found.value.hint


def test_steps_after_a_kill_are_told_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Console(quiet=True))
    for stage, step in (("retriever", 300), ("generator", 100), ("generator", 200)):
        journal.record({"stage": stage, "step": step})
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"stage": "gener')  # killed in the middle of a line
    journal.rewind("generator", 100)
    assert [json.loads(text)["step"] for text in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [300, 100]


@pytest.mark.parametrize("terminal", [True, False])
def test_steps_are_a_bar_on_a_terminal_and_lines_elsewhere(tmp_path: Path, terminal: bool) -> None:
    shown = io.StringIO()
    journal = Journal(tmp_path, Console(file=shown, force_terminal=terminal, width=120))
    with journal.bar("generator"):
        journal.tick(99, 0.5, 2.0)
        journal.record({"stage": "generator", "step": 100, "loss": 1.5})
        journal.tick(100, 0.6, 1.5)
    assert ("generator step 100" in shown.getvalue()) != terminal
    assert ("60%" in shown.getvalue()) == terminal
    assert "generator step 100  loss 1.500" in (tmp_path / "log.txt").read_text()


def test_figures_are_one_line() -> None:
    figures = {"stage": "generator", "step": 100, "seconds": 81.2, "rows": 4800, "loss": 1.2344, "accuracy": {"fixed": 0.9}}
    assert line(figures) == "generator step 100  81 s  rows 4800  loss 1.234  fixed 0.900"


# --- the recipe ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["embedded", "embedded-smoke"])
def test_the_recipes_are_recipes(name: str) -> None:
    made = recipes.load(HERE / "recipes" / "train" / f"{name}.toml", TrainRecipe)
    assert recipes.build(embedded.recipes.tomllib.loads(recipes.dump(made)), TrainRecipe) == made


def test_the_recipe_that_ships_has_the_settings_of_the_defaults() -> None:
    assert recipes.load(HERE / "recipes" / "train" / "embedded.toml", TrainRecipe) == TrainRecipe()


@pytest.mark.parametrize(
    "override",
    [
        "generator.batch=0",
        "retriever.steps=-1",
        "decoder.num_attention_heads=7",
        "generator.dropout=1.5",
        "retriever.crowds=1",
        "reranker.batch=0",
        "reranker.candidates=2",
        "generator.learning_rat=1",
    ],
)
def test_settings_that_cannot_be_are_told_before_anything_starts(override: str) -> None:
    with pytest.raises(RecipeError):
        recipes.load(HERE / "recipes" / "train" / "embedded-smoke.toml", TrainRecipe, [override])


def test_without_a_corpus_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as found:
        train_recipe(TrainRecipe(corpus=str(tmp_path), out=str(tmp_path / "out"), base=str(tiny.base(tmp_path / "base"))))
    assert "nl2dsl corpus" in found.value.hint


# --- from corpus to model ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    build(CorpusRecipe(out=str(out), requests=str(tiny.REQUESTS), sampled=40, variants=1, test=5, held_out=("shared_todo",)))
    return out


def recipe(corpus: Path, out: Path, base: Path) -> TrainRecipe:
    r = recipes.load(
        HERE / "recipes" / "train" / "embedded-smoke.toml",
        TrainRecipe,
        [
            "retriever.steps=2",
            "retriever.batch=4",
            "reranker.steps=4",
            "reranker.every=2",
            "reranker.batch=4",
            "generator.steps=6",
            "generator.every=4",
            "generator.batch=4",
            "retriever.visits=0.5",
            "generator.visits=0.5",
            "retriever.crowds=0.5",
            "generator.crowds=0.5",
            "generator.dropout=0.1",
            "generator.masked=0.1",
        ],
    )
    connectors = tuple(c for c in tiny.CONNECTORS)
    return replace(
        r,
        corpus=str(corpus),
        out=str(out),
        base=str(base),
        wording=str(HERE / "data" / "wording"),
        houses=str(HERE / "tests" / "houses"),
        refusals=str(HERE / "tests" / "refusals"),
        connectors=connectors,
        decoder=tiny.SIZE,
        checkpoint=0.0,
    )


def test_a_recipe_trains_is_killed_goes_on_exports_and_is_not_done_twice(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny.base(tmp_path / "base")
    model = train_recipe(recipe(corpus, tmp_path / "a", base))
    card = json.loads((model / "card.json").read_text())
    assert set(card["files"]) == {p.name for p in model.iterdir()} - {"card.json"}
    assert card["validation"]["shipped"]["non_parsed"] == 0
    assert str(tmp_path) not in json.dumps(card)

    with monkeypatch.context() as patch:  # another run, killed in the middle of the generator
        patch.setattr(Journal, "tick", lambda self, step, share, loss: kill_at(5)(step, share, loss))
        with pytest.raises(Killed):
            train_recipe(recipe(corpus, tmp_path / "b", base))
    train_recipe(recipe(corpus, tmp_path / "b", base))
    assert "goes on at step 4" in (tmp_path / "b" / "log.txt").read_text()
    for name in ("encoder", "writer", "reranker"):
        first, second = (torch.load(tmp_path / run / f"{name}.pt", weights_only=True) for run in "ab")
        assert all(torch.equal(first[key], second[key]) for key in first)
    steps = [(f["step"], f["set"]) for f in map(json.loads, (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()) if f["stage"] == "generator"]
    assert steps == [(4, "validation"), (4, "unseen"), (6, "validation"), (6, "unseen")]

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("done before")

    with monkeypatch.context() as patch:
        for place, function in (
            (generator, "train"),
            (reranker, "train"),
            (guarding, "train"),
            (retriever, "train"),
            (retriever, "embed"),
            (embedded.export, "export"),
        ):
            patch.setattr(place, function, never)
        train_recipe(recipe(corpus, tmp_path / "b", base))

    shipped.unpack(model, tmp_path / "c", base)  # weights come back but for what int8 rounds away
    for name in ("encoder", "writer"):
        first, back = (torch.load(tmp_path / run / f"{name}.pt", weights_only=True) for run in "ac")
        assert first.keys() == back.keys()
        assert max(float((first[key] - back[key]).abs().max()) for key in first) < 0.02
    goes_on = replace(recipe(corpus, tmp_path / "d", base), start=str(model), refusals="", reranker=RerankerRecipe(seconds=0))
    assert (train_recipe(goes_on) / "decoder.xml").exists()
    with pytest.raises(ModelError, match="does not fit"):
        train_recipe(replace(goes_on, out=str(tmp_path / "e"), decoder=replace(tiny.SIZE, num_hidden_layers=1)))


def test_the_graph_that_ships_says_step_by_step_what_the_decoder_says_at_once() -> None:
    torch.manual_seed(0)
    writer = Writer(tiny.SIZE, fixed=5, operations=3).eval()
    graph = export.DecoderGraph(writer)
    size, x = tiny.SIZE, torch.randn(1, 9, tiny.SIZE.hidden_size)
    mask = torch.where(torch.ones(9, 9).tril().bool(), 0.0, -1e4)[None, None]
    with torch.no_grad():
        whole = writer.heads(writer.decoder(x, torch.arange(9)[None], mask)[0])
        past = [torch.zeros(1, size.num_key_value_heads, 0, size.head_dim)] * (2 * size.num_hidden_layers)
        at = 0
        for n in (4, 1, 3, 1):
            heads, *past = graph(x[:, at : at + n], *past)
            at += n
            assert torch.allclose(heads[0, -1], whole[0, at - 1], atol=1e-5)


def test_hidden_words_are_never_the_first_or_the_last() -> None:
    torch.manual_seed(0)
    ids = torch.arange(200, 212).repeat(50, 1)
    valid = torch.zeros_like(ids)
    lengths = [2 + i % 10 for i in range(50)]
    for row, n in enumerate(lengths):
        valid[row, :n] = 1
    hidden = generator._masked(ids, valid, 0.5) != ids
    assert not hidden[:, 0].any() and not any(hidden[row, n - 1 :].any() for row, n in enumerate(lengths))
    assert 0.3 < hidden.sum() / sum(n - 2 for n in lengths) < 0.7


def test_crowds_take_their_share_of_the_visits() -> None:
    assert embedded._with_crowds([1, 2, 3, 4], [9], 0.5).count(9) == 4
    assert embedded._with_crowds([1, 2, 3, 4], [8, 9], 0.5).count(9) == 2
    assert embedded._with_crowds([1], [9], 0.3) == [1, 9]
    assert embedded._with_crowds([1, 2], [9], 0.0) == [1, 2] and embedded._with_crowds([], [], 0.3) == []


def test_spans_are_the_same_in_a_batch_and_alone() -> None:
    states = torch.randn(4, 16, 384)
    lengths = (16, 3, 6, 9)
    mask = torch.tensor([[int(i < n) for i in range(16)] for n in lengths])
    bank = torch.nn.functional.normalize(torch.randn(30, 384), dim=-1)
    scores = minilm.fused(minilm.spans(states, mask), bank)
    for row, n in enumerate(lengths):
        read = spans.reading(states[row, :n].numpy())
        assert len(read) == 1 + len(spans.starts(n))
        assert np.allclose(spans.scores(read, bank.numpy()), scores[row].numpy(), atol=1e-5)


def test_a_few_words_of_a_long_request_find_their_operation() -> None:
    bank = torch.nn.functional.normalize(torch.randn(30, 384), dim=-1).numpy()
    noise = torch.randn(40, 384).numpy()
    noise[20:26] = bank[7] * 20  # six words say what operation 7 says
    read = spans.reading(noise)
    assert spans.scores(read, bank).argmax() == 7


def test_the_retriever_learns_no_clause_of_the_test_rows_and_none_of_held_out_connectors(corpus: Path) -> None:
    rng = embedded.random.Random(0)
    single = embedded.clauses(wording.load(HERE / "data" / "wording", tiny.catalog()), ("shared_todo",), rng)
    train = embedded._read(corpus / "train.jsonl", tiny.catalog())
    found = embedded.pairs(train, single, embedded.RetrieverRecipe(requests=2), rng)
    assert len(single) > 50
    assert not any(o.startswith("shared_todo.") for p in found for o in p.operations)
    assert not {p.text for p in found} & {r.query for r in read(corpus / "test.jsonl")}
    assert sum(p.text == train[0][0].query for p in found) == 2
