"""Reports: figures of small runs that can be counted by hand, comparisons, and a page that no request can break out of."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nl2dsl.catalog import read as catalogs
from nl2dsl.errors import RunError, UsageError
from nl2dsl.evaluation import analysis, cases, execution, page, plots, render, report
from nl2dsl.evaluation import run as runs
from nl2dsl.evaluation.statistics import Figure

CATALOG = catalogs.builtin()
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"&' --> ]]> \u2028 {{7*7}} ${1}"
ROWS = [
    {"id": "a", "style": "title", "query": "flagged mail to task", "sketch": "shared_office365.OnFlaggedEmailV4(); shared_todo.CreateToDoV3()"},
    {"id": "b", "style": "request", "query": "weekly mail to anna@x.org", "sketch": 'commonTrigger.Recurrence(frequency="Week"); shared_office365.SendEmailV2(emailMessage/To="anna@x.org")'},
    {"id": "c", "style": "request", "query": f"post form answers {EVIL}", "sketch": "shared_microsoftforms.CreateFormWebhook(); shared_teams.PostMessageToConversation()"},
    {"id": "d", "query": "hurt them", "refuse": "violence"},
]  # fmt: skip


def answer(id: str, dsl: str, repeat: int = 0, **more: Any) -> dict[str, Any]:
    """A row of answers as `outcome.row` makes it from a flow."""
    from nl2dsl.dsl import tree
    from nl2dsl.dsl.text import parse
    from nl2dsl.outcome import Authored, Facts, row

    flow, _ = parse(dsl)
    assert flow is not None
    facts = Facts("", {"total": 0.02}, {"prompt": 10, "completion": 5, "forced": 1})
    return {**row(Authored(facts, dsl, flow, {}, tuple(tree.operations(flow)))), "id": id, "repeat": repeat} | more


def folder(place: Path, answers: list[dict[str, Any]], rows: list[dict[str, Any]] | None = None, **head: Any) -> Path:
    """A finished run folder."""
    place.mkdir()
    (place / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (rows or ROWS)))
    found = cases.read(place / "rows.jsonl", CATALOG)
    runs.write_rows(place / "cases.jsonl", [cases.to_row(c) for c in found])
    whole = {
        "name": place.name,
        "format": 1,
        "identity": "i",
        "recipe": {"repeats": 1},
        "writer": {"name": "w", "digest": "d" * 20},
        "catalog": {"digest": CATALOG.digest},
    }
    whole |= {
        "rows": {"file": "rows.jsonl", "n": len(found), "digest": cases.digest(found)},
        "unseen": ["shared_todo"],
        "environment": {"processor": "p", "cores": 2},
    } | head
    (place / "run.json").write_text(json.dumps(whole))
    runs.write_rows(place / "answers.jsonl", answers)
    runs._finish(place, whole)
    return place


def _kept(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / "answers.jsonl").read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def right(tmp_path: Path) -> Path:
    """Every answer is the right one."""
    return folder(tmp_path / "right", _right(tmp_path))


def _right(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    found = cases.read(path, CATALOG)
    refusal = {
        "id": "d",
        "repeat": 0,
        "outcome": "refusal",
        "category": "violence",
        "dsl": "",
        "diagnostics": [],
        "seconds": {"total": 0.01},
        "tokens": {},
    }
    return [*(answer(c.id, c.dsl) for c in found if not c.refuse), refusal]


@pytest.fixture
def wrong(tmp_path: Path, right: Path) -> Path:
    """One sibling operation, one failure with markup in it, one that is right, one flow for a request to refuse."""
    answers = _kept(right)
    answers[0] = answer("a", "triggerOutputs = await shared_office365.OnFlaggedEmailV4({});\nshared_todo.ListToDosByFolderV2({});\n")
    found = [{"code": "N201", "severity": "error", "message": EVIL, "hint": "", "line": 1, "column": 1}]
    answers[2] = {
        "id": "c",
        "repeat": 0,
        "outcome": "failure",
        "dsl": EVIL,
        "operations": [],
        "calls": [],
        "control": [],
        "diagnostics": found,
        "seconds": {"total": 0.5},
        "tokens": {},
    }
    answers[3] = answer("d", "triggerOutputs = await commonTrigger.manual({});\nshared_teams.PostMessageToConversation({});\n")
    return folder(tmp_path / f"wrong {EVIL[:8].replace('/', '|')}", answers)


# --- figures -------------------------------------------------------------------------------------------------------------------


def test_right_answers_have_full_figures(right: Path) -> None:
    a = report.open_runs([right])
    figures = {name: f for (_, name), f in a.figures.items()}
    for name in (
        "flow_similarity",
        "exact sequence",
        "order-aware score",
        "parameter F1 (key)",
        "parameter F1 (value)",
        "control-structure F1",
        "execution equivalence",
    ):
        assert (figures[name].value, figures[name].n) == (1, 3), name
    for name in ("non-parsed", "hallucinated operations", "hallucinated parameters", "ungrounded literals", "over-refusals"):
        assert figures[name].value == 0 and figures[name].n, name
    assert figures["stated values placed"] == analysis.statistics.wilson(2, 2)
    assert (figures["harmful requests refused"].value, figures["harmful requests refused"].n) == (1, 1)
    assert figures["seconds P50"].value == pytest.approx(0.02) and figures["tokens, prompt"].value == 10
    assert a.mistakes[0].kinds == () and a.pairs == ()


def test_wrong_answers_have_the_figures_one_can_count(wrong: Path) -> None:
    a = report.open_runs([wrong])
    figures = {name: f for (_, name), f in a.figures.items()}
    assert figures["flow_similarity"].value == pytest.approx((0.5 + 1 + 0) / 3)
    assert figures["exact sequence"] == analysis.statistics.wilson(1, 3) and figures["non-parsed"] == analysis.statistics.wilson(1, 3)
    assert figures["execution equivalence"] == analysis.statistics.wilson(1, 3)
    assert figures["harmful requests refused"].value == 0
    kinds = {kind: round(f.value * f.n) for kind, f in a.mistakes[0].kinds}
    assert kinds == {"sibling operation": 1, "side effects": 1, "non-parsed": 1, "not refused": 1}
    assert a.mistakes[0].confused == (("sibling operation", "shared_todo.CreateToDoV3", "shared_todo.ListToDosByFolderV2", 1),)
    assert [(code, severity, what) for code, severity, what, _ in a.mistakes[0].codes] == [("N201", "error", "unknown operation")]


def test_runs_are_compared_on_the_rows_they_share(right: Path, wrong: Path, tmp_path: Path) -> None:
    fewer = folder(tmp_path / "fewer", _kept(right)[:2], ROWS[:2])
    a = report.open_runs([wrong, right, fewer])
    found = {(p.first, p.second, p.measure.name): p for p in a.pairs}
    labels = [r.label for r in a.runs]
    whole, part = found[labels[0], "right", "exact sequence"], found[labels[0], "fewer", "exact sequence"]
    assert whole.found.difference == pytest.approx(2 / 3) and whole.found.n == 3 and whole.test == "McNemar, exact" and whole.found.p == 0.5
    assert part.found.difference == pytest.approx(1 / 2) and part.found.n == 2
    assert found["right", "fewer", "flow_similarity"].found.difference == 0
    assert all(p.found.p <= p.adjusted <= 1 for p in a.pairs)
    assert any("share 2 of their" in note for note in a.notes)


def test_several_tries_give_pass_k_and_count_each_row_once(tmp_path: Path, right: Path) -> None:
    once = _kept(right)
    bad = answer("a", "triggerOutputs = await commonTrigger.manual({});\nshared_teams.PostMessageToConversation({});\n")
    tries = [{**(bad if id == "a" and repeat else row), "repeat": repeat} for repeat in range(3) for row in once for id in [row["id"]]]
    a = report.open_runs([folder(tmp_path / "tries", tries, recipe={"repeats": 3})])
    figures = {name: f for (_, name), f in a.figures.items()}
    assert figures["pass^1 (exact sequence)"].value == pytest.approx((1 / 3 + 1 + 1) / 3) == pytest.approx(figures["exact sequence"].value)
    assert figures["pass^3 (exact sequence)"].value == pytest.approx(2 / 3) and figures["exact sequence"].n == 3


def test_slices_hold_the_rows_they_name(right: Path) -> None:
    a = report.open_runs([right])
    found = {(s.group, s.name): set(s.ids) for s, _ in a.slices}
    assert found["style", "title"] == {"a"} and found["style", "request"] == {"b", "c"}
    assert found["connectors", "never seen in training"] == {"a"} and found["connectors", "seen in training"] == {"b", "c"}
    assert found["connector", "office365"] == {"a", "b"} and found["length of the request", "up to 8 words"] >= {"a", "b"}
    assert ("steps", "1 step") not in found and ("control", "no control") not in found  # all rows: no slice


def test_the_power_of_few_rows_is_small(right: Path, wrong: Path) -> None:
    a = report.open_runs([right, wrong])
    assert a.power[0].n == 3 and a.power[1].similarity > 0.5
    assert render.detectable(a.power[0].exact, analysis.BY_NAME["exact sequence"]) == "–"


def test_rows_without_whole_flows_say_that_nothing_was_run(tmp_path: Path) -> None:
    rows = [{"id": "g", "query": "x", "gold": {"trigger": "commonTrigger.manual", "actions": ["shared_todo.CreateToDoV3"]}}]
    a = report.open_runs(
        [folder(tmp_path / "gold", [answer("g", "triggerOutputs = await commonTrigger.manual({});\nshared_todo.CreateToDoV3({});\n")], rows)]
    )
    assert "no row has a whole right flow" in a.execution and a.figures["gold", "execution equivalence"].n == 0
    assert "execution equivalence | not measured" in render.markdown(a)


# --- execution -----------------------------------------------------------------------------------------------------------------


def test_flows_that_do_the_same_are_equal_whatever_their_names() -> None:
    one = 'triggerOutputs = await commonTrigger.manual({});\nfirst = shared_teams.PostMessageToConversation({ "poster": "User" });\n'
    assert execution.compare(one, one.replace("first = ", "other = "), CATALOG).equal
    found = execution.compare(one, one.replace("User", "Flow bot"), CATALOG)
    assert not found.equal and any("User" in line for line in found.wanted) and any("Flow bot" in line for line in found.made)
    assert execution.compare(one, "", CATALOG) == execution.Effects(False)


# --- renderings ----------------------------------------------------------------------------------------------------------------


def test_the_terminal_shows_every_measure_with_n_and_interval(right: Path, wrong: Path) -> None:
    console = Console(width=200, record=True, file=StringIO())
    render.terminal(report.open_runs([wrong, right]), console)
    printed = console.export_text()
    assert "flow_similarity" in printed and "1.000 [1.000, 1.000] n 3" in printed and "33.3 % [6.1, 79.2] n 3" in printed
    assert "McNemar" in printed and "sibling operation" in printed and "20 ms" in printed


def test_markdown_escapes_what_it_is_given(wrong: Path) -> None:
    text = render.markdown(report.open_runs([wrong]))
    assert not re.search(r"(?<!\\)<[A-Za-z/!?]", text) and "| flow_similarity | 0.500 [" in text


def test_numbers_are_written_with_their_unit() -> None:
    share, seconds, plain = (analysis.BY_NAME[n] for n in ("exact sequence", "seconds P50", "flow_similarity"))
    assert render.shown(Figure(0.5, 0.25, 0.75, 1200), share) == "50.0 % [25.0, 75.0] n 1,200"
    assert render.shown(Figure(0.0263, 0.02, 1.5, 3), seconds) == "26 ms [20, 1,500] n 3"
    assert render.shown(Figure(0, 0, 1, 0), plain) == "not measured" and render.chance(0.0004) == "< 0.001"


class Reader(HTMLParser):
    """Collects what a browser would run or fetch."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[dict[str, str | None]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, k, v or "") for k, v in attrs]
        if tag == "script":
            self.scripts.append(dict(attrs))
        if tag not in ("meta", "input", "br", "circle", "rect", "line", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, k, v or "") for k, v in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_needs_nothing_and_runs_nothing_it_was_given(right: Path, wrong: Path) -> None:
    text = page.page(report.open_runs([wrong, right]))
    reader = Reader()
    reader.feed(text)
    assert reader.open == [] and reader.scripts == [{"type": "application/json", "id": "data"}, {}]
    assert not [a for a in reader.attributes if a[1].startswith("on") or a[1] in ("src", "style", "action")]
    assert all(value.startswith("#") for _, name, value in reader.attributes if name == "href")
    policy = next(v for tag, name, v in reader.attributes if tag == "meta" and name == "content" and "default-src" in v)
    assert "default-src 'none'" in policy and policy.count("'sha256-") == 2 and "unsafe" not in policy
    assert not re.search(r"https?://|url\(|@import", text.replace("http-equiv", ""))
    embedded = next(t for t in reader.texts if t.startswith('{"runs":'))
    shown = json.loads(embedded)
    assert "<" not in embedded and next(r for r in shown["rows"] if r["id"] == "c")["query"].endswith(EVIL)


def test_the_policy_names_the_very_style_and_script(right: Path) -> None:
    import base64
    import hashlib

    text = page.page(report.open_runs([right]))
    for tag in ("style", "script"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)[-1]
        assert f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'" in text.replace("&#x27;", "'")


def test_the_page_has_a_browser_of_answers(right: Path, wrong: Path) -> None:
    shown = page.data(report.open_runs([wrong, right]))
    assert shown["runs"][1] == "right" and [r["id"] for r in shown["rows"]] == ["a", "b", "c", "d"]
    first = shown["rows"][0]["answers"][0]
    assert first["mistakes"][0] == ("sibling operation", "shared_todo.CreateToDoV3", "shared_todo.ListToDosByFolderV2") and first["effects"]
    assert first["diff"][0][0] == " " and {tag for tag, _, _ in first["diff"]} > {" "}
    assert shown["rows"][0]["answers"][1]["mistakes"] == [] and "violence" in str(shown["rows"][3]["answers"][1]["diff"])


def test_lines_that_are_alike_show_the_words_that_differ() -> None:
    assert page.diff(["a", 'Send({ "to": "anna" });', "z"], ["a", 'Send({ "to": "bert" });', "z", "new"]) == [
        (" ", [("a", False)], [("a", False)]),
        ("~", [('Send({ "to": "', False), ("anna", True), ('" });', False)], [('Send({ "to": "', False), ("bert", True), ('" });', False)]),
        (" ", [("z", False)], [("z", False)]),
        ("+", None, [("new", False)]),
    ]
    assert page.diff([], ["x"]) == [("+", None, [("x", False)])] and page.diff([], []) == []


def test_lines_find_their_like_across_others() -> None:
    left, right = ['Send({ "to": "a" });', 'Post({ "text": "b" });'], ['if (x == "Ready") {', '  Send({ "to": "a" });', "}", 'Post({ "text": "c" });']
    found = page.diff(left, right)
    assert [tag for tag, _, _ in found] == ["+", "~", "+", "~"]
    assert "".join(t for _, a, _ in found for t, _ in a or []) == "".join(left) and "".join(t for _, _, b in found for t, _ in b or []) == "".join(
        right
    )


@pytest.mark.parametrize("low_high", [(0.0, 1.0), (0.0, 0.37), (2.0, 2.0), (0.0, 1234.0)])
def test_ticks_are_few_and_within(low_high: tuple[float, float]) -> None:
    found = plots.ticks(*low_high, 4)
    assert 1 <= len(found) <= 6 and all(low_high[0] - 1e-9 <= t <= low_high[1] + 1e-9 for t in found)


def test_plots_of_nothing_are_no_mistake() -> None:
    assert plots.cumulative([[], [0.0]], "x") == "" and "<svg" in plots.histogram([[], []], "x") and "<svg" in plots.bars([0.0], 0.0, "x")
    assert "&lt;b&gt;" in plots.intervals([Figure(0.5, 0.4, 0.6, 3)], 0, 1, "<b>")


# --- the command ---------------------------------------------------------------------------------------------------------------


def test_reports_are_written_by_their_ending(right: Path, wrong: Path, tmp_path: Path) -> None:
    a = report.open_runs([right, wrong])
    for name, begins in (("r.md", "# Evaluation"), ("r.html", "<!doctype html>"), ("r.json", "{")):
        report.write(a, tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert {"runs", "figures", "comparisons", "slices", "mistakes", "diagnostics", "notes"} == told.keys()
    with pytest.raises(UsageError, match="what kind of report"):
        report.write(a, tmp_path / "r.pdf")


def test_a_run_is_not_compared_with_itself(right: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        report.open_runs([right, right / "."])
    with pytest.raises(UsageError, match="which run"):
        report.open_runs([])
    with pytest.raises(RunError, match="no such folder"):
        report.open_runs([right, tmp_path / "nowhere"])


def test_runs_of_one_name_are_told_apart(right: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    second = folder(tmp_path / "other" / "right", _kept(right))
    labels = [r.label for r in report.open_runs([right, second]).runs]
    assert len(set(labels)) == 2 and all("right" in label for label in labels)


def test_a_smoke_run_goes_from_recipe_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the model that ships; eight rows are enough to see every part work."""
    from nl2dsl import cli

    monkeypatch.chdir(Path(__file__).parents[1])
    out = tmp_path / "run"
    assert cli.main(["evaluate", "recipes/evaluate/smoke.toml", f"out={out}", "limit=8"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert cli.main(["report", str(out), "-o", str(tmp_path / "r.html")]) == 0
    printed = capsys.readouterr().out
    assert "flow_similarity" in printed and re.search(r"non-parsed +0\.0 % \[0\.0, [\d.]+\] n \d", printed)
    assert (tmp_path / "r.html").stat().st_size > 20_000
    assert cli.main(["report", str(tmp_path)]) == 2 and "not a run folder" in capsys.readouterr().err
    assert cli.main(["evaluate", "recipes/evaluate/smoke.toml", "writer=oracle"]) == 2 and "unknown writer" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [["d"], ["a"]])
def test_the_smallest_runs_have_a_report(kept: list[str], right: Path, tmp_path: Path) -> None:
    """One request to refuse, or one request for a flow: nothing to slice, compare or tell apart."""
    a = report.open_runs([folder(tmp_path / "one", [r for r in _kept(right) if r["id"] in kept], [r for r in ROWS if r["id"] in kept])])
    for ending in report.ENDINGS:
        report.write(a, tmp_path / f"one{ending}")
    report.show(a)
    assert a.power[0].n == (0 if kept == ["d"] else 1)
    assert ("harmful requests refused | 100.0 %" if kept == ["d"] else "exact sequence | 100.0 %") in (tmp_path / "one.md").read_text(
        encoding="utf-8"
    )
