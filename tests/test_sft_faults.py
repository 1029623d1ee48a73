"""What can go wrong in fine-tuning and serving, through the command line: each a message that says what to do and status 2, never a traceback; the last good checkpoint stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "peft", "accelerate"):
    pytest.importorskip(needed)

import tuning  # noqa: E402
from nl2dsl import cli  # noqa: E402
from nl2dsl import recipe as recipes  # noqa: E402
from nl2dsl.errors import ModelError  # noqa: E402
from nl2dsl.training.checkpoint import Checkpoint  # noqa: E402
from nl2dsl.training.sft import bases  # noqa: E402
from nl2dsl.training.sft.loop import Training  # noqa: E402
from nl2dsl.training.sft.states import States  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
Told = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Told:
    """What the command line says on stderr when it refuses."""

    def run(*words: str | Path) -> str:
        capsys.readouterr()
        assert cli.main([str(w) for w in words]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said and "inside nl2dsl" not in said
        return said.replace("\n  ", " ")

    return run


def written(folder: Path, **more: Any) -> Path:
    """The TOML of a small recipe."""
    path = folder / "recipe.toml"
    made = tuning.recipe(folder, **more)
    path.write_text(recipes.dump(made), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("faults")
    assert cli.main(["train", str(written(folder, methods=("full", "lora")))]) == 0
    return folder / "out"


def state_of(folder: Path) -> dict[str, Any]:
    told = json.loads((folder / "states.json").read_text(encoding="utf-8"))
    state = States(folder, told["inputs"]).load()
    assert state is not None
    return state


# --- serving -------------------------------------------------------------------------------------------------------------------


def test_a_model_of_another_prompt(done: Path, tmp_path: Path, refused: Told) -> None:
    shutil.copytree(done, tmp_path / "m")
    card = json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))
    (tmp_path / "m" / "card.json").write_text(json.dumps(card | {"prompt": "0" * 64}), encoding="utf-8")
    said = refused("generate", "--engine", f"hf:{tmp_path / 'm'}", "mail me about tea")
    assert "was trained with another prompt (000000000000" in said and "hint" in said


def test_an_adapter_of_another_base(done: Path, tmp_path: Path, refused: Told) -> None:
    shutil.copytree(done, tmp_path / "m")
    card = json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))
    base = tmp_path / "m" / card["base"]["path"]
    shutil.rmtree(base)
    bases.make("random:mistral", tuning.recipe(done.parent).shape, ["other"], base, 1)
    said = refused("generate", "--engine", f"hf:{tmp_path / 'm'}", "mail me about tea")
    assert "is an adapter of another base" in said and card["base"]["digest"][:12] in said


# --- training ------------------------------------------------------------------------------------------------------------------


def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch, recipe: Path) -> None:
    """A training that is gone at a step."""

    class Gone(BaseException):
        pass

    whole = Training._step

    def some(self: Training, now: int) -> Any:
        if now == step:
            raise Gone
        return whole(self, now)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", some)
        with pytest.raises(Gone):
            cli.main(["train", str(recipe)])


def test_a_damaged_checkpoint_and_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Told) -> None:
    recipe = written(tmp_path, checkpoint=1)
    assert cli.main(["train", str(recipe), f"out={tmp_path / 'straight'}"]) == 0
    stopped_at(3, monkeypatch, recipe)
    states = tmp_path / "out" / "training" / "1-lora"
    last = states / "step-0000003.pt"
    whole = last.read_bytes()
    last.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    said = refused("train", recipe)
    assert "step-0000003.pt is damaged; step-0000002.pt (step 2) is the one before it" in said and f"remove {last}" in said
    last.unlink()  # as the hint says
    assert cli.main(["train", str(recipe)]) == 0
    name = "adapter_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_a_loss_that_runs_away(tmp_path: Path, refused: Told) -> None:
    """A learning rate beyond all measure, not a planted number: weights of 1e30 give a loss that is none."""
    said = refused("train", written(tmp_path, checkpoint=1, every=100, learning_rate=1e30, warmup=0.0))
    assert "is nan at step 2" in said and "the checkpoint of step 1 is whole" in said and "a lower learning_rate" in said
    state = state_of(tmp_path / "out" / "training" / "1-lora")
    assert state["step"] == 1 and all(torch.isfinite(w).all() for w in state["weights"].values())
    assert not (tmp_path / "out" / "card.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk(tmp_path: Path, refused: Told) -> None:
    """The second checkpoint is written to a device that is always full; with room the same command goes on."""
    recipe = written(tmp_path, methods=("full",))
    assert cli.main(["train", str(recipe), f"out={tmp_path / 'straight'}"]) == 0
    states = tmp_path / "out" / "training" / "1-full"
    states.mkdir(parents=True)
    (states / "step-0000004.pt.new").symlink_to("/dev/full")
    said = refused("train", recipe)
    assert "the checkpoint of step 4 cannot be written" in said and "No space left" in said and "make room" in said
    assert state_of(states)["step"] == 2 and not (tmp_path / "out" / "card.json").exists()
    assert cli.main(["train", str(recipe)]) == 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (tmp_path / "straight" / "model.safetensors").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_is_full_when_something_is_told(tmp_path: Path, refused: Told) -> None:
    (tmp_path / "out" / "training").mkdir(parents=True)
    (tmp_path / "out" / "training" / "log.txt").symlink_to("/dev/full")
    said = refused("train", written(tmp_path))
    assert "log.txt cannot be written: No space left" in said and "make room" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_checkpoint_of_the_embedded_training_on_a_full_disk(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "generator.checkpoint.pt", "inputs")
    checkpoint.save({"step": 1})
    (tmp_path / "generator.checkpoint.pt.new").symlink_to("/dev/full")
    with pytest.raises(ModelError, match=r"generator\.checkpoint\.pt cannot be written: No space left"):
        checkpoint.save({"step": 2, "weights": torch.zeros(100_000)})
    state = checkpoint.load()
    assert state is not None and state["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["generator.checkpoint.pt"]
