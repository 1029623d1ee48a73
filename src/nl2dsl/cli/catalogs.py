"""Verbs about what flows can call: `catalog list`, `show`, `search`, `import`, `diff`.

In: arguments. Out: tables or JSON lines on stdout, catalog files, talk on stderr, an exit code.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nl2dsl.cli.common import (
    BAD_INPUT,
    DONE,
    Arguments,
    Verb,
    as_json,
    catalog_options,
    chosen_catalog,
    counted,
    from_one,
    json_option,
    progress,
    say,
    show,
    table,
    warn,
    write_lines,
)
from nl2dsl.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog, Operation


def catalog_list(args: Arguments) -> int:
    """Lists connectors: id, title, number of operations."""
    catalog = chosen_catalog(args)
    connectors = [(c.name or "(none)", c.title, len(catalog.ids(c.name))) for c in catalog.connectors.values() if catalog.ids(c.name)]
    if args.json:
        write_lines({"connector": name, "title": title, "operations": count} for name, title, count in connectors)
    else:
        table([(name, title, counted(count, "operation")) for name, title, count in sorted(connectors)])
        say(f"{counted(len(connectors), 'connector')}, {counted(len(catalog), 'operation')}")
    return DONE


def catalog_show(args: Arguments) -> int:
    """Shows the operations of a connector, or one operation with its parameters and outputs."""
    catalog = chosen_catalog(args)
    operation = catalog.get(args.name)
    shown = [operation] if operation else catalog.of(args.name)
    if not shown:
        near = catalog.nearest(args.name, 1) if "." in args.name else get_close_matches(args.name, catalog.connectors, n=1, cutoff=0.4)
        raise UsageError(
            f"no connector or operation is called `{args.name}`",
            hint=f"did you mean `{near[0]}`?" if near else "find it by words: nl2dsl catalog search WORDS",
        )
    if args.json:
        from nl2dsl.catalog.rows import operation_row

        write_lines(operation_row(o) for o in shown)
    elif operation:
        _signature(operation)
    else:
        table([_operation_line(o) for o in shown])
    return DONE


def catalog_search(args: Arguments) -> int:
    """Finds operations by words, best first."""
    from nl2dsl.catalog.search import search

    found = search(chosen_catalog(args), " ".join(args.words), args.n)
    if args.json:
        write_lines({"id": o.id, "kind": o.kind, "title": o.title, "summary": o.summary} for o in found)
    else:
        table([_operation_line(o) for o in found])
    if not found:
        say("nothing fits; other words may: nl2dsl catalog search send mail")
    return DONE if found else BAD_INPUT


def catalog_import(args: Arguments) -> int:
    """Reads OpenAPI 2/3 files (JSON, YAML), MCP tool lists, catalog files, JSON lines {"id", "description"}, folders and archives of these, and writes one catalog file.

    The file is what --catalog takes; the same input gives the same bytes. A file that cannot be used is skipped, with the reason on stderr, and the exit code is 1; the rest is
    imported. With --json what became of each file goes to stdout.
    """
    from nl2dsl.catalog import read

    if Path(args.output).is_dir():
        raise UsageError(f"{args.output}: is a folder, not a file", hint="give the name of a file in it, such as catalog.jsonl.gz")
    found = read.gather(args.paths, args.with_builtin, args.name or "", lambda sources: progress(sources, "files"))
    refused = [r for r in found.reports if r.reason and not r.aside]
    done = [r for r in found.reports if not r.reason]
    if args.json:
        write_lines(r._asdict() for r in found.reports)
    if not done:
        raise CatalogError(found.reports[0].reason, found.reports[0].hint)
    read.write(found.catalog, args.output)
    warn(found.catalog)
    for r in refused:
        say(f"skipped {r.reason}" + (f"\n  hint: {r.hint}" if r.hint else ""))
    aside = [r.name for r in found.reports if r.aside]
    if aside:
        say(f"left aside {counted(len(aside), 'file')} that describe no operations: {', '.join(aside[:3])}{' …' if len(aside) > 3 else ''}")
    used = sum(1 for name in found.catalog.connectors if found.catalog.ids(name))
    files = f"{counted(len(done), 'file')}" + (f", {len(refused):,} skipped" if refused else "")
    say(f"{args.output}: {counted(len(found.catalog), 'operation')} of {counted(used, 'connector')} from {files}")
    return BAD_INPUT if refused else DONE


def catalog_diff(args: Arguments) -> int:
    """Shows what changed between two catalogs, and what that breaks.

    OLD and NEW are whatever --catalog takes, or `builtin`. Without --flows the exit code is 1 if a change may break a flow; with --flows it is 1 if one of these breaks. --flows
    takes .flow files, folders of them, corpora (.jsonl with `dsl`) and cards of models (card.json), and may be repeated.
    """
    from nl2dsl.catalog.diff import diff
    from nl2dsl.dsl import impact

    old, new = (_either_catalog(path) for path in (args.old, args.new))
    changes = diff(old, new)
    cards = {path: card for path in args.flows if (card := impact.card_at(path))}
    verdicts = {path: impact.card_verdict(card, old, new, changes) for path, card in cards.items()}
    judge = impact.Judge(old, new, changes)
    texts = [flow for path in args.flows if path not in cards for flow in impact.flows_at(path)]
    found = [i for name, text in progress(texts, "flows") if (i := judge.impact(name, text))]
    if args.json:
        print(as_json(impact.report_row(old, new, changes, verdicts, found, len(texts))), end="")
    else:
        _show_diff(changes, verdicts, found, args.all)
    breaking = sum(c.breaking for c in changes)
    broken = [i for i in found if i.breaks]
    say(
        f"{counted(len(changes), 'change')}, {breaking:,} may break flows"
        + (f"; {len(broken):,} of {counted(len(texts), 'flow')} break" if texts else "")
    )
    return BAD_INPUT if broken or any(b for b, _ in verdicts.values()) or (not args.flows and breaking) else DONE


def _either_catalog(path: str) -> Catalog:
    from nl2dsl.catalog import read

    if path == "builtin" and not Path(path).exists():
        return read.builtin()
    catalog = read.load(path)
    warn(catalog)
    return catalog


def _show_diff(changes: list[Any], verdicts: dict[str, tuple[bool, str]], found: list[Any], everything: bool) -> None:
    """Breaking changes first, the others counted by kind unless all are wanted; then each flow with its findings."""
    for heading, shown in (("may break flows", [c for c in changes if c.breaking]), ("safe", [c for c in changes if not c.breaking and everything])):
        if shown:
            print(heading)
            table([(c.operation, c.what, c.parameter, " → ".join(v for v in (c.old, c.new) if v), c.hint) for c in shown], "  ")
    safe = Counter(c.what for c in changes if not c.breaking)
    if safe and not everything:
        print(f"safe: {', '.join(f'{count:,} × {what}' for what, count in sorted(safe.items()))} (--all lists them)")
    for path, (breaks, verdict) in verdicts.items():
        print(f"{'breaks' if breaks else 'fine'}: {path} {verdict}")
    for i in found:
        if i.unreadable:
            print(f"{i.name}: cannot be read: {i.unreadable}\n")
        show([*i.breaks, *i.notes], i.text, i.name, sys.stdout)


def _operation_line(o: Operation) -> tuple[str, str, str]:
    notes = [n for n, yes in (("deprecated", o.deprecated), ("internal", o.internal), ("not verified", not o.verified)) if yes]
    return o.id, o.kind, o.title + (f"  ({', '.join(notes)})" if notes else "")


def _signature(o: Operation) -> None:
    print("  ".join(part for part in _operation_line(o) if part))
    if o.summary:
        print(f"  {o.summary}")
    for heading, lines in (
        ("parameters", [_parameter_line(p) for p in o.parameters if not p.internal]),
        ("outputs", [(x.name, x.type, "") for x in o.outputs]),
    ):
        if lines:
            print(f"\n{heading}")
            table(lines, "  ")


def _parameter_line(p: Any) -> tuple[str, str, str]:
    notes = [p.title] if p.title and p.title != p.name else []
    notes += ["required"] if p.required else []
    notes += [f"one of {', '.join(p.enum)}"] if p.enum else []
    notes += [f"default {json.dumps(p.default, ensure_ascii=False)}"] if p.default is not None else []
    notes += [f'and any "{p.name}/..."'] if p.open else []
    return p.name, p.type, "; ".join(notes)


def _list_options(p: argparse.ArgumentParser) -> None:
    json_option(p)
    catalog_options(p)


def _show_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("name", metavar="CONNECTOR[.OPERATION]")
    _list_options(p)


def _search_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("words", metavar="WORDS", nargs="+")
    p.add_argument("-n", metavar="N", type=from_one, default=10, help="the most operations to show (10)")
    _list_options(p)


def _import_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "paths", metavar="PATH", nargs="+", help="OpenAPI file (JSON, YAML), MCP tool list, catalog file, JSON lines, folder, .zip or .tar.gz"
    )
    p.add_argument("-o", "--output", metavar="FILE", required=True, help="the catalog file to write; packed if the name ends in .gz")
    p.add_argument("--name", metavar="ID", type=_connector, help="the connector's id, such as shared_shop (made from the file's name)")
    p.add_argument("--with-builtin", action="store_true", help="put the built-in catalog in, too")
    json_option(p)


def _connector(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_$][\w$-]*", text):
        raise argparse.ArgumentTypeError(f"`{text}` is no connector id: letters, digits, `_` and `-`, such as shared_shop")
    return text


def _diff_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("old", metavar="OLD", help="the catalog as it was: whatever --catalog takes, or builtin")
    p.add_argument("new", metavar="NEW", help="the catalog as it is now")
    p.add_argument(
        "--flows", metavar="PATH", nargs="+", action="extend", default=[], help="flows, folders, corpora (.jsonl) or model cards to be judged"
    )
    p.add_argument("--all", action="store_true", help="list the safe changes, too")
    json_option(p)


VERBS = (
    Verb("catalog list", "all connectors", catalog_list, _list_options, ("nl2dsl catalog list",)),
    Verb("catalog show", "a connector, or an operation with its parameters", catalog_show, _show_options, ("nl2dsl catalog show shared_office365.SendEmailV2",)),
    Verb("catalog search", "operations by words", catalog_search, _search_options, ("nl2dsl catalog search new row in excel",)),
    Verb("catalog import", "a catalog of your own from OpenAPI files", catalog_import, _import_options, (
        "nl2dsl catalog import petstore.json -o shop.jsonl.gz",
        "nl2dsl catalog import connectors/ tools.json apis.zip -o ours.jsonl.gz",
        'nl2dsl generate --catalog shop.jsonl.gz --with-builtin "when a pet is sold, mail the owner"',
    )),
    Verb("catalog diff", "what changed between two catalogs, and which flows it breaks", catalog_diff, _diff_options, (
        "nl2dsl catalog diff shop-1.jsonl.gz shop-2.yaml",
        "nl2dsl catalog diff shop-1.jsonl.gz shop-2.yaml --flows flows/ corpus/train.jsonl model/card.json",
    )),
)  # fmt: skip
