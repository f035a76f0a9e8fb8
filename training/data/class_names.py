"""AudioSet's class names as texts of the shared space."""

from __future__ import annotations

import re

import numpy as np

from cacara.encoders.text import TextTower
from cacara.model.parts.centring import LanguageCentring
from training.data.text_statistics import embed


def phrasings(name: str) -> list[str]:
    """Return the texts of one class: its names apart, without brackets, each bare and as a sound.

    >>> phrasings("Chicken, rooster")
    ['chicken', 'rooster', 'the sound of chicken', 'the sound of rooster']
    """
    inside = re.findall(r"\(([^)]*)\)", name)
    outside = re.sub(r"\([^)]*\)", "", name)
    parts = [part.strip().lower() for text in (outside, *inside) for part in text.split(",")]
    names = [part for part in parts if part]
    return names + [f"the sound of {name}" for name in names]


def class_embeddings(names: list[str], tower: TextTower, centring: LanguageCentring | None) -> np.ndarray:
    """Return a class's embedding, the mean of its phrasings', centred as English when asked.

    Returns:
        float32 [classes, dimension], L2-normalised.
    """
    texts = [phrasings(name) for name in names]
    flat = [text for group in texts for text in group]
    embedded = embed(tower, flat)
    if centring is not None:
        import torch

        embedded = centring(torch.from_numpy(embedded), ["en"] * len(flat)).numpy()
    rows, start = [], 0
    for group in texts:
        mean = embedded[start : start + len(group)].mean(0)
        rows.append(mean / np.linalg.norm(mean))
        start += len(group)
    return np.stack(rows).astype(np.float32)


def class_weights(probabilities: np.ndarray, damping: float) -> np.ndarray:
    """Return a weight for each class that damps those which are probable everywhere.

    ``w_c = (prior_c + 1e-3) ** -damping``, scaled to a largest weight of 1, with ``prior_c`` the mean probability over
    the training clips, whose labels play no part.

    Args:
        probabilities: float32 [clips, classes].
        damping: 0 for equal weights, 1 for the full inverse.

    Returns:
        float32 [classes] in (0, 1].
    """
    weights = (probabilities.mean(0) + 1e-3) ** -damping
    return (weights / weights.max()).astype(np.float32)
