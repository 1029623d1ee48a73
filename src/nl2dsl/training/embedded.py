"""Trains the embedded model as a recipe says, from a corpus to the folder that ships.

In: a `TrainRecipe`, or the TOML of one; the corpus that `nl2dsl corpus` wrote. Out: a model folder with `card.json`, and beside it weights, `log.txt` and
`metrics.jsonl`. The stages:

    pairs ─ retriever ─ tables ─ query embeddings ─ guard ─ reranker ─ rows ─ generator ─ export ─ card

A stage is done when `done/STAGE.json` names the digest of what went into it: a second run skips it, a changed setting or corpus runs it again. The two trainings go on
from their checkpoints, so that a run may be killed at any time.
"""

from __future__ import annotations

import io
import json
import logging
import platform
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from nl2dsl import __version__, example
from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import houses, refusals, wording
from nl2dsl.corpus.build import HELD_OUT, TEST_SHARE, bucket
from nl2dsl.corpus.houses import House
from nl2dsl.corpus.wording import Inventory
from nl2dsl.decoding.actions import FIXED
from nl2dsl.decoding.tables import Tables, assemble, build, texts
from nl2dsl.dsl import sketch
from nl2dsl.dsl.sketch import Sketch
from nl2dsl.engines import guard, hf, reranking
from nl2dsl.engines.embedded import CANDIDATES, MAX_TOKENS, Embedded
from nl2dsl.errors import CorpusError, ModelError, RecipeError
from nl2dsl.example import Example
from nl2dsl.files import digest_of, digest_of_value, write_text
from nl2dsl.retrieval.texts import operation_texts
from nl2dsl.training import cases, export, generator, guarding, memory, minilm, renaming, reranker, retriever, scoring
from nl2dsl.training.cases import Case, Reader, Shelf
from nl2dsl.training.checkpoint import Checkpoint, write
from nl2dsl.training.generator import Banks, Figures, Model
from nl2dsl.training.journal import Journal
from nl2dsl.training.network import WIDTH, Size
from nl2dsl.training.retriever import Pair
from nl2dsl.training.rows import FixedSets, Row, query_of
from nl2dsl.training.rows import rows as rows_of
from nl2dsl.training.shipped import unpack

BASE = "sentence-transformers/all-MiniLM-L6-v2"
WORDS = "operations.jsonl"
SPLITS = ("train", "validation", "unseen")
MORE = ("flows-train", "paraphrases")  # of training, where the corpus has them: only rows with a sketch can be learned from
DRAWN = ("sampled", "variant", "quota", "flows", "paraphrase")  # sources of rows that nobody wrote
PACKAGES = ("torch", "transformers", "tokenizers", "openvino", "nncf", "numpy")
# settings that are paths: where things lay, not what they were
HERE = ("corpus", "out", "model", "wording", "houses", "refusals", "catalog", "base", "start")

ORDINARY = 8_000  # requests of the corpus that the guard learns to let pass
RANKINGS = 400  # requests by which the reranker is measured while it is trained
RETOLD = 2  # ways in which the reranker reads our operations told otherwise
CROWD = 546  # operations of a catalog that several houses share, at most
RESIDUAL_SHARE = 0.5  # of what was learned about an operation beyond its text, at serving: all of it drowns operations that are new (docs/log.md)
RERANK = reranking.Say(weight=0.5, floor=-4.0, end=1.5, most=3.0, again=4.0)  # in catalogs of new operations
NOVELTY = 3.0  # added to the score of a new operation, which training as a whole pushed down


@dataclass(frozen=True)
class RetrieverRecipe:
    """How the retriever is tuned."""

    seconds: float = 900.0
    """Seconds of training, by which the learning rate falls too; evaluations do not count."""
    steps: int = 0
    """Steps of training instead of seconds; the same steps give the same weights on the same machine."""
    batch: int = 64
    """Texts of a step."""
    learning_rate: float = 5e-5
    temperature: float = 0.05
    """What similarities are divided by in the softmax."""
    negatives: int = 24
    """Operations beside those of the batch, half of them siblings of a wanted one."""
    requests: int = 4
    """How often each written request occurs, against once for a clause."""
    sampled: int = 8_000
    """Sampled requests of the corpus that take part."""
    renamed: float = 0.3
    """Share of the operations that are told as another house's catalog would (`renaming.py`)."""
    visits: float = 0.2
    """Share of the steps that are made in another house (`corpus/houses.py`)."""
    crowds: float = 0.3
    """Share of these that find several houses with one catalog."""
    still: float = 0.6
    """Share of the other steps in which the operations stand still and the texts move against all of them."""
    every: int = 250
    """Steps between two evaluations."""


@dataclass(frozen=True)
class RerankerRecipe:
    """How the reranker is trained; a model without one when it has neither seconds nor steps."""

    seconds: float = 1_800.0
    """Seconds of training, by which the learning rate falls too; evaluations do not count."""
    steps: int = 0
    """Steps of training instead of seconds; the same steps give the same weights on the same machine."""
    batch: int = 48
    """Requests of a step."""
    candidates: int = 16
    """Operations that are read with each."""
    learning_rate: float = 6e-4
    sampled: int = 15_000
    """Sampled requests of the corpus that take part, and as many clauses at most."""
    every: int = 400
    """Steps between two evaluations."""


@dataclass(frozen=True)
class GeneratorRecipe:
    """How the generator is trained."""

    seconds: float = 2_900.0
    """Seconds of training, by which the learning rate falls too; evaluations do not count."""
    steps: int = 0
    """Steps of training instead of seconds; the same steps give the same weights on the same machine."""
    batch: int = 48
    """Rows of a step."""
    learning_rate: float = 6e-4
    """Of the decoder and its heads."""
    encoder_share: float = 0.125
    """The learning rate of the encoder, which is trained already, as a share of the decoder's."""
    requests: int = 4
    """How often each written request occurs, against once for a sampled one."""
    renamed: float = 0.3
    """Share of the steps that see the catalog in another house's words (`renaming.py`)."""
    visits: float = 0.2
    """Share of the steps that are made in another house (`corpus/houses.py`)."""
    crowds: float = 0.3
    """Share of these that find several houses with one catalog."""
    dropout: float = 0.1
    """Share of what the decoder's layers add that is dropped."""
    masked: float = 0.03
    """Share of a request's tokens that are hidden from the encoder."""
    every: int = 500
    """Steps between two evaluations."""
    decoded: int = 100
    """Rows of each validation set whose flows are decoded at an evaluation."""


@dataclass(frozen=True)
class TrainRecipe:
    """What to train, from what."""

    corpus: str = "build/corpus"
    """Folder that `nl2dsl corpus` wrote."""
    out: str = "build/embedded"
    """Folder for weights, checkpoints, log and figures."""
    model: str = ""
    """Folder for the model that ships; `OUT/model` when empty."""
    wording: str = "data/wording"
    """Folder of the wordings, whose clauses the retriever learns from."""
    houses: str = "data/houses"
    """Folder of other people's catalogs and requests; none when empty."""
    refusals: str = ""
    """Folder of requests that must be refused, and such as only look like it (`data/refusals`); a model without a guard when empty."""
    catalog: tuple[str, ...] = ()
    """Catalog files; the built-in catalog when empty."""
    connectors: tuple[str, ...] = ()
    """Only these connectors of the catalog, and only rows that need no other; all when empty."""
    base: str = ""
    """Folder of the sentence encoder to start from; the all-MiniLM-L6-v2 of the package when empty."""
    start: str = ""
    """Folder of weights to go on from, as another training left them, or of a shipped model; from the sentence encoder alone when empty."""
    seed: int = 0
    checkpoint: float = 120.0
    """The most seconds of training that a killed run has to take again."""
    retriever: RetrieverRecipe = field(default_factory=RetrieverRecipe)
    reranker: RerankerRecipe = field(default_factory=RerankerRecipe)
    generator: GeneratorRecipe = field(default_factory=GeneratorRecipe)
    decoder: Size = field(default_factory=Size)
    """Shape of the decoder."""

    def __post_init__(self) -> None:
        for name, part in (("retriever", self.retriever), ("generator", self.generator)):
            if part.steps < 0 or (not part.steps and part.seconds <= 0):
                raise ValueError(f"`{name}` has neither seconds nor steps")
            if not 0 <= part.crowds < 1:
                raise ValueError(f"`{name}.crowds` is a share below 1")
            if min(part.batch, part.every) < 1:
                raise ValueError(f"`{name}.batch` and `{name}.every` are at least 1")
        if self.reranker.steps < 0 or min(self.reranker.batch, self.reranker.every) < 1 or self.reranker.candidates < 3:
            raise ValueError(
                "`reranker.batch` and `reranker.every` are at least 1, `reranker.candidates` at least 3, `reranker.steps` is not negative"
            )
        if not (0 <= self.generator.dropout < 1 and 0 <= self.generator.masked < 1):
            raise ValueError("`generator.dropout` and `generator.masked` are shares below 1")
        if self.decoder.hidden_size % self.decoder.num_attention_heads or self.decoder.num_attention_heads % self.decoder.num_key_value_heads:
            raise ValueError("`decoder`: hidden_size is a multiple of num_attention_heads, which is a multiple of num_key_value_heads")


def train_recipe(recipe: TrainRecipe | str | Path, overrides: Iterable[str] = ()) -> Path:
    """Trains, or goes on training, and returns the folder of the model."""
    if not isinstance(recipe, TrainRecipe):
        recipe = recipes.load(recipe, TrainRecipe, overrides)
    memory.keep()
    torch.set_flush_denormal(True)  # optimizer states of rarely touched weights decay into denormal numbers, on which a CPU is a hundred times slower
    _quiet()
    return _Run(recipe).run()


def _quiet() -> None:
    """No bars and tables of libraries between ours."""
    hf.quiet()
    logging.getLogger("nncf").setLevel(logging.WARNING)


# --- digests -------------------------------------------------------------------------------------------------------------------


def _of_values(*values: Any) -> str:
    return digest_of_value(values)


# --- data ----------------------------------------------------------------------------------------------------------------------

Rows = list[tuple[Example, Sketch]]
Visited = TypeVar("Visited")
Spread = TypeVar("Spread")


def _read(path: Path, catalog: Catalog) -> Rows:
    """The rows of a corpus file that the catalog has all operations for; flows that no sketch says (edited or imported ones) teach text models only."""
    found: Rows = []
    for number, row in enumerate(example.read(path), 1):
        if not row.sketch:
            continue
        try:
            made = sketch.parse(row.sketch)
        except sketch.SketchError as problem:
            raise CorpusError(f"{path}:{number}: {problem}") from problem
        if all(o in catalog for o in sketch.operations(made)):
            found.append((row, made))
    return found


def _written(row: Example) -> bool:
    return row.source not in DRAWN


def _pair(row: Example, s: Sketch) -> Pair:
    return Pair(row.query, tuple(dict.fromkeys(sketch.operations(s))))


def clauses(inventory: Inventory, held_out: Sequence[str], rng: random.Random) -> list[Pair]:
    """The clauses of the inventory, filled in, but for those that test rows are made of and those of held-out connectors."""
    found = []
    for one in inventory.wordings.values():
        if one.connector in held_out:
            continue
        for clause in (c for form in one.clauses.values() for c in form if bucket(c.text, TEST_SHARE)):
            words = [rng.choice(one.fillers[piece]).words if i % 2 else piece for i, piece in enumerate(clause.pieces)]
            found.append(Pair("".join(words), (one.operation,)))
    return found


def _visit(house: House) -> retriever.Visit:
    place = {o.id: i for i, o in enumerate(house.catalog)}
    return retriever.Visit(
        tuple(operation_texts(house.catalog)), tuple((a.query, tuple(dict.fromkeys(place[o] for o in a.operations))) for a in house.asked)
    )


def _with_crowds(single: Sequence[Visited], crowds: Sequence[Visited], share: float) -> list[Visited]:
    """Single houses and crowds of them, these as often as makes up their share of the visits as nearly as whole numbers do, and once at least unless it is 0."""
    times = max(1, round(share / (1 - share) * len(single) / max(1, len(crowds)))) if share else 0
    return [*single, *[crowd for crowd in crowds for _ in range(times)]]


def pairs(train: Rows, single: Sequence[Pair], recipe: RetrieverRecipe, rng: random.Random) -> list[Pair]:
    """What the retriever learns from: clauses, written requests `requests` times, their variants once, and some sampled requests."""
    sampled = [_pair(*r) for r in train if r[0].source == "sampled"]
    variants = [_pair(*r) for r in train if r[0].source == "variant"]
    return [
        *single,
        *[_pair(*r) for r in train if _written(r[0])] * recipe.requests,
        *variants,
        *rng.sample(sampled, min(recipe.sampled, len(sampled))),
    ]


def _part(catalog: Catalog, connectors: Sequence[str]) -> Catalog:
    """The catalog with these connectors only."""
    unknown = [c for c in connectors if not catalog.ids(c)]
    if unknown:
        raise RecipeError(f"`connectors`: the catalog has no {', '.join(unknown)}", hint="nl2dsl catalog search finds names")
    if not connectors:
        return catalog
    return Catalog([o for c in connectors for o in catalog.of(c)], [catalog.connectors[c] for c in connectors])


# --- the stages ----------------------------------------------------------------------------------------------------------------


class _Run:
    """One run of a recipe. What a stage makes lies on disk; the rest is read when it is needed."""

    def __init__(self, recipe: TrainRecipe) -> None:
        self.recipe, self.out, self.corpus = recipe, Path(recipe.out), Path(recipe.corpus)
        self.model = Path(recipe.model) if recipe.model else self.out / "model"
        self.base = Path(recipe.base) if recipe.base else minilm.folder()
        self.catalog = _part(catalogs.load(recipe.catalog, with_builtin=True) if recipe.catalog else catalogs.builtin(), recipe.connectors)
        if len(self.catalog) < CANDIDATES:
            raise RecipeError(f"the catalog has {len(self.catalog)} operations, fewer than the {CANDIDATES} candidates of a request")
        self.more = [name for name in MORE if (self.corpus / f"{name}.jsonl").exists()]
        self.digests = {name: self._digest(self.corpus / f"{name}.jsonl") for name in (*SPLITS, *self.more)}
        self.words_digest = self._digest(Path(recipe.wording) / WORDS)
        self.house_files = houses.files(Path(recipe.houses)) if recipe.houses else []
        self.houses_digest = _of_values(*(digest_of(path) for path in self.house_files))
        self.refusals_digest = _of_values(*(digest_of(path) for path in refusals.files(Path(recipe.refusals)))) if recipe.refusals else ""
        self.base_digest = self._digest(self.base / "model.safetensors")
        self.journal = Journal(self.out)
        self.start = self._start()

    def _start(self) -> Path | None:
        """The folder of weights to go on from; a shipped model is unpacked beside what is made of it."""
        if not self.recipe.start:
            return None
        folder = Path(self.recipe.start)
        if (folder / "decoder.xml").exists():
            unpacked = self.out / "start"
            if not (unpacked / "writer.pt").exists():
                unpack(folder, unpacked, self.base)
            folder = unpacked
        self._digest(folder / "retriever" / "model.safetensors")
        return folder

    @cached_property
    def start_digests(self) -> list[str]:
        """What the training goes on from, by content."""
        names = ("retriever/model.safetensors", "encoder.pt", "writer.pt")
        return [digest_of(self.start / name) for name in names if (self.start / name).exists()] if self.start else []

    def _digest(self, path: Path) -> str:
        if path.exists():
            return digest_of(path)
        if path.name == "model.safetensors":
            raise ModelError(f"no weights in {path.parent}: there is no {path.name}", hint="`base` is a folder in the layout of transformers")
        if path.name == WORDS:
            raise CorpusError(
                f"no wordings in {path.parent}: there is no {path.name}", hint="`wording` is a folder, seen from where the command runs"
            )
        raise CorpusError(f"no corpus file {path}", hint=f"build it: nl2dsl corpus recipes/corpus/default.toml out={path.parent}")

    def run(self) -> Path:
        r, began = self.recipe, time.monotonic()
        write_text(self.out / "recipe.toml", recipes.dump(r))
        data = [self.base_digest, self.catalog.digest, self.digests, r.seed, *self.start_digests]
        tuned = self._stage(
            "retriever",
            _of_values(data, self.words_digest, self.houses_digest, asdict(r.retriever)),
            [self.out / "retriever" / "model.safetensors"],
            self._retriever,
        )
        weights = digest_of(self.out / "retriever" / "model.safetensors")
        self._stage(
            "tables",
            _of_values(weights, self.catalog.digest, r.seed, bool(r.generator.renamed)),
            [self.out / "tables.npz", self.out / "others.npy"],
            self._tables,
        )
        self._stage("queries", _of_values(weights, self.digests, self.houses_digest, self.catalog.digest), [self.out / "queries.pt"], self._queries)
        guarded = self._guarded(weights)
        reranked = self._reranked(_of_values(data, self.words_digest, self.houses_digest, weights, asdict(r.reranker)))
        inputs = _of_values(data, self.houses_digest, weights, FIXED, asdict(r.generator), asdict(r.decoder))
        trained = self._stage("generator", inputs, [self.out / f"{name}.pt" for name in ("encoder", "writer")], self._generator)
        results = {"retriever": tuned, "generator": trained, **guarded, **reranked}
        shipped = [self.model / "card.json", *(self.model / f"{name}.xml" for name in ("encoder", "retriever", "decoder"))]
        made = _of_values(inputs, guarded, reranked, *(digest_of(self.out / f"{name}.pt") for name in ("encoder", "writer")), str(self.model))
        self._stage("export", made, shipped, lambda inputs: self._export(results))
        self.journal.log(f"the model is in {self.model} ({time.monotonic() - began:.0f} s)")
        return self.model

    def _stage(self, name: str, inputs: str, made: Sequence[Path], do: Callable[[str], Figures]) -> Figures:
        """The figures of a stage: of now, or of the run that did it with the same inputs."""
        marker = self.out / "done" / f"{name}.json"
        if marker.exists() and all(path.exists() for path in made):
            done: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
            if done["inputs"] == inputs:
                self.journal.log(f"{name}: done before")
                return done["figures"]  # type: ignore[no-any-return]
        marker.unlink(missing_ok=True)
        began = time.monotonic()
        self.journal.log(f"{name}: begins")
        with self.journal.bar(name):
            figures = do(inputs)
        write_text(marker, json.dumps({"inputs": inputs, "seconds": round(time.monotonic() - began, 1), "figures": figures}, indent=1))
        return figures

    def _checkpoint(self, name: str, inputs: str) -> Checkpoint:
        """Where a training stood; what it told after that it will tell again."""
        made = Checkpoint(self.out / f"{name}.checkpoint.pt", inputs, self.recipe.checkpoint)
        self.journal.rewind(name, (made.load() or {"step": 0})["step"])
        return made

    @cached_property
    def data(self) -> dict[str, Rows]:
        found = {name: _read(self.corpus / f"{name}.jsonl", self.catalog) for name in SPLITS}
        for name in self.more:
            found["train"] += _read(self.corpus / f"{name}.jsonl", self.catalog)
        self.journal.log("corpus: " + ", ".join(f"{len(r)} {name}" for name, r in found.items()) + " rows")
        if not found["train"]:
            raise CorpusError(f"{self.corpus} has no training row for this catalog", hint="is it the catalog of the corpus?")
        return found

    @cached_property
    def inventory(self) -> Inventory:
        return wording.load(Path(self.recipe.wording), self.catalog)

    @cached_property
    def tokenizer(self) -> Any:
        made = minilm.tokenizer(self.base)
        made.enable_truncation(MAX_TOKENS)
        return made

    @cached_property
    def held_out(self) -> tuple[str, ...]:
        card = self.corpus / "card.json"
        return tuple(json.loads(card.read_text(encoding="utf-8"))["recipe"]["held_out"]) if card.exists() else HELD_OUT

    @cached_property
    def houses(self) -> list[House]:
        """Those that may be learned from."""
        return [house for house in map(houses.read, self.house_files) if not house.kept]

    @cached_property
    def crowds(self) -> list[House]:
        return self._crowded(self.recipe.seed)

    def _crowded(self, seed: int) -> list[House]:
        """The same in groups by chance, each with one catalog."""
        return houses.together(random.Random(seed).sample(self.houses, len(self.houses)), CROWD)

    def _tuned(self) -> Any:
        return minilm.encoder(self.out / "retriever")

    def _retriever(self, inputs: str) -> Figures:
        r, rng = self.recipe.retriever, random.Random(self.recipe.seed)
        found = pairs(self.data["train"], clauses(self.inventory, self.held_out, rng), r, rng)
        self.journal.log(f"retriever: {len(found)} pairs")
        checkpoint = self._checkpoint("retriever", inputs)
        figures = retriever.train(
            found, self.catalog, self.out / "retriever", start=self.start / "retriever" if self.start else self.base, steps=r.steps or 10**9, seconds=float("inf") if r.steps else r.seconds,
            batch_size=min(r.batch, len(found)), learning_rate=r.learning_rate, temperature=r.temperature, negatives=r.negatives, renamed=r.renamed,
            houses=_with_crowds([_visit(h) for h in self.houses], [_visit(h) for h in self.crowds], r.crowds), visits=r.visits, still=r.still, seed=self.recipe.seed, every=r.every,
            held_out={name: [_pair(*row) for row in self.data[name]] for name in SPLITS[1:]}, checkpoint=checkpoint,
            log=self.journal.log, record=self.journal.record, tick=self.journal.tick,
        )  # fmt: skip
        checkpoint.remove()
        return figures

    def _tables(self, inputs: str) -> Figures:
        model, found = self._retrieving, texts(self.catalog)
        arrays = [retriever.embed(model, self.tokenizer, some).numpy() for some in found]
        beside = self.out / "tables.new.npz"
        np.savez(beside, operations=arrays[0], parameters=arrays[1], enums=arrays[2])
        beside.replace(self.out / "tables.npz")
        self._others(model)
        return {"rows": [len(a) for a in arrays]}

    def _others(self, model: Any) -> None:
        """The operations in other houses' words, (ways, n, 384)."""
        told = renaming.manners(self.catalog, retriever.MANNERS if self.recipe.generator.renamed else 0, self.recipe.seed + 1)
        beside = self.out / "others.new.npy"
        made = [retriever.embed(model, self.tokenizer, some).half().numpy() for some in told]
        np.save(beside, np.array(made, dtype=np.float16))
        beside.replace(self.out / "others.npy")

    @cached_property
    def tables(self) -> Tables:
        with np.load(self.out / "tables.npz") as stored:
            return assemble(self.catalog, stored["operations"], stored["parameters"], stored["enums"])

    def _queries(self, inputs: str) -> Figures:
        """What all queries are compared by: the retriever does not change while the generator is trained."""
        asked = [asked.query for house in self.houses for asked in house.asked if asked.sketch]
        queries = list(dict.fromkeys([*(row.query for found in self.data.values() for row, _ in found), *asked]))
        found = [one.half() for one in retriever.read(self._retrieving, self.tokenizer, queries)]
        write({"queries": queries, "sizes": torch.tensor([len(one) for one in found]), "readings": torch.cat(found)}, self.out / "queries.pt")
        return {"queries": len(queries)}

    def _guarded(self, weights: str) -> dict[str, Figures]:
        """The figures of the guard, by its name; none where the recipe has no refusals."""
        if not self.refusals_digest:
            (self.out / guard.FILE).unlink(missing_ok=True)
            return {}
        inputs = _of_values(weights, self.refusals_digest, self.digests, self.catalog.digest, self.recipe.seed)
        return {"guard": self._stage("guard", inputs, [self.out / guard.FILE], self._guard)}

    def _guard(self, inputs: str) -> Figures:
        told = refusals.load(Path(self.recipe.refusals))
        read = retriever.read(self._retrieving, self.tokenizer, [one.query for one in told])
        parts: dict[str, list[guarding.Labelled]] = {"train": [], "validation": [], "test": []}
        for one, reading in zip(told, read, strict=True):
            parts[one.part].append((reading.numpy(), one.category))
        ordinary = {
            name: [self.readings[row.query].float().numpy() for row, _ in self._drawn(self.data[name], ORDINARY)] for name in ("train", "validation")
        }
        made = guarding.train(parts["train"], ordinary["train"], ordinary["validation"], seed=self.recipe.seed)
        made.save(self.out)
        return {"validation": guarding.figures(made, parts["validation"])}

    @property
    def _reranks(self) -> bool:
        return bool(self.recipe.reranker.steps or self.recipe.reranker.seconds > 0)

    def _reranked(self, inputs: str) -> dict[str, Figures]:
        """The figures of the reranker, by its name; none where the recipe has none."""
        return {"reranker": self._stage("reranker", inputs, [self.out / "reranker.pt"], self._reranker)} if self._reranks else {}

    def _reranker(self, inputs: str) -> Figures:
        r, rng, reader = self.recipe.reranker, random.Random(self.recipe.seed), Reader(self._retrieving, self.tokenizer)
        retold = renaming.manners(self.catalog, RETOLD, self.recipe.seed + 2)
        shelves = [cases.shelf(reader, told) for told in (operation_texts(self.catalog), *retold)]
        ours = tuple(range(len(shelves)))
        train, single = self.data["train"], clauses(self.inventory, self.held_out, rng)
        pools = {
            name: (
                share,
                self._cases(reader, some if name == "written" else rng.sample(some, min(r.sampled, len(some))), self.catalog, shelves, ours),
            )
            for name, share, some in (
                ("written", 0.14, [_pair(*row) for row in train if _written(row[0])]),
                ("drawn", 0.08, [_pair(*row) for row in train if not _written(row[0])]),
                ("clauses", 0.06, single),
            )
        }
        for name, share, some in (("houses", 0.22, self.houses), ("crowds", 0.5, [*self.crowds, *self._crowded(self.recipe.seed + 1)])):
            found: list[Case] = []
            for house in some:
                shelves.append(cases.shelf(reader, operation_texts(house.catalog)))
                found += self._cases(reader, [Pair(a.query, a.operations) for a in house.asked], house.catalog, shelves, (len(shelves) - 1,))
            pools[name] = (share, found)
        self.journal.log("reranker: " + ", ".join(f"{len(found)} {name}" for name, (_, found) in pools.items()))
        validation = {
            name: self._cases(reader, [_pair(*row) for row in spread(self.data[name], RANKINGS)], self.catalog, shelves, (0,)) for name in SPLITS[1:]
        }
        torch.manual_seed(self.recipe.seed)
        model = reranker.Reranker()
        if self.start and (self.start / "reranker.pt").exists():
            self._load(model, self.start / "reranker.pt")
        checkpoint = self._checkpoint("reranker", inputs)
        figures = reranker.train(
            model, pools, shelves, self.out, validation=validation, seconds=r.seconds, steps=r.steps, batch_size=r.batch, candidates=r.candidates, ranked=reranking.RANKED,
            learning_rate=r.learning_rate, seed=self.recipe.seed, every=r.every, checkpoint=checkpoint, log=self.journal.log, record=self.journal.record, tick=self.journal.tick,
        )  # fmt: skip
        checkpoint.remove()
        return figures

    def _cases(self, reader: Reader, asked: Sequence[Pair], catalog: Catalog, shelves: Sequence[Shelf], places: tuple[int, ...]) -> list[Case]:
        place = {o.id: i for i, o in enumerate(catalog)}
        wanted = [tuple(dict.fromkeys(place[o] for o in pair.operations)) for pair in asked]
        return cases.cases(reader, [pair.text for pair in asked], wanted, shelves, places)

    @cached_property
    def _retrieving(self) -> Any:
        """The retriever as it was tuned, for looking things up; what is trained on from it is a copy (`_tuned`)."""
        return self._tuned()

    def _load_reranker(self) -> reranker.Reranker:
        model = reranker.Reranker()
        self._load(model, self.out / "reranker.pt")
        return model

    def _drawn(self, rows: Rows, n: int) -> Rows:
        """At most n of the rows, by chance."""
        return random.Random(self.recipe.seed).sample(rows, min(n, len(rows)))

    @cached_property
    def readings(self) -> dict[str, Tensor]:
        """What each query is compared by, as the stage of the queries left it."""
        stored = torch.load(self.out / "queries.pt", weights_only=True)
        return dict(zip(stored["queries"], stored["readings"].split(stored["sizes"].tolist()), strict=True))

    @cached_property
    def retrieved(self) -> Callable[[Sequence[Row]], Tensor]:
        return lambda batch: stacked([self.readings[row.query] for row in batch])

    def _sayable(self, found: Rows, sets: FixedSets, name: str) -> list[Row]:
        made, counts = rows_of(((row.query, s, 1.0) for row, s in found), self.tables, self.tokenizer, sets)
        self.journal.log(f"rows: {name}: {counts['rows']}, left out {counts['left out']}, values dropped {counts['values dropped']}")
        return made

    def _generator(self, inputs: str) -> Figures:
        r, sets, train = self.recipe.generator, FixedSets(), self.data["train"]
        written = self._sayable([row for row in train if _written(row[0])], sets, "written")
        drawn = self._sayable([row for row in train if not _written(row[0])], sets, "drawn")
        validation = {name: self._sayable(self.data[name], sets, name) for name in SPLITS[1:]}
        if not written and not drawn:
            raise CorpusError(f"{self.corpus}: no training row can be said in decisions")
        banks, retrieved = Banks.of(self.tables), self.retrieved
        others = [banks.renamed(torch.from_numpy(told).float()) for told in np.load(self.out / "others.npy")]
        visits = self._visits(sets) if r.visits else []
        torch.manual_seed(self.recipe.seed)
        model = Model(self._tuned(), self.recipe.decoder, banks)
        if self.start and (self.start / "writer.pt").exists():
            self._load_model(model, self.start)
        checkpoint = self._checkpoint("generator", inputs)

        def evaluate(name: str) -> Figures:
            vocabulary = scoring.serving(model.writer, self.tables, self.held_out, RESIDUAL_SHARE, NOVELTY)
            return scoring.measure(
                spread(validation[name], r.decoded),
                lambda text: query_of(text, self.tokenizer)[0],
                lambda row: scoring.ModelScorer(model, row.tokens, retrieved([row])[0], banks, vocabulary),
                self.tables,
            )

        figures = generator.train(
            [*written * r.requests, *drawn], model, retrieved, banks, torch.from_numpy(sets.matrix()), self.out, others=others, renamed=r.renamed, houses=visits, visits=r.visits,
            dropout=r.dropout, masked=r.masked, seconds=r.seconds, steps=r.steps, batch_size=r.batch, learning_rate=r.learning_rate, encoder_rate=r.learning_rate * r.encoder_share, seed=self.recipe.seed,
            validation={name: (some, retrieved) for name, some in validation.items()}, every=r.every, evaluate=evaluate, checkpoint=checkpoint,
            log=self.journal.log, record=self.journal.record, tick=self.journal.tick,
        )  # fmt: skip
        checkpoint.remove()
        return figures

    def _visits(self, sets: FixedSets) -> list[generator.Visit]:
        """The other houses' catalogs and rows, one by one and in crowds."""
        embed = retriever.once(lambda some: list(retriever.embed(self._retrieving, self.tokenizer, some).numpy()))
        single, crowds = ([visit for house in some if (visit := self._visit(house, embed, sets)).rows] for some in (self.houses, self.crowds))
        self.journal.log(f"houses: {len(single)}, rows {sum(len(v.rows) for v in single)}; crowds: {len(crowds)}")
        return _with_crowds(single, crowds, self.recipe.generator.crowds)

    def _visit(self, house: House, embed: Callable[[Sequence[str]], list[Any]], sets: FixedSets) -> generator.Visit:
        """A house's catalog and rows; the platform's own operations are known there, too."""
        places = self.tables.index
        found = build(house.catalog, lambda some: np.array(embed(some), dtype=np.float32).reshape(-1, WIDTH))
        asked = ((a.query, a.sketch, 1.0) for a in house.asked if a.sketch)
        rows, _ = rows_of(asked, found, self.tokenizer, sets)
        known = torch.tensor([places.get(o.id, -1) if o.id not in house.own else -1 for o in found.list])
        return generator.Visit(Banks.of(found).elsewhere(known), sorted(rows, key=lambda row: (len(row.tokens), row.query)))

    def _load_model(self, model: Model, folder: Path) -> None:
        self._load(model.encoder, folder / "encoder.pt")
        self._load(model.writer, folder / "writer.pt")

    def _load(self, part: torch.nn.Module, path: Path) -> None:
        try:
            part.load_state_dict(torch.load(path, weights_only=True))
        except (OSError, RuntimeError) as problem:
            raise ModelError(
                f"{path} does not fit: {str(problem).splitlines()[-1].strip()}", hint="it belongs to another catalog or decoder"
            ) from problem

    # --- what ships ------------------------------------------------------------------------------------------------------------

    def _export(self, results: Mapping[str, Figures]) -> Figures:
        model = Model(self._tuned(), self.recipe.decoder, Banks.of(self.tables))
        self._load_model(model, self.out)
        beside = self.model.with_name(f"{self.model.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):  # of transformers when traced; of nncf
            export.export(model.encoder, model.writer, self._retrieving, self.tables, self.base / "tokenizer.json", beside, self.held_out)
            if self._reranks:
                export.add_reranker(self._load_reranker(), beside)
        if self.refusals_digest:
            shutil.copyfile(self.out / guard.FILE, beside / guard.FILE)
        self._card(beside, {**results})
        shipped = self._shipped(beside)
        self._card(beside, {**results, "shipped": shipped})
        _swap(beside, self.model)
        self.journal.record({"stage": "export", "set": "validation", **shipped})
        return shipped

    def _shipped(self, folder: Path) -> Figures:
        """The figures of what ships: int8 weights, OpenVINO, on validation rows."""
        engine = Embedded(folder)
        vocabulary = engine.vocabulary(engine.tables(self.catalog))
        found = spread(self._sayable(self.data["validation"], FixedSets(), "validation"), self.recipe.generator.decoded)
        return scoring.measure(
            found,
            lambda text: engine.read(text)[0],
            lambda row: engine.start(row.tokens.astype(np.int64), vocabulary),
            vocabulary.tables,
        )

    def _card(self, folder: Path, validation: Mapping[str, Figures]) -> None:
        seconds = {name: found["validation"]["seconds"] for name, found in validation.items() if "seconds" in found.get("validation", {})}
        card = {
            "name": "embedded",
            "nl2dsl": __version__,
            "base": BASE if self.base_digest == minilm.SHA256 else self.base.name,
            "base_sha256": self.base_digest,
            "catalog": self.catalog.digest,
            "held_out_connectors": list(self.held_out),
            "residual_share": RESIDUAL_SHARE,
            "novelty": NOVELTY,
            "rerank": asdict(RERANK),
            "start": self.start_digests,
            "corpus": self.digests,
            "recipe": {name: value for name, value in asdict(self.recipe).items() if name not in HERE},
            "seconds": {name: round(value) for name, value in seconds.items()},
            "validation": _rounded(validation),
            "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
            "files": {path.name: digest_of(path) for path in sorted(folder.iterdir()) if path.name != "card.json"},
        }
        write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")


def stacked(readings: Sequence[Tensor]) -> Tensor:
    """Readings (1 + w, 384) of several requests as one tensor; where one has fewer spans, its sentence stands again, which changes no score."""
    longest = minilm.rung(max(len(one) for one in readings))
    made = torch.empty(len(readings), longest, readings[0].shape[1])
    for row, one in zip(made, readings, strict=True):
        row[: len(one)], row[len(one) :] = one, one[0]
    return made


def spread(found: Sequence[Spread], n: int) -> Sequence[Spread]:
    """At most n rows, evenly from all of them: files are sorted by topic."""
    return found if len(found) <= n else [found[i * len(found) // n] for i in range(n)]


def _swap(fresh: Path, place: Path) -> None:
    """Puts a folder in the place of another; at no time is there half a model."""
    old = place.with_name(f"{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.replace(old)
    fresh.replace(place)
    shutil.rmtree(old, ignore_errors=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


__all__ = ["GeneratorRecipe", "RetrieverRecipe", "TrainRecipe", "train_recipe"]
