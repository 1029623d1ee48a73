"""What training rows hold, and what is missing: operations, parameters, control, length, language, style.

In: files of rows. Out: a `Coverage`: counts (`coverage.json`), the short of it (`card.json`), a table on standard error. What a row holds is read from its sketch, or from its flow where it has
none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from nl2dsl.corpus.tasks import language_of
from nl2dsl.dsl import sketch, tree
from nl2dsl.dsl.sketch import Choose, Condition, Each, Repeat, Sketch, When
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Array, Flow, Literal
from nl2dsl.example import Example, read

_LENGTHS = (1, 2, 3, 4, 5, 7, 10, 20)
_WORDS = (5, 10, 15, 20, 30, 45, 60)
_SHOWN = 10
_PARTS = ("control", "steps", "words", "style", "language", "source")


@dataclass(frozen=True)
class QuotaRecipe:
    """`[quota]`: what training must have at least; the sampler fills the gaps."""

    operations: int = 10
    """Rows of every operation that has wordings."""
    parameters: int = 0
    """Rows that state each parameter which a wording can state; 0 asks for none."""
    control: int = 0
    """Rows of each control structure and kind of condition that the written requests have; 0 asks for none."""
    most: int = 20_000
    """Most rows that are added."""
    rounds: int = 8
    """How often the sampler is asked for what is still missing."""

    def __post_init__(self) -> None:
        if min(self.operations, self.most, self.rounds) < 1 or min(self.parameters, self.control) < 0:
            raise ValueError("`operations`, `most` and `rounds` are at least 1, `parameters` and `control` not below 0")


@dataclass(slots=True)
class Coverage:
    """Rows by what they hold; a row counts once for each."""

    rows: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    parameters: Counter[str] = field(default_factory=Counter)
    control: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    style: Counter[str] = field(default_factory=Counter)
    language: Counter[str] = field(default_factory=Counter)
    source: Counter[str] = field(default_factory=Counter)

    def add(self, row: Example) -> None:
        keys, held = of_sketch(sketch.parse(row.sketch)) if row.sketch else _of_flow(row.dsl)
        self.rows += 1
        self.operations.update(set(row.operations))
        self.parameters.update(keys)
        self.control.update(held or {"none"})
        self.steps[bucket(len(row.operations), _LENGTHS)] += 1
        self.words[bucket(len(row.query.split()), _WORDS)] += 1
        self.style[style(row.query)] += 1
        self.language[language_of(row.query)] += 1
        self.source[row.source] += 1

    def counts(self) -> dict[str, Any]:
        """All of it, the most frequent first."""
        return {"rows": self.rows} | {name: _sorted(getattr(self, name)) for name in ("operations", "parameters", *_PARTS)}

    def short(self, wordings: Collection[str], held_out: Collection[str], least: int) -> dict[str, Any]:
        """The same in a few lines. `wordings` are the operations that could be covered, `least` the rows each should have."""
        open_ = sorted(o for o in wordings if o.split(".", 1)[0] not in held_out)
        few = sorted((o for o in open_ if self.operations[o] < least), key=lambda o: (self.operations[o], o))
        return {
            "rows": self.rows,
            "operations": {
                "with wordings": len(open_),
                "covered": sum(o in self.operations for o in open_),
                "rows wanted of each": least,
                "below": len(few),
                "fewest": {o: self.operations[o] for o in few[:_SHOWN]},
                "median rows": median([self.operations[o] for o in open_]) if open_ else 0,
                "others": sum(o not in set(open_) for o in self.operations),
            },
            "connectors": len({o.split(".", 1)[0] for o in self.operations}),
            "parameters stated": len(self.parameters),
            **{name: _sorted(getattr(self, name), name in ("steps", "words")) for name in _PARTS},
        }


def of(files: Iterable[Path]) -> Coverage:
    """The coverage of the rows of files."""
    found = Coverage()
    for file in files:
        for row in read(file):
            found.add(row)
    return found


def bucket(n: int, limits: tuple[int, ...]) -> str:
    """`3`, `4-5`, `over 20`."""
    below = 0
    for limit in limits:
        if n <= limit:
            return str(limit) if limit == below + 1 else f"{below + 1}-{limit}"
        below = limit
    return f"over {below}"


def style(query: str) -> str:
    """How a request is put: a list, a question, a short note, several sentences or one."""
    if re.search(r"(?:^|[\n ])(?:\d[.)]|step \d:|-) .*(?:[\n ])(?:\d[.)]|step \d:|-) ", query, re.DOTALL | re.IGNORECASE):
        return "list"
    if query.rstrip().endswith("?"):
        return "question"
    if re.search(r"->|=>|→|^[^.,]{3,40}: | \+ ", query) or len(query.split()) <= 6:
        return "note"
    return "several sentences" if len(re.findall(r"[.!?](?:\s|$)", query.strip())) > 1 else "one sentence"


def _sorted(counter: Counter[str], by_name: bool = False) -> dict[str, int]:
    order = sorted(counter.items(), key=lambda kv: (_first(kv[0]), kv[0]) if by_name else (-kv[1], kv[0]))
    return dict(order)


def _first(name: str) -> int:
    return int(re.findall(r"\d+", name)[0]) + name.startswith("over")


def of_sketch(s: Sketch) -> tuple[set[str], set[str]]:
    """Stated parameters and control of a sketch."""
    keys = {f"{step.operation} {key}" for step in sketch.steps(s) for key, _ in step.stated}
    return keys, {name for node in sketch.walk(s.steps) for name in _control(node)}


def _control(node: sketch.Node) -> Iterator[str]:
    match node:
        case When():
            yield "if"
            yield from ["else"] if node.otherwise else []
            yield from _tests(node.condition)
        case Each():
            yield "for"
        case Choose():
            yield "switch"
        case Repeat():
            yield "until"
            yield from _tests(node.condition)
        case _:
            pass


def _tests(condition: Condition) -> Iterator[str]:
    yield from (test.kind if test.kind != "compare" else f"compare {test.operator}" for test in condition.tests)
    if len(condition.tests) > 1:
        yield f"joined {condition.joined}"


@lru_cache(maxsize=4096)
def _of_flow(dsl: str) -> tuple[set[str], set[str]]:
    """Parameters with literal values and control of a flow."""
    flow, _ = parse(dsl)
    if flow is None:
        return set(), set()
    keys = {f"{c.id} {e.key}" for c in tree.calls(flow) for e in c.parameters if isinstance(e.value, (Literal, Array))}
    return keys, set(_kinds(flow))


def _kinds(flow: Flow) -> Iterator[str]:
    for statement in tree.walk(flow.steps):
        match statement:
            case tree.If():
                yield "if"
                yield from ["else"] if statement.otherwise else []
            case tree.For():
                yield "for"
            case tree.Switch() | tree.Until() | tree.Try() | tree.Parallel():
                yield type(statement).__name__.lower()
            case _:
                pass


def show(short: dict[str, Any]) -> None:
    """The short of it as a table on standard error."""
    from rich.console import Console
    from rich.table import Table

    operations = short["operations"]
    made = Table(title="what training holds", title_justify="left", show_header=False, box=None, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column()
    made.add_row("rows", f"{short['rows']:,}")
    made.add_row(
        "operations",
        f"{operations['covered']:,} of {operations['with wordings']:,} that have wordings, {operations['others']:,} others; median {operations['median rows']:,} rows",
    )
    if operations["below"]:
        fewest = ", ".join(f"{o} {n}" for o, n in list(operations["fewest"].items())[:4])
        made.add_row(
            "",
            f"{operations['below']:,} have fewer than {operations['rows wanted of each']:,} rows: {fewest}{' …' if operations['below'] > 4 else ''}",
        )
    made.add_row("connectors", f"{short['connectors']:,}")
    made.add_row("parameters", f"{short['parameters stated']:,} stated")
    for name in _PARTS:
        made.add_row(name, ", ".join(f"{what} {n:,}" for what, n in list(short[name].items())[:16]))
    Console(stderr=True).print(made)


__all__ = ["Coverage", "QuotaRecipe", "bucket", "of", "of_sketch", "show", "style"]
