"""What a request comes to: a flow, a refusal or a failure, with the time each stage took (DESIGN §7).

In: the results of `generate`. Out: three dataclasses told apart by `match`, and `row`, the flat form that batch output and scorers read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nl2dsl.dsl import tree
from nl2dsl.dsl.checker import Missing
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Facts:
    """What every outcome carries. `seconds` by stage (retrieve, prompt, decode, check, total); `tokens` are prompt, completion and, of these, forced decisions."""

    query: str
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    model: str = ""
    catalog: str = ""
    tenant: str = ""
    arm: str = ""


@dataclass(frozen=True, slots=True)
class Authored:
    """A flow that parses and checks; `confidence` is the model's own probability of its operations and control, 0 to 1."""

    facts: Facts
    dsl: str
    flow: tree.Flow
    workflow: dict[str, Any]
    operations: tuple[str, ...]
    missing: tuple[Missing, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    confidence: float = 1.0
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The request is one that must not become a flow."""

    facts: Facts
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Failed:
    """No flow: why (diagnostics), and the best attempt as text, '' when there is none."""

    facts: Facts
    diagnostics: tuple[Diagnostic, ...]
    attempt: str = ""


Outcome = Authored | Refused | Failed


def literal(value: tree.Expression) -> Any:
    """A literal as JSON; anything that must be computed as `{"expr": text}`."""
    from nl2dsl.dsl.text import unparse_expression

    match value:
        case tree.Literal():
            return value.value
        case tree.Array():
            return [literal(item) for item in value.items]
        case tree.Object():
            return {entry.key: literal(entry.value) for entry in value.entries}
        case _:
            return {"expr": unparse_expression(value)}


def _control(steps: tuple[tree.Statement, ...]) -> list[str]:
    names = {tree.If: "if", tree.For: "for", tree.Switch: "switch", tree.Until: "until"}
    return [names[type(s)] for s in tree.walk(steps) if type(s) in names]


def _diagnostic(d: Diagnostic) -> dict[str, Any]:
    return {"code": d.code, "severity": d.severity, "message": d.message, "hint": d.hint, "line": d.span.line, "column": d.span.column}


def row(outcome: Outcome) -> dict[str, Any]:
    """The flat JSON form, the same keys for every outcome (command-line contract, DESIGN §10)."""
    made: dict[str, Any] = {
        "query": outcome.facts.query, "outcome": "", "dsl": "", "operations": [], "calls": [], "control": [], "missing": [], "diagnostics": [], "category": None, "message": "",
        "seconds": outcome.facts.seconds, "tokens": outcome.facts.tokens, "model": outcome.facts.model, "catalog": outcome.facts.catalog, "tenant": outcome.facts.tenant, "arm": outcome.facts.arm,
    }  # fmt: skip
    match outcome:
        case Authored():
            calls = [{"operation": c.id, "parameters": {e.key: literal(e.value) for e in c.parameters}} for c in tree.calls(outcome.flow)]
            made |= {"outcome": "flow", "dsl": outcome.dsl, "workflow": outcome.workflow, "operations": list(outcome.operations), "calls": calls}
            made |= {
                "control": _control(outcome.flow.steps),
                "missing": [m._asdict() for m in outcome.missing],
                "diagnostics": [_diagnostic(d) for d in outcome.diagnostics],
            }
            made |= {"confidence": round(outcome.confidence, 4), "candidates": list(outcome.candidates)}
        case Refused():
            made |= {"outcome": "refusal", "category": outcome.refusal.category, "message": outcome.refusal.message, "dsl": ""}
        case Failed():
            made |= {"outcome": "failure", "dsl": outcome.attempt, "diagnostics": [_diagnostic(d) for d in outcome.diagnostics]}
    return made
