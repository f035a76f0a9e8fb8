"""A picture or a film as the pictures that stand for it, so that a film is taken wherever a picture is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cacara.errors import ImageError
from cacara.media import images, video
from cacara.media.formats import FILMS
from cacara.media.images import ImageLimits

if TYPE_CHECKING:
    from cacara.model.model import Cacara


def load(path: str | os.PathLike[str], limits: ImageLimits = images.UPLOAD_LIMITS) -> list[np.ndarray]:
    """Return a picture's pixels, or those of up to 12 pictures of a film, told apart by the name's ending.

    Args:
        path: The file.
        limits: What a picture may cost; a film has limits of its own.

    Returns:
        uint8 [height, width, 3] each, one or more.

    Raises:
        ImageError: The file is missing, too large, damaged, or of no kind that is read here; it is named.
    """
    if is_video(path):
        return video.frames(path)
    return [images.load(Path(path), limits)]


def is_video(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is named as a film is."""
    return Path(path).suffix.lower() in FILMS


def embed(model: Cacara, pictures: list[np.ndarray]) -> np.ndarray:
    """Return where pictures lie together: the mean of their embeddings, L2-normalised, float32 [dimension].

    Raises:
        ImageError: There are none.
        QueryError: The model knows no pictures.
    """
    if not pictures:
        raise ImageError("there are 0 pictures; wanted at least one")
    mean = model.encode_image(pictures).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
