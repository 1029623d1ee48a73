"""Fine-tuning: the loss is the flow's alone, packing changes nothing, a killed training goes on bit for bit, what is broken is refused, and what was trained is served."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "peft", "accelerate"):
    pytest.importorskip(needed)

from transformers import AutoTokenizer  # noqa: E402

import tuning  # noqa: E402
from nl2dsl import prompts  # noqa: E402
from nl2dsl import recipe as recipes  # noqa: E402
from nl2dsl.catalog import read as catalogs  # noqa: E402
from nl2dsl.engines import hf, open_engine  # noqa: E402
from nl2dsl.errors import CorpusError, EngineError, ModelError, RecipeError, UsageError  # noqa: E402
from nl2dsl.evaluation.run import EvaluateRecipe, evaluate  # noqa: E402
from nl2dsl.prompts import Message, Prompt, Shot, write_flow  # noqa: E402
from nl2dsl.textual import TextGenerator, candidates  # noqa: E402
from nl2dsl.training.sft import attention, bases, card, data, trainer_of  # noqa: E402
from nl2dsl.training.sft import hosted as hosting  # noqa: E402
from nl2dsl.training.sft import run as running  # noqa: E402
from nl2dsl.training.sft.data import Encoded, Steps  # noqa: E402
from nl2dsl.training.sft.hosted import HostedRecipe  # noqa: E402
from nl2dsl.training.sft.loop import Training, rise_and_fall  # noqa: E402
from nl2dsl.training.sft.model import trained  # noqa: E402
from nl2dsl.training.sft.recipe import SftRecipe, Shape  # noqa: E402
from nl2dsl.training.sft.rows import examples, offered  # noqa: E402
from nl2dsl.training.sft.run import train_recipe  # noqa: E402
from nl2dsl.training.sft.states import States  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parent.parent
SHAPE = Shape(layers=2, width=32, heads=4, kv_heads=2, inner=48, vocabulary=300)


def row(n: int, prompt: int, start: int = 5) -> Encoded:
    from array import array

    return Encoded(array("i", [start + (7 * i) % 200 for i in range(n)]), prompt)


ROWS = [row(19, 11), row(7, 3, 9), row(12, 6, 30), row(19, 4, 60), row(5, 4, 90)]


# --- batches -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
def test_packed_rows_see_only_themselves(architecture: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(bases.make(f"random:{architecture}", SHAPE, ["mail me"], tmp_path, 0)).eval()
    attention.register()
    with torch.no_grad():
        model.set_attn_implementation("eager")
        alone = [float(data.loss(model, data.packs([r], "packed", 64, 0, 1)[0])) for r in ROWS]
        for how in ("sdpa", "rows"):
            model.set_attn_implementation(how)
            packed = [float(data.loss(model, p)) for p in data.packs(ROWS, "packed", 64, 0, 16)]
            grouped = [float(data.loss(model, p)) for p in data.packs(ROWS, "grouped", 64, 0, 8)]
            assert len(packed) == 1 and len(grouped) > 1
            assert sum(packed) == pytest.approx(sum(alone), rel=1e-4)
            assert sum(grouped) == pytest.approx(sum(alone), rel=1e-4)


def test_a_neighbour_in_the_pack_changes_no_gradient(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(bases.make("random:mistral", SHAPE, ["mail me"], tmp_path, 0)).eval()

    def gradient(rows: list[Encoded]) -> Any:
        model.zero_grad()
        for pack in data.packs(rows, "packed", 64, 0, 1):
            data.loss(model, pack).backward()
        return model.model.layers[0].self_attn.q_proj.weight.grad.clone()

    one, other, both = gradient(ROWS[:1]), gradient(ROWS[1:2]), gradient(ROWS[:2])
    torch.testing.assert_close(both, one + other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batching", ["packed", "grouped"])
def test_labels_are_the_tokens_of_the_flow_and_nothing_else(batching: str) -> None:
    asked = [label for p in data.packs(ROWS, batching, 32, 0, 8) for line in p.labels.tolist() for label in line if label != data.IGNORED]
    assert sorted(asked) == sorted(token for r in ROWS for token in r.ids[r.prompt :])
    for pack in data.packs(ROWS, batching, 32, 0, 8):
        following = pack.ids[:, pack.keep + 1]
        assert torch.equal(following[pack.labels != data.IGNORED], pack.labels[pack.labels != data.IGNORED])


@pytest.mark.parametrize("batching", ["packed", "grouped"])
def test_no_pass_is_larger_than_its_room_and_no_row_is_lost(batching: str) -> None:
    found = data.packs(ROWS * 5, batching, 40, 0, 4)
    assert all(p.ids.numel() <= 40 for p in found)
    assert sum(p.useful for p in found) == 5 * sum(len(r.ids) for r in ROWS)


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_each_process_has_as_many_passes_and_no_row_is_lost(processes: int) -> None:
    found = data.packs(ROWS * 3, "packed", 64, 0, 1, processes)
    assert len(found) % processes == 0 and all(p.ids.numel() <= 64 for p in found)
    assert sum(p.useful for p in found) == 3 * sum(len(r.ids) for r in ROWS)
    assert max(p.useful for p in found) < 2 * min(p.useful for p in found) or processes == 5
    assert len(data.packs(ROWS[:1], "packed", 64, 0, 1, processes)) == 1


def test_attention_by_rows_keeps_within_a_sliding_window() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, 30, 8), torch.randn(1, 2, 30, 8), torch.randn(1, 2, 30, 8)
    made, _ = attention.attend(None, query, key, value, None, sliding_window=5, rows=(18, 4, 8))
    start = 0
    for n in (18, 4, 8):
        for head in range(4):
            scores = query[0, head, start : start + n] @ key[0, head // 2, start : start + n].T / 8**0.5
            seen = torch.tensor([[0 <= i - j < 5 for j in range(n)] for i in range(n)])
            wanted = scores.masked_fill(~seen, -torch.inf).softmax(1) @ value[0, head // 2, start : start + n]
            torch.testing.assert_close(made[0, start : start + n, head], wanted, rtol=1e-4, atol=1e-5)
        start += n


def test_each_row_comes_once_an_epoch_in_another_order() -> None:
    steps = Steps(ROWS, 5, 0)
    first, second = steps.of(0), steps.of(1)
    assert sorted(map(id, first)) == sorted(map(id, second)) == sorted(map(id, ROWS))
    assert [id(r) for r in steps.of(0)] == [id(r) for r in first]


def test_the_flows_own_operations_stand_where_serving_would_put_them() -> None:
    catalog = catalogs.builtin()
    example = tuning._row(1, "train")
    query = "mail me"
    whole = candidates(catalog, query)
    known = next(o for o in whole if o.connector.startswith("shared_"))
    without = [o for o in whole if o is not known]
    wanted = replace(example, query=query, operations=(known.id,))
    assert offered(without, wanted, catalog) == whole
    assert offered(whole, wanted, catalog) == whole


def test_training_reads_the_prompt_that_serving_writes(tmp_path: Path) -> None:
    folder = tuning.corpus(tmp_path)
    catalog = catalogs.with_platform(catalogs.load([folder / "catalog.jsonl"]))
    tokenizer = bases.tokenizer(["mail me about tea"], 400)
    seen: list[Prompt] = []

    class Listener:
        name = "listener"

        def complete(self, prompt: Prompt, *, max_tokens: int) -> Any:
            seen.append(prompt)
            raise EngineError("enough")

    asker = TextGenerator(Listener(), catalog=catalog, constrain="none")
    example = examples(folder, "train", catalog, 0, 0)[1]
    with pytest.raises(EngineError):
        asker.generate(example.query)
    (made,) = data.encode([example], catalog, tokenizer, asker.offered)
    assert tokenizer.decode(made.ids[: made.prompt]) == hf.render(tokenizer, seen[0])
    assert tokenizer.decode(made.ids[made.prompt :]) == example.dsl.strip() + "</s>"


# --- the prompt as text --------------------------------------------------------------------------------------------------------

CHAT = "{% for m in messages %}{% if m.role == 'system' %}SYSTEM{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}"
)


def test_a_chat_template_renders_the_messages_in_turn() -> None:
    tokenizer = bases.tokenizer(["x"], 300)
    tokenizer.chat_template = CHAT
    text = hf.render(tokenizer, write_flow("mail me", [], [Shot("before", "flow")]))
    assert text.startswith("SYSTEM<system>") and text.endswith("<user>before<assistant>flow<user>mail me<assistant>")


def test_a_template_without_a_system_role_gets_its_words_in_the_first_request() -> None:
    tokenizer = bases.tokenizer(["x"], 300)
    tokenizer.chat_template = NO_SYSTEM
    prompt = Prompt("q", (Message("system", "rules"), Message("user", "q")))
    assert hf.render(tokenizer, prompt) == "<user>rules\n\nq"


@pytest.mark.parametrize("shots", [[], [Shot("before", "flow"), Shot("{{ a }}", "{% b %}\n")]])
def test_a_model_without_a_chat_template_is_saved_with_one_that_says_the_same(shots: list[Shot], tmp_path: Path) -> None:
    tokenizer, prompt = bases.tokenizer(["x"], 300), write_flow("mail me", [], shots)
    plain, digest = hf.render(tokenizer, prompt), hf.template_digest(tokenizer)
    hf.servable(tokenizer).save_pretrained(tmp_path)
    read: Any = AutoTokenizer.from_pretrained(tmp_path)
    assert read.chat_template and hf.render(read, prompt) == plain and hf.template_digest(read) == digest
    read.chat_template = CHAT
    assert hf.servable(read).chat_template == CHAT


def test_another_template_has_another_digest() -> None:
    one, other = bases.tokenizer(["x"], 300), bases.tokenizer(["x"], 300)
    other.chat_template = CHAT
    assert hf.template_digest(one) != hf.template_digest(other)


# --- training ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training: all of a base, then an adapter on it, merged too."""
    torch.set_num_threads(1)
    return train_recipe(tuning.recipe(tmp_path_factory.mktemp("sft"), methods=("full", "lora"), merge=True, tensorboard=True))


def figures(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "training" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_card_says_what_the_model_is(done: Path) -> None:
    told = json.loads((done / "card.json").read_text(encoding="utf-8"))
    assert told["method"] == "lora" and told["prompt"] == prompts.digest() and told["catalog"] and told["data"]["train"]
    assert told["base"]["digest"] == hf.weights_digest(done / told["base"]["path"])
    assert {"flow_similarity", "non_parsed", "loss"} <= told["scores"].keys()
    assert told["recipe"]["lora"] == {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": []}
    assert "adapter_model.safetensors" in told["files"]


def test_the_loss_falls(done: Path) -> None:
    losses = [f["loss"] for f in figures(done) if f["stage"] == "1-full" and "set" not in f]
    assert len(losses) == 4 and losses[-1] < losses[0]


def test_tensorboard_has_the_figures(done: Path) -> None:
    assert list((done / "training" / "tensorboard").glob("events.*"))


def test_adapter_and_merged_weights_write_the_same(done: Path) -> None:
    beside, within, merged = hf.HF(done, merged=False), hf.HF(done), open_engine(f"hf:{done / 'merged'}")
    for query in ("mail me about tea", "Start on Monday", "Jeden Tag eine Mail: ü"):
        prompt = write_flow(query, [])
        wanted = beside.complete(prompt, max_tokens=6)
        assert wanted.completion_tokens > 0
        assert within.complete(prompt, max_tokens=6).text == merged.complete(prompt, max_tokens=6).text == wanted.text


def test_what_was_trained_answers_requests(done: Path) -> None:
    outcome = TextGenerator(f"hf:{done}", constrain="none").generate("mail me about tea", max_tokens=4)
    assert outcome.facts.model.startswith("hf:mistral-lora@") and outcome.facts.tokens["completion"] > 0


def test_an_evaluation_takes_the_folder_of_a_fine_tuned_model(done: Path, tmp_path: Path) -> None:
    corpus = done.parent / "corpus"
    run = evaluate(
        EvaluateRecipe(
            rows=corpus / "validation.jsonl", out=tmp_path / "run", model=done, catalog=(str(corpus / "catalog.jsonl"),), limit=2, max_tokens=4
        )
    )
    told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert told["writer"]["name"] == f"hf:{done}"
    assert len((run / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 2


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, what: BaseException | None = None) -> None:
    whole = Training._step

    def some(self: Training, now: int) -> Any:
        if now == step:
            raise what or Killed
        return whole(self, now)

    monkeypatch.setattr(Training, "_step", some)


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("step", [1, 3])
def test_a_killed_training_goes_on_bit_for_bit(method: Any, step: int, tmp_path: Path) -> None:
    tuning.corpus(tmp_path / "corpus")
    straight = train_recipe(tuning.recipe(tmp_path, methods=(method,), out=str(tmp_path / "straight"), every=3))
    again = tuning.recipe(tmp_path, methods=(method,), out=str(tmp_path / "again"), every=3)
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, step)
        with pytest.raises(Killed):
            train_recipe(again)
    assert not (tmp_path / "again" / "card.json").exists()
    train_recipe(again)
    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    assert (straight / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert figures(straight) == figures(tmp_path / "again")


def test_training_ends_when_it_gets_no_better_and_keeps_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(running._Run, "_measured", lambda self, engine: {"flow_similarity": next(scores), "non_parsed": 0.0})
    out = train_recipe(tuning.recipe(tmp_path, steps=8, every=1, patience=2, validation=1))
    told = json.loads((out / "card.json").read_text(encoding="utf-8"))["scores"]
    assert told["flow_similarity"] == 0.5 and told["step"] == 1
    assert next(scores) == 0.9  # the fourth was never asked for


# --- what is broken ------------------------------------------------------------------------------------------------------------


def copied(done: Path, place: Path) -> Path:
    import shutil

    shutil.copytree(done, place)
    return place


def rewritten(folder: Path, **more: Any) -> Path:
    told = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps(told | more), encoding="utf-8")
    return folder


def test_an_adapter_is_refused_on_another_base(done: Path, tmp_path: Path) -> None:
    other = bases.make("random:mistral", tuning.recipe(done.parent).shape, ["other"], tmp_path / "other", 1)
    with pytest.raises(ModelError, match="adapter of another base"):
        hf.HF(done, base=other)


def test_a_model_of_another_prompt_is_refused(done: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="another prompt"):
        hf.HF(rewritten(copied(done, tmp_path / "m"), prompt="0" * 64))


def test_another_way_to_render_the_prompt_is_refused(done: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="rendered otherwise"):
        hf.HF(rewritten(copied(done, tmp_path / "m"), template="0" * 64))


def test_a_damaged_file_is_refused_by_name(done: Path, tmp_path: Path) -> None:
    folder = copied(done, tmp_path / "m")
    with (folder / "adapter_model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x7f")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is not the file of the card"):
        hf.HF(folder)
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"`adapter_model\.safetensors` is missing"):
        hf.HF(folder)


def test_a_folder_without_a_card_and_the_embedded_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no card\.json"):
        open_engine(f"hf:{tmp_path}")
    (tmp_path / "card.json").write_text('{"name": "embedded"}', encoding="utf-8")
    with pytest.raises(ModelError, match="no fine-tuned text model"):
        open_engine(f"hf:{tmp_path}")


def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_whole(tmp_path: Path) -> None:
    states = States(tmp_path, "inputs")
    for step in (1, 2, 3):
        states.save(step, {"step": step, "weights": torch.full((4,), float(step))})
    assert [p.name for p in sorted(tmp_path.glob("step-*"))] == ["step-0000002.pt", "step-0000003.pt"]
    last = tmp_path / "step-0000003.pt"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"step-0000003\.pt is damaged; step-0000002\.pt \(step 2\) is the one before it"):
        states.load()
    last.unlink()
    state = states.load()
    assert state is not None and state["step"] == 2


def test_a_checkpoint_of_other_inputs_is_not_gone_on_from(tmp_path: Path) -> None:
    States(tmp_path, "one").save(1, {"step": 1})
    assert States(tmp_path, "other").load() is None


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    States(tmp_path, "inputs").save(1, {"step": 1})

    def full(value: Any, stream: Any) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match=r"checkpoint of step 2 cannot be written.*No space left"):
        States(tmp_path, "inputs", full).save(2, {"step": 2})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["states.json", "step-0000001.pt"]
    state = States(tmp_path, "inputs").load()
    assert state is not None and state["step"] == 1


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training_and_the_checkpoint_stays(broken: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, calls = data.loss, [0]

    def loss(model: Any, pack: Any) -> Any:
        calls[0] += model.training
        return whole(model, pack) * (broken if calls[0] > 4 and model.training else 1.0)

    monkeypatch.setattr(data, "loss", loss)
    with pytest.raises(ModelError, match=r"the loss is (nan|inf) at step 3.*checkpoint of step 2 is whole"):
        train_recipe(tuning.recipe(tmp_path, checkpoint=1, every=100))
    folder = tmp_path / "out" / "training" / "1-lora"
    state = States(folder, json.loads((folder / "states.json").read_text(encoding="utf-8"))["inputs"]).load()
    assert state is not None and state["step"] == 2 and all(torch.isfinite(w).all() for w in state["weights"].values())
    assert not (tmp_path / "out" / "card.json").exists()


def test_rows_that_are_all_too_long_are_a_problem_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no train row has at most 16 tokens"):
        train_recipe(tuning.recipe(tmp_path, max_length=16))


def test_qlora_says_what_it_needs(tmp_path: Path) -> None:
    if __import__("importlib.util").util.find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(ModelError, match="QLoRA needs bitsandbytes"):
        train_recipe(tuning.recipe(tmp_path, methods=("qlora",)))


def test_a_base_that_is_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="neither a folder nor to be had from the hub"):
        train_recipe(tuning.recipe(tmp_path, base="nobody/nothing-here"))
    with pytest.raises(RecipeError, match="no architecture `gpt5`"):
        train_recipe(tuning.recipe(tmp_path, base="random:gpt5"))


# --- recipes -------------------------------------------------------------------------------------------------------------------


def test_every_recipe_reads_as_what_it_is_for() -> None:
    kinds = {path.name: trainer_of(path) for path in sorted((ROOT / "recipes" / "train").rglob("*.toml"))}
    assert kinds["embedded.toml"] == "embedded" and kinds["gpt-4o-mini.toml"] == "hosted"
    own = [name for name, kind in kinds.items() if kind == "sft"]
    assert len(own) >= 11
    for name in own:
        recipe = recipes.load(ROOT / "recipes" / "train" / name, SftRecipe)
        assert (recipe.lora.rank, recipe.lora.dropout) == (16, 0.1)
        assert recipe.learning_rate == 1e-4 or name == "smoke.toml"
    assert recipes.load(ROOT / "recipes" / "train" / "gpt-4o-mini.toml", HostedRecipe).submit is False


def test_a_trainer_nobody_knows_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('trainer = "stf"', encoding="utf-8")
    with pytest.raises(RecipeError, match="not one of sft, preference, hosted, embedded"):
        trainer_of(tmp_path / "r.toml")


def test_settings_that_cannot_be_are_told() -> None:
    with pytest.raises(RecipeError, match="`micro_tokens` is at least `max_length`"):
        recipes.build({"base": "x", "micro_tokens": 10}, SftRecipe)
    with pytest.raises(RecipeError, match="did you mean `learning_rate`"):
        recipes.build({"base": "x", "learning_rat": 1.0}, SftRecipe)


def test_launch_files_are_well_formed() -> None:
    import yaml
    from accelerate.commands.config import load_config_from_file

    seen = 0
    for path in (ROOT / "recipes" / "accelerate").glob("*.yaml"):
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        load_config_from_file(str(path))  # raises for a key that accelerate does not know
        assert told["num_processes"] % told["num_machines"] == 0
        assert told["distributed_type"] != "MULTI_CPU"  # starts one process alone
        if told["distributed_type"] == "DEEPSPEED":
            how = json.loads((ROOT / told["deepspeed_config"]["deepspeed_config_file"]).read_text(encoding="utf-8"))
            assert how["zero_optimization"]["stage"] in (2, 3)
            seen += 1
    assert seen >= 3


def test_the_learning_rate_rises_and_falls() -> None:
    curve = [rise_and_fall(s, 100, 0.1, "cosine") for s in range(100)]
    assert curve[0] == pytest.approx(0.1) and max(curve) == 1.0 and curve[-1] < 0.01 and curve.index(1.0) == 9
    assert {rise_and_fall(s, 10, 0.0, "constant") for s in range(10)} == {1.0}
    assert rise_and_fall(5, 10, 0.0, "linear") == 0.5


# --- hosted --------------------------------------------------------------------------------------------------------------------


class Host:
    """A host of fine-tuning jobs on this machine; a job has the statuses of a list, one at each question."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.statuses = ["validating_files", "running", "succeeded"]
        self.busy = 0
        self.moved = ""
        self.error: tuple[int, Any] | None = None
        host = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                host.asked.append((self.command, self.path, body, dict(self.headers)))
                if host.moved:
                    self.send_response(302)
                    self.send_header("Location", host.moved + self.path)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif host.error:
                    self._say(*host.error)
                elif host.busy:
                    host.busy -= 1
                    self._say(503, {"error": {"message": "busy"}})
                elif self.path == "/v1/files":
                    self._say(200, {"id": f"file-{len(host.asked)}"})
                else:
                    status = "queued" if self.command == "POST" else host.statuses.pop(0)
                    end = {"fine_tuned_model": "ft:tiny", "trained_tokens": 7} if status == "succeeded" else {}
                    self._say(200, {"id": "job-1", "status": status, "error": {"message": "bad data"}, **end})

            do_GET = do_POST = _answer

            def _say(self, status: int, said: Any) -> None:
                made = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(made)))
                self.end_headers()
                self.wfile.write(made)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> Host:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()


def hosted(folder: Path, url: str, **more: Any) -> HostedRecipe:
    tuning.corpus(folder / "corpus")
    for split in ("train", "validation"):  # the hosted files are for the built-in catalog
        path = folder / "corpus" / f"{split}.jsonl"
        path.write_text(path.read_text(encoding="utf-8").replace("shared_post.Send", "shared_office365.SendEmailV2"), encoding="utf-8")
    return replace(HostedRecipe("tiny", url=url, corpus=str(folder / "corpus"), out=str(folder / "job"), validation=4, poll=0.01), **more)


def test_a_hosted_job_is_exported_submitted_and_followed_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NL2DSL_API_KEY", "secret")
    with Host() as host:
        host.busy = 1
        out = hosting.train_recipe(hosted(tmp_path, host.url, submit=True))
    posts = [(path, body) for method, path, body, _ in host.asked if method == "POST"]
    assert [path for path, _ in posts] == ["/v1/files"] * 3 + ["/v1/fine_tuning/jobs"]  # the first was busy
    assert (out / "train.jsonl").read_bytes() in posts[1][1] and b'name="purpose"\r\n\r\nfine-tune' in posts[1][1]
    assert json.loads(posts[3][1])["training_file"] == "file-2"
    assert all(headers["Authorization"] == "Bearer secret" for *_, headers in host.asked)
    told = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert told["engine"] == f"openai:{host.url}#ft:tiny" and told["prompt"] == prompts.digest()
    assert "secret" not in (out / "card.json").read_text(encoding="utf-8") + (out / "job.json").read_text(encoding="utf-8")


def test_a_job_is_not_sent_twice(tmp_path: Path) -> None:
    with Host() as host:
        host.statuses = ["running"] * 50
        recipe = hosted(tmp_path, host.url, submit=True, patience=0.03)
        with pytest.raises(EngineError, match="is still `running`"):
            hosting.train_recipe(recipe)
        sent = sum(method == "POST" for method, *_ in host.asked)
        host.statuses = ["succeeded"]
        hosting.train_recipe(recipe)
        assert sum(method == "POST" for method, *_ in host.asked) == sent == 3


def test_a_failed_job_says_why(tmp_path: Path) -> None:
    with Host() as host:
        host.statuses = ["failed"]
        with pytest.raises(EngineError, match="job-1 failed: bad data"):
            hosting.train_recipe(hosted(tmp_path, host.url, submit=True))


def test_the_key_never_goes_to_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NL2DSL_API_KEY", "secret")
    with Host() as elsewhere, Host() as host:
        host.moved = elsewhere.url
        with pytest.raises(EngineError, match="answered 302") as caught:
            hosting.train_recipe(hosted(tmp_path, host.url, submit=True))
        host.moved = ""
        hosting.train_recipe(recipe := hosted(tmp_path, host.url, submit=True))
        (Path(recipe.out) / "card.json").unlink()
        host.moved, host.statuses = elsewhere.url, []
        with pytest.raises(EngineError, match="answered 302"):  # a question is redirected as easily as a file
            hosting.poll(recipe, {"id": "job-1", "status": "running"})
    assert "give the new address" in caught.value.hint
    assert not elsewhere.asked and host.asked


def test_a_host_that_takes_no_money_says_so_at_once(tmp_path: Path) -> None:
    with Host() as host:
        host.error = (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
        with pytest.raises(EngineError, match="answered 429 You exceeded your quota") as caught:
            hosting.train_recipe(hosted(tmp_path, host.url, submit=True))
    assert len(host.asked) == 1 and "credit" in caught.value.hint


def test_nothing_is_sent_without_submit_or_beyond_the_budget(tmp_path: Path) -> None:
    with Host() as host:
        out = hosting.train_recipe(hosted(tmp_path, host.url))
        with pytest.raises(UsageError, match="more than the budget"):
            hosting.train_recipe(hosted(tmp_path, host.url, submit=True, budget=0.001))
    assert not host.asked and not (out / "card.json").exists()
    rows = [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [m["role"] for m in rows[0]["messages"]] == ["system", "user", "assistant"]


def test_files_that_a_host_would_refuse_are_refused_here(tmp_path: Path) -> None:
    bad = [{"role": "user", "content": "q"}], [{"role": "assistant", "content": ""}], [{"role": "tool", "content": "x"}]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"messages": m}) + "\n" for m in bad), encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        hosting.validate(path)
    told = str(caught.value)
    assert "the last message is not the assistant's" in told and "has no text" in told and "a role is none of" in told and "takes 10 or more" in told


def test_cards_name_the_versions() -> None:
    assert {"python", "torch", "transformers", "peft", "accelerate"} <= card.versions().keys()


def test_every_weight_of_full_training_learns(tmp_path: Path) -> None:
    from nl2dsl.training.sft.model import load

    base = bases.make("random:qwen3", SHAPE, ["x"], tmp_path, 0)
    whole, _ = load(base, tuning.recipe(tmp_path), "full")
    adapter, _ = load(base, tuning.recipe(tmp_path), "lora")
    assert len(trained(whole)) == len(list(whole.parameters()))
    assert trained(adapter) and all("lora_" in name for name in trained(adapter))
