"""Definitions as flows: the second half of `definition.py`, which says what comes back unchanged and what does not.

In: the JSON of a definition. Out: a `Flow` in normal form. A first pass finds the order, the names and the results of all actions, because an
expression may refer to any of them; a second one translates.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.read import builtin
from nl2dsl.dsl import expressions, runafter, wire
from nl2dsl.dsl.action_names import (
    ANNOTATIONS,
    ASSIGNMENT_NAMES,
    DEFAULT_NAMES,
    FLOW_ANNOTATIONS,
    RAW_KEYS,
    Slot,
    allocate,
    result_name,
    step_name,
    trigger_name,
    unique,
)
from nl2dsl.dsl.expressions import Reading
from nl2dsl.dsl.runafter import After, Fork, Guard, Step, Unit
from nl2dsl.dsl.text import nesting
from nl2dsl.dsl.tree import (
    Annotation,
    Assign,
    Call,
    Case,
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
)
from nl2dsl.dsl.wire import LIMIT, PARAMETERS, SCHEMA, Json, Notes
from nl2dsl.dsl.words import KEYWORDS, MAX_DIGITS, MAX_NESTING, NAME
from nl2dsl.errors import UsageError

VARIABLE_TYPES = ("boolean", "integer", "float", "string", "object", "array")
_CONTAINERS = {"if": If, "foreach": For, "switch": Switch, "until": Until, "scope": Scope}
_ASSIGNMENTS = {"setvariable": "=", "incrementvariable": "+=", "decrementvariable": "-="}


def decompile(definition: Json, catalog: Catalog | None = None) -> Flow:
    """The flow of a definition, in normal form. Raises `UsageError` for JSON that is no definition.

    `catalog` (by default the one that ships) says which type of action and which `splitOn` are usual for an operation; others become annotations.
    """
    for part in ("triggers", "actions"):
        entries = definition.get(part, {} if part == "triggers" else None) if isinstance(definition, dict) else None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise UsageError(
                f"this is no workflow definition: `{part}` is no object of objects", "give the object that holds `triggers` and `actions`"
            )
    _check_size(definition)
    flow = _Decompiler(definition, catalog if catalog is not None else builtin()).flow()
    if nesting(flow) > MAX_NESTING:
        raise UsageError(f"this definition is nested too deeply: its text would have more than {MAX_NESTING} brackets inside one another", _FLATTEN)
    return flow


MAX_LEVELS = 120  # of objects and lists inside one another; the passes over a definition recurse
_FLATTEN = "move inner steps into a child flow, or inner data into steps of their own"


def _check_size(definition: Json) -> None:
    """Refuses what no text could hold or no pass could walk: absurd depth, numbers that are no JSON or have no end."""
    waiting: list[tuple[Any, int]] = [(definition, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > MAX_LEVELS:
                raise UsageError(f"this definition is nested more than {MAX_LEVELS} levels deep", _FLATTEN)
            waiting.extend((item, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
        elif _too_large(value):
            raise UsageError("this definition has a number that is too large", "write it as text, in quotes")


_LARGEST = 10 ** (MAX_DIGITS - 1)


def _too_large(value: Any) -> bool:
    """Whole numbers are written out; a float is short in any text as long as it is finite."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and not -_LARGEST < value < _LARGEST


@dataclass(slots=True)
class _Plan:
    """What is known about a definition before anything is translated: order, names and results of all its actions."""

    units: dict[int, tuple[Unit, ...]] = field(default_factory=dict)  # by the id() of a level
    slots: list[Slot] = field(default_factory=list)  # with all names given, in the order of `walk`
    calls: list[tuple[str, str, str]] = field(default_factory=list)  # action, connector, operation
    wired: dict[str, Json] = field(default_factory=dict)  # their JSON
    connected: dict[str, Json] = field(default_factory=dict)  # the calls among them that name a connector's operation
    variables: list[str] = field(default_factory=list)
    assigned: list[str] = field(default_factory=list)


class _Decompiler:
    def __init__(self, definition: Json, catalog: Catalog) -> None:
        self.definition = definition
        self.catalog = catalog
        self.plan = _Plan()
        self._survey(definition["actions"])
        referenced = set(_referenced(definition["actions"]))
        self.results = _results(self.plan.calls, referenced)
        self.variables = _variable_names(self.plan.variables + self.plan.assigned, {"triggerOutputs", *self.results.values()})
        results = {action.lower(): result for action, result in self.results.items()}
        variables = {variable.lower(): self.variables[variable.lower()] for variable in self.plan.variables}
        self.reading = Reading(results, {}, variables, "", self._joined(definition.get("triggers") or {}))
        self.unnamed = self._implied_names()
        self.ids: dict[str, str] = {}
        self.usual = self._usual_authentication(definition.get("triggers") or {})
        self.connections = self._usual_connections(definition.get("triggers") or {})

    def flow(self) -> Flow:
        rest = dict(self.definition)
        triggers = rest.pop("triggers", {})
        actions = rest.pop("actions")
        comment = _comment(rest)
        notes: Notes = {}
        parameters = None if rest.get("parameters") is None else rest.pop("parameters")
        if not wire.same(parameters, PARAMETERS):
            notes["parameters"] = wire.raw(parameters)
        trigger = self._trigger(triggers, self.reading, notes)
        steps = self._level(actions, self.reading)
        if self.usual != wire.AUTHENTICATION:
            notes["authentication"] = wire.raw(self.usual)
        if self.connections:
            notes["connections"] = wire.raw(self.connections)
        if self.ids:
            notes["ids"] = wire.raw(self.ids)
        for key, usual in (("$schema", SCHEMA), ("contentVersion", "1.0.0.0")):
            if rest.get(key) == usual:
                del rest[key]
        if rest:
            notes["definition"] = wire.raw(rest)
        return Flow(trigger, steps, _annotations(notes, FLOW_ANNOTATIONS), comment)

    # surveying

    def _survey(self, level: Json) -> None:
        after = {name: runafter.read(_run_after(name, action)) for name, action in level.items()}
        scopes = frozenset(
            name for name in after if level[name].get("type") == "Scope" and level[name].get("actions") and _shape(level[name]) is Scope
        )
        units = runafter.arrange(after, scopes)
        self.plan.units[id(level)] = units
        self._survey_units(units, level)

    def _survey_units(self, units: Iterable[Unit], level: Json) -> None:
        for unit in units:
            match unit:
                case Fork():
                    self.plan.slots.append(Slot((), ()))
                    for branch in unit.branches:
                        self._survey_units(branch, level)
                case Guard():
                    names = _scopes(unit)
                    bases = ("Try", *(("Catch",) if unit.catch else ()), *(("Finally",) if unit.final else ()))
                    self.plan.slots.append(Slot(names, bases))
                    for name in names:
                        self._survey(level[name]["actions"])
                case Step():
                    self._survey_action(unit.name, level[unit.name])

    def _survey_action(self, name: str, action: Json) -> None:
        shape = _shape(action)
        base = ""
        if shape is Call:
            identity = wire.identify(action)
            assert identity is not None
            self.plan.calls.append((name, *identity))
            self.plan.wired[name] = action
            if wire.joins(identity[0], action.get("type")):
                self.plan.connected[name] = action
            base = step_name(*identity)
        elif shape is Assign:
            self.plan.assigned.append(action["inputs"]["name"])
            base = ASSIGNMENT_NAMES[_ASSIGNMENTS[action["type"].lower()]]
        elif shape is Let:
            variables = [variable["name"] for variable in action["inputs"]["variables"]]
            self.plan.variables += variables
            # Several variables of one action: all statements give its name, which is how `compile` knows.
            self.plan.slots += [Slot((name,), ("",), True)] * (len(variables) - 1)
            base = DEFAULT_NAMES[Let] if len(variables) == 1 else ""
        else:
            base = DEFAULT_NAMES[shape]
        self.plan.slots.append(Slot((name,), (base,), shape is Let))
        for level in _levels(action) if shape in _CONTAINERS.values() else ():
            self._survey(level)

    def _implied_names(self) -> set[str]:
        """The actions whose names need no words, because `compile` would give them the same."""
        slots = self.plan.slots
        results = self.results
        implied = {
            number
            for number, slot in enumerate(slots)
            if slot.given
            and all(base and re.fullmatch(re.escape(base) + r"(_\d+)?", name) for name, base in zip(slot.given, slot.bases, strict=True))
        }
        implied -= {number for number, slot in enumerate(slots) if slot.given and slot.given[0] in results}
        while True:
            allocated = allocate(replace(slot, given=()) if number in implied else slot for number, slot in enumerate(slots))
            wrong = {number for number in implied if allocated[number] != slots[number].given}
            if not wrong:
                return {name for number in implied for name in slots[number].given}
            implied -= wrong

    def _joined(self, triggers: Json) -> frozenset[str]:
        """The results whose keys the designer joins."""
        joined = {self.results[name] for name in self.plan.connected if name in self.results}
        return frozenset(joined | {"triggerOutputs"} if _connected(triggers) else joined)

    def _usual_connections(self, triggers: Json) -> dict[str, str]:
        """The connection that most calls of a connector use, where it is not what they would use anyway."""
        counts: dict[tuple[str, Any], Counter[str]] = {}
        for action in (*self.plan.wired.values(), *list(triggers.values())[:1]):
            if connection := wire.connection_of(action):
                counts.setdefault((connection[0], action["type"] in wire.LEGACY_TYPES), Counter())[connection[1]] += 1
        usual = {key: found.most_common(1)[0][0] for key, found in counts.items()}
        return {
            connector: name
            for (connector, legacy), name in usual.items()
            if (connector, not legacy) not in usual and name != wire.usual_connection(connector, wire.LEGACY_TYPES[0] if legacy else "")
        }

    def _usual_authentication(self, triggers: Json) -> Any:
        """What most calls of connectors carry as their authentication; None when most have none."""
        found = [action["inputs"].get("authentication") for action in (*self.plan.connected.values(), *_connected(triggers))]
        keys = [json.dumps(value, sort_keys=True) for value in found]
        return found[keys.index(Counter(keys).most_common(1)[0][0])] if found else wire.AUTHENTICATION

    # translating

    def _trigger(self, triggers: Json, reading: Reading, flow_notes: Notes) -> Call:
        if not triggers:
            flow_notes["triggers"] = wire.raw(None)
            return Call("commonTrigger", "manual", result="triggerOutputs")
        (name, trigger), *others = triggers.items()
        if others:
            flow_notes["triggers"] = wire.raw(dict(others))
        rest = dict(trigger)
        if all(name not in slot.given for slot in self.plan.slots):
            self._take_id(name, rest)
        wired = wire.read_trigger(rest, reading, self.catalog)
        comment, notes = self._dressing(rest, self._authenticated(wired, bool(_connected(triggers))))
        if name != trigger_name(wired.connector, wired.operation):
            notes |= _name_note((name,))
        return Call(wired.connector, wired.operation, wired.parameters, "triggerOutputs", comment, _annotations(notes))

    def _level(self, level: Json, reading: Reading) -> tuple[Statement, ...]:
        return tuple(self._statements(self.plan.units[id(level)], level, reading))

    def _statements(self, units: Iterable[Unit], level: Json, reading: Reading) -> Iterator[Statement]:
        for unit in units:
            match unit:
                case Fork():
                    yield Parallel(tuple(tuple(self._statements(branch, level, reading)) for branch in unit.branches))
                case Guard():
                    yield self._guard(unit, level, reading)
                case Step():
                    yield from self._step(unit, dict(level[unit.name]), reading)

    def _guard(self, unit: Guard, level: Json, reading: Reading) -> Try:
        names = _scopes(unit)
        bodies = {name: self._level(level[name]["actions"], reading) for name in names}
        scopes = {name: dict(level[name]) for name in names}
        for name, scope in scopes.items():
            self._take_id(name, scope)
        rest = {key: value for key, value in scopes[unit.body].items() if key not in ("type", "actions", "runAfter")}
        comment, notes = self._dressing(rest, self._run_after(unit.after))
        if not self.unnamed.issuperset(names):
            notes |= _name_note(names)
        for note, name, usual in (("catch", unit.catch, runafter.FAILURE), ("finally", unit.final, runafter.ALWAYS)):
            if name and (said := _guard_note(scopes[name], usual)):
                notes[note] = said
        return Try(bodies[unit.body], bodies.get(unit.catch, ()), bodies.get(unit.final, ()), comment, _annotations(notes))

    def _step(self, unit: Step, rest: Json, reading: Reading) -> Iterator[Statement]:
        shape = _shape(rest)
        rest.pop("runAfter", None)
        self._take_id(unit.name, rest)
        notes = self._run_after(unit.after)
        result = self.results.get(unit.name)
        # A call may be named by its result.
        if unit.name not in self.unnamed and (result != "outputs_" + unit.name or not unit.name):
            notes |= _name_note((unit.name,))
        if shape is Call:
            wired = wire.read_action(rest, reading, self.catalog)
            comment, notes = self._dressing(rest, notes | self._authenticated(wired, unit.name in self.plan.connected))
            yield Call(wired.connector, wired.operation, wired.parameters, result, comment, _annotations(notes))
        elif shape is Let:
            yield from self._lets(rest, notes, reading)
        elif shape is Opaque:
            comment = _comment(rest)
            definition = expressions.read_raw(rest)
            assert isinstance(definition, Object)
            yield Opaque(definition, comment, _annotations(notes))
        else:
            translate: dict[type, Callable[[str, Json, Notes, Reading], Statement]]
            translate = {If: self._if, For: self._for, Switch: self._switch, Until: self._until, Scope: self._scope}
            kind = rest.pop("type").lower()
            yield self._assign(kind, rest, notes, reading) if shape is Assign else translate[shape](unit.name, rest, notes, reading)

    def _lets(self, rest: Json, notes: Notes, reading: Reading) -> Iterator[Let]:
        del rest["type"]
        variables = rest.pop("inputs")["variables"]
        comment, notes = self._dressing(rest, notes)
        for number, variable in enumerate(variables):
            value = expressions.read(variable["value"], reading) if "value" in variable else None
            name, own = self._variable_name(variable["name"])
            yield Let(name, variable["type"].lower(), value, "" if number else comment, _annotations(notes | own))
            notes = {key: value for key, value in notes.items() if key in ("name", "key")}

    def _variable_name(self, variable: str) -> tuple[str, Notes]:
        name = self.variables[variable.lower()]
        return name, {} if name.lower() == variable.lower() else {"variable": (Literal(variable),)}

    def _assign(self, kind: str, rest: Json, notes: Notes, reading: Reading) -> Assign:
        inputs = rest.pop("inputs")
        name, own = self._variable_name(inputs["name"])
        declared = inputs["name"].lower() in reading.variables
        comment, notes = self._dressing(rest, notes if declared else notes | own)
        value = expressions.read(inputs.get("value", 1), reading)
        return Assign(name, _ASSIGNMENTS[kind], value, comment, _annotations(notes))

    def _if(self, name: str, rest: Json, notes: Notes, reading: Reading) -> If:
        structured = isinstance(rest.get("expression"), dict)
        condition = self._condition(rest, reading)
        if expressions.is_test(condition):
            condition = expressions.readable(expressions.as_tests(condition))
        else:
            notes["structured" if structured else "expression"] = ()  # as tests it would not fail where the data is not true or false
        then = self._body(rest, reading)
        otherwise = self._body(dict(rest.pop("else", {})), reading)
        comment, notes = self._dressing(rest, notes)
        return If(condition, then, otherwise, comment, _annotations(notes))

    def _for(self, name: str, rest: Json, notes: Notes, reading: Reading) -> For:
        source = expressions.read(rest.pop("foreach"), reading)
        item = f"item_{len(reading.loops) + 1}" if reading.loops else "item"
        body = self._body(rest, replace(reading, loops={**reading.loops, name.lower(): item}, item=item))
        comment, notes = self._dressing(rest, notes)
        return For(item, source, body, comment, _annotations(notes))

    def _switch(self, name: str, rest: Json, notes: Notes, reading: Reading) -> Switch:
        subject = expressions.read(rest.pop("expression"), reading)
        raw_cases = rest.pop("cases")
        cases = tuple(Case(expressions.read(case["case"], reading), self._body(dict(case), reading)) for case in raw_cases.values())
        default = self._body(dict(rest.pop("default", {})), reading)
        if list(raw_cases) != [f"Case_{n}" if n > 1 else "Case" for n in range(1, len(cases) + 1)]:
            notes["cases"] = tuple(Literal(title) for title in raw_cases)
        comment, notes = self._dressing(rest, notes)
        return Switch(subject, cases, default, comment, _annotations(notes))

    def _until(self, name: str, rest: Json, notes: Notes, reading: Reading) -> Until:
        if isinstance(rest.get("expression"), dict):
            notes["structured"] = ()
        condition = self._condition(rest, reading)
        body = self._body(rest, reading)
        if wire.same(rest.get("limit"), LIMIT):
            del rest["limit"]
        comment, notes = self._dressing(rest, notes)
        return Until(body, condition, comment, _annotations(notes))

    def _scope(self, name: str, rest: Json, notes: Notes, reading: Reading) -> Scope:
        body = self._body(rest, reading)
        comment, notes = self._dressing(rest, notes)
        return Scope(body, comment, _annotations(notes))

    def _condition(self, rest: Json, reading: Reading) -> Expression:
        condition = expressions.read_condition(rest.pop("expression"), reading)
        assert condition is not None  # `_shape` has looked
        return expressions.readable(condition)

    def _body(self, holder: Json, reading: Reading) -> tuple[Statement, ...]:
        """The steps inside a container or one part of it (`else`, a case); takes them out of `holder`."""
        level = holder.pop("actions", None)
        return self._level(level, reading) if level else ()

    def _take_id(self, name: str, rest: Json) -> None:
        """Moves the id that the designer gave an action to those of the flow, when there is nothing else to know about it."""
        metadata = rest.get("metadata")
        if rest.get("type") in wire.LEGACY_TYPES:
            return  # theirs may hold the operation
        if isinstance(metadata, dict) and list(metadata) == ["operationMetadataId"] and isinstance(metadata["operationMetadataId"], str):
            self.ids[name] = metadata["operationMetadataId"]
            del rest["metadata"]

    def _authenticated(self, wired: wire.Wired, connected: bool) -> Notes:
        """The notes of a call, its connection and its authentication only where they are not the usual ones of the flow."""
        notes = dict(wired.notes)
        if wired.connector in self.connections and "host" not in notes:
            usual = wire.usual_connection(wired.connector, wire.raw_value(notes, "type"))
            name = wire.raw_value(notes, "connection") if "connection" in notes else usual
            notes.pop("connection", None)
            if name != self.connections[wired.connector]:
                notes["connection"] = (Literal(name),)
        if connected and self.usual != wire.AUTHENTICATION:
            own = wire.raw_value(notes, "authentication") if "authentication" in notes else wire.AUTHENTICATION
            notes.pop("authentication", None)
            if own != self.usual:
                notes["authentication"] = wire.raw(own)
        return notes

    def _run_after(self, after: After | None) -> Notes:
        """`@runAfter("Get_it", "Failed")` for one action, without statuses when it succeeded; an object for several."""
        if after is None:
            return {}
        if len(after) == 1 and (statuses := next(iter(after.values()))):
            said = () if after == runafter.after_action(*after) else statuses
            return {"runAfter": (*map(Literal, after), *map(Literal, said))}
        return {"runAfter": wire.raw(runafter.write(after))}

    def _dressing(self, rest: Json, notes: Notes) -> tuple[str, Notes]:
        """The comment and all notes of an action of which `rest` is left."""
        notes = dict(notes)
        comment = _comment(rest)
        for note, key in RAW_KEYS.items():
            if rest.get(key) is not None:
                notes[note] = wire.raw(rest.pop(key))
        if rest:
            notes["extra"] = wire.raw(rest)
        return comment, notes


def _connected(triggers: Json) -> list[Json]:
    """The first trigger, if it is a connector's operation."""
    trigger: Json = next(iter(triggers.values()), {})
    identity = wire.identify(trigger) if trigger.get("type") in wire.CONNECTOR_TYPES else None
    return [trigger] if identity is not None else []


def _comment(rest: Json) -> str:
    """A description as a comment: without white space at the ends of its lines, which comments cannot hold."""
    if not isinstance(rest.get("description"), str):
        return ""
    return "\n".join(line.rstrip() for line in rest.pop("description").split("\n")).strip("\n")


def _annotations(notes: Notes, order: tuple[str, ...] = ANNOTATIONS) -> tuple[Annotation, ...]:
    return tuple(Annotation(name, notes[name]) for name in order if name in notes)


def _name_note(names: tuple[str, ...]) -> Notes:
    """Names as the designer shows them, with spaces; a name that would not come back from that is given as it is."""
    if any(" " in name for name in names):
        return {"key": tuple(Literal(name) for name in names)}
    return {"name": tuple(Literal(name.replace("_", " ")) for name in names)}


def _scopes(unit: Guard) -> tuple[str, ...]:
    return tuple(name for name in (unit.body, unit.catch, unit.final) if name)


def _guard_note(scope: Json, usual: tuple[str, ...]) -> tuple[Expression, ...]:
    """When a catch or a final scope runs, if not as usual, and what else it has."""
    (statuses,) = runafter.read(scope["runAfter"]).values()
    extra = {key: value for key, value in scope.items() if key not in ("type", "actions", "runAfter")}
    return (*(Literal(status) for status in statuses if statuses != usual), *(wire.raw(extra) if extra else ()))


def _run_after(name: str, action: Json) -> Json:
    """What an action runs after; a `runAfter` of another shape would run nothing, so there is nothing to translate."""
    found = action.get("runAfter")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(x, list) and all(isinstance(s, str) for s in x) for x in found.values()):
        raise UsageError(f"`runAfter` of the action `{name}` is no object of lists of statuses", 'write { "Name_of_an_action": ["Succeeded"] }')
    return found


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _levels(action: Json) -> list[Json]:
    """The non-empty levels inside a container, in the order in which `walk` meets them."""
    holders = [action, _dict(action.get("else")), *map(_dict, _dict(action.get("cases")).values()), _dict(action.get("default"))]
    return [holder["actions"] for holder in holders if holder.get("actions")]


def _shape(action: Json) -> type:
    """The statement an action becomes; `Opaque` when it has anything the language has no place for."""
    kind = str(action.get("type", "")).lower()
    if kind in _CONTAINERS:
        shape: type = _CONTAINERS[kind]
        return shape if _container_is_usual(shape, action) else Opaque
    if kind in _ASSIGNMENTS:
        inputs = _dict(action.get("inputs"))
        usual = isinstance(inputs.get("name"), str) and set(inputs) <= {"name", "value"} and ("value" in inputs or kind != "setvariable")
        return Assign if usual else Opaque
    if kind == "initializevariable":
        return Let if _variables_are_usual(_dict(action.get("inputs"))) else Opaque
    return Call if wire.identify(action) else Opaque


def _variables_are_usual(inputs: Json) -> bool:
    variables = inputs.get("variables")
    return list(inputs) == ["variables"] and isinstance(variables, list) and bool(variables) and all(_variable_is_usual(v) for v in variables)


def _variable_is_usual(variable: Any) -> bool:
    if not isinstance(variable, dict) or not {"name", "type"} <= set(variable) <= {"name", "type", "value"}:
        return False
    return isinstance(variable["name"], str) and str(variable["type"]).lower() in VARIABLE_TYPES


def _container_is_usual(shape: type, action: Json) -> bool:
    if not all(_level_is_usual(holder) for holder in (action, *(action.get(key, {}) for key in ("else", "default")))):
        return False
    if any(set(action.get(key, {})) - {"actions"} for key in ("else", "default")):
        return False
    match shape.__name__:
        case "If" | "Until":
            return expressions.read_condition(action.get("expression"), Reading()) is not None
        case "For":
            return "foreach" in action
        case "Switch":
            cases = action.get("cases")
            usual = isinstance(cases, dict) and all(_level_is_usual(c) and {"case"} <= set(c) <= {"case", "actions"} for c in cases.values())
            return usual and "expression" in action
        case _:
            return True


def _level_is_usual(holder: Any) -> bool:
    level = holder.get("actions", {}) if isinstance(holder, dict) else None
    return isinstance(level, dict) and all(isinstance(action, dict) for action in level.values())


def _variable_names(variables: list[str], reserved: set[str]) -> dict[str, str]:
    """An identifier for every variable (in lower case): itself where it is one and free."""
    taken = {name.lower() for name in reserved} | set(KEYWORDS)
    names: dict[str, str] = {}
    for variable in variables:
        base = variable if NAME.fullmatch(variable) else re.sub(r"[^A-Za-z0-9_]|^(?=\d)", "_", variable)
        base = base + "_" if re.fullmatch(r"item(_\d+)?|", base) else base
        if variable.lower() not in names:
            names[variable.lower()] = unique(base, taken, {})
    return names


_REFERENCE = re.compile(r"\b(?:outputs|body|actionOutputs|actionBody)\('((?:[^']|'')+)'\)", re.IGNORECASE)


def _referenced(value: Any) -> list[str]:
    """The actions whose results some expression uses, in lower case."""
    return [name.replace("''", "'").lower() for name in _REFERENCE.findall(json.dumps(value, ensure_ascii=False))]


def _results(calls: list[tuple[str, str, str]], referenced: set[str]) -> dict[str, str]:
    """The result name of every call that has one: its action's name where that is an identifier, else that of its operation, made unique."""
    named = [call for call in calls if call[0].lower() in referenced or not wire.is_silent(*call[1:])]
    results = {action: "outputs_" + action for action, _, _ in named if action and NAME.fullmatch("outputs_" + action)}
    taken = {result.lower() for result in results.values()}
    numbers: dict[str, int] = {}
    for action, connector, operation in named:
        if action not in results:
            # A path says less than the name the maker gave.
            plain = operation if re.fullmatch(r"[\w.-]+", operation) else re.sub(r"\W+", "_", action).strip("_")
            base = result_name(connector, operation) if plain == operation else "outputs_" + plain
            results[action] = unique(base, taken, numbers)
    return results
