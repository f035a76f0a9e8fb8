"""ESC-50 (Piczak 2015): 2,000 clips of 50 classes in five folds; for measuring alone, its licence being CC BY-NC.

Two layouts are read: that of the source ``esc50``, ``esc50/audio/CLASS/ID.opus`` with ``esc50/labels.csv``, and a clone
of the original repository, ``audio/ID.wav`` with ``meta/esc50.csv``. An id is ``FOLD-RECORDING-TAKE-TARGET``.

Reference: K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cacara import sources
from cacara.errors import ManifestError
from cacara.lexicon.table import LexiconTable
from cacara.search import classification
from cacara.search.classification import Labels
from cacara.sources.clients import Report, silent

KEY = "esc50"
FOLDS = (1, 2, 3, 4, 5)
CLASSES = 50
AGREED = 3
"""Weight of a lexicon's sense that two sources give, or one that names things."""
_ID = re.compile(r"(?P<fold>[1-5])-(?P<recording>\d+)-(?P<take>[A-Z])-(?P<target>\d{1,2})")


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        clip_id: ``FOLD-RECORDING-TAKE-TARGET``.
        path: Its file.
        label: Its class, e.g. ``water_drops``.
        fold: 1 to 5; clips of one recording share a fold.
    """

    clip_id: str
    path: Path
    label: str
    fold: int


@dataclasses.dataclass(frozen=True)
class Esc50:
    """The benchmark.

    Attributes:
        clips: By id.
        classes: The labels of the clips, sorted.
        labels: The classes' names by language.
        files: What the clips' files are, for a report.
    """

    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    labels: Labels
    files: str

    @property
    def targets(self) -> NDArray[np.int64]:
        """The position in ``classes`` of each clip's class, int64 ``[clips]``."""
        position = {label: number for number, label in enumerate(self.classes)}
        return np.array([position[clip.label] for clip in self.clips])

    @property
    def folds(self) -> NDArray[np.int64]:
        """The fold of each clip, int64 ``[clips]``."""
        return np.array([clip.fold for clip in self.clips])

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any clip's id, class or file."""
        digest = hashlib.sha256()
        for clip in self.clips:
            with clip.path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{clip.clip_id} {clip.label} {content}\n".encode())
        return digest.hexdigest()[:12]


def is_clip(path: Path) -> bool:
    """Return whether a file is a clip of ESC-50, by its name or by the folder it was fetched into."""
    return _ID.fullmatch(path.stem) is not None or sources.holder_of(path) == KEY


def fetch(mirror: Path | None = None, report: Report = silent) -> Path:
    """Return the folder of the benchmark, fetched when it is missing.

    Args:
        mirror: A folder with ``esc50.tar``; None means the one that ``CACARA_MIRROR`` names.
        report: Called with every step of progress.

    Raises:
        SourceError: There is no mirror, or its archive is another.
    """
    return sources.fetch(KEY, report, mirror=mirror, measuring=True)


def load(folder: Path) -> Esc50:
    """Return the benchmark in a folder of either layout.

    Raises:
        ManifestError: The folder has neither layout, or not 50 classes with clips in all five folds.
    """
    if (folder / "esc50" / "labels.csv").is_file():
        root = folder / "esc50"
        labels = classification.read_labels(root / "labels.csv")
        clips = _clips(sorted((root / "audio").glob("*/*.opus")), {})
        files = "16 kHz mono, Opus at 48 kbit/s"
    elif (folder / "meta" / "esc50.csv").is_file():
        categories = _categories(folder / "meta" / "esc50.csv")
        labels = Labels({"en": {label: (label.replace("_", " "),) for label in sorted(set(categories.values()))}})
        clips = _clips(sorted((folder / "audio").glob("*.wav")), categories)
        files = "44.1 kHz WAV of the original repository"
    else:
        raise ManifestError(
            f"{folder} holds neither esc50/labels.csv nor meta/esc50.csv; wanted the unpacked archive esc50.tar or a "
            "clone of https://github.com/karolpiczak/ESC-50"
        )
    classes = tuple(sorted({clip.label for clip in clips}))
    folds = {clip.fold for clip in clips}
    if len(classes) != CLASSES or folds != set(FOLDS):
        raise ManifestError(
            f"{folder} holds {len(clips)} clips of {len(classes)} classes in {len(folds)} folds; "
            f"wanted {CLASSES} classes in {len(FOLDS)} folds"
        )
    return Esc50(clips, classes, naming_all(labels, classes), files)


def naming_all(labels: Labels, classes: Sequence[str]) -> Labels:
    """Return the languages of a table that name every class, restricted to those classes.

    It is what decides whether a language is measured with names that come from a lexicon.
    """
    return Labels(
        {
            code: {label: names[label] for label in classes}
            for code, names in labels.names.items()
            if all(label in names for label in classes)
        }
    )


def named_by_lexicon(labels: Labels, classes: Sequence[str], table: LexiconTable) -> Mapping[str, int]:
    """Return how many of the classes each language of a lexicon names by entries on which sources agree.

    Args:
        labels: The classes' names; the English ones are looked for among the senses.
        classes: The labels.
        table: The lexicon.
    """
    english = labels.names.get("en", {})
    naming = {label: {label.replace("_", " "), *english.get(label, ())} for label in classes}
    every = set().union(*naming.values())
    asked = np.array([sense in every for sense in table.vocabulary])
    entries, places = np.nonzero(asked[table.senses] & (table.weights >= AGREED))
    speaks: dict[str, set[int]] = {}
    for language, sense in zip(
        table.entry_languages[entries].tolist(), table.senses[entries, places].tolist(), strict=True
    ):
        speaks.setdefault(table.vocabulary[sense], set()).add(language)
    named = Counter(
        table.languages[language]
        for names in naming.values()
        for language in set().union(*(speaks.get(name, set()) for name in names))
    )
    return dict(sorted(named.items(), key=lambda row: (-row[1], row[0])))


def _clips(paths: Sequence[Path], categories: dict[str, str]) -> tuple[Clip, ...]:
    clips = []
    for path in paths:
        if found := _ID.fullmatch(path.stem):
            label = categories.get(path.name, path.parent.name)
            clips.append(Clip(path.stem, path, label, int(found["fold"])))
    return tuple(sorted(clips, key=lambda clip: clip.clip_id))


def _categories(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["filename"]: row["category"] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise ManifestError(f"cannot read {path}: {error!r}; wanted CSV with filename and category") from error
