"""A ZIP with all that is one person's."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from cacara_files import atomic
from feedback_db.errors import FeedbackError
from feedback_db.store.recordings import recording_path


def write_archive(output: Path, lines: Iterable[str], hashes: Iterable[str], recordings: Path) -> None:
    """Write ``events.jsonl`` and the recordings that are there into a ZIP, beside and then renamed.

    Args:
        output: The file to write; replaced if it is there. Readable by this user only.
        lines: The lines of ``events.jsonl``.
        hashes: The recordings.
        recordings: The folder they are kept in.

    Raises:
        FeedbackError: It cannot be written.
    """
    try:
        with atomic.replacing(output) as partial:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("events.jsonl", "".join(f"{line}\n" for line in lines))
                for sha256 in hashes:
                    path = recording_path(recordings, sha256)
                    if path.is_file():
                        archive.write(path, f"recordings/{sha256}{path.suffix}")
    except OSError as error:
        raise FeedbackError(f"the archive {output} cannot be written ({error.strerror})") from error
