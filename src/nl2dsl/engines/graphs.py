"""The graphs of a model folder, compiled by OpenVINO for this processor; what compiling made is kept for the next process.

In: a folder with `NAME.xml` and `NAME.bin`. Out: compiled graphs by name. Compiling is half of a cold start and gives the same every time, so it is kept in a folder of the user's cache (`NL2DSL_CACHE`, else
`~/.cache/nl2dsl`; `NL2DSL_CACHE=` keeps nothing): one for each model, processor and version of OpenVINO, the few last used of them. A folder appears there whole or not at all; where none can be written, every process
compiles.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from nl2dsl.files import digest_of_value

KEPT = 6  # models, and rerankers of models


def settings() -> dict[str, str]:
    """How graphs are compiled. float32 arithmetic: the flow must not depend on the machine; the graphs are small enough that bf16 would gain little."""
    return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(min(4, os.cpu_count() or 1))}


def cache() -> Path | None:
    """Where compiled graphs are kept, if anywhere."""
    named = os.environ.get("NL2DSL_CACHE")
    if named is not None:
        return Path(named) / "graphs" if named else None
    with suppress(RuntimeError):  # no home
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nl2dsl" / "graphs"
    return None


def load(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """The graphs, compiled side by side. Raises what OpenVINO raises (`RuntimeError`) for a broken file."""
    kept = cache()
    place = kept / _key(folder, names) if kept else None
    if place and place.is_dir():
        with suppress(OSError):
            os.utime(place)  # used last
        return _compiled(folder, names, place)
    fresh = _fresh(kept) if kept else None
    try:
        found = _compiled(folder, names, fresh)
        if fresh and place:
            with suppress(OSError):  # another process was first, or the disk is full
                fresh.replace(place)
                _forget(place.parent)
        return found
    finally:
        if fresh:
            shutil.rmtree(fresh, ignore_errors=True)


def _key(folder: Path, names: Sequence[str]) -> str:
    """Says which graphs, compiled by what, for what: compiled graphs of anything else are of no use."""
    import openvino as ov

    parts = [folder / f"{name}.{part}" for name in names for part in ("xml", "bin")]
    stats = [(str(path.resolve()), stat.st_size, stat.st_mtime_ns) for path in parts if path.exists() and (stat := path.stat())]
    return digest_of_value([settings(), ov.__version__, ov.Core().get_property("CPU", "FULL_DEVICE_NAME"), *stats])[:24]


def _compiled(folder: Path, names: Sequence[str], kept: Path | None) -> dict[str, Any]:
    import openvino as ov

    more = {"CACHE_DIR": str(kept)} if kept else {}
    with ThreadPoolExecutor(len(names)) as pool:
        made = {name: pool.submit(ov.Core().compile_model, str(folder / f"{name}.xml"), "CPU", {**settings(), **more}) for name in names}
    return {name: graph.result() for name, graph in made.items()}


def _fresh(kept: Path) -> Path | None:
    try:
        kept.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".new-", dir=kept))
    except OSError:
        return None


def _forget(kept: Path) -> None:
    """Removes all but the last used."""
    found = sorted((p for p in kept.iterdir() if not p.name.startswith(".")), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in found[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
