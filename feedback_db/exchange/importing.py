"""Reading feedback in: JSONL, CSV, Parquet, or JSON of an annotation tool; each bad row is named by its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from cacara_files import tables
from cacara_files.tables import Columns, Fields, Limits, Preview, Row, Table
from feedback_db.errors import FeedbackError
from feedback_db.exchange import annotation_tools, parquet_rows
from feedback_db.exchange.table import COLUMNS, from_cells
from feedback_db.records.lines import MAX_LINE_CHARACTERS, from_line
from feedback_db.records.people import Record

MAX_FILE_BYTES = 4 * 2**30
MAX_ROWS = 5_000_000
MAX_CELL_BYTES = 100_000
"""Of one text in a Parquet file, where a few bytes can stand for many; no field of a record holds more."""

FIELDS = Fields({name: frozenset() for name in COLUMNS}, required=("type",))
"""The columns of a table, by their names in any case."""

Given = TypeVar("Given")


class ImportResult(NamedTuple):
    """Contents of a file: records and problems with their lines; the first line is 1.

    A table has a preview of what was understood of it, too.
    """

    records: list[tuple[int, Record]]
    problems: list[tuple[int, str]]
    preview: Preview | None = None


def read_file(path: Path) -> ImportResult:
    """Read records from a file, its format told by its ending: .jsonl, .parquet, or .csv, .tsv or .txt for a table.

    ``.json`` is an export of Label Studio or Argilla; its tasks count as lines.

    Raises:
        FeedbackError: The file cannot be read at all, is too large, or its ending is another.
    """
    readers: dict[str, Callable[[Path], ImportResult]] = {
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
        ".json": _read_tasks,
        **dict.fromkeys((".csv", ".tsv", ".txt"), _read_table),
    }
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


def _read_jsonl(path: Path) -> ImportResult:
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


def _read_table(path: Path) -> ImportResult:
    """Read a table; a bad byte shows in its own row, as ``surrogateescape`` makes of it what no record takes."""
    limits = Limits(MAX_FILE_BYTES, MAX_ROWS, MAX_LINE_CHARACTERS)
    try:
        with tables.stream(path, limits, _fits, errors="surrogateescape") as (rows, separator, encoding):
            heading = next(rows, None)
            columns = tables.match(heading.cells, FIELDS) if heading else None
            if columns is None:
                raise FeedbackError(f"{path}: found no heading, wanted one of the columns {', '.join(COLUMNS)}")
            first: list[Row] = []

            def records() -> Iterator[tuple[int, tuple[Columns, Row]]]:
                for row in rows:
                    if len(first) < tables.PREVIEW_ROWS:
                        first.append(row)
                    yield row.line, (columns, row)

            found = _collect(records(), _from_row)
            preview = Table((), separator, encoding).preview(columns, first)
            return ImportResult(found.records, found.problems, preview)
    except tables.TableError as error:
        raise FeedbackError(f"{path} cannot be read: {error}; nothing was imported") from error


def _fits(cells: Sequence[str]) -> bool:
    return any(FIELDS.of(cell) == "type" for cell in cells)


def _from_row(given: tuple[Columns, Row]) -> Record:
    columns, row = given
    if len(row.cells) < len(columns.fields):
        raise FeedbackError(f"found {len(row.cells)} cells, wanted {len(columns.fields)} as in the heading")
    try:
        return from_cells(columns.values(row.cells))
    except tables.TableError as error:
        raise FeedbackError(f"found {error}") from error


def _read_parquet(path: Path) -> ImportResult:
    found = ImportResult([], [])
    for number, row in parquet_rows.records(path, MAX_ROWS, MAX_CELL_BYTES):
        if isinstance(row, str):
            found.problems.append((number, row))
        else:
            found.records.append((number, row))
    return found


def _read_tasks(path: Path) -> ImportResult:
    found = ImportResult([], [])
    for number, judgement in annotation_tools.read(path):
        if isinstance(judgement, str):
            found.problems.append((number, judgement))
        else:
            found.records.append((number, judgement))
    return found


def _collect(rows: Iterable[tuple[int, Given]], make: Callable[[Given], Record]) -> ImportResult:
    found = ImportResult([], [])
    for count, (number, row) in enumerate(rows):
        if count == MAX_ROWS:
            raise FeedbackError(f"found more than {MAX_ROWS:,} rows, wanted at most that: split the file")
        try:
            found.records.append((number, make(row)))
        except FeedbackError as error:
            found.problems.append((number, str(error)))
    return found
