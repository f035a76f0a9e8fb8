"""The merged lexicon as the compact table that models look words up in, see ``cacara.lexicon``."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import snowballstemmer

from cacara.benchmark.dataset import benchmark_file
from cacara.lexicon import table as lexicon_table
from cacara.lexicon import word_forms
from cacara.lexicon.table import MAX_WEIGHT, SENSES, LexiconTable
from cacara.sources import fetching
from cacara.sources.clients import Report, silent
from cacara.sources.texts import text_hash
from training.data.benchmarks import held_out
from training.data.lexicon import lexicon

VOCABULARY = 20_000
"""English senses that are kept: those that most languages have a word for."""
SENSE_WORDS = 3
MIN_ENTRIES = 50
"""Of a language; one with fewer has none."""
_ARTICLES = frozenset(("a", "an", "the", "to"))

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Sense:
    """One English sense of one word of another language.

    Attributes:
        english: The sense.
        language: BCP-47.
        text: The word.
        agreement: 1 to ``MAX_WEIGHT``: how far sources agree.
        strict: Whether the policy ``strict`` allows it.
    """

    english: str
    language: str
    text: str
    agreement: int
    strict: bool


_Entries = dict[str, dict[int, tuple[int, bool]]]
"""Of one language: key → number of a sense → agreement, and whether ``strict`` allows it."""
_Row = tuple[int, list[tuple[int, int, bool]]]
"""Fingerprint; number, agreement and policy bit of up to ``SENSES`` senses."""


def build(
    senses: Sequence[Sense], facts: Mapping[str, object] | None = None, size: int = VOCABULARY, least: int = MIN_ENTRIES
) -> LexiconTable:
    """Return the table of a lexicon; equal senses give an equal table, whatever their order.

    Args:
        senses: Of all words, as the policy ``studio`` allows them.
        facts: What else the table shall say of its making.
        size: Of the English vocabulary.
        least: Entries without which a language is left out.
    """
    vocabulary = _vocabulary(senses, size)
    numbers = _numbers(vocabulary)
    by_language: dict[str, list[Sense]] = {}
    for sense in senses:
        by_language.setdefault(sense.language.partition("-")[0], []).append(sense)
    columns: dict[str, list[_Row]] = {}
    words: dict[str, int] = {}
    strict: dict[str, int] = {}
    collisions = 0
    for language in sorted(by_language):
        entries = _entries(by_language.pop(language), language, numbers)
        if len(entries) < least:
            continue
        words[language] = len(entries)
        strict[language] = sum(any(allowed for _, allowed in found.values()) for found in entries.values())
        _add_stems(entries, language)
        columns[language], lost = _rows(entries)
        collisions += lost
    log.info("%d words and phrases of %d languages, %d collisions", sum(words.values()), len(words), collisions)
    told = {**(facts or {}), "words": words, "words_strict": strict, "collisions": collisions}
    return _packed(columns, vocabulary, told)


def build_from_sources(folder: Path, sounds: Path, pictures: Path, report: Report = silent) -> LexiconTable:
    """Fetch all sources of the lexicon, write its table, and return it.

    Args:
        folder: Target; its files are replaced.
        sounds: The frozen benchmark of sounds, whose strings and concepts the policies keep out.
        pictures: The frozen benchmark of pictures.
        report: Told of the fetching.

    Raises:
        SourceError: A source cannot be fetched or is damaged.
        LexiconError: The table cannot be written.
        ManifestError: A benchmark cannot be read.
    """
    fetched = fetching.fetch_all((*lexicon.SOURCES, "tuxpaint"), report)
    kept_out = held_out.read(sounds, pictures, fetched["tuxpaint"])
    asked = {row.sha256_16 for row in benchmark_file.read(sounds).texts}
    senses, sources, known = [], Counter[str](), set[str]()
    for row in lexicon.merge(fetched):
        if kept_out.allows(row.english, row.text, "studio"):
            strict = kept_out.allows(row.english, row.text, "strict")
            senses.append(Sense(row.english, row.language, row.text, agreement(row.sources), strict))
            sources.update(row.sources)
            known |= {digest for digest in (text_hash(row.text),) if digest in asked}
    table = build(senses, {"sources": dict(sorted(sources.items())), "benchmark_texts": sorted(known)})
    lexicon_table.write(folder, table)
    return table


def agreement(sources: Collection[str]) -> int:
    """Return how far sources that give a sense agree, 1 to ``MAX_WEIGHT``; those that name things count for more."""
    return min(MAX_WEIGHT, 2 * len(sources) - 1 + (2 if lexicon.NAMED & set(sources) else 0))


def _vocabulary(senses: Iterable[Sense], size: int) -> tuple[str, ...]:
    """Return the senses that most languages have a word for, the commonest first."""
    languages: dict[str, set[str]] = {}
    count: Counter[str] = Counter()
    for sense in senses:
        if len(sense.english.split()) <= SENSE_WORDS:
            languages.setdefault(sense.english, set()).add(sense.language.partition("-")[0])
            count[sense.english] += 1
    order = sorted(languages, key=lambda english: (-len(languages[english]), -count[english], english))
    return tuple(order[:size])


def _numbers(vocabulary: Sequence[str]) -> Callable[[str], int | None]:
    """Return a function from a sense to its number; one outside the vocabulary is its nearest form in it."""
    exact = {english: number for number, english in enumerate(vocabulary)}
    stem = functools.cache(snowballstemmer.stemmer("english").stemWord)

    def stems(english: str) -> str:
        return " ".join(stem(word) for word in english.lower().split() if word not in _ARTICLES)

    near: dict[str, int] = {}
    for number, english in enumerate(vocabulary):
        near.setdefault(stems(english), number)

    @functools.cache
    def find(english: str) -> int | None:
        return exact[english] if english in exact else near.get(stems(english))

    return find


def _entries(senses: Iterable[Sense], language: str, numbers: Callable[[str], int | None]) -> _Entries:
    entries: _Entries = {}
    for sense in senses:
        key = word_forms.key(sense.text, language)
        number = numbers(sense.english)
        if number is not None and key and key.count(" ") < word_forms.PHRASE_WORDS:
            _add(entries, key, number, sense.agreement, sense.strict)
    return entries


def _add(entries: _Entries, key: str, number: int, agreement: int, strict: bool) -> None:
    found = entries.setdefault(key, {})
    before, allowed = found.get(number, (0, False))
    found[number] = (min(MAX_WEIGHT, before + agreement), allowed or strict)


def _add_stems(entries: _Entries, language: str) -> None:
    """Add what words mean under their stems, where forms that are no entries meet them."""
    for key, found in list(entries.items()):
        if " " not in key and (stem := word_forms.stem_key(key, language)) is not None:
            for number, (agreement, strict) in found.items():
                _add(entries, stem, number, agreement, strict)


def _rows(entries: _Entries) -> tuple[list[_Row], int]:
    """Return a language's rows by fingerprint, and how many words are lost as they share one with a surer word."""
    rows: dict[int, _Row] = {}
    lost = 0
    for key in sorted(entries):
        best = sorted(entries[key].items(), key=lambda item: (-item[1][0], item[0]))[:SENSES]
        row = lexicon_table.fingerprint(key), [(number, *pair) for number, pair in best]
        if (other := rows.get(row[0])) is not None:
            lost += 1
            # The one that more sources know is the one that is asked for.
            row = max(other, row, key=lambda found: sum(sense[1] for sense in found[1]))
        rows[row[0]] = row
    return list(rows.values()), lost


def _packed(
    columns: Mapping[str, list[_Row]], vocabulary: tuple[str, ...], facts: Mapping[str, object]
) -> LexiconTable:
    languages = tuple(columns)
    fingerprints = np.array([row[0] for rows in columns.values() for row in rows], np.uint32)
    numbers = np.repeat(np.arange(len(languages), dtype=np.uint16), [len(rows) for rows in columns.values()])
    senses = np.zeros((len(fingerprints), SENSES, 3), np.uint16)
    for position, row in enumerate(row for rows in columns.values() for row in rows):
        senses[position, : len(row[1])] = row[1]
    order = np.lexsort((numbers, fingerprints))
    senses = senses[order]
    return LexiconTable(
        vocabulary,
        languages,
        fingerprints[order],
        numbers[order],
        np.ascontiguousarray(senses[:, :, 0]),
        senses[:, :, 1].astype(np.uint8),
        senses[:, :, 2].astype(bool),
        facts,
    )
