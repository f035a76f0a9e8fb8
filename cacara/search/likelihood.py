"""How likely hits are right: what a model's calibration says of them in the gallery that they were found in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cacara.languages import base

if TYPE_CHECKING:
    from cacara.model.calibration import Curve
    from cacara.search.embedding import QueryEmbedding

LIKELY, MAYBE, UNLIKELY = "likely", "maybe", "unlikely"
VERDICTS = (LIKELY, MAYBE, UNLIKELY)
LIKELY_FROM = 0.5
MAYBE_FROM = 0.1
ROWS_SAMPLED = 1_000
"""The mean and deviation of so many cosines are those of all, to a thirtieth of the deviation."""


class ScoreSample:
    """Some rows of an index, spread evenly: how usual a cosine is there."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        """Keep rows, float32 [rows, dimension], L2-normalised."""
        self._rows = rows

    def usual(self, vector: NDArray[np.float32]) -> tuple[float, float]:
        """Return mean and standard deviation of a query's cosines, its vector being float32 [dimension]."""
        scores = self._rows @ vector
        return float(scores.mean()), float(scores.std())


def sampled(ids: Sequence[str]) -> Sequence[str]:
    """Return at most ``ROWS_SAMPLED`` of the names, spread evenly; all of them where there are no more."""
    if len(ids) <= ROWS_SAMPLED:
        return ids
    return [ids[at] for at in np.linspace(0, len(ids) - 1, ROWS_SAMPLED).astype(int)]


def kind_of(query: QueryEmbedding) -> str:
    """Return the kind of a query, one of ``cacara.model.calibration.QUERIES``."""
    if query.request.text is None:
        return "picture" if query.language_source == "image" else "sound"
    if query.language is not None and base(query.language) == "en":
        return "english"
    return "known" if query.looked_up else "unknown"


def verdict(probability: float | None) -> str | None:
    """Return a probability in a word of ``VERDICTS``; None for none."""
    if probability is None:
        return None
    return LIKELY if probability >= LIKELY_FROM else MAYBE if probability >= MAYBE_FROM else UNLIKELY


def told(probability: float | None) -> dict[str, float | str | None]:
    """Return a hit's ``probability``, to four digits, and ``verdict`` as programs are told; both null for none."""
    return {
        "probability": None if probability is None else round(probability, 4),
        "verdict": verdict(probability),
    }


def probabilities(
    curve: Curve, scores: Sequence[float], sample: ScoreSample, vector: NDArray[np.float32], count: int
) -> list[float]:
    """Return how likely hits are right, 0 to 1 each.

    Args:
        curve: Of the kind of query and what was found.
        scores: The hits' cosines.
        sample: Of the index.
        vector: The query, float32 [dimension].
        count: How many rows were searched.
    """
    mean, deviation = sample.usual(vector)
    return [float(each) for each in curve.probability(list(scores), mean, deviation, count)]
