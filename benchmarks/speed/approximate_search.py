"""Approximate search in the engine that ``app.py --index lancedb:PLACE`` serves, against exact search.

The vectors are made piece by piece: clusters whose members differ in 64 directions, as embeddings of sounds have a
structure that noise lacks. The memory beside a piece is the engine's.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.timing import Row, Size, milliseconds, percentile

WIDTH = 576
TOP = 10
QUERIES = 100
CLUSTERS, DIRECTIONS = 2_000, 64
PIECE = 50_000
RECALL, GOAL_MS, GOAL_GB = 0.95, 50.0, 8.0


def measure(size: Size) -> Iterator[Row]:
    """Yield one row: time of a query, the share of the ten best that it finds, and the peak of memory."""
    from cacara.search import engines

    queries = unit(simulated(QUERIES, -1))
    with tempfile.TemporaryDirectory() as place:
        index, exact = engines.open_index(f"lancedb:{place}", WIDTH), _Best()
        for start in range(0, size.approximate, PIECE):
            rows = unit(simulated(min(PIECE, size.approximate - start), start))
            index.add([str(start + number) for number in range(len(rows))], rows)
            exact.add(queries @ rows.T, start)
        begun = time.perf_counter()
        engines.approximate(index)
        built = time.perf_counter() - begun
        seconds, shared = [], 0
        for number, query in enumerate(queries):
            begun = time.perf_counter()
            found = index.nearest(query[np.newaxis], TOP)[0]
            seconds.append(time.perf_counter() - begun)
            shared += len({int(hit.item_id) for hit in found} & set(exact.positions[number].tolist()))
    recall, peak = shared / (QUERIES * TOP), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    met = recall >= RECALL and percentile(seconds, 0.5) * 1e3 <= GOAL_MS and peak <= GOAL_GB
    details = {"seconds": seconds, "recall": recall, "build_seconds": built, "peak_gb": peak}
    work = f"approximate search, {size.approximate:,} × {WIDTH}, one query"
    told = f"recall@{TOP} {recall:.3f}; peak {peak:.1f} GB; index built in {built:.0f} s"
    goal = f"recall ≥ {RECALL}, ≤ {GOAL_MS:.0f} ms, ≤ {GOAL_GB:.0f} GB"
    yield Row(work, milliseconds(seconds), told, None, goal, met, details)


def simulated(count: int, seed: int) -> NDArray[np.float32]:
    """Return rows that belong to the same clusters whatever the seed, float32 [count, WIDTH]."""
    shape, own = np.random.default_rng(0), np.random.default_rng((1, seed + 1))
    centres = shape.standard_normal((CLUSTERS, WIDTH), dtype=np.float32)
    directions = shape.standard_normal((DIRECTIONS, WIDTH), dtype=np.float32) / 8
    rows = centres[own.integers(0, CLUSTERS, count)]
    rows += own.standard_normal((count, DIRECTIONS), dtype=np.float32) @ directions
    rows += 0.1 * own.standard_normal((count, WIDTH), dtype=np.float32)
    return rows


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class _Best:
    """The positions of each query's best rows among all pieces so far, int64 [queries, TOP]."""

    def __init__(self) -> None:
        self.scores = np.full((QUERIES, TOP), -2, np.float32)
        self.positions = np.zeros((QUERIES, TOP), np.int64)

    def add(self, scores: NDArray[np.float32], start: int) -> None:
        """Take the scores of a piece, [queries, rows], whose first row is ``start``."""
        positions = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
        scores = np.concatenate([self.scores, scores], axis=1)
        positions = np.concatenate([self.positions, positions], axis=1)
        best = np.argpartition(-scores, TOP - 1, axis=1)[:, :TOP]
        self.scores, self.positions = np.take_along_axis(scores, best, 1), np.take_along_axis(positions, best, 1)
