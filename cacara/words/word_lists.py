"""Word lists: a text in a language a line, with or without what it means; bad lines are told one by one."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cacara import languages
from cacara.errors import CacaraError, LanguageError
from cacara.languages import encoder_languages, mismatch
from cacara.words import dictionaries
from cacara_files import tables
from cacara_files.tables import Columns, Fields, Preview, Table

MAX_BYTES = 2 << 20
MAX_DICTIONARY_BYTES = 64 << 20
MAX_ROWS = 5_000
MAX_TEXT_CHARACTERS = 300
MAX_CONCEPT_CHARACTERS = 120
MAX_PROBLEMS = 200
SEPARATORS = (*tables.SEPARATORS, ": ", ":")
"""Separators of cells; a colon with a space first, as a colon also writes a long vowel."""

FIELDS = ("language", "text", "concept")
HEADINGS = Fields(
    {"language": tables.LANGUAGE, "text": tables.TEXT, "concept": tables.CONCEPT}, required=("language", "text")
)

_LOOKED_AT = 50
_LIMITS = tables.Limits(MAX_BYTES, 4 * MAX_ROWS)
"""Good rows and bad ones."""
_TOOLBOX = re.compile(r"\\[a-z]{1,4}(\s|$)")
_Given = tuple[int, Mapping[str, str] | str, int]
"""A row: its line, its cells by field or why they cannot be had, and how many cells it has."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One text to compare.

    Attributes:
        language: BCP-47.
        text: 1 to ``MAX_TEXT_CHARACTERS`` characters, trimmed, NFC.
        concept: What it means, usually an English word; empty when nobody said.
        line: Of the list it came from, from 1; 0 for one that came from no list.
    """

    language: str
    text: str
    concept: str = ""
    line: int = 0


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A line that was left out.

    Attributes:
        line: From 1.
        reason: What was found and what is wanted, one sentence.
    """

    line: int
    reason: str


@dataclasses.dataclass(frozen=True)
class WordList:
    """Contents of a word list.

    Attributes:
        entries: In the order of the lines; no two are equal.
        problems: Lines left out, at most ``MAX_PROBLEMS``; more are counted in the last.
        preview: What was understood of the table; None for entries that came from none.
        english_instead: Languages whose texts read as English, as where two columns changed places.
    """

    entries: tuple[Entry, ...]
    problems: tuple[BadRow, ...]
    preview: Preview | None = None
    english_instead: tuple[str, ...] = ()


def read_file(path: Path) -> WordList:
    """Return the word list of a file: a table, also one of Excel's, or a dictionary (``cacara.words.dictionaries``).

    The words of a dictionary that does not name its language are in the one that the file's name is the code of.

    Raises:
        CacaraError: It is too large, cannot be read, is of no such format, or ``read`` refuses it.
    """
    try:
        dictionary = dictionaries.read(path, MAX_DICTIONARY_BYTES, _LIMITS.rows)
        if dictionary is not None:
            return _read(dictionary.word_table(dictionaries.language_of(path)))
        return _read(tables.read_file(path, _LIMITS, SEPARATORS, _fits))
    except tables.TableError as error:
        raise CacaraError(f"the word list cannot be read: {error}") from error


def read(content: str) -> WordList:
    """Return the word list of a text: ``language, text[, concept]``, in the order that a heading names if there is one.

    A heading may also be ``concept, sw, de, …``: then each row is one thing in several languages, a column each.

    Raises:
        CacaraError: It is too large, its columns are not understood, or no line of it can be used.
    """
    try:
        return _read(tables.read_text(content, _LIMITS, SEPARATORS, _fits))
    except tables.TableError as error:
        raise CacaraError(f"the word list cannot be read: {error}") from error


def check(entries: Iterable[Entry]) -> WordList:
    """Return entries that came from elsewhere as ``read`` would: cleaned, with what was left out.

    Raises:
        CacaraError: None can be used.
    """
    return _checked((each.line, {name: getattr(each, name) for name in FIELDS}, len(FIELDS)) for each in entries)


def write(entries: Iterable[Entry]) -> str:
    """Return entries as ``read`` reads them: a line each, cells separated by tabs, quoted where that is needed."""
    rows = ([getattr(entry, name) for name in FIELDS if getattr(entry, name)] for entry in entries)
    return "".join(tables.quoted(row, "\t") + "\n" for row in rows)


def clean(text: str) -> str:
    """Return a cell in NFC, trimmed, its inner spaces single, without control characters and direction marks."""
    kept = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in text
        if unicodedata.bidirectional(character) not in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
    )
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _read(table: Table) -> WordList:
    rows = list(table.rows)
    first = [tables.trimmed(cell) for cell in rows[0].cells] if rows else []
    if first and _TOOLBOX.match(first[0]):
        raise CacaraError(
            f"the word list is in Toolbox's format ({first[0][:20]!r}); wanted a file that is named by its language's "
            "code, such as 'sw.txt'"
        )
    columns: Columns | None
    if wide := _wide(first):
        columns, rows = Columns(tuple(first), tuple(wide)), rows[1:]
        given = [part for row in rows for part in _unfolded(row, columns)]
        found = _checked(given)
    else:
        columns = _heading(first)
        if columns:
            rows = rows[1:]
        else:
            columns = Columns((), FIELDS)
            _refuse_other_columns(rows)
        found = _checked([_given(row, columns) for row in rows])
    problems = found.problems
    if table.cut and len(found.entries) < MAX_ROWS:
        problems += (BadRow(rows[-1].line + 1, f"the list has more than {_LIMITS.rows:,} rows; the rest was left out"),)
    return dataclasses.replace(
        found,
        problems=problems,
        preview=table.preview(columns, rows),
        english_instead=mismatch.english_instead(_by_language(found.entries)),
    )


def _given(row: tables.Row, columns: Columns) -> _Given:
    cells = [tables.trimmed(cell) for cell in row.cells]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    if not columns.headings:
        return row.line, dict(zip(FIELDS, cells, strict=False)), len(cells)
    try:
        return row.line, columns.values(cells), len(cells)
    except tables.TableError as error:
        return row.line, str(error), len(cells)


def _unfolded(row: tables.Row, columns: Columns) -> Iterator[_Given]:
    """Yield the texts of a row that holds one thing in several languages."""
    line, values, count = _given(row, columns)
    if isinstance(values, str):
        yield line, values, count
        return
    concept = values.get("concept") or values.get("en") or next((text for text in values.values() if text), "")
    for language, text in values.items():
        if language != "concept" and text:
            yield line, {"language": language, "text": text, "concept": concept}, count


def _heading(first: Sequence[str]) -> Columns | None:
    """Return what the columns under a first row hold, or None when it is no heading.

    Raises:
        TableError: It is a heading with a column that is not known, or without language or text.
    """
    meant = {field for cell in first if cell and (field := HEADINGS.of(cell))}
    if not meant or (_is_language(first[0]) and not {"language", "text"} <= meant):  # 'iso' is a language too
        return None
    return tables.match(first, HEADINGS) if len(meant) > 1 or len(first) > 1 else None


def _wide(first: Sequence[str]) -> list[str | None] | None:
    """Return the language of each column of a heading such as ``concept, sw, de``; None for any other row."""
    fields: list[str | None] = []
    for cell in first:
        if _is_language(cell) and HEADINGS.of(cell) != "language":
            fields.append(languages.normalise(cell))
        elif cell and HEADINGS.of(cell) == "concept" and "concept" not in fields:
            fields.append("concept")
        elif not cell or tables.fold(cell) in tables.headings.PASSED_OVER:
            fields.append(None)
        else:
            return None
    spoken = [field for field in fields if field and field != "concept"]
    told = "concept" in fields and (len(spoken) > 1 or (spoken and fields[0] == "concept"))  # 'en, key' is a word
    return fields if told and len(set(spoken)) == len(spoken) else None


def _fits(cells: Sequence[str]) -> bool:
    if _is_language(tables.trimmed(cells[0])):
        return True
    return len({field for cell in cells if (field := HEADINGS.of(cell))}) > 1 or _wide(cells) is not None


def _refuse_other_columns(rows: Sequence[tables.Row]) -> None:
    """Refuse rows without a heading whose first column does not hold languages, whatever it spells by chance.

    Many short words are codes of some language: a list of ``dog, mbwa, Hund`` would be words of Dogosé.

    Raises:
        CacaraError: The languages stand in the second column, or the first one holds words.
    """
    cells = [[tables.trimmed(cell) for cell in row.cells] for row in rows[:_LOOKED_AT] if len(row.cells) > 1]
    codes = [row[0] for row in cells if _is_language(row[0])]
    seconds = sum(_is_language(row[1]) for row in cells)
    heading = "wanted a heading, such as 'language, text, concept' or 'concept, sw, de'"
    if len(cells) > 1 and len(codes) < len(cells) / 2 <= seconds:
        raise CacaraError(f"the languages stand in the second column, as in {', '.join(cells[0][:3])!r:.80}; {heading}")
    rare = [code for code in codes if len(code) == 3 and languages.base(code) not in encoder_languages.TRAINED_ON]
    thirds = [row[2] for row in cells if len(row) > 2 and row[2]]
    others = len(cells) - len(codes)
    words = others >= len(codes) or (len(thirds) == len(set(thirds)) == len(cells))
    if len(codes) > 1 and len(set(codes)) == len(codes) and words and 2 * len(rare) >= len(codes):
        names = ", ".join(languages.describe(code).english_name for code in codes[:3])
        raise CacaraError(
            f"the first column ({', '.join(row[0] for row in cells[:3])}) would be the languages {names}; {heading}"
        )


def _by_language(entries: Iterable[Entry]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for entry in entries:
        said.setdefault(entry.language, []).append(entry.text)
    return said


def _checked(rows: Iterable[_Given]) -> WordList:
    """Return the word list of rows."""
    entries: dict[tuple[str, str, str], Entry] = {}
    problems: list[BadRow] = []
    for line, cells, count in rows:
        if len(entries) == MAX_ROWS:
            problems.append(BadRow(line, f"the list has more than {MAX_ROWS:,} rows; the rest was left out"))
            break
        try:
            if isinstance(cells, str):
                raise CacaraError(cells)
            entry = _entry(cells, count, line)
        except CacaraError as error:
            problems.append(BadRow(line, str(error)))
            continue
        key = (entry.language, entry.text, entry.concept)
        if key in entries:
            problems.append(BadRow(line, f"it repeats line {entries[key].line}"))
        entries.setdefault(key, entry)
    if not entries:
        told = f"line {problems[0].line}: {problems[0].reason}" if problems else "it is empty"
        raise CacaraError(f"there is no text to compare: {told}; wanted lines of language, text, concept")
    return WordList(tuple(entries.values()), _capped(problems))


def _entry(cells: Mapping[str, str], count: int, line: int) -> Entry:
    for name, limit in (("text", MAX_TEXT_CHARACTERS), ("concept", MAX_CONCEPT_CHARACTERS)):
        if len(value := cells.get(name, "")) > limit:
            raise CacaraError(f"its {name} has {len(value):,} characters; wanted at most {limit}")
    language, text, concept = (clean(cells.get(name, "")) for name in FIELDS)
    if not language:
        raise CacaraError("it has no language; wanted a code such as 'sw'")
    if not text:
        raise CacaraError(f"it has no text; found {count} cell{'s' if count > 1 else ''}, wanted two or more")
    if not tables.has_content(text):
        raise CacaraError("its text has no letter, digit or symbol")
    return Entry(languages.normalise(language), text, concept, line)


def _is_language(cell: str) -> bool:
    try:
        languages.normalise(cell)
    except LanguageError:
        return False
    return True


def _capped(problems: Sequence[BadRow]) -> tuple[BadRow, ...]:
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    more = len(problems) - MAX_PROBLEMS + 1
    last = problems[MAX_PROBLEMS - 1]
    return (*problems[: MAX_PROBLEMS - 1], BadRow(last.line, f"{last.reason} (and {more - 1} more lines)"))
