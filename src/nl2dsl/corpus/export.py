"""A corpus as Parquet, for `datasets` and other tools that read columns.

In: the folder of a corpus. Out: `parquet/NAME.parquet` for each file of rows; the same rows give the same bytes with the same pyarrow. `rows` is the way back. Needs the extra `export`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nl2dsl.errors import CorpusError, UsageError
from nl2dsl.example import Example

_BLOCK = 64 << 20  # bytes that are read at a time; no row is longer


def parquet(folder: Path) -> list[Path]:
    """Writes the rows of a corpus as Parquet and returns the files. Raises `UsageError` without pyarrow, `CorpusError` where there are no rows."""
    arrow, writer = _arrow()
    names = ("train", "validation", "test", "unseen")
    files = [*(f"{n}.jsonl" for n in names), *(f"flows-{n}.jsonl" for n in names), "paraphrases.jsonl", "enriched.jsonl"]
    there = [folder / f for f in files if (folder / f).is_file() and (folder / f).stat().st_size]
    if not there:
        raise CorpusError(f"no corpus rows in {folder}", hint="build it: nl2dsl corpus recipes/corpus/default.toml")
    (folder / "parquet").mkdir(exist_ok=True)
    return [_written(file, arrow, writer) for file in there]


def _written(file: Path, arrow: Any, writer: Any) -> Path:
    from pyarrow import json as reading

    options = {"block_size": _BLOCK, "use_threads": False}
    try:
        table = reading.read_json(
            file, reading.ReadOptions(**options), reading.ParseOptions(explicit_schema=_schema(arrow, file.stem), unexpected_field_behavior="error")
        )
    except arrow.ArrowInvalid as problem:
        raise CorpusError(f"{file}: {problem}", hint="is it a file of this corpus?") from problem
    made = file.parent / "parquet" / f"{file.stem}.parquet"
    beside = made.with_name(f"{made.name}.new")
    writer.write_table(table, beside, compression="zstd")
    beside.replace(made)
    return made


def _schema(arrow: Any, name: str) -> Any:
    texts = arrow.list_(arrow.string())
    if name != "enriched":
        return arrow.schema(
            [(c, texts if c == "operations" else arrow.string()) for c in ("id", "query", "sketch", "dsl", "operations", "source", "split")]
        )
    shots = arrow.list_(arrow.struct([(c, arrow.string()) for c in ("id", "query", "dsl")]))
    lists = {"operations": texts, "signatures": texts, "shots": shots}
    columns = ("id", "query", "dsl", "operations", "signatures", "shots", "steps", "instruction", "source", "split")
    return arrow.schema([(c, lists.get(c, arrow.string())) for c in columns])


def rows(file: Path) -> Iterator[Example]:
    """The rows of a Parquet file of this module. Raises `UsageError` without pyarrow, `CorpusError` for another file."""
    arrow, reader = _arrow()
    try:
        with reader.ParquetFile(file) as opened:
            for batch in opened.iter_batches():
                for row in batch.to_pylist():
                    yield Example(**{**row, "operations": tuple(row["operations"])})
    except (OSError, TypeError, KeyError, arrow.ArrowInvalid) as problem:
        raise CorpusError(f"{file}: not rows of a corpus: {problem}") from problem


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as problem:
        raise UsageError("Parquet needs pyarrow, which is not installed", hint="pip install 'nl2dsl[export]'") from problem
    return pyarrow, pyarrow.parquet


__all__ = ["parquet", "rows"]
