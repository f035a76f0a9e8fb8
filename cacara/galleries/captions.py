"""Texts of a folder's sounds and pictures, from the table that lies beside them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cacara import languages
from cacara.errors import GalleryError, LanguageError
from cacara.galleries.file_names import Names, Unmatched
from cacara.languages import mismatch
from cacara_files import tables
from cacara_files.tables import Fields

CAPTION_FILES = (
    *("captions.csv", "captions.tsv", "captions.txt", "captions.xlsx", "captions.jsonl"),
    *("metadata.csv", "metadata.jsonl"),  # the audiofolder layout of `datasets`
)
"""In any case; the first that is there counts."""

MAX_CAPTION_BYTES = 64 << 20
MAX_ROWS = 2_000_000
MAX_ROW_CHARACTERS = 1 << 17
FIELDS = Fields(
    {
        "file": tables.FILE,
        "language": tables.LANGUAGE,
        "text": tables.TEXT | {"transcription"},
        "concept": tables.CONCEPT - {"english", "english text", "english translation"},
    },
    required=("file", "text"),
)
_WORKBOOKS = ("captions.xls", "captions.ods")


@dataclasses.dataclass(frozen=True)
class Captions:
    """Captions, licences and authors of files, from a table.

    Attributes:
        texts: File → language → texts.
        concepts: File → what it is, where that is said.
        unmatched: Rows without a file, files without a row.
        notes: Remarks for the user, one sentence each.
        reading: How the table was read and its first rows, for a terminal.
    """

    texts: Mapping[str, Mapping[str, tuple[str, ...]]] = dataclasses.field(default_factory=dict)
    concepts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unmatched: Unmatched = Unmatched()
    notes: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()


def read(folder: Path, files: Iterable[str], extra: Iterable[str] = ()) -> Captions:
    """Return what the table in a folder says of its files; nothing where there is no table.

    Args:
        folder: Folder of the table.
        files: Names of files below it that a row is expected for.
        extra: Names of further files that rows may be about, the pictures.

    Raises:
        GalleryError: The table cannot be read, is too large, or a row of it is malformed.
    """
    path = _table(folder)
    if path is None:
        beside = next((name for name in _WORKBOOKS if (folder / name).is_file()), None)
        return Captions(notes=(f"{beside} is a workbook and is not read; save it as captions.csv",) if beside else ())
    try:
        size = path.stat().st_size
    except OSError as error:
        raise GalleryError(f"{path.name} cannot be read: {error.strerror or error}") from error
    if size > MAX_CAPTION_BYTES:
        raise GalleryError(f"{path.name} has {size:,} bytes; wanted at most {MAX_CAPTION_BYTES:,}")
    reading: list[str] = []
    rows = _json_rows(path) if path.suffix.lower() == ".jsonl" else _table_rows(path, reading)
    wanted, beside_them = dict.fromkeys(files), dict.fromkeys(extra)
    names = Names([*wanted, *beside_them])
    texts: dict[str, dict[str, tuple[str, ...]]] = {}
    concepts: dict[str, str] = {}
    spoken: dict[str, list[str]] = {}
    lost: list[tuple[int, str]] = []
    for number, row in rows:
        try:
            given, text = _cell(row, "file"), _cell(row, "text").strip()
            language = languages.normalise(_cell(row, "language", "en"))
            concept = _cell(row, "concept", "")
        except (ValueError, LanguageError) as error:
            raise _malformed(path, number, error) from error
        name = names.find(given)
        if name is None:
            lost.append((number, given))
            continue
        said = texts.setdefault(name, {})
        if text:
            said[language] = (*said.get(language, ()), text)
            spoken.setdefault(language, []).append(text)
        if concept:
            concepts[name] = concept
    unmatched = Unmatched(tuple(lost), tuple(name for name in wanted if name not in texts))
    notes = unmatched.sentences(path.name) + [
        f"{path.name}: the texts in {code} read as English; have two columns changed places?"
        for code in mismatch.english_instead(spoken)
    ]
    full = {name: said for name, said in texts.items() if said}
    return Captions(full, concepts, unmatched, tuple(notes), tuple(f"{path.name}: {line}" for line in reading))


def _table(folder: Path) -> Path | None:
    """Return the table of captions in a folder, its name in any case."""
    found = {}
    for path in sorted(folder.iterdir(), reverse=True):  # of several that differ in case alone, the first
        if path.name.lower() in CAPTION_FILES and path.is_file():
            found[path.name.lower()] = path
    exact = next((folder / name for name in CAPTION_FILES if (folder / name).is_file()), None)
    return exact or next((found[name] for name in CAPTION_FILES if name in found), None)


def _table_rows(path: Path, reading: list[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    limits = tables.Limits(MAX_CAPTION_BYTES, MAX_ROWS, MAX_ROW_CHARACTERS)
    number = None
    try:
        table = tables.read_file(
            path, limits, fits=lambda cells: sum(FIELDS.of(cell) is not None for cell in cells) > 1
        )
        if table.cut:
            raise tables.TableError(f"there are more than {MAX_ROWS:,} rows; wanted at most that")
        columns = tables.match(table.rows[0].cells, FIELDS) if table.rows else None
        if columns is None:
            found = ", ".join(table.rows[0].cells)[:80] if table.rows else "nothing"
            raise tables.TableError(f"there is no heading (found {found}); known are {FIELDS.known}")
        reading += table.preview(columns, table.rows[1:]).lines()
        for number, cells in table.rows[1:]:
            values = columns.values(cells)
            yield number, {field: tables.trimmed(value) for field, value in values.items()}
    except tables.TableError as error:
        raise _malformed(path, number, error) from error


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        content, _ = tables.decoded(path.read_bytes())
    except OSError as error:
        raise GalleryError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except tables.TableError as error:
        raise _malformed(path, None, error) from error
    for number, line in enumerate(content.split("\n"), start=1):  # a text may hold what splitlines would split at
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise _malformed(path, number, error) from error
        if not isinstance(row, dict):
            raise _malformed(path, number, f"{line:.80} is not a JSON object")
        yield number, {**{FIELDS.of(str(key)) or str(key): value for key, value in row.items()}, **row}


def _cell(row: Mapping[str, object], column: str, default: str | None = None) -> str:
    value = row.get(column)
    if value in (None, "") and default is not None:
        return default
    if not isinstance(value, str) or (column == "file" and not value):
        raise ValueError(f"{column} is missing" if not value else f"{column} is {value!r:.80}, not a string")
    value.encode()  # JSON may spell half of a surrogate pair: no text, and no database or tokenizer takes it
    return value


def _malformed(path: Path, line: int | None, why: object) -> GalleryError:
    place = path.name if line is None else f"{path.name}, line {line}"
    return GalleryError(f"{place}: {why}; wanted file, language and text")
