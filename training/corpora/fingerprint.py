"""Decoded sounds compared: which are unusable, and which are the same recording in two files."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from cacara import audio

MIN_LEVEL_DBFS = -66.0
# As a gallery's, but patient: a busy machine must not make a sound unusable.
LIMITS = audio.AudioLimits(max_decode_seconds=600.0)
_STEPS = 63  # 7 bits: a changed gain and the last bits of two decoders do not show


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a decoded sound is like, of a long one its first seconds.

    Attributes:
        seconds: Its length.
        level_dbfs: Root mean square, in dB below full scale; -inf for digital silence.
        audio_hash: 64 hex digits, equal for the same samples whatever container, lossless format, gain
            or silence around them; different for different lossy encodings.
    """

    seconds: float
    level_dbfs: float
    audio_hash: str

    @property
    def audible(self) -> bool:
        """Whether it is loud enough to learn from."""
        return self.level_dbfs >= MIN_LEVEL_DBFS


def measure(path: Path) -> Measurement:
    """Return the measurement of a sound file.

    Raises:
        AudioError: The file cannot be decoded, or is shorter than ``LIMITS`` wants.
    """
    recording = audio.load(path, LIMITS)
    waveform = recording.waveform
    peak = float(np.abs(waveform).max(initial=0.0))
    if not peak:
        return Measurement(recording.seconds, -np.inf, hashlib.sha256().hexdigest())
    level = 10 * float(np.log10(np.mean(np.square(waveform, dtype=np.float64))))
    steps = np.round(waveform * (_STEPS / peak)).astype(np.int8)
    sounding = np.flatnonzero(steps)
    steps = steps[sounding[0] : sounding[-1] + 1]
    return Measurement(recording.seconds, level, hashlib.sha256(steps.tobytes()).hexdigest())
