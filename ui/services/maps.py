"""The maps that are drawn, and those that are being made in the background; knows no Gradio."""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
from typing import TYPE_CHECKING

from cacara.errors import CacaraError, QueryError

if TYPE_CHECKING:
    from cacara.embedding_map.plane import EmbeddingMap, MapInputs
    from cacara.search.retriever import Retriever
    from cacara.sources.clients import Progress
    from ui.page.wording import Wording

IN_MEMORY = 6
"""Number of maps kept ready; one of 10,000 points takes 15 MB."""

MOST_JOBS = 4
"""Number of maps that may be requested at once; they are made one after the other."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Job:
    """A map that is being made.

    Attributes:
        key: The map's key.
        watchers: The visitors who wait for it; it is stopped when the last one has turned away.
        step: Current step, e.g. ``embed texts``; ``wait`` while another map is made.
        fraction: Done part of that step, 0 to 1, or None if unknown.
        phase: ``fitting``, then ``stopped`` or ``failed``; a finished one is a map and no job.
        problem: Reason of a failure, in one line.
    """

    key: str
    watchers: set[str] = dataclasses.field(default_factory=set)
    step: str = "start"
    fraction: float | None = None
    phase: str = "fitting"
    problem: str = ""
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)


class MapCache:
    """Makes maps one after the other in threads of its own, and keeps the latest; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._one_by_one = threading.Lock()
        self._maps: collections.OrderedDict[str, EmbeddingMap] = collections.OrderedDict()
        self._jobs: dict[str, Job] = {}

    def find(self, inputs: MapInputs) -> EmbeddingMap | None:
        """Return the map of these inputs if it is here or stored."""
        from cacara.embedding_map import store

        with self._lock:
            if inputs.key in self._maps:
                self._maps.move_to_end(inputs.key)
                return self._maps[inputs.key]
        stored = store.read(inputs)
        if stored is not None:
            self._keep(stored)
        return stored

    def recall(self, key: str, words: Wording) -> EmbeddingMap:
        """Return the map with this key.

        Raises:
            QueryError: It was never shown here, or is no longer kept.
        """
        with self._lock:
            if isinstance(key, str) and key in self._maps:
                self._maps.move_to_end(key)
                return self._maps[key]
        raise QueryError(words("map_forgotten"))

    def make(self, retriever: Retriever, inputs: MapInputs, visitor: str, words: Wording) -> Job:
        """Begin to make a map, or join those who wait for it, and return how far it is.

        Raises:
            QueryError: Too many maps are wanted already.
        """
        key = inputs.key
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.phase != "fitting" or job.stop.is_set():
                busy = [each for each in self._jobs.values() if each.phase == "fitting"]
                if len(busy) >= MOST_JOBS:
                    raise QueryError(words("map_busy", count=len(busy)))
                job = Job(key, step="wait" if busy else "start")
                # An ended job is reported to those who still poll, and forgotten with the next.
                self._jobs = {each.key: each for each in busy} | {key: job}
                # A daemon: an interrupted map leaves nothing behind.
                threading.Thread(target=self._run, args=(job, retriever, inputs), name="map", daemon=True).start()
            job.watchers.add(visitor)
            return job

    def job(self, key: str) -> Job | None:
        """Return how far the map with this key is, or None when it is not being made."""
        with self._lock:
            return self._jobs.get(key)

    def stop(self, key: str, visitor: str) -> None:
        """Turn a visitor away from a map; its making ends when nobody else waits for it."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None:
                job.watchers.discard(visitor)
                if not job.watchers:
                    job.stop.set()

    def _run(self, job: Job, retriever: Retriever, inputs: MapInputs) -> None:
        from cacara.embedding_map import store
        from cacara.embedding_map.points import MapStopped

        def report(progress: Progress) -> None:
            job.step, job.fraction = progress.stage, progress.fraction

        try:
            with self._one_by_one:
                job.step = "start"
                self._keep(store.make(retriever, inputs, report, job.stop.is_set))
        except MapStopped:
            job.phase = "stopped"
        except CacaraError as error:
            logger.error("the map failed: %s", error)
            job.problem, job.phase = " ".join(str(error).split()), "failed"
        except Exception as error:
            # The thread's outermost frame: whatever it is, the page must not wait for ever.
            logger.exception("the map failed")
            job.problem, job.phase = f"unexpected {type(error).__name__}, see the server's log", "failed"
        else:
            with self._lock:
                if self._jobs.get(job.key) is job:
                    del self._jobs[job.key]

    def _keep(self, made: EmbeddingMap) -> None:
        with self._lock:
            self._maps[made.inputs.key] = made
            self._maps.move_to_end(made.inputs.key)
            while len(self._maps) > IN_MEMORY:
                self._maps.popitem(last=False)
