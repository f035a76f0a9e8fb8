"""Workbooks of spreadsheets (``.xlsx``): the first sheet that holds something, as rows of text."""

from __future__ import annotations

import datetime
import io
import itertools
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from cacara_files.tables.cells import Row
from cacara_files.tables.errors import TableError

MAX_UNPACKED_BYTES = 64 << 20
"""Of a workbook's parts together, as a zip of a few kilobytes may hold gigabytes."""
MAX_COLUMNS = 64
_WORKBOOK = "xl/workbook.xml"


def is_workbook(content: bytes) -> bool:
    """Return whether bytes are a workbook of Excel's, of the kind since 2007."""
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _WORKBOOK in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def read(content: bytes, max_rows: int) -> tuple[tuple[Row, ...], str, bool]:
    """Return the rows of the first sheet that has any, with the numbers that the spreadsheet shows.

    Formulas count as the values that were stored with them. Cells beyond ``MAX_COLUMNS`` are not looked at.

    Args:
        content: A workbook's bytes.
        max_rows: How many rows to return at most.

    Returns:
        Rows with a cell that is not blank; a title such as ``Excel, sheet 'Words'``; whether there are more rows.

    Raises:
        TableError: It is damaged, locked by a password, or larger than ``MAX_UNPACKED_BYTES``.
    """
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise TableError(f"the workbook unpacks to {size:,} bytes; wanted at most {MAX_UNPACKED_BYTES:,}")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        title = "Excel"
        for sheet in book.worksheets:
            found = _rows(sheet, max_rows)
            rows = tuple(itertools.islice(found, max_rows))
            if rows:
                return rows, f"Excel, sheet {sheet.title!r}", next(found, None) is not None
    except TableError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OSError,
        SyntaxError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__  # the parser's own, a SyntaxError
        raise TableError(
            f"the workbook is damaged ({reason:.120}); open it and save it again, or save it as CSV"
        ) from error
    return (), title, False


def _rows(sheet: Any, max_rows: int) -> Iterator[Row]:  # noqa: ANN401
    rows = sheet.iter_rows(min_row=1, max_row=4 * max_rows, max_col=MAX_COLUMNS, values_only=True)
    for number, values in enumerate(rows, 1):
        cells = [_text(value) for value in values]
        while cells and not cells[-1].strip():
            cells.pop()
        if cells:
            yield Row(number, tuple(cells))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)
