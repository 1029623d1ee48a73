"""Trains the guard (`engines.guard`) over a retriever that stands still.

In: readings (`retrieval.spans`) of requests with their categories, and of ordinary requests. Out: a `Guard`, and figures on what it was not trained on. Ordinary requests are many and harmful ones few, and a wrongly
refused maker is lost: the threshold is the lowest at which at most `OVER` of the ordinary requests kept for choosing are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot, relu

from nl2dsl.engines.guard import NAMES, Floats, Guard

Labelled = tuple[Floats, str | None]  # a reading and the category it is refused for
HIDDEN = 64
STEPS, BATCH, RATE = 600, 128, 2e-3
HARMFUL = 0.4  # share of a batch
OVER = 0.001


class _Network(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, HIDDEN)
        self.outer = nn.Linear(HIDDEN, 2 * len(NAMES), bias=False)
        self.bias = nn.Parameter(torch.zeros(len(NAMES)))
        self.drop = nn.Dropout(0.3)

    def forward(self, read: Tensor) -> Tensor:
        """Readings (b, 1 + w, d) -> scores (b, 6), as `Guard.scores`."""
        hidden = self.drop(relu(self.inner(read * read.shape[-1] ** 0.5)))
        sentence, spans = self.outer(hidden).chunk(2, dim=-1)
        return sentence[:, 0] + spans.amax(dim=1) + self.bias  # type: ignore[no-any-return]

    def guard(self, threshold: float = 0.0) -> Guard:
        weights = [p.detach().numpy().copy() for p in (self.inner.weight, self.inner.bias, self.outer.weight, self.bias)]
        return Guard(weights[0], weights[1], weights[2], weights[3] - np.float32(threshold))


def _stacked(readings: Sequence[Floats], longest: int) -> Tensor:
    """Readings as one tensor; where one has fewer spans its last vector stands again, which changes no maximum."""
    made = torch.empty(len(readings), longest, readings[0].shape[1] if len(readings) else 0)
    for row, one in zip(made, readings, strict=True):
        row[: len(one)] = torch.from_numpy(one)
        row[len(one) :] = row[len(one) - 1].clone()
    return made


def train(told: Sequence[Labelled], ordinary: Sequence[Floats], choosing: Sequence[Floats], *, seed: int = 0) -> Guard:
    """A guard from labelled readings and those of ordinary requests; `choosing` are ordinary ones by which the threshold is set."""
    torch.manual_seed(seed)
    longest = max(len(read) for read in (*(read for read, _ in told), *ordinary))
    harmful = _stacked([read for read, category in told if category], longest)
    wanted = one_hot(torch.tensor([NAMES.index(category) for _, category in told if category]), len(NAMES)).float()
    fine = _stacked([read for read, category in told if not category], longest)
    usual = _stacked(ordinary, longest)
    network = _Network(harmful.shape[-1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        bad = torch.randint(len(harmful), (int(BATCH * HARMFUL),))
        good = [some[torch.randint(len(some), (int(BATCH * (1 - HARMFUL) / 2),))] for some in (fine, usual) if len(some)]
        scores = network(torch.cat([harmful[bad], *good]))
        loss = binary_cross_entropy_with_logits(scores, torch.cat([wanted[bad], torch.zeros(len(scores) - len(bad), len(NAMES))]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    plain = network.guard()
    highest = np.array([plain.scores(read).max() for read in choosing], dtype=np.float32)
    threshold = float(np.quantile(highest, 1 - OVER, method="higher")) if len(highest) else 0.0
    return network.guard(max(0.0, threshold))


def figures(guard: Guard, told: Sequence[Labelled]) -> dict[str, float]:
    """Shares of `told`: of harmful requests those refused and those refused for the right reason, of look-alikes those refused."""
    found = [(guard.refusal(read), category) for read, category in told]
    harmful = [(made, category) for made, category in found if category]
    fine = [made for made, category in found if not category]
    return {
        "harmful": len(harmful),
        "refused": sum(made is not None for made, _ in harmful) / max(1, len(harmful)),
        "right_reason": sum(made is not None and made.category == category for made, category in harmful) / max(1, len(harmful)),
        "look_alikes": len(fine),
        "over_refused": sum(made is not None for made in fine) / max(1, len(fine)),
    }
