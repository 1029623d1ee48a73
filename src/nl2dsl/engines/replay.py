"""Recorded answers: for tests, demonstrations and benchmarks that must not depend on a host.

In: a file of JSON lines, `{"query", "text"}` (the answer to every prompt for that query, in the order asked) or `{"prompt", "text"}` (the answer to the prompt with that
digest). Out: an engine. `Recorder` is the way there: it passes prompts on to another engine and writes down what it says.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from pathlib import Path

from nl2dsl.engines import Completion, Engine
from nl2dsl.errors import EngineError
from nl2dsl.files import read_rows
from nl2dsl.prompts import Prompt


class Replay:
    """Answers from a file."""

    def __init__(self, path: str | Path) -> None:
        self.name = f"replay:{path}"
        self._exact: dict[str, Completion] = {}
        self._queries: defaultdict[str, deque[Completion]] = defaultdict(deque)
        for line in read_rows(path, {"text": str}):
            tokens = [n if isinstance(n := line.row.get(key), int) else 0 for key in ("prompt_tokens", "completion_tokens")]
            completion = Completion(line.row["text"], *tokens)
            if isinstance(line.row.get("prompt"), str):
                self._exact[line.row["prompt"]] = completion
            else:
                self._queries[str(line.row.get("query", ""))].append(completion)

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        """The answer to this very prompt, else the next one to its query; the last one is given again and again."""
        exact = self._exact.get(prompt.digest)
        if exact:
            return exact
        answers = self._queries.get(prompt.query)
        if not answers:
            raise EngineError(f"{self.name} holds no answer to `{prompt.query[:80]}`", hint="record it, or ask another engine")
        return answers.popleft() if len(answers) > 1 else answers[0]


class Recorder:
    """Another engine, with all it says written to a file that `Replay` reads."""

    def __init__(self, engine: Engine, path: str | Path) -> None:
        self.name = engine.name
        self._engine, self._path = engine, Path(path)

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        made = self._engine.complete(prompt, max_tokens=max_tokens)
        row = {
            "prompt": prompt.digest,
            "query": prompt.query,
            "text": made.text,
            "prompt_tokens": made.prompt_tokens,
            "completion_tokens": made.completion_tokens,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        return made
