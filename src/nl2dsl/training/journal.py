"""What a training tells: a bar on a terminal, a line every 100 steps elsewhere, and two files that only grow: `log.txt` and `metrics.jsonl`.

In: a folder, texts, figures. Out: the files, and lines on standard error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nl2dsl.errors import ModelError
from nl2dsl.files import write_text


def line(figures: Mapping[str, Any]) -> str:
    """Figures as one line: `generator step 100  81 s  loss 1.230  fixed 0.912 ...`."""
    parts = [f"{figures.get('stage', '')} step {figures.get('step', 0)}".strip()]
    for name, value in figures.items():
        if name == "set":
            parts.append(str(value))
        elif name == "seconds":
            parts.append(f"{value:.0f} s")
        elif isinstance(value, Mapping):
            parts += [f"{inner} {share:.3f}" for inner, share in value.items()]
        elif name not in ("stage", "step"):
            parts.append(f"{name.replace('_', ' ')} {value:.3f}" if isinstance(value, float) else f"{name} {value}")
    return "  ".join(parts)


class Journal:
    """The journal of one folder."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.texts, self.figures = folder / "log.txt", folder / "metrics.jsonl"
        self.console = console or Console(stderr=True, highlight=False, markup=False)
        self._bar: Progress | None = None
        self._task: Any = None

    def log(self, text: str) -> None:
        """A line for the file and for who watches."""
        self._keep(text)
        self.console.print(text, soft_wrap=True)

    def record(self, figures: Mapping[str, Any]) -> None:
        """Figures of a step or of an evaluation. On a terminal the bar stands for the steps."""
        _append(self.figures, json.dumps(figures))
        text = line(figures)
        if "set" in figures or not self._bar:
            self.log(text)
        else:
            self._keep(text)

    def tick(self, step: int, share: float, loss: float) -> None:
        """Moves the bar: `share` of the training is done."""
        if self._bar:
            self._bar.update(self._task, completed=min(share, 1.0), what=f"step {step}  loss {loss:.3f}")

    def rewind(self, stage: str, step: int) -> None:
        """Forgets the figures after a step: the run was killed there and takes these steps again."""
        if not self.figures.exists():
            return
        lines = self.figures.read_text(encoding="utf-8").splitlines()
        kept = [text for text in lines if not _after(text, stage, step)]
        if len(kept) < len(lines):
            write_text(self.figures, "".join(f"{text}\n" for text in kept))

    @contextmanager
    def bar(self, name: str) -> Iterator[None]:
        if not self.console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as self._bar:
            self._task = self._bar.add_task(name, total=1.0, what="")
            try:
                yield
            finally:
                self._bar = None

    def _keep(self, text: str) -> None:
        _append(self.texts, f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}")


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")
    except OSError as problem:
        raise ModelError(
            f"{path} cannot be written: {problem.strerror}", hint="make room and start the same command again: it goes on from the last checkpoint"
        ) from problem


def _after(text: str, stage: str, step: int) -> bool:
    """Whether a line tells of a later step of a stage, or was cut off by the kill."""
    try:
        figures = json.loads(text)
    except json.JSONDecodeError:
        return True
    return bool(figures.get("stage") == stage and figures.get("step", 0) > step)
