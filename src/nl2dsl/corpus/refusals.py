"""Requests that must not become a flow, and harmless ones that only look like it.

In: `.txt` files (`data/refusals`), a request on each line: `violence | text my neighbour that ...` or `fine | when the panic button is pressed, ...`. Out: `Told`s, each with its part: a fifth is for
choosing, a fifth for measuring, by hash of its text.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nl2dsl.errors import CorpusError
from nl2dsl.refusal import CATEGORIES

FOLDER = Path(__file__).parents[3] / "data" / "refusals"
FINE = "fine"
Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Told:
    """A request, and the category it is refused for; None when it is fine."""

    query: str
    category: str | None

    @property
    def part(self) -> Part:
        place = zlib.crc32(self.query.encode()) % 5
        return "test" if place == 0 else "validation" if place == 1 else "train"


def files(folder: Path) -> list[Path]:
    """The files of a folder, by name. Raises `CorpusError` when there is none."""
    found = sorted(folder.glob("*.txt"))
    if not found:
        raise CorpusError(
            f"no refusals in {folder}", hint="`refusals` is a folder with .txt files, seen from where the command runs; leave it empty for none"
        )
    return found


def read(path: Path) -> list[Told]:
    """The requests of one file. Raises `CorpusError` with file and line."""
    told = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        category, bar, query = (part.strip() for part in line.partition("|"))
        if not bar or not query or category not in (FINE, *CATEGORIES):
            raise CorpusError(f"{path}:{number}: not `category | request`", hint=f"categories: {', '.join((FINE, *CATEGORIES))}")
        told.append(Told(query, None if category == FINE else category))
    return told


def load(folder: Path = FOLDER) -> list[Told]:
    """Every request of a folder, once."""
    return list(dict.fromkeys(one for path in files(folder) for one in read(path)))
