"""A small OpenAI-compatible host on asyncio that behaves as badly as real ones do, and keeps the books.

In: a `Mood` (how often it fails, and how) and a function from the user's message to an answer. Out: a running server with `url`, and its ledger: what was asked, what was answered, what was charged
for. Failures are drawn from the words of the request and the number of times they came, so that a run can be repeated: not from its key, which holds the port of the host.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

Writer = Callable[[str], str]


@dataclass
class Mood:
    """Shares of requests that go wrong; `limit` requests are answered in `window` seconds, the others get 429."""

    busy: float = 0.0  # 503
    broken: float = 0.0  # 500
    hang: float = 0.0  # works, charges, answers too late
    garbage: float = 0.0  # 200, charged, and no JSON
    torn: float = 0.0  # the connection ends in the middle of the answer; charged
    cut: float = 0.0  # finish_reason `length`: half of the answer
    confused: float = 0.0  # an answer that does not keep to the form
    refuses: float = 0.0  # 400: the content filter
    limited: float = 0.0  # 429, however few requests there are
    limit: int = 0
    window: float = 0.2
    delay: float = 0.0  # seconds each answer takes
    late: float = 1.0  # seconds a hanging one takes
    remembers: bool = True  # a repeated Idempotency-Key is answered from memory, without a charge
    counts: bool = True  # says `usage`


@dataclass
class Ledger:
    """What happened; `charged` holds (key, prompt tokens, completion tokens) for each answer that was worked on."""

    requests: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    charged: list[tuple[str, int, int]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    times: list[float] = field(default_factory=list)

    def cost(self, price_in: float, price_out: float) -> float:
        """Dollars, at prices per million tokens."""
        return sum(i * price_in + o * price_out for _, i, o in self.charged) / 1e6


class FakeServer:
    """Serves from a thread of its own; `with FakeServer(...) as host:`."""

    def __init__(self, write: Writer, mood: Mood | None = None, seed: int = 0) -> None:
        self.write, self.mood, self.seed = write, mood or Mood(), seed
        self.ledger = Ledger()
        self.url = ""
        self._memory: dict[str, bytes] = {}
        self._window: list[float] = []
        self._drawn: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    # --- one request ---------------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.ledger.under_way += 1
            self.ledger.most_under_way = max(self.ledger.most_under_way, self.ledger.under_way)
            try:
                data = await self._reply(headers, body)
            finally:
                self.ledger.under_way -= 1
            writer.write(data)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the client gave up, or the server stops
            pass
        finally:
            writer.close()

    async def _reply(self, headers: dict[str, str], body: dict[str, Any]) -> bytes:
        key = headers.get("idempotency-key", "")
        self.ledger.requests += 1
        self.ledger.keys[key] += 1
        self.ledger.times.append(time.monotonic())
        if not self._admitted():
            return self._slow_down(max(1, int(1000 * (self._window[0] + self.mood.window - time.monotonic()))))
        if self.mood.remembers and key in self._memory:
            self.ledger.statuses["from memory"] += 1
            return self._memory[key]
        asked = json.dumps(body["messages"])
        self._drawn[asked] += 1
        event = self._event(f"{self.seed}:{asked}:{self._drawn[asked]}")
        if event == "limited":
            return self._slow_down(20)
        if event in ("busy", "broken", "refuses"):
            status = {"busy": 503, "broken": 500, "refuses": 400}[event]
            return self._http(status, _error("filtered" if status == 400 else "try later"), {"Retry-After": "0.01"} if status == 503 else {})
        await asyncio.sleep(self.mood.delay)
        if self.mood.remembers and key in self._memory:  # answered meanwhile, to one who asked before and was killed
            self.ledger.statuses["from memory"] += 1
            return self._memory[key]
        return await self._answer(key, body, event)

    def _slow_down(self, milliseconds: int) -> bytes:
        headers = {"retry-after-ms": str(milliseconds), "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": f"{milliseconds}ms"}
        return self._http(429, _error("slow down"), headers)

    def _admitted(self) -> bool:
        now = time.monotonic()
        self._window = [t for t in self._window if t > now - self.mood.window]
        if self.mood.limit and len(self._window) >= self.mood.limit:
            return False
        self._window.append(now)
        return True

    def _event(self, what: str) -> str:
        rng, draw = Random(what), 0.0
        place = rng.random()
        for name in ("busy", "broken", "hang", "garbage", "torn", "cut", "confused", "refuses", "limited"):
            draw += getattr(self.mood, name)
            if place < draw:
                return name
        return "good"

    async def _answer(self, key: str, body: dict[str, Any], event: str) -> bytes:
        asked = body["messages"][-1]["content"]
        text = self.write(asked)
        if event == "cut":
            text = text[: len(text) // 2]
        if event == "confused":
            text = f"Sure! Here is what I think about it.\n\n{text[: len(text) // 3]}"
        tokens = len(asked.split()), min(len(text.split()) + 1, body.get("max_tokens", 1 << 20))
        self.ledger.charged.append((key, *tokens))
        self.ledger.statuses[event] += 1
        answer: dict[str, Any] = {
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "length" if event == "cut" else "stop"}]
        }
        if self.mood.counts:
            answer["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
        good = self._http(200, answer, {}, count=False)
        self._memory[key] = good
        if event == "hang":
            await asyncio.sleep(self.mood.late)
        if event == "garbage":
            return self._http(200, b"<html>upstream had a bad day", {}, count=False)
        return good[: len(good) // 2] if event == "torn" else good

    def _http(self, status: int, body: Any, headers: dict[str, str], count: bool = True) -> bytes:
        if count:
            self.ledger.statuses[str(status)] += 1
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}
