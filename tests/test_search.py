"""Typed search: whatever a scorer says, a whole flow comes out, within the budget, and jumping over forced decisions changes nothing but the time."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deciding import BUILTIN, TABLES, RandomScorer, options, queries, query, sentences, start, tables
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.decoding.actions import Decision, Kind, NotSayable, Query, decode
from nl2dsl.decoding.automaton import GROWTH, SHORTEST
from nl2dsl.decoding.search import Constrain, Found, search
from nl2dsl.dsl import checker, sketch, wiring
from nl2dsl.dsl.diagnostics import Diagnostic

catalogs = st.sampled_from(["builtin", "foreign"])
biases = st.tuples(*[st.sampled_from([0.0, 0.0, 2.0, 5.0])] * 6)
seeds = st.integers(0, 2**32)
budgets = st.one_of(st.integers(3, 128), st.sampled_from([16, 32, 64, 128]))
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def run(name: str, q: Query, seed: int, bias: tuple[float, ...] = (0.0,) * 6, **options_: object) -> tuple[Found, RandomScorer]:
    scorer = RandomScorer(TABLES[name], q, seed, bias)
    return search(scorer, start(TABLES[name], q), TABLES[name], **options_), scorer  # type: ignore[arg-type]


def errors(name: str, q: Query, decisions: list[Decision]) -> list[Diagnostic]:
    flow = wiring.complete(decode(decisions, q, TABLES[name].list), TABLES[name].catalog, q.text)
    return [d for d in checker.check(flow, TABLES[name].catalog) if d.severity == "error"]


@many
@given(catalogs, queries, seeds, biases, budgets)
def test_a_random_scorer_gives_a_flow_without_errors_within_any_budget(name: str, q: Query, seed: int, bias: tuple[float, ...], budget: int) -> None:
    found, _ = run(name, q, seed, bias, budget=budget)
    assert found.complete
    assert SHORTEST <= len(found.decisions) <= budget
    assert errors(name, q, found.decisions) == []
    assert 0 < found.confidence <= 1


@pytest.mark.parametrize("budget", [-1, 0, 1, 2, 3])
def test_the_smallest_budget_is_a_trigger_a_step_and_the_end(budget: int) -> None:
    found, _ = run("builtin", query("mail me"), 1, budget=budget)
    assert [d.kind for d in found.decisions] == [Kind.OPERATION, Kind.OPERATION, Kind.FIXED]


@many
@given(catalogs, queries, seeds, biases, budgets)
def test_jumping_over_forced_decisions_changes_nothing(name: str, q: Query, seed: int, bias: tuple[float, ...], budget: int) -> None:
    jumped, asked_less = run(name, q, seed, bias, budget=budget)
    walked, asked = run(name, q, seed, bias, budget=budget, jump=False)
    assert jumped.decisions == walked.decisions
    assert asked.asked == len(walked.decisions) and walked.forced == 0
    assert asked_less.asked == len(jumped.decisions) - jumped.forced


@many
@given(catalogs, queries, seeds, biases, budgets)
def test_forced_are_the_decisions_without_an_alternative(name: str, q: Query, seed: int, bias: tuple[float, ...], budget: int) -> None:
    found, _ = run(name, q, seed, bias, budget=budget)
    automaton, alone = start(TABLES[name], q), 0
    for i, d in enumerate(found.decisions):
        there = options(automaton.allowed(closing=budget - i <= automaton.cost() + GROWTH), TABLES[name])
        assert d in there
        alone += len(there) == 1 and d.kind != Kind.OPERATION
        automaton.push(d)
    assert automaton.done and alone == found.forced


@many
@given(catalogs, queries, seeds, biases, budgets, st.sampled_from(["grammar", "none"]))
def test_without_types_a_search_may_fail_but_only_in_ways_that_are_told(
    name: str, q: Query, seed: int, bias: tuple[float, ...], budget: int, constrain: Constrain
) -> None:
    found, _ = run(name, q, seed, bias, budget=budget, constrain=constrain)
    assert len(found.decisions) <= budget and found.forced == 0
    try:
        assert all(isinstance(d, Diagnostic) for d in errors(name, q, found.decisions))
    except (NotSayable, ValueError, IndexError):
        assert constrain == "none" or not found.complete


@many
@given(queries, seeds)
def test_grammar_makes_sketches_and_types_make_them_right(q: Query, seed: int) -> None:
    found, _ = run("builtin", q, seed, (3.0, 0, 0, 0, 0, 0), constrain="grammar", budget=400)
    if found.complete:
        assert decode(found.decisions, q, TABLES["builtin"].list)


def test_what_the_scorer_wants_is_what_comes() -> None:
    """A scorer that knows the answer gets it."""
    q = query("when it is 5 below mail Anna")
    wanted = [
        Decision(Kind.OPERATION, TABLES["builtin"].index["commonTrigger.PowerApp"]),
        Decision(Kind.OPERATION, TABLES["builtin"].index["shared_office365.SendEmailV2"]),
    ]

    class Knows(RandomScorer):
        def push(self, decisions: list[Decision]):  # type: ignore[no-untyped-def]
            scores = super().push(decisions)
            place = len(self.history)
            if place < 2:
                scores.noise[:] = 0
                scores.noise[(wanted[place].index - 31) % 4096] = 9.0
            else:
                scores.noise[:] = -1.0
                scores.noise[0] = 9.0  # `end` is the first symbol
            return scores

    scorer = Knows(TABLES["builtin"], q, 0)
    found = search(scorer, start(TABLES["builtin"], q), TABLES["builtin"])
    made = sketch.unparse(decode(found.decisions, q, TABLES["builtin"].list))
    assert made == "commonTrigger.PowerApp(); shared_office365.SendEmailV2()"


@given(sentences)
@settings(max_examples=10, deadline=None)
def test_a_catalog_without_a_trigger_ends_the_search_and_breaks_nothing(sentence: str) -> None:
    bare = tables(Catalog([Operation("x", "do", "action")]))
    q = query(sentence)
    for constrain in ("typed", "grammar", "none"):
        found = search(RandomScorer(bare, q, 0), start(bare, q), bare, constrain=constrain)  # type: ignore[arg-type]
        assert not found.complete or constrain != "typed"


def test_scores_that_are_no_numbers_still_give_a_flow() -> None:
    class Broken(RandomScorer):
        def push(self, decisions: list[Decision]):  # type: ignore[no-untyped-def]
            scores = super().push(decisions)
            scores.noise[:] = Random(len(self.history)).choice([np.nan, np.inf, -np.inf])
            return scores

    q = query("mail the Status to Anna")
    with np.errstate(all="ignore"):
        found = search(Broken(TABLES["builtin"], q, 0), start(TABLES["builtin"], q), TABLES["builtin"], budget=60)
    assert found.complete and errors("builtin", q, found.decisions) == []


def test_every_action_of_the_catalog_can_be_reached() -> None:
    offered = {TABLES["builtin"].list[d.index].id for d in options(start(TABLES["builtin"], query("x")).allowed(), TABLES["builtin"])}
    assert offered == {o.id for o in BUILTIN if o.kind == "trigger" and not o.internal}
