"""What training may hear: everything collected, less the benchmark's sounds and the dev concepts."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from cacara.benchmark import benchmark_file
from cacara.errors import AudioError, ManifestError
from cacara.search.manifest import Clip
from cacara.sources import texts as source_texts
from training.data.corpora.collect import collect_recordings
from training.data.corpora.fingerprint import COPY_SIMILARITY, Fingerprint, fingerprint

log = logging.getLogger(__name__)


def train_clips(
    folders: Mapping[str, Path], benchmark_path: Path, benchmark_folders: Mapping[str, Path] | None = None
) -> list[Clip]:
    """Return the clips that a model may be trained on: those ``check_leakage`` has nothing against, by id.

    Concepts of the test split may be trained on, its recordings never; of the dev split neither may.

    Args:
        folders: Source key to fetched folder, for the packages to train on.
        benchmark_path: The frozen benchmark.
        benchmark_folders: The same for the benchmark's sources; ``folders`` if not given.

    Raises:
        ManifestError: The benchmark is malformed, or a source of its sounds is not given.
        SourceError: A folder does not hold the package it is given for.
    """
    held_out = _HeldOut.read(benchmark_path, {**folders, **(benchmark_folders or {})})
    recordings = collect_recordings(folders)
    clips = [clip for clip, sound in recordings if not held_out.faults(clip, sound)]
    log.info("%d of %d clips are for training", len(clips), len(recordings))
    return clips


def without_held_out(clips: Sequence[Clip], benchmark_path: Path, folders: Mapping[str, Path]) -> list[Clip]:
    """Return those clips of a user's own that can be decoded and that ``check_leakage`` has nothing against.

    Args:
        clips: What is to be trained on.
        benchmark_path: The frozen benchmark.
        folders: Source key to fetched folder, for all sources of the benchmark's sounds.

    Raises:
        ManifestError: The benchmark is malformed, or a source is not given.
    """
    held_out = _HeldOut.read(benchmark_path, folders)
    kept = []
    for clip in clips:
        try:
            faults = held_out.faults(clip, fingerprint(clip.path))
        except AudioError as error:
            faults = [f"{clip.clip_id}: {error}"]
        for fault in faults:
            log.warning("left out: %s", fault)
        if not faults:
            kept.append(clip)
    return kept


def check_leakage(clips: Sequence[Clip], benchmark_path: Path, folders: Mapping[str, Path]) -> None:
    """Fail if training on ``clips`` would let a model hear the benchmark or read another language.

    Args:
        clips: What is to be trained on.
        benchmark_path: The frozen benchmark.
        folders: Source key to fetched folder, for all sources of the benchmark's sounds.

    Raises:
        ManifestError: A clip is a test or dev sound (same file, or the same recording in another file), is
            of a dev concept, or has a caption in another language than English; or a source is not given.
        AudioError: A clip cannot be decoded.
    """
    held_out = _HeldOut.read(benchmark_path, folders)
    faults = [fault for clip in clips for fault in held_out.faults(clip, fingerprint(clip.path))]
    if faults:
        raise ManifestError(f"{len(faults)} leaks into training, first: {faults[0]}")


@dataclasses.dataclass(frozen=True)
class _HeldOut:
    """The benchmark as training must know it: its files, its recordings by clip id, its dev concepts."""

    id_of_file: Mapping[str, str]
    recordings: Mapping[str, Fingerprint]
    dev_concepts: frozenset[str]

    @classmethod
    def read(cls, benchmark_path: Path, folders: Mapping[str, Path]) -> _HeldOut:
        rows = benchmark_file.read(benchmark_path)
        if absent := sorted({row.source for row in rows.sounds} - set(folders)):
            raise ManifestError(f"the sounds of {rows.name} need the sources {', '.join(absent)}; fetch them first")
        return cls(
            {row.sha256: row.clip_id for row in rows.sounds},
            {
                row.clip_id: fingerprint(source_texts.content_folder(row.source, folders[row.source]) / row.member)
                for row in rows.sounds
            },
            frozenset(row.concept for row in rows.of_split("dev").sounds),
        )

    def faults(self, clip: Clip, sound: Fingerprint) -> list[str]:
        copies = (name for name, held in self.recordings.items() if held.resembles(sound, COPY_SIMILARITY))
        faults = []
        if twin := self.id_of_file.get(clip.sha256) or next(copies, None):
            faults.append(f"{clip.clip_id} is the benchmark's sound {twin}")
        if clip.concept in self.dev_concepts:
            faults.append(f"{clip.clip_id} is of the dev concept {clip.concept!r}")
        if others := sorted(set(clip.captions) - {"en"}):
            faults.append(f"{clip.clip_id} has captions in {others}; training may read English only")
        return faults
