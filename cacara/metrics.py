"""Retrieval metrics as pure functions on score matrices, without any model or file.

Everywhere: ``scores`` is float ``[queries, candidates]``, higher is better; ``relevant`` is bool of the
same shape, a query may have several relevant candidates; percentages are in [0, 100].
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOOTSTRAP_SAMPLES = 2000
STUDENT_T_975 = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
"""Student's t below which 97.5 % lie, for 1, 2, … 9 degrees of freedom."""


def ranks_of_first_relevant(scores: ArrayLike, relevant: ArrayLike) -> NDArray[np.int64]:
    """Return the rank, from 1, of each query's best relevant candidate.

    Ties are counted against the system: an irrelevant candidate with the same score stands before the
    relevant one. So a constant score earns nothing, and the order of the candidates does not matter.

    Args:
        scores: float ``[queries, candidates]``, finite.
        relevant: bool ``[queries, candidates]``, at least one True a query.

    Returns:
        int64 ``[queries]`` in [1, candidates].

    Raises:
        ValueError: Shapes differ, a score is not finite, or a query has nothing relevant.
    """
    scores, relevant = np.asarray(scores), np.asarray(relevant, dtype=bool)
    if scores.ndim != 2 or scores.shape != relevant.shape:
        raise ValueError(
            f"scores {scores.shape} and relevant {relevant.shape} must share a shape [queries, candidates]"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are not finite")
    if not relevant.any(axis=1).all():
        raise ValueError(f"{int((~relevant.any(axis=1)).sum())} queries have no relevant candidate")
    if scores.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((scores >= best) & ~relevant).sum(axis=1, dtype=np.int64)


def recall_at_k(ranks: ArrayLike, k: int) -> float:
    """Return the percentage of queries with at least one relevant candidate among the first ``k``.

    With several positives a query this is what retrieval papers report as R@k (a hit rate).

    Args:
        ranks: int ``[queries]``, from ``ranks_of_first_relevant``.
        k: Length of the result list, at least 1.

    Raises:
        ValueError: There is no query, or ``k`` is below 1.
    """
    ranks = np.asarray(ranks)
    if ranks.size == 0 or k < 1:
        raise ValueError(f"recall@{k} of {ranks.size} queries is undefined")
    return float(100.0 * np.mean(ranks <= k))


def chance_recall_at_k(relevant: ArrayLike, k: int) -> float:
    """Return the exact expected recall@k, in percent, of a random order of the candidates.

    A query with r relevant among n candidates is missed with probability C(n - r, k) / C(n, k).

    Args:
        relevant: bool ``[queries, candidates]``, at least one query and one candidate.
        k: Length of the result list, at least 1; more than ``candidates`` means all.

    Raises:
        ValueError: There is no query or candidate, or ``k`` is below 1.
    """
    relevant = np.asarray(relevant, dtype=bool)
    if relevant.ndim != 2 or relevant.size == 0 or k < 1:
        raise ValueError(f"chance recall@{k} of a relevance matrix {relevant.shape} is undefined")
    candidates = relevant.shape[1]
    drawn = np.arange(min(k, candidates))  # the i-th place is drawn from what i places left over
    irrelevant = candidates - relevant.sum(axis=1, keepdims=True)
    missed = np.clip(irrelevant - drawn, 0, None) / (candidates - drawn)  # (queries, k)
    return float(100.0 * (1.0 - missed.prod(axis=1)).mean())


def mean_average_precision_at_k(scores: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """Return mAP@k in percent: over queries, the mean of the precision at each relevant place among the first ``k``.

    A query's sum of precisions is divided by the smaller of ``k`` and its number of relevant candidates, so a list that
    holds nothing irrelevant has 100. Ties are counted against the system, as in ``ranks_of_first_relevant``.

    Args:
        scores: float ``[queries, candidates]``, finite.
        relevant: bool ``[queries, candidates]``, at least one True a query.
        k: Length of the result list, at least 1.

    Raises:
        ValueError: Shapes differ, there is no query, a query has nothing relevant, or ``k`` is below 1.
    """
    scores, relevant = np.asarray(scores), np.asarray(relevant, dtype=bool)
    if scores.ndim != 2 or scores.shape != relevant.shape or not scores.size or k < 1:
        raise ValueError(f"mAP@{k} of scores {scores.shape} and relevant {relevant.shape} is undefined")
    if not relevant.any(axis=1).all():
        raise ValueError(f"{int((~relevant.any(axis=1)).sum())} queries have no relevant candidate")
    order = np.lexsort((relevant, -scores), axis=1)[:, :k]  # an irrelevant candidate stands first among equals
    right = np.take_along_axis(relevant, order, axis=1)
    precisions = right.cumsum(axis=1) / np.arange(1, right.shape[1] + 1)
    averages = (precisions * right).sum(axis=1) / np.minimum(relevant.sum(axis=1), k)
    return float(100.0 * averages.mean())


def jackknife_interval(value: float, without_each: ArrayLike) -> tuple[float, float]:
    """Return the 95 % interval of a figure in percent from its values with one group of a few left out in turn.

    The standard error is the grouped jackknife's, sqrt((g - 1) / g · Σ (x_i - mean)²), the interval Student's t with
    g - 1 degrees of freedom. For a mean over groups of equal size this is the usual interval over the groups.

    Args:
        value: The figure of all groups together, in [0, 100]; the interval is cut there too.
        without_each: float ``[g]``, 2 to 10 groups: the figure without the i-th group.

    Raises:
        ValueError: There are fewer or more groups.
    """
    left_out = np.asarray(without_each, dtype=np.float64)
    groups = len(left_out)
    if not 2 <= groups <= len(STUDENT_T_975) + 1:
        raise ValueError(f"{groups} groups; wanted 2 to {len(STUDENT_T_975) + 1}")
    error = math.sqrt((groups - 1) / groups * float(((left_out - left_out.mean()) ** 2).sum()))
    half = STUDENT_T_975[groups - 2] * error
    return max(0.0, value - half), min(100.0, value + half)


def bootstrap_interval(
    values: ArrayLike,
    groups: ArrayLike,
    strata: ArrayLike | None = None,
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean whose values come in groups.

    Whole groups (concepts) are drawn with replacement, since the queries of one concept are not
    independent. With ``strata`` (languages) the statistic is the mean of the strata's means, and one
    draw of groups serves all strata: a hard concept is hard in every language at once.

    Args:
        values: float ``[n]``, e.g. 100.0 for a hit and 0.0 for a miss.
        groups: ``[n]`` of any sortable type.
        strata: ``[n]`` of any sortable type, or None for one stratum.
        samples: Number of bootstrap draws.
        level: Coverage in (0, 1).
        seed: The same seed and input give the same interval.

    Returns:
        Lower and upper bound, in the unit of ``values``.

    Raises:
        ValueError: There is no value, or lengths differ.
    """
    values = np.asarray(values, dtype=np.float64)
    groups = np.asarray(groups)
    strata = np.zeros(len(values), dtype=np.int64) if strata is None else np.asarray(strata)
    if values.size == 0 or not (values.shape == groups.shape == strata.shape and values.ndim == 1):
        raise ValueError(
            f"values {values.shape}, groups {groups.shape}, strata {strata.shape} must share a shape [n > 0]"
        )
    sums, counts = sums_and_counts(values, groups, strata)
    weights = _drawn_group_counts(len(sums), samples, seed)
    drawn = weights @ counts  # (samples, strata)
    present = drawn > 0  # a small stratum may miss a draw altogether; it is left out of that draw
    means = np.divide(weights @ sums, drawn, out=np.zeros_like(drawn), where=present)
    known = present.sum(axis=1)
    statistics = means.sum(axis=1)[known > 0] / known[known > 0]
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(statistics, [tail, 1.0 - tail])
    return float(lower), float(upper)


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, in percent: sensible for few trials, also where all or none succeed.

    Args:
        hits: Successes, 0 to ``trials``.
        trials: Their number, at least 1.

    Raises:
        ValueError: ``hits`` is not among 0 to ``trials``, or there is no trial.
    """
    if not 0 <= hits <= trials or trials < 1:
        raise ValueError(f"{hits} hits of {trials} trials; wanted 0 to trials of 1 or more")
    z = 1.959963984540054  # a normal variable stays within it 95 % of the time
    share, grown = hits / trials, 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / grown
    half = z / grown * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return 100.0 * max(0.0, centre - half), 100.0 * min(1.0, centre + half)


def sums_and_counts(
    values: NDArray[np.float64], groups: NDArray[np.generic], strata: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum and the number of values of each group in each stratum, both float64 ``[groups, strata]``.

    Args:
        values: float ``[n]``.
        groups: ``[n]`` of any sortable type; the rows are in sorted order.
        strata: ``[n]`` of any sortable type; the columns are in sorted order.
    """
    group_names, group = np.unique(groups, return_inverse=True)
    stratum_names, stratum = np.unique(strata, return_inverse=True)
    shape = len(group_names), len(stratum_names)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (group, stratum), values)
    np.add.at(counts, (group, stratum), 1.0)
    return sums, counts


@functools.lru_cache(maxsize=64)  # the languages of a report share what they draw: a megabyte a number of groups
def _drawn_group_counts(groups: int, samples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each group is drawn in each bootstrap sample: float64 ``[samples, groups]``."""
    draws = np.random.default_rng(seed).integers(0, groups, size=(samples, groups))
    cells = draws + groups * np.arange(samples)[:, None]  # one bincount over all samples at once
    flat = np.bincount(cells.ravel(), minlength=samples * groups)
    counts = flat.reshape(samples, groups).astype(np.float64)
    counts.setflags(write=False)  # it is shared between calls
    return counts
