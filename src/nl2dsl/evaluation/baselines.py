"""What a model has to beat: the flow of the nearest example, a prompted model with retrieved examples, and the embedded model without its retriever.

In: a corpus of examples, the embedded model for its retriever, a catalog. Out: things with `generate(query)`, as `generate.Generator` has it. Examples are those of the corpus'
training side only; their embeddings are kept beside nothing but the digest of what they were made from, so a second run starts at once.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.decoding.search import Constrain
from nl2dsl.decoding.tables import Floats
from nl2dsl.dsl import checker, definition, tree
from nl2dsl.dsl.diagnostics import errors
from nl2dsl.dsl.text import parse
from nl2dsl.engines import Engine
from nl2dsl.engines.embedded import Embedded, EmbeddedScorer
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example, read
from nl2dsl.generate import Clock, Generator, cleaned, problem
from nl2dsl.outcome import Authored, Facts, Failed, Outcome
from nl2dsl.prompts import Shot
from nl2dsl.textual import TextGenerator

Pool = Literal["all", "written"]
_OFFERED = 20  # function definitions in a prompt, besides those of its examples


class Examples:
    """The training side of a corpus, found by meaning.

    `pool` is all of it or only what people wrote (`written`: without the sampled rows). Raises `CorpusError` when the corpus is not there or has no such rows.
    """

    def __init__(self, corpus: Path, retriever: Embedded, pool: Pool = "all", cache: Path | None = None) -> None:
        path = corpus / "train.jsonl"
        self.rows: list[Example] = [e for e in read(path) if e.split == "train" and (pool == "all" or e.source not in ("sampled", "variant"))]
        if not self.rows:
            raise CorpusError(f"{path}: no examples to learn from", hint="build the corpus: nl2dsl corpus recipes/corpus/default.toml")
        self.retriever = retriever
        self.digest = hashlib.sha256("\n".join(e.id + e.query + e.dsl for e in self.rows).encode()).hexdigest()
        self._vectors = self._embedded(cache)

    def _embedded(self, cache: Path | None) -> Floats:
        """Embeddings (n, 384) of the examples' requests."""
        kept = cache / f"examples-{self.digest[:16]}-{self.retriever.digest[:16]}.npy" if cache else None
        if kept and kept.exists():
            return np.load(kept).astype(np.float32)  # type: ignore[no-any-return]
        made = self.retriever.embed([e.query for e in self.rows])
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            beside = kept.with_name(kept.name + ".new")
            with beside.open("wb") as stream:
                np.save(stream, made.astype(np.float16))
            beside.replace(kept)
        return made

    def nearest(self, query: str, n: int) -> list[tuple[Example, float]]:
        """The `n` examples whose requests are nearest, best first, each flow once, with their similarity."""
        return self._best(self.retriever.embed([query])[0], n)

    def beside(self, place: int, n: int) -> list[Example]:
        """The `n` others nearest to one of `rows`, best first, none with its request or flow."""
        own = self.rows[place]
        return [e for e, _ in self._best(self._vectors[place], n + 3) if e.query != own.query and e.dsl != own.dsl][:n]

    def _best(self, vector: Floats, n: int) -> list[tuple[Example, float]]:
        scores = self._vectors @ vector
        found: dict[str, tuple[Example, float]] = {}
        for i in np.argsort(-scores, kind="stable"):
            found.setdefault(self.rows[i].dsl, (self.rows[i], float(scores[i])))
            if len(found) == n:
                break
        return list(found.values())


class Nearest:
    """No model at all: the flow of the nearest training example, as it stands."""

    def __init__(self, examples: Examples, catalog: Catalog) -> None:
        self.examples, self.catalog = examples, catalog

    def generate(self, query: str, *, max_tokens: int = 0) -> Outcome:
        """The outcome for one request; there is nothing that `max_tokens` could bound."""
        clock = Clock()
        wrong = problem(query)
        if wrong:
            return Failed(self._facts(query, clock), (wrong,))
        with clock.stage("retrieve"):
            (example, similarity), *_ = self.examples.nearest(cleaned(query), 1)
        with clock.stage("check"):
            flow, found = parse(example.dsl)
            found = found if flow is None else checker.check(flow, self.catalog)
        if flow is None or errors(found):
            return Failed(self._facts(query, clock), tuple(found), example.dsl)
        with clock.stage("compile"):
            workflow = definition.compile(flow, self.catalog)
        missing, operations = tuple(checker.missing(flow, self.catalog)), tuple(tree.operations(flow))
        return Authored(self._facts(query, clock), example.dsl, flow, workflow, operations, missing, tuple(found), max(0.0, similarity))

    def _facts(self, query: str, clock: Clock) -> Facts:
        tokens = {"prompt": 0, "completion": 0, "forced": 0}
        return Facts(query, clock.stop(), tokens, f"nearest:{self.examples.digest[:12]}", self.catalog.digest)


class Rag(TextGenerator):
    """Any text model with the nearest examples and the definitions of the operations that look right (the paper's strongest prompted system)."""

    def __init__(
        self,
        engine: str | Engine,
        examples: Examples,
        *,
        catalog: Catalog | None = None,
        constrain: Constrain = "none",
        shots: int = 5,
        most: int = 0,
    ) -> None:
        super().__init__(engine, catalog=catalog, constrain=constrain, shots=shots, most=most)
        self.nearby = examples
        self._operations = [o for o in self.catalog if not o.internal]
        self._vectors = self.nearby.retriever.tables(self.catalog).operations[[i for i, o in enumerate(self.catalog) if not o.internal]]

    def examples(self, query: str) -> list[Shot]:
        """The nearest last, where models look first."""
        return [Shot(e.query, e.dsl) for e, _ in reversed(self.nearby.nearest(query, self.shots))] if self.shots else []

    def offered(self, query: str) -> list[Operation]:
        """What the retriever finds, what the words find, and what the examples call; in a fixed order. With a bound, what the words find: then prompts with
        more or fewer shots differ in the shots alone."""
        if self.most:
            return super().offered(query)
        scores = self._vectors @ self.nearby.retriever.embed([query])[0]
        ids = {self._operations[i].id for i in np.argsort(-scores, kind="stable")[:_OFFERED]}
        ids |= {o for e, _ in self.nearby.nearest(query, self.shots) for o in e.operations} if self.shots else set()
        return [self.catalog.operations[i] for i in sorted(ids | {o.id for o in super().offered(query)}) if i in self.catalog]


class WithoutRetrieval(Generator):
    """The embedded model as if it had no retriever: no candidates before the flow, and no score of theirs where an operation is chosen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        start = self.engine.start

        def blind(*given: Any, **named: Any) -> EmbeddedScorer:
            return _without_candidates(start(*given, **named))

        self.engine.start = blind  # type: ignore[method-assign]


def _without_candidates(scorer: EmbeddedScorer) -> EmbeddedScorer:
    """The same scorer with a prefix of the request's words alone."""
    scorer.scores = np.zeros_like(scorer.scores)
    scorer.candidates = scorer.candidates[:0]
    words, _, begin = scorer._waiting
    scorer._waiting = [words, begin]
    return scorer
