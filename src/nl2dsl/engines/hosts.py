"""What all share who ask a host over HTTP: the engine `openai:`, the teacher of corpora, fine-tuning jobs.

In: an address, a body. Out: `send` gives the bytes of a good answer; `Refused` is what a bad one says (its code, the host's words, how long to wait), read in one way for all.
The key is read from NL2DSL_API_KEY and goes to the host that was named and to no other: a redirect is an answer, it is never followed.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

KEY = "NL2DSL_API_KEY"
LARGEST_ANSWER = 8 << 20  # bytes
BUSY = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))  # what may be over when it is asked again
_LONGEST_ERROR = 4000  # bytes of an error that are read
_SHOWN = 200


class _Moved(urllib.request.HTTPRedirectHandler):
    """A redirected POST would lose its body, and any redirect might carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


# --- asking --------------------------------------------------------------------------------------------------------------------


def request(
    url: str, body: bytes | None = None, *, kind: str = "application/json", method: str | None = None, **headers: str
) -> urllib.request.Request:
    """A request with the usual headers, and with the key if there is one. `kind` is the type of the body."""
    usual = {"Accept": "application/json", "User-Agent": "nl2dsl"} | ({"Content-Type": kind} if body is not None else {})
    return urllib.request.Request(url, body, usual | authorization() | headers, method=method)


def chat(url: str, body: dict[str, Any], **headers: str) -> urllib.request.Request:
    """A request to the chat endpoint of a host."""
    return request(url if url.endswith("/chat/completions") else f"{url}/chat/completions", json.dumps(body).encode(), **headers)


def authorization() -> dict[str, str]:
    """The header that carries the key; none without a key."""
    return {"Authorization": f"Bearer {os.environ[KEY].strip()}"} if os.environ.get(KEY) else {}


def opened(asked: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """The host's good answer, to be read and closed. Raises `HTTPError` for any other (a redirect, too), `OSError` when none came."""
    response: http.client.HTTPResponse = urllib.request.build_opener(_Moved).open(asked, timeout=timeout)
    return response


def send(asked: urllib.request.Request, timeout: float) -> bytes:
    """The body of the host's good answer. Raises as `opened`."""
    with opened(asked, timeout) as response:
        return response.read(LARGEST_ANSWER)


# --- what a host says when it does not answer ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is none. `words` are the host's own, in one short line; `kind` is its name for the problem; `wait` the seconds it asks to wait, 0 when it does not."""

    code: int
    words: str
    kind: str = ""
    wait: float = 0.0

    def __str__(self) -> str:
        return f"{self.code} {self.words}".strip()

    @property
    def busy(self) -> bool:
        """Whether asking again may help. No credit is told with the code of too many requests, and does not pass by itself."""
        return self.code in BUSY and self.kind != "insufficient_quota"

    @property
    def moved(self) -> bool:
        return 300 <= self.code < 400

    @property
    def next_step(self) -> str:
        """What a person can do; '' when that is not known."""
        if self.code in (401, 403):
            return f"set {KEY} to a key that this host accepts"
        if self.moved:
            return "the host has moved: give the new address"
        return "is there credit left?" if self.code == 402 or self.kind == "insufficient_quota" else ""


def refused(problem: urllib.error.HTTPError) -> Refused:
    """Reads and closes the answer."""
    with problem:
        try:
            data = problem.read(_LONGEST_ERROR)
        except (OSError, http.client.HTTPException):
            data = b""
        words, kind = _said(data)
        return Refused(problem.code, words or _line(str(problem.reason)), kind, retry_after(lower(problem.headers)))


def _said(data: bytes) -> tuple[str, str]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return _line(data.decode(errors="replace")), ""
    words, kind = message(told)
    return _line(words), kind


def message(told: Any) -> tuple[str, str]:
    """The words of an error and its name, from what hosts write: `{"error": {"message", "code"}}`, `{"detail"}`, a text. ('', '') where there is nothing."""
    if isinstance(told, Mapping):
        for name in ("error", "detail"):
            if told.get(name):
                return message(told[name])
        return str(told.get("message") or (dict(told) or "")), str(told.get("code") or told.get("type") or "")
    return ("" if told is None else str(told)), ""


def _line(text: str) -> str:
    return " ".join(text.split())[:_SHOWN]


def why_silent(reason: object, timeout: float) -> str:
    """Why no answer came, in a few words."""
    reason = getattr(reason, "reason", reason)
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout:g} s"
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__


# --- what headers ask for ------------------------------------------------------------------------------------------------------

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def lower(headers: Any) -> dict[str, str]:
    return {str(k).lower(): str(v) for k, v in headers.items()} if headers else {}


def seconds(text: str) -> float:
    """`1.5`, `6m0s`, `20ms` in seconds; 0 where it is neither."""
    text = text.strip().lower()
    try:
        return max(0.0, float(text))
    except ValueError:
        found = _SPAN.findall(text)
        return sum(float(n) * _UNITS[unit] for n, unit in found) if "".join(n + u for n, u in found) == text else 0.0


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds a host asks to wait: `retry-after-ms`, or `retry-after` as seconds or as a date."""
    if "retry-after-ms" in headers:
        return seconds(headers["retry-after-ms"]) / 1000
    text = headers.get("retry-after", "")
    if found := seconds(text):
        return found
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
