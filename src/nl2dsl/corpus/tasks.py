"""What a teacher is asked to say, and whether what it says may be kept.

In: flows, requests, a `Consultation`. Out: requests for flows (three for each), explanations in steps, other wordings of a request; and `Rejected` for everything that was not kept, with the
reason. The words of the asks are in `prompts/*.md`. Nothing is taken on trust: an answer must be complete, in the language asked for, say what the flow does, and hold nothing of the
flow's code. What fails is asked once more, one flow at a time, before it is given up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nl2dsl.catalog.model import Catalog, split_id
from nl2dsl.catalog.search import terms
from nl2dsl.corpus.describe import sayable, service, title
from nl2dsl.corpus.teacher import Answer, Ask, Consultation, Unanswered
from nl2dsl.dsl import tree
from nl2dsl.dsl.tree import Array, Entry, Flow, Literal, Object
from nl2dsl.prompts import Message, Prompt, fill

BATCH, QUERIES = 5, 3
_LETTERS = "abcdefgh"
_SHOWN_FLOW, _SHOWN_TEXT = 6000, 200  # characters of one flow and of one text in it that a teacher sees
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`')
_LABELLED = re.compile(r"^[\W_]*(?:(?:query|request|completion|flow)\W*)?(\d+)\s*\W?\s*([a-h])\b\W*?[:.)\-]+[\s*_`]*(.*?)[\s*_`]*$", re.IGNORECASE)
_NUMBERED = re.compile(r"^[\W_]*(\d+)\s*[:.)\-]+[\s*_`]*(.*?)[\s*_`]*$")
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_CODE = re.compile(
    r"\bshared_\w+|\bserviceprovider_\w+|\boutputs_\w+|\btriggerOutputs\b|\bbuiltin\.\w+|\bcommonTrigger\b|[@$]\{|[{}]|=>|\w\(\)|</?[a-z]+\b[^>]*>"
    r"|\b\w+_V\d+\b|\b(?:body|item|emailMessage)/\w+|\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b|\bnull\b"
)
_CAMEL = re.compile(r"\b[A-Z][a-z0-9]+(?:-?[A-Z][a-z0-9]+)+(?:_?V\d+)?\b")
_HAND_TRIGGERS = frozenset(f"commonTrigger.{n}" for n in ("manual", "Http", "PowerApp", "PowerAppV2", "Skills", "ApiConnection"))
_UNSAID = frozenset(f"builtin.{n}" for n in ("Compose", "ParseJson", "Select", "Join", "AppendToArrayVariable", "AppendToStringVariable", "Scope"))
_VARIABLES = frozenset(f"builtin.{n}" for n in ("InitializeVariable", "SetVariable", "IncrementVariable", "DecrementVariable"))
_SCHEDULE = (
    "schedul every each daily weekly month hour day week minut year second morn evening night recur often regular noon midnight clock time".split()
)
# stems that say nothing about which operation is meant
_EVERYWHERE = frozenset(
    terms(
        "get list create add update delete set make new work my our company team site every all daily day data app page file row record start run check use office personal business"
    )
)
_MENTIONED, _EXPLAINED = 0.5, 0.8  # shares of a flow's operations a request mentions, an explanation names


@dataclass(frozen=True, slots=True)
class Item:
    """A flow to be put into words."""

    id: str
    flow: Flow
    dsl: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was not kept: of which row, at which task, why, and the text itself ('' where there is none)."""

    id: str
    task: str
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What words may be expected of a flow: for each operation the terms of which one must occur, its names, and the texts a person could have stated."""

    mentions: tuple[tuple[str, frozenset[str]], ...]
    names: frozenset[str]
    services: frozenset[str]
    dsl: str


# --- facts ---------------------------------------------------------------------------------------------------------------------


def facts(item: Item, catalog: Catalog) -> Facts:
    calls = tree.calls(item.flow)
    found: dict[str, set[str]] = {}
    for call in calls:
        about = found.setdefault(call.id, set())
        doing, connector = set(terms(title(catalog, call))), catalog.connectors.get(call.connector)
        about.update(doing - _EVERYWHERE or doing, terms(service(catalog, call.connector)))
        if connector is not None and call.connector not in ("builtin", "commonTrigger"):
            about.update(set(terms(f"{connector.title} {' '.join(connector.nicknames)}")) - _EVERYWHERE)
        if call.id in ("commonTrigger.Recurrence", "commonTrigger.SlidingWindow"):
            about.update(terms(" ".join(_SCHEDULE)), *([d.lower()] for d in _stated(call.parameters)))
        if call.id in _HAND_TRIGGERS:
            about.update(terms("button press click tap hand manually http request call called app agent connector"))
        for value in _stated(call.parameters):
            about.update(terms(value))
    said = [(id, frozenset(about)) for id, about in found.items() if id not in _UNSAID and not (id in _HAND_TRIGGERS and len(found) > 1)]
    names = frozenset(split_id(id)[1] for id in found)
    return Facts(tuple(said or [(id, frozenset(a)) for id, a in found.items()])[:8], names, frozenset(c.connector for c in calls), item.dsl)


def _stated(entries: Iterable[Entry]) -> list[str]:
    """Texts in parameters that a person could have said."""
    found: list[str] = []
    for entry in entries:
        match entry.value:
            case Literal(value=str(text)) if sayable(text):
                found.append(text)
            case Array(items=items):
                found += [i.value for i in items if isinstance(i, Literal) and isinstance(i.value, str)]
            case Object(entries=inner):
                found += _stated(inner)
            case _:
                pass
    return found


@lru_cache(maxsize=4)
def _brands(catalog: Catalog) -> dict[str, frozenset[str]]:
    """Names that belong to one service and are no English word: `Trello`, `GitHub` → the connectors that bear them."""
    found: dict[str, set[str]] = {}
    for name, connector in catalog.connectors.items():
        for text in (connector.title, *connector.nicknames):
            for word in re.findall(r"[A-Za-z][\w.]{3,}", text):
                found.setdefault(word, set()).add(name)
    return {word: frozenset(names) for word, names in found.items() if re.search(r"[a-z][A-Z]", word) or word in _BRANDS}


_BRANDS = frozenset(
    "Slack Trello Asana Salesforce Dropbox Twitter Mailchimp Jira Zendesk Twilio Stripe Todoist Typeform Pinterest Instagram Yammer Gmail Dataverse Notion".split()
)


# --- checks: each gives the reason against, or "" ------------------------------------------------------------------------------

_FUNCTION_WORDS = {
    "en": "the a an to in of and when for with it is my if on from me every each then new all by at this that be i as please",
    "de": "der die das und ein eine wenn für mit ist ich auf von zu den dem neue neuer jeden im bei nicht alle mir",
    "fr": "le la les un une des et quand pour avec est je sur de du dans nouveau nouvelle chaque si mon ma à au",
    "es": "el la los las un una y cuando para con es yo en de del nuevo nueva cada si mi al por que",
    "it": "il lo la gli un una e quando per con è io su di del nuovo nuova ogni se mio nel che una",
    "nl": "de het een en als voor met is ik op van naar nieuwe elke in mijn bij wanneer niet alle",
    "pt": "o a os as um uma e quando para com é eu em de do da novo nova cada se meu no na",
}
_WORDS_OF = {language: frozenset(text.split()) for language, text in _FUNCTION_WORDS.items()}


def language_of(text: str) -> str:
    """`en`, `de` ... by function words; `other` for another script, `unknown` where there is too little to go by."""
    letters = [c for c in text if c.isalpha()]
    if letters and sum(ord(c) > 0x24F for c in letters) > len(letters) * 0.3:
        return "other"
    said = re.findall(r"[^\W\d_]+", text.lower())
    scores = {language: sum(w in known for w in said) for language, known in _WORDS_OF.items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] else "unknown"


def _wrong_language(text: str, wanted: str) -> str:
    found = language_of(text)
    return "" if found in (wanted, "unknown") else f"the language is `{found}`, not `{wanted}`"


def _length(text: str, least: int, most: int) -> str:
    n = len(text.split())
    return f"{n} words, not {least} to {most}" if not least <= n <= most else ""


def _leak(text: str, names: frozenset[str]) -> str:
    """Something of the flow's code."""
    found = _CODE.search(text) or next((m for m in _CAMEL.finditer(text) if m[0] in names), None)
    return f"holds code: `{found[0]}`" if found else ""


def _coverage(text: str, about: Facts) -> str:
    said = set(terms(text))
    missed = [id for id, expected in about.mentions if not said & expected]
    share = 1 - len(missed) / max(1, len(about.mentions))
    return f"does not mention {', '.join(missed[:3])}" if share < _MENTIONED else ""


def _alien(text: str, about: Facts, catalog: Catalog) -> str:
    for word in re.findall(r"[A-Za-z][\w.]{3,}", text):
        owners = _brands(catalog).get(word)
        if owners and not owners & about.services and word.lower() not in about.dsl.lower():
            return f"names {word}, which the flow does not use"
    return ""


def against_query(query: str, about: Facts, catalog: Catalog, language: str = "en") -> str:
    """The reason why this cannot be a request for the flow, or ""."""
    return (
        _length(query, 3, 90)
        or _wrong_language(query, language)
        or _leak(query, about.names)
        or _coverage(query, about)
        or _alien(query, about, catalog)
    )


def against_steps(text: str, about: Facts, catalog: Catalog, language: str = "en") -> str:
    """The reason why this cannot explain the flow, or "". Names of functions are wanted here, their connectors' ids are not."""
    if re.search(r"^\s*(?:[-*•]|\d+[.)])\s", text, re.MULTILINE):
        return "is a list"
    code = re.sub(r"\b(?:" + "|".join(map(re.escape, sorted(about.names, key=len, reverse=True))) + r")(?!\w)", "it", text)
    wrong = _length(text, 6, 90 + 20 * len(about.names)) or _wrong_language(text, language) or _leak(code, frozenset())
    if wrong:
        return wrong
    for found in _CAMEL.finditer(code):
        if found[0] not in _brands(catalog) and found[0].lower() not in about.dsl.lower():
            return f"names `{found[0]}`, which the flow does not call"
    said = set(terms(text))
    missed = [id for id, _ in about.mentions if id not in _VARIABLES and split_id(id)[1] not in text and not _titled(id, catalog) <= said]
    return f"leaves out {', '.join(missed[:3])}" if len(missed) > (1 - _EXPLAINED) * len(about.mentions) else ""


def _titled(id: str, catalog: Catalog) -> set[str]:
    operation = catalog.get(id)
    return set(terms(operation.title)) if operation is not None and operation.title else {id}


def fixed(query: str) -> list[str]:
    """What a paraphrase must keep: quoted texts, addresses, numbers, names with a capital inside the sentence."""
    quoted = re.findall(r"\"([^\"]+)\"", query)
    rest = re.sub(r"\"[^\"]*\"", " ", query)
    tokens = [t.strip(".,;:!?()'") for t in rest.split()]
    names = [
        t
        for number, t in enumerate(tokens)
        if t and (re.search(r"[@\d/#]", t) or (number and t[:1].isupper() and t not in ("I", "I'd", "I'm", "I'll")))
    ]
    return [*quoted, *names]


def against_paraphrase(text: str, query: str, language: str = "en") -> str:
    """The reason why this does not ask for the same, or ""."""
    if _plain(text) == _plain(query):
        return "is the request itself"
    wrong = _length(text, 3, 120) or _wrong_language(text, language) or _leak(text, frozenset())
    if wrong:
        return wrong
    lost = [value for value in fixed(query) if value.lower() not in text.lower()]
    if lost:
        return f"lost `{lost[0]}`"
    added = [n for n in re.findall(r"\d+", text) if n not in query]
    if added:
        return f"added `{added[0]}`"
    said, meant = set(terms(text)), set(terms(query)) - {term for value in fixed(query) for term in terms(value)}
    return "has too little in common with the request" if meant and len(said & meant) < 0.2 * len(meant) else ""


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


# --- reading answers -----------------------------------------------------------------------------------------------------------


def read_labelled(answer: Answer) -> dict[tuple[int, str], list[str]]:
    """`4a: text` lines, in whatever decoration; a cut answer's last line is left out, because it may not be whole."""
    found: dict[tuple[int, str], list[str]] = {}
    for line in _lines(answer):
        match = _LABELLED.match(line)
        if match and match[3]:
            found.setdefault((int(match[1]), match[2].lower()), []).append(_unquoted(match[3]))
    return found


def _unquoted(text: str) -> str:
    """Without quotes around the whole, or one that has no other; quotes inside stay."""
    n, first, last = text.count('"'), text[0] == '"', text[-1] == '"'
    if n == 2 and first and last:
        return text[1:-1]
    return text[1:] if n % 2 and first else text[:-1] if n % 2 and last else text


def read_numbered(answer: Answer) -> list[str]:
    """`1: text` lines."""
    return [m[2] for line in _lines(answer) if (m := _NUMBERED.match(line)) and m[2]]


def _lines(answer: Answer) -> list[str]:
    lines = _THOUGHT.sub("", answer.text).splitlines()
    return lines[:-1] if answer.cut else lines


# --- asking --------------------------------------------------------------------------------------------------------------------


def _user(name: str, asked: str, **values: str) -> Prompt:
    return Prompt(asked, (Message("user", fill(name, **values)),))


def shown(dsl: str) -> str:
    """A flow as a teacher sees it: long texts and long flows are cut, and it is said where."""
    text = _TEXT.sub(lambda m: m[0] if len(m[0]) <= _SHOWN_TEXT + 2 else _shortened(m[0]), dsl.strip())
    if len(text) <= _SHOWN_FLOW:
        return text
    cut = text.rfind("\n", 0, _SHOWN_FLOW)
    return f"{text[:cut]}\n// ... {text.count(chr(10), cut)} more lines"


def _shortened(literal: str) -> str:
    """A string or template that stays one: nothing is cut inside an escape or an expression."""
    cut = literal[1:_SHOWN_TEXT].rsplit("${", 1)[0].rstrip("\\")
    return f"{literal[0]}{cut}…{literal[0]}"


def describe_ask(items: Sequence[Item], round: int = 0) -> Ask:
    """One ask for the requests of up to five flows; the worked ones in the prompt have the numbers 1 to 3."""
    numbers = range(4, 4 + len(items))
    labels = ", ".join(f"{n}{letter}" for n in numbers for letter in _LETTERS[:QUERIES])
    flows = "\n\n".join(f"Flow {n}\n```\n{shown(item.dsl)}\n```" for n, item in zip(numbers, items, strict=True))
    prompt = _user("describe_flow", items[0].id, count=str(len(items) * QUERIES), labels=labels, flows=flows)
    about = tuple((n, item.flow) for n, item in zip(numbers, items, strict=True))
    return Ask("describe", prompt, 130 * QUERIES * len(items), about, round)


def steps_ask(query: str, item: Item, round: int = 0) -> Ask:
    signatures = "\n".join(f"- {id}" for id in dict.fromkeys(call.id for call in tree.calls(item.flow)))
    prompt = _user("write_steps", query, query=query, flow=shown(item.dsl), signatures=signatures)
    return Ask("steps", prompt, 600, (query, item.flow), round)


def paraphrase_ask(query: str, steps: str, n: int, round: int = 0) -> Ask:
    return Ask("paraphrase", _user("paraphrase", query, query=query, steps=steps, count=str(n)), 120 * n, (query, n), round)


def instruction() -> str:
    """The static instruction: the same for every row."""
    return fill("instruction")


def fill_digest() -> str:
    """Names the words of all asks: what was said to other words is no answer to these."""
    asks = (
        fill("describe_flow", count="", labels="", flows=""),
        fill("write_steps", query="", flow="", signatures=""),
        fill("paraphrase", query="", steps="", count=""),
    )
    return hashlib.sha256("\n".join((*asks, instruction())).encode()).hexdigest()


def describe(
    items: Sequence[Item], consultation: Consultation, catalog: Catalog, language: str = "en"
) -> tuple[dict[str, tuple[str, ...]], list[Rejected]]:
    """Three requests for each flow, by its id; a flow has all three or is rejected."""
    kept: dict[str, tuple[str, ...]] = {}
    rejected: dict[str, Rejected] = {}
    waiting = list(items)
    for round, size in enumerate((BATCH, 1)):
        batches = [waiting[i : i + size] for i in range(0, len(waiting), size)]
        replies = consultation.ask([describe_ask(batch, round) for batch in batches], "describing flows")
        waiting = []
        for batch, reply in zip(batches, replies, strict=True):
            for number, item in enumerate(batch, 4):
                made = (
                    Rejected(item.id, "describe", reply.reason) if isinstance(reply, Unanswered) else _three(item, number, reply, catalog, language)
                )
                if isinstance(made, Rejected):
                    rejected[item.id] = made
                    waiting += [] if isinstance(reply, Unanswered) else [item]
                else:
                    kept[item.id] = made
                    rejected.pop(item.id, None)
    return {item.id: kept[item.id] for item in items if item.id in kept}, [rejected[i.id] for i in items if i.id in rejected]


def _three(item: Item, number: int, answer: Answer, catalog: Catalog, language: str) -> tuple[str, ...] | Rejected:
    read = read_labelled(answer)
    given = [read.get((number, letter), []) for letter in _LETTERS[:QUERIES]]
    if any(len(texts) > 1 for texts in given):
        return Rejected(item.id, "describe", "a label was given twice", " | ".join(t for texts in given for t in texts))
    queries = tuple(" ".join(texts[0].split()) for texts in given if texts)
    if len(queries) < QUERIES:
        return Rejected(
            item.id, "describe", f"{len(queries)} of {QUERIES} requests" + (", the answer was cut" if answer.cut else ""), answer.text[-300:]
        )
    if len({_plain(q) for q in queries}) < QUERIES:
        return Rejected(item.id, "describe", "the same request twice", " | ".join(queries))
    about = facts(item, catalog)
    for query in queries:
        if wrong := against_query(query, about, catalog, language):
            return Rejected(item.id, "describe", wrong, query)
    return queries


def explain(
    rows: Sequence[tuple[str, str, Item]], consultation: Consultation, catalog: Catalog, language: str = "en"
) -> tuple[dict[str, str], list[Rejected]]:
    """The steps of (row id, query, flow), by row id."""
    kept: dict[str, str] = {}
    rejected: dict[str, Rejected] = {}
    waiting = list(rows)
    for round in range(2):
        replies = consultation.ask([steps_ask(query, item, round) for _, query, item in waiting], "explaining steps")
        pairs, waiting = list(zip(waiting, replies, strict=True)), []
        for row, reply in pairs:
            id, _, item = row
            if isinstance(reply, Unanswered):
                rejected[id] = Rejected(id, "steps", reply.reason)
                continue
            text = _THOUGHT.sub("", reply.text).strip().removeprefix("Explanation:").strip()
            wrong = "the answer was cut" if reply.cut else against_steps(text, facts(item, catalog), catalog, language)
            if wrong:
                rejected[id] = Rejected(id, "steps", wrong, text)
                waiting.append(row)
            else:
                kept[id] = " ".join(text.split())
                rejected.pop(id, None)
    return kept, list(rejected.values())


def rephrase(
    rows: Sequence[tuple[str, str, str]], n: int, consultation: Consultation, language: str = "en"
) -> tuple[dict[str, tuple[str, ...]], list[Rejected]]:
    """Up to `n` other wordings of (row id, query, steps), by row id; each wording that is not kept is rejected by itself."""
    replies = consultation.ask([paraphrase_ask(query, steps, n) for _, query, steps in rows], "rephrasing requests")
    kept: dict[str, tuple[str, ...]] = {}
    rejected: list[Rejected] = []
    for (id, query, _), reply in zip(rows, replies, strict=True):
        if isinstance(reply, Unanswered):
            rejected.append(Rejected(id, "paraphrase", reply.reason))
            continue
        found: dict[str, str] = {}
        for text in read_numbered(reply)[:n]:
            wrong = "said before" if _plain(text) in found else against_paraphrase(text, query, language)
            if wrong:
                rejected.append(Rejected(id, "paraphrase", wrong, text))
            else:
                found[_plain(text)] = text
        if len(read_numbered(reply)) < n:
            rejected.append(Rejected(id, "paraphrase", f"{len(read_numbered(reply))} of {n} wordings", reply.text[-300:]))
        kept[id] = tuple(found.values())
    return kept, rejected


__all__ = [
    "BATCH",
    "QUERIES",
    "Facts",
    "Item",
    "Rejected",
    "against_paraphrase",
    "against_query",
    "against_steps",
    "describe",
    "describe_ask",
    "explain",
    "facts",
    "fill_digest",
    "fixed",
    "instruction",
    "language_of",
    "paraphrase_ask",
    "read_labelled",
    "read_numbered",
    "rephrase",
    "shown",
    "steps_ask",
]
