"""Learning from one's own answers: direct preference optimisation (Rafailov et al. 2023) with a reward of checker, simulator and similarity instead of people.

In: a `PreferenceRecipe`, or the TOML of one, that names a fine-tuned model to start from. Out: a folder that `hf:FOLDER` serves: the better model, or, when it does not win on held-out
requests, the start as it was; the card says which, and why. The stages, each of which goes on where it was killed:

    start ─ samples ─ pairs ─ training ─ held-out comparison ─ kept or not ─ card

The start is the reference, frozen: its log-probabilities of all answers are computed once, and an adapter learns beside its weights. One process; no dropout, so that the policy begins as the
reference exactly.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.engines import Completion, hf
from nl2dsl.engines.hf import HF, Text
from nl2dsl.errors import ModelError, RecipeError
from nl2dsl.evaluation import statistics
from nl2dsl.evaluation.statistics import Comparison
from nl2dsl.example import Example
from nl2dsl.files import digest_of, digest_of_value, write_rows, write_text
from nl2dsl.prompts import Prompt
from nl2dsl.textual import TextGenerator
from nl2dsl.training import reward
from nl2dsl.training.journal import Journal
from nl2dsl.training.reward import Score, Weights
from nl2dsl.training.sft import card, data, rows
from nl2dsl.training.sft import model as models
from nl2dsl.training.sft.data import IGNORED, Encoded, Steps
from nl2dsl.training.sft.loop import rise_and_fall
from nl2dsl.training.sft.recipe import Lora, SftRecipe
from nl2dsl.training.sft.states import States

HERE = ("corpus", "out", "catalog", "start", "threads", "log")  # where things lay and what was told
Figures = dict[str, Any]


@dataclass(frozen=True)
class PreferenceRecipe:
    """What to start from, how to ask it, and how to learn from its answers."""

    start: str
    """Folder of a fine-tuned model (trained without shots)."""
    trainer: Literal["preference"] = "preference"
    corpus: str = "build/corpus"
    out: str = "build/preference"
    catalog: tuple[str, ...] = ()
    """Catalog files, as in the training of the start; the built-in catalog when empty."""
    requests: int = 1_000
    """Training rows that are asked, drawn by the seed; all when 0."""
    samples: int = 4
    """Answers to each."""
    temperature: float = 1.0
    max_new_tokens: int = 512
    reward: Weights = field(default_factory=Weights)
    margin: float = 0.1
    """Least difference of reward within a pair."""
    most: int = 1
    """Most pairs of one request: the best answer with the worst ones."""
    beta: float = 0.1
    """How dear it is to leave the start: the strength of DPO's implicit divergence."""
    nll: float = 0.1
    """Share of the preferred answer's own loss (by token) that is added, so that it does not become less likely along with the other."""
    lora: Lora = field(default_factory=lambda: Lora(dropout=0.0))
    epochs: float = 1.0
    steps: int = 0
    """Steps instead of epochs."""
    batch: int = 16
    """Pairs of a step."""
    max_length: int = 8_192
    """Tokens of prompt and answer; longer pairs are left out and counted."""
    learning_rate: float = 5e-5
    warmup: float = 0.1
    schedule: Literal["constant", "cosine", "linear"] = "linear"
    clip: float = 1.0
    split: str = "test"
    """File of the corpus with the held-out rows."""
    held_out: int = 500
    """Rows on which start and result are compared; all when 0."""
    seed: int = 0
    checkpoint: int = 20
    """Steps between two checkpoints."""
    log: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2 or min(self.most, self.batch, self.checkpoint, self.log, self.max_new_tokens, self.max_length) < 1:
            raise ValueError("`samples` is at least 2; `most`, `batch`, `checkpoint`, `log`, `max_new_tokens`, `max_length` are at least 1")
        if min(self.beta, self.temperature, self.learning_rate, self.clip, self.margin) <= 0 or self.nll < 0:
            raise ValueError("`beta`, `temperature`, `learning_rate`, `clip` and `margin` are above 0, `nll` is not below")
        if self.steps < 0 or (not self.steps and self.epochs <= 0) or min(self.requests, self.held_out) < 0:
            raise ValueError("there are neither steps nor epochs, or a count is below 0")
        if self.split == "train":
            raise ValueError("`split` is the training split: what was asked in training shows nothing")


class Pair(NamedTuple):
    """Two answers to one request, better and worse, as token ids behind the prompt's."""

    row: str
    better: tuple[int, ...]
    worse: tuple[int, ...]
    gain: float


def train_recipe(recipe: PreferenceRecipe | str | Path, overrides: Iterable[str] = ()) -> Path:
    """Asks, pairs, trains, compares; or goes on with it. Returns the folder of the model."""
    if not isinstance(recipe, PreferenceRecipe):
        recipe = recipes.load(recipe, PreferenceRecipe, overrides)
    try:
        import peft  # noqa: F401
    except ImportError as problem:
        raise ModelError(f"fine-tuning needs {problem.name}", hint="pip install 'nl2dsl[finetune]'") from problem
    return _Run(recipe).run()


class _Said:
    """An engine that has answered already."""

    name = ""

    def __init__(self) -> None:
        self.text = ""

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        return Completion(self.text)


class _Run:
    def __init__(self, recipe: PreferenceRecipe) -> None:
        hf.quiet()
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        self.recipe, self.out, self.corpus = recipe, Path(recipe.out), Path(recipe.corpus)
        self.below, self.start = self.out / "training", Path(recipe.start)
        if self.start.resolve() == self.out.resolve():
            raise RecipeError("`out` is the folder of the start", hint="another folder: the start stays as it is")
        self.journal = Journal(self.below)
        self.catalog = catalogs.chosen(recipe.catalog)
        self.card = hf.read_card(self.start)
        told = self.card["recipe"]
        if told.get("shots"):
            raise RecipeError(f"{self.start} was trained with {told['shots']} shots", hint="start from a model without: the prompts here have none")
        if self.card["catalog"] != self.catalog.digest:
            raise RecipeError(f"{self.start} was trained with another catalog", hint="`catalog` is the one of its recipe")
        self.said = _Said()
        self.asker = TextGenerator(self.said, catalog=self.catalog, constrain="none", most=int(told.get("offered", 0)))
        self.asked = rows.examples(self.corpus, "train", self.catalog, recipe.requests, recipe.seed)
        train = {e.query for e in rows.examples(self.corpus, "train", self.catalog, 0, 0)}
        held = rows.examples(self.corpus, recipe.split, self.catalog, recipe.held_out, recipe.seed)
        self.held = [e for e in held if e.query not in train]
        if not self.held:
            raise RecipeError(f"every row of `{recipe.split}` is a training row", hint="`split` names a file of the corpus that is kept apart")

    def run(self) -> Path:
        write_text(self.below / "recipe.toml", recipes.dump(self.recipe))
        (self.out / hf.CARD).unlink(missing_ok=True)  # a card says that the folder is whole
        base = self._whole()
        reference = HF(self.start).loaded  # an adapter of the start is merged: that is what learns
        before = self._held_out("start", reference)
        pairs = self._pairs(reference)
        end = self._trained(reference, base, pairs)
        after = self._held_out("end", end, models.trained(end.model))
        verdict = _verdict(before, after)
        self.journal.log(
            f"held-out reward {_mean(before):.3f} -> {_mean(after):.3f} ({verdict['reward']}): {'kept' if verdict['kept'] else 'not kept'}"
        )
        facts = self._facts(pairs, before, after, verdict)
        if verdict["kept"]:
            self._write(end, base, facts)
        else:
            self._keep_start(facts)
        self.journal.log(f"the model is in {self.out}")
        return self.out

    def _whole(self) -> Path:
        """The folder of the start's whole weights: its own, or its adapter merged into its base."""
        if self.card["method"] == "full":
            return self.start
        place, told = self.below / "start", self.below / "start.json"
        if not (told.exists() and json.loads(told.read_text(encoding="utf-8")) == self.card["digest"]):
            hf.verify(self.start, self.card)
            models.merge(hf.base_of(self.start, self.card), self.start, place, self.card["weights"])
            write_text(told, json.dumps(self.card["digest"]))
        return place

    # --- answers and what they are worth -----------------------------------------------------------------------------------------

    def score(self, text: str, row: Example) -> Score:
        self.said.text = text
        return reward.score(self.asker.generate(row.query), row, self.catalog, self.recipe.reward)

    def _kept(self, path: Path, identity: str, wanted: Sequence[Example], make: Callable[[Example], Figures], what: str) -> list[Figures]:
        """A line for each row, in order; lines of the same identity that are there already are not made again."""
        found = list(_lines(path, identity))
        if found:
            self.journal.log(f"{what}: {len(found)} of {len(wanted)} are there")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"identity": identity}) + "\n", encoding="utf-8")
        with path.open("r+b") as stream, self.journal.bar(what):
            stream.truncate(sum(len(line) for line in stream.readlines()[: len(found) + 1]))
            stream.seek(0, 2)
            for number, row in enumerate(wanted[len(found) :], len(found) + 1):
                found.append(make(row))
                stream.write(json.dumps(found[-1], ensure_ascii=False).encode() + b"\n")
                stream.flush()
                self.journal.tick(number, number / len(wanted), 0.0)
        return found

    def _samples(self, model: Text) -> list[Figures]:
        """`samples` answers to each request with what they are worth."""
        r = self.recipe
        how = [self.card["digest"], r.samples, r.temperature, r.max_new_tokens, str(r.reward), r.seed, [(e.query, e.dsl) for e in self.asked]]

        def ask(row: Example) -> Figures:
            seed = random.Random(f"{r.seed} {row.query}").getrandbits(32)
            made = model.sample(self.asker.prompt(row.query), r.samples, max_tokens=r.max_new_tokens, temperature=r.temperature, seed=seed)
            return {
                "id": row.id,
                "answers": [{"ids": ids, "text": text, **self.score(text, row).row()} for ids in made for text in [model.text(ids)]],
            }

        return self._kept(self.below / "samples.jsonl", digest_of_value(how), self.asked, ask, "samples")

    def _pairs(self, model: Text) -> list[Pair]:
        r = self.recipe
        sampled = self._samples(model)
        found = [p for row in sampled for p in pairs_of(row, r.margin, r.most)]
        values = [a["reward"] for row in sampled for a in row["answers"]]
        best = [max(a["reward"] for a in row["answers"]) for row in sampled]
        self.journal.log(f"samples: reward {_mean(values):.3f} on average, {_mean(best):.3f} for the best of {r.samples}; {len(found)} pairs")
        if not found:
            raise RecipeError(
                "no two answers to a request differ in reward by the margin: there is nothing to prefer",
                hint="a higher temperature or more samples; or the model is too bad (or too sure) to learn from itself",
            )
        write_rows(
            self.below / "pairs.jsonl", ({"id": p.row, "better": model.text(p.better), "worse": model.text(p.worse), "gain": p.gain} for p in found)
        )
        return found

    def _held_out(self, name: str, model: Text, weights: dict[str, Tensor] | None = None) -> list[Score]:
        """Greedy answers to the held-out rows, scored."""
        r = self.recipe
        how = [self.card["digest"], r.max_new_tokens, str(r.reward), [(e.query, e.dsl) for e in self.held], _weights_digest(weights or {})]

        def ask(row: Example) -> Figures:
            text = model.complete(self.asker.prompt(row.query), max_tokens=r.max_new_tokens).text
            return {"id": row.id, "text": text, **self.score(text, row).row()}

        return [
            Score.of_row(row) for row in self._kept(self.below / f"held-out-{name}.jsonl", digest_of_value(how), self.held, ask, f"held-out, {name}")
        ]

    # --- training ----------------------------------------------------------------------------------------------------------------

    def _trained(self, reference: Text, base: Path, pairs: Sequence[Pair]) -> Text:
        r = self.recipe
        torch.manual_seed(r.seed)  # the first weights of the adapter
        sft = SftRecipe(base=str(base), lora=r.lora, weights=self.card["weights"], precision="fp32")
        model, tokenizer = models.load(base, sft, "lora")
        model.eval()
        encoded = {e.id: reference.ids(self.asker.prompt(e.query)) for e in self.asked}
        whole = [p for p in pairs if len(encoded[p.row]) + max(len(p.better), len(p.worse)) <= r.max_length]
        if not whole:
            raise RecipeError(f"no pair has at most {r.max_length} tokens", hint="a larger `max_length`")
        self.journal.log(f"training: {len(whole)} pairs, left out because longer than {r.max_length} tokens: {len(pairs) - len(whole)}")
        settings = {k: v for k, v in asdict(r).items() if k not in (*HERE, "checkpoint", "held_out", "split")}
        inputs = digest_of_value([self.card["digest"], whole, settings])
        Preferring(
            r,
            model.to(reference.model.device),
            reference.model,
            [_encoded(p, encoded[p.row]) for p in whole],
            tokenizer.pad_token_id,
            States(self.below / "states", inputs),
            self.journal,
        ).run()
        return Text(model, tokenizer, "end")

    # --- what is kept ------------------------------------------------------------------------------------------------------------

    def _facts(self, pairs: Sequence[Pair], before: Sequence[Score], after: Sequence[Score], verdict: Figures) -> Figures:
        r = self.recipe
        return {
            "kept": verdict["kept"],
            "why": verdict["why"],
            "start": {"name": self.card["name"], "digest": self.card["digest"]},
            "reward": str(r.reward),
            "pairs": {"n": len(pairs), "sha256": digest_of(self.below / "pairs.jsonl"), "requests": len(self.asked), "samples": r.samples},
            "recipe": {k: v for k, v in asdict(r).items() if k not in HERE},
            "held out": {
                "n": len(before),
                "rows": digest_of_value([(e.query, e.dsl) for e in self.held]),
                "start": _summary(before),
                "end": _summary(after),
                **{name: str(value) for name, value in verdict.items() if isinstance(value, Comparison)},
            },
        }

    def _write(self, end: Text, base: Path, facts: Figures) -> None:
        end.model.config.use_cache = True
        models.save(end.model, end.tokenizer, self.out)
        kept: Figures = {name: self.card[name] for name in ("weights", "template", "catalog", "data", "shots", "recipe") if name in self.card}
        told: Figures = {
            "name": f"{self.card['name']}-preference",
            "method": "lora",
            "base": {"name": self.card["name"], "path": os.path.relpath(base, self.out), "digest": hf.weights_digest(base)},
            **kept,
        }
        card.write(self.out, {**told, "scores": facts["held out"]["end"], "preference": facts})

    def _keep_start(self, facts: Figures) -> None:
        """The start's own files under a card that tells of the trial."""
        for name in self.card["files"]:
            shutil.copyfile(self.start / name, self.out / name)
        told = {k: v for k, v in self.card.items() if k not in ("kind", "nl2dsl", "prompt", "versions", "files", "digest")}
        if told["method"] != "full":
            place = hf.base_of(self.start, self.card)
            told["base"] = {**told["base"], "path": str(place.resolve())}
        card.write(self.out, {**told, "preference": facts})


# --- pairs -----------------------------------------------------------------------------------------------------------------------


def pairs_of(sampled: Figures, margin: float, most: int) -> Iterator[Pair]:
    """The best answer with the worst ones, of those that differ enough; of equal ones the first."""
    answers = list({a["text"]: a for a in reversed(sampled["answers"])}.values())[::-1]
    ordered = sorted(answers, key=lambda a: -a["reward"])
    for other in sorted(ordered[1:], key=lambda a: a["reward"])[:most]:
        gain = ordered[0]["reward"] - other["reward"]
        if gain >= margin:
            yield Pair(sampled["id"], tuple(ordered[0]["ids"]), tuple(other["ids"]), gain)


def _encoded(pair: Pair, prompt: Sequence[int]) -> tuple[Encoded, Encoded]:
    better, worse = (Encoded(array("i", [*prompt, *answer]), len(prompt)) for answer in (pair.better, pair.worse))
    return better, worse


# --- the loop --------------------------------------------------------------------------------------------------------------------


@dataclass
class Preferring:
    """The training: `model` learns, `reference` is the start; pairs are rows of tokens, the better one first."""

    recipe: PreferenceRecipe
    model: Any
    reference: Any
    pairs: Sequence[tuple[Encoded, Encoded]]
    pad: int
    states: States
    journal: Journal

    def run(self) -> None:
        r = self.recipe
        total = r.steps or max(1, math.ceil(r.epochs * len(self.pairs) / r.batch))
        weights = models.trained(self.model)
        optimizer = torch.optim.AdamW(weights.values(), lr=r.learning_rate, weight_decay=0.0)
        first, state = 0, self.states.load()
        if state:
            models.put(self.model, state["weights"])
            optimizer.load_state_dict(state["optimizer"])
            first = int(state["step"])
            self.journal.log(f"training: goes on at step {first}")
        self.journal.rewind("preference", first)
        steps = Steps(list(range(len(self.pairs))), r.batch, r.seed)  # type: ignore[arg-type]
        with self.journal.bar("preference"):
            for step in range(first, total):
                figures = self._step(step, total, optimizer, steps.of(step))  # type: ignore[arg-type]
                if (step + 1) % r.log == 0 or step + 1 == total:
                    self.journal.record({"stage": "preference", "step": step + 1, **figures})
                self.journal.tick(step + 1, (step + 1) / total, figures["loss"])
                if (step + 1) % r.checkpoint == 0 or step + 1 == total:
                    kept = {n: p.detach().cpu() for n, p in weights.items()}
                    self.states.save(step + 1, {"step": step + 1, "weights": kept, "optimizer": optimizer.state_dict()})

    def _step(self, step: int, total: int, optimizer: Any, chosen: Sequence[int]) -> Figures:
        r = self.recipe
        for group in optimizer.param_groups:
            group["lr"] = r.learning_rate * rise_and_fall(step, total, r.warmup, r.schedule)
        optimizer.zero_grad()
        losses, margins = 0.0, list[float]()
        for number in chosen:
            pair = self.pairs[number]
            now = row_logs(self.model, pair, self.pad)
            with torch.no_grad():
                then = row_logs(self.reference, pair, self.pad)
            margin = r.beta * ((now[0] - then[0]) - (now[1] - then[1]))
            value = -logsigmoid(margin) - r.nll * now[0] / (len(pair[0].ids) - pair[0].prompt)
            if not torch.isfinite(value):
                raise ModelError(f"the loss is {float(value)} at step {step + 1}; nothing was learned from it", hint="a lower learning_rate")
            (value / len(chosen)).backward()  # type: ignore[no-untyped-call]
            losses += float(value.detach()) / len(chosen)
            margins.append(float(margin.detach()))
        norm = float(torch.nn.utils.clip_grad_norm_(models.trained(self.model).values(), r.clip))
        optimizer.step()
        return {"loss": losses, "margin": sum(margins) / len(margins), "right": sum(m > 0 for m in margins) / len(margins), "norm": norm}


def row_logs(model: Any, pair: Sequence[Encoded], pad: int) -> Tensor:
    """The log-probability of each row's answer, summed over its tokens, in the order of the rows."""
    order = sorted(range(len(pair)), key=lambda i: -len(pair[i].ids))  # as `packs` puts them
    (pack,) = data.packs(pair, "grouped", 1 << 40, pad, 1)
    pack = data.moved(pack, next(model.parameters()).device)
    logits = model(input_ids=pack.ids, attention_mask=pack.mask, use_cache=False, logits_to_keep=pack.keep).logits.float()
    logs = -cross_entropy(logits.transpose(1, 2), pack.labels, ignore_index=IGNORED, reduction="none").sum(1)
    return logs[torch.tensor([order.index(i) for i in range(len(pair))], device=logs.device)]


# --- the verdict -----------------------------------------------------------------------------------------------------------------


def _verdict(before: Sequence[Score], after: Sequence[Score]) -> Figures:
    """Kept when the reward of the held-out rows is higher, and the whole interval of the paired difference says so, and no part of it is surely worse."""
    found = dict[str, Comparison]()
    for name in ("reward", "flow_similarity"):
        found[name] = statistics.paired([float(getattr(s, name)) for s in before], [float(getattr(s, name)) for s in after])
    for name in ("equivalent", "exact", "non_parsed"):
        found[name] = statistics.mcnemar([bool(getattr(s, name)) for s in before], [bool(getattr(s, name)) for s in after])
    worse = [n for n, c in found.items() if (c.low > 0 if n == "non_parsed" else c.high < 0)]
    won = found["reward"].low > 0
    why = "the reward of held-out rows is higher" if won else "the interval of the difference in reward holds zero or less"
    return {"kept": won and not worse, "why": why + (f"; worse: {', '.join(worse)}" if worse else ""), **found}


def _summary(scores: Sequence[Score]) -> Figures:
    return {name: round(_mean([float(getattr(s, name)) for s in scores]), 4) for name in Score.__slots__}


def _mean(values: Sequence[Any]) -> float:
    found = [v.reward if isinstance(v, Score) else float(v) for v in values]
    return sum(found) / max(1, len(found))


# --- files and digests -----------------------------------------------------------------------------------------------------------


def _lines(path: Path, identity: str) -> Iterator[Figures]:
    """The whole lines of a file of this identity; what comes behind a damaged one is made again."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream):
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                row = None
            if not isinstance(row, dict) or (number == 0 and row.get("identity") != identity):
                return
            if number:
                yield row


def _weights_digest(weights: dict[str, Tensor]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(weights):
        hashed.update(name.encode() + weights[name].detach().float().cpu().numpy().tobytes())
    return hashed.hexdigest()


__all__ = ["Pair", "PreferenceRecipe", "Preferring", "pairs_of", "row_logs", "train_recipe"]
