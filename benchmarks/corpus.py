"""Proof of a corpus build: from nothing to its card by the clock, a second time byte for byte the same, and the same again when it is killed five times at random and resumed.

In: a recipe. Out: three corpora in a folder, a table, and the verdict (exit status 1 when it is not proven). Kills go to the whole group of processes with SIGKILL, each at a place of its own in the
build that is drawn before: after so many chunks of rows were kept, or, behind the last of them, while coverage is counted and leaks are looked for. `runs/corpus.sh` with PROOF=1 calls this.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from benchmarks import head, table
from nl2dsl.files import digest_of

KILLS, GOAL = 5, 20 * 60.0  # kills, and seconds from nothing to the card
_LATE = 0.15  # share of the build that is left when all rows are made
_POLL = 0.02


class Build:
    """`nl2dsl corpus RECIPE out=FOLDER` in a group of processes of its own."""

    def __init__(self, recipe: str, out: Path, settings: list[str]) -> None:
        self.out = out
        self.log = out.with_name(f"{out.name}.log").open("ab")
        words = [sys.executable, "-m", "nl2dsl", "corpus", recipe, f"out={out}", *settings]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, start_new_session=True)

    def wait(self) -> int:
        """Chunks that were kept at most. Raises `SystemExit` when the build fails."""
        most = 0
        while self.process.poll() is None:
            most = max(most, self.kept())
            time.sleep(_POLL)
        self.log.close()
        if self.process.returncode:
            raise SystemExit(f"the build failed: see {self.log.name}")
        return most

    def kept(self) -> int:
        try:
            return sum(file.suffix == ".json" for file in (self.out / "making").iterdir())
        except OSError:
            return 0

    def rows_whole(self) -> bool:
        return (self.out / "stages" / "requests.json").exists()

    def kill_when(self, ready: Callable[[], bool]) -> bool:
        """Kills the group as soon as it is ready; whether it was still building, without a card, then."""
        while not ready() and self.process.poll() is None:
            time.sleep(_POLL)
        alive = self.process.poll() is None
        if alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()
        return alive and not (self.out / "card.json").exists() and _gone(self.process.pid)


def _gone(group: int) -> bool:
    for _ in range(500):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(_POLL)
    return False


def places(chunks: int, rng: Random) -> list[int]:
    """Where to kill: after so many chunks, from 1, in order and all different; `chunks` is behind the last of them, where only one kill can be."""
    if chunks <= KILLS + 1:
        raise SystemExit(f"only {chunks} chunks of rows: too small a recipe to be killed {KILLS} times in the middle")
    late = rng.random() < 1 - (1 - _LATE) ** KILLS
    return sorted(rng.sample(range(1, chunks - 1), KILLS - late)) + [chunks] * late


def files(folder: Path) -> dict[str, str]:
    """Digests of everything in a corpus, notes of its stages included."""
    return {
        str(f.relative_to(folder)): digest_of(f) for f in sorted(folder.rglob("*")) if f.is_file() and f.name not in ("teacher.jsonl", "cost.json")
    }


def differences(a: dict[str, str], b: dict[str, str]) -> list[str]:
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def killed(recipe: str, out: Path, settings: list[str], chunks: int, rng: Random) -> Iterator[tuple[str, bool]]:
    """Kills builds of one folder one after another: where, and whether it was in time."""
    for place in places(chunks, rng):
        build = Build(recipe, out, settings)
        if place >= chunks:
            pause = rng.uniform(0.1, 3.0)
            whole: list[float] = []

            def ready(build: Build = build, whole: list[float] = whole, pause: float = pause) -> bool:
                if build.rows_whole() and not whole:
                    whole.append(time.monotonic())
                return bool(whole) and time.monotonic() > whole[0] + pause

            yield f"{pause:.1f} s behind the last chunk", build.kill_when(ready)
        else:
            before = build.kept()
            least = max(place, before + 1)
            good = build.kill_when(lambda build=build, least=least: build.kept() >= least)  # type: ignore[misc]
            yield f"{build.kept()} of {chunks} chunks kept, {before} before", good


def main(words: list[str] | None = None) -> int:
    cli = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("recipe", nargs="?", default="recipes/corpus/default.toml")
    cli.add_argument("settings", nargs="*", metavar="key=value", help="of the recipe")
    cli.add_argument("--out", type=Path, default=Path("build/corpus-proof"), metavar="DIR", help="emptied first")
    cli.add_argument("--seed", type=int, default=None, help="of the places of the kills; another one each time unless given")
    args = cli.parse_args(words)
    seed = args.seed if args.seed is not None else time.time_ns() % 1_000_000
    head("corpus", f"{args.recipe}: from nothing, again, and killed {KILLS} times (places of seed {seed})", words)
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    lines: list[tuple[object, ...]] = [("build", "seconds", "files", "as the first")]
    problems: list[str] = []
    chunks, first = 0, dict[str, str]()
    for name in ("once", "again", "killed"):
        out, start = args.out / name, time.monotonic()
        if name == "killed":
            kills = list(killed(args.recipe, out, args.settings, chunks, Random(seed)))
            for where, good in kills:
                print(f"  killed: {where}{'' if good else '; TOO LATE, or processes were left'}", flush=True)
            if len(kills) < KILLS or not all(good for _, good in kills):
                problems.append(f"{sum(good for _, good in kills)} kills of {KILLS} were in time")
        chunks = max(chunks, Build(args.recipe, out, args.settings).wait())
        seconds, found = time.monotonic() - start, files(out)
        first = first or found
        other = differences(first, found)
        lines.append((name, f"{seconds:.0f}", len(found), "yes" if not other else f"NO: {', '.join(other)}"))
        if other:
            problems.append(f"{name} differs from the first in {', '.join(other)}")
        if name != "killed" and seconds > GOAL:
            problems.append(f"{name} took {seconds:.0f} s, not {GOAL:.0f}")
    print()
    table(lines)
    print(f"  {'NOT PROVEN: ' + '; '.join(problems) if problems else 'PROVEN'}: digest {_digest(args.out / 'once')}")
    return bool(problems)


def _digest(out: Path) -> str:
    return str(json.loads((out / "card.json").read_text(encoding="utf-8"))["digest"])


if __name__ == "__main__":
    sys.exit(main())
