"""Diagnostics: what is wrong with a flow, where, and what to do about it; and how that is shown to a person.

In: `Diagnostic` values made by `text`, `checker` and `definition`. Out: text in the manner of a good compiler. A mistake in a flow is always a value, never an
exception. Every code is registered in `CODES` with its title; `docs/language.md` explains each one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nl2dsl.dsl.tree import NOWHERE, Span

Severity = Literal["error", "warning", "info"]

CODES: dict[str, str] = {
    # S1xx: the text is not a flow
    "S101": "unexpected text",
    "S102": "something is missing before this",
    "S103": "string is not closed",
    "S104": "character does not belong to the language",
    "S105": "the text ends too early",
    "S106": "number or escape cannot be read",
    "S107": "nested too deeply",
    "S108": "the flow is empty",
    "S109": "a flow starts with its trigger",
    "S110": "a step is called inside an expression",
    "S111": "this is not a statement",
    "S112": "parameters are not an object",
    "S113": "strings take double quotes",
    # N2xx: names of connectors, operations, functions, annotations
    "N201": "unknown operation",
    "N202": "unknown connector",
    "N203": "action where the trigger belongs",
    "N204": "trigger among the steps",
    "N205": "unknown function",
    "N206": "deprecated operation",
    "N207": "operation is not verified",
    "N208": "statement called like a step",
    # P3xx: parameters and types
    "P301": "unknown parameter",
    "P302": "parameter given twice",
    "P303": "wrong type",
    "P304": "value is not one of the allowed ones",
    "P305": "wrong number of arguments",
    "P306": "operator and operand do not fit",
    "P307": "list where one value belongs",
    "P308": "content of a file where text belongs",
    "P309": "value of another kind",
    "P310": "not a date",
    "P311": "date format means something else",
    # R4xx: references and scope
    "R401": "unknown name",
    "R402": "result of a later step",
    "R403": "step may not have run",
    "R404": "name is defined twice",
    "R405": "assignment to something that is not a variable",
    "R406": "unknown variable type",
    "R407": "value does not fit the variable",
    "R408": "result is never used",
    "R409": "variable is never used",
    "R410": "variable is written but never read",
    "R411": "variable has no value yet",
    "R412": "variable is set from itself",
    # C5xx: control
    "C501": "loop over something that is not a list",
    "C502": "case is given twice",
    "C503": "condition is not true or false",
    "C504": "variable declared inside a block",
    "C505": "empty block",
    "C506": "nothing runs after this step",
    "C507": "case is not a fixed value",
    "C508": "loop over a single thing",
    "C509": "condition is always the same",
    "C510": "branch never runs",
    "C511": "loop only ends at its limit",
    "C512": "loop without a pause",
    "C513": "nothing to catch",
    "C514": "schedule the platform does not take",
    "C515": "schedule is too fast",
    # M6xx: what a person must still say
    "M601": "required value is missing",
    # T7xx: what a package or a Logic App cannot hold
    "T701": "REST path is not known",
    "T702": "one connection for two APIs",
    "T703": "only Power Automate has this",
    "T704": "ids to be filled in",
    "T705": "not one trigger",
    "T706": "another flow is called",
    "T707": "parameter has no place in the request",
    # L8xx: what goes wrong although the flow is right
    "L801": "secret in the flow",
    "L802": "recipient given twice",
    "L803": "flow starts itself",
    "L804": "variable in a concurrent loop",
}


class Edit(NamedTuple):
    """Replaces the text between two offsets of the source."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A way to mend a finding. `title` says what it does; a `safe` one says what the author meant beyond doubt, so it may be done unasked (see `fix.py`)."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False

    @staticmethod
    def text(span: Span, text: str, title: str = "", safe: bool = False) -> Fix:
        """Replaces what stands at a span."""
        return Fix(title or f"write `{text}`", (Edit(span.start, span.end, text),), safe)

    @staticmethod
    def value(span: Span, value: str, safe: bool = False) -> Fix:
        """Replaces a literal by another text."""
        return Fix.text(span, json.dumps(value, ensure_ascii=False), "", safe)


def edited(source: str, edits: Iterable[Edit]) -> str:
    """The text with edits made that do not overlap."""
    pieces: list[str] = []
    position = 0
    for edit in sorted(set(edits)):
        pieces += [source[position : edit.start], edit.text]
        position = edit.end
    return "".join([*pieces, source[position:]])


def around(span: Span, before: str, after: str) -> tuple[Edit, ...]:
    """Puts something around what stands at a span."""
    return Edit(span.start, span.start, before), Edit(span.end, span.end, after)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `message` is one sentence without the code; `hint` is the next step, or ''; `fixes` are ways to do that step, the likeliest first."""

    code: str
    message: str
    span: Span = NOWHERE
    severity: Severity = "error"
    hint: str = ""
    fixes: tuple[Fix, ...] = ()


def errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those that make a flow unusable."""
    return [d for d in diagnostics if d.severity == "error"]


_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "info": "\x1b[1;36m", "frame": "\x1b[1;34m", "bold": "\x1b[1m", "added": "\x1b[1;32m"}
_RESET = "\x1b[0m"
_LINES = 3  # of a fix that are shown before and after
_WIDEST = 160  # columns of source shown; a longer line is cut around the caret


def render(diagnostic: Diagnostic, source: str, path: str = "flow", color: bool = False) -> str:
    """The finding with the line it is about and carets under the span:

    error[N201]: connector `shared_x` has no operation `CreateHook`
     --> mail.flow:1:30
      |
    1 | triggerOutputs = await shared_x.CreateHook({});
      |                        ^^^^^^^^^^^^^^^^^^^
      = hint: did you mean `shared_x.CreateHooks`?
      = fix: write `shared_x.CreateHooks` (check --fix does it)
    1 - triggerOutputs = await shared_x.CreateHook({});
    1 + triggerOutputs = await shared_x.CreateHooks({});
    """

    def paint(text: str, style: str) -> str:
        return f"{_COLOURS[style]}{text}{_RESET}" if color else text

    span = diagnostic.span
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", diagnostic.severity) + paint(f": {diagnostic.message}", "bold")
    lines = source.split("\n")
    if span == NOWHERE or not 1 <= span.line <= len(lines):
        return "\n".join([head, f" {paint('-->', 'frame')} {path}", *_tail(diagnostic, paint("=", "frame"), " ")])
    number = str(span.line)
    gutter = " " * len(number)
    shown, column = _window(lines[span.line - 1].rstrip("\r"), span.column - 1)
    width = max(1, min(span.end - span.start, len(shown) - column))
    bar = paint("|", "frame")
    return "\n".join(
        [
            head,
            f"{gutter}{paint('-->', 'frame')} {path}:{span.line}:{span.column}",
            f"{gutter} {bar}",
            f"{paint(number, 'frame')} {bar} {shown}",
            f"{gutter} {bar} {' ' * column}{paint('^' * width, diagnostic.severity)}",
            *_tail(diagnostic, paint("=", "frame"), gutter),
            *(line for fix in diagnostic.fixes[:1] for line in _change(fix, source, gutter, paint)),
        ]
    )


def _tail(diagnostic: Diagnostic, mark: str, gutter: str) -> list[str]:
    return [f"{gutter} {mark} hint: {diagnostic.hint}"] if diagnostic.hint else []


def _change(fix: Fix, source: str, gutter: str, paint: Callable[[str, str], str]) -> list[str]:
    """The lines that a fix changes, before and after; the same part of both where they are long."""
    start, end = min(e.start for e in fix.edits), max(e.end for e in fix.edits)
    head = source.rfind("\n", 0, start) + 1
    tail = source.find("\n", max(start, end - 1))
    tail = len(source) if tail < 0 else tail
    old = source[head:tail]
    new = edited(old, [Edit(e.start - head, min(e.end, tail) - head, e.text) for e in fix.edits])
    number = source.count("\n", 0, head) + 1
    note = " (check --fix does it)" if fix.safe else ""
    shown = [f"{gutter} {paint('=', 'frame')} fix: {fix.title}{note}"]
    for sign, style, text in (("-", "error", old), ("+", "added", new)):
        lines = text.split("\n") if text else []
        shown += [f"{number + i:>{len(gutter)}} {paint(f'{sign} {_window(line, start - head)[0]}', style)}" for i, line in enumerate(lines[:_LINES])]
        shown += [f"{gutter} {paint(f'{sign} …', style)}"] if len(lines) > _LINES else []
    return shown


def _window(line: str, column: int) -> tuple[str, int]:
    """The part of a line to show, and where the column falls in it. Control characters would move the carets, so they show as spaces."""
    line = "".join(c if c.isprintable() else " " for c in line)
    if len(line) <= _WIDEST:
        return line, min(column, len(line))
    start = max(0, min(column - _WIDEST // 2, len(line) - _WIDEST))
    left, right = ("…" if start else ""), ("…" if start + _WIDEST < len(line) else "")
    return left + line[start : start + _WIDEST] + right, column - start + len(left)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; '' when there is nothing to count."""
    counts = {"error": 0, "warning": 0, "info": 0}
    for d in diagnostics:
        counts[d.severity] += 1
    words = {"error": "error", "warning": "warning", "info": "note"}
    return ", ".join(f"{n} {words[s]}{'' if n == 1 else 's'}" for s, n in counts.items() if n)
