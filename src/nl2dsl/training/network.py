"""The embedded model: MiniLM reads the query, a Mistral-architecture decoder writes typed decisions by pointing.

In: token states of the query, candidate operations, decisions so far. Out: scores over fixed symbols, the catalog's operations, the current operation's parameters
and enum values, and the query's tokens. Operations and parameters are known only by the embedding of their text, so a catalog never seen works unchanged; operations
seen in training may add a learned residual, which is dropped at random so that the model does not come to need it.

    prefix (query states, candidates, begin)  ─▶  decoder  ─▶  six heads
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

WIDTH = 384  # MiniLM's
NEVER = -1e4  # added to or put for a score of what may not be


@dataclass(frozen=True)
class Size:
    """Shape of the decoder; the names are those of `transformers.MistralConfig`."""

    hidden_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 6
    num_key_value_heads: int = 2
    intermediate_size: int = 1024
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    max_position_embeddings: int = 1024

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Norm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight


def rotation(positions: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding for positions (..., t): (..., t, head_dim)."""
    frequencies = 1.0 / size.rope_theta ** (torch.arange(0, size.head_dim, 2, dtype=torch.float32) / size.head_dim)
    angles = positions.float().unsqueeze(-1) * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        wide, narrow = size.num_attention_heads * size.head_dim, size.num_key_value_heads * size.head_dim
        self.q_proj = nn.Linear(size.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(size.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(size.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, size.hidden_size, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        b, t, _ = x.shape
        s = self.size
        cos, sin = cos.to(x.dtype).unsqueeze(1), sin.to(x.dtype).unsqueeze(1)
        q = rotate(self.q_proj(x).view(b, t, s.num_attention_heads, s.head_dim).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(b, t, s.num_key_value_heads, s.head_dim).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(b, t, s.num_key_value_heads, s.head_dim).transpose(1, 2)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        groups = s.num_attention_heads // s.num_key_value_heads
        # written out: the fused kernel of PyTorch takes ten times as long on a CPU for so short sequences with a mask (docs/log.md)
        weights = (q @ k.repeat_interleave(groups, dim=1).transpose(-1, -2) * s.head_dim**-0.5 + mask.to(q.dtype)).softmax(-1)
        out = weights @ v.repeat_interleave(groups, dim=1)
        return self.o_proj(out.transpose(1, 2).reshape(b, t, -1)), (k, v)


class Mlp(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(size.hidden_size, size.intermediate_size, bias=False)
        self.up_proj = nn.Linear(size.hidden_size, size.intermediate_size, bias=False)
        self.down_proj = nn.Linear(size.intermediate_size, size.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class Layer(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(size), Mlp(size)
        self.input_layernorm = Norm(size.hidden_size, size.rms_norm_eps)
        self.post_attention_layernorm = Norm(size.hidden_size, size.rms_norm_eps)
        self.dropout = nn.Dropout(0.0)  # of what each half adds; a training sets its share

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        attended, kept = self.self_attn(self.input_layernorm(x), cos, sin, mask, past)
        x = x + self.dropout(attended)
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x))), kept


class Decoder(nn.Module):
    """A Mistral decoder over embeddings; parameter names are those of `transformers.MistralModel`."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.num_hidden_layers))
        self.norm = Norm(size.hidden_size, size.rms_norm_eps)

    def forward(
        self, x: Tensor, positions: Tensor, mask: Tensor, past: list[tuple[Tensor, Tensor]] | None = None
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """x (b, t, width), positions (b, t), additive mask (b, 1, t, past + t) -> states (b, t, width) and the keys and values of every layer."""
        cos, sin = rotation(positions, self.size)
        kept = []
        for i, layer in enumerate(self.layers):
            x, kv = layer(x, cos, sin, mask, past[i] if past else None)
            kept.append(kv)
        return self.norm(x), kept


class Writer(nn.Module):
    """Everything of the model but the query encoder: input embeddings of decisions, the decoder, and the heads."""

    def __init__(self, size: Size, fixed: int, operations: int) -> None:
        super().__init__()
        h = size.hidden_size
        self.size = size
        self.decoder = Decoder(size)
        self.query_in = nn.Linear(WIDTH, h)
        self.operation_in = nn.Linear(WIDTH, h)
        self.candidate_in = nn.Linear(WIDTH + 1, h)
        self.parameter_in = nn.Linear(WIDTH, h)
        self.enum_in = nn.Linear(WIDTH, h)
        self.start_in = nn.Linear(WIDTH, h)
        self.end_in = nn.Linear(WIDTH, h)
        self.symbol = nn.Embedding(fixed + 1, h)  # the last one begins the flow
        # Heads: one linear map gives all query vectors; their keys are embeddings of catalog texts or token states.
        self.heads = nn.Linear(h, fixed + 5 * WIDTH, bias=False)
        self.fixed_bias = nn.Parameter(torch.zeros(fixed))
        self.residual = nn.Parameter(torch.zeros(operations, WIDTH))
        self.trust = nn.Parameter(torch.tensor(5.0))  # how much the retriever's score counts where an operation is chosen
        self.fixed = fixed
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def split(self, heads: Tensor) -> tuple[Tensor, ...]:
        """The heads' output (..., fixed + 5 * 384) -> fixed scores and the five pointers' query vectors: operation, parameter, enum, start, end."""
        return torch.split(heads, [self.fixed, *[WIDTH] * 5], dim=-1)
