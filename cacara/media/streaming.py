"""Decoding of recordings of hours, block by block, in a process of its own: memory stays flat on both sides.

The process is `python -m cacara.media.streaming SECONDS < FILE`. It answers with blocks, each a length (four bytes,
little-endian, counted in samples) and as many float32 samples, then a length of 0 and a line of JSON. The pipe between
the two holds little, so the decoder waits for whoever works on the blocks; its limit is processor time, not wall time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import wave
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError
from cacara.media import audio, decoding
from cacara.media import notes as media_notes
from cacara.media.decoding import SAMPLE_RATE_HZ
from cacara.media.formats import WANTED_SOUND
from cacara.media.notes import Note

BLOCK_SAMPLES = 10 * SAMPLE_RATE_HZ
_MEMORY_BYTES = 1 << 30  # address space, most of it FFmpeg's libraries
_LENGTH_BYTES = 4

Blocks = Generator[npt.NDArray[np.float32], None, tuple[Note, ...]]


@dataclasses.dataclass(frozen=True)
class StreamLimits:
    """Limits on the cost of reading a long recording.

    Attributes:
        max_bytes: A larger file is refused. An hour of 16-bit stereo at 48 kHz has 659 MiB.
        max_seconds: A longer recording is cut there, with a note.
        max_processor_seconds: Processor time of the decoder; an hour takes a few seconds in most formats.
    """

    max_bytes: int = 700 << 20
    max_seconds: float = 4 * 3600.0
    max_processor_seconds: int = 600


def blocks(
    path: Path, limits: StreamLimits | None = None, report: Callable[[float], None] = lambda share: None
) -> Blocks:
    """Yield a recording in blocks of ten seconds, the last one shorter; return notes for the user.

    The decoder ends when the iterator is closed.

    Args:
        path: A file of any common sound or video format.
        limits: Bounds of size and time; the defaults of ``StreamLimits`` where None.
        report: Told with each block which share of the file's bytes was read, 0 to 1.

    Yields:
        float32 [samples], mono at SAMPLE_RATE_HZ, finite.

    Raises:
        AudioError: The file is missing, unreadable, too large, damaged or no sound; the text names it without its
            folder. Damage may show itself only after some blocks.
    """
    limits = limits or StreamLimits()
    try:
        with audio.open_file(path, limits.max_bytes) as file:
            return (yield from _decode_apart(file, limits, report))
    except AudioError as error:
        name = os.fsencode(path.name).decode("utf-8", "replace") or "this path"
        raise AudioError(f"{name}: {error}") from error


def chained(first: npt.NDArray[np.float32], rest: Blocks) -> Blocks:
    """Yield a block that was taken already, then the others; return their notes."""
    try:
        yield first
        return (yield from rest)
    finally:
        rest.close()


def copied(rest: Blocks, path: Path) -> Blocks:
    """Yield blocks, and write them to a new file as 16-bit PCM on the way; return their notes.

    Such a copy plays in every browser from any moment on, whatever format the recording has.

    Args:
        rest: The blocks; what lies outside [-1, 1] is clipped in the copy.
        path: Path to write to; what is there is replaced.
    """
    try:
        with path.open("wb") as file, wave.open(file, "wb") as writer:
            writer.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
            while True:
                try:
                    block = next(rest)
                except StopIteration as end:
                    return end.value
                samples = np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2")
                writer.writeframesraw(samples.tobytes())
                yield block
    finally:
        rest.close()


def _decode_apart(file: BinaryIO, limits: StreamLimits, report: Callable[[float], None]) -> Blocks:
    size_bytes = os.fstat(file.fileno()).st_size
    process = subprocess.Popen(
        [sys.executable, "-m", "cacara.media.streaming", json.dumps(dataclasses.asdict(limits))],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],  # so that `cacara` is found, installed or not
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    answer = process.stdout
    assert answer is not None
    try:
        while size := int.from_bytes(answer.read(_LENGTH_BYTES), "little"):
            block = np.frombuffer(answer.read(4 * size), np.float32)
            if block.size < size:
                break
            report(min(1.0, file.tell() / size_bytes))  # the two processes share one position in the file
            yield block
        line = answer.readline()
    finally:
        process.kill()
        process.wait()
        answer.close()
    if not line:
        raise AudioError(f"the decoder failed on this file, or took too long; {WANTED_SOUND}, undamaged")
    fields = json.loads(line)
    if "error" in fields:
        raise AudioError(fields["error"])
    return media_notes.unpacked(fields["notes"])


def _answer() -> None:
    """Decode standard input within the limits of the first argument, and answer on standard output."""
    limits = StreamLimits(**json.loads(sys.argv[1]))
    _confine(limits)
    output = sys.stdout.buffer
    fields: dict[str, object] = {}
    with contextlib.suppress(BrokenPipeError):
        try:
            with open(0, "rb", buffering=0, closefd=False) as file:
                notes = _write(decoding.stream(file, limits.max_seconds), output)
                fields["notes"] = [note.packed() for note in notes]
        except AudioError as error:
            fields["error"] = str(error)
        output.write(bytes(_LENGTH_BYTES) + json.dumps(fields).encode() + b"\n")
        output.flush()


def _write(pieces: Blocks, output: BinaryIO) -> tuple[Note, ...]:
    """Write pieces of any size as blocks; return the notes."""
    kept: list[npt.NDArray[np.float32]] = []
    size = 0
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            _write_block(kept, output)
            return end.value
        kept.append(piece)
        size += piece.size
        if size >= BLOCK_SAMPLES:
            _write_block(kept, output)
            kept, size = [], 0


def _write_block(kept: list[npt.NDArray[np.float32]], output: BinaryIO) -> None:
    if size := sum(piece.size for piece in kept):
        output.write(size.to_bytes(_LENGTH_BYTES, "little") + np.concatenate(kept).tobytes())


def _confine(limits: StreamLimits) -> None:
    """Limit the memory and processor time of this process, and let a crash leave no dump."""
    try:
        import resource
    except ImportError:  # not a Unix; the cap on the length holds there too
        return
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, limits.max_processor_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    _answer()
