"""Rows and cells of a text: one rule of quotes for all tables.

A cell that is quoted as a whole is unquoted, its doubled quotes are single, and it may hold separators and line ends.
Any other quote is a letter of the text, as in ``t"amart``; so a quote that is opened and never closed swallows no
lines. The ``csv`` module cannot be told this: there an open quote takes everything up to the next one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from cacara_files.tables.errors import TableError

CHUNK_CHARACTERS = 1 << 16
_ENDS = "\u200b\u2060\ufeff"
"""Invisible at a cell's end and of no meaning there. A joiner (U+200C, U+200D) may end a word, so it stays."""


class Row(NamedTuple):
    """A row of a table: the number of the line it begins in, from 1, and its cells as they stand, unquoted."""

    line: int
    cells: tuple[str, ...]


class _Patterns(NamedTuple):
    opened: re.Pattern[str]
    quoted: re.Pattern[str]
    plain: re.Pattern[str]
    separator: re.Pattern[str]
    line: re.Pattern[str] | None
    cell: re.Pattern[str] | None


@functools.lru_cache(maxsize=32)
def _patterns(separator: str) -> _Patterns:
    mark = re.escape(separator) if separator else r"(?!)"
    gap = "" if separator in ("\t", " ") else " *"
    body = r'"(?:[^"]|"")*+'
    plain = rf"(?:(?!{mark})[^\r\n])*+" if len(separator) > 1 else rf"[^\r\n{re.escape(separator)}]*+"
    line = cell = None
    if len(separator) == 1:
        usual = rf'(?:"(?:[^"\r\n]|"")*+"|[^"\r\n{mark}]*+)'
        line = re.compile(rf"({usual}(?:{mark}{usual})*+)\r?\n")
        cell = re.compile(rf'(?:^|{mark})(?:"((?:[^"]|"")*+)"|([^"{mark}]*+))')
    return _Patterns(
        re.compile(f" *{body}"),
        re.compile(rf' *({body})" *(?={mark}|[\r\n]|\Z)'),
        re.compile(plain),
        re.compile(f"{mark}{gap}"),
        line,
        cell,
    )


def split_rows(file: TextIO, separator: str, max_characters: int, first_line: int = 1) -> Iterator[Row]:
    """Yield the rows of a text file that was opened with ``newline=""``; rows whose cells are all blank are left out.

    Args:
        file: Read to its end, ``CHUNK_CHARACTERS`` or more at a time.
        separator: Between cells; empty for one cell a line.
        max_characters: Of a row. A quote that is not closed within so many is a letter.
        first_line: The number of the line that the file is at.

    Raises:
        TableError: A row has more characters.
    """
    pending, at, line, ended = "", 0, first_line, False
    while True:
        parsed = _usual_row(pending, at, separator) or _row(
            pending, at, separator, ended, len(pending) - at > max_characters
        )
        if parsed is None:
            if len(pending) - at > max_characters:
                raise TableError(f"line {line} has more than {max_characters:,} characters; wanted shorter ones")
            more = file.read(max(CHUNK_CHARACTERS, len(pending) - at))
            pending, at, ended = pending[at:] + more, 0, not more
            continue
        cells, end = parsed
        if end == at:  # only at the end of the file
            return
        if end - at > max_characters + 2:
            raise TableError(f"line {line} has more than {max_characters:,} characters; wanted shorter ones")
        if any(cell.strip() for cell in cells):
            yield Row(line, tuple(cells))
        line += _line_ends(pending, at, end)
        at = end


def _usual_row(text: str, at: int, separator: str) -> tuple[list[str], int] | None:
    """Return what ``_row`` does for a row of one line whose quotes stand around whole cells; None for any other.

    Nearly all rows are of that kind, and read by two expressions they take a third of the time.
    """
    patterns = _patterns(separator)
    line = patterns.line.match(text, at) if patterns.line else None
    if line is None or patterns.cell is None:
        return None
    found = patterns.cell.findall(line[1])
    cells = [quoted.replace('""', '"') if quoted else plain for quoted, plain in found]
    if separator not in ("\t", " ") and f"{separator} " in line[1]:
        for place, (quoted, plain) in enumerate(found):
            if place and not quoted and plain[:1] == " ":
                cells[place] = plain.lstrip(" ")
    return cells, line.end()


def _row(text: str, at: int, separator: str, ended: bool, literal: bool) -> tuple[list[str], int] | None:
    """Return the cells of the row that begins at a place, and where the next one begins; None if more must be read.

    Args:
        text: What was read so far.
        at: Where the row begins.
        separator: Between cells.
        ended: Nothing follows ``text``.
        literal: Take a quote that is not closed for a letter, instead of asking for more.
    """
    patterns = _patterns(separator)
    cells: list[str] = []
    while True:
        opened = patterns.opened.match(text, at)
        if opened and opened.end() >= len(text) - 1 and not ended and not literal:
            return None  # what closes it, or what follows the closing quote, is not here yet
        whole = patterns.quoted.match(text, at) if opened else None
        if whole:
            cells.append(whole[1][1:].replace('""', '"'))
        else:
            whole = patterns.plain.match(text, at)
            assert whole is not None, "it matches the empty text"
            cells.append(whole[0])
        at = whole.end()
        if len(text) - at < max(2, len(separator) + 1) and not ended:
            return None  # a separator or a line end may be cut in two
        between = patterns.separator.match(text, at) if at < len(text) else None
        if between is None:
            return cells, at + (2 if text.startswith("\r\n", at) else min(1, len(text) - at))
        at = between.end()


def _line_ends(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


def quoted(cells: Sequence[str], separator: str) -> str:
    """Return cells as one line that reads back as they are, without a line end."""

    def written(cell: str) -> str:
        special = cell.startswith('"') or cell != trimmed(cell) or any(mark in cell for mark in "\r\n")
        return '"' + cell.replace('"', '""') + '"' if special or separator in cell else cell

    return separator.join(written(cell) for cell in cells)


def trimmed(cell: str) -> str:
    """Return a cell without white space, no-break spaces and invisible marks at its ends."""
    before = None
    while before != cell:
        before, cell = cell, cell.strip().strip(_ENDS)
    return cell
