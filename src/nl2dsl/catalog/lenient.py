"""JSON and YAML as people write them: what can be mended without guessing is mended and told, the rest is refused with line and reason.

In: a text and the name of its file. Out: the value, and notes on what was mended. Mended in JSON: comments, trailing commas, control characters in strings, keys that
occur twice (the last one counts), half surrogates. Not mended: brackets that do not match, a second document behind the first. YAML is read by the rules of JSON: `on`,
`no` and dates stay texts. Refusals are `CatalogError`s such as `a.json:12:3: not JSON: a comma is missing`. Time is linear in the length of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable
from typing import Any

from nl2dsl.errors import CatalogError

# Strings and comments are read whole, so that what stands inside them is left alone; an unfinished comment ends with the text. Nothing is tried
# twice (`*+`), so a long string takes neither long nor much memory.
_COMMENT = re.compile(r'"(?:[^"\\]++|\\.)*+"|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_TRAILING = re.compile(r'"(?:[^"\\]++|\\.)*+"|,(?=\s*[}\]])', re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_CHECK = "check the file with a JSON validator"
_WHY = {
    "Expecting ',' delimiter": "a comma or a closing bracket is missing",
    "Expecting ':' delimiter": "a colon is missing after a key",
    "Expecting property name enclosed in double quotes": "a key in double quotes is missing",
    "Illegal trailing comma before end of object": "a comma before a closing bracket",
    "Illegal trailing comma before end of array": "a comma before a closing bracket",
    "Expecting value": "a value is missing",
    "Unterminated string starting at": "a string without an end",
    "Invalid \\escape": "a backslash that escapes nothing",
    "Invalid \\uXXXX escape": "a \\u that is not followed by four hexadecimal digits",
}
_OTHERS = (
    (re.compile(r"\s*<(?:!doctype\s+)?html", re.I), "an HTML page"),
    (re.compile(r"\s*<(?:\?xml|\w)"), "XML"),
    (re.compile(r"\s*%PDF"), "a PDF"),
)
Value = Any


def read_json(text: str, name: str, constants: bool = True) -> tuple[Value, list[str]]:
    """The one JSON value in a text, and notes; without `constants`, `NaN` and `Infinity` are no numbers. Raises `CatalogError`."""
    notes: list[str] = []
    try:
        value = _decoder(notes, constants).decode(text)
    except ValueError:
        value = _mended(text, name, notes, constants)
    except RecursionError:
        raise _too_deep(name) from None
    return (whole(value) if _ESCAPED_HALF.search(text) else value), notes


def _decoder(notes: list[str], constants: bool) -> json.JSONDecoder:
    """Reads objects and tells of keys that occur twice in one."""
    twice: set[str] = set()

    def pairs(given: list[tuple[str, Value]]) -> dict[str, Value]:
        made = dict(given)
        if len(made) < len(given):
            seen: set[str] = set()
            for key, _ in given:
                if key in seen and key not in twice:
                    twice.add(key)
                    if len(twice) <= 5:
                        notes.append(f"the key `{key[:80]}` occurs twice in one object, the last one counts")
                seen.add(key)
        return made

    return json.JSONDecoder(object_pairs_hook=pairs, strict=True, parse_constant=None if constants else _no_constant)


def _no_constant(text: str) -> Value:
    raise ValueError(f"{text} is no JSON value")


def _mended(text: str, name: str, notes: list[str], constants: bool) -> Value:
    """Tries again without what JSON does not allow but other readers do. Lines stay where they are, so a refusal names the right one."""
    for pattern, what in _OTHERS:
        if pattern.match(text):
            raise CatalogError(f"{name}: this is {what}, not JSON", "fetch the description itself; a page instead of it often asks to sign in")
    mended = text.lstrip("\ufeff")
    for pattern, told in ((_COMMENT, "comments"), (_TRAILING, "commas before a closing bracket")):
        shorter = pattern.sub(_blank, mended)
        if shorter != mended:
            notes.append(f"{told} were left out")
            mended = shorter
    decoder = _decoder(notes, constants)
    decoder.strict = False
    decoder.scan_once = json.scanner.make_scanner(decoder)  # type: ignore[attr-defined]
    try:
        value = decoder.decode(mended)
    except json.JSONDecodeError as e:
        raise CatalogError(f"{name}:{e.lineno}:{e.colno}: not JSON: {_why(e)}", _CHECK) from None
    except ValueError as e:  # a number with thousands of digits
        raise CatalogError(f"{name}: not JSON: {str(e).split(';')[0]}", _CHECK) from None
    except RecursionError:
        raise _too_deep(name) from None
    if not notes or all("occurs twice" in note for note in notes):
        notes.append("control characters inside strings were accepted")
    return value


def _blank(match: re.Match[str]) -> str:
    """Strings as they are; of anything else only its line ends."""
    found = match[0]
    return found if found[0] == '"' else "\n" * found.count("\n")


def _why(e: json.JSONDecodeError) -> str:
    if e.msg == "Extra data":
        return "a second document begins here" if e.doc[e.pos : e.pos + 1] in "{[" else "something stands behind the end of the document"
    if e.pos >= len(e.doc.rstrip()):
        return "the file ends too early"
    return _WHY.get(e.msg, e.msg[:1].lower() + e.msg[1:])


def _too_deep(name: str) -> CatalogError:
    return CatalogError(f"{name}: nested too deeply", "is it a catalog?")


def whole(value: Value) -> Value:
    """The value with every half surrogate replaced: such a text could be read, but never written."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [whole(v) for v in value]
    if isinstance(value, dict):
        return {whole(k): whole(v) for k, v in value.items()}
    return value


# --- YAML ----------------------------------------------------------------------------------------------------------------------


def read_yaml(text: str, name: str) -> tuple[Value, list[str]]:
    """The one YAML document in a text, and notes. Raises `CatalogError`, also where pyyaml is not installed."""
    try:
        import yaml
    except ImportError:
        raise CatalogError(f"{name}: YAML needs the package pyyaml", "pip install pyyaml, or convert the file to JSON") from None
    notes: list[str] = []
    try:
        value = yaml.load(_ESCAPED_HALF.sub(r"\\ufffd", text), _yaml_loader(notes))
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        problem = getattr(e, "problem", None) or getattr(e, "reason", None) or "syntax error"
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise CatalogError(f"{name}{where}: not YAML: {problem}", _yaml_hint(text, mark.line if mark else 0, problem)) from None
    except ValueError as e:
        raise CatalogError(f"{name}: not YAML: {str(e).split(';')[0]}", "check the file") from None
    except RecursionError:
        raise _too_deep(name) from None
    return value, notes


def _yaml_hint(text: str, line: int, problem: str) -> str:
    if "another document" in problem:
        return "give each document a file of its own"
    return "a tab stands there: indent with spaces" if any("\t" in shown for shown in text.split("\n")[line : line + 1]) else "check the indentation"


def _yaml_loader(notes: list[str]) -> type:
    """A loader that knows the scalars of JSON only, keeps objects with unknown tags as what they are, and lets no key but a text come out."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (each loader has its own, as pyyaml wants it)
        yaml_constructors: dict[str, Any] = {}  # noqa: RUF012

    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]{1,400}", "-+0123456789"),
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
        ("merge", r"<<", "<"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), list(first))
    for tag in ("str", "bool", "null", "float", "seq"):
        Loader.add_constructor(f"tag:yaml.org,2002:{tag}", getattr(yaml.SafeLoader, f"construct_yaml_{tag}"))
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
    Loader.add_constructor("tag:yaml.org,2002:map", _yaml_object(notes))
    Loader.add_constructor(None, _yaml_stranger)
    return Loader


def _yaml_object(notes: list[str]) -> Callable[..., Any]:
    def construct(loader: Any, node: Any) -> Any:
        made: dict[str, Value] = {}
        yield made  # first the object, then what is in it: so an alias may lead back
        loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node)
            text = key_node.value if isinstance(key_node.value, str) else json.dumps(key, default=str)
            if text in made and isinstance(key, Hashable) and len(notes) < 5:
                notes.append(f"the key `{text[:80]}` occurs twice in one object, the last one counts")
            made[text] = loader.construct_object(value_node)

    return construct


def _yaml_stranger(loader: Any, node: Any) -> Value:
    """A value with a tag of some other program (`!Ref x`): the value itself."""
    if isinstance(node.value, str):
        return node.value
    deep = loader.construct_sequence if isinstance(node.value, list) and node.id == "sequence" else loader.construct_mapping
    return deep(node, deep=True)
