"""A dataset of the Hugging Face Hub as a gallery: ``hf://datasets/OWNER/NAME[@REVISION]``, in the audiofolder layout.

The layout is that of ``datasets``: sounds, and beside them ``metadata.csv`` or ``metadata.jsonl`` with ``file_name``
and texts, at the root or in the folder of each split; without a table, folders named after what sounds. A dataset is
fetched whole at one commit into the cache; with a commit as its revision it is asked for once and then searched without
a network.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cacara import sources
from cacara.errors import GalleryError
from cacara.galleries import captions, gallery, places
from cacara.galleries.manifest import Clip
from cacara.media.formats import PICTURES, SOUNDS
from cacara.sources.clients import Progress, Report, silent
from cacara_files import atomic

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

MAX_MEGABYTES = 20_000
_PLACE = re.compile(rf"{re.escape(places.HUB)}(?P<repository>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FACTS = ".cacara.json"
_SPLITS = {"train", "test", "validation", "valid", "dev", "data", "audio"}
"""Folders of the layout that are named after no sound."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset at one commit, on this machine.

    Attributes:
        repository: ``OWNER/NAME``.
        commit: The commit's hash, 40 hex digits.
        licence: Its licence, as its card says.
        folder: Folder of its files.
    """

    repository: str
    commit: str
    licence: str
    folder: Path


def load(place: str, report: Report = silent) -> gallery.Gallery:
    """Return the gallery of a dataset, fetching it when it is not there.

    Args:
        place: ``hf://datasets/OWNER/NAME[@REVISION]``; without a revision the newest commit.
        report: Told of the progress.

    Raises:
        GalleryError: The place is malformed, the dataset cannot be had, or it holds no sounds.
    """
    match = _PLACE.fullmatch(place)
    if match is None:
        raise GalleryError(f"the gallery is {place!r:.100}; wanted {places.HUB}OWNER/NAME or …@REVISION")
    dataset = fetch(match["repository"], match["revision"], report)
    found = [_load_part(dataset, folder) for folder in _parts(dataset.folder)]
    pinned = f"{dataset.repository} at {dataset.commit[:12]}, licence {dataset.licence}"
    if match["revision"] != dataset.commit:
        pinned += f"; {places.HUB}{dataset.repository}@{dataset.commit} is always these sounds"
    return gallery.Gallery(
        dataset.repository,
        tuple(clip for part in found for clip in part.clips),
        "; ".join([pinned, *(part.notice for part in found if part.notice)]),
        tuple(picture for part in found for picture in part.pictures),
        tuple(line for part in found for line in part.reading),
    )


def fetch(repository: str, revision: str | None, report: Report = silent) -> Dataset:
    """Return a dataset's files at one commit.

    Args:
        repository: ``OWNER/NAME``.
        revision: A branch, tag or commit; None for the newest commit.
        report: Told of the progress.

    Raises:
        GalleryError: It cannot be had, or is too large.
    """
    if revision and _COMMIT.fullmatch(revision) and (there := _stored(repository, revision)):
        return there
    import httpx
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        info = HfApi().dataset_info(repository, revision=revision, files_metadata=True)
        commit = info.sha or ""
        if there := _stored(repository, commit):
            return there
        wanted = _wanted(info)
        folder = _folder(repository, commit)
        report(Progress(repository, "download", None))
        snapshot_download(repository, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=wanted)
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx.HTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise GalleryError(f"the dataset {repository} cannot be had from the hub: {reason}") from error
    facts = {"repository": repository, "commit": commit, "licence": _licence(info)}
    atomic.write_text(folder / _FACTS, json.dumps(facts) + "\n")  # last: a fetch that was killed has none
    return Dataset(folder=folder, **facts)


def _wanted(info: DatasetInfo) -> list[str]:
    """Return the names of the sounds, pictures and tables of a dataset."""
    tables = {*captions.CAPTION_FILES}
    wanted = {
        file.rfilename: file.size or 0
        for file in info.siblings or ()
        if Path(file.rfilename).suffix.lower() in {*SOUNDS, *PICTURES} or Path(file.rfilename).name in tables
    }
    if not any(Path(name).suffix.lower() in SOUNDS for name in wanted):
        raise GalleryError(
            f"{info.id} holds no sound files; wanted the audiofolder layout: sounds beside metadata.csv or .jsonl"
        )
    if (megabytes := sum(wanted.values()) / 1e6) > MAX_MEGABYTES:
        raise GalleryError(f"{info.id} has {megabytes:,.0f} MB of sounds; wanted at most {MAX_MEGABYTES:,}")
    return list(wanted)


def _licence(info: DatasetInfo) -> str:
    stated = info.card_data.get("license") if info.card_data else None
    names = [stated] if isinstance(stated, str) else list(stated or ())
    return ", ".join(str(name).upper() if str(name).startswith("cc") else str(name) for name in names) or "not stated"


def _folder(repository: str, commit: str) -> Path:
    return sources.cache_folder() / "hub" / f"{repository.replace('/', '--')}-{commit}"


def _stored(repository: str, commit: str) -> Dataset | None:
    folder = _folder(repository, commit)
    try:
        return Dataset(folder=folder, **json.loads((folder / _FACTS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s is unreadable and fetched again: %s", folder, error)
        return None


def _parts(folder: Path) -> Iterator[Path]:
    """Yield the folders that are read each by itself: the root, or those below it that have tables of their own."""
    tables = sorted({path.parent for path in folder.rglob("*") if path.name in captions.CAPTION_FILES})
    if folder in tables or not tables:
        yield folder
    else:
        yield from tables


def _load_part(dataset: Dataset, folder: Path) -> gallery.Gallery:
    part = gallery.load_folder(folder)
    below = folder.relative_to(dataset.folder).as_posix()
    prefix = "" if below == "." else f"{below}/"

    described = any((folder / name).is_file() for name in captions.CAPTION_FILES)

    def ours(clip: Clip) -> Clip:
        kind, name = (gallery.PICTURE, clip.clip_id.removeprefix(gallery.PICTURE)) if clip.kind == "image" else ("", "")
        label = "" if described else clip.path.parent.relative_to(folder).name
        said = {} if label.lower() in {"", *_SPLITS} else {"captions": {"en": (label.replace("_", " "),)}}
        return dataclasses.replace(
            clip,
            clip_id=f"{kind}{prefix}{name or clip.clip_id}",
            concept=clip.concept or (label.replace("_", " ") if said else None),
            **said,  # type: ignore[arg-type]
            source=dataset.repository,
            licence=dataset.licence,
            author=dataset.repository.partition("/")[0],
        )

    return dataclasses.replace(
        part, clips=tuple(map(ours, part.clips)), pictures=tuple(ours(picture) for picture in part.pictures)
    )
