"""The schema refuses what the records refuse, whoever writes, and grows without touching old rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlite_utils import Database, Migrations

from feedback_db import FeedbackError, Judgement, Store
from feedback_db.migrations import MIGRATIONS, find_unknown_steps, protect

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
    return path


@pytest.fixture
def other_program(filled):
    """A connection with SQLite's own defaults: no foreign keys, no recursive triggers."""
    with closing(sqlite3.connect(filled)) as connection:
        yield connection


@pytest.mark.parametrize("table", ["events", "judgements", "undos"])
@pytest.mark.parametrize("statement", ["delete from {}", "update {} set event_id = event_id"])
def test_no_program_can_update_or_delete_an_event(other_program, table, statement):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other_program.execute(statement.format(table))


@pytest.mark.parametrize("table", ["events", "judgements", "undos"])
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
