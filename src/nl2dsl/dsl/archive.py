"""Zip files from strangers, read in memory and within limits: nothing is ever unpacked to a disk.

In: the bytes of a zip. Out: its members by name, read one by one. Whatever is wrong with it (broken, cut off, encrypted, a bomb, names that point outside,
two members of one name) is a `UsageError` that says what and where.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from nl2dsl.errors import UsageError

MEMBERS = 20_000  # of one archive
MEMBER_BYTES = 64 << 20  # one unpacked file
TOTAL_BYTES = 256 << 20  # all unpacked files of one reading, archives inside archives included
NESTED = 3  # archives inside archives
_ENCRYPTED = 0x1
_UNPACKED = "unpack it yourself if you trust it, and give the JSON files inside"


@dataclass(slots=True)
class Budget:
    """How much may still be unpacked in one reading."""

    left: int = TOTAL_BYTES

    def spend(self, size: int, where: str) -> None:
        self.left -= size
        if self.left < 0:
            raise UsageError(f"{where}: unpacks to more than {TOTAL_BYTES >> 20} MiB", _UNPACKED)


@dataclass(slots=True)
class Archive:
    """An open zip; `names` are its files in order, `read` unpacks one. Raises `UsageError` for all that is wrong with it."""

    data: bytes
    where: str
    budget: Budget = field(default_factory=Budget)
    _zip: zipfile.ZipFile = field(init=False, repr=False)
    _infos: dict[str, zipfile.ZipInfo] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(self.data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, OSError) as problem:
            raise UsageError(f"{self.where}: this is no complete zip file: {problem}", "was it downloaded completely?") from problem
        infos = self._zip.infolist()
        if len(infos) > MEMBERS:
            raise UsageError(f"{self.where}: holds {len(infos):,} files, more than {MEMBERS:,}", _UNPACKED)
        for info in infos:
            if not info.filename.endswith("/"):  # a folder
                self._admit(info)

    def _admit(self, info: zipfile.ZipInfo) -> None:
        name = info.filename.replace("\\", "/")
        if not name or name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
            raise UsageError(f"{self.where}: the file `{_shown(name)}` in it points outside of the archive", "this zip was not made by an export")
        if name in self._infos:
            raise UsageError(f"{self.where}: two files in it are called `{_shown(name)}`", "this zip was not made by an export")
        self._infos[name] = info

    def names(self) -> Iterator[str]:
        yield from self._infos

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    def read(self, name: str) -> bytes:
        info, where = self._infos[name], f"{self.where}!{_shown(name)}"
        if info.flag_bits & _ENCRYPTED:
            raise UsageError(f"{where}: is encrypted", "exports have no password; unpack it and give the JSON files inside")
        if info.file_size > MEMBER_BYTES:
            raise UsageError(f"{where}: unpacks to more than {MEMBER_BYTES >> 20} MiB", _UNPACKED)
        self.budget.spend(info.file_size, self.where)
        try:
            return self._zip.read(info)  # never more than `file_size`, whatever the packed data hold
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, zlib.error) as problem:
            raise UsageError(f"{where}: cannot be unpacked: {problem}", "was it downloaded completely?") from problem


def is_zip(data: bytes) -> bool:
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:120]
