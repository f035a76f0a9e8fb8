"""English texts and their translations out of packages, and which of them a model may see.

A model's text side is trained under one of two policies:

* ``strict``: no pair whose English side names a concept of the test or dev split, or of dev-2: ``rules/names.tsv`` says
  by which names;
* ``studio``: everything but the descriptions of test stamps; words may be known from lexicons, the
  benchmark's own strings are left out, and so are dev-2's unseen ones.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from cacara import languages, sources
from cacara.benchmark.dataset.benchmark_file import UNSEEN
from cacara.errors import LanguageError, ManifestError
from cacara.sources import texts as source_texts
from cacara.sources.texts import text_hash
from training.data import text_statistics
from training.data.corpora import rules
from training.data.corpora.split import benchmarks
from training.data.corpora.words import african_storybook, freedict, qt_messages, tatoeba

SOURCES = ("cldr", "gcompris", "tuxpaint", "musescore")
DICTIONARIES = tuple(key for key in sources.SOURCES if key.startswith(freedict.PREFIX))
ALL_SOURCES = (*SOURCES, *DICTIONARIES)
SENTENCES = (african_storybook.SOURCE, tatoeba.SOURCE)
"""Sources of sentences; no recipe so far draws on them."""
COMMON = 4
"""Of a dictionary only words with translations into so many languages are kept; the others are too rare."""
POLICIES = ("strict", "studio")
MAX_WORDS = 40
_UNFIT = re.compile(r"[<>%;{}|\n]|https?:|&[a-z]+;")
_ARTICLE = re.compile(r"^(?:an?|the)\s+")


@dataclasses.dataclass(frozen=True, order=True)
class Translation:
    """One pair.

    Attributes:
        english: The English text.
        language: BCP-47 code of the translation, never English.
        text: The translation.
        source: Key of the source it is from.
    """

    english: str
    language: str
    text: str
    source: str


def collect(folders: Mapping[str, Path]) -> list[Translation]:
    """Return every usable pair of the sources among ``folders``, each once, sorted; see ``COMMON``.

    Pairs with markup or placeholders, very long ones, and translations equal to their source are left out.

    Raises:
        SourceError: A file is damaged.
    """
    found = set()
    for key in sorted(set(folders) & {*_READERS, *DICTIONARIES}):
        for english, code, text in read(key, folders[key]):
            try:
                language = languages.normalise(code)
            except LanguageError:
                continue
            pair = Translation(" ".join(english.split()), language, " ".join(text.split()), key)
            if _usable(pair):
                found.add(pair)
    return sorted(_without_rare_words(found))


def read(key: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield English text, language code and translation of a source, as they stand there.

    Args:
        key: One of ``ALL_SOURCES`` or ``SENTENCES``.
        folder: Folder that it was fetched to.

    Raises:
        SourceError: A file is damaged.
    """
    return _READERS[key](folder) if key in _READERS else freedict.read(key, folder)


def _without_rare_words(pairs: Collection[Translation]) -> Iterator[Translation]:
    languages_of: dict[str, set[str]] = {}
    for pair in pairs:
        languages_of.setdefault(pair.english, set()).add(pair.language)
    for pair in pairs:
        if not pair.source.startswith(freedict.PREFIX) or len(languages_of[pair.english]) >= COMMON:
            yield pair


def allowed(pairs: Sequence[Translation], policy: str, benchmark: Path) -> list[Translation]:
    """Return the pairs that a policy lets a model see.

    Args:
        pairs: As ``collect`` returns them.
        policy: ``strict`` or ``studio``.
        benchmark: The frozen benchmark.

    Raises:
        ManifestError: Unknown policy, or the benchmark cannot be read.
    """
    if policy not in POLICIES:
        raise ManifestError(f"unknown policy {policy!r}; wanted one of {', '.join(POLICIES)}")
    rows, *others = benchmarks(benchmark)
    test_hashes = {row.sha256_16 for row in rows.texts if row.split == "test"}
    test_hashes |= {row.sha256_16 for other in others for row in other.texts if row.kind == UNSEEN}
    if policy == "studio":
        test_english = {row.sha256_16 for row in rows.texts if row.split == "test" and row.language == "en"}
        return [
            pair
            for pair in pairs
            if not (pair.source == "tuxpaint" and text_hash(pair.english) in test_english)
            and text_hash(pair.text) not in test_hashes
        ]
    hashes = {row.sha256_16 for each in (rows, *others) for row in each.texts}
    names = concept_names({row.concept for each in (rows, *others) for row in each.sounds})
    clean = {english for english in {pair.english for pair in pairs} if not names_any(english, names)}
    return [pair for pair in pairs if pair.english in clean and text_hash(pair.text) not in hashes]


def concept_names(concepts: Collection[str]) -> frozenset[str]:
    """Return concepts and the other names for them of ``rules/names.tsv``, in singular and lower case."""
    names = {singular(concept) for concept in concepts}
    for _, (concept, further) in rules.read_table(rules.TABLES / "names.tsv", columns=2):
        if concept in concepts:
            names.update(singular(name.strip()) for name in further.split(";"))
    return frozenset(names)


def names_any(text: str, names: Collection[str]) -> bool:
    """Return whether a text holds one of the names as words, in singular or plural."""
    words = [singular(word) for word in re.findall(r"[^\W\d_]+", text.lower())]
    longest = max((len(name.split()) for name in names), default=0)
    spans = (words[i : i + size] for size in range(1, longest + 1) for i in range(len(words) - size + 1))
    return any(" ".join(span) in names for span in spans)


def singular(phrase: str) -> str:
    """Return a phrase in lower case without its article, each word in singular: ``The dogs`` gives ``dog``."""

    def word(text: str) -> str:
        irregular = {"mice": "mouse", "geese": "goose", "wolves": "wolf", "oxen": "ox", "calves": "calf"}
        if text in irregular:
            return irregular[text]
        if text.endswith(("ches", "shes", "xes", "sses")):
            return text[:-2]
        if text.endswith("ies") and len(text) > 4:
            return text[:-3] + "y"
        return text[:-1] if text.endswith("s") and not text.endswith("ss") and len(text) > 3 else text

    return " ".join(word(text) for text in _ARTICLE.sub("", phrase.lower()).split())


def _usable(pair: Translation) -> bool:
    both = (pair.english, pair.text)
    return (
        languages.base(pair.language) != "en"
        and all(text and not _UNFIT.search(text) and len(text.split()) <= MAX_WORDS for text in both)
        and any(character.isalpha() for character in pair.english)
        and pair.text.casefold() != pair.english.casefold()
    )


def _cldr(folder: Path) -> Iterator[tuple[str, str, str]]:
    names = text_statistics.cldr_names(folder)
    english = names.pop("en")
    for language, rows in names.items():
        for symbol, text in rows.items():
            if symbol in english:
                yield english[symbol], language, text


def _tuxpaint(folder: Path) -> Iterator[tuple[str, str, str]]:
    root = source_texts.content_folder("tuxpaint", folder)
    for path in sorted(root.rglob("*.txt")):
        texts = source_texts.read_stamp_texts(path)
        for locale, text in texts.items():
            if locale != "en" and "en" in texts:
                yield texts["en"], locale, text


def _gcompris(folder: Path) -> Iterator[tuple[str, str, str]]:
    yield from _qt_files(folder, re.compile(r"gcompris_(.+)\.qm$"))


def _musescore(folder: Path) -> Iterator[tuple[str, str, str]]:
    yield from _qt_files(folder, re.compile(r"instruments_(.+)\.qm$"))


def _qt_files(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    for path in sorted(folder.rglob("*.qm")):
        if match := pattern.search(path.name):
            for english, text in qt_messages.read(path):
                yield english, match[1], text


def _african_storybook(folder: Path) -> Iterator[tuple[str, str, str]]:
    yield from ((entry.english, entry.language, entry.text) for entry in african_storybook.read(folder))


def _tatoeba(folder: Path) -> Iterator[tuple[str, str, str]]:
    yield from ((entry.english, entry.language, entry.text) for entry in tatoeba.read(folder))


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, str, str]]]] = {
    african_storybook.SOURCE: _african_storybook,
    "cldr": _cldr,
    "gcompris": _gcompris,
    "musescore": _musescore,
    tatoeba.SOURCE: _tatoeba,
    "tuxpaint": _tuxpaint,
}
