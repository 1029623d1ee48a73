"""The words of a flow's text: brackets, names, strings, the pieces of template strings, and comments with their places.

In: the text, and the terminals of the grammar (`flow.lark`). Out: tokens for the parser. Cut by hand because template strings nest, a keyword is one only where a statement
can stand, and comments are kept. A text that cannot be cut raises `Problem`, which `text.parse` turns into its diagnostic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from nl2dsl.dsl.diagnostics import Diagnostic, Fix
from nl2dsl.dsl.tree import Span

if TYPE_CHECKING:
    from lark import Lark

MAX_NESTING = 64  # brackets inside brackets; the passes over the tree recurse, so depth is bounded here once and for all
MAX_OPERATORS = 100  # in one expression, with those around it
MAX_BRANCHES = 60  # of one `if … else if … else if …`
MAX_DIGITS = 300

# never free names; the same words as in flow.lark (a test compares)
KEYWORDS = frozenset("if else for of switch case default do until try catch finally scope parallel let await true false null".split())
_BEFORE_BLOCK = {"DO", "TRY", "CATCH", "FINALLY", "SCOPE", "PARALLEL"}  # keywords only where a `{` follows

NAME = re.compile(r"(?:[^\W\d]|\$)[\w$]*(?:-[\w$]+)*")
_QUOTED = re.compile(r"`([^`\\$]*(?:(?:\\.|\$(?!\{))[^`\\$]*)*)`(?=\s*[(.])", re.DOTALL)
_QUOTED_KEY = re.compile(r"`([^`\\]*(?:\\.[^`\\]*)*)`", re.DOTALL)
_TEMPLATE_TEXT = re.compile(r"[^`\\$]*(?:(?:\\.|\$(?!\{))[^`\\$]*)*", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "`": "`", "\\": "\\", "$": "$"}


class Problem(Exception):
    """The text cannot be read; carries the one diagnostic that says why. Never leaves this module."""

    def __init__(self, code: str, message: str, span: Span, hint: str = "", fixes: tuple[Fix, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code, message, span, "error", hint, fixes)

    def _as(self, code: str, message: str) -> Problem:
        return Problem(code, message, self.diagnostic.span, self.diagnostic.hint, self.diagnostic.fixes)


# --- words ---------------------------------------------------------------------------------------------------------------------


class Word:
    """One word of a text; with the attributes of lark's tokens, and made in half the time."""

    __slots__ = ("column", "end_column", "end_line", "end_pos", "line", "start_pos", "type", "value")

    def __init__(self, type: str, value: str, start_pos: int, line: int, column: int, end_line: int, end_column: int, end_pos: int) -> None:
        self.type = type
        self.value = value
        self.start_pos = start_pos
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        self.end_pos = end_pos


@dataclass(slots=True)
class Comment:
    start: int
    line: int
    text: str
    after: int  # where the word before it ends, when that is on the same line; else -1
    before: int = -1  # where the next word starts; -1 when a comment is `after` something


class Terminals(NamedTuple):
    pattern: re.Pattern[str]
    keywords: dict[str, str]


def terminals_of(parser: Lark) -> Terminals:
    """One regular expression for all terminals of the grammar, and its keywords."""
    texts, patterns, keywords = [], [], {}
    for terminal in parser.terminals:
        if terminal.pattern is None:
            continue
        if terminal.pattern.type == "re":
            patterns.append((terminal.name, terminal.pattern.to_regexp()))
        elif NAME.fullmatch(terminal.pattern.value):
            keywords[terminal.pattern.value] = terminal.name
        else:
            texts.append((terminal.name, terminal.pattern.value))
    patterns += [(name, re.escape(value)) for name, value in sorted(texts, key=lambda t: -len(t[1]))]
    words = "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns)
    return Terminals(re.compile(rf"[ \t\r\f\ufeff]*(?:{words}|(?P<newline>\n)|(?P<comment>//[^\n]*)|(?P<tick>`))"), keywords)


class Lexer:
    """Cuts a text into the grammar's terminals and its comments. Done by hand because template strings nest and comments are kept."""

    def __init__(self, source: str, terminals: Terminals, start: str) -> None:
        self.source, self.terminals = source, terminals
        self.before = "" if start == "start" else "LPAR"  # what the text stands behind, as it were
        self.tokens: list[Word] = []
        self.comments: list[Comment] = []
        self.open: list[Word] = []  # brackets that wait for their partner
        self.operators = 0  # that the word at hand stands among, with those around its brackets
        self.outside: list[int] = []  # the same, for each open bracket
        self.line, self.line_start = 1, 0

    def run(self) -> None:
        source, match, keywords, tokens = self.source, self.terminals.pattern.match, self.terminals.keywords, self.tokens
        append = tokens.append
        position, size = 0, len(source)
        while position < size:
            found = match(source, position)
            if found is None:
                rest = position + len(source[position:]) - len(source[position:].lstrip(" \t\r\f\ufeff"))
                if rest >= size:
                    break
                raise self._strange(rest)
            kind = cast(str, found.lastgroup)
            start, position = found.span(kind)
            if kind == "newline":
                self.line += 1
                self.line_start = position
                continue
            if kind == "comment":
                self._comment(source[start:position], start)
                continue
            if kind == "tick":
                position = self._tick(start)
                continue
            text = found[kind]
            if kind == "NAME" and text in keywords:
                kind = self._keyword(keywords[text], position)
            column = start - self.line_start + 1
            word = Word(kind, text, start, self.line, column, self.line, column + position - start, position)
            if kind in _BRACKETS:
                if kind == "RBRACE" and self.open and self.open[-1].type == "TEMPLATE_OPEN":
                    self._close()
                    word.type = "TEMPLATE_CLOSE"
                    append(word)
                    position = self._template_text(position)
                    continue
                self._bracket(word)
            elif kind == "OPERATOR" or (kind == "BANG" and source[position : position + 1] not in (".", "[")):
                self.operators += 1
                if self.operators > MAX_OPERATORS:
                    raise Problem(
                        "S107", f"more than {MAX_OPERATORS} operators in one expression", at(word), "split it into several steps or conditions"
                    )
            elif kind == "SEMI" or kind == "COMMA":
                self.operators = self.outside[-1] if self.outside else 0
            append(word)

    def _keyword(self, kind: str, end: int) -> str:
        """A keyword is only one where it can be: in `x.default`, `{ case: 1 }`, `scope.value` and `x == if(a, b, c)` they are names."""
        last = self.tokens[-1].type if self.tokens else self.before
        if last == "DOT":
            return "NAME"
        following = self.source[end : end + 40].lstrip()[:1]
        if kind in _BEFORE_BLOCK and following != "{":
            return "NAME"
        if following == ":" and kind != "DEFAULT" and last in ("LBRACE", "COMMA", "LPAR"):
            return "NAME"
        if following == "(" and last in _BEFORE_EXPRESSION and kind not in ("TRUE", "FALSE", "NULL", "AWAIT"):
            return "NAME"
        return kind

    def _bracket(self, word: Word) -> None:
        if word.type in CLOSES:
            if self.open and self.open[-1].type == CLOSES[word.type]:
                self._close()
        else:
            self.open.append(word)
            self.outside.append(self.operators)
            if len(self.open) > MAX_NESTING:
                raise Problem("S107", f"nested more than {MAX_NESTING} levels deep", at(word), "name the inner parts in steps of their own")

    def _close(self) -> None:
        self.open.pop()
        self.operators = self.outside.pop()

    def _comment(self, text: str, start: int) -> None:
        last = self.tokens[-1] if self.tokens else None
        same_line = last is not None and last.end_line == self.line
        text = text[2:].rstrip()
        self.comments.append(Comment(start, self.line, text.removeprefix(" "), last.end_pos if last and same_line else -1))

    def _word(self, kind: str, text: str, start: int, end: int) -> Word:
        """A word that may reach over several lines."""
        line, column = self.line, start - self.line_start + 1
        breaks = self.source.count("\n", start, end)
        if breaks:
            self.line += breaks
            self.line_start = self.source.rindex("\n", start, end) + 1
        word = Word(kind, text, start, line, column, self.line, end - self.line_start + 1, end)
        self.tokens.append(word)
        return word

    def _tick(self, start: int) -> int:
        """A backtick opens a name with odd characters or a template string."""
        after_dot = bool(self.tokens) and self.tokens[-1].type == "DOT"
        found = (_QUOTED_KEY if after_dot else _QUOTED).match(self.source, start)
        if found:
            self._word("NAME" if after_dot else "QUOTED", _unescape(found[1]), start, found.end())
            return found.end()
        self._word("TEMPLATE_START", "`", start, start + 1)
        return self._template_text(start + 1)

    def _template_text(self, start: int) -> int:
        found = cast("re.Match[str]", _TEMPLATE_TEXT.match(self.source, start))
        end = found.end()
        if end > start:
            self._word("TEMPLATE_TEXT", _unescape(found[0]), start, end)
        if self.source.startswith("${", end):
            word = self._word("TEMPLATE_OPEN", "${", end, end + 2)
            self._bracket(word)
            return end + 2
        if self.source.startswith("`", end):
            self._word("TEMPLATE_END", "`", end, end + 1)
            return end + 1
        opening = next((w for w in reversed(self.tokens) if w.type in ("TEMPLATE_START", "TEMPLATE_CLOSE")), self.tokens[-1])
        raise Problem("S103", "template string is not closed", at(opening), "end it with a backtick, or write \\` for a backtick inside it")

    def _strange(self, place: int) -> Problem:
        character = self.source[place : place + 2] if self.source.startswith("/*", place) else self.source[place]
        span = Span(place, place + 1, self.line, place - self.line_start + 1)
        if character == '"':
            end = self.source.find("\n", place)
            end = len(self.source) if end < 0 else end
            return Problem(
                "S103", "string is not closed", span._replace(end=end), 'end it with a double quote; write \\" for a quote and \\n for a line break'
            )
        if character == "'":
            found = re.compile(r"'([^'\"\\\n]*)'").match(self.source, place)
            fixes = (Fix.value(span._replace(end=found.end()), found[1], True),) if found else ()
            return Problem("S113", "strings take double quotes", span, 'write "text"', fixes)
        shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
        return Problem("S104", f"character {shown} does not belong to the language", span, _STRANGE.get(character, ""))


CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
_BEFORE_EXPRESSION = frozenset(["LPAR", "LSQB", "COMMA", "COLON", "OPERATOR", "BANG", "ASSIGN", "TEMPLATE_OPEN"])
_BRACKETS = frozenset([*CLOSES, *CLOSES.values()])
_STRANGE = {
    "+": "use add(a, b) for numbers, concat(a, b) or `${a}${b}` for text",
    "-": "use sub(a, b)",
    "*": "use mul(a, b)",
    "/": "use div(a, b)",
    "/*": "comments start with //, on each line",
    "%": "use mod(a, b)",
    "?": "use if(condition, a, b); x.key is already null-safe",
    "&": "use &&",
    "|": "use ||",
    "\\": 'a backslash only has a meaning inside a string: "line\\nbreak"',
    "“": "use straight double quotes",
    "”": "use straight double quotes",
}
# words of other languages, and what this one has instead
FOREIGN = {
    "and": "use && (or the function and(a, b))",
    "or": "use || (or the function or(a, b))",
    "not": "use !",
    "const": "declare variables with let",
    "var": "declare variables with let",
    "while": "use do { ... } until (condition);",
    "foreach": "use for (item of list) { ... }",
    "elif": "use else if",
    "elseif": "use else if",
    "in": "use for (item of list)",
    "function": "a flow has no functions of its own",
    "return": "use builtin.Terminate or builtin.Response",
    "break": "loops run to their end; use do { ... } until (condition);",
    "continue": "put the rest of the loop inside an if",
    "throw": 'use builtin.Terminate({ "runStatus": "Failed" });',
    "import": "connectors need no import",
    "async": "steps run one after the other by themselves; use parallel for branches",
}


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        mark = found[1]
        return chr(int(mark[1:], 16)) if len(mark) == 5 else _ESCAPES.get(mark, found[0])

    return _ESCAPE.sub(one, text) if "\\" in text else text


def at(word: Word) -> Span:
    return Span(word.start_pos, word.end_pos, word.line, word.column)
