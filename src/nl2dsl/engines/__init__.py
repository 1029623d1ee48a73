"""Engines that answer prompts with text. The seam is one method wide; `embedded.py` is no text engine: it scores decisions, and `generate` drives it itself.

In: the words of `--engine`, such as `openai:http://localhost:8000/v1#model` or `replay:answers.jsonl`. Out: an `Engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

from nl2dsl.errors import UsageError
from nl2dsl.prompts import Prompt

KINDS = {"embedded": "embedded", "openai": "openai:URL#MODEL", "replay": "replay:FILE", "hf": "hf:FOLDER"}


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said, what it cost, how long it took; `tokens` are 0 where the host does not say."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class Engine(Protocol):
    @property
    def name(self) -> str:
        """What answers, for reports: the host and the model, or the file."""
        ...

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        """The answer; raises `EngineError` when there is none."""
        ...


def open_engine(words: str) -> Engine:
    """The text engine these words name."""
    kind, _, rest = words.partition(":")
    match kind:
        case "openai" if rest:
            from nl2dsl.engines.openai import OpenAI

            return OpenAI.of(rest)
        case "replay" if rest:
            from nl2dsl.engines.replay import Replay

            return Replay(rest)
        case "hf" if rest:
            from nl2dsl.engines.hf import HF

            return HF(rest)
        case _ if kind in KINDS:
            raise UsageError(f"engine `{words}` is not complete", hint=f"write it as {KINDS[kind]}")
        case _:
            near = get_close_matches(kind, KINDS, n=1)
            raise UsageError(
                f"unknown engine `{words}`", hint=f"did you mean `{KINDS[near[0]]}`?" if near else f"engines: {', '.join(KINDS.values())}"
            )
