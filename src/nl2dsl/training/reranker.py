"""The reranker: reads a request together with the words of each candidate operation and says how much the request asks for it.

In: token states of a request, embeddings and token states of its candidates' texts, all of a retriever that stands still. Out: a score for each candidate, the log-odds that it is asked for. The retriever compares two
vectors; here every word of a candidate looks at every word of the request, so that `update` finds `change` and `list` does not pass for `get`; then the candidates look at each other and at the request again, so that they
share out its words. No encoder runs for it when it serves: states of a request are there from retrieval, those of operations are kept with the catalog, `SHOWN` numbers a word.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu, softplus

from nl2dsl.retrieval.texts import WORDS
from nl2dsl.training import minilm, precision
from nl2dsl.training.cases import Case, Shelf
from nl2dsl.training.checkpoint import Checkpoint, chance, set_chance, write
from nl2dsl.training.journal import line
from nl2dsl.training.network import NEVER, WIDTH

Figures = dict[str, Any]
SHOWN = 128  # numbers that are kept of a word's state


def _each(x: Tensor, times: int) -> Tensor:
    """Rows (b, ...) -> every row so often, (b * times, ...)."""
    return x.unsqueeze(1).expand(-1, times, *[-1] * (x.dim() - 1)).reshape(-1, *x.shape[1:])


class Layer(nn.Module):
    """A transformer layer, normalised before each half, whose places may look at others beside their own."""

    def __init__(self, width: int, inner: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp, self.before_looking = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():  # alike words find each other from the first step
            nn.init.orthogonal_(self.q.weight).mul_(1.5)
            self.k.weight.copy_(self.q.weight)

    def forward(self, x: Tensor, others: Tensor | None = None, mask: Tensor | None = None, times: int = 1) -> Tensor:
        """x (b * k, t, w); `others` (b, n, w) are looked at, too, each by `times` = k rows; mask (b * k, 1, 1, n + t), added -> (b * k, t, w)."""
        y = self.before_attention(x)
        q, keys, values = self._split(self.q(y)), self._split(self.k(y)), self._split(self.v(y))
        if others is not None:
            seen = self.before_looking(others)
            keys = torch.cat([_each(self._split(self.k(seen)), times), keys], dim=2)
            values = torch.cat([_each(self._split(self.v(seen)), times), values], dim=2)
        weights = q @ keys.transpose(-1, -2) * q.shape[-1] ** -0.5
        mixed = (weights if mask is None else weights + mask).softmax(-1) @ values
        x = x + self.dropout(self.o(mixed.transpose(1, 2).reshape(x.shape)))
        return x + self.dropout(self.down(gelu(self.up(self.before_mlp(x)))))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class Reranker(nn.Module):
    """3.8 million weights: three layers over the words of a candidate, three over the candidates, where these share out the request's words among them."""

    def __init__(self, width: int = 256, layers: int = 3, comparing: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        self.token = nn.Linear(WIDTH, SHOWN, bias=False)
        self.word, self.mark, self.request = nn.Linear(SHOWN, width), nn.Linear(WIDTH, width), nn.Linear(WIDTH, width)
        self.kind = nn.Parameter(torch.randn(3, width) * 0.02)  # of the request's words, a candidate's words, its mark
        self.place = nn.Parameter(torch.randn(WORDS, width) * 0.02)
        self.layers = nn.ModuleList(Layer(width, 3 * width, 8, dropout) for _ in range(layers))
        self.between, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.compare = nn.ModuleList(Layer(width, 2 * width, 8, dropout) for _ in range(comparing))
        self.score = nn.Linear(width, 1)
        with torch.no_grad():  # words of requests and of candidates begin in one space
            nn.init.orthogonal_(self.request.weight)
            nn.init.orthogonal_(self.token.weight)
            self.word.weight.copy_(self.request.weight @ self.token.weight.T)
            self.mark.weight.copy_(self.request.weight)
            for part in (self.word, self.mark, self.request):
                part.bias.zero_()

    def forward(self, request: Tensor, seen: Tensor, operations: Tensor, words: Tensor, said: Tensor, marked: Tensor | None = None) -> Tensor:
        """request (b, n, 384) with mask (b, n); of the candidates embeddings (b, k, 384), words (b, k, t, SHOWN) with mask (b, k, t); `marked` (b) is 0 where embeddings are to be hidden -> (b, k)."""
        b, k, t, _ = words.shape
        asked = self.request(request) + self.kind[0]
        marks = self.mark(operations.reshape(b * k, 1, WIDTH) * 6)
        if marked is not None:
            marks = marks * _each(marked, k)[:, None, None]
        x = torch.cat([marks + self.kind[2], self.word(words.reshape(b * k, t, SHOWN)) + self.place[:t] + self.kind[1]], dim=1)
        own = torch.cat([torch.ones_like(marks[:, :, 0]), said.reshape(b * k, t)], dim=1)
        mask = ((1 - torch.cat([_each(seen, k), own], dim=1)) * NEVER)[:, None, None]
        for layer in self.layers:
            x = layer(x, asked, mask, k)
        compared = self.between(x[:, 0]).reshape(b, k, -1)
        mask = ((1 - torch.cat([seen, torch.ones_like(operations[:, :, 0])], dim=1)) * NEVER)[:, None, None]
        for layer in self.compare:
            compared = layer(compared, asked, mask)
        return self.score(self.last(compared)).squeeze(-1)  # type: ignore[no-any-return]


Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def drawn(case: Case, k: int, rng: random.Random) -> list[int]:
    """k candidates to learn from: what is asked for, whether it was found or not, and others, mostly near ones."""
    near = case.best[: rng.choice((k, k, 2 * k, 2 * k, len(case.best)))]
    wanted = list(case.wanted[: k - 2])
    others = [o for o in near if o not in case.wanted]
    others = rng.sample(others, min(k - len(wanted), len(others)))
    made = wanted + others + [o for o in case.best if o not in case.wanted and o not in others][: k - len(wanted) - len(others)]
    rng.shuffle(made)
    return made


def batch(cases: Sequence[Case], candidates: Sequence[Sequence[int]], shelves: Sequence[Shelf], places: Sequence[int]) -> Batch:
    """Tensors of a step: states of requests and their mask, embeddings, states and mask of candidates, and which are asked for. `places[i]` is the shelf of the i-th case."""
    b, k, n = len(cases), max(map(len, candidates)), minilm.rung(max(len(c.states) for c in cases))
    request, seen = np.zeros((b, n, WIDTH), dtype=np.float32), np.zeros((b, n), dtype=np.float32)
    operations, states = np.zeros((b, k, WIDTH), dtype=np.float32), np.zeros((b, k, WORDS, WIDTH), dtype=np.float32)
    said, asked = np.zeros((b, k, WORDS), dtype=np.float32), np.zeros((b, k), dtype=np.float32)
    for i, (case, some, place) in enumerate(zip(cases, candidates, places, strict=True)):
        shelf, rows = shelves[place], list(some)
        request[i, : len(case.states)], seen[i, : len(case.states)] = case.states, 1
        operations[i, : len(rows)], states[i, : len(rows)] = shelf.operations[rows], shelf.states[rows]
        said[i, : len(rows)] = np.arange(WORDS) < shelf.sizes[rows, None]
        asked[i, : len(rows)] = [o in case.wanted for o in rows]
    made = tuple(torch.from_numpy(a) for a in (request, seen, operations, states, said, asked))
    return made  # type: ignore[return-value]


def loss(scores: Tensor, asked: Tensor) -> Tensor:
    """Scores (b, k) and what is asked for (b, k): each candidate for itself, and each that is asked for against all that are not."""
    single = binary_cross_entropy_with_logits(scores, asked)
    others = torch.where(asked > 0, torch.full_like(scores, NEVER), scores).logsumexp(dim=1, keepdim=True)
    return 3 * single + (softplus(others - scores) * asked).sum() / asked.sum().clamp(min=1)


def ranking(model: Reranker, cases: Sequence[Case], shelves: Sequence[Shelf], k: int) -> dict[str, float]:
    """Of the operations asked for, the share among the first as many, as the retriever orders its best k and as the reranker does."""
    model.eval()
    before = after = 0.0
    with torch.no_grad():
        for at in range(0, len(cases), 16):
            some = cases[at : at + 16]
            *given, _ = batch(some, [c.best[:k] for c in some], shelves, [c.shelves[0] for c in some])
            scores = model(given[0], given[1], given[2], model.token(given[3]), given[4])
            for case, row in zip(some, scores, strict=True):
                order = [case.best[i] for i in row[: len(case.best[:k])].argsort(descending=True).tolist()]
                n = len(case.wanted)
                before += len(set(case.best[:n]) & set(case.wanted)) / n
                after += len(set(order[:n]) & set(case.wanted)) / n
    model.train()
    return {"retriever": before / max(1, len(cases)), "reranker": after / max(1, len(cases))}


def train(
    model: Reranker,
    pools: Mapping[str, tuple[float, Sequence[Case]]],
    shelves: Sequence[Shelf],
    out: Path,
    *,
    validation: Mapping[str, Sequence[Case]],
    seconds: float = math.inf,
    steps: int = 0,
    batch_size: int = 48,
    candidates: int = 16,
    ranked: int = 20,
    learning_rate: float = 6e-4,
    seed: int = 0,
    every: int = 400,
    checkpoint: Checkpoint | None = None,
    log: Callable[[str], None] = print,
    record: Callable[[Figures], None] | None = None,
    tick: Callable[[int, float, float], None] | None = None,
) -> dict[str, Figures]:
    """Trains for `steps`, or for `seconds` when it is 0, by which the learning rate falls, too (evaluations do not count). `pools` are cases with the share of a step that is drawn from each; a third of the
    requests does not see the candidates' embeddings, so that the words must tell. Weights go to `out/reranker.pt`. Returns the figures of the last evaluation."""
    record = record or (lambda figures: log(line(figures)))
    rng = random.Random(seed)
    torch.manual_seed(seed)
    chosen = [(cases, share) for share, cases in pools.values() if cases]
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.02, fused=True)
    step, elapsed, recent, figures, validated = 0, 0.0, list[float](), dict[str, Figures](), -1
    if checkpoint and (state := checkpoint.load()):
        step, elapsed, recent, validated = (state[name] for name in ("step", "elapsed", "recent", "validated"))
        figures = json.loads(state["figures"])
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        set_chance(state, rng)
        log(f"reranker: goes on at step {step} after {elapsed:.0f} s")
    kept = time.monotonic()

    def validate() -> None:
        nonlocal figures, validated
        figures = {name: {"seconds": elapsed, "steps": step, **ranking(model, cases, shelves, ranked)} for name, cases in validation.items()}
        validated = step
        for name, found in figures.items():
            record({"stage": "reranker", "set": name, "step": step, "loss": sum(recent[-100:]) / max(1, len(recent[-100:])), **found})

    model.train()
    while (progress := step / steps if steps else elapsed / seconds) < 1:
        began = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, (step + 1) / 80) * max(0.02, 0.5 * (1 + math.cos(math.pi * progress)))
        cases = [rng.choice(source) for source in rng.choices([c for c, _ in chosen], [s for _, s in chosen], k=batch_size)]
        places = [rng.choice(case.shelves) for case in cases]
        given = batch(cases, [drawn(case, candidates, rng) for case in cases], shelves, places)
        seen = given[1] * (torch.rand_like(given[1]) > 0.05)  # some words of a request are hidden
        marked = (torch.rand(len(cases)) > 0.35).float()
        with precision.autocast():
            scores = model(given[0], seen, given[2], model.token(given[3]), given[4], marked).float()
        value = loss(scores, given[5])
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, elapsed = step + 1, elapsed + time.monotonic() - began
        recent = [*recent[-199:], value.item()]
        if tick:
            tick(step, step / steps if steps else elapsed / seconds, recent[-1])
        if step % every == 0:
            validate()
        if checkpoint and (time.monotonic() - kept > checkpoint.seconds or validated == step):
            now = {"step": step, "elapsed": elapsed, "recent": recent, "validated": validated, "figures": json.dumps(figures)}
            checkpoint.save({**now, "model": model.state_dict(), "optimizer": optimizer.state_dict(), **chance(rng)})
            kept = time.monotonic()
    if validated != step:
        validate()
    model.eval()
    write(model.state_dict(), out / "reranker.pt")
    return figures
