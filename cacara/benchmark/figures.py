"""Outcomes as the figures of a report, JSON-ready: recalls with intervals, per language and as means.

Beyond recall there are consistency over languages, hubs, confusions, and languages compared over models.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


@dataclasses.dataclass(frozen=True)
class ConceptRanks:
    """One concept's ranks over languages.

    Attributes:
        mean: Mean rank of its best relevant candidate.
        variance: Population variance over languages.
        languages: In how many languages it was asked for.
    """

    mean: float
    variance: float
    languages: int


@dataclasses.dataclass(frozen=True, order=True)
class Confusion:
    """A concept that came first where another was asked for.

    Attributes:
        asked: Concept that was asked for.
        given: Concept that came first instead.
        queries: For how many queries, over all languages and seeds.
        share: Of all queries for ``asked``, 0 to 1.
    """

    asked: str
    given: str
    queries: int
    share: float


def concept_ranks(outcomes: Mapping[str, Outcome]) -> dict[str, ConceptRanks]:
    """Return how much the rank of each concept's sound depends on the language it is asked for in.

    A concept asked for twice in a language has the mean of the two ranks there. Concepts of one language only are
    left out. The mean of the variances over concepts is the mean rank variance (MRV) of the literature on
    cross-lingual consistency (Nie et al., arXiv 2406.18254; used by ATRI, arXiv 2502.14627): 0 if every language
    finds a sound at the same place.

    Args:
        outcomes: Language → outcome, over the same candidates in every language.
    """
    ranks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for language, outcome in outcomes.items():
        for concept, rank in zip(outcome.concepts, outcome.ranks.tolist(), strict=True):
            ranks[concept][language].append(rank)
    found = {}
    for concept, by_language in sorted(ranks.items()):
        means = [np.mean(values) for values in by_language.values()]
        if len(means) > 1:
            found[concept] = ConceptRanks(float(np.mean(means)), float(np.var(means)), len(means))
    return found


def mean_rank_variance(ranks: Mapping[str, ConceptRanks]) -> float | None:
    """Return the mean over concepts of the variance over languages, in squared ranks; None without any concept."""
    return float(np.mean([concept.variance for concept in ranks.values()])) if ranks else None


def occurrence_skewness(counts: ArrayLike) -> float:
    """Return the skewness of how often candidates stand in the first places, 0 if all stand there equally often.

    Some candidates ("hubs") are near to everything in a space of many dimensions and crowd out the others;
    the skewness of the k-occurrences measures that (Radovanović, Nanopoulos, Ivanović: Hubs in space. JMLR 11, 2010).

    Args:
        counts: int ``[candidates]``, in how many queries' first k each candidate stands.
    """
    values = np.asarray(counts, dtype=np.float64)
    deviation = values - values.mean()
    spread = float(np.sqrt(np.mean(deviation**2)))
    return float(np.mean(deviation**3) / spread**3) if spread else 0.0


def orphan_share(counts: ArrayLike) -> float:
    """Return the percentage of candidates that no query has among its first k.

    Args:
        counts: int ``[candidates]``, in how many queries' first k each candidate stands.
    """
    return float(100.0 * np.mean(np.asarray(counts) == 0))


def confusions(outcomes: Iterable[Outcome]) -> list[Confusion]:
    """Return what came first where another concept was asked for, the most frequent first.

    Args:
        outcomes: Of any languages and seeds.
    """
    asked: Counter[str] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        asked.update(outcome.concepts)
        pairs = zip(outcome.concepts, outcome.firsts, outcome.ranks.tolist(), strict=True)
        wrong.update((concept, first) for concept, first, rank in pairs if rank > 1)
    found = [Confusion(concept, first, count, count / asked[concept]) for (concept, first), count in wrong.items()]
    return sorted(found, key=lambda row: (-row.queries, -row.share, row.asked, row.given))


def z_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Return each model's distance from the mean of all models, in standard deviations, language by language.

    It says which model stands out in a language, apart from how hard the language is for all of them.

    Args:
        values: float ``[models, languages]``, e.g. recalls.

    Returns:
        float64 ``[models, languages]``; 0 where all models are equal.
    """
    values = np.asarray(values, dtype=np.float64)
    deviation = values - values.mean(axis=0)
    spread = values.std(axis=0)
    return np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 1e-12)
