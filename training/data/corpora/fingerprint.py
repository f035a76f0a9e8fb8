"""Decoded sounds compared: which are unusable, and which are the same recording in two files.

Two ways to tell. ``Fingerprint.resembles`` compares whole sounds and finds other encodings of one. ``shared_seconds``
finds that one was cut out of the other, or both out of one recording: by bits that say, 50 times a second, in which of
33 bands the spectrum's slope rises (Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", 2002).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cacara.media import audio

MIN_LEVEL_DBFS = -66.0
# As a gallery's, but patient: a busy machine must not make a sound unusable.
LIMITS = audio.AudioLimits(max_decode_seconds=600.0)

# Over 22 packages, encodings of one recording agree to 0.984 and more, and of the 260,000 pairs of a
# benchmark's and another sound none but copies reaches 0.95.
COPY_SIMILARITY = 0.98
# Takes of one drum agree nearly as well; to drop one of two training clips they must be all but equal.
DUPLICATE_SIMILARITY = 0.995

MIN_LENGTH_RATIO = 0.9
# Of 25 sounds cut at random and encoded anew the bits differ from the original's by 0.12 to 0.37, in 22 by less than
# this; of the 60 closest stretches of other sounds by 0.43 and more.
MAX_BIT_ERRORS = 0.3
MIN_SHARED_SECONDS = 0.8

_WINDOW, _HOP, _STEPS, _BANDS = 512, 128, 32, 20
_MARK_WINDOW, _MARK_HOP, _MARK_BANDS = 2048, 320, 33
_MARK_HERTZ = (200.0, 3600.0)
_MARKS_PER_SECOND = audio.SAMPLE_RATE_HZ / _MARK_HOP
_FLOOR_DB = 60.0
_ONSET = 0.02  # share of the peak below which a beginning or end counts as silence


@dataclasses.dataclass(frozen=True, eq=False)
class Fingerprint:
    """Fingerprint of a decoded sound, of a long one of its first seconds.

    Attributes:
        level_dbfs: Root mean square, in dB below full scale; -inf for digital silence.
        sounding_seconds: Its length without the silence around it.
        shape: float32 [steps * bands], its spectrum over time in dB, centred, of length 1; gain, container
            and encoding hardly change it. Zero for digital silence.
        marks: uint32 [50 a second], a bit a band; see the module's docstring. Empty for digital silence.
    """

    level_dbfs: float
    sounding_seconds: float
    shape: npt.NDArray[np.float32]
    marks: npt.NDArray[np.uint32]

    @property
    def audible(self) -> bool:
        """Whether it is loud enough to learn from."""
        return self.level_dbfs >= MIN_LEVEL_DBFS

    def resembles(self, other: Fingerprint, similarity: float) -> bool:
        """Return whether both last about as long and the cosine of their shapes is ``similarity`` or more."""
        shorter, longer = sorted((self.sounding_seconds, other.sounding_seconds))
        return shorter >= MIN_LENGTH_RATIO * longer and float(self.shape @ other.shape) >= similarity


def shared_seconds(first: Fingerprint, second: Fingerprint, offset: int) -> float:
    """Return for how long two sounds agree when mark ``offset`` of the first lies on the second's beginning, or 0.

    They agree when at most ``MAX_BIT_ERRORS`` of the bits of the marks that both have there differ, and when that is
    for ``MIN_SHARED_SECONDS`` or more.
    """
    begin, end = max(0, offset), min(len(first.marks), len(second.marks) + offset)
    ours, theirs = first.marks[begin:end], second.marks[begin - offset : max(end, begin) - offset]
    told = (ours != 0) & (theirs != 0)  # silence has no slopes
    seconds = float(told.sum()) / _MARKS_PER_SECOND
    if seconds < MIN_SHARED_SECONDS:
        return 0.0
    errors = float(np.bitwise_count(ours[told] ^ theirs[told]).mean()) / 32
    return seconds if errors <= MAX_BIT_ERRORS else 0.0


def fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a sound file.

    Raises:
        AudioError: The file cannot be decoded, or is shorter than ``LIMITS`` wants.
    """
    waveform = audio.load(path, LIMITS).waveform
    loudness = np.abs(waveform)
    sounding = np.flatnonzero(loudness > _ONSET * loudness.max())
    if not sounding.size:
        return Fingerprint(-np.inf, 0.0, np.zeros(_STEPS * _BANDS, np.float32), np.zeros(0, np.uint32))
    level = 10 * float(np.log10(np.mean(np.square(waveform, dtype=np.float64))))
    trimmed = waveform[sounding[0] : sounding[-1] + 1]
    return Fingerprint(level, trimmed.size / audio.SAMPLE_RATE_HZ, _shape(trimmed), _marks(trimmed))


def _shape(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return ``Fingerprint.shape`` of float32 [samples], of any length and gain."""
    padded = np.pad(waveform, _WINDOW // 2)  # so that the window hides no beginning or end
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames)) ** 2  # [frames, bins]
    edges = np.geomspace(3, _WINDOW // 2, _BANDS + 1).round().astype(int)  # from 94 Hz, all different
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)  # [frames, bands]
    borders = np.linspace(0, len(bands), _STEPS + 1).astype(int)
    steps = np.stack(
        [
            bands[min(begin, len(bands) - 1) : max(end, begin + 1)].mean(axis=0)
            for begin, end in zip(borders, borders[1:], strict=False)
        ]
    )  # [steps, bands]
    decibels = 10 * np.log10(np.maximum(steps / steps.max(), 10 ** (-_FLOOR_DB / 10)))
    centred = (decibels - decibels.mean()).ravel().astype(np.float32)
    return centred / max(float(np.linalg.norm(centred)), 1e-9)


def _marks(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """Return ``Fingerprint.marks`` of float32 [samples]."""
    padded = np.pad(waveform, (0, max(0, _MARK_WINDOW + _MARK_HOP - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _MARK_WINDOW)[::_MARK_HOP]
    window = np.hanning(_MARK_WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window)) ** 2  # [frames, bins]
    hertz_per_bin = audio.SAMPLE_RATE_HZ / _MARK_WINDOW
    edges = np.round(np.geomspace(*_MARK_HERTZ, _MARK_BANDS + 1) / hertz_per_bin).astype(int)
    slopes = np.diff(np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1), axis=1)  # [frames, 32]
    rises = slopes[1:] > slopes[:-1]
    return np.packbits(rises, axis=1).view(">u4").ravel().astype(np.uint32)
