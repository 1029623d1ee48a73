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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nl2dsl.decoding.search import Constrain
from nl2dsl.errors import CorpusError, EngineError, UsageError
from nl2dsl.evaluation.cases import Case
from nl2dsl.files import digest_of, read_rows

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.engines import Engine
    from nl2dsl.evaluation.baselines import Examples
    from nl2dsl.outcome import Outcome

Row = dict[str, Any]
Answer = Callable[[Case, int, int | None], Row]  # case, number of the try, bound of tokens
BASELINES = ("embedded", "embedded-no-retrieval", "nearest", "rag")


@dataclass(frozen=True, slots=True)
class Writer:
    """`digest` names what answers as exactly as can be known; `unseen` are the connectors it was not trained on; `varies` says that two tries may differ."""

    name: str
    digest: str
    catalog: Catalog
    answer: Answer
    unseen: tuple[str, ...] = ()
    varies: bool = False


@dataclass(frozen=True)
class Choice:
    """What a recipe says of the writer; the fields are explained in `run.EvaluateRecipe`."""

    writer: str
    engine: str
    model: Path | None
    catalog: Catalog
    constrain: Constrain | Literal[""]
    shots: int
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

    def of(engine: Engine) -> Callable[..., Outcome]:
        return Rag(engine, examples, catalog=c.catalog, constrain=c.constrain or "none", shots=c.shots).generate

    return _hosted(c, c.engine, of, f"+{examples.digest}+{examples.retriever.digest}")


def _text(c: Choice) -> Writer:
    from nl2dsl.textual import TextGenerator

    def of(engine: Engine) -> Callable[..., Outcome]:
        return TextGenerator(engine, catalog=c.catalog, constrain=c.constrain or "typed", shots=c.shots).generate

    return _hosted(c, c.writer, of)


def _hosted(c: Choice, words: str, of: Callable[[Engine], Callable[..., Outcome]], more: str = "") -> Writer:
    """A text engine; with a temperature each try asks with a seed of its own."""
    from nl2dsl import prompts
    from nl2dsl.engines import open_engine

    engine = open_engine(words)
    made: dict[int, Callable[..., Outcome]] = {}

    def answer(case: Case, repeat: int, limit: int | None) -> Row:
        if repeat not in made:
            made[repeat] = of(_seeded(engine, c.temperature, c.seed + repeat))
        return _asked(made[repeat])(case, repeat, limit)

    name = c.writer if c.writer != "rag" else f"rag {words}"
    return Writer(name, f"{engine.name}+{prompts.digest()}{more}", c.catalog, answer, varies=c.temperature > 0)


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
