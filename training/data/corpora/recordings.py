"""Many recordings asked at once which of them a sound is: another encoding, or a piece of one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.data.corpora.fingerprint import MIN_LENGTH_RATIO, Fingerprint, shared_seconds

MIN_VOTES = 3
"""Half marks that must agree at one offset before two sounds are compared there."""
_NEIGHBOURS = (-1, 0, 1)
_FEW = 64  # a half mark that more recordings' frames have than this many times their mean says nothing


class Recordings:
    """Fingerprints by name, indexed by the halves of their marks."""

    def __init__(self, fingerprints: dict[str, Fingerprint]) -> None:
        self._names = list(fingerprints)
        self._prints = list(fingerprints.values())
        self._seconds = np.array([sound.sounding_seconds for sound in self._prints])
        self._shapes = np.stack([sound.shape for sound in self._prints]) if self._prints else np.zeros((0, 0))
        counts = [len(sound.marks) for sound in self._prints]
        owners = np.repeat(np.arange(len(counts)), counts)
        places = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0, int)
        marks = np.concatenate([sound.marks for sound in self._prints]) if counts else np.zeros(0, np.uint32)
        self._index = [_Half(half, owners, places, marks) for half in (0, 1)]

    def copy_of(self, sound: Fingerprint, similarity: float) -> str | None:
        """Return the name of a recording that ``sound`` is as a whole, or None; see ``Fingerprint.resembles``."""
        if not self._prints:
            return None
        shorter = np.minimum(self._seconds, sound.sounding_seconds)
        longer = np.maximum(self._seconds, sound.sounding_seconds)
        alike = (self._shapes @ sound.shape >= similarity) & (shorter >= MIN_LENGTH_RATIO * longer)
        return self._names[int(np.argmax(alike))] if alike.any() else None

    def shared(self, sound: Fingerprint) -> dict[str, float]:
        """Return the recordings that share a stretch with ``sound``, and its seconds; see ``shared_seconds``."""
        found: dict[str, float] = {}
        pairs = [half.votes(sound.marks) for half in self._index]
        votes = np.concatenate(pairs) if pairs else np.zeros((0, 2), int)
        if not len(votes):
            return found
        candidates, counts = np.unique(votes, axis=0, return_counts=True)
        for owner, offset in candidates[counts >= MIN_VOTES]:
            name, other = self._names[owner], self._prints[owner]
            seconds = max(shared_seconds(sound, other, int(offset) + step) for step in _NEIGHBOURS)
            if seconds > found.get(name, 0.0):
                found[name] = seconds
        return found


class _Half:
    """Positions of each value of the upper or lower 16 bits of the marks."""

    def __init__(
        self, half: int, owners: npt.NDArray[np.int64], places: npt.NDArray[np.int64], marks: npt.NDArray[np.uint32]
    ) -> None:
        self._half = half
        keys = _key(marks, half)
        order = np.argsort(keys, kind="stable")
        self._keys, self._owners, self._places = keys[order], owners[order], places[order]
        self._many = max(_FEW, _FEW * len(keys) // 65536)

    def votes(self, marks: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Return int64 [votes, 2], owner and offset of every mark that agrees with one of ``marks``."""
        keys = _key(marks, self._half)
        begins = np.searchsorted(self._keys, keys, "left")
        lengths = np.searchsorted(self._keys, keys, "right") - begins
        lengths[(lengths > self._many) | (keys == 0)] = 0
        mine = np.repeat(np.arange(len(keys)), lengths)
        starts = np.repeat(begins - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
        theirs = starts + np.arange(len(mine))
        return np.stack([self._owners[theirs], mine - self._places[theirs]], axis=1)


def _key(marks: npt.NDArray[np.uint32], half: int) -> npt.NDArray[np.int64]:
    return ((marks >> (16 * half)) & 0xFFFF).astype(np.int64)
