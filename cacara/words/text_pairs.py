"""Pairs of English and another language to teach from: what a line may hold, for whoever reads or writes them."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from typing import Literal

from cacara_files.tables.display import is_unlisted

MIN_PAIRS = 20
MAX_PAIRS = 100_000
MAX_CHARACTERS = 500
MAX_PIECES = 64
"""Of a text; what is longer is not taught."""
MAX_UNKNOWN = 0.05
"""Share of pieces that the tokenizer does not know, beyond which people are warned."""


@dataclasses.dataclass(frozen=True)
class PairFault:
    """A problem with a line.

    Attributes:
        kind: ``columns``: not two; ``empty``: a text without letters; ``long``; ``control``: control characters;
            ``same``: it repeats a pair above; ``language``: its language is missing, no code, or English.
        column: Of the text that is meant, 0 for the English one.
        count: How many columns, or characters, there are.
    """

    kind: Literal["columns", "empty", "long", "control", "same", "language"]
    column: int
    count: int


def cleaned(cells: Sequence[str]) -> list[str]:
    """Return a line's cells in NFC, trimmed, their inner spaces single."""
    return [unicodedata.normalize("NFC", " ".join(cell.split())) for cell in cells]


def fault(columns: Sequence[str]) -> PairFault | None:
    """Return what is wrong with a line's cleaned cells, English and the other language; None if nothing is."""
    if len(columns) != 2:
        return PairFault("columns", 0, len(columns))
    for column, text in enumerate(columns):
        if not any(character.isalnum() or is_unlisted(character) for character in text):
            return PairFault("empty", column, len(text))
        if len(text) > MAX_CHARACTERS:
            return PairFault("long", column, len(text))
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
            return PairFault("control", column, len(text))
    return None
