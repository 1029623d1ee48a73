"""Useful tokens a second of fine-tuning, side by side in one process: a plain TRL SFT script and our trainer, on the same rows, the same untrained model, the same batches.

    python -m benchmarks.sft_throughput [--rounds 2] [--steps 1] [--width 256] [--layers 4] [--max-length 4096] [--threads 2] [--corpus build/corpus] [--ablation]

In: the corpus. Out: a table on stdout: each round's rates, the ratio of each round, and the median. Useful tokens are those of prompt and flow, no padding: both trainers take the same rows in the same
order, 8 a step, so that the ratio is that of rows a second, too. *Plain TRL* is what its documentation shows for prompt and completion columns with LoRA: batches padded to the longest row, float32, no
gradient checkpointing (its default, which costs a forward pass more, is not held against it). *TRL bf16* is the same with its default precision. *Ours* is what our recipes say: rows packed, attention
within each row, logits only where a label stands, bf16. Rounds are interleaved, the order turns with each. `--ablation` takes our parts away one by one. Needs `pip install trl datasets`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH = 8
PLAIN = "plain TRL"


@dataclass(frozen=True)
class Rate:
    """Useful tokens a second by the clock and by the processor's time of this process (all threads)."""

    clock: float
    processor: float


def main() -> None:
    args = _arguments()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(args.threads)
    rows, texts, base = _material(args)
    n = [len(r.ids) for r in rows]
    print(
        f"{len(rows)} rows of {min(n)} to {max(n)} tokens, {sum(n)} in all, {sum(len(r.ids) - r.prompt for r in rows)} of them flow; {args.layers} layers of {args.width}; "
        f"{args.threads} threads; {args.rounds} rounds of {args.steps} steps of {BATCH} rows",
        flush=True,
    )
    trainers = _trainers(args, base, rows, texts)
    found: dict[str, list[Rate]] = {name: [] for name in trainers}
    for number in range(args.rounds):
        names = list(trainers)
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(trainers[name]())
            print(f"round {number + 1}  {name:<28}{found[name][-1].clock:8.0f} tokens/s", flush=True)
    _table(found)


def _arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--steps", type=int, default=1)
    p.add_argument("--width", type=int, default=256)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--vocabulary", type=int, default=4000)
    p.add_argument("--max-length", type=int, default=4096)
    p.add_argument("--micro-tokens", type=int, default=8192)
    p.add_argument("--corpus", default="build/corpus")
    p.add_argument("--ablation", action="store_true")
    return p.parse_args()


def _trainers(args: argparse.Namespace, base: Path, rows: list[Any], texts: list[dict[str, str]]) -> dict[str, Callable[[], Rate]]:
    def ours(**more: Any) -> Callable[[], Rate]:
        return lambda: _ours(base, rows, args, **more)

    trainers = {
        PLAIN: lambda: _trl(base, texts, rows, args.steps, bf16=False),
        "TRL bf16": lambda: _trl(base, texts, rows, args.steps, bf16=True),
        "ours": ours(),
    }
    if args.ablation:
        trainers |= {
            "ours, fp32": ours(precision="fp32"),
            "ours, mask (sdpa)": ours(attention="sdpa"),
            "ours, grouped": ours(batching="grouped"),
            "ours, base in bf16": ours(weights="bfloat16"),
            "ours, compiled": ours(compile=True),
        }
    return trainers


def _table(found: dict[str, list[Rate]]) -> None:
    print(f"\n{'':<28}{'tokens/s':>10}{'x plain TRL, each round':>32}{'median':>9}{'by processor time':>20}")
    for name, rates in found.items():
        by_clock = [r.clock / p.clock for r, p in zip(rates, found[PLAIN], strict=True)]
        by_processor = [r.processor / p.processor for r, p in zip(rates, found[PLAIN], strict=True)]
        each = "  ".join(f"{x:.2f}" for x in by_clock)
        print(
            f"{name:<28}{statistics.median(r.clock for r in rates):10.0f}{each:>32}{statistics.median(by_clock):9.2f}{statistics.median(by_processor):20.2f}"
        )


def _material(args: argparse.Namespace) -> tuple[list[Any], list[dict[str, str]], Path]:
    """Encoded rows in the order of the steps (one more than is measured, to warm up), the same as texts, and the folder of the base."""
    from transformers import AutoTokenizer

    from nl2dsl.catalog.read import builtin
    from nl2dsl.engines import hf
    from nl2dsl.textual import candidates
    from nl2dsl.training.sft import bases, data
    from nl2dsl.training.sft.recipe import Shape
    from nl2dsl.training.sft.rows import examples

    catalog, wanted = builtin(), BATCH * (args.steps + 1)
    every = examples(Path(args.corpus), "train", catalog, 0, 0)
    random.Random(0).shuffle(every)
    first = every[: wanted * 2]
    asked = [_prompt(catalog, e) for e in first[:100]]
    shape = Shape(args.layers, args.width, args.width // 32, max(1, args.width // 64), args.width * 8 // 3, args.vocabulary)
    base = bases.make("random:mistral", shape, [p.text for p in asked] + [e.dsl for e in first], Path(tempfile.mkdtemp()), 0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoded = data.encode(every, catalog, tokenizer, lambda query: candidates(catalog, query))
    fits = list(itertools.islice(((e, row) for e, row in zip(every, encoded, strict=True) if len(row.ids) <= args.max_length), wanted))
    if len(fits) < wanted:
        raise SystemExit(f"{args.corpus} has {len(fits)} rows of at most {args.max_length} tokens, and {wanted} are asked for: fewer --steps")
    texts = [{"prompt": hf.render(tokenizer, _prompt(catalog, e)), "completion": e.dsl.strip()} for e, _ in fits]
    return [row for _, row in fits], texts, base


def _prompt(catalog: Any, example: Any) -> Any:
    from nl2dsl.prompts import write_flow
    from nl2dsl.textual import candidates
    from nl2dsl.training.sft.rows import offered

    return write_flow(example.query, offered(candidates(catalog, example.query), example, catalog))


def _rate(rows: list[Any], clocks: list[tuple[float, float]]) -> Rate:
    """`clocks` are wall clock and processor time at the end of the first, unmeasured step and of each other one."""
    useful = sum(len(r.ids) for r in rows[BATCH : BATCH * len(clocks)])
    return Rate(useful / (clocks[-1][0] - clocks[0][0]), useful / (clocks[-1][1] - clocks[0][1]))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _ours(base: Path, rows: list[Any], args: argparse.Namespace, **settings: Any) -> Rate:
    from nl2dsl.training.sft import data, model
    from nl2dsl.training.sft.loop import Training, accelerator
    from nl2dsl.training.sft.recipe import SftRecipe

    recipe = SftRecipe(
        "", batch=BATCH, steps=args.steps + 1, max_length=args.max_length, micro_tokens=args.micro_tokens, tensorboard=False, **settings
    )
    made, tokenizer = model.load(base, recipe, "lora")
    clocks = []
    with tempfile.TemporaryDirectory() as folder:
        training = Training(
            recipe, "", made, rows, [], tokenizer.pad_token_id, Path(folder), "", accelerator(recipe), None, lambda m: {}, lambda f, s: None
        )  # type: ignore[arg-type]
        training.steps = _InOrder(rows)  # type: ignore[assignment]
        for step in range(args.steps + 1):
            value, *_ = training._step(step)
            assert math.isfinite(value) and data.IGNORED < 0
            clocks.append(_now())
    return _rate(rows, clocks)


@dataclass(frozen=True)
class _InOrder:
    """The rows as they come, as TRL's sampler is told to take them."""

    rows: list[Any]

    def of(self, step: int) -> list[Any]:
        return self.rows[step * BATCH : (step + 1) * BATCH]


def _trl(base: Path, texts: list[dict[str, str]], rows: list[Any], steps: int, bf16: bool) -> Rate:
    import torch
    from accelerate.state import AcceleratorState
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    clocks: list[tuple[float, float]] = []

    class Watch(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clocks.append(_now())

    AcceleratorState._reset_state(True)
    with tempfile.TemporaryDirectory() as folder:
        how = SFTConfig(
            folder, per_device_train_batch_size=BATCH, max_steps=steps + 1, learning_rate=1e-4, max_length=None, report_to="none", save_strategy="no", logging_steps=10**6,
            disable_tqdm=True, bf16=bf16, use_cpu=not torch.cuda.is_available(), gradient_checkpointing=False, train_sampling_strategy="sequential",
        )  # fmt: skip
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = SFTTrainer(str(base), args=how, train_dataset=Dataset.from_list(texts), peft_config=lora, callbacks=[Watch()])
        theirs, own = sum(len(one) for one in trainer.train_dataset["input_ids"]), sum(len(r.ids) for r in rows)
        assert abs(theirs - own) <= 0.01 * own, (
            f"TRL was given other tokens: {theirs} instead of {own}"
        )  # where prompt and flow meet, it may cut another token
        trainer.train()
    assert len(clocks) == steps + 1
    return _rate(rows, clocks)


if __name__ == "__main__":
    main()
