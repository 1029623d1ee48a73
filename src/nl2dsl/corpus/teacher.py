"""Teachers: who is asked to put flows into words, and how many asks are answered without paying for one of them twice.

In: `Ask`s (a prompt and what it is about), the words of a teacher (`openai:URL#MODEL`, `replay:FILE`, `template`), a journal file, prices and a cap. Out: for each ask an
`Answer` or an `Unanswered` with its reason, in the order asked, and a `Report` of what it cost.

`Consultation` asks with bounded concurrency. A host that is busy is asked again after an exponential, jittered wait, never before the time it names in `Retry-After` or in its
`x-ratelimit-*` headers. Before a request leaves, the most it can cost is reserved below the cap and written to the journal; afterwards the host's `usage` settles it. So a run that is killed
goes on without asking again for what it has, and a try whose answer never came counts against the cap at its most, because the host may charge for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

from nl2dsl.engines import Completion, Engine, hosts, open_engine
from nl2dsl.engines.hosts import LARGEST_ANSWER, retry_after, seconds
from nl2dsl.engines.openai import OpenAI
from nl2dsl.errors import CorpusError, EngineError, UsageError
from nl2dsl.prompts import Prompt

try:
    import fcntl
except ImportError:  # no POSIX locks here: two runs on one journal are then the user's care
    fcntl = None  # type: ignore[assignment]

_STOPS = frozenset((401, 402, 403, 404, 405))  # what every other request would meet too
_SETTINGS = frozenset(
    ("unsupported_parameter", "unsupported_value", "unknown_parameter", "model_not_found")
)  # names of 400s that are about the recipe, not about one ask
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class TeacherRecipe:
    """`[teacher]`: who puts flows into words, and what that may cost."""

    engine: str = "template"
    """`template`, `openai:URL#MODEL` or `replay:FILE`; the key of a host is read from NL2DSL_API_KEY."""
    journal: str = ""
    """File of all answers; default: `teacher.jsonl` in the corpus folder. Keep it: it is what was paid for."""
    concurrency: int = 8
    """Requests under way at a time."""
    tries: int = 6
    """Most requests for one answer."""
    timeout: float = 120.0
    """Seconds for one request."""
    pause: float = 1.0
    """Seconds before the second try; doubled before each further one."""
    longest_wait: float = 120.0
    """Seconds a host may ask us to wait; an ask that would have to wait longer stays unanswered."""
    price_in: float = 0.0
    """Dollars per million prompt tokens."""
    price_out: float = 0.0
    """Dollars per million completion tokens."""
    cap: float | None = None
    """Most dollars for this journal, all runs together."""
    temperature: float = 0.7
    tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the host wants the limit of an answer named."""
    idempotent: bool = False
    """The host answers a repeated `Idempotency-Key` from its memory without charging again."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "tries", "timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` is {getattr(self, name)}, not above 0")
        for name in ("pause", "longest_wait", "price_in", "price_out", "temperature"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` is {getattr(self, name)}, below 0")
        if self.cap is not None and not (self.price_in or self.price_out) and self.engine.startswith("openai:"):
            raise ValueError("a `cap` needs the prices: `price_in` and `price_out`, dollars per million tokens")


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing to be said. `about` is what a teacher without a language model works from; `round` tells a second try with the same words from the first."""

    task: str
    prompt: Prompt
    max_tokens: int
    about: tuple[Any, ...] = ()
    round: int = 0

    def digest(self, teacher: str) -> str:
        """The same for the same question to the same teacher: the key of the journal."""
        return hashlib.sha256(f"{teacher}\n{self.prompt.digest}\n{self.max_tokens}\n{self.round}".encode()).hexdigest()

    @property
    def most_prompt_tokens(self) -> int:
        """A bound that holds for every byte-level tokenizer: no token is less than a byte; a message has a frame of some tokens."""
        return sum(len(m.text.encode()) + 16 for m in self.prompt.messages) + 16


@dataclass(frozen=True, slots=True)
class Answer:
    """`cut` marks an answer that ended at its limit of tokens: its last line is not whole."""

    text: str
    cut: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    reason: str


class Teacher(Protocol):
    @property
    def name(self) -> str: ...

    def answer(self, ask: Ask) -> Answer:
        """Blocks until there is an answer. Raises `Later`, `Declined`, or `EngineError` when asking anything more is useless."""
        ...


class Later(Exception):
    """No answer this time. `wait`: seconds the host asks for; `charged`: the host may have worked, and charge for it."""

    def __init__(self, why: str, wait: float = 0.0, charged: bool = False) -> None:
        super().__init__(why)
        self.wait, self.charged = wait, charged


class Declined(Exception):
    """This ask has no answer, whatever is done. `lasting`: so it is kept in the journal."""

    def __init__(self, why: str, lasting: bool = True) -> None:
        super().__init__(why)
        self.lasting = lasting


# --- teachers ------------------------------------------------------------------------------------------------------------------


class Recorded:
    """Any engine of `nl2dsl.engines` as a teacher: replay in tests, an engine of one's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()

    @property
    def name(self) -> str:
        return self._engine.name

    def answer(self, ask: Ask) -> Answer:
        try:
            with self._lock:
                made: Completion = self._engine.complete(ask.prompt, max_tokens=ask.max_tokens)
        except EngineError as problem:
            raise Declined(str(problem), lasting=False) from None
        return Answer(made.text, False, made.prompt_tokens, made.completion_tokens)


@dataclass
class Host:
    """An OpenAI-compatible chat endpoint. `heard` is told the headers of every reply."""

    url: str
    model: str
    settings: TeacherRecipe
    heard: Callable[[Mapping[str, str]], None] = lambda headers: None

    @property
    def name(self) -> str:
        return f"openai:{self.url}#{self.model}@{self.settings.temperature:g}"

    def answer(self, ask: Ask) -> Answer:
        request = self._request(ask)
        try:
            with hosts.opened(request, self.settings.timeout) as response:
                self.heard(hosts.lower(response.headers))
                data = _read(response, time.monotonic() + self.settings.timeout)
        except urllib.error.HTTPError as problem:
            self.heard(hosts.lower(problem.headers))
            raise self._refused(hosts.refused(problem)) from None
        except urllib.error.URLError as problem:  # the connection was never made, or ran into the timeout
            reason = problem.reason
            raise Later(hosts.why_silent(reason, self.settings.timeout), charged=isinstance(reason, TimeoutError)) from None
        except (OSError, http.client.HTTPException) as problem:
            raise Later(hosts.why_silent(problem, self.settings.timeout), charged=True) from None
        return _answer(data)

    def _request(self, ask: Ask) -> urllib.request.Request:
        body = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.text} for m in ask.prompt.messages],
            self.settings.tokens_key: ask.max_tokens,
            "temperature": self.settings.temperature,
        }
        return hosts.chat(self.url, body, **{"Idempotency-Key": ask.digest(self.name)})

    def _refused(self, told: hosts.Refused) -> Exception:
        if told.code in _STOPS or told.moved or told.kind == "insufficient_quota":
            return EngineError(f"{self.name} answered {told}", hint=told.next_step or "is the address right, and does the host know the model?")
        if told.kind in _SETTINGS:
            return EngineError(
                f"{self.name} answered {told}",
                hint="a setting this host does not know: teacher.tokens_key, teacher.temperature (1 is the usual one) or the model",
            )
        if told.busy:
            return Later(str(told), told.wait)
        return Declined(f"the host answered {told}")


def open_teacher(settings: TeacherRecipe, template: Callable[[], Teacher] | None = None) -> Teacher:
    """The teacher of a recipe; `template` makes the one that needs no model."""
    kind, _, rest = settings.engine.partition(":")
    if kind == "template" and not rest and template is not None:
        return template()
    if kind == "openai":
        host = OpenAI.of(rest)
        return Host(host.url, host.model, settings)
    if kind == "replay":
        return Recorded(open_engine(settings.engine))
    raise UsageError(f"unknown teacher `{settings.engine}`", hint="teachers: template, openai:URL#MODEL, replay:FILE")


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, also from a host that sends a byte now and then: the timeout is for all of it."""
    promised, data = response.length, b""
    while (promised is None or len(data) < promised) and (part := response.read1(1 << 16)):
        data += part
        if len(data) > LARGEST_ANSWER:
            raise OSError(f"an answer of more than {LARGEST_ANSWER >> 20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError
    if promised is not None and len(data) < promised:
        raise OSError("the connection ended before the answer did")
    return data


def _answer(data: bytes) -> Answer:
    """What a good reply holds. A reply that cannot be read may be charged for all the same."""
    try:
        reply = json.loads(data)
        choice = reply["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, RecursionError, KeyError, IndexError, TypeError):
        raise Later("the answer is not that of a chat endpoint", charged=True) from None
    usage = reply.get("usage")
    prompt, completion = (_count(usage, key) for key in ("prompt_tokens", "completion_tokens"))
    finish = choice.get("finish_reason")
    if finish == "content_filter":
        text = ""
    return Answer(text if isinstance(text, str) else "", finish == "length", prompt, completion)


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


# --- when to ask ---------------------------------------------------------------------------------------------------------------


class Pace:
    """When the next request may leave. Heard in the threads that ask, waited for in the loop."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._open = 0.0
        self._lock = threading.Lock()

    def heard(self, headers: Mapping[str, str]) -> None:
        """Nothing remains until the reset: wait for it."""
        for what in ("requests", "tokens"):
            if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0":
                self.hold(seconds(headers.get(f"x-ratelimit-reset-{what}", "")))

    def hold(self, wait: float) -> None:
        with self._lock:
            self._open = max(self._open, time.monotonic() + min(wait, self.longest))

    async def wait(self) -> None:
        while (left := self._open - time.monotonic()) > 0:
            await asyncio.sleep(left)


# --- money ---------------------------------------------------------------------------------------------------------------------


@dataclass
class Budget:
    """Dollars, exact. `spent` is settled by usage, `lost` is the most that tries without an answer may have cost, `reserved` is under way; their sum never passes `cap`."""

    price_in: Decimal
    price_out: Decimal
    cap: Decimal | None = None
    spent: Decimal = Decimal(0)
    lost: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    @classmethod
    def of(cls, settings: TeacherRecipe) -> Budget:
        cap = None if settings.cap is None else Decimal(str(settings.cap))
        return cls(Decimal(str(settings.price_in)), Decimal(str(settings.price_out)), cap)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        return (self.price_in * prompt_tokens + self.price_out * completion_tokens) / _MILLION

    def most(self, ask: Ask) -> Decimal:
        return self.cost(ask.most_prompt_tokens, ask.max_tokens)

    @property
    def priced(self) -> bool:
        return bool(self.price_in or self.price_out)

    def fits(self, amount: Decimal) -> bool:
        return self.cap is None or self.spent + self.lost + self.reserved + amount <= self.cap

    def settled(self, ask: Ask, answer: Answer) -> Decimal:
        """The cost of an answer; where the host does not count, the most it can be."""
        prompt = ask.most_prompt_tokens if answer.prompt_tokens is None else answer.prompt_tokens
        completion = min(ask.max_tokens, len(answer.text.encode()) + 1) if answer.completion_tokens is None else answer.completion_tokens
        return self.cost(prompt, completion)


def dollars(amount: Decimal) -> str:
    """To the cent, upwards: nobody is told less than was spent."""
    return f"${amount.quantize(Decimal('0.01'), ROUND_UP)}"


# --- the journal ---------------------------------------------------------------------------------------------------------------


class Journal:
    """An append-only file of JSON lines, one for each thing that happened: `sent`, then `answer`, `free` (no charge), `lost` (perhaps a charge) or `declined`.

    It is read when opened: a last line that is not whole is cut off, a `sent` without an end is `lost`. Only one process may have it open.
    """

    def __init__(self, path: Path, idempotent: bool = False, durable: bool = True) -> None:
        self.path, self.idempotent, self.durable = path, idempotent, durable
        self.answers: dict[str, Answer] = {}
        self.declined: dict[str, str] = {}
        self.spent = Decimal(0)
        self.unsettled: dict[str, list[Decimal]] = {}  # by digest: tries that may have been charged for
        self._stream = self._opened()
        try:
            self._load()
        except CorpusError:
            self._stream.close()
            raise

    def _opened(self) -> IO[bytes]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            stream = self.path.open("a+b")
        except OSError as problem:
            raise UsageError(f"{self.path}: cannot be written: {problem.strerror or problem}") from problem
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.close()
                raise CorpusError(
                    f"{self.path} is in use", hint="another run asks with this journal: wait for it, or give `teacher.journal` another name"
                ) from None
        return stream

    def _load(self) -> None:
        self._stream.seek(0)
        whole, sent = 0, dict[str, Decimal]()
        for number, line in enumerate(self._stream, 1):
            if not line.endswith(b"\n"):
                break  # the process died while it wrote
            try:
                self._take(json.loads(line), sent)
            except (ValueError, KeyError, TypeError, ArithmeticError) as problem:
                raise CorpusError(
                    f"{self.path}:{number}: not a line of a journal: {problem}", hint="remove the line, or begin another journal"
                ) from None
            whole += len(line)
        self._stream.truncate(whole)
        for digest, most in sent.items():
            self.unsettled.setdefault(digest, []).append(most)
        self._forgive(self.answers)

    def _take(self, row: dict[str, Any], sent: dict[str, Decimal]) -> None:
        digest, what = str(row["digest"]), row["what"]
        if what == "sent":
            if digest in sent:  # an earlier run died before this try ended
                self.unsettled.setdefault(digest, []).append(sent[digest])
            sent[digest] = Decimal(row["most"])
            return
        most = sent.pop(digest, Decimal(0))
        if what == "answer":
            self.answers[digest] = Answer(row["text"], row["cut"], row["prompt_tokens"], row["completion_tokens"])
            self.spent += Decimal(row["cost"])
        elif what == "lost":
            self.unsettled.setdefault(digest, []).append(most)
        elif what == "declined":
            self.declined[digest] = str(row["why"])
        elif what != "free":
            raise ValueError(f"unknown event `{what}`")

    def _forgive(self, digests: Mapping[str, object]) -> None:
        """A host that knows a repeated key charged once: for the answer that came."""
        if self.idempotent:
            for digest in digests:
                self.unsettled.pop(digest, None)

    @property
    def lost(self) -> Decimal:
        return sum((most for tries in self.unsettled.values() for most in tries), Decimal(0))

    def sent(self, digest: str, most: Decimal) -> None:
        self._write(digest, "sent", most=str(most))

    def answer(self, digest: str, answer: Answer, cost: Decimal) -> None:
        self.answers[digest] = answer
        self.spent += cost
        row = {"text": answer.text, "cut": answer.cut, "prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
        self._write(digest, "answer", **row, cost=str(cost))
        if self.durable:
            os.fsync(self._stream.fileno())  # it was paid for
        self._forgive({digest: answer})

    def ended(self, digest: str, what: Literal["free", "lost", "declined"], why: str, most: Decimal = Decimal(0)) -> None:
        if what == "lost":
            self.unsettled.setdefault(digest, []).append(most)
        if what == "declined":
            self.declined[digest] = why
        self._write(digest, what, why=why)

    def _write(self, digest: str, what: str, **values: Any) -> None:
        self._stream.write((json.dumps({"what": what, "digest": digest, **values}, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- asking --------------------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What a consultation did; money as decimal texts, exact. `before` is what the journal had cost until then, `spent` and `lost` what all runs on it have."""

    teacher: str
    counts: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: Decimal = Decimal(0)
    before: Decimal = Decimal(0)
    lost: Decimal = Decimal(0)
    cap: Decimal | None = None
    seconds: float = 0.0

    def row(self) -> dict[str, Any]:
        return {
            "teacher": self.teacher,
            **{name: self.counts[name] for name in ("asked", "from the journal", "answered", "tries", "declined", "unanswered")},
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "spent here": str(self.spent - self.before),
            "spent": str(self.spent),
            "at most lost": str(self.lost),
            "cap": None if self.cap is None else str(self.cap),
            "seconds": round(self.seconds, 3),
        }

    def line(self) -> str:
        """One line for people."""
        c = self.counts
        money = f", {dollars(self.spent)} spent" + (f" and at most {dollars(self.lost)} for answers that never came" if self.lost else "")
        return f"{self.teacher}: {c['answered']:,} answers in {c['tries']:,} tries, {c['from the journal']:,} from the journal, {c['declined'] + c['unanswered']:,} without answer{money}"


class Consultation:
    """Asks a teacher, over one journal and one budget."""

    def __init__(self, teacher: Teacher, settings: TeacherRecipe, journal: Journal) -> None:
        self.teacher, self.settings, self.journal = teacher, settings, journal
        self.budget = Budget.of(settings)
        self.pace = Pace(settings.longest_wait)
        self._shut, self._shut_because = 0.0, ""  # until when the host wants to be left alone, longer than we wait
        self.report = Report(teacher.name, cap=self.budget.cap, before=journal.spent)
        self._balance()
        if isinstance(teacher, Host):
            teacher.heard = self.pace.heard

    def most(self, asks: Sequence[Ask]) -> tuple[int, Decimal]:
        """How many of these asks are not in the journal, and what they can cost at most, each tried once."""
        by_digest = {ask.digest(self.teacher.name): ask for ask in asks}
        new = [ask for digest, ask in by_digest.items() if digest not in self.journal.answers and digest not in self.journal.declined]
        return len(new), sum(map(self.budget.most, new), Decimal(0))

    def ask(self, asks: Sequence[Ask], what: str = "asking the teacher") -> list[Answer | Unanswered]:
        """Answers in the order of the asks. Raises `EngineError` when the host turns every request away; what was answered until then is in the journal."""
        n, most = self.most(asks) if self.budget.priced else (0, Decimal(0))
        if n:
            left = (
                ""
                if self.budget.cap is None
                else f", {dollars(max(Decimal(0), self.budget.cap - self.budget.spent - self.budget.lost))} left below the cap"
            )
            print(f"{what}: {n:,} asks, at most {dollars(most)}{left}", file=sys.stderr)
        start = time.monotonic()
        try:
            return asyncio.run(self._all(asks, what))
        finally:
            self.report.seconds += time.monotonic() - start
            self._balance()

    def _balance(self) -> None:
        self.budget.spent, self.budget.lost = self.journal.spent, self.journal.lost
        self.report.spent, self.report.lost = self.budget.spent, self.budget.lost

    async def _all(self, asks: Sequence[Ask], what: str) -> list[Answer | Unanswered]:
        found: dict[str, Answer | Unanswered] = {}
        digests = [ask.digest(self.teacher.name) for ask in asks]
        waiting = iter(dict(zip(digests, asks, strict=True)).items())
        self._settled, self._under_way = asyncio.Condition(), set[asyncio.Task[Answer]]()
        self.report.counts["asked"] += len(set(digests))

        async def work(advance: Callable[[], None]) -> None:
            for digest, ask in waiting:
                found[digest] = await self._one(digest, ask)
                advance()

        width = min(self.settings.concurrency, max(1, len(asks)))
        with ThreadPoolExecutor(width, thread_name_prefix="teacher") as self._threads, progress(what, len(set(digests))) as advance:
            tasks = [asyncio.create_task(work(advance)) for _ in range(width)]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, *self._under_way, return_exceptions=True)  # what was sent still reaches the journal
        return [found[d] for d in digests]

    async def _one(self, digest: str, ask: Ask) -> Answer | Unanswered:
        if digest in self.journal.answers:
            self.report.counts["from the journal"] += 1
            return self.journal.answers[digest]
        if digest in self.journal.declined:
            self.report.counts["declined"] += 1
            return Unanswered(self.journal.declined[digest])
        last = ""
        for attempt in range(self.settings.tries):
            await self.pace.wait()
            if time.monotonic() < self._shut:
                return self._without(self._shut_because)
            most = self.budget.most(ask)
            if not await self._reserve(most):
                return self._without(f"the cap of {dollars(cast(Decimal, self.budget.cap))} leaves no room for it")
            try:
                sent = asyncio.create_task(self._try(digest, ask, most))
                self._under_way.add(sent)
                sent.add_done_callback(self._under_way.discard)
                return await asyncio.shield(sent)
            except Declined as problem:
                self.report.counts["declined"] += 1
                return Unanswered(str(problem))
            except Later as problem:
                last = str(problem)
                if problem.wait > self.settings.longest_wait:
                    self._shut, self._shut_because = time.monotonic() + problem.wait, f"the host asks to wait {problem.wait:,.0f} s: {last}"
                    return self._without(self._shut_because)
                if problem.wait:
                    self.pace.hold(problem.wait)
                if attempt + 1 < self.settings.tries:
                    await asyncio.sleep(min(self.settings.longest_wait, self.settings.pause * 2**attempt) * random.uniform(0.5, 1.0))
        return self._without(f"no answer in {self.settings.tries} tries: {last}")

    def _without(self, reason: str) -> Unanswered:
        self.report.counts["unanswered"] += 1
        return Unanswered(reason)

    async def _reserve(self, most: Decimal) -> bool:
        """Room below the cap; while other requests are under way, they may give some back."""
        async with self._settled:
            while not self.budget.fits(most):
                if not self.budget.reserved:
                    return False
                await self._settled.wait()
            self.budget.reserved += most
            return True

    async def _try(self, digest: str, ask: Ask, most: Decimal) -> Answer:
        """One request and its end in the journal. Once begun it is finished, also when the run is stopped."""
        self.report.counts["tries"] += 1
        self.journal.sent(digest, most)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self.teacher.answer, ask)
        except Later as problem:
            self.journal.ended(digest, "lost" if problem.charged else "free", str(problem), most)
            raise
        except Declined as problem:
            self.journal.ended(digest, "declined" if problem.lasting else "free", str(problem))
            raise
        except EngineError as problem:
            self.journal.ended(digest, "free", str(problem))
            raise
        else:
            self.journal.answer(digest, answer, self.budget.settled(ask, answer))
            self.report.counts["answered"] += 1
            self.report.prompt_tokens += answer.prompt_tokens or 0
            self.report.completion_tokens += answer.completion_tokens or 0
            return answer
        finally:
            async with self._settled:
                self.budget.reserved -= most
                self.budget.spent, self.budget.lost = self.journal.spent, self.journal.lost
                self._settled.notify_all()


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with the time left on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal or not total:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


__all__ = [
    "Answer",
    "Ask",
    "Budget",
    "Consultation",
    "Declined",
    "Host",
    "Journal",
    "Later",
    "Pace",
    "Recorded",
    "Report",
    "Teacher",
    "TeacherRecipe",
    "Unanswered",
    "dollars",
    "open_teacher",
    "progress",
    "retry_after",
    "seconds",
]
