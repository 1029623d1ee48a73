"""The sentence by which the retriever knows an operation or a parameter: the one place that decides what is embedded, at training and at serving.

In: catalog objects. Out: short texts such as `Microsoft Teams (Teams, MS Teams): action: Post a message. posts to a channel or chat`, and which of its tokens the reranker reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nl2dsl.catalog.model import Catalog, Connector, Operation, Parameter

WORDS = 16  # tokens that the reranker reads of an operation's text, at most
_NICKNAMES = re.compile(r" \([^()]*\)(?=: )")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def words(identifier: str) -> str:
    """`PostItem_V2` -> `post item v 2`: an identifier as lower-case words."""
    return " ".join(_WORD.findall(identifier)).lower()


def operation_text(operation: Operation, connector: Connector) -> str:
    """What is embedded of an operation; a foreign operation without title falls back to the words of its id."""
    nicknames = f" ({', '.join(connector.nicknames[:4])})" if connector.nicknames else ""
    service = f"{connector.title}{nicknames}: " if operation.connector else ""
    kind = f"{operation.kind}: " if operation.kind != "any" else ""
    title = operation.title or words(operation.name)
    summary = f". {operation.summary}" if operation.summary and operation.summary != title else ""
    return f"{service}{kind}{title}{summary}"


def read_tokens(text: str, tokens: Sequence[str], offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Places of the tokens of an operation's text that the reranker reads: words, without the nicknames of the product, the first `WORDS` of them."""
    names = _NICKNAMES.search(text)
    low, high = names.span() if names else (0, 0)
    return [i for i, (token, (a, b)) in enumerate(zip(tokens, offsets, strict=True)) if b > a and re.search(r"\w", token) and not low <= a < high][
        :WORDS
    ]


def operation_texts(catalog: Catalog) -> list[str]:
    """What is embedded of all operations of a catalog, in its order."""
    return [operation_text(o, catalog.connectors[o.connector]) for o in catalog]


def parameter_text(parameter: Parameter) -> str:
    """What is embedded of a parameter: its path in words, its title and its role."""
    path = " / ".join(words(part) for part in parameter.name.split("/") if part.lower() != "body")
    role = parameter.role.replace("_", " ")
    return f"{parameter.title or path}: {path}" + (f" ({role})" if role else "")
