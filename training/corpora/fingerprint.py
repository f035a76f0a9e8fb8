"""Decoded sounds compared: which are unusable, and which are the same recording in two files."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import soundfile

from cacara.errors import AudioError

MIN_SECONDS = 0.1
MIN_LEVEL_DBFS = -66.0


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a decoded sound is like.

    Attributes:
        seconds: Its length.
        level_dbfs: Root mean square of the mono mix, in dB below full scale; -inf for digital silence.
        audio_hash: 64 hex digits, equal for the same samples whatever container, lossless format, gain
            or silence around them; different for different lossy encodings.
    """

    seconds: float
    level_dbfs: float
    audio_hash: str

    @property
    def usable(self) -> bool:
        """Whether it is long and loud enough to learn from."""
        return self.seconds >= MIN_SECONDS and self.level_dbfs >= MIN_LEVEL_DBFS


def measure(path: Path) -> Measurement:
    """Return the measurement of a sound file.

    Raises:
        AudioError: The file cannot be decoded.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{path} cannot be decoded: {error}") from error
    mono = samples.mean(axis=1)  # [frames]
    if not mono.size or not np.isfinite(mono).all():
        raise AudioError(f"{path} has {mono.size} frames, not all finite; wanted some, finite")
    peak = float(np.abs(mono).max())
    level = 20 * float(np.log10(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))) if peak else -np.inf
    # 7 bits of the peak-normalised signal: decoders' last-bit differences and a changed gain do not show.
    steps = np.round(mono * (63 / peak)).astype(np.int8) if peak else np.zeros(0, np.int8)
    sounding = np.flatnonzero(steps)
    steps = steps[sounding[0] : sounding[-1] + 1] if sounding.size else steps[:0]
    return Measurement(mono.size / rate, level, hashlib.sha256(steps.tobytes()).hexdigest())
