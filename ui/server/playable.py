"""Sounds as browsers play them: as they are where the coding allows it, else as a copy in 16-bit PCM, made once."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import logging
import threading
from pathlib import Path

from cacara import working_folders
from cacara.media import containers, streaming

MAX_BYTES = 1 << 30
"""So much of the disk copies may take; the one that was asked for longest ago makes room. An hour has 115 MB."""

MAKING_AT_ONCE = 2

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Served:
    """A file to send.

    Attributes:
        path: Its file.
        media_type: Its MIME type.
    """

    path: Path
    media_type: str


def certain_type(head: bytes) -> str:
    """Return what a browser plays a file as, by its beginning alone, or nothing where that does not tell.

    No decoder opens the file, so this is for what strangers sent.

    Args:
        head: Its first 36 bytes, or more.
    """
    if head[:4] == b"RIFF" and head[12:16] == b"fmt ":
        code, bits = (int.from_bytes(head[start : start + 2], "little") for start in (20, 34))
        return "audio/wav" if (code, bits) in ((1, 8), (1, 16), (1, 24), (3, 32), (6, 8), (7, 8)) else ""
    signs = {b"OggS": "audio/ogg", b"fLaC": "audio/flac", b"ID3": "audio/mpeg", b"\x1aE\xdf\xa3": "audio/webm"}
    return next((media_type for sign, media_type in signs.items() if head.startswith(sign)), "")


def decoded(path: Path, copy: Path) -> None:
    """Write a copy of a sound that browsers play; the decoder runs in a process of its own.

    Args:
        path: The sound.
        copy: Destination, which is replaced.

    Raises:
        AudioError: It cannot be read.
        OSError: The disk is full.
    """
    for _ in streaming.copied(streaming.blocks(path), copy):
        pass


class PlayableCopies:
    """The copies of sounds that browsers do not play, in a folder that goes with the process; safe for many threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Begin without copies; the folder is made with the first.

        Args:
            max_bytes: Of all copies together; the newest stays, whatever its size.
        """
        self._max_bytes = max_bytes
        self._folder: Path | None = None
        self._copies: collections.OrderedDict[str, int] = collections.OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(MAKING_AT_ONCE)

    def of(self, path: Path) -> Served:
        """Return a sound as it is, or a copy of it.

        Args:
            path: A file that is known to be harmless: one of a gallery.

        Raises:
            AudioError: It cannot be read.
            CacaraError: There is no place for a copy.
            OSError: The file went meanwhile.
        """
        if media_type := containers.read_header(path).media_type:
            return Served(path, media_type)
        state = path.stat()
        key = hashlib.sha256(
            f"{path}\0{state.st_size}\0{state.st_mtime_ns}".encode(errors="surrogateescape")
        ).hexdigest()
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            copy = self._place() / f"{key}.wav"
            if not copy.is_file():
                with self._turns:
                    self._make(path, copy)
            self._keep(key, copy)
        with self._lock:
            self._making.pop(key, None)
        return Served(copy, "audio/wav")

    def _place(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = working_folders.make("playable")
            return self._folder

    @staticmethod
    def _make(path: Path, copy: Path) -> None:
        partial = copy.with_suffix(".partial")
        try:
            decoded(path, partial)
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)

    def _keep(self, key: str, copy: Path) -> None:
        """Count a copy, and remove those that were asked for longest ago where there are too many bytes."""
        with self._lock:
            self._copies[key] = copy.stat().st_size
            self._copies.move_to_end(key)
            while sum(self._copies.values()) > self._max_bytes and len(self._copies) > 1:
                old, _ = self._copies.popitem(last=False)
                copy.with_name(f"{old}.wav").unlink(missing_ok=True)
