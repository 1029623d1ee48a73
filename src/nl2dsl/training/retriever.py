"""Fine-tunes MiniLM so that a request lies near the operations it needs.

In: (text, operation ids) pairs from clauses and requests; a catalog. Out: a folder with the encoder's weights, tokenizer and `card.json`.

The loss is a softmax over the operations of the batch and some more (half of them siblings of the gold ones, the hard cases); other gold operations of the same
request are masked. In some steps the operations stand still, all of them, and the texts move: that is cheaper than embedding the batch's operations anew, and every sibling is there. A bank of older
embeddings beside fresh ones collapsed: see docs/log.md. The paper retrieves shots by similarity (§2).
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.nn.functional import cross_entropy

from nl2dsl.catalog.model import Catalog
from nl2dsl.retrieval.spans import starts
from nl2dsl.retrieval.texts import operation_texts
from nl2dsl.training import minilm, precision, renaming
from nl2dsl.training.checkpoint import Checkpoint, chance, set_chance
from nl2dsl.training.journal import line

Figures = dict[str, Any]
T = TypeVar("T")
MANNERS = 6  # ways in which operations are told otherwise
STILL = 50  # steps for which embedded operations may stand still
LARGE = 200  # operations of a visited catalog above which they stand still


@dataclass(frozen=True)
class Pair:
    """A text and the operations it asks for."""

    text: str
    operations: tuple[str, ...]


@dataclass(frozen=True)
class Visit:
    """Another house's catalog: the texts of its operations in order, and requests with the places of the operations that they need."""

    texts: tuple[str, ...]
    requests: tuple[tuple[str, tuple[int, ...]], ...]


def _groups(encodings: Sequence[Any], size: int) -> list[list[int]]:
    """Places of texts of like length, so that short ones are not padded to the longest."""
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i].ids))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _in_order(groups: Sequence[Sequence[int]], made: Sequence[torch.Tensor]) -> torch.Tensor:
    places = torch.tensor([i for group in groups for i in group])
    return torch.cat(list(made))[places.argsort()]


def _states(model: Any, encodings: Sequence[Any], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = minilm.batch(encodings, rows=size)
    return model(input_ids=ids, attention_mask=mask).last_hidden_state, mask


def encode(model: Any, encodings: Sequence[Any], size: int = 32) -> torch.Tensor:
    """Embeddings of whole texts, (n, 384), with gradient."""
    groups = _groups(encodings, size)
    return _in_order(groups, [minilm.pooled(*_states(model, [encodings[i] for i in g], size)).float()[: len(g)] for g in groups])


def similarities(model: Any, encodings: Sequence[Any], keys: torch.Tensor, size: int = 32) -> torch.Tensor:
    """Scores of the texts, read by spans, against keys (m, 384): (n, m), with gradient."""
    groups = _groups(encodings, size)
    read = (minilm.spans(*_states(model, [encodings[i] for i in g], size)).float()[: len(g)] for g in groups)
    return _in_order(groups, [minilm.fused(some, keys) for some in read])


def _negatives(gold: Sequence[Sequence[int]], siblings: dict[str, list[int]], total: int, n: int, rng: random.Random) -> list[int]:
    """The batch's gold operations, then `n` others: half siblings of a gold one, half from anywhere."""
    connector = {i: name for name, members in siblings.items() for i in members}
    wanted = dict.fromkeys(o for g in gold for o in g)
    for i in range(minilm.bucket(len(wanted) + n, 32) - len(wanted)):
        wanted.setdefault(rng.choice(siblings[connector[rng.choice(rng.choice(gold))]]) if i % 2 else rng.randrange(total))
    return list(wanted)


def _loss(scores: torch.Tensor, gold: Sequence[Sequence[int]], fresh: Sequence[int]) -> torch.Tensor:
    """Scores (texts, fresh operations): the mean over all gold operations, where the others of the same text do not count."""
    place = {o: i for i, o in enumerate(fresh)}
    rows, targets = [], []
    for row, g in enumerate(gold):
        for target in g:
            others = [place[o] for o in g if o != target]
            rows.append(scores[row].index_fill(0, torch.tensor(others), -1e4) if others else scores[row])
            targets.append(place[target])
    return cross_entropy(torch.stack(rows), torch.tensor(targets))


@contextmanager
def _looking(model: Any) -> Iterator[None]:
    """The model for looking things up, not for learning."""
    model.eval()
    with torch.no_grad(), precision.autocast():
        yield
    model.train()


def embed(model: Any, tok: Any, texts: Sequence[str], size: int = 64) -> torch.Tensor:
    """(n, 384) embeddings, without gradient."""
    with _looking(model):
        return encode(model, tok.encode_batch(list(texts)), size)


def read(model: Any, tok: Any, texts: Sequence[str], size: int = 64) -> list[torch.Tensor]:
    """What each text is compared by, (1 + w, 384) each, without gradient."""
    return _looked_up(
        model,
        tok,
        texts,
        size,
        lambda found, mask, n: [each[: 1 + len(starts(k))].float() for each, k in zip(minilm.spans(found, mask), n, strict=False)],
    )


def states(model: Any, tok: Any, texts: Sequence[str], size: int = 64) -> list[torch.Tensor]:
    """Token states of each text, (t, 384) in half precision, without gradient."""
    return _looked_up(model, tok, texts, size, lambda found, mask, n: [each[:k].half() for each, k in zip(found, n, strict=False)])


def once(read: Callable[[list[str]], Sequence[T]]) -> Callable[[Sequence[str]], list[T]]:
    """The same function of texts, which is asked for each text only once."""
    known: dict[str, T] = {}

    def asked(some: Sequence[str]) -> list[T]:
        if fresh := [text for text in dict.fromkeys(some) if text not in known]:
            known.update(zip(fresh, read(fresh), strict=True))
        return [known[text] for text in some]

    return asked


def _looked_up(model: Any, tok: Any, texts: Sequence[str], size: int, of: Callable[..., list[torch.Tensor]]) -> list[torch.Tensor]:
    """What `of` makes of the states, the mask and the lengths of a group, in the order of the texts."""
    encodings = tok.encode_batch(list(texts))
    made: list[torch.Tensor] = [torch.empty(0)] * len(texts)
    with _looking(model):
        for group in _groups(encodings, size):
            some = [encodings[i] for i in group]
            for i, each in zip(group, of(*_states(model, some, size), [len(e.ids) for e in some]), strict=True):
                made[i] = each
    return made


def recall(scores: torch.Tensor, gold: Sequence[set[int]], at: Iterable[int] = (10, 20, 50)) -> dict[int, float]:
    """Share of gold operations among the best k, averaged over all gold operations; scores (queries, operations)."""
    ranked = scores.argsort(dim=1, descending=True)
    found = {}
    for k in at:
        hits = sum(len(g & set(row[:k].tolist())) for row, g in zip(ranked, gold, strict=True))
        found[k] = hits / sum(len(g) for g in gold)
    return found


def train(
    pairs: Sequence[Pair],
    catalog: Catalog,
    out: Path,
    *,
    start: Path | None = None,
    steps: int = 1200,
    batch_size: int = 64,
    learning_rate: float = 5e-5,
    temperature: float = 0.05,
    negatives: int = 24,
    renamed: float = 0.0,
    houses: Sequence[Visit] = (),
    visits: float = 0.0,
    still: float = 0.0,
    seed: int = 0,
    held_out: dict[str, Sequence[Pair]] | None = None,
    seconds: float = math.inf,
    every: int = 250,
    checkpoint: Checkpoint | None = None,
    log: Callable[[str], None] = print,
    record: Callable[[Figures], None] | None = None,
    tick: Callable[[int, float, float], None] | None = None,
) -> dict[str, Figures]:
    """One pass of training; stops early when `seconds` are over (the schedule is by time then; evaluations do not count). Weights are saved and evaluated every
    `every` steps; `checkpoint` is resumed from. A share `renamed` of the operations is told in other words (`renaming`); a share `visits`
    of the steps is made in one of `houses`, against all of its operations; a share `still` of the others moves the texts alone, against all operations of the catalog as they stood
    at most `STILL` steps ago. Returns the figures of the last evaluation."""
    record = record or (lambda figures: log(line(figures)))
    rng = random.Random(seed)
    torch.manual_seed(seed)
    tok, model = minilm.tokenizer(start), minilm.encoder(start)
    operations = list(catalog)
    index = {o.id: i for i, o in enumerate(operations)}
    texts = operation_texts(catalog)
    encodings = tok.encode_batch(texts)
    manners = renaming.manners(catalog, MANNERS if renamed else 0, seed)
    otherwise = [tok.encode_batch(some) for some in manners]
    bank, banked = torch.empty(0), -STILL
    model.embeddings.requires_grad_(False)  # half of the weights; kept as upstream has them, so that both shipped encoders share one word table
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.01, fused=True)
    siblings: dict[str, list[int]] = {}
    for i, o in enumerate(operations):
        siblings.setdefault(o.connector, []).append(i)
    step, elapsed, losses, order, last, validated = 0, 0.0, list[float](), list[int](), dict[str, Figures](), -1
    if checkpoint and (state := checkpoint.load()):
        step, elapsed, losses, order = (state[name] for name in ("step", "elapsed", "losses", "order"))
        last, validated = json.loads(state.get("last", "{}")), state.get("validated", -1)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        bank, banked = state["bank"], state["banked"]
        set_chance(state, rng)
        log(f"retriever: goes on at step {step} after {elapsed:.0f} s")
    kept = time.monotonic()

    def store() -> None:
        nonlocal kept
        if checkpoint:
            now = {"step": step, "elapsed": elapsed, "losses": losses[-200:], "order": order, "last": json.dumps(last), "validated": validated}
            checkpoint.save({**now, "bank": bank, "banked": banked, "model": model.state_dict(), "optimizer": optimizer.state_dict(), **chance(rng)})
        kept = time.monotonic()

    def draw() -> tuple[list[str], list[list[int]], list[int], list[Any] | torch.Tensor]:
        """The texts of a step, the operations each asks for, those it is told from, and their texts, or their embeddings where they stand still."""
        nonlocal order, bank, banked
        if houses and rng.random() < visits:
            house = rng.choice(houses)
            asked = rng.sample(house.requests, min(batch_size, len(house.requests)))
            every_one = list(range(len(house.texts)))
            said = embed(model, tok, house.texts) if len(every_one) > LARGE else tok.encode_batch(list(house.texts))
            return [text for text, _ in asked], [list(places) for _, places in asked], every_one, said
        if len(order) < batch_size:
            order = rng.sample(range(len(pairs)), len(pairs))
        chosen = [pairs[order.pop()] for _ in range(batch_size)]
        wanted = [(p.text, found) for p in chosen if (found := [index[o] for o in p.operations if o in index])]
        told, gold = [text for text, _ in wanted], [found for _, found in wanted]
        if still and rng.random() < still:
            if step - banked >= STILL:
                bank, banked = embed(model, tok, rng.choice(manners) if renamed and rng.random() < renamed else texts), step
            return told, gold, list(range(len(operations))), bank
        fresh = _negatives(gold, siblings, len(operations), negatives, rng)
        return told, gold, fresh, [rng.choice(otherwise)[o] if renamed and rng.random() < renamed else encodings[o] for o in fresh]

    while (progress := max(step / steps, elapsed / seconds)) < 1:
        began = time.monotonic()
        rate = learning_rate * min(1.0, (step + 1) / 40) * max(0.02, 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        told, gold, fresh, said = draw()
        with precision.autocast():
            keys = said if isinstance(said, torch.Tensor) else encode(model, said)
            scores = similarities(model, tok.encode_batch(told), keys).float() / temperature
        loss = _loss(scores, gold, fresh)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
        step, elapsed = step + 1, elapsed + time.monotonic() - began
        if tick:
            tick(step, max(step / steps, elapsed / seconds), losses[-1])
        if step % 100 == 0:
            record({"stage": "retriever", "step": step, "seconds": elapsed, "loss": sum(losses[-100:]) / 100})
        if step % every == 0:
            last, validated = _report(model, tok, embed(model, tok, texts), index, held_out or {}, step, record), step
            _save(model, tok, out, catalog)
            store()
        elif checkpoint and time.monotonic() - kept > checkpoint.seconds:
            store()
    if validated != step:
        last, validated = _report(model, tok, embed(model, tok, texts), index, held_out or {}, step, record), step
        _save(model, tok, out, catalog)
        store()  # knows that it was validated: a run killed from here on tells nothing twice
    return {name: {"steps": step, "seconds": elapsed, **figures} for name, figures in last.items()}


def _report(
    model: Any, tok: Any, bank: torch.Tensor, index: dict[str, int], sets: dict[str, Sequence[Pair]], step: int, record: Callable[[Figures], None]
) -> dict[str, Figures]:
    made: dict[str, Figures] = {}
    for name, rows in sets.items():
        gold = [{index[o] for o in p.operations if o in index} for p in rows]
        if any(gold):
            scores = torch.stack([minilm.fused(one[None], bank)[0] for one in read(model, tok, [p.text for p in rows])])
            found = recall(scores, gold)
            made[name] = {"n": len(rows), "recall": {str(k): share for k, share in found.items()}}
            record({"stage": "retriever", "set": name, "step": step, **made[name]})
    return made


def _save(model: Any, tok: Any, out: Path, catalog: Catalog) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tok.save(str(out / "tokenizer.json"))
    (out / "card.json").write_text(
        json.dumps({"base": "sentence-transformers/all-MiniLM-L6-v2", "base_sha256": minilm.SHA256, "catalog": catalog.digest}, indent=1)
    )
