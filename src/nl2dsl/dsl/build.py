"""From the rules of the grammar to the tree: one method a rule.

In: what the parser read for a rule (tokens and nodes). Out: nodes of `tree.py`, with spans and the comments that belong to them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from nl2dsl.dsl.functions import FUNCTIONS
from nl2dsl.dsl.tree import (
    Annotation,
    Array,
    Assign,
    Binary,
    Call,
    Case,
    Entry,
    Expression,
    Flow,
    For,
    Function,
    If,
    Let,
    Literal,
    Name,
    Not,
    Object,
    Opaque,
    Parallel,
    Path,
    Scope,
    Segment,
    Span,
    Statement,
    Switch,
    Template,
    Try,
    Until,
)
from nl2dsl.dsl.words import FOREIGN, MAX_BRANCHES, MAX_DIGITS, Comment, Problem, Word, at


class _Arguments(NamedTuple):
    named: bool  # whether `items` are entries
    items: tuple[Any, ...]
    end: int


@dataclass(frozen=True, slots=True)
class _Invocation:
    """A call of a step met while reading; only a statement may hold one."""

    connector: str
    operation: str
    arguments: _Arguments
    callee: Span
    span: Span


PRECEDENCE = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4}


class Builder:
    """One method a rule of `flow.lark`; each takes the rule's children and gives a node. `reset` before each text."""

    def reset(self, comments: list[Comment]) -> None:
        self.comments = comments
        self.invocations: dict[int, _Invocation] = {}  # not yet claimed by a statement
        self.quoted_names: dict[int, Name] = {}  # by id; the nodes are kept, for the id of a dropped one is given out again
        self.grouped: Any = None  # the expression last seen in parentheses
        self.branches: dict[int, tuple[If, int]] = {}  # length of an else-if chain by the id of its If

    # expressions

    def name(self, c: list[Any]) -> Name:
        word = c[0]
        return Name(word.value, at(word))

    def quoted(self, c: list[Any]) -> Name:
        node = Name(c[0].value, at(c[0]))
        self.quoted_names[id(node)] = node
        return node

    def string(self, c: list[Any]) -> Literal:
        word = c[0]
        return Literal(_string(word), at(word))

    def number(self, c: list[Any]) -> Literal:
        word = c[0]
        return Literal(_number(word), at(word))

    def constant(self, c: list[Any]) -> Literal:
        return Literal({"TRUE": True, "FALSE": False, "NULL": None}[c[0].type], at(c[0]))

    def group(self, c: list[Any]) -> Any:
        self.grouped = c[1]
        return c[1]

    def array(self, c: list[Any]) -> Array:
        return Array(tuple(c[1:-1:2]), _between(c[0], c[-1]))

    def object(self, c: list[Any]) -> Object:
        return Object(tuple(c[1:-1:2]), _between(c[0], c[-1]))

    def entry(self, c: list[Any]) -> Entry:
        word = c[0]
        return Entry(_string(word) if word.type == "STRING" else word.value, c[2], at(word))

    def template(self, c: list[Any]) -> Template | Literal:
        parts: list[Any] = []
        for child in c[1:-1]:
            kind = getattr(child, "type", "")
            if kind == "TEMPLATE_TEXT":
                parts.append(child.value)
            elif not kind:
                parts.append(child)
        span = _between(c[0], c[-1])
        if all(isinstance(p, str) for p in parts):
            return Literal("".join(parts), span)
        return Template(tuple(parts), span)

    def property(self, c: list[Any]) -> Segment:
        word = c[-1]
        return Segment(word.value, len(c) == 3, at(word))

    def index(self, c: list[Any]) -> Segment:
        inner = c[-2]
        key = inner.value if isinstance(inner, Literal) and type(inner.value) in (str, int) else inner
        return Segment(cast("str | int | Expression", key), len(c) == 4, _between(c[-3], c[-1]))

    def arguments(self, c: list[Any]) -> _Arguments:
        items = tuple(c[1:-1:2])
        return _Arguments(bool(items) and isinstance(items[0], Entry), items, c[-1].end_pos)

    def postfix(self, c: list[Any]) -> Any:
        base: Any = c[0]
        segments: list[Segment] = []
        for trailer in c[1:]:
            if isinstance(trailer, Segment):
                segments.append(trailer)
            else:
                base, segments = self._invoke(base, segments, trailer), []
        if not segments:
            return base
        span = Span(base.span.start, segments[-1].span.end, base.span.line, base.span.column)
        if not isinstance(base, Name | Function | _Invocation):
            raise Problem("S101", "only a name or a function's result has properties", span)
        return Path(cast("Name | Function", base), tuple(segments), span)

    def _invoke(self, base: Any, segments: list[Segment], arguments: _Arguments) -> Function | _Invocation:
        span = Span(base.span.start, arguments.end, base.span.line, base.span.column)
        if isinstance(base, Name) and not segments and not arguments.named and id(base) not in self.quoted_names:
            return Function(base.id, arguments.items, span)
        if isinstance(base, Name) and len(segments) < 2 and all(isinstance(s.key, str) for s in segments):
            connector, operation = (base.id, cast(str, segments[0].key)) if segments else ("", base.id)
            made = _Invocation(connector, operation, arguments, span._replace(end=segments[0].span.end if segments else base.span.end), span)
            self.invocations[id(made)] = made
            return made
        raise Problem("S101", "this cannot be called", span, "a step is `connector.Operation({ ... })`, a function `name(...)`")

    def negation(self, c: list[Any]) -> Not:
        operand = c[1]
        return Not(operand, Span(c[0].start_pos, operand.span.end, c[0].line, c[0].column))

    def operation(self, c: list[Any]) -> Expression:
        """Operators come flat, with their operands between; group them by precedence, left to right."""
        operands: list[Any] = [c[0]]
        waiting: list[str] = []
        for word, operand in zip(c[1::2], c[2::2], strict=True):
            while waiting and PRECEDENCE[waiting[-1]] >= PRECEDENCE[word.value]:
                _reduce(operands, waiting.pop())
            waiting.append(word.value)
            operands.append(operand)
        while waiting:
            _reduce(operands, waiting.pop())
        return cast("Expression", operands[0])

    # statements

    def annotation(self, c: list[Any]) -> Annotation:
        arguments = c[2] if len(c) > 2 else None
        end = arguments.end if arguments else c[1].end_pos
        span = Span(c[0].start_pos, end, c[0].line, c[0].column)
        if arguments is None or not arguments.named:
            return Annotation(c[1].value, arguments.items if arguments else (), span)
        return Annotation(c[1].value, (Object(arguments.items, span),), span)

    flow_annotation = annotation

    def annotated(self, c: list[Any]) -> Any:
        statement = c[-1]
        annotations = tuple(c[:-1])
        own = self._comment(annotations[0].span.start, annotations[-1].span.end)
        comment = "\n".join(x for x in (own, statement.comment) if x)
        return replace(statement, annotations=annotations, comment=comment)

    def assignment(self, c: list[Any]) -> Statement:
        target, operator, value = c[0], c[1], c[-2]
        comment = self._comment(target.start_pos, c[-1].end_pos)
        if operator.value == "=":
            call = self._call(value, target.value, comment)
            if call:
                return call
        if len(c) == 5:
            raise Problem("S111", "`await` goes before a call", at(c[2]), "remove `await`")
        return Assign(target.value, operator.value, value, comment, (), _between(target, c[-1]))

    def bare_call(self, c: list[Any]) -> Statement:
        value = c[-2]
        start = c[0].start_pos if len(c) == 3 else value.span.start
        comment = self._comment(start, c[-1].end_pos)
        if isinstance(value, Function) and value.name == "opaque":
            return self._opaque(value, comment)
        call = self._call(value, None, comment)
        if call:
            return call
        hint = FOREIGN.get(value.id, "") if isinstance(value, Name) else ""
        raise Problem("S111", "this is not a statement", value.span, hint or "a step is `connector.Operation({ ... });`")

    def _opaque(self, value: Function, comment: str) -> Opaque:
        if len(value.arguments) != 1 or not isinstance(value.arguments[0], Object):
            raise Problem("S112", "opaque takes the JSON of one action", value.span, 'opaque({ "type": "..." });')
        return Opaque(value.arguments[0], comment, (), value.span)

    def _call(self, value: Any, result: str | None, comment: str) -> Call | None:
        if isinstance(value, _Invocation):
            self.invocations.pop(id(value), None)
            return Call(value.connector, value.operation, _parameters(value.arguments, value.span), result, comment, (), value.callee)
        if isinstance(value, Function) and value is not self.grouped and reads_as_call(value, result):
            arguments = _Arguments(False, value.arguments, value.span.end)
            callee = value.span._replace(end=value.span.start + len(value.name))
            return Call("", value.name, _parameters(arguments, value.span), result, comment, (), callee)
        return None

    def let(self, c: list[Any]) -> Let:
        kind = c[3].value if c[2].type == "COLON" else ""
        value = c[-2] if any(getattr(x, "type", "") == "ASSIGN" for x in c[2:5]) else None
        return Let(c[1].value, kind, value, self._comment(c[0].start_pos, c[-1].end_pos), (), _between(c[0], c[1]))

    def block(self, c: list[Any]) -> tuple[tuple[Statement, ...], Word]:
        return tuple(c[1:-1]), c[-1]

    def branch(self, c: list[Any]) -> If:
        condition, (then, end) = c[2], c[4]
        otherwise: tuple[Statement, ...] = ()
        length = 1
        stop = end.end_pos
        if len(c) > 5:
            if isinstance(c[6], If):
                otherwise = (c[6],)
                length += self.branches.pop(id(c[6]))[1]
                if length > MAX_BRANCHES:
                    raise Problem("S107", f"more than {MAX_BRANCHES} branches in one if", at(c[0]), "use switch")
            else:
                otherwise, end = c[6]
                stop = end.end_pos
        node = If(condition, then, otherwise, self._comment(c[0].start_pos, stop), (), at(c[0]))
        self.branches[id(node)] = node, length
        return node

    def for_loop(self, c: list[Any]) -> For:
        body, end = c[6]
        return For(c[2].value, c[4], body, self._comment(c[0].start_pos, end.end_pos), (), _between(c[0], c[2]))

    def case(self, c: list[Any]) -> Case:
        return Case(c[1], c[3][0], at(c[0]))

    def default(self, c: list[Any]) -> tuple[Statement, ...]:
        return cast("tuple[Statement, ...]", c[2][0])

    def switch(self, c: list[Any]) -> Switch:
        cases = tuple(x for x in c[5:-1] if isinstance(x, Case))
        default = c[-2] if isinstance(c[-2], tuple) else ()
        return Switch(c[2], cases, default, self._comment(c[0].start_pos, c[-1].end_pos), (), at(c[0]))

    def do_until(self, c: list[Any]) -> Until:
        return Until(c[1][0], c[4], self._comment(c[0].start_pos, c[-1].end_pos), (), at(c[0]))

    def try_block(self, c: list[Any]) -> Try:
        parts: dict[str, Any] = {word.type: block for word, block in zip(c[::2], c[1::2], strict=True)}
        catch, final = (parts[k][0] if k in parts else () for k in ("CATCH", "FINALLY"))
        return Try(c[1][0], catch, final, self._comment(c[0].start_pos, c[-1][1].end_pos), (), at(c[0]))

    def scope(self, c: list[Any]) -> Scope:
        return Scope(c[1][0], self._comment(c[0].start_pos, c[1][1].end_pos), (), at(c[0]))

    def parallel(self, c: list[Any]) -> Parallel:
        branches = tuple(block[0] for block in c[2:-1])
        return Parallel(branches, self._comment(c[0].start_pos, c[-1].end_pos), (), at(c[0]))

    def start(self, c: list[Any]) -> Flow:
        annotations = tuple(x for x in c if isinstance(x, Annotation))
        statements = [x for x in c if not isinstance(x, Annotation)]
        if not statements:
            raise Problem("S108", "the flow is empty", Span(), "start with a trigger: await commonTrigger.Recurrence({ ... });")
        trigger = statements[0]
        if not isinstance(trigger, Call):
            raise Problem("S109", "a flow starts with its trigger", trigger.span, "await commonTrigger.Recurrence({ ... }); for a schedule")
        left = "\n".join(comment.text for comment in self.comments)
        return Flow(trigger, tuple(statements[1:]), annotations, left)

    def _comment(self, start: int, end: int) -> str:
        """Takes the comments above a statement, inside it (where no inner statement took them) and behind it on its last line."""
        comments = self.comments
        if not comments:
            return ""
        first = last = bisect_right(comments, start, key=lambda c: c.start)
        while first and comments[first - 1].before == start:
            first -= 1
        while last < len(comments) and (comments[last].start < end or comments[last].after == end):
            last += 1
        mine = comments[first:last]
        del comments[first:last]
        return "\n".join(c.text for c in mine)


def reads_as_call(value: Function, result: str | None) -> bool:
    """Whether `name(...)` at the start of a statement, or behind `result =`, is a step of a catalog without connectors."""
    shape = not value.arguments or (len(value.arguments) == 1 and isinstance(value.arguments[0], Object))
    return result is None or (shape and value.name.lower() not in FUNCTIONS)


def _parameters(arguments: _Arguments, span: Span) -> tuple[Entry, ...]:
    if arguments.named or not arguments.items:
        return cast("tuple[Entry, ...]", arguments.items)
    if len(arguments.items) == 1 and isinstance(arguments.items[0], Object):
        return arguments.items[0].entries
    raise Problem("S112", "a step takes its parameters as one object", span, 'write ({ "parameter": value })')


def _reduce(operands: list[Any], operator: str) -> None:
    right, left = operands.pop(), operands.pop()
    operands.append(Binary(operator, left, right, Span(left.span.start, right.span.end, left.span.line, left.span.column)))


def _between(first: Word, last: Word) -> Span:
    return Span(first.start_pos, last.end_pos, first.line, first.column)


def _string(word: Word) -> str:
    text = word.value
    if "\\" not in text:
        return text[1:-1]
    try:
        return cast(str, json.loads(text, strict=False))
    except ValueError:
        raise Problem(
            "S106", "string has an escape that cannot be read", at(word), 'a backslash is written \\\\; others are \\n \\t \\" \\u00e9'
        ) from None


def _number(word: Word) -> int | float:
    text = word.value
    if len(text) > MAX_DIGITS:
        raise Problem("S106", "number is too long", at(word))
    try:
        return int(text)
    except ValueError:
        value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Problem("S106", "number is too large", at(word))
    return value
