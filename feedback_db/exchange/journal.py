"""Everything stored, once more as append-only JSONL: one file a process, from which a database can be made again."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock

from cacara_files import atomic
from feedback_db.errors import FeedbackError
from feedback_db.records.campaigns import Campaign, Item
from feedback_db.records.lines import from_line, to_line
from feedback_db.records.opinions import FORGOTTEN
from feedback_db.records.people import Person, Record, Skip
from feedback_db.store.events import event_id

logger = logging.getLogger(__name__)

_FILE = re.compile(r"(\d{6})-[0-9a-f]{12}\.jsonl")


class Journal:
    """A folder of JSONL files beside a database; a ``Listener`` of its ``Store``.

    Each process appends to a file of its own. Its name begins with a number higher than those of all earlier
    ones, so that the files' order is the order of the runs, whatever the clock says.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is missing, and choose this process's file; it is made at the first record.

        Args:
            folder: Where the files are; nothing else belongs there.

        Raises:
            FeedbackError: The folder cannot be made.
        """
        self.folder = folder
        self.pausing: Callable[[], AbstractContextManager[object]] = nullcontext
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            numbers = [int(found.group(1)) for path in folder.iterdir() if (found := _FILE.fullmatch(path.name))]
        except OSError as error:
            raise FeedbackError(f"the journal {folder} cannot be made ({error.strerror})") from error
        self.path = folder / f"{max(numbers, default=0) + 1:06d}-{uuid.uuid4().hex[:12]}.jsonl"
        self._unwritten: list[str] = []
        self._threads = threading.Lock()
        self._processes = FileLock(folder / ".lock")

    def stored(self, records: list[Record]) -> None:
        """Append records; those that cannot be written now are kept in memory and written at the next call."""
        with self._threads:
            self._unwritten += [to_line(record) for record in records]
            try:
                self._write()
            except OSError as error:
                # The rows are safe in the database, and the next start notes what is missing here.
                logger.warning("%s: %d records not noted yet (%s)", self.path, len(self._unwritten), error)

    def problem(self) -> str:
        """Return why something is not noted yet, in one line, or the empty string."""
        waiting = len(self._unwritten)
        return f"{waiting} records could not yet be written to {self.path}" if waiting else ""

    def read(self) -> list[Record]:
        """Return every record of every file, in the order of the files and lines.

        A line that is no record is left out with a warning: a killed process may leave half of its last one.

        Raises:
            FeedbackError: A file cannot be read.
        """
        found: list[Record] = []
        for path in self._files():
            for number, line in enumerate(_read_lines(path), 1):
                try:
                    found.append(from_line(line))
                except FeedbackError as error:
                    logger.warning("%s, line %d: %s", path, number, error)
        return found

    def forgetting(self, annotator: str, event_ids: frozenset[str], recordings: tuple[str, ...]) -> None:
        """Write every file anew without what is one person's.

        Raises:
            FeedbackError: A file cannot be written; run it again.
        """
        with self._threads, self._processes, self.pausing():
            self._unwritten = list(_without(self._unwritten, annotator, event_ids, recordings))
            for path in self._files():
                lines = _read_lines(path)
                kept = list(_without(lines, annotator, event_ids, recordings))
                if kept == lines:
                    continue
                try:
                    with atomic.replacing(path, durable=True) as partial:
                        partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8", newline="\n")
                except OSError as error:
                    raise FeedbackError(f"the journal {path} cannot be written ({error.strerror})") from error

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if _FILE.fullmatch(path.name))

    def _write(self) -> None:
        if not self._unwritten:
            return
        content = "".join(f"{line}\n" for line in self._unwritten).encode()
        with self._processes, self.pausing():
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    content = b"\n" + content  # a full disk had cut the line before
                while content:
                    content = content[os.write(descriptor, content) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._unwritten = []


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise FeedbackError(f"the journal {path} cannot be read ({error.strerror})") from error
    return [line for line in text.split("\n") if line]


def _without(
    lines: Iterable[str], annotator: str, event_ids: frozenset[str], recordings: tuple[str, ...]
) -> Iterable[str]:
    for line in lines:
        try:
            record = from_line(line)
        except FeedbackError:
            # Half a line may still hold a name: it goes if it could be theirs.
            if json.dumps(annotator, ensure_ascii=False)[1:-1] not in line:
                yield line
            continue
        if isinstance(record, Campaign):
            yield to_line(_unsigned(record, annotator))
        elif isinstance(record, Person | Skip):
            if record.annotator != annotator:
                yield line
        elif isinstance(record, Item):
            if record.recording_sha256 is None or record.recording_sha256 not in recordings:
                yield line
        elif event_id(record) not in event_ids:
            yield line


def _unsigned(campaign: Campaign, annotator: str) -> Campaign:
    return dataclasses.replace(campaign, created_by=FORGOTTEN) if campaign.created_by == annotator else campaign
