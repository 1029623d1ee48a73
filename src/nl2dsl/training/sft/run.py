"""Fine-tunes as a recipe says, from the corpus to a folder that serves.

In: an `SftRecipe`, or the TOML of one. Out: the model's folder: weights or an adapter, tokenizer, `card.json`; below it `training/` with log, figures, checkpoints. With
several methods each next one starts from what the one before made; the earlier results are folders of their own below `training/`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nl2dsl import recipe as recipes
from nl2dsl.catalog import read as catalogs
from nl2dsl.catalog.model import Catalog
from nl2dsl.engines import hf
from nl2dsl.engines.hf import Text
from nl2dsl.errors import ModelError, RecipeError
from nl2dsl.evaluation import metrics
from nl2dsl.example import Example
from nl2dsl.files import digest_of, write_text
from nl2dsl.outcome import Authored, Failed
from nl2dsl.prompts import Shot
from nl2dsl.textual import TextGenerator
from nl2dsl.training.journal import Journal
from nl2dsl.training.sft import bases, card, data, rows
from nl2dsl.training.sft import model as models
from nl2dsl.training.sft.data import Encoded
from nl2dsl.training.sft.loop import Figures, Training, accelerator
from nl2dsl.training.sft.recipe import Method, SftRecipe
from nl2dsl.training.sft.trackers import Trackers

if TYPE_CHECKING:
    from nl2dsl.evaluation.baselines import Examples

HERE = (
    "corpus",
    "out",
    "catalog",
    "base",
    "threads",
    "tensorboard",
    "wandb",
    "mlflow",
    "log",
)  # where things lay and what was told, not what was trained
UNCHANGED = (*HERE, "checkpoint", "merge")  # what a resumed training may change


def train_recipe(recipe: SftRecipe | str | Path, overrides: Iterable[str] = ()) -> Path:
    """Trains, or goes on training, and returns the folder of the model."""
    if not isinstance(recipe, SftRecipe):
        recipe = recipes.load(recipe, SftRecipe, overrides)
    try:
        import accelerate  # noqa: F401
        import peft  # noqa: F401
    except ImportError as problem:
        raise ModelError(f"fine-tuning needs {problem.name}", hint="pip install 'nl2dsl[finetune]'") from problem
    return _Run(recipe).run()


class _Run:
    def __init__(self, recipe: SftRecipe) -> None:
        hf.quiet()
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        self.recipe, self.out, self.corpus = recipe, Path(recipe.out), Path(recipe.corpus)
        self.below = self.out / "training"
        self.catalog = _catalog(recipe)
        self.accelerator = accelerator(recipe)
        self.trackers = Trackers(recipe, self.below) if self.main else None
        self.journal = Journal(self.below)
        self.train = rows.examples(self.corpus, "train", self.catalog, recipe.rows, recipe.seed)
        self.validation = rows.examples(self.corpus, "validation", self.catalog, recipe.validation, recipe.seed)
        self.near = _near(recipe) if recipe.shots else None
        self.asker = self._asker()

    @property
    def main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def _asker(self) -> TextGenerator:
        """What writes the prompts, as it will when the model serves."""
        nobody = Text(None, None, "")
        if self.near is None:
            return TextGenerator(nobody, catalog=self.catalog, constrain="none", most=self.recipe.offered)
        from nl2dsl.evaluation.baselines import Rag

        return Rag(nobody, self.near, catalog=self.catalog, constrain="none", shots=self.recipe.shots, most=self.recipe.offered)

    def run(self) -> Path:
        if self.main:
            write_text(self.out / "training" / "recipe.toml", recipes.dump(self.recipe))
            (self.out / hf.CARD).unlink(missing_ok=True)  # a card says that the folder is whole
        try:
            base = self._base()
            *first, last = self.recipe.methods
            for number, method in enumerate(first):
                base = self._stage(f"{number + 1}-{method}", method, base, self.below / f"{number + 1}-{method}" / "model")
            self._stage(f"{len(first) + 1}-{last}", last, base, self.out)
        finally:
            if self.trackers:
                self.trackers.close()
        if self.main:
            self.journal.log(f"the model is in {self.out}")
        return self.out

    def _base(self) -> Path:
        """The folder of the base; an untrained one is made once, by the first process."""
        name = self.recipe.base
        if not name.startswith(bases.RANDOM):
            return hf.located(name, self.out)
        folder = self.below / "base"
        made = self.below / "base.json"
        wanted = json.dumps([name, asdict(self.recipe.shape), self.recipe.seed, _file(self.corpus / "train.jsonl")])
        if self.main and not (made.exists() and made.read_text(encoding="utf-8") == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            bases.make(name, self.recipe.shape, rows.texts(self.train[: self.recipe.shape.texts], self.catalog), folder, self.recipe.seed)
            write_text(made, wanted)
        self.accelerator.wait_for_everyone()
        return folder

    # --- one training ----------------------------------------------------------------------------------------------------------

    def _stage(self, name: str, method: Method, base: Path, out: Path) -> Path:
        r, place = self.recipe, self.below / name
        torch.manual_seed(r.seed)  # the first weights of an adapter
        model, tokenizer = models.load(base, r, method)
        base_digest = hf.weights_digest(base)
        train, validation = self._encoded(self.train, tokenizer, "train"), self._encoded(self.validation, tokenizer, "validation")
        settings = {k: v for k, v in asdict(r).items() if k not in UNCHANGED}
        digests = {"train": data.digest(train), "validation": data.digest(validation)}
        template = hf.template_digest(tokenizer)
        inputs = hashlib.sha256(json.dumps([method, base_digest, digests, template, settings], sort_keys=True).encode()).hexdigest()
        training = Training(
            r, name, model, train, validation, tokenizer.pad_token_id, place, inputs, self.accelerator, self.journal,
            lambda now: self._measured(Text(now, tokenizer, name)), self.trackers.tell if self.trackers else lambda figures, step: None,
        )  # fmt: skip
        with self.journal.bar(name):
            figures = training.run()
        whole = self.accelerator.get_state_dict(training.model) if training.sharded else None
        if self.main:
            _write(training.plain, tokenizer, out, whole)
            facts = {
                "name": f"{Path(r.base.removeprefix(bases.RANDOM)).name}-{method}",
                "method": method,
                "base": {
                    "name": r.base if base.name != "model" else f"{r.base}, trained before",
                    "path": _seen_from(out, base, r.base),
                    "digest": base_digest,
                },
                "weights": "float32" if method == "full" else r.weights,
                "template": template,
                "catalog": self.catalog.digest,
                "data": {**digests, "corpus": _file(self.corpus / "card.json"), "rows": len(train)},
                "shots": r.shots,
                "recipe": {k: v for k, v in asdict(r).items() if k not in HERE},
                "scores": figures,
            }
            card.write(out, facts)
            if r.merge and method != "full":
                self._merged(base, out, facts)
        self.accelerator.free_memory()
        self.accelerator.wait_for_everyone()
        return out

    def _merged(self, base: Path, out: Path, facts: Figures) -> None:
        models.merge(base, out, out / "merged", self.recipe.weights)
        card.write(out / "merged", {**facts, "method": "full", "adapter": facts["method"]})

    def _encoded(self, wanted: Sequence[Example], tokenizer: Any, name: str) -> list[Encoded]:
        made = data.encode(wanted, self.catalog, tokenizer, self.asker.offered, self._show if self.near else None)
        found, left = data.fitting(made, self.recipe.max_length)
        if self.main:
            self.journal.log(f"rows: {name}: {len(found)}, left out because longer than {self.recipe.max_length} tokens: {left}")
        if not found:
            raise RecipeError(f"no {name} row has at most {self.recipe.max_length} tokens", hint="a larger max_length (and micro_tokens)")
        return found

    def _show(self, row: Example) -> list[Shot]:
        """The nearest others, the nearest last; a row is no example of itself."""
        assert self.near is not None
        found = [e for e, _ in self.near.nearest(row.query, self.recipe.shots + 3) if e.query != row.query and e.dsl != row.dsl]
        return [Shot(e.query, e.dsl) for e in reversed(found[: self.recipe.shots])]

    def _measured(self, engine: Text) -> Figures:
        """Task metrics on flows that the model writes by itself, spread over the validation rows."""
        n = min(self.recipe.decoded, len(self.validation))
        if not n:
            return {}
        self.asker.engine = engine
        similar, failed, exact = 0.0, 0, 0
        for row in (self.validation[i * len(self.validation) // n] for i in range(n)):
            outcome = self.asker.generate(row.query, max_tokens=self.recipe.max_new_tokens)
            made = outcome.operations if isinstance(outcome, Authored) else ()
            similar += metrics.flow_similarity(made, row.operations)
            exact += metrics.exact(made, [row.operations])
            failed += isinstance(outcome, Failed)
        return {"flow_similarity": similar / n, "exact": exact / n, "non_parsed": failed / n, "n": n}


def _write(model: Any, tokenizer: Any, out: Path, whole: dict[str, Any] | None) -> None:
    """The trained weights; nothing half-written is left when the disk is full (there is no card then)."""
    try:
        model.config.use_cache = True
        if whole is not None:
            model.save_pretrained(out, state_dict=whole)
            hf.servable(tokenizer).save_pretrained(out)
        else:
            models.save(model, tokenizer, out)
    except (OSError, RuntimeError) as problem:
        raise ModelError(
            f"the model cannot be written to {out}: {str(problem).splitlines()[0]}",
            hint="make room and start the same command again: the last checkpoint is whole",
        ) from problem


def _catalog(recipe: SftRecipe) -> Catalog:
    whole = catalogs.chosen(recipe.catalog)
    unknown = [c for c in recipe.connectors if not whole.ids(c)]
    if unknown:
        raise RecipeError(f"`connectors`: the catalog has no {', '.join(unknown)}", hint="nl2dsl catalog search finds names")
    if not recipe.connectors:
        return whole
    return catalogs.with_platform(Catalog([o for c in recipe.connectors for o in whole.of(c)], [whole.connectors[c] for c in recipe.connectors]))


def _near(recipe: SftRecipe) -> Examples:
    from nl2dsl.engines.embedded import SHIPPED, Embedded
    from nl2dsl.evaluation.baselines import Examples

    return Examples(Path(recipe.corpus), Embedded(SHIPPED), "all", Path(recipe.out) / "training" / "cache")


def _file(path: Path) -> str:
    return digest_of(path) if path.exists() else ""


def _seen_from(out: Path, base: Path, name: str) -> str:
    """Where the base is: seen from the model when it lies below it, else as the recipe says."""
    inside = base.resolve().is_relative_to(out.resolve())
    return str(base.resolve().relative_to(out.resolve())) if inside else name
