"""Small English grammar for phrases we wrote ourselves: capitals, gerunds, passives, plurals, articles.

In and out: text. Each function knows only the verbs and patterns that occur in the wordings and says so (None, or the text unchanged) where it is
not sure.
"""

from __future__ import annotations

import re


def names(text: str) -> frozenset[str]:
    """Words of a text, as a set."""
    return frozenset(text.split())


_KEEPS_E = names("see free flee be dye agree")
_DOUBLES = names(
    "get put set run drop stop let cut flag log tag plan ship chat scan pin swap dig step quit begin bin hit grab zip plug skip wipe"
) - {"wipe"}


def upper(text: str) -> str:
    return text[:1].upper() + text[1:] if text and not text.startswith(("http", "dbo.", "#", "@")) else text


def gerund(phrase: str) -> str:
    """`post X` → `posting X`, for the first verb only."""
    verb, space, rest = phrase.partition(" ")
    low = verb.lower()
    if low.endswith("ie"):
        ing = low[:-2] + "ying"
    elif low.endswith("e") and low not in _KEEPS_E:
        ing = low[:-1] + "ing"
    elif low in _DOUBLES:
        ing = low + low[-1] + "ing"
    else:
        ing = low + "ing"
    return ing + space + rest


_IRREGULAR = {
    "send": "sent", "get": "fetched", "put": "put", "make": "made", "write": "written", "read": "read", "set": "set", "give": "given",
    "take": "taken", "bring": "brought", "find": "found", "keep": "kept", "build": "built",
    "run": "run", "cut": "cut", "tell": "told", "bind": "bound", "throw": "thrown", "draw": "drawn", "hold": "held", "leave": "left", "feed": "fed",
    "stick": "stuck", "split": "split", "shut": "shut",
}  # fmt: skip
_REGULAR = names(
    "post add create save store upload copy move delete remove update change mark log record file archive convert turn push pull fetch list read "
    "export download append insert place attach publish share rename assign enter "
    "register open start close stop cancel forward queue stage stash drop tag flag translate extract merge print mail email text message submit "
    "load query count check clear erase wipe replace swap refresh release retrieve grab"
)
_TRANSITIVE = re.compile(
    r"(\w+) ((?:an?|the|my|our|all|every|each|their|his|her|this|its|new) [^,;:\"]{2,50}?) "
    r"(to|in|on|from|into|as|at|via|with|onto|under|off|out of|for) (.+)$"
)


def passive(phrase: str) -> tuple[str, str] | None:
    """`post the file to X` → `the file`, `posted to X`; None where the grammar is not plain enough."""
    match = _TRANSITIVE.fullmatch(phrase)
    if not match:
        return None
    verb, thing, preposition, rest = match.groups()
    low = verb.lower()
    if low in _IRREGULAR:
        participle = _IRREGULAR[low]
    elif low in _REGULAR:
        participle = (
            low + "d"
            if low.endswith("e")
            else low[:-1] + "ied"
            if low.endswith("y") and low[-2] not in "aeiou"
            else low + low[-1] + "ed"
            if low in _DOUBLES
            else low + "ed"
        )
    else:
        return None
    return thing, f"{participle} {preposition} {rest}"


def article(text: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeioAEIO](?!ne\b|nce\b))", lambda m: f"{m.group(1)}n ", text) if " a " in f" {text.lower()} " else text


def plural(word: str) -> str:
    return {"one": "results", "repository": "repositories", "entry": "entries"}.get(word, word + "s")
