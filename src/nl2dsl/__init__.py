"""nl2dsl: a sentence in, a checked workflow out, from a small model that ships with the package.

from nl2dsl import Generator
print(Generator().generate("Every Monday at 8 mail me the open tasks").dsl)
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["Generator", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Generator":  # on first use: the language tools start without the model's libraries
        from nl2dsl.generate import Generator

        return Generator
    raise AttributeError(f"module `nl2dsl` has no attribute `{name}`")
