"""Rows are the same whoever makes them, and what was made once is not made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.corpus import making, requests
from nl2dsl.corpus.making import Maker
from nl2dsl.dsl import sketch

HERE = Path(__file__).parent.parent
RECIPES = HERE / "recipes" / "corpus"


def items(n: int = 24) -> list[tuple[str, sketch.Sketch, str]]:
    return [(r.query, r.sketch, r.source) for r in requests.load(RECIPES)[:n]]


def made(maker: Maker, rows: list[tuple[str, sketch.Sketch, str]]) -> list[making.Made | None]:
    with maker:
        return [found for _, found in maker.all(rows)]


@pytest.fixture(scope="module")
def expected() -> list[making.Made]:
    return [making.make(query, s, catalogs.builtin()) for query, s, _ in items()]


def test_processes_make_the_same_rows_in_the_same_order(expected: list[making.Made]) -> None:
    assert made(Maker(catalogs.builtin(), workers=2, chunk=5), items()) == expected


def test_processes_know_a_catalog_of_ones_own() -> None:
    catalog = Catalog([Operation("mine", "OnNew", "trigger"), Operation("mine", "Tell", "action")])
    rows = [("when there is news, tell", sketch.parse("mine.OnNew(); mine.Tell()"), "x")]
    assert made(Maker(catalog, workers=2), rows) == [making.make(*rows[0][:2], catalog)]


def test_what_was_kept_is_not_made_again_and_a_torn_file_is(expected: list[making.Made], tmp_path: Path) -> None:
    first = Maker(catalogs.builtin(), tmp_path, chunk=5)
    assert made(first, items()) == expected
    assert first.remade == 5
    torn = sorted(tmp_path.iterdir())[0]
    torn.write_text(torn.read_text()[:-20])
    again = Maker(catalogs.builtin(), tmp_path, chunk=5)
    assert made(again, items()) == expected
    assert again.remade == 1


def test_words_that_came_before_are_not_made_twice(expected: list[making.Made]) -> None:
    rows = items(3)
    louder = [(query.upper(), s, source) for query, s, source in rows]
    assert made(Maker(catalogs.builtin()), [*rows, *louder]) == [*expected[:3], None, None, None]


def test_an_unknown_operation_is_nobodys_work() -> None:
    rows = [("do it", sketch.parse("no.Such(); nor.This()"), "x")]
    assert made(Maker(catalogs.builtin()), rows) == [None]


BUILD = """
from nl2dsl.corpus.build import CorpusRecipe, build
if __name__ == "__main__":
    build(CorpusRecipe(out={out!r}, requests={requests!r}, sampled=40, test=5, held_out=("shared_todo",), workers=2))
"""


def test_a_build_that_is_killed_leaves_no_process_and_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    def start(out: Path) -> subprocess.Popen[bytes]:
        script = tmp_path / f"{out.name}.py"
        script.write_text(BUILD.format(out=str(out), requests=str(RECIPES)))
        return subprocess.Popen([sys.executable, str(script)], start_new_session=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(300) == 0
    victim = start(killed)
    for _ in range(3000):  # until something is kept
        if list((killed / "making").glob("*.json")) or victim.poll() is not None:
            break
        time.sleep(0.1)
    victim.send_signal(signal.SIGKILL)
    victim.wait(60)
    assert _ends(victim.pid)
    assert start(killed).wait(300) == 0
    names = [p.name for p in sorted(whole.iterdir()) if p.is_file() and p.name not in ("card.json", "README.md")]  # these name the folder
    assert names == ["coverage.json", "test.jsonl", "train.jsonl", "unseen.jsonl", "validation.jsonl"]
    assert all((whole / n).read_bytes() == (killed / n).read_bytes() for n in names)
    assert not (killed / "making").exists()


def _ends(group: int) -> bool:
    """Whether the processes of a group are gone in time."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


# --- the proof of a build --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [8, 150])
def test_kills_are_spread_over_the_build_and_at_most_one_comes_behind_its_last_chunk(chunks: int) -> None:
    proof = pytest.importorskip("benchmarks.corpus", reason="run from the root of the repository")
    late = 0
    for seed in range(200):
        drawn = proof.places(chunks, Random(seed))
        assert len(set(drawn)) == proof.KILLS and drawn == sorted(drawn) and drawn[0] >= 1 and drawn[-1] <= chunks
        assert sum(place >= chunks - 1 for place in drawn) <= 1
        late += drawn[-1] == chunks
    assert 60 < late < 160  # 1 - 0.85 ** 5 of 200 is 111
    with pytest.raises(SystemExit, match="too small"):
        proof.places(proof.KILLS, Random(0))


def test_a_proof_sees_what_differs_and_whether_a_kill_left_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = pytest.importorskip("benchmarks.corpus", reason="run from the root of the repository")
    for name, text in (("a", "1"), ("b", "2")):
        (tmp_path / name / "stages").mkdir(parents=True)
        (tmp_path / name / "stages" / "x.json").write_text(text)
        (tmp_path / name / "card.json").write_text("{}")
        (tmp_path / name / "cost.json").write_text(text)
    assert proof.differences(proof.files(tmp_path / "a"), proof.files(tmp_path / "b")) == ["stages/x.json"]
    asleep = [sys.executable, "-c", "import subprocess, sys; subprocess.Popen(['sleep', '60']); subprocess.run(['sleep', '60'])"]
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **how: started(asleep, **how))
    build = proof.Build("recipe", tmp_path / "c", [])
    assert build.kill_when(lambda: True) is True  # the group is gone, its children too
    assert proof.Build("recipe", tmp_path / "a", []).kill_when(lambda: True) is False  # the card was there: nothing was cut short
