"""The command line: one function a verb; what a verb can do, Python can do in one call (DESIGN §10 is the contract).

In: arguments. Out: data on stdout, talk and progress on stderr, and an exit code: 0 done, 1 the input had errors or was refused, 2 wrong usage or something that is
needed is not there. Heavy libraries are imported by the verb that needs them, so `nl2dsl check` starts at once. Nobody sees a traceback; `NL2DSL_DEBUG=1` shows it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from nl2dsl import __version__
from nl2dsl.errors import CatalogError, CorpusError, EngineError, Nl2DslError, UsageError
from nl2dsl.files import STANDARD, decoded, read_bytes, read_rows, read_text, write_bytes, write_text, writing

if TYPE_CHECKING:
    from nl2dsl.catalog.model import Catalog, Operation
    from nl2dsl.dsl.diagnostics import Diagnostic
    from nl2dsl.dsl.tree import Flow
    from nl2dsl.generate import Generator
    from nl2dsl.outcome import Authored, Outcome
    from nl2dsl.textual import TextGenerator

    Writer = Generator | TextGenerator

_Row = TypeVar("_Row")
Arguments = argparse.Namespace
DONE, BAD_INPUT, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
_WARNINGS_SHOWN = 5


# --- write a flow --------------------------------------------------------------------------------------------------------------


def generate(args: Arguments) -> int:
    """Writes the flow that a sentence asks for; with --input, one for each row of a file.

    The flow goes to stdout; what a person must still say, and why there is no flow, goes to stderr. Rows of --input are JSON objects with `query` and, if you
    like, `id`; rows come out in the same order with the outcome of each, so that a failure of one is a row and not the end.
    """
    if bool(args.query) == bool(args.input):
        raise UsageError(
            "give a sentence or --input, not both" if args.query else "what should the flow do?",
            hint='nl2dsl generate "every Monday at 8 mail me the open tasks"',
        )
    rows = read_rows(args.input, {"query": str}) if args.input else []
    query = read_text(STANDARD).strip() if args.query == [STANDARD] else " ".join(args.query)
    if args.output and not args.input:
        raise UsageError("--output belongs to --input", hint="a single flow goes to stdout: nl2dsl generate ... > my.flow")
    generator = _generator(args)
    return _batch(generator, [line.row for line in rows], args) if args.input else _single(generator.generate(query, **_limit(args)), args)


def _generator(args: Arguments) -> Writer:
    if args.engine != "embedded":
        from nl2dsl.textual import TextGenerator

        return TextGenerator(args.engine, catalog=_own_catalog(args), constrain=args.constrain, shots=args.shots)
    from nl2dsl.generate import Generator

    return Generator(catalog=_own_catalog(args), engine=args.engine, constrain=args.constrain, shots=args.shots, model=args.model)


def _limit(args: Arguments) -> dict[str, int]:
    """Without the option, each engine has its own."""
    return {"max_tokens": args.max_tokens} if args.max_tokens else {}


def _single(outcome: Outcome, args: Arguments) -> int:
    from nl2dsl.outcome import Authored, row

    if args.json:
        print(json.dumps(row(outcome), ensure_ascii=False))
    elif isinstance(outcome, Authored):
        print(outcome.dsl.rstrip("\n"))
    if not args.json:
        _explain(outcome)
    return DONE if isinstance(outcome, Authored) else BAD_INPUT


def _explain(outcome: Outcome) -> None:
    """To the person at the terminal: what is missing, or why there is no flow."""
    from nl2dsl.outcome import Failed, Refused

    match outcome:
        case Refused(refusal=refusal):
            _say(f"refused ({refusal.category}): {refusal.message}")
        case Failed(diagnostics=diagnostics, attempt=attempt):
            _show(diagnostics, attempt, "request" if not attempt else "attempt", sys.stderr)
        case _:
            _show([d for d in outcome.diagnostics if d.severity != "info"], outcome.dsl, "flow", sys.stderr)
            _ask(outcome)


def _ask(outcome: Authored) -> None:
    if outcome.missing:
        _say("still to be said:")
    for m in outcome.missing:
        _say(f'  {m.operation} "{m.parameter}"' + (f": {m.title}" if m.title and m.title != m.parameter else "") + f" ({m.type})")


def _batch(generator: Writer, rows: list[dict[str, Any]], args: Arguments) -> int:
    from nl2dsl.outcome import row

    counts: Counter[str] = Counter()
    seconds: list[float] = []
    unreachable = 0
    with writing(args.output or STANDARD) as stream:
        for given in _progress(rows, "requests"):
            outcome, lost = _try(generator, given["query"], _limit(args))
            made = {"id": given.get("id"), **row(outcome)}
            stream.write(json.dumps(made, ensure_ascii=False) + "\n")
            stream.flush()
            counts[made["outcome"]] += 1
            seconds.append(made["seconds"].get("total", 0.0))
            unreachable += lost
    _say(
        f"{_n(len(rows), 'request')}: {_n(counts['flow'], 'flow')}, {_n(counts['refusal'], 'refusal')}, {_n(counts['failure'], 'failure')}"
        + _pace(seconds)
    )
    return BAD_INPUT if unreachable else DONE


def _try(generator: Writer, query: str, limit: dict[str, int]) -> tuple[Outcome, bool]:
    """The outcome; an engine that did not answer this once is a failure of this row, not of the batch."""
    from nl2dsl.dsl.diagnostics import Diagnostic
    from nl2dsl.outcome import Facts, Failed

    try:
        return generator.generate(query, **limit), False
    except EngineError as problem:
        return Failed(Facts(query), (Diagnostic("E001", str(problem), hint=problem.hint),)), True


def _pace(seconds: list[float]) -> str:
    return f"; {1000 * median(seconds):.0f} ms at the median" if seconds else ""


# --- the language --------------------------------------------------------------------------------------------------------------


def check(args: Arguments) -> int:
    """Says what is wrong with flows, where, and what to do about it.

    Findings go to stdout, one after the other in the manner of a good compiler, or as JSON lines. Only errors make the exit code 1; warnings and values that a
    person must still give do not. A folder stands for the .flow files below it, - for stdin.

    With --fix, changes that leave no doubt are made in the files (for - the mended text goes to stdout and the findings to stderr); what is left is shown. Everything else
    of a file stays as it is.
    """
    catalog = _flow_catalog(args)
    total: list[Diagnostic] = []

    def one(path: str) -> int:
        source, found = _mended(path, catalog) if args.fix else _looked(read_text(path), catalog)
        total.extend(found)
        stream = sys.stderr if args.fix and path == STANDARD else sys.stdout
        if args.json:
            _write_lines((_diagnostic_row(path, d) for d in found), stream)
        else:
            _show(found, source, path, stream)
        return BAD_INPUT if _has_errors(found) else DONE

    paths = _flow_files(args.files)
    code = _each(paths, one)
    from nl2dsl.dsl.diagnostics import summary

    _say(f"{_n(len(paths), 'file')}: {summary(total) or 'nothing to say'}")
    return code


def _looked(source: str, catalog: Catalog) -> tuple[str, list[Diagnostic]]:
    """The text and all findings with their fixes; a refusal is neither a flow nor a mistake."""
    from nl2dsl import refusal
    from nl2dsl.dsl import fix

    return source, [] if refusal.read(source) else fix.look(source, catalog)[1]


def _mended(path: str, catalog: Catalog) -> tuple[str, list[Diagnostic]]:
    """The text of a file after its safe fixes, which are written back with the line ends it had, and what is left to say."""
    from nl2dsl import refusal
    from nl2dsl.dsl import fix

    raw = read_bytes(path)
    source = decoded(raw, path)
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
        _say(f"{path}: {diagnostic.code}: {one.title}")
    return mended.source, list(mended.left)


def format_(args: Arguments) -> int:
    """Writes flows in their canonical form: in place, or to stdout with --stdout (and for - , which is stdin).

    With --check nothing is written: the files that would change are listed on stdout, and the exit code is 1 if there are any. Comments are kept. A flow that
    cannot be read is left as it is.
    """

    def one(path: str) -> int:
        source = read_text(path)
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
            _say(f"formatted {path}")
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
        _show(found, source, path, sys.stderr)
        return None
    return unparse(flow)


def compile_(args: Arguments) -> int:
    """Turns a flow into what Power Automate and Azure Logic Apps take.

    definition is the JSON of the workflow; package the zip for "Import package (legacy)" of Power Automate; logic-app the code view of a Consumption Logic App, whose calls
    name method and path: an operation whose path is not known is an error. A flow with errors is not compiled: they are shown on stderr. The same flow gives the
    same bytes; --seed gives a package other ids.
    """
    from nl2dsl.dsl import definition, logic_app, package

    if args.to == "package" and args.output == STANDARD and sys.stdout.isatty():
        raise UsageError("a package is a zip file, which a terminal cannot show", hint="-o FLOW.zip")
    catalog = _flow_catalog(args)
    source, flow, found = _read_flow(args.file, catalog)
    _show([d for d in found if d.severity != "info"], source, args.file, sys.stderr)
    if flow is None and not found:
        _say(f"{args.file}: a refusal has nothing to compile")
    if flow is None or _has_errors(found):
        return BAD_INPUT
    told: list[Diagnostic] = []
    if args.to == "package":
        name = "" if args.file == STANDARD else Path(args.file).stem
        made, told = package.write(flow, catalog, name, args.seed)
    elif args.to == "logic-app":
        app, told = logic_app.write(flow, catalog)
        made = _json(app).encode()
    else:
        made = _json(definition.compile(flow, catalog)).encode()
    _show(told, source, args.file, sys.stderr)
    if _has_errors(told):
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

    catalog = _flow_catalog(args)
    texts: list[tuple[str, str]] = []
    code = DONE
    data = read_bytes(args.file)
    if not archive.is_zip(data):
        decoded(data, args.file)
    try:
        found = flowfiles.find(data, args.file)
    except UsageError as problem:
        _tell(problem)
        return BAD_INPUT
    for one, name in zip(found, carrying.file_names(found), strict=True):
        if one.left_out:
            _say(f"{one.where}: not part of a flow, left out: {', '.join(one.left_out)}")
        try:
            texts.append((name, unparse(carrying.flow_of(one, catalog))))
        except (UsageError, RecursionError) as problem:  # the other flows of the file are still good
            _tell(UsageError(f"{one.where}: {problem}", getattr(problem, "hint", "")))
            code = BAD_INPUT
    return max(code, _write_flows(texts, args))


def _write_flows(texts: list[tuple[str, str]], args: Arguments) -> int:
    """One flow goes where --output says, several go into the folder it names."""
    folder = Path(args.output)
    into_folder = folder.is_dir() or (len(texts) > 1 and args.output != STANDARD and not folder.suffix)
    if len(texts) > 1 and not into_folder:
        names = ", ".join(name for name, _ in texts[:_WARNINGS_SHOWN])
        raise UsageError(f"{args.file}: holds {len(texts)} flows", hint=f"-o FOLDER writes each to a file there: {names} …")
    for name, text in texts:
        write_text(folder / name if into_folder else args.output, text)
        if into_folder:
            _say(str(folder / name))
    return DONE


def run(args: Arguments) -> int:
    """Runs a flow without the world and shows what it would do: the trace of its steps, and the side effects.

    Connectors are mock ones with seeded data, made from the catalog; the clock is virtual; nothing is sent. FILE is a flow, or a workflow definition, package or export that
    holds one. --trigger gives the data the trigger delivers, --fail lets a step fail so that the other paths can be seen. The exit code is 1 when the run failed.
    """
    from nl2dsl.simulator import Limits, render, to_json
    from nl2dsl.simulator import run as simulate

    catalog = _flow_catalog(args)
    flow = _runnable(args.file, catalog)
    if flow is None:
        return BAD_INPUT
    given = {"data": _json_of(args.trigger)} if args.trigger else {}
    done = simulate(flow, catalog, seed=args.seed, fail=args.fail, limits=Limits(steps=args.steps), **given)
    sys.stdout.write(_json(to_json(done)) if args.json else render(done) + "\n")
    return BAD_INPUT if done.status in ("Failed", "TimedOut", "Stopped") else DONE


def _runnable(path: str, catalog: Catalog) -> Flow | None:
    """The flow of a file that has no errors, or of a workflow definition in whatever it stands."""
    from nl2dsl.dsl import definition, flowfiles

    if path.lower().endswith((".json", ".zip")):
        found = flowfiles.find(read_bytes(path), path)
        if len(found) > 1:
            raise UsageError(f"{path}: {len(found)} flows in one file", hint="nl2dsl decompile FILE -o FOLDER, then run one of them")
        return definition.decompile(found[0].definition, catalog)
    source, flow, problems = _read_flow(path, catalog)
    _show([d for d in problems if d.severity == "error"], source, path, sys.stderr)
    if flow is None and not problems:
        _say(f"{path}: a refusal has nothing to run")
    return None if _has_errors(problems) else flow


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

    source = read_text(path)
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
            _tell(problem)
            worst = WRONG_USAGE
    return worst


def _diagnostic_row(path: str, d: Diagnostic) -> dict[str, Any]:
    place = {"line": d.span.line, "column": d.span.column}
    fixes = [{"title": f.title, "safe": f.safe, "edits": [e._asdict() for e in f.edits]} for f in d.fixes]
    return {"file": path, "code": d.code, "severity": d.severity, "message": d.message, "hint": d.hint, **place, "fixes": fixes}


def _has_errors(found: Iterable[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in found)


# --- the catalog ---------------------------------------------------------------------------------------------------------------


def catalog_list(args: Arguments) -> int:
    """Lists connectors: id, title, number of operations."""
    catalog = _catalog(args)
    connectors = [(c.name or "(none)", c.title, len(catalog.ids(c.name))) for c in catalog.connectors.values() if catalog.ids(c.name)]
    if args.json:
        _write_lines({"connector": name, "title": title, "operations": count} for name, title, count in connectors)
    else:
        _table([(name, title, _n(count, "operation")) for name, title, count in sorted(connectors)])
        _say(f"{_n(len(connectors), 'connector')}, {_n(len(catalog), 'operation')}")
    return DONE


def catalog_show(args: Arguments) -> int:
    """Shows the operations of a connector, or one operation with its parameters and outputs."""
    catalog = _catalog(args)
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

        _write_lines(operation_row(o) for o in shown)
    elif operation:
        _signature(operation)
    else:
        _table([_operation_line(o) for o in shown])
    return DONE


def catalog_search(args: Arguments) -> int:
    """Finds operations by words, best first."""
    from nl2dsl.catalog.search import search

    found = search(_catalog(args), " ".join(args.words), args.n)
    if args.json:
        _write_lines({"id": o.id, "kind": o.kind, "title": o.title, "summary": o.summary} for o in found)
    else:
        _table([_operation_line(o) for o in found])
    if not found:
        _say("nothing fits; other words may: nl2dsl catalog search send mail")
    return DONE if found else BAD_INPUT


def catalog_import(args: Arguments) -> int:
    """Reads OpenAPI 2/3 files (JSON, YAML), MCP tool lists, catalog files, JSON lines {"id", "description"}, folders and archives of these, and writes one catalog file.

    The file is what --catalog takes; the same input gives the same bytes. A file that cannot be used is skipped, with the reason on stderr, and the exit code is 1; the rest is
    imported. With --json what became of each file goes to stdout.
    """
    from nl2dsl.catalog import read

    if Path(args.output).is_dir():
        raise UsageError(f"{args.output}: is a folder, not a file", hint="give the name of a file in it, such as catalog.jsonl.gz")
    found = read.gather(args.paths, args.with_builtin, args.name or "", lambda sources: _progress(sources, "files"))
    refused = [r for r in found.reports if r.reason and not r.aside]
    done = [r for r in found.reports if not r.reason]
    if args.json:
        _write_lines(r._asdict() for r in found.reports)
    if not done:
        raise CatalogError(found.reports[0].reason, found.reports[0].hint)
    read.write(found.catalog, args.output)
    _warn(found.catalog)
    for r in refused:
        _say(f"skipped {r.reason}" + (f"\n  hint: {r.hint}" if r.hint else ""))
    aside = [r.name for r in found.reports if r.aside]
    if aside:
        _say(f"left aside {_n(len(aside), 'file')} that describe no operations: {', '.join(aside[:3])}{' …' if len(aside) > 3 else ''}")
    used = sum(1 for name in found.catalog.connectors if found.catalog.ids(name))
    files = f"{_n(len(done), 'file')}" + (f", {len(refused):,} skipped" if refused else "")
    _say(f"{args.output}: {_n(len(found.catalog), 'operation')} of {_n(used, 'connector')} from {files}")
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
    found = [i for name, text in _progress(texts, "flows") if (i := judge.impact(name, text))]
    if args.json:
        print(_json(impact.report_row(old, new, changes, verdicts, found, len(texts))), end="")
    else:
        _show_diff(changes, verdicts, found, args.all)
    breaking = sum(c.breaking for c in changes)
    broken = [i for i in found if i.breaks]
    _say(f"{_n(len(changes), 'change')}, {breaking:,} may break flows" + (f"; {len(broken):,} of {_n(len(texts), 'flow')} break" if texts else ""))
    return BAD_INPUT if broken or any(b for b, _ in verdicts.values()) or (not args.flows and breaking) else DONE


def _either_catalog(path: str) -> Catalog:
    from nl2dsl.catalog import read

    if path == "builtin" and not Path(path).exists():
        return read.builtin()
    catalog = read.load(path)
    _warn(catalog)
    return catalog


def _show_diff(changes: list[Any], verdicts: dict[str, tuple[bool, str]], found: list[Any], everything: bool) -> None:
    """Breaking changes first, the others counted by kind unless all are wanted; then each flow with its findings."""
    for heading, shown in (("may break flows", [c for c in changes if c.breaking]), ("safe", [c for c in changes if not c.breaking and everything])):
        if shown:
            print(heading)
            _table([(c.operation, c.what, c.parameter, " → ".join(v for v in (c.old, c.new) if v), c.hint) for c in shown], "  ")
    safe = Counter(c.what for c in changes if not c.breaking)
    if safe and not everything:
        print(f"safe: {', '.join(f'{count:,} × {what}' for what, count in sorted(safe.items()))} (--all lists them)")
    for path, (breaks, verdict) in verdicts.items():
        print(f"{'breaks' if breaks else 'fine'}: {path} {verdict}")
    for i in found:
        if i.unreadable:
            print(f"{i.name}: cannot be read: {i.unreadable}\n")
        _show([*i.breaks, *i.notes], i.text, i.name, sys.stdout)


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
            _table(lines, "  ")


def _parameter_line(p: Any) -> tuple[str, str, str]:
    notes = [p.title] if p.title and p.title != p.name else []
    notes += ["required"] if p.required else []
    notes += [f"one of {', '.join(p.enum)}"] if p.enum else []
    notes += [f"default {json.dumps(p.default, ensure_ascii=False)}"] if p.default is not None else []
    notes += [f'and any "{p.name}/..."'] if p.open else []
    return p.name, p.type, "; ".join(notes)


# --- learn ---------------------------------------------------------------------------------------------------------------------


def corpus(args: Arguments) -> int:
    """Builds the corpus a recipe describes: requests with the flows they ask for."""
    from nl2dsl.corpus.build import build_recipe

    build_recipe(args.recipe, args.overrides)
    return DONE


def train(args: Arguments) -> int:
    """Trains the model a recipe describes and exports it to the folder the recipe names."""
    from nl2dsl.training.embedded import train_recipe

    _say(f"the model is in {train_recipe(args.recipe, args.overrides)}")
    return DONE


# --- judge ---------------------------------------------------------------------------------------------------------------------


def evaluate(args: Arguments) -> int:
    """Asks a model for every row of a recipe and keeps all it answers in a run folder.

    A run that was killed goes on where it was when it is started again. The folder's name goes to stdout; `nl2dsl report` makes figures of it.
    """
    from nl2dsl.evaluation.run import evaluate_recipe

    folder = evaluate_recipe(args.recipe, args.overrides)
    print(folder)
    _say(f"every answer is kept; see the figures: nl2dsl report {folder}")
    return DONE


def report(args: Arguments) -> int:
    """Figures of runs: every measure with n and a 95 % interval, comparisons on the same rows, slices, mistakes.

    The short form goes to stdout. -o writes the whole: .md Markdown, .html one page with plots and every answer, .json for other programs; it may be repeated.
    """
    from nl2dsl.evaluation import report as reports

    found = reports.open_runs(args.runs, args.partial)
    for path in args.output:
        reports.write(found, path)
        _say(f"wrote {path}")
    if not args.quiet:
        reports.show(found)
    return DONE


# --- arguments -----------------------------------------------------------------------------------------------------------------


def _catalog_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--catalog",
        metavar="PATH",
        action="append",
        default=[],
        help="operations to use instead of the built-in ones: a catalog file, OpenAPI, JSON lines or a folder; may be repeated",
    )
    p.add_argument("--with-builtin", action="store_true", help="use the built-in catalog as well")


def _json_option(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", action="store_true", help="JSON instead of text")


def _generate_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("query", metavar="QUERY", nargs="*", help="what the flow should do, as a sentence; - reads it from stdin")
    p.add_argument("--input", metavar="ROWS.jsonl", help='requests, one JSON object a line: {"id": ..., "query": "..."}; - is stdin')
    p.add_argument("--output", metavar="OUT.jsonl", help="where the rows of --input go (stdout)")
    p.add_argument(
        "--json", action="store_true", help="print the whole outcome as one JSON object: flow, workflow, operations, missing values, timings"
    )
    _catalog_options(p)
    p.add_argument("--engine", metavar="ENGINE", default="embedded", help="what writes the flow: embedded (default), openai:URL#MODEL or replay:FILE")
    p.add_argument(
        "--constrain",
        choices=("typed", "grammar", "none"),
        default="typed",
        help="what the model is held to: grammar, catalog and types (typed, default), the grammar, or nothing; a text engine is asked to mend its answer",
    )
    p.add_argument("--shots", metavar="N", type=_count, default=0, help="examples in the prompt of a text engine (0)")
    p.add_argument("--max-tokens", metavar="N", type=_positive, help="the most the model may write (256 decisions; 1024 tokens for a text engine)")
    p.add_argument("--model", metavar="DIR", type=Path, help="a model folder instead of the one that ships")


def _check_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("files", metavar="FILE", nargs="+", help="a .flow file, a folder of them, or - for stdin")
    p.add_argument("--fix", action="store_true", help="make the changes that leave no doubt, in the files")
    _json_option(p)
    _catalog_options(p)


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
    p.add_argument("--seed", metavar="TEXT", default="", help="what the ids of a package are made from (the flow)")
    p.add_argument("-o", "--output", metavar="OUT", default=STANDARD, help="where it goes (stdout)")
    _catalog_options(p)


def _decompile_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a definition, template or workflow (.json), a package or solution (.zip), or - for stdin")
    p.add_argument("-o", "--output", metavar="OUT", default=STANDARD, help="where the flow goes (stdout); a folder, if there are several")
    _catalog_options(p)


def _run_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a .flow file, - for stdin, or a workflow definition (.json, .zip)")
    p.add_argument("--trigger", metavar="DATA.json", help="what the trigger delivers: its body, or {body, headers, ...} (seeded)")
    p.add_argument("--seed", metavar="N", type=_count, default=0, help="other seeds give other data and other branches (0)")
    p.add_argument(
        "--fail",
        metavar="STEP",
        action="append",
        default=[],
        help="let a step fail: STEP, STEP=404, STEP=TimedOut, STEP=503x2 (the first two attempts); may be repeated",
    )
    p.add_argument("--steps", metavar="N", type=_positive, default=10_000, help="stop after so many steps (10000)")
    _json_option(p)
    _catalog_options(p)


def _list_options(p: argparse.ArgumentParser) -> None:
    _json_option(p)
    _catalog_options(p)


def _show_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("name", metavar="CONNECTOR[.OPERATION]")
    _list_options(p)


def _search_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("words", metavar="WORDS", nargs="+")
    p.add_argument("-n", metavar="N", type=_positive, default=10, help="the most operations to show (10)")
    _list_options(p)


def _import_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("paths", metavar="PATH", nargs="+", help="OpenAPI file (JSON, YAML), MCP tool list, catalog file, JSON lines, folder, .zip or .tar.gz")
    p.add_argument("-o", "--output", metavar="FILE", required=True, help="the catalog file to write; packed if the name ends in .gz")
    p.add_argument("--name", metavar="ID", type=_connector, help="the connector's id, such as shared_shop (made from the file's name)")
    p.add_argument("--with-builtin", action="store_true", help="put the built-in catalog in, too")
    _json_option(p)


def _connector(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_$][\w$-]*", text):
        raise argparse.ArgumentTypeError(f"`{text}` is no connector id: letters, digits, `_` and `-`, such as shared_shop")
    return text


def _diff_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("old", metavar="OLD", help="the catalog as it was: whatever --catalog takes, or builtin")
    p.add_argument("new", metavar="NEW", help="the catalog as it is now")
    p.add_argument("--flows", metavar="PATH", nargs="+", action="extend", default=[], help="flows, folders, corpora (.jsonl) or model cards to be judged")
    p.add_argument("--all", action="store_true", help="list the safe changes, too")
    _json_option(p)


def _recipe_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("recipe", metavar="RECIPE", help="a TOML file")
    p.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="values that replace those of the recipe")


def _report_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("runs", metavar="RUN", nargs="+", help="a run folder that `nl2dsl evaluate` made; several are compared, each with the ones before it")
    p.add_argument("-o", "--output", metavar="FILE", action="append", default=[], help="write the whole report: .md, .html or .json; may be repeated")
    p.add_argument("--partial", action="store_true", help="also runs that are not finished")
    p.add_argument("--quiet", action="store_true", help="nothing on stdout")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 0")
    return int(text)


def _positive(text: str) -> int:
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


GROUPS: dict[str, tuple[Verb, ...]] = {
    "write a flow": (
        Verb("generate", "a flow from a sentence, or a file of them", generate, _generate_options, (
            'nl2dsl generate "When a form is answered, post it to the Sales channel in Teams"',
            'nl2dsl generate "every Monday at 8 mail me the weather" > monday.flow',
            "nl2dsl generate --input requests.jsonl --output flows.jsonl",
        )),
    ),
    "work with flows": (
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
    ),
    "know what flows can call": (
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
    ),
    "make a model": (
        Verb("corpus", "a training corpus from a recipe", corpus, _recipe_options, ("nl2dsl corpus recipes/corpus/default.toml",)),
        Verb("train", "a model from a recipe", train, _recipe_options, ("nl2dsl train recipes/train/embedded.toml",)),
    ),
    "judge it": (
        Verb("evaluate", "all answers of a model to a set of requests", evaluate, _recipe_options, (
            "nl2dsl evaluate recipes/evaluate/smoke.toml",
            "nl2dsl evaluate recipes/evaluate/smoke.toml rows=build/corpus/test.jsonl limit=200 model=build/embedded out=build/evaluate/new",
        )),
        Verb("report", "figures with intervals, comparisons, mistakes", report, _report_options, (
            "nl2dsl report build/evaluate/smoke",
            "nl2dsl report build/evaluate/old build/evaluate/new -o report.html",
        )),
    ),
}  # fmt: skip
VERBS = {verb.name: verb for verbs in GROUPS.values() for verb in verbs}
PLANNED = ("tenant", "serve", "load", "rollout")


class _Parser(argparse.ArgumentParser):
    """argparse whose mistakes are our exceptions."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")


def _overview() -> str:
    width = max(map(len, VERBS)) + 2
    lines = [
        "nl2dsl: a sentence in, a checked workflow out",
        "",
        "usage: nl2dsl VERB ...",
        "",
        "start here:",
        '  nl2dsl generate "Every weekday at 7 send me the weather for Oslo"',
        "",
    ]
    for title, verbs in GROUPS.items():
        lines += [f"{title}:", *(f"  {v.name:{width}}{v.line}" for v in verbs), ""]
    lines += [
        "`nl2dsl VERB --help` explains a verb with examples; `nl2dsl --version` tells the version.",
        "exit codes: 0 done, 1 the input had errors or was refused, 2 wrong usage",
    ]
    return "\n".join(lines)


def _verb(words: list[str]) -> tuple[Verb, list[str]]:
    """The verb a command line begins with, and the rest of it."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if len(words) >= length and name in VERBS:
            return VERBS[name], words[length:]
    name = " ".join(words[:2]) if words[0] == "catalog" else words[0]
    if name in PLANNED:
        raise UsageError(f"`nl2dsl {name}` is not available yet", hint="`nl2dsl --help` lists what is")
    near = get_close_matches(" ".join(words[:2]), VERBS, n=1, cutoff=0.6) or get_close_matches(name, VERBS, n=1, cutoff=0.5)
    raise UsageError(f"there is no verb `{name}`", hint=f"did you mean `nl2dsl {near[0]}`?" if near else "`nl2dsl --help` lists the verbs")


def _parse(verb: Verb, words: list[str]) -> Arguments:
    examples = "\n".join(["examples:", *(f"  {e}" for e in verb.examples)])
    parser = _Parser(
        prog=f"nl2dsl {verb.name}",
        description=_unindented(verb.run.__doc__ or ""),
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.options(parser)
    return parser.parse_args(words)


def _unindented(docstring: str) -> str:
    from inspect import cleandoc

    return cleandoc(docstring)


# --- catalogs ------------------------------------------------------------------------------------------------------------------


def _own_catalog(args: Arguments) -> Catalog | None:
    """The catalog of the options, if there are any."""
    if not args.catalog:
        return None
    from nl2dsl.catalog import read

    catalog = read.load(args.catalog, args.with_builtin)
    _warn(catalog)
    return catalog


def _catalog(args: Arguments) -> Catalog:
    from nl2dsl.catalog import read

    return _own_catalog(args) or read.builtin()


def _flow_catalog(args: Arguments) -> Catalog:
    """What a flow may call: triggers and actions of the platform itself are there with every catalog."""
    from nl2dsl.catalog import read

    own = _own_catalog(args)
    return read.with_platform(own) if own else read.builtin()


def _warn(catalog: Catalog) -> None:
    for warning in catalog.warnings[:_WARNINGS_SHOWN]:
        _say(f"warning: {warning}")
    if len(catalog.warnings) > _WARNINGS_SHOWN:
        _say(f"warning: … and {len(catalog.warnings) - _WARNINGS_SHOWN:,} more")


# --- talking -------------------------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(problem: Nl2DslError) -> None:
    red, bold, off = ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") if _colour(sys.stderr) else ("", "", "")
    _say(f"{red}error{off}{bold}: {problem}{off}")
    if problem.hint:
        _say(f"  hint: {problem.hint}")


def _show(found: Iterable[Diagnostic], source: str, path: str, stream: IO[str]) -> None:
    from nl2dsl.dsl.diagnostics import render

    for diagnostic in found:
        print(render(diagnostic, source, path, _colour(stream)), end="\n\n", file=stream)


def _colour(stream: IO[str]) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _progress(rows: Sequence[_Row], what: str) -> Iterator[_Row]:
    """The rows, with a bar on stderr if someone is looking."""
    if not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(rows, description=what, console=Console(stderr=True), transient=True)


def _table(rows: Iterable[tuple[str, ...]], indent: str = "") -> None:
    rows = list(rows)
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]) if rows else 0)]
    for row in rows:
        print((indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip())


def _n(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _write_lines(rows: Iterable[dict[str, Any]], stream: IO[str] | None = None) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), file=stream or sys.stdout)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


# --- the program ---------------------------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    for stream in (sys.stdout, sys.stderr):  # UTF-8 whatever the locale says; what cannot be written is shown as an escape
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has seen enough: `nl2dsl catalog list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        _say("stopped")
        return INTERRUPTED
    except CorpusError as problem:
        _tell(problem)
        return BAD_INPUT
    except Nl2DslError as problem:
        _tell(problem)
        return WRONG_USAGE
    except Exception as problem:
        if os.environ.get("NL2DSL_DEBUG"):
            raise
        _tell(_unforeseen(problem))
        return WRONG_USAGE


def _run(words: list[str]) -> int:
    if not words:
        _say(_overview())
        return WRONG_USAGE
    if words[0] in ("-h", "--help", "help"):
        if len(words) == 1:
            print(_overview())
            return DONE
        words = [*words[1:], "--help"]
    if words[0] in ("-V", "--version"):
        print(f"nl2dsl {__version__}")
        return DONE
    if words[0] == "catalog" and (len(words) == 1 or words[1] in ("-h", "--help")):
        _table([(f"nl2dsl {v.name}", v.line) for v in VERBS.values() if v.name.startswith("catalog ")])
        return DONE if len(words) > 1 else WRONG_USAGE
    verb, rest = _verb(words)
    return verb.run(_parse(verb, rest))


_EXTRAS = {"torch": "train", "transformers": "train", "safetensors": "train", "nncf": "train", "tqdm": "train"}


def _unforeseen(problem: Exception) -> Nl2DslError:
    """What nobody caught, in words."""
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        module = problem.name.split(".")[0]
        if module in _EXTRAS:
            return UsageError(f"this needs the package `{module}`", hint=f"pip install 'nl2dsl[{_EXTRAS[module]}]'")
        return UsageError(f"`{problem.name}` is not installed", hint="is the installation complete? pip install nl2dsl")
    if isinstance(problem, OSError):
        name = f"{problem.filename}: " if problem.filename else ""
        return UsageError(f"{name}{problem.strerror or problem}")
    return UsageError(f"something went wrong inside nl2dsl: {type(problem).__name__}: {problem}", hint="NL2DSL_DEBUG=1 shows where; please report it")
