"""How many real flows run to an end on the simulator, and whether it knows the expression functions they use.

In: definitions, one JSON object a line (`definition` holds it), by default the real flows beside the repository. Out: how the runs end, what made runs fail, Python
exceptions (there should be none), runs that differ when repeated, functions used by at least two flows that checker or simulator do not know. A flow has come to an end
when its run succeeded, was ended by the flow's own Terminate, or did not start because its trigger's condition is false for the data. With --reach, also how many of the steps
of curated requests that change something are reached under the seeds of execution equivalence: what no seed reaches, no comparison of effects can see.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import head, options, table
from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.read import builtin
from nl2dsl.corpus import requests
from nl2dsl.dsl import wiring
from nl2dsl.dsl.definition import compile, decompile
from nl2dsl.dsl.functions import FUNCTIONS
from nl2dsl.dsl.profiles import profile
from nl2dsl.dsl.tree import calls
from nl2dsl.simulator import equivalent, evaluate, run, to_json
from nl2dsl.simulator.equivalence import SEEDS
from nl2dsl.simulator.trace import Run
from nl2dsl.simulator.values import walk_texts

_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_LITERAL = re.compile(r"'(?:[^']|'')*'")


def real_flows() -> Path:
    shared = Path(os.environ.get("NL2DSL_SHARED", Path(__file__).parents[2] / "shared"))
    return shared / "data" / "flows" / "real_flows_dev.jsonl.gz"


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return [json.loads(line) for line in lines if line.strip()]


def expressions(definition: Any) -> Iterator[str]:
    """The expressions in the strings of a definition, without their literals."""
    for text in walk_texts(definition):
        if text.startswith("@") and text[1:2] not in ("@", "{"):
            yield _LITERAL.sub("''", text)
            continue
        for mark in re.finditer(r"(?<!@)@\{", text):
            bare = _LITERAL.sub("''", text[mark.end() :])
            yield bare.partition("}")[0]


def functions(definition: Any) -> set[str]:
    return {name.lower() for expression in expressions(definition) for name in _CALL.findall(expression)}


def ending(done: Run) -> str:
    if done.declared:
        return f"{done.status} by the flow's Terminate"
    if done.status == "Skipped":
        return "not started: the trigger's condition is false"
    return done.status


def seeded(done: Run) -> bool:
    """Whether the failed step, or one before it, worked with data that no schema described."""
    return any(entry.notes for entry in (done.trigger, *done.entries()))


def main(words: list[str] | None = None) -> int:
    cli = options("simulate", __doc__, 0)
    cli.add_argument(
        "file", metavar="FILE.jsonl", nargs="?", type=Path, default=real_flows(), help="definitions (the real flows beside the repository)"
    )
    cli.add_argument("--seed", type=int, default=1, metavar="N")
    cli.add_argument("--reach", type=int, default=0, metavar="N", help="curated requests whose steps should be reached (0)")
    cli.add_argument("--failures", action="store_true", help="list the runs that failed")
    args = cli.parse_args(words)
    if args.reach:
        report_reach(args.reach, builtin())
    if not args.file.exists():
        print(f"  skipped: no {args.file} (NL2DSL_SHARED names the folder that has data/flows)")
        return 0
    found = rows(args.file)
    found = found[: args.limit] if args.limit else found
    head("simulate", f"The simulator: {len(found):,} real flows, seed {args.seed}, 1 thread", words)
    used = Counter(name for row in found for name in functions(row["definition"]))
    report_functions(used)
    return report_runs(found, builtin(), args.seed, args.failures)


def report_functions(used: Counter[str]) -> None:
    shared = [name for name, flows in used.items() if flows >= 2]
    lines: list[tuple[object, ...]] = [("expression functions", "used", "checker", "simulator", "not known")]
    for title, names in (("in two flows or more", shared), ("in any flow", list(used))):
        missing = sorted(n for n in names if n not in FUNCTIONS or not evaluate.known(n))
        lines.append((title, len(names), sum(n in FUNCTIONS for n in names), sum(map(evaluate.known, names)), ", ".join(missing) or "-"))
    table(lines)


def report_runs(found: list[dict[str, Any]], catalog: Catalog, seed: int, failures: bool) -> int:
    ends: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    exceptions: list[str] = []
    failed: list[str] = []
    steps = effects = unequal = by_data = 0
    spent = 0.0
    for row in found:
        try:
            flow = decompile(row["definition"], catalog)
            start = time.process_time()
            done = run(flow, catalog, seed=seed)
            spent += time.process_time() - start
            unequal += json.dumps(to_json(done)) != json.dumps(to_json(run(flow, catalog, seed=seed)))
        except Exception as error:  # whatever it is, it should not be
            exceptions.append(f"{row.get('id')}: {type(error).__name__}: {error}")
            continue
        ends[ending(done)] += 1
        steps += done.steps
        effects += len(done.effects)
        if done.status == "Failed" and not done.declared:
            codes[(done.error or {}).get("code", "")] += 1
            by_data += seeded(done)
            failed.append(f"{row.get('id')}: {(done.error or {}).get('message', '')[:300]}")
    good = len(found) - len(exceptions) - sum(n for end, n in ends.items() if end in ("Failed", "Stopped", "TimedOut"))
    table([("runs", "flows", "%"), *((end, n, f"{100 * n / len(found):.1f}") for end, n in ends.most_common())])
    table(
        [
            ("", "n"),
            ("came to an end", f"{good} of {len(found)}, {100 * good / len(found):.1f} %"),
            ("failed after seeded data without a schema", by_data),
            *((f"failed with {code or 'no code'}", n) for code, n in codes.most_common()),
            ("Python exceptions", len(exceptions)),
            ("different when repeated", unequal),
            ("steps, side effects", f"{steps:,}, {effects:,}"),
            ("milliseconds a run", f"{1000 * spent / max(1, len(found)):.1f}"),
        ]
    )
    for line in exceptions + (failed if failures else []):
        print(f"  {line}")
    return 1 if exceptions or unequal else 0


def report_reach(n: int, catalog: Catalog) -> None:
    found = Random(0).sample(requests.load(), n)
    head("simulate", f"Side effects of {n:,} curated requests that {len(SEEDS)} seeds reach")
    steps = reached = first = same = 0
    for request in found:
        flow = wiring.complete(request.sketch, catalog, request.query)
        known = evaluate.hints(compile(flow, catalog))
        writing = Counter(
            c.id for c in calls(flow)[1:] if (p := profile(catalog, c.id)) is not None and (p.writes or p.asks) and c.connector != "builtin"
        )
        by_seed = [
            {(e.operation, e.step) for e in run(flow, catalog, seed=seed, hints=known, instant=True).effects if e.operation in writing}
            for seed in SEEDS
        ]
        steps += writing.total()
        reached += len(set().union(*by_seed))
        first += len(by_seed[0])
        same += equivalent(flow, decompile(compile(flow, catalog), catalog), catalog).equal
    table(
        [
            ("", "n", "%"),
            ("steps that change something", steps, ""),
            ("reached by one seed", first, f"{100 * first / max(1, steps):.1f}"),
            (f"reached by at least one of {len(SEEDS)}", reached, f"{100 * reached / max(1, steps):.1f}"),
            ("flows that equal themselves after compile and decompile", f"{same} of {n}", f"{100 * same / n:.1f}"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
