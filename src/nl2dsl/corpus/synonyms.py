"""Words put for words of the same meaning, in the fixed text of a clause only: stated values are never touched.

In: a piece of a clause and a random generator. Out: the piece, now and then with another word. Only words that fit wherever the first one fits, in
grammar and in meaning, share a set.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random

_SETS = (
    ("someone", "somebody", "anyone", "anybody"),
    ("email", "mail", "e-mail"),
    ("emails", "mails", "e-mails"),
    ("message", "msg", "note"),
    ("spreadsheet", "sheet", "workbook"),
    ("picture", "photo", "image"),
    ("customer", "client"),
    ("customers", "clients"),
    ("colleague", "coworker", "co-worker", "teammate"),
    ("folder", "directory"),
    ("arrives", "comes in", "lands", "is received"),
    ("is created", "is added", "gets created", "is made"),
    ("is updated", "is changed", "is modified", "is edited", "gets changed", "gets updated"),
    ("is deleted", "is removed", "gets deleted", "gets removed"),
    ("is uploaded", "gets uploaded", "is dropped"),
    ("is submitted", "is sent in", "gets submitted", "comes in"),
    ("shows up", "appears", "turns up", "pops up"),
    ("details", "info", "information"),
    ("picks", "chooses", "selects"),
    ("our", "our", "my"),
    ("photo", "picture", "image"),
    ("summary", "short summary", "overview"),
    ("quick", "short", "brief"),
)
# first words of imperatives
_VERBS = (
    ("send", "send out"),
    ("create", "make", "set up"),
    ("add", "put", "insert"),
    ("delete", "remove", "get rid of"),
    ("update", "change", "edit", "adjust"),
    ("get", "fetch", "grab", "pull"),
    ("list", "show", "get"),
    ("save", "store", "keep"),
    ("post", "put"),
    ("find", "look for", "search for", "locate"),
    ("read", "fetch", "get"),
    ("fetch", "get", "grab", "pull"),
    ("pull", "get", "fetch", "grab"),
    ("check", "look at", "see"),
    ("start", "kick off", "launch"),
    ("move", "shift", "transfer"),
    ("notify", "alert", "inform"),
    ("retrieve", "get", "pull"),
    ("convert", "turn", "transform"),
    ("upload", "put", "push"),
    ("write", "put", "enter"),
    ("record", "log", "write down"),
    ("close", "wrap up"),
    ("show", "get", "display"),
    ("grab", "get", "fetch"),
    ("remove", "delete", "get rid of"),
    ("change", "update", "edit"),
    ("look up", "find", "check"),
)


def _table(sets: tuple[tuple[str, ...], ...]) -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for words in sets:
        for word in words if sets is _SETS else words[:1]:
            table.setdefault(word, tuple(w for w in words if w != word))
    table.pop("my", None)
    return table


_WORDS = _table(_SETS)
_FIRST = _table(_VERBS)
_PATTERN = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)) + r")\b(?!-)")
# verbs that take their meaning from the word after them
_PARTICLES = frozenset(
    (
        "up",
        "down",
        "off",
        "out",
        "back",
        "in",
        "on",
        "over",
        "through",
        "away",
        "into",
        "whether",
        "if",
        "with",
        "rid",
        "together",
        "around",
        "about",
        "for",
        "how",
        "what",
        "which",
        "who",
        "it",
        "them",
        "me",
        "so",
        "that",
    )
)


@lru_cache(maxsize=65536)
def _places(piece: str) -> tuple[tuple[int, int, tuple[str, ...]], ...]:
    """Where a word may be exchanged, last place first; the fixed pieces of the inventory are few, so each is searched once."""
    found = [(m.start(), m.end(), _WORDS[m.group()]) for m in _PATTERN.finditer(piece)]
    return tuple(p for p in reversed(found) if p[2])


# "get a ticket created" is no "fetch a ticket created"
_CAUSED = re.compile(r"\b(?:\w{2,}ed|made|put|set|sent|going|over|done|built|written|up|ready|on|back|to)\b")


def first_verb(text: str, rng: Random, rate: float = 0.12) -> str:
    """Another verb at the start of an imperative."""
    verb, space, rest = text.partition(" ")
    others = _FIRST.get(verb)
    if verb == "get" and _CAUSED.search(rest):
        return text
    if not others or rng.random() > rate or rest.split(" ", 1)[0] in _PARTICLES or not rest:
        return text
    return rng.choice(others) + space + rest


def reword(piece: str, rng: Random, rate: float = 0.12) -> str:
    """Other words here and there in a piece of fixed text."""

    places = _places(piece)
    if not places:
        return piece
    for start, end, others in places:
        if rng.random() < rate:
            piece = piece[:start] + rng.choice(others) + piece[end:]
    return piece
