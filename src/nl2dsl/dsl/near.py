"""The name somebody meant: the nearest of those there are, and whether there is any doubt.

In: a word and the words it could be. Out: the nearest and whether it is sure: spelt alike but for case, or so few slips away that no other comes close.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple


class Near(NamedTuple):
    word: str = ""
    sure: bool = False

    @property
    def hint(self) -> str:
        return f"did you mean `{self.word}`?" if self.word else ""


NONE = Near()


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> Near:
    """The nearest word; `Near()` when none is near."""
    given = list(words)
    alike = [w for w in given if w.lower() == word.lower()]
    if alike:
        return Near(alike[0], len(alike) == 1)
    close = get_close_matches(word, given, n=3, cutoff=cutoff)
    if not close:
        return NONE
    first, *others = (slips(word.lower(), w.lower()) for w in close)
    allowed = 2 if len(word) >= 9 else 1 if len(word) >= 5 else 0
    return Near(close[0], first <= allowed and all(other >= 2 * first for other in others))


def slips(one: str, other: str) -> int:
    """How many letters are missing, added, wrong or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if last and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
