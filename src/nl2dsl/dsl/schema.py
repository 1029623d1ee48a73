"""Validation of workflow definitions against a JSON Schema of our own, `workflow.schema.json`: what this package writes of the schema of 2016-06-01.

In: the JSON of a definition. Out: `Violation`s, none for a valid definition. Needs the package `jsonschema` (extra `dev`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from nl2dsl.errors import UsageError

_LONGEST = 300  # characters of a message, which may quote a whole action
FILE = Path(__file__).with_name("workflow.schema.json")


class Violation(NamedTuple):
    """Where a definition breaks the schema (`actions/Send/inputs`) and how."""

    where: str
    message: str


def violations(definition: Any) -> list[Violation]:
    """All places that break the schema, in the order of the definition. Raises `UsageError` where `jsonschema` is not installed."""
    return sorted({_violation(problem) for problem in _validator().iter_errors(definition)})


def _violation(problem: Any) -> Violation:
    # `not` stands in the schema only for keys that may not be there.
    message = "does not belong here" if problem.validator == "not" else problem.message[:_LONGEST]
    return Violation("/".join(map(str, problem.absolute_path)), message)


@lru_cache(maxsize=1)
def _validator() -> Any:
    try:
        from jsonschema import Draft202012Validator
    except ImportError as problem:
        raise UsageError("validation needs the package `jsonschema`", "pip install jsonschema") from problem
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
