"""Listening while it sounds: the last seconds of a stream, and the words for them."""

from __future__ import annotations

import dataclasses
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError, DeviceError
from cacara.media import audio
from cacara.recordings import speech
from cacara.search.request import SearchRequest

if TYPE_CHECKING:
    from cacara.search.retriever import Hit, Retriever

WINDOW_SECONDS = 3.0
"""Length of the past that each answer covers, in seconds."""

MAX_CHUNK_BYTES = 4 << 20
RATES_HZ = (8_000, 192_000)


@dataclasses.dataclass(frozen=True, eq=False)
class RollingSound:
    """The last seconds of a stream; however long it runs, it holds no more.

    Attributes:
        samples: float32 [samples] in [-1, 1], mono.
        rate_hz: Their rate.
    """

    samples: npt.NDArray[np.float32] = dataclasses.field(default_factory=lambda: np.zeros(0, np.float32))
    rate_hz: int = audio.SAMPLE_RATE_HZ

    def followed_by(self, samples: npt.NDArray[np.float32], rate_hz: int) -> RollingSound:
        """Return this sound with more at its end and as much less at its beginning.

        Args:
            samples: float32 [samples] in [-1, 1], mono, finite.
            rate_hz: Their rate; when it changes the past is forgotten.

        Raises:
            AudioError: They are not one row of finite samples, or the rate is none of a microphone.
        """
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise AudioError(f"a stretch of shape {samples.shape}; wanted one row of finite samples")
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise AudioError(f"the sample rate is {rate_hz} Hz; wanted {RATES_HZ[0]} to {RATES_HZ[1]} Hz")
        past = self.samples if rate_hz == self.rate_hz else self.samples[:0]
        kept = np.concatenate([past, samples.astype(np.float32)])[-int(WINDOW_SECONDS * rate_hz) :]
        return RollingSound(kept, rate_hz)

    def waveform(self) -> npt.NDArray[np.float32]:
        """Return it as float32 [samples], mono at 16 kHz."""
        if self.rate_hz == audio.SAMPLE_RATE_HZ or not self.samples.size:
            return self.samples
        from av.audio.frame import AudioFrame
        from av.audio.resampler import AudioResampler

        frame = AudioFrame.from_ndarray(self.samples[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = self.rate_hz
        resampler = AudioResampler(format="flt", layout="mono", rate=audio.SAMPLE_RATE_HZ)
        pieces = [*resampler.resample(frame), *resampler.resample(None)]
        return np.concatenate([piece.to_ndarray()[0] for piece in pieces if piece is not None])


@dataclasses.dataclass(frozen=True)
class LiveResult:
    """Answer about the last seconds.

    Attributes:
        quiet: There was nothing to be heard; then the rest is empty.
        speech: Whether somebody speaks.
        hits: Descriptions, best first, in the language asked for where there are any.
    """

    quiet: bool
    speech: bool = False
    hits: tuple[Hit, ...] = ()


def describe(
    retriever: Retriever, waveform: npt.NDArray[np.float32], language: str | None = None, top_k: int = 5
) -> LiveResult:
    """Return the words for a stretch of sound.

    Args:
        retriever: Its gallery's descriptions are the words.
        waveform: float32 [samples], mono at 16 kHz, of any length.
        language: BCP-47 code of the words; None means English.
        top_k: How many, 1 to 100.

    Raises:
        QueryError: ``top_k`` is unfit.
        LanguageError: ``language`` is no language code.
    """
    if not waveform.size:
        return LiveResult(quiet=True)
    try:
        audio.check_audible(waveform)
    except AudioError:
        return LiveResult(quiet=True)
    query = retriever.embed(SearchRequest(sound=waveform, language=language, targets=("text",), top=top_k))
    assert query.classes is not None, "a sound has classes"
    spoken = speech.is_speech(speech.speech_probability(retriever.model, query.classes))
    return LiveResult(False, spoken, retriever.nearest(query, "text"))


def read_chunk(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """Return a stretch of a browser's stream: float32 [samples] in [-1, 1], mono, and its rate in Hz.

    Only 16-bit PCM in WAV is taken, which the standard library reads: an outer decoder for every second would be slow.

    Raises:
        AudioError: It is another format, too long, or damaged.
    """
    try:
        if path.stat().st_size > MAX_CHUNK_BYTES:
            raise AudioError(f"a stretch of the stream has more than {MAX_CHUNK_BYTES >> 20} MB")
        with wave.open(str(path), "rb") as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            content = file.readframes(MAX_CHUNK_BYTES)  # a stream's header may promise more than there is
    except (OSError, EOFError, wave.Error) as error:
        raise AudioError(f"a stretch of the stream cannot be read: {error}; wanted PCM in WAV") from error
    if width != 2 or channels not in (1, 2):
        raise AudioError(f"a stretch of the stream has {channels} channels of {8 * width} bits; wanted 1 or 2 of 16")
    whole = len(content) // (2 * channels) * 2 * channels
    samples = np.frombuffer(content[:whole], "<i2").reshape(-1, channels).mean(axis=1) / 32768
    return samples.astype(np.float32), rate_hz


def microphone(device: int | str | None = None, seconds: float = 1.0) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 [samples], mono at 16 kHz, from the machine's own microphone for as long as one asks.

    Args:
        device: Number or name of a device as PortAudio lists them; None takes the system's choice.
        seconds: Length of each stretch.

    Raises:
        DeviceError: PortAudio is not installed, or there is no such microphone; the text says what to do.
    """
    sounddevice = _portaudio()
    stretch = int(seconds * audio.SAMPLE_RATE_HZ)
    try:
        with sounddevice.InputStream(audio.SAMPLE_RATE_HZ, stretch, device, 1, "float32") as stream:
            while True:
                samples, _ = stream.read(stretch)
                yield np.ascontiguousarray(samples[:, 0])
    except (sounddevice.PortAudioError, ValueError) as error:
        raise DeviceError(
            f"there is no microphone to listen to ({error}); plug one in, or choose one with --input "
            "(python -m cacara listen --list shows them)"
        ) from error


def inputs() -> list[tuple[int, str]]:
    """Return number and name of the machine's microphones.

    Raises:
        DeviceError: PortAudio is not installed, or there is no microphone.
    """
    devices = _portaudio().query_devices()
    found = [(number, str(device["name"])) for number, device in enumerate(devices) if device["max_input_channels"] > 0]
    if not found:
        raise DeviceError("this machine has no microphone that could be listened to; plug one in")
    return found


def _portaudio() -> Any:  # noqa: ANN401 - the module sounddevice
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            "PortAudio is not installed, so no microphone can be heard; on Debian: apt-get install libportaudio2"
        ) from error
    return sounddevice
