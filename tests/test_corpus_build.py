"""The corpus: the same recipe gives the same bytes, and nothing of one split is in another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.corpus import build as builds
from nl2dsl.corpus import wording
from nl2dsl.corpus.build import CorpusRecipe, build, build_recipe, skeleton
from nl2dsl.dsl import checker, sketch, text
from nl2dsl.errors import CorpusError, RecipeError
from nl2dsl.example import Example, read
from nl2dsl.recipe import load

HERE = Path(__file__).parent.parent
SPLITS = ("train", "validation", "test", "unseen")
HELD_OUT = ("shared_todo", "shared_planner")


def tiny(out: Path) -> CorpusRecipe:
    return CorpusRecipe(out=str(out), requests=str(HERE / "recipes" / "corpus"), sampled=60, variants=1, test=15, held_out=HELD_OUT)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    build(tiny(out))
    return out


@pytest.fixture(scope="module")
def rows(made: Path) -> dict[str, list[Example]]:
    return {split: list(read(made / f"{split}.jsonl")) for split in SPLITS}


def test_the_same_recipe_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    build(tiny(tmp_path))
    for split in SPLITS:
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (made / f"{split}.jsonl").read_bytes()
    first, second = (json.loads((folder / "card.json").read_text()) for folder in (made, tmp_path))
    assert first["digests"] == second["digests"]
    assert first["counts"] == second["counts"]


def test_every_split_has_rows_and_the_card_counts_them(made: Path, rows: dict[str, list[Example]]) -> None:
    counts = json.loads((made / "card.json").read_text())["counts"]
    for split, found in rows.items():
        assert found
        assert len(found) == sum(n for name, n in counts.items() if name.startswith(f"{split}:"))
    assert len(rows["test"]) == 15


def test_no_query_is_in_two_splits_or_twice_in_one(rows: dict[str, list[Example]]) -> None:
    queries = [r.query.lower() for found in rows.values() for r in found]
    assert len(queries) == len(set(queries))


def test_a_variant_stays_with_its_request(rows: dict[str, list[Example]]) -> None:
    """Noise on a validation request would be the validation request."""
    written = {r.sketch for r in rows["train"] if r.source not in ("variant", "sampled")}
    assert {r.sketch for r in rows["train"] if r.source == "variant"} <= written


def test_held_out_connectors_are_in_no_split_but_unseen(rows: dict[str, list[Example]]) -> None:
    for split, found in rows.items():
        for r in found:
            assert any(o.split(".")[0] in HELD_OUT for o in r.operations) == (split == "unseen"), (split, r.query)


def test_no_test_row_has_a_skeleton_of_training(rows: dict[str, list[Example]]) -> None:
    known = {skeleton(sketch.parse(r.sketch)) for r in rows["train"]}
    assert not [r.query for r in rows["test"] if skeleton(sketch.parse(r.sketch)) in known]


def test_test_rows_are_made_of_clauses_that_training_does_not_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inventory = wording.load()
    texts = {c.text for w in inventory.wordings.values() for form in w.clauses.values() for c in form}
    used: list[set[str]] = []

    def spy(*_: object, clauses, **__: object) -> list[object]:
        used.append({t for t in texts if clauses(wording.Clause("x.Y", "noun", t, (t,)))})
        return []

    monkeypatch.setattr(builds.sample, "sample", spy)
    builder = builds._Builder(tiny(tmp_path), catalogs.builtin())
    list(builder.sampled([], False))
    list(builder.sampled([], True))
    train, test = used
    assert train | test == texts
    assert not train & test
    assert 0.03 < len(test) / len(texts) < 0.06  # a twelfth of the first wordings, none of the later ones


def test_a_skeleton_forgets_values_and_keeps_operations_and_control() -> None:
    one = sketch.parse('a.B(x="1"); if ("Status" == "Done") { c.D(to="me") }')
    other = sketch.parse('a.B(); if ("Stage" == "Won") { c.D(to="you", by="x") }')
    assert skeleton(one) == skeleton(other)
    assert skeleton(one) != skeleton(sketch.parse("a.B(); c.D()"))


def test_every_row_parses_checks_and_names_its_operations(rows: dict[str, list[Example]]) -> None:
    for found in rows.values():
        for r in found[:40]:
            flow, problems = text.parse(r.dsl)
            assert flow is not None
            assert not [d for d in (*problems, *checker.check(flow, catalogs.builtin())) if d.severity == "error"]
            assert set(sketch.operations(sketch.parse(r.sketch))) <= set(r.operations)


@pytest.mark.parametrize("name", ["default", "flows", "paper", "smoke"])
def test_the_recipes_are_recipes(name: str) -> None:
    assert load(HERE / "recipes" / "corpus" / f"{name}.toml", CorpusRecipe).test > 0


def test_a_folder_without_requests_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no `\.requests` files"):
        build_recipe(HERE / "recipes" / "corpus" / "smoke.toml", [f"requests={tmp_path}", f"out={tmp_path}"])


def test_an_unknown_setting_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="sampled"):
        build_recipe(HERE / "recipes" / "corpus" / "smoke.toml", [f"out={tmp_path}", "samples=3"])
