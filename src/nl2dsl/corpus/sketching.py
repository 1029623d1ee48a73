"""The sketch of a flow that people made: of its operations, control and values exactly what a request says of them. The inverse of wiring (`dsl/wiring.py`).

In: a flow, a request for it, a catalog. Out: the text of a sketch, whose wiring calls the same operations in the same order; or `Unsaid`, with what a sketch of this request cannot say.
What only moves data about (variables, Compose, Parse JSON) is left out, as nobody asks for it; a step, a condition or a loop that the request does not mention is not left out: then there is no sketch.

    When an item is created in the SharePoint list Visits, if the status is Done, send an email to anna@contoso.com
    → shared_sharepointonline.GetOnNewItems(table="Visits"); if ("status" == "Done") { shared_office365.SendEmailV2(emailMessage/To="anna@contoso.com") }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nl2dsl.catalog.model import Catalog, Parameter
from nl2dsl.catalog.search import terms
from nl2dsl.corpus import making
from nl2dsl.corpus.describe import PLUMBING, named, sayable, title
from nl2dsl.corpus.schedules import DAYS
from nl2dsl.corpus.tasks import Item, facts
from nl2dsl.dsl import sketch, tree
from nl2dsl.dsl.sketch import NEGATED, Choose, Condition, Each, Node, Repeat, Scalar, Sketch, Step, Test, Value, When
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import (
    Array,
    Assign,
    Binary,
    Call,
    Expression,
    Flow,
    For,
    Function,
    If,
    Let,
    Literal,
    Name,
    Not,
    Parallel,
    Path,
    Scope,
    Statement,
    Switch,
    Try,
    Until,
)  # fmt: skip

MOST_STEPS = 12  # more is not said in one request
_SCHEDULES = frozenset(("commonTrigger.Recurrence", "commonTrigger.SlidingWindow"))
_UNITS = {
    "Second": r"second",
    "Minute": r"minute",
    "Hour": r"hour",
    "Day": r"\bday|daily|morning|evening|night|noon|weekday|\bat \d",
    "Week": r"week|(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    "Month": r"month",
    "Year": r"year|annual",
}
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_SAME = frozenset(("toLower", "toUpper", "trim", "string", "int", "float", "first", "coalesce"))  # of a value: said like the value
_OUTCOMES = frozenset(("outcome", "selectedoption", "response"))
_ANSWERED = re.compile(r"approv|accept|reject|declin|den(?:y|ied)|outcome|answer|\byes\b|\bno\b", re.IGNORECASE)
_PRESENT = re.compile(r"\b(?:any|no|none|found|finds?|exists?|there (?:is|are)|nothing|at least one|empty|results?|match\w*)\b", re.IGNORECASE)
_EMPTY = re.compile(r"empty|missing|blank|without|not set|\bno\b|null|filled", re.IGNORECASE)
_LOOPS = re.compile(r"\b(?:each|every|all|one by one|them|loop|for the|through)\b|\w+s\b", re.IGNORECASE)
_REPEATS = re.compile(r"until|repeat|keep|again|while", re.IGNORECASE)


class Unsaid(Exception):
    """The request does not say something of the flow; `kind` is what, to be counted."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def of(flow: Flow, query: str, catalog: Catalog) -> str:
    """The text of the sketch. Raises `Unsaid`."""
    teller = _Teller(query, catalog)
    trigger, steps = teller.step(flow.trigger), teller.block(flow.steps)
    found = Sketch(trigger, steps)
    called = sketch.operations(found)
    if len(called) == 1:
        raise Unsaid("nothing but moving data")
    if len(called) > MOST_STEPS:
        raise Unsaid(f"more than {MOST_STEPS} steps")
    wired, _ = parse(making.make(query, found, catalog).dsl)
    if wired is None or tree.operations(wired) != called:
        raise Unsaid("the wired flow is another one")
    return sketch.unparse(found)


class _Teller:
    def __init__(self, query: str, catalog: Catalog) -> None:
        self.query, self.catalog = query, catalog
        self.words = frozenset(terms(query))

    # --- statements ---

    def block(self, steps: tuple[Statement, ...]) -> tuple[Node, ...]:
        return tuple(node for s in steps for node in self.node(s))

    def node(self, statement: Statement) -> Iterator[Node]:
        match statement:
            case Call():
                if statement.id not in PLUMBING:
                    yield self.step(statement)
            case Let() | Assign():
                return
            case If():
                yield from self._when(statement)
            case For():
                if body := self.block(statement.body):
                    self._demand(_LOOPS, "a loop")
                    yield Each(body)
            case Switch():
                yield from self._choose(statement)
            case Until():
                if body := self.block(statement.body):
                    self._demand(_REPEATS, "a repetition")
                    yield Repeat(body, self.condition(statement.condition))
            case Try():
                if self.block(statement.catch):
                    raise Unsaid("what to do when something fails")
                yield from (*self.block(statement.body), *self.block(statement.final))
            case Scope() | Parallel():
                for block in tree.blocks(statement):
                    yield from self.block(block)
            case _:
                raise Unsaid("an action without words")

    def step(self, call: Call) -> Step:
        if call.id not in self.catalog:
            raise Unsaid("an operation the catalog does not know")
        if self.words.isdisjoint(_expected(call, self.catalog)):
            raise Unsaid("a step")
        return Step(call.id, tuple(self._schedule(call) if call.id in _SCHEDULES else self._stated(call)))

    def _when(self, statement: If) -> Iterator[Node]:
        then, otherwise = self.block(statement.then), self.block(statement.otherwise)
        if then or otherwise:
            test = statement.condition if then else Not(statement.condition)
            yield When(self.condition(test), then or otherwise, otherwise if then else ())

    def _choose(self, statement: Switch) -> Iterator[Node]:
        bodies = [(case.value, self.block(case.body)) for case in statement.cases]
        default = self.block(statement.default)
        cases = tuple((self.right(value), body) for value, body in bodies if body)
        if cases:
            yield Choose(self.left(statement.subject), cases, default)
        elif default:
            raise Unsaid("a condition")

    # --- conditions ---

    def condition(self, e: Expression) -> Condition:
        joined = e.operator if isinstance(e, Binary) and e.operator in ("&&", "||") else "&&"
        return Condition(tuple(self.tests(e, joined)), joined)

    def tests(self, e: Expression, joined: str) -> Iterator[Test]:
        if isinstance(e, Binary) and e.operator in ("&&", "||"):
            if e.operator != joined:
                raise Unsaid("a condition")
            yield from self.tests(e.left, joined)
            yield from self.tests(e.right, joined)
        else:
            yield self.test(e)

    def test(self, e: Expression) -> Test:
        match e:
            case Not(operand=Not(operand=inner)):
                return self.test(inner)
            case Not(operand=Binary(operator=operator) as inner) if operator in NEGATED:
                return self.compare(NEGATED[operator], inner.left, inner.right)
            case Not(operand=Function(name="empty", arguments=(inner,))):
                return self.empty(inner, "!=")
            case Function(name="empty", arguments=(inner,)):
                return self.empty(inner, "==")
            case Function(name="contains" | "startsWith" | "endsWith" as operator, arguments=(left, right)):
                return Test("compare", self.left(left), operator, self.right(right))
            case Binary(operator=operator) if operator in NEGATED:
                return self.compare(operator, e.left, e.right)
            case _:
                raise Unsaid("a condition")

    def compare(self, operator: str, left: Expression, right: Expression) -> Test:
        if isinstance(left, Literal) and not isinstance(right, Literal):
            operator, left, right = _TURNED.get(operator, operator), right, left
        if isinstance(left, Function) and left.name == "length" and isinstance(right, Literal):
            if (operator, right.value) in ((">", 0), (">=", 1), ("!=", 0), ("==", 0), ("<", 1)):
                self._demand(_PRESENT, "a condition")
                return Test("none" if operator in ("==", "<") else "found")
            raise Unsaid("a condition")
        if isinstance(right, Literal) and right.value in (None, "") and operator in ("==", "!="):
            return self.empty(left, operator)
        answer = _answer(left, right)
        if answer and operator in ("==", "!="):
            self._demand(_ANSWERED, "a condition")
            return Test("approved" if (answer == "approved") == (operator == "==") else "rejected")
        return Test("compare", self.left(left), operator, self.right(right))

    def empty(self, value: Expression, operator: str) -> Test:
        self._demand(_EMPTY, "a condition")
        return Test("compare", self.left(value), operator, "")

    def left(self, e: Expression) -> str:
        while isinstance(e, Function) and e.name in _SAME and e.arguments:
            e = e.arguments[0]
        text = self.find(named(e)) if isinstance(e, (Path, Name)) else None
        if text is None:
            raise Unsaid("a condition")
        return text

    def right(self, e: Expression) -> Scalar:
        match e:
            case Literal(value=bool(value)):
                return value
            case Literal(value=int() | float() as value):
                if self.find(str(value)) is not None:
                    return value
            case Literal(value=str(value)) if value.strip():
                text = self.find(value.strip())
                if text is not None:
                    return text
            case _:
                pass
        raise Unsaid("a condition")

    # --- values ---

    def find(self, text: str) -> str | None:
        """Whole words as the request writes them, best in the same letters."""
        pattern = rf"(?<!\w){re.escape(text)}(?!\w)"
        match = (re.search(pattern, self.query) or re.search(pattern, self.query, re.IGNORECASE)) if text else None
        return match[0] if match else None

    def _stated(self, call: Call) -> Iterator[tuple[str, Value]]:
        operation, doing = self.catalog.get(call.id), title(self.catalog, call).lower()
        for entry in call.parameters:
            key = re.sub(r"(?<=/)([^/]+)/Value$", r"\1", entry.key)
            parameter = operation.parameter(key) if operation is not None else None
            value = self._value(entry.value, parameter) if parameter is not None else None
            if value is not None and str(value).lower() not in doing:  # "post in a chat or channel" does not choose the channel
                yield key, value

    def _value(self, e: Expression, parameter: Parameter) -> Value | None:
        match e:
            case Literal(value=bool()):
                return None  # said in too many ways to be sure
            case Literal(value=int() | float() as number):
                return number if number >= 2 and self.find(str(number)) is not None else None
            case Literal(value=str(text)) if parameter.enum:
                return text if self.find(text) or self.find(f"{text}s") else None
            case Literal(value=str(text)) if sayable(text):
                return self.find(text.strip())
            case Array(items=items) if items:
                found = [self._value(item, parameter) for item in items]
                plain = tuple(v for v in found if v is not None and not isinstance(v, tuple))
                return plain if len(plain) == len(items) else None
            case _:
                return None

    def _schedule(self, call: Call) -> Iterator[tuple[str, Value]]:
        """Frequency and interval always, days and times as far as they are said."""
        given = {e.key: _plain(e.value) for e in call.parameters}
        frequency, interval = given.get("frequency", ()), given.get("interval", ()) or (1,)
        unit = str(frequency[0]) if frequency else ""
        if not re.search(_UNITS.get(unit, r"(?!)"), self.query, re.IGNORECASE) or not str(interval[0]).isdigit():
            raise Unsaid("a schedule")
        yield "frequency", unit
        yield "interval", int(interval[0])
        days = given.get("weekDays", ())
        if days and all(d in DAYS and re.search(rf"\b{str(d)[:3]}", self.query, re.IGNORECASE) for d in days):
            yield "weekDays", tuple(str(d) for d in days)
        hours = _numbers(given.get("hours", ()))
        if hours and all(self.find(str(h)) or self.find(str(h % 12 or 12)) or re.search(rf"\b{h % 12 or 12} ?[ap]m", self.query) for h in hours):
            yield "hours", hours
            minutes = tuple(m for m in _numbers(given.get("minutes", ())) if m)
            if minutes and all(re.search(rf":{m:02}\b", self.query) for m in minutes):
                yield "minutes", minutes

    def _demand(self, words: re.Pattern[str], kind: str) -> None:
        if not words.search(self.query):
            raise Unsaid(kind)


def _expected(call: Call, catalog: Catalog) -> frozenset[str]:
    """Words of which a request for this call has one: of its title, its service, its values."""
    return facts(Item("", Flow(call, ()), ""), catalog).mentions[0][1]


def _answer(left: Expression, right: Expression) -> str:
    """Whether somebody's answer is compared with the word for yes or no."""
    key = str(left.segments[-1].key) if isinstance(left, Path) and left.segments else ""
    said = str(right.value).lower() if isinstance(right, Literal) else ""
    if key.rpartition("/")[2].lower() not in _OUTCOMES:
        return ""
    return "approved" if said.startswith(("approv", "yes", "accept")) else "rejected" if said.startswith(("reject", "no", "declin", "den")) else ""


def _plain(e: Expression) -> tuple[Scalar, ...]:
    items = e.items if isinstance(e, Array) else (e,)
    return tuple(i.value for i in items if isinstance(i, Literal) and i.value is not None)


def _numbers(values: tuple[Scalar, ...]) -> tuple[int, ...]:
    return tuple(int(v) for v in values if str(v).isdigit())


__all__ = ["Unsaid", "of"]
