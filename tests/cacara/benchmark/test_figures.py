from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cacara.benchmark.figures import (
    concept_ranks,
    confusions,
    mean_rank_variance,
    occurrence_skewness,
    orphan_share,
    z_scores,
)
from cacara.benchmark.outcome import Outcome, outcome_of, part_of

CANDIDATES = ("dog1", "dog2", "cat1", "bell1")
CONCEPTS = ("dog", "dog", "cat", "bell")


def outcome(scores, asked, candidates=CANDIDATES, concepts=CONCEPTS):
    relevant = np.array(asked)[:, None] == np.array(concepts)[None, :]
    queries = [f"a {concept}" for concept in asked]
    return outcome_of(np.array(scores, dtype=np.float32), relevant, queries, asked, candidates, concepts)


def ranked(concepts, ranks, firsts=None):
    size = len(concepts)
    return Outcome(np.array(ranks), tuple(concepts), 20, 0.0, 0, ("?",) * size, tuple(firsts or concepts), {})


def test_an_outcome_tells_ranks_firsts_and_occurrences_by_hand():
    found = outcome([[0.1, 0.9, 0.3, 0.2], [0.8, 0.2, 0.5, 0.1], [0.5, 0.5, 0.5, 0.5]], ["dog", "cat", "bell"])
    assert found.ranks.tolist() == [1, 2, 4]
    assert found.firsts == ("dog", "dog", "cat")  # of equals the wrong ones first, by key: cat1 before dog1
    assert found.queries == ("a dog", "a cat", "a bell")
    assert found.occurrences == {"bell1": 3, "cat1": 3, "dog1": 3, "dog2": 3}  # four candidates are all among ten


def test_what_has_nothing_relevant_is_left_out_and_counted():
    found = outcome([[1, 0, 0, 0], [0, 1, 0, 0]], ["whale", "dog"])
    assert (found.left_out, found.concepts, found.ranks.tolist()) == (1, ("dog",), [1])
    nothing = outcome([[1, 0, 0, 0]], ["whale"])
    assert len(nothing.ranks) == 0 and nothing.firsts == ()


def test_only_the_first_ten_count_as_occurrences():
    keys = [f"clip{number:02d}" for number in range(12)]
    scores = np.linspace(1, 0, 12)[None, :]
    found = outcome(scores, ["x"], keys, ["x"] + ["y"] * 11)
    assert sum(found.occurrences.values()) == 10
    assert [key for key, count in found.occurrences.items() if not count] == ["clip10", "clip11"]


@given(st.randoms(use_true_random=False), st.integers(0, 10_000))
def test_the_order_of_the_candidates_changes_nothing(random, seed):
    scores = np.random.default_rng(seed).integers(0, 3, size=(4, 6)).astype(np.float32)
    keys, concepts = list("pqrstu"), ["a", "a", "b", "c", "c", "d"]
    order = random.sample(range(6), 6)
    asked = ["a", "b", "c", "d"]
    one = outcome(scores, asked, keys, concepts)
    other = outcome(scores[:, order], asked, [keys[i] for i in order], [concepts[i] for i in order])
    assert (one.ranks.tolist(), one.firsts, one.occurrences) == (other.ranks.tolist(), other.firsts, other.occurrences)
    for rank, first, concept in zip(one.ranks, one.firsts, one.concepts, strict=True):
        assert (rank == 1) == (first == concept)


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 queries of 2 concepts and 4 candidates"):
        outcome(np.zeros((3, 4)), ["dog", "cat"])


def test_a_part_keeps_its_queries_alone():
    part = part_of(ranked(["dog", "cat", "bell"], [1, 2, 3]), np.array([True, False, True]))
    assert (part.concepts, part.ranks.tolist(), part.candidates) == (("dog", "bell"), [1, 3], 20)


def test_rank_variance_by_hand():
    ranks = concept_ranks(
        {
            "en": ranked(["dog", "cat", "owl"], [1, 5, 1]),
            "de": ranked(["dog", "cat"], [3, 5]),
            "sw": ranked(["dog", "dog", "cat"], [4, 6, 5]),  # two names: mean rank 5
        }
    )
    # dog: 1, 3, 5 → mean 3, variance 8/3; cat: 5, 5, 5 → 0; owl is asked for in one language only.
    assert set(ranks) == {"dog", "cat"}
    assert (ranks["dog"].mean, ranks["dog"].languages) == (3.0, 3)
    assert ranks["dog"].variance == pytest.approx(8 / 3)
    assert mean_rank_variance(ranks) == pytest.approx(4 / 3)
    assert mean_rank_variance({}) is None


@given(st.lists(st.integers(0, 50), min_size=3, max_size=40))
def test_skewness_is_that_of_scipy_and_orphans_are_counted(counts):
    if len(set(counts)) > 1:
        assert occurrence_skewness(counts) == pytest.approx(stats.skew(counts), abs=1e-9)
    else:
        assert occurrence_skewness(counts) == 0.0
    assert orphan_share(counts) == pytest.approx(100 * counts.count(0) / len(counts))


def test_confusions_are_counted_over_languages_and_shared_by_concept():
    found = confusions(
        [
            ranked(["dog", "cat"], [2, 2], ["wolf", "lynx"]),
            ranked(["dog", "cat"], [3, 1], ["wolf", "cat"]),
            ranked(["dog"], [2], ["fox"]),
        ]
    )
    assert [(row.asked, row.given, row.queries) for row in found] == [
        ("dog", "wolf", 2),
        ("cat", "lynx", 1),
        ("dog", "fox", 1),
    ]
    assert [row.share for row in found] == pytest.approx([2 / 3, 1 / 2, 1 / 3])


def test_z_scores_by_hand():
    z = z_scores([[10.0, 50.0], [20.0, 50.0], [30.0, 50.0]])
    assert z[:, 0] == pytest.approx([-1.2247, 0, 1.2247], abs=1e-4)
    assert z[:, 1].tolist() == [0.0, 0.0, 0.0]  # all alike
