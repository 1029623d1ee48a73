"""Real flows become a corpus: scrubbed, described by the template teacher, kept apart, enriched; what is left of secrets, what was kept, what was rejected and why.

The flows are those of NL2DSL_SHARED/data/flows (or of `shared` beside the repository), read in place; `--flows` takes any other file or folder. Nothing of them is printed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import head, options, skip, table
from nl2dsl.corpus import scan, stages
from nl2dsl.corpus.build import CorpusRecipe, build
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.hygiene import SplitRecipe
from nl2dsl.corpus.scrub import Scrubber
from nl2dsl.corpus.stages import FlowsRecipe, ParaphraseRecipe, Source
from nl2dsl.errors import Nl2DslError

FLOWS = Path(os.environ.get("NL2DSL_SHARED") or Path(__file__).parents[2] / "shared") / "data" / "flows" / "real_flows_dev.jsonl.gz"
UNSEEN = ("shared_teams", "shared_office365users")


def scrubbing(recipe: FlowsRecipe) -> dict[str, Any]:
    """Findings of the independent scan before and after, and whether every flow comes back as it was."""
    scrubber, before, after = Scrubber(), Counter[str](), Counter[str]()
    flows = exact = 0
    for source in stages.sources(recipe):
        if isinstance(source, Source):
            flows += 1
            clean = scrubber.scrub(source.value)
            before.update(f.kind for f in scan.scan(source.value))
            after.update(f.kind for f in scan.scan(clean))
            exact += scrubber.restore(clean) == source.value
    return {"flows": flows, "exact": exact, "before": before, "after": after, "found": scrubber.report()}


def left_in(files: list[Path]) -> tuple[int, Counter[str]]:
    """Rows of files, and what the independent scan finds in them: requests, flows, ids, rejects, examples in prompts."""
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return len(rows), Counter(finding.kind for row in rows for finding in scan.scan(row))


def other_scanner(files: list[Path]) -> str:
    """What `detect-secrets` (a scanner of others, when it is installed) finds in files."""
    try:
        from detect_secrets import SecretsCollection
        from detect_secrets.settings import default_settings
    except ImportError:
        return "not installed (pip install detect-secrets)"
    found = SecretsCollection()
    with default_settings():
        for file in files:
            found.scan_file(str(file))
    kinds = Counter(secret.type for _, secret in found)
    return f"{sum(kinds.values())} in {len(files)} files" + (f": {dict(kinds)}" if kinds else "")


def main(words: list[str] | None = None) -> int:
    cli = options("real_corpus", __doc__, 0)
    cli.add_argument("--flows", type=Path, default=FLOWS, metavar="PATH", help="a file or folder of flows")
    cli.add_argument("--out", type=Path, metavar="DIR", help="keep the corpus here")
    args = cli.parse_args(words)
    head("real_corpus", "Real flows as training data: scrub, describe (template teacher), split, rephrase, enrich, leak test", words)
    if not args.flows.exists():
        skip(f"no flows at {args.flows}; NL2DSL_SHARED names the folder that has data/flows")
        return 0
    flows = FlowsRecipe((str(args.flows),), limit=args.limit)
    with tempfile.TemporaryDirectory() as folder:
        out = args.out or Path(folder) / "corpus"
        start = time.process_time()
        recipe = CorpusRecipe(
            out=str(out),
            requests="",
            flows=flows,
            split=SplitRecipe(unseen=UNSEEN),
            paraphrase=ParaphraseRecipe(n=4, share=0.1),
            enrich=EnrichRecipe(share=0.34, shots=3),
        )
        try:
            card = build(recipe)
        except Nl2DslError as problem:
            skip(problem)
            return 1
        seconds = time.process_time() - start
        told: dict[str, Any] = card["stages"]  # type: ignore[assignment]
        scrubbed = scrubbing(flows)
        table([["scrubbed", "different", "flows"], *([kind, f"{n['different']:,}", n["flows"]] for kind, n in scrubbed["found"].items())])
        findings = sorted(scrubbed["before"] | scrubbed["after"])
        table([["independent scan", "before", "after"], *([kind, scrubbed["before"][kind], scrubbed["after"][kind]] for kind in findings)])
        print(f"  restored exactly: {scrubbed['exact']} of {scrubbed['flows']}")
        rows, left = left_in(sorted(out.glob("*.jsonl")))
        print(f"  independent scan of all that was written: {sum(left.values())} in {rows:,} rows{f': {dict(left)}' if left else ''}")
        print(f"  detect-secrets in the corpus: {other_scanner(sorted(out.glob('*.jsonl')))}\n")
        table([["stage", "in", "out", "rejected, by reason"], *_lines(told)])
        print(f"  leaks: {told['leaks']['leaks']} ({told['leaks']['training rows']} training rows, {told['leaks']['rows kept apart']} kept apart)")
        print(f"  {seconds:.0f} s of processor time, digest {card['digest']}\n")
        print(json.dumps(told, indent=1) if args.out else "", end="\n" if args.out else "")
    return 0


def _lines(told: dict[str, Any]) -> list[list[object]]:
    described = told["describe"]
    return [
        ["flows", told["flows"]["read"], told["flows"]["kept"], told["flows"]["rejected"]],
        ["describe (flows)", described["flows"], described["described"], described["rejected"]],
        ["rows", described["described"] * 3, sum(described["rows"].values()), described["rows"]],
        ["sketches (rows)", sum(described["rows"].values()), sum(described["rows with a sketch"].values()), described["no sketch because"]],
        ["rephrase", told["paraphrase"]["requests"], told["paraphrase"]["rows"], told["paraphrase"]["rejected"]],
        ["enrich", told["enrich"]["training rows"], told["enrich"]["enriched"], told["enrich"]["rejected"]],
    ]


if __name__ == "__main__":
    sys.exit(main())
