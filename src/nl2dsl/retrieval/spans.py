"""What a request is compared by: the whole sentence and every few words of it.

In: states of its tokens. Out: `reading`, vectors of which the first is the sentence and the others are spans of `WINDOW` tokens, and `scores` against operations.
One vector of a long request misses the operations that a few of its words ask for; spans of the same states cost no second pass of the encoder (docs/log.md).
`training.minilm` has the same over batches in PyTorch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WINDOW, STRIDE = 6, 2  # tokens
SHARE = 0.5  # of the best span in a score; the sentence has the rest


def starts(length: int) -> range:
    """First tokens of the spans of a text with `length` tokens; none when it is a span itself."""
    return range(0, length - WINDOW + 1, STRIDE) if length > WINDOW else range(0)


def reading(states: Floats) -> Floats:
    """Token states (t, d) -> the sentence and its spans (1 + w, d), normalised."""
    parts = [states.mean(0), *(states[at : at + WINDOW].mean(0) for at in starts(len(states)))]
    made = np.stack(parts)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)  # type: ignore[no-any-return]


def scores(read: Floats, operations: Floats) -> Floats:
    """Reading (1 + w, d), operations (n, d) -> scores (n)."""
    each = operations @ read.T
    return ((1 - SHARE) * each[:, 0] + SHARE * each.max(axis=1)).astype(np.float32)  # type: ignore[no-any-return]
