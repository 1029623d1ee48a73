"""Execution equivalence: two flows are the same when, given the same data, they do the same things in the same order.

In: two flows and a catalog, or two runs. Out: an `Equivalence`: on how many seeds they agreed, and the first difference. Names of steps and results take no part, nor
does what only reads; the data of both runs is the same because it depends on operations and inputs alone, and the branches are those that either
flow asks for, because both are run with the hints of both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl.definition import compile
from nl2dsl.dsl.tree import Flow
from nl2dsl.simulator.evaluate import hints
from nl2dsl.simulator.execute import Limits
from nl2dsl.simulator.simulate import run
from nl2dsl.simulator.trace import Run
from nl2dsl.simulator.values import plain

SEEDS = tuple(range(8))


@dataclass(frozen=True, slots=True)
class Equivalence:
    """`agreed` of `n` seeds gave the same side effects and the same end; `difference` says what the first other one did, '' for none."""

    agreed: int
    n: int
    difference: str = ""

    @property
    def equal(self) -> bool:
        return self.agreed == self.n

    @property
    def share(self) -> float:
        return self.agreed / self.n if self.n else 1.0


def effects(run: Run) -> list[str]:
    """The side effects of a run in order, as text that is equal when they are."""
    return [f"{effect.operation.lower()} {_canonical(effect.parameters)}" for effect in run.effects]


def effects_equal(a: Run, b: Run) -> bool:
    """Whether two runs did the same to the world, in the same order, and ended alike."""
    return a.status == b.status and effects(a) == effects(b)


def equivalent(a: Flow, b: Flow, catalog: Catalog, seeds: Iterable[int] = SEEDS, limits: Limits | None = None) -> Equivalence:
    """Runs both flows with the same seeds and compares what they did. The triggers must be the same operation with the same literal parameters."""
    seeds = tuple(seeds)
    if not _same_start(a, b):
        return Equivalence(0, len(seeds), f"the first starts with {a.trigger.id}, the second with {b.trigger.id}, or with other parameters")
    known = _together(hints(compile(a, catalog)), hints(compile(b, catalog)))
    agreed, difference = 0, ""
    for seed in seeds:
        first, second = (run(flow, catalog, seed=seed, hints=known, instant=True, limits=limits) for flow in (a, b))
        if effects_equal(first, second):
            agreed += 1
        elif not difference:
            difference = f"seed {seed}: {_difference(first, second)}"
    return Equivalence(agreed, len(seeds), difference)


def _canonical(content: Any) -> str:
    return json.dumps(plain(content), sort_keys=True, ensure_ascii=False)


def _same_start(a: Flow, b: Flow) -> bool:
    """Parameters are compared without regard to their order; how they are written does not matter, what they say does."""
    first, second = a.trigger, b.trigger
    return first.id == second.id and {e.key: e.value for e in first.parameters} == {e.key: e.value for e in second.parameters}


def _together(first: dict[str, list[Any]], second: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The hints of both, in an order that does not depend on which is first."""
    found: dict[str, list[Any]] = {}
    for name in sorted(first.keys() | second.keys()):
        values = {_canonical(value): value for value in (*first.get(name, ()), *second.get(name, ()))}
        found[name] = [values[key] for key in sorted(values)]
    return found


def _difference(first: Run, second: Run) -> str:
    left, right = effects(first), effects(second)
    for number, (a, b) in enumerate(zip(left, right, strict=False), 1):
        if a != b:
            return f"side effect {number} is `{a[:200]}` and `{b[:200]}`"
    if len(left) != len(right):
        longer, place = (left, "first") if len(left) > len(right) else (right, "second")
        return f"only the {place} does `{longer[min(len(left), len(right))][:200]}`"
    return f"the first ends {first.status}, the second {second.status}"
