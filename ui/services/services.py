"""The services of the handlers, built once by ``app.py`` and handed to every tab."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from feedback_db.exchange.hub import HubSettings, HubStore
from feedback_db.records.opinions import FeedbackError
from feedback_db.store.recordings import recordings_folder
from feedback_db.store.store import Store
from ui.page.wording import FALLBACK, Wording, wording
from ui.services.comparisons import ComparisonMemory
from ui.services.maps import MapCache
from ui.services.permissions import Access
from ui.services.recordings import Recordings
from ui.services.searches import SearchMemory
from ui.services.transcription import TranscriberLoader

if TYPE_CHECKING:
    from cacara.lexicon.personal_words import PersonalWords
    from cacara.search.retriever import Retriever
    from ui.services.engine import Engine
    from ui.services.training import Trainings

OPENING_SECONDS = 5.0
"""Longest wait for a locked database; a person is looking at the button meanwhile."""


class Feedback:
    """The feedback database, opened at the first use and again after a failure: search works without it."""

    def __init__(self, database: Path, dataset: str | None = None) -> None:
        """Remember where the database is; nothing is opened yet.

        Args:
            database: The SQLite file; made with its folder when it is first opened.
            dataset: ``owner/name`` on the Hugging Face Hub, from which the feedback is read back when it is first
                opened and to which it is pushed; None for none.
        """
        self._hub = None if dataset is None else HubSettings(dataset=dataset)
        self.recordings = recordings_folder(database)
        self._database = database
        self._store: Store | None = None
        self._lock = threading.Lock()

    def store(self) -> Store:
        """Return the open database.

        Raises:
            FeedbackError: It cannot be opened for writing; the text says why.
        """
        with self._lock:
            if self._store is None:
                if self._hub is None:
                    self._store = Store(self._database, busy_timeout_seconds=OPENING_SECONDS)
                else:
                    self._store = HubStore(self._database, self._hub, busy_timeout_seconds=OPENING_SECONDS).store
            return self._store

    def problem(self) -> str:
        """Return why feedback cannot be taken now, in one line, or the empty string."""
        try:
            self.store()
        except FeedbackError as error:
            return str(error)
        return ""


@dataclasses.dataclass(frozen=True)
class Services:
    """Everything a handler may need.

    Attributes:
        engine: Model and gallery, prepared in the background.
        feedback: The feedback database, with consented recordings.
        searches: The lists this server has lately shown.
        comparisons: The comparisons of words this server has lately made.
        recordings: The long recordings that visitors have opened.
        maps: The maps that are drawn, and those being made.
        access: The server's reach, and the permissions of its team lead.
        words: The interface in the language of the visitor who is answered; English where nobody is.
        personal_words: Words that were taught here; None where none can be.
        trainings: Trainings of models; None without them.
    """

    engine: Engine
    feedback: Feedback
    searches: SearchMemory = dataclasses.field(default_factory=SearchMemory)
    comparisons: ComparisonMemory = dataclasses.field(default_factory=ComparisonMemory)
    transcription: TranscriberLoader = dataclasses.field(default_factory=TranscriberLoader)
    recordings: Recordings = dataclasses.field(default_factory=Recordings)
    maps: MapCache = dataclasses.field(default_factory=MapCache)
    access: Access = dataclasses.field(default_factory=Access)
    personal_words: PersonalWords | None = None
    trainings: Trainings | None = None
    words: Wording = dataclasses.field(default_factory=lambda: wording(FALLBACK))

    def speaking(self, words: Wording) -> Services:
        """Return the same services for a visitor who reads ``words``."""
        return dataclasses.replace(self, words=words)

    def retriever(self, model: str | None = None) -> Retriever:
        """Return the prepared retriever of a model, or of the one that answers by default, see ``Engine.retriever``."""
        return self.engine.retriever(self.words, model or None)
