"""Calibration: the probability that a hit is right, from its score and the gallery that it was found in.

    ``p = 1 / (1 + exp(−(intercept + score · s + spread · (s − μ) / σ + size · ln N)))``

``s`` is the hit's cosine, ``μ`` and ``σ`` are mean and deviation of the query's cosine over the gallery, ``N`` is how
many the gallery holds. There is a curve for each kind of query and what it finds; ``python -m training calibration``
fits them. They lie in a model's folder, beside its weights: what a model embeds does not depend on them::

    {"format_version": 1, "benchmark": "0123456789ab", "curves": [{"query": "english", "target": "audio", …}]}
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cacara.errors import CheckpointError
from cacara.model import side_files

CALIBRATION = "calibration.json"
QUERIES = ("english", "known", "unknown", "sound", "picture")
"""Kinds of queries: texts in English, in another language with a word that the lexical memory knows, and without."""
TARGETS = ("audio", "text", "image")
SMALLEST = 50
"""Curves are fitted on galleries of this many and more; a smaller one counts as one of this many."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """How probable hits are of one kind of query.

    Attributes:
        query: One of ``QUERIES``.
        target: One of ``TARGETS``: what is found.
        intercept: Log odds at score 0, in the middle of the gallery's scores, in a gallery of one.
        score: Log odds for one of cosine.
        spread: Log odds for one standard deviation above the gallery's mean.
        size: Log odds for a gallery that is e times larger.
        nothing_below: Probability of the best hit below which nothing is said to fit, 0 to 1; 0 never says so.
    """

    query: str
    target: str
    intercept: float
    score: float
    spread: float
    size: float
    nothing_below: float = 0.0

    def __post_init__(self) -> None:
        if self.query not in QUERIES or self.target not in TARGETS:
            raise CheckpointError(
                f"there is a curve of {self.query!r:.40} and {self.target!r:.40}; wanted one of "
                f"{', '.join(QUERIES)} and one of {', '.join(TARGETS)}"
            )
        for field in dataclasses.fields(self)[2:]:
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise CheckpointError(f"{field.name} of a curve is {value!r:.40}; wanted a number")
        if not 0 <= self.nothing_below <= 1:
            raise CheckpointError(f"nothing_below of a curve is {self.nothing_below}; wanted 0 to 1")

    def probability(
        self, scores: ArrayLike, mean: ArrayLike, deviation: ArrayLike, count: ArrayLike
    ) -> NDArray[np.float64]:
        """Return how probable it is that hits are right, 0 to 1, in the shape of ``scores``.

        Args:
            scores: Cosines.
            mean: Of the query's cosine over the gallery.
            deviation: Its standard deviation; 0 where all are alike.
            count: Size of the gallery, at least 1.
        """
        cosines = np.asarray(scores, np.float64)
        far = spread_of(cosines, mean, deviation)
        size = np.log(np.maximum(count, SMALLEST))
        odds = self.intercept + self.score * cosines + self.spread * far + self.size * size
        return 1.0 / (1.0 + np.exp(-odds))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The curves of a model.

    Attributes:
        benchmark: Hash of the benchmark that they were fitted on.
        curves: At most one a kind of query and target.
    """

    benchmark: str
    curves: tuple[Curve, ...]

    def curve(self, query: str, target: str) -> Curve | None:
        """Return the curve of a kind of query; that of ``unknown`` for ``known`` words of a model without a memory."""
        wanted = {(each.query, each.target): each for each in self.curves}
        return wanted.get((query, target)) or (wanted.get(("unknown", target)) if query == "known" else None)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict, the inverse of ``from_json``."""
        return {
            "format_version": side_files.FORMAT_VERSION,
            "benchmark": self.benchmark,
            "curves": [dataclasses.asdict(curve) for curve in self.curves],
        }

    @classmethod
    def from_json(cls, content: object) -> Calibration:
        """Build it from ``to_json``'s dict.

        Raises:
            CheckpointError: Another format version, or a field is missing, unknown or unfit.
        """
        content = side_files.checked(content, ("benchmark", "curves"))
        fields = {field.name for field in dataclasses.fields(Curve)}
        curves = content["curves"]
        if not isinstance(curves, list) or not all(isinstance(row, Mapping) and set(row) == fields for row in curves):
            raise CheckpointError(f"curves is {curves!r:.80}; wanted a list of objects of {', '.join(sorted(fields))}")
        return cls(str(content["benchmark"]), tuple(Curve(**row) for row in curves))


def spread_of(scores: NDArray[np.float64], mean: ArrayLike, deviation: ArrayLike) -> NDArray[np.float64]:
    """Return how many deviations scores lie above the mean; 0 where all scores are alike."""
    apart = np.asarray(deviation, np.float64)
    return np.where(apart > 0, np.subtract(scores, np.asarray(mean, np.float64)) / np.where(apart > 0, apart, 1.0), 0.0)


def read(folder: Path) -> Calibration | None:
    """Return the calibration of a model's folder, or None if it has none.

    Raises:
        CheckpointError: The file cannot be read or is malformed.
    """
    return side_files.read(folder / CALIBRATION, Calibration.from_json)
