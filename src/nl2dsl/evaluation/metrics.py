"""How good one flow is beside the right one: pure functions over sequences and calls.

In: operations in order, calls (`[{"operation", "parameters": {key: literal | {"expr": text}}}]`, as in `outcome.row`), control words. Out: scores between 0 and 1, and
counts to add up. Nothing here reads files, runs a model or draws from the clock. What becomes of many rows is in `statistics.py`.

`flow_similarity` is the measure of the paper (eq. 1); it does not see the order of what both flows have, so `order_score` stands beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from nl2dsl.catalog.model import Catalog

Call = Mapping[str, Any]


# --- sequences of operations ---------------------------------------------------------------------------------------------------


def lcss(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    table = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            diagonal, table[j] = table[j], diagonal + 1 if x == y else max(table[j], table[j - 1])
    return table[-1]


def flow_similarity(a: Sequence[str], b: Sequence[str]) -> float:
    """The paper's eq. 1 over operations with the trigger among them: lcss / the longer length. Two empty flows are the same."""
    return lcss(a, b) / max(len(a), len(b)) if a or b else 1.0


def best_similarity(made: Sequence[str], answers: Iterable[Sequence[str]]) -> float:
    """Similarity to the nearest of several right answers."""
    return max((flow_similarity(made, answer) for answer in answers), default=0.0)


def exact(made: Sequence[str], answers: Iterable[Sequence[str]]) -> bool:
    """Whether the operations are, in order, those of one of the right answers."""
    return any(list(made) == list(answer) for answer in answers)


def same_operations(made: Sequence[str], answers: Iterable[Sequence[str]]) -> bool:
    """As `exact`, the order aside (branches of a condition have none)."""
    return any(Counter(made) == Counter(answer) for answer in answers)


def order_score(made: Sequence[str], answer: Sequence[str]) -> float:
    """Of all pairs of steps in either flow, the share that both have in the same order: 1 when equal, falling with what is absent, added or swapped.

    An operation that occurs n times counts as n things, numbered as they occur.
    """
    a, b = _pairs(made), _pairs(answer)
    if not a and not b:
        return float(list(made) == list(answer))
    return len(a & b) / len(a | b)


def _pairs(operations: Sequence[str]) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    seen: Counter[str] = Counter()
    numbered = []
    for operation in operations:
        seen[operation] += 1
        numbered.append((operation, seen[operation]))
    return set(combinations(numbered, 2))


# --- sets with repetition: parameters, control ---------------------------------------------------------------------------------


class Overlap(NamedTuple):
    """Counts behind precision and recall; add those of several rows for the figure over all of them."""

    hits: int = 0
    made: int = 0
    wanted: int = 0

    def __add__(self, other: object) -> Overlap:
        if not isinstance(other, Overlap):
            return NotImplemented
        return Overlap(self.hits + other.hits, self.made + other.made, self.wanted + other.wanted)

    @property
    def precision(self) -> float:
        return self.hits / self.made if self.made else float(not self.wanted)

    @property
    def recall(self) -> float:
        return self.hits / self.wanted if self.wanted else float(not self.made)

    @property
    def f1(self) -> float:
        """1 when nothing was wanted and nothing made."""
        total = self.made + self.wanted
        return 2 * self.hits / total if total else 1.0


def overlap(made: Iterable[Any], wanted: Iterable[Any]) -> Overlap:
    a, b = Counter(made), Counter(wanted)
    return Overlap(sum((a & b).values()), sum(a.values()), sum(b.values()))


def parameter_keys(made: Sequence[Call], wanted: Sequence[Call]) -> Overlap:
    """Keys given, each with the operation it is given to."""
    return overlap(_keys(made), _keys(wanted))


def parameter_values(made: Sequence[Call], wanted: Sequence[Call]) -> Overlap:
    """Keys given with the same value; letter case and white space aside."""
    return overlap(_values(made), _values(wanted))


def references(made: Sequence[Call], wanted: Sequence[Call]) -> Overlap:
    """As `parameter_values`, only of values that are computed from the data of other steps."""
    return overlap(_values(made, computed=True), _values(wanted, computed=True))


def control(made: Iterable[str], wanted: Iterable[str]) -> Overlap:
    """Control structures: `if`, `for`, `switch`, `until`, as often as they occur."""
    return overlap(made, wanted)


def _keys(calls: Sequence[Call]) -> list[tuple[str, str]]:
    return [(call["operation"], key) for call in calls for key in call["parameters"]]


def _values(calls: Sequence[Call], computed: bool | None = None) -> list[tuple[str, str, str]]:
    return [
        (call["operation"], key, repr(_comparable(value)))
        for call in calls
        for key, value in call["parameters"].items()
        if computed is None or is_computed(value) == computed
    ]


def is_computed(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"expr"}


def _comparable(value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case int() | float():
            return float(value)
        case str():
            return plain(value)
        case Mapping():
            return sorted((str(k), repr(_comparable(v))) for k, v in value.items())
        case _:
            return [_comparable(v) for v in value]


def plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


# --- what nobody said, and what does not exist ---------------------------------------------------------------------------------


def literals(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every literal below a value, with the last part of its key; computed values are none."""
    match value:
        case _ if is_computed(value):
            return
        case Mapping():
            for name, inner in value.items():
                yield from literals(inner, str(name))
        case list() | tuple():
            for inner in value:
                yield from literals(inner, key)
        case _:
            yield re.split(r"[/.]", key)[-1], value


def ungrounded(query: str, calls: Sequence[Call], catalog: Catalog) -> tuple[int, int]:
    """(text literals that neither the query, nor an enum, nor a default explains; all text literals). Numbers and flags are said in too many ways to judge."""
    said, bad, total = plain(query), 0, 0
    for call in calls:
        operation = catalog.get(call["operation"])
        for key, value in call["parameters"].items():
            parameter = operation.parameter(key) if operation else None
            known = {plain(v) for v in parameter.enum} | {plain(str(parameter.default))} if parameter else set()
            for _, literal in literals(value, key):
                if isinstance(literal, str) and literal.strip() and "recurrence" not in call["operation"].lower():
                    total += 1
                    bad += plain(literal) not in said and plain(literal) not in known
    return bad, total


def placed(calls: Sequence[Call], stated: Iterable[tuple[str, str, Any]]) -> tuple[int, int]:
    """(stated values that stand under their key, all stated values). What counts of a key is its last part, of a value its text; of which call is not asked."""
    there = {(leaf(name), said(value)) for call in calls for key, given in call["parameters"].items() for name, value in _leaves(given, key)}
    wanted = [(leaf(key), said(value)) for _, key, value in stated]
    return sum(pair in there for pair in wanted), len(wanted)


def invented(calls: Sequence[Call], left_open: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """(literals where the request says nothing, places it leaves open)."""
    filled = {
        (call["operation"], leaf(name))
        for call in calls
        for key, given in call["parameters"].items()
        for name, value in _leaves(given, key)
        if value not in ("", None)
    }
    places = [(operation, leaf(key)) for operation, key in left_open]
    return sum(place in filled for place in places), len(places)


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """As `literals`, but a list of plain values is one value."""
    match value:
        case _ if is_computed(value):
            return
        case Mapping():
            for name, inner in value.items():
                yield from _leaves(inner, str(name))
        case list() | tuple() if any(isinstance(v, Mapping | list | tuple) for v in value):
            for inner in value:
                yield from _leaves(inner, key)
        case _:
            yield key, value


def leaf(key: str) -> str:
    return re.split(r"[/.]", key)[-1].lower()


def said(value: Any) -> str:
    """A value as text that can be compared: `[6, 18]` is `6,18`."""
    return ",".join(said(v) for v in value) if isinstance(value, list | tuple) else plain(str(value).strip())


def hallucinated_operations(calls: Sequence[Call], catalog: Catalog) -> tuple[int, int]:
    """(operations the catalog does not have, all operations)."""
    return sum(catalog.get(call["operation"]) is None for call in calls), len(calls)


def hallucinated_parameters(calls: Sequence[Call], catalog: Catalog) -> tuple[int, int]:
    """(keys that their operation does not have, all keys); those of an unknown operation do not count. A foreign catalog may not list parameters: then any key may be right."""
    bad = total = 0
    for call in calls:
        operation = catalog.get(call["operation"])
        if operation is not None:
            total += len(call["parameters"])
            if operation.parameters or operation.kind != "any":
                bad += sum(operation.parameter(key) is None for key in call["parameters"])
    return bad, total
