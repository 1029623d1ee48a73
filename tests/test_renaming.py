"""Operations in other houses' words: what stays findable, what is not told, and what a training does with them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny  # noqa: E402
from nl2dsl.catalog.read import builtin  # noqa: E402
from nl2dsl.retrieval.texts import operation_text, words  # noqa: E402
from nl2dsl.training import generator, renaming  # noqa: E402
from nl2dsl.training.checkpoint import Checkpoint  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def plain(text: str) -> str:
    return words(text).replace(" ", "")


def test_the_platform_itself_keeps_its_words() -> None:
    catalog = builtin()
    loop = next(o for o in catalog if not o.connector or o.connector == "builtin")
    other = renaming.renamed(loop, catalog.connectors[loop.connector], Random(0))
    assert loop.connector or other == operation_text(loop, catalog.connectors[loop.connector])


def test_each_manner_is_another_and_the_same_seed_gives_the_same() -> None:
    first, second = renaming.manners(builtin(), 2, 3)
    assert first == renaming.manners(builtin(), 1, 3)[0]
    assert sum(a == b for a, b in zip(first, second, strict=True)) < len(first) / 3


def test_lists_of_nicknames_are_not_told_and_the_product_can_be_found() -> None:
    catalog = builtin()
    for seed in range(3):
        for operation in catalog:
            connector = catalog.connectors[operation.connector]
            if not operation.connector or len(connector.nicknames) < 3:
                continue
            told = renaming.renamed(operation, connector, Random(f"{seed}:{operation.id}"))
            assert f"({', '.join(connector.nicknames[:3])}" not in told
            known = [connector.title.split(" (")[0], operation.connector.removeprefix("shared_"), *connector.nicknames]
            assert any(plain(name) in plain(told) for name in known), told


def test_renamed_banks_know_nothing_of_single_operations() -> None:
    t = tiny.trained(4)
    other = t.banks.renamed(t.banks.operations.flip(0))

    def loss(banks: Any) -> float:
        with torch.no_grad():
            return float(generator.loss(t.model, t.rows, t.retrieved(t.rows), banks, t.sets, train=False)[0])

    own, others = loss(t.banks), loss(other)
    with torch.no_grad():
        t.model.writer.residual.add_(torch.randn_like(t.model.writer.residual))
    assert loss(other) == others
    assert loss(t.banks) != own


def test_a_training_in_other_words_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def tick(now: int, share: float, loss: float) -> None:
        if now == 6:
            raise Killed

    def fit(t: tiny.Trained, out: Path, **more: Any) -> None:
        others = [t.banks.renamed(t.banks.operations.roll(i, 0)) for i in (1, 2)]
        generator.train(
            t.rows,
            t.model,
            t.retrieved,
            t.banks,
            t.sets,
            out,
            others=others,
            renamed=0.5,
            steps=9,
            batch_size=4,
            every=1000,
            log=lambda text: None,
            **more,
        )

    whole = tiny.trained(10)
    fit(whole, tmp_path / "whole")
    with pytest.raises(Killed):
        fit(tiny.trained(10), tmp_path / "cut", checkpoint=Checkpoint(tmp_path / "cut.pt", "x", 0.0), tick=tick)
    resumed = tiny.trained(10, seed=9)
    fit(resumed, tmp_path / "cut", checkpoint=Checkpoint(tmp_path / "cut.pt", "x", 0.0))
    assert all(torch.equal(a, b) for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True))
    plain = tiny.trained(10)
    generator.train(
        plain.rows,
        plain.model,
        plain.retrieved,
        plain.banks,
        plain.sets,
        tmp_path / "plain",
        steps=9,
        batch_size=4,
        every=1000,
        log=lambda text: None,
    )
    assert not torch.equal(plain.model.writer.heads.weight, whole.model.writer.heads.weight)
