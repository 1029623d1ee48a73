"""The row that all data work passes along: a request and its flow, as sketch and as text.

In and out: JSON lines. Files appear only when they are whole (written beside, then renamed); `digest` identifies their content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nl2dsl.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Example:
    """`sketch` is what the sentence says, `dsl` the whole flow; `split` is train | validation | test | unseen; `source` the file or sampler it came from."""

    id: str
    query: str
    sketch: str
    dsl: str
    operations: tuple[str, ...]
    source: str
    split: str


def write(rows: Iterable[Example], path: Path) -> str:
    """Writes a file at once and returns the sha256 of its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    hashed = hashlib.sha256()
    with beside.open("wb") as out:
        for row in rows:
            line = (json.dumps(asdict(row), ensure_ascii=False) + "\n").encode()
            hashed.update(line)
            out.write(line)
    beside.replace(path)
    return hashed.hexdigest()


def read(path: Path) -> Iterator[Example]:
    """Rows of a file. Raises `CorpusError` with file and line."""
    if not path.exists():
        raise CorpusError(f"no corpus file {path}", hint="build it: nl2dsl corpus recipes/corpus/default.toml")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                yield Example(**{**row, "operations": tuple(row["operations"])})
            except (json.JSONDecodeError, KeyError, TypeError) as problem:
                raise CorpusError(f"{path}:{number}: not a corpus row: {problem}") from problem
