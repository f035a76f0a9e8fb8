"""Frozen audio features of training clips, with augmented views, computed once and cached.

While the audio encoder is frozen its output for a clip never changes, so a training step costs no more
than the projection. Views make up for it: each is the clip cut, sped up or slowed down, and mixed with
another clip in the background.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import torch

from cacara import audio
from cacara.backbones.audio import AudioTower
from cacara.errors import AudioError, ManifestError
from cacara.manifest import Clip
from training import cached_arrays
from training.run_folder import RunError

FORMAT = 1
SPEEDS = (0.88, 0.94, 1.0, 1.06, 1.12)
BACKGROUND_DECIBELS = (6.0, 20.0)

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ViewOptions:
    """How clips are turned into views.

    Attributes:
        views: Views a clip; the first is the clip as it is, the others are augmented.
        max_seconds: Longer clips are cut: the first view to its beginning, others at random.
        seed: Of everything random.
    """

    views: int = 4
    max_seconds: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("views", "max_seconds"):
            if getattr(self, name) <= 0:
                raise RunError(f"views.{name} is {getattr(self, name)}; wanted more than 0")


@dataclasses.dataclass(frozen=True)
class Features:
    """The views' features.

    Attributes:
        features: float32 [clips, views, features].
        probabilities: float32 [clips, views, classes].
        kept: Positions of the clips that could be read, in the order of the rows.
    """

    features: np.ndarray
    probabilities: np.ndarray
    kept: tuple[int, ...]


def compute(clips: Sequence[Clip], tower: AudioTower, options: ViewOptions) -> Features:
    """Return every clip's views through the frozen tower, from the cache when they are there.

    Args:
        clips: Training clips; those that cannot be read are left out and logged.
        tower: The frozen audio tower.
        options: How to make views.

    Raises:
        ManifestError: None of the clips can be read.
    """
    hashes = [clip.sha256 for clip in clips]
    key = [FORMAT, dataclasses.asdict(options), tower.patch_pooling, cached_arrays.weights_hash(tower), hashes]
    arrays = cached_arrays.get("features", key, lambda: _compute(clips, tower, options))
    return Features(arrays["features"], arrays["probabilities"], tuple(arrays["kept"].tolist()))


def _compute(clips: Sequence[Clip], tower: AudioTower, options: ViewOptions) -> dict[str, np.ndarray]:
    waveforms = _read(clips, options)
    sounds = [waveform for waveform in waveforms if waveform is not None]
    if not sounds:
        raise ManifestError(f"none of {len(clips)} training clips can be read; wanted one or more")
    features, probabilities = [], []
    for number, waveform in enumerate(sounds):
        rng = np.random.default_rng([options.seed, number])
        views = [waveform[: int(options.max_seconds * audio.SAMPLE_RATE_HZ)]]
        views += [_augment(waveform, sounds, rng, options) for _ in range(options.views - 1)]
        with torch.inference_mode():
            encoded, classes = tower(views)
        features.append(encoded.numpy())
        probabilities.append(classes.numpy())
        if number % 100 == 0:
            log.info("features of clip %d of %d", number, len(sounds))
    kept = [position for position, waveform in enumerate(waveforms) if waveform is not None]
    return {"features": np.stack(features), "probabilities": np.stack(probabilities), "kept": np.array(kept)}


def _read(clips: Sequence[Clip], options: ViewOptions) -> list[np.ndarray | None]:
    limits = dataclasses.replace(audio.GALLERY_LIMITS, max_seconds=3 * options.max_seconds)
    waveforms: list[np.ndarray | None] = []
    for clip in clips:
        try:
            waveform = audio.load(clip.path, limits).waveform
            audio.check_audible(waveform)
            waveforms.append(waveform)
        except AudioError as error:
            log.warning("left out: %s: %s", clip.clip_id, error)
            waveforms.append(None)
    return waveforms


def _augment(
    waveform: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator, options: ViewOptions
) -> np.ndarray:
    """Return the clip cut at random, at another speed, over a quiet piece of another clip."""
    import torchaudio

    longest = int(options.max_seconds * audio.SAMPLE_RATE_HZ)
    start = int(rng.integers(0, max(1, len(waveform) - longest + 1)))
    speed = SPEEDS[rng.integers(len(SPEEDS))]
    piece = torch.from_numpy(waveform[start : start + longest])
    rate = round(audio.SAMPLE_RATE_HZ * speed / 100) * 100  # round rates keep the resampling kernel small
    piece = torchaudio.functional.resample(piece, rate, audio.SAMPLE_RATE_HZ)
    background = torch.from_numpy(others[int(rng.integers(len(others)))])
    background = background.repeat(-(-len(piece) // len(background)))[: len(piece)]
    decibels = torch.tensor(rng.uniform(*BACKGROUND_DECIBELS), dtype=torch.float32)
    if float(background.abs().max()) > 0 and float(piece.abs().max()) > 0:
        piece = torchaudio.functional.add_noise(piece, background, decibels)
    return piece.numpy()
