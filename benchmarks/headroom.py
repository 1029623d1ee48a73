"""What the embedded model could learn from its own answers: the reward of its best decision by decision, of drawn flows, and of the best of several drawn ones.

In: corpus rows with whole flows. Out: mean rewards (compiles, similarity, execution) with intervals, and how many requests would make a pair. Where the best of several is no
better than the greedy flow, preferring has nothing to teach.

    python -m benchmarks.headroom build/corpus/validation.jsonl --limit 100 --samples 4
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from benchmarks import head
from nl2dsl.decoding.actions import NotSayable, decode
from nl2dsl.decoding.automaton import Automaton
from nl2dsl.decoding.search import Choose, best, search
from nl2dsl.decoding.tables import Floats
from nl2dsl.dsl import checker, tree, wiring
from nl2dsl.dsl.sketch import once
from nl2dsl.dsl.text import unparse
from nl2dsl.evaluation import statistics
from nl2dsl.example import Example, read
from nl2dsl.generate import Generator, cleaned
from nl2dsl.outcome import Authored, Facts, Failed
from nl2dsl.training.reward import Score, Weights, score


def drawing(seed: int, temperature: float) -> Choose:
    rng = np.random.default_rng(seed)

    def choose(scores: Floats) -> int:
        shares = np.exp((scores - scores.max()).astype(np.float64) / temperature)
        return int(rng.choice(len(shares), p=shares / shares.sum()))

    return choose


def answered(generator: Generator, row: Example, choose: Choose) -> Score:
    """The reward of one flow, made as `generate` makes it."""
    text, tables = cleaned(row.query), generator.vocabulary.tables
    query, ids = generator.engine.read(text)
    found = search(generator.engine.start(ids, generator.vocabulary), Automaton(tables.list, query), tables, choose=choose)
    try:
        flow = wiring.complete(once(decode(found.decisions, query, tables.list)), generator.catalog, text)
    except (NotSayable, ValueError, IndexError):
        return Score()
    wrong = tuple(d for d in checker.check(flow, generator.catalog) if d.severity == "error")
    made = Failed(Facts(text), wrong) if wrong else Authored(Facts(text), unparse(flow), flow, {}, tuple(tree.operations(flow)))
    return score(made, row, generator.catalog, Weights())


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--margin", type=float, default=0.1)
    parser.add_argument("--model", type=Path)
    args = parser.parse_args(words)
    head("headroom", "Preferences: what drawn flows are worth beside the greedy one", words)
    generator, rows = Generator(model=args.model), list(read(args.rows))
    if 0 < args.limit < len(rows):
        rows = Random(0).sample(rows, args.limit)
    greedy, drawn = list[float](), list[list[float]]()
    for number, row in enumerate(rows):
        greedy.append(answered(generator, row, best).reward)
        drawn.append([answered(generator, row, drawing(1000 * number + k, args.temperature)).reward for k in range(args.samples)])
    tops = [max(some) for some in drawn]
    print(f"reward, greedy                        {statistics.mean(greedy)}")
    print(f"reward, drawn at temperature {args.temperature:g}        {statistics.mean([sum(some) / len(some) for some in drawn])}")
    print(f"reward, best of {args.samples} drawn               {statistics.mean(tops)}")
    print(f"best of {args.samples} drawn - greedy, paired      {statistics.paired(greedy, tops)}")
    print(f"best of greedy and drawn - greedy     {statistics.paired(greedy, [max(g, t) for g, t in zip(greedy, tops, strict=True)])}")
    pairs = sum(max(some) - min(some) >= args.margin for some in drawn)
    print(f"requests that make a pair             {statistics.wilson(pairs, len(rows))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
