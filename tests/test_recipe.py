"""Recipes: TOML to dataclasses, overrides, problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nl2dsl.errors import RecipeError, UsageError
from nl2dsl.recipe import build, dump, load


@dataclass(frozen=True)
class Lora:
    rank: int = 16
    dropout: float = 0.1


@dataclass(frozen=True)
class Cook:
    out: Path
    rate: float = 1e-4
    steps: int = 100
    kind: Literal["full", "lora"] = "full"
    name: str = ""
    fast: bool = False
    limit: int | None = None
    tags: tuple[str, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    weights: dict[str, float] = field(default_factory=dict)
    lora: Lora = Lora()
    rest: Any = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError("`steps` is below 1")


def problems(values: dict[str, Any], *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        build(values, Cook, overrides, "r.toml")
    return str(caught.value).split("\n")


def test_a_file_becomes_a_dataclass(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('out = "a"\nrate = 1\ntags = ["x"]\npair = [3, 4]\nweights = { a = 1 }\n[lora]\nrank = 8\n', encoding="utf-8")
    made = load(tmp_path / "r.toml", Cook)
    assert made == Cook(Path("a"), 1.0, tags=("x",), pair=(3, 4.0), weights={"a": 1.0}, lora=Lora(8))
    assert isinstance(made.rate, float)


def test_overrides_replace_values_also_nested_ones() -> None:
    made = build(
        {"out": "a", "lora": {"rank": 8}}, Cook, ["lora.rank=4", "rate=2e-4", "name=5", "fast=true", "kind=lora", "limit=3", "tags=['a', 'b']"]
    )
    assert (made.lora.rank, made.rate, made.name, made.fast, made.kind, made.limit, made.tags) == (4, 2e-4, "5", True, "lora", 3, ("a", "b"))


def test_overrides_leave_the_given_values_alone() -> None:
    given_values = {"out": "a", "lora": {"rank": 8}}
    build(given_values, Cook, ["lora.rank=4"])
    assert given_values == {"out": "a", "lora": {"rank": 8}}


def test_none_unsets_an_optional_value() -> None:
    assert build({"out": "a", "limit": 3}, Cook, ["limit=none"]).limit is None


def test_all_problems_are_told_at_once_with_the_nearest_key() -> None:
    assert problems({"rat": 1, "steps": "many", "fast": 1, "lora": {"rnk": 2}}, "kind=lorra", "bad") == [
        "r.toml: override `bad` is not key=value",
        "r.toml: unknown key `rat`; did you mean `rate`?",
        "r.toml: `out` is missing",
        'r.toml: `steps` is "many", not a whole number',
        "r.toml: `fast` is 1, not true or false",
        "r.toml: unknown key `lora.rnk`; did you mean `lora.rank`?",
        'r.toml: `kind` is "lorra", not one of full, lora; did you mean `lora`?',
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"steps": True}, "`steps` is true, not a whole number"),
        ({"steps": 1.5}, "`steps` is 1.5, not a whole number"),
        ({"tags": "x"}, '`tags` is "x", not a list'),
        ({"tags": ["x", 1]}, "`tags[1]` is 1, not a text"),
        ({"pair": [1]}, "`pair` has 1 entries, not 2"),
        ({"lora": 3}, "`lora` is 3, not a table"),
        ({"limit": "x"}, '`limit` is "x", not a whole number'),
        ({"weights": {"a": "b"}}, '`weights.a` is "b", not a number'),
        ({"steps": 0}, "`steps` is below 1"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: dict[str, Any], problem: str) -> None:
    assert problems({"out": "a", **values}) == [f"r.toml: {problem}"]


def test_text_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("out = \n", encoding="utf-8")
    with pytest.raises(RecipeError, match="line 1"):
        load(tmp_path / "r.toml", Cook)


def test_a_recipe_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path / "r.toml", Cook)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(name=_TEXT, rate=st.floats(allow_nan=False), tags=st.lists(_TEXT), rank=st.integers(-(2**62), 2**62), limit=st.none() | st.integers(0, 9))
def test_build_undoes_dump(name: str, rate: float, tags: list[str], rank: int, limit: int | None) -> None:
    import tomllib

    recipe = Cook(Path("a"), rate, name=name, tags=tuple(tags), limit=limit, weights={name: rate}, lora=Lora(rank))
    assert build(tomllib.loads(dump(recipe)), Cook) == recipe
