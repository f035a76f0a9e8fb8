from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cacara.errors import QueryError
from cacara.search.index import ExactIndex


def slow_search(embeddings, query, top_k):
    scores = [float(np.float32(row @ query)) for row in embeddings]
    return sorted(range(len(scores)), key=lambda position: (-scores[position], position))[:top_k]


def test_the_nearest_rows_come_first_with_their_cosine():
    index = ExactIndex(["a", "b", "c"], [[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    scores, positions = index.search([[5.0, 0.0], [0.0, 0.1]], 2)
    assert [[index.ids[position] for position in row] for row in positions] == [["a", "c"], ["b", "c"]]
    np.testing.assert_allclose(scores, [[1.0, 0.5**0.5], [1.0, 0.5**0.5]], rtol=1e-6)
    assert (scores.dtype, positions.dtype) == (np.float32, np.int64)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_search_equals_a_plain_sort_with_ties_by_position(rows, top_k, seed):
    generator = np.random.default_rng(seed)
    # Rows of a few axes give many exactly equal scores.
    embeddings = np.eye(4, dtype=np.float32)[generator.integers(0, 4, rows)]
    query = generator.choice([1.0, 2.0, 3.0], 4).astype(np.float32)
    query /= np.linalg.norm(query)
    _, positions = ExactIndex([str(row) for row in range(rows)], embeddings).search(query[None], top_k)
    assert positions[0].tolist() == slow_search(embeddings, query, top_k)


@pytest.mark.parametrize("spread", [1.0, 0.01, 1e-4])
def test_what_eight_bits_cannot_tell_apart_is_found_as_float64_finds_it(spread):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=64) + spread * generator.normal(size=(20_000, 64))
    queries = rows[:5] + spread * generator.normal(size=(5, 64))
    found = ExactIndex([str(row) for row in range(len(rows))], rows).search(queries, 10)[1]
    cosines = (queries @ rows.T) / np.linalg.norm(rows, axis=1)
    for own, all_of_one in zip(found, cosines / np.linalg.norm(queries, axis=1, keepdims=True), strict=True):
        np.testing.assert_allclose(all_of_one[own], np.sort(all_of_one)[:-11:-1], atol=1e-5)


def test_more_queries_than_a_block_give_what_each_gives_alone():
    generator = np.random.default_rng(0)
    index = ExactIndex([str(row) for row in range(50)], generator.normal(size=(50, 8)))
    queries = generator.normal(size=(300, 8))
    scores, positions = index.search(queries, 5)
    for row in (0, 255, 256, 299):
        alone_scores, alone_positions = index.search(queries[row : row + 1], 5)
        assert alone_positions[0].tolist() == positions[row].tolist()
        np.testing.assert_allclose(alone_scores[0], scores[row], atol=1e-6)


def test_two_searches_are_bit_identical():
    generator = np.random.default_rng(0)
    index = ExactIndex([str(row) for row in range(200)], generator.normal(size=(200, 16)))
    query = generator.normal(size=(3, 16))
    first, second = index.search(query, 10), index.search(query, 10)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_top_k_beyond_the_index_gives_all_of_it():
    scores, positions = ExactIndex(["a", "b"], np.eye(2)).search(np.eye(2), 10)
    assert scores.shape == positions.shape == (2, 2)


def test_an_empty_index_and_no_queries_give_empty_results():
    scores, positions = ExactIndex([], np.zeros((0, 3))).search(np.eye(3), 5)
    assert scores.shape == positions.shape == (3, 0)
    scores, positions = ExactIndex(["a"], np.ones((1, 3))).search(np.zeros((0, 3)), 5)
    assert scores.shape == positions.shape == (0, 1)


def test_the_index_does_not_change_with_the_array_it_was_made_of():
    embeddings = np.eye(2, dtype=np.float32)
    index = ExactIndex(["a", "b"], embeddings)
    embeddings[:] = 0.5
    assert index.search([[1.0, 0.0]], 1)[0] == pytest.approx(np.ones((1, 1)), abs=1e-6)
    assert (len(index), index.dimension) == (2, 2)


@pytest.mark.parametrize(
    ("queries", "top_k", "message"),
    [
        ([1.0, 0.0], 1, r"shape \(2,\)"),
        ([[1.0, 0.0, 0.0]], 1, "queries have 3 dimensions, the index has 2"),
        ([[1.0, np.nan]], 1, "1 values that are not finite"),
        ([[0.0, 0.0]], 1, "1 rows of zeros"),
        ([[1.0, 0.0]], 0, "top_k is 0; wanted 1 or more"),
    ],
)
def test_a_query_that_cannot_be_searched_is_refused(queries, top_k, message):
    with pytest.raises(QueryError, match=message):
        ExactIndex(["a", "b"], np.eye(2)).search(queries, top_k)


@pytest.mark.parametrize(
    ("ids", "embeddings", "message"),
    [
        (["a"], np.eye(2), "1 ids for 2 embeddings"),
        (["a"], [[np.inf, 0.0]], "not finite"),
        (["a"], [[0.0, 0.0]], "rows of zeros"),
        (["a", "b"], [1.0, 2.0], "wanted \\[rows, dimensions\\]"),
    ],
)
def test_embeddings_that_cannot_be_searched_are_refused(ids, embeddings, message):
    with pytest.raises(QueryError, match=message):
        ExactIndex(ids, embeddings)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_a_masked_search_finds_what_an_index_of_those_rows_finds(rows, top_k, seed):
    generator = np.random.default_rng(seed)
    embeddings = np.eye(4, dtype=np.float32)[generator.integers(0, 4, rows)]
    kept = [str(row) for row in np.flatnonzero(generator.random(rows) < 0.5)]
    whole = ExactIndex([str(row) for row in range(rows)], embeddings)
    alone = ExactIndex(kept, embeddings[[int(row) for row in kept]])
    queries = generator.normal(size=(3, 4))
    assert whole.nearest(queries, top_k, whole.mask(kept)) == alone.nearest(queries, top_k)


def test_a_mask_holds_behind_the_first_block_of_rows(monkeypatch):
    monkeypatch.setattr("cacara.search.index._ROWS_AT_ONCE", 4)
    monkeypatch.setattr("cacara.search.index._ROWS_IN_GROUP", 2)
    index = ExactIndex("abcdefghij", np.eye(10, dtype=np.float32) + 0.1)
    best = index.nearest(np.eye(10, dtype=np.float32)[[9]], 3, index.mask({"a", "j", "nobody"}))[0]
    assert [near.item_id for near in best] == ["j", "a"]


def test_rows_come_by_name_and_an_unknown_one_is_told():
    index = ExactIndex(["a", "b"], [[2.0, 0.0], [0.0, 3.0]])
    assert index.rows(["b", "a", "b"]) == pytest.approx(np.array([[0, 1], [1, 0], [0, 1]]), abs=1e-6)
    assert index.rows(index.ids) == pytest.approx(np.eye(2), abs=1e-6)
    with pytest.raises(QueryError, match="no row 'z'"):
        index.rows(["a", "z"])
