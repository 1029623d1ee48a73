"""Expression functions on text, and conversions between text, JSON, XML, base64, URIs.

In: calls. Out: values as documented for the platform. Text made from an unknown value stays unknown where its content matters.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from nl2dsl.simulator import xmltree
from nl2dsl.simulator.calls import Call, bounded, function
from nl2dsl.simulator.mock import guid
from nl2dsl.simulator.numerals import format_number
from nl2dsl.simulator.values import (
    MAX_ITEMS,
    MAX_TEXT,
    MockList,
    Unknown,
    is_number,
    limited,
    to_text,
    type_name,
)

_PADDED = 64  # characters an unknown text has at least when a part of it is asked for


# --- text ----------------------------------------------------------------------------------------------------------------------


@function("concat")
def _concat(c: Call) -> Any:
    if all(isinstance(a, list) for a in c.arguments):
        return [item for a in c.arguments for item in a]
    return limited("".join(to_text(a) for a in c.arguments))


@function("substring")
def _substring(c: Call) -> str:
    text, start = c.text(0), c.integer(1)
    length = c.integer(2) if len(c) > 2 else None
    if c.tolerant():
        text = text.ljust(_PADDED, ".")
        start = min(max(start, 0), len(text))
        return text[start:] if length is None else text[start : start + max(length, 0)]
    if start < 0 or start > len(text):
        raise c.error(
            f"parameters are out of range: 'start index' must be non-negative and no more than the length of the string, which is {len(text)}."
        )
    if length is None:
        return text[start:]
    if length < 0 or start + length > len(text):
        raise c.error(
            f"parameters are out of range: 'start index' and 'length' cannot be less than 0 and must refer to a location within the string with length '{len(text)}'."
        )
    return text[start : start + length]


@function("slice")
def _slice(c: Call) -> str:
    text, start = c.text(0), c.integer(1)
    end = c.integer(2) if len(c) > 2 else len(text)
    start, end = (i + len(text) if i < 0 else i for i in (start, end))
    return text[max(start, 0) : max(end, 0)] if start < end else ""


@function("replace")
def _replace(c: Call) -> str:
    text, old, new = c.text(0), c.text(1), c.text(2)
    if not old:
        raise c.error("expects its second parameter to be a non-empty string.")
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise c.error("was invoked with values that are too large.")
    return text.replace(old, new)


@function("toLower")
def _lower(c: Call) -> str:
    return c.text(0).lower()


@function("toUpper")
def _upper(c: Call) -> str:
    return c.text(0).upper()


@function("trim")
def _trim(c: Call) -> str:
    return c.text(0).strip()


@function("split")
def _split(c: Call) -> list[Any]:
    text = c.text(0)
    separator = c.text(1) if len(c) > 1 else ""
    parts = text.split(separator) if separator else list(text)
    if len(parts) > MAX_ITEMS:
        raise c.error(f"makes more than {MAX_ITEMS} items.")
    unknown = c.tolerant()
    return MockList(list(parts), unknown.child("split")) if unknown else parts


@function("join")
def _join(c: Call) -> str:
    return limited(c.text(1).join(to_text(item) for item in c.list(0)))


@function("startsWith")
def _starts(c: Call) -> bool:
    return c.text(0).lower().startswith(c.text(1).lower())


@function("endsWith")
def _ends(c: Call) -> bool:
    return c.text(0).lower().endswith(c.text(1).lower())


@function("indexOf")
def _index(c: Call) -> int:
    return _found(c, c.text(0).lower().find(c.text(1).lower()))


@function("lastIndexOf")
def _last_index(c: Call) -> int:
    return _found(c, c.text(0).lower().rfind(c.text(1).lower()))


def _found(c: Call, place: int) -> int:
    """An unknown text is taken to contain what is looked for."""
    unknown = c.tolerant()
    return unknown.source.number(unknown) % 10 + 1 if unknown and place < 0 else place


@function("nthIndexOf")
def _nth_index(c: Call) -> int:
    text, part, n = c.text(0).lower(), c.text(1).lower(), c.integer(2)
    if not part:
        return 0 if n else -1
    found = [m.start() for m in re.finditer(re.escape(part), text)]
    if n == 0 or abs(n) > len(found):
        return -1
    return found[n - 1] if n > 0 else found[n]


@function("guid")
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


@function("formatNumber")
def _format_number(c: Call) -> str:
    value = c.arguments[0]
    if isinstance(value, str):
        c.arguments[0] = _float_of(c, value)
    return limited(format_number(c.number(0), c.text(1), c.text(2, "en-US")))


@function("isInt")
def _is_int(c: Call) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", to_text(c.any(0))))


@function("isFloat")
def _is_float(c: Call) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?(\d[\d,]*)?(\.\d+)?([eE][+-]?\d{1,3})?\s*", text := to_text(c.any(0)))) and any(d.isdigit() for d in text)


# --- conversion ----------------------------------------------------------------------------------------------------------------


@function("string")
def _string(c: Call) -> Any:
    value = c.any(0)
    if isinstance(value, Unknown):
        return Unknown(value.source, value.key, value.name, value.role, "string")
    return xmltree.content_text(value) if xmltree.is_content(value) and "xml" in value["$content-type"] else to_text(value)


@function("int")
def _int(c: Call) -> int:
    value = c.any(0)
    if isinstance(value, Unknown):
        return value.source.number(value)
    if isinstance(value, bool):
        return int(value)
    if is_number(value) and math.isfinite(value):
        return bounded(c, int(value))
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,19}\s*", value):
        return bounded(c, int(value))
    raise c.error("was invoked with a parameter that is not valid. The value cannot be converted to the target type.")


@function("float", "decimal")
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


@function("bool")
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


@function("json")
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


@function("xml")
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


@function("xpath")
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


@function("array")
def _array(c: Call) -> list[Any]:
    return [c.any(0)]


@function("createArray")
def _create_array(c: Call) -> list[Any]:
    return list(c.arguments)


@function("binary", "base64ToBinary", "dataUriToBinary", "uriComponentToBinary", "decodeDataUri")
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
        data = base64.b64encode(
            unquote(text).encode("utf-8", "replace") if name == "uricomponenttobinary" else text.encode("utf-8", "replace")
        ).decode()
    elif c.tolerant() is None:
        _decoded(c, text)
    return {"$content-type": kind, "$content": data}


@function("base64")
def _base64(c: Call) -> str:
    value = c.any(0)
    if isinstance(value, dict) and xmltree.is_content(value):
        return str(value["$content"])
    return base64.b64encode((to_text(value) if not isinstance(value, str) else value).encode("utf-8", "replace")).decode()


@function("base64ToString", "decodeBase64")
def _base64_to_string(c: Call) -> Any:
    if (unknown := c.tolerant()) is not None:
        return unknown.child("decoded")
    return _decoded(c, c.text(0)).decode("utf-8", "replace")


def _decoded(c: Call, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise c.error(
            f"was invoked with a parameter that is not valid. The value '{text[:60]}' cannot be decoded from base64 representation."
        ) from None


@function("dataUri")
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


@function("dataUriToString")
def _data_uri_to_string(c: Call) -> Any:
    if (unknown := c.tolerant()) is not None:
        return unknown.child("decoded")
    return _decoded(c, _data_uri(c, c.text(0))[1]).decode("utf-8", "replace")


@function("uriComponent", "encodeUriComponent")
def _uri_component(c: Call) -> str:
    return quote(to_text(c.any(0)) if not isinstance(c.any(0), str) else c.any(0), safe="-_.!~*'()", errors="replace")


@function("uriComponentToString", "decodeUriComponent")
def _uri_component_to_string(c: Call) -> str:
    return unquote(c.text(0))


@function("encodeXmlName")
def _encode_xml_name(c: Call) -> str:
    return re.sub(r"[^\w.-]|^[\d.-]", lambda m: f"_x{ord(m.group()):04X}_", c.text(0))


@function("decodeXmlName")
def _decode_xml_name(c: Call) -> str:
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m.group(1), 16)), c.text(0))


@function("uriHost", "uriPath", "uriPathAndQuery", "uriPort", "uriQuery", "uriScheme")
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


# --- the rest ------------------------------------------------------------------------------------------------------------------


@function("listCallbackUrl")
def _callback(c: Call) -> str:
    return "https://contoso.example/workflows/run/triggers/manual/paths/invoke"


@function("formDataValue", "formDataMultiValues")
def _form_data(c: Call) -> Any:
    raise c.error("found no form data in the body of that action.")
