"""The page's server: a few paths on loopback, for one reviewer at this machine.

In: a `Session`, a port. Out: `Server`, which serves until it is shut down. Safe against other pages and other users of the machine:

- it listens on 127.0.0.1 only, and answers only requests whose `Host` is that address (a name that somebody else's DNS points here is not),
- data needs a token, made anew at every start, which stands behind the # of the printed link: it is never in a request line, a log, a cookie or a referrer, so another page
  cannot make the browser send it; an `Origin` that is not the page's own is refused before that,
- the page loads nothing from elsewhere and runs no script but its own (Content-Security-Policy), and sets all data as text.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import traceback
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nl2dsl.corpus.review.session import Session
from nl2dsl.errors import Nl2DslError, UsageError

LOOPBACK = "127.0.0.1"
_LARGEST = 1 << 20  # bytes of a request
_PATIENCE = 30  # seconds for a request to arrive
_ASSETS = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript")}
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def _asset(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()


class Refused(Exception):
    """A request that is not answered: status and why."""

    def __init__(self, status: HTTPStatus, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.status, self.hint = status, hint


class Server(ThreadingHTTPServer):
    """Serves one session. Port 0 is any free one. Raises `UsageError` when the port is taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(24)
        self.writing = Lock()  # a double click is two requests at once
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as problem:
            raise UsageError(
                f"port {port} cannot be used: {getattr(problem, 'strerror', None) or problem}", hint="--port 0 takes a free one"
            ) from problem
        self.hosts = {f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}"}

    @property
    def link(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/#{self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "nl2dsl", ""
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the link and the progress, not requests."""

    def _answer(self, make: Callable[[], tuple[bytes, str]]) -> None:
        status = HTTPStatus.OK
        try:
            self._from_here()
            body, kind = make()
        except Refused as refused:
            status, kind, body = refused.status, "application/json", _json({"error": str(refused), "hint": refused.hint})
            self.close_connection = True  # its body may be unread
        except Nl2DslError as problem:
            status = HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(problem, UsageError) else HTTPStatus.INTERNAL_SERVER_ERROR
            kind, body = "application/json", _json({"error": str(problem), "hint": problem.hint})
        except (TimeoutError, ConnectionError):
            raise
        except Exception as problem:
            if os.environ.get("NL2DSL_DEBUG"):
                traceback.print_exc()
            status, kind, body = (
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "application/json",
                _json({"error": f"something went wrong: {type(problem).__name__}", "hint": ""}),
            )
        self._send(status, kind, body)

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    # --- who asks ---

    def _from_here(self) -> None:
        """Only the page itself, by its own address."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to its loopback address only")
        if origin is not None and origin != f"http://{host}":
            raise Refused(HTTPStatus.FORBIDDEN, "other pages may not ask this server")

    def _trusted(self) -> None:
        """Data only for the page that was opened by the printed link."""
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise Refused(HTTPStatus.FORBIDDEN, "other pages may not ask this server")
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "the server was started anew, or this is not its link", "open the link that `nl2dsl review` printed"
            )

    # --- what it says ---

    def _get(self) -> tuple[bytes, str]:
        parts = urlsplit(self.path)
        if parts.path in _ASSETS:
            name, kind = _ASSETS[parts.path]
            return _asset(name), kind
        self._trusted()
        session = self.server.session
        match parts.path:
            case "/api/state":
                return _json(session.state()), "application/json"
            case "/api/row":
                return _json(session.row(parse_qs(parts.query).get("row", [""])[0])), "application/json"
            case "/api/disagreements":
                return _json(session.disagreements()), "application/json"
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self) -> tuple[bytes, str]:
        self._trusted()
        given = self._body()
        session = self.server.session
        match urlsplit(self.path).path:
            case "/api/check":
                return _json(session.check(given.get("dsl"))), "application/json"
            case "/api/decide":
                with self.server.writing:
                    return _json(session.decide(given)), "application/json"
            case "/api/undo":
                with self.server.writing:
                    return _json(session.undo()), "application/json"
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _body(self) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the request is not JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > _LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request has no length, or more than {_LARGEST >> 20} MiB")
        try:
            value = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as problem:
            raise Refused(HTTPStatus.BAD_REQUEST, "the request is not JSON") from problem
        if not isinstance(value, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "the request is not a JSON object")
        return value


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
