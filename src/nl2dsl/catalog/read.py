"""Reads catalogs: the one that ships with the package, and the files people bring.

In: catalog files (our own lines, see `rows.py`), JSON lines `{"id", "description"}`, OpenAPI 2/3 files (JSON, or YAML where pyyaml is installed),
folders of these; `.gz` anywhere. Out: a `Catalog`. A file that is not a catalog at all raises `CatalogError` with its name, line and what to do;
a broken line among good ones is left out and told in `Catalog.warnings`, because one bad line must not take a service's catalog of thousands
down. A file that yields no operation raises.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from nl2dsl.catalog.model import Catalog, Connector, Operation, Output, Parameter, split_id
from nl2dsl.catalog.naming import kind_of, parameter_title, role_of, title_of
from nl2dsl.catalog.openapi import import_document
from nl2dsl.catalog.rows import Rows, connector_line, lines_of
from nl2dsl.errors import CatalogError

_BUILTIN = Path(__file__).with_name("builtin.jsonl.gz")
_SUFFIXES = (".jsonl", ".json", ".yaml", ".yml", ".jsonl.gz", ".json.gz")
_KINDS = {"trigger", "action", "any"}
_TYPES = {"string", "integer", "number", "boolean", "array", "object", "any", "file"}
_SHAPE = 'each line should be an object such as {"id": "shared_x.Get", "description": "gets one row"}'
_TEXT_KEYS = ("title", "summary", "description", "flow_type", "definition_type", "definition_kind")
_FLAG_KEYS = ("batch", "deprecated", "internal", "verified")


@dataclass
class _Found:
    """What reading has gathered so far; later entries replace earlier ones of the same id."""

    operations: dict[str, Operation] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, operation: Operation, where: str) -> None:
        if operation.id in self.operations:
            self.warnings.append(f"{where}: `{operation.id}` occurs twice, the last one counts")
        self.operations[operation.id] = operation


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
    """All catalogs at `paths` as one; with the built-in one below them if asked, so that an own entry of the same id wins."""
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found = _Found()
    for path in paths:
        _read_path(Path(path), found)
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


def _read_path(path: Path, found: _Found) -> None:
    if path.is_dir():
        _read_folder(path, found)
        return
    before = len(found.operations)
    fresh = _Found()
    _read_file(path, fresh)
    if not fresh.operations:
        hint = "its `paths` hold no operation" if fresh.connectors else _SHAPE
        raise CatalogError(fresh.warnings[0] if fresh.warnings else f"{path}: no operation in it", hint)
    _merge(fresh, found, str(path) if before else "")


def _merge(fresh: _Found, found: _Found, where: str) -> None:
    for operation in fresh.operations.values():
        found.add(operation, where)
    found.connectors.update(fresh.connectors)
    found.warnings.extend(fresh.warnings)


def _read_folder(folder: Path, found: _Found) -> None:
    """Every catalog file below a folder; files that are none are told in the warnings."""
    count = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name.endswith(_SUFFIXES)):
        try:
            _read_path(path, found)
            count += 1
        except CatalogError as e:
            found.warnings.append(str(e))
    if not count:
        raise CatalogError(f"{folder}: no catalog file in it", f"a folder should hold files ending in {', '.join(_SUFFIXES)}")


def _read_file(path: Path, found: _Found) -> None:
    text = _text(path)
    if not text.strip():
        raise CatalogError(f"{path}: the file is empty", _SHAPE)
    if path.name.endswith((".yaml", ".yml")):
        _read_document(_yaml(text, path), path, found)
        return
    document = _whole_json(text)
    if document is None and not path.name.endswith((".jsonl", ".jsonl.gz")) and _looks_like_document(text):
        document = _repaired_json(text, path)
    if document is not None:
        _read_document(document, path, found)
    else:
        _read_lines(text, path, found)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise CatalogError(f"{path}: no such file or folder", "give a catalog file, a folder, an OpenAPI file or JSON lines") from None
    except (OSError, EOFError, zlib.error) as e:
        raise CatalogError(f"{path}: cannot be read: {e}", "is it complete and readable?") from e
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CatalogError(f"{path}: is not a text file", "save it as UTF-8")


def _whole_json(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return None
    except RecursionError:
        raise CatalogError("a JSON document is nested too deeply", "is it a catalog?") from None


def _looks_like_document(text: str) -> bool:
    """One JSON value over many lines rather than a value a line."""
    first = text.lstrip().splitlines()[0].strip()
    try:
        json.loads(first)
    except ValueError:
        return first in {"{", "["} or bool(re.match(r'\{\s*"(?:swagger|openapi|info)"', first))
    return False


def _repaired_json(text: str, path: Path) -> object:
    """JSON with trailing commas, which connector files do have."""
    try:
        return json.loads(re.sub(r",(\s*[}\]])", r"\1", text), strict=False)
    except json.JSONDecodeError as e:
        raise CatalogError(f"{path}:{e.lineno}: not JSON: {e.msg}", "check the file with a JSON validator") from e


def _yaml(text: str, path: Path) -> object:
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise CatalogError(f"{path}: YAML needs the package pyyaml", "pip install pyyaml, or convert the file to JSON") from None
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        raise CatalogError(
            f"{path}{f':{mark.line + 1}' if mark else ''}: not YAML: {getattr(e, 'problem', None) or 'syntax error'}", "check the indentation"
        ) from e
    except (ValueError, RecursionError) as e:
        raise CatalogError(f"{path}: not YAML: {e}", "check the file") from e


def _read_document(document: object, path: Path, found: _Found) -> None:
    """A whole JSON or YAML value: an OpenAPI description, a list of rows, or one row."""
    if isinstance(document, Mapping) and ("swagger" in document or "openapi" in document or isinstance(document.get("paths"), Mapping)):
        connector, operations, warnings = import_document(document, path)
        found.connectors[connector.name] = connector
        found.warnings.extend(f"{path}: {w}" for w in warnings)
        for operation in operations:
            found.add(operation, str(path))
        return
    rows = document if isinstance(document, list) else document.get("operations", [document]) if isinstance(document, Mapping) else None
    if not isinstance(rows, list):
        raise CatalogError(f"{path}: not a catalog: the document is neither an OpenAPI description nor a list of operations", _SHAPE)
    for number, row in enumerate(rows, 1):
        _read_row(row, f"{path}: entry {number}", found)


def _read_lines(text: str, path: Path, found: _Found) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line, strict=False)
        except (ValueError, RecursionError) as e:
            found.warnings.append(f"{where}: not JSON: {getattr(e, 'msg', 'nested too deeply')}")
            continue
        _read_row(row, where, found)


# --- rows


def _read_row(row: object, where: str, found: _Found) -> None:
    try:
        if isinstance(row, Mapping) and "id" not in row and isinstance(row.get("connector"), str):
            found.connectors[row["connector"]] = Connector(
                row["connector"], str(row.get("title") or row["connector"]), _texts(row, "nicknames"), row.get("verified") is not False
            )
        else:
            found.add(operation_of_row(row), where)
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
    )


def _output_of_row(row: Mapping[str, Any]) -> Output:
    return Output(row["name"], str(row.get("role") or ""), str(row.get("type") or "any"))
