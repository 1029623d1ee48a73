"""Table 1 of the paper for any bases: bases x shots in training x shots at test, by one command that goes on where it was killed.

In: a `SweepRecipe` (`recipes/sweep/`). Out, in its folder:

    data/       rows, cases and catalog of the sweep, if the recipe takes a part of the corpus
    bases/      untrained bases of ours, after their pretraining
    models/     one folder for each base and number of shots in training, as `nl2dsl train` writes it
    runs/       one folder for each cell and each baseline, as `nl2dsl evaluate` writes it; `nl2dsl report` reads them
    table1.md   the table: `evaluation/table1.py`

Each piece of work says by its own folder whether it is done, so a sweep that was killed takes up the piece it was in, and that piece its last checkpoint or answer. Models are
trained once and tested in every way; all cells answer the same rows.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.engines.hf import CARD
from nl2dsl.errors import CorpusError, RecipeError
from nl2dsl.evaluation import run as evaluation
from nl2dsl.evaluation import table1
from nl2dsl.evaluation.run import EvaluateRecipe
from nl2dsl.evaluation.table1 import Cell, Table1
from nl2dsl.example import Example, read, write
from nl2dsl.files import digest_of, write_text
from nl2dsl.prompts import Message, Prompt
from nl2dsl.training.sft import rows as sft_rows
from nl2dsl.training.sft.recipe import SftRecipe, Shape

if TYPE_CHECKING:
    from nl2dsl.evaluation.baselines import Examples

RANDOM = "random:"


@dataclass(frozen=True)
class Base:
    """A line of the table. `base` and `shape` are those of `SftRecipe`; `train` replaces keys of the sweep's."""

    name: str
    base: str
    shape: Shape = field(default_factory=Shape)
    train: dict[str, Any] = field(default_factory=dict)
    paper: str = ""
    """The base of the paper's Table 1 whose figures stand beside."""


@dataclass(frozen=True)
class Part:
    """Which part of the corpus: the whole of it when all are 0."""

    operations: int = 0
    """Only flows of the so many operations that such flows use most."""
    longest: int = 0
    """Operations of a flow at most, its trigger among them."""
    characters: int = 0
    """Of a flow at most."""
    held: int = 48
    """Training rows set aside to tell the loss on, when a part is taken."""
    test: tuple[str, ...] = ("test",)
    """Splits whose rows are the cases."""

    @property
    def whole(self) -> bool:
        return not (self.operations or self.longest or self.characters)

    def fits(self, row: Example) -> bool:
        return (not self.longest or len(row.operations) <= self.longest) and (not self.characters or len(row.dsl) <= self.characters)


@dataclass(frozen=True)
class Pretraining:
    """Of untrained bases: documents of requests and flows of the training side without any prompt, as a real base has read much text before it is fine-tuned."""

    documents: int = 0
    """None when 0."""
    before: int = 3
    """Neighbours that stand before a request in its document: 0 to so many, by chance."""
    train: dict[str, Any] = field(default_factory=dict)
    """Keys of `SftRecipe`: rate, batch, max_length ..."""


@dataclass(frozen=True)
class SweepRecipe:
    """What to compare."""

    bases: tuple[Base, ...]
    out: Path = Path("build/table1")
    corpus: Path = Path("build/corpus")
    trained: tuple[int, ...] = (0, 3, 5)
    """Shots in training."""
    tested: tuple[int, ...] = (0, 3, 5)
    """Shots at test."""
    baselines: tuple[str, ...] = ("embedded", "embedded-no-retrieval", "nearest")
    """Writers without a base, on the same rows."""
    part: Part = field(default_factory=Part)
    pretraining: Pretraining = field(default_factory=Pretraining)
    train: dict[str, Any] = field(default_factory=dict)
    """Keys of `SftRecipe` for all models."""
    evaluate: dict[str, Any] = field(default_factory=dict)
    """Keys of `EvaluateRecipe` for all cells."""
    seed: int = 0

    def __post_init__(self) -> None:
        names = [b.name for b in self.bases]
        if not names or len(set(names)) < len(names):
            raise ValueError("`bases` need names, each another")
        if not self.trained or not self.tested:
            raise ValueError("`trained` and `tested` name numbers of shots")
        offered = [found.get("offered", 0) for found in (self.train, self.evaluate)]
        if offered[0] != offered[1]:
            raise ValueError(
                f"`train.offered` is {offered[0]}, `evaluate.offered` {offered[1]}: a model is tested with the prompts it was trained with"
            )


def sweep(recipe: SweepRecipe | str | Path, overrides: Iterable[str] = ()) -> Path:
    """Does all of it, or what is left, and returns the file of the table."""
    if not isinstance(recipe, SweepRecipe):
        recipe = recipes.load(recipe, SweepRecipe, overrides)
    return Sweep(recipe).run()


@dataclass(frozen=True)
class Work:
    """A piece: what it is called, whether it is done, what does it."""

    name: str
    done: Callable[[], bool]
    do: Callable[[], object]


class Sweep:
    """Raises `RecipeError` for settings that cannot be, before any work."""

    def __init__(self, recipe: SweepRecipe) -> None:
        self.recipe, self.out = recipe, Path(recipe.out)
        for base in recipe.bases:
            for shots in recipe.trained:
                self.training(base, shots)
            self._pretraining(base)
        self.cells  # noqa: B018  # builds, and so checks, the recipe of each

    # --- the story -------------------------------------------------------------------------------------------------------------

    def run(self) -> Path:
        write_text(self.out / "sweep.toml", recipes.dump(self.recipe))
        if not self.recipe.part.whole:
            self._take_part()
        todo, began = self.work, time.monotonic()
        made = 0
        for place, piece in enumerate(todo):
            if piece.done():
                continue
            left = f", about {(time.monotonic() - began) / made * (len(todo) - place) / 60:.0f} min to go" if made else ""
            _say(f"{_bar(place, len(todo))} {piece.name}{left}")
            start = time.monotonic()
            piece.do()
            made += 1
            _say(f"{_bar(place + 1, len(todo))} {piece.name}: {time.monotonic() - start:.0f} s")
        return self.table()

    def table(self) -> Path:
        """Writes the table of the cells that are there."""
        path = self.out / "table1.md"
        write_text(path, table1.markdown(self.tabled))
        return path

    @cached_property
    def tabled(self) -> Table1:
        there = [c for c in self.cells if (c.folder / "card.json").exists()]
        if not there:
            raise RecipeError(f"{self.out}: no cell is finished", hint="run the sweep: runs/table1.sh")
        return table1.tabled(there)

    @cached_property
    def work(self) -> list[Work]:
        """All pieces, base by base, so that a sweep that is ended early has whole lines of the table."""
        found = [self._evaluating(c) for c in self.cells if not c.base]
        for base in self.recipe.bases:
            if self._pretrained(base):
                found.append(self._pretrain(base))
            for shots in self.recipe.trained:
                found.append(self._train(base, shots))
                found += [self._evaluating(c) for c in self.cells if c.base == base.name and c.trained == shots]
        return found

    # --- the part of the corpus ------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Path:
        return self.recipe.corpus if self.recipe.part.whole else self.out / "data"

    @property
    def catalog(self) -> tuple[str, ...]:
        return tuple(self.recipe.train.get("catalog", ())) if self.recipe.part.whole else (str(self.data / "catalog.jsonl"),)

    @property
    def rows(self) -> Path:
        return self.data / ("cases.jsonl" if not self.recipe.part.whole else f"{self.recipe.part.test[0]}.jsonl")

    def _take_part(self) -> None:
        """Rows of the most used operations, the catalog of these, and the cases that need no others."""
        part, corpus, note = self.recipe.part, self.recipe.corpus, self.out / "data" / "part.json"
        card = corpus / "card.json"
        inputs = json.dumps([asdict(part), self.recipe.seed, digest_of(card) if card.exists() else ""])
        if note.exists() and json.loads(note.read_text(encoding="utf-8"))["inputs"] == inputs:
            return
        rows = [e for e in read(corpus / "train.jsonl") if part.fits(e)]
        counts = Counter(o for e in rows for o in set(e.operations))
        taken = {o for o, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: part.operations or None]}
        rows = [e for e in rows if taken.issuperset(e.operations)]
        random.Random(f"{self.recipe.seed} part").shuffle(rows)
        cases = [e for split in part.test for e in read(corpus / f"{split}.jsonl") if part.fits(e) and taken.issuperset(e.operations)]
        if len(rows) <= part.held or not cases:
            raise CorpusError(
                f"{corpus}: {len(rows)} training rows and {len(cases)} cases of the part", hint="more `part.operations`, or longer flows"
            )
        whole = catalogs.chosen(self.recipe.train.get("catalog") or ())
        operations = [whole.operations[o] for o in sorted(taken)]
        names = sorted({o.connector for o in operations})
        catalogs.write(Catalog(operations, [whole.connectors[c] for c in names]), self.data / "catalog.jsonl")
        write(rows[part.held :], self.data / "train.jsonl")
        write(rows[: part.held], self.data / "validation.jsonl")
        write(cases, self.data / "cases.jsonl")
        counted = {"operations": len(taken), "connectors": len(names), "train": len(rows) - part.held, "held": part.held, "cases": len(cases)}
        write_text(note, json.dumps({"inputs": inputs, **counted}, indent=1) + "\n")
        _say(f"part of the corpus: {', '.join(f'{n:,} {k}' for k, n in counted.items())}")

    @cached_property
    def _examples(self) -> Examples:
        """Embedded once for the whole sweep; each training that needs them gets a copy."""
        from nl2dsl.engines.embedded import SHIPPED, Embedded
        from nl2dsl.evaluation.baselines import Examples

        return Examples(self.data, Embedded(SHIPPED), "all", self._cache)

    @property
    def _cache(self) -> Path:
        return self.out / "cache"

    # --- bases -----------------------------------------------------------------------------------------------------------------

    def _pretrained(self, base: Base) -> bool:
        return base.base.startswith(RANDOM) and self.recipe.pretraining.documents > 0

    def _pretraining(self, base: Base) -> SftRecipe:
        keys = {
            "base": base.base,
            "shape": asdict(base.shape),
            "methods": ["full"],
            "seed": self.recipe.seed,
            "every": 1 << 30,
            "decoded": 0,
            "tensorboard": False,
        }
        return _built({**keys, **self.recipe.pretraining.train}, f"pretraining of {base.name}")

    def _pretrain(self, base: Base) -> Work:
        folder, recipe = self.out / "bases" / base.name, self._pretraining(base)
        note, card = folder / "asked.json", self.recipe.corpus / "card.json"
        asked = json.dumps([asdict(recipe), asdict(self.recipe.part), asdict(self.recipe.pretraining), digest_of(card) if card.exists() else ""])

        def do() -> None:
            self._read_documents(base, recipe, folder)
            write_text(note, asked)

        return Work(f"{base.name}: pretraining", lambda: note.exists() and note.read_text(encoding="utf-8") == asked, do)

    def _read_documents(self, base: Base, recipe: SftRecipe, folder: Path) -> None:
        from nl2dsl.training.sft.pretrain import pretrain

        n = self.recipe.pretraining.documents
        rows = self._examples.rows
        held = [_document(e, []) for e in read(self.data / "validation.jsonl")][:48]
        texts = sft_rows.texts(rows[: base.shape.texts], self._catalog)
        pretrain(recipe, list(self._documents(n)), held, texts, folder)

    def _documents(self, n: int) -> Iterator[str]:
        draw = random.Random(f"{self.recipe.seed} documents")
        rows = self._examples.rows
        for place in range(n):
            k = draw.randint(0, self.recipe.pretraining.before)
            yield _document(rows[place % len(rows)], self._examples.beside(place % len(rows), k) if k else [])

    @cached_property
    def _catalog(self) -> Catalog:
        return catalogs.chosen(self.catalog)

    # --- models ----------------------------------------------------------------------------------------------------------------

    def model(self, base: str, shots: int) -> Path:
        return self.out / "models" / f"{base}-train{shots}"

    def training(self, base: Base, shots: int) -> SftRecipe:
        """What `nl2dsl train` would be given."""
        start = str(self.out / "bases" / base.name) if self._pretrained(base) else base.base
        keys = {"seed": self.recipe.seed, "shape": asdict(base.shape)}
        own = {"catalog": list(self.catalog), "base": start, "corpus": str(self.data), "out": str(self.model(base.name, shots)), "shots": shots}
        return _built({**keys, **self.recipe.train, **base.train, **own}, f"model {base.name} with {shots} shots")

    def _train(self, base: Base, shots: int) -> Work:
        recipe = self.training(base, shots)
        out, told = Path(recipe.out), recipes.dump(recipe)

        def done() -> bool:
            kept = out / "training" / "recipe.toml"
            return (out / CARD).exists() and kept.exists() and kept.read_text(encoding="utf-8") == told

        def do() -> None:
            from nl2dsl.training.sft.run import train_recipe

            if shots:
                self._examples  # noqa: B018
                (out / "training").mkdir(parents=True, exist_ok=True)
                shutil.copytree(self._cache, out / "training" / "cache", dirs_exist_ok=True)
            train_recipe(recipe)

        return Work(f"{base.name}: training with {shots} shots", done, do)

    # --- cells -----------------------------------------------------------------------------------------------------------------

    @cached_property
    def cells(self) -> list[Cell]:
        """Baselines, then every base, shots in training, shots at test."""
        runs = self.out / "runs"
        found = [Cell("", None, None, writer, runs / writer) for writer in self.recipe.baselines]
        for base in self.recipe.bases:
            for a, b in product(self.recipe.trained, self.recipe.tested):
                found.append(Cell(base.name, a, b, f"{base.name}, {a} | {b}", runs / f"{base.name}-train{a}-test{b}", base.paper))
        for cell in found:
            self.evaluating(cell)
        return found

    def evaluating(self, cell: Cell) -> EvaluateRecipe:
        """What `nl2dsl evaluate` would be given. The first answer counts, as in the paper."""
        more = {k: v for k, v in self.recipe.evaluate.items() if cell.base or k in ("limit", "seed", "unseen")}
        keys: dict[str, Any] = {"rows": self.rows, "corpus": self.data, "catalog": list(self.catalog), "cache": self._cache, "seed": self.recipe.seed}
        own: dict[str, Any] = {"out": cell.folder, "name": cell.name}
        if not cell.base:
            own |= {"writer": cell.name}
        else:
            engine = f"hf:{self.model(cell.base, cell.trained or 0)}"
            own |= {"constrain": "none", "shots": cell.tested} | ({"writer": "rag", "engine": engine} if cell.tested else {"writer": engine})
        return evaluation.recipe_of({**keys, **more, **own})

    def _evaluating(self, cell: Cell) -> Work:
        recipe = self.evaluating(cell)

        def done() -> bool:
            head, card = cell.folder / "run.json", cell.folder / "card.json"
            if not (head.exists() and card.exists()):
                return False
            kept = json.loads(head.read_text(encoding="utf-8"))
            same = kept["recipe"] == json.loads(json.dumps(evaluation.told(recipe), default=str))
            model = self.model(cell.base, cell.trained or 0) / CARD
            return same and (
                not cell.base or (model.exists() and json.loads(model.read_text(encoding="utf-8"))["digest"][:12] in kept["writer"]["digest"])
            )

        return Work(f"{cell.name}: answers", done, lambda: evaluation.evaluate(recipe))


def _built(values: Mapping[str, Any], name: str) -> SftRecipe:
    return recipes.build(values, SftRecipe, name=name)


def _document(row: Example, before: Iterable[Example]) -> str:
    """Requests with their flows, the nearest last, in the plain form of a prompt but without its instruction."""
    shown = [m for e in reversed(list(before)) for m in (Message("user", e.query), Message("assistant", e.dsl.strip()))]
    return Prompt(row.query, (*shown, Message("user", row.query))).text + row.dsl.strip()


def _bar(done: int, n: int) -> str:
    wide = 24
    full = wide * done // n
    return f"[{'#' * full}{'.' * (wide - full)}] {done} of {n}"


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
