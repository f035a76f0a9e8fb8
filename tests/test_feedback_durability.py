"""Nothing acknowledged is lost: real processes, really killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from feedback_db import Store

ROOT = Path(__file__).parents[1]

# Runs in an interpreter of its own, without threads, so that it may fork: the slow imports are paid once.
# A writer notes an id once it is acknowledged, in one unbuffered write, which a kill cannot cut.
WRITERS = """
import os, random, signal, sys, time, traceback
from feedback_db import Judgement, Store

database, acknowledged, rounds, writers, judgements = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

def write():
    notes = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Store(database) as store:
        for rank in range(1, judgements + 1):
            made = Judgement(query_text=f"mbwa {rank}", recording_sha256=None, consent=False, language="sw",
                             clip_id=f"clip {os.getpid()}", rank=rank, score=0.5, label="relevant",
                             model="demo", model_version="1", gallery="tuxpaint", annotator="writer")
            os.write(notes, (store.add_judgement(made) + "\\n").encode())
            if rank % 3 == 0:
                store.undo(made.judgement_id, "writer")

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


def run_writers(folder, *, kill_rounds, writers, judgements):
    """Let processes write at once, to the end or until killed; return database and acknowledged ids."""
    database, acknowledged = folder / "feedback.db", folder / "acknowledged.txt"
    numbers = map(str, (kill_rounds, writers, judgements))
    finished = subprocess.run(
        [sys.executable, "-c", WRITERS, str(database), str(acknowledged), *numbers],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
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


def test_ten_kills_in_mid_write_lose_nothing_acknowledged(tmp_path):
    database, acknowledged = run_writers(tmp_path, kill_rounds=5, writers=2, judgements=1_000_000)
    assert_whole(database)
    with Store(database) as store:
        stored = {event.judgement_id for event in store.history()}
    assert len(acknowledged) >= 5
    assert set(acknowledged) <= stored
    assert len(stored) <= len(acknowledged) + 10  # each had at most one stored and not yet noted
