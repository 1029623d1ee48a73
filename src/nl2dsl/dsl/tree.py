"""The tree of a flow: what `text.parse` makes of a `.flow` file and what every later pass reads.

In: nothing (plain data). Out: frozen dataclasses. Every node that a person wrote carries a `Span`; spans never take part in equality, so two
trees are equal when their meaning is. `walk` goes depth first in the order of execution, the order in which the metrics count operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Span(NamedTuple):
    """Where something stands in the source: offsets in characters, lines and columns from 1."""

    start: int = 0
    end: int = 0
    line: int = 1
    column: int = 1


NOWHERE = Span()


def _span() -> Any:
    return field(default=NOWHERE, compare=False, repr=False)


# --- expressions ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or null."""

    value: str | int | float | bool | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Entry:
    """One `"key": value` of an object or of a call's parameters; keys are flat strings exactly as in the workflow JSON."""

    key: str
    value: Expression
    span: Span = _span()  # of the key


@dataclass(frozen=True, slots=True)
class Object:
    entries: tuple[Entry, ...]
    span: Span = _span()

    def get(self, key: str) -> Expression | None:
        return next((entry.value for entry in self.entries if entry.key == key), None)


@dataclass(frozen=True, slots=True)
class Name:
    """A name in scope: `triggerOutputs`, the result of a step, a loop item or a variable."""

    id: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a property path. `x.key` is null-safe, as the designer writes it (`?['key']`); `x!.key` is strict (`['key']`)."""

    key: str | int | Expression
    strict: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Path:
    """A name or a function's result followed by properties: `outputs_GetItems.body.value[0]`."""

    base: Name | Function
    segments: tuple[Segment, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Function:
    """A workflow expression function by its real name: `formatDateTime(utcNow(), "yyyy-MM-dd")`."""

    name: str
    arguments: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Template:
    """A template string: text and expressions in turn, `Hello ${trigger.name}`."""

    parts: tuple[str | Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    """`==  !=  <  <=  >  >=  &&  ||`."""

    operator: str
    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression
    span: Span = _span()


Expression = Literal | Array | Object | Name | Path | Function | Template | Binary | Not


# --- statements ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Annotation:
    """A setting that is not logic, above the step it belongs to: `@retry({ "type": "none" })`, `@name("Send an email (V2)")`."""

    name: str
    arguments: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """One step (or the trigger): `result = connector.Operation({ "key": value, ... });`.

    `result` is the name other steps use; None when the author gave none. `comment` is the text of the `//` lines above.
    """

    connector: str
    operation: str
    parameters: tuple[Entry, ...] = ()
    result: str | None = None
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()  # of `connector.Operation`

    @property
    def id(self) -> str:
        return f"{self.connector}.{self.operation}" if self.connector else self.operation

    def get(self, key: str) -> Expression | None:
        return next((entry.value for entry in self.parameters if entry.key == key), None)


@dataclass(frozen=True, slots=True)
class If:
    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class For:
    """`for (item of list) { ... }`."""

    item: str
    source: Expression
    body: tuple[Statement, ...]
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Case:
    value: Expression
    body: tuple[Statement, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Switch:
    subject: Expression
    cases: tuple[Case, ...]
    default: tuple[Statement, ...] = ()
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Until:
    """`do { ... } until (condition);`."""

    body: tuple[Statement, ...]
    condition: Expression
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Scope:
    """`scope { ... }`: a group of steps, one unit for run-after."""

    body: tuple[Statement, ...]
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Try:
    """`try { ... } catch { ... } finally { ... }`: scopes with run-after."""

    body: tuple[Statement, ...]
    catch: tuple[Statement, ...] = ()
    final: tuple[Statement, ...] = ()
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Parallel:
    """`parallel { { ... } { ... } }`: branches that run side by side and join."""

    branches: tuple[tuple[Statement, ...], ...]
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Let:
    """`let total: integer = 0;`: a variable of the flow; `type` is '' when it follows from the value."""

    name: str
    type: str
    value: Expression | None = None
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Assign:
    """`total = x;`, `total += 1;`, `total -= 1;`."""

    name: str
    operator: str
    value: Expression
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Opaque:
    """A construct this language has no words for, carried along unchanged: `@name("X") opaque({ ...the JSON of the action... });`."""

    definition: Object
    comment: str = ""
    annotations: tuple[Annotation, ...] = ()
    span: Span = _span()


Statement = Call | If | For | Switch | Until | Scope | Try | Parallel | Let | Assign | Opaque


@dataclass(frozen=True, slots=True)
class Flow:
    """A whole flow: one trigger, then steps. `annotations` are those of the flow itself (`@@name("...")`), opaque to logic."""

    trigger: Call
    steps: tuple[Statement, ...]
    annotations: tuple[Annotation, ...] = ()
    comment: str = ""


def blocks(statement: Statement) -> tuple[tuple[Statement, ...], ...]:
    """The blocks inside a statement, in the order in which they run; () for a statement without any."""
    match statement:
        case If():
            return (statement.then, statement.otherwise)
        case Switch():
            return (*(case.body for case in statement.cases), statement.default)
        case For() | Until() | Scope():
            return (statement.body,)
        case Try():
            return (statement.body, statement.catch, statement.final)
        case Parallel():
            return statement.branches
        case _:
            return ()


def walk(steps: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, depth first, containers before what they hold."""
    for statement in steps:
        yield statement
        for block in blocks(statement):
            yield from walk(block)


def calls(flow: Flow) -> list[Call]:
    """The trigger, then every call in order."""
    return [flow.trigger, *(s for s in walk(flow.steps) if isinstance(s, Call))]


def operations(flow: Flow) -> list[str]:
    """The ordered identifiers the metrics count: trigger first, containers left out, variable statements as their built-ins."""
    ids = [flow.trigger.id]
    for statement in walk(flow.steps):
        match statement:
            case Call():
                ids.append(statement.id)
            case Let():
                ids.append("builtin.InitializeVariable")
            case Assign(operator="="):
                ids.append("builtin.SetVariable")
            case Assign(operator="-="):
                ids.append("builtin.DecrementVariable")
            case Assign():
                ids.append("builtin.IncrementVariable")
            case _:
                pass
    return ids
