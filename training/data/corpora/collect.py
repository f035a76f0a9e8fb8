"""Package folders → clips with English captions: rules applied, unusable sounds and copies dropped."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from cacara.benchmark.dataset import benchmark_file
from cacara.errors import AudioError
from cacara.galleries.manifest import Clip
from training.data.corpora import rules
from training.data.corpora.fingerprint import DUPLICATE_SIMILARITY, Fingerprint, fingerprint
from training.data.corpora.packages import PACKAGES, Package
from training.data.corpora.recordings import Recordings

MAX_MUSIC_PER_CONCEPT = 40  # drum kits alone have 700 sounds, more than all effects
PIECE = 0.8  # share of a sound that is in another one, from which on it adds nothing

log = logging.getLogger(__name__)


def collect(folders: Mapping[str, Path], tables: Path = rules.TABLES) -> list[Clip]:
    """Return the clips of all packages among ``folders``, sorted by id; see ``collect_recordings``."""
    return [clip for clip, _ in collect_recordings(folders, tables)]


def collect_recordings(folders: Mapping[str, Path], tables: Path = rules.TABLES) -> list[tuple[Clip, Fingerprint]]:
    """Return the clips of all packages among ``folders``, captioned in English, sorted by id, as they sound.

    Silent, very short and unreadable files, second copies of a recording, and pieces of another package's sound are
    dropped; of a musical concept ``MAX_MUSIC_PER_CONCEPT`` are kept. Same folders, same clips.

    Args:
        folders: Source key to the folder it was fetched to; keys of other sources are ignored.
        tables: The folder of the tables that say what sounds.

    Raises:
        ManifestError: A table of rules is malformed.
        SourceError: A folder does not hold the package it is given for.
    """
    concepts = rules.load_concepts(tables)
    dropped: Counter[str] = Counter()
    kept: list[tuple[Clip, Fingerprint]] = []
    for key in sorted(set(folders) & set(PACKAGES)):
        table = rules.load_rules(key, concepts, tables)
        for clip in _matched(PACKAGES[key], folders[key], table, concepts):
            try:
                sound = fingerprint(clip.path)
            except AudioError as error:
                log.debug("left out %s: %s", clip.clip_id, error)
                dropped["short or unreadable"] += 1
                continue
            if not sound.audible:
                dropped["silent"] += 1
            elif any(sound.resembles(other, DUPLICATE_SIMILARITY) for _, other in kept):
                dropped["copy"] += 1
            else:
                kept.append((clip, sound))
    whole = _without_pieces(kept)
    dropped["piece of another"] = len(kept) - len(whole)
    capped = _cap_music(whole)
    dropped["music above the cap"] = len(whole) - len(capped)
    log.info("%d clips collected; dropped: %s", len(capped), dict(dropped))
    return sorted(capped, key=lambda recording: recording[0].clip_id)


def _matched(
    package: Package, folder: Path, table: Sequence[rules.Rule], concepts: Mapping[str, rules.Concept]
) -> Iterator[Clip]:
    """Yield a clip for every file of a package that a rule names, not yet listened to."""
    files = list(package.files(folder))
    credits = package.credits(folder, [relative for relative, _ in files])
    stems = Counter(PurePosixPath(relative).stem for relative, _ in files)
    for relative, path in files:
        rule = rules.concept_of(relative, table)
        if rule is None or (credit := credits.get(relative)) is None:
            continue
        concept = concepts[rule.concept]
        stem = PurePosixPath(relative).stem
        yield Clip(
            clip_id=f"{package.key}/{stem if stems[stem] == 1 else relative}",
            path=path,
            sha256=benchmark_file.file_hash(path),
            captions={"en": rules.captions(rule, concept)},
            concept=concept.name,
            source=package.key,
            licence=credit.licence,
            kind=concept.kind,
            author=credit.author,
            recording=credit.recording,
        )


def _without_pieces(recordings: Sequence[tuple[Clip, Fingerprint]]) -> list[tuple[Clip, Fingerprint]]:
    """Return ``recordings`` without those that are, for ``PIECE`` of their time, part of another package's sound."""
    by_id = dict((clip.clip_id, (clip, sound)) for clip, sound in recordings)
    index = Recordings({name: sound for name, (_, sound) in by_id.items()})
    pieces: set[str] = set()
    for name, (clip, sound) in by_id.items():
        for other, seconds in index.shared(sound).items():
            longer, whole = by_id[other]
            is_longer = (whole.sounding_seconds, other) > (sound.sounding_seconds, name)
            if longer.source != clip.source and is_longer and seconds >= PIECE * sound.sounding_seconds:
                pieces.add(name)
    return [(clip, sound) for clip, sound in recordings if clip.clip_id not in pieces]


def _cap_music(recordings: Sequence[tuple[Clip, Fingerprint]]) -> list[tuple[Clip, Fingerprint]]:
    """Return ``recordings`` with at most ``MAX_MUSIC_PER_CONCEPT`` of a musical concept, spread by hash."""
    hashes: defaultdict[str | None, list[str]] = defaultdict(list)
    for clip, _ in recordings:
        if clip.kind == "music":
            hashes[clip.concept].append(clip.sha256)
    above = {sha256 for same in hashes.values() for sha256 in sorted(same)[MAX_MUSIC_PER_CONCEPT:]}
    return [(clip, sound) for clip, sound in recordings if clip.sha256 not in above]
