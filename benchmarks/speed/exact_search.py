"""Exact search among float32 vectors of 384 numbers, against faiss flat and plain numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.speed import machine
from benchmarks.speed.timing import Row, Size, interleaved, milliseconds, percentile, ratio
from cacara.search.index import ExactIndex

WIDTH = 384
TOP = 10


def measure(size: Size) -> Iterator[Row]:
    """Yield a row for each number of vectors and of queries."""
    rng = np.random.default_rng(0)
    for rows in size.rows:
        index = ExactIndex([str(row) for row in range(rows)], rng.standard_normal((rows, WIDTH), dtype=np.float32))
        bandwidth = machine.read_gigabytes_per_second(index.rows(index.ids))
        for queries in (1, 64):
            yield _search(index, rng.standard_normal((queries, WIDTH), dtype=np.float32), size.rounds, bandwidth)


def _search(index: ExactIndex, queries: np.ndarray, rounds: int, bandwidth: float) -> Row:
    import faiss

    vectors = index.rows(index.ids)
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)

    def plain() -> np.ndarray:
        scores = unit @ vectors.T
        best = np.argpartition(-scores, TOP, axis=1)[:, :TOP]
        return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

    works = {
        "ours": lambda: index.search(queries, TOP),
        "faiss": lambda: flat.search(unit, TOP),
        "numpy": plain,
        "read once": lambda: vectors.sum(),
    }
    seconds = interleaved(works, rounds)
    against = {name: ratio(seconds, name, "ours") for name in works if name != "ours"}
    same = float((index.search(queries, TOP)[1] == flat.search(unit, TOP)[1]).mean())
    met, goal = against["faiss"] >= 1, "not slower than faiss flat"
    if len(queries) == 1 and len(vectors) >= 1_000_000:
        met, goal = met and against["read once"] >= 1 / 1.5, f"{goal}; within 1.5× of reading once"
    others = ", ".join(f"{name} {1e3 * percentile(seconds[name], 0.5):.3g} ms" for name in against)
    # The first pass reads a byte a number, once for all queries, and multiplies it with each.
    multiplied = 2 * vectors.size * len(queries) / machine.multiply_gigaflops() / 1e9
    limit = max(vectors.size / bandwidth / 1e9, multiplied if len(queries) > 1 else 0.0)
    others += f"; limit {1e3 * limit:.3g} ms"
    details = {"seconds": seconds, "times_faster": against, "same_as_faiss": same}
    details |= {"read_gb_per_s": bandwidth, "limit_seconds": limit}
    work = f"exact search, {len(vectors):,} × {WIDTH}, {len(queries)} at once"
    return Row(work, milliseconds(seconds["ours"]), others, against["faiss"], goal, met, details)
