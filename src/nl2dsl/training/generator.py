"""Trains the embedded model on rows of decisions.

In: `Row`s, tables of embedded catalog texts, the retriever's query embeddings. Out: `encoder` and `writer` weights in a folder, and figures;
checkpoints that a killed run resumes from, bit for bit.

One loss: cross-entropy over what was legal at each decision (typed decoding at training as at serving). In a share of the examples symbols are not restricted,
so that the model also means something without constraints.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from nl2dsl.decoding.actions import FIXED, Kind
from nl2dsl.decoding.tables import Tables
from nl2dsl.errors import ModelError
from nl2dsl.training import minilm, precision
from nl2dsl.training.checkpoint import Checkpoint, chance, set_chance, write
from nl2dsl.training.journal import line
from nl2dsl.training.network import NEVER, WIDTH, Size, Writer
from nl2dsl.training.rows import Row

CANDIDATES = 16
MASK = 103  # of BERT's vocabulary
SKIPS = 50  # steps whose loss was not finite that a training survives
Figures = dict[str, Any]


@dataclass
class Banks:
    """The tables as tensors, with parameter and enum rows padded per operation."""

    tables: Tables
    operations: Tensor
    parameters: Tensor
    enums: Tensor
    triggers: Tensor
    steps: Tensor
    known: Tensor | None
    """For each operation the row of what was learned about it, or -1 when it is new; None when nothing counts, because they go by other words."""

    @classmethod
    def of(cls, tables: Tables) -> Banks:
        t = torch.from_numpy
        known = torch.arange(len(tables.operations))
        return cls(tables, t(tables.operations), t(tables.parameters), t(tables.enums), t(tables.triggers), t(tables.steps), known)

    def renamed(self, operations: Tensor) -> Banks:
        """The same catalog in other words, (n, 384)."""
        return replace(self, operations=operations, known=None)

    def elsewhere(self, known: Tensor) -> Banks:
        """Another catalog than the one that is learned about."""
        return replace(self, known=known)

    def learned(self, residual: Tensor) -> Tensor | None:
        """What was learned about each operation, (n, 384); the average stands for the new ones, as in serving (`engines.embedded.weighed`)."""
        if self.known is None:
            return None
        shown = (residual.detach().abs().sum(1) > 0).sum().clamp(min=1)
        average = residual.detach().sum(0) / shown
        return torch.vstack([residual, average])[self.known]  # -1 is the last row


@dataclass
class Visit:
    """Another house: its catalog, and rows of requests there, ordered by length."""

    banks: Banks
    rows: Sequence[Row]

    def batch(self, size: int, rng: random.Random) -> Sequence[Row]:
        """Neighbours by length."""
        first = rng.randrange(max(1, len(self.rows) - size + 1))
        return self.rows[first : first + size]


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
    """The k best operations of each query, read by spans (b, 1 + w, 384): rows (b, k), scores (b, k) and all scores (b, n). `drop` replaces some by random ones."""
    scores = minilm.fused(retrieved, banks.operations).float()
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


def loss(
    model: Model, batch: Sequence[Row], retrieved: Tensor, banks: Banks, sets: Tensor, *, train: bool = True, masked: float = 0.0
) -> tuple[Tensor, dict[str, tuple[int, int]]]:
    """Mean loss per decision, and (right, all) per class of decision. A share `masked` of the tokens is hidden from the encoder."""
    w = model.writer
    b, longest = len(batch), minilm.rung(max(len(r.tokens) for r in batch))
    ids, valid = torch.zeros(b, longest, dtype=torch.long), torch.zeros(b, longest, dtype=torch.long)
    for i, r in enumerate(batch):
        ids[i, : len(r.tokens)] = torch.from_numpy(r.tokens)
        valid[i, : len(r.tokens)] = 1
    hidden = model.read(_masked(ids, valid, masked) if masked else ids, valid)
    chosen, chosen_scores, scores = candidates(retrieved, banks, drop=0.12 if train else 0.0)
    head = prefix(model, hidden, chosen, chosen_scores, banks)
    steps = minilm.rung(max(len(r.kinds) for r in batch))
    kinds, indices = torch.full((b, steps), -1), torch.zeros(b, steps, dtype=torch.long)
    for i, r in enumerate(batch):
        kinds[i, : len(r.kinds)] = torch.from_numpy(r.kinds)
        indices[i, : len(r.kinds)] = torch.from_numpy(r.indices)
    with torch.autocast(
        "cpu", enabled=False
    ):  # how many decisions of a class a batch holds varies, and bf16 kernels are compiled for every new shape
        decided = _inputs(model, batch, hidden.float(), kinds, indices, banks)
    x = torch.cat([head, decided[:, :-1].to(head.dtype)], dim=1)
    living = torch.cat([valid.bool(), torch.ones(b, CANDIDATES + 1, dtype=torch.bool), (kinds >= 0)[:, :-1]], dim=1)
    positions = living.long().cumsum(1).sub(1).clamp(min=0)
    total = living.shape[1]
    mask = torch.ones(total, total, dtype=torch.bool).tril() & living[:, None, None, :]
    states, _ = w.decoder(x, positions, torch.where(mask, 0.0, NEVER))
    heads = w.heads(states[:, longest + CANDIDATES :])[kinds >= 0]
    with torch.autocast("cpu", enabled=False):
        return _score(model, batch, heads.float(), hidden.float(), scores, banks, sets, train)


def _masked(ids: Tensor, valid: Tensor, share: float) -> Tensor:
    """Token ids (b, t), a share of them hidden; the first and the last of a row stay."""
    inner = valid.roll(-1, dims=1) * valid
    inner[:, [0, -1]] = 0
    return torch.where((torch.rand(ids.shape) < share) & inner.bool(), MASK, ids)


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
    for kind, rows, layer, bank in (
        (Kind.PARAMETER, parameter_rows, w.parameter_in, banks.parameters),
        (Kind.ENUM, enum_rows, w.enum_in, banks.enums),
    ):
        if rows:
            out = out.index_put((kinds == kind).nonzero(as_tuple=True), layer(bank[rows].to(hidden.dtype)).to(hidden.dtype))
    for kind, layer in ((Kind.START, w.start_in), (Kind.END, w.end_in)):
        at = (kinds == kind).nonzero(as_tuple=True)
        out = out.index_put(at, layer(hidden[at[0], indices[at]]).to(hidden.dtype))
    return out


def _score(
    model: Model, batch: Sequence[Row], heads: Tensor, hidden: Tensor, scores: Tensor, banks: Banks, sets: Tensor, train: bool
) -> tuple[Tensor, dict[str, tuple[int, int]]]:
    w, t = model.writer, banks.tables
    flat = {
        name: torch.from_numpy(np.concatenate([getattr(r, name) for r in batch])).long()
        for name in ("kinds", "indices", "fixed_set", "role", "operation", "enum", "start", "first")
    }
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
    block = q @ banks.operations.T + trusted[who] * w.trust * scores[who]
    if (learned := banks.learned(w.residual)) is not None:
        block = block + keep[who] * (q @ learned.T)
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
    for kind, query, rows in (
        (Kind.START, q_start, flat["start"].nonzero().squeeze(1)),
        (Kind.END, q_end, (flat["first"] >= 0).nonzero().squeeze(1)),
    ):
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
    others: Sequence[Banks] = (),
    renamed: float = 0.0,
    houses: Sequence[Visit] = (),
    visits: float = 0.0,
    dropout: float = 0.0,
    masked: float = 0.0,
    seconds: float = math.inf,
    steps: int = 0,
    batch_size: int = 48,
    learning_rate: float = 6e-4,
    encoder_rate: float = 6e-5,
    seed: int = 0,
    validation: dict[str, tuple[Sequence[Row], Callable[[Sequence[Row]], Tensor]]] | None = None,
    every: int = 400,
    evaluate: Callable[[str], Figures] | None = None,
    checkpoint: Checkpoint | None = None,
    log: Callable[[str], None] = print,
    record: Callable[[Figures], None] | None = None,
    tick: Callable[[int, float, float], None] | None = None,
) -> dict[str, Figures]:
    """Trains for `steps`, or for `seconds` when there are none; the learning rate falls with the steps or the clock, which stands during evaluations. Batches hold
    rows of like length. Weights are saved and validated every `every` steps, with the figures that `evaluate` adds for each validation set; `checkpoint` is
    resumed from. A share `renamed` of the steps sees the catalog in the words of one of `others`, a share `visits` is made
    in one of `houses`. `dropout` is that of the decoder, `masked` the share of tokens hidden from the encoder. Returns the figures of the last validation."""
    record = record or (lambda figures: log(line(figures)))
    rng = random.Random(seed)
    groups = [
        {"params": [p for p in model.encoder.parameters() if p.requires_grad], "lr": encoder_rate, "base": encoder_rate},
        {"params": list(model.writer.parameters()), "lr": learning_rate, "base": learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    step, seen, elapsed, skipped, losses, shown = 0, 0, 0.0, 0, list[float](), _none()
    epoch, taken, queue, last, validated = rng.getstate(), 0, list[list[Row]](), dict[str, Figures](), -1
    if checkpoint and (state := checkpoint.load()):
        step, seen, elapsed, losses, shown, taken = (state[name] for name in ("step", "seen", "elapsed", "losses", "shown", "taken"))
        last, validated = json.loads(state.get("last", "{}")), state.get("validated", -1)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        epoch = state["epoch"]
        rng.setstate(epoch)
        queue = _batches(rows, batch_size, rng)
        del queue[len(queue) - taken :]
        set_chance(state, rng)
        log(f"generator: goes on at step {step} after {elapsed:.0f} s")
    kept = time.monotonic()

    def store() -> None:
        nonlocal kept
        if checkpoint:
            now = {"step": step, "seen": seen, "elapsed": elapsed, "losses": losses, "shown": shown, "epoch": epoch, "taken": taken}
            validation = {"last": json.dumps(last), "validated": validated}
            checkpoint.save({**now, **validation, "model": model.state_dict(), "optimizer": optimizer.state_dict(), **chance(rng)})
        kept = time.monotonic()

    for layer in model.writer.decoder.layers:
        layer.dropout.p = dropout  # type: ignore[union-attr]
    model.train()
    while (progress := step / steps if steps else elapsed / seconds) < 1:
        began = time.monotonic()
        if houses and rng.random() < visits:
            house = rng.choice(houses)
            batch, told = house.batch(batch_size, rng), house.banks
        else:
            if not queue:
                epoch, taken = rng.getstate(), 0
                queue = _batches(rows, batch_size, rng)
            batch, taken = queue.pop(), taken + 1
            told = rng.choice(others) if others and rng.random() < renamed else banks
        factor = min(1.0, (step + 1) / 200) * max(0.03, 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * factor
        with precision.autocast():
            value, found = loss(model, batch, retrieved(batch), told, sets, masked=masked)
        optimizer.zero_grad()
        if not torch.isfinite(value):
            skipped, elapsed = skipped + 1, elapsed + time.monotonic() - began
            log(f"step {step}: loss is not finite, step skipped")
            if skipped > SKIPS:
                raise ModelError(f"the loss was not finite {skipped} times", hint="train with a lower learning rate")
            continue
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, seen, elapsed = step + 1, seen + len(batch), elapsed + time.monotonic() - began
        losses.append(value.item())
        _add(shown, found)
        if tick:
            tick(step, step / steps if steps else elapsed / seconds, losses[-1])
        if step % 100 == 0:
            record({"stage": "generator", "step": step, "seconds": elapsed, "rows": seen, "loss": float(np.mean(losses)), "accuracy": _shares(shown)})
            losses, shown = [], _none()
        if step % every == 0:
            last, validated = _validate(model, validation or {}, banks, sets, evaluate, step, record), step
            save(model, out)
            store()
        elif checkpoint and time.monotonic() - kept > checkpoint.seconds:
            store()
    if validated != step:
        last, validated = _validate(model, validation or {}, banks, sets, evaluate, step, record), step
        save(model, out)
        store()  # knows that it was validated: a run killed from here on tells nothing twice
    return {name: {"steps": step, "seconds": elapsed, **figures} for name, figures in last.items()}


def _none() -> dict[str, list[int]]:
    return {k.name.lower(): [0, 0] for k in Kind}


def _add(shown: dict[str, list[int]], found: dict[str, tuple[int, int]]) -> None:
    for name, (right, n) in found.items():
        shown[name][0] += right
        shown[name][1] += n


def _shares(shown: dict[str, list[int]]) -> dict[str, float]:
    """Accuracy per class of decision, of the classes that occurred."""
    return {name: right / n for name, (right, n) in shown.items() if n}


def _batches(rows: Sequence[Row], size: int, rng: random.Random) -> list[list[Row]]:
    order = list(rows)
    rng.shuffle(order)
    queue = []
    for start in range(0, len(order), size * 40):  # like lengths together, within a stretch of the shuffled order
        stretch = sorted(order[start : start + size * 40], key=lambda r: (len(r.tokens) + len(r.kinds), r.query))
        queue += [part for i in range(0, len(stretch), size) if len(part := stretch[i : i + size]) == size or len(order) < size]  # one height only
    rng.shuffle(queue)
    return queue


def _validate(
    model: Model,
    sets_of_rows: dict[str, tuple[Sequence[Row], Callable[[Sequence[Row]], Tensor]]],
    banks: Banks,
    sets: Tensor,
    evaluate: Callable[[str], Figures] | None,
    step: int,
    record: Callable[[Figures], None],
) -> dict[str, Figures]:
    model.eval()
    made: dict[str, Figures] = {}
    for name, (rows, retrieved) in sets_of_rows.items():
        total, shown = 0.0, _none()
        with torch.no_grad(), precision.autocast():
            for start in range(0, len(rows), 64):
                part = rows[start : start + 64]
                value, found = loss(model, part, retrieved(part), banks, sets, train=False)
                total += value.item() * len(part)
                _add(shown, found)
        if rows:
            made[name] = {"n": len(rows), "loss": total / len(rows), "accuracy": _shares(shown), **(evaluate(name) if evaluate else {})}
            record({"stage": "generator", "set": name, "step": step, **made[name]})
    model.train()
    return made


def save(model: Model, out: Path) -> None:
    """Weights, written beside and then renamed, so that a killed run leaves the last good ones."""
    for name, part in (("encoder", model.encoder), ("writer", model.writer)):
        write(part.state_dict(), out / f"{name}.pt")
