"""Verbs that work with flows: `check`, `run`, `format`, `compile`, `decompile`.

In: arguments. Out: findings, traces, flows and definitions on stdout or in files, talk on stderr, an exit code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nl2dsl.cli.common import (
    BAD_INPUT,
    DONE,
    MOST_SHOWN,
    WRONG_USAGE,
    Arguments,
    Verb,
    as_json,
    catalog_options,
    counted,
    flow_catalog,
    from_one,
    from_zero,
    json_option,
    say,
    show,
    tell,
    write_lines,
)
from nl2dsl.errors import UsageError
from nl2dsl.files import STANDARD, decoded, read_bytes, read_text, write_bytes, write_text

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog
    from nl2dsl.dsl.diagnostics import Diagnostic
    from nl2dsl.dsl.tree import Flow


def check(args: Arguments) -> int:
    """Says what is wrong with flows, where, and what to do about it.

    Findings go to stdout, one after the other in the manner of a good compiler, or as JSON lines. Only errors make the exit code 1; warnings and values that a
    person must still give do not. A folder stands for the .flow files below it, - for stdin.

    With --fix, changes that leave no doubt are made in the files (for - the mended text goes to stdout and the findings to stderr); what is left is shown. Everything else
    of a file stays as it is.
    """
    catalog = flow_catalog(args)
    total: list[Diagnostic] = []
    seen: list[str] = []

    def one(path: str) -> int:
        source, found = _mended(path, catalog) if args.fix else _looked(_flow_text(path)[1], catalog)
        seen.append(path)
        total.extend(found)
        stream = sys.stderr if args.fix and path == STANDARD else sys.stdout
        if args.json:
            write_lines((_diagnostic_row(path, d) for d in found), stream)
        else:
            show(found, source, path, stream)
        return BAD_INPUT if has_errors(found) else DONE

    paths = _flow_files(args.files)
    code = _each(paths, one)
    from nl2dsl.dsl.diagnostics import summary

    unread = f", {len(paths) - len(seen):,} could not be read" if len(seen) < len(paths) else ""
    say(f"{counted(len(paths), 'file')}{unread}: {summary(total) or 'nothing to say'}" if seen else f"{counted(len(paths), 'file')}{unread}")
    return code


def _flow_text(path: str) -> tuple[bytes, str]:
    """The bytes and the text of a file that should be a flow; what a flow was made of, or is made into, is none."""
    from nl2dsl.dsl import archive

    raw = read_bytes(path)
    kind = "a zip file" if archive.is_zip(raw) else "JSON" if raw.lstrip()[:1] in (b"{", b"[") else ""
    if kind:
        raise UsageError(f"{path}: this is {kind}, not a flow", hint="nl2dsl decompile makes flows of workflow definitions, packages and solutions")
    return raw, decoded(raw, path)


def _looked(source: str, catalog: Catalog) -> tuple[str, list[Diagnostic]]:
    """The text and all findings with their fixes; a refusal is neither a flow nor a mistake."""
    from nl2dsl import refusal
    from nl2dsl.dsl import fix

    return source, [] if refusal.read(source) else fix.look(source, catalog)[1]


def _mended(path: str, catalog: Catalog) -> tuple[str, list[Diagnostic]]:
    """The text of a file after its safe fixes, which are written back with the line ends it had, and what is left to say."""
    from nl2dsl import refusal
    from nl2dsl.dsl import fix

    raw, source = _flow_text(path)
    mended = fix.Mended(source, (), ()) if refusal.read(source) else fix.mend(source, catalog)
    if path == STANDARD:
        sys.stdout.write(mended.source)
    elif mended.done:
        if path.endswith(".gz"):
            raise UsageError(f"{path}: a packed file is not mended", hint="unpack it first")
        windows = raw.count(b"\r\n") == raw.count(b"\n")
        text = mended.source.replace("\n", "\r\n") if windows else mended.source
        write_bytes(path, (b"\xef\xbb\xbf" if raw[:3] == b"\xef\xbb\xbf" else b"") + text.encode())
    for diagnostic, one in mended.done:
        say(f"{path}: {diagnostic.code}: {one.title}")
    return mended.source, list(mended.left)


def format_(args: Arguments) -> int:
    """Writes flows in their canonical form: in place, or to stdout with --stdout (and for - , which is stdin).

    With --check nothing is written: the files that would change are listed on stdout, and the exit code is 1 if there are any. Comments are kept. A flow that
    cannot be read is left as it is.
    """

    def one(path: str) -> int:
        _, source = _flow_text(path)
        text = _canonical(source, path)
        if text is None:
            return BAD_INPUT
        if args.check:
            if text != source:
                print(path)
            return BAD_INPUT if text != source else DONE
        if args.stdout or path == STANDARD:
            sys.stdout.write(text)
        elif text != source:
            write_text(path, text)
            say(f"formatted {path}")
        return DONE

    return _each(_flow_files(args.files), one)


def _canonical(source: str, path: str) -> str | None:
    from nl2dsl import refusal
    from nl2dsl.dsl.text import parse, unparse

    refused = refusal.read(source)
    if refused:
        return refusal.mark(refused) + "\n"
    flow, found = parse(source)
    if flow is None:
        show(found, source, path, sys.stderr)
        return None
    return unparse(flow)


def compile_(args: Arguments) -> int:
    """Turns a flow into what Power Automate and Azure Logic Apps take.

    definition is the JSON of the workflow; package the zip for "Import package (legacy)" of Power Automate; logic-app the code view of a Consumption Logic App, whose calls
    name method and path: an operation whose path is not known is an error. A flow with errors is not compiled: they are shown on stderr. With --anyway it is, each mistake
    as the nearest JSON: for a workflow that came with its mistakes. The same flow gives the same bytes; --seed gives a package other ids.
    """
    from nl2dsl.dsl import definition, logic_app, package

    if args.to == "package" and args.output == STANDARD and sys.stdout.isatty():
        raise UsageError("a package is a zip file, which a terminal cannot show", hint="-o FLOW.zip")
    catalog = flow_catalog(args)
    source, flow, found = _read_flow(args.file, catalog)
    show([d for d in found if d.severity != "info"], source, args.file, sys.stderr)
    if flow is None and not found:
        say(f"{args.file}: a refusal has nothing to compile")
    if flow is None or (has_errors(found) and not args.anyway):
        return BAD_INPUT
    told: list[Diagnostic] = []
    if args.to == "package":
        name = "" if args.file == STANDARD else Path(args.file).stem
        made, told = package.write(flow, catalog, name, args.seed)
    elif args.to == "logic-app":
        app, told = logic_app.write(flow, catalog)
        made = as_json(app).encode()
    else:
        made = as_json(definition.compile(flow, catalog)).encode()
    show(told, source, args.file, sys.stderr)
    if has_errors(told):
        return BAD_INPUT
    write_bytes(args.output, made)
    return DONE


def decompile(args: Arguments) -> int:
    """Turns workflows into flows; nothing of them is dropped.

    Read are definitions (JSON: alone, under `definition`, under `properties.definition`), workflow.json of Logic Apps, ARM templates, exported packages and solutions
    (.zip). A file with several flows needs -o FOLDER, where each gets a file of its name.
    """
    from nl2dsl.dsl import archive, carrying, flowfiles
    from nl2dsl.dsl.text import unparse

    catalog = flow_catalog(args)
    texts: list[tuple[str, str]] = []
    code = DONE
    if Path(args.file).is_dir():
        raise UsageError(f"{args.file}: is a folder, not a file", hint="give a file in it, or pack the folder: a .zip is read with all that is in it")
    data = read_bytes(args.file)
    if not archive.is_zip(data):
        decoded(data, args.file)
    told = flowfiles.Told()
    try:
        if args.file.lower().endswith(".flow"):
            raise UsageError(f"{args.file}: this is a flow already", hint="nl2dsl compile makes a workflow definition of it")
        found = flowfiles.find(data, args.file, told)
    except UsageError as problem:
        tell(problem)
        return BAD_INPUT
    for note in told.notes:
        say(f"warning: {note}")
    for skipped in told.skipped:
        tell(skipped)
        code = BAD_INPUT
    for one, name in zip(found, carrying.file_names(found), strict=True):
        if one.left_out:
            say(f"{one.where}: not part of a flow, left out: {', '.join(one.left_out)}")
        try:
            texts.append((name, unparse(carrying.flow_of(one, catalog))))
        except (UsageError, RecursionError) as problem:  # the other flows of the file are still good
            tell(UsageError(f"{one.where}: {problem}", getattr(problem, "hint", "")))
            code = BAD_INPUT
    return max(code, _write_flows(texts, args))


def _write_flows(texts: list[tuple[str, str]], args: Arguments) -> int:
    """One flow goes where --output says, several go into the folder it names."""
    folder = Path(args.output)
    into_folder = folder.is_dir() or (len(texts) > 1 and args.output != STANDARD and not folder.suffix)
    if len(texts) > 1 and not into_folder:
        names = ", ".join(name for name, _ in texts[:MOST_SHOWN])
        raise UsageError(f"{args.file}: holds {len(texts)} flows", hint=f"-o FOLDER writes each to a file there: {names} …")
    for name, text in texts:
        write_text(folder / name if into_folder else args.output, text)
        if into_folder:
            say(str(folder / name))
    return DONE


def run(args: Arguments) -> int:
    """Runs a flow without the world and shows what it would do: the trace of its steps, and the side effects.

    Connectors are mock ones with seeded data, made from the catalog; the clock is virtual; nothing is sent. FILE is a flow, or a workflow definition, package or export that
    holds one. --trigger gives the data the trigger delivers, --fail lets a step fail so that the other paths can be seen. The exit code is 1 when the run failed.
    """
    from nl2dsl.simulator import Limits, render, to_json
    from nl2dsl.simulator import run as simulate

    catalog = flow_catalog(args)
    flow = _runnable(args.file, catalog)
    if flow is None:
        return BAD_INPUT
    given = {"data": _json_of(args.trigger)} if args.trigger else {}
    done = simulate(flow, catalog, seed=args.seed, fail=args.fail, limits=Limits(steps=args.steps), **given)
    sys.stdout.write(as_json(to_json(done)) if args.json else render(done) + "\n")
    return BAD_INPUT if done.status in ("Failed", "TimedOut", "Stopped") else DONE


def _runnable(path: str, catalog: Catalog) -> Flow | None:
    """The flow of a file that has no errors, or of a workflow definition in whatever it stands."""
    from nl2dsl.dsl import definition, flowfiles

    if path.lower().endswith((".json", ".zip")):
        found = flowfiles.find(read_bytes(path), path)
        if len(found) > 1:
            raise UsageError(f"{path}: {len(found)} flows in one file", hint="nl2dsl decompile FILE -o FOLDER, then run one of them")
        try:
            return definition.decompile(found[0].definition, catalog)
        except UsageError as problem:
            raise UsageError(f"{path}: {problem}", problem.hint) from None
    source, flow, problems = _read_flow(path, catalog)
    show([d for d in problems if d.severity == "error"], source, path, sys.stderr)
    if flow is None and not problems:
        say(f"{path}: a refusal has nothing to run")
    return None if has_errors(problems) else flow


def _json_of(path: str) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{path}: not JSON: {problem}", hint='the trigger\'s body, such as {"Title": "New laptop"}') from None


def _read_flow(path: str, catalog: Catalog) -> tuple[str, Flow | None, list[Diagnostic]]:
    """The text, its tree if it has one, and all findings; a refusal is neither a flow nor a mistake."""
    from nl2dsl import refusal
    from nl2dsl.dsl import checker
    from nl2dsl.dsl.text import parse

    _, source = _flow_text(path)
    if refusal.read(source):
        return source, None, []
    flow, found = parse(source)
    return source, flow, found if flow is None else checker.check(flow, catalog)


def _flow_files(paths: list[str]) -> list[str]:
    """The files; a folder stands for the flows below it."""
    found: list[str] = []
    for path in paths:
        inside = sorted(str(p) for p in Path(path).rglob("*.flow")) if Path(path).is_dir() else [path]
        if not inside:
            raise UsageError(f"{path}: no .flow file in this folder")
        found.extend(inside)
    return found


def _each(paths: list[str], one: Callable[[str], int]) -> int:
    """Runs `one` on every file, also after one that cannot be opened; the worst exit code counts."""
    worst = DONE
    for path in paths:
        try:
            worst = max(worst, one(path))
        except UsageError as problem:
            tell(problem)
            worst = WRONG_USAGE
    return worst


def _diagnostic_row(path: str, d: Diagnostic) -> dict[str, Any]:
    place = {"line": d.span.line, "column": d.span.column}
    fixes = [{"title": f.title, "safe": f.safe, "edits": [e._asdict() for e in f.edits]} for f in d.fixes]
    return {"file": path, "code": d.code, "severity": d.severity, "message": d.message, "hint": d.hint, **place, "fixes": fixes}


def has_errors(found: Iterable[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in found)


def _check_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("files", metavar="FILE", nargs="+", help="a .flow file, a folder of them, or - for stdin")
    p.add_argument("--fix", action="store_true", help="make the changes that leave no doubt, in the files")
    json_option(p)
    catalog_options(p)


def _format_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("files", metavar="FILE", nargs="+", help="a .flow file, a folder of them, or - for stdin")
    p.add_argument("--check", action="store_true", help="write nothing, list the files that would change")
    p.add_argument("--stdout", action="store_true", help="write to stdout, leave the files")


def _compile_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a .flow file, or - for stdin")
    p.add_argument(
        "--to",
        metavar="FORM",
        choices=("definition", "package", "logic-app"),
        default="definition",
        help="definition (default): the JSON of the workflow; package: a zip for Power Automate; logic-app: JSON for Azure Logic Apps",
    )
    p.add_argument("--anyway", action="store_true", help="compile a flow with errors, too")
    p.add_argument("--seed", metavar="TEXT", default="", help="what the ids of a package are made from (the flow)")
    p.add_argument("-o", "--output", metavar="OUT", default=STANDARD, help="where it goes (stdout)")
    catalog_options(p)


def _decompile_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a definition, template or workflow (.json), a package or solution (.zip), or - for stdin")
    p.add_argument("-o", "--output", metavar="OUT", default=STANDARD, help="where the flow goes (stdout); a folder, if there are several")
    catalog_options(p)


def _run_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a .flow file, - for stdin, or a workflow definition (.json, .zip)")
    p.add_argument("--trigger", metavar="DATA.json", help="what the trigger delivers: its body, or {body, headers, ...} (seeded)")
    p.add_argument("--seed", metavar="N", type=from_zero, default=0, help="other seeds give other data and other branches (0)")
    p.add_argument(
        "--fail",
        metavar="STEP",
        action="append",
        default=[],
        help="let a step fail: STEP, STEP=404, STEP=TimedOut, STEP=503x2 (the first two attempts); may be repeated",
    )
    p.add_argument("--steps", metavar="N", type=from_one, default=10_000, help="stop after so many steps (10000)")
    json_option(p)
    catalog_options(p)


VERBS = (
    Verb("check", "what is wrong with a flow, and where", check, _check_options, ("nl2dsl check monday.flow", "nl2dsl check --fix monday.flow", "nl2dsl check flows/ --json")),
    Verb("run", "what a flow does, on mock data", run, _run_options, (
        "nl2dsl run monday.flow --seed 3",
        "nl2dsl run approval.flow --fail Start_and_wait_for_an_approval=TimedOut",
    )),
    Verb("format", "the canonical form of a flow", format_, _format_options, ("nl2dsl format monday.flow", "nl2dsl format --check flows/")),
    Verb("compile", "a workflow definition, package or Logic App of a flow", compile_, _compile_options, (
        "nl2dsl compile monday.flow -o monday.json",
        "nl2dsl compile monday.flow --to package -o monday.zip",
    )),
    Verb("decompile", "the flows of a definition, package, solution or template", decompile, _decompile_options, (
        "nl2dsl decompile monday.json -o monday.flow",
        "nl2dsl decompile solution.zip -o flows",
    )),
)  # fmt: skip
