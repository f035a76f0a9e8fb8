"""One spelling for what is the same text: marks that say nothing, vowel signs and capitals, as the model reads them.

Phones begin every text with a capital, keyboards and copied pages leave invisible characters, and people point Arabic
and Hebrew or do not. What is shown and stored stays as it was typed; only what towers and lexicons read is folded.
"""

from __future__ import annotations

import unicodedata

import regex

DOTTED_I = frozenset("az crh gag tr tt".split())
"""Base languages whose dotless ``I`` is the capital of ``ı``."""
POINTS_ARE_LETTERS = frozenset("ks ms pa skr ug yi".split())
"""Base languages whose vowel signs are letters: without them words are others."""
_UNDETERMINED = "und"
_CAPITAL_NOUNS = frozenset(("de",))
"""Base languages that write nouns with a capital, and that text towers learnt so."""

# Soft hyphen, tatweel, variation selectors of emoji, marks of direction, word joiner and byte-order mark.
_SILENT = regex.compile("[\u00ad\u0640\ufe0e\ufe0f\u200e\u200f\u061c\u2060\ufeff]")
# Of Hebrew and Arabic, and the stress of Cyrillic.
_POINTS = regex.compile(
    r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u0652\u0670]|(?<=\p{Cyrillic})\u0301"
)
_WORD_START = regex.compile(r"(?<!\S)[^\W\d_]")
# Spaces and zero-width characters; a joiner after a mark stays, as it makes a letter of Malayalam.
_ENDS = regex.compile(r"^[\s\u200b-\u200d]+|(?<!\p{M})[\s\u200b-\u200d]+$|[\s\u200b]+$")


def plain(text: str, language: str | None = None) -> str:
    """Return a text in NFC without marks that say nothing; the text itself where nothing would be left.

    Args:
        text: Any text.
        language: BCP-47 code, if known: vowel signs go, too, unless they are letters there.
    """
    if text.isascii():
        return text
    kept = _ENDS.sub("", _SILENT.sub("", unicodedata.normalize("NFC", text))) or text
    if not language or language.partition("-")[0] in POINTS_ARE_LETTERS:
        return kept
    return _POINTS.sub("", kept) or kept


def fold(text: str, language: str | None = None) -> str:
    """Return a text as text towers read it: plain, in lower case, and without vowel signs where these are no letters.

    German keeps capitals that tell its nouns; where they tell nothing, as there are none, nothing else, or one at the
    beginning, every word gets one.

    Args:
        text: Any text.
        language: BCP-47 code, if known.
    """
    base = language.partition("-")[0] if language else None
    kept = plain(text, base or _UNDETERMINED)
    lowered = unicodedata.normalize("NFC", lower(kept, base))
    if base not in _CAPITAL_NOUNS:
        return lowered
    return kept if _tells_nouns(kept) else _WORD_START.sub(lambda start: start[0].upper(), lowered)


def lower(text: str, language: str | None = None) -> str:
    """Return a text in lower case.

    Args:
        text: Any text.
        language: Base language, if known: in Turkish and its like the dotless capital I is the dotless small one's.
    """
    text = text.replace("\u0130", "i")
    return (text.replace("I", "\u0131") if language in DOTTED_I else text).lower()


def _tells_nouns(text: str) -> bool:
    return any(map(str.islower, text)) and any(map(str.isupper, text[1:]))
