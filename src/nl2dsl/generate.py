"""The heart: a sentence in, a checked and compiled flow out.

In: a query, a catalog, an engine. Out: an `Outcome` with the time of each stage. The order of the stages is the order of the function `Generator.generate`:

    retrieve ─ refuse ─ prompt ─ decode (typed) ─ complete ─ check ─ compile
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.decoding.search import Constrain, search
from nl2dsl.dsl import checker, definition, tree, wiring
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.sketch import Sketch
from nl2dsl.dsl.text import unparse
from nl2dsl.dsl.tree import NOWHERE
from nl2dsl.errors import UsageError
from nl2dsl.outcome import Authored, Facts, Failed, Outcome, Refused

if TYPE_CHECKING:
    from nl2dsl.engines.embedded import Embedded, Vocabulary

MAX_CHARACTERS = 4000
BUDGET = 256
UNSURE = 0.35  # confidence below which a person is told to look twice


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def stop(self) -> dict[str, float]:
        return {**{k: round(v, 6) for k, v in self.seconds.items()}, "total": round(time.perf_counter() - self.began, 6)}


def problem(query: str) -> Diagnostic | None:
    """What is wrong with a query, if anything: one diagnostic."""
    if not query.strip():
        return Diagnostic(
            "Q001", "the request is empty", NOWHERE, hint="say what should happen, for instance: When a form is filled in, mail me the answers"
        )
    if len(query) > MAX_CHARACTERS:
        return Diagnostic(
            "Q002",
            f"the request has {len(query):,} characters, more than {MAX_CHARACTERS:,}",
            NOWHERE,
            hint="describe the flow in a few sentences; data belongs into the flow's inputs",
        )
    if not any(unicodedata.category(c).startswith("L") for c in query):
        return Diagnostic(
            "Q003", "the request has no words", NOWHERE, hint="write it as a sentence, for instance: every Monday post the open tickets to Teams"
        )
    return None


def cleaned(query: str) -> str:
    """The query without control characters and runs of white space; what is said stays as typed."""
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in query if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn")
    )
    return " ".join(kept.split())


class Generator:
    """Turns requests into flows. Loads the model once; `generate` may be called any number of times (from one thread at a time).

    `catalog` is the built-in one unless given; the platform's own triggers and actions are always added. `engine` is `embedded`.
    Raises `ModelError` or `EngineError` when the model cannot be loaded, `UsageError` for an unknown engine.
    """

    def __init__(
        self, *, catalog: Catalog | None = None, engine: str = "embedded", constrain: Constrain = "typed", shots: int = 0, model: Path | None = None
    ) -> None:
        if engine != "embedded":
            raise UsageError(f"unknown engine `{engine}`", hint="engines: embedded")
        from nl2dsl.engines.embedded import SHIPPED, Embedded

        self.catalog = catalogs.with_platform(catalog) if catalog is not None else catalogs.builtin()
        self.constrain: Constrain = constrain
        self.engine: Embedded = Embedded(model or SHIPPED)
        self.vocabulary: Vocabulary = self.engine.vocabulary(self.engine.tables(self.catalog))

    def generate(self, query: str, *, max_tokens: int = BUDGET) -> Outcome:
        """The outcome for one request; `max_tokens` bounds the decisions of the model, and the flow is whole all the same."""
        clock = Clock()
        wrong = problem(query)
        if wrong:
            return Failed(self._facts(query, clock, {}), (wrong,))
        text = cleaned(query)
        with clock.stage("retrieve"):
            read, ids = self.engine.read(text)
            retrieved = self.engine.retrieve(ids)
        refusal = self.engine.guard.refusal(retrieved.reading) if self.engine.guard else None
        if refusal:
            return Refused(self._facts(query, clock, {"prompt": len(ids), "completion": 0, "forced": 0}), refusal)
        with clock.stage("prompt"):
            scorer = self.engine.start(ids, self.vocabulary, retrieved)
        with clock.stage("decode"):
            from nl2dsl.decoding.actions import NotSayable, decode
            from nl2dsl.decoding.automaton import Automaton
            from nl2dsl.dsl.sketch import once

            tables = self.vocabulary.tables
            found = search(scorer, Automaton(tables.list, read), tables, budget=max_tokens, constrain=self.constrain)
        tokens = {"prompt": len(ids) + len(scorer.candidates) + 1, "completion": len(found.decisions), "forced": found.forced}
        try:
            if not found.complete:
                raise NotSayable("the decisions end before the flow does")
            sketch = once(decode(found.decisions, read, tables.list))
        except (NotSayable, ValueError, IndexError) as problem_found:
            why = Diagnostic("S100", f"the model's answer is no flow: {problem_found}", NOWHERE, hint="use `constrain = typed`")
            return Failed(self._facts(query, clock, tokens), (why,))
        return self._finish(query, text, sketch, clock, tokens, found.confidence, tuple(tables.list[i].id for i in scorer.candidates))

    def _finish(
        self, query: str, text: str, sketch: Sketch, clock: Clock, tokens: dict[str, int], confidence: float, candidates: tuple[str, ...]
    ) -> Outcome:
        with clock.stage("check"):
            flow = wiring.complete(sketch, self.catalog, text)
            diagnostics = tuple(checker.check(flow, self.catalog))
            dsl = unparse(flow)
        if any(d.severity == "error" for d in diagnostics):
            return Failed(self._facts(query, clock, tokens), diagnostics, dsl)
        with clock.stage("compile"):
            workflow: dict[str, Any] = definition.compile(flow, self.catalog)
        missing = tuple(checker.missing(flow, self.catalog))
        if confidence < UNSURE:
            hint = "say it more plainly: when something happens, do this; requests in English are understood best"
            unsure = Diagnostic("Q004", f"the model is not sure that this is what was asked (confidence {confidence:.0%})", NOWHERE, "warning", hint)
            diagnostics = (unsure, *diagnostics)
        return Authored(
            self._facts(query, clock, tokens), dsl, flow, workflow, tuple(tree.operations(flow)), missing, diagnostics, confidence, candidates
        )

    def _facts(self, query: str, clock: Clock, tokens: dict[str, int]) -> Facts:
        return Facts(query, clock.stop(), tokens, self.engine.digest, self.catalog.digest)
