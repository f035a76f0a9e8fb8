"""The table of the default gallery: which sounds of the packages of set-up are in it, what they are, and whose.

``python -m training gallery`` writes the table from the packages; the sounds themselves are fetched. Tux Paint's and
those of ovos are not in it: their texts stand in their packages, see ``cacara.galleries.gallery``.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import logging
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from cacara import sources
from cacara.errors import GalleryError, SourceError
from cacara.galleries.manifest import Clip
from cacara.sources import texts as source_texts
from cacara.sources.clients import Report, silent
from cacara_files import atomic

TABLE = Path(__file__).parent / "default_gallery.tsv"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TableRow:
    """One sound.

    Attributes:
        source: The key of its package in ``cacara.sources``.
        path: Its file below the package's content, with ``/``.
        sha256: Hash of the file, hex.
        split: As of ``Clip``.
        kind: ``effect`` or ``music``.
        concept: An English noun of what sounds.
        caption: What sounds, in English.
        licence: Its licence, as its package states it.
        author: Who made it, or who its package names; may be empty.
    """

    source: str
    path: str
    sha256: str
    split: str
    kind: str
    concept: str
    caption: str
    licence: str
    author: str

    def clip(self, content: Path, root: str) -> Clip:
        """Return the sound, whose id is its package and its place in it, without the ending.

        Args:
            content: The package's content folder.
            root: The folder below it that holds all sounds of the package, and is no part of the id.
        """
        place = PurePosixPath(self.path).relative_to(root)
        return Clip(
            clip_id=f"{self.source}/{place.with_name(place.stem)}",
            path=content / self.path,
            sha256=self.sha256,
            captions={"en": (self.caption,)},
            concept=self.concept,
            source=self.source,
            licence=self.licence,
            kind=self.kind,
            author=self.author or None,
            split=self.split,
        )


@functools.cache
def rows() -> tuple[TableRow, ...]:
    """Return the table.

    Raises:
        GalleryError: It is malformed.
    """
    fields = [field.name for field in dataclasses.fields(TableRow)]
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, dialect="excel-tab")
        if reader.fieldnames != fields:
            raise GalleryError(f"{TABLE.name} has the columns {reader.fieldnames}; wanted {fields}")
        return tuple(TableRow(**row) for row in reader)


def write(table: Iterable[TableRow], path: Path) -> None:
    """Write a table."""
    fields = [field.name for field in dataclasses.fields(TableRow)]
    with atomic.replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields, dialect="excel-tab", lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in table)


def clips(missing: list[str], report: Report = silent) -> Iterator[Clip]:
    """Yield the table's sounds, package after package; those of a package that cannot be fetched are left out.

    Args:
        missing: Receives why, for each package that cannot be fetched.
        report: Told of the progress.
    """
    by_source: dict[str, list[TableRow]] = {}
    for row in rows():
        by_source.setdefault(row.source, []).append(row)
    for key, own in by_source.items():
        try:
            content = source_texts.content_folder(key, sources.fetch(key, report))
        except SourceError as error:
            log.warning("gallery without %s: %s", key, error)
            missing.append(str(error))
            continue
        root = posixpath.commonpath([posixpath.dirname(row.path) for row in own])
        for row in own:
            clip = row.clip(content, root)
            if clip.path.is_file():
                yield clip
            else:
                log.warning("left out of the gallery: no file %s in %s", row.path, key)


def splits() -> Mapping[str, str]:
    """Return the hash of each sound of the table → its split."""
    return {row.sha256: row.split for row in rows()}
