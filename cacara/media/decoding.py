"""Decoding of hostile sound files: an open file to a capped float32 mono waveform.

FFmpeg (through PyAV) decodes while it reads, so neither a long nor a well-packed file costs memory. It gets
an open file and no protocol, so a file cannot make it open another one. A malformed file can still crash
FFmpeg or PyAV, which ends the whole process: `isolation` is for what strangers send.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError
from cacara.media import amr
from cacara.media.containers import Reader, describe, open_container, sound_stream
from cacara.media.formats import WANTED_SOUND
from cacara.media.mixdown import SAMPLE_RATE_HZ, Mixdown
from cacara.media.notes import Note
from cacara.media.placement import UNTIMED, LostBytes, Placement

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer
    from av.packet import Packet

VERSION = 2
"""Raised where the same files give other samples than before, so that what is remembered of them is made anew."""

SHORT_SECONDS = 0.96  # the audio encoder hears patches of this length; a shorter sound is padded
_CUT_SLACK_SECONDS = 0.1  # the padding of a lossy encoder is no reason to tell anybody of a cut
_GAP_SECONDS = 0.5  # a shorter one is nothing to tell anybody of
_SILENCE_SECONDS = 10  # so much of a gap is made at once
_UNKNOWN_LENGTH_BYTES = 1 << 30  # programs that stream write a huge number where the length belongs


@dataclasses.dataclass(frozen=True)
class AudioLimits:
    """Limits on the cost of decoding a sound file.

    Attributes:
        max_bytes: A larger file is refused.
        max_seconds: A longer sound is cut to its first seconds, with a note.
        max_decode_seconds: Wall time after which decoding is given up.
        min_seconds: A shorter sound is refused.
        isolated: Decode in a process of its own, which costs 0.2 s a file where none is kept ready: for
            files of strangers.
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
        waveform: float32 [samples] in [-1, 1], finite, mono at SAMPLE_RATE_HZ. A sample's number is its time in the
            file, as a player counts it: where the file has no sound there is silence.
        seconds: Length of the waveform.
        cut: Whether the file goes on where the waveform ends, because of ``max_seconds``.
        notes: Remarks for the user.
    """

    waveform: npt.NDArray[np.float32]
    seconds: float
    cut: bool
    notes: tuple[Note, ...]


def decode(file: BinaryIO, limits: AudioLimits) -> Recording:
    """Return the sound of an open file, decoded in this process.

    Args:
        file: A regular file that is not empty, open for reading bytes, unbuffered, at its start.
        limits: Bounds of size and time; ``max_bytes`` is the caller's business.

    Raises:
        AudioError: As in ``audio.load``; the text does not name the file.
    """
    import av

    head, size = file.read(64), os.fstat(file.fileno()).st_size
    file.seek(0)
    reader = Reader(file, time.monotonic() + limits.max_decode_seconds)
    most = int(limits.max_seconds * SAMPLE_RATE_HZ)
    room = most + int(_CUT_SLACK_SECONDS * SAMPLE_RATE_HZ)
    try:
        with open_container(reader) as container:
            sound = _Sound(container, limits.max_seconds)
            waveform = _collect(sound.pieces(), room, reader)
            declared = sound.declared_seconds()
    except av.FFmpegError as error:
        if reader.expired:
            raise AudioError(too_slow(limits)) from error
        raise AudioError(f"this is {describe(head)}; {WANTED_SOUND}") from error
    if reader.expired:
        raise AudioError(too_slow(limits))
    cut = waveform.size > room or sound.placement.beyond
    waveform = _checked(waveform[:most], sound.tally, limits)
    seconds = waveform.size / SAMPLE_RATE_HZ
    missing = not sound.tally.failed and (
        declared > 1.02 * (seconds - sound.placement.lead) + 0.2 or _lacks_bytes(head, size)
    )
    early = not cut and (sound.tally.failed_last or missing)
    return Recording(waveform, seconds, cut, sound.notes(seconds, limits.max_seconds, cut, early))


def stream(file: BinaryIO, max_seconds: float) -> Generator[npt.NDArray[np.float32], None, tuple[Note, ...]]:
    """Yield the sound of an open file piece by piece, float32 [samples] at SAMPLE_RATE_HZ; return the notes.

    Memory does not grow with the length. Samples are finite; float files may hold some outside [-1, 1]. Their number
    is their time, as in ``Recording``.

    Args:
        file: As for ``decode``; its reader bounds the time, by stopping or by a limit of the process.
        max_seconds: What follows is left out, with a note.

    Raises:
        AudioError: As in ``decode``; when a damaged file shows itself at its end, only then.
    """
    import av

    head = file.read(64)
    file.seek(0)
    left = int(max_seconds * SAMPLE_RATE_HZ)
    total, cut = 0, False
    try:
        with open_container(Reader(file, float("inf"))) as container:
            sound = _Sound(container, max_seconds)
            for piece in sound.pieces():
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
        raise AudioError(f"this is {describe(head)}; {WANTED_SOUND}") from error
    seconds = total / SAMPLE_RATE_HZ
    _checked(np.zeros(total and SAMPLE_RATE_HZ, np.float32), sound.tally, AudioLimits())
    cut = cut or sound.placement.beyond
    return sound.notes(seconds, max_seconds, cut, not cut and sound.tally.failed_last)


@dataclasses.dataclass
class _Tally:
    """Counts of a file's decoded and failed packets, and whether its end failed."""

    decoded: int = 0
    failed: int = 0
    failed_last: bool = False

    def add(self, success: bool) -> None:
        self.decoded += success
        self.failed += not success
        self.failed_last = not success


class _Sound:
    """The sound of an open container: decoded, placed in time, of one channel.

    Attributes:
        tally: What could be decoded.
        placement: Place in time.
        mixdown: What became of its channels.
    """

    def __init__(self, container: InputContainer, most_seconds: float) -> None:
        """Choose the stream.

        Args:
            container: Open; its sound is read once.
            most_seconds: No silence is made beyond.

        Raises:
            AudioError: It holds no sound that is read here.
        """
        self._container = container
        self._stream = sound_stream(container)
        start = None if container.start_time is None else container.start_time / 1_000_000
        self._lost = LostBytes(container.format.name)
        self.tally = _Tally()
        self.placement = Placement(start, most_seconds)
        self.mixdown = Mixdown()

    def pieces(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 [samples] at SAMPLE_RATE_HZ, with silence where the file has no sound."""
        total = 0
        for frame, moment in self._frames():
            if self.placement.silence_before(moment, self._declared_end):
                for piece in self.mixdown.flush():
                    total += piece.size
                    yield piece
                for piece in _silence(round(self.placement.position * SAMPLE_RATE_HZ) - total):
                    total += piece.size
                    yield piece
            if self.placement.beyond:
                break
            for piece in self.mixdown.add(frame):
                total += piece.size
                yield piece
            self.placement.add(frame.samples / frame.sample_rate)
        yield from self.mixdown.flush()

    def declared_seconds(self) -> float:
        """Return the length of the sound that the file's header states, or 0 if it states none."""
        bit_rate = self._stream.codec_context.bit_rate
        if bit_rate and self._container.bit_rate > 0.97 * bit_rate:
            return 0.0  # perhaps FFmpeg's guess: the number of bytes divided by the bit rate
        if (stated := _seconds(self._stream.duration, self._stream.time_base)) is not None:
            return stated
        if self._container.duration is not None and len(self._container.streams) == 1:
            return self._container.duration / 1_000_000 - self.placement.lead
        return 0.0

    def notes(self, seconds: float, most_seconds: float, cut: bool, early: bool) -> tuple[Note, ...]:
        """Return what a user should know.

        Args:
            seconds: How much was used.
            most_seconds: How much was wanted.
            cut: Whether there is more.
            early: Whether the file ends before it should.
        """
        notes = []
        if cut:
            notes.append(Note("cut", seconds=f"{most_seconds:g}"))
        if early:
            notes.append(Note("early", seconds=f"{seconds:.1f}"))
        elif self.tally.failed or (self._lost.seconds and self.placement.silent):
            notes.append(Note("damaged", seconds=f"{seconds:.1f}"))
        elif self.placement.silent >= _GAP_SECONDS:
            notes.append(Note("gap", seconds=f"{self.placement.silent:.1f}"))
        if self.placement.jump is not None:
            notes.append(Note("misplaced", seconds=f"{self.placement.jump:.1f}"))
        if self.mixdown.opposed:
            notes.append(Note("opposed"))
        if seconds < SHORT_SECONDS:
            notes.append(Note("short", seconds=f"{seconds:.2g}"))
        return tuple(notes)

    def _frames(self) -> Iterator[tuple[AudioFrame, float | None]]:
        """Yield what can be decoded, each with its time stamp in seconds; a damaged packet is counted and skipped."""
        import av

        try:
            for packet in self._container.demux(self._stream):
                later, decoded = self._lost.seconds, False
                try:
                    for frame in self._decode(packet):
                        decoded = True
                        moment = _seconds(frame.pts, frame.time_base)
                        yield frame, None if moment is None else moment + later
                except av.FFmpegError:
                    self.tally.add(success=False)
                    if self._container.format.name in UNTIMED:
                        self.placement.lose()
                else:
                    if decoded:
                        self.tally.add(success=True)
                if packet.size and (duration := _seconds(packet.duration, packet.time_base)):
                    self._lost.add(bytes(packet), duration, decoded)
        except av.FFmpegError:
            self.tally.add(success=False)

    def _decode(self, packet: Packet) -> Iterable[AudioFrame]:
        """Return the frames of a packet."""
        kind = amr.KINDS.get(self._stream.codec_context.name)
        return self._stream.decode(packet) if kind is None or not packet.size else self._decode_amr(packet, kind)

    def _decode_amr(self, packet: Packet, kind: amr.AmrKind) -> Iterator[AudioFrame]:
        """Yield the frames of a packet of AMR, silence for those that hold no speech."""
        from av.packet import Packet

        for number, (content, is_pause) in enumerate(amr.frames(bytes(packet), kind)):
            pts = packet.pts if number == 0 else None
            if is_pause:
                frame = _silent_frame(kind)
                frame.pts, frame.time_base = pts, packet.time_base
                yield frame
                continue
            part = Packet(content)
            part.pts, part.time_base = pts, packet.time_base
            yield from self._stream.decode(part)

    def _declared_end(self) -> float:
        """Return the length of the whole file that it states so far, in seconds; 0 if it states none."""
        whole = 0.0 if self._container.duration is None else self._container.duration / 1_000_000
        return max(whole, (_seconds(self._stream.duration, self._stream.time_base) or 0.0) + self.placement.lead)


def _seconds(count: int | None, unit: Fraction | None) -> float | None:
    return None if count is None or unit is None else float(count * unit)


def _silent_frame(kind: amr.AmrKind) -> AudioFrame:
    from av.audio.frame import AudioFrame

    # As the decoders' own frames are, so that the two are mixed as one sound.
    samples = np.zeros((1, round(amr.FRAME_SECONDS * kind.rate_hz)), np.float32)
    frame = AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate = kind.rate_hz
    return frame


def _silence(samples: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield so many zeros, not too many at once."""
    most = _SILENCE_SECONDS * SAMPLE_RATE_HZ
    for start in range(0, samples, most):
        yield np.zeros(min(most, samples - start), np.float32)


def _collect(pieces: Iterable[npt.NDArray[np.float32]], room: int, reader: Reader) -> npt.NDArray[np.float32]:
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
        raise AudioError(f"the file is damaged: {tally.failed} of {parts} parts cannot be decoded; {WANTED_SOUND}")
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


def _lacks_bytes(head: bytes, size: int) -> bool:
    """Return whether a WAV or AIFF header counts more bytes than there are, which FFmpeg passes over."""
    if head[:4] not in (b"RIFF", b"FORM"):
        return False
    counted = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
    return 1.01 * size < counted < _UNKNOWN_LENGTH_BYTES


def too_slow(limits: AudioLimits) -> str:
    """Return the words for a file that was given up at the deadline."""
    return f"decoding took longer than {limits.max_decode_seconds:g} seconds; send a shorter sound or a WAV"
