"""The training loop, top to bottom: one process or many, killed at any time and gone on exactly.

In: a model, encoded rows, a recipe, a folder. Out: the best weights in the model, and figures. Three things make a resumed training the same training: what a step reads
depends on the seed and the step; chance (dropout) is seeded anew in each step; weights, optimizer and what early stopping remembers are in the checkpoint. And the loss
of a step is divided by its target tokens over all processes, so that one process and two compute the same step.

accelerate distributes: alone, DDP, FSDP or DeepSpeed, as `accelerate launch` says. Sharded trainings (FSDP, ZeRO) keep their checkpoints in accelerate's format.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from nl2dsl.errors import ModelError
from nl2dsl.training.journal import Journal
from nl2dsl.training.sft import data
from nl2dsl.training.sft import model as models
from nl2dsl.training.sft.data import Encoded, Pack, Steps
from nl2dsl.training.sft.recipe import SftRecipe
from nl2dsl.training.sft.states import States

Figures = dict[str, Any]
Evaluate = Callable[[Any], Figures]  # the unwrapped model, in evaluation mode
Tell = Callable[[Mapping[str, float], int], None]


def accelerator(recipe: SftRecipe) -> Any:
    """accelerate's, as `accelerate launch` says. DeepSpeed without a GPU is not asked for by `cpu` (that gives DDP, and says nothing), and needs to be told gloo."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import InitProcessGroupKwargs

    if not torch.distributed.is_initialized():
        AcceleratorState._reset_state(True)  # a process may train twice, with another precision
    cpu, deepspeed = not torch.cuda.is_available(), os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true"
    more = [InitProcessGroupKwargs(backend="gloo")] if cpu and deepspeed else []
    return Accelerator(mixed_precision="bf16" if recipe.precision == "bf16" else "no", cpu=cpu and not deepspeed, kwargs_handlers=more)


@dataclass
class Seen:
    """What early stopping remembers."""

    best: tuple[float, float] = (-1.0, -1.0)
    step: int = 0
    worse: int = 0
    weights: dict[str, Any] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)


@dataclass
class Training:
    """One training of one model. `accelerator` is accelerate's; `tell` passes figures on to trackers."""

    recipe: SftRecipe
    stage: str
    model: Any
    rows: Sequence[Encoded]
    validation: Sequence[Encoded]
    pad: int
    folder: Path
    inputs: str
    accelerator: Any
    journal: Journal
    evaluate: Evaluate
    tell: Tell
    states: States | None = None

    def __post_init__(self) -> None:
        r = self.recipe
        self.total = r.steps or max(1, math.ceil(r.epochs * len(self.rows) / r.batch))
        self.steps = Steps(self.rows, r.batch, r.seed)
        self.states = self.states or States(self.folder, self.inputs)
        self.plain = self.model
        optimizer = torch.optim.AdamW(
            [p for p in self.model.parameters() if p.requires_grad], lr=r.learning_rate, betas=r.betas, weight_decay=r.weight_decay
        )
        if r.compile:
            self.model = torch.compile(self.model, dynamic=False)
        self.model, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.kind = str(self.accelerator.distributed_type).rsplit(".", 1)[-1]
        self.sharded = self.kind in ("DEEPSPEED", "FSDP")
        self.seen = Seen()

    # --- the story -------------------------------------------------------------------------------------------------------------

    def run(self) -> Figures:
        r, began, useful, padded = self.recipe, time.monotonic(), 0, 0
        start = self._resume()
        shared = f", {self.accelerator.num_processes} processes ({self.kind})" if self.kind != "NO" else ""
        self._log(f"{self.stage}: {len(self.rows)} rows, {self.total} steps of {r.batch}{shared}" + (f", from step {start}" if start else ""))
        for step in range(start, self.total):
            if r.patience and self.seen.worse >= r.patience:
                self._log(f"{self.stage}: no better for {r.patience} evaluations, ends at step {step}")
                break
            value, norm, tokens, places = self._step(step)
            useful, padded, now = useful + tokens, padded + places, step + 1
            self._tick(now, value)
            if self._main and (now % r.log == 0 or now == self.total):
                rate = useful / (time.monotonic() - began)
                self._record({"loss": value, "norm": norm, "rate": self.optimizer.param_groups[0]["lr"]}, now, {"tokens/s": rate})
            if now % r.every == 0 or now == self.total:
                self._evaluation(now)
            if now % r.checkpoint == 0 or now == self.total:
                self._save(now)
        if self.seen.weights and not self.sharded:
            models.put(self.plain, self.seen.weights)
        seconds = time.monotonic() - began
        return {
            **self.seen.figures,
            "step": self.seen.step,
            "seconds": round(seconds, 1),
            "useful tokens": useful,
            "padding": round(1 - useful / max(1, padded), 4),
        }

    def _step(self, step: int) -> tuple[float, float, int, int]:
        """One update. Returns the loss by token, the norm of the gradient, useful tokens and tokens with padding."""
        r, a = self.recipe, self.accelerator
        torch.manual_seed((r.seed * 1_000_003 + step) * 1_009 + a.process_index)
        whole = data.packs(self.steps.of(step), r.batching, r.micro_tokens, self.pad, r.pad_to, a.num_processes)
        targets = sum(p.targets for p in whole)
        own, real = self._share(whole)
        for group in self.optimizer.param_groups:
            group["lr"] = r.learning_rate * rise_and_fall(step, self.total, r.warmup, r.schedule)
        self.model.train()
        summed = 0.0
        for i, pack in enumerate(own):
            with self._synchronised(i + 1 == len(own)), a.autocast():
                value = data.loss(self.model, data.moved(pack, a.device)) * (1.0 if i < real else 0.0)
                if not torch.isfinite(value):
                    self._broken(step, "loss", float(value))
                a.backward(value * a.num_processes / targets)  # gradients are averaged over processes
            summed += float(value.detach())
        norm = self._clipped(step)
        self.optimizer.step()
        self.optimizer.zero_grad()
        total = float(a.reduce(torch.tensor(summed, device=a.device), "sum")) if a.num_processes > 1 else summed
        return total / targets, norm, sum(p.useful for p in whole), sum(p.ids.numel() for p in whole)

    def _share(self, whole: list[Pack]) -> tuple[list[Pack], int]:
        """The passes of this process, as many as each other one has, and how many of them count."""
        a = self.accelerator
        own = whole[a.process_index :: a.num_processes]
        most = -(-len(whole) // a.num_processes)
        return own + whole[:1] * (most - len(own)), len(own)

    @contextlib.contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        """Gradients are exchanged in the last pass of a step."""
        a = self.accelerator
        a.sync_gradients = last
        if a.num_processes > 1 and not last and not self.sharded:
            with a.no_sync(self.model):
                yield
        else:
            yield

    def _clipped(self, step: int) -> float:
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        value = float(norm) if norm is not None else 0.0  # DeepSpeed clips by itself
        if not math.isfinite(value):
            self._broken(step, "gradient", value)
        return value

    def _broken(self, step: int, what: str, value: float) -> None:
        kept = [n["step"] for n in self._states.names()]
        raise ModelError(
            f"the {what} is {value} at step {step + 1}; no checkpoint has learned from it"
            + (f", and the checkpoint of step {kept[-1]} is whole" if kept else ""),
            hint='a lower learning_rate, more warmup, or precision = "fp32"',
        )

    # --- evaluations -----------------------------------------------------------------------------------------------------------

    def _evaluation(self, step: int) -> None:
        """Loss on validation rows, and flows written and scored; whether this is the best so far."""
        figures: Figures = {"loss": self._validation_loss()}
        if self._main and not self.sharded:
            with torch.random.fork_rng(devices=[]):
                self.plain.eval()
                figures |= self.evaluate(self.plain)
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            figures = broadcast_object_list([figures])[0]
        score = (figures.get("flow_similarity", -figures["loss"]), -figures.get("non_parsed", 0.0))
        if self.seen.step == 0 or score > self.seen.best:
            kept = {} if self.sharded else {n: p.detach().to("cpu", copy=True) for n, p in models.trained(self.plain).items()}
            self.seen = Seen(score, step, 0, kept, figures)
        else:
            self.seen.worse += 1
        if self._main:
            self._record(figures, step, {}, "validation")

    def _validation_loss(self) -> float:
        self.model.eval()
        a, summed, targets = self.accelerator, 0.0, 0
        found = data.packs(self.validation, self.recipe.batching, self.recipe.micro_tokens, self.pad, self.recipe.pad_to)
        with torch.no_grad(), a.autocast():
            for pack in found:
                summed += float(data.loss(self.model, data.moved(pack, a.device)))
                targets += pack.targets
        return summed / max(1, targets)

    # --- checkpoints -----------------------------------------------------------------------------------------------------------

    @property
    def _states(self) -> States:
        assert self.states is not None
        return self.states

    def _save(self, step: int) -> None:
        if self.sharded:
            self._save_sharded(step)
        elif self._main:
            weights = {n: p.detach().cpu() for n, p in models.trained(self.plain).items()}
            inner = getattr(self.optimizer, "optimizer", self.optimizer)
            self._states.save(step, {"step": step, "weights": weights, "optimizer": inner.state_dict(), "seen": asdict(self.seen)})
        self.accelerator.wait_for_everyone()

    def _save_sharded(self, step: int) -> None:
        folder = self.folder / f"sharded-{step:07d}"
        if self._main:
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed while it wrote
        self.accelerator.wait_for_everyone()
        with self._broken_disk(f"the checkpoint of step {step} cannot be written to {folder}"):
            self.accelerator.save_state(str(folder))
        self.accelerator.wait_for_everyone()
        if self._main:
            self._states.save(
                step,
                {
                    "step": step,
                    "folder": folder.name,
                    "processes": self.accelerator.num_processes,
                    "sizes": _sizes(folder),
                    "seen": asdict(self.seen),
                },
            )
            kept = {f"sharded-{n['step']:07d}" for n in self._states.names()}
            for old in self.folder.glob("sharded-*"):
                if old.name not in kept:
                    shutil.rmtree(old, ignore_errors=True)

    def _load_sharded(self, state: Mapping[str, Any]) -> None:
        folder, processes = self.folder / state["folder"], self.accelerator.num_processes
        if state["processes"] != processes:
            raise ModelError(
                f"the checkpoint {folder} is one of {state['processes']} processes, and now there are {processes}",
                hint="sharded checkpoints go on with the number of processes that made them: start as many, or train into another folder",
            )
        if state["sizes"] != _sizes(folder):
            raise ModelError(f"the checkpoint {folder} is damaged: its files have other sizes", hint="train into another folder")
        with self._broken_disk(f"the checkpoint {folder} cannot be read"):
            self.accelerator.load_state(str(folder))

    @contextlib.contextmanager
    def _broken_disk(self, what: str) -> Iterator[None]:
        """Says what torch and DeepSpeed say in many ways (a full disk is a RuntimeError of torch's writer, damage an error of pickle or zip)."""
        try:
            yield
        except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as problem:
            raise ModelError(
                f"{what}: {(str(problem) or type(problem).__name__).splitlines()[0]}", hint="the checkpoint before it is untouched"
            ) from problem

    def _resume(self) -> int:
        state = self._states.load()
        if state and self.sharded:
            self._load_sharded(state)
        elif state:
            models.put(self.plain, state["weights"])
            getattr(self.optimizer, "optimizer", self.optimizer).load_state_dict(state["optimizer"])
        if self._main:
            self.journal.rewind(self.stage, state["step"] if state else 0)
        if not state:
            return 0
        seen = dict(state["seen"])
        self.seen = Seen(**{**seen, "best": tuple(seen["best"])})
        return int(state["step"])

    # --- telling ---------------------------------------------------------------------------------------------------------------

    @property
    def _main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def _log(self, text: str) -> None:
        if self._main:
            self.journal.log(text)

    def _tick(self, step: int, value: float) -> None:
        if self._main:
            self.journal.tick(step, step / self.total, value)

    def _record(self, figures: Figures, step: int, more: Figures, name: str = "") -> None:
        """`more` goes to trackers alone: what a clock says is another thing in each run."""
        self.journal.record({"stage": self.stage, "step": step, **({"set": name} if name else {}), **figures})
        where = f"{self.stage}/{name or 'train'}"
        self.tell({f"{where}/{n}": float(v) for n, v in {**figures, **more}.items() if isinstance(v, int | float)}, step)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of a sharded checkpoint: a digest of a hundred gigabytes would take longer than the writing."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}


def rise_and_fall(step: int, total: int, warmup: float, schedule: str) -> float:
    """The share of the learning rate at a step, from 0."""
    rising = math.ceil(total * warmup)
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, total - rising)
    return {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}[schedule]
