"""Nothing acknowledged is lost: real processes, really killed."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from feedback_examples import judgement

from feedback_db import FeedbackError, Store
from feedback_db.records import fields

ROOT = Path(__file__).parents[3]

# Runs in an interpreter of its own, without threads, so that it may fork: the slow imports are paid once.
# A writer notes an id once it is acknowledged, in one unbuffered write, which a kill cannot cut.
WRITERS = """
import os, random, signal, sys, threading, time, traceback
from feedback_db import Judgement, Store

database, acknowledged, rounds, writers, threads, judgements = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

def write():
    notes = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    failures = []

    def say(store, thread):
        try:
            for rank in range(1, judgements + 1):
                made = Judgement(query_text=f"mbwa {rank}", recording_sha256=None, consent=False, language="sw",
                                 clip_id=f"clip {os.getpid()} {thread}", rank=rank, score=0.5, label="relevant",
                                 model="demo", model_version="1", gallery="tuxpaint", annotator="writer")
                os.write(notes, (store.add_judgement(made) + "\\n").encode())
                if rank % 3 == 0:
                    store.undo(made.judgement_id, "writer")
        except BaseException as error:
            failures.append(error)

    # A writer waits its turn as long as it takes: a queue of 64 on a slow disk is no failure.
    with Store(database, busy_timeout_seconds=120) as store:
        crowd = [threading.Thread(target=say, args=(store, thread)) for thread in range(threads)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    if failures:
        raise failures[0]

def start():
    child = os.fork()
    if child == 0:
        try:
            write()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child

def kill(children):
    size = os.path.getsize(acknowledged) if os.path.exists(acknowledged) else 0
    while not os.path.exists(acknowledged) or os.path.getsize(acknowledged) == size:
        time.sleep(0.001)
    for child in children:
        time.sleep(random.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)

for _ in range(max(rounds, 1)):
    children = [start() for _ in range(writers)]
    if rounds:
        kill(children)
    wanted = -signal.SIGKILL if rounds else 0
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [wanted] * writers, codes
    if rounds:
        import sqlite3
        connection = sqlite3.connect(database)
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        connection.close()
"""


def run_writers(folder, *, kill_rounds, writers, judgements, threads=1, timeout=120):
    """Let processes write at once, to the end or until killed; return database and acknowledged ids."""
    database, acknowledged = folder / "feedback.db", folder / "acknowledged.txt"
    numbers = map(str, (kill_rounds, writers, threads, judgements))
    finished = subprocess.run(
        [sys.executable, "-c", WRITERS, str(database), str(acknowledged), *numbers],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert finished.returncode == 0, finished.stderr
    return database, acknowledged.read_text().split()


def assert_whole(database):
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
        halves = connection.execute(
            "select count(*) from events"
            " left join judgements using (event_id) left join undos using (event_id)"
            " where (judgements.event_id is null) = (undos.event_id is null)"
        ).fetchone()
        assert halves == (0,)


def test_four_processes_that_write_150_each_lose_nothing(tmp_path):
    # The database is new: they also race to make it.
    database, acknowledged = run_writers(tmp_path, kill_rounds=0, writers=4, judgements=150)
    assert len(set(acknowledged)) == len(acknowledged) == 600
    assert_whole(database)
    with Store(database) as store:
        counts = store.counts()
        assert set(acknowledged) == {event.judgement_id for event in store.history()}
    assert (counts.judgements, counts.undos, counts.current["relevant"]) == (600, 200, 400)


def test_eight_processes_of_eight_threads_lose_nothing(tmp_path):
    database, acknowledged = run_writers(tmp_path, kill_rounds=0, writers=8, threads=8, judgements=3)
    assert len(set(acknowledged)) == len(acknowledged) == 192
    assert_whole(database)
    with Store(database) as store:
        assert set(acknowledged) == {event.judgement_id for event in store.history()}


def test_ten_kills_in_mid_write_lose_nothing_acknowledged(tmp_path):
    database, acknowledged = run_writers(tmp_path, kill_rounds=5, writers=2, judgements=1_000_000)
    assert_whole(database)
    with Store(database) as store:
        stored = {event.judgement_id for event in store.history()}
    assert len(acknowledged) >= 5
    assert set(acknowledged) <= stored
    assert len(stored) <= len(acknowledged) + 10  # each had at most one stored and not yet noted


def test_a_clock_that_jumps_both_ways_loses_nothing_and_keeps_the_order(tmp_path, monkeypatch):
    made = []
    with Store(tmp_path / "feedback.db") as store:
        for year in (2026, 2090, 1970, 2027):
            monkeypatch.setattr(fields, "now_utc", lambda year=year: f"{year}-01-01T00:00:00.000+00:00")
            made.append(judgement(rank=year))
            store.add_judgement(made[-1])
        store.undo(made[0].judgement_id, "Ana")
    assert_whole(tmp_path / "feedback.db")
    with Store(tmp_path / "feedback.db") as store:
        opinions = [event for event in store.history() if hasattr(event, "rank")]
        assert [event.rank for event in opinions] == [2026, 2090, 1970, 2027]
        assert store.current_judgements() == [made[-1]]


@pytest.mark.soak
def test_a_hundred_kills_in_mid_write_lose_nothing_acknowledged(tmp_path):
    database, acknowledged = run_writers(
        tmp_path, kill_rounds=100, writers=4, threads=8, judgements=1_000_000, timeout=3600
    )
    assert_whole(database)
    with Store(database) as store:
        stored = {event.judgement_id for event in store.history() if hasattr(event, "rank")}
    assert len(acknowledged) >= 100
    assert set(acknowledged) <= stored
    assert len(stored) <= len(acknowledged) + 100 * 4 * 8


@pytest.mark.soak
def test_eight_processes_of_eight_threads_that_write_200_each_lose_nothing(tmp_path):
    database, acknowledged = run_writers(tmp_path, kill_rounds=0, writers=8, threads=8, judgements=200, timeout=3600)
    assert len(set(acknowledged)) == 12_800
    assert_whole(database)
    with Store(database) as store:
        assert set(acknowledged) <= {getattr(event, "judgement_id", "") for event in store.history()}


@pytest.mark.soak
def test_a_disk_that_fills_up_again_and_again_loses_nothing_acknowledged(tmp_path):
    database, acknowledged, refused = tmp_path / "feedback.db", set(), 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(database) as store:
        wal = database.with_name("feedback.db-wal")
        acknowledged.add(store.add_judgement(judgement()))
        for _ in range(30):
            room = max(wal.stat().st_size, database.stat().st_size) + 9000
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            try:
                for _ in range(200):
                    acknowledged.add(store.add_judgement(judgement(query_text="x" * 500)))
            except FeedbackError:
                refused += 1
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            acknowledged.add(store.add_judgement(judgement()))
    assert refused > 5
    assert_whole(database)
    with Store(database) as store:
        assert acknowledged == {event.judgement_id for event in store.history()}
