"""Package folders → clips with English captions: rules applied, unusable sounds and copies dropped."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from cacara import benchmark_file
from cacara.errors import AudioError
from cacara.manifest import Clip
from training.corpora import rules
from training.corpora.fingerprint import measure
from training.corpora.packages import PACKAGES, Package

MAX_MUSIC_PER_CONCEPT = 40  # drum kits alone have 700 sounds, more than all effects

log = logging.getLogger(__name__)


def collect(folders: Mapping[str, Path]) -> list[Clip]:
    """Return the clips of all packages among ``folders``, captioned in English, sorted by id.

    Silent, very short and unreadable files and second copies of a recording are dropped; of a musical
    concept ``MAX_MUSIC_PER_CONCEPT`` are kept. Same folders, same clips.

    Args:
        folders: Source key to the folder it was fetched to; keys of other sources are ignored.

    Raises:
        ManifestError: A table of rules is malformed.
        SourceError: A folder does not hold the package it is given for.
    """
    concepts = rules.load_concepts()
    dropped: Counter[str] = Counter()
    kept: dict[str, Clip] = {}
    for key in sorted(set(folders) & set(PACKAGES)):
        for clip in _matched(PACKAGES[key], folders[key], concepts):
            try:
                sound = measure(clip.path)
            except AudioError as error:
                log.info("left out: %s", error)
                dropped["unreadable"] += 1
                continue
            if not sound.usable:
                dropped["silent or short"] += 1
            elif sound.audio_hash in kept:
                dropped["copy"] += 1
            else:
                kept[sound.audio_hash] = clip
    clips = _cap_music(sorted(kept.values(), key=lambda clip: clip.clip_id))
    dropped["music above the cap"] = len(kept) - len(clips)
    log.info("%d clips collected; dropped: %s", len(clips), dict(dropped))
    return clips


def _matched(package: Package, folder: Path, concepts: Mapping[str, rules.Concept]) -> Iterator[Clip]:
    """Yield a clip for every file of a package that a rule names, not yet listened to."""
    table = rules.load_rules(package.key, concepts)
    licences = package.licences(folder)
    files = list(package.files(folder))
    stems = Counter(PurePosixPath(relative).stem for relative, _ in files)
    for relative, path in files:
        rule = rules.concept_of(relative, table)
        if rule is None:
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
            licence=licences.get(relative, package.default_licence),
            kind=concept.kind,
        )


def _cap_music(clips: list[Clip]) -> list[Clip]:
    """Return ``clips`` with at most ``MAX_MUSIC_PER_CONCEPT`` of a musical concept, spread by hash."""
    by_concept: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.kind == "music":
            by_concept[clip.concept or ""].append(clip)
    kept = {
        clip.clip_id
        for same in by_concept.values()
        for clip in sorted(same, key=lambda clip: clip.sha256)[:MAX_MUSIC_PER_CONCEPT]
    }
    return [clip for clip in clips if clip.kind != "music" or clip.clip_id in kept]
