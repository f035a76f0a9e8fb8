from __future__ import annotations

import numpy as np
import pytest

from cacara.errors import QueryError
from cacara.search import engines
from cacara.search.engines import open_index

ENGINES = ("memory", "exact", "lancedb")


@pytest.fixture(params=ENGINES)
def uri(request, tmp_path):
    return "memory:" if request.param == "memory" else f"{request.param}:{tmp_path / 'index'}"


def random_rows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)


def test_every_engine_finds_what_a_plain_sort_finds(uri):
    rows, queries = random_rows(200), random_rows(5, seed=1)
    index = open_index(uri, 8)
    index.add([f"clip {row}" for row in range(120)], rows[:120])
    index.add([f"clip {row}" for row in range(120, 200)], rows[120:])
    assert (len(index), index.dimension) == (200, 8)
    cosines = (queries @ rows.T) / np.outer(np.linalg.norm(queries, axis=1), np.linalg.norm(rows, axis=1))
    for found, row in zip(index.nearest(queries, 10), cosines, strict=True):
        assert [hit.item_id for hit in found] == [f"clip {place}" for place in np.argsort(-row)[:10]]
        np.testing.assert_allclose([hit.score for hit in found], np.sort(row)[::-1][:10], atol=2e-5)


def test_an_id_that_is_added_again_replaces_what_it_had(uri):
    index = open_index(uri, 2)
    index.add(["dog", 'cat\'s "toy"'], [[1.0, 0.0], [0.0, 1.0]])
    index.add(["dog"], [[-1.0, 0.0]])
    assert len(index) == 2
    assert index.nearest([[1.0, 0.0]], 1)[0][0].item_id == 'cat\'s "toy"'
    assert index.nearest([[-1.0, 0.0]], 1)[0][0].item_id == "dog"


@pytest.mark.parametrize("kept", [5, 150])
def test_every_engine_searches_among_some_rows_and_gives_them_back(uri, kept):
    rows, names = random_rows(200), [f"clip's {row}" for row in range(200)]
    index = open_index(uri, 8)
    index.add(names, rows)
    assert sorted(index.ids) == sorted(names)
    some = set(names[:kept])
    found = index.nearest(rows[:3], 10, index.mask({*some, "another"}))
    assert all({hit.item_id for hit in hits} <= some and len(hits) == min(10, kept) for hits in found)
    assert [hits[0].item_id for hits in found] == names[:3]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(index.rows([names[7], names[199], names[7]]), unit[[7, 199, 7]], atol=2e-5)
    assert index.nearest(rows[:1], 10, index.mask({"another"})) == [[]]
    with pytest.raises(QueryError, match="no row 'another'"):
        index.rows(["another"])


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_an_index_says_who_made_it(engine, tmp_path):
    place = f"{engine}:{tmp_path / 'index'}"
    open_index(place, 2).add(["a"], [[1.0, 0.0]])
    assert engines.read_maker(place) is None
    for maker in ("one-1", "two-2"):
        engines.write_maker(place, maker)
        assert engines.read_maker(place) == maker
    assert len(open_index(place, 2)) == 1


def test_an_empty_index_finds_nothing_and_a_small_one_all_it_has(uri):
    index = open_index(uri, 2)
    assert index.nearest([[1.0, 0.0]], 3) == [[]]
    index.add([], np.zeros((0, 2)))
    index.add(["one"], [[0.0, 2.0]])
    assert [hit.item_id for hit in index.nearest([[1.0, 0.0]], 3)[0]] == ["one"]


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_what_was_added_is_there_when_the_index_is_opened_again(engine, tmp_path):
    place = f"{engine}:{tmp_path / 'index'}"
    open_index(place, 8).add(["a", "b"], random_rows(2))
    again = open_index(place, 8)
    again.add(["c"], random_rows(1, seed=2))
    assert len(open_index(place, 8)) == 3
    with pytest.raises(QueryError):
        open_index(place, 4).add(["d"], np.eye(4)[:1])


@pytest.mark.parametrize(
    ("ids", "embeddings", "message"),
    [
        (["a", "a"], np.eye(2), "'a' is there twice"),
        (["a"], np.eye(2), "1 ids for 2 embeddings"),
        (["a"], np.ones((1, 3)), "3 dimensions, the index has 2"),
        (["a"], [[np.nan, 0.0]], "not finite"),
        (["a"], [[0.0, 0.0]], "rows of zeros"),
    ],
)
def test_rows_that_no_engine_should_hold_are_refused_by_all(uri, ids, embeddings, message):
    index = open_index(uri, 2)
    with pytest.raises(QueryError, match=message):
        index.add(ids, embeddings)
    assert len(index) == 0


@pytest.mark.parametrize(
    ("queries", "top_k"), [([[1.0]], 1), ([[np.inf, 0.0]], 1), ([[0.0, 0.0]], 1), ([[1.0, 0.0]], 0)]
)
def test_queries_that_no_engine_should_see_are_refused_by_all(uri, queries, top_k):
    index = open_index(uri, 2)
    index.add(["a"], [[1.0, 0.0]])
    with pytest.raises(QueryError):
        index.nearest(queries, top_k)


@pytest.mark.parametrize("uri", ["", "clips", "oracle:clips", "exact:", "lancedb:"])
def test_a_place_that_names_no_engine_is_refused_with_those_there_are(uri):
    with pytest.raises(QueryError, match="unknown engine|names no place"):
        open_index(uri, 2)


def test_a_damaged_segment_is_named(tmp_path):
    open_index(f"exact:{tmp_path}", 2).add(["a"], [[1.0, 0.0]])
    segment = next(tmp_path.glob("segment-*.npz"))
    segment.write_bytes(segment.read_bytes()[:-40])
    with pytest.raises(QueryError, match=segment.name):
        open_index(f"exact:{tmp_path}", 2)


def test_an_exact_engine_refuses_to_approximate():
    with pytest.raises(QueryError, match="always exact"):
        engines.approximate(open_index("memory:", 2))


def test_an_approximate_search_finds_nearly_all_that_an_exact_one_does(tmp_path):
    pytest.importorskip("lancedb", reason="lancedb is not installed (requirements-engines.txt)")
    rng = np.random.default_rng(0)
    clusters = rng.standard_normal((50, 32))
    rows = clusters[rng.integers(0, 50, 10_000)] + 0.5 * rng.standard_normal((10_000, 32))
    index = open_index(f"lancedb:{tmp_path}", 32)
    index.add([str(number) for number in range(len(rows))], rows)
    queries = rows[:20] + 0.1
    exact = index.nearest(queries, 10)
    engines.approximate(index)
    found = index.nearest(queries, 10)
    names = [[{hit.item_id for hit in hits} for hits in each] for each in (exact, found)]
    assert sum(len(wanted & got) for wanted, got in zip(*names, strict=True)) >= 0.95 * 200
    assert found[0][0].score == pytest.approx(exact[0][0].score, abs=1e-5)
