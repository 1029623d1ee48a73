"""The sketch of a flow: exactly what a sentence says, and nothing that follows from it.

A sketch names the operations, the values the sentence states and the control around them; it holds no data wiring. `wiring.complete` turns a sketch
into a whole flow, the curated requests (`data/requests/*.requests`) are written as sketches, and the embedded model predicts them.

    shared_x.OnNew(table="Visits"); if ("Status" == "Done") { shared_y.Post() } else { shared_z.Delete() }

In: one line of text or nodes. Out: frozen dataclasses (`parse` ⇄ `unparse`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...]

OPERATORS = ("==", "!=", ">=", "<=", ">", "<", "contains", "startsWith", "endsWith")
NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: `kind` is approved | rejected | found | none (about the step before) or compare."""

    kind: str
    left: str = ""
    operator: str = ""
    right: Scalar = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """Tests joined by one operator, `&&` or `||`."""

    tests: tuple[Test, ...]
    joined: str = "&&"


@dataclass(frozen=True, slots=True)
class Step:
    """One call and the values stated for it, key by key."""

    operation: str
    stated: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class When:
    condition: Condition
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Each:
    """The steps done for each item of the list that the step before (or the trigger) delivers."""

    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choose:
    subject: str
    cases: tuple[tuple[Scalar, tuple[Node, ...]], ...]
    default: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """`do { … } until (…)`."""

    body: tuple[Node, ...]
    condition: Condition


Node = Step | When | Each | Choose | Repeat


@dataclass(frozen=True, slots=True)
class Sketch:
    trigger: Step
    steps: tuple[Node, ...]


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Every node in the order of the text, containers before what they hold."""
    for node in nodes:
        yield node
        match node:
            case When():
                yield from walk(node.then)
                yield from walk(node.otherwise)
            case Each() | Repeat():
                yield from walk(node.body)
            case Choose():
                for _, body in node.cases:
                    yield from walk(body)
                yield from walk(node.default)


def steps(sketch: Sketch) -> list[Step]:
    """The trigger and every call, in order."""
    return [sketch.trigger, *(n for n in walk(sketch.steps) if isinstance(n, Step))]


def operations(sketch: Sketch) -> list[str]:
    return [step.operation for step in steps(sketch)]


def mapped(sketch: Sketch, change: Callable[[Step], Step]) -> Sketch:
    """The same sketch with every call changed."""

    def inside(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(change(node) if isinstance(node, Step) else _within(node, inside) for node in nodes)

    return Sketch(change(sketch.trigger), inside(sketch.steps))


def _within(node: Node, change: Callable[[tuple[Node, ...]], tuple[Node, ...]]) -> Node:
    """The node with everything that it holds changed, stretch by stretch; a call holds nothing."""
    match node:
        case When():
            return replace(node, then=change(node.then), otherwise=change(node.otherwise))
        case Each() | Repeat():
            return replace(node, body=change(node.body))
        case Choose():
            return replace(node, cases=tuple((value, change(body)) for value, body in node.cases), default=change(node.default))
        case Step():
            return node


_STRETCH = 3  # steps that a repetition may have


def once(sketch: Sketch) -> Sketch:
    """What a model says twice in a row, alone or as two or three steps, said once. Of 7,056 neighbours in written requests 8 are alike (docs/log.md)."""
    return Sketch(sketch.trigger, _once(sketch.steps))


def _once(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    found: list[Node] = []
    for node in nodes:
        found.append(_within(node, _once))
        for n in range(1, _STRETCH + 1):
            if len(found) >= 2 * n and found[-n:] == found[-2 * n : -n]:
                del found[-n:]
                break
    return tuple(found)


# --- text ----------------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?![\w./]))
    | (?P<operator>==|!=|>=|<=|&&|\|\||>|<|(?:contains|startsWith|endsWith)\b)
    | (?P<quoted>`[^`]+`)
    | (?P<word>[A-Za-z_$][\w$./\-]*)
    | (?P<sign>[(){}\[\];:,=])
    )""",
    re.VERBOSE,
)


class SketchError(ValueError):
    """The text is not a sketch; the message says where."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match:
                raise SketchError(f"unexpected `{text[position : position + 12]}` at column {position + 1}")
            self.tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            position = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        if self.at >= len(self.tokens):
            raise SketchError(f"the text ends where `{expected or 'more'}` is expected")
        _, text = self.tokens[self.at]
        if expected and text != expected:
            raise SketchError(f"`{expected}` expected, found `{text}`")
        self.at += 1
        return text

    def accept(self, text: str) -> bool:
        if self.peek() == text:
            self.at += 1
            return True
        return False

    def scalar(self) -> Scalar:
        if self.at >= len(self.tokens):
            raise SketchError("a value is missing at the end")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "string":
            return str(json.loads(text))
        if kind == "number":
            return float(text) if "." in text else int(text)
        if text in ("true", "false"):
            return text == "true"
        raise SketchError(f"a value is expected, found `{text}`")

    def value(self) -> Value:
        if not self.accept("["):
            return self.scalar()
        items: list[Scalar] = []
        while not self.accept("]"):
            items.append(self.scalar())
            self.accept(",")
        return tuple(items)

    def step(self) -> Step:
        operation = self.take().strip("`")
        stated: list[tuple[str, Value]] = []
        if self.accept("("):
            while not self.accept(")"):
                key = self.take().strip("`")
                if key.startswith('"'):
                    key = json.loads(key)
                self.take("=")
                stated.append((key, self.value()))
                self.accept(",")
        return Step(operation, tuple(stated))

    def test(self) -> Test:
        if self.peek() in ("approved", "rejected", "found", "none"):
            return Test(self.take())
        left = str(self.scalar())
        operator = self.take()
        if operator not in OPERATORS:
            raise SketchError(f"`{operator}` is no comparison")
        return Test("compare", left, operator, self.scalar())

    def condition(self) -> Condition:
        self.take("(")
        tests, joined = [self.test()], "&&"
        while self.peek() in ("&&", "||"):
            joined = self.take()
            tests.append(self.test())
        self.take(")")
        return Condition(tuple(tests), joined)

    def block(self) -> tuple[Node, ...]:
        self.take("{")
        nodes = self.nodes()
        self.take("}")
        return nodes

    def choose(self) -> Choose:
        self.take("(")
        subject = str(self.scalar())
        self.take(")")
        self.take("{")
        cases: list[tuple[Scalar, tuple[Node, ...]]] = []
        default: tuple[Node, ...] = ()
        while not self.accept("}"):
            if self.accept("default"):
                self.take(":")
                default = self.block()
            else:
                value = self.scalar()
                self.take(":")
                cases.append((value, self.block()))
            self.accept(";")
        return Choose(subject, tuple(cases), default)

    def node(self) -> Node:
        if self.accept("if"):
            condition = self.condition()
            then = self.block()
            otherwise: tuple[Node, ...] = ()
            if self.accept("else"):
                otherwise = (self.node(),) if self.peek() == "if" else self.block()
            return When(condition, then, otherwise)
        if self.accept("for"):
            self.take("(")
            self.take(")")
            return Each(self.block())
        if self.accept("switch"):
            return self.choose()
        if self.accept("do"):
            body = self.block()
            self.take("until")
            return Repeat(body, self.condition())
        return self.step()

    def nodes(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.at < len(self.tokens) and self.peek() != "}":
            if self.accept(";"):
                continue
            found.append(self.node())
        return tuple(found)


def parse(text: str) -> Sketch:
    """The sketch a line means. Raises `SketchError` with the place when it is none."""
    reader = _Reader(text)
    trigger = reader.step()
    nodes = reader.nodes()
    if reader.at < len(reader.tokens):
        raise SketchError(f"unexpected `{reader.peek()}`")
    return Sketch(trigger, nodes)


def _value(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _name(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_$][\w$./\-]*", text) else f"`{text}`"


def _condition(condition: Condition) -> str:
    parts = [t.kind if t.kind != "compare" else f"{_value(t.left)} {t.operator} {_value(t.right)}" for t in condition.tests]
    return f" {condition.joined} ".join(parts)


def _step(step: Step) -> str:
    return f"{_name(step.operation)}({', '.join(f'{_name(k)}={_value(v)}' for k, v in step.stated)})"


def _nodes(nodes: tuple[Node, ...]) -> str:
    return "; ".join(_node(n) for n in nodes)


def _node(node: Node) -> str:
    match node:
        case Step():
            return _step(node)
        case When():
            otherwise = f" else {{ {_nodes(node.otherwise)} }}" if node.otherwise else ""
            return f"if ({_condition(node.condition)}) {{ {_nodes(node.then)} }}{otherwise}"
        case Each():
            return f"for () {{ {_nodes(node.body)} }}"
        case Choose():
            cases = " ".join(f"{_value(v)}: {{ {_nodes(body)} }}" for v, body in node.cases)
            default = f" default: {{ {_nodes(node.default)} }}" if node.default else ""
            return f"switch ({_value(node.subject)}) {{ {cases}{default} }}"
        case Repeat():
            return f"do {{ {_nodes(node.body)} }} until ({_condition(node.condition)})"


def unparse(sketch: Sketch) -> str:
    """One line of text; `parse(unparse(s)) == s`."""
    return "; ".join([_step(sketch.trigger), *(_node(n) for n in sketch.steps)])
