"""The embedded texts of a catalog: what the model points at instead of knowing names by heart.

In: a catalog and a function that embeds texts. Out: `Tables`: one row per operation, per distinct parameter text and per distinct enum value, and the numbers of the
rows each operation and parameter uses. The order follows from the catalog alone, so only the numbers need to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.decoding.actions import choices
from nl2dsl.decoding.automaton import callable_as
from nl2dsl.retrieval.texts import WORDS, operation_texts, parameter_text, read_tokens

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Words:
    """What a reranker reads of each operation: numbers for its words (n, WORDS, d), and how many words it has (n)."""

    states: Floats
    sizes: NDArray[np.int64]


def read_words(operations: Sequence[str], encodings: Sequence[Any], states: Sequence[NDArray[Any]], shown: Floats | None = None) -> Words:
    """The words that are read of the texts of operations, from their encodings and token states (t, 384): as they are, or what `shown` (d, 384) makes of each."""
    like = states[0] if shown is None else shown
    kept = np.zeros((len(operations), WORDS, like.shape[1] if shown is None else len(shown)), dtype=like.dtype)
    sizes = np.zeros(len(operations), dtype=np.int64)
    for i, (text, encoding, each) in enumerate(zip(operations, encodings, states, strict=True)):
        places = read_tokens(text, encoding.tokens, encoding.offsets)
        kept[i, : len(places)], sizes[i] = each[places] if shown is None else each[places] @ shown.T, len(places)
    return Words(kept, sizes)


@dataclass
class Tables:
    """(n, 384) arrays; `operations[i]` belongs to the i-th operation of the catalog."""

    catalog: Catalog
    operations: Floats
    parameters: Floats
    enums: Floats
    parameter_row: dict[str, int] = field(default_factory=dict)
    enum_row: dict[str, int] = field(default_factory=dict)
    words: Words | None = None  # with a reranker

    def __post_init__(self) -> None:
        self.list: list[Operation] = list(self.catalog)
        self.index = {o.id: i for i, o in enumerate(self.list)}
        self._parameters: dict[int, NDArray[np.int64]] = {}
        self._enums: dict[tuple[int, int], NDArray[np.int64]] = {}

    def parameters_of(self, operation: int) -> NDArray[np.int64]:
        """Rows of `parameters` for the choices of an operation."""
        rows = self._parameters.get(operation)
        if rows is None:
            rows = np.array([self.parameter_row[parameter_text(p)] for p in choices(self.list[operation])], dtype=np.int64)
            self._parameters[operation] = rows
        return rows

    def enums_at(self, operation: int, parameter: int) -> NDArray[np.int64]:
        """Rows of `enums` for the values of one choice of an operation."""
        key = (operation, parameter)
        rows = self._enums.get(key)
        if rows is None:
            rows = self._enums[key] = self.enums_of(choices(self.list[operation])[parameter].enum)
        return rows

    def enum_value(self, operation: int, parameter: int, value: int) -> int:
        return int(self.enums_at(operation, parameter)[value])

    def enums_of(self, values: Sequence[str]) -> NDArray[np.int64]:
        return np.array([self.enum_row[v] for v in values], dtype=np.int64)

    @cached_property
    def triggers(self) -> NDArray[np.bool_]:
        return np.array([callable_as(o, trigger=True) for o in self.list])

    @cached_property
    def steps(self) -> NDArray[np.bool_]:
        return np.array([callable_as(o, trigger=False) for o in self.list])

    @cached_property
    def trigger_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.triggers)

    @cached_property
    def step_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.steps)


def texts(catalog: Catalog) -> tuple[list[str], list[str], list[str]]:
    """The texts to embed: of operations in catalog order, of distinct parameters and of distinct enum values in order of appearance."""
    offered = [p for o in catalog for p in choices(o)]
    parameters = list(dict.fromkeys(parameter_text(p) for p in offered))
    enums = list(dict.fromkeys(v for p in offered for v in p.enum))
    return operation_texts(catalog), parameters, enums


def build(catalog: Catalog, embed: Embed) -> Tables:
    operations, parameters, enums = texts(catalog)
    return assemble(catalog, embed(operations), embed(parameters), embed(enums))


def assemble(catalog: Catalog, operation_rows: Floats, parameter_rows: Floats, enum_rows: Floats, words: Words | None = None) -> Tables:
    """Tables from embeddings made earlier, in the order of `texts`."""
    _, parameters, enums = texts(catalog)
    parameter_row, enum_row = ({text: i for i, text in enumerate(some)} for some in (parameters, enums))
    return Tables(catalog, operation_rows, parameter_rows, enum_rows, parameter_row, enum_row, words)
