"""Works expressions out: JSON with `@…` and `@{…}` in it becomes JSON.

In: values of a definition and a `Context`: the run, and where in it the expression stands (loops, item of a data operation). Out: values, or
`TemplateError` with the platform's message. `hints` finds what a flow compares properties with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from nl2dsl.dsl import expressions
from nl2dsl.dsl.expressions import Reading
from nl2dsl.dsl.tree import Array, Binary, Expression, Function, Literal, Name, Not, Object, Path, Segment, Template
from nl2dsl.simulator import functions
from nl2dsl.simulator.values import MockList, MockObject, TemplateError, Unknown, limited, same, to_text, type_name

_NOTHING = object()
_FUNCTION_OF = {"==": "equals", "<": "less", "<=": "lessOrEquals", ">": "greater", ">=": "greaterOrEquals"}
_COMPARING = frozenset(("equals", "less", "lessorequals", "greater", "greaterorequals", "contains", "startswith", "endswith"))
_MAX_NOTES = 5
_READING = Reading()


class Run(functions.Runtime, Protocol):
    """What expressions ask of a run."""

    variables: dict[str, Any]
    trigger: dict[str, Any]

    def spend(self, cost: int = 1) -> None: ...
    def record(self, name: str, frame: Frame) -> dict[str, Any] | None: ...
    def has_action(self, name: str) -> bool: ...
    def children(self, name: str, frame: Frame) -> list[dict[str, Any]] | None: ...
    def parameter(self, name: str) -> Any: ...
    def workflow(self) -> Any: ...
    def unknown(self, key: str, name: str) -> Unknown: ...


@dataclass(slots=True)
class Frame:
    """One iteration of a loop (or the flow itself): results of its actions, the item of a for-each. Names are in lower case."""

    parent: Frame | None = None
    loop: str = ""
    item: Any = _NOTHING
    index: int = 0
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeats: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # what each iteration of a loop did, by the loop

    def outwards(self) -> Iterator[Frame]:
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent

    def find(self, name: str) -> dict[str, Any] | None:
        """The result of an action as seen from here."""
        return next((frame.results[name] for frame in self.outwards() if name in frame.results), None)

    def around(self, loop: str) -> Frame | None:
        """The iteration of a loop that this is inside of; of the innermost loop for ''."""
        return next((frame for frame in self.outwards() if (frame.loop == loop if loop else frame.item is not _NOTHING)), None)


@dataclass(slots=True)
class Context:
    """Where an expression stands; `notes` gathers what a reader of the trace should know."""

    run: Run
    frame: Frame
    item: Any = _NOTHING
    notes: dict[str, None] = field(default_factory=dict)

    def with_item(self, item: Any) -> Context:
        return Context(self.run, self.frame, item, self.notes)

    def note(self, text: str) -> None:
        if len(self.notes) < _MAX_NOTES:
            self.notes[text] = None


@lru_cache(maxsize=8_192)
def _read(text: str) -> Expression:
    return expressions.read(text, _READING)


def value(json: Any, context: Context) -> Any:
    """A JSON value with the expressions in its strings worked out."""
    if isinstance(json, str):
        return tree(_read(json), context) if "@" in json else json
    if isinstance(json, dict):
        return {key: value(item, context) for key, item in json.items()}
    if isinstance(json, list):
        return [value(item, context) for item in json]
    return json


def condition(json: Any, context: Context) -> bool:
    """A test: an expression, or the structured form of the designer."""
    if isinstance(json, dict):
        return _structured(json, context)
    found = value(json, context)
    if isinstance(found, Unknown):
        return found.source.boolean(found)
    if isinstance(found, bool):
        return found
    if isinstance(found, str) and found.lower() in ("true", "false"):
        return found.lower() == "true"
    raise TemplateError(f"The result of a condition must be true or false. The value is of type '{type_name(found)}'.", "InvalidTemplate")


def _structured(json: dict[str, Any], context: Context) -> bool:
    if len(json) != 1:
        raise TemplateError("The expression of a condition must be an object with one operator.")
    operator, operands = next(iter(json.items()))
    name = operator.lower()
    if name == "not":
        return not condition(operands[0] if isinstance(operands, list) and len(operands) == 1 else operands, context)
    if not isinstance(operands, list):
        operands = [operands]
    if name == "and":
        return all(condition(operand, context) for operand in operands)
    if name == "or":
        return any(condition(operand, context) for operand in operands)
    found = functions.call(operator, [value(operand, context) for operand in operands], context.run)
    return bool(found)


# --- trees ---------------------------------------------------------------------------------------------------------------------


def tree(node: Expression, context: Context) -> Any:
    """The value of an expression tree whose names are those of the definition."""
    context.run.spend()
    match node:
        case Literal():
            return node.value
        case Path():
            return _path(node, context)
        case Function():
            return _function(node, context)
        case Template():
            return _template(node, context)
        case Binary():
            return _binary(node, context)
        case Not():
            return not _truth(node.operand, "not", context)
        case Object():
            return {entry.key: tree(entry.value, context) for entry in node.entries}
        case Array():
            return [tree(item, context) for item in node.items]
        case Name():
            return _name(node, context)


def _template(node: Template, context: Context) -> str:
    text = "".join(part if isinstance(part, str) else to_text(tree(part, context)) for part in node.parts)
    context.run.spend(len(text) >> 8)
    return limited(text)


def _binary(node: Binary, context: Context) -> bool:
    if node.operator == "&&":
        return _truth(node.left, "and", context) and _truth(node.right, "and", context)
    if node.operator == "||":
        return _truth(node.left, "or", context) or _truth(node.right, "or", context)
    left, right = tree(node.left, context), tree(node.right, context)
    if node.operator == "!=":
        return not same(left, right)
    return bool(functions.call(_FUNCTION_OF[node.operator], [left, right], context.run))


def _truth(node: Expression, name: str, context: Context) -> bool:
    return functions.truth(functions.Call(name, [tree(node, context)], context.run), 0)


def _function(node: Function, context: Context) -> Any:
    name = node.name.lower()
    if name in ("if", "and", "or", "coalesce", "raw"):
        return _lazy(name, node, context)
    arguments = [tree(argument, context) for argument in node.arguments]
    accessor = _ACCESSORS.get(name)
    if accessor is not None:
        return accessor(arguments, context)
    found = functions.call(node.name, arguments, context.run)
    if isinstance(found, str | list):
        context.run.spend(len(found) >> 8)
    return found


def _lazy(name: str, node: Function, context: Context) -> Any:
    """Functions that look at their arguments one by one."""
    arguments = node.arguments
    match name:
        case "if" if len(arguments) == 3:
            return tree(arguments[1] if _truth(arguments[0], "if", context) else arguments[2], context)
        case "and" if arguments:
            return all(_truth(argument, "and", context) for argument in arguments)
        case "or" if arguments:
            return any(_truth(argument, "or", context) for argument in arguments)
        case "coalesce" if arguments:
            return next((found for argument in arguments if (found := tree(argument, context)) is not None), None)
        case "raw" if len(arguments) == 1:
            text = to_text(tree(arguments[0], context))
            if text.startswith("[") and text.endswith("]"):
                context.note("written when the template is deployed: left as it is")
                return text
            raise TemplateError(f"The template language expression '{text[:200]}' is not valid: it cannot be parsed.")
    raise TemplateError(f"The template function '{node.name}' was given {len(arguments)} parameters, which is not what it takes.")


# --- what expressions see of the run -------------------------------------------------------------------------------------------


def _name(node: Name, context: Context) -> Any:
    if node.id == "triggerOutputs":
        return context.run.trigger.get("outputs")
    raise TemplateError(f"The name '{node.id}' is not defined in the template.")


def _action(arguments: list[Any], context: Context, function: str) -> dict[str, Any]:
    name = to_text(arguments[0]) if arguments else ""
    found = context.run.record(name.lower(), context.frame)
    if found is not None:
        return found
    if not context.run.has_action(name.lower()):
        raise TemplateError(
            f"The template action reference is not valid: the action '{name}' referenced by '{function}' is not defined in the template."
        )
    context.note(f"`{name}` has not run: null")
    return {}


def _outputs(arguments: list[Any], context: Context) -> Any:
    return _action(arguments, context, "outputs").get("outputs")


def _body(arguments: list[Any], context: Context) -> Any:
    outputs = _outputs(arguments, context)
    return outputs.get("body") if isinstance(outputs, dict) else outputs


def _actions(arguments: list[Any], context: Context) -> Any:
    return _action(arguments, context, "actions")


def _result(arguments: list[Any], context: Context) -> Any:
    name = to_text(arguments[0]) if arguments else ""
    found = context.run.children(name.lower(), context.frame)
    if found is None:
        raise TemplateError(f"The template function 'result' needs the name of a scope, loop, condition or switch: '{name}' is none.")
    return found


def _item(arguments: list[Any], context: Context) -> Any:
    if context.item is not _NOTHING:
        return context.item
    frame = context.frame.around("")
    if frame is None:
        raise TemplateError("The template function 'item' is not expected at this location: it is used in a foreach or a data operation only.")
    return frame.item


def _items(arguments: list[Any], context: Context) -> Any:
    frame = _loop(arguments, context)
    return frame.index if frame.item is _NOTHING else frame.item


def _loop(arguments: list[Any], context: Context) -> Frame:
    name = to_text(arguments[0]) if arguments else ""
    frame = context.frame.around(name.lower())
    if frame is None:
        raise TemplateError(f"The template language function 'items' cannot be used here: this is not inside the loop '{name}'.")
    return frame


def _index(arguments: list[Any], context: Context) -> int:
    return _loop(arguments, context).index


def _variables(arguments: list[Any], context: Context) -> Any:
    name = to_text(arguments[0]) if arguments else ""
    if name.lower() not in context.run.variables:
        raise TemplateError(f"The variable '{name}' must be initialized before it can be used inside action inputs or outputs.")
    return context.run.variables[name.lower()]


def _parameters(arguments: list[Any], context: Context) -> Any:
    return context.run.parameter(to_text(arguments[0]) if arguments else "")


def _setting(arguments: list[Any], context: Context) -> Any:
    name = to_text(arguments[0]) if arguments else ""
    context.note(f"`{name}` comes from outside the flow: seeded value")
    return context.run.unknown(f"setting/{name}", name)


def _form(arguments: list[Any], context: Context) -> Any:
    return context.run.unknown("trigger/form" + "/".join(to_text(a) for a in arguments), to_text(arguments[0]) if arguments else "")


def _trigger_body(arguments: list[Any], context: Context) -> Any:
    outputs = context.run.trigger.get("outputs")
    return outputs.get("body") if isinstance(outputs, dict) else None


_ACCESSORS: Mapping[str, Callable[[list[Any], Context], Any]] = {
    **{"outputs": _outputs, "actionoutputs": _outputs, "body": _body, "actionbody": _body, "actions": _actions, "result": _result},
    **{"item": _item, "items": _items, "iterationindexes": _index, "variables": _variables, "parameters": _parameters},
    **{"appsetting": _setting, "agentparameters": _setting, "triggerbody": _trigger_body, "workflow": lambda _, c: c.run.workflow()},
    **{"triggeroutputs": lambda _, c: c.run.trigger.get("outputs"), "trigger": lambda _, c: c.run.trigger},
    **{"action": lambda _, c: {}, "triggerformdatavalue": _form, "triggerformdatamultivalues": lambda a, c: [_form(a, c)]},
    **{"triggermultipartbody": _form, "multipartbody": _form},
}


def known(name: str) -> bool:
    """Whether the simulator has a function of that name."""
    return name.lower() in _ACCESSORS or name.lower() in functions.IMPLEMENTATIONS or name.lower() in ("if", "and", "or", "coalesce")


# --- paths ---------------------------------------------------------------------------------------------------------------------


def _path(node: Path, context: Context) -> Any:
    found = tree(node.base, context)
    for segment in node.segments[1 if _is_whole_body(node, found) else 0 :]:
        key = segment.key if isinstance(segment.key, str | int) else tree(segment.key, context)
        for part in _parts(found, key, segment):
            found = _select(found, part, segment, node, context)
    return None if isinstance(found, Unknown) and found.source.absent(found) else found


def _is_whole_body(node: Path, found: Any) -> bool:
    """`body('Compose')` is all of its outputs."""
    first = node.segments[0]
    return isinstance(node.base, Function) and node.base.name == "outputs" and first.key == "body" and not isinstance(found, dict | Unknown | None)


def _parts(found: Any, key: Any, segment: Segment) -> list[Any]:
    """`body/value` is a way into what calls deliver, but one key of an object that has it."""
    if not isinstance(key, str) or "/" not in key or (isinstance(found, dict) and key in found):
        return [key]
    parts = key.split("/")
    inside = not segment.strict or isinstance(found, Unknown) or (isinstance(found, dict) and parts[0] in found)
    return parts if all(parts) and inside else [key]


def _select(found: Any, key: Any, segment: Segment, node: Path, context: Context) -> Any:
    if isinstance(key, Unknown):
        key = key.source.number(key) if isinstance(found, list) else key.source.text(key)
    if isinstance(key, float) and key == int(key):
        key = int(key)
    if found is None:
        if not segment.strict:
            return None
        raise _failed(node, f"property '{to_text(key)}' cannot be selected")
    if isinstance(found, Unknown):
        return found.child(key if isinstance(key, int) else to_text(key))
    if isinstance(found, dict):
        return _property(found, to_text(key), segment, node, context)
    if isinstance(found, list):
        return _at(found, key, segment, node, context)
    raise _failed(node, f"property '{to_text(key)}' cannot be selected. Property selection is not supported on values of type '{type_name(found)}'")


def _property(found: dict[str, Any], key: str, segment: Segment, node: Path, context: Context) -> Any:
    if key in found:
        return found[key]
    lower = key.lower()
    for name in found:
        if name.lower() == lower:
            return found[name]
    if isinstance(found, MockObject):
        context.note(f"`{key}` is not described by the catalog: seeded value")
        return found.origin.child(key)
    if not segment.strict:
        return None
    raise _failed(node, f"property '{key}' doesn't exist, available properties are '{', '.join(list(found)[:20])}'")


def _at(found: list[Any], key: Any, segment: Segment, node: Path, context: Context) -> Any:
    if isinstance(key, str) and key.lstrip("-").isdigit() and len(key) < 10:
        key = int(key)
    if isinstance(key, int) and not isinstance(key, bool):
        if 0 <= key < len(found):
            return found[key]
        if isinstance(found, MockList):
            context.note(f"item {key} is beyond the seeded list: seeded value")
            return found.origin.child(key)
        if not segment.strict:
            return None
        raise _failed(node, f"array index '{key}' is outside bounds (0, {len(found) - 1}) of array")
    if isinstance(found, MockList):
        context.note(f"`{to_text(key)}` is read of a seeded list: seeded value")
        return found.origin.child(to_text(key))
    raise _failed(node, f"property '{to_text(key)}' cannot be selected. Array elements can only be selected using an integer index")


def _failed(node: Path, why: str) -> TemplateError:
    text = expressions.print_expression(node, {"triggerOutputs": "triggerOutputs()"})
    return TemplateError(
        f"The template language expression '{text[:300]}' cannot be evaluated because {why}. Please see https://aka.ms/logicexpressions for usage details."
    )


# --- hints ---------------------------------------------------------------------------------------------------------------------


def hints(definition: Any) -> dict[str, list[Any]]:
    """What a definition compares properties with: literals by the lower-case name of the property, in order, without repeats."""
    found: dict[str, list[Any]] = {}
    _gather(definition, found, 0)
    return found


def _gather(json: Any, found: dict[str, list[Any]], depth: int) -> None:
    if depth > 200:
        return
    if isinstance(json, str):
        if "@" in json:
            _gather_tree(_read(json), found)
        return
    if isinstance(json, dict):
        for key, item in json.items():
            if key.lower() in _COMPARING and isinstance(item, list) and len(item) == 2:
                _compared(_side(item[0]), _side(item[1]), found)
        if isinstance(json.get("cases"), dict) and isinstance(json.get("expression"), str):
            for case in json["cases"].values():
                if isinstance(case, dict) and isinstance(case.get("case"), str | int):
                    _compared(_read(json["expression"]), Literal(case["case"]), found)
    for item in json.values() if isinstance(json, dict) else json if isinstance(json, list) else ():
        _gather(item, found, depth + 1)


def _side(json: Any) -> Expression | None:
    if isinstance(json, str):
        return _read(json)
    return None if isinstance(json, dict | list) else Literal(json)


def _gather_tree(node: Any, found: dict[str, list[Any]]) -> None:
    match node:
        case Binary():
            _compared(node.left, node.right, found)
            children: tuple[Any, ...] = (node.left, node.right)
        case Function():
            if node.name.lower() in _COMPARING and len(node.arguments) == 2:
                _compared(*node.arguments, found)
            elif node.name.lower() == "empty" and len(node.arguments) == 1:
                _compared(node.arguments[0], Literal(None), found)
            children = node.arguments
        case Not():
            children = (node.operand,)
        case Template():
            children = tuple(part for part in node.parts if not isinstance(part, str))
        case Array():
            children = node.items
        case _:
            children = ()
    for child in children:
        _gather_tree(child, found)


def _compared(left: Expression | None, right: Expression | None, found: dict[str, list[Any]]) -> None:
    for side, other in ((left, right), (right, left)):
        if isinstance(other, Literal) and other.value != "" and (name := _property_of(side)):
            values = found.setdefault(name.lower(), [])
            if not any(type(other.value) is type(v) and other.value == v for v in values):
                values.append(other.value)


def _property_of(node: Expression | None) -> str:
    """The last property of the first path in an expression."""
    if isinstance(node, Path):
        return next((s.key.rpartition("/")[2] for s in reversed(node.segments) if isinstance(s.key, str)), "")
    if isinstance(node, Function) and node.name.lower() not in ("length", "variables", "parameters", "outputs", "items"):
        return next((name for argument in node.arguments if (name := _property_of(argument))), "")
    return ""
