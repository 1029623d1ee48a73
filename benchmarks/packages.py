"""Real flows through packages, Logic Apps and the schema.

    python -m benchmarks.packages [EVERY]        needs the shared data (NL2DSL_SHARED); EVERY: only each such flow

Counts, over the real flows: definitions that keep to the schema after they went through the text; packages that come back as the same definition with complete
references; Logic Apps that come back with the connections they had, and calls of Power Automate whose route is known.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from nl2dsl.catalog import read
from nl2dsl.catalog.routes import route_of
from nl2dsl.dsl import carrying, definition, flowfiles, logic_app, package, text
from nl2dsl.dsl.connections import actions_of, uses
from nl2dsl.dsl.schema import violations
from nl2dsl.dsl.tree import Flow

Json = dict[str, Any]


def main(every: int = 1) -> None:
    shared = Path(os.environ.get("NL2DSL_SHARED") or Path(__file__).parents[2] / "shared")
    rows = [json.loads(line) for line in gzip.decompress((shared / "data/flows/real_flows_dev.jsonl.gz").read_bytes()).decode().splitlines()][::every]
    counts: Counter[str] = Counter(flows=len(rows))
    for row in rows:
        found = flowfiles.find(json.dumps(exported(row)).encode(), row["id"])[0]
        tree, _ = text.parse(text.unparse(carrying.flow_of(found)))
        assert tree is not None, row["id"]
        schema(row["id"], tree, counts)
        if row["platform"] == "power-automate":
            through_package(row, tree, counts)
        else:
            through_logic_app(found, tree, counts)
    for what, count in counts.items():
        print(f"{count:6,}  {what}")


def exported(row: Json) -> Json:
    """The flow in the file format it came from."""
    references = row["connection_references"] or {}
    if row["platform"] == "power-automate":
        return {
            "properties": {"definition": row["definition"], "connectionReferences": references, "displayName": row["title"]},
            "schemaVersion": "1.0.0.0",
        }
    return {"definition": row["definition"], "parameters": {"$connections": references if "value" in references else {"value": references}}}


def schema(id: str, tree: Flow, counts: Counter[str]) -> None:
    found = violations(definition.compile(tree, read.builtin()))
    counts["flows whose definition keeps to the schema"] += not found
    for violation in found:
        print(f"{id}: {violation.where[-60:]}: {violation.message[:80]}")


def through_package(row: Json, tree: Flow, counts: Counter[str]) -> None:
    counts["flows of Power Automate"] += 1
    compiled = definition.compile(tree, read.builtin())
    data, _ = package.write(tree, read.builtin())
    if not data:
        counts["… without a package"] += 1
        return
    (back,) = flowfiles.find(data, row["id"])
    counts["… whose package holds the same definition"] += back.definition == compiled
    counts["… and comes back as that through the text"] += definition.compile(carrying.flow_of(back), read.builtin()) == compiled
    counts["… whose references are complete and keep the given ones' keys"] += set(row["connection_references"] or {}) | {
        key for _, key, _ in uses(compiled, back.connections)
    } == set(back.connections)
    calls = [f"{host['apiId'].rpartition('/')[2]}.{host['operationId']}" for host in hosts(compiled)]
    counts["calls of connectors"] += len(calls)
    counts["… whose route is known"] += sum(route_of(id) is not None for id in calls)


def hosts(compiled: Json) -> list[Json]:
    called = [action["inputs"]["host"] for _, action in actions_of(compiled) if str(action.get("type", "")).startswith("OpenApiConnection")]
    return [host for host in called if isinstance(host.get("apiId"), str) and isinstance(host.get("operationId"), str)]


def through_logic_app(found: flowfiles.Found, tree: Flow, counts: Counter[str]) -> None:
    counts["Logic Apps"] += 1
    made, _ = logic_app.write(tree, read.builtin())
    if not made:
        counts["… that cannot be written"] += 1
        return
    connections = made["parameters"]["$connections"]["value"]
    counts["… whose given connections come back"] += all(connections.get(key) == entry for key, entry in found.connections.items())
    (back,) = flowfiles.find(json.dumps(made).encode(), found.where)
    counts["… that come back as they were written"] += logic_app.write(carrying.flow_of(back), read.builtin())[0] == made


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
