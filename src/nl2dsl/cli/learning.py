"""Verbs that make a model and judge it: `corpus`, `train`, `evaluate`, `report`.

In: arguments. Out: what the recipe names; the name of a folder on stdout; an exit code.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nl2dsl.cli.common import (
    BAD_INPUT,
    DONE,
    Arguments,
    Verb,
    from_one,
    from_zero,
    json_option,
    say,
)


def corpus(args: Arguments) -> int:
    """Builds the corpus a recipe describes: requests with the flows they ask for.

    What training holds is told on stderr and in the folder (coverage.json, card.json, README.md). A build that was killed goes on where it was when it is started again.
    """
    from nl2dsl.corpus.build import build_recipe

    build_recipe(args.recipe, args.overrides, args.parquet)
    return DONE


def train(args: Arguments) -> int:
    """Trains the model a recipe describes and exports it to the folder the recipe names.

    A recipe says with `trainer` what it is for: "sft" fine-tunes a text model, "preference" goes on with one by its own answers, "hosted" has a host do it, and without it the embedded model is trained. A training that was
    killed goes on where it was when it is started again.
    """
    from importlib import import_module

    from nl2dsl.training.sft import trainer_of

    module = {"sft": "sft.run", "preference": "sft.preference", "hosted": "sft.hosted"}.get(trainer_of(args.recipe), "embedded")
    folder = import_module(f"nl2dsl.training.{module}").train_recipe(args.recipe, args.overrides)
    say(f"the model is in {folder}")
    return DONE


def evaluate(args: Arguments) -> int:
    """Asks a model for every row of a recipe and keeps all it answers in a run folder.

    A run that was killed goes on where it was when it is started again. The folder's name goes to stdout; `nl2dsl report` makes figures of it.
    """
    from nl2dsl.evaluation.run import evaluate_recipe

    folder = evaluate_recipe(args.recipe, args.overrides)
    print(folder)
    say(f"every answer is kept; see the figures: nl2dsl report {folder}")
    return DONE


def sweep(args: Arguments) -> int:
    """Bases x shots in training x shots at test: trains each model once, asks it in every way, and prints the table of the paper for them.

    A sweep that was killed goes on where it was. Its folders are those of `train` and `evaluate`; the table is table1.md among them.
    """
    from rich.console import Console

    from nl2dsl import recipe as recipes
    from nl2dsl.evaluation import table1
    from nl2dsl.training.sweep import Sweep, SweepRecipe

    made = Sweep(recipes.load(args.recipe, SweepRecipe, args.overrides))
    path = made.table() if args.table else made.run()
    console = Console()
    table1.show(made.tabled, console if console.is_terminal else Console(width=250))
    say(f"wrote {path}; more of each run: nl2dsl report {made.out / 'runs'}/NAME")
    return DONE


def report(args: Arguments) -> int:
    """Figures of runs: every measure with n and a 95 % interval, comparisons on the same rows, slices, mistakes.

    The short form goes to stdout. -o writes the whole: .md Markdown, .html one page with plots and every answer, .json for other programs; it may be repeated.
    """
    from nl2dsl.evaluation import report as reports

    found = reports.open_runs(args.runs, args.partial)
    for path in args.output:
        reports.write(found, path)
        say(f"wrote {path}")
    if not args.quiet:
        reports.show(found)
    return DONE


def parity(args: Arguments) -> int:
    """Whether a model gives the same answers wherever it is served from: PyTorch, merged weights, exported graphs, a batch, a server.

    Greedy answers to fixed prompts are compared; what differs is told prompt by prompt. A difference between two choices that the reference holds nearly equal is a tie; the exit code is 1 when
    there is another one, or when too few answers are equal.
    """
    from nl2dsl.evaluation import parity as gate

    told = gate.Tolerance(args.gap, args.equal)
    found = {
        str(model): gate.parity(
            model, args.prompts, server=args.server, weights=args.weights, limit=args.limit, max_tokens=args.max_tokens, tolerance=told
        )
        for model in args.models
    }
    if args.json:
        print(json.dumps({name: [check.row() for check in checks] for name, checks in found.items()}, indent=1, ensure_ascii=False))
    else:
        for name, checks in found.items():
            for line in gate.lines(Path(name), checks):
                print(line)
    return DONE if all(check.passed for checks in found.values() for check in checks) else BAD_INPUT


def _recipe_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("recipe", metavar="RECIPE", help="a TOML file")
    p.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="values that replace those of the recipe")


def _sweep_options(p: argparse.ArgumentParser) -> None:
    _recipe_options(p)
    p.add_argument("--table", action="store_true", help="only the table, of the cells that are finished")


def _corpus_options(p: argparse.ArgumentParser) -> None:
    _recipe_options(p)
    p.add_argument("--parquet", action="store_true", help="also as Parquet, for `datasets` (extra: export)")


def _report_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "runs", metavar="RUN", nargs="+", help="a run folder that `nl2dsl evaluate` made; several are compared, each with the ones before it"
    )
    p.add_argument("-o", "--output", metavar="FILE", action="append", default=[], help="write the whole report: .md, .html or .json; may be repeated")
    p.add_argument("--partial", action="store_true", help="also runs that are not finished")
    p.add_argument("--quiet", action="store_true", help="nothing on stdout")


def _parity_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("models", metavar="MODEL", nargs="+", type=Path, help="a model folder: fine-tuned (with its adapter) or embedded")
    p.add_argument(
        "--prompts", metavar="FILE", type=Path, default=Path("data/evaluate/parity.jsonl"), help="JSON lines with `query` (default: %(default)s)"
    )
    p.add_argument(
        "--server",
        metavar="ENGINE",
        default="",
        help="openai:URL#MODEL: a server of this model, such as vLLM; without it that check is skipped, and says so",
    )
    p.add_argument(
        "--weights", metavar="DIR", type=Path, help="what a training of the embedded model left; without it the weights are unpacked from int8"
    )
    p.add_argument("--limit", metavar="N", type=from_zero, default=0, help="only the first N prompts")
    p.add_argument("--max-tokens", metavar="N", type=from_one, default=64, help="tokens of a text model's answer (default: %(default)s)")
    p.add_argument(
        "--gap",
        metavar="NATS",
        type=float,
        default=0.05,
        help="a tie: the reference holds both choices at most this far apart (default: %(default)s)",
    )
    p.add_argument("--equal", metavar="SHARE", type=float, default=0.9, help="least share of answers that are the same (default: %(default)s)")
    json_option(p)


MAKE = (
    Verb("corpus", "a training corpus from a recipe", corpus, _corpus_options, (
        "nl2dsl corpus recipes/corpus/default.toml",
        "nl2dsl corpus recipes/corpus/default.toml quota.operations=10 --parquet",
    )),
    Verb("train", "a model from a recipe", train, _recipe_options, (
        "nl2dsl train recipes/train/embedded.toml",
        "nl2dsl train recipes/train/qwen3-0.6b.toml out=build/qwen3",
    )),
)  # fmt: skip
JUDGE = (
    Verb("evaluate", "all answers of a model to a set of requests", evaluate, _recipe_options, (
        "nl2dsl evaluate recipes/evaluate/smoke.toml",
        "nl2dsl evaluate recipes/evaluate/smoke.toml rows=build/corpus/test.jsonl limit=200 model=build/embedded out=build/evaluate/new",
    )),
    Verb("sweep", "Table 1 of the paper: bases and shots compared", sweep, _sweep_options, (
        "nl2dsl sweep recipes/sweep/small.toml out=build/table1",
        "nl2dsl sweep recipes/sweep/small.toml out=build/table1 --table",
    )),
    Verb("report", "figures with intervals, comparisons, mistakes", report, _report_options, (
        "nl2dsl report build/evaluate/smoke",
        "nl2dsl report build/evaluate/old build/evaluate/new -o report.html",
    )),
    Verb("parity", "the same answers wherever a model is served", parity, _parity_options, (
        "nl2dsl parity src/nl2dsl/models/embedded build/qwen3",
        "nl2dsl parity build/qwen3 --server openai:http://localhost:8000/v1#qwen3",
    )),
)  # fmt: skip
