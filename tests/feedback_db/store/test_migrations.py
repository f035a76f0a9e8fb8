"""The schema refuses what the records refuse, whoever writes, and grows without touching old rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from feedback_examples import adjudication, caption, preference
from sqlite_utils import Database, Migrations

from feedback_db import FeedbackError, Judgement, Store
from feedback_db.store.migrations import MIGRATIONS, find_unknown_steps, protect

INSERT_EVENT = """
    insert into events (event_id, kind, annotator, created_utc)
    values (?, ?, 'Cy', '2025-01-01T00:00:00+00:00')
"""
INSERT_JUDGEMENT = """
    insert into judgements
        (event_id, query_text, consent, clip_id, rank, score, label, model, model_version, gallery)
    values (?, 'ကျား', 0, 'tiger', 2, 0.25, 'unsure', 'demo', '1', 'tuxpaint')
"""


def judgement(**changes):
    fields = {
        "query_text": "mbwa",
        "recording_sha256": None,
        "consent": False,
        "language": "sw",
        "clip_id": "dog",
        "rank": 1,
        "score": 0.5,
        "label": "relevant",
        "model": "demo",
        "model_version": "1",
        "gallery": "tuxpaint",
        "annotator": "Ana",
    }
    return Judgement(**fields | changes)


@pytest.fixture
def filled(tmp_path):
    """A database with two judgements, the first of them undone."""
    path = tmp_path / "feedback.db"
    with Store(path) as store:
        undone = store.add_judgement(judgement(judgement_id="1" * 32))
        store.add_judgement(judgement(judgement_id="2" * 32, annotator="Bo"))
        store.undo(undone, "Ana")
        store.add_caption(caption())
        store.add_preference(preference())
        store.adjudicate(adjudication())
    return path


@pytest.fixture
def other_program(filled):
    """A connection with SQLite's own defaults: no foreign keys, no recursive triggers."""
    with closing(sqlite3.connect(filled)) as connection:
        yield connection


@pytest.mark.parametrize("table", ["events", "judgements", "undos", "captions", "preferences", "adjudications"])
@pytest.mark.parametrize("statement", ["delete from {}", "update {} set event_id = event_id"])
def test_no_program_can_update_or_delete_an_event(other_program, table, statement):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other_program.execute(statement.format(table))


@pytest.mark.parametrize("table", ["events", "judgements", "undos", "captions", "preferences", "adjudications"])
@pytest.mark.parametrize("verb", ["insert", "insert or replace", "insert or ignore"])
def test_no_program_can_write_over_an_event(other_program, table, verb):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other_program.execute(f"{verb} into {table} select * from {table}")


@pytest.mark.parametrize(
    "change",
    [
        "query_text = null",
        "recording_sha256 = 'aa'",
        "recording_sha256 = printf('%064d', 0), query_text = null",
        "consent = 2",
        "clip_id = ''",
        "rank = 0",
        "score = 9e999",
        "score = 'high'",
        "label = 'perhaps'",
        "gallery = null",
        "event_id = printf('%032d', 9)",
    ],
)
def test_the_schema_refuses_a_malformed_judgement(filled, change):
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("pragma foreign_keys = on")
        connection.execute("create temp table draft as select * from judgements limit 1")
        connection.execute(f"update draft set event_id = '{'3' * 32}'")
        connection.execute(INSERT_EVENT, ["3" * 32, "judgement"])
        connection.execute(f"update draft set {change}")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("insert into judgements select * from draft")


def test_rows_of_every_earlier_version_survive_the_way_to_the_newest(tmp_path):
    names = [step.name for step in MIGRATIONS.pending(Database(memory=True))]
    assert len(names) >= 2
    for stop_before in names[1:]:
        path = tmp_path / f"{stop_before}.db"
        with Database(path) as old:
            MIGRATIONS.apply(old, stop_before=stop_before)
            old.execute(INSERT_EVENT, ["a" * 32, "judgement"])
            old.execute(INSERT_JUDGEMENT, ["a" * 32])
        with Store(path) as store:
            new = store.add_judgement(judgement())
            assert [row.judgement_id for row in store.current_judgements()] == ["a" * 32, new]
            assert store.history()[0].query_text == "ကျား"


# What a version had beyond judgements: a row of each table, by the step that made it.
LATER_ROWS = {
    "m005_more_kinds_of_events": (
        "insert into events (event_id, kind, annotator, created_utc)"
        " select substr('cccccccc', 1, 8) || substr(event_id, 9), 'caption', 'Cy', created_utc from events limit 1",
        "insert into captions (event_id, consent, gallery, clip_id, clip_kind, caption, caption_language)"
        " values ('ccccccccaaaaaaaaaaaaaaaaaaaaaaaa', 0, 'tuxpaint', 'dog', 'sound', 'mbwa', 'sw')",
    ),
    "m007_campaigns": (
        """
        insert into campaigns (campaign_id, name, guidelines, languages_json, wanted_judgements, "order",
                               lease_seconds, check_every, open, created_by, created_utc)
        values ('dddddddddddddddddddddddddddddddd', 'Pilot', '', '["sw"]', 2, 'random', 60, 0, 1, 'Lead',
                '2026-01-01T00:00:00+00:00')
        """,
        """
        insert into campaign_items (item_id, campaign_id, query_text, query_kind, language, base_language, gallery,
                                    clip_id, clip_kind, priority, shuffle)
        values ('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'dddddddddddddddddddddddddddddddd', 'mbwa', 'text', 'sw', 'sw',
                'tuxpaint', 'dog', 'sound', 0, 7)
        """,
    ),
    "m008_people": (f"insert into people values ('Cy', '{'f' * 64}', '2026-01-01T00:00:00+00:00')",),
}


def test_rows_of_every_table_survive_the_way_from_the_version_that_made_it(tmp_path):
    names = [step.name for step in MIGRATIONS.pending(Database(memory=True))]
    assert set(LATER_ROWS) <= set(names)
    for stop_before in names[1:]:
        had = names[: names.index(stop_before)]
        path = tmp_path / f"{stop_before}.db"
        with Database(path) as old:
            MIGRATIONS.apply(old, stop_before=stop_before)
            old.execute(INSERT_EVENT, ["a" * 32, "judgement"])
            old.execute(INSERT_JUDGEMENT, ["a" * 32])
            for step, statements in LATER_ROWS.items():
                for statement in statements if step in had else ():
                    old.execute(statement)
        with Store(path) as store:
            assert store.verify() == []
            assert len(store.current_captions()) == ("m005_more_kinds_of_events" in had)
            assert store.is_registered("Cy") == ("m008_people" in had)
            for campaign in store.campaigns():
                assert store.next_item(campaign.campaign_id, "Ana").item.query_text == "mbwa"
            assert len(store.campaigns()) == ("m007_campaigns" in had)
            # The old judgement can be undone and its author forgotten, as any other.
            gone = store.forget(store.register("Cy", claim=True))
            assert gone.events == 1 + ("m005_more_kinds_of_events" in had)
            assert store.current_judgements() == []


def test_opening_again_changes_nothing(filled):
    def dump():
        with closing(sqlite3.connect(filled)) as connection:
            return list(connection.iterdump())

    before = dump()
    Store(filled).close()
    assert dump() == before


def widen(path):
    """Do as a later version will: a new label, a new property, a new kind of event; no row is rewritten."""
    later = Migrations("feedback")

    @later()
    def m900_wider(db):
        db.execute("insert into labels (label) values ('perhaps')")
        db.execute("alter table judgements add column device text check (device <> '')")
        db.execute("insert into event_kinds (kind) values ('rating')")
        db.execute(
            "create table ratings (event_id text not null primary key references events (event_id),"
            " stars integer not null) strict, without rowid"
        )
        protect(db, "ratings", ("event_id",))

    with Database(path) as db:
        later.apply(db)
        assert find_unknown_steps(db) == ["m900_wider"]


def test_later_versions_widen_the_schema_without_touching_old_rows(filled):
    def rows():
        with closing(sqlite3.connect(filled)) as connection:
            return [
                connection.execute(f"select * from {table}").fetchall()
                for table in ("events", "undos", "current_judgements")
            ]

    before = rows()
    widen(filled)
    events, undos, current = rows()
    assert [events, undos, [row[:-1] for row in current]] == before
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("pragma foreign_keys = on")
        for kind, event_id in (("judgement", "8" * 32), ("rating", "9" * 32)):
            connection.execute(INSERT_EVENT, [event_id, kind])
        connection.execute(
            "insert into judgements (event_id, query_text, consent, clip_id, label, gallery, device)"
            " values (?, 'mbwa', 0, 'dog', 'perhaps', 'own clips', 'phone')",
            ["8" * 32],
        )
        connection.execute("insert into ratings values (?, 5)", ["9" * 32])
        assert connection.execute("select count(*) from current_judgements").fetchone() == (2,)
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(filled):
    widen(filled)
    before = filled.read_bytes()
    with pytest.raises(FeedbackError, match=r"feedback\.db was written by a newer version .*m900_wider.*update"):
        Store(filled)
    assert filled.read_bytes() == before
