"""Catalog rows: one JSON object a line for one connector or one operation, read lazily.

In and out: lines such as `{"id":"shared_x.Get","kind":"action","title":"Get a row","parameters":[{"name":"id","required":true}]}` and
`{"connector":"shared_x","title":"X","nicknames":["the X thing"]}`; fields with their default value are left out, keys keep the order of the
dataclass. A line that starts with `{"id":"` can be indexed without parsing it, which is why the built-in catalog opens in a few milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from nl2dsl.catalog.model import Connector, Operation, Output, Parameter, split_id

_ID = '{"id":"'
_PARAMETER = {f.name: f.default for f in fields(Parameter)}
_OUTPUT = {f.name: f.default for f in fields(Output)}
_OPERATION = {f.name: f.default for f in fields(Operation) if f.name not in ("connector", "name", "parameters", "outputs")}


def dump(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _changed(value: object, defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {k: getattr(value, k) for k, default in defaults.items() if default is MISSING or getattr(value, k) != default}


def operation_row(o: Operation) -> dict[str, Any]:
    row: dict[str, Any] = {"id": o.id, **_changed(o, _OPERATION)}
    if o.parameters:
        row["parameters"] = [_changed(p, _PARAMETER) for p in o.parameters]
    if o.outputs:
        row["outputs"] = [_changed(p, _OUTPUT) for p in o.outputs]
    return row


def connector_line(c: Connector) -> str:
    row: dict[str, Any] = {"connector": c.name, "title": c.title}
    if c.nicknames:
        row["nicknames"] = c.nicknames
    if not c.verified:
        row["verified"] = False
    return dump(row)


def parameter_of(row: Mapping[str, Any]) -> Parameter:
    given = dict(row)
    given["enum"] = tuple(given.get("enum", ()))
    if "dynamic" in given:
        given["dynamic"] = tuple(given["dynamic"])
    return Parameter(**given)


def operation_of(row: Mapping[str, Any]) -> Operation:
    """An operation from a row in the shape `operation_row` makes; foreign rows go through `read.py`, which checks them first."""
    given = dict(row)
    connector, name = split_id(given.pop("id"))
    given["parameters"] = tuple(parameter_of(p) for p in given.get("parameters", ()))
    given["outputs"] = tuple(Output(**o) for o in given.get("outputs", ()))
    return Operation(connector, name, **given)


class Rows(Mapping[str, Operation]):
    """Operations by id, each built from its line when first asked for. The lines must be canonical, that is written by `write` or `build`."""

    def __init__(self, lines: Iterable[str]) -> None:
        start = len(_ID)
        self._lines: dict[str, str] = {line[start : line.index('"', start)]: line for line in lines}
        self._built: dict[str, Operation] = {}

    def __getitem__(self, id: str) -> Operation:
        built = self._built.get(id)
        if built is None:
            built = self._built[id] = operation_of(json.loads(self._lines[id]))
        return built

    def __contains__(self, id: object) -> bool:
        return id in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def under(self, own: Mapping[str, Operation]) -> Rows:
        """These operations with others laid over them."""
        rows = Rows(())
        rows._lines = {**self._lines, **{id: dump(operation_row(o)) for id, o in own.items()}}
        rows._built = {**self._built, **own}
        return rows

    def lines(self) -> Iterable[str]:
        return self._lines.values()


def lines_of(operations: Mapping[str, Operation]) -> Iterable[str]:
    """The canonical line of every operation."""
    if isinstance(operations, Rows):
        return operations.lines()
    return [dump(operation_row(o)) for o in operations.values()]
