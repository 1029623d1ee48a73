"""Mending flows: the fixes of findings, and what `check --fix` does with those that are safe.

In: the text of a flow and a catalog. Out: `look` gives the findings with all their fixes (those that need the text, such as taking a statement out, are added here);
`mend` gives the text with every safe fix applied. Nothing outside the replaced words changes. A fix is only kept if the flow is better for it: no error more than before,
and a step nearer to none (`_Score`), so that mending ends, mending twice is mending once, and a flow without errors keeps none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import checker
from nl2dsl.dsl.diagnostics import Diagnostic, Edit, Fix, edited
from nl2dsl.dsl.text import parse, words_of
from nl2dsl.dsl.tree import Call, Flow, Let, Span, Statement, Switch, calls, walk
from nl2dsl.dsl.words import Word


class Mended(NamedTuple):
    """The text after mending, what was done in the order in which it was done, and what is left to say about it."""

    source: str
    done: tuple[tuple[Diagnostic, Fix], ...]
    left: tuple[Diagnostic, ...]


def look(source: str, catalog: Catalog) -> tuple[Flow | None, list[Diagnostic]]:
    """The flow and everything there is to say about it, with fixes."""
    flow, found = parse(source)
    if flow is None:
        return None, found
    found = checker.check(flow, catalog)
    return flow, _completed(source, flow, found) if any(d.code in _COMPLETIONS for d in found) else found


def mend(source: str, catalog: Catalog) -> Mended:
    """Applies safe fixes until none is left that makes the flow better."""
    done: list[tuple[Diagnostic, Fix]] = []
    _, found = look(source, catalog)
    while True:
        better = _better(source, found, catalog)
        if better is None:
            return Mended(source, tuple(done), tuple(found))
        source, found, applied = better
        done += applied


def _better(source: str, found: list[Diagnostic], catalog: Catalog) -> tuple[str, list[Diagnostic], list[tuple[Diagnostic, Fix]]] | None:
    """The text after all safe fixes at once, or else after the first one that helps; None when nothing does."""
    safe = _apart([(d, fix) for d in found for fix in d.fixes[:1] if fix.safe])
    score = _score(source, found)
    for attempt in ([safe] if safe else []) + ([[one] for one in safe] if len(safe) > 1 else []):
        text = apply(source, [fix for _, fix in attempt])
        _, after = look(text, catalog)
        if _score(text, after) < score:
            return text, after, attempt
    return None


def apply(source: str, fixes: Iterable[Fix]) -> str:
    """The text with fixes made that do not overlap."""
    return edited(source, (edit for fix in fixes for edit in fix.edits))


def _apart(safe: list[tuple[Diagnostic, Fix]]) -> list[tuple[Diagnostic, Fix]]:
    """Those that touch different places; of two at one place, the first."""
    taken: list[Edit] = []
    kept = []
    for diagnostic, fix in safe:
        if all(not (e.start < t.end and t.start < e.end) and e.start != t.start for e in fix.edits for t in taken):
            taken += fix.edits
            kept.append((diagnostic, fix))
    return kept


class _Score(NamedTuple):
    """How far a text is from being in order; every fix must lower it, in this order of importance."""

    unread: int  # characters behind a mistake at which reading stopped, 0 for a text that can be read
    errors: int
    names: int  # unknown operations hide what is wrong with their parameters
    warnings: int
    length: int


def _score(source: str, found: list[Diagnostic]) -> _Score:
    stopped = [d for d in found if d.code[0] == "S"]
    unread = 1 + len(source) - stopped[0].span.start if stopped else 0
    errors = sum(d.severity == "error" for d in found)
    names = sum(d.severity == "error" and d.code[0] == "N" for d in found)
    return _Score(unread, errors, names, sum(d.severity == "warning" for d in found), len(source))


# --- fixes that need the text --------------------------------------------------------------------------------------------------


class _Text:
    """The words of a text, to find where a statement or an entry begins and ends."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.words = words_of(source)
        self.at = {word.start_pos: number for number, word in enumerate(self.words)}

    def until(self, start: int, kinds: tuple[str, ...]) -> int | None:
        """The number of the first word of such a kind on the level of the word that starts at `start`."""
        depth = 0
        for number in range(self.at[start], len(self.words)):
            kind = self.words[number].type
            if depth == 0 and kind in kinds:
                return number
            depth += (kind in _OPENS) - (kind in _CLOSES)
            if depth < 0:
                return None
        return None

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """The same stretch with its line break, if it has its lines for itself."""
        head = self.source.rfind("\n", 0, start) + 1
        tail = self.source.find("\n", end)
        tail = len(self.source) if tail < 0 else tail + 1
        alone = not self.source[head:start].strip() and not self.source[end:tail].strip()
        return (head, tail) if alone else (start, end)


_OPENS = ("LPAR", "LSQB", "LBRACE", "TEMPLATE_OPEN", "TEMPLATE_START")
_CLOSES = ("RPAR", "RSQB", "RBRACE", "TEMPLATE_CLOSE", "TEMPLATE_END")


def _completed(source: str, flow: Flow, found: list[Diagnostic]) -> list[Diagnostic]:
    text = _Text(source)
    completed = []
    for diagnostic in found:
        complete = _COMPLETIONS.get(diagnostic.code)
        fixes = complete(diagnostic, flow, text) if complete is not None and not diagnostic.fixes else ()
        completed.append(replace(diagnostic, fixes=fixes) if fixes else diagnostic)
    return completed


def _without_let(diagnostic: Diagnostic, flow: Flow, text: _Text) -> tuple[Fix, ...]:
    """Takes out a variable nobody uses. Its comment may be worth keeping: then a person decides."""
    let = next((s for s in flow.steps if isinstance(s, Let) and s.span == diagnostic.span), None)
    return _removal(let, let.name, text, not let.comment) if let is not None else ()


def _without_call(diagnostic: Diagnostic, flow: Flow, text: _Text) -> tuple[Fix, ...]:
    call = next((s for s in walk(flow.steps) if isinstance(s, Call) and s.span == diagnostic.span), None)
    return _removal(call, call.id, text, False) if call is not None else ()


def _removal(statement: Let | Call, name: str, text: _Text, safe: bool) -> tuple[Fix, ...]:
    first = text.at.get(statement.span.start)
    end = text.until(statement.span.start, ("SEMI",)) if first is not None else None
    if first is None or end is None:
        return ()
    while isinstance(statement, Call) and first and text.words[first - 1].type in ("ASSIGN", "AWAIT"):
        first -= 1 if text.words[first - 1].type == "AWAIT" else 2
    start = statement.annotations[0].span.start if statement.annotations else text.words[first].start_pos
    edges = text.lines(start, text.words[end].end_pos)
    return (Fix(f"remove `{name}`", (Edit(*edges, ""),), safe),)


def _without_entry(diagnostic: Diagnostic, flow: Flow, text: _Text) -> tuple[Fix, ...]:
    """Takes out the second of two entries with one key, if they say the same."""
    call = next((c for c in calls(flow) if any(e.span == diagnostic.span for e in c.parameters)), None)
    start = diagnostic.span.start
    end = text.until(start, ("COMMA", "RBRACE", "RPAR"))
    number = text.at.get(start)
    if call is None or number is None or end is None or text.words[number - 1].type != "COMMA":
        return ()
    second = next(e for e in call.parameters if e.span == diagnostic.span)
    first = next(e for e in call.parameters if e.key == second.key)
    edit = Edit(text.words[number - 1].start_pos, text.words[end - 1].end_pos, "")
    return (Fix(f"remove the second `{second.key}`", (edit,), first.value == second.value),)


def _type_name(diagnostic: Diagnostic, flow: Flow, text: _Text) -> tuple[Fix, ...]:
    number = text.at.get(diagnostic.span.start)
    if number is None or number + 3 >= len(text.words) or text.words[number + 2].type != "COLON":
        return ()
    word = text.words[number + 3]
    meant = checker.TYPE_NAMES.get(word.value.lower())
    return (Fix.text(Span(word.start_pos, word.end_pos), meant, safe=True),) if meant else ()


def _without_case(diagnostic: Diagnostic, flow: Flow, text: _Text) -> tuple[Fix, ...]:
    """Takes out a case that cannot run."""
    for statement in walk(flow.steps):
        if isinstance(statement, Switch):
            for case in statement.cases:
                if case.value.span == diagnostic.span:
                    opening = text.until(case.span.start, ("LBRACE",))
                    if opening is None or opening + 1 >= len(text.words):
                        return ()
                    closing = _partner(text.words, opening)
                    return (Fix("remove this case", (Edit(*text.lines(case.span.start, text.words[closing].end_pos), ""),)),)
    return ()


def _partner(words: list[Word], opening: int) -> int:
    depth = 0
    for number in range(opening, len(words)):
        depth += (words[number].type in _OPENS) - (words[number].type in _CLOSES)
        if depth == 0:
            return number
    return len(words) - 1


def _without_scope(diagnostic: Diagnostic, flow: Flow, text: _Text) -> tuple[Fix, ...]:
    """Takes out a `scope` that holds nothing."""
    statement: Statement | None = next((s for s in walk(flow.steps) if s.span == diagnostic.span), None)
    opening = text.until(diagnostic.span.start, ("LBRACE",)) if diagnostic.span.start in text.at else None
    if statement is None or opening is None or statement.comment or text.words[text.at[diagnostic.span.start]].type != "SCOPE":
        return ()
    start = statement.annotations[0].span.start if statement.annotations else diagnostic.span.start
    return (Fix("remove this block", (Edit(*text.lines(start, text.words[_partner(text.words, opening)].end_pos), ""),)),)


_COMPLETIONS: dict[str, Callable[[Diagnostic, Flow, _Text], tuple[Fix, ...]]] = {
    "P302": _without_entry,
    "R406": _type_name,
    "R408": _without_call,
    "R409": _without_let,
    "C502": _without_case,
    "C505": _without_scope,
}
