"""Decoding in a process of its own, which may crash, hang or be killed without harm to the one that asks.

The process is `python -m cacara.media.isolation LIMITS < FILE`: it never learns the file's path, and answers
with a line of JSON and the raw samples. Nearly all of its time goes into its start, so the app keeps one that has
started, without LIMITS, and forks a child for each file that it gets through a socket; it never reads a file itself.
Each process decodes one file and ends.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import logging
import math
import os
import signal
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
_START_SECONDS = 20.0  # to start Python on a busy machine, on top of the decoding time


def decode(file: BinaryIO, limits: AudioLimits) -> Recording:
    """Return what ``decoding.decode`` does, about 0.2 s later where no process is kept ready.

    Args:
        file: A regular file that is not empty, open for reading bytes, unbuffered, at its start.
        limits: Bounds of size and time; ``max_bytes`` is the caller's business.

    Raises:
        AudioError: As in ``decoding.decode``, and if the process fails.
    """
    asked = json.dumps(dataclasses.asdict(limits))
    seconds = limits.max_decode_seconds + _START_SECONDS
    try:
        answer = _FORKS.answer(file, asked, seconds)
        if answer is None:
            answer = _answer_of_a_start(file, asked, seconds)
    except TimeoutError as error:
        raise AudioError(decoding.too_slow(limits)) from error
    header, complete, samples = answer.partition(b"\n")
    if not complete:
        raise AudioError(f"the decoder failed on this file; {WANTED_SOUND}, undamaged")
    fields: dict[str, Any] = json.loads(header)
    if "error" in fields:
        raise AudioError(fields["error"])
    if len(samples) != fields["bytes"]:
        raise AudioError(f"the decoder broke off in this file; {WANTED_SOUND}, undamaged")
    waveform = np.frombuffer(samples, np.float32).copy()  # writable
    return Recording(waveform, fields["seconds"], fields["cut"], notes.unpacked(fields["notes"]))


def keep_ready() -> None:
    """Keep a process that has started and forks for each file, for as long as this one runs."""
    _FORKS.keep()


class _Forks:
    """The process that has started ahead and forks, if one is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._kept = False

    def keep(self) -> None:
        """Start it, and start another whenever it is found dead."""
        with self._lock:
            if not self._kept and hasattr(socket, "send_fds"):  # else not a Unix
                self._kept = True
                atexit.register(self.end)
                self._begin()

    def answer(self, file: BinaryIO, asked: str, seconds: float) -> bytes | None:
        """Return what a fork answers, cut off where it crashed; None where no process is kept or it is dead.

        Raises:
            TimeoutError: It takes longer than ``seconds``.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                if not self._fork(asked, [file.fileno(), theirs.fileno()]):
                    return None
            deadline = time.monotonic() + seconds
            pieces: list[bytes] = []
            while True:
                if (left := deadline - time.monotonic()) <= 0:
                    raise TimeoutError
                ours.settimeout(left)
                if not (piece := ours.recv(1 << 20)):
                    return b"".join(pieces)
                pieces.append(piece)

    def end(self) -> None:
        """End the process, and start no other."""
        with self._lock:
            self._kept = False
            self._stop()

    def _fork(self, asked: str, descriptors: list[int]) -> bool:
        with self._lock:
            if self._running is None:
                return False
            link = self._running[1]
            try:
                socket.send_fds(link, [asked.encode()], descriptors)
                if link.recv(1):  # what was sent has been taken, so that two questions never meet
                    return True
            except OSError:
                pass
            logger.warning("the process that forks decoders is dead; another is started")
            self._stop()
            self._begin()
            return False

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._running = _start(theirs, stdout=subprocess.DEVNULL), ours

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running[1].close()
            running[0].kill()
            running[0].communicate()


_FORKS = _Forks()


def _answer_of_a_start(file: BinaryIO, asked: str, seconds: float) -> bytes:
    """Return what a process answers that starts now.

    Raises:
        TimeoutError: It takes longer than ``seconds``.
    """
    process = _start(file, asked)
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    finally:
        process.kill()
        process.communicate()  # closes the pipe


def _start(file: BinaryIO | socket.socket, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cacara.media.isolation", *arguments],
        stdin=file.fileno(),
        stdout=stdout,
        cwd=Path(__file__).parents[2],  # so that `cacara` is found, installed or not
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread would reserve much of the memory
    )


def _serve() -> None:
    """Fork a child for each file that comes through standard input, with its limits and the socket for its answer."""
    import av  # noqa: F401 - what starting ahead is for

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    with socket.socket(fileno=os.dup(0)) as link:
        while True:
            asked, descriptors, _, _ = socket.recv_fds(link, 1 << 16, 2)
            if not descriptors:
                return  # whoever kept it has ended
            if os.fork() == 0:
                link.close()
                with socket.socket(fileno=descriptors[1]) as answer:
                    _answer(descriptors[0], answer.makefile("wb"), asked.decode())
                os._exit(0)
            for descriptor in descriptors:
                os.close(descriptor)
            link.send(b"1")


def _answer(file_descriptor: int, out: BinaryIO, asked: str) -> None:
    """Decode a file within limits, and write the answer."""
    limits = AudioLimits(**json.loads(asked))
    room = int(limits.max_seconds * SAMPLE_RATE_HZ)
    confine(_MEMORY_BYTES + room * _MEMORY_BYTES_A_SAMPLE, limits.max_decode_seconds)
    if hasattr(signal, "alarm"):  # nobody else ends a child that hangs
        signal.alarm(math.ceil(limits.max_decode_seconds + _START_SECONDS))
    samples = b""
    try:
        with open(file_descriptor, "rb", buffering=0, closefd=False) as file:
            recording = decoding.decode(file, limits)
    except AudioError as error:
        fields: dict[str, object] = {"error": str(error)}
    else:
        samples = recording.waveform.tobytes()
        fields = {"seconds": recording.seconds, "cut": recording.cut, "bytes": len(samples)}
        fields["notes"] = [note.packed() for note in recording.notes]
    with out:
        out.write(json.dumps(fields).encode() + b"\n" + samples)


def confine(memory_bytes: int, processor_seconds: float) -> None:
    """Limit the memory and processor time of this process from now on, and let a crash leave no dump.

    Args:
        memory_bytes: Most of the address space.
        processor_seconds: Further processor time that it may use.
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
    if len(sys.argv) > 1:
        _answer(0, sys.stdout.buffer, sys.argv[1])
    else:
        _serve()
