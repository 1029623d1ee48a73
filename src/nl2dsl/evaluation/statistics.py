"""Figures that a reviewer would accept: shares, means, pooled ratios and percentiles with 95 % intervals, paired comparisons, pass^k, and the power of a set of rows.

In: numbers, one for each row. Out: `Figure`s and `Comparison`s. Rows are what is drawn again in a bootstrap (2,000 rounds, percentiles, a seed of its own), so the same
numbers give the same figures. Shares have Wilson intervals, differences of shares on the same rows Newcombe's (1998, method 10) and McNemar's exact test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = Sequence[tuple[int, int, int]]  # hits, made, wanted of each row

ROUNDS = 2000  # resamples of a bootstrap
_CHUNK = 4_000_000  # rows drawn at once: bounds memory
_Z = 1.959963984540054  # two-sided 5 %
_Z_POWER = 0.8416212335729143  # 80 %


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over n rows (or things) and its 95 % interval; with n 0 nothing was measured."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n {self.n:,}" if self.n else "not measured"


NOTHING = Figure(0.0, 0.0, 1.0, 0)


# --- one system ----------------------------------------------------------------------------------------------------------------


def wilson(hits: int, n: int) -> Figure:
    """A share and its Wilson interval; with nothing counted, nothing is known: 0 to 1."""
    if n == 0:
        return NOTHING
    p, z2 = hits / n, _Z * _Z
    centre, spread = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (centre - spread) / (1 + z2 / n), (centre + spread) / (1 + z2 / n)
    return Figure(p, 0.0 if hits == 0 else max(0.0, low), 1.0 if hits == n else min(1.0, high), n)


def mean(values: Sequence[float], rounds: int = ROUNDS, seed: int = 0) -> Figure:
    """A mean and its bootstrap interval."""
    if not len(values):
        return NOTHING
    rows = np.asarray(values, dtype=np.float64)
    low, high = _bounds(_resampled(rows[:, None], lambda drawn: drawn.mean(axis=1)[:, 0], rounds, seed))
    return Figure(float(rows.mean()), low, high, len(rows))


def f1(counts: Counts, rounds: int = ROUNDS, seed: int = 0) -> Figure:
    """F1 over all rows together (2 hits / (made + wanted)), with a bootstrap over rows."""
    if not counts:
        return NOTHING
    rows = np.asarray(counts, dtype=np.float64)
    low, high = _bounds(_resampled(rows, lambda drawn: _f1(drawn.sum(axis=1)), rounds, seed))
    return Figure(float(_f1(rows.sum(axis=0)[None])[0]), low, high, len(rows))


def quantile(values: Sequence[float], percent: float, rounds: int = ROUNDS, seed: int = 0) -> Figure:
    """A percentile and its bootstrap interval."""
    if not len(values):
        return NOTHING
    rows = np.asarray(values, dtype=np.float64)
    low, high = _bounds(_resampled(rows[:, None], lambda drawn: np.percentile(drawn[:, :, 0], percent, axis=1), rounds, seed))
    return Figure(float(np.percentile(rows, percent)), low, high, len(rows))


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the two nearest values, as numpy and spreadsheets do; not a number for no values."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent)) if len(values) else math.nan


def pass_k(tries: Sequence[tuple[int, int]], k: int, rounds: int = ROUNDS, seed: int = 0) -> Figure:
    """pass^k: the chance that k independent tries at one row are all right, averaged over rows.

    `tries` are (right, made) of each row; c of r right estimate it without bias as C(c, k) / C(r, k). Rows tried fewer than k times do not count.
    """
    return mean([math.comb(right, k) / math.comb(made, k) for right, made in tries if made >= k], rounds, seed)


def _f1(sums: Floats) -> Floats:
    """Of rows of (hits, made, wanted); 1 where nothing was wanted and nothing made."""
    total = sums[:, 1] + sums[:, 2]
    return np.where(total > 0, 2 * sums[:, 0] / np.where(total > 0, total, 1.0), 1.0)


def _resampled(rows: Floats, figure: Callable[[Floats], Floats], rounds: int, seed: int) -> Floats:
    """`figure` of `rounds` resamples of the rows (n, columns), drawn with replacement; it is given (rounds of a chunk, n, columns)."""
    rng, n = np.random.default_rng(seed), len(rows)
    at_once = max(1, min(rounds, _CHUNK // (n * rows.shape[1])))
    found = [figure(rows[rng.integers(0, n, size=(min(at_once, rounds - done), n))]) for done in range(0, rounds, at_once)]
    return np.concatenate(found)


def _bounds(found: Floats) -> tuple[float, float]:
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


# --- two systems on the same rows ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much the second is above the first, its 95 % interval, and the chance of such a difference if there were none (two-sided).

    `detectable` is the smallest difference that as many rows, differing as much, show in 80 of 100 experiments (two-sided test at 5 %).
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    detectable: float = math.nan

    def __str__(self) -> str:
        return f"{self.difference:+.3f} [{self.low:+.3f}, {self.high:+.3f}] p {self.p:.3f} n {self.n:,}"


NO_PAIRS = Comparison(0.0, 0.0, 0.0, 1.0, 0)


def paired(first: Sequence[float], second: Sequence[float], rounds: int = ROUNDS, seed: int = 0) -> Comparison:
    """Paired bootstrap of the mean difference: rows are drawn as pairs, so that easy and hard rows do not blur it."""
    differences = np.array([b - a for a, b in zip(first, second, strict=True)], dtype=np.float64)
    if not len(differences):
        return NO_PAIRS
    found = _resampled(differences[:, None], lambda drawn: drawn.mean(axis=1)[:, 0], rounds, seed)
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else math.nan
    return Comparison(float(differences.mean()), *_bounds(found), _chance(found), len(differences), detectable_mean(spread, len(differences)))


def paired_f1(first: Counts, second: Counts, rounds: int = ROUNDS, seed: int = 0) -> Comparison:
    """Paired bootstrap of the difference of two F1 over all rows together."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} rows against {len(second)}: pairs are needed")
    if not first:
        return NO_PAIRS
    rows = np.concatenate([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)], axis=1)

    def difference(sums: Floats) -> Floats:
        return _f1(sums[:, 3:]) - _f1(sums[:, :3])

    found = _resampled(rows, lambda drawn: difference(drawn.sum(axis=1)), rounds, seed)
    return Comparison(float(difference(rows.sum(axis=0)[None])[0]), *_bounds(found), _chance(found), len(first), (_Z + _Z_POWER) * float(found.std()))


def _chance(found: Floats) -> float:
    """Two-sided p of a bootstrap: how often resampling crosses zero."""
    return min(1.0, 2 * (min(int((found <= 0).sum()), int((found >= 0).sum())) + 1) / (len(found) + 1))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Comparison:
    """Exact McNemar test of two systems that are right or wrong on the same rows: only rows where they differ count. The interval is Newcombe's."""
    pairs = list(zip(first, second, strict=True))
    won, lost, n = sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs), len(pairs)
    if n == 0:
        return NO_PAIRS
    both = sum(a and b for a, b in pairs)
    changed = won + lost
    tail = sum(math.comb(changed, k) for k in range(min(won, lost) + 1))
    low, high = newcombe(both, won, lost, n)
    return Comparison((won - lost) / n, low, high, min(1.0, 2 * tail / 2**changed), n, detectable_share(changed / n, n))


def newcombe(both: int, won: int, lost: int, n: int) -> tuple[float, float]:
    """Interval of the difference of two shares on the same n rows (Newcombe 1998, method 10): from two Wilson intervals and the correlation of the pairs."""
    before, after = wilson(both + lost, n), wilson(both + won, n)
    neither = n - both - won - lost
    margins = (both + lost) * (won + neither) * (both + won) * (lost + neither)
    product = both * neither - won * lost
    phi = (max(product - n / 2, 0.0) if product > 0 else product) / math.sqrt(margins) if margins else 0.0
    difference = after.value - before.value

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a + b * b - 2 * phi * a * b))

    low = difference - reach(after.value - after.low, before.high - before.value)
    return max(-1.0, low), min(1.0, difference + reach(after.high - after.value, before.value - before.low))


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's correction: p values of several tests, so that all of them together are wrong in 5 %."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    made, highest = [1.0] * len(chances), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[i]))
        made[i] = highest
    return made


# --- the power of a set of rows ------------------------------------------------------------------------------------------------


def detectable_mean(spread: float, n: int) -> float:
    """The smallest difference of means that n pairs show with a chance of 80 % at 5 %; `spread` is the standard deviation of the differences."""
    return (_Z + _Z_POWER) * spread / math.sqrt(n) if n else math.nan


def detectable_share(changed: float, n: int) -> float:
    """The smallest difference of shares that McNemar's test of n pairs shows with a chance of 80 % at 5 % (Connor 1987).

    `changed` is the share of rows where the two differ. A difference cannot exceed it: when even that would not be seen, there is none (not a number).
    """
    if not n or changed <= 0:
        return math.nan

    def needed(difference: float) -> float:
        return ((_Z * math.sqrt(changed) + _Z_POWER * math.sqrt(max(0.0, changed - difference**2))) / difference) ** 2

    if needed(changed) > n:
        return math.nan
    low, high = 0.0, changed
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if needed(middle) <= n else (middle, high)
    return high
