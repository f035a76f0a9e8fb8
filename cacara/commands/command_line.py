"""What the commands of ``python -m cacara`` share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cacara.errors import CacaraError
from cacara.model.config import DEFAULT_MODEL
from cacara.sources.clients import Progress


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


def show_progress(progress: Progress) -> None:
    """Write one line of progress to standard error; on a terminal it replaces the last one."""
    share = "" if progress.fraction is None else f" {progress.fraction:4.0%}"
    line = f"{progress.subject}: {progress.stage}{share}"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if progress.stage == "ready" else ""))
    elif progress.fraction in (None, 0.0, 1.0):
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


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
