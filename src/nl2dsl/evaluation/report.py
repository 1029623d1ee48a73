"""Reports: run folders in; a terminal table, Markdown, one HTML page or JSON out.

In: run folders, names of files to write (`.md`, `.html`, `.json`). Out: those files, and the short form on a console. Everything is computed from the answers; no model runs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.errors import UsageError
from nl2dsl.evaluation import execution, render
from nl2dsl.evaluation.analysis import Analysis, analyse
from nl2dsl.evaluation.run import Run, load
from nl2dsl.files import write_text

ENDINGS = (".md", ".html", ".json")


def open_runs(folders: Sequence[str | Path], partial: bool = False) -> Analysis:
    """Scores and compares run folders. Raises `RunError` for the first that cannot be used."""
    if not folders:
        raise UsageError("which run?", hint="nl2dsl report RUN [RUN ...]")
    twice = [f for f, n in Counter(str(Path(f).resolve()) for f in folders).items() if n > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice", hint="a run compared with itself shows nothing")
    runs = [load(folder, partial) for folder in folders]
    catalog = _catalog(runs)
    return analyse(runs, catalog, lambda r: execution.measure(r, catalog))


def _catalog(runs: Sequence[Run]) -> Catalog:
    """The catalog names are looked up in: that of the runs, which must be one."""
    said = {(tuple(r.head["recipe"].get("catalog") or ()), bool(r.head["recipe"].get("with_builtin"))) for r in runs}
    if len(said) > 1:
        raise UsageError("these runs used different catalogs", hint="report them one by one")
    paths, with_builtin = said.pop()
    return catalogs.chosen(paths, with_builtin)


def write(a: Analysis, path: str | Path) -> None:
    """One file; its ending says what."""
    match Path(path).suffix.lower():
        case ".md":
            text = render.markdown(a)
        case ".html":
            from nl2dsl.evaluation.page import page

            text = page(a)
        case ".json":
            text = json.dumps(data(a), indent=1, ensure_ascii=False) + "\n"
        case other:
            raise UsageError(f"{path}: what kind of report is `{other or 'no ending'}`?", hint=f"the name ends in {', '.join(ENDINGS)}")
    write_text(path, text)


def show(a: Analysis) -> None:
    """The short form on stdout; wide where nobody looks, so that a file or a pipe gets whole lines."""
    from rich.console import Console

    console = Console()
    render.terminal(a, console if console.is_terminal else Console(width=200))


def data(a: Analysis) -> dict[str, Any]:
    """The figures for other programs."""
    return {
        "runs": [{"label": r.label, "head": r.run.head} for r in a.runs],
        "notes": render.caveats(a),
        "figures": [
            {"run": label, "measure": name, **asdict(f)} if f.n else {"run": label, "measure": name, "n": 0} for (label, name), f in a.figures.items()
        ],
        "comparisons": [
            {"first": p.first, "second": p.second, "measure": p.measure.name, "test": p.test, "p_holm": p.adjusted} | _finite(asdict(p.found))
            for p in a.pairs
        ],
        "slices": [
            {"by": s.group, "slice": s.name, "run": label, "measure": name, **asdict(f)}
            for s, found in a.slices
            for (label, name), f in found.items()
            if f.n
        ],
        "mistakes": [{"run": m.label, "kind": kind, **asdict(f)} for m in a.mistakes for kind, f in m.kinds],
        "diagnostics": [{"run": m.label, "code": code, "severity": severity, **asdict(f)} for m in a.mistakes for code, severity, _, f in m.codes],
    }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no word for what is not a number."""
    return {k: None if v != v else v for k, v in row.items()}
