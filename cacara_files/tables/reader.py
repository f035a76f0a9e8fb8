"""Reading a table: a text, bytes or a file in, rows with line numbers and what was understood of them out."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from cacara_files.tables import encodings, separators, workbooks
from cacara_files.tables.cells import Row, split_rows, trimmed
from cacara_files.tables.display import shown
from cacara_files.tables.errors import TableError
from cacara_files.tables.headings import Columns

PREVIEW_ROWS = 5
PREVIEW_CHARACTERS = 60


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on the size of a table.

    Attributes:
        size: Bytes of a file, characters of a text.
        rows: Rows, the heading among them; reading stops there.
        row_characters: Characters of a row.
    """

    size: int
    rows: int
    row_characters: int = 1 << 20


@dataclasses.dataclass(frozen=True)
class Preview:
    """Interpretation of a table, to be shown before it is used.

    Attributes:
        encoding: E.g. ``UTF-8``.
        separator: Between the cells; empty where there is one cell a line.
        columns: (heading, field) of the columns that are used; the heading is empty where the table has none.
        passed_over: Headings of columns that are not used.
        rows: The first ``PREVIEW_ROWS``, a cell for each of ``columns``.
    """

    encoding: str
    separator: str
    columns: tuple[tuple[str, str], ...]
    passed_over: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def plain(self) -> dict[str, object]:
        """Return it as values that JSON knows."""
        return {
            "encoding": self.encoding,
            "separator": self.separator,
            "columns": [list(column) for column in self.columns],
            "passed_over": list(self.passed_over),
            "rows": [list(row) for row in self.rows],
        }

    def lines(self) -> list[str]:
        """Return it for a terminal, in plain text without control characters."""
        meant = ", ".join(f"{heading} = {field}" if heading else field for heading, field in self.columns)
        over = f"; not used: {', '.join(self.passed_over)}" if self.passed_over else ""
        separator = separators.NAMES.get(self.separator, repr(self.separator))
        told = [f"read as {self.encoding}, separated by {separator}; columns: {meant}{over}"]
        told += [" | ".join(cell[:PREVIEW_CHARACTERS] for cell in row) for row in self.rows]
        return [shown(line) for line in told]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        rows: Those with a cell that is not blank, the heading among them.
        separator: Between its cells; empty where it was no text.
        encoding: Of its bytes, or their format; ``text`` for a table that came as text.
        cut: There are more rows than were wanted.
    """

    rows: tuple[Row, ...]
    separator: str
    encoding: str
    cut: bool = False

    def preview(self, columns: Columns, rows: Sequence[Row]) -> Preview:
        """Return what was understood.

        Args:
            columns: What its columns hold.
            rows: Those under the heading.
        """
        used = [(place, field) for place, field in enumerate(columns.fields) if field]
        shown = tuple(
            tuple(trimmed(row.cells[place]) if place < len(row.cells) else "" for place, _ in used)
            for row in rows[:PREVIEW_ROWS]
        )
        return Preview(
            encodings.title(self.encoding),
            self.separator,
            tuple((columns.headings[place] if columns.headings else "", field) for place, field in used),
            columns.passed_over if columns.headings else (),
            shown,
        )


def read_text(
    content: str,
    limits: Limits,
    candidates: Sequence[str] = separators.SEPARATORS,
    fits: separators.Fits | None = None,
    encoding: str = "text",
) -> Table:
    """Return the table that a text holds.

    Args:
        content: With any line ends; a byte order mark and bytes 0 are dropped.
        limits: How large it may be.
        candidates: Separators to try.
        fits: Tells rows of the table that is expected, see ``separators.sniffed``.
        encoding: Of the bytes that it came as.

    Raises:
        TableError: It is larger than ``limits``.
    """
    if len(content) > limits.size:
        raise TableError(f"it has {len(content):,} characters; wanted at most {limits.size:,}")
    content = content.removeprefix("\ufeff").replace("\0", "")
    said = separators.declared(content)
    separator, begin = said or (separators.sniffed(content[: separators.SNIFFED_CHARACTERS], candidates, fits), 0)
    file = io.StringIO(content[begin:], newline="")
    found = split_rows(file, separator, limits.row_characters, 2 if said else 1)
    rows = tuple(itertools.islice(found, limits.rows))
    return Table(rows, separator, encoding, next(found, None) is not None)


def read_bytes(
    content: bytes,
    limits: Limits,
    candidates: Sequence[str] = separators.SEPARATORS,
    fits: separators.Fits | None = None,
) -> Table:
    """Return the table that bytes hold, text (see ``read_text``) or a workbook of Excel's.

    Raises:
        TableError: They are larger than ``limits``, or neither text in UTF-8 or UTF-16 nor a workbook.
    """
    if len(content) > limits.size:
        raise TableError(f"it has more than {limits.size:,} bytes; wanted at most {limits.size:,}")
    if workbooks.is_workbook(content):
        rows, title, cut = workbooks.read(content, limits.rows)
        return Table(rows, "", title, cut)
    text, encoding = encodings.decoded(content)
    return read_text(text, limits, candidates, fits, encoding)


def read_file(
    path: Path,
    limits: Limits,
    candidates: Sequence[str] = separators.SEPARATORS,
    fits: separators.Fits | None = None,
) -> Table:
    """Return the table of a file; see ``read_bytes``.

    Raises:
        TableError: It cannot be read, is larger than ``limits``, or is neither text in UTF-8 or UTF-16 nor a workbook.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limits.size + 1)
    except OSError as error:
        raise TableError(f"it cannot be read ({error.strerror or error})") from error
    return read_bytes(content, limits, candidates, fits)


@contextlib.contextmanager
def stream(
    path: Path, limits: Limits, fits: separators.Fits | None = None, errors: str = "strict"
) -> Iterator[tuple[Iterator[Row], str, str]]:
    """Open a table that may be larger than memory: yield its rows, its separator and its encoding.

    Args:
        path: The file.
        limits: How large it may be; ``rows`` is left to the caller.
        fits: Tells rows of the table that is expected.
        errors: What becomes of bytes that are no text, as for ``open``.

    Raises:
        TableError: It is larger than ``limits``, or no text in UTF-8 or UTF-16; that may show while rows are read.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        encoding = encodings.encoding_of(file.read(encodings.HEAD_BYTES))
    if (size := path.stat().st_size) > limits.size:
        raise TableError(f"it has {size:,} bytes; wanted at most {limits.size:,}")
    try:
        with path.open(encoding=encoding, errors=errors, newline="") as text:
            head = text.read(min(separators.SNIFFED_CHARACTERS, encodings.HEAD_BYTES))
            said = separators.declared(head)
            separator = said[0] if said else separators.sniffed(head, fits=fits)
            text.seek(0)
            if said:
                text.readline()
            yield split_rows(text, separator, limits.row_characters, 2 if said else 1), separator, encoding
    except UnicodeDecodeError as error:
        raise encodings.undecodable(encoding, None) from error
