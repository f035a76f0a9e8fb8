"""A database that cannot be used is refused in one clear line, and nothing is half-written."""

from __future__ import annotations

import gc
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from feedback_db import FeedbackError, Judgement, Store
from feedback_db.store.connection import Connection
from feedback_db.store.faults import describe


def judgement(**changes):
    fields = {
        "query_text": "der Hund bellt",
        "recording_sha256": None,
        "consent": False,
        "language": "de",
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
def path(tmp_path):
    return tmp_path / "feedback.db"


@pytest.fixture
def store(path):
    with Store(path) as opened:
        yield opened


def refusal(path, **options):
    """The message a database that cannot be opened is refused with: one line that names it."""
    with pytest.raises(FeedbackError) as caught:
        Store(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def run_threads(number, target):
    threads = [threading.Thread(target=target) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_eight_stores_that_open_a_new_database_at_once_all_work(path):
    stored = []

    def open_and_write():
        with Store(path) as store:
            stored.append(store.add_judgement(judgement()))

    run_threads(8, open_and_write)
    with Store(path) as store:
        assert sorted(row.judgement_id for row in store.history()) == sorted(stored)
    assert len(stored) == 8


def test_a_closed_store_says_so(store):
    store.close()
    store.close()
    with pytest.raises(FeedbackError, match="is closed"):
        store.counts()


FORK = """
import os, sys
from feedback_db import FeedbackError, Store
with Store(sys.argv[1]) as store:
    if os.fork() == 0:
        try:
            store.counts()
        except FeedbackError as error:
            os.write(1, str(error).encode())
        os._exit(0)
    os.wait()
    os.write(1, b", and the parent counts " + str(store.counts().judgements).encode())
"""


def test_a_store_carried_through_a_fork_is_refused(path):
    root = Path(__file__).parents[3]
    output = subprocess.check_output(
        [sys.executable, "-c", FORK, str(path)], env=os.environ | {"PYTHONPATH": str(root)}, text=True
    )
    assert output.endswith("feedback.db was opened before a fork; open it anew, and the parent counts 0")


def test_a_locked_database_is_refused_and_nothing_is_stored(path):
    with (
        Store(path, busy_timeout_seconds=0.2) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("begin exclusive")
        with pytest.raises(FeedbackError, match=r"feedback\.db is locked .*nothing was stored"):
            store.add_judgement(judgement())
        assert "is locked" in refusal(path, busy_timeout_seconds=0.1)
        assert store.history() == []
        other.execute("rollback")
        store.add_judgement(judgement())
        assert len(store.history()) == 1


def test_many_threads_at_a_locked_database_do_not_wait_one_after_another(path):
    timeout_seconds = 0.5
    failures = []

    def write():
        try:
            store.add_judgement(judgement())
        except FeedbackError as error:
            failures.append(str(error))

    with (
        Store(path, busy_timeout_seconds=timeout_seconds) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("begin exclusive")
        started = time.monotonic()
        run_threads(8, write)
        assert time.monotonic() - started < 6 * timeout_seconds  # 8 if they queued, 2 as it should be
        other.execute("rollback")
    assert len(failures) == 8


def test_a_full_disk_stores_nothing_and_room_again_stores_again(store, path):
    store.add_judgement(judgement())
    wal = path.with_name("feedback.db-wal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 5000, before[1]))  # one page and a piece fit
    try:
        with pytest.raises(FeedbackError, match="nothing was stored, check the disk and its free space"):
            store.add_judgement(judgement(query_text="x" * 2000))
        assert len(store.history()) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    store.add_judgement(judgement())
    assert len(store.history()) == 2
    assert whole(path)


def whole(path):
    with closing(sqlite3.connect(path)) as connection:
        unmatched = connection.execute(
            "select count(*) from events where event_id not in"
            " (select event_id from judgements union all select event_id from undos)"
        ).fetchone()
        return connection.execute("pragma integrity_check").fetchone() == ("ok",) and unmatched == (0,)


def test_sqlite_s_own_full_disk_error_says_to_free_space(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (x)")
        connection.execute("pragma max_page_count = 3")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("insert into t values (zeroblob(100000))")
    assert "no room left" in describe(caught.value, path)


def test_an_undo_of_nothing_is_refused_by_the_schema_too(path):
    connection = Connection(path, 1.0)
    with pytest.raises(FeedbackError, match="refused the row; nothing was stored .*FOREIGN KEY"):
        with connection.writing() as database:
            database.execute("insert into undos values (?, ?)", ["1" * 32, "2" * 32])
    connection.close()


def test_a_folder_or_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "wanted a file" in refusal(tmp_path)
    assert "cannot be placed there" in refusal(tmp_path / "file" / "feedback.db")
    assert "cannot be placed there" in refusal(tmp_path / ("x" * 300))


@pytest.fixture
def as_nobody():
    """A folder and a user without the rights of root, so that the modes of files count."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            Path(name).chmod(0o777) if not root else os.seteuid(0)


def test_a_read_only_file_is_refused(as_nobody):
    path = as_nobody / "feedback.db"
    Store(path).close()
    path.chmod(0o444)
    assert "is read-only; wanted a file and folder this program may write to" in refusal(path)


def test_a_read_only_folder_is_refused(as_nobody):
    folder = as_nobody / "closed"
    folder.mkdir(0o555)
    assert "cannot be opened; wanted a file and folder this program may write to" in refusal(folder / "feedback.db")
    assert "cannot be placed there" in refusal(folder / "deeper" / "feedback.db")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path):
    path.write_text("label,query\nrelevant,der Hund bellt\n" * 100)
    before = path.read_bytes()
    assert "is not an SQLite database" in refusal(path)
    assert path.read_bytes() == before


def test_another_program_s_database_is_refused_and_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table songs (title)")
        other.commit()
    before = path.read_bytes()
    assert "belongs to another program (it has the tables songs)" in refusal(path)
    assert path.read_bytes() == before


def test_a_damaged_database_is_refused(path):
    with Store(path) as store:
        for number in range(60):
            store.add_judgement(judgement(clip_id=f"clip {number}", query_text="x" * 500))
    whole_file = path.read_bytes()
    middle = len(whole_file) // 2
    path.write_bytes(whole_file[:middle] + b"\xa5" * 8192 + whole_file[middle + 8192 :])
    assert "is damaged; move it away" in refusal(path)
    path.write_bytes(whole_file[:middle])
    assert "is damaged; move it away" in refusal(path)


def test_a_database_without_its_tables_names_the_file(path):
    Store(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("drop view current_judgements")
    with (
        Store(path) as store,
        pytest.raises(FeedbackError, match=r"feedback\.db is not as expected.*no such table"),
    ):
        store.counts()


def test_a_database_that_is_moved_while_in_use_takes_no_judgement(store, path):
    store.add_judgement(judgement())
    moved = path.rename(path.with_name("moved.db"))
    with pytest.raises(FeedbackError, match="moved, deleted or replaced while in use; nothing was stored"):
        store.add_judgement(judgement())
    path.touch()
    with pytest.raises(FeedbackError, match="moved, deleted or replaced"):
        store.add_judgement(judgement())
    moved.rename(path)
    store.add_judgement(judgement())
    assert len(store.history()) == 2


def test_a_refused_database_leaves_no_open_file(path):
    path.write_text("no database " * 100)
    refusal(path)
    gc.collect()
    handles = Path("/proc/self/fd")
    if handles.is_dir():
        assert str(path) not in {os.readlink(handle) for handle in handles.iterdir() if handle.is_symlink()}
