"""Any host that speaks the OpenAI chat protocol: vLLM, llama.cpp, Ollama, a hosted model. It is also the teacher of corpora.

In: a base URL and a model name, and prompts. Out: completions. A host that is busy, slow or gone for a moment is asked again; what stays wrong is an `EngineError` that
says what and what to do. The key, if the host wants one, is read from NL2DSL_API_KEY and sent to that host alone (`hosts.py`).
"""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nl2dsl.engines import Completion, hosts
from nl2dsl.errors import EngineError, UsageError
from nl2dsl.prompts import Prompt

_LONGEST_WAIT = 20.0  # seconds between two tries, also when the host asks for more


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
        return hosts.chat(self.url, body)

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        """The answer of the first try that brings one."""
        wait, last = self.pause, ""
        for attempt in range(self.tries):
            asked_to_wait = 0.0
            try:
                return _json(hosts.send(request, self.timeout))
            except urllib.error.HTTPError as problem:
                told = hosts.refused(problem)
                if not told.busy:
                    raise EngineError(f"{self.name} answered {told}", hint=told.next_step or self._next_step(told.code)) from None
                last, asked_to_wait = str(told), told.wait
            except (OSError, http.client.HTTPException) as problem:
                last = hosts.why_silent(problem, self.timeout)
            if attempt + 1 < self.tries:
                time.sleep(min(_LONGEST_WAIT, max(asked_to_wait, wait * random.uniform(0.8, 1.2))))
                wait *= 2
        raise EngineError(f"{self.name} did not answer in {self.tries} tries: {last}", hint="is the host running, and is the address right?")

    def _next_step(self, code: int) -> str:
        return f"does the host know the model `{self.model}`, and does the address end in /v1?" if code == 404 else ""


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
        raise EngineError(f"the host's answer holds no text{f': {hosts.message(told)[0]}' if told else ''}")
    return str(text)


def _number(usage: dict[str, Any], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) else 0
