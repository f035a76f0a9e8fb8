"""A map of texts, sounds and pictures in the plane: what it holds, who is whose neighbour, where a query falls.

How the positions are made stands in ``cacara.embedding_map.layout``.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from cacara.errors import QueryError

KINDS = ("text", "audio", "image")
"""Kinds of points, in the order of every list here."""

PLACING_NEIGHBOURS = 15
MAX_NEIGHBOURS = 50
FORMAT = 3
"""Rises when the same inputs give another map."""


@dataclasses.dataclass(frozen=True)
class MapPoint:
    """One text, sound or picture.

    Attributes:
        kind: One of ``KINDS``.
        text: The text itself, or the English description of a sound or picture.
        language: BCP-47 code of a text's language; None for a sound or a picture.
        concept: What it names, sounds like or shows, as an English noun, or None when nobody has said.
        source: Origin.
        clip_id: The sound or picture; of a text, the one that it describes.
    """

    kind: str
    text: str
    language: str | None
    concept: str | None
    source: str
    clip_id: str


@dataclasses.dataclass(frozen=True)
class MapInputs:
    """Inputs of a map; the same inputs give the same map.

    Attributes:
        model: The model's name.
        fingerprint: Of its weights and of the words that it was taught.
        languages: The texts' languages, sorted.
        centred: Whether texts were moved to their language's centre, as for searching, and each kind is drawn around
            the common centre; or all left raw.
        points: The points, texts first.
        files: Hash of each sound's and picture's bytes by clip id.
        width: How many coordinates of an embedding are drawn: class profiles, which come after them, would make an
            island of what has none. None for all.
    """

    model: str
    fingerprint: str
    languages: tuple[str, ...]
    centred: bool
    points: tuple[MapPoint, ...]
    files: Mapping[str, str]
    width: int | None = None

    def without_profiles(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the part of embeddings that is drawn, float32 [..., width], L2-normalised."""
        part = embeddings[..., : self.width]
        return part / np.maximum(np.linalg.norm(part, axis=-1, keepdims=True), 1e-6)

    @functools.cached_property
    def key(self) -> str:
        """Return 32 hex digits that change with any input."""
        content = [
            FORMAT,
            self.fingerprint,
            self.centred,
            [list(vars(point).values()) for point in self.points],  # ten times as fast as dataclasses.astuple
            sorted(self.files.items()),
        ]
        return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A point near something.

    Attributes:
        position: Row of the map.
        score: Cosine similarity in the full space, -1 to 1.
        rank: Its place among all points of its kind, from 1.
    """

    position: int
    score: float
    rank: int


@dataclasses.dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """A finished map.

    Attributes:
        inputs: Its inputs.
        embeddings: float32 [points, dimension], L2-normalised.
        positions: float32 [points, 2]; the map fills -1 to 1 in its longer direction.
        method: ``umap``, or ``pca`` where there are too few points for it.
        measures: What ``cacara.embedding_map.measures.measure`` says of it.
    """

    inputs: MapInputs
    embeddings: np.ndarray
    positions: np.ndarray
    method: str
    measures: Mapping[str, object]

    def neighbours(self, embedding: np.ndarray, top_k: int, besides: int | None = None) -> dict[str, list[Neighbour]]:
        """Return the nearest points of each kind that the map has, best first, equal scores by lower row.

        Nearness is measured in the full space, not on the plane.

        Args:
            embedding: float32 [dimension], L2-normalised.
            top_k: How many of each kind, 1 to ``MAX_NEIGHBOURS``.
            besides: A row that is left out, e.g. the one whose neighbours are asked for.

        Raises:
            QueryError: ``top_k`` is out of its range.
        """
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= MAX_NEIGHBOURS:
            raise QueryError(f"top_k is {top_k!r:.40}; wanted a whole number from 1 to {MAX_NEIGHBOURS}")
        scores = self.embeddings @ embedding
        found: dict[str, list[Neighbour]] = {}
        for kind in KINDS:
            rows = [row for row, point in enumerate(self.inputs.points) if point.kind == kind and row != besides]
            if rows:
                order = np.argsort(-scores[rows], kind="stable")[:top_k]
                best = [rows[place] for place in order]
                found[kind] = [Neighbour(row, float(scores[row]), rank) for rank, row in enumerate(best, start=1)]
        return found

    def judged_against(self, embedding: np.ndarray, rows: Sequence[int]) -> list[Neighbour]:
        """Return rank and score of chosen points for a query, each ranked among all points of its kind."""
        scores = self.embeddings @ embedding
        kinds = np.array([point.kind for point in self.inputs.points])
        return [
            Neighbour(row, float(scores[row]), 1 + int((scores[kinds == kinds[row]] > scores[row]).sum()))
            for row in rows
        ]

    def place(self, embedding: np.ndarray) -> tuple[float, float]:
        """Return where something that is not on the map belongs on it.

        It is put at the weighted mean of its nearest points, with the weights that UMAP itself gives a point's
        neighbours (McInnes et al., arXiv 1802.03426, section 3.1: exp(-(d - rho) / sigma), rho the distance to the
        nearest, sigma such that the weights add up to log2 of their number). That is where ``umap.transform`` starts
        from; its refinement is left out, as it would need the fitted graph and half a minute of compiling at its first
        call, and moves a point by little. This takes about a millisecond.

        Args:
            embedding: float32 [dimension], L2-normalised.
        """
        scores = self.inputs.without_profiles(self.embeddings) @ self.inputs.without_profiles(embedding)
        count = min(PLACING_NEIGHBOURS, len(scores))
        nearest = np.argsort(-scores, kind="stable")[:count]
        weights = _memberships(1.0 - scores[nearest].astype(np.float64))
        x, y = weights @ self.positions[nearest] / weights.sum()
        return float(x), float(y)


def _memberships(distances: np.ndarray) -> np.ndarray:
    """Return UMAP's weights of neighbours at rising distances, each in (0, 1], the first 1."""
    beyond = np.maximum(distances - distances[0], 0.0)
    wanted = np.log2(len(distances)) if len(distances) > 1 else 1.0
    low, high = 1e-9, 1e3
    for _ in range(64):
        sigma = np.sqrt(low * high)
        if np.exp(-beyond / sigma).sum() > wanted:
            high = sigma
        else:
            low = sigma
    return np.exp(-beyond / np.sqrt(low * high))
