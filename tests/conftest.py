"""What every test may count on: arithmetic as the standard says it, also after a training in the same process that told the processor to flush denormal numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def standard_arithmetic() -> Iterator[None]:
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
