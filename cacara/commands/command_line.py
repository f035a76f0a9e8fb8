"""Shared options and output of the commands of ``python -m cacara``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cacara.errors import CacaraError
from cacara.galleries import places
from cacara.model.config import DEFAULT_MODEL
from cacara.sources.clients import Progress

EACH_SHARE = 0.1
EACH_SECONDS = 30.0
"""So often a log that is no terminal is told how far long work is."""


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    """Return a new command's parser, described by the first line of its function's docstring."""
    summary = (run.__doc__ or "").split("\n")[0]
    parser = commands.add_parser(name, help=summary.rstrip("."), description=summary)
    parser.set_defaults(run=run)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a bundled model's name or a model folder")
    return parser


def add_gallery(parser: argparse.ArgumentParser) -> None:
    """Add ``--gallery``."""
    parser.add_argument("--gallery", type=places.place, metavar="PLACE", help=places.HELP)


class ProgressLines:
    """Progress on standard error: on a terminal one line that changes, else a line each tenth and each half minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing shown.

        Args:
            clock: Seconds, never going back.
        """
        self._clock = clock
        self._work: tuple[str, str] | None = None
        self._share = 0.0
        self._seconds = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show how far some work is."""
        share = "" if progress.fraction is None else f" {progress.fraction:4.0%}"
        line = f"{progress.subject}: {progress.stage}{share}"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if progress.stage == "ready" else ""))
        elif self._is_news(progress):
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def _is_news(self, progress: Progress) -> bool:
        work, share, now = (progress.subject, progress.stage), progress.fraction or 0.0, self._clock()
        other = work != self._work or share < self._share
        ended = share == 1.0 > self._share
        moved = share >= self._share + EACH_SHARE or (share > self._share and now >= self._seconds + EACH_SECONDS)
        if not (other or ended or moved or progress.fraction is None):
            return False
        self._work, self._share, self._seconds = work, share, now
        return True


show_progress = ProgressLines()
"""The progress of this process's commands: standard error is one, so what was last written to it is remembered once."""


def require_writable(path: Path) -> None:
    """Refuse a path that cannot be written before minutes of work.

    Raises:
        CacaraError: It is a folder, or its folder is missing or may not be written.
    """
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise CacaraError(f"cannot write {path}; wanted a file in a folder that exists and may be written")


def make_folder(path: Path) -> None:
    """Make a folder for results, with those above it.

    Raises:
        CacaraError: It cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacaraError(f"cannot make the folder {path}: {error.strerror or error}") from error
    if not os.access(path, os.W_OK):
        raise CacaraError(f"cannot write in {path}; wanted a folder that may be written")
