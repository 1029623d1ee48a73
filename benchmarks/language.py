"""How many flows a second are read, checked, compiled and taken back, on one core.

The flows are curated requests, wired and written out: what the system writes all day.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from benchmarks import head, options, table
from nl2dsl.catalog import read
from nl2dsl.corpus import requests
from nl2dsl.dsl import checker, definition, text, tree, wiring


def rate(what: Callable[[Any], object], items: Sequence[Any], seconds: float) -> tuple[float, float]:
    """Items a second of the best of three rounds (others disturb, nothing hastens), and microseconds each."""
    best = float("inf")
    for _ in range(3):
        done, start = 0, time.process_time()
        while time.process_time() - start < seconds / 3:
            for item in items[done % len(items) :][:50]:
                what(item)
            done += len(items[done % len(items) :][:50])
        best = min(best, (time.process_time() - start) / done)
    return 1 / best, 1e6 * best


def main(words: list[str] | None = None) -> int:
    cli = options("language", __doc__, 1000)
    cli.add_argument("--seconds", type=float, default=3.0, metavar="S", help="processor time for each line of the table")
    args = cli.parse_args(words)
    catalog = read.builtin()
    found = requests.load()
    sample = Random(0).sample(found, min(args.limit, len(found)))
    sketches = [(r.sketch, r.query) for r in sample]
    flows = [wiring.complete(s, catalog, q) for s, q in sketches]
    texts = [text.unparse(f) for f in flows]
    definitions = [definition.compile(f, catalog) for f in flows]
    lines = sum(t.count("\n") for t in texts) / len(texts)
    calls = sum(len(list(tree.calls(f))) for f in flows) / len(flows)
    head("language", f"The language: {len(texts):,} flows of {lines:.1f} lines and {calls:.1f} calls on average, 1 thread", words)

    def whole(source: str) -> None:
        flow, _ = text.parse(source)
        assert flow is not None
        checker.check(flow, catalog)
        definition.compile(flow, catalog)

    cases: list[tuple[str, Callable[[Any], object], Sequence[Any]]] = [
        ("wire a sketch", lambda pair: wiring.complete(pair[0], catalog, pair[1]), sketches),
        ("unparse", text.unparse, flows),
        ("parse", text.parse, texts),
        ("check", lambda f: checker.check(f, catalog), flows),
        ("compile", lambda f: definition.compile(f, catalog), flows),
        ("decompile", definition.decompile, definitions),
        ("parse, check and compile", whole, texts),
    ]
    rows = [(name, *rate(what, items, args.seconds)) for name, what, items in cases]
    table([["", "flows/s", "us a flow"], *([name, f"{n:,.0f}", f"{us:,.0f}"] for name, n, us in rows)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
