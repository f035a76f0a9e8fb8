"""Decoding in a process of its own, which may crash, hang or be killed without harm to the one that asks.

The process is `python -m cacara.media.isolation LIMITS < FILE`: it never learns the file's path, and answers
with a line of JSON and the raw samples.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cacara.errors import AudioError
from cacara.media import decoding, notes
from cacara.media.decoding import SAMPLE_RATE_HZ, AudioLimits, Recording
from cacara.media.formats import WANTED_SOUND

logger = logging.getLogger(__name__)

_MEMORY_BYTES = 1 << 30  # address space, most of it FFmpeg's libraries
_MEMORY_BYTES_A_SAMPLE = 32  # the waveform in pieces, whole, checked and on its way out
_START_SECONDS = 20.0  # to start Python on a busy machine, on top of the decoding time


def decode(file: BinaryIO, limits: AudioLimits) -> Recording:
    """Return what ``decoding.decode`` does, about 0.2 s later.

    Args:
        file: A regular file that is not empty, open for reading bytes, unbuffered, at its start.
        limits: What it may cost; ``max_bytes`` is the caller's business.

    Raises:
        AudioError: As in ``decoding.decode``, and if the process fails.
    """
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "cacara.media.isolation", json.dumps(dataclasses.asdict(limits))],
            stdin=file,
            capture_output=True,
            cwd=Path(__file__).parents[2],  # so that `cacara` is found, installed or not
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread would reserve much of the memory
            timeout=limits.max_decode_seconds + _START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AudioError(decoding.too_slow(limits)) from error
    if answer.returncode:
        logger.warning("decoder ended with %d: %s", answer.returncode, answer.stderr.decode(errors="replace"))
        raise AudioError(f"the decoder failed on this file (code {answer.returncode}); {WANTED_SOUND}, undamaged")
    header, _, samples = answer.stdout.partition(b"\n")
    fields: dict[str, Any] = json.loads(header)
    if "error" in fields:
        raise AudioError(fields["error"])
    waveform = np.frombuffer(samples, np.float32).copy()  # writable
    return Recording(waveform, fields["seconds"], fields["cut"], notes.unpacked(fields["notes"]))


def _answer() -> None:
    """Decode standard input within the limits of the first argument, and answer on standard output."""
    limits = AudioLimits(**json.loads(sys.argv[1]))
    room = int(limits.max_seconds * SAMPLE_RATE_HZ)
    confine(_MEMORY_BYTES + room * _MEMORY_BYTES_A_SAMPLE, limits.max_decode_seconds)
    samples = b""
    try:
        with open(0, "rb", buffering=0, closefd=False) as file:
            recording = decoding.decode(file, limits)
    except AudioError as error:
        fields: dict[str, object] = {"error": str(error)}
    else:
        fields = {"seconds": recording.seconds, "cut": recording.cut}
        fields["notes"] = [note.packed() for note in recording.notes]
        samples = recording.waveform.tobytes()
    sys.stdout.buffer.write(json.dumps(fields).encode() + b"\n" + samples)


def confine(memory_bytes: int, processor_seconds: float) -> None:
    """Limit the memory and processor time of this process from now on, and let a crash leave no dump.

    Args:
        memory_bytes: Most of the address space.
        processor_seconds: How much more processor time it may use.
    """
    try:
        import resource
    except ImportError:  # not a Unix; the deadline and the parent's timeout hold there too
        return
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, math.ceil(time.process_time() + processor_seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    _answer()
