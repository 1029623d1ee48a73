"""A small corpus of our own and a small recipe, for the tests of fine-tuning: everything on one thread, untrained bases of two layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nl2dsl.dsl import tree
from nl2dsl.dsl.text import parse
from nl2dsl.example import Example, write
from nl2dsl.files import write_rows
from nl2dsl.training.sft.recipe import Lora, SftRecipe, Shape

OPERATIONS = ({"id": "shared_post.Send", "description": "Sends a mail"}, {"id": "shared_post.Archive", "description": "Archives a mail"})
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
THINGS = ("milk", "bread", "stamps", "paint", "tea", "seeds", "chalk", "nails", "wax", "soap", "salt", "rope")


def corpus(folder: Path, n: int = 24) -> Path:
    """`n` training rows and eight validation rows, each a weekly mail or a schedule alone, and a catalog of two operations."""
    write_rows(folder / "catalog.jsonl", OPERATIONS)
    for split, first, count in (("train", 0, n), ("validation", n, 8)):
        write([_row(i, split) for i in range(first, first + count)], folder / f"{split}.jsonl")
    return folder


def _row(i: int, split: str) -> Example:
    day, thing = DAYS[i % len(DAYS)], THINGS[i % len(THINGS)]
    start = f'triggerOutputs = await commonTrigger.Recurrence({{ "frequency": "Week", "interval": 1, "weekDays": ["{day}"] }});\n'
    mail = f'outputs_shared_post_Send = shared_post.Send({{ "subject": "{thing}" }});\n'
    dsl = start + mail if i % 3 else start
    flow, _ = parse(dsl)
    assert flow is not None
    return Example(
        f"{split}{i}", f"Each {day} mail me about {thing}" if i % 3 else f"Start on {day}", "", dsl, tuple(tree.operations(flow)), "own", split
    )


def recipe(folder: Path, **more: Any) -> SftRecipe:
    """Four steps of two rows; `more` replaces settings."""
    if not (folder / "corpus").exists():
        corpus(folder / "corpus")
    made = SftRecipe(
        base="random:mistral", corpus=str(folder / "corpus"), out=str(folder / "out"), catalog=(str(folder / "corpus" / "catalog.jsonl"),), shape=Shape(1, 32, 2, 1, 48, vocabulary=2_500, texts=24),
        lora=Lora(rank=4, alpha=8), steps=4, batch=2, max_length=2_048, micro_tokens=2_048, learning_rate=3e-3, precision="fp32", threads=1, every=2, validation=2, decoded=1,
        max_new_tokens=2, checkpoint=2, log=1, tensorboard=False,
    )  # fmt: skip
    return replace(made, **more)
