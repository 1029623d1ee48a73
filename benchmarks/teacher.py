"""What becomes of a corpus when the teacher's host behaves badly: rate limits, 5xx, timeouts, torn, garbled and cut answers, refusals, a cap, and a run that is killed.

Flows that are wired from curated requests go through describe, paraphrase and enrich with `teacher.engine = openai:...`; the host is the local one of `tests/fake_server.py`, which draws its failures and
keeps the books. Its good answers are those of the template teacher. For each mood: what became of the rows, what was asked, and whether our account is that of the host, to the last digit.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.fake_server import FakeServer, Mood

from benchmarks import head, options, table
from nl2dsl.catalog import read
from nl2dsl.corpus import making, requests
from nl2dsl.corpus.build import CorpusRecipe, build
from nl2dsl.corpus.describe import Describer
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.hygiene import SplitRecipe
from nl2dsl.corpus.stages import FlowsRecipe, ParaphraseRecipe
from nl2dsl.corpus.teacher import TeacherRecipe
from nl2dsl.dsl.text import parse

CATALOG = read.builtin()
PRICE_IN, PRICE_OUT = 25.0, 100.0  # dollars per million tokens: ten times dear, so that cents can be seen
ALL = Mood(
    busy=0.08, broken=0.08, hang=0.04, garbage=0.06, torn=0.06, cut=0.08, confused=0.08, refuses=0.04, limited=0.06, limit=25, window=0.3, late=4.0
)
MOODS: dict[str, tuple[Mood, dict[str, Any]]] = {
    "well behaved": (Mood(), {}),
    "rate limits": (Mood(limited=0.3, limit=10, window=0.3), {}),
    "500, 503": (Mood(busy=0.2, broken=0.2), {}),
    "timeouts": (Mood(hang=0.1, late=4.0), {}),
    "torn, garbled": (Mood(torn=0.15, garbage=0.15), {}),
    "cut": (Mood(cut=0.3), {}),
    "off the form, refused": (Mood(confused=0.25, refuses=0.1), {}),
    "all of these": (ALL, {}),
    "all, charges repeated keys again": (replace(ALL, remembers=False), {"idempotent": False}),
    "all, capped at $1": (ALL, {"cap": 1.0}),
    "all, no memory, capped at $1": (replace(ALL, remembers=False), {"idempotent": False, "cap": 1.0}),
    "all, killed three times": (replace(ALL, delay=0.05), {}),
}
_DESCRIBER = Describer(CATALOG)


def write(asked: str) -> str:
    """What a good model answers to each of the three asks, read from the prompt alone."""
    if "Now these flows" in asked:
        lines = []
        for number, dsl in re.findall(r"Flow (\d+)\n```\n(.*?)\n```", asked.rsplit("Now these flows", 1)[-1], re.DOTALL):
            flow, _ = parse(dsl)
            lines += [f"{number}{letter}: {query}" for letter, query in zip("abc", _DESCRIBER.queries(flow), strict=True)] if flow else []
        return "\n".join(lines)
    about = asked.rsplit("\nRequest: ", 1)[-1]
    if count := re.search(r"^Write (\d+) other ways", asked, re.MULTILINE):
        said = _DESCRIBER.paraphrases(about.split("\nExplanation:")[0], int(count[1]))
        return "\n".join(f"{n}: {text}" for n, text in enumerate(said, 1))
    query, _, rest = about.partition("\nFlow:\n```\n")
    flow, _ = parse(rest.split("\n```")[0])
    return _DESCRIBER.steps(query, flow) if flow else ""


def flows(file: Path, n: int) -> None:
    """Flows of curated requests, one a line."""
    rows = []
    for r in Random(4).sample(requests.load(), 2 * n):
        made = making.make(r.query, r.sketch, CATALOG)
        if made.dsl and len(rows) < n:
            rows.append(json.dumps({"id": f"f{len(rows)}", "dsl": made.dsl}))
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")


def recipe(out: Path, file: Path, host: FakeServer, changes: dict[str, Any]) -> CorpusRecipe:
    usual = {"timeout": 3.0, "pause": 0.01, "tries": 8, "idempotent": True, "price_in": PRICE_IN, "price_out": PRICE_OUT}
    return CorpusRecipe(
        out=str(out),
        requests="",
        flows=FlowsRecipe((str(file),)),
        teacher=TeacherRecipe(**{"engine": f"openai:{host.url}#m", **usual, **changes}),
        split=SplitRecipe(),
        paraphrase=ParaphraseRecipe(n=2, share=0.3),
        enrich=EnrichRecipe(share=0.3),
    )


@dataclass
class Told:
    """What a build says of its rows: each is kept or rejected, or it is open."""

    kept: int
    rejected: int
    open: int
    reasons: Counter[str]


def told(out: Path) -> Told:
    """Of the flows to be described, the requests to be rephrased, the rows to be explained."""
    stages = json.loads((out / "card.json").read_text(encoding="utf-8"))["stages"]
    rejected = {name: _rows(out / f"rejected-{name}.jsonl") for name in ("describe", "paraphrase", "enrich")}
    flows, lost = (
        stages["describe"]["flows"],
        {r["id"] for r in rejected["describe"] if r["task"] == "describe" and not r["reason"].startswith("nearly")},
    )
    explained = stages["enrich"]
    without = {r["id"] for r in rejected["enrich"]}
    kept = stages["describe"]["described"] + explained["with steps"]
    given_up = len(lost) + len(without)
    nameless = sum(not r["reason"] for rows in rejected.values() for r in rows)
    reasons = Counter(re.split(r":|`| mention | left| in \d", r["reason"])[0] for rows in rejected.values() for r in rows)
    return Told(kept, given_up, flows + explained["enriched"] - kept - given_up + nameless, reasons)


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def killed(made: CorpusRecipe, host: FakeServer) -> int:
    """The command in processes of its own, killed three times while it asks, then run to its end; how many kills were in time."""
    overrides = [f"out={made.out}", "requests=", f'flows.path=["{made.flows.path[0]}"]', "paraphrase.n=2", "paraphrase.share=0.3", "enrich.share=0.3"]  # type: ignore[union-attr]
    teacher = made.teacher
    for name in ("engine", "timeout", "pause", "tries", "idempotent", "price_in", "price_out"):
        value = getattr(teacher, name)
        overrides.append(f"teacher.{name}={str(value).lower() if isinstance(value, bool) else value}")
    overrides.append("teacher.cap=1000.0")
    base = Path(made.out).with_name("killed.toml")
    base.parent.mkdir(parents=True, exist_ok=True)
    base.write_text("[flows]\npath = []\n[paraphrase]\n[enrich]\n", encoding="utf-8")
    words = [sys.executable, "-m", "nl2dsl", "corpus", str(base), *overrides]
    log, in_time = base.with_suffix(".log"), 0
    for more in (6, 12, 12, 0):
        target = len(host.ledger.charged) + more
        with log.open("ab") as stream:
            child = subprocess.Popen(words, stderr=stream)
            while child.poll() is None and (not more or len(host.ledger.charged) < target):
                time.sleep(0.01)
        child.kill()
        in_time += child.wait() == -signal.SIGKILL
        if child.returncode not in (0, -signal.SIGKILL):
            raise SystemExit(log.read_text(encoding="utf-8"))
    return in_time


def measured(name: str, file: Path, folder: Path) -> tuple[list[object], Counter[str], bool]:
    mood, changes = MOODS[name]
    with FakeServer(write, mood, seed=2) as host:
        made = recipe(folder / "corpus", file, host, changes)
        kills = 3
        if "killed" in name:
            kills = killed(made, host)
        else:
            build(made)
        found = told(Path(made.out))
        ledger = host.ledger
        books = sum((Decimal(str(PRICE_IN)) * i + Decimal(str(PRICE_OUT)) * o for _, i, o in ledger.charged), Decimal(0)) / 1_000_000
        twice = len(ledger.charged) - len({key for key, _, _ in ledger.charged})
    costs = json.loads((Path(made.out) / "cost.json").read_text(encoding="utf-8"))[-1]
    spent, lost = Decimal(costs["spent"]), Decimal(costs["at most lost"])
    honest = spent <= books <= spent + lost  # the same, when no answer was lost
    below = made.teacher.cap is None or books <= Decimal(str(made.teacher.cap))
    good = kills == 3 and not found.open and honest and below and (not twice or not made.teacher.idempotent)
    account = f"${spent:.4f}" + (f" + {lost:.4f}" if lost else "")
    return (
        [
            name,
            found.kept,
            found.rejected,
            found.open,
            ledger.requests,
            len(ledger.charged),
            twice,
            account,
            f"${books:.4f}",
            "yes" if good else "NO",
        ],
        found.reasons,
        good,
    )


def main(words: list[str] | None = None) -> int:
    args = options("teacher", __doc__, 60).parse_args(words)
    head("teacher", f"A teacher's host in all its moods: {args.limit} flows to be described, 30 % of the rows rephrased, 30 % explained", words)
    lines: list[list[object]] = [
        ["host", "kept", "rejected", "open", "requests", "charged", "twice", "our account (+ at most lost)", "host's books", "holds"]
    ]
    good, reasons = True, Counter[str]()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "flows.jsonl"
        flows(file, args.limit)
        for number, name in enumerate(MOODS):
            line, why, fine = measured(name, file, Path(folder) / str(number))
            good, reasons = good and fine, why if name == "all of these" else reasons
            lines.append(line)
            print(*line, sep="  ", file=sys.stderr, flush=True)
    table(lines)
    table([["reasons of what was rejected by `all of these`", "rows"], *reasons.most_common(12)])
    return not good


if __name__ == "__main__":
    sys.exit(main())
