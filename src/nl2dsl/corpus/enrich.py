"""Signal boosting: a share of the training rows gets the functions its flow calls, the nearest other examples, the steps in words and the static instruction.

In: training rows, a catalog, a `Consultation` for the steps. Out: `Enriched` rows. Examples come from the training side only, never from the row's own flow, so that no answer is given away.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.search import terms
from nl2dsl.corpus import tasks
from nl2dsl.corpus.tasks import Item, Rejected
from nl2dsl.corpus.teacher import Consultation
from nl2dsl.dsl.text import parse
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example

Floats = NDArray[np.float32]
_BLOCK = 512  # queries that are compared at a time


@dataclass(frozen=True)
class EnrichRecipe:
    """`[enrich]`: which rows get more, and what."""

    share: float = 0.34
    """Share of the training rows (the paper: 23 of 68 thousand)."""
    shots: Literal[0, 3, 5] = 3
    """Nearest examples in the prompt."""
    nearest: Literal["words", "embedded"] = "words"
    """Near by weighted words, or by the embeddings of the model that ships."""
    steps: bool = True
    """Explanations in steps, by the teacher."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("`share` is above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Enriched:
    """A training row with its signals. `shots` are {id, query, dsl}; `steps` is "" where the teacher's explanation was not kept."""

    id: str
    query: str
    dsl: str
    operations: tuple[str, ...]
    signatures: tuple[str, ...]
    shots: tuple[dict[str, str], ...]
    steps: str
    instruction: str
    source: str
    split: str


class Nearness(Protocol):
    def __call__(self, rows: Sequence[int]) -> Floats:
        """Similarities (len(rows), all rows) of the rows at these places to all."""
        ...


def by_words(queries: Sequence[str]) -> Nearness:
    """Cosine of TF-IDF over content words."""
    counted = [Counter(terms(q)) for q in queries]
    frequency = Counter(t for c in counted for t in c)
    weights = [{t: (1 + math.log(n)) * math.log(1 + len(queries) / frequency[t]) for t, n in c.items()} for c in counted]
    norms = [math.sqrt(sum(w * w for w in each.values())) or 1.0 for each in weights]
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(weights):
        for term in each:
            places[term].append(place)
    postings = {t: (np.array(p), np.array([weights[i][t] / norms[i] for i in p], dtype=np.float32)) for t, p in places.items()}

    def near(rows: Sequence[int]) -> Floats:
        scores = np.zeros((len(rows), len(queries)), dtype=np.float32)
        for line, row in enumerate(rows):
            for term, weight in weights[row].items():
                at, values = postings[term]
                scores[line, at] += np.float32(weight / norms[row]) * values
        return scores

    return near


def by_embedding(queries: Sequence[str]) -> Nearness:
    """Cosine of the shipped retriever's embeddings. Raises `ModelError` where there is no model."""
    from nl2dsl.engines.embedded import Embedded

    engine = Embedded()
    vectors = np.concatenate([engine.embed(queries[i : i + 64]) for i in range(0, len(queries), 64)])
    return lambda rows: np.asarray(vectors[list(rows)] @ vectors.T, dtype=np.float32)


def neighbours(rows: Sequence[Example], chosen: Sequence[int], n: int, near: Nearness) -> list[list[int]]:
    """Places of the `n` rows nearest to each chosen one, nearest first, each with a flow of its own: not that of the row, and none twice."""
    found: list[list[int]] = []
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        scores = near(block)
        for line, place in enumerate(block):
            found.append(_nearest(rows, place, scores[line], n))
    return found


def _nearest(rows: Sequence[Example], place: int, scores: Floats, n: int) -> list[int]:
    width = min(len(rows), 16 * (n + 1))
    while True:
        best = np.argpartition(-scores, width - 1)[:width]
        picked: dict[str, int] = {rows[place].dsl: -1}
        for other in best[np.lexsort((best, -scores[best]))]:
            if other != place:
                picked.setdefault(rows[int(other)].dsl, int(other))
        picked.pop(rows[place].dsl)
        if len(picked) >= n or width == len(rows):
            return list(picked.values())[:n]
        width = min(len(rows), width * 4)  # many rows share few flows


def enrich(
    rows: Sequence[Example], chosen: Sequence[int], recipe: EnrichRecipe, catalog: Catalog, consultation: Consultation, language: str = "en"
) -> tuple[list[Enriched], list[Rejected]]:
    """The chosen rows with their signals. Raises `CorpusError` for a row that is no training row."""
    wrong = next((r for r in rows if r.split != "train"), None)
    if wrong is not None:
        raise CorpusError(f"row {wrong.id} is of the split `{wrong.split}`", hint="examples come from training rows only")
    near = (by_words if recipe.nearest == "words" else by_embedding)([r.query for r in rows]) if recipe.shots else None
    shots = neighbours(rows, chosen, recipe.shots, near) if near else [[] for _ in chosen]
    steps, rejected = explained([rows[i] for i in chosen], catalog, consultation, language) if recipe.steps else ({}, [])
    instruction = tasks.instruction()
    made = []
    for place, near_by in zip(chosen, shots, strict=True):
        row = rows[place]
        given = tuple({"id": rows[i].id, "query": rows[i].query, "dsl": rows[i].dsl} for i in near_by)
        signatures = tuple(dict.fromkeys(row.operations))
        made.append(
            Enriched(row.id, row.query, row.dsl, row.operations, signatures, given, steps.get(row.id, ""), instruction, row.source, row.split)
        )
    return made, rejected


def explained(rows: Sequence[Example], catalog: Catalog, consultation: Consultation, language: str = "en") -> tuple[dict[str, str], list[Rejected]]:
    """The steps of rows, by their ids."""
    asked = []
    for row in rows:
        flow, _ = parse(row.dsl)
        if flow is not None:
            asked.append((row.id, row.query, Item(row.id, flow, row.dsl)))
    return tasks.explain(asked, consultation, catalog, language)


__all__ = ["EnrichRecipe", "Enriched", "by_embedding", "by_words", "enrich", "explained", "neighbours"]
