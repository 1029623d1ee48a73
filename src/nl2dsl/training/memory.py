"""Keeps freed memory in the process while a model is trained on a CPU.

The activations of a step are some hundred blocks of many megabytes that are freed at its end and asked for again by the next one. By default glibc takes each such
block from the kernel (mmap) and gives it back, so that every step touches fresh pages: the page faults cost as much as the arithmetic (1.49 s a step became 0.81 s).
The switches `MALLOC_MMAP_THRESHOLD_` and `MALLOC_TRIM_THRESHOLD_` say the same, but are read only when a process starts; `mallopt` says it to the running one, so
nothing has to be started again.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of <malloc.h>
_NEVER = -1


def keep() -> bool:
    """Whether the C library took it; elsewhere than on glibc nothing happens."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
