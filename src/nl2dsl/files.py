"""Reads and writes the files people hand over: texts, JSON and JSON lines, with errors that name the file and the line.

In: paths (`-` is standard input or output). Out: text, values, rows. What cannot be opened raises `UsageError`; rows that are wrong raise `CorpusError` with all
problems at once. A file that is written appears only when it is whole.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO, cast

from nl2dsl.errors import CorpusError, UsageError

STANDARD = "-"
_SHOWN = 5  # problems of one file that are told one by one
_UNPACKED = 1 << 30  # bytes of a packed file; more is no text of ours


def digest_of(path: Path) -> str:
    """sha256 of a file as it lies there; `OSError` when it cannot be opened."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_value(value: Any) -> str:
    """sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_bytes(path: str | Path) -> bytes:
    """The content of a file (unpacked if it is gzip)."""
    try:
        data = sys.stdin.buffer.read() if str(path) == STANDARD else Path(path).read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(_UNPACKED + 1)
            if len(data) > _UNPACKED:
                raise ValueError(f"unpacks to more than {_UNPACKED >> 20} MiB")
        return data
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise UsageError(f"{path}: {_why(problem, path)}", hint=_what_now(path)) from problem


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file (packed if its name ends in `.gz`); line ends and a byte order mark do not matter."""
    return decoded(read_bytes(path), path)


def decoded(data: bytes, path: str | Path) -> str:
    """The text of UTF-8 bytes (or UTF-16 with its mark, which PowerShell writes), which came from `path`, with line ends made `\\n` and no byte order mark."""
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{path}: not a text file in UTF-8", hint="is it the right file? a text in another encoding must be saved as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _why(problem: Exception, path: str | Path) -> str:
    if isinstance(problem, FileNotFoundError):
        return "no such file"
    if isinstance(problem, IsADirectoryError) or Path(path).is_dir():
        return "is a folder, not a file"
    return f"cannot be read: {getattr(problem, 'strerror', None) or problem}"


def _what_now(path: str | Path) -> str:
    """Names that look like the one that is not there."""
    from difflib import get_close_matches

    wanted = Path(path)
    try:
        names = [p.name for p in wanted.parent.iterdir()] if not wanted.exists() else []
        stems = [Path(n).stem for n in names]  # an ending that is the same makes no two names alike
        near = [
            n for n in get_close_matches(wanted.name, names, n=1, cutoff=0.7) if Path(n).stem in get_close_matches(wanted.stem, stems, cutoff=0.6)
        ]
    except (OSError, ValueError):
        near = []
    return f"did you mean `{wanted.parent / near[0]}`?" if near else ""


class Line(NamedTuple):
    """One JSON line: its number, from 1, and its value."""

    number: int
    row: dict[str, Any]


def read_rows(path: str | Path, need: dict[str, type] | None = None) -> list[Line]:
    """The objects of a JSON lines file; empty lines are skipped. `need` are keys that each row must have, with their type."""
    lines, problems = [], []
    for number, text in enumerate(read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            lines.append(Line(number, _row(text, need or {})))
        except ValueError as problem:
            problems.append(f"{path}:{number}: {problem}")
    if problems:
        more = [f"… and {len(problems) - _SHOWN} more lines"] if len(problems) > _SHOWN else []
        raise CorpusError("\n".join([*problems[:_SHOWN], *more]), hint="each line is one JSON object" + (f" with {_keys(need)}" if need else ""))
    return lines


def _row(text: str, need: dict[str, type]) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as problem:
        raise ValueError(f"not JSON: {problem.msg} (column {problem.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for key, kind in need.items():
        if not isinstance(row.get(key), kind):
            raise ValueError(f"`{key}` is {'not a text' if kind is str else f'not {kind.__name__}'}" if key in row else f"`{key}` is missing")
    return row


def _keys(need: dict[str, type]) -> str:
    return ", ".join(f"`{key}`" for key in need)


@contextmanager
def writing(path: str | Path) -> Iterator[IO[str]]:
    """A file to write to that takes its name when the block ends well, and leaves nothing behind when it does not; `-` is standard output."""
    if str(path) == STANDARD:
        yield sys.stdout
        return
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target}: is a folder, not a file", hint="give the name of a file in it")
    if target.exists() and not target.is_file():  # /dev/null, a pipe: nothing to rename onto
        with target.open("w", encoding="utf-8", errors="replace") as stream:
            yield stream
        return
    target = target.resolve()  # a link stays a link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", text=True)
    except OSError as problem:
        raise UsageError(f"{path}: cannot be written: {problem.strerror or problem}") from problem
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as stream:
            yield stream
        Path(name).chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())  # a temporary file is closed to others, this one is not
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    with writing(path) as stream:
        stream.write(text)


def write_bytes(path: str | Path, data: bytes) -> None:
    with writing(path) as stream:
        stream.flush()
        cast(TextIO, stream).buffer.write(data)


def write_rows(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    with writing(path) as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
