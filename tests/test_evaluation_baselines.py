"""Baselines: the nearest example's flow, prompts with dynamic examples and definitions, the model without its retriever."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import sketch, tree, wiring
from nl2dsl.dsl.text import unparse
from nl2dsl.engines import Completion
from nl2dsl.errors import CorpusError
from nl2dsl.evaluation import baselines, writers
from nl2dsl.evaluation.baselines import Examples, Nearest, Rag
from nl2dsl.evaluation.cases import Case
from nl2dsl.example import Example, write
from nl2dsl.outcome import Authored, Failed
from nl2dsl.prompts import Prompt

CATALOG = catalogs.builtin()
PAIRS = (
    ("flag a mail, make a task", "shared_office365.OnFlaggedEmailV4(); shared_todo.CreateToDoV3()", "written"),
    ("post new form answers to teams", "shared_microsoftforms.CreateFormWebhook(); shared_teams.PostMessageToConversation()", "sampled"),
    ("weekly mail about the weather", 'commonTrigger.Recurrence(frequency="Week"); shared_office365.SendEmailV2()', "written"),
)


class Letters:
    """A retriever whose embedding of a text is how often each letter occurs."""

    digest = "letters"

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, texts: list[str]) -> Any:
        self.embedded += len(texts)
        counts = np.array([[t.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts], dtype=np.float32) + 1e-3
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def tables(self, catalog: Catalog) -> Any:
        return SimpleNamespace(operations=self.embed([o.id for o in catalog]))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = []
    for i, (query, line, source) in enumerate(PAIRS):
        flow = wiring.complete(sketch.parse(line), CATALOG, query)
        rows.append(Example(f"t{i}", query, line, unparse(flow), tuple(tree.operations(flow)), source, "train"))
    write([*rows, Example("v0", "a validation row", PAIRS[0][1], rows[0].dsl, rows[0].operations, "written", "validation")], tmp_path / "train.jsonl")
    return tmp_path


def test_the_flow_of_the_nearest_example_is_the_answer(corpus: Path) -> None:
    made = Nearest(Examples(corpus, Letters()), CATALOG).generate("flag that mail and make me a task")
    assert isinstance(made, Authored) and made.operations == ("shared_office365.OnFlaggedEmailV4", "shared_todo.CreateToDoV3")
    assert 0 < made.confidence <= 1 and made.facts.seconds["total"] > 0


def test_examples_are_those_of_training_alone(corpus: Path) -> None:
    assert [e.id for e in Examples(corpus, Letters()).rows] == ["t0", "t1", "t2"]
    assert [e.id for e in Examples(corpus, Letters(), "written").rows] == ["t0", "t2"]
    (corpus / "train.jsonl").write_text("")
    with pytest.raises(CorpusError, match="no examples"):
        Examples(corpus, Letters())


def test_embeddings_are_made_once(corpus: Path, tmp_path: Path) -> None:
    first, second = Letters(), Letters()
    a, b = Examples(corpus, first, cache=tmp_path / "cache"), Examples(corpus, second, cache=tmp_path / "cache")
    assert (first.embedded, second.embedded) == (3, 0) and a.digest == b.digest
    assert [e.id for e, _ in a.nearest("form answers", 3)] == [e.id for e, _ in b.nearest("form answers", 3)]


def test_an_empty_request_has_no_nearest_example(corpus: Path) -> None:
    made = Nearest(Examples(corpus, Letters()), CATALOG).generate("  ")
    assert isinstance(made, Failed) and made.diagnostics[0].code == "Q001"


def test_an_example_that_the_catalog_cannot_call_is_a_failure(corpus: Path) -> None:
    small = Catalog([o for o in CATALOG if o.connector == "commonTrigger"])
    made = Nearest(Examples(corpus, Letters()), small).generate("flag that mail")
    assert isinstance(made, Failed) and made.diagnostics[0].code == "N202" and made.attempt


class Asked:
    """An engine that keeps its prompts."""

    name = "asked"

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        self.prompts.append(prompt)
        return Completion("triggerOutputs = await commonTrigger.manual({});\nshared_teams.Nothing({});\n", 100, 20)


def test_prompts_hold_the_nearest_examples_and_the_definitions_they_need(corpus: Path) -> None:
    engine = Asked()
    made = Rag(engine, Examples(corpus, Letters()), catalog=CATALOG, shots=2).generate("flag that mail and make a task of it")
    (prompt,) = engine.prompts  # its first answer counts: it is not asked to mend it
    assert isinstance(made, Failed) and made.facts.tokens["prompt"] == 100
    roles = [m.role for m in prompt.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert prompt.messages[3].text == PAIRS[0][0] and "OnFlaggedEmailV4" in prompt.messages[4].text  # the nearest stands last
    assert "shared_todo.CreateToDoV3(" in prompt.messages[0].text and "shared_office365.OnFlaggedEmailV4(" in prompt.messages[0].text


def test_no_examples_are_no_shots(corpus: Path) -> None:
    engine = Asked()
    Rag(engine, Examples(corpus, Letters()), catalog=CATALOG, shots=0).generate("flag that mail")
    assert [m.role for m in engine.prompts[0].messages] == ["system", "user"]


def test_rag_asks_an_openai_compatible_host_with_a_seed_for_each_try(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[dict[str, Any]] = []

    class Host(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            flow = "triggerOutputs = await shared_office365.OnFlaggedEmailV4({});\nshared_todo.CreateToDoV3({});"
            answer = json.dumps({"choices": [{"message": {"content": flow}}], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    host = HTTPServer(("127.0.0.1", 0), Host)
    Thread(target=host.serve_forever, daemon=True).start()
    monkeypatch.setattr(writers, "_examples", lambda c: Examples(c.corpus, Letters(), c.pool))
    try:
        engine = f"openai:http://127.0.0.1:{host.server_port}/v1#tiny"
        choice = writers.Choice("rag", engine, None, CATALOG, "", 2, 0, corpus, "all", corpus, 0.7, 3)
        writer = writers.open_writer(choice)
        made = [writer.answer(Case("c", "flag a mail"), repeat, None) for repeat in (0, 1)]
    finally:
        host.shutdown()
        host.server_close()
    assert [(b["model"], b["temperature"], b["seed"]) for b in bodies] == [("tiny", 0.7, 3), ("tiny", 0.7, 4)]
    assert all(m["outcome"] == "flow" and m["tokens"] == {"prompt": 5, "completion": 3, "forced": 0} for m in made)
    assert len(bodies[0]["messages"]) == 6 and writer.varies and "#tiny" in writer.name


def test_without_retrieval_there_are_no_candidates() -> None:
    scorer = SimpleNamespace(scores=np.ones(4), candidates=np.arange(4), _waiting=["words", "candidates", "begin"])
    blind = baselines._without_candidates(scorer)  # type: ignore[arg-type]
    assert blind._waiting == ["words", "begin"] and not blind.scores.any() and not len(blind.candidates)
