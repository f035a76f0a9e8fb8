"""Decoding in a process of its own, which may crash, hang or be killed without harm to the one that asks.

The process is `python -m cacara.media.isolation LIMITS < FILE`: it never learns the file's path, and answers
with a line of JSON and the raw samples. Most of its time goes into its start, so a server keeps one that has started
and waits for its file, without LIMITS: it gets both through a socket. Each process decodes one file and ends.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import logging
import math
import os
import socket
import subprocess
import sys
import threading
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
_REFILL_SECONDS = 1.0
_START_SECONDS = 20.0  # to start Python on a busy machine, on top of the decoding time


def decode(file: BinaryIO, limits: AudioLimits) -> Recording:
    """Return what ``decoding.decode`` does, about 0.2 s later where no process has started ahead.

    Args:
        file: A regular file that is not empty, open for reading bytes, unbuffered, at its start.
        limits: What it may cost; ``max_bytes`` is the caller's business.

    Raises:
        AudioError: As in ``decoding.decode``, and if the process fails.
    """
    asked = json.dumps(dataclasses.asdict(limits))
    process = _SPARE.take(file, asked) or _start(file, asked)
    try:
        answer, problem = process.communicate(timeout=limits.max_decode_seconds + _START_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise AudioError(decoding.too_slow(limits)) from error
    finally:
        _end(process)
    if process.returncode:
        logger.warning("decoder ended with %d: %s", process.returncode, problem.decode(errors="replace"))
        raise AudioError(f"the decoder failed on this file (code {process.returncode}); {WANTED_SOUND}, undamaged")
    header, _, samples = answer.partition(b"\n")
    fields: dict[str, Any] = json.loads(header)
    if "error" in fields:
        raise AudioError(fields["error"])
    waveform = np.frombuffer(samples, np.float32).copy()  # writable
    return Recording(waveform, fields["seconds"], fields["cut"], notes.unpacked(fields["notes"]))


def keep_one_ready() -> None:
    """Keep a process that has started and waits for a file, for as long as this one runs."""
    _SPARE.keep()


class _Spare:
    """The process that has started ahead, if one is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._kept = False

    def keep(self) -> None:
        """Start one now, and another whenever one was taken."""
        if not self._kept and hasattr(socket, "send_fds"):  # else not a Unix
            self._kept = True
            atexit.register(self.end)
            self._refill()

    def take(self, file: BinaryIO, asked: str) -> subprocess.Popen[bytes] | None:
        """Return the process, with a file and limits given to it, or None where none waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is None:
            return None
        later = threading.Timer(_REFILL_SECONDS, self._refill)  # whoever has asked is answered first
        later.daemon = True
        later.start()
        process, link = waiting
        with link:
            try:
                socket.send_fds(link, [asked.encode()], [file.fileno()])
            except OSError:  # it was killed while it waited
                _end(process)
                return None
        return process

    def end(self) -> None:
        """End the process that waits, and start no other."""
        with self._lock:
            self._kept = False
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting[1].close()
            _end(waiting[0])

    def _refill(self) -> None:
        with self._lock:
            if not self._kept or self._waiting is not None:
                return
            ours, theirs = socket.socketpair()
            with theirs:
                self._waiting = _start(theirs), ours


_SPARE = _Spare()


def _start(file: BinaryIO | socket.socket, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cacara.media.isolation", *arguments],
        stdin=file.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],  # so that `cacara` is found, installed or not
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread would reserve much of the memory
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()  # closes the pipes


def _await_file() -> str:
    """Return the limits that come through standard input, which becomes the file that comes with them."""
    import av  # noqa: F401 - what starting ahead is for

    with socket.socket(fileno=os.dup(0)) as link:
        asked, descriptors, _, _ = socket.recv_fds(link, 1 << 16, 1)
    if not descriptors:
        sys.exit()  # whoever kept it has ended
    os.dup2(descriptors[0], 0)
    os.close(descriptors[0])
    return asked.decode()


def _answer() -> None:
    """Decode standard input within the limits of the first argument, and answer on standard output."""
    limits = AudioLimits(**json.loads(sys.argv[1] if len(sys.argv) > 1 else _await_file()))
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
