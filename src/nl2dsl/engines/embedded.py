"""The embedded engine: the shipped model in process, on the CPU, through a small loop of our own over OpenVINO.

In: a model folder (see `training.export`), a catalog, a query. Out: embeddings, candidates, and a `Scorer` for typed search. `openvino`, `tokenizers` and `numpy` are
all it needs; there is no torch here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nl2dsl.catalog.model import Catalog, split_id
from nl2dsl.catalog.read import PLATFORM, builtin
from nl2dsl.decoding.actions import FIXED, SYMBOL, Decision, Kind, Query
from nl2dsl.decoding.tables import Floats, Layout, Tables, assemble, read_words, texts
from nl2dsl.engines import graphs, reranking
from nl2dsl.engines.guard import Guard
from nl2dsl.engines.reranking import Reranked, Reranking, Say, preferred
from nl2dsl.errors import EngineError, ModelError
from nl2dsl.retrieval import spans

WIDTH, CANDIDATES = 384, 16
MAX_TOKENS = 160
SHIPPED = Path(__file__).parent.parent / "models" / "embedded"
FILES = ("encoder", "retriever", "decoder")


def _dense(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file: floats as float32, rows of int8 times their scales; other numbers as they are."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return {n: _float(a, arrays.get(f"{n}.scale")) for n, a in arrays.items() if not n.endswith(".scale")}


def _float(array: NDArray[Any], scale: Floats | None) -> NDArray[Any]:
    if scale is not None:
        made: Floats = np.multiply(array, scale[:, None], dtype=np.float32)
        return made
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array


class Embedded:
    """The shipped model, loaded. Raises `ModelError` when the folder is absent or broken, `EngineError` when OpenVINO is not installed."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self.folder = folder
        try:
            import openvino  # noqa: F401
            from tokenizers import Tokenizer
        except ImportError as problem:
            raise EngineError("the embedded engine needs openvino and tokenizers", hint="pip install nl2dsl") from problem
        if not (folder / "card.json").exists():
            raise ModelError(f"no model in {folder}", hint="train one: nl2dsl train recipes/train/embedded.toml")
        try:
            with ThreadPoolExecutor(1) as pool:  # compiling and reading side by side
                compiled = pool.submit(graphs.load, folder, FILES)
                self._read_files(Tokenizer)
            self._graphs = compiled.result()
        except (OSError, ValueError, KeyError, RuntimeError, json.JSONDecodeError) as problem:
            raise ModelError(
                f"the model in {folder} cannot be read: {str(problem).splitlines()[0]}",
                hint="install the package again, or train and export the model again",
            ) from problem
        self._requests = {name: graph.create_infer_request() for name, graph in self._graphs.items()}

    @cached_property
    def reranker(self) -> Reranking | None:
        """What reranks in new catalogs, compiled when one is there; models of before have none."""
        path = self.folder / f"{reranking.NAME}.xml"
        if not path.exists():
            return None
        try:
            graph = graphs.load(self.folder, [reranking.NAME])[reranking.NAME]
            return Reranking(graph.create_infer_request(), self.inputs["shown"], Say(**self.card["rerank"]))
        except (KeyError, TypeError, RuntimeError) as problem:
            raise ModelError(f"{path} cannot be read: {str(problem).splitlines()[0]}", hint="install the package again") from problem

    def _read_files(self, tokenizers: Any) -> None:
        """All of the folder but the graphs."""
        self.card: dict[str, Any] = json.loads((self.folder / "card.json").read_text(encoding="utf-8"))
        self.tokenizer = tokenizers.from_file(str(self.folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        with np.load(self.folder / "words.npz") as stored:
            self._words, self._scales = stored["words"], stored["words.scale"]
        self.inputs = _dense(self.folder / "inputs.npz")  # input layers and biases of the decoder, by name
        self.guard = Guard.load(self.folder)

    @cached_property
    def digest(self) -> str:
        """Identity of the model: sha256 over its card, which names the digest of every file, and over their sizes; over the files themselves where the card does not."""
        files = [path for path in sorted(self.folder.iterdir()) if path.name != "card.json"]
        named = self.card.get("files", {})
        hashed = hashlib.sha256((self.folder / "card.json").read_bytes())
        for path in files:
            hashed.update(f"{path.name} {path.stat().st_size}".encode() if path.name in named else path.name.encode() + path.read_bytes())
        return hashed.hexdigest()

    @property
    def residual(self) -> Floats:
        """What was learned about each operation of the training's catalog beyond its text, (n, 384)."""
        return self._stored["residual"]

    @cached_property
    def _stored(self) -> dict[str, NDArray[Any]]:
        """The shipped tables, read once."""
        return _dense(self.folder / "tables.npz")

    # --- reading ---------------------------------------------------------------------------------------------------------------

    def read(self, text: str) -> tuple[Query, NDArray[np.int64]]:
        encoding = self.tokenizer.encode(text)
        return Query(text, tuple(encoding.offsets)), np.array(encoding.ids, dtype=np.int64)

    def _encode(self, graph: str, ids: NDArray[np.int64], mask: Floats) -> Floats:
        words = self._words[ids].astype(np.float32) * self._scales[ids][..., None]
        result = self._requests[graph].infer({"words": words, "mask": mask})
        return np.array(next(iter(result.values())), dtype=np.float32)

    def embed(self, sentences: Sequence[str]) -> Floats:
        """Retriever embeddings (n, 384), normalised."""
        return _pooled(self._states(self.tokenizer.encode_batch([s[:2000] for s in sentences])))

    def _states(self, encodings: Sequence[Any]) -> list[Floats]:
        """The retriever's token states (t, 384) of each text."""
        out: list[Floats] = [np.empty(0, dtype=np.float32)] * len(encodings)
        order = sorted(range(len(encodings)), key=lambda i: len(encodings[i].ids))
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            longest = max(len(encodings[i].ids) for i in rows)
            ids, mask = np.zeros((len(rows), longest), dtype=np.int64), np.zeros((len(rows), longest), dtype=np.float32)
            for place, i in enumerate(rows):
                ids[place, : len(encodings[i].ids)], mask[place, : len(encodings[i].ids)] = encodings[i].ids, 1
            for i, states in zip(rows, self._encode("retriever", ids, mask), strict=True):
                out[i] = states[: len(encodings[i].ids)]
        return out

    def retrieve(self, ids: NDArray[np.int64]) -> Retrieved:
        """What a request with these token ids is compared by."""
        states = self._encode("retriever", ids[None], np.ones((1, len(ids)), dtype=np.float32))[0]
        return Retrieved(states, spans.reading(states))

    def tables(self, catalog: Catalog) -> Tables:
        """The embedded texts of a catalog: shipped ones where the text is the same, made now for the rest."""
        if catalog.digest == self.card.get("catalog"):
            stored = self._stored
            return assemble(catalog, stored["operations"], stored["parameters"], stored["enums"], layout=Layout.stored(stored))
        operations, parameters, enums = texts(catalog)
        encodings = self.tokenizer.encode_batch([text[:2000] for text in operations])
        states = self._states(encodings)
        trained = self._trained(catalog)
        foreign = not any(id in trained for id in catalog.operations if split_id(id)[0] not in PLATFORM)
        words = read_words(operations, encodings, states, self.reranker.shown) if foreign and self.reranker else None
        return assemble(catalog, _pooled(states), self.embed(parameters), self.embed(enums), words)

    def _trained(self, catalog: Catalog) -> dict[str, int]:
        """The operations that training showed, with their rows; none where the catalog of the training is neither this one nor the built-in one."""
        known = next((c for c in (catalog, builtin()) if c.digest == self.card.get("catalog")), None)
        return {id: row for row, id in enumerate(known.operations)} if known else {}

    def vocabulary(self, tables: Tables) -> Vocabulary:
        """A catalog as the model points at it.

        An operation seen in training adds a part of what was learned about it; a new one adds the average of that, and a bonus, because training pushed down
        whatever it never showed. Both shares are measured (docs/log.md).
        """
        held_out = frozenset(self.card.get("held_out_connectors", ()))
        trained = self._trained(tables.catalog)
        rows = [-1 if connector in held_out else trained.get(id, -1) for id, connector in zip(tables.list.ids, tables.connectors, strict=True)]
        return weighed(tables, self._stored["residual"], rows, self.card.get("residual_share", 1.0), self.card.get("novelty", 0.0))

    def start(self, ids: NDArray[np.int64], vocabulary: Vocabulary, retrieved: Retrieved | None = None) -> EmbeddedScorer:
        """A scorer at the beginning of a flow for the query with these token ids; `retrieved` is what `retrieve` gave for it, if it was asked before."""
        return self.scorer(
            self._encode("encoder", ids[None], np.ones((1, len(ids)), dtype=np.float32))[0], retrieved or self.retrieve(ids), vocabulary
        )

    def scorer(self, hidden: Floats, retrieved: Retrieved, vocabulary: Vocabulary) -> EmbeddedScorer:
        """The same from the encoder's states of the query's tokens, (t, 384)."""
        found = spans.scores(retrieved.reading, vocabulary.tables.operations)
        reranked = self.reranker.read(retrieved.states, vocabulary.tables, found) if vocabulary.tables.words and self.reranker else None
        return EmbeddedScorer(self, hidden, found, reranked, vocabulary)


@dataclass(frozen=True)
class Retrieved:
    """What the retriever made of a request: the states of its tokens (t, 384), and what it is compared by (`spans.reading`), (1 + w, 384)."""

    states: Floats
    reading: Floats


def _pooled(states: Sequence[Floats]) -> Floats:
    """Token states (t, 384) of each text -> embeddings (n, 384), normalised."""
    out = np.empty((len(states), WIDTH), dtype=np.float32)
    for row, each in zip(out, states, strict=True):
        mean = each.mean(axis=0)
        row[:] = mean / np.linalg.norm(mean)
    return out


@dataclass
class Vocabulary:
    """A catalog as the model points at it: tables, keys of operations (384, n) and what is added to the score of each (n)."""

    tables: Tables
    keys: Floats
    bonus: Floats


def weighed(tables: Tables, residual: Floats, rows: Sequence[int], share: float, novelty: float) -> Vocabulary:
    """The vocabulary of these tables, for serving and for what training measures itself by. `rows` gives each operation its place in what was learned, (n, 384), or -1 when it is new."""
    learned = residual * np.float32(share)
    shown = learned[np.abs(learned).sum(axis=1) > 0]
    average = shown.mean(axis=0) if len(shown) else np.zeros(WIDTH, dtype=np.float32)
    keys = tables.operations + np.vstack([learned, average])[list(rows)]
    new = np.array(rows) < 0
    # between new and known operations the bonus is a balance; in a catalog of new ones it would only weigh against the platform's own
    mixed = bool((~new & tables.foreign).any())
    return Vocabulary(tables, np.ascontiguousarray(keys.T), new.astype(np.float32) * np.float32(novelty if mixed else 0.0))


class EmbeddedScorer:
    """One query in the decoder. `push` feeds what was decided since and scores what may follow. `scores` (n) are the retriever's, `reranked` what the reranker says, where there is one."""

    def __init__(self, engine: Embedded, hidden: Floats, scores: Floats, reranked: Reranked | None, vocabulary: Vocabulary) -> None:
        self.engine, self.hidden, self.scores, self.reranked, self.vocabulary = engine, hidden, scores, reranked, vocabulary
        self._request = engine._requests["decoder"]
        self._request.reset_state()
        self._called = -1
        self._said = np.zeros(len(scores), dtype=np.bool_)
        k = min(CANDIDATES, len(scores))
        best = np.argpartition(-scores, k - 1)[:k]
        self.candidates = best[np.argsort(-scores[best], kind="stable")]
        offered = np.concatenate([vocabulary.tables.operations[self.candidates], scores[self.candidates, None]], axis=1)
        self._waiting: list[Floats] = [self._layer("query_in", hidden), self._layer("candidate_in", offered), engine.inputs["symbol"][-1:]]

    def _layer(self, name: str, x: Floats) -> Floats:
        weights = self.engine.inputs
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]  # type: ignore[no-any-return]

    def _input(self, d: Decision) -> Floats:
        tables = self.vocabulary.tables
        match d.kind:
            case Kind.FIXED:
                return self.engine.inputs["symbol"][d.index][None]  # type: ignore[no-any-return]
            case Kind.OPERATION:
                self._called = d.index
                self._said[d.index] = True
                return self._layer("operation_in", tables.operations[d.index][None])
            case Kind.PARAMETER:
                self._parameter = d.index
                return self._layer("parameter_in", tables.parameters[tables.parameters_of(self._called)[d.index]][None])
            case Kind.ENUM:
                return self._layer("enum_in", tables.enums[tables.enums_at(self._called, self._parameter)[d.index]][None])
            case Kind.START:
                return self._layer("start_in", self.hidden[d.index][None])
            case Kind.END:
                return self._layer("end_in", self.hidden[d.index][None])

    def push(self, decisions: list[Decision]) -> EmbeddedScores:
        fed = self._waiting + [self._input(d) for d in decisions]
        self._waiting = []
        result = self._request.infer({"x": np.concatenate(fed)[None].astype(np.float32)})
        return EmbeddedScores(self, np.array(result["heads"], dtype=np.float32)[0, -1])

    def unsaid(self) -> float:
        """By how much the end of the flow is put off, because an operation is asked for that was not said yet; negative when it is brought on."""
        if self.reranked is None or self._called < 0:
            return 0.0
        t = self.vocabulary.tables
        return self.reranked.say.end * self.reranked.most(t.foreign & t.steps & ~self._said)

    def preferred(self, operations: Floats) -> Floats:
        """Scores of the operations (n) after the reranker had its say."""
        if self.reranked is None:
            return operations
        t = self.vocabulary.tables
        offered = t.triggers if self._called < 0 else t.steps  # the first operation is the trigger
        made = preferred(operations, self.reranked.added, np.flatnonzero(offered & t.foreign))
        made[self._said & t.foreign] -= self.reranked.say.again
        return made


class EmbeddedScores:
    """Scores at one place; each class is computed only when it is asked for."""

    def __init__(self, scorer: EmbeddedScorer, heads: Floats) -> None:
        self._scorer = scorer
        n = len(FIXED)
        self.fixed: Floats = heads[:n] + scorer.engine.inputs["fixed_bias"]
        self.fixed[SYMBOL["end"]] -= scorer.unsaid()
        self._queries = heads[n:].reshape(5, WIDTH)

    def operations(self) -> Floats:
        s, v = self._scorer, self._scorer.vocabulary
        return s.preferred(self._queries[0] @ v.keys + v.bonus + s.engine.inputs["trust"] * s.scores)

    def parameters(self, operation: int) -> Floats:
        t = self._scorer.vocabulary.tables
        return t.parameters[t.parameters_of(operation)] @ self._queries[1]  # type: ignore[no-any-return]

    def enums(self, operation: int, parameter: int) -> Floats:
        t = self._scorer.vocabulary.tables
        return t.enums[t.enums_at(operation, parameter)] @ self._queries[2]  # type: ignore[no-any-return]

    def starts(self) -> Floats:
        return self._scorer.hidden @ self._queries[3] / np.float32(WIDTH**0.5)  # type: ignore[no-any-return]

    def ends(self) -> Floats:
        return self._scorer.hidden @ self._queries[4] / np.float32(WIDTH**0.5)  # type: ignore[no-any-return]
