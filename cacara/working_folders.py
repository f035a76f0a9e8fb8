"""Folders for the life of a process: what visitors send, what is being made. None outlives its process for long.

A process that is killed cleans up nothing, so each folder holds a locked file, and the system lets go of the lock when
the process ends, however it ends. The next start removes the folders whose lock nobody holds.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from cacara.errors import CacaraError

PREFIX = "cacara-"
OWNER = ".owner"
"""The file in each folder that its process keeps locked."""

log = logging.getLogger(__name__)
_mine: dict[Path, FileLock] = {}
_lock = threading.Lock()


def make(purpose: str) -> Path:
    """Return a new folder of this user's alone, which goes when this process ends.

    Args:
        purpose: A word that tells a reader of the system's temporary folder what this one is for.

    Raises:
        CacaraError: The system's temporary folder is full, or not writable.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
        owner = FileLock(folder / OWNER, thread_local=False)
        owner.acquire(timeout=0)
    except OSError as error:
        raise CacaraError(f"no folder for {purpose} can be made: {error}; free some disk, or set TMPDIR") from error
    with _lock:
        if not _mine:
            atexit.register(_remove_mine, os.getpid())
        _mine[folder] = owner
    return folder


def remove(folder: Path) -> None:
    """Remove a folder of ``make`` before the process ends; one that went already is no error."""
    with _lock:
        owner = _mine.pop(folder, None)
    shutil.rmtree(folder, ignore_errors=True)
    if owner is not None:
        owner.release()


@contextlib.contextmanager
def made(purpose: str) -> Iterator[Path]:
    """Give a folder of ``make`` that goes when the block ends."""
    folder = make(purpose)
    try:
        yield folder
    finally:
        remove(folder)


def remove_stale() -> list[Path]:
    """Remove the folders whose processes are no more, and return them.

    Folders of other users, links, and folders without an owner's file are left alone.
    """
    removed = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        if folder not in _mine and _is_ours(folder) and _is_stale(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    if removed:
        log.info("removed %d folders that a killed process had left in %s", len(removed), removed[0].parent)
    return removed


def _is_ours(folder: Path) -> bool:
    try:
        told = [folder.lstat(), (folder / OWNER).lstat()]
    except OSError:  # it went, or was not made here
        return False
    kinds = stat.S_ISDIR(told[0].st_mode) and stat.S_ISREG(told[1].st_mode)
    return kinds and (not hasattr(os, "getuid") or all(each.st_uid == os.getuid() for each in told))


def _is_stale(folder: Path) -> bool:
    owner = FileLock(folder / OWNER)
    try:
        owner.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    owner.release()
    return True


def _remove_mine(process: int) -> None:
    if os.getpid() == process:  # a forked child has the same list, and they are not its own
        for folder in list(_mine):
            remove(folder)
