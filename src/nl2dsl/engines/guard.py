"""The guard: says of a request whether it must not become a flow, and why (responsible AI, paper §5).

In: what the retriever made of a request (`retrieval.spans.reading`). Out: scores for the categories of `nl2dsl.refusal`, or the `Refusal` of the highest when it is above 0. Two small
layers over vectors that are there anyway; a sentence counts as a whole and by its worst span, so that a harmful clause in a long request is not drowned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nl2dsl.refusal import CATEGORIES, Refusal

Floats = NDArray[np.float32]
FILE = "guard.npz"
NAMES = tuple(CATEGORIES)


@dataclass(frozen=True)
class Guard:
    """`inner` (h, 384) with `inner_bias` (h), `outer` (2 * 6, h) with `outer_bias` (6): first what the sentence says of each category, then what a span says."""

    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats

    @classmethod
    def load(cls, folder: Path) -> Guard | None:
        """The guard of a model folder; None for a model without one."""
        if not (folder / FILE).exists():
            return None
        with np.load(folder / FILE) as stored:
            return cls(**{name: stored[name].astype(np.float32) for name in cls.__dataclass_fields__})

    def save(self, folder: Path) -> None:
        """Beside the other files of a model."""
        beside = folder / f"new.{FILE}"
        np.savez(beside, **{name: getattr(self, name).astype(np.float16) for name in self.__dataclass_fields__})
        beside.replace(folder / FILE)

    def scores(self, read: Floats) -> Floats:
        """Reading (1 + w, 384) -> one score for each category, (6)."""
        hidden = np.maximum(read @ self.inner.T * np.float32(read.shape[1] ** 0.5) + self.inner_bias, 0)
        sentence, spans = np.split(hidden @ self.outer.T, 2, axis=1)
        return (sentence[0] + spans.max(axis=0) + self.outer_bias).astype(np.float32)  # type: ignore[no-any-return]

    def refusal(self, read: Floats) -> Refusal | None:
        """Why the request is refused, or None."""
        scores = self.scores(read)
        worst = int(scores.argmax())
        return Refusal(NAMES[worst]) if scores[worst] > 0 else None
