"""Who writes the flows that are measured: a model, a host, recorded answers or a baseline.

In: the words of a recipe. Out: a `Writer`: its name, its digest, its catalog, and one function from a case to a row of answers (as `outcome.row` has it).

    embedded                  the model in process (`model` is its folder)
    embedded-no-retrieval     the same without candidates
    nearest                   the flow of the nearest training example
    rag                       `engine` prompted with the nearest examples and the definitions of operations
    openai:URL#MODEL ...      a text engine with the plain prompt
    answers:FILE              rows that `nl2dsl generate --output` wrote, found by `id`, else by `query`
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from nl2dsl.decoding.search import Constrain
from nl2dsl.errors import CorpusError, EngineError, UsageError
from nl2dsl.evaluation.cases import Case
from nl2dsl.files import digest_of, read_rows

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.engines import Completion, Engine
    from nl2dsl.evaluation.baselines import Examples
    from nl2dsl.outcome import Outcome
    from nl2dsl.prompts import Prompt
    from nl2dsl.textual import TextGenerator

Row = dict[str, Any]
Answer = Callable[[Case, int, int | None], Row]  # case, number of the try, bound of tokens
Prepare = Callable[[Sequence[tuple[Case, int, int | None]]], None]
BASELINES = ("embedded", "embedded-no-retrieval", "nearest", "rag")


@dataclass(frozen=True, slots=True)
class Writer:
    """`digest` names what answers as exactly as can be known; `unseen` are the connectors it was not trained on; `varies` says that two tries may differ.

    `prepare` has the next answers made side by side, where an engine can.
    """

    name: str
    digest: str
    catalog: Catalog
    answer: Answer
    unseen: tuple[str, ...] = ()
    varies: bool = False
    prepare: Prepare | None = None


@dataclass(frozen=True)
class Choice:
    """What a recipe says of the writer; the fields are explained in `run.EvaluateRecipe`."""

    writer: str
    engine: str
    model: Path | None
    catalog: Catalog
    constrain: Constrain | Literal[""]
    shots: int
    offered: int
    corpus: Path
    pool: Literal["all", "written"]
    cache: Path
    temperature: float
    seed: int


def open_writer(c: Choice) -> Writer:
    """The writer a recipe names. Raises `UsageError`, `ModelError`, `EngineError` or `CorpusError` when it cannot write."""
    match c.writer.partition(":"):
        case ("embedded" | "embedded-no-retrieval", "", _):
            return _embedded(c)
        case ("nearest", "", _):
            return _nearest(c)
        case ("rag", "", _):
            return _rag(c)
        case ("answers", ":", path) if path:
            return _recorded(path, c.catalog)
        case (_, ":", _):
            return _text(c)
    raise UsageError(f"unknown writer `{c.writer}`", hint=f"writers: {', '.join(BASELINES)}, openai:URL#MODEL, replay:FILE, answers:FILE")


def _embedded(c: Choice) -> Writer:
    from nl2dsl.evaluation.baselines import WithoutRetrieval
    from nl2dsl.generate import Generator

    kind = Generator if c.writer == "embedded" else WithoutRetrieval
    generator = kind(catalog=c.catalog, constrain=c.constrain or "typed", model=c.model)
    unseen = tuple(generator.engine.card.get("held_out_connectors", ()))
    return Writer(c.writer, generator.engine.digest, generator.catalog, _asked(generator.generate), unseen)


def _examples(c: Choice) -> Examples:
    from nl2dsl.engines.embedded import SHIPPED, Embedded
    from nl2dsl.evaluation.baselines import Examples

    return Examples(c.corpus, Embedded(c.model or SHIPPED), c.pool, c.cache)


def _nearest(c: Choice) -> Writer:
    from nl2dsl.evaluation.baselines import Nearest

    examples = _examples(c)
    digest = f"{examples.digest}+{examples.retriever.digest}"
    return Writer("nearest", digest, c.catalog, _asked(Nearest(examples, c.catalog).generate))


def _rag(c: Choice) -> Writer:
    from nl2dsl.evaluation.baselines import Rag

    if not c.engine:
        raise UsageError("writer `rag` prompts a text model: which one?", hint="engine=openai:http://localhost:8000/v1#MODEL")
    examples = _examples(c)

    def of(engine: Engine) -> TextGenerator:
        return Rag(engine, examples, catalog=c.catalog, constrain=c.constrain or "none", shots=c.shots, most=c.offered)

    return _hosted(c, c.engine, of, f"+{examples.digest}+{examples.retriever.digest}")


def _text(c: Choice) -> Writer:
    from nl2dsl.textual import TextGenerator

    def of(engine: Engine) -> TextGenerator:
        return TextGenerator(engine, catalog=c.catalog, constrain=c.constrain or "typed", shots=c.shots, most=c.offered)

    return _hosted(c, c.writer, of)


def _hosted(c: Choice, words: str, of: Callable[[Engine], TextGenerator], more: str = "") -> Writer:
    """A text engine; with a temperature each try asks with a seed of its own."""
    from nl2dsl import prompts
    from nl2dsl.engines import open_engine

    opened = open_engine(words)
    ahead = Ahead(opened) if isinstance(opened, SideBySide) else None
    engine: Engine = ahead or opened
    made: dict[int, TextGenerator] = {}

    def of_try(repeat: int) -> TextGenerator:
        if repeat not in made:
            made[repeat] = of(_seeded(engine, c.temperature, c.seed + repeat))
        return made[repeat]

    def answer(case: Case, repeat: int, limit: int | None) -> Row:
        found = _asked(of_try(repeat).generate)(case, repeat, limit)
        return ahead.timed(found) if ahead else found

    def prepare(cases: Sequence[tuple[Case, int, int | None]]) -> None:
        assert ahead is not None
        ahead.ask([(of_try(repeat).prompt(case.query), limit) for case, repeat, limit in cases if case.query.strip()])

    name = c.writer if c.writer != "rag" else f"rag {words}"
    digest = f"{opened.name}+{prompts.digest()}{more}"
    return Writer(name, digest, c.catalog, answer, varies=c.temperature > 0, prepare=prepare if ahead else None)


@runtime_checkable
class SideBySide(Protocol):
    """An engine that answers several prompts in one go."""

    @property
    def name(self) -> str: ...

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion: ...

    def complete_all(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[Completion]: ...


class Ahead:
    """An engine whose next answers are made side by side before they are asked for, one by one.

    An answer's seconds are those of its batch: so long waits who asks in it.
    """

    def __init__(self, engine: SideBySide) -> None:
        self.engine = engine
        self._made: dict[tuple[str, int], Completion] = {}
        self._waited = 0.0

    @property
    def name(self) -> str:
        return self.engine.name

    def ask(self, asked: Sequence[tuple[Prompt, int | None]]) -> None:
        """Answers all of them. A batch that cannot be answered is left to `complete`, which then says why of each."""
        from nl2dsl.textual import BUDGET

        self._made.clear()
        for bound in {limit or BUDGET for _, limit in asked}:
            prompts = [prompt for prompt, limit in asked if (limit or BUDGET) == bound]
            try:
                made = self.engine.complete_all(prompts, max_tokens=bound)
            except EngineError:
                continue
            self._made |= {(prompt.digest, bound): done for prompt, done in zip(prompts, made, strict=True)}

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        found = self._made.get((prompt.digest, max_tokens))
        if found is None:
            return self.engine.complete(prompt, max_tokens=max_tokens)
        self._waited += found.seconds
        return found

    def timed(self, row: Row) -> Row:
        """The row with the seconds of the batches its answers came from."""
        waited, self._waited = self._waited, 0.0
        if waited:
            row["seconds"] = {name: round(s + waited, 6) if name in ("decode", "total") else s for name, s in row["seconds"].items()}
        return row


def _seeded(engine: Engine, temperature: float, seed: int) -> Engine:
    from nl2dsl.engines.openai import OpenAI

    if not temperature:
        return engine
    if not isinstance(engine, OpenAI):
        raise UsageError(f"{engine.name} has no temperature", hint="leave `temperature` out")
    return dataclasses.replace(engine, temperature=temperature, seed=seed)


def _asked(generate: Callable[..., Outcome]) -> Answer:
    """Asks for a flow; an engine that does not answer this once is a failure of this row, not the end of the run."""
    from nl2dsl.dsl.diagnostics import Diagnostic
    from nl2dsl.outcome import Facts, Failed, row

    def answer(case: Case, repeat: int, limit: int | None) -> Row:
        try:
            return row(generate(case.query, **({} if limit is None else {"max_tokens": limit})))
        except EngineError as problem:
            return row(Failed(Facts(case.query), (Diagnostic("E001", str(problem), hint=problem.hint),)))

    return answer


def _recorded(path: str, catalog: Catalog) -> Writer:
    """Answers that are there already."""

    rows = [line.row for line in read_rows(path, {"outcome": str})]
    by_id = {str(row["id"]): row for row in rows if row.get("id") is not None}
    by_query = {row["query"]: row for row in rows if isinstance(row.get("query"), str)}

    def answer(case: Case, repeat: int, limit: int | None) -> Row:
        found = by_id.get(case.id) or by_query.get(case.query)
        if found is None:
            raise CorpusError(
                f"{path}: no answer to `{case.id}`: {case.query[:60]}", hint="the file must answer every row; `limit` takes fewer of them"
            )
        return found

    return Writer(f"answers:{path}", digest_of(Path(path)), catalog, answer)
