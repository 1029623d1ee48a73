"""Text engines against a host on this machine, recorded answers, and flows made with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nl2dsl.catalog.read import builtin
from nl2dsl.engines import Completion, open_engine
from nl2dsl.engines.hosts import KEY
from nl2dsl.engines.openai import OpenAI
from nl2dsl.engines.replay import Recorder, Replay
from nl2dsl.errors import CorpusError, EngineError, UsageError
from nl2dsl.outcome import Authored, Failed, Refused, row
from nl2dsl.prompts import Prompt, write_flow
from nl2dsl.textual import TextGenerator, candidates

PROMPT = write_flow("mail me daily", [])
GOOD = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'
BAD = GOOD + "x = shared_office365.SendMail();\n"


def answer(text: str, **usage: int) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


class Host:
    """A host that gives the answers in its list: (status, body, headers); the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.delay = 0.0
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                host.asked.append((self.path, dict(self.headers), body))
                time.sleep(host.delay)
                status, said, headers = host.answers.pop(0) if len(host.answers) > 1 else host.answers[0]
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client gave up
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def says(self, *answers: Any) -> None:
        self.answers = [a if isinstance(a, tuple) else (200, a, {}) for a in answers]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", KEY):
        monkeypatch.delenv(name, raising=False)
    made = Host()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def engine(host: Host, **settings: Any) -> OpenAI:
    return OpenAI(host.url, "m", **{"pause": 0.001, "timeout": 5.0, **settings})


def test_a_host_is_asked_in_its_protocol(host: Host) -> None:
    host.says(answer("a();", prompt_tokens=7, completion_tokens=3))
    made = engine(host).complete(PROMPT, max_tokens=9)
    assert (made.text, made.prompt_tokens, made.completion_tokens) == ("a();", 7, 3)
    path, headers, body = host.asked[0]
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 9, 0)
    assert body["messages"][-1] == {"role": "user", "content": "mail me daily"}


def test_the_key_comes_from_the_environment(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret\n")
    host.says(answer("a();"))
    engine(host).complete(PROMPT, max_tokens=9)
    assert host.asked[0][1]["Authorization"] == "Bearer secret"


def test_a_busy_host_is_asked_again(host: Host) -> None:
    host.says((429, {}, {"Retry-After": "0"}), (503, b"", {"Retry-After": "soon"}), answer("a();"))
    assert engine(host).complete(PROMPT, max_tokens=9).text == "a();"
    assert len(host.asked) == 3


def test_a_host_that_stays_busy_is_an_error_that_says_so(host: Host) -> None:
    host.says((503, {"error": {"message": "loading\nmodel"}}, {}))
    with pytest.raises(EngineError, match="did not answer in 2 tries: 503 loading model"):
        engine(host, tries=2).complete(PROMPT, max_tokens=9)


@pytest.mark.parametrize(
    ("status", "body", "words", "hint"),
    [
        (401, {"error": {"message": "no key"}}, "401 no key", KEY),
        (404, {"detail": "no such model"}, "404 no such model", "model `m`"),
        (400, b"<html>bad", "400 <html>bad", ""),
        (307, b"", "307", "moved"),
    ],
)
def test_what_asking_again_cannot_mend_is_told_at_once(host: Host, status: int, body: Any, words: str, hint: str) -> None:
    host.says((status, body, {"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(EngineError) as caught:
        engine(host).complete(PROMPT, max_tokens=9)
    assert words in str(caught.value)
    assert hint in caught.value.hint
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    "body", [b"<html>", [], {}, {"choices": []}, {"choices": [{"message": {"content": None}}]}, {"error": {"message": "too long"}}]
)
def test_an_answer_without_text_is_an_error(host: Host, body: Any) -> None:
    host.says(body)
    with pytest.raises(EngineError):
        engine(host).complete(PROMPT, max_tokens=9)


def test_a_slow_host_runs_into_the_timeout(host: Host) -> None:
    host.delay = 0.3
    host.says(answer("a();"))
    with pytest.raises(EngineError, match=r"no answer within 0.05 s"):
        engine(host, timeout=0.05, tries=1).complete(PROMPT, max_tokens=9)


def test_a_host_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EngineError, match="did not answer in 1 tries"):
        OpenAI("http://127.0.0.1:9/v1", "m", tries=1).complete(PROMPT, max_tokens=9)


def test_the_words_of_an_engine_name_host_and_model() -> None:
    assert OpenAI.of("http://h:1#m").url == "http://h:1/v1"
    assert OpenAI.of("http://h:1/api/#org/m").name == "openai:http://h:1/api#org/m"


@pytest.mark.parametrize("words", ["openai", "openai:", "openai:http://h", "openai:h#m", "openai:ftp://h#m", "replay", "opnai:x", "", "x"])
def test_words_that_name_no_engine_are_wrong_usage(words: str) -> None:
    with pytest.raises(UsageError):
        open_engine(words)


def recorded(tmp_path: Path, *texts: str, query: str = "mail me daily") -> str:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps({"query": query, "text": t}) + "\n" for t in texts), encoding="utf-8")
    return f"replay:{path}"


def test_recorded_answers_come_in_their_order_and_the_last_one_stays(tmp_path: Path) -> None:
    replay = open_engine(recorded(tmp_path, "a", "b"))
    assert [replay.complete(PROMPT, max_tokens=9).text for _ in range(3)] == ["a", "b", "b"]


def test_a_query_without_a_record_is_an_engine_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="holds no answer to `mail me daily`"):
        open_engine(recorded(tmp_path, "a", query="x")).complete(PROMPT, max_tokens=9)


def test_a_broken_record_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": 1}\n', encoding="utf-8")
    with pytest.raises(CorpusError, match=r"a.jsonl:2: `text` is not a text"):
        Replay(tmp_path / "a.jsonl")


def test_what_is_recorded_is_replayed(tmp_path: Path) -> None:
    class Fixed:
        name = "fixed"

        def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
            return Completion("a();", 7, 3)

    Recorder(Fixed(), tmp_path / "deep" / "a.jsonl").complete(PROMPT, max_tokens=9)
    again = Replay(tmp_path / "deep" / "a.jsonl").complete(PROMPT, max_tokens=9)
    assert (again.text, again.prompt_tokens, again.completion_tokens) == ("a();", 7, 3)


def test_a_text_engine_makes_a_checked_flow(tmp_path: Path) -> None:
    made = TextGenerator(recorded(tmp_path, f"```\n{GOOD}```")).generate("mail me  daily")
    assert isinstance(made, Authored)
    assert made.dsl == GOOD
    assert made.operations == ("commonTrigger.Recurrence",)
    assert row(made)["outcome"] == "flow"


def test_errors_are_shown_to_the_model_and_mended(tmp_path: Path) -> None:
    made = TextGenerator(recorded(tmp_path, BAD, GOOD)).generate("mail me daily")
    assert isinstance(made, Authored)


@pytest.mark.parametrize("constrain", ["grammar", "none"])
def test_looser_constraints_leave_errors_of_names(tmp_path: Path, constrain: Any) -> None:
    made = TextGenerator(recorded(tmp_path, BAD, GOOD), constrain=constrain).generate("mail me daily")
    assert isinstance(made, Failed)
    assert [d.code for d in made.diagnostics if d.severity == "error"] == ["N201"]
    assert made.attempt == BAD


def test_a_model_that_never_mends_its_flow_fails(tmp_path: Path) -> None:
    made = TextGenerator(recorded(tmp_path, "no idea")).generate("mail me daily")
    assert isinstance(made, Failed)


def test_a_refusal_of_a_text_model_is_a_refusal(tmp_path: Path) -> None:
    made = TextGenerator(recorded(tmp_path, 'refuse("violence");')).generate("mail me daily")
    assert isinstance(made, Refused)


@pytest.mark.parametrize(("query", "code"), [("", "Q001"), ("x" * 4001, "Q002"), ("!!! 123", "Q003")])
def test_a_request_that_is_none_never_reaches_the_engine(tmp_path: Path, query: str, code: str) -> None:
    made = TextGenerator(recorded(tmp_path, GOOD)).generate(query)
    assert isinstance(made, Failed)
    assert [d.code for d in made.diagnostics] == [code]


def test_candidates_cover_every_clause_and_the_platform() -> None:
    ids = {o.id for o in candidates(builtin(), "When a new email arrives in Outlook, create a row in Excel and then post a message in Teams")}
    assert {"commonTrigger.Recurrence", "shared_office365.OnNewEmailV3"} <= ids
    assert any(i.startswith("shared_teams.Post") for i in ids)
    assert any(i.startswith("shared_excelonlinebusiness.") for i in ids)
    assert len(ids) < 90
