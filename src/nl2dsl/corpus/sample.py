"""Composes requests: draws a trigger, actions and control, says them in words, and keeps the sketch that exactly those words state.

In: a seed, a number, and the inventory of wordings (`wording.load`). Out: an iterator of `Sampled` rows, the same for the same arguments. A value is
in the
sketch only if it stands in the query; words that point at data of the run ("the requester", "me") are said but never stated.

    for row in sample(7, 50_000, wording.load()):
        print(row.query, sketch.unparse(row.sketch))

How: operations come from a mixture of what follows what in real requests, popularity, and a shuffled deck of all operations that is dealt again and
again, so that each occurs
about equally often whatever its fame. A `_Request` says one request; a `Chunk` is a piece of it: an imperative phrase, a short note, and the nodes
of the sketch they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from nl2dsl.corpus import conditions, frames, noise, schedules, values
from nl2dsl.corpus.control import ControlWriter
from nl2dsl.corpus.grammar import gerund, passive, upper
from nl2dsl.corpus.pool import (
    ANSWER,
    APPROVAL,
    ASSIGNED,
    DELAY,
    EMPTY,
    FORMS_RESPONSE,
    GET_FILE,
    MAIL_TRIGGERS,
    MANUAL,
    PROPERTIES_ONLY,
    READS,
    RECURRENCE,
    Weights,
    pool_of,
)
from nl2dsl.corpus.settle import Lost, settle, strings
from nl2dsl.corpus.wording import Clause, Inventory
from nl2dsl.corpus.writer import CONJUNCTION, LEAD, Chunk
from nl2dsl.dsl import sketch as sketches
from nl2dsl.dsl.sketch import (
    Condition,
    Node,
    Repeat,
    Sketch,
    Step,
    Test,
)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One row: what is said, what it means, and how it was made."""

    query: str
    sketch: Sketch
    clauses: tuple[str, ...]
    skeleton: str
    style: str


class BodyWriter(ControlWriter):
    """A writer of everything that follows the trigger: one method for each skeleton."""

    # --- the body of a request ----------------------------------------------------------------------------------------------

    def body(self, skeleton: str, n: int, trigger: str, terse: bool) -> list[Chunk]:
        self.source = trigger
        make: Callable[[int, str, bool], list[Chunk]] = getattr(self, f"_{skeleton}")
        return make(n, trigger, terse)

    def group(self, n: int, previous: str, terse: bool) -> Chunk:
        """`n` plain actions as one chunk, the inside of a branch or a loop."""
        chunks, _ = self.acts(n, previous, terse)
        return Chunk(
            self.inline(chunks), self.short(chunks, " + " if n > 1 else ""), tuple(node for c in chunks for node in c.nodes), "", chunks[0].verbal
        )

    def _plain(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        answer = ANSWER.get(trigger, "")
        if answer in self.pool.allowed and self.rng.random() < 0.55:
            return [*self.acts(n - 1, trigger, terse)[0], self.act(answer, terse)]
        return self.acts(n, trigger, terse)[0]

    def first(self, trigger: str, terse: bool) -> tuple[list[Chunk], str]:
        """Something to read, for triggers that bring no data a test could be about."""
        operation = self.next(trigger, lambda o: o not in self.used and bool(READS.match(o.partition(".")[2])))
        return [self.act(operation, terse)], operation

    def _if(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        if n == 1 and trigger in EMPTY:
            return self._plain(n, trigger, terse)
        before = min(self.rng.randrange(0, n), 2)
        if trigger in EMPTY:
            before, (chunks, previous) = 1, self.first(trigger, terse)
        else:
            chunks, previous = self.acts(before, trigger, terse)
        after = 1 if n - before > 2 and self.rng.random() < 0.25 else 0
        then = self.group(n - before - after, previous, terse)
        chunks.append(self.compare(previous, then, None, terse))
        return chunks + self.acts(after, previous, terse)[0]

    def _ifelse(self, n: int, trigger: str, terse: bool) -> list[Chunk]:
        before = min(self.rng.randrange(0, max(1, n - 1)), 2)
        if trigger in EMPTY:
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
        if trigger in MAIL_TRIGGERS and rng.random() < 0.6:
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
        chunks, previous = self.first(trigger, terse) if trigger in EMPTY else self.acts(before, trigger, terse)
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
            vp = rng.choice(
                (
                    f"keep asking {who} for approval until it's approved",
                    f"send {who} an approval again and again until it is approved",
                    f"ask {who} to approve it until they say yes",
                    f"repeat the approval with {who} until it's approved",
                )
            )
            chunk = Chunk(vp, vp, (Repeat(tuple(nodes), Condition((Test("approved"),))),), "until", True)
            return [chunk, *self.acts(max(0, n - 1), APPROVAL, terse)[0]]
        before = 1 if n > 2 and rng.random() < 0.6 else 0
        chunks, previous = self.acts(before, trigger, terse)
        checks = READS.match
        operation = self.next(previous, lambda o: o not in self.used and (bool(checks(o.partition(".")[2])) or o == "builtin.Http"))
        chunks.append(self.repeat([self.act(operation, terse)], pause, terse))
        rest = n - before - 1 - (1 if pause else 0)
        return chunks + self.acts(max(0, min(rest, 2)), operation, terse)[0]


# skeletons by number of actions: (name, weight)
_SKELETONS: dict[int, tuple[tuple[str, float], ...]] = {
    1: (("plain", 0.74), ("if", 0.24), ("for", 0.02)),
    2: (
        ("plain", 0.42),
        ("if", 0.18),
        ("ifelse", 0.07),
        ("for", 0.13),
        ("forif", 0.05),
        ("approval", 0.07),
        ("lookup", 0.03),
        ("switch", 0.02),
        ("until", 0.09),
    ),
    3: (
        ("plain", 0.27),
        ("if", 0.13),
        ("ifelse", 0.13),
        ("for", 0.14),
        ("forif", 0.08),
        ("approval", 0.10),
        ("lookup", 0.05),
        ("switch", 0.07),
        ("until", 0.09),
    ),
    4: (
        ("plain", 0.22),
        ("if", 0.12),
        ("ifelse", 0.13),
        ("for", 0.13),
        ("forif", 0.09),
        ("approval", 0.11),
        ("lookup", 0.06),
        ("switch", 0.12),
        ("until", 0.09),
    ),
}


@dataclass(slots=True)
class _Trigger:
    adv: str
    tnoun: str
    note: str
    step: Step


class _Request(BodyWriter):
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
        """Only one of the forms is said, so only one may state values: adv, noun and note are made from the same filling where that is possible,
        else all say the same clause."""
        rng = self.rng
        form = rng.choices(("terse", "noun", "when"), (50, 32, 18))[0] if terse else rng.choices(("when", "noun"), (85, 15))[0]
        clause = self.clause(operation, form) or self.clause(operation, "when")
        assert clause is not None
        text, step = self.fill(clause)
        text = self.brand(LEAD.sub("", text), operation, terse and clause.form == "terse")
        text, step = self.narrowed(text, step, clause)
        if clause.form == "when":
            adv = text
            match = CONJUNCTION.match(text)
            if match and rng.random() < 0.7:
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
            text += rng.choice(
                (
                    f" with {quoted} in the subject",
                    f" with {quoted} in the subject line",
                    f" and the subject contains {quoted}" if clause.form == "when" else f" with subject {quoted}",
                    f" with the subject {quoted}",
                    f" titled {quoted}",
                    f" whose subject contains {quoted}",
                )
            )
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
            except Lost:
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
        if operation in PROPERTIES_ONLY and self.takes_content(chunks):
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
        return frame.format(
            adv=adv,
            Adv=upper(adv),
            tnoun=tnoun,
            Tnoun=upper(tnoun),
            vp=vp,
            Vp=upper(vp),
            noun=noun,
            Noun=upper(noun),
            gerund=gerund(vp) if "erund" in frame else "",
            Gerund=upper(gerund(vp)) if "erund" in frame else "",
        )

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
        if (
            trigger.note in ("daily", "weekly", "monthly", "hourly", "nightly", "quarterly", "fortnightly")
            and article in ("a", "an")
            and len(trigger.step.stated) == 2
            and self.rng.random() < 0.6
        ):
            return self.rng.choice(
                (
                    f"{upper(trigger.note)} {rest}",
                    f"I want a {trigger.note} {rest}",
                    f"{trigger.note} {rest}",
                    f"Set up a {trigger.note} {rest}",
                    f"I need a {trigger.note} {rest} please",
                )
            ).replace("a hourly", "an hourly")
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
        text = frame.format(
            t=trigger.note, a=self.short(chunks, sign if sign.strip() or len(chunks) == 1 else ", "), adv=trigger.adv, tnoun=trigger.tnoun
        )
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
        return greeting + (
            text[:1].lower() + text[1:]
            if text[:1].isupper() and not text.startswith(("I ", "I'")) and text[1:2].islower() and self.rng.random() < 0.8
            else text
        )

    def one(self, trigger: _Trigger, chunks: list[Chunk]) -> str:
        rng = self.rng
        if chunks[0].tested and rng.random() < 0.3:
            if trigger.adv and CONJUNCTION.match(trigger.adv) and not trigger.adv.rstrip().endswith(","):
                trigger = replace(
                    trigger, adv=f"{trigger.adv} {rng.choice(('and', 'and', 'where', 'but only if', 'and if'))} {chunks[0].tested}", tnoun=""
                )
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
        if plain and pick < 0.6 and (len(chunks) <= 2 or pick < 0.3):
            if trigger.adv and rng.random() < 0.45:
                return self.put(rng.choice(frames.PLAIN_LAST), trigger, body.vp)
            return self.put(
                self.pick(frames.TRIGGER_LAST_VERB if body.verbal and trigger.adv and rng.random() < 0.65 else frames.TRIGGER_LAST, trigger),
                trigger,
                body.vp,
            )
        if rng.random() < 0.58:
            return self.put(rng.choice(frames.PLAIN_FIRST if trigger.adv else frames.PLAIN_NOUN_FIRST), trigger, body.vp)
        verbal = body.verbal and trigger.adv and rng.random() < 0.5
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
            label, todo = rng.choice(("Trigger", "Start", "Starts", "Begin")), rng.choice(("Actions", "Steps", "Then", "Do"))
            return f"{label}: {start}. {todo}: {'; '.join(c.vp for c in chunks)}"
        if pick < 0.26:
            joined = ""
            for i, c in enumerate(chunks):
                join = "" if i == 0 else rng.choice((" and then ", " and also ", " and ", " then ", ", and then ", " and after that "))
                vp = self.closing(chunks[i - 1].control).format(vp=c.vp) if i and chunks[i - 1].control else c.vp
                joined += join + vp
            opener = rng.choice(("ok so ", "so ", "", "well ", "I want that " if CONJUNCTION.match(start) else "", "right "))
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
        words = tuple(strings(sketch))
        if style == "terse" and rng.random() < 0.05:
            query = noise.titled(query, words)
        if rng.random() < self.weights.noise + (0.1 if style == "terse" else 0):
            query = noise.noisy(query, words, rng)
        elif rng.random() < 0.05:
            query = noise.lowered(query)
        settled = settle(sketch, query, self.pool.wordings)
        if settled is None or len(query) > 900:
            return None
        return Sampled(query, settled, tuple(self.clauses), skeleton, style)


def sample(
    seed: int,
    n: int,
    inventory: Inventory,
    *,
    weights: Weights | None = None,
    operations: Collection[str] | None = None,
    clauses: Callable[[Clause], bool] | None = None,
    shapes: Iterable[Sketch] | None = None,
    wanted: Iterable[str] = (),
) -> Iterator[Sampled]:
    """`n` different rows. `operations` limits what may occur (to hold out connectors), `clauses` which wordings (to hold out those); `shapes`
    replaces the curated sketches whose
    structure is said anew (pass those of the training part, or `()` for none). Of `wanted` operations, if any, each row has one."""
    rng = Random(seed)
    pool = pool_of(inventory, rng, operations, clauses, shapes)
    chosen = weights or Weights()
    missing = pool.allowed.intersection(wanted)
    if wanted and not missing:
        return
    if missing:
        chosen = pool.deal_only(missing, rng, chosen)
    seen: set[str] = set()
    made = tried = 0
    while made < n and tried < 3 * n + 1000:
        tried += 1
        row = _Request(pool, rng, chosen).write()
        if row is None or row.query.lower() in seen or (missing and missing.isdisjoint(sketches.operations(row.sketch))):
            continue
        seen.add(row.query.lower())
        made += 1
        yield row
