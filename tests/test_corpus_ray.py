"""Rows made with Ray Data are the rows that are made without it. `make test-ray` installs Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: make test-ray")

from nl2dsl.corpus.build import CorpusRecipe, build

RECIPES = Path(__file__).parent.parent / "recipes" / "corpus"

pytestmark = pytest.mark.filterwarnings("default")  # those of Ray are not ours


def test_a_local_ray_makes_the_same_bytes(tmp_path: Path) -> None:
    import ray

    def recipe(out: str, engine: str) -> CorpusRecipe:
        return CorpusRecipe(out=str(tmp_path / out), requests=str(RECIPES), sampled=40, test=5, held_out=("shared_todo",), engine=engine, workers=1)  # type: ignore[arg-type]

    try:
        cards = [build(recipe("here", "local")), build(recipe("ray", "ray"))]
    finally:
        ray.shutdown()
    assert cards[0]["digests"] == cards[1]["digests"]
    assert cards[0]["counts"] == cards[1]["counts"]
