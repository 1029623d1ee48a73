"""From the start of the process to the first flow, as somebody at a terminal sees it; and where the time goes.

Every run is a new process, with the compiled graphs that the one before it kept (`engines/graphs.py`), and once with none. The first of all is left out: it fills the disk cache and compiles the modules of Python,
as installing the package does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import MODEL, head, milliseconds, options, progress, skip, table, threads
from nl2dsl.evaluation.statistics import percentile

QUERY = "Every weekday at 7 in the morning mail me the weather for Oslo"
PROBE = """
import json, sys, time
start = time.perf_counter(); marks = {}
def mark(name):
    global start
    marks[name] = time.perf_counter() - start; start = time.perf_counter()
from nl2dsl.generate import Generator
from nl2dsl.engines import embedded
import openvino, tokenizers
mark("import")
generator = Generator(model=__import__("pathlib").Path(sys.argv[1]))
mark("load model and catalog")
generator.generate(sys.argv[2])
mark("first flow")
generator.generate(sys.argv[2])
mark("second flow")
print(json.dumps(marks))
"""


def timed(command: list[str], cache: str) -> tuple[float, str]:
    """Seconds of a process that keeps compiled graphs in `cache`, nowhere when it is empty, and what it said."""
    place = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**place, "NL2DSL_CACHE": cache})
    return time.perf_counter() - start, done.stdout


def main(words: list[str] | None = None) -> int:
    cli = options("cold_start", __doc__, 7)
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    args = cli.parse_args(words)
    head("cold_start", f"Cold start: a new process to its first flow, {threads()} threads", words)
    if not (args.model / "card.json").exists():
        skip(f"no model in {args.model}")
        return 0
    generate = [sys.executable, "-m", "nl2dsl", "generate", "--model", str(args.model), QUERY]
    whole, compiling, bare, marks = list[float](), list[float](), list[float](), list[dict[str, float]]()
    with tempfile.TemporaryDirectory() as cache:
        for n in progress(range(args.limit + 1), "processes"):
            check, _ = timed([sys.executable, "-m", "nl2dsl", "--version"], cache)
            first, _ = timed(generate, "")
            seconds, _ = timed(generate, cache)
            _, out = timed([sys.executable, "-c", PROBE, str(args.model), QUERY], cache)
            if n:
                bare.append(check)
                compiling.append(first)
                whole.append(seconds)
                marks.append(json.loads(out))
    rows = [
        ("nl2dsl --version", bare),
        ("nl2dsl generate, graphs compiled anew", compiling),
        ("nl2dsl generate, as from the second time on", whole),
        *((f"  of this: {name}", [m[name] for m in marks]) for name in marks[0]),
    ]
    table([["ms", "P10", "P50", "P90", "n"], *([name, *(milliseconds(percentile(v, p)) for p in (10, 50, 90)), len(v)] for name, v in rows)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
