"""The embedded texts of a catalog: what the model points at instead of knowing names by heart.

In: a catalog and a function that embeds texts. Out: `Tables`: one row per operation, per distinct parameter text and per distinct enum value, and the numbers of the
rows each operation and parameter uses. The order follows from the catalog alone, so only the numbers need to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from nl2dsl.catalog.model import Catalog, Operation, split_id
from nl2dsl.catalog.read import PLATFORM
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


@dataclass(frozen=True)
class Layout:
    """Which rows of the tables each operation uses, in numbers alone, so that the operations of a large catalog need not be built to open it.

    The choices of operation i are those from `first[i]` to `first[i + 1]`; choice j has the row `parameters[j]` and the enum values `enums[values[j]:values[j + 1]]`. `triggers` and `steps` (n) say what an
    operation may be called as.
    """

    first: NDArray[np.int64]
    parameters: NDArray[np.int64]
    values: NDArray[np.int64]
    enums: NDArray[np.int64]
    triggers: NDArray[np.bool_]
    steps: NDArray[np.bool_]

    @classmethod
    def of(cls, catalog: Catalog) -> Layout:
        offered = [choices(o) for o in catalog]
        every = [p for some in offered for p in some]
        return cls(
            _starts(map(len, offered)),
            _places([parameter_text(p) for p in every]),
            _starts(len(p.enum) for p in every),
            _places([v for p in every for v in p.enum]),
            np.array([callable_as(o, trigger=True) for o in catalog], dtype=np.bool_),
            np.array([callable_as(o, trigger=False) for o in catalog], dtype=np.bool_),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """To be stored beside the tables."""
        return {f"layout.{name}": _in_type(value, np.int64, np.int32) for name, value in vars(self).items()}

    @classmethod
    def stored(cls, arrays: Mapping[str, NDArray[Any]]) -> Layout | None:
        """What `arrays` gave; None where there is nothing, as in models of before."""
        names = {f.name: f"layout.{f.name}" for f in fields(cls)}
        if not all(key in arrays for key in names.values()):
            return None
        return cls(**{name: _in_type(arrays[key], np.int32, np.int64) for name, key in names.items()})


def _in_type(array: NDArray[Any], old: type, new: type) -> NDArray[Any]:
    return array.astype(new) if array.dtype == old else array


def _places(some: Sequence[str]) -> NDArray[np.int64]:
    """Of each text its place among the distinct ones in order of appearance, as `texts` has them."""
    place = {text: i for i, text in enumerate(dict.fromkeys(some))}
    return np.array([place[text] for text in some], dtype=np.int64)


def _starts(sizes: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *sizes], dtype=np.int64)


@dataclass
class Tables:
    """(n, 384) arrays; `operations[i]` belongs to the i-th operation of the catalog."""

    catalog: Catalog
    operations: Floats
    parameters: Floats
    enums: Floats
    layout: Layout
    words: Words | None = None  # with a reranker

    def __post_init__(self) -> None:
        self.list = InOrder(self.catalog)
        self.index = {id: i for i, id in enumerate(self.list.ids)}

    def parameters_of(self, operation: int) -> NDArray[np.int64]:
        """Rows of `parameters` for the choices of an operation."""
        first = self.layout.first
        return self.layout.parameters[first[operation] : first[operation + 1]]

    def enums_at(self, operation: int, parameter: int) -> NDArray[np.int64]:
        """Rows of `enums` for the values of one choice of an operation."""
        choice = self.layout.first[operation] + parameter
        return self.layout.enums[self.layout.values[choice] : self.layout.values[choice + 1]]

    def enum_value(self, operation: int, parameter: int, value: int) -> int:
        return int(self.enums_at(operation, parameter)[value])

    @property
    def triggers(self) -> NDArray[np.bool_]:
        return self.layout.triggers

    @property
    def steps(self) -> NDArray[np.bool_]:
        return self.layout.steps

    @cached_property
    def trigger_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.triggers)

    @cached_property
    def step_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.steps)

    @cached_property
    def connectors(self) -> list[str]:
        """Of each operation the name of its connector, (n)."""
        return [split_id(id)[0] for id in self.list.ids]

    @cached_property
    def foreign(self) -> NDArray[np.bool_]:
        """Which operations are not the platform's own, (n)."""
        return np.array([connector not in PLATFORM for connector in self.connectors], dtype=np.bool_)


class InOrder(Sequence[Operation]):
    """The operations of a catalog by their place, each built when it is asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self.ids = list(catalog.operations)
        self._operations = catalog.operations

    @overload
    def __getitem__(self, place: int) -> Operation: ...
    @overload
    def __getitem__(self, place: slice) -> list[Operation]: ...
    def __getitem__(self, place: int | slice) -> Operation | list[Operation]:
        return [self._operations[id] for id in self.ids[place]] if isinstance(place, slice) else self._operations[self.ids[place]]

    def __len__(self) -> int:
        return len(self.ids)


def texts(catalog: Catalog) -> tuple[list[str], list[str], list[str]]:
    """The texts to embed: of operations in catalog order, of distinct parameters and of distinct enum values in order of appearance."""
    offered = [p for o in catalog for p in choices(o)]
    parameters = list(dict.fromkeys(parameter_text(p) for p in offered))
    enums = list(dict.fromkeys(v for p in offered for v in p.enum))
    return operation_texts(catalog), parameters, enums


def build(catalog: Catalog, embed: Embed) -> Tables:
    operations, parameters, enums = texts(catalog)
    return assemble(catalog, embed(operations), embed(parameters), embed(enums))


def assemble(
    catalog: Catalog, operations: Floats, parameters: Floats, enums: Floats, words: Words | None = None, layout: Layout | None = None
) -> Tables:
    """Tables from embeddings made earlier, in the order of `texts`."""
    return Tables(catalog, operations, parameters, enums, layout or Layout.of(catalog), words)
