"""One open feedback database file: how it is opened, checked, locked and kept whole; it knows no rows."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from feedback_db.errors import FeedbackError
from feedback_db.store.faults import describe, describe_damage
from feedback_db.store.migrations import MIGRATIONS, find_unknown_steps

logger = logging.getLogger(__name__)


class Connection:
    """An SQLite connection that threads share behind a lock; its schema is up to date once it is made."""

    def __init__(self, path: Path, busy_timeout_seconds: float, read_only: bool = False) -> None:
        """Open the file, making it and its folder if they are missing and may be written.

        Args:
            path: The database file.
            busy_timeout_seconds: How long to wait for another writer before giving up, 0 or more.
            read_only: Leave the file and its folder as they are; an older schema is brought up to date in a copy.

        Raises:
            FeedbackError: The file cannot be opened for what is wanted, is locked, damaged, not a feedback database,
                or was written by a newer version of this program.
        """
        self.path = path.absolute()
        self._timeout_seconds = busy_timeout_seconds
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._read_only = read_only
        self._seen: tuple[int, int] | None = None
        if not read_only:
            self._prepare_folder()
        try:
            self._connection = self._connect()
        except sqlite3.Error as error:
            raise FeedbackError(describe(error, self.path)) from error
        except OSError as error:
            raise FeedbackError(f"the feedback database {self.path} cannot be read ({error.strerror})") from error
        self._open = True
        try:
            if read_only:
                self._set_up_for_reading()
            else:
                self._set_up()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Give the database to a block of queries that all see the same state.

        Raises:
            FeedbackError: The database is closed, gone, locked, damaged, or was opened before a fork.
        """
        with self._transaction("begin") as database:
            yield database

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """Give the database to a block whose rows are all on the disk when it ends, or none if it raises.

        Raises:
            FeedbackError: As for ``reading``; also when the disk is full or a row breaks the schema.
        """
        if self._read_only:
            raise FeedbackError(f"the feedback database {self.path} was opened for reading; nothing was stored")
        # Immediate: a transaction that starts as a reader cannot wait its turn to write, it just fails.
        with self._transaction("begin immediate") as database:
            yield database

    def shed_log(self) -> None:
        """Move the write-ahead log into the database and empty it, so that no copy of erased rows is left.

        While another program reads an older state, the log stays until the next writer empties it.

        Raises:
            FeedbackError: The database is closed, gone or damaged.
        """
        with self._lock:
            self._refuse_if_unusable()
            try:
                self._connection.execute("pragma wal_checkpoint(truncate)")
            except sqlite3.Error as error:
                raise FeedbackError(describe(error, self.path)) from error

    def close(self) -> None:
        """Close the file; closing twice is fine, any other use afterwards is an error."""
        with self._lock:
            self._open = False
            self._connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Database]:
        if os.getpid() != self._process:
            raise FeedbackError(f"the feedback database {self.path} was opened before a fork; open it anew")
        # Without a limit here threads would wait for a locked file one after another.
        if not self._lock.acquire(timeout=self._timeout_seconds):
            raise FeedbackError(f"the feedback database {self.path} is busy; nothing was stored, try again")
        try:
            self._refuse_if_unusable()
            with _committed(self._connection, begin):
                yield self._database
            if self._seen and self._seen != _written(self.path):
                raise FeedbackError(f"the feedback database {self.path} was written to while it was read; try again")
        except sqlite3.Error as error:
            raise FeedbackError(describe(error, self.path)) from error
        finally:
            self._lock.release()

    def _connect(self) -> sqlite3.Connection:
        address: str | Path = self.path
        if self._read_only:
            # Even to read, SQLite puts a log and a lock file beside a database in WAL mode, and needs to be allowed to.
            # Where no log is there nobody has the file open: then it is read as one that does not change, and
            # whether it did is looked at afterwards.
            busy = any(self.path.with_name(self.path.name + end).exists() for end in ("-wal", "-journal"))
            self._seen = None if busy else _written(self.path)
            address = f"{self.path.as_uri()}?mode=ro{'' if busy else '&immutable=1'}"
        # Autocommit: every transaction is opened by hand, as the driver would open a deferred one.
        return sqlite3.connect(
            address, timeout=self._timeout_seconds, isolation_level=None, check_same_thread=False, uri=self._read_only
        )

    def _set_up_for_reading(self) -> None:
        try:
            (found,) = self._connection.execute("pragma quick_check(1)").fetchone()
            if found != "ok":
                raise FeedbackError(describe_damage(found, self.path))
            self._database = Database(self._connection, execute_plugins=False)
            self._refuse_other_schemas()
            if not self._database.table_names():
                raise FeedbackError(f"the feedback database {self.path} is empty; wanted one that holds feedback")
            if MIGRATIONS.pending(self._database):
                self._take_copy()
            self._identity = _identity(self.path)
        except sqlite3.Error as error:
            raise FeedbackError(describe(error, self.path)) from error
        except OSError as error:
            raise FeedbackError(f"the feedback database {self.path} vanished while it was opened") from error

    def _take_copy(self) -> None:
        """Go on with a temporary copy, which SQLite keeps on the disk if it is large and deletes when it is closed."""
        copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.backup(copy)
        self._connection.close()
        self._connection = copy
        self._database = Database(copy, execute_plugins=False)
        MIGRATIONS.apply(self._database)

    def _prepare_folder(self) -> None:
        try:
            if self.path.exists() and not self.path.is_file():
                raise FeedbackError(f"the feedback database {self.path} is a folder or device; wanted a file")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FeedbackError(
                f"the feedback database {self.path} cannot be placed there ({error.strerror}); "
                "wanted a folder this program may write to"
            ) from error

    def _set_up(self) -> None:
        try:
            self._connection.execute("pragma foreign_keys = on")
            # FULL, not NORMAL: NORMAL survives a killed process, but not a power cut. A flag is a click,
            # so the few milliseconds of a disk flush are not felt.
            self._connection.execute("pragma synchronous = full")
            # What a person has had deleted is overwritten, not only unlinked.
            self._connection.execute("pragma secure_delete = on")
            (found,) = self._connection.execute("pragma quick_check(1)").fetchone()
            if found != "ok":
                raise FeedbackError(describe_damage(found, self.path))
            self._database = Database(self._connection, execute_plugins=False)
            # One write transaction around the check and all steps: two processes may start at once, and
            # sqlite-utils alone reads what is pending before it locks.
            with _committed(self._connection, "begin immediate"):
                self._refuse_other_schemas()
                MIGRATIONS.apply(self._database)
                # SQLite opens a read-only file without a word, and even begins; a write of no row tells.
                self._database.execute(f"delete from {MIGRATIONS.migrations_table} where false")
            self._switch_to_wal()
            self._identity = _identity(self.path)
        except sqlite3.Error as error:
            raise FeedbackError(describe(error, self.path)) from error
        except OSError as error:
            raise FeedbackError(f"the feedback database {self.path} vanished while it was opened") from error

    def _refuse_other_schemas(self) -> None:
        if unknown := find_unknown_steps(self._database):
            raise FeedbackError(
                f"the feedback database {self.path} was written by a newer version of this program "
                f"(it has {', '.join(unknown)}); update the program or choose another file"
            )
        tables = self._database.table_names()
        if tables and not MIGRATIONS.applied(self._database):
            raise FeedbackError(
                f"the feedback database {self.path} belongs to another program (it has the tables "
                f"{', '.join(tables[:5])}); choose a new file or a feedback database"
            )

    def _switch_to_wal(self) -> None:
        # SQLite answers "busy" without waiting when two connections switch at once.
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            try:
                (mode,) = self._connection.execute("pragma journal_mode = wal").fetchone()
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        if mode != "wal":
            logger.warning("%s: its file system has no WAL, the journal mode stays %s", self.path, mode)

    def _refuse_if_unusable(self) -> None:
        if not self._open:
            raise FeedbackError(f"the feedback database {self.path} is closed; open it again")
        # A deleted or replaced file can still be written through the open handle; all of that would be lost.
        try:
            moved = _identity(self.path) != self._identity
        except OSError:
            moved = True
        if moved:
            raise FeedbackError(
                f"the feedback database {self.path} was moved, deleted or replaced while in use; "
                "nothing was stored, put the file back or restart the program"
            )


@contextmanager
def _committed(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Commit what the block does, or nothing of it."""
    connection.execute(begin)
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # Some errors, a full disk among them, have rolled back already.
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _written(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
