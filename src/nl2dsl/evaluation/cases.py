"""What is asked and what would be right: the rows a writer is measured on, whatever file they come from.

In: JSON lines. A row has `query` and one of
- `dsl` or `sketch`: the whole flow or what is said of it (the corpus writes both), so that parameters, references and effects can be compared, too;
- `gold`: `{"trigger", "actions"}`, with `alternatives` (other right sequences), `params` (`[{"op", "name", "value"}]` that must be placed), `missing` (`[{"op", "name"}]`
  nobody said, so that nothing may stand there) and `control`. Helpers such as Compose count on neither side: such rows do not say which are needed;
- `refuse`: the category of a request that must be refused.
What else a row says of itself (`style`, `source`, `split`, `difficulty`, `tags` ...) becomes a facet to slice by. Out: `Case`s. A file that is wrong raises `CorpusError`
with every problem.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from nl2dsl.errors import CorpusError
from nl2dsl.evaluation.metrics import is_computed, placed
from nl2dsl.files import Line, read_rows
from nl2dsl.refusal import CATEGORIES

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog

FACETS = ("style", "source", "split", "difficulty", "trigger_group", "language", "writer")
HELPERS = frozenset(
    f"builtin.{name}"
    for name in (
        "Compose Query Select ParseJson Join InitializeVariable SetVariable IncrementVariable DecrementVariable AppendToArrayVariable "
        "AppendToStringVariable Scope If Foreach Switch Until Terminate"
    ).split()
)
_SHOWN = 5
Call = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One request and its right answers.

    `answers` are right sequences of operations, the first one is the gold; `calls` and `dsl` are those of the gold flow (None and '' where the row has none); `stated`
    are (operation, key, value) that must be placed, `open` are (operation, key) that must stay empty. `refuse` is the category when the right answer is a refusal.
    """

    id: str
    query: str
    answers: tuple[tuple[str, ...], ...] = ()
    calls: tuple[Call, ...] | None = None
    control: tuple[str, ...] = ()
    dsl: str = ""
    stated: tuple[tuple[str, str, Any], ...] = ()
    open: tuple[tuple[str, str], ...] = ()
    refuse: str = ""
    nesting: int = -1
    helpers: bool = True
    facets: Mapping[str, str] = field(default_factory=dict)

    @property
    def gold(self) -> tuple[str, ...]:
        return self.answers[0] if self.answers else ()

    @property
    def connectors(self) -> tuple[str, ...]:
        """Connectors of the gold flow, each once; what needs none (built-ins, the platform's triggers) is left out."""
        names = (o.split(".", 1)[0] for o in self.gold if "." in o)
        return tuple(dict.fromkeys(n for n in names if n not in ("builtin", "commonTrigger")))

    def counted(self, operations: Iterable[str]) -> list[str]:
        """The operations that count for this row."""
        return [o for o in operations if self.helpers or o not in HELPERS]


def read(path: str | Path, catalog: Catalog, limit: int = 0, seed: int = 0) -> list[Case]:
    """The cases of a file: all, or `limit` drawn by chance (the first of a longer draw, so that runs of any length share rows)."""
    found, problems = list[Case](), list[str]()
    for line in read_rows(path, {"query": str}):
        try:
            found.append(_case(line, catalog))
        except (ValueError, KeyError, TypeError) as problem:
            problems.append(f"{path}:{line.number}: {_said(problem)}")
    twice = [id for id, n in Counter(c.id for c in found).items() if n > 1]
    problems += [f"{path}: the id `{id}` occurs more than once" for id in twice]
    if problems:
        more = [f"… and {len(problems) - _SHOWN} more problems"] if len(problems) > _SHOWN else []
        raise CorpusError(
            "\n".join([*problems[:_SHOWN], *more]), hint="a row has `query` and one of `dsl`, `sketch`, `gold`, `refuse`: docs/evaluation.md"
        )
    if not found:
        raise CorpusError(f"{path}: no rows in it", hint="a row has `query` and one of `dsl`, `sketch`, `gold`, `refuse`: docs/evaluation.md")
    return drawn(found, limit, seed)


def drawn(cases: list[Case], limit: int, seed: int = 0) -> list[Case]:
    if not limit or limit >= len(cases):
        return cases
    order = list(range(len(cases)))
    Random(seed).shuffle(order)
    return [cases[i] for i in sorted(order[:limit])]


def _said(problem: Exception) -> str:
    return f"`{problem.args[0]}` is missing" if isinstance(problem, KeyError) else str(problem)


def _case(line: Line, catalog: Catalog) -> Case:
    row = line.row
    json.dumps(row, ensure_ascii=False).encode()  # half a character (a lone surrogate) could not be kept: ValueError
    case = Case(id=str(row.get("id") or f"row{line.number}"), query=row["query"], facets=_facets(row))
    if row.get("refuse"):
        if row["refuse"] not in CATEGORIES:
            raise ValueError(f"`refuse` is {json.dumps(row['refuse'])}, not one of {', '.join(CATEGORIES)}")
        return replace(case, refuse=str(row["refuse"]))
    if row.get("dsl") or row.get("sketch"):
        return _whole(case, row, catalog)
    if isinstance(row.get("gold"), dict):
        return _sequences(case, row)
    raise ValueError("none of `dsl`, `sketch`, `gold`, `refuse`: what would be right?")


def _facets(row: Mapping[str, Any]) -> dict[str, str]:
    found = {name: str(row[name]) for name in FACETS if isinstance(row.get(name), str | int) and row[name] != ""}
    tags = row.get("tags")
    return found | ({"tags": " ".join(map(str, tags))} if isinstance(tags, list) and tags else {})


def _whole(case: Case, row: Mapping[str, Any], catalog: Catalog) -> Case:
    """From a whole flow, or from a sketch that wiring makes one."""
    from nl2dsl.dsl import sketch as sketches
    from nl2dsl.dsl import tree, wiring
    from nl2dsl.dsl.text import parse, unparse
    from nl2dsl.outcome import Authored, Facts
    from nl2dsl.outcome import row as flat

    said = sketches.parse(str(row["sketch"])) if row.get("sketch") else None
    if row.get("dsl"):
        flow, problems = parse(str(row["dsl"]))
        if flow is None:
            raise ValueError(f"`dsl` is no flow: {problems[0].message}")
    else:
        assert said is not None
        flow = wiring.complete(said, catalog, case.query)
    operations, dsl = tuple(tree.operations(flow)), unparse(flow)
    made = flat(Authored(Facts(case.query), dsl, flow, {}, operations))
    stated = [(s.operation, key, _plain(value)) for s in sketches.steps(said) for key, value in s.stated] if said else _literals(made["calls"])
    stated = [s for s in stated if placed(made["calls"], [s])[0]]  # words that no operation can take are not asked for
    others = tuple(tuple(map(str, a)) for a in row.get("alternatives", ()))
    return replace(
        case,
        answers=(operations, *others),
        calls=tuple(made["calls"]),
        control=tuple(made["control"]),
        dsl=dsl,
        stated=tuple(stated),
        open=tuple((m["op"], m["name"]) for m in row.get("missing", ())),
        nesting=_depth(flow.steps),
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _literals(calls: Sequence[Call]) -> list[tuple[str, str, Any]]:
    return [(c["operation"], k, v) for c in calls for k, v in c["parameters"].items() if isinstance(v, str | int | float) and not is_computed(v)]


def _depth(steps: Sequence[Any]) -> int:
    from nl2dsl.dsl import tree

    return max((1 + _depth(block) for s in steps for block in tree.blocks(s)), default=0)


def _sequences(case: Case, row: Mapping[str, Any]) -> Case:
    """From gold operations alone."""
    gold = row["gold"]
    if not isinstance(gold.get("actions"), list):
        raise ValueError("`gold.actions` is not a list")
    answers = [(gold["trigger"], *gold["actions"]), *row.get("alternatives", ())]
    if not all(isinstance(o, str) for a in answers for o in a):
        raise ValueError("`gold` and `alternatives` hold something that is no operation id")
    case = replace(case, helpers=False)
    return replace(
        case,
        answers=tuple(tuple(case.counted(a)) for a in answers),
        control=tuple(row.get("control", ())),
        stated=tuple((p["op"], p["name"], p["value"]) for p in row.get("params", ())),
        open=tuple((m["op"], m["name"]) for m in row.get("missing", ())),
    )


# --- a run keeps its cases ------------------------------------------------------------------------------------------------------


def to_row(case: Case) -> dict[str, Any]:
    return asdict(case)


def of_row(row: Mapping[str, Any]) -> Case:
    """The inverse of `to_row`, from JSON. Raises `TypeError` or `KeyError` for anything else."""
    made = dict(row)
    for name in ("answers", "stated", "open"):
        made[name] = tuple(tuple(x) for x in made[name])
    made["calls"] = None if made["calls"] is None else tuple(made["calls"])
    made["control"] = tuple(made["control"])
    return Case(**made)


def digest(cases: Iterable[Case]) -> str:
    """Names the cases: sha256 over all they say."""
    hashed = hashlib.sha256()
    for case in cases:
        hashed.update(json.dumps(to_row(case), sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return hashed.hexdigest()
