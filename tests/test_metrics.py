"""Metrics: worked examples, bounds, and intervals that can be checked by hand."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.evaluation import metrics as m

flows = st.lists(st.sampled_from("abcd"), max_size=6)
CATALOG = Catalog([
    Operation("x", "mail", "action", parameters=(Parameter("to"), Parameter("level", enum=("Low", "High")), Parameter("zone", default="UTC"), Parameter("item", open=True))),
    Operation("", "foreign", "any"),
])  # fmt: skip


def call(operation: str = "x.mail", **parameters: object) -> dict[str, object]:
    return {"operation": operation, "parameters": parameters}


# --- sequences -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "length"), [("", "", 0), ("abc", "abc", 3), ("abc", "acb", 2), ("abcbdab", "bdcaba", 4), ("abc", "", 0)])
def test_longest_common_subsequence(a: str, b: str, length: int) -> None:
    assert m.lcss(a, b) == length


@pytest.mark.parametrize(
    ("a", "b", "score"), [("tab", "tab", 1.0), ("tab", "ta", 2 / 3), ("tab", "tba", 2 / 3), ("t", "x", 0.0), ("", "t", 0.0), ("", "", 1.0)]
)
def test_flow_similarity_is_equation_1(a: str, b: str, score: float) -> None:
    assert m.flow_similarity(a, b) == pytest.approx(score)


@given(flows, flows)
def test_similarity_is_symmetric_and_one_only_for_equal_flows(a: list[str], b: list[str]) -> None:
    s = m.flow_similarity(a, b)
    assert 0 <= s <= 1 and s == m.flow_similarity(b, a)
    assert (s == 1) == (a == b)


@given(flows, flows)
def test_order_score_is_bounded_and_one_for_equal_flows(a: list[str], b: list[str]) -> None:
    assert 0 <= m.order_score(a, b) <= 1
    assert m.order_score(a, a) == 1
    assert (m.order_score(a, b) == 1) == (a == b)


def test_order_score_sees_a_swap() -> None:
    assert m.order_score("tab", "tba") == pytest.approx(2 / 4)
    assert m.order_score("tab", "tabc") == pytest.approx(3 / 6)
    assert m.order_score("t", "x") == 0


def test_the_nearest_answer_counts() -> None:
    assert m.best_similarity("tab", ["tx", "tab"]) == 1
    assert m.exact("tab", ["tx", "tab"]) and not m.exact("tab", ["tba"])
    assert m.same_operations("tab", ["tba"]) and not m.same_operations("tab", ["taab"])
    assert m.best_similarity("tab", []) == 0


# --- overlaps ------------------------------------------------------------------------------------------------------------------


def test_f1_counts_repetitions() -> None:
    found = m.control(["if", "if", "for"], ["if", "for", "for"])
    assert found == m.Overlap(2, 3, 3)
    assert found.f1 == found.precision == found.recall == pytest.approx(2 / 3)
    assert m.Overlap().f1 == 1 and m.overlap(["if"], []).f1 == 0


def test_overlaps_add_up() -> None:
    assert m.Overlap(1, 2, 3) + m.Overlap(1, 1, 1) == m.Overlap(2, 3, 4)


def test_keys_belong_to_their_operation() -> None:
    assert m.parameter_keys([call("x.mail", to="a")], [call("y.mail", to="a")]).hits == 0
    assert m.parameter_keys([call(to="a")], [call(to="b")]) == m.Overlap(1, 1, 1)


@pytest.mark.parametrize(
    ("made", "wanted", "same"),
    [
        ("A@b.c", "a@B.c", True),
        (1, 1.0, True),
        (True, 1, False),
        (["a", "B"], ["A", "b"], True),
        ("1", 1, False),
        (None, "", False),
        ({"a": 1}, {"a": 1.0}, True),
    ],
)
def test_values_are_compared_as_people_would(made: object, wanted: object, same: bool) -> None:
    assert (m.parameter_values([call(to=made)], [call(to=wanted)]).hits == 1) == same


def test_references_are_the_computed_values() -> None:
    made = [call(to={"expr": "triggerOutputs.body.from"}, zone="UTC")]
    assert m.references(made, made) == m.Overlap(1, 1, 1)


# --- grounding -----------------------------------------------------------------------------------------------------------------


def test_text_is_grounded_by_the_query_an_enum_or_a_default() -> None:
    calls = [call(to="Anna@contoso.com", level="high", zone="UTC"), call(to="someone@else.com")]
    assert m.ungrounded("mail anna@contoso.com", calls, CATALOG) == (1, 4)


def test_computed_values_numbers_and_empty_text_are_not_judged() -> None:
    assert m.ungrounded("x", [call(to={"expr": "a.b"}, level=5, zone="", item={"expr": "c"})], CATALOG) == (0, 0)
    assert m.ungrounded("x", [call(to=["a", {"expr": "b"}], item={"k": "x"})], CATALOG) == (1, 2)


def test_what_the_catalog_does_not_have_is_hallucinated() -> None:
    calls = [call(to="a", cc="b"), call("x.fax", to="a"), call("foreign", anything=1), {"operation": "x.mail", "parameters": {"item/Status": "a"}}]
    assert m.hallucinated(calls, CATALOG) == (3, 9)


# --- intervals -----------------------------------------------------------------------------------------------------------------


def test_wilson_is_the_textbook_interval() -> None:
    found = m.wilson(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert m.wilson(0, 50).low == 0 and m.wilson(0, 50).high == pytest.approx(0.0713, abs=1e-3)
    assert m.wilson(50, 50).high == 1
    assert (m.wilson(0, 0).low, m.wilson(0, 0).high) == (0, 1)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_holds_its_share(hits: int, more: int) -> None:
    found = m.wilson(hits, hits + more)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_bootstrap_of_equal_values_has_no_width() -> None:
    assert m.mean([0.5] * 20) == m.Figure(0.5, 0.5, 0.5, 20)


def test_a_bootstrap_agrees_with_the_normal_interval() -> None:
    rng = Random(1)
    values = [rng.gauss(0.7, 0.2) for _ in range(400)]
    found = m.mean(values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.2 / 20, rel=0.15)
    assert m.mean(values) == found
    assert str(m.Figure(0.5, 0.25, 0.75, 1234)) == "0.500 [0.250, 0.750] n 1,234"


def test_f1_over_rows_is_the_one_of_their_sum() -> None:
    found = m.f1([m.Overlap(1, 1, 1), m.Overlap(0, 1, 1), m.Overlap(3, 4, 3)])
    assert found.value == pytest.approx(2 * 4 / 11) and found.low <= found.value <= found.high


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 2.5), (100, 4), (10, 1.3), (90, 3.7)])
def test_percentiles_are_linear(percent: float, value: float) -> None:
    assert m.percentile([4, 1, 3, 2], percent) == pytest.approx(value)


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(m.percentile([], 50))


# --- comparisons ---------------------------------------------------------------------------------------------------------------


def test_the_same_system_twice_is_no_difference() -> None:
    values = [0.1, 0.5, 0.9] * 10
    assert m.paired(values, values) == m.Comparison(0.0, 0.0, 0.0, 1.0, 30)
    assert m.mcnemar([True, False] * 5, [True, False] * 5).p == 1


def test_a_steady_gain_is_told_from_chance() -> None:
    rng = Random(0)
    first = [rng.random() for _ in range(200)]
    found = m.paired(first, [v + 0.05 + rng.gauss(0, 0.05) for v in first])
    assert found.low > 0 and found.p < 0.01 and found.difference == pytest.approx(0.05, abs=0.02)


def test_mcnemar_is_the_exact_sign_test_of_the_changes() -> None:
    first = [True] * 90 + [False] * 10
    second = [True] * 89 + [False] + [True] * 8 + [False] * 2
    found = m.mcnemar(first, second)
    assert found.difference == pytest.approx(0.07)
    assert found.p == pytest.approx(2 * (1 + 9) / 2**9)
    assert found.low < found.difference < found.high


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError):
        m.paired([1.0], [])
