"""Rows of people: their secret tokens, and what is theirs, to list, to take away and to delete."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Database

from feedback_db.errors import FeedbackError
from feedback_db.records import fields
from feedback_db.records.campaigns import MAX_LEASE_SECONDS
from feedback_db.records.lines import to_line
from feedback_db.records.opinions import FORGOTTEN, Deletion, Event, check_annotator
from feedback_db.records.people import Person
from feedback_db.store.events import EventStore, event_id, insert, read_events
from feedback_db.store.personal_archive import write_archive
from feedback_db.store.recordings import recordings_folder, remove_recordings

# An opinion outside a campaign is about a recording that the same person gave.
_GIVEN = """
    select recording_sha256, annotator from (
        select event_id, recording_sha256, campaign_id from judgements
        union all select event_id, recording_sha256, campaign_id from captions
        union all select event_id, recording_sha256, campaign_id from preferences
    ) join events using (event_id)
    where recording_sha256 is not null and campaign_id is null
"""
_OWN_RECORDINGS = f"""
    select recording_sha256 from ({_GIVEN}) group by recording_sha256
    having max(annotator = :annotator) = 1 and (:shared or min(annotator = :annotator) = 1)
    order by recording_sha256
"""
_ABOUT_RECORDING = """
    select event_id from judgements where recording_sha256 = :sha256
    union all select event_id from captions where recording_sha256 = :sha256
    union all select event_id from preferences where recording_sha256 = :sha256
    union all select event_id from adjudications where recording_sha256 = :sha256
"""
# A lease of a future day was made before the clock jumped back.
_MAY_HEAR = f"""
    select 1 from ({_GIVEN}) where recording_sha256 = :sha256 and annotator = :annotator
    union all select 1 from leases join campaign_items using (item_id)
    where recording_sha256 = :sha256 and annotator = :annotator
        and expires_ms > :now_ms and expires_ms <= :now_ms + :longest_ms
"""
_ITEMS_ABOUT = "(select item_id from campaign_items where recording_sha256 = ?)"
_INSERT_PERSON = """
    insert into people (annotator, token_sha256, created_utc) values (:annotator, :token_sha256, :created_utc)
    on conflict (annotator) do update set token_sha256 = excluded.token_sha256, created_utc = excluded.created_utc
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForgetResult:
    """Counts of what was removed when a person was forgotten.

    Attributes:
        events: Their own events, now tombstones.
        others_events: Other people's events about their recordings, gone with these.
        recordings: Hashes of their recordings, whose files are gone.
    """

    events: int
    others_events: int
    recordings: tuple[str, ...]


class _Own(NamedTuple):
    """Data of one person: their events, others' events about their recordings, and the recordings."""

    annotator: str
    mine: tuple[str, ...]
    others: tuple[str, ...]
    recordings: tuple[str, ...]


class PeopleStore(EventStore):
    """The part of ``Store`` that knows whose is what."""

    def register(self, annotator: str, *, claim: bool = False) -> str:
        """Give a name a secret token and return it; only its hash is kept, it cannot be shown again.

        Args:
            annotator: The name, or the anonymous token, that stands in this person's events.
            claim: Also take a name that has a token (which then no longer works) or events already. For the
                operator, who knows who asks, and for names that nobody can guess.

        Raises:
            FeedbackError: The name is taken, or it could not be stored.
        """
        token = secrets.token_urlsafe(32)
        check_annotator(annotator)
        fields.check_visible("annotator", annotator)
        person = Person(annotator=annotator, token_sha256=_hash(token))
        with self._connection.writing() as database:
            taken = (
                "select 1 from people where annotator = :name union all select 1 from events where annotator = :name"
            )
            if not claim and next(database.query(taken, {"name": annotator}), None) is not None:
                raise FeedbackError(f"the name {annotator!r} is taken; choose another one, or use its token")
            insert_person(database, person)
        self._told([person])
        return token

    def identify(self, token: str) -> str | None:
        """Return whose token this is, or None when nobody's.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return _find_person(database, token)

    def is_registered(self, annotator: str) -> bool:
        """Return whether a name has a token, so that only who knows it may use the name.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return next(database.query("select 1 from people where annotator = ?", [annotator]), None) is not None

    def list_mine(self, token: str) -> list[Event]:
        """Return every event of the person whose token this is, in the order of arrival.

        Raises:
            FeedbackError: It is nobody's token.
        """
        with self._connection.reading() as database:
            return _own_events(database, _require_person(database, token))

    def list_my_recordings(self, token: str) -> list[str]:
        """Return the hashes of the recordings that the person whose token this is has given.

        Raises:
            FeedbackError: It is nobody's token.
        """
        with self._connection.reading() as database:
            return _own_recordings(database, _require_person(database, token), shared=True)

    def export_mine(self, token: str, output: Path, recordings: Path | None = None) -> None:
        """Write all that is a person's into a ZIP: ``events.jsonl`` and their recordings.

        Args:
            token: The person's token.
            output: The file to write, beside and then renamed.
            recordings: The folder of recordings; the one beside the database when None.

        Raises:
            FeedbackError: It is nobody's token, or the file cannot be written.
        """
        with self._connection.reading() as database:
            annotator = _require_person(database, token)
            lines = [to_line(event) for event in _own_events(database, annotator)]
            hashes = _own_recordings(database, annotator, shared=True)
        write_archive(output, lines, hashes, recordings or recordings_folder(self._connection.path))

    def forget(self, token: str, recordings: Path | None = None) -> ForgetResult:
        """Delete for good all that is the person's whose token this is, the token too.

        Their events become tombstones without content or name. Their recordings' files go, and with them
        other people's opinions about these; a recording that somebody else gave as well stays. It may be
        called again after a failure.

        Args:
            token: The person's token.
            recordings: The folder of recordings; the one beside the database when None.

        Raises:
            FeedbackError: It is nobody's token, a file cannot be removed, or the database cannot be written;
                no row is then changed.
        """
        folder = recordings or recordings_folder(self._connection.path)
        while True:
            with self._connection.reading() as database:
                found = _find_own(database, token)
            if self._listener is not None:
                self._listener.forgetting(found.annotator, frozenset(found.mine + found.others), found.recordings)
            noted = found
            with self._connection.writing() as database:
                found = _find_own(database, token)
                if found == noted:  # else more has come in meanwhile
                    deletions = _erase(database, found)
                    # Before the commit: after a failure the rows are still there, and with them a way to try again.
                    remove_recordings(folder, found.recordings)
                    break
        self._connection.shed_log()
        self._told(deletions)
        return ForgetResult(events=len(found.mine), others_events=len(found.others), recordings=found.recordings)

    def has_recording(self, sha256: str) -> bool:
        """Return whether somebody has agreed that this recording is kept, and nobody took that back.

        A recording for which this is False must not be shown to anyone.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return next(database.query(_ABOUT_RECORDING, {"sha256": sha256}), None) is not None

    def may_hear(self, token: str, sha256: str) -> bool:
        """Return whether a recording may be given to the person whose token this is.

        It may to who gave it, and to who holds a question of a campaign that asks with it; ``has_recording`` says
        whether its consent still stands.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            annotator = _find_person(database, token)
            values = {
                "annotator": annotator,
                "sha256": sha256,
                "now_ms": int(time.time() * 1000),
                "longest_ms": MAX_LEASE_SECONDS * 1000,
            }
            return annotator is not None and next(database.query(_MAY_HEAR, values), None) is not None


def insert_person(database: Database, person: Person) -> None:
    """Write a person with the hash of their token, inside a write transaction."""
    database.execute(_INSERT_PERSON, dataclasses.asdict(person))


def _hash(token: object) -> str:
    # The token has 256 random bits: a slow, salted hash would protect it no better.
    return hashlib.sha256(str(token).encode("utf-8", "replace")).hexdigest()


def _find_person(database: Database, token: str) -> str | None:
    row = next(database.query("select annotator from people where token_sha256 = ?", [_hash(token)]), None)
    return None if row is None else str(row["annotator"])


def _require_person(database: Database, token: str) -> str:
    annotator = _find_person(database, token)
    if annotator is None:
        raise FeedbackError("this token is nobody's; use the one you were given, or ask the operator for another")
    return annotator


def _own_events(database: Database, annotator: str) -> list[Event]:
    check_annotator(annotator)
    return read_events(database, "where events.annotator = :annotator", {"annotator": annotator})


def _own_recordings(database: Database, annotator: str, *, shared: bool) -> list[str]:
    rows = database.query(_OWN_RECORDINGS, {"annotator": annotator, "shared": shared})
    return [row["recording_sha256"] for row in rows]


def _about_recordings(database: Database, hashes: Iterable[str], except_for: frozenset[str]) -> list[str]:
    found = [row["event_id"] for sha256 in hashes for row in database.query(_ABOUT_RECORDING, {"sha256": sha256})]
    undos = "select event_id from undos where undone_event_id = ?"
    found += [row["event_id"] for about in found for row in database.query(undos, [about])]
    return [about for about in dict.fromkeys(found) if about not in except_for]


def _find_own(database: Database, token: str) -> _Own:
    annotator = _require_person(database, token)
    mine = tuple(event_id(event) for event in _own_events(database, annotator))
    hashes = tuple(_own_recordings(database, annotator, shared=False))
    others = _about_recordings(database, hashes, except_for=frozenset(mine))
    return _Own(annotator=annotator, mine=mine, others=tuple(others), recordings=hashes)


def _erase(database: Database, own: _Own) -> list[Deletion]:
    deletions = [
        Deletion(event_ids=ids, reason=reason)
        for ids, reason in ((own.mine, "forgotten"), (own.others, "recording"))
        if ids
    ]
    for deletion in deletions:
        insert(database, deletion)
    for table in ("people", "skips", "leases"):
        database.execute(f"delete from {table} where annotator = ?", [own.annotator])
    database.execute("update campaigns set created_by = ? where created_by = ?", [FORGOTTEN, own.annotator])
    for sha256 in own.recordings:
        for table in ("leases", "skips"):
            database.execute(f"delete from {table} where item_id in {_ITEMS_ABOUT}", [sha256])
        database.execute("delete from campaign_items where recording_sha256 = ?", [sha256])
    return deletions
