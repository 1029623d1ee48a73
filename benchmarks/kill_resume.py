"""A training that is killed at random moments and started again, beside one that nobody disturbs: the same figures, the same weights?

    python -m benchmarks.kill_resume recipes/train/smoke.toml --kills 5 [--folder DIR] [--seed 0] [SETTING=VALUE ...]

In: a recipe and settings for `nl2dsl train`. Out: where each kill struck, and what differs; status 1 when anything does. Each run is a process of its own, and the kill is
SIGKILL. Moments are drawn over the lines of the undisturbed run's log: when the line has come, a random share of the mean time between two lines passes, then the kill.
Compared are `metrics.jsonl` without clocks, and the bytes of everything that holds weights, apart from checkpoints.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WEIGHTS = {".safetensors", ".pt", ".bin", ".npz"}
CLOCKS = {"seconds"}


def main() -> int:
    args = _arguments()
    rng = random.Random(args.seed)
    folder = Path(args.folder or tempfile.mkdtemp(prefix="kill-resume-"))
    straight, broken = folder / "straight", folder / "killed"
    began = time.monotonic()
    if code := _start(args, straight).wait():
        return code
    seconds, told = time.monotonic() - began, _told(straight)
    print(f"undisturbed: {len(told)} lines, {len(_figures(straight))} figures, {seconds:.0f} s", flush=True)
    for moment in sorted(rng.randrange(len(told)) for _ in range(args.kills)):
        process = _start(args, broken)
        if not _killed(process, broken, told, moment, rng.random() * seconds / len(told)):
            break
    code = _start(args, broken).wait()
    return code or _compared(straight, broken)


def _arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("recipe")
    p.add_argument("settings", nargs="*")
    p.add_argument("--kills", type=int, default=5)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--folder", default="")
    return p.parse_intermixed_args()


def _start(args: argparse.Namespace, out: Path) -> subprocess.Popen[bytes]:
    out.mkdir(parents=True, exist_ok=True)
    with (out / "output.txt").open("ab") as stream:
        return subprocess.Popen([sys.executable, "-m", "nl2dsl", "train", args.recipe, *args.settings, f"out={out}"], stdout=stream, stderr=stream)


def _killed(process: subprocess.Popen[bytes], out: Path, told: list[str], moment: int, more: float) -> bool:
    """Waits for a line of the log, and a bit more, and kills. False when the training ended before."""
    while process.poll() is None and told[moment] not in _told(out):
        time.sleep(0.05)
    time.sleep(more)
    process.send_signal(signal.SIGKILL)
    struck = process.wait() == -signal.SIGKILL
    if struck:
        print(f"killed {more:.2f} s after `{_told(out)[-1]}`", flush=True)
    elif process.returncode:
        sys.exit(f"the training ended by itself with status {process.returncode}: see {out / 'output.txt'}")
    return struck


def _journal(out: Path, name: str) -> list[str]:
    """Lines of a file of the journal, wherever the trainer keeps it."""
    place = next((p for p in (out / "training" / name, out / name) if p.exists()), None)
    return place.read_text(encoding="utf-8").splitlines() if place else []


def _told(out: Path) -> list[str]:
    """The log without dates, clocks and the name of the folder."""
    lines = (line.partition("  ")[2].replace(str(out), "OUT") for line in _journal(out, "log.txt"))
    return [re.sub(r"\d+(\.\d+)? s\b", "", line) for line in lines]


def _figures(out: Path) -> list[Any]:
    return [_timeless(json.loads(line)) for line in _journal(out, "metrics.jsonl")]


def _timeless(value: Any) -> Any:
    return {k: _timeless(v) for k, v in value.items() if k not in CLOCKS} if isinstance(value, dict) else value


def _weights(out: Path) -> dict[str, str]:
    """sha256 of each file with weights, by its path."""
    found = sorted(p for p in out.rglob("*") if p.suffix in WEIGHTS and "checkpoint" not in p.name and not p.name.startswith("step-"))
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def _compared(straight: Path, broken: Path) -> int:
    figures, other = _figures(straight), _figures(broken)
    same = sum(a == b for a, b in zip(figures, other, strict=False))
    print(f"figures: {same} of {len(figures)} equal" + (f", {len(other)} after the kills" if len(other) != len(figures) else ""))
    weights, others = _weights(straight), _weights(broken)
    for name, digest in weights.items():
        print(f"{'equal' if others.get(name) == digest else 'DIFFERS'}  {digest[:16]}  {name}")
    return int(figures != other or weights != others or not weights)


if __name__ == "__main__":
    sys.exit(main())
