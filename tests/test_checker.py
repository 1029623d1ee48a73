"""The checker on data cases: each `.flow` file says on the line of a mistake which codes are expected there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flow_cases import CASES, CATALOG, QUIET, expected, findings, marks
from nl2dsl.dsl.checker import CHECKS, Missing, check, missing
from nl2dsl.dsl.diagnostics import CODES, errors
from nl2dsl.dsl.text import parse

OF_FLOWS = {code for code in CODES if code[0] != "T"}  # T7xx are about what a flow is compiled to


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_every_mistake_is_found_on_its_line_and_nothing_else(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    want = expected(source)
    quiet = QUIET - {code for _, code in want}
    assert sorted((d.span.line, d.code) for d in findings(source) if d.code not in quiet) == want


@pytest.mark.parametrize("word", ["expect", "near"])
def test_every_code_has_a_case_and_a_near_miss(word: str) -> None:
    shown = {code for path in CASES for _, code in marks(path.read_text(encoding="utf-8"), word)}
    assert shown == OF_FLOWS


def test_findings_carry_only_registered_codes_and_missing_values_are_never_errors() -> None:
    for path in CASES:
        for d in findings(path.read_text(encoding="utf-8")):
            assert d.code in CODES
            assert not (d.code.startswith("M") and d.severity == "error")
            assert d.message[-1] not in ".!"


def hint_of(step: str) -> str:
    found = errors(findings('await commonTrigger.Recurrence({ "frequency": "Day" });\n' + step))
    assert len(found) == 1
    return found[0].hint


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("shared_mail.Sendd({});", "did you mean `shared_mail.Send`?"),
        ("shared_maill.Send({});", "did you mean `shared_mail.Send`?"),
        ("shared_letters.Send({});", "did you mean `shared_mail.Send`?"),
        ("shared_letters.Stamp({});", "see `nl2dsl catalog list`, or bring your own with --catalog"),
        ('shared_mail.Send({ "to": "x" });', "did you mean `message/To`?"),
        ('shared_mail.Send({ "message/Bodi": "x" });', "did you mean `message/Body`?"),
        ('shared_mail.Send({ "message/Importance": "high" });', "did you mean `High`?"),
        ('shared_mail.Send({ "message/IsHtml": "True" });', "write true without quotes"),
        ('builtin.Compose({ "inputs": formatDate(1) });', "did you mean `formatDateTime`?"),
        ('builtin.Compose({ "inputs": triggerOutput.body });', "did you mean `triggerOutputs`?"),
        ('let text: string = "";\ntext += 1;', 'use builtin.AppendToStringVariable({ "name": "text", "value": ... });'),
        ("let n: int = 1;", "did you mean `integer`?"),
    ],
)
def test_the_hint_says_what_to_write(step: str, hint: str) -> None:
    assert hint_of(step) == hint


def test_missing_lists_required_values_that_have_no_default_and_no_child() -> None:
    flow, _ = parse('await commonTrigger.Recurrence({});\nshared_mail.Send({});\nshared_sheet.AddRow({ "row/Total": 1 });')
    assert flow is not None
    assert missing(flow, CATALOG) == [
        Missing("commonTrigger.Recurrence", "frequency", "Frequency", "string"),
        Missing("shared_mail.Send", "message/To", "To", "string"),
        Missing("shared_sheet.AddRow", "table", "Table", "string"),
    ]


def test_an_operation_known_by_its_id_only_takes_any_parameter_anywhere() -> None:
    flow, _ = parse('await `Some Op/1.0`({ "a": 1 });\n`Some Op/1.0`({ "b": [2] });')
    assert flow is not None
    assert check(flow, CATALOG) == []


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ('shared_mail.`post /Mail`({ "method": "post", "path": "/Mail" });', "N201"),
        ("shared_mail.Sendd({});", "N201"),  # one letter from one that exists: still nothing to mend
        ("shared_male.Send({});", "N202"),
    ],
)
def test_a_step_that_says_itself_how_it_is_called_is_passed_on_and_never_mended(call: str, code: str) -> None:
    source = f'await commonTrigger.Recurrence({{ "frequency": "Day" }});\n@type("ApiConnection")\n{call}'
    assert [(d.code, d.severity, d.fixes) for d in findings(source)] == [(code, "info", ())]


@pytest.mark.parametrize(("value", "code"), [('base65("x")', "N205"), ("concat()", "P305"), ("formatNumber([], 1)", "P303")])
def test_functions_of_the_workflow_a_flow_was_made_from_are_passed_on_with_a_warning(value: str, code: str) -> None:
    source = f'await commonTrigger.Recurrence({{ "frequency": "Day" }});\nbuiltin.Compose({{ "inputs": {value} }});\n'
    assert [(d.code, d.severity) for d in findings(source) if d.severity != "info"] == [(code, "error")]
    vouched = source + f'@@functions("{value.partition("(")[0].upper()}")\n'
    assert [(d.code, d.severity, d.fixes) for d in findings(vouched) if d.severity != "info"] == [(code, "warning", ())]


def test_a_check_is_a_function_of_flow_and_catalog() -> None:
    flow, _ = parse("await commonTrigger.Recurrence({});")
    assert flow is not None
    assert [d.code for one in CHECKS for d in one(flow, CATALOG)] == ["M601"]


def test_parsing_and_checking_is_fast() -> None:
    source = (Path(__file__).parent / "flows" / "correct.flow").read_text(encoding="utf-8")
    findings(source)
    best = min(_seconds(source) for _ in range(5))
    assert best < 0.02  # about 2 ms for these fifty lines; the margin is for slow machines


def _seconds(source: str) -> float:
    start = time.process_time()
    findings(source)
    return time.process_time() - start
