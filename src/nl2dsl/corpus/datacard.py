"""The card of a corpus as a page: what it is, what is in it, how it came about; readable by people and by the Hugging Face hub.

In: the card (`card.json`). Out: Markdown with a head that `datasets.load_dataset(FOLDER)` understands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

_SPLITS = ("train", "validation", "test", "unseen")


def page(card: Mapping[str, Any]) -> str:
    """The Markdown of a card. The same card gives the same text."""
    files = [f for f in _files(card) if f.split(".")[0].removeprefix("flows-") in _SPLITS]
    parts = [_head(files), "# Requests and the flows they ask for", _about(card), "## Files", _table(("file", "rows", "sha256"), _rows(card))]
    if card["counts"]:
        parts += ["## Rows by source", _table(("split and source", "rows"), ((k, f"{v:,}") for k, v in sorted(card["counts"].items())))]
    parts += ["## What training holds", _table(("what", "rows"), _coverage(cast("dict[str, Any]", card["coverage"])))]
    stages = {k: v for k, v in cast("dict[str, Any]", card.get("stages", {})).items() if k != "requests"}
    if stages:
        parts += ["## Stages", *(f"- **{name}**: {_said(told)}" for name, told in stages.items())]
    parts += ["## Recipe", f"```json\n{json.dumps(card['recipe'], indent=1, ensure_ascii=False)}\n```"]
    return "\n\n".join(parts) + "\n"


def _head(files: Iterable[str]) -> str:
    """Where `datasets` finds the splits; flows that people made are a configuration of their own, because their rows have whole flows and often no sketch."""
    lines = ["---", "language: en", "task_categories: [text-generation]", "tags: [workflow, natural-language-to-code]", "configs:"]
    for config, prefix in (("requests", ""), ("flows", "flows-")):
        found = [f for f in files if f.startswith("flows-") == bool(prefix)]
        if found:
            lines += [f"- config_name: {config}", "  data_files:"]
            lines += [f"  - {{split: {f.removeprefix(prefix).removesuffix('.jsonl')}, path: {f}}}" for f in found]
    return "\n".join([*lines, "---"])


def _files(card: Mapping[str, Any]) -> list[str]:
    names = card["digests"] if any(n.endswith(".jsonl") for n in card["digests"]) else [f"{n}.jsonl" for n in card["digests"]]
    return sorted(names, key=lambda f: (f.startswith("flows-"), _place(f), f))


def _place(file: str) -> int:
    name = file.removeprefix("flows-").removesuffix(".jsonl")
    return _SPLITS.index(name) if name in _SPLITS else len(_SPLITS)


def _about(card: Mapping[str, Any]) -> str:
    return (
        "Each row is a request as a person types it (`query`), what exactly it says (`sketch`), the whole flow (`dsl`) and its operations. Made by `nl2dsl corpus` from the recipe below; "
        f"the same recipe gives the same bytes.\n\nDigest of the data: `{card['digest']}`. Catalog: `{card['catalog']}`. Before you share it, read a sample: names of customers and projects "
        "are not found by the scrubber."
    )


def _rows(card: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    described = cast("dict[str, Any]", card.get("stages", {})).get("describe", {}).get("rows", {})
    for file in _files(card):
        name = file.removesuffix(".jsonl")
        split, own = name.removeprefix("flows-"), name.startswith("flows-")
        n = described.get(split) if own else sum(v for k, v in card["counts"].items() if k.startswith(f"{split}:")) if split in _SPLITS else None
        yield f"`{file}`", "" if n is None else f"{n:,}", f"`{card['digests'].get(file) or card['digests'].get(name)}`"


def _coverage(told: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    operations = told["operations"]
    yield "rows", f"{told['rows']:,}"
    yield (
        "operations with wordings",
        f"{operations['covered']:,} of {operations['with wordings']:,} covered, {operations['below']:,} with fewer than {operations['rows wanted of each']:,} rows",
    )
    yield "connectors", f"{told['connectors']:,}"
    yield "parameters stated", f"{told['parameters stated']:,}"
    for name in ("control", "steps", "words", "style", "language", "source"):
        yield name, _said(told[name])


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_said(v) if not isinstance(v, Mapping) else '(' + _said(v) + ')'}" for k, v in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in line)} |" for line in lines)


__all__ = ["page"]
