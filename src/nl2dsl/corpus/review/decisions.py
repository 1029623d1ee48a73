"""The table of decisions: what each reviewer said of each row, and when. Lines are only ever added; taking one back is a line, too.

In: `Decision`s. Out: the same, and what follows from them (`current`, `settled`). SQLite unless a URL says otherwise; every decision is on disk before `add` returns, so a process
that is killed loses nothing. One sent twice under the same key is one decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from sqlalchemy import Boolean, Column, Float, Integer, MetaData, String, Table, Text, UniqueConstraint, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from nl2dsl.errors import CorpusError, UsageError

Verdict = Literal["accept", "edit", "reject", "undo"]
VERDICTS: tuple[Verdict, ...] = ("accept", "edit", "reject")

_META = MetaData()
_DECISIONS = Table(
    "decisions",
    _META,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False, unique=True),  # made where the decision is made: sending it again adds nothing
    Column("digest", String(64), nullable=False, index=True),  # of the row: `rows.digest`
    Column("row", Text, nullable=False),  # its id at that time, for people
    Column("reviewer", String(100), nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("final", Boolean, nullable=False),  # settles a disagreement
    Column("query", Text, nullable=False),  # as edited, else ""
    Column("dsl", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float, nullable=False),  # from looking to deciding
    Column("at", String(32), nullable=False),  # UTC, ISO 8601
)
_SAMPLED = Table(
    "sampled",
    _META,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sample", String(64), nullable=False),
    Column("place", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("uncertainty", Float),
    Column("why", Text, nullable=False),
    UniqueConstraint("sample", "place"),
)
_ADD_ONLY = (
    "CREATE TRIGGER IF NOT EXISTS decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END",
    "CREATE TRIGGER IF NOT EXISTS decisions_last BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END",
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One line. `query` and `dsl` are those of an edit, `reason` is that of a rejection; `final` settles a disagreement; `at` is set when it is added."""

    digest: str
    row: str
    reviewer: str
    verdict: Verdict
    final: bool = False
    query: str = ""
    dsl: str = ""
    reason: str = ""
    seconds: float = 0.0
    key: str = ""
    at: str = ""

    @property
    def outcome(self) -> tuple[str, str, str]:
        """What it does to the row; two decisions with the same outcome agree."""
        return self.verdict, self.query, self.dsl


class Sampled(NamedTuple):
    """A row to be reviewed, and why it is among the first: 0 (sure) to 1, None where nothing is known."""

    digest: str
    uncertainty: float | None
    why: str


class Settled(NamedTuple):
    """What becomes of a row: accept, edit, reject, or disputed (then `by` are the decisions that differ)."""

    verdict: str
    by: tuple[Decision, ...]


class Decisions:
    """An open table. `where` is a file, or a URL such as postgresql://user:password@host/name."""

    def __init__(self, where: str | Path) -> None:
        self.url = _url(where)
        self.name = self.url.render_as_string(hide_password=True)
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            _folder(Path(self.url.database))
        with self._told():
            self._engine = create_engine(self.url, pool_pre_ping=True)
            if self.url.get_backend_name() == "sqlite":
                event.listen(self._engine, "connect", _durable)
            self._create()

    def close(self) -> None:
        self._engine.dispose()

    def add(self, decision: Decision) -> Decision:
        """Writes one; on disk when this returns. One whose key is there already is not written again."""
        made = asdict(decision) | {"key": decision.key or uuid4().hex, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}
        with self._told():
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(_DECISIONS), made)
            except IntegrityError:
                with self._engine.connect() as connection:
                    if connection.execute(select(_DECISIONS.c.id).where(_DECISIONS.c.key == made["key"])).first() is None:
                        raise
        return Decision(**made)

    def all(self, digest: str | None = None) -> list[Decision]:
        """Every line, oldest first; only those about one row if its digest is given."""
        wanted = select(*(_DECISIONS.c[f.name] for f in fields(Decision))).order_by(_DECISIONS.c.id)
        if digest is not None:
            wanted = wanted.where(_DECISIONS.c.digest == digest)
        with self._told(), self._engine.connect() as connection:
            return [Decision(*line) for line in connection.execute(wanted)]

    def sample(self, name: str) -> list[Sampled]:
        """A sample that was kept under a name; [] when there is none."""
        wanted = select(_SAMPLED.c.digest, _SAMPLED.c.uncertainty, _SAMPLED.c.why).where(_SAMPLED.c.sample == name).order_by(_SAMPLED.c.place)
        with self._told(), self._engine.connect() as connection:
            return [Sampled(*line) for line in connection.execute(wanted)]

    def keep_sample(self, name: str, found: list[Sampled]) -> list[Sampled]:
        """Keeps a sample, so that all reviewers see the same rows in the same order; the one that was there first wins."""
        lines = [{"sample": name, "place": place, **one._asdict()} for place, one in enumerate(found)]
        with self._told():
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(_SAMPLED), lines)
            except IntegrityError:
                return self.sample(name)
        return found

    def _create(self) -> None:
        try:
            _META.create_all(self._engine)
        except (OperationalError, ProgrammingError, IntegrityError):  # another reviewer's process made the tables at the same moment
            _META.create_all(self._engine)
        if self.url.get_backend_name() == "sqlite":
            with self._engine.begin() as connection:
                for trigger in _ADD_ONLY:
                    connection.exec_driver_sql(trigger)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with the database, in words; its password never."""
        try:
            yield
        except ModuleNotFoundError as problem:
            raise UsageError(f"the database {self.name} needs the package `{problem.name}`", hint=f"pip install {problem.name}") from problem
        except (SQLAlchemyError, OSError) as problem:
            said = str(getattr(problem, "orig", None) or problem).split("\n")[0]
            if self.url.password:
                said = said.replace(str(self.url.password), "***")
            raise CorpusError(f"the decisions in {self.name} cannot be used: {said}", hint=_hint(self.url, said)) from problem


def current(lines: Iterable[Decision]) -> dict[tuple[str, str, bool], Decision]:
    """What stands, by row digest, reviewer and whether it is final: a later decision replaces an earlier one, and taking it back brings that one up again."""
    stacks: defaultdict[tuple[str, str, bool], list[Decision]] = defaultdict(list)
    for line in lines:
        stack = stacks[line.digest, line.reviewer, line.final]
        if line.verdict != "undo":
            stack.append(line)
        elif stack:
            stack.pop()
    return {where: stack[-1] for where, stack in stacks.items() if stack}


def last(lines: Iterable[Decision], reviewer: str) -> Decision | None:
    """The decision of a reviewer that is to be taken back next."""
    made: list[Decision] = []
    for line in lines:
        if line.reviewer != reviewer:
            continue
        if line.verdict != "undo":
            made.append(line)
            continue
        for place in range(len(made) - 1, -1, -1):
            if (made[place].digest, made[place].final) == (line.digest, line.final):
                del made[place]
                break
    return made[-1] if made else None


def settled(lines: Iterable[Decision]) -> dict[str, Settled]:
    """What becomes of each row that somebody decided: the latest final decision, else what all its reviewers agree on, else it is disputed."""
    standing = current(lines)
    finals: dict[str, Decision] = {}
    said: defaultdict[str, list[Decision]] = defaultdict(list)
    for (row, _, final), decision in standing.items():
        if not final:
            said[row].append(decision)
        elif row not in finals or finals[row].at <= decision.at:
            finals[row] = decision
    found = {row: Settled(one.verdict, (one,)) for row, one in finals.items()}
    for row, ones in said.items():
        agreed = len({one.outcome for one in ones}) == 1
        found.setdefault(row, Settled(ones[0].verdict if agreed else "disputed", tuple(ones)))
    return found


def _url(where: str | Path) -> URL:
    text = str(where)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as problem:
        raise UsageError("the database URL cannot be read", hint="postgresql://user:password@host:5432/name, or the name of a file") from problem
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgres", "postgresql"):
        raise UsageError(f"databases of the kind `{kind}` are not supported", hint="a file (SQLite), or postgresql://user:password@host:5432/name")
    return url.set(drivername="postgresql+pg8000") if url.drivername in ("postgres", "postgresql") else url


def _folder(file: Path) -> None:
    if file.is_dir():
        raise UsageError(f"{file}: is a folder, not a file", hint="give the name of a file for the decisions")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(f"{file.parent}: cannot be made: {problem.strerror}") from problem


def _durable(connection: Any, _record: Any) -> None:
    """A committed decision survives a crash of the machine, and several processes may write."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _hint(url: URL, said: str) -> str:
    if url.get_backend_name() != "sqlite":
        return "is the server up, and are user, password and name of the database right?"
    if "not a database" in said:
        return "the file is something else: give --database another name"
    return "may the file and its folder be written?"


__all__ = ["VERDICTS", "Decision", "Decisions", "Sampled", "Settled", "Verdict", "current", "last", "settled"]
