"""The checker: everything that can be said about a flow without running it.

In: a `Flow` and the `Catalog` it may use. Out: diagnostics (`check`) and the required values nobody gave (`missing`). A check is a function in `CHECKS`; each walks
the flow on its own and yields what it finds. Types are strict for literals and lenient where only the run knows: a path into a result may be anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NamedTuple

from nl2dsl.catalog.model import Catalog, Operation, Parameter, split_id
from nl2dsl.dsl import functions, lint
from nl2dsl.dsl.action_names import texts
from nl2dsl.dsl.diagnostics import Diagnostic, Edit, Fix, around
from nl2dsl.dsl.lint.kinds import is_deployment
from nl2dsl.dsl.near import Near, nearest
from nl2dsl.dsl.tree import (
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
    Parallel,
    Path,
    Scope,
    Span,
    Statement,
    Switch,
    Template,
    Try,
    Until,
    blocks,
    calls,
    walk,
)
from nl2dsl.dsl.words import KEYWORDS, NAME

TRIGGER_RESULT = "triggerOutputs"
STATEMENTS = {
    "If": "if (condition) { ... }",
    "Foreach": "for (item of list) { ... }",
    "Switch": "switch (x) { ... }",
    "Until": "do { ... } until (condition);",
    "Scope": "scope { ... }",
    "InitializeVariable": "let total: integer = 0;",
    "SetVariable": "total = 5;",
    "IncrementVariable": "total += 1;",
    "DecrementVariable": "total -= 1;",
}
VARIABLE_TYPES = ("string", "integer", "float", "boolean", "array", "object")


class Missing(NamedTuple):
    """A required value the flow does not give: what to ask the user."""

    operation: str
    parameter: str
    title: str
    type: str


def check(flow: Flow, catalog: Catalog) -> list[Diagnostic]:
    """All findings, in the order of the text."""
    found = [d for one in CHECKS for d in one(flow, catalog)]
    return sorted(found, key=lambda d: d.span.start) if len(found) > 1 else found


def missing(flow: Flow, catalog: Catalog) -> list[Missing]:
    """Every required value that is not given, in the order of the steps."""
    return [
        Missing(call.id, p.name, p.title, p.type) for call in calls(flow) if (operation := catalog.get(call.id)) for p in _not_given(call, operation)
    ]


# --- names ---------------------------------------------------------------------------------------------------------------------


def check_names(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """N2xx: every operation exists and stands where its kind belongs."""
    strangers: dict[str, Diagnostic] = {}  # looking for near names takes a while, so each name is looked up once
    yield from _operation(flow.trigger, catalog, "trigger", strangers)
    for statement in walk(flow.steps):
        if isinstance(statement, Call):
            yield from _operation(statement, catalog, "action", strangers)


def _operation(call: Call, catalog: Catalog, place: str, strangers: dict[str, Diagnostic]) -> Iterator[Diagnostic]:
    if call.connector == "builtin" and call.operation in STATEMENTS:
        yield Diagnostic("N208", f"`{call.id}` is not called", call.span, hint=f"it is a statement: {STATEMENTS[call.operation]}")
        return
    operation = catalog.get(call.id)
    if operation is None and _wired(call):
        yield _passed_on(call, catalog)
        return
    if operation is None:
        if call.id not in strangers:
            strangers[call.id] = _unknown(call, catalog)
        unknown = strangers[call.id]
        if unknown.span != call.span:
            unknown = replace(unknown, span=call.span, fixes=tuple(Fix.text(call.span, f.edits[0].text, f.title, f.safe) for f in unknown.fixes))
        yield unknown
        return
    if place == "trigger" and operation.kind == "action":
        yield Diagnostic("N203", f"`{call.id}` is an action, and a flow starts with a trigger", call.span, hint=_triggers(call, catalog))
    elif place == "action" and operation.kind == "trigger":
        yield Diagnostic("N204", f"`{call.id}` is a trigger, and only the first line may be one", call.span, hint=_actions(call, catalog))
    if operation.deprecated:
        newer = _successor(operation, catalog)
        hint = f"`{newer}` takes its place" if newer else "look for a newer version of it"
        yield Diagnostic("N206", f"`{call.id}` is deprecated", call.span, "warning", hint, _called(call, newer, False))
    if not operation.verified:
        yield Diagnostic("N207", f"the name `{call.id}` is likely, but not verified", call.span, "info")


def _wired(call: Call) -> bool:
    """Whether the step says itself how it is called (`@type("ApiConnection")`, method and path): decompiled from a workflow that names no operation."""
    return any(a.name == "type" for a in call.annotations)


def _passed_on(call: Call, catalog: Catalog) -> Diagnostic:
    """Of a step that says itself how it is called: there is nothing to mend, the name may be newer than the catalog."""
    known = not call.connector or call.connector in catalog.connectors
    what = f"the catalog does not know {'the operation' if known else 'the connector of'} `{call.id}`"
    return Diagnostic("N201" if known else "N202", what, call.span, "info", "@type says how to call it, so it is passed on unchecked")


def _unknown(call: Call, catalog: Catalog) -> Diagnostic:
    if call.connector and call.connector not in catalog.connectors:
        hint, fixes = _elsewhere(call, catalog)
        return Diagnostic("N202", f"there is no connector `{call.connector}`", call.span, hint=hint, fixes=fixes)
    near = catalog.nearest(call.id, 1)
    what = f"connector `{call.connector}` has no operation `{call.operation}`" if call.connector else f"there is no operation `{call.operation}`"
    sure = bool(near) and nearest(call.operation, [split_id(id)[1] for id in catalog.ids(call.connector)]) == (split_id(near[0])[1], True)
    return Diagnostic("N201", what, call.span, hint=f"did you mean `{near[0]}`?" if near else "", fixes=_called(call, near[0], sure) if near else ())


def _called(call: Call, id: str, sure: bool) -> tuple[Fix, ...]:
    """Calls another operation instead."""
    connector, operation = split_id(id)
    plain = NAME.fullmatch(connector) and connector not in KEYWORDS and NAME.fullmatch(operation)
    return (Fix.text(call.span, id, safe=sure),) if plain else ()


_VERSION = re.compile(r"_?[vV](\d+)\Z")


def _successor(operation: Operation, catalog: Catalog) -> str:
    """The newest operation of the same name and kind that is not deprecated; '' if there is none."""
    base = _VERSION.sub("", operation.name).lower()
    newer = [
        (int(found[1]) if (found := _VERSION.search(id)) else 0, id)
        for id in catalog.ids(operation.connector)
        if _VERSION.sub("", split_id(id)[1]).lower() == base and (o := catalog.get(id)) is not None and not o.deprecated and o.kind == operation.kind
    ]
    return max(newer)[1] if newer else ""


def _elsewhere(call: Call, catalog: Catalog) -> tuple[str, tuple[Fix, ...]]:
    """For a connector nobody knows: one spelt like it, with the operation nearest to the one that was meant; or one that has an operation of that very name."""
    close = nearest(call.connector, catalog.connectors, 0.75)
    if close.word:
        names = get_close_matches(call.operation, [o.name for o in catalog.of(close.word)], n=1, cutoff=0.5)
        id = ".".join((close.word, *names))
        return f"did you mean `{id}`?", _called(call, id, close.sure and names == [call.operation]) if names else ()
    same = next((o.id for o in catalog if o.name == call.operation), "")
    return f"did you mean `{same}`?" if same else "see `nl2dsl catalog list`, or bring your own with --catalog", _called(call, same, False)


def _triggers(call: Call, catalog: Catalog) -> str:
    names = [o.id for o in catalog.of(call.connector) if o.kind != "action"]
    return (
        f"triggers of this connector: {', '.join(f'`{n}`' for n in names[:3])}" if names else "for example await commonTrigger.Recurrence({ ... });"
    )


def _actions(call: Call, catalog: Catalog) -> str:
    close = get_close_matches(call.operation, [o.name for o in catalog.of(call.connector) if o.kind != "trigger"], n=1, cutoff=0.3)
    return f"did you mean `{call.connector}.{close[0]}`?" if close else "put it first, with `await`"


# --- parameters and types ------------------------------------------------------------------------------------------------------


def check_parameters(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """P301-P304: every key belongs to its operation, once, with a value of its type."""
    for call in calls(flow):
        yield from _twice(call.parameters)
        operation = catalog.get(call.id)
        if operation is not None and not _wired(call):
            yield from _parameters(call, operation)


def _parameters(call: Call, operation: Operation) -> Iterator[Diagnostic]:
    if operation.kind == "any" and not operation.parameters:
        return  # an operation known by its id only says nothing about its parameters
    for entry in call.parameters:
        parameter = operation.parameter(entry.key)
        if parameter is not None:
            if parameter.name == entry.key:
                yield from _value(entry, parameter)
        elif not _parent(entry.key, operation):
            yield _unknown_key(entry, operation)


def is_known(call: Call, catalog: Catalog) -> bool:
    """Whether the catalog has the operation of a call, with these keys and values of their types."""
    operation = catalog.get(call.id)
    return operation is not None and not any(d.severity == "error" for d in _parameters(call, operation))


def _twice(entries: tuple[Entry, ...]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for entry in entries:
        if entry.key in seen:
            yield Diagnostic("P302", f"`{entry.key}` is given twice", entry.span, hint="keep one of them")
        seen.add(entry.key)


def _parent(key: str, operation: Operation) -> bool:
    """Whether the key is an object whose children the catalog lists: `"emailMessage"` for `"emailMessage/To"`."""
    return any(p.name.startswith(key + "/") for p in operation.parameters)


def _unknown_key(entry: Entry, operation: Operation) -> Diagnostic:
    names = [p.name for p in operation.parameters if not p.internal]
    by_case = [n for n in names if n.lower() == entry.key.lower() or n.rpartition("/")[2].lower() == entry.key.lower()]
    near = Near(by_case[0], len(by_case) == 1) if by_case else nearest(entry.key, names, 0.5)
    hint = near.hint
    if not hint:
        hint = f"it has {', '.join(f'`{n}`' for n in names[:6])}{' …' if len(names) > 6 else ''}" if names else "it takes no parameters"
    fixes = (Fix.value(entry.span, near.word, near.sure),) if near.word else ()
    return Diagnostic("P301", f"`{operation.id}` has no parameter `{entry.key}`", entry.span, hint=hint, fixes=fixes)


def _value(entry: Entry, parameter: Parameter) -> Iterator[Diagnostic]:
    value = entry.value
    if parameter.enum:
        items = value.items if isinstance(value, Array) and parameter.type == "array" else (value,)
        for item in items:
            yield from _enum(item, parameter)
            if isinstance(item, Literal) and parameter.type not in ("array", "object"):
                return
    problem = mismatch(value, parameter.type)
    if problem:
        what = f"`{entry.key}` takes {_article(parameter.type)}, not {problem}"
        yield Diagnostic("P303", what, value.span, hint=_repair(value, parameter.type), fixes=_retyped(value, parameter.type))


def _enum(value: Expression, parameter: Parameter) -> Iterator[Diagnostic]:
    if not isinstance(value, Literal) or literal_type(value) in ("null", "any"):
        return
    assert value.value is not None
    text = _text(value.value)
    if text in parameter.enum:
        return
    near = nearest(text, parameter.enum)
    shown = ", ".join(f"`{e}`" for e in parameter.enum[:8]) + (" …" if len(parameter.enum) > 8 else "")
    fixes = (Fix.value(value.span, near.word, near.sure),) if near.word else ()
    yield Diagnostic("P304", f"`{text}` is not a value of `{parameter.name}`", value.span, hint=near.hint or f"one of {shown}", fixes=fixes)


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def mismatch(value: Expression, kind: str) -> str:
    """What is wrong with a value where a type is asked for ('a string'), or ''. Only literals can be wrong."""
    given = literal_type(value)
    if given in ("any", "null", kind) or kind in ("any", "file", ""):
        return ""
    if kind in ("integer", "number", "float"):
        return "" if _numeric(value, kind) else _article(given)
    if kind == "string":
        return _article(given) if given in ("array", "object") else ""
    return _article(given)


def literal_type(value: Expression) -> str:
    """The type an expression has whatever happens: string, integer, number, boolean, array, object, null; else any."""
    match value:
        case Literal(value=v):
            if v is None:
                return "null"
            return "any" if isinstance(v, str) and is_deployment(v) else _PYTHON_TYPES[type(v)]
        case Array():
            return "array"
        case Object():
            return "object"
        case Binary() | Not():
            return "boolean"
        case _:
            return "any"


_PYTHON_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _numeric(value: Expression, kind: str) -> bool:
    if not isinstance(value, Literal) or isinstance(value.value, bool):
        return False
    try:
        number = float(value.value) if value.value is not None else 0.0
    except (ValueError, OverflowError):
        return False
    return kind != "integer" or number.is_integer()


def _article(kind: str) -> str:
    return {"integer": "an integer", "array": "a list", "object": "an object", "file": "a file", "boolean": "true or false"}.get(kind, f"a {kind}")


def _repair(value: Expression, kind: str) -> str:
    if isinstance(value, Literal) and isinstance(value.value, str):
        if kind == "boolean" and value.value.lower() in ("true", "false"):
            return f"write {value.value.lower()} without quotes"
        if kind == "array":
            return "write a list: [ ... ]"
        if kind == "object":
            return 'write an object: { "key": ... }'
    if kind == "string" and isinstance(value, Array):
        return "use join(list, separator) to make one text of it"
    return ""


def _retyped(value: Expression, kind: str) -> tuple[Fix, ...]:
    if isinstance(value, Literal) and isinstance(value.value, str):
        if kind == "boolean" and value.value.lower() in ("true", "false"):
            return (Fix.text(value.span, value.value.lower(), safe=True),)
        if kind == "array":
            return (Fix(f"make a list of it: [{json.dumps(value.value, ensure_ascii=False)}]", (around(value.span, "[", "]"))),)
    return ()


# --- expressions ---------------------------------------------------------------------------------------------------------------


def check_functions(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """N205, P305, P306: functions exist, with as many arguments as they take, and operators get operands they can work with."""
    vouched = {name.lower() for a in flow.annotations if a.name == "functions" for name in texts(a.arguments)}
    for statement in (flow.trigger, *walk(flow.steps)):
        for expression in expressions(statement):
            if isinstance(expression, Literal | Name):
                continue
            for node in nodes(expression):
                if isinstance(node, Function):
                    passed = node.name.lower() in vouched
                    yield from (replace(d, severity="warning", hint=_VOUCHED, fixes=()) if passed else d for d in _function(node))
                elif isinstance(node, Binary):
                    yield from _operator(node)
                elif isinstance(node, Object):
                    yield from _twice(node.entries)


_VOUCHED = "the workflow this was made from has it, so it is passed on unchecked"


def strange_functions(flow: Flow) -> list[str]:
    """The functions that a flow calls and that do not exist, or not with such arguments, in the order of the text."""
    found: dict[str, None] = {}
    for statement in (flow.trigger, *walk(flow.steps)):
        for expression in (x for argument in expressions(statement) for x in nodes(argument)):
            if isinstance(expression, Function) and any(_function(expression)):
                found[expression.name] = None
    return list(found)


def _function(node: Function) -> Iterator[Diagnostic]:
    signature = functions.find(node.name)
    span = node.span._replace(end=node.span.start + len(node.name))
    if signature is None:
        near = nearest(node.name, [s.name for s in functions.FUNCTIONS.values()])
        yield Diagnostic("N205", f"there is no function `{node.name}`", span, hint=near.hint, fixes=_word(span, near))
        return
    count = len(node.arguments)
    if not signature.least <= count <= signature.most:
        yield Diagnostic("P305", f"`{signature.name}` takes {_count(signature)}, not {count}", span)
        return
    for argument, kind in zip(node.arguments, signature.arguments, strict=False):
        problem = mismatch(argument, kind)
        if problem:
            yield Diagnostic("P303", f"`{signature.name}` takes {_article(kind)} here, not {problem}", argument.span)


def _count(signature: functions.Signature) -> str:
    if signature.most >= functions.UNBOUNDED:
        return f"at least {signature.least} argument{'' if signature.least == 1 else 's'}"
    if signature.least == signature.most:
        return "no arguments" if signature.least == 0 else f"{signature.least} argument{'' if signature.least == 1 else 's'}"
    return f"{signature.least} to {signature.most} arguments"


def _operator(node: Binary) -> Iterator[Diagnostic]:
    if node.operator in ("==", "!="):
        return
    logical = node.operator in ("&&", "||")
    for side in (node.left, node.right):
        kind = value_type(side, {})
        wrong = kind not in ("boolean", "any") if logical else kind in ("boolean", "array", "object", "null")
        if wrong:
            wanted = "conditions" if logical else "numbers or text"
            yield Diagnostic("P306", f"`{node.operator}` joins {wanted}, not {_article(kind)}", side.span, hint="" if logical else "use == or !=")


def value_type(value: Expression, variables: dict[str, str]) -> str:
    """The type of an expression where it is sure, with what functions return and variables are declared as; else any."""
    match value:
        case Template():
            return "string"
        case Function(name=name):
            signature = functions.find(name)
            return signature.returns if signature else "any"
        case Name(id=name):
            return variables.get(name, "any")
        case _:
            return literal_type(value)


def expressions(statement: Statement) -> list[Expression]:
    """The expressions a statement holds itself, in the order of the text."""
    match statement:
        case Call():
            found = [e.value for e in statement.parameters]
        case If(condition=one) | For(source=one) | Until(condition=one) | Assign(value=one):
            found = [one]
        case Switch():
            found = [statement.subject, *(case.value for case in statement.cases)]
        case Let():
            found = [] if statement.value is None else [statement.value]
        case _:
            found = []
    return found


def nodes(expression: Expression) -> Iterator[Expression]:
    """An expression and everything inside it."""
    waiting: list[Expression] = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case Literal() | Name():
                pass
            case Path():
                waiting.extend(s.key for s in reversed(node.segments) if not isinstance(s.key, str | int))
                waiting.append(node.base)
            case Template():
                waiting.extend(p for p in reversed(node.parts) if not isinstance(p, str))
            case Function():
                waiting.extend(reversed(node.arguments))
            case Array():
                waiting.extend(reversed(node.items))
            case Object():
                waiting.extend(e.value for e in reversed(node.entries))
            case Binary():
                waiting.extend((node.right, node.left))
            case Not():
                waiting.append(node.operand)


# --- references and scope ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Names:
    """What names mean while walking a flow in the order of execution."""

    later: dict[str, Span]  # every result of the flow; what is in `ready` or `maybe` has been passed
    ready: set[str] = field(default_factory=set)  # has run
    maybe: dict[str, str] = field(default_factory=dict)  # may not have run, and why
    given: dict[str, Expression] = field(default_factory=dict)  # has run if this condition was true
    variables: dict[str, str] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()  # every variable of the flow, also one that is declared further down
    items: list[str] = field(default_factory=list)
    past_items: set[str] = field(default_factory=set)


def check_references(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """R4xx: names are defined once, before they are used, where they are sure to have run."""
    later: dict[str, Span] = {}
    for call in calls(flow):
        if call.result and call.result not in later:
            later[call.result] = call.span
    names = _Names(later, declared=frozenset(s.name for s in flow.steps if isinstance(s, Let)))
    yield from _uses(flow.trigger, names)
    names.ready.update(x for x in (flow.trigger.result, TRIGGER_RESULT) if x)
    yield from _steps(flow.steps, names)


def _steps(steps: tuple[Statement, ...], names: _Names) -> Iterator[Diagnostic]:
    for statement in steps:
        if not isinstance(statement, Until):  # its condition comes after its steps
            yield from _uses(statement, names)
        match statement:
            case Call():
                yield from _define(statement, names)
            case Let():
                yield from _declare(statement, names)
            case Assign():
                yield from _assign(statement, names)
            case For():
                yield from _loop(statement, names)
            case If() | Switch() | Parallel():
                yield from _branches(statement, names)
            case Until():
                yield from _steps(statement.body, names)
                yield from _uses(statement, names)
            case Scope():  # see-through: the platform lets any later step look inside
                yield from _steps(statement.body, names)
            case Try():
                yield from _steps(statement.body, names)
                before = set(names.ready)
                yield from _steps(statement.catch, names)
                _doubt(names.ready - before, "`catch` only runs when a step of `try` fails", names)
                yield from _steps(statement.final, names)
            case _:
                pass


def _uses(statement: Statement, names: _Names) -> Iterator[Diagnostic]:
    for expression in expressions(statement):
        if isinstance(expression, Literal):
            continue
        for node in nodes(expression):
            if not isinstance(node, Name) or node.id in names.ready or node.id in names.variables or node.id in names.items:
                continue
            if node.id not in names.maybe or not _reckons(expression, node.id):
                yield _unseen(node, statement, names)


def _reckons(expression: Expression, name: str) -> bool:
    """Whether an expression reckons with a result that is not there: `coalesce(x, "")`, `empty(x)`, `if(...)`, `x == null`."""
    for node in nodes(expression):
        match node:
            case Function(name=function) if function.lower() in ("coalesce", "empty", "if"):
                parts: tuple[Expression, ...] = node.arguments
            case Binary(operator="==" | "!=", left=left, right=Literal(value=None) | Literal(value="")):
                parts = (left,)
            case _:
                continue
        if any(isinstance(inner, Name) and inner.id == name for part in parts for inner in nodes(part)):
            return True
    return False


def _unseen(node: Name, statement: Statement, names: _Names) -> Diagnostic:
    name = node.id
    if name in names.maybe:
        return Diagnostic("R403", f"`{name}` may not have run here: {names.maybe[name]}", node.span, "warning")
    if isinstance(statement, Call) and statement.result == name:
        return Diagnostic("R402", f"`{name}` is the result of this very step", node.span, hint="a step cannot use its own result")
    if name in names.later:
        where = f" (line {names.later[name].line})" if names.later[name].line > 1 else ""
        return Diagnostic("R402", f"`{name}` is the result of a later step{where}", node.span, hint="move that step up")
    if name in names.past_items:
        return Diagnostic("R401", f"`{name}` only exists inside its loop", node.span, hint="move this step into the loop")
    if name in names.declared:
        return Diagnostic("R402", f"`{name}` is only declared below", node.span, hint="move its `let` up")
    near = nearest(name, [*names.items, *names.variables, *names.ready, *names.maybe], 0.5)
    hint = near.hint
    if not hint and functions.find(name):
        hint = f"the function is called like this: {name}()"
    what = f"nothing here is called `{name}`"
    return Diagnostic("R401", what, node.span, hint=hint or "name a step by `name = connector.Operation({ ... });`", fixes=_word(node.span, near))


def _word(span: Span, near: Near) -> tuple[Fix, ...]:
    return (Fix.text(span, near.word, safe=near.sure),) if NAME.fullmatch(near.word) and near.word not in KEYWORDS else ()


def _define(call: Call, names: _Names) -> Iterator[Diagnostic]:
    if not call.result:
        return
    if call.result in names.ready or call.result in names.maybe:
        yield Diagnostic("R404", f"`{call.result}` is the name of an earlier step", call.span, hint=f"for example `{call.result}_2`")
    elif call.result in names.variables or call.result in names.items:
        yield Diagnostic(
            "R404", f"`{call.result}` is already the name of a variable or loop item", call.span, hint=f"for example `outputs_{call.result}`"
        )
    names.ready.add(call.result)


def _declare(let: Let, names: _Names) -> Iterator[Diagnostic]:
    if let.name in names.variables or let.name in names.items or let.name in names.later or let.name in names.ready:
        yield Diagnostic("R404", f"`{let.name}` is already defined", let.span, hint=f"for example `{let.name}_2`")
    kind = let.type
    if kind and kind not in VARIABLE_TYPES:
        hint = TYPE_NAMES.get(kind.lower(), "")
        yield Diagnostic(
            "R406",
            f"`{kind}` is not a type of variables",
            let.span,
            hint=f"did you mean `{hint}`?" if hint else f"one of {', '.join(VARIABLE_TYPES)}",
        )
        kind = "any"
    elif not kind and let.value is None:
        yield Diagnostic("R406", f"`{let.name}` has neither a type nor a value", let.span, hint=f"for example let {let.name}: string;")
    elif let.value is not None:
        yield from _fits(let.name, kind, let.value)
    found = value_type(let.value, names.variables) if let.value is not None else "any"
    names.variables[let.name] = kind or {"number": "float"}.get(found, found)


TYPE_NAMES = {
    "int": "integer",
    "number": "float",
    "bool": "boolean",
    "text": "string",
    "str": "string",
    "list": "array",
    "double": "float",
    "json": "object",
}


def _fits(name: str, kind: str, value: Expression) -> Iterator[Diagnostic]:
    problem = "" if not kind else mismatch(value, kind) or ("a string" if isinstance(value, Template) and kind != "string" else "")
    if problem:
        yield Diagnostic("R407", f"`{name}` holds {_article(kind)}, not {problem}", value.span)


def _assign(assign: Assign, names: _Names) -> Iterator[Diagnostic]:
    kind = names.variables.get(assign.name)
    if kind is None:
        if assign.name in names.items or assign.name in names.ready or assign.name in names.maybe:
            yield Diagnostic("R405", f"`{assign.name}` is not a variable", assign.span, hint="declare one: let total: integer = 0;")
        else:
            near = nearest(assign.name, names.variables)
            span = assign.span._replace(end=assign.span.start + len(assign.name))
            hint = near.hint or f"declare it first: let {assign.name} = ...;"
            yield Diagnostic("R401", f"no variable is called `{assign.name}`", span, hint=hint, fixes=_word(span, near))
        return
    if assign.operator == "=":
        yield from _fits(assign.name, "" if kind == "any" else kind, assign.value)
    elif kind not in ("any", "integer", "float"):
        append = {"string": "builtin.AppendToStringVariable", "array": "builtin.AppendToArrayVariable"}.get(kind)
        hint = f'use {append}({{ "name": "{assign.name}", "value": ... }});' if append else ""
        yield Diagnostic("R407", f"`{assign.operator}` counts, and `{assign.name}` holds {_article(kind)}", assign.span, hint=hint)
    elif mismatch(assign.value, kind) or isinstance(assign.value, Template):
        yield Diagnostic("R407", f"`{assign.operator}` takes a number", assign.value.span)


def _loop(loop: For, names: _Names) -> Iterator[Diagnostic]:
    if loop.item in names.items or loop.item in names.variables or loop.item in names.ready:
        yield Diagnostic("R404", f"`{loop.item}` is already defined", loop.span, hint=f"for example `{loop.item}_2`")
    before = set(names.ready)
    names.items.append(loop.item)
    yield from _steps(loop.body, names)
    names.items.pop()
    names.past_items.add(loop.item)
    _doubt(names.ready - before, "the loop may have had nothing to do", names)


def _branches(statement: If | Switch | Parallel, names: _Names) -> Iterator[Diagnostic]:
    """Each branch sees what was there before; after a parallel join all of it has run, after an `if` none of it for sure."""
    if isinstance(statement, If) and names.maybe:
        asked = {n.id for n in nodes(statement.condition) if isinstance(n, Name) and n.id in names.maybe and _reckons(statement.condition, n.id)}
        names.ready |= asked | {name for name, condition in names.given.items() if condition == statement.condition}  # somebody has thought of it
    before = set(names.ready)
    joined: set[str] = set()
    why = "it is in another branch" if not isinstance(statement, Parallel) else "its branch runs at the same time"
    for block in blocks(statement):
        yield from _steps(block, names)
        new = names.ready - before
        if isinstance(statement, If) and block is statement.then:
            names.given.update(dict.fromkeys(new, statement.condition))
        joined |= new
        _doubt(new, why, names)
    if isinstance(statement, Parallel):
        names.ready |= joined
        for name in joined:
            names.maybe.pop(name, None)


def _doubt(new: set[str], why: str, names: _Names) -> None:
    names.ready -= new
    names.maybe.update(dict.fromkeys(new, why))


# --- control -------------------------------------------------------------------------------------------------------------------


def check_control(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """C5xx: loops run over lists, conditions are conditions, cases differ, variables are declared where the platform takes them."""
    variables: dict[str, str] = {}
    for statement in walk(flow.steps):
        if isinstance(statement, Let):
            variables[statement.name] = statement.type
    yield from _control(flow.steps, variables, nested=False)


def _control(steps: tuple[Statement, ...], variables: dict[str, str], nested: bool) -> Iterator[Diagnostic]:
    for position, statement in enumerate(steps):
        match statement:
            case Call(connector="builtin", operation="Terminate") if position + 1 < len(steps) and not _runs_after(steps[position + 1]):
                yield Diagnostic("C506", "nothing runs after Terminate", steps[position + 1].span, "warning", "remove the steps below it")
            case Let() if nested:
                yield Diagnostic(
                    "C504", f"`{statement.name}` is declared inside a block", statement.span, hint="declare it at the top level and assign it here"
                )
            case For():
                kind = value_type(statement.source, variables)
                if kind not in ("array", "any", ""):
                    yield Diagnostic(
                        "C501", f"a loop runs over a list, not {_article(kind)}", statement.source.span, hint=_list_hint(statement.source)
                    )
            case If() | Until():
                yield from _condition(statement.condition, variables)
            case Switch():
                yield from _cases(statement)
            case Parallel() if len(statement.branches) < 2:
                yield Diagnostic("C505", "parallel has fewer than two branches", statement.span, "warning")
            case _:
                pass
        inner = blocks(statement)
        if inner and not any(inner):
            yield Diagnostic("C505", "there is nothing in this block", statement.span, "warning", "add a step or remove it")
        for block in inner:  # the branches of `parallel` are steps like all others: the definition has no action for it
            yield from _control(block, variables, nested=nested or not isinstance(statement, Parallel))


def _runs_after(statement: Statement) -> bool:
    return any(a.name == "runAfter" for a in statement.annotations)


def _list_hint(source: Expression) -> str:
    if isinstance(source, Literal | Template):
        return "use split(text, separator) or a step's list, such as outputs_x.body.value"
    return ""


def _condition(condition: Expression, variables: dict[str, str]) -> Iterator[Diagnostic]:
    kind = value_type(condition, variables)
    if kind not in ("boolean", "any", ""):
        fixes = (Fix("compare it with 0: `> 0`", (Edit(condition.span.end, condition.span.end, " > 0"),)),) if kind in ("integer", "number") else ()
        what = f"a condition is true or false, not {_article(kind)}"
        yield Diagnostic("C503", what, condition.span, hint="compare it: x == y, or !empty(x)", fixes=fixes)


def _cases(statement: Switch) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for case in statement.cases:
        if not isinstance(case.value, Literal):
            yield Diagnostic("C507", "a case is a fixed value", case.value.span, hint="use if / else if for conditions")
            continue
        key = repr(case.value.value)
        if key in seen:
            yield Diagnostic("C502", f"case {key} is given twice", case.value.span, hint="only the first one can run")
        seen.add(key)


# --- missing values ------------------------------------------------------------------------------------------------------------


def check_missing(flow: Flow, catalog: Catalog) -> Iterator[Diagnostic]:
    """M601: required values nobody gave; never an error, but what to ask the user."""
    for call in calls(flow):
        operation = catalog.get(call.id)
        for p in _not_given(call, operation) if operation else ():
            title = f" ({p.title})" if p.title and p.title != p.name else ""
            yield Diagnostic("M601", f"`{call.id}` needs `{p.name}`{title}", call.span, "info", f'add "{p.name}": ...')


def _not_given(call: Call, operation: Operation) -> list[Parameter]:
    required = [p for p in operation.parameters if p.required and not p.internal and p.default is None]
    if not required or _wired(call):
        return []
    keys = {e.key for e in call.parameters}
    return [p for p in required if p.name not in keys and not any(k.startswith(p.name + "/") or p.name.startswith(k + "/") for k in keys)]


CHECKS = (check_names, check_parameters, check_functions, check_references, check_control, check_missing, lint.check_flow)
