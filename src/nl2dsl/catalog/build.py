"""Builds the catalog that ships with the package from connector facts and our own wording.

In: a folder with `facts.jsonl.gz` and `facts_exact.jsonl.gz`, a folder with `operations.jsonl` and `connectors.json`, and
`data/catalog/titles.jsonl` (titles and summaries written by hand). Out: `builtin.jsonl.gz` beside this module; the same input gives the same
bytes. Run: `python -m nl2dsl.catalog.build FACTS_DIR WORDING_DIR`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nl2dsl.catalog.model import Connector, Operation, Output, Parameter
from nl2dsl.catalog.naming import OUTPUT_TYPES, output_role, parameter_title, role_of, summary_of, title_of, version_of
from nl2dsl.catalog.rows import connector_line, dump, operation_row

BUILTIN = Path(__file__).with_name("builtin.jsonl.gz")
TITLES = Path("data/catalog/titles.jsonl")
# Words of the language, so not callable: hidden from flows and from search.
CONTROL = {"If", "Foreach", "Switch", "Until", "Scope", "InitializeVariable", "SetVariable", "IncrementVariable", "DecrementVariable"}
# Built-in values that may be any JSON although the facts call them objects.
ANY = {"body", "content", "value", "inputs", "select"}
# Services that answer to the same operation names: an operation without words of its own takes the title of its namesake here.
RELATIVES = [
    ("shared_office365", "shared_outlook"),
    (
        "shared_onedriveforbusiness",
        "shared_onedrive",
        "shared_googledrive",
        "shared_dropbox",
        "shared_box",
        "shared_ftp",
        "shared_sftpwithssh",
        "shared_filesystem",
        "shared_azurefile",
        "shared_sharepointonline",
        "shared_azureblob",
    ),
    ("shared_teams", "shared_shifts"),
    (
        "shared_sql",
        "shared_mysql",
        "shared_postgresql",
        "shared_oracle",
        "shared_db2",
        "shared_informix",
        "shared_commondataservice",
        "shared_dynamicsax",
        "shared_salesforce",
        "shared_zendesk",
    ),
    ("shared_excelonlinebusiness", "shared_excelonline"),
]
# Services that work on what they are given rather than keep records: one does things "with" them.
TOOLS = {
    "shared_encodiandocumentmanager",
    "shared_muhimbi",
    "shared_plumsail",
    "shared_cognitiveservicestextanalytics",
    "shared_microsofttranslatorv",
    "shared_openaiip",
    "shared_azureopenai",
    "shared_conversionservice",
    "shared_formrecognizer",
    "shared_languagequestionansw",
}
Rows = list[dict[str, Any]]


def read_rows(path: Path) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _key(connector: str, name: str) -> str:
    """Schedules keep their short keys: `frequency`, not `recurrence/frequency`."""
    if connector == "commonTrigger":
        return name.removeprefix("recurrence/").removeprefix("schedule/")
    return name


def _type(fact: Mapping[str, Any], connector: str) -> str:
    if fact.get("any") or (connector == "builtin" and fact["name"] in ANY and fact["type"] == "object"):
        return "any"
    if fact.get("format") in {"binary", "byte"} and fact["type"] == "string":
        return "file"
    return str(fact["type"])


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


class Roles:
    """What a parameter means: as the wording says, else as it says of the same key elsewhere in the connector, else in most connectors, else by
    rule."""

    def __init__(self, wording: Mapping[str, Mapping[str, Any]]) -> None:
        near: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        far: dict[str, Counter[str]] = defaultdict(Counter)
        for id, row in wording.items():
            for key, role in row.get("roles", {}).items():
                near[id.partition(".")[0], key][role] += 1
                far[key][role] += 1
        self.near = {k: c.most_common(1)[0][0] for k, c in near.items()}
        self.far = {k: top for k, c in far.items() for top, n in c.most_common(1) if n >= 4 and n >= 0.8 * c.total()}

    def of(self, fact: Mapping[str, Any], connector: str, said: Mapping[str, str]) -> str:
        name, type = fact["name"], _type(fact, connector)
        rule = role_of(name, type, fact.get("format", ""), bool(fact.get("enum")))
        if type in {"boolean", "file"}:
            return said.get(name) or rule
        return said.get(name) or self.near.get((connector, name)) or self.far.get(name) or rule or ("other" if fact["required"] else "")


# Titles of keys whose own name says little, by what they mean.
_PLAIN = {
    "team": "Team",
    "channel": "Channel",
    "list": "List",
    "calendar": "Calendar",
    "board": "Board",
    "bucket": "Bucket",
    "project": "Project",
    "site": "Site address",
    "table": "Table",
    "notebook": "Notebook",
    "file_path": "File",
    "folder_path": "Folder",
    "person_email": "Person",
    "repository": "Repository",
    "queue": "Queue",
    "container": "Container",
}


def _title(key: str, role: str, connector: str) -> str:
    if key.rsplit("/", 1)[-1] in {"id", "dataset", "table", "source", "groupId", "Id"} and role in _PLAIN:
        return "Plan" if role == "project" and connector == "shared_planner" else _PLAIN[role]
    return parameter_title(key)


def _parameter(fact: Mapping[str, Any], connector: str, role: str, open: bool) -> Parameter:
    type = _type(fact, connector)
    enum = tuple(_text(e) for e in fact.get("enum", ()) if e is not None)
    default = fact.get("default")
    if default is None and len(enum) == 1:
        default = enum[0]
    key = _key(connector, fact["name"])
    return Parameter(
        key,
        type,
        required=bool(fact["required"]),
        title=_title(key, role, connector),
        enum=enum,
        default=default if not isinstance(default, (list, dict)) else None,
        format=fact.get("format", ""),
        open=open,
        internal=str(fact.get("visibility")).lower() == "internal" or bool(fact.get("internal_required")),
        role=role,
    )


def _parameters(fact: Mapping[str, Any], said: Mapping[str, str], roles: Roles) -> tuple[Parameter, ...]:
    """An object that people fill by keys the facts do not list (`body/properties/dealname`) is open, whether or not the facts say so."""
    found: dict[str, Parameter] = {}
    given = [p for p in fact["params"] if p["name"]]
    names = {p["name"] for p in given}
    beyond = [k for k in said if k not in names]
    for p in given:
        open = bool(p.get("open")) or (p["type"] == "object" and any(k.startswith(p["name"] + "/") for k in beyond))
        made = _parameter(p, fact["connector"], roles.of(p, fact["connector"], said), open)
        found.setdefault(made.name, made)
    return tuple(found.values())


def _below_body(name: str, fact: Mapping[str, Any]) -> str:
    """`body` as a result field is the body itself, "", unless the body has a field of that name."""
    if "body" in fact["returns"] and fact["title"] != "Built-in":
        return name
    return "" if name == "body" else name.removeprefix("body/")


def _output_names(fact: Mapping[str, Any], outputs: Mapping[str, str]) -> dict[str, str]:
    """Result fields, those of the wording first, each with the name the wording or the facts have for it.

    Fields of the items of a list L are `L/field`. A body that is itself a list is the output "" (so its items' fields begin with "/"); after
    `splitOn` a batch trigger hands over one item, whose fields stand alone.
    """
    said, facts = list(outputs), [r for r in fact["returns"] if r and not r.startswith("@")]
    names = {n: _below_body(n, fact) for n in [*said, *facts]}
    if fact.get("trigger_mode") == "batch":
        names = {n: f.removeprefix("value/") for n, f in names.items() if f not in {"value", ""}}
    elif fact["returns_kind"] == "array":
        names = {"": "", **{n: "/" + f.removeprefix("value/") for n, f in names.items() if f not in {"value", ""}}}
    elif "value" in facts and set(facts) <= {"value", "nextLink"}:
        names = {"value": "value", **{n: f if f.startswith("value/") or n in facts or not f else "value/" + f for n, f in names.items()}}
    found: dict[str, str] = {}
    for source, field in names.items():
        found.setdefault(field, source)
    return found


def _outputs(fact: Mapping[str, Any], outputs: Mapping[str, str]) -> tuple[Output, ...]:
    made = []
    for name, source in _output_names(fact, outputs).items():
        role = outputs.get(source) or ("list_of_items" if fact["returns_kind"] == "array" and name == "" else output_role(name))
        made.append(Output(name, role, OUTPUT_TYPES.get(role, "string")))
    return tuple(made)


def _flow_type(fact: Mapping[str, Any]) -> str:
    return str(fact.get("flow_type", "" if fact["title"] == "Built-in" else "OpenApiConnection"))


def operation(fact: Mapping[str, Any], wording: Mapping[str, Any], roles: Roles, sure: bool) -> Operation:
    """One operation without title and summary, which need its neighbours."""
    connector, name = fact["connector"], fact["operation"]
    return Operation(
        connector,
        name,
        fact["kind"],
        parameters=_parameters(fact, wording.get("roles", {}), roles),
        outputs=_outputs(fact, wording.get("outputs", {})),
        flow_type=_flow_type(fact),
        definition_type=fact.get("definition_type", ""),
        definition_kind=fact.get("definition_kind", ""),
        batch=fact.get("trigger_mode") == "batch",
        deprecated=bool(fact.get("deprecated")),
        internal=fact.get("visibility") == "internal" or (connector == "builtin" and name in CONTROL),
        verified=sure,
    )


def _lower_first(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _stem(name: str) -> str:
    return version_of(name)[0].lower()


def _with_version(title: str, version: str) -> str:
    bare = re.sub(r" \((?:V[\d.]+|old)\)$", "", title)
    return f"{bare} ({version})" if version else bare


def _by(o: Operation) -> str:
    """ " by its id" when the only record an operation needs is named by an id."""
    needed = [p for p in o.parameters if p.required and not p.internal]
    ids = [p for p in needed if p.role == "record_id"]
    return (
        " by its id"
        if len(ids) == 1
        and re.match(r"(?:Get|Read|Delete|Update|Archive) (?:an? )?[\w ]+\Z", o.title)
        and not re.search(r" (?:by|for|of|from|in)\b|s\Z|(?:data|content)\Z", o.title)
        else ""
    )


class Words:
    """Titles and summaries: by hand, else those of another version, else those of a namesake in a related service, else made from the id."""

    def __init__(self, by_hand: Mapping[str, Mapping[str, str]], titles: Mapping[str, str]) -> None:
        self.by_hand, self.connector_titles = by_hand, titles
        self.versions: dict[tuple[str, str], Mapping[str, str]] = {}
        for id, row in by_hand.items():
            connector, _, name = id.partition(".")
            self.versions[connector, _stem(name)] = row
        self.relatives = {c: group for group in RELATIVES for c in group}

    def title(self, o: Operation) -> tuple[str, str]:
        """Title and summary ("" where one is to be made)."""
        row = self.by_hand.get(o.id)
        if row:
            return row["title"], row.get("summary", "")
        version = version_of(o.name)[1]
        other = self.versions.get((o.connector, _stem(o.name)))
        if other:
            return _with_version(other["title"], version or "V1"), other.get("summary", "")
        for relative in self.relatives.get(o.connector, ()):
            row = self.by_hand.get(f"{relative}.{o.name}") or self.versions.get((relative, _stem(o.name)))
            if (
                row
                and relative != o.connector
                and "(legacy)" not in row["title"]
                and self.connector_titles[relative].lower() not in row["title"].lower()
            ):
                return _with_version(row["title"], version), ""
        return title_of(o.name, o.kind), ""

    def apply(self, o: Operation) -> Operation:
        title, summary = self.title(o)
        titled = replace(o, title=title)
        connector = (
            ""
            if o.connector in {"builtin", "commonTrigger"}
            else re.sub(r" \((?:Independent Publisher|preauthorized|form recognizer)\)", "", self.connector_titles[o.connector])
        )
        place = "with" if o.connector in TOOLS else "in"
        return replace(titled, summary=_lower_first(summary or summary_of(title, o.kind, connector, _by(titled), place)))


def distinct(operations: list[Operation], by_hand: Iterable[str]) -> list[Operation]:
    """Within a connector no two operations keep the same title: the less important one gets its operation name in parentheses."""
    kept = set(by_hand)
    taken: dict[tuple[str, str], int] = defaultdict(int)
    for o in operations:
        if o.id in kept:
            taken[o.connector, o.title] += 1
    out = []
    for o in operations:
        if o.id not in kept:
            if taken[o.connector, o.title]:
                o = replace(o, title=f"{o.title} ({o.name})")
            taken[o.connector, o.title] += 1
        out.append(o)
    return out


def build(facts_dir: Path, wording_dir: Path, titles: Path = TITLES) -> tuple[list[Connector], list[Operation]]:
    facts = read_rows(facts_dir / "facts.jsonl.gz")
    sure = {(f["connector"], f["operation"]) for f in read_rows(facts_dir / "facts_exact.jsonl.gz")}
    wording = {w["operation"]: w for w in read_rows(wording_dir / "operations.jsonl")}
    nicknames = json.loads((wording_dir / "connectors.json").read_text(encoding="utf-8"))
    by_hand = {**wording, **{w["operation"]: w for w in (read_rows(titles) if titles.exists() else [])}}
    connector_titles = {f["connector"]: f["title"] for f in facts}
    roles = Roles(wording)
    words = Words(by_hand, connector_titles)
    operations = [
        words.apply(operation(f, wording.get(f"{f['connector']}.{f['operation']}", {}), roles, (f["connector"], f["operation"]) in sure))
        for f in facts
    ]
    guessed = {f["connector"] for f in facts if f.get("connector_name_confidence")}
    connectors = [Connector(c, t, tuple(nicknames.get(c, {}).get("nicknames", ())), c not in guessed) for c, t in connector_titles.items()]
    return connectors, distinct(operations, by_hand)


def write_builtin(connectors: list[Connector], operations: list[Operation], path: Path) -> int:
    """Writes the shipped file and returns its size; no time stamp and no file name inside, so equal input gives equal bytes."""
    lines = [*(connector_line(c) for c in connectors), *(dump(operation_row(o)) for o in operations)]
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
    path.write_bytes(packed)
    return len(packed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nl2dsl.catalog.build", description="Build the catalog that ships with the package.")
    parser.add_argument("facts_dir", type=Path)
    parser.add_argument("wording_dir", type=Path)
    parser.add_argument("--titles", type=Path, default=TITLES, help="titles and summaries written by hand (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=BUILTIN)
    args = parser.parse_args()
    connectors, operations = build(args.facts_dir, args.wording_dir, args.titles)
    size = write_builtin(connectors, operations, args.output)
    print(f"{len(operations)} operations of {len(connectors)} connectors, {size:,} bytes in {args.output}")


if __name__ == "__main__":
    main()
