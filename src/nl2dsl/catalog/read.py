"""Reads catalogs: the one that ships with the package, and the files people bring.

In: catalog files (our own lines, see `rows.py`), JSON lines `{"id", "description"}`, OpenAPI 2/3 files (JSON or YAML), MCP tool lists, folders and archives of these; `.gz`
anywhere. Out: a `Catalog`. `load` raises `CatalogError` for a file that is not a catalog at all, with its name, line and what to do; `gather` goes on and reports it. A
broken line among good ones is left out and told in `Catalog.warnings`, because one bad line must not take a service's catalog of thousands down.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nl2dsl.catalog.lenient import read_json, read_yaml, whole
from nl2dsl.catalog.mcp import import_tools, tools_of
from nl2dsl.catalog.model import Catalog, Connector, Operation, Output, Parameter, split_id
from nl2dsl.catalog.naming import acts, kind_of, parameter_title, role_of, title_of
from nl2dsl.catalog.openapi import Found, import_document, is_openapi
from nl2dsl.catalog.rows import Rows, connector_line, lines_of
from nl2dsl.catalog.schemas import mapping
from nl2dsl.errors import CatalogError

if TYPE_CHECKING:
    from nl2dsl.catalog.sources import Source

_BUILTIN = Path(__file__).with_name("builtin.jsonl.gz")
FAILED = "the importer failed on it"
_KINDS = {"trigger", "action", "any"}
_TYPES = {"string", "integer", "number", "boolean", "array", "object", "any", "file"}
_SHAPE = 'each line should be an object such as {"id": "shared_x.Get", "description": "gets one row"}'
_TEXT_KEYS = ("title", "summary", "description", "flow_type", "definition_type", "definition_kind", "split", "method", "path")
_FLAG_KEYS = ("batch", "deprecated", "internal", "verified")


@dataclass
class Gathering:
    """What reading has gathered so far; later entries replace earlier ones of the same id."""

    name: str = ""  # the id of the connector, where the person gives it
    operations: dict[str, Operation] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    documents: dict[str, Found] = field(default_factory=dict)
    guessed: set[str] = field(default_factory=set)  # operations of lines that say no kind and show none

    def claimed(self, read: Found) -> Found:
        """The document under a connector id of its own: two files may both be called after `api.json`, or after folders that differ in case only."""
        connector, number = read.connector, 1
        while (other := self.documents.get(connector.name)) is not None:
            if other.operations == read.operations:
                read.warnings.append(f"the same as what became `{connector.name}`")
                return other._replace(warnings=read.warnings)
            number += 1
            connector = replace(read.connector, name=f"{read.connector.name}_{number}")
            renamed = [replace(o, connector=connector.name) for o in read.operations]
            read = Found(read.connector, renamed, read.warnings)
        if number > 1:
            read.warnings.append(f"the name `{read.connector.name}` is taken, this connector is called `{connector.name}`")
        self.documents[connector.name] = Found(connector, read.operations, read.warnings)
        return self.documents[connector.name]

    def add(self, operation: Operation, where: str) -> None:
        if self.operations.get(operation.id, operation) != operation:
            self.warnings.append(f"{where}: `{operation.id}` occurs twice, the last one counts")
        self.operations[operation.id] = operation

    def settle(self) -> None:
        """In a list that knows triggers, a line that says what is done means an action; one that does not may still be either."""
        if any(o.kind == "trigger" for o in self.operations.values()):
            doing = (o for id in self.guessed if (o := self.operations[id]).kind == "any" and acts(id, o.summary))
            self.operations |= {o.id: replace(o, kind="action") for o in doing}


@lru_cache(maxsize=1)
def builtin() -> Catalog:
    """The catalog that ships with the package."""
    return Catalog(*_shipped())


@lru_cache(maxsize=1)
def _shipped() -> tuple[Rows, list[Connector]]:
    try:
        lines = gzip.decompress(_BUILTIN.read_bytes()).decode().splitlines()
    except (OSError, EOFError, ValueError, zlib.error) as e:
        raise CatalogError(f"the built-in catalog {_BUILTIN} cannot be read: {e}", "install the package again") from e
    heads = [json.loads(line) for line in lines if line.startswith('{"connector":')]
    rows = Rows(line for line in lines if line.startswith('{"id":'))
    return rows, [Connector(h["connector"], h["title"], tuple(h.get("nicknames", ())), h.get("verified", True)) for h in heads]


def load(paths: Iterable[str | Path] | str | Path, with_builtin: bool = False) -> Catalog:
    """All catalogs at `paths` as one; with the built-in one below them if asked, so that an own entry of the same id wins.

    A file that was named and holds no operation raises; one in a folder or archive is told in the warnings, unless there is no other.
    """
    found = Gathering()
    for path in [paths] if isinstance(paths, (str, Path)) else paths:
        reports = read_path(path, found, iter)
        refused = [r for r in reports if r.reason]
        if len(refused) == len(reports):
            raise CatalogError(refused[0].reason, refused[0].hint)
        found.warnings.extend(r.reason for r in refused)
    return _catalog_of(found, with_builtin)


def from_rows(rows: Iterable[Mapping[str, Any]], name: str) -> Catalog:
    """The catalog of lines that are at hand already, such as `{"id", "description"}`; `name` is what warnings call them."""
    found = Gathering()
    for number, row in enumerate(rows, 1):
        _read_row(row, f"{name}: entry {number}", found)
    found.settle()
    return _catalog_of(found, False)


class Report(NamedTuple):
    """What became of one file: how many operations of which connectors, or the `reason` (with the file's name) why there are none.

    `aside` marks a file in a folder or archive that is readable and simply something else.
    """

    name: str
    connectors: tuple[str, ...] = ()
    operations: int = 0
    warnings: tuple[str, ...] = ()
    reason: str = ""
    hint: str = ""
    aside: bool = False


class Gathered(NamedTuple):
    """A catalog, and what became of each file."""

    catalog: Catalog
    reports: list[Report]


def gather(
    paths: Iterable[str | Path], with_builtin: bool = False, name: str = "", watch: Callable[[list[Source]], Iterable[Source]] = iter
) -> Gathered:
    """Everything that can be read at `paths` as one catalog; what cannot is a report, never an exception. `name` is the id of the connector,
    `watch` passes the sources on one by one, for a progress bar."""
    found = Gathering(name)
    reports = [report for path in paths for report in read_path(path, found, watch)]
    return Gathered(_catalog_of(found, with_builtin), reports)


def _catalog_of(found: Gathering, with_builtin: bool) -> Catalog:
    if not with_builtin:
        return Catalog(found.operations, found.connectors.values(), found.warnings)
    rows, connectors = _shipped()
    return Catalog(rows.under(found.operations), [*connectors, *found.connectors.values()], found.warnings)


PLATFORM = ("commonTrigger", "builtin")


def with_platform(catalog: Catalog) -> Catalog:
    """The catalog and, below it, what every platform has whatever its connectors: schedule, button and request triggers, delays, responses, data operations."""
    rows, connectors = _shipped()
    own = {o.id: o for o in catalog}
    platform = {id: rows[id] for id in rows if id.split(".", 1)[0] in PLATFORM and id not in own}
    named = [c for c in connectors if c.name in PLATFORM and c.name not in catalog.connectors]
    return Catalog({**platform, **own}, [*named, *catalog.connectors.values()], catalog.warnings)


def chosen(paths: Iterable[str | Path], with_builtin: bool = False) -> Catalog:
    """The catalog a recipe names, with the platform's own below it; the built-in one when it names none."""
    named = list(paths)
    return with_platform(load(named, with_builtin)) if named else builtin()


def write(catalog: Catalog, path: str | Path) -> None:
    """Writes a catalog as our own lines, packed if the name ends in `.gz`; `load` gives it back with the same digest."""
    path = Path(path)
    data = ("\n".join([*(connector_line(c) for c in catalog.connectors.values()), *lines_of(catalog.operations)]) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)
    except OSError as e:
        raise CatalogError(f"{path}: cannot be written: {e.strerror or e}") from e


# --- files


def read_path(path: str | Path, found: Gathering, watch: Callable[[list[Source]], Iterable[Source]]) -> list[Report]:
    """Reads all files behind a path into what was found, and says what became of each."""
    from nl2dsl.catalog.sources import sources  # brings the archive formats along, which commands on the built-in catalog never need

    try:
        with sources(path) as files:
            return [_read_source(source, found) for source in watch(files)]
    except CatalogError as e:
        return [Report(str(path), reason=str(e), hint=e.hint)]


def _read_source(source: Source, found: Gathering) -> Report:
    """Reads one file into what was found, all of it or, when it is refused, nothing."""
    fresh = Gathering(found.name, documents=found.documents)
    try:
        read_file(source, fresh)
    except _NoCatalog as e:
        return Report(source.name, reason=str(e), hint=e.hint, aside=not source.given)
    except CatalogError as e:
        return Report(source.name, reason=_with_name(str(e), source.name), hint=e.hint)
    except RecursionError:
        return Report(source.name, reason=f"{source.name}: nested too deeply", hint="is it a catalog?")
    except Exception as e:  # nothing is known to come here; a thousand other files shall not be lost for the one that does
        return Report(source.name, reason=f"{source.name}: {FAILED}: {type(e).__name__}: {e}", hint="please report it, with the file")
    if not fresh.operations:
        hint = "its `paths` hold no operation" if fresh.connectors else _SHAPE
        return Report(source.name, reason=fresh.warnings[0] if fresh.warnings else f"{source.name}: no operation in it", hint=hint)
    fresh.settle()
    for operation in fresh.operations.values():
        found.add(operation, source.name)
    found.connectors.update(fresh.connectors)
    found.warnings.extend(fresh.warnings)
    connectors = tuple(dict.fromkeys(o.connector for o in fresh.operations.values()))
    return Report(source.name, connectors, len(fresh.operations), tuple(fresh.warnings))


def _with_name(reason: str, name: str) -> str:
    return reason if reason.startswith(name) else f"{name}: {reason}"


class _NoCatalog(CatalogError):
    """A readable document that is something else."""


def read_file(source: Source, found: Gathering) -> None:
    """Reads one file, whatever it is. Raises `CatalogError`."""
    text = source.text()
    if not text.strip():
        raise CatalogError(f"{source.name}: the file is empty", _SHAPE)
    if _is_lines(text, source.suffix):
        _read_lines(text, source, found)
        return
    if (source.suffix in (".yaml", ".yml") and text.lstrip()[:1] not in "{[") or _YAML.match(text):
        document, notes = read_yaml(text, source.name)
    else:
        document, notes = read_json(text, source.name)
    found.warnings.extend(f"{source.name}: {note}" for note in notes)
    _read_document(document, source, found)


_YAML = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n|---[^\n]*\n)*(?:swagger|openapi)[ \t]*:")  # every line in one way only, so that it cannot take long


def _is_lines(text: str, suffix: str) -> bool:
    """A value a line, rather than one value over many lines."""
    first, _, rest = text.strip().partition("\n")
    if suffix == ".jsonl":
        return bool(rest) or not _is_json(first)
    return suffix not in (".yaml", ".yml") and bool(rest) and _is_json(first)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line, strict=False), (dict, list))
    except (ValueError, RecursionError):
        return False


def _read_document(document: object, source: Source, found: Gathering) -> None:
    """A whole JSON or YAML value: an OpenAPI description, a tool list, a list of rows, or one row."""
    if is_openapi(document):
        assert isinstance(document, Mapping)
        read = import_document(document, source.path, found.name)
    elif (tools := tools_of(document)) is not None:
        read = import_tools(document, tools, source.path, found.name)
    else:
        _read_entries(document, source, found)
        return
    connector, operations, warnings = found.claimed(read)
    found.connectors[connector.name] = connector
    found.warnings.extend(f"{source.name}: {w}" for w in warnings)
    for operation in operations:
        found.add(operation, source.name)


def _read_entries(document: object, source: Source, found: Gathering) -> None:
    rows = document if isinstance(document, list) else document.get("operations", [document]) if isinstance(document, Mapping) else None
    if not isinstance(rows, list) or not any(isinstance(r, Mapping) and ("id" in r or "connector" in r) for r in rows):
        what = next((what for keys, what in _OTHERS if isinstance(document, Mapping) and keys <= document.keys()), "")
        told = f"this is {what}" if what else "the document is neither an OpenAPI description nor a list of tools or operations"
        raise _NoCatalog(f"{source.name}: not a catalog: {told}", _INSTEAD.get(what, _SHAPE))
    for number, row in enumerate(rows, 1):
        _read_row(row, f"{source.name}: entry {number}", found)


# Founds that lie beside descriptions of APIs, by keys that only they have.
_OTHERS: list[tuple[set[str], str]] = [
    ({"info", "item"}, "a Postman collection"),
    ({"asyncapi"}, "an AsyncAPI description"),
    ({"swaggerVersion"}, "a description of Swagger 1"),
    ({"discoveryVersion"}, "a Google discovery document"),
    ({"properties", "$schema"}, "a JSON schema"),
    ({"definition"}, "a workflow"),
    ({"actions", "triggers"}, "a workflow"),
    ({"resources", "$schema"}, "a deployment template"),
    ({"properties"}, "the settings of a connector"),
    ({"name", "version"}, "a package"),
]
_INSTEAD = {
    **dict.fromkeys(("a Postman collection", "a description of Swagger 1", "a Google discovery document"), "export it as OpenAPI"),
    "an AsyncAPI description": "it tells of messages, and flows call operations: give the OpenAPI description of the same service",
    "a workflow": "nl2dsl decompile makes a flow of it",
    "the settings of a connector": "its operations are in apiDefinition.swagger.json",
}


def _read_lines(text: str, source: Source, found: Gathering) -> None:
    answers: list[object] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{source.name}:{number}"
        try:
            row = json.loads(line, strict=False)
            row = whole(row) if "\\u" in line else row
        except (ValueError, RecursionError) as e:
            found.warnings.append(f"{where}: not JSON: {getattr(e, 'msg', 'nested too deeply')}")
            continue
        if tools_of(row) or "jsonrpc" in mapping(row):
            answers.append(row)
        else:
            _read_row(row, where, found)
    if answers:
        _read_document(answers, source, found)


# --- rows


def _read_row(row: object, where: str, found: Gathering) -> None:
    try:
        if isinstance(row, Mapping) and "id" not in row and isinstance(row.get("connector"), str):
            found.connectors[row["connector"]] = Connector(
                row["connector"], str(row.get("title") or row["connector"]), _texts(row, "nicknames"), row.get("verified") is not False
            )
        else:
            operation = operation_of_row(row)
            found.add(operation, where)
            if operation.kind == "any" and isinstance(row, Mapping) and "kind" not in row:
                found.guessed.add(operation.id)
    except CatalogError as e:
        found.warnings.append(f"{where}: {e}")


def _texts(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = row.get(key) or []
    if not isinstance(given, list) or not all(isinstance(v, (str, int, float, bool)) for v in given):
        raise CatalogError(f"`{key}` is not a list of texts")
    return tuple(json.dumps(v) if isinstance(v, bool) else str(v) for v in given)


def operation_of_row(row: object) -> Operation:
    """An operation from a line somebody wrote: `id` is needed, everything else is filled by rule; CatalogError says what is wrong."""
    if not isinstance(row, Mapping):
        raise CatalogError("not an object")
    id = row.get("id")
    if not isinstance(id, str) or not id.strip():
        raise CatalogError("`id` is missing or not a text")
    if re.search(r"[\x00-\x1f`\"]", id):
        raise CatalogError("`id` holds a quote, a backtick or a control character")
    for key in _TEXT_KEYS:
        if not isinstance(row.get(key, ""), (str, type(None))):
            raise CatalogError(f"`{key}` is not a text")
    connector, name = split_id(id.strip())
    description = row.get("description") or row.get("summary") or ""
    kind = row.get("kind") or kind_of(id, description)
    if kind not in _KINDS:
        raise CatalogError(f"`kind` is {kind!r}, not trigger, action or any")
    return Operation(
        connector,
        name,
        kind,
        title=_line(row.get("title") or title_of(name, kind)),
        summary=_line(row.get("summary") or _first_sentence(description)),
        parameters=_unique(parameter_of_row(p) for p in _objects(row, "parameters")),
        outputs=tuple(_output_of_row(o) for o in _objects(row, "outputs")),
        flow_type=row.get("flow_type", "OpenApiConnection"),
        definition_type=row.get("definition_type") or "",
        definition_kind=row.get("definition_kind") or "",
        split=row.get("split", "value"),
        method=row.get("method") or "",
        path=row.get("path") or "",
        visibility=row["visibility"] if row.get("visibility") in ("important", "advanced") else "",
        **{k: bool(row[k]) for k in _FLAG_KEYS if k in row},
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _first_sentence(text: str, limit: int = 200) -> str:
    """The first sentence of a description, or as many whole words as fit."""
    plain = _line(text)
    end = re.search(r"(?<=[a-z)\]\"'])[.!?](?=\s+[A-Z])", plain)
    plain = plain[: end.start()] if end and end.start() >= 12 else plain
    return plain if len(plain) <= limit else plain[:limit].rsplit(" ", 1)[0] + " …"


def _objects(row: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a list of objects; a bare name stands for an object with only that name, a mapping is read as a JSON schema's properties."""
    given = row.get(key) or []
    if isinstance(given, Mapping):
        properties = given.get("properties", given)
        needed = given["required"] if isinstance(given.get("required"), list) else []
        if not isinstance(properties, Mapping):
            raise CatalogError(f"`{key}` is not a list")
        given = [
            {**v, "name": k, "required": k in needed or v.get("required") is True} if isinstance(v, Mapping) else {"name": k}
            for k, v in properties.items()
        ]
    if not isinstance(given, list):
        raise CatalogError(f"`{key}` is not a list")
    for entry in given:
        entry = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise CatalogError(f"an entry of `{key}` has no `name`")
        yield entry


def _unique(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    return tuple({p.name: p for p in parameters}.values())


def parameter_of_row(row: Mapping[str, Any]) -> Parameter:
    name, enum = row["name"], _texts(row, "enum")
    type = row.get("type", "string")
    type = type if isinstance(type, str) and type in _TYPES else "any"
    format = row.get("format") if isinstance(row.get("format"), str) else ""
    default = row.get("default")
    return Parameter(
        name,
        type,
        required=row.get("required") is True,
        title=_line(str(row.get("title") or parameter_title(name))),
        enum=enum,
        default=default if isinstance(default, (str, int, float, bool)) else None,
        format=format or "",
        open=row.get("open") is True,
        internal=row.get("internal") is True,
        role=str(row["role"] if "role" in row else role_of(name, type, format or "", bool(enum))),
        visibility=row["visibility"] if row.get("visibility") in ("important", "advanced") else "",
        dynamic=_texts(row, "dynamic"),
        items=row["items"] if isinstance(row.get("items"), str) and row["items"] in _TYPES else "",
        place=row["place"] if row.get("place") in ("path", "twice", "query", "header") else "",
    )


def _output_of_row(row: Mapping[str, Any]) -> Output:
    return Output(row["name"], str(row.get("role") or ""), str(row.get("type") or "any"))
