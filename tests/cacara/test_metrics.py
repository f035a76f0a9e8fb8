from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cacara.metrics import (
    bootstrap_interval,
    chance_recall_at_k,
    jackknife_interval,
    mean_average_precision_at_k,
    ranks_of_first_relevant,
    recall_at_k,
)


@st.composite
def ranked_problems(draw):
    """Scores of few distinct values, so that ties are common, with something relevant in every row."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 8)))
    scores = draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5])))
    relevant = draw(hnp.arrays(np.bool_, shape))
    relevant[np.arange(shape[0]), draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))] = True
    return scores, relevant


def slow_ranks(scores, relevant):
    """Sort each row, irrelevant before relevant at equal scores, and look for the first relevant one."""
    ranks = []
    for row_scores, row_relevant in zip(scores, relevant, strict=True):
        ordered = sorted(zip(-row_scores, row_relevant, strict=True), key=lambda pair: (pair[0], pair[1]))
        ranks.append(1 + [is_relevant for _, is_relevant in ordered].index(True))
    return ranks


@given(ranked_problems())
def test_ranks_equal_those_of_a_plain_sort(problem):
    scores, relevant = problem
    ranks = ranks_of_first_relevant(scores, relevant)
    assert ranks.dtype == np.int64
    assert ranks.tolist() == slow_ranks(scores, relevant)


@given(ranked_problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(problem, random):
    scores, relevant = problem
    order = random.sample(range(scores.shape[1]), scores.shape[1])
    shuffled = ranks_of_first_relevant(scores[:, order], relevant[:, order])
    assert shuffled.tolist() == ranks_of_first_relevant(scores, relevant).tolist()


@given(ranked_problems(), st.integers(1, 9))
def test_recall_is_a_percentage_that_grows_with_k_up_to_all(problem, k):
    ranks = ranks_of_first_relevant(*problem)
    assert 0.0 <= recall_at_k(ranks, k) <= recall_at_k(ranks, k + 1) <= 100.0
    assert recall_at_k(ranks, problem[0].shape[1]) == 100.0


def test_ranks_and_recall_of_an_example_by_hand():
    scores = [[0.9, 0.8, 0.1, 0.0], [0.5, 0.5, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]
    relevant = [[False, True, True, False], [True, False, False, False], [True, False, False, True]]
    ranks = ranks_of_first_relevant(scores, relevant)
    assert ranks.tolist() == [2, 2, 1]
    assert recall_at_k(ranks, 1) == pytest.approx(100 / 3)
    assert recall_at_k(ranks, 2) == 100.0


def test_a_constant_score_earns_nothing():
    assert ranks_of_first_relevant(np.ones((1, 4)), [[True, True, False, False]]).tolist() == [3]


def test_no_queries_have_no_ranks():
    assert ranks_of_first_relevant(np.zeros((0, 3)), np.zeros((0, 3), bool)).shape == (0,)


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        ([[1.0, 2.0]], [[True]], "share a shape"),
        ([1.0, 2.0], [True, False], "share a shape"),
        ([[1.0, np.nan]], [[True, False]], "1 scores are not finite"),
        ([[1.0, 2.0], [1.0, 2.0]], [[True, False], [False, False]], "1 queries have no relevant"),
    ],
)
def test_ranks_refuse_what_cannot_be_ranked(scores, relevant, message):
    with pytest.raises(ValueError, match=message):
        ranks_of_first_relevant(scores, relevant)


def test_recall_of_nothing_is_refused():
    with pytest.raises(ValueError, match="undefined"):
        recall_at_k([], 1)
    with pytest.raises(ValueError, match="undefined"):
        recall_at_k([1], 0)
    with pytest.raises(ValueError, match="undefined"):
        chance_recall_at_k(np.zeros((0, 4), bool), 1)


def test_chance_of_one_positive_is_k_over_n():
    relevant = np.eye(4, dtype=bool)
    assert chance_recall_at_k(relevant, 1) == pytest.approx(25.0)
    assert chance_recall_at_k(relevant, 3) == pytest.approx(75.0)
    assert chance_recall_at_k(relevant, 9) == pytest.approx(100.0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_chance_with_several_positives_equals_a_simulation(k):
    generator = np.random.default_rng(5)
    relevant = np.arange(12) < np.array([[1], [2], [4], [10]])
    trials = 4000
    found = [recall_at_k(ranks_of_first_relevant(generator.random(relevant.shape), relevant), k) for _ in range(trials)]
    assert chance_recall_at_k(relevant, k) == pytest.approx(np.mean(found), abs=4 * np.std(found) / trials**0.5)


def slow_bootstrap_means(values, groups, strata, samples, seed):
    """Draw whole groups and average stratum by stratum, one draw after another."""
    names = sorted(set(groups))
    draws = np.random.default_rng(seed).integers(0, len(names), size=(samples, len(names)))
    statistics = []
    for draw in draws:
        drawn: dict[str, list[float]] = {}
        for name in (names[index] for index in draw):
            for value, group, stratum in zip(values, groups, strata, strict=True):
                if group == name:
                    drawn.setdefault(stratum, []).append(value)
        statistics.append(np.mean([np.mean(part) for part in drawn.values()]))
    return statistics


def test_the_interval_equals_that_of_one_draw_after_another():
    generator = np.random.default_rng(0)
    values = generator.random(30) * 100
    groups = generator.choice(list("abcdefg"), 30).tolist()
    strata = generator.choice(["sw", "de"], 30).tolist()
    slow = slow_bootstrap_means(values, groups, strata, 200, 3)
    fast = bootstrap_interval(values, groups, strata, samples=200, seed=3)
    assert fast == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_the_interval_is_reproducible_and_holds_the_mean():
    values = [0.0, 100.0, 100.0, 0.0, 100.0, 0.0, 100.0, 100.0]
    groups = [0, 0, 1, 1, 2, 2, 3, 3]
    lower, upper = bootstrap_interval(values, groups)
    assert (lower, upper) == bootstrap_interval(values, groups)
    assert lower <= np.mean(values) <= upper


def test_values_of_one_group_vary_together_and_so_widen_the_interval():
    values = np.repeat([0.0, 100.0] * 10, 5)
    grouped = bootstrap_interval(values, np.repeat(np.arange(20), 5))
    alone = bootstrap_interval(values, np.arange(100))
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])


def test_equal_values_leave_no_interval():
    assert bootstrap_interval([50.0] * 6, list("aabbcc")) == (50.0, 50.0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        values = 100.0 * (generator.random(80) < 0.3)
        lower, upper = bootstrap_interval(values, np.arange(80), samples=500)
        covered += lower <= 30.0 <= upper
    assert 0.88 <= covered / 200 <= 0.99


def test_an_interval_of_nothing_or_of_unequal_lengths_is_refused():
    with pytest.raises(ValueError, match="share a shape"):
        bootstrap_interval([], [])
    with pytest.raises(ValueError, match="share a shape"):
        bootstrap_interval([1.0, 2.0], ["a"])


def test_mean_average_precision_of_an_example_by_hand():
    scores = [[0.9, 0.8, 0.7, 0.6], [0.1, 0.9, 0.5, 0.4]]
    relevant = [[True, False, True, False], [True, False, False, False]]
    assert mean_average_precision_at_k(scores, relevant, 3) == pytest.approx(100 * ((1 + 2 / 3) / 2 + 0) / 2)
    assert mean_average_precision_at_k(scores, relevant, 4) == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1 / 4) / 2)


@given(st.data())
def test_mean_average_precision_equals_a_plain_loop_ties_against_us(data):
    queries, candidates = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 7))
    shape = queries, candidates
    scores = data.draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0])))
    relevant = data.draw(hnp.arrays(np.bool_, shape))
    relevant[:, 0] = True
    k = data.draw(st.integers(1, 8))
    averages = []
    for row, right in zip(scores, relevant, strict=True):
        ranked = sorted(range(candidates), key=lambda at: (-row[at], right[at]))[:k]
        found = [bool(right[at]) for at in ranked]
        precisions = [sum(found[: place + 1]) / (place + 1) for place in range(len(found)) if found[place]]
        averages.append(sum(precisions) / min(k, int(right.sum())))
    assert mean_average_precision_at_k(scores, relevant, k) == pytest.approx(100 * np.mean(averages))


def test_leaving_out_groups_of_equal_size_gives_the_usual_interval_of_their_mean():
    groups = np.array([60.0, 64.0, 58.0, 70.0, 66.0])
    without = [np.delete(groups, at).mean() for at in range(5)]
    half = 2.776445 * groups.std(ddof=1) / np.sqrt(5)
    assert jackknife_interval(groups.mean(), without) == pytest.approx((groups.mean() - half, groups.mean() + half))
    assert jackknife_interval(99.9, [99.0, 100.0, 99.5]) == (pytest.approx(97.4, abs=0.5), 100.0)
    with pytest.raises(ValueError, match="1 groups"):
        jackknife_interval(50.0, [50.0])
