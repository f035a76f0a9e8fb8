"""Builds the frozen benchmark dev-2, by which choices are made: same packages and lexicon, same bytes.

Its sounds are clips of effect packs whose concepts are held out from training (``corpora/rules/dev-2.tsv``). Its texts
are of two kinds: names that stand in lexicons as a whole, and texts that no lexicon holds: descriptions of our own
(``dev-2.tsv`` in English, ``dev-2-own.tsv`` in other languages) and phrases and sentences of others, which
``dev-2-phrases.tsv`` chooses.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import logging
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cacara import languages, sources
from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset import rules as benchmark_rules
from cacara.benchmark.dataset.benchmark_file import ENTRY, OWN, UNSEEN, Rows, SoundRow, TextRow
from cacara.errors import LanguageError, ManifestError
from cacara.galleries.manifest import Clip
from cacara.sources import texts as source_texts
from cacara.sources.texts import text_hash
from training.data.benchmarks.sounds import CLDR_DEFAULTS, CLDR_SKIPPED
from training.data.corpora import rules
from training.data.corpora.collect import collect_recordings
from training.data.corpora.fingerprint import COPY_SIMILARITY, fingerprint
from training.data.corpora.recordings import Recordings
from training.data.lexicon import lexicon
from training.data.lexicon.lexicon import LexiconRow

NAME, VERSION = "dev-2", 1
PACKS = (
    "animalia",
    "cdda-soundpacks",
    "dynamic-surroundings",
    "mineclone2",
    "mod-sounds",
    "opensoundeffects",
    "scratch-1.4",
)
TEXT_SOURCES = ("cldr", "frigate-names", "gatitos", "panlexia", "tatoeba", "tuxpaint")
MAX_CLIPS_PER_CONCEPT = 8
MAX_ENTRIES_PER_CONCEPT = 1
MAX_ENTRY_WORDS = 3
MAX_SENTENCES_PER_CONCEPT = 2
MAX_SENTENCE_WORDS = 10
MIN_ENTRIES, MIN_UNSEEN = 25, 15
"""A language is in the benchmark when it has so many texts of each kind."""
# ISO 639-3 codes of single languages that are known by the code of the macrolanguage, and of what we do not take.
_CODES = {"arb": "ar", "azj": "az", "ekk": "et", "khk": "mn", "lvs": "lv", "pes": "fa", "swh": "sw", "zsm": "ms"}
_CODES |= {"pt-PT": "pt", "nb-NO": "nb"}
_PUNCTUATION = " .,;:!?¡¿…。！？、“”\"'«»–—-"
_LEFT_OUT = frozenset(
    {"cmn", "zh", "yue-Hant", "yue-Hans", "kk-Arab", "pcm", "quc", "shn"}
)  # scripts mixed, or not spoken of

log = logging.getLogger(__name__)


def needed_sources(benchmark: Path) -> list[str]:
    """Return the keys of the sources that ``build`` needs, sorted; ``benchmark`` is sounds-v1's file."""
    return sorted({*PACKS, *TEXT_SOURCES, *(row.source for row in benchmark_file.read(benchmark).sounds)})


def build_from_sources(benchmark: Path, out_path: Path, frozen: Path) -> str:
    """Fetch what the benchmark and the lexicon are made of and build it; see ``build``.

    Args:
        benchmark: The file of sounds-v1.
        out_path: The file to write.
        frozen: The file of dev-2 by which choices are made, which is never written.

    Returns:
        How the two files differ, in a sentence.

    Raises:
        ManifestError: ``out_path`` is the frozen file, or as ``build`` raises it.
        SourceError: A source cannot be fetched.
    """
    if out_path.resolve() == frozen.resolve():
        raise ManifestError(f"{frozen} is frozen: figures of months stand on it; name another file with --output")
    kept = benchmark_file.read(frozen)
    folders = sources.fetch_all(sorted({*needed_sources(benchmark), *lexicon.SOURCES}))
    words = {key: folders[key] for key in lexicon.SOURCES}
    return difference(build(folders, lexicon.merge(words), benchmark, out_path), kept)


def difference(built: Rows, frozen: Rows) -> str:
    """Return how many sounds and texts of a build are as frozen, changed (another file, another kind), new, or gone."""
    sounds, kept = _files(built.sounds), _files(frozen.sounds)
    texts = _compared("texts", _kinds(built.texts), _kinds(frozen.texts))
    return f"{built.hash}, frozen {frozen.hash}: {_compared('sounds', sounds, kept)}; {texts}"


def _compared(name: str, built: Mapping[Hashable, object], frozen: Mapping[Hashable, object]) -> str:
    shared = built.keys() & frozen.keys()
    same = sum(built[key] == frozen[key] for key in shared)
    return (
        f"{same} of {len(frozen)} {name} as frozen, {len(shared) - same} changed, {len(built) - len(shared)} new, "
        f"{len(frozen) - len(shared)} gone"
    )


def _files(sounds: Iterable[SoundRow]) -> Mapping[Hashable, object]:
    return {row.clip_id: row.sha256 for row in sounds}


def _kinds(texts: Iterable[TextRow]) -> Mapping[Hashable, object]:
    return {(row.concept, row.language, row.sha256_16): row.kind for row in texts}


def build(
    folders: Mapping[str, Path],
    words: Iterable[LexiconRow],
    benchmark: Path,
    out_path: Path,
    tables: Path = rules.TABLES,
) -> Rows:
    """Write the benchmark and return its rows.

    Args:
        folders: Source key to fetched folder, for all ``needed_sources``; others are ignored.
        words: Every word that lexicons hold, before any policy.
        benchmark: The file of sounds-v1, none of whose recordings may be in this one.
        out_path: The file to write.
        tables: The folder of the tables that choose.

    Raises:
        ManifestError: A source is not given, a concept has no clip, or the result breaks a rule of benchmarks.
        SourceError: A folder does not hold the package it is given for.
    """
    if absent := sorted(set(needed_sources(benchmark)) - set(folders)):
        raise ManifestError(f"{NAME} needs the sources {', '.join(absent)}; fetch them first")
    concepts = _concepts(tables)
    sounds = list(_sounds(concepts, folders, benchmark, tables))
    held = _Words(words, concepts)
    texts: dict[tuple[str, str, str], TextRow] = {}
    for row in (*_names(concepts, held, folders), *_phrases(held, folders, tables), *_own(held, tables)):
        texts.setdefault((row.concept, row.language, row.sha256_16), row)
    english = [row for concept in concepts for row in concept.english()]
    rows = Rows(NAME, VERSION, _RULES, tuple(sounds), (*english, *_of_rich_languages(texts.values())))
    out_path.parent.mkdir(parents=True, exist_ok=True)
    benchmark_file.write(rows, out_path)
    if problems := benchmark_rules.find_problems(out_path):
        raise ManifestError(f"{out_path}: {len(problems)} problems, first: {problems[0]}")
    log.info("%s: %d sounds, %d texts, %s", out_path, len(sounds), len(rows.texts), rows.hash)
    return rows


_RULES: Mapping[str, object] = {
    "sounds": "clips of effect packs whose concepts are held out from training, chosen by name; "
    f"at most {MAX_CLIPS_PER_CONCEPT} a concept",
    "texts": "names that lexicons hold (kind entry), and our own descriptions and phrases and sentences of others that "
    f"no lexicon holds (kind unseen); languages with {MIN_ENTRIES} of the one and {MIN_UNSEEN} of the other or more",
}


# --- sounds ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Concept:
    name: str
    names: tuple[str, ...]
    sentences: tuple[str, ...]
    emoji: str | None
    frigate: tuple[str, ...]
    patterns: tuple[str, ...]

    def english(self) -> list[TextRow]:
        """Return our own English texts: the first name, and the descriptions."""
        texts = [(self.names[0], ENTRY), *((sentence, UNSEEN) for sentence in self.sentences)]
        return [TextRow("dev", self.name, "en", OWN, OWN, text_hash(text), text, kind) for text, kind in texts]


def _concepts(tables: Path) -> list[_Concept]:
    rows = rules.read_table(tables / "dev-2.tsv", columns=6)
    return [
        _Concept(
            name,
            _split(names),
            _split(sentences),
            None if emoji == "-" else emoji,
            () if frigate == "-" else tuple(frigate.split()),
            tuple(patterns.split()),
        )
        for _, (name, names, sentences, emoji, frigate, patterns) in rows
    ]


def _sounds(
    concepts: Sequence[_Concept], folders: Mapping[str, Path], benchmark: Path, tables: Path
) -> Iterator[SoundRow]:
    known = _recordings_of(benchmark, folders)
    clips = [
        clip
        for clip, sound in collect_recordings({key: folders[key] for key in PACKS}, tables)
        if not known.copy_of(sound, COPY_SIMILARITY) and not known.shared(sound)
    ]
    for concept in concepts:
        chosen: dict[str, Clip] = {}
        for pattern in concept.patterns:
            found = [clip for clip in clips if fnmatch.fnmatchcase(clip.clip_id, pattern)]
            if strangers := sorted({str(clip.concept) for clip in found} - {concept.name}):
                raise ManifestError(f"{NAME} concept {concept.name!r}: {pattern!r} names clips of {strangers}")
            chosen |= {clip.clip_id: clip for clip in found}
        if not chosen:
            raise ManifestError(
                f"{NAME} concept {concept.name!r} has no clip that is not a copy of another benchmark's"
            )
        for clip in list(chosen.values())[:MAX_CLIPS_PER_CONCEPT]:
            root = source_texts.content_folder(clip.source, folders[clip.source])
            member = clip.path.relative_to(root).as_posix()
            yield SoundRow("dev", concept.name, clip.clip_id, clip.source, member, clip.sha256)


def _recordings_of(benchmark: Path, folders: Mapping[str, Path]) -> Recordings:
    return Recordings(
        {
            row.clip_id: fingerprint(source_texts.content_folder(row.source, folders[row.source]) / row.member)
            for row in benchmark_file.read(benchmark).sounds
        }
    )


# --- words ----------------------------------------------------------------------------------------


class _Words:
    """The lexicon as the benchmark asks it: who holds a text, and the names of a concept."""

    def __init__(self, lexicon: Iterable[LexiconRow], concepts: Sequence[_Concept]) -> None:
        concept_of = {_plain(name): concept.name for concept in concepts for name in (*concept.names, concept.name)}
        self._holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.names: defaultdict[str, list[LexiconRow]] = defaultdict(list)
        for word in lexicon:
            self._holders[languages.base(word.language), fold(word.text)].update(word.sources)
            if word.rank == 0 and (concept := concept_of.get(_plain(word.english))):
                self.names[concept].append(word)

    def kind(self, language: str, text: str, source: str) -> str:
        """Return the kind of a text that was read from ``source``, which does not count as holding it."""
        holders = self._holders.get((languages.base(language), fold(text)), set())
        return ENTRY if holders - {source} else UNSEEN


def fold(text: str) -> str:
    """Return a text as lexicons compare it: in lower case, without punctuation around it and without pointing."""
    if text.isascii():  # as most are
        return " ".join(text.lower().split()).strip(_PUNCTUATION)
    bare = re.sub("[\\u0591-\\u05c7\\u064b-\\u065f\\u0670\\u0640]", "", unicodedata.normalize("NFC", text))
    return " ".join(bare.casefold().split()).strip(_PUNCTUATION)


def _names(concepts: Sequence[_Concept], words: _Words, folders: Mapping[str, Path]) -> Iterator[TextRow]:
    """Yield the names of concepts in other languages: of curated sources, and words on which two sources agree."""
    cldr = _CldrNames(folders["cldr"])
    frigate = _FrigateNames(folders["frigate-names"])
    places = {key: _Places(key, folders[key]) for key in ("panlexia", "gatitos")}
    for concept in concepts:
        names = _NamesOfOne(concept.name)
        for language, reference, text in cldr.of(concept.emoji) if concept.emoji else ():
            names.add(language, "cldr", reference, text)
        for key in concept.frigate:
            for language, reference, text in frigate.of(key):
                if len(text.split()) <= MAX_ENTRY_WORDS:
                    names.add(language, "frigate-names", reference, text)
        agreed = (word for word in words.names[concept.name] if len(word.sources) > 1)
        for word in sorted(agreed, key=lambda word: (word.language, -len(word.sources), word.text)):
            for key in sorted(places.keys() & set(word.sources), reverse=True):
                if place := places[key].of(word):
                    names.add(word.language, key, place, places[key].reader(place))
                    break
        yield from names.rows


class _NamesOfOne:
    """The names of one concept as they are found: the first of each language, each once."""

    def __init__(self, concept: str) -> None:
        self.rows: list[TextRow] = []
        self._concept = concept
        self._said: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, language: str, source: str, reference: str, text: str) -> None:
        """Add a name, unless the language has enough of them or this one."""
        said = self._said[language]
        if len(said) < MAX_ENTRIES_PER_CONCEPT and fold(text) not in said:
            said.add(fold(text))
            self.rows.append(TextRow("dev", self._concept, language, source, reference, text_hash(text), None, ENTRY))


class _CldrNames:
    """CLDR's names of emoji by language of ours."""

    def __init__(self, folder: Path) -> None:
        self._read = source_texts.CldrTexts(folder)
        root = source_texts.content_folder("cldr", folder)
        names = sorted(path.parent.name for path in root.glob("*/annotations.json"))
        self._folders = {name: _code(CLDR_DEFAULTS.get(name, name)) for name in names if not CLDR_SKIPPED.match(name)}

    def of(self, emoji: str) -> Iterator[tuple[str, str, str]]:
        """Yield (language, reference, text) of an emoji's name in every language that has one of its own."""
        for folder, language in self._folders.items():
            if language is None:
                continue
            try:
                yield language, f"{folder}/{emoji}", self._read(f"{folder}/{emoji}")
            except KeyError:
                continue


class _FrigateNames:
    """Frigate's names by language of ours; untranslated ones are left out."""

    def __init__(self, folder: Path) -> None:
        self._read = source_texts.FrigateTexts(folder)
        root = source_texts.content_folder("frigate-names", folder)
        self._locales = {path.name: _code(path.name) for path in sorted(root.iterdir()) if path.name != "en"}

    def of(self, key: str) -> Iterator[tuple[str, str, str]]:
        """Yield (language, reference, text) of ``audio.json#bell`` or, short, ``audio:bell``."""
        member = re.sub(r"^(audio|objects):", r"\1.json#", key)
        english = self._read(f"en/{member}")
        for locale, language in self._locales.items():
            try:
                text = self._read(f"{locale}/{member}")
            except (KeyError, OSError, json.JSONDecodeError):
                continue
            if language and text and not set(text) & set('[("') and text.casefold() != english.casefold():
                yield language, f"{locale}/{member}", text


class _Places:
    """Occurrence of a word of the lexicon in a source of lines."""

    def __init__(self, source: str, folder: Path) -> None:
        self.reader = source_texts.LineTexts(source, source_texts.LINE_FORMATS[source], folder)
        root = source_texts.content_folder(source, folder)
        pattern, code = {"panlexia": ("dict/*/*.tsv", r"(.+)"), "gatitos": ("gatitos/en_*.tsv", r"en_(.+)")}[source]
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        for path in sorted(root.glob(pattern)):
            if (match := re.fullmatch(code, path.stem)) and (language := _code(match[1].replace("_", "-"))):
                self._members[language].append(path.relative_to(root).as_posix())
        self._places: dict[str, dict[str, str]] = {}

    def of(self, word: LexiconRow) -> str | None:
        """Return the reference of a word's text, or None where the source writes it otherwise."""
        if word.language not in self._places:
            known: dict[str, str] = {}
            for member in self._members[word.language]:
                for reference, text in self.reader.entries(member):
                    known.setdefault(fold(text), reference)
            self._places[word.language] = known
        return self._places[word.language].get(fold(word.text))


# --- texts that no lexicon holds ------------------------------------------------------------------


def _phrases(words: _Words, folders: Mapping[str, Path], tables: Path) -> Iterator[TextRow]:
    """Yield what ``dev-2-phrases.tsv`` chooses, of either kind."""
    cldr, frigate = _CldrNames(folders["cldr"]), _FrigateNames(folders["frigate-names"])
    stamps = _Stamps(folders["tuxpaint"])
    sentences: list[tuple[str, re.Pattern[str]]] = []
    for where, (concept, source, what) in rules.read_table(tables / "dev-2-phrases.tsv", columns=3):
        if source == "tatoeba":
            sentences.append((concept, re.compile(what, re.IGNORECASE)))
            continue
        of = {"cldr": cldr.of, "frigate-names": frigate.of, "tuxpaint": stamps.of}.get(source)
        if of is None:
            raise ManifestError(f"{where}: source {source!r}; wanted cldr, frigate-names, tuxpaint or tatoeba")
        for one in what.split():
            for language, reference, text in of(one):
                yield _phrase(words, concept, language, source, reference, text)
    for concept, language, reference, text in _sentences(sentences, folders["tatoeba"]):
        yield _phrase(words, concept, language, "tatoeba", reference, text)


def _phrase(words: _Words, concept: str, language: str, source: str, reference: str, text: str) -> TextRow:
    kind = words.kind(language, text, source)
    return TextRow("dev", concept, language, source, reference, text_hash(text), None, kind)


class _Stamps:
    """Tux Paint's descriptions of stamps by language of ours."""

    def __init__(self, folder: Path) -> None:
        self._root = source_texts.content_folder("tuxpaint", folder)

    def of(self, stamp: str) -> Iterator[tuple[str, str, str]]:
        """Yield (language, reference, text) of every description of a stamp, but the English ones."""
        texts = source_texts.read_stamp_texts(self._root / f"{stamp}.txt")
        for locale, text in texts.items():
            language = _code(locale)
            if language and languages.base(language) != "en":
                yield language, f"{stamp}.txt#{locale}", text


def _sentences(wanted: Sequence[tuple[str, re.Pattern[str]]], folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield (concept, language, reference, text) of sentences whose English names one concept, a few of each."""
    root = source_texts.content_folder("tatoeba", folder)
    for path in sorted(root.glob("data/tatoeba/v1/tatoeba.*-eng.eng")):
        code = path.name.split(".")[1].partition("-")[0]
        if (language := _code(code)) is None:
            continue
        other = path.with_name(f"tatoeba.{code}-eng.{code}")
        texts = other.read_text(encoding="utf-8").split("\n")
        taken: Counter[str] = Counter()
        for number, english in enumerate(path.read_text(encoding="utf-8").split("\n")):
            named = [concept for concept, pattern in wanted if pattern.search(english)]
            if len(named) != 1 or len(english.split()) > MAX_SENTENCE_WORDS or not texts[number].strip():
                continue
            taken[named[0]] += 1
            if taken[named[0]] <= MAX_SENTENCES_PER_CONCEPT:
                reference = f"{other.relative_to(root).as_posix()}#{number + 1}"
                yield named[0], language, reference, texts[number].strip()


def _own(words: _Words, tables: Path) -> Iterator[TextRow]:
    """Yield our own descriptions in other languages."""
    for _, (language, concept, text) in rules.read_table(tables / "dev-2-own.tsv", columns=3):
        kind = words.kind(language, text, OWN)
        yield TextRow("dev", concept, language, OWN, OWN, text_hash(text), text, kind)


# --- all ------------------------------------------------------------------------------------------


def _of_rich_languages(rows: Collection[TextRow]) -> list[TextRow]:
    counts = Counter((row.language, row.kind) for row in rows)
    rich = {
        language
        for language, _ in counts
        if counts[language, ENTRY] >= MIN_ENTRIES and counts[language, UNSEEN] >= MIN_UNSEEN
    }
    return [row for row in rows if row.language in rich]


def _code(code: str) -> str | None:
    """Return a source's language code as the benchmark writes it, or None for what is no language of its own."""
    try:
        language = languages.normalise(_CODES.get(code, code))
    except LanguageError:
        return None
    language = _CODES.get(language, language)
    return None if language in _LEFT_OUT or languages.base(language) == "en" else language


def _plain(english: str) -> str:
    return re.sub(r"^(?:an?|the|to) ", "", english.casefold().strip())


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())
