"""How far reviewers agree: Cohen's kappa of each pair with its 95 % interval, and the rows they see differently.

In: decisions. Out: `Agreement`s. Categories are accept, edit and reject; every row that both decided counts once, final decisions (made in view of others') do not.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from nl2dsl.corpus.review.decisions import Decision, current
from nl2dsl.evaluation.statistics import wilson

_Z = 1.959963984540054  # two-sided 5 %


@dataclass(frozen=True, slots=True)
class Kappa:
    """Chance-corrected agreement of two over `n` rows; `value` is None where it is not defined: nothing was decided by both, or both said the same one thing of all rows."""

    value: float | None
    low: float
    high: float
    observed: float
    expected: float
    n: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two reviewers and what they agree on."""

    first: str
    second: str
    kappa: Kappa
    table: dict[str, int]  # "accept/reject": how many rows the first accepted and the second rejected

    def row(self) -> dict[str, Any]:
        return {"reviewers": [self.first, self.second], **asdict(self.kappa), "table": self.table}


def cohen(pairs: Sequence[tuple[str, str]]) -> Kappa:
    """Kappa of pairs of categories.

    The interval is that of Fleiss, Cohen and Everitt (1969). Where all pairs agree its width is zero, which no sample can know; then the Wilson interval of the observed
    agreement is taken, with chance agreement as it is.
    """
    n = len(pairs)
    if n == 0:
        return Kappa(None, -1.0, 1.0, 0.0, 0.0, 0)
    cells = Counter(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(count for (a, b), count in cells.items() if a == b) / n
    expected = sum(first[c] * second[c] for c in first) / n**2
    if expected == 1:
        return Kappa(None, -1.0, 1.0, observed, expected, n)
    value = (observed - expected) / (1 - expected)
    if observed == 1:
        return Kappa(1.0, max(-1.0, (wilson(n, n).low - expected) / (1 - expected)), 1.0, 1.0, expected, n)
    spread = _Z * math.sqrt(max(0.0, _variance(cells, first, second, observed, expected, n)))
    return Kappa(value, max(-1.0, value - spread), min(1.0, value + spread), observed, expected, n)


def _variance(cells: Counter[tuple[str, str]], first: Counter[str], second: Counter[str], observed: float, expected: float, n: int) -> float:
    """Large-sample variance of kappa (Fleiss, Cohen and Everitt 1969, formula 13)."""
    agreeing = sum(count / n * (1 - expected - (first[a] + second[a]) / n * (1 - observed)) ** 2 for (a, b), count in cells.items() if a == b)
    differing = sum(count / n * ((second[a] + first[b]) / n) ** 2 for (a, b), count in cells.items() if a != b)
    last = (observed * expected - 2 * expected + observed) ** 2
    return (agreeing + (1 - observed) ** 2 * differing - last) / (n * (1 - expected) ** 4)


def agreements(lines: Iterable[Decision], among: set[str] | None = None) -> list[Agreement]:
    """Of every pair of reviewers with a row in common, by name. `among` are the digests of rows that count; all when None."""
    said: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for (row, reviewer, final), decision in current(lines).items():
        if not final and (among is None or row in among):
            said[reviewer][row] = decision.verdict
    found = []
    for first, second in combinations(sorted(said), 2):
        both = sorted(said[first].keys() & said[second].keys())
        if both:
            pairs = [(said[first][row], said[second][row]) for row in both]
            table = dict(sorted(Counter(f"{a}/{b}" for a, b in pairs).items()))
            found.append(Agreement(first, second, cohen(pairs), table))
    return found
