"""What a changed catalog does to flows: which of them break, where, and what to write instead.

In: texts of flows, the old and the new catalog, and the changes between them (`catalog.diff`). Out: one `Impact` for each flow that is touched. A flow breaks where the checker
finds an error with the new catalog that it does not find with the old one, where a value is required now that the flow does not give, and where it reads a result that is no
longer there. Flows that use nothing that changed are not even parsed, so a corpus of many thousands takes seconds.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from nl2dsl.catalog.diff import Change
from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl.checker import TRIGGER_RESULT, check, expressions, missing, nodes
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Call, Flow, For, Name, Path, Span, Statement, blocks, calls

_CALL = re.compile(r"[A-Za-z_$][\w$-]*\s*\.\s*[A-Za-z_$][\w$-]*")


@dataclass(frozen=True)
class Impact:
    """What happens to one flow. `breaks` are errors, `notes` new warnings; `unreadable` says why the text is no flow, whatever the catalog."""

    name: str
    text: str
    breaks: tuple[Diagnostic, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    unreadable: str = ""


class Judge:
    """The two catalogs and what changed between them, ready to be asked about flow after flow."""

    def __init__(self, old: Catalog, new: Catalog, changes: Iterable[Change]) -> None:
        self.old, self.new = old, new
        self.instead: dict[str, str] = {}
        self.gone: dict[str, set[str]] = defaultdict(set)
        self.touched: set[str] = set()
        for c in changes:
            if c.what == "operation added":
                continue
            self.touched.add(c.operation)
            if c.what == "operation renamed":
                self.instead[c.operation] = c.new
            elif c.what == "parameter renamed":
                self.instead[f"{c.operation} {c.old}"] = c.new
            elif c.what == "result removed" and not c.parameter.startswith("("):
                self.gone[c.operation].add(c.parameter)

    def impact(self, name: str, text: str) -> Impact | None:
        """What happens to a flow; None when nothing does."""
        if not self._may_touch(text):
            return None
        flow, found = parse(text)
        if flow is None:
            return Impact(name, text, unreadable=found[0].message if found else "not a flow")
        before, after = check(flow, self.old), check(flow, self.new)
        fresh = _fresh(before, after)
        names = {call.span: call.id for call in calls(flow)}
        breaks = [self._advised(d, names.get(d.span, "")) for d in fresh if d.severity == "error"]
        breaks += [*self._newly_missing(flow), *self._lost_results(flow)]
        notes = [d for d in fresh if d.severity == "warning"]
        if not breaks and not notes:
            return None
        return Impact(name, text, tuple(sorted(breaks, key=lambda d: d.span.start)), tuple(notes))

    def _may_touch(self, text: str) -> bool:
        if "`" in text:  # names in backticks, or templates: the parser will know
            return True
        return any("".join(m[0].split()) in self.touched for m in _CALL.finditer(text))

    def _advised(self, d: Diagnostic, operation: str) -> Diagnostic:
        """The finding, with the likely new name of the operation or key it is about."""
        now = self.instead.get(operation) or self.instead.get(" ".join(re.findall(r"`([^`]+)`", d.message)))
        return replace(d, hint=f"it is likely `{now}` now", fixes=()) if now else d

    def _newly_missing(self, flow: Flow) -> Iterator[Diagnostic]:
        spans = {call.id: call.span for call in reversed(calls(flow))}
        asked = Counter((m.operation, m.parameter) for m in missing(flow, self.old))
        for m in missing(flow, self.new):
            if asked[m.operation, m.parameter] > 0:
                asked[m.operation, m.parameter] -= 1
            elif m.operation in self.old:
                what = f'`{m.operation}` requires "{m.parameter}" now'
                yield Diagnostic("D802", what, spans.get(m.operation, flow.trigger.span), "error", f"give it a value ({m.type})")

    # --- results that are no longer there

    def _lost_results(self, flow: Flow) -> Iterator[Diagnostic]:
        known: dict[str, tuple[str, tuple[str, ...]]] = {TRIGGER_RESULT: (flow.trigger.id, ())}
        if flow.trigger.result:
            known[flow.trigger.result] = (flow.trigger.id, ())
        yield from self._reads(flow.steps, known)

    def _reads(self, steps: tuple[Statement, ...], known: dict[str, tuple[str, tuple[str, ...]]]) -> Iterator[Diagnostic]:
        """`known` are the names in scope that stand for a result or a part of one: the operation, and the keys on the way there."""
        for statement in steps:
            for expression in expressions(statement):
                for node in nodes(expression):
                    lost = self._lost(node, known)
                    if lost:
                        yield lost
            inner = known
            if isinstance(statement, Call) and statement.result:
                known = {**known, statement.result: (statement.id, ())}
            elif isinstance(statement, For) and (source := _place(statement.source, known)):
                inner = {**known, statement.item: source}
            for block in blocks(statement):
                yield from self._reads(block, inner)

    def _lost(self, node: object, known: dict[str, tuple[str, tuple[str, ...]]]) -> Diagnostic | None:
        place = _place(node, known) if isinstance(node, Path) else None
        if place is None or not self.gone.get(place[0]):
            return None
        read = "/".join(place[1][1:] if place[1][:1] == ("body",) else place[1])
        for name in sorted(self.gone[place[0]]):
            if read == name.strip("/") or read.startswith(name.strip("/") + "/"):
                assert isinstance(node, Path)
                return Diagnostic(
                    "R401", f"`{place[0]}` no longer returns `{name.strip('/')}`", node.span, "error", "read something else of its result"
                )
        return None


def _place(value: object, known: dict[str, tuple[str, tuple[str, ...]]]) -> tuple[str, tuple[str, ...]] | None:
    """The operation a value comes from, and the keys on the way to it; positions in lists do not matter."""
    if isinstance(value, Name):
        return known.get(value.id)
    if isinstance(value, Path) and isinstance(value.base, Name) and value.base.id in known:
        operation, above = known[value.base.id]
        return operation, (*above, *(s.key for s in value.segments if isinstance(s.key, str)))
    return None


def _fresh(before: Iterable[Diagnostic], after: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Findings that were not there before. Hints do not count: they name what is near, which changes with the catalog."""
    seen = Counter((d.code, d.message, d.span) for d in before)
    fresh = []
    for d in after:
        if d.severity == "info":
            continue
        key: tuple[str, str, Span] = (d.code, d.message, d.span)
        if seen[key] > 0:
            seen[key] -= 1
        else:
            fresh.append(d)
    return fresh
