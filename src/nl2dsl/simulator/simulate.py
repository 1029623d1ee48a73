"""One call that runs a flow: prepares what the engine needs, finds the trigger's data, injects failures.

In: a flow, a catalog, a seed, perhaps trigger data, failures and limits. Out: a `Run`; `UsageError` for a failure that names no step. What is run is the compiled
definition, so that run-after, names and expressions are those of the platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl.action_names import allocate, slot_of
from nl2dsl.dsl.definition import compile
from nl2dsl.dsl.tree import Assign, Call, Flow, If, Let, Opaque, Scope, Statement, Switch, Try, Until, walk
from nl2dsl.errors import UsageError
from nl2dsl.simulator import evaluate, trigger
from nl2dsl.simulator.evaluate import Context, Frame
from nl2dsl.simulator.execute import Engine, Fault, Known, Limits, Plan
from nl2dsl.simulator.mock import Hints, Mocks
from nl2dsl.simulator.trace import Entry, Run
from nl2dsl.simulator.values import MAX_TEXT

START = datetime(2026, 1, 5, 8, tzinfo=UTC)  # a Monday; other seeds start on other days
_DRAWS = 16  # sets of trigger data that are tried until the trigger's conditions hold
_ASSIGNMENTS = {"=": "builtin.SetVariable", "+=": "builtin.IncrementVariable", "-=": "builtin.DecrementVariable"}
_FAULT = re.compile(r"(.+?)(?:=(\d{3}|timedout)(?:x(\d{1,2}))?)?\Z", re.IGNORECASE | re.DOTALL)
UNSET: Any = object()


def run(
    flow: Flow,
    catalog: Catalog,
    *,
    seed: int = 0,
    data: Any = UNSET,
    fail: Iterable[str] = (),
    limits: Limits | None = None,
    hints: Hints | None = None,
    instant: bool = False,
) -> Run:
    """Runs a flow against mock connectors.

    `data` is what the trigger delivers: its body, or whole outputs (`{"body": …, "headers": …}`); without it, it is seeded. `fail` are steps that fail: `STEP`
    (every attempt with status 500), `STEP=404`, `STEP=TimedOut`, `STEP=503x2` (the first two attempts); STEP is the name of an action, of a result, or
    an operation. `hints` replaces what the flow compares properties with (see `mock.py`); `instant` lets calls take no time. Never raises on a flow that
    the checker passed; raises `UsageError` for a failure that names no step.
    """
    definition = compile(flow, catalog)
    known = _known(flow)
    start = START + timedelta(days=seed % 365)
    mocks = Mocks(seed, start, evaluate.hints(definition) if hints is None else hints)
    plan = Plan(definition, catalog, mocks, known, _faults(fail, flow, known), limits or Limits(), instant)
    source: tuple[str, Mapping[str, Any]] = next(iter(definition.get("triggers", {}).items()), ("manual", {}))
    return _started(flow, plan, source, data, seed)


def _started(flow: Flow, plan: Plan, source: tuple[str, Mapping[str, Any]], data: Any, seed: int) -> Run:
    name, described = source
    operation = plan.catalog.get(flow.trigger.id)
    for draw in range(1 if data is not UNSET else _DRAWS):
        outputs = trigger.given(data) if data is not UNSET else trigger.outputs(described, operation, plan.mocks, draw)
        record: dict[str, Any] = {"name": name, "status": "Succeeded", "outputs": outputs, "inputs": None}
        engine = Engine(plan, record)
        context = Context(engine, Frame())
        record["outputs"] = outputs = trigger.share(described, outputs, context)
        entry = Entry(name, flow.trigger.id, "Succeeded", plan.mocks.start, plan.mocks.start, None, outputs, line=flow.trigger.span.line)
        if trigger.holds(described, context):
            return engine.run(entry, seed)
    entry.status, entry.notes = "Skipped", ("a condition of the trigger is false",)
    return Run("Skipped", seed, plan.mocks.start, plan.mocks.start, entry, [], [])


def _named(flow: Flow) -> list[tuple[str, Statement]]:
    """Action names of the definition, and the statements they come from."""
    statements = list(walk(flow.steps))
    allocated = allocate(slot_of(statement) for statement in statements)
    return [(name, statement) for statement, names in zip(statements, allocated, strict=True) for name in names]


def _known(flow: Flow) -> dict[str, Known]:
    return {name.lower(): Known(_operation(statement), statement.span.line if statement.span.end else 0) for name, statement in _named(flow)}


def _operation(statement: Statement) -> str:
    match statement:
        case Call():
            return statement.id
        case Let():
            return "builtin.InitializeVariable"
        case Assign():
            return _ASSIGNMENTS.get(statement.operator, "builtin.SetVariable")
        case If():
            return "if"
        case Switch():
            return "switch"
        case Until():
            return "until"
        case Scope() | Try():
            return "scope"
        case Opaque():
            kind = statement.definition.get("type")
            return f"builtin.{getattr(kind, 'value', 'Action')}"
        case _:
            return "for"


def _faults(texts: Iterable[str], flow: Flow, known: Mapping[str, Known]) -> dict[str, Fault]:
    faults: dict[str, Fault] = {}
    for text in texts:
        match = _FAULT.match(text.strip()[:MAX_TEXT])
        if match is None:
            raise UsageError("a failure needs the name of a step", hint="--fail Send_an_email, --fail Send_an_email=404")
        step, status, times = match.groups()
        fault = Fault(0 if status and not status.isdigit() else int(status or 500), int(times or 0))
        names = _steps(step, flow, known)
        if not names:
            close = get_close_matches(step.lower(), [n for n, _ in _named(flow)] + list(known), n=3, cutoff=0.3)
            hint = (
                f"did you mean {' or '.join(f'`{c}`' for c in dict.fromkeys(close))}?"
                if close
                else "give the name of an action, of a result, or an operation"
            )
            raise UsageError(f"the flow has no step `{step}` to fail", hint=hint)
        faults |= dict.fromkeys(names, fault)
    return faults


def _steps(text: str, flow: Flow, known: Mapping[str, Known]) -> list[str]:
    """The actions a name means: one of that name or result, else all that call that operation."""
    lower = text.lower()
    for name, statement in _named(flow):
        if lower in (name.lower(), name.lower().replace("_", " ")) or (isinstance(statement, Call) and (statement.result or "").lower() == lower):
            return [name.lower()]
    return [name for name, what in known.items() if lower in (what.operation.lower(), what.operation.rpartition(".")[2].lower())]
