"""Rows of a frozen benchmark's file: which sounds or pictures are asked for with which texts, without holding any.

A benchmark is a JSONL file. What belongs to others is named by source, place and hash, fetched with ``cacara.sources``
and verified when a split is loaded (``cacara.benchmark.dataset.splits``). The first line is the header; rows follow in
any order (``write`` sorts them); no other fields are allowed.

Header::

    {"benchmark": "sounds-v1", "version": 1, "rules": {...how it was chosen, free...}}

A sound. ``source`` is a key of ``cacara.sources.SOURCES``; ``member`` is the file's path below
``content_folder(source, fetched folder)``, with ``/``; ``sha256`` hashes the file's bytes; ``clip_id``
is unique over all splits::

    {"row": "sound", "split": "test", "clip_id": "tuxpaint/animals/mammals/dogs/dog", "concept": "dog",
     "source": "tuxpaint", "member": "animals/mammals/dogs/dog.ogg", "sha256": "<64 hex>"}

A text that asks for sounds. ``language`` is BCP-47 as ``cacara.languages.normalise`` writes it; ``reference`` says
where the string stands in its source, in the form its reader in ``TEXT_READERS`` wants; ``sha256_16`` is ``text_hash``
of the string. ``text`` stands only in sentences of our own, whose source and reference are ``"own"``::

    {"row": "text", "split": "test", "concept": "dog", "language": "pt-BR", "source": "tuxpaint",
     "reference": "animals/mammals/dogs/dog.txt#pt_BR", "sha256_16": "<16 hex>"}
    {"row": "text", "split": "dev", "concept": "rain", "language": "en", "source": "own",
     "reference": "own", "sha256_16": "<16 hex>", "text": "heavy rain on a roof"}

A text may have a ``kind``, one of ``KINDS``. An ``unseen`` text may be neither in what a model learns from
nor in what it looks words up in.

A picture; ``texts`` is the path of its own descriptions, English and others, which ask for it::

    {"row": "image", "split": "test", "image_id": "tuxpaint/animals/mammals/dogs/dog", "concept": "dog",
     "source": "tuxpaint", "member": "animals/mammals/dogs/dog.png", "sha256": "<64 hex>",
     "texts": "animals/mammals/dogs/dog.txt", "texts_sha256": "<64 hex>"}

Rules over several rows are in ``cacara.benchmark.dataset.rules``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara.errors import CheckpointError, ManifestError
from cacara.model.seen_texts import SeenTexts
from cacara.sources.texts import text_hash
from cacara_files import atomic

SPLITS = ("train", "dev", "test")
"""Sounds have no train split."""
OWN = "own"  # the source of sentences that are ours and so stand in the file
ENTRY, UNSEEN = "entry", "unseen"
KINDS = (ENTRY, UNSEEN)
"""Kinds of a query: ``entry`` is a lexicon entry as a whole, ``unseen`` is in no lexicon."""


@dataclasses.dataclass(frozen=True)
class SoundRow:
    """A sound of the file; the module's docstring says what each field holds."""

    split: str
    concept: str
    clip_id: str
    source: str
    member: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class TextRow:
    """A text of the file; the module's docstring says what each field holds."""

    split: str
    concept: str
    language: str
    source: str
    reference: str
    sha256_16: str
    text: str | None = None
    kind: str | None = None


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
class Rows:
    """What a benchmark file holds, unresolved."""

    name: str
    version: int
    rules: Mapping[str, object]
    sounds: tuple[SoundRow, ...] = ()
    texts: tuple[TextRow, ...] = ()
    images: tuple[ImageRow, ...] = ()

    @property
    def hash(self) -> str:
        """12 hex digits that change with any row or rule, not with their order or white space."""
        return hashlib.sha256("\n".join(_canonical_lines(self)).encode()).hexdigest()[:12]

    @property
    def sources(self) -> set[str]:
        """The keys of ``cacara.sources`` that the rows name."""
        several: tuple[Iterable[SoundRow | TextRow | ImageRow], ...] = self.sounds, self.texts, self.images
        return {row.source for own in several for row in own} - {OWN}

    def of_split(self, split: str) -> Rows:
        """Return the rows of one split.

        Raises:
            ManifestError: There is no such split.
        """
        if split not in SPLITS:
            raise ManifestError(f"there is no split {split!r}; wanted one of {', '.join(SPLITS)}")
        return dataclasses.replace(
            self,
            sounds=tuple(row for row in self.sounds if row.split == split),
            texts=tuple(row for row in self.texts if row.split == split),
            images=tuple(row for row in self.images if row.split == split),
        )


_KINDS_OF_ROWS: Mapping[str, type[SoundRow] | type[TextRow] | type[ImageRow]] = {
    "sound": SoundRow,
    "text": TextRow,
    "image": ImageRow,
}
_OPTIONAL = {"text", "kind"}


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> Rows:
    """Return the rows of a benchmark file.

    Raises:
        ManifestError: The file cannot be read or a line is malformed (the first is named). Rules over
            several rows are ``find_problems``' business.
    """
    rows, problems = parse(path)
    if rows is None or problems:
        raise ManifestError(f"{path}: {problems[0]}")
    return rows


def write(rows: Rows, path: Path) -> None:
    """Write a benchmark file, sorted, so that the same rows give the same bytes."""
    atomic.write_text(path, "".join(f"{line}\n" for line in _canonical_lines(rows)))


def parse(path: Path) -> tuple[Rows | None, list[str]]:
    """Return what is well-formed, and a problem for every other line; no rows without a header."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        return None, [f"cannot read the benchmark: {error}"]
    problems: list[str] = []
    objects = list(_objects(lines, problems))
    header = objects[0][1] if objects else {}
    if {name: type(value) for name, value in header.items()} != {"benchmark": str, "version": int, "rules": dict}:
        return None, [*problems, 'line 1: wanted the header {"benchmark": …, "version": …, "rules": {…}}']
    found: dict[str, list[Any]] = {kind: [] for kind in _KINDS_OF_ROWS}
    for number, row in objects[1:]:
        try:
            found[str(row.get("row"))].append(_from_json(row))
        except KeyError:
            kinds = ", ".join(_KINDS_OF_ROWS)
            problems.append(f"line {number}: row is {str(row.get('row'))!r}; wanted one of {kinds}")
        except ManifestError as error:
            problems.append(f"line {number}: {error}")
    sounds, texts, images = (tuple(found[kind]) for kind in _KINDS_OF_ROWS)
    return Rows(header["benchmark"], header["version"], header["rules"], sounds, texts, images), problems


def _objects(lines: Sequence[str], problems: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"line {number}: not JSON ({error})")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problems.append(f"line {number}: {line!r:.80} is not an object")


def _from_json(row: Mapping[str, Any]) -> SoundRow | TextRow | ImageRow:
    kind = str(row["row"])
    made = _KINDS_OF_ROWS[kind]
    fields = {field.name for field in dataclasses.fields(made)}
    values = {name: value for name, value in row.items() if name != "row"}
    if unknown := sorted(set(values) - fields):
        raise ManifestError(f"a row {kind!r} has no fields {unknown}; wanted {sorted(fields)}")
    if missing := sorted(fields - set(values) - _OPTIONAL):
        raise ManifestError(f"a row {kind!r} lacks the fields {missing}")
    if wrong := sorted(name for name, value in values.items() if not isinstance(value, str) or not value):
        raise ManifestError(f"the fields {wrong} of a row {kind!r} must be strings that are not empty")
    return made(**values)


def _canonical_lines(rows: Rows) -> list[str]:
    """Return the file's lines: the header, then the rows, sorted, with sorted keys."""
    several: Iterable[tuple[str, Iterable[SoundRow | TextRow | ImageRow]]]
    several = zip(_KINDS_OF_ROWS, (rows.sounds, rows.texts, rows.images), strict=True)
    made = [
        {"row": kind, **{name: value for name, value in dataclasses.asdict(row).items() if value is not None}}
        for kind, own in several
        for row in own
    ]
    header = {"benchmark": rows.name, "version": rows.version, "rules": rows.rules}
    return [_dump(header), *sorted(map(_dump, made))]


def _dump(row: Mapping[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True)


def seen_of(benchmark: Rows, texts: Iterable[str], concepts: Iterable[str]) -> SeenTexts:
    """Return what a training saw of a benchmark.

    Args:
        benchmark: All rows of the frozen benchmark.
        texts: Every text that the text side was trained on, in whatever language; others than the benchmark's
            are passed over. Empty for a frozen text side.
        concepts: Benchmark concepts that a caption of the audio training names.

    Raises:
        CheckpointError: A concept is not the benchmark's.
    """
    known = {row.concept for row in benchmark.sounds}
    named = frozenset(concepts)
    if unknown := sorted(named - known):
        raise CheckpointError(f"{len(unknown)} concepts are not of {benchmark.name}, first {unknown[0]!r:.80}")
    hashes = {text_hash(text) for text in texts}
    return SeenTexts(benchmark.hash, named, frozenset(hashes & {row.sha256_16 for row in benchmark.texts}))
