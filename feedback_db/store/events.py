"""Rows of opinions: how events are written and what of them counts now."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlite_utils import Database

from feedback_db.errors import FeedbackError, StaleAnswerError
from feedback_db.records import fields
from feedback_db.records.opinions import (
    LABELS,
    Adjudication,
    Caption,
    Counts,
    Deletion,
    Event,
    Judgement,
    Preference,
    Undo,
)
from feedback_db.records.people import Listener, Record
from feedback_db.store.connection import Connection

Opinion = TypeVar("Opinion", Judgement, Caption, Preference, Adjudication)


class _Table(NamedTuple):
    """Storage of a type of records: kind, table, name of the id, and the table's columns."""

    kind: str
    table: str
    id_field: str
    fields: tuple[str, ...]
    columns: tuple[str, ...]


_TUPLES = ("reasons", "first_clip_ids", "second_clip_ids")


def _describe(record: type, kind: str, table: str) -> _Table:
    id_field = f"{kind}_id"
    names = tuple(
        field.name for field in dataclasses.fields(record) if field.name not in (id_field, "annotator", "created_utc")
    )
    columns = tuple(f"{name}_json" if name in _TUPLES else name for name in names)
    return _Table(kind, table, id_field, names, columns)


_TABLES: Mapping[type, _Table] = {
    Judgement: _describe(Judgement, "judgement", "judgements"),
    Caption: _describe(Caption, "caption", "captions"),
    Preference: _describe(Preference, "preference", "preferences"),
    Adjudication: _describe(Adjudication, "adjudication", "adjudications"),
}
_BY_KIND: Mapping[str, type] = {table.kind: record for record, table in _TABLES.items()}
KIND_TABLES: Mapping[str, str] = {table.kind: table.table for table in _TABLES.values()} | {"undo": "undos"}
"""The table that holds the details of each kind of event that can be erased."""

_INSERT_EVENT = "insert into events (event_id, kind, annotator, created_utc) values (?, ?, ?, ?)"
_INSERT_UNDO = "insert into undos (event_id, undone_event_id) values (?, ?)"
_INSERT_DELETION = "insert or ignore into deletions (deleted_event_id, event_id, reason) values (?, ?, ?)"
_FIND_EVENT = """
    select events.annotator, events.kind, undos.event_id as undo_id
    from events left join undos on undos.undone_event_id = events.event_id
    where events.event_id = ?
"""
_KNOWN = """
    select event_id from events where event_id = :id
    union all select deleted_event_id from deletions where deleted_event_id = :id
"""
_COUNT_LABELS = "select label, count(*) as number from current_judgements group by label"
_COUNT_ALL = """
    select (select count(*) from judgements) as judgements, (select count(*) from undos) as undos,
           (select count(distinct annotator) from current_judgements) as annotators,
           (select count(*) from current_captions) as captions,
           (select count(*) from current_preferences) as preferences,
           (select count(*) from current_adjudications) as adjudications,
           (select count(*) from deletions) as deleted
"""


_SAME = ("annotator", "query_text", "recording_sha256", "clip_id")
"""Fields that two judgements of one person share when the later one replaces the earlier."""

_ABOUT_JUDGEMENT = f"select {', '.join(_SAME)} from judgements join events using (event_id) where event_id = ?"
_STANDING = """
    select events.event_id as event_id, label from judgements join events using (event_id)
    where annotator = :annotator and clip_id = :clip_id and query_text is :query_text
        and recording_sha256 is :recording_sha256
        and not exists (select 1 from undos where undone_event_id = events.event_id)
    order by seq desc limit 1
"""


class EventStore:
    """The part of ``Store`` that writes and reads opinions."""

    def __init__(
        self, path: Path, busy_timeout_seconds: float, listener: Listener | None, read_only: bool = False
    ) -> None:
        """Open the database; ``Store`` says how and what for."""
        self._connection = Connection(path, busy_timeout_seconds, read_only)
        self._listener = listener

    def add_judgement(self, judgement: Judgement, *, seen: str | None = None) -> str:
        """Store one judgement and return its id; if it answers an item, the item's lease ends.

        Args:
            judgement: What somebody said of a query and a clip.
            seen: The id of what the same person had said of them before as far as they knew, empty for nothing; another
                judgement that stands now is not overwritten. None overwrites whatever stands.

        Raises:
            StaleAnswerError: Another judgement of this person stands than the one they knew of.
            FeedbackError: It could not be stored, or its id is there already; nothing is then stored.
        """
        if seen is None:
            return self._add(judgement)
        fields.check_visible("annotator", judgement.annotator)
        with self._connection.writing() as database:
            about = {name: getattr(judgement, name) for name in _SAME}
            refuse_stale(_first(database, _STANDING, about), seen)
            insert(database, judgement)
        self._told([judgement])
        return judgement.judgement_id

    def standing_judgement(self, judgement_id: str) -> tuple[str, str]:
        """Return the id and the label of what counts now of all that the author of a judgement said of the same.

        Both are empty where nothing counts any more.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            about = next(database.query(_ABOUT_JUDGEMENT, [judgement_id]), None)
            return ("", "") if about is None else _first(database, _STANDING, about)

    def add_caption(self, caption: Caption) -> str:
        """Store a better caption and return its id.

        Raises:
            FeedbackError: It could not be stored, or its id is there already; nothing is then stored.
        """
        return self._add(caption)

    def add_preference(self, preference: Preference) -> str:
        """Store which of two rankings was better and return its id; its item's lease ends.

        Raises:
            FeedbackError: It could not be stored, or its id is there already; nothing is then stored.
        """
        return self._add(preference)

    def adjudicate(self, adjudication: Adjudication) -> str:
        """Store a team lead's last word on a pair and return its id; the newest not undone counts.

        Raises:
            FeedbackError: It could not be stored, or its id is there already; nothing is then stored.
        """
        return self._add(adjudication)

    def undo(self, judgement_id: str, annotator: str) -> None:
        """Take back an opinion of any kind; what the annotator had said before about the same counts again.

        Raises:
            FeedbackError: There is no such event, it is another annotator's, or it is undone already;
                or the undo could not be stored.
        """
        undo = Undo(judgement_id=judgement_id, annotator=annotator)
        with self._connection.writing() as database:
            _check_undo(database, undo)
            insert(database, undo)
        self._told([undo])

    def current_judgements(self, campaign_id: str | None = None) -> list[Judgement]:
        """Return the judgements that count now, oldest first.

        Of all that one annotator said about one query and one clip, that is the last not undone.

        Args:
            campaign_id: Only those given in this campaign; all when None.

        Raises:
            FeedbackError: The database cannot be read.
        """
        return self._current(Judgement, campaign_id)

    def current_captions(self, campaign_id: str | None = None) -> list[Caption]:
        """Return the captions that count now, oldest first: of a person, clip and language the last not undone.

        Raises:
            FeedbackError: The database cannot be read.
        """
        return self._current(Caption, campaign_id)

    def current_preferences(self, campaign_id: str | None = None) -> list[Preference]:
        """Return the preferences that count now, oldest first: of a person, query and two models the last.

        Raises:
            FeedbackError: The database cannot be read.
        """
        return self._current(Preference, campaign_id)

    def current_adjudications(self, campaign_id: str | None = None) -> list[Adjudication]:
        """Return the adjudications that count now, oldest first: of a query and a clip the last, whoever made it.

        Raises:
            FeedbackError: The database cannot be read.
        """
        return self._current(Adjudication, campaign_id)

    def history(self) -> list[Event]:
        """Return every event ever stored and not deleted for good, in the order of arrival, and the deletions.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return read_events(database)

    def counts(self) -> Counts:
        """Return how much of everything there is.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            (totals,) = database.query(_COUNT_ALL)
            by_label = {row["label"]: row["number"] for row in database.query(_COUNT_LABELS)}
        return Counts(current=dict.fromkeys(LABELS, 0) | by_label, **totals)

    def _add(self, event: Judgement | Caption | Preference | Adjudication) -> str:
        fields.check_visible("annotator", event.annotator)
        with self._connection.writing() as database:
            insert(database, event)
        self._told([event])
        return event_id(event)

    def _told(self, records: Sequence[Record]) -> None:
        if self._listener is not None and records:
            self._listener.stored(list(records))

    def _current(self, record: type[Opinion], campaign_id: str | None) -> list[Opinion]:
        where = "" if campaign_id is None else "where campaign_id = :campaign_id"
        with self._connection.reading() as database:
            query = f"select * from current_{_TABLES[record].table} {where} order by seq"
            return [_opinion(record, row) for row in database.query(query, {"campaign_id": campaign_id})]


def _first(database: Database, query: str, values: dict[str, Any]) -> tuple[str, str]:
    row = next(database.query(query, values), None)
    return ("", "") if row is None else (str(row["event_id"]), str(row["label"]))


def refuse_stale(standing: tuple[str, str], seen: str) -> None:
    """Refuse an answer whose author did not know of what they have said meanwhile.

    Args:
        standing: Id and label of their answer that counts now; empty for none.
        seen: The id of the one that they knew of.

    Raises:
        StaleAnswerError: They are not the same.
    """
    found, said = standing
    if found != seen:
        raise StaleAnswerError(
            f"your answer has changed meanwhile: found {said or 'nothing'!r}, which stands; nothing was stored, "
            "wanted an answer that knows of it",
            found,
        )


def event_id(event: Event) -> str:
    """Return the identity of an event, whatever its kind."""
    return str(getattr(event, f"{kind_of(event)}_id"))


def kind_of(event: Event) -> str:
    """Return the kind of an event: judgement, caption, preference, adjudication, undo or deletion."""
    return type(event).__name__.lower()


def add_event(database: Database, event: Event) -> bool:
    """Write an event from elsewhere, inside a write transaction; return whether it was new.

    One whose id is there already, or was deleted for good, is passed over, and so is an undo of such.

    Raises:
        FeedbackError: It is an undo of an unknown event or of another person's.
    """
    if next(database.query(_KNOWN, {"id": event_id(event)}), None) is not None:
        return False
    if isinstance(event, Undo):
        if _is_deleted(database, event.judgement_id):
            return False
        _check_undo(database, event)
    insert(database, event)
    return True


def insert(database: Database, event: Event) -> None:
    """Write an event's rows, inside a write transaction; a deletion also erases."""
    own_id = event_id(event)
    annotator = "(forgotten)" if isinstance(event, Deletion) else event.annotator
    database.execute(_INSERT_EVENT, [own_id, kind_of(event), annotator, event.created_utc])
    if isinstance(event, Undo):
        database.execute(_INSERT_UNDO, [own_id, event.judgement_id])
    elif isinstance(event, Deletion):
        for deleted in event.event_ids:
            database.execute(_INSERT_DELETION, [deleted, own_id, event.reason])
            _erase(database, deleted)
    else:
        table = _TABLES[type(event)]
        values = [_to_column(getattr(event, name)) for name in table.fields]
        marks = ", ".join("?" * (1 + len(values)))
        columns = ", ".join(("event_id", *table.columns))
        database.execute(f"insert into {table.table} ({columns}) values ({marks})", [own_id, *values])
        item_id = getattr(event, "item_id", None)
        if item_id is not None and not isinstance(event, Caption):
            database.execute("delete from leases where item_id = ? and annotator = ?", [item_id, annotator])


def read_events(database: Database, where: str = "", values: dict[str, Any] | None = None) -> list[Event]:
    """Return events in the order of arrival; the arguments are those of ``read_numbered``."""
    return [event for _, event in read_numbered(database, where, values)]


def read_numbered(database: Database, where: str = "", values: dict[str, Any] | None = None) -> list[tuple[int, Event]]:
    """Return events, each with its place in the order of arrival, in that order.

    Args:
        database: The database, inside a transaction.
        where: A condition on ``events``, such as ``where events.annotator = :annotator``; all when empty.
        values: What the condition's parameters stand for.
    """
    found: list[tuple[int, Event]] = []
    for record, table in _TABLES.items():
        query = (
            f"select events.seq, events.annotator, events.created_utc, said.* from events "
            f"join {table.table} as said using (event_id) {where}"
        )
        found += [(row["seq"], _opinion(record, row)) for row in database.query(query, values or {})]
    undos = f"select events.*, undone_event_id from events join undos using (event_id) {where}"
    found += [(row["seq"], _undo(row)) for row in database.query(undos, values or {})]
    # Every tombstone is nobody's.
    deletions: dict[int, dict[str, Any]] = {}
    gone = f"select events.*, deleted_event_id, reason from events join deletions using (event_id) {where}"
    for row in database.query(f"{gone} order by deleted_event_id", values or {}):
        said = {"deletion_id": row["event_id"], "reason": row["reason"], "created_utc": row["created_utc"]}
        deletions.setdefault(row["seq"], said | {"event_ids": []})["event_ids"].append(row["deleted_event_id"])
    found += [(seq, Deletion(**said | {"event_ids": tuple(said["event_ids"])})) for seq, said in deletions.items()]
    return sorted(found, key=lambda pair: pair[0])


def opinion_of(kind: str, row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the record type of that kind
    """Return the record that a row of its table, joined with ``events``, holds."""
    return _opinion(_BY_KIND[kind], row)


def _check_undo(database: Database, undo: Undo) -> None:
    found = list(database.query(_FIND_EVENT, [undo.judgement_id]))
    if not found or found[0]["kind"] not in _BY_KIND or _is_deleted(database, undo.judgement_id):
        raise FeedbackError(f"there is no judgement {undo.judgement_id} to undo; nothing was changed")
    if found[0]["annotator"] != undo.annotator:
        raise FeedbackError(f"judgement {undo.judgement_id} is not yours; you can undo only your own")
    if found[0]["undo_id"] is not None:
        raise FeedbackError(f"judgement {undo.judgement_id} is undone already; nothing was changed")


def _is_deleted(database: Database, deleted_event_id: str) -> bool:
    query = "select 1 from deletions where deleted_event_id = ?"
    return next(database.query(query, [deleted_event_id]), None) is not None


def _erase(database: Database, deleted_event_id: str) -> None:
    for table in KIND_TABLES.values():
        database.execute(f"delete from {table} where event_id = ?", [deleted_event_id])
    database.execute("update events set annotator = '(forgotten)' where event_id = ?", [deleted_event_id])


def _to_column(value: object) -> Any:  # noqa: ANN401 - what SQLite takes: text, number or null
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value


def _opinion(record: type[Opinion], row: Mapping[str, Any]) -> Opinion:
    table = _TABLES[record]
    fields: dict[str, Any] = {}
    for name, column in zip(table.fields, table.columns, strict=True):
        value = row[column]
        if name in _TUPLES:
            value = tuple(json.loads(value)) if value is not None else ()
        elif name == "consent":
            value = bool(value)
        elif name == "clip_kind":
            value = value or "sound"
        fields[name] = value
    fields |= {table.id_field: row["event_id"], "annotator": row["annotator"], "created_utc": row["created_utc"]}
    return record(**fields)


def _undo(row: Mapping[str, Any]) -> Undo:
    return Undo(
        judgement_id=row["undone_event_id"],
        annotator=row["annotator"],
        undo_id=row["event_id"],
        created_utc=row["created_utc"],
    )
