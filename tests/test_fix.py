"""Mending: what is mended, what is only suggested, and that mending never makes anything worse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trees
from flow_cases import CASES, CATALOG
from nl2dsl.cli import main
from nl2dsl.dsl import fix
from nl2dsl.dsl.diagnostics import errors
from nl2dsl.dsl.near import nearest, slips
from nl2dsl.dsl.text import unparse


@pytest.mark.parametrize(
    ("word", "words", "near"),
    [
        ("mial", ["mail", "main"], ("mail", False)),  # too short to be sure
        ("outputs_mial", ["outputs_mail", "outputs_main"], ("outputs_mail", True)),
        ("GetRowz", ["GetRow", "GetRows"], ("GetRow", False)),
        ("GETROWS", ["GetRow", "GetRows"], ("GetRows", True)),
        ("formatDateTme", ["formatDateTime", "formatNumber"], ("formatDateTime", True)),
        ("something", ["else"], ("", False)),
    ],
)
def test_a_name_is_sure_when_no_other_comes_close(word: str, words: list[str], near: tuple[str, bool]) -> None:
    assert nearest(word, words) == near


def test_swapped_letters_are_one_slip() -> None:
    assert [slips("mial", "mail"), slips("a", ""), slips("abc", "abd"), slips("", "")] == [1, 1, 1, 0]


HEAD = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day" });\n'
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in CASES}


def mended(steps: str) -> str:
    result = fix.mend(HEAD + steps, CATALOG).source
    assert result.startswith(HEAD)
    return result.removeprefix(HEAD)


@pytest.mark.parametrize(
    ("steps", "better"),
    [
        ('shared_mail.send({ "message/To": "a" });', 'shared_mail.Send({ "message/To": "a" });'),
        ('shared_mail.Sendd({ "message/To": "a", });', 'shared_mail.Send({ "message/To": "a", });'),
        ('shared_maill.Send({ "message/To": "a" });', 'shared_mail.Send({ "message/To": "a" });'),
        ('shared_mail.Send({ "To": "a" });', 'shared_mail.Send({ "message/To": "a" });'),
        (
            'shared_mail.Send({ "message/To": "a", "message/Importance": "high" });',
            'shared_mail.Send({ "message/To": "a", "message/Importance": "High" });',
        ),
        ('shared_mail.Send({ "message/IsHtml": "True" });', 'shared_mail.Send({ "message/IsHtml": true });'),
        ('shared_mail.Send({ "message/To": "a", "message/To": "a" });', 'shared_mail.Send({ "message/To": "a" });'),
        ('builtin.Compose({ "inputs": formatDateTme(utcNow(), "YYYY") });', 'builtin.Compose({ "inputs": formatDateTime(utcNow(), "yyyy") });'),
        ('builtin.Compose({ "inputs": triggerOutput.body });', 'builtin.Compose({ "inputs": triggerOutputs.body });'),
        ('let n: int = 1;\nn += 1;\nbuiltin.Compose({ "inputs": n });', 'let n: integer = 1;\nn += 1;\nbuiltin.Compose({ "inputs": n });'),
        ('let n = 1;\n\nshared_mail.Send({ "message/To": "a" });', '\nshared_mail.Send({ "message/To": "a" });'),
        ("let a = 1;\nlet b = a;\n", ""),
        ('shared_mail.Send({ "message/To": "a@x.y;A@x.y" });', 'shared_mail.Send({ "message/To": "a@x.y" });'),
        ("builtin.Compose({ 'inputs': 'x' })", 'builtin.Compose({ "inputs": "x" });'),
        ('builtin.Compose({ "inputs": [1 2] });', 'builtin.Compose({ "inputs": [1, 2] });'),
        (
            'if (1 = triggerOutputs.body.n) {  // odd\n  builtin.Compose({ "inputs": 1 });\n}',
            'if (1 == triggerOutputs.body.n) {  // odd\n  builtin.Compose({ "inputs": 1 });\n}',
        ),
    ],
)
def test_what_is_beyond_doubt_is_mended(steps: str, better: str) -> None:
    assert mended(steps) == better


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("shared_mail.Snd({});", "N201"),  # short words are near to many
        ('shared_sheet.GetRowz({ "table": "t" });', "N201"),  # GetRow or GetRows
        ("shared_mail.SendOld({});", "N206"),
        ('builtin.Compose({ "inputs": formatDateTime(utcNow(), "yyyy-mm-dd") });', "P311"),
        ('shared_mail.Send({ "message/To": "a", "message/To": "b" });', "P302"),
        ('outputs_x = shared_sheet.GetRows({ "table": "t" });', "R408"),
        ("// how many are left\nlet n = 1;", "R409"),
        ("scope {\n}", "C505"),
        ('if (length("x")) {\n  builtin.Compose({ "inputs": 1 });\n}', "C503"),
        ('if (length("x") == "1") {\n  builtin.Compose({ "inputs": 1 });\n}', "C509"),
        ('shared_sheet.GetRows({ "table": "t", "columns": "a" });', "P303"),
    ],
)
def test_what_leaves_a_doubt_is_only_suggested(steps: str, code: str) -> None:
    assert mended(steps) == steps
    _, found = fix.look(HEAD + steps, CATALOG)
    suggestion = next(d for d in found if d.code == code).fixes[0]
    assert not suggestion.safe
    assert fix.apply(HEAD + steps, [suggestion]) != HEAD + steps


def test_a_name_that_would_bring_new_mistakes_is_not_changed() -> None:
    steps = 'shared_sheet.UpdatRow({ "a": 1, "b": 2, "c": 3 });'
    assert mended(steps) == steps


def test_comments_and_layout_around_a_change_stay() -> None:
    steps = '// mail\nshared_mail.send( {\n   "message/To" :   "a"   // who\n} ) ;\n\n\n// end\n'
    assert mended(steps) == steps.replace("send", "Send")


def test_what_was_done_is_told_in_order() -> None:
    result = fix.mend(HEAD + "let n = 1", CATALOG)
    assert [(d.code, f.title) for d, f in result.done] == [("S105", "add `;`"), ("R409", "remove `n`")]
    assert result.left == ()


def check_mending(source: str) -> None:
    """The promises of mending, for one text."""
    _, before = fix.look(source, CATALOG)
    once = fix.mend(source, CATALOG)
    _, after = fix.look(once.source, CATALOG)
    assert list(once.left) == after
    if not any(d.code[0] == "S" for d in before):
        assert len(errors(after)) <= len(errors(before))
    assert fix.mend(once.source, CATALOG).source == once.source
    assert bool(once.done) == (once.source != source)


@pytest.mark.parametrize("name", SOURCES)
def test_every_case_is_mended_once_and_for_all(name: str) -> None:
    check_mending(SOURCES[name])


@pytest.mark.parametrize("name", SOURCES)
def test_comments_of_a_case_are_all_there_after_mending(name: str) -> None:
    comments = re.compile(r"//.*")
    lines = fix.mend(SOURCES[name], CATALOG).source
    gone = [c for c in comments.findall(SOURCES[name]) if c not in lines]
    assert all("R409" in c for c in gone)  # a mark behind a variable that nobody uses goes with it


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees.flows)
def test_mending_any_flow_keeps_the_promises(flow) -> None:
    check_mending(unparse(flow))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(SOURCES)), st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(["", ";", '"', "x", "{", "}", "let a = 1;\n", "'"])
)
def test_mending_a_damaged_case_keeps_the_promises(name: str, place: int, length: int, text: str) -> None:
    source = SOURCES[name]
    start = place % (len(source) + 1)
    check_mending(source[:start] + text + source[start + length :])


# --- the verb


def test_check_fix_changes_the_file_and_keeps_its_line_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.flow"
    path.write_bytes(b'\xef\xbb\xbf// hello\r\nawait commonTrigger.Recurrence({ "frequency": "day",  "interval": 1 });\r\n')
    assert main(["check", "--fix", str(path)]) == 0
    assert path.read_bytes() == b'\xef\xbb\xbf// hello\r\nawait commonTrigger.Recurrence({ "frequency": "Day",  "interval": 1 });\r\n'
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f'{path}: P304: write `"Day"`\n1 file: nothing to say\n'


def test_check_fix_leaves_a_file_alone_that_needs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.flow"
    path.write_bytes(b'await commonTrigger.Recurrence( { "frequency": "Day", "interval": 1 } );')
    before = path.stat().st_mtime_ns
    assert main(["check", "--fix", str(path)]) == 0
    assert path.stat().st_mtime_ns == before


def test_check_as_json_has_the_fixes_with_their_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = 'await commonTrigger.Recurrence({ "frequency": "day", "interval": 1 });\n'
    path = tmp_path / "a.flow"
    path.write_text(source, encoding="utf-8")
    assert main(["check", "--json", str(path)]) == 1
    row = json.loads(capsys.readouterr().out)
    assert row["fixes"] == [{"title": 'write `"Day"`', "safe": True, "edits": [{"start": 46, "end": 51, "text": '"Day"'}]}]
    assert source[46:51] == '"day"'
