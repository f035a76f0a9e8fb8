"""Outcomes as the figures of a report: recalls with intervals, per language and as means; all JSON-ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.outcome import NO_LANGUAGE, Outcome, is_other, part_of
from cacara.metrics import bootstrap_interval

RECALL_DEPTHS = (1, 5, 10)
INTERVAL_DEPTHS = (1, 10)


def figures(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, Any]:
    """Return the figures of one language, or their mean over several with one joint interval.

    Percentages. A model trained with several seeds has its mean over the seeds, query by query, and
    ``std_recall_at_k``, the sample standard deviation over the seeds; an interval draws concepts, not seeds.

    Args:
        runs: One seed or more; language → outcome of the same queries.
    """
    outcomes = runs[0]
    concepts = [concept for outcome in outcomes.values() for concept in outcome.concepts]
    languages = [language for language, outcome in outcomes.items() for _ in outcome.concepts]
    found: dict[str, Any] = {}
    for depth in RECALL_DEPTHS:
        recalls = [float(np.mean([outcome.hits(depth).mean() for outcome in run.values()])) for run in runs]
        found[f"recall_at_{depth}"] = rounded(np.mean(recalls))
        if len(runs) > 1:
            found[f"std_recall_at_{depth}"] = rounded(np.std(recalls, ddof=1))
    found["queries"] = len(concepts)
    for depth in INTERVAL_DEPTHS:
        lower, upper = bootstrap_interval(mean_hits(runs, depth), concepts, languages)
        found[f"ci95_recall_at_{depth}"] = [rounded(lower), rounded(upper)]
    found["chance_recall_at_10"] = rounded(np.mean([outcome.chance_recall_at_10 for outcome in outcomes.values()]))
    found["left_out"] = sum(outcome.left_out for outcome in outcomes.values())
    return found


def per_language(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, dict[str, Any]]:
    """Return ``figures`` of every language of one direction."""
    return {language: figures([{language: run[language]} for run in runs]) for language in runs[0]}


def summary(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, Any]:
    """Return the figures of English, of the mean of the others, and how the two compare, of one direction.

    A direction without texts has ``without_language`` instead.
    """
    english = figures([{"en": run["en"]} for run in runs]) if "en" in runs[0] else None
    others = [{language: outcome for language, outcome in run.items() if is_other(language)} for run in runs]
    mean_other = figures(others) if others[0] else None
    found: dict[str, Any] = {"english": english, "mean_other": mean_other, "languages": len(others[0])}
    for depth in INTERVAL_DEPTHS:
        key = f"recall_at_{depth}"
        found[f"transfer_ratio_{key}"] = None
        if english and mean_other and english[key]:
            found[f"transfer_ratio_{key}"] = rounded(mean_other[key] / english[key])
    if NO_LANGUAGE in runs[0]:
        found["without_language"] = figures([{NO_LANGUAGE: run[NO_LANGUAGE]} for run in runs])
    return found


def by_kind(runs: Sequence[Mapping[str, Outcome]], kinds: Mapping[tuple[str, str], str]) -> dict[str, dict[str, Any]]:
    """Return ``summary`` of the queries of each kind, of one direction whose queries are texts.

    Args:
        runs: One seed or more; language → outcome of the same queries.
        kinds: (language, query) → kind; queries without one are in none.
    """
    found = {}
    for kind in sorted(set(kinds.values())):
        parts = [
            {language: _of_kind(language, outcome, kind, kinds) for language, outcome in run.items()} for run in runs
        ]
        found[kind] = summary([{code: part for code, part in run.items() if len(part.ranks)} for run in parts])
    return found


def _of_kind(language: str, outcome: Outcome, kind: str, kinds: Mapping[tuple[str, str], str]) -> Outcome:
    return part_of(outcome, np.array([kinds.get((language, query)) == kind for query in outcome.queries], dtype=bool))


def mean_hits(runs: Sequence[Mapping[str, Outcome]], depth: int) -> NDArray[np.float64]:
    """Return each query's hits in percent, the mean over the seeds: ``[queries of all languages]``."""
    return np.mean([np.concatenate([outcome.hits(depth) for outcome in run.values()]) for run in runs], axis=0)


def rounded(value: float | np.floating[Any]) -> float:
    """Return a figure at the precision of the reports."""
    return round(float(value), 4)
