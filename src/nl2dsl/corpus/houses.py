"""Houses: automation platforms of other people, of which a catalog says an id and one line per operation, and what is asked of them.

In: `.house` files (`data/houses`), with a line `O: id | T, A or ? | description` for each operation, then `Q:` and `F:` lines: a request, and its flow as a sketch
(`dsl.sketch`) of bare operations. Out: `House`s. The embedded model learns from them to read whatever a catalog says; some are kept for measuring.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nl2dsl.catalog.model import Catalog
from nl2dsl.catalog.naming import acts, kind_of
from nl2dsl.catalog.read import from_rows, with_platform
from nl2dsl.dsl import sketch as sketches
from nl2dsl.dsl.sketch import Sketch, Step
from nl2dsl.errors import CatalogError, CorpusError

FOLDER = Path(__file__).parents[3] / "data" / "houses"
KEPT = 4  # every so many houses is one that nothing learns from
STARTS = {"schedule": "commonTrigger.Recurrence", "button": "commonTrigger.manual"}
_KINDS = {"T": "trigger", "A": "action", "?": "action"}
_NAME = re.compile(r"`([^`]+)`|[^\s;({]+")
_LOOP, _TEST = re.compile(r"\bfor\s*\{"), re.compile(r"\bif\s*\{")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a house and the operations it needs, the trigger first. `sketch` is None where the file does not spell out a condition or a schedule: without its
    values it would teach to leave them out."""

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
    text = _TEST.sub("if (found) {", _LOOP.sub("for () {", flow.strip().strip(";")))
    if not text:
        raise CorpusError(f"{where}: a flow without an operation")
    name = _NAME.match(text)
    first = (name[1] or name[0]) if name else ""
    try:
        drawn = sketches.parse(text if STARTS.get(first, first) in triggers else f"button; {text}")
    except sketches.SketchError as problem:
        raise CorpusError(f"{where}: {problem}") from problem
    found = sketches.mapped(drawn, _named)
    for step in sketches.steps(found):
        known = catalog.get(step.operation)
        if known is None:
            raise CorpusError(f"{where}: no operation `{step.operation}`")
        for key, _ in step.stated:
            if not known.parameter(key):
                raise CorpusError(f"{where}: `{step.operation}` has no parameter `{key}`")
    spelled = not _TEST.search(flow) and (found.trigger.operation != STARTS["schedule"] or found.trigger.stated)
    return Asked(query, tuple(sketches.operations(found)), found if spelled else None)


def _named(step: Step) -> Step:
    return replace(step, operation=STARTS.get(step.operation, step.operation))


def merged(houses: Sequence[House]) -> House:
    """Several houses as one: a catalog of all their operations, under ids of their own where two have the same, and all their requests in order."""
    rows: list[dict[str, str]] = []
    asked: list[Asked] = []
    taken: set[str] = set()
    for house in houses:
        ids = {line["id"]: f"{house.name}.{line['id']}" if line["id"] in taken else line["id"] for line in house.lines}
        rows += [{**line, "id": ids[line["id"]]} for line in house.lines]
        taken.update(ids.values())
        asked += [_elsewhere(one, ids) for one in house.asked]
    own = from_rows(rows, "houses")
    return House("+".join(h.name for h in houses), with_platform(own), tuple(o.id for o in own), tuple(rows), tuple(asked))


def _elsewhere(asked: Asked, ids: Mapping[str, str]) -> Asked:
    def there(step: Step) -> Step:
        return replace(step, operation=ids.get(step.operation, step.operation))

    return Asked(asked.query, tuple(ids.get(o, o) for o in asked.operations), asked.sketch and sketches.mapped(asked.sketch, there))


def together(houses: Sequence[House], operations: int) -> list[House]:
    """The houses in their order as few large ones, of up to so many operations each."""
    groups: list[list[House]] = []
    for house in houses:
        if not groups or sum(len(h.own) for h in [*groups[-1], house]) > operations:
            groups.append([])
        groups[-1].append(house)
    return [merged(group) for group in groups]


__all__ = ["FOLDER", "STARTS", "Asked", "House", "files", "load", "merged", "read", "together"]
