"""The verb that lets people judge a corpus: `review`.

In: arguments. Out: a page on loopback until Ctrl-C, or with --export the corpus with the decisions applied; an exit code.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nl2dsl.cli.common import DONE, Arguments, Verb, catalog_options, counted, flow_catalog, from_one, from_zero, progress, say
from nl2dsl.errors import UsageError

if TYPE_CHECKING:
    from nl2dsl.corpus.review.decisions import Decisions

PORT, ROWS = 8765, 100


def review(args: Arguments) -> int:
    """Serves a page on this machine to accept, edit or reject the rows of a corpus by keyboard.

    DATA is a file of rows with `query` and `dsl`, or the folder of a corpus; the link to the page goes to stderr. Rows that the model is unsure of come first, in the same order
    for every reviewer. Each decision is saved at once, with its time, in a table to which lines are only added: in SQLite beside DATA, or where --database says. A second reviewer
    runs the same command with another --reviewer; the page then shows how far they agree, and where they do not.

    With --export nothing is served: the corpus is written with the decisions applied (rejected rows and those that reviewers do not agree on are left out), and a card beside it.
    """
    from nl2dsl.corpus.review import rows
    from nl2dsl.corpus.review.decisions import Decisions
    from nl2dsl.corpus.review.session import default_database

    if args.only_decided and not args.export:
        raise UsageError("--only-decided belongs to --export", hint="nl2dsl review DATA --export OUT.jsonl --only-decided")
    if not all(file.is_file() for file in rows.files(args.data)):
        rows.read(args.data)  # says what is wrong, before a database is made
    where = args.database or default_database(args.data)
    if args.export and "://" not in str(where) and not Path(where).exists():
        raise UsageError(f"{where}: no decisions there", hint=f"review the rows first: nl2dsl review {args.data}")
    table = Decisions(where)
    try:
        return _export(args, table) if args.export else _serve(args, table)
    finally:
        table.close()


def _export(args: Arguments, table: Decisions) -> int:
    from nl2dsl.corpus.review.export import card_of, export

    card = export(args.data, table, args.export, flow_catalog(args), args.only_decided)
    counts = card["counts"]
    say(f"{args.export}: {counted(counts['written'], 'row')}; " + ", ".join(f"{n:,} {what}" for what, n in counts.items() if n and what != "written"))
    for pair in card["agreement"]:
        kappa = "not defined" if pair["value"] is None else f"{pair['value']:.2f} [{pair['low']:.2f}, {pair['high']:.2f}]"
        say(f"{' and '.join(pair['reviewers'])}: Cohen's kappa {kappa}, n {pair['n']:,}")
    if counts["disputed"]:
        say(f"{counted(counts['disputed'], 'row')} left out until somebody settles the disagreement: nl2dsl review {args.data}, key d")
    say(f"the card is {card_of(Path(args.export))}")
    return DONE


def _serve(args: Arguments, table: Decisions) -> int:
    from nl2dsl.corpus.review import rows
    from nl2dsl.corpus.review.server import Server
    from nl2dsl.corpus.review.session import Session, drawn, reviewer_name

    name, items = reviewer_name(args.reviewer), rows.read(args.data)
    sampled = drawn(items, table, args.rows, args.by, args.seed, shown=lambda pool: progress(pool, "asking the model"))
    session = Session(items, sampled, table, flow_catalog(args), name, str(args.data))
    del items
    server = Server(session, args.port)
    say(f"{counted(len(session.sampled), 'row')} for {name}; decisions go to {table.name}")
    say(f"open {server.link}  (Ctrl-C ends; nothing is lost)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    counts = session.state()["counts"]
    say(f"{sum(counts.values()):,} of {counted(len(session.sampled), 'row')} decided; nl2dsl review {args.data} --export OUT.jsonl writes the corpus")
    return DONE


def _options(p: argparse.ArgumentParser) -> None:
    p.add_argument("data", metavar="DATA", help="JSON lines with `query` and `dsl`, or the folder of a corpus")
    p.add_argument("--reviewer", metavar="NAME", help="who decides (the name of the account)")
    p.add_argument("--database", metavar="URL", help="a file, or postgresql://user:password@host/name (a SQLite file beside DATA)")
    p.add_argument("--port", metavar="N", type=_port, default=PORT, help=f"port of the page on 127.0.0.1; 0 is any free one ({PORT})")
    p.add_argument("--rows", metavar="N", type=from_one, default=ROWS, help=f"the most rows to review ({ROWS})")
    p.add_argument(
        "--by",
        choices=("auto", "confidence", "model", "random", "order"),
        default="auto",
        help="which rows come first: those of low `confidence`; those for which the model writes another flow; by chance; as in the file; auto is the first that is possible (auto)",
    )
    p.add_argument("--seed", metavar="N", type=from_zero, default=0, help="of the sample (0)")
    p.add_argument("--export", metavar="OUT.jsonl", help="write the corpus with the decisions applied, and its card")
    p.add_argument("--only-decided", action="store_true", help="leave rows out of --export that nobody decided")
    catalog_options(p)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"`{text}` is not a port: a number from 0 to 65535")
    return int(text)


VERBS = (
    Verb("review", "judge the rows of a corpus, in the browser", review, _options, (
        "nl2dsl review build/corpus/test.jsonl --reviewer anna",
        "nl2dsl review build/corpus --rows 200 --by random --database postgresql://anna@db.example.com/review",
        "nl2dsl review build/corpus/test.jsonl --export build/reviewed.jsonl",
    )),
)  # fmt: skip
