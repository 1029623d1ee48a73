"""What the checker says about real flows and about flows made from sentences: findings by code, and how many flows have one.

In: definitions, one JSON object a line (by default the real flows beside the repository), as `nl2dsl decompile` writes them, and the curated requests. `--show CODE` prints a random sample to judge by eye.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from benchmarks import head, options, table
from nl2dsl.catalog.read import builtin
from nl2dsl.corpus import requests
from nl2dsl.dsl import carrying, checker, wiring
from nl2dsl.dsl.diagnostics import Diagnostic, render
from nl2dsl.dsl.flowfiles import Found
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import Flow

Finding = tuple[str, Diagnostic]  # with the text of its flow


def real(path: Path) -> Iterator[Flow]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield carrying.flow_of(Found(json.loads(line)["definition"], ""), builtin())


def made(limit: int) -> Iterator[Flow]:
    found = requests.load()
    for request in Random(0).sample(found, min(limit, len(found))):
        yield wiring.complete(request.sketch, builtin(), request.query)


def findings(flows: Iterable[Flow]) -> tuple[int, list[list[Finding]]]:
    """Number of flows, and the findings of each; the flows go through their text, so that places are those of the text."""
    told = []
    for flow in flows:
        source = unparse(flow)
        again, problems = parse(source)
        told.append([(source, d) for d in (problems if again is None else checker.check(again, builtin()))])
    return len(told), told


def report(name: str, count: int, told: list[list[Finding]]) -> None:
    codes = Counter((d.code, d.severity) for one in told for _, d in one)
    flows = Counter(pair for one in told for pair in {(d.code, d.severity) for _, d in one})
    wrong = sum(any(d.severity == "error" for _, d in one) for one in told)
    print(f"\n{name}: {count:,} flows, {wrong:,} with an error, {sum(not one for one in told):,} without any finding")
    table([["code", "level", "findings", "flows"], *([code, level, n, flows[code, level]] for (code, level), n in sorted(codes.items()))])


def main(words: list[str] | None = None) -> int:
    cli = options("lint", __doc__, 2000)
    default = Path(os.environ.get("NL2DSL_SHARED") or Path(__file__).parents[2] / "shared") / "data/flows/real_flows_dev.jsonl.gz"
    cli.add_argument("--flows", type=Path, default=default, metavar="FILE", help="definitions, packed JSON lines")
    cli.add_argument("--show", action="append", default=[], metavar="CODE", help="print 40 random findings with this code")
    args = cli.parse_args(words)
    head("lint", "Findings of the checker", words)
    sets = {"flows made from curated requests": made(args.limit)}
    if args.flows.exists():
        sets = {"real flows": real(args.flows), **sets}
    else:
        print(f"{args.flows} is not there: real flows are left out", file=sys.stderr)
    for name, flows in sets.items():
        count, told = findings(flows)
        report(name, count, told)
        wanted = [f for one in told for f in one if f[1].code in args.show]
        for source, diagnostic in Random(1).sample(wanted, min(40, len(wanted))):
            print(f"\n{render(diagnostic, source, name)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
