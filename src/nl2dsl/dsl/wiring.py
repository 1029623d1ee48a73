"""From a sketch to a whole flow: names, data, loops and conditions.

In: a `Sketch` (operations, stated values, control), the catalog, and the request's words if at hand. Out: a `Flow` that the checker has nothing
against. Data is bound by role (`binding.py`) from what is in scope (`scope.py`); what no rule can bind is left out and reported as missing
elsewhere. The pass is deterministic: the corpus is made with it, and serving completes with it what the model predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nl2dsl.catalog.model import Catalog, Operation, split_id
from nl2dsl.dsl import conditions, stated
from nl2dsl.dsl.binding import bind, wants_file
from nl2dsl.dsl.definition import result_name
from nl2dsl.dsl.profiles import Listing, Profile, profile
from nl2dsl.dsl.scope import TRIGGER, Hints, Scope, Source, hints, path
from nl2dsl.dsl.sketch import Choose, Each, Node, Repeat, Scalar, Sketch, Step, When, walk
from nl2dsl.dsl.tree import Call, Case, Entry, Expression, Flow, For, If, Literal, Statement, Switch, Until


def complete(sketch: Sketch, catalog: Catalog, query: str = "") -> Flow:
    """The flow a sketch means. Operations that the catalog does not know become calls without bound data."""
    return _Wiring(catalog, hints(query)).flow(sketch)


@dataclass(slots=True)
class _Wiring:
    catalog: Catalog
    hints: Hints
    scope: Scope = field(default_factory=Scope)
    taken: set[str] = field(default_factory=lambda: {TRIGGER.lower()})

    def flow(self, sketch: Sketch) -> Flow:
        known = self._profile(sketch.trigger.operation)
        trigger = Call(*split_id(sketch.trigger.operation), tuple(self._stated(known, sketch.trigger)), TRIGGER)
        self.scope.add(Source(TRIGGER, known, known.fields, known.lists, known.noun, trigger))
        return Flow(trigger, self._block(sketch.steps))

    def _profile(self, id: str) -> Profile:
        return profile(self.catalog, id) or _unknown(id)

    def _stated(self, known: Profile, step: Step) -> list[Entry]:
        found: dict[str, Entry] = {}
        for key, value in step.stated:
            entry = stated.entry(known.operation, key, value)
            if entry is not None:
                found.setdefault(entry.key, entry)
        return list(found.values())

    # --- statements ---

    def _block(self, nodes: tuple[Node, ...]) -> tuple[Statement, ...]:
        return tuple(self._node(n) for n in nodes)

    def _inside(self, nodes: tuple[Node, ...]) -> tuple[Statement, ...]:
        """A block whose results nobody behind it can count on."""
        mark = self.scope.enter()
        found = self._block(nodes)
        self.scope.leave(mark)
        return found

    def _node(self, node: Node) -> Statement:
        match node:
            case Step():
                return self._step(node)
            case When():
                condition = conditions.expression(node.condition, self.scope)
                return If(condition, self._inside(node.then), self._inside(node.otherwise))
            case Each():
                return self._each(node)
            case Choose():
                return self._choose(node)
            case Repeat():
                body = self._block(node.body)
                return Until(body, conditions.expression(node.condition, self.scope))

    def _step(self, step: Step) -> Statement:
        known = self._profile(step.operation)
        given = self._stated(known, step)
        attached = self._attachments() if wants_file(self.catalog, known, given) else None
        if attached is None:
            return self._call(step, known, given)
        source, listing = attached
        return self._loop(source, listing, path(source.name, listing.path), (step,))

    def _call(self, step: Step, known: Profile, given: list[Entry]) -> Call:
        parameters = bind(self.catalog, known, given, self.scope, self.hints)
        connector, operation = split_id(step.operation)
        call = Call(connector, operation, parameters, self._unique(result_name(connector, operation)))
        self.scope.add(Source(str(call.result), known, known.fields, known.lists, known.noun, call))
        return call

    def _unique(self, name: str) -> str:
        found, number = name, 1
        while found.lower() in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken.add(found.lower())
        return found

    def _choose(self, node: Choose) -> Switch:
        subject = conditions.subject(node.subject, self.scope)
        bodies: dict[str, tuple[Scalar, tuple[Node, ...]]] = {}
        for value, body in node.cases:  # a case given twice is one case
            earlier = bodies.get(repr(value))
            bodies[repr(value)] = (value, (*(earlier[1] if earlier else ()), *body))
        cases = tuple(Case(Literal(value), self._inside(body)) for value, body in bodies.values())
        return Switch(subject, cases, self._inside(node.default))

    # --- loops ---

    def _attachments(self) -> tuple[Source, Listing] | None:
        """The attachments of the trigger's mail, where a step outside any loop needs a file and nothing nearer has one."""
        if self.scope.walked or any(f.role == "file_content" for s in self.scope.sources for f in s.fields):
            return None
        return _attached(self.scope.trigger)

    def _each(self, node: Each) -> For:
        source, listing = self._walked(node)
        keys = listing.path if listing else ("body", "value")
        return self._loop(source, listing, path(source.name, keys), node.body)

    def _walked(self, node: Each) -> tuple[Source, Listing | None]:
        """The list a loop walks: attachments where its steps want files, else that of the nearest step, else of what the trigger brings."""
        attached = _attached(self.scope.trigger)
        if (
            attached
            and self._free(*attached)
            and self._wants_files(node)
            and not any(x.role == "list_of_files" for s in self.scope.steps() for x in s.lists)
        ):
            return attached
        for main in (True, False):
            for source in self._candidates():
                for listing in source.lists:
                    if listing.main == main and self._free(source, listing) and (main or listing.role != "other"):
                        return source, listing
        reader = next((s for s in self.scope.steps() if s.profile.reads), None)
        return reader or self.scope.last_step() or self.scope.trigger, None

    def _candidates(self) -> list[Source]:
        """Steps inside the loop around here, the item of that loop, then steps before it, then the trigger."""
        return list(reversed(self.scope.sources))

    def _free(self, source: Source, listing: Listing) -> bool:
        return (source.name, listing.path) not in self.scope.walked

    def _wants_files(self, node: Each) -> bool:
        inside = [self._profile(n.operation) for n in walk(node.body) if isinstance(n, Step)]
        if any(f.role == "file_content" for k in inside for f in k.fields):
            return False
        return any(wants_file(self.catalog, k, []) for k in inside)

    def _loop(self, source: Source, listing: Listing | None, walked: Expression, body: tuple[Node, ...]) -> For:
        name = self._item_name((listing.noun if listing else source.noun) or "item")
        mark = self.scope.enter()
        keys = listing.path if listing else ("body", "value")
        self.scope.walked.append((source.name, keys))
        fields, lists, noun = (listing.items, listing.lists, listing.noun) if listing else ((), (), source.noun)
        self.scope.add(Source(name, source.profile, fields, lists, noun, source.call, item=True))
        found = self._block(body)
        self.scope.walked.pop()
        self.scope.leave(mark)
        return For(name, walked, found)

    def _item_name(self, noun: str) -> str:
        used = {s.name for s in self.scope.items()}
        name, number = noun, 1
        while name in used:
            number += 1
            name = f"{noun}_{number}"
        return name


def _attached(source: Source) -> tuple[Source, Listing] | None:
    listing = next((x for x in source.lists if x.noun == "attachment"), None)
    return (source, listing) if listing else None


def _unknown(id: str) -> Profile:
    """An operation the catalog does not have: nothing is known of it, and the checker will say so."""
    connector, name = split_id(id)
    return Profile(Operation(connector, name, "any"), (), (), "", False, False, False, False, False, False)
