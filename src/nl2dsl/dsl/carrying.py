"""What travels with a flow text without being part of it: the flow's name, its connection references, and what stood around its definition.

In: a `Found` definition. Out: its flow, with `@@name`, `@@references` and `@@around` where there is something to carry. The writers of packages and Logic Apps
read these annotations again. What worked where it comes from is passed on unchecked: a call that the catalog does not know, or not with its keys, says its type, and functions that
are not known, or not with such arguments, are listed in `@@functions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.read import builtin
from nl2dsl.dsl import checker, definition, wire
from nl2dsl.dsl.action_names import ANNOTATIONS, allocate, notes_of, slot_of, unique
from nl2dsl.dsl.connections import unmade
from nl2dsl.dsl.flowfiles import Found
from nl2dsl.dsl.tree import Annotation, Call, Case, Flow, Literal, Span, Statement, walk

_LONGEST = 80  # characters of a file name


def flow_of(found: Found, catalog: Catalog | None = None) -> Flow:
    """The flow of a definition and all that came with it. Raises `UsageError` for JSON that is no definition."""
    catalog = catalog if catalog is not None else builtin()
    flow = _vouched(definition.decompile(found.definition, catalog), catalog)
    carried = []
    if found.name:
        carried.append(Annotation("name", (Literal(found.name),)))
    if strange := checker.strange_functions(flow):
        carried.append(Annotation("functions", tuple(map(Literal, strange))))
    for name, value in (("references", unmade(found.connections)), ("around", found.around)):
        if value:
            carried.append(Annotation(name, wire.raw(value)))
    return replace(flow, annotations=(*carried, *flow.annotations))


def _vouched(flow: Flow, catalog: Catalog) -> Flow:
    """The flow with a type at each call that the catalog cannot vouch for."""
    return replace(flow, trigger=_typed(flow.trigger, catalog, wire.write_trigger), steps=_each(flow.steps, catalog))


def _each(value: Any, catalog: Catalog) -> Any:
    """Statements, and what holds statements, with all their calls typed."""
    if isinstance(value, Call):
        return _typed(value, catalog, wire.write_action)
    if isinstance(value, tuple):
        return tuple(_each(part, catalog) for part in value)
    if not isinstance(value, Statement | Case):
        return value
    inside = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in ("annotations", "span")}
    return replace(value, **{name: _each(part, catalog) for name, part in inside.items() if isinstance(part, tuple)})


def _typed(call: Call, catalog: Catalog, write: Callable[..., wire.Json]) -> Call:
    notes = notes_of(call.annotations)
    if "type" in notes or checker.is_known(call, catalog):
        return call
    kind = write(call, notes, catalog, {}).get("type")
    if not isinstance(kind, str):
        return call
    annotations = (*call.annotations, Annotation("type", (Literal(kind),)))
    return replace(call, annotations=tuple(sorted(annotations, key=lambda a: ANNOTATIONS.index(a.name))))


def spans(flow: Flow) -> dict[str, Span]:
    """Where the statement of each action stands, by the action's name."""
    statements = list(walk(flow.steps))
    names = allocate(slot_of(statement) for statement in statements)
    return {name: statement.span for statement, given in zip(statements, names, strict=True) for name in given}


def file_names(found: Iterable[Found]) -> Iterator[str]:
    """A file name for every flow, from what people call it; no two are the same, and none leads elsewhere."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for flow in found:
        stem = re.sub(r"(?:[^\w-]|_)+", "_", flow.name or flow.where.rpartition("!")[2].rpartition("/")[2].removesuffix(".json")).strip("_")
        yield unique(stem[:_LONGEST] or "flow", taken, numbers) + ".flow"
