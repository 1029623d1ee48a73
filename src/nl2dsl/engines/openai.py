"""Any host that speaks the OpenAI chat protocol: vLLM, llama.cpp, Ollama, a hosted model. It is also the teacher of corpora.

In: a base URL and a model name, and prompts. Out: completions. A host that is busy, slow or gone for a moment is asked again; what stays wrong is an `EngineError` that
says what and what to do. The key, if the host wants one, is read from NL2DSL_API_KEY and sent to that host alone.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nl2dsl.engines import Completion
from nl2dsl.errors import EngineError, UsageError
from nl2dsl.prompts import Prompt

KEY = "NL2DSL_API_KEY"
_BUSY = {408, 409, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 20.0  # seconds between two tries, also when the host asks for more
LARGEST_ANSWER = 8 << 20  # bytes


class Moved(urllib.request.HTTPRedirectHandler):
    """A redirected POST would lose its body and might carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class OpenAI:
    """`timeout` is per try in seconds, `tries` the most requests for one answer, `pause` the first wait between two of them (it doubles). `seed` is what hosts that can
    repeat themselves repeat by."""

    url: str
    model: str
    timeout: float = 60.0
    tries: int = 4
    pause: float = 0.5
    temperature: float = 0.0
    seed: int | None = None

    @classmethod
    def of(cls, words: str) -> OpenAI:
        """`http://localhost:8000/v1#model`; `/v1` is understood when there is no path."""
        url, _, model = words.partition("#")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"`{url}` is not the address of a host", hint="write it as openai:http://localhost:8000/v1#model")
        if not model:
            raise UsageError("which model of that host?", hint=f"write it as openai:{url}#model")
        return cls(url.rstrip("/") + ("" if parts.path.strip("/") else "/v1"), model)

    @property
    def name(self) -> str:
        return f"openai:{self.url}#{self.model}"

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        start = time.perf_counter()
        answer = self._ask(self._request(prompt, max_tokens))
        choice, usage = _choice(answer), answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return Completion(choice, _number(usage, "prompt_tokens"), _number(usage, "completion_tokens"), time.perf_counter() - start)

    def _request(self, prompt: Prompt, max_tokens: int) -> urllib.request.Request:
        body = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.text} for m in prompt.messages],
            "max_tokens": max_tokens,
            "temperature": self.temperature,
        } | ({} if self.seed is None else {"seed": self.seed})
        return chat(self.url, body)

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        """The answer of the first try that brings one."""
        wait, last = self.pause, ""
        for attempt in range(self.tries):
            asked_to_wait = 0.0
            try:
                return _json(self._send(request))
            except urllib.error.HTTPError as problem:
                with problem:
                    last = f"{problem.code} {_said(problem)}"
                    if problem.code not in _BUSY:
                        raise EngineError(f"{self.name} answered {last}", hint=_next_step(problem.code, self)) from None
                    asked_to_wait = _seconds(problem.headers.get("Retry-After", ""))
            except (OSError, http.client.HTTPException) as problem:
                last = why_silent(getattr(problem, "reason", problem), self.timeout)
            if attempt + 1 < self.tries:
                time.sleep(min(_LONGEST_WAIT, max(asked_to_wait, wait * random.uniform(0.8, 1.2))))
                wait *= 2
        raise EngineError(f"{self.name} did not answer in {self.tries} tries: {last}", hint="is the host running, and is the address right?")

    def _send(self, request: urllib.request.Request) -> bytes:
        opener = urllib.request.build_opener(Moved)
        with opener.open(request, timeout=self.timeout) as response:
            data: bytes = response.read(LARGEST_ANSWER)
            return data


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise EngineError("the host answered, but not in JSON", hint="does the address lead to an OpenAI-compatible API? it often ends in /v1")
    return answer


def _choice(answer: dict[str, Any]) -> str:
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        text = None
    if text is None:
        told = answer.get("error")
        raise EngineError(f"the host's answer holds no text{f': {_message(told)}' if told else ''}")
    return str(text)


def _number(usage: dict[str, Any], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) else 0


def _said(problem: urllib.error.HTTPError) -> str:
    """The host's own words, in one short line."""
    try:
        data = problem.read(4000)
    except (OSError, http.client.HTTPException):
        data = b""
    try:
        told = json.loads(data)
        words = _message(told.get("error", told.get("detail", told)) if isinstance(told, dict) else told)
    except ValueError:
        words = data.decode(errors="replace")
    return " ".join((words or str(problem.reason)).split())[:200]


def _message(told: Any) -> str:
    return str(told.get("message", told)) if isinstance(told, dict) else str(told)


def _next_step(code: int, engine: OpenAI) -> str:
    if code in (401, 403):
        return f"set {KEY} to a key that this host accepts"
    if code == 404:
        return f"does the host know the model `{engine.model}`, and does the address end in /v1?"
    if 300 <= code < 400:
        return "the host has moved: give the new address"
    return ""


def _seconds(header: str) -> float:
    try:
        return max(0.0, float(header))
    except ValueError:  # a date: the usual pause will do
        return 0.0


def chat(url: str, body: dict[str, Any], **headers: str) -> urllib.request.Request:
    """A request to the chat endpoint of a host, with the key if there is one."""
    address = url if url.endswith("/chat/completions") else f"{url}/chat/completions"
    usual = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "nl2dsl"}
    return urllib.request.Request(address, json.dumps(body).encode(), usual | authorization() | headers)


def authorization() -> dict[str, str]:
    """The header that carries the key; none without a key."""
    return {"Authorization": f"Bearer {os.environ[KEY].strip()}"} if os.environ.get(KEY) else {}


def why_silent(reason: object, timeout: float) -> str:
    """Why no answer came, in a few words."""
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout:g} s"
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
