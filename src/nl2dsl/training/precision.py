"""Arithmetic of the embedded model's trainings: bf16 where the processor multiplies it, float32 elsewhere.

A processor without bf16 instructions still computes it, a hundred times slower: 1.3 GFLOPS against 110 for the same product on an AMD EPYC that knows AVX2 only, so that a
training there seemed to stand still.
"""

from __future__ import annotations

import torch

_KNOWING = ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16")  # x86, then ARM


def fast() -> bool:
    """Whether this processor has instructions for bf16."""
    return any(torch.cpu.get_capabilities().get(name) for name in _KNOWING)


def autocast() -> torch.autocast:
    """The context for the forward pass of a step."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast())
