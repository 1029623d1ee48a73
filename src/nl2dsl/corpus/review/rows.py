"""The rows under review, from a corpus file or folder.

In: a file of JSON lines with `query` and `dsl` (rows of `nl2dsl corpus`, answers of `nl2dsl generate`), or the folder of a corpus. Out: `Item`s. A row is known by the digest
of its request and flow, not by its id: ids of a corpus that is built anew belong to other rows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nl2dsl.corpus.stages import SPLITS
from nl2dsl.errors import CorpusError, UsageError
from nl2dsl.files import STANDARD, read_rows

FILES = (*(f"{split}.jsonl" for split in SPLITS), *(f"flows-{split}.jsonl" for split in SPLITS), "paraphrases.jsonl")


@dataclass(frozen=True, slots=True)
class Item:
    """A row: what is judged of it, and all its keys as they were read."""

    digest: str
    id: str
    query: str
    dsl: str
    row: dict[str, Any]

    @property
    def confidence(self) -> float | None:
        """The model's own probability, where the row has it."""
        value = self.row.get("confidence")
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1 else None


def digest(query: str, dsl: str) -> str:
    """What decisions are about: the same for the same request and flow."""
    return hashlib.sha256(json.dumps([query, dsl]).encode()).hexdigest()


def files(data: str | Path) -> list[Path]:
    """The files a corpus consists of. Raises `CorpusError` for a folder that is no corpus, `UsageError` for what can be read only once."""
    path = Path(data)
    if str(data) == STANDARD:
        raise UsageError("a corpus under review is a file", hint="decisions belong to its rows, also tomorrow: save it first")
    if not path.is_dir():
        return [path]
    found = [path / name for name in FILES if (path / name).is_file()]
    if not found:
        raise CorpusError(f"{path}: no corpus in this folder", hint=f"it has none of {', '.join(FILES[:4])} …; build one: nl2dsl corpus RECIPE")
    return found


def read(data: str | Path) -> list[Item]:
    """All rows in the order of the files. Raises `UsageError` for a file that cannot be opened, `CorpusError` for rows that are none or for no rows at all."""
    found = []
    for file in files(data):
        for number, row in read_rows(file, {"query": str, "dsl": str}):
            known = digest(row["query"], row["dsl"])
            found.append(Item(known, str(row.get("id") or f"{file.name}:{number}"), row["query"], row["dsl"], row))
    if not found:
        raise CorpusError(f"{data}: no rows in it", hint="each line is one JSON object with `query` and `dsl`")
    return found


def identity(items: list[Item]) -> str:
    """Digest of a whole corpus: of its rows in order."""
    return hashlib.sha256("\n".join(i.digest for i in items).encode()).hexdigest()
