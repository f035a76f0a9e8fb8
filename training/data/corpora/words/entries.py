"""Entries of lexicons and collections of sentences: the one value that every reader of texts yields."""

from __future__ import annotations

import dataclasses
import functools
import html
import re
import unicodedata
from pathlib import Path

from cacara import languages
from cacara.errors import LanguageError, SourceError

PARTS_OF_SPEECH = ("noun", "verb", "adjective", "adverb")
"""Those that sources are compared by; any other is None."""
# Collective and historic codes that files use where one language is meant.
_MEANT = {"ar-MA": "ary", "ja-Hira": "ja"}
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）")
_ARTICLE = re.compile(r"^(?:an?|the)\s+(?=\S)", re.IGNORECASE)
_INFINITIVE = re.compile(r"^to\s+(?=\S)")
_EDGES = " \t.,;:!?¡¿\"'“”„«»·-–—。、،؛"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One pair of an English text and its translation.

    Attributes:
        english: The English text: a word or a few, or a sentence.
        language: BCP-47 code of the translation, never English.
        text: The translation, NFC.
        source: Key of the source it is from.
        part_of_speech: One of ``PARTS_OF_SPEECH``, or None where the source gives none of them.
        sense: Place of the meaning among those that the source gives the word, from 0, the commonest.
        vulgar: Whether the source marks the word or the meaning as vulgar.
    """

    english: str
    language: str
    text: str
    source: str
    part_of_speech: str | None = None
    sense: int = 0
    vulgar: bool = False


def text_of(path: Path, errors: str = "strict") -> str:
    """Return the content of a text file in UTF-8.

    Args:
        path: The file.
        errors: How bytes that are no UTF-8 are taken, as ``bytes.decode`` names it.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors=errors)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} cannot be read: {error}") from error


@functools.lru_cache(maxsize=8192)
def language_of(code: str) -> str | None:
    """Return the BCP-47 code that a source's code stands for, None for English and for what is no language.

    A code of ISO 639-3 becomes that of its macrolanguage where CLDR prefers that: ``arb`` is ``ar``, ``swh`` is ``sw``.
    Regions, variants and the usual script are left off, so that sources meet: ``es-CL`` is ``es``, and ``yue-Hant`` is
    ``yue``.
    """
    from langcodes import Language as Tag

    try:
        normal = languages.normalise(code.replace("_", "-"))
        normal = languages.normalise(_MEANT.get(normal, normal))
        tag = Tag.get(normal).prefer_macrolanguage()
        usual = Tag.get(tag.language or "und").maximize().script
        script = f"-{tag.script}" if tag.script and tag.script != usual else ""
        normal = languages.normalise(f"{tag.language}{script}")
    except LanguageError:
        return None
    return None if normal.partition("-")[0] == "en" else normal


def plain(text: str) -> str:
    """Return a text of a dictionary without remarks in brackets and punctuation at its ends, in NFC."""
    return " ".join(without_remarks(text).split()).strip(_EDGES)


def without_remarks(text: str) -> str:
    """Return a text without what stands in brackets, in NFC."""
    text = unicodedata.normalize("NFC", html.unescape(text) if "&" in text else text)
    while (shorter := _BRACKETS.sub(" ", text)) != text:
        text = shorter
    return text


def plain_english(text: str) -> tuple[str, bool]:
    """Return an English text without remarks, article and the ``to`` of an infinitive, and whether it had that ``to``.

    >>> plain_english("to bark (of a dog)")
    ('bark', True)
    """
    text = plain(text).replace("’", "'")
    verb = bool(_INFINITIVE.match(text))
    return _ARTICLE.sub("", _INFINITIVE.sub("", text)), verb
