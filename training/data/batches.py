"""Captioned clips as batches for the loop; English only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from cacara.benchmark.esc50 import clips as esc50
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from training.data.features import Features


def require_english(clips: Sequence[Clip]) -> None:
    """Refuse clips with a caption that is not declared English, or with none.

    Raises:
        ManifestError: Names the first such clip and how many there are.
    """
    wrong = [clip for clip in clips if set(clip.captions) != {"en"} or not clip.captions["en"]]
    if wrong:
        raise ManifestError(
            f"{len(wrong)} clips do not have English captions alone, first {wrong[0].clip_id}, "
            f"whose captions are in {sorted(wrong[0].captions)}; emergent alignment trains on 'en' alone"
        )


def refuse_measuring_only(clips: Sequence[Clip]) -> None:
    """Refuse clips of ESC-50, whose licence (CC BY-NC) and purpose allow no more than measuring.

    Raises:
        ManifestError: Names the first such clip and how many there are.
    """
    if wrong := [clip for clip in clips if esc50.is_clip(clip.path)]:
        raise ManifestError(
            f"{len(wrong)} clips are of ESC-50, first {wrong[0].clip_id}; it is CC BY-NC and for measuring alone: "
            "nothing may be trained with it"
        )


def with_licences(clips: Sequence[Clip], licences: Collection[str]) -> list[Clip]:
    """Return the clips under one of ``licences``; all of them when none is given.

    Raises:
        ManifestError: None is left; the licences that there are are named.
    """
    kept = [clip for clip in clips if not licences or clip.licence in licences]
    if not kept:
        there = ", ".join(sorted({clip.licence for clip in clips}))
        raise ManifestError(f"no clip is under {', '.join(sorted(licences))}; there are {there or 'no clips'}")
    return kept


class CaptionedClips:
    """Clips with their phrasings' embeddings and a label for what sounds."""

    def __init__(self, clips: Sequence[Clip], kept: Sequence[int], embeddings: Mapping[str, np.ndarray]) -> None:
        """Put the parts together.

        Args:
            clips: All clips.
            kept: Positions of those that can be drawn.
            embeddings: Every caption's text embedding, float32 [dimension], L2-normalised.

        Raises:
            ManifestError: A caption is not declared English, or a clip is for measuring alone.
        """
        require_english(clips)
        refuse_measuring_only(clips)
        self._clips = [clips[position] for position in kept]
        self._embeddings = embeddings
        # Clips of one concept are positives of each other; one without a concept stands for itself.
        names = [clip.concept or clip.captions["en"][0] for clip in self._clips]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self._labels = torch.tensor([numbers[name] for name in names])

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._clips)

    def _phrasing(self, index: int, rng: np.random.Generator) -> np.ndarray:
        phrasings = self._clips[index].captions["en"]
        return self._embeddings[phrasings[rng.integers(len(phrasings))]]


class CaptionedFeatures(CaptionedClips):
    """Clips as the cached features of a frozen audio tower."""

    def __init__(self, clips: Sequence[Clip], features: Features, embeddings: Mapping[str, np.ndarray]) -> None:
        """Put the parts together.

        Args:
            clips: The clips that ``features.kept`` counts in.
            features: Their views.
            embeddings: Every caption's text embedding, float32 [dimension], L2-normalised.

        Raises:
            ManifestError: A caption is not declared English.
        """
        super().__init__(clips, features.kept, embeddings)
        self._features = torch.from_numpy(features.features)
        self._probabilities = torch.from_numpy(features.probabilities)

    @property
    def probabilities(self) -> np.ndarray:
        """Class probabilities of every clip's first view, float32 [clips, classes]."""
        return self._probabilities[:, 0].numpy()

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return clips ``indices``, each in a view and a phrasing drawn for this step.

        Returns:
            ``features`` [N, features], ``probabilities`` [N, classes], ``texts`` [N, dimension], all float32, and
            ``labels``, int64 [N]: where two are equal, the one's text names the other's sound too.
        """
        rng = np.random.default_rng([seed, step, 1])
        rows = torch.tensor(list(indices))
        views = torch.from_numpy(rng.integers(0, self._features.shape[1], len(rows)))
        texts = [self._phrasing(index, rng) for index in indices]
        return {
            "features": self._features[rows, views],
            "probabilities": self._probabilities[rows, views],
            "texts": torch.from_numpy(np.stack(texts)),
            "labels": self._labels[rows],
        }
