"""How a finding looks."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from flow_cases import CASES, findings
from nl2dsl.dsl.diagnostics import CODES, Diagnostic, Edit, Fix, errors, render, summary
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


def table_of_codes() -> dict[str, tuple[str, str, str]]:
    """Code, and its level, title and explanation, from the language page."""
    page = (Path(__file__).parents[1] / "docs" / "language.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*([A-Z]\d{3})\*\* \| ([a-z, ]+) \| (.*?) \| (.+) \|$", page, re.MULTILINE)
    return {code: (level, title, text) for code, level, title, text in rows}


def test_the_language_page_has_every_code_with_its_title_and_what_to_do() -> None:
    table = table_of_codes()
    assert {code: title for code, (_, title, _) in table.items()} == CODES
    assert all(len(text) > 8 for _, _, text in table.values())


def test_the_levels_of_the_language_page_are_those_that_the_cases_show() -> None:
    shown: dict[str, set[str]] = {}
    for path in CASES:
        for d in findings(path.read_text(encoding="utf-8")):
            shown.setdefault(d.code, set()).add(d.severity)
    said = {code: set(level.split(", ")) for code, (level, _, _) in table_of_codes().items() if code[0] != "T"}
    assert shown == said


def test_a_fix_is_shown_as_the_line_before_and_after() -> None:
    fix = Fix.text(FOUND.span, "shared_x.CreateHooks", safe=True)
    assert render(replace(FOUND, fixes=(fix,)), SOURCE, "mail.flow").split("\n")[-3:] == [
        "  = fix: write `shared_x.CreateHooks` (check --fix does it)",
        "2 - x = shared_x.CreateHook({});",
        "2 + x = shared_x.CreateHooks({});",
    ]


def test_a_suggestion_that_removes_lines_shows_what_goes() -> None:
    fix = Fix("remove it", (Edit(15, len(SOURCE), ""),))
    assert render(replace(FOUND, fixes=(fix,)), SOURCE).split("\n")[-2:] == ["  = fix: remove it", "2 - x = shared_x.CreateHook({});"]


def test_a_fix_in_a_very_long_line_is_cut_like_the_line() -> None:
    source = 'await a.B({ "x": "' + "y" * 3000 + '", "z": c });'
    at = source.index("c }")
    found = Diagnostic("R401", "m", Span(at, at + 1, 1, at + 1), fixes=(Fix.text(Span(at, at + 1), "cc"),))
    assert max(len(line) for line in render(found, source).split("\n")) < 200
