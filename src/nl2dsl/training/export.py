"""Turns trained weights into the folder that ships: OpenVINO graphs with int8 weights and a few arrays.

In: encoder and writer weights, the retriever, tables. Out: `encoder.xml/bin`, `retriever.xml/bin`, `decoder.xml/bin`, `words.npz` (the word table both encoders
share), `inputs.npz` (input layers and biases of the writer), `tables.npz`, `tokenizer.json`, `card.json`; with a reranker also `reranker.xml/bin`.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nl2dsl.decoding.tables import Tables
from nl2dsl.retrieval.texts import WORDS
from nl2dsl.training.network import WIDTH, Layer, Writer, rotate, rotation
from nl2dsl.training.reranker import SHOWN, Reranker

INPUTS = ("query_in", "operation_in", "candidate_in", "parameter_in", "enum_in", "start_in", "end_in")  # input layers of the writer


class EncoderGraph(nn.Module):
    """MiniLM from word vectors: (b, t, 384) and mask (b, t) -> states (b, t, 384)."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        e = self.encoder.embeddings
        t = words.shape[1]
        x = words + e.token_type_embeddings.weight[0] + e.position_embeddings.weight[:t].unsqueeze(0)
        x = e.LayerNorm(x)
        bias = (1.0 - mask[:, None, None, :].float()) * -1e4
        heads, width = self.encoder.config.num_attention_heads, x.shape[-1]
        for layer in self.encoder.encoder.layer:
            a = layer.attention.self
            b = x.shape[0]
            q, k, v = (f(x).view(b, t, heads, width // heads).transpose(1, 2) for f in (a.query, a.key, a.value))
            mixed = torch.softmax(q @ k.transpose(-1, -2) / (width // heads) ** 0.5 + bias, dim=-1) @ v
            x = layer.attention.output.LayerNorm(layer.attention.output.dense(mixed.transpose(1, 2).reshape(b, t, width)) + x)
            inner = torch.nn.functional.gelu(layer.intermediate.dense(x))
            x = layer.output.LayerNorm(layer.output.dense(inner) + x)
        return x  # type: ignore[no-any-return]


class DecoderGraph(nn.Module):
    """Decoder and heads with explicit keys and values: x (1, t, h), past (1, kv, p, d) for each layer -> heads of the last place, new keys and values.

    The arithmetic is that of `network.Decoder`; maps of the same input are one map (`qkv`, `gate_up`) and the query heads of a group are rows of one product, so that a step of one
    place is fewer and larger operations (docs/log.md).
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer
        self.layers: list[Layer] = list(writer.decoder.layers)  # type: ignore[arg-type]
        self.qkv = nn.ModuleList(_beside(a.q_proj, a.k_proj, a.v_proj) for a in (layer.self_attn for layer in self.layers))
        self.gate_up = nn.ModuleList(_beside(m.gate_proj, m.up_proj) for m in (layer.mlp for layer in self.layers))

    def forward(self, x: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        before, t = past[0].shape[2], x.shape[1]
        positions, places = torch.arange(before, before + t), torch.arange(before + t)
        mask = torch.where(places[None, :] <= positions[:, None], 0.0, -1e4)
        cos, sin = (part[None, None] for part in rotation(positions, self.writer.size))
        kept: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            attended, k, v = self._attend(i, layer.input_layernorm(x), cos, sin, mask, past[2 * i], past[2 * i + 1])
            x = x + layer.self_attn.o_proj(attended)
            gate, up = self.gate_up[i](layer.post_attention_layernorm(x)).chunk(2, dim=-1)
            x = x + layer.mlp.down_proj(nn.functional.silu(gate) * up)
            kept += [k, v]
        return (self.writer.heads(self.writer.decoder.norm(x[:, -1:])), *kept)

    def _attend(self, i: int, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (1, t, h) -> mixed values (1, t, h), all keys and all values."""
        size, t = self.writer.size, x.shape[1]
        heads, groups, d = size.num_attention_heads, size.num_key_value_heads, size.head_dim
        found = self.qkv[i](x).view(1, t, heads + 2 * groups, d).transpose(1, 2)
        turned = rotate(found[:, : heads + groups], cos, sin)
        q, k = turned[:, :heads].reshape(1, groups, heads // groups * t, d), torch.cat([keys, turned[:, heads:]], dim=2)
        v = torch.cat([values, found[:, heads + groups :]], dim=2)
        weights = (q @ k.transpose(-1, -2) * d**-0.5).view(1, groups, heads // groups, t, -1) + mask
        mixed = weights.softmax(-1).view(1, groups, heads // groups * t, -1) @ v
        return mixed.view(1, heads, t, d).transpose(1, 2).reshape(1, t, -1), k, v


def _beside(*maps: nn.Linear) -> nn.Linear:
    """One map whose output is theirs, one after the other."""
    weight = torch.cat([m.weight for m in maps])
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight = nn.Parameter(weight.detach())
    return made


def _save(graph: Any, path: Path) -> None:
    import nncf
    import openvino as ov

    compressed = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    ov.save_model(compressed, str(path), compress_to_fp16=True)


def _encoder(encoder: Any, path: Path) -> None:
    import openvino as ov

    example = (torch.zeros(2, 7, 384), torch.ones(2, 7))
    graph = ov.convert_model(EncoderGraph(encoder.eval()), example_input=example, input=[("words", [-1, -1, 384]), ("mask", [-1, -1])])
    _save(graph, path)


def _decoder(writer: Writer, path: Path) -> None:
    import openvino as ov
    from openvino import opset13 as ops  # noqa: F401
    from openvino._offline_transformations import apply_make_stateful_transformation

    size = writer.size
    names = [f"{kind}.{i}" for i in range(size.num_hidden_layers) for kind in ("key", "value")]
    shape = [1, size.num_key_value_heads, -1, size.head_dim]
    example = (torch.zeros(1, 3, size.hidden_size), *[torch.zeros(1, size.num_key_value_heads, 2, size.head_dim)] * len(names))
    graph = ov.convert_model(DecoderGraph(writer.eval()), example_input=example)
    for port, name in zip(graph.inputs, ["x", *names], strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(ov.PartialShape([1, -1, size.hidden_size] if name == "x" else shape))
    for port, name in zip(graph.outputs, ["heads", *[f"new.{n}" for n in names]], strict=True):
        port.get_tensor().set_names({name})
    graph.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(graph, {n: f"new.{n}" for n in names})
    _save(graph, path)


class RerankerGraph(nn.Module):
    """request (1, n, 384), operations (1, k, 384), words (1, k, t, d), said (1, k, t) -> scores (1, k)."""

    def __init__(self, reranker: Reranker) -> None:
        super().__init__()
        self.reranker = reranker

    def forward(self, request: Tensor, operations: Tensor, words: Tensor, said: Tensor) -> Tensor:
        return self.reranker(request, torch.ones_like(request[:, :, 0]), operations, words, said)  # type: ignore[no-any-return]


def _reranker(reranker: Reranker, path: Path) -> None:
    import openvino as ov

    names = {"request": [1, -1, WIDTH], "operations": [1, -1, WIDTH], "words": [1, -1, WORDS, SHOWN], "said": [1, -1, WORDS]}
    example = tuple(torch.ones(*[5 if n < 0 else n for n in shape]) for shape in names.values())
    _save(ov.convert_model(RerankerGraph(reranker.eval()), example_input=example, input=list(names.items())), path)


def add_reranker(reranker: Reranker, out: Path) -> None:
    """Puts a reranker beside the other files of a model: its graph, and the map that makes of a token's state what is kept of a word."""
    _reranker(reranker, out / "reranker.xml")
    with np.load(out / "inputs.npz") as stored:
        inputs = dict(stored)
    np.savez(out / "inputs.npz", **{**inputs, "shown": reranker.token.weight.detach().numpy().astype(np.float16)})


def quantised(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 rows and their scales: `rows * scales[:, None]` is the table again, to 1/254 of each row's range."""
    scales = np.maximum(np.abs(table).max(axis=1), 1e-9) / 127
    return np.round(table / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def _arrays(path: Path, beside: Mapping[str, np.ndarray] | None = None, **tables: np.ndarray) -> None:
    """Tables in int8, and other arrays as they are."""
    stored = dict(beside or {})
    for name, table in tables.items():
        stored[name], stored[f"{name}.scale"] = quantised(table)
    np.savez(path, **stored)  # type: ignore[arg-type]


def _learned(writer: Writer, tables: Tables, held_out: Collection[str]) -> np.ndarray:
    """What was learned about each operation; nothing for those never shown, whose values only pushed them down."""
    shown = np.array([connector not in held_out for connector in tables.connectors])
    return np.where(shown[:, None], writer.residual.detach().numpy(), 0.0).astype(np.float32)


def export(encoder: Any, writer: Writer, retriever: Any, tables: Tables, tokenizer: Path, out: Path, held_out: Collection[str] = ()) -> None:
    """Writes the folder. The encoders' word table must be the same one (it is frozen in training); `held_out` names the connectors that training never showed."""
    out.mkdir(parents=True, exist_ok=True)
    words = encoder.embeddings.word_embeddings.weight.detach().float().numpy()
    assert torch.equal(encoder.embeddings.word_embeddings.weight, retriever.embeddings.word_embeddings.weight), (
        "the encoders have different word tables"
    )
    _arrays(out / "words.npz", words=words)
    _encoder(encoder, out / "encoder.xml")
    _encoder(retriever, out / "retriever.xml")
    _decoder(writer, out / "decoder.xml")
    inputs = {
        f"{name}.{part}": getattr(getattr(writer, name), part).detach().numpy().astype(np.float16) for name in INPUTS for part in ("weight", "bias")
    }
    inputs |= {
        "symbol": writer.symbol.weight.detach().numpy().astype(np.float16),
        "fixed_bias": writer.fixed_bias.detach().numpy(),
    }
    np.savez(out / "inputs.npz", trust=writer.trust.detach().numpy(), **inputs)
    _arrays(
        out / "tables.npz",
        tables.layout.arrays(),
        operations=tables.operations,
        parameters=tables.parameters,
        enums=tables.enums,
        residual=_learned(writer, tables, held_out),
    )
    shutil.copyfile(tokenizer, out / "tokenizer.json")
