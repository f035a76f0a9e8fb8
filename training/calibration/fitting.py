"""Curves fitted to trials by logistic regression, and how far they can be believed: cross-validation over concepts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.model.calibration import Curve, spread_of
from training.calibration.trials import Trials

FOLDS = 5
BINS = 10
RIDGE = 1.0
"""Keeps a slope finite where hits separate wholly; a thousandth of what the trials say."""
RIGHT_WHEN_SAID = 0.9
"""Of the times that nothing is said to fit, none of the hits shown may be right so often at least."""
SAID_WRONGLY = 0.1
"""Of the queries whose answer the gallery holds, nothing is said to fit of so many at most."""
LEAST_SAID = 0.005
"""Share of the trials that a threshold must speak of to be judged."""
FROM_SIZE = 100
"""The page's ten hits are a tenth of such a gallery; of a smaller one they show too much to be all wrong."""
_STEPS = 50


def fit(trials: Sequence[Trials]) -> list[Curve]:
    """Return a curve for each of several kinds of query with one target, of common slopes and an intercept each.

    Few concepts cannot tell the slopes of kinds apart: common ones have the lower cross-validated loss.

    Args:
        trials: One or more kinds, each of one trial or more.
    """
    design = np.concatenate([_design(each, kind, len(trials)) for kind, each in enumerate(trials)])
    right = np.concatenate([each.right.ravel() for each in trials]).astype(np.float64)
    # A kind with more queries does not outweigh others.
    weights = np.concatenate([np.full(each.right.size, 1.0 / each.right.size) for each in trials])
    found = _logistic(design, right, weights * len(right) / len(trials))
    slopes = [float(round(slope, 5)) for slope in found[-3:]]
    return [Curve(each.query, each.target, float(round(found[kind], 5)), *slopes) for kind, each in enumerate(trials)]


def cross_validated(trials: Sequence[Trials], seed: int) -> list[NDArray[np.float64]]:
    """Return what curves say of hits whose concepts they were not fitted on: float64 [trials, hits] a kind."""
    concepts = sorted({concept for each in trials for concept in each.concepts.tolist()})
    order = np.random.default_rng(seed).permutation(len(concepts))
    folds = {concepts[at]: number % FOLDS for number, at in enumerate(order.tolist())}
    found = [np.zeros(each.scores.shape) for each in trials]
    for fold in range(FOLDS):
        held = [np.array([folds[concept] == fold for concept in each.concepts.tolist()]) for each in trials]
        curves = fit([_part(each, ~out) for each, out in zip(trials, held, strict=True)])
        for curve, each, out, told in zip(curves, trials, held, found, strict=True):
            told[out] = probabilities(curve, _part(each, out))
    return found


def probabilities(curve: Curve, trials: Trials) -> NDArray[np.float64]:
    """Return what a curve says of trials' hits: float64 [trials, hits]."""
    usual = trials.means[:, None], trials.deviations[:, None]
    return curve.probability(trials.scores, *usual, trials.sizes[:, None])


def threshold(trials: Trials, told: NDArray[np.float64]) -> float:
    """Return the probability of the best hit below which nothing is said to fit; 0 where none keeps both promises.

    Args:
        trials: Of one kind.
        told: Cross-validated probabilities, float64 [trials, hits].
    """
    large = trials.sizes >= FROM_SIZE
    best, wrong = told[large, 0], ~_shown(trials)[large]
    order = np.argsort(best, kind="stable")
    present = trials.present[large][order]
    candidates = np.unique(np.ceil(best * 1e4) / 1e4)
    said = np.searchsorted(best[order], candidates, side="left")
    candidates, said = candidates[said >= LEAST_SAID * len(order)], said[said >= LEAST_SAID * len(order)]
    kept = np.cumsum(wrong[order])[said - 1] >= RIGHT_WHEN_SAID * said
    kept &= np.cumsum(present)[said - 1] <= SAID_WRONGLY * max(1, present.sum())
    return float(candidates[kept].max()) if kept.any() else 0.0


def reliability(trials: Trials, told: NDArray[np.float64], nothing_below: float) -> dict[str, Any]:
    """Return how far probabilities can be believed, JSON-ready.

    Args:
        trials: Of one kind.
        told: What is said of the hits, float64 [trials, hits].
        nothing_below: As ``Curve.nothing_below``.

    Returns:
        ``log_loss`` and ``ece`` (expected calibration error over the deciles) of all hits, ``log_loss_of_share`` (of
        the share of right hits alone), ``deciles`` (mean probability and share right of each tenth of the hits by
        probability), ``likely`` (of the hits from 0.5 up how many there are and the share right), and what comes of
        saying that nothing fits, see ``_nothing``.
    """
    flat, right = told.ravel(), trials.right.ravel().astype(np.float64)
    parts = [part for part in np.array_split(np.argsort(flat, kind="stable"), BINS) if len(part)]
    deciles = [(float(flat[part].mean()), float(right[part].mean())) for part in parts]
    likely = flat >= 0.5
    return {
        "query": trials.query,
        "target": trials.target,
        "trials": len(trials.concepts),
        "concepts": len(set(trials.concepts.tolist())),
        "log_loss": _log_loss(right, flat),
        "log_loss_of_share": _log_loss(right, np.full(len(right), right.mean())),
        "ece": float(np.average([abs(said - came) for said, came in deciles], weights=[len(part) for part in parts])),
        "deciles": deciles,
        "likely": {"share": float(likely.mean()), "right": float(right[likely].mean()) if likely.any() else None},
        "nothing": _nothing(trials, told, nothing_below),
    }


def _nothing(trials: Trials, told: NDArray[np.float64], below: float) -> dict[str, float | None]:
    """Return what comes of saying that nothing fits, over galleries of ``FROM_SIZE`` and more.

    Returns:
        ``none_right``: of the times it is said, those in which none of the hits shown is right; ``absent``: those in
        which the gallery lacks it; ``of_absent`` and ``of_present``: of the queries whose answer the gallery lacks or
        holds, those it is said of; ``of_shown``: of those with a right hit among the ones shown.
    """
    large = trials.sizes >= FROM_SIZE
    said = told[large, 0] < below
    shown, present = _shown(trials)[large], trials.present[large]

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
        return float(of[among].mean()) if among.any() else None

    return {
        "none_right": share(~shown, said),
        "absent": share(~present, said),
        "of_absent": share(said, ~present),
        "of_present": share(said, present),
        "of_shown": share(said, shown),
    }


def _part(trials: Trials, chosen: NDArray[np.bool_]) -> Trials:
    rows: Mapping[str, Any] = {
        field.name: getattr(trials, field.name)[chosen] for field in dataclasses.fields(trials)[2:]
    }
    return dataclasses.replace(trials, **rows)


def _shown(trials: Trials) -> NDArray[np.bool_]:
    """Return whether a right hit is among those shown: bool [trials]."""
    return np.asarray(trials.right.any(axis=1))


def _design(trials: Trials, kind: int, kinds: int) -> NDArray[np.float64]:
    """Return [hits of all trials, kinds + 3]: which kind, score, spread, logarithm of the size."""
    rows = np.zeros((trials.scores.size, kinds + 3))
    rows[:, kind] = 1.0
    rows[:, kinds] = trials.scores.ravel()
    rows[:, kinds + 1] = spread_of(trials.scores, trials.means[:, None], trials.deviations[:, None]).ravel()
    rows[:, kinds + 2] = np.repeat(np.log(trials.sizes), trials.scores.shape[1])
    return rows


def _logistic(
    design: NDArray[np.float64], right: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the coefficients of a logistic regression, by Newton's method: float64 [columns]."""
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        told = 1.0 / (1.0 + np.exp(-np.clip(design @ found, -30, 30)))
        gradient = design.T @ (weights * (told - right)) + RIDGE * found
        curvature = (design.T * (weights * told * (1.0 - told))) @ design + RIDGE * np.eye(len(found))
        step = np.linalg.solve(curvature, gradient)
        found -= step
        if np.abs(step).max() < 1e-9:
            break
    return found


def _log_loss(right: NDArray[np.float64], told: NDArray[np.float64]) -> float:
    sure = np.clip(told, 1e-9, 1 - 1e-9)
    return float(-(right * np.log(sure) + (1 - right) * np.log(1 - sure)).mean())
