"""How long a flow takes here: query to checked and compiled flow, with the embedded model, one request after the other.

In: a file of requests (default examples/requests.jsonl), rounds. Out: milliseconds at P10, P50, P90, in all and by stage.

    python benchmarks/latency.py [ROWS.jsonl] [ROUNDS]
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from nl2dsl import Generator
from nl2dsl.files import read_rows

REQUESTS = Path(__file__).parent.parent / "examples" / "requests.jsonl"


def main(path: str = str(REQUESTS), rounds: str = "5") -> None:
    queries = [line.row["query"] for line in read_rows(path, {"query": str})]
    start = time.perf_counter()
    generator = Generator()
    loading = time.perf_counter() - start
    for query in queries:  # the first round warms caches up and does not count
        generator.generate(query)
    seconds = defaultdict[str, list[float]](list)
    for _ in range(int(rounds)):
        for query in queries:
            for stage, taken in generator.generate(query).facts.seconds.items():
                seconds[stage].append(taken)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs; model loaded in {loading:.2f} s; {len(queries)} requests, {rounds} rounds")
    print(f"{'ms':10}{'P10':>8}{'P50':>8}{'P90':>8}")
    for stage, taken in seconds.items():
        print(f"{stage:10}" + "".join(f"{1000 * float(np.percentile(taken, p)):8.1f}" for p in (10, 50, 90)))


if __name__ == "__main__":
    main(*sys.argv[1:])
