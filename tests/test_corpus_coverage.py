"""What training holds is counted, gaps are filled, samples keep their proportions, and others can read it all."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.corpus import coverage, drawing, export, requests, sample, wording
from nl2dsl.corpus.build import CorpusRecipe, build
from nl2dsl.corpus.coverage import Coverage, QuotaRecipe, bucket, style
from nl2dsl.dsl import sketch
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example, read, write

RECIPES = Path(__file__).parent.parent / "recipes" / "corpus"
ROW = Example(
    "tr1",
    "Every Monday, if the Status is Done, send an email, otherwise post it",
    'commonTrigger.Recurrence(frequency="Week"); if ("Status" == "Done") { a.Send() } else { a.Post(text="x") }',
    "",
    ("commonTrigger.Recurrence", "a.Send", "a.Post"),
    "written",
    "train",
)


def test_a_row_counts_once_for_each_thing_it_holds() -> None:
    found = Coverage()
    found.add(ROW)
    found.add(ROW)
    assert found.operations == {"commonTrigger.Recurrence": 2, "a.Send": 2, "a.Post": 2}
    assert found.parameters == {"commonTrigger.Recurrence frequency": 2, "a.Post text": 2}
    assert found.control == {"if": 2, "else": 2, "compare ==": 2}
    assert found.steps == {"3": 2}
    assert found.language == {"en": 2}


def test_the_short_of_it_names_what_has_too_few_rows() -> None:
    found = Coverage()
    found.add(ROW)
    told = found.short(["a.Send", "a.Post", "b.Rare", "held.Out"], ["held"], 1)["operations"]
    assert (told["with wordings"], told["covered"], told["below"], told["fewest"], told["others"]) == (3, 2, 1, {"b.Rare": 0}, 1)


@pytest.mark.parametrize(("n", "name"), [(1, "1"), (4, "4"), (6, "6-7"), (20, "11-20"), (21, "over 20")])
def test_lengths_fall_into_buckets(n: int, name: str) -> None:
    assert bucket(n, (1, 2, 3, 4, 5, 7, 10, 20)) == name


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("new mail -> teams", "note"),
        ("Can you post new orders from Shopify to Slack every day?", "question"),
        ("1. every monday 2. get the rows 3. mail them", "list"),
        ("When a file is added to Box, copy it to OneDrive and tell me.", "one sentence"),
        ("I sell cakes. When an order comes in, mail me. Thanks!", "several sentences"),
    ],
)
def test_styles_are_told_apart(query: str, wanted: str) -> None:
    assert style(query) == wanted


def test_the_sampler_says_what_is_wanted() -> None:
    wanted = ["shared_trello.CreateCard", "shared_box.OnNewFiles"]
    inventory = wording.load()
    assert set(wanted) <= set(inventory.wordings)
    rows = list(sample.sample(3, 10, inventory, wanted=wanted))
    assert len(rows) == 10
    counts = Counter(o for r in rows for o in set(sketch.operations(r.sketch)) if o in wanted)
    assert set(counts) == set(wanted)
    assert all(set(wanted) & set(sketch.operations(r.sketch)) for r in rows)


def test_nothing_is_said_of_what_has_no_wording() -> None:
    assert list(sample.sample(3, 5, wording.load(), wanted=["no.Such"])) == []


def test_a_quota_adds_rows_of_rare_operations_only_and_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    def recipe(name: str, quota: QuotaRecipe | None) -> CorpusRecipe:
        return CorpusRecipe(out=str(tmp_path / name), requests=str(RECIPES), sampled=20, test=3, held_out=("shared_todo",), quota=quota)

    without, with_ = build(recipe("without", None)), build(recipe("with", QuotaRecipe(operations=1, most=15, rounds=1)))
    before, after = (list(read(tmp_path / name / "train.jsonl")) for name in ("without", "with"))
    assert after[: len(before)] == before
    more = after[len(before) :]
    assert len(more) == 15
    had = Counter(o for r in before for o in set(r.operations))
    for row in more:
        assert row.source == "quota"
        assert any(not had[o] for o in row.operations)
        had.update(set(row.operations))
    assert with_["coverage"]["operations"]["covered"] > without["coverage"]["operations"]["covered"]  # type: ignore[index]


def test_a_quota_fills_gaps_of_parameters_and_of_control(tmp_path: Path) -> None:
    def recipe(name: str, quota: QuotaRecipe | None) -> CorpusRecipe:
        return CorpusRecipe(out=str(tmp_path / name), requests=str(RECIPES), sampled=20, test=3, held_out=("shared_todo",), quota=quota)

    def held(name: str) -> Coverage:
        return coverage.of([tmp_path / name / "train.jsonl"])

    build(recipe("without", None))
    build(recipe("control", QuotaRecipe(operations=1, most=40, rounds=1, control=12)))
    build(recipe("parameters", QuotaRecipe(operations=1, most=1_500, rounds=2, parameters=1)))
    before = list(read(tmp_path / "without" / "train.jsonl"))
    for name in ("control", "parameters"):
        after = list(read(tmp_path / name / "train.jsonl"))
        assert after[: len(before)] == before
        assert {r.source for r in after[len(before) :]} == {"quota"}
    without = held("without")
    assert len(held("parameters").parameters) > len(without.parameters) + 100


def test_a_sample_keeps_the_proportions_and_owes_each_operation_its_share() -> None:
    flows = [(f"mail{i}", ["t.Mail", "a.Send"]) for i in range(80)] + [(f"form{i}", ["t.Form", "a.Post"]) for i in range(18)]
    flows += [("rare1", ["t.Mail", "a.Rare"]), ("rare2", ["t.Form", "a.Rare"])]
    chosen = [flows[i][1] for i in sorted(drawing.draw(flows, 20, least=1))]
    assert len(chosen) == 20
    counts = Counter(o for operations in chosen for o in operations)
    assert counts["a.Rare"] >= 1
    assert counts["a.Send"] in (15, 16, 17)
    even = Counter(flows[i][1][1] for i in drawing.draw(flows, 20, flatten=1.0))
    assert even["a.Post"] > counts["a.Post"]
    assert drawing.draw(flows, 20, least=1) == drawing.draw(flows, 20, least=1)
    assert drawing.distance([o for _, o in flows], [o for _, o in flows]) == 0.0
    assert drawing.told([o for _, o in flows], chosen, 1)["operations below their quota"] == 0


def test_the_same_flows_are_drawn_in_whatever_order_they_come() -> None:
    flows = [(f"f{i}", [f"t.{i % 3}", f"a.{i % 7}"]) for i in range(60)]
    turned = flows[::-1]
    assert {flows[i][0] for i in drawing.draw(flows, 15, 1)} == {turned[i][0] for i in drawing.draw(turned, 15, 1)}


def test_requests_are_read_from_json_lines(tmp_path: Path) -> None:
    (tmp_path / "mine.requests.jsonl").write_text('{"query": "tell me", "sketch": "a.B(); c.D()", "dsl": "whatever"}\n')
    assert [(r.query, sketch.unparse(r.sketch), r.source) for r in requests.load(tmp_path)] == [("tell me", "a.B(); c.D()", "mine")]
    (tmp_path / "bad.requests.jsonl").write_text('{"query": "tell me", "sketch": "a.B(;"}\n')
    with pytest.raises(CorpusError, match=r"bad\.requests\.jsonl:1"):
        requests.load(tmp_path)


def test_parquet_holds_the_rows_and_the_same_bytes_twice(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'nl2dsl[export]'")
    rows = [ROW, Example("tr2", 'say "hi" — twice\n', "", "x = 2025-01-14", (), "flows", "train")]
    write(rows, tmp_path / "train.jsonl")
    (made,) = export.parquet(tmp_path)
    assert list(export.rows(made)) == rows
    first = made.read_bytes()
    export.parquet(tmp_path)
    assert made.read_bytes() == first
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(CorpusError, match=r"x\.parquet"):
        list(export.rows(tmp_path / "x.parquet"))


def test_a_folder_without_rows_is_told(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'nl2dsl[export]'")
    with pytest.raises(CorpusError, match="no corpus rows"):
        export.parquet(tmp_path)


def test_the_data_card_names_every_file_with_its_digest(tmp_path: Path) -> None:
    card = build(CorpusRecipe(out=str(tmp_path), requests=str(RECIPES), sampled=10, test=2, held_out=("shared_todo",)), catalogs.builtin())
    page = (tmp_path / "README.md").read_text()
    digests: dict[str, str] = json.loads((tmp_path / "card.json").read_text())["digests"]
    assert set(digests) == {"train", "validation", "test", "unseen"}
    for name, digest in digests.items():
        assert f"| `{name}.jsonl` |" in page
        assert digest in page
        assert f"{{split: {name}, path: {name}.jsonl}}" in page
    assert str(card["digest"]) in page
    held = json.loads((tmp_path / "coverage.json").read_text())
    assert held["rows"] == sum(1 for _ in read(tmp_path / "train.jsonl"))
    assert coverage.of([tmp_path / "train.jsonl"]).counts() == held
