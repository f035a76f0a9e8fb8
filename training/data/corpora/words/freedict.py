"""FreeDict's bilingual dictionaries, as the dict server's packages hold them.

A package has one ``.index`` (headword, offset and length of its entry, in the server's base 64) and one ``.dict.dz``
(the entries, gzip). An entry's first line is the headword with pronunciation and part of speech; then come its senses,
a line each or more. Only the first sense is taken: it is the common one, and later lines are often glosses or examples.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from cacara import languages
from cacara.errors import SourceError

PREFIX = "freedict-"
MAX_WORDS = 3
TRANSLATIONS_A_SENSE = 2
_DIGITS = {
    digit: value for value, digit in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
_MACRO = {"swh": "sw"}
_STRESS = "\N{COMBINING ACUTE ACCENT}"
_AFTER_HEADWORD = re.compile(r"\s*(?:/|<|\[|\(|\{).*$")
_NUMBER = re.compile(r"^\s*(?:[IVX]+\.\s*)?(?:<[^>]*>\s*)?(?:\d+\.?\s*)?")
_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|<[^>]*>|/[^/]*/")
_UNFIT = re.compile(r"[\d\"“”<>(){}\[\]/=*:?!…]|\.\S")


def read(key: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield English text, BCP-47 language and translation of a dictionary's entries.

    Args:
        key: Of the source, ``freedict-eng-swh`` or ``freedict-swh-eng``: which side is English.
        folder: Folder that it was fetched to.

    Raises:
        SourceError: A file is missing or damaged.
    """
    first, second = key.removeprefix(PREFIX).split("-")
    code = second if first == "eng" else first
    language = languages.normalise(_MACRO.get(code, code))
    for headword, translations in _entries(folder):
        for translation in translations:
            yield (headword, language, translation) if first == "eng" else (translation, language, headword)


def _entries(folder: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        (index,), (packed,) = folder.rglob("*.index"), folder.rglob("*.dict.dz")
        rows = [line.split("\t") for line in index.read_text(encoding="utf-8").splitlines()]
        with gzip.open(packed) as file:
            content = file.read()
        places = sorted({(_number(row[1]), _number(row[2])) for row in rows if not row[0].startswith("00database")})
        for offset, length in places:
            headword, *senses = content[offset : offset + length].decode("utf-8").splitlines() or [""]
            word = _clean(_AFTER_HEADWORD.sub("", headword))
            if word and (translations := _translations(senses)):
                yield word, translations
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise SourceError(f"the dictionary in {folder} cannot be read: {error}") from error


def _translations(senses: list[str]) -> list[str]:
    """Return the first sense's translations."""
    for line in senses:
        pieces = re.split(r"[,;،؛、]|\.\s", _BRACKETS.sub(" ", _NUMBER.sub("", line).replace("~", " ")))
        if found := [text for piece in pieces if (text := _clean(piece))]:
            return found[:TRANSLATIONS_A_SENSE]
        if line.strip(" .0123456789"):
            return []  # the first sense is a sentence or an example
    return []


def _clean(text: str) -> str:
    """Return the text of a few plain words, or nothing."""
    text = " ".join(text.replace(_STRESS, "").split()).strip(" .-–")  # Bulgarian entries mark the stress
    fits = text and len(text.split()) <= MAX_WORDS and not _UNFIT.search(text) and len(text) <= 40
    return text if fits else ""


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + _DIGITS[digit]
    return value
