"""The state of a training on disk, so that a run killed at any time goes on where it was.

In: a path and the digest of everything the training depends on. Out: the stored state, or None when there is none or it belongs to other inputs. A file appears only
when it is whole (written beside, flushed to the disk, renamed), so a kill leaves the last good one.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nl2dsl.errors import ModelError


def write(value: Any, path: Path) -> None:
    """`torch.save`, all or nothing. Raises `ModelError` when it cannot be written; what was there is untouched then."""
    try:
        put(path, lambda stream: torch.save(value, stream))
    except (OSError, RuntimeError) as problem:
        raise unwritten(f"{path} cannot be written", problem) from problem


def put(path: Path, dump: Callable[[Any], object]) -> None:
    """What `dump` puts into a stream, whole or not at all. Raises `OSError`, or `RuntimeError`, which torch's writer says when the disk is full."""
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            dump(stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except (OSError, RuntimeError):
        beside.unlink(missing_ok=True)
        raise


def unwritten(what: str, problem: Exception) -> ModelError:
    """What a person is told when a checkpoint cannot be written."""
    return ModelError(
        f"{what}: {getattr(problem, 'strerror', None) or str(problem).splitlines()[0]}",
        hint="make room and start the same command again: it goes on from the last whole checkpoint",
    )


@dataclass(frozen=True)
class Checkpoint:
    """`inputs` identifies the data and the settings; a state of other inputs is not resumed from. `seconds` is the longest training that a kill may cost."""

    path: Path
    inputs: str = ""
    seconds: float = 120.0

    def load(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
        except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as problem:
            raise ModelError(f"{self.path}: not a checkpoint", hint=f"remove {self.path} to train from the start") from problem
        return state if state.get("inputs") == self.inputs else None

    def save(self, state: Mapping[str, Any]) -> None:
        write({**state, "inputs": self.inputs}, self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def chance(rng: random.Random) -> dict[str, Any]:
    """Where the random numbers are."""
    return {"python": rng.getstate(), "torch": torch.get_rng_state()}


def set_chance(state: Mapping[str, Any], rng: random.Random) -> None:
    rng.setstate(state["python"])
    torch.set_rng_state(state["torch"])
