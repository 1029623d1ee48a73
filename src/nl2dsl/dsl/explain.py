"""Why a text is not a flow: one clear explanation for the word at which the parser stopped.

In: the parser's error and the words. Out: a `Problem`. An explanation is a function in `_EXPLANATIONS`; the first that fits is given. What is missing is found by asking the
parser's tables with which addition it would go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from nl2dsl.dsl.diagnostics import Fix
from nl2dsl.dsl.tree import Span
from nl2dsl.dsl.words import CLOSES, FOREIGN, KEYWORDS, Lexer, Problem, Word, at

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedToken

_SHOWN = {
    "SEMI": ";",
    "COMMA": ",",
    "COLON": ":",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
    "TEMPLATE_CLOSE": "}",
    "DOT": ".",
    "NAME": "a name",
    "QUOTED": "a name",
    "STRING": "a string",
    "NUMBER": "a number",
    "OPERATOR": "an operator",
    "ASSIGN": "=",
    "TEMPLATE_START": "a template",
    "OF": "of",
    "UNTIL": "until",
}
_REPAIRS = [["COMMA"], ["SEMI"], ["RPAR"], ["RBRACE"], ["RSQB"], ["COLON"], ["LPAR"], ["LBRACE"], ["OF"], ["DOT"]]
_REPAIRS += [["RPAR", "SEMI"], ["RBRACE", "RPAR", "SEMI"], ["RBRACE", "RPAR"], ["RSQB", "RBRACE", "RPAR", "SEMI"]]
_FOLLOWERS = {
    "ELSE": "`else` stands behind the `}` of an if",
    "CATCH": "`catch` stands behind the `}` of a try",
    "FINALLY": "`finally` stands behind the `}` of a try or catch",
    "CASE": "`case` stands inside switch (x) { ... }",
    "DEFAULT": "`default` stands last inside switch (x) { ... }",
    "UNTIL": "`until` stands behind the `}` of do { ... }",
}


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where the parser stopped: the word it did not expect, what came before, and the parser's stack of states."""

    word: Word
    index: int
    tokens: list[Word]
    stack: list[Any]
    states: Any

    @property
    def previous(self) -> Word | None:
        return self.tokens[self.index - 1] if self.index else None

    @property
    def kind(self) -> str:
        return self.previous.type if self.previous is not None else ""

    @property
    def following(self) -> list[str]:
        return [t.type for t in self.tokens[self.index : self.index + 2]]

    def takes(self, *kinds: str) -> bool:
        return _after(self.stack, self.states, kinds)

    def begins(self) -> bool:
        """Whether the word stands where a statement may begin."""
        return self.kind in ("", "SEMI", "RBRACE", "LBRACE")


def unexpected(error: UnexpectedToken, lexer: Lexer) -> Problem:
    """Says what is wrong at a word the grammar did not expect: the first explanation that fits."""
    word: Word = error.token
    tokens = lexer.tokens
    index = len(tokens) if word.type == "$END" else next((i for i, t in enumerate(tokens) if t is word), 0)
    spot = _Spot(word, index, tokens, list(error.state.state_stack), error.state.parse_conf.states)
    if word.type == "$END":
        return _too_early(spot, lexer)
    for explain in _EXPLANATIONS:
        problem = explain(spot)
        if problem:
            return problem
    return Problem("S101", f"unexpected {_quote(word)}", at(word), _expected(spot))


def _foreign(spot: _Spot) -> Problem | None:
    """A word of another language, here or at the beginning of the statement."""
    start = spot.index
    while start and spot.tokens[start - 1].type not in ("SEMI", "LBRACE", "RBRACE"):
        start -= 1
    for word in (spot.word, spot.previous, spot.tokens[start]):
        if word is not None and word.type == "NAME" and word.value in FOREIGN:
            return Problem("S101", f"unexpected `{word.value}`", at(word), FOREIGN[word.value])
    return None


def _follower(spot: _Spot) -> Problem | None:
    """The second half of a statement without its first."""
    if spot.word.type in _FOLLOWERS and spot.begins():
        return Problem("S101", f"unexpected `{spot.word.value}`", at(spot.word), _FOLLOWERS[spot.word.type])
    return None


def _single_equals(spot: _Spot) -> Problem | None:
    if spot.word.type == "ASSIGN" and spot.word.value == "=" and spot.takes("OPERATOR"):
        return Problem("S101", "`=` inside an expression", at(spot.word), "compare with ==", (Fix.text(at(spot.word), "==", safe=True),))
    return None


def _reserved(spot: _Spot) -> Problem | None:
    if spot.word.value in KEYWORDS and spot.word.type not in ("NAME", "STRING") and spot.takes("NAME"):
        return Problem("S101", f"`{spot.word.value}` is a word of the language", at(spot.word), "choose another name")
    return None


def _undeclared(spot: _Spot) -> Problem | None:
    if spot.word.type == "COLON" and spot.kind == "NAME" and (spot.index < 2 or spot.tokens[spot.index - 2].type in ("SEMI", "LBRACE", "RBRACE")):
        name = spot.tokens[spot.index - 1].value
        return Problem("S101", "unexpected `:`", at(spot.word), f"declare a variable like this: let {name}: string = ...;")
    return None


def _branch_block(spot: _Spot) -> Problem | None:
    if spot.index > 1 and spot.tokens[spot.index - 2].type == "PARALLEL" and spot.word.type != "RBRACE":
        return Problem(
            "S101", f"unexpected {_quote(spot.word)}", at(spot.word), "each branch of parallel has braces of its own: parallel { { ... } { ... } }"
        )
    return None


def _not_open(spot: _Spot) -> Problem | None:
    """A closing bracket without an opening one."""
    kind = spot.word.type
    if kind not in CLOSES:
        return None
    before = [t.type for t in spot.tokens[: spot.index]]
    if before.count(CLOSES[kind]) > before.count(kind):
        return None
    return Problem("S101", f"unexpected {_quote(spot.word)}", at(spot.word), "nothing is open here: remove it")


def _no_value(spot: _Spot) -> Problem | None:
    if (
        spot.kind in ("COLON", "ASSIGN", "OPERATOR", "BANG", "OF")
        and spot.word.type in ("RBRACE", "RPAR", "RSQB", "COMMA", "SEMI", "TEMPLATE_CLOSE")
        and spot.takes("STRING")
    ):
        return _missing_at(spot, "a value", "add a value, or remove the key" if spot.kind == "COLON" else "add a value")
    return None


def _repair(spot: _Spot) -> Problem | None:
    """Something is missing before the word: the likeliest addition with which the parser would go on."""
    if spot.previous is None:
        return None
    for repair in _repairs(spot):
        if spot.takes(*repair, *spot.following):
            text = "".join(_SHOWN[r] for r in repair)
            place = spot.previous.end_pos
            fix = Fix.text(Span(place, place), text, f"add `{text}`", text in (";", ","))
            return _missing_at(spot, f"`{text}`", f"add `{text}`", (fix,))
    return None


def _repairs(spot: _Spot) -> list[list[str]]:
    """A word that begins a line and looks like a statement suggests that the last one was not ended."""
    new_line = spot.previous is not None and spot.word.line != spot.previous.end_line
    statement = spot.word.type in ("LET", "FOR", "IF", "AT", "DO", "TRY", "SWITCH", "RBRACE")
    begins = statement or (spot.word.type != "STRING" and spot.following[1:] in (["ASSIGN"], ["DOT"], ["LPAR"]))
    return sorted(_REPAIRS, key=lambda r: r[-1] != "SEMI") if new_line and begins else _REPAIRS


def _missing_at(spot: _Spot, what: str, hint: str, fixes: tuple[Fix, ...] = ()) -> Problem:
    previous = cast("Word", spot.previous)
    end = previous.end_pos
    place = Span(end, end + 1, previous.end_line, previous.end_column)
    return Problem("S102", f"missing {what} after {_quote(previous)}", place, hint, fixes)


def _superfluous(spot: _Spot) -> Problem | None:
    """The parser would go on without the word."""
    double = spot.word.type == "SEMI" and spot.kind in ("SEMI", "RBRACE")
    if double or (len(spot.following) == 2 and spot.takes(spot.following[1])):
        fix = Fix.text(at(spot.word), "", f"remove {_quote(spot.word)}", double)
        return Problem("S101", f"unexpected {_quote(spot.word)}", at(spot.word), "remove it", (fix,))
    return None


_EXPLANATIONS = (_foreign, _follower, _single_equals, _reserved, _undeclared, _branch_block, _not_open, _no_value, _repair, _superfluous)


def _after(stack: list[Any], states: Any, kinds: Sequence[str]) -> bool:
    """Whether the parser, from a stack of states, would take these words."""
    stack = list(stack)
    for kind in kinds:
        while True:
            action = states[stack[-1]].get(kind)
            if action is None:
                return False
            move, target = action
            if move.name == "Shift":
                stack.append(target)
                break
            if target.expansion:
                del stack[-len(target.expansion) :]
            stack.append(states[stack[-1]][target.origin.name][1])
    return True


def _expected(spot: _Spot) -> str:
    words = [_SHOWN[k] for k in _SHOWN if spot.takes(k)]
    words = list(dict.fromkeys(w if " " in w else f"`{w}`" for w in words))
    return f"expected {', '.join(words[:6])}" if words else ""


def _too_early(spot: _Spot, lexer: Lexer) -> Problem:
    if lexer.open:
        opening = lexer.open[-1]
        closing = {"LPAR": ")", "LSQB": "]"}.get(opening.type, "}")
        return Problem("S105", f"{_quote(opening)} is never closed", at(opening), f"add `{closing}`")
    if spot.previous is None:
        return Problem("S108", "there is nothing to read", Span())
    hint = "add `;`" if spot.takes("SEMI") else "add `until (condition);`" if spot.takes("UNTIL") else _expected(spot)
    if spot.takes("AT"):
        hint = "an annotation stands above the step it belongs to"
    place = spot.previous.end_pos
    fixes = (Fix.text(Span(place, place), ";", "add `;`", True),) if hint == "add `;`" else ()
    return _missing_at(spot, "something", hint, fixes)._as("S105", f"the text ends after {_quote(spot.previous)}")


def _quote(word: Word) -> str:
    text = word.value if len(word.value) <= 30 else word.value[:29] + "…"
    return f"`{text}`" if "`" not in text else "the backtick"
