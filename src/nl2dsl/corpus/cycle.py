"""The cycle check: a request is given to a model, and what it writes must do what the row's flow does.

In: rows, a writer (request in, text of a flow out), a catalog. Out: a `Verdict` for each: `same` when both flows do the same on the simulator under every seed, `alike` when their operations are
similar enough, else `marked`, with the reason: a person should look at the row. A marked row may be wrong, or only hard for the model; nothing is taken out.

Verdicts are kept one by one in a file that only grows, so that a check that is killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus.teacher import progress
from nl2dsl.dsl import tree
from nl2dsl.dsl.text import parse
from nl2dsl.errors import ModelError
from nl2dsl.evaluation.execution import compare
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.example import Example
from nl2dsl.files import digest_of

Writes = Callable[[str], str]


@dataclass(frozen=True)
class CycleRecipe:
    """`[cycle]`: requests that a model turns into flows again."""

    share: float = 0.02
    """Share of the training rows that are checked."""
    similar: float = 0.7
    """Flow similarity from which a flow that does not do the same is near enough."""
    model: str = ""
    """Folder of an embedded model; the one that ships unless given."""
    helpers: tuple[str, ...] = ("builtin.Compose", "builtin.ParseJson", "builtin.InitializeVariable", "builtin.SetVariable")
    """Operations that do not count for similarity, because nobody asks for them."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or not 0 <= self.similar <= 1:
            raise ValueError("`share` is above 0 and at most 1, `similar` from 0 to 1")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the cycle came to; `dsl` is what the model wrote, kept for marked rows only."""

    id: str
    query: str
    cycle: Literal["same", "alike", "marked"]
    similarity: float
    reason: str = ""
    dsl: str = ""


def judge(row: Example, made: str, catalog: Catalog, recipe: CycleRecipe) -> Verdict:
    """The verdict on a row for what a model wrote for its request, "" for no flow."""
    flow, _ = parse(made) if made else (None, [])
    if flow is None:
        return Verdict(row.id, row.query, "marked", 0.0, "the model wrote no flow")
    ours, theirs = (tuple(o for o in ids if o not in recipe.helpers) for ids in (row.operations, tree.operations(flow)))
    similarity = round(flow_similarity(ours, theirs), 4)
    # flows that start otherwise or call other things cannot do the same: only likely ones are run
    if set(ours) == set(theirs) and compare(row.dsl, made, catalog).equal:
        return Verdict(row.id, row.query, "same", similarity)
    if similarity >= recipe.similar:
        return Verdict(row.id, row.query, "alike", similarity)
    return Verdict(row.id, row.query, "marked", similarity, _difference(ours, theirs), made)


def _difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    lacks, adds = [o for o in ours if o not in theirs], [o for o in theirs if o not in ours]
    parts = [f"{what} {', '.join(dict.fromkeys(found))}" for what, found in (("lacks", lacks), ("adds", adds)) if found]
    return "; ".join(parts) or "the same operations in another order or number"


def writer(recipe: CycleRecipe, catalog: Catalog) -> Writes:
    """The embedded model as a writer. Raises `ModelError` when it cannot be loaded."""
    from nl2dsl.generate import Generator
    from nl2dsl.outcome import Authored

    generator = Generator(catalog=catalog, model=Path(recipe.model) if recipe.model else None)

    def write(query: str) -> str:
        outcome = generator.generate(query)
        return outcome.dsl if isinstance(outcome, Authored) else ""

    return write


def model_digest(recipe: CycleRecipe) -> str:
    """Names the model: its card, which names its files. Raises `ModelError` where there is none."""
    from nl2dsl.engines.embedded import SHIPPED

    card = (Path(recipe.model) if recipe.model else SHIPPED) / "card.json"
    try:
        return digest_of(card)
    except OSError as problem:
        raise ModelError(
            f"no model for the cycle check: {card} is not there", hint="`cycle.model` is the folder of a model, or leave out [cycle]"
        ) from problem


class Kept:
    """Verdicts that were reached before, by what they were reached on; the file grows by a line for each."""

    def __init__(self, path: Path, settings: object) -> None:
        self.path, self._settings = path, json.dumps(settings, sort_keys=True, default=str)
        self._found: dict[str, Verdict] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            with suppress(ValueError, TypeError, KeyError):  # the last line of a run that was killed
                row = json.loads(line)
                self._found[row["key"]] = Verdict(**row["verdict"])

    def key(self, row: Example) -> str:
        return hashlib.sha256(f"{self._settings}\n{row.id}\n{row.query}\n{row.dsl}".encode()).hexdigest()

    def get(self, row: Example) -> Verdict | None:
        return self._found.get(self.key(row))

    def add(self, row: Example, verdict: Verdict, stream: IO[str]) -> None:
        stream.write(json.dumps({"key": self.key(row), "verdict": asdict(verdict)}, ensure_ascii=False) + "\n")
        stream.flush()


def check(rows: Sequence[Example], recipe: CycleRecipe, catalog: Catalog, kept: Kept, opened: Callable[[], Writes]) -> list[Verdict]:
    """A verdict for each row, in their order. `opened` gives the writer; it is asked only when there is something to write."""
    found: dict[str, Verdict] = {row.id: verdict for row in rows if (verdict := kept.get(row))}
    todo = [row for row in rows if row.id not in found]
    if todo:
        write = opened()
        with _grown(kept.path) as stream, progress("cycle check", len(todo)) as advance:
            for row in todo:
                found[row.id] = judge(row, write(row.query), catalog, recipe)
                kept.add(row, found[row.id], stream)
                advance()
    return [found[row.id] for row in rows]


def _grown(path: Path) -> IO[str]:
    """The file, open at its end; a line that was torn stays a line of its own."""
    torn = path.exists() and path.stat().st_size > 0 and not _whole(path)
    stream = path.open("a", encoding="utf-8", newline="\n")
    if torn:
        stream.write("\n")
    return stream


def _whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def told(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Counts for the card."""
    found = list(verdicts)
    counts = {kind: sum(v.cycle == kind for v in found) for kind in ("same", "alike", "marked")}
    mean = round(sum(v.similarity for v in found) / len(found), 4) if found else 0.0
    return {"checked": len(found), **counts, "mean similarity": mean}


__all__ = ["CycleRecipe", "Kept", "Verdict", "check", "judge", "model_digest", "told", "writer"]
