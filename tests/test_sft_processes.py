"""Fine-tuning as processes: killed for good and gone on bit for bit; by two processes as by one; under DeepSpeed's ZeRO-2."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "peft", "accelerate"):
    pytest.importorskip(needed)
psutil = pytest.importorskip("psutil")  # comes with accelerate

import tuning  # noqa: E402
from nl2dsl import recipe as recipes  # noqa: E402
from nl2dsl.training.sft.run import train_recipe  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parent.parent
SECONDS = 900
distributed = pytest.mark.skipif(not os.environ.get("NL2DSL_DISTRIBUTED"), reason="takes minutes: make test-distributed")


def written(folder: Path, **more: Any) -> Path:
    path = folder / "recipe.toml"
    path.write_text(recipes.dump(tuning.recipe(folder, **more)), encoding="utf-8")
    return path


def figures(out: Path) -> list[dict[str, Any]]:
    path = out / "training" / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def steps(out: Path) -> list[dict[str, Any]]:
    return [f for f in figures(out) if "set" not in f]


def start(recipe: Path, out: Path, launch: str = "", settings: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    words = ["-m", "nl2dsl", "train", str(recipe), f"out={out}", *settings]
    if launch:
        port = str(free_port())
        words = ["-m", "accelerate.commands.launch", "--main_process_port", port, "--config_file", f"recipes/accelerate/{launch}", *words]
    environment = os.environ | {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def finished(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said[-4000:]
    return said


def killed_after(process: subprocess.Popen[str], out: Path, step: int) -> None:
    """SIGKILL for all processes of a training, when it has told of a step."""
    limit = time.monotonic() + SECONDS
    while process.poll() is None and len(steps(out)) < step and time.monotonic() < limit:
        time.sleep(0.005)
    launcher = psutil.Process(process.pid)
    for one in (*launcher.children(recursive=True), launcher):  # each rank is a session of its own, which no signal to a group reaches
        one.kill()
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, said[-4000:]
    assert not (out / "card.json").exists()


def test_a_process_that_is_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    recipe = written(tmp_path, steps=60, checkpoint=7, every=20)
    straight = train_recipe(tuning.recipe(tmp_path, steps=60, checkpoint=7, every=20, out=str(tmp_path / "straight")))
    out = tmp_path / "killed"
    for step in (3, 30):
        killed_after(start(recipe, out), out, step)
    assert len(steps(out)) < 60
    train_recipe(recipe, [f"out={out}"])
    assert figures(out) == figures(straight)
    name = "adapter_model.safetensors"
    assert (out / name).read_bytes() == (straight / name).read_bytes()


def nearly(one: Path, other: Path, tolerance: float) -> None:
    """The same steps with losses and gradients that differ by rounding."""
    a, b = steps(one), steps(other)
    assert [(f["stage"], f["step"]) for f in a] == [(f["stage"], f["step"]) for f in b] and len(a) > 10
    for name in ("loss", "norm"):
        assert max(abs(x[name] - y[name]) / abs(y[name]) for x, y in zip(a, b, strict=True)) < tolerance


@distributed
def test_two_processes_take_the_steps_of_one_and_one_goes_on_for_two(tmp_path: Path) -> None:
    """Without dropout, whose noise differs by process, two processes compute the same step up to rounding."""
    lora = tuning.recipe(tmp_path).lora
    settings: dict[str, Any] = {"steps": 20, "batch": 4, "checkpoint": 5, "every": 10, "lora": type(lora)(rank=4, alpha=8, dropout=0.0)}
    recipe = written(tmp_path, **settings)
    one = train_recipe(tuning.recipe(tmp_path, **settings, out=str(tmp_path / "one")))
    two, fewer = tmp_path / "two", tmp_path / "fewer"
    finished(start(recipe, two, "cpu-2.yaml"))
    nearly(two, one, 1e-3)
    killed_after(start(recipe, fewer, "cpu-2.yaml"), fewer, 7)
    train_recipe(recipe, [f"out={fewer}"])
    nearly(fewer, one, 1e-3)
    assert (fewer / "card.json").exists()


@distributed
@pytest.mark.skipif(not importlib.util.find_spec("deepspeed"), reason="deepspeed is not installed")
def test_zero_2_trains_is_killed_and_goes_on(tmp_path: Path) -> None:
    from nl2dsl.engines import hf
    from nl2dsl.prompts import write_flow

    settings: dict[str, Any] = {"steps": 20, "batch": 4, "checkpoint": 5, "every": 10, "methods": ("full", "lora")}
    recipe = written(tmp_path, **settings)
    straight, out = tmp_path / "straight", tmp_path / "out"
    finished(start(recipe, straight, "zero2-cpu-2.yaml"))
    losses = [f["loss"] for f in steps(straight) if f["stage"] == "1-full"]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert sorted((straight / "training" / "1-full").glob("sharded-*/pytorch_model/*zero_pp_rank_1*"))  # it was ZeRO, and two had a part of it
    killed_after(start(recipe, out, "zero2-cpu-2.yaml"), out, 7)
    finished(start(recipe, out, "zero2-cpu-2.yaml"))
    nearly(out, straight, 1e-3)
    assert hf.HF(out).complete(write_flow("mail me about tea", []), max_tokens=3).completion_tokens > 0
