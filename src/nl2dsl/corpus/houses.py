"""Houses: automation platforms of other people, of which a catalog says an id and one line per operation, and what is asked of them.

In: `.house` files (`data/houses`), with a line `O: id | T, A or ? | description` for each operation, then `Q:` and `F:` lines: a request, and the operations it needs in order,
with `for { ... }` and `if { ... } else { ... }` around them. Out: `House`s. The embedded model learns from them to read whatever a catalog says; some are kept for measuring.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.naming import acts, kind_of
from nl2dsl.catalog.read import from_rows, with_platform
from nl2dsl.dsl.sketch import Each, Node, Sketch, Step
from nl2dsl.errors import CatalogError, CorpusError

FOLDER = Path(__file__).parents[3] / "data" / "houses"
KEPT = 4  # every so many houses is one that nothing learns from
STARTS = {"schedule": "commonTrigger.Recurrence", "button": "commonTrigger.manual"}
_KINDS = {"T": "trigger", "A": "action", "?": "action"}
_TOKEN = re.compile(r"[;{}]|[^\s;{}]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a house and the operations it needs, the trigger first. `sketch` is None where a condition or a schedule stands, which these files do not spell
    out: without its values it would teach to leave them out."""

    query: str
    operations: tuple[str, ...]
    sketch: Sketch | None


@dataclass(frozen=True)
class House:
    """`catalog` holds the house's operations and the platform's own; `own` are the ids of the former."""

    name: str
    catalog: Catalog
    own: tuple[str, ...]
    lines: tuple[dict[str, str], ...]
    asked: tuple[Asked, ...]

    @property
    def kept(self) -> bool:
        """Whether the house is for measuring only."""
        return zlib.crc32(self.name.encode()) % KEPT == 0


def read(path: Path) -> House:
    """The house of one file. Raises `CorpusError` with file and line."""
    lines: list[dict[str, str]] = []
    triggers = set(STARTS.values())
    asked: list[tuple[int, str, str]] = []
    query = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        head, _, rest = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if head == "O" and not asked and not query:
            row, trigger = _line(rest, f"{path}:{number}")
            lines.append(row)
            if trigger:
                triggers.add(row["id"])
        elif head == "Q" and not query:
            query = rest.strip()
        elif head == "F" and query:
            asked.append((number, query, rest))
            query = ""
        else:
            raise CorpusError(f"{path}:{number}: not a line of a house at this place", hint="`O:` lines come first, then `Q:` and `F:` in turn")
    if query:
        raise CorpusError(f"{path}: the last `Q:` has no `F:`")
    try:
        own = from_rows(lines, path.name)
    except CatalogError as problem:
        raise CorpusError(f"{path}: {problem}") from problem
    catalog = with_platform(own)
    return House(
        path.stem, catalog, tuple(o.id for o in own), tuple(lines), tuple(_asked(q, f, catalog, triggers, f"{path}:{n}") for n, q, f in asked)
    )


def files(folder: Path) -> list[Path]:
    """The houses of a folder, by name. Raises `CorpusError` when there is none."""
    found = sorted(folder.glob("*.house"))
    if not found:
        raise CorpusError(
            f"no houses in {folder}", hint="`houses` is a folder with .house files, seen from where the command runs; leave it empty for none"
        )
    return found


def load(folder: Path = FOLDER) -> list[House]:
    """Every house of a folder, by name."""
    return [read(path) for path in files(folder)]


def _line(text: str, where: str) -> tuple[dict[str, str], bool]:
    """A row such as people's catalogs have, `kind` only where the words of the line would say another one; and whether it is a trigger."""
    parts = [part.strip() for part in text.split("|", 2)]
    if len(parts) != 3 or parts[1] not in _KINDS or not parts[0]:
        raise CorpusError(f"{where}: an operation is `O: id | T, A or ? | description`")
    id, kind, description = parts[0], _KINDS[parts[1]], parts[2]
    seems = kind_of(id, description)
    misleads = acts(id, description) if kind == "trigger" and seems == "any" else seems not in ("any", kind)
    return {"id": id, "description": description} | ({"kind": kind} if misleads else {}), kind == "trigger"


def _asked(query: str, flow: str, catalog: Catalog, triggers: Collection[str], where: str) -> Asked:
    tokens = _TOKEN.findall(flow)
    operations = [STARTS.get(t, t) for t in tokens if t not in (";", "{", "}", "for", "if", "else")]
    unknown = [o for o in operations if o not in catalog]
    if tokens.count("{") != tokens.count("}"):
        raise CorpusError(f"{where}: a brace that nothing opens or closes")
    if unknown or not operations:
        raise CorpusError(f"{where}: no operation `{unknown[0]}`" if unknown else f"{where}: a flow without an operation")
    started = operations[0] in triggers
    if not started:
        operations.insert(0, STARTS["button"])
    if "if" in tokens or operations[0] == STARTS["schedule"]:
        return Asked(query, tuple(operations), None)
    body = tokens[1:] if started else tokens
    return Asked(query, tuple(operations), Sketch(Step(operations[0]), tuple(_nodes(iter(body), where))))


def _nodes(tokens: Iterator[str], where: str) -> Iterator[Node]:
    """The nodes up to the brace that closes them."""
    for token in tokens:
        if token == "}":
            return
        if token == "for":
            if next(tokens, "") != "{":
                raise CorpusError(f"{where}: `for` without a brace")
            yield Each(tuple(_nodes(tokens, where)))
        elif token not in (";", "{"):
            yield Step(token)


def catalog_of(houses: list[House]) -> tuple[Catalog, dict[tuple[str, str], str]]:
    """The operations of several houses side by side under ids of their own, and the new id of each (house, id)."""
    rows: list[dict[str, str]] = []
    ids: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for house in houses:
        for line in house.lines:
            new = f"{house.name}.{line['id']}" if line["id"] in taken else line["id"]
            rows.append({**line, "id": new})
            ids[house.name, line["id"]] = new
            taken.add(new)
    return with_platform(from_rows(rows, "houses")), ids


__all__ = ["FOLDER", "STARTS", "Asked", "House", "catalog_of", "files", "load", "read"]
