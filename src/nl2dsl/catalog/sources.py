"""The texts behind the paths a person gives: files, folders, archives, and what is packed in them.

In: a path to a file, a folder, or a .zip / .tar / .tar.gz / .tgz / .tar.bz2 / .tar.xz archive. Out: sources, each with a name to speak of it, the path its connector is named
after, and its text when asked for it. Nothing is unpacked to disk, one file is in memory at a time, and sizes are bounded: a file may have 64 MiB, an archive 1 GiB and
100,000 entries, unpacked. What cannot be read raises `CatalogError` with the name and the reason.
"""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from nl2dsl.errors import CatalogError

SUFFIXES = (".jsonl", ".json", ".yaml", ".yml", ".jsonl.gz", ".json.gz", ".yaml.gz", ".yml.gz")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
FILE_LIMIT = 64 << 20
ARCHIVE_LIMIT = 1 << 30
ENTRY_LIMIT = 100_000
GIVE = "give a catalog file, a folder, an archive, an OpenAPI file, an MCP tool list or JSON lines"
# What an archive or a packed file that is cut off or tampered with raises, all over the standard library.
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)


@dataclass(frozen=True)
class Source:
    """One file. `name` is how messages speak of it, `path` what its connector is named after, `given` whether a person named this very file."""

    name: str
    path: Path
    given: bool
    read: Callable[[], bytes]

    @property
    def suffix(self) -> str:
        return "".join(PurePosixPath(self.path.name.lower().removesuffix(".gz")).suffixes[-1:])

    def text(self) -> str:
        """The text, whatever its encoding. Raises `CatalogError`."""
        return decode(self.read(), self.name)


@contextmanager
def sources(path: str | Path) -> Iterator[list[Source]]:
    """The catalog files behind a path, in a fixed order; they can be read while the block lasts."""
    path = Path(path)
    try:
        there, folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as e:
        raise CatalogError(f"{path}: cannot be read: {e}", GIVE) from e
    if not there:
        raise CatalogError(f"{path}: no such file or folder", GIVE)
    if folder:
        yield _folder(path)
    elif path.name.lower().endswith(ARCHIVES):
        with _archive(path) as found:
            yield found
    else:
        yield [Source(str(path), path, True, lambda: _file(path))]


def _wanted(name: str) -> bool:
    """A file with a catalog's ending that no program keeps for itself (`.git`, `__MACOSX`, `node_modules`)."""
    parts = PurePosixPath(name).parts
    return name.lower().endswith(SUFFIXES) and not any(p.startswith(".") or p in ("__MACOSX", "node_modules") for p in parts)


def _folder(folder: Path) -> list[Source]:
    names = []
    for base, folders, files in os.walk(folder):
        folders.sort()
        inside = Path(base).relative_to(folder)
        names += [name for file in files if _wanted(name := (inside / file).as_posix())]
    found = sorted(p for name in names if (p := folder / name).is_file())
    if not found:
        raise CatalogError(f"{folder}: no catalog file in it", f"a folder should hold files ending in {', '.join(SUFFIXES)}")
    return [Source(str(p), p, False, lambda p=p: _file(p)) for p in found]  # type: ignore[misc]


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = _bounded(stream, str(path))
    except OSError as e:
        raise CatalogError(f"{path}: cannot be read: {e.strerror or e}", "is it complete and readable?") from e
    return _unpacked(data, str(path))


def _bounded(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise _too_large(name)
    return data


def _too_large(name: str) -> CatalogError:
    return CatalogError(f"{name}: larger than {FILE_LIMIT >> 20} MiB", "a description of an API is smaller; is it the right file?")


def _unpacked(data: bytes, name: str) -> bytes:
    """The bytes, gunzipped if they are packed; never more than `FILE_LIMIT` of them, whatever was packed."""
    if data[:2] != b"\x1f\x8b":
        return data
    whole = b""
    try:
        while data[:2] == b"\x1f\x8b":  # a file may be several packed ones in a row
            unpacker = zlib.decompressobj(wbits=31)
            whole += unpacker.decompress(data, FILE_LIMIT + 1 - len(whole))
            if len(whole) > FILE_LIMIT:
                raise _too_large(name)
            if not unpacker.eof:
                raise EOFError("the packed data ends too early")
            data = unpacker.unused_data
    except (zlib.error, EOFError) as e:
        raise CatalogError(f"{name}: cannot be read: {e}", "is it complete and readable?") from e
    return whole


# --- archives ------------------------------------------------------------------------------------------------------------------


@contextmanager
def _archive(path: Path) -> Iterator[list[Source]]:
    try:
        opened = zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path)  # noqa: SIM115 (closed below)
    except _BROKEN as e:
        raise CatalogError(
            f"{path}: not an archive that can be opened: {e or type(e).__name__}", "is it complete? unpack it and give the folder"
        ) from e
    with opened:
        try:
            found = _zipped(opened, path) if isinstance(opened, zipfile.ZipFile) else _tarred(opened, path)
        except _BROKEN as e:
            raise CatalogError(f"{path}: the archive is damaged: {e or type(e).__name__}", "fetch it again") from e
        if not found:
            raise CatalogError(f"{path}: no catalog file in it", f"an archive should hold files ending in {', '.join(SUFFIXES)}")
        yield found


def _member(archive: Path, name: str, size: int, stream: Callable[[], IO[bytes] | None]) -> Source:
    shown = f"{archive}:{name}"

    def read() -> bytes:
        if size > FILE_LIMIT:
            raise _too_large(shown)
        try:
            opened = stream()
            assert opened is not None  # only files come here
            with opened:
                return _unpacked(_bounded(opened, shown), shown)
        except _BROKEN as e:
            raise CatalogError(f"{shown}: cannot be read: {e or type(e).__name__}", "the archive is damaged or has a password") from e

    return Source(shown, Path(_stem(archive), name), False, read)


def _stem(archive: Path) -> str:
    suffix = next(s for s in sorted(ARCHIVES, key=len, reverse=True) if archive.name.lower().endswith(s))
    return archive.name[: -len(suffix)] or "archive"


def _counted(archive: Path, entries: Iterator[tuple[str, int]]) -> Iterator[str]:
    """The names of wanted entries, as long as the archive stays within its bounds."""
    total = 0
    for count, (name, size) in enumerate(entries, 1):
        total += size
        if count > ENTRY_LIMIT or total > ARCHIVE_LIMIT:
            raise CatalogError(
                f"{archive}: more than {ENTRY_LIMIT:,} entries or {ARCHIVE_LIMIT >> 30} GiB unpacked", "unpack it and give the folder that is meant"
            )
        yield name


def _zipped(archive: zipfile.ZipFile, path: Path) -> list[Source]:
    files = [i for i in archive.infolist() if not i.is_dir()]
    for _ in _counted(path, ((i.filename, i.file_size) for i in files)):
        pass
    return [_member(path, i.filename, i.file_size, lambda i=i: archive.open(i)) for i in files if _wanted(i.filename)]  # type: ignore[misc]


def _tarred(archive: tarfile.TarFile, path: Path) -> list[Source]:
    """In the order of the archive: it is packed as one stream, so reading back and forth would unpack it again and again."""
    kept: list[tarfile.TarInfo] = []

    def entries() -> Iterator[tuple[str, int]]:
        for info in archive:
            if info.isfile() and _wanted(info.name):
                kept.append(info)
            yield info.name, info.size

    for _ in _counted(path, entries()):
        pass
    return [_member(path, i.name, i.size, lambda i=i: archive.extractfile(i)) for i in kept]  # type: ignore[misc]


# --- encodings -----------------------------------------------------------------------------------------------------------------

_MARKS = ((b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def decode(data: bytes, name: str) -> str:
    """Text from bytes: by its byte order mark, else UTF-8, else Windows-1252. Raises `CatalogError` for what is no text."""
    encodings = next(([e] for mark, e in _MARKS if data.startswith(mark)), ["utf-8-sig", "cp1252"])
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise CatalogError(f"{name}: is not a text file", "save it as UTF-8")
