"""Gathers the routes of operations (method, path, what goes where) into `routes.jsonl.gz`, and what triggers are split on into `splits.json`: run by hand when the sources change.

In: the wheel of the `azure-connectors` package (MIT; clients generated from the run-time descriptions of connectors), the facts file that the built-in catalog is
made from, and real flows that store both an operation's id and its path. Out: lines of facts, see `routes.py`. A route is taken only when one client method
and one operation fit each other by name and by every parameter, or when a real flow states the pair.

    python -m nl2dsl.catalog.build_routes azure_connectors.whl facts.jsonl.gz flows.jsonl.gz
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_OUT = Path(__file__).with_name("routes.jsonl.gz")
_SPLITS = Path(__file__).with_name("splits.json")
_VERSION = re.compile(r"_?v(\d+)$", re.IGNORECASE)
_TWICE = "encodeuricomponent(encodeuricomponent("


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def stem(name: str) -> str:
    """The name without its version, which stands behind it or, in a few, before it."""
    return plain(re.sub(r"^V\d+(?=[A-Z])", "", _VERSION.sub("", name)))


def version(name: str) -> int:
    found = _VERSION.search(name)
    return int(found[1]) if found else 1


# --- the clients


def client_methods(wheel: Path) -> Iterator[Json]:
    """`{api, name, method, path, depth, query, fixed, body}` of every method of every client."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not re.fullmatch(r"azure/connectors/\w+\.py", name):
                continue
            for node in ast.walk(ast.parse(archive.read(name))):
                if isinstance(node, ast.AsyncFunctionDef) and (found := _method(node)):
                    yield {"api": "shared_" + Path(name).stem, "name": node.name.removesuffix("_async"), **found}


def _method(function: ast.AsyncFunctionDef) -> Json | None:
    found: Json = {"query": [], "fixed": {}, "body": False}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("request_url", "path"):
            found["path"], found["depth"] = _path(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "append" and ast.unparse(node.func.value) == "query_params":
                _query(node.args[0], found)
            elif node.func.attr == "send_async":
                found["method"] = ast.literal_eval(node.args[0])
                found["body"] = any(k.arg == "body" and not isinstance(k.value, ast.Constant) for k in node.keywords)
    return found if "path" in found and "method" in found else None


def _path(node: ast.expr) -> tuple[str, dict[str, int]]:
    """The template, and how often each of its parameters is encoded."""
    text, depth = "", {}
    for part in node.values if isinstance(node, ast.JoinedStr) else [node]:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue) and not isinstance(part.value, ast.Attribute):
            inner = ast.unparse(part.value)
            name = re.sub(r"quote\(|str\(|, safe=''|\)", "", inner)
            text, depth[name] = text + "{" + name + "}", inner.count("quote(")
    return text, depth


def _query(node: ast.expr, found: Json) -> None:
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        found["query"].append(str(node.values[0].value).rstrip("="))
    elif isinstance(node, ast.BinOp) and isinstance(node.right, ast.Call):
        found["fixed"][ast.literal_eval(node.left).rstrip("=")] = ast.literal_eval(node.right.args[0])


def fitting(operations: list[Json], methods: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Pairs of an operation and the one method that is its call."""
    named = defaultdict(list)
    for method in methods:
        named[method["api"], stem(method["name"])].append(method)
    grouped = defaultdict(list)
    for operation in operations:
        if operation["kind"] == "action" and operation["id_confidence"] in ("exact", "corroborated"):
            grouped[operation["connector"], stem(operation["operation"])].append(operation)
    for key, versions in grouped.items():
        # The clients hold the newest version of what has several.
        newest = max(versions, key=lambda o: (not o.get("deprecated", False), version(o["operation"])))
        if len(named[key]) == 1 and not newest.get("deprecated") and _fits(newest, named[key][0]):
            yield newest, named[key][0]


def _fits(operation: Json, method: Json) -> bool:
    inside = {plain(name) for name in method["depth"]}
    asked = {plain(name) for name in (*method["query"], *method["fixed"])}
    places = {"path": inside, "query": asked}
    for p in operation["params"]:
        place, name = p.get("in"), plain(p["name"])
        if place in places and name not in places[place]:
            return False
        if place == "formData" or (place == "body" and not method["body"]):
            return False
        if place is None and not method["body"] and name not in inside | asked:
            return False
    elsewhere = inside | asked | {plain(p["name"]) for p in operation["params"] if p.get("in") == "header"}
    body = [p["name"] for p in operation["params"] if plain(p["name"]) not in elsewhere]
    whole = [name for name in body if "/" not in name]  # the name of the body itself, or a key whose place in the body is not known
    return inside <= {plain(p["name"]) for p in operation["params"]} and (not whole or len(body) == 1 or _is_open(operation, whole, body))


def _is_open(operation: Json, whole: list[str], body: list[str]) -> bool:
    """Whether the one key without a slash is an object whose further keys are known at run time only."""
    open_ones = [p["name"] for p in operation["params"] if p.get("open")]
    return len(whole) == 1 and whole[0] in open_ones and all(name.startswith(whole[0]) for name in body)


def client_route(operation: Json, method: Json) -> Json:
    keys = {plain(p["name"]): p["name"] for p in operation["params"]}
    path = re.sub(r"\{([^}]+)\}", lambda m: "{" + keys[plain(m[1])] + "}", method["path"])
    return _route(
        f"{operation['connector']}.{operation['operation']}",
        method["method"],
        path,
        [keys[plain(name)] for name, depth in method["depth"].items() if depth > 1 or _tabular(operation, path)],
        [keys.get(plain(name), name) for name in method["query"]],
        [p["name"] for p in operation["params"] if p.get("in") == "header"],
        {name: True if value == "true" else value for name, value in method["fixed"].items()},
    )


def _tabular(operation: Json, path: str) -> bool:
    """Connectors of tables and files encode what stands in a path twice. Some clients forget it; of 323 such parameters in real flows 321 are."""
    return "/datasets/" in path and operation["connector"] != "shared_powerbi"


def trigger_routes(wheel: Path, operations: list[Json]) -> Iterator[Json]:
    """Routes of the triggers that poll; those that are called back need a request body that the clients do not tell."""
    known = {f"{o['connector']}.{o['operation']}": o for o in operations if o["kind"] == "trigger" and o.get("flow_type") == "OpenApiConnection"}
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            for node in ast.walk(ast.parse(archive.read(name))) if re.fullmatch(r"azure/connectors/\w+\.py", name) else ():
                if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TRIGGER_OPERATIONS" and node.value:
                    for row in ast.literal_eval(node.value).values():
                        operation = known.get(f"shared_{Path(name).stem}.{row['operation_id']}")
                        if operation and row["method"] == "get" and (route := _trigger_route(operation, row)):
                            yield route


def _trigger_route(operation: Json, row: Json) -> Json | None:
    path = row["path"].removeprefix("/{connectionId}")
    inside = re.findall(r"\{([^}]+)\}", path)
    names = [p["name"] for p in operation["params"]]
    if not set(inside) <= set(names) or any(p.get("in") not in ("path", "query", "header", None) for p in operation["params"]):
        return None
    header = [p["name"] for p in operation["params"] if p.get("in") == "header"]
    query = [name for name in names if name not in inside and name not in header]
    return _route(f"{operation['connector']}.{operation['operation']}", "GET", path, inside if _tabular(operation, path) else [], query, header, {})


# --- the flows


def stated(flows: list[Json], operations: list[Json]) -> Iterator[Json]:
    """Routes that real flows state beside the id; the names of path parameters are the operation's, in the order of the path."""
    known = {f"{o['connector']}.{o['operation']}": o for o in operations}
    for action in (a for flow in flows for a in _legacy(flow["definition"])):
        connector = re.sub(r"[_-]\d+$", "", re.findall(r"\['([^']+)'\]\['connectionId'\]", json.dumps(action["inputs"]["host"]))[0])
        id = f"shared_{connector.removeprefix('shared_')}.{action['metadata']['flowSystemMetadata']['swaggerOperationId']}"
        names = [p["name"] for p in known[id]["params"] if p.get("in") == "path"] if id in known else []
        holes = _holes(action["inputs"]["path"])
        if id not in known or len(names) != len(holes) or "method" not in action["inputs"]:
            continue
        path = action["inputs"]["path"]
        for name, hole in zip(names, holes, strict=True):
            path = path.replace(hole, "{" + name + "}", 1)
        twice = [name for name, hole in zip(names, holes, strict=True) if _TWICE in hole.lower()]
        query = [p["name"] for p in known[id]["params"] if p.get("in") == "query"]
        fixed = {k: v for k, v in action["inputs"].get("queries", {}).items() if k == "queryParametersSingleEncoded"}
        header = [p["name"] for p in known[id]["params"] if p.get("in") == "header"]
        yield _route(id, action["inputs"]["method"].upper(), path, twice, query, header, fixed)


def _legacy(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        metadata = value.get("metadata")
        system = metadata.get("flowSystemMetadata") if isinstance(metadata, dict) else None
        if value.get("type") == "ApiConnection" and isinstance(system, dict) and system.get("swaggerOperationId"):
            if "connectionId" in json.dumps(value["inputs"]["host"]):
                yield value
            return
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _legacy(child)


def _holes(path: str) -> list[str]:
    """The `@{…}` of a path; braces in strings do not count."""
    found, start, depth, quoted = [], 0, 0, False
    for i, c in enumerate(path):
        if c == "'":
            quoted = not quoted
        elif not quoted and c == "{":
            start, depth = (i - 1 if depth == 0 else start), depth + 1
        elif not quoted and c == "}":
            depth -= 1
            if depth == 0:
                found.append(path[start : i + 1])
    return found


def _route(id: str, method: str, path: str, twice: list[str], query: list[str], header: list[str], fixed: Json) -> Json:
    lists = {"twice": twice, "query": query, "header": header, "fixed": fixed}
    return {"id": id, "method": method, "path": path, **{key: value for key, value in lists.items() if value}}


# --- lists


def splits(operations: list[Json]) -> dict[str, str]:
    """The key of the list that a batch trigger delivers, "" where the body is the list, for those where it is not `value`."""
    found = {}
    for operation in operations:
        if operation.get("trigger_mode") == "batch" and "value" not in {name.split("/")[0] for name in operation["returns"]}:
            if operation["returns_kind"] == "array":
                found[f"{operation['connector']}.{operation['operation']}"] = ""
            elif len(operation["returns"]) == 1:
                found[f"{operation['connector']}.{operation['operation']}"] = operation["returns"][0]
    return dict(sorted(found.items()))


def _lines(path: str) -> list[Json]:
    return [json.loads(line) for line in gzip.decompress(Path(path).read_bytes()).decode().splitlines()]


def main(wheel: str, facts: str, flows: str) -> None:
    operations = _lines(facts)
    routes: dict[str, Json] = {}
    for route in stated(_lines(flows), operations):
        routes.setdefault(route["id"], route)
    seen, same = 0, 0
    for operation, method in fitting(operations, list(client_methods(Path(wheel)))):
        route = client_route(operation, method)
        if route["id"] in routes:
            seen += 1
            same += all(routes[route["id"]].get(key) == route.get(key) for key in ("method", "path"))
        else:
            routes[route["id"]] = route
    for route in trigger_routes(Path(wheel), operations):
        routes.setdefault(route["id"], route)
    lines = "".join(json.dumps(routes[id], ensure_ascii=False, separators=(",", ":")) + "\n" for id in sorted(routes))
    _OUT.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    _SPLITS.write_text(json.dumps(splits(operations), indent=1) + "\n", encoding="utf-8")
    print(f"{len(routes)} routes; of {seen} found in both sources {same} agree in method and path", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
