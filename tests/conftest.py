"""What every test may count on: arithmetic that is the same in every run.

Compiled graphs are kept for the session only. One thread, and matrix products whose result does not depend on where in memory a matrix lies (MKL's reproducible mode): a resumed training is compared bit by bit.
After each test the processor treats denormal numbers as the standard says again; a training in the same process tells it not to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

os.environ.setdefault("MKL_CBWR", "COMPATIBLE")
os.environ.setdefault("MKL_DYNAMIC", "FALSE")


@pytest.fixture(autouse=True, scope="session")
def graphs_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["NL2DSL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def standard_arithmetic() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
