"""Texts and names of strangers: what is shown of them in a line, and what counts as a letter.

Names are stored as they were given. Python's Unicode tables are older than some scripts, so a letter that it does not
know yet is a letter here, and so are private-use letters, which fonts of small languages draw.
"""

from __future__ import annotations

import re
import unicodedata

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn round what follows them, beyond the text that they stand in."""
_WITHIN_WORDS = frozenset("\u200c\u200d'\u2019")
"""Characters that belong to a word between two letters: joiners, and the apostrophes of k'aq and l'eau."""


def shown(text: str) -> str:
    r"""Return a text for one line of a page or a terminal: what could move, fake or turn round a line is escaped.

    That is controls (``\x1b``), line and paragraph separators, marks of direction and halves of surrogate pairs.
    Joiners, no-break spaces, private-use letters and scripts newer than Python's Unicode stay as they are.
    """
    return "".join(_escape(sign) if _is_unshowable(sign) else sign for sign in text)


def words(text: str) -> str:
    """Return the words of a name: its letters, digits and their marks, with single spaces for all else.

    ``कुत्ता_1-2`` becomes ``कुत्ता 1 2``.
    """
    kept = "".join(sign if _is_of_word(sign) or sign in _WITHIN_WORDS else " " for sign in text)
    trimmed = (re.sub(r"^[\u200c\u200d'\u2019]+|['\u2019]+$", "", word) for word in kept.split())
    return " ".join(word for word in trimmed if word)


def has_content(text: str) -> bool:
    """Return whether a text holds a letter, a digit or a symbol of any script."""
    return any(unicodedata.category(sign)[0] in "LNS" or is_unlisted(sign) for sign in text)


def is_unlisted(sign: str) -> bool:
    """Return whether a character is one that Python cannot tell: private, or of a newer Unicode."""
    code = ord(sign)
    is_noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
    return unicodedata.category(sign) in ("Co", "Cn") and not is_noncharacter


def is_storable_in_xml(sign: str) -> bool:
    """Return whether XML 1.0 can hold a character."""
    return sign in "\t\n\r" or " " <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign >= "\U00010000"


def _is_of_word(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN" or is_unlisted(sign)


def _is_unshowable(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category in ("Cc", "Cs", "Zl", "Zp") or sign in _TURNING or (category == "Cn" and not is_unlisted(sign))


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
