"""Records of a Parquet file, read in a process of its own: a damaged file can abort the process that reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedback_db.errors import FeedbackError
from feedback_db.exchange.table import from_row
from feedback_db.records.lines import from_json, to_json
from feedback_db.records.people import Record

if TYPE_CHECKING:
    from pyarrow import Array
    from pyarrow.parquet import FileMetaData, ParquetFile

MAX_SECONDS = 1800.0
MAX_MEMORY_BYTES = 4 << 30
"""Of the process's address space, where the machine can limit it."""

_MAX_COLUMNS = 200
_MAX_GROUP_BYTES = 2**30
_MAX_GROUP_VALUES = 50_000_000
_ROWS_AT_ONCE = 64


def records(path: Path, max_rows: int, max_cell_bytes: int) -> Iterator[tuple[int, Record | str]]:
    """Yield each row's number, from 1, and its record, or why it is none.

    Args:
        path: The file.
        max_rows: It may have at most so many.
        max_cell_bytes: Of one text, where a few bytes can stand for many.

    Raises:
        FeedbackError: The file is no Parquet, is damaged, or claims more than is read.
    """
    command = [sys.executable, "-m", "feedback_db.exchange.parquet_rows", str(path.absolute()), str(max_rows)]
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                [*command, str(max_cell_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,  # what a library says while it dies
                cwd=Path(__file__).parents[2],  # so that this package is found, installed or not
                env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
                timeout=MAX_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FeedbackError(f"{path}: reading took more than {MAX_SECONDS:.0f} s; split the file") from error
        output.seek(0)
        for line in output:
            told = json.loads(line) if line.endswith(b"\n") else {}  # a process that dies may leave half a line
            if "error" in told:
                raise FeedbackError(told["error"].replace("{path}", str(path)))
            if "record" in told:
                yield told["row"], from_json(told["record"])
            elif "problem" in told:
                yield told["row"], told["problem"]
    if done.returncode:
        raise FeedbackError(
            f"{path}: the reader failed on this file (code {done.returncode}), wanted an undamaged Parquet file"
        )


def _answer() -> None:
    """Read the file of the first argument within the limits of the others, and answer in lines of JSON."""
    path, max_rows, max_cell_bytes = Path(sys.argv[1]), *map(int, sys.argv[2:])
    _confine()
    try:
        for number, row in enumerate(_rows(path, max_rows, max_cell_bytes), 1):
            try:
                told: dict[str, object] = {"row": number, "record": to_json(from_row(row))}
            except FeedbackError as error:
                told = {"row": number, "problem": str(error)}
            sys.stdout.write(json.dumps(told) + "\n")
    except FeedbackError as error:
        sys.stdout.write(json.dumps({"error": str(error).replace(str(path), "{path}")}) + "\n")


def _confine() -> None:
    try:
        import resource
    except ImportError:  # not a Unix
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _rows(path: Path, max_rows: int, max_cell_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield rows, a few read at a time: a small file may claim a billion rows, or one long text in each."""
    import pyarrow
    from pyarrow import parquet

    try:
        texts = _checked_texts(path, parquet.read_metadata(path), max_rows)
        # Kept as dictionaries, repeated texts stay as small as they are in the file.
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            yield from _batches(path, file, max_cell_bytes)
    except OSError as error:
        raise FeedbackError(f"{path} cannot be read ({error.strerror or error})") from error
    except (pyarrow.ArrowException, RuntimeError, ValueError, OverflowError, MemoryError) as error:
        # Not all that the library raises is its own.
        raise FeedbackError(f"{path} is no readable Parquet file ({error})") from error


def _checked_texts(path: Path, metadata: FileMetaData, max_rows: int) -> list[str]:
    """Return the names of a Parquet file's columns of text.

    Raises:
        FeedbackError: It claims more than is read.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = max(
        (group.column(number).num_values for group in groups for number in range(group.num_columns)), default=0
    )
    claimed = {
        "rows": (metadata.num_rows, max_rows),
        "columns": (metadata.num_columns, _MAX_COLUMNS),
        "bytes in a row group": (max((group.total_byte_size for group in groups), default=0), _MAX_GROUP_BYTES),
        "values in a row group": (values, _MAX_GROUP_VALUES),
    }
    for name, (found, most) in claimed.items():
        if found > most:
            raise FeedbackError(f"{path}: found {found:,} {name}, wanted at most {most:,}")
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _batches(path: Path, file: ParquetFile, max_cell_bytes: int) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if _longest(column) > max_cell_bytes:
                raise FeedbackError(
                    f"{path}: found a text of {_longest(column):,} bytes in {name}, wanted shorter ones"
                )
        yield from batch.to_pylist()


def _longest(column: Array) -> int:
    """Return the bytes of the longest text in a column, or in its lists; 0 where there is none."""
    import pyarrow
    from pyarrow import compute

    while pyarrow.types.is_list(column.type) or pyarrow.types.is_large_list(column.type):
        column = column.flatten()
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_binary(column.type):
        return compute.max(compute.binary_length(column)).as_py() or 0
    return 0


if __name__ == "__main__":
    _answer()
