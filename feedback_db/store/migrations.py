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


@MIGRATIONS()
def m003_graded_labels(db: Database) -> None:
    """Let a sound match a query in part."""
    db.execute("insert into labels (label) values ('partly')")


_KINDS_OF_MEDIA = (
    "create table media (kind text not null primary key) strict, without rowid",
    "insert into media (kind) values ('text'), ('sound'), ('picture')",
)
# What an opinion says beside the judgement of m001. Null in old rows: a text or a sound, about a sound.
_DETAILS = (
    "query_kind text references media (kind)",
    "index_version text check (index_version <> '')",
    "campaign_id text check (campaign_id <> '')",
    "item_id text check (item_id <> '')",
    "position integer check (position >= 1)",
    "seconds_taken real check (seconds_taken >= 0)",
)
_ABOUT = (
    "event_id text not null primary key references events (event_id)",
    "query_text text check (query_text <> '')",
    "recording_sha256 text check (length(recording_sha256) = 64 and recording_sha256 not glob '*[^0-9a-f]*')",
    "consent integer not null check (consent in (0, 1))",
    "language text check (language <> '')",
    "gallery text not null check (gallery <> '')",
    *_DETAILS,
)
_ABOUT_CHECKS = (
    "check (query_text is null or recording_sha256 is null)",
    "check (recording_sha256 is null or consent = 1)",
)


def _create(db: Database, table: str, columns: tuple[str, ...]) -> None:
    db.execute(f"create table {table} ({', '.join(columns)}) strict, without rowid")
    protect(db, table, ("event_id",))


@MIGRATIONS()
def m004_details_of_judgements(db: Database) -> None:
    """Add what a judgement says beside: kinds of query and clip, reasons, campaign, order shown, time taken."""
    for statement in _KINDS_OF_MEDIA:
        db.execute(statement)
    added = ("clip_kind text references media (kind)", "reasons_json text", "comment text check (comment <> '')")
    for column in (*_DETAILS, *added):
        db.execute(f"alter table judgements add column {column}")


@MIGRATIONS()
def m005_more_kinds_of_events(db: Database) -> None:
    """Add better captions, preferences between two models, and adjudications."""
    db.execute("insert into event_kinds (kind) values ('caption'), ('preference'), ('adjudication')")
    clip = (
        "clip_id text not null check (clip_id <> '')",
        "clip_kind text not null references media (kind)",
    )
    model = ("model text check (model <> '')", "model_version text check (model_version <> '')")
    ranked = ("rank integer check (rank >= 1)", "score real check (abs(score) <= 1.7976931348623157e308)")
    said = ("caption text not null check (caption <> '')", "caption_language text not null")
    _create(db, "captions", (*_ABOUT, *clip, *ranked, *model, *said, *_ABOUT_CHECKS))
    sides = tuple(
        f"{side}_{column} text not null check ({side}_{column} <> '')"
        for side in ("first", "second")
        for column in ("model", "version", "clip_ids_json")
    )
    chosen = ("left text not null", "choice text not null")
    _create(db, "preferences", (*_ABOUT, *sides, *chosen, *_ABOUT_CHECKS))
    decided = (
        *(_ABOUT[index] for index in (0, 1, 2, 4)),
        "query_kind text references media (kind)",
        "label text not null references labels (label)",
        "note text check (note <> '')",
        "campaign_id text check (campaign_id <> '')",
        "check ((query_text is null) <> (recording_sha256 is null))",
    )
    _create(db, "adjudications", (*decided[:5], *clip, *decided[5:]))


_ERASABLE = ("judgements", "undos", "captions", "preferences", "adjudications")


@MIGRATIONS()
def m006_deletion(db: Database) -> None:
    """Let an event be erased once a tombstone names it; what the tombstone names may never come back."""
    db.execute("insert into event_kinds (kind) values ('deletion')")
    # No reference from deleted_event_id: a tombstone may arrive, by an import, before the event it is for.
    db.execute(
        """
        create table deletions (
            deleted_event_id text not null primary key,
            event_id text not null references events (event_id),
            reason text not null check (reason <> '')
        ) strict, without rowid
        """
    )
    protect(db, "deletions", ("deleted_event_id",))
    for table in _ERASABLE:
        db.execute(f"drop trigger {table}_refuse_delete")
        db.execute(
            f"create trigger {table}_refuse_delete before delete on {table} "
            "when not exists (select 1 from deletions where deleted_event_id = old.event_id) "
            f"begin select raise(abort, '{table} is append-only: delete refused'); end"
        )
    # The event's row stays, so that nothing else takes its id or its place; its author's name goes.
    db.execute("drop trigger events_refuse_update")
    db.execute(
        """
        create trigger events_refuse_update before update on events
        when new.annotator <> '(forgotten)' or (new.seq, new.event_id, new.kind, new.created_utc)
                <> (old.seq, old.event_id, old.kind, old.created_utc)
            or not exists (select 1 from deletions where deleted_event_id = old.event_id)
        begin select raise(abort, 'events is append-only: update refused'); end
        """
    )
    db.execute(
        """
        create trigger events_refuse_deleted before insert on events
        when exists (select 1 from deletions where deleted_event_id = new.event_id)
        begin select raise(abort, 'this event was deleted for good'); end
        """
    )


_CAMPAIGNS = (
    # A change of a campaign is a new row with the same campaign_id; the last one counts.
    """
    create table campaigns (
        revision integer primary key autoincrement,
        campaign_id text not null check (length(campaign_id) = 32),
        name text not null check (name <> ''),
        guidelines text not null,
        languages_json text not null,
        wanted_judgements integer not null check (wanted_judgements >= 1),
        "order" text not null,
        lease_seconds integer not null check (lease_seconds >= 1),
        check_every integer not null check (check_every >= 0),
        open integer not null check (open in (0, 1)),
        created_by text not null,
        created_utc text not null
    ) strict
    """,
    "create index campaigns_by_id on campaigns (campaign_id, revision)",
    # base_language is what comes before the first hyphen: who knows pt is given pt-BR. shuffle draws an order.
    """
    create table campaign_items (
        item_id text not null primary key check (length(item_id) = 32),
        campaign_id text not null,
        query_text text check (query_text <> ''),
        recording_sha256 text check (length(recording_sha256) = 64),
        query_kind text not null references media (kind),
        language text check (language <> ''),
        base_language text,
        gallery text not null check (gallery <> ''),
        clip_id text check (clip_id <> ''),
        clip_kind text not null references media (kind),
        model text,
        model_version text,
        index_version text,
        rank integer check (rank >= 1),
        score real,
        priority real not null,
        known_label text references labels (label),
        first_json text,
        second_json text,
        shuffle integer not null,
        check ((query_text is null) <> (recording_sha256 is null)),
        check ((clip_id is null) = (first_json is not null)),
        check ((first_json is null) = (second_json is null))
    ) strict
    """,
    "create index campaign_items_of on campaign_items (campaign_id, base_language)",
    # One row an item: the key itself keeps two people from holding it. Times in milliseconds since 1970.
    """
    create table leases (
        item_id text not null primary key references campaign_items (item_id),
        annotator text not null,
        expires_ms integer not null
    ) strict, without rowid
    """,
    """
    create table skips (
        item_id text not null references campaign_items (item_id),
        annotator text not null,
        created_utc text not null,
        primary key (item_id, annotator)
    ) strict, without rowid
    """,
    "create index judgements_of_items on judgements (item_id) where item_id is not null",
    "create index preferences_of_items on preferences (item_id) where item_id is not null",
)


@MIGRATIONS()
def m007_campaigns(db: Database) -> None:
    """Add campaigns, their items, who holds which item until when, and who passed one over."""
    for statement in _CAMPAIGNS:
        db.execute(statement)


@MIGRATIONS()
def m008_people(db: Database) -> None:
    """Add people's secret tokens, as hashes."""
    db.execute(
        """
        create table people (
            annotator text not null primary key check (trim(annotator) <> ''),
            token_sha256 text not null unique check (length(token_sha256) = 64),
            created_utc text not null
        ) strict, without rowid
        """
    )


@MIGRATIONS()
def m009_current_state(db: Database) -> None:
    """Show what counts now of every kind; a sound and a picture of one name are two clips."""
    pair = "judged.query_text, judged.recording_sha256, judged.clip_id, coalesce(judged.clip_kind, 'sound')"
    views = {
        "current_judgements": ("judgements", f"events.annotator, {pair}"),
        "current_captions": (
            "captions",
            "events.annotator, judged.clip_id, judged.clip_kind, judged.caption_language",
        ),
        # The same two models on the same query: a person who is asked again has changed their mind.
        "current_preferences": (
            "preferences",
            "events.annotator, judged.query_text, judged.recording_sha256, judged.first_model, "
            "judged.first_version, judged.second_model, judged.second_version",
        ),
        "current_adjudications": ("adjudications", pair),
    }
    db.execute("drop view current_judgements")
    for view, (table, group) in views.items():
        db.execute(
            f"create view {view} as "
            f"select max(events.seq) as seq, events.annotator, events.created_utc, judged.* "
            f"from {table} as judged join events using (event_id) "
            "where not exists (select 1 from undos where undone_event_id = events.event_id) "
            f"group by {group}"
        )
    # Every answer to an item of a campaign that is not taken back, whatever else the person said since.
    db.execute(
        """
        create view item_answers as
        select events.seq, events.annotator, answers.*
        from (
            select event_id, item_id, label, seconds_taken from judgements where item_id is not null
            union all
            select event_id, item_id, choice, seconds_taken from preferences where item_id is not null
        ) as answers
        join events using (event_id)
        where not exists (select 1 from undos where undone_event_id = events.event_id)
        """
    )
