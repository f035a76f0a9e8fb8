"""Personal words over a lexicon's table: they stand in place of what the table says of the same word.

An entry holds for the language that it was given for, and for variants of it (``sw`` for ``sw-KE``); not for relatives,
whose own entries the table lends. A word with a sense that is wrong keeps its other senses; one without any is read as
nothing, and no other form of it is tried. The table itself is not changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cacara import languages
from cacara.lexicon import word_forms
from cacara.lexicon.personal_words import PersonalWord
from cacara.lexicon.table import SENSES, LexiconTable

RowsRead = Callable[[str, str], Sequence[int]]
"""The table's rows by which a word of a language is read without a layer."""


@dataclasses.dataclass(frozen=True, eq=False)
class Meaning:
    """The English senses of a word.

    Attributes:
        senses: int64 [senses], positions in the table's vocabulary, and beyond it in the layer's ``glosses``.
        weights: float32 [senses], which sum to 1.
        taught: Somebody here said so.
    """

    senses: NDArray[np.int64]
    weights: NDArray[np.float32]
    taught: bool = False


class PersonalLayer:
    """Personal words as a lexicon's reader asks for them."""

    def __init__(
        self, table: LexiconTable, words: Sequence[PersonalWord] = (), rows_read: RowsRead = lambda *_: ()
    ) -> None:
        """Put words over a table.

        Args:
            table: The lexicon's.
            words: Entries, oldest first; of the same pair the last one counts.
            rows_read: Tells what the table says of a word, of which a wrong sense is left out.
        """
        self._vocabulary = table.vocabulary
        self._first_row = len(table)
        self._numbers = {english: number for number, english in enumerate(table.vocabulary)} if words else {}
        self._glosses: dict[str, int] = {}
        self._entries: dict[str, dict[str, int | None]] = {}
        self._together: dict[tuple[str, ...], Mapping[str, int | None]] = {}
        self._meanings: list[Meaning] = []
        self._languages_of_key: dict[str, set[str]] = {}
        standing = {word.about: word for word in words}
        about: dict[tuple[str, str], list[PersonalWord]] = {}
        for word in standing.values():
            about.setdefault((word.language, word.key), []).append(word)
        for (language, key), own in about.items():
            self._put(table, rows_read, language, key, own)
        self.glosses = tuple(self._glosses)

    def of(self, language: str) -> Mapping[str, int | None]:
        """Return the rows of the entries that hold for a language, by key; None for a word that means nothing.

        They are numbered from where the table's rows end. An entry of the language itself goes before one of what it
        is a variant of.

        Args:
            language: BCP-47 code.
        """
        having = tuple(code for code in lineage(language) if code in self._entries)
        if len(having) < 2:
            return self._entries[having[0]] if having else {}
        if having not in self._together:
            merged: dict[str, int | None] = {}
            for code in reversed(having):
                merged.update(self._entries[code])
            self._together[having] = merged
        return self._together[having]

    def meaning(self, row: int) -> Meaning:
        """Return what the entry of a row says."""
        return self._meanings[row - self._first_row]

    def languages_of(self, key: str) -> frozenset[str]:
        """Return the languages that a word was taught in."""
        return frozenset(self._languages_of_key.get(key, ()))

    def gloss(self, number: int) -> str:
        """Return the sense of a number of a ``Meaning``."""
        known = len(self._vocabulary)
        return self._vocabulary[number] if number < known else self.glosses[number - known]

    def _put(
        self, table: LexiconTable, rows_read: RowsRead, language: str, key: str, own: Sequence[PersonalWord]
    ) -> None:
        entries = self._entries.setdefault(language, {})
        if taught := [word for word in own if not word.wrong][-SENSES:]:
            weights = np.full(len(taught), 1.0 / len(taught), np.float32)
            numbers = np.array([self._number(word.english) for word in taught], np.int64)
            entries[key] = self._row_of(Meaning(numbers, weights, True))
            self._languages_of_key.setdefault(key, set()).add(language)
            stem = None if " " in key else word_forms.stem_key(key, languages.base(language))
            if stem is not None:
                entries.setdefault(stem, entries[key])
            return
        wrong = {word.english.casefold() for word in own}
        read = [row_meaning(table, row) for row in rows_read(key, language)]
        if any(table.vocabulary[sense].casefold() in wrong for each in read for sense in each.senses):
            # A compound is read by its parts, and without one of them it is not what it was.
            left = _without(read[0], table, wrong) if len(read) == 1 else None
            entries[key] = None if left is None else self._row_of(left)

    def _row_of(self, meaning: Meaning) -> int:
        self._meanings.append(meaning)
        return self._first_row + len(self._meanings) - 1

    def _number(self, english: str) -> int:
        for form in (english, english.lower(), _bare(english)):
            if form in self._numbers:
                return self._numbers[form]
        return len(self._vocabulary) + self._glosses.setdefault(english, len(self._glosses))


def row_meaning(table: LexiconTable, row: int) -> Meaning:
    """Return what a table's row says."""
    weights = table.weights[row].astype(np.float32)
    senses = table.senses[row][weights > 0].astype(np.int64)
    weights = weights[weights > 0]
    return Meaning(senses, weights / weights.sum())


def lineage(language: str) -> tuple[str, ...]:
    """Return a code and those that it varies, the nearest first: ``de-x-swabian`` and ``de``."""
    parts = language.split("-")
    if parts[0] == "x":
        return (language,)
    shorter = ("-".join(parts[:size]) for size in range(len(parts), 0, -1))
    return tuple(code for code in shorter if not code.endswith("-x"))


def taught_in(words: Iterable[PersonalWord]) -> dict[str, int]:
    """Return how many pairs count in each language, by code; wrong ones are not counted."""
    standing = {word.about: word for word in words}
    counts: dict[str, int] = {}
    for word in standing.values():
        if not word.wrong:
            counts[word.language] = counts.get(word.language, 0) + 1
    return dict(sorted(counts.items()))


def _without(meaning: Meaning, table: LexiconTable, wrong: Collection[str]) -> Meaning | None:
    kept = [place for place, sense in enumerate(meaning.senses) if table.vocabulary[sense].casefold() not in wrong]
    if not kept:
        return None
    weights = meaning.weights[kept]
    return Meaning(meaning.senses[kept], weights / weights.sum())


def _bare(english: str) -> str:
    first, _, rest = english.lower().partition(" ")
    return rest if rest and first in ("a", "an", "the", "to", "some") else english.lower()
