"""The expression functions of the workflow definition language that work on values; those that look at the run are in `evaluate.py`.

In: a function's name and evaluated arguments. Out: its value, as documented for the platform, or `TemplateError` with the platform's message. Values
without a schema (`values.Unknown`) are taken as what the function needs; text made from them stays unknown where its content matters (`json`, `split`).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from nl2dsl.dsl import functions as signatures
from nl2dsl.simulator import dates, xmltree
from nl2dsl.simulator.dates import ROUND_TRIP, Stamp
from nl2dsl.simulator.mock import guid
from nl2dsl.simulator.numerals import format_number
from nl2dsl.simulator.values import (
    MAX_ITEMS,
    MAX_TEXT,
    MockList,
    TemplateError,
    Unknown,
    is_number,
    limited,
    plain,
    same,
    to_text,
    type_name,
)

_HELP = "Please see https://aka.ms/logicexpressions#{} for usage details."
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_INTEGER_LIMIT = 2**63
_PADDED = 64  # characters an unknown text has at least when a part of it is asked for


class Runtime(Protocol):
    """What functions need of the run."""

    def now(self) -> datetime: ...
    def draw(self) -> Random: ...


class Call:
    """One call of a function: its arguments by the types it needs, with the platform's messages when they have others."""

    def __init__(self, name: str, arguments: list[Any], runtime: Runtime) -> None:
        self.name = name
        self.arguments = arguments
        self.runtime = runtime

    def __len__(self) -> int:
        return len(self.arguments)

    def any(self, n: int) -> Any:
        return self.arguments[n]

    def error(self, what: str) -> TemplateError:
        return TemplateError(f"The template language function '{self.name}' {what} {_HELP.format(self.name)}")

    def wrong(self, n: int, wanted: str) -> TemplateError:
        place = "its parameter" if len(self) == 1 else f"its {_ORDINALS[min(n, 4)]} parameter"
        return self.error(f"expects {place} to be {wanted}. The provided value is of type '{type_name(self.arguments[n])}'.")

    def text(self, n: int, default: str | None = None) -> str:
        if n >= len(self) and default is not None:
            return default
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.source.text(value)
        if isinstance(value, str):
            return value
        if xmltree.is_content(value):
            return xmltree.content_text(value)
        raise self.wrong(n, "a string" if len(self) == 1 else "of type string")

    def integer(self, n: int, default: int | None = None) -> int:
        if n >= len(self) and default is not None:
            return default
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.source.number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value == int(value):
            return int(value)
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
            return int(value)
        raise self.wrong(n, "an integer" if len(self) == 1 else "of type integer")

    def number(self, n: int) -> int | float:
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.source.number(value)
        if is_number(value):
            return value  # type: ignore[no-any-return]
        raise self.wrong(n, "an integer or a decimal number")

    def list(self, n: int) -> list[Any]:
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return value.items()
        if isinstance(value, list):
            return value
        raise self.wrong(n, "an array" if len(self) == 1 else "of type array")

    def object(self, n: int) -> dict[str, Any]:
        value = self.arguments[n]
        if isinstance(value, Unknown):
            return {}
        if isinstance(value, dict):
            return value
        raise self.wrong(n, "an object")

    def stamp(self, n: int) -> Stamp:
        text = self.text(n)
        found = dates.parse(text)
        if found is None and isinstance(self.arguments[n], Unknown):
            value = self.arguments[n]
            found = dates.of_datetime(self.runtime.now())
            found = found.moved(dates.seconds(-3600 * value.source.number(value)))
        if found is None:
            raise self.error(f"parameter is not valid: in function '{self.name}', the value provided for date time string '{text[:100]}' was not valid. "
                             "The datetime string must match ISO 8601 format.")  # fmt: skip
        return found

    def tolerant(self) -> Unknown | None:
        """The first argument if it is a value without a schema."""
        return self.arguments[0] if self.arguments and isinstance(self.arguments[0], Unknown) else None


Implementation = Callable[[Call], Any]
IMPLEMENTATIONS: dict[str, Implementation] = {}


def _is(*names: str) -> Callable[[Implementation], Implementation]:
    """Registers what follows under these names."""

    def register(implementation: Implementation) -> Implementation:
        for name in names:
            IMPLEMENTATIONS[name.lower()] = implementation
        return implementation

    return register


def call(name: str, arguments: list[Any], runtime: Runtime) -> Any:
    """The value of a function. Raises `TemplateError`."""
    implementation = IMPLEMENTATIONS.get(name.lower())
    signature = signatures.find(name)
    if implementation is None or signature is None:
        raise TemplateError(f"The template function '{name}' is not defined or not valid.")
    if not signature.least <= len(arguments) <= signature.most:
        raise TemplateError(
            f"The template function '{name}' is expecting {_counts(signature)} parameters, but {len(arguments)} were given. {_HELP.format(name)}"
        )
    made = Call(signature.name, arguments, runtime)
    try:
        return implementation(made)
    except (OverflowError, RecursionError, MemoryError):
        raise made.error("was invoked with values that are too large.") from None


def _counts(signature: signatures.Signature) -> str:
    if signature.least == signature.most:
        return str(signature.least)
    return f"at least {signature.least}" if signature.most == signatures.UNBOUNDED else f"{signature.least} to {signature.most}"


# --- text ----------------------------------------------------------------------------------------------------------------------


@_is("concat")
def _concat(c: Call) -> Any:
    if all(isinstance(a, list) for a in c.arguments):
        return [item for a in c.arguments for item in a]
    return limited("".join(to_text(a) for a in c.arguments))


@_is("substring")
def _substring(c: Call) -> str:
    text, start = c.text(0), c.integer(1)
    length = c.integer(2) if len(c) > 2 else None
    if c.tolerant():
        text = text.ljust(_PADDED, ".")
        start = min(max(start, 0), len(text))
        return text[start:] if length is None else text[start : start + max(length, 0)]
    if start < 0 or start > len(text):
        raise c.error(f"parameters are out of range: 'start index' must be non-negative and no more than the length of the string, which is {len(text)}.")
    if length is None:
        return text[start:]
    if length < 0 or start + length > len(text):
        raise c.error(
            f"parameters are out of range: 'start index' and 'length' cannot be less than 0 and must refer to a location within the string with length '{len(text)}'."
        )
    return text[start : start + length]


@_is("slice")
def _slice(c: Call) -> str:
    text, start = c.text(0), c.integer(1)
    end = c.integer(2) if len(c) > 2 else len(text)
    start, end = (i + len(text) if i < 0 else i for i in (start, end))
    return text[max(start, 0) : max(end, 0)] if start < end else ""


@_is("replace")
def _replace(c: Call) -> str:
    text, old, new = c.text(0), c.text(1), c.text(2)
    if not old:
        raise c.error("expects its second parameter to be a non-empty string.")
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise c.error("was invoked with values that are too large.")
    return text.replace(old, new)


@_is("toLower")
def _lower(c: Call) -> str:
    return c.text(0).lower()


@_is("toUpper")
def _upper(c: Call) -> str:
    return c.text(0).upper()


@_is("trim")
def _trim(c: Call) -> str:
    return c.text(0).strip()


@_is("split")
def _split(c: Call) -> list[Any]:
    text = c.text(0)
    separator = c.text(1) if len(c) > 1 else ""
    parts = text.split(separator) if separator else list(text)
    if len(parts) > MAX_ITEMS:
        raise c.error(f"makes more than {MAX_ITEMS} items.")
    unknown = c.tolerant()
    return MockList(list(parts), unknown.child("split")) if unknown else parts


@_is("join")
def _join(c: Call) -> str:
    return limited(c.text(1).join(to_text(item) for item in c.list(0)))


@_is("startsWith")
def _starts(c: Call) -> bool:
    return c.text(0).lower().startswith(c.text(1).lower())


@_is("endsWith")
def _ends(c: Call) -> bool:
    return c.text(0).lower().endswith(c.text(1).lower())


@_is("indexOf")
def _index(c: Call) -> int:
    return _found(c, c.text(0).lower().find(c.text(1).lower()))


@_is("lastIndexOf")
def _last_index(c: Call) -> int:
    return _found(c, c.text(0).lower().rfind(c.text(1).lower()))


def _found(c: Call, place: int) -> int:
    """An unknown text is taken to contain what is looked for."""
    unknown = c.tolerant()
    return unknown.source.number(unknown) % 10 + 1 if unknown and place < 0 else place


@_is("nthIndexOf")
def _nth_index(c: Call) -> int:
    text, part, n = c.text(0).lower(), c.text(1).lower(), c.integer(2)
    if not part:
        return 0 if n else -1
    found = [m.start() for m in re.finditer(re.escape(part), text)]
    if n == 0 or abs(n) > len(found):
        return -1
    return found[n - 1] if n > 0 else found[n]


@_is("guid")
def _guid(c: Call) -> str:
    made, format = guid(c.runtime.draw()), c.text(0, "D")
    bare = made.replace("-", "")
    match format.upper():
        case "N":
            return bare
        case "D":
            return made
        case "B":
            return f"{{{made}}}"
        case "P":
            return f"({made})"
        case "X":
            tail = ",".join(f"0x{bare[i : i + 2]}" for i in range(16, 32, 2))
            return f"{{0x{bare[:8]},0x{bare[8:12]},0x{bare[12:16]},{{{tail}}}}}"
        case _:
            raise c.error(f"was invoked with the format '{format[:40]}', which is not valid: use D, N, B, P or X.")


@_is("formatNumber")
def _format_number(c: Call) -> str:
    value = c.arguments[0]
    if isinstance(value, str):
        c.arguments[0] = _float_of(c, value)
    return limited(format_number(c.number(0), c.text(1), c.text(2, "en-US")))


@_is("isInt")
def _is_int(c: Call) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", to_text(c.any(0))))


@_is("isFloat")
def _is_float(c: Call) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?(\d[\d,]*)?(\.\d+)?([eE][+-]?\d{1,3})?\s*", text := to_text(c.any(0)))) and any(d.isdigit() for d in text)


# --- conversion ----------------------------------------------------------------------------------------------------------------


@_is("string")
def _string(c: Call) -> Any:
    value = c.any(0)
    if isinstance(value, Unknown):
        return Unknown(value.source, value.key, value.name, value.role, "string")
    return xmltree.content_text(value) if xmltree.is_content(value) and "xml" in value["$content-type"] else to_text(value)


@_is("int")
def _int(c: Call) -> int:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value.source.number(value)
    if isinstance(value, bool):
        return int(value)
    if is_number(value) and math.isfinite(value):
        return _bounded(c, int(value))
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,19}\s*", value):
        return _bounded(c, int(value))
    raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")


def _bounded(c: Call, value: int) -> int:
    if not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")
    return value


@_is("float", "decimal")
def _float(c: Call) -> int | float:
    value = c.any(0)
    if isinstance(value, Unknown):
        return float(value.source.number(value))
    if is_number(value):
        return float(value)
    if isinstance(value, str):
        return _float_of(c, value)
    raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")


def _float_of(c: Call, text: str) -> float:
    if re.fullmatch(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text.strip()):
        value = float(text.strip().replace(",", ""))
        if math.isfinite(value):
            return value
    raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")


@_is("bool")
def _bool(c: Call) -> bool:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value.source.boolean(value)
    if isinstance(value, bool):
        return value
    if is_number(value):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "1", "0"):
        return value.strip().lower() in ("true", "1")
    raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")


@_is("json")
def _json(c: Call) -> Any:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value
    if xmltree.is_content(value):
        text = xmltree.content_text(value)
        return xmltree.to_json(text) if "xml" in value["$content-type"] else parse_json(c, text)
    if isinstance(value, str):
        return parse_json(c, value)
    raise c.error(f"expects its parameter to be a string or an XML. The provided value is of type '{type_name(value)}'.")


def parse_json(c: Call, text: str) -> Any:
    try:
        return json.loads(text.removeprefix("\ufeff"), strict=False)
    except (ValueError, RecursionError) as error:
        raise c.error(f"parameter is not valid. The provided value '{text[:100]}' cannot be parsed: '{error}'.") from None


@_is("xml")
def _xml(c: Call) -> Any:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value
    if isinstance(value, str):
        xmltree.parse(value)
        return xmltree.content(value)
    if xmltree.is_content(value):
        return xmltree.content(xmltree.content_text(value))
    return xmltree.content(xmltree.of_json(value))


@_is("xpath")
def _xpath(c: Call) -> Any:
    value, path = c.any(0), c.text(1)
    if isinstance(value, Unknown):
        found = value.child(path[:60])
        name = path.strip().partition("(")[0]
        if name in ("string", "concat", "normalize-space", "name", "local-name", "namespace-uri"):
            return found.source.text(found)
        return found.source.number(found) if name in ("sum", "count", "number") else found.items()
    text = xmltree.content_text(value) if xmltree.is_content(value) else c.text(0)
    return xmltree.select(xmltree.parse(text), path)


@_is("array")
def _array(c: Call) -> list[Any]:
    return [c.any(0)]


@_is("createArray")
def _create_array(c: Call) -> list[Any]:
    return list(c.arguments)


@_is("binary", "base64ToBinary", "dataUriToBinary", "uriComponentToBinary", "decodeDataUri")
def _binary(c: Call) -> Any:
    """Binary travels as a content object."""
    if xmltree.is_content(c.any(0)):
        return c.any(0)
    text, name = c.text(0), c.name.lower()
    kind, data = "application/octet-stream", text
    if name in ("datauritobinary", "decodedatauri"):
        if c.tolerant() is None:
            kind, data = _data_uri(c, text)
    elif name != "base64tobinary":
        data = base64.b64encode(unquote(text).encode("utf-8", "replace") if name == "uricomponenttobinary" else text.encode("utf-8", "replace")).decode()
    elif c.tolerant() is None:
        _decoded(c, text)
    return {"$content-type": kind, "$content": data}


@_is("base64")
def _base64(c: Call) -> str:
    value = c.any(0)
    if isinstance(value, dict) and xmltree.is_content(value):
        return str(value["$content"])
    return base64.b64encode((to_text(value) if not isinstance(value, str) else value).encode("utf-8", "replace")).decode()


@_is("base64ToString", "decodeBase64")
def _base64_to_string(c: Call) -> Any:
    if (unknown := c.tolerant()) is not None:
        return unknown.child("decoded")
    return _decoded(c, c.text(0)).decode("utf-8", "replace")


def _decoded(c: Call, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise c.error(f"was invoked with a parameter that is not valid. The value '{text[:60]}' cannot be decoded from base64 representation.") from None


@_is("dataUri")
def _data_uri_of(c: Call) -> str:
    value = c.any(0)
    if isinstance(value, dict) and xmltree.is_content(value):
        return f"data:{value['$content-type']};base64,{value['$content']}"
    return f"data:text/plain;charset=utf-8;base64,{base64.b64encode(to_text(value).encode('utf-8', 'replace')).decode()}"


def _data_uri(c: Call, text: str) -> tuple[str, str]:
    match = re.match(r"data:([^,]*?)(;base64)?,(.*)\Z", text, re.DOTALL)
    if match is None:
        raise c.error("was invoked with a parameter that is not valid. The value is no data URI.")
    kind, encoded, data = match.groups()
    return kind or "text/plain", data if encoded else base64.b64encode(unquote(data).encode("utf-8", "replace")).decode()


@_is("dataUriToString")
def _data_uri_to_string(c: Call) -> Any:
    if (unknown := c.tolerant()) is not None:
        return unknown.child("decoded")
    return _decoded(c, _data_uri(c, c.text(0))[1]).decode("utf-8", "replace")


@_is("uriComponent", "encodeUriComponent")
def _uri_component(c: Call) -> str:
    return quote(to_text(c.any(0)) if not isinstance(c.any(0), str) else c.any(0), safe="-_.!~*'()", errors="replace")


@_is("uriComponentToString", "decodeUriComponent")
def _uri_component_to_string(c: Call) -> str:
    return unquote(c.text(0))


@_is("encodeXmlName")
def _encode_xml_name(c: Call) -> str:
    return re.sub(r"[^\w.-]|^[\d.-]", lambda m: f"_x{ord(m.group()):04X}_", c.text(0))


@_is("decodeXmlName")
def _decode_xml_name(c: Call) -> str:
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m.group(1), 16)), c.text(0))


@_is("uriHost", "uriPath", "uriPathAndQuery", "uriPort", "uriQuery", "uriScheme")
def _uri_part(c: Call) -> Any:
    text = c.text(0)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.scheme:
        if c.tolerant() is None:
            raise c.error(f"was invoked with a parameter that is not valid. The value '{text[:100]}' is no absolute URI.")
        parts = urlsplit("https://contoso.example/")
    query = f"?{parts.query}" if parts.query else ""
    match c.name.lower():
        case "urihost":
            return parts.hostname or ""
        case "uripath":
            return parts.path or "/"
        case "uripathandquery":
            return (parts.path or "/") + query
        case "uriport":
            return port or {"http": 80, "https": 443, "ftp": 21}.get(parts.scheme, -1)
        case "uriquery":
            return query
        case _:
            return parts.scheme


# --- lists and objects ---------------------------------------------------------------------------------------------------------


@_is("length")
def _length(c: Call) -> int:
    value = c.any(0)
    if isinstance(value, Unknown):
        return len(value.items()) if not isinstance(value.source.natural(value), str) or value.name == "body" else len(value.source.text(value))
    if isinstance(value, list | str):
        return len(value)
    raise c.error(f"expects its parameter to be an array or a string. The provided value is of type '{type_name(value)}'.")


@_is("empty")
def _empty(c: Call) -> bool:
    value = c.any(0)
    if value is None:
        return True
    if isinstance(value, Unknown):
        return False
    if isinstance(value, list | str | dict):
        return len(value) == 0
    raise c.error(f"expects its parameter to be an object, an array or a string. The provided value is of type '{type_name(value)}'.")


@_is("contains")
def _contains(c: Call) -> bool:
    where, what = c.any(0), c.any(1)
    if isinstance(where, Unknown):
        natural = where.source.natural(where)
        where = natural if isinstance(natural, str | list) else to_text(natural)
    if isinstance(where, str):
        return (what if isinstance(what, str) else to_text(what)) in where
    if isinstance(where, list):
        return any(same(item, what) for item in where)
    if isinstance(where, dict):
        return to_text(what) in where
    raise c.error(
        "expects its first argument 'collection' to be a dictionary (object), an array or a string. "
        f"The provided value is of type '{type_name(where)}'."
    )


@_is("first")
def _first(c: Call) -> Any:
    return _end(c, 0)


@_is("last")
def _last(c: Call) -> Any:
    return _end(c, -1)


def _end(c: Call, place: int) -> Any:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value.items()[place]
    if isinstance(value, list | str):
        return value[place] if value else ("" if isinstance(value, str) else None)
    raise c.error(f"expects its parameter be an array or a string. The provided value is of type '{type_name(value)}'.")


@_is("take")
def _take(c: Call) -> Any:
    value, count = c.any(0), c.integer(1)
    value = value.items() if isinstance(value, Unknown) else value
    if isinstance(value, list | str):
        return value[: max(count, 0)]
    raise c.wrong(0, "an array or a string")


@_is("skip")
def _skip(c: Call) -> list[Any]:
    return c.list(0)[max(c.integer(1), 0) :]


@_is("reverse")
def _reverse(c: Call) -> Any:
    return c.list(0)[::-1]


@_is("sort")
def _sort(c: Call) -> list[Any]:
    items, key = c.list(0), c.text(1, "")
    keyed = [(plain(item.get(key) if key and isinstance(item, dict) else item.child(key) if key and isinstance(item, Unknown) else item), item) for item in items]
    if all(is_number(k) for k, _ in keyed):
        return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]
    return [item for _, item in sorted(keyed, key=lambda pair: to_text(pair[0]).lower())]


@_is("chunk")
def _chunk(c: Call) -> list[Any]:
    value, size = c.any(0), c.integer(1)
    if isinstance(value, Unknown):
        value = value.source.natural(value) if value.name in ("content", "body", "text") else value.items()
    if not isinstance(value, list | str) or size < 1:
        raise c.wrong(0, "an array or a string") if size >= 1 else c.error("expects its second parameter to be a positive integer.")
    return [value[i : i + size] for i in range(0, len(value), size)]


@_is("range")
def _range(c: Call) -> list[int]:
    start, count = c.integer(0), c.integer(1)
    if not 0 <= count <= MAX_ITEMS:
        raise c.error(f"expects its second parameter 'count' to be from 0 to {MAX_ITEMS}. The provided value is {count}.")
    _bounded(c, start + count)
    return list(range(start, start + count))


@_is("union", "intersection")
def _sets(c: Call) -> Any:
    values = [a.items() if isinstance(a, Unknown) else a for a in c.arguments]
    if all(isinstance(v, dict) for v in values):
        return _objects(c.name == "union", values)
    if not all(isinstance(v, list) for v in values):
        raise c.error(
            f"expects parameters of matching types. The function was invoked with values of type '{type_name(values[0])}' and '{type_name(values[1])}' that do not match."
        )
    if c.name == "union":
        return _distinct([item for v in values for item in v])
    others = [{_identity(item) for item in v} for v in values[1:]]
    return _distinct([item for item in values[0] if all(_identity(item) in other for other in others)])


def _objects(union: bool, values: list[dict[str, Any]]) -> dict[str, Any]:
    if union:
        return {key: item for v in values for key, item in v.items()}
    return {key: item for key, item in values[0].items() if all(key in v and same(v[key], item) for v in values[1:])}


def _identity(item: Any) -> str:
    return json.dumps(plain(item), sort_keys=True)


def _distinct(items: list[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(_identity(item), item)
    return list(found.values())


@_is("addProperty")
def _add_property(c: Call) -> dict[str, Any]:
    made, name = c.object(0), c.text(1)
    if name in made:
        raise c.error(f"could not add the property: the object already has a property '{name}'.")
    return {**made, name: c.any(2)}


@_is("setProperty")
def _set_property(c: Call) -> dict[str, Any]:
    return {**c.object(0), c.text(1): c.any(2)}


@_is("removeProperty")
def _remove_property(c: Call) -> dict[str, Any]:
    name = c.text(1)
    return {key: item for key, item in c.object(0).items() if key != name}


# --- logic ---------------------------------------------------------------------------------------------------------------------


@_is("equals")
def _equals(c: Call) -> bool:
    return same(c.any(0), c.any(1))


@_is("not")
def _not(c: Call) -> bool:
    return not truth(c, 0)


def truth(c: Call, n: int) -> bool:
    value = c.any(n)
    if isinstance(value, Unknown):
        return value.source.boolean(value)
    if isinstance(value, bool):
        return value
    raise c.wrong(n, "a boolean" if len(c) == 1 else "of type boolean")


@_is("greater")
def _greater(c: Call) -> bool:
    return _compared(c) > 0


@_is("greaterOrEquals")
def _greater_or_equals(c: Call) -> bool:
    return _compared(c) >= 0


@_is("less")
def _less(c: Call) -> bool:
    return _compared(c) < 0


@_is("lessOrEquals")
def _less_or_equals(c: Call) -> bool:
    return _compared(c) <= 0


def _compared(c: Call) -> int:
    """Numbers by value, text by code; an unknown value takes the type of the other."""
    left, right = c.any(0), c.any(1)
    if isinstance(left, Unknown):
        left = _comparable(left, right)
    if isinstance(right, Unknown):
        right = _comparable(right, left)
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return (left > right) - (left < right)
    raise c.error(
        f"expects two parameters of matching types. The function was invoked with values of type '{type_name(left)}' and '{type_name(right)}' that do not match."
    )


def _comparable(unknown: Unknown, other: Any) -> Any:
    if isinstance(other, Unknown) or is_number(other):
        return unknown.source.number(unknown)
    return unknown.source.text(unknown)


# --- numbers -------------------------------------------------------------------------------------------------------------------


@_is("add")
def _add(c: Call) -> int | float:
    return _result(c, c.number(0) + c.number(1))


@_is("sub")
def _sub(c: Call) -> int | float:
    return _result(c, c.number(0) - c.number(1))


@_is("mul")
def _mul(c: Call) -> int | float:
    return _result(c, c.number(0) * c.number(1))


@_is("div")
def _div(c: Call) -> int | float:
    left, right = c.number(0), c.number(1)
    if right == 0:
        raise c.error("was invoked with a parameter that is not valid: attempt to divide an integral or decimal value by zero in function 'div'.")
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return _result(c, left / right)


@_is("mod")
def _mod(c: Call) -> int | float:
    left, right = c.number(0), c.number(1)
    if right == 0:
        raise c.error("was invoked with a parameter that is not valid: attempt to divide an integral or decimal value by zero in function 'mod'.")
    if isinstance(left, int) and isinstance(right, int):
        return int(math.copysign(abs(left) % abs(right), left)) if left and abs(left) < 2**53 else abs(left) % abs(right) * (-1 if left < 0 else 1)
    return math.fmod(left, right)


def _result(c: Call, value: int | float) -> int | float:
    if (isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT) or (isinstance(value, float) and not math.isfinite(value)):
        raise c.error("overflowed: the result is not in the range of 64-bit numbers.")
    return value


@_is("max", "min")
def _extreme(c: Call) -> int | float:
    values = [c.number(n) for n in range(len(c))] if len(c) > 1 or not isinstance(c.any(0), list | Unknown) else _numbers(c)
    return max(values) if c.name == "max" else min(values)


def _numbers(c: Call) -> list[int | float]:
    items = c.list(0)
    inner = Call(c.name, items, c.runtime)
    if not items:
        raise c.error("expects its parameter to be an array with at least one number.")
    return [inner.number(n) for n in range(len(items))]


@_is("rand")
def _rand(c: Call) -> int:
    least, most = c.integer(0), c.integer(1)
    if most <= least:
        raise c.error("expects its second parameter to be greater than the first.")
    return c.runtime.draw().randrange(least, most)


# --- dates and times -----------------------------------------------------------------------------------------------------------


def _formatted(c: Call, stamp: Stamp, n: int, default: str = ROUND_TRIP) -> str:
    return dates.format_stamp(stamp, c.text(n, default), c.text(n + 1, "en-US") if c.name in ("formatDateTime", "parseDateTime") else "en-US")


@_is("utcNow")
def _utc_now(c: Call) -> str:
    return _formatted(c, dates.of_datetime(c.runtime.now()), 0)


@_is("formatDateTime")
def _format_date_time(c: Call) -> str:
    return _formatted(c, c.stamp(0), 1)


@_is("parseDateTime")
def _parse_date_time(c: Call) -> str:
    return dates.format_stamp(c.stamp(0), ROUND_TRIP)


@_is("addDays", "addHours", "addMinutes", "addSeconds")
def _add_time(c: Call) -> str:
    size = {"addDays": 86_400, "addHours": 3_600, "addMinutes": 60, "addSeconds": 1}[c.name]
    count = c.number(1) if is_number(c.any(1)) else c.integer(1)
    return _formatted(c, c.stamp(0).moved(dates.seconds(count * size)), 2)


@_is("addToTime", "subtractFromTime")
def _add_to_time(c: Call) -> str:
    sign = 1 if c.name == "addToTime" else -1
    return _formatted(c, _moved(c, c.stamp(0), sign * c.integer(1), c.text(2)), 3)


@_is("getFutureTime", "getPastTime")
def _from_now(c: Call) -> str:
    sign = 1 if c.name == "getFutureTime" else -1
    return _formatted(c, _moved(c, dates.of_datetime(c.runtime.now()), sign * c.integer(0), c.text(1)), 2)


def _moved(c: Call, stamp: Stamp, count: int, unit: str) -> Stamp:
    found = dates.add_units(stamp, count, unit)
    if found is None:
        raise c.error(f"was invoked with the time unit '{unit[:40]}', which is not valid: use Second, Minute, Hour, Day, Week, Month or Year.")
    return found


@_is("convertFromUtc")
def _convert_from_utc(c: Call) -> str:
    return _formatted(c, _zoned(c, dates.to_zone, c.stamp(0), 1), 2)


@_is("convertToUtc")
def _convert_to_utc(c: Call) -> str:
    return _formatted(c, _zoned(c, dates.from_zone, c.stamp(0), 1), 2)


@_is("convertTimeZone")
def _convert_time_zone(c: Call) -> str:
    stamp = c.stamp(0)
    moment = stamp if stamp.utc else _zoned(c, dates.from_zone, stamp, 1)
    return _formatted(c, _zoned(c, dates.to_zone, moment, 2), 3)


def _zoned(c: Call, convert: Callable[[Stamp, str], Stamp | None], stamp: Stamp, n: int) -> Stamp:
    name = c.text(n)
    found = convert(stamp, name)
    if found is None and isinstance(c.any(n), Unknown):
        found = convert(stamp, "UTC")
    if found is None:
        raise c.error(
            f"parameter is not valid: in function '{c.name}', the value provided for the time zone id '{name[:60]}' was not valid. "
            "The time zone id must match a Windows time zone name."
        )
    return found


@_is("startOfDay", "startOfHour", "startOfMonth")
def _start_of(c: Call) -> str:
    stamp = c.stamp(0)
    at = stamp.at.replace(minute=0, second=0, microsecond=0)
    if c.name != "startOfHour":
        at = at.replace(hour=0)
    if c.name == "startOfMonth":
        at = at.replace(day=1)
    return _formatted(c, Stamp(at, 0, stamp.utc), 1)


@_is("dayOfMonth", "dayOfWeek", "dayOfYear")
def _day_of(c: Call) -> int:
    at = c.stamp(0).at
    return {"dayOfMonth": at.day, "dayOfWeek": at.isoweekday() % 7, "dayOfYear": at.timetuple().tm_yday}[c.name]


@_is("ticks")
def _ticks(c: Call) -> int:
    return dates.ticks(c.stamp(0))


@_is("dateDifference")
def _date_difference(c: Call) -> str:
    """A .NET time span: `days.hh:mm:ss`."""
    total = dates.ticks(c.stamp(1)) - dates.ticks(c.stamp(0))
    sign, total = ("-", -total) if total < 0 else ("", total)
    seconds, fraction = divmod(total, 10_000_000)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return sign + (f"{days}." if days else "") + clock + (f".{fraction:07d}" if fraction else "")


# --- the rest ------------------------------------------------------------------------------------------------------------------


@_is("listCallbackUrl")
def _callback(c: Call) -> str:
    return "https://contoso.example/workflows/run/triggers/manual/paths/invoke"


@_is("formDataValue", "formDataMultiValues")
def _form_data(c: Call) -> Any:
    raise c.error("found no form data in the body of that action.")
