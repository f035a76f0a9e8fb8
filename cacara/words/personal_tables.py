"""Personal words as tables: lists that people bring, and the words of a model written out with where they are from.

A table whose heading has a column for the language may hold several languages, as ``write`` makes it; any other table
holds pairs of English and one language, see ``pair_tables``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cacara import languages
from cacara.errors import LanguageError, LexiconError, QueryError
from cacara.lexicon.personal_words import MAX_NOTE_CHARACTERS, MAX_WORDS, PersonalWord, new_list_id
from cacara.words import dictionaries, pair_tables, text_pairs
from cacara.words.text_pairs import PairFault
from cacara_files import tables
from cacara_files.tables import Columns, Fields, Preview, Row, Table

FIELDS = Fields(
    {
        "language": tables.LANGUAGE,
        "text": tables.TEXT,
        "english": tables.ENGLISH | {"english"},
        "wrong": frozenset({"not"}),
        "source": frozenset({"sources"}),
        "annotator": frozenset({"who", "author"}),
        "created_utc": frozenset({"when", "date"}),
    },
    required=("language", "text", "english"),
)
MAX_BYTES = 40_000_000
_YES = frozenset({"1", "true", "wrong", "x", "yes"})


class LanguageMissingError(QueryError):
    """A table of pairs has no column for the language, and nobody said which it is."""


@dataclasses.dataclass(frozen=True)
class PersonalTable:
    """What a table holds.

    Attributes:
        words: One entry a good row, all of one new list.
        sentences: Rows whose text is too long to be remembered as it stands.
        faults: (line, what is wrong) of the rows that were left out; lines from 1.
        preview: What was understood.
        swapped: The columns of a table of pairs read as if they had changed places.
    """

    words: tuple[PersonalWord, ...]
    sentences: int
    faults: tuple[tuple[int, PairFault], ...]
    preview: Preview
    swapped: bool = False


def read_file(path: Path, language: str | None = None, source: str = "", annotator: str = "") -> PersonalTable:
    """Return the entries of a file: a table, also one of Excel's, or a dictionary (``cacara.words.dictionaries``).

    Args:
        path: The file.
        language: Of a table of pairs; a table with a column for the language has its own.
        source: Where entries are from whose row does not say; empty takes the file's name.
        annotator: Who gives them, likewise.

    Raises:
        QueryError: It cannot be read, is no such table, or holds pairs and no language is given.
        LanguageError: ``language`` is no code.
        LexiconError: ``language`` is English.
    """
    source = source or path.name
    try:
        if dictionaries.read(path, MAX_BYTES, MAX_WORDS) is None:
            table = tables.read_file(path, tables.Limits(MAX_BYTES, MAX_WORDS))
            if (columns := _columns(table)) is not None:
                return _of_languages(table, columns, source, annotator)
    except tables.TableError as error:
        raise QueryError(f"the file of words cannot be read: {error}") from error
    return of_pairs(pair_tables.read_file(path, MAX_BYTES, language), language, source, annotator)


def read_text(content: str, language: str | None = None, source: str = "", annotator: str = "") -> PersonalTable:
    """Return the entries of a text; see ``read_file``."""
    try:
        table = tables.read_text(content, tables.Limits(MAX_BYTES, MAX_WORDS))
        if (columns := _columns(table)) is not None:
            return _of_languages(table, columns, source, annotator)
    except tables.TableError as error:
        raise QueryError(f"the words cannot be read: {error}") from error
    return of_pairs(pair_tables.read_text(content, MAX_BYTES, language), language, source, annotator)


def of_pairs(found: pair_tables.PairTable, language: str | None, source: str, annotator: str) -> PersonalTable:
    """Return the entries of a table of pairs in one language; see ``read_file`` for the arguments and errors."""
    if not language:
        raise LanguageMissingError(
            "the table has no column for the language, and no language was given; wanted one of them"
        )
    code, list_id = languages.normalise(language), new_list_id()
    if languages.base(code) == "en":
        raise LexiconError("the language is English, which models read as it is; wanted another one")
    made = [_word(code, text, english, source, annotator, list_id) for english, text in found.pairs]
    words = tuple(word for word in made if word is not None)
    swapped = found.swapped and not found.headed
    return PersonalTable(words, len(made) - len(words), found.faults, found.preview, swapped)


def write(words: Iterable[PersonalWord]) -> str:
    """Return entries as TSV with a heading, which ``read_file`` reads back."""
    rows: list[Sequence[str]] = [tuple(FIELDS.names)]
    rows += [
        (each.language, each.text, each.english, "1" * each.wrong, each.source, each.annotator, each.created_utc)
        for each in words
    ]
    return "".join(tables.quoted(row, "\t") + "\n" for row in rows)


def _columns(table: Table) -> Columns | None:
    """Return what the columns hold if one of them is headed as the language, else None."""
    if not table.rows or not any(FIELDS.of(tables.trimmed(cell)) == "language" for cell in table.rows[0].cells):
        return None
    if len(table.rows) > 1 and not any(FIELDS.of(tables.trimmed(cell)) == "english" for cell in table.rows[0].cells):
        return None
    return tables.match(table.rows[0].cells, FIELDS)


def _of_languages(table: Table, columns: Columns, source: str, annotator: str) -> PersonalTable:
    if table.cut:
        raise QueryError(f"there are more than {MAX_WORDS:,} rows; wanted fewer")
    rows = table.rows[1:]
    list_id, words, sentences = new_list_id(), dict[tuple[str, str, str], PersonalWord](), 0
    faults: list[tuple[int, PairFault]] = []
    for line, found in _values(rows, columns):
        if isinstance(found, PairFault):
            faults.append((line, found))
            continue
        given = (found["language"], found["text"], found["english"])
        notes = (found.get("source") or source, found.get("annotator") or annotator)
        word = _word(*given, *notes, list_id, wrong=found.get("wrong", "").casefold() in _YES)
        if word is None:
            sentences += 1
        else:
            words[word.about] = word
    return PersonalTable(tuple(words.values()), sentences, tuple(faults), table.preview(columns, rows))


def _values(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[int, Mapping[str, str] | PairFault]]:
    for line, cells in rows:
        try:
            found = {field: tables.trimmed(cell) for field, cell in columns.values(cells).items()}
        except tables.TableError:
            yield line, PairFault("columns", 0, len(cells))
            continue
        pair = text_pairs.cleaned([found.get("english", ""), found.get("text", "")])
        problem = text_pairs.fault(pair)
        if problem is None and not _is_other_language(found.get("language", "")):
            problem = PairFault("language", 0, 0)
        yield line, problem or {**found, "english": pair[0], "text": pair[1]}


def _is_other_language(code: str) -> bool:
    try:
        return languages.base(code) != "en"
    except LanguageError:
        return False


def _word(
    language: str, text: str, english: str, source: str, annotator: str, list_id: str, *, wrong: bool = False
) -> PersonalWord | None:
    """Return an entry; None for what is too long to be remembered as it stands."""
    try:
        return PersonalWord(
            language, text, english, wrong, source[:MAX_NOTE_CHARACTERS], annotator[:MAX_NOTE_CHARACTERS], list_id
        )
    except LexiconError:
        return None
