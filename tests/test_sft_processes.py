"""Fine-tuning in two processes on the processor (gloo): the same step as one process computes, gone on from by one process, and DeepSpeed's ZeRO-2 for real."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "peft", "accelerate"):
    pytest.importorskip(needed)

import tuning  # noqa: E402
from nl2dsl import recipe as recipes  # noqa: E402
from nl2dsl.training.sft.run import train_recipe  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parent.parent


def launched(config: str, recipe: Any, place: Path) -> None:
    """Trains in the processes that a launch file says."""
    place.write_text(recipes.dump(recipe), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "DS_ACCELERATOR": "cpu",
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.accelerate_cli",
        "launch",
        "--config_file",
        f"recipes/accelerate/{config}.yaml",
        "--main_process_port",
        str(port),
    ]
    done = subprocess.run([*launch, "-m", "nl2dsl", "train", str(place)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


def losses(out: Path) -> list[float]:
    lines = (out / "training" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [f["loss"] for f in map(json.loads, lines) if "set" not in f]


def test_two_processes_compute_the_steps_of_one_and_one_goes_on_from_two(tmp_path: Path) -> None:
    tuning.corpus(tmp_path / "corpus")
    settings: dict[str, Any] = {"methods": ("full",), "batch": 4, "every": 100, "checkpoint": 2, "validation": 1}
    alone = train_recipe(tuning.recipe(tmp_path, out=str(tmp_path / "alone"), **settings))
    launched("cpu-2", tuning.recipe(tmp_path, out=str(tmp_path / "both"), **settings), tmp_path / "both.toml")
    both = tmp_path / "both"
    assert losses(both) == pytest.approx(losses(alone), rel=1e-3)
    listed = both / "training" / "1-full" / "states.json"
    told = json.loads(listed.read_text(encoding="utf-8"))
    (listed.parent / told["states"][-1]["file"]).unlink()  # as if killed after step 2
    train_recipe(tuning.recipe(tmp_path, out=str(both), **settings))
    assert losses(both) == pytest.approx(losses(alone), rel=1e-3)


def test_zero_2_of_deepspeed_trains_in_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    tuning.corpus(tmp_path / "corpus")
    recipe = tuning.recipe(tmp_path, batch=4, every=2)
    launched("zero2-cpu-2", recipe, tmp_path / "zero.toml")
    out = tmp_path / "out"
    alone = train_recipe(tuning.recipe(tmp_path, batch=4, every=100, out=str(tmp_path / "alone")))
    assert losses(out)[0] == pytest.approx(losses(alone)[0], rel=1e-3)
    assert losses(out)[-1] < losses(out)[0]
    assert json.loads((out / "card.json").read_text(encoding="utf-8"))["versions"]["deepspeed"]
