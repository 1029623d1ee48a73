"""The names of actions, and the annotations that give them.

In: statements, or the names a definition gives. Out: names in the order of `tree.walk`, unique in the flow without regard to case. Also the names and
the order of all annotations that mean something in a definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nl2dsl.dsl.tree import Annotation, Assign, Call, Expression, For, If, Let, Literal, Opaque, Parallel, Scope, Statement, Switch, Try, Until
from nl2dsl.dsl.wire import Notes

# The annotations of steps, in the order in which they stand above one. Those of the last two lines carry raw JSON of the action.
ANNOTATIONS = (
    *("name", "key", "variable", "runAfter", "catch", "finally", "cases", "kind", "type", "connection", "authentication", "host"),
    *("splitOn", "recurrence", "condition", "expression", "structured", "retry", "limit", "settings", "metadata", "inputs", "definition", "extra"),
)
# Those of the flow. `connections` (by connector) and `authentication` are what calls have unless they say otherwise; `ids` holds the id the designer gave each
# action, by its name.
FLOW_ANNOTATIONS = ("connections", "authentication", "parameters", "triggers", "definition", "ids")
RAW_KEYS = {"limit": "limit", "settings": "runtimeConfiguration", "metadata": "metadata"}
DEFAULT_NAMES: dict[type, str] = {
    **{If: "Condition", For: "Apply_to_each", Switch: "Switch", Until: "Do_until", Scope: "Scope"},
    **{Let: "Initialize_variable", Opaque: "Action"},
}
_STEP_NAMES = {
    **{name: name for name in ("Response", "Terminate", "Delay")},
    **{"DelayUntil": "Delay_until", "ResponsePowerApp": "Respond_to_a_PowerApp_or_flow", "ResponseSkills": "Respond_to_the_agent"},
    **{"AppendToArrayVariable": "Append_to_array_variable", "AppendToStringVariable": "Append_to_string_variable"},
}
ASSIGNMENT_NAMES = {"=": "Set_variable", "+=": "Increment_variable", "-=": "Decrement_variable"}


def result_name(connector: str, operation: str) -> str:
    """The canonical name of what a call delivers."""
    return "outputs_" + default_name(connector, operation)


def default_name(connector: str, operation: str) -> str:
    """The action name of a call that nobody named."""
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{connector}_{operation}" if connector else operation)


def step_name(connector: str, operation: str) -> str:
    """The action name of a call that has no result either: the designer's for built-ins that deliver nothing."""
    return (_STEP_NAMES.get(operation) if connector == "builtin" else None) or default_name(connector, operation)


@dataclass(frozen=True, slots=True)
class Slot:
    """The names one statement needs: given ones, or bases to make unique."""

    given: tuple[str, ...]
    bases: tuple[str, ...]
    shared: bool = False  # variables initialised by one action share its name


def allocate(slots: Iterable[Slot]) -> list[tuple[str, ...]]:
    """Action names in the order of the slots: given names first, then each base as it is or with the next free number."""
    slots = list(slots)
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    names: list[tuple[str, ...]] = [()] * len(slots)
    for number, slot in enumerate(slots):
        if not slot.given:
            continue
        again = slot.shared and number > 0 and slots[number - 1].shared and slots[number - 1].given == slot.given
        names[number] = slot.given if again else tuple(unique(name, taken, numbers) for name in slot.given)
    for number, slot in enumerate(slots):
        if not slot.given:
            names[number] = tuple(unique(name, taken, numbers) for name in slot.bases)
    return names


def unique(name: str, taken: set[str], numbers: dict[str, int]) -> str:
    """Names of actions do not mind case."""
    candidate = name
    while candidate.lower() in taken:
        numbers[name] = numbers.get(name, 1) + 1
        candidate = f"{name}_{numbers[name]}"
    taken.add(candidate.lower())
    return candidate


def notes_of(annotations: tuple[Annotation, ...]) -> Notes:
    return {annotation.name: annotation.arguments for annotation in annotations}


def texts(arguments: tuple[Expression, ...]) -> tuple[str, ...]:
    return tuple(a.value for a in arguments if isinstance(a, Literal) and isinstance(a.value, str))


def given_names(notes: Notes) -> tuple[str, ...]:
    """The action names that `@name` (as the designer shows it) or `@key` (as it is in the JSON) give."""
    if "key" in notes:
        return texts(notes["key"])
    return tuple(name.replace(" ", "_") for name in texts(notes.get("name", ())))


def slot_of(statement: Statement) -> Slot:
    given = given_names(notes_of(statement.annotations)) if statement.annotations else ()
    if isinstance(statement, Call):
        if not given and statement.result:
            given = (statement.result.removeprefix("outputs_") or statement.result,)
        return Slot(given[:1], (step_name(statement.connector, statement.operation),))
    if isinstance(statement, Try):
        bases = ("Try", *(("Catch",) if statement.catch else ()), *(("Finally",) if statement.final else ()))
        return Slot(given if len(given) == len(bases) else (), bases)
    if isinstance(statement, Parallel):
        return Slot((), ())
    base = ASSIGNMENT_NAMES.get(statement.operator, "Set_variable") if isinstance(statement, Assign) else DEFAULT_NAMES[type(statement)]
    return Slot(given[:1], (base,), isinstance(statement, Let))


def trigger_name(connector: str, operation: str) -> str:
    if connector == "commonTrigger":
        return operation if operation in ("Recurrence", "SlidingWindow") else "manual"
    return default_name("", operation)
