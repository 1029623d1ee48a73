"""Verbs that write flows: `generate`.

In: arguments. Out: flows or outcomes on stdout, talk on stderr, an exit code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from nl2dsl.cli.common import (
    BAD_INPUT,
    DONE,
    Arguments,
    Verb,
    catalog_options,
    counted,
    from_one,
    from_zero,
    own_catalog,
    progress,
    say,
    show,
)
from nl2dsl.errors import EngineError, UsageError
from nl2dsl.files import STANDARD, read_rows, read_text, writing

if TYPE_CHECKING:
    from nl2dsl.generate import Generator
    from nl2dsl.outcome import Authored, Outcome
    from nl2dsl.textual import TextGenerator

    Writer = Generator | TextGenerator


def generate(args: Arguments) -> int:
    """Writes the flow that a sentence asks for; with --input, one for each row of a file.

    The flow goes to stdout; what a person must still say, and why there is no flow, goes to stderr. Rows of --input are JSON objects with `query` and, if you
    like, `id`; rows come out in the same order with the outcome of each, so that a failure of one is a row and not the end.
    """
    if bool(args.query) == bool(args.input):
        raise UsageError(
            "give a sentence or --input, not both" if args.query else "what should the flow do?",
            hint='nl2dsl generate "every Monday at 8 mail me the open tasks"',
        )
    rows = read_rows(args.input, {"query": str}) if args.input else []
    query = read_text(STANDARD).strip() if args.query == [STANDARD] else " ".join(args.query)
    if args.output and not args.input:
        raise UsageError("--output belongs to --input", hint="a single flow goes to stdout: nl2dsl generate ... > my.flow")
    generator = _generator(args)
    return _batch(generator, [line.row for line in rows], args) if args.input else _single(generator.generate(query, **_limit(args)), args)


def _generator(args: Arguments) -> Writer:
    if args.engine != "embedded":
        from nl2dsl.textual import TextGenerator

        return TextGenerator(args.engine, catalog=own_catalog(args), constrain=args.constrain, shots=args.shots)
    from nl2dsl.generate import Generator

    return Generator(catalog=own_catalog(args), engine=args.engine, constrain=args.constrain, shots=args.shots, model=args.model)


def _limit(args: Arguments) -> dict[str, int]:
    """Without the option, each engine has its own."""
    return {"max_tokens": args.max_tokens} if args.max_tokens else {}


def _single(outcome: Outcome, args: Arguments) -> int:
    from nl2dsl.outcome import Authored, row

    if args.json:
        print(json.dumps(row(outcome), ensure_ascii=False))
    elif isinstance(outcome, Authored):
        print(outcome.dsl.rstrip("\n"))
    if not args.json:
        _explain(outcome)
    return DONE if isinstance(outcome, Authored) else BAD_INPUT


def _explain(outcome: Outcome) -> None:
    """To the person at the terminal: what is missing, or why there is no flow."""
    from nl2dsl.outcome import Failed, Refused

    match outcome:
        case Refused(refusal=refusal):
            say(f"refused ({refusal.category}): {refusal.message}")
        case Failed(diagnostics=diagnostics, attempt=attempt):
            show(diagnostics, attempt, "request" if not attempt else "attempt", sys.stderr)
        case _:
            show([d for d in outcome.diagnostics if d.severity != "info"], outcome.dsl, "flow", sys.stderr)
            _ask(outcome)


def _ask(outcome: Authored) -> None:
    if outcome.missing:
        say("still to be said:")
    for m in outcome.missing:
        say(f'  {m.operation} "{m.parameter}"' + (f": {m.title}" if m.title and m.title != m.parameter else "") + f" ({m.type})")


def _batch(generator: Writer, rows: list[dict[str, Any]], args: Arguments) -> int:
    from nl2dsl.outcome import row

    counts: Counter[str] = Counter()
    seconds: list[float] = []
    unreachable = 0
    with writing(args.output or STANDARD) as stream:
        for given in progress(rows, "requests"):
            outcome, lost = _try(generator, given["query"], _limit(args))
            made = {"id": given.get("id"), **row(outcome)}
            stream.write(json.dumps(made, ensure_ascii=False) + "\n")
            stream.flush()
            counts[made["outcome"]] += 1
            seconds.append(made["seconds"].get("total", 0.0))
            unreachable += lost
    say(
        f"{counted(len(rows), 'request')}: {counted(counts['flow'], 'flow')}, {counted(counts['refusal'], 'refusal')}, {counted(counts['failure'], 'failure')}"
        + _pace(seconds)
    )
    return BAD_INPUT if unreachable else DONE


def _try(generator: Writer, query: str, limit: dict[str, int]) -> tuple[Outcome, bool]:
    """The outcome; an engine that did not answer this once is a failure of this row, not of the batch."""
    from nl2dsl.dsl.diagnostics import Diagnostic
    from nl2dsl.outcome import Facts, Failed

    try:
        return generator.generate(query, **limit), False
    except EngineError as problem:
        return Failed(Facts(query), (Diagnostic("E001", str(problem), hint=problem.hint),)), True


def _pace(seconds: list[float]) -> str:
    return f"; {1000 * median(seconds):.0f} ms at the median" if seconds else ""


def _generate_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("query", metavar="QUERY", nargs="*", help="what the flow should do, as a sentence; - reads it from stdin")
    p.add_argument("--input", metavar="ROWS.jsonl", help='requests, one JSON object a line: {"id": ..., "query": "..."}; - is stdin')
    p.add_argument("--output", metavar="OUT.jsonl", help="where the rows of --input go (stdout)")
    p.add_argument(
        "--json", action="store_true", help="print the whole outcome as one JSON object: flow, workflow, operations, missing values, timings"
    )
    catalog_options(p)
    p.add_argument(
        "--engine", metavar="ENGINE", default="embedded", help="what writes the flow: embedded (default), openai:URL#MODEL, hf:FOLDER or replay:FILE"
    )
    p.add_argument(
        "--constrain",
        choices=("typed", "grammar", "none"),
        default="typed",
        help="what the model is held to: grammar, catalog and types (typed, default), the grammar, or nothing; a text engine is asked to mend its answer",
    )
    p.add_argument("--shots", metavar="N", type=from_zero, default=0, help="examples in the prompt of a text engine (0)")
    p.add_argument("--max-tokens", metavar="N", type=from_one, help="the most the model may write (256 decisions; 1024 tokens for a text engine)")
    p.add_argument("--model", metavar="DIR", type=Path, help="a model folder instead of the one that ships")


VERBS = (
    Verb("generate", "a flow from a sentence, or a file of them", generate, _generate_options, (
        'nl2dsl generate "When a form is answered, post it to the Sales channel in Teams"',
        'nl2dsl generate "every Monday at 8 mail me the weather" > monday.flow',
        "nl2dsl generate --input requests.jsonl --output flows.jsonl",
    )),
)  # fmt: skip
