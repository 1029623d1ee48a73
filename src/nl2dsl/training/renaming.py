"""The same operations as other houses' catalogs would tell of them, so that a model reads what a catalog says instead of knowing ours by heart.

In: operations of a catalog. Out: texts in the manner of `retrieval.texts.operation_text` for catalogs of bare lines (`{"id", "description"}`): without nicknames, without our titles, the
product named at another place or only in the id, with or without the words trigger and action. The paper varies function definitions by retrieval only (§2); DESIGN asks for catalogs that change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random

from nl2dsl.catalog.model import Catalog, Connector, Operation
from nl2dsl.retrieval.texts import operation_text, words

_VERSION = re.compile(r"( \(?v ?\d+\)?)+$", re.IGNORECASE)
_SHORT = re.compile(r" \(.*?\)$")


def renamed(operation: Operation, connector: Connector, rng: Random) -> str:
    """One operation as somebody else's line would be embedded."""
    if not operation.connector:
        return operation_text(operation, connector)
    product = _SHORT.sub("", connector.title) if rng.random() < 0.5 else rng.choice([connector.title, *connector.nicknames[:2]])
    name, title, summary = _VERSION.sub("", words(operation.name)), _VERSION.sub("", operation.title).lower(), operation.summary
    if operation.kind == "trigger" and not title.startswith("when"):
        title = f"when {title}"
    kind = f"{operation.kind}: " if operation.kind != "any" and rng.random() < 0.7 else ""
    place = words(operation.connector.removeprefix("shared_")) if rng.random() < 0.6 else product.lower()
    said = rng.choice(
        [
            f"{name} ({product})",
            f"{title} ({product})",
            f"{title} in {product}",
            f"{product}: {title}",
            summary or title,
            f"{title}. {summary}" if summary else title,
        ]
    )
    slug = rng.choice([f"{place} {name}", f"{place} {name}", f"{place} {title}", name])
    if slug == name and product.lower() not in said.lower():
        slug = f"{place} {name}"
    return f"{kind}{slug[:1].upper()}{slug[1:]}. {said}"


def manners(catalog: Catalog, n: int, seed: int) -> list[list[str]]:
    """The texts of all operations of a catalog, n times in other words each."""
    return [list(_one(catalog, Random(f"{seed}:{i}"))) for i in range(n)]


def _one(catalog: Catalog, rng: Random) -> Iterable[str]:
    for o in catalog:
        yield renamed(o, catalog.connectors[o.connector], rng)
