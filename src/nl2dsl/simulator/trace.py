"""What a run leaves behind: the trace of its steps, its side effects, its end; as data, as JSON and as text for people.

In: nothing (plain data that `execute.py` fills). Out: `Run` with `Entry` and `Effect`, `to_json` and `render`. Times are those of the virtual clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nl2dsl.simulator.values import plain

_SHORT = 100  # characters of inputs and outputs in the readable trace
_MARKS = {"Succeeded": "✓", "Failed": "✗", "Skipped": "–", "TimedOut": "⏱", "Cancelled": "■", "Running": "…"}


@dataclass(slots=True)
class Entry:
    """One action as it ran. `number` of a loop's inner action is its iteration (from 1), 0 elsewhere; `line` that of the `.flow` text, 0 unknown."""

    name: str
    operation: str
    status: str = "Running"
    start: datetime | None = None
    end: datetime | None = None
    inputs: Any = None
    outputs: Any = None
    error: dict[str, str] | None = None
    attempts: int = 1
    notes: tuple[str, ...] = ()
    number: int = 0
    line: int = 0
    secured: frozenset[str] = frozenset()
    children: list[Entry] = field(default_factory=list)

    def walk(self) -> Iterator[Entry]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Effect:
    """One call that writes, sends, asks or answers: what the flow did to the world. `step` is the action's name."""

    operation: str
    parameters: Any
    at: datetime
    step: str


@dataclass(slots=True)
class Run:
    """A finished run. `status`: Succeeded, Failed, Cancelled, TimedOut (30 days), Skipped (the trigger's condition was false) or Stopped (the budget).

    `declared` says that a Terminate ended it so; `steps` counts actions that ran.
    """

    status: str
    seed: int
    start: datetime
    end: datetime
    trigger: Entry
    trace: list[Entry]
    effects: list[Effect]
    error: dict[str, str] | None = None
    declared: bool = False
    steps: int = 0

    def entries(self) -> Iterator[Entry]:
        """All entries, depth first."""
        for entry in self.trace:
            yield from entry.walk()

    def find(self, name: str) -> list[Entry]:
        """Every time an action of that name ran, in order."""
        return [entry for entry in self.entries() if entry.name.lower() == name.lower()]


# --- JSON ----------------------------------------------------------------------------------------------------------------------


def to_json(run: Run) -> dict[str, Any]:
    """The run as one JSON object."""
    return {
        "status": run.status,
        "declared": run.declared,
        "error": run.error,
        "seed": run.seed,
        "start": _time(run.start),
        "end": _time(run.end),
        "steps": run.steps,
        "trigger": _entry(run.trigger),
        "trace": [_entry(entry) for entry in run.trace],
        "effects": [{"operation": e.operation, "parameters": plain(e.parameters), "at": _time(e.at), "step": e.step} for e in run.effects],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"name": entry.name, "operation": entry.operation, "status": entry.status}
    found |= {"start": _time(entry.start), "end": _time(entry.end)}
    if entry.number:
        found["iteration"] = entry.number
    if entry.line:
        found["line"] = entry.line
    for side in ("inputs", "outputs"):
        content = getattr(entry, side)
        if content is not None:
            found[side] = "(secured)" if side in entry.secured else plain(content)
    if entry.error:
        found["error"] = entry.error
    if entry.attempts > 1:
        found["attempts"] = entry.attempts
    if entry.notes:
        found["notes"] = list(entry.notes)
    if entry.children:
        found["steps"] = [_entry(child) for child in entry.children]
    return found


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


# --- text ----------------------------------------------------------------------------------------------------------------------


def render(run: Run) -> str:
    """The run for people: steps with their status, times, inputs and outputs in short, then the side effects and the end."""
    lines = [f"{_time(run.start)}  seed {run.seed}", *_lines(run.trigger, run.start, 0)]
    for entry in run.trace:
        lines += _lines(entry, run.start, 0)
    lines += ["", f"side effects: {len(run.effects)}"]
    for number, effect in enumerate(run.effects, 1):
        lines.append(f"{number:3}. {_since(effect.at, run.start)}  {effect.operation}")
        if isinstance(effect.parameters, dict) and effect.parameters:
            lines += [f"       {key}: {_short(item)}" for key, item in effect.parameters.items()]
        elif effect.parameters not in (None, {}):
            lines.append(f"       {_short(effect.parameters)}")
    lines += ["", _end(run)]
    return "\n".join(lines)


def _end(run: Run) -> str:
    why = f": {run.error.get('message') or run.error.get('code', '')}" if run.error else ""
    by = " by Terminate" if run.declared else ""
    return f"{run.status}{by} after {run.steps} steps, {_since(run.end, run.start).strip()}{why}"


def _lines(entry: Entry, start: datetime, depth: int) -> Iterator[str]:
    pad = "  " * depth
    at = _since(entry.start, start) if entry.start else " " * 10
    lasted = f"  {_lasting(entry)}" if entry.status not in ("Skipped",) and _lasting(entry) else ""
    tries = f"  {entry.attempts} attempts" if entry.attempts > 1 else ""
    operation = f"  ({entry.operation})" if entry.operation and entry.operation.rpartition(".")[2] != entry.name else ""
    yield f"{at}  {pad}{_MARKS.get(entry.status, '?')} {entry.name}{operation}{'' if entry.status == 'Succeeded' else '  ' + entry.status}{lasted}{tries}"
    margin = " " * 12 + pad + "    "
    for side, arrow in (("inputs", "<"), ("outputs", ">")):
        content = getattr(entry, side)
        if content is not None and content != {}:
            yield f"{margin}{arrow} {'(secured)' if side in entry.secured else _short(content)}"
    if entry.error and entry.error.get("code") != "ActionFailed":
        yield f"{margin}! {entry.error.get('code', '')}: {entry.error.get('message', '')}"
    for note in entry.notes:
        yield f"{margin}~ {note}"
    number = 0
    for child in sorted(entry.children, key=lambda e: e.number):
        if child.number != number:
            number = child.number
            yield f"{' ' * 12}{pad}  · {number}"
        yield from _lines(child, start, depth + (2 if number else 1))


def _since(moment: datetime | None, start: datetime) -> str:
    """Time since the start as `+h:mm:ss.s`, days before it."""
    tenths = round(((moment or start) - start).total_seconds() * 10)
    seconds, tenth = divmod(tenths, 10)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}.{tenth}"
    return f"+{days}d {clock}" if days else f"+{clock}".rjust(10)


def _lasting(entry: Entry) -> str:
    seconds = (entry.end - entry.start).total_seconds() if entry.start and entry.end else 0.0
    return f"{seconds:.1f}s" if 0.05 <= seconds < 120 else f"{seconds / 60:.0f}min" if seconds >= 120 else ""


def _short(content: Any) -> str:
    content = _cut(plain(content))
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


def _cut(content: Any, depth: int = 0) -> Any:
    """Less of what will be cut anyway, so that large values cost nothing."""
    if isinstance(content, str):
        return content[: _SHORT + 1]
    if isinstance(content, dict):
        return {key: _cut(item, depth + 1) for key, item in list(content.items())[:12]} if depth < 6 else "…"
    if isinstance(content, list):
        return [_cut(item, depth + 1) for item in content[:12]] if depth < 6 else "…"
    return content
