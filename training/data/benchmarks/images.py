"""Builds the frozen benchmark of pictures from Tux Paint's stamps: same package, same bytes.

Which stamps are left out, and which concept the others have, stands in ``corpora/rules/stamps.tsv`` and, for those
with a sound, in ``corpora/rules/test.tsv``. A stamp's concept decides its split: that of the benchmark of sounds where
the concept sounds there; the others are train or dev by a hash of the concept.
"""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cacara import sources
from cacara.benchmark.dataset import benchmark_file, splits
from cacara.benchmark.dataset import rules as benchmark_rules
from cacara.benchmark.dataset.benchmark_file import ImageRow, Rows
from cacara.errors import ManifestError
from cacara.media import images
from cacara.sources import texts as source_texts
from training.data.corpora import rules

NAME, VERSION = "images-v1", 1
SOURCE = "tuxpaint"
DEV_PERCENT = 22
SUFFIXES = (".png", ".svg")
LOOK_SIDE = 32
SAME_LOOK = 3.0
"""Mean difference of two pictures' small copies, in steps of 255, below which they are one picture."""

_AMOUNT = re.compile(
    r"^(?:pair|bunch|cluster|head|cup|string|couple|quarter|tube|model|baby) of (?:an? |the )?", re.IGNORECASE
)
_ARTICLE = re.compile(r"^(?:an?|the|some|two|our|another|eat your|say|big)\s+", re.IGNORECASE)
_AFTER_NOUN = re.compile(
    r"\s+(?:with|of|in|for|to|from|on|at|is|are|that|which|worn|playing|dancing|used|called|lets|and|means|inside"
    r"|covered|carry|carries|stands|making|can|as)\b.*",
    re.IGNORECASE,
)

log = logging.getLogger(__name__)


def build_from_sources(out_path: Path, sounds: Path) -> None:
    """Fetch the stamps and build the benchmark; see ``build``."""
    build(sources.fetch(SOURCE), out_path, sounds)


def build(folder: Path, out_path: Path, sounds: Path, tables: Path = rules.TABLES) -> Rows:
    """Write the benchmark of pictures and return its rows.

    Args:
        folder: Where the stamps were fetched to.
        out_path: The file to write.
        sounds: The benchmark of sounds.
        tables: The folder of the tables that choose.

    Raises:
        ManifestError: A table or the benchmark of sounds is malformed, one picture stands in two splits, or the
            result breaks a rule of the benchmark.
        ImageError: A picture cannot be read.
    """
    held = benchmark_file.read(sounds)
    split_of = {row.concept: row.split for row in held.sounds}
    root = source_texts.content_folder(SOURCE, folder)
    found: dict[str, ImageRow] = {}
    for row in _rows(root, split_of, tables):
        found.setdefault(row.sha256, row)  # a picture that lies there twice stands once
    rows = Rows(NAME, VERSION, _rules_told(), images=tuple(found.values()))
    problems = benchmark_rules.find_problems_of_pictures(rows, held) + shared_looks(rows.images, root)
    if problems:
        raise ManifestError(f"{out_path}: {len(problems)} problems, first: {problems[0]}")
    out_path.parent.mkdir(parents=True, exist_ok=True)
    benchmark_file.write(rows, out_path)
    log.info("%s: %d pictures, %s", out_path, len(rows.images), rows.hash)
    return rows


def concept_of(stamp: str, description: str, chosen: Sequence[tuple[str, str]]) -> str | None:
    """Return what a stamp shows, or None when it is left out.

    Args:
        stamp: Its path without suffix.
        description: Its English text.
        chosen: (pattern, concept or ``LEFT_OUT``); the first that matches decides, else the description's noun.
    """
    for pattern, concept in chosen:
        if fnmatch.fnmatchcase(stamp, pattern):
            return None if concept == rules.LEFT_OUT else concept
    return noun_of(description)


def noun_of(description: str) -> str | None:
    """Return the noun of a description, in the form it stands there, lower case; None when there is none.

    >>> noun_of("A pair of blue jeans with patches.")
    'jeans'
    """
    sentence = re.split(r"\(|[.!?;,—–:]", re.sub(r"[“”\"]", "", description.strip()))[0].strip(" '’")
    phrase = _AFTER_NOUN.sub("", _AMOUNT.sub("", _ARTICLE.sub("", sentence)))
    words = phrase.lower().split()
    return words[-1] if words else None


def shared_looks(rows: Sequence[ImageRow], root: Path) -> list[str]:
    """Return a line for every two pictures of different splits that look the same.

    Raises:
        ImageError: A picture cannot be read.
    """
    small = np.stack([_look(root / row.member) for row in rows])
    problems = []
    for position, row in enumerate(rows):
        others = np.abs(small[position + 1 :] - small[position]).mean(axis=1)
        for offset in np.flatnonzero(others < SAME_LOOK).tolist():
            other = rows[position + 1 + offset]
            if other.split != row.split:
                problems.append(f"{row.image_id} ({row.split}) looks like {other.image_id} ({other.split})")
    return problems


def _look(path: Path) -> np.ndarray:
    picture = Image.fromarray(images.load(path, images.GALLERY_LIMITS))
    return np.asarray(picture.resize((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BOX), dtype=np.float32).ravel()


def _rows(root: Path, split_of: Mapping[str, str], tables: Path) -> Iterator[ImageRow]:
    stamps = [(cells[0], cells[1]) for _, cells in rules.read_table(tables / "stamps.tsv", columns=3)]
    sounding = [
        (cells[0], cells[1])
        for _, cells in rules.read_table(tables / "test.tsv", columns=3)
        if cells[1] != rules.LEFT_OUT  # for its sound; its picture may be good
    ]
    for texts in sorted(root.rglob("*.txt")):
        stamp = texts.relative_to(root).with_suffix("").as_posix()
        picture = next((file for suffix in SUFFIXES if (file := texts.with_suffix(suffix)).is_file()), None)
        description = source_texts.read_stamp_texts(texts).get("en", "")
        concept = concept_of(stamp, description, [*sounding, *stamps])
        if picture is None or concept is None:
            continue
        yield ImageRow(
            split=split_of.get(concept) or _drawn_split(concept),
            concept=concept,
            image_id=f"{SOURCE}/{stamp}",
            source=SOURCE,
            member=picture.relative_to(root).as_posix(),
            sha256=benchmark_file.file_hash(picture),
            texts=texts.relative_to(root).as_posix(),
            texts_sha256=benchmark_file.file_hash(texts),
        )


def _drawn_split(concept: str) -> str:
    drawn = int(hashlib.sha256(concept.encode()).hexdigest()[:8], 16) % 100
    return "dev" if drawn < DEV_PERCENT else "train"


def _rules_told() -> dict[str, object]:
    """Return how the benchmark was chosen, for its header."""
    return {
        "images": "Tux Paint's stamps whose English text names what is to be seen; letters, signs and coins left out",
        "test": "every stamp of a concept with a test sound of sounds-v1",
        "dev": f"every stamp of a concept with a dev sound, and {DEV_PERCENT} % of the other concepts by hash",
        "train": "the other stamps",
        "texts": f"Tux Paint's own strings; languages with {splits.MIN_IMAGE_TEXTS} or more in a split, without "
        "varieties of English, which repeat it",
    }
