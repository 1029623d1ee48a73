"""The command line: one function a verb; what a verb can do, Python can do in one call (DESIGN §10 is the contract).

In: arguments. Out: data on stdout, talk and progress on stderr, and an exit code: 0 done, 1 the input had errors or was refused, 2 wrong usage or something that is
needed is not there. Heavy libraries are imported by the verb that needs them, so `nl2dsl check` starts at once. Nobody sees a traceback; `NL2DSL_DEBUG=1` shows it.
"""

from __future__ import annotations

import argparse
import os
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from nl2dsl import __version__
from nl2dsl.cli import catalogs, flows, learning, reviewing, writing
from nl2dsl.cli.common import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    WRONG_USAGE,
    Arguments,
    Verb,
    say,
    table,
    tell,
)
from nl2dsl.errors import CorpusError, Nl2DslError, UsageError

if TYPE_CHECKING:
    pass


GROUPS: dict[str, tuple[Verb, ...]] = {
    "write a flow": writing.VERBS,
    "work with flows": flows.VERBS,
    "know what flows can call": catalogs.VERBS,
    "make a model": (*learning.MAKE, *reviewing.VERBS),
    "judge it": learning.JUDGE,
}
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
        say("stopped")
        return INTERRUPTED
    except CorpusError as problem:
        tell(problem)
        return BAD_INPUT
    except Nl2DslError as problem:
        tell(problem)
        return WRONG_USAGE
    except Exception as problem:
        if os.environ.get("NL2DSL_DEBUG"):
            raise
        tell(_unforeseen(problem))
        return WRONG_USAGE


def _run(words: list[str]) -> int:
    if not words:
        say(_overview())
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
        table([(f"nl2dsl {v.name}", v.line) for v in VERBS.values() if v.name.startswith("catalog ")])
        return DONE if len(words) > 1 else WRONG_USAGE
    verb, rest = _verb(words)
    return verb.run(_parse(verb, rest))


_EXTRAS = {
    "torch": "train",
    "transformers": "train",
    "safetensors": "train",
    "nncf": "train",
    "tqdm": "train",
    "peft": "finetune",
    "accelerate": "finetune",
    "sqlalchemy": "serve",
    "pg8000": "serve",
}


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
