"""The parity gate: one model gives the same answers wherever it is served from.

In: model folders, fixed prompts, tolerances. Out: `Check`s. For a fine-tuned text model: the adapter beside its base = merged into it = the folder of merged weights = the same in a
batch = an OpenAI-compatible server, by greedy texts. For the embedded model: PyTorch = the exported int8 graphs, by decisions; and the graphs alone = in a batch.

Arithmetic in another order turns near ties, so texts may differ where the reference itself hardly knew: a difference counts as a tie when the reference gives the two tokens (or decisions) at
the first differing place log-probabilities at most `gap` apart. A check passes when every difference is a tie and at least a share `equal` of the prompts has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from nl2dsl.catalog import read as catalogs
from nl2dsl.errors import ModelError, UsageError
from nl2dsl.files import read_rows

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.decoding.actions import Decision
    from nl2dsl.decoding.search import Scorer
    from nl2dsl.decoding.tables import Floats, Tables
    from nl2dsl.engines.embedded import Embedded, Vocabulary
    from nl2dsl.engines.hf import HF, Text
    from nl2dsl.prompts import Prompt

PROMPTS = "data/evaluate/parity.jsonl"
BATCH = 8  # prompts of a batch


@dataclass(frozen=True)
class Tolerance:
    gap: float = 0.05
    """Most that the log-probabilities of both choices may differ for the reference, in nats, for a difference to be a tie."""
    equal: float = 0.9
    """Least share of prompts whose answers are the same to the last sign."""

    def __post_init__(self) -> None:
        if self.gap < 0 or not 0 <= self.equal <= 1:
            raise ValueError("`gap` is not below 0, `equal` is a share")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two answers to one prompt part: token or decision `place` (from 0), what stands there, and how much more the reference likes its own choice (nats)."""

    prompt: int
    query: str
    place: int
    wanted: str
    made: str
    gap: float


@dataclass
class Check:
    """One comparison over n prompts. `figures` are measured, not judged; `skipped` says why nothing was compared."""

    name: str
    tolerance: Tolerance
    n: int = 0
    differences: list[Difference] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    skipped: str = ""

    @property
    def equal(self) -> int:
        return self.n - len(self.differences)

    @property
    def beyond(self) -> list[Difference]:
        """Differences that are no ties."""
        return [d for d in self.differences if not d.gap <= self.tolerance.gap]

    @property
    def passed(self) -> bool:
        return bool(self.skipped) or (self.n > 0 and not self.beyond and self.equal >= self.tolerance.equal * self.n)

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "equal": self.equal, "passed": self.passed}


def parity(
    model: Path,
    prompts: Path,
    *,
    server: str = "",
    weights: Path | None = None,
    limit: int = 0,
    max_tokens: int = 64,
    tolerance: Tolerance | None = None,
) -> list[Check]:
    """All checks of one model folder. `server` is an engine such as `openai:http://localhost:8000/v1#model`; `weights` the folder an embedded model was exported from."""
    queries = [line.row["query"] for line in read_rows(prompts, {"query": str})][: limit or None]
    if not queries:
        raise UsageError(f"{prompts}: no prompts in it", hint=f"JSON lines with `query`, such as {PROMPTS}")
    told = tolerance or Tolerance()
    if (model / "decoder.xml").exists():
        if server:
            raise UsageError(f"{model} is the embedded model, which no server serves", hint="leave --server away")
        return embedded_checks(model, queries, told, weights)
    return text_checks(model, queries, told, server, max_tokens)


# --- text models ---------------------------------------------------------------------------------------------------------------


def text_checks(folder: Path, queries: Sequence[str], told: Tolerance, server: str, max_tokens: int) -> list[Check]:
    """The adapter in transformers is the reference; of a model without one, its weights are."""
    from nl2dsl.engines.hf import HF

    whole = HF(folder, merged=False)
    adapter = whole.card["method"] != "full"
    asked = _prompts(whole, queries)
    reference = whole.loaded
    wanted = [reference.complete(p, max_tokens=max_tokens).text for p in asked]

    def against(name: str, texts: Iterable[str], other: Text | None = None) -> Check:
        check = Check(name, told, len(asked))
        for number, (prompt, text, made) in enumerate(zip(asked, wanted, texts, strict=True)):
            if made != text:
                check.differences.append(_parted(reference, number, prompt, text, made))
        if other is not None:
            check.figures |= _shifts(reference, other, asked, wanted)
        return check

    checks = []
    if adapter:
        merged = HF(folder).loaded
        checks.append(against("adapter = merged in memory", (merged.complete(p, max_tokens=max_tokens).text for p in asked), merged))
        place = folder / "merged"
        if (place / "card.json").exists():
            kept = HF(place).loaded
            checks.append(against("adapter = merged folder", (kept.complete(p, max_tokens=max_tokens).text for p in asked), kept))
        else:
            checks.append(Check("adapter = merged folder", told, skipped=f"there is no {place}; train with merge=true"))
    checks.append(against("alone = in a batch", _batched(reference, asked, max_tokens)))
    name = f"{'adapter' if adapter else 'weights'} = server"
    checks.append(against(name, _served(server, asked, max_tokens)) if server else Check(name, told, skipped="no --server was given"))
    for check in checks:
        check.figures["different answers"] = len(set(wanted))
    return checks


def _prompts(engine: HF, queries: Sequence[str]) -> list[Prompt]:
    """What serving would ask. Operations are those of the built-in catalog, whatever the training had: any prompt will do that is the same for all."""
    from nl2dsl.textual import TextGenerator

    asker = TextGenerator(engine, constrain="none", most=int(engine.card.get("recipe", {}).get("offered", 0)))
    return [asker.prompt(query) for query in queries]


def _batched(model: Text, asked: Sequence[Prompt], max_tokens: int) -> list[str]:
    return [c.text for at in range(0, len(asked), BATCH) for c in model.complete_all(asked[at : at + BATCH], max_tokens=max_tokens)]


def _served(server: str, asked: Sequence[Prompt], max_tokens: int) -> list[str]:
    from nl2dsl.engines import open_engine

    engine = open_engine(server)
    return [engine.complete(prompt, max_tokens=max_tokens).text for prompt in asked]


def _parted(model: Text, number: int, prompt: Prompt, wanted: str, made: str) -> Difference:
    """Both texts as tokens of the reference, with the end token behind each."""
    tokens = [[*model.tokenizer(text, add_special_tokens=False)["input_ids"], model.tokenizer.eos_token_id] for text in (wanted, made)]
    place = next((i for i, (a, b) in enumerate(zip(*tokens, strict=False)) if a != b), min(map(len, tokens)) - 1)
    a, b = (one[place] for one in tokens)
    scores = _logs(model, prompt, tokens[0][:place])[-1]
    first, second = (str(model.tokenizer.decode([t])) for t in (a, b))
    return Difference(number, prompt.query, place, first, second, float(scores[a] - scores[b]))


def _logs(model: Text, prompt: Prompt, answer: Sequence[int]) -> Any:
    """Log-probabilities behind the prompt and behind each token of the answer, (1 + len(answer), vocabulary)."""
    import torch

    asked = model.ids(prompt)
    ids = torch.tensor([[*asked, *answer]], device=model.model.device)
    with torch.inference_mode():
        return model.model(input_ids=ids).logits[0, len(asked) - 1 :].float().log_softmax(-1)


def _shifts(first: Text, second: Text, asked: Sequence[Prompt], texts: Sequence[str]) -> dict[str, float]:
    """How far the log-probabilities of the reference's own tokens lie apart."""
    found = [0.0]
    for prompt, text in zip(asked, texts, strict=True):
        ids = first.tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids:
            a, b = (_logs(model, prompt, ids[:-1]) for model in (first, second))
            found += [float((a[i, t] - b[i, t]).abs()) for i, t in enumerate(ids)]
    return {"largest |Δ logprob|": max(found), "mean |Δ logprob|": sum(found) / max(1, len(found) - 1)}


class _Absent(Exception):
    """What a check needs is not installed; it is skipped then."""


# --- the embedded model --------------------------------------------------------------------------------------------------------


def embedded_checks(
    folder: Path, queries: Sequence[str], told: Tolerance, weights: Path | None = None, catalog: Catalog | None = None, base: Path | None = None
) -> list[Check]:
    """`weights` is what a training left (`retriever/`, `encoder.pt`, `writer.pt`); without it the int8 weights of the folder are unpacked, and the check is of graphs alone.
    `base` is the sentence encoder, whose word table the weights do not have."""
    from nl2dsl.engines.embedded import Embedded

    catalog = catalogs.builtin() if catalog is None else catalog
    engine = Embedded(folder)
    vocabulary = engine.vocabulary(engine.tables(catalog))
    alone = [_flow(engine, vocabulary, q) for q in queries]
    checks = [_torch_check(engine, vocabulary, queries, alone, told, weights, base)]
    checks.append(_batch_check(engine, vocabulary, queries, alone, told))
    return checks


@dataclass
class Trail:
    """A flow being decided: the decisions, and for each that was asked the log-probabilities of those offered and which was taken."""

    decisions: list[Decision] = field(default_factory=list)
    asked: list[tuple[Floats, int]] = field(default_factory=list)

    def choose(self, scores: Floats) -> int:
        top = scores.max()
        self.asked.append((scores - top - np.log(np.exp(scores - top).sum()), int(scores.argmax())))
        return self.asked[-1][1]


def _searched(scorer: Scorer, text: str, engine: Embedded, tables: Tables) -> Trail:
    from nl2dsl.decoding.automaton import Automaton
    from nl2dsl.decoding.search import search

    trail = Trail()
    trail.decisions = search(scorer, Automaton(tables.list, engine.read(text)[0]), tables, choose=trail.choose).decisions
    return trail


def _flow(engine: Embedded, vocabulary: Vocabulary, text: str) -> Trail:
    return _searched(engine.start(engine.read(text)[1], vocabulary), text, engine, vocabulary.tables)


def _compared(name: str, told: Tolerance, queries: Sequence[str], wanted: Sequence[Trail], made: Sequence[Trail]) -> Check:
    """Flows by their decisions; scores where both had decided alike before."""
    check, shifts, alike, asked = Check(name, told, len(queries)), [0.0], 0, 0
    for number, (query, a, b) in enumerate(zip(queries, wanted, made, strict=True)):
        for place, ((first, taken), (second, other)) in enumerate(zip(a.asked, b.asked, strict=False)):
            shifts.append(float(np.abs(np.exp(first) - np.exp(second)).max()))
            asked += 1
            if taken != other:
                check.differences.append(Difference(number, query, place, f"option {taken}", f"option {other}", float(first[taken] - first[other])))
                break
            alike += 1
        else:
            if a.decisions != b.decisions:  # cannot be while every choice is the same; would be no tie
                check.differences.append(Difference(number, query, len(a.asked), "", "", float("inf")))
    check.figures = {
        "decisions alike": alike / max(1, asked),
        "decisions": asked,
        "largest |Δ probability|": max(shifts),
        "mean of the largest": sum(shifts) / max(1, len(shifts) - 1),
    }
    return check


def _torch_check(
    engine: Embedded, vocabulary: Vocabulary, queries: Sequence[str], made: Sequence[Trail], told: Tolerance, weights: Path | None, base: Path | None
) -> Check:
    from nl2dsl.training import scoring

    name = "PyTorch = exported int8 graphs" + ("" if weights else " (weights unpacked from int8)")
    with TemporaryDirectory() as place:
        try:
            model, retriever, banks = _unpacked(engine, vocabulary.tables, weights, Path(place), base)
        except _Absent as problem:
            return Check(name, told, skipped=str(problem))
        card = engine.card
        served = scoring.serving(
            model.writer, vocabulary.tables, card.get("held_out_connectors", ()), card.get("residual_share", 1.0), card.get("novelty", 0.0)
        )
        wanted = []
        for query in queries:
            ids = engine.read(query)[1]
            scorer = scoring.ModelScorer(model, ids.astype(np.int32), retriever(ids), banks, served)
            wanted.append(_searched(scorer, query, engine, vocabulary.tables))
    return _compared(name, told, queries, wanted, made)


def _unpacked(engine: Embedded, tables: Tables, weights: Path | None, place: Path, base: Path | None) -> tuple[Any, Callable[[Any], Any], Any]:
    """The model in PyTorch, what reads a request's token ids for retrieval, and the tables."""
    try:
        import torch

        from nl2dsl.training import minilm, shipped
        from nl2dsl.training.generator import Banks, Model
        from nl2dsl.training.network import Size
    except ImportError as problem:
        raise _Absent(f"{problem.name} is not installed: pip install 'nl2dsl[train]'") from problem
    if weights is None:
        weights = place
        try:
            base = base or minilm.folder()
        except ModelError as problem:
            raise _Absent(str(problem)) from problem
        with redirect_stdout(StringIO()):
            shipped.unpack(engine.folder, weights, base)
    banks = Banks.of(tables)
    retriever = minilm.encoder(weights / "retriever").eval()
    model = Model(minilm.encoder(weights / "retriever"), Size(**engine.card["recipe"]["decoder"]), banks)
    try:
        model.encoder.load_state_dict(torch.load(weights / "encoder.pt", weights_only=True))
        model.writer.load_state_dict(torch.load(weights / "writer.pt", weights_only=True))
    except (OSError, RuntimeError) as problem:
        raise ModelError(f"{weights} does not fit {engine.folder}: {str(problem).splitlines()[0]}") from problem
    model.eval()

    def read(ids: Any) -> Any:
        rows = torch.from_numpy(ids)[None]
        with torch.inference_mode():
            return minilm.spans(retriever(input_ids=rows, attention_mask=torch.ones_like(rows)).last_hidden_state, torch.ones_like(rows))[0]

    return model, read, banks


def _batch_check(engine: Embedded, vocabulary: Vocabulary, queries: Sequence[str], wanted: Sequence[Trail], told: Tolerance) -> Check:
    """The request's states from a padded batch, decided on as ever."""
    from nl2dsl.engines.embedded import Retrieved
    from nl2dsl.retrieval import spans

    made, apart = [], 0.0
    for at in range(0, len(queries), BATCH):
        some = queries[at : at + BATCH]
        ids = [engine.read(q)[1] for q in some]
        rows, mask = np.zeros((len(some), max(map(len, ids))), dtype=np.int64), np.zeros((len(some), max(map(len, ids))), dtype=np.float32)
        for row, one in enumerate(ids):
            rows[row, : len(one)], mask[row, : len(one)] = one, 1
        states, read = engine._encode("encoder", rows, mask), engine._encode("retriever", rows, mask)
        for row, (query, one) in enumerate(zip(some, ids, strict=True)):
            retrieved = Retrieved(read[row, : len(one)], spans.reading(read[row, : len(one)]))
            hidden = np.ascontiguousarray(states[row, : len(one)])
            apart = max(apart, float(np.abs(hidden - engine._encode("encoder", one[None], np.ones((1, len(one)), dtype=np.float32))[0]).max()))
            made.append(_searched(engine.scorer(hidden, retrieved, vocabulary), query, engine, vocabulary.tables))
    check = _compared("alone = in a batch", told, queries, wanted, made)
    check.figures["largest |Δ state|"] = apart
    return check


# --- telling -------------------------------------------------------------------------------------------------------------------


def lines(model: Path, checks: Sequence[Check]) -> Iterable[str]:
    """For people: one line a check, one for each prompt that differs."""
    for check in checks:
        if check.skipped:
            yield f"{model}: {check.name}: SKIPPED, {check.skipped}"
            continue
        figures = ", ".join(f"{name} {value:.4g}" for name, value in check.figures.items())
        verdict = "passed" if check.passed else "FAILED"
        yield (
            f"{model}: {check.name}: {verdict}, {check.equal} of {check.n} equal, {len(check.beyond)} beyond a tie ({check.tolerance.gap:g} nats)"
            + (f"; {figures}" if figures else "")
        )
        for d in check.differences:
            yield f"  prompt {d.prompt + 1} `{d.query[:70]}`: at {d.place} {json.dumps(d.wanted)} became {json.dumps(d.made)}, {d.gap:.4f} nats apart{'' if d.gap <= check.tolerance.gap else '  <- no tie'}"


__all__ = ["PROMPTS", "Check", "Difference", "Tolerance", "embedded_checks", "lines", "parity", "text_checks"]
