"""Exact cosine search over embeddings that fit in memory."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cacara.errors import QueryError

# Score matrices stay small, at most 8 MB: they are read again while they are still in the processor's cache.
_QUERIES_AT_ONCE = 64
_ROWS_AT_ONCE = 32_768
_ROWS_NORMALISED_AT_ONCE = 65_536

Mask: TypeAlias = Any
"""Restriction of a search to some rows, in the form of the index which made it; None for all rows."""


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
    """Embeddings with their ids, searched by cosine similarity; the result is exact and deterministic."""

    def __init__(self, ids: Sequence[str], embeddings: ArrayLike) -> None:
        """Normalise and keep the embeddings.

        Args:
            ids: A name for each row, in order.
            embeddings: float ``[N, D]``, finite, no zero row; N may be 0.

        Raises:
            QueryError: Wrong shape, another number of ids than rows, NaN, or a row of zeros.
        """
        self._embeddings = _unit_rows(embeddings, "index embeddings")
        self._ids = tuple(ids)
        if len(self._ids) != len(self._embeddings):
            raise QueryError(f"{len(self._ids)} ids for {len(self._embeddings)} embeddings; wanted one each")

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The rows' names; ``search`` returns positions in this tuple."""
        return self._ids

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """The rows, float32 ``[N, D]``, L2-normalised; a view that cannot be written."""
        view = self._embeddings.view()
        view.flags.writeable = False
        return view

    @property
    def dimension(self) -> int:
        """Width D of an embedding."""
        return int(self._embeddings.shape[1])

    def rows(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some rows, float32 ``[ids, D]``, L2-normalised; of all ``ids`` without a copy.

        Raises:
            QueryError: There is no such row.
        """
        if ids is self._ids:
            return self.embeddings
        if missing := [name for name in ids if name not in self._positions]:
            raise QueryError(f"the index has no row {missing[0]!r:.100}")
        return self._embeddings[[self._positions[name] for name in ids]]

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
        unit = _unit_rows(queries, "queries")
        if unit.shape[1] != self.dimension:
            raise QueryError(f"queries have {unit.shape[1]} dimensions, the index has {self.dimension}")
        if top_k < 1:
            raise QueryError(f"top_k is {top_k}; wanted 1 or more")
        k = min(top_k, len(self) if mask is None else int(np.count_nonzero(mask)))
        scores = np.empty((len(unit), k), dtype=np.float32)
        positions = np.empty((len(unit), k), dtype=np.int64)
        if k == 0:
            return scores, positions
        for start in range(0, len(unit), _QUERIES_AT_ONCE):
            some = slice(start, start + _QUERIES_AT_ONCE)
            scores[some], positions[some] = self._search_some(unit[some], k, mask)
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

    def _search_some(
        self, unit: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions [queries, k], block by block of rows.

        After the first block only scores above the worst of a query's best k are looked at, and these are few. An
        equal score in a later block has a higher position, so it never displaces one.
        """
        best = [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(unit)
        threshold = np.full(len(unit), -np.inf, np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            block = unit @ self._embeddings[start : start + _ROWS_AT_ONCE].T  # (Q, rows)
            if mask is not None:
                block[:, ~mask[start : start + _ROWS_AT_ONCE]] = -np.inf
            for query in np.flatnonzero(block.max(axis=1) > threshold):
                better = np.flatnonzero(block[query] > threshold[query])
                old_scores, old_positions = best[query]
                values = np.concatenate([old_scores, block[query, better]])
                places = np.concatenate([old_positions, better + start])
                kept = _top(values, min(k, len(values)))
                best[query] = values[kept], places[kept]
                if len(kept) == k:
                    threshold[query] = values[kept[-1]]
        return np.stack([values for values, _ in best]), np.stack([places for _, places in best])


def _top(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the positions of the ``k`` highest scores, best first, ties by position."""
    kth = scores[np.argpartition(scores, len(scores) - k)[len(scores) - k]]
    contenders = np.flatnonzero(scores >= kth)  # argpartition alone picks any of those that tie at the edge
    return contenders[np.argsort(-scores[contenders], kind="stable")][:k]


def _unit_rows(embeddings: ArrayLike, what: str) -> NDArray[np.float32]:
    array = np.asarray(embeddings, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise QueryError(f"{what} have shape {array.shape}; wanted [rows, dimensions]")
    made = np.empty_like(array, order="C")
    for start in range(0, len(array), _ROWS_NORMALISED_AT_ONCE):  # whole arrays of between-results cost memory
        some = array[start : start + _ROWS_NORMALISED_AT_ONCE]
        if not np.isfinite(some).all():
            raise QueryError(f"{what} hold {int((~np.isfinite(array)).sum())} values that are not finite")
        norms = np.linalg.norm(some, axis=1, keepdims=True)
        if (norms == 0).any():
            zeros = int((~array.any(axis=1)).sum())
            raise QueryError(f"{what} hold {zeros} rows of zeros, which have no direction")
        np.divide(some, norms, out=made[start : start + len(some)])
    return made
