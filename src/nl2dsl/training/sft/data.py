"""Rows of the corpus as token ids: the prompt that serving writes, then the flow; and the batches of a step.

In: examples, a catalog, a tokenizer. Out: `Encoded` rows and, for each step, `Pack`s: tensors of one forward pass. The prompt comes from `prompts.write_flow` with the
operations and examples that `textual` (or the RAG baseline, for shots) would offer, so that training and serving see the same words. The loss is over the flow
alone. What a step takes depends on the seed and the step only, not on how many processes share it.
"""

from __future__ import annotations

import hashlib
import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.engines.hf import render
from nl2dsl.example import Example
from nl2dsl.prompts import Shot, write_flow
from nl2dsl.training.sft import attention
from nl2dsl.training.sft.rows import offered

IGNORED = -100
Offer = Callable[[str], list[Operation]]
Show = Callable[[Example], Sequence[Shot]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row: ids of prompt and flow with the end token, and how many of them are the prompt's."""

    ids: array[int]
    prompt: int


@dataclass(frozen=True, slots=True)
class Pack:
    """One forward pass: `ids` (b, t); `positions` (1, t) and `rows` for a packed row or `mask` (b, t) for a padded batch; `keep` (k) are the places that are asked, `labels` (b, k)."""

    ids: Tensor
    positions: Tensor | None
    mask: Tensor | None
    keep: Tensor
    labels: Tensor
    targets: int
    useful: int
    """Tokens that are no padding."""
    rows: tuple[int, ...] = ()
    """Lengths of what stands behind each other in a line, the padding at the end of a pack among them."""


# --- rows to tokens ------------------------------------------------------------------------------------------------------------


def encode(rows: Iterable[Example], catalog: Catalog, tokenizer: Any, offer: Offer, show: Show | None = None) -> Iterable[Encoded]:
    """Each row as serving would ask it and as it is answered."""
    for row in rows:
        prompt = write_flow(row.query, offered(offer(row.query), row, catalog), show(row) if show else ())
        asked = tokenizer(render(tokenizer, prompt), add_special_tokens=False)["input_ids"]
        said = tokenizer(row.dsl.strip(), add_special_tokens=False)["input_ids"]
        yield Encoded(array("i", [*asked, *said, tokenizer.eos_token_id]), len(asked))


def fitting(found: Iterable[Encoded], longest: int) -> tuple[list[Encoded], int]:
    """Rows of at most so many tokens, and how many were left out."""
    every = list(found)
    kept = [row for row in every if len(row.ids) <= longest]
    return kept, len(every) - len(kept)


def digest(rows: Sequence[Encoded]) -> str:
    """Names what is trained on, token by token."""
    hashed = hashlib.sha256()
    for row in rows:
        hashed.update(row.prompt.to_bytes(4, "little") + row.ids.tobytes())
    return hashed.hexdigest()


# --- steps ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Steps:
    """Which rows each step takes: one permutation of all rows after the other."""

    rows: Sequence[Encoded]
    batch: int
    seed: int

    def of(self, step: int) -> list[Encoded]:
        """The rows of a step, from 0."""
        n = len(self.rows)
        places = range(step * self.batch, (step + 1) * self.batch)
        orders = {epoch: self._order(epoch) for epoch in {p // n for p in places}}
        return [self.rows[orders[p // n][p % n]] for p in places]

    def _order(self, epoch: int) -> list[int]:
        order = list(range(len(self.rows)))
        random.Random(f"{self.seed} epoch {epoch}").shuffle(order)
        return order


def packs(rows: Sequence[Encoded], batching: str, room: int, pad: int, multiple: int, processes: int = 1) -> list[Pack]:
    """The forward passes for these rows, none with more than `room` tokens (a single longer row gets a pass of its own); where there are rows enough, as many for each process."""
    if batching == "packed":
        return [_packed(group, pad, multiple) for group in _shared(_bins(rows, room), rows, room, processes)]
    return [_grouped(group, pad, multiple) for group in _groups(rows, room, multiple)]


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _shared(bins: list[list[Encoded]], rows: Sequence[Encoded], room: int, processes: int) -> list[list[Encoded]]:
    """The same rows in as many bins for each process, of about the same length: each next row, longest first, into the emptiest."""
    wanted = min(len(rows), -(-len(bins) // processes) * processes)
    if processes == 1 or wanted == len(bins):
        return bins
    made: list[list[Encoded]] = [[] for _ in range(wanted)]
    filled = [0] * wanted
    for row in sorted(rows, key=lambda r: -len(r.ids)):
        place = min(range(wanted), key=filled.__getitem__)
        made[place].append(row)
        filled[place] += len(row.ids)
    return made if max(filled) <= max(room, max(len(r.ids) for r in rows)) else bins


def _bins(rows: Sequence[Encoded], room: int) -> list[list[Encoded]]:
    """First fit, longest first."""
    made: list[tuple[list[int], list[Encoded]]] = []
    for row in sorted(rows, key=lambda r: -len(r.ids)):
        place = next((b for b in made if b[0][0] + len(row.ids) <= room), None)
        if place is None:
            made.append(([len(row.ids)], [row]))
        else:
            place[0][0] += len(row.ids)
            place[1].append(row)
    return [group for _, group in made]


def _groups(rows: Sequence[Encoded], room: int, multiple: int) -> list[list[Encoded]]:
    """Rows of like length side by side."""
    made: list[list[Encoded]] = []
    for row in sorted(rows, key=lambda r: -len(r.ids)):
        if made and _up(len(made[-1][0].ids), multiple) * (len(made[-1]) + 1) <= room:
            made[-1].append(row)
        else:
            made.append([row])
    return made


def _packed(rows: Sequence[Encoded], pad: int, multiple: int) -> Pack:
    """Rows behind each other; positions begin anew with each, which is how attention tells them apart. The padding at the end is a row of its own."""
    ids, positions, keep, labels = list[int](), list[int](), list[int](), list[int]()
    for row in rows:
        keep += range(len(ids) + row.prompt - 1, len(ids) + len(row.ids) - 1)
        labels += row.ids[row.prompt :]
        ids += row.ids
        positions += range(len(row.ids))
    useful = len(ids)
    rest = _up(useful, multiple) - useful
    ids, positions = ids + [pad] * rest, [*positions, *range(rest)]
    lengths = (*(len(row.ids) for row in rows), *((rest,) if rest else ()))
    return Pack(torch.tensor([ids]), torch.tensor([positions]), None, torch.tensor(keep), torch.tensor([labels]), len(labels), useful, lengths)


def _grouped(rows: Sequence[Encoded], pad: int, multiple: int) -> Pack:
    """Rows below each other, padded at the end."""
    wide = _up(max(len(r.ids) for r in rows), multiple)
    ids, mask, labels = torch.full((len(rows), wide), pad), torch.zeros((len(rows), wide), dtype=torch.long), torch.full((len(rows), wide), IGNORED)
    for i, row in enumerate(rows):
        n = len(row.ids)
        ids[i, :n], mask[i, :n] = torch.tensor(row.ids), 1
        labels[i, row.prompt - 1 : n - 1] = torch.tensor(row.ids[row.prompt :])
    keep = torch.nonzero((labels != IGNORED).any(0))[:, 0]
    labels = labels[:, keep]
    return Pack(ids, None, mask, keep, labels, int((labels != IGNORED).sum()), int(mask.sum()), (wide,))


def loss(model: Any, pack: Pack) -> Tensor:
    """Cross-entropy of the flows' tokens, summed; logits are made only where they are asked."""
    given: dict[str, Any] = {"position_ids": pack.positions} if pack.positions is not None else {"attention_mask": pack.mask}
    if by_rows := model_attention(model) == attention.NAME:
        given = {"position_ids": pack.positions, "rows": pack.rows}
    with attention.unmasked(by_rows):
        logits = model(input_ids=pack.ids, use_cache=False, logits_to_keep=pack.keep, **given).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), pack.labels.flatten(), ignore_index=IGNORED, reduction="sum")


def model_attention(model: Any) -> str:
    """How the model attends; it may be wrapped by what distributes or compiles it."""
    while hasattr(model, "module"):
        model = model.module
    return str(model.config._attn_implementation)


def moved(pack: Pack, device: Any) -> Pack:
    there: dict[str, Any] = {n: v.to(device) if isinstance(v := getattr(pack, n), Tensor) else v for n in Pack.__slots__}
    return Pack(**there)
