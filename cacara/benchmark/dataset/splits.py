"""A split of a frozen benchmark, resolved and verified: sounds or pictures, and the texts that ask for them.

What the file holds is in ``cacara.benchmark.dataset.benchmark_file``, where texts stand in their sources in
``cacara.sources.texts``.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cacara import sources
from cacara.benchmark.dataset.benchmark_file import OWN, ImageRow, SoundRow, TextRow, file_hash, read
from cacara.errors import ManifestError
from cacara.galleries import default_gallery
from cacara.galleries.manifest import Clip
from cacara.media import audio, images
from cacara.sources.clients import Report, silent
from cacara.sources.texts import TEXT_READERS, content_folder, stamp_captions, text_hash

_FOLDER = Path(__file__).parents[3] / "benchmarks"
SOUNDS, DEV_2, PICTURES = (_FOLDER / f"{name}.jsonl" for name in ("sounds-v1", "dev-2", "images-v1"))
"""The files of this repository; dev-2 has a dev split alone."""
MIN_IMAGE_TEXTS = 60
"""A language with fewer descriptions in a split of pictures is left out of it."""


@dataclasses.dataclass(frozen=True)
class Query:
    """One text that asks for a concept, in one language; ``kind`` is one of ``benchmark_file.KINDS``, if known."""

    concept: str
    language: str
    text: str
    kind: str | None = None


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One split, resolved: every file found and every hash verified.

    Attributes:
        name: The benchmark's name, e.g. ``sounds-v1``.
        hash: ``Rows.hash`` of the file; every report prints it.
        split: ``train``, ``dev`` or ``test``.
        clips: The sounds or pictures. Each has a concept; a sound's captions are the texts of that concept, a
            picture's its own descriptions.
        queries: All texts, sorted by language and concept; of pictures those of languages with ``MIN_IMAGE_TEXTS`` or
            more.
    """

    name: str
    hash: str
    split: str
    clips: tuple[Clip, ...]
    queries: tuple[Query, ...]

    @property
    def languages(self) -> tuple[str, ...]:
        """The queries' languages, sorted."""
        return tuple(sorted({query.language for query in self.queries}))

    @property
    def kinds(self) -> Mapping[tuple[str, str], str]:
        """Kind of each query by language and text, of those that have one; ``entry`` where a text has both."""
        kinds = sorted(((query.language, query.text), query.kind) for query in self.queries if query.kind)
        return dict(reversed(kinds))


def required_sources(path: Path, split: str) -> set[str]:
    """Return the keys of ``cacara.sources`` that ``load`` needs for ``split``.

    Raises:
        ManifestError: The file is malformed, or there is no such split.
    """
    return read(path).of_split(split).sources


def fetch(path: Path, split: str, report: Report = silent) -> Benchmark:
    """Return ``split`` of a benchmark file, as ``load``; sources that are not in the cache are fetched.

    Raises:
        ManifestError: As ``load`` raises it.
        SourceError: A source cannot be fetched.
    """
    return load(path, split, sources.fetch_all(sorted(required_sources(path, split)), report))


def load(path: Path, split: str, folders: Mapping[str, Path]) -> Benchmark:
    """Return ``split`` of a benchmark file, with every file and text found and verified.

    Args:
        path: The benchmark file.
        split: ``train``, ``dev`` or ``test``.
        folders: Where each of ``required_sources`` lies, as ``cacara.sources.fetch`` returns it.

    Raises:
        ManifestError: The file is malformed, a source is not given, or files or texts are missing or
            differ from their hash (how many, and the first), or models were trained on a sound.
    """
    rows = read(path)
    chosen = rows.of_split(split)
    _refuse_trained(rows.name, chosen.sounds)
    if not (chosen.sounds or chosen.images):
        raise ManifestError(f"{rows.name} has no split {split!r}; wanted one that a sound or picture of it is in")
    if absent := sorted(chosen.sources - set(folders)):
        raise ManifestError(f"{split} of {rows.name} needs the sources {', '.join(absent)}; fetch them first")
    queries = _resolve_texts(chosen.texts, folders)
    captions: dict[str, dict[str, tuple[str, ...]]] = {row.concept: {} for row in chosen.sounds}
    for query in queries:
        written = captions.setdefault(query.concept, {})
        written[query.language] = (*written.get(query.language, ()), query.text)
    pictures = _resolve_images(chosen.images, folders)
    clips = (*_resolve_sounds(chosen.sounds, folders, captions), *pictures)
    return Benchmark(rows.name, rows.hash, split, clips, (*queries, *_descriptions(pictures)))


def _refuse_trained(name: str, sounds: Iterable[SoundRow]) -> None:
    """Refuse to measure with sounds of the default gallery that the bundled models were trained on."""
    marked = default_gallery.splits()
    trained = [row.clip_id for row in sounds if marked.get(row.sha256) == "train"]
    if trained:
        raise ManifestError(
            f"the bundled models were trained on {len(trained)} sounds of {name}, first: {trained[0]} of the default "
            "gallery; wanted sounds that no model has heard"
        )


def waveforms(split: Benchmark) -> Iterator[NDArray[np.float32]]:
    """Yield the sounds of a split, float32 mono [samples] each."""
    return (audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in split.clips)


def pixels(split: Benchmark) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of a split, uint8 [height, width, 3] each."""
    return (images.load(clip.path, images.GALLERY_LIMITS) for clip in split.clips)


def _resolve_sounds(
    rows: Sequence[SoundRow],
    folders: Mapping[str, Path],
    captions: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> tuple[Clip, ...]:
    clips, faults = [], []
    for row in rows:
        path = content_folder(row.source, folders[row.source]) / row.member
        if not path.is_file():
            faults.append(f"{row.clip_id}: no file {path}")
        elif (found := file_hash(path)) != row.sha256:
            faults.append(f"{row.clip_id}: {path} has sha256 {found[:12]}…, wanted {row.sha256[:12]}…")
        licence = sources.source(row.source).licence
        clips.append(Clip(row.clip_id, path, row.sha256, captions[row.concept], row.concept, row.source, licence))
    _raise_if_any(faults, len(rows), "sounds")
    return tuple(clips)


def _resolve_images(rows: Sequence[ImageRow], folders: Mapping[str, Path]) -> tuple[Clip, ...]:
    clips, faults = [], []
    for row in rows:
        root = content_folder(row.source, folders[row.source])
        path, texts = root / row.member, root / row.texts
        captions: dict[str, tuple[str, ...]] = {}
        for place, wanted in ((path, row.sha256), (texts, row.texts_sha256)):
            if not place.is_file():
                faults.append(f"{row.image_id}: no file {place}")
            elif (found := file_hash(place)) != wanted:
                faults.append(f"{row.image_id}: {place} has sha256 {found[:12]}…, wanted {wanted[:12]}…")
            elif place == texts:
                captions = stamp_captions(texts)
        licence = sources.source(row.source).licence
        clips.append(Clip(row.image_id, path, row.sha256, captions, row.concept, row.source, licence, "image", path))
    _raise_if_any(faults, 2 * len(rows), "pictures and descriptions")
    return tuple(clips)


def _descriptions(pictures: Sequence[Clip]) -> tuple[Query, ...]:
    """Return the pictures' descriptions, each once a language and concept."""
    found = {
        Query(picture.concept or picture.clip_id, language, text)
        for picture in pictures
        for language, texts in picture.captions.items()
        for text in texts
        if not language.startswith("en-")  # varieties of English repeat it
    }
    counts = Counter(query.language for query in found)
    return _sorted(query for query in found if counts[query.language] >= MIN_IMAGE_TEXTS)


def _resolve_texts(rows: Sequence[TextRow], folders: Mapping[str, Path]) -> tuple[Query, ...]:
    used = {row.source for row in rows if row.source != OWN}
    if unreadable := sorted(used - set(TEXT_READERS)):
        raise ManifestError(f"no reader for texts of {', '.join(unreadable)}; known: {', '.join(TEXT_READERS)}")
    readers = {source: TEXT_READERS[source](folders[source]) for source in used}
    queries, faults = [], []
    for row in rows:
        try:
            text = row.text if row.text is not None else readers[row.source](row.reference)
        except (OSError, LookupError, ValueError) as error:
            faults.append(f"{row.source} {row.reference}: not found ({error})")
            continue
        if (found := text_hash(text)) != row.sha256_16:
            faults.append(f"{row.source} {row.reference}: text has hash {found}, wanted {row.sha256_16}")
        queries.append(Query(row.concept, row.language, text, row.kind))
    _raise_if_any(faults, len(rows), "texts")
    return _sorted(queries)


def _sorted(queries: Iterable[Query]) -> tuple[Query, ...]:
    return tuple(sorted(queries, key=lambda query: (query.language, query.concept, query.text)))


def _raise_if_any(faults: Sequence[str], total: int, what: str) -> None:
    if faults:
        raise ManifestError(
            f"{len(faults)} of {total} {what} of the benchmark are missing or differ, first {faults[0]}; "
            "wanted the pinned releases of cacara.sources (an installed package may be of another release)"
        )
