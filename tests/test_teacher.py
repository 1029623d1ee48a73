"""Teachers: nothing is paid twice, a cap holds to the cent, every ask ends with an answer or a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fake_server import FakeServer, Mood
from nl2dsl.corpus.teacher import (
    Answer,
    Ask,
    Budget,
    Consultation,
    Declined,
    Host,
    Journal,
    Later,
    Pace,
    Recorded,
    TeacherRecipe,
    Unanswered,
    dollars,
    open_teacher,
    retry_after,
    seconds,
)
from nl2dsl.engines import hosts
from nl2dsl.engines.hosts import KEY
from nl2dsl.engines.replay import Replay
from nl2dsl.errors import CorpusError, EngineError, UsageError
from nl2dsl.prompts import Message, Prompt

PRICES: dict[str, Any] = {"price_in": 2.5, "price_out": 10.0}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", KEY):
        monkeypatch.delenv(name, raising=False)
    yield


def asks(n: int) -> list[Ask]:
    return [Ask("say", Prompt(str(i), (Message("user", f"say number {i} " + "in many words " * 9),)), 40) for i in range(n)]


def echo(asked: str) -> str:
    return f"this is number {asked.split()[2]}"


def recipe(host: FakeServer, **changes: Any) -> TeacherRecipe:
    return TeacherRecipe(**{"engine": f"openai:{host.url}#m", "timeout": 1.0, "pause": 0.005, "tries": 8, **PRICES, **changes})


def consult(settings: TeacherRecipe, journal: Path, questions: list[Ask]) -> tuple[list[Answer | Unanswered], Consultation]:
    with Journal(journal, settings.idempotent) as opened:
        made = Consultation(open_teacher(settings), settings, opened)
        return made.ask(questions), made


def test_answers_come_in_the_order_of_the_asks_and_cost_what_the_host_counted(tmp_path: Path) -> None:
    with FakeServer(echo) as host:
        found, made = consult(recipe(host), tmp_path / "j.jsonl", asks(20))
        assert [a.text for a in found if isinstance(a, Answer)] == [f"this is number {i}" for i in range(20)]
        assert float(made.report.spent) == pytest.approx(host.ledger.cost(2.5, 10.0), abs=1e-12)
        assert host.ledger.requests == 20


def test_no_more_requests_are_under_way_than_allowed(tmp_path: Path) -> None:
    with FakeServer(echo, Mood(delay=0.1)) as host:
        consult(recipe(host, concurrency=3), tmp_path / "j.jsonl", asks(12))
        assert 1 < host.ledger.most_under_way <= 3


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    with FakeServer(echo) as host:
        first, _ = consult(recipe(host), tmp_path / "j.jsonl", asks(5))
        again, made = consult(recipe(host), tmp_path / "j.jsonl", asks(5))
        assert again == first
        assert host.ledger.requests == 5
        assert made.report.counts["from the journal"] == 5


def test_the_same_ask_twice_is_asked_once(tmp_path: Path) -> None:
    with FakeServer(echo) as host:
        found, _ = consult(recipe(host), tmp_path / "j.jsonl", [*asks(2), *asks(2)])
        assert host.ledger.requests == 2
        assert found[:2] == found[2:]


BAD = Mood(busy=0.08, broken=0.08, hang=0.05, garbage=0.05, torn=0.05, cut=0.05, refuses=0.05, limited=0.05, limit=15, window=0.1, late=1.5)


def test_a_bad_host_leaves_no_ask_open_and_charges_for_none_twice(tmp_path: Path) -> None:
    with FakeServer(echo, BAD, seed=3) as host:
        found, made = consult(recipe(host, idempotent=True, concurrency=6), tmp_path / "j.jsonl", asks(120))
        assert len(found) == 120
        reasons = {a.reason for a in found if isinstance(a, Unanswered)}
        assert reasons <= {"the host answered 400 filtered"}
        assert sum(isinstance(a, Answer) and a.cut for a in found) > 0
        for what in ("429", "500", "503", "400", "hang", "garbage", "torn", "cut"):
            assert host.ledger.statuses[what], f"the host never had `{what}`"
        charged = [key for key, _, _ in host.ledger.charged]
        assert len(charged) == len(set(charged))
        assert float(made.report.spent) == pytest.approx(host.ledger.cost(2.5, 10.0), abs=1e-12)
        assert made.report.lost == 0


def test_without_memory_at_the_host_what_may_have_been_charged_is_told(tmp_path: Path) -> None:
    with FakeServer(echo, Mood(garbage=0.3, remembers=False), seed=1) as host:
        _, made = consult(recipe(host), tmp_path / "j.jsonl", asks(30))
        charged = host.ledger.cost(2.5, 10.0)
        assert float(made.report.spent) < charged <= float(made.report.spent + made.report.lost)


@pytest.mark.parametrize("remembers", [True, False])
def test_a_cap_is_never_passed_and_what_does_not_fit_is_told(tmp_path: Path, remembers: bool) -> None:
    mood = Mood(busy=0.1, hang=0.02, garbage=0.05, remembers=remembers, late=1.0)
    with FakeServer(echo, mood, seed=5) as host:
        settings = recipe(host, cap=0.02, concurrency=8)
        found, made = consult(settings, tmp_path / "j.jsonl", asks(150))
        assert host.ledger.cost(2.5, 10.0) <= 0.02
        assert made.report.spent + made.report.lost <= Decimal("0.02")
        over = [a for a in found if isinstance(a, Unanswered)]
        assert over and all(a.reason == "the cap of $0.02 leaves no room for it" for a in over)
        most = max(Budget.of(settings).most(ask) for ask in asks(150))
        assert made.report.spent + made.report.lost + most >= Decimal("0.02")  # the largest would not have fitted, or just so
        before = len(over)
        found, _ = consult(recipe(host, cap=0.04), tmp_path / "j.jsonl", asks(150))
        assert sum(isinstance(a, Unanswered) for a in found) < before
        assert host.ledger.cost(2.5, 10.0) <= 0.04


def test_a_host_that_does_not_count_is_reckoned_at_most(tmp_path: Path) -> None:
    with FakeServer(echo, Mood(counts=False)) as host:
        _, made = consult(recipe(host), tmp_path / "j.jsonl", asks(5))
        assert float(made.report.spent) >= host.ledger.cost(2.5, 10.0)


def test_rate_limit_headers_hold_everybody_back(tmp_path: Path) -> None:
    with FakeServer(echo, Mood(limit=5, window=0.2)) as host:
        found, _ = consult(recipe(host, concurrency=4, tries=20), tmp_path / "j.jsonl", asks(20))
        assert all(isinstance(a, Answer) for a in found)
        assert host.ledger.statuses["429"] < 40  # without waiting it would be hundreds


def test_a_key_that_is_turned_away_stops_the_run_and_keeps_what_was_answered(tmp_path: Path) -> None:
    class Leaving:
        name = "leaving"
        said = 0

        def answer(self, ask: Ask) -> Answer:
            self.said += 1
            if self.said > 3:
                raise EngineError("401")
            return Answer("good", False, 1, 1)

    settings = TeacherRecipe(concurrency=1)
    with Journal(tmp_path / "j.jsonl") as journal, pytest.raises(EngineError):
        Consultation(Leaving(), settings, journal).ask(asks(10))
    with Journal(tmp_path / "j.jsonl") as journal:
        assert len(journal.answers) == 3


def test_a_host_that_asks_for_an_hour_is_not_waited_for(tmp_path: Path) -> None:
    class Tired:
        name = "tired"

        def answer(self, ask: Ask) -> Answer:
            raise Later("429", wait=3600)

    with Journal(tmp_path / "j.jsonl") as journal:
        (found,) = Consultation(Tired(), TeacherRecipe(), journal).ask(asks(1))
    assert found == Unanswered("the host asks to wait 3,600 s: 429")


def test_a_host_that_asks_for_an_hour_is_left_alone(tmp_path: Path) -> None:
    class Tired:
        name = "tired"
        asked = 0

        def answer(self, ask: Ask) -> Answer:
            self.asked += 1
            raise Later("429", wait=3600)

    tired = Tired()
    with Journal(tmp_path / "j.jsonl") as journal:
        found = Consultation(tired, TeacherRecipe(concurrency=2), journal).ask(asks(40))
    assert set(found) == {Unanswered("the host asks to wait 3,600 s: 429")}
    assert tired.asked <= 2  # those that were under way


@pytest.mark.parametrize("kind", ["unsupported_parameter", "unsupported_value"])
def test_a_setting_that_the_host_does_not_know_stops_the_run_and_rejects_nothing(tmp_path: Path, kind: str) -> None:
    host = Host("http://127.0.0.1:1/v1", "m", TeacherRecipe())
    told = host._refused(hosts.Refused(400, "Unsupported parameter: 'max_tokens'", kind))
    assert isinstance(told, EngineError) and told.hint is not None and "teacher.tokens_key" in told.hint
    assert isinstance(host._refused(hosts.Refused(400, "too long", "context_length_exceeded")), Declined)


def test_what_asks_can_cost_at_most_is_told_before_they_are_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(echo) as host:
        settings = recipe(host, cap=5.0)
        consult(settings, tmp_path / "j.jsonl", asks(3))
        with Journal(tmp_path / "j.jsonl") as journal:
            made = Consultation(open_teacher(settings), settings, journal)
            n, most = made.most(asks(10))
            made.ask(asks(10))
            assert (n, made.report.counts["answered"]) == (7, 7)
            row = made.report.row()
        assert Decimal(row["spent here"]) < Decimal(row["spent"]) <= most + Decimal(row["spent"]) - Decimal(row["spent here"])
        assert float(Decimal(row["spent"])) == pytest.approx(host.ledger.cost(2.5, 10.0), abs=1e-12)
    said = capsys.readouterr().err.splitlines()
    assert said[1].startswith(f"asking the teacher: 7 asks, at most {dollars(most)}, $") and said[1].endswith("left below the cap")


def test_a_cap_of_nothing_asks_nothing_and_tells_the_most(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(echo) as host:
        found, _ = consult(recipe(host, cap=0.0), tmp_path / "j.jsonl", asks(4))
        assert host.ledger.requests == 0
    assert all(isinstance(a, Unanswered) and a.reason.startswith("the cap of $0.00") for a in found)
    assert "4 asks, at most $0.01, $0.00 left below the cap" in capsys.readouterr().err


def test_what_a_host_declines_is_not_asked_again(tmp_path: Path) -> None:
    class Strict:
        name = "strict"
        asked = 0

        def answer(self, ask: Ask) -> Answer:
            self.asked += 1
            raise Declined("filtered")

    strict = Strict()
    for _ in range(2):
        with Journal(tmp_path / "j.jsonl") as journal:
            assert Consultation(strict, TeacherRecipe(), journal).ask(asks(1)) == [Unanswered("filtered")]
    assert strict.asked == 1


def test_recorded_answers_teach(tmp_path: Path) -> None:
    (question,) = asks(1)
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": question.prompt.digest, "text": "hello"}) + "\n", encoding="utf-8")
    with Journal(tmp_path / "j.jsonl") as journal:
        teacher = Recorded(Replay(tmp_path / "a.jsonl"))
        found = Consultation(teacher, TeacherRecipe(), journal).ask([question, *asks(2)[1:]])
    assert [type(f) for f in found] == [Answer, Unanswered]


# --- the journal ---------------------------------------------------------------------------------------------------------------


def test_a_line_that_was_not_finished_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.sent("a", Decimal("0.5"))
        journal.answer("a", Answer("x", False, 1, 1), Decimal("0.1"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"what": "answer", "dig')
    with Journal(path) as journal:
        assert journal.answers == {"a": Answer("x", False, 1, 1)}
        journal.sent("b", Decimal("0.5"))
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"\n") == 3


def test_a_try_without_an_end_counts_at_its_most(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.sent("a", Decimal("0.5"))
    with Journal(tmp_path / "j.jsonl") as journal:
        assert (journal.spent, journal.lost) == (0, Decimal("0.5"))
        journal.sent("a", Decimal("0.5"))
        journal.answer("a", Answer("x", False, 1, 1), Decimal("0.1"))
    with Journal(tmp_path / "j.jsonl") as journal:
        assert (journal.spent, journal.lost) == (Decimal("0.1"), Decimal("0.5"))
    with Journal(tmp_path / "j.jsonl", idempotent=True) as journal:
        assert (journal.spent, journal.lost) == (Decimal("0.1"), 0)


def test_only_one_run_may_use_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl"), pytest.raises(CorpusError, match="is in use"):
        Journal(tmp_path / "j.jsonl")


@pytest.mark.parametrize("line", ["{}", "[]", "no", '{"what": "paid", "digest": "a"}', '{"what": "sent", "digest": "a", "most": "x"}'])
def test_a_broken_journal_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "j.jsonl").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"j\.jsonl:1: not a line of a journal"):
        Journal(tmp_path / "j.jsonl")


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_teacher import asks
from nl2dsl.corpus.teacher import Consultation, Journal, TeacherRecipe, open_teacher
settings = TeacherRecipe(engine="openai:" + sys.argv[1] + "#m", timeout=5, pause=0.005, concurrency=4, idempotent=True, price_in=2.5, price_out=10.0)
with Journal(Path(sys.argv[2]), True) as journal:
    Consultation(open_teacher(settings), settings, journal).ask(asks(60))
"""


def test_a_run_killed_three_times_pays_for_nothing_twice(tmp_path: Path) -> None:
    journal, script = tmp_path / "j.jsonl", KILLED.format(tests=str(Path(__file__).parent))
    with FakeServer(echo, Mood(delay=0.03)) as host:
        for target in (8, 20, 35):
            child = subprocess.Popen([sys.executable, "-c", script, host.url, str(journal)])
            deadline = time.monotonic() + 60
            while len(host.ledger.charged) < target and child.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        killed = len(host.ledger.charged)
        found, made = consult(recipe(host, idempotent=True, timeout=5), journal, asks(60))
        assert killed < 60 and all(isinstance(a, Answer) for a in found)
        charged = [key for key, _, _ in host.ledger.charged]
        assert len(charged) == len(set(charged)) == 60
        assert float(made.report.spent) == pytest.approx(host.ledger.cost(2.5, 10.0), abs=1e-12)
        assert host.ledger.requests <= 60 + 3 * 4  # only what was under way when it was killed is asked again


# --- small things --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"), [("1.5", 1.5), ("20ms", 0.02), ("6m0s", 360), ("1h2m3s", 3723), ("soon", 0), ("", 0), ("-3", 0), ("5x", 0)]
)
def test_spans_of_time_are_read(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


def test_retry_after_may_be_a_date() -> None:
    assert retry_after({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}) == 0
    assert retry_after({"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}) > 1e9
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert retry_after({}) == 0


def test_pace_waits_for_the_reset_only_when_nothing_remains() -> None:
    pace = Pace(longest=10)
    pace.heard({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "9s"})
    assert pace._open == 0
    pace.heard({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s"})
    assert 8 < pace._open - time.monotonic() <= 9


def test_dollars_are_rounded_up() -> None:
    assert [dollars(Decimal(x)) for x in ("0", "0.001", "1.5")] == ["$0.00", "$0.01", "$1.50"]


@pytest.mark.parametrize("changes", [{"tries": 0}, {"price_in": -1}, {"cap": 1.0, "engine": "openai:http://h#m"}])
def test_settings_that_cannot_be_are_told(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TeacherRecipe(**changes)


@pytest.mark.parametrize("words", ["template", "embedded", "opnai:http://h#m", "openai:h#m"])
def test_words_that_name_no_teacher_are_wrong_usage(words: str) -> None:
    with pytest.raises(UsageError):
        open_teacher(TeacherRecipe(engine=words))


def test_the_name_of_a_host_tells_model_and_temperature() -> None:
    host = open_teacher(TeacherRecipe(engine="openai:http://h:1#m", temperature=0.2))
    assert isinstance(host, Host)
    assert host.name == "openai:http://h:1/v1#m@0.2"
