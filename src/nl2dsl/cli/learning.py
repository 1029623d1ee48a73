"""Verbs that make a model and judge it: `corpus`, `train`, `evaluate`, `report`.

In: arguments. Out: what the recipe names; the name of a folder on stdout; an exit code.
"""

from __future__ import annotations

import argparse

from nl2dsl.cli.common import (
    DONE,
    Arguments,
    Verb,
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

    A recipe says with `trainer` what it is for: "sft" fine-tunes a text model, "hosted" has a host do it, and without it the embedded model is trained. A training that was
    killed goes on where it was when it is started again.
    """
    from importlib import import_module

    from nl2dsl.training.sft import trainer_of

    module = {"sft": "sft.run", "hosted": "sft.hosted"}.get(trainer_of(args.recipe), "embedded")
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


def _recipe_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("recipe", metavar="RECIPE", help="a TOML file")
    p.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="values that replace those of the recipe")


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
    Verb("report", "figures with intervals, comparisons, mistakes", report, _report_options, (
        "nl2dsl report build/evaluate/smoke",
        "nl2dsl report build/evaluate/old build/evaluate/new -o report.html",
    )),
)  # fmt: skip
