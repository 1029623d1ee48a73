"""Training rows of the embedded model: requests with sketches turned into token ids, decisions and what was legal at each of them.

In: (query, sketch) pairs, tables of a catalog, a tokenizer. Out: `Row`s of small numpy arrays; rows that decisions cannot say are counted, not hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nl2dsl.decoding.actions import FIXED, Decision, Kind, NotSayable, Query, encode
from nl2dsl.decoding.automaton import Allowed, Automaton, Role
from nl2dsl.decoding.tables import Tables
from nl2dsl.dsl.sketch import Sketch

Ints = NDArray[np.int32]


@dataclass
class Row:
    """One example. `tokens` (l); all others (t): the decision's class and index, and what was legal: `fixed_set` numbers a set of symbols, `role` which operations,
    `operation` the one whose parameters were legal or -1, `enum` the (operation, parameter) whose values were legal or -1, `start` 0/1, `first` of ends or -1."""

    query: str
    tokens: Ints
    kinds: Ints
    indices: Ints
    fixed_set: Ints
    role: Ints
    operation: Ints
    enum: Ints
    start: Ints
    first: Ints
    weight: float = 1.0


class FixedSets:
    """Numbers the sets of legal symbols, and gives them as one boolean matrix."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, ...], int] = {}

    def number(self, symbols: Iterable[int]) -> int:
        return self.numbers.setdefault(tuple(sorted(symbols)), len(self.numbers))

    def matrix(self) -> NDArray[np.bool_]:
        out = np.zeros((len(self.numbers), len(FIXED)), dtype=bool)
        for symbols, row in self.numbers.items():
            out[row, list(symbols)] = True
        return out


def query_of(text: str, tokenizer: Any) -> tuple[Query, list[int]]:
    encoding = tokenizer.encode(text)
    return Query(text, tuple(encoding.offsets)), encoding.ids


def row(text: str, sketch: Sketch, tables: Tables, tokenizer: Any, sets: FixedSets, weight: float = 1.0) -> tuple[Row, int]:
    """The row of one example and the number of stated values left out. Raises `NotSayable`."""
    query, ids = query_of(text, tokenizer)
    decisions, dropped = encode(sketch, query, tables.catalog, tables.index)
    automaton = Automaton(tables.list, query)
    columns: list[tuple[int, ...]] = []
    called = -1
    for d in decisions:
        allowed = automaton.allowed()
        if not _legal(d, allowed, tables):
            raise NotSayable(f"{d.kind.name} {d.index} is not legal")
        enum = -1
        if allowed.enums:
            enum = int(automaton.enum_parameter())
        columns.append(
            (
                d.kind,
                d.index,
                sets.number(allowed.fixed),
                allowed.operations,
                called if allowed.parameters else -1,
                enum,
                bool(allowed.starts),
                allowed.ends[0] if allowed.ends else -1,
            )
        )
        automaton.push(d)
        if d.kind == Kind.OPERATION:
            called = d.index
    arrays = [np.array(c, dtype=np.int32) for c in zip(*columns, strict=True)]
    return Row(text, np.array(ids, dtype=np.int32), *arrays, weight=weight), dropped  # type: ignore[arg-type, misc]


def _legal(d: Decision, allowed: Allowed, tables: Tables) -> bool:
    match d.kind:
        case Kind.FIXED:
            return d.index in allowed.fixed
        case Kind.OPERATION:
            return bool((tables.triggers if allowed.operations == Role.TRIGGER else tables.steps)[d.index]) if allowed.operations else False
        case Kind.PARAMETER:
            return d.index in allowed.parameters
        case Kind.ENUM:
            return d.index < allowed.enums
        case Kind.START:
            return d.index in allowed.starts
        case _:
            return d.index in allowed.ends


def rows(pairs: Iterable[tuple[str, Sketch, float]], tables: Tables, tokenizer: Any, sets: FixedSets) -> tuple[list[Row], Counter[str]]:
    """All rows that can be said, and counts: rows, values dropped, rows left out by reason."""
    made: list[Row] = []
    counts: Counter[str] = Counter()
    for text, sketch, weight in pairs:
        try:
            one, dropped = row(text, sketch, tables, tokenizer, sets, weight)
        except (NotSayable, ValueError) as problem:
            counts["left out"] += 1
            counts[f"  {str(problem)[:40]}"] += 1
            continue
        counts["values dropped"] += dropped
        made.append(one)
    counts["rows"] = len(made)
    return made, counts
