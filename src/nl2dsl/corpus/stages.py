"""The optional stages of a corpus: production flows in, scrubbed, described, kept apart, rephrased, enriched, tested for leaks.

In: the stages of a `CorpusRecipe` (`[flows]`, `[scrub]`, `[teacher]`, `[split]`, `[paraphrase]`, `[enrich]`) and the folder of the corpus. Out: `flows.jsonl`, `flows-SPLIT.jsonl`,
`paraphrases.jsonl`, `enriched.jsonl`, `rejected-STAGE.jsonl`, and what the card tells of them. Scrubbed originals go to a file outside the folder.

A stage's files appear only when they are whole; beside them `stages/NAME.json` keeps what they were made from, and a stage whose inputs, files and code are unchanged is not run again. What a teacher
was asked is in its journal, so a run that is killed goes on where it was. A stage with asks that had no answer (a cap, a host that was gone) is run again next time.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import cycle as cycles
from nl2dsl.corpus import drawing, hygiene, making, scan, sketching, tasks
from nl2dsl.corpus import enrich as enriching
from nl2dsl.corpus.cycle import CycleRecipe
from nl2dsl.corpus.describe import Template
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.hygiene import Apart, SplitRecipe
from nl2dsl.corpus.scrub import Scrubber
from nl2dsl.corpus.tasks import Item, Rejected
from nl2dsl.corpus.teacher import Consultation, Journal, TeacherRecipe, open_teacher
from nl2dsl.dsl import checker, definition, flowfiles, tree
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Flow
from nl2dsl.errors import CorpusError, Nl2DslError, UsageError
from nl2dsl.example import Example, read, write
from nl2dsl.files import digest_of, read_text, write_rows, write_text

SPLITS = ("train", "validation", "test", "unseen")
# curated validation rows are not among these: they share skeletons with training on purpose, because they measure fit, not transfer
_APART = ("test.jsonl", "unseen.jsonl")
_FLOWS_APART = ("flows-validation.jsonl", "flows-test.jsonl", "flows-unseen.jsonl")
_NO_ANSWER = ("no answer in", "the host asks to wait", "the cap of")


@dataclass(frozen=True)
class FlowsRecipe:
    """`[flows]`: production flows to be put into words."""

    path: tuple[str, ...]
    """Files and folders: exported packages and solutions (`.zip`), definitions and templates of deployments (`.json`), rows with a `definition` or a `dsl` (`.jsonl`, `.jsonl.gz`), texts
    (`.flow`)."""
    limit: int = 0
    """Most flows; 0 is all."""
    time: str = "modified"
    """Key that tells when a flow was last changed (ISO date): of a row or of its `properties`; where it is not there, `lastModifiedTime` and `changedTime` are looked for."""
    known_only: bool = False
    """Leave out flows with operations that are not in the catalog."""
    sample: int = 0
    """Only so many of the flows that are left, with the operations in the proportions that all have; 0 is all."""
    least: int = 0
    """Flows of each operation that a sample has at least, as far as there are any."""
    flatten: float = 0.0
    """0 keeps the proportions of a sample, 1 gives every kind of flow the same share."""

    def __post_init__(self) -> None:
        if min(self.limit, self.sample, self.least) < 0 or not 0 <= self.flatten <= 1:
            raise ValueError("`limit`, `sample` and `least` are not below 0, `flatten` is from 0 to 1")


@dataclass(frozen=True)
class ScrubRecipe:
    """`[scrub]`: personal data and secrets out of the flows before anybody reads them."""

    on: bool = True
    mapping: str = ""
    """File of the originals; default: `FOLDER-private/mapping.json`, beside the corpus folder."""


@dataclass(frozen=True)
class ParaphraseRecipe:
    """`[paraphrase]`: other wordings of training requests, by the teacher."""

    n: int = 4
    """Wordings of each request."""
    share: float = 1.0
    """Share of the training rows that get them."""
    operations: tuple[str, ...] = ()
    """Only rows that call one of these operations or connectors; all when empty."""
    below: int = 0
    """Also every row that calls an operation which fewer training rows than this call: the teacher fills gaps."""

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 10 or not 0 < self.share <= 1 or self.below < 0:
            raise ValueError("`n` is 1 to 10, `share` above 0 and at most 1, `below` not below 0")


@dataclass(frozen=True)
class Settings:
    """All stages of one recipe."""

    out: Path
    seed: int
    teacher: TeacherRecipe
    flows: FlowsRecipe | None
    scrub: ScrubRecipe
    split: SplitRecipe
    paraphrase: ParaphraseRecipe | None
    enrich: EnrichRecipe | None
    cycle: CycleRecipe | None = None


@dataclass
class Stages:
    """Runs stages once. `told` is what the card says of each, `ran` which of them had to run."""

    settings: Settings
    catalog: Catalog
    told: dict[str, Any] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    costs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.settings.out

    def stage(self, name: str, key: object, files: Sequence[str], make: Callable[[], dict[str, Any]]) -> None:
        """Makes the files of a stage unless they are there, made from the same. `make` writes them and says what is in them; `complete: False` in it makes the stage run again next time."""
        made_from = _sha(json.dumps([making.code(), self.catalog.digest, key], sort_keys=True, default=str))
        note = self.out / "stages" / f"{name}.json"
        known = _note(note)
        if known and known["from"] == made_from and known["complete"] and all(_digest(self.out / f) == d for f, d in known["files"].items()):
            self.told[name] = known["told"]
            return
        self.ran.append(name)
        told = make()
        complete = told.pop("complete", True)
        digests = {f: _digest(self.out / f) for f in files}
        write_text(note, json.dumps({"from": made_from, "complete": complete, "files": digests, "told": told}, indent=1))
        self.told[name] = told

    def digests(self, *files: str) -> list[str]:
        return [_digest(self.out / f) for f in files]

    def consult(self, stage: str, work: Callable[[Consultation], Any]) -> Any:
        """Work of a stage with the teacher, its journal open, its costs noted. The template is free and always at hand: what it says is not kept."""
        settings = self.settings.teacher
        teacher = open_teacher(settings, lambda: Template(self.catalog, self.settings.seed))
        if isinstance(teacher, Template):
            with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "teacher.jsonl", durable=False) as journal:
                return work(Consultation(teacher, replace(settings, price_in=0.0, price_out=0.0, cap=None), journal))
        with Journal(Path(settings.journal or self.out / "teacher.jsonl"), settings.idempotent) as journal:
            consultation = Consultation(teacher, settings, journal)
            try:
                return work(consultation)
            finally:
                self.costs.append({"stage": stage, **consultation.report.row()})
                write_text(self.out / "cost.json", json.dumps(self.costs, indent=1))
                print(consultation.report.line(), file=sys.stderr)


def run(stages: Stages) -> dict[str, Any]:
    """Runs the stages that the recipe asks for, and the leak test always; returns what the card tells: counts and digests. Raises `CorpusError` for a corpus that leaks."""
    settings = stages.settings
    if settings.flows is not None:
        _flows(stages, settings.flows)
        _describe(stages)
    if settings.paraphrase is not None:
        _paraphrase(stages, settings.paraphrase)
    if settings.enrich is not None:
        _enrich(stages, settings.enrich)
    if settings.cycle is not None:
        _cycle(stages, settings.cycle)
    _leaks(stages)
    digests = {f.name: _digest(f) for f in sorted(settings.out.glob("*.jsonl")) if f.name != "teacher.jsonl"}
    return {"stages": stages.told, "digests": digests}


# --- flows ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A flow as it comes: `value` is the JSON of a definition or a text, with title and description."""

    id: str
    value: dict[str, Any]
    time: str = ""


def sources(recipe: FlowsRecipe) -> Iterator[Source | Rejected]:
    """The flows of the recipe's files, in the order of their names; no two have the same id."""
    seen = Counter[str]()
    for source in _all_sources(recipe):
        seen[source.id] += 1
        yield source if seen[source.id] == 1 else replace(source, id=f"{source.id}~{seen[source.id]}")


def _all_sources(recipe: FlowsRecipe) -> Iterator[Source | Rejected]:
    for name in recipe.path:
        path = Path(name)
        if not path.exists():
            raise CorpusError(f"no flows at {path}", hint="`flows.path` holds files and folders, seen from where the command runs")
        kinds = (".json", ".jsonl", ".jsonl.gz", ".flow", ".zip")
        for file in sorted(f for f in path.rglob("*") if f.name.endswith(kinds)) if path.is_dir() else [path]:
            yield from _sources_of(file, recipe)


def _sources_of(file: Path, recipe: FlowsRecipe) -> Iterator[Source | Rejected]:
    if file.suffix == ".flow":
        yield Source(file.stem, {"text": read_text(file)})
        return
    if file.suffix == ".zip":
        yield from _exported(file)
        return
    rows = (
        [(file.stem, read_text(file))]
        if file.suffix == ".json"
        else [(f"{file.name}:{n}", t) for n, t in enumerate(read_text(file).split("\n"), 1) if t.strip()]
    )
    for id, text in rows:
        try:
            row = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as problem:
            yield from _exported(file) if file.suffix == ".json" else [Rejected(id, "flows", f"not JSON: {problem}")]
            continue
        found = _definition(row)
        if found is None and isinstance(row, dict) and isinstance(row.get("dsl"), str):
            yield Source(str(row.get("id") or id), {"text": row["dsl"]}, _time(row, recipe.time))
            continue
        if found is None:
            yield from _exported(file) if file.suffix == ".json" else [Rejected(id, "flows", "holds no definition")]
            continue
        about = {k: row[k] for k in ("title", "description") if isinstance(row.get(k), str)}
        yield Source(str(row.get("id") or id), {**about, "definition": found}, _time(row, recipe.time))


def _exported(file: Path) -> Iterator[Source | Rejected]:
    """The flows of a package, a solution or a template of a deployment."""
    told = flowfiles.Told()
    try:
        found = flowfiles.find(file.read_bytes(), file.name, told)
    except UsageError as problem:
        yield Rejected(file.stem, "flows", f"holds no definition: {problem}")
        return
    for number, flow in enumerate(found, 1):
        id = file.stem if len(found) == 1 else f"{file.name}:{number}"
        yield Source(id, {**({"title": flow.name} if flow.name else {}), "definition": flow.definition})
    for number, skipped in enumerate(told.skipped, 1):
        yield Rejected(f"{file.name}:skipped {number}", "flows", f"holds no definition: {skipped}")


def _time(row: dict[str, Any], key: str) -> str:
    """When a flow was last changed, as its row or its export says it."""
    inner = row.get("properties")
    for place in (row, inner if isinstance(inner, dict) else {}):
        for name in (key, "lastModifiedTime", "changedTime"):
            if isinstance(place.get(name), str) and place[name]:
                return str(place[name])
    return ""


def _definition(row: Any) -> dict[str, Any] | None:
    """The part with triggers and actions: of a definition, of a row, of an exported flow."""
    while isinstance(row, dict):
        inner = row.get("definition") or row.get("properties")
        if not isinstance(inner, dict):
            return row if "triggers" in row or "actions" in row else None
        row = inner
    return None


def _flows(stages: Stages, recipe: FlowsRecipe) -> None:
    settings, out = stages.settings, stages.out
    mapping = Path(settings.scrub.mapping or out.with_name(f"{out.name}-private") / "mapping.json")
    files = [file for name in recipe.path for file in ([Path(name)] if Path(name).is_file() else sorted(Path(name).rglob("*"))) if file.is_file()]
    key = [asdict(recipe), settings.scrub.on, settings.seed if recipe.sample else 0, [(f.name, _digest(f)) for f in files]]

    def make() -> dict[str, Any]:
        scrubber, kept, rejected = Scrubber(), list[dict[str, Any]](), list[Rejected]()
        counts: Counter[str] = Counter()
        for source in sources(recipe):
            if recipe.limit and len(kept) >= recipe.limit:
                break
            counts["read"] += 1
            made = (
                source if isinstance(source, Rejected) else _flow_row(source, scrubber if settings.scrub.on else None, stages.catalog, recipe, counts)
            )
            if isinstance(made, Rejected):
                rejected.append(made)
            else:
                kept.append(made)
        again = hygiene.copies([hygiene.flow_shingles(row["dsl"]) for row in kept], hygiene.SAME_FLOW)
        rejected += [Rejected(kept[i]["id"], "flows", f"a near-duplicate of {kept[j]['id']}") for i, j in again.items()]
        rows = [row for i, row in enumerate(kept) if i not in again]
        everything = rows
        if recipe.sample:
            chosen = drawing.draw([(row["id"], row["operations"]) for row in rows], recipe.sample, recipe.least, recipe.flatten, settings.seed)
            rows = [row for number, row in enumerate(rows) if number in chosen]
        write_rows(out / "flows.jsonl", rows)
        _reject(out, "flows", rejected)
        if settings.scrub.on:
            scrubber.write(mapping)
        return {
            **counts,
            "kept": len(rows),
            **(drawing.told([row["operations"] for row in everything], [row["operations"] for row in rows], recipe.least) if recipe.sample else {}),
            "near-duplicates": len(again),
            "with operations unknown to the catalog": sum(any(o not in stages.catalog for o in row["operations"]) for row in rows),
            "rejected": _reasons(rejected),
            "scrubbed": scrubber.report(),
            "left after scrubbing, by the independent scan": counts.pop("scan", 0),
        }

    stages.stage("flows", key, ["flows.jsonl", "rejected-flows.jsonl"], make)


def _flow_row(source: Source, scrubber: Scrubber | None, catalog: Catalog, recipe: FlowsRecipe, counts: Counter[str]) -> dict[str, Any] | Rejected:
    """The row of a flow, or why there is none. Nothing of a flow in which the scan finds something is kept, also not in the reason. What it is called is scrubbed like what it says."""
    id = source.id
    try:
        value = {**source.value, "id": source.id}
        if scrubber:
            value = scrubber.scrub(value)
        id = value["id"]
        flow = _read(value)
    except Nl2DslError as problem:
        return Rejected(id, "flows", str(problem))
    if scrubber:
        found = scan.scan(value)
        if found:
            counts["scan"] += 1
            return Rejected(id, "flows", f"the scan found {', '.join(sorted({f.kind for f in found}))} after scrubbing")
    tidied = hygiene.tidy(flow)
    if tidied is None:
        return Rejected(id, "flows", "does not read back from its text")
    flow, dsl = tidied
    operations = tree.operations(flow)
    unknown = [o for o in operations if o not in catalog]
    if recipe.known_only and unknown:
        return Rejected(id, "flows", f"unknown operation {unknown[0]}")
    errors = sum(d.severity == "error" and not d.code.startswith("N2") for d in checker.check(flow, catalog))
    counts["with other errors of the checker"] += bool(errors)
    row = {"id": id, "dsl": dsl, "operations": operations, "skeleton": hygiene.skeleton(flow), "time": source.time}
    return {**row, **{k: value[k] for k in ("title", "description") if k in value}}


def _read(value: dict[str, Any]) -> Flow:
    if "text" in value:
        flow, problems = parse(value["text"])
        if flow is None:
            raise CorpusError(f"not a flow: {problems[0].message}")
        return flow
    try:
        return definition.decompile(value["definition"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as problem:  # JSON that only looks like a definition
        raise CorpusError(f"not a definition: {type(problem).__name__}: {problem}") from None


# --- describe and split --------------------------------------------------------------------------------------------------------


def _describe(stages: Stages) -> None:
    settings, out = stages.settings, stages.out
    files = [f"flows-{split}.jsonl" for split in SPLITS]
    base = [f for f in ("train.jsonl", *_APART) if (out / f).exists()]
    key = [
        asdict(settings.split),
        settings.teacher.engine,
        settings.teacher.temperature,
        settings.seed,
        tasks.fill_digest(),
        stages.digests("flows.jsonl", *base),
    ]

    def make() -> dict[str, Any]:
        rows = [json.loads(line) for line in read_text(out / "flows.jsonl").splitlines()]
        items = [Item(row["id"], flow, row["dsl"]) for row in rows if (flow := parse(row["dsl"])[0]) is not None]
        queries, rejected = stages.consult("describe", lambda c: tasks.describe(items, c, stages.catalog))
        taken = {hygiene.skeleton(flow) for r in _rows(out, _APART) if (flow := parse(r.dsl)[0]) is not None}
        apart = [Apart(row["id"], row["skeleton"], tuple(row["operations"]), row["time"]) for row in rows if row["id"] in queries]
        splits = hygiene.split(apart, settings.split, taken)
        rejected += [Rejected(a.id, "split", "its skeleton tests") for a in apart if not splits[a.id]]
        made = [
            example
            for number, row in enumerate(rows)
            if splits.get(row["id"])
            for example in _examples(number, row, queries[row["id"]], splits[row["id"]])
        ]
        made, unsaid = _sketched(made, stages.catalog)
        examples, copied = _different(made)
        examples, leaking = _without_leaks(out, examples)
        rejected += [*copied, *leaking]
        for split in SPLITS:
            write((e for e in examples if e.split == split), out / f"flows-{split}.jsonl")
        _reject(out, "describe", rejected)
        counts = Counter(e.split for e in examples)
        return {
            "flows": len(items),
            "described": len(queries),
            "rows": {s: counts[s] for s in SPLITS},
            "rows with a sketch": {s: sum(bool(e.sketch) for e in examples if e.split == s) for s in SPLITS},
            "no sketch because": dict(unsaid.most_common()),
            "rejected": _reasons(rejected),
            "complete": _complete(rejected),
        }

    stages.stage("describe", key, [*files, "rejected-describe.jsonl"], make)


def _examples(number: int, row: dict[str, Any], queries: Sequence[str], split: str) -> Iterator[Example]:
    for letter, query in zip("abcdefgh", queries, strict=False):
        yield Example(f"fl{number:06d}{letter}", query, "", row["dsl"], tuple(row["operations"]), "flows", split)


def _sketched(rows: Sequence[Example], catalog: Catalog) -> tuple[list[Example], Counter[str]]:
    """Rows with the sketch of what their request says of their flow, where a sketch can say it; why it cannot, and how often."""
    found, unsaid = list[Example](), Counter[str]()
    for row in rows:
        flow, _ = parse(row.dsl)
        try:
            found.append(replace(row, sketch=sketching.of(flow, row.query, catalog)) if flow is not None else row)
        except sketching.Unsaid as problem:
            unsaid[problem.kind] += 1
            found.append(row)
    return found, unsaid


def _different(rows: Sequence[Example]) -> tuple[list[Example], list[Rejected]]:
    """Rows without requests that were asked before for another flow; rows that test come first, so that training gives way to them."""
    order = sorted(rows, key=lambda r: SPLITS.index(r.split), reverse=True)
    letters, words, kept = hygiene.Index(hygiene.SAME_QUERY), hygiene.Index(hygiene.SAME_QUERY), list[Example]()
    rejected: list[Rejected] = []
    for row in order:
        said = hygiene.query_shingles(row.query), hygiene.term_shingles(row.query)
        alike = [kept[n] for n in {*letters.like(said[0]), *words.like(said[1])} if kept[n].dsl != row.dsl]
        if alike:
            rejected.append(Rejected(row.id, "describe", f"nearly the request of {min(a.id for a in alike)}", row.query))
            continue
        letters.add(said[0])
        words.add(said[1])
        kept.append(row)
    return sorted(kept, key=lambda r: r.id), rejected


def _without_leaks(out: Path, rows: Sequence[Example]) -> tuple[list[Example], list[Rejected]]:
    """Rows that are kept apart give way to requests that train already, rows that train give way to all that is kept apart."""
    trained, apart = _rows(out, ["train.jsonl"]), [r for r in rows if r.split != "train"]
    given = set[str]()
    while found := hygiene.leaks(trained, apart):  # a training row is told with one of the rows that are like it: there may be more
        by_id = {r.id: r for r in apart}
        flows = {hygiene.skeleton_of(by_id[leak.test].dsl) for leak in found if leak.kind in ("skeleton", "flow")}
        given |= {leak.test for leak in found} | {r.id for r in apart if hygiene.skeleton_of(r.dsl) in flows}
        apart = [r for r in apart if r.id not in given]
    train, taking = _apart_from(out, [r for r in rows if r.split == "train"], apart)
    rejected = [Rejected(r.id, "split", "is in the training requests", r.query) for r in rows if r.id in given]
    return sorted([*train, *apart], key=lambda r: r.id), [*rejected, *taking]


def _apart_from(out: Path, train: Sequence[Example], more: Sequence[Example] = ()) -> tuple[list[Example], list[Rejected]]:
    """Training rows that share nothing with rows kept apart, and the others."""
    found = {leak.train: leak for leak in hygiene.leaks(train, [*_rows(out, _APART), *more])}
    kept = [r for r in train if r.id not in found]
    return kept, [Rejected(r.id, "split", f"has the {found[r.id].kind} of a row that is kept apart", r.query) for r in train if r.id in found]


def _rows(out: Path, files: Iterable[str]) -> list[Example]:
    return [row for f in files if (out / f).exists() for row in read(out / f)]


# --- more of the training side -------------------------------------------------------------------------------------------------


def _training(out: Path, paraphrases: bool = True) -> tuple[list[str], list[Example]]:
    """The files of training rows that are there, and their rows."""
    files = [f for f in ("train.jsonl", "flows-train.jsonl", *(["paraphrases.jsonl"] if paraphrases else [])) if (out / f).exists()]
    return files, _rows(out, files)


def _picked(seed: int, what: str, id: str, share: float) -> bool:
    return int(_sha(f"{seed}:{what}:{id}"), 16) % 1_000_000 < share * 1_000_000


def _paraphrase(stages: Stages, recipe: ParaphraseRecipe) -> None:
    settings, out = stages.settings, stages.out
    files, rows = _training(out, paraphrases=False)
    kept = [f for f in (*_APART, *_FLOWS_APART) if (out / f).exists()]
    key = [asdict(recipe), settings.teacher.engine, settings.teacher.temperature, settings.seed, tasks.fill_digest(), stages.digests(*files, *kept)]

    def make() -> dict[str, Any]:
        wanted = [r for r in rows if not recipe.operations or hygiene.unseen(r.operations, recipe.operations)]
        calls = Counter(o for r in rows for o in set(r.operations))
        rare = {o for o, n in calls.items() if n < recipe.below}
        chosen = [r for r in wanted if _picked(settings.seed, "paraphrase", r.id, recipe.share) or not rare.isdisjoint(r.operations)]

        def work(c: Consultation) -> tuple[dict[str, tuple[str, ...]], list[Rejected]]:
            steps, rejected = enriching.explained(chosen, stages.catalog, c)
            said, more = tasks.rephrase([(r.id, r.query, steps[r.id]) for r in chosen if r.id in steps], recipe.n, c)
            return said, rejected + more

        said, rejected = stages.consult("paraphrase", work)
        known = {r.query.lower() for r in rows}
        made = []
        for row in chosen:
            for number, text in enumerate(said.get(row.id, ()), 1):
                if text.lower() in known:
                    rejected.append(Rejected(row.id, "paraphrase", "said before", text))
                    continue
                known.add(text.lower())
                made.append(Example(f"{row.id}p{number}", text, row.sketch, row.dsl, row.operations, "paraphrase", "train"))
        made, leaking = _apart_from(out, made, _rows(out, _FLOWS_APART))
        rejected += leaking
        write(made, out / "paraphrases.jsonl")
        _reject(out, "paraphrase", rejected)
        return {"requests": len(chosen), "rows": len(made), "rejected": _reasons(rejected), "complete": _complete(rejected)}

    stages.stage("paraphrase", key, ["paraphrases.jsonl", "rejected-paraphrase.jsonl"], make)


def _enrich(stages: Stages, recipe: EnrichRecipe) -> None:
    settings, out = stages.settings, stages.out
    files, rows = _training(out)
    key = [asdict(recipe), settings.teacher.engine, settings.teacher.temperature, settings.seed, tasks.fill_digest(), stages.digests(*files)]

    def make() -> dict[str, Any]:
        chosen = [i for i, r in enumerate(rows) if _picked(settings.seed, "enrich", r.id, recipe.share)]
        made, rejected = stages.consult("enrich", lambda c: enriching.enrich(rows, chosen, recipe, stages.catalog, c))
        write_rows(out / "enriched.jsonl", (asdict(row) for row in made))
        _reject(out, "enrich", rejected)
        full = {"with steps": sum(bool(r.steps) for r in made), "with all shots": sum(len(r.shots) == recipe.shots for r in made)}
        return {"training rows": len(rows), "enriched": len(made), **full, "rejected": _reasons(rejected), "complete": _complete(rejected)}

    stages.stage("enrich", key, ["enriched.jsonl", "rejected-enrich.jsonl"], make)


def _cycle(stages: Stages, recipe: CycleRecipe) -> None:
    settings, out = stages.settings, stages.out
    files, rows = _training(out)
    model = cycles.model_digest(recipe)

    def make() -> dict[str, Any]:
        chosen = [r for r in rows if _picked(settings.seed, "cycle", r.id, recipe.share)]
        kept = cycles.Kept(out / "cycle.kept", [asdict(recipe), model, stages.catalog.digest, making.code()])
        found = cycles.check(chosen, recipe, stages.catalog, kept, lambda: cycles.writer(recipe, stages.catalog))
        write_rows(out / "cycle.jsonl", (asdict(verdict) for verdict in found))
        return cycles.told(found)

    stages.stage("cycle", [asdict(recipe), model, settings.seed, stages.digests(*files)], ["cycle.jsonl"], make)


def _leaks(stages: Stages) -> None:
    out = stages.out
    files, train = _training(out)
    kept = [f for f in (*_APART, *_FLOWS_APART) if (out / f).exists()]
    enriched = [f for f in ("enriched.jsonl",) if (out / f).exists()]

    def make() -> dict[str, Any]:
        rows = [json.loads(line) for f in enriched for line in read_text(out / f).splitlines()]
        apart = _rows(out, kept)
        found = hygiene.leaks(train, apart, {row["id"]: row["shots"] for row in rows}, stages.settings.split.unseen)
        hygiene.demand_no_leaks(found)
        return {"training rows": len(train), "rows kept apart": len(apart), "prompts with examples": len(rows), "leaks": len(found)}

    stages.stage("leaks", [stages.settings.split.unseen, stages.digests(*files, *kept, *enriched)], [], make)


# --- files ---------------------------------------------------------------------------------------------------------------------


def _reject(out: Path, stage: str, rejected: Iterable[Rejected]) -> None:
    write_rows(out / f"rejected-{stage}.jsonl", (asdict(r) for r in rejected))


def _reasons(rejected: Sequence[Rejected]) -> dict[str, int]:
    """How often each kind of reason was given; what is particular in it stands behind a colon or in backticks."""
    counts = Counter(re.split(r":|`|(?<=near-duplicate) of |(?<=request) of | mention ", r.reason)[0].strip() for r in rejected)
    return dict(counts.most_common(20))


def _complete(rejected: Sequence[Rejected]) -> bool:
    return not any(r.reason.startswith(_NO_ANSWER) for r in rejected)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: Path) -> str:
    return digest_of(path) if path.is_file() else ""


def _note(path: Path) -> dict[str, Any] | None:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


__all__ = ["FlowsRecipe", "ParaphraseRecipe", "ScrubRecipe", "Settings", "Stages", "run", "sources"]
