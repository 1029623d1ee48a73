"""Keeps a corpus honest: near-duplicates go, splits share nothing, and a test that finds what they share all the same.

In: rows (`Example`), flows. Out: which rows are copies of which, which split a row belongs to, and `Leak`s, none for a clean corpus. `demand_no_leaks` makes a leak an error that stops the build.

Near-duplicates are found by MinHash over shingles (64 permutations, 16 bands of 4) and confirmed by the exact Jaccard similarity, for requests and for flows whose values are masked. The
skeleton of a flow is its operations and its control in order, without values.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nl2dsl.catalog.model import split_id
from nl2dsl.catalog.search import terms
from nl2dsl.dsl import tree
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import Annotation, Assign, Call, Case, Flow, For, If, Let, Opaque, Parallel, Scope, Statement, Switch, Try, Until
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example

PERMUTATIONS, BANDS = 64, 16
SAME_QUERY, SAME_FLOW = 0.85, 0.9  # Jaccard similarity from which one is a copy of the other
PARAPHRASE = 0.6  # of the content words, where the operations are the same
_FEWEST_TERMS = 4  # requests of fewer content words are alike by nature
_SHOWN = 5


@dataclass(frozen=True)
class SplitRecipe:
    """`[split]`: how flows are kept apart. A skeleton is in one split only, whichever way is chosen."""

    by: Literal["skeleton", "time"] = "skeleton"
    test: float = 0.1
    """Share of the skeletons (`by = "skeleton"`) that tests."""
    validation: float = 0.05
    after: str = ""
    """`by = "time"`: flows of this day (ISO date) or later test."""
    unseen: tuple[str, ...] = ()
    """Operations or connectors that training never sees: flows that call one are kept for `unseen`."""

    def __post_init__(self) -> None:
        if not (self.test >= 0 and self.validation >= 0 and self.test + self.validation < 1):
            raise ValueError("`test` and `validation` are shares: not below 0, together below 1")
        if (self.by == "time") != bool(self.after):
            raise ValueError('`by = "time"` and `after = "2025-07-01"` go together')
        if self.after and day(self.after) != self.after:
            raise ValueError(f"`after` is `{self.after}`, not a day like 2025-07-01")


# --- flows without what is not said --------------------------------------------------------------------------------------------

_LOGIC = frozenset(("runAfter", "condition"))
_NAMES = frozenset(("name", "key"))


def bare(flow: Flow) -> Flow:
    """A flow without connections, metadata, settings, names and comments: what a model learns to write. Names stay where a run-after refers to them."""
    everything = (flow.trigger, *tree.walk(flow.steps))
    named = any(a.name == "runAfter" for s in everything for a in s.annotations)
    kept = _LOGIC | _NAMES if named else _LOGIC
    return Flow(_bare_call(flow.trigger, kept), _bare_block(flow.steps, kept))


def _notes(annotations: tuple[Annotation, ...], kept: frozenset[str]) -> tuple[Annotation, ...]:
    return tuple(a for a in annotations if a.name in kept)


def _bare_call(call: Call, kept: frozenset[str]) -> Call:
    return replace(call, comment="", annotations=_notes(call.annotations, kept))


def _bare_block(steps: tuple[Statement, ...], kept: frozenset[str]) -> tuple[Statement, ...]:
    return tuple(_bare(s, kept) for s in steps)


def _bare(s: Statement, kept: frozenset[str]) -> Statement:
    notes = _notes(s.annotations, kept)
    match s:
        case If():
            return replace(s, then=_bare_block(s.then, kept), otherwise=_bare_block(s.otherwise, kept), comment="", annotations=notes)
        case For() | Until() | Scope():
            return replace(s, body=_bare_block(s.body, kept), comment="", annotations=notes)
        case Switch():
            cases = tuple(Case(c.value, _bare_block(c.body, kept)) for c in s.cases)
            return replace(s, cases=cases, default=_bare_block(s.default, kept), comment="", annotations=notes)
        case Try():
            return replace(
                s, body=_bare_block(s.body, kept), catch=_bare_block(s.catch, kept), final=_bare_block(s.final, kept), comment="", annotations=notes
            )
        case Parallel():
            return replace(s, branches=tuple(_bare_block(b, kept) for b in s.branches), comment="", annotations=notes)
        case _:
            return replace(s, comment="", annotations=notes)


def skeleton(flow: Flow) -> str:
    """Operations and control in order, without values."""
    return f"{flow.trigger.id}; {_shape(flow.steps)}"


def _shape(steps: tuple[Statement, ...]) -> str:
    return " ".join(_shape_of(s) for s in steps)


def _shape_of(s: Statement) -> str:
    match s:
        case Call():
            return s.id
        case Let():
            return "let"
        case Assign():
            return s.operator
        case Opaque():
            return "opaque"
        case _:
            inner = " | ".join(_shape(block) for block in tree.blocks(s))
            return f"{type(s).__name__.lower()}{{{inner}}}"


def masked(dsl: str) -> list[str]:
    """The tokens of a flow with every value and every name of a result put out of sight."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"(\s*:)?', lambda m: m[0] if m[1] else '""', dsl)
    text = re.sub(r"`[^`]*`", "``", text)
    text = re.sub(r"\boutputs_[\w$-]+|\b\d+(?:\.\d+)?\b", "_", text)
    return re.findall(r"\w[\w.-]*|\"[^\"]*\"|[^\s\w]", text)


# --- shingles and MinHash ------------------------------------------------------------------------------------------------------

Shingles = frozenset[int]


def _hashed(parts: Iterable[str]) -> Shingles:
    return frozenset(zlib.crc32(p.encode()) for p in parts)


def query_shingles(query: str) -> Shingles:
    """Four letters in a row of the folded text."""
    text = " ".join(re.findall(r"\w+", query.lower()))
    return _hashed(text[i : i + 4] for i in range(max(1, len(text) - 3)))


def term_shingles(query: str) -> Shingles:
    """Content words, in whatever order; empty where there are too few to tell."""
    found = set(terms(query))
    return _hashed(found) if len(found) >= _FEWEST_TERMS else frozenset()


def flow_shingles(dsl: str) -> Shingles:
    """Four tokens in a row of the masked flow."""
    tokens = masked(dsl)
    return _hashed(" ".join(tokens[i : i + 4]) for i in range(max(1, len(tokens) - 3)))


def jaccard(a: Shingles, b: Shingles) -> float:
    return len(a & b) / len(a | b) if a and b else 0.0


@lru_cache(maxsize=1)
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    rng = np.random.default_rng(20251127)
    return rng.integers(1, 1 << 61, PERMUTATIONS, dtype=np.uint64) | np.uint64(1), rng.integers(0, 1 << 61, PERMUTATIONS, dtype=np.uint64)


def _signature(shingles: Shingles) -> bytes:
    a, b = _permutations()
    values = np.fromiter(shingles, dtype=np.uint64, count=len(shingles))
    with np.errstate(over="ignore"):
        mixed = values[:, None] * a + b
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
    found: bytes = (mixed >> np.uint64(32)).min(axis=0).astype("<u4").tobytes()
    return found


class Index:
    """Finds what is alike among what was added before. `threshold` is a Jaccard similarity."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        self._added: list[Shingles] = []

    def _bands(self, shingles: Shingles) -> Iterator[tuple[int, bytes]]:
        signature, width = _signature(shingles), PERMUTATIONS // BANDS * 4
        return ((n, signature[n * width : (n + 1) * width]) for n in range(BANDS))

    def add(self, shingles: Shingles) -> int:
        """Its number, from 0."""
        self._added.append(shingles)
        if shingles:
            for band in self._bands(shingles):
                self._buckets[band].append(len(self._added) - 1)
        return len(self._added) - 1

    def like(self, shingles: Shingles) -> list[int]:
        """Numbers of all that are alike, in the order in which they were added."""
        if not shingles:
            return []
        near = {n for band in self._bands(shingles) for n in self._buckets.get(band, ())}
        return sorted(n for n in near if jaccard(shingles, self._added[n]) >= self.threshold)


def copies(shingles: Sequence[Shingles], threshold: float) -> dict[int, int]:
    """For each that is a near-duplicate of an earlier one that stays: the place of the copy and of that earlier one."""
    index, places, found = Index(threshold), list[int](), dict[int, int]()
    for place, one in enumerate(shingles):
        alike = index.like(one)
        if alike:
            found[place] = places[alike[0]]
        else:
            index.add(one)
            places.append(place)
    return found


# --- splits --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Apart:
    """What a split needs to know of a flow; `time` is an ISO date or ''."""

    id: str
    skeleton: str
    operations: tuple[str, ...]
    time: str = ""


def unseen(operations: Iterable[str], withheld: Sequence[str]) -> bool:
    """Whether one of the operations, or its connector, is withheld."""
    return any(o in withheld or split_id(o)[0] in withheld for o in operations)


def day(text: str) -> str:
    """The day of an ISO date or time, "" where there is none."""
    try:
        return date.fromisoformat(text.strip()[:10]).isoformat()
    except ValueError:
        return ""


def split(flows: Sequence[Apart], recipe: SplitRecipe, taken: Iterable[str] = ()) -> dict[str, str]:
    """The split of each flow by its id: train, validation, test, unseen, or "" for one left out because its skeleton tests. `taken` are skeletons that already test elsewhere.
    Flows without a time are older than all others. Raises `CorpusError` for a split by time of flows none of which has a time."""
    found: dict[str, str] = {}
    if recipe.by == "time" and flows and not any(day(flow.time) for flow in flows):
        raise CorpusError(
            "no flow says when it was changed, so none can be kept apart by time", hint="`flows.time` is the key of a row that holds an ISO date"
        )
    tested, train = set(taken), set[str]()
    for flow in flows:
        if unseen(flow.operations, recipe.unseen):
            found[flow.id] = "unseen"
        elif recipe.by == "time":
            found[flow.id] = "test" if day(flow.time) >= recipe.after else "train"
        else:
            place = int(hashlib.sha1(flow.skeleton.encode()).hexdigest(), 16) % 10_000 / 10_000
            found[flow.id] = "test" if place < recipe.test else "validation" if place < recipe.test + recipe.validation else "train"
        if found[flow.id] in ("test", "unseen"):
            tested.add(flow.skeleton)
    for flow in flows:
        if found[flow.id] in ("train", "validation") and flow.skeleton in tested:
            found[flow.id] = ""
        elif found[flow.id] == "train" and recipe.by == "time" and _fraction(flow.skeleton) < recipe.validation:
            found[flow.id] = "validation"
        if found[flow.id] == "train":
            train.add(flow.skeleton)
    return found


def _fraction(text: str) -> float:
    return zlib.crc32(text.encode()) / 2**32


# --- leaks ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leak:
    """`kind`: skeleton | flow | query | paraphrase | shot | operation."""

    kind: str
    train: str
    test: str
    text: str = ""


@lru_cache(maxsize=200_000)
def skeleton_of(dsl: str) -> str:
    """The skeleton of a flow that is a text; the text itself where it does not read."""
    flow, _ = parse(dsl)
    return skeleton(flow) if flow is not None else dsl


def leaks(
    train: Sequence[Example], apart: Sequence[Example], shots: Mapping[str, Sequence[Mapping[str, str]]] | None = None, withheld: Sequence[str] = ()
) -> list[Leak]:
    """What training rows share with rows that are kept apart. `shots`: the examples in the prompt of each enriched row, by its id, as {id, query, dsl}; `withheld`: operations or connectors
    that training must not see."""
    return [
        *_same_skeleton(train, apart),
        *_alike(train, apart),
        *_as_shot(apart, shots or {}),
        *(Leak("operation", row.id, "", o) for row in train for o in row.operations if withheld and unseen((o,), withheld)),
    ]


def _same_skeleton(train: Sequence[Example], apart: Sequence[Example]) -> Iterator[Leak]:
    known: dict[str, str] = {}
    for row in apart:
        known.setdefault(skeleton_of(row.dsl), row.id)
    wanted = {tuple(row.operations) for row in apart}
    for row in train:
        if tuple(row.operations) in wanted:  # reading is dear: only what calls the same operations can have the same skeleton
            same = known.get(skeleton_of(row.dsl))
            if same is not None:
                yield Leak("skeleton", row.id, same, " ".join(row.operations))


def _alike(train: Sequence[Example], apart: Sequence[Example]) -> Iterator[Leak]:
    """The same request in nearly the same letters or words; the same operations asked for in other words; the same flow."""
    letters, words, loose, flows = Index(SAME_QUERY), Index(SAME_QUERY), Index(PARAPHRASE), Index(0.98)
    for row in apart:
        letters.add(query_shingles(row.query))
        words.add(term_shingles(row.query))
        loose.add(term_shingles(row.query))
        flows.add(flow_shingles(row.dsl))
    wanted = {row.operations for row in apart}
    for row in train:
        said = term_shingles(row.query)
        near = letters.like(query_shingles(row.query)) or words.like(said)
        if near:
            yield Leak("query", row.id, apart[near[0]].id, row.query)
        if row.operations not in wanted:
            continue
        same = [n for n in loose.like(said) if apart[n].operations == row.operations]
        if same and not near:
            yield Leak("paraphrase", row.id, apart[same[0]].id, row.query)
        copied = [n for n in flows.like(flow_shingles(row.dsl)) if apart[n].operations == row.operations]
        if copied:
            yield Leak("flow", row.id, apart[copied[0]].id, row.query)


def _as_shot(apart: Sequence[Example], shots: Mapping[str, Sequence[Mapping[str, str]]]) -> Iterator[Leak]:
    ids, queries, dsls = {r.id: r.id for r in apart}, {r.query.lower(): r.id for r in apart}, {r.dsl: r.id for r in apart}
    for row, given in shots.items():
        for shot in given:
            found = ids.get(shot["id"]) or queries.get(shot["query"].lower()) or dsls.get(shot["dsl"])
            if found:
                yield Leak("shot", row, found, shot["query"])


def demand_no_leaks(found: Sequence[Leak]) -> None:
    """Raises `CorpusError` that tells the first leaks and how many there are."""
    if not found:
        return
    lines = [
        f"{leak.kind}: training row {leak.train}" + (f" and {leak.test}" if leak.test else "") + f" ({leak.text[:80]})" for leak in found[:_SHOWN]
    ]
    more = [f"... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    raise CorpusError(
        "the corpus leaks:\n" + "\n".join([*lines, *more]),
        hint="rows that are kept apart must share no flow, no request and no example with training",
    )


def tidy(flow: Flow) -> tuple[Flow, str] | None:
    """The bare flow as it reads back from its text, and the text; None where it does not."""
    text = unparse(bare(flow))
    again, _ = parse(text)
    return None if again is None else (again, text)


__all__ = [
    "Apart",
    "Index",
    "Leak",
    "SplitRecipe",
    "bare",
    "copies",
    "day",
    "demand_no_leaks",
    "flow_shingles",
    "jaccard",
    "leaks",
    "query_shingles",
    "skeleton",
    "skeleton_of",
    "split",
    "term_shingles",
    "tidy",
    "unseen",
]
