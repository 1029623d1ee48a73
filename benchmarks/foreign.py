"""Somebody else's catalog: operations known only by an id and a line of description, none of them seen under that name.

In: rows of a corpus (requests that are not trained on). The operations that they need, and others by chance up to a number, become lines `{"id", "description"}` in another
house's manner (`teams-post-message-to-conversation`: "post message to conversation (Microsoft Teams)"): no title, no nickname, no parameter, no word of the built-in catalog's descriptions
but the names of product and operation. Triggers and actions of the platform itself stay. Out: similarity and exact sequence beside those with the built-in catalog, same rows.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import MODEL, head, likeness, options, percent, progress, table
from nl2dsl import example
from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.errors import Nl2DslError
from nl2dsl.evaluation.metrics import flow_similarity
from nl2dsl.evaluation.statistics import mean, wilson
from nl2dsl.retrieval.texts import words

PLATFORM = ("builtin", "commonTrigger")


def renamed(operation: Operation, catalog: Catalog) -> dict[str, str]:
    """One line of the foreign catalog."""
    product = catalog.connectors[operation.connector].title
    said = words(operation.name)
    for ending in (" v 2", " v 3", " v 4", " v 5"):
        said = said.removesuffix(ending)
    said = f"when {said.removeprefix('on ')}" if operation.kind == "trigger" else said
    slug = "-".join([operation.connector.removeprefix("shared_"), *words(operation.name).split()])
    return {"id": slug, "description": f"{said} ({product})"}


def foreign(rows: Sequence[Any], n: int, seed: int = 0) -> tuple[Catalog, dict[str, str]]:
    """The catalog, and the new id of each operation."""
    own = read.builtin()
    needed = dict.fromkeys(o for r in rows for o in r.operations if o.split(".", 1)[0] not in PLATFORM)
    others = [o.id for o in own if o.connector not in PLATFORM and not o.internal and not o.deprecated and o.id not in needed]
    chosen = [*needed, *Random(seed).sample(others, max(0, n - len(needed)))]
    lines: list[dict[str, str]] = []
    ids: dict[str, str] = {}
    for id in chosen:
        operation = own.get(id)
        assert operation is not None
        line = renamed(operation, own)
        if line["id"] not in ids.values():
            ids[id] = line["id"]
            lines.append(line)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "foreign.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return read.load([str(path)], False), ids


def main(arguments: list[str] | None = None) -> int:
    cli = options("foreign", __doc__, 400)
    cli.add_argument("corpus", type=Path, help="corpus file with requests that are not trained on")
    cli.add_argument("--operations", type=int, default=546, metavar="N", help="operations of the foreign catalog")
    cli.add_argument("--model", type=Path, default=MODEL, help="folder of an embedded model")
    args = cli.parse_args(arguments)
    from nl2dsl.generate import Generator

    try:
        rows = list(example.read(args.corpus))
        rows = rows[:: max(1, len(rows) // args.limit)][: args.limit]
        catalog, ids = foreign(rows, args.operations)
        generators = {"built-in": (Generator(model=args.model), {}), f"foreign, {len(catalog)}": (Generator(catalog=catalog, model=args.model), ids)}
    except Nl2DslError as problem:
        print(f"error: {problem}\n  hint: {problem.hint}", file=sys.stderr)
        return 2
    head("foreign", "The same requests with another house's catalog of ids and descriptions", arguments)
    lines = [["catalog", "n", "similarity", "exact sequence, %"]]
    for name, (generator, new) in generators.items():
        pairs = []
        for row in progress(rows, name):
            made = list(getattr(generator.generate(row.query), "operations", ()))
            pairs.append((made, [new.get(o, o) for o in row.operations]))
        similarity, exact = mean([flow_similarity(a, b) for a, b in pairs]), wilson(sum(a == b for a, b in pairs), len(pairs))
        lines.append(
            [
                name,
                f"{len(pairs)}",
                likeness(similarity),
                percent(exact),
            ]
        )
    table(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
