"""Compiled graphs are kept for the next process, and are never needed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino")

from nl2dsl.engines import graphs
from nl2dsl.engines.embedded import SHIPPED

NAMES = ["decoder"]


def answer() -> np.ndarray:
    graph = graphs.load(SHIPPED, NAMES)["decoder"]
    request = graph.create_infer_request()
    request.reset_state()
    x = np.random.default_rng(0).standard_normal((1, 5, 384)).astype(np.float32)
    return np.array(request.infer({"x": x})["heads"])


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "graphs").iterdir())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NL2DSL_CACHE", str(tmp_path))
    return tmp_path


def test_what_was_kept_gives_the_same_answers(cache: Path) -> None:
    first = answer()
    (place,) = kept(cache)
    (blob,) = place.iterdir()
    written = blob.stat().st_mtime_ns
    assert np.array_equal(first, answer())
    assert blob.stat().st_mtime_ns == written and kept(cache) == [place]


@pytest.mark.parametrize("how", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"no graph" * 99], ids=["cut", "empty", "other"])
def test_a_broken_file_is_compiled_again(cache: Path, how: object) -> None:
    first = answer()
    (blob,) = kept(cache)[0].iterdir()
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(how(data))  # type: ignore[operator]
    assert np.array_equal(first, answer())


def test_nothing_is_kept_where_nothing_can_be_written_or_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in (str(tmp_path / "file"), ""):
        monkeypatch.setenv("NL2DSL_CACHE", value)
        assert np.isfinite(answer()).all()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_user_s_cache_is_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NL2DSL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert graphs.cache() == tmp_path / "nl2dsl" / "graphs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert graphs.cache() == tmp_path / ".cache" / "nl2dsl" / "graphs"


def test_only_the_last_used_are_kept(cache: Path) -> None:
    for n in range(graphs.KEPT + 2):
        (cache / "graphs" / f"model-{n}").mkdir(parents=True)
        os.utime(cache / "graphs" / f"model-{n}", (n, n))
    answer()
    names = [place.name for place in kept(cache)]
    assert len(names) == graphs.KEPT and {"model-0", "model-1", "model-2"}.isdisjoint(names)
    assert not any(name.startswith(".") for name in names)
