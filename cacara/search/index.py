"""Exact cosine search over embeddings that fit in memory, in two passes.

Rows are kept in 16 bits a number, as two planes of 8: the upper one alone gives every score but for a small, known
error, from a quarter of the bytes that float32 would read. Only rows whose score could, within that error, be among
the best are then scored in full.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numkong
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cacara.errors import QueryError

_SCORES_AT_ONCE = 4_000_000
_ROWS_AT_ONCE = 8_192  # 5 MB of the upper plane stay in the processor's cache for all queries of a chunk
_ROWS_IN_GROUP = 64
_CODE_MAX = 127 * 256 + 127  # the largest number whose two bytes, both signed, lie within -127 and 127
_ROUNDING = 1e-5  # more than float32 arithmetic errs in a score

Mask: TypeAlias = Any
"""What limits a search to some rows, in the form that the index which made it takes; None for all rows."""


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """One row that a search found.

    Attributes:
        item_id: The row's name.
        score: Cosine similarity, -1 to 1.
    """

    item_id: str
    score: float


class ExactIndex:
    """Embeddings with their ids, searched by cosine similarity; the result is exact and deterministic.

    A number of an embedding is kept to 1 part in 32,000 of the embedding's largest; scores differ by some 1e-6 from
    those of float32, and the best rows are the best of what is kept, without exception.
    """

    def __init__(self, ids: Sequence[str], embeddings: ArrayLike) -> None:
        """Normalise the embeddings and keep them in 16 bits a number.

        Args:
            ids: A name for each row, in order.
            embeddings: float ``[N, D]``, finite, no zero row; N may be 0.

        Raises:
            QueryError: Wrong shape, another number of ids than rows, NaN, or a row of zeros.
        """
        array = _checked_rows(embeddings, "index embeddings")
        self._ids = tuple(ids)
        if len(self._ids) != len(array):
            raise QueryError(f"{len(self._ids)} ids for {len(array)} embeddings; wanted one each")
        self._upper: NDArray[np.int8] = np.empty(array.shape, np.int8)
        self._lower: NDArray[np.int8] = np.empty(array.shape, np.int8)
        self._steps = np.empty(len(array), np.float32)
        self._error = 0.0  # of the upper plane alone: the largest length of what it lacks of a row
        for some in _blocks(len(array)):
            codes, self._steps[some] = _quantised(unit_rows(array[some], "index embeddings"), _CODE_MAX)
            self._upper[some] = upper = (codes + 128) >> 8
            self._lower[some] = lower = codes - 256 * upper
            lacking = np.linalg.norm(lower, axis=1) * self._steps[some]
            self._error = max(self._error, float(lacking.max()))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The rows' names; ``search`` returns positions in this tuple."""
        return self._ids

    @property
    def dimension(self) -> int:
        """Width D of an embedding."""
        return int(self._upper.shape[1])

    def rows(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some rows, float32 ``[ids, D]``, L2-normalised.

        Raises:
            QueryError: There is no such row.
        """
        if ids is self._ids:
            return self._decoded(slice(None))
        if missing := [name for name in ids if name not in self._positions]:
            raise QueryError(f"the index has no row {missing[0]!r:.100}")
        return self._decoded([self._positions[name] for name in ids])

    def mask(self, ids: Collection[str]) -> NDArray[np.bool_]:
        """Return the mask of some rows, bool ``[N]``; names that the index lacks are passed over."""
        return np.fromiter((name in ids for name in self._ids), bool, len(self))

    @functools.cached_property
    def _positions(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(self._ids)}

    def search(
        self, queries: ArrayLike, top_k: int, mask: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the ``top_k`` nearest rows of each query, best first; equal scores by lower position.

        Args:
            queries: float ``[Q, D]``, finite, no zero row.
            top_k: Hits wanted, at least 1; more than the index holds gives all it holds.
            mask: bool ``[N]``, the rows that may be found; None for all.

        Returns:
            scores: float32 ``[Q, k]``, cosine in [-1, 1].
            positions: int64 ``[Q, k]``, rows of the index.

        Raises:
            QueryError: Wrong shape, NaN, a row of zeros, or ``top_k`` below 1.
        """
        unit = unit_rows(queries, "queries")
        if unit.shape[1] != self.dimension:
            raise QueryError(f"queries have {unit.shape[1]} dimensions, the index has {self.dimension}")
        if top_k < 1:
            raise QueryError(f"top_k is {top_k}; wanted 1 or more")
        k = min(top_k, len(self) if mask is None else int(np.count_nonzero(mask)))
        scores = np.empty((len(unit), k), dtype=np.float32)
        positions = np.empty((len(unit), k), dtype=np.int64)
        if k == 0:
            return scores, positions
        at_once = max(1, _SCORES_AT_ONCE // len(self))
        for start in range(0, len(unit), at_once):
            for query, row in enumerate(self._contenders(unit[start : start + at_once], k, mask), start):
                found = self._score(row, unit[query])
                best = _top(found, k)
                scores[query], positions[query] = found[best], row[best]
        return np.clip(scores, -1.0, 1.0), positions

    def nearest(self, queries: ArrayLike, top_k: int, mask: Mask = None) -> list[list[Neighbour]]:
        """Return what ``search`` does, by name: a list for each query, best first.

        Raises:
            QueryError: As ``search``.
        """
        scores, positions = self.search(queries, top_k, mask)
        return [
            [Neighbour(self._ids[position], float(score)) for position, score in zip(row, values, strict=True)]
            for row, values in zip(positions.tolist(), scores, strict=True)
        ]

    def _contenders(
        self, unit: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the positions of each query's rows that can be among its best ``k``, ascending; few others are there.

        By Cauchy and Schwarz a score of the first pass is wrong by no more than the lengths of what the upper plane
        lacks of the row and the 8 bits of the query. So no row below the ``k``-th score by twice that can be wanted.
        """
        codes, steps = _quantised(unit, 127)
        short, lacking = codes.astype(np.int8), np.linalg.norm(unit - codes * steps[:, np.newaxis], axis=1)
        errors = self._error + lacking * (1 + self._error) + _ROUNDING
        first = np.empty((len(unit), len(self)), np.float32)
        for some in _blocks(len(self)):
            first[:, some] = numkong.cdist(short, self._upper[some], "dot", out_dtype="float32")
            first[:, some] *= 256 * self._steps[some]
        first *= steps[:, np.newaxis]
        if mask is not None:
            first[:, ~mask] = -np.inf
        for scores, error in zip(first, errors, strict=True):
            # No cosine is below -2: rows behind the mask stay out where fewer than k groups have others.
            yield np.flatnonzero(scores >= max(_reached_by(scores, k) - 2 * error, -2.0))

    def _score(self, positions: NDArray[np.int64], unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosines of some rows with a query, float32 [positions]; equal rows have equal ones."""
        found = np.empty(len(positions), np.float32)
        for some in _blocks(len(positions)):
            np.vecdot(self._decoded(positions[some]), unit, out=found[some])
        return found

    def _decoded(self, positions: slice | Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        made = self._upper[positions].astype(np.float32)
        made *= 256
        made += self._lower[positions]
        made *= self._steps[positions][:, np.newaxis]
        return made


def _reached_by(scores: NDArray[np.float32], k: int) -> float:
    """Return a score that at least ``k`` of the scores reach, close to the ``k``-th highest."""
    if len(scores) >= k * _ROWS_IN_GROUP:  # the best of groups are far fewer to sort, and seldom share a group
        scores = scores[: len(scores) // _ROWS_IN_GROUP * _ROWS_IN_GROUP].reshape(-1, _ROWS_IN_GROUP).max(axis=1)
    return float(np.partition(scores, len(scores) - k)[len(scores) - k])


def _top(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the positions of the ``k`` highest scores, best first, ties by position."""
    kth = scores[np.argpartition(scores, len(scores) - k)[len(scores) - k]]
    contenders = np.flatnonzero(scores >= kth)  # argpartition alone picks any of those that tie at the edge
    return contenders[np.argsort(-scores[contenders], kind="stable")][:k]


def unit_rows(embeddings: ArrayLike, what: str) -> NDArray[np.float32]:
    """Return embeddings L2-normalised, float32 ``[rows, dimensions]``.

    Args:
        embeddings: float ``[rows, dimensions]``, finite, no zero row.
        what: What the error calls them.

    Raises:
        QueryError: Wrong shape, NaN, or a row of zeros.
    """
    array = _checked_rows(embeddings, what)
    made = np.empty_like(array, order="C")
    for some in _blocks(len(array)):  # whole arrays of between-results cost memory
        if not np.isfinite(array[some]).all():
            raise QueryError(f"{what} hold {int((~np.isfinite(array)).sum())} values that are not finite")
        norms = np.linalg.norm(array[some], axis=1, keepdims=True)
        if (norms == 0).any():
            zeros = int((~array.any(axis=1)).sum())
            raise QueryError(f"{what} hold {zeros} rows of zeros, which have no direction")
        np.divide(array[some], norms, out=made[some])
    return made


def _checked_rows(embeddings: ArrayLike, what: str) -> NDArray[np.float32]:
    array = np.asarray(embeddings, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise QueryError(f"{what} have shape {array.shape}; wanted [rows, dimensions]")
    return array


def _quantised(unit: NDArray[np.float32], most: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return whole numbers, int32 [rows, D] from -``most`` to ``most``, and each row's step, float32 [rows]."""
    steps = np.abs(unit).max(axis=1) / np.float32(most)
    return np.rint(unit / steps[:, np.newaxis]).astype(np.int32), steps


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS_AT_ONCE, count)) for start in range(0, count, _ROWS_AT_ONCE))
