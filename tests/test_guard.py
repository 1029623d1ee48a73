"""The guard: refuses by the worst of a request, learns from a few lines, and what is not a line of its data is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nl2dsl.corpus import refusals
from nl2dsl.engines.guard import NAMES, Floats, Guard
from nl2dsl.errors import CorpusError

FEW = Path(__file__).parent / "refusals"


def guard(threshold: float = 0.0) -> Guard:
    """Sees violence where the first number of a vector is high, and nothing else."""
    inner, outer = np.zeros((1, 4), dtype=np.float32), np.zeros((12, 1), dtype=np.float32)
    inner[0, 0] = 1.0
    outer[[NAMES.index("violence"), 6 + NAMES.index("violence")]] = 1.0
    return Guard(inner, np.zeros(1, dtype=np.float32), outer, np.full(6, -1.5 - threshold, dtype=np.float32))


def test_one_bad_span_in_a_good_sentence_is_enough() -> None:
    good = np.array([[0.1, 0, 0, 1], [0.1, 0, 1, 0]], dtype=np.float32)
    bad = np.array([[0.1, 0, 0, 1], [0.9, 0, 1, 0]], dtype=np.float32)
    assert guard().refusal(good) is None
    found = guard().refusal(bad)
    assert found is not None and found.category == "violence"
    assert guard(threshold=1.0).refusal(bad) is None


def test_a_guard_comes_back_from_its_file(tmp_path: Path) -> None:
    assert Guard.load(tmp_path) is None
    guard().save(tmp_path)
    back = Guard.load(tmp_path)
    read = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    assert back is not None and np.allclose(back.scores(read), guard().scores(read), atol=1e-2)


def test_it_learns_which_requests_are_harmful_and_lets_ordinary_ones_pass() -> None:
    pytest.importorskip("torch")
    from nl2dsl.training import guarding

    rng = np.random.default_rng(0)

    def reading(bad: bool) -> Floats:
        made = rng.standard_normal((rng.integers(1, 5), 16)).astype(np.float32)
        made[-1, 0] += 6.0 * bad
        return made / np.linalg.norm(made, axis=1, keepdims=True)  # type: ignore[no-any-return]

    told: list[guarding.Labelled] = [(reading(i % 2 == 0), "misuse" if i % 2 == 0 else None) for i in range(120)]
    made = guarding.train(told[:80], [reading(False) for _ in range(100)], [reading(False) for _ in range(100)])
    figures = guarding.figures(made, told[80:])
    assert figures["harmful"] == figures["look_alikes"] == 20
    assert figures["refused"] > 0.7 and figures["right_reason"] == figures["refused"] and figures["over_refused"] < 0.2


def test_the_parts_of_the_data_are_by_text_and_each_has_some() -> None:
    told = refusals.load()
    parts = [one.part for one in told]
    assert len(set(told)) == len(told)
    assert all(0.15 < parts.count(part) / len(told) < 0.25 for part in ("validation", "test"))
    assert {one.category for one in told if one.part == "test"} == {*NAMES, None}


def test_a_line_without_a_category_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("# note\n\nfine | mail me\nrude | go away\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"x\.txt:4"):
        refusals.load(tmp_path)
    with pytest.raises(CorpusError, match="no refusals"):
        refusals.load(tmp_path / "nothing")


def test_the_few_of_the_tests_are_like_the_many() -> None:
    assert {one.category for one in refusals.load(FEW)} == {*NAMES, None}
