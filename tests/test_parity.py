"""The parity gate: equal models pass, a planted fault fails and names the prompts, near ties are told apart from faults, what was not compared is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "peft", "accelerate", "openvino"):
    pytest.importorskip(needed)

import tuning  # noqa: E402
from nl2dsl.cli import main  # noqa: E402
from nl2dsl.engines import hf  # noqa: E402
from nl2dsl.errors import ModelError, UsageError  # noqa: E402
from nl2dsl.evaluation import parity as gate  # noqa: E402
from nl2dsl.evaluation.parity import Check, Difference, Tolerance, Trail  # noqa: E402
from nl2dsl.files import write_rows  # noqa: E402
from nl2dsl.prompts import Message, Prompt  # noqa: E402
from nl2dsl.training.sft import card  # noqa: E402
from nl2dsl.training.sft.run import train_recipe  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parent.parent
QUERIES = ["mail me about tea", "Every Monday post the open tasks to Teams", "Jeden Tag eine Mail: ü"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter whose answers are those of neither base nor chance, and its merged weights."""
    torch.set_num_threads(1)
    return train_recipe(
        tuning.recipe(tmp_path_factory.mktemp("sft"), methods=("lora",), merge=True, offered=1, steps=8, every=8, decoded=0, learning_rate=3e-2)
    )


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    write_rows(path, ({"query": q} for q in QUERIES))
    return path


def checks(folder: Path, prompts: Path, **more: Any) -> dict[str, Check]:
    return {c.name: c for c in gate.parity(folder, prompts, max_tokens=6, **more)}


# --- text models -------------------------------------------------------------------------------------------------------------------


def test_an_adapter_is_the_same_beside_its_base_merged_and_in_a_batch(tuned: Path, prompts: Path) -> None:
    found = checks(tuned, prompts)
    assert all(c.passed for c in found.values())
    assert {name: c.n for name, c in found.items()} == {
        "adapter = merged in memory": 3, "adapter = merged folder": 3, "alone = in a batch": 3, "adapter = server": 0,
    }  # fmt: skip
    assert "no --server" in found["adapter = server"].skipped
    assert 0 <= found["adapter = merged folder"].figures["largest |Δ logprob|"] < 1e-3


@pytest.fixture
def broken(tuned: Path, tmp_path: Path) -> Path:
    """Merged weights of which one layer is another; the card was written again, so that only the answers tell."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(tuned, tmp_path / "model")
    place = tmp_path / "model" / "merged"
    weights = load_file(place / "model.safetensors")
    torch.manual_seed(0)
    weights["lm_head.weight"] = torch.randn_like(weights["lm_head.weight"])
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    told = json.loads((place / "card.json").read_text(encoding="utf-8"))
    card.write(place, {k: v for k, v in told.items() if k not in ("kind", "nl2dsl", "prompt", "versions", "files", "digest")})
    base = (tuned / told["base"]["path"]).resolve()
    assert hf.weights_digest(base) == told["base"]["digest"]
    return tmp_path / "model"


def test_other_weights_fail_and_the_prompts_are_named(broken: Path, prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", str(broken), "--prompts", str(prompts), "--max-tokens", "6"]) == 1
    told = capsys.readouterr().out
    assert "adapter = merged folder: FAILED, 0 of 3 equal, 3 beyond a tie" in told
    assert "adapter = merged in memory: passed" in told and "adapter = server: SKIPPED" in told
    assert all(f"`{q[:70]}`" in told for q in QUERIES) and "<- no tie" in told
    assert main(["parity", str(broken), "--prompts", str(prompts), "--max-tokens", "6", "--limit", "1", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)[str(broken)]
    assert [(r["name"], r["passed"], r["n"]) for r in rows][1] == ("adapter = merged folder", False, 1)
    assert rows[1]["differences"][0]["gap"] > 0.05


@contextmanager
def served(folder: Path, spoil: str = "") -> Iterator[str]:
    """An OpenAI-compatible host backed by transformers: what vLLM is to the gate."""
    text = hf.HF(folder).loaded

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert body["temperature"] == 0
            asked = Prompt("", tuple(Message(m["role"], m["content"]) for m in body["messages"]))
            made = json.dumps(
                {"choices": [{"message": {"role": "assistant", "content": text.complete(asked, max_tokens=body["max_tokens"]).text + spoil}}]}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(made)))
            self.end_headers()
            self.wfile.write(made)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"openai:http://127.0.0.1:{server.server_port}/v1#tuned"
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_of_the_same_weights_passes_and_one_that_adds_a_word_fails(tuned: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served(tuned / "merged") as url:
        found = checks(tuned, prompts, server=url)["adapter = server"]
        assert found.passed and found.equal == found.n == 3
    with served(tuned / "merged", " indeed") as url:
        assert not checks(tuned, prompts, server=url)["adapter = server"].passed


# --- tolerances --------------------------------------------------------------------------------------------------------------------


def test_a_near_tie_is_no_fault_but_too_many_are() -> None:
    tie, fault = Difference(0, "q", 3, "a", "b", 0.01), Difference(1, "q", 3, "a", "b", 0.2)
    assert Check("c", Tolerance(0.05, 0.5), 2, [tie]).passed
    assert not Check("c", Tolerance(0.05, 0.6), 2, [tie]).passed
    assert not Check("c", Tolerance(0.05, 0.0), 2, [fault]).passed
    assert not Check("c", Tolerance(), 2, [replace(fault, gap=float("nan"))]).passed
    assert not Check("c", Tolerance()).passed  # nothing was compared
    assert Check("c", Tolerance(), skipped="why").passed


def test_flows_part_at_the_first_decision_that_differs() -> None:
    def trail(*scores: list[float]) -> Trail:
        made = Trail()
        for one in scores:
            made.choose(np.array(one, dtype=np.float32))
        return made

    first = trail([0.0, 1.0], [2.0, 1.9, -9.0], [5.0, 0.0])
    other = trail([0.0, 1.1], [1.9, 2.0, -9.0], [0.0, 5.0])
    check = gate._compared("c", Tolerance(0.2), ["q"], [first], [other])
    (d,) = check.differences
    assert (d.place, d.wanted, d.made) == (1, "option 0", "option 1") and d.gap == pytest.approx(0.1, abs=1e-4)
    assert check.figures["decisions"] == 2 and check.figures["decisions alike"] == 0.5 and not check.beyond
    assert gate._compared("c", Tolerance(), ["q"], [first], [first]).equal == 1


# --- the embedded model ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with scores that are spread, its weights (`weights`) and its export (`model`)."""
    pytest.importorskip("nncf")
    import tiny
    from nl2dsl.training import export
    from nl2dsl.training.checkpoint import write

    out = tmp_path_factory.mktemp("embedded")
    t = tiny.trained(4)
    reader = tiny.encoder()
    torch.manual_seed(1)
    with torch.no_grad():  # no weight is nothing: such constants do not come back from a graph
        for part in (t.model.writer, t.model.encoder.encoder, reader.encoder):
            for p in part.parameters():
                p.add_(0.05 * torch.randn_like(p))
    reader.save_pretrained(out / "weights" / "retriever")
    tiny.tokenizer().save(str(out / "weights" / "retriever" / "tokenizer.json"))
    for name, whole in (("encoder", t.model.encoder), ("writer", t.model.writer)):
        write(whole.state_dict(), out / "weights" / f"{name}.pt")
    export.export(
        t.model.encoder.eval(), t.model.writer.eval(), reader.eval(), t.banks.tables, out / "weights" / "retriever" / "tokenizer.json", out / "model"
    )
    told = {"catalog": tiny.catalog().digest, "recipe": {"decoder": tiny.SIZE.as_dict()}, "residual_share": 0.5, "novelty": 3.0}
    (out / "model" / "card.json").write_text(json.dumps(told), encoding="utf-8")
    return out


def of_export(exported: Path, weights: Path | None, told: Tolerance | None = None) -> list[Check]:
    import tiny

    queries = [r.query for r in tiny.curated()[:5]]
    return gate.embedded_checks(exported / "model", queries, told or Tolerance(), weights, tiny.catalog(), exported / "weights" / "retriever")


def test_exported_graphs_decide_as_pytorch_does(exported: Path) -> None:
    for weights in (exported / "weights", None):  # those of the training; those of int8
        torch_check, batch_check = of_export(exported, weights, Tolerance(0.1, 0.2))  # chance decides by hairs, over fifty decisions a flow
        assert torch_check.passed and batch_check.passed, list(gate.lines(exported, [torch_check, batch_check]))
        assert torch_check.figures["decisions"] > 20 and torch_check.figures["largest |Δ probability|"] < 0.1
        assert "unpacked" in torch_check.name or weights


def test_other_weights_than_the_exported_ones_fail(exported: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(exported / "weights", tmp_path / "weights")
    state = torch.load(tmp_path / "weights" / "writer.pt", weights_only=True)
    state["heads.weight"] = state["heads.weight"].flip(0)
    torch.save(state, tmp_path / "weights" / "writer.pt")
    check = of_export(exported, tmp_path / "weights")[0]
    assert not check.passed and check.beyond


def test_weights_of_another_model_are_an_error_not_a_skip(exported: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(exported / "weights" / "retriever", tmp_path / "retriever")
    with pytest.raises(ModelError, match="does not fit"):
        of_export(exported, tmp_path)


def test_no_server_serves_the_embedded_model(exported: Path, prompts: Path) -> None:
    with pytest.raises(UsageError, match="no server serves"):
        gate.parity(exported / "model", prompts, server="openai:http://h#m")


def test_training_measures_itself_as_the_export_decides(exported: Path) -> None:
    """The vocabulary of evaluations in training is the engine's: share of the residual, bonus of novelty."""
    import tiny
    from nl2dsl.engines.embedded import Embedded
    from nl2dsl.training import scoring

    t = tiny.trained(4)
    t.model.writer.load_state_dict(torch.load(exported / "weights" / "writer.pt", weights_only=True))
    engine = Embedded(exported / "model")
    engine.card["held_out_connectors"] = ["shared_todo"]
    theirs = engine.vocabulary(engine.tables(tiny.catalog()))
    ours = scoring.serving(t.model.writer, theirs.tables, ["shared_todo"], 0.5, 3.0)
    new = [o.connector == "shared_todo" for o in theirs.tables.list]
    assert any(new) and np.array_equal(ours.bonus, theirs.bonus) and set(ours.bonus[new]) == {np.float32(3.0)}
    assert np.abs((ours.keys - theirs.keys)[:, ~np.array(new)]).max() < 2e-3  # int8 of the residual
    full = scoring.serving(t.model.writer, theirs.tables, ["shared_todo"], 1.0, 3.0)
    assert np.abs((full.keys - theirs.keys)[:, ~np.array(new)]).max() > 0.02


def test_the_fixed_prompts_are_fifty_different_ones() -> None:
    rows = [json.loads(line) for line in (ROOT / gate.PROMPTS).read_text(encoding="utf-8").splitlines()]
    assert len({r["query"] for r in rows}) == len(rows) == 50
