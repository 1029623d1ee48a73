"""Composes requests: draws a trigger, actions and control, says them in words, and keeps the sketch that exactly those words state.

In: a seed, a number, and the inventory of wordings (`wording.load`). Out: an endless-looking but finite iterator of `Sampled` rows, the same for the same arguments. A value is in the
sketch only if it stands in the query; words that point at data of the run ("the requester", "me") are said but never stated.

    for row in sample(7, 50_000, wording.load()):
        print(row.query, sketch.unparse(row.sketch))

How: operations come from a mixture of what follows what in real requests, popularity, and a shuffled deck of all operations that is dealt again and again, so that each occurs
about equally often whatever its fame. A `_Writer` says one request; a `Chunk` is a piece of it: an imperative phrase, a short note, and the nodes of the sketch they mean.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from random import Random

from nl2dsl.corpus import conditions, frames, noise, schedules, synonyms, values
from nl2dsl.corpus.wording import Clause, Filler, Inventory, Wording
from nl2dsl.dsl.sketch import (
    Choose,
    Condition,
    Each,
    Node,
    Repeat,
    Scalar,
    Sketch,
    Step,
    Test,
    Value,
    When,
    steps,
)

FORMS_RESPONSE = "shared_microsoftforms.GetFormResponseById"
MANAGER = "shared_office365users.Manager_V2"
APPROVAL = "shared_approvals.StartAndWaitForAnApproval"
ASSIGNED = "WebhookApprovalCreationInput/assignedTo"
RECURRENCE = "commonTrigger.Recurrence"
MANUAL = "commonTrigger.manual"
DELAY = "builtin.Delay"
GET_FILE = "shared_sharepointonline.GetFileContent"
_PROPERTIES_ONLY = ("shared_sharepointonline.GetOnNewFileItems", "shared_sharepointonline.GetOnUpdatedFileItems")
_MAIL_TRIGGERS = frozenset(
    ("shared_office365.OnNewEmailV3", "shared_office365.SharedMailboxOnNewEmailV2", "shared_gmail.OnNewEmail", "shared_outlook.OnNewEmailV2", "shared_office365.OnFlaggedEmailV4")
)


@dataclass(frozen=True, slots=True)
class Weights:
    """The mix of a corpus; every field may be changed."""

    recurrence: float = 0.25
    manual: float = 0.10
    trigger_deck: float = 0.45
    action_deck: float = 0.45
    follow: float = 0.7
    styles: tuple[float, float, float] = (0.15, 0.45, 0.40)
    actions: tuple[float, ...] = (0.30, 0.30, 0.20, 0.10, 0.06, 0.03, 0.01)
    shaped: float = 0.42
    noise: float = 0.13
    brand: float = 0.5
    made_up: float = 0.55


@dataclass(frozen=True, slots=True)
class Sampled:
    """One row: what is said, what it means, and how it was made."""

    query: str
    sketch: Sketch
    clauses: tuple[str, ...]
    skeleton: str
    style: str


@dataclass(slots=True)
class Chunk:
    """A piece of a request. `verbal`: the phrase starts with a verb, so that "to" or "please" may stand before it.

    A condition keeps its parts apart in `tested` and `then`, for sentences where the trigger and the test are joined.
    """

    vp: str
    note: str
    nodes: tuple[Node, ...]
    control: str = ""
    verbal: bool = True
    noun: str = ""
    tested: str = ""
    then: str = ""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LEAD = re.compile(r"^(?:->|=>|→|-|>)\s*")
_CONJUNCTION = re.compile(r"^(when(?:ever)?|if|once|each time|every time|as soon as|the moment|any ?time|the minute|the instant|the second)\s+(.+)$", re.IGNORECASE)
_NO_VERB = _names("with for from on as if in at to by after before over under only just unless while once when each every the a an how depending either no not this that there who @ not-yet until per via headline now so also digitally globally permanently completely tentatively all always mass")
_READS = re.compile(r"^(Get|List|Search|Find|Read|Look|Query|Fetch|Retrieve|Download|Check|Export|Select|Lookup|Show|Describe)", re.IGNORECASE)
_MAKES = re.compile(r"^(Post|Create|Add|Insert|New)", re.IGNORECASE)
_CHANGES = re.compile(r"^(Patch|Update|Edit|Put|Modify)", re.IGNORECASE)
_SINGULARS = (
    ("attachment", "attachment"), ("member", "member"), ("e?mails?\\b|message", "message"), ("file|folder|blob", "file"), ("task|todo", "task"), ("event|calendar", "event"), ("user|people", "user"), ("contact", "contact"),
    ("card", "card"), ("ticket", "ticket"), ("issue", "issue"), ("row|excel|sheet|sql", "row"), ("record|entit", "record"), ("order", "order"), ("invoice", "invoice"), ("flow", "flow"), ("environment", "environment"),
    ("channel", "channel"), ("group", "group"), ("deal", "deal"), ("lead", "lead"), ("item", "item"), ("post", "post"), ("page", "page"), ("repo", "repository"), ("document", "document"), ("machine|vm", "machine"), ("alert", "alert"),
)  # fmt: skip
_KEEPS_E = _names("see free flee be dye agree")
_DOUBLES = _names("get put set run drop stop let cut flag log tag plan ship chat scan pin swap dig step quit begin bin hit grab zip plug skip wipe") - {"wipe"}
# roles whose value, once said for a connector, tends to be meant again
_SHARED = frozenset(("site", "team", "board", "project", "repository", "calendar", "notebook", "container"))


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
    "send": "sent", "get": "fetched", "put": "put", "make": "made", "write": "written", "read": "read", "set": "set", "give": "given", "take": "taken", "bring": "brought", "find": "found", "keep": "kept", "build": "built",
    "run": "run", "cut": "cut", "tell": "told", "bind": "bound", "throw": "thrown", "draw": "drawn", "hold": "held", "leave": "left", "feed": "fed", "stick": "stuck", "split": "split", "shut": "shut",
}  # fmt: skip
_REGULAR = _names("post add create save store upload copy move delete remove update change mark log record file archive convert turn push pull fetch list read export download append insert place attach publish share rename assign enter "
    "register open start close stop cancel forward queue stage stash drop tag flag translate extract merge print mail email text message submit load query count check clear erase wipe replace swap refresh release retrieve grab")
_TRANSITIVE = re.compile(r"(\w+) ((?:an?|the|my|our|all|every|each|their|his|her|this|its|new) [^,;:\"]{2,50}?) (to|in|on|from|into|as|at|via|with|onto|under|off|out of|for) (.+)$")


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
        participle = low + "d" if low.endswith("e") else low[:-1] + "ied" if low.endswith("y") and low[-2] not in "aeiou" else low + low[-1] + "ed" if low in _DOUBLES else low + "ed"
    else:
        return None
    return thing, f"{participle} {preposition} {rest}"


def _thing(operation: str) -> str:
    name = operation.partition(".")[2].lower() + " " + operation.partition(".")[0].removeprefix("shared_").lower()
    for pattern, word in _SINGULARS:
        if re.search(pattern, name):
            return word
    return "one"


def _plural(word: str) -> str:
    return {"one": "results", "repository": "repositories", "entry": "entries"}.get(word, word + "s")


class _Draw:
    """A weighted draw in logarithmic time."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.names = tuple(weights)
        self.sums = list(accumulate(weights.values()))

    def __call__(self, rng: Random) -> str:
        return self.names[min(bisect(self.sums, rng.random() * self.sums[-1]), len(self.names) - 1)]


class _Deck:
    """All names shuffled and dealt one by one, then again: every name comes equally often."""

    def __init__(self, names: Iterable[str], rng: Random) -> None:
        self.names, self.rng = sorted(names), rng
        self.left: list[str] = []

    def deal(self, fits: Callable[[str], bool], prefix: str = "") -> str | None:
        """The next name that fits, one with the prefix if it is near; those passed over stay on top."""
        if len(self.left) < 100:
            fresh = list(self.names)
            self.rng.shuffle(fresh)
            self.left = fresh + self.left
        top = len(self.left) - 1
        if prefix:
            for i in range(top, max(-1, top - 80), -1):
                if self.left[i].startswith(prefix) and fits(self.left[i]):
                    return self.left.pop(i)
        for i in range(top, -1, -1):
            if fits(self.left[i]):
                return self.left.pop(i)
        return None


@dataclass(slots=True)
class _Pool:
    """What one run may draw from: the inventory cut down to the allowed operations and clauses."""

    inventory: Inventory
    wordings: Mapping[str, Wording]
    clauses: Mapping[str, Mapping[str, tuple[Clause, ...]]]
    triggers: _Draw
    trigger_deck: _Deck
    actions: _Draw
    action_deck: _Deck
    after: Mapping[str, _Draw]
    lists: _Draw | None
    lookups: _Draw | None
    makers: Mapping[str, tuple[str, ...]]
    changers: Mapping[str, tuple[str, ...]]
    brands: Mapping[str, tuple[str, ...]]
    brand_words: Mapping[str, re.Pattern[str]]
    allowed: frozenset[str]
    shapes: tuple[Sketch, ...]


# what answers the caller, by the trigger that was called
_ANSWER = {"commonTrigger.Http": "builtin.Response", "commonTrigger.PowerAppV2": "builtin.ResponsePowerApp", "commonTrigger.Skills": "builtin.ResponseSkills"}
_ANSWERS = frozenset(_ANSWER.values())
# triggers that bring no data a test could be about
_EMPTY = frozenset((RECURRENCE, MANUAL, "commonTrigger.SlidingWindow", "commonTrigger.Geofence"))
_MANAGER = re.compile(r"\b(?:my|their|his|her|our|the (?:requester|employee|person|user|applicant|sender)'s) (?:line )?(?:manager|boss|supervisor)\b", re.IGNORECASE)
_STATUS_WORDS = ("Done", "Approved", "Closed", "Completed", "In progress", "Rejected", "Processed", "Sent", "Archived", "Paid", "Shipped", "Ready", "Active", "On hold", "Cancelled", "Open", "Pending", "Confirmed", "Live", "Escalated")
_COLUMNS = ("Status", "Status", "Status", "Stage", "Priority", "Phase", "State", "Approval", "Owner", "Region", "Category")

_FAMOUS = _names("shared_office365.SendEmailV2 shared_office365.OnNewEmailV3 shared_teams.PostMessageToConversation shared_sharepointonline.PostItem shared_approvals.StartAndWaitForAnApproval shared_microsoftforms.CreateFormWebhook "
    "shared_flowpush.SendNotification shared_sharepointonline.GetOnNewItems shared_excelonlinebusiness.AddRowV2")


# wordings of triggers that are sentences of their own
_ALONE = re.compile(r"I |should |just (?=a )|asking ")


def _usable(sketch: Sketch, wordings: Mapping[str, Wording]) -> bool:
    """Whether the shape of a request can be said again: known operations, not too long, loops and choices not within one another more than once."""
    called = steps(sketch)
    depth = _depth(sketch.steps)
    trigger = wordings.get(called[0].operation)
    return trigger is not None and trigger.trigger and 1 < len(called) < 10 and depth < 3 and all(s.operation in wordings and not wordings[s.operation].trigger for s in called[1:])


def _depth(nodes: tuple[Node, ...]) -> int:
    deepest = 0
    for node in nodes:
        match node:
            case When():
                deepest = max(deepest, 1 + _depth(node.then), 1 + _depth(node.otherwise))
            case Each() | Repeat():
                deepest = max(deepest, 1 + _depth(node.body))
            case Choose():
                deepest = max(deepest, 1 + max((_depth(b) for _, b in node.cases), default=0), 1 + _depth(node.default))
    return deepest


def _pool(inventory: Inventory, rng: Random, operations: Collection[str] | None, keep: Callable[[Clause], bool] | None, shapes: Iterable[Sketch] | None) -> _Pool:
    clauses: dict[str, dict[str, tuple[Clause, ...]]] = {}
    for name, wording in inventory.wordings.items():
        if operations is not None and name not in operations:
            continue
        by_form = {form: tuple(c for c in cs if (keep is None or keep(c)) and not _ALONE.match(c.text)) for form, cs in wording.clauses.items()}
        if by_form["when" if wording.trigger else "imperative"] or name == RECURRENCE:
            clauses[name] = by_form
    wordings = {n: inventory.wordings[n] for n in clauses}
    triggers = [n for n, w in wordings.items() if w.trigger]
    actions = [n for n, w in wordings.items() if not w.trigger]
    if not triggers or not actions:
        raise ValueError("a request needs at least one trigger and one action that may be worded")
    other = [n for n in triggers if n not in (RECURRENCE, MANUAL)] or triggers
    allowed = frozenset(clauses)
    lists = {n: inventory.actions.get(n, 0) + 0.5 for n in actions if _is_list(wordings[n])}
    lookups = {n: inventory.actions.get(n, 0) + 0.3 for n in actions if _READS.match(n.partition(".")[2]) and re.search(r"item|record|row|entit|contact|search|user|ticket|issue|card|lead|customer", n, re.IGNORECASE)}
    by_connector: dict[str, list[str]] = {}
    for n in actions:
        by_connector.setdefault(wordings[n].connector, []).append(n)
    brands, words = {}, {}
    for connector in {w.connector for w in wordings.values()}:
        names = inventory.nicknames.get(connector, ())
        brands[connector] = () if connector in ("builtin", "commonTrigger") else tuple(b for b in names if re.match(r"[A-Z]", b) and not re.search(r"\b(?:our|my|the)\b", b) and len(b) > 1)
        parts = {re.escape(w.lower()) for b in names for w in (b, b.split()[-1], b.split()[0]) if len(w) > 2 and w.lower() not in ("the", "our", "my", "microsoft", "azure", "office", "365", "google")}
        words[connector] = re.compile("|".join(sorted(parts, key=len, reverse=True)) or r"(?!)")
    return _Pool(
        inventory,
        wordings,
        clauses,
        _Draw({n: inventory.triggers.get(n, 0) ** 0.85 + 0.2 for n in other}),
        _Deck(other, rng),
        _Draw({n: inventory.actions.get(n, 0) ** 0.85 + 0.1 for n in actions}),
        _Deck((n for n in actions if n not in _ANSWERS), rng),
        {a: _Draw(kept) for a, after in inventory.after.items() if (kept := {b: float(c) for b, c in after.items() if b in allowed and not wordings[b].trigger})},
        _Draw(lists) if lists else None,
        _Draw(lookups) if lookups else None,
        {c: tuple(n for n in ns if _MAKES.match(n.partition(".")[2])) for c, ns in by_connector.items()},
        {c: tuple(n for n in ns if _CHANGES.match(n.partition(".")[2])) for c, ns in by_connector.items()},
        brands,
        words,
        allowed,
        tuple(s for s in (inventory.shapes if shapes is None else shapes) if _usable(s, wordings)),
    )


def _is_list(wording: Wording) -> bool:
    name = wording.operation.partition(".")[2]
    return bool(_READS.match(name)) and (any(r in ("list_of_items", "list_of_files") for r in wording.outputs.values()) or bool(re.match(r"List|Search", name)))


def _article(text: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeioAEIO](?!ne\b|nce\b))", lambda m: f"{m.group(1)}n ", text) if " a " in f" {text.lower()} " else text


class _Writer:
    """Says one request. Keeps what was said: clauses, stated words, shared places, persons."""

    def __init__(self, pool: _Pool, rng: Random, weights: Weights) -> None:
        self.pool, self.rng, self.weights = pool, rng, weights
        self.people = values.People(rng)
        self.clauses: list[str] = []
        self.shared: dict[tuple[str, str], Filler] = {}
        self.branded: set[str] = set()
        self.used: set[str] = set()
        self.generous = rng.random()
        self.source = ""
        self.person: tuple[str, str] | None = None

    # --- words for one operation ------------------------------------------------------------------------------------------

    def filler(self, wording: Wording, key: str, quoted: bool) -> Filler:
        rng, role = self.rng, wording.roles.get(key, "")
        options = wording.fillers[key]
        if quoted:
            options = tuple(f for f in options if f.value is not None) or options
        chosen = rng.choice(options)
        shared = (wording.connector, role)
        if role in _SHARED and shared in self.shared and rng.random() < 0.7:
            return self.shared[shared]
        if chosen.value is not None and chosen.verbatim and isinstance(chosen.value, str) and (rng.random() < self.weights.made_up or (self.person is not None and role.startswith("person"))):
            chosen = self.made_up(role, chosen)
        elif chosen.value is not None and not chosen.verbatim and isinstance(chosen.value, int) and not isinstance(chosen.value, bool) and role == "number" and chosen.words.isdigit() and rng.random() < 0.5:
            n = max(1, rng.choice((chosen.value - 1, chosen.value + 1, chosen.value * 2, chosen.value + 5)))
            chosen = Filler(str(n), n, False)
        if role in _SHARED:
            self.shared[shared] = chosen
        return chosen

    def made_up(self, role: str, like: Filler) -> Filler:
        rng = self.rng
        if role in ("person_email", "person_name"):
            if self.person is not None:
                text = self.person[0 if role == "person_name" else 1]
                return Filler(text, text)
            text = self.people.name() if role == "person_name" or rng.random() < 0.3 else self.people.address()
            return Filler(text, text)
        text = values.make(role, rng, like.words) or ""
        return Filler(text, text) if text else like

    def fill(self, clause: Clause) -> tuple[str, Step]:
        wording = self.pool.wordings[clause.operation]
        said = dict(clause.stated)
        pieces = list(clause.pieces)
        roles = {wording.roles.get(slot, "") for slot in clause.slots}
        self.person = self.people.person() if "person_name" in roles and "person_email" in roles else None
        for i in range(1, len(pieces), 2):
            key = pieces[i]
            before, after = pieces[i - 1], pieces[i + 1]
            quoted = before.endswith(('"', "'", "“")) and after.startswith(('"', "'", "”"))
            filler = self.filler(wording, key, quoted)
            words = filler.words
            if filler.value is None and not quoted and not re.search(r"(?:the|an?|my|our|new|each|every|all|of|your) $", before):
                words = self.pronoun(wording.roles.get(key, ""), words)
            if filler.value is not None:
                said[key] = filler.value
                if filler.verbatim and not quoted and wording.roles.get(key) in ("list", "title", "table", "channel", "project", "board", "html", "text", "file_name", "folder_path") and self.rng.random() < 0.13:
                    words = f'"{words}"' if self.rng.random() < 0.8 else f"'{words}'"
            if before.endswith(("the ", "a ", "an ", "our ", "my ")) and re.match(r"(?:the|our|my|a|an|your) ", words):
                words = words.split(" ", 1)[1]
            pieces[i] = words
        rng = self.rng
        for i in range(0, len(pieces), 2):
            if len(pieces[i]) > 3:
                pieces[i] = synonyms.reword(pieces[i], rng)
        if clause.form == "imperative":
            pieces[0] = synonyms.first_verb(pieces[0], rng)
        self.clauses.append(clause.id)
        order = wording.order
        stated = tuple(sorted(said.items(), key=lambda kv: order.get(kv[0], 99)))
        return _article("".join(pieces)), Step(clause.operation, stated)

    def pronoun(self, role: str, words: str) -> str:
        """Now and then a pronoun for what the run brings."""
        if self.rng.random() > 0.35:
            return words
        if role == "file_content":
            return self.rng.choice(("it", "it", "the file", "that file", "the document", "this"))
        if role == "list_of_files":
            return self.rng.choice(("them", "the files", "the attachments", "everything", "all of it"))
        if role == "list_of_items":
            return self.rng.choice(("them", "the results", "that list", "it", "what was found"))
        if role == "person_email" and words != "me":
            return self.rng.choice(("them", "that person", "the person", "him", "her", "the requester"))
        return words

    def clause(self, operation: str, form: str) -> Clause | None:
        found = self.pool.clauses[operation][form]
        if not found:
            return None
        if self.generous < 0.4:
            bare = tuple(c for c in found if len(c.pieces) == 1)
            if bare and self.rng.random() < 0.75:
                return self.rng.choice(bare)
        elif self.generous > 0.7:
            full = tuple(c for c in found if len(c.pieces) > 1)
            if full and self.rng.random() < 0.6:
                return self.rng.choice(full)
        return self.rng.choice(found)

    def brand(self, text: str, operation: str, note: bool = False) -> str:
        """The product named where the clause does not name it, or named in another way."""
        rng, connector = self.rng, operation.partition(".")[0]
        names = self.pool.brands.get(connector, ())
        if not names:
            return text
        if self.pool.brand_words[connector].search(text.lower()):
            self.branded.add(connector)
            if rng.random() < 0.22:
                for name in names:
                    if name in text:
                        return text.replace(name, rng.choice(names), 1)
            return text
        chance = self.weights.brand * (0.35 if operation in _FAMOUS else 1.0) * (0.5 if connector in self.branded else 1.0) + (0.3 if connector not in self.branded and operation not in _FAMOUS else 0)
        if rng.random() > chance:
            return text
        self.branded.add(connector)
        name = rng.choice(names)
        if note:
            return rng.choice((f"{text} ({name})", f"{text} in {name}", f"{name}: {text}" if ":" not in text else f"{text} ({name})", f"{text} {name}"))
        return rng.choices((f"{text} in {name}", f"{text} on {name}", f"{text} with {name}", f"{text} ({name})", f"{text} via {name}", f"{text} using {name}"), (45, 12, 14, 14, 8, 7))[0]

    def act(self, operation: str, terse: bool = False) -> Chunk:
        """One action, in imperative and short form (the same wording twice costs nothing and only one is used)."""
        rng = self.rng
        if operation == DELAY and rng.random() < 0.8:
            pause = schedules.pause(rng)
            self.clauses.append(f"{DELAY}|made|{pause.imperative}")
            return Chunk(pause.imperative, pause.terse, (Step(DELAY, pause.stated),), noun=pause.noun)
        form = rng.choices(("terse", "imperative", "noun"), (52, 26, 22))[0] if terse else "imperative"
        wording = self.pool.wordings[operation]
        if wording.open_keys and rng.random() < 0.35 and _CHANGES.match(operation.partition(".")[2]) and (self.near(wording.connector) or operation in _FAMOUS):
            return self.column(operation, wording)
        clause = self.clause(operation, form) or self.clause(operation, "imperative")
        assert clause is not None
        text, step = self.fill(clause)
        text = _LEAD.sub("", self.brand(text, operation, terse))
        first = text.split(" ", 1)[0].lower()
        nodes: tuple[Node, ...] = (step,)
        if operation != MANAGER and MANAGER in self.pool.allowed and MANAGER not in self.used and _MANAGER.search(text) and "shared_office365users" not in operation:
            nodes = (Step(MANAGER), step)
        return Chunk(text, text, nodes, verbal=clause.form == "imperative" and first not in _NO_VERB and first[:1].isalpha())

    def column(self, operation: str, wording: Wording) -> Chunk:
        """A change of one column of the record at hand: `mark it as Done`."""
        rng = self.rng
        key = f"{wording.open_keys[0]}"
        column, value = rng.choice(_COLUMNS), rng.choice(_STATUS_WORDS)
        if column == "Priority":
            value = rng.choice(("High", "Low", "Urgent"))
        elif column == "Owner":
            value = self.people.name()
        elif column == "Region":
            value = rng.choice(("North", "South", "EMEA"))
        if rng.random() < 0.2:
            column = column.lower()
        thing = rng.choice(("it", "the item", "the row", "the record", "the entry"))
        options: tuple[str, ...] = (f"set {column} to {value}", f"set the {column} to {value}", f"set its {column} to {value}", f"change the {column} to {value}", f"update {column} to {value}", f"put {value} in the {column} column", f"switch the {column} to {value}", f"update the {column} column with {value}", f"flip {column} to {value}", f"set {column} = {value}")
        if column.lower() == "status":
            options += (f"mark {thing} as {value}", f"mark {thing} {value}", f"set {thing} to {value}", f"mark {thing} as {value}", f"flag {thing} as {value}")
            column = column.capitalize()
        text = rng.choice(options)
        self.clauses.append(f"{operation}|made|{text.replace(value, '{}')}")
        text = self.brand(text, operation)
        return Chunk(text, text, (Step(operation, ((f"{key}/{column}", value),)),))

    def near(self, connector: str) -> bool:
        """Whether something of the connector was already spoken of."""
        return self.source.startswith(connector + ".") or any(o.startswith(connector + ".") and _READS.match(o.partition(".")[2]) for o in self.used)

    def noun(self, operation: str) -> Chunk | None:
        clause = self.clause(operation, "noun")
        if clause is None:
            return None
        text, step = self.fill(clause)
        text = self.brand(text, operation)
        return Chunk(text, text, (step,), verbal=False, noun=text)

    # --- choosing operations ----------------------------------------------------------------------------------------------

    def next(self, previous: str, fits: Callable[[str], bool] | None = None) -> str:
        rng, pool = self.rng, self.pool
        ok = (lambda o: o not in self.used and o not in _ANSWERS) if fits is None else fits
        near = previous.partition(".")[0] + "." if rng.random() < 0.5 else ""
        if rng.random() < self.weights.action_deck and (dealt := pool.action_deck.deal(ok, near)):
            self.used.add(dealt)
            return dealt
        follow = pool.after.get(previous)
        for _ in range(6):
            chosen = follow(rng) if follow is not None and rng.random() < self.weights.follow else pool.actions(rng)
            if ok(chosen):
                break
        else:
            chosen = next((o for o in (pool.actions(rng) for _ in range(60)) if ok(o)), chosen)
        self.used.add(chosen)
        return chosen

    def listing(self) -> str | None:
        if self.pool.lists is None:
            return None
        if self.rng.random() < self.weights.action_deck:
            dealt = self.pool.action_deck.deal(lambda o: o in self.pool.lists.names if self.pool.lists else False)
            if dealt:
                return dealt
        return self.pool.lists(self.rng)

    # --- joining ------------------------------------------------------------------------------------------------------------

    def inline(self, chunks: list[Chunk]) -> str:
        """Plain actions in one phrase."""
        rng, vps = self.rng, [c.vp for c in chunks]
        if len(vps) == 1:
            return vps[0]
        if len(vps) == 2:
            a, b = vps
            return rng.choice((f"{a} and {b}", f"{a} and {b}", f"{a} and {b}", f"{a}, then {b}", f"{a} and then {b}", f"{a}, and {b}", f"{a} and also {b}", f"{a} & {b}", f"{a}, then also {b}", f"{a} and after that {b}", f"{a}; {b}", f"{a} plus {b}", f"first {a}, then {b}"))
        head, last = vps[:-1], vps[-1]
        pick = rng.random()
        if pick < 0.5:
            return f"{', '.join(head)} and {last}"
        if pick < 0.6:
            return f"{', '.join(head)}, and {last}"
        if pick < 0.7:
            return f"{', then '.join(head)} and finally {last}"
        if pick < 0.8:
            return f"{' and '.join(head)} and {last}"
        if pick < 0.88:
            return f"first {head[0]}, then {', '.join([*head[1:], 'and finally ' + last])}" if len(head) > 1 else f"first {head[0]}, then {last}"
        if pick < 0.94:
            return f"{', '.join(head)}, then {last}"
        return f"{head[0]} and then {' and then '.join([*head[1:], 'also ' + last])}"

    def short(self, chunks: list[Chunk], sign: str) -> str:
        return sign.join(c.note for c in chunks)

    def sequence(self, chunks: list[Chunk]) -> Chunk:
        """Everything in one phrase; plain neighbours are joined, control stands apart."""
        rng = self.rng
        groups: list[Chunk] = []
        plain: list[Chunk] = []
        for chunk in [*chunks, None]:
            if chunk is not None and not chunk.control:
                plain.append(chunk)
                continue
            if plain:
                groups.append(Chunk(self.inline(plain), self.short(plain, ", "), tuple(n for c in plain for n in c.nodes), "", plain[0].verbal))
                plain = []
            if chunk is not None:
                groups.append(chunk)
        text = groups[0].vp
        for before, group in pairwise(groups):
            vp = group.vp
            if before.control:
                vp = self.closing(before.control).format(vp=vp)
                text += rng.choice(("; ", ". ", ", ", " - ")) + vp if not text.endswith(".") else " " + vp
            else:
                text += rng.choice((", and ", ", then ", "; ", ", ", " and then ", " - ", " and ")) + vp
        return Chunk(text, ", ".join(g.note for g in groups), tuple(n for g in groups for n in g.nodes), groups[-1].control or ("mixed" if len(groups) > 1 else ""), groups[0].verbal)

    def closing(self, control: str) -> str:
        return self.rng.choice(frames.EITHER_WAY if control in ("if", "switch") else frames.AFTER_ALL if control == "for" else frames.THEN)

    def acts(self, n: int, previous: str, terse: bool) -> tuple[list[Chunk], str]:
        chunks = []
        for i in range(n):
            operation = self.next(previous)
            if i and i == n - 1 and _READS.match(operation.partition(".")[2]) and self.rng.random() < 0.6:
                operation = self.next(previous)
            if operation == APPROVAL:
                chunks.append(self.approval(terse))
            else:
                chunks.append(self.act(operation, terse))
            previous = operation
        return chunks, previous

    # --- control ------------------------------------------------------------------------------------------------------------

    def approval(self, terse: bool = False, of_manager: bool | None = None) -> Chunk:
        """Someone is asked; "my manager" is looked up first. `of_manager` decides who, None leaves it to chance."""
        rng = self.rng
        if of_manager is None and rng.random() < 0.3:
            return self.act(APPROVAL, terse) if APPROVAL in self.pool.allowed else self.act(self.next(""), terse)
        who, stated, nodes = rng.choice(("my manager", "my boss", "my manager", "their manager", "the person's manager", "the requester's manager")), False, [MANAGER, APPROVAL]
        pick = rng.random()
        if of_manager:
            pass
        elif of_manager is False and pick < 0.3:
            return self.act(APPROVAL, terse)
        elif pick < 0.62 or of_manager is False and pick < 0.8 or MANAGER not in self.pool.allowed:
            who, stated, nodes = self.people.address() if rng.random() < 0.6 else self.people.name(), True, [APPROVAL]
        elif pick < 0.8 or of_manager is False:
            who, nodes = "", [APPROVAL]
        if APPROVAL not in self.pool.allowed:
            return self.act(self.next(""), terse)
        if not who:
            vp = rng.choice(("start an approval", "ask for approval", "get it approved", "send it for approval", "wait for approval", "have it signed off", "run it through an approval", "request approval", "put it up for sign-off", "start and wait for an approval", "get the ok first"))
            note = rng.choice(("approval", "approve", "get approval", "sign-off", "ask approval"))
        else:
            vp = rng.choice(("ask {w} to approve it", "get approval from {w}", "send an approval request to {w}", "have {w} approve it", "let {w} sign it off", "ask {w} for approval", "send it to {w} for approval", "start an approval with {w}", "wait for {w} to approve", "get {w}'s approval", "ask {w} for the ok", "request sign-off from {w}", "have it approved by {w}", "let {w} decide", "run it past {w} for approval", "get {w} to sign off", "check with {w} whether it's ok", "ask {w} yes or no")).format(w=who)
            note = rng.choice(("approval by {w}", "ask {w}", "{w} approves", "approval {w}", "get ok from {w}", "sign-off {w}")).format(w=who)
        self.clauses.append(f"{APPROVAL}|made|{vp.replace(who, '{}') if who else vp}")
        said = tuple(Step(o, ((ASSIGNED, who),) if stated and o == APPROVAL else ()) for o in nodes)
        self.used.update(nodes)
        return Chunk(vp, note, said)

    def conditional(self, clause: str, note: str, condition: Condition, then: Chunk, otherwise: Chunk | None, terse: bool, other_words: tuple[str, ...] = frames.ELSE, ready: bool = False) -> Chunk:
        """`if`: `clause` is without "if" unless `ready`, then it is a whole "if approved"."""
        rng = self.rng
        a = then.vp
        when = clause if ready else f"{rng.choices(('if', 'only if', 'in case', 'when', 'provided that', 'as long as', 'whenever'), (74, 6, 6, 8, 2, 2, 2))[0]} {clause}"
        nodes = (When(condition, then.nodes, otherwise.nodes if otherwise else ()),)
        if terse:
            b = otherwise.note if otherwise else ""
            condition_note = note
            if otherwise:
                vp = rng.choice((f"{condition_note} -> {then.note}, else {b}", f"{condition_note}? {then.note} : {b}", f"if {condition_note}: {then.note}, otherwise {b}", f"if {condition_note} then {then.note} else {b}", f"{condition_note} = {then.note} / else = {b}" if "=" not in condition_note else f"{condition_note}: {then.note} / else: {b}"))
            else:
                vp = rng.choice((f"if {condition_note} {then.note}", f"if {condition_note}: {then.note}", f"{condition_note} -> {then.note}", f"{then.note} if {condition_note}", f"only if {condition_note}: {then.note}", f"{condition_note}? {then.note}"))
            return Chunk(vp, vp, nodes, "if", False)
        single = not then.control and " and " not in a and "," not in a
        if otherwise is None:
            options = [f"{when}, {a}", f"{when}, {a}", f"{when} {a}", f"{when} then {a}"]
            if single:
                options += [f"{a} {when}", f"{a} {when}", f"{a}, but only {when.removeprefix('only ')}" if when.startswith(("if", "only if", "when", "in case")) else f"{a} {when}"]
            if not ready:
                options += [f"check if {clause} and if so {a}", f"see whether {clause}, and if yes, {a}", f"check whether {clause}; if so, {a}"]
            vp = rng.choice(options)
        else:
            b, other = otherwise.vp, rng.choice(other_words)
            options = [f"{when}, {a}, {other} {b}", f"{when}, {a}; {other} {b}", f"{when} {a}, {other} {b}", f"{when}, {a}. {upper(other)}, {b}" if not other.endswith(",") else f"{when}, {a}. {upper(other)} {b}", f"{when} then {a}, {other} {b}", f"{when} {a} {'else' if other == 'otherwise' else other} {b}"]
            if single and not ready:
                options += [f"{a} {when}, {other} {b}", f"check if {clause}: if yes {a}, if no {b}", f"depending on whether {clause}, either {a} or {b}"]
            vp = rng.choice(options)
        starts = bool(re.match(r"(?:check|see)\b", vp)) or (vp.startswith(a) and then.verbal)
        merged = (clause, a) if otherwise is None and not ready else ("", "")
        return Chunk(vp, vp, nodes, "if", starts, "", *merged)

    def compare(self, about: str, then: Chunk, otherwise: Chunk | None, terse: bool) -> Chunk:
        wording = self.pool.wordings.get(about)
        outputs = wording.outputs if wording else {}
        filtered = wording is not None and "subjectFilter" in wording.order
        if otherwise is None and not terse and self.rng.random() < 0.06:
            tested = conditions.tested(self.rng, about, outputs, filtered)
            if tested.inverse is not None:
                vp = self.rng.choice((f"{then.vp} unless {tested.unless}", f"unless {tested.unless}, {then.vp}", f"{then.vp}, except if {tested.unless}"))
                return Chunk(vp, vp, (When(Condition((tested.inverse,)), then.nodes),), "if", then.verbal and vp.startswith(then.vp))
        tests = conditions.both(self.rng, about, outputs, filtered)
        return self.conditional(tests.clause, tests.note, tests.condition, then, otherwise, terse)

    def outcome(self, kind: str, then: Chunk, otherwise: Chunk | None, terse: bool) -> Chunk:
        """`if` about what came of the step before: approved, rejected, found, none."""
        words = {"approved": frames.APPROVED, "rejected": frames.REJECTED, "found": frames.FOUND, "none": frames.NONE}[kind]
        ready = self.rng.choice(words)
        if terse:
            notes = {"approved": ("approved", "yes", "ok"), "rejected": ("rejected", "no", "declined"), "found": ("found", "exists", "there"), "none": ("not found", "none", "missing")}[kind]
            return self.conditional("", self.rng.choice(notes), Condition((Test(kind),)), then, otherwise, True)
        other = {"approved": frames.ELSE_REJECTED, "rejected": frames.ELSE}.get(kind, ("otherwise", "if not", "else", "otherwise"))
        return self.conditional(ready, "", Condition((Test(kind),)), then, otherwise, False, other, ready=True)

    def each(self, thing: str, body: Chunk, terse: bool, where: conditions.Tests | None = None) -> Chunk:
        """`for`, with an `if` inside when `where` is given in the same breath."""
        rng, things, a = self.rng, _plural(thing), body.vp
        inner: tuple[Node, ...] = body.nodes if where is None else (When(where.condition, body.nodes),)
        if terse:
            test = f" if {where.note}" if where else ""
            vp = rng.choice((f"for each {thing}{test}: {body.note}", f"foreach {thing}{test}: {body.note}", f"each {thing}{test} -> {body.note}", f"{body.note} for each {thing}{test}", f"per {thing}{test}: {body.note}", f"all {things}{test}: {body.note}", f"loop {things}{test}: {body.note}"))
            return Chunk(vp, vp, (Each(inner),), "for", False)
        single = not body.control and " and " not in a and "," not in a
        if where is not None:
            c = where.clause
            options = [f"for each {thing} where {c}, {a}", f"for every {thing} where {c} {a}", f"for each {thing}, if {c}, {a}", f"go through the {things} and if {c}, {a}", f"for all {things} where {c}, {a}", f"loop over them and {a} if {c}" if single else f"loop over them and, if {c}, {a}", f"for each one check if {c} and if so {a}"]
            if single:
                options += [f"{a} for each {thing} where {c}", f"{a} for every {thing} where {c}"]
            if where.before and thing != "one":
                options = [f"for each {where.before} {thing} {a}", f"for every {where.before} {thing}, {a}", f"for the {where.before} ones, {a}", f"for all {where.before} {things} {a}", f"go through the {where.before} {things} and {a}", f"only for {where.before} {things}, {a}", *options[:3]]
        else:
            options = [f"for each {thing} {a}", f"for each {thing}, {a}", f"for every {thing} {a}", f"for each of the {things}, {a}", f"for every single {thing}, {a}", f"go through the {things} one by one and {a}", f"loop through the {things} and {a}", f"for all the {things}, {a}", f"for each of them {a}", f"for every one of them, {a}", f"go over each {thing} and {a}", f"loop over all {things}: {a}", f"with each {thing}, {a}", f"take each {thing} in turn and {a}", f"one by one, {a}"]
            if single:
                options += [f"{a} for each {thing}", f"{a} for every {thing}", f"{a} for each of them", f"{a} for all {things}, one by one", f"{a} for each one"]
        vp = rng.choice(options)
        return Chunk(vp, vp, (Each(inner),), "for", bool(re.match(r"(?:go|loop|take)\b", vp)) or (vp.startswith(a) and body.verbal))

    def choose(self, bodies: list[Chunk], default: Chunk | None, terse: bool, given: tuple[str, tuple[str, ...]] | None = None) -> Chunk:
        rng = self.rng
        subject, names = given or conditions.cases(rng)
        names = names[: len(bodies)]
        bodies = bodies[: len(names)]
        cases = tuple((name, body.nodes) for name, body in zip(names, bodies, strict=True))
        pairs = list(zip(names, bodies, strict=True))
        if terse:
            text = rng.choice(("{n}: {v}", "{n} -> {v}", "{n} = {v}"))
            vp = f"by {subject}: " + ", ".join(text.format(n=n, v=b.note) for n, b in pairs) + (f", else {default.note}" if default else "")
            return Chunk(vp, vp, (Choose(subject, cases, default.nodes if default else ()),), "switch", False)
        style = rng.choice(("if", "for", "means", "colon", "when"))
        said = {"if": "if it's {n}, {v}", "for": "for {n} {v}", "means": "{n} means {v}", "colon": "{n}: {v}", "when": "when it is {n} {v}"}[style]
        if style == "means":
            said = "in case of {n}, {v}"
        middle = rng.choice((", ", "; ", ", ", " and "))
        parts = middle.join(said.format(n=n, v=b.vp) for n, b in pairs)
        lead = rng.choice((f"depending on the {subject}: ", f"depending on {subject}, ", f"look at the {subject}: ", f"check the {subject}: ", f"based on the {subject}, ", f"route it by {subject}: ", f"switch on {subject}: ", f"it depends on the {subject}: ", f"decide by {subject}: ", f"according to the {subject}, "))
        tail = ""
        if default:
            tail = rng.choice((", otherwise ", ", for anything else ", "; anything else: ", ", and in all other cases ", ", for all others ", ", else ", " and for everything else ", ", if none of these, ")) + default.vp
        vp = lead + parts + tail
        return Chunk(vp, vp, (Choose(subject, cases, default.nodes if default else ()),), "switch", bool(re.match(r"(?:look|check|route|switch|decide)\b", vp)))

    def repeat(self, body: list[Chunk], pause: schedules.Pause | None, terse: bool, goal: conditions.Tests | None = None) -> Chunk:
        rng = self.rng
        goal = goal or conditions.goal(rng)
        clause, note, condition = goal.clause, goal.note, goal.condition
        a = self.inline(body)
        nodes = [n for c in body for n in c.nodes]
        wait = ""
        if pause is not None:
            count, unit = dict(pause.stated)["interval/count"], str(dict(pause.stated)["interval/unit"]).lower()
            size = f"{unit}" if count == 1 else f"{count} {unit}s"
            nodes.append(Step(DELAY, pause.stated))
            wait = rng.choice((f" every {size}", f", waiting {size} in between," if count != 1 else f", waiting a {unit} in between,", f" and wait {pause.imperative.split(' ', 1)[1]}" if pause.imperative.startswith("wait ") else f" every {size}", f" with a pause of {size} in between" if count != 1 else f" every {size}"))
            wait = wait.replace(" a hour", " an hour")
        out = (Repeat(tuple(nodes), condition),)
        if terse:
            vp = rng.choice((f"repeat {self.short(body, ', ')}{wait.rstrip(',')} until {note}", f"until {note}: {self.short(body, ', ')}{wait.rstrip(',')}", f"{self.short(body, ', ')}{wait.rstrip(',')} till {note}"))
            return Chunk(vp, vp, out, "until", False)
        verbal = body[0].verbal
        options = [f"repeat this until {clause}: {a}{wait.rstrip(',')}", f"do this over and over until {clause}: {a}{wait.rstrip(',')}", f"until {clause}, {a}{wait.rstrip(',')}", f"{a}{wait} until {clause}", f"{a}{wait} again and again until {clause}", f"{a}{wait} as long as it takes until {clause}", f"{a}{wait} till {clause}", f"loop until {clause}: {a}{wait.rstrip(',')}"]
        if verbal and len(body) == 1:
            options += [f"keep trying to {a}{wait} until {clause}", f"keep {gerund(a)}{wait} until {clause}", f"keep {gerund(a)}{wait} until {clause}", f"retry to {a}{wait} until {clause}", f"don't stop {gerund(a)}{wait} until {clause}"]
        vp = rng.choice(options)
        return Chunk(vp, vp, out, "until", bool(re.match(r"(?:repeat|do|loop|keep|retry)\b", vp)) or (vp.startswith(a) and verbal))

    # --- the shape of a curated request, said anew ---------------------------------------------------------------------------

    def shaped(self, nodes: tuple[Node, ...], previous: str, terse: bool) -> list[Chunk]:
        """Chunks for the nodes of a sketch: the operations and the control are kept, wording and values are new."""
        chunks: list[Chunk] = []
        for i, node in enumerate(nodes):
            match node:
                case Step(operation=operation):
                    following = nodes[i + 1] if i + 1 < len(nodes) else None
                    if operation == FORMS_RESPONSE and previous == "shared_microsoftforms.CreateFormWebhook" or operation == MANAGER and isinstance(following, Step) and following.operation == APPROVAL:
                        pass
                    elif operation == APPROVAL:
                        chunks.append(self.approval(terse, of_manager=previous == MANAGER))
                    elif operation == GET_FILE and previous in _PROPERTIES_ONLY and isinstance(following, Step) and "file_content" in self.pool.wordings[following.operation].roles.values():
                        pass
                    else:
                        wording = self.pool.wordings[operation]
                        has_column = any("/" in k and k not in wording.order for k, _ in node.stated)
                        chunks.append(self.column(operation, wording) if has_column and wording.open_keys and _CHANGES.match(operation.partition(".")[2]) else self.act(operation, terse))
                    previous = operation
                case When():
                    chunks.append(self.when(node, previous, terse))
                case Each():
                    chunks.append(self.loop(node, previous, terse))
                case Choose():
                    bodies = [self.block(b, previous, terse) for _, b in node.cases]
                    default = self.block(node.default, previous, terse) if node.default else None
                    names = tuple(str(v) for v, _ in node.cases)
                    keep = self.rng.random() < 0.65 and conditions.names_a_field(node.subject) and all(re.fullmatch(r"[\w .&-]{1,25}", n) for n in names)
                    chunks.append(self.choose(bodies, default, terse, (node.subject, names) if keep or len(bodies) > 3 else None))
                    if len(bodies) > 3 and not keep:
                        raise _Lost
                case Repeat():
                    chunks.append(self.again(node, previous, terse))
        return chunks

    def block(self, nodes: tuple[Node, ...], previous: str, terse: bool) -> Chunk:
        chunks = self.shaped(nodes, previous, terse)
        if not chunks:
            raise _Lost
        if terse:
            return Chunk(chunks[0].note, " + ".join(c.note for c in chunks), tuple(n for c in chunks for n in c.nodes), chunks[-1].control, False)
        return self.sequence(chunks)

    def tests(self, condition: Condition, about: str) -> conditions.Tests:
        """The words of a comparison: those given in a new phrase, or others that suit what it is about."""
        test = condition.tests[0]
        if len(condition.tests) == 1 and test.kind == "compare" and self.rng.random() < 0.6 and (found := conditions.said(self.rng, test)):
            return found
        wording = self.pool.wordings.get(about)
        return conditions.both(self.rng, about, wording.outputs if wording else {}, wording is not None and "subjectFilter" in wording.order)

    def when(self, node: When, previous: str, terse: bool) -> Chunk:
        kind = node.condition.tests[0].kind
        then = self.block(node.then, previous, terse)
        otherwise = self.block(node.otherwise, previous, terse) if node.otherwise else None
        if otherwise is not None and (then.control or then.nodes == otherwise.nodes):
            # one could not hear where the inner branch ends, or what the difference is
            raise _Lost
        if kind != "compare":
            return self.outcome(kind, then, otherwise, terse)
        tests = self.tests(node.condition, previous)
        return self.conditional(tests.clause, tests.note, tests.condition, then, otherwise, terse)

    def loop(self, node: Each, previous: str, terse: bool) -> Chunk:
        thing = "attachment" if previous in _MAIL_TRIGGERS or "OnNewEmail" in previous else self.thing(previous)
        only = node.body[0] if len(node.body) == 1 else None
        if isinstance(only, When) and not only.otherwise and only.condition.tests[0].kind == "compare" and self.rng.random() < 0.7:
            return self.each(thing, self.block(only.then, previous, terse), terse, self.tests(only.condition, previous))
        return self.each(thing, self.block(node.body, previous, terse), terse)

    def again(self, node: Repeat, previous: str, terse: bool) -> Chunk:
        rng, kind = self.rng, node.condition.tests[0].kind
        body = tuple(n for n in node.body if not (isinstance(n, Step) and n.operation == DELAY))
        pause = schedules.pause(rng) if len(body) < len(node.body) else None
        if any(not isinstance(n, Step) for n in body) or not body or (pause and node.body[-1] in body):
            raise _Lost
        chunks = self.shaped(body, previous, terse)
        goal: conditions.Tests | None = None
        if kind == "compare":
            goal = conditions.said(rng, node.condition.tests[0]) if len(node.condition.tests) == 1 and rng.random() < 0.5 else None
        else:
            clause = {"approved": ("it's approved", "it is approved", "they say yes", "they approve"), "rejected": ("it's rejected",), "found": ("there is one", "it's there", "it turns up", "something is found"), "none": ("there is none left", "nothing is found", "there's nothing left")}[kind]
            goal = conditions.Tests(rng.choice(clause), {"approved": "approved", "found": "found", "none": "nothing left"}.get(kind, kind), node.condition)
        return self.repeat(chunks, pause, terse, goal)

    # --- the body of a request ----------------------------------------------------------------------------------------------

    def body(self, skeleton: str, n: int, trigger: str, terse: bool) -> list[Chunk]:
        self.source = trigger
        make: Callable[[int, str, bool], list[Chunk]] = getattr(self, f"_{skeleton}")
        return make(n, trigger, terse)

    def group(self, n: int, previous: str, terse: bool) -> Chunk:
        """`n` plain actions as one chunk, the inside of a branch or a loop."""
        chunks, _ = self.acts(n, previous, terse)
        return Chunk(self.inline(chunks), self.short(chunks, " + " if n > 1 else ""), tuple(node for c in chunks for node in c.nodes), "", chunks[0].verbal)

    def _plain(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        answer = _ANSWER.get(trigger, "")
        if answer in self.pool.allowed and self.rng.random() < 0.55:
            return [*self.acts(n - 1, trigger, terse)[0], self.act(answer, terse)]
        return self.acts(n, trigger, terse)[0]

    def first(self, trigger: str, terse: bool) -> tuple[list[Chunk], str]:
        """Something to read, for triggers that bring no data a test could be about."""
        operation = self.next(trigger, lambda o: o not in self.used and bool(_READS.match(o.partition(".")[2])))
        return [self.act(operation, terse)], operation

    def _if(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        if n == 1 and trigger in _EMPTY:
            return self._plain(n, trigger, terse)
        before = min(self.rng.randrange(0, n), 2)
        if trigger in _EMPTY:
            before, (chunks, previous) = 1, self.first(trigger, terse)
        else:
            chunks, previous = self.acts(before, trigger, terse)
        after = 1 if n - before > 2 and self.rng.random() < 0.25 else 0
        then = self.group(n - before - after, previous, terse)
        chunks.append(self.compare(previous, then, None, terse))
        return chunks + self.acts(after, previous, terse)[0]

    def _ifelse(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        before = min(self.rng.randrange(0, max(1, n - 1)), 2)
        if trigger in _EMPTY:
            before, (chunks, previous) = 1, self.first(trigger, terse)
        else:
            chunks, previous = self.acts(before, trigger, terse)
        rest = n - before
        after = 1 if rest > 3 and self.rng.random() < 0.3 else 0
        rest -= after
        split = max(1, rest - self.rng.choice((1, 1, 2)))
        if rest - split < 1:
            split = rest - 1 or 1
        then = self.group(split, previous, terse)
        otherwise = self.group(max(1, rest - split), previous, terse)
        chunks.append(self.compare(previous, then, otherwise, terse))
        return chunks + self.acts(after, previous, terse)[0]

    def _approval(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        rng = self.rng
        before = 1 if n > 3 and rng.random() < 0.35 else 0
        chunks, _ = self.acts(before, trigger, terse)
        chunks.append(self.approval(terse))
        rest = max(1, n - before - 1)
        if rest == 1:
            kind = rng.choices(("approved", "rejected"), (82, 18))[0]
            chunks.append(self.outcome(kind, self.group(1, APPROVAL, terse), None, terse))
            return chunks
        after = 1 if rest > 2 and rng.random() < 0.3 else 0
        rest -= after
        first = rest - 1 if rest > 1 else 1
        then = self.group(first, APPROVAL, terse)
        otherwise = self.group(rest - first, APPROVAL, terse) if rest - first and rng.random() < 0.85 else None
        chunks.append(self.outcome("approved", then, otherwise, terse))
        return chunks + self.acts(after, APPROVAL, terse)[0]

    def _lookup(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        rng, pool = self.rng, self.pool
        if pool.lookups is None:
            return self._ifelse(n, trigger, terse)
        look = pool.lookups(rng)
        connector = pool.wordings[look].connector
        chunks = [self.act(look, terse)]
        self.used.add(look)
        makers, changers = pool.makers.get(connector, ()), pool.changers.get(connector, ())

        def pick(own: tuple[str, ...]) -> Chunk:
            if own and rng.random() < 0.7:
                ranked = sorted(own, key=lambda o: -pool.inventory.actions.get(o, 0))[:4]
                return self.act(rng.choice(ranked), terse)
            return self.group(1, look, terse)

        if n <= 2 or rng.random() < 0.35:
            kind = rng.choice(("none", "none", "found"))
            chunks.append(self.outcome(kind, pick(makers if kind == "none" else changers), None, terse))
        elif rng.random() < 0.6:
            chunks.append(self.outcome("found", pick(changers), pick(makers), terse))
        else:
            chunks.append(self.outcome("none", pick(makers), pick(changers), terse))
        after = 1 if n > 3 else 0
        return chunks + self.acts(after, look, terse)[0]

    def _for(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        rng = self.rng
        if trigger in _MAIL_TRIGGERS and rng.random() < 0.6:
            body = self.group(max(1, min(n, 3)), "shared_office365.GetAttachment_V2", terse)
            return [self.each(rng.choice(("attachment", "attachment", "attached file")), body, terse)]
        listing = self.listing()
        if listing is None:
            return self._plain(n, trigger, terse)
        chunks = [self.act(listing, terse)]
        self.used.add(listing)
        rest = max(1, n - 1)
        after = 1 if rest > 2 and rng.random() < 0.4 else 0
        body = self.group(rest - after, listing, terse)
        chunks.append(self.each(self.thing(listing), body, terse))
        return chunks + self.acts(after, listing, terse)[0]

    def thing(self, operation: str) -> str:
        return _thing(operation) if self.rng.random() < 0.75 else self.rng.choice(("row", "item", "record", "entry", "result", "one"))

    def _forif(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        rng = self.rng
        listing = self.listing()
        if listing is None:
            return self._ifelse(n, trigger, terse)
        chunks = [self.act(listing, terse)]
        self.used.add(listing)
        rest = max(1, n - 1)
        after = 1 if rest > 2 and rng.random() < 0.35 else 0
        outputs = self.pool.wordings[listing].outputs
        inside = rest - after
        if inside > 1 and rng.random() < 0.4:
            inner = self.compare(listing, self.group(inside - 1, listing, terse), self.group(1, listing, terse), terse)
            chunks.append(self.each(self.thing(listing), inner, terse))
        else:
            where = conditions.both(rng, listing, outputs)
            chunks.append(self.each(self.thing(listing), self.group(inside, listing, terse), terse, where))
        return chunks + self.acts(after, listing, terse)[0]

    def _switch(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        rng = self.rng
        before = 1 if n > 3 and rng.random() < 0.4 else 0
        chunks, previous = self.first(trigger, terse) if trigger in _EMPTY else self.acts(before, trigger, terse)
        rest = n - len(chunks)
        bodies = [self.group(1, previous, terse) for _ in range(max(2, min(rest, 3)))]
        default = bodies.pop() if len(bodies) > 2 and rng.random() < 0.8 else None
        if default is None and rng.random() < 0.15:
            default = self.group(1, previous, terse)
        chunks.append(self.choose(bodies, default, terse))
        return chunks + self.acts(1 if rest > 4 else 0, previous, terse)[0]

    def _until(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        rng = self.rng
        pause = schedules.pause(rng) if rng.random() < 0.6 and DELAY in self.pool.allowed else None
        if rng.random() < 0.15 and APPROVAL in self.pool.allowed and not terse:
            who = self.people.address()
            nodes: list[Node] = [Step(APPROVAL, ((ASSIGNED, who),))]
            vp = rng.choice((f"keep asking {who} for approval until it's approved", f"send {who} an approval again and again until it is approved", f"ask {who} to approve it until they say yes", f"repeat the approval with {who} until it's approved"))
            chunk = Chunk(vp, vp, (Repeat(tuple(nodes), Condition((Test("approved"),))),), "until", True)
            return [chunk, *self.acts(max(0, n - 1), APPROVAL, terse)[0]]
        before = 1 if n > 2 and rng.random() < 0.6 else 0
        chunks, previous = self.acts(before, trigger, terse)
        checks = _READS.match
        operation = self.next(previous, lambda o: o not in self.used and (bool(checks(o.partition(".")[2])) or o == "builtin.Http"))
        chunks.append(self.repeat([self.act(operation, terse)], pause, terse))
        rest = n - before - 1 - (1 if pause else 0)
        return chunks + self.acts(max(0, min(rest, 2)), operation, terse)[0]


# skeletons by number of actions: (name, weight)
_SKELETONS: dict[int, tuple[tuple[str, float], ...]] = {
    1: (("plain", 0.74), ("if", 0.24), ("for", 0.02)),
    2: (("plain", 0.42), ("if", 0.18), ("ifelse", 0.07), ("for", 0.13), ("forif", 0.05), ("approval", 0.07), ("lookup", 0.03), ("switch", 0.02), ("until", 0.09)),
    3: (("plain", 0.27), ("if", 0.13), ("ifelse", 0.13), ("for", 0.14), ("forif", 0.08), ("approval", 0.10), ("lookup", 0.05), ("switch", 0.07), ("until", 0.09)),
    4: (("plain", 0.22), ("if", 0.12), ("ifelse", 0.13), ("for", 0.13), ("forif", 0.09), ("approval", 0.11), ("lookup", 0.06), ("switch", 0.12), ("until", 0.09)),
}


@dataclass(slots=True)
class _Trigger:
    adv: str
    tnoun: str
    note: str
    step: Step


class _Request(_Writer):
    """The whole of one request: trigger, body, frame."""

    def trigger(self, terse: bool) -> _Trigger:
        rng, pool, w = self.rng, self.pool, self.weights
        pick = rng.random()
        if pick < w.recurrence and RECURRENCE in pool.allowed:
            return self.scheduled()
        if pick < w.recurrence + w.manual and MANUAL in pool.allowed:
            operation = MANUAL
        elif rng.random() < w.trigger_deck:
            operation = pool.trigger_deck.deal(lambda o: True) or pool.triggers(rng)
        else:
            operation = pool.triggers(rng)
        return self.event(operation, terse)

    def scheduled(self) -> _Trigger:
        timed = schedules.schedule(self.rng)
        self.clauses.append(f"{RECURRENCE}|made|{timed.adverb}")
        return _Trigger(timed.adverb, timed.noun, timed.terse, Step(RECURRENCE, timed.stated))

    def event(self, operation: str, terse: bool) -> _Trigger:
        """Only one of the forms is said, so only one may state values: adv, noun and note are made from the same filling where that is possible, else all say the same clause."""
        rng = self.rng
        form = rng.choices(("terse", "noun", "when"), (50, 32, 18))[0] if terse else rng.choices(("when", "noun"), (85, 15))[0]
        clause = self.clause(operation, form) or self.clause(operation, "when")
        assert clause is not None
        text, step = self.fill(clause)
        text = self.brand(_LEAD.sub("", text), operation, terse and clause.form == "terse")
        text, step = self.narrowed(text, step, clause)
        if clause.form == "when":
            adv = text
            match = _CONJUNCTION.match(text)
            if match and rng.random() < 0.6:
                adv = f"{rng.choice(frames.WHENS)} {match.group(2)}"
            return _Trigger(adv, "", adv, step)
        return _Trigger("", text, text, step) if clause.form == "noun" else _Trigger("", "", text, step)

    def narrowed(self, text: str, step: Step, clause: Clause) -> tuple[str, Step]:
        """A mail trigger narrowed by its own parameters: with attachments, from someone, with words in the subject."""
        rng, order = self.rng, self.pool.wordings[step.operation].order
        if "subjectFilter" not in order:
            return text, step
        said = dict(step.stated)
        key = next((k for k in ("fetchOnlyWithAttachment", "fetchOnlyWithAttachments") if k in order), "")
        if key and re.search(r"\bwith (?:an |some |any )?(?:attachments?|files?)\b|\bhas (?:files|attachments)|\bfiles on it", text):
            said[key] = True
        mails = re.search(r"\b(?:e-?mails?|mails?|messages?)\b", text)
        if "subjectFilter" not in said and "subject" not in text and mails and rng.random() < 0.18:
            word = rng.choice(conditions.WORDS) if rng.random() < 0.6 else values.name_of_thing(rng)
            quoted = rng.choice((word, f'"{word}"', f"'{word}'"))
            text += rng.choice((f" with {quoted} in the subject", f" with {quoted} in the subject line", f" and the subject contains {quoted}" if clause.form == "when" else f" with subject {quoted}", f" with the subject {quoted}", f" titled {quoted}", f" whose subject contains {quoted}"))
            said["subjectFilter"] = word
        elif "from" in order and "from" not in said and not re.search(r"\bfrom\b|\bto\b", text) and mails and rng.random() < 0.1:
            who = self.people.address() if rng.random() < 0.7 else self.people.name()
            text += f" from {who}"
            said["from"] = who
        return text, Step(step.operation, tuple(sorted(said.items(), key=lambda kv: order.get(kv[0], 99))))

    def write(self) -> Sampled | None:
        rng, w = self.rng, self.weights
        style = rng.choices(("terse", "one", "long"), w.styles)[0]
        terse = style == "terse"
        n = rng.choices(range(1, len(w.actions) + 1), w.actions)[0]
        if terse and n > 3:
            n = rng.choice((2, 3, 3, n))
        shape = rng.choice(self.pool.shapes) if self.pool.shapes and rng.random() < w.shaped else None
        if shape is not None:
            operation = shape.trigger.operation
            trigger = self.scheduled() if operation == RECURRENCE else self.event(operation, terse)
            try:
                chunks = self.shaped(shape.steps, operation, terse)
            except _Lost:
                return None
            if chunks:
                return self.said(trigger, [], chunks, None, "shaped", style)
        trigger = self.trigger(terse)
        operation = trigger.step.operation
        names, weights = zip(*_SKELETONS[min(n, 4)], strict=True)
        skeleton = rng.choices(names, weights)[0]
        nodes: list[Node] = []
        opening: list[Chunk] = []
        if operation == "shared_microsoftforms.CreateFormWebhook" and FORMS_RESPONSE in self.pool.allowed:
            if rng.random() < 0.85 or terse:
                nodes.append(Step(FORMS_RESPONSE))
                self.used.add(FORMS_RESPONSE)
            else:
                opening.append(self.act(FORMS_RESPONSE))
                self.used.add(FORMS_RESPONSE)
        noun = None
        if skeleton == "plain" and n == 1 and not terse and not opening and trigger.adv and rng.random() < 0.22:
            noun = self.noun(self.next(operation))
        chunks = opening + ([noun] if noun else self.body(skeleton, n, operation, terse))
        return self.said(trigger, nodes, chunks, noun, skeleton, style)

    def said(self, trigger: _Trigger, nodes: list[Node], chunks: list[Chunk], noun: Chunk | None, skeleton: str, style: str) -> Sampled | None:
        """All put into one request."""
        operation, terse = trigger.step.operation, style == "terse"
        if skeleton == "shaped" and operation == "shared_microsoftforms.CreateFormWebhook" and FORMS_RESPONSE in self.pool.allowed:
            nodes = [Step(FORMS_RESPONSE)]
        if operation in _PROPERTIES_ONLY and self.takes_content(chunks):
            nodes.append(Step(GET_FILE))
        query = self.frame_terse(trigger, chunks) if terse else self.frame_noun(trigger, noun) if noun else self.frame(trigger, chunks, style)
        sketch = Sketch(trigger.step, tuple(nodes) + tuple(node for c in chunks for node in c.nodes))
        return self.finish(query, sketch, skeleton, style)

    def takes_content(self, chunks: list[Chunk]) -> bool:
        first = chunks[0].nodes[0]
        if not isinstance(first, Step) or GET_FILE not in self.pool.allowed:
            return False
        wording = self.pool.wordings.get(first.operation)
        return wording is not None and "file_content" in wording.roles.values() and first.operation != GET_FILE

    # --- frames -------------------------------------------------------------------------------------------------------------

    def put(self, frame: str, trigger: _Trigger, vp: str = "", noun: str = "") -> str:
        adv, tnoun = trigger.adv, trigger.tnoun
        return frame.format(adv=adv, Adv=upper(adv), tnoun=tnoun, Tnoun=upper(tnoun), vp=vp, Vp=upper(vp), noun=noun, Noun=upper(noun), gerund=gerund(vp) if "erund" in frame else "", Gerund=upper(gerund(vp)) if "erund" in frame else "")

    def pick(self, options: tuple[str, ...], trigger: _Trigger) -> str:
        """A frame that needs only what the trigger has."""
        for _ in range(40):
            frame = self.rng.choice(options)
            low = frame.lower()
            if ("{adv}" not in low or trigger.adv) and ("{tnoun}" not in low or trigger.tnoun):
                return frame
        return "{Adv}, {vp}" if trigger.adv else "{Tnoun}: {vp}"

    def frame_noun(self, trigger: _Trigger, noun: Chunk) -> str:
        if trigger.tnoun and trigger.adv and self.rng.random() < 0.6:
            trigger = replace(trigger, tnoun="")
        article, _, rest = noun.noun.partition(" ")
        if trigger.note in ("daily", "weekly", "monthly", "hourly", "nightly", "quarterly", "fortnightly") and article in ("a", "an") and len(trigger.step.stated) == 2 and self.rng.random() < 0.6:
            return self.rng.choice((f"{upper(trigger.note)} {rest}", f"I want a {trigger.note} {rest}", f"{trigger.note} {rest}", f"Set up a {trigger.note} {rest}", f"I need a {trigger.note} {rest} please")).replace("a hourly", "an hourly")
        frame = self.pick(frames.NOUN, trigger)
        return self.put(frame, trigger, noun=noun.noun)

    def frame_terse(self, trigger: _Trigger, chunks: list[Chunk]) -> str:
        rng = self.rng
        for _ in range(40):
            frame, sign = rng.choice(frames.TERSE)
            if ("{adv}" in frame and not trigger.adv) or ("{tnoun}" in frame and not trigger.tnoun):
                continue
            if "{t}" not in frame and any(c.control for c in chunks):
                continue
            break
        else:
            frame, sign = "{t}: {a}", ", "
        text = frame.format(t=trigger.note, a=self.short(chunks, sign if sign.strip() or len(chunks) == 1 else ", "), adv=trigger.adv, tnoun=trigger.tnoun)
        return upper(text) if rng.random() < 0.4 else text

    def frame(self, trigger: _Trigger, chunks: list[Chunk], style: str) -> str:
        rng = self.rng
        if trigger.tnoun and trigger.adv:
            # a schedule has both; one of them is enough
            trigger = replace(trigger, tnoun="") if rng.random() < 0.93 else replace(trigger, adv="")
        if style == "long" and (len(chunks) > 1 or rng.random() < 0.7):
            text = self.long(trigger, chunks)
        else:
            text = self.one(trigger, chunks)
        if rng.random() < (0.12 if style == "one" else 0.08):
            text = self.greet(text)
        if style == "long" and rng.random() < 0.33:
            text = f"{rng.choice(frames.STORIES)} {upper(text)}"
        if rng.random() < (0.06 if style == "one" else 0.18):
            text = text.rstrip() + ("" if text.endswith((".", "?", "!")) else ".") + " " + rng.choice(frames.THANKS)
        elif rng.random() < 0.45 and not text.endswith((".", "?", "!")):
            text += "."
        return text

    def greet(self, text: str) -> str:
        greeting = self.rng.choice(frames.GREETINGS)
        if greeting.rstrip().endswith((".", "!", ":")):
            return greeting + text
        return greeting + (text[:1].lower() + text[1:] if text[:1].isupper() and not text.startswith(("I ", "I'")) and text[1:2].islower() and self.rng.random() < 0.8 else text)

    def one(self, trigger: _Trigger, chunks: list[Chunk]) -> str:
        rng = self.rng
        if chunks[0].tested and rng.random() < 0.3:
            if trigger.adv and _CONJUNCTION.match(trigger.adv) and not trigger.adv.rstrip().endswith(","):
                trigger = replace(trigger, adv=f"{trigger.adv} {rng.choice(('and', 'and', 'where', 'but only if', 'and if'))} {chunks[0].tested}", tnoun="")
            elif trigger.tnoun and not trigger.adv:
                trigger = replace(trigger, tnoun=f"{trigger.tnoun} {rng.choice(('where', 'if', 'when', 'whenever'))} {chunks[0].tested}")
            else:
                return self.one_of(trigger, chunks)
            rest = list(chunks)
            rest[0] = Chunk(chunks[0].then, "", chunks[0].nodes)
            if len(chunks) == 1:
                return self.one_of(trigger, rest)
            # what follows is done either way, and must not be read as part of the branch
            first = self.put(self.pick(frames.TRIGGER_FIRST, trigger), trigger, rest[0].vp)
            others = self.sequence(chunks[1:]).vp
            return f"{first}. {upper(self.closing('if').format(vp=others))}"
        return self.one_of(trigger, chunks)

    def one_of(self, trigger: _Trigger, chunks: list[Chunk]) -> str:
        rng = self.rng
        body = self.sequence(chunks)
        plain = not body.control
        pick = rng.random()
        if plain and trigger.adv and body.verbal and len(chunks) == 1 and rng.random() < 0.3 and (turned := passive(body.vp)):
            thing, done = turned
            several = thing.startswith(("all ", "these ")) or (thing.endswith("s") and not thing.endswith("ss"))
            frame = self.pick(tuple(f for f in frames.PASSIVE if not (several and re.search(r" (?:needs|has|gets) ", f))), trigger)
            return frame.format(adv=trigger.adv, Adv=upper(trigger.adv), thing=thing, Thing=upper(thing), done=done)
        if body.control == "if" and len(chunks) == 1 and body.verbal and trigger.adv and chunks[0].tested and pick < 0.35:
            return self.put(self.pick(frames.TRIGGER_FIRST_VERB, trigger), trigger, body.vp)
        if plain and trigger.adv and body.verbal and len(chunks) == 1 and pick < 0.07:
            return self.put(self.pick(frames.GERUND, trigger), trigger, body.vp)
        if plain and pick < 0.55 and (len(chunks) <= 2 or pick < 0.25):
            return self.put(self.pick(frames.TRIGGER_LAST_VERB if body.verbal and trigger.adv and rng.random() < 0.5 else frames.TRIGGER_LAST, trigger), trigger, body.vp)
        verbal = body.verbal and trigger.adv and rng.random() < 0.38
        frame = self.pick(frames.TRIGGER_FIRST_VERB if verbal else frames.TRIGGER_FIRST, trigger)
        return self.put(frame, trigger, body.vp)

    def long(self, trigger: _Trigger, chunks: list[Chunk]) -> str:
        """Several sentences, a list of steps, or one breathless run."""
        rng = self.rng
        pick = rng.random()
        start = trigger.adv or trigger.tnoun
        if len(chunks) == 1:
            return self.one(trigger, chunks)
        if pick < 0.08:
            lines = [trigger.note, *(c.vp for c in chunks)]
            sign = rng.choice(("1) ", "1. ", "- ", "step 1: "))
            if sign == "- ":
                return rng.choice(("\n", " ")).join(f"- {upper(line)}" for line in lines)
            return rng.choice(("\n", " ", " ")).join(f"{sign.replace('1', str(i))}{line}" for i, line in enumerate(lines, 1))
        if pick < 0.14:
            return f"{rng.choice(('Trigger', 'Start', 'Starts', 'Begin'))}: {start}. {rng.choice(('Actions', 'Steps', 'Then', 'Do'))}: {'; '.join(c.vp for c in chunks)}"
        if pick < 0.26:
            joined = ""
            for i, c in enumerate(chunks):
                join = "" if i == 0 else rng.choice((" and then ", " and also ", " and ", " then ", ", and then ", " and after that "))
                vp = self.closing(chunks[i - 1].control).format(vp=c.vp) if i and chunks[i - 1].control else c.vp
                joined += join + vp
            opener = rng.choice(("ok so ", "so ", "", "well ", "I want that " if _CONJUNCTION.match(start) else "", "right "))
            return f"{opener}{'' if trigger.adv else 'for '}{start}{rng.choice((' ', ', ', ' '))}{joined}"
        cut = rng.randrange(1, len(chunks))
        if pick > 0.7:
            cut = 1
        head, rest = chunks[:cut], chunks[cut:]
        sentences = [self.one(trigger, head)]
        if not sentences[0].endswith((".", "?", "!")):
            sentences[0] += "."
        i = 0
        while i < len(rest):
            take = 1 if rest[i].control or rng.random() < 0.6 else 2
            part = rest[i : i + take]
            if any(c.control for c in part[1:]):
                part = part[:1]
            previous = (head + rest[:i])[-1]
            vp = self.sequence(part).vp
            if previous.control:
                sentences.append(upper(self.closing(previous.control).format(vp=vp)) + ".")
            else:
                last = i + len(part) >= len(rest) and rng.random() < 0.3
                frame = rng.choice(frames.LAST if last else frames.NEXT)
                if part[0].control and not part[0].verbal:
                    frame = rng.choice(("{Vp}.", "{Vp}.", "Then {vp}.", "After that, {vp}."))
                elif not part[0].verbal:
                    frame = rng.choice(("{Vp}.", "Then {vp}.", "Also {vp}."))
                sentences.append(frame.format(vp=vp, Vp=upper(vp)))
            i += len(part)
        return " ".join(sentences)

    # --- last touches -------------------------------------------------------------------------------------------------------

    def finish(self, query: str, sketch: Sketch, skeleton: str, style: str) -> Sampled | None:
        rng = self.rng
        query = re.sub(r"  +", " ", query).replace(" ,", ",").replace("..", ".") if "..." not in query else re.sub(r"  +", " ", query)
        words = tuple(_strings(sketch))
        if style == "terse" and rng.random() < 0.05:
            query = noise.titled(query, words)
        if rng.random() < self.weights.noise + (0.1 if style == "terse" else 0):
            query = noise.noisy(query, words, rng)
        elif rng.random() < 0.05:
            query = noise.lowered(query)
        settled = _settle(sketch, query, self.pool.wordings)
        if settled is None or len(query) > 900:
            return None
        return Sampled(query, settled, tuple(self.clauses), skeleton, style)


def _scalars(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _strings(sketch: Sketch) -> Iterator[str]:
    """Words that the query must keep: stated strings, and both sides of tests."""
    yield from (s for _, v in sketch.trigger.stated for s in _scalars(v) if isinstance(s, str))
    stack: list[Node] = list(sketch.steps)
    while stack:
        node = stack.pop()
        match node:
            case Step():
                yield from (s for _, v in node.stated for s in _scalars(v) if isinstance(s, str))
            case When():
                yield from _sides(node.condition)
                stack += [*node.then, *node.otherwise]
            case Each():
                stack += node.body
            case Repeat():
                yield from _sides(node.condition)
                stack += node.body
            case Choose():
                yield node.subject
                for value, body in node.cases:
                    yield str(value)
                    stack += body
                stack += node.default


def _sides(condition: Condition) -> Iterator[str]:
    for test in condition.tests:
        if test.left:
            yield test.left
        if isinstance(test.right, str) and test.right:
            yield test.right


# keys whose strings are normalised, not copied
_NORMALISED = frozenset(("frequency", "weekDays", "interval/unit", "timeUnit"))


class _Lost(Exception):
    """A stated word is not in the query."""


def _settle(sketch: Sketch, query: str, wordings: Mapping[str, Wording]) -> Sketch | None:
    """The sketch with its words in the letter case of the query, or None when a word is not there."""
    low = query.lower()

    def word(text: str) -> str:
        if not text:
            return text
        if text in query:
            return text
        at = low.find(text.lower())
        if at < 0:
            raise _Lost
        return query[at : at + len(text)]

    def scalar(value: Scalar) -> Scalar:
        return word(value) if isinstance(value, str) else value

    def step(node: Step) -> Step:
        wording = wordings.get(node.operation)
        enums = wording.enums if wording else frozenset()
        return Step(node.operation, tuple((k, v if k in enums or k in _NORMALISED or isinstance(v, tuple) else scalar(v)) for k, v in node.stated))

    def condition(c: Condition) -> Condition:
        return Condition(tuple(replace(t, left=word(t.left), right=scalar(t.right)) for t in c.tests), c.joined)

    def nodes(items: tuple[Node, ...]) -> tuple[Node, ...]:
        out: list[Node] = []
        for node in items:
            match node:
                case Step():
                    out.append(step(node))
                case When():
                    out.append(When(condition(node.condition), nodes(node.then), nodes(node.otherwise)))
                case Each():
                    out.append(Each(nodes(node.body)))
                case Repeat():
                    out.append(Repeat(nodes(node.body), condition(node.condition)))
                case Choose():
                    out.append(Choose(word(node.subject), tuple((scalar(v), nodes(b)) for v, b in node.cases), nodes(node.default)))
        return tuple(out)

    try:
        return Sketch(step(sketch.trigger), nodes(sketch.steps))
    except _Lost:
        return None


def sample(
    seed: int,
    n: int,
    inventory: Inventory,
    *,
    weights: Weights | None = None,
    operations: Collection[str] | None = None,
    clauses: Callable[[Clause], bool] | None = None,
    shapes: Iterable[Sketch] | None = None,
) -> Iterator[Sampled]:
    """`n` different rows. `operations` limits what may occur (to hold out connectors), `clauses` which wordings (to hold out those); `shapes` replaces the curated sketches whose
    structure is said anew (pass those of the training part, or `()` for none)."""
    rng = Random(seed)
    pool = _pool(inventory, rng, operations, clauses, shapes)
    chosen = weights or Weights()
    seen: set[str] = set()
    made = tried = 0
    while made < n and tried < 3 * n + 1000:
        tried += 1
        row = _Request(pool, rng, chosen).write()
        if row is None or row.query.lower() in seen:
            continue
        seen.add(row.query.lower())
        made += 1
        yield row
