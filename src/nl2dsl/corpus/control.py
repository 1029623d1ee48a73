"""Says control: conditions, approvals, loops, choices, repetitions, and whole shapes of curated requests in new words.

In: chunks for what is done, and what a condition is about. Out: a chunk whose phrase and nodes hold them.
"""

from __future__ import annotations

import re

from nl2dsl.corpus import conditions, frames, schedules
from nl2dsl.corpus.grammar import gerund, plural, upper
from nl2dsl.corpus.pool import (
    APPROVAL,
    ASSIGNED,
    CHANGES,
    DELAY,
    FORMS_RESPONSE,
    GET_FILE,
    MAIL_TRIGGERS,
    MANAGER,
    PROPERTIES_ONLY,
    READS,
)
from nl2dsl.corpus.settle import Lost
from nl2dsl.corpus.writer import Chunk, Writer
from nl2dsl.dsl.sketch import (
    Choose,
    Condition,
    Each,
    Node,
    Repeat,
    Step,
    Test,
    When,
)


class ControlWriter(Writer):
    """A writer that also knows if, for, switch and until."""

    # --- control ------------------------------------------------------------------------------------------------------------

    def acts(self, n: int, previous: str, terse: bool) -> tuple[list[Chunk], str]:
        chunks = []
        for i in range(n):
            operation = self.next(previous)
            if i and i == n - 1 and READS.match(operation.partition(".")[2]) and self.rng.random() < 0.6:
                operation = self.next(previous)
            if operation == APPROVAL:
                chunks.append(self.approval(terse))
            else:
                chunks.append(self.act(operation, terse))
            previous = operation
        return chunks, previous

    def approval(self, terse: bool = False, of_manager: bool | None = None) -> Chunk:
        """Someone is asked; "my manager" is looked up first. `of_manager` decides who, None leaves it to chance."""
        rng = self.rng
        if of_manager is None and rng.random() < 0.3:
            return self.act(APPROVAL, terse) if APPROVAL in self.pool.allowed else self.act(self.next(""), terse)
        who, stated, nodes = (
            rng.choice(("my manager", "my boss", "my manager", "their manager", "the person's manager", "the requester's manager")),
            False,
            [MANAGER, APPROVAL],
        )
        pick = rng.random()
        if of_manager:
            pass
        elif of_manager is False and pick < 0.3:
            return self.act(APPROVAL, terse)
        elif pick < 0.62 or (of_manager is False and pick < 0.8) or MANAGER not in self.pool.allowed:
            who, stated, nodes = self.people.address() if rng.random() < 0.6 else self.people.name(), True, [APPROVAL]
        elif pick < 0.8 or of_manager is False:
            who, nodes = "", [APPROVAL]
        if APPROVAL not in self.pool.allowed:
            return self.act(self.next(""), terse)
        if not who:
            vp = rng.choice(
                (
                    "start an approval",
                    "ask for approval",
                    "get it approved",
                    "send it for approval",
                    "wait for approval",
                    "have it signed off",
                    "run it through an approval",
                    "request approval",
                    "put it up for sign-off",
                    "start and wait for an approval",
                    "get the ok first",
                )
            )
            note = rng.choice(("approval", "approve", "get approval", "sign-off", "ask approval"))
        else:
            vp = rng.choice(
                (
                    "ask {w} to approve it",
                    "get approval from {w}",
                    "send an approval request to {w}",
                    "have {w} approve it",
                    "let {w} sign it off",
                    "ask {w} for approval",
                    "send it to {w} for approval",
                    "start an approval with {w}",
                    "wait for {w} to approve",
                    "get {w}'s approval",
                    "ask {w} for the ok",
                    "request sign-off from {w}",
                    "have it approved by {w}",
                    "let {w} decide",
                    "run it past {w} for approval",
                    "get {w} to sign off",
                    "check with {w} whether it's ok",
                    "ask {w} yes or no",
                )
            ).format(w=who)
            note = rng.choice(("approval by {w}", "ask {w}", "{w} approves", "approval {w}", "get ok from {w}", "sign-off {w}")).format(w=who)
        self.clauses.append(f"{APPROVAL}|made|{vp.replace(who, '{}') if who else vp}")
        said = tuple(Step(o, ((ASSIGNED, who),) if stated and o == APPROVAL else ()) for o in nodes)
        self.used.update(nodes)
        return Chunk(vp, note, said)

    def conditional(
        self,
        clause: str,
        note: str,
        condition: Condition,
        then: Chunk,
        otherwise: Chunk | None,
        terse: bool,
        other_words: tuple[str, ...] = frames.ELSE,
        ready: bool = False,
    ) -> Chunk:
        """`if`: `clause` is without "if" unless `ready`, then it is a whole "if approved"."""
        rng = self.rng
        a = then.vp
        when = (
            clause
            if ready
            else f"{rng.choices(('if', 'only if', 'in case', 'when', 'provided that', 'as long as', 'whenever'), (74, 6, 6, 8, 2, 2, 2))[0]} {clause}"
        )
        nodes = (When(condition, then.nodes, otherwise.nodes if otherwise else ()),)
        if terse:
            b = otherwise.note if otherwise else ""
            condition_note = note
            if otherwise:
                vp = rng.choice(
                    (
                        f"{condition_note} -> {then.note}, else {b}",
                        f"{condition_note}? {then.note} : {b}",
                        f"if {condition_note}: {then.note}, otherwise {b}",
                        f"if {condition_note} then {then.note} else {b}",
                        f"{condition_note} = {then.note} / else = {b}" if "=" not in condition_note else f"{condition_note}: {then.note} / else: {b}",
                    )
                )
            else:
                vp = rng.choice(
                    (
                        f"if {condition_note} {then.note}",
                        f"if {condition_note}: {then.note}",
                        f"{condition_note} -> {then.note}",
                        f"{then.note} if {condition_note}",
                        f"only if {condition_note}: {then.note}",
                        f"{condition_note}? {then.note}",
                    )
                )
            return Chunk(vp, vp, nodes, "if", False)
        single = not then.control and " and " not in a and "," not in a
        if otherwise is None:
            options = [f"{when}, {a}", f"{when}, {a}", f"{when} {a}", f"{when} then {a}"]
            if single:
                options += [
                    f"{a} {when}",
                    f"{a} {when}",
                    f"{a}, but only {when.removeprefix('only ')}" if when.startswith(("if", "only if", "when", "in case")) else f"{a} {when}",
                ]
            if not ready:
                options += [f"check if {clause} and if so {a}", f"see whether {clause}, and if yes, {a}", f"check whether {clause}; if so, {a}"]
            vp = rng.choice(options)
        else:
            b, other = otherwise.vp, rng.choice(other_words)
            options = [
                f"{when}, {a}, {other} {b}",
                f"{when}, {a}; {other} {b}",
                f"{when} {a}, {other} {b}",
                f"{when}, {a}. {upper(other)}, {b}" if not other.endswith(",") else f"{when}, {a}. {upper(other)} {b}",
                f"{when} then {a}, {other} {b}",
                f"{when} {a} {'else' if other == 'otherwise' else other} {b}",
            ]
            if single and not ready:
                options += [
                    f"{a} {when}, {other} {b}",
                    f"check if {clause}: if yes {a}, if no {b}",
                    f"depending on whether {clause}, either {a} or {b}",
                ]
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
                vp = self.rng.choice(
                    (f"{then.vp} unless {tested.unless}", f"unless {tested.unless}, {then.vp}", f"{then.vp}, except if {tested.unless}")
                )
                return Chunk(vp, vp, (When(Condition((tested.inverse,)), then.nodes),), "if", then.verbal and vp.startswith(then.vp))
        tests = conditions.both(self.rng, about, outputs, filtered)
        return self.conditional(tests.clause, tests.note, tests.condition, then, otherwise, terse)

    def outcome(self, kind: str, then: Chunk, otherwise: Chunk | None, terse: bool) -> Chunk:
        """`if` about what came of the step before: approved, rejected, found, none."""
        words = {"approved": frames.APPROVED, "rejected": frames.REJECTED, "found": frames.FOUND, "none": frames.NONE}[kind]
        ready = self.rng.choice(words)
        if terse:
            notes = {
                "approved": ("approved", "yes", "ok"),
                "rejected": ("rejected", "no", "declined"),
                "found": ("found", "exists", "there"),
                "none": ("not found", "none", "missing"),
            }[kind]
            return self.conditional("", self.rng.choice(notes), Condition((Test(kind),)), then, otherwise, True)
        other = {"approved": frames.ELSE_REJECTED, "rejected": frames.ELSE}.get(kind, ("otherwise", "if not", "else", "otherwise"))
        return self.conditional(ready, "", Condition((Test(kind),)), then, otherwise, False, other, ready=True)

    def each(self, thing: str, body: Chunk, terse: bool, where: conditions.Tests | None = None) -> Chunk:
        """`for`, with an `if` inside when `where` is given in the same breath."""
        rng, things, a = self.rng, plural(thing), body.vp
        inner: tuple[Node, ...] = body.nodes if where is None else (When(where.condition, body.nodes),)
        if terse:
            test = f" if {where.note}" if where else ""
            vp = rng.choice(
                (
                    f"for each {thing}{test}: {body.note}",
                    f"foreach {thing}{test}: {body.note}",
                    f"each {thing}{test} -> {body.note}",
                    f"{body.note} for each {thing}{test}",
                    f"per {thing}{test}: {body.note}",
                    f"all {things}{test}: {body.note}",
                    f"loop {things}{test}: {body.note}",
                )
            )
            return Chunk(vp, vp, (Each(inner),), "for", False)
        single = not body.control and " and " not in a and "," not in a
        if where is not None:
            c = where.clause
            options = [
                f"for each {thing} where {c}, {a}",
                f"for every {thing} where {c} {a}",
                f"for each {thing}, if {c}, {a}",
                f"go through the {things} and if {c}, {a}",
                f"for all {things} where {c}, {a}",
                f"loop over them and {a} if {c}" if single else f"loop over them and, if {c}, {a}",
                f"for each one check if {c} and if so {a}",
            ]
            if single:
                options += [f"{a} for each {thing} where {c}", f"{a} for every {thing} where {c}"]
            if where.before and thing != "one":
                options = [
                    f"for each {where.before} {thing} {a}",
                    f"for every {where.before} {thing}, {a}",
                    f"for the {where.before} ones, {a}",
                    f"for all {where.before} {things} {a}",
                    f"go through the {where.before} {things} and {a}",
                    f"only for {where.before} {things}, {a}",
                    *options[:3],
                ]
        else:
            options = [
                f"for each {thing} {a}",
                f"for each {thing}, {a}",
                f"for every {thing} {a}",
                f"for each of the {things}, {a}",
                f"for every single {thing}, {a}",
                f"go through the {things} one by one and {a}",
                f"loop through the {things} and {a}",
                f"for all the {things}, {a}",
                f"for each of them {a}",
                f"for every one of them, {a}",
                f"go over each {thing} and {a}",
                f"loop over all {things}: {a}",
                f"with each {thing}, {a}",
                f"take each {thing} in turn and {a}",
                f"one by one, {a}",
            ]
            if single:
                options += [
                    f"{a} for each {thing}",
                    f"{a} for every {thing}",
                    f"{a} for each of them",
                    f"{a} for all {things}, one by one",
                    f"{a} for each one",
                ]
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
        lead = rng.choice(
            (
                f"depending on the {subject}: ",
                f"depending on {subject}, ",
                f"look at the {subject}: ",
                f"check the {subject}: ",
                f"based on the {subject}, ",
                f"route it by {subject}: ",
                f"switch on {subject}: ",
                f"it depends on the {subject}: ",
                f"decide by {subject}: ",
                f"according to the {subject}, ",
            )
        )
        tail = ""
        if default:
            tail = (
                rng.choice(
                    (
                        ", otherwise ",
                        ", for anything else ",
                        "; anything else: ",
                        ", and in all other cases ",
                        ", for all others ",
                        ", else ",
                        " and for everything else ",
                        ", if none of these, ",
                    )
                )
                + default.vp
            )
        vp = lead + parts + tail
        return Chunk(
            vp, vp, (Choose(subject, cases, default.nodes if default else ()),), "switch", bool(re.match(r"(?:look|check|route|switch|decide)\b", vp))
        )

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
            wait = rng.choice(
                (
                    f" every {size}",
                    f", waiting {size} in between," if count != 1 else f", waiting a {unit} in between,",
                    f" and wait {pause.imperative.split(' ', 1)[1]}" if pause.imperative.startswith("wait ") else f" every {size}",
                    f" with a pause of {size} in between" if count != 1 else f" every {size}",
                )
            )
            wait = wait.replace(" a hour", " an hour")
        out = (Repeat(tuple(nodes), condition),)
        if terse:
            vp = rng.choice(
                (
                    f"repeat {self.short(body, ', ')}{wait.rstrip(',')} until {note}",
                    f"until {note}: {self.short(body, ', ')}{wait.rstrip(',')}",
                    f"{self.short(body, ', ')}{wait.rstrip(',')} till {note}",
                )
            )
            return Chunk(vp, vp, out, "until", False)
        verbal = body[0].verbal
        options = [
            f"repeat this until {clause}: {a}{wait.rstrip(',')}",
            f"do this over and over until {clause}: {a}{wait.rstrip(',')}",
            f"until {clause}, {a}{wait.rstrip(',')}",
            f"{a}{wait} until {clause}",
            f"{a}{wait} again and again until {clause}",
            f"{a}{wait} as long as it takes until {clause}",
            f"{a}{wait} till {clause}",
            f"loop until {clause}: {a}{wait.rstrip(',')}",
        ]
        if verbal and len(body) == 1:
            options += [
                f"keep trying to {a}{wait} until {clause}",
                f"keep {gerund(a)}{wait} until {clause}",
                f"keep {gerund(a)}{wait} until {clause}",
                f"retry to {a}{wait} until {clause}",
                f"don't stop {gerund(a)}{wait} until {clause}",
            ]
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
                    if (operation == FORMS_RESPONSE and previous == "shared_microsoftforms.CreateFormWebhook") or (
                        operation == MANAGER and isinstance(following, Step) and following.operation == APPROVAL
                    ):
                        pass
                    elif operation == APPROVAL:
                        chunks.append(self.approval(terse, of_manager=previous == MANAGER))
                    elif (
                        operation == GET_FILE
                        and previous in PROPERTIES_ONLY
                        and isinstance(following, Step)
                        and "file_content" in self.pool.wordings[following.operation].roles.values()
                    ):
                        pass
                    else:
                        wording = self.pool.wordings[operation]
                        has_column = any("/" in k and k not in wording.order for k, _ in node.stated)
                        chunks.append(
                            self.column(operation, wording)
                            if has_column and wording.open_keys and CHANGES.match(operation.partition(".")[2])
                            else self.act(operation, terse)
                        )
                    previous = operation
                case When():
                    chunks.append(self.when(node, previous, terse))
                case Each():
                    chunks.append(self.loop(node, previous, terse))
                case Choose():
                    bodies = [self.block(b, previous, terse) for _, b in node.cases]
                    default = self.block(node.default, previous, terse) if node.default else None
                    names = tuple(str(v) for v, _ in node.cases)
                    keep = (
                        self.rng.random() < 0.65 and conditions.names_a_field(node.subject) and all(re.fullmatch(r"[\w .&-]{1,25}", n) for n in names)
                    )
                    chunks.append(self.choose(bodies, default, terse, (node.subject, names) if keep or len(bodies) > 3 else None))
                    if len(bodies) > 3 and not keep:
                        raise Lost
                case Repeat():
                    chunks.append(self.again(node, previous, terse))
        return chunks

    def block(self, nodes: tuple[Node, ...], previous: str, terse: bool) -> Chunk:
        chunks = self.shaped(nodes, previous, terse)
        if not chunks:
            raise Lost
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
            raise Lost
        if kind != "compare":
            return self.outcome(kind, then, otherwise, terse)
        tests = self.tests(node.condition, previous)
        return self.conditional(tests.clause, tests.note, tests.condition, then, otherwise, terse)

    def loop(self, node: Each, previous: str, terse: bool) -> Chunk:
        thing = "attachment" if previous in MAIL_TRIGGERS or "OnNewEmail" in previous else self.thing(previous)
        only = node.body[0] if len(node.body) == 1 else None
        if isinstance(only, When) and not only.otherwise and only.condition.tests[0].kind == "compare" and self.rng.random() < 0.7:
            return self.each(thing, self.block(only.then, previous, terse), terse, self.tests(only.condition, previous))
        return self.each(thing, self.block(node.body, previous, terse), terse)

    def again(self, node: Repeat, previous: str, terse: bool) -> Chunk:
        rng, kind = self.rng, node.condition.tests[0].kind
        body = tuple(n for n in node.body if not (isinstance(n, Step) and n.operation == DELAY))
        pause = schedules.pause(rng) if len(body) < len(node.body) else None
        if any(not isinstance(n, Step) for n in body) or not body or (pause and node.body[-1] in body):
            raise Lost
        chunks = self.shaped(body, previous, terse)
        goal: conditions.Tests | None = None
        if kind == "compare":
            goal = conditions.said(rng, node.condition.tests[0]) if len(node.condition.tests) == 1 and rng.random() < 0.5 else None
        else:
            clause = {
                "approved": ("it's approved", "it is approved", "they say yes", "they approve"),
                "rejected": ("it's rejected",),
                "found": ("there is one", "it's there", "it turns up", "something is found"),
                "none": ("there is none left", "nothing is found", "there's nothing left"),
            }[kind]
            goal = conditions.Tests(
                rng.choice(clause), {"approved": "approved", "found": "found", "none": "nothing left"}.get(kind, kind), node.condition
            )
        return self.repeat(chunks, pause, terse, goal)
