"""What changed between two catalogs, in the terms of somebody who has flows: operations, parameters, values and results that appeared, vanished or mean something else.

In: the old and the new `Catalog`. Out: `Change`s, in the order of their ids; a change is `breaking` when a flow that was right before may be wrong or fail after it. Texts that
only people read (titles, summaries) are no changes. What vanished while something much like it appeared is one change, a likely rename.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from nl2dsl.catalog.model import Catalog, Operation, Output, Parameter, split_id
from nl2dsl.catalog.naming import version_of

_LIKE = 0.6  # of names, from 0 to 1: `CreateItem` and `CreateListItem` are 0.83 alike
_PAIRS = 40_000  # names compared with one another in one connector; beyond that only equal ones are seen as renames
# A value of the first type may be given where the second is asked: flows go on working.
_WIDER = {("integer", "number"), ("integer", "string"), ("number", "string"), ("string", "file")}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `what` is one of the kinds of docs/catalog.md, `parameter` the key or result field or '', `old` and `new` are what it was and is."""

    what: str
    operation: str
    parameter: str = ""
    old: str = ""
    new: str = ""
    breaking: bool = False
    hint: str = ""


def diff(old: Catalog, new: Catalog) -> list[Change]:
    """All changes, sorted by operation; those of an operation that was renamed stand under its new id."""
    gone = [o for o in old if o.id not in new]
    come = [o for o in new if o.id not in old]
    renamed = _renamed_operations(gone, come, old, new)
    found = [c for o in old if (now := new.get(o.id)) is not None and now != o for c in _operation(o, now)]
    for o in gone:
        if o.id in renamed:
            now = renamed[o.id]
            found += [Change("operation renamed", o.id, "", o.id, now.id, not o.internal, f"write `{now.id}`"), *_operation(o, now)]
        else:
            near = new.nearest(o.id, 1) if split_id(o.id)[0] in new.connectors else []
            found.append(
                Change("operation removed", o.id, "", o.title, "", not o.internal, f"the nearest that is left is `{near[0]}`" if near else "")
            )
    taken = {o.id for o in renamed.values()}
    found += [Change("operation added", o.id, "", "", o.title) for o in come if o.id not in taken]
    return sorted(found, key=lambda c: (c.operation, c.what, c.parameter))


# --- operations ----------------------------------------------------------------------------------------------------------------


def _operation(old: Operation, new: Operation) -> Iterator[Change]:
    id = new.id
    if old.kind != new.kind and "any" not in (old.kind, new.kind):
        yield Change("kind changed", id, "", old.kind, new.kind, True)
    if old.flow_type != new.flow_type:
        yield Change("called another way", id, "", old.flow_type, new.flow_type, False, "compile its flows again")
    if old.batch and new.batch and old.split != new.split:
        yield Change("split on another list", id, "", _splits(old.split), _splits(new.split), False, "compile its flows again")
    if old.batch != new.batch:
        one, many = "one by one", "as a list"
        yield Change("delivery changed", id, "", many if old.batch else one, many if new.batch else one, True, "its results are shaped another way")
    for what, was, now, breaks in (
        ("deprecated", old.deprecated, new.deprecated, False),
        ("hidden", old.internal, new.internal, True),
        ("verified", old.verified, new.verified, False),
    ):
        if was != now:
            yield Change(f"now {what}" if now else f"no longer {what}", id, breaking=breaks and now)
    yield from _parameters(id, old, new)
    yield from _outputs(id, old, new)


def _splits(key: str | None) -> str:
    return "nothing" if key is None else key or "the body"


def _outputs(id: str, old: Operation, new: Operation) -> Iterator[Change]:
    was, now = {o.name: o for o in old.outputs}, {o.name: o for o in new.outputs}
    if was and not now:  # nothing is known any more, which is not the same as nothing coming back
        yield Change("results no longer described", id, "", f"{len(was):,} fields", "")
        return
    for name, o in was.items():
        if name not in now:
            yield Change("result removed", id, name or "(the list)", o.type, "", True)
        elif _narrower(now[name], o):
            yield Change("result type changed", id, name or "(the list)", o.type, now[name].type, True)
    for name, o in now.items():
        if name not in was:
            yield Change("result added", id, name or "(the list)", "", o.type)


def _narrower(new: Output, old: Output) -> bool:
    """Whether what comes back can no longer be used as before; any may have been, and may be, that very type."""
    return new.type != old.type and "any" not in (new.type, old.type) and (new.type, old.type) not in _WIDER


# --- parameters ----------------------------------------------------------------------------------------------------------------


def _parameters(id: str, old: Operation, new: Operation) -> Iterator[Change]:
    was, now = {p.name: p for p in old.parameters}, {p.name: p for p in new.parameters}
    gone = [p for p in old.parameters if p.name not in now]
    come = [p for p in new.parameters if p.name not in was]
    renamed = _renamed_parameters(gone, come)
    for p in gone:
        if p.name in renamed:
            to = renamed[p.name]
            yield Change("parameter renamed", id, p.name, p.name, to.name, not p.internal, f"write `{to.name}`")
            yield from _parameter(id, p, to)
        else:
            open_now = new.parameter(p.name)  # its object is known at run time only, so the key may still be right
            yield Change("parameter removed", id, p.name, p.type, "open object" if open_now else "", not p.internal and open_now is None)
    for p in come:
        if p.name not in {to.name for to in renamed.values()}:
            what = "required parameter added" if p.required else "parameter added"
            yield Change(what, id, p.name, "", p.type, p.required and p.default is None)
    for name, p in was.items():
        if name in now and now[name] != p:
            yield from _parameter(id, p, now[name])


def _parameter(id: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    key = new.name
    if old.type != new.type:
        wider = new.type == "any" or (old.type, new.type) in _WIDER
        yield Change("type changed", id, key, old.type, new.type, not wider)
    if old.required != new.required:
        yield Change("now required" if new.required else "no longer required", id, key, breaking=new.required and new.default is None)
    if old.internal != new.internal:
        yield Change("now hidden" if new.internal else "no longer hidden", id, key, breaking=new.internal)
    if old.open != new.open:
        yield Change("any field now" if new.open else "only known fields now", id, key, breaking=old.open)
    yield from _values(id, old, new)
    if old.default != new.default:
        yield Change("default changed", id, key, _shown(old.default), _shown(new.default))
    if old.format != new.format:
        yield Change("format changed", id, key, old.format, new.format)


def _shown(value: str | int | float | bool | None) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _values(id: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    """What became of the fixed values of a key."""
    less, more = [v for v in old.enum if v not in new.enum], [v for v in new.enum if v not in old.enum]
    if more and not old.enum:
        yield Change("fixed values now", id, new.name, "any value", _list(more), True)
    elif less and not new.enum:
        yield Change("any value now", id, new.name, _list(less), "any value")
    else:
        if less:
            likely = [f"`{v}` is likely `{near}` now" for v in less if (near := _most_alike(v, more))]
            yield Change("values removed", id, new.name, _list(less), "", True, "; ".join(likely))
        if more:
            yield Change("values added", id, new.name, "", _list(more))


def _list(values: list[str] | tuple[str, ...]) -> str:
    return ", ".join(values[:6]) + (f" … ({len(values):,})" if len(values) > 6 else "")


# --- what was renamed ----------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """A name without version, case and punctuation: `Get_Items_V2` and `getItems` are the same."""
    return re.sub(r"[^a-z0-9]+", "", version_of(name)[0].lower())


def _alike(a: str, b: str) -> float:
    if a == b:
        return 1.0
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= _LIKE and matcher.quick_ratio() >= _LIKE else 0.0


def _most_alike(word: str, words: list[str]) -> str:
    score, best = max(((_alike(_plain(word), _plain(w)), w) for w in words), default=(0.0, ""))
    return best if score >= _LIKE else ""


def _renamed_operations(gone: list[Operation], come: list[Operation], old: Catalog, new: Catalog) -> dict[str, Operation]:
    """Operations that vanished, with what they are now: likest first, each used once. Of a connector that vanished whole, one with the same operations takes its place."""
    by_connector: dict[str, list[Operation]] = defaultdict(list)
    for o in come:
        by_connector[o.connector].append(o)
    moved = _renamed_connectors({o.connector for o in gone} - set(new.connectors), by_connector, old)
    pairs: list[tuple[float, Operation, Operation]] = []
    for connector in sorted({o.connector for o in gone}):
        before = [o for o in gone if o.connector == connector]
        after = by_connector[moved.get(connector, connector)]
        few = len(before) * len(after) <= _PAIRS
        same: dict[str, list[Operation]] = defaultdict(list)
        for o in after:
            same[_plain(o.name)].append(o)
        for o in before:
            pairs += [(_operations_alike(o, to), o, to) for to in (after if few else same[_plain(o.name)])]
    return _matched(pairs)


def _matched(pairs: list[tuple[float, Operation, Operation]]) -> dict[str, Operation]:
    found: dict[str, Operation] = {}
    taken: set[str] = set()
    for score, o, to in sorted(pairs, key=lambda p: (-p[0], p[1].id, p[2].id)):
        if score >= _LIKE and o.id not in found and to.id not in taken:
            found[o.id] = to
            taken.add(to.id)
    return found


def _operations_alike(a: Operation, b: Operation) -> float:
    """By name; keys in common make it more, or less, likely. A trigger never becomes an action."""
    if a.kind != b.kind and "any" not in (a.kind, b.kind):
        return 0.0
    name = _alike(_plain(a.name), _plain(b.name))
    if not name:
        return 0.0
    keys, others = {p.name for p in a.parameters}, {p.name for p in b.parameters}
    shared = len(keys & others) / len(keys | others) if keys or others else 1.0
    return 0.75 * name + 0.25 * shared


def _renamed_connectors(gone: set[str], come: dict[str, list[Operation]], old: Catalog) -> dict[str, str]:
    """A connector whose operations are all gone, and a new one that has most of them by name."""
    found: dict[str, str] = {}
    for connector in sorted(gone):
        names = {split_id(id)[1] for id in old.ids(connector)}
        shares = sorted(((len(names & {o.name for o in ops}) / len(names), to) for to, ops in come.items() if to not in old.connectors), reverse=True)
        if shares and shares[0][0] >= 0.5:
            found[connector] = shares[0][1]
    return found


def _renamed_parameters(gone: list[Parameter], come: list[Parameter]) -> dict[str, Parameter]:
    """Keys that vanished, with what they are called now: the same last step (`body/To`, `emailMessage/To`) first, then the likest names of one type."""
    pairs: list[tuple[float, str, str]] = []
    names = {p.name: p for p in come}
    if len(gone) * len(come) <= _PAIRS:
        for p in gone:
            for to in come:
                if p.type == to.type or "any" in (p.type, to.type):
                    leaf = _alike(_plain(p.name.rsplit("/", 1)[-1]), _plain(to.name.rsplit("/", 1)[-1]))
                    pairs.append((0.9 * leaf + 0.1 * _alike(p.name, to.name), p.name, to.name))
    found: dict[str, Parameter] = {}
    taken: set[str] = set()
    for score, name, to_name in sorted(pairs, key=lambda p: (-p[0], p[1], p[2])):
        if score >= _LIKE and name not in found and to_name not in taken:
            found[name] = names[to_name]
            taken.add(to_name)
    return found
