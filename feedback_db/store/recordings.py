"""Recordings whose speakers agreed to keep them, each stored once under the hash of its bytes."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from feedback_db.errors import FeedbackError

# Ten minutes of 16-bit mono at 44.1 kHz are 53 MB; a query is some seconds.
MAX_RECORDING_BYTES = 64 * 2**20

_CHUNK_BYTES = 2**20
_ABANDONED_SECONDS = 3600.0


def recordings_folder(database: Path) -> Path:
    """Return the folder that holds the recordings of a feedback database: ``recordings`` beside it."""
    return database.absolute().parent / "recordings"


def recording_path(folder: Path, sha256: str) -> Path:
    """Return where a recording lies in its folder, whether or not it is there.

    Raises:
        FeedbackError: ``sha256`` is not 64 lower-case hex digits.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise FeedbackError(f"recording hash: found {sha256!r:.80}, wanted 64 lower-case hex digits")
    return folder / sha256[:2] / f"{sha256}.wav"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits.

    Raises:
        FeedbackError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FeedbackError(f"the recording {path} cannot be read ({error.strerror})") from error


def save_recording(folder: Path, source: Path | bytes, *, max_bytes: int = MAX_RECORDING_BYTES) -> str:
    """Keep a recording and return the SHA-256 of its bytes; call it only with the speaker's consent.

    The bytes are stored as they are and are on the disk when this returns. Whoever looks meanwhile, or
    after a crash, finds the whole recording under its name or none. Readable by this user only.

    Args:
        folder: Where recordings are kept, see ``recordings_folder``; made if missing.
        source: The audio file, or its bytes.
        max_bytes: Refuse more than this.

    Raises:
        FeedbackError: The source is unreadable, empty or too large, or the folder cannot be written.
    """
    try:
        _make_folder(folder)
        _remove_abandoned(folder)
        with _opened(source) as file:
            return _store(folder, file, max_bytes)
    except OSError as error:
        raise FeedbackError(
            f"the recording could not be kept in {folder} ({error.strerror}); "
            "wanted a readable recording, a folder this program may write to, and free space"
        ) from error


def remove_recordings(folder: Path, hashes: Iterable[str]) -> None:
    """Remove the files of these recordings; those that are gone already are fine.

    Raises:
        FeedbackError: A file cannot be removed.
    """
    for sha256 in hashes:
        path = recording_path(folder, sha256)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _flush_folder(path.parent)
        except OSError as error:
            raise FeedbackError(
                f"the recording {path} cannot be removed ({error.strerror}); nothing was deleted, try again"
            ) from error


def _opened(source: Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not source.is_file():  # opening a pipe would wait for ever
        raise FeedbackError(f"the recording {source} is not there or is not a file; record or upload it again")
    return source.open("rb")


def _store(folder: Path, source: BinaryIO, max_bytes: int) -> str:
    # Hash what is written, not what the file was before: an upload may change under our hands.
    digest = hashlib.sha256()
    written = 0
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=".partial")
    partial = Path(name)
    try:
        with open(descriptor, "wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                written += len(chunk)
                if written > max_bytes:
                    raise FeedbackError(
                        f"the recording is too large to keep: found more than {max_bytes:,} bytes, "
                        "wanted fewer; use a shorter one"
                    )
                digest.update(chunk)
                target.write(chunk)
            if not written:
                raise FeedbackError("the recording is empty: found 0 bytes, wanted sound; record it again")
            target.flush()
            os.fsync(target.fileno())
        path = recording_path(folder, digest.hexdigest())
        _make_folder(path.parent)
        partial.replace(path)  # also mends a damaged copy
        _flush_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    return digest.hexdigest()


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    """Put new names on the disk: without it a power cut may lose a file that was itself flushed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left: nobody consented to keep half a recording for ever."""
    for partial in folder.glob("*.partial"):
        try:
            if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                partial.unlink()
        except FileNotFoundError:
            continue  # its writer has just finished
