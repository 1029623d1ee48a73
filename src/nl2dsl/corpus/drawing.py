"""Draws flows by the distribution of their operations, with a quota for each.

In: flows as (id, operations), how many. Out: the places of those that are drawn. First every operation gets the flows it is owed, the rarest operation first; the rest is dealt to kinds of flows
(trigger and rarest operation) in proportion to how many there are. The same flows and seed give the same sample, in whatever order the flows come.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any


def draw(flows: Sequence[tuple[str, Sequence[str]]], n: int, least: int = 0, flatten: float = 0.0, seed: int = 0) -> set[int]:
    """The places of `n` flows. `least` flows of each operation come first, as far as there are any and they fit; `flatten` is 0 for the proportions of all, 1 for the same share of each kind."""
    if n >= len(flows):
        return set(range(len(flows)))
    common = Counter(o for _, operations in flows for o in set(operations))
    order = sorted(range(len(flows)), key=lambda i: (hashlib.sha256(f"{seed}:{flows[i][0]}".encode()).digest(), i))
    chosen = _owed(flows, n, least, common, order)
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in order:
        kinds[_kind(flows[i][1], common)].append(i)
    wanted = _shares({kind: len(places) for kind, places in kinds.items()}, n, flatten)
    for kind in sorted(kinds):
        free = [i for i in kinds[kind] if i not in chosen]
        due = min(wanted[kind] - (len(kinds[kind]) - len(free)), n - len(chosen))
        chosen.update(free[: max(0, due)])
    chosen.update([i for i in order if i not in chosen][: n - len(chosen)])
    return chosen


def _owed(flows: Sequence[tuple[str, Sequence[str]]], n: int, least: int, common: Counter[str], order: Sequence[int]) -> set[int]:
    chosen, have = set[int](), Counter[str]()
    calling: dict[str, list[int]] = defaultdict(list)
    for i in order:
        for operation in set(flows[i][1]):
            calling[operation].append(i)
    for operation in sorted(common, key=lambda o: (common[o], o)):
        for i in calling[operation]:
            if have[operation] >= least or len(chosen) >= n:
                break
            if i not in chosen:
                chosen.add(i)
                have.update(set(flows[i][1]))
    return chosen


def _kind(operations: Sequence[str], common: Counter[str]) -> tuple[str, str]:
    return operations[0] if operations else "", min(operations, key=lambda o: (common[o], o), default="")


def _shares(sizes: dict[tuple[str, str], int], n: int, flatten: float) -> dict[tuple[str, str], int]:
    """`n` dealt to kinds in proportion to their sizes, by largest remainder."""
    weights = {kind: size ** (1 - flatten) for kind, size in sizes.items()}
    exact = {kind: n * weight / sum(weights.values()) for kind, weight in weights.items()}
    found = {kind: int(share) for kind, share in exact.items()}
    rest = sorted(exact, key=lambda kind: (found[kind] - exact[kind], kind))[: n - sum(found.values())]
    return {kind: share + (kind in rest) for kind, share in found.items()}


def distance(all: Sequence[Sequence[str]], some: Sequence[Sequence[str]]) -> float:
    """How far two distributions of operations are apart: total variation, 0 to 1."""
    first, second = (Counter(o for operations in flows for o in operations) for flows in (all, some))
    n, m = first.total() or 1, second.total() or 1
    return sum(abs(first[o] / n - second[o] / m) for o in first | second) / 2


def told(all: Sequence[Sequence[str]], some: Sequence[Sequence[str]], least: int) -> dict[str, Any]:
    """What the card says of a sample."""
    there, drawn = (Counter(o for operations in flows for o in set(operations)) for flows in (all, some))
    short = sum(drawn[o] < min(least, there[o]) for o in there)
    return {
        "sampled from": len(all),
        "operations of all": len(there),
        "operations of the sample": len(drawn),
        "operations below their quota": short,
        "distance of distributions": round(distance(all, some), 4),
    }


__all__ = ["distance", "draw", "told"]
