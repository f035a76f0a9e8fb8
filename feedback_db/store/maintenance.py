"""Keeping the database: adding records from elsewhere, backing up while others write, checking that all is there."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from cacara_files import atomic
from feedback_db.errors import FeedbackError
from feedback_db.records.campaigns import Campaign, Item
from feedback_db.records.opinions import Undo
from feedback_db.records.people import Person, Record, Skip
from feedback_db.store.campaigns import (
    find_campaign,
    find_item,
    insert_campaign,
    insert_item,
    read_campaigns,
    read_items,
)
from feedback_db.store.events import EventStore, add_event, read_events
from feedback_db.store.faults import describe
from feedback_db.store.people import insert_person
from feedback_db.store.queue import add_skip
from feedback_db.store.recordings import hash_file, recording_path, recordings_folder

BACKUP_NAME = "feedback.db"
"""The database's name within a backup's folder."""

# A record stands on those of the types before its own; events stay in the order in which they are given.
_PLACES: Mapping[type, int] = {Campaign: 0, Item: 1, Person: 2, Skip: 4}
_EVENTS_PLACE = 3
_WITHOUT_DETAILS = """
    select kind, count(*) as number from events
    where kind in ('judgement', 'caption', 'preference', 'adjudication', 'undo')
        and event_id not in (
            select event_id from judgements union all select event_id from captions
            union all select event_id from preferences union all select event_id from adjudications
            union all select event_id from undos union all select deleted_event_id from deletions
        )
    group by kind
"""
_RECORDINGS = """
    select recording_sha256 from judgements where recording_sha256 is not null
    union select recording_sha256 from captions where recording_sha256 is not null
    union select recording_sha256 from preferences where recording_sha256 is not null
    order by 1
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MergeResult:
    """Outcome of importing records.

    Attributes:
        new: How many were stored.
        known: How many were there already, or were deleted for good.
        refused: By their place in what was given, from 0: why they were not stored.
    """

    new: int
    known: int
    refused: dict[int, str]


class MaintenanceStore(EventStore):
    """The part of ``Store`` that keeps the whole in order."""

    def records(self, *, people: bool = False) -> list[Record]:
        """Return everything but leases, so that adding it to an empty database gives the same.

        Args:
            people: Include the people with the hashes of their tokens.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            campaigns = [campaign.campaign_id for campaign in read_campaigns(database)]
            found: list[Record] = [change for made in campaigns for change in read_campaigns(database, made)]
            found += read_items(database)
            if people:
                found += [Person(**row) for row in database.query("select * from people order by annotator")]
            found += read_events(database)
            found += [Skip(**row) for row in database.query("select * from skips order by created_utc, item_id")]
        return found

    def add_records(self, records: Sequence[Record], *, skip_bad: bool = False, tell: bool = True) -> MergeResult:
        """Store records from elsewhere; those that are there already are passed over.

        Events keep the order in which they are given, but that an undo which came before its opinion is
        stored after all others. Campaigns and items are stored before events and skips after them, wherever
        they stood.

        Args:
            records: Records of any types.
            skip_bad: Store the good ones even if some cannot be; otherwise nothing is stored then.
            tell: Whether the listener is told.

        Raises:
            FeedbackError: The database cannot be written.
        """
        placed = sorted(enumerate(records), key=lambda pair: _PLACES.get(type(pair[1]), _EVENTS_PLACE))
        new: list[Record] = []
        refused: dict[int, str] = {}
        try:
            with self._connection.writing() as database:
                early_undos = _add_all(database, placed, new, refused)
                for number, _ in early_undos:
                    del refused[number]
                _add_all(database, early_undos, new, refused)
                if refused and not skip_bad:
                    raise _RefusedError
        except _RefusedError:
            return MergeResult(new=0, known=0, refused=refused)
        if tell:
            self._told(new)
        return MergeResult(new=len(new), known=len(records) - len(new) - len(refused), refused=refused)

    def backup(self, folder: Path, recordings: Path | None = None) -> None:
        """Copy the database and its recordings into a new folder, while others go on writing.

        The copy is one moment's state. To restore it, use its ``feedback.db``, in its folder, as the database.

        Args:
            folder: The folder to make; written beside and then renamed.
            recordings: The folder of recordings; the one beside the database when None.

        Raises:
            FeedbackError: The folder is there already, or cannot be written.
        """
        if folder.exists():
            raise FeedbackError(f"the folder {folder} is there already; name a new one")
        try:
            with atomic.replacing(folder) as partial:
                partial.mkdir(mode=0o700)
                _copy(self._connection.path, partial / BACKUP_NAME)
                # After the rows: a recording is kept before its row, so none that a row names can be missing.
                source = recordings or recordings_folder(self._connection.path)
                if source.is_dir():
                    shutil.copytree(source, partial / "recordings", ignore=shutil.ignore_patterns("*.partial"))
        except (OSError, shutil.Error) as error:
            raise FeedbackError(f"the backup {folder} cannot be written ({error})") from error

    def verify(self, recordings: Path | None = None) -> list[str]:
        """Return every problem found in the database and its recordings, one line each; none when all is well.

        Args:
            recordings: The folder of recordings; the one beside the database when None.

        Raises:
            FeedbackError: The database cannot be read at all.
        """
        with self._connection.reading() as database:
            problems = [f"integrity: {row[0]}" for row in database.execute("pragma integrity_check") if row[0] != "ok"]
            broken = database.execute("pragma foreign_key_check").fetchall()
            problems += [f"a row of {row[0]} refers to a row of {row[2]} that is not there" for row in broken]
            problems += [f"{row['number']} {row['kind']} without content" for row in database.query(_WITHOUT_DETAILS)]
            for read in (read_campaigns, read_items, read_events):
                try:
                    read(database)
                except (FeedbackError, ValueError, TypeError) as error:
                    problems.append(f"a row cannot be read: {error}")
            hashes = [row["recording_sha256"] for row in database.query(_RECORDINGS)]
        return problems + _recording_problems(recordings or recordings_folder(self._connection.path), hashes)


class _RefusedError(Exception):
    """Rolls an import back."""


def _add_all(
    database: Database, numbered: Iterable[tuple[int, Record]], new: list[Record], refused: dict[int, str]
) -> list[tuple[int, Record]]:
    """Store records, note which were new and which refused, and return the refused undos."""
    undos: list[tuple[int, Record]] = []
    for number, record in numbered:
        try:
            if _add(database, record):
                new.append(record)
        except FeedbackError as error:
            refused[number] = str(error)
            if isinstance(record, Undo):
                undos.append((number, record))
    return undos


def _add(database: Database, record: Record) -> bool:
    """Store one record; return whether it was new."""
    if isinstance(record, Campaign):
        if record in read_campaigns(database, record.campaign_id):
            return False
        insert_campaign(database, record)
    elif isinstance(record, Item):
        find_campaign(database, record.campaign_id)
        return insert_item(database, record)
    elif isinstance(record, Person):
        if next(database.query("select 1 from people where annotator = ?", [record.annotator]), None) is not None:
            return False
        insert_person(database, record)
    elif isinstance(record, Skip):
        find_item(database, record.item_id)
        return add_skip(database, record)
    else:
        return add_event(database, record)
    return True


def _copy(path: Path, target: Path) -> None:
    try:
        # A connection of its own: writers of this process go on meanwhile.
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            # One file, without a log beside it that could be left behind.
            copy.execute("pragma journal_mode = delete")
            (found,) = copy.execute("pragma integrity_check(1)").fetchone()
        if found != "ok":
            raise FeedbackError(f"the copy of {path} is damaged (SQLite: {found}); verify the database")
        with target.open("rb") as file:
            os.fsync(file.fileno())
    except sqlite3.Error as error:
        raise FeedbackError(describe(error, path)) from error


def _recording_problems(folder: Path, hashes: Sequence[str]) -> list[str]:
    problems = []
    for sha256 in hashes:
        path = recording_path(folder, sha256)
        if not path.is_file():
            problems.append(f"the recording {sha256} is missing from {folder}")
        elif hash_file(path) != sha256:
            problems.append(f"the recording {sha256} has other bytes than it was stored with")
    return problems
