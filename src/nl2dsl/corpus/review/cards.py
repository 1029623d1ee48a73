"""A flow as people read it: one card a step, blocks inside one another, conditions in words.

In: the text of a flow, a catalog. Out: `Look`: plain data for the page (cards, findings as they would be printed, whether it could go into a corpus). Nothing here is HTML:
the page sets every word as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from nl2dsl import refusal
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import describe
from nl2dsl.dsl import fix
from nl2dsl.dsl.diagnostics import Diagnostic, render
from nl2dsl.dsl.text import unparse, unparse_expression
from nl2dsl.dsl.tree import (
    Array,
    Assign,
    Call,
    Expression,
    Flow,
    For,
    If,
    Let,
    Literal,
    Opaque,
    Parallel,
    Scope,
    Statement,
    Switch,
    Try,
    Until,
    calls,
)

Card = dict[str, Any]
_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Look:
    """`text` is the canonical form, "" for what is no flow; `errors` are what keeps it from being accepted."""

    text: str
    cards: list[Card]
    findings: list[dict[str, Any]]
    errors: int

    def row(self) -> dict[str, Any]:
        return {"cards": self.cards, "findings": self.findings, "errors": self.errors}


def look(source: str, catalog: Catalog) -> Look:
    """Reads and checks a text. A refusal is right as it is."""
    refused = refusal.read(source)
    if refused:
        return Look(
            refusal.mark(refused) + "\n", [{"kind": "refusal", "title": f"refused: {refused.category}", "text": refused.message, "line": 1}], [], 0
        )
    flow, found = fix.look(source, catalog)
    findings = [_finding(d, source) for d in sorted(found, key=lambda d: _ORDER[d.severity])]
    errors = sum(d.severity == "error" for d in found)
    made = cards(flow, catalog) if flow else []
    missing: dict[int, list[str]] = {}
    for d in found:
        if d.code == "M601":
            missing.setdefault(d.span.line, []).append(d.message.partition(" needs ")[2].replace("`", ""))
    for card in _all(made):
        card["missing"] = missing.get(card["line"], []) if "operation" in card else []
    return Look(unparse(flow) if flow else "", made, findings, errors)


def _finding(d: Diagnostic, source: str) -> dict[str, Any]:
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        "hint": d.hint,
        "line": d.span.line,
        "text": render(replace(d, fixes=()), source),
    }


def cards(flow: Flow, catalog: Catalog) -> list[Card]:
    """The trigger and the steps; containers hold `blocks`, each with a label and its steps. Results are called by their operation, not by their whole name."""
    made = [_call(flow.trigger, catalog) | {"kind": "trigger"}, *(_card(s, catalog) for s in flow.steps)]
    short = {call.result: _short(call) for call in calls(flow) if call.result}
    names = re.compile(rf"(?<![\w.])(?:{'|'.join(re.escape(name) for name in sorted(short, key=len, reverse=True))})(?!\w)") if short else None
    if names:
        _shorten(made, lambda text: names.sub(lambda found: short[found[0]], text))
    return made


def _short(call: Call) -> str:
    """`outputs_shared_x_GetItems_2` is GetItems_2; names that people gave stay."""
    whole = f"outputs_{call.connector}_{call.operation}"
    result = call.result or ""
    return "trigger" if result == "triggerOutputs" else result.removeprefix(f"outputs_{call.connector}_") if result.startswith(whole) else result


def _shorten(made: list[Card], change: Callable[[str], str]) -> None:
    for card in _all(made):
        if "code" in card:
            card["code"] = change(card["code"])
        for value in card.get("values", ()):
            if value["code"]:
                value["text"] = change(value["text"])


def _all(made: list[Card]) -> Iterator[Card]:
    """Every card, also those inside of others."""
    for card in made:
        yield card
        for block in card.get("blocks", ()):
            yield from _all(block["steps"])


def _card(statement: Statement, catalog: Catalog) -> Card:
    def block(label: str, steps: tuple[Statement, ...]) -> Card:
        return {"label": label, "steps": [_card(s, catalog) for s in steps]}

    made: Card
    match statement:
        case Call():
            return _call(statement, catalog)
        case If():
            otherwise = [block("otherwise", statement.otherwise)] if statement.otherwise else []
            made = _said("if", statement.condition) | {"blocks": [block("then", statement.then), *otherwise]}
        case For():
            made = {"kind": "for", "title": f"for each {statement.item} of", "code": unparse_expression(statement.source)}
            made["blocks"] = [block("", statement.body)]
        case Switch():
            blocks = [block(f"case {_plain(case.value)}", case.body) for case in statement.cases]
            made = {"kind": "switch", "title": "depending on", "code": unparse_expression(statement.subject)}
            made["blocks"] = [*blocks, *([block("otherwise", statement.default)] if statement.default else [])]
        case Until():
            made = _said("until", statement.condition) | {"blocks": [block("", statement.body)]}
            made["title"] = f"repeat until {made['title']}"
        case Try():
            parts = (("try", statement.body), ("if that fails", statement.catch), ("at the end", statement.final))
            made = {"kind": "try", "title": "with care for failures", "blocks": [block(label, steps) for label, steps in parts if steps]}
        case Parallel():
            made = {"kind": "parallel", "title": "side by side"}
            made["blocks"] = [block(f"branch {number}", steps) for number, steps in enumerate(statement.branches, 1)]
        case Scope():
            made = {"kind": "scope", "title": "group", "blocks": [block("", statement.body)]}
        case Let():
            value = [_value(statement.name, statement.value)] if statement.value is not None else []
            made = {"kind": "variable", "title": f"variable {statement.name}", "values": value}
        case Assign():
            title = {"=": "set", "+=": "increase", "-=": "decrease"}.get(statement.operator, "set")
            made = {"kind": "variable", "title": f"{title} {statement.name}", "values": [_value(statement.operator, statement.value)]}
        case Opaque():
            made = {"kind": "opaque", "title": "action without words for it", "code": unparse_expression(statement.definition)}
    return made | {"line": statement.span.line, "comment": statement.comment, "settings": [f"@{a.name}" for a in statement.annotations]}


def _call(call: Call, catalog: Catalog) -> Card:
    operation = catalog.get(call.id)
    return {
        "kind": "call",
        "title": describe.title(catalog, call),
        "service": describe.service(catalog, call.connector),
        "operation": call.id,
        "known": operation is not None,
        "values": [_value(e.key, e.value, _label(catalog, call, e.key)) for e in call.parameters],
        "line": call.span.line,
        "comment": call.comment,
        "settings": [f"@{a.name}" for a in call.annotations],
    }


def _label(catalog: Catalog, call: Call, key: str) -> str:
    operation = catalog.get(call.id)
    parameter = operation.parameter(key) if operation else None
    return parameter.title if parameter is not None and parameter.name == key and parameter.title else key.rpartition("/")[2]


def _value(key: str, value: Expression, label: str = "") -> Card:
    """`code` tells what is computed from what the words alone say."""
    plain = isinstance(value, Literal) or (isinstance(value, Array) and all(isinstance(i, Literal) for i in value.items))
    return {"key": key, "label": label or key, "text": _plain(value) if plain else unparse_expression(value), "code": not plain}


def _plain(value: Expression) -> str:
    match value:
        case Literal(value=str(text)):
            return text if text else '""'
        case Array(items=items) if items:
            return ", ".join(_plain(i) for i in items)
        case _:
            return unparse_expression(value)


def _said(kind: str, condition: Expression) -> Card:
    """A condition in words, where it has some, above the exact one."""
    words = describe.said(condition)
    vague = "the result" in words or "the given value" in words or "not the case" in words
    return {"kind": kind, "title": "" if vague else words, "code": unparse_expression(condition)}
