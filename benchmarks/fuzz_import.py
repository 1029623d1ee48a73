"""Mutated descriptions of APIs thrown at the importer: no crash, no hang, bounded memory.

Each input begins as a small description (OpenAPI 2 and 3, MCP, JSON lines, YAML, zip, tar) or, where NL2DSL_SHARED has them, a real one, and is changed at random: bytes, tokens, whole
subtrees, references that lead to themselves, numbers and names without end. What comes out must be a report and a catalog that can be written and read again with the same
digest. A crash is any exception but `CatalogError`; the input of the first ones is written to --keep, and `--seed S --start N --count 1` repeats the one with number N.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import resource
import sys
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import head, table
from benchmarks.importing import FILES
from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.sources import sources

_REF = {"$ref": "#/definitions/Node"}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Shop (Independent Publisher)", "version": "1"},
    "paths": {
        "/orders/{id}": {
            "parameters": [{"$ref": "#/parameters/tenant"}],
            "post": {
                "operationId": "PostOrder",
                "summary": "Post an order",
                "description": "Posts an order. It is paid later.",
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "type": "string",
                        "x-ms-dynamic-values": {"operationId": "List", "value-path": "id"},
                    },
                    {"name": "order", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Order"}},
                    {"name": "when", "in": "query", "type": "string", "format": "date-time", "enum": ["a", 1, True, None]},
                ],
                "responses": {"200": {"schema": {"type": "array", "items": _REF}}, "default": {"$ref": "#/responses/bad"}},
            },
            "x-ms-notification-content": {"schema": {"$ref": "#/definitions/Order"}},
        },
        "/hook": {"get": {"operationId": "OnOrder", "x-ms-trigger": "batch", "x-ms-visibility": "Advanced", "responses": {}}},
        "/file": {
            "put": {"operationId": "Put", "consumes": ["multipart/form-data"], "parameters": [{"name": "file", "in": "formData", "type": "file"}]}
        },
    },
    "parameters": {"tenant": {"name": "tenant", "in": "header", "type": "integer", "default": 3}},
    "responses": {"bad": {"description": "bad"}},
    "definitions": {
        "Node": {"type": "object", "properties": {"name": {"type": "string"}, "next": _REF, "all": {"type": "array", "items": _REF}}},
        "Order": {
            "allOf": [
                _REF,
                {"type": "object", "required": ["to"], "properties": {"to": {"type": "object", "properties": {"mail": {"type": "string"}}}}},
            ],
            "properties": {"hidden": {"type": "string", "x-ms-visibility": "internal"}, "row": {"x-ms-dynamic-schema": {"operationId": "S"}}},
        },
    },
}
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Post"},
    "paths": {
        "/send": {
            "post": {
                "operationId": "Send",
                "parameters": [{"name": "n", "in": "query", "schema": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Mail"}}}},
                "responses": {"201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Mail"}}}}},
            }
        },
        "/form": {"post": {"requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": {"f": {"const": "x"}}}}}}}},
    },
    "components": {
        "schemas": {
            "Mail": {
                "type": ["object", "null"],
                "required": ["to"],
                "properties": {"to": {"type": "string"}, "reply": {"$ref": "#/components/schemas/Mail"}},
            },
            "Either": {
                "oneOf": [{"$ref": "#/components/schemas/Mail"}, {"$ref": "#/components/schemas/Either"}, {"type": "object", "properties": {"x": {}}}]
            },
        }
    },
}
MCP = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
        "tools": [
            {
                "name": "create_issue",
                "description": "Creates an issue",
                "inputSchema": {
                    "type": "object",
                    "required": ["title"],
                    "properties": {"title": {"type": "string"}, "by": {"$ref": "#/$defs/P"}},
                    "$defs": {"P": {}},
                },
                "outputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}},
            },
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"enum": ["x"]}}}}},
        ]
    },
}
LINES = '{"id": "crm.Add", "description": "adds", "parameters": [{"name": "a", "type": "number"}]}\n{"connector": "crm", "title": "CRM"}\n{"id": "crm.Get"}\n'
YAML = "openapi: 3.0.0\ninfo: &i {title: Shop}\npaths:\n  /a: &a\n    get: {operationId: Get, responses: {200: {description: on}}}\n  /b: *a\nx: *i\n"
# Aliases that multiply: small as a text, without end for whoever walks through every path.
YAML += "z0: &z0 {type: string}\n" + "".join(
    f"z{i}: &z{i} {{allOf: [*z{i - 1}, *z{i - 1}], properties: {{p: *z{i - 1}, q: *z{i - 1}}}}}\n" for i in range(1, 26)
)
YAML += "x-ms-paths: {/z: {post: {operationId: Z, parameters: [{name: z, in: body, schema: *z25}, *z25], responses: {200: *z24}}}}\n"
_ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    10**40,
    "",
    "x" * 2000,
    "\ud800",
    '`"\\',
    "\x00",
    [],
    {},
    [[]],
    {"$ref": "#"},
    {"$ref": "#/paths"},
    {"$ref": "x.json#/a"},
]
_ODD += [
    {"allOf": [{"$ref": "#/definitions/Order"}] * 3},
    {"type": []},
    {"type": ["string", "integer"]},
    {"properties": []},
    {"enum": {}},
    {"required": True},
]
_TOKENS = [
    b'{"',
    b'"}',
    b"[",
    b"]",
    b",",
    b":",
    b"//",
    b"/*",
    b"*/",
    b"\\",
    b'"',
    b"\xff",
    b"\x00",
    b"\xef\xbb\xbf",
    b"null",
    b"NaN",
    b"1e999",
    b"\\ud800",
    b"- ",
    b"&a ",
    b"*a",
    b"{{",
    b"\n",
]


def seeds(limit: int = 30_000) -> list[tuple[str, bytes]]:
    """File names and contents to begin with; real ones only up to `limit` bytes, so that a round stays short."""
    texts = [("shop.json", SWAGGER), ("post.json", OPENAPI), ("tools.json", MCP)]
    found = [(name, json.dumps(value, indent=1).encode()) for name, value in texts]
    found += [("own.jsonl", LINES.encode()), ("shop.yaml", YAML.encode()), ("shop.json.gz", gzip.compress(found[0][1], mtime=0))]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in found[:3]:
            z.writestr(f"x/{name}", data)
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w:gz") as t:
        for name, data in found[:2]:
            info = tarfile.TarInfo(f"x/{name}")
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    found += [("all.zip", packed.getvalue()), ("all.tar.gz", tarred.getvalue())]
    if FILES.exists():
        with sources(FILES) as real:
            found += [("real.json", data) for source in real if len(data := source.read()) <= limit]
    return found


def mutated(random: Random, known: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """One input: a seed, changed one to six times."""
    name, data = random.choice(known)
    shape = name.endswith(".json") and random.random() < 0.8  # most scribbles are no JSON any more, so they tell little of what reads schemas
    for _ in range(random.randint(1, 6) if shape else random.randint(1, 3)):
        data = _reshaped(random, data) if shape else _scribbled(random, data, known)
    return name, data


def _scribbled(random: Random, data: bytes, known: list[tuple[str, bytes]]) -> bytes:
    a, b = sorted((random.randrange(len(data) + 1), random.randrange(len(data) + 1)))
    b = min(b, a + 400)
    match random.randrange(6):
        case 0:
            return data[:a] + data[b:]
        case 1:
            return data[:b] + data[a:b] * random.randint(1, 5) + data[b:]
        case 2:
            return data[:a] + random.choice(_TOKENS) * random.choice((1, 1, 1, 3, 3000)) + data[a:]
        case 3:
            return data[:a] + bytes(random.randrange(256) for _ in range(random.randint(1, 4))) + data[a + 1 :]
        case 4:
            return data[:a]
        case _:
            other = random.choice(known)[1]
            return data[:a] + other[random.randrange(len(other)) :][:2000]


def _reshaped(random: Random, data: bytes) -> bytes:
    """Replaces, moves or repeats a part of a JSON document."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting and len(places) < 5000:
        node = waiting.pop()
        inside = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        places += [(node, key) for key, _ in inside]
        waiting += [value for _, value in inside]
    if not places:
        return data
    holder, key = random.choice(places)
    other, other_key = random.choice(places)
    match random.randrange(5):
        case 0 | 1:
            holder[key] = random.choice(_ODD)
        case 2:
            holder[key] = json.loads(json.dumps(other[other_key]))
        case 3 if isinstance(holder, dict):
            holder[
                random.choice(["type", "properties", "allOf", "anyOf", "$ref", "items", "enum", "name", "in", "schema", "required", "x-ms-trigger"])
            ] = holder.pop(key)
        case _:
            for _ in range(random.choice((1, 40))):
                holder[key] = {"allOf": [holder[key]]} if random.random() < 0.5 else {"type": "object", "properties": {"p": holder[key]}}
    return json.dumps(document).encode()


def survive(folder: Path, name: str, data: bytes) -> str:
    """Imports one input, writes what came of it and reads that again. Raises what should never be raised."""
    path = folder / name
    path.write_bytes(data)
    found = read.Gathering()
    reports = read.read_path(path, found, iter)
    refused = sum(bool(r.reason) for r in reports)
    failed = next((r.reason for r in reports if read.FAILED in r.reason), "")
    if failed:
        raise AssertionError(failed)
    catalog = Catalog(found.operations, found.connectors.values())
    if len(catalog):
        read.write(catalog, folder / "again.jsonl")
        again = read.load(folder / "again.jsonl")
        if again.digest != catalog.digest:
            raise AssertionError("what was written reads back as something else")
    return "refused" if refused == len(reports) else "in part" if refused or found.warnings else "whole"


def main(words: list[str] | None = None) -> int:
    cli = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_import", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--count", type=int, default=10_000, metavar="N", help="inputs (10000)")
    cli.add_argument("--start", type=int, default=0, metavar="N", help="number of the first input (0)")
    cli.add_argument("--seed", type=int, default=0, metavar="S")
    cli.add_argument("--keep", type=Path, default=Path("runs/fuzz_import"), metavar="DIR", help="where inputs that crash are kept")
    args = cli.parse_args(words)
    known = seeds()
    outcomes: Counter[str] = Counter()
    crashes: list[str] = []
    slowest, slow_one, started = 0.0, 0, time.process_time()
    with TemporaryDirectory() as folder:
        for number in range(args.start, args.start + args.count):
            name, data = mutated(Random(f"{args.seed}.{number}"), known)
            before = time.process_time()
            try:
                outcomes[survive(Path(folder), name, data)] += 1
            except Exception as e:
                outcomes["crashed"] += 1
                if len(crashes) < 20:
                    crashes.append(f"{number}: {type(e).__name__}: {str(e)[:150]}")
                    args.keep.mkdir(parents=True, exist_ok=True)
                    (args.keep / f"{number}.{name}").write_bytes(data)
            took = time.process_time() - before
            if took > slowest:
                slowest, slow_one = took, number
    seconds = time.process_time() - started
    head("fuzz_import", f"{args.count:,} mutated descriptions of {len(known):,} seeds", words)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows: list[list[object]] = [["", "inputs"], *([k, f"{outcomes[k]:,}"] for k in ("whole", "in part", "refused", "crashed"))]
    table(rows)
    print(
        f"  {seconds:.0f} s, {1000 * seconds / args.count:.1f} ms an input, the slowest {slowest:.2f} s (number {slow_one}), peak memory {peak:,.0f} MiB"
    )
    for line in crashes:
        print(f"  {line}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
