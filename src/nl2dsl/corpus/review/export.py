"""The corpus with the decisions applied, and its card.

In: the data, the table of decisions, a file to write. Out: the rows in their order: accepted ones as they are, edited ones with the new request and flow and everything that follows from
them, undecided ones as they are (or left out). Rejected rows and rows on which reviewers do not agree are left out. The card counts all of it and tells the agreement.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nl2dsl import refusal
from nl2dsl.catalog.model import Catalog
from nl2dsl.corpus.review import rows
from nl2dsl.corpus.review.agreement import agreements
from nl2dsl.corpus.review.decisions import Decision, Decisions, Settled, current, settled
from nl2dsl.corpus.review.resketch import resketch
from nl2dsl.corpus.review.rows import Item
from nl2dsl.dsl import checker, definition, tree
from nl2dsl.dsl.text import parse
from nl2dsl.errors import CorpusError, UsageError
from nl2dsl.files import STANDARD, digest_of, write_rows, write_text
from nl2dsl.outcome import Authored, Facts, Outcome, Refused, row

_FOLLOWS = ("outcome", "operations", "calls", "control", "workflow", "missing", "diagnostics", "category", "message")  # keys that a flow determines
_OF_THE_MODEL = ("confidence", "candidates", "seconds", "tokens", "model")  # said of a flow that is no longer there
_NAMES = {"accept": "accepted", "edit": "edited", "reject": "rejected", "disputed": "disputed"}


def export(data: str | Path, table: Decisions, out: str | Path, catalog: Catalog, only_decided: bool = False) -> dict[str, Any]:
    """Writes `out` and, beside it, its card, and returns the card. The same decisions give the same bytes. Raises `UsageError` for a file that must not be written."""
    target = _target(data, out)
    items, lines = rows.read(data), table.all()
    verdicts = settled(lines)
    counts: Counter[str] = Counter(dict.fromkeys((*_NAMES.values(), "undecided", "written"), 0))
    write_rows(target, _applied(items, verdicts, catalog, only_decided, counts))
    known = {item.digest for item in items}
    card = {
        "data": str(data),
        "rows": len(items),
        "data_digest": rows.identity(items),
        "counts": dict(counts),
        "reviewers": _reviewers(lines, known),
        "agreement": [a.row() for a in agreements(lines, known)],
        "reasons": dict(Counter(v.by[0].reason for row, v in verdicts.items() if row in known and v.verdict == "reject").most_common()),
        "decisions": sum(d.digest in known for d in lines),
        "decisions_about_other_rows": sum(d.digest not in known for d in lines),
        "last_decision": max((d.at for d in lines if d.digest in known), default=None),
        "database": Path(table.url.database or "").name if table.url.get_backend_name() == "sqlite" else table.name,
        "digest": digest_of(target),
    }
    write_text(card_of(target), json.dumps(card, ensure_ascii=False, indent=1) + "\n")
    return card


def card_of(target: Path) -> Path:
    """Where the card of a file goes: OUT.jsonl has OUT.card.json."""
    return target.with_name(f"{target.name.removesuffix('.jsonl')}.card.json")


def _target(data: str | Path, out: str | Path) -> Path:
    target = Path(out)
    if str(out) == STANDARD or target.name.endswith(".gz"):
        raise UsageError("the corpus goes to a file of JSON lines", hint="--export OUT.jsonl; its card is written beside it")
    if target.exists() and any(target.resolve() == file.resolve() for file in rows.files(data)):
        raise UsageError(f"{target}: is the data itself", hint="--export another file: decisions belong to the rows as they were reviewed")
    return target


def _applied(items: list[Item], verdicts: dict[str, Settled], catalog: Catalog, only_decided: bool, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for item in items:
        verdict = verdicts.get(item.digest)
        counts[_NAMES[verdict.verdict] if verdict else "undecided"] += 1
        if only_decided if verdict is None else verdict.verdict in ("reject", "disputed"):
            continue
        counts["written"] += 1
        if verdict is None or verdict.verdict == "accept":
            yield item.row
            continue
        made = edited(item.row, verdict.by[0].query, verdict.by[0].dsl, catalog)
        counts["edited, without a sketch"] += bool(item.row.get("sketch")) and not made["sketch"]
        yield made


def edited(before: dict[str, Any], query: str, dsl: str, catalog: Catalog) -> dict[str, Any]:
    """A row with another request and flow; keys that follow from them are made anew, those that cannot be are emptied or go."""
    same_flow = dsl == before["dsl"]
    made = before | {"query": query, "dsl": dsl}
    outcome = _outcome(query, dsl, catalog)
    if not same_flow:
        fresh = row(outcome)
        made |= {key: fresh[key] for key in _FOLLOWS if key in before}
        made = {key: value for key, value in made.items() if key not in _OF_THE_MODEL}
        made |= {"signatures": list(dict.fromkeys(fresh["operations"]))} if "signatures" in before else {}
    if "steps" in before:
        made["steps"] = ""  # they were written for the old request and flow
    if "sketch" in before:
        made["sketch"] = resketch(outcome.flow, str(before["sketch"]), query, catalog) if isinstance(outcome, Authored) else ""
    return made


def _outcome(query: str, dsl: str, catalog: Catalog) -> Outcome:
    refused = refusal.read(dsl)
    if refused:
        return Refused(Facts(query), refused)
    flow, _ = parse(dsl)
    if flow is None:
        raise CorpusError("an edited flow in the table of decisions cannot be read", hint="was the table changed by hand?")
    missing, diagnostics = tuple(checker.missing(flow, catalog)), tuple(checker.check(flow, catalog))
    return Authored(Facts(query), dsl, flow, definition.compile(flow, catalog), tuple(tree.operations(flow)), missing, diagnostics)


def _reviewers(lines: list[Decision], known: set[str]) -> dict[str, dict[str, int]]:
    """What stands of each reviewer: accepted, edited, rejected."""
    said: dict[str, Counter[str]] = {}
    for (digest, who, final), decision in current(lines).items():
        if digest in known and not final:
            said.setdefault(who, Counter())[_NAMES[decision.verdict]] += 1
    return {who: dict(sorted(said[who].items())) for who in sorted(said)}
