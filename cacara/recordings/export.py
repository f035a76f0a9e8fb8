"""Export of passages found in a recording to ELAN, Praat and CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.errors import QueryError
from cacara.recordings import elan
from cacara_files import tables
from cacara_files.tables.display import is_storable_in_xml

if TYPE_CHECKING:
    from cacara.recordings.long_recordings import Passage

FORMATS = {".eaf": "application/xml", ".TextGrid": "text/plain", ".csv": "text/csv"}
"""Endings, as the programs write them, and the types that browsers are told."""

_NO_DATE = "1970-01-01T00:00:00+00:00"  # ELAN wants a date; a true one would make equal results unequal files
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_COLUMNS = ("recording", "query", "language", "rank", "start_seconds", "end_seconds", "score", "prominence")


@dataclasses.dataclass(frozen=True)
class Search:
    """A query and the passages found for it.

    Attributes:
        query: The text that was asked for, or what the sound that was asked with is called.
        language: BCP-47 code that the query was taken to be in, or None.
        passages: Best first; they do not overlap.
    """

    query: str
    language: str | None
    passages: tuple[Passage, ...]


def export(
    suffix: str, recording: str, seconds: float, searches: Sequence[Search], existing: bytes | None = None
) -> bytes:
    """Return the file of one format; a search is a tier of its own. Equal values give equal bytes.

    Args:
        suffix: One of ``FORMATS``; upper and lower case are one.
        recording: The recording's file name, without its folder.
        seconds: Its length.
        searches: At least one.
        existing: An ELAN document of the recording, for ``.eaf`` alone: the tiers are added to it.

    Raises:
        QueryError: Unknown format, nothing was searched for, or ``existing`` is no ELAN document.
    """
    known = {name.lower(): name for name in FORMATS}
    if suffix.lower() not in known:
        raise QueryError(f"unknown format {suffix!r:.20}; wanted one of {', '.join(FORMATS)}")
    if not searches:
        raise QueryError("nothing has been searched for in this recording; search first, then export")
    write = {".eaf": _eaf, ".TextGrid": _textgrid, ".csv": _csv}[known[suffix.lower()]]
    made = write(_name(recording), seconds, searches)
    return made if existing is None else elan.with_tiers(existing, made)


def _eaf(recording: str, seconds: float, searches: Sequence[Search]) -> bytes:
    from pympi import Elan

    eaf = Elan.Eaf(author="CACARA Studio")
    eaf.adocument["DATE"] = _NO_DATE
    eaf.remove_tier("default")
    # ELAN looks for the recording beside the file; it asks where it is when it is not there.
    kind = Elan.Eaf.MIMES.get(Path(recording).suffix[1:].lower(), "audio/*")
    eaf.add_linked_file(recording, relpath=f"./{recording}", mimetype=kind)
    for name, search in _tiers(searches).items():
        eaf.add_tier(name)
        for passage in sorted(search.passages, key=lambda passage: passage.start_seconds):
            start, end = (round(1000 * edge) for edge in (passage.start_seconds, passage.end_seconds))
            eaf.add_annotation(name, start, max(end, start + 1), _label(search, passage))
    return bytes(Elan.to_string(eaf, encoding="UTF-8"))


def _textgrid(recording: str, seconds: float, searches: Sequence[Search]) -> bytes:
    from pympi import Praat

    grid = Praat.TextGrid(xmin=0, xmax=seconds)
    for name, search in _tiers(searches).items():
        tier = grid.add_tier(name.replace('"', '""'))  # the library doubles quotes in labels, not in names
        for passage in sorted(search.passages, key=lambda passage: passage.start_seconds):
            tier.add_interval(passage.start_seconds, passage.end_seconds, _label(search, passage))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.TextGrid"
        grid.to_file(str(path), codec="utf-8")
        return path.read_bytes()


def _csv(recording: str, seconds: float, searches: Sequence[Search]) -> bytes:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for search in searches:
        for passage in search.passages:
            texts = [_safe(recording), _safe(_plain(search.query)), search.language or "", passage.rank]
            times = [f"{edge:.3f}" for edge in (passage.start_seconds, passage.end_seconds)]
            writer.writerow([*texts, *times, f"{passage.score:.6f}", f"{passage.prominence:.3f}"])
    return made.getvalue().encode("utf-8-sig")  # with the mark by which spreadsheets know UTF-8


def _tiers(searches: Sequence[Search]) -> dict[str, Search]:
    """Return searches by a name for each, which no two share."""
    named: dict[str, Search] = {}
    for search in searches:
        language = f" ({search.language})" if search.language else ""
        base = f"{_plain(search.query)[:80]}{language}"
        name, number = base, 2
        while name in named:
            name, number = f"{base} {number}", number + 1
        named[name] = search
    return named


def _label(search: Search, passage: Passage) -> str:
    return f"{_plain(search.query)} · {passage.score:.3f}"


def _plain(text: str) -> str:
    """Return a text in one line, without the characters that no XML may hold."""
    kept = (sign if is_storable_in_xml(sign) and unicodedata.category(sign) != "Cc" else " " for sign in text)
    return " ".join("".join(kept).split()) or "?"


def _name(name: str) -> str:
    """Return a file's name as it is, so that it is found under it; what no XML may hold is escaped."""
    kept = (sign if is_storable_in_xml(sign) and sign not in "\t\n\r" else tables.shown(sign) for sign in name)
    return "".join(kept) or "?"


def _safe(text: str) -> str:
    """Return a text that a spreadsheet takes for text: what would begin a formula gets an apostrophe before it."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) or text.startswith(_FORMULA_STARTS) else text
