"""A shipped model as weights to train on from: the way back of `training.export`.

In: a model folder. Out: a folder as a training leaves it (`retriever/`, `encoder.pt`, `writer.pt`). The weights are those of int8, which a few hundred steps heal; what
was learned about held-out connectors did not ship and begins at nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nl2dsl.decoding.actions import FIXED
from nl2dsl.engines.embedded import Embedded
from nl2dsl.errors import ModelError
from nl2dsl.training import minilm
from nl2dsl.training.checkpoint import write
from nl2dsl.training.export import INPUTS
from nl2dsl.training.network import Size, Writer


def _constants(path: Path) -> Iterator[tuple[str, Any]]:
    """Names of weights in PyTorch, and their values. Matrices keep their names in a graph; vectors are known by the node that takes them."""
    import openvino as ov

    graph = ov.Core().read_model(str(path))  # nodes know their users only as long as it lives
    found = {op.get_friendly_name(): op for op in graph.get_ordered_ops() if op.get_type_name() == "Constant"}
    for name, op in found.items():
        if f"{name}/scale" in found:
            scale, zero = (found[f"{name}/{part}"].get_data().astype(np.float32) for part in ("scale", "zero_point"))
            yield name.removeprefix("self."), (op.get_data().astype(np.float32) - zero) * scale
        elif op.get_data().ndim == 3 and op.get_data().size > 1:
            for node in _users(op):
                yield _vector(node), op.get_data().astype(np.float32).reshape(-1)
        elif name.endswith("position_embeddings.weight"):
            yield name.removeprefix("self."), op.get_data().astype(np.float32)


def _users(op: Any) -> Iterator[str]:
    for target in op.output(0).get_target_inputs():
        node = target.get_node()
        if node.get_type_name() in ("Convert", "Broadcast"):
            yield from _users(node)
        else:
            yield str(node.get_friendly_name())


_ENDINGS = {
    "aten::linear/Add": "bias",
    "aten::layer_norm/Multiply": "weight",
    "aten::layer_norm/Multiply_1": "weight",
    "aten::layer_norm/Add": "bias",
    "aten::mul/Multiply_1": "weight",
}


def _vector(node: str) -> str:
    module, _, ending = node.removeprefix("__module.").partition("/")
    return f"{module}.{_ENDINGS[ending]}" if ending in _ENDINGS else node


def _fill(module: torch.nn.Module, found: Mapping[str, Any], prefix: str, known: frozenset[str] = frozenset()) -> None:
    """Puts the values in; every parameter must be there but the `known` to be absent."""
    state = module.state_dict()
    for name, old in state.items():
        value = found.get(prefix + name)
        if value is None and name not in known:
            raise ModelError(f"the shipped model has no `{name}`", hint="it was exported by another version; train from the beginning")
        if value is not None:
            state[name] = torch.from_numpy(np.array(value, dtype=np.float32)).reshape(old.shape)
    module.load_state_dict(state)


def _encoder(engine: Embedded, graph: str, base: Path) -> Any:
    made = minilm.encoder(base)
    found = dict(_constants(engine.folder / f"{graph}.xml"))
    # frozen in training
    kept = frozenset(n for n in made.state_dict() if n.startswith("embeddings."))
    _fill(made, found, "encoder.", kept)
    return made


def writer(engine: Embedded) -> Writer:
    """The decoder and its heads."""
    found: dict[str, Any] = {name.removeprefix("writer."): value for name, value in _constants(engine.folder / "decoder.xml")}
    stored = engine.inputs
    found |= {f"{name}.{part}": stored[f"{name}.{part}"] for name in INPUTS for part in ("weight", "bias")}
    found |= {"symbol.weight": stored["symbol"], "fixed_bias": stored["fixed_bias"], "trust": stored["trust"], "residual": engine.residual}
    size = Size(**engine.card["decoder"] if "decoder" in engine.card else engine.card["recipe"]["decoder"])
    found |= _apart(found, size)
    made = Writer(size, len(FIXED), len(engine.residual))
    if len(stored["symbol"]) != len(FIXED) + 1:
        raise ModelError("the shipped model has other symbols than this version", hint="train from the beginning")
    _fill(made, found, "")
    return made


def _apart(found: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """The maps of `export.DecoderGraph` that are one there and several in training."""
    wide, narrow = size.num_attention_heads * size.head_dim, size.num_key_value_heads * size.head_dim
    apart: dict[str, Any] = {}
    for i in range(size.num_hidden_layers):
        for joined, places, names in (
            ("qkv", [wide, wide + narrow], ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
            ("gate_up", [size.intermediate_size], ("mlp.gate_proj", "mlp.up_proj")),
        ):
            if (whole := found.get(f"{joined}.{i}.weight")) is not None:  # models of before have them apart
                apart |= {f"decoder.layers.{i}.{name}.weight": part for name, part in zip(names, np.split(whole, places), strict=True)}
    return apart


def unpack(folder: Path, out: Path, base: Path) -> None:
    """Writes the weights of the model in `folder` as a training would have left them in `out`; `base` is the encoder it came from. Raises `ModelError`."""
    engine = Embedded(folder)
    retriever: Any = _encoder(engine, "retriever", base)
    out.mkdir(parents=True, exist_ok=True)
    retriever.save_pretrained(out / "retriever")
    tokenizer: Path = folder / "tokenizer.json"
    (out / "retriever" / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    states: dict[str, Mapping[str, Tensor]] = {"encoder": _encoder(engine, "encoder", base).state_dict(), "writer": writer(engine).state_dict()}
    for name, state in states.items():
        write(dict(state), out / f"{name}.pt")
