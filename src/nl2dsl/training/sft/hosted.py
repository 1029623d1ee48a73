"""Fine-tuning at a host that speaks OpenAI's protocol (the GPT-4o-mini row): export, validate, submit, poll.

In: a `HostedRecipe`. Out: `train.jsonl` and `validation.jsonl` as the host wants them, `job.json` with the host's answers, and in the end `card.json` with the name of the
model. Each step is done once: started again, it goes on from `job.json` and pays for nothing twice. The key is read from NL2DSL_API_KEY. Without `submit = true` nothing is
sent anywhere.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.error
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from nl2dsl import __version__, prompts
from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.engines import Completion, hosts
from nl2dsl.errors import CorpusError, EngineError, UsageError
from nl2dsl.example import Example
from nl2dsl.files import digest_of, read_rows, write_rows, write_text
from nl2dsl.prompts import Prompt
from nl2dsl.textual import TextGenerator
from nl2dsl.training.sft.rows import examples, offered

FEWEST, LARGEST = 10, 512 << 20  # rows a host takes at least, bytes of a file at most
ENDED = ("succeeded", "failed", "cancelled")
_TRIES, _TIMEOUT, _LONGEST_WAIT = 4, 120.0, 60.0


@dataclass(frozen=True)
class HostedRecipe:
    """What a host is to fine-tune, and on what."""

    base: str
    """The host's name of the model, such as gpt-4o-mini-2024-07-18."""
    trainer: Literal["hosted"] = "hosted"
    url: str = "https://api.openai.com/v1"
    corpus: str = "build/corpus"
    out: str = "build/hosted"
    rows: int = 0
    """Training rows, drawn by the seed; all when 0."""
    validation: int = 200
    epochs: int = 1
    batch: int = 0
    """Rows of a step; the host decides when 0."""
    seed: int = 0
    suffix: str = "nl2dsl"
    submit: bool = False
    """Sends the files and starts the job, which costs money."""
    budget: float = 0.0
    """Dollars the job may cost by our estimate; no limit when 0."""
    price: float = 3.0
    """Dollars for a million training tokens."""
    poll: float = 30.0
    """Seconds between two questions about the job."""
    patience: float = 86_400.0
    """Seconds after which we stop asking; started again, we ask on."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.poll <= 0 or self.patience <= 0 or min(self.rows, self.validation, self.batch) < 0:
            raise ValueError("`epochs` is at least 1, `poll` and `patience` are above 0, counts are not negative")


class _Nobody:
    name = ""

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        raise EngineError("nobody answers while files are written")


def train_recipe(recipe: HostedRecipe | str | Path, overrides: Iterable[str] = ()) -> Path:
    """Writes and checks the files; with `submit`, starts the job and waits for its end. Returns the folder."""
    if not isinstance(recipe, HostedRecipe):
        recipe = recipes.load(recipe, HostedRecipe, overrides)
    out = Path(recipe.out)
    files = export(recipe)
    tokens = sum(validate(path) for path in files[:1])
    validate(files[1], fewest=1)
    cost = tokens * recipe.epochs * recipe.price / 1e6
    if recipe.budget and cost > recipe.budget:
        raise UsageError(
            f"the job would cost about ${cost:.2f}, more than the budget of ${recipe.budget:.2f}", hint="fewer rows or epochs, or a larger budget"
        )
    if recipe.submit:
        done = poll(recipe, submit(recipe, files))
        write_text(out / "card.json", json.dumps(_card(recipe, files, done), indent=1) + "\n")
    return out


# --- files ---------------------------------------------------------------------------------------------------------------------


def export(recipe: HostedRecipe) -> tuple[Path, Path]:
    """The two files, written by the one prompt renderer."""
    catalog = catalogs.builtin()
    asker = TextGenerator(_Nobody(), catalog=catalog, constrain="none")
    made = []
    for split, limit in (("train", recipe.rows), ("validation", recipe.validation)):
        rows = examples(Path(recipe.corpus), split, catalog, limit, recipe.seed)
        path = Path(recipe.out) / f"{split}.jsonl"
        write_rows(path, (_conversation(row, asker) for row in rows))
        made.append(path)
    return made[0], made[1]


def _conversation(row: Example, asker: TextGenerator) -> dict[str, Any]:
    prompt = prompts.write_flow(row.query, offered(asker.offered(row.query), row, asker.catalog))
    said = [{"role": m.role, "content": m.text} for m in prompt.messages]
    return {"messages": [*said, {"role": "assistant", "content": row.dsl.strip()}]}


def validate(path: Path, fewest: int = FEWEST) -> int:
    """Holds a file against what hosts ask for and returns about how many tokens it has (four characters each). Raises `CorpusError` with every problem."""
    problems, characters = list[str](), 0
    found = read_rows(path, {"messages": list})
    for line in found:
        problems += [f"{path}:{line.number}: {problem}" for problem in _problems(line.row["messages"])]
        characters += sum(len(m["content"]) for m in line.row["messages"] if isinstance(m, dict) and isinstance(m.get("content"), str))
    if len(found) < fewest:
        problems.append(f"{path}: {len(found)} rows, a host takes {fewest} or more")
    if path.stat().st_size > LARGEST:
        problems.append(f"{path}: {path.stat().st_size >> 20} MiB, a host takes {LARGEST >> 20} at most")
    if problems:
        raise CorpusError("\n".join([*problems[:5], *([f"… and {len(problems) - 5} more problems"] if len(problems) > 5 else [])]))
    return characters // 4


def _problems(messages: list[Any]) -> Iterable[str]:
    roles = [m.get("role") if isinstance(m, dict) else None for m in messages]
    if not all(isinstance(m, dict) and isinstance(m.get("content"), str) and m["content"].strip() for m in messages):
        yield "a message has no text"
    if any(role not in ("system", "user", "assistant") for role in roles):
        yield "a role is none of system, user, assistant"
    if not roles or roles[-1] != "assistant":
        yield "the last message is not the assistant's"
    if "system" in roles[1:]:
        yield "a system message stands behind others"


# --- the job -------------------------------------------------------------------------------------------------------------------


def submit(recipe: HostedRecipe, files: tuple[Path, Path]) -> dict[str, Any]:
    """Uploads the files and starts the job; what was done for the same files and settings is not done again."""
    place = Path(recipe.out) / "job.json"
    key = _identity(recipe, files)
    state = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    if state.get("key") != key:
        state = {"key": key, "files": {}}
    for path in files:
        if path.name not in state["files"]:
            state["files"][path.name] = _upload(recipe, path)["id"]
            write_text(place, json.dumps(state, indent=1))
    if "job" not in state:
        how: dict[str, Any] = {"n_epochs": recipe.epochs} | ({"batch_size": recipe.batch} if recipe.batch else {})
        asked = {
            "model": recipe.base,
            "training_file": state["files"][files[0].name],
            "validation_file": state["files"][files[1].name],
            "suffix": recipe.suffix,
            "seed": recipe.seed,
            "method": {"type": "supervised", "supervised": {"hyperparameters": how}},
        }
        state["job"] = _send(recipe, "POST", "/fine_tuning/jobs", json.dumps(asked).encode(), "application/json", key)
        write_text(place, json.dumps(state, indent=1))
    return dict(state["job"])


def poll(recipe: HostedRecipe, job: dict[str, Any]) -> dict[str, Any]:
    """Asks until the job has ended. Raises `EngineError` when it failed, or has not ended in time."""
    until = time.monotonic() + recipe.patience
    while job.get("status") not in ENDED:
        if time.monotonic() > until:
            raise EngineError(
                f"the job {job.get('id')} is still `{job.get('status')}`", hint="start the same command again to ask on; nothing is sent twice"
            )
        time.sleep(recipe.poll)
        job = _send(recipe, "GET", f"/fine_tuning/jobs/{quote(str(job['id']), safe='')}")
    if job["status"] != "succeeded":
        told = job.get("error") or {}
        raise EngineError(
            f"the job {job.get('id')} {job['status']}: {told.get('message') or 'the host does not say why'}",
            hint=f"remove {recipe.out}/job.json to start another one",
        )
    return job


def _identity(recipe: HostedRecipe, files: tuple[Path, Path]) -> str:
    hashed = hashlib.sha256(json.dumps([recipe.url, recipe.base, recipe.epochs, recipe.batch, recipe.seed, recipe.suffix]).encode())
    for path in files:
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def _card(recipe: HostedRecipe, files: tuple[Path, Path], job: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "hosted",
        "name": job["fine_tuned_model"],
        "engine": f"openai:{recipe.url}#{job['fine_tuned_model']}",
        "nl2dsl": __version__,
        "base": {"name": recipe.base},
        "prompt": prompts.digest(),
        "catalog": catalogs.builtin().digest,
        "data": {path.name: digest_of(path) for path in files},
        "trained_tokens": job.get("trained_tokens"),
        "recipe": asdict(recipe),
        "job": job["id"],
    }


def _upload(recipe: HostedRecipe, path: Path) -> dict[str, Any]:
    border = hashlib.sha256(path.name.encode()).hexdigest()[:24]
    head = (
        f'--{border}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\nContent-Type: application/jsonl\r\n\r\n'
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{border}--\r\n".encode()
    return _send(recipe, "POST", "/files", body, f"multipart/form-data; boundary={border}")


def _send(recipe: HostedRecipe, method: str, path: str, body: bytes | None = None, kind: str = "application/json", once: str = "") -> dict[str, Any]:
    """The host's answer; a busy host is asked again. `once` is the idempotency key of what must not happen twice."""
    url = recipe.url.rstrip("/") + path
    asked = hosts.request(url, body, kind=kind, method=method, **({"Idempotency-Key": once} if once else {}))
    last, wait = "", 0.0
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(min(_LONGEST_WAIT, max(wait, min(recipe.poll, 2.0**attempt))))
        wait = 0.0
        try:
            answer = json.loads(hosts.send(asked, _TIMEOUT))
        except urllib.error.HTTPError as problem:
            told = hosts.refused(problem)
            if not told.busy:
                raise EngineError(f"{url} answered {told}", hint=told.next_step) from None
            last, wait = str(told), told.wait
        except (OSError, http.client.HTTPException) as problem:
            last = hosts.why_silent(problem, _TIMEOUT)
        except (ValueError, RecursionError):
            last = "an answer that is no JSON"
        else:
            if not isinstance(answer, dict) or "id" not in answer:
                raise EngineError(f"{url} answered without an id", hint="does the address lead to an OpenAI-compatible API?")
            return answer
    raise EngineError(f"{url} did not answer in {_TRIES} tries: {last}", hint="is the host reachable?")
