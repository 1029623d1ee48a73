"""The typed automaton: whatever is allowed leads to a flow that checks, and the way to the end is as long as it says."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deciding import BUILTIN, TABLES, options, pick, queries, query, start
from nl2dsl.catalog.model import Operation, Parameter
from nl2dsl.decoding.actions import FIXED, SPAN_LIMIT, SYMBOL, Decision, Kind, Query, decode, fixed
from nl2dsl.decoding.automaton import DEPTH_LIMIT, GROWTH, NOT_CALLABLE, SHORTEST, STEP_LIMIT, Automaton, callable_as
from nl2dsl.decoding.tables import Tables
from nl2dsl.dsl import checker, definition, sketch, text, wiring

catalogs = st.sampled_from(["builtin", "foreign"])
seeds = st.integers(0, 2**32)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def walk(tables: Tables, query: Query, rng: Random, steps: int) -> tuple[Automaton, list[Decision]]:
    """Some random legal decisions; the walk may be over before."""
    automaton, made = start(tables, query), list[Decision]()
    while not automaton.done and len(made) < steps:
        made.append(pick(automaton.allowed(), tables, rng))
        automaton.push(made[-1])
    return automaton, made


def close(automaton: Automaton, tables: Tables, rng: Random) -> list[Decision]:
    """A random one of the shortest endings."""
    made = list[Decision]()
    while not automaton.done:
        made.append(pick(automaton.allowed(closing=True), tables, rng))
        automaton.push(made[-1])
    return made


# --- the guarantee -------------------------------------------------------------------------------------------------------------


@many
@given(catalogs, queries, seeds, st.integers(0, 120))
def test_every_walk_becomes_a_flow_without_errors(name: str, q: Query, seed: int, steps: int) -> None:
    tables, rng = TABLES[name], Random(seed)
    automaton, made = walk(tables, q, rng, steps)
    made += close(automaton, tables, rng)
    flow = wiring.complete(decode(made, q, tables.list), tables.catalog, q.text)
    assert [d for d in checker.check(flow, tables.catalog) if d.severity == "error"] == []
    read, problems = text.parse(text.unparse(flow))
    assert read == flow and not problems
    definition.compile(flow, tables.catalog)


@many
@given(catalogs, queries, seeds, st.integers(0, 120))
def test_the_cost_is_the_length_of_every_shortest_ending(name: str, q: Query, seed: int, steps: int) -> None:
    automaton, _ = walk(TABLES[name], q, Random(seed), steps)
    assert automaton.cost() == len(close(automaton, TABLES[name], Random(seed)))


@many
@given(catalogs, queries, seeds)
def test_no_decision_saves_more_than_itself_or_adds_more_than_it_may(name: str, q: Query, seed: int) -> None:
    """So no ending is shorter than the cost, and a search that turns to the end in time stays within its budget."""
    tables, rng = TABLES[name], Random(seed)
    automaton = start(tables, q)
    for _ in range(80):
        if automaton.done:
            break
        before = automaton.cost()
        automaton.push(pick(automaton.allowed(), tables, rng))
        assert before - 1 <= automaton.cost() <= before + GROWTH


@many
@given(catalogs, queries, seeds)
def test_every_walk_ends(name: str, q: Query, seed: int) -> None:
    automaton, made = walk(TABLES[name], q, Random(seed), 20_000)
    assert automaton.done
    assert sum(isinstance(n, sketch.Step) for n in sketch.walk(decode(made, q, TABLES[name].list).steps)) <= 3 * STEP_LIMIT


@many
@given(catalogs, queries, seeds)
def test_there_is_always_a_way_on(name: str, q: Query, seed: int) -> None:
    tables, rng = TABLES[name], Random(seed)
    automaton = start(tables, q)
    for _ in range(60):
        if automaton.done:
            return
        for closing in (False, True):
            assert options(automaton.allowed(closing), tables)
        assert set(options(automaton.allowed(True), tables)) <= set(options(automaton.allowed(), tables))
        automaton.push(pick(automaton.allowed(), tables, rng))


@many
@given(catalogs, queries, seeds)
def test_the_only_decision_is_the_one_there_is(name: str, q: Query, seed: int) -> None:
    tables, rng = TABLES[name], Random(seed)
    automaton = start(tables, q)
    for _ in range(60):
        if automaton.done:
            return
        for closing in (False, True):
            allowed = automaton.allowed(closing)
            found = options(allowed, tables)
            alone = len(found) == 1 and found[0].kind != Kind.OPERATION  # operations are always asked for
            assert allowed.only() == (found[0] if alone else None)
        automaton.push(pick(automaton.allowed(), tables, rng))


@many
@given(catalogs, queries, seeds, st.integers(0, 30), st.data())
def test_symbols_and_stretches_that_are_not_allowed_are_not_taken(name: str, q: Query, seed: int, steps: int, data: st.DataObject) -> None:
    tables = TABLES[name]
    automaton, _ = walk(tables, q, Random(seed), steps)
    if automaton.done:
        return
    wrong = data.draw(st.builds(Decision, st.sampled_from([Kind.FIXED, Kind.ENUM, Kind.START, Kind.END]), st.integers(0, len(FIXED) - 1)))
    numbers = (wrong.kind == Kind.FIXED and FIXED[wrong.index].startswith("number:")) or wrong.kind == Kind.START  # 25 o'clock: the type's affair
    limits = wrong.kind == Kind.FIXED and FIXED[wrong.index] in ("if", "for", "switch", "do", "case", "and", "or")  # how much is enough
    if wrong in options(automaton.allowed(), tables) or numbers or limits:
        return
    with pytest.raises(ValueError, match=r"cannot follow|is no step"):
        automaton.push(wrong)


# --- single rules --------------------------------------------------------------------------------------------------------------

MAIL = query("mail 5 of 1,000 people at -3 degrees, 12 %")


def at(*decisions: Decision, q: Query = MAIL, operations: list[Operation] | None = None) -> Automaton:
    automaton = Automaton(operations or TABLES["builtin"].list, q)
    for d in decisions:
        automaton.push(d)
    return automaton


def operation(id: str) -> Decision:
    return Decision(Kind.OPERATION, TABLES["builtin"].index[id])


RECURRENCE = operation("commonTrigger.Recurrence")
COMPOSE = operation("builtin.Compose")


def symbols(automaton: Automaton, closing: bool = False) -> list[str]:
    return [FIXED[i] for i in automaton.allowed(closing).fixed]


def test_a_flow_needs_a_step_before_it_ends() -> None:
    assert "end" not in symbols(at(RECURRENCE))
    assert "end" in symbols(at(RECURRENCE, COMPOSE))
    assert start(TABLES["builtin"], MAIL).cost() == SHORTEST


def test_a_block_needs_a_step_before_it_closes() -> None:
    assert "close" not in symbols(at(RECURRENCE, fixed("for")))
    assert "close" in symbols(at(RECURRENCE, fixed("for"), COMPOSE))


def test_blocks_are_only_so_deep() -> None:
    deep = at(RECURRENCE, *[fixed("for")] * (DEPTH_LIMIT))
    assert {"if", "for", "switch", "do"}.isdisjoint(symbols(deep))
    assert {"if", "for"} <= set(symbols(at(RECURRENCE, *[fixed("for")] * (DEPTH_LIMIT - 1))))


def test_a_long_flow_can_only_end() -> None:
    assert symbols(at(RECURRENCE, *[COMPOSE] * STEP_LIMIT))[0] == "end"
    assert not at(RECURRENCE, *[COMPOSE] * STEP_LIMIT).allowed().operations


def test_one_operator_joins_all_tests_of_a_condition() -> None:
    assert {"and", "or"} <= set(symbols(at(RECURRENCE, fixed("if"), fixed("found"))))
    assert "and" not in symbols(at(RECURRENCE, fixed("if"), fixed("found"), fixed("or"), fixed("none")))


def test_a_default_comes_last() -> None:
    case = [fixed("switch"), fixed("word:Status"), fixed("case"), fixed("word:Done"), COMPOSE, fixed("close")]
    assert set(symbols(at(RECURRENCE, *case))) == {"close", "case", "default"}
    assert symbols(at(RECURRENCE, *case, fixed("default"), COMPOSE, fixed("close"))) == ["close"]


def test_a_parameter_is_given_once() -> None:
    automaton = at(RECURRENCE)
    first = automaton.allowed().parameters[0]
    at_value = at(RECURRENCE, Decision(Kind.PARAMETER, first))
    at_value.push(Decision(Kind.ENUM, 0) if at_value.allowed().enums else fixed("number:5"))
    assert first not in at_value.allowed().parameters
    with pytest.raises(ValueError, match="cannot follow"):
        at_value.push(Decision(Kind.PARAMETER, first))


ODD = [
    Operation("", "t", "trigger"),
    Operation(
        "x",
        "op",
        "any",
        parameters=(Parameter("n", "integer"), Parameter("hours", "array"), Parameter("text"), Parameter("open", "object", open=True)),
    ),
]


def test_numbers_are_pointed_at_where_digits_stand() -> None:
    allowed = at(Decision(Kind.OPERATION, 0), Decision(Kind.OPERATION, 1), Decision(Kind.PARAMETER, 0), operations=ODD).allowed()
    spans = {
        MAIL.span(i, e)
        for i in allowed.starts
        for e in at(Decision(Kind.OPERATION, 0), Decision(Kind.OPERATION, 1), Decision(Kind.PARAMETER, 0), Decision(Kind.START, i), operations=ODD)
        .allowed()
        .ends
    }
    assert spans == {"5", "1", "1,000", "000", "-3", "3", "12"}


def test_hours_are_hours() -> None:
    allowed = at(Decision(Kind.OPERATION, 0), Decision(Kind.OPERATION, 1), Decision(Kind.PARAMETER, 1), operations=ODD).allowed()
    assert [FIXED[i] for i in allowed.fixed] == [f"number:{n}" for n in range(24)]


def test_without_words_there_is_no_text_to_point_at() -> None:
    automaton = at(Decision(Kind.OPERATION, 0), Decision(Kind.OPERATION, 1), q=Query("", ()), operations=ODD)
    assert automaton.allowed().parameters == (0, 1)


def test_a_stretch_is_only_so_long() -> None:
    long = query("word " * 150)
    automaton = at(
        Decision(Kind.OPERATION, 0), Decision(Kind.OPERATION, 1), Decision(Kind.PARAMETER, 2), Decision(Kind.START, 3), q=long, operations=ODD
    )
    assert automaton.allowed().ends == tuple(range(3, 3 + SPAN_LIMIT))


def test_a_trigger_is_no_step_and_a_step_no_trigger() -> None:
    assert callable_as(BUILTIN.operations["commonTrigger.Recurrence"], trigger=True)
    assert not callable_as(BUILTIN.operations["commonTrigger.Recurrence"], trigger=False)
    assert callable_as(Operation("", "x", "any"), True) and callable_as(Operation("", "x", "any"), False)


def test_hidden_operations_and_those_that_are_language_are_never_called() -> None:
    assert not callable_as(Operation("x", "y", "any", internal=True), False)
    assert not any(callable_as(BUILTIN.operations[id], False) for id in NOT_CALLABLE if id in BUILTIN)


def test_what_cannot_follow_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        at(fixed("if"))
    with pytest.raises(ValueError, match="cannot follow"):
        at(RECURRENCE, fixed("end"))
    with pytest.raises(ValueError, match="is no step"):
        at(RECURRENCE, Decision(Kind.FIXED, SYMBOL["case"]))
