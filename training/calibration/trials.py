"""Trials: queries of a benchmark put to galleries of many sizes, with what they ask for in them and without it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HITS = 10
"""As many as a page of results shows."""
SIZES = (50, 100, 200, 400, 800)
QUERIES_A_CONCEPT = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """Queries of one kind and the pool that galleries for them are drawn from.

    Attributes:
        query: Kind of the queries, one of ``cacara.model.calibration.QUERIES``.
        target: What the pool holds, one of ``cacara.model.calibration.TARGETS``.
        vectors: float32 [queries, dimension], L2-normalised.
        concepts: What each query asks for.
        pool: float32 [items, dimension], L2-normalised.
        holds: The concepts that each item is of; items of other concepts than those asked for are there to be wrong.
        own: Position in the pool of the item that a query is itself, which is never found; -1 for none.
    """

    query: str
    target: str
    vectors: NDArray[np.float32]
    concepts: Sequence[str]
    pool: NDArray[np.float32]
    holds: Sequence[frozenset[str]]
    own: Sequence[int] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Trials:
    """Outcomes of one kind of query; a row a trial.

    Attributes:
        query: Kind of the queries.
        target: What was found.
        concepts: str [trials]: what was asked for.
        scores: float64 [trials, HITS], cosines of the hits, best first.
        right: bool [trials, HITS].
        means: float64 [trials], of the query's cosine over the gallery.
        deviations: float64 [trials], likewise.
        sizes: int64 [trials], of the gallery.
        present: bool [trials], whether the gallery holds what was asked for.
    """

    query: str
    target: str
    concepts: NDArray[np.str_]
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    sizes: NDArray[np.int64]
    present: NDArray[np.bool_]


def draw(asked: Asked, seed: int) -> Trials:
    """Return the trials of some queries: each in a gallery of each size with what it asks for, and in one without.

    At most ``QUERIES_A_CONCEPT`` queries of a concept are drawn, so that no concept outweighs others. Of the items that
    fit, a gallery holds as large a share as of the others, one at least.

    Args:
        asked: The queries and the pool.
        seed: Of everything random.
    """
    rng = np.random.default_rng(seed)
    concepts = np.array(asked.concepts)
    rows: list[tuple[object, ...]] = []
    for concept in sorted(set(asked.concepts)):
        fits = np.array([concept in held for held in asked.holds])
        chosen = rng.permutation(np.flatnonzero(concepts == concept))[:QUERIES_A_CONCEPT]
        for position in chosen.tolist():
            own = asked.own[position] if asked.own is not None else -1
            others = np.flatnonzero(~fits)
            fitting = np.array([item for item in np.flatnonzero(fits) if item != own], np.int64)
            if not len(fitting):
                continue
            cosines = (asked.pool @ asked.vectors[position]).astype(np.float64)
            for size in (size for size in SIZES if size <= len(others)):
                share = size / len(asked.pool)
                kept = max(1, int(rng.binomial(len(fitting), share)))
                there = rng.choice(fitting, min(kept, size), replace=False)
                for wanted in (there, fitting[:0]):
                    gallery = np.concatenate([wanted, rng.choice(others, size - len(wanted), replace=False)])
                    best = gallery[np.argsort(-cosines[gallery], kind="stable")[:HITS]]
                    usual = cosines[gallery].mean(), cosines[gallery].std()
                    rows.append((concept, cosines[best], fits[best], *usual, size, bool(len(wanted))))
    told = [np.array(column) for column in zip(*rows, strict=True)] if rows else [np.zeros(0)] * 7
    return Trials(asked.query, asked.target, *told)
