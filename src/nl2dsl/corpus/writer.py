"""Says single operations and joins what was said.

In: a `Pool`, a random generator, `Weights`. Out: `Chunk`s: an imperative phrase, a short note of the same, and the nodes of the sketch they mean. A
`Writer` says one request and
remembers what it said: clauses, places that are meant again, persons, products already named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from nl2dsl.corpus import frames, schedules, synonyms, values
from nl2dsl.corpus.grammar import article, names
from nl2dsl.corpus.pool import (
    ANSWERS,
    CHANGES,
    DELAY,
    FAMOUS,
    MANAGER,
    READS,
    Pool,
    Weights,
    thing_of,
)
from nl2dsl.corpus.wording import Clause, Filler, Wording
from nl2dsl.dsl.sketch import (
    Node,
    Step,
)

LEAD = re.compile(r"^(?:->|=>|→|-|>)\s*")
CONJUNCTION = re.compile(
    r"^(when(?:ever)?|if|once|each time|every time|as soon as|the moment|any ?time|the minute|the instant|the second)\s+(.+)$", re.IGNORECASE
)
NO_VERB = names(
    "with for from on as if in at to by after before over under only just unless while once when each every the a an how depending either no not "
    "this that there who @ not-yet until per via headline now so also digitally globally permanently completely tentatively all always mass"
)

# roles whose value, once said for a connector, tends to be meant again
SHARED = frozenset(("site", "team", "board", "project", "repository", "calendar", "notebook", "container"))
MANAGERS = re.compile(
    r"\b(?:my|their|his|her|our|the (?:requester|employee|person|user|applicant|sender)'s) (?:line )?(?:manager|boss|supervisor)\b", re.IGNORECASE
)
STATUS_WORDS = (
    "Done",
    "Approved",
    "Closed",
    "Completed",
    "In progress",
    "Rejected",
    "Processed",
    "Sent",
    "Archived",
    "Paid",
    "Shipped",
    "Ready",
    "Active",
    "On hold",
    "Cancelled",
    "Open",
    "Pending",
    "Confirmed",
    "Live",
    "Escalated",
)
COLUMNS = ("Status", "Status", "Status", "Stage", "Priority", "Phase", "State", "Approval", "Owner", "Region", "Category")


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


_HEADS = {
    "channel": "channel",
    "list": "list",
    "table": "table",
    "folder_path": "folder",
    "board": "board",
    "project": "project",
    "calendar": "calendar",
    "site": "site",
    "team": "team",
    "notebook": "notebook",
    "queue": "queue",
}


class Writer:
    """Says one request. Keeps what was said: clauses, stated words, shared places, persons."""

    def __init__(self, pool: Pool, rng: Random, weights: Weights) -> None:
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
        if role in SHARED and shared in self.shared and rng.random() < 0.7:
            return self.shared[shared]
        if (
            chosen.value is not None
            and chosen.verbatim
            and isinstance(chosen.value, str)
            and (rng.random() < self.weights.made_up or (self.person is not None and role.startswith("person")))
        ):
            chosen = self.made_up(role, chosen)
        elif (
            chosen.value is not None
            and not chosen.verbatim
            and isinstance(chosen.value, int)
            and not isinstance(chosen.value, bool)
            and role == "number"
            and chosen.words.isdigit()
            and rng.random() < 0.5
        ):
            n = max(1, rng.choice((chosen.value - 1, chosen.value + 1, chosen.value * 2, chosen.value + 5)))
            chosen = Filler(str(n), n, False)
        if role in SHARED:
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
                if (
                    filler.verbatim
                    and not quoted
                    and wording.roles.get(key)
                    in ("list", "title", "table", "channel", "project", "board", "html", "text", "file_name", "folder_path")
                    and self.rng.random() < 0.13
                ):
                    words = f'"{words}"' if self.rng.random() < 0.8 else f"'{words}'"
            if before.endswith(("the ", "a ", "an ", "our ", "my ")) and re.match(r"(?:the|our|my|a|an|your) ", words):
                words = words.split(" ", 1)[1]
            if filler.value is not None and filler.verbatim and not quoted:
                words = self.headed(wording.roles.get(key, ""), key, words, before, after)
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
        return article("".join(pieces)), Step(clause.operation, stated)

    def headed(self, role: str, key: str, words: str, before: str, after: str) -> str:
        """The kind of thing said with its name: `the Ops Alerts channel`, `list Invoices`."""
        head = _HEADS.get(role, "form" if key.lower().endswith(("form_id", "formid")) else "")
        if (
            not head
            or head in words.lower()
            or head in after[:12].lower()
            or head in before[-12:].lower()
            or (words.startswith(("http", "/")) and head != "folder")
            or self.rng.random() > 0.42
        ):
            return words
        if re.search(r"(?:the|an?|our|my|each|every|new) $", before):
            return f"{words} {head}"
        if after[:1] in ("'", "’") or re.match(r"\w", after):
            return words
        return self.rng.choices(
            (f"the {words} {head}", f"our {words} {head}", f"{head} {words}", f"the {head} {words}", f"a {head} called {words}"), (62, 8, 14, 12, 4)
        )[0]

    def pronoun(self, role: str, words: str) -> str:
        """Now and then a pronoun for what the run brings."""
        if self.rng.random() > 0.45:
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
        chance = self.weights.brand * (0.35 if operation in FAMOUS else 1.0) * (0.5 if connector in self.branded else 1.0) + (
            0.3 if connector not in self.branded and operation not in FAMOUS else 0
        )
        if rng.random() > chance:
            return text
        self.branded.add(connector)
        # the first names are what most people say
        name = names[min(int(len(names) * rng.random() ** 2), len(names) - 1)]
        if note:
            return rng.choice(
                (f"{text} ({name})", f"{text} in {name}", f"{name}: {text}" if ":" not in text else f"{text} ({name})", f"{text} {name}")
            )
        return rng.choices(
            (f"{text} in {name}", f"{text} on {name}", f"{text} with {name}", f"{text} ({name})", f"{text} via {name}", f"{text} using {name}"),
            (56, 16, 6, 12, 5, 5),
        )[0]

    def act(self, operation: str, terse: bool = False) -> Chunk:
        """One action, in imperative and short form (the same wording twice costs nothing and only one is used)."""
        rng = self.rng
        if operation == DELAY and rng.random() < 0.8:
            pause = schedules.pause(rng)
            self.clauses.append(f"{DELAY}|made|{pause.imperative}")
            return Chunk(pause.imperative, pause.terse, (Step(DELAY, pause.stated),), noun=pause.noun)
        form = rng.choices(("terse", "imperative", "noun"), (52, 26, 22))[0] if terse else "imperative"
        wording = self.pool.wordings[operation]
        if (
            wording.open_keys
            and rng.random() < 0.35
            and CHANGES.match(operation.partition(".")[2])
            and (self.near(wording.connector) or operation in FAMOUS)
        ):
            return self.column(operation, wording)
        clause = self.clause(operation, form) or self.clause(operation, "imperative")
        assert clause is not None
        text, step = self.fill(clause)
        text = LEAD.sub("", self.brand(text, operation, terse))
        first = text.split(" ", 1)[0].lower()
        nodes: tuple[Node, ...] = (step,)
        if (
            operation != MANAGER
            and MANAGER in self.pool.allowed
            and MANAGER not in self.used
            and MANAGERS.search(text)
            and "shared_office365users" not in operation
        ):
            nodes = (Step(MANAGER), step)
        return Chunk(text, text, nodes, verbal=clause.form == "imperative" and first not in NO_VERB and first[:1].isalpha())

    def column(self, operation: str, wording: Wording) -> Chunk:
        """A change of one column of the record at hand: `mark it as Done`."""
        rng = self.rng
        key = f"{wording.open_keys[0]}"
        column, value = rng.choice(COLUMNS), rng.choice(STATUS_WORDS)
        if column == "Priority":
            value = rng.choice(("High", "Low", "Urgent"))
        elif column == "Owner":
            value = self.people.name()
        elif column == "Region":
            value = rng.choice(("North", "South", "EMEA"))
        if rng.random() < 0.2:
            column = column.lower()
        thing = rng.choice(("it", "the item", "the row", "the record", "the entry"))
        options: tuple[str, ...] = (
            f"set {column} to {value}",
            f"set the {column} to {value}",
            f"set its {column} to {value}",
            f"change the {column} to {value}",
            f"update {column} to {value}",
            f"put {value} in the {column} column",
            f"switch the {column} to {value}",
            f"update the {column} column with {value}",
            f"flip {column} to {value}",
            f"set {column} = {value}",
        )
        if column.lower() == "status":
            options += (
                f"mark {thing} as {value}",
                f"mark {thing} {value}",
                f"set {thing} to {value}",
                f"mark {thing} as {value}",
                f"flag {thing} as {value}",
            )
            column = column.capitalize()
        text = rng.choice(options)
        self.clauses.append(f"{operation}|made|{text.replace(value, '{}')}")
        text = self.brand(text, operation)
        return Chunk(text, text, (Step(operation, ((f"{key}/{column}", value),)),))

    def near(self, connector: str) -> bool:
        """Whether something of the connector was already spoken of."""
        return self.source.startswith(connector + ".") or any(o.startswith(connector + ".") and READS.match(o.partition(".")[2]) for o in self.used)

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
        ok = (lambda o: o not in self.used and o not in ANSWERS) if fits is None else fits
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
            return rng.choice(
                (
                    f"{a} and {b}",
                    f"{a} and {b}",
                    f"{a} and {b}",
                    f"{a}, then {b}",
                    f"{a} and then {b}",
                    f"{a}, and {b}",
                    f"{a} and also {b}",
                    f"{a} & {b}",
                    f"{a}, then also {b}",
                    f"{a} and after that {b}",
                    f"{a} and {b}",
                    f"{a} plus {b}",
                    f"first {a}, then {b}",
                )
            )
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
                text += rng.choice((". ", ". ", ", ", "; ")) + vp if not text.endswith(".") else " " + vp
            else:
                text += (
                    rng.choice((", and ", ", then ", ", and ", ", ", " and then ", " and ", "; " if rng.random() < 0.3 else " and ", ". ", ". Then "))
                    + vp
                )
        return Chunk(
            text,
            ", ".join(g.note for g in groups),
            tuple(n for g in groups for n in g.nodes),
            groups[-1].control or ("mixed" if len(groups) > 1 else ""),
            groups[0].verbal,
        )

    def closing(self, control: str) -> str:
        return self.rng.choice(frames.EITHER_WAY if control in ("if", "switch") else frames.AFTER_ALL if control == "for" else frames.THEN)

    def thing(self, operation: str) -> str:
        return thing_of(operation) if self.rng.random() < 0.75 else self.rng.choice(("row", "item", "record", "entry", "result", "one"))
