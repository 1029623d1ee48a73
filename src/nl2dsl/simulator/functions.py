"""The expression functions of the workflow definition language that work on values; those that look at the run are in `evaluate.py`.

In: a function's name and evaluated arguments. Out: its value, as documented for the platform, or `TemplateError` with the platform's message.
"""

from __future__ import annotations

from nl2dsl.simulator import functions_data, functions_text, functions_time
from nl2dsl.simulator.calls import IMPLEMENTATIONS, Call, Runtime, call, truth

__all__ = ["IMPLEMENTATIONS", "Call", "Runtime", "call", "functions_data", "functions_text", "functions_time", "truth"]
