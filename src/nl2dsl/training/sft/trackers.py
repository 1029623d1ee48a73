"""Where figures go beside the journal: TensorBoard, and Weights & Biases or MLflow when the recipe says so.

In: a recipe, a folder. Out: a function from figures and a step, and one that closes. A tracker that is asked for and not installed is a `RecipeError` before training begins.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nl2dsl.errors import RecipeError
from nl2dsl.training.sft.recipe import SftRecipe


class Trackers:
    """All trackers of a run."""

    def __init__(self, recipe: SftRecipe, folder: Path) -> None:
        self._tell: list[Callable[[Mapping[str, float], int], Any]] = []
        self._close: list[Callable[[], Any]] = []
        wanted = {"tensorboard": recipe.tensorboard, "wandb": recipe.wandb, "mlflow": recipe.mlflow}
        absent = [name for name, on in wanted.items() if on and importlib.util.find_spec(name) is None]
        if absent:
            raise RecipeError(f"`{absent[0]}` is asked for and not installed", hint=f"pip install {absent[0]}, or {absent[0]} = false")
        if recipe.tensorboard:
            self._tensorboard(folder)
        if recipe.wandb:
            self._wandb(recipe, folder)
        if recipe.mlflow:
            self._mlflow(recipe)

    def _tensorboard(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(folder / "tensorboard"))
        self._tell.append(lambda figures, step: [writer.add_scalar(n, v, step) for n, v in figures.items()])
        self._close.append(writer.close)

    def _wandb(self, recipe: SftRecipe, folder: Path) -> None:
        import wandb  # type: ignore[import-not-found,unused-ignore]

        run = wandb.init(project="nl2dsl", dir=str(folder), config=asdict(recipe))
        self._tell.append(lambda figures, step: run.log(dict(figures), step=step))
        self._close.append(run.finish)

    def _mlflow(self, recipe: SftRecipe) -> None:
        import mlflow  # type: ignore[import-not-found,unused-ignore]

        mlflow.start_run()
        mlflow.log_params({name: str(value)[:250] for name, value in asdict(recipe).items()})
        self._tell.append(lambda figures, step: mlflow.log_metrics({n.replace("/", "."): v for n, v in figures.items()}, step=step))
        self._close.append(mlflow.end_run)

    def tell(self, figures: Mapping[str, float], step: int) -> None:
        for one in self._tell:
            one(figures, step)

    def close(self) -> None:
        for one in self._close:
            one()
