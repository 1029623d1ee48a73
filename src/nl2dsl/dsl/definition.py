"""Flows as workflow definitions (the JSON of Power Automate and Logic Apps, schema 2016-06-01), and definitions as flows.

In: a flow and a catalog, or the JSON of a definition. Out: the JSON, or a flow in normal form. `decompile(compile(flow))` is the flow for every flow
in normal form; `compile(decompile(definition))` is the definition up to these normalisations:
    * one spelling of references (see `expressions.py`), and of the case of statuses, types, functions, actions and variables in expressions;
    * the condition of an `if` written as one string becomes a structured one; groups of one member disappear, except the outermost;
      `x` alone as a test is `x == true`;
    * what the designer writes anyway is written: an empty `runAfter`, the `inputs` of built-ins, the step of an increment, `default` of a switch,
      `limit` of an until, the schema of a manual trigger, `contentVersion`; an `else` only if it holds something;
    * white space at the ends of the lines of a description is gone.
Everything else is carried along: settings as annotations, actions without words in the language as `opaque`, unknown keys as `@extra`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import expressions, runafter, wire
from nl2dsl.dsl.action_names import (
    ANNOTATIONS,
    FLOW_ANNOTATIONS,
    RAW_KEYS,
    allocate,
    default_name,
    given_names,
    notes_of,
    result_name,
    slot_of,
    texts,
    trigger_name,
    unique,
)
from nl2dsl.dsl.decompiling import decompile
from nl2dsl.dsl.expressions import Joined
from nl2dsl.dsl.runafter import After
from nl2dsl.dsl.tree import (
    Array,
    Assign,
    Call,
    Expression,
    Flow,
    For,
    If,
    Let,
    Literal,
    Object,
    Opaque,
    Parallel,
    Scope,
    Statement,
    Switch,
    Try,
    Until,
    walk,
)
from nl2dsl.dsl.wire import LIMIT, PARAMETERS, SCHEMA, Json, Notes

__all__ = ["ANNOTATIONS", "FLOW_ANNOTATIONS", "compile", "decompile", "default_name", "result_name"]

_ASSIGNMENT_TYPES = {"=": "SetVariable", "+=": "IncrementVariable", "-=": "DecrementVariable"}


def compile(flow: Flow, catalog: Catalog) -> Json:
    """The definition of a flow. Never raises on a flow that the checker passed; what the checker would reject becomes the nearest JSON."""
    return _Compiler(flow, catalog).definition()


class _Compiler:
    def __init__(self, flow: Flow, catalog: Catalog) -> None:
        self.flow = flow
        self.catalog = catalog
        statements = list(walk(flow.steps))
        allocated = allocate(slot_of(statement) for statement in statements)
        self.action_names = iter(allocated)
        self.taken = {name for given in allocated for name in given}
        notes = notes_of(flow.annotations)
        self.ids = wire.raw_object(notes, "ids")
        self.usual: Notes = {"authentication": notes["authentication"]} if "authentication" in notes else {}
        self.connections = wire.raw_object(notes, "connections")
        self.variables: dict[str, str] = {}
        self.names: dict[str, str] = {flow.trigger.result or "triggerOutputs": _head(flow.trigger, "triggerOutputs()")}
        for statement, given in zip(statements, allocated, strict=True):
            if isinstance(statement, Call) and statement.result:
                self.names.setdefault(statement.result, _head(statement, f"outputs({_quoted(given[0])})"))
            elif isinstance(statement, Let):
                variable = next(iter(texts(notes_of(statement.annotations).get("variable", ()))), statement.name)
                self.variables[statement.name] = variable
                self.names.setdefault(statement.name, f"variables({_quoted(variable)})")

    def definition(self) -> Json:
        notes = notes_of(self.flow.annotations)
        definition: Json = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": json.loads(json.dumps(PARAMETERS))}
        if self.flow.comment:
            definition["description"] = self.flow.comment
        definition["triggers"] = self._triggers(notes)
        actions: Json = {}
        self._block(self.flow.steps, {}, actions, self.names)
        definition["actions"] = actions
        if "parameters" in notes:
            definition["parameters"] = wire.raw_value(notes, "parameters")
            if definition["parameters"] is None:
                del definition["parameters"]
        return definition | wire.raw_object(notes, "definition")

    def _triggers(self, flow_notes: Notes) -> Json:
        if "triggers" in flow_notes and wire.raw_value(flow_notes, "triggers") is None:
            return {}
        call = self.flow.trigger
        notes = notes_of(call.annotations)
        trigger = wire.write_trigger(call, self._with_usual(call, notes), self.catalog, self.names)
        name = next(iter(given_names(notes)), trigger_name(call.connector, call.operation))
        self._settings(trigger, call.comment, notes, "" if name in self.taken else name)
        return {name: trigger, **wire.raw_object(flow_notes, "triggers")}

    def _with_usual(self, call: Call, notes: Notes) -> Notes:
        """The notes of a call with what all calls of the flow have in common."""
        connection = self.connections.get(call.connector)
        return {**self.usual, **({"connection": (Literal(connection),)} if isinstance(connection, str) else {}), **notes}

    def _block(self, steps: tuple[Statement, ...], entry: After, actions: Json, names: Mapping[str, str]) -> After:
        """Adds the actions of a block that runs after `entry`; returns what runs after the block."""
        for statement in steps:
            notes = notes_of(statement.annotations)
            given = next(self.action_names)
            after = _run_after(notes) if "runAfter" in notes else entry
            if isinstance(statement, Parallel):
                entry = self._parallel(statement, after, actions, names)
            elif isinstance(statement, Try):
                entry = self._try(statement, given, after, actions, names, notes)
            elif isinstance(statement, Let) and given[0] in actions:
                actions[given[0]]["inputs"]["variables"].append(self._variable(statement, names))
            else:
                action = self._action(statement, notes, names)
                action["runAfter"] = runafter.write(after)
                self._settings(action, statement.comment, notes, given[0])
                actions[given[0]] = action
                self._fill(statement, given[0], action, names)
                entry = runafter.after_action(given[0])
        return entry

    def _settings(self, action: Json, comment: str, notes: Notes, name: str) -> None:
        if comment:
            action["description"] = comment
        if name in self.ids:
            action.setdefault("metadata", {"operationMetadataId": self.ids[name]})
        for note, key in RAW_KEYS.items():
            if note in notes:
                action[key] = wire.raw_value(notes, note)
                if action[key] is None:
                    del action[key]
        action |= wire.raw_object(notes, "extra")

    def _action(self, statement: Statement, notes: Notes, names: Mapping[str, str]) -> Json:
        """One action without its run-after and without what is nested in it."""
        match statement:
            case Call():
                return wire.write_action(statement, self._with_usual(statement, notes), self.catalog, names)
            case Let():
                return {"type": "InitializeVariable", "inputs": {"variables": [self._variable(statement, names)]}}
            case Assign():
                inputs = {"name": self._variable_of(statement, notes), "value": expressions.write(statement.value, names)}
                return {"type": _ASSIGNMENT_TYPES.get(statement.operator, "SetVariable"), "inputs": inputs}
            case If():
                if "expression" in notes:
                    return {"type": "If", "expression": expressions.write(statement.condition, names)}
                return {"type": "If", "expression": expressions.write_condition(statement.condition, names, "structured" in notes)}
            case For():
                return {"type": "Foreach", "foreach": expressions.write(statement.source, names)}
            case Switch():
                return {"type": "Switch", "expression": expressions.write(statement.subject, names)}
            case Until():
                condition = statement.condition
                written = expressions.write_condition(condition, names, True) if "structured" in notes else expressions.write(condition, names)
                return {"type": "Until", "expression": written, "limit": dict(LIMIT)}
            case Opaque():
                return dict(expressions.write_raw(statement.definition))
            case _:
                return {"type": "Scope"}

    def _variable_of(self, statement: Assign, notes: Notes) -> str:
        return next(iter(texts(notes.get("variable", ()))), self.variables.get(statement.name, statement.name))

    def _variable(self, statement: Let, names: Mapping[str, str]) -> Json:
        variable: Json = {"name": self.variables[statement.name], "type": statement.type or _type_of(statement.value)}
        if statement.value is not None:
            variable["value"] = expressions.write(statement.value, names)
        return variable

    def _fill(self, statement: Statement, name: str, action: Json, names: Mapping[str, str]) -> None:
        """The nested actions of a container, in the order of `walk`."""
        match statement:
            case If():
                action["actions"] = self._nested(statement.then, names)
                if otherwise := self._nested(statement.otherwise, names):
                    action["else"] = {"actions": otherwise}
            case For():
                action["actions"] = self._nested(statement.body, {**names, statement.item: f"items({_quoted(name)})"})
            case Switch():
                titles = texts(notes_of(statement.annotations).get("cases", ()))
                taken: set[str] = set()
                numbers: dict[str, int] = {}
                action["cases"] = {}
                for number, case in enumerate(statement.cases):
                    title = unique(titles[number] if number < len(titles) else "Case", taken, numbers)
                    action["cases"][title] = {"case": expressions.write(case.value, names), "actions": self._nested(case.body, names)}
                action["default"] = {"actions": self._nested(statement.default, names)}
            case Until() | Scope():
                action["actions"] = self._nested(statement.body, names)
            case _:
                pass

    def _nested(self, steps: tuple[Statement, ...], names: Mapping[str, str]) -> Json:
        actions: Json = {}
        self._block(steps, {}, actions, names)
        return actions

    def _parallel(self, statement: Parallel, entry: After, actions: Json, names: Mapping[str, str]) -> After:
        merged: After = {}
        for branch in statement.branches:
            merged |= self._block(branch, entry, actions, names)
        return merged or entry

    def _try(self, statement: Try, given: tuple[str, ...], entry: After, actions: Json, names: Mapping[str, str], notes: Notes) -> After:
        body, *others = given
        catch = others[0] if statement.catch else ""
        final = others[-1] if statement.final else ""
        actions[body] = self._scope(statement.body, entry, names)
        self._settings(actions[body], statement.comment, notes, body)
        if catch:
            actions[catch] = self._scope(statement.catch, {body: texts(notes.get("catch", ())) or runafter.FAILURE}, names)
            self._settings(actions[catch], "", _raw_part(notes, "catch"), catch)
        if final:
            actions[final] = self._scope(statement.final, {catch or body: texts(notes.get("finally", ())) or runafter.ALWAYS}, names)
            self._settings(actions[final], "", _raw_part(notes, "finally"), final)
        return runafter.after_guard(body, catch, final)

    def _scope(self, steps: tuple[Statement, ...], entry: After, names: Mapping[str, str]) -> Json:
        return {"type": "Scope", "actions": self._nested(steps, names), "runAfter": runafter.write(entry)}


def _head(call: Call, text: str) -> str:
    """The expression that a result stands for."""
    type = wire.raw_value(notes_of(call.annotations), "type") if call.annotations else None
    return Joined(text) if wire.joins(call.connector, type) else text


def _run_after(notes: Notes) -> After:
    """What `@runAfter` says: an action and the statuses it may end in, or an object of several."""
    if said := texts(notes["runAfter"]):
        return {said[0]: runafter.statuses(said[1:] or ("Succeeded",))}
    return runafter.read(wire.raw_object(notes, "runAfter"))


def _raw_part(notes: Notes, name: str) -> Notes:
    """Of `@catch("Failed", { ... })`: what else the scope has."""
    return {"extra": tuple(a for a in notes.get(name, ()) if isinstance(a, Object))}


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _type_of(value: Expression | None) -> str:
    """The type of a variable that follows from its first value."""
    match value:
        case Literal(value=bool()):
            return "boolean"
        case Literal(value=int()):
            return "integer"
        case Literal(value=float()):
            return "float"
        case Array():
            return "array"
        case Object():
            return "object"
        case _:
            return "string"
