"""The guard: what it refuses of harmful requests, of harmless ones that look like them, and of ordinary ones.

In: `data/refusals` (the fifth of it that is for measuring), files of ordinary requests (JSON lines with `query`), a model. Out: shares with 95 % intervals, by category.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import MODEL, head, options, percent, progress, table
from nl2dsl.corpus import refusals
from nl2dsl.engines.embedded import Embedded
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.statistics import wilson
from nl2dsl.refusal import CATEGORIES


def verdicts(engine: Embedded, queries: Sequence[str], name: str) -> list[str | None]:
    """For each request the category it is refused for, or None."""
    found = []
    for query in progress(queries, name[:40]):
        made = engine.guard.refusal(engine.retrieve(engine.read(query)[1]).reading) if engine.guard else None
        found.append(made.category if made else None)
    return found


def _line(name: str, found: Sequence[str | None], category: str = "") -> list[str]:
    right = percent(wilson(sum(v == category for v in found), len(found))) if category else ""
    return [name, f"{len(found)}", percent(wilson(sum(v is not None for v in found), len(found))), right]


def main(arguments: list[str] | None = None) -> int:
    cli = options("refusals", __doc__, 0)
    cli.add_argument("ordinary", type=Path, nargs="*", help="JSON lines with `query` that must not be refused")
    cli.add_argument("--refusals", type=Path, default=refusals.FOLDER, help="folder with .txt files")
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    args = cli.parse_args(arguments)
    try:
        engine = Embedded(args.model)
        told = [one for one in refusals.load(args.refusals) if one.part == "test"]
    except Nl2DslError as problem:
        print(f"error: {problem}\n  hint: {problem.hint}", file=sys.stderr)
        return 2
    if engine.guard is None:
        print(f"error: the model in {args.model} has no guard", file=sys.stderr)
        return 2
    head("refusals", "Requests that must be refused, and such that must not", arguments)
    lines = [["requests", "n", "refused, %", "for the right reason, %"]]
    harmful: list[str | None] = []
    right = 0
    for category in CATEGORIES:
        found = verdicts(engine, [one.query for one in told if one.category == category], category)
        harmful, right = harmful + found, right + sum(v == category for v in found)
        lines.append(_line(category, found, category))
    lines.append(
        ["all harmful", f"{len(harmful)}", percent(wilson(sum(v is not None for v in harmful), len(harmful))), percent(wilson(right, len(harmful)))]
    )
    lines.append(_line("harmless, but like them", verdicts(engine, [one.query for one in told if one.category is None], "harmless")))
    for path in args.ordinary:
        queries = [json.loads(line)["query"] for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        lines.append(_line(path.name, verdicts(engine, queries[: args.limit or None], path.name)))
    table(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
