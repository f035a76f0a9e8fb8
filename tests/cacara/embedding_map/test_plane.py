"""Who is whose neighbour on a map, where a query falls, and what a map's key depends on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cacara.embedding_map.plane import EmbeddingMap, MapInputs, MapPoint
from cacara.errors import QueryError

KINDS = ("text", "text", "audio", "image")


def make_map(embeddings: np.ndarray, positions: np.ndarray, kinds: tuple[str, ...] = KINDS) -> EmbeddingMap:
    points = tuple(
        MapPoint(kind, f"thing {row}", "en" if kind == "text" else None, f"thing {row}", "folder", f"clip {row}")
        for row, kind in enumerate(kinds)
    )
    inputs = MapInputs("tiny", "f", ("en",), True, points, {})
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return EmbeddingMap(inputs, unit.astype(np.float32), positions.astype(np.float32), "pca", {})


@pytest.fixture
def drawn() -> EmbeddingMap:
    embeddings = np.array([[1, 0, 0], [0.9, 0.3, 0], [0.8, 0.6, 0], [0, 0, 1]], float)
    return make_map(embeddings, np.array([[-1, 0], [0, 0.5], [0, 1], [1, -1]], float))


def test_neighbours_are_listed_by_kind_best_first(drawn):
    found = drawn.neighbours(drawn.embeddings[0], 5, besides=0)
    assert {kind: [near.position for near in nearest] for kind, nearest in found.items()} == {
        "text": [1],
        "audio": [2],
        "image": [3],
    }
    assert found["audio"][0].score == pytest.approx(0.8, abs=1e-6)
    assert found["text"][0].rank == 1


def test_equal_scores_are_ordered_by_row():
    drawn = make_map(np.ones((4, 3)), np.zeros((4, 2)), ("text",) * 4)
    assert [near.position for near in drawn.neighbours(drawn.embeddings[2], 4)["text"]] == [0, 1, 2, 3]


@pytest.mark.parametrize("top_k", [0, -1, 51, 1.5, "6", True, None])
def test_a_count_of_neighbours_out_of_range_is_refused(drawn, top_k):
    with pytest.raises(QueryError, match="1 to 50"):
        drawn.neighbours(drawn.embeddings[0], top_k)


def test_what_is_already_on_the_map_is_placed_near_itself():
    random = np.random.default_rng(3)
    centres = random.normal(size=(5, 16))
    embeddings = np.repeat(centres, 20, axis=0) + 0.05 * random.normal(size=(100, 16))
    positions = np.repeat(random.uniform(-1, 1, (5, 2)), 20, axis=0) + 0.01 * random.normal(size=(100, 2))
    drawn = make_map(embeddings, positions, ("text",) * 100)
    for row in range(0, 100, 7):
        assert np.linalg.norm(np.array(drawn.place(drawn.embeddings[row])) - positions[row]) < 0.06


def test_a_query_is_placed_inside_its_neighbours_and_nearest_to_the_first(drawn):
    x, y = drawn.place(np.array([0.99, 0.1, 0], np.float32))
    assert -1 <= x < 0 and 0 <= y < 0.5


def test_a_query_that_equals_several_points_is_placed_in_their_middle():
    drawn = make_map(np.ones((4, 3)), np.array([[-1, 0], [1, 0], [0, -1], [0, 1]]), ("text",) * 4)
    assert drawn.place(drawn.embeddings[0]) == pytest.approx((0, 0), abs=1e-6)


def test_a_map_of_one_point_places_everything_there():
    drawn = make_map(np.ones((1, 3)), np.array([[0.25, 0.5]]), ("text",))
    assert drawn.place(np.array([0, 1, 0], np.float32)) == pytest.approx((0.25, 0.5))


def test_class_profiles_say_what_is_near_and_not_where_it_is_drawn():
    """The last coordinate is a profile; it alone tells the two points apart, and the third has none."""
    embeddings = np.array([[0.6, 0, 0.8], [0.6, 0, -0.8], [0, 1, 0]])
    drawn = make_map(embeddings, np.array([[-1, 0], [1, 0], [0, 1]], float), ("text", "audio", "image"))
    drawn = dataclasses.replace(drawn, inputs=dataclasses.replace(drawn.inputs, width=2))
    query = np.array([0.6, 0, 0.8], np.float32)
    assert drawn.place(query)[0] == pytest.approx(0, abs=1e-6)
    assert drawn.neighbours(query, 1)["audio"][0].score == pytest.approx(-0.28, abs=1e-6)
    np.testing.assert_allclose(drawn.inputs.without_profiles(drawn.embeddings), [[1, 0], [1, 0], [0, 1]], atol=1e-6)


def test_a_rank_counts_the_better_ones_of_the_same_kind_only():
    embeddings = np.array([[1, 0], [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], float)
    drawn = make_map(embeddings, np.zeros((4, 2)), ("text", "audio", "audio", "image"))
    ranked = drawn.judged_against(np.array([1, 0], np.float32), [2, 3, 1])
    assert [(near.position, near.rank) for near in ranked] == [(2, 2), (3, 1), (1, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "other"},
        {"centred": False},
        {"files": {"clip 2": "00"}},
        {"points": (MapPoint("text", "x", "en", None, "s", "c"),)},
    ],
)
def test_another_input_gives_another_key(drawn, change):
    assert drawn.inputs.key == dataclasses.replace(drawn.inputs).key
    assert dataclasses.replace(drawn.inputs, **change).key != drawn.inputs.key
