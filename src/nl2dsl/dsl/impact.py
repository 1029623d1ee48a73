"""What a changed catalog does to flows: which of them break, where, and what to write instead.

In: texts of flows, the old and the new catalog, and the changes between them (`catalog.diff`). Out: one `Impact` for each flow that is touched. A flow breaks where the checker
finds an error with the new catalog that it does not find with the old one, where a value is required now that the flow does not give, and where it reads a result that is no
longer there. Flows that use nothing that changed are not even parsed, so a corpus of many thousands takes seconds.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from nl2dsl.catalog.diff import Change
from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.read import with_platform
from nl2dsl.dsl.checker import TRIGGER_RESULT, check, expressions, missing, nodes
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Call, Flow, For, Name, Path, Span, Statement, blocks, calls
from nl2dsl.errors import UsageError
from nl2dsl.files import read_rows, read_text

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
    """The two catalogs and what changed between them, ready to be asked about flow after flow. Both get the operations of the platform itself, as every flow uses them."""

    def __init__(self, old: Catalog, new: Catalog, changes: Iterable[Change]) -> None:
        self.old, self.new = with_platform(old), with_platform(new)
        self.instead: dict[str, str] = {}
        self.renamed: set[tuple[str, str]] = set()  # keys that have a new name: whoever gives them under the old one is told so
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
                self.renamed.add((c.operation, c.new))
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
            elif m.operation in self.old and (m.operation, m.parameter) not in self.renamed:
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
                    "D801", f"`{place[0]}` no longer returns `{name.strip('/')}`", node.span, "error", "read something else of its result"
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


# --- where flows are found -----------------------------------------------------------------------------------------------------


def flows_at(path: str | FilePath) -> Iterator[tuple[str, str]]:
    """Names and texts of the flows at a path: a .flow file, a folder of them, or JSON lines with `dsl` (a corpus, a batch of outcomes). Raises `UsageError`."""
    path = FilePath(path)
    if path.is_dir():
        files = sorted(path.rglob("*.flow"))
        if not files:
            raise UsageError(
                f"{path}: no .flow file in this folder", hint="a corpus is a .jsonl file whose rows have `dsl`, a model is known by its card.json"
            )
        for file in files:
            yield str(file), read_text(file)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _rows_at(path)
    else:
        yield str(path), read_text(path)


def _rows_at(path: FilePath) -> Iterator[tuple[str, str]]:
    seen = False
    for line in read_rows(path):
        text = line.row.get("dsl")
        if isinstance(text, str):
            seen = True
            yield f"{path}:{line.number}", text
    if not seen:
        raise UsageError(f"{path}: no row has `dsl`", hint="rows of a corpus and of `nl2dsl generate --output` have it")


def card_at(path: str | FilePath) -> dict[str, Any] | None:
    """The card of a model or corpus at a path (`card.json`, or a folder with one), or None if there is none. Raises `UsageError` when it cannot be read."""
    path = FilePath(path)
    file = path / "card.json" if path.is_dir() else path
    if file.suffix != ".json" or not file.is_file():
        return None
    try:
        card = json.loads(read_text(file))
    except (ValueError, RecursionError) as e:
        raise UsageError(f"{file}: not JSON", hint="a card is written by `nl2dsl train` and `nl2dsl corpus`") from e
    if not isinstance(card, dict) or not isinstance(card.get("catalog"), str):
        raise UsageError(f"{file}: not a card: it names no catalog", hint="a card is written by `nl2dsl train` and `nl2dsl corpus`")
    return card


def card_verdict(card: dict[str, Any], old: Catalog, new: Catalog, changes: Iterable[Change]) -> tuple[bool, str]:
    """Whether the change breaks what a model or corpus has learned, and what to do."""
    if card["catalog"] == new.digest:
        return False, "was made for the new catalog"
    if card["catalog"] != old.digest:
        return False, "was made for neither of these catalogs, so nothing is known"
    gone = {c.operation for c in changes if c.breaking}
    if gone:
        return (
            True,
            f"was made for the old catalog; what it learned of {len(gone):,} operation{'' if len(gone) == 1 else 's'} is wrong now: build the corpus and train again",
        )
    return False, "was made for the old catalog; nothing it learned is wrong now"


def report_row(
    old: Catalog, new: Catalog, changes: Iterable[Change], verdicts: dict[str, tuple[bool, str]], found: Iterable[Impact], flows: int
) -> dict[str, Any]:
    """All of it as one JSON object; `flows` is how many were looked at."""

    def findings(of: Iterable[Diagnostic]) -> list[dict[str, Any]]:
        return [
            {"code": d.code, "severity": d.severity, "message": d.message, "hint": d.hint, "line": d.span.line, "column": d.span.column} for d in of
        ]

    return {
        "old": old.digest,
        "new": new.digest,
        "changes": [asdict(c) for c in changes],
        "flows": flows,
        "impacts": [{"flow": i.name, "breaks": findings(i.breaks), "notes": findings(i.notes), "unreadable": i.unreadable} for i in found],
        "cards": [{"path": path, "breaks": breaks, "verdict": verdict} for path, (breaks, verdict) in verdicts.items()],
    }
