"""Other people's platforms: catalogs of an id and a line per operation, requests over them, nothing of either ever trained on.

In: the kept houses of `data/houses` (`corpus.houses`), a model. Out: flow similarity and exact sequences of operations, each house with its own catalog (about 60 operations beside the
platform's own), and several houses with one catalog of up to 546 operations. The exact sequence is also told without the trigger of
commands, which these catalogs do not have and every flow needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import MODEL, head, likeness, options, percent, progress, table
from nl2dsl.corpus import houses
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.evaluation.statistics import mean, wilson

BUTTON = houses.STARTS["button"]
Pair = tuple[list[str], list[str]]


def line(name: str, operations: int, pairs: Sequence[Pair]) -> list[str]:
    similarity = mean([flow_similarity(a, b) for a, b in pairs])
    exact = wilson(sum(a == b for a, b in pairs), len(pairs))
    bare = wilson(sum(_bare(a) == _bare(b) for a, b in pairs), len(pairs))
    return [name, f"{operations}", f"{len(pairs)}", likeness(similarity), percent(exact), percent(bare)]


def answered(generator: Any, house: houses.House, limit: int) -> list[Pair]:
    """The operations of what is made of each request, and the gold ones."""
    asked = progress(house.asked[: limit or None], house.name[:40])
    return [(list(getattr(generator.generate(one.query), "operations", ())), list(one.operations)) for one in asked]


def _bare(operations: list[str]) -> list[str]:
    return operations[1:] if operations[:1] == [BUTTON] else operations


def main(arguments: list[str] | None = None) -> int:
    cli = options("houses", __doc__, 0)
    cli.add_argument("--houses", type=Path, default=houses.FOLDER, help="folder with .house files")
    cli.add_argument("--operations", type=int, default=546, metavar="N", help="operations of the one catalog")
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    args = cli.parse_args(arguments)
    from nl2dsl.generate import Generator

    try:
        kept = [h for h in houses.load(args.houses) if h.kept]
        chosen: list[houses.House] = []
        for house in kept:
            if sum(len(h.own) for h in [*chosen, house]) <= args.operations:
                chosen.append(house)
        crowd = houses.merged([replace(h, asked=h.asked[: args.limit or None]) for h in chosen])
        one = Generator(catalog=crowd.catalog, model=args.model)
        head("houses", "Requests over catalogs of bare lines that were never seen", arguments)
        lines = [["house", "operations", "n", "similarity", "exact sequence, %", "without a command's trigger, %"]]
        alone: list[Pair] = []
        for house in kept:
            pairs = answered(Generator(catalog=house.catalog, model=args.model), house, args.limit)
            alone += pairs
            lines.append(line(house.name, len(house.own), pairs))
        together = answered(one, crowd, 0)
    except Nl2DslError as problem:
        print(f"error: {problem}\n  hint: {problem.hint}", file=sys.stderr)
        return 2
    lines.append(line("each with its own", sum(len(h.own) for h in kept), alone))
    lines.append(line(f"one catalog, {len(chosen)} houses", sum(len(h.own) for h in chosen), together))
    table(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
