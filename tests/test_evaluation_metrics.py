"""Metrics of one flow: worked examples and bounds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.evaluation import metrics as m

steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no mistake
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


@steady
@given(flows, flows)
def test_similarity_is_symmetric_and_one_only_for_equal_flows(a: list[str], b: list[str]) -> None:
    s = m.flow_similarity(a, b)
    assert 0 <= s <= 1 and s == m.flow_similarity(b, a)
    assert (s == 1) == (a == b)


@steady
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
    assert m.hallucinated_operations(calls, CATALOG) == (1, 4)
    assert m.hallucinated_parameters(calls, CATALOG) == (1, 4)


@pytest.mark.parametrize(
    ("given", "stated", "found"),
    [
        ({"to": "Anna"}, ("x.mail", "to", "anna"), 1),
        ({"emailMessage/To": "a@b.c"}, ("x.mail", "To", "a@b.c"), 1),
        ({"hours": [6, 18]}, ("x.mail", "recurrence/schedule/hours", "6,18"), 1),
        ({"to": {"expr": "anna"}}, ("x.mail", "to", "anna"), 0),
        ({"to": "Bob"}, ("x.mail", "to", "anna"), 0),
        ({"item": {"to": "anna"}}, ("x.mail", "to", "anna"), 1),
    ],
)
def test_a_stated_value_stands_under_its_key(given: dict[str, object], stated: tuple[str, str, object], found: int) -> None:
    assert m.placed([{"operation": "x.mail", "parameters": given}], [stated]) == (found, 1)


def test_a_literal_where_nothing_was_said_is_invented() -> None:
    assert m.invented([call(to="anna")], [("x.mail", "to"), ("x.mail", "level")]) == (1, 2)
    assert m.invented([call(to={"expr": "a.b"}, level="")], [("x.mail", "to"), ("x.mail", "level")]) == (0, 2)
    assert m.invented([call("x.fax", to="anna")], [("x.mail", "to")]) == (0, 1)
