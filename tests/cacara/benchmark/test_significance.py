from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cacara.benchmark.significance import holm, paired_difference

HITS = st.sampled_from([0.0, 100.0])


def slow_p(first, second, groups, strata):
    """Swap every subset of the groups and recompute the mean of the strata's means from scratch."""

    def difference(swapped):
        change = [(a - b if group in swapped else b - a) for a, b, group in zip(first, second, groups, strict=True)]
        names = sorted(set(strata))
        return np.mean([np.mean([c for c, s in zip(change, strata, strict=True) if s == name]) for name in names])

    names = sorted(set(groups))
    observed = abs(difference(()))
    subsets = itertools.chain.from_iterable(itertools.combinations(names, size) for size in range(len(names) + 1))
    return np.mean([abs(difference(subset)) >= observed - 1e-9 for subset in subsets])


@st.composite
def answers(draw):
    size = draw(st.integers(1, 14))
    column = st.lists(HITS, min_size=size, max_size=size)
    groups = draw(st.lists(st.sampled_from("abcdef"), min_size=size, max_size=size))
    strata = draw(st.lists(st.sampled_from(["de", "sw"]), min_size=size, max_size=size))
    return draw(column), draw(column), groups, strata


@settings(deadline=None, max_examples=50)
@given(answers())
def test_the_p_value_is_that_of_all_swaps_one_after_another(problem):
    found = paired_difference(*problem)
    assert found.p == pytest.approx(slow_p(*problem))
    assert 0 < found.p <= 1 and found.lower <= found.upper


@settings(deadline=None, max_examples=50)
@given(answers())
def test_the_other_way_round_only_the_sign_changes(problem):
    first, second, groups, strata = problem
    forth, back = paired_difference(first, second, groups, strata), paired_difference(second, first, groups, strata)
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.p == back.p
    assert (forth.lower, forth.upper) == pytest.approx((-back.upper, -back.lower))


def test_five_wins_of_five_by_hand():
    # All five concepts gain: of 32 swaps only none and all are as extreme.
    found = paired_difference([0.0] * 5, [100.0] * 5, list("abcde"))
    assert (found.difference, found.lower, found.upper) == (100.0, 100.0, 100.0)
    assert found.p == 2 / 32 and found.queries == 5


def test_equal_models_do_not_differ():
    found = paired_difference([100.0, 0.0], [100.0, 0.0], ["a", "b"])
    assert (found.difference, found.p) == (0.0, 1.0)


def test_the_queries_of_one_concept_count_as_one():
    # Ten wins of one concept are one coin: nothing can be said.
    assert paired_difference([0.0] * 10, [100.0] * 10, ["a"] * 10).p == 1.0


def test_many_concepts_are_drawn_and_agree_with_scipy():
    generator = np.random.default_rng(4)
    first, second = (100.0 * (generator.random(40) < share) for share in (0.4, 0.65))
    found = paired_difference(first, second, np.arange(40))
    reference = stats.permutation_test(
        (second, first),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    assert found.difference == pytest.approx(reference.statistic)
    assert found.p == pytest.approx(reference.pvalue, abs=0.01)
    assert found == paired_difference(first, second, np.arange(40))


def test_under_the_null_hypothesis_one_test_in_twenty_says_yes():
    generator = np.random.default_rng(7)
    yes = 0
    for _ in range(300):
        first, second = (100.0 * (generator.random(25) < 0.4) for _ in range(2))
        yes += paired_difference(first, second, np.arange(25)).p < 0.05
    assert yes / 300 < 0.085


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_the_order_and_lies_between_the_raw_values_and_bonferroni(p):
    corrected = holm(p)
    assert (corrected >= np.array(p)).all()
    assert (corrected <= np.minimum(1, len(p) * np.array(p))).all()
    assert corrected[np.argmin(p)] == pytest.approx(min(1, len(p) * min(p)))
    order = np.argsort(p, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
