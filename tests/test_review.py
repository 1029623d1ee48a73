"""Review of a corpus: decisions that are never lost, agreement, sampling, what may be saved, a server that answers its own page only, and the page itself in a browser."""

from __future__ import annotations

import http.client
import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError

from nl2dsl import cli, example
from nl2dsl.catalog import read as catalogs
from nl2dsl.corpus.review import rows, sampling
from nl2dsl.corpus.review.agreement import agreements, cohen
from nl2dsl.corpus.review.cards import look
from nl2dsl.corpus.review.decisions import Decision, Decisions, Sampled, current, last, settled
from nl2dsl.corpus.review.export import card_of, edited, export
from nl2dsl.corpus.review.server import Server
from nl2dsl.corpus.review.session import Session, default_database, drawn, reviewer_name
from nl2dsl.dsl import sketch, tree, wiring
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.errors import CorpusError, UsageError
from nl2dsl.generate import Generator
from nl2dsl.outcome import Authored, Facts, Failed, Outcome

CATALOG = catalogs.builtin()
DAILY = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'
WRONG = DAILY + "x = shared_office365.SendMail({});\n"
EVIL = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'> \"&' \u2028 {{7*7}}"
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


def mail(subject: str) -> str:
    return DAILY + f'outputs_shared_office365_SendEmailV2 = shared_office365.SendEmailV2({{ "emailMessage/Subject": "{subject}" }});\n'


def row(number: int, **more: Any) -> dict[str, Any]:
    """A row as `nl2dsl corpus` writes it: the flow is what wiring makes of the sketch."""
    query = f"every day mail me report {number}"
    said = f'commonTrigger.Recurrence(frequency="Day", interval=1); shared_office365.SendEmailV2(emailMessage/Subject="report {number}")'
    flow = wiring.complete(sketch.parse(said), CATALOG, query)
    made = {"id": f"tr{number:06d}", "query": query, "sketch": said, "dsl": unparse(flow), "operations": tree.operations(flow)}
    return made | {"source": "written", "split": "train"} | more


def corpus(place: Path, *made: dict[str, Any], name: str = "train.jsonl") -> Path:
    path = place / name
    path.write_text("".join(json.dumps(r) + "\n" for r in made), encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Decisions]:
    opened = Decisions(tmp_path / "decisions.sqlite")
    yield opened
    opened.close()


def session(table: Decisions, *made: dict[str, Any], reviewer: str = "anna") -> Session:
    items = [rows.Item(rows.digest(r["query"], r["dsl"]), r["id"], r["query"], r["dsl"], r) for r in made]
    return Session(items, [Sampled(i.digest, None, "") for i in items], table, CATALOG, reviewer, "train.jsonl")


def places(s: Session) -> list[str]:
    return [one.digest for one in s.sampled]


# --- agreement


def pairs(table: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    return [pair for pair, n in table.items() for _ in range(n)]


def square(*counts: list[int]) -> list[tuple[str, str]]:
    return pairs({(f"c{i}", f"c{j}"): n for i, line in enumerate(counts) for j, n in enumerate(line)})


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),  # (0.7 - 0.5) / 0.5
        ([[45, 15], [25, 15]], 0.06 / 0.46),  # (0.60 - 0.54) / (1 - 0.54)
        ([[25, 35], [5, 35]], (0.60 - 0.46) / (1 - 0.46)),
        ([[10, 10], [10, 10]], 0.0),
        ([[0, 10], [10, 0]], -1.0),
        ([[30, 0, 0], [0, 20, 0], [0, 0, 10]], 1.0),
    ],
)
def test_kappa_is_that_of_the_closed_form(table: list[list[int]], kappa: float) -> None:
    assert cohen(square(*table)).value == pytest.approx(kappa, abs=1e-12)


def test_kappa_and_its_interval_are_those_of_two_film_critics() -> None:
    """Agresti, An Introduction to Categorical Data Analysis: kappa 0.389, standard error 0.060, n 160."""
    found = cohen(square([24, 8, 13], [8, 13, 11], [10, 9, 64]))
    assert (round(cast(float, found.value), 3), found.n) == (0.389, 160)
    assert round((found.high - found.low) / 2 / 1.959963984540054, 3) == 0.060


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=9, max_size=9))
def test_the_interval_is_that_of_the_delta_method(cells: list[int]) -> None:
    """Numerically: var = (sum p g^2 - (sum p g)^2) / n with g the slope of kappa in each cell's share."""
    n = sum(cells)

    def kappa(p: list[float]) -> float:
        whole = sum(p)
        p = [x / whole for x in p]
        chance = sum(sum(p[3 * i + j] for j in range(3)) * sum(p[3 * j + i] for j in range(3)) for i in range(3))
        return (p[0] + p[4] + p[8] - chance) / (1 - chance)

    shares, step = [c / n for c in cells], 1e-6
    slopes = [
        (kappa([*shares[:i], x + step, *shares[i + 1 :]]) - kappa([*shares[:i], x - step, *shares[i + 1 :]])) / 2 / step for i, x in enumerate(shares)
    ]
    mean = sum(p * g for p, g in zip(shares, slopes, strict=True))
    spread = 1.959963984540054 * math.sqrt(sum(p * (g - mean) ** 2 for p, g in zip(shares, slopes, strict=True)) / n)
    found = cohen(square(cells[:3], cells[3:6], cells[6:]))
    value = cast(float, found.value)
    assert found.low == pytest.approx(max(-1.0, value - spread), abs=1e-6)
    assert found.high == pytest.approx(min(1.0, value + spread), abs=1e-6)


def test_kappa_says_what_it_cannot_know() -> None:
    assert cohen([]).value is None
    assert cohen([("accept", "accept")] * 9).value is None  # one word for everything: chance agrees, too
    perfect = cohen([("accept", "accept")] * 5 + [("reject", "reject")] * 5)
    assert perfect.value == 1.0
    assert 0 < perfect.low < 0.6  # ten rows prove little


def test_agreement_counts_rows_of_both_and_no_final_decisions() -> None:
    lines = [
        Decision(str(i), str(i), who, verdict)
        for who, verdicts in (("ben", "aarr"), ("anna", "aara"))
        for i, verdict in enumerate({"a": "accept", "r": "reject"}[v] for v in verdicts)
    ]  # type: ignore[arg-type]
    lines += [Decision("9", "9", "anna", "accept"), Decision("3", "3", "anna", "reject", final=True)]
    (found,) = agreements(lines)
    assert (found.first, found.second, found.kappa.n, found.kappa.observed) == ("anna", "ben", 4, 0.75)
    assert found.table == {"accept/accept": 2, "accept/reject": 1, "reject/reject": 1}
    assert found.kappa.value == pytest.approx((0.75 - 0.5) / 0.5)
    assert agreements(lines, among={"9"}) == []


# --- the table of decisions


def test_decisions_are_there_after_opening_the_table_again(tmp_path: Path) -> None:
    for number in range(3):
        opened = Decisions(tmp_path / "d.sqlite")
        opened.add(Decision("x", "tr1", "anna", "reject", reason=f"{number} ' \" ü 漢 \n"))
        opened.close()
    opened = Decisions(tmp_path / "d.sqlite")
    kept = opened.all()
    opened.close()
    assert [d.reason for d in kept] == [f"{n} ' \" ü 漢 \n" for n in range(3)]
    assert [d.at for d in kept] == sorted(d.at for d in kept) and all(d.at.endswith("+00:00") and d.key for d in kept)


@pytest.mark.parametrize("change", ["DELETE FROM decisions", "UPDATE decisions SET verdict = 'reject'"])
def test_no_decision_can_be_changed_or_removed(table: Decisions, change: str) -> None:
    table.add(Decision("x", "tr1", "anna", "accept"))
    with pytest.raises(DatabaseError, match="decisions are only added"), table._engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert [d.verdict for d in table.all()] == ["accept"]


def test_a_decision_sent_twice_is_one(table: Decisions) -> None:
    for _ in range(2):
        table.add(Decision("x", "tr1", "anna", "accept", key="k"))
    table.add(Decision("x", "tr1", "ben", "accept", key="other"))
    assert [d.reviewer for d in table.all()] == ["anna", "ben"]


def test_taking_back_brings_the_earlier_decision_up_again() -> None:
    lines = [Decision("x", "", "anna", "accept"), Decision("x", "", "anna", "reject", reason="no"), Decision("y", "", "anna", "accept")]
    assert last(lines, "anna") == lines[2]
    lines.append(Decision("y", "", "anna", "undo"))
    assert last(lines, "anna") == lines[1]
    lines.append(Decision("x", "", "anna", "undo"))
    assert current(lines) == {("x", "anna", False): lines[0]}
    lines.append(Decision("x", "", "anna", "undo"))
    assert (current(lines), last(lines, "anna")) == ({}, None)
    assert current([*lines, Decision("x", "", "anna", "undo")]) == {}


def test_rows_settle_by_agreement_or_by_a_final_decision() -> None:
    same = [Decision("x", "", who, "edit", query="q", dsl="d") for who in ("anna", "ben")]
    assert settled(same)["x"].verdict == "edit"
    other = [same[0], Decision("x", "", "ben", "edit", query="q", dsl="another")]
    assert settled(other)["x"].verdict == "disputed"
    final = Decision("x", "", "carla", "reject", final=True, reason="both", at="2026-01-02")
    assert settled([*other, final])["x"] == ("reject", (final,))
    later = Decision("x", "", "ben", "accept", final=True, at="2026-01-03")
    assert settled([later, *other, final])["x"].by == (later,)
    assert settled([*other, final, Decision("x", "", "carla", "undo", final=True)])["x"].verdict == "disputed"


def test_two_processes_may_write_at_the_same_time(tmp_path: Path) -> None:
    tables = [Decisions(tmp_path / "d.sqlite") for _ in range(4)]

    def work(number: int) -> None:
        for i in range(10):
            tables[number].add(Decision(f"{i}", "", f"r{number}", "accept"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(tables[0].all()) == 40
    for opened in tables:
        opened.close()


def test_databases_that_cannot_be_used_are_told_with_a_hint(tmp_path: Path) -> None:
    other = tmp_path / "notes.sqlite"
    other.write_text("these are notes, not a database at all\n" * 50)
    with pytest.raises(CorpusError, match="not a database") as told:
        Decisions(other)
    assert "another name" in told.value.hint
    with pytest.raises(UsageError, match="is a folder"):
        Decisions(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        Decisions("://nonsense")
    with pytest.raises(UsageError, match="`mysql` are not supported"):
        Decisions("mysql://u:p@h/x")
    with pytest.raises(CorpusError) as told:
        Decisions("postgresql://anna:geheim@127.0.0.1:9/x")
    assert "geheim" not in str(told.value) and "anna" in str(told.value) and "server up" in told.value.hint


# --- rows


def test_rows_are_known_by_request_and_flow_not_by_id(tmp_path: Path) -> None:
    first, again = rows.read(corpus(tmp_path, row(1), row(1, id="other", source="x")))
    assert first.digest == again.digest != rows.digest(first.query, first.dsl + " ")
    assert len(rows.digest("\ud800", "x")) == 64


def test_a_folder_is_read_split_by_split(tmp_path: Path) -> None:
    corpus(tmp_path, row(2), name="test.jsonl")
    corpus(tmp_path, row(1), name="train.jsonl")
    corpus(tmp_path, {"what": "something else"}, name="teacher.jsonl")
    assert [i.id for i in rows.read(tmp_path)] == ["tr000001", "tr000002"]
    assert default_database(tmp_path) == tmp_path / "review.sqlite"
    assert default_database(tmp_path / "train.jsonl.gz") == tmp_path / "train.review.sqlite"


def test_data_that_is_no_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus in this folder"):
        rows.read(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        rows.read(tmp_path / "train.jsonl")
    with pytest.raises(CorpusError, match="no rows"):
        rows.read(corpus(tmp_path))
    with pytest.raises(CorpusError, match=r"train\.jsonl:2: `dsl` is missing"):
        rows.read(corpus(tmp_path, row(1), {"query": "x"}))


@pytest.mark.parametrize("value", [True, "0.4", 1.5, -0.1, math.nan, None])
def test_only_a_probability_is_a_confidence(value: object) -> None:
    assert rows.Item("", "", "", "", {"confidence": value}).confidence is None


# --- sampling


def items(*made: dict[str, Any]) -> list[rows.Item]:
    return [rows.Item(rows.digest(r["query"], r["dsl"]), r["id"], r["query"], r["dsl"], r) for r in made]


def writes(*operations: str, confidence: float = 0.5) -> Any:
    flow = parse(DAILY)[0]
    assert flow is not None
    return lambda query: Authored(Facts(query), "", flow, {}, operations, confidence=confidence)


def test_rows_of_low_confidence_come_first() -> None:
    found = sampling.sample(items(*(row(n, confidence=n / 10) for n in (5, 1, 9, 3))), 3)
    assert [s.why for s in found] == ["confidence 10%", "confidence 30%", "confidence 50%"]
    assert [s.uncertainty for s in found] == pytest.approx([0.9, 0.7, 0.5])


def test_rows_for_which_the_model_writes_another_flow_come_first() -> None:
    given = items(*(row(n) for n in range(4)))
    answers: dict[str, Outcome] = {
        "0": writes(*given[0].row["operations"])(""),
        "1": writes("commonTrigger.Recurrence", "shared_teams.Post")(""),
        "2": writes("shared_x.On", "shared_x.Do")(""),
        "3": Failed(Facts(""), ()),
    }
    found = sampling.sample(given, 4, "model", write=lambda query: answers[query[-1]])
    order = [next(i.query[-1] for i in given if i.digest == s.digest) for s in found]
    assert order == ["3", "2", "1", "0"]
    assert [s.uncertainty for s in found] == [1.0, 1.0, 0.5, 0.0]
    assert "writes Recurrence, Post (similarity 0.50)" in found[2].why


def test_the_model_is_asked_only_about_rows_without_a_confidence_and_not_about_all() -> None:
    asked: list[str] = []

    def write(query: str) -> Outcome:
        asked.append(query)
        return Failed(Facts(query), ())

    mixed = items(*(row(n) for n in range(30)), *(row(n, confidence=0.5) for n in range(30, 35)))
    found = sampling.sample(mixed, 6, write=write)
    assert len(asked) == 2 * 6 and not {i.query for i in mixed[30:]} & set(asked)
    assert [s.uncertainty for s in found] == [1.0] * 6


def test_the_same_seed_draws_the_same_rows_whatever_their_order() -> None:
    given = items(*(row(n) for n in range(20)))
    first = sampling.sample(given, 8, "random", 3)
    assert first == sampling.sample(given[::-1], 8, "random", 3) != sampling.sample(given, 8, "random", 4)
    assert len({s.digest for s in sampling.sample(given + given, 50, "random")}) == 20
    assert [s.digest for s in sampling.sample(given, 3, "order")] == [i.digest for i in given[:3]]
    with pytest.raises(UsageError, match="no row has a `confidence`"):
        sampling.sample(given, 3, "confidence")


def test_every_reviewer_gets_the_sample_that_was_kept(table: Decisions) -> None:
    given = items(*(row(n) for n in range(9)))
    first = drawn(given, table, 5, "model", write=writes("shared_x.On"))
    assert drawn(given, table, 5, "model", write=writes("shared_y.On", confidence=0.1)) == first
    assert drawn(given[:8], table, 5, "order") != first
    assert table.keep_sample("one", first) == first == table.keep_sample("one", first[::-1])


# --- flows as cards

EVERYTHING = """// first
triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });
let total: integer = 0;
outputs_shared_sharepointonline_GetItems = shared_sharepointonline.GetItems({ "table": "Invoices" });
for (item of outputs_shared_sharepointonline_GetItems.body.value) {
  if (item.Status == "Done") {
    total += 1;
  } else {
    outputs_shared_office365_SendEmailV2 = shared_office365.SendEmailV2({ "emailMessage/To": item.Owner, "emailMessage/Subject": "late" });
  }
}
switch (total) { case 1: { total = 2; } default: { total = 3; } }
do { total += 1; } until (total > 5);
try { outputs_shared_dropbox_ListRootFolder = shared_dropbox.ListRootFolder({}); } catch { builtin.Terminate({ "runStatus": "Failed" }); } finally { total = 1; }
parallel { { total = 4; } { total = 5; } }
scope { total = 6; }
"""


def test_every_kind_of_step_has_a_card_in_the_order_of_the_flow() -> None:
    seen = look(EVERYTHING, CATALOG)
    assert [c["kind"] for c in seen.cards] == ["trigger", "variable", "call", "for", "switch", "until", "try", "parallel", "scope"]
    trigger, _, listed, loop, switch, until, tried, parallel, _ = seen.cards
    assert trigger["comment"] == "first"
    assert (listed["service"], listed["values"][0]["text"], listed["values"][0]["code"]) == ("SharePoint", "Invoices", False)
    assert any("dataset" in m for m in listed["missing"])
    assert loop["code"] == "GetItems.body.value"
    (inside,) = loop["blocks"][0]["steps"]
    assert (inside["title"], [b["label"] for b in inside["blocks"]]) == ("the status is Done", ["then", "otherwise"])
    sent = inside["blocks"][1]["steps"][0]
    assert [(v["label"], v["text"], v["code"]) for v in sent["values"]] == [("To", "item.Owner", True), ("Subject", "late", False)]
    assert [b["label"] for b in switch["blocks"]] == ["case 1", "otherwise"]
    assert until["title"].startswith("repeat until")
    assert [b["label"] for b in tried["blocks"]] == ["try", "if that fails", "at the end"]
    assert len(parallel["blocks"]) == 2


def test_a_text_with_errors_has_findings_with_caret_and_hint() -> None:
    seen = look(WRONG, CATALOG)
    assert seen.errors == 1
    assert seen.findings[0]["line"] == 2
    assert "^^^^" in seen.findings[0]["text"] and "hint: did you mean" in seen.findings[0]["text"]
    assert look("", CATALOG).errors == 1 and look("", CATALOG).cards == []
    assert look('refuse("violence");', CATALOG).errors == 0


# --- deciding


def test_decisions_move_through_the_queue(table: Decisions) -> None:
    anna = session(table, row(1), row(2), row(3))
    one, two, three = places(anna)
    anna.decide({"row": one, "verdict": "accept", "seconds": 4})
    anna.decide({"row": two, "verdict": "reject", "reason": " wrong \x00 operation ", "seconds": 6.5})
    state = anna.decide({"row": three, "verdict": "edit", "query": "mail me", "dsl": mail("new")})
    assert [q["verdict"] for q in state["queue"]] == ["accept", "reject", "edit"]
    assert (state["counts"], state["pace"], state["reviewers"]) == ({"accept": 1, "reject": 1, "edit": 1}, 5.25, {"anna": 3})
    assert anna.row(two)["decision"]["reason"] == "wrong operation"
    assert (anna.row(three)["decision"]["query"], anna.row(three)["query"]) == ("mail me", "every day mail me report 3")
    state = anna.undo()
    assert state["undone"] == {"row": three, "verdict": "edit", "final": False}
    assert [q["verdict"] for q in state["queue"]] == ["accept", "reject", ""]
    assert anna.row(three)["decision"] is None
    anna.undo(), anna.undo()
    with pytest.raises(UsageError, match="nothing to take back"):
        anna.undo()
    assert len(table.all()) == 6


def test_a_flow_with_errors_is_neither_accepted_nor_saved_as_an_edit(table: Decisions) -> None:
    anna = session(table, row(1, dsl=WRONG), row(2))
    bad, good = places(anna)
    with pytest.raises(UsageError, match="the flow has errors: N201 in line 2") as told:
        anna.decide({"row": bad, "verdict": "accept"})
    assert "edit the flow" in told.value.hint
    with pytest.raises(UsageError, match="the flow has errors: N201"):
        anna.decide({"row": good, "verdict": "edit", "query": "x", "dsl": WRONG})
    assert table.all() == []
    anna.decide({"row": bad, "verdict": "reject", "reason": "x"})
    anna.decide({"row": bad, "verdict": "edit", "query": "mail me", "dsl": mail("x")})
    assert [d.verdict for d in table.all()] == ["reject", "edit"]


def test_an_edit_is_kept_in_canonical_form_and_one_that_changes_nothing_is_an_acceptance(table: Decisions) -> None:
    anna = session(table, row(1))
    (place,) = places(anna)
    anna.decide({"row": place, "verdict": "edit", "query": "  mail\r\n me ", "dsl": mail("x").replace("{ ", "{").replace("\n", "\r\n")})
    kept = table.all()[-1]
    assert (kept.verdict, kept.query, kept.dsl) == ("edit", "mail me", mail("x"))
    anna.decide({"row": place, "verdict": "edit", "query": "every day  mail me report 1", "dsl": row(1)["dsl"].replace(";\n", " ;\n")})
    assert (table.all()[-1].verdict, table.all()[-1].dsl) == ("accept", "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"verdict": "maybe"}, "accept, edit or reject"),
        ({"verdict": "undo"}, "accept, edit or reject"),
        ({"verdict": "reject"}, "why is it rejected?"),
        ({"verdict": "reject", "reason": " \n\x00"}, "why is it rejected?"),
        ({"verdict": "reject", "reason": 5}, "no text"),
        ({"verdict": "reject", "reason": "x" * 501}, "more than 500 characters"),
        ({"verdict": "edit"}, "the request is no text"),
        ({"verdict": "edit", "query": " ", "dsl": DAILY}, "the request is empty"),
        ({"verdict": "edit", "query": "x"}, "the flow is no text"),
        ({"verdict": "edit", "query": "x", "dsl": "x" * 100_001}, "more than 100,000"),
        ({"verdict": "edit", "query": "x" * 4001, "dsl": DAILY}, "more than 4,000"),
        ({"verdict": "accept", "seconds": "1"}, "`seconds`"),
        ({"verdict": "accept", "seconds": math.inf}, "`seconds`"),
        ({"verdict": "accept", "final": 1}, "`final`"),
        ({"verdict": "accept", "key": "ü"}, "`key`"),
        ({"verdict": "accept", "key": ["x"]}, "`key`"),
        ({"verdict": "accept", "row": "no"}, "no such row"),
        ({"verdict": "accept", "row": ["x"]}, "no such row"),
    ],
)
def test_what_is_no_decision_is_told_and_not_kept(table: Decisions, given: dict[str, Any], told: str) -> None:
    anna = session(table, row(1))
    with pytest.raises(UsageError, match=told):
        anna.decide({"row": places(anna)[0]} | given)
    assert table.all() == []


def test_reviewers_see_where_they_disagree_and_one_settles_it(table: Decisions) -> None:
    made = [row(n) for n in range(4)]
    anna, ben = session(table, *made), session(table, *made, reviewer="ben")
    for number, place in enumerate(places(anna)):
        anna.decide({"row": place, "verdict": "accept"})
        ben.decide({"row": place, "verdict": "accept"} if number else {"row": place, "verdict": "edit", "query": "mail", "dsl": mail("ben's")})
    state = anna.state()
    assert (state["disputed"], state["reviewers"]) == (1, {"anna": 4, "ben": 4})
    assert (state["agreement"][0]["reviewers"], state["agreement"][0]["observed"]) == (["anna", "ben"], 0.75)
    (dispute,) = anna.disagreements()
    assert [(d["reviewer"], d["verdict"]) for d in dispute["by"]] == [("anna", "accept"), ("ben", "edit")]
    assert dispute["by"][1]["dsl"] == mail("ben's")
    state = anna.decide({"row": dispute["row"], "verdict": "reject", "reason": "neither", "final": True})
    assert (state["disputed"], anna.disagreements()) == (0, [])
    assert state["agreement"][0]["observed"] == 0.75  # settling is not agreeing
    assert state["counts"] == {"accept": 4}
    assert anna.undo()["disputed"] == 1


def test_who_reviews_must_have_a_name() -> None:
    assert reviewer_name("  Anna\x00 \u202eM. ") == "Anna \u202eM."
    assert reviewer_name(None)
    for name in ("", " \n", "x" * 101):
        with pytest.raises(UsageError):
            reviewer_name(name)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60) | st.text(max_size=20).map(lambda t: DAILY + t) | st.text(max_size=20).map(lambda t: mail(t)))
def test_any_text_can_be_checked_while_it_is_typed(text: str) -> None:
    found = Session([], [], cast(Decisions, None), CATALOG, "anna").check(text)
    json.dumps(found)
    assert found["errors"] or found["cards"]


# --- the corpus with the decisions applied


def test_accepted_and_edited_rows_are_written_rejected_and_disputed_ones_are_not(tmp_path: Path, table: Decisions) -> None:
    made = [row(n) for n in range(6)]
    data = corpus(tmp_path, *made)
    anna, ben = session(table, *made), session(table, *made, reviewer="ben")
    ids = places(anna)
    anna.decide({"row": ids[0], "verdict": "accept"})
    anna.decide({"row": ids[1], "verdict": "edit", "query": "every day mail me the news", "dsl": made[1]["dsl"].replace("report 1", "the news")})
    anna.decide({"row": ids[2], "verdict": "reject", "reason": "wrong operation"})
    anna.decide({"row": ids[3], "verdict": "accept"})
    ben.decide({"row": ids[3], "verdict": "reject", "reason": "private data"})
    anna.decide({"row": ids[4], "verdict": "accept"})
    anna.undo()
    card = export(data, table, tmp_path / "out.jsonl", CATALOG)
    assert card["counts"] == {"accepted": 1, "edited": 1, "rejected": 1, "disputed": 1, "undecided": 2, "written": 4, "edited, without a sketch": 0}
    written = list(example.read(tmp_path / "out.jsonl"))
    assert [w.id for w in written] == [made[n]["id"] for n in (0, 1, 4, 5)]
    assert written[0].query == made[0]["query"]
    assert written[1].query == "every day mail me the news" and '"the news"' in written[1].dsl
    assert written[1].sketch == made[1]["sketch"].replace("report 1", "the news")
    assert unparse(wiring.complete(sketch.parse(written[1].sketch), CATALOG, written[1].query)) == written[1].dsl
    assert json.loads(card_of(tmp_path / "out.jsonl").read_text()) == card
    assert (card["rows"], card["reviewers"]) == (6, {"anna": {"accepted": 2, "edited": 1, "rejected": 1}, "ben": {"rejected": 1}})
    assert (card["agreement"][0]["n"], card["agreement"][0]["observed"], card["reasons"]) == (1, 0.0, {"wrong operation": 1})
    assert (card["decisions"], card["decisions_about_other_rows"]) == (7, 0)
    only = export(data, table, tmp_path / "only.jsonl", CATALOG, only_decided=True)
    assert only["counts"]["written"] == 2
    again = export(data, table, tmp_path / "again.jsonl", CATALOG)
    assert again == card


def test_decisions_about_a_row_that_changed_do_not_apply(tmp_path: Path, table: Decisions) -> None:
    anna = session(table, row(1))
    anna.decide({"row": places(anna)[0], "verdict": "reject", "reason": "x"})
    card = export(corpus(tmp_path, row(1, query="another request")), table, tmp_path / "out.jsonl", CATALOG)
    assert (card["counts"]["undecided"], card["counts"]["rejected"], card["decisions_about_other_rows"]) == (1, 0, 1)


def test_what_follows_from_a_flow_is_made_anew_for_an_edited_one() -> None:
    before = row(1, confidence=0.3, control=["if"], calls=[], missing=[], workflow={"old": 1}, signatures=["x"], steps="first", seconds={})
    after = edited(before, "when a file comes, mail it", EVERYTHING, CATALOG)
    flow = parse(EVERYTHING)[0]
    assert flow is not None
    assert after["operations"] == tree.operations(flow)
    assert after["control"] == ["for", "if", "switch", "until"]
    assert after["calls"][1]["parameters"] == {"table": "Invoices"}
    assert after["signatures"] == list(dict.fromkeys(tree.operations(flow)))
    assert "definition" in after["workflow"] or "triggers" in json.dumps(after["workflow"])
    assert (after["sketch"], after["steps"]) == ("", "")  # variables and try have no sketch
    assert "confidence" not in after and "seconds" not in after
    assert (after["id"], after["source"]) == (before["id"], before["source"])
    only_words = edited(before, "mail me report 1 daily", before["dsl"], CATALOG)
    assert (only_words["sketch"], only_words["confidence"], only_words["workflow"]) == (before["sketch"], 0.3, {"old": 1})


def test_conditions_keep_their_words_when_a_value_is_edited() -> None:
    query = "when a form is answered, ask Tom; if he approves mail me done"
    said = 'shared_microsoftforms.CreateFormWebhook(); shared_approvals.StartAndWaitForAnApproval(); if (approved) { shared_office365.SendEmailV2(emailMessage/Subject="done") }'
    flow = wiring.complete(sketch.parse(said), CATALOG, query)
    before = row(1, query=query, sketch=said, dsl=unparse(flow))
    after = edited(before, query.replace("done", "fine"), before["dsl"].replace('"done"', '"fine"'), CATALOG)
    assert after["sketch"] == said.replace("done", "fine")
    moved = before["dsl"].replace("if (", "if (true == true && ", 1)
    assert edited(before, query, moved, CATALOG)["sketch"] == ""  # no words say this condition


def test_the_data_itself_is_not_written_over(tmp_path: Path, table: Decisions) -> None:
    data = corpus(tmp_path, row(1))
    for out in (data, tmp_path / "sub" / ".." / "train.jsonl"):
        (tmp_path / "sub").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match="is the data itself"):
            export(data, table, out, CATALOG)
    with pytest.raises(UsageError, match="JSON lines"):
        export(data, table, "-", CATALOG)


# --- the server


@contextmanager
def served(s: Session) -> Iterator[Server]:
    server = Server(s)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(
    server: Server, path: str, body: object = None, method: str = "", raw: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """One request as the page sends it, unless `headers` say otherwise (an empty one is left out)."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    sent = {"Host": f"127.0.0.1:{server.server_port}", "Authorization": f"Bearer {server.token}"}
    data = json.dumps(body).encode() if body is not None else raw
    if data is not None:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(data)), "Origin": f"http://127.0.0.1:{server.server_port}"}
    sent = {k: v for k, v in (sent | {k.replace("_", "-"): v for k, v in headers.items()}).items() if v}
    connection.putrequest(method or ("POST" if data is not None else "GET"), path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    if data is not None:
        connection.send(data)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, dict(answer.headers), json.loads(text) if is_json else text


def test_the_server_serves_the_page_and_its_data(table: Decisions) -> None:
    anna = session(table, row(1), row(2))
    with served(anna) as server:
        assert server.server_address[0] == "127.0.0.1"
        status, headers, page = ask(server, "/", Authorization="")
        assert status == 200 and '<script src="/page.js" defer>' in page
        assert "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"], headers["Referrer-Policy"]) == ("nosniff", "no-store", "no-referrer")
        for asset in ("/page.css", "/page.js"):
            status, _, text = ask(server, asset)
            assert status == 200 and "http://" not in text and "https://" not in text
        assert ask(server, "/api/state")[2]["reviewer"] == "anna"
        place = places(anna)[0]
        assert ask(server, f"/api/row?row={place}")[2]["query"] == row(1)["query"]
        assert ask(server, "/api/check", {"dsl": WRONG})[2]["errors"] == 1
        assert ask(server, "/api/decide", {"row": place, "verdict": "accept"})[2]["counts"] == {"accept": 1}
        assert ask(server, "/api/disagreements")[2] == []
        assert ask(server, "/api/undo", {})[2]["undone"]["row"] == place
        assert server.token in server.link and "#" in server.link


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {"Authorization": ""}),
        (401, {"Authorization": "Bearer wrong"}),
        (401, {"Authorization": "Bearer \xfc"}),
        (403, {"Origin": "https://evil.example"}),
        (403, {"Origin": "null"}),
        (403, {"Origin": "http://127.0.0.1:1"}),
        (403, {"Sec_Fetch_Site": "cross-site"}),
        (403, {"Sec_Fetch_Site": "same-site"}),
        (421, {"Host": "evil.example"}),
        (421, {"Host": ""}),
        (421, {"Host": "127.0.0.1"}),
        (415, {"Content_Type": "text/plain"}),
        (415, {"Content_Type": "application/x-www-form-urlencoded"}),
        (413, {"Content_Length": "9999999"}),
        (413, {"Content_Length": "-1"}),
        (413, {"Content_Length": "1" * 5000}),
    ],
)
def test_only_the_page_itself_may_decide(table: Decisions, status: int, headers: dict[str, str]) -> None:
    anna = session(table, row(1))
    with served(anna) as server:
        answer = ask(server, "/api/decide", {"row": places(anna)[0], "verdict": "accept"}, **headers)
        assert (answer[0], set(answer[2])) == (status, {"error", "hint"})
        assert "Access-Control-Allow-Origin" not in answer[1]
    assert table.all() == []


def test_requests_that_make_no_sense_are_answered_in_words(table: Decisions) -> None:
    anna = session(table, row(1))
    with served(anna) as server:
        for raw in (b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'"x"'):
            assert ask(server, "/api/decide", raw=raw)[0] == 400
        assert ask(server, "/api/nothing")[0] == 404 == ask(server, "/api/nothing", {})[0]
        assert ask(server, "/../server.py")[0] == 404
        assert ask(server, "/api/row?row=%00")[0] == 422
        status, _, told = ask(server, "/api/decide", {"row": places(anna)[0], "verdict": "reject"})
        assert (status, told["error"]) == (422, "why is it rejected?") and told["hint"]
        assert ask(server, "/api/check", {"dsl": None})[0] == 422
        assert ask(server, "/api/check", {"dsl": "\ud800"})[0] == 200
        table.close()
        Path(table.url.database or "").write_bytes(b"gone" * 999)
        status, _, told = ask(server, "/api/state")
        assert status == 500 and "cannot be used" in told["error"]


def test_a_port_that_is_taken_is_told(table: Decisions) -> None:
    anna = session(table, row(1))
    with served(anna) as server, pytest.raises(UsageError, match=f"port {server.server_port} cannot be used") as told:
        Server(anna, server.server_port)
    assert "--port 0" in told.value.hint


# --- the command line


def test_the_corpus_is_exported_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = corpus(tmp_path, row(1), row(2))
    opened = Decisions(default_database(data))
    for who in ("anna", "ben"):
        s = session(opened, row(1), row(2), reviewer=who)
        s.decide({"row": places(s)[0], "verdict": "accept"})
        s.decide({"row": places(s)[1], "verdict": "reject", "reason": "x"})
    opened.close()
    assert cli.main(["review", str(data), "--export", str(tmp_path / "out.jsonl")]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "out.jsonl: 1 row; 1 accepted, 1 rejected" in told.err and "anna and ben: Cohen's kappa 1.00" in told.err
    assert [r.id for r in example.read(tmp_path / "out.jsonl")] == ["tr000001"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("{near}", 2, "no such file"),
        ("{data} --port 70000", 2, "is not a port"),
        ("{data} --by mood", 2, "invalid choice"),
        ("{data} --only-decided", 2, "belongs to --export"),
        ("{data} --export {data}", 2, "no decisions there"),
        ("-", 2, "is a file"),
        ("{data} --by confidence", 2, "no row has a `confidence`"),
        ("{data} --database mysql://x/y", 2, "not supported"),
        ("{data} --reviewer=", 2, "who is reviewing?"),
        ("{bad}", 1, "`dsl` is missing"),
    ],
)
def test_wrong_use_is_told_with_the_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, told: str) -> None:
    data, bad = corpus(tmp_path, row(1)), corpus(tmp_path, {"query": "x"}, name="bad.jsonl")
    assert cli.main(["review", *(w.format(data=data, bad=bad, near=tmp_path / "trian.jsonl") for w in words.split())]) == code
    said = capsys.readouterr().err
    assert told in said and "hint:" in said and "Traceback" not in said


# --- PostgreSQL, where there is one


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database: NL2DSL_POSTGRES, or a server started for this test."""
    if os.environ.get("NL2DSL_POSTGRES"):
        yield os.environ["NL2DSL_POSTGRES"]
        return
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if not homes or (as_user and (not shutil.which("runuser") or subprocess.run(["id", "postgres"], capture_output=True).returncode)):
        pytest.skip("no PostgreSQL here: set NL2DSL_POSTGRES to the URL of an empty database")
    with _folder_of(as_user) as place:
        port = _free_port()
        run = [*as_user, str(homes[-1].with_name("initdb")), "-D", f"{place}/data", "-U", "anna", "--auth=trust", "--no-sync"]
        subprocess.run(run, check=True, capture_output=True, timeout=300)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={place} -c fsync=off"
        control = [*as_user, str(homes[-1]), "-D", f"{place}/data", "-l", f"{place}/log", "-w"]
        subprocess.run([*control, "-o", options, "-t", "200", "start"], check=True, capture_output=True, timeout=300)
        try:
            yield f"postgresql://anna:geheim@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, timeout=300)


@contextmanager
def _folder_of(as_user: list[str]) -> Iterator[Path]:
    place = Path(subprocess.run([*as_user, "mktemp", "-d", "/tmp/nl2dsl-postgres-XXXXXX"], check=True, capture_output=True, text=True).stdout.strip())
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_decisions_are_kept_in_postgresql(postgres: str) -> None:
    opened = Decisions(postgres)
    assert "geheim" not in opened.name
    made = [row(n) for n in range(3)]
    anna, ben = session(opened, *made), session(opened, *made, reviewer="ben")
    for place in places(anna):
        anna.decide({"row": place, "verdict": "accept", "key": place})
        anna.decide({"row": place, "verdict": "accept", "key": place})
        ben.decide({"row": place, "verdict": "reject", "reason": "ü 漢 \x00'"})
    anna.undo()
    drawn_first = drawn(items(*made), opened, 2, "random")
    opened.close()
    again = Decisions(postgres)
    lines = again.all()
    assert [d.verdict for d in lines if d.reviewer == "anna"] == ["accept"] * 3 + ["undo"]
    assert {d.reason for d in lines if d.reviewer == "ben"} == {"ü 漢 '"}
    assert sum(s.verdict == "disputed" for s in settled(lines).values()) == 2
    assert drawn(items(*made), again, 2, "random") == drawn_first
    again.close()


# --- the page in a browser


def _browser() -> Any:
    """Chromium through Playwright, or the test is skipped and says why."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install 'nl2dsl[dev]'")
    if not CHROMIUM:
        pytest.skip("no Chromium here: apt-get install chromium")
    return api


@contextmanager
def opened_page(place: Path, scheme: str = "light") -> Iterator[Any]:
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-first-run",
    ]
    with _browser().sync_playwright() as p:
        context = p.chromium.launch_persistent_context(
            place / "profile",
            executable_path=CHROMIUM,
            headless=True,
            args=quiet,
            viewport={"width": 1366, "height": 768},
            color_scheme=scheme,
            timeout=180_000,
        )
        context.set_default_timeout(120_000)  # the machine may be busy
        page = context.new_page()
        page.problems = []
        page.on("pageerror", lambda e: page.problems.append(str(e)))
        page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
        page.asked = []
        page.on("request", lambda r: page.asked.append(r.url))
        yield page
        context.close()


@contextmanager
def started(data: Path, reviewer: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The real command in a process of its own, and the link it prints."""
    words = [sys.executable, "-m", "nl2dsl", "review", str(data), "--reviewer", reviewer, "--by", "order", "--port", "0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        link = next(line.split()[1] for line in process.stderr if line.startswith("open http"))
        yield process, link
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def decided(page: Any, n: int) -> None:
    page.wait_for_function("n => document.title.startsWith(`${n}/`) && !now.busy", arg=n)


def test_twenty_rows_are_decided_by_keyboard_and_survive_a_killed_server(tmp_path: Path) -> None:
    _browser()
    data = corpus(tmp_path, *(row(n) for n in range(24)))
    with opened_page(tmp_path) as page:
        with started(data, "anna") as (process, link):
            page.goto(link)
            decided(page, 0)
            for n in range(20):
                assert page.inner_text("#query") == row(n)["query"]
                if n % 5 == 3:
                    page.keyboard.press("r")
                    page.keyboard.press("2")
                elif n % 5 == 4:
                    page.keyboard.press("e")
                    page.fill("#edit-query", f"please mail me report {n} daily")
                    page.keyboard.press("Control+Enter")
                else:
                    page.keyboard.press("a")
                decided(page, n + 1)
            process.send_signal(signal.SIGKILL)
            process.wait()
            page.keyboard.press("a")
            page.wait_for_selector("#message.bad")
            assert "nothing was saved" in page.inner_text("#message")
            assert page.inner_text("#query") == row(20)["query"]
        with started(data, "anna") as (_, link):
            page.goto("about:blank")
            page.goto(link)
            decided(page, 20)
            assert page.inner_text("#counts").startswith("20 of 24 decided · 12 accepted · 4 edited · 4 rejected")
            assert page.inner_text("#query") == row(20)["query"]
            page.keyboard.press("u")
            decided(page, 19)
            assert page.inner_text("#query") == "every day mail me report 19"
            page.keyboard.press("r")
            page.keyboard.type("not a report")
            page.keyboard.press("Enter")
            decided(page, 20)
            for n in range(21, 25):
                page.keyboard.press("a")
                decided(page, n)
            assert page.inner_text("#summary").startswith("16 accepted, 3 edited, 5 rejected")
    with sqlite3.connect(default_database(data)) as raw:
        kept = raw.execute("SELECT verdict, count(*) FROM decisions GROUP BY verdict ORDER BY verdict").fetchall()
        reasons = {r for (r,) in raw.execute("SELECT reason FROM decisions WHERE verdict = 'reject'")}
    raw.close()
    assert kept == [("accept", 16), ("edit", 4), ("reject", 5), ("undo", 1)]
    assert reasons == {"wrong operation", "not a report"}
    assert {r.query for r in _exported(data, tmp_path)} >= {f"please mail me report {n} daily" for n in (4, 9, 14)}


def _exported(data: Path, place: Path) -> list[example.Example]:
    assert cli.main(["review", str(data), "--export", str(place / "out.jsonl")]) == 0
    return list(example.read(place / "out.jsonl"))


def test_the_page_checks_while_one_types_shows_words_as_words_and_loads_nothing_from_elsewhere(tmp_path: Path, table: Decisions) -> None:
    _browser()
    evil = row(1, query=f"mail {EVIL}", dsl=mail(EVIL.replace('"', "'").replace("\u2028", " ")), source=EVIL, id=EVIL)
    made = [evil, row(2, dsl=WRONG)]
    ben = session(table, *made, reviewer=f"ben {EVIL}"[:90])
    ben.decide({"row": places(ben)[0], "verdict": "reject", "reason": EVIL})
    anna = session(table, *made)
    with served(anna) as server, opened_page(tmp_path, "dark") as page:
        page.goto(server.link)
        decided(page, 0)
        assert server.token not in page.url
        assert page.inner_text("#query").startswith("mail </script><script>")
        assert "onerror" in page.inner_text("#cards") and "onerror" in page.inner_text("#text")
        page.keyboard.press("a")
        decided(page, 1)
        assert page.is_disabled("#accept")  # the second flow has an error
        assert "did you mean" in page.inner_text(".finding.error") and "^^^^" in page.inner_text(".finding.error")
        page.keyboard.press("e")
        page.wait_for_function("() => now.checked && now.checked.errors === 1")
        assert page.is_disabled("#save")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#message.bad")
        page.fill("#edit-flow", mail("x"))
        page.wait_for_function("() => now.checked && now.checked.errors === 0")
        page.keyboard.press("Control+Enter")
        decided(page, 2)
        page.keyboard.press("d")
        page.wait_for_selector("#disputes[open] .dispute")
        assert "onerror" in page.inner_text("#disputes")
        page.keyboard.press("1")
        page.wait_for_selector("#settling:not([hidden])")
        page.wait_for_function("() => !now.busy")
        page.keyboard.press("r")
        page.keyboard.press("1")
        page.wait_for_function("() => now.state.disputed === 0 && !now.busy")
        page.keyboard.press("g")
        page.wait_for_selector("#agreement[open]")
        assert page.evaluate("() => window.hit ?? null") is None
        assert page.evaluate("() => document.querySelectorAll('img').length") == 0
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
        assert page.problems == []
        assert {url.split("/")[2] for url in page.asked if url.startswith("http")} == {f"127.0.0.1:{server.server_port}"}
    assert [(d.verdict, d.final) for d in table.all() if d.reviewer == "anna"] == [("accept", False), ("edit", False), ("reject", True)]


def test_the_shipped_model_can_rank_rows() -> None:
    try:
        write = Generator().generate
    except Exception as problem:
        pytest.skip(f"no model: {problem}")
    found = sampling.sample(items(row(1), row(2, dsl=DAILY)), 2, "model", write=write)
    assert found[0].uncertainty is not None and found[0].uncertainty >= cast(float, found[1].uncertainty)
