"""Feedback of a Space, kept in a dataset on the Hugging Face Hub: the Space's own disk is lost at each restart."""

from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedback_db.errors import FeedbackError
from feedback_db.exchange.journal import Journal
from feedback_db.records.people import Record
from feedback_db.store.recordings import recording_path
from feedback_db.store.store import Store

if TYPE_CHECKING:
    from huggingface_hub import CommitScheduler, HfApi

logger = logging.getLogger(__name__)

_PATTERNS = ("journal/*.jsonl", "recordings/*/*.wav")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubSettings:
    """The dataset that keeps the feedback.

    Attributes:
        dataset: ``owner/name``; made, private, if it is missing.
        token: A token that may write to it; None takes the one saved on the machine.
        every_minutes: How long between two pushes, above 0. A disk that is lost loses at most so much.
        push_seconds: How long to wait for a push that somebody waits for.
    """

    dataset: str
    token: str | None = dataclasses.field(default=None, repr=False)
    every_minutes: float = 1.0
    push_seconds: float = 120.0


class HubStore:
    """A ``Store`` whose content is read back from a dataset at the start and pushed to it ever after.

    The database and ``recordings`` must have a folder to themselves: its ``journal`` and ``recordings`` are
    pushed, the database itself never is, as it may change while it is read.
    """

    def __init__(self, database: Path, settings: HubSettings, *, api: HfApi | None = None, **options: Any) -> None:  # noqa: ANN401
        """Fetch what the dataset has, add it to the database, and start to push.

        Args:
            database: The database file.
            settings: Which dataset.
            api: The client of the Hub; made of the settings when None.
            **options: What ``Store`` takes.

        Raises:
            FeedbackError: The dataset cannot be reached or made, or the database cannot be opened.
        """
        from huggingface_hub import CommitScheduler, HfApi

        self._settings = settings
        self._api = api or HfApi(token=settings.token)
        self._folder = database.absolute().parent
        self._fetch()
        self._journal = Journal(self._folder / "journal")
        self.store = Store(database, listener=self, **options)
        try:
            self._catch_up()
            self._scheduler: CommitScheduler = CommitScheduler(
                repo_id=settings.dataset,
                repo_type="dataset",
                private=True,
                folder_path=self._folder,
                every=settings.every_minutes,
                allow_patterns=list(_PATTERNS),
                hf_api=self._api,
            )
        except BaseException as error:
            self.store.close()
            if isinstance(error, FeedbackError) or not isinstance(error, Exception):
                raise
            raise FeedbackError(self._trouble(error)) from error
        # No push begins while a line is half written or files are written anew.
        self._journal.pausing = lambda: self._scheduler.lock

    def stored(self, records: list[Record]) -> None:
        """Note records in this process's file; the next push takes them along."""
        self._journal.stored(records)

    def forgetting(self, annotator: str, event_ids: frozenset[str], recordings: tuple[str, ...]) -> None:
        """Remove a person from the journal, and from the dataset and its history.

        Raises:
            FeedbackError: The dataset could not be changed; the database then keeps the person's data.
        """
        from huggingface_hub import CommitOperationDelete

        self._journal.forgetting(annotator, event_ids, recordings)
        self.push()
        try:
            there = set(self._api.list_repo_files(self._settings.dataset, repo_type="dataset"))
            paths = [recording_path(Path("recordings"), sha256).as_posix() for sha256 in recordings]
            gone = [CommitOperationDelete(path_in_repo=path) for path in paths if path in there]
            if gone:
                self._api.create_commit(
                    repo_id=self._settings.dataset,
                    repo_type="dataset",
                    operations=gone,
                    commit_message="Remove recordings",
                )
            # The old contents are in the history too, where anyone who may read the dataset would find them.
            self._api.super_squash_history(repo_id=self._settings.dataset, repo_type="dataset")
        except Exception as error:
            raise FeedbackError(self._trouble(error)) from error

    def push(self) -> None:
        """Push what is new and wait until it is there.

        Raises:
            FeedbackError: The dataset cannot be reached in time; the scheduler tries again by itself.
        """
        self._journal.stored([])
        future: Future[Any] = self._scheduler.trigger()
        try:
            future.result(timeout=self._settings.push_seconds)
        except (Exception, FutureTimeoutError) as error:
            raise FeedbackError(self._trouble(error)) from error

    def problem(self) -> str:
        """Return why the last scheduled push failed, in one line, or the empty string."""
        last: Future[Any] | None = getattr(self._scheduler, "last_future", None)
        error = last.exception() if last is not None and last.done() else None
        return self._trouble(error) if error is not None else self._journal.problem()

    def close(self) -> None:
        """Push what is new, stop pushing and close the database.

        Raises:
            FeedbackError: The last push failed; all else is done, and the journal is still on this disk.
        """
        try:
            self.push()
        finally:
            self._scheduler.stop()
            self.store.close()

    def _fetch(self) -> None:
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            self._api.snapshot_download(
                self._settings.dataset,
                repo_type="dataset",
                local_dir=self._folder,
                allow_patterns=list(_PATTERNS),
            )
        except RepositoryNotFoundError:
            logger.info("%s is not there yet; it will be made", self._settings.dataset)
        except Exception as error:
            raise FeedbackError(self._trouble(error)) from error

    def _catch_up(self) -> None:
        """Add what only the journal has to the database, and the other way round."""
        noted = self._journal.read()
        added = self.store.add_records(noted, skip_bad=True, tell=False)
        for number, reason in added.refused.items():
            logger.warning("a record of the journal was passed over: %s (%s)", reason, type(noted[number]).__name__)
        there = set(noted)
        self._journal.stored([record for record in self.store.records(people=True) if record not in there])

    def _trouble(self, error: BaseException) -> str:
        told = " ".join(str(error).split())[:300] or type(error).__name__
        name = self._settings.dataset
        return f"the dataset {name} cannot be read or written ({told}); check its name, the token and the network"
