"""Texts of visitors who wait at the same time, read in one pass of the text tower.

A pass over several short texts costs little more than one over a single text. Whoever comes while a pass is under way
goes into the next one, together with all others that wait; whoever comes alone is read at once.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Read = Callable[[Sequence[str]], Mapping[str, np.ndarray]]


@dataclasses.dataclass(eq=False)
class _Question:
    """Texts of one thread, and what became of them.

    Attributes:
        texts: What is asked.
        turn: Set when the pass is over that read them, or when this thread is to make the next pass.
        found: Embeddings by text, of all that were read with these; None before that.
        alone: The pass that they were in failed, perhaps for the texts of others.
    """

    texts: Sequence[str]
    turn: threading.Event = dataclasses.field(default_factory=threading.Event)
    found: Mapping[str, np.ndarray] | None = None
    alone: bool = False


class TextQueue:
    """Collects texts of several threads; of those that wait, one makes the pass for all."""

    def __init__(self, most: int) -> None:
        """Make an empty queue.

        Args:
            most: Number of texts of a pass, at most; whoever asks for more makes a pass alone.
        """
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Question] = []
        self._busy = False

    def read(self, texts: Sequence[str], work: Read) -> dict[str, np.ndarray]:
        """Return the embedding of each text.

        Args:
            texts: Distinct texts, at least one.
            work: Makes a pass; it is called in one of the threads that wait, with texts of all.
        """
        own = _Question(texts)
        with self._lock:
            self._waiting.append(own)
            waits, self._busy = self._busy, True
        if waits:
            own.turn.wait()
        found = work(texts) if own.alone else own.found if own.found is not None else self._pass(own, work)
        return {text: found[text] for text in texts}

    def _pass(self, own: _Question, work: Read) -> Mapping[str, np.ndarray]:
        """Read what waits, the own texts first, and let the next of those who came meanwhile make the next pass."""
        with self._lock:
            sizes = itertools.accumulate(len(each.texts) for each in self._waiting)
            count = max(1, sum(size <= self._most for size in sizes))
            together, self._waiting = self._waiting[:count], self._waiting[count:]
        found = None
        try:
            found = work(list(dict.fromkeys(text for each in together for text in each.texts)))
            return found
        finally:
            with self._lock:
                self._busy = bool(self._waiting)
                following = self._waiting[:1]
            for each in together:
                each.found, each.alone = found, found is None
            for each in [*together, *following]:
                each.turn.set()
