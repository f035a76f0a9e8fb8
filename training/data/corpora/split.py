"""The training split: everything collected, less the benchmarks' sounds and the concepts that they hold out."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import Rows
from cacara.errors import AudioError, ManifestError
from cacara.galleries.manifest import Clip
from cacara.sources import texts as source_texts
from training.data.corpora.collect import collect_recordings
from training.data.corpora.fingerprint import COPY_SIMILARITY, Fingerprint, fingerprint
from training.data.corpora.packages import PACKAGES
from training.data.corpora.recordings import Recordings

BESIDE = ("dev-2.jsonl",)
"""Benchmarks that are held out whenever one that lies in the same folder is."""

log = logging.getLogger(__name__)


def held_out_sources(benchmark_path: Path) -> set[str]:
    """Return the keys of the sources whose sounds ``train_clips`` and the others here must be given.

    Raises:
        ManifestError: A benchmark is malformed.
    """
    return {row.source for rows in benchmarks(benchmark_path) for row in rows.sounds}


def train_clips(
    folders: Mapping[str, Path], benchmark_path: Path, benchmark_folders: Mapping[str, Path] | None = None
) -> list[Clip]:
    """Return the clips that a model may be trained on: those ``check_leakage`` has nothing against, by id.

    Concepts of a test split may be trained on, its recordings never; of a dev split neither may.

    Args:
        folders: Source key to fetched folder, for the packages to train on.
        benchmark_path: The frozen benchmark; those of ``BESIDE`` are held out with it.
        benchmark_folders: The same for the benchmarks' sources; ``folders`` if not given.

    Raises:
        ManifestError: A benchmark is malformed, or a source of its sounds is not given.
        SourceError: A folder does not hold the package it is given for.
    """
    return [clip for clip, _ in train_recordings(folders, benchmark_path, benchmark_folders)]


def train_recordings(
    folders: Mapping[str, Path], benchmark_path: Path, benchmark_folders: Mapping[str, Path] | None = None
) -> list[tuple[Clip, Fingerprint]]:
    """Return ``train_clips`` as they sound."""
    held_out = HeldOut.read(benchmark_path, {**folders, **(benchmark_folders or {})})
    recordings = collect_recordings(folders)
    kept = [(clip, sound) for clip, sound in recordings if not held_out.faults(clip, sound)]
    log.info("%d of %d clips are for training", len(kept), len(recordings))
    return kept


def without_held_out(clips: Sequence[Clip], benchmark_path: Path, folders: Mapping[str, Path]) -> list[Clip]:
    """Return those clips of a user's own that can be decoded and that ``check_leakage`` has nothing against.

    Args:
        clips: What is to be trained on.
        benchmark_path: The frozen benchmark; those of ``BESIDE`` are held out with it.
        folders: Source key to fetched folder, for all ``held_out_sources``.

    Raises:
        ManifestError: A benchmark is malformed, or a source is not given.
    """
    held_out = HeldOut.read(benchmark_path, folders)
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
    """Fail if training on ``clips`` would let a model hear a benchmark or read another language.

    Args:
        clips: What is to be trained on.
        benchmark_path: The frozen benchmark; those of ``BESIDE`` are held out with it.
        folders: Source key to fetched folder, for all ``held_out_sources``.

    Raises:
        ManifestError: A clip is a test or dev sound (same file, the same recording in another file, or a piece of
            it), is of a dev concept, or has a caption in another language than English; or a source is not given.
        AudioError: A clip cannot be decoded.
    """
    held_out = HeldOut.read(benchmark_path, folders)
    faults = [fault for clip in clips for fault in held_out.faults(clip, fingerprint(clip.path))]
    if faults:
        raise ManifestError(f"{len(faults)} leaks into training, first: {faults[0]}")


def benchmarks(path: Path) -> Iterator[Rows]:
    """Yield the benchmark of a file and those of ``BESIDE``: all that training must not hear or read.

    Raises:
        ManifestError: One is malformed.
    """
    yield benchmark_file.read(path)
    for name in BESIDE:
        other = path.with_name(name)
        if other.is_file() and other != path:
            yield benchmark_file.read(other)


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The benchmarks as training must know them: files, sounds, the recordings they were cut from, dev concepts."""

    id_of_file: Mapping[str, str]
    sounds: Recordings
    id_of_recording: Mapping[str, str]
    split_of_id: Mapping[str, str]
    dev_concepts: frozenset[str]

    @classmethod
    def read(cls, benchmark_path: Path, folders: Mapping[str, Path]) -> HeldOut:
        """Read a benchmark and those of ``BESIDE``, and listen to their sounds.

        Raises:
            ManifestError: One is malformed, or a source of its sounds is not given.
        """
        id_of_file: dict[str, str] = {}
        recordings: dict[str, str] = {}
        splits: dict[str, str] = {}
        concepts: set[str] = set()
        prints: dict[str, Fingerprint] = {}
        for rows in benchmarks(benchmark_path):
            if absent := sorted({row.source for row in rows.sounds} - set(folders)):
                raise ManifestError(f"the sounds of {rows.name} need the sources {', '.join(absent)}; fetch them first")
            id_of_file |= {row.sha256: row.clip_id for row in rows.sounds}
            splits |= {row.clip_id: "dev-2" if rows.name == "dev-2" else row.split for row in rows.sounds}
            for row in rows.sounds:
                path = source_texts.content_folder(row.source, folders[row.source]) / row.member
                prints[row.clip_id] = fingerprint(path)
            recordings |= _origins(rows, folders)
            concepts |= {row.concept for row in rows.of_split("dev").sounds}
        return cls(id_of_file, Recordings(prints), recordings, splits, frozenset(concepts))

    def split_of(self, sha256: str, sound: Fingerprint) -> str | None:
        """Return ``test``, ``dev`` or ``dev-2`` if a sound is, or is a piece of, one of a benchmark; else None."""
        twin = self.id_of_file.get(sha256) or self.sounds.copy_of(sound, COPY_SIMILARITY)
        twin = twin or next(iter(self.sounds.shared(sound)), None)
        return self.split_of_id[twin] if twin else None

    def faults(self, clip: Clip, sound: Fingerprint) -> list[str]:
        """Return what ``check_leakage`` has against training on a clip, as one line each."""
        faults = []
        if twin := self.id_of_file.get(clip.sha256) or self.sounds.copy_of(sound, COPY_SIMILARITY):
            faults.append(f"{clip.clip_id} is the benchmark's sound {twin}")
        elif shared := self.sounds.shared(sound):
            name, seconds = max(shared.items(), key=lambda found: found[1])
            faults.append(f"{clip.clip_id} shares {seconds:.1f} s with the benchmark's sound {name}")
        elif clip.recording and (twin := self.id_of_recording.get(clip.recording)):
            faults.append(f"{clip.clip_id} is cut from the recording of the benchmark's sound {twin}")
        if clip.concept in self.dev_concepts:
            faults.append(f"{clip.clip_id} is of the dev concept {clip.concept!r}")
        if others := sorted(set(clip.captions) - {"en"}):
            faults.append(f"{clip.clip_id} has captions in {others}; training may read English only")
        return faults


def _origins(rows: Rows, folders: Mapping[str, Path]) -> dict[str, str]:
    """Return what stands for a recording, of those that packages credit, to the id of a sound cut from it."""
    found: dict[str, str] = {}
    for key in sorted({row.source for row in rows.sounds} & set(PACKAGES)):
        package, content = PACKAGES[key], source_texts.content_folder(key, folders[key])
        id_of = {
            PurePosixPath(row.member).relative_to(package.root).as_posix(): row.clip_id
            for row in rows.sounds
            if row.source == key and (content / row.member).is_relative_to(content / package.root)
        }
        credits = package.credits(folders[key], list(id_of))
        found |= {credit.recording: id_of[name] for name, credit in credits.items() if credit.recording}
    return found
