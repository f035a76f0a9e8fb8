"""The schema, as steps that are only ever added to: a released step is never edited.

``events`` gives every event its identity, author, time and place in the one order of arrival; each kind of
event has a table of its own for the rest. Kinds and labels are rows, not CHECK lists, because SQLite cannot
change a CHECK without rewriting the table: a new kind or label is one insert in a new migration, a new
property one nullable column.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("feedback")

_TABLES = (
    "create table event_kinds (kind text not null primary key) strict, without rowid",
    "insert into event_kinds (kind) values ('judgement'), ('undo')",
    "create table labels (label text not null primary key) strict, without rowid",
    "insert into labels (label) values ('relevant'), ('not_relevant'), ('unsure')",
    # seq, not the time, is the order of events: clocks jump. autoincrement never gives a number twice.
    """
    create table events (
        seq integer primary key autoincrement,
        event_id text not null unique check (length(event_id) = 32 and event_id not glob '*[^0-9a-f]*'),
        kind text not null references event_kinds (kind),
        annotator text not null check (trim(annotator) <> ''),
        created_utc text not null check (created_utc glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*')
    ) strict
    """,
    # What a search result carries may be null: a candidate that no model proposed has no rank and no score.
    """
    create table judgements (
        event_id text not null primary key references events (event_id),
        query_text text check (query_text <> ''),
        recording_sha256 text
            check (length(recording_sha256) = 64 and recording_sha256 not glob '*[^0-9a-f]*'),
        consent integer not null check (consent in (0, 1)),
        language text check (language <> ''),
        clip_id text not null check (clip_id <> ''),
        rank integer check (rank >= 1),
        score real check (abs(score) <= 1.7976931348623157e308),
        label text not null references labels (label),
        model text check (model <> ''),
        model_version text check (model_version <> ''),
        gallery text not null check (gallery <> ''),
        check ((query_text is null) <> (recording_sha256 is null)),
        check (recording_sha256 is null or consent = 1)
    ) strict, without rowid
    """,
    """
    create table undos (
        event_id text not null primary key references events (event_id),
        undone_event_id text not null unique references events (event_id)
    ) strict, without rowid
    """,
)

# Each event table's unique columns: a row whose value is there already must not replace the old row.
_UNIQUE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "events": ("seq", "event_id"),
    "judgements": ("event_id",),
    "undos": ("event_id", "undone_event_id"),
}


def find_unknown_steps(db: Database) -> list[str]:
    """Return the names of the steps this database has had that this version of the program does not know."""
    with Database(memory=True) as empty:
        known = {step.name for step in MIGRATIONS.pending(empty)}
    return [step.name for step in MIGRATIONS.applied(db) if step.name not in known]


def protect(db: Database, table: str, unique_columns: tuple[str, ...]) -> None:
    """Make a table append-only by triggers, whatever program writes to it.

    ``insert or replace`` deletes without firing delete triggers on connections with SQLite's default
    settings, so an insert over an existing row is refused as well.

    Args:
        db: The database, inside a migration.
        table: An event table.
        unique_columns: Its primary key and unique columns.
    """
    for action in ("update", "delete"):
        db.execute(
            f"create trigger {table}_refuse_{action} before {action} on {table} "
            f"begin select raise(abort, '{table} is append-only: {action} refused'); end"
        )
    taken = " or ".join(f"{column} = new.{column}" for column in unique_columns)
    db.execute(
        f"create trigger {table}_refuse_replace before insert on {table} "
        f"when exists (select 1 from {table} where {taken}) "
        f"begin select raise(abort, '{table} is append-only: this row is there already'); end"
    )


@MIGRATIONS()
def m001_append_only_events(db: Database) -> None:
    """Create the event tables, closed to update and delete."""
    for statement in _TABLES:
        db.execute(statement)
    for table, unique_columns in _UNIQUE_COLUMNS.items():
        protect(db, table, unique_columns)


@MIGRATIONS()
def m002_current_judgements(db: Database) -> None:
    """Show what counts now: of an annotator's judgements of a query and clip, the last not undone."""
    # SQLite documents that, beside a lone max(), the other columns come from the row that holds the maximum;
    # on 100,000 judgements that takes a third of the time of a window function.
    db.execute(
        """
        create view current_judgements as
        select max(events.seq) as seq, events.annotator, events.created_utc, judgements.*
        from judgements
        join events using (event_id)
        where not exists (select 1 from undos where undone_event_id = events.event_id)
        group by events.annotator, judgements.query_text, judgements.recording_sha256, judgements.clip_id
        """
    )
