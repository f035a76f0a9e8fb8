"""Whisper behind the page, loaded when somebody first wants it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from cacara.errors import CacaraError
from ui.services.engine import Status

if TYPE_CHECKING:
    from cacara.recordings.speech import Transcriber
    from cacara.sources.clients import Progress

    Load = Callable[[Callable[[Progress], None]], Transcriber]

logger = logging.getLogger(__name__)


def _load(report: Callable[[Progress], None]) -> Transcriber:
    from cacara.recordings import speech

    return speech.load(report)


class TranscriberLoader:
    """Whisper, once somebody has asked for it; safe for many threads."""

    def __init__(self, load: Load = _load) -> None:
        """Make one that has loaded nothing.

        Args:
            load: Fetches and loads, slowly; it is called in a thread of its own with a function that takes its
                progress.
        """
        self._load = load
        self._lock = threading.Lock()
        self._status = Status("waiting")
        self._transcriber: Transcriber | None = None

    @property
    def status(self) -> Status:
        """Return how far the loading is."""
        return self._status

    def transcriber(self) -> Transcriber | None:
        """Return Whisper, or None while it is being loaded, which this begins, also again after a failure."""
        with self._lock:
            if self._transcriber is None and self._status.phase in ("waiting", "failed"):
                self._status = Status("preparing")
                threading.Thread(target=self._run, name="transcription", daemon=True).start()
            return self._transcriber

    def forget_failure(self) -> str:
        """Return why the last loading failed, once, or the empty string: who asks again makes it try again."""
        with self._lock:
            if self._status.phase != "failed":
                return ""
            problem, self._status = self._status.problem, Status("waiting")
            return problem

    def _run(self) -> None:
        try:
            self._transcriber = self._load(self._report)
        except CacaraError as error:
            logger.error("speech cannot be written down: %s", error)
            self._status = Status("failed", problem=" ".join(str(error).split()))
        except Exception as error:
            # The thread's outermost frame: whatever it is, the page must not wait for ever.
            logger.exception("speech cannot be written down")
            self._status = Status("failed", problem=f"unexpected {type(error).__name__}, see the server's log")
        else:
            self._status = Status("ready")

    def _report(self, progress: Progress) -> None:
        step = f"{progress.subject}: {progress.stage}"
        self._status = Status("preparing", step=step, fraction=progress.fraction)
