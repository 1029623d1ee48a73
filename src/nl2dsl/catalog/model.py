"""What a flow may call: connectors, operations, parameters, and the catalog that finds them by name.

In: rows of facts (see `read.py`). Out: frozen dataclasses and a `Catalog` with exact look-up and nearest names. Nothing here reads files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

_CONNECTOR = re.compile(r"[A-Za-z_$][\w$-]*\Z")


def split_id(id: str) -> tuple[str, str]:
    """Connector and operation name: split at the first dot if the left part is an identifier, else connector ""."""
    left, dot, right = id.partition(".")
    return (left, right) if dot and right and _CONNECTOR.match(left) else ("", id)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of a call, exactly as under `inputs.parameters` (`"emailMessage/To"`).

    `type` is string | integer | number | boolean | array | object | any | file; `open` means that keys `name/<anything>` are accepted because the
    children are known only at run time (list columns, table rows); `role` is what the value means (`person_email`, `list`, `text` ...; ''
    unknown); `visibility` is important | advanced | '' as a designer shows it (hidden ones are `internal`); `dynamic` names what the designer
    asks the service for (values, list, schema, properties, tree): any text may stand there; `items` is the type of an array's items; `place`
    is where a request has it: path, twice (in the path, encoded two times), query, header; '' in the body, or not known.
    """

    name: str
    type: str = "string"
    required: bool = False
    title: str = ""
    enum: tuple[str, ...] = ()
    default: str | int | float | bool | None = None
    format: str = ""
    open: bool = False
    internal: bool = False
    role: str = ""
    visibility: str = ""
    dynamic: tuple[str, ...] = ()
    items: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One field of an operation's result: path below the body (`value`, `from`, `body/outcome`), and its role."""

    name: str
    role: str = ""
    type: str = "any"


@dataclass(frozen=True, slots=True)
class Operation:
    """One callable thing. `kind` is trigger | action | any (a foreign catalog may not say).

    `batch` marks a trigger that delivers a list and is split on; `split` is the key of that list below the body, "" where the body is the list itself,
    None where there is none; `method` and `path` (with `{parameters}`) are those of its request, '' where they are not known;
    `definition_type`/`definition_kind` are those of built-ins; `verified` is False when the id is likely but not sure.
    """

    connector: str
    name: str
    kind: str
    title: str = ""
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[Output, ...] = ()
    flow_type: str = "OpenApiConnection"
    definition_type: str = ""
    definition_kind: str = ""
    batch: bool = False
    split: str | None = "value"
    method: str = ""
    path: str = ""
    deprecated: bool = False
    internal: bool = False
    verified: bool = True
    visibility: str = ""

    @property
    def id(self) -> str:
        return f"{self.connector}.{self.name}" if self.connector else self.name

    def parameter(self, key: str) -> Parameter | None:
        """The parameter a key belongs to: itself, or the open object it is a child of."""
        best: Parameter | None = None
        for p in self.parameters:
            if p.name == key:
                return p
            if p.open and key.startswith(p.name + "/") and (best is None or len(p.name) > len(best.name)):
                best = p
        return best


@dataclass(frozen=True, slots=True)
class Connector:
    name: str
    title: str
    nicknames: tuple[str, ...] = ()
    verified: bool = True


class Catalog:
    """All connectors and operations a flow may use, in a fixed order; `digest` identifies the content.

    `operations` may be a mapping that makes its values when they are asked for (`rows.Rows`), so ids are looked at without building every operation.
    `warnings` tells what a reader left out.
    """

    def __init__(
        self, operations: Mapping[str, Operation] | Iterable[Operation], connectors: Iterable[Connector] = (), warnings: Iterable[str] = ()
    ) -> None:
        self.operations: Mapping[str, Operation] = operations if isinstance(operations, Mapping) else {o.id: o for o in operations}
        self.connectors: dict[str, Connector] = {c.name: c for c in connectors}
        self.warnings: tuple[str, ...] = tuple(warnings)
        self._ids: dict[str, list[str]] = {}
        for id in self.operations:
            self._ids.setdefault(split_id(id)[0], []).append(id)
        for name in self._ids:
            self.connectors.setdefault(name, Connector(name, name.removeprefix("shared_")))

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations.values())

    def __contains__(self, id: object) -> bool:
        return id in self.operations

    def get(self, id: str) -> Operation | None:
        return self.operations.get(id)

    def ids(self, connector: str) -> list[str]:
        """Operation ids of one connector, without building the operations."""
        return self._ids.get(connector, [])

    def of(self, connector: str) -> list[Operation]:
        return [self.operations[id] for id in self.ids(connector)]

    def nearest(self, id: str, n: int = 3) -> list[str]:
        """Operation ids whose spelling is close to `id`, those of the same connector first."""
        connector, name = split_id(id)
        names = {split_id(i)[1]: i for i in self.ids(connector)}
        same = [names[m] for m in get_close_matches(name, names, n=n, cutoff=0.5)]
        return same or get_close_matches(id, list(self.operations), n=n, cutoff=0.6)

    @cached_property
    def digest(self) -> str:
        """sha256 over connectors and operations, the same for the same content in whatever order and from whatever file it came."""
        from nl2dsl.catalog.rows import connector_line, lines_of  # rows know these classes, so only here

        lines = [*sorted(connector_line(c) for c in self.connectors.values()), *sorted(lines_of(self.operations))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
