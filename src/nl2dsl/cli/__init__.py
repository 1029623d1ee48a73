"""The command line; see `program`."""

from nl2dsl.cli.program import PLANNED, VERBS, main

__all__ = ["PLANNED", "VERBS", "main"]
