"""Every kind of file that is read here, in one table: by its ending in folders, by its content elsewhere.

The page, the commands, galleries, messages and the choice of files in a browser all say what stands here. FFmpeg's
demuxers that open other files (hls, concat, sdp) or take any bytes for sound are left out.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: Common name.
        suffixes: Endings of its files, in lower case; the first is the usual one.
        kind: ``sound``, ``film`` (which is read as sound too, where it has some) or ``picture``.
        reader: FFmpeg's name of the demuxer, or Pillow's of the format.
        mark: A pattern in the first 64 bytes, where one reader reads several kinds; the first row that fits counts.
        playable: The codecs that current browsers play in it, by FFmpeg's names of the decoders; nothing where they do
            not play it at all.
        media_type: Media type for a browser.
        visitors: Whether strangers may send it; else it is read from one's own folders alone.
    """

    name: str
    suffixes: tuple[str, ...]
    kind: Literal["sound", "film", "picture"]
    reader: str
    mark: bytes = b""
    playable: tuple[str, ...] = ()
    media_type: str = ""
    visitors: bool = True


_MP4 = ("aac", "mp3", "mp3float", "opus", "flac")
_PCM = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_alaw", "pcm_mulaw")

TABLE: tuple[Format, ...] = (
    Format("WAV", (".wav",), "sound", "wav", playable=_PCM, media_type="audio/wav"),
    Format("FLAC", (".flac",), "sound", "flac", playable=("flac",), media_type="audio/flac"),
    Format("MP3", (".mp3", ".mp2"), "sound", "mp3", playable=("mp3", "mp3float"), media_type="audio/mpeg"),
    Format(
        "Ogg", (".ogg", ".oga", ".opus"), "sound", "ogg", playable=("vorbis", "opus", "flac"), media_type="audio/ogg"
    ),
    Format("AAC", (".aac",), "sound", "aac", playable=("aac",), media_type="audio/aac"),
    Format("M4A", (".m4a",), "sound", "mov", rb"ftypM4", _MP4, "audio/mp4"),
    Format("AIFF", (".aif", ".aiff"), "sound", "aiff"),
    Format("AMR", (".amr",), "sound", "amr"),
    Format("WMA", (".wma",), "sound", "asf"),
    Format("WavPack", (".wv",), "sound", "wv"),
    Format("CAF", (".caf",), "sound", "caf"),
    Format("AU", (".au",), "sound", "au"),
    Format("Wave64", (".w64",), "sound", "w64"),
    Format("MP4", (".mp4", ".m4v", ".3gp"), "film", "mov", rb"ftyp(?!qt)", _MP4, "audio/mp4"),
    Format("MOV", (".mov",), "film", "mov"),
    Format("WebM", (".webm",), "film", "matroska", rb"webm", ("vorbis", "opus"), "audio/webm"),
    Format("MKV", (".mkv",), "film", "matroska"),
    Format("MKA", (".mka",), "sound", "matroska"),
    Format("AVI", (".avi",), "film", "avi"),
    Format("MPEG", (".mpg", ".mpeg"), "film", "mpeg"),
    Format("AVCHD", (".mts", ".m2ts"), "film", "mpegts"),
    Format("OGV", (".ogv",), "film", "ogg"),
    Format("FLV", (".flv",), "film", "flv"),
    Format("WMV", (".wmv",), "film", "asf"),
    Format("PNG", (".png",), "picture", "PNG", media_type="image/png"),
    Format("JPEG", (".jpg", ".jpeg"), "picture", "JPEG", media_type="image/jpeg"),
    Format("WebP", (".webp",), "picture", "WEBP", media_type="image/webp"),
    Format("GIF", (".gif",), "picture", "GIF", media_type="image/gif"),
    Format("SVG", (".svg",), "picture", "", media_type="image/svg+xml", visitors=False),
)

SOUND_CODECS = (
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,gsm_ms,aac,ac3,alac,amrnb,"
    "amrwb,eac3,flac,mp2,mp2float,mp3,mp3float,opus,speex,vorbis,wavpack,wmapro,wmav1,wmav2"
)
"""FFmpeg's decoders of sound that are used."""

FILM_CODECS = "h264,hevc,vp8,vp9,av1,libdav1d,mpeg4,mpeg2video,mpeg1video,mjpeg,theora,msmpeg4v3,wmv2,h263"
"""FFmpeg's decoders of moving pictures that are used."""

PLAYABLE_RATES_HZ = (3_000, 192_000)
"""Sample rates that browsers decode; bat recorders exceed them."""


def suffixes(*kinds: str) -> tuple[str, ...]:
    """Return the endings of some kinds of files, each once, in the table's order."""
    return tuple(dict.fromkeys(suffix for row in TABLE if row.kind in kinds for suffix in row.suffixes))


def readers(*kinds: str) -> tuple[str, ...]:
    """Return FFmpeg's or Pillow's names for some kinds of files, each once, in the table's order."""
    return tuple(dict.fromkeys(row.reader for row in TABLE if row.kind in kinds and row.visitors))


def names(*kinds: str) -> str:
    """Return what some kinds of files are called, as a list in English: those that strangers may send."""
    *most, last = dict.fromkeys(row.name for row in TABLE if row.kind in kinds and row.visitors)
    return f"{', '.join(most)} or {last}"


def accept(*kinds: str) -> str:
    """Return what a browser's choice of files offers, as ``accept=`` takes it.

    Types alone hide files whose type the system does not know (AMR, MTS), endings alone those of phones without any.
    """
    types = {"sound": "audio/*", "film": "video/*", "picture": "image/*"}
    return ",".join([*(types[kind] for kind in kinds), *suffixes(*kinds)])


def row_of(reader: str, head: bytes) -> Format | None:
    """Return the row of a file, or None.

    Args:
        reader: FFmpeg's name of its demuxer, which may be several, with commas between.
        head: Its first 64 bytes.
    """
    fitting = (row for row in TABLE if row.reader in reader.split(",") and re.search(row.mark, head[:64]))
    return next(fitting, None)


SOUNDS = suffixes("sound", "film")
"""Endings of what is read as sound."""

FILMS = suffixes("film")
"""Endings of what is read as moving pictures."""

PICTURES = suffixes("picture")
"""Endings of pictures."""

WANTED_SOUND = f"wanted a sound file: {names('sound', 'film')}"
WANTED_FILM = f"wanted a short video: {names('film')}"
WANTED_PICTURE = f"wanted a picture ({names('picture')})"
