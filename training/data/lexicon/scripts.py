"""Scripts of words: whether a word can be one of a language, and under which code."""

from __future__ import annotations

import functools
import re
import unicodedata

from langcodes.data_dicts import LIKELY_SUBTAGS

from cacara import languages
from cacara.languages.spelling import POINTS_ARE_LETTERS

LATIN_TOO = frozenset("az ber bm crh iu kk ks ku mni ms rhg sat sr tg tk tt ug uz zgh".split())
"""Languages whose usual script is another, but whose words in Latin letters are no mere romanisation."""
NO_SCRIPT = ("Zyyy", "Zzzz")
_SAME = {"Hans": "Hani", "Hant": "Hani", "Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan"}
_FOREIGN = ("Bopo", "Grek", "Hani", "Jpan", "Kore")
"""Scripts of their own languages alone, which are written in no other."""
_POINTS = {
    "Arab": re.compile("[\u0640\u064b-\u0652\u0670]"),  # vowels, and the stroke that stretches a word
    "Hebr": re.compile("[\u0591-\u05c7]"),
    "Cyrl": re.compile("\u0301"),  # stress
}
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")


def placed(language: str, text: str) -> tuple[str, str] | None:
    """Return the code of the language as it is written in a word, and the word without points; None for no word of it.

    A word in a script that is not the language's usual one has the script in its code (``sr-Latn``), unless it is a
    romanisation, which is no word.

    Args:
        language: BCP-47.
        text: A word or a few.
    """
    text = _INVISIBLE.sub("", text)
    script = script_of(text)
    code = _code(language, script)
    if code is None:
        return None
    if script in _POINTS and language.partition("-")[0] not in POINTS_ARE_LETTERS:
        text = _POINTS[script].sub("", unicodedata.normalize("NFC", text))
    return code, text


def script_of(text: str) -> str:
    """Return the script most letters of a text are in, ISO 15924; Chinese is ``Hani``, Japanese with kana ``Jpan``."""
    counts: dict[str, int] = {}
    for character in text:
        script = _script_of_character(character)
        if script is not None:
            counts[script] = counts.get(script, 0) + 1
    if not counts:
        return NO_SCRIPT[0]
    return "Jpan" if "Jpan" in counts else max(sorted(counts), key=counts.__getitem__)


@functools.lru_cache(maxsize=1 << 16)
def _script_of_character(character: str) -> str | None:
    script = languages.script_of(character)
    return None if script == NO_SCRIPT[0] else _SAME.get(script, script)


@functools.lru_cache(maxsize=1 << 16)
def _code(language: str, script: str) -> str | None:
    if "-" not in language and language not in LIKELY_SUBTAGS:
        return None if script in NO_SCRIPT else language  # nobody knows how it is written
    usual = languages.describe(language).script
    usual = _SAME.get(usual, usual)
    if usual in (script, NO_SCRIPT[1]) or (usual == "Jpan" and script == "Hani"):
        return language
    if (
        script in (*NO_SCRIPT, *_FOREIGN)
        or usual in _FOREIGN
        or "-" in language
        or (script == "Latn" and language not in LATIN_TOO)
    ):
        return None
    return languages.normalise(f"{language}-{script}")
