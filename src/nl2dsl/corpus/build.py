"""Builds the corpus: curated requests, noisy variants of them, and sampled requests, each with its checked and compiled flow.

In: a `CorpusRecipe`. Out: `train.jsonl`, `validation.jsonl`, `test.jsonl` (F2NL-1K), `unseen.jsonl` and `card.json` in a folder. The same recipe gives the same bytes.

Splits without leakage: a twentieth of the curated requests validates; clauses and skeletons (operations and control in order) are dealt to training or test before
anything is drawn, so that test rows are drawn as training rows are and share neither with them; every request about one of the `held_out` connectors is kept for
`unseen.jsonl`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import cast

from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import noise, requests, sample, stages, wording
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.hygiene import SplitRecipe
from nl2dsl.corpus.stages import FlowsRecipe, ParaphraseRecipe, ScrubRecipe, Settings
from nl2dsl.corpus.teacher import TeacherRecipe
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
_STAGES = ("flows", "scrub", "teacher", "split", "paraphrase", "enrich")


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
    flows: FlowsRecipe | None = None
    """Production flows to be put into words; see `stages.py` for this and all below."""
    scrub: ScrubRecipe = field(default_factory=ScrubRecipe)
    teacher: TeacherRecipe = field(default_factory=TeacherRecipe)
    split: SplitRecipe = field(default_factory=SplitRecipe)
    paraphrase: ParaphraseRecipe | None = None
    enrich: EnrichRecipe | None = None

    @property
    def staged(self) -> bool:
        """Whether there is more to do than curated and sampled requests."""
        return any(part is not None for part in (self.flows, self.paraphrase, self.enrich))


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
        n = self.recipe.test * 60 if test else self.recipe.sampled
        drawn = sample.sample(
            self.recipe.seed + test,
            n,
            inventory,
            operations=allowed,
            shapes=shapes,
            clauses=lambda c: (bucket(c.text, TEST_SHARE) == 0) == test,
        )
        for row in drawn:
            if (bucket(skeleton(row.sketch), TEST_SHARE) == 0) == test:
                yield row.query, row.sketch, "sampled"

    def rows(self, items: Iterable[tuple[str, Sketch, str]], split: str) -> Iterator[Example]:
        for query, s, source in items:
            made = self.example(query, s, source, split)
            if made:
                yield made


def build(recipe: CorpusRecipe, catalog: Catalog | None = None) -> dict[str, object]:
    """Writes the corpus and returns its card. Raises `CorpusError` for a corpus that leaks."""
    catalog, out = catalog or catalogs.builtin(), Path(recipe.out)
    card: dict[str, object] = {"recipe": _told(recipe), "catalog": catalog.digest}
    if recipe.staged:
        (out / "card.json").unlink(missing_ok=True)  # it appears when all is done
        card |= _staged(recipe, catalog)
    else:
        counts, digests = _requested(recipe, catalog)
        card |= {"counts": counts, "digests": digests}
    card["digest"] = hashlib.sha256(json.dumps(card["digests"], sort_keys=True).encode()).hexdigest()
    (out / "card.json").write_text(json.dumps(card, indent=1))
    return card


def _told(recipe: CorpusRecipe) -> dict[str, object]:
    """The recipe as the card tells it: stages only where there are any."""
    return {name: value for name, value in asdict(recipe).items() if recipe.staged or name not in _STAGES}


def _staged(recipe: CorpusRecipe, catalog: Catalog) -> dict[str, object]:
    """Curated and sampled requests as the first stage (none when `requests` is empty), then all the others."""
    out = Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    settings = Settings(out, recipe.seed, recipe.teacher, recipe.flows, recipe.scrub, recipe.split, recipe.paraphrase, recipe.enrich)
    work = stages.Stages(settings, catalog)
    if recipe.requests:
        sources = [*sorted(Path(recipe.requests).glob("*.requests")), *sorted(wording.FOLDER.glob("*.json*"))]
        key = [{k: v for k, v in _told(recipe).items() if k not in (*_STAGES, "out")}, [hashlib.sha256(p.read_bytes()).hexdigest() for p in sources]]
        files = [f"{split}.jsonl" for split in stages.SPLITS]
        work.stage("requests", key, files, lambda: {"counts": _requested(recipe, catalog)[0]})
    made = stages.run(work)
    return {"counts": work.told.get("requests", {}).get("counts", {}), **made}


def _requested(recipe: CorpusRecipe, catalog: Catalog) -> tuple[dict[str, int], dict[str, str]]:
    """Curated, varied and sampled requests in four files: what they count and their digests."""
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
    fresh = (item for item in builder.sampled(shapes, True) if skeleton(item[1]) not in known)
    test = []
    for example in builder.rows(fresh, "test"):
        test.append(example)
        if len(test) == recipe.test:
            break
    digests["test"] = write(test, out / "test.jsonl")
    return dict(builder.counts), digests


def build_recipe(recipe: str | Path, overrides: Iterable[str] = ()) -> dict[str, object]:
    """Builds the corpus of a recipe file and tells on standard error what it holds."""
    made = recipes.load(recipe, CorpusRecipe, overrides)
    if not any(Path(made.requests).glob("*.requests")) and not (made.flows and not made.requests):
        raise CorpusError(f"no `.requests` files in {made.requests}", hint="`requests` is a folder, seen from where the command runs")
    card = build(made)
    counts = cast("dict[str, int]", card["counts"])
    for split in stages.SPLITS if made.requests else ():
        print(f"{made.out}/{split}.jsonl: {sum(n for name, n in counts.items() if name.startswith(f'{split}:')):,} rows", file=sys.stderr)
    for name, told in cast("dict[str, dict[str, object]]", card.get("stages", {})).items():
        if name != "requests":
            print(f"{name}: {', '.join(f'{what} {n:,}' for what, n in told.items() if isinstance(n, int))}", file=sys.stderr)
    return card


__all__ = ["HELD_OUT", "CorpusRecipe", "bucket", "build", "build_recipe", "protected", "skeleton"]
