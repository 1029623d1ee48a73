"""Builds the corpus: curated requests, noisy variants of them, and sampled requests, each with its checked and compiled flow.

In: a `CorpusRecipe`. Out: `train.jsonl`, `validation.jsonl`, `test.jsonl` (F2NL-1K), `unseen.jsonl` and `card.json` in a folder. The same recipe gives the same bytes.

Splits without leakage: a twentieth of the curated requests validates; the test rows are made of clauses and skeletons (operations and control in order) that no training
row has; every request about one of the `held_out` connectors is kept for `unseen.jsonl`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import cast

from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import noise, requests, sample, wording
from nl2dsl.dsl import checker, definition, sketch, tree, wiring
from nl2dsl.dsl.sketch import Sketch
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example, write

HELD_OUT = (
    "shared_intercom", "shared_insightly", "shared_pinterest", "shared_muhimbi", "shared_cognitoforms", "shared_plumsailforms", "shared_shifts", "shared_azurevm",
    "shared_wdatp", "shared_pipedrive", "shared_typeform", "shared_keyvault", "shared_documentdb", "shared_googletasks", "shared_azuretables",
)  # fmt: skip
TEST_SHARE, VALIDATION_SHARE = 12, 20


@dataclass(frozen=True)
class CorpusRecipe:
    """What to build."""

    out: str = "build/corpus"
    """Folder for the files."""
    requests: str = "data/requests"
    """Folder of curated requests."""
    sampled: int = 60_000
    """Sampled training rows."""
    variants: int = 1
    """Noisy variants of each curated request."""
    test: int = 1_000
    """Rows of the test set."""
    seed: int = 11
    held_out: tuple[str, ...] = HELD_OUT
    """Connectors that training never sees."""


def bucket(text: str, n: int) -> int:
    """A number below n that depends on the text alone."""
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) % n


def skeleton(s: Sketch) -> str:
    """Operations and control in order, without values: what must not be shared between training and test."""
    return re.sub(r"\([^(){}]*\)", "()", sketch.unparse(_bare(s)))


def _bare(s: Sketch) -> Sketch:
    text = sketch.unparse(s)
    return sketch.parse(re.sub(r'"(?:[^"\\]|\\.)*"', '"x"', text))


def protected(s: Sketch) -> list[str]:
    """The texts a sketch states: noise must leave them as they are."""
    found: list[str] = []
    for step in sketch.steps(s):
        for _, value in step.stated:
            found += [str(v) for v in (value if isinstance(value, tuple) else (value,))]
    for node in sketch.walk(s.steps):
        if isinstance(node, sketch.Choose):
            found += [node.subject, *(str(v) for v, _ in node.cases)]
        if isinstance(node, (sketch.When, sketch.Repeat)):
            found += [str(side) for t in node.condition.tests for side in (t.left, t.right)]
    return [f for f in found if f]


class _Builder:
    def __init__(self, recipe: CorpusRecipe, catalog: Catalog) -> None:
        self.recipe, self.catalog = recipe, catalog
        self.counts: Counter[str] = Counter()
        self.seen: set[str] = set()

    def held(self, s: Sketch) -> bool:
        return any(o.split(".", 1)[0] in self.recipe.held_out for o in sketch.operations(s))

    def example(self, query: str, s: Sketch, source: str, split: str) -> Example | None:
        """The row, or None (counted) when the query came before or the flow would not parse, check and compile."""
        query = " ".join(query.split())
        if query.lower() in self.seen or any(o not in self.catalog for o in sketch.operations(s)):
            self.counts["left out: seen before or unknown operation"] += 1
            return None
        flow = wiring.complete(s, self.catalog, query)
        text = unparse(flow)
        parsed, problems = parse(text)
        if parsed is None or any(d.severity == "error" for d in (*problems, *checker.check(flow, self.catalog))):
            self.counts["left out: the flow has errors"] += 1
            return None
        definition.compile(flow, self.catalog)
        self.seen.add(query.lower())
        self.counts[f"{split}: {source}"] += 1
        number = sum(n for name, n in self.counts.items() if name.startswith(split))
        return Example(f"{split[:2]}{number:06d}", query, sketch.unparse(s), text, tuple(tree.operations(flow)), source, split)

    def curated(self) -> tuple[list[tuple[str, Sketch, str]], list[tuple[str, Sketch, str]], list[tuple[str, Sketch, str]]]:
        train: list[tuple[str, Sketch, str]] = []
        validation: list[tuple[str, Sketch, str]] = []
        unseen: list[tuple[str, Sketch, str]] = []
        for r in requests.load(Path(self.recipe.requests)):
            target = unseen if self.held(r.sketch) else validation if bucket(r.query, VALIDATION_SHARE) == 0 else train
            target.append((r.query, r.sketch, r.source))
        return train, validation, unseen

    def variants(self, rows: Iterable[tuple[str, Sketch, str]]) -> Iterator[tuple[str, Sketch, str]]:
        """Each request again as a hurried person would type it."""
        for round_ in range(self.recipe.variants):
            for query, s, _ in rows:
                rng = Random(f"{self.recipe.seed}:{round_}:{query}")
                kept = protected(s)
                changed = noise.noisy(query, kept, rng) if rng.random() < 0.6 else noise.lowered(query, kept)
                if changed != query:
                    yield changed, s, "variant"

    def sampled(self, shapes: list[Sketch], test: bool) -> Iterator[tuple[str, Sketch, str]]:
        inventory = wording.load()
        allowed = {o for o in self.catalog.operations if o.split(".", 1)[0] not in self.recipe.held_out}
        n = self.recipe.test * 6 if test else self.recipe.sampled
        drawn = sample.sample(
            self.recipe.seed + test,
            n,
            inventory,
            operations=allowed,
            shapes=() if test else shapes,
            clauses=lambda c: (bucket(c.text, TEST_SHARE) == 0) == test,
        )
        for row in drawn:
            yield row.query, row.sketch, "sampled"

    def rows(self, items: Iterable[tuple[str, Sketch, str]], split: str) -> Iterator[Example]:
        for query, s, source in items:
            made = self.example(query, s, source, split)
            if made:
                yield made


def build(recipe: CorpusRecipe, catalog: Catalog | None = None) -> dict[str, object]:
    """Writes the corpus and returns its card."""
    catalog = catalog or catalogs.builtin()
    builder, out = _Builder(recipe, catalog), Path(recipe.out)
    train, validation, unseen = builder.curated()
    digests = {
        "validation": write(builder.rows(validation, "validation"), out / "validation.jsonl"),
        "unseen": write(builder.rows(unseen, "unseen"), out / "unseen.jsonl"),
    }
    shapes = [s for _, s, _ in train]
    rows = [*builder.rows(train, "train"), *builder.rows(builder.variants(train), "train"), *builder.rows(builder.sampled(shapes, False), "train")]
    digests["train"] = write(rows, out / "train.jsonl")
    known = {skeleton(sketch.parse(r.sketch)) for r in rows}
    fresh = (item for item in builder.sampled([], True) if skeleton(item[1]) not in known)
    test = []
    for example in builder.rows(fresh, "test"):
        test.append(example)
        if len(test) == recipe.test:
            break
    digests["test"] = write(test, out / "test.jsonl")
    card: dict[str, object] = {"recipe": asdict(recipe), "catalog": catalog.digest, "counts": dict(builder.counts), "digests": digests}
    (out / "card.json").write_text(json.dumps(card, indent=1))
    return card


def build_recipe(recipe: str | Path, overrides: Iterable[str] = ()) -> dict[str, object]:
    """Builds the corpus of a recipe file and tells on standard error what it holds."""
    made = recipes.load(recipe, CorpusRecipe, overrides)
    if not any(Path(made.requests).glob("*.requests")):
        raise CorpusError(f"no `.requests` files in {made.requests}", hint="`requests` is a folder, seen from where the command runs")
    card = build(made)
    counts = cast("dict[str, int]", card["counts"])
    for split in ("train", "validation", "test", "unseen"):
        print(f"{made.out}/{split}.jsonl: {sum(n for name, n in counts.items() if name.startswith(f'{split}:')):,} rows", file=sys.stderr)
    return card


__all__ = ["HELD_OUT", "CorpusRecipe", "bucket", "build", "build_recipe", "protected", "skeleton"]
