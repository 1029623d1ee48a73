"""Flows from text models: the same `generate`, with an engine that writes text instead of the embedded one that makes decisions.

In: an engine (`openai:URL#MODEL`, `replay:FILE`, or an `Engine`), a catalog, a query. Out: an `Outcome`. A host does not let us hold its model to the catalog while it writes, so
`constrain` says what is done with an answer that has errors: `typed` shows all of them to the model and asks again, `grammar` only those that keep the text from
being a flow, `none` takes the first answer as it is. An answer that still has errors is a failure; a flow that leaves here is checked like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.catalog.search import search
from nl2dsl.decoding.search import Constrain
from nl2dsl.dsl import checker, definition, tree
from nl2dsl.dsl.diagnostics import Diagnostic, errors, render
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import NOWHERE, Flow
from nl2dsl.engines import Completion, Engine, open_engine
from nl2dsl.generate import Clock, cleaned, problem
from nl2dsl.outcome import Authored, Facts, Failed, Outcome, Refused
from nl2dsl.prompts import Prompt, Shot, read_answer, repair, shots, write_flow
from nl2dsl.refusal import read as read_refusal

BUDGET = 1024
REPAIRS = 2  # times a model is shown its errors
_ALWAYS = ("commonTrigger.Recurrence", "commonTrigger.manual", "builtin.Compose", "builtin.Delay", "builtin.Http", "builtin.Terminate")
_CLAUSE = re.compile(r"[,;.:]\s|\b(?:and|then|if|when|whenever|after|before)\b", re.IGNORECASE)


class TextGenerator:
    """Turns requests into flows by asking a text model. Raises `EngineError` when the engine does not answer."""

    def __init__(
        self, engine: str | Engine, *, catalog: Catalog | None = None, constrain: Constrain = "typed", shots: int = 0, most: int = 0
    ) -> None:
        self.engine: Engine = open_engine(engine) if isinstance(engine, str) else engine
        self.catalog = catalogs.with_platform(catalog) if catalog is not None else catalogs.builtin()
        self.constrain: Constrain = constrain
        self.shots = shots
        self.most = most
        """Operations in a prompt; about 40 when 0."""

    def prompt(self, query: str) -> Prompt:
        """What the model is asked first; the query is not empty."""
        text = cleaned(query)
        return write_flow(text, self.offered(text), self.examples(text))

    def generate(self, query: str, *, max_tokens: int = BUDGET) -> Outcome:
        """The outcome for one request; `max_tokens` bounds each answer."""
        clock, answers = Clock(), list[Completion]()
        wrong = problem(query)
        if wrong:
            return Failed(self._facts(query, clock, answers), (wrong,))
        text = cleaned(query)
        with clock.stage("retrieve"):
            operations, examples = self.offered(text), self.examples(text)
        with clock.stage("prompt"):
            prompt = write_flow(text, operations, examples)
        source, flow, found = self._ask(prompt, clock, answers, max_tokens)
        refusal = read_refusal(source)
        if refusal:
            return Refused(self._facts(query, clock, answers), refusal)
        if flow is None or errors(found):
            return Failed(self._facts(query, clock, answers), tuple(found), source)
        dsl = unparse(flow)
        flow = parse(dsl)[0] or flow  # the places of findings are those in the text that is handed out
        with clock.stage("compile"):
            workflow = definition.compile(flow, self.catalog)
        missing, found = tuple(checker.missing(flow, self.catalog)), checker.check(flow, self.catalog)
        offered, ids = tuple(o.id for o in operations), tuple(tree.operations(flow))
        return Authored(self._facts(query, clock, answers), dsl, flow, workflow, ids, missing, tuple(found), candidates=offered)

    def offered(self, query: str) -> list[Operation]:
        """The operations whose signatures the model is shown."""
        return few(self.catalog, query, self.most) if self.most else candidates(self.catalog, query)

    def examples(self, query: str) -> Sequence[Shot]:
        """The examples the model is shown: the same ones for every query."""
        return shots(self.shots)

    def _ask(self, prompt: Prompt, clock: Clock, answers: list[Completion], max_tokens: int) -> tuple[str, Flow | None, list[Diagnostic]]:
        """The answer, its tree and its findings; asked again while there are errors and tries."""
        for left in range(REPAIRS, -1, -1):
            with clock.stage("decode"):
                answers.append(self.engine.complete(prompt, max_tokens=max_tokens))
            source = read_answer(answers[-1].text)
            with clock.stage("check"):
                flow, found = self._read(source)
            if not left or read_refusal(source) or not self._repairable(flow, found):
                break
            prompt = repair(prompt, source, "\n\n".join(render(d, source) for d in errors(found)[:5]))
        return source, flow, found

    def _read(self, source: str) -> tuple[Flow | None, list[Diagnostic]]:
        if not source:
            return None, [Diagnostic("S108", "the model answered nothing", NOWHERE)]
        flow, found = parse(source)
        return flow, found if flow is None else checker.check(flow, self.catalog)

    def _repairable(self, flow: Flow | None, found: list[Diagnostic]) -> bool:
        return self.constrain != "none" and (flow is None or (self.constrain == "typed" and bool(errors(found))))

    def _facts(self, query: str, clock: Clock, answers: list[Completion]) -> Facts:
        tokens = {"prompt": sum(a.prompt_tokens for a in answers), "completion": sum(a.completion_tokens for a in answers), "forced": 0}
        return Facts(query, clock.stop(), tokens, self.engine.name, self.catalog.digest)


def candidates(catalog: Catalog, query: str, whole: int = 20, clause: int = 8) -> list[Operation]:
    """The operations a query may need, by its words and by those of each of its clauses; a long request is about several things. In a fixed order, so that a host can reuse prefixes."""
    found = {o.id for o in search(catalog, query, whole)}
    for part in _clauses(query):
        found.update(o.id for kind in ("trigger", "action") for o in search(catalog, part, clause, kind))
    always = [id for id in _ALWAYS if id in catalog]
    return [catalog.operations[id] for id in (*always, *sorted(found - set(always)))]


def few(catalog: Catalog, query: str, most: int) -> list[Operation]:
    """At most so many: what the words of the query and of each clause find, the best of each first; in the order of their ids."""
    found = [search(catalog, query, most), *(search(catalog, part, most, kind) for part in _clauses(query) for kind in ("trigger", "action"))]
    best = dict.fromkeys(o.id for same in zip_longest(*found) for o in same if o is not None)
    return [catalog.operations[id] for id in sorted(list(best)[:most])]


def _clauses(query: str) -> Iterable[str]:
    return [part.strip() for part in _CLAUSE.split(query) if len(part.split()) > 1]
