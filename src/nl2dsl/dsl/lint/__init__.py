"""Data flow and good sense: what a careful colleague would ask about a flow that is otherwise right.

In: a flow and its catalog. Out: findings, nearly all warnings: values of the wrong kind, results and variables nobody uses, conditions that never change, schedules
the platform cannot keep, loops that start themselves, secrets. One walk in the order of execution; whatever only the run knows is left alone, for a wrong warning is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.dsl.diagnostics import Diagnostic, Fix
from nl2dsl.dsl.lint import conditions, literals
from nl2dsl.dsl.lint.kinds import NUMBERS, Kind, Names, family
from nl2dsl.dsl.lint.schedule import check_schedule
from nl2dsl.dsl.lint.trigger import SelfStart
from nl2dsl.dsl.profiles import Profile, profile
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
    Path,
    Span,
    Statement,
    Switch,
    Template,
    Try,
    Until,
    blocks,
    walk,
)

TRIGGER_RESULT = "triggerOutputs"
_APPENDS = ("AppendToArrayVariable", "AppendToStringVariable", "SetVariable", "IncrementVariable", "DecrementVariable")
_DATA = ("builtin.Select", "builtin.Query", "builtin.Join", "builtin.TableCsv", "builtin.TableHtml", "builtin.ParseJson")
_INDIRECT = frozenset(("outputs", "body", "actionoutputs", "actionbody", "actions", "result", "formdatavalue", "multipartbody", "items", "variables"))
# annotations that hold names and ids, no values
_LABELS = frozenset(
    ("name", "key", "metadata", "runAfter", "type", "connection", "connections", "references", "variable", "cases", "ids", "around", "host")
)
_WAITS = ("builtin.Delay", "builtin.DelayUntil")
_QUIET = frozenset(("builtin.Compose", *_WAITS))  # steps that do not fail
# what a parameter of such a role takes is one text, whatever else the catalog says of it
_WORDY = frozenset(
    ("text", "title", "html", "person_email", "person_name", "url", "file_name", "file_path", "folder_path", "query_text", "phone", "location")
)
_SINGLE = _WORDY | {"number", "money", "date_time", "duration", "record_id"}
_NO_NUMBER = frozenset(("title", "html", "person_email", "person_name", "url", "file_name", "file_path", "folder_path"))
_NO_DATE = _NO_NUMBER | {"boolean", "phone", "location", "language", "file_content"}


_CARD = re.compile(r"(?i)card|messagebody|json|payload")  # texts that hold an object written out; services take the object, too


def check_flow(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """Everything this package has to say about a flow."""
    return iter(_Walk(flow, catalog).run())


@dataclass(slots=True)
class _Variable:
    let: Let
    written: bool = False  # so far, besides its declaration
    writes: int = 0
    reads: int = 0
    told: bool = False


@dataclass(slots=True)
class _Result:
    call: Call
    reads: int = 0


@dataclass
class _Walk:
    flow: Flow
    catalog: Catalog
    found: list[Diagnostic] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = Names()
        self.variables: dict[str, _Variable] = {}
        self.results: dict[str, _Result] = {}
        self.unnamed: list[Call] = []
        self.indirect = False  # some expression names an action by its text
        self.start = SelfStart(self.flow.trigger, self.catalog)

    def run(self) -> list[Diagnostic]:
        trigger = self.flow.trigger
        self._annotations(self.flow.annotations)
        for statement in self.flow.steps:
            if isinstance(statement, Let) and statement.name not in self.variables:
                self.variables[statement.name] = _Variable(statement)
        self._call(trigger, False, trigger=True)
        if trigger.id == "commonTrigger.Recurrence":
            self.found.extend(check_schedule(trigger))
        if not any(a.name == "splitOn" for a in trigger.annotations):
            for name in {TRIGGER_RESULT, trigger.result or TRIGGER_RESULT}:
                self.names.call(name, trigger, self.catalog)
        self._block(self.flow.steps, False)
        self._unused()
        return self.found

    def say(self, code: str, message: str, span: Span, hint: str = "", severity: Any = "warning", fixes: tuple[Fix, ...] = ()) -> None:
        self.found.append(Diagnostic(code, message, span, severity, hint, fixes))

    # --- statements

    def _block(self, steps: tuple[Statement, ...], guarded: bool) -> None:
        for statement in steps:
            if statement.annotations:
                self._annotations(statement.annotations)
            _STATEMENTS.get(type(statement), _Walk._inside)(self, statement, guarded)

    def _inside(self, statement: Statement, guarded: bool) -> None:
        for block in blocks(statement):
            self._block(block, guarded)

    def _call(self, call: Call, guarded: bool, trigger: bool = False) -> None:
        operation = self.catalog.get(call.id)
        wired = any(a.name == "type" for a in call.annotations)
        for entry in call.parameters:
            self._read(entry.value, entry.key)
            if operation is not None and not wired:
                parameter = operation.parameter(entry.key)
                if parameter is not None and parameter.name == entry.key:
                    self._given(entry, parameter, operation)
        if trigger:
            return
        if call.connector == "builtin":
            self._builtin(call)
        self.start.look(call, guarded, self.found)
        self._recipients(call, operation)
        made = profile(self.catalog, call.id) if operation is not None else None
        if made is not None and _fetches(made):
            if call.result:
                self.results[call.result] = _Result(call)
            else:
                self.unnamed.append(call)
        if call.result:
            self.names.call(call.result, call, self.catalog)

    def _builtin(self, call: Call) -> None:
        if call.operation in _APPENDS:
            name = call.get("name")
            if isinstance(name, Literal) and isinstance(name.value, str):
                self._written(name.value)

    def _let(self, let: Let, guarded: bool) -> None:
        if let.value is not None:
            self._read(let.value, let.name)
        kind = let.type or (self.names.of(let.value).type if let.value is not None else "any")
        self.names.kinds[let.name] = Kind({"number": "float"}.get(kind, kind), "", True)
        if let.name not in self.variables:
            self.variables[let.name] = _Variable(let)

    def _assign(self, assign: Assign, guarded: bool) -> None:
        before = self.variables[assign.name].reads if assign.name in self.variables else 0
        self._read(assign.value, assign.name)
        variable = self.variables.get(assign.name)
        if variable is not None and variable.reads > before and assign.operator == "=":
            self._itself(assign, variable)
        self._written(assign.name)

    def _itself(self, assign: Assign, variable: _Variable) -> None:
        """The platform refuses to save a flow in which a variable is set from itself."""
        kind = self.names.kinds.get(assign.name)
        hint = f"put the new value into a builtin.Compose first, then set `{assign.name}` to its result"
        if kind is not None and kind.type == "string":
            hint = f'use builtin.AppendToStringVariable({{ "name": "{assign.name}", "value": ... }});'
        elif kind is not None and kind.type in NUMBERS:
            hint = f"count with `{assign.name} += 1;`"
        self.say("R412", f"`{assign.name}` is set from itself, which the platform refuses", assign.value.span, hint, "error")

    def _written(self, name: str) -> None:
        variable = self._variable(name)
        if variable is not None:
            variable.written = True
            variable.writes += 1

    def _variable(self, name: str) -> _Variable | None:
        found = self.variables.get(name)
        if found is None:
            found = next((v for n, v in self.variables.items() if name.lower() in (n.lower(), *_other_names(v.let))), None)
        return found

    def _if(self, statement: If, guarded: bool) -> None:
        seen: list[Expression] = []
        branch = statement
        while True:
            self._read(branch.condition)
            earlier = branch.condition in seen
            if earlier:
                self.say(
                    "C510",
                    "the same condition was tested above, so this branch never runs",
                    branch.condition.span,
                    "remove it, or test something else",
                )
            else:
                self._constant(branch.condition)
            seen.append(branch.condition)
            self._block(branch.then, True)
            following = branch.otherwise[0] if len(branch.otherwise) == 1 else None
            if not isinstance(following, If):
                break
            self._annotations(following.annotations)
            branch = following
        self._block(branch.otherwise, True)

    def _constant(self, condition: Expression) -> None:
        known = conditions.answer(condition, self.names)
        if known is not None:
            word = "always" if known.answer else "never"
            hint = (
                "remove the condition, and the branch that never runs" if known.answer else "the steps inside never run: compare with something else"
            )
            fixes = _unquoted(condition, self.names)
            self.say("C509", f"this condition is {word} true: {known.why}", known.span, hint, fixes=fixes)

    def _for(self, statement: For, guarded: bool) -> None:
        self._read(statement.source)
        self._looped(statement.source)
        self.names.item(statement.item, statement.source)
        self._round(statement.body, guarded)
        if _rounds_at_once(statement.annotations) > 1:
            self._shared(statement)

    def _round(self, body: tuple[Statement, ...], guarded: bool) -> None:
        """The steps of a loop: what one round sets, the next one reads."""
        for name in _writes(body):
            variable = self._variable(name)
            if variable is not None:
                variable.written = True
        self._block(body, guarded)

    def _shared(self, loop: For) -> None:
        """Variables that rounds at the same time set and read: each may read what another has set."""
        read: set[str] = set()
        for statement in walk(loop.body):
            for value in _values(statement):
                _all_names(value, read)
        for statement in walk(loop.body):
            if isinstance(statement, Assign) and statement.operator == "=" and statement.name in read:
                read.discard(statement.name)
                hint = "let the rounds run one after the other (without `concurrency`), or keep the value in a builtin.Compose inside the loop"
                self.say("L804", f"`{statement.name}` is set by rounds of the loop that run at the same time", statement.span, hint)

    def _looped(self, source: Expression) -> None:
        kind = self.names.of(source)
        if (
            not isinstance(source, Path)
            or kind.type in ("array", "any", "null", "integer")
            or kind.role in ("list_of_items", "list_of_files", "other")
        ):
            return
        if kind.type == "object":
            below = self.names.below[source.base.id].at  # type: ignore[union-attr]  # only paths below a name are known
            keys = tuple(s.key for s in source.segments)
            lists = [path for path, k in below.items() if k.type == "array" and path[: len(keys)] == keys and all(isinstance(x, str) for x in path)]
            if lists:
                inner = "".join(f".{key}" for key in lists[0][len(keys) :])
                self.say(
                    "C508", "this is one object, not a list", source.span, f"its list is `{inner[1:]}`: add `{inner}`", fixes=_added(source, inner)
                )
            else:
                self.say("C508", "this is one object, not a list", source.span, "use its fields without a loop")
        elif kind.type in ("string", "boolean", "number") and kind.role not in ("", "text"):
            self.say("C508", f"this is {_one(kind)}, not a list", source.span, "use it without a loop")

    def _switch(self, statement: Switch, guarded: bool) -> None:
        self._read(statement.subject)
        subject = statement.subject
        for case in statement.cases:
            self._read(case.value)
            if isinstance(case.value, Literal):
                known = conditions.answer(Binary("==", subject, case.value, case.value.span), self.names)
                if known is not None and not known.answer:
                    self.say(
                        "C510", f"this case never runs: {known.why}", case.value.span, fixes=_unquoted(Binary("==", subject, case.value), self.names)
                    )
        for block in blocks(statement):
            self._block(block, True)

    def _until(self, statement: Until, guarded: bool) -> None:
        self._round(statement.body, guarded)
        self._read(statement.condition)
        known = conditions.answer(statement.condition, self.names)
        end = "after 60 rounds or an hour" if not any(a.name == "limit" for a in statement.annotations) else "only at its limit"
        if known is not None and known.answer:
            self.say("C509", f"the loop ends after its first round: {known.why}", known.span, "remove the loop, or test something that changes")
        elif known is not None:
            self.say("C511", f"the loop ends {end}: the condition is never true, {known.why}", known.span, "test something that the loop changes")
        elif _never_changes(statement):
            self.say(
                "C511",
                f"nothing in the loop changes what `until` tests, so it ends {end}",
                statement.condition.span,
                "set what is tested inside the loop",
            )
        elif self._impatient(statement):
            hint = 'wait between the rounds: builtin.Delay({ "interval/count": 1, "interval/unit": "Minute" });'
            self.say("C512", "the loop asks again at once, up to 60 times", statement.span, hint, "info")

    def _impatient(self, statement: Until) -> bool:
        """Whether a loop asks a service again and again without a pause."""
        asks = False
        for inner in walk(statement.body):
            if isinstance(inner, Opaque):
                return False
            if isinstance(inner, Call):
                made = profile(self.catalog, inner.id)
                if inner.id in _WAITS or made is None or made.asks or made.writes:  # a loop that works a queue off has no reason to wait
                    return False
                asks = asks or (
                    made.reads and inner.connector != "builtin" and inner.result is not None and _mentions(statement.condition, inner.result)
                )
        return asks

    def _try(self, statement: Try, guarded: bool) -> None:
        if statement.catch and not any(_may_fail(s) for s in statement.body):
            self.say("C513", "no step of this `try` can fail, so `catch` never runs", statement.span, "move the steps that can fail into `try`")
        for block in blocks(statement):
            self._block(block, guarded)

    def _opaque(self, statement: Opaque, guarded: bool) -> None:
        self.indirect = True
        self._read(statement.definition)

    # --- expressions

    def _annotations(self, annotations: tuple[Annotation, ...]) -> None:
        for annotation in annotations:
            for argument in annotation.arguments:
                if annotation.name not in _LABELS:
                    self._read(argument)

    def _read(self, value: Expression, key: str = "") -> None:
        """Notes what an expression reads, and looks at every part of it once."""
        kind = type(value)
        if kind is Literal:
            if type(value.value) is str and len(value.value) >= 8:  # type: ignore[union-attr]
                self._literal(value, key)  # type: ignore[arg-type]
        elif kind is Name:
            self._name(value.id, value.span)  # type: ignore[union-attr]
        else:
            _READERS[kind](self, value, key)

    def _name(self, name: str, span: Span) -> None:
        variable = self.variables.get(name)
        if variable is not None:
            variable.reads += 1
            if variable.let.value is None and not variable.written and not variable.told:
                self._unset(variable, span)
        elif name in self.results:
            self.results[name].reads += 1

    def _unset(self, variable: _Variable, span: Span) -> None:
        variable.told = True
        self.found.append(
            Diagnostic(
                "R411",
                f"`{variable.let.name}` has no value yet",
                span,
                "warning",
                f"give it one where it is declared: let {variable.let.name} = ...;",
            )
        )

    def _path(self, value: Path, key: str) -> None:
        self._read(value.base)
        for segment in value.segments:
            if not isinstance(segment.key, str | int):
                self._read(segment.key)

    def _template(self, value: Template, key: str) -> None:
        for part in value.parts:
            if isinstance(part, str):
                if len(part) >= 16:
                    self._literal(Literal(part, value.span), "")
            else:
                self._read(part)

    def _function(self, value: Function, key: str) -> None:
        name = value.name.lower()
        if name in _INDIRECT:
            self.indirect = True
            if name == "variables" and value.arguments and isinstance(value.arguments[0], Literal):
                variable = self._variable(str(value.arguments[0].value))
                if variable is not None:
                    variable.reads += 1
        elif name in literals.DATE_FUNCTIONS:
            self._dates(value, *literals.DATE_FUNCTIONS[name])
        for argument in value.arguments:
            self._read(argument)

    def _dates(self, call: Function, date: int | None, format: int | None) -> None:
        if date is not None and date < len(call.arguments):
            self._date(call.arguments[date])
        if format is not None and format < len(call.arguments):
            given = call.arguments[format]
            if isinstance(given, Literal) and isinstance(given.value, str):
                problem, meant = literals.format_problem(given.value)
                if problem:
                    sure = "printed" in problem
                    self.say("P311", f"in this format {problem}", given.span, f'write "{meant}"', fixes=(Fix.value(given.span, meant, sure),))

    def _date(self, value: Expression) -> None:
        if isinstance(value, Literal) and isinstance(value.value, str):
            problem = literals.date_problem(value.value)
            if problem:
                hint = 'write it as "2026-11-30" or "2026-11-30T08:00:00Z", or count from now: addDays(utcNow(), 1)'
                self.say("P310", f"the platform cannot read `{value.value}` as a date: {problem}", value.span, hint)

    def _binary(self, value: Binary, key: str) -> None:
        self._read(value.left)
        self._read(value.right)

    def _not(self, value: Not, key: str) -> None:
        self._read(value.operand)

    def _array(self, value: Array, key: str) -> None:
        for item in value.items:
            self._read(item, key)

    def _object(self, value: Object, key: str) -> None:
        for entry in value.entries:
            self._read(entry.value, entry.key)

    def _literal(self, value: Literal, key: str) -> None:
        text = value.value
        assert isinstance(text, str)
        what = literals.secret(key, text)
        if what:
            hint = 'keep it in a connection, a key vault or a secure parameter: parameters("name")'
            self.say("L801", f"{what} stands in the flow for everyone to read", value.span, hint)
        elif "@" in text and "variables(" in text:
            self.indirect = True  # an expression of the platform inside raw JSON
            for match in re.finditer(r"variables\('([^']+)'\)", text):
                variable = self._variable(match[1])
                if variable is not None:
                    variable.reads += 1
        elif "@" in text and ("outputs(" in text or "body(" in text or "actions(" in text or "result(" in text):
            self.indirect = True

    # --- parameters

    def _given(self, entry: Entry, parameter: Parameter, operation: Operation) -> None:
        value = entry.value
        kind = type(value)
        if kind is Literal:
            if parameter.format in ("date-time", "date"):
                self._date(value)
        elif operation.verified and kind is Template:
            if parameter.role in ("text", "title", "html") and operation.connector != "builtin":
                self._printed(value)  # type: ignore[arg-type]
        elif operation.verified and kind in (Name, Path, Function):
            self._wired(entry, parameter, self.names.of(value))

    def _printed(self, template: Template) -> None:
        """Lists, objects and files inside a text that people read."""
        for part in template.parts:
            if isinstance(part, Path | Name):
                kind = self.names.of(part)
                if kind.role == "file_content" and kind.type != "any":
                    self.say(
                        "P308", "the content of a file inside a text", part.span, "attach the file, or use base64ToString(...) if it is a text file"
                    )
                elif kind.type == "array":
                    self.say("P307", "a list inside a text is printed as JSON", part.span, 'use join(list, ", "), builtin.TableHtml, or a loop')

    def _wired(self, entry: Entry, parameter: Parameter, kind: Kind) -> None:
        """A result, variable or function given where another kind of value belongs."""
        if kind.type in ("any", "null"):
            return
        span, takes, role = entry.value.span, parameter.type, parameter.role
        name = f"`{entry.key}`"
        if takes in ("string", "integer", "number", "boolean"):
            if kind.type == "array" and (role in _SINGLE or takes != "string"):
                self.say(
                    "P307", f"{name} takes one value, not a list", span, 'make one text of it with join(list, ", "), take first(list), or use a loop'
                )
            elif kind.role == "file_content" and (role in _SINGLE or takes != "string"):
                self.say(
                    "P308",
                    f"{name} takes {_takes(takes)}, not the content of a file",
                    span,
                    "attach the file, or use base64ToString(...) if it is a text file",
                )
            elif kind.type == "object" and (role in _SINGLE or takes != "string") and not _CARD.search(entry.key):
                self.say("P309", f"{name} takes {_takes(takes)}, not an object", span, "use one of its fields")
            elif takes != "string" and (kind.role in _NO_NUMBER or (takes == "boolean" and kind.type in NUMBERS)):
                self.say(
                    "P309",
                    f"{name} takes {_takes(takes)}, not {_one(kind)}",
                    span,
                    "" if takes == "boolean" else "int(...) or float(...) make numbers of text that holds one",
                )
            elif parameter.format in ("date-time", "date") and (kind.role in _NO_DATE or kind.type == "boolean"):
                self.say("P309", f"{name} takes a date, not {_one(kind)}", span)
        elif takes == "array" and (kind.type == "boolean" or (kind.sure and kind.type != "array") or kind.role == "file_content"):
            hint = '[{ "Name": ..., "ContentBytes": ... }]' if kind.role == "file_content" else "write a list: [ ... ]"
            self.say("P309", f"{name} takes a list, not {_one(kind)}", span, hint)
        elif takes == "file" and (kind.type in ("array", "boolean") or kind.type in NUMBERS):
            self.say(
                "P309",
                f"{name} takes the content of a file, not {_one(kind)}",
                span,
                "use one file of the list: first(...) or a loop" if kind.type == "array" else "",
            )

    def _recipients(self, call: Call, operation: Operation | None) -> None:
        if operation is None:
            return
        seen: list[tuple[str, Expression]] = []
        for entry in call.parameters:
            parameter = operation.parameter(entry.key)
            if parameter is None or parameter.role != "person_email" or parameter.name != entry.key:
                continue
            value = entry.value
            if isinstance(value, Literal) and isinstance(value.value, str):
                twice = literals.repeated(value.value)
                if twice:
                    fix = Fix.value(value.span, literals.without_repeats(value.value), True)
                    self.say("L802", f"`{twice[0]}` stands twice among the recipients", value.span, "each person needs one mail", fixes=(fix,))
            leaf = entry.key.rpartition("/")[2].lower()
            if leaf in ("to", "cc", "bcc"):
                same = next((key for key, other in seen if _same_person(value, other)), "")
                if same:
                    self.say("L802", f"the same person is in `{same}` and `{entry.key}`", value.span, "one of them is enough")
                seen.append((entry.key, value))

    # --- at the end

    def _unused(self) -> None:
        raw = ""
        for variable in self.variables.values():
            let = variable.let
            if variable.reads:
                continue
            raw = raw or _raw_text(self.flow)
            if any(f"variables('{name}')" in raw for name in (let.name.lower(), *_other_names(let))):
                continue
            if variable.writes:
                self.say("R410", f"`{let.name}` is written but never read", let.span, "use it somewhere, or remove it and the steps that set it")
            else:
                self.say("R409", f"`{let.name}` is never used", let.span, "remove it")
        if self.indirect:
            return
        left = [r.call for r in self.results.values() if not r.reads]
        if (left or self.unnamed) and not any(a.name in ("runAfter", "catch") for s in walk(self.flow.steps) for a in s.annotations):
            for call in chain(left, self.unnamed):
                self.say("R408", f"nothing uses what `{call.id}` delivers", call.span, "use its result in a later step, or remove it", "info")


_STATEMENTS: dict[type, Callable[[_Walk, Any, bool], None]] = {
    Call: _Walk._call,
    Let: _Walk._let,
    Assign: _Walk._assign,
    If: _Walk._if,
    For: _Walk._for,
    Switch: _Walk._switch,
    Until: _Walk._until,
    Try: _Walk._try,
    Opaque: _Walk._opaque,
}
_READERS: dict[type, Callable[[_Walk, Any, str], None]] = {
    Path: _Walk._path,
    Template: _Walk._template,
    Function: _Walk._function,
    Binary: _Walk._binary,
    Not: _Walk._not,
    Array: _Walk._array,
    Object: _Walk._object,
}


def _fetches(made: Profile) -> bool:
    """Whether an operation is called for its result alone."""
    return (made.reads and not made.writes and not made.asks and made.operation.connector != "builtin") or made.operation.id in _DATA


def _takes(kind: str) -> str:
    return {"string": "a text", "boolean": "true or false"}.get(kind, "a number")


def _one(kind: Kind) -> str:
    """A value in words, by what it means if that is known."""
    words = {
        **{
            "person_email": "a mail address",
            "person_name": "a name",
            "title": "a title",
            "html": "a text",
            "url": "an address",
            "date_time": "a date",
        },
        **{"file_name": "a file name", "file_path": "a path", "folder_path": "a path", "phone": "a phone number", "location": "a place"},
        **{"record_id": "an id", "status": "a status", "choice": "a choice", "language": "a language", "file_content": "the content of a file"},
    }
    return words.get(kind.role) or kind.article()


def _values(statement: Statement) -> tuple[Expression, ...]:
    match statement:
        case Call():
            return tuple(e.value for e in statement.parameters)
        case If(condition=one) | For(source=one) | Until(condition=one) | Assign(value=one) | Switch(subject=one):
            return (one,)
        case _:
            return ()


def _all_names(value: Expression, read: set[str]) -> None:
    match value:
        case Name(id=name):
            read.add(name)
        case Path(base=base, segments=segments):
            parts: tuple[Expression, ...] = (base, *(s.key for s in segments if not isinstance(s.key, str | int)))
        case Function(arguments=parts) | Array(items=parts):
            pass
        case Object(entries=entries):
            parts = tuple(e.value for e in entries)
        case Binary(left=left, right=right):
            parts = (left, right)
        case Not(operand=operand):
            parts = (operand,)
        case Template(parts=pieces):
            parts = tuple(p for p in pieces if not isinstance(p, str))
        case _:
            return
    if not isinstance(value, Name):
        for part in parts:
            _all_names(part, read)


def _writes(steps: tuple[Statement, ...]) -> Iterator[str]:
    """The variables that steps change."""
    for statement in walk(steps):
        if isinstance(statement, Assign):
            yield statement.name.lower()
        elif isinstance(statement, Call) and statement.connector == "builtin" and statement.operation in _APPENDS:
            name = statement.get("name")
            if isinstance(name, Literal):
                yield str(name.value).lower()


def _never_changes(loop: Until) -> bool:
    """Whether a condition reads only names that the loop does not change."""
    written = set(_writes(loop.body))
    results: set[str] = set()
    for statement in walk(loop.body):
        if isinstance(statement, Opaque):
            return False
        if isinstance(statement, Call) and statement.result:
            results.add(statement.result)
        if any(a.name == "variable" for a in statement.annotations):
            return False
    read: list[str] = []
    if not _names_in(loop.condition, read):
        return False
    return bool(read) and not any(name in results or name.lower() in written for name in read)


_STEADY_FUNCTIONS = frozenset(
    "equals not and or greater greaterorequals less lessorequals empty contains startswith endswith length add sub mul div mod concat tolower toupper trim string int float "
    "coalesce first last if split replace substring".split()
)


def _names_in(value: Expression, read: list[str]) -> bool:
    """Collects the names an expression reads; False when it also depends on something else (the clock, a step by its name)."""
    match value:
        case Name(id=name):
            read.append(name)
        case Path(base=base, segments=segments):
            return _names_in(base, read) and all(_names_in(s.key, read) for s in segments if not isinstance(s.key, str | int))
        case Function(name=name, arguments=arguments):
            return name.lower() in _STEADY_FUNCTIONS and all(_names_in(a, read) for a in arguments)
        case Binary(left=left, right=right):
            return _names_in(left, read) and _names_in(right, read)
        case Not(operand=operand):
            return _names_in(operand, read)
        case Template(parts=parts):
            return all(_names_in(p, read) for p in parts if not isinstance(p, str))
        case Literal():
            return True
        case _:
            return False
    return True


def _mentions(value: Expression, name: str) -> bool:
    read: list[str] = []
    _names_in(value, read)
    return name in read


def _may_fail(statement: Statement) -> bool:
    match statement:
        case Assign(value=value):
            return not isinstance(value, Literal | Name)
        case Call():
            return statement.id not in _QUIET or any(not isinstance(e.value, Literal) for e in statement.parameters)
        case Opaque() | Until() | Let():
            return True
        case _:
            return any(_may_fail(inner) for block in blocks(statement) for inner in block)


def _rounds_at_once(annotations: tuple[Annotation, ...]) -> int:
    """How many rounds of a loop its settings let run at the same time."""
    for annotation in annotations:
        if annotation.name == "settings" and annotation.arguments and isinstance(annotation.arguments[0], Object):
            concurrency = annotation.arguments[0].get("concurrency")
            if isinstance(concurrency, Object):
                repetitions = concurrency.get("repetitions")
                if isinstance(repetitions, Literal) and type(repetitions.value) is int:
                    return repetitions.value
    return 1


def _other_names(let: Let) -> tuple[str, ...]:
    """The name a variable has on the platform, where that is no name of the language."""
    return tuple(
        str(a.arguments[0].value).lower() for a in let.annotations if a.name == "variable" and a.arguments and isinstance(a.arguments[0], Literal)
    )


def _raw_text(flow: Flow) -> str:
    """All JSON that is carried along unread, as one text."""
    parts = [repr(a.arguments) for s in walk(flow.steps) for a in s.annotations if a.name not in ("name", "key", "metadata")]
    parts += [repr(s.definition) for s in walk(flow.steps) if isinstance(s, Opaque)]
    parts += [repr(a.arguments) for a in (*flow.annotations, *flow.trigger.annotations)]
    return " ".join(parts).lower()


def _same_person(value: Expression, other: Expression) -> bool:
    if isinstance(value, Literal) and isinstance(other, Literal):
        text = str(value.value or "").strip().lower()
        return "@" in text and text == str(other.value).strip().lower()
    return value == other and not isinstance(value, Literal)


def _unquoted(condition: Expression, names: Names) -> tuple[Fix, ...]:
    """`length(x) == "0"`: the number or truth value that was meant, without its quotes."""
    if not (isinstance(condition, Binary) and condition.operator in ("==", "!=")):
        return ()
    for fixed, other in ((condition.right, condition.left), (condition.left, condition.right)):
        if isinstance(fixed, Literal) and isinstance(fixed.value, str):
            wanted = family(names.of(other))
            text = fixed.value.strip().lower()
            if (wanted == "boolean" and text in ("true", "false")) or (wanted == "number" and re.fullmatch(r"-?\d{1,15}", text)):
                return (Fix.text(fixed.span, text, f"write {text} without quotes", False),)
    return ()


def _added(source: Expression, inner: str) -> tuple[Fix, ...]:
    end = source.span.end
    return (Fix.text(source.span._replace(start=end), inner, f"add `{inner}`", False),)
