"""The frozen benchmark of pictures: which stamps are asked for with which texts, without holding either.

A JSONL file like that of the sounds (``cacara.benchmark.benchmark_file``): a header, then a row a picture, sorted::

    {"benchmark": "images-v1", "version": 1, "rules": {...how it was chosen, free...}}
    {"row": "image", "split": "test", "image_id": "tuxpaint/animals/mammals/dogs/dog", "concept": "dog",
     "source": "tuxpaint", "member": "animals/mammals/dogs/dog.png", "sha256": "<64 hex>",
     "texts": "animals/mammals/dogs/dog.txt", "texts_sha256": "<64 hex>"}

``member`` and ``texts`` are paths below ``content_folder(source, fetched folder)``; the texts are the stamp's own
descriptions, English and others. A concept belongs to one split: that of the sound benchmark where it has a sound
there, so that whatever is found by a test sound is a test picture. ``find_problems`` checks that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from cacara import sources
from cacara.benchmark import benchmark_file
from cacara.benchmark.sound_benchmark import Query
from cacara.errors import ManifestError
from cacara.search.manifest import Clip
from cacara.sources import texts as source_texts

PATH = Path(__file__).parents[2] / "benchmarks" / "images-v1.jsonl"
SPLITS = ("train", "dev", "test")
MIN_TEXTS = 60
"""A language with fewer texts in a split is left out of it."""


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """A picture of the file; the module's docstring says what each field holds."""

    split: str
    concept: str
    image_id: str
    source: str
    member: str
    sha256: str
    texts: str
    texts_sha256: str


@dataclasses.dataclass(frozen=True)
class ImageRows:
    """What a benchmark file holds, unresolved."""

    name: str
    version: int
    rules: Mapping[str, object]
    images: tuple[ImageRow, ...]

    @property
    def hash(self) -> str:
        """Return 12 hex digits of the content; every report prints them."""
        return hashlib.sha256("\n".join(_lines(self)).encode()).hexdigest()[:12]

    def of_split(self, split: str) -> tuple[ImageRow, ...]:
        """Return the rows of one split.

        Raises:
            ManifestError: There is no such split.
        """
        if split not in SPLITS:
            raise ManifestError(f"there is no split {split!r}; wanted one of {', '.join(SPLITS)}")
        return tuple(row for row in self.images if row.split == split)


@dataclasses.dataclass(frozen=True)
class ImageBenchmark:
    """One split, resolved: every file found and every hash verified.

    Attributes:
        name: The benchmark's name, e.g. ``images-v1``.
        hash: Of the file.
        split: ``train``, ``dev`` or ``test``.
        images: The pictures, each with its concept and its descriptions by language.
        queries: The descriptions, each once a language and concept, of languages with ``MIN_TEXTS`` or more.
    """

    name: str
    hash: str
    split: str
    images: tuple[Clip, ...]
    queries: tuple[Query, ...]


def read(path: Path = PATH) -> ImageRows:
    """Return the rows of a benchmark file.

    Raises:
        ManifestError: The file cannot be read, or a line is malformed (its number is named).
    """
    header, images, problems = benchmark_file.parse_lines(path, {"image": ImageRow})
    if header is None or problems:
        raise ManifestError(f"{path}: {problems[0]}")
    return ImageRows(header["benchmark"], header["version"], header["rules"], tuple(images))


def write(rows: ImageRows, path: Path) -> None:
    """Write a benchmark beside its place, then put it there; the same rows give the same bytes."""
    benchmark_file.write_lines(_lines(rows), path)


def load(path: Path, split: str, folders: Mapping[str, Path]) -> ImageBenchmark:
    """Return ``split`` of a benchmark file, with every file found and verified.

    Args:
        path: The benchmark file.
        split: ``train``, ``dev`` or ``test``.
        folders: Source key to fetched folder, for all the sources the rows name.

    Raises:
        ManifestError: The file is malformed, a source is not given, or pictures or texts are missing or differ from
            their hash (how many, and the first).
    """
    rows = read(path)
    chosen = rows.of_split(split)
    if absent := sorted({row.source for row in chosen} - set(folders)):
        raise ManifestError(f"{split} of {rows.name} needs the sources {', '.join(absent)}; fetch them first")
    faults: list[str] = []
    images = [_resolve(row, folders[row.source], faults) for row in chosen]
    if faults:
        raise ManifestError(
            f"{len(faults)} files of {rows.name} are missing or differ, first {faults[0]}; "
            "wanted the pinned releases of cacara.sources (an installed package may be of another release)"
        )
    return ImageBenchmark(rows.name, rows.hash, split, tuple(images), _queries(images))


def find_problems(rows: ImageRows, sounds: benchmark_file.Rows) -> list[str]:
    """Return every breach of the benchmark's rules, as one line each; an empty list means sound.

    Args:
        rows: The pictures.
        sounds: The benchmark of sounds, which decides the split of the concepts that sound.
    """
    problems = [f"{row.image_id}: {fault}" for row in rows.images for fault in _faults(row)]
    for what, keys in (
        ("image_id", [row.image_id for row in rows.images]),
        ("picture with sha256", [row.sha256 for row in rows.images]),
    ):
        problems += [f"{what} {key} occurs {count} times" for key, count in Counter(keys).items() if count > 1]
    splits: dict[str, str] = {}
    for row in sorted(rows.images, key=lambda row: row.image_id):
        if (first := splits.setdefault(row.concept, row.split)) != row.split:
            problems.append(f"{row.image_id}: concept {row.concept!r} is in {first} and in {row.split}")
    for sound in sounds.sounds:
        if (split := splits.get(sound.concept, sound.split)) != sound.split:
            problems.append(f"concept {sound.concept!r} is heard in {sound.split} and seen in {split}")
            splits[sound.concept] = sound.split
    return problems


def _faults(row: ImageRow) -> list[str]:
    faults = [] if row.split in SPLITS else [f"split {row.split!r}; wanted one of {SPLITS}"]
    if row.source not in sources.SOURCES:
        faults.append(f"unknown source {row.source!r}")
    for place in (row.member, row.texts):
        if place.startswith("/") or ".." in PurePosixPath(place).parts:
            faults.append(f"{place!r} is not a path inside the source")
    if wrong := [value for value in (row.sha256, row.texts_sha256) if not re.fullmatch("[0-9a-f]{64}", value)]:
        faults.append(f"sha256 {wrong[0]!r:.80} is not 64 hex digits")
    return faults


def _resolve(row: ImageRow, folder: Path, faults: list[str]) -> Clip:
    root = source_texts.content_folder(row.source, folder)
    path, texts = root / row.member, root / row.texts
    captions: dict[str, tuple[str, ...]] = {}
    for place, wanted in ((path, row.sha256), (texts, row.texts_sha256)):
        if not place.is_file():
            faults.append(f"{row.image_id}: no file {place}")
        elif (found := benchmark_file.file_hash(place)) != wanted:
            faults.append(f"{row.image_id}: {place} has sha256 {found[:12]}…, wanted {wanted[:12]}…")
        elif place == texts:
            captions = source_texts.stamp_captions(texts)
    licence = sources.source(row.source).licence
    return Clip(row.image_id, path, row.sha256, captions, row.concept, row.source, licence, "image", path)


def _queries(images: Sequence[Clip]) -> tuple[Query, ...]:
    found = {
        Query(image.concept or image.clip_id, language, text)
        for image in images
        for language, texts in image.captions.items()
        for text in texts
        if not language.startswith("en-")  # varieties of English repeat it
    }
    counts = Counter(query.language for query in found)
    kept = (query for query in found if counts[query.language] >= MIN_TEXTS)
    return tuple(sorted(kept, key=lambda query: (query.language, query.concept, query.text)))


def _lines(rows: ImageRows) -> list[str]:
    images = ({"row": "image", **dataclasses.asdict(row)} for row in rows.images)
    return benchmark_file.sorted_lines(rows.name, rows.version, rows.rules, images)
