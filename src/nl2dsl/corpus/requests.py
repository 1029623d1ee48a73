"""Curated requests: sentences written one by one, each with the sketch of the flow it asks for.

In: `.requests` files (`Q:` and `F:` lines, `data/requests/`) and `.requests.jsonl` files (`query`, `sketch`). Out: `Request`s, in the order of the files; a broken pair raises `CorpusError` with file and line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nl2dsl.dsl import sketch as sketches
from nl2dsl.dsl.sketch import Sketch
from nl2dsl.errors import CorpusError
from nl2dsl.files import read_rows as rows

FOLDER = Path(__file__).parents[3] / "data" / "requests"


@dataclass(frozen=True, slots=True)
class Request:
    query: str
    sketch: Sketch
    source: str  # file name without ending


# The Dataverse trigger numbers what people say in words.
_MESSAGE = "subscriptionRequest/message"
_CODES = {
    "added": 1,
    "add": 1,
    "new": 1,
    "created": 1,
    "deleted": 2,
    "delete": 2,
    "removed": 2,
    "modified": 3,
    "updated": 3,
    "changed": 3,
    "added or modified": 4,
    "added or changed": 4,
}


def _normalised(sketch: Sketch) -> Sketch:
    stated = tuple((key, _CODES.get(str(value).lower(), value) if key == _MESSAGE else value) for key, value in sketch.trigger.stated)
    kept = tuple((key, value) for key, value in stated if key != _MESSAGE or isinstance(value, int))
    return sketches.Sketch(sketches.Step(sketch.trigger.operation, kept), sketch.steps)


def read(path: Path) -> Iterator[Request]:
    """The requests of one file. Raises `CorpusError` with file and line."""
    query = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("Q:"):
            if query:
                raise CorpusError(f"{path}:{number}: a second `Q:` before the `F:` of the first")
            query = line[2:].strip()
        elif line.startswith("F:"):
            if not query:
                raise CorpusError(f"{path}:{number}: `F:` without `Q:`")
            try:
                yield Request(query, _normalised(sketches.parse(line[2:].strip())), path.stem)
            except sketches.SketchError as problem:
                raise CorpusError(f"{path}:{number}: {problem}") from problem
            query = ""


def read_rows(path: Path) -> Iterator[Request]:
    """The requests of JSON lines with `query` and `sketch`, for instance of another corpus. Raises `CorpusError` with file and line."""
    for number, row in rows(path, {"query": str, "sketch": str}):
        try:
            yield Request(row["query"], _normalised(sketches.parse(row["sketch"])), path.name.split(".")[0])
        except sketches.SketchError as problem:
            raise CorpusError(f"{path}:{number}: {problem}") from problem


def load(folder: Path = FOLDER) -> list[Request]:
    """Every request of a folder; a query that occurs twice counts once."""
    found: dict[str, Request] = {}
    for path, reading in [
        *((p, read) for p in sorted(folder.glob("*.requests"))),
        *((p, read_rows) for p in sorted(folder.glob("*.requests.jsonl"))),
    ]:
        for request in reading(path):
            found.setdefault(" ".join(request.query.lower().split()), request)
    return list(found.values())
