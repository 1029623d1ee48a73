"""Decodes with the model as it is trained, and measures the flows.

In: a `Model` in the middle of its training, or any other scorer; rows. Out: `ModelScorer`, the scorer of typed search over PyTorch (the shipped one runs on OpenVINO),
and `measure`: similarity (LCSS of operations over the longer flow), exact operations, same decisions, and the share of flows that do not parse or check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nl2dsl.decoding.actions import Decision, Kind, NotSayable, Query, decode
from nl2dsl.decoding.automaton import Automaton
from nl2dsl.decoding.search import Scorer, search
from nl2dsl.decoding.tables import Floats, Tables
from nl2dsl.dsl import checker, wiring
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.training.generator import NEVER, Banks, Model, candidates, prefix
from nl2dsl.training.network import WIDTH
from nl2dsl.training.rows import Ints, Row


class ModelScorer:
    """One query in the decoder. Arithmetic is float32: every step has a shape of its own, and bf16 kernels are compiled per shape."""

    def __init__(self, model: Model, tokens: Ints, retrieved: Tensor, banks: Banks) -> None:
        self.model, self.banks = model, banks
        with torch.inference_mode():
            ids = torch.from_numpy(tokens).long()[None]
            self.hidden = model.read(ids, torch.ones_like(ids))
            chosen, offered, self.scores = candidates(retrieved[None], banks)
            self._waiting = prefix(model, self.hidden, chosen, offered, banks)
        self._past: list[tuple[Tensor, Tensor]] | None = None
        self._called = self._parameter = -1

    def push(self, decisions: list[Decision]) -> ModelScores:
        with torch.inference_mode():
            x = torch.cat([self._waiting, *(self._input(d)[None, None] for d in decisions)], dim=1)
            self._waiting = x[:, :0]
            before = self._past[0][0].shape[2] if self._past else 0
            positions = torch.arange(before, before + x.shape[1])
            mask = torch.where(torch.arange(before + x.shape[1])[None] <= positions[:, None], 0.0, NEVER)
            states, self._past = self.model.writer.decoder(x, positions[None], mask[None, None], self._past)
            return ModelScores(self, self.model.writer.heads(states[0, -1]))

    def _input(self, d: Decision) -> Tensor:
        w, b, t = self.model.writer, self.banks, self.banks.tables
        match d.kind:
            case Kind.FIXED:
                made = w.symbol.weight[d.index]
            case Kind.OPERATION:
                self._called = d.index
                made = w.operation_in(b.operations[d.index])
            case Kind.PARAMETER:
                self._parameter = d.index
                made = w.parameter_in(b.parameters[int(t.parameters_of(self._called)[d.index])])
            case Kind.ENUM:
                made = w.enum_in(b.enums[t.enum_value(self._called, self._parameter, d.index)])
            case Kind.START:
                made = w.start_in(self.hidden[0, d.index])
            case Kind.END:
                made = w.end_in(self.hidden[0, d.index])
        return made


class ModelScores:
    """Scores at one place; each class is computed only when it is asked for."""

    def __init__(self, scorer: ModelScorer, heads: Tensor) -> None:
        self._scorer = scorer
        fixed, *self._queries = scorer.model.writer.split(heads)
        self.fixed: Floats = (fixed + scorer.model.writer.fixed_bias).numpy()

    def operations(self) -> Floats:
        w, q = self._scorer.model.writer, self._queries[0]
        with torch.inference_mode():
            made = (self._scorer.banks.operations + w.residual) @ q + w.trust * self._scorer.scores[0]
        return made.numpy()

    def parameters(self, operation: int) -> Floats:
        return self._pointed(1, self._scorer.banks.parameters[self._scorer.banks.tables.parameters_of(operation)])

    def enums(self, operation: int, parameter: int) -> Floats:
        return self._pointed(2, self._scorer.banks.enums[self._scorer.banks.tables.enums_at(operation, parameter)])

    def starts(self) -> Floats:
        return self._pointed(3, self._scorer.hidden[0]) / np.float32(WIDTH**0.5)

    def ends(self) -> Floats:
        return self._pointed(4, self._scorer.hidden[0]) / np.float32(WIDTH**0.5)

    def _pointed(self, query: int, keys: Tensor) -> Floats:
        with torch.inference_mode():
            return (keys @ self._queries[query]).numpy()


def gold(row: Row) -> list[Decision]:
    """The decisions that a row was made of."""
    return [Decision(Kind(kind), int(index)) for kind, index in zip(row.kinds, row.indices, strict=True)]


def measure(rows: Sequence[Row], read: Callable[[str], Query], start: Callable[[Row], Scorer], tables: Tables) -> dict[str, float]:
    """Means over the rows: `similarity`, `exact` (the operations in order), `same` (every decision), `non_parsed`."""
    totals = dict.fromkeys(("similarity", "exact", "same", "non_parsed"), 0.0)
    for row in rows:
        query, wanted = read(row.query), gold(row)
        found = search(start(row), Automaton(tables.list, query), tables)
        told, asked = ([tables.list[d.index].id for d in some if d.kind == Kind.OPERATION] for some in (found.decisions, wanted))
        totals["similarity"] += flow_similarity(told, asked)
        totals["exact"] += told == asked
        totals["same"] += found.decisions == wanted
        totals["non_parsed"] += not found.complete or not _checks(found.decisions, query, tables)
    return {"decoded": len(rows), **{name: total / max(len(rows), 1) for name, total in totals.items()}}


def _checks(decisions: Sequence[Decision], query: Query, tables: Tables) -> bool:
    try:
        flow = wiring.complete(decode(decisions, query, tables.list), tables.catalog, query.text)
    except NotSayable:
        return False
    return not any(d.severity == "error" for d in checker.check(flow, tables.catalog))
