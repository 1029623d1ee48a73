"""Gives an untrained base of ours what a real one has from its pretraining: the look of requests and flows, and the habit of copying from what stands before.

In: documents as texts, a shape, a recipe for rate, batch and seed. Out: a folder in the layout of transformers; the loss is over every token. A base that is whole is not
made again, one that was killed goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from nl2dsl.files import write_text
from nl2dsl.training.journal import Journal
from nl2dsl.training.sft import bases
from nl2dsl.training.sft import model as models
from nl2dsl.training.sft.data import Encoded
from nl2dsl.training.sft.loop import Training, accelerator
from nl2dsl.training.sft.recipe import SftRecipe

DONE = "pretraining.json"


def pretrain(recipe: SftRecipe, documents: Sequence[str], held: Sequence[str], texts: Iterable[str], folder: Path) -> Path:
    """`recipe.base` is `random:ARCHITECTURE`; `texts` train the tokenizer, `held` are documents the loss is told on. Longer documents are cut at `max_length`."""
    settings = {k: v for k, v in asdict(recipe).items() if k not in ("out", "threads", "log", "checkpoint", "tensorboard")}
    words = list(texts)
    inputs = hashlib.sha256(json.dumps([settings, documents, held, words]).encode()).hexdigest()
    done = folder / DONE
    if done.exists() and json.loads(done.read_text(encoding="utf-8"))["inputs"] == inputs:
        return folder
    untrained = bases.make(recipe.base, recipe.shape, words, folder / "untrained", recipe.seed)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    parallel = accelerator(recipe)
    model, tokenizer = models.load(untrained, recipe, "full")
    journal = Journal(folder / "training")
    training = Training(
        recipe, "pretraining", model, encoded(documents, tokenizer, recipe.max_length), encoded(held, tokenizer, recipe.max_length),
        tokenizer.pad_token_id, folder / "training", inputs, parallel, journal, lambda now: {}, lambda figures, step: None,
    )  # fmt: skip
    with journal.bar("pretraining"):
        figures = training.run()
    models.save(training.plain, tokenizer, folder)
    write_text(
        done,
        json.dumps({"inputs": inputs, "documents": len(documents), "parameters": sum(p.numel() for p in model.parameters()), **figures}, indent=1),
    )
    parallel.free_memory()
    return folder


def encoded(documents: Iterable[str], tokenizer: Any, longest: int) -> list[Encoded]:
    """Whole documents as rows whose every token but the first is a target."""
    found = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in documents)
    return [Encoded(array("i", [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id][:longest]), 1) for ids in found]
