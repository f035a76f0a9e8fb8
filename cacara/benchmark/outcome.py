"""How the queries of one direction and language came out: what every figure of a report is computed from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cacara.metrics import chance_recall_at_k, ranks_of_first_relevant

INTERVAL_DEPTH = 10
"""The depth of the recall that gets chance beside it, and of the lists that hubs are counted in."""

NO_LANGUAGE = "zxx"
"""BCP-47's code for what is in no language: the key of a direction without texts, such as audio to image."""


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """The queries of one direction and language, ranked; ``outcome_of`` makes it.

    Attributes:
        ranks: int64 ``[queries]``, the rank from 1 of the best relevant candidate, ties against us.
        concepts: The concept of each query: what the bootstrap draws.
        candidates: Number to choose from.
        chance_recall_at_10: Expected percentage of a random order.
        left_out: Queries without any relevant candidate, not in ``ranks``.
        queries: What names each query, the same for every model: its text, or its clip's id.
        firsts: The concept of the candidate that came first for each query.
        occurrences: Candidate key → how many queries have it among their first ten.
    """

    ranks: NDArray[np.int64]
    concepts: tuple[str, ...]
    candidates: int
    chance_recall_at_10: float
    left_out: int
    queries: tuple[str, ...]
    firsts: tuple[str, ...]
    occurrences: Mapping[str, int]

    def hits(self, depth: int) -> NDArray[np.float64]:
        """Return 100 for each query with a relevant candidate among its first ``depth``, else 0: ``[queries]``."""
        return np.where(self.ranks <= depth, 100.0, 0.0)


Outcomes = Mapping[str, Mapping[str, Outcome]]
"""Direction → language → outcome, e.g. ``outcomes["text_to_audio"]["sw"]``."""


def outcome_of(
    scores: NDArray[np.float32],
    relevant: NDArray[np.bool_],
    queries: Sequence[str],
    concepts: Sequence[str],
    candidates: Sequence[str],
    candidate_concepts: Sequence[str],
) -> Outcome:
    """Rank every query's candidates.

    Args:
        scores: float ``[queries, candidates]``, higher is better, finite.
        relevant: bool, same shape; a query with nothing relevant is left out and counted.
        queries: What names each query: its text, or its clip's id.
        concepts: The concept of each query.
        candidates: A key for each candidate, each once.
        candidate_concepts: The concept of each candidate, to tell what is confused with what.

    Raises:
        ValueError: Lengths do not fit, or a score is not finite.
    """
    if scores.shape != (len(queries), len(candidates)) or len(concepts) != len(queries):
        raise ValueError(
            f"scores {scores.shape} for {len(queries)} queries of {len(concepts)} concepts and "
            f"{len(candidates)} candidates; wanted one row a query, one column a candidate"
        )
    # In the order of their keys, so that among equal scores the same candidate comes first whatever the caller's order.
    order = np.argsort(np.array(candidates), kind="stable")
    keys = [candidates[position] for position in order]
    answerable = np.flatnonzero(relevant.any(axis=1)).tolist()
    kept, found = relevant[answerable][:, order], scores[answerable][:, order]
    # A wrong candidate stands before a right one of the same score, as the ranks have it.
    ranked = np.lexsort((kept, -found), axis=1) if found.size else np.zeros(found.shape, dtype=np.int64)
    first_ten = np.bincount(ranked[:, :INTERVAL_DEPTH].ravel(), minlength=len(keys))
    return Outcome(
        ranks=ranks_of_first_relevant(found, kept),
        concepts=tuple(concepts[position] for position in answerable),
        candidates=len(candidates),
        chance_recall_at_10=chance_recall_at_k(kept, INTERVAL_DEPTH) if len(kept) else 0.0,
        left_out=len(queries) - len(kept),
        queries=tuple(queries[position] for position in answerable),
        firsts=tuple(candidate_concepts[order[row[0]]] for row in ranked),
        occurrences=dict(zip(keys, first_ten.tolist(), strict=True)),
    )


def part_of(outcome: Outcome, chosen: NDArray[np.bool_]) -> Outcome:
    """Return some of the queries, bool ``[queries]``; the candidates, their chance and the hubs are those of all."""
    positions = np.flatnonzero(chosen).tolist()
    return dataclasses.replace(
        outcome,
        ranks=outcome.ranks[positions],
        concepts=tuple(outcome.concepts[position] for position in positions),
        queries=tuple(outcome.queries[position] for position in positions),
        firsts=tuple(outcome.firsts[position] for position in positions),
    )


def is_other(language: str) -> bool:
    """Return whether a language counts in the mean of the others: not English, no dialect of it, not none."""
    return language.split("-")[0] != "en" and language != NO_LANGUAGE
