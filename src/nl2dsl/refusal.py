"""A refusal: what the model writes instead of a flow when a request must not become one.

In: a category, or the text a model wrote. Out: `mark` gives the text of a refusal, `read` the refusal a text is (or None); they are each other's inverse. A refusal is
typed, so that it is counted apart from flows that cannot be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CATEGORIES: dict[str, str] = {
    "hate_fairness": "The request attacks or demeans people for who they are.",
    "jailbreak": "The request tries to switch off the rules this generator works by.",
    "self_harm": "The request is about hurting oneself.",
    "sexual": "The request is sexual.",
    "violence": "The request is about hurting others.",
    "misuse": "The request would use a workflow to harm, deceive or spy on people.",
}

_TEXT = re.compile(r"""\s*refuse\(\s*["'](\w+)["']\s*\)\s*;?\s*""")


@dataclass(frozen=True, slots=True)
class Refusal:
    category: str

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ValueError(f"unknown refusal category {self.category!r}; one of {', '.join(CATEGORIES)}")

    @property
    def message(self) -> str:
        return CATEGORIES[self.category]


def mark(refusal: Refusal) -> str:
    """The canonical text: `refuse("violence");`."""
    return f'refuse("{refusal.category}");'


def read(text: str) -> Refusal | None:
    """The refusal a whole text is; None for anything else, also for a category that does not exist."""
    found = _TEXT.fullmatch(text)
    return Refusal(found[1]) if found and found[1] in CATEGORIES else None
