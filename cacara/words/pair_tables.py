"""Tables of pairs, English and another language, as people have them: typed, TSV or CSV, with a heading or without."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from cacara import languages
from cacara.errors import LanguageError, QueryError
from cacara.languages import mismatch
from cacara.words import dictionaries, text_pairs
from cacara.words.text_pairs import MAX_PAIRS, PairFault
from cacara_files import tables
from cacara_files.tables import Columns, Preview, Table

_MAX_ROWS = 4 * MAX_PAIRS
"""Good rows, bad ones and comments; whoever has more is refused before they are looked at."""
_LOOKED_AT = 200
"""So many pairs tell whether the columns changed places."""
_OTHER = tables.TEXT | tables.LANGUAGE | {"text", "language", "target", "source", "other", "foreign", "local", "native"}
"""Headings that do not say whether their column is English."""


@dataclasses.dataclass(frozen=True)
class PairTable:
    """The pairs of a table.

    Attributes:
        pairs: English and the other language, each pair once, in order.
        faults: (line, what is wrong) of the rows that were left out; lines from 1.
        preview: What was understood.
        headed: A heading says which column is English.
        swapped: The columns read as if they had changed places.
    """

    pairs: tuple[tuple[str, str], ...]
    faults: tuple[tuple[int, PairFault], ...]
    preview: Preview
    headed: bool
    swapped: bool


def read_text(content: str, max_characters: int, language: str | None = None) -> PairTable:
    """Return the pairs of a text.

    A line that begins with ``#`` and white space, or with ``#`` and holds one cell alone, is a comment; a pair whose
    text begins with ``#`` is a pair.

    Args:
        content: A pair a line: English and the other language with a tab, semicolon, comma or bar between. A first line
            that names a column ``English`` or the like is a heading, and then the order is its own.
        max_characters: Of the text.
        language: The other language, whose names are known as headings too.

    Raises:
        QueryError: It is too long, its heading is not understood, or it holds too many pairs.
    """
    limits = tables.Limits(max_characters, _MAX_ROWS)
    try:
        return _read(tables.read_text(content, limits, fits=lambda cells: _fits(cells, language)), language)
    except tables.TableError as error:
        raise QueryError(f"the pairs cannot be read: {error}") from error


def read_file(path: Path, max_bytes: int, language: str | None = None) -> PairTable:
    """Return the pairs of a file: text in UTF-8 or UTF-16 (see ``read_text``), a workbook of Excel's, or a dictionary.

    Of a dictionary (``cacara.words.dictionaries``) each word is a pair with each of its English glosses.

    Raises:
        QueryError: It cannot be read, is too large or of no such format, or ``read_text`` refuses it.
    """
    limits = tables.Limits(max_bytes, _MAX_ROWS)
    try:
        dictionary = dictionaries.read(path, max_bytes, _MAX_ROWS)
        if dictionary is not None:
            return _read(dictionary.pair_table(language), None)
        return _read(tables.read_file(path, limits, fits=lambda cells: _fits(cells, language)), language)
    except tables.TableError as error:
        raise QueryError(f"the file of pairs cannot be read: {error}") from error


def write(pairs: Sequence[tuple[str, str]]) -> str:
    """Return pairs as text that reads back as they are, under a heading."""
    rows = [
        ("english", "text"),
        *((f" {english}" if english[:1] == "#" else english, other) for english, other in pairs),
    ]
    return "".join(tables.quoted(row, "\t") + "\n" for row in rows)  # a space keeps a text from being a comment


def _read(table: Table, language: str | None) -> PairTable:
    rows = [row for row in table.rows if not _is_comment(row.cells)]
    columns, headed = Columns((), ("english", "text")), False
    if rows and (heading := _heading(rows[0].cells, language)):
        columns, headed, rows = heading, True, rows[1:]
    if table.cut:
        raise QueryError(f"there are more than {_MAX_ROWS:,} rows; wanted at most {MAX_PAIRS:,} pairs")
    pairs: dict[tuple[str, str], None] = {}
    faults: list[tuple[int, PairFault]] = []
    for line, cells in rows:
        texts = text_pairs.cleaned(_texts(cells, columns))
        if found := text_pairs.fault(texts):
            faults.append((line, found))
        elif (pair := (texts[0], texts[1])) in pairs:
            faults.append((line, PairFault("same", 0, 0)))
        elif len(pairs) == MAX_PAIRS:
            raise QueryError(f"there are more than {MAX_PAIRS:,} pairs; wanted fewer")
        else:
            pairs[pair] = None
    first = list(pairs)[:_LOOKED_AT]
    swapped = mismatch.swapped([english for english, _ in first], [other for _, other in first])
    return PairTable(tuple(pairs), tuple(faults), table.preview(columns, rows), headed, swapped)


def _texts(cells: Sequence[str], columns: Columns) -> list[str]:
    """Return a row's English text and the other one; more or fewer cells where the row has not two of them."""
    cells = [tables.trimmed(cell) for cell in cells]
    width = len(columns.fields)
    while len(cells) > width and not cells[-1]:
        cells.pop()
    if len(cells) > width or not columns.headings:
        return cells
    cells += [""] * (width - len(cells))
    return [cells[columns.fields.index("english")], cells[columns.fields.index("text")]]


def _heading(cells: Sequence[str], language: str | None) -> Columns | None:
    """Return what a first row says of its columns, or None when it is a pair.

    Raises:
        QueryError: It is a heading, and which column is English or which is the other one cannot be told.
    """
    headings = [tables.trimmed(cell) for cell in cells]
    while headings and not headings[-1]:
        headings.pop()
    english = [place for place, each in enumerate(headings) if _is_english(each)]
    own = [place for place, each in enumerate(headings) if place not in english and _is_name_of(each, language)]
    vague = [place for place, each in enumerate(headings) if tables.fold(each) in _OTHER]
    if len(headings) < 2 or not (english or 0 < len(own) < len(headings) or len(vague) == len(headings)):
        return None
    used = {*english[:1]}
    rest = [
        place
        for place, each in enumerate(headings)
        if each and place not in english and (place in own or tables.fold(each) not in tables.headings.PASSED_OVER)
    ]
    other = own or rest
    if len(used) != 1 or len(other) != 1:
        found = ", ".join(repr(each[:40]) for each in headings)
        raise QueryError(
            f"the heading {found} does not tell which column is English and which is the other one; known are english "
            f"({', '.join(sorted(tables.ENGLISH)[:4])}) and the other language's name or code; or leave the heading "
            "out and put English first"
        )
    meant = {english[0]: "english", other[0]: "text"}
    return Columns(tuple(headings), tuple(meant.get(place) for place in range(len(headings))))


def _fits(cells: Sequence[str], language: str | None) -> bool:
    return len(cells) == 2 or any(_is_english(cell) or _is_name_of(cell, language) for cell in cells)


def _is_english(heading: str) -> bool:
    return tables.fold(heading) in tables.ENGLISH | {"english"}


def _is_comment(cells: Sequence[str]) -> bool:
    return cells[0].startswith("#") and (len(cells) == 1 or not cells[0][1:].strip() or cells[0][1].isspace())


def _is_name_of(heading: str, language: str | None) -> bool:
    """Return whether a heading is a language's code or one of its names, as ``Acholi`` and ``Acoli`` are of ``ach``."""
    if language is None or " " in tables.fold(heading):
        return False
    try:
        return languages.base(heading) == languages.base(language)
    except LanguageError:
        pass
    meant = languages.named(heading)
    return meant is not None and languages.base(meant) == languages.base(language)
