"""The teacher that needs no model: says what a flow does in plain sentences, by rule.

In: a flow (also one with operations the catalog does not know) and a catalog. Out: requests a person could have typed, an explanation of the steps, other wordings of a request.
`Template` is this as a teacher: it answers the asks of `tasks.py` in the form the prompts ask for, so that its answers are parsed and checked like any other.

    When an item is created in the SharePoint list Visits, if the status is Done, send an email to anna@contoso.com with Outlook
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from nl2dsl.catalog.model import Catalog, Parameter, split_id
from nl2dsl.corpus import synonyms
from nl2dsl.corpus.teacher import Answer, Ask, Declined
from nl2dsl.dsl import tree
from nl2dsl.dsl.sketch import NEGATED
from nl2dsl.dsl.tree import (
    Array,
    Binary,
    Call,
    Expression,
    Flow,
    For,
    Function,
    If,
    Literal,
    Name,
    Not,
    Parallel,
    Path,
    Scope,
    Statement,
    Switch,
    Try,
    Until,
)  # fmt: skip
from nl2dsl.retrieval.texts import words

MOST_PHRASES, MOST_WORDS = 10, 60  # nobody types more; what comes later in a long flow is not said
_DEEPEST = 3  # conditions inside conditions that a sentence can hold
_MOST_TESTS = 3

# what nobody asks for by itself: it is said only when a flow does nothing else
PLUMBING = frozenset(
    f"builtin.{name}"
    for name in ("Compose", "ParseJson", "Select", "Join", "AppendToArrayVariable", "AppendToStringVariable", "InitializeVariable", "SetVariable")
)
_BUILTIN = {
    "builtin.Compose": "put a value together",
    "builtin.ParseJson": "read the JSON",
    "builtin.Select": "pick the columns",
    "builtin.Join": "join the values into one text",
    "builtin.Query": "filter the list",
    "builtin.TableHtml": "make an HTML table",
    "builtin.TableCsv": "make a CSV table",
    "builtin.Http": "make an HTTP request",
    "builtin.HttpWebhook": "wait for an HTTP webhook",
    "builtin.Response": "answer the HTTP call with a response",
    "builtin.ResponsePowerApp": "give the response back to the app",
    "builtin.ResponseSkills": "give the response back to the agent",
    "builtin.Workflow": "run a child flow",
    "builtin.Terminate": "stop the flow",
    "builtin.Delay": "wait a while",
    "builtin.DelayUntil": "wait until the time has come",
    "builtin.AppendToArrayVariable": "collect the values",
    "builtin.AppendToStringVariable": "add to the text",
    "builtin.SetVariable": "set a variable",
    "builtin.InitializeVariable": "set a variable",
    "builtin.CurrentTime": "get the current time",
    "builtin.ConvertTimeZone": "convert the time zone",
}
_TRIGGERS = {
    "commonTrigger.manual": "when I press the button",
    "commonTrigger.Http": "when an HTTP request comes in",
    "commonTrigger.PowerApp": "when the Power App calls it",
    "commonTrigger.PowerAppV2": "when the Power App calls it",
    "commonTrigger.Skills": "when the Copilot agent calls it",
    "commonTrigger.ApiConnection": "when the connector calls it",
    "commonTrigger.Geofence": "when I enter or leave the area",
    "commonTrigger.HttpTrigger": "when the HTTP address has news",
    "commonTrigger.HttpWebhookTrigger": "when the HTTP webhook is called",
}
_PLACES = {
    "list": "in the list {v}",
    "table": "in the table {v}",
    "channel": "in the channel {v}",
    "team": "of the team {v}",
    "folder_path": "in the folder {v}",
    "file_path": "at {v}",
    "file_name": "as {v}",
    "board": "on the board {v}",
    "project": "in the project {v}",
    "repository": "in the repository {v}",
    "calendar": "in the calendar {v}",
    "notebook": "in the notebook {v}",
    "queue": "in the queue {v}",
    "container": "in the container {v}",
    "location": "for {v}",
    "person_name": "for {v}",
    "bucket": "in the bucket {v}",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SAYABLE = re.compile(r"[^\W_][\w .,'’&/@+:#!?-]{0,59}")
_ID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}|\d{5,}|SECRET-|_|://|\b[A-Za-z]+\d+[A-Za-z]+\d|\d[A-Za-z]+\d+[A-Za-z]")
_VERSION = re.compile(r"\s*(?:\((?:V\d+|preview|legacy|deprecated)[^)]*\)|\[[^\]]*\]|\bV\d+\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """An imperative phrase; `control`: it holds conditions or loops, so that more than a comma must part it from the next."""

    text: str
    control: bool = False


def service(catalog: Catalog, connector: str) -> str:
    """What people call a connector; '' for what belongs to the platform."""
    if connector in ("builtin", "commonTrigger", ""):
        return ""
    known = catalog.connectors.get(connector)
    if known is not None and catalog.ids(connector):
        return known.nicknames[0] if known.nicknames else known.title
    said = words(re.sub(r"^(?:shared|serviceprovider)_|-(?:primary|secondary|\d+)$", "", connector))
    return said.title() if len(said) > 3 else said.upper()


def title(catalog: Catalog, call: Call) -> str:
    """What an operation does, as a title; for one the catalog does not know, the name its author gave it or the words of its id."""
    operation = catalog.get(call.id)
    if operation is not None and operation.title:
        return _VERSION.sub("", operation.title).strip()
    given = next((a.arguments[0] for a in call.annotations if a.name == "name" and a.arguments), None)
    if isinstance(given, Literal) and isinstance(given.value, str) and len(given.value.split()) > 1 and not re.search(r"[{}<>\[\]]", given.value):
        return re.sub(r"[\W_]+", " ", _VERSION.sub("", given.value)).strip()
    name = split_id(call.id)[1]
    if "/" in name:  # an address instead of an id
        method = name.partition(" ")[0].lower()
        return f"{_METHODS.get(method, 'use')} {service(catalog, call.connector) or 'the service'}"
    return re.sub(r" v \d+$", "", words(name))


_METHODS = {"get": "get data from", "post": "send data to", "put": "store data in", "patch": "update data in", "delete": "delete data in"}


class Describer:
    """Says flows. `seed` chooses among wordings; the same flow and seed give the same words."""

    def __init__(self, catalog: Catalog, seed: int = 0) -> None:
        self.catalog, self.seed = catalog, seed

    def queries(self, flow: Flow, n: int = 3) -> list[str]:
        """`n` different requests for a flow."""
        key = " ".join(tree.operations(flow))
        found: list[str] = []
        for style in range(n):
            for most in range(MOST_PHRASES, 0, -1):
                said = _Sayer(self.catalog, Random(f"{self.seed}:{style}:{key}"), style % 3, most).request(flow)
                if len(said.split()) <= MOST_WORDS:
                    break
            found.append(said if said.lower() not in {f.lower() for f in found} else f"Please {_lower(said)}")
        return found

    def steps(self, query: str, flow: Flow) -> str:
        """What the request wants and which function is for what."""
        sayer = _Sayer(self.catalog, Random(0), 0)
        wanted = re.sub(r"[.!?\s]+$", "", query)
        parts = [f"{split_id(flow.trigger.id)[1]}{self._of(flow.trigger.connector)} starts the flow {sayer.trigger(flow.trigger)}"]
        seen = {flow.trigger.id}
        for call in tree.calls(flow)[1:]:
            if call.id not in seen and call.connector:
                seen.add(call.id)
                purpose = _BUILTIN.get(call.id) or _lower(title(self.catalog, call))
                parts.append(f"{split_id(call.id)[1]}{self._of(call.connector)} is there to {purpose}")
        listed = "; ".join([parts[0], *(f"then {p}" if number == 0 else p for number, p in enumerate(parts[1:]))])
        return f"The person wants this: {_lower(wanted)}. {listed}."

    def _of(self, connector: str) -> str:
        name = service(self.catalog, connector)
        return f" of {name}" if name else ""

    def paraphrases(self, query: str, n: int) -> list[str]:
        """Up to `n` other ways to put a request; its values stay."""
        rng, found = Random(f"{self.seed}:{query}"), list[str]()
        for frame in (*_FRAMES, *_FRAMES):
            if len(found) == n:
                return found
            said = frame.format(q=_lower(query.rstrip(" .!?")), r=_lower(_turned(query)))
            said = _upper(_reworded(said, rng))
            if said.lower() not in {f.lower() for f in (*found, query)}:
                found.append(said)
        return found


_FRAMES = (
    "{r}", "please do this: {r}", "I need a flow for this: {q}", "can you set this up: {r}?", "automate this for me: {q}", "what I want: {r}",
    "build a flow: {r}", "could you please arrange the following: {q}", "I'd like this to happen by itself: {r}", "new automation: {q}", "task for a flow: {r}",
)  # fmt: skip


def _turned(query: str) -> str:
    """`When x, y` as `y when x`, and the other way round, where the sentence is plain enough."""
    query = query.rstrip(" .!?")
    first = re.fullmatch(r"((?:when|every|whenever)\b[^,:.;]{3,}), ([^.:;,]+)", query, re.IGNORECASE)
    if first:
        return f"{first[2]} {_lower(first[1])}"
    last = re.fullmatch(r"([^,.:;]+?) ((?:when|whenever) [^,.:;]+)", query)
    return f"{last[2]}, {_lower(last[1])}" if last else query


def _reworded(text: str, rng: Random) -> str:
    """Other words outside of quotes, addresses and names with a capital."""
    pieces = re.split(r"(\"[^\"]*\"|\S*[@/\d]\S*|\b[A-Z]\S*)", text)
    return "".join(p if number % 2 else synonyms.reword(p, rng, 0.4) for number, p in enumerate(pieces))


class _Sayer:
    """One request: which service was named, what was said."""

    def __init__(self, catalog: Catalog, rng: Random, style: int, most: int = MOST_PHRASES) -> None:
        self.catalog, self.rng, self.style, self.most = catalog, rng, style, most
        self.named: set[str] = set()
        self.said: set[tuple[str, str]] = set()  # operation and values
        self.plumbing = False

    def request(self, flow: Flow) -> str:
        when = self.trigger(flow.trigger)
        self.named.add(flow.trigger.connector)
        phrases = self.block(flow.steps, 0)
        if not phrases:
            self.plumbing = True
            phrases = self.block(flow.steps, 0)
        phrases = phrases or [_Phrase("do nothing yet")]
        plain = len(phrases) <= 3 and not any(p.control for p in phrases)
        match self.style:
            case 1 if plain:
                return _upper(f"{self._joined(phrases)} {when}")
            case 1:
                return f"Set up a flow that runs {when} and does this: {self._joined(phrases)}"
            case 2:
                return f"I need a flow: {when}, {self._joined(phrases)}"
            case _:
                return _upper(f"{when}, {self._joined(phrases)}")

    # --- the trigger -----------------------------------------------------------------------------------------------------------

    def trigger(self, call: Call) -> str:
        if call.id in ("commonTrigger.Recurrence", "commonTrigger.SlidingWindow"):
            return _schedule(call)
        if call.id in _TRIGGERS:
            return _TRIGGERS[call.id]
        said = _lower(title(self.catalog, call))
        said = re.sub(r"^(?:on|at|get) (?=\w+)", "", said) if not said.startswith("when") else said
        if not re.match(r"when(?:ever)? ", said):
            said = f"on {said}" if " " in said else f"when {said} happens"
        name = service(self.catalog, call.connector)
        values = self._values(call)
        return self._worded(said) + self._at(said, name, values)

    def _at(self, said: str, name: str, values: str) -> str:
        """Service and places behind what is done, the service only where it is not said already."""
        spoken = name and name.lower() not in f"{said} {values}".lower()
        list_ = re.match(r" in the (list|table|channel|folder|calendar|board) ", values)
        if spoken and list_:
            return values.replace(f" in the {list_[1]} ", f" in the {name} {list_[1]} ", 1)
        return (f" in {name}" if spoken else "") + values

    # --- steps -----------------------------------------------------------------------------------------------------------------

    def block(self, steps: Iterable[Statement], depth: int) -> list[_Phrase]:
        found: list[_Phrase] = []
        for statement in steps:
            if len(self.said) >= self.most:
                break
            found += self.statement(statement, depth)
        return found

    def statement(self, statement: Statement, depth: int) -> list[_Phrase]:
        match statement:
            case Call():
                return self._call(statement)
            case If() if depth < _DEEPEST:
                return self._if(statement, depth)
            case Switch() if depth < _DEEPEST:
                return self._switch(statement, depth)
            case For():
                return self._for(statement, depth)
            case Until():
                inner = self.block(statement.body, depth + 1)
                return [_Phrase(f"repeat until {_tested(statement.condition)}: {self._joined(inner)}", True)] if inner else []
            case Try():
                failing = self.block(statement.catch, depth + 1) if depth < _DEEPEST else []
                caught = [_Phrase(f"if something fails, {self._joined(failing)}", True)] if failing else []
                return [*self.block(statement.body, depth), *caught, *self.block(statement.final, depth)]
            case Scope() | Parallel() | If() | Switch():
                return [phrase for block in tree.blocks(statement) for phrase in self.block(block, depth)]
            case _:
                if self.plumbing and not self.said:
                    self.said.add(("builtin.SetVariable", ""))
                    return [_Phrase("set a variable")]
                return []

    def _call(self, call: Call) -> list[_Phrase]:
        if call.id in PLUMBING and not self.plumbing:
            return []
        values = self._values(call)
        if (call.id, values) in self.said:
            return []
        self.said.add((call.id, values))
        text = _BUILTIN.get(call.id)
        if text is None:
            name = "" if call.connector in self.named else service(self.catalog, call.connector)
            doing = _lower(title(self.catalog, call))
            text = self._worded(doing) + self._at(doing, name, values)
        elif call.id == "builtin.Terminate" and isinstance(status := call.get("runStatus"), Literal) and status.value in ("Failed", "Cancelled"):
            text += f" as {str(status.value).lower()}"
        self.named.add(call.connector)
        return [_Phrase(text)]

    def _worded(self, text: str) -> str:
        return text if self.style == 0 else synonyms.reword(synonyms.first_verb(text, self.rng, 0.7), self.rng, 0.5)

    def _if(self, statement: If, depth: int) -> list[_Phrase]:
        then, otherwise = self.block(statement.then, depth + 1), self.block(statement.otherwise, depth + 1)
        if not then and not otherwise:
            return []
        test = _tested(statement.condition if then else Not(statement.condition))
        text = f"if {test}, {self._joined(then or otherwise)}"
        return [_Phrase(text + (f", otherwise {self._joined(otherwise)}" if then and otherwise else ""), True)]

    def _switch(self, statement: Switch, depth: int) -> list[_Phrase]:
        subject, found = said(statement.subject), list[str]()
        for case in statement.cases:
            inner = self.block(case.body, depth + 1)
            if inner:
                found.append(f"if {subject} is {said(case.value)}, {self._joined(inner)}")
        rest = self.block(statement.default, depth + 1)
        found += [f"otherwise {self._joined(rest)}"] if rest else []
        return [_Phrase("; ".join(found), True)] if found else []

    def _for(self, statement: For, depth: int) -> list[_Phrase]:
        inner = self.block(statement.body, depth + 1)
        if not inner:
            return []
        return [_Phrase(f"for each {_thing(statement.source)}, {self._joined(inner)}", True)]

    def _joined(self, phrases: Sequence[_Phrase]) -> str:
        text = ""
        for number, phrase in enumerate(phrases):
            last = number == len(phrases) - 1
            if not number:
                text = phrase.text
            elif phrases[number - 1].control:
                text += f"; then {phrase.text}" if self.style != 1 else f"; after that {phrase.text}"
            elif phrase.control or (self.style == 1 and last):
                text += f", then {phrase.text}"
            else:
                text += f" and {phrase.text}" if last else f", {phrase.text}"
        return text

    # --- values ----------------------------------------------------------------------------------------------------------------

    def _values(self, call: Call) -> str:
        """The values a person would say, two at most."""
        operation, found = self.catalog.get(call.id), list[str]()
        if operation is None:
            return ""
        for entry in call.parameters:
            value = entry.value.value if isinstance(entry.value, Literal) else None
            parameter = operation.parameter(entry.key)
            if parameter is None or not isinstance(value, str) or not sayable(value):
                continue
            place = _place(parameter, entry.key, value.strip())
            if place and len(found) < 2:
                found.append(f" {place}")
        return "".join(sorted(found, key=lambda p: not p.startswith(" in ")))


def sayable(value: str) -> bool:
    """Whether somebody would say this value in a sentence: no id, no address of a site, no markup."""
    return bool(_SAYABLE.fullmatch(value.strip())) and (not _ID.search(value) or bool(re.fullmatch(r"[\w.+-]+@[\w.-]+", value)))


def _place(parameter: Parameter, key: str, value: str) -> str:
    last = key.rpartition("/")[2].lower()
    if parameter.role == "person_email" and "@" in value:
        return {"from": f"from {value}", "cc": f"with a copy to {value}", "bcc": f"with a blind copy to {value}"}.get(last, f"to {value}")
    if parameter.role == "title" or last in ("subject", "title"):
        return f'with the subject "{value}"' if "subject" in last else f'with the title "{value}"'
    if parameter.role in ("text", "html") and last in ("body", "messagebody", "text", "notificationtext", "message"):
        return f'saying "{value}"'
    return _PLACES.get(parameter.role, "").format(v=value) if parameter.role in _PLACES else ""


# --- expressions ---------------------------------------------------------------------------------------------------------------

_COMPARED = {"==": "is", "!=": "is not", "<": "is less than", "<=": "is at most", ">": "is more than", ">=": "is at least"}
_DULL = frozenset(
    ("body", "value", "outputs", "item", "items", "triggeroutputs", "properties", "result", "fields", "content", "data", "json", "response", "array")
)


def _tested(e: Expression) -> str:
    """A condition in words, as long as somebody would say it."""

    def tests(e: Expression) -> int:
        return tests(e.left) + tests(e.right) if isinstance(e, Binary) and e.operator in ("&&", "||") else 1

    text = said(e) if tests(e) <= _MOST_TESTS else ""
    return text if text and text.count("the result") < 2 and "it is not the case" not in text else "the conditions are met"


def said(e: Expression) -> str:
    """An expression in words; what has none is `the result`."""
    match e:
        case Literal(value=bool(value)):
            return "yes" if value else "no"
        case Literal(value=None):
            return "empty"
        case Literal(value=value):
            text = str(value).strip()
            return text if sayable(text) or isinstance(value, (int, float)) else ("empty" if not text else "the given value")
        case Binary(operator="&&"):
            return f"{said(e.left)} and {said(e.right)}"
        case Binary(operator="||"):
            return f"{said(e.left)} or {said(e.right)}"
        case Binary(operator=operator):
            return _compared(operator, e.left, e.right)
        case Not(operand=Function(name="empty", arguments=(inner, *_))):
            return f"{said(inner)} is not empty"
        case Not(operand=Binary(operator=operator) as inner) if operator in NEGATED:
            return _compared(NEGATED[operator], inner.left, inner.right)
        case Not():
            return f"it is not the case that {said(e.operand)}"
        case Function():
            return _function(e)
        case Path() | Name():
            return f"the {named(e)}"
        case _:
            return "the result"


def _compared(operator: str, left: Expression, right: Expression) -> str:
    if isinstance(left, Function) and left.name == "length" and isinstance(right, Literal) and left.arguments:
        thing = _thing(left.arguments[0])
        if (operator, right.value) in ((">", 0), (">=", 1), ("!=", 0)):
            return f"there is any {thing}"
        if (operator, right.value) in (("==", 0), ("<", 1)):
            return f"there is no {thing}"
    return f"{said(left)} {_COMPARED.get(operator, 'is')} {said(right)}"


def _function(e: Function) -> str:
    first = said(e.arguments[0]) if e.arguments else "the result"
    match e.name, len(e.arguments):
        case ("contains", 2):
            return f"{first} contains {said(e.arguments[1])}"
        case ("startsWith", 2):
            return f"{first} starts with {said(e.arguments[1])}"
        case ("endsWith", 2):
            return f"{first} ends with {said(e.arguments[1])}"
        case ("empty", 1):
            return f"{first} is empty"
        case ("length", 1):
            return f"the number of {_thing(e.arguments[0])} entries"
        case ("utcNow", _):
            return "now"
        case ("toLower" | "toUpper" | "trim" | "string" | "int" | "first" | "last" | "coalesce" | "json" | "float", n) if n:
            return first
        case _:
            return "the result"


def named(e: Path | Name) -> str:
    """`outputs_X.body.Status.Value` is `status`."""
    keys = [s.key for s in e.segments if isinstance(s.key, str)] if isinstance(e, Path) else []
    for part in reversed("/".join(keys).split("/")):
        text = words(re.sub(r"^_|_value$|^[a-z]{2,8}_(?=[a-z])|@.*", "", part))
        if text and text not in _DULL and len(text) < 40:
            return text
    base = e.base if isinstance(e, Path) else e
    if isinstance(base, Name):
        text = words(re.sub(r"^(?:outputs|item)_?(?:shared_)?", "", base.id))
        text = re.sub(r"^(?:(?:get|list|parse|fetch|compose|filter|all|see|check|find|for|each|the|select) )+", "", text)
        return text if text and text not in _DULL and len(text) < 40 else "result"
    return "result"


def _thing(e: Expression) -> str:
    """What one entry of a list is called."""
    if isinstance(e, (Path, Name)):
        text = named(e)
        return "item" if text == "result" else text[:-1] if text.endswith("s") and not text.endswith("ss") else text
    return "item"


# --- schedules -----------------------------------------------------------------------------------------------------------------


def _schedule(call: Call) -> str:
    frequency, interval = _plain(call.get("frequency")), _plain(call.get("interval"))
    unit = str(frequency).lower() if frequency in ("Second", "Minute", "Hour", "Day", "Week", "Month", "Year") else "so often"
    days = [d for d in _list(call.get("weekDays")) if d in _DAYS]
    if days:
        every = f"every {_and(days)}" if interval in (1, None) else f"every {interval} weeks on {_and(days)}"
    elif unit == "so often":
        every = "on a schedule"
    else:
        every = f"every {unit}" if interval in (1, "1", None) else f"every {interval} {unit}s" if isinstance(interval, int) else f"every few {unit}s"
    hours = [h for h in _list(call.get("hours")) if str(h).isdigit()]
    minutes = [m for m in _list(call.get("minutes")) if str(m).isdigit()] or [0]
    return every + (f" at {_and([f'{h}:{int(str(minutes[0])):02}' for h in hours])}" if hours and len(hours) < 4 else "")


def _plain(e: Expression | None) -> str | int | float | bool | None:
    return e.value if isinstance(e, Literal) else "" if e is not None else None


def _list(e: Expression | None) -> list[object]:
    return [i.value for i in e.items if isinstance(i, Literal)] if isinstance(e, Array) else [e.value] if isinstance(e, Literal) else []


def _and(parts: Sequence[object]) -> str:
    texts = [str(p) for p in parts]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _lower(text: str) -> str:
    """A small first letter, except where the word is a name (`SharePoint`), an abbreviation (`HTTP`) or `I`."""
    first = text.split(" ", 1)[0]
    return text if first[1:] != first[1:].lower() or re.match(r"I(?:'\w+)?$", first) else text[:1].lower() + text[1:]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- as a teacher --------------------------------------------------------------------------------------------------------------


class Template:
    """Answers the asks of `tasks.py` without a model and without cost."""

    name = "template"

    def __init__(self, catalog: Catalog, seed: int = 0) -> None:
        self.describer = Describer(catalog, seed)

    def answer(self, ask: Ask) -> Answer:
        match ask.task:
            case "describe":
                return Answer(
                    "\n".join(
                        f"{n}{letter}: {q}" for n, flow in ask.about for letter, q in zip("abcdefgh", self.describer.queries(flow), strict=False)
                    )
                )
            case "steps":
                return Answer(self.describer.steps(*ask.about))
            case "paraphrase":
                return Answer("\n".join(f"{n}: {p}" for n, p in enumerate(self.describer.paraphrases(*ask.about), 1)))
            case _:
                raise Declined(f"the template teacher knows no task `{ask.task}`", lasting=False)


__all__ = ["Describer", "Template", "said", "sayable", "service", "title"]
