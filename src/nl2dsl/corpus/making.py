"""Makes the flows of requests: wired, written, read again, checked, compiled; in several processes or on Ray when there are many, and kept as they are made.

In: requests in order (query, sketch, source), a catalog. Out: for each the text of its flow and its operations, in the same order whatever makes them. What is made is kept in a folder, a
file for each `CHUNK` requests whose name is a digest of all it was made from, so that a build that is killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import nl2dsl
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import checker, definition, sketch, tree, wiring
from nl2dsl.dsl.sketch import Sketch
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.errors import EngineError
from nl2dsl.files import write_text

CHUNK = 500  # requests of a file, and of one errand of a process
MANY = 5_000  # requests from which processes pay: each needs a second to begin
_MOST_WORKERS = 8  # the sampler, which feeds them, is one process
_AHEAD = 3  # errands of each process that wait
_WINDOW = 64  # chunks that go to Ray at a time

Item = tuple[str, Sketch, str]
Engine = Literal["local", "ray"]


class Made(NamedTuple):
    """The flow of a request as text, "" where it has errors, and its operations."""

    dsl: str
    operations: tuple[str, ...] = ()


def make(query: str, s: Sketch, catalog: Catalog) -> Made:
    """The flow of one request. A flow that does not read back from its text or that the checker has something against is none."""
    flow = wiring.complete(s, catalog, query)
    text = unparse(flow)
    parsed, problems = parse(text)
    if parsed is None or any(d.severity == "error" for d in (*problems, *checker.check(flow, catalog))):
        return Made("")
    definition.compile(flow, catalog)
    return Made(text, tuple(tree.operations(flow)))


@lru_cache(maxsize=1)
def code() -> str:
    """A digest of all code that rows depend on: what other code made is made again."""
    root, hashed = Path(nl2dsl.__file__).parent, hashlib.sha256()
    files = [*(root / "catalog").glob("*.py"), *(root / "dsl").rglob("*.py"), *(root / "dsl").glob("*.lark"), *(root / "corpus").glob("*.py")]
    for file in sorted(files):
        hashed.update(file.name.encode() + file.read_bytes())
    return hashed.hexdigest()


class Maker:
    """Makes requests in order. `kept` is the folder of what was made before; `workers` is a number of processes, 1 for none."""

    def __init__(self, catalog: Catalog, kept: Path | None = None, workers: int = 1, engine: Engine = "local", chunk: int = CHUNK) -> None:
        self.catalog, self.kept, self.workers, self.engine, self.chunk = catalog, kept, workers, engine, chunk
        self.remade = 0  # chunks that were not found
        self._pool: ProcessPoolExecutor | None = None
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def all(self, items: Iterable[Item]) -> Iterator[tuple[Item, Made | None]]:
        """Each request with what was made of it; None for one whose words came before in any call, and whose flow is hardly ever wanted."""
        for chunk in self._found(self._chunks(items)):
            yield from chunk

    def _chunks(self, items: Iterable[Item]) -> Iterator[list[tuple[Item, bool]]]:
        """Requests, and whether each is to be made."""
        stream = iter(items)
        while some := list(itertools.islice(stream, self.chunk)):
            marked = []
            for item in some:
                key = item[0].lower()
                fresh = key not in self._said and all(o in self.catalog for o in sketch.operations(item[1]))
                self._said.add(key)
                marked.append((item, fresh))
            yield marked

    def _found(self, chunks: Iterable[list[tuple[Item, bool]]]) -> Iterator[list[tuple[Item, Made | None]]]:
        waiting: deque[tuple[list[tuple[Item, bool]], _Errand]] = deque()
        ahead = _WINDOW if self.engine == "ray" else _AHEAD * self.workers if self.workers > 1 else 0
        try:
            for chunk in chunks:
                waiting.append((chunk, self._errand([(query, s) for (query, s, _), fresh in chunk if fresh])))
                if len(waiting) > ahead:
                    yield self._done(waiting)
            while waiting:
                yield self._done(waiting)
        finally:
            for _, errand in waiting:
                errand.cancel()

    def _errand(self, pairs: Sequence[tuple[str, Sketch]]) -> _Errand:
        path = self.kept / f"{self._digest(pairs)}.json" if self.kept else None
        made = _read(path, len(pairs))
        if made is not None or not pairs:
            return _Errand(pairs, path, made or [])
        self.remade += 1
        errand = _Errand(pairs, path)
        if self.engine == "local" and self.workers > 1:
            errand.future = self._processes().submit(_make_all, pairs)
        return errand

    def _done(self, waiting: deque[tuple[list[tuple[Item, bool]], _Errand]]) -> list[tuple[Item, Made | None]]:
        if self.engine == "ray" and waiting[0][1].made is None:
            _on_ray([errand for _, errand in waiting if errand.made is None], self.catalog, self.workers)
        chunk, errand = waiting.popleft()
        made = iter(errand.result(self.catalog))
        return [(item, next(made) if fresh else None) for item, fresh in chunk]

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            given = None if self.catalog.digest == catalogs.builtin().digest else self.catalog
            context = multiprocessing.get_context("spawn")  # a fork would copy the threads of whatever library is loaded
            self._pool = ProcessPoolExecutor(self.workers, context, _begin, (given,))
        return self._pool

    def _digest(self, pairs: Sequence[tuple[str, Sketch]]) -> str:
        return hashlib.sha256(f"{code()} {self.catalog.digest} {pairs!r}".encode()).hexdigest()[:32]


class _Errand:
    """Requests that are made somewhere, and where they are kept then."""

    def __init__(self, pairs: Sequence[tuple[str, Sketch]], path: Path | None, made: list[Made] | None = None) -> None:
        self.pairs, self.path, self.made = pairs, path, made
        self.future: Future[list[Made]] | None = None

    def result(self, catalog: Catalog) -> list[Made]:
        if self.made is None:
            self.keep(self.future.result() if self.future is not None else [make(query, s, catalog) for query, s in self.pairs])
        return self.made or []

    def keep(self, made: list[Made]) -> None:
        self.made = made
        if self.path is not None:
            write_text(self.path, json.dumps(made, ensure_ascii=False))

    def cancel(self) -> None:
        if self.future is not None:
            self.future.cancel()


def _read(path: Path | None, n: int) -> list[Made] | None:
    """What was kept; None where there is nothing, or nothing whole."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path is not None else []
        found = [Made(dsl, tuple(operations)) for dsl, operations in rows]
    except (OSError, ValueError, TypeError):
        return None
    return found if len(found) == n else None


def workers_for(n: int, wished: int = 0) -> int:
    """How many processes make `n` requests: as many as wished, else one for each core where that pays."""
    return wished or (min(os.cpu_count() or 1, _MOST_WORKERS) if n >= MANY else 1)


# --- in a process --------------------------------------------------------------------------------------------------------------

_catalog: Catalog | None = None


def _begin(catalog: Catalog | None) -> None:
    """A process begins: it knows its catalog, leaves Ctrl-C to its parent, and does not outlive it."""
    global _catalog
    _catalog = catalog or catalogs.builtin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def _make_all(pairs: Sequence[tuple[str, Sketch]]) -> list[Made]:
    assert _catalog is not None
    return [make(query, s, _catalog) for query, s in pairs]


# --- on Ray --------------------------------------------------------------------------------------------------------------------


class _OnRay:
    """An actor of Ray Data: makes rows of JSON, in which sketches are texts."""

    def __init__(self, catalog: Catalog | None) -> None:
        self.catalog = catalog or catalogs.builtin()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        pairs = json.loads(row["pairs"])
        return {"number": row["number"], "made": json.dumps([make(query, sketch.parse(text), self.catalog) for query, text in pairs])}


def _on_ray(errands: Sequence[_Errand], catalog: Catalog, workers: int) -> None:
    """Makes errands with Ray Data: on the cluster of RAY_ADDRESS, else on this machine."""
    try:
        import ray
        import ray.data
    except ImportError as problem:
        raise EngineError("Ray is not installed", hint="pip install 'nl2dsl[ray]', or leave out engine=ray") from problem
    if not ray.is_initialized():
        here: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers + 1, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="error", **here)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"number": n, "pairs": json.dumps([(query, sketch.unparse(s)) for query, s in e.pairs])} for n, e in enumerate(errands)]
    given = None if catalog.digest == catalogs.builtin().digest else catalog
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_OnRay, fn_constructor_args=(given,), concurrency=max(1, workers))
    for row in made.take_all():
        errands[row["number"]].keep([Made(dsl, tuple(operations)) for dsl, operations in json.loads(row["made"])])


__all__ = ["CHUNK", "Made", "Maker", "code", "make", "workers_for"]
