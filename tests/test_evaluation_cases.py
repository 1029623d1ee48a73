"""Rows to measure on: every form is read, what is wrong is told at once, and a run gives back the rows it was given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.errors import CorpusError
from nl2dsl.evaluation import cases

CATALOG = catalogs.builtin()
SKETCH = 'shared_office365.OnNewEmailV3(from="a@b.c"); if ("subject" contains "late") { shared_teams.PostMessageToConversation() }'
GOLD = {
    "id": "g1",
    "query": "each day list my tasks and mail them",
    "style": "request",
    "tags": ["literal", "time"],
    "gold": {
        "trigger": "commonTrigger.Recurrence",
        "actions": ["shared_todo.ListToDosByFolderV2", "builtin.Compose", "shared_office365.SendEmailV2"],
    },
    "alternatives": [["commonTrigger.Recurrence", "shared_office365.SendEmailV2"]],
    "params": [{"op": "commonTrigger.Recurrence", "name": "recurrence/frequency", "value": "Day"}],
    "missing": [{"op": "shared_office365.SendEmailV2", "name": "To"}],
    "control": ["for"],
}


def rows(tmp_path: Path, *given: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row) if not isinstance(row, str) else row}\n" for row in given))
    return path


def test_a_sketch_becomes_a_whole_flow(tmp_path: Path) -> None:
    (case,) = cases.read(rows(tmp_path, {"query": "if a@b.c mails late, tell Teams", "sketch": SKETCH}), CATALOG)
    assert case.id == "row1" and case.gold == ("shared_office365.OnNewEmailV3", "shared_teams.PostMessageToConversation")
    assert case.control == ("if",) and case.nesting == 1 and case.dsl.startswith("triggerOutputs = await shared_office365.OnNewEmailV3(")
    assert case.stated == (("shared_office365.OnNewEmailV3", "from", "a@b.c"),)
    assert case.connectors == ("shared_office365", "shared_teams") and case.calls and case.helpers


def test_a_whole_flow_is_its_own_gold(tmp_path: Path) -> None:
    dsl = 'triggerOutputs = await commonTrigger.manual({});\nshared_teams.PostMessageToConversation({ "poster": "User" });\n'
    (case,) = cases.read(rows(tmp_path, {"id": "x", "query": "post it", "dsl": dsl}), CATALOG)
    assert case.gold == ("commonTrigger.manual", "shared_teams.PostMessageToConversation") and case.nesting == 0
    assert case.stated == (("shared_teams.PostMessageToConversation", "poster", "User"),)


def test_gold_operations_do_not_count_helpers(tmp_path: Path) -> None:
    (case,) = cases.read(rows(tmp_path, GOLD), CATALOG)
    assert case.gold == ("commonTrigger.Recurrence", "shared_todo.ListToDosByFolderV2", "shared_office365.SendEmailV2")
    assert case.answers[1] == ("commonTrigger.Recurrence", "shared_office365.SendEmailV2")
    assert case.calls is None and case.dsl == "" and not case.helpers and case.control == ("for",)
    assert case.open == (("shared_office365.SendEmailV2", "To"),)
    assert case.facets == {"style": "request", "tags": "literal time"}
    assert case.counted(["builtin.Compose", "shared_x.Y", "builtin.Http"]) == ["shared_x.Y", "builtin.Http"]


def test_a_request_to_refuse_has_no_right_flow(tmp_path: Path) -> None:
    (case,) = cases.read(rows(tmp_path, {"query": "hurt them", "refuse": "violence"}), CATALOG)
    assert case.refuse == "violence" and case.answers == () and case.gold == ()


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = rows(
        tmp_path,
        {"query": "a", "refuse": "rudeness"},
        {"query": "b"},
        {"query": "c", "dsl": "if ("},
        {"query": "d", "sketch": "x.y("},
        {"query": "e", "gold": {"actions": []}},
        {"query": "f", "gold": {"trigger": "a.b", "actions": "c"}},
    )
    with pytest.raises(CorpusError) as told:
        cases.read(path, CATALOG)
    lines = str(told.value).splitlines()
    assert len(lines) == 6 and lines[-1] == "… and 1 more problems" and told.value.hint
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in lines[:5]] == ["1", "2", "3", "4", "5"]
    assert "rudeness" in lines[0] and "what would be right" in lines[1] and "`dsl` is no flow" in lines[2] and "`trigger` is missing" in lines[4]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "no rows"),
        (["{"], "not JSON"),
        (['{"query": "half a \\ud83d", "refuse": "misuse"}'], "surrogates not allowed"),
        ([{"sketch": SKETCH}], "`query` is missing"),
        ([{"id": "a", "query": "x", "sketch": SKETCH}, {"id": "a", "query": "y", "sketch": SKETCH}], "more than once"),
    ],
)
def test_a_file_without_usable_rows_is_told(given: list[object], why: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=why):
        cases.read(rows(tmp_path, *given), CATALOG)


def test_a_shorter_draw_is_part_of_a_longer_one(tmp_path: Path) -> None:
    path = rows(tmp_path, *({"query": f"request {i}", "refuse": "misuse"} for i in range(50)))
    few, many = ({c.id for c in cases.read(path, CATALOG, limit)} for limit in (10, 30))
    assert len(few) == 10 and few < many and len(cases.read(path, CATALOG, 80)) == 50


def test_rows_survive_being_kept(tmp_path: Path) -> None:
    found = cases.read(rows(tmp_path, GOLD, {"query": "q", "sketch": SKETCH}, {"query": "r", "refuse": "misuse"}), CATALOG)
    kept = [cases.of_row(json.loads(json.dumps(cases.to_row(c)))) for c in found]
    assert kept == found and cases.digest(kept) == cases.digest(found)


def test_the_shipped_rows_are_forty_and_readable() -> None:
    found = cases.read(Path(__file__).parents[1] / "data/evaluate/smoke.jsonl", CATALOG)
    assert len(found) == 40 and sum(bool(c.refuse) for c in found) == 4
    assert all(o in CATALOG for c in found for o in c.gold)
    assert {c.facets["style"] for c in found} >= {"request", "title", "terse", "conversational", "multi_sentence", "noisy"}
