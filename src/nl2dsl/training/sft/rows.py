"""Which rows of a corpus are trained on, and which operations their prompts offer.

In: a corpus folder, a catalog. Out: examples; operations in the order of serving. There is no torch here: the files of hosted fine-tuning are made of the same rows.
"""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Iterable, Iterator
from pathlib import Path

from nl2dsl import prompts
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example, read


def examples(corpus: Path, split: str, catalog: Catalog, limit: int, seed: int) -> list[Example]:
    """Rows of a split whose operations the catalog has; `limit` of them drawn by the seed, all when 0. Raises `CorpusError` when there are none."""
    found = [e for e in read(corpus / f"{split}.jsonl") if all(o in catalog for o in e.operations)]
    if not found:
        raise CorpusError(f"{corpus}: no {split} row for this catalog", hint="is it the catalog of the corpus?")
    if 0 < limit < len(found):
        found = random.Random(f"{seed} {split}").sample(found, limit)
    return found


def texts(found: Iterable[Example], catalog: Catalog) -> Iterator[str]:
    """What the tokenizer of an untrained base learns its words from: prompts with the operations of the flow alone, and the flows."""
    for row in found:
        yield prompts.write_flow(row.query, [catalog.operations[o] for o in row.operations]).text
        yield row.dsl


def offered(found: list[Operation], example: Example, catalog: Catalog) -> list[Operation]:
    """What serving offers, and the operations of the flow among them, each where serving would have put it: behind the platform's, the order is that of the ids."""
    have = {o.id for o in found}
    start = len(found)
    while start > 1 and found[start - 2].id < found[start - 1].id:
        start -= 1
    rest = found[max(0, start - 1) :]
    for id in dict.fromkeys(example.operations):
        if id not in have:
            insort(rest, catalog.operations[id], key=lambda o: o.id)
    return [*found[: max(0, start - 1)], *rest]
