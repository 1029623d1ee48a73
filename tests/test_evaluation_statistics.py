"""Statistics: against scipy, closed forms, simulation and what can be counted by hand."""

from __future__ import annotations

import math
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nl2dsl.evaluation import statistics as s

stats = pytest.importorskip("scipy.stats", reason="pip install scipy")
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no mistake
shares = st.tuples(st.integers(0, 60), st.integers(0, 60)).filter(lambda x: sum(x) > 0)
outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


# --- one system ----------------------------------------------------------------------------------------------------------------


@steady
@given(shares)
def test_wilson_is_that_of_scipy(counts: tuple[int, int]) -> None:
    hits, n = counts[0], sum(counts)
    found, known = s.wilson(hits, n), stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_wilson_of_nothing_says_nothing() -> None:
    assert s.wilson(0, 0) == s.Figure(0.0, 0.0, 1.0, 0) and str(s.wilson(0, 0)) == "not measured"
    assert s.wilson(0, 50).low == 0 and s.wilson(50, 50).high == 1


@steady
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 5))
def test_a_bootstrap_holds_the_mean_and_repeats_itself(values: list[float], seed: int) -> None:
    found = s.mean(values, 200, seed)
    assert found == s.mean(values, 200, seed)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert found.value == pytest.approx(np.mean(values))


def test_the_bootstrap_is_that_of_scipy() -> None:
    values = np.random.default_rng(3).beta(2, 1, 300)
    known = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    found = s.mean(list(values), 5000)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.003)


def test_a_bootstrap_of_equal_values_has_no_width() -> None:
    assert s.mean([0.5] * 20) == s.Figure(0.5, 0.5, 0.5, 20)
    assert s.mean([]).n == s.f1([]).n == s.quantile([], 50).n == 0


def test_many_rows_are_drawn_in_parts() -> None:
    values = [float(i % 2) for i in range(50_000)]
    found = s.mean(values, 100)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(50_000), rel=0.3)


def test_f1_over_rows_is_the_one_of_their_sum() -> None:
    found = s.f1([(1, 1, 1), (0, 1, 1), (3, 4, 3)])
    assert found.value == pytest.approx(2 * 4 / 11) and found.low <= found.value <= found.high
    assert s.f1([(0, 0, 0)] * 3).value == 1


@steady
@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0, 100))
def test_percentiles_are_those_of_numpy(values: list[float], percent: float) -> None:
    assert s.percentile(values, percent) == pytest.approx(np.percentile(values, percent))
    found = s.quantile(values, percent, 50)
    assert found.value == pytest.approx(np.percentile(values, percent)) and found.n == len(values)


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(s.percentile([], 50))


def test_the_interval_of_a_median_covers_it() -> None:
    """Of 200 samples of a normal distribution, 190 ± 3 standard deviations are expected to cover its median."""
    rng = np.random.default_rng(0)
    covered = sum((found := s.quantile(list(rng.normal(size=80)), 50, 400)).low <= 0 <= found.high for _ in range(200))
    assert 180 <= covered <= 200


@steady
@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 8))
def test_pass_k_is_the_share_of_k_tries_that_are_all_right(tries: list[bool], k: int) -> None:
    drawn = list(combinations(tries, k))
    found = s.pass_k([(sum(tries), len(tries))], k, 10)
    assert found.n == (1 if drawn else 0)
    if drawn:
        assert found.value == pytest.approx(sum(all(d) for d in drawn) / len(drawn))


# --- two systems ---------------------------------------------------------------------------------------------------------------


@steady
@given(outcomes)
def test_mcnemar_is_the_exact_sign_test_of_the_changes(rows: list[tuple[bool, bool]]) -> None:
    first, second = [a for a, _ in rows], [b for _, b in rows]
    won, lost = sum(b and not a for a, b in rows), sum(a and not b for a, b in rows)
    found = s.mcnemar(first, second)
    assert found.p == pytest.approx(stats.binomtest(won, won + lost).pvalue if won + lost else 1.0)
    assert found.difference == pytest.approx(np.mean(second) - np.mean(first))
    assert -1 <= found.low <= found.difference + 1e-12 and found.difference - 1e-12 <= found.high <= 1
    turned = s.mcnemar(second, first)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low)) and turned.p == pytest.approx(found.p)


def test_newcombe_without_correlation_is_the_square_of_two_wilson_intervals() -> None:
    """40 and 50 of 100, independent: 20 rows right in both."""
    low, high = s.newcombe(20, 30, 20, 100)
    before, after = s.wilson(40, 100), s.wilson(50, 100)
    assert low == pytest.approx(0.1 - math.hypot(after.value - after.low, before.high - before.value))
    assert high == pytest.approx(0.1 + math.hypot(after.high - after.value, before.value - before.low))


def test_newcombe_covers_the_true_difference() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        both, won, lost, _ = rng.multinomial(60, [0.5, 0.2, 0.05, 0.25])
        low, high = s.newcombe(int(both), int(won), int(lost), 60)
        covered += low <= 0.15 <= high
    assert covered >= 370  # 380 ± 2 standard deviations


def test_the_same_system_twice_is_no_difference() -> None:
    values = [0.1, 0.5, 0.9] * 10
    found = s.paired(values, values)
    assert (found.difference, found.low, found.high, found.p, found.n) == (0, 0, 0, 1, 30)
    assert s.mcnemar([True, False] * 5, [True, False] * 5).p == 1
    assert s.paired_f1([(1, 2, 2)] * 5, [(1, 2, 2)] * 5).p == 1
    assert s.paired([], []).n == s.mcnemar([], []).n == s.paired_f1([], []).n == 0


def test_the_paired_bootstrap_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    first = rng.random(150)
    second = np.clip(first + rng.normal(0.03, 0.1, 150), 0, 1)
    known = stats.bootstrap(
        (first, second),
        lambda a, b, axis=-1: np.mean(b - a, axis=axis),
        paired=True,
        n_resamples=5000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = s.paired(list(first), list(second), 5000)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.002)
    assert found.p == pytest.approx(stats.ttest_rel(second, first).pvalue, abs=0.02)


def test_a_gain_of_f1_is_seen() -> None:
    found = s.paired_f1([(1, 3, 3)] * 20 + [(2, 3, 3)] * 20, [(2, 3, 3)] * 30 + [(3, 3, 3)] * 10)
    assert found.difference == pytest.approx(90 / 120 - 60 / 120)
    assert found.low > 0 and found.p < 0.01 and found.n == 40


def test_pairs_must_be_pairs() -> None:
    for compare in (s.paired, s.mcnemar, s.paired_f1):
        with pytest.raises(ValueError):
            compare([1.0], [])


def test_holm_is_the_known_correction() -> None:
    assert s.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.holm([]) == [] and s.holm([0.9, 0.8]) == [1.0, 1.0]


@steady
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(chances: list[float]) -> None:
    found = s.holm(chances)
    assert all(p <= q <= 1 for p, q in zip(chances, found, strict=True))
    assert all(q <= r for (p, q), (o, r) in combinations(sorted(zip(chances, found, strict=True)), 2) if p <= o)


# --- power ---------------------------------------------------------------------------------------------------------------------


def test_the_detectable_difference_of_means_is_seen_in_80_of_100() -> None:
    n, spread = 100, 0.3
    difference = s.detectable_mean(spread, n)
    assert difference == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * spread / 10)
    rng = np.random.default_rng(0)
    seen = sum(stats.ttest_1samp(rng.normal(difference, spread, n), 0).pvalue < 0.05 for _ in range(600)) / 600
    assert seen == pytest.approx(0.8, abs=0.05)


def test_the_detectable_difference_of_shares_is_seen_in_80_of_100() -> None:
    n, changed = 400, 0.2
    difference = s.detectable_share(changed, n)
    won, lost = (changed + difference) / 2, (changed - difference) / 2
    rng, seen = np.random.default_rng(0), 0
    for up, down, _ in rng.multinomial(n, [won, lost, 1 - won - lost], size=600):
        seen += stats.binomtest(int(up), int(up + down)).pvalue < 0.05
    assert seen / 600 == pytest.approx(0.78, abs=0.06)  # the exact test sees a little less than the approximation says


def test_too_few_rows_detect_nothing() -> None:
    assert math.isnan(s.detectable_share(0.02, 50)) and math.isnan(s.detectable_share(0.0, 50)) and math.isnan(s.detectable_mean(0.1, 0))
    assert s.detectable_share(0.2, 100) > s.detectable_share(0.2, 1000)


def test_a_steady_gain_is_told_from_chance() -> None:
    rng = Random(0)
    first = [rng.random() for _ in range(200)]
    found = s.paired(first, [v + 0.05 + rng.gauss(0, 0.05) for v in first])
    assert found.low > 0 and found.p < 0.01 and found.difference == pytest.approx(0.05, abs=0.02)
    assert str(s.Figure(0.5, 0.25, 0.75, 1234)) == "0.500 [0.250, 0.750] n 1,234"
