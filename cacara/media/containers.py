"""Files of sound opened without harm: by a list of formats and codecs, without protocols, and told by their content."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cacara.errors import AudioError
from cacara.media import formats
from cacara.media.formats import WANTED_SOUND

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

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


_MAX_FRAME_SAMPLES = 1 << 18  # encoders stay below 65,536; bounds the memory of one decoded frame


@dataclasses.dataclass(frozen=True)
class SoundHeader:
    """Sound properties stated by a file's header.

    Attributes:
        media_type: Media type for a browser; empty where browsers do not play it.
        seconds: How long it is, from the file's beginning; 0 where that is not stated.
    """

    media_type: str
    seconds: float


def read_header(path: Path) -> SoundHeader:
    """Return what a file's header says, without decoding; only for files that are known to be harmless.

    It is remembered as long as the file is not changed.

    Raises:
        AudioError: It cannot be read, or holds no sound; the text names it without its folder.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise AudioError(f"{path.name}: cannot be read: {error.strerror}; {WANTED_SOUND}") from error
    return _header(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=10_000)
def _header(path: Path, size: int, changed: int) -> SoundHeader:
    """Return the header of a file of this size and time of change."""
    import av

    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(64)
            file.seek(0)
            with open_container(Reader(file, float("inf"))) as container:
                codec = sound_stream(container).codec_context
                row = formats.row_of(container.format.name, head)
                low, high = formats.PLAYABLE_RATES_HZ
                plays = row is not None and codec.name in row.playable and low <= (codec.sample_rate or 0) <= high
                seconds = 0.0 if container.duration is None else container.duration / 1_000_000
                return SoundHeader(row.media_type if row is not None and plays else "", seconds)
    except (OSError, av.FFmpegError) as error:
        raise AudioError(f"{path.name}: cannot be read: {error.strerror}; {WANTED_SOUND}") from error
    except AudioError as error:
        raise AudioError(f"{path.name}: {error}") from error


class Reader:
    """A file as PyAV wants it, which ends at a deadline.

    It never raises: PyAV keeps a callback's exception for its next call, which may belong to another file.
    """

    def __init__(self, file: BinaryIO, deadline: float) -> None:
        """Read a file.

        Args:
            file: Open for reading bytes, unbuffered.
            deadline: On the clock of ``time.monotonic``.
        """
        self._file = file
        self._deadline = deadline
        self.tell = file.tell

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self._deadline

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes, or none where the file or the time has ended."""
        try:
            return b"" if self.expired else self._file.read(count)
        except OSError:
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Return the new position, or -1."""
        try:
            return self._file.seek(offset, whence)
        except OSError:
            return -1


def open_container(reader: Reader) -> InputContainer:
    """Return a container that opens no other file, of a format that is read here.

    Raises:
        av.FFmpegError: It is none.
    """
    import av

    return av.open(
        reader,
        mode="r",
        container_options={
            "format_whitelist": ",".join(formats.readers("sound", "film")),
            "codec_whitelist": formats.SOUND_CODECS,  # spares FFmpeg a look at the pictures of a video
            "protocol_whitelist": "none",  # the file is open already; no other shall be
        },
        options={"max_samples": str(_MAX_FRAME_SAMPLES)},
        metadata_errors="replace",  # else a title in a wrong encoding is a UnicodeDecodeError
    )


def sound_stream(container: InputContainer) -> AudioStream:
    """Return the first stream that is sound in a known codec, set up for decoding.

    Raises:
        AudioError: There is none; the text does not name the file.
    """
    streams = container.streams.audio
    if not streams:
        kinds = " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise AudioError(f"the file holds {kinds} but no sound; {WANTED_SOUND}")
    names = [stream.codec_context.name if stream.codec_context else "unknown" for stream in streams]
    position = next((index for index, name in enumerate(names) if name in formats.SOUND_CODECS.split(",")), None)
    if position is None:
        raise AudioError(f"the sound is coded as {', '.join(names)}, which is not read here; {WANTED_SOUND}")
    codec = streams[position].codec_context
    codec.thread_count = 1
    codec.options = {"max_samples": str(_MAX_FRAME_SAMPLES)}
    # PyAV 18.1 frees a custom order of channels (QuickTime, CAF) twice and crashes. To name only their number
    # drops that order, which a mean does not need; `layout`, its one owner, must live until then.
    layout = codec.layout
    if layout.nb_channels:
        codec.layout = f"{layout.nb_channels} channels"  # type: ignore[assignment]
    return streams[position]


def describe(head: bytes) -> str:
    """Return in words what a file seems to be that has no readable sound."""
    for signature, description in _SIGNATURES.items():
        if head.startswith(signature):
            return description
    if head[4:8] == b"ftyp":
        return "an MP4 file that is cut short or damaged"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "text"
    return "data in no known sound format"
