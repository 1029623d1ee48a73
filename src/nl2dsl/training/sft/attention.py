"""Attention within each row of a pack, without a mask: what makes packing worth its while.

In: queries, keys and values of one forward pass, as a model of transformers gives them to its attention; `rows`, the lengths of the rows that stand behind each other. Out:
what they attend to. A mask over a pack costs the square of the pack, most of it for places that may not see each other; here each row is a causal attention of its own, for
which the fast kernels need no mask. Padding at the end of a line is seen by nothing before it. Without `rows` (a model that writes), it is transformers' `sdpa`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from nl2dsl.errors import ModelError

NAME = "rows"
_unmasked: ContextVar[bool] = ContextVar("unmasked", default=False)


@contextlib.contextmanager
def unmasked(on: bool = True) -> Iterator[None]:
    """Forward passes in here give `rows`, so that no mask is made for them."""
    before = _unmasked.set(on)
    try:
        yield
    finally:
        _unmasked.reset(before)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    rows: Sequence[int] = (),
    **more: Any,
) -> tuple[Tensor, None]:
    """`query` (b, h, t, d), `key` and `value` (b, g, t, d): (b, t, h, d). Raises `ModelError` for attention that is something else, too."""
    if more.get("softcap") is not None or more.get("position_bias") is not None:
        raise ModelError(f"{type(module).__name__} caps or biases its scores", hint='attention = "eager"')
    if not rows:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more)  # type: ignore[no-untyped-call,no-any-return,unused-ignore]
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    made, start = [], 0
    for n in rows:
        q, k, v = (one[:, :, start : start + n] for one in (query, key, value))
        mask = _window(n, sliding_window, query.device) if sliding_window and n > sliding_window else None
        made.append(scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, dropout_p=dropout, scale=scaling))
        start += n
    return torch.cat(made, dim=2).transpose(1, 2).contiguous(), None


@lru_cache(maxsize=8)
def _window(n: int, width: int, device: torch.device) -> Tensor:
    """Which places each place sees: itself and the `width - 1` before it."""
    whole = torch.ones(n, n, dtype=torch.bool, device=device)
    return whole.tril() & whole.triu(1 - width)


def register() -> None:
    """Makes `attn_implementation="rows"` known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def mask(*args: Any, **named: Any) -> Any:
        return None if _unmasked.get() else sdpa_mask(*args, **named)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)
