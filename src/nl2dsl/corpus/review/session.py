"""One reviewer at work: the rows to decide in their order, what was decided, and what may be saved.

In: rows, a table of decisions, a catalog, the reviewer's name. Out: plain data for the page (`state`, `row`, `check`, `disagreements`); `decide` and `undo` add to the table. What
cannot be saved raises `UsageError` with a hint. Nothing is kept in memory but the rows: the table is the truth, also for what others decide meanwhile.
"""

from __future__ import annotations

import getpass
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, cast

from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus.review import sampling
from nl2dsl.corpus.review.agreement import agreements
from nl2dsl.corpus.review.cards import Look, look
from nl2dsl.corpus.review.decisions import VERDICTS, Decision, Decisions, Sampled, Verdict, current, last, settled
from nl2dsl.corpus.review.rows import Item
from nl2dsl.corpus.review.sampling import Shown, Way, Write
from nl2dsl.errors import UsageError
from nl2dsl.generate import MAX_CHARACTERS

REASONS = (
    "request and flow do not match",
    "wrong operation",
    "wrong or missing value",
    "request is unclear",
    "nobody would say it like this",
    "private data",
)
_LONGEST_REASON, _LONGEST_NAME, _LONGEST_FLOW = 500, 100, 100_000
_BREAK = 600.0  # seconds at one row after which somebody was away


def default_database(data: str | Path) -> Path:
    """Beside the data: FOLDER/review.sqlite, FILE.review.sqlite."""
    path = Path(data)
    return path / "review.sqlite" if path.is_dir() else path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.jsonl')}.review.sqlite")


def reviewer_name(given: str | None) -> str:
    """A name that can stand in a table and on a page; that of the account when none is given."""
    try:
        text = " ".join(_printable(getpass.getuser() if given is None else given).split())
    except (OSError, KeyError, ImportError):
        text = ""
    if not text or len(text) > _LONGEST_NAME:
        raise UsageError("who is reviewing?" if not text else f"the name has more than {_LONGEST_NAME} characters", hint="--reviewer NAME")
    return text


def drawn(
    items: list[Item], table: Decisions, n: int, way: Way = "auto", seed: int = 0, write: Write | None = None, shown: Shown = iter
) -> list[Sampled]:
    """The sample of these rows: the one that was kept, or a new one, which is kept."""
    name = sampling.name(items, n, way, seed)
    return table.sample(name) or table.keep_sample(name, sampling.sample(items, n, way, seed, write, shown))


@dataclass
class Session:
    """What the page asks for. `title` is the name of the data; rows that were sampled but are gone are left out."""

    items: InitVar[Iterable[Item]]
    sampled: list[Sampled]
    table: Decisions
    catalog: Catalog
    reviewer: str
    title: str = ""
    rows: dict[str, Item] = field(init=False)

    def __post_init__(self, items: Iterable[Item]) -> None:
        wanted = {one.digest for one in self.sampled}
        self.rows = {i.digest: i for i in items if i.digest in wanted}
        self.sampled = [one for one in self.sampled if one.digest in self.rows]

    # --- looking ---

    def state(self) -> dict[str, Any]:
        """Everything around the row: the queue with the reviewer's own decisions, counts, pace, agreement."""
        lines = self.table.all()
        mine = {row: d for (row, who, final), d in current(lines).items() if who == self.reviewer and not final}
        queue = [{"row": s.digest, "id": self.rows[s.digest].id, "verdict": mine[s.digest].verdict if s.digest in mine else ""} for s in self.sampled]
        seconds = [d.seconds for d in mine.values() if 0 < d.seconds < _BREAK]
        return {
            "title": self.title,
            "reviewer": self.reviewer,
            "queue": queue,
            "counts": Counter(one["verdict"] for one in queue if one["verdict"]),
            "pace": median(seconds) if seconds else None,
            "reviewers": _shares(lines, set(self.rows)),
            "agreement": [a.row() for a in agreements(lines, set(self.rows))],
            "disputed": sum(one.verdict == "disputed" for row, one in settled(lines).items() if row in self.rows),
            "reasons": REASONS,
        }

    def row(self, digest: str) -> dict[str, Any]:
        """A row, its cards, findings, and what this reviewer decided of it; an edited one also as it is after the edit."""
        item = self._item(digest)
        sampled = next(s for s in self.sampled if s.digest == digest)
        mine = current(self.table.all(digest)).get((digest, self.reviewer, False))
        return {
            "row": digest,
            "id": item.id,
            "query": item.query,
            "dsl": item.dsl,
            "facts": [str(item.row[k]) for k in ("source", "split") if isinstance(item.row.get(k), str) and item.row[k]],
            "uncertainty": sampled.uncertainty,
            "why": sampled.why,
            "look": look(item.dsl, self.catalog).row(),
            "decision": self._told(mine, item) if mine else None,
        }

    def check(self, dsl: object) -> dict[str, Any]:
        """What there is to say of a text as it is being edited."""
        return look(_text(dsl, "flow", _LONGEST_FLOW), self.catalog).row()

    def disagreements(self) -> list[dict[str, Any]]:
        """Rows whose reviewers do not agree and that nobody settled, in the order of the queue, with all that was said."""
        disputed = {row: one.by for row, one in settled(self.table.all()).items() if one.verdict == "disputed"}
        found = []
        for s in self.sampled:
            if s.digest in disputed:
                item = self.rows[s.digest]
                found.append({"row": s.digest, "id": item.id, "query": item.query, "by": [self._told(d, item) for d in disputed[s.digest]]})
        return found

    def _item(self, digest: object) -> Item:
        if not isinstance(digest, str) or digest not in self.rows:
            raise UsageError("there is no such row in this review", hint="load the page again")
        return self.rows[digest]

    def _told(self, d: Decision, item: Item) -> dict[str, Any]:
        edited = {"query": d.query, "dsl": d.dsl, "look": look(d.dsl, self.catalog).row(), "before": item.dsl} if d.verdict == "edit" else {}
        return {"reviewer": d.reviewer, "verdict": d.verdict, "reason": d.reason, "at": d.at, **edited}

    # --- deciding ---

    def decide(self, given: dict[str, Any]) -> dict[str, Any]:
        """Saves a decision: {row, verdict, query?, dsl?, reason?, seconds?, key?, final?}. An edit that changes nothing is an acceptance. Returns the new state."""
        item = self._item(given.get("row"))
        verdict = given.get("verdict")
        if verdict not in VERDICTS:
            raise UsageError("a decision is accept, edit or reject")
        seconds, key, final = given.get("seconds", 0), given.get("key", ""), given.get("final", False)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9 or not isinstance(final, bool):
            raise UsageError("`seconds` is a number from 0, `final` true or false")
        if not isinstance(key, str) or len(key) > 64 or not key.isascii() or not key.isprintable():
            raise UsageError("`key` is a text of at most 64 letters and digits")
        query, dsl, reason = self._judged(item, cast(Verdict, verdict), given)
        if verdict == "edit" and (query, dsl) == (item.query, item.dsl):
            verdict = "accept"
        if verdict != "edit":
            query = dsl = ""
        self.table.add(Decision(item.digest, item.id, self.reviewer, cast(Verdict, verdict), final, query, dsl, reason, float(seconds), key))
        return self.state()

    def _judged(self, item: Item, verdict: Verdict, given: dict[str, Any]) -> tuple[str, str, str]:
        """Request, flow in canonical form and reason that may be saved."""
        if verdict == "reject":
            reason = " ".join(_text(given.get("reason", ""), "reason", _LONGEST_REASON).split())
            if not reason:
                raise UsageError("why is it rejected?", hint="a digit for a common reason, or words")
            return "", "", reason
        edit = verdict == "edit"
        query = " ".join(_text(given.get("query"), "request", MAX_CHARACTERS).split()) if edit else item.query
        query = item.query if query == " ".join(item.query.split()) else query
        if not query.strip():
            raise UsageError("the request is empty", hint="say what the flow does, or reject the row")
        seen = look(_text(given.get("dsl"), "flow", _LONGEST_FLOW) if edit else item.dsl, self.catalog)
        if seen.errors:
            raise UsageError(_said(seen), hint="mend the flow, or reject the row" if edit else "edit the flow (e), or reject the row (r)")
        return query, item.dsl if edit and seen.text == look(item.dsl, self.catalog).text else seen.text, ""

    def undo(self) -> dict[str, Any]:
        """Takes the reviewer's latest decision back and tells which row it was about."""
        lines = self.table.all()
        mine = [d for d in lines if d.digest in self.rows]
        latest = last(mine, self.reviewer)
        if latest is None:
            raise UsageError("nothing to take back")
        self.table.add(Decision(latest.digest, latest.row, self.reviewer, "undo", latest.final))
        return self.state() | {"undone": {"row": latest.digest, "verdict": latest.verdict, "final": latest.final}}


def _shares(lines: Iterable[Decision], among: set[str]) -> dict[str, int]:
    """How many of the rows each reviewer decided."""
    return dict(sorted(Counter(who for row, who, final in current(lines) if not final and row in among).items()))


def _said(seen: Look) -> str:
    first = seen.findings[0]
    more = f" (and {seen.errors - 1} more)" if seen.errors > 1 else ""
    return f"the flow has errors: {first['code']} in line {first['line']}: {first['message']}{more}"


def _text(value: object, what: str, longest: int) -> str:
    """A text that may be stored: no half characters, no control characters but line ends and tabs."""
    if not isinstance(value, str):
        raise UsageError(f"the {what} is no text")
    if len(value) > longest:
        raise UsageError(f"the {what} has more than {longest:,} characters")
    return _printable(value.replace("\r\n", "\n").replace("\r", "\n"))


def _printable(text: str) -> str:
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
