"""Other people's platforms: catalogs of an id and a line per operation, requests over them, nothing of either ever trained on.

In: the kept houses of `data/houses` (`corpus.houses`), a model. Out: flow similarity and exact sequences of operations, each house with its own catalog (about 60 operations beside the
platform's own), and several houses with one catalog of up to 546 operations. The exact sequence is also told without the trigger of
commands, which these catalogs do not have and every flow needs. Answers can be kept, and compared request by request with those of a run before (`PYTHONPATH=CHECKOUT/src` runs another program).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import MODEL, head, likeness, options, percent, progress, table
from nl2dsl.corpus import houses
from nl2dsl.errors import Nl2DslError, UsageError
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.evaluation.statistics import Comparison, mcnemar, mean, paired, wilson

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


def keep(path: Path, sets: dict[str, list[Pair]]) -> None:
    """The answers of each set with the gold ones, a set a line."""
    path.write_text("".join(json.dumps({"set": name, "pairs": pairs}) + "\n" for name, pairs in sets.items()), encoding="utf-8")


def compared(before: Path, sets: dict[str, list[Pair]]) -> list[list[str]]:
    """For each set the differences to the answers of a run before, paired by request, and how many exact sequences were won and lost."""
    lines = [["set", "n", "similarity, difference", "exact, difference in points", "won, lost"]]
    for old in map(json.loads, before.read_text(encoding="utf-8").splitlines()):
        first, second = [tuple(pair) for pair in old["pairs"]], sets[old["set"]]
        if [gold for _, gold in first] != [gold for _, gold in second]:
            raise UsageError(f"{before}: `{old['set']}` has other requests", hint="run it with the same houses and the same --limit")
        similar = paired(*([flow_similarity(a, b) for a, b in some] for some in (first, second)))
        right = [[a == b for a, b in some] for some in (first, second)]
        exact, won, lost = mcnemar(*right), sum(b > a for a, b in zip(*right, strict=True)), sum(a > b for a, b in zip(*right, strict=True))
        lines.append([old["set"], f"{len(first)}", _difference(similar, 1, 3), _difference(exact, 100, 1), f"{won}, {lost}"])
    return lines


def _difference(c: Comparison, times: float, digits: int) -> str:
    return " ".join(f"{times * x:+.{digits}f}" for x in (c.difference, c.low, c.high))


def _bare(operations: list[str]) -> list[str]:
    return operations[1:] if operations[:1] == [BUTTON] else operations


def main(arguments: list[str] | None = None) -> int:
    cli = options("houses", __doc__, 0)
    cli.add_argument("--houses", type=Path, default=houses.FOLDER, help="folder with .house files")
    cli.add_argument("--operations", type=int, default=546, metavar="N", help="operations of the one catalog")
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    cli.add_argument("--answers", type=Path, metavar="FILE", help="keeps the answers")
    cli.add_argument("--before", type=Path, metavar="FILE", help="answers of a run before, to compare with")
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
        sets = {"each with its own": alone, "one catalog": together}
        if args.answers:
            keep(args.answers, sets)
        against = compared(args.before, sets) if args.before else []
    except Nl2DslError as problem:
        print(f"error: {problem}\n  hint: {problem.hint}", file=sys.stderr)
        return 2
    lines.append(line("each with its own", sum(len(h.own) for h in kept), alone))
    lines.append(line(f"one catalog, {len(chosen)} houses", sum(len(h.own) for h in chosen), together))
    table(lines)
    if against:
        table(against)
    return 0


if __name__ == "__main__":
    sys.exit(main())
