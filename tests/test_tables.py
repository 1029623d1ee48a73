"""Tables of a catalog: every choice of an operation points at the row of its text, also when that was stored."""

from __future__ import annotations

import numpy as np
import pytest

from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.read import builtin
from nl2dsl.decoding.actions import choices
from nl2dsl.decoding.automaton import callable_as
from nl2dsl.decoding.tables import InOrder, Layout, Tables, assemble, texts
from nl2dsl.engines.embedded import SHIPPED
from nl2dsl.retrieval.texts import parameter_text


def tables(catalog: Catalog) -> Tables:
    return assemble(catalog, *(np.zeros((len(some), 1), dtype=np.float32) for some in texts(catalog)))


def test_choices_point_at_the_rows_of_their_texts() -> None:
    made, (_, parameters, enums) = tables(builtin()), texts(builtin())
    for i, operation in enumerate(builtin()):
        offered = choices(operation)
        assert [parameters[row] for row in made.parameters_of(i)] == [parameter_text(p) for p in offered]
        for j, p in enumerate(offered):
            assert [enums[row] for row in made.enums_at(i, j)] == list(p.enum)
            assert not p.enum or enums[made.enum_value(i, j, len(p.enum) - 1)] == p.enum[-1]
        assert (made.triggers[i], made.steps[i]) == (callable_as(operation, trigger=True), callable_as(operation, trigger=False))


def test_a_layout_is_the_same_after_it_was_stored() -> None:
    layout = Layout.of(builtin())
    again = Layout.stored(layout.arrays())
    assert again is not None
    for name, value in vars(layout).items():
        assert np.array_equal(value, getattr(again, name)) and value.dtype == getattr(again, name).dtype, name
    assert Layout.stored({"operations": np.zeros(3)}) is None


@pytest.mark.skipif(not SHIPPED.exists(), reason="no model ships here")
def test_the_layout_that_ships_is_that_of_the_catalog_that_ships() -> None:
    with np.load(SHIPPED / "tables.npz") as stored:
        shipped = Layout.stored(dict(stored))
    assert shipped is not None
    for name, value in vars(Layout.of(builtin())).items():
        assert np.array_equal(value, getattr(shipped, name)), name


def test_operations_are_known_by_their_place() -> None:
    some = InOrder(builtin())
    assert len(some) == len(builtin()) and [o.id for o in some[:3]] == some.ids[:3] == list(builtin().operations)[:3]
    assert some[-1].id == some.ids[-1]
    assert len(tables(Catalog([])).layout.enums) == 0
