"""Asks a writer for every row of a set and keeps all it answers: run once, score many times.

In: an `EvaluateRecipe`. Out: a run folder, which `report` reads without a model:

    run.json        what was run: recipe, writer, catalog, rows, environment, each with its digest
    cases.jsonl     the rows, with their right answers
    answers.jsonl   one answer a line, as they came; a run that was killed goes on behind the last one
    card.json       the end of the run: outcomes, seconds, digests; a folder without it is not finished
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from nl2dsl import __version__
from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.decoding.search import Constrain
from nl2dsl.errors import EngineError, RunError
from nl2dsl.evaluation import cases as casework
from nl2dsl.evaluation.cases import Case
from nl2dsl.evaluation.writers import Choice, Writer, open_writer
from nl2dsl.files import digest_of, read_text, write_rows, write_text

FORMAT = 1
BUDGETS = (16, 32, 64, 128)
_GIVE_UP = 5  # rows in a row that an engine does not answer
_NOT_KEPT = ("workflow", "query")  # what a row of answers need not say again


@dataclass(frozen=True)
class EvaluateRecipe:
    """What to measure, and on what."""

    rows: Path
    """JSON lines of requests with their right answers: a split of a corpus, or a file of your own (docs/evaluation.md)."""
    out: Path = Path("build/evaluate/run")
    """The run folder. A run that is there and unfinished goes on."""
    name: str = ""
    """What reports call this run; the folder's name unless given."""
    writer: str = "embedded"
    """embedded, embedded-no-retrieval, nearest, rag, openai:URL#MODEL, replay:FILE or answers:FILE."""
    engine: str = ""
    """The text engine that `rag` prompts."""
    model: Path | None = None
    """Folder of an embedded model, or of a fine-tuned one (it writes as `hf:FOLDER`); the one that ships unless given. An embedded model's retriever finds the examples of `nearest` and `rag`."""
    catalog: tuple[str, ...] = ()
    """Catalogs instead of the built-in one."""
    with_builtin: bool = False
    """The built-in catalog as well."""
    constrain: Constrain | Literal[""] = ""
    """typed, grammar or none; typed unless given (none for rag: its first answer counts)."""
    shots: int = 0
    """Examples in the prompt of a text engine; 5 for rag unless given."""
    offered: int = 0
    """Operations in the prompt of a text engine, the same ones whatever the shots; about 40 when 0."""
    batch: int = 1
    """Requests that `hf:FOLDER` answers side by side; each one's seconds are then those of its batch."""
    corpus: Path = Path("build/corpus")
    """Folder of the corpus whose training side `nearest` and `rag` take examples from."""
    pool: Literal["all", "written"] = "all"
    """All examples of it, or only those that people wrote."""
    cache: Path = Path("build/evaluate/cache")
    """Where embeddings of examples are kept."""
    limit: int = 0
    """Only so many rows, drawn by chance; all unless given."""
    repeats: int = 1
    """Tries at each row, for pass^k."""
    temperature: float = 0.0
    """Of a text engine; each try has a seed of its own."""
    max_tokens: int | Literal["random"] = 0
    """Bound of each flow; `random` draws 16, 32, 64 or 128 for each row."""
    seed: int = 0
    """Of drawn rows, random bounds and tries."""
    unseen: tuple[str, ...] = ()
    """Connectors the writer was not trained on; those of the model's card unless given."""

    def __post_init__(self) -> None:
        for name, least in (("limit", 0), ("repeats", 1), ("shots", 0), ("offered", 0), ("batch", 1), ("temperature", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` is {getattr(self, name)}, less than {least}")
        if isinstance(self.max_tokens, int) and self.max_tokens < 0:
            raise ValueError("`max_tokens` is negative")


class Key(NamedTuple):
    """Which answer: the row and the number of the try."""

    id: str
    repeat: int


def evaluate_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Path:
    """Runs a recipe file and returns its run folder."""
    return evaluate(recipes.load(path, EvaluateRecipe, overrides))


def recipe_of(values: Mapping[str, Any]) -> EvaluateRecipe:
    """The recipe these values are; raises `RecipeError`."""
    return recipes.build(values, EvaluateRecipe)


def evaluate(recipe: EvaluateRecipe) -> Path:
    """Runs a recipe, or the rest of it, and returns its run folder."""
    recipe = _fine_tuned(recipe)
    catalog = catalogs.chosen(recipe.catalog, recipe.with_builtin)
    rows = casework.read(recipe.rows, catalog, recipe.limit, recipe.seed)
    writer = open_writer(_choice(recipe, catalog))
    folder = Path(recipe.out)
    if recipe.repeats > 1 and not writer.varies and recipe.max_tokens != "random":
        print("note: every try at a row will be the same; temperature=0.7 lets a text engine vary", file=sys.stderr)
    head = _head(recipe, rows, writer)
    _begin(folder, head, rows)
    done = _resume(folder / "answers.jsonl", rows)
    todo = [(case, repeat) for repeat in range(recipe.repeats) for case in rows if Key(case.id, repeat) not in done]
    if done and todo:
        print(f"{folder}: {len(done):,} answers are there, {len(todo):,} to go", file=sys.stderr)
    _ask(writer, todo, recipe, folder / "answers.jsonl")
    _finish(folder, head)
    return folder


def _fine_tuned(recipe: EvaluateRecipe) -> EvaluateRecipe:
    """`model=DIR` may be a fine-tuned text model; the engine `hf:DIR` writes with it then."""
    card = recipe.model / "card.json" if recipe.model and recipe.writer == "embedded" else None
    if card and card.exists() and json.loads(read_text(card)).get("kind") == "sft":
        return replace(recipe, writer=f"hf:{recipe.model}", model=None)
    return recipe


def _choice(recipe: EvaluateRecipe, catalog: Catalog) -> Choice:
    shots = recipe.shots or (5 if recipe.writer == "rag" else 0)
    return Choice(
        writer=recipe.writer,
        engine=recipe.engine,
        model=recipe.model,
        catalog=catalog,
        constrain=recipe.constrain,
        shots=shots,
        offered=recipe.offered,
        corpus=recipe.corpus,
        pool=recipe.pool,
        cache=recipe.cache,
        temperature=recipe.temperature,
        seed=recipe.seed,
    )


# --- what is run ---------------------------------------------------------------------------------------------------------------


def _head(recipe: EvaluateRecipe, rows: Sequence[Case], writer: Writer) -> dict[str, Any]:
    unknown = sorted({o for c in rows for o in c.gold if o not in writer.catalog})
    what = {
        "format": FORMAT,
        "recipe": told(recipe),
        "writer": {"name": writer.name, "digest": writer.digest},
        "catalog": {"digest": writer.catalog.digest, "operations": len(writer.catalog), "gold_not_in_it": unknown},
        "rows": {"file": str(recipe.rows), "n": len(rows), "digest": casework.digest(rows)},
        "unseen": list(recipe.unseen or writer.unseen),
    }
    identity = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
    return {"name": recipe.name or Path(recipe.out).name, "identity": identity, **what, "environment": environment()}


def told(recipe: EvaluateRecipe) -> dict[str, Any]:
    """The recipe as `run.json` has it: without the places and names that change no answer."""
    said = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(recipe).items()}
    return {k: v for k, v in said.items() if k not in ("out", "name", "cache")}


def environment() -> dict[str, Any]:
    """Where and with what it ran."""
    versions = {}
    for package in ("openvino", "tokenizers", "numpy", "lark"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = ""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "nl2dsl": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": load,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "packages": versions,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor() or platform.machine())


def _commit() -> str:
    """The commit of a checkout, with `+` when files in it are changed; '' for an installed package."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(["git", "describe", "--always", "--dirty=+", "--exclude=*"], cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


# --- the folder ----------------------------------------------------------------------------------------------------------------


def _begin(folder: Path, head: dict[str, Any], rows: Sequence[Case]) -> None:
    """A new folder, or one that holds the beginning of this very run."""
    run = folder / "run.json"
    if not run.exists():
        if (folder / "answers.jsonl").exists():
            raise RunError(f"{folder}: answers without a run.json", hint="give another `out`")
        write_rows(folder / "cases.jsonl", [casework.to_row(c) for c in rows])
        write_text(run, json.dumps(head, indent=1, ensure_ascii=False, default=str) + "\n")
        return
    earlier = _json(run)
    if earlier.get("identity") != head["identity"]:
        changed = [k for k in ("recipe", "writer", "catalog", "rows", "unseen") if earlier.get(k) != json.loads(json.dumps(head[k], default=str))]
        raise RunError(
            f"{folder} holds another run ({', '.join(changed) or 'of another version'} differ)", hint="give another `out`, or remove that folder"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as problem:
        raise RunError(f"{path}: not JSON: {problem.msg}", hint="the folder is damaged: run it again with another `out`") from None
    if not isinstance(value, dict):
        raise RunError(f"{path}: not a JSON object", hint="the folder is damaged: run it again with another `out`")
    return value


def _lines(path: Path) -> list[str]:
    """Lines end where JSON lines end, at a line feed: other ends of lines may stand inside texts."""
    return read_text(path).rstrip("\n").split("\n") if path.stat().st_size else []


def _resume(path: Path, rows: Sequence[Case]) -> set[Key]:
    """What is answered already. A last line that was cut off by the kill is forgotten."""
    if not path.exists():
        return set()
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    return {Key(str(answer["id"]), int(answer["repeat"])) for answer in answers(path, rows)}


def answers(path: Path, rows: Sequence[Case]) -> list[dict[str, Any]]:
    """The answers of a run. Raises `RunError` for lines that are no answers, or answers to other rows, or two to one."""
    known, found, seen = {c.id for c in rows}, list[dict[str, Any]](), set[Key]()
    for number, line in enumerate(_lines(path), 1):
        try:
            answer = json.loads(line)
            key = Key(answer["id"], answer["repeat"])
            if not isinstance(answer["outcome"], str):
                raise TypeError("`outcome` is not a text")
        except (ValueError, KeyError, TypeError) as problem:
            raise RunError(f"{path}:{number}: not an answer: {problem}", hint="the folder is damaged: run it again with another `out`") from None
        if key.id not in known or key in seen:
            why = "a second answer to" if key in seen else "an answer to a row that is not in cases.jsonl:"
            raise RunError(f"{path}:{number}: {why} `{key.id}`", hint="did two runs write to this folder at once?")
        seen.add(key)
        found.append(answer)
    return found


def _ask(writer: Writer, todo: Sequence[tuple[Case, int]], recipe: EvaluateRecipe, path: Path) -> None:
    """Answers go to the file as they come. Rows an engine does not answer wait: when too many do, the engine is gone and they are asked again another time."""
    waiting: list[dict[str, Any]] = []
    with path.open("a", encoding="utf-8", errors="replace") as stream:

        def keep() -> None:
            stream.writelines(json.dumps(a, ensure_ascii=False) + "\n" for a in waiting)
            stream.flush()
            waiting.clear()

        for place, (case, repeat) in enumerate(_progress(todo)):
            if recipe.batch > 1 and writer.prepare and place % recipe.batch == 0:
                writer.prepare([(c, r, _bound(recipe, c, r)) for c, r in todo[place : place + recipe.batch]])
            made = {k: v for k, v in writer.answer(case, repeat, _bound(recipe, case, repeat)).items() if k not in _NOT_KEPT}
            waiting.append({**made, "id": case.id, "repeat": repeat})
            if not _unanswered(made):
                keep()
            elif len(waiting) >= _GIVE_UP:
                said = made["diagnostics"][0]
                raise EngineError(f"{_GIVE_UP} rows in a row were not answered: {said['message']}", hint=said.get("hint") or "run it again to go on")
        keep()


def _unanswered(answer: dict[str, Any]) -> bool:
    return any(d.get("code") == "E001" for d in answer.get("diagnostics") or ())


def _bound(recipe: EvaluateRecipe, case: Case, repeat: int) -> int | None:
    if recipe.max_tokens == "random":
        return Random(f"{recipe.seed}:{case.id}:{repeat}").choice(BUDGETS)
    return recipe.max_tokens or None


def _progress(todo: Sequence[tuple[Case, int]]) -> Iterator[tuple[Case, int]]:
    if not sys.stderr.isatty():
        yield from todo
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(todo, description="requests", console=Console(stderr=True), transient=True)


def _finish(folder: Path, head: dict[str, Any]) -> None:
    rows = [casework.of_row(json.loads(line)) for line in _lines(folder / "cases.jsonl")]
    made = answers(folder / "answers.jsonl", rows)
    card = {
        "format": FORMAT,
        "name": head["name"],
        "identity": head["identity"],
        "rows": len(rows),
        "answers": len(made),
        "outcomes": dict(sorted(Counter(a["outcome"] for a in made).items())),
        "not_answered": sum(_unanswered(a) for a in made),
        "seconds": round(sum(a.get("seconds", {}).get("total", 0.0) for a in made), 3),
        "digests": {n: digest_of(folder / n) for n in ("cases.jsonl", "answers.jsonl")},
    }
    write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")


# --- reading it again ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A run folder as reports read it."""

    folder: Path
    name: str
    head: dict[str, Any]
    cases: dict[str, Case]
    answers: list[dict[str, Any]]
    finished: bool

    @property
    def unseen(self) -> frozenset[str]:
        return frozenset(self.head.get("unseen", ()))


def load(folder: str | Path, partial: bool = False) -> Run:
    """A run folder. Raises `RunError` when it is none, is damaged, or is not finished (unless `partial`)."""
    place = Path(folder)
    if not (place / "run.json").exists():
        what = "no such folder" if not place.exists() else "not a run folder" if place.is_dir() else "a file, not a run folder"
        raise RunError(f"{place}: {what}", hint="make one: nl2dsl evaluate recipes/evaluate/smoke.toml")
    head = _json(place / "run.json")
    if head.get("format") != FORMAT:
        raise RunError(f"{place}: format {head.get('format')}, not {FORMAT}", hint="it was made by another version of nl2dsl: run it again")
    try:
        rows = [casework.of_row(json.loads(line)) for line in _lines(place / "cases.jsonl")]
    except (ValueError, KeyError, TypeError, OSError) as problem:
        raise RunError(f"{place}/cases.jsonl: cannot be read: {problem}", hint="the folder is damaged: run it again with another `out`") from None
    if not rows or casework.digest(rows) != head.get("rows", {}).get("digest"):
        raise RunError(f"{place}/cases.jsonl: not the rows of this run", hint="the folder is damaged: run it again with another `out`")
    finished = (place / "card.json").exists()
    if not finished and not partial:
        raise RunError(f"{place}: the run is not finished", hint="run it again, it goes on where it was; or report what is there: --partial")
    path = place / "answers.jsonl"
    found = answers(path, rows) if path.exists() else []
    if not found:
        raise RunError(f"{place}: no answers in it", hint="run it again")
    if finished and digest_of(path) != _json(place / "card.json").get("digests", {}).get("answers.jsonl"):
        raise RunError(f"{path}: changed since the run ended", hint="the folder is damaged: run it again with another `out`")
    return Run(place, str(head.get("name") or place.name), head, {c.id: c for c in rows}, found, finished)


__all__ = ["EvaluateRecipe", "Run", "answers", "environment", "evaluate", "evaluate_recipe", "load", "recipe_of", "told"]
