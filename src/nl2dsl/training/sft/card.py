"""The card of a fine-tuned model: what it is, what it was made of, how well it writes, and the digests that serving checks.

In: a folder with weights and the facts of a run. Out: `card.json` in it, written last, so that a folder with a card is whole.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nl2dsl import __version__, prompts
from nl2dsl.engines.hf import CARD
from nl2dsl.files import digest_of, write_text

PACKAGES = ("torch", "transformers", "peft", "accelerate", "deepspeed", "bitsandbytes", "tokenizers", "numpy")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` are name, method, base, weights, template, catalog, data, recipe, scores. `digest` is the identity of the model: over its files."""
    files = {p.name: digest_of(p) for p in sorted(folder.iterdir()) if p.is_file() and p.name != CARD}
    card = {
        "kind": "sft",
        "nl2dsl": __version__,
        "prompt": prompts.digest(),
        **facts,
        "versions": versions(),
        "files": files,
        "digest": hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest(),
    }
    write_text(folder / CARD, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    return card
