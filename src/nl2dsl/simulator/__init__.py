"""Runs flows without the world: seeded mock connectors, a virtual clock, the platform's rules for control and expressions.

In: a flow, a catalog, a seed, perhaps trigger data and failures to inject. Out: a `Run`: status, trace, side effects. Two flows are the same when they do the same to
the world (`equivalent`, `effects_equal`).

    done = run(flow, catalog, seed=1)
    done.status, [effect.operation for effect in done.effects]
"""

from nl2dsl.simulator.equivalence import Equivalence, effects_equal, equivalent
from nl2dsl.simulator.execute import Limits
from nl2dsl.simulator.simulate import run
from nl2dsl.simulator.trace import Effect, Entry, Run, render, to_json

__all__ = ["Effect", "Entry", "Equivalence", "Limits", "Run", "effects_equal", "equivalent", "render", "run", "to_json"]
