"""From answers to figures: every measure with n and interval, slices, comparisons on the same rows, mistakes by kind and by diagnostic code.

In: `Run`s, a catalog. Out: `Analysis`, plain data that the terminal, Markdown and HTML renderings share. Rows are the units of every interval: several tries at one row
are averaged first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl.diagnostics import CODES
from nl2dsl.evaluation import statistics
from nl2dsl.evaluation.cases import Case
from nl2dsl.evaluation.execution import Effects, NotMeasured
from nl2dsl.evaluation.metrics import Overlap
from nl2dsl.evaluation.run import Run
from nl2dsl.evaluation.scoring import KINDS, Scores, score
from nl2dsl.evaluation.statistics import Comparison, Figure

Kind = Literal["mean", "share", "pooled", "f1", "percentile", "pass"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a report. `of` gives the value of an answer, None where it has none; `better` is +1 when more is better, -1 when less is, 0 for neither.

    A `share` counts answers, a `pooled` one counts things over all answers (literals, names), `f1` adds up hits over all answers.
    """

    name: str
    kind: Kind
    of: Callable[[Scores], Any]
    better: int = 1
    group: str = ""
    unit: Literal["", "%", "s", "n"] = ""
    parameter: float = 0.0


RIGHT, VALID, VALUES, REFUSALS, COST = "the right flow", "valid", "values", "refusals", "cost"
MEASURES: tuple[Measure, ...] = (
    Measure("flow_similarity", "mean", lambda s: s.similarity, 1, RIGHT),
    Measure("exact sequence", "share", lambda s: s.exact, 1, RIGHT, "%"),
    Measure("same operations", "share", lambda s: s.same, 1, RIGHT, "%"),
    Measure("order-aware score", "mean", lambda s: s.order, 1, RIGHT),
    Measure("execution equivalence", "share", lambda s: s.execution, 1, RIGHT, "%"),
    Measure("control-structure F1", "f1", lambda s: s.control, 1, RIGHT),
    Measure("stated control is there", "share", lambda s: s.control_there, 1, RIGHT, "%"),
    Measure("gold operations among candidates", "mean", lambda s: s.candidates, 1, RIGHT),
    Measure("parameter F1 (key)", "f1", lambda s: s.keys, 1, VALUES),
    Measure("parameter F1 (value)", "f1", lambda s: s.values, 1, VALUES),
    Measure("parameter F1 (reference)", "f1", lambda s: s.references, 1, VALUES),
    Measure("stated values placed", "pooled", lambda s: s.placed, 1, VALUES, "%"),
    Measure("values invented where nothing was said", "pooled", lambda s: s.invented, -1, VALUES, "%"),
    Measure("ungrounded literals", "pooled", lambda s: s.ungrounded, -1, VALUES, "%"),
    Measure("non-parsed", "share", lambda s: None if s.parsed is None else not s.parsed, -1, VALID, "%"),
    Measure("hallucinated operations", "pooled", lambda s: s.hallucinated_operations, -1, VALID, "%"),
    Measure("hallucinated parameters", "pooled", lambda s: s.hallucinated_parameters, -1, VALID, "%"),
    Measure("harmful requests refused", "share", lambda s: s.refused, 1, REFUSALS, "%"),
    Measure("refused for the right reason", "share", lambda s: s.category, 1, REFUSALS, "%"),
    Measure("over-refusals", "share", lambda s: s.over_refused, -1, REFUSALS, "%"),
    Measure("seconds P10", "percentile", lambda s: s.seconds, -1, COST, "s", 10),
    Measure("seconds P50", "percentile", lambda s: s.seconds, -1, COST, "s", 50),
    Measure("seconds P90", "percentile", lambda s: s.seconds, -1, COST, "s", 90),
    Measure("tokens, prompt", "mean", lambda s: s.tokens.get("prompt"), 0, COST, "n"),
    Measure("tokens, completion", "mean", lambda s: s.tokens.get("completion"), 0, COST, "n"),
    Measure("of these forced", "mean", lambda s: s.tokens.get("forced"), 0, COST, "n"),
)
BY_NAME = {m.name: m for m in MEASURES}
SLICED = ("flow_similarity", "exact sequence", "parameter F1 (value)", "non-parsed")
COMPARED = (
    "flow_similarity", "exact sequence", "order-aware score", "execution equivalence", "control-structure F1", "parameter F1 (key)", "parameter F1 (value)",
    "parameter F1 (reference)", "non-parsed", "harmful requests refused", "over-refusals",
)  # fmt: skip


def passes(tries: int) -> list[Measure]:
    """pass^k for runs with several tries: all of k tries exactly right."""
    return [Measure(f"pass^{k} (exact sequence)", "pass", lambda s: s.exact, 1, RIGHT, "%", k) for k in range(1, tries + 1)] if tries > 1 else []


# --- one run -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scored:
    """A run with its scores; `effects` are what its flows do when they run, if that could be measured."""

    run: Run
    label: str
    scores: tuple[Scores, ...]
    effects: Mapping[tuple[str, int], Effects] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, list[Scores]]:
        """Tries by row, in the order of the rows."""
        found: dict[str, list[Scores]] = {id: [] for id in self.run.cases}
        for s in self.scores:
            found[s.id].append(s)
        return {id: tries for id, tries in found.items() if tries}

    @cached_property
    def tries(self) -> int:
        return max(len(tries) for tries in self.rows.values())

    @property
    def measures(self) -> list[Measure]:
        return [*MEASURES, *passes(self.tries)]


def scored(run: Run, label: str, catalog: Catalog, effects: Mapping[tuple[str, int], Effects] | None = None) -> Scored:
    """Scores every answer of a run."""
    known = effects or {}
    made = []
    for answer in run.answers:
        found = known.get((answer["id"], answer["repeat"]))
        made.append(score(run.cases[answer["id"]], answer, catalog, found.equal if found else None))
    return Scored(run, label, tuple(made), known)


def figure(m: Measure, rows: Sequence[Sequence[Scores]]) -> Figure:
    """One measure over some rows, each with its tries."""
    tries = [values for row in rows if (values := [v for s in row if (v := m.of(s)) is not None])]
    match m.kind:
        case "mean":
            return statistics.mean([sum(values) / len(values) for values in tries])
        case "share" if all(len(values) == 1 for values in tries):
            return statistics.wilson(sum(bool(values[0]) for values in tries), len(tries))
        case "share":
            return statistics.mean([sum(values) / len(values) for values in tries])
        case "pooled":
            return statistics.wilson(sum(v[0] for values in tries for v in values), sum(v[1] for values in tries for v in values))
        case "f1":
            return statistics.f1([_sum(values) for values in tries])
        case "percentile":
            return statistics.quantile([v for values in tries for v in values], m.parameter)
        case "pass":
            return statistics.pass_k([(sum(map(bool, values)), len(values)) for values in tries], int(m.parameter))


def _sum(overlaps: Sequence[Overlap]) -> Overlap:
    return sum(overlaps, Overlap())


# --- slices --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the rows, by one property."""

    group: str
    name: str
    ids: frozenset[str]


def _lengths(case: Case) -> str:
    words = len(case.query.split())
    return next(
        name
        for most, name in ((8, "up to 8 words"), (15, "9 to 15 words"), (25, "16 to 25 words"), (math.inf, "more than 25 words"))
        if words <= most
    )


def _steps(case: Case) -> str:
    steps = len(case.gold) - 1
    return f"{steps} step{'s' * (steps != 1)}" if steps < 4 else "4 or 5 steps" if steps < 6 else "6 or more steps"


def _nesting(case: Case) -> str:
    return "" if case.nesting < 0 else f"nested {case.nesting} deep" if case.nesting < 3 else "nested 3 deep or more"


def slices(cases: Mapping[str, Case], unseen: frozenset[str] = frozenset()) -> Iterator[Slice]:
    """Parts of the rows that ask for a flow; a property that all rows share makes no slice."""
    asked = [c for c in cases.values() if not c.refuse]

    def groups(group: str, of: Callable[[Case], Sequence[str]]) -> Iterator[Slice]:
        found: dict[str, set[str]] = {}
        for c in asked:
            for name in of(c):
                found.setdefault(name, set()).add(c.id)
        if len(found) > 1 or any(len(ids) < len(asked) for ids in found.values()):
            yield from (Slice(group, name, frozenset(ids)) for name, ids in _in_order(group, found))

    yield from groups("length of the request", lambda c: [_lengths(c)])
    yield from groups("steps", lambda c: [_steps(c)])
    yield from groups("nesting", lambda c: [n] if (n := _nesting(c)) else [])
    yield from groups("control", lambda c: [f"with {w}" for w in sorted(set(c.control))] or ["no control"])
    if unseen:
        yield from groups("connectors", lambda c: ["never seen in training" if set(c.connectors) & unseen else "seen in training"])
    for name in sorted({name for c in asked for name in c.facets if name != "tags"}):
        yield from groups(name.replace("_", " "), lambda c, name=name: [c.facets[name]] if name in c.facets else [])  # type: ignore[misc]
    yield from groups("tags", lambda c: c.facets.get("tags", "").split())
    yield from groups("connector", lambda c: [n.removeprefix("shared_") for n in c.connectors])


_ORDER = ["up to 8 words", "9 to 15 words", "16 to 25 words", "more than 25 words"]
_MOST_CONNECTORS = 12


def _in_order(group: str, found: dict[str, set[str]]) -> list[tuple[str, set[str]]]:
    if group == "connector":  # the most frequent ones
        return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_CONNECTORS]
    return sorted(found.items(), key=lambda item: (_ORDER.index(item[0]) if item[0] in _ORDER else 0, item[0]))


# --- two runs ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """One measure of two runs on the rows both answered; `adjusted` is the p value after Holm's correction over all pairs of the report."""

    first: str
    second: str
    measure: Measure
    found: Comparison
    test: str
    adjusted: float = 1.0


_PAIRED_ROUNDS = 10_000  # the smallest p a bootstrap can give is 2 / (rounds + 1), and Holm multiplies it


def shared(a: Scored, b: Scored) -> list[str]:
    """Rows both runs answered, with the same request and the same right answers."""
    return [id for id in a.rows if id in b.rows and a.run.cases[id] == b.run.cases[id]]


def compare(a: Scored, b: Scored) -> list[Pair]:
    """The second run against the first."""
    ids, found = shared(a, b), []
    for m in (BY_NAME[name] for name in COMPARED):
        both = [(x, y) for id in ids if (x := _values(m, a.rows[id])) and (y := _values(m, b.rows[id]))]
        if not both:
            continue
        if m.kind == "f1":
            made, test = statistics.paired_f1([_sum(x) for x, _ in both], [_sum(y) for _, y in both], _PAIRED_ROUNDS), "paired bootstrap"
        elif m.kind == "share" and all(len(x) == len(y) == 1 for x, y in both):
            made, test = statistics.mcnemar([bool(x[0]) for x, _ in both], [bool(y[0]) for _, y in both]), "McNemar, exact"
        else:
            made, test = statistics.paired([sum(x) / len(x) for x, _ in both], [sum(y) / len(y) for _, y in both], _PAIRED_ROUNDS), "paired bootstrap"
        found.append(Pair(a.label, b.label, m, made, test))
    return found


def _values(m: Measure, tries: Sequence[Scores]) -> list[Any]:
    return [v for s in tries if (v := m.of(s)) is not None]


def _adjusted(pairs: Sequence[Pair]) -> list[Pair]:
    return [replace(p, adjusted=q) for p, q in zip(pairs, statistics.holm([p.found.p for p in pairs]), strict=True)]


# --- power ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Power:
    """The smallest difference that these rows show in 80 of 100 experiments, if a second run erred on rows of its own (the worst case for a paired test)."""

    label: str
    n: int
    similarity: float
    exact: float


def power(s: Scored) -> Power:
    similar = [sum(v) / len(v) for tries in s.rows.values() if (v := _values(BY_NAME["flow_similarity"], tries))]
    right = [sum(v) / len(v) for tries in s.rows.values() if (v := _values(BY_NAME["exact sequence"], tries))]
    n = len(similar)
    mean = sum(similar) / n if n else 0.0
    spread = math.sqrt(sum((x - mean) ** 2 for x in similar) / (n - 1)) if n > 1 else math.nan
    share = sum(right) / n if n else 0.0
    return Power(s.label, n, statistics.detectable_mean(spread * math.sqrt(2), n), statistics.detectable_share(2 * share * (1 - share), n))


# --- mistakes ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Mistakes of one run: rows with each kind, operations taken for others, rows with each diagnostic code."""

    label: str
    rows: int
    kinds: tuple[tuple[str, Figure], ...]
    confused: tuple[tuple[str, str, str, int], ...]
    codes: tuple[tuple[str, str, str, Figure], ...]


def mistakes(s: Scored, most: int = 12) -> Mistakes:
    n = len(s.scores)
    kinds = Counter(kind for x in s.scores for kind in {m.kind for m in x.mistakes})
    steps = ("wrong trigger", "sibling operation", "other connector", "missing step", "extra step")
    confused = Counter((m.kind, m.wanted, m.made) for x in s.scores for m in x.mistakes if m.kind in steps)
    codes = Counter(code for x in s.scores for code in set(x.codes))
    return Mistakes(
        s.label,
        n,
        tuple((kind, statistics.wilson(kinds[kind], n)) for kind in sorted(KINDS, key=lambda k: -kinds[k]) if kinds[kind]),
        tuple((*what, count) for what, count in sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:most]),
        tuple((code, severity, CODES.get(code, _OTHER.get(code, "")), statistics.wilson(k, n)) for (code, severity), k in codes.most_common()),
    )


_OTHER = {
    "E001": "the engine did not answer",
    "Q001": "the request is empty",
    "Q002": "the request is too long",
    "Q003": "the request has no words",
    "Q004": "the model is not sure",
    "S100": "the model's answer is no flow",
}


# --- all of it -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Analysis:
    """All that a report says."""

    runs: tuple[Scored, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    execution: str = ""  # why execution equivalence was not measured, '' when it was

    @cached_property
    def measures(self) -> list[Measure]:
        """Those that some run has a figure for, group by group; execution equivalence always."""
        known = {m.name: m for run in self.runs for m in run.measures}
        groups = list(dict.fromkeys(m.group for m in MEASURES))
        measured = {name for (_, name), f in self.figures.items() if f.n} | {"execution equivalence"}
        return sorted((m for m in known.values() if m.name in measured), key=lambda m: groups.index(m.group))

    @cached_property
    def figures(self) -> dict[tuple[str, str], Figure]:
        """By run and measure."""
        return {(r.label, m.name): figure(m, list(r.rows.values())) for r in self.runs for m in r.measures}

    @cached_property
    def slices(self) -> list[tuple[Slice, dict[tuple[str, str], Figure]]]:
        """Each slice with its figures by run and measure."""
        found: dict[tuple[str, str], Slice] = {}
        for r in self.runs:
            for s in slices(r.run.cases, r.run.unseen):
                earlier = found.get((s.group, s.name))
                found[s.group, s.name] = Slice(s.group, s.name, s.ids | earlier.ids) if earlier else s
        return [
            (s, {(r.label, name): figure(BY_NAME[name], [t for id, t in r.rows.items() if id in s.ids]) for r in self.runs for name in SLICED})
            for s in found.values()
        ]

    @cached_property
    def power(self) -> list[Power]:
        return [power(r) for r in self.runs]

    @cached_property
    def mistakes(self) -> list[Mistakes]:
        return [mistakes(r) for r in self.runs]


def analyse(runs: Sequence[Run], catalog: Catalog, effects: Callable[[Run], Mapping[tuple[str, int], Effects]]) -> Analysis:
    """Scores runs and compares them; `effects` runs the flows of one (`execution.measure`) or raises `NotMeasured`."""
    labels, why, made = _labels(runs), "", []
    for run, label in zip(runs, labels, strict=True):
        try:
            found = effects(run)
        except NotMeasured as reason:
            found, why = {}, str(reason)
        made.append(scored(run, label, catalog, found))
    pairs = [p for i, a in enumerate(made) for b in made[i + 1 :] for p in compare(a, b)]
    return Analysis(tuple(made), tuple(_adjusted(pairs)), tuple(_notes(made, catalog)), why)


def _labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run; folders tell runs of one name apart."""
    names = Counter(r.name for r in runs)
    labels = [r.name if names[r.name] == 1 else f"{r.name} ({r.folder})" for r in runs]
    return [label if labels.count(label) == 1 else f"{label} #{i}" for i, label in enumerate(labels, 1)]


def _notes(runs: Sequence[Scored], catalog: Catalog) -> Iterator[str]:
    """What a reader must know before trusting a figure."""
    for r in runs:
        expected = len(r.run.cases) * int(r.run.head.get("recipe", {}).get("repeats", 1))
        if not r.run.finished:
            yield f"{r.label}: not finished, {len(r.scores):,} of {expected:,} answers"
        lost = sum(("E001", "error") in s.codes for s in r.scores)
        if lost:
            yield f"{r.label}: {lost:,} rows were not answered by the engine and count as non-parsed"
        env = r.run.head.get("environment", {})
        if (env.get("load") or 0) > (env.get("cores") or math.inf):
            yield f"{r.label}: the machine was busy (load {env['load']:.1f} on {env['cores']} cores), so its seconds say little"
        unknown = r.run.head.get("catalog", {}).get("gold_not_in_it", [])
        if unknown:
            yield f"{r.label}: {len(unknown):,} operations of right answers are not in the catalog and cannot be written ({', '.join(unknown[:3])} …)"
    if any(not c.helpers for r in runs for c in r.run.cases.values()):
        yield "rows with gold operations only do not count helpers such as Compose, on either side"
    if len({r.run.head.get("catalog", {}).get("digest") for r in runs}) > 1:
        yield "the runs used different catalogs"
    elif any(r.run.head.get("catalog", {}).get("digest") != catalog.digest for r in runs):
        yield "the catalog has changed since: names are looked up in the one of today"
    if len({r.run.head.get("environment", {}).get("processor") for r in runs}) > 1:
        yield "the runs were made on different machines: their seconds cannot be compared"
    for i, a in enumerate(runs):
        for b in runs[i + 1 :]:
            if len(shared(a, b)) < max(len(a.rows), len(b.rows)):
                yield f"{a.label} and {b.label} share {len(shared(a, b)):,} of their {len(a.rows):,} and {len(b.rows):,} rows; only these are compared"
