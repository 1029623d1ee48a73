"""Useful tokens a second of fine-tuning, side by side in one process: our settings and a plain TRL SFT script, on the same rows and the same untrained model.

    python -m benchmarks.sft_throughput [--rows 64] [--steps 8] [--width 128] [--layers 4] [--threads 2] [--corpus build/corpus]

In: the corpus. Out: a table on stdout. Useful tokens are prompt and flow, no padding. Plain TRL is what its documentation shows: prompt and completion columns, a batch of 8 rows padded to the
longest, float32; needs `pip install trl datasets`. Ours: packed and grouped, float32 and bf16. Each is warmed up by one step.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

BATCH = 8


def main() -> None:
    args = _arguments()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(args.threads)
    rows, texts, base = _material(args)
    n = sum(len(r.ids) for r in rows)
    print(
        f"{len(rows)} rows, {n} tokens, {sum(len(r.ids) - r.prompt for r in rows)} of them flow; {args.layers} layers of {args.width}; {args.threads} threads"
    )
    plain = _trl(base, texts, rows, args.steps)
    print(f"{'plain TRL':<24}{plain:9.0f} tokens/s")
    for batching in ("packed", "grouped"):
        for precision in ("fp32", "bf16"):
            rate = _ours(base, rows, batching, precision, args)
            print(f"{f'{batching}, {precision}':<24}{rate:9.0f} tokens/s  {rate / plain:.2f} x")


def _arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=64)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--width", type=int, default=128)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--vocabulary", type=int, default=4000)
    p.add_argument("--max-length", type=int, default=8192)
    p.add_argument("--micro-tokens", type=int, default=8192)
    p.add_argument("--corpus", default="build/corpus")
    return p.parse_args()


def _material(args: argparse.Namespace) -> tuple[list[Any], list[dict[str, str]], Path]:
    """Encoded rows, the same as texts, and the folder of the base."""
    from transformers import AutoTokenizer

    from nl2dsl.catalog.read import builtin
    from nl2dsl.engines import hf
    from nl2dsl.prompts import write_flow
    from nl2dsl.textual import candidates
    from nl2dsl.training.sft import bases, data
    from nl2dsl.training.sft.recipe import Shape
    from nl2dsl.training.sft.rows import examples, offered

    catalog = builtin()
    found = examples(Path(args.corpus), "train", catalog, args.rows, 0)
    asked = {e.id: write_flow(e.query, offered(candidates(catalog, e.query), e, catalog)) for e in found}
    shape = Shape(args.layers, args.width, args.width // 32, max(1, args.width // 64), args.width * 8 // 3, args.vocabulary)
    base = bases.make("random:mistral", shape, [p.text for p in asked.values()] + [e.dsl for e in found], Path(tempfile.mkdtemp()), 0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows, _ = data.fitting(data.encode(found, catalog, tokenizer, lambda query: candidates(catalog, query)), args.max_length)
    texts = [{"prompt": hf.render(tokenizer, asked[e.id]), "completion": e.dsl.strip()} for e in found]
    return rows, texts, base


def _ours(base: Path, rows: list[Any], batching: str, precision: str, args: argparse.Namespace) -> float:
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from nl2dsl.training.sft import model
    from nl2dsl.training.sft.loop import Training
    from nl2dsl.training.sft.recipe import SftRecipe

    AcceleratorState._reset_state(True)
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="bf16" if precision == "bf16" else "no")
    recipe = SftRecipe(
        "", batching=batching, precision=precision, batch=BATCH, steps=args.steps, max_length=args.max_length, micro_tokens=args.micro_tokens
    )  # type: ignore[arg-type]
    made, tokenizer = model.load(base, recipe, "lora")
    with tempfile.TemporaryDirectory() as folder:
        training = Training(recipe, "", made, rows, [], tokenizer.pad_token_id, Path(folder), "", accelerator, None, lambda m: {}, lambda f, s: None)  # type: ignore[arg-type]
        training._step(0)
        began, useful = time.perf_counter(), 0
        for step in range(1, args.steps + 1):
            useful += training._step(step)[2]
        return useful / (time.perf_counter() - began)


def _trl(base: Path, texts: list[dict[str, str]], rows: list[Any], steps: int) -> float:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    times: list[float] = []

    class Watch(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        how = SFTConfig(
            folder, per_device_train_batch_size=BATCH, max_steps=steps + 1, learning_rate=1e-4, max_length=None, report_to="none", save_strategy="no", logging_steps=10**6,
            disable_tqdm=True, bf16=False, use_cpu=True, gradient_checkpointing=False,
        )  # fmt: skip
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
        SFTTrainer(str(base), args=how, train_dataset=Dataset.from_list(texts), peft_config=lora, callbacks=[Watch()]).train()
    mean = sum(len(r.ids) for r in rows) / len(rows)
    assert math.isfinite(mean) and len(times) == steps + 1
    return mean * BATCH * steps / (times[-1] - times[0])


if __name__ == "__main__":
    main()
