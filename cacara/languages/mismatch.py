"""Columns that changed places: texts that are said to be one language and read as English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cacara.languages.detection import CHARACTERS_READ, detect

MIN_TEXTS = 3
_NEAR_ENGLISH = frozenset({"en", "sco", "pcm", "jam", "bzj", "gul", "kri", "tpi", "bi", "ang", "enm"})
"""English and what the detector takes for it."""


def reads_as_english(texts: Iterable[str]) -> bool:
    """Return whether texts together read as English; False where nothing is certain enough."""
    joined = ""
    for text in texts:
        joined += f"{text}. "
        if len(joined) >= CHARACTERS_READ:
            break
    return detect(joined).language == "en"


def swapped(english: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether the texts of the other language read as English and those that should be English do not."""
    return len(others) >= MIN_TEXTS and reads_as_english(others) and not reads_as_english(english)


def english_instead(texts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the languages, of at least ``MIN_TEXTS`` texts, whose texts together read as English.

    Args:
        texts: Language, BCP-47, to the texts that are said to be in it.
    """
    return tuple(
        language
        for language, said in texts.items()
        if len(said) >= MIN_TEXTS and language.partition("-")[0] not in _NEAR_ENGLISH and reads_as_english(said)
    )
