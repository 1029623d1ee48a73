"""Typed greedy search: asks a scorer what comes next and lets only legal decisions through.

In: a `Scorer` (the embedded engine, a test fake), an `Automaton`, a budget. Out: `Found` with the decisions, which of them were forced, and how sure the scorer was.
A decision with no alternative is *forced*: it is not asked for but handed over together with the next question (jump-forward), so it costs no step of its own.
Under `typed` the result is always a whole flow, also when the budget runs out: near its end only decisions on a shortest ending are offered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from nl2dsl.decoding.actions import FIXED, SYMBOL, Decision, Kind
from nl2dsl.decoding.automaton import GROWTH, SHORTEST, Allowed, Automaton, Role
from nl2dsl.decoding.tables import Floats, Tables

Constrain = Literal["typed", "grammar", "none"]
Choose = Callable[[Floats], int]  # the place of a decision among the scores of those offered


class Scores(Protocol):
    """Scores (logits) for every class of decision at one place."""

    @property
    def fixed(self) -> Floats: ...
    def operations(self) -> Floats: ...
    def parameters(self, operation: int) -> Floats: ...
    def enums(self, operation: int, parameter: int) -> Floats: ...
    def starts(self) -> Floats: ...
    def ends(self) -> Floats: ...


class Scorer(Protocol):
    """A model in the middle of one query."""

    def push(self, decisions: list[Decision]) -> Scores:
        """Takes the decisions made since the last call (none at first) and scores what follows."""
        ...


@dataclass
class Found:
    """`decisions` in order; `forced` of them had no alternative; `confidence` is the probability of the chosen operations and control, geometric mean."""

    decisions: list[Decision] = field(default_factory=list)
    forced: int = 0
    complete: bool = True
    logs: list[float] = field(default_factory=list)

    @property
    def confidence(self) -> float:
        return float(np.exp(np.mean(self.logs))) if self.logs else 1.0


def best(scores: Floats) -> int:
    return int(scores.argmax())


def search(
    scorer: Scorer,
    automaton: Automaton,
    tables: Tables,
    *,
    budget: int = 256,
    constrain: Constrain = "typed",
    jump: bool = True,
    choose: Choose = best,
) -> Found:
    """The best flow, decision by decision. `budget` (at least 3: trigger, step, end) bounds the number of decisions. `choose` takes another than the best, or looks on."""
    found = Found()
    waiting: list[Decision] = []
    budget = max(budget, SHORTEST)
    called = -1
    while not automaton.done:
        left = budget - len(found.decisions)
        if left <= 0:  # only without types: typed runs close in time
            found.complete = False
            break
        closing = constrain == "typed" and left <= automaton.cost() + GROWTH
        allowed = automaton.allowed(closing)
        decision = allowed.only() if jump and constrain == "typed" else None
        if decision is None:
            decision, log = _chosen(scorer.push(waiting), allowed, automaton, tables, called, constrain, choose)
            waiting = []
            if decision.kind in (Kind.OPERATION, Kind.FIXED):
                found.logs.append(log)
        else:
            found.forced += 1
        try:
            automaton.push(decision)
        except ValueError:
            found.complete = False
            found.decisions.append(decision)
            break
        if decision.kind == Kind.OPERATION:
            called = decision.index
        waiting.append(decision)
        found.decisions.append(decision)
    return found


def _chosen(
    scores: Scores, allowed: Allowed, automaton: Automaton, tables: Tables, called: int, constrain: Constrain, choose: Choose
) -> tuple[Decision, float]:
    """The chosen decision of those offered, and the logarithm of its probability among them."""
    options: list[tuple[Kind, np.ndarray, np.ndarray]] = []  # class, indices, scores
    fixed = list(range(len(FIXED))) if constrain == "none" else allowed.fixed
    if fixed:
        index = np.array(fixed)
        options.append((Kind.FIXED, index, scores.fixed[index]))
    if allowed.operations or constrain == "none":
        everything = scores.operations()
        if constrain == "typed":
            index = tables.trigger_rows if allowed.operations == Role.TRIGGER else tables.step_rows
        else:
            index = np.arange(len(everything))
        if len(index):
            options.append((Kind.OPERATION, index, everything[index]))
    if allowed.parameters:
        index = np.array(allowed.parameters)
        options.append((Kind.PARAMETER, index, scores.parameters(called)[index]))
    if allowed.enums:
        options.append((Kind.ENUM, np.arange(allowed.enums), scores.enums(called, automaton.enum_parameter())))
    if allowed.starts:
        index = np.array(allowed.starts)
        options.append((Kind.START, index, scores.starts()[index]))
    if allowed.ends:
        index = np.array(allowed.ends)
        options.append((Kind.END, index, scores.ends()[index]))
    if not options:  # nothing to point at: a catalog without triggers, or a query without words
        return Decision(Kind.FIXED, SYMBOL["end"]), 0.0
    every = np.concatenate([values for _, _, values in options])
    at, top = choose(every), float(every.max())
    log = float(every[at]) - top - float(np.log(np.exp(every - top).sum()))
    for kind, index, values in options:
        if at < len(values):
            return Decision(kind, int(index[at])), log
        at -= len(values)
    raise AssertionError("unreachable")
