"""The models that the app may answer with, and making one ready over the gallery."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.errors import QueryError, RegistryError
from cacara.model.config import DEFAULT_MODEL
from cacara.model.registry import Entry, Registry, bundled

if TYPE_CHECKING:
    from cacara.galleries.gallery import Gallery
    from cacara.model.model import Cacara
    from cacara.search.engines import SearchIndex
    from cacara.search.retriever import Retriever
    from cacara.sources.clients import Progress, Report

    Load = Callable[[str | Path, Report], Cacara]

FIRST_QUERY = "der Hund bellt"
"""Asked before any visitor asks: what is made at the first query is made by then."""

logger = logging.getLogger(__name__)


class ServedModels:
    """The bundled and the promoted models over one gallery, see ``ui.services.engine.Models``."""

    def __init__(
        self,
        registry: Registry,
        gallery: str | None,
        device: str,
        given: str | None = None,
        index: str | None = None,
        load: Load | None = None,
    ) -> None:
        """Remember where everything is; nothing is read yet.

        Args:
            registry: Folder of promoted models.
            gallery: Place of the gallery, see ``cacara.galleries.places``; None for the default one.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            given: A bundled model's name or a model folder that whoever started the app wants to answer, whatever is
                promoted; None for the promoted one.
            index: Where the gallery's sounds are indexed, as ``engines.open_index`` takes it; None searches in memory.
            load: Loads a model in place of ``checkpoint.load``, wherever it computes.
        """
        self._load = load
        self._registry = registry
        self._place = gallery
        self._device = device
        self._given = given
        self._index_uri = index
        self._gallery: Gallery | None = None
        self._lock = threading.Lock()

    def offered(self) -> list[tuple[str, str]]:
        """Return (id, name to show) of each: the one the app was started with, the bundled, the promoted, newest first.

        The promoted ones are left out, and the log says so, when the registry's file is damaged.
        """
        try:
            entries = self._registry.entries()
        except RegistryError as error:
            logger.error("the promoted models are not offered: %s", error)
            entries = bundled()
        own = [] if self._given is None or self._given in {entry.model_id for entry in entries} else [self._given]
        names = [(given, Path(given).name or given) for given in own]
        return names + [(each.model_id, _title(each)) for each in entries]

    def current(self) -> str:
        """Return the id of the model that the app was started with, else of the promoted one.

        Raises:
            RegistryError: The registry's file is damaged.
        """
        return self._given or self._registry.current()

    def fallback(self) -> str:
        """Return the model that the app was started with, else the bundled default."""
        return self._given or DEFAULT_MODEL

    def prepare(self, model_id: str, beside: Sequence[Retriever], report: Callable[[Progress], None]) -> Retriever:
        """Return a model's retriever: loaded, the gallery embedded or its embeddings read.

        Args:
            model_id: One of ``offered``.
            beside: The retrievers that are ready; equal towers are shared with them.
            report: Takes the progress.

        Raises:
            CacaraError: There is no such model, or it, the gallery or the index cannot be had.
        """
        from cacara import devices
        from cacara.model import checkpoint
        from cacara.search.request import SearchRequest
        from cacara.search.retriever import Retriever

        # Only here may a path lead outside the registry, and it is that of whoever started the app.
        place = self._given if model_id == self._given and self._given else self._registry.find(model_id).folder
        checkpoint.find(place)  # a wrong name fails before minutes of fetching
        sounds = self._sounds(report)
        model = self._load(place, report) if self._load else checkpoint.load(place, self._device, report=report)
        for each in beside:
            model.share_towers(each.model)
        retriever = Retriever(model, sounds, report, self._index(model))
        retriever.embed(SearchRequest(text=FIRST_QUERY))
        devices.release_memory()
        return retriever

    def _index(self, model: Cacara) -> SearchIndex | None:
        """Return the gallery's index if this model made it; the sounds are embedded here for every other model.

        Raises:
            QueryError: The index cannot be opened, or does not say who made it.
        """
        from cacara.search import engines

        if self._index_uri is None:
            return None
        own, maker = engines.maker_name(model), engines.read_maker(self._index_uri)
        if maker is None:
            raise QueryError(
                f"{self._index_uri} is no index, or one that does not say which model made it; wanted one filled by "
                f"python -m cacara index {self._place} --engine {self._index_uri}"
            )
        if maker != own:
            logger.warning("the index %s is by %s; %s embeds the gallery anew", self._index_uri, maker, own)
            return None
        return engines.open_index(self._index_uri, model.dimension)

    def _sounds(self, report: Callable[[Progress], None]) -> Gallery:
        from cacara.galleries import gallery

        with self._lock:
            # Its files may be gone since, as when the cache was emptied: it is then read, or fetched, again.
            if self._gallery is None or not self._gallery.clips[0].path.is_file():
                self._gallery = gallery.load(self._place, report)
            return self._gallery


def _title(entry: Entry) -> str:
    return f"{entry.name} · {entry.version}"
