"""A lexicon that knows how sure it is: words of many languages with their English senses, merged from all sources.

Of a word's senses those are kept that two sources share, and those of sources that name things one by one (``NAMED``);
the others are mostly the noise of polysemy. Of a word without such a sense the first ones are kept. Tux Paint is no
source: its strings are the benchmarks'.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from cacara.errors import ManifestError, SourceError
from training.data import held_out as held_out_texts
from training.data import scripts, translations
from training.data.corpora import (
    frigate,
    gatitos,
    openstreetmap,
    panlexia,
    picture_words,
    scratch,
    weather,
    wiktionary,
    wordnet,
)
from training.data.corpora.entries import Entry, language_of, plain, plain_english
from training.data.held_out import HeldOut

MAX_ENGLISH_WORDS = 4
MAX_TEXT_WORDS = 6
MAX_CHARACTERS = 60
UNSHARED = 2
"""Senses kept of a word of which no two sources share one."""
PLACE = 60
"""Of two senses as well attested, the one that so many more languages have a word for goes before the other, for each
place that a source puts it behind. Chosen on CLDR's names of emoji that are no test concepts: the first sense is right
for 71 % of words with one source, 67 % by the sources' order alone."""
TRANSLATED = ("cldr", "gcompris", "musescore", *translations.DICTIONARIES)
"""Sources that ``training.data.translations`` reads."""
READERS: Mapping[str, Callable[[Mapping[str, Path]], Iterator[Entry]]] = {
    frigate.SOURCE: lambda folders: frigate.read(folders[frigate.SOURCE]),
    gatitos.SOURCE: lambda folders: gatitos.read(folders[gatitos.SOURCE]),
    openstreetmap.SOURCE: lambda folders: openstreetmap.read(folders[openstreetmap.SOURCE]),
    panlexia.SOURCE: lambda folders: panlexia.read(folders[panlexia.SOURCE]),
    picture_words.SOURCE: lambda folders: picture_words.read(folders["gcompris"]),
    scratch.SOURCE: lambda folders: scratch.read(folders[scratch.SOURCE]),
    weather.SOURCE: lambda folders: weather.read(folders[weather.SOURCE]),
    wiktionary.SOURCE: lambda folders: wiktionary.read(folders[wiktionary.SOURCE]),
    wordnet.SOURCE: lambda folders: wordnet.read(folders[wordnet.SOURCE], folders["wordnet"]),
}
SOURCES = tuple(sorted({*READERS, *TRANSLATED, "wordnet"} - {picture_words.SOURCE}))
"""Keys of ``cacara.sources`` that ``merge`` reads."""
NAMED = frozenset(("cldr", "frigate-names", "gcompris-words", "gweather", "musescore", "osm-presets", "scratch-l10n"))
"""Sources that translate names of things one by one, where a word has the meaning that is wanted."""
CAREFUL = frozenset((panlexia.SOURCE, wiktionary.SOURCE, wordnet.SOURCE))
"""Sources that write capitals only where the word has them."""
VULGAR = frozenset(
    "arse arsehole asshole blowjob bollocks boner boobs bullshit clit cocksucker crap cum cunt dickhead dildo fag "
    "faggot fuck fucked fucker fucking gangbang handjob jizz masturbate motherfucker nigger pimp pissed porn prick "
    "rape retard shit shite shitty slut spastic tits turd twat wank wanker whore".split()
)
"""English words that no sense may hold; words with an innocent meaning (cock, bitch, pussy) are not among them."""
_UNFIT = re.compile(r"[<>{}|=_%#@\\^~*+$\d]|https?:|www\.")

_Found = dict[str, list[tuple[str, str, str, str | None, int]]]
"""By language: English, text, source, part of speech, sense."""


@dataclasses.dataclass(frozen=True, slots=True)
class LexiconRow:
    """A word of a language in one of its English senses.

    Attributes:
        english: The sense, in lower case unless it is a name.
        language: BCP-47.
        text: The word, NFC, without points and stress marks that are no letters.
        sources: Keys of the sources that give it, sorted; all FreeDict dictionaries are one source.
        part_of_speech: ``noun``, ``verb``, ``adjective`` or ``adverb``, None where no source says.
        rank: Of the sense among those of the word, from 0, the surest: by how many sources agree, then by the sources'
            own order and by how many languages have a word for it. Under ``strict`` rank 0 may be held out.
    """

    english: str
    language: str
    text: str
    sources: tuple[str, ...]
    part_of_speech: str | None
    rank: int


def build(folders: Mapping[str, Path], policy: str, sounds: Path, pictures: Path) -> Iterator[LexiconRow]:
    """Yield the rows that a policy lets a model see, by language, word in lower case, and rank.

    Args:
        folders: Source key to fetched folder: those of ``SOURCES`` that are wanted, and ``tuxpaint``.
        policy: ``strict`` or ``studio``; see ``training.data.held_out``.
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.

    Raises:
        ManifestError: Unknown policy, or a benchmark cannot be read.
        SourceError: A source is damaged, or ``tuxpaint`` is not given.
    """
    if "tuxpaint" not in folders:
        raise SourceError("the lexicon needs the source tuxpaint, whose strings it leaves out; fetch it first")
    held_out = held_out_texts.read(sounds, pictures, folders["tuxpaint"])
    return allowed(merge(folders), policy, held_out)


def allowed(rows: Iterable[LexiconRow], policy: str, held_out: HeldOut) -> Iterator[LexiconRow]:
    """Yield the rows that a policy lets a model see.

    Raises:
        ManifestError: Unknown policy.
    """
    if policy not in translations.POLICIES:
        raise ManifestError(f"unknown policy {policy!r}; wanted one of {', '.join(translations.POLICIES)}")
    return (row for row in rows if held_out.allows(row.english, row.text, policy))


def merge(folders: Mapping[str, Path]) -> Iterator[LexiconRow]:
    """Yield the rows of all sources among ``folders``, of all policies, in the order that ``build`` gives.

    Raises:
        SourceError: A source is damaged.
    """
    found: _Found = {}
    for entry in _entries(folders):
        if not entry.vulgar and (cleaned := _cleaned(entry)) is not None:
            english, language, text = cleaned
            source = sys.intern(
                entry.source.partition("-")[0] if entry.source.startswith("freedict-") else entry.source
            )
            row = (sys.intern(english), text, source, entry.part_of_speech, entry.sense)
            found.setdefault(language, []).append(row)
    names = _names(found)
    spread = Counter(english for rows in found.values() for english in {_key(row[0]) for row in rows})
    for language in sorted(found):
        yield from _merge_language(language, found.pop(language), names, spread)


def _entries(folders: Mapping[str, Path]) -> Iterator[Entry]:
    for key in sorted(READERS):
        needed = {wordnet.SOURCE: {wordnet.SOURCE, "wordnet"}, picture_words.SOURCE: {"gcompris"}}.get(key, {key})
        if needed <= set(folders):
            yield from READERS[key](folders)
    for key in TRANSLATED:
        if key in folders:
            for english, code, text in translations.read(key, folders[key]):
                if (language := language_of(code)) and (word := plain(text)):
                    yield Entry(english, language, word, key)


def _cleaned(entry: Entry) -> tuple[str, str, str] | None:
    """Return English, language and text of an entry as the lexicon has them; None of one that is not for it."""
    english, _ = plain_english(entry.english)
    text = entry.text
    for part, words in ((english, MAX_ENGLISH_WORDS), (text, MAX_TEXT_WORDS)):
        if not part or len(part) > MAX_CHARACTERS or len(part.split()) > words or _UNFIT.search(part):
            return None
    placed = scripts.placed(entry.language, text)
    if placed is None or scripts.script_of(english) != "Latn" or VULGAR & set(english.lower().split()):
        return None
    language, text = placed
    # English left as it was, alone or beside its translation, is none.
    if not text or f" {english.casefold()} " in f" {text.casefold()} ":
        return None
    return english, language, text


def _key(english: str) -> str:
    """Return what two senses must share to be one: the words in lower case and singular."""
    return translations.singular(english)


def _names(found: _Found) -> dict[str, str]:
    """Return how to write English texts that careful sources mostly write with capitals, by the text in lower case."""
    forms: dict[str, Counter[str]] = {}
    for rows in found.values():
        for english, _, source, _, _ in rows:
            if source in CAREFUL:
                forms.setdefault(english.lower(), Counter())[english] += 1
    usual = {key: _commonest(counts) for key, counts in forms.items()}
    return {key: form for key, form in usual.items() if form != key}


class _Sense:
    """What the sources say of one sense of a word."""

    __slots__ = ("english", "first", "parts", "sources")

    def __init__(self) -> None:
        self.english: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        self.sources: set[str] = set()
        self.first = sys.maxsize

    def add(self, english: str, source: str, part: str | None, number: int) -> None:
        self.english[english] += 1
        self.sources.add(source)
        self.first = min(self.first, number)
        if part:
            self.parts[part] += 1


def _merge_language(
    language: str,
    rows: list[tuple[str, str, str, str | None, int]],
    names: Mapping[str, str],
    spread: Mapping[str, int],
) -> Iterator[LexiconRow]:
    words: dict[str, dict[str, _Sense]] = {}
    spellings: dict[str, Counter[str]] = {}
    for english, text, source, part, number in rows:
        word = text.casefold()
        words.setdefault(word, {}).setdefault(_key(english), _Sense()).add(english.lower(), source, part, number)
        spellings.setdefault(word, Counter())[text] += 10 if source in CAREFUL else 1
    for word in sorted(words):
        senses = words[word]
        order = _in_order(senses, spread)
        sure = [key for key in order if len(senses[key].sources) > 1 or senses[key].sources & NAMED]
        for rank, key in enumerate(sure or order[:UNSHARED]):
            sense = senses[key]
            english = _commonest(sense.english)
            yield LexiconRow(
                names.get(english, english),
                language,
                _commonest(spellings[word]),
                tuple(sorted(sense.sources)),
                _commonest(sense.parts) if sense.parts else None,
                rank,
            )


def _in_order(senses: Mapping[str, _Sense], spread: Mapping[str, int]) -> list[str]:
    """Return the keys of senses, the surest first; see ``PLACE``."""
    return sorted(senses, key=lambda key: (-len(senses[key].sources), PLACE * senses[key].first - spread[key], key))


def _commonest(counts: Counter[str]) -> str:
    """Return the text with the highest count; of several one in lower case, then the shortest."""
    return max(counts, key=lambda text: (counts[text], text.islower(), -len(text), text))
