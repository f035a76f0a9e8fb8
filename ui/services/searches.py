"""Recently shown results: a judgement is stored with this server's own rank and score, not the visitor's."""

from __future__ import annotations

import collections
import dataclasses
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShownSearch:
    """One ranked list as it was shown.

    Attributes:
        query_text: The query as typed, or None when it was a recording.
        recording: The uploaded file, a temporary one, or None when the query was text.
        recording_sha256: Hash of that file's bytes when it was searched, 64 hex digits.
        language: BCP-47 code of the query's language, or None when unknown.
        model: Name of the model that ranked.
        model_version: Its version.
        gallery: Name of the gallery that was searched.
        hits: Clip id to (rank from 1, score).
    """

    query_text: str | None = None
    recording: Path | None = None
    recording_sha256: str | None = None
    language: str | None = None
    model: str
    model_version: str
    gallery: str
    hits: Mapping[str, tuple[int, float]]


class SearchMemory:
    """The latest shown searches of this process by an unguessable id; safe for many threads."""

    def __init__(self, capacity: int = 10_000) -> None:
        """Make an empty memory.

        Args:
            capacity: Number of lists that are kept; the oldest is forgotten first.
        """
        self._capacity = capacity
        self._searches: collections.OrderedDict[str, ShownSearch] = collections.OrderedDict()
        self._lock = threading.Lock()

    def remember(self, search: ShownSearch) -> str:
        """Keep a shown list and return its id, 22 URL-safe characters."""
        search_id = secrets.token_urlsafe(16)
        with self._lock:
            self._searches[search_id] = search
            while len(self._searches) > self._capacity:
                self._searches.popitem(last=False)
        return search_id

    def recall(self, search_id: str) -> ShownSearch | None:
        """Return the list with this id, or None when it was never shown here or is forgotten."""
        with self._lock:
            return self._searches.get(search_id)
