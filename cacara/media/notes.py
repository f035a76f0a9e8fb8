"""Notes on a decoded sound: a code and values, which a page puts into its own language, and a sentence in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENGLISH: Mapping[str, str] = {
    "short": "{seconds} seconds is short; a second or more gives better matches",
    "cut": "only the first {seconds} seconds were used",
    "searched": "only the first {seconds} seconds of this sound are searched",
    "early": "the file ends early (damaged); the first {seconds} seconds were used",
    "damaged": "parts of the file are damaged and are silent here; {seconds} seconds were used",
    "gap": "the file has no sound for {seconds} seconds before its end; they are silent here, so that times are right",
    "misplaced": "times may be off from {seconds} seconds on: the time stamps of the file jump there, or are damaged",
    "opposed": "the channels cancel each other out (one is inverted), so the louder channel alone was used",
}
"""Every code with its sentence; a page has a text of the name ``note_CODE`` for each, with the same places."""


class Note(str):
    """A sentence in English that knows its code and values; programs take it for the text that it is.

    Attributes:
        code: One of ``ENGLISH``.
        values: What stands in the places of the sentence, as text.
    """

    code: str
    values: dict[str, str]

    def __new__(cls, code: str, **values: str) -> Note:
        """Make the sentence of a code.

        Args:
            code: One of ``ENGLISH``.
            values: The places of its sentence.

        Raises:
            KeyError: There is no such code, or a place has no value.
        """
        note = super().__new__(cls, ENGLISH[code].format(**values))
        note.code, note.values = code, values
        return note

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:  # type: ignore[override]
        """Return what copies and pickles are made from."""
        return (self.code,), self.values

    def packed(self) -> list[Any]:
        """Return the note as JSON can hold it; ``unpacked`` is the way back."""
        return [self.code, self.values]


def unpacked(rows: list[list[Any]]) -> tuple[Note, ...]:
    """Return notes from what ``Note.packed`` gave for each, after a passage through JSON."""
    return tuple(Note(code, **values) for code, values in rows)
