"""Literals that should not stand in a flow, or not so: secrets, the same recipient twice, dates and date formats the platform reads otherwise.

In: literals with the key they are given for. Out: findings, or what is wrong in a few words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

# Shapes that only credentials have; a placeholder (`<key>`, `xxxx`, an expression of a deployment template) has none of them.
_SECRETS = (
    (re.compile(r"[?&]sig=[A-Za-z0-9%+/_\-]{20,}"), "a signature (SAS) in an address"),
    (re.compile(r"(?i)\b(AccountKey|SharedAccessKey|SharedAccessSignature)=[A-Za-z0-9+/%]{20,}"), "an access key"),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\."), "a token"),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "an access key of AWS"),
    (re.compile(r"\b(ghp|gho|ghs|github_pat)_[A-Za-z0-9_]{30,}"), "a token of GitHub"),
    (re.compile(r"\bxox[abprs]-[A-Za-z0-9\-]{10,}"), "a token of Slack"),
    (re.compile(r"\bsk-[A-Za-z0-9_\-]{24,}"), "an API key"),
    (re.compile(r"\bAIza[0-9A-Za-z_\-]{35}\b"), "an API key of Google"),
    (re.compile(r"-----BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY-----"), "a private key"),
    (re.compile(r"(?i)\b(Password|Pwd)=[^;'\"\s@{\[<]{4,};"), "a password in a connection string"),
    (re.compile(r"https://[a-z0-9\-]+\.webhook\.office\.com/webhookb2/[0-9a-f\-]{30,}@"), "the secret address of a webhook"),
    (re.compile(r"https://hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/\w{16,}"), "the secret address of a webhook"),
)
_HINTS = re.compile(r"(?i)sig=|key=|eyJ|AKIA|gh[pos]_|github_pat|xox[abprs]-|sk-|AIza|PRIVATE KEY|password=|pwd=|webhookb2|hooks\.slack")
_SECRET_KEYS = re.compile(
    r"(?i)(.*[/_.\-])?(password|passwd|pwd|secret|client_?secret|api_?key|access_?key|x-api-key|private_?key|ocp-apim-subscription-key|auth_?token|access_?token)\Z"
)
_PLACEHOLDER = re.compile(
    r"(?i)[<\[{@*].*|.*\bx{3,}.*|.*\.{3}.*|your.*|my[-_ ]?.*|.*(example|placeholder|sample|todo|change|enter|insert|password|secret|token|key).*|none|null|test|(.)\2*\Z"
)
_LONG_SECRET = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[^\s]{8,}")
_AUTHORIZATION = re.compile(r"(?i)(basic|bearer|apikey|token|sharedkey)\s+[A-Za-z0-9+/=_.\-]{16,}\Z")


def secret(key: str, text: str) -> str:
    """What kind of secret a literal is, '' for none. A value alone counts when only secrets look so, else when its key says it."""
    if len(text) >= 16 and _HINTS.search(text):
        for pattern, what in _SECRETS:
            if pattern.search(text):
                return what
    if not key:
        return ""
    if key.rpartition("/")[2].lower() in ("authorization", "proxy-authorization"):
        return "a credential" if _AUTHORIZATION.match(text) else ""
    if len(text) >= 8 and _SECRET_KEYS.match(key) and not _PLACEHOLDER.match(text) and _LONG_SECRET.fullmatch(text):
        return "a secret"
    return ""


_SEPARATOR = re.compile(r"[;,]")


def repeated(text: str) -> list[str]:
    """Addresses that a list of recipients names more than once."""
    if "@" not in text:
        return []
    seen: set[str] = set()
    twice = []
    for address in _SEPARATOR.split(text):
        plain = address.strip().lower()
        if plain and plain in seen and plain not in twice:
            twice.append(plain)
        seen.add(plain)
    return twice


def without_repeats(text: str) -> str:
    """The same recipients, each once, in the order and with the separators of the text."""
    seen: set[str] = set()
    kept: list[str] = []
    for match in re.finditer(r"([^;,]*)([;,]?)", text):
        plain = match[1].strip().lower()
        if plain and plain in seen:
            continue
        seen.add(plain)
        kept.append(match[0])
    joined = "".join(kept)
    return joined if _SEPARATOR.search(text[-1:]) else joined.rstrip(";, ")


# --- dates ---------------------------------------------------------------------------------------------------------------------

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?\Z")
_OTHER_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")


def date_problem(text: str) -> str:
    """Why a literal is no date for the platform; '' if it is one, or if nobody can tell."""
    text = text.strip()
    if not text or text[0] in "<[{@":
        return ""
    if _ISO.match(text):
        try:
            datetime.fromisoformat(text.replace(" ", "T")[:10])
        except ValueError:
            return "there is no such day"
        return ""
    if _OTHER_DATE.match(text):
        return "day and month can be mixed up"
    return "" if re.search(r"\d{4}", text) else "it is no date"


DATE_FUNCTIONS = {  # function: where it takes a date, and where a format
    "formatdatetime": (0, 1), "utcnow": (None, 0), "adddays": (0, 2), "addhours": (0, 2), "addminutes": (0, 2), "addseconds": (0, 2), "addtotime": (0, 3),
    "subtractfromtime": (0, 3), "converttimezone": (0, 3), "convertfromutc": (0, 2), "converttoutc": (0, 2), "startofday": (0, 1), "startofhour": (0, 1),
    "startofmonth": (0, 1), "dayofweek": (0, None), "dayofmonth": (0, None), "dayofyear": (0, None), "ticks": (0, None), "getfuturetime": (None, 2),
    "getpasttime": (None, 2),
}  # fmt: skip
_QUOTED = re.compile(r"'[^']*'|\\.")
_FORMAT = re.compile(r"[yYMmdDhHsStTfFzZKgGoOrRuU:/\-., \u00a0]*\Z")


def format_problem(text: str) -> tuple[str, str]:
    """What a date format does not mean, and the format that was likely meant; ('', '') if there is nothing to say.

    `YYYY` and `DD` are printed as they stand; `mm` beside a year is minutes, `MM` beside hours is months.
    """
    bare = _QUOTED.sub("", text)
    if len(bare) < 2 or not _FORMAT.match(bare):
        return "", ""
    if "YY" in bare or "DD" in bare:
        wrong = "YYYY" if "YYYY" in bare else "YY" if "YY" in bare else "DD"
        return f"`{wrong}` is printed as it stands", _outside_quotes(text, lambda s: s.replace("Y", "y").replace("D", "d"))
    if re.search(r"y+[-/. ]?mm(?!m)|(?<!m)mm[-/. ]?(yy|dd)|dd[-/. ]?mm(?!m)", bare):
        return "`mm` is minutes; months are `MM`", _outside_quotes(text, lambda s: re.sub(r"(?<![Hh:])mm(?!:)", "MM", s))
    if re.search(r"[Hh]{1,2}:MM", bare):
        return "`MM` is months; minutes are `mm`", _outside_quotes(text, lambda s: re.sub(r"(?<=[Hh]:)MM", "mm", s))
    return "", ""


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    pieces: list[str] = []
    position = 0
    for quoted in _QUOTED.finditer(text):
        pieces += [change(text[position : quoted.start()]), quoted[0]]
        position = quoted.end()
    return "".join([*pieces, change(text[position:])])
