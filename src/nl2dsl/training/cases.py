"""What the reranker learns from: requests and catalogs as a retriever that stands still reads them.

In: the retriever, texts of operations, requests with the operations they ask for. Out: a `Shelf` for a catalog, a `Case` for a request. All token states are kept in memory, in half precision: some two
gigabytes for 50,000 requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nl2dsl.decoding.tables import read_words
from nl2dsl.retrieval import spans
from nl2dsl.training import minilm, retriever

Halves = NDArray[np.float16]
BEST = 64  # operations that retrieval finds, of which candidates are drawn


@dataclass(frozen=True)
class Shelf:
    """A catalog: embeddings of its operations (n, 384), states of the words that are read of each (n, WORDS, 384), and how many of them there are (n)."""

    operations: Halves
    states: Halves
    sizes: NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A request: its token states (t, 384), the operations it asks for, the best that retrieval finds in order, and in which of the shelves these stand; for a step one shelf is drawn of them."""

    states: Halves
    wanted: tuple[int, ...]
    best: tuple[int, ...]
    shelves: tuple[int, ...]


class Reader:
    """The retriever, which reads each text once: a house's requests and operations are the same alone and in crowds."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.requests = retriever.once(lambda some: [each.numpy() for each in retriever.states(model, tokenizer, some)])
        self.operations = retriever.once(lambda told: _operations(model, tokenizer, told))


def _operations(model: Any, tokenizer: Any, told: Sequence[str]) -> list[tuple[Halves, Halves, int]]:
    """Of each text the embedding (384), the states of the words that are read (WORDS, 384), and how many of them there are."""
    found = retriever.states(model, tokenizer, told)
    words = read_words(told, tokenizer.encode_batch(list(told)), [each.numpy() for each in found])
    pooled = torch.nn.functional.normalize(torch.stack([each.float().mean(dim=0) for each in found]), dim=1).half().numpy()
    return [(mark, states.astype(np.float16), int(size)) for mark, states, size in zip(pooled, words.states, words.sizes, strict=True)]


def shelf(reader: Reader, told: Sequence[str]) -> Shelf:
    """The catalog whose operations have these texts."""
    marks, states, sizes = zip(*reader.operations(told), strict=True)
    return Shelf(np.stack(marks), np.stack(states), np.array(sizes, dtype=np.int64))


def cases(reader: Reader, queries: Sequence[str], wanted: Sequence[tuple[int, ...]], shelves: Sequence[Shelf], places: tuple[int, ...]) -> list[Case]:
    """The requests, each with the best of the first of the shelves at `places`, which hold the same operations in other words."""
    keys, made = torch.from_numpy(shelves[places[0]].operations).float(), list[Case]()
    for states, some in zip(reader.requests(queries), wanted, strict=True):
        scores = minilm.fused(torch.from_numpy(spans.reading(states.astype(np.float32)))[None], keys)[0]
        best = tuple(scores.topk(min(BEST, len(scores))).indices.tolist())
        made.append(Case(states, some, best, places))
    return made
