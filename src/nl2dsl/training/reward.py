"""How good an answer is, for learning from answers of one's own: it compiles, it does what the right flow does, its operations are like the right ones.

In: what a generator made of an answer, the right flow, a catalog. Out: a `Score` between 0 and 1. No model judges and nobody is asked: the checker, the simulator and the measure of the paper are all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.evaluation import execution, metrics
from nl2dsl.example import Example
from nl2dsl.outcome import Authored, Outcome


@dataclass(frozen=True)
class Weights:
    """Parts of the reward; they add up to 1."""

    compiles: float = 0.2
    similarity: float = 0.4
    """Times the similarity of the operations."""
    execution: float = 0.4
    """Same side effects as the right flow, under eight seeds of the simulator."""

    def __post_init__(self) -> None:
        if min(self.compiles, self.similarity, self.execution) < 0 or abs(self.compiles + self.similarity + self.execution - 1) > 1e-9:
            raise ValueError("the parts of the reward are not below 0 and add up to 1")

    def __str__(self) -> str:
        return f"{self.compiles:g} compiles + {self.similarity:g} flow similarity + {self.execution:g} execution equivalence (8 seeds); 0 for what is no flow"


@dataclass(frozen=True, slots=True)
class Score:
    reward: float = 0.0
    flow_similarity: float = 0.0
    exact: bool = False
    equivalent: bool = False
    non_parsed: bool = True

    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Score:
        return cls(**{name: row[name] for name in cls.__slots__})


def score(made: Outcome, gold: Example, catalog: Catalog, weights: Weights) -> Score:
    """What is no flow, has errors or is a refusal scores nothing."""
    if not isinstance(made, Authored):
        return Score()
    similar = metrics.flow_similarity(made.operations, gold.operations)
    same = execution.compare(gold.dsl, made.dsl, catalog).equal
    reward = weights.compiles + weights.similarity * similar + weights.execution * same
    return Score(reward, similar, metrics.exact(made.operations, [gold.operations]), same, False)
