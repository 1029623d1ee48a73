"""How operations are called over HTTP: method, path, and which parameter goes where. Azure Logic Apps write this instead of an operation's id. Also what a trigger is split on.

In: an operation; imported ones know their request, for those of the built-in catalog `build_routes.py` made what is shipped: lines `{"id", "method", "path", "twice",
"query", "header", "fixed"}`, and lists by the id of their trigger. Out: a `Route`, or None: a path is known or it is not, none is made up.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from nl2dsl.catalog.model import Operation

_SHIPPED = Path(__file__).with_name("routes.jsonl.gz")
_SPLITS = Path(__file__).with_name("splits.json")
_HOLE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is relative to the connection and holds `{parameter}`s; those in `twice` are encoded two times; parameters that are nowhere else are in the body.

    `fixed` are query values that every call carries.
    """

    method: str
    path: str
    twice: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_path(self) -> tuple[str, ...]:
        return tuple(_HOLE.findall(self.path))


def route_of(id: str, operation: Operation | None = None) -> Route | None:
    """The route of `connector.Operation`: the operation's own, or the shipped one."""
    if operation is not None and operation.path:
        return _own(operation)
    row = _rows().get(id)
    return _route(json.loads(row)) if row else None


def _own(operation: Operation) -> Route:
    twice, query, header = (tuple(p.name for p in operation.parameters if p.place == place) for place in ("twice", "query", "header"))
    return Route(operation.method, operation.path, twice=twice, query=query, header=header)


def split_of(operation: Operation) -> str | None:
    """The list that a batch trigger is split on: its key below the body, "" for the body itself, None where there is none."""
    return _splits().get(operation.id, operation.split)


def _route(row: dict[str, Any]) -> Route:
    lists = {key: tuple(row.get(key, ())) for key in ("twice", "query", "header")}
    return Route(row["method"], row["path"], fixed=row.get("fixed", {}), **lists)


@lru_cache(maxsize=1)
def _rows() -> dict[str, str]:
    lines = gzip.decompress(_SHIPPED.read_bytes()).decode().splitlines()
    return {line[7 : line.index('"', 7)]: line for line in lines}


@lru_cache(maxsize=1)
def _splits() -> dict[str, str]:
    """For triggers of the built-in catalog whose list is not `value`."""
    splits: dict[str, str] = json.loads(_SPLITS.read_text(encoding="utf-8"))
    return splits
