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

from cacara.encoders.audio import AudioTower
from cacara.errors import AudioError, ManifestError
from cacara.galleries.manifest import Clip
from cacara.media import audio
from training.data import cached_arrays
from training.run_folder import RunError

FORMAT = 1
SPEEDS = (0.88, 0.94, 1.0, 1.06, 1.12)
BACKGROUND_DECIBELS = (6.0, 20.0)

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ViewOptions:
    """Views that clips are turned into.

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
        options: Options of the views.

    Raises:
        ManifestError: None of the clips can be read.
    """
    hashes = [clip.sha256 for clip in clips]
    key = [FORMAT, dataclasses.asdict(options), tower.patch_pooling, cached_arrays.weights_hash(tower), hashes]
    arrays = cached_arrays.get("features", key, lambda: _compute(clips, tower, options))
    return Features(arrays["features"], arrays["probabilities"], tuple(arrays["kept"].tolist()))


def _compute(clips: Sequence[Clip], tower: AudioTower, options: ViewOptions) -> dict[str, np.ndarray]:
    features, probabilities = [], []
    sounds, kept = read_all(clips, options)
    for number in range(len(sounds)):
        with torch.inference_mode():
            encoded, classes = tower(views_of(number, sounds, options))
        features.append(encoded.cpu().numpy())
        probabilities.append(classes.cpu().numpy())
        if number % 100 == 0:
            log.info("features of clip %d of %d", number, len(sounds))
    return {"features": np.stack(features), "probabilities": np.stack(probabilities), "kept": np.array(kept)}


def read_all(clips: Sequence[Clip], options: ViewOptions) -> tuple[list[np.ndarray], list[int]]:
    """Return the clips' waveforms, float32 [samples] at 16 kHz, and the positions of those that can be read.

    Raises:
        ManifestError: None of the clips can be read.
    """
    waveforms = [read(clip, options) for clip in clips]
    sounds = [waveform for waveform in waveforms if waveform is not None]
    if not sounds:
        raise ManifestError(f"none of {len(clips)} training clips can be read; wanted one or more")
    return sounds, [position for position, waveform in enumerate(waveforms) if waveform is not None]


def readable(clips: Sequence[Clip], options: ViewOptions) -> list[int]:
    """Return the positions of the clips that can be read, one of them in memory at a time.

    Raises:
        ManifestError: None of the clips can be read.
    """
    kept = [position for position, clip in enumerate(clips) if read(clip, options) is not None]
    if not kept:
        raise ManifestError(f"none of {len(clips)} training clips can be read; wanted one or more")
    return kept


def read(clip: Clip, options: ViewOptions) -> np.ndarray | None:
    """Return a clip's waveform, cut to three times a view's length; None, and a line in the log, if it is no use."""
    limits = dataclasses.replace(audio.GALLERY_LIMITS, max_seconds=3 * options.max_seconds)
    try:
        waveform = audio.load(clip.path, limits).waveform
        audio.check_audible(waveform)
    except AudioError as error:
        log.warning("left out: %s: %s", clip.clip_id, error)
        return None
    return waveform


def views_of(number: int, sounds: Sequence[np.ndarray], options: ViewOptions) -> list[np.ndarray]:
    """Return the views of one of the sounds: as it is, then augmented, always the same ones."""
    rng = np.random.default_rng([options.seed, number])
    whole = sounds[number][: int(options.max_seconds * audio.SAMPLE_RATE_HZ)]
    return [whole, *(augment(sounds[number], sounds, rng, options) for _ in range(options.views - 1))]


def augment(
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
