"""Refusals: `mark` and `read` are each other's inverse."""

from __future__ import annotations

import pytest

from nl2dsl.refusal import CATEGORIES, Refusal, mark, read


@pytest.mark.parametrize("category", CATEGORIES)
def test_reading_a_marked_refusal_gives_it_back(category: str) -> None:
    assert read(mark(Refusal(category))) == Refusal(category)
    assert Refusal(category).message


@pytest.mark.parametrize("text", ["", "refuse()", 'refuse("cats");', 'refuse("violence"); a.B({});', "await a.B({});"])
def test_anything_else_is_not_a_refusal(text: str) -> None:
    assert read(text) is None


def test_space_and_a_missing_semicolon_do_not_matter() -> None:
    assert read('\n refuse( "violence" ) \n') == Refusal("violence")


def test_an_unknown_category_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="unknown refusal category"):
        Refusal("cats")
