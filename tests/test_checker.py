"""The checker on data cases: each `.flow` file says on the line of a mistake which codes are expected there."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.dsl.checker import CHECKS, Missing, check, missing
from nl2dsl.dsl.diagnostics import CODES, Diagnostic, errors
from nl2dsl.dsl.text import parse

CASES = sorted((Path(__file__).parent / "flows").glob("*.flow"))
QUIET = {"M601"}  # only compared in files that expect it


def small_catalog() -> Catalog:
    to = Parameter("message/To", required=True, title="To")
    send = (to, Parameter("message/Body"), Parameter("message/Importance", enum=("Low", "Normal", "High")), Parameter("message/IsHtml", "boolean"))
    table = Parameter("table", required=True, title="Table")
    rows = (table, Parameter("limit", "integer"), Parameter("columns", "array"))
    schedule = (
        Parameter("frequency", required=True, title="Frequency", enum=("Day", "Week")),
        Parameter("interval", "integer", required=True, default=1),
        Parameter("weekDays", "array", enum=("Monday", "Sunday")),
    )
    return Catalog(
        [
            Operation("commonTrigger", "Recurrence", "trigger", parameters=schedule),
            Operation("builtin", "Compose", "action", parameters=(Parameter("inputs", "any", required=True),)),
            Operation("builtin", "Terminate", "action", parameters=(Parameter("runStatus", enum=("Failed", "Cancelled")),)),
            Operation("shared_mail", "OnNewMail", "trigger"),
            Operation("shared_mail", "Send", "action", parameters=send),
            Operation("shared_mail", "SendOld", "action", deprecated=True),
            Operation("shared_mail", "Maybe", "action", verified=False),
            Operation("shared_sheet", "GetRows", "action", parameters=rows),
            Operation("shared_sheet", "AddRow", "action", parameters=(table, Parameter("row", "object", required=True, open=True))),
            Operation("", "Some Op/1.0", "any"),
        ]
    )


CATALOG = small_catalog()


def findings(source: str) -> list[Diagnostic]:
    flow, problems = parse(source)
    return problems if flow is None else check(flow, CATALOG)


def expected(source: str) -> list[tuple[int, str]]:
    found = []
    for number, line in enumerate(source.split("\n"), 1):
        for mark in re.finditer(r"// expect(-file)? ([A-Z\d ]+)", line):
            found += [(1 if mark[1] else number, code) for code in mark[2].split()]
    return sorted(found)


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_every_mistake_is_found_on_its_line_and_nothing_else(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    want = expected(source)
    quiet = QUIET - {code for _, code in want}
    assert sorted((d.span.line, d.code) for d in findings(source) if d.code not in quiet) == want


def test_every_code_has_a_case() -> None:
    shown = {code for path in CASES for _, code in expected(path.read_text(encoding="utf-8"))}
    assert shown == set(CODES)


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


def test_a_step_that_says_itself_how_it_is_called_is_passed_on_with_a_warning() -> None:
    source = 'await commonTrigger.Recurrence({ "frequency": "Day" });\n@type("ApiConnection")\nshared_mail.`post /Mail`({ "method": "post", "path": "/Mail" });'
    assert [(d.code, d.severity) for d in findings(source)] == [("N201", "warning")]


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
    start = time.perf_counter()
    findings(source)
    return time.perf_counter() - start
