"""Table 1 of the paper for our bases: one line for each cell of a sweep, the paper's figures beside it, and the questions of its section 4.1 as paired comparisons.

In: cells, which are finished run folders. Out: a `Table1`, as Markdown or on a terminal. Everything is computed from the answers; no model runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.errors import RunError
from nl2dsl.evaluation import execution, render, statistics
from nl2dsl.evaluation.analysis import BY_NAME, Measure, Scored, figure, scored
from nl2dsl.evaluation.execution import NotMeasured
from nl2dsl.evaluation.run import Run, load
from nl2dsl.evaluation.statistics import Comparison, Figure

if TYPE_CHECKING:
    from rich.console import Console

# Base, shots in training, shots at test, similarity, non-parsed flows in % (Table 1; test set F2NL-1K, n 1,000).
PAPER: tuple[tuple[str, int | None, int, float, float], ...] = (
    ("GPT4-RAG", None, 5, 0.70, 2.1),
    ("Code Cushman 2", 0, 0, 0.70, 3.8),
    ("Mistral7B", 0, 0, 0.72, 3.9),
    ("Mistral7B", 5, 0, 0.71, 1.5),
    ("Mistral7B", 5, 5, 0.72, 1.9),
    ("Mistral7B", 3, 0, 0.71, 1.4),
    ("Mistral7B", 3, 3, 0.72, 1.8),
    ("NeMo-mistral", 3, 0, 0.71, 1.9),
    ("NeMo-mistral", 3, 3, 0.71, 2.2),
    ("Phi-3-medium", 5, 5, 0.72, 3.1),
    ("Gpt-4o-mini", 5, 5, 0.71, 2.6),
)
SHOWN = (
    "flow_similarity", "non-parsed", "exact sequence", "execution equivalence", "hallucinated operations", "hallucinated parameters", "seconds P50", "tokens, prompt",
    "tokens, completion",
)  # fmt: skip
ASKED = ("flow_similarity", "non-parsed")
_ROUNDS = 10_000


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: a base with shots in training and at test, or (no base) a writer that needs none. `paper` is the base of the paper it stands beside."""

    base: str
    trained: int | None
    tested: int | None
    name: str
    folder: Path
    paper: str = ""


@dataclass(frozen=True)
class Contrast:
    """An answer to one question on the rows of all its cells: how much `second` is above `first`; `adjusted` is p after Holm's correction over the table."""

    question: str
    of: str
    measure: Measure
    first: float
    second: float
    found: Comparison
    adjusted: float = 1.0


@dataclass(frozen=True)
class Table1:
    """Lines with their figures by measure, and the contrasts."""

    lines: tuple[tuple[Cell, dict[str, Figure]], ...]
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]


def tabled(cells: Sequence[Cell]) -> Table1:
    """Scores finished cells. Raises `RunError` when they did not answer the same rows."""
    runs = [load(c.folder) for c in cells]
    if len({r.head["rows"]["digest"] for r in runs}) > 1:
        other = next(r for r in runs if r.head["rows"]["digest"] != runs[0].head["rows"]["digest"])
        raise RunError(
            f"{other.folder} answered other rows than {runs[0].folder}", hint="every cell answers the same rows: run the sweep into another `out`"
        )
    catalog = _catalog(runs[0])
    made = [(c, _scored(r, c.name, catalog)) for c, r in zip(cells, runs, strict=True)]
    lines = tuple((c, {name: figure(BY_NAME[name], list(s.rows.values())) for name in SHOWN}) for c, s in made)
    return Table1(lines, tuple(_adjusted(list(contrasts(made)))), tuple(_notes(runs)))


def _catalog(run: Run) -> Catalog:
    said = run.head["recipe"]
    return catalogs.chosen(said.get("catalog") or (), bool(said.get("with_builtin")))


def _scored(run: Run, name: str, catalog: Catalog) -> Scored:
    try:
        effects = execution.measure(run, catalog)
    except NotMeasured:
        effects = {}
    return scored(run, name, catalog, effects)


def _notes(runs: Sequence[Run]) -> Iterable[str]:
    rows, recipe = runs[0].head["rows"], runs[0].head["recipe"]
    yield f"n {rows['n']:,} rows of {rows['file']}{' (drawn by chance)' if recipe.get('limit') else ''}, the same for all lines"
    batches = {r.head["recipe"].get("batch", 1) for r in runs} - {1}
    if batches:
        yield f"seconds of the bases are those of a batch of {'/'.join(map(str, sorted(batches)))} requests, so long waits who asks in it; other writers answer one by one"
    busy = sum((r.head["environment"].get("load") or 0) > (r.head["environment"].get("cores") or 1) for r in runs)
    if busy:
        yield f"{busy} of {len(runs)} runs began on a busy machine: their seconds say little"


# --- questions -----------------------------------------------------------------------------------------------------------------

Which = Callable[[Cell], bool]
Made = Sequence[tuple[Cell, Scored]]


def contrasts(made: Made) -> Iterable[Contrast]:
    """The findings of section 4.1 as questions, over all bases together and for each; a question without cells on both sides is left out."""
    bases = list(dict.fromkeys(c.base for c, _ in made if c.base))
    for of in ("all bases", *bases) if len(bases) > 1 else bases:
        inside = [(c, s) for c, s in made if c.base and of in ("all bases", c.base)]
        for question, first, second in _questions(inside):
            yield from _contrast(question, of, inside, first, second)
    for i, a in enumerate(bases):
        for b in bases[i + 1 :]:
            yield from _contrast(f"{b} against {a}", "all shots", made, _of(a), _of(b))


def _questions(made: Made) -> Iterable[tuple[str, Which, Which]]:
    numbers = sorted({n for c, _ in made for n in (c.trained, c.tested) if n})
    for n in numbers:
        yield f"{n} shots in training, none at test, against none at all", _at(0, 0), _at(n, 0)
        yield f"{n} shots at test of a model trained without, against none at all", _at(0, 0), _at(0, n)
        yield f"{n} shots at test of a model trained with {n}, against none at test", _at(n, 0), _at(n, n)
        yield f"{n} shots in both, against none at all", _at(0, 0), _at(n, n)
    for few, many in pairwise(numbers):
        yield f"{many} shots in both, against {few} in both", _at(few, few), _at(many, many)
    yield "as many shots at test as in training, against others", lambda c: c.trained != c.tested, lambda c: c.trained == c.tested


def _at(trained: int, tested: int) -> Which:
    return lambda c: (c.trained, c.tested) == (trained, tested)


def _of(base: str) -> Which:
    return lambda c: c.base == base


def _contrast(question: str, of: str, made: Made, first: Which, second: Which) -> Iterable[Contrast]:
    """Cells of a side are averaged row by row first, so that rows are the units."""
    bases = [{c.base for c, _ in made if which(c)} for which in (first, second)]
    both = (
        bases[0] & bases[1] or bases[0] | bases[1]
    )  # in a table that is not finished only bases with both sides; two bases against each other have none
    sides = [[s for c, s in made if which(c) and c.base in both] for which in (first, second)]
    if not all(sides):
        return
    for m in (BY_NAME[name] for name in ASKED):
        rows = [id for id in sides[0][0].rows if all(_value(m, s, id) is not None for side in sides for s in side)]
        a, b = ([sum(_value(m, s, id) or 0.0 for s in side) / len(side) for id in rows] for side in sides)
        if rows:
            yield Contrast(question, of, m, sum(a) / len(a), sum(b) / len(b), statistics.paired(a, b, _ROUNDS))


def _value(m: Measure, s: Scored, id: str) -> float | None:
    found = [float(v) for score in s.rows.get(id, ()) if (v := m.of(score)) is not None]
    return sum(found) / len(found) if found else None


def _adjusted(found: Sequence[Contrast]) -> list[Contrast]:
    return [replace(c, adjusted=p) for c, p in zip(found, statistics.holm([c.found.p for c in found]), strict=True)]


# --- telling -------------------------------------------------------------------------------------------------------------------

HEADS = {
    "flow_similarity": "similarity", "exact sequence": "exact %", "execution equivalence": "same effects %", "non-parsed": "non-parsed %",
    "hallucinated operations": "unknown operations %", "hallucinated parameters": "unknown parameters %", "seconds P50": "seconds P50", "tokens, prompt": "prompt tokens",
    "tokens, completion": "answer tokens",
}  # fmt: skip


def table(t: Table1) -> render.Table:
    """Each cell a line; figures with their 95 % interval."""
    head = ["base", "shots in training", "at test", "n", *(HEADS[n] for n in SHOWN), "paper: similarity", "non-parsed %"]
    rows = []
    for c, figures in t.lines:
        shots = ["–" if n is None else str(n) for n in (c.trained, c.tested)]
        said = [_figure(figures[name], BY_NAME[name]) for name in SHOWN]
        rows.append([c.base or c.name, *shots, f"{figures['flow_similarity'].n:,}", *said, *_beside(c)])
    return "Table 1", head, rows


def _figure(f: Figure, m: Measure) -> str:
    if not f.n:
        return "–"
    if m.unit == "n":
        return f"{f.value:,.0f}"
    if m.unit == "s":
        return f"{f.value:.2f}"
    return render.shown(f, m, False).replace(" %", "")


def _beside(c: Cell) -> list[str]:
    for base, trained, tested, similarity, failed in PAPER:
        if c.paper == base and (c.trained, c.tested) == (trained, tested):
            return [f"{similarity:.2f} ({base})", f"{failed:.1f}"]
    return ["–", "–"]


def papers() -> render.Table:
    rows = [[base, "–" if a is None else str(a), str(b), f"{similarity:.2f}", f"{failed:.1f}"] for base, a, b, similarity, failed in PAPER]
    return "The paper's Table 1 (F2NL-1K, n 1,000)", ["base", "shots in training", "at test", "similarity", "non-parsed %"], rows


def questions(t: Table1) -> render.Table:
    head = ["question", "bases", "measure", "from", "to", "difference", "n", "p", "p (Holm)"]
    rows = [
        [
            c.question, c.of, c.measure.name, render.number(c.first, c.measure), render.number(c.second, c.measure), render.difference(c.found, c.measure), f"{c.found.n:,}",
            render.chance(c.found.p), render.chance(c.adjusted),
        ]
        for c in t.contrasts
    ]  # fmt: skip
    return "Comparisons on the same rows", head, rows


HOW_TO_READ = (
    "Intervals are 95 %: Wilson for shares, percentile bootstrap over rows for the rest. Comparisons are paired by rows; where a side has several cells, they are averaged row by row first. "
    "`p (Holm)` is corrected for all comparisons of the table. Unknown names are those the catalog does not have, also in answers that are no flows."
)


def markdown(t: Table1) -> str:
    notes = "".join(f"- {n}\n" for n in t.notes)
    return "\n".join(
        [render.markdown_table(table(t)), notes, HOW_TO_READ + "\n", render.markdown_table(questions(t)), render.markdown_table(papers())]
    )


def show(t: Table1, console: Console) -> None:
    for found in (table(t), questions(t), papers()):
        render.terminal_table(console, found)
    for note in (*t.notes, HOW_TO_READ):
        console.print(note, style="dim", markup=False, highlight=False)
