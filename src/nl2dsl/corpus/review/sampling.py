"""Which rows people look at first: those that the model is least sure of.

In: rows, how many, a way, a seed. Out: `Sampled` rows, most uncertain first. `auto` takes the row's own `confidence` where it has one (uncertainty 1 - confidence), else how far
the flow of the row is from the one that the shipped model writes for its request (1 - similarity), else chance. The same rows, way and seed give the same order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Literal, get_args

from nl2dsl.corpus.review.decisions import Sampled
from nl2dsl.corpus.review.rows import Item, identity
from nl2dsl.dsl import tree
from nl2dsl.dsl.text import parse
from nl2dsl.errors import EngineError, ModelError, UsageError
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.outcome import Authored, Outcome

Way = Literal["auto", "confidence", "model", "random", "order"]
WAYS: tuple[Way, ...] = get_args(Way)
POOL = 2  # rows that the model is asked about, for each that is wanted: about a tenth of a second each

Write = Callable[[str], Outcome]
Shown = Callable[[list[Item]], Iterable[Item]]


def name(items: list[Item], n: int, way: Way, seed: int) -> str:
    """What a sample is kept under."""
    return hashlib.sha256(json.dumps([identity(items), n, way, seed]).encode()).hexdigest()


def sample(items: list[Item], n: int, way: Way = "auto", seed: int = 0, write: Write | None = None, shown: Shown = iter) -> list[Sampled]:
    """At most `n` different rows. `write` is the model's way from a request to an outcome, opened here if it is needed and not given; `shown` may tell how far it is.

    Raises `UsageError` for a way that these rows do not have, `ModelError` or `EngineError` for `model` without one.
    """
    rows = list({item.digest: item for item in reversed(items)}.values())[::-1]
    if way == "order":
        return [Sampled(item.digest, None, "") for item in rows[:n]]
    rows.sort(key=lambda item: item.digest)  # chance does not depend on the order of the file
    Random(seed).shuffle(rows)
    if way == "random":
        return [Sampled(item.digest, None, "") for item in rows[:n]]
    sure = [] if way == "model" else [item for item in rows if item.confidence is not None]
    if way == "confidence" and not sure:
        raise UsageError("no row has a `confidence`", hint="--by model compares the flows with those of the model, --by random needs nothing")
    scored = [_by_confidence(item) for item in sure]
    known = {item.digest for item in sure}
    others = [item for item in rows if item.digest not in known] if way != "confidence" else []
    write = write or (_model(way) if others else None)
    pool = others[: POOL * n] if write else []
    if write:
        scored += [_by_model(item, write) for item in shown(pool)]
    scored.sort(key=lambda one: -one[0])  # stable: chance decides between equals
    return [one[1] for one in scored][:n] + [Sampled(item.digest, None, "") for item in others[len(pool) :]][: max(0, n - len(scored))]


def _by_confidence(item: Item) -> tuple[float, Sampled]:
    unsure = 1 - (item.confidence or 0.0)
    return unsure, Sampled(item.digest, unsure, f"confidence {1 - unsure:.0%}")


def _by_model(item: Item, write: Write) -> tuple[float, Sampled]:
    """Flows that are equally far apart: first the one of which the model is less sure."""
    flow, _ = parse(item.dsl)
    outcome = write(item.query)
    if flow is None or not isinstance(outcome, Authored):
        return 2.0, Sampled(item.digest, 1.0, "the flow cannot be read" if flow is None else "the model writes no flow")
    alike = flow_similarity(tree.operations(flow), outcome.operations)
    why = f"the model writes {', '.join(o.rpartition('.')[2] for o in outcome.operations)} (similarity {alike:.2f})"
    return 1 - alike + (1 - outcome.confidence) * 1e-3, Sampled(item.digest, 1 - alike, why if alike < 1 else "the model writes the same operations")


def _model(way: Way) -> Write | None:
    """The shipped model, or None where `auto` has to do without."""
    from nl2dsl.generate import Generator

    try:
        return Generator().generate
    except (ModelError, EngineError):
        if way == "model":
            raise
        return None
