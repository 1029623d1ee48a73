"""Decodes with the model as it is trained, and measures the flows.

In: a `Model` in the middle of its training, or any other scorer; rows. Out: `ModelScorer`, the scorer of typed search over PyTorch (the shipped one runs on OpenVINO), which
with the vocabulary of `serving` decodes as the engine does, and `measure`: similarity (LCSS of operations over the longer flow), exact operations, same decisions, and the share of
flows that do not parse or check. A flow is what `generate` would hand out: repetitions dropped, wired, checked; what has errors is no flow and like nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from nl2dsl.decoding.actions import Decision, Kind, NotSayable, Query, decode
from nl2dsl.decoding.automaton import Automaton
from nl2dsl.decoding.search import Scorer, search
from nl2dsl.decoding.tables import Floats, Tables
from nl2dsl.dsl import checker, tree, wiring
from nl2dsl.dsl.sketch import Sketch, once
from nl2dsl.dsl.tree import Flow
from nl2dsl.engines.embedded import Vocabulary, weighed
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.training.generator import Banks, Model, candidates, prefix
from nl2dsl.training.network import NEVER, WIDTH, Writer
from nl2dsl.training.rows import Ints, Row


def serving(writer: Writer, tables: Tables, held_out: Collection[str], share: float, novelty: float) -> Vocabulary:
    """The operations as the exported model will point at them: with a share of what was learned about each; those of `held_out` connectors are new and get the bonus of novelty."""
    known = np.array([connector not in held_out for connector in tables.connectors])
    residual = np.where(known[:, None], writer.residual.detach().numpy(), 0.0).astype(np.float32)
    return weighed(tables, residual, np.where(known, np.arange(len(known)), -1).tolist(), share, novelty)


class ModelScorer:
    """One query in the decoder; without a `vocabulary` operations are scored as in the loss. Arithmetic is float32: every step has a shape of its own, and bf16 kernels are compiled per shape."""

    def __init__(self, model: Model, tokens: Ints, retrieved: Tensor, banks: Banks, vocabulary: Vocabulary | None = None) -> None:
        self.model, self.banks, self.vocabulary = model, banks, vocabulary
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
        w, q, v = self._scorer.model.writer, self._queries[0], self._scorer.vocabulary
        with torch.inference_mode():
            trusted = w.trust * self._scorer.scores[0]
            if v is not None:
                return (q @ torch.from_numpy(v.keys) + torch.from_numpy(v.bonus) + trusted).numpy()
            return ((self._scorer.banks.operations + w.residual) @ q + trusted).numpy()

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
        made = _served(found.decisions, query, tables) if found.complete else None
        told, asked = (
            [] if flow is None else list(tree.operations(flow)) for flow in (made, _wired(decode(wanted, query, tables.list), query, tables))
        )
        totals["similarity"] += flow_similarity(told, asked)
        totals["exact"] += made is not None and told == asked
        totals["same"] += found.decisions == wanted
        totals["non_parsed"] += made is None
    return {"decoded": len(rows), **{name: total / max(len(rows), 1) for name, total in totals.items()}}


def _served(decisions: Sequence[Decision], query: Query, tables: Tables) -> Flow | None:
    """The flow as serving hands it out; None when there is none or it has errors."""
    try:
        flow = _wired(once(decode(decisions, query, tables.list)), query, tables)
    except (NotSayable, ValueError, IndexError):
        return None
    return None if any(d.severity == "error" for d in checker.check(flow, tables.catalog)) else flow


def _wired(sketch: Sketch, query: Query, tables: Tables) -> Flow:
    return wiring.complete(sketch, tables.catalog, query.text)
