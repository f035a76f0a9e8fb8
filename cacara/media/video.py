"""Any short video to a few of its pictures, taken at even distances.

An upload is hostile: it is decoded in a process of its own, ``python -m cacara.media.video LIMITS < FILE``, which never
learns the file's path, may not use much memory or time, and answers with a line of JSON and the raw pixels.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from cacara.errors import ImageError
from cacara.media import formats, isolation
from cacara.media.formats import WANTED_FILM

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FRAMES = 12
"""Number of pictures that represent a video, as in MLA (arXiv 2206.11091)."""

SIDE = 256
"""The longest side of the pictures: more than the image tower looks at."""

_MEMORY_BYTES = 3 << 30
_START_SECONDS = 20.0
_MAX_STREAMS = 16


@dataclasses.dataclass(frozen=True)
class VideoLimits:
    """Limits on the cost of decoding a video.

    Attributes:
        max_bytes: A larger file is refused.
        max_seconds: A longer video is refused.
        max_pixels: Width times height of a picture.
        max_decode_seconds: Wall time after which decoding is given up.
    """

    max_bytes: int = 50 << 20
    max_seconds: float = 60.0
    max_pixels: int = 3840 * 2160
    max_decode_seconds: float = 30.0


UPLOAD_LIMITS = VideoLimits()


def frames(path: str | os.PathLike[str], limits: VideoLimits = UPLOAD_LIMITS) -> list[np.ndarray]:
    """Return up to ``FRAMES`` pictures of a video, in order, uint8 [height, width, 3] each, RGB.

    The same file gives the same pictures. A video with fewer pictures gives them all.

    Args:
        path: The file.
        limits: Bounds of size and time.

    Raises:
        ImageError: The file is missing, too large, too long, no video, or damaged; it is named without its folder.
    """
    path = Path(path)
    name = os.fsencode(path.name).decode("utf-8", "replace")
    try:
        size = path.stat().st_size
        if not 0 < size <= limits.max_bytes:
            raise ImageError(f"{name} has {size / 2**20:.3g} MB; {WANTED_FILM} of at most {limits.max_bytes >> 20} MB")
        with path.open("rb", buffering=0) as file:
            return _decode_apart(file, limits)
    except OSError as error:
        raise ImageError(f"cannot read {name}: {error.strerror or error}; {WANTED_FILM}") from error
    except ImageError as error:
        text = str(error)
        raise ImageError(text if text.startswith(name) else f"{name}: {text}") from error


def decode(file: BinaryIO, limits: VideoLimits) -> list[np.ndarray]:
    """Return what ``frames`` does of an open file, decoded in this process.

    Raises:
        ImageError: It is no video, too long, too large, or damaged; the text does not name the file.
    """
    import av

    deadline = time.monotonic() + limits.max_decode_seconds
    options = {
        "format_whitelist": ",".join(formats.readers("film")),
        "codec_whitelist": formats.FILM_CODECS,
        "protocol_whitelist": "none",
    }
    try:
        with av.open(file, mode="r", container_options=options, metadata_errors="replace") as container:
            stream = _picture_stream(container)
            seconds = _seconds(container, stream)
            if seconds is not None and seconds > limits.max_seconds:
                raise ImageError(f"the video is {seconds:.0f} seconds long; wanted at most {limits.max_seconds:g}")
            kept = _pick(container, stream, seconds, limits, deadline)
    except av.FFmpegError as error:
        raise ImageError(f"this is no video that is read here, or it is damaged; {WANTED_FILM}") from error
    if not kept:
        raise ImageError(f"the video holds no picture; {WANTED_FILM}")
    return kept


def _picture_stream(container: InputContainer) -> VideoStream:
    if len(container.streams) > _MAX_STREAMS or not container.streams.video:
        raise ImageError(f"the file holds {len(container.streams)} tracks and no pictures to work with; {WANTED_FILM}")
    stream = container.streams.video[0]
    if stream.codec_context is None or stream.codec_context.name not in formats.FILM_CODECS.split(","):
        raise ImageError(f"the pictures are coded in a way that is not read here; {WANTED_FILM}")
    stream.codec_context.thread_count = 1
    return stream


def _seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the length that the header states, or None."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1_000_000


def _pick(
    container: InputContainer, stream: VideoStream, seconds: float | None, limits: VideoLimits, deadline: float
) -> list[np.ndarray]:
    """Return the frames nearest to the middles of ``FRAMES`` equal stretches of the video.

    Where the length is not stated, every frame is a candidate and the list is thinned by half when it is full, so that
    memory stays bounded and the distances even.
    """
    targets = None if not seconds else [seconds * (number + 0.5) / FRAMES for number in range(FRAMES)]
    kept: list[np.ndarray] = []
    stride, first = 1, None
    for number, frame in enumerate(container.decode(stream)):
        if frame.width * frame.height > limits.max_pixels:
            raise ImageError(
                f"the video has {frame.width:,} × {frame.height:,} pixels; "
                f"wanted at most {limits.max_pixels / 1e6:.0f} million"
            )
        if time.monotonic() > deadline:
            raise ImageError(f"decoding took longer than {limits.max_decode_seconds:g} seconds; send a shorter video")
        first = frame.time if first is None else first
        moment = (frame.time or 0.0) - (first or 0.0)
        if moment > limits.max_seconds:
            raise ImageError(f"the video is longer than it says; wanted at most {limits.max_seconds:g} seconds")
        if targets is not None:
            if len(kept) < FRAMES and moment >= targets[len(kept)] - 1e-6:
                kept.append(_pixels(frame))
        elif number % stride == 0:
            kept.append(_pixels(frame))
            if len(kept) == 2 * FRAMES:
                kept, stride = kept[::2], 2 * stride
    if targets is None and len(kept) > FRAMES:
        kept = [kept[number * len(kept) // FRAMES] for number in range(FRAMES)]
    if not kept and first is not None:  # one frame that stands before the first target
        container.seek(0)
        kept = [_pixels(frame) for frame in container.decode(stream)][:1]
    return kept


def _pixels(frame: VideoFrame) -> np.ndarray:
    scale = min(1.0, SIDE / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    return frame.reformat(width=width, height=height, format="rgb24").to_ndarray()


def _decode_apart(file: BinaryIO, limits: VideoLimits) -> list[np.ndarray]:
    """Return what ``decode`` does, in a process that may crash."""
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "cacara.media.video", json.dumps(dataclasses.asdict(limits))],
            stdin=file,
            capture_output=True,
            cwd=Path(__file__).parents[2],  # so that `cacara` is found, installed or not
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            timeout=limits.max_decode_seconds + _START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ImageError("decoding took too long; send a shorter video") from error
    if answer.returncode:
        raise ImageError(f"the decoder failed on this file (code {answer.returncode}); {WANTED_FILM}, undamaged")
    header, _, pixels = answer.stdout.partition(b"\n")
    told = json.loads(header)
    if "error" in told:
        raise ImageError(told["error"])
    taken, start = [], 0
    for height, width in told["shapes"]:
        size = height * width * 3
        taken.append(np.frombuffer(pixels[start : start + size], np.uint8).reshape(height, width, 3).copy())
        start += size
    return taken


def _answer() -> None:
    """Decode standard input within the limits of the first argument, and answer on standard output."""
    limits = VideoLimits(**json.loads(sys.argv[1]))
    isolation.confine(_MEMORY_BYTES, limits.max_decode_seconds)
    taken: list[np.ndarray] = []
    try:
        with open(0, "rb", buffering=0, closefd=False) as file:
            taken = decode(file, limits)
        told: dict[str, object] = {"shapes": [picture.shape[:2] for picture in taken]}
    except ImageError as error:
        told = {"error": str(error)}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    for picture in taken:
        sys.stdout.buffer.write(picture.tobytes())


if __name__ == "__main__":
    _answer()
