"""The feedback database's rows: the only place that writes or reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from feedback_db.connection import Connection
from feedback_db.records import LABELS, Counts, FeedbackError, Judgement, Undo

# What a judgement has beyond what every event has; the table's columns are named after the record's fields.
_OF_JUDGEMENTS = tuple(
    field.name
    for field in dataclasses.fields(Judgement)
    if field.name not in ("judgement_id", "annotator", "created_utc")
)
_INSERT_EVENT = """
    insert into events (event_id, kind, annotator, created_utc)
    values (:event_id, :kind, :annotator, :created_utc)
"""
_INSERT_JUDGEMENT = f"""
    insert into judgements (event_id, {", ".join(_OF_JUDGEMENTS)})
    values (:judgement_id, {", ".join(f":{column}" for column in _OF_JUDGEMENTS)})
"""
_INSERT_UNDO = "insert into undos (event_id, undone_event_id) values (:undo_id, :judgement_id)"
_FIND_JUDGEMENT = """
    select events.annotator, undos.event_id as undo_id
    from events left join undos on undos.undone_event_id = events.event_id
    where events.event_id = ? and events.kind = 'judgement'
"""
_HISTORY = f"""
    select event_id, kind, annotator, created_utc, undone_event_id, {", ".join(_OF_JUDGEMENTS)}
    from events left join judgements using (event_id) left join undos using (event_id)
    order by seq
"""
_CURRENT = "select * from current_judgements order by seq"
_COUNT_LABELS = "select label, count(*) as number from current_judgements group by label"
_COUNT_ALL = """
    select (select count(*) from judgements) as judgements, (select count(*) from undos) as undos,
           (select count(distinct annotator) from current_judgements) as annotators
"""


class Store:
    """An append-only database of feedback, safe for many threads and many processes.

    A method that returns has stored: it survives the death of the process and the loss of power. A method
    that raises has stored nothing. Threads may share a Store; each process opens its own.

    Example:
        >>> with Store("feedback.db") as store:                        # doctest: +SKIP
        ...     store.undo(store.add_judgement(judgement), judgement.annotator)
    """

    def __init__(self, path: str | Path, *, busy_timeout_seconds: float = 10.0) -> None:
        """Open the database, making it and its folder if they are missing, and bring its schema up to date.

        Args:
            path: The database file.
            busy_timeout_seconds: How long to wait for another writer before giving up, 0 or more.

        Raises:
            FeedbackError: The file cannot be opened for writing, is locked, damaged, not a feedback database,
                or was written by a newer version of this program.
        """
        self._connection = Connection(Path(path), busy_timeout_seconds)

    @property
    def path(self) -> Path:
        """The database file, absolute."""
        return self._connection.path

    def add_judgement(self, judgement: Judgement) -> str:
        """Store one judgement and return its id.

        Raises:
            FeedbackError: It could not be stored, or its id is there already; nothing is then stored.
        """
        row = dataclasses.asdict(judgement)
        with self._connection.writing() as database:
            database.execute(_INSERT_EVENT, row | {"event_id": judgement.judgement_id, "kind": "judgement"})
            database.execute(_INSERT_JUDGEMENT, row)
        return judgement.judgement_id

    def undo(self, judgement_id: str, annotator: str) -> None:
        """Take back a judgement; what the annotator had said before about the same pair counts again.

        Raises:
            FeedbackError: There is no such judgement, it is another annotator's, or it is undone already;
                or the undo could not be stored.
        """
        undo = Undo(judgement_id=judgement_id, annotator=annotator)
        row = dataclasses.asdict(undo)
        with self._connection.writing() as database:
            found = list(database.query(_FIND_JUDGEMENT, [judgement_id]))
            if not found:
                raise FeedbackError(f"there is no judgement {judgement_id} to undo; nothing was changed")
            if found[0]["annotator"] != annotator:
                raise FeedbackError(f"judgement {judgement_id} is not yours; you can undo only your own")
            if found[0]["undo_id"] is not None:
                raise FeedbackError(f"judgement {judgement_id} is undone already; nothing was changed")
            database.execute(_INSERT_EVENT, row | {"event_id": undo.undo_id, "kind": "undo"})
            database.execute(_INSERT_UNDO, row)

    def current_judgements(self) -> list[Judgement]:
        """Return the judgements that count now, oldest first.

        Of all that one annotator said about one query and one clip, that is the last not undone.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            rows = list(database.query(_CURRENT))
        return [_judgement(row) for row in rows]

    def history(self) -> list[Judgement | Undo]:
        """Return every event ever stored, in the order of arrival.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            rows = list(database.query(_HISTORY))
        return [_judgement(row) if row["kind"] == "judgement" else _undo(row) for row in rows]

    def counts(self) -> Counts:
        """Return how many judgements, undos and annotators there are.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            (totals,) = database.query(_COUNT_ALL)
            by_label = {row["label"]: row["number"] for row in database.query(_COUNT_LABELS)}
        return Counts(current=dict.fromkeys(LABELS, 0) | by_label, **totals)

    def close(self) -> None:
        """Close the database; closing twice is fine, any other use afterwards raises FeedbackError."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _judgement(row: Mapping[str, Any]) -> Judgement:
    fields = {name: row[name] for name in _OF_JUDGEMENTS} | {"consent": bool(row["consent"])}
    return Judgement(**fields, annotator=row["annotator"], judgement_id=row["event_id"], created_utc=row["created_utc"])


def _undo(row: Mapping[str, Any]) -> Undo:
    return Undo(
        judgement_id=row["undone_event_id"],
        annotator=row["annotator"],
        undo_id=row["event_id"],
        created_utc=row["created_utc"],
    )
