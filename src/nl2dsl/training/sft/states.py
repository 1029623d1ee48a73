"""Checkpoints of a fine-tuning: the two last states and a list that names them with their digests.

In: a folder and the digest of everything the training depends on. Out: the last state, or None. A state is written whole before the list names it, so a kill or a full
disk leaves the last good one; a state whose bytes are not those of the list is refused by name, and the one before it is still there.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nl2dsl.errors import ModelError
from nl2dsl.files import digest_of, write_text
from nl2dsl.training.checkpoint import put, unwritten

KEPT = 2
Write = Callable[[Any, Any], None]  # a value and a stream


@dataclass(frozen=True)
class States:
    """`write` puts a value into a stream (torch.save)."""

    folder: Path
    inputs: str
    write: Write = torch.save

    @property
    def told(self) -> Path:
        return self.folder / "states.json"

    def load(self) -> dict[str, Any] | None:
        """The last state; None when there is none or it is of other inputs. Raises `ModelError` when it is damaged."""
        names = [n for n in self.names() if (self.folder / n["file"]).exists()]
        if not names:
            return None
        last, path = names[-1], self.folder / names[-1]["file"]
        before = f"; {names[-2]['file']} (step {names[-2]['step']}) is the one before it" if len(names) > 1 else ""
        if digest_of(path) != last["sha256"]:
            raise ModelError(
                f"the checkpoint {path} is damaged{before}",
                hint=f"remove {path}: training then goes on from {'the one before' if before else 'the start'}",
            )
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as problem:
            raise ModelError(f"the checkpoint {path} cannot be read{before}", hint="train into another folder") from problem
        return state

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Raises `ModelError` when it cannot be written; the state before is untouched then."""
        path = self.folder / f"step-{step:07d}.pt"
        try:
            put(path, lambda stream: self.write(dict(state), stream))
            names = [n for n in self.names() if n["step"] < step] + [{"step": step, "file": path.name, "sha256": digest_of(path)}]
            write_text(self.told, json.dumps({"inputs": self.inputs, "states": names[-KEPT:]}, indent=1))
        except (OSError, RuntimeError) as problem:
            raise unwritten(f"the checkpoint of step {step} cannot be written to {self.folder}", problem) from problem
        for old in sorted(self.folder.glob("step-*.pt"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def names(self) -> list[dict[str, Any]]:
        if not self.told.exists():
            return []
        try:
            found = json.loads(self.told.read_text(encoding="utf-8"))
            return list(found["states"]) if found["inputs"] == self.inputs else []
        except (ValueError, KeyError, TypeError) as problem:
            raise ModelError(f"{self.told} is damaged", hint="train into another folder") from problem
