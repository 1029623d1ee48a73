"""Typing noise: what thumbs and haste do to a request, leaving alone what the sketch has to copy.

In: a query, the stated words that must stay as they are, and a random generator. Out: the query with slips: neighbouring keys, dropped or doubled
letters, swapped letters, short forms
of common words, missing capitals and punctuation. Every protected word that was in the query is in the result, letter for letter (except where all
is lower case: then the caller
takes the values from the query).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {c: "".join(row[max(0, i - 1) : i] + row[i + 1 : i + 2]) for row in _ROWS for i, c in enumerate(row)}
_SHORT = {
    "you": "u", "please": "pls", "are": "r", "because": "bc", "and": "&", "with": "w/", "message": "msg", "messages": "msgs", "tomorrow": "tmrw",
    "people": "ppl", "thanks": "thx", "before": "b4", "for": "4", "to": "2", "be": "b",
    "about": "abt", "someone": "some1", "everyone": "every1", "without": "w/o", "through": "thru", "your": "ur", "appointment": "appt",
    "document": "doc", "information": "info", "whenever": "whenevr", "attachment": "attachmnt",
    "automatically": "auto", "manager": "mgr", "department": "dept", "approval": "aprvl", "number": "nr", "okay": "ok", "want to": "wanna",
    "minutes": "mins", "hours": "hrs", "weeks": "wks", "morning": "mornin", "picture": "pic", "every": "evry",
    "spreadsheet": "sheet", "calendar": "cal", "address": "addr", "response": "resp", "what": "wat", "have": "hav", "could": "cud",
    "should": "shud", "otherwise": "othrwise", "something": "smth", "new": "nu", "when": "wen", "email": "mail",
}  # fmt: skip
_RARE = frozenset(("for", "to", "be", "and", "new", "when", "have", "every"))
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


def _spans(query: str, protected: Iterable[str]) -> list[tuple[int, int]]:
    low, spans = query.lower(), []
    for word in protected:
        word = word.lower()
        start = low.find(word) if word else -1
        while start >= 0:
            spans.append((start, start + len(word)))
            start = low.find(word, start + len(word))
    spans += [m.span() for m in re.finditer(r"\S*(?:@|://|\d|[a-z][A-Z]|/)\S*", query)]
    return sorted(spans)


def slip(word: str, rng: Random) -> str:
    """One slip of the fingers in a word of at least three letters."""
    i = rng.randrange(1, len(word) - 1) if len(word) > 3 else 1
    kind = rng.random()
    if kind < 0.3:
        return word[:i] + word[i + 1 :]
    if kind < 0.5:
        return word[:i] + word[i] + word[i:]
    if kind < 0.75 and i + 1 < len(word):
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    near = _NEIGHBOURS.get(word[i].lower())
    return word[:i] + rng.choice(near) + word[i + 1 :] if near else word


def typos(query: str, protected: Iterable[str], rng: Random, rate: float = 0.08, shorten: float = 0.25) -> str:
    """Slips in `rate` of the words and short forms for `shorten` of the words that have one, none inside protected words."""
    spans = _spans(query, protected)

    def free(start: int, end: int) -> bool:
        return all(end <= s or start >= e for s, e in spans)

    def change(match: re.Match[str]) -> str:
        word = match.group()
        if not free(*match.span()):
            return word
        low = word.lower()
        short = _SHORT.get(low)
        if short and rng.random() < (shorten * 0.25 if low in _RARE else shorten):
            return short
        return slip(word, rng) if len(word) > 3 and rng.random() < rate else word

    return _WORD.sub(change, query)


def unpunctuated(query: str, protected: Iterable[str], rng: Random) -> str:
    """Commas and closing dots dropped where no protected word is hurt."""
    spans = _spans(query, protected)

    def change(match: re.Match[str]) -> str:
        at = match.start()
        if any(s <= at < e for s, e in spans) or rng.random() < 0.15:
            return match.group()
        return ""

    return re.sub(r",(?=\s)|[.?!](?=\s*$)|'(?=[a-z]{1,2}\b)", change, query)


def lowered(query: str, protected: Iterable[str] = ()) -> str:
    """All lower case, but for protected words."""
    spans, pieces, at = _spans(query, protected) if protected else [], [], 0
    for start, end in spans:
        if start >= at:
            pieces += [query[at:start].lower(), query[start:end]]
            at = end
    return "".join([*pieces, query[at:].lower()])


def titled(query: str, protected: Iterable[str]) -> str:
    """Longer Words with a Capital, as in a Headline; protected words keep theirs."""
    spans = _spans(query, protected)

    def change(match: re.Match[str]) -> str:
        inside = any(s <= match.start() < e for s, e in spans)
        return match.group() if inside or len(match.group()) < 4 else match.group().capitalize()

    return _WORD.sub(change, query)


def noisy(query: str, protected: Iterable[str], rng: Random) -> str:
    """One person's carelessness: some of lower case, missing punctuation, slips and short forms."""
    words = tuple(protected)
    if rng.random() < 0.65:
        query = lowered(query, words if rng.random() < 0.5 else ())
    if rng.random() < 0.5:
        query = unpunctuated(query, words, rng)
    if rng.random() < 0.75:
        query = typos(query, words, rng, rate=rng.choice((0.03, 0.06, 0.1, 0.16)), shorten=rng.choice((0.0, 0.2, 0.5)))
    return query
