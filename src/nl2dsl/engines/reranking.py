"""Reranking: the best operations that retrieval found are read word by word together with the request.

In: token states of a request, the tables of a catalog, the retriever's scores. Out: by how much each operation is preferred wherever one is chosen, and the log-odds that it is asked for, which put off the end of a flow. The network is `training.reranker`. It has a say in catalogs that
training never saw; in the catalog of the training the decoder knows better (docs/log.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nl2dsl.decoding.tables import Floats, Tables
from nl2dsl.retrieval.texts import WORDS

NAME = "reranker"  # of the graph; models of before have none
RANKED = 20  # operations that are looked at
NOT_LOOKED_AT = -9.0  # log-odds of all others


@dataclass(frozen=True)
class Say:
    """What the scores may move, in the decoder's scores (docs/log.md)."""

    weight: float
    """Of a score where an operation is chosen."""
    floor: float
    """The least score that counts there."""
    end: float
    """By how much the end of the flow is put off for each unit of log-odds, at most `most`, that an operation is asked for that was not said yet; and brought on when none is."""
    most: float
    again: float
    """What an operation loses that was said already."""


@dataclass(frozen=True)
class Reranked:
    """Of the operations of a catalog what each is preferred by (n), and the log-odds that a request asks for it (n), `NOT_LOOKED_AT` where it was not among the candidates."""

    added: Floats
    asked: Floats
    say: Say

    def most(self, among: NDArray[np.bool_]) -> float:
        """Log-odds of the operation that is asked for most of those marked (n), no further from 0 than `say.most`."""
        return float(np.clip(self.asked[among].max(initial=NOT_LOOKED_AT), -self.say.most, self.say.most))


@dataclass(frozen=True)
class Reranking:
    """`request` runs the graph; `shown` (d, 384) makes of a token's state what is kept of an operation's word; `say` is what its scores may move."""

    request: Any
    shown: Floats
    say: Say

    def read(self, request: Floats, tables: Tables, scores: Floats) -> Reranked:
        """From the token states of a request (t, 384) and the retriever's scores (n)."""
        k = min(RANKED, len(scores))
        best: NDArray[np.int64] = np.argpartition(-scores, k - 1)[:k]
        assert tables.words is not None
        said = np.arange(WORDS) < tables.words.sizes[best, None]
        given = {"request": request, "operations": tables.operations[best], "words": tables.words.states[best], "said": said.astype(np.float32)}
        found = next(iter(self.request.infer({name: np.ascontiguousarray(value[None]) for name, value in given.items()}).values()))[0]
        asked = np.full(len(scores), NOT_LOOKED_AT, dtype=np.float32)
        asked[best] = found
        return Reranked(np.float32(self.say.weight) * np.maximum(asked, np.float32(self.say.floor)), asked, self.say)


def preferred(scores: Floats, added: Floats, rows: NDArray[np.int64]) -> Floats:
    """Scores (n) of operations, among which those at `rows` are preferred by `added` (n): these share what they had together otherwise, so that neither the platform's own operations nor the end of the flow lose or win."""
    made = scores.copy()
    if len(rows):
        moved = scores[rows] + added[rows]
        made[rows] = moved - (_together(moved) - _together(scores[rows]))
    return made


def _together(scores: Floats) -> np.float32:
    """log of the sum of exp."""
    highest = scores.max()
    return np.float32(highest + np.log(np.exp(scores - highest).sum()))
