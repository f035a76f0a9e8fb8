"""Atomic writes: a file or folder is written beside its place and then put there, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"
"""Suffix of unfinished files and folders; a ``*.partial`` beside a target is left over from a killed process."""


@contextlib.contextmanager
def replacing(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside ``target`` to write a file or make a folder at; it takes the target's place at the end.

    A reader sees the old content or the new one, never a part. After an exception the target is as it was and nothing
    is left beside it. Parent folders are made. Two writers at once do not meet: the last to finish wins.

    Args:
        target: A file, or a folder; an older folder there is replaced.
        durable: Whether a file is on the disk before it takes its place, so that a power cut leaves one of the two.

    Raises:
        OSError: The disk is full, or the place may not be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.{secrets.token_hex(4)}{SUFFIX}")
    try:
        yield partial
        if durable:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        if partial.is_dir() and target.is_dir():
            _replace_folder(partial, target)
        else:
            partial.replace(target)
    finally:
        with contextlib.suppress(OSError):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    r"""Write a UTF-8 text file atomically, its line ends as they are.

    Raises:
        OSError: The disk is full, or the place may not be written.
    """
    with replacing(target) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _replace_folder(partial: Path, target: Path) -> None:
    """Put a folder in the place of another; a rename alone would want an empty one there."""
    old = target.with_name(f"{target.name}.{os.getpid()}.{secrets.token_hex(4)}.old{SUFFIX}")
    target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)
