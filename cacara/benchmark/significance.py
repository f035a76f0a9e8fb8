"""Whether one model is better than another on the same queries, or only luckier.

A paired randomisation test over concepts. If two models were the same, it would not matter which of them gave
which answer, so for each concept by a coin's throw the answers of the two are swapped, those to all its queries in
all languages together (they hang together: a hard concept is hard in every language). The p-value is the share of
throws whose difference is at least as large as the one observed, in either direction, the observed one counted
among them. This was chosen over a paired bootstrap since it needs no re-centring, keeps its level with few
concepts, and is exact where all throws can be listed. The interval of the difference is a paired bootstrap over
concepts.

References:
    Smucker, Allan, Carterette: A comparison of statistical significance tests for information retrieval
    evaluation. CIKM 2007. · Holm: A simple sequentially rejective multiple test procedure. Scand. J. Statist. 6, 1979.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cacara.metrics import bootstrap_interval, sums_and_counts

THROWS = 20_000
LISTED_CONCEPTS = 14
"""Up to so many concepts whose answers differ, all 2^n swaps are listed instead of drawn."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """The second model against the first.

    Attributes:
        difference: Mean of the second minus mean of the first, in the unit of the values.
        lower: Lower bound of its 95 % interval.
        upper: Upper bound.
        p: Two-sided p-value, not corrected.
        queries: How many values there were of each model.
    """

    difference: float
    lower: float
    upper: float
    p: float
    queries: int


def paired_difference(
    first: ArrayLike, second: ArrayLike, groups: ArrayLike, strata: ArrayLike | None = None, *, seed: int = 0
) -> Difference:
    """Return the difference of two models' means with its interval and p-value.

    Args:
        first: float ``[n]``, e.g. 100.0 for a hit of the first model and 0.0 for a miss.
        second: float ``[n]``, of the second model on the same queries in the same order.
        groups: ``[n]``, the query's concept.
        strata: ``[n]``, the query's language, or None for one; the statistic is the mean of the languages' means.
        seed: The same seed and input give the same result.

    Raises:
        ValueError: There is no value, or lengths differ.
    """
    change = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    groups = np.asarray(groups)
    strata = np.zeros(len(change), dtype=np.int64) if strata is None else np.asarray(strata)
    lower, upper = bootstrap_interval(change, groups, strata, seed=seed)
    sums, counts = sums_and_counts(change, groups, strata)
    shares = (sums / counts.sum(axis=0)).mean(axis=1)  # what each concept adds to the difference
    return Difference(float(shares.sum()), lower, upper, _share_as_large(shares, seed), len(change))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected for their number after Holm: float64 ``[n]`` in [0, 1], in the same order.

    Comparing them with 0.05 bounds the probability of even one false finding among all by 5 %, whatever their
    dependence.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


def _share_as_large(shares: NDArray[np.float64], seed: int) -> float:
    """Return the share of random signs under which the sum of ``shares`` is as far from 0 as it is."""
    differing = shares[shares != 0]
    observed = abs(differing.sum()) - 1e-9 * max(1.0, float(np.abs(differing).sum()))  # sums differ by rounding
    if len(differing) <= LISTED_CONCEPTS:
        return float(np.mean(np.abs(_all_signs(len(differing)) @ differing) >= observed))
    width = -(-len(differing) // 64) * 64  # so that languages of about as many concepts share the throws
    thrown = _thrown_signs(width, seed)[:, : len(differing)]
    return float((1 + np.count_nonzero(np.abs(thrown @ differing) >= observed)) / (1 + THROWS))


@functools.lru_cache(maxsize=LISTED_CONCEPTS + 1)
def _all_signs(width: int) -> NDArray[np.float64]:
    """Return every row of ``width`` signs: ±1, float64 ``[2^width, width]``."""
    bits = np.arange(2**width)[:, None] >> np.arange(width) & 1
    return (2 * bits - 1).astype(np.float64)


@functools.lru_cache(maxsize=4)
def _thrown_signs(width: int, seed: int) -> NDArray[np.float64]:
    """Return random rows of signs: ±1, float64 ``[THROWS, width]``."""
    bits = np.random.default_rng(seed).integers(0, 2, size=(THROWS, width))
    return (2 * bits - 1).astype(np.float64)
