"""Frozen image features of training pictures, with augmented views, computed once and cached."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageEnhance

from cacara.encoders import image
from cacara.encoders.image import ImageTower
from cacara.galleries.manifest import Clip
from cacara.media import images
from training.data import cached_arrays
from training.data.features import Features
from training.run_folder import RunError

FORMAT = 1
GROUNDS = (96, 160, 208, 255)
SHARE_KEPT = (0.75, 1.0)
TURNED_DEGREES = 15.0
BRIGHTNESS = (0.75, 1.25)

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ImageViewOptions:
    """Views that pictures are turned into.

    Attributes:
        views: Views a picture; the first is the picture as it is, the others are augmented.
        seed: Of everything random.
    """

    views: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.views < 1:
            raise RunError(f"views.views is {self.views}; wanted 1 or more")


def compute(pictures: Sequence[Clip], tower: ImageTower, options: ImageViewOptions) -> Features:
    """Return every picture's views through the frozen tower, from the cache when they are there.

    Args:
        pictures: Training data.
        tower: The frozen image tower.
        options: Options of the views.

    Raises:
        ImageError: A picture cannot be read.
    """
    hashes = [picture.sha256 for picture in pictures]
    fitted = [image.SIDE, image.MARGIN]
    key = [FORMAT, dataclasses.asdict(options), fitted, cached_arrays.weights_hash(tower), hashes]
    arrays = cached_arrays.get("image-features", key, lambda: _compute(pictures, tower, options))
    return Features(arrays["features"], arrays["probabilities"], tuple(range(len(pictures))))


def _compute(pictures: Sequence[Clip], tower: ImageTower, options: ImageViewOptions) -> dict[str, np.ndarray]:
    features, probabilities = [], []
    for number, picture in enumerate(pictures):
        rng = np.random.default_rng([options.seed, number])
        views = [images.load(picture.path, images.GALLERY_LIMITS)]
        views += [_augment(picture, rng) for _ in range(options.views - 1)]
        with torch.inference_mode():
            encoded, classes = tower(views)
        features.append(encoded.numpy())
        probabilities.append(classes.numpy())
        if number % 100 == 0:
            log.info("features of picture %d of %d", number, len(pictures))
    return {"features": np.stack(features), "probabilities": np.stack(probabilities)}


def _augment(picture: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return the picture on another ground, perhaps mirrored, turned a little, cut at random, lighter or darker."""
    ground = int(rng.choice(GROUNDS))
    view = Image.fromarray(images.load(picture.path, images.GALLERY_LIMITS, ground))
    if rng.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    degrees = float(rng.uniform(-TURNED_DEGREES, TURNED_DEGREES))
    view = view.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(ground, ground, ground))
    kept = rng.uniform(*SHARE_KEPT, size=2)
    width, height = (max(1, round(side * share)) for side, share in zip(view.size, kept, strict=True))
    left, top = (int(rng.integers(0, whole - part + 1)) for whole, part in zip(view.size, (width, height), strict=True))
    view = view.crop((left, top, left + width, top + height))
    return np.asarray(ImageEnhance.Brightness(view).enhance(float(rng.uniform(*BRIGHTNESS))))
