"""Word lists: a text in a language a line, with or without what it means; bad lines are told one by one."""

from __future__ import annotations

import csv
import dataclasses
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cacara import languages
from cacara.errors import CacaraError, LanguageError

MAX_BYTES = 2 << 20
MAX_ROWS = 5_000
MAX_TEXT_CHARACTERS = 300
MAX_CONCEPT_CHARACTERS = 120
MAX_PROBLEMS = 200
DELIMITERS = ("\t", ";", ",", ":")
"""What may stand between the cells; the first that makes most lines begin with a language wins."""

_HEADS = {
    "language": frozenset({"language", "lang", "code", "locale", "iso"}),
    "text": frozenset({"text", "word", "translation", "form", "phrase"}),
    "concept": frozenset({"concept", "meaning", "gloss", "english", "key"}),
}
_FIELDS = ("language", "text", "concept")
_SNIFFED_LINES = 50


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
    """What a list holds.

    Attributes:
        entries: In the order of the lines; no two are equal.
        problems: Lines left out, at most ``MAX_PROBLEMS``; more are counted in the last.
    """

    entries: tuple[Entry, ...]
    problems: tuple[BadRow, ...]


def read_file(path: Path) -> WordList:
    """Return the word list of a CSV or TSV file, UTF-8 with or without a mark, or UTF-16 with one.

    Raises:
        CacaraError: It is too large, cannot be read, is no text, or no line of it can be used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CacaraError(f"the word list cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise CacaraError(f"the word list is larger than {MAX_BYTES >> 20} MB; wanted at most that")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return read(content.decode(encoding))
    except UnicodeDecodeError as error:
        raise CacaraError(f"the word list is no UTF-8 text (byte {error.start}); save it as CSV in UTF-8") from error


def read(content: str) -> WordList:
    """Return the word list of a text: ``language, text[, concept]``, in the order that a heading names if there is one.

    Cells are separated by tabs, semicolons, commas or colons, and may be quoted as in CSV.

    Raises:
        CacaraError: It is too large, or no line of it can be used.
    """
    if len(content) > MAX_BYTES:
        raise CacaraError(f"the word list has {len(content):,} characters; wanted at most {MAX_BYTES:,}")
    content = content.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    columns: Sequence[str | None] = _FIELDS
    rows: list[tuple[int, dict[str, str], int]] = []
    for number, (line, cells) in enumerate(_rows(content, _delimiter(content))):
        if number == 0 and (named := _heading(cells)):
            columns = named
        elif len(rows) > MAX_ROWS:
            break
        else:
            # Of two columns of one name the first counts.
            pairs = reversed(list(zip(columns, cells, strict=False)))
            rows.append((line, {column: cell for column, cell in pairs if column}, len(cells)))
    return _checked(rows)


def check(entries: Iterable[Entry]) -> WordList:
    """Return entries that came from elsewhere as ``read`` would: cleaned, with what was left out.

    Raises:
        CacaraError: None can be used.
    """
    return _checked((each.line, {name: getattr(each, name) for name in _FIELDS}, len(_FIELDS)) for each in entries)


def write(entries: Iterable[Entry]) -> str:
    """Return entries as ``read`` reads them: a line each, cells separated by tabs, quoted where that is needed."""
    buffer = io.StringIO()
    rows = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    for entry in entries:
        rows.writerow([entry.language, entry.text, entry.concept] if entry.concept else [entry.language, entry.text])
    return buffer.getvalue()


def clean(text: str) -> str:
    """Return a cell in NFC, trimmed, its inner spaces single, without control characters and direction marks."""
    kept = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in text
        if unicodedata.bidirectional(character) not in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
    )
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _delimiter(content: str) -> str:
    lines = [line for line in content.split("\n") if line.strip()][:_SNIFFED_LINES]

    def fitting(delimiter: str) -> int:
        cells = [[cell.strip().strip('"') for cell in line.split(delimiter)] for line in lines]
        return sum(len(row) > 1 and (_is_language(row[0]) or bool(_heading(row))) for row in cells)

    best = max(DELIMITERS, key=fitting)
    if fitting(best):
        return best
    # No line begins with a language: whatever stands in most lines tells the columns best.
    return max(DELIMITERS, key=lambda delimiter: sum(delimiter in line for line in lines))


def _rows(content: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line of each row with its cells; blank rows are skipped."""
    # A quote that is never closed swallows all that follows; then the lines are read without quoting.
    closed = content.count('"') % 2 == 0
    reader = csv.reader(
        io.StringIO(content),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if closed else csv.QUOTE_NONE,
        skipinitialspace=True,
    )
    first = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CacaraError(f"the word list is malformed near line {reader.line_num}: {error}") from error
        if any(cell.strip() for cell in cells):
            yield first, cells
        first = reader.line_num + 1


def _heading(cells: Sequence[str]) -> list[str | None] | None:
    """Return what each column holds, or None when the row is no heading."""
    names = [clean(cell).lower() for cell in cells]
    columns = [next((field for field, heads in _HEADS.items() if name in heads), None) for name in names]
    return columns if {"language", "text"} <= set(columns) and len(set(names)) == len(names) else None


def _checked(rows: Iterable[tuple[int, Mapping[str, str], int]]) -> WordList:
    """Return the word list of (line, cells by name, number of cells)."""
    entries: dict[tuple[str, str, str], Entry] = {}
    problems: list[BadRow] = []
    for line, cells, count in rows:
        if len(entries) == MAX_ROWS:
            problems.append(BadRow(line, f"the list has more than {MAX_ROWS:,} rows; the rest was left out"))
            break
        try:
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
    language, text, concept = (clean(cells.get(name, "")) for name in _FIELDS)
    if not language:
        raise CacaraError("it has no language; wanted a code such as 'sw'")
    if not text:
        raise CacaraError(f"it has no text; found {count} cell{'s' if count > 1 else ''}, wanted two or more")
    if not any(unicodedata.category(character)[0] in "LNS" for character in text):
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
