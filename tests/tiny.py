"""What the tests of training share: a sentence encoder of one layer with random weights, a catalog of a few connectors, requests, rows and a model of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus import requests
from nl2dsl.corpus.requests import Request
from nl2dsl.decoding.tables import Tables, build
from nl2dsl.dsl import sketch
from nl2dsl.training import retriever
from nl2dsl.training.embedded import stacked
from nl2dsl.training.generator import Banks, Model
from nl2dsl.training.network import WIDTH, Size
from nl2dsl.training.rows import FixedSets, Row, rows

REQUESTS = Path(__file__).parent.parent / "recipes" / "corpus"
CONNECTORS = ("commonTrigger", "builtin", "shared_approvals", "shared_microsoftforms", "shared_todo")
SIZE = Size(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96)


@cache
def catalog() -> Catalog:
    whole = read.builtin()
    mail = [o for o in whole.of("shared_office365") if o.name in ("SendEmailV2", "OnNewEmailV3", "ReplyToV3", "ForwardEmail_V2", "OnFlaggedEmailV3")]
    return Catalog([*(o for c in CONNECTORS for o in whole.of(c)), *mail], [whole.connectors[c] for c in (*CONNECTORS, "shared_office365")])


@cache
def curated() -> list[Request]:
    """Requests that need only the operations of the small catalog."""
    return [r for r in requests.load(REQUESTS) if all(o in catalog() for o in sketch.operations(r.sketch))]


@cache
def tokenizer() -> Any:
    """A WordPiece tokenizer that knows the words of the requests and spells all others."""
    words = sorted({word.lower() for r in requests.load(REQUESTS) for word in r.query.split() if word.isalpha()})
    letters = [chr(c) for c in range(33, 127)]
    vocabulary = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters), *words])
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.enable_truncation(160)
    return made


def encoder(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = BertConfig(
        vocab_size=tokenizer().get_vocab_size(),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=6,
        intermediate_size=64,
        attn_implementation="eager",
        **still,
    )
    return BertModel(config, add_pooling_layer=False)


def base(folder: Path) -> Path:
    """The encoder as a folder that a recipe may name as its base."""
    encoder().save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@dataclass
class Trained:
    """A model in training and all it needs."""

    model: Model
    banks: Banks
    rows: list[Row]
    sets: torch.Tensor
    queries: dict[str, torch.Tensor]

    def retrieved(self, batch: Any) -> torch.Tensor:
        return stacked([self.queries[r.query] for r in batch])


@cache
def tables() -> Tables:
    return build(catalog(), lambda some: retriever.embed(encoder(), tokenizer(), some).numpy())


def trained(n: int, seed: int = 0, size: Size = SIZE) -> Trained:
    """A fresh model for the first n requests."""
    sets = FixedSets()
    made, _ = rows(((r.query, r.sketch, 1.0) for r in curated()), tables(), tokenizer(), sets)
    made = made[:n]
    read = retriever.read(encoder(), tokenizer(), [r.query for r in made])
    banks = Banks.of(tables())
    torch.manual_seed(seed)
    return Trained(Model(encoder(), size, banks), banks, made, torch.from_numpy(sets.matrix()), {r.query: e for r, e in zip(made, read, strict=True)})
