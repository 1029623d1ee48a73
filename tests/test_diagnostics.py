"""How a finding looks."""

from __future__ import annotations

import re
from pathlib import Path

from nl2dsl.dsl.diagnostics import CODES, Diagnostic, errors, render, summary
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Span

SOURCE = "await a.B({});\nx = shared_x.CreateHook({});\n"
FOUND = Diagnostic("N201", "connector `shared_x` has no operation `CreateHook`", Span(19, 38, 2, 5), hint="did you mean `shared_x.CreateHooks`?")


def test_a_finding_shows_the_line_with_carets_and_the_hint() -> None:
    assert render(FOUND, SOURCE, "mail.flow").split("\n") == [
        "error[N201]: connector `shared_x` has no operation `CreateHook`",
        " --> mail.flow:2:5",
        "  |",
        "2 | x = shared_x.CreateHook({});",
        "  |     ^^^^^^^^^^^^^^^^^^^",
        "  = hint: did you mean `shared_x.CreateHooks`?",
    ]


def test_colour_is_only_added_never_needed() -> None:
    coloured = render(FOUND, SOURCE, "mail.flow", color=True)
    assert coloured != render(FOUND, SOURCE, "mail.flow")
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render(FOUND, SOURCE, "mail.flow")


def test_a_finding_without_a_place_names_the_file_only() -> None:
    assert render(Diagnostic("S108", "the flow is empty"), "", "x.flow") == "error[S108]: the flow is empty\n --> x.flow"


def test_control_characters_do_not_reach_the_terminal() -> None:
    source = "a.B({ \x1b[2J });"
    _, problems = parse(source)
    assert "\x1b" not in render(problems[0], source)


def test_a_long_line_is_cut_around_the_caret() -> None:
    source = 'a.B({ "x": "' + "y" * 3000 + '" "z": 1 });'
    _, problems = parse(source)
    lines = render(problems[0], source).split("\n")
    assert max(len(line) for line in lines) < 200
    column = lines[4].index("^")
    assert lines[3][column - 1] == '"'


def test_summary_counts_in_words() -> None:
    info = Diagnostic("M601", "m", severity="info")
    assert summary([FOUND, FOUND, info]) == "2 errors, 1 note"
    assert summary([]) == ""
    assert errors([FOUND, info]) == [FOUND]


def test_every_code_is_explained_in_the_language_page() -> None:
    page = (Path(__file__).parents[1] / "docs" / "language.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\*\*([A-Z]\d{3})\*\*", page, re.MULTILINE)) == set(CODES)
