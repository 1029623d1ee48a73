"""Leaks planted in a whole corpus: which of them the leak test finds, of what kind it calls them, and whether it finds any where none were planted.

In: the folder of a corpus (`build/corpus` unless given), which is only read. Rows that are kept apart are drawn by chance, and each is planted among the training rows in every disguise below, or as an example
in the prompt of a training row. Found is one whose training row the test names; the text of a disguise never holds the id of its original.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

from benchmarks import head, options, percent, skip, table
from nl2dsl.catalog import read as catalogs
from nl2dsl.corpus import hygiene, noise
from nl2dsl.corpus.build import HELD_OUT, protected
from nl2dsl.corpus.describe import Describer
from nl2dsl.dsl import sketch, wiring
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.evaluation.statistics import wilson
from nl2dsl.example import Example, read

CATALOG = catalogs.builtin()
_DESCRIBER = Describer(CATALOG)
FAR = "Please look after number {n} of my list as we said on the phone"  # a request that says nothing of the flow
Disguise = Callable[[Example, int], Example | None]


def _values(row: Example) -> Example | None:
    """The flow with other values: every stated text is another one."""
    numbers = count(1)
    text = re.sub(r'(?<=[=(,\[ ])"(?:[^"\\]|\\.)*"', lambda m: f'"Zeta {next(numbers)}"', row.sketch)
    try:
        flow = wiring.complete(sketch.parse(text), CATALOG, row.query)
    except Exception:  # a value that cannot be another one
        return None
    dsl = unparse(flow)
    return replace(row, sketch=text, dsl=dsl) if dsl != row.dsl and parse(dsl)[0] is not None else None


def same_skeleton(row: Example, n: int) -> Example | None:
    other = _values(row)
    return other and replace(other, query=FAR.format(n=n))


def same_flow(row: Example, n: int) -> Example:
    return replace(row, query=FAR.format(n=n))


def same_request(row: Example, n: int) -> Example:
    """The request in other letters, with another flow."""
    return replace(_other(n), query=row.query.upper().replace(",", " ").rstrip(".") + " !")


def hurried(row: Example, n: int) -> Example:
    """The request as a hurried person types it, with its own flow and another value."""
    return replace(_values(row) or row, query=noise.noisy(row.query, protected(sketch.parse(row.sketch)), Random(n)))


def reworded(row: Example, n: int) -> Example | None:
    """Other words of the template teacher, with the flow of the row."""
    said = _DESCRIBER.paraphrases(row.query, 3)
    return replace(row, query=said[n % len(said)]) if said else None


def reworded_otherwise(row: Example, n: int) -> Example | None:
    """Other words, and the same operations under another control: neither flow nor skeleton is the same."""
    said = reworded(row, n)
    flow, _ = parse(row.dsl)
    if said is None or flow is None:
        return None
    first, _, rest = row.dsl.partition(");\n")
    return replace(said, dsl=f"{first});\ndo {{\n{rest}}} until (true);\n")


def withheld(row: Example, n: int) -> Example | None:
    return replace(row, query=FAR.format(n=n)) if any(o.split(".", 1)[0] in HELD_OUT for o in row.operations) else None


def _other(n: int) -> Example:
    """A flow of nobody's."""
    dsl = f'triggerOutputs = await commonTrigger.manual({{}});\noutputs_a = builtin.Compose({{ "inputs": "{n}" }});\n'
    return Example("", "", "", dsl, ("commonTrigger.manual", "builtin.Compose"), "planted", "train")


DISGUISES: dict[str, Disguise] = {
    "the same skeleton, other values and words": same_skeleton,
    "the same flow, other words": same_flow,
    "the same request in other letters, another flow": same_request,
    "the request typed in a hurry, other values": hurried,
    "reworded, the same flow": reworded,
    "reworded, the same operations under another control": reworded_otherwise,
    "an operation that is withheld": withheld,
}


def planted(apart: list[Example], n: int) -> Iterator[tuple[str, Example]]:
    for number, (name, disguise) in enumerate(DISGUISES.items()):
        made = 0
        withheld_too = disguise is withheld  # elsewhere a withheld operation would give the row away, whatever its disguise
        for row in Random(number).sample(apart, len(apart)):
            if row.split == "unseen" and not withheld_too:
                continue
            other = disguise(row, made)
            if other is not None and made < n:
                yield name, replace(other, id=f"planted {number} {made}", source="planted", split="train")
                made += 1


def shots(apart: list[Example], n: int) -> dict[str, list[dict[str, str]]]:
    """Prompts with a row kept apart as an example, known by its request alone or by its flow alone."""
    drawn = Random(99).sample(apart, min(2 * n, len(apart)))
    return {
        f"prompt {i}": [{"id": "", "query": row.query.upper(), "dsl": ""} if i % 2 else {"id": "", "query": "another", "dsl": row.dsl}]
        for i, row in enumerate(drawn)
    }


def main(words: list[str] | None = None) -> int:
    cli = options("leaks", __doc__, 200)
    cli.add_argument("corpus", nargs="?", type=Path, default=Path("build/corpus"))
    args = cli.parse_args(words)
    head("leaks", f"Leaks planted in {args.corpus}, {args.limit} of each kind", words)
    if not (args.corpus / "card.json").exists():
        skip(f"no corpus in {args.corpus} (nl2dsl corpus recipes/corpus/default.toml)")
        return 0
    train = list(read(args.corpus / "train.jsonl"))
    apart = [*read(args.corpus / "test.jsonl"), *read(args.corpus / "unseen.jsonl")]
    rows = list(planted(apart, args.limit))
    prompts = shots(apart, args.limit)
    start = time.process_time()
    found = hygiene.leaks([*train, *(row for _, row in rows)], apart, prompts, HELD_OUT)
    seconds = time.process_time() - start
    kinds: dict[str, set[str]] = {}
    for leak in found:
        kinds.setdefault(leak.train, set()).add(leak.kind)
    lines: list[tuple[object, ...]] = [("planted", "n", "caught", "share, 95 %", "called")]
    missed = 0
    for name in DISGUISES:
        ids = [row.id for what, row in rows if what == name]
        missed += _line(lines, name, ids, kinds)
    missed += _line(lines, "a row kept apart as an example in a prompt", list(prompts), kinds)
    table(lines)
    clean = {row.id for row in train}.intersection(kinds)
    print(
        f"  training rows {len(train):,}, rows kept apart {len(apart):,}; findings where nothing was planted: {len(clean)}; {seconds:.0f} s of processor time\n"
    )
    return bool(missed or clean)


def _line(lines: list[tuple[object, ...]], name: str, ids: list[str], kinds: dict[str, set[str]]) -> int:
    caught = [id for id in ids if id in kinds]
    share = wilson(len(caught), len(ids))
    called = Counter(kind for id in caught for kind in kinds[id])
    lines.append(
        (
            name,
            len(ids),
            len(caught),
            percent(share),
            ", ".join(f"{k} {v}" for k, v in called.most_common()),
        )
    )
    return len(ids) - len(caught)


if __name__ == "__main__":
    sys.exit(main())
