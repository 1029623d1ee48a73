"""Builds the corpus: curated requests, noisy variants of them, and sampled requests, each with its checked and compiled flow.

In: a `CorpusRecipe`. Out: `train.jsonl`, `validation.jsonl`, `test.jsonl` (F2NL-1K), `unseen.jsonl`, `coverage.json`, `card.json` and `README.md` in a folder. The same recipe gives the same
bytes, however many processes make it and however often it is killed: what is made is kept in `making/` until the requests are whole (`making.py`), and a stage that is whole is not run again.

Splits without leakage: a twentieth of the curated requests validates; clauses and skeletons (operations and control in order) are dealt to training or test before
anything is drawn, so that test rows are drawn as training rows are and share neither with them; every request about one of the `held_out` connectors is kept for
`unseen.jsonl`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import coverage, datacard, export, making, noise, requests, sample, stages, wording
from nl2dsl.corpus.coverage import QuotaRecipe
from nl2dsl.corpus.cycle import CycleRecipe
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.hygiene import SplitRecipe
from nl2dsl.corpus.making import Made, Maker
from nl2dsl.corpus.pool import Weights
from nl2dsl.corpus.stages import FlowsRecipe, ParaphraseRecipe, ScrubRecipe, Settings
from nl2dsl.corpus.teacher import TeacherRecipe, progress
from nl2dsl.dsl import sketch
from nl2dsl.dsl.sketch import Sketch
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example, write
from nl2dsl.files import digest_of, write_text

HELD_OUT = (
    "shared_intercom", "shared_insightly", "shared_pinterest", "shared_muhimbi", "shared_cognitoforms", "shared_plumsailforms", "shared_shifts", "shared_azurevm",
    "shared_wdatp", "shared_pipedrive", "shared_typeform", "shared_keyvault", "shared_documentdb", "shared_googletasks", "shared_azuretables",
)  # fmt: skip
TEST_SHARE, VALIDATION_SHARE = 12, 20
_STAGES = ("flows", "scrub", "teacher", "split", "paraphrase", "enrich", "cycle")
_HOW = ("out", "workers", "engine")  # settings that change no row


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
    workers: int = 0
    """Processes that make rows; 0 is one for each core where that pays."""
    engine: making.Engine = "local"
    """`ray` makes rows with Ray Data, on this machine or the cluster of RAY_ADDRESS."""
    quota: QuotaRecipe | None = None
    """What training must have at least; the sampler is asked for what is missing. See `coverage.py`."""
    flows: FlowsRecipe | None = None
    """Production flows to be put into words; see `stages.py` for this and all below."""
    scrub: ScrubRecipe = field(default_factory=ScrubRecipe)
    teacher: TeacherRecipe = field(default_factory=TeacherRecipe)
    split: SplitRecipe = field(default_factory=SplitRecipe)
    paraphrase: ParaphraseRecipe | None = None
    enrich: EnrichRecipe | None = None
    cycle: CycleRecipe | None = None
    """Requests that a model turns into flows again; see `cycle.py`."""

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError("`workers` is a number of processes, or 0 for one for each core")

    @property
    def staged(self) -> bool:
        """Whether there is more to do than curated and sampled requests."""
        return any(part is not None for part in (self.flows, self.paraphrase, self.enrich, self.cycle))


def bucket(text: str, n: int) -> int:
    """A number below n that depends on the text alone."""
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) % n


_ODD = re.compile(r"[(){}\"`]")  # in a name: what is between its brackets cannot be told from what it says


def skeleton(s: Sketch) -> str:
    """Operations and control in order, without values: what must not be shared between training and test."""
    if not any(_ODD.search(name) for step in sketch.steps(s) for name in (step.operation, *(key for key, _ in step.stated))):
        return "; ".join([f"{_named(s.trigger.operation)}()", *map(_shape, s.steps)])
    return re.sub(r"\([^(){}]*\)", "()", sketch.unparse(_bare(s)))


def _named(operation: str) -> str:
    return sketch.unparse(Sketch(sketch.Step(operation), ()))[:-2]


def _shapes(nodes: tuple[sketch.Node, ...]) -> str:
    return "; ".join(map(_shape, nodes))


def _shape(node: sketch.Node) -> str:
    match node:
        case sketch.When():
            otherwise = f" else {{ {_shapes(node.otherwise)} }}" if node.otherwise else ""
            return f"if () {{ {_shapes(node.then)} }}{otherwise}"
        case sketch.Each():
            return f"for () {{ {_shapes(node.body)} }}"
        case sketch.Choose():
            cases = " ".join(f"{json.dumps('x' if isinstance(v, str) else v)}: {{ {_shapes(body)} }}" for v, body in node.cases)
            default = f" default: {{ {_shapes(node.default)} }}" if node.default else ""
            return f"switch () {{ {cases}{default} }}"
        case sketch.Repeat():
            return f"do {{ {_shapes(node.body)} }} until ()"
        case _:
            return f"{_named(node.operation)}()"


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
    def __init__(self, recipe: CorpusRecipe, catalog: Catalog, maker: Maker | None = None) -> None:
        self.recipe, self.catalog = recipe, catalog
        self.maker = maker or Maker(catalog)
        self.counts: Counter[str] = Counter()
        self.seen: set[str] = set()

    def held(self, s: Sketch) -> bool:
        return any(o.split(".", 1)[0] in self.recipe.held_out for o in sketch.operations(s))

    def example(self, query: str, s: Sketch, source: str, split: str, made: Made | None) -> Example | None:
        """The row, or None (counted) when the query came before or the flow would not parse, check and compile."""
        if query.lower() in self.seen or any(o not in self.catalog for o in sketch.operations(s)):
            self.counts["left out: seen before or unknown operation"] += 1
            return None
        dsl, operations = made or making.make(query, s, self.catalog)
        if not dsl:
            self.counts["left out: the flow has errors"] += 1
            return None
        self.seen.add(query.lower())
        self.counts[f"{split}: {source}"] += 1
        number = sum(n for name, n in self.counts.items() if name.startswith(split))
        return Example(f"{split[:2]}{number:06d}", query, sketch.unparse(s), dsl, operations, source, split)

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

    def sampled(
        self, shapes: list[Sketch], test: bool, wanted: Iterable[str] = (), n: int = 0, seed: int = 0, weights: Weights | None = None
    ) -> Iterator[tuple[str, Sketch, str]]:
        """Rows of the sampler on one side of the split; `wanted` are operations of which each row has one. With `n` they are rows of a quota."""
        inventory = wording.load(catalog=self.catalog)
        allowed = {o for o in self.catalog.operations if o.split(".", 1)[0] not in self.recipe.held_out}
        drawn = sample.sample(
            self.recipe.seed + test + seed,
            n or (self.recipe.test * 60 if test else self.recipe.sampled),
            inventory,
            operations=allowed,
            shapes=shapes,
            clauses=lambda c: (bucket(c.text, TEST_SHARE) == 0) == test,
            wanted=wanted,
            weights=weights,
        )
        for row in drawn:
            if (bucket(skeleton(row.sketch), TEST_SHARE) == 0) == test:
                yield row.query, row.sketch, "quota" if n else "sampled"

    def filled(self, shapes: list[Sketch], rows: list[Example], quota: QuotaRecipe) -> Iterator[Example]:
        """Rows of operations, parameters and control that training has too few of, until it has enough or the sampler has no more to say."""
        inventory = wording.load(catalog=self.catalog)
        open_ = {o: w for o, w in inventory.wordings.items() if o.split(".", 1)[0] not in self.recipe.held_out}
        stated = {f"{o} {slot}" for o, w in open_.items() for clauses in w.clauses.values() for c in clauses for slot in c.slots}
        said = {kind for s in shapes for kind in coverage.of_sketch(s)[1]}
        gaps = (
            _Gap("operations", list(open_), quota.operations, lambda s: set(sketch.operations(s))),
            _Gap("parameters", sorted(stated), quota.parameters, lambda s: coverage.of_sketch(s)[0]),
            _Gap("control", sorted(said), quota.control, lambda s: coverage.of_sketch(s)[1]),
        )
        for row in rows:
            for gap in gaps:
                gap.count(row)
        made = 0
        for number, gap in enumerate(gaps):
            for round_ in range(quota.rounds):
                before, missing = made, gap.missing()
                if not missing or made >= quota.most:
                    break
                n = 2 * sum(gap.least - gap.counts[m] for m in missing) + 20
                asked = self._asked(gap, shapes, missing, n, 10_000 * number + 1000 * (round_ + 1))
                for row in self.rows(asked, "train", gap.helps):
                    for each in gaps:
                        each.count(row)
                    made += 1
                    yield row
                    if made >= quota.most:
                        return
                if made == before:  # what is still missing has no wording on this side of the split, or none that makes a flow
                    break

    def _asked(self, gap: _Gap, shapes: list[Sketch], missing: list[str], n: int, seed: int) -> Iterator[tuple[str, Sketch, str]]:
        """What the sampler says when it is asked for something: for operations, also those that a parameter belongs to, or in the shapes that have the control."""
        if gap.kind == "control":
            having = [s for s in shapes if not gap.held(s).isdisjoint(missing)]
            return self.sampled(having, False, n=n, seed=seed, weights=Weights(shaped=1.0))
        return self.sampled(shapes, False, list(dict.fromkeys(m.split(" ", 1)[0] for m in missing)), n, seed)

    def rows(self, items: Iterable[tuple[str, Sketch, str]], split: str, wanted: Callable[[Sketch], bool] | None = None) -> Iterator[Example]:
        for (query, s, source), done in self.maker.all((" ".join(query.split()), s, source) for query, s, source in items):
            if wanted is None or wanted(s):
                made = self.example(query, s, source, split, done)
                if made:
                    yield made


@dataclass
class _Gap:
    """Something that each of `all` should be in at least `least` rows; `held` tells which a sketch has."""

    kind: Literal["operations", "parameters", "control"]
    all: list[str]
    least: int
    held: Callable[[Sketch], set[str]]
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, row: Example) -> None:
        if self.least:
            self.counts.update(set(row.operations) if self.kind == "operations" else self.held(sketch.parse(row.sketch)))

    def missing(self) -> list[str]:
        return [name for name in self.all if self.counts[name] < self.least]

    def helps(self, s: Sketch) -> bool:
        return any(self.counts[name] < self.least for name in self.held(s).intersection(self.all))


def build(recipe: CorpusRecipe, catalog: Catalog | None = None) -> dict[str, object]:
    """Writes the corpus, or the rest of it, and returns its card. Raises `CorpusError` for a corpus that leaks."""
    catalog, out = catalog or catalogs.builtin(), Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "card.json").unlink(missing_ok=True)  # it appears when all is done
    settings = Settings(
        out, recipe.seed, recipe.teacher, recipe.flows, recipe.scrub, _withheld(recipe), recipe.paraphrase, recipe.enrich, recipe.cycle
    )
    work = stages.Stages(settings, catalog)
    if recipe.requests:
        _requests(work, recipe)
    card: dict[str, object] = {"recipe": _told(recipe), "catalog": catalog.digest, "counts": work.told.get("requests", {}).get("counts", {})}
    card |= stages.run(work)
    if not recipe.staged:
        card["digests"] = dict(zip(_WRITTEN, work.digests(*(f"{split}.jsonl" for split in _WRITTEN)), strict=True))
    card["digest"] = hashlib.sha256(json.dumps(card["digests"], sort_keys=True).encode()).hexdigest()
    card["coverage"] = _covered(work, recipe)
    write_text(out / "README.md", datacard.page(card))
    write_text(out / "card.json", json.dumps(card, indent=1))
    return card


def _withheld(recipe: CorpusRecipe) -> SplitRecipe:
    """What training never sees of the requests, it never sees of flows either."""
    if not recipe.requests:
        return recipe.split
    return replace(recipe.split, unseen=tuple(dict.fromkeys((*recipe.split.unseen, *recipe.held_out))))


_WRITTEN = ("validation", "unseen", "train", "test")  # in this order


def _told(recipe: CorpusRecipe) -> dict[str, object]:
    """The recipe as the card tells it: what changes rows, and stages only where there are any."""
    told = asdict(recipe)
    return {k: v for k, v in told.items() if k not in _HOW and (k != "quota" or v) and (recipe.staged or k not in _STAGES) and (k != "cycle" or v)}


def _requests(work: stages.Stages, recipe: CorpusRecipe) -> None:
    """Curated and sampled requests as the first stage."""
    sources = [
        *sorted(Path(recipe.requests).glob("*.requests")),
        *sorted(Path(recipe.requests).glob("*.requests.jsonl")),
        *sorted(wording.FOLDER.glob("*.json*")),
    ]
    settings = {k: v for k, v in _told(recipe).items() if k not in _STAGES}
    key = [settings, [digest_of(p) for p in sources]]
    kept = work.out / "making"
    work.stage("requests", key, [f"{split}.jsonl" for split in stages.SPLITS], lambda: {"counts": _requested(recipe, work.catalog, kept)})
    shutil.rmtree(kept, ignore_errors=True)


def _requested(recipe: CorpusRecipe, catalog: Catalog, kept: Path) -> dict[str, int]:
    """Curated, varied and sampled requests in four files, and what they count."""
    out = Path(recipe.out)
    with Maker(catalog, kept, making.workers_for(recipe.sampled, recipe.workers), recipe.engine) as maker:
        builder = _Builder(recipe, catalog, maker)
        train, validation, unseen = builder.curated()
        write(builder.rows(validation, "validation"), out / "validation.jsonl")
        write(builder.rows(unseen, "unseen"), out / "unseen.jsonl")
        shapes = [s for _, s, _ in train]
        rows: list[Example] = []
        with progress("training rows", len(train) * (1 + recipe.variants) + recipe.sampled) as advance:
            for some in (train, builder.variants(train), builder.sampled(shapes, False)):
                for row in builder.rows(some, "train"):
                    rows.append(row)
                    advance()
        if recipe.quota is not None:
            rows += builder.filled(shapes, rows, recipe.quota)
        write(rows, out / "train.jsonl")
        known = {skeleton(sketch.parse(r.sketch)) for r in rows}
        fresh = (item for item in builder.sampled(shapes, True) if skeleton(item[1]) not in known)
        test: list[Example] = []
        with progress("test rows", recipe.test) as advance:
            for example in builder.rows(fresh, "test"):
                test.append(example)
                advance()
                if len(test) == recipe.test:
                    break
        write(test, out / "test.jsonl")
    return dict(builder.counts)


def _covered(work: stages.Stages, recipe: CorpusRecipe) -> dict[str, object]:
    """What training holds: counts in `coverage.json`, the short of it for the card."""
    files = [f for f in ("train.jsonl", "flows-train.jsonl", "paraphrases.jsonl") if (work.out / f).exists()]
    least = recipe.quota.operations if recipe.quota else 1

    def make() -> dict[str, object]:
        found = coverage.of(work.out / f for f in files)
        write_text(work.out / "coverage.json", json.dumps(found.counts(), indent=1, ensure_ascii=False))
        return found.short(wording.load(catalog=work.catalog).wordings, recipe.held_out, least)

    work.stage("coverage", [least, recipe.held_out, work.digests(*files)], ["coverage.json"], make)
    return cast("dict[str, object]", work.told.pop("coverage"))


def build_recipe(recipe: str | Path, overrides: Iterable[str] = (), parquet: bool = False) -> dict[str, object]:
    """Builds the corpus of a recipe file, also as Parquet if wanted, and tells on standard error what it holds."""
    made = recipes.load(recipe, CorpusRecipe, overrides)
    if not (made.flows and not made.requests) and not any(p.name.endswith((".requests", ".requests.jsonl")) for p in Path(made.requests).glob("*")):
        raise CorpusError(f"no `.requests` files in {made.requests}", hint="`requests` is a folder, seen from where the command runs")
    card = build(made)
    counts = cast("dict[str, int]", card["counts"])
    for split in stages.SPLITS if made.requests else ():
        print(f"{made.out}/{split}.jsonl: {sum(n for name, n in counts.items() if name.startswith(f'{split}:')):,} rows", file=sys.stderr)
    for name, told in cast("dict[str, dict[str, object]]", card.get("stages", {})).items():
        if name != "requests":
            print(f"{name}: {', '.join(f'{what} {n:,}' for what, n in told.items() if isinstance(n, int))}", file=sys.stderr)
    coverage.show(cast("dict[str, Any]", card["coverage"]))
    if parquet:
        print(f"{made.out}/parquet: {len(export.parquet(Path(made.out)))} files", file=sys.stderr)
    return card


__all__ = ["HELD_OUT", "CorpusRecipe", "bucket", "build", "build_recipe", "protected", "skeleton"]
