"""The prompt of text models: one renderer for training, serving and measuring.

In: a query, the operations it may need, and examples. Out: a `Prompt` of messages; `read_answer` takes the flow out of what a model says. The words are in the `.md`
files beside this module, with slots such as `{operations}`; a slot that is missing or left over is an error. `digest` names the prompt: a model trained with another
one must not be served with this one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from nl2dsl.catalog.model import Operation, Output, Parameter
from nl2dsl.errors import ModelError
from nl2dsl.refusal import CATEGORIES

_SLOT = re.compile(r"\{(\w+)\}")
_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_OPTIONAL_SHOWN, _ENUM_SHOWN, _OUTPUTS_SHOWN = 12, 12, 12


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # system | user | assistant
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, about which query. `text` is the form for models without a chat template."""

    query: str
    messages: tuple[Message, ...]

    @property
    def text(self) -> str:
        names = {"system": "", "user": "Request: ", "assistant": "Flow:\n"}
        return "\n\n".join(names[m.role] + m.text for m in self.messages) + "\n\nFlow:\n"

    @property
    def digest(self) -> str:
        """The same for the same messages: the key of recorded answers."""
        return hashlib.sha256(json.dumps([[m.role, m.text] for m in self.messages]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Shot:
    """One example in a prompt."""

    query: str
    dsl: str


def write_flow(query: str, operations: Iterable[Operation], shots: Sequence[Shot] = ()) -> Prompt:
    """Asks for the flow of a query."""
    system = fill("write_flow", categories=", ".join(CATEGORIES), operations="\n".join(signature(o) for o in operations))
    examples = [m for shot in shots for m in (Message("user", shot.query), Message("assistant", shot.dsl.strip()))]
    return Prompt(query, (Message("system", system), *examples, Message("user", query)))


def repair(prompt: Prompt, attempt: str, findings: str) -> Prompt:
    """Asks again, with what was wrong with the answer."""
    return replace(prompt, messages=(*prompt.messages, Message("assistant", attempt.strip()), Message("user", fill("repair", findings=findings))))


def read_answer(text: str) -> str:
    """The flow in what a model said: without thoughts and code fences; '' when there is nothing."""
    text = _THOUGHT.sub("", text)
    fenced = _FENCE.search(text)
    flow = (fenced[1] if fenced else text).strip()
    return f"{flow}\n" if flow else ""


# --- files and slots -----------------------------------------------------------------------------------------------------------


def fill(name: str, **values: str) -> str:
    """The text of a prompt file with its slots filled. Braces of the flow language are no slots: a slot is one word in braces without spaces."""
    template = _file(name)
    slots = set(_SLOT.findall(template))
    if slots != values.keys():
        odd = [f"no value for {{{s}}}" for s in sorted(slots - values.keys())] + [f"no slot {{{s}}}" for s in sorted(values.keys() - slots)]
        raise ModelError(
            f"prompts/{name}.md: {', '.join(odd)}",
            hint="slots and values must be the same; what was trained with another prompt must be trained again",
        )
    return _SLOT.sub(lambda found: values[found[1]], template)


@cache
def _file(name: str) -> str:
    return Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def shots(n: int) -> tuple[Shot, ...]:
    """The first `n` examples that ship; as many as there are when there are fewer."""
    lines = Path(__file__).with_name("shots.jsonl").read_text(encoding="utf-8").splitlines()[:n]
    return tuple(Shot(**json.loads(line)) for line in lines)


@cache
def digest() -> str:
    """Names files and renderer together: sha256 of a specimen."""
    parameters = (Parameter("a/b", required=True), Parameter("c", "integer", enum=("1", "2"), default="1"), Parameter("d", "object", open=True))
    specimen = Operation("shared_x", "Do", "action", "Title", "what it does", parameters, (Output("value"),))
    asked = write_flow("query", [specimen], [Shot("shot", "flow")])
    return repair(asked, "attempt", "findings").digest


# --- signatures ----------------------------------------------------------------------------------------------------------------


def signature(o: Operation) -> str:
    """One line: `action shared_x.Get({ "id": string, "top"?: integer }) gives body.value, body.value[].Title  // Get rows: lists the rows of a table`."""
    visible = [p for p in o.parameters if not p.internal]
    optional = [p.name for p in visible if not p.required][_OPTIONAL_SHOWN:]
    keys = [_parameter(p) for p in visible if p.name not in optional] + (["..."] if optional else [])
    lists = {x.name for x in o.outputs if x.type == "array"}
    gives = ", ".join(_output(x, lists) for x in o.outputs[:_OUTPUTS_SHOWN])
    about = ": ".join(part for part in (o.title, o.summary) if part)
    kind = "trigger or action" if o.kind == "any" else o.kind
    called = f"{{ {', '.join(keys)} }}" if keys else "{}"
    return f"{kind} {o.id}({called})" + (f" gives {gives}" if gives else "") + (f"  // {about}" if about else "")


def _parameter(p: Parameter) -> str:
    values = [json.dumps(v, ensure_ascii=False) for v in p.enum[:_ENUM_SHOWN]] + (["..."] if len(p.enum) > _ENUM_SHOWN else [])
    kind = " | ".join(values) or p.type
    asked = p.required and p.default is None
    return f'"{p.name}{"/..." if p.open else ""}"{"" if asked else "?"}: {kind}'


def _output(o: Output, lists: set[str]) -> str:
    """A catalog says `value/Title`, `body/outcome`, `` (the body itself) and `/Name` (of each entry); a flow says `body.value[].Title`, `body.outcome`, `body`, `body[].Name`."""
    path, said = "body", []
    for part in o.name.removeprefix("body/").split("/"):
        if part:
            path += f".{part}" if _NAME.fullmatch(part) else f"[{json.dumps(part, ensure_ascii=False)}]"
        said.append(part)
        if len(said) < len(o.name.split("/")) and (not part or "/".join(said) in lists):
            path += "[]"
    return path
