"""What the importer makes of real connector descriptions, beside facts that were read from them independently.

The files are those of `data/swagger/swagger_dev.tar.gz`, or an archive or folder given with --files; the facts are `data/catalog/facts_repo_swagger.jsonl.gz`, both in the
folder NL2DSL_SHARED (or `shared` beside the repository). Every file is imported or refused with a reason; every operation and key is compared, and what differs is listed.
Where the facts say `object` of a schema without a type and the importer `any`, both agree that nothing is known: such keys are counted apart.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import head, skip, table
from nl2dsl.catalog import read
from nl2dsl.catalog.model import Operation, Parameter

SHARED = Path(os.environ.get("NL2DSL_SHARED") or Path(__file__).parents[2] / "shared")
FILES = SHARED / "data" / "swagger" / "swagger_dev.tar.gz"
FACTS = SHARED / "data" / "catalog" / "facts_repo_swagger.jsonl.gz"
GROUPS = {
    "certified-connectors": "certified",
    "custom-connectors": "custom",
    "independent-publisher-connectors": "independent",
    "templates": "templates",
}
_SHOWN = 40
Fact = dict[str, Any]


@dataclass
class Tally:
    """How often the two were compared in one respect, how often they differ, and where."""

    compared: int = 0
    differences: list[str] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)

    def add(self, where: str, ours: object, facts: object, why: str = "") -> None:
        self.compared += 1
        if ours == facts:
            return
        if why:
            self.explained[why] += 1
        else:
            self.differences.append(f"{where}: importer {ours!r}, facts {facts!r}")

    def row(self, name: str) -> list[str]:
        differ = len(self.differences) + sum(self.explained.values())
        share = f"{100 * (1 - differ / self.compared):.2f} %" if self.compared else "-"
        return [name, f"{self.compared:,}", f"{self.compared - differ:,}", share, f"{sum(self.explained.values()):,}"]


Tallies = defaultdict[str, Tally]


def load_facts(path: Path) -> dict[str, dict[str, Fact]]:
    facts: dict[str, dict[str, Fact]] = defaultdict(dict)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            facts[row["connector"]][row["operation"]] = row
    return facts


def fact_name(report: read.Report) -> str:
    """`….tar.gz:certified-connectors/X/apiDefinition.swagger.json` → `repo:certified/X`."""
    parts = report.name.replace(":", "/").split("/")
    at = next((i for i, part in enumerate(parts) if part in GROUPS), None)
    return f"repo:{GROUPS[parts[at]]}/{parts[at + 1]}" if at is not None and at + 1 < len(parts) else ""


def compare(name: str, ours: dict[str, Operation], facts: dict[str, Fact], tallies: Tallies) -> None:
    for operation in sorted(ours.keys() | facts.keys()):
        where = f"{name} {operation}"
        tallies["operation"].add(where, operation in ours, operation in facts)
        if operation in ours and operation in facts:
            _operation(where, ours[operation], facts[operation], tallies)


def _operation(where: str, o: Operation, fact: Fact, tallies: Tallies) -> None:
    tallies["trigger or action"].add(where, o.kind, fact["kind"])
    tallies["how a flow calls it"].add(where, o.flow_type, fact["flow_type"])
    tallies["single or batch"].add(where, "batch" if o.batch else "single" if o.kind == "trigger" else None, fact.get("trigger_mode"))
    tallies["deprecated"].add(where, o.deprecated, fact.get("deprecated", False))
    tallies["visibility of operation"].add(where, "internal" if o.internal else o.visibility, (fact.get("visibility") or "").lower())
    if fact["returns_kind"] in ("object", "array"):
        fields = {x.name.removeprefix("/").split("/")[0] for x in o.outputs if x.name}
        known = {f.split("/")[0] for f in fact["returns"]}
        why = "a batch: the importer names the fields of one item" if o.batch else "internal fields are hidden" if fields < known else ""
        tallies["fields of the result"].add(where, sorted(fields), sorted(known), why)
    keys, known = {p.name: p for p in o.parameters}, {p["name"]: p for p in fact["params"]}
    for key in sorted(keys.keys() | known.keys()):
        tallies["key"].add(f"{where} {key}", key in keys, key in known)
        if key in keys and key in known:
            _key(f"{where} {key}", keys[key], known[key], tallies)


def _key(where: str, p: Parameter, fact: Fact, tallies: Tallies) -> None:
    type = "string" if p.type == "file" else p.type
    untyped = "no type in the file, so any value" if (type, fact["type"]) == ("any", "object") else ""
    tallies["type"].add(where, type, fact["type"], untyped)
    tallies["required"].add(where, p.required, fact["required"])
    tallies["visibility"].add(where, "internal" if p.internal else p.visibility, (fact.get("visibility") or "").lower())
    tallies["fixed values"].add(
        where, set(p.enum), {str(e).lower() if isinstance(e, bool) else str(e) for e in fact.get("enum", ()) if e is not None}
    )
    tallies["format"].add(where, p.format, fact.get("format") or "")
    tallies["asked at run time"].add(where, set(p.dynamic), set(fact.get("dynamic", ())))
    choice = "fixed values without a type, all of them texts" if p.items == "string" and fact.get("items") == "object" else ""
    tallies["type of items"].add(where, p.items, fact.get("items", ""), choice)
    tallies["open object"].add(where, p.open, fact.get("open", False))


def measure(files: Path) -> tuple[read.Gathered, float]:
    """What is imported, and the processor seconds it takes (one thread)."""
    start = time.process_time()
    gathered = read.gather([files])
    return gathered, time.process_time() - start


def pairs(gathered: read.Gathered, facts: dict[str, dict[str, Fact]]) -> Iterator[tuple[str, dict[str, Operation], dict[str, Fact]]]:
    """Each imported file beside the facts about it; a file with facts that was not imported stands beside nothing."""
    for report in gathered.reports:
        name = fact_name(report)
        if name in facts:
            ours = [o for connector in report.connectors for o in gathered.catalog.of(connector)]
            yield name, {o.name: o for o in ours}, facts[name]


def main(words: list[str] | None = None) -> int:
    cli = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--files", type=Path, default=FILES, metavar="PATH", help="an archive or a folder of connector descriptions")
    cli.add_argument("--facts", type=Path, default=FACTS, metavar="PATH", help="what is known of them")
    cli.add_argument("--all", action="store_true", help="list every difference")
    args = cli.parse_args(words)
    if not args.files.exists() or not args.facts.exists():
        skip(f"needs {args.files} and {args.facts}")
        return 0
    gathered, seconds = measure(args.files)
    refused = [r for r in gathered.reports if r.reason and not r.aside]
    done = [r for r in gathered.reports if not r.reason]
    head("importing", f"Import of {len(gathered.reports):,} files: {len(done):,} imported, {len(refused):,} refused, {seconds:.2f} s", words)
    for r in refused:
        print(f"  refused {r.reason.removeprefix(str(args.files)).lstrip(':/')}; {r.hint}")
    print(
        f"  {len(gathered.catalog):,} operations, {sum(len(o.parameters) for o in gathered.catalog):,} keys, {len(gathered.catalog.warnings):,} warnings\n"
    )

    tallies: Tallies = defaultdict(Tally)
    compared = 0
    for name, ours, facts in pairs(gathered, load_facts(args.facts)):
        compare(name, ours, facts, tallies)
        compared += 1
    print(f"Beside the facts, {compared:,} files")
    table([["", "compared", "equal", "share", "explained"], *(t.row(name) for name, t in tallies.items())])
    for name, t in tallies.items():
        for line in t.differences[: None if args.all else _SHOWN]:
            print(f"  {name}: {line}")
        for why, count in t.explained.items():
            print(f"  {name}: {count:,} explained: {why}")
        if len(t.differences) > _SHOWN and not args.all:
            print(f"  {name}: … and {len(t.differences) - _SHOWN:,} more (--all)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
