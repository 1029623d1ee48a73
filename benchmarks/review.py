"""What the review page waits for: a row with its checks and cards, a check while typing, a decision, with few and with many decisions in the table.

Processor time of the server, without the browser; the rows are curated requests, wired and written out. Waiting for the disk is not part of it.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, fields
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import head, options, table
from nl2dsl.catalog import read
from nl2dsl.corpus import requests
from nl2dsl.corpus.review.decisions import Decision, Decisions, Sampled
from nl2dsl.corpus.review.rows import Item, digest
from nl2dsl.corpus.review.session import Session
from nl2dsl.dsl import text, wiring

ROWS = 50


def milliseconds(what: Callable[[str], object], rows: list[str]) -> float:
    """Processor time of one call, median over the rows."""
    spent = []
    for row in rows:
        start = time.process_time()
        what(row)
        spent.append(1000 * (time.process_time() - start))
    return median(spent)


def fill(place: Path, items: list[Item], n: int) -> None:
    """Puts n decisions of five reviewers into the table at once."""
    made = [
        Decision(items[i % ROWS].digest, "", f"reviewer {i // ROWS % 5}", "accept", seconds=9.0, key=str(i), at="2026-01-01T00:00:00.000+00:00")
        for i in range(n)
    ]
    names = [f.name for f in fields(Decision)]
    with sqlite3.connect(place) as raw:
        raw.executemany(f"INSERT INTO decisions ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", [astuple(d) for d in made])
    raw.close()


def measured(session: Session, items: list[Item]) -> list[float]:
    rows = [i.digest for i in items]
    return [
        milliseconds(session.row, rows),
        milliseconds(session.check, [i.dsl for i in items]),
        milliseconds(lambda row: session.decide({"row": row, "verdict": "reject", "reason": "measured"}), rows),
        milliseconds(lambda _: session.undo(), rows[:20]),
    ]


def main(words: list[str] | None = None) -> int:
    args = options("review", __doc__, 10_000).parse_args(words)
    catalog = read.builtin()
    items = []
    for r in Random(0).sample(requests.load(), ROWS):
        flow = text.unparse(wiring.complete(r.sketch, catalog, r.query))
        items.append(Item(digest(r.query, flow), "", r.query, flow, {}))
    head("review", f"Review: {ROWS} rows, up to {args.limit:,} decisions in SQLite, 1 thread", words)
    lines: list[tuple[object, ...]] = [("decisions in the table", "a row, ms", "a check, ms", "a decision, ms", "undo, ms")]
    for n in (0, args.limit // 10, args.limit):
        with TemporaryDirectory() as folder:
            place = Path(folder) / "decisions.sqlite"
            opened = Decisions(place)
            fill(place, items, n)
            session = Session(items, [Sampled(i.digest, None, "") for i in items], opened, catalog, "anna")
            found = measured(session, items)
            opened.close()
        lines.append((f"{n:,}", *(f"{ms:.1f}" for ms in found)))
    table(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
