"""Finds operations by words, without a model: BM25 over ids, titles, summaries and the nicknames of connectors; a misspelt word falls back to
words that look like it.

In: a catalog and words. Out: operations, best first.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from weakref import WeakKeyDictionary

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.catalog.naming import words as words_of

_STOP = set("a an the of in on to for by with and or from is are it its when i my me this that new".split())
_WEIGHTS = (("title", 3.0), ("name", 2.0), ("connector", 2.0), ("summary", 1.0), ("nicknames", 1.0))
_K, _B = 1.2, 0.6


def search(catalog: Catalog, words: str, n: int = 20, kind: str = "") -> list[Operation]:
    """The `n` operations that fit the words best; hidden operations never, deprecated ones after their successors."""
    return [catalog.operations[id] for id, _ in scored(catalog, words, n, kind)]


def scored(catalog: Catalog, words: str, n: int = 20, kind: str = "") -> list[tuple[str, float]]:
    index = _INDEXES.get(catalog)
    if index is None:
        index = _INDEXES[catalog] = Index(catalog)
    return index.find(words, n, kind)


def _stem(word: str) -> str:
    """Folds plurals and common endings, so that `emails`, `created` and `create` meet."""
    for end, new in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(end) and len(word) - len(end) >= 3 and not word.endswith("ss"):
            word = word[: len(word) - len(end)] + new
            break
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def terms(text: str) -> list[str]:
    return [_stem(w) for w in re.findall(r"[a-z0-9]+", text.lower()) if w not in _STOP]


class Index:
    """Weighted word counts of every visible operation."""

    def __init__(self, catalog: Catalog) -> None:
        self.postings: dict[str, dict[str, float]] = defaultdict(dict)
        self.lengths: dict[str, float] = {}
        self.kinds: dict[str, str] = {}
        self.factor: dict[str, float] = {}
        connector_terms = {
            c.name: (terms(f"{c.title} {' '.join(words_of(c.name.removeprefix('shared_')))}"), terms(" ".join(c.nicknames)))
            for c in catalog.connectors.values()
        }
        for o in catalog:
            if o.internal:
                continue
            self._add(o, *connector_terms[o.connector])
        self.mean = sum(self.lengths.values()) / max(1, len(self.lengths))

    def _add(self, o: Operation, connector: list[str], nicknames: list[str]) -> None:
        fields = {
            "title": terms(o.title),
            "name": terms(" ".join(words_of(o.name))),
            "connector": connector,
            "summary": terms(o.summary),
            "nicknames": list(set(nicknames)),
        }
        counts: Counter[str] = Counter()
        for field, weight in _WEIGHTS:
            for term in fields[field]:
                counts[term] += weight  # type: ignore[assignment]
        for term, count in counts.items():
            self.postings[term][o.id] = count
        self.lengths[o.id] = sum(len(fields[f]) * w for f, w in _WEIGHTS if f != "nicknames")
        self.kinds[o.id] = o.kind
        self.factor[o.id] = (0.6 if o.deprecated else 1.0) * (1.0 if o.verified else 0.97)

    def find(self, words: str, n: int, kind: str) -> list[tuple[str, float]]:
        scores: dict[str, float] = defaultdict(float)
        for term, weight in self._known(terms(words)):
            found = self.postings[term]
            idf = math.log(1 + (len(self.lengths) - len(found) + 0.5) / (len(found) + 0.5))
            for id, count in found.items():
                norm = _K * (1 - _B + _B * self.lengths[id] / self.mean)
                scores[id] += weight * idf * count * (_K + 1) / (count + norm)
        wanted = ((id, s * self.factor[id]) for id, s in scores.items() if not kind or self.kinds[id] in (kind, "any"))
        return sorted(wanted, key=lambda p: (-p[1], p[0]))[:n]

    def _known(self, asked: Iterable[str]) -> Iterable[tuple[str, float]]:
        """Each asked term that occurs; for one that does not, up to three that look like it, at less weight."""
        for term in asked:
            if term in self.postings:
                yield term, 1.0
            elif len(term) >= 3:
                begins = [t for t in self.postings if t.startswith(term)][:3] if len(term) >= 4 else []
                for near in begins or get_close_matches(term, self.postings, n=3, cutoff=0.75):
                    yield near, 0.6


_INDEXES: WeakKeyDictionary[Catalog, Index] = WeakKeyDictionary()
