"""A model in the layout of transformers, in process: the base alone, an adapter on its base, or merged weights. For fine-tuned models and for parity checks.

In: a folder that `nl2dsl train` wrote (with `card.json`), and prompts. Out: completions, greedy. Before it serves, the card is held against what is there: the files, the
base the adapter was trained on, the prompt and the way it is rendered. What does not fit is a `ModelError`, never an answer. `render` is used by training, too.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nl2dsl import prompts
from nl2dsl.engines import Completion
from nl2dsl.errors import EngineError, ModelError
from nl2dsl.files import digest_of
from nl2dsl.prompts import Message, Prompt, Shot

CARD = "card.json"
WEIGHTS = ("*.safetensors", "config.json", "tokenizer.json", "adapter_config.json")
_INSTALL = "pip install 'nl2dsl[finetune]'"


# --- the prompt as text --------------------------------------------------------------------------------------------------------


# `Prompt.text` as a chat template
_PLAIN = (
    "{{ bos_token or '' }}{% for m in messages %}{{ {'system': '', 'user': 'Request: ', 'assistant': 'Flow:\\n'}[m['role']] + m['content'] + '\\n\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Flow:\\n' }}{% endif %}"
)


def servable(tokenizer: Any) -> Any:
    """The tokenizer with the plain form as its chat template, if it has none: servers of the chat protocol, such as vLLM, refuse a model without one."""
    if not getattr(tokenizer, "chat_template", None):
        tokenizer.chat_template = _PLAIN
    return tokenizer


def render(tokenizer: Any, prompt: Prompt) -> str:
    """The prompt as this model reads it: its chat template, or the plain form where it has none. A template without a system role gets those words in the first request."""
    if not getattr(tokenizer, "chat_template", None):
        return (tokenizer.bos_token or "") + prompt.text
    from jinja2.exceptions import TemplateError

    try:
        return _templated(tokenizer, prompt.messages)
    except TemplateError:
        return _templated(tokenizer, _without_system(prompt.messages))


def _templated(tokenizer: Any, messages: tuple[Message, ...]) -> str:
    said = [{"role": m.role, "content": m.text} for m in messages]
    # models that think aloud are asked not to: the answer is the flow alone
    return str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True, enable_thinking=False))


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    first, second, *rest = messages
    return messages if first.role != "system" else (Message("user", f"{first.text}\n\n{second.text}"), *rest)


def template_digest(tokenizer: Any) -> str:
    """Names the way prompts become tokens: sha256 over the ids of a specimen."""
    text = render(tokenizer, prompts.write_flow("a query", [], [Shot("shot", "flow")]))
    return hashlib.sha256(json.dumps([text, tokenizer(text, add_special_tokens=False)["input_ids"]]).encode()).hexdigest()


# --- digests -------------------------------------------------------------------------------------------------------------------


def weights_digest(folder: Path) -> str:
    """Identity of a model folder: sha256 over names and contents of weights, configuration and tokenizer. Raises `ModelError` when there are no weights."""
    found = sorted({path for pattern in WEIGHTS for path in folder.glob(pattern)})
    if not any(path.suffix == ".safetensors" for path in found):
        raise ModelError(f"no weights in {folder}", hint="a model is a folder in the layout of transformers, with *.safetensors")
    return hashlib.sha256("".join(f"{path.name} {digest_of(path)}\n" for path in found).encode()).hexdigest()


def read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"no model in {folder}: there is no {CARD}", hint="train one: nl2dsl train recipes/train/smoke.toml") from None
    except (OSError, ValueError) as problem:
        raise ModelError(f"{folder / CARD} cannot be read: {problem}", hint="train the model again") from problem
    if not isinstance(card, dict) or card.get("kind") != "sft":
        raise ModelError(f"{folder} is no fine-tuned text model", hint="the embedded model is served by --engine embedded --model FOLDER")
    return card


def verify(folder: Path, card: dict[str, Any]) -> None:
    """Holds the card against the files and the prompt of this program."""
    for name, digest in card["files"].items():
        path = folder / name
        if not path.exists():
            raise ModelError(f"{folder}: the file `{name}` is missing", hint="copy the whole folder again")
        if digest_of(path) != digest:
            raise ModelError(f"{path} is not the file of the card: its digest differs", hint="the file is damaged or changed: copy the folder again")
    if card["prompt"] != prompts.digest():
        raise ModelError(
            f"{folder} was trained with another prompt ({card['prompt'][:12]}, here {prompts.digest()[:12]})",
            hint="train it again with this version, or serve it with the version it was trained with: " + str(card.get("nl2dsl", "")),
        )


def base_of(folder: Path, card: dict[str, Any], base: Path | None = None) -> Path:
    """The folder of the base an adapter belongs to, checked by its digest."""
    place = base or located(card["base"]["path"], folder)
    found = weights_digest(place)
    if found != card["base"]["digest"]:
        raise ModelError(
            f"{folder} is an adapter of another base: {card['base']['name']} ({card['base']['digest'][:12]}), and {place} is {found[:12]}",
            hint="an adapter works only on the weights it was trained on",
        )
    return place


def located(name: str, beside: Path) -> Path:
    """The folder of a base: seen from the model, from here, or from the cache of the hub."""
    for place in (beside / name, Path(name)):
        if place.is_dir():
            return place.resolve()
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.model", "*.jinja"]))
    except ImportError as problem:
        raise ModelError(f"no folder `{name}`, and the hub cannot be asked", hint=_INSTALL) from problem
    except Exception as problem:  # the hub's client has some twenty exceptions of its own
        why = str(problem).strip().splitlines()[0][:200] if str(problem).strip() else type(problem).__name__
        raise ModelError(
            f"the base `{name}` is neither a folder nor to be had from the hub: {why}", hint="give the folder of the base, or log in to the hub"
        ) from problem


# --- answering -----------------------------------------------------------------------------------------------------------------


@dataclass
class Text:
    """A loaded model that answers prompts greedily; what `HF` serves with and training looks at itself with."""

    model: Any
    tokenizer: Any
    name: str

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        return self.complete_all([prompt], max_tokens=max_tokens)[0]

    def complete_all(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[Completion]:
        """All prompts in one batch, padded on the left; the seconds of each are those of the batch."""
        began = time.perf_counter()
        asked = [self.ids(prompt) for prompt in prompts]
        said = self._written(asked, max_tokens, do_sample=False)
        texts = [self.text(answer) for answer in said]
        seconds = time.perf_counter() - began
        return [Completion(text, len(a), len(answer), seconds) for text, a, answer in zip(texts, asked, said, strict=True)]

    def sample(self, prompt: Prompt, n: int, *, max_tokens: int, temperature: float, seed: int) -> list[list[int]]:
        """`n` answers drawn from the whole distribution, as token ids with the end token where it was written; the same for the same seed on the same machine."""
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self._written([self.ids(prompt)] * n, max_tokens, do_sample=True, temperature=temperature, top_k=0, top_p=1.0)

    def ids(self, prompt: Prompt) -> list[int]:
        made: list[int] = self.tokenizer(render(self.tokenizer, prompt), add_special_tokens=False)["input_ids"]
        return made

    def text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _written(self, asked: Sequence[list[int]], max_tokens: int, **choice: Any) -> list[list[int]]:
        """What is written behind each of these prompts, up to its end token and with it."""
        import torch
        from transformers import GenerationConfig

        wide, end, pad = max(map(len, asked)), self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (wide - len(a)) + a for a in asked], device=self.model.device)
        mask = torch.tensor([[0] * (wide - len(a)) + [1] * len(a) for a in asked], device=self.model.device)
        room = int(getattr(self.model.config, "max_position_embeddings", 1 << 30)) - wide
        if room < 1:
            raise EngineError(f"the prompt has {wide} tokens, more than {self.name} reads", hint="fewer shots, or a model with a longer context")
        how = cast(Any, GenerationConfig)(max_new_tokens=min(max_tokens, room), eos_token_id=end, pad_token_id=pad, **choice)
        with torch.inference_mode():
            made = self.model.generate(input_ids=ids, attention_mask=mask, generation_config=how)[:, wide:].tolist()
        return [answer[: answer.index(end) + 1] if end in answer else answer for answer in made]


class HF:
    """The engine `hf:FOLDER`. `base` is where the base lies when not where the card says; `merged` adds the adapter to the weights once, which is faster."""

    def __init__(self, folder: str | Path, *, base: Path | None = None, merged: bool = True) -> None:
        self.folder = Path(folder)
        self.card = read_card(self.folder)
        verify(self.folder, self.card)
        self.loaded = self._load(base, merged)
        if self.card["template"] != (found := template_digest(self.loaded.tokenizer)):
            raise ModelError(
                f"{self.folder}: prompts are rendered otherwise than in training ({self.card['template'][:12]}, here {found[:12]})",
                hint="the tokenizer or its chat template has changed",
            )

    def _load(self, base: Path | None, merged: bool) -> Text:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as problem:
            raise EngineError("the engine hf needs torch and transformers", hint=_INSTALL) from problem
        quiet()
        adapter = self.card["method"] != "full"
        place = base_of(self.folder, self.card, base) if adapter else self.folder
        kind = getattr(torch, str(self.card.get("weights", "float32")))
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder)
            model: Any = AutoModelForCausalLM.from_pretrained(place, dtype=kind)
            if adapter:
                model = adapted(model, self.folder, merged)
        except (OSError, ValueError, RuntimeError) as problem:
            raise ModelError(f"the model in {place} cannot be loaded: {str(problem).splitlines()[0]}", hint="is the folder whole?") from problem
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return Text(model.to(device).eval(), tokenizer, self.name)

    @property
    def name(self) -> str:
        return f"hf:{self.card['name']}@{self.card['digest'][:12]}"

    def complete(self, prompt: Prompt, *, max_tokens: int) -> Completion:
        return self.loaded.complete(prompt, max_tokens=max_tokens)

    def complete_all(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[Completion]:
        return self.loaded.complete_all(prompts, max_tokens=max_tokens)


def quiet() -> None:
    """No bars of transformers between ours."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]


def adapted(model: Any, folder: Path, merged: bool) -> Any:
    """The base with its adapter, beside the weights or in them."""
    from peft import PeftModel

    with warnings.catch_warnings():  # PEFT asks the model in a way that transformers will drop
        warnings.simplefilter("ignore", FutureWarning)
        made = PeftModel.from_pretrained(model, str(folder))
    return made.merge_and_unload() if merged else made
