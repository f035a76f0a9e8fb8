"""The frozen benchmark: sounds and the texts that ask for them, resolved and verified, and its rules.

The file's format is told in ``cacara.benchmark.benchmark_file``, where its texts stand in ``cacara.sources.texts``.

A concept belongs to one split, and has at least one sound and one English text there. Test texts are
Tux Paint's own strings only, and a language is in the test when it has at least ``MIN_TEST_TEXTS`` of
them. ``find_problems`` checks that, and that nothing stands twice.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from cacara import sources
from cacara.benchmark.benchmark_file import (
    KINDS,
    OWN,
    SPLITS,
    Rows,
    SoundRow,
    TextRow,
    file_hash,
    parse,
    read,
    rows_hash,
)
from cacara.errors import ManifestError
from cacara.search.gallery import SILENT_STAMPS
from cacara.search.manifest import Clip
from cacara.sources.texts import TEXT_READERS, content_folder, text_hash

TEST_TEXT_SOURCE = "tuxpaint"
MIN_TEST_TEXTS = 60
# (source, file stem): silent recordings, and two harbour clips that are lincity's, a training source
REFUSED_SOUNDS = frozenset(
    {("tuxpaint", stem) for stem in SILENT_STAMPS} | {("gcompris", stem) for stem in ("harbor1", "harbor2")}
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-[a-z0-9]{5,8})*")


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
        hash: ``benchmark_hash`` of the file; every report prints it.
        split: ``test`` or ``dev``.
        clips: The sounds; each has a concept, and its captions are the texts of that concept.
        queries: All texts, sorted by language and concept.
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


def load(path: Path, split: str, folders: Mapping[str, Path]) -> Benchmark:
    """Return ``split`` of a benchmark file, with every file and text found and verified.

    Args:
        path: The benchmark file.
        split: ``test`` or ``dev``.
        folders: Where each of ``required_sources`` lies, as ``cacara.sources.fetch`` returns it.

    Raises:
        ManifestError: The file is malformed, a source is not given, or sounds or texts are missing or
            differ from their hash (how many, and the first).
    """
    rows = read(path)
    chosen = rows.of_split(split)
    if absent := sorted(chosen.sources - set(folders)):
        raise ManifestError(f"{split} of {rows.name} needs the sources {', '.join(absent)}; fetch them first")
    queries = _resolve_texts(chosen.texts, folders)
    captions: dict[str, dict[str, tuple[str, ...]]] = {row.concept: {} for row in chosen.sounds}
    for query in queries:
        said = captions.setdefault(query.concept, {})
        said[query.language] = (*said.get(query.language, ()), query.text)
    clips = _resolve_sounds(chosen.sounds, folders, captions)
    return Benchmark(rows.name, rows_hash(rows), split, clips, queries)


def find_problems(path: Path) -> list[str]:
    """Return every breach of the benchmark's rules, as one line each; an empty list means sound."""
    rows, problems = parse(path)
    if rows is None:
        return problems
    problems += [f"{row.clip_id}: {fault}" for row in rows.sounds for fault in _faults_of_sound(row)]
    problems += [
        f"{row.concept}/{row.language} ({row.reference}): {fault}"
        for row in rows.texts
        for fault in _faults_of_text(row)
    ]
    problems += _repeated("clip_id", (row.clip_id for row in rows.sounds))
    problems += _repeated("sound with sha256", (row.sha256 for row in rows.sounds))
    problems += _repeated(
        "text of (split, concept, language, hash)",
        ((row.split, row.concept, row.language, row.sha256_16) for row in rows.texts),
    )
    return problems + _faults_of_concepts(rows) + _faults_of_test_languages(rows)


def _faults_of_sound(row: SoundRow) -> list[str]:
    faults = _faults_of_place(row.split, row.source, row.member)
    if (row.source, PurePosixPath(row.member).stem) in REFUSED_SOUNDS:
        faults.append("is on the list of refused sounds (silent, or of a training source)")
    if not re.fullmatch("[0-9a-f]{64}", row.sha256):
        faults.append(f"sha256 {row.sha256!r:.80} is not 64 hex digits")
    return faults


def _faults_of_text(row: TextRow) -> list[str]:
    faults = _faults_of_place(row.split, row.source, row.reference, (OWN, *TEXT_READERS))
    if not _LANGUAGE.fullmatch(row.language):
        faults.append(f"language {row.language!r} is not a BCP-47 code")
    if not re.fullmatch("[0-9a-f]{16}", row.sha256_16):
        faults.append(f"sha256_16 {row.sha256_16!r:.80} is not 16 hex digits")
    if (row.text is not None) != (row.source == OWN):
        faults.append(f"source {row.source!r}: the text itself stands in our own sentences, and only there")
    elif row.text is not None and text_hash(row.text) != row.sha256_16:
        faults.append(f"sha256_16 is {row.sha256_16}, the text's hash is {text_hash(row.text)}")
    if row.kind is not None and row.kind not in KINDS:
        faults.append(f"kind {row.kind!r}; wanted one of {', '.join(KINDS)}")
    if row.split == "test" and row.source != TEST_TEXT_SOURCE:
        faults.append(f"test text from {row.source!r}; wanted {TEST_TEXT_SOURCE!r} only")
    return faults


def _faults_of_place(split: str, source: str, place: str, known: Iterable[str] = sources.SOURCES) -> list[str]:
    faults = [] if split in SPLITS else [f"split {split!r}; wanted one of {SPLITS}"]
    if source not in known:
        faults.append(f"unknown source {source!r}; wanted one of {', '.join(sorted(known))}")
    if not place or place.startswith("/") or ".." in PurePosixPath(place).parts:
        faults.append(f"{place!r} is not a path inside the source")
    return faults


def _faults_of_concepts(rows: Rows) -> list[str]:
    test, dev = (
        {row.concept for row in part.sounds} | {row.concept for row in part.texts}
        for part in (rows.of_split("test"), rows.of_split("dev"))
    )
    sounding = {row.concept for row in rows.sounds}
    written = {row.concept for row in rows.texts}
    in_english = {row.concept for row in rows.texts if row.language == "en"}
    return [
        *(f"concept {name!r} is in both test and dev" for name in sorted(test & dev)),
        *(f"concept {name!r} has texts and no sound" for name in sorted(written - sounding)),
        *(f"concept {name!r} has sounds and no English text" for name in sorted(sounding - in_english)),
    ]


def _faults_of_test_languages(rows: Rows) -> list[str]:
    texts = Counter(row.language for row in rows.texts if row.split == "test")
    return [
        f"language {code!r} has {count} test texts; wanted {MIN_TEST_TEXTS} or more, or none"
        for code, count in sorted(texts.items())
        if count < MIN_TEST_TEXTS
    ]


def _repeated(what: str, keys: Iterable[object]) -> list[str]:
    return [f"{what} {key} occurs {count} times" for key, count in Counter(keys).items() if count > 1]


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
    return tuple(sorted(queries, key=lambda query: (query.language, query.concept, query.text)))


def _raise_if_any(faults: Sequence[str], total: int, what: str) -> None:
    if faults:
        raise ManifestError(
            f"{len(faults)} of {total} {what} of the benchmark are missing or differ, first {faults[0]}; "
            "wanted the pinned releases of cacara.sources (an installed package may be of another release)"
        )
