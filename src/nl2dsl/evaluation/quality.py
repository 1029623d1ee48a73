"""A quick look at a model: `evaluate` and `report` in one command, with nothing kept.

    python -m nl2dsl.evaluation.quality build/corpus/test.jsonl --limit 200
    python -m nl2dsl.evaluation.quality build/corpus/test.jsonl --limit 200 --model build/embedded

In: rows (`cases.py`), a model folder. Out: tables on stdout. What is to be kept and compared is run with `nl2dsl evaluate` (docs/evaluation.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation import report, run


def main(words: list[str] | None = None) -> int:
    cli = argparse.ArgumentParser(
        prog="python -m nl2dsl.evaluation.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("rows", type=Path, help="JSON lines: a split of a corpus, or rows of your own")
    cli.add_argument("--limit", type=int, default=0, metavar="N", help="only N rows, drawn by chance (the same ones each time)")
    cli.add_argument("--engine", default="embedded", help="a writer: embedded, nearest, openai:URL#MODEL, replay:FILE ...")
    cli.add_argument("--model", type=Path, help="folder of an embedded model")
    cli.add_argument("--constrain", choices=("typed", "grammar", "none"), default="typed")
    cli.add_argument("--max-tokens", default="0", metavar="N|random", help="bound of each flow; random: 16, 32, 64 or 128 by chance")
    args = cli.parse_args(words)
    try:
        with TemporaryDirectory() as folder:
            bound = int(args.max_tokens) if args.max_tokens.isdecimal() else args.max_tokens
            recipe = {
                "rows": str(args.rows),
                "out": f"{folder}/{args.rows.stem}",
                "writer": args.engine,
                "constrain": args.constrain,
                "limit": args.limit,
                "max_tokens": bound,
            }
            made = run.evaluate(run.recipe_of(recipe | ({"model": str(args.model)} if args.model else {})))
            report.show(report.open_runs([made]))
    except Nl2DslError as problem:
        print(f"error: {problem}" + (f"\n  hint: {problem.hint}" if problem.hint else ""), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
