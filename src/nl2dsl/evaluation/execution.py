"""Execution equivalence: whether a flow does what the right one does, seen by running both on the simulator with the same seeded data.

In: a run, a catalog. Out: `Effects` of each answer whose row has a whole right flow. An answer that is no flow does not do the same. Where nothing can be run, `NotMeasured`
says why, and reports show that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nl2dsl.dsl.definition import compile
from nl2dsl.dsl.text import parse
from nl2dsl.simulator.equivalence import SEEDS, effects, equivalent
from nl2dsl.simulator.evaluate import hints
from nl2dsl.simulator.simulate import run as simulate

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.dsl.tree import Flow
    from nl2dsl.evaluation.run import Run


class NotMeasured(Exception):
    """Why there are no effects to compare; caught by reports."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Whether both flows do the same under every seed; if not, what each does to the world under the first one, a line for each side effect."""

    equal: bool
    wanted: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


def measure(run: Run, catalog: Catalog) -> Mapping[tuple[str, int], Effects]:
    """Effects by row and try."""
    whole = {id: case.dsl for id, case in run.cases.items() if case.dsl}
    if not whole:
        raise NotMeasured("no row has a whole right flow, only its operations")
    known: dict[tuple[str, str], Effects] = {}
    found = {}
    for answer in run.answers:
        if answer["id"] in whole:
            texts = whole[answer["id"]], str(answer.get("dsl") or "") if answer["outcome"] == "flow" else ""
            if texts not in known:
                known[texts] = compare(*texts, catalog)
            found[answer["id"], answer["repeat"]] = known[texts]
    return found


def compare(wanted: str, made: str, catalog: Catalog) -> Effects:
    """Two flows as text; a text that is none has no effects."""
    if wanted == made:
        return Effects(True)
    (right, _), (flow, _) = parse(wanted), parse(made) if made else (None, [])
    if right is None or flow is None:
        return Effects(False)
    if equivalent(right, flow, catalog).equal:
        return Effects(True)
    shared = _together(hints(compile(right, catalog)), hints(compile(flow, catalog)))
    return Effects(False, _effects(right, catalog, shared), _effects(flow, catalog, shared))


def _effects(flow: Flow, catalog: Catalog, shared: dict[str, list[Any]]) -> tuple[str, ...]:
    done = simulate(flow, catalog, seed=SEEDS[0], hints=shared, instant=True)
    return (f"starts with {flow.trigger.id}", *effects(done), f"ends {done.status}")


def _together(first: Mapping[str, list[Any]], second: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """What either flow compares properties with, in an order that does not depend on which is first: both see the same data."""
    found = {}
    for name in sorted(first.keys() | second.keys()):
        values = {json.dumps(v, sort_keys=True, default=str): v for v in (*first.get(name, ()), *second.get(name, ()))}
        found[name] = [values[key] for key in sorted(values)]
    return found
