"""The reranker: learns, does not mind padding, and answers in the engine as it does in training."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nl2dsl.corpus import houses  # noqa: E402
from nl2dsl.decoding.actions import SYMBOL, Decision, Kind, fixed  # noqa: E402
from nl2dsl.engines.embedded import SHIPPED, Embedded, EmbeddedScores  # noqa: E402
from nl2dsl.engines.reranking import NOT_LOOKED_AT, Reranked, Say  # noqa: E402
from nl2dsl.retrieval.texts import WORDS, read_tokens  # noqa: E402
from nl2dsl.training import reranker  # noqa: E402
from nl2dsl.training.cases import Case, Shelf  # noqa: E402
from nl2dsl.training.checkpoint import Checkpoint  # noqa: E402
from nl2dsl.training.reranker import Reranker  # noqa: E402

RNG = np.random.default_rng(0)
HOUSE = Path(__file__).parent / "houses/bakery.house"
MEANINGS = RNG.standard_normal((12, 384)).astype(np.float16)


def shelf() -> Shelf:
    """Twelve operations, each with a word of its own among words that say nothing; their embeddings say nothing either."""
    states = 0.1 * RNG.standard_normal((12, WORDS, 384)).astype(np.float16)
    states[:, 2] = MEANINGS
    return Shelf(RNG.standard_normal((12, 384)).astype(np.float16), states, np.full(12, 4))


def case(wanted: int) -> Case:
    states = 0.1 * RNG.standard_normal((6, 384)).astype(np.float16)
    states[3] = MEANINGS[wanted]
    return Case(states, (wanted,), tuple(range(12)), (0,))


def fit(model: Reranker, out: Path, steps: int, **more: Any) -> dict[str, dict[str, Any]]:
    some = [case(i) for i in range(12)]
    options: dict[str, Any] = {"batch_size": 12, "candidates": 6, "ranked": 12, "every": 1000, "learning_rate": 1e-3, "log": lambda text: None}
    return reranker.train(model, {"some": (1.0, some)}, [shelf()], out, validation={"same": some}, steps=steps, **{**options, **more})


def test_twelve_requests_are_learned_by_heart(tmp_path: Path) -> None:
    global RNG
    RNG = np.random.default_rng(1)
    torch.manual_seed(0)
    figures = fit(Reranker(width=64, layers=2, dropout=0.0), tmp_path, 150, learning_rate=2e-3)["same"]
    assert figures["reranker"] > 0.6 > figures["retriever"]
    assert (tmp_path / "reranker.pt").exists()


def test_a_killed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def run(out: Path, killed: bool) -> dict[str, Any]:
        global RNG
        for attempt in range(2 if killed else 1):
            RNG = np.random.default_rng(2)
            torch.manual_seed(0)
            model = Reranker(width=32, layers=1)

            def tick(step: int, share: float, loss: float, stop: bool = killed and attempt == 0) -> None:
                if stop and step == 5:
                    raise KeyboardInterrupt

            try:
                fit(model, out, 8, checkpoint=Checkpoint(out / "c.pt", "x", 0.0), tick=tick)
            except KeyboardInterrupt:
                continue
        return dict(model.state_dict())

    straight, again = run(tmp_path / "a", False), run(tmp_path / "b", True)
    assert all(torch.equal(straight[name], again[name]) for name in straight)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    model = Reranker(width=32, layers=2).eval()
    request, operations, words = torch.randn(1, 5, 384), torch.randn(1, 3, 384), torch.randn(1, 3, WORDS, reranker.SHOWN)
    said = (torch.arange(WORDS) < torch.tensor([[3], [7], [WORDS]])).float()[None]
    with torch.no_grad():
        alone = model(request, torch.ones(1, 5), operations, words, said)
        longer = torch.cat([request, torch.randn(1, 4, 384)], dim=1)
        padded = model(longer, torch.tensor([[1.0] * 5 + [0.0] * 4]), operations, torch.where(said[..., None] > 0, words, 9.0), said)
    assert torch.allclose(alone, padded, atol=1e-5)


def test_candidates_to_learn_from_hold_what_is_asked_for_even_when_it_was_not_found() -> None:
    asked = Case(np.zeros((2, 384), dtype=np.float16), (40, 3), tuple(range(30)), (0,))
    for seed in range(20):
        made = reranker.drawn(asked, 8, random.Random(seed))
        assert len(set(made)) == len(made) == 8 and {40, 3} <= set(made)


def test_the_loss_prefers_what_is_asked_for() -> None:
    asked = torch.tensor([[1.0, 0.0, 0.0]])
    right, wrong = torch.tensor([[2.0, -2.0, -2.0]]), torch.tensor([[-2.0, 2.0, -2.0]])
    assert reranker.loss(right, asked) < reranker.loss(wrong, asked) / 4


def test_words_are_read_without_nicknames_and_signs() -> None:
    text = "Microsoft Teams (Teams, MS Teams): action: Post a message"
    tokens, offsets, at = [], [], 0
    for token in ("microsoft", "teams", "(", "teams", ",", "ms", "teams", ")", ":", "action", ":", "post", "a", "message"):
        at = text.lower().index(token, at)
        tokens.append(token)
        offsets.append((at, at + len(token)))
        at += len(token)
    assert [tokens[i] for i in read_tokens(text, tokens, offsets)] == ["microsoft", "teams", "action", "post", "a", "message"]
    assert len(read_tokens("a" * 40, ["a"] * 40, [(i, i + 1) for i in range(40)])) == WORDS


@pytest.mark.filterwarnings("ignore")
def test_the_graph_that_ships_scores_as_the_network_does(tmp_path: Path) -> None:
    ov = pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    from nl2dsl.training import export

    torch.manual_seed(0)
    model = Reranker(width=64, layers=2).eval()
    export._reranker(model, tmp_path / "reranker.xml")
    graph = ov.Core().compile_model(str(tmp_path / "reranker.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for n, k in ((3, 4), (9, 7), (1, 1)):
        request, operations, words = torch.randn(1, n, 384), torch.randn(1, k, 384) / 20, torch.randn(1, k, WORDS, reranker.SHOWN)
        said = (torch.rand(1, k, WORDS) > 0.3).float()
        with torch.no_grad():
            expected = model(request, torch.ones(1, n), operations, words, said).numpy()
        given = {"request": request, "operations": operations, "words": words, "said": said}
        made = next(iter(graph({name: value.numpy() for name, value in given.items()}).values()))
        assert made.shape == (1, k) and np.abs(made - expected).max() < 0.05  # weights are rounded to int8


@pytest.mark.skipif(not (SHIPPED / "reranker.xml").exists(), reason="no model with a reranker ships here")
def test_what_is_asked_for_puts_off_the_end_until_it_was_said() -> None:
    """In a catalog of new operations; the reranker's scores are given, so that the test does not rest on what it learned."""
    engine = Embedded()
    vocabulary = engine.vocabulary(engine.tables(houses.read(HOUSE).catalog))
    _, ids = engine.read("when somebody orders, heat the oven and text them")
    place = vocabulary.tables.index
    asked = np.full(len(place), NOT_LOOKED_AT, dtype=np.float32)
    asked[[place[name] for name in ("orders.placed", "oven.heat", "customer.text")]] = 9.0
    say = Say(weight=0.5, floor=-4.0, end=2.0, most=3.0, again=4.0)

    def told(*operations: str) -> tuple[EmbeddedScores, EmbeddedScores]:
        """Scores after these operations, with the reranker and without."""
        decided = [d for name in operations for d in (Decision(Kind.OPERATION, place[name]), fixed("close"))]
        found = []
        for reranked in (Reranked(0 * asked, asked, say), None):
            scorer = engine.start(ids, vocabulary)
            scorer.reranked = reranked
            found.append(scorer.push(decided))
        return found[0], found[1]

    end = SYMBOL["end"]
    for said, moved in (
        ((), 0),
        (("orders.placed",), -6),
        (("orders.placed", "oven.heat"), -6),
        (("orders.placed", "oven.heat", "customer.text"), 6),
    ):
        ours, bare = told(*said)
        changed = np.flatnonzero(ours.fixed != bare.fixed)
        assert (changed.tolist(), ours.fixed[end] - bare.fixed[end]) == ([end] if moved else [], pytest.approx(moved, abs=1e-4))
        lost = ours.operations() - bare.operations()
        assert {vocabulary.tables.list[i].id for i in np.flatnonzero(lost < -1)} == set(said)
        assert np.allclose(lost[[place[name] for name in said]], -4, atol=1e-4)
