"""Takes personal data and secrets out of production flows, so that what is left can be read by teachers and models, and puts them back.

In: JSON (a definition with its title and description) or a text. Out: the same with placeholders of the same kind (`user0001@example.com`, `https://site0001.example.com`, `SECRET-0001`), and a
mapping from placeholder to original that is written to a file of its own, apart from the corpus. `restore` is the way back, exact to the character.

What is found anywhere in a flow is replaced everywhere in it, keys and expressions too, so that references still fit. One original has one placeholder in the whole corpus.
`scan.py` looks for what was missed, with other means.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from nl2dsl.errors import CorpusError
from nl2dsl.files import read_text, writing

Value = TypeVar("Value")

# hosts that belong to everybody: documentation, schemas and interfaces that are the same for all
PUBLIC_HOSTS = frozenset(
    "schema.management.azure.com management.azure.com graph.microsoft.com graph.windows.net login.microsoftonline.com login.windows.net vault.azure.net "
    "management.core.windows.net api.bap.microsoft.com api.powerapps.com api.flow.microsoft.com service.powerapps.com service.flow.microsoft.com make.powerapps.com "
    "make.powerautomate.com flow.microsoft.com powerapps.microsoft.com api.powerplatform.com manage.office.com api.securitycenter.microsoft.com api.loganalytics.io "
    "docs.microsoft.com learn.microsoft.com aka.ms go.microsoft.com schemas.microsoft.com www.w3.org schemas.xmlsoap.org json-schema.org adaptivecards.io "
    "schemas.openxmlformats.org portal.azure.com blob.core.windows.net example.com www.example.com".split()
)

_GIVEN = frozenset(
    "Aaron Adam Adele Ahmed Alan Alex Alice Amanda Amy Andrea Andreas Andrew Angela Anita Anna Anne Anthony Antonio Barbara Ben Benjamin Bernd Brian Carlos Carol Carolyn Charles "
    "Chris Christian Christina Christine Christopher Claire Claudia Cynthia Daniel Daniela David Deborah Dennis Diana Diego Dirk Donald Donna Dorothy Edward Elena Elizabeth Emily Emma "
    "Eric Erik Eva Fatima Felix Fernando Frank Franz Gary George Giulia Giovanni Gregory Hannah Hans Heather Helen Henry Ian Ingrid Isabel Jack Jacob James Jan Jane Janet Jason Javier "
    "Jean Jeff Jeffrey Jennifer Jessica Joan Johan Johannes John Jonas Jonathan Jose Joseph Joshua Juan Judith Julia Julian Julie Karen Karin Karl Katharina Katherine Kathleen Kenneth "
    "Kevin Kimberly Klaus Larry Laura Lauren Lena Linda Lisa Lorenzo Louis Lucas Luis Luke Marco Margaret Maria Marie Mario Mark Markus Martin Martina Mary Matthew Matthias Megan Melissa "
    "Michael Michelle Miguel Mohamed Mohammed Monica Nancy Natalie Nathan Nicholas Nicole Nina Olga Oliver Olivia Pamela Patricia Patrick Patti Paul Paula Pedro Peter Petra Philip Pierre "
    "Rachel Rainer Ralf Raymond Rebecca Ricardo Richard Robert Roger Ronald Rose Ruth Ryan Sabine Samantha Samuel Sandra Sara Sarah Scott Sebastian Sharon Simon Sofia Sophie Stefan Stefanie "
    "Stephanie Stephen Steven Susan Susanne Sven Teresa Thomas Timothy Tobias Tom Ursula Valentina Victoria Vincent Walter Wei William Wolfgang Yusuf Zoe".split()
)
_LABEL = (
    r"pass(?:word|wd|phrase)|pwd|(?:client|app|shared)[-_ ]?secret|secret(?:[-_ ]?(?:key|value))?|api[-_ ]?key|apikey|access[-_ ]?key|account[-_ ]?key|(?:primary|secondary|shared|master|private|function"
    r"|functions|workspace|subscription|storage|signing|encryption)[-_ ]?(?:access[-_ ]?)?key|x-functions-key|ocp-apim-subscription-key|[a-z]*[-_ ]?token|connection[-_ ]?string|sas(?:[-_ ]?token)?|credential"
)
_SECRET_KEY = re.compile(rf"(?:^|[^a-z])(?:{_LABEL})$|^(?:authorization|pfx)$", re.IGNORECASE)
_TENANTS = (
    r"(?:[A-Za-z0-9-]+\.)+(?:sharepoint\.(?:com|us)|onmicrosoft\.(?:com|us)|azurewebsites\.(?:net|us)|core\.windows\.net|vault\.azure\.net|logic\.azure\.(?:com|us)|dynamics\.(?:com|us)"
    r"|database\.windows\.net|servicebus\.windows\.net|azure-api\.net|openai\.azure\.com|search\.windows\.net|cognitiveservices\.azure\.com|documents\.azure\.com|azurecr\.io)\b"
)
_URL_END = r"\s\"'<>\\`{}|^\[\]"


@dataclass(frozen=True, slots=True)
class Detector:
    """`group` is the part of a match that is replaced; `fits` may object."""

    kind: str
    pattern: re.Pattern[str]
    group: int = 0
    fits: Callable[[str], bool] = lambda text: True


def _entropy(text: str) -> float:
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def _random(text: str) -> bool:
    """Whether a run of letters and digits looks drawn rather than written: small, large and digit take turns too often for words, even for WordsWrittenLikeThis2."""
    letters = [c for c in text if c.isalnum()]
    classes = [1 if c.islower() else 2 if c.isupper() else 3 for c in letters]
    turns = sum(a != b and (a, b) != (2, 1) for a, b in pairwise(classes)) / len(letters)
    digits = classes.count(3)
    return (
        {1, 2} <= set(classes) and (turns >= 0.3 if digits == 2 else turns >= 0.25 and digits > 2) and _entropy(text) >= 3.7 and "shared_" not in text
    )


def _private(url: str) -> bool:
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return True
    return bool(host) and host != "localhost" and host not in PUBLIC_HOSTS


def _address(text: str) -> bool:
    domain = text.rpartition("@")[2].lower()
    return not domain.startswith(("odata.", "microsoft.dynamics", "example.com")) and not domain.endswith(
        (".json", ".bind", ".value", ".png", ".jpg")
    )


def _telephone(text: str) -> bool:
    return 9 <= sum(c.isdigit() for c in text) <= 15


def _literal(text: str) -> bool:
    """A secret in the open, not an expression, a template's parameter or a word."""
    text = text.strip()
    if text[:1] in ("@", "[", "<", "{", "$") or "@{" in text or text.startswith("SECRET-"):
        return False
    return (
        len(text) >= 6
        and (bool(re.search(r"\d", text)) or _entropy(text) >= 3.3)
        and not re.fullmatch(r"[A-Za-z][a-z]*(?:[ _-]?[A-Za-z][a-z]*){0,6}", text)
    )


DETECTORS = (
    Detector("secret", re.compile(r"-----BEGIN [A-Z ]*(?:PRIVATE KEY|CERTIFICATE)-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL)),
    Detector("blob", re.compile(r"data:[\w/+.-]+;base64,([A-Za-z0-9+/=\s]{40,})"), 1),
    Detector(
        "secret",
        re.compile(
            r"\b(?:DefaultEndpointsProtocol|Endpoint|Server|Data Source|AccountName|HostName|AccountEndpoint|BlobEndpoint)\s*=[^;\"'\n]{2,}(?:;[\w ]+=[^;\"'\n]*){0,12}"
            r";\s*(?:AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd|User ID|Uid)\s*=[^;\"'\n]+(?:;[\w ]+=[^;\"'\n]*)*;?",
            re.IGNORECASE,
        ),
    ),
    Detector("secret", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")),
    Detector(
        "secret",
        re.compile(
            r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abposr]-[\w-]{10,}|sk-[\w-]{16,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|sv=20\d\d-[^\"'\s]{20,})"
        ),
    ),
    Detector("secret", re.compile(r"\b(?:Bearer|Basic|SharedAccessSignature)\s+([A-Za-z0-9._~+/=&%-]{12,})"), 1, _literal),
    Detector("url", re.compile(rf"\b(?:https?|ftps?|sftp|wss?|amqps?)://(?!@)[^{_URL_END}@]+(?:@(?!\{{)[^{_URL_END}@]+)?"), 0, _private),
    Detector("host", re.compile(_TENANTS), 0, lambda host: host.lower() not in PUBLIC_HOSTS),
    Detector(
        "secret", re.compile(rf"(?:{_LABEL}|\bsig|\bcode)[\"']?\s*(?:=|:|%3D)\s*[\"']?([^\s\"'&;,<>(){{}}@]{{6,}})", re.IGNORECASE), 1, _literal
    ),
    Detector("email", re.compile(r"\b[\w.+'-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"), 0, _address),
    Detector("guid", re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?![0-9A-Za-z])")),
    Detector("secret", re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-f]{32,}|[0-9A-F]{32,})(?![0-9A-Za-z])")),
    Detector("secret", re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/=_-])"), 0, _random),
    Detector("secret", re.compile(r"(?<![0-9A-Za-z])01[A-Z2-7]{28,36}(?![0-9A-Za-z])")),  # an item of somebody's drive
    Detector("phone", re.compile(r"(?<![\w.+-])\+\d[\d ().-]{7,17}\d(?![\w-])"), 0, _telephone),
    Detector("phone", re.compile(r"(?<![\w.+-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])")),
    Detector(
        "ip", re.compile(r"(?<![\w.])(?!(?:127|0|255)\.|\d+\.0\.0\.0)(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\w.])")
    ),
    Detector(
        "name",
        re.compile(
            rf"\b(?:{'|'.join(sorted(_GIVEN))}) (?:[A-Z]\. )?(?:(?:von|van|de|der|den|da|di|del|le|el) ){{0,2}}[A-Z][a-zäöüßéèáíóúñç'-]+(?:-[A-Z][a-z]+)?\b"
        ),
    ),
    Detector(
        "name", re.compile(r"\b(?:Dear|Hi|Hello|Regards,|Thanks,|Sincerely,)\s+((?:Mr\.? |Ms\.? |Mrs\.? |Dr\.? )?[A-Z][a-z]+ [A-Z][a-z]+)\b"), 1
    ),
)

_MADE: dict[str, Callable[[int], str]] = {
    "email": lambda n: f"user{n:04}@example.com",
    "guid": lambda n: f"00000000-0000-4000-8000-{n:012}",
    "url": lambda n: f"https://site{n:04}.example.com",
    "host": lambda n: f"host{n:04}.example.com",
    "phone": lambda n: f"+1 555 {n:07}",
    "ip": lambda n: f"198.18.{n // 256}.{n % 256}",
    "name": lambda n: f"Person {n:04}",
    "secret": lambda n: f"SECRET-{n:04}",
    "blob": lambda n: f"BLOB-{n:04}",
}
_GUARDED = frozenset(("name", "phone", "ip"))  # replaced as whole words only


def find(value: object) -> dict[str, str]:
    """Every text of a JSON value (or of a text) that has to go, with its kind."""
    found: dict[str, str] = {}
    for text in _texts(value):
        _find_in(text, found)
    for label, text in _labelled(value):
        if _SECRET_KEY.search(label) and _literal(text) and not _covered(text, found):
            found.setdefault(text, "secret")
    _named_by_addresses(value, found)
    return found


def _find_in(text: str, found: dict[str, str]) -> None:
    taken: list[tuple[int, int]] = []
    for detector in DETECTORS:
        for match in detector.pattern.finditer(text):
            start, end = match.span(detector.group)
            piece = text[start:end].rstrip(".,;:)!?") if detector.kind in ("url", "email") else text[start:end]
            end = start + len(piece)
            if piece and detector.fits(piece) and all(end <= s or start >= e for s, e in taken):
                taken.append((start, end))
                found.setdefault(piece, detector.kind)


def _covered(text: str, found: Mapping[str, str]) -> bool:
    return text in found or any(text in known or known in text for known in found if len(known) > 8)


def _named_by_addresses(value: object, found: dict[str, str]) -> None:
    """`anna.berg@...` tells that `Anna Berg` is a person."""
    people = {tuple(re.split(r"[._]", a.partition("@")[0].lower())) for a, kind in list(found.items()) if kind == "email"}
    pairs = [p for p in people if len(p) == 2 and all(len(part) > 1 and part.isalpha() for part in p) and p[0].title() in _GIVEN]
    for first, last in pairs:
        for text in _texts(value):
            for match in re.finditer(rf"\b{first}\s{last}\b", text, re.IGNORECASE):
                found.setdefault(match[0], "name")


def _texts(value: object) -> Iterator[str]:
    """All texts, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _labelled(value: object, label: str = "") -> Iterator[tuple[str, str]]:
    """Texts with what they are called: by their key, by a `name` beside a `value`, by the key above `defaultValue`."""
    if isinstance(value, str):
        yield label, value
    elif isinstance(value, Mapping):
        name = value.get("name")
        for key, inner in value.items():
            if key in ("value", "defaultValue"):
                yield from _labelled(inner, name if isinstance(name, str) else label)
            else:
                yield from _labelled(inner, str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _labelled(inner, label)


@dataclass
class Scrubber:
    """Replaces, and remembers what for. `counts`: different originals by kind; `rows`: rows in which something of the kind was found."""

    mapping: dict[str, str] = field(default_factory=dict)  # placeholder -> original
    counts: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    _placeholders: dict[tuple[str, str], str] = field(default_factory=dict)

    def scrub(self, value: Value) -> Value:
        """The value with placeholders. Raises `CorpusError` if it could not be put back together exactly."""
        found = find(value)
        if not found:
            return value
        self.rows.update(set(found.values()))
        whole = json.dumps(value, ensure_ascii=False)
        made = {original: self._placeholder(kind, original, whole) for original, kind in found.items()}
        pattern = _alternation({o: found[o] in _GUARDED for o in made})
        clean: Value = _mapped(value, lambda text: pattern.sub(lambda m: made[m[0]], text))
        if self.restore(clean) != value:
            raise CorpusError("a flow holds texts that look like placeholders and cannot be scrubbed reversibly", hint="leave this flow out")
        return clean

    def restore(self, value: Value) -> Value:
        """The value with the originals."""
        return restore(value, self.mapping)

    def _placeholder(self, kind: str, original: str, text: str) -> str:
        known = self._placeholders.get((kind, original))
        if known is not None:
            return known
        self.counts[kind] += 1
        number = self.counts[kind]
        while (made := _MADE[kind](number)) in text or made in self.mapping:
            number += 1
        self._placeholders[kind, original] = made
        self.mapping[made] = original
        return made

    def report(self) -> dict[str, dict[str, int]]:
        return {kind: {"different": self.counts[kind], "flows": self.rows[kind]} for kind in sorted(self.counts)}

    def write(self, path: Path) -> None:
        """The mapping, readable for its owner alone."""
        with writing(path) as stream:
            json.dump(self.mapping, stream, ensure_ascii=False, indent=1)
        path.chmod(0o600)


def read_mapping(path: Path) -> dict[str, str]:
    """A mapping file. Raises `CorpusError` when it is none."""
    try:
        mapping = json.loads(read_text(path))
    except json.JSONDecodeError as problem:
        raise CorpusError(f"{path}: not JSON: {problem}") from None
    if not isinstance(mapping, dict) or not all(isinstance(v, str) for v in mapping.values()):
        raise CorpusError(f"{path}: not a mapping of placeholders", hint="it was written by the scrub stage of `nl2dsl corpus`")
    return mapping


def restore(value: Value, mapping: Mapping[str, str]) -> Value:
    """Originals for placeholders, everywhere in a JSON value or a text."""
    if not mapping:
        return value
    pattern = _ANY
    made: Value = _mapped(value, lambda text: pattern.sub(lambda m: mapping.get(m[0], m[0]), text))
    return made


_ANY = re.compile(
    r"user\d{4,}@example\.com|00000000-0000-4000-8000-\d{12}|https://site\d{4,}\.example\.com|host\d{4,}\.example\.com|\+1 555 \d{7}|198\.18\.\d{1,3}\.\d{1,3}"
    r"|Person \d{4,}|SECRET-\d{4,}|BLOB-\d{4,}"
)


def _alternation(originals: Mapping[str, bool]) -> re.Pattern[str]:
    """Longest first, so that an original that begins like another one is not cut."""
    parts = (
        rf"(?<!\w){re.escape(o)}(?!\w)" if guarded else re.escape(o) for o, guarded in sorted(originals.items(), key=lambda p: (-len(p[0]), p[0]))
    )
    return re.compile("|".join(parts))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(k) if isinstance(k, str) else k: _mapped(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(v, change) for v in value)
    return value


def placeholders(texts: Iterable[str]) -> set[str]:
    """The placeholders that occur in texts."""
    return {m[0] for text in texts for m in _ANY.finditer(text)}


__all__ = ["DETECTORS", "PUBLIC_HOSTS", "Scrubber", "find", "placeholders", "read_mapping", "restore"]
