"""Any sound file to a capped mono waveform, and a waveform checked, drawn or stored.

`decoding` decodes; this module opens the file, chooses where to decode it, and names it in errors.
"""

from __future__ import annotations

import math
import os
import stat
import wave
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError
from cacara.media import containers, decoding, isolation
from cacara.media.decoding import SAMPLE_RATE_HZ, AudioLimits, Recording
from cacara.media.formats import WANTED_SOUND
from cacara.media.notes import Note
from cacara_files import atomic

__all__ = [
    "GALLERY_LIMITS",
    "QUERY_LIMITS",
    "SAMPLE_RATE_HZ",
    "SILENCE_DBFS",
    "AudioLimits",
    "Recording",
    "check_audible",
    "load",
    "open_file",
    "peaks",
    "search_notes",
    "write_wav",
]

QUERY_LIMITS = AudioLimits(isolated=True)  # files that users send
# Files of packages and of one's own folders, which a busy machine must not leave out for being slow.
GALLERY_LIMITS = AudioLimits(max_decode_seconds=120.0)
SILENCE_DBFS = -60.0


def load(path: str | os.PathLike[str], limits: AudioLimits = QUERY_LIMITS) -> Recording:
    """Return the sound of a file: the mean of its channels at SAMPLE_RATE_HZ.

    The same bytes give a bit-identical waveform. One that peaks above 1 (float files, lossy codecs) is scaled
    to a peak of 1: clipping would add harmonics that nobody recorded, and loudness carries no meaning here.
    The format is found in the content; the name plays no part. Silence is allowed: see ``check_audible``.

    Args:
        path: A file of any common sound or video format.
        limits: Bounds of size and time.

    Raises:
        AudioError: The file is missing, unreadable, too large, too short, damaged, no sound, or holds samples
            that are not finite. The text names the file without its folder.
    """
    path = Path(path)
    decode = isolation.decode if limits.isolated else decoding.decode
    try:
        with open_file(path, limits.max_bytes) as file:
            return decode(file, limits)
    except AudioError as error:
        name = _shown(path.name) or "this path"
        raise AudioError(f"{name}: {error}") from error


def search_notes(path: Path) -> list[Note]:
    """Return what a user should know of a sound that is found: that only its beginning is searched.

    Args:
        path: A file of a gallery; nothing is said of one that cannot be read.
    """
    try:
        longer = containers.read_header(path).seconds > GALLERY_LIMITS.max_seconds + 0.5
    except AudioError:
        return []
    return [Note("searched", seconds=f"{GALLERY_LIMITS.max_seconds:g}")] if longer else []


def _shown(name: str) -> str:
    try:
        return os.fsencode(name).decode("utf-8", "replace")
    except UnicodeEncodeError:  # no file system has such a name
        return ""


def check_audible(waveform: npt.NDArray[np.float32]) -> None:
    """Return if a waveform can be heard; a constant offset is not heard.

    Args:
        waveform: float32 [samples] in [-1, 1].

    Raises:
        AudioError: The peak lies below SILENCE_DBFS; the text gives the measured level.
    """
    peak = float(np.abs(waveform - waveform.mean()).max()) if waveform.size else 0.0
    level = 20 * math.log10(peak) if peak else -math.inf
    if not level >= SILENCE_DBFS:  # so put, NaN is refused too
        measured = "digital silence" if level == -math.inf else f"{level:.0f} dBFS"
        raise AudioError(
            f"the sound is silent: its loudest moment is {measured}, wanted {SILENCE_DBFS:.0f} dBFS or more; "
            "check the microphone and record again"
        )


def peaks(waveform: npt.NDArray[np.float32], bins: int = 400) -> npt.NDArray[np.float32]:
    """Return float32 [bins, 2] in [-1, 1]: the lowest and highest sample of each of ``bins`` stretches.

    A waveform with fewer samples than bins repeats samples; an empty one gives zeros.

    Args:
        waveform: float32 [samples]; what lies outside [-1, 1] is clipped.
        bins: Number of stretches, at least 1.
    """
    if not waveform.size:
        return np.zeros((bins, 2), np.float32)
    starts = np.arange(bins) * waveform.size // bins
    extremes = [np.minimum.reduceat(waveform, starts), np.maximum.reduceat(waveform, starts)]
    return np.clip(np.stack(extremes, axis=1), -1, 1).astype(np.float32)


def write_wav(path: Path, waveform: npt.NDArray[np.float32]) -> None:
    """Write a waveform as 16-bit PCM, whole or not at all.

    Args:
        path: The file to make or replace.
        waveform: float32 [samples], finite, mono at SAMPLE_RATE_HZ; what lies outside [-1, 1] is clipped.

    Raises:
        AudioError: The waveform is not one row of finite samples, or the file cannot be written.
    """
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise AudioError(f"{path.name}: a waveform of shape {waveform.shape}; wanted one row of finite samples")
    samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")
    try:
        with atomic.replacing(path) as partial, partial.open("wb") as file, wave.open(file, "wb") as writer:
            writer.setparams((1, 2, SAMPLE_RATE_HZ, samples.size, "NONE", ""))
            writer.writeframes(samples.tobytes())
    except OSError as error:
        raise AudioError(f"{path.name}: cannot be written: {error.strerror}; check its folder") from error


def open_file(path: Path, max_bytes: int) -> BinaryIO:
    """Return a file, open and unbuffered, after the checks that need no decoding.

    Raises:
        AudioError: It is missing, no regular file, empty, or larger than ``max_bytes``; the text does not name it.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioError(f"this is a folder; {WANTED_SOUND}")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for a writer, reading a device would never end
            raise AudioError(f"this is a pipe or a device; {WANTED_SOUND}")
        file = path.open("rb", buffering=0)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path may hold such a character"
        raise AudioError(f"the file cannot be opened: {reason}; {WANTED_SOUND} that may be read") from error
    size = os.fstat(file.fileno()).st_size
    if 0 < size <= max_bytes:
        return file
    file.close()
    if not size:
        raise AudioError(f"the file is empty (0 bytes); {WANTED_SOUND}")
    raise AudioError(
        f"the file has {size / 2**20:.3g} MiB; wanted at most {max_bytes / 2**20:.3g}: send a shorter sound"
    )
