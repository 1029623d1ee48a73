"""The workflow expression language: JSON values with `@…` and `@{…}` strings on one side, expression trees on the other.

In: a JSON value and a `Reading` (what the names in the flow mean), or a tree and a table of names. Out: a tree, or a JSON value.

One datum has several spellings in the workflow language; the tree has one, and printing gives the designer's:
    body('X') = outputs('X')?['body'],  triggerBody() = triggerOutputs()?['body'],  .x = ['x'],  ?.x = ?['x'],
    outputs('X')?['body/value'] = outputs('X')?['body']?['value'] where X is a call of a connector (`Joined`); a slash anywhere else is part of a key,
    item() = items('the innermost loop') outside data operations, equals(a, b) = `a == b`, and(a, b, c) = `a && b && c`, @{'text'} = text,
    @true = true, and null as a whole value is @null.
A string that looks like an expression and is none is kept as `raw("…")`, so that nothing changes on the way through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nl2dsl.dsl.functions import FUNCTIONS
from nl2dsl.dsl.tree import Array, Binary, Entry, Expression, Function, Literal, Name, Not, Object, Path, Segment, Template

_SPELLING = {key: signature.name for key, signature in FUNCTIONS.items()}
_OPERATORS = {"==": "equals", "<": "less", "<=": "lessOrEquals", ">": "greater", ">=": "greaterOrEquals", "&&": "and", "||": "or"}
_BY_FUNCTION = {function: operator for operator, function in _OPERATORS.items()}
_COMPARISONS = ("==", "<", "<=", ">", ">=")
_BOOLEAN = frozenset({"contains", "startsWith", "endsWith", "empty", "isInt", "isFloat", "bool", "and", "or"})
_STRUCTURED = frozenset({"contains", "startsWith", "endsWith"})
_ALIASES = {"body": "outputs", "actionBody": "outputs", "actionOutputs": "outputs"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What names mean where an expression stands: the names of results, of items of the loops around it and of variables, and the innermost item.

    Keys are names of the definition in lower case: the platform does not mind case.
    """

    results: Mapping[str, str] = field(default_factory=dict)
    loops: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    item: str = ""
    joined: frozenset[str] = frozenset()  # the results whose keys may be joined with `/`, by their names in the flow


class Joined(str):
    """What a name stands for, when the designer joins the keys behind it: `outputs('Get_items')?['body/value']`, as it does for connectors."""

    __slots__ = ()


MAX_DEPTH = 40  # of brackets in one expression that is written out; deeper ones are carried along as text
MOST_OPERATORS = 90  # in one expression; where there are more, they are functions


class _NotAnExpression(Exception):
    """The text is no expression of the workflow language."""


# --- JSON to tree --------------------------------------------------------------------------------------------------------------


def read(value: Any, reading: Reading) -> Expression:
    """The tree of a JSON value; expressions in its strings are parsed."""
    if isinstance(value, str):
        return _read_string(value, reading) if "@" in value else Literal(value)
    if isinstance(value, dict):
        return Object(tuple(Entry(str(key), read(item, reading)) for key, item in value.items()))
    if isinstance(value, list):
        return Array(tuple(read(item, reading) for item in value))
    return Literal(value)


def read_raw(value: Any) -> Expression:
    """The tree of a JSON value whose strings are carried along as they are."""
    if isinstance(value, dict):
        return Object(tuple(Entry(str(key), read_raw(item)) for key, item in value.items()))
    if isinstance(value, list):
        return Array(tuple(read_raw(item) for item in value))
    return Literal(value)


def _read_string(text: str, reading: Reading) -> Expression:
    if text == "@":
        return Literal(text)
    try:
        if text[0] == "@" and text[1:2] not in ("@", "{"):
            reader = _Reader(text, 1, reading)
            tree = reader.expression()
            reader.end()
            return readable(tree)
        return _interpolated(text, reading)
    except (_NotAnExpression, RecursionError):
        return Function("raw", (Literal(text),))


_MARK = re.compile(r"@@\{|@\{")


def _interpolated(text: str, reading: Reading) -> Expression:
    position = 1 if text.startswith("@@") and not text.startswith("@@{") else 0
    parts: list[str | Expression] = []
    while mark := _MARK.search(text, position):
        _add(parts, text[position : mark.start()])
        if mark.group() == "@@{":
            _add(parts, "@{")
            position = mark.end()
            continue
        reader = _Reader(text, mark.end(), reading)
        part = readable(reader.expression())
        position = reader.closing_brace()
        _add(parts, part.value if isinstance(part, Literal) and isinstance(part.value, str) else part)
    _add(parts, text[position:])
    if not parts:
        return Literal("")
    if len(parts) == 1 and isinstance(parts[0], str):
        return Literal(parts[0])
    return Template(tuple(parts))


def _add(parts: list[str | Expression], part: str | Expression) -> None:
    """Appends a part; neighbouring texts become one."""
    if isinstance(part, str) and parts and isinstance(parts[-1], str):
        parts[-1] += part
    elif part != "":
        parts.append(part)


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^']|'')*')
  | (?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_][\w]*)
  | (?P<mark>\?\.|\?\[|[()\[\],.}])
  )""",
    re.VERBOSE,
)
_PROPERTY = re.compile(r"\s*([A-Za-z_$@][\w$@-]*)")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class _Reader:
    """Recursive descent over one expression inside `text`, from `position` on."""

    def __init__(self, text: str, position: int, reading: Reading) -> None:
        self.text = text
        self.position = position
        self.reading = reading
        self.depth = 0

    def expression(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _NotAnExpression
        tree = self._operand()
        self.depth -= 1
        return tree

    def _operand(self) -> Expression:
        kind, token = self._next()
        if kind == "string":
            return self._no_path(Literal(token[1:-1].replace("''", "'")))
        if kind == "number":
            return self._no_path(Literal(_number(token)))
        if kind != "word":
            raise _NotAnExpression
        if self._peek() != "(":
            if token.lower() not in _WORDS:
                raise _NotAnExpression
            return Literal(_WORDS[token.lower()])
        if token.lower() == "raw":
            raise _NotAnExpression  # the word is taken; the platform has no such function
        return self._called(_SPELLING.get(token.lower(), token), self._arguments())

    def end(self) -> None:
        if self.text[self.position :].strip():
            raise _NotAnExpression

    def closing_brace(self) -> int:
        if self._next()[1] != "}":
            raise _NotAnExpression
        return self.position

    def _next(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            raise _NotAnExpression
        self.position = match.end()
        kind = match.lastgroup or ""
        return kind, match.group(kind)

    def _peek(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        return match.group(match.lastgroup or "") if match else ""

    def _no_path(self, literal: Literal) -> Literal:
        if self._peek() in ("?.", "?[", ".", "["):
            raise _NotAnExpression
        return literal

    def _arguments(self) -> tuple[Expression, ...]:
        self._next()
        if self._peek() == ")":
            self._next()
            return ()
        arguments = [self.expression()]
        while (token := self._next()[1]) == ",":
            arguments.append(self.expression())
        if token != ")":
            raise _NotAnExpression
        return tuple(arguments)

    def _called(self, name: str, arguments: tuple[Expression, ...]) -> Expression:
        base, segments = _resolve(name, arguments, self.reading)
        joins = isinstance(base, Name) and base.id in self.reading.joined
        while self._peek() in ("?.", "?[", ".", "["):
            segments.extend(self._segment(joins and not segments))
        if segments:
            return Path(base, tuple(segments))
        return base if isinstance(base, Name) else _operator(base)

    def _segment(self, slashes: bool) -> list[Segment]:
        token = self._next()[1]
        strict = not token.startswith("?")
        if token.endswith("."):
            match = _PROPERTY.match(self.text, self.position)
            if match is None:
                raise _NotAnExpression
            self.position = match.end()
            return [Segment(match.group(1), strict)]
        key = self.expression()
        if self._next()[1] != "]":
            raise _NotAnExpression
        if not isinstance(key, Literal):
            return [Segment(key, strict)]
        if isinstance(key.value, str):
            pieces = key.value.split("/") if slashes and not strict else [key.value]
            return [Segment(piece, strict) for piece in (pieces if all(pieces) else [key.value])]
        if isinstance(key.value, int) and not isinstance(key.value, bool):
            return [Segment(key.value, strict)]
        raise _NotAnExpression


def _number(token: str) -> int | float:
    return float(token) if any(c in token for c in ".eE") else int(token)


def _resolve(name: str, arguments: tuple[Expression, ...], reading: Reading) -> tuple[Name | Function, list[Segment]]:
    """The base of a path for a function call, and the segments that the function already stands for (`body('X')` is `outputs_X.body`)."""
    if not arguments:
        if name in ("triggerOutputs", "triggerBody"):
            return Name("triggerOutputs"), [Segment("body")] if name == "triggerBody" else []
        if name == "item" and reading.item:
            return Name(reading.item), []
        return Function(name, ()), []
    if len(arguments) != 1 or not isinstance(arguments[0], Literal) or not isinstance(arguments[0].value, str):
        return Function(name, arguments), []
    subject = arguments[0].value
    head = [Segment("body")] if name in ("body", "actionBody") else []
    name = _ALIASES.get(name, name)
    known = {"outputs": reading.results, "items": reading.loops, "variables": reading.variables}.get(name, {}).get(subject.lower())
    if known is not None:
        return Name(known), head
    return Function(name, arguments), head


def _operator(call: Function) -> Expression:
    """`==`, `!=`, `&&` … for the functions they stand for; any other call stays what it is."""
    name, arguments = call.name, call.arguments
    if name == "not" and len(arguments) == 1:
        return negated(arguments[0])
    if name in ("and", "or") and len(arguments) >= 2:
        return _joined(_BY_FUNCTION[name], list(arguments))
    if name in _BY_FUNCTION and name not in ("and", "or") and len(arguments) == 2:
        return Binary(_BY_FUNCTION[name], *arguments)
    if name == "createArray" and arguments:
        return Array(arguments)
    return call


def readable(tree: Expression) -> Expression:
    """The same expression, with functions for its operators where they are more than one expression of a text may have."""
    return _as_functions(tree) if _operators(tree) > MOST_OPERATORS else tree


def _operators(tree: Expression) -> int:
    match tree:
        case Binary():
            return 1 + _operators(tree.left) + _operators(tree.right)
        case Not():
            return 1 + _operators(tree.operand)
        case Function():
            return sum(map(_operators, tree.arguments))
        case Array():
            return sum(map(_operators, tree.items))
        case Path():
            keys = [segment.key for segment in tree.segments if not isinstance(segment.key, str | int)]
            return _operators(tree.base) + sum(map(_operators, keys))
        case _:
            return 0


def _as_functions(tree: Expression) -> Expression:
    match tree:
        case Binary(operator="!="):
            return Function("not", (Function("equals", (_as_functions(tree.left), _as_functions(tree.right))),))
        case Binary(operator="&&" | "||"):
            return Function(_OPERATORS[tree.operator], tuple(map(_as_functions, flattened(tree))))
        case Binary():
            return Function(_OPERATORS[tree.operator], (_as_functions(tree.left), _as_functions(tree.right)))
        case Not():
            return Function("not", (_as_functions(tree.operand),))
        case Function():
            return Function(tree.name, tuple(map(_as_functions, tree.arguments)))
        case Array():
            return Array(tuple(map(_as_functions, tree.items)))
        case Path():
            base = _as_functions(tree.base)
            assert isinstance(base, Name | Function)
            return Path(base, tuple(s if isinstance(s.key, str | int) else Segment(_as_functions(s.key), s.strict) for s in tree.segments))
        case _:
            return tree


def negated(operand: Expression) -> Expression:
    if isinstance(operand, Binary) and operand.operator == "==":
        return Binary("!=", operand.left, operand.right)
    return Not(operand)


def _joined(operator: str, operands: list[Expression]) -> Expression:
    if len(operands) > MOST_OPERATORS:
        return Function(_OPERATORS[operator], tuple(operands))
    tree = operands[0]
    for operand in operands[1:]:
        tree = Binary(operator, tree, operand)
    return tree


# --- tree to JSON --------------------------------------------------------------------------------------------------------------


def write(tree: Expression, names: Mapping[str, str]) -> Any:
    """The JSON value of a tree; `names` maps what stands in the tree to expressions (`item` to `items('Apply_to_each')`).

    A value that is null as a whole is `@null`: the platform takes a bare null for a value that is missing.
    """
    return "@null" if isinstance(tree, Literal) and tree.value is None else _write(tree, names)


def _write(tree: Expression, names: Mapping[str, str]) -> Any:
    match tree:
        case Literal():
            return _escaped(tree.value) if isinstance(tree.value, str) else tree.value
        case Object():
            return {entry.key: _write(entry.value, names) for entry in tree.entries}
        case Array():
            return [_write(item, names) for item in tree.items]
        case Template():
            return _interpolation(tree, names)
        case Function(name="raw", arguments=(Literal(value=str() as text),)):
            return text
        case _:
            return "@" + print_expression(tree, names)


def write_raw(tree: Expression) -> Any:
    """The JSON value of a tree that `read_raw` made."""
    match tree:
        case Literal():
            return tree.value
        case Object():
            return {entry.key: write_raw(entry.value) for entry in tree.entries}
        case Array():
            return [write_raw(item) for item in tree.items]
        case _:
            return write(tree, {})


def _escaped(text: str) -> str:
    if "@" not in text or text == "@":
        return text
    escaped = text.replace("@{", "@@{")
    return "@" + escaped if text[0] == "@" and text[1:2] != "{" else escaped


def _interpolation(tree: Template, names: Mapping[str, str]) -> str:
    text = ""
    for number, part in enumerate(tree.parts):
        if not isinstance(part, str):
            text += "@{" + print_expression(part, names) + "}"
            continue
        # `@` just before `@{` would read as an escape, so it goes into an expression of its own.
        joins = number + 1 < len(tree.parts) and not isinstance(tree.parts[number + 1], str)
        plain = part.rstrip("@") if joins else part
        moved = part[len(plain) :]
        text += (plain.replace("@{", "@@{") if text else _escaped(plain)) + ("@{" + _print_literal(moved) + "}" if moved else "")
    return text


def print_expression(tree: Expression, names: Mapping[str, str]) -> str:
    """An expression without its leading `@`."""
    match tree:
        case Path():
            return _print_path(tree, names)
        case Name():
            return names.get(tree.id) or _unknown(tree.id)
        case Literal():
            return _print_literal(tree.value)
        case Function():
            return f"{tree.name}({', '.join(print_expression(argument, names) for argument in tree.arguments)})"
        case Binary(operator="!="):
            return f"not(equals({print_expression(tree.left, names)}, {print_expression(tree.right, names)}))"
        case Binary():
            operands = flattened(tree) if tree.operator in ("&&", "||") else [tree.left, tree.right]
            return f"{_OPERATORS[tree.operator]}({', '.join(print_expression(operand, names) for operand in operands)})"
        case Not():
            return f"not({print_expression(tree.operand, names)})"
        case Array():
            return f"createArray({', '.join(print_expression(item, names) for item in tree.items)})" if tree.items else "json('[]')"
        case Template():
            parts = [_print_literal(part) if isinstance(part, str) else print_expression(part, names) for part in tree.parts]
            return f"concat({', '.join(parts)})" if len(parts) > 1 else f"string({parts[0] if parts else _print_literal('')})"
        case Object():
            return _print_object(tree, names)


def _unknown(id: str) -> str:
    """A name the flow does not define: the checker's business; here it becomes what its spelling suggests."""
    if id == "triggerOutputs":
        return "triggerOutputs()"
    return f"outputs({_print_literal(id.removeprefix('outputs_'))})" if id.startswith("outputs_") else f"variables({_print_literal(id)})"


def _print_literal(value: str | int | float | bool | None) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value)


def _print_object(tree: Object, names: Mapping[str, str]) -> str:
    """An object inside an expression, which has no object literals: parsed JSON, or properties set one by one."""
    if _constant(tree):
        return f"json({_print_literal(json.dumps(write_raw(tree), ensure_ascii=False))})"
    text = "json('{}')"
    for entry in tree.entries:
        text = f"setProperty({text}, {_print_literal(entry.key)}, {print_expression(entry.value, names)})"
    return text


def _constant(tree: Expression) -> bool:
    match tree:
        case Literal():
            return True
        case Array():
            return all(_constant(item) for item in tree.items)
        case Object():
            return all(_constant(entry.value) for entry in tree.entries)
        case _:
            return False


def _print_path(path: Path, names: Mapping[str, str]) -> str:
    head = print_expression(path.base, names)
    segments = list(path.segments)
    run = _joinable(segments) if isinstance(head, Joined) else 0
    if run > 1:
        keys = "/".join(str(segment.key) for segment in segments[:run])
        return head + _print_key(keys, False) + "".join(_print_segment(segment, names) for segment in segments[run:])
    if segments[0] == Segment("body") and (shorter := _body_of(head)):
        head, segments = shorter, segments[1:]
    return head + "".join(_print_segment(segment, names) for segment in segments)


def _joinable(segments: list[Segment]) -> int:
    """How many of the first segments are null-safe keys that may be joined to one."""
    for number, segment in enumerate(segments):
        if segment.strict or not isinstance(segment.key, str) or not segment.key or "/" in segment.key:
            return number
    return len(segments)


def _body_of(head: str) -> str:
    if head.startswith("outputs("):
        return "body" + head.removeprefix("outputs")
    return "triggerBody()" if head == "triggerOutputs()" else ""


def _print_key(key: str | int, strict: bool) -> str:
    return f"{'' if strict else '?'}[{_print_literal(key)}]"


def _print_segment(segment: Segment, names: Mapping[str, str]) -> str:
    if isinstance(segment.key, str | int):
        return _print_key(segment.key, segment.strict)
    return f"{'' if segment.strict else '?'}[{print_expression(segment.key, names)}]"


def flattened(tree: Binary) -> list[Expression]:
    """`a && b && c` as its operands: the left spine of one operator."""
    operands: list[Expression] = [tree.right]
    left = tree.left
    while isinstance(left, Binary) and left.operator == tree.operator:
        operands.append(left.right)
        left = left.left
    return [left, *reversed(operands)]


# --- conditions ----------------------------------------------------------------------------------------------------------------


def write_condition(tree: Expression, names: Mapping[str, str], bare: bool = False) -> Any:
    """The structured form the designer shows: groups of `and`/`or` over comparisons, a group on the outside; what is no test is compared with true, or stays `bare`."""
    test = _write_test(tree, names, bare)
    return test if isinstance(test, dict) and next(iter(test)) in ("and", "or") else {"and": [test]}


def _write_test(tree: Expression, names: Mapping[str, str], bare: bool) -> Any:
    if isinstance(tree, Function) and tree.name in _BY_FUNCTION.keys() - {"and", "or"} | {"not"}:
        tree = _operator(tree)  # `readable` may have made a function of it
    match tree:
        case Binary(operator="!="):
            return {"not": {"equals": [write(tree.left, names), write(tree.right, names)]}}
        case Binary(operator="&&" | "||"):
            return {_OPERATORS[tree.operator]: [_write_test(operand, names, bare) for operand in flattened(tree)]}
        case Binary():
            return {_OPERATORS[tree.operator]: [write(tree.left, names), write(tree.right, names)]}
        case Not():
            return {"not": _write_test(tree.operand, names, bare)}
        case Function(name="and" | "or") if len(tree.arguments) >= 2:
            return {tree.name: [_write_test(argument, names, bare) for argument in tree.arguments]}
        case Function() if tree.name in _STRUCTURED and len(tree.arguments) == 2:
            return {tree.name: [write(argument, names) for argument in tree.arguments]}
        case _:
            return write(tree, names) if bare else {"equals": [write(tree, names), True]}


def read_condition(value: Any, reading: Reading) -> Expression | None:
    """The tree of a condition, structured or one expression string; None when it is neither."""
    if isinstance(value, str | bool):
        return read(value, reading)
    if not isinstance(value, dict) or len(value) != 1:
        return None
    operator, operands = next(iter(value.items()))
    operator = _SPELLING.get(operator.lower(), operator)
    if operator == "not":
        operands = operands[0] if isinstance(operands, list) and len(operands) == 1 else operands
        inner = read_condition(operands, reading)
        return None if inner is None else negated(inner)
    if not isinstance(operands, list):
        return None
    if operator in ("and", "or"):
        trees = [read_condition(operand, reading) for operand in operands]
        return _joined(_BY_FUNCTION[operator], [t for t in trees if t is not None]) if trees and None not in trees else None
    if operator in _STRUCTURED and len(operands) == 2:
        return Function(operator, tuple(read(operand, reading) for operand in operands))
    if operator in _BY_FUNCTION and len(operands) == 2:
        return _comparison(_BY_FUNCTION[operator], read(operands[0], reading), read(operands[1], reading))
    return None


def as_tests(tree: Expression) -> Expression:
    """The tree a structured condition gives when it is read again: what is no test by itself is compared with true."""
    if isinstance(tree, Binary) and tree.operator in ("&&", "||"):
        return _joined(tree.operator, [as_tests(operand) for operand in flattened(tree)])
    if isinstance(tree, Binary):
        return _comparison(tree.operator, tree.left, tree.right)
    if isinstance(tree, Not):
        return negated(as_tests(tree.operand))
    return tree if _boolean(tree) else Binary("==", tree, Literal(True))


def is_test(tree: Expression) -> bool:
    """Whether a condition is true or false whatever the data: then it means the same as one string and as structured tests."""
    if isinstance(tree, Binary) and tree.operator in ("&&", "||"):
        return all(is_test(operand) for operand in flattened(tree))
    if isinstance(tree, Function) and tree.name in ("and", "or", "not"):  # `readable` made a function of it
        return all(map(is_test, tree.arguments))
    return is_test(tree.operand) if isinstance(tree, Not) else _boolean(tree)


def _comparison(operator: str, left: Expression, right: Expression) -> Expression:
    """`empty(x) == true` is `empty(x)`: the structured form has no bare functions, the language has."""
    if operator == "==" and isinstance(right, Literal) and right.value is True and _boolean(left):
        return left
    return Binary(operator, left, right)


def _boolean(tree: Expression) -> bool:
    return isinstance(tree, Binary | Not) or (isinstance(tree, Function) and tree.name in _BOOLEAN)
