"""How many of the operations a flow needs are among the first 10, 20, 50 that are found for its request.

In: a corpus file (`nl2dsl corpus`), a file of requests with `gold`, or the curated requests that are not trained on. The shipped retriever, which compares the sentence and
its spans, stands beside itself with the sentence alone, MiniLM as it comes (needs the train extra) and words alone (BM25 of `nl2dsl catalog search`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import MODEL, head, options, percent, progress, skip, table, threads, validation
from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.search import scored
from nl2dsl.dsl import sketch
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.statistics import mean, wilson
from nl2dsl.files import read_rows
from nl2dsl.retrieval.texts import operation_texts

TOPS = (10, 20, 50)
Ranked = Callable[[Sequence[str]], list[list[str]]]  # queries -> ids, best first, at least the longest top


def cases(corpus: Path | None, limit: int) -> list[tuple[str, tuple[str, ...]]]:
    """(query, gold operations, each once)."""
    if corpus is None:
        return [(r.query, tuple(dict.fromkeys(sketch.operations(r.sketch)))) for r in validation(limit)]
    asked = [line.row for line in read_rows(str(corpus), {"query": str})]
    if all("gold" in r for r in asked):
        return [(r["query"], tuple(dict.fromkeys([r["gold"]["trigger"], *r["gold"]["actions"]]))) for r in asked]
    from nl2dsl.example import read as rows

    found = [(e.query, tuple(dict.fromkeys(e.operations))) for e in rows(corpus)]
    return found[:: max(1, len(found) // limit)][:limit] if limit else found


def ranked(scores: Any, ids: Sequence[str]) -> list[list[str]]:
    return [[ids[i] for i in np.argsort(-row, kind="stable")[: max(TOPS)]] for row in scores]


def shipped(model: Path, catalog: Catalog, by_span: bool) -> Ranked:
    from nl2dsl.engines.embedded import Embedded
    from nl2dsl.retrieval import spans

    engine = Embedded(model)
    operations, ids = engine.tables(catalog).operations, [o.id for o in catalog]

    def scores(query: str) -> Any:
        read = engine.retrieve(engine.read(query)[1]).reading
        return spans.scores(read if by_span else read[:1], operations)

    return lambda queries: ranked([scores(query) for query in progress(queries, "retriever")], ids)


def untuned(catalog: Catalog) -> Ranked:
    import torch

    from nl2dsl.training import minilm

    torch.set_num_threads(threads())
    encoder, tokenizer = minilm.encoder().eval(), minilm.tokenizer()

    def embed(texts: Sequence[str]) -> Any:
        encodings = tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids))
        out = np.empty((len(texts), 384), dtype=np.float32)
        for start in progress(range(0, len(order), 64), "MiniLM"):
            rows = order[start : start + 64]
            ids, mask = minilm.batch([encodings[i] for i in rows])
            with torch.inference_mode():
                out[rows] = minilm.pooled(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask).numpy()
        return out

    operations, ids = embed(operation_texts(catalog)), [o.id for o in catalog]
    return lambda queries: ranked(embed(queries) @ operations.T, ids)


def words_alone(catalog: Catalog) -> Ranked:
    return lambda queries: [[id for id, _ in scored(catalog, query, max(TOPS))] for query in progress(queries, "words")]


def row(name: str, found: list[list[str]], wanted: Sequence[tuple[str, ...]]) -> list[str]:
    """Recall at each top (mean over requests), and the share of requests with all their operations in the longest."""
    cells = [name]
    for top in TOPS:
        figure = mean([len(set(gold) & set(ids[:top])) / len(gold) for ids, gold in zip(found, wanted, strict=True)])
        cells.append(percent(figure))
    whole = wilson(sum(set(gold) <= set(ids[: max(TOPS)]) for ids, gold in zip(found, wanted, strict=True)), len(wanted))
    return [*cells, percent(whole)]


def main(words: list[str] | None = None) -> int:
    cli = options("retrieval", __doc__, 500)
    cli.add_argument("corpus", nargs="?", type=Path, help="corpus file; without it, curated requests that are not trained on")
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    args = cli.parse_args(words)
    catalog = read.builtin()
    try:
        found = cases(args.corpus, args.limit)
    except Nl2DslError as problem:
        print(f"error: {problem}\n  hint: {problem.hint}", file=sys.stderr)
        return 2
    queries, wanted = [q for q, _ in found], [gold for _, gold in found]
    head("retrieval", f"Retrieval: gold operations found, {len(found):,} requests, {len(catalog):,} operations, %, {threads()} threads", words)
    rows = [["", *(f"recall@{t}" for t in TOPS), f"all in {max(TOPS)}"]]
    makers: dict[str, Callable[[], Ranked]] = {
        "shipped retriever": lambda: shipped(args.model, catalog, True),
        "the sentence alone": lambda: shipped(args.model, catalog, False),
        "MiniLM as it comes": lambda: untuned(catalog),
        "words alone (BM25)": lambda: words_alone(catalog),
    }
    for name, make in makers.items():
        try:
            rows.append(row(name, make()(queries), wanted))
        except Nl2DslError as problem:
            skip(problem)
        except ImportError as problem:
            skip(f"{name}: {problem.name} is not installed (pip install 'nl2dsl[train]')")
    table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
