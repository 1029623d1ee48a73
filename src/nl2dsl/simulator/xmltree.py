"""XML in expressions: the content objects that `xml()` makes, JSON turned into XML, and the part of XPath 1.0 that flows use.

In: text or JSON, paths such as `/order/item[2]/@id`, `//*[local-name()="Name"]/text()`, `sum(/root/n)`. Out: content objects, texts, numbers, lists of them.
Documents with a DTD are refused, so that no entity can grow.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Any
from xml.etree import ElementTree

from nl2dsl.simulator.values import TemplateError, number_text, plain, to_text

MEDIA_TYPE = "application/xml;charset=utf-8"
_MAX_STEPS = 200_000
Element = ElementTree.Element


def content(text: str) -> dict[str, str]:
    """XML as it travels between actions: a content object with base64 in it."""
    return {"$content-type": MEDIA_TYPE, "$content": base64.b64encode(text.encode()).decode()}


def is_content(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("$content"), str) and isinstance(value.get("$content-type"), str)


def content_text(value: dict[str, Any]) -> str:
    """The text of a content object."""
    try:
        return base64.b64decode(value["$content"], validate=False).decode("utf-8-sig", "replace")
    except ValueError:
        return str(value["$content"])


def parse(text: str) -> Element:
    """The root of a document. Raises `TemplateError` for text that is no XML."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise TemplateError(
            "The template language function 'xml' parameter is not valid. The provided value cannot be converted to XML: a DTD is not allowed."
        )
    try:
        return ElementTree.fromstring(text.strip().removeprefix("\ufeff"))
    except (ElementTree.ParseError, ValueError) as error:
        message = f"The template language function 'xml' parameter is not valid. The provided value cannot be converted to XML: '{error}'."
        raise TemplateError(message) from None


def of_json(value: Any) -> str:
    """XML of an object with one property, as the platform converts JSON: lists repeat their element, `@x` is an attribute, `#text` the text."""
    value = plain(value)
    if not isinstance(value, dict) or len([k for k in value if k != "?xml"]) != 1:
        raise TemplateError(
            "The template language function 'xml' parameter is not valid. The provided value cannot be converted to XML: "
            "'JSON root object has multiple properties. The root object must have a single property in order to create a valid XML document.'."
        )
    name = next(k for k in value if k != "?xml")
    items = value[name]
    if isinstance(items, list) and len(items) != 1:
        raise TemplateError(
            "The template language function 'xml' parameter is not valid. The provided value cannot be converted to XML: it has several roots."
        )
    return ElementTree.tostring(_element(name, items[0] if isinstance(items, list) else items), encoding="unicode")


def _element(name: str, value: Any) -> Element:
    element = Element(re.sub(r"[^\w.:-]", lambda m: f"_x{ord(m.group()):04X}_", name) or "_")
    if not isinstance(value, dict):
        if value is not None:
            element.text = _clean("true" if value is True else "false" if value is False else to_text(value))
        return element
    for key, item in value.items():
        if key.startswith("@"):
            element.set(re.sub(r"[^\w.:-]", "_", key[1:]) or "_", _clean(to_text(item)))
        elif key == "#text":
            element.text = _clean(to_text(item))
        else:
            for one in item if isinstance(item, list) else [item]:
                element.append(_element(key, one))
    return element


def _clean(text: str) -> str:
    """Without the characters XML has no place for."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def to_json(text: str) -> Any:
    """The JSON of a document, as `json(xml(…))` gives it."""
    root = parse(text)
    return {_local(root.tag): _json_of(root)}


def _json_of(element: Element) -> Any:
    found: dict[str, Any] = {f"@{_local(key)}": value for key, value in element.attrib.items()}
    for child in element:
        name, value = _local(str(child.tag)), _json_of(child)
        if name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    body = (element.text or "").strip()
    if not found:
        return body or None
    return found | ({"#text": body} if body else {})


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


# --- XPath ---------------------------------------------------------------------------------------------------------------------


def select(root: Element, path: str) -> Any:
    """What an XPath gives: a number, text or boolean for a function, else a list: texts of attributes and `text()`, content objects of elements."""
    reader = _Path(root, path)
    value = reader.expression()
    reader.finish()
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return number_text(value)
    return [n if isinstance(n, str) else content(ElementTree.tostring(n, encoding="unicode")) for n in value] if isinstance(value, list) else value


_TOKEN = re.compile(
    r"""\s*(?:("[^"]*"|'[^']*')|(\d+(?:\.\d+)?)|(//|/|::|\.\.|!=|<=|>=|[()\[\]@,.*=<>|+])|([A-Za-z_][\w.-]*(?::(?!:)[A-Za-z_*][\w.-]*)?))"""
)


class _Path:
    """Recursive descent over one expression; nodes are elements, attributes and texts are strings."""

    def __init__(self, root: Element, path: str) -> None:
        self.document = Element("#document")
        self.document.append(root)
        self.path = path
        self.tokens = self._tokens(path)
        self.at = 0
        self.context: list[Any] = [self.document]
        self.place = (1, 1)
        self.parents = {child: parent for parent in self.document.iter() for child in parent}
        self.steps = 0

    def _bad(self) -> TemplateError:
        return TemplateError(
            f"The template language function 'xpath' parameters are invalid: the 'xpath' parameter '{self.path[:200]}' is not supported."
        )

    def _tokens(self, path: str) -> list[str]:
        found, position = [], 0
        path = path.rstrip()
        while position < len(path):
            match = _TOKEN.match(path, position)
            if match is None:
                raise self._bad()
            found.append(match.group().strip())
            position = match.end()
        return found

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise self._bad()
        self.at += 1
        return token

    def finish(self) -> None:
        if self.peek():
            raise self._bad()

    def expression(self) -> Any:
        value = self._conjunction()
        while self.peek() == "or":
            self.take()
            other = self._conjunction()
            value = _truth(value) or _truth(other)
        return value

    def _conjunction(self) -> Any:
        value = self._comparison()
        while self.peek() == "and":
            self.take()
            other = self._comparison()
            value = _truth(value) and _truth(other)
        return value

    def _comparison(self) -> Any:
        value = self._union()
        while self.peek() in ("=", "!=", "<", ">", "<=", ">="):
            value = _compare(self.take(), value, self._union())
        return value

    def _union(self) -> Any:
        value = self._operand()
        while self.peek() == "|":
            self.take()
            other = self._operand()
            if not isinstance(value, list) or not isinstance(other, list):
                raise self._bad()
            value = value + [n for n in other if not any(n is m for m in value)]
        return value

    def _operand(self) -> Any:
        token = self.peek()
        if token[:1] in ("'", '"'):
            return self.take()[1:-1]
        if token[:1].isdigit():
            return float(self.take())
        if token == "(":
            self.take()
            value = self.expression()
            self.take(")")
            return value
        if self.peek(1) == "(" and token not in ("text", "node"):
            return self._function(self.take())
        return self._location()

    def _function(self, name: str) -> Any:
        self.take("(")
        arguments = []
        while self.peek() != ")":
            arguments.append(self.expression())
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        if name in ("position", "last") and not arguments:
            return float(self.place[name == "last"])
        if name == "true" or name == "false":
            return name == "true"
        first = arguments[0] if arguments else list(self.context)
        match name:
            case "count" if isinstance(first, list):
                return float(len(first))
            case "sum" if isinstance(first, list):
                return math.fsum(_number(_text(n)) for n in first)
            case "string":
                return _string(first)
            case "number":
                return _number(_string(first))
            case "boolean":
                return _truth(first)
            case "not":
                return not _truth(first)
            case "local-name" | "name":
                node = first[0] if isinstance(first, list) and first else ""
                return _local(str(node.tag)) if isinstance(node, Element) and node is not self.document else ""
            case "namespace-uri":
                node = first[0] if isinstance(first, list) and first else ""
                return str(node.tag)[1:].partition("}")[0] if isinstance(node, Element) and str(node.tag).startswith("{") else ""
            case "normalize-space":
                return " ".join(_string(first).split())
            case "string-length":
                return float(len(_string(first)))
            case "concat":
                return "".join(_string(a) for a in arguments)
            case "contains" if len(arguments) == 2:
                return _string(arguments[1]) in _string(first)
            case "starts-with" if len(arguments) == 2:
                return _string(first).startswith(_string(arguments[1]))
            case "floor" | "ceiling" | "round":
                number = _number(_string(first))
                return (
                    number
                    if not math.isfinite(number)
                    else float({"floor": math.floor, "ceiling": math.ceil}.get(name, lambda x: math.floor(x + 0.5))(number))
                )
        raise self._bad()

    def _location(self) -> list[Any]:
        nodes: list[Any] = [self.document] if self.peek() in ("/", "//") else list(self.context)
        deep = False
        if self.peek() in ("/", "//"):
            deep = self.take() == "//"
            if not deep and not self._starts_step():
                return nodes
        nodes = self._step(nodes, deep)
        while self.peek() in ("/", "//"):
            nodes = self._step(nodes, self.take() == "//")
        return nodes

    def _starts_step(self) -> bool:
        token = self.peek()
        return token in (".", "..", "@", "*") or (bool(token) and (token[0].isalpha() or token[0] == "_"))

    def _step(self, nodes: list[Any], deep: bool) -> list[Any]:
        if deep:
            nodes = [d for n in nodes if isinstance(n, Element) for d in n.iter()]
        token = self.take()
        if self.peek() == "::":
            self.take()
            axis = {"child": "", "attribute": "@", "self": ".", "descendant": "", "parent": ".."}.get(token)
            if axis is None:
                raise self._bad()
            if token == "descendant":
                nodes = [d for n in nodes if isinstance(n, Element) for d in n.iter()]
            token = axis or self.take()
            if axis in (".", ".."):
                self.take()
        groups = self._groups(nodes, token)
        while self.peek() == "[":
            groups = self._filtered(groups)
        found: dict[int, Any] = {}
        for group in groups:
            for node in group:
                found.setdefault(id(node), node)
        return list(found.values()) if token not in ("@", "text") else [n for group in groups for n in group]

    def _groups(self, nodes: list[Any], token: str) -> list[list[Any]]:
        """What one step finds, apart for each node it starts from: positions in brackets count within one."""
        if token == ".":
            return [[n] for n in nodes]
        if token == "..":
            return [[self.parents[n]] for n in nodes if isinstance(n, Element) and n in self.parents]
        elements = [n for n in nodes if isinstance(n, Element)]
        if token == "@":
            name = self.take()
            return [[v for k, v in n.attrib.items() if name == "*" or _local(k) == name.rpartition(":")[2]] for n in elements]
        if token in ("text", "node") and self.peek() == "(":
            self.take()
            self.take(")")
            if token == "text":
                return [[n.text] for n in elements if n.text]
            return [list(n) for n in elements]
        if token != "*" and not (token[0].isalpha() or token[0] == "_"):
            raise self._bad()
        local = token.rpartition(":")[2]
        return [[c for c in n if local == "*" or _local(str(c.tag)) == local] for n in elements]

    def _filtered(self, groups: list[list[Any]]) -> list[list[Any]]:
        self.take("[")
        start, context, place = self.at, self.context, self.place
        kept: list[list[Any]] = []
        for group in groups:
            kept.append([])
            for number, node in enumerate(group, 1):
                self.steps += 1
                if self.steps > _MAX_STEPS:
                    raise self._bad()
                self.at, self.context, self.place = start, [node], (number, len(group))
                value = self.expression()
                if value == number if isinstance(value, float) else _truth(value):
                    kept[-1].append(node)
        self.context, self.place = context, place
        if not any(groups):
            self._skip(start)
        self.take("]")
        return kept

    def _skip(self, start: int) -> None:
        """To the closing bracket of a test that nothing was put to."""
        self.at, depth = start, 0
        while self.peek() and not (self.peek() == "]" and depth == 0):
            depth += {"[": 1, "]": -1}.get(self.take(), 0)


def _text(node: Any) -> str:
    return node if isinstance(node, str) else "".join(node.itertext())


def _string(value: Any) -> str:
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, float) else str(value)


def _number(text: str) -> float:
    try:
        return float(text.strip())
    except ValueError:
        return math.nan


def _truth(value: Any) -> bool:
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def _compare(operator: str, left: Any, right: Any) -> bool:
    """Sets of nodes are compared by any of their members."""
    if isinstance(left, list):
        return any(_compare(operator, _text(n), right) for n in left)
    if isinstance(right, list):
        return any(_compare(operator, left, _text(n)) for n in right)
    if operator in ("=", "!="):
        numeric = isinstance(left, float) or isinstance(right, float)
        equal = _number(_string(left)) == _number(_string(right)) if numeric else _string(left) == _string(right)
        return equal == (operator == "=")
    a, b = _number(_string(left)), _number(_string(right))
    return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]
