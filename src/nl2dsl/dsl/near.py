"""The name somebody meant: the nearest of those there are, and whether there is any doubt.

In: a word and the words it could be. Out: the nearest and whether it is sure: spelt alike but for case, or so near that no other comes close.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import NamedTuple

_SURE = 0.85
_AHEAD = 0.08  # how much nearer than the next one


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
    close = get_close_matches(word, given, n=2, cutoff=cutoff)
    if not close:
        return NONE
    first = _alike(word, close[0])
    second = _alike(word, close[1]) if len(close) > 1 else 0.0
    return Near(close[0], len(word) > 3 and first >= _SURE and first - second >= _AHEAD)


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()
