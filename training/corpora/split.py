"""What training may hear: everything collected, less the benchmark's sounds and the dev concepts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from cacara import benchmark_file, source_texts
from cacara.errors import ManifestError
from cacara.manifest import Clip
from training.corpora.collect import collect
from training.corpora.fingerprint import measure

log = logging.getLogger(__name__)


def train_clips(
    folders: Mapping[str, Path], benchmark_path: Path, benchmark_folders: Mapping[str, Path] | None = None
) -> list[Clip]:
    """Return the clips that a model may be trained on, checked for leakage, sorted by id.

    Left out are the recordings of the benchmark, in whatever file they stand, and every clip whose concept
    belongs to the dev split. Concepts of the test split may be trained on, its recordings never.

    Args:
        folders: Source key to fetched folder, for the packages to train on.
        benchmark_path: The frozen benchmark.
        benchmark_folders: The same for the benchmark's sources; ``folders`` if not given.

    Raises:
        ManifestError: The benchmark is malformed, or a source of its sounds is not given.
        SourceError: A folder does not hold the package it is given for.
    """
    rows = benchmark_file.read(benchmark_path)
    around = {**folders, **(benchmark_folders or {})}
    heard = _recordings(rows, around)
    files = {row.sha256 for row in rows.sounds}
    dev_concepts = {row.concept for row in rows.of_split("dev").sounds}
    collected = collect(folders)
    clips = [clip for clip in collected if clip.concept not in dev_concepts and clip.sha256 not in files]
    clips = [clip for clip in clips if measure(clip.path).audio_hash not in heard]
    log.info("%d of %d clips are for training", len(clips), len(collected))
    check_leakage(clips, benchmark_path, around)
    return clips


def check_leakage(clips: Sequence[Clip], benchmark_path: Path, folders: Mapping[str, Path]) -> None:
    """Fail if training on ``clips`` would let a model hear the benchmark or read another language.

    Args:
        clips: What is to be trained on.
        benchmark_path: The frozen benchmark.
        folders: Source key to fetched folder, for all sources of the benchmark's sounds.

    Raises:
        ManifestError: A clip is a test or dev sound (same file, or same samples in another file), is of a
            dev concept, or has a caption in another language than English; or a source is not given.
    """
    rows = benchmark_file.read(benchmark_path)
    id_of_file = {row.sha256: row.clip_id for row in rows.sounds}
    id_of_recording = _recordings(rows, folders)
    dev_concepts = {row.concept for row in rows.of_split("dev").sounds}
    problems = []
    for clip in clips:
        twin = id_of_file.get(clip.sha256) or id_of_recording.get(measure(clip.path).audio_hash)
        if twin:
            problems.append(f"{clip.clip_id} is the benchmark's sound {twin}")
        if clip.concept in dev_concepts:
            problems.append(f"{clip.clip_id} is of the dev concept {clip.concept!r}")
        if others := sorted(set(clip.captions) - {"en"}):
            problems.append(f"{clip.clip_id} has captions in {others}; training may read English only")
    if problems:
        raise ManifestError(f"{len(problems)} leaks into training, first: {problems[0]}")


def _recordings(rows: benchmark_file.Rows, folders: Mapping[str, Path]) -> dict[str, str]:
    """Return audio hash → clip id of every sound of the benchmark."""
    if absent := sorted({row.source for row in rows.sounds} - set(folders)):
        raise ManifestError(f"the sounds of {rows.name} need the sources {', '.join(absent)}; fetch them first")
    recordings = {}
    for row in rows.sounds:
        path = source_texts.content_folder(row.source, folders[row.source]) / row.member
        recordings[measure(path).audio_hash] = row.clip_id
    return recordings
