"""The feedback database: one class through which everything is written and read."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from feedback_db.records.people import Listener
from feedback_db.store.maintenance import MaintenanceStore
from feedback_db.store.people import PeopleStore
from feedback_db.store.queue import QueueStore
from feedback_db.store.review import ReviewStore


class Store(QueueStore, PeopleStore, ReviewStore, MaintenanceStore):
    """An append-only database of feedback, safe for many threads and many processes.

    A method that returns has stored: it survives the death of the process and the loss of power. A method
    that raises has stored nothing. Threads may share a Store; each process opens its own.

    Example:
        >>> with Store("feedback.db") as store:                        # doctest: +SKIP
        ...     store.undo(store.add_judgement(judgement), judgement.annotator)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_timeout_seconds: float = 10.0,
        listener: Listener | None = None,
        read_only: bool = False,
    ) -> None:
        """Open the database; unless to read alone, make it if it is missing and bring its schema up to date.

        Args:
            path: The database file.
            busy_timeout_seconds: How long to wait for another writer before giving up, 0 or more.
            listener: Is told what each call has stored or erased, before the call returns.
            read_only: Leave the file and its folder as they are; an older schema is read as the newest one.

        Raises:
            FeedbackError: The file cannot be opened for what is wanted, is locked, damaged, not a feedback database,
                or was written by a newer version of this program.
        """
        super().__init__(Path(path), busy_timeout_seconds, listener, read_only)

    @property
    def path(self) -> Path:
        """The database file, absolute."""
        return self._connection.path

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
