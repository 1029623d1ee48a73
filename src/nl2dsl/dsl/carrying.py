"""What travels with a flow text without being part of it: the flow's name, its connection references, and what stood around its definition.

In: a `Found` definition. Out: its flow, with `@@name`, `@@references` and `@@around` where there is something to carry. The writers of packages and Logic Apps
read these annotations again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import definition, wire
from nl2dsl.dsl.action_names import allocate, slot_of, unique
from nl2dsl.dsl.connections import unmade
from nl2dsl.dsl.flowfiles import Found
from nl2dsl.dsl.tree import Annotation, Flow, Literal, Span, walk

_LONGEST = 80  # characters of a file name


def flow_of(found: Found, catalog: Catalog | None = None) -> Flow:
    """The flow of a definition and all that came with it. Raises `UsageError` for JSON that is no definition."""
    flow = definition.decompile(found.definition, catalog)
    carried = []
    if found.name:
        carried.append(Annotation("name", (Literal(found.name),)))
    for name, value in (("references", unmade(found.connections)), ("around", found.around)):
        if value:
            carried.append(Annotation(name, wire.raw(value)))
    return replace(flow, annotations=(*carried, *flow.annotations))


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
