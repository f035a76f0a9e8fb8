"""What ranks say beyond recall: consistency over languages, hubs, confusions, and languages compared over models."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cacara.benchmark.outcome import Outcome


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
        asked: What was asked for.
        given: What came first instead.
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
