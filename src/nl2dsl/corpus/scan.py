"""Looks for personal data and secrets that the scrubber left, by other means than the scrubber's.

In: a JSON value or a text. Out: `Finding`s, none for a clean one. Where `scrub.py` matches patterns, this takes texts apart and judges the pieces: addresses by their parts, ids by
parsing them, hosts by what stands behind `://`, keys by how evenly their characters are spread, labelled values by what stands beside the label.
"""

from __future__ import annotations

import math
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from nl2dsl.corpus.scrub import PUBLIC_HOSTS

_PREFIXES = (
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "sk-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "eyJhbGci",
    "eyJ0eXAi",
    "SG.",
    "glpat-",
    "npm_",
    "rk_live_",
    "sk_live_",
)
_LABELS = (
    "accountkey=",
    "sharedaccesskey=",
    "password=",
    "pwd=",
    "client_secret=",
    "sig=",
    "apikey=",
    "api_key=",
    "api-key=",
    "&key=",
    "?key=",
    "subscription-key=",
    "access_token=",
    "?code=",
    "&code=",
)
_OURS = re.compile(
    r"SECRET-\d{4,}|BLOB-\d{4,}|\bPerson \d{4,}|198\.18\.\d+\.\d+|\+1 555 \d{7}|(?:user\d{4,}@|site\d{4,}\.|host\d{4,}\.)example\.com|00000000-0000-4000-8000-\d{12}"
)
_BEGIN = re.compile(r"-----BEGIN")
_CANDIDATE = re.compile(r"[A-Za-z0-9+/=_-]{28,}")
_NUMERIC = re.compile(r"[+(]?\d[\d ().-]{8,}\d")


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    text: str


def scan(value: object) -> list[Finding]:
    """What should not be there."""
    return [finding for text in _texts(value) for finding in _of(_OURS.sub(" ", text))]


def _texts(value: object) -> Iterator[str]:
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            yield top
        elif isinstance(top, Mapping):
            stack += [*map(str, top), *top.values()]
        elif isinstance(top, (list, tuple)):
            stack += top


def _of(text: str) -> Iterator[Finding]:
    yield from _addresses(text)
    yield from _ids(text)
    yield from _hosts(text)
    yield from _keys(text)
    yield from _telephones(text)
    if _BEGIN.search(text):
        yield Finding("secret", text[:40])


def _addresses(text: str) -> Iterator[Finding]:
    for place, c in enumerate(text):
        if c != "@" or not place or not text[place - 1].isalnum():
            continue
        domain = re.match(r"[A-Za-z0-9.-]*", text[place + 1 :])
        labels = domain[0].strip(".").split(".") if domain else []
        if (
            len(labels) > 1
            and labels[-1].isalpha()
            and 2 <= len(labels[-1]) <= 8
            and labels[0].lower() not in ("odata", "microsoft")
            and labels[-1] not in ("bind", "value")
        ):
            yield Finding("email", text[max(0, place - 20) : place + 1 + len(".".join(labels))])


def _ids(text: str) -> Iterator[Finding]:
    for piece in re.split(r"[^0-9A-Fa-f-]+", text):
        if piece.count("-") >= 4 and len(piece) >= 36:
            for start in range(len(piece) - 35):
                window = piece[start : start + 36]
                if [len(p) for p in window.split("-")] == [8, 4, 4, 4, 12] and uuid.UUID(window).int > 0xFF:
                    yield Finding("guid", window)


def _hosts(text: str) -> Iterator[Finding]:
    for rest in text.split("://")[1:]:
        host = re.match(r"[^/?#:$\s\"'<>@{}|\\)(,;\[\]]*", rest)
        name = host[0].strip(".").lower() if host else ""
        if "." in name and name not in PUBLIC_HOSTS and not name.endswith(".example.com"):
            yield Finding("url", name)


def _keys(text: str) -> Iterator[Finding]:
    low = text.lower()
    for label in _LABELS:
        start = low.find(label)
        while start >= 0:
            value = re.match(r"[^\s&;\"'<>]*", text[start + len(label) :])
            if value and len(value[0]) >= 8 and value[0][:1] not in "@{$[(<" and any(c.isdigit() for c in value[0]):
                yield Finding("secret", f"{label}{value[0][:12]}")
            start = low.find(label, start + 1)
    for word in re.split(r"[\s\"'<>,;(){}:=&?]+", text):
        if len(word) >= 20 and word.startswith(_PREFIXES):
            yield Finding("secret", word[:24])
    for match in _CANDIDATE.finditer(text):
        if _drawn(match[0]):
            yield Finding("secret", match[0][:40])


def _drawn(word: str) -> bool:
    """Characters spread as evenly as chance does it, with digits among letters all along: what words, paths and identifiers never are."""
    return any(_even(piece) for piece in re.split(r"[/_=+-]", word) if len(piece) >= 16)


def _even(piece: str) -> bool:
    counts = Counter(piece)
    spread = -sum(n / len(piece) * math.log2(n / len(piece)) for n in counts.values())
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(piece)) / len(piece)
    mixed = any(c.islower() for c in piece) and any(c.isupper() for c in piece)
    hexadecimal = len(piece) >= 32 and all(c in "0123456789abcdefABCDEF" for c in piece)
    capitals = len(piece) >= 28 and piece.isupper() and spread >= 3.5
    return changes >= 0.12 and (hexadecimal or capitals or (mixed and spread >= 3.5))


def _telephones(text: str) -> Iterator[Finding]:
    for match in _NUMERIC.finditer(text):
        digits = [c for c in match[0] if c.isdigit()]
        separated = re.search(r"[ ()]|\d[.-]\d{3}[.-]", match[0])
        if 10 <= len(digits) <= 15 and separated and (match[0][0] in "+(" or re.fullmatch(r"\d{3}[ .-]\d{3}[ .-]\d{4}", match[0])):
            yield Finding("phone", match[0])


__all__ = ["Finding", "scan"]
