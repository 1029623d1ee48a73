"""What the sampler may draw from: operations with their weights, wordings, names of products, and shapes of requests.

In: an inventory, and what is to be held out. Out: a `Pool`. Two ways of drawing: `Draw` by weight, and `Deck`, which deals every name equally often.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from nl2dsl.corpus.grammar import names
from nl2dsl.corpus.wording import Clause, Inventory, Wording
from nl2dsl.dsl.sketch import (
    Choose,
    Each,
    Node,
    Repeat,
    Sketch,
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
PROPERTIES_ONLY = ("shared_sharepointonline.GetOnNewFileItems", "shared_sharepointonline.GetOnUpdatedFileItems")
MAIL_TRIGGERS = frozenset(
    (
        "shared_office365.OnNewEmailV3",
        "shared_office365.SharedMailboxOnNewEmailV2",
        "shared_gmail.OnNewEmail",
        "shared_outlook.OnNewEmailV2",
        "shared_office365.OnFlaggedEmailV4",
    )
)
READS = re.compile(r"^(Get|List|Search|Find|Read|Look|Query|Fetch|Retrieve|Download|Check|Export|Select|Lookup|Show|Describe)", re.IGNORECASE)
MAKES = re.compile(r"^(Post|Create|Add|Insert|New)", re.IGNORECASE)
CHANGES = re.compile(r"^(Patch|Update|Edit|Put|Modify)", re.IGNORECASE)
# what answers the caller, by the trigger that was called
ANSWER = {
    "commonTrigger.Http": "builtin.Response",
    "commonTrigger.PowerAppV2": "builtin.ResponsePowerApp",
    "commonTrigger.Skills": "builtin.ResponseSkills",
}
ANSWERS = frozenset(ANSWER.values())
# triggers that bring no data a test could be about
EMPTY = frozenset((RECURRENCE, MANUAL, "commonTrigger.SlidingWindow", "commonTrigger.Geofence"))
FAMOUS = names(
    "shared_office365.SendEmailV2 shared_office365.OnNewEmailV3 shared_teams.PostMessageToConversation shared_sharepointonline.PostItem "
    "shared_approvals.StartAndWaitForAnApproval shared_microsoftforms.CreateFormWebhook "
    "shared_flowpush.SendNotification shared_sharepointonline.GetOnNewItems shared_excelonlinebusiness.AddRowV2"
)

_SINGULARS = (
    ("attachment", "attachment"), ("member", "member"), ("e?mails?\\b|message", "message"), ("file|folder|blob", "file"), ("task|todo", "task"),
    ("event|calendar", "event"), ("user|people", "user"), ("contact", "contact"),
    ("card", "card"), ("ticket", "ticket"), ("issue", "issue"), ("row|excel|sheet|sql", "row"), ("record|entit", "record"), ("order", "order"),
    ("invoice", "invoice"), ("flow", "flow"), ("environment", "environment"),
    ("channel", "channel"), ("group", "group"), ("deal", "deal"), ("lead", "lead"), ("item", "item"), ("post", "post"), ("page", "page"), ("repo",
    "repository"), ("document", "document"), ("machine|vm", "machine"), ("alert", "alert"),
)  # fmt: skip


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


class Draw:
    """A weighted draw in logarithmic time."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.names = tuple(weights)
        self.sums = list(accumulate(weights.values()))

    def __call__(self, rng: Random) -> str:
        return self.names[min(bisect(self.sums, rng.random() * self.sums[-1]), len(self.names) - 1)]


class Deck:
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
class Pool:
    """What one run may draw from: the inventory cut down to the allowed operations and clauses."""

    inventory: Inventory
    wordings: Mapping[str, Wording]
    clauses: Mapping[str, Mapping[str, tuple[Clause, ...]]]
    triggers: Draw
    trigger_deck: Deck
    actions: Draw
    action_deck: Deck
    after: Mapping[str, Draw]
    lists: Draw | None
    lookups: Draw | None
    makers: Mapping[str, tuple[str, ...]]
    changers: Mapping[str, tuple[str, ...]]
    brands: Mapping[str, tuple[str, ...]]
    brand_words: Mapping[str, re.Pattern[str]]
    allowed: frozenset[str]
    shapes: tuple[Sketch, ...]

    def deal_only(self, wanted: Collection[str], rng: Random, weights: Weights) -> Weights:
        """From now on the decks deal what is wanted, and nothing else; the weights with which they come up."""
        triggers = [o for o in wanted if self.wordings[o].trigger and o not in (RECURRENCE, MANUAL)]
        actions = [o for o in wanted if not self.wordings[o].trigger]
        if triggers:
            self.trigger_deck = Deck(triggers, rng)
        if actions:
            self.action_deck = Deck(actions, rng)
        started = 0.0 if triggers else weights.recurrence
        return replace(
            weights,
            recurrence=started,
            manual=started / 2,
            trigger_deck=1.0 if triggers else weights.trigger_deck,
            action_deck=1.0 if actions else weights.action_deck,
            shaped=0.0,
        )


# wordings of triggers that are sentences of their own
_ALONE = re.compile(r"I |should |just (?=a )|asking ")


def _usable(sketch: Sketch, wordings: Mapping[str, Wording]) -> bool:
    """Whether the shape of a request can be said again: known operations, not too long, loops and choices not within one another more than once."""
    called = steps(sketch)
    depth = _depth(sketch.steps)
    trigger = wordings.get(called[0].operation)
    return (
        trigger is not None
        and trigger.trigger
        and 1 < len(called) < 10
        and depth < 3
        and all(s.operation in wordings and not wordings[s.operation].trigger for s in called[1:])
    )


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


def pool_of(
    inventory: Inventory, rng: Random, operations: Collection[str] | None, keep: Callable[[Clause], bool] | None, shapes: Iterable[Sketch] | None
) -> Pool:
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
    lookups = {
        n: inventory.actions.get(n, 0) + 0.3
        for n in actions
        if READS.match(n.partition(".")[2])
        and re.search(r"item|record|row|entit|contact|search|user|ticket|issue|card|lead|customer", n, re.IGNORECASE)
    }
    by_connector: dict[str, list[str]] = {}
    for n in actions:
        by_connector.setdefault(wordings[n].connector, []).append(n)
    brands, words = {}, {}
    for connector in {w.connector for w in wordings.values()}:
        names = inventory.nicknames.get(connector, ())
        brands[connector] = (
            ()
            if connector in ("builtin", "commonTrigger")
            else tuple(b for b in names if re.match(r"[A-Z]", b) and not re.search(r"\b(?:our|my|the)\b", b) and len(b) > 1)
        )
        parts = {
            re.escape(w.lower())
            for b in names
            for w in (b, b.split()[-1], b.split()[0])
            if len(w) > 2 and w.lower() not in ("the", "our", "my", "microsoft", "azure", "office", "365", "google")
        }
        words[connector] = re.compile("|".join(sorted(parts, key=len, reverse=True)) or r"(?!)")
    return Pool(
        inventory,
        wordings,
        clauses,
        Draw({n: inventory.triggers.get(n, 0) ** 0.85 + 0.2 for n in other}),
        Deck(other, rng),
        Draw({n: inventory.actions.get(n, 0) ** 0.85 + 0.1 for n in actions}),
        Deck((n for n in actions if n not in ANSWERS), rng),
        {
            a: Draw(kept)
            for a, after in inventory.after.items()
            if (kept := {b: float(c) for b, c in after.items() if b in allowed and not wordings[b].trigger})
        },
        Draw(lists) if lists else None,
        Draw(lookups) if lookups else None,
        {c: tuple(n for n in ns if MAKES.match(n.partition(".")[2])) for c, ns in by_connector.items()},
        {c: tuple(n for n in ns if CHANGES.match(n.partition(".")[2])) for c, ns in by_connector.items()},
        brands,
        words,
        allowed,
        tuple(s for s in (inventory.shapes if shapes is None else shapes) if _usable(s, wordings)),
    )


def _is_list(wording: Wording) -> bool:
    name = wording.operation.partition(".")[2]
    return bool(READS.match(name)) and (
        any(r in ("list_of_items", "list_of_files") for r in wording.outputs.values()) or bool(re.match(r"List|Search", name))
    )


def thing_of(operation: str) -> str:
    name = operation.partition(".")[2].lower() + " " + operation.partition(".")[0].removeprefix("shared_").lower()
    for pattern, word in _SINGULARS:
        if re.search(pattern, name):
            return word
    return "one"
