"""What a decoder notes of a recording, in the interface's language; programs get it in English, as it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ui.page.wording import Wording

# As ``cacara.media.decoding`` writes them.
_KNOWN = {
    "note_short": re.compile(r"(\S+) seconds is short; a second or more gives better matches"),
    "note_cut": re.compile(r"only the first (\S+) seconds were used"),
    "note_early": re.compile(r"the file ends early \(damaged\); the first (\S+) seconds were used"),
    "note_damaged": re.compile(r"parts of the file are damaged and were left out; (\S+) seconds were used"),
}


def told(note: str, words: Wording) -> str:
    """Return a note in the interface's language, or as it is where it is none of a decoder's."""
    for key, pattern in _KNOWN.items():
        if match := pattern.fullmatch(note):
            return words(key, seconds=match[1])
    return note
