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
from training.data import translations
from training.data.benchmarks import held_out as held_out_texts
from training.data.benchmarks.held_out import HeldOut
from training.data.corpora.words import (
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
from training.data.corpora.words.entries import Entry, language_of, plain, plain_english
from training.data.lexicon import scripts

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
MIN_LETTERS = 4
"""Of an English word that another may begin with by chance."""
UI_WORDS = 2
"""Longer texts of GCompris' messages are buttons and instructions."""
_UNFIT = re.compile(r"[<>{}\[\]()|=_%#@\\^~*+$/;,!?…♭♯“”„«»\"\d]|\.\S|--")
_UNFIT_ENGLISH = re.compile(r"[.:]")
_VOWEL = re.compile("[aeiouy]", re.IGNORECASE)
_ARTICLES = {
    "br": frozenset("un ur ul ar al an".split()),
    "de": frozenset("der die das ein eine".split()),
    "es": frozenset("el la los las un una".split()),
    "fr": frozenset("le la les un une des".split()),
    "it": frozenset("il lo la i gli le un una uno".split()),
    "nb": frozenset("en ei et".split()),
    "nl": frozenset("de het een".split()),
    "nn": frozenset("ein ei eit".split()),
    "pt": frozenset("o a os as um uma".split()),
}
"""Those that some sources write before their words; a word is looked up without."""

_Row = tuple[str, str, str, str | None, int]
"""English, text, source, part of speech, sense."""


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
        policy: ``strict`` or ``studio``; see ``training.data.benchmarks.held_out``.
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
    found: dict[str, list[_Row]] = {}
    english_of: dict[str, str] = {}  # sources repeat the same English texts for every language
    for entry in _entries(folders):
        if entry.vulgar:
            continue
        english = english_of.get(entry.english)
        if english is None:
            english = english_of[entry.english] = _cleaned_english(entry.english)
        if english and (placed := _placed(entry, english)) is not None:
            language, text = placed
            source = "freedict" if entry.source.startswith("freedict-") else entry.source
            found.setdefault(language, []).append((english, text, source, entry.part_of_speech, entry.sense))
    keys = {english: translations.singular(english) for english in set(english_of.values())}
    names = _names(found.values())
    spread = Counter(key for rows in found.values() for key in {keys[row[0]] for row in rows})
    for language in sorted(found):
        yield from _merge_language(language, found.pop(language), keys, names, spread)


def _entries(folders: Mapping[str, Path]) -> Iterator[Entry]:
    for key in sorted(READERS):
        needed = {wordnet.SOURCE: {wordnet.SOURCE, "wordnet"}, picture_words.SOURCE: {"gcompris"}}.get(key, {key})
        if needed <= set(folders):
            yield from READERS[key](folders)
    for key in TRANSLATED:
        if key in folders:
            for english, code, text in translations.read(key, folders[key]):
                if key == "gcompris" and len(english.split()) > UI_WORDS:
                    continue
                if (language := language_of(code)) and (word := plain(text)):
                    yield Entry(english, language, word, key)


def _cleaned_english(text: str) -> str:
    """Return an English text as the lexicon has it; an empty one for what is not for it."""
    english, _ = plain_english(text)
    fits = _fits(english, MAX_ENGLISH_WORDS) and scripts.script_of(english) == "Latn"
    # What has no vowel is an abbreviation ("b. fl."), and so is a letter.
    fits = fits and len(english) > 1 and bool(_VOWEL.search(english)) and not _UNFIT_ENGLISH.search(english)
    return english if fits and not VULGAR & set(english.lower().split()) else ""


def _placed(entry: Entry, english: str) -> tuple[str, str] | None:
    """Return language and text of an entry as the lexicon has them; None for what is not for it."""
    article, _, text = entry.text.partition(" ")
    text = text if text and article.lower() in _ARTICLES.get(entry.language, ()) else entry.text
    if not _fits(text, MAX_TEXT_WORDS) or (placed := scripts.placed(entry.language, text)) is None:
        return None
    return placed if placed[1] and not _holds(placed[1].casefold(), english.casefold()) else None


def _holds(text: str, english: str) -> bool:
    """Return whether English was left in a translation, alone or beside it: ``doorbell kapı zili`` for a door."""
    if f" {english} " in f" {text} ":
        return True
    alone = " " in english or len(english) < MIN_LETTERS
    return not alone and " " in text and any(word.startswith(english) for word in text.split())


def _fits(text: str, words: int) -> bool:
    return 0 < len(text) <= MAX_CHARACTERS and len(text.split()) <= words and not _UNFIT.search(text)


def _names(found: Iterable[Iterable[_Row]]) -> dict[str, str]:
    """Return how to write English texts that careful sources mostly write with capitals, by the text in lower case."""
    forms: dict[str, Counter[str]] = {}
    for rows in found:
        for english, _, source, _, _ in rows:
            if source in CAREFUL:
                lower = english.lower()
                if lower not in forms:
                    forms[lower] = Counter()
                forms[lower][english] += 1
    usual = {key: _commonest(counts) for key, counts in forms.items()}
    return {key: form for key, form in usual.items() if form != key}


class _Sense:
    """Evidence of the sources for one sense of a word."""

    __slots__ = ("english", "first", "parts", "sources")

    def __init__(self) -> None:
        self.english: dict[str, int] = {}
        self.parts: dict[str, int] = {}
        self.sources: set[str] = set()
        self.first = sys.maxsize

    def add(self, english: str, source: str, part: str | None, number: int) -> None:
        self.english[english] = self.english.get(english, 0) + 1
        self.sources.add(source)
        self.first = min(self.first, number)
        if part:
            self.parts[part] = self.parts.get(part, 0) + 1


class _Word:
    """Evidence of the sources for one word: its spellings, which differ in capitals, and its senses."""

    __slots__ = ("senses", "spellings")

    def __init__(self) -> None:
        self.spellings: dict[str, int] = {}
        self.senses: dict[str, _Sense] = {}


def _merge_language(
    language: str, rows: list[_Row], keys: Mapping[str, str], names: Mapping[str, str], spread: Mapping[str, int]
) -> Iterator[LexiconRow]:
    words: dict[str, _Word] = {}
    for english, text, source, part, number in rows:
        folded, key = text.casefold(), keys[english]
        if (word := words.get(folded)) is None:
            word = words[folded] = _Word()
        if (sense := word.senses.get(key)) is None:
            sense = word.senses[key] = _Sense()
        sense.add(english.lower(), source, part, number)
        word.spellings[text] = word.spellings.get(text, 0) + (10 if source in CAREFUL else 1)
    for folded in sorted(words):
        word = words[folded]
        text = _commonest(word.spellings)
        for rank, sense in enumerate(_kept(word.senses, spread)):
            english = _commonest(sense.english)
            part = _commonest(sense.parts) if sense.parts else None
            sources = tuple(sorted(sense.sources))
            yield LexiconRow(names.get(english, english), language, text, sources, part, rank)


def _kept(senses: Mapping[str, _Sense], spread: Mapping[str, int]) -> list[_Sense]:
    """Return the senses of a word to keep, the surest first; see ``PLACE``."""
    if len(senses) == 1:
        return list(senses.values())
    order = sorted(senses, key=lambda key: (-len(senses[key].sources), PLACE * senses[key].first - spread[key], key))
    sure = [key for key in order if len(senses[key].sources) > 1 or senses[key].sources & NAMED]
    return [senses[key] for key in sure or order[:UNSHARED]]


def _commonest(counts: Mapping[str, int]) -> str:
    """Return the text with the highest count; of several one in lower case, then the shortest."""
    if len(counts) == 1:
        return next(iter(counts))
    return max(counts, key=lambda text: (counts[text], text.islower(), -len(text), text))
