"""Reading feedback in: JSONL, CSV or Parquet, each bad row told by its line."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO, TypeVar

from feedback_db.errors import FeedbackError
from feedback_db.exchange import MAX_LINE_CHARACTERS, from_line
from feedback_db.rows import Record
from feedback_db.table import from_cells, from_row

if TYPE_CHECKING:
    from pyarrow import Array
    from pyarrow.parquet import FileMetaData, ParquetFile

MAX_FILE_BYTES = 4 * 2**30
MAX_ROWS = 5_000_000
MAX_CELL_BYTES = 100_000
"""Of one text in a Parquet file, where a few bytes can stand for many; no field of a record holds more."""

_MAX_COLUMNS = 200
_MAX_GROUP_BYTES = 2**30
_MAX_GROUP_VALUES = 50_000_000
_ROWS_AT_ONCE = 64

Row = TypeVar("Row")


class Read(NamedTuple):
    """What a file held: records with their lines, and problems with theirs; the first line is 1."""

    records: list[tuple[int, Record]]
    problems: list[tuple[int, str]]


def read_file(path: Path) -> Read:
    """Read records from a file, its format told by its ending: .jsonl, .csv or .parquet.

    Raises:
        FeedbackError: The file cannot be read at all, is too large, or its ending is another.
    """
    readers: dict[str, Callable[[Path], Read]] = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FeedbackError(f"{path}: found the ending {path.suffix!r}, wanted one of {', '.join(readers)}")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FeedbackError(f"{path}: found {size:,} bytes, wanted at most {MAX_FILE_BYTES:,}")
        return reader(path)
    except OSError as error:
        raise FeedbackError(f"{path} cannot be read ({error.strerror or error})") from error


def _read_jsonl(path: Path) -> Read:
    with path.open("rb") as file:
        return _collect(((number, line) for number, line in enumerate(_lines(file), 1) if line.strip()), _from_bytes)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, which is more than a record may have."""
    most = 4 * MAX_LINE_CHARACTERS + 1
    while line := file.readline(most):
        yield line
        while line and not line.endswith(b"\n"):
            line = file.readline(most)


def _from_bytes(line: bytes) -> Record:
    try:
        return from_line(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FeedbackError(f"found bytes that are no UTF-8 at position {error.start + 1}, wanted text") from error


def _read_csv(path: Path) -> Read:
    with _long_cells(), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(_text_lines(path, file), strict=True)

        def rows() -> Iterator[tuple[int, dict[str, str]]]:
            for row in reader:
                yield reader.line_num, row

        try:
            return _collect(rows(), _from_cells)
        except csv.Error as error:
            raise FeedbackError(f"{path}: line {reader.line_num} is no CSV ({error}); nothing was imported") from error


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be as long as a line may be; the module's limit is one for the whole process, so it is put back."""
    before = csv.field_size_limit(MAX_LINE_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _text_lines(path: Path, file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        if len(line) > MAX_LINE_CHARACTERS:
            raise FeedbackError(
                f"{path}: found a line of more than {MAX_LINE_CHARACTERS:,} characters; wanted shorter ones"
            )
        yield line


def _from_cells(row: dict[str, str]) -> Record:
    # The reader puts what is beyond the header under None, and None where cells are missing.
    if None in row or None in row.values():
        raise FeedbackError("found another number of cells than in the header, wanted as many")
    return from_cells(row)


def _read_parquet(path: Path) -> Read:
    """Read a Parquet file a few rows at a time: a small file may claim a billion rows, or one long text in each."""
    import pyarrow
    from pyarrow import parquet

    try:
        texts = _checked_texts(path, parquet.read_metadata(path))
        # Kept as dictionaries, repeated texts stay as small as they are in the file.
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            return _collect(enumerate(_parquet_rows(path, file), 1), from_row)
    except pyarrow.ArrowException as error:
        raise FeedbackError(f"{path} is no readable Parquet file ({error})") from error


def _checked_texts(path: Path, metadata: FileMetaData) -> list[str]:
    """Return the names of a Parquet file's columns of text.

    Raises:
        FeedbackError: It claims more than is read.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = max(
        (group.column(number).num_values for group in groups for number in range(group.num_columns)), default=0
    )
    claimed = {
        "rows": (metadata.num_rows, MAX_ROWS),
        "columns": (metadata.num_columns, _MAX_COLUMNS),
        "bytes in a row group": (max((group.total_byte_size for group in groups), default=0), _MAX_GROUP_BYTES),
        "values in a row group": (values, _MAX_GROUP_VALUES),
    }
    for name, (found, most) in claimed.items():
        if found > most:
            raise FeedbackError(f"{path}: found {found:,} {name}, wanted at most {most:,}")
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _parquet_rows(path: Path, file: ParquetFile) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(_ROWS_AT_ONCE):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if _longest(column) > MAX_CELL_BYTES:
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


def _collect(rows: Iterable[tuple[int, Row]], make: Callable[[Row], Record]) -> Read:
    found = Read([], [])
    for count, (number, row) in enumerate(rows):
        if count == MAX_ROWS:
            raise FeedbackError(f"found more than {MAX_ROWS:,} rows, wanted at most that: split the file")
        try:
            found.records.append((number, make(row)))
        except FeedbackError as error:
            found.problems.append((number, str(error)))
    return found
