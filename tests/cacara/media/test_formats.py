"""The one table of what is read: each ending is accepted everywhere, and the decoder reads what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_files import encode, encoded_tone, tone
from PIL import Image

from cacara.commands import classify
from cacara.errors import AudioError, GalleryError
from cacara.galleries import gallery
from cacara.media import audio, containers, formats, images, streaming, video
from cacara.search import bulk_embedding
from ui.page.wording import wording
from ui.recordings import rendering
from ui.services.recordings import Recordings

ENCODED = {  # ending: FFmpeg's container, encoder, rate
    ".mp3": ("mp3", "mp3", 44100),
    ".mp2": ("mp2", "mp2", 44100),
    ".oga": ("oga", "libopus", 48000),
    ".opus": ("ogg", "libopus", 48000),
    ".aac": ("adts", "aac", 44100),
    ".m4a": ("ipod", "aac", 44100),
    ".amr": ("amr", "libopencore_amrnb", 8000),
    ".wma": ("asf", "mp2", 44100),  # PyAV opens no encoder of Windows Media
    ".wv": ("wv", "wavpack", 44100),
    ".mp4": ("mp4", "aac", 44100),
    ".m4v": ("mp4", "aac", 44100),
    ".3gp": ("3gp", "libopencore_amrnb", 8000),
    ".mov": ("mov", "pcm_s16le", 44100),
    ".webm": ("webm", "libopus", 48000),
    ".mkv": ("matroska", "ac3", 48000),
    ".mka": ("matroska", "flac", 44100),
    ".avi": ("avi", "mp2", 44100),
    ".mpg": ("mpeg", "mp2", 44100),
    ".mpeg": ("mpeg", "mp2", 44100),
    ".mts": ("mpegts", "ac3", 48000),
    ".m2ts": ("mpegts", "ac3", 48000),
    ".ogv": ("ogg", "libopus", 48000),
    ".flv": ("flv", "aac", 44100),
    ".wmv": ("asf", "mp2", 44100),
}
PLAIN = {".wav": "tone.wav", ".flac": "tone.flac", ".ogg": "tone.ogg", ".aif": "tone.aiff", ".aiff": "tone.aiff"} | {
    f".{name}": f"tone.{name}" for name in ("caf", "au", "w64")
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A file of two seconds of tone of every ending in the table."""
    folder = tmp_path_factory.mktemp("formats")
    for suffix in formats.SOUNDS:
        if suffix in PLAIN:
            content = encoded_tone(PLAIN[suffix])
        else:
            container, codec, rate_hz = ENCODED[suffix]
            film = suffix in (".avi", ".mpg", ".mts", ".mp4")
            content = encode(container, codec, rate_hz, tone(2, rate_hz), film=film)
        (folder / f"tone{suffix}").write_bytes(content)
    return folder


@pytest.mark.parametrize("suffix", formats.SOUNDS)
def test_the_decoder_reads_what_the_table_promises(folder, suffix):
    recording = audio.load(folder / f"tone{suffix}", audio.GALLERY_LIMITS)
    assert recording.seconds == pytest.approx(2, abs=0.1)
    middle = recording.waveform[8000:24000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.35, rel=0.2)


def test_every_place_accepts_the_same_endings(folder):
    found = {Path(clip.clip_id).suffix for clip in gallery.load_folder(folder).clips}
    in_recordings = {Path(name).suffix for name in Recordings(folder).local_files()}
    in_bulk = {Path(name).suffix for name, _ in bulk_embedding._sounds(folder)}
    classified = {Path(name).suffix for name in classify._files(folder)}
    assert found == in_recordings == in_bulk == classified == set(formats.SOUNDS)
    accepted = rendering.source([], 700, wording("en")).partition('accept="')[2].partition('"')[0].split(",")
    assert accepted == ["audio/*", "video/*", *formats.SOUNDS]
    assert {".amr", ".3gp", ".mov", ".mkv", ".wv", ".mp2", ".mpg", ".avi", ".mts"} <= found


def test_errors_name_what_the_table_names(tmp_path):
    (tmp_path / "notes.txt").write_text("no sound", encoding="utf-8")
    with pytest.raises(GalleryError, match=r"\.wav, .*\.amr, .*\.mts"):
        gallery.load_folder(tmp_path)
    with pytest.raises(AudioError, match="WAV, FLAC, MP3, .* AVI, MPEG, AVCHD"):
        audio.load(tmp_path / "notes.txt")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".mpg", ".mts"])
def test_films_of_the_table_are_read_for_their_pictures(tmp_path, suffix):
    container, codec, rate_hz = ENCODED[suffix]
    path = tmp_path / f"film{suffix}"
    path.write_bytes(encode(container, codec, rate_hz, tone(1, rate_hz), film=True))
    assert suffix in formats.FILMS and video.frames(path)[0].shape == (48, 64, 3)


@pytest.mark.parametrize("suffix", formats.PICTURES)
def test_pictures_of_the_table_are_read(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    if suffix == ".svg":
        path.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
        )
    else:
        Image.new("RGB", (20, 20), "red").save(path)
    assert images.load(path, images.GALLERY_LIMITS).ndim == 3


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("tone.wav", "audio/wav"),
        ("float.wav", "audio/wav"),
        ("alaw.wav", "audio/wav"),
        ("double.wav", ""),
        ("adpcm.wav", ""),
        ("tone.mp3", "audio/mpeg"),
        ("tone.flac", "audio/flac"),
        ("tone.ogg", "audio/ogg"),
        ("tone.m4a", "audio/mp4"),
        ("alac.m4a", ""),
        ("tone.mov", ""),
        ("tone.webm", "audio/webm"),
        ("tone.mkv", ""),
        ("tone.aiff", ""),
        ("tone.amr", ""),
    ],
)
def test_what_a_browser_plays_is_known_by_the_codec_not_by_the_ending(tmp_path, name, media_type):
    path = tmp_path / "sound.mp3"  # wrong for most
    path.write_bytes(encoded_tone(name))
    header = containers.read_header(path)
    assert header.media_type == media_type and header.seconds == pytest.approx(2, abs=0.1)


def test_mp2_and_the_rates_of_bat_recorders_are_not_played_as_they_are(tmp_path):
    for content in (encode("mp2", "mp2", 44100, tone(1, 44100)), encode("wav", "pcm_s16le", 384_000, tone(1, 384_000))):
        (tmp_path / "sound.wav").write_bytes(content)
        assert containers.read_header(tmp_path / "sound.wav").media_type == ""


def test_a_film_in_recordings_is_read_in_blocks(folder):
    for suffix in (".mpg", ".avi", ".mts"):
        assert sum(map(len, streaming.blocks(folder / f"tone{suffix}"))) == pytest.approx(32_000, abs=1600)


def test_the_table_is_read_without_the_decoder():
    code = "import sys, cacara.media.formats; assert 'av' not in sys.modules and 'numpy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
