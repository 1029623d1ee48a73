"""A base as something to train: all of it, or an adapter beside frozen (for QLoRA: 4-bit) weights.

In: the folder of a base, a recipe, a method. Out: the model, its tokenizer; the trained weights by name; a folder that the engine `hf:FOLDER` serves.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from nl2dsl.engines import hf
from nl2dsl.errors import ModelError
from nl2dsl.training.sft import attention
from nl2dsl.training.sft.recipe import Method, SftRecipe


def load(base: Path, recipe: SftRecipe, method: Method) -> tuple[Any, Any]:
    """The model with what is to be trained switched on, and its tokenizer. Raises `ModelError` when the base cannot be loaded, or not in this way here."""
    kind = torch.float32 if method == "full" else getattr(torch, recipe.weights)
    more = _four_bit() if method == "qlora" else {}
    attention.register()
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=kind, attn_implementation=recipe.attention, **more)
    except (OSError, ValueError, RuntimeError, ImportError) as problem:
        raise ModelError(
            f"the base in {base} cannot be loaded: {str(problem).splitlines()[0]}", hint="is the folder whole, and its library installed?"
        ) from problem
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # never learned from: labels end at the first end token
    model.config.use_cache = False
    if method != "full":
        model = _adapter(model, recipe, method)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model, tokenizer


def _four_bit() -> dict[str, Any]:
    """QLoRA: NF4 with double quantisation, arithmetic in bfloat16."""
    try:
        import bitsandbytes  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError as problem:
        raise ModelError(
            "QLoRA needs bitsandbytes", hint='pip install bitsandbytes, on a machine with a GPU; elsewhere take methods = ["lora"]'
        ) from problem
    from transformers import BitsAndBytesConfig

    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    return {"quantization_config": how}


def _adapter(model: Any, recipe: SftRecipe, method: Method) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if method == "qlora":
        model = cast(Any, prepare_model_for_kbit_training)(model, use_gradient_checkpointing=False)
    lora = recipe.lora
    targets = list(lora.targets) or "all-linear"
    how = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM")
    try:
        return get_peft_model(model, how)
    except ValueError as problem:
        raise ModelError(
            f"`lora.targets`: {str(problem).splitlines()[0]}", hint="names of linear layers of this base, such as q_proj, v_proj"
        ) from problem


def trained(model: Any) -> dict[str, Tensor]:
    """The weights that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def put(model: Any, weights: dict[str, Tensor]) -> None:
    """Puts weights back where `trained` found them."""
    own = trained(model)
    if own.keys() != weights.keys():
        raise ModelError("the checkpoint belongs to another model: its weights have other names", hint="train into another folder")
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(weights[name])


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Weights (the adapter's alone, if there is one) and tokenizer, in the layout of transformers and PEFT."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True) if hasattr(model, "peft_config") else model.save_pretrained(folder)
    hf.servable(tokenizer).save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # an empty form that PEFT leaves; the card says what there is to say


def merge(base: Path, adapter: Path, folder: Path, weights: str) -> None:
    """Writes the adapter merged into its base."""
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, weights))
    save(hf.adapted(model, adapter, merged=True), AutoTokenizer.from_pretrained(adapter), folder)
