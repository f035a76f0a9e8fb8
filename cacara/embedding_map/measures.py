"""Figures beside a map: how mixed languages are, how far kinds lie apart, what of the space the plane keeps.

All of them but the last two are of the full space, where the search happens; a map can only hint at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cacara.embedding_map.plane import KINDS, MapPoint

NEIGHBOURS = 15
"""Number of neighbours that count as near."""

_ROWS_AT_ONCE = 512


def measure(points: Sequence[MapPoint], embeddings: np.ndarray, positions: np.ndarray) -> dict[str, object]:
    """Return the measures of a map, ready for JSON; None stands for what cannot be told.

    Args:
        points: The points.
        embeddings: float32 [points, dimension], L2-normalised.
        positions: float32 [points, 2].

    Returns:
        ``mixing``: how often a text's neighbours among texts are of another language, against what chance would
        give: 0 is languages apart, 1 is fully mixed. ``translations``: share of texts whose nearest text of another
        language names the same concept, of those that have one. ``languages``: both for each language.
        ``distances``: of each two kinds the distance between their centres (0 to 2) and the mean cosine of pairs
        that share a concept and of all pairs. ``trustworthiness`` (0 to 1) and ``kept`` (share of a point's near
        points in the full space that are near on the plane): of the plane.
    """
    count = min(NEIGHBOURS, (len(points) - 1) // 2)
    near = nearest(embeddings, count) if count else np.zeros((len(points), 0), np.int64)
    return {
        "neighbours": count,
        **_languages(points, embeddings),
        "distances": list(_distances(points, embeddings)),
        "trustworthiness": trustworthiness(embeddings, positions, count) if count else None,
        "kept": _kept(near, positions) if count else None,
    }


def nearest(embeddings: np.ndarray, count: int) -> np.ndarray:
    """Return each row's nearest others by cosine, best first, int64 [rows, count]; exact, ties by lower row."""
    found = np.empty((len(embeddings), count), np.int64)
    for start in range(0, len(embeddings), _ROWS_AT_ONCE):
        scores = embeddings[start : start + _ROWS_AT_ONCE] @ embeddings.T
        found[start : start + _ROWS_AT_ONCE] = _best(scores, start, count)
    return found


def trustworthiness(embeddings: np.ndarray, positions: np.ndarray, count: int) -> float:
    """Return how far neighbours on the plane are neighbours in the full space too, 0 to 1.

    Venna and Kaski, "Neighborhood preservation in nonlinear projection methods" (2001), by cosine in the full space
    and with equally far points sharing the better rank. ``sklearn.manifold.trustworthiness`` gives the same, but sorts
    all pairs at once, which takes gigabytes for 10,000 points.

    Args:
        embeddings: float32 [points, dimension], L2-normalised.
        positions: float32 [points, 2].
        count: How many neighbours on the plane, fewer than half of the points.
    """
    total = len(embeddings)
    penalty = 0
    for start in range(0, total, _ROWS_AT_ONCE):
        scores = embeddings[start : start + _ROWS_AT_ONCE] @ embeddings.T
        rows = np.arange(len(scores))
        scores[rows, start + rows] = -np.inf  # nobody is their own neighbour
        near = _near_on_plane(positions, start, len(scores), count)
        for column in range(count):
            theirs = scores[rows, near[:, column]]
            ranks = 1 + (scores > theirs[:, None]).sum(axis=1)
            penalty += int(np.maximum(ranks - count, 0).sum())
    return float(1 - 2 * penalty / (total * count * (2 * total - 3 * count - 1)))


def _kept(near: np.ndarray, positions: np.ndarray) -> float:
    kept = 0
    for start in range(0, len(near), _ROWS_AT_ONCE):
        wanted = near[start : start + _ROWS_AT_ONCE]
        found = _near_on_plane(positions, start, len(wanted), near.shape[1])
        kept += int((wanted[:, :, None] == found[:, None, :]).any(axis=2).sum())
    return float(kept / near.size)


def _near_on_plane(positions: np.ndarray, start: int, rows: int, count: int) -> np.ndarray:
    plane = positions.astype(np.float64)
    offsets = plane[start : start + rows, None, :] - plane[None, :, :]
    return _best(-(offsets**2).sum(axis=2), start, count)


def _best(scores: np.ndarray, start: int, count: int) -> np.ndarray:
    """Return the columns of the highest scores in each row, without row ``i``'s own column ``start + i``."""
    rows = np.arange(len(scores))
    scores[rows, start + rows] = -np.inf
    if count == 0:
        return np.empty((len(scores), 0), np.int64)
    # The few best first, as sorting all would take most of the time; a tie at the edge is decided by column as well.
    edge = -np.partition(-scores, count - 1, axis=1)[:, count - 1 : count]
    found = np.empty((len(scores), count), np.int64)
    for row in rows:
        candidates = np.flatnonzero(scores[row] >= edge[row])
        found[row] = candidates[np.argsort(-scores[row, candidates], kind="stable")[:count]]
    return found


def _languages(points: Sequence[MapPoint], embeddings: np.ndarray) -> dict[str, object]:
    rows = [row for row, point in enumerate(points) if point.kind == "text"]
    codes = np.array([points[row].language or "" for row in rows])
    names = sorted(set(codes.tolist()))
    count = min(NEIGHBOURS, len(rows) - 1)
    if len(names) < 2 or count < 1:
        return {"mixing": None, "translations": None, "languages": []}
    texts = embeddings[rows]
    others = (codes[nearest(texts, count)] != codes[:, None]).mean(axis=1)
    right, asked = _translations(texts, codes, [points[row].concept for row in rows])
    table: list[dict[str, object]] = []
    mixings = []
    for name in names:
        own = codes == name
        expected = (len(rows) - own.sum()) / (len(rows) - 1)
        mixings.append(others[own].mean() / expected)
        translations = float(right[own & asked].mean()) if (own & asked).any() else None
        row = {"language": name, "texts": int(own.sum()), "mixing": float(mixings[-1]), "translations": translations}
        table.append(row)
    every = float(right[asked].mean()) if asked.any() else None
    return {"mixing": float(np.mean(mixings)), "translations": every, "languages": table}


def _translations(
    texts: np.ndarray, codes: np.ndarray, concepts: Sequence[str | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each text's nearest text of another language names its concept, and whether one could."""
    named = np.array([concept or "" for concept in concepts])
    right = np.zeros(len(texts), bool)
    asked = np.zeros(len(texts), bool)
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        chunk = slice(start, start + _ROWS_AT_ONCE)
        foreign = codes[chunk, None] != codes[None, :]
        same = (named[chunk, None] == named[None, :]) & (named[chunk, None] != "")
        scores = np.where(foreign, texts[chunk] @ texts.T, -np.inf)
        asked[chunk] = (foreign & same).any(axis=1)
        right[chunk] = same[np.arange(len(scores)), scores.argmax(axis=1)]
    return right, asked


def _distances(points: Sequence[MapPoint], embeddings: np.ndarray) -> Iterator[dict[str, object]]:
    kinds = np.array([point.kind for point in points])
    named = np.array([point.concept or "" for point in points])
    present = [kind for kind in KINDS if (kinds == kind).any()]
    for place, first in enumerate(present):
        for second in present[place + 1 :]:
            ours, theirs = kinds == first, kinds == second
            gap = np.linalg.norm(embeddings[ours].mean(axis=0) - embeddings[theirs].mean(axis=0))
            scores = embeddings[ours] @ embeddings[theirs].T
            same = (named[ours, None] == named[None, theirs]) & (named[ours, None] != "")
            yield {
                "first": first,
                "second": second,
                "centres": float(gap),
                "same_concept": float(scores[same].mean()) if same.any() else None,
                "all_pairs": float(scores.mean()),
            }
