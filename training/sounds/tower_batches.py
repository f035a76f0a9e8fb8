"""Captioned clips for an audio tower that learns: a batch holds what goes into the part of the tower that trains."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cacara.encoders.audio import AudioTower
from cacara.errors import AudioError
from cacara.galleries.manifest import Clip
from training.data import cached_arrays, features
from training.data.batches import CaptionedClips
from training.data.features import ViewOptions

FORMAT = 1
READERS = 8
"""Threads that decode and augment a batch's clips."""

log = logging.getLogger(__name__)


class Views(Protocol):
    """Source of the patches of a clip's views."""

    @property
    def kept(self) -> Sequence[int]:
        """Positions of the clips that can be read."""
        ...

    def patches(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return the patches of one view of clip ``kept[index]``, drawn by ``rng``, [patches, ...]."""
        ...


class CaptionedSounds(CaptionedClips):
    """Clips as patches, each with its phrasings' embeddings and a label for what sounds."""

    def __init__(self, clips: Sequence[Clip], views: Views, embeddings: Mapping[str, np.ndarray]) -> None:
        """Put the parts together.

        Args:
            clips: The clips that ``views.kept`` counts in.
            views: Their patches.
            embeddings: Every caption's text embedding, float32 [dimension], L2-normalised.

        Raises:
            ManifestError: A caption is not declared English.
        """
        super().__init__(clips, views.kept, embeddings)
        self._views = views

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return clips ``indices`` as ``share`` does."""
        return self.share(indices, step, seed, slice(None))

    def share(self, indices: Sequence[int], step: int, seed: int, rows: slice) -> dict[str, Tensor]:
        """Return one process's rows of a batch; the other rows are not even read.

        Returns:
            ``patches`` [N, most patches, ...], float32, filled up with zeros; ``counts``, int64 [N], how many patches
            are a clip's own; ``texts``, float32 [N, dimension]; ``labels``, int64 [N].
        """
        positions = range(len(indices))[rows]
        random = [np.random.default_rng([seed, step, position, 2]) for position in positions]
        chosen = [indices[position] for position in positions]
        with ThreadPoolExecutor(READERS) as readers:
            patches = list(readers.map(self._views.patches, chosen, random))
        texts = [self._phrasing(index, rng) for index, rng in zip(chosen, random, strict=True)]
        return {
            "patches": pad_sequence(patches, batch_first=True),
            "counts": torch.tensor([len(own) for own in patches]),
            "texts": torch.from_numpy(np.stack(texts)),
            "labels": self._labels[torch.tensor(chosen)],
        }


@dataclasses.dataclass(frozen=True)
class KeptViews:
    """Views that went through the frozen stages once.

    Attributes:
        hidden: float16 [patches of all views of all clips, ...].
        counts: int64 [clips, views], patches of each view, in the order of ``hidden``.
        kept: Positions of the clips that could be read.
    """

    hidden: Tensor
    counts: np.ndarray
    kept: Sequence[int]

    def patches(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return one of the clip's views, float32 [patches, ...]."""
        view = int(rng.integers(self.counts.shape[1]))
        number = index * self.counts.shape[1] + view
        ends = np.cumsum(self.counts)
        return self.hidden[ends[number] - self.counts.flat[number] : ends[number]].float()


@dataclasses.dataclass(frozen=True)
class FreshViews:
    """Views that are read and augmented when they are asked for, for data that no memory holds.

    Attributes:
        clips: The clips.
        kept: Positions of those that can be read.
        tower: Cuts them into patches.
        options: Options of the views; with more than one of them every view is augmented.
    """

    clips: Sequence[Clip]
    kept: Sequence[int]
    tower: AudioTower
    options: ViewOptions

    def patches(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return a new view, float32 [patches, ...].

        Raises:
            AudioError: The clip could be read before and cannot now.
        """
        waveform = self._read(index)
        if self.options.views > 1:
            other = self._read(int(rng.integers(len(self.kept))))
            waveform = features.augment(waveform, [other], rng, self.options)
        else:
            waveform = waveform[: int(self.options.max_seconds * features.audio.SAMPLE_RATE_HZ)]
        with torch.inference_mode():
            return self.tower.patches(waveform).cpu()

    def _read(self, index: int) -> np.ndarray:
        clip = self.clips[self.kept[index]]
        waveform = features.read(clip, self.options)
        if waveform is None:
            raise AudioError(f"{clip.clip_id} could be read when the run began and cannot now: {clip.path}")
        return waveform


def keep_views(clips: Sequence[Clip], tower: AudioTower, begin: int, options: ViewOptions) -> KeptViews:
    """Return every clip's views behind the tower's first ``begin`` stages, from the cache when they are there.

    Raises:
        ManifestError: None of the clips can be read.
    """

    def compute() -> dict[str, np.ndarray]:
        hidden: list[np.ndarray] = []
        counts: list[list[int]] = []
        sounds, kept = features.read_all(clips, options)
        for number in range(len(sounds)):
            with torch.inference_mode():
                patches = [tower.patches(view) for view in features.views_of(number, sounds, options)]
                hidden += [tower.network.lower(own, begin).half().cpu().numpy() for own in patches]
            counts.append([len(own) for own in patches])
            if number % 100 == 0:
                log.info("patches of clip %d of %d", number, len(sounds))
        return {"hidden": np.concatenate(hidden), "counts": np.array(counts), "kept": np.array(kept)}

    hashes = [clip.sha256 for clip in clips]
    key = [FORMAT, dataclasses.asdict(options), begin, cached_arrays.weights_hash(tower), hashes]
    arrays = cached_arrays.get("patches", key, compute)
    return KeptViews(torch.from_numpy(arrays["hidden"]), arrays["counts"], tuple(arrays["kept"].tolist()))


def fresh_views(clips: Sequence[Clip], tower: AudioTower, options: ViewOptions) -> FreshViews:
    """Return views that are made anew each time; that the clips can be read is found out once and remembered.

    Raises:
        ManifestError: None of the clips can be read.
    """
    key = [FORMAT, options.max_seconds, [clip.sha256 for clip in clips]]
    arrays = cached_arrays.get("readable", key, lambda: {"kept": np.array(features.readable(clips, options))})
    return FreshViews(clips, tuple(arrays["kept"].tolist()), tower, options)
