"""How many flows do not parse: N requests with budgets of 16, 32, 64 and 128 decisions, from the model and from a scorer that knows nothing.

A flow counts as parsed when its text is read and checked without an error against the catalog. Random scores are the hard case: a model rarely leaves the beaten
track, chance always does. `grammar` and `none` show what typing is worth.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks import MODEL, head, options, percent, progress, skip, table, validation
from nl2dsl.catalog.model import Catalog
from nl2dsl.decoding.actions import FIXED, Decision, Kind, NotSayable, Query, choices, decode
from nl2dsl.decoding.automaton import Automaton
from nl2dsl.decoding.search import Constrain, Found, search
from nl2dsl.decoding.tables import Floats, Tables
from nl2dsl.dsl import checker, text, wiring
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.statistics import wilson

BUDGETS = (16, 32, 64, 128)
Run = Callable[[Query, int, Constrain], Found]


@dataclass
class Chance:
    """Random scores; each class of decisions is now liked, now not, so that walks go deep and wide."""

    tables: Tables
    query: Query
    rng: np.random.Generator
    bias: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.bias = self.rng.choice(np.array([0, 0, 2, 4], dtype=np.float32), 6)

    def push(self, decisions: list[Decision]) -> Chance:
        return self

    def _of(self, kind: Kind, n: int) -> Floats:
        return self.rng.standard_normal(n, dtype=np.float32) + self.bias[kind]

    @property
    def fixed(self) -> Floats:
        return self._of(Kind.FIXED, len(FIXED))

    def operations(self) -> Floats:
        return self._of(Kind.OPERATION, len(self.tables.list))

    def parameters(self, operation: int) -> Floats:
        return self._of(Kind.PARAMETER, len(choices(self.tables.list[operation])))

    def enums(self, operation: int, parameter: int) -> Floats:
        return self._of(Kind.ENUM, len(choices(self.tables.list[operation])[parameter].enum))

    def starts(self) -> Floats:
        return self._of(Kind.START, len(self.query.offsets))

    def ends(self) -> Floats:
        return self._of(Kind.END, len(self.query.offsets))


def verdict(found: Found, query: Query, tables: Tables, catalog: Catalog) -> str:
    """`parsed`, or why not."""
    if not found.complete:
        return "no end in budget"
    try:
        flow = wiring.complete(decode(found.decisions, query, tables.list), catalog, query.text)
    except (NotSayable, ValueError, IndexError):
        return "no sketch"
    read, problems = text.parse(text.unparse(flow))
    errors = [d for d in (*problems, *checker.check(flow, catalog)) if d.severity == "error"]
    return "parsed" if read is not None and not errors else f"error {errors[0].code}" if errors else "not read"


def measure(name: str, run: Run, reads: list[Query], tables: Tables, catalog: Catalog, constrain: Constrain) -> list[str]:
    rng, verdicts, over, decisions = Random(0), Counter[str](), 0, 0
    for query in progress(reads, f"{name}, {constrain}"):
        budget = rng.choice(BUDGETS)
        found = run(query, budget, constrain)
        verdicts[verdict(found, query, tables, catalog)] += 1
        over += len(found.decisions) > budget
        decisions += len(found.decisions)
    n, bad = len(reads), len(reads) - verdicts["parsed"]
    share = wilson(bad, n)
    why = ", ".join(f"{k} {v}" for k, v in verdicts.most_common() if k != "parsed")[:60]
    return [
        name,
        constrain,
        f"{n:,}",
        f"{bad:,}",
        percent(share, 2),
        f"{over}",
        f"{decisions / n:.1f}",
        why,
    ]


def main(words: list[str] | None = None) -> int:
    cli = options("validity", __doc__, 300)
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    cli.add_argument("--random", type=int, default=3000, metavar="N", help="flows of the random scorer")
    args = cli.parse_args(words)
    head("validity", "Validity: flows that do not parse, budgets of 16, 32, 64 or 128 decisions", words)
    requests = [r.query for r in validation(args.limit)]
    rows = [["scorer", "constrain", "n", "non-parsed", "%, 95 % interval", "over budget", "decisions", "why"]]
    engine: Any = None
    try:
        from nl2dsl.generate import Generator

        generator = Generator(model=args.model)
        engine, catalog, tables = generator.engine, generator.catalog, generator.vocabulary.tables
    except Nl2DslError as problem:
        skip(problem)
        catalog, tables = _bare()
    if engine is not None:
        reads = [engine.read(query)[0] for query in requests]

        def modelled(query: Query, budget: int, constrain: Constrain) -> Found:
            _, ids = engine.read(query.text)
            scorer = engine.start(ids, generator.vocabulary)
            return search(scorer, Automaton(tables.list, query), tables, budget=budget, constrain=constrain)

        rows += [measure("model", modelled, reads, tables, catalog, c) for c in ("typed", "grammar", "none")]
    else:
        reads = [_words(query) for query in requests]
    numbers = np.random.default_rng(0)

    def chance(query: Query, budget: int, constrain: Constrain) -> Found:
        return search(Chance(tables, query, numbers), Automaton(tables.list, query), tables, budget=budget, constrain=constrain)

    many = (reads * (args.random // len(reads) + 1))[: args.random]
    rows += [
        measure("chance", chance, many, tables, catalog, "typed"),
        measure("chance", chance, many[: args.random // 10], tables, catalog, "grammar"),
    ]
    table(rows)
    return 0


def _bare() -> tuple[Catalog, Tables]:
    """The built-in catalog without a model: the texts have no meaning for chance."""
    from nl2dsl.catalog import read
    from nl2dsl.decoding.tables import assemble, texts

    catalog = read.builtin()
    return catalog, assemble(catalog, *(np.zeros((len(t), 1), dtype=np.float32) for t in texts(catalog)))


def _words(query: str) -> Query:
    import re

    return Query(query, tuple(m.span() for m in re.finditer(r"\w+|[^\w\s]", query)))


if __name__ == "__main__":
    sys.exit(main())
