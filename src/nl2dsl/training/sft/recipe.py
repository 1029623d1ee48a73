"""What to fine-tune, on what, and how: the defaults are the paper's (LoRA of rank 16, dropout 0.1, Adam, 1e-4).

In: TOML (see `recipes/train/`). Out: an `SftRecipe`. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Method = Literal["full", "lora", "qlora"]


@dataclass(frozen=True)
class Lora:
    """The adapter."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.1
    targets: tuple[str, ...] = ()
    """Names of the layers it is put on; all linear layers but the output when empty."""


@dataclass(frozen=True)
class Shape:
    """Of a randomly initialised base (`base = "random:ARCHITECTURE"`)."""

    layers: int = 2
    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    inner: int = 128
    vocabulary: int = 2_000
    texts: int = 400
    """Corpus rows its tokenizer is trained on."""


@dataclass(frozen=True)
class SftRecipe:
    """What to fine-tune, on what, and how."""

    base: str
    """A folder in the layout of transformers, a name on the hub, or `random:mistral` (phi, phi3, qwen3, gemma3_text, smollm3): untrained, to try things."""
    trainer: Literal["sft"] = "sft"
    corpus: str = "build/corpus"
    """Folder that `nl2dsl corpus` wrote."""
    out: str = "build/sft"
    """Folder of the model; what the training keeps for itself is below it, in `training`."""
    catalog: tuple[str, ...] = ()
    """Catalog files; the built-in catalog when empty."""
    connectors: tuple[str, ...] = ()
    """Only these connectors of the catalog, and only rows that need no other; all when empty."""
    methods: tuple[Method, ...] = ("lora",)
    """How; each next one starts from what the one before made, and the last one's result is the model."""
    lora: Lora = field(default_factory=Lora)
    shape: Shape = field(default_factory=Shape)
    shots: int = 0
    """Nearest examples of the training side in each prompt (the paper: 0, 3 or 5)."""
    offered: int = 0
    """Operations in each prompt besides those the flow needs, the same ones whatever the shots (`offered` of an evaluation is the same number); about 40 when 0."""
    rows: int = 0
    """Training rows, drawn by the seed; all when 0."""
    epochs: float = 1.0
    steps: int = 0
    """Steps instead of epochs."""
    batch: int = 64
    """Examples of a step, over all processes."""
    max_length: int = 8_192
    """Tokens of prompt and flow together; longer rows are left out and counted."""
    batching: Literal["packed", "grouped"] = "packed"
    """`packed` puts whole examples into one row, each seeing only itself; `grouped` pads examples of like length."""
    micro_tokens: int = 16_384
    """Tokens of one forward pass, padding included."""
    pad_to: int = 64
    """Lengths are rounded up to a multiple: few distinct shapes are fast."""
    learning_rate: float = 1e-4
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup: float = 0.03
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    """Largest norm of the gradient."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """Of the arithmetic (autocast); what is trained stays in float32."""
    weights: Literal["float32", "bfloat16"] = "float32"
    """Of the frozen base; full training is always in float32."""
    attention: Literal["rows", "sdpa", "eager", "flash_attention_2"] = "rows"
    """`rows` attends within each row of a pack and needs no mask; the others are those of transformers."""
    gradient_checkpointing: bool = False
    compile: bool = False
    threads: int = 0
    """Of the processor; as many as it has when 0."""
    seed: int = 0
    every: int = 200
    """Steps between two evaluations."""
    validation: int = 200
    """Validation rows the loss is measured on."""
    decoded: int = 32
    """Validation rows whose flows are written and scored at an evaluation."""
    max_new_tokens: int = 512
    patience: int = 0
    """Evaluations without a better similarity (or, at the same one, fewer non-parsed) after which training ends; never when 0. The best weights are what is kept."""
    checkpoint: int = 100
    """Steps between two checkpoints."""
    log: int = 10
    """Steps between two lines of figures."""
    merge: bool = False
    """Also writes the adapter merged into its base, to `OUT/merged`."""
    tensorboard: bool = True
    wandb: bool = False
    mlflow: bool = False

    def __post_init__(self) -> None:
        for name in ("batch", "max_length", "micro_tokens", "pad_to", "every", "checkpoint", "log", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` is at least 1")
        if not self.methods:
            raise ValueError("`methods` is empty: full, lora or qlora")
        if self.steps < 0 or (not self.steps and self.epochs <= 0):
            raise ValueError("there are neither steps nor epochs")
        if self.micro_tokens < self.max_length:
            raise ValueError("`micro_tokens` is at least `max_length`: a whole example must fit")
        if self.learning_rate <= 0 or not 0 <= self.warmup <= 1 or self.clip <= 0:
            raise ValueError("`learning_rate` and `clip` are above 0, `warmup` is a share")
        if self.lora.rank < 1 or not 0 <= self.lora.dropout < 1:
            raise ValueError("`lora.rank` is at least 1, `lora.dropout` is a share below 1")
