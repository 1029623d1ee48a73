"""Fine-tuning of text models on our corpus: full, LoRA or QLoRA, from one process to many nodes; and the files of hosted fine-tuning.

    recipe ─ data ─ bases, model ─ loop (states) ─ run ─ card ─ preference          hosted

In: a recipe whose `trainer` is `sft`, `preference` or `hosted`; `trainer_of` reads which. Out: a model folder with `card.json` that the engine `hf:FOLDER` serves.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path

from nl2dsl.errors import RecipeError
from nl2dsl.files import read_text

TRAINERS = ("sft", "preference", "hosted", "embedded")


def trainer_of(path: str | Path) -> str:
    """Which training a recipe is for: `sft`, `preference`, `hosted`, or `embedded` when it does not say (or is no TOML: its own reader tells what is wrong)."""
    try:
        found = tomllib.loads(read_text(path)).get("trainer", "embedded")
    except tomllib.TOMLDecodeError:
        return "embedded"
    if found not in TRAINERS:
        near = get_close_matches(str(found), TRAINERS, n=1)
        raise RecipeError(f"{path}: `trainer` is {found!r}, not one of {', '.join(TRAINERS)}", hint=f"did you mean `{near[0]}`?" if near else "")
    return str(found)
