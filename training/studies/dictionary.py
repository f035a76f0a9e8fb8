"""Translation by a dictionary before a search in English: what learning a language is compared with."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from cacara import languages, sources
from cacara.errors import LanguageError
from training.data import translations
from training.data.translations import Translation

LONGEST_PHRASE = 4


class Dictionary:
    """A translation by looking the whole text up: no sentence is understood, what is not found stays as it is."""

    def __init__(self, pairs: Sequence[Translation]) -> None:
        """Keep the first English text of every text.

        Args:
            pairs: Translations, sorted.
        """
        self._english: dict[tuple[str, str], str] = {}
        for pair in pairs:
            self._english.setdefault((pair.language, _folded(pair.text)), pair.english)

    def translate(self, text: str, language: str) -> str | None:
        """Return the English text of a text, or None when it is not known."""
        return self._english.get((language, _folded(text)))

    def by_phrases(self, text: str, language: str) -> str:
        """Return a text whose longest known phrases are translated, from left to right; other words stay."""
        words, english, place = text.split(), list[str](), 0
        while place < len(words):
            for size in range(min(LONGEST_PHRASE, len(words) - place), 0, -1):
                phrase = " ".join(words[place : place + size]).strip(",;:()\"'«»„“”")
                if (found := self.translate(phrase, language)) or size == 1:
                    english.append(found or phrase or words[place])
                    place += size
                    break
        return " ".join(english)


@functools.cache
def freedict() -> Dictionary:
    """Return FreeDict's dictionaries as one, whatever their words: they name things of the benchmark too.

    Raises:
        SourceError: A package cannot be fetched.
    """
    folders = sources.fetch_all(translations.DICTIONARIES)
    found = set()
    for key in translations.DICTIONARIES:
        for english, code, text in translations.read(key, folders[key]):
            try:
                found.add(Translation(english, languages.normalise(code), text, key))
            except LanguageError:
                continue
    return Dictionary(sorted(found))


def _folded(text: str) -> str:
    return text.casefold().strip(" .!?")
