"""Text of a flow and its tree: `parse` and `unparse` are each other's inverse.

In: the text of a `.flow` file (grammar: `flow.lark`), or a tree. Out: `parse` gives a tree and diagnostics and never raises on text; `unparse` gives the canonical text:
two-space indent, one statement a line, parameters on one line where they fit. `parse(unparse(flow))[0] == flow`, and unparsing is idempotent.
"""

from __future__ import annotations

import json
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, cast

from nl2dsl.dsl.build import PRECEDENCE, Builder, reads_as_call
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.explain import unexpected
from nl2dsl.dsl.functions import FUNCTIONS
from nl2dsl.dsl.tree import (
    Annotation,
    Array,
    Assign,
    Binary,
    Call,
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
    Statement,
    Switch,
    Template,
    Try,
    Until,
    blocks,
)
from nl2dsl.dsl.words import KEYWORDS, NAME, Comment, Lexer, Problem, Terminals, Word, terminals_of

if TYPE_CHECKING:
    from lark import Lark

# --- reading -------------------------------------------------------------------------------------------------------------------


_lock = threading.Lock()  # the parser's callbacks share one builder; parsing is pure Python, so waiting costs nothing


@cache
def _parser() -> tuple[Lark, Builder, Terminals]:
    """The parser, built on first use: importing lark and making the tables takes about 0.1 s."""
    from lark import Lark, Transformer, lexer

    class Given(lexer.Lexer):
        """Hands on the words that `Lexer` has cut."""

        def __init__(self, conf: Any) -> None:
            pass

        def lex(self, data: Any) -> Any:  # type: ignore[override]  # the interface without parser state
            return iter(data)

    class Rules(Builder, Transformer):  # type: ignore[type-arg]
        pass

    builder = Rules(visit_tokens=False)
    grammar = FilePath(__file__).with_name("flow.lark").read_text(encoding="utf-8")
    parser = Lark(grammar, parser="lalr", lexer=Given, transformer=builder, start=["start", "expression"], maybe_placeholders=False)
    return parser, builder, terminals_of(parser)


def parse(source: str) -> tuple[Flow | None, list[Diagnostic]]:
    """The tree of a flow, or the one thing that keeps the text from being a flow."""
    try:
        return cast(Flow, _read(source, "start")), []
    except Problem as problem:
        return None, [problem.diagnostic]


def parse_expression(source: str) -> tuple[Expression | None, list[Diagnostic]]:
    """The tree of one expression: `item.Amount > 100`."""
    try:
        return cast("Expression", _read(source, "expression")), []
    except Problem as problem:
        return None, [problem.diagnostic]


def _read(source: str, start: str) -> Any:
    from lark.exceptions import UnexpectedToken

    with _lock:
        parser, builder, terminals = _parser()
        lexer = Lexer(source, terminals, start)
        lexer.run()
        comments, head = _place(lexer)
        builder.reset(comments)
        try:
            tree = cast(Any, parser.parse(cast(str, lexer.tokens), start))
        except UnexpectedToken as error:
            raise unexpected(error, lexer) from None
        for invocation in builder.invocations.values():
            hint = f"give it a line of its own: result = {_callee(invocation.connector, invocation.operation, True)}({{ ... }});"
            raise Problem("S110", "a step is called inside an expression", invocation.span, hint)
        return replace(tree, comment="\n".join(x for x in (head, tree.comment) if x)) if head else tree


def _place(lexer: Lexer) -> tuple[list[Comment], str]:
    """Gives each comment the word it stands before, and takes off those that are about the whole flow: above `@@…`, or above an empty line at the top."""
    comments, tokens = lexer.comments, lexer.tokens
    if not comments:
        return [], ""
    starts = [t.start_pos for t in tokens]
    for comment in comments:
        if comment.after < 0:
            at = bisect_right(starts, comment.start)
            comment.before = starts[at] if at < len(starts) else -1
    if not tokens:
        return comments, ""
    top = [c for c in comments if c.start < starts[0]]
    if tokens[0].type != "ATAT":
        lines = [*(c.line for c in top), tokens[0].line]
        gap = max((i + 1 for i, (a, b) in enumerate(pairwise(lines)) if b - a > 1), default=0)
        top = top[:gap]
    return comments[len(top) :], "\n".join(c.text for c in top)


def words_of(source: str) -> list[Word]:
    """The words of a text that can be read, in order, without its comments."""
    lexer = Lexer(source, _parser()[2], "start")
    lexer.run()
    return lexer.tokens


# --- writing -------------------------------------------------------------------------------------------------------------------

WIDTH = 150
# Annotations of a flow that a reader seldom needs.
AT_THE_END = frozenset(("functions", "references", "around", "connections", "authentication", "parameters", "triggers", "definition", "ids"))


def is_name(text: str) -> bool:
    """Whether a word can be a name as it stands, without backticks."""
    return NAME.fullmatch(text) is not None and text not in KEYWORDS


def unparse(flow: Flow) -> str:
    """The canonical text of a flow, with a line break at its end."""
    out: list[str] = []
    _comment_lines(flow.comment, "", out)
    tail = len(flow.annotations)
    while tail and flow.annotations[tail - 1].name in AT_THE_END:
        tail -= 1
    out.extend(f"@{_annotation(annotation, '')}" for annotation in flow.annotations[:tail])
    if out:
        out.append("")
    _call_lines(flow.trigger, "", out, "await ")
    _block(flow.steps, "", out)
    if tail < len(flow.annotations):
        out.append("")
    out.extend(f"@{_annotation(annotation, '')}" for annotation in flow.annotations[tail:])
    return "\n".join(out) + "\n"


def unparse_statements(steps: Iterable[Statement], indent: str = "") -> str:
    """The canonical text of some steps."""
    out: list[str] = []
    _block(steps, indent, out)
    return "\n".join(out)


def unparse_expression(expression: Expression) -> str:
    """An expression on one line."""
    return _expression(expression)


def nesting(flow: Flow) -> int:
    """How many brackets stand inside one another in the text of a flow, at most; `words.MAX_NESTING` of them can be read."""
    heads = [_deepest(a) + 1 for annotation in flow.annotations for a in annotation.arguments]
    return max([*heads, _deepest_of(flow.trigger), *map(_deepest_of, flow.steps)])


def _deepest_of(statement: Statement) -> int:
    own = [_deepest(a) + 1 for annotation in statement.annotations for a in annotation.arguments]
    match statement:
        case Call():
            own += [2 + _deepest(entry.value) for entry in statement.parameters]
        case If():
            own.append(1 + _deepest(statement.condition))
        case For():
            own.append(1 + _deepest(statement.source))
        case Switch():
            own += [1 + _deepest(statement.subject), *(1 + _deepest(case.value) for case in statement.cases)]
        case Until():
            own.append(1 + _deepest(statement.condition))
        case Let() | Assign():
            own.append(0 if statement.value is None else 1 + _deepest(statement.value))
        case Opaque():
            own.append(1 + _deepest(statement.definition))
        case _:
            pass
    braces = 2 if isinstance(statement, Switch | Parallel) else 1
    return max([*own, *(braces + max(map(_deepest_of, block), default=0) for block in blocks(statement))], default=0)


def _deepest(node: Expression) -> int:
    match node:
        case Literal() | Name():
            return 0
        case Array():
            return 1 + max(map(_deepest, node.items), default=0)
        case Object():
            return 1 + max((_deepest(entry.value) for entry in node.entries), default=0)
        case Function():
            return 1 + max(map(_deepest, node.arguments), default=0)
        case Template():
            return 1 + max((_deepest(part) for part in node.parts if not isinstance(part, str)), default=0)
        case Path():
            keys = (1 + _deepest(segment.key) for segment in node.segments if not isinstance(segment.key, str | int))
            return max(_deepest(node.base), 1, *keys)
        case Not():
            return isinstance(node.operand, Binary) + _deepest(node.operand)
        case Binary():
            level = PRECEDENCE[node.operator]
            return max(_in_group(node.left, level), _in_group(node.right, level + 1))


def _in_group(node: Expression, level: int) -> int:
    return (isinstance(node, Binary) and PRECEDENCE[node.operator] < level) + _deepest(node)


def _comment_lines(comment: str, indent: str, out: list[str]) -> None:
    if comment:
        out.extend(f"{indent}// {line}".rstrip() for line in comment.split("\n"))


def _head(statement: Statement, indent: str, out: list[str]) -> None:
    _comment_lines(statement.comment, indent, out)
    _annotations(statement.annotations, indent, out)


def _annotations(annotations: tuple[Annotation, ...], indent: str, out: list[str]) -> None:
    """Side by side as far as they fit on a line."""
    line = ""
    for annotation in annotations:
        text = _annotation(annotation, indent)
        if line and ("\n" in text or "\n" in line or len(line) + 1 + len(text) > WIDTH):
            out.append(line)
            line = ""
        line = f"{line} {text}" if line else indent + text
    if line:
        out.append(line)


def _annotation(annotation: Annotation, indent: str) -> str:
    flat = f"@{annotation.name}({', '.join(_expression(a) for a in annotation.arguments)})" if annotation.arguments else f"@{annotation.name}"
    if len(indent) + len(flat) <= WIDTH or len(annotation.arguments) != 1:
        return flat
    return f"@{annotation.name}({_fit(annotation.arguments[0], indent, WIDTH)})"


def _block(steps: Iterable[Statement], indent: str, out: list[str]) -> None:
    for statement in steps:
        _statement(statement, indent, out)


def _braces(opening: str, steps: tuple[Statement, ...], indent: str, out: list[str], closing: str = "}") -> None:
    out.append(f"{indent}{opening} {{")
    _block(steps, indent + "  ", out)
    out.append(indent + closing)


def _statement(statement: Statement, indent: str, out: list[str]) -> None:
    match statement:
        case Call():
            _call_lines(statement, indent, out)
            return
        case _:
            _head(statement, indent, out)
    match statement:
        case If():
            _if(statement, indent, out)
        case For(item=item, source=source, body=body):
            _braces(f"for ({item} of {_fit(source, indent, len(indent) + len(item) + 13)})", body, indent, out)
        case Switch():
            _switch(statement, indent, out)
        case Until(body=body, condition=condition):
            _braces("do", body, indent, out, f"}} until ({_fit(condition, indent, len(indent) + 11)});")
        case Scope(body=body):
            _braces("scope", body, indent, out)
        case Try():
            _try(statement, indent, out)
        case Parallel(branches=branches):
            out.append(f"{indent}parallel {{")
            for branch in branches:
                out.append(f"{indent}  {{")
                _block(branch, indent + "    ", out)
                out.append(f"{indent}  }}")
            out.append(f"{indent}}}")
        case Let(name=name, type=kind, value=value):
            head = f"{indent}let {name}{f': {kind}' if kind else ''}"
            out.append(f"{head};" if value is None else f"{head} = {_fit(value, indent, len(head) + 4)};")
        case Assign(name=name, operator=operator, value=value):
            text = _fit(value, indent, len(indent) + len(name) + 5)
            ambiguous = operator == "=" and isinstance(value, Function) and reads_as_call(value, name)
            out.append(f"{indent}{name} {operator} {f'({text})' if ambiguous else text};")
        case Opaque(definition=definition):
            out.append(f"{indent}opaque({_fit(definition, indent, len(indent) + 9)});")


def _if(statement: If, indent: str, out: list[str]) -> None:
    out.append(f"{indent}if ({_fit(statement.condition, indent, len(indent) + 7)}) {{")
    _block(statement.then, indent + "  ", out)
    while (
        len(statement.otherwise) == 1
        and isinstance(statement.otherwise[0], If)
        and not (statement.otherwise[0].comment or statement.otherwise[0].annotations)
    ):
        statement = statement.otherwise[0]
        out.append(f"{indent}}} else if ({_fit(statement.condition, indent, len(indent) + 14)}) {{")
        _block(statement.then, indent + "  ", out)
    if statement.otherwise:
        out.append(f"{indent}}} else {{")
        _block(statement.otherwise, indent + "  ", out)
    out.append(f"{indent}}}")


def _switch(statement: Switch, indent: str, out: list[str]) -> None:
    out.append(f"{indent}switch ({_fit(statement.subject, indent, len(indent) + 11)}) {{")
    for case in statement.cases:
        _braces(f"case {_expression(case.value)}:", case.body, indent + "  ", out)
    if statement.default:
        _braces("default:", statement.default, indent + "  ", out)
    out.append(f"{indent}}}")


def _try(statement: Try, indent: str, out: list[str]) -> None:
    out.append(f"{indent}try {{")
    _block(statement.body, indent + "  ", out)
    for word, block in (("catch", statement.catch), ("finally", statement.final)):
        if block:
            out.append(f"{indent}}} {word} {{")
            _block(block, indent + "  ", out)
    out.append(f"{indent}}}")


def _callee(connector: str, operation: str, assigned: bool) -> str:
    if connector:
        left = connector if is_name(connector) else _backtick(connector, "`")
        return f"{left}.{operation if NAME.fullmatch(operation) else _backtick(operation, '`')}"
    plain = is_name(operation) and operation != "opaque" and (operation.lower() not in FUNCTIONS)
    return operation if plain else _backtick(operation, "`")


def _call_lines(call: Call, indent: str, out: list[str], before: str = "") -> None:
    _head(call, indent, out)
    head = f"{indent}{f'{call.result} = ' if call.result else ''}{before}{_callee(call.connector, call.operation, bool(call.result))}("
    flat = _pairs(call.parameters)
    line = f"{head}{flat});"
    if len(line) <= WIDTH or not call.parameters:
        out.append(line)
    else:
        out.append(f"{head}{_broken_pairs(call.parameters, indent)});")


def _pairs(entries: tuple[Entry, ...]) -> str:
    return f"{{ {', '.join([f'{_quoted(e.key)}: {_expression(e.value)}' for e in entries])} }}" if entries else "{}"


def _broken_pairs(entries: tuple[Entry, ...], indent: str) -> str:
    inner = indent + "  "
    lines = []
    for e in entries:
        key = f"{inner}{_quoted(e.key)}: "
        lines.append(key + _fit(e.value, inner, len(key) + 1))
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _fit(value: Expression, indent: str, used: int) -> str:
    """An expression on one line if it fits, else what is in its brackets or between its `&&` one a line."""
    flat = _expression(value)
    if used + len(flat) <= WIDTH:
        return flat
    match value:
        case Object(entries=entries) if entries:
            return _broken_pairs(entries, indent)
        case Array(items=items) if items:
            return f"[\n{_broken_items(items, indent)}\n{indent}]"
        case Function(name=name, arguments=arguments) if any(not isinstance(a, Literal) for a in arguments):
            return f"{name}(\n{_broken_items(arguments, indent)}\n{indent})"
        case Binary(operator="&&" | "||" as operator):
            level = PRECEDENCE[operator]
            return f"{_fit_operand(value.left, level, indent, used)} {operator}\n{indent}  {_fit_operand(value.right, level + 1, indent + '  ', len(indent) + 2)}"
        case _:
            return flat


def _broken_items(items: tuple[Expression, ...], indent: str) -> str:
    inner = indent + "  "
    if len(items) > 4 and all(isinstance(item, Literal) for item in items):
        return _filled([_expression(item) for item in items], inner)
    return ",\n".join(inner + _fit(item, inner, len(inner) + 1) for item in items)


def _filled(items: list[str], indent: str) -> str:
    """Short items, as many on a line as fit."""
    lines = [indent + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 3 > WIDTH or "\n" in item:
            lines[-1] += ","
            lines.append(indent + item)
        else:
            lines[-1] += ", " + item
    return "\n".join(lines)


def _fit_operand(node: Expression, level: int, indent: str, used: int) -> str:
    if isinstance(node, Binary) and PRECEDENCE[node.operator] < level:
        return f"({_fit(node, indent, used + 2)})"
    return _fit(node, indent, used)


def _expression(node: Expression) -> str:
    return _WRITERS[type(node)](node)


def _literal(node: Literal) -> str:
    value = node.value
    if isinstance(value, str):
        return _backtick(value, "`") if "\n" in value and len(value) > 60 else _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def _path(node: Path) -> str:
    return _expression(node.base) + "".join(_segment(s) for s in node.segments)


def _segment(segment: Segment) -> str:
    mark = "!" if segment.strict else ""
    key = segment.key
    if isinstance(key, str):
        return f"{mark}.{key}" if NAME.fullmatch(key) else f"{mark}[{_quoted(key)}]"
    return f"{mark}[{key if isinstance(key, int) else _expression(key)}]"


def _template(node: Template) -> str:
    parts = [_backtick(p, "") if isinstance(p, str) else f"${{{_expression(p)}}}" for p in node.parts]
    return f"`{''.join(parts)}`"


def _binary(node: Binary) -> str:
    level = PRECEDENCE[node.operator]
    return f"{_operand(node.left, level)} {node.operator} {_operand(node.right, level + 1)}"


def _operand(node: Expression, level: int) -> str:
    text = _expression(node)
    return f"({text})" if isinstance(node, Binary) and PRECEDENCE[node.operator] < level else text


_WRITERS: dict[type, Callable[[Any], str]] = {
    Literal: _literal,
    Array: lambda n: f"[{', '.join([_expression(i) for i in n.items])}]",
    Object: lambda n: _pairs(n.entries),
    Name: lambda n: n.id,
    Path: _path,
    Function: lambda n: f"{n.name}({', '.join([_expression(a) for a in n.arguments])})",
    Template: _template,
    Binary: _binary,
    Not: lambda n: f"!{_operand(n.operand, 9)}",
}

_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f\ud800-\udfff]*')


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return json.dumps(text, ensure_ascii=any("\ud800" <= c <= "\udfff" for c in text))


_TICKED = re.compile("[`\\\\\\r\ud800-\udfff]|\\$(?=\\{)|\\$$")


def _backtick(text: str, mark: str) -> str:
    r"""Text inside backticks; `\`, backticks and `${` are escaped, line breaks stand as they are."""

    def one(found: re.Match[str]) -> str:
        c = found[0]
        return "\\r" if c == "\r" else f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else "\\" + c

    return mark + _TICKED.sub(one, text) + mark
