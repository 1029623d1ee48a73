"""Flows as sequences of typed decisions: what the embedded model predicts, one pointer at a time.

A sketch is written as decisions of six classes: a fixed symbol (`if`, `close`, a number …), an operation of the catalog, a parameter of the operation just
called, one of that parameter's enum values, and the first and the last token of a stretch of the query. Values are therefore never invented: text in a flow is
text of the query.

In: a sketch, the query's tokens, a catalog (`encode`), or decisions (`decode`). Out: decisions or a sketch. `automaton.Automaton` says which decisions may follow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.dsl.sketch import OPERATORS, Choose, Condition, Each, Node, Repeat, Scalar, Sketch, Step, Test, Value, When


class Kind(IntEnum):
    """The class of a decision; the number is its row in the model's type embedding."""

    FIXED = 0
    OPERATION = 1
    PARAMETER = 2
    ENUM = 3
    START = 4
    END = 5


class Decision(NamedTuple):
    kind: Kind
    index: int  # type: ignore[assignment]  # tuple.index is not used on a decision


# Words that conditions use although the sentence does not say them, and the numbers that people say in words.
WORDS = ("Status", "Type", "Priority", "Stage", "Category", "amount", "total", "sender", "from", "subject", "title", "message", "text", "file name", "file type", "extension",
         "size", "sentiment", "score", "rating", "temperature", "forecast", "answer", "choice", "response", "date", "due date", "quantity", "stock", "department", "country", "language",
         "count", "price", "state", "severity", "body", "email", "name", "attachments", "assigned to", "status code", "link", "Approved", "High", "Completed", "Yes", "No", "positive", "negative",
         "pdf", "Done", "image", "empty", "rain", "result", "today", "age", "due", "new", "changed")  # fmt: skip
TESTS = ("approved", "rejected", "found", "none")
CONTROL = ("end", "if", "for", "switch", "do", "close", "else", "case", "default", "and", "or", "endcondition", "compare", "true", "false", "endlist")
HIGHEST = 100
FIXED: tuple[str, ...] = (*CONTROL, *TESTS, *OPERATORS, *(f"word:{w}" for w in WORDS), *(f"number:{n}" for n in range(HIGHEST + 1)))
SYMBOL: dict[str, int] = {name: i for i, name in enumerate(FIXED)}
FIRST_WORD, FIRST_NUMBER = SYMBOL[f"word:{WORDS[0]}"], SYMBOL["number:0"]
_WORD_INDEX = {w.lower(): i for i, w in enumerate(WORDS)}

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Columns that people name by their meaning; any other column name is a stretch of the query.
CHILDREN = (
    "Status",
    "Title",
    "Priority",
    "Stage",
    "Category",
    "Name",
    "Email",
    "Department",
    "Amount",
    "Date",
    "Type",
    "Comment",
    "Description",
    "Owner",
    "State",
    "Approved",
)
SPAN_LIMIT = 64
NUMERIC = re.compile(r"-?(\d{1,15}|\d{1,3}(,\d{3}){1,4})(\.\d{1,9})?\Z")  # text of a query that is a number


def fixed(name: str) -> Decision:
    return Decision(Kind.FIXED, SYMBOL[name])


@lru_cache(maxsize=8192)
def choices(operation: Operation) -> tuple[Parameter, ...]:
    """The parameters a sentence can state a value for: the visible ones and the usual children of open objects."""
    offered: list[Parameter] = []
    own = {p.name for p in operation.parameters}
    for p in operation.parameters:
        if p.internal:
            continue
        if p.open:
            offered.append(p)  # chosen itself: the child's name is a stretch of the query
            offered += [
                replace(p, name=f"{p.name}/{child}", type="any", open=False, required=False, title=child, role="")
                for child in CHILDREN
                if f"{p.name}/{child}" not in own
            ]
        elif p.name == "weekDays":
            offered.append(replace(p, enum=WEEKDAYS))
        elif p.type in ("object", "file") and not p.enum:
            continue
        else:
            offered.append(p)
    seen: set[str] = set()
    unique = [p for p in offered if not (p.name in seen or seen.add(p.name))]  # type: ignore[func-returns-value]
    return tuple(unique[:96])


class Shape(IntEnum):
    """How the value of a parameter is written."""

    TEXT = 0
    ENUM = 1
    FLAG = 2
    NUMBER = 3
    NUMBERS = 4
    ENUMS = 5
    CHILD = 6


def shape(parameter: Parameter) -> Shape:
    if parameter.open:
        return Shape.CHILD
    if parameter.name == "weekDays" or (parameter.enum and parameter.type == "array"):
        return Shape.ENUMS
    if parameter.enum:
        return Shape.ENUM
    if parameter.type == "boolean":
        return Shape.FLAG
    if parameter.type in ("integer", "number"):
        return Shape.NUMBER
    if parameter.name in ("hours", "minutes", "monthDays"):
        return Shape.NUMBERS
    return Shape.TEXT


# A mail is sent to an address and a text to a number; "me" and "the driver" are neither, and stay to be asked for.
_MAIL = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+?\d(?:[ ()./-]{0,2}\d){5,}")
_RECIPIENTS = frozenset(("to", "cc", "bcc", "torecipients", "ccrecipients", "mailboxaddress"))


def address(p: Parameter) -> re.Pattern[str] | None:
    """What a value of the parameter must look like, when it is an address."""
    if p.role == "phone":
        return _PHONE
    return _MAIL if p.role == "person_email" and p.name.rsplit("/", 1)[-1].lower() in _RECIPIENTS else None


@dataclass(frozen=True, slots=True)
class Query:
    """A query and where its tokens stand: `offsets[i]` are the characters of token i, (0, 0) for the special ones."""

    text: str
    offsets: tuple[tuple[int, int], ...]

    def span(self, first: int, last: int) -> str:
        return self.text[self.offsets[first][0] : self.offsets[last][1]]

    def find(self, value: str) -> tuple[int, int] | None:
        """First and last token of `value`, letter case aside; None when it is not there or not on token borders."""
        wanted = value.strip()
        if not wanted:
            return None
        starts = {s: i for i, (s, e) in enumerate(self.offsets) if e > s}
        ends = {e: i for i, (s, e) in enumerate(self.offsets) if e > s}
        found = None
        for match in re.finditer(re.escape(wanted), self.text, re.IGNORECASE):
            first, last = starts.get(match.start()), ends.get(match.end())
            if first is not None and last is not None and last - first < SPAN_LIMIT:
                whole = not (self.text[match.start() - 1 : match.start()].isalnum() or self.text[match.end() : match.end() + 1].isalnum())
                if whole:
                    return first, last
                found = found or (first, last)
        return found


class NotSayable(ValueError):
    """The sketch holds something that decisions cannot express."""


class _Writer:
    def __init__(self, query: Query, catalog: Catalog, index: dict[str, int]) -> None:
        self.query, self.catalog, self.index = query, catalog, index
        self.out: list[Decision] = []
        self.dropped = 0

    def put(self, name: str) -> None:
        self.out.append(fixed(name))

    def span(self, text: str) -> bool:
        found = self.query.find(text)
        if found:
            self.out += [Decision(Kind.START, found[0]), Decision(Kind.END, found[1])]
        return bool(found)

    def scalar(self, value: Scalar) -> None:
        if isinstance(value, bool):
            return self.put("true" if value else "false")
        if isinstance(value, (int, float)):
            if self.span(str(value)):
                return None
            if isinstance(value, int) and 0 <= value <= HIGHEST:
                return self.put(f"number:{value}")
            raise NotSayable(f"number {value}")
        if value and self.span(value):
            return None
        word = value.lower() or "empty"
        if word in _WORD_INDEX:
            self.out.append(Decision(Kind.FIXED, FIRST_WORD + _WORD_INDEX[word]))
            return None
        raise NotSayable(f"`{value}` is not in the query")

    def value(self, parameter: Parameter, value: Value) -> None:
        items = value if isinstance(value, tuple) else (value,)
        match shape(parameter):
            case Shape.ENUM:
                self.out.append(Decision(Kind.ENUM, _enum(parameter, items[0])))
            case Shape.ENUMS:
                self.out += [Decision(Kind.ENUM, _enum(parameter, v)) for v in items]
                self.put("endlist")
            case Shape.NUMBERS:
                for v in items:
                    self.put(f"number:{_small(v)}")
                self.put("endlist")
            case Shape.FLAG:
                self.put("true" if str(items[0]).lower() == "true" else "false")
            case Shape.NUMBER:
                self.number(parameter, items[0])
            case _:
                if len(items) > 1:
                    raise NotSayable("several values")
                if not _addressed(address(parameter), _text(items[0])):
                    raise NotSayable(f"`{items[0]}` is no address")
                if not self.span(_text(items[0])):
                    raise NotSayable(f"`{items[0]}` is not in the query")

    def number(self, parameter: Parameter, value: Scalar) -> None:
        if parameter.name in ("interval", "interval/count"):  # said in words more often than in digits: one way to write them
            return self.put(f"number:{_small(value)}")
        text = _text(value)
        if not (NUMERIC.match(text) and self.span(text)):  # words for a number of the platform ("Foodies" for a group's id) cannot be said
            self.put(f"number:{_small(value)}")
        return None

    def step(self, step: Step) -> None:
        operation = self.catalog.get(step.operation)
        if operation is None:
            raise NotSayable(f"no operation `{step.operation}`")
        self.out.append(Decision(Kind.OPERATION, self.index[step.operation]))
        offered = choices(operation)
        positions = {p.name: i for i, p in enumerate(offered)}
        stated = sorted(step.stated, key=lambda pair: positions.get(pair[0], 999))  # one order, so that order carries no information
        for key, value in stated:
            mark = len(self.out)
            try:
                self.parameter(operation, offered, positions, key, value)
            except (NotSayable, KeyError, ValueError):
                del self.out[mark:]
                self.dropped += 1

    def parameter(self, operation: Operation, offered: Sequence[Parameter], positions: dict[str, int], key: str, value: Value) -> None:
        if key in positions:
            self.out.append(Decision(Kind.PARAMETER, positions[key]))
            if offered[positions[key]].open:
                raise NotSayable("an open object has no value of its own")
            return self.value(offered[positions[key]], value)
        key = key.removesuffix("/Value")
        if key in positions:
            return self.parameter(operation, offered, positions, key, value)
        owner = operation.parameter(key)
        if owner is None or not owner.open:
            raise NotSayable(f"no parameter `{key}`")
        self.out.append(Decision(Kind.PARAMETER, positions[owner.name]))
        if not self.span(key[len(owner.name) + 1 :]) or not self.span(_text(value)):
            raise NotSayable("column or value not in the query")
        return None

    def test(self, test: Test) -> None:
        if test.kind != "compare":
            return self.put(test.kind)
        self.put("compare")
        self.scalar(test.left)
        self.put(test.operator)
        return self.scalar(test.right)

    def condition(self, condition: Condition) -> None:
        for i, test in enumerate(condition.tests):
            if i:
                self.put("and" if condition.joined == "&&" else "or")
            self.test(test)
        self.put("endcondition")

    def nodes(self, nodes: Sequence[Node]) -> None:
        if not nodes:
            raise NotSayable("an empty block")
        for node in nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        match node:
            case Step():
                self.step(node)
            case When():
                self.put("if")
                self.condition(node.condition)
                self.nodes(node.then)
                self.put("close")
                if node.otherwise:
                    self.put("else")
                    self.nodes(node.otherwise)
                    self.put("close")
            case Each():
                self.put("for")
                self.nodes(node.body)
                self.put("close")
            case Repeat():
                self.put("do")
                self.nodes(node.body)
                self.put("close")
                self.condition(node.condition)
            case Choose():
                self.put("switch")
                self.scalar(node.subject)
                for value, body in node.cases:
                    self.put("case")
                    self.scalar(value)
                    self.nodes(body)
                    self.put("close")
                if node.default:
                    self.put("default")
                    self.nodes(node.default)
                    self.put("close")
                self.put("close")


def _text(value: Value) -> str:
    return str(value[0] if isinstance(value, tuple) else value)


def _addressed(pattern: re.Pattern[str] | None, text: str) -> bool:
    """Whether a text is an address, or several, where one is needed."""
    found = list(pattern.finditer(text)) if pattern else []
    return pattern is None or (bool(found) and found[0].start() == 0 and found[-1].end() == len(text))


def _small(value: Scalar) -> int:
    number = int(value)
    if not 0 <= number <= HIGHEST:
        raise NotSayable(f"number {number}")
    return number


def _enum(parameter: Parameter, value: Scalar) -> int:
    lowered = str(value).lower()
    for i, option in enumerate(parameter.enum):
        if option.lower() == lowered:
            return i
    raise NotSayable(f"`{value}` is no choice of `{parameter.name}`")


def encode(sketch: Sketch, query: Query, catalog: Catalog, index: dict[str, int]) -> tuple[list[Decision], int]:
    """The decisions of a sketch, and how many stated values could not be said and were left out. `index` numbers the catalog's operations.

    Raises `NotSayable` when control or conditions cannot be said.
    """
    writer = _Writer(query, catalog, index)
    writer.step(sketch.trigger)
    for node in sketch.steps:
        writer.node(node)
    writer.put("end")
    return writer.out, writer.dropped


class _Decoder:
    def __init__(self, decisions: Sequence[Decision], query: Query, operations: Sequence[Operation]) -> None:
        self.decisions, self.query, self.operations, self.at = decisions, query, operations, 0

    def peek(self) -> Decision:
        if self.at >= len(self.decisions):
            raise NotSayable("the decisions end early")
        return self.decisions[self.at]

    def take(self, kind: Kind) -> int:
        decision = self.peek()
        if decision.kind != kind:
            raise NotSayable(f"{kind.name.lower()} expected, found {decision.kind.name.lower()}")
        self.at += 1
        return decision.index

    def symbol(self) -> str:
        decision = self.peek()
        return FIXED[decision.index] if decision.kind == Kind.FIXED else ""

    def accept(self, name: str) -> bool:
        if self.symbol() == name:
            self.at += 1
            return True
        return False

    def expect(self, name: str) -> None:
        if not self.accept(name):
            raise NotSayable(f"`{name}` expected")

    def text(self) -> str:
        first, last = self.take(Kind.START), self.take(Kind.END)
        if not 0 <= first <= last < len(self.query.offsets):
            raise NotSayable("a stretch outside the query")
        return self.query.span(first, last)

    def scalar(self) -> Scalar:
        if self.peek().kind == Kind.START:
            return number_or_text(self.text())
        name = self.symbol()
        self.at += 1
        if name.startswith("word:"):
            return name[5:] if name != "word:empty" else ""
        if name.startswith("number:"):
            return int(name[7:])
        if name in ("true", "false"):
            return name == "true"
        raise NotSayable(f"a value is expected, found `{name}`")

    def value(self, parameter: Parameter) -> Value:
        match shape(parameter):
            case Shape.ENUM:
                return parameter.enum[self.take(Kind.ENUM)]
            case Shape.ENUMS | Shape.NUMBERS:
                items: list[Scalar] = []
                while not self.accept("endlist"):
                    items.append(parameter.enum[self.take(Kind.ENUM)] if parameter.enum else self.scalar())
                return tuple(dict.fromkeys(items))
            case Shape.NUMBER:
                value = self.scalar()
                return value if not isinstance(value, str) else number_or_text(value)
            case Shape.FLAG:
                return self.scalar()
            case _:
                text = self.text()
                return (text,) if parameter.type == "array" else text

    def step(self) -> Step:
        position = self.take(Kind.OPERATION)
        operation = self.operations[position]
        offered = choices(operation)
        stated: dict[str, Value] = {}
        while self.at < len(self.decisions) and self.peek().kind == Kind.PARAMETER:
            parameter = offered[self.take(Kind.PARAMETER)]
            if parameter.open:
                child = column(self.text())
                stated[f"{parameter.name}/{child}"] = self.text()
            else:
                stated[parameter.name] = self.value(parameter)
        return Step(operation.id, tuple(stated.items()))

    def test(self) -> Test:
        if self.accept("compare"):
            left = str(self.scalar())
            operator = self.symbol()
            self.at += 1
            if operator not in OPERATORS:
                raise NotSayable("a comparison is expected")
            return Test("compare", left, operator, self.scalar())
        kind = self.symbol()
        self.at += 1
        if kind not in TESTS:
            raise NotSayable("a condition is expected")
        return Test(kind)

    def condition(self) -> Condition:
        tests, joined = [self.test()], "&&"
        while self.symbol() in ("and", "or"):
            joined = "&&" if self.symbol() == "and" else "||"
            self.at += 1
            tests.append(self.test())
        self.expect("endcondition")
        return Condition(tuple(tests), joined)

    def block(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not self.accept("close"):
            nodes.append(self.node())
        return tuple(nodes)

    def node(self) -> Node:
        if self.peek().kind == Kind.OPERATION:
            return self.step()
        if self.accept("if"):
            condition = self.condition()
            then = self.block()
            return When(condition, then, self.block() if self.at < len(self.decisions) and self.accept("else") else ())
        if self.accept("for"):
            return Each(self.block())
        if self.accept("do"):
            body = self.block()
            return Repeat(body, self.condition())
        if self.accept("switch"):
            subject = str(self.scalar())
            default: tuple[Node, ...] = ()
            cases: list[tuple[Scalar, tuple[Node, ...]]] = []
            while not self.accept("close"):
                if self.accept("default"):
                    default = self.block()
                else:
                    self.expect("case")
                    value = self.scalar()
                    cases.append((value, self.block()))
            return Choose(subject, tuple(cases), default)
        raise NotSayable(f"a step is expected, found `{self.symbol() or self.peek().kind.name.lower()}`")


def column(words: str) -> str:
    """The key of a column that people call so: `due date` is `DueDate`, `PO number` is `PONumber`."""
    return "".join(w[:1].upper() + w[1:] for w in re.split(r"\W+", words)) or "Value"


def number_or_text(text: str) -> Scalar:
    """Digits as the number they are; codes that begin with a nought stay text."""
    if not NUMERIC.match(text) or re.match(r"-?0\d", text):
        return text
    plain = text.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def decode(decisions: Sequence[Decision], query: Query, operations: Sequence[Operation]) -> Sketch:
    """The sketch that decisions say. Raises `NotSayable` when they are no sketch (only possible without constraints)."""
    reader = _Decoder(decisions, query, operations)
    trigger = reader.step()
    nodes: list[Node] = []
    while not reader.accept("end"):
        nodes.append(reader.node())
    return Sketch(trigger, tuple(nodes))
