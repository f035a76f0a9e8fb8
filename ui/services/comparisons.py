"""Recent comparisons of words, kept so that details need no second computation."""

from __future__ import annotations

import collections
import dataclasses
import secrets
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cacara.search.retriever import Retriever
    from cacara.words.comparison import Comparison


@dataclasses.dataclass(frozen=True)
class StoredComparison:
    """A comparison, and the model and sounds it was made with."""

    comparison: Comparison
    retriever: Retriever


class ComparisonMemory:
    """The latest comparisons by an unguessable id; safe for many threads."""

    def __init__(self, capacity: int = 32) -> None:
        """Make an empty memory.

        Args:
            capacity: Number that is kept, 10 MB each at most; the one longest unused is forgotten first.
        """
        self._capacity = capacity
        self._kept: collections.OrderedDict[str, StoredComparison] = collections.OrderedDict()
        self._lock = threading.Lock()

    def remember(self, compared: StoredComparison) -> str:
        """Keep a comparison and return its id, 22 URL-safe characters."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[key] = compared
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return key

    def recall(self, key: str) -> StoredComparison | None:
        """Return the comparison with this id, or None when it was never made here or is forgotten."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)
