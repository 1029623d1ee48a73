"""Trains the embedded model on rows of decisions.

In: `Row`s, tables of embedded catalog texts, the retriever's query embeddings. Out: a folder with `encoder` and `writer` weights, `tables.npz` and a card;
checkpoints that a killed run resumes from.

One loss: cross-entropy over what was legal at each decision (typed decoding at training as at serving). In a share of the examples symbols are not restricted,
so that the model also means something without constraints.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from nl2dsl.decoding.actions import FIXED, Kind
from nl2dsl.decoding.tables import Tables
from nl2dsl.training import minilm
from nl2dsl.training.network import WIDTH, Size, Writer
from nl2dsl.training.rows import Row

CANDIDATES = 16
NEVER = -1e4


@dataclass
class Banks:
    """The tables as tensors, with parameter and enum rows padded per operation."""

    tables: Tables
    operations: Tensor
    parameters: Tensor
    enums: Tensor
    triggers: Tensor
    steps: Tensor

    @classmethod
    def of(cls, tables: Tables) -> Banks:
        t = torch.from_numpy
        return cls(tables, t(tables.operations), t(tables.parameters), t(tables.enums), t(tables.triggers), t(tables.steps))


class Model(nn.Module):
    """Encoder and writer together, as trained."""

    def __init__(self, encoder: Any, size: Size, banks: Banks) -> None:
        super().__init__()
        self.encoder = encoder
        self.encoder.embeddings.requires_grad_(False)  # shared with the retriever when shipped
        self.writer = Writer(size, len(FIXED), len(banks.operations))

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[no-any-return]


def candidates(retrieved: Tensor, banks: Banks, k: int = CANDIDATES, drop: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """The k best operations of each query: rows (b, k), scores (b, k) and all scores (b, n). `drop` replaces some by random ones."""
    scores = retrieved @ banks.operations.T
    best = scores.topk(k, dim=1)
    chosen = best.indices
    if drop:
        swap = torch.rand(chosen.shape) < drop
        chosen = torch.where(swap, torch.randint(0, scores.shape[1], chosen.shape), chosen)
    return chosen, scores.gather(1, chosen), scores


def prefix(model: Model, hidden: Tensor, chosen: Tensor, scores: Tensor, banks: Banks) -> Tensor:
    """(b, l + k + 1, h): the query's states, the candidates, and the symbol that begins the flow."""
    w = model.writer
    offered = w.candidate_in(torch.cat([banks.operations[chosen], scores.unsqueeze(-1)], dim=-1).to(hidden.dtype))
    begin = w.symbol.weight[-1].expand(len(hidden), 1, -1).to(hidden.dtype)
    return torch.cat([w.query_in(hidden), offered, begin], dim=1)


def loss(model: Model, batch: Sequence[Row], retrieved: Tensor, banks: Banks, sets: Tensor, *, train: bool = True) -> tuple[Tensor, dict[str, tuple[int, int]]]:
    """Mean loss per decision, and (right, all) per class of decision."""
    w, tables = model.writer, banks.tables
    b, longest = len(batch), minilm.bucket(max(len(r.tokens) for r in batch))
    ids, valid = torch.zeros(b, longest, dtype=torch.long), torch.zeros(b, longest, dtype=torch.long)
    for i, r in enumerate(batch):
        ids[i, : len(r.tokens)] = torch.from_numpy(r.tokens)
        valid[i, : len(r.tokens)] = 1
    hidden = model.read(ids, valid)
    chosen, chosen_scores, scores = candidates(retrieved, banks, drop=0.12 if train else 0.0)
    head = prefix(model, hidden, chosen, chosen_scores, banks)
    steps = minilm.bucket(max(len(r.kinds) for r in batch), 8)
    kinds, indices = torch.full((b, steps), -1), torch.zeros(b, steps, dtype=torch.long)
    for i, r in enumerate(batch):
        kinds[i, : len(r.kinds)] = torch.from_numpy(r.kinds)
        indices[i, : len(r.kinds)] = torch.from_numpy(r.indices)
    x = torch.cat([head, _inputs(model, batch, hidden, kinds, indices, banks)[:, :-1]], dim=1)
    living = torch.cat([valid.bool(), torch.ones(b, CANDIDATES + 1, dtype=torch.bool), (kinds >= 0)[:, :-1]], dim=1)
    positions = living.long().cumsum(1).sub(1).clamp(min=0)
    total = living.shape[1]
    mask = torch.ones(total, total, dtype=torch.bool).tril() & living[:, None, None, :]
    states, _ = w.decoder(x, positions, torch.where(mask, 0.0, NEVER))
    heads = w.heads(states[:, longest + CANDIDATES :])[kinds >= 0]
    with torch.autocast("cpu", enabled=False):  # counts of rows vary here, which bf16 kernels pay for dearly
        return _score(model, batch, heads.float(), hidden.float(), scores, banks, sets, train)


def _inputs(model: Model, batch: Sequence[Row], hidden: Tensor, kinds: Tensor, indices: Tensor, banks: Banks) -> Tensor:
    """Input embeddings of the decisions, (b, t, h)."""
    w, t = model.writer, banks.tables
    out = torch.zeros(*kinds.shape, w.size.hidden_size, dtype=hidden.dtype)
    out = torch.where((kinds == Kind.FIXED).unsqueeze(-1), w.symbol(indices * (kinds == Kind.FIXED)).to(hidden.dtype), out)
    at = (kinds == Kind.OPERATION).nonzero(as_tuple=True)
    out = out.index_put(at, w.operation_in(banks.operations[indices[at]].to(hidden.dtype)).to(hidden.dtype))
    parameter_rows, enum_rows = [], []
    for r in batch:
        called = -1
        for kind, index, enum in zip(r.kinds, r.indices, r.enum, strict=True):
            if kind == Kind.OPERATION:
                called = int(index)
            elif kind == Kind.PARAMETER:
                parameter_rows.append(int(t.parameters_of(called)[index]))
            elif kind == Kind.ENUM:
                enum_rows.append(t.enum_value(called, int(enum), int(index)))
    for kind, rows, layer, bank in ((Kind.PARAMETER, parameter_rows, w.parameter_in, banks.parameters), (Kind.ENUM, enum_rows, w.enum_in, banks.enums)):
        if rows:
            out = out.index_put((kinds == kind).nonzero(as_tuple=True), layer(bank[rows].to(hidden.dtype)).to(hidden.dtype))
    for kind, layer in ((Kind.START, w.start_in), (Kind.END, w.end_in)):
        at = (kinds == kind).nonzero(as_tuple=True)
        out = out.index_put(at, layer(hidden[at[0], indices[at]]).to(hidden.dtype))
    return out


def _score(model: Model, batch: Sequence[Row], heads: Tensor, hidden: Tensor, scores: Tensor, banks: Banks, sets: Tensor, train: bool) -> tuple[Tensor, dict[str, tuple[int, int]]]:
    w, t = model.writer, banks.tables
    flat = {name: torch.from_numpy(np.concatenate([getattr(r, name) for r in batch])).long() for name in ("kinds", "indices", "fixed_set", "role", "operation", "enum", "start", "first")}
    owner = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor([len(r.kinds) for r in batch]))
    weight = torch.tensor([r.weight for r in batch])[owner]
    fixed, q_operation, q_parameter, q_enum, q_start, q_end = w.split(heads)
    n = len(heads)
    loose = (torch.rand(len(batch)) < (0.25 if train else 0.0))[owner]
    keep = (torch.rand(len(batch), 1) > (0.3 if train else 0.0)).float()
    trusted = (torch.rand(len(batch), 1) > (0.25 if train else 0.0)).float()
    columns = [(fixed + w.fixed_bias).masked_fill(~(sets[flat["fixed_set"]] | loose[:, None]), NEVER)]
    targets = torch.where(flat["kinds"] == Kind.FIXED, flat["indices"], 0)

    def add(rows: Tensor, block: Tensor, kind: Kind) -> None:
        nonlocal targets
        wide = torch.full((n, block.shape[1]), NEVER)
        columns.append(wide.index_copy(0, rows, block))
        offset = sum(c.shape[1] for c in columns[:-1])
        targets = torch.where(flat["kinds"] == kind, flat["indices"] + offset, targets)

    rows = (flat["role"] > 0).nonzero().squeeze(1)
    who = owner[rows]
    q = q_operation[rows]
    block = q @ banks.operations.T + keep[who] * (q @ w.residual.T + w.prior) + trusted[who] * w.trust * scores[who]
    legal = torch.where((flat["role"][rows] == 1).unsqueeze(1), banks.triggers, banks.steps)
    add(rows, block.masked_fill(~legal, NEVER), Kind.OPERATION)
    rows = (flat["operation"] >= 0).nonzero().squeeze(1)
    if len(rows):
        lists = [t.parameters_of(int(o)) for o in flat["operation"][rows]]
        block = _pointed(q_parameter[rows], lists, banks.parameters)
        _forbid_given(block, batch, owner, rows, flat)
        add(rows, block, Kind.PARAMETER)
    rows = (flat["enum"] >= 0).nonzero().squeeze(1)
    if len(rows):
        called = _called(flat)
        lists = [t.enums_at(int(called[r]), int(flat["enum"][r])) for r in rows]
        add(rows, _pointed(q_enum[rows], lists, banks.enums), Kind.ENUM)
    lengths = torch.tensor([len(r.tokens) for r in batch])
    place = torch.arange(hidden.shape[1])
    for kind, query, rows in ((Kind.START, q_start, flat["start"].nonzero().squeeze(1)), (Kind.END, q_end, (flat["first"] >= 0).nonzero().squeeze(1))):
        if not len(rows):
            continue
        who = owner[rows]
        block = torch.einsum("nd,nld->nl", query[rows], hidden[who]) / math.sqrt(WIDTH)
        block = block.masked_fill((place >= lengths[who, None] - 1) | (place == 0), NEVER)
        if kind == Kind.END:
            block = block.masked_fill(place < flat["first"][rows, None], NEVER)
        add(rows, block, kind)
    logp = log_softmax(torch.cat(columns, dim=1), dim=1)
    nll = -logp.gather(1, targets[:, None]).squeeze(1)
    right = logp.argmax(1) == targets
    found = {k.name.lower(): (int(right[flat["kinds"] == k].sum()), int((flat["kinds"] == k).sum())) for k in Kind}
    return (nll * weight).sum() / weight.sum(), found


def _called(flat: dict[str, Tensor]) -> list[int]:
    called, out = -1, []
    for kind, index in zip(flat["kinds"].tolist(), flat["indices"].tolist(), strict=True):
        if kind == Kind.OPERATION:
            called = index
        out.append(called)
    return out


def _pointed(queries: Tensor, lists: Sequence[Any], bank: Tensor) -> Tensor:
    widest = max(len(rows) for rows in lists)
    index = torch.zeros(len(lists), widest, dtype=torch.long)
    valid = torch.zeros(len(lists), widest, dtype=torch.bool)
    for i, rows in enumerate(lists):
        index[i, : len(rows)] = torch.from_numpy(rows)
        valid[i, : len(rows)] = True
    return torch.einsum("nd,npd->np", queries, bank[index]).masked_fill(~valid, NEVER)


def _forbid_given(block: Tensor, batch: Sequence[Row], owner: Tensor, rows: Tensor, flat: dict[str, Tensor]) -> None:
    """Parameters already given to the call cannot be chosen again."""
    given: list[int] = []
    line = {int(r): i for i, r in enumerate(rows)}
    for position, (kind, index) in enumerate(zip(flat["kinds"].tolist(), flat["indices"].tolist(), strict=True)):
        if position in line and given:
            block[line[position], given] = NEVER
        if kind == Kind.OPERATION:
            given = []
        elif kind == Kind.PARAMETER:
            given = [*given, index]


def train(
    rows: Sequence[Row],
    model: Model,
    retrieved: Callable[[Sequence[Row]], Tensor],
    banks: Banks,
    sets: Tensor,
    out: Path,
    *,
    seconds: float,
    batch_size: int = 48,
    learning_rate: float = 6e-4,
    encoder_rate: float = 6e-5,
    seed: int = 0,
    validation: dict[str, tuple[Sequence[Row], Callable[[Sequence[Row]], Tensor]]] | None = None,
    every: int = 400,
    log: Callable[[str], None] = print,
) -> None:
    """Trains for `seconds`; the learning rate falls with the clock. Batches hold rows of like length. Checkpoint and validation every `every` steps."""
    rng = random.Random(seed)
    groups = [
        {"params": [p for p in model.encoder.parameters() if p.requires_grad], "lr": encoder_rate, "base": encoder_rate},
        {"params": list(model.writer.parameters()), "lr": learning_rate, "base": learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    began, step, shown, losses, seen = time.monotonic(), 0, {k.name.lower(): [0, 0] for k in Kind}, [], 0
    queue: list[list[Row]] = []
    model.train()
    while (progress := (time.monotonic() - began) / seconds) < 1:
        if not queue:
            queue = _batches(rows, batch_size, rng)
        batch = queue.pop()
        factor = min(1.0, (step + 1) / 200) * max(0.03, 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * factor
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value, found = loss(model, batch, retrieved(batch), banks, sets)
        if not torch.isfinite(value):
            log(f"step {step}: loss is not finite, step skipped")
            optimizer.zero_grad()
            continue
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, seen = step + 1, seen + len(batch)
        losses.append(value.item())
        for name, (right, n) in found.items():
            shown[name][0] += right
            shown[name][1] += n
        if step % 100 == 0:
            log(f"step {step}  {time.monotonic() - began:.0f} s  {seen} rows  loss {np.mean(losses):.3f}  " + _accuracy(shown))
            losses, shown = [], {k.name.lower(): [0, 0] for k in Kind}
        if step % every == 0:
            _validate(model, validation or {}, banks, sets, log)
            save(model, out)
    _validate(model, validation or {}, banks, sets, log)
    save(model, out)


def _accuracy(found: dict[str, Any]) -> str:
    return " ".join(f"{name} {right / n:.3f}" for name, (right, n) in found.items() if n)


def _batches(rows: Sequence[Row], size: int, rng: random.Random) -> list[list[Row]]:
    order = list(rows)
    rng.shuffle(order)
    queue = []
    for start in range(0, len(order), size * 40):  # like lengths together, within a stretch of the shuffled order
        stretch = sorted(order[start : start + size * 40], key=lambda r: (len(r.tokens) + len(r.kinds), r.query))
        queue += [stretch[i : i + size] for i in range(0, len(stretch), size)]
    rng.shuffle(queue)
    return queue


def _validate(model: Model, sets_of_rows: dict[str, tuple[Sequence[Row], Callable[[Sequence[Row]], Tensor]]], banks: Banks, sets: Tensor, log: Callable[[str], None]) -> None:
    model.eval()
    for name, (rows, retrieved) in sets_of_rows.items():
        total, shown, n = 0.0, {k.name.lower(): [0, 0] for k in Kind}, 0
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            for start in range(0, len(rows), 64):
                part = rows[start : start + 64]
                value, found = loss(model, part, retrieved(part), banks, sets, train=False)
                total += value.item() * len(part)
                n += len(part)
                for kind, (right, count) in found.items():
                    shown[kind][0] += right
                    shown[kind][1] += count
        if n:
            log(f"  {name}: n {n} loss {total / n:.3f}  " + _accuracy(shown))
    model.train()


def save(model: Model, out: Path) -> None:
    """Weights, written beside and then renamed, so that a killed run leaves the last good ones."""
    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("encoder", model.encoder), ("writer", model.writer)):
        torch.save(part.state_dict(), out / f"{name}.pt.new")
        (out / f"{name}.pt.new").replace(out / f"{name}.pt")
