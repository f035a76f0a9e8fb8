"""Embeddings of a lexicon's English senses, made by the model's own text side and kept between runs.

A file holds them for one vocabulary and one text side. Which text side made it is not named but seen: a few senses are
embedded once more and compared, so that models with equal text sides share a file whatever they are called, and one
whose text side was trained on never reads a stranger's.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cacara.model.parts.part import English
from cacara.sources import fetching
from cacara.sources.clients import Progress, Report, silent
from cacara_files.atomic import replacing

AT_ONCE = 512
PROBES = 8
NEARLY_EQUAL = 0.9995
"""Cosine of two embeddings of a sense by equal text sides, one of them stored in half precision."""
MAX_FILES = 6

log = logging.getLogger(__name__)


class SenseEmbeddings:
    """The senses' embeddings, float16 in memory; those that are missing are made when they are asked for."""

    def __init__(self, vocabulary: Sequence[str], folder: Path | None = None, *, kept: bool = True) -> None:
        """Begin with none.

        Args:
            vocabulary: The senses.
            folder: Where files are kept; None takes the cache's ``senses``.
            kept: Whether files are read and written at all.
        """
        self.vocabulary = vocabulary
        self._folder = folder
        self._lock = threading.RLock()
        self._known = np.zeros(len(vocabulary), bool)
        self._embeddings: NDArray[np.float16] | None = None
        self._glosses: dict[str, NDArray[np.float32]] = {}
        self._kept = kept
        self._restored = not kept

    def __deepcopy__(self, memo: dict[int, object]) -> SenseEmbeddings:
        """Return itself: copies of a model share what their equal text sides have made."""
        return self

    def of(self, numbers: Iterable[int], english: English) -> NDArray[np.float32]:
        """Return the embeddings of senses, float32 [senses, width], L2-normalised.

        Args:
            numbers: Positions in the vocabulary.
            english: The model's text side.
        """
        wanted = np.fromiter(numbers, np.int64)
        with self._lock:
            if not self._restored:
                self._restore(english)
            missing = np.unique(wanted[~self._known[wanted]])
            for start in range(0, len(missing), AT_ONCE):
                self._make(missing[start : start + AT_ONCE], english)
            if self._embeddings is None:
                return np.zeros((0, english(()).shape[1]), np.float32)
            return self._embeddings[wanted].astype(np.float32)

    def of_glosses(self, glosses: Sequence[str], english: English) -> NDArray[np.float32]:
        """Return the embeddings of English texts outside the vocabulary, float32 [glosses, width], L2-normalised.

        Each is embedded alone, as it would be as a query: what a text tower makes of a text in a batch may differ in
        its last bits, and the model remembers it.

        Args:
            glosses: At least one.
            english: The model's text side.
        """
        with self._lock:
            for gloss in glosses:
                if gloss not in self._glosses:
                    self._glosses[gloss] = english([gloss])[0]
            return np.stack([self._glosses[gloss] for gloss in glosses])

    def prepare(self, english: English, report: Report = silent) -> None:
        """Make all that are missing, once a vocabulary and text side, and keep them."""
        with self._lock:
            if not self._restored:
                self._restore(english)
            missing = np.flatnonzero(~self._known)
            for start in range(0, len(missing), AT_ONCE):
                report(Progress("lexicon", "embed", start / len(missing)))
                self._make(missing[start : start + AT_ONCE], english)
            if len(missing) and self._kept:
                self._keep()
            report(Progress("lexicon", "ready", 1.0))

    def _make(self, numbers: NDArray[np.int64], english: English) -> None:
        made = english([self.vocabulary[number] for number in numbers])
        if self._embeddings is None:
            self._embeddings = np.zeros((len(self.vocabulary), made.shape[1]), np.float16)
        self._embeddings[numbers] = made
        self._known[numbers] = True

    @property
    def _place(self) -> Path:
        return self._folder or fetching.cache_folder() / "senses"

    @property
    def _prefix(self) -> str:
        digest = hashlib.sha256("\n".join(self.vocabulary).encode()).hexdigest()
        return f"senses-{digest[:12]}-"

    def _restore(self, english: English) -> None:
        """Take the file of a text side that embeds the probes alike, if there is one."""
        self._restored = True
        files = sorted(self._place.glob(f"{self._prefix}*.npy"))
        if not files:
            return
        probes = np.linspace(0, len(self.vocabulary) - 1, PROBES).astype(int)
        made = english([self.vocabulary[number] for number in probes])
        for path in files:
            try:
                kept = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                log.warning("kept senses %s are unreadable and made anew: %s", path.name, error)
                continue
            if kept.dtype != np.float16 or kept.shape != (len(self.vocabulary), made.shape[1]):
                continue
            if ((kept[probes].astype(np.float32) * made).sum(axis=1) >= NEARLY_EQUAL).all():
                self._embeddings, self._known = kept, np.ones(len(self.vocabulary), bool)
                with contextlib.suppress(OSError):
                    os.utime(path)  # it is in use: see MAX_FILES
                return

    def _keep(self) -> None:
        assert self._embeddings is not None
        name = hashlib.sha256(self._embeddings.tobytes()).hexdigest()[:12]
        path = self._place / f"{self._prefix}{name}.npy"
        try:
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, self._embeddings)
            for old in sorted(path.parent.glob("senses-*.npy"), key=lambda file: file.stat().st_mtime)[:-MAX_FILES]:
                old.unlink()
        except OSError as error:  # a full or read-only disk costs time in the next run, nothing else
            log.warning("senses are not kept: %s", error)
