"""Decoding of hostile sound files: an open file to a capped float32 mono waveform.

FFmpeg (through PyAV) decodes while it reads, so neither a long nor a well-packed file costs memory. It gets
an open file and no protocol, so a file cannot make it open another one. A malformed file can still crash
FFmpeg or PyAV, which ends the whole process: `audio_isolation` is for what strangers send.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SAMPLE_RATE_HZ = 16000
SHORT_SECONDS = 0.96  # the audio encoder hears patches of this length; a shorter sound is padded
WANTED = "wanted a sound file: WAV, FLAC, MP3, Ogg, Opus, M4A, WebM, AIFF, AMR or WMA"

# Demuxers that open other files (hls, concat, sdp) or take any bytes for sound are left out.
_CONTAINERS = "wav,w64,flac,mp3,ogg,matroska,mov,aiff,caf,au,aac,asf,amr,wv"
_CODECS = (
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,gsm_ms,aac,ac3,alac,amrnb,amrwb,eac3,flac,"
    "mp2,mp2float,mp3,mp3float,opus,speex,vorbis,wavpack,wmapro,wmav1,wmav2"
)
_SIGNATURES = {
    b"#EXTM3U": "a playlist",
    b"ffconcat": "a playlist",
    b"v=0": "a stream description (SDP)",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"RIFF": "a damaged WAV file, or a RIFF file of another kind",
    b"fLaC": "a damaged FLAC file",
    b"OggS": "a damaged Ogg file",
    b"ID3": "a damaged MP3 file",
    b"\x1aE\xdf\xa3": "a damaged WebM or Matroska file",
    b"FORM": "a damaged AIFF file",
}

_RATES_HZ = (1_000, 768_000)
_MAX_CHANNELS = 64  # FFmpeg converts no more
_MAX_FRAME_SAMPLES = 1 << 18  # encoders stay below 65,536; bounds the memory of one decoded frame
_CUT_SLACK_SECONDS = 0.1  # the padding of a lossy encoder is no reason to tell anybody of a cut
_UNKNOWN_LENGTH_BYTES = 1 << 30  # programs that stream write a huge number where the length belongs


@dataclasses.dataclass(frozen=True)
class AudioLimits:
    """What a sound file may cost.

    Attributes:
        max_bytes: A larger file is refused.
        max_seconds: A longer sound is cut to its first seconds, with a note.
        max_decode_seconds: Wall time after which decoding is given up.
        min_seconds: A shorter sound is refused.
        isolated: Decode in a process of its own, which costs about 0.2 s a file: for files of strangers.
    """

    max_bytes: int = 50 << 20
    max_seconds: float = 30.0
    max_decode_seconds: float = 10.0
    min_seconds: float = 0.1
    isolated: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A decoded sound.

    Attributes:
        waveform: float32 [samples] in [-1, 1], finite, mono at SAMPLE_RATE_HZ.
        seconds: Length of the waveform.
        cut: Whether the file goes on where the waveform ends, because of ``max_seconds``.
        notes: What a user should know about the file, one plain sentence each.
    """

    waveform: npt.NDArray[np.float32]
    seconds: float
    cut: bool
    notes: tuple[str, ...]


def decode(file: BinaryIO, limits: AudioLimits) -> Recording:
    """Return the sound of an open file, decoded in this process.

    Args:
        file: A regular file that is not empty, open for reading bytes, unbuffered, at its start.
        limits: What it may cost; ``max_bytes`` is the caller's business.

    Raises:
        AudioError: As in ``audio.load``; the text does not name the file.
    """
    import av

    head, size = file.read(64), os.fstat(file.fileno()).st_size
    file.seek(0)
    reader = _Reader(file, time.monotonic() + limits.max_decode_seconds)
    tally = _Tally()
    most = int(limits.max_seconds * SAMPLE_RATE_HZ)
    room = most + int(_CUT_SLACK_SECONDS * SAMPLE_RATE_HZ)
    try:
        with _open_container(reader) as container:
            stream = _sound_stream(container)
            waveform = _collect(_to_mono(_frames(container, stream, tally)), room, reader)
            declared = _declared_seconds(container, stream)
    except av.FFmpegError as error:
        if reader.expired:
            raise AudioError(too_slow(limits)) from error
        raise AudioError(f"this is {_describe(head)}; {WANTED}") from error
    if reader.expired:
        raise AudioError(too_slow(limits))
    cut = waveform.size > room
    waveform = _checked(waveform[:most], tally, limits)
    seconds = waveform.size / SAMPLE_RATE_HZ
    missing = not tally.failed and (declared > 1.02 * seconds + 0.2 or _lacks_bytes(head, size))
    early = not cut and (tally.failed_last or missing)
    return Recording(waveform, seconds, cut, _notes(seconds, cut, early, tally.failed > 0))


def stream(file: BinaryIO, max_seconds: float) -> Generator[npt.NDArray[np.float32], None, tuple[str, ...]]:
    """Yield the sound of an open file piece by piece, float32 [samples] at SAMPLE_RATE_HZ; return the notes.

    Memory does not grow with the length. Samples are finite; float files may hold some outside [-1, 1].

    Args:
        file: As for ``decode``; its reader bounds the time, by stopping or by a limit of the process.
        max_seconds: What follows is left out, with a note.

    Raises:
        AudioError: As in ``decode``; when a damaged file shows itself at its end, only then.
    """
    import av

    head = file.read(64)
    file.seek(0)
    tally, left = _Tally(), int(max_seconds * SAMPLE_RATE_HZ)
    total, cut = 0, False
    try:
        with _open_container(_Reader(file, float("inf"))) as container:
            for piece in _to_mono(_frames(container, _sound_stream(container), tally)):
                if not np.isfinite(piece).all():
                    raise AudioError(
                        f"the sound has infinite samples or such that are no numbers near {total / SAMPLE_RATE_HZ:.1f} "
                        "seconds; wanted finite samples: export it again"
                    )
                cut = piece.size > left - total
                yield piece[: left - total]
                total = min(total + piece.size, left)
                if cut:
                    break
    except av.FFmpegError as error:
        raise AudioError(f"this is {_describe(head)}; {WANTED}") from error
    seconds = total / SAMPLE_RATE_HZ
    _checked(np.zeros(total and SAMPLE_RATE_HZ, np.float32), tally, AudioLimits())
    return _notes(seconds, cut, not cut and tally.failed_last, tally.failed > 0)


class _Reader:
    """A file as PyAV wants it, which ends at a deadline.

    It never raises: PyAV keeps a callback's exception for its next call, which may belong to another file.
    """

    def __init__(self, file: BinaryIO, deadline: float) -> None:
        self._file = file
        self._deadline = deadline
        self.tell = file.tell

    @property
    def expired(self) -> bool:
        return time.monotonic() > self._deadline

    def read(self, count: int) -> bytes:
        try:
            return b"" if self.expired else self._file.read(count)
        except OSError:
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError:
            return -1


@dataclasses.dataclass
class _Tally:
    """How many packets of a file gave sound, how many failed, and whether the end of the file failed."""

    decoded: int = 0
    failed: int = 0
    failed_last: bool = False

    def add(self, success: bool) -> None:
        self.decoded += success
        self.failed += not success
        self.failed_last = not success


def _open_container(reader: _Reader) -> InputContainer:
    import av

    return av.open(
        reader,
        mode="r",
        container_options={
            "format_whitelist": _CONTAINERS,
            "codec_whitelist": _CODECS,  # spares FFmpeg a look at the pictures of a video
            "protocol_whitelist": "none",  # the file is open already; no other shall be
        },
        options={"max_samples": str(_MAX_FRAME_SAMPLES)},
        metadata_errors="replace",  # else a title in a wrong encoding is a UnicodeDecodeError
    )


def _sound_stream(container: InputContainer) -> AudioStream:
    """Return the first stream that is sound in a known codec, set up for decoding."""
    streams = container.streams.audio
    if not streams:
        kinds = " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise AudioError(f"the file holds {kinds} but no sound; {WANTED}")
    names = [stream.codec_context.name if stream.codec_context else "unknown" for stream in streams]
    position = next((index for index, name in enumerate(names) if name in _CODECS.split(",")), None)
    if position is None:
        raise AudioError(f"the sound is coded as {', '.join(names)}, which is not read here; {WANTED}")
    codec = streams[position].codec_context
    codec.thread_count = 1
    codec.options = {"max_samples": str(_MAX_FRAME_SAMPLES)}
    # PyAV 18.1 frees a custom order of channels (QuickTime, CAF) twice and crashes. To name only their number
    # drops that order, which a mean does not need; `layout`, its one owner, must live until then.
    layout = codec.layout
    if layout.nb_channels:
        codec.layout = f"{layout.nb_channels} channels"  # type: ignore[assignment]
    return streams[position]


def _frames(container: InputContainer, stream: AudioStream, tally: _Tally) -> Iterator[AudioFrame]:
    """Yield what can be decoded; a damaged packet is counted and skipped: what follows may be sound again."""
    import av

    try:
        for packet in container.demux(stream):
            try:
                frames = stream.decode(packet)
            except av.FFmpegError:
                tally.add(success=False)
                continue
            if frames:
                tally.add(success=True)
            yield from frames
    except av.FFmpegError:
        tally.add(success=False)


def _to_mono(frames: Iterable[AudioFrame]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 [samples] at SAMPLE_RATE_HZ; rate, format and channels may change between frames."""
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    shape: tuple[str, str, int] | None = None
    packer = resampler = AudioResampler()
    for frame in frames:
        channels = frame.layout.nb_channels
        if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            _check_shape(channels, frame.sample_rate)
            yield from _resample(resampler, None)
            # Interleaved, as PyAV reads past the channels of a planar frame that has eight or more.
            packer = AudioResampler(format="flt")
            resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        for packed in packer.resample(frame):
            with np.errstate(over="ignore", invalid="ignore"):  # samples not finite are refused at the end
                samples = packed.to_ndarray().reshape(-1, channels).mean(axis=1, dtype=np.float32)
            mono = AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
            mono.sample_rate = frame.sample_rate
            yield from _resample(resampler, mono)
    yield from _resample(resampler, None)


def _resample(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 [samples] for a frame, or for None those that the resampler still holds."""
    for piece in resampler.resample(frame):
        if piece is not None:  # what a resampler with nothing to do answers to None
            yield piece.to_ndarray()[0]


def _check_shape(channels: int, rate_hz: int) -> None:
    if not 1 <= channels <= _MAX_CHANNELS:
        raise AudioError(f"the sound has {channels} channels; wanted 1 to {_MAX_CHANNELS}, one is enough")
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        raise AudioError(f"the sample rate is {rate_hz} Hz; wanted {_RATES_HZ[0]} to {_RATES_HZ[1]} Hz")


def _collect(pieces: Iterable[npt.NDArray[np.float32]], room: int, reader: _Reader) -> npt.NDArray[np.float32]:
    """Return the pieces as one row, up to the first that passes ``room`` samples or the deadline."""
    kept = [np.zeros(0, np.float32)]
    total = 0
    for piece in pieces:
        kept.append(piece)
        total += piece.size
        if total > room or reader.expired:
            break
    return np.concatenate(kept)


def _checked(waveform: npt.NDArray[np.float32], tally: _Tally, limits: AudioLimits) -> npt.NDArray[np.float32]:
    """Return the waveform within [-1, 1], or raise if it is no sound to work with."""
    if tally.failed > tally.decoded:
        parts = tally.failed + tally.decoded
        raise AudioError(f"the file is damaged: {tally.failed} of {parts} parts cannot be decoded; {WANTED}")
    finite = np.isfinite(waveform)
    if not finite.all():
        raise AudioError(
            f"the sample {finite.argmin() / SAMPLE_RATE_HZ:.2f} seconds into the sound is infinite or "
            "not a number (NaN); wanted finite samples: export it again"
        )
    if waveform.size < limits.min_seconds * SAMPLE_RATE_HZ:
        found = f"{waveform.size / SAMPLE_RATE_HZ:.2g} seconds of sound" if waveform.size else "no samples"
        raise AudioError(f"the file holds {found}; wanted at least {limits.min_seconds:g} seconds")
    peak = np.abs(waveform).max()
    return waveform / peak if peak > 1 else waveform


def _declared_seconds(container: InputContainer, stream: AudioStream) -> float:
    """Return the length that the file's header states, or 0 if it states none."""
    bit_rate = stream.codec_context.bit_rate
    if bit_rate and container.bit_rate > 0.97 * bit_rate:
        return 0.0  # perhaps FFmpeg's guess: the number of bytes divided by the bit rate
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1_000_000
    return 0.0


def _lacks_bytes(head: bytes, size: int) -> bool:
    """Return whether a WAV or AIFF header counts more bytes than there are, which FFmpeg passes over."""
    if head[:4] not in (b"RIFF", b"FORM"):
        return False
    counted = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
    return 1.01 * size < counted < _UNKNOWN_LENGTH_BYTES


def _notes(seconds: float, cut: bool, early: bool, damaged: bool) -> tuple[str, ...]:
    notes = []
    if cut:
        notes.append(f"only the first {seconds:g} seconds were used")
    if early:
        notes.append(f"the file ends early (damaged); the first {seconds:.1f} seconds were used")
    elif damaged:
        notes.append(f"parts of the file are damaged and were left out; {seconds:.1f} seconds were used")
    if seconds < SHORT_SECONDS:
        notes.append(f"{seconds:.2g} seconds is short; a second or more gives better matches")
    return tuple(notes)


def _describe(head: bytes) -> str:
    """Return in words what a file seems to be that has no readable sound."""
    for signature, description in _SIGNATURES.items():
        if head.startswith(signature):
            return description
    if head[4:8] == b"ftyp":
        return "an MP4 file that is cut short or damaged"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "text"
    return "data in no known sound format"


def too_slow(limits: AudioLimits) -> str:
    """Return the words for a file that was given up at the deadline."""
    return f"decoding took longer than {limits.max_decode_seconds:g} seconds; send a shorter sound or a WAV"
