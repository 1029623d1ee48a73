"""Diagnostics: what is wrong with a flow, where, and what to do about it; and how that is shown to a person.

In: `Diagnostic` values made by `text`, `checker` and `definition`. Out: text in the manner of a good compiler. A mistake in a flow is always a value, never an
exception. Every code is registered in `CODES` with its title; `docs/language.md` explains each one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

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
    # R4xx: references and scope
    "R401": "unknown name",
    "R402": "result of a later step",
    "R403": "step may not have run",
    "R404": "name is defined twice",
    "R405": "assignment to something that is not a variable",
    "R406": "unknown variable type",
    "R407": "value does not fit the variable",
    # C5xx: control
    "C501": "loop over something that is not a list",
    "C502": "case is given twice",
    "C503": "condition is not true or false",
    "C504": "variable declared inside a block",
    "C505": "empty block",
    "C506": "nothing runs after this step",
    "C507": "case is not a fixed value",
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
}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `message` is one sentence without the code; `hint` is the next step, or ''."""

    code: str
    message: str
    span: Span = NOWHERE
    severity: Severity = "error"
    hint: str = ""


def errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those that make a flow unusable."""
    return [d for d in diagnostics if d.severity == "error"]


_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "info": "\x1b[1;36m", "frame": "\x1b[1;34m", "bold": "\x1b[1m"}
_RESET = "\x1b[0m"
_WIDEST = 160  # columns of source shown; a longer line is cut around the caret


def render(diagnostic: Diagnostic, source: str, path: str = "flow", color: bool = False) -> str:
    """The finding with the line it is about and carets under the span:

    error[N201]: connector `shared_x` has no operation `CreateHook`
     --> mail.flow:1:30
      |
    1 | triggerOutputs = await shared_x.CreateHook({});
      |                        ^^^^^^^^^^^^^^^^^^^
      = hint: did you mean `shared_x.CreateHooks`?
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
        ]
    )


def _tail(diagnostic: Diagnostic, mark: str, gutter: str) -> list[str]:
    return [f"{gutter} {mark} hint: {diagnostic.hint}"] if diagnostic.hint else []


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
