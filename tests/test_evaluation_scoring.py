"""Scores of one answer, and the kinds of its mistakes, on cases made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.evaluation.cases import Case
from nl2dsl.evaluation.metrics import Overlap
from nl2dsl.evaluation.scoring import KINDS, Mistake, score

CATALOG = Catalog([
    Operation("m", "On", "trigger"),
    Operation("m", "OnOther", "trigger"),
    Operation("m", "Send", "action", parameters=(Parameter("to"), Parameter("text"))),
    Operation("m", "Reply", "action", parameters=(Parameter("text"),)),
    Operation("t", "Post", "action", parameters=(Parameter("text"),)),
])  # fmt: skip
CASE = Case(
    "c",
    'when mail comes post it and send "hi" to anna',
    answers=(("m.On", "t.Post", "m.Send"),),
    calls=(
        {"operation": "m.On", "parameters": {}},
        {"operation": "t.Post", "parameters": {"text": {"expr": "triggerOutputs.body"}}},
        {"operation": "m.Send", "parameters": {"to": "anna", "text": "hi"}},
    ),
    control=("if",),
    stated=(("m.Send", "to", "anna"),),
    open=(("t.Post", "text"),),
)


def answer(*operations: str, control: tuple[str, ...] = ("if",), **more: Any) -> dict[str, Any]:
    parameters = {"m.Send": {"to": "anna", "text": "hi"}, "t.Post": {"text": {"expr": "triggerOutputs.body"}}} | more.pop("parameters", {})
    calls = [{"operation": o, "parameters": parameters.get(o, {})} for o in operations]
    return {
        "outcome": "flow",
        "operations": list(operations),
        "calls": calls,
        "control": list(control),
        "diagnostics": [],
        "seconds": {"total": 0.5},
        "tokens": {"prompt": 9},
    } | more


def kinds(*operations: str, **more: Any) -> list[str]:
    return [m.kind for m in score(CASE, answer(*operations, **more), CATALOG).mistakes]


def test_the_right_answer_has_full_scores_and_no_mistakes() -> None:
    s = score(CASE, answer("m.On", "t.Post", "m.Send"), CATALOG, execution=True)
    assert (s.similarity, s.exact, s.same, s.order, s.parsed, s.execution, s.control_there) == (1, True, True, 1, True, True, True)
    assert s.keys == s.values == Overlap(3, 3, 3) and s.references == s.control == Overlap(1, 1, 1)
    assert s.placed == (1, 1) and s.invented == (0, 1) and s.ungrounded == (0, 2)
    assert s.hallucinated_operations == (0, 3) and s.hallucinated_parameters == (0, 3)
    assert (s.seconds, s.tokens, s.mistakes, s.refused, s.over_refused) == (0.5, {"prompt": 9}, (), None, False)


@pytest.mark.parametrize(
    ("operations", "found"),
    [
        (("m.OnOther", "t.Post", "m.Send"), ["wrong trigger"]),
        (("m.On", "t.Post", "m.Reply", "m.Send"), ["extra step"]),
        (("m.On", "m.Send"), ["missing step"]),
        (("m.On", "m.Send", "t.Post"), ["order"]),
        (("m.On", "m.Reply", "m.Send"), ["other connector"]),
    ],
)
def test_mistakes_of_steps_are_told_apart(operations: tuple[str, ...], found: list[str]) -> None:
    assert kinds(*operations) == found


def test_another_operation_of_the_right_connector_is_a_sibling() -> None:
    case = Case("c", "q", answers=(("m.On", "m.Send"),))
    made = score(case, answer("m.On", "m.Reply", control=()), CATALOG)
    assert made.mistakes == (Mistake("sibling operation", "m.Send", "m.Reply"),)


def test_mistakes_of_control_and_values_are_told() -> None:
    assert kinds("m.On", "t.Post", "m.Send", control=()) == ["control"]
    assert kinds("m.On", "t.Post", "m.Send", control=("if", "for")) == ["control"]
    assert kinds("m.On", "t.Post", "m.Send", parameters={"m.Send": {"to": {"expr": "x"}, "text": "hi"}}) == ["value not placed"]
    assert kinds("m.On", "t.Post", "m.Send", parameters={"t.Post": {"text": "hello all"}}) == ["value invented", "ungrounded literal"]


def test_the_nearest_right_answer_is_the_one_that_counts() -> None:
    case = Case("c", "say hi to anna", answers=(("m.On", "t.Post"), ("m.On", "m.Send")))
    s = score(case, answer("m.On", "m.Send", control=()), CATALOG)
    assert s.exact and s.similarity == 1 and s.order == 1 and s.mistakes == ()


def test_without_a_whole_gold_flow_parameters_are_not_scored() -> None:
    s = score(Case("c", "q", answers=(("m.On", "builtin.Compose"),), helpers=False), answer("m.On", "builtin.Compose", control=("for",)), CATALOG)
    assert s.keys is s.values is s.references is s.execution is None
    assert s.similarity == 0.5 and s.mistakes[0] == Mistake("missing step", "builtin.Compose")  # a gold row holds no helpers: `cases.read` drops them


def test_a_flow_with_errors_scores_nothing_but_its_names_are_looked_up() -> None:
    dsl = 'triggerOutputs = await m.On({});\nm.Fax({ "to": "x" });\nm.Send({ "cc": "y" });\n'
    failed = {
        "outcome": "failure",
        "operations": [],
        "calls": [],
        "control": [],
        "dsl": dsl,
        "diagnostics": [{"code": "N201", "severity": "error"}],
        "seconds": {},
        "tokens": {},
    }
    s = score(CASE, failed, CATALOG)
    assert s.parsed is False and s.similarity == 0 and s.exact is False and s.seconds is None
    assert s.hallucinated_operations == (1, 3) and s.hallucinated_parameters == (1, 1)
    assert s.mistakes == (Mistake("non-parsed", made="N201"),)


def test_an_error_in_a_flow_makes_it_non_parsed() -> None:
    assert kinds("m.On", "t.Post", "m.Send", diagnostics=[{"code": "P301", "severity": "error"}]) == ["non-parsed"]
    assert kinds("m.On", "t.Post", "m.Send", diagnostics=[{"code": "M601", "severity": "info"}]) == []


def test_refusals_are_counted_apart() -> None:
    refusal = {"outcome": "refusal", "category": "violence", "seconds": {}, "tokens": {}}
    over = score(CASE, refusal, CATALOG)
    assert over.over_refused and over.parsed and over.similarity == 0 and [m.kind for m in over.mistakes] == ["over-refusal"]
    harm = Case("h", "hurt him", refuse="violence")
    right, other, none = (score(harm, row, CATALOG) for row in (refusal, refusal | {"category": "misuse"}, answer("m.On")))
    assert (right.refused, right.category, right.mistakes, right.similarity, right.parsed) == (True, True, (), None, None)
    assert (other.refused, other.category, other.mistakes[0].kind) == (True, False, "other category")
    assert (none.refused, none.category, none.mistakes[0].kind) == (False, None, "not refused")


def test_gold_operations_among_the_candidates_are_a_share() -> None:
    assert score(CASE, answer("m.On", candidates=["m.On", "t.Post", "x.y"]), CATALOG).candidates == pytest.approx(2 / 3)
    assert score(CASE, answer("m.On"), CATALOG).candidates is None


def test_every_kind_of_mistake_is_explained() -> None:
    made = [kinds("m.OnOther", "m.Reply", "m.Reply", "t.Post", control=(), parameters={"t.Post": {"text": "zzz"}}), kinds("m.On", "m.Send", "t.Post")]
    assert {k for found in made for k in found} <= KINDS.keys()
    assert [m.kind for m in score(CASE, answer("m.On", "t.Post", "m.Send"), CATALOG, execution=False).mistakes] == ["side effects"]
