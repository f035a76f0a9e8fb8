"""Headings of tables: which column holds what, by the names that people give them."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from cacara_files.tables.cells import trimmed
from cacara_files.tables.errors import TableError

LANGUAGE = frozenset(
    "lang|code|language code|lang code|language id|language tag|locale|iso|iso code|iso 639|iso 639 1|iso 639 3"
    "|iso639 3|bcp 47|bcp47".split("|")
)
TEXT = frozenset(
    "caption|captions|word|words|translation|form|phrase|sentence|term|name|label text|lexeme|headword"
    "|description".split("|")
)
ENGLISH = frozenset(
    "en|eng|english gloss|english text|english word|english translation|english sentence|gloss|gloss en|en gloss"
    "|meaning en".split("|")
)
CONCEPT = frozenset(
    "meaning|gloss|english|english gloss|english word|english text|english translation|key|parameter|parameter id"
    "|parameter name|concepticon gloss|definition|sense".split("|")
)
FILE = frozenset("filename|file name|path|file path|sound|sound file|audio|audio file|recording|clip|wav".split("|"))

PASSED_OVER = frozenset(
    "id|no|nr|number|line|row|index|local id|note|notes|comment|comments|remark|remarks|source|sources|licence|license"
    "|segments|graphemes|profile|cognacy|loan|value|part of speech|pos|frequency|freq|date|author".split("|")
)
"""Headings of columns that are of no use to any reader here; every other unknown heading has to be understood."""


@dataclasses.dataclass(frozen=True)
class Fields:
    """Columns of a kind of table.

    Attributes:
        names: Field → the headings that mean it, as ``fold`` writes them; the field's own name is one of them always.
        required: Fields without which the table is of no use.
    """

    names: Mapping[str, frozenset[str]]
    required: tuple[str, ...]

    def of(self, heading: str) -> str | None:
        """Return the field that a heading means, or None."""
        folded = fold(heading)
        return next((field for field, known in self.names.items() if folded == fold(field) or folded in known), None)

    @property
    def known(self) -> str:
        """The headings that are known, for people."""
        return "; ".join(
            f"{field} ({', '.join(others)})" if (others := sorted(known - {fold(field)})[:8]) else field
            for field, known in self.names.items()
        )


@dataclasses.dataclass(frozen=True)
class Columns:
    """Meaning of each column of a table.

    Attributes:
        headings: As they stand in the table; empty where it has none.
        fields: Field of each column; None for one that is passed over.
    """

    headings: tuple[str, ...]
    fields: tuple[str | None, ...]

    @property
    def passed_over(self) -> tuple[str, ...]:
        """The headings of columns that are not used."""
        return tuple(
            heading for heading, field in zip(self.headings, self.fields, strict=True) if heading and field is None
        )

    def values(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells of a row by field.

        Raises:
            TableError: A cell that is not blank stands beyond the headings.
        """
        if any(cell.strip() for cell in cells[len(self.fields) :]):
            raise TableError(
                f"more cells than headings ({len(cells)} for {len(self.fields)}); "
                "a text with the separator in it stands in quotes"
            )
        pairs = zip(self.fields, cells, strict=False)
        return {field: cell for field, cell in pairs if field is not None}


def fold(heading: str) -> str:
    """Return a heading so that its usual spellings are equal: ``Language_ID`` → ``language id``."""
    text = unicodedata.normalize("NFKC", trimmed(heading)).casefold()
    return " ".join(re.sub(r"[\s_.:/()-]+", " ", text).split())


def match(cells: Sequence[str], fields: Fields) -> Columns | None:
    """Return what the columns under a first row hold; None if no cell of it is a heading that is known.

    Of two columns that mean the same the one with the field's own name counts, else the first. A heading that is not
    known is passed over only where it cannot be one that was meant: when every field, the optional ones too, has a
    column under another heading, or when it is one of ``PASSED_OVER``.

    Raises:
        TableError: A required field has no column, or a heading is not known; the message lists those that are.
    """
    headings = tuple(trimmed(cell) for cell in cells)
    meant = [fields.of(heading) if heading else None for heading in headings]
    if not any(meant):
        return None
    chosen: dict[str, int] = {}
    for place, field in enumerate(meant):
        if field and (field not in chosen or _is_own(headings[place], field) > _is_own(headings[chosen[field]], field)):
            chosen[field] = place
    unknown = [
        heading
        for heading, field in zip(headings, meant, strict=True)
        if heading and field is None and fold(heading) not in PASSED_OVER
    ]
    missing = [field for field in fields.required if field not in chosen]
    if missing or (unknown and len(chosen) < len(fields.names)):
        raise TableError(_refusal(headings, unknown, missing, fields))
    width = max((place for place, heading in enumerate(headings) if heading), default=-1) + 1
    used = {place: field for field, place in chosen.items()}
    return Columns(headings[:width], tuple(used.get(place) for place in range(width)))


def _is_own(heading: str, field: str) -> bool:
    return fold(heading) == fold(field)


def _refusal(headings: Iterable[str], unknown: Sequence[str], missing: Sequence[str], fields: Fields) -> str:
    lacking = f"no column is headed {' or '.join(missing)}" if missing else ""
    strange = f"{', '.join(repr(each[:40]) for each in unknown[:5])} is no heading that is known" if unknown else ""
    found = ", ".join(each[:40] for each in headings if each)
    return f"{' and '.join(filter(None, (strange, lacking)))} (found {found}); known are {fields.known}"
