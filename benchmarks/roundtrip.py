"""What is lost when workflow definitions become `.flow` text and definitions again.

In: definitions, one JSON object a line (`definition` holds it), by default the real flows beside the repository. Out: for each the comparison of the original with
`compile(parse(unparse(decompile(original))))`, through the text. The normal form below is written on JSON alone and shares nothing with the compiler; it knows only the
normalisations that docs/language.md lists ("What may differ"), each of which can be switched off to see how many flows need it. Whatever else differs is a loss.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import head, options, skip, table
from nl2dsl.catalog.read import builtin
from nl2dsl.dsl.definition import compile, decompile
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.dsl.tree import Flow, Opaque, walk
from nl2dsl.errors import Nl2DslError, UsageError

Json = Any

RULES = {
    "defaults": "an implied default is written out",
    "case": "case of types, kinds, statuses, functions, variables, and of names inside expressions",
    "paths": "one spelling of one path",
    "item": "item() is items('the loop around it')",
    "conditions": "a condition that is a test, as one string or structured; groups of one, groups in groups",
    "constants": "a constant in an expression is that constant",
    "description": "white space at the ends of the lines of a description",
}


SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"


# --- the normal form -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where in a definition something stands: the rules in force, the loop around it, and which names deliver what a connector does."""

    rules: frozenset[str]
    connected: frozenset[str] = frozenset()
    trigger_connected: bool = False
    loop: str | None = None
    triggers: bool = False
    cache: dict[tuple[str, str | None], Any] = field(default_factory=dict)


def normal(definition: Json, rules: frozenset[str] = frozenset(RULES)) -> Json:
    """A definition so that two are equal when they mean the same, under some of the rules."""
    triggers = definition.get("triggers", {})
    trigger: Json = next(iter(triggers.values()), {})
    connected = frozenset(name.lower() for name, action in every(definition["actions"]) if str(action.get("type")).startswith("OpenApiConnection"))
    place = Place(rules, connected, str(trigger.get("type")).startswith("OpenApiConnection"))
    found = {key: value for key, value in definition.items() if key not in ("triggers", "actions")}
    if "defaults" in rules:
        found.setdefault("contentVersion", "1.0.0.0")
        found.setdefault("$schema", SCHEMA)
    described(found, rules)
    found["triggers"] = {name: operation(trigger, replace(place, triggers=True)) for name, trigger in triggers.items()}
    found["actions"] = level(definition["actions"], place)
    return found


def every(actions: Json) -> Iterator[tuple[str, Json]]:
    """All actions, at whatever depth."""
    for name, action in actions.items():
        if isinstance(action, dict):
            yield name, action
            for holder in holders(action):
                yield from every(holder["actions"])


def holders(action: Json) -> list[Json]:
    parts = [action, action.get("else"), action.get("default"), *(action["cases"].values() if isinstance(action.get("cases"), dict) else ())]
    return [part for part in parts if isinstance(part, dict) and isinstance(part.get("actions"), dict)]


def level(actions: Json, place: Place) -> Json:
    return {name: operation(action, replace(place, loop=name.lower()) if is_loop(action) else place, place) for name, action in actions.items()}


def is_loop(action: Json) -> bool:
    return str(action.get("type")).lower() == "foreach"


def operation(action: Json, inside: Place, outside: Place | None = None) -> Json:
    """One action or trigger; `inside` is where its own actions stand, `outside` where its expressions do."""
    outside = outside or inside
    found = dict(action)
    kind = str(found.get("type"))
    rules = inside.rules
    if "case" in rules:
        found |= {key: found[key].lower() for key in ("type", "kind") if isinstance(found.get(key), str)}
    described(found, rules)
    if isinstance(found.get("runAfter"), dict) and "case" in rules:
        found["runAfter"] = {name: sorted({str(s).lower() for s in values}) for name, values in found["runAfter"].items()}
    if "defaults" in rules:
        defaults(found, inside.triggers)
    if "inputs" in found:
        found["inputs"] = inputs(found["inputs"], kind.lower(), outside)
    if kind.lower() in ("if", "until") and "expression" in found:
        found["expression"] = condition(found["expression"], outside)
    if isinstance(found.get("recurrence"), dict):
        found["recurrence"] = {key: unordered(item, outside) for key, item in found["recurrence"].items()}
    for key in ("foreach", "expression", "conditions", "splitOn"):
        if key in found and not (key == "expression" and kind.lower() in ("if", "until")):
            found[key] = value(found[key], outside)
    for key in ("else", "default"):
        if isinstance(found.get(key), dict):
            found[key] = {**found[key], "actions": level(found[key].get("actions", {}), inside)}
    if isinstance(found.get("cases"), dict):
        found["cases"] = {
            title: {**case, "case": value(case.get("case"), outside), "actions": level(case.get("actions", {}), inside)}
            for title, case in found["cases"].items()
        }
    if isinstance(found.get("actions"), dict):
        found["actions"] = level(found["actions"], inside)
    return found


def described(holder: Json, rules: frozenset[str]) -> None:
    text = holder.get("description")
    if "description" in rules and isinstance(text, str):
        lines = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
        holder["description"] = lines
        if not lines:
            del holder["description"]


def defaults(found: Json, trigger: bool) -> None:
    """What the platform takes for granted is written out."""
    kind = str(found.get("type")).lower()
    if not trigger and found.get("runAfter") is None:
        found["runAfter"] = {}
    if kind == "if" and isinstance(found.get("else"), dict) and not found["else"].get("actions") and set(found["else"]) <= {"actions"}:
        del found["else"]
    if kind in ("if", "foreach", "until", "scope"):
        found.setdefault("actions", {})
    if kind == "switch":
        found.setdefault("default", {"actions": {}})
    if kind == "until":
        found.setdefault("limit", {"count": 60, "timeout": "PT1H"})
    if kind in ("incrementvariable", "decrementvariable"):
        found["inputs"] = {"value": 1, **found.get("inputs", {})}
    if trigger and kind == "request" and str(found.get("kind")).lower() in ("button", "powerapp", "powerappv2", "skills"):
        schema = {"type": "object", "properties": {}, "required": []}
        found["inputs"] = {"schema": schema, **found.get("inputs", {})}
    if kind not in ("if", "foreach", "switch", "until", "scope"):
        found.setdefault("inputs", {})
    if found.get("kind", "") is None:
        del found["kind"]
    if isinstance(found.get("inputs"), dict) and (kind.startswith("openapiconnection") or kind == "serviceprovider"):
        found["inputs"] = {"parameters": {}, **found["inputs"]}


# The order of keys is kept in data, where it can be seen (text made of an object, columns of a table), but means nothing in these.
UNORDERED = ("host", "parameters", "authentication", "retryPolicy", "serviceProviderConfiguration")


VARIABLES = ("setvariable", "incrementvariable", "decrementvariable", "appendtoarrayvariable", "appendtostringvariable")


def unordered(found: Json, place: Place) -> Json:
    return {key: value(item, place) for key, item in found.items()} if isinstance(found, dict) else value(found, place)


def inputs(found: Json, kind: str, place: Place) -> Json:
    if not isinstance(found, dict) or kind == "compose":
        return value(found, place)
    if kind == "initializevariable" and isinstance(found.get("variables"), list):
        return {**found, "variables": [variable(item, place) for item in found["variables"]]}
    own = replace(place, loop=None) if kind in ("query", "select", "table") else place
    values = {key: value(item, place if key == "from" else own) for key, item in found.items()}
    values |= {key: unordered(found[key], place) for key in UNORDERED if key in found}
    if kind in VARIABLES and "case" in place.rules and isinstance(values.get("name"), str):
        values["name"] = values["name"].lower()
    return values


def variable(item: Json, place: Place) -> Json:
    found = {key: value(part, place) for key, part in item.items()}
    if "case" in place.rules and isinstance(item.get("type"), str):
        found["type"] = item["type"].lower()
    return found


# --- expressions ---------------------------------------------------------------------------------------------------------------


def value(found: Json, place: Place) -> Json:
    """JSON whose strings are read as the platform does; objects become lists of pairs, because their order counts."""
    if isinstance(found, dict):
        return ["object", *([key, value(item, place)] for key, item in found.items())]
    if isinstance(found, list):
        return [value(item, place) for item in found]
    if not isinstance(found, str) or "@" not in found:
        return found if isinstance(found, str) else ["constant", repr(found)]
    key = (found, place.loop)
    if key not in place.cache:
        place.cache[key] = string(found, place)
    return place.cache[key]


def string(text: str, place: Place) -> Json:
    try:
        if text.startswith("@") and not text.startswith(("@@", "@{")) and text != "@":
            tree, end = expression(text, 1)
            if text[end:].strip():
                raise ValueError
            return whole(canonical(tree, place), place)
        return interpolated(text, place)
    except (ValueError, RecursionError):
        return ["text", text]


def whole(tree: Json, place: Place) -> Json:
    if "constants" in place.rules:
        if tree[0] == "constant":
            return tree[1] if tree[1:2] and isinstance(tree[1], str) and len(tree) == 3 else tree
        if tree[0] == "call" and tree[1].lower() == "createarray" and len(tree) > 2:
            return [whole(argument, place) for argument in tree[2:]]
    return ["expression", tree]


def interpolated(text: str, place: Place) -> Json:
    position = 1 if text.startswith("@@") and not text.startswith("@@{") else 0
    parts: list[Json] = [""]
    while mark := re.compile(r"@@?\{").search(text, position):
        parts[-1] += text[position : mark.start()]
        position = mark.end()
        if mark[0] == "@@{":
            parts[-1] += "@{"
            continue
        tree, position = expression(text, position)
        rest = re.compile(r"\s*\}").match(text, position)
        if rest is None:
            raise ValueError
        position = rest.end()
        tree = canonical(tree, place)
        if "constants" in place.rules and tree[0] == "constant" and len(tree) == 3:
            parts[-1] += tree[1]
        else:
            parts += [tree, ""]
    parts[-1] += text[position:]
    return parts[0] if len(parts) == 1 else ["template", *parts]


TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|([+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)|([^\W\d]\w*)|(\?\.|\?\[|[\[\].,()]))")


def expression(text: str, position: int) -> tuple[Json, int]:
    """One expression: ["constant", text, "string"], ["constant", repr], ["call", name, …] or ["get", of, key, "?" or "!"], and where it ends."""
    found = TOKEN.match(text, position)
    if found is None:
        raise ValueError
    quoted, number, name, _ = found.groups()
    position = found.end()
    if quoted:
        return ["constant", quoted[1:-1].replace("''", "'"), "string"], position
    if number:
        return ["constant", repr(float(number) if any(c in number for c in ".eE") else int(number))], position
    if not name:
        raise ValueError
    following = TOKEN.match(text, position)
    if following is None or following[4] != "(":
        word = {"true": "True", "false": "False", "null": "None"}.get(name.lower())
        if word is None:
            raise ValueError
        return ["constant", word], position
    tree: Json = ["call", name]
    position = following.end()
    closing = TOKEN.match(text, position)
    if closing and closing[4] == ")":
        position = closing.end()
    else:
        while True:
            argument, position = expression(text, position)
            tree.append(argument)
            mark = TOKEN.match(text, position)
            if mark is None or mark[4] not in (",", ")"):
                raise ValueError
            position = mark.end()
            if mark[4] == ")":
                break
    return trailers(text, position, tree)


def trailers(text: str, position: int, tree: Json) -> tuple[Json, int]:
    while (mark := TOKEN.match(text, position)) and mark[4] in (".", "?.", "[", "?["):
        safe = "?" if mark[4].startswith("?") else "!"
        position = mark.end()
        if mark[4].endswith("."):
            key = re.compile(r"\s*([A-Za-z_$@][\w$@-]*)").match(text, position)
            if key is None:
                raise ValueError
            tree, position = ["get", tree, ["constant", key[1], "string"], safe], key.end()
            continue
        inner, position = expression(text, position)
        closing = TOKEN.match(text, position)
        if closing is None or closing[4] != "]":
            raise ValueError
        tree, position = ["get", tree, inner, safe], closing.end()
    return tree, position


BODIES = {"body": "outputs", "actionbody": "outputs", "triggerbody": "triggeroutputs"}
NAMED = ("outputs", "body", "actionoutputs", "actionbody", "items", "variables")


def canonical(tree: Json, place: Place) -> Json:
    rules = place.rules
    if tree[0] == "get":
        of, key = canonical(tree[1], place), canonical(tree[2], place)
        if "paths" in rules and tree[3] == "?" and len(key) == 3 and joined(of, place) and all(key[1].split("/")):
            for piece in key[1].split("/"):
                of = ["get", of, ["constant", piece, "string"], "?"]
            return of
        return ["get", of, key, tree[3]]
    if tree[0] != "call":
        return tree
    name = tree[1].lower() if "case" in rules else tree[1]
    arguments = [canonical(argument, place) for argument in tree[2:]]
    if "case" in rules and name in NAMED and len(arguments) == 1 and len(arguments[0]) == 3:
        arguments = [["constant", arguments[0][1].lower(), "string"]]
    lower = name.lower()
    if "item" in rules and lower == "item" and not arguments and place.loop is not None:
        return ["call", "items", ["constant", place.loop, "string"]]
    if "paths" in rules and lower in BODIES and len(arguments) <= 1:
        return ["get", ["call", BODIES[lower], *arguments], ["constant", "body", "string"], "?"]
    if "paths" in rules and lower == "actionoutputs":
        name = "outputs"
    if "conditions" in rules and lower in ("and", "or"):
        arguments = [inner for argument in arguments for inner in (argument[2:] if argument[:2] == ["call", lower] else [argument])]
    return ["call", name, *arguments]


def joined(tree: Json, place: Place) -> bool:
    """Whether `?['a/b']` of this is a path: of what a connector delivers."""
    if tree[:2] == ["call", "triggeroutputs"] or tree[:2] == ["call", "triggerOutputs"]:
        return place.trigger_connected
    return tree[0] == "call" and tree[1].lower() == "outputs" and len(tree[2]) == 3 and tree[2][1].lower() in place.connected


# --- conditions ----------------------------------------------------------------------------------------------------------------

TESTS = ("equals", "greater", "greaterorequals", "less", "lessorequals", "contains", "startswith", "endswith", "and", "or", "not")
TRUTHS = (*TESTS, "empty", "isint", "isfloat", "bool")


def condition(found: Json, place: Place) -> Json:
    """A condition as one expression, whichever way it is written; a string that may not be true or false stays what it is."""
    if "conditions" not in place.rules:
        return value(found, place) if not isinstance(found, dict) else structured(found, place)
    tree = structured(found, place) if isinstance(found, dict) else value(found, place)
    return plain(tree)


def structured(found: Json, place: Place) -> Json:
    if "conditions" not in place.rules:
        return {
            key: [structured(x, place) if isinstance(x, dict) else value(x, place) for x in (v if isinstance(v, list) else [v])]
            for key, v in found.items()
        }
    if len(found) != 1:
        return value(found, place)
    name, operands = next(iter(found.items()))
    name = name.lower()
    if name in ("and", "or") and isinstance(operands, list):
        members = [test(operand, place) for operand in operands]
        flat = [inner for member in members for inner in (member[2:] if member[:2] == ["call", name] else [member])]
        return flat[0] if len(flat) == 1 else ["call", name, *flat]
    if name == "not":
        return ["call", "not", test(operands[0] if isinstance(operands, list) and len(operands) == 1 else operands, place)]
    if name in TESTS and isinstance(operands, list):
        arguments = [plain(value(operand, place)) for operand in operands]
        if name == "equals" and arguments[1:] == [["constant", "True"]] and arguments[0][:1] == ["call"] and arguments[0][1].lower() in TRUTHS:
            return arguments[0]
        return ["call", name, *arguments]
    return value(found, place)


def test(found: Json, place: Place) -> Json:
    return structured(found, place) if isinstance(found, dict) else plain(value(found, place))


def plain(found: Json) -> Json:
    """A value as an argument of a function."""
    if isinstance(found, str):
        return ["constant", found, "string"]
    return found[1] if found[:1] == ["expression"] else found


# --- comparing -----------------------------------------------------------------------------------------------------------------


def differences(a: Json, b: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Json, Json]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(k for k in b if k not in a)]:
            yield from differences(a.get(key, "(absent)"), b.get(key, "(absent)"), (*path, key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and a[:1] == b[:1]:
        for number, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from differences(left, right, (*path, str(number)))
    elif a != b or type(a) is not type(b):
        yield "/".join(path), a, b


@dataclass
class Result:
    """One definition there and back."""

    id: str
    again: Json = None
    problem: str = ""  # why it did not come back at all
    losses: list[tuple[str, Json, Json]] = field(default_factory=list)
    steps: int = 0
    opaque: list[str] = field(default_factory=list)
    raw: int = 0
    lines: int = 0


def there_and_back(name: str, definition: Json) -> Result:
    result = Result(name)
    catalog = builtin()
    before = json.dumps(definition)
    try:
        flow = decompile(definition, catalog)
        text = unparse(flow)
        again, diagnostics = parse(text)
        if again is None:
            result.problem = f"the text does not parse: {diagnostics[0].code} {diagnostics[0].message}"
            return result
        result.again = compile(again, catalog)
    except Nl2DslError as error:
        result.problem = str(error)
        return result
    except Exception as error:  # the point of the measurement: any other exception is a defect, and is named
        result.problem = f"{type(error).__name__}: {error}"
        return result
    if json.dumps(definition) != before:
        result.problem = "the definition given was changed"
    elif again != flow:
        result.problem = "the text is another flow"
    elif decompile(result.again, catalog) != flow:
        result.problem = "a second round gives another flow"
    result.losses = list(differences(normal(definition), normal(result.again)))
    result.lines = text.count("\n")
    tally(flow, text, result)
    return result


def tally(flow: Flow, text: str, result: Result) -> None:
    for step in walk(flow.steps):
        result.steps += 1
        if isinstance(step, Opaque):
            kind = step.definition.get("type")
            result.opaque.append(str(getattr(kind, "value", "without a type")))
    result.raw = len(re.findall(r"\braw\(", text))


def read(path: Path) -> list[tuple[str, Json]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [json.loads(line) for line in data.split(b"\n") if line.strip()]
    return [(str(row.get("id", number)), row.get("definition", row)) for number, row in enumerate(rows, 1)]


def shared() -> Path:
    return Path(os.environ.get("NL2DSL_SHARED") or Path(__file__).parents[2] / "shared") / "data/flows/real_flows_dev.jsonl.gz"


def main(words: list[str] | None = None) -> int:
    cli = options("roundtrip", __doc__, 0)
    cli.add_argument(
        "--flows", type=Path, default=shared(), metavar="FILE", help="JSON lines, also gzipped (default: the real flows beside the repository)"
    )
    cli.add_argument("--rules", action="store_true", help="also count the flows that need each normalisation")
    args = cli.parse_args(words)
    if not args.flows.exists():
        skip(UsageError(f"no flows at {args.flows}", "give --flows FILE or set NL2DSL_SHARED"))
        return 0
    rows = read(args.flows)[: args.limit or None]
    head("roundtrip", f"Definitions to text and back: {len(rows)} flows", words)
    start = time.process_time()
    results = [there_and_back(name, definition) for name, definition in rows]
    seconds = time.process_time() - start
    report(results, seconds)
    if args.rules:
        report_rules(rows, results)
    return 0 if all(r.again is not None for r in results) else 1


def report(results: list[Result], seconds: float) -> None:
    steps = sum(r.steps for r in results)
    opaque = Counter(kind for r in results for kind in r.opaque)
    free = sum(not r.problem and not r.losses for r in results)
    done = sum(r.again is not None for r in results)
    n = len(results)
    table(
        [
            ["", "n", "of", "%"],
            ["come back at all", done, n, f"{100 * done / n:.2f}"],
            ["loss-free", free, n, f"{100 * free / n:.2f}"],
            ["opaque steps", sum(opaque.values()), steps, f"{100 * sum(opaque.values()) / max(steps, 1):.2f}"],
        ]
    )
    print(f"  {sum(r.lines for r in results):,} lines, {sum(r.raw for r in results)} strings that are no expressions, {seconds:.1f} s\n")
    for kind, number in opaque.most_common():
        print(f"  opaque: {kind} {number}")
    for result in results:
        if result.problem:
            print(f"  {result.id}: {result.problem}")
        for path, a, b in result.losses[:20]:
            print(f"  {result.id}: {path}\n    {shown(a)}\n    {shown(b)}")


def shown(found: Json) -> str:
    text = json.dumps(found, ensure_ascii=False, default=repr)
    return text if len(text) < 200 else text[:200] + "…"


def report_rules(rows: list[tuple[str, Json]], results: list[Result]) -> None:
    """How many flows would differ without each rule."""
    found: list[list[object]] = [["flows that need the rule", "n"]]
    for rule, what in RULES.items():
        rules = frozenset(RULES) - {rule}
        needed = sum(
            normal(definition, rules) != normal(result.again, rules)
            for (_, definition), result in zip(rows, results, strict=True)
            if result.again is not None and not result.losses
        )
        found.append([what, needed])
    table(found)


if __name__ == "__main__":
    sys.exit(main())
