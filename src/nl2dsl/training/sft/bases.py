"""Untrained bases of the real architectures, for trying a recipe where no hub is reachable.

In: `random:ARCHITECTURE`, a shape, texts. Out: a folder in the layout of transformers: configuration, random weights by the seed, and a byte-level BPE tokenizer trained
on the texts. They say nothing about quality.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from nl2dsl.errors import RecipeError
from nl2dsl.training.sft.recipe import Shape

RANDOM = "random:"
ARCHITECTURES = ("mistral", "phi", "phi3", "qwen3", "gemma3_text", "smollm3")
CONTEXT = 8_192


def make(name: str, shape: Shape, texts: Iterable[str], folder: Path, seed: int) -> Path:
    """Writes the base and returns its folder; the same arguments write the same bytes."""
    kind = name.removeprefix(RANDOM)
    if kind not in ARCHITECTURES:
        raise RecipeError(f"`base`: no architecture `{kind}`", hint=f"architectures: {', '.join(ARCHITECTURES)}")
    read = tokenizer(texts, shape.vocabulary)
    torch.manual_seed(random.Random(f"{seed} base").getrandbits(32))
    model = cast(Any, AutoModelForCausalLM).from_config(_config(kind, shape, read))
    model.save_pretrained(folder)
    read.save_pretrained(folder)
    return folder


def tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    special = ["<pad>", "<s>", "</s>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    return cast(Any, PreTrainedTokenizerFast)(tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>", model_max_length=CONTEXT)


def _config(kind: str, shape: Shape, read: Any) -> Any:
    common: dict[str, Any] = {
        "vocab_size": len(read),
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": CONTEXT,
        "pad_token_id": read.pad_token_id,
        "bos_token_id": read.bos_token_id,
        "eos_token_id": read.eos_token_id,
        "tie_word_embeddings": kind in ("qwen3", "gemma3_text", "smollm3"),  # as the small real ones do
    }
    if kind in ("qwen3", "gemma3_text"):
        common["head_dim"] = shape.width // shape.heads
    if kind == "mistral":
        common["sliding_window"] = None  # as v0.2 and later
    if kind == "gemma3_text":
        common["sliding_window"] = 512
    return AutoConfig.for_model(kind, **common)
