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
REMEMBERED = 10_000

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Served:
    """A file to send.

    Attributes:
        path: Where it lies.
        media_type: What it is.
    """

    path: Path
    media_type: str


class PlayableCopies:
    """The copies of sounds that browsers do not play, in a folder that goes with the process; safe for many threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Begin without copies; the folder is made with the first.

        Args:
            max_bytes: Of all copies together; the newest stays, whatever its size.
        """
        self._max_bytes = max_bytes
        self._folder: Path | None = None
        self._headers: collections.OrderedDict[str, str] = collections.OrderedDict()
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
        state = path.stat()
        key = hashlib.sha256(
            f"{path}\0{state.st_size}\0{state.st_mtime_ns}".encode(errors="surrogateescape")
        ).hexdigest()
        if media_type := self._media_type(key, path):
            return Served(path, media_type)
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

    def _media_type(self, key: str, path: Path) -> str:
        """Return what a browser plays a file as, or nothing; remembered."""
        with self._lock:
            if key in self._headers:
                self._headers.move_to_end(key)
                return self._headers[key]
        media_type = containers.read_header(path).media_type
        with self._lock:
            self._headers[key] = media_type
            while len(self._headers) > REMEMBERED:
                self._headers.popitem(last=False)
        return media_type

    def _place(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = working_folders.make("playable")
            return self._folder

    @staticmethod
    def _make(path: Path, copy: Path) -> None:
        partial = copy.with_suffix(".partial")
        try:
            for _ in streaming.copied(streaming.blocks(path), partial):
                pass
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
