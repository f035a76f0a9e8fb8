"""Dictionaries and word lists in linguists' own formats, as tables that the readers of words take.

Three formats: FieldWorks' LIFT (XML), Toolbox's standard format with MDF's markers, and a CLDF word list as a zip.
CLDF is read by its three tables and their metadata alone: the library for it brings thirty packages and follows the
addresses that a stranger's metadata names.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from cacara import languages
from cacara.errors import LanguageError
from cacara_files import tables
from cacara_files.tables import Row, Table, TableError

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".lift", ".xml", ".db", ".sfm", ".mdf", ".zip")
"""Of the files that word lists and pairs are read from; what is in them decides, whatever they are called."""
MAX_UNPACKED_BYTES = 64 << 20
_HEAD_BYTES = 4096
_MARKER = re.compile(r"\\(\w+)(?:[ \t]+(.*))?\s*")
_SEVERAL = re.compile(r"\s*;\s*")
"""What separates several meanings in a gloss."""
_TERMS = "http://cldf.clld.org/v1.0/terms.rdf#"


@dataclasses.dataclass(frozen=True)
class Word:
    """A word of a dictionary.

    Attributes:
        line: Where it stands: a line or row of its file, or the number of its entry, from 1.
        language: As the file names it; empty where it does not.
        text: The word.
        english: What it means in English; empty where that is not said.
    """

    line: int
    language: str
    text: str
    english: str


@dataclasses.dataclass(frozen=True)
class Dictionary:
    """The words of a file.

    Attributes:
        format: ``LIFT``, ``Toolbox`` or ``CLDF``.
        words: In the file's order.
        cut: There are more than were wanted.
    """

    format: str
    words: tuple[Word, ...]
    cut: bool = False

    def word_table(self, language: str | None = None) -> Table:
        """Return it as a table of language, text and concept.

        Args:
            language: Of words whose language the file does not say.

        Raises:
            TableError: The file does not say the language, and neither does the caller.
        """
        if language is None and any(not word.language for word in self.words):
            raise TableError(
                f"the {self.format} file does not say which language its words are in; wanted a file name that is a "
                "code, such as 'sw.txt'"
            )
        cells = (Row(word.line, (word.language or language or "", word.text, word.english)) for word in self.words)
        return Table((Row(0, ("language", "text", "concept")), *cells), "", self.format, self.cut)

    def pair_table(self, language: str | None = None) -> Table:
        """Return it as a table of English and another language.

        Args:
            language: Whose words are wanted where the file has several languages.

        Raises:
            TableError: The file has several languages, and the wanted one is not among them or not named.
        """
        spoken = list(dict.fromkeys(word.language for word in self.words))
        wanted = set(spoken)
        if len(spoken) > 1:
            wanted = {each for each in spoken if language is not None and _base(each) == _base(language)}
            if not wanted:
                raise TableError(
                    f"the {self.format} file has words of {len(spoken)} languages ({', '.join(spoken[:5])}) and "
                    f"{'none of ' + language if language else 'no language is chosen'}; wanted one of them"
                )
        cells = (Row(word.line, (word.english, word.text)) for word in self.words if word.language in wanted)
        return Table((Row(0, ("english", "text")), *cells), "", self.format, self.cut)


def read(path: Path, max_bytes: int, max_words: int) -> Dictionary | None:
    """Return the dictionary that a file holds; None where it is of none of the formats.

    Args:
        path: The file.
        max_bytes: Of the file.
        max_words: Reading stops there.

    Raises:
        TableError: It is of a format but damaged, too large, or without words.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            reader = _reader(head)
            if reader is None:
                return None
            content = head + file.read(max(0, max_bytes + 1 - len(head)))
    except OSError as error:
        raise TableError(f"it cannot be read ({error.strerror or error})") from error
    if len(content) > max_bytes:
        raise TableError(f"it has more than {max_bytes:,} bytes; wanted at most {max_bytes:,}")
    return reader(content, max_words)


def language_of(path: Path) -> str | None:
    """Return the language that a file's name is the code of, as ``sw.txt`` and ``ach.lift``; None for other names."""
    try:
        return languages.normalise(path.stem)
    except LanguageError:
        return None


def _reader(head: bytes) -> Any:  # noqa: ANN401
    if head.startswith(b"PK\x03\x04"):
        return _cldf
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"\\") and _MARKER.match(start.splitlines()[0].decode("utf-8", "replace")):
        return _toolbox
    if b"<lift" in head:
        return _lift
    if start.startswith(b"{") and _TERMS.encode() in head:
        raise TableError("it is the description of a CLDF dataset alone; wanted the dataset's folder as a .zip")
    return None


def _taken(form: str, words: Iterable[Word], max_words: int) -> Dictionary:
    found: list[Word] = []
    for word in words:
        if len(found) == max_words:
            return Dictionary(form, tuple(found), cut=True)
        found.append(word)
    if not found:
        raise TableError(f"the {form} file has no words")
    return Dictionary(form, tuple(found))


def _glosses(gloss: str) -> list[str]:
    return [each for each in _SEVERAL.split(gloss.strip()) if each] or [""]


def _toolbox(content: bytes, max_words: int) -> Dictionary:
    r"""Read Toolbox's standard format with MDF's markers: ``\lx`` (the word), ``\ge`` or else ``\de`` (English)."""
    text, _ = tables.decoded(content)
    return _taken("Toolbox", _toolbox_words(text), max_words)


def _toolbox_words(text: str) -> Iterator[Word]:
    lexeme, line = "", 0
    glosses: list[str] = []
    definitions: list[str] = []

    def record() -> Iterator[Word]:
        if lexeme:
            for gloss in glosses or definitions[:1] or [""]:
                for each in _glosses(gloss):
                    yield Word(line, "", lexeme, each)

    for number, content in enumerate(text.splitlines(), 1):
        found = _MARKER.match(content)
        if found is None:
            continue
        marker, value = found[1], (found[2] or "").strip()
        if marker == "lx":
            yield from record()
            lexeme, line, glosses, definitions = value, number, [], []
        elif marker in ("ge", "g_Eng") and value:
            glosses.append(value)
        elif marker in ("de", "d_Eng") and value:
            definitions.append(value)
    yield from record()


def _lift(content: bytes, max_words: int) -> Dictionary:
    """Read FieldWorks' LIFT: an entry's lexical unit in its languages, and the English glosses of its senses."""
    if b"<!DOCTYPE" in content[:_HEAD_BYTES] or b"<!ENTITY" in content:
        raise TableError("the LIFT file declares entities, which no LIFT file needs; export it again")
    try:
        return _taken("LIFT", _lift_words(content), max_words)
    except ElementTree.ParseError as error:
        raise TableError(f"the LIFT file is damaged ({error}); export it again") from error


def _lift_words(content: bytes) -> Iterator[Word]:
    number = 0
    for _, element in ElementTree.iterparse(io.BytesIO(content), events=("end",)):
        if element.tag != "entry":
            continue
        number += 1
        glosses = [text for sense in element.iter("sense") for text in _english_of(sense)]
        for form in element.iterfind("lexical-unit/form"):
            if word := _text_of(form):
                for gloss in glosses or [""]:
                    for each in _glosses(gloss):
                        yield Word(number, form.get("lang", ""), word, each)
        element.clear()


def _english_of(sense: ElementTree.Element) -> list[str]:
    """Return a sense's English glosses, or else its English definition."""
    for path in ("gloss", "definition/form"):
        found = [_text_of(each) for each in sense.iterfind(path) if _base(each.get("lang", "")) == "en"]
        if any(found):
            return [text for text in found if text]
    return []


def _text_of(form: ElementTree.Element) -> str:
    text = form.find("text")
    return "" if text is None else " ".join("".join(text.itertext()).split())


def _cldf(content: bytes, max_words: int) -> Dictionary | None:
    """Read a zipped CLDF word list: forms, with their languages and parameters where those tables are there."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.endswith("metadata.json")]
            if not names:
                return None
            datasets = (_Dataset(archive, name) for name in sorted(names, key=len) if "__MACOSX" not in name)
            dataset = next((each for each in datasets if each.has_forms), None)
            if dataset is None:
                raise TableError("the zip describes no CLDF word list; wanted a dataset with a table of forms")
            return _taken("CLDF", dataset.words(), max_words)
    # zipfile's own: NotImplementedError for an unknown compression, RuntimeError for a password.
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise TableError(f"the zip is damaged or locked ({error}); pack it again") from error


class _Dataset:
    """A CLDF dataset in a zip."""

    def __init__(self, archive: zipfile.ZipFile, metadata: str) -> None:
        self._archive = archive
        self._folder = PurePosixPath(metadata).parent
        self._tables: list[tuple[str, Mapping[str, Any]]] = []
        content = self._content(metadata)
        try:
            described = json.loads(content)
            self._tables = [(str(table["url"]), table) for table in described["tables"]]
        except (ValueError, LookupError, TypeError, RecursionError):
            pass  # other things are called metadata.json too; without tables it is no dataset

    @property
    def has_forms(self) -> bool:
        """Whether it is a word list."""
        return any(True for _ in self._named("FormTable"))

    def words(self) -> Iterator[Word]:
        """Yield the forms, in the order of their table."""
        spoken = {row["id"]: _language_named(row) for _, row in self._rows("LanguageTable", _LANGUAGE_COLUMNS)}
        meant = {
            row["id"]: row.get("name") or row.get("concepticon", "").lower()
            for _, row in self._rows("ParameterTable", _PARAMETER_COLUMNS)
        }
        for line, row in self._rows("FormTable", _FORM_COLUMNS):
            language, parameter = row.get("language", ""), row.get("parameter", "")
            if row.get("form", "").strip():
                yield Word(line, spoken.get(language, language), row["form"].strip(), meant.get(parameter, parameter))

    def _content(self, name: str) -> bytes:
        size = self._archive.getinfo(name).file_size
        if size > MAX_UNPACKED_BYTES:
            raise TableError(f"{name} unpacks to {size:,} bytes; wanted at most {MAX_UNPACKED_BYTES:,}")
        return self._archive.read(name)

    def _named(self, component: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for url, table in self._tables:
            if str(table.get("dc:conformsTo", "")) == f"{_TERMS}{component}":
                yield url, table

    def _rows(self, component: str, columns: Mapping[str, tuple[str, str]]) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield line and cells, by the names of ``columns``: name → (property, usual heading)."""
        for url, table in self._named(component):
            path = str(self._folder / PurePosixPath(url).name)  # beside its description, whatever that says
            if path not in self._archive.namelist():
                raise TableError(f"the CLDF dataset lacks {PurePosixPath(url).name}")
            described = table.get("tableSchema", {}).get("columns", [])
            headings = {
                name: next(
                    (str(column.get("name")) for column in described if column.get("propertyUrl") == f"{_TERMS}{term}"),
                    usual,
                )
                for name, (term, usual) in columns.items()
            }
            content, _ = tables.decoded(self._content(path))
            rows = tables.split_rows(io.StringIO(content, newline=""), ",", 1 << 20)
            first = next(rows, None)
            places = {cell.strip(): place for place, cell in enumerate(first.cells)} if first else {}
            wanted = {name: places[heading] for name, heading in headings.items() if heading in places}
            for row in rows:
                yield row.line, {name: row.cells[place] for name, place in wanted.items() if place < len(row.cells)}


_FORM_COLUMNS = {
    "form": ("form", "Form"),
    "language": ("languageReference", "Language_ID"),
    "parameter": ("parameterReference", "Parameter_ID"),
}
_LANGUAGE_COLUMNS = {"id": ("id", "ID"), "name": ("name", "Name"), "iso": ("iso639P3code", "ISO639P3code")}
_PARAMETER_COLUMNS = {
    "id": ("id", "ID"),
    "name": ("name", "Name"),
    "concepticon": ("concepticonGloss", "Concepticon_Gloss"),
}


def _language_named(row: Mapping[str, str]) -> str:
    """Return a language's code: by ISO 639-3, by its id where that is a code, by its name; else its id.

    ISO 639-3 has codes for what BCP-47 calls by a wider one, as ``swh`` for ``sw`` (CLDR's table of aliases).
    """
    import langcodes

    for cell in (row.get("iso", ""), row.get("id", "")):
        if _base(cell):
            return languages.normalise(langcodes.standardize_tag(cell, macro=True))
    return languages.named(row.get("name", "")) or row.get("id", "")


def _base(code: str) -> str:
    try:
        return languages.base(code)
    except LanguageError:
        return ""
