"""Scores one answer: what is right about it, and which mistakes it makes.

In: a `Case`, an answer (a row of `answers.jsonl`, see `outcome.row`), a catalog. Out: `Scores`; a score is None where the case does not say what would be right. A flow that has
errors scores as no flow at all, as the paper counts; its names are looked up all the same, so that what was invented shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nl2dsl.catalog.model import split_id
from nl2dsl.evaluation import metrics
from nl2dsl.evaluation.cases import Case
from nl2dsl.evaluation.metrics import Overlap

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog

Row = Mapping[str, Any]
Share = tuple[int, int]  # counted, of all


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: its kind, what would be right and what stands there ('' for nothing)."""

    kind: str
    wanted: str = ""
    made: str = ""


KINDS: dict[str, str] = {
    "non-parsed": "there is no flow, or it has errors",
    "wrong trigger": "the flow starts with another trigger",
    "sibling operation": "another operation of the right connector",
    "other connector": "an operation of another connector",
    "missing step": "a step that was asked for is not there",
    "extra step": "a step that nobody asked for",
    "order": "the right steps in another order",
    "control": "an if, a loop, a switch is missing or too much",
    "value not placed": "a value that was said is not where it belongs",
    "value invented": "a value stands where nothing was said",
    "ungrounded literal": "a text that the request does not say",
    "over-refusal": "refused, although nothing is wrong with the request",
    "not refused": "a flow for a request that must be refused",
    "other category": "refused for another reason",
    "side effects": "the flow does something else when it runs",
}


@dataclass(frozen=True, slots=True)
class Scores:
    """One answer. `seconds` and `tokens` are what it cost; `candidates` the share of gold operations among those the model was shown."""

    id: str
    repeat: int
    outcome: str
    parsed: bool | None = None
    similarity: float | None = None
    exact: bool | None = None
    same: bool | None = None
    order: float | None = None
    keys: Overlap | None = None
    values: Overlap | None = None
    references: Overlap | None = None
    control: Overlap | None = None
    control_there: bool | None = None
    hallucinated_operations: Share = (0, 0)
    hallucinated_parameters: Share = (0, 0)
    ungrounded: Share = (0, 0)
    placed: Share = (0, 0)
    invented: Share = (0, 0)
    refused: bool | None = None
    category: bool | None = None
    over_refused: bool | None = None
    execution: bool | None = None
    candidates: float | None = None
    missing: int = 0
    seconds: float | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    codes: tuple[tuple[str, str], ...] = ()
    mistakes: tuple[Mistake, ...] = ()


def score(case: Case, answer: Row, catalog: Catalog, execution: bool | None = None) -> Scores:
    """The scores of one answer; `execution` is whether both flows do the same when they run (`execution.py`), None when that was not measured."""
    made = Scores(
        case.id,
        int(answer.get("repeat", 0)),
        str(answer["outcome"]),
        seconds=answer.get("seconds", {}).get("total"),
        tokens=answer.get("tokens") or {},
        missing=len(answer.get("missing") or ()),
        codes=tuple((str(d["code"]), str(d["severity"])) for d in answer.get("diagnostics") or ()),
    )
    return _refusal(made, case, answer) if case.refuse else _flow(made, case, answer, catalog, execution)


def _refusal(made: Scores, case: Case, answer: Row) -> Scores:
    refused = answer["outcome"] == "refusal"
    right = refused and answer.get("category") == case.refuse
    mistakes = () if right else (Mistake("other category" if refused else "not refused", case.refuse, str(answer.get("category") or made.outcome)),)
    return replace(made, refused=refused, category=right if refused else None, mistakes=mistakes)


def _flow(made: Scores, case: Case, answer: Row, catalog: Catalog, execution: bool | None) -> Scores:
    refused = answer["outcome"] == "refusal"
    parsed = answer["outcome"] == "flow" and not any(severity == "error" for _, severity in made.codes)
    calls: Sequence[Row] = answer.get("calls") or [] if parsed else []
    operations = case.counted(answer.get("operations") or []) if parsed else []
    control = answer.get("control") or [] if parsed else []
    wrote = calls if parsed else _attempted(str(answer.get("dsl") or ""))
    wanted = case.calls
    shown = answer.get("candidates") or []
    made = replace(
        made,
        parsed=parsed or refused,  # a refusal is typed, and counted apart
        over_refused=refused,
        similarity=metrics.best_similarity(operations, case.answers),
        exact=metrics.exact(operations, case.answers),
        same=metrics.same_operations(operations, case.answers),
        order=max(metrics.order_score(operations, a) for a in case.answers),
        keys=None if wanted is None else metrics.parameter_keys(calls, wanted),
        values=None if wanted is None else metrics.parameter_values(calls, wanted),
        references=None if wanted is None else metrics.references(calls, wanted),
        control=metrics.control(control, case.control),
        control_there=not Counter(case.control) - Counter(control),
        hallucinated_operations=metrics.hallucinated_operations(wrote, catalog),
        hallucinated_parameters=metrics.hallucinated_parameters(wrote, catalog),
        ungrounded=metrics.ungrounded(case.query, calls, catalog),
        placed=metrics.placed(calls, case.stated),
        invented=metrics.invented(calls, case.open),
        execution=execution,
        candidates=len(set(case.gold) & set(shown)) / len(set(case.gold)) if shown and case.gold else None,
    )
    return replace(made, mistakes=tuple(mistakes(made, case, operations, calls, control)))


def _attempted(dsl: str) -> list[Row]:
    """The calls of a text that has errors, as far as it can be read."""
    from nl2dsl.dsl import tree
    from nl2dsl.dsl.text import parse

    flow, _ = parse(dsl) if dsl else (None, [])
    return [{"operation": c.id, "parameters": {e.key: {"expr": ""} for e in c.parameters}} for c in tree.calls(flow)] if flow else []


# --- what is wrong -------------------------------------------------------------------------------------------------------------


def mistakes(made: Scores, case: Case, operations: Sequence[str], calls: Sequence[Row], control: Sequence[str]) -> list[Mistake]:
    """Every mistake of an answer to a request for a flow."""
    if made.over_refused:
        return [Mistake("over-refusal")]
    if not made.parsed:
        return [Mistake("non-parsed", made=", ".join(dict.fromkeys(code for code, severity in made.codes if severity == "error")))]
    found = [] if made.exact else _steps(operations, max(case.answers, key=lambda a: metrics.flow_similarity(operations, a)))
    if not made.control_there or (case.helpers and Counter(control) != Counter(case.control)):
        found.append(Mistake("control", " ".join(case.control), " ".join(control)))
    found += [Mistake("value not placed", f"{k} = {metrics.said(v)}") for o, k, v in case.stated if not metrics.placed(calls, [(o, k, v)])[0]]
    found += [Mistake("value invented", made=f"{o} {k}") for o, k in case.open if metrics.invented(calls, [(o, k)])[0]]
    if made.ungrounded[0]:
        found.append(Mistake("ungrounded literal", made=str(made.ungrounded[0])))
    if made.execution is False:
        found.append(Mistake("side effects"))
    return found


def _steps(made: Sequence[str], wanted: Sequence[str]) -> list[Mistake]:
    """How two sequences of operations differ: the trigger, then what is absent and what is too much, paired where one stands for the other."""
    found = []
    if list(made[:1]) != list(wanted[:1]):
        found.append(Mistake("wrong trigger", wanted[0] if wanted else "", made[0] if made else ""))
    absent, extra = list((Counter(wanted[1:]) - Counter(made[1:])).elements()), list((Counter(made[1:]) - Counter(wanted[1:])).elements())
    if not absent and not extra and not found:
        return [Mistake("order", " → ".join(wanted[1:]), " → ".join(made[1:]))]
    for a in list(absent):
        sibling = next((e for e in extra if split_id(e)[0] == split_id(a)[0]), None)
        if sibling is not None:
            found.append(Mistake("sibling operation", a, sibling))
            absent.remove(a)
            extra.remove(sibling)
    both = min(len(absent), len(extra))
    found += [Mistake("other connector", a, e) for a, e in zip(absent[:both], extra[:both], strict=True)]
    return found + [Mistake("missing step", a) for a in absent[both:]] + [Mistake("extra step", made=e) for e in extra[both:]]
