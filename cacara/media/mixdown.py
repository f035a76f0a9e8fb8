"""The channels of decoded frames as one, at the rate that the models listen at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

SAMPLE_RATE_HZ = 16000
RATES_HZ = (1_000, 768_000)
MAX_CHANNELS = 64  # FFmpeg converts no more
OPPOSED_DB = 20.0
"""Level, in decibels, below the loudest channel from which the channels' mean counts as cancelled out."""

_AGREED_DB = 10.0  # until the mean is this close again the one channel stays: no change of level at every window
_AUDIBLE = 1e-4  # -80 dBFS: below it channels differ by their noise
_LOUDER = 1.01  # channels nearer in level than 0.1 dB count as equal; then the first is taken
_WINDOW_SECONDS = 0.25
_WINDOW_VALUES = 1 << 20  # bounds the memory of a window of many channels at a high rate


class Mixdown:
    """The mean of the channels, or one of them where the mean is silence.

    An inverted cable or a karaoke track has two channels of opposite sign, whose mean is nothing. Each quarter of a
    second is looked at for itself, so that a recording of hours needs no second pass.

    Attributes:
        opposed: Whether one channel had to stand for all, somewhere.
    """

    def __init__(self) -> None:
        """Begin a sound."""
        self.opposed = False
        self._shape: tuple[str, str, int] | None = None
        self._packer: AudioResampler | None = None
        self._resampler: AudioResampler | None = None
        self._waiting: list[npt.NDArray[np.float32]] = []
        self._channel: int | None = None
        self._is_opposed = False

    def add(self, frame: AudioFrame) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 [samples] at SAMPLE_RATE_HZ as soon as a window is whole; rate, format and channels may change.

        Raises:
            AudioError: The rate or the number of channels is none that is read here.
        """
        from av.audio.resampler import AudioResampler

        channels, rate_hz = frame.layout.nb_channels, frame.sample_rate
        shape = (frame.format.name, frame.layout.name, rate_hz)
        if shape != self._shape:
            _check(channels, rate_hz)
            yield from self.flush()
            # Interleaved, as PyAV reads past the channels of a planar frame that has eight or more.
            self._shape, self._packer, self._channel = shape, AudioResampler(format="flt"), None
        assert self._packer is not None
        for packed in self._packer.resample(frame):
            self._waiting.append(packed.to_ndarray().reshape(-1, channels).astype(np.float32, copy=False))
        if sum(map(len, self._waiting)) >= min(_WINDOW_SECONDS * rate_hz, _WINDOW_VALUES // channels):
            yield from self._mix()

    def flush(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield what is held back; what is added next is not joined to it."""
        yield from self._mix()
        if self._resampler is not None:
            yield from _resample(self._resampler, None)
        self._resampler = None

    def _mix(self) -> Iterator[npt.NDArray[np.float32]]:
        from av.audio.frame import AudioFrame
        from av.audio.resampler import AudioResampler

        if not self._waiting or self._shape is None:
            return
        window = np.concatenate(self._waiting)
        self._waiting = []
        mono = AudioFrame.from_ndarray(self._one_of(window)[np.newaxis], format="flt", layout="mono")
        mono.sample_rate = self._shape[2]
        if self._resampler is None:
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        yield from _resample(self._resampler, mono)

    def _one_of(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return float32 [samples] for [samples, channels]."""
        with np.errstate(over="ignore", invalid="ignore"):  # samples not finite are refused at the end
            mean = window.mean(axis=1, dtype=np.float32)
            if window.shape[1] == 1:
                return mean
            levels, level = window.std(axis=0, dtype=np.float64), float(mean.std(dtype=np.float64))
        loudest = int(levels.argmax())
        loss_db = _AGREED_DB if self._is_opposed else OPPOSED_DB
        self._is_opposed = bool(levels[loudest] > _AUDIBLE and level * 10 ** (loss_db / 20) < levels[loudest])
        if not self._is_opposed:
            return mean
        # Two channels of one level take turns at being the louder; a change would turn the sign round.
        if self._channel is None or levels[self._channel] * 10 ** (OPPOSED_DB / 20) < levels[loudest]:
            self._channel = loudest if levels[loudest] > _LOUDER * levels[0] else 0
        self.opposed = True
        return np.ascontiguousarray(window[:, self._channel])


def _resample(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 [samples] for a frame, or for None those that the resampler still holds."""
    for piece in resampler.resample(frame):
        if piece is not None:  # what a resampler with nothing to do answers to None
            yield piece.to_ndarray()[0]


def _check(channels: int, rate_hz: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"the sound has {channels} channels; wanted 1 to {MAX_CHANNELS}, one is enough")
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise AudioError(f"the sample rate is {rate_hz} Hz; wanted {RATES_HZ[0]} to {RATES_HZ[1]} Hz")
