"""How good the flows are that a generator writes: every metric over a corpus file, with n and a 95 % interval, whole and in slices.

    python -m nl2dsl.evaluation.quality build/corpus/test.jsonl --limit 200
    python -m nl2dsl.evaluation.quality build/corpus/test.jsonl --constrain grammar --compare runs/typed.jsonl
    python -m nl2dsl.evaluation.quality build/corpus/validation.jsonl --max-tokens random

In: corpus rows (`example.Example`), a generator. Out: a table on stdout and `answers.jsonl`, one row a request as the batch output of `nl2dsl generate` has it, with
the scores of the row added. `--compare` reads such a file of another run and tells, row by row, which is better.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from nl2dsl.errors import CorpusError, EngineError, Nl2DslError, UsageError
from nl2dsl.evaluation import metrics, statistics
from nl2dsl.evaluation.metrics import Overlap
from nl2dsl.evaluation.statistics import Comparison, Figure
from nl2dsl.example import Example, read
from nl2dsl.files import read_rows, writing

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.outcome import Outcome

BUDGETS = (16, 32, 64, 128)
Row = Mapping[str, Any]


class Writer(Protocol):
    """What is measured: `generate.Generator` or `textual.TextGenerator`."""

    @property
    def catalog(self) -> Catalog: ...
    def generate(self, query: str) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Scores:
    """One request: what was right about its flow."""

    id: str
    source: str
    actions: int
    gold_control: tuple[str, ...]
    outcome: str
    parsed: bool
    similarity: float
    exact: bool
    same: bool
    order: float
    keys: Overlap
    values: Overlap
    references: Overlap
    control: Overlap
    ungrounded: tuple[int, int]
    hallucinated: tuple[int, int]
    missing: int
    seconds: float


def gold(example: Example) -> Row:
    """The right answer of a corpus row, in the form in which answers come."""
    from nl2dsl.dsl.text import parse
    from nl2dsl.outcome import Authored, Facts, row

    flow, _ = parse(example.dsl)
    if flow is None:
        raise CorpusError(f"row {example.id}: its flow cannot be read", hint="build the corpus again")
    return row(Authored(Facts(example.query), example.dsl, flow, {}, example.operations))


def score(example: Example, wanted: Row, made: Row, catalog: Catalog) -> Scores:
    operations, answers = made["operations"], [list(example.operations)]
    parsed = made["outcome"] == "flow" and not any(d["severity"] == "error" for d in made["diagnostics"])
    return Scores(
        id=example.id,
        source=example.source,
        actions=len(example.operations) - 1,
        gold_control=tuple(wanted["control"]),
        outcome=made["outcome"],
        parsed=parsed,
        similarity=metrics.best_similarity(operations, answers),
        exact=metrics.exact(operations, answers),
        same=metrics.same_operations(operations, answers),
        order=metrics.order_score(operations, answers[0]),
        keys=metrics.parameter_keys(made["calls"], wanted["calls"]),
        values=metrics.parameter_values(made["calls"], wanted["calls"]),
        references=metrics.references(made["calls"], wanted["calls"]),
        control=metrics.control(made["control"], wanted["control"]),
        ungrounded=metrics.ungrounded(example.query, made["calls"], catalog),
        hallucinated=metrics.hallucinated(made["calls"], catalog),
        missing=len(made["missing"]),
        seconds=float(made["seconds"].get("total", 0.0)),
    )


# --- figures -------------------------------------------------------------------------------------------------------------------

MEASURES: dict[str, Callable[[Sequence[Scores]], Figure]] = {
    "flow_similarity": lambda s: statistics.mean([x.similarity for x in s]),
    "exact sequence": lambda s: statistics.wilson(sum(x.exact for x in s), len(s)),
    "same operations": lambda s: statistics.wilson(sum(x.same for x in s), len(s)),
    "order-aware score": lambda s: statistics.mean([x.order for x in s]),
    "parameter F1 (key)": lambda s: statistics.f1([x.keys for x in s]),
    "parameter F1 (value)": lambda s: statistics.f1([x.values for x in s]),
    "parameter F1 (reference)": lambda s: statistics.f1([x.references for x in s]),
    "control F1": lambda s: statistics.f1([x.control for x in s]),
    "non-parsed": lambda s: statistics.wilson(sum(not x.parsed for x in s), len(s)),
    "refused": lambda s: statistics.wilson(sum(x.outcome == "refusal" for x in s), len(s)),
    "ungrounded literals": lambda s: statistics.wilson(sum(x.ungrounded[0] for x in s), sum(x.ungrounded[1] for x in s)),
    "hallucinated names": lambda s: statistics.wilson(sum(x.hallucinated[0] for x in s), sum(x.hallucinated[1] for x in s)),
    "missing values a flow": lambda s: statistics.mean([float(x.missing) for x in s]),
}


def figures(scores: Sequence[Scores]) -> dict[str, Figure]:
    return {name: measure(scores) for name, measure in MEASURES.items()}


def slices(scores: Sequence[Scores]) -> Iterator[tuple[str, list[Scores]]]:
    """Parts of the rows: by number of actions, by control, by where the row comes from."""
    for low, high in ((1, 1), (2, 2), (3, 3), (4, 5), (6, 999)):
        name = f"{low} action{'s' * (low > 1)}" if low == high else f"{low} to {high} actions" if high < 999 else f"{low} or more actions"
        yield name, [s for s in scores if low <= s.actions <= high]
    yield "no control", [s for s in scores if not s.gold_control]
    for word in ("if", "for", "switch", "until"):
        yield f"with {word}", [s for s in scores if word in s.gold_control]
    for source in sorted({s.source for s in scores}):
        yield f"from {source}", [s for s in scores if s.source == source]


def latency(scores: Sequence[Scores]) -> str:
    seconds = [s.seconds for s in scores]
    return "  ".join(f"P{p} {statistics.percentile(seconds, p):.3f} s" for p in (10, 50, 90))


def compare(first: Sequence[Scores], second: Sequence[Mapping[str, Any]]) -> dict[str, Comparison]:
    """This run (second place) against earlier answers (first place), on the rows both have."""
    earlier = {row["id"]: row["scores"] for row in second if "scores" in row}
    both = [s for s in first if s.id in earlier]
    before = [earlier[s.id] for s in both]
    return {
        "flow_similarity": statistics.paired([b["similarity"] for b in before], [s.similarity for s in both]),
        "order-aware score": statistics.paired([b["order"] for b in before], [s.order for s in both]),
        "exact sequence": statistics.mcnemar([b["exact"] for b in before], [s.exact for s in both]),
        "parsed": statistics.mcnemar([b["parsed"] for b in before], [s.parsed for s in both]),
    }


# --- the run -------------------------------------------------------------------------------------------------------------------


def evaluate(examples: Iterable[Example], generate: Callable[[str], Outcome], catalog: Catalog) -> Iterator[tuple[dict[str, Any], Scores]]:
    """Answers with their scores, one by one."""
    from nl2dsl.outcome import row

    for example in examples:
        made = row(_try(generate, example.query))
        scores = score(example, gold(example), made, catalog)
        kept = {"similarity": scores.similarity, "exact": scores.exact, "order": scores.order, "parsed": scores.parsed}
        yield {"id": example.id, **made, "gold": list(example.operations), "scores": kept}, scores


def _try(generate: Callable[[str], Outcome], query: str) -> Outcome:
    """An engine that does not answer this once is a failure of this row, not the end of the run."""
    from nl2dsl.dsl.diagnostics import Diagnostic
    from nl2dsl.outcome import Facts, Failed

    try:
        return generate(query)
    except EngineError as problem:
        return Failed(Facts(query), (Diagnostic("E001", str(problem), hint=problem.hint),))


def _generator(args: argparse.Namespace) -> Writer:
    from nl2dsl.catalog import read as catalogs

    own = catalogs.load(args.catalog, args.with_builtin) if args.catalog else None
    if args.engine != "embedded":
        from nl2dsl.textual import TextGenerator

        return TextGenerator(args.engine, catalog=own, constrain=args.constrain)
    from nl2dsl.generate import Generator

    return Generator(catalog=own, constrain=args.constrain, model=args.model)


def _limited(generator: Writer, max_tokens: str) -> Callable[[str], Outcome]:
    """`random` draws a budget for each request, the same ones each time."""
    if not max_tokens:
        return generator.generate
    rng = Random(0)

    def generate(query: str) -> Outcome:
        budget = rng.choice(BUDGETS) if max_tokens == "random" else int(max_tokens)
        return generator.generate(query, max_tokens=budget)  # type: ignore[call-arg]

    return generate


def _sampled(path: Path, limit: int) -> list[Example]:
    """All rows, or `limit` of them drawn by chance: always the same ones, the first of a longer draw, so that runs of any length can be compared."""
    rows = list(read(path))
    if not rows:
        raise CorpusError(f"{path}: no rows in it")
    if not limit or limit >= len(rows):
        return rows
    drawn = list(range(len(rows)))
    Random(0).shuffle(drawn)
    return [rows[i] for i in sorted(drawn[:limit])]


def _progress(examples: Sequence[Example]) -> Iterable[Example]:
    if not sys.stderr.isatty():
        return examples
    from rich.console import Console
    from rich.progress import track

    return track(examples, description="requests", console=Console(stderr=True), transient=True)


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def report(scores: Sequence[Scores]) -> None:
    _table([(name, str(figure)) for name, figure in figures(scores).items()])
    print(f"seconds  {latency(scores)}\n")
    header = ("slice", "n", "flow_similarity", "exact", "parameter F1 (value)")
    rows: list[tuple[str, ...]] = [header]
    for name, part in slices(scores):
        if part:
            shown = (MEASURES["flow_similarity"](part), MEASURES["exact sequence"](part), MEASURES["parameter F1 (value)"](part))
            rows.append((name, f"{len(part):,}", *(f"{f.value:.3f} [{f.low:.3f}, {f.high:.3f}]" for f in shown)))
    _table(rows)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    cli = argparse.ArgumentParser(
        prog="python -m nl2dsl.evaluation.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("corpus", type=Path, help="corpus file (JSON lines)")
    cli.add_argument("--limit", type=int, default=0, metavar="N", help="only N rows, drawn by chance (the same ones each time)")
    cli.add_argument("--catalog", action="append", metavar="PATH", help="a catalog of your own; may be given several times")
    cli.add_argument("--with-builtin", action="store_true", help="with --catalog: the built-in catalog as well")
    cli.add_argument("--engine", default="embedded", help="embedded, openai:URL#MODEL or replay:FILE")
    cli.add_argument("--model", type=Path, help="folder of an embedded model")
    cli.add_argument("--constrain", choices=("typed", "grammar", "none"), default="typed")
    cli.add_argument("--max-tokens", default="", metavar="N|random", help="bound of each flow; random: 16, 32, 64 or 128 by chance")
    cli.add_argument("--answers", type=Path, default=Path("answers.jsonl"), metavar="FILE", help="where the answers go (default: answers.jsonl)")
    cli.add_argument("--compare", metavar="FILE", help="answers of an earlier run on the same rows")
    return cli.parse_args(words)


def run(args: argparse.Namespace) -> None:
    if args.max_tokens not in ("", "random") and not args.max_tokens.isdecimal():
        raise UsageError(f"--max-tokens {args.max_tokens}: not a number", hint="a whole number, or random")
    if args.limit < 0:
        raise UsageError("--limit must not be negative")
    earlier = [line.row for line in read_rows(args.compare, {"id": str})] if args.compare else []
    examples = _sampled(args.corpus, args.limit)
    generator = _generator(args)
    found: list[Scores] = []
    with writing(str(args.answers)) as stream:
        for answer, scores in evaluate(_progress(examples), _limited(generator, args.max_tokens), generator.catalog):
            stream.write(json.dumps(answer, ensure_ascii=False) + "\n")
            found.append(scores)
    print(f"{args.corpus}: {len(found):,} rows, constrain {args.constrain}{f', max tokens {args.max_tokens}' if args.max_tokens else ''}")
    report(found)
    if earlier:
        print(f"\nagainst {args.compare}")
        _table([(name, str(c)) for name, c in compare(found, earlier).items()])
    print(f"\nanswers: {args.answers}", file=sys.stderr)


def main(words: list[str] | None = None) -> int:
    args = _arguments(words)
    try:
        run(args)
    except Nl2DslError as problem:
        print(f"error: {problem}" + (f"\n  hint: {problem.hint}" if problem.hint else ""), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
