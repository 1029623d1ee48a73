"""An analysis for the terminal and as Markdown.

In: an `Analysis`. Out: tables of `rich` on a console, or text. Figures are written one way everywhere: `86.3 % [82.0, 90.3] n 80`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nl2dsl.evaluation.analysis import BY_NAME, SLICED, Analysis, Measure, Pair
from nl2dsl.evaluation.statistics import Comparison, Figure

if TYPE_CHECKING:
    from rich.console import Console

_NONE = "not measured"
_SMALL = 5  # slices with fewer rows say nothing
Table = tuple[str, list[str], list[list[str]]]  # title, head, rows


# --- figures as text -----------------------------------------------------------------------------------------------------------


def number(value: float, m: Measure, sign: bool = False) -> str:
    """A value in the unit of its measure, without the unit."""
    plus = "+" if sign else ""
    match m.unit:
        case "%":
            return f"{100 * value:{plus}.1f}"
        case "s":
            return f"{1000 * value:{plus},.0f}"
        case "n":
            return f"{value:{plus},.1f}"
        case _:
            return f"{value:{plus}.3f}"


def unit(m: Measure) -> str:
    return {"%": " %", "s": " ms"}.get(m.unit, "")


def shown(f: Figure | None, m: Measure, n: bool = True) -> str:
    """`0.863 [0.820, 0.903] n 80`."""
    if f is None or not f.n:
        return _NONE if n else "–"
    return f"{number(f.value, m)}{unit(m)} [{number(f.low, m)}, {number(f.high, m)}]" + (f" n {f.n:,}" if n else "")


def difference(c: Comparison, m: Measure) -> str:
    return f"{number(c.difference, m, True)}{_apart(m)} [{number(c.low, m, True)}, {number(c.high, m, True)}]"


def chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def detectable(value: float, m: Measure) -> str:
    return "–" if math.isnan(value) else f"{number(value, m)}{_apart(m)}"


def _apart(m: Measure) -> str:
    """The unit of a difference: shares differ by points."""
    return " points" if m.unit == "%" else unit(m)


# --- tables --------------------------------------------------------------------------------------------------------------------


def figures(a: Analysis) -> Table:
    rows = [[m.name, *(shown(a.figures.get((r.label, m.name)), m) for r in a.runs)] for m in a.measures]
    return "Figures", ["measure", *(r.label for r in a.runs)], rows


def pairs(a: Analysis) -> Table:
    def row(p: Pair) -> list[str]:
        seen = detectable(p.found.detectable, p.measure)
        return [
            f"{p.second} − {p.first}",
            p.measure.name,
            difference(p.found, p.measure),
            f"{p.found.n:,}",
            p.test,
            chance(p.found.p),
            chance(p.adjusted),
            seen,
        ]

    head = ["runs", "measure", "difference", "n", "test", "p", "p (Holm)", "detectable"]
    return "Comparisons on the same rows", head, [row(p) for p in a.pairs]


def power(a: Analysis) -> Table:
    rows = [
        [p.label, f"{p.n:,}", detectable(p.similarity, BY_NAME["flow_similarity"]), detectable(p.exact, BY_NAME["exact sequence"])] for p in a.power
    ]
    return "What these rows can show", ["run", "rows", "flow_similarity", "exact sequence"], rows


def slices(a: Analysis, least: int = 1) -> Iterator[Table]:
    """One table for each run."""
    for r in a.runs:
        names = [n for n in SLICED if any(found[r.label, n].n for _, found in a.slices)]
        rows = []
        for s, found in a.slices:
            n = found[r.label, "flow_similarity"].n
            if n >= least:
                rows.append([s.group, s.name, f"{n:,}", *(shown(found[r.label, name], BY_NAME[name], False) for name in names)])
        yield f"Slices: {r.label}", ["by", "slice", "n", *names], rows


def mistakes(a: Analysis) -> Iterator[Table]:
    share = BY_NAME["exact sequence"]
    for x in a.mistakes:
        yield f"Mistakes: {x.label}", ["kind", "answers with it"], [[kind, shown(f, share)] for kind, f in x.kinds]
        yield f"Most frequent: {x.label}", ["kind", "wanted", "made", "times"], [[k, w or "–", m or "–", str(n)] for k, w, m, n in x.confused]
        yield (
            f"Diagnostics: {x.label}",
            ["code", "severity", "what", "answers with it"],
            [[code, severity, what, shown(f, share)] for code, severity, what, f in x.codes],
        )


def runs(a: Analysis) -> Table:
    rows = []
    for r in a.runs:
        head, env = r.run.head, r.run.head.get("environment", {})
        where = f"{env.get('processor', '')}, {env.get('cores', '?')} cores, load {env.get('load') or 0:.1f}"
        writer, file = head.get("writer", {}), head.get("rows", {})
        rows.append(
            [
                r.label,
                str(writer.get("name", "")),
                str(writer.get("digest", ""))[:12],
                str(file.get("file", "")),
                f"{len(r.rows):,} × {r.tries}",
                str(env.get("started", ""))[:16],
                where,
            ]
        )
    return "Runs", ["run", "writer", "digest", "rows from", "rows × tries", "started", "machine"], rows


def caveats(a: Analysis) -> list[str]:
    return [*a.notes, *([f"execution equivalence: not measured, {a.execution}"] if a.execution else [])]


HOW_TO_READ = (
    "Intervals are 95 %: Wilson for shares, percentile bootstrap over rows for the rest, Newcombe for differences of shares. p values are two-sided; `p (Holm)` is corrected for all "
    "comparisons of this report. `detectable` is the smallest difference that as many rows, differing as much, show in 80 of 100 experiments."
)
ABOUT_POWER = "The smallest difference to another run that shows in 80 of 100 experiments, if that run errs on rows of its own (the worst case)."


# --- Markdown ------------------------------------------------------------------------------------------------------------------


def markdown(a: Analysis) -> str:
    parts = [f"# Evaluation: {', '.join(_md(r.label) for r in a.runs)}\n"]
    parts += [markdown_table(runs(a)), "".join(f"- {_md(n)}\n" for n in caveats(a)), markdown_table(figures(a)), HOW_TO_READ + "\n"]
    if a.pairs:
        parts.append(markdown_table(pairs(a)))
    parts += [
        markdown_table(power(a)),
        ABOUT_POWER + "\n",
        *(markdown_table(t) for t in slices(a) if t[2]),
        *(markdown_table(t) for t in mistakes(a) if t[2]),
    ]
    return "\n".join(p for p in parts if p)


def markdown_table(table: Table) -> str:
    title, head, rows = table
    lines = [f"## {_md(title)}", "", _line(head), _line("---" for _ in head), *(_line(map(_md, row)) for row in rows), ""]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_MARKUP = re.compile(r"[\\`*|]|<(?=[A-Za-z/!?])|\[(?![-+\d])")


def _md(text: str) -> str:
    """Text that Markdown takes as it is; intervals stay readable."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", " ".join(text.splitlines()))


# --- the terminal --------------------------------------------------------------------------------------------------------------


def terminal(a: Analysis, console: Console) -> None:
    """The short form: figures, comparisons, slices that are large enough, mistakes."""
    for note in caveats(a):
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    terminal_table(console, figures(a), best=_best(a))
    if a.pairs:
        terminal_table(console, pairs(a))
    terminal_table(console, power(a), ABOUT_POWER)
    for table in slices(a, _SMALL):
        if table[2]:
            terminal_table(console, table)
    for table in mistakes(a):
        if table[2]:
            terminal_table(console, table)
    console.print(HOW_TO_READ, style="dim", markup=False, highlight=False)


def _best(a: Analysis) -> dict[int, int]:
    """Column of the best run for each row of the figures; ties have none."""
    found = {}
    for row, m in enumerate(a.measures):
        values = [
            (a.figures[r.label, m.name].value * m.better, i)
            for i, r in enumerate(a.runs)
            if (r.label, m.name) in a.figures and a.figures[r.label, m.name].n
        ]
        if m.better and len(values) > 1 and len({v for v, _ in values}) == len(values):
            found[row] = max(values)[1] + 1
    return found


def terminal_table(console: Console, table: Table, caption: str = "", best: dict[int, int] | None = None) -> None:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    title, head, rows = table
    grid = Grid(
        title=Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        caption=Text(caption, style="dim") if caption else None,
        caption_justify="left",
        pad_edge=False,
    )
    for i, name in enumerate(head):
        grid.add_column(Text(name), overflow="fold", no_wrap=i == 0 and len(rows) < 200 and max((len(r[0]) for r in rows), default=0) < 50)
    for place, row in enumerate(rows):
        cells = [
            Text(cell, style="bold green" if (best or {}).get(place) == i else "dim" if cell in (_NONE, "–") else "") for i, cell in enumerate(row)
        ]
        grid.add_row(*cells)
    console.print(grid)
