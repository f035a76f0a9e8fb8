"""Reading feedback in: JSONL, CSV or Parquet, each bad row told by its line."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, TypeVar

from feedback_db.errors import FeedbackError
from feedback_db.exchange import parquet_rows
from feedback_db.exchange.table import from_cells
from feedback_db.records.lines import MAX_LINE_CHARACTERS, from_line
from feedback_db.records.people import Record

MAX_FILE_BYTES = 4 * 2**30
MAX_ROWS = 5_000_000
MAX_CELL_BYTES = 100_000
"""Of one text in a Parquet file, where a few bytes can stand for many; no field of a record holds more."""

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
    found = Read([], [])
    for number, row in parquet_rows.records(path, MAX_ROWS, MAX_CELL_BYTES):
        if isinstance(row, str):
            found.problems.append((number, row))
        else:
            found.records.append((number, row))
    return found


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
