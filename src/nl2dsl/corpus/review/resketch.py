"""The sketch of a flow that somebody edited, so that the embedded model can learn from it, too.

In: the edited flow, the sketch from before (its conditions are the words for the ones in the flow), the request. Out: a sketch whose wiring gives exactly this flow, or "" when
there is none: a flow with data bound by hand says more than a sentence does.
"""

from __future__ import annotations

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import sketch, wiring
from nl2dsl.dsl.sketch import Choose, Condition, Each, Node, Repeat, Scalar, Sketch, SketchError, Step, Value, When
from nl2dsl.dsl.tree import Array, Call, Expression, Flow, For, If, Literal, Statement, Switch, Until


def resketch(flow: Flow, before: str, query: str, catalog: Catalog) -> str:
    """The text of the sketch, "" when there is none or none was there before."""
    try:
        old = sketch.parse(before)
    except SketchError:
        return ""
    if wiring.complete(old, catalog, query) == flow:
        return before
    try:
        found = _Sketching(old).sketch(flow)
    except _NoWords:
        return ""
    return sketch.unparse(found) if wiring.complete(found, catalog, query) == flow else ""


class _NoWords(Exception):
    """A sketch has no way to say this."""


class _Sketching:
    """Takes calls and their literals from the flow, conditions and subjects in their order from the sketch of before."""

    def __init__(self, old: Sketch) -> None:
        nodes = list(sketch.walk(old.steps))
        self.whens = [n.condition for n in nodes if isinstance(n, When)]
        self.repeats = [n.condition for n in nodes if isinstance(n, Repeat)]
        self.subjects = [n.subject for n in nodes if isinstance(n, Choose)]

    def sketch(self, flow: Flow) -> Sketch:
        return Sketch(_step(flow.trigger), self.block(flow.steps))

    def block(self, steps: tuple[Statement, ...]) -> tuple[Node, ...]:
        return tuple(self.node(s) for s in steps)

    def node(self, statement: Statement) -> Node:
        match statement:
            case Call():
                return _step(statement)
            case If():
                return When(_next(self.whens), self.block(statement.then), self.block(statement.otherwise))
            case For():
                return Each(self.block(statement.body))
            case Switch():
                subject = _next_subject(self.subjects)
                cases = tuple((_scalar(case.value), self.block(case.body)) for case in statement.cases)
                return Choose(subject, cases, self.block(statement.default))
            case Until():
                return Repeat(self.block(statement.body), _next(self.repeats))
            case _:
                raise _NoWords


def _next(conditions: list[Condition]) -> Condition:
    if not conditions:
        raise _NoWords
    return conditions.pop(0)


def _next_subject(subjects: list[str]) -> str:
    if not subjects:
        raise _NoWords
    return subjects.pop(0)


def _step(call: Call) -> Step:
    values = [(e.key, _stated(e.value)) for e in call.parameters]
    return Step(call.id, tuple((key, value) for key, value in values if value is not None))


def _stated(value: Expression) -> Value | None:
    match value:
        case Literal(value=str() | bool() | int() | float() as plain):
            return plain
        case Array(items=items) if items and all(isinstance(i, Literal) for i in items):
            return tuple(_scalar(i) for i in items)
        case _:
            return None


def _scalar(value: Expression) -> Scalar:
    if isinstance(value, Literal) and value.value is not None:
        return value.value
    raise _NoWords
