"""Rules of the frozen benchmarks over all their rows, as lists of breaches.

Sounds: a concept belongs to one split, and has at least one sound and one English text there. Test texts are Tux
Paint's own strings only, and a language is in the test when it has at least ``MIN_TEST_TEXTS`` of them. Pictures: a
concept belongs to one split, that of the sound benchmark where it has a sound there, so that whatever is found by a
test sound is a test picture. Nothing stands twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cacara import sources
from cacara.benchmark.dataset.benchmark_file import KINDS, OWN, SPLITS, ImageRow, Rows, SoundRow, TextRow, parse
from cacara.galleries.gallery import SILENT_STAMPS
from cacara.sources.texts import TEXT_READERS, text_hash

SOUND_SPLITS = ("test", "dev")
TEST_TEXT_SOURCE = "tuxpaint"
MIN_TEST_TEXTS = 60
# (source, file stem): silent recordings, and two harbour clips that are lincity's, a training source
REFUSED_SOUNDS = frozenset(
    {("tuxpaint", stem) for stem in SILENT_STAMPS} | {("gcompris", stem) for stem in ("harbor1", "harbor2")}
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-[a-z0-9]{5,8})*")


def find_problems(path: Path) -> list[str]:
    """Return every breach of the rules for sounds, as one line each; an empty list means sound."""
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
    faults = [] if split in SOUND_SPLITS else [f"split {split!r}; wanted one of {SOUND_SPLITS}"]
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


def find_problems_of_pictures(rows: Rows, sounds: Rows) -> list[str]:
    """Return every breach of the rules for pictures, as one line each; an empty list means sound.

    Args:
        rows: The pictures.
        sounds: The benchmark of sounds, which decides the split of the concepts that sound.
    """
    problems = [f"{row.image_id}: {fault}" for row in rows.images for fault in _faults_of_image(row)]
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


def _faults_of_image(row: ImageRow) -> list[str]:
    faults = [] if row.split in SPLITS else [f"split {row.split!r}; wanted one of {SPLITS}"]
    if row.source not in sources.SOURCES:
        faults.append(f"unknown source {row.source!r}")
    for place in (row.member, row.texts):
        if place.startswith("/") or ".." in PurePosixPath(place).parts:
            faults.append(f"{place!r} is not a path inside the source")
    if wrong := [value for value in (row.sha256, row.texts_sha256) if not re.fullmatch("[0-9a-f]{64}", value)]:
        faults.append(f"sha256 {wrong[0]!r:.80} is not 64 hex digits")
    return faults
