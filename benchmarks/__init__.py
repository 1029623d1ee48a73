"""Benchmarks: each module measures one thing and prints a small table with the machine, the date and the command that repeats it.

    python -m benchmarks.speed         a request to a flow, stage by stage, and the same decoder in transformers
    python -m benchmarks.cold_start    from the start of the process to the first flow
    python -m benchmarks.language      parse, check, compile and back
    python -m benchmarks.roundtrip     definitions to text and back: what is lost
    python -m benchmarks.fuzz          damaged texts and definitions: typed errors only
    python -m benchmarks.validity      flows that do not parse, whatever the budget and whatever the model
    python -m benchmarks.retrieval     gold operations among the first 10, 20, 50
    python -m benchmarks.importing     real connector descriptions, beside facts about them
    python -m benchmarks.simulate      real flows on the simulator: how they end, functions they use
    python -m benchmarks.fuzz_import   mutated descriptions: no crash, no hang
    python -m benchmarks.review        what the review page waits for
    python -m benchmarks.corpus        a corpus from nothing, again, and killed five times: the same bytes
    python -m benchmarks.leaks         leaks planted in a corpus: which are found
    python -m benchmarks.teacher       a teacher's host in all its moods: rows, requests, money
    python -m benchmarks.real_corpus   flows that people made become a corpus
    python -m benchmarks.foreign       our own operations as another house's bare lines
    python -m benchmarks.houses        other people's platforms, never learned from

`make bench` runs the first seven. What they share is here: the head of a report, tables, the requests that are not trained on.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import TypeVar

from nl2dsl.corpus import requests
from nl2dsl.corpus.build import VALIDATION_SHARE, bucket
from nl2dsl.corpus.requests import Request
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.statistics import Figure

Item = TypeVar("Item")
MODEL = Path(__file__).parents[1] / "src" / "nl2dsl" / "models" / "embedded"


def threads() -> int:
    """Threads of the embedded engine (see `engines.embedded`); whatever is compared gets as many."""
    return min(4, os.cpu_count() or 1)


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next((line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")), model)
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{load}, Python {platform.python_version()}, {platform.system()}"


def head(module: str, what: str, words: Sequence[str] | None = None) -> None:
    """What is measured, where, when, and how to measure it again."""
    given = sys.argv[1:] if words is None else words
    print(f"{what}\n  {machine()}, {date.today()}\n  python -m benchmarks.{module} {shlex.join(given)}".rstrip() + "\n", flush=True)


def table(rows: Iterable[Sequence[object]]) -> None:
    """First column to the left, the others to the right; the first row is the head."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        print("  " + "  ".join(c.ljust(w) if not i else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip())
    print(flush=True)


def likeness(figure: Figure) -> str:
    """`0.791 [0.773, 0.809]`"""
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def percent(figure: Figure, places: int = 1) -> str:
    """`45.0 [41.2, 48.9]`"""
    return f"{100 * figure.value:.{places}f} [{100 * figure.low:.{places}f}, {100 * figure.high:.{places}f}]"


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def progress(items: Sequence[Item], what: str) -> Iterable[Item]:
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, description=what, console=Console(stderr=True), transient=True)


def validation(limit: int = 0) -> list[Request]:
    """Curated requests that training leaves out (the same twentieth as in `corpus.build`), in an order of their own."""
    found = [r for r in requests.load() if bucket(r.query, VALIDATION_SHARE) == 0]
    Random(0).shuffle(found)
    return found[:limit] if limit else found


def options(module: str, doc: str | None, limit: int) -> argparse.ArgumentParser:
    cli = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--limit", type=int, default=limit, metavar="N", help=f"requests (default: {limit})")
    return cli


def skip(problem: Nl2DslError | str) -> None:
    """Says what was not measured and what it needs."""
    hint = f" ({problem.hint})" if isinstance(problem, Nl2DslError) and problem.hint else ""
    print(f"  skipped: {problem}{hint}\n", flush=True)
