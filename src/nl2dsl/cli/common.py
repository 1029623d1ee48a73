"""What the verbs share: exit codes, options, catalogs, and how the program talks."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

from nl2dsl.errors import Nl2DslError

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.dsl.diagnostics import Diagnostic

_Row = TypeVar("_Row")
Arguments = argparse.Namespace
DONE, BAD_INPUT, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
MOST_SHOWN = 5


def catalog_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--catalog",
        metavar="PATH",
        action="append",
        default=[],
        help="operations to use instead of the built-in ones: a catalog file, OpenAPI, JSON lines or a folder; may be repeated",
    )
    p.add_argument("--with-builtin", action="store_true", help="use the built-in catalog as well")


def json_option(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", action="store_true", help="JSON instead of text")


def from_zero(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 0")
    return int(text)


def from_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 1")
    return int(text)


class Verb(NamedTuple):
    """One command: its words, its line in the help, what it runs, its options and examples."""

    name: str
    line: str
    run: Callable[[Arguments], int]
    options: Callable[[argparse.ArgumentParser], None]
    examples: tuple[str, ...]


def own_catalog(args: Arguments) -> Catalog | None:
    """The catalog of the options, if there are any."""
    if not args.catalog:
        return None
    from nl2dsl.catalog import read

    catalog = read.load(args.catalog, args.with_builtin)
    warn(catalog)
    return catalog


def chosen_catalog(args: Arguments) -> Catalog:
    from nl2dsl.catalog import read

    return own_catalog(args) or read.builtin()


def flow_catalog(args: Arguments) -> Catalog:
    """What a flow may call: triggers and actions of the platform itself are there with every catalog."""
    from nl2dsl.catalog import read

    own = own_catalog(args)
    return read.with_platform(own) if own else read.builtin()


def warn(catalog: Catalog) -> None:
    for warning in catalog.warnings[:MOST_SHOWN]:
        say(f"warning: {warning}")
    if len(catalog.warnings) > MOST_SHOWN:
        say(f"warning: … and {len(catalog.warnings) - MOST_SHOWN:,} more")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tell(problem: Nl2DslError) -> None:
    red, bold, off = ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") if colour(sys.stderr) else ("", "", "")
    say(f"{red}error{off}{bold}: {problem}{off}")
    if problem.hint:
        say(f"  hint: {problem.hint}")


def show(found: Iterable[Diagnostic], source: str, path: str, stream: IO[str]) -> None:
    from nl2dsl.dsl.diagnostics import render

    for diagnostic in found:
        print(render(diagnostic, source, path, colour(stream)), end="\n\n", file=stream)


def colour(stream: IO[str]) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def progress(rows: Sequence[_Row], what: str) -> Iterator[_Row]:
    """The rows, with a bar on stderr if someone is looking."""
    if not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(rows, description=what, console=Console(stderr=True), transient=True)


def table(rows: Iterable[tuple[str, ...]], indent: str = "") -> None:
    rows = list(rows)
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]) if rows else 0)]
    for row in rows:
        print((indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip())


def counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def write_lines(rows: Iterable[dict[str, Any]], stream: IO[str] | None = None) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), file=stream or sys.stdout)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
