"""Damaged texts and damaged definitions: nothing but typed errors, no hang, bounded memory.

In: seeds of our own (curated requests written out, random definitions), damaged at random: characters, tokens, whole stretches; JSON nodes swapped, dropped, retyped,
nested deep, renamed. Out: how many inputs were refused and how many read, every exception that is not `Nl2DslError`, every reading that is not stable, the slowest input and
the memory. What was read goes all the way: unparse, parse again, check, compile, decompile.
"""

from __future__ import annotations

import copy
import json
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import head, options, table
from benchmarks.roundtrip import differences, every, normal, shown
from nl2dsl.catalog.read import builtin
from nl2dsl.corpus import requests
from nl2dsl.dsl import checker, wiring
from nl2dsl.dsl.definition import compile, decompile
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.errors import Nl2DslError

Json = Any
LIMIT = 10.0  # seconds of processor time for one input; more is a hang
MEMORY = 3 << 30  # bytes of address space


class Hang(Exception):
    """One input took too long."""


class Unstable(Exception):
    """What was read does not come back the same."""


# --- random definitions --------------------------------------------------------------------------------------------------------

NAMES = ("Get items", "Compose", "It's (V2)", "Check: a, b", "größe", "x", "Scope_1", 'say "no"', "Condition", "a|b", "Send_an_email_(V2)", "foreach")
TEXTS = (
    "",
    "x",
    "it's",
    "@you",
    "a@{b}",
    "@@{",
    "me@x.org",
    "two\nlines",
    "ü\u2028é",
    "@",
    "@null",
    "${x}",
    "`tick`",
    "\\",
    "<p>&nbsp;</p>\r\n",
    "@@@",
)
KEYS = ("a", "body/value", "item/Title", "$filter", "@odata.type", "", "a b", "ключ", "0", "__proto__")
STATUSES = (
    ["Succeeded"],
    ["Failed", "TimedOut"],
    ["Failed", "Skipped", "TimedOut"],
    ["SUCCEEDED", "Timedout"],
    ["Skipped", "Succeeded", "Failed", "TimedOut"],
)
TYPES = ("string", "Integer", "float", "Boolean", "array", "Object")


class Definitions:
    """Random definitions of every kind of action, in the spellings that occur, wild but legal."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: list[str] = []
        self.variables: list[str] = []

    def definition(self) -> Json:
        self.names, self.variables = [], []
        found: Json = {"$schema": "https://schema.example/2016#", "contentVersion": self.random.choice(["1.0.0.0", "2.0"])}
        found["triggers"] = {self.random.choice(["manual", "When it's (V3)"]): self.trigger()}
        lets = {f"Initialize {n}": self.let(n) for n in range(self.random.randint(0, 3))}
        self.names += lets
        found["actions"] = self.chain(lets) | self.level(3)
        if self.random.random() < 0.3:
            found |= {
                "parameters": {"Site (x_Site)": {"type": "String", "defaultValue": self.text()}},
                "outputs": {"o": {"type": "string", "value": "@x"}},
            }
        if self.random.random() < 0.2:
            found["description"] = self.random.choice(["what it does", "two \nlines\n", " led"])
        return found

    def text(self) -> str:
        return self.random.choice(TEXTS)

    def name(self) -> str:
        name = self.random.choice(NAMES)
        if self.random.random() < 0.8:
            name = name.replace(" ", "_")
        taken = {n.lower() for n in self.names}
        while name.lower() in taken:
            name += "_2"
        self.names.append(name)
        return name

    def chain(self, actions: Json) -> Json:
        before: str | None = None
        for name, action in actions.items():
            action["runAfter"] = {} if before is None else {before: ["Succeeded"]}
            before = name
        return actions

    def level(self, depth: int) -> Json:
        """Actions that run after any of those before them, in an order of keys that says nothing."""
        names: list[str] = []
        actions: Json = {}
        for _ in range(self.random.randint(0 if depth < 3 else 1, 4)):
            action = self.action(depth)
            name = self.name()
            after = self.random.sample(names, min(len(names), self.random.choice([0, 1, 1, 1, 1, 2])))
            if after or self.random.random() < 0.7:
                action["runAfter"] = {n: list(STATUSES[0] if self.random.random() < 0.7 else self.random.choice(STATUSES)) for n in after}
            names.append(name)
            actions[name] = action
        order = list(actions)
        if self.random.random() < 0.3:
            self.random.shuffle(order)
        return {name: actions[name] for name in order}

    def trigger(self) -> Json:
        schema = {"type": "object", "properties": {"text": {"title": "Who", "type": "string", "x-ms-content-hint": "TEXT"}}, "required": ["text"]}
        found: Json = self.random.choice(
            [
                {"type": "Request", "kind": "Button", "inputs": {"schema": schema}},
                {"type": "request", "kind": "http", "inputs": {"method": "POST", "schema": schema}},
                {"type": "Request", "kind": "PowerAppV2", "inputs": {"schema": schema, "headersSchema": {}}},
                {
                    "type": "Recurrence",
                    "recurrence": {"frequency": "Week", "interval": 1, "schedule": {"weekDays": ["Monday"], "hours": ["8"]}, "timeZone": "UTC"},
                },
                {"type": "SlidingWindow", "recurrence": {"frequency": "Day", "interval": 3}, "inputs": {"delay": "PT1H"}},
                {**self.open_api(), "recurrence": {"interval": 3, "frequency": "Minute"}, "splitOn": "@triggerOutputs()?['body/value']"},
                {**self.open_api(), "type": "OpenApiConnectionWebhook"},
                self.legacy(),
                {"type": "Odd", "inputs": [self.value()]},
            ]
        )
        if self.random.random() < 0.3:
            found["conditions"] = [{"expression": self.test()}]
        if self.random.random() < 0.2:
            found |= {
                "runtimeConfiguration": {"concurrency": {"runs": 1}, "secureData": {"properties": ["inputs"]}},
                "operationOptions": "SingleInstance",
            }
        return found

    def let(self, number: int) -> Json:
        self.variables.append(name := self.random.choice(["total", "my var", "x-y", "case", "item", "Größe"]) + str(number))
        variable: Json = {"name": name, "type": self.random.choice(TYPES)}
        if self.random.random() < 0.7:
            variable["value"] = self.value()
        return {"type": "InitializeVariable", "inputs": {"variables": [variable]}}

    def action(self, depth: int) -> Json:
        kinds: list[Callable[[], Json]] = [self.open_api, self.legacy, self.data, self.data, self.other]
        if self.variables:
            kinds.append(self.assignment)
        if depth:
            kinds += [lambda: self.container(depth)] * 3
        found = self.random.choice(kinds)()
        if self.random.random() < 0.2:
            found["description"] = self.random.choice(["why", "two \nlines", "// odd", "```"])
        if self.random.random() < 0.3:
            found["metadata"] = {"operationMetadataId": f"{self.random.getrandbits(64):x}"} | ({"x": 1} if self.random.random() < 0.2 else {})
        if self.random.random() < 0.1:
            found |= {"limit": {"timeout": "PT5M"}, "trackedProperties": {"a": "@action()"}}
        if self.random.random() < 0.1:
            found["runtimeConfiguration"] = {
                "paginationPolicy": {"minimumItemCount": 5000},
                "staticResult": {"name": "x0", "staticResultOptions": "Disabled"},
            }
        return found

    def open_api(self) -> Json:
        host = {"connectionName": self.random.choice(["shared_x", "shared_x_1"]), "operationId": self.random.choice(["Get", "Post-It", "list.users"])}
        host["apiId"] = self.random.choice(
            ["/providers/Microsoft.PowerApps/apis/shared_x", "/providers/Microsoft.PowerApps/apis/shared_y-z", "/else/where"]
        )
        inputs: Json = {"host": host, "parameters": {key: self.value() for key in self.random.sample(KEYS, self.random.randint(0, 3))}}
        inputs["authentication"] = self.random.choice(["@parameters('$authentication')", {"type": "Raw", "value": "@json('x')['$ConnectionKey']"}])
        if self.random.random() < 0.2:
            del inputs["authentication"]
        if self.random.random() < 0.2:
            inputs["retryPolicy"] = {"type": "exponential", "count": 10, "interval": "PT10S"}
        return {"type": "OpenApiConnection", "inputs": inputs}

    def legacy(self) -> Json:
        key = self.random.choice(["x", "shared_x", "blobs_2"])
        name = f"@parameters('$connections')['{key}']['connectionId']"
        inputs = {
            "host": {"connection": {"name": self.random.choice([name, "@{" + name[1:] + "}"])}},
            "method": "get",
            "path": "/a/@{encodeURIComponent('b')}",
        }
        inputs |= {"queries": {"q": self.value()}, "body": self.value()} if self.random.random() < 0.5 else {}
        found: Json = {"type": "ApiConnection", "inputs": inputs}
        if self.random.random() < 0.4:
            found["metadata"] = {"flowSystemMetadata": {"swaggerOperationId": "GetThem"}}
        return found

    def data(self) -> Json:
        row = {"a": "@item()?['a']", "b/c": f"@{{{self.reference()}}}"}
        return self.random.choice(
            [
                {"type": "Compose", "inputs": self.value()},
                {
                    "type": "ParseJson",
                    "inputs": {"content": self.value(), "schema": {"type": "object", "properties": {"@a": {"type": ["string", "null"]}}}},
                },
                {"type": "Query", "inputs": {"from": self.value(), "where": self.test()}},
                {"type": "Select", "inputs": {"from": f"@{self.reference()}", "select": row}},
                {
                    "type": "Table",
                    "inputs": {
                        "from": "@item()",
                        "format": self.random.choice(["CSV", "HTML"]),
                        "columns": [{"header": "x", "value": "@item()?['x']"}],
                    },
                },
                {
                    "type": "Http",
                    "inputs": {
                        "method": "POST",
                        "uri": "https://x.example/@{guid()}",
                        "headers": {"A": "b"},
                        "body": self.value(),
                        "retryPolicy": {"type": "none"},
                    },
                },
                {
                    "type": "Response",
                    "kind": self.random.choice(["Http", "http", "PowerApp", "Odd"]),
                    "inputs": {"statusCode": 200, "body": self.value()},
                },
                {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "1", "message": self.text()}}},
                {"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Minute"}}},
                {"type": "Workflow", "inputs": {"host": {"workflowReferenceName": "w"}, "body": {"text": self.value()}}},
                {"type": "Expression", "kind": "AddToTime", "inputs": {"baseTime": f"@{self.reference()}", "interval": 1, "timeUnit": "Day"}},
            ]
        )

    def other(self) -> Json:
        tools = {"T": {"actions": {"Inner": {"type": "Compose", "inputs": "@x"}}}}
        return self.random.choice(
            [
                {"type": "JavaScriptCode", "inputs": {"code": f"return {self.text()};"}},
                {"type": "Agent", "inputs": {"m": self.value()}, "tools": tools},
                {"type": "ServiceProvider", "inputs": {"parameters": {"a": self.value()}, "serviceProviderConfiguration": self.provider()}},
                {"type": "Wait", "inputs": {}},
                {"type": "If", "expression": {"odd": [1]}, "actions": {}},
            ]
        )

    def provider(self) -> Json:
        return {"connectionName": self.random.choice(["bus", "bus-1"]), "operationId": "send", "serviceProviderId": "/serviceProviders/bus"}

    def assignment(self) -> Json:
        kind = self.random.choice(["SetVariable", "IncrementVariable", "DecrementVariable", "AppendToStringVariable"])
        name = self.random.choice(self.variables)
        return {"type": kind, "inputs": {"name": name.upper() if self.random.random() < 0.1 else name, "value": self.value()}}

    def container(self, depth: int) -> Json:
        inner = self.level(depth - 1)
        match self.random.randint(0, 4):
            case 0:
                found: Json = {"type": "If", "expression": self.condition(), "actions": inner}
                if self.random.random() < 0.6:
                    found["else"] = {"actions": self.level(depth - 1)}
                return found
            case 1:
                found = {"type": "Foreach", "foreach": f"@{self.reference()}", "actions": inner}
                if self.random.random() < 0.3:
                    found["runtimeConfiguration"] = {"concurrency": {"repetitions": 50}}
                return found
            case 2:
                cases = {
                    title: {"case": self.text(), "actions": self.level(depth - 1)} for title in self.random.sample(["Case", "Case_2", "Yes!"], 2)
                }
                return {"type": "Switch", "expression": f"@{self.reference()}", "cases": cases, "default": {"actions": inner}}
            case 3:
                return {"type": "Until", "expression": self.test(), "limit": {"count": 5, "timeout": "PT1H"}, "actions": inner}
            case _:
                return {"type": "Scope", "actions": inner}

    def condition(self) -> Json:
        if self.random.random() < 0.2:
            return self.test()
        tests: list[Json] = [{self.random.choice(["equals", "greater", "contains"]): [f"@{self.reference()}", self.plain()]} for _ in range(3)]
        tests[0] = {"not": tests[0]} if self.random.random() < 0.3 else tests[0]
        group = {self.random.choice(["and", "or"]): tests[: self.random.randint(1, 3)]}
        return self.random.choice([group, tests[0], {"and": [group, tests[1]]}, {"equals": ["@empty('')", True]}])

    def test(self) -> str:
        left, right = self.reference(), self.reference()
        form = self.random.choice(
            ["equals({0}, 'a')", "and(greater({0}, 1), not(empty({1})))", "not(equals({0},{1}))", "{0}", "or({0}, contains({1}, 'x'))"]
        )
        return "@" + form.format(left, right)

    def plain(self) -> Json:
        return self.random.choice([self.text(), 0, 1, -2.5, True, False, None, 10**20])

    def value(self, depth: int = 2) -> Json:
        kind = self.random.randint(0, 7)
        if kind < 3 or not depth:
            return self.plain()
        if kind == 3:
            return f"@{self.expression(2)}"
        if kind == 4:
            return f"a @{{{self.expression(2)}}}{self.random.choice(['', '@@', '@', ' @@{b} '])}@{{{self.reference()}}}"
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.random.randint(0, 3))]
        if kind == 6:
            return {key: self.value(depth - 1) for key in self.random.sample(KEYS, 2)}
        return f"@{{{self.reference()}}}"

    def reference(self) -> str:
        name = self.random.choice(self.names or ["Nowhere"]).replace("'", "''")
        variable = self.random.choice(self.variables or ["none"]).replace("'", "''")
        base = self.random.choice(
            [
                f"outputs('{name}')",
                f"body('{name}')",
                f"BODY('{name}')",
                "triggerBody()",
                "triggerOutputs()",
                "item()",
                f"items('{name}')",
                f"variables('{variable}')",
            ]
        )
        keys = ["?['a']", "?['body/value']", "?['body']", "['a']", "?[0]", "[0]", ".a", "?.b", "?['it''s']", "?['a/b']", "?[variables('total0')]"]
        return base + "".join(self.random.choice(keys) for _ in range(self.random.randint(0, 4)))

    def expression(self, depth: int) -> str:
        if not depth or self.random.random() < 0.3:
            return self.random.choice([self.reference(), "'it''s @{x}'", "1", "-2.50", "true", "null", "parameters('Site (x_Site)')"])
        inner = [self.expression(depth - 1) for _ in range(self.random.randint(0, 3))]
        space = self.random.choice(["", " ", "\n  "])
        return f"{self.random.choice(['concat', 'CONCAT', 'if', 'first', 'and', 'or', 'not', 'equals', 'createArray', 'xpath'])}({space}{f',{space}'.join(inner)})"


# --- damage --------------------------------------------------------------------------------------------------------------------

CHARACTERS = "\"'`${}()[];:,.@!=<>&|\\/#\n\r\t\x00\x7f\u2028\ufeff\ud800é0_-+a "
PIECES = (
    *(
        '"',
        "`",
        "${",
        "}",
        "{",
        "({",
        "});",
        "@@",
        "@name(",
        "//",
        "opaque(",
        "else",
        "case",
        "default:",
        "await",
        "parallel {",
        "try {",
        "do {",
        "} until (",
        "let x",
    ),
    *(
        "=",
        "+=",
        "==",
        "&&",
        "||",
        "!",
        "!.",
        "?",
        "1e999",
        "9" * 400,
        "-",
        "0x10",
        "true",
        "null",
        "$",
        "\\u12",
        "\\",
        "``",
        "\U0001f600",
        "raw(",
        "for (x of ",
    ),
)


def damage_text(text: str, others: list[str], random: Random) -> str:
    """One to four small damages, or one that is large."""
    if random.random() < 0.02:
        opening = random.choice(
            ["(", "[", "{", "`${", "!", "a && ", "if (a) {", "f(", '{ "a": ', "x.", "else if (a) {", "// x\n", "@a ", "-", "a.b({}); "]
        )
        at = random.randrange(len(text) + 1)
        return text[:at] + opening * random.choice([10, 70, 1_000, 20_000]) + text[at:]
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice([1, 1, 2, 5, 30, 300]))
        match random.randint(0, 8):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + random.choice(CHARACTERS) + text[at:]
            case 2:
                text = text[:at] + random.choice(CHARACTERS) + text[at + 1 :]
            case 3:
                text = text[:at] + random.choice(PIECES) + text[at:]
            case 4:
                text = text[:at] + text[at:end] * random.choice([2, 3]) + text[end:]
            case 5:
                other = random.choice(others)
                start = random.randrange(len(other) + 1)
                text = text[:at] + other[start : start + random.choice([5, 50, 500])] + text[at:]
            case 6:
                text = text[:at]
            case 7:
                lines = text.split("\n")
                a, b = random.randrange(len(lines)), random.randrange(len(lines))
                lines[a], lines[b] = lines[b], lines[a]
                text = "\n".join(lines)
            case _:
                data = bytearray(text.encode("utf-8", "surrogatepass"))
                if data:
                    data[random.randrange(len(data))] = random.randrange(256)
                text = data.decode("utf-8", random.choice(["replace", "surrogateescape"]))
    return text


ODD: tuple[Json, ...] = (
    *(
        None,
        True,
        5,
        -0.0,
        1e308,
        float("inf"),
        float("nan"),
        10**400,
        "",
        "@",
        "@{",
        "@@",
        "@x",
        "@null",
        "@" + "(" * 500,
        "'",
        [],
        {},
        [1],
        [[]],
        {"a": 1},
        {"": {}},
    ),
    *(
        {"actions": 5},
        {"type": "If"},
        {"type": "Foreach", "foreach": 1},
        {"connection": 1},
        ["Succeeded"],
        "\ud800",
        "x" * 100_000,
        "Scope",
        "OpenApiConnection",
    ),
    *(
        "@" + "concat(" * 60 + "1" + ")" * 60,
        "@and(" + ",".join(["equals(1,2)"] * 300) + ")",
        "@{" * 200,
        {"equals": [1, 2]},
        {"and": [{"equals": [1, 2]}] * 300},
    ),
)
ODD_KEYS = (
    "",
    " ",
    "type",
    "actions",
    "runAfter",
    "inputs",
    "else",
    "cases",
    "expression",
    "\ud800",
    "a" * 10_000,
    "@{x}",
    "'",
    '"',
    "`",
    "__class__",
    "\n",
    "ключ",
    "metadata",
)


WRAPPINGS: tuple[Callable[[Json], Json], ...] = (
    lambda x: [x],
    lambda x: {"a": x},
    lambda x: {"type": "Scope", "actions": {"x": x}},
    lambda x: {"not": x},
)
RETYPINGS: tuple[Callable[[Json], Json], ...] = (str, lambda x: [x], lambda x: {"value": x}, lambda x: {str(x)[:50]: x})


def spots(value: Json) -> Iterator[tuple[Json, Any]]:
    """Every place in JSON where something could be replaced."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def damage_definition(definition: Json, random: Random) -> Json:
    definition = copy.deepcopy(definition)
    for _ in range(random.randint(1, 3)):
        places = list(spots(definition))
        if not places:
            return random.choice(ODD)
        holder, key = random.choice(places)
        match random.randint(0, 8):
            case 0:
                holder[key] = copy.deepcopy(random.choice(ODD))
            case 1:
                del holder[key]
            case 2:
                other, place = random.choice(places)
                if not inside(holder[key], other) and not inside(other[place], holder):
                    holder[key], other[place] = other[place], holder[key]
            case 3 if isinstance(holder, dict):
                holder[random.choice(ODD_KEYS)] = holder.pop(key)
            case 4:
                other, place = random.choice(places)
                holder[key] = copy.deepcopy(other[place])
            case 5:
                wrap = random.choice(WRAPPINGS)
                for _ in range(random.choice([1, 3, 30, 100])):
                    holder[key] = wrap(holder[key])
            case 6 if isinstance(holder[key], str):
                holder[key] = damage_text(holder[key], ["@{outputs('a')?['b']}"], random)
            case 7 if isinstance(holder[key], dict):
                found = list(holder[key].items())
                random.shuffle(found)
                holder[key] = dict(found * random.choice([1, 1, 0]))
            case _:
                holder[key] = random.choice(RETYPINGS)(holder[key])
    return definition


def inside(value: Json, holder: Json) -> bool:
    """Whether `holder` is a part of `value`: swapping those would make a circle."""
    return value is holder or any(place[0][place[1]] is holder for place in spots(value)) if isinstance(value, dict | list) else False


# --- the whole way -------------------------------------------------------------------------------------------------------------


def try_text(text: str) -> str:
    """All that happens to a text; says whether it was read."""
    flow, diagnostics = parse(text)
    if flow is None:
        if not diagnostics:
            raise Unstable("refused without a diagnostic")
        return "refused"
    again, _ = parse(unparse(flow))
    if again != flow:
        raise Unstable("the text of the flow is another flow")
    checker.check(flow, builtin())
    compile(flow, builtin())
    return "read"


def try_definition(definition: Json) -> str:
    before = repr(definition)
    try:
        flow = decompile(definition, builtin())
    except Nl2DslError:
        return "refused"
    if repr(definition) != before:
        raise Unstable("the definition given was changed")
    text = unparse(flow)
    read, diagnostics = parse(text)
    if read != flow:
        raise Unstable(f"the text is another flow: {diagnostics[0].code} {diagnostics[0].message}" if diagnostics else "the text is another flow")
    again = compile(flow, builtin())
    settled = decompile(again, builtin())
    if compile(settled, builtin()) != again:
        raise Unstable("a second round gives another definition")
    for path, a, b in differences(*_comparable(definition, again)) if not _twice(definition) else ():
        raise Unstable(f"loses a {path.split('/')[-1]}", f"{path}: {shown(a)} is {shown(b)}")
    return "read"


def _twice(definition: Json) -> bool:
    """Whether two actions have one name: the platform takes no such definition, and one of them gets another."""
    names = [name.lower() for name, _ in every(definition["actions"])]
    return len(set(names)) < len(names)


def _comparable(a: Json, b: Json) -> tuple[Json, Json]:
    """Both in the normal form of benchmarks/roundtrip.py, which knows definitions, not everything that damage makes of one."""
    try:
        return normal(a), normal(b)
    except (TypeError, AttributeError, KeyError, ValueError, IndexError):
        return None, None


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)  # processor time: other programs on the machine make nothing hang
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class Campaign:
    """Many inputs of one kind, and what became of them."""

    def __init__(self, what: str, attempt: Callable[[Any], str]) -> None:
        self.what, self.attempt = what, attempt
        self.outcomes: Counter[str] = Counter()
        self.failures: dict[str, tuple[int, str, Any]] = {}  # by exception and place: the number of inputs, the message, the first input
        self.slowest: tuple[float, Any] = (0.0, None)
        self.seconds = 0.0

    def run(self, inputs: Iterator[Any], seconds: float = float("inf")) -> None:
        """Until there are no more inputs, or `seconds` of the clock have passed."""
        end = time.monotonic() + seconds
        for given in inputs:
            if time.monotonic() > end:
                return
            start = time.process_time()
            try:
                with limited(LIMIT):
                    self.outcomes[self.attempt(given)] += 1
            except Exception as error:  # what this program is for
                self.outcomes["failed"] += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                key = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno} {where.name}"
                key = f"{key}: {error.args[0]}" if isinstance(error, Unstable) else key
                number, message, first = self.failures.get(key, (0, str(error), given))
                self.failures[key] = (number + 1, message, first if len(repr(first)) <= len(repr(given)) else given)
            used = time.process_time() - start
            self.seconds += used
            if used > self.slowest[0]:
                self.slowest = used, given

    def row(self) -> list[object]:
        total = self.outcomes.total()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        counts = [f"{self.outcomes[key]:,}" for key in ("read", "refused", "failed")]
        return [self.what, f"{total:,}", *counts, f"{1000 * self.slowest[0]:,.0f}", f"{self.seconds:,.0f}", f"{peak:,.0f}"]


def seed_definitions(random: Random, number: int) -> list[Json]:
    catalog = builtin()
    wired = [wiring.complete(r.sketch, catalog, r.query) for r in random.sample(requests.load(), number // 2)]
    return [compile(flow, catalog) for flow in wired] + [Definitions(random).definition() for _ in range(number - number // 2)]


def texts(number: int, seed: int) -> Iterator[str]:
    random = Random(f"texts {seed}")
    found = [unparse(decompile(definition, builtin())) for definition in seed_definitions(random, 400)]
    for _ in range(number):
        yield damage_text(random.choice(found), found, random)


def definitions(number: int, seed: int) -> Iterator[Json]:
    random = Random(f"definitions {seed}")
    found = seed_definitions(random, 400)
    for _ in range(number):
        yield damage_definition(random.choice(found), random)


def save(folder: Path | None, name: str, given: Json) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        text = given if isinstance(given, str) else json.dumps(given)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", errors="surrogatepass")


def main(words: list[str] | None = None) -> int:
    cli = options("fuzz", __doc__, 1000)
    cli.add_argument("--seed", type=int, default=0, help="other inputs for another number")
    cli.add_argument("--only", choices=("parser", "decompiler"), help="one of the two")
    cli.add_argument(
        "--seconds", type=float, default=float("inf"), metavar="S", help="stop after so many seconds of the clock, and report what was done"
    )
    cli.add_argument("--save", type=Path, metavar="DIR", help="where to write the shortest input of each failure, and the slowest of all")
    args = cli.parse_args(words)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    head("fuzz", f"{args.limit:,} damaged inputs each", words)
    campaigns = []
    for name, attempt, inputs in (("parser", try_text, texts), ("decompiler", try_definition, definitions)):
        if args.only in (None, name):
            campaigns.append(Campaign(name, attempt))
            campaigns[-1].run(inputs(args.limit, args.seed), args.seconds)
    table([["", "inputs", "read", "refused", "failed", "slowest ms", "CPU s", "peak MB"], *(c.row() for c in campaigns)])
    for campaign in campaigns:
        for number, (key, (count, message, given)) in enumerate(sorted(campaign.failures.items(), key=lambda x: -x[1][0])):
            print(f"  {count:>6}  {key}  {message[:300]}")
            save(args.save, f"{campaign.what}-{number}", given)
        save(args.save, f"{campaign.what}-slowest", campaign.slowest[1])
    return 1 if any(c.failures for c in campaigns) else 0


if __name__ == "__main__":
    sys.exit(main())
