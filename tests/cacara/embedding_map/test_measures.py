"""A map's figures: against obvious values and against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from cacara.embedding_map import measures
from cacara.embedding_map.plane import MapPoint


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def texts(languages: list[str], concepts: list[str | None]) -> list[MapPoint]:
    return [
        MapPoint("text", f"{language} {concept}", language, concept, "folder", f"{concept}")
        for language, concept in zip(languages, concepts, strict=True)
    ]


@pytest.mark.parametrize("rows_at_once", [7, 512])
def test_trustworthiness_is_that_of_scikit_learn(monkeypatch, rows_at_once):
    from sklearn.manifold import trustworthiness

    monkeypatch.setattr(measures, "_ROWS_AT_ONCE", rows_at_once)
    random = np.random.default_rng(1)
    embeddings = unit(random.normal(size=(90, 12)))
    positions = (embeddings[:, :2] + 0.1 * random.normal(size=(90, 2))).astype(np.float32)
    expected = trustworthiness(embeddings, positions, n_neighbors=10, metric="cosine")
    assert measures.trustworthiness(embeddings, positions, 10) == pytest.approx(expected, abs=1e-6)
    assert 0.4 < expected < 0.95


@pytest.mark.parametrize("rows_at_once", [3, 512])
def test_nearest_is_what_sorting_everything_gives(monkeypatch, rows_at_once):
    monkeypatch.setattr(measures, "_ROWS_AT_ONCE", rows_at_once)
    embeddings = unit(np.random.default_rng(2).normal(size=(40, 6)).round(1))
    embeddings[10:14] = embeddings[3]  # ties
    scores = embeddings @ embeddings.T
    np.fill_diagonal(scores, -np.inf)
    slow = np.array([sorted(range(40), key=lambda other: (-scores[row, other], other))[:8] for row in range(40)])
    assert (measures.nearest(embeddings, 8) == slow).mean() > 0.98  # products of other shapes differ in the last bit
    assert all(row not in near for row, near in enumerate(measures.nearest(embeddings, 8)))


def test_languages_apart_are_unmixed_and_their_translations_are_found_by_direction():
    # Each language in a corner of its own; within it a concept has the same direction as in the other.
    concepts = np.eye(6)[:, :6]
    german, english = np.zeros((6, 2)) + [9, 0], np.zeros((6, 2)) + [0, 9]
    embeddings = unit(np.vstack([np.hstack([concepts, german]), np.hstack([concepts, english])]))
    names = [f"thing {number}" for number in range(6)]
    measured = measures.measure(texts(["de"] * 6 + ["en"] * 6, names * 2), embeddings, embeddings[:, :2])
    assert measured["translations"] == 1.0
    by_language = {row["language"]: row for row in measured["languages"]}
    assert by_language["de"]["mixing"] == pytest.approx(by_language["en"]["mixing"])
    assert by_language["de"]["texts"] == 6


def test_two_languages_far_apart_have_no_mixing_and_two_that_lie_alike_are_fully_mixed():
    random = np.random.default_rng(5)
    names = [f"thing {number}" for number in range(60)]
    points = texts(["de"] * 60 + ["en"] * 60, names * 2)
    things = random.normal(size=(60, 8))
    apart = unit(np.vstack([np.hstack([things, np.full((60, 1), 40.0)]), np.hstack([things, np.full((60, 1), -40.0)])]))
    assert measures.measure(points, apart, apart[:, :2])["mixing"] == 0.0
    alike = unit(random.normal(size=(120, 8)))
    assert measures.measure(points, alike, alike[:, :2])["mixing"] == pytest.approx(1.0, abs=0.1)


def test_a_text_without_a_translation_is_not_asked_for_one():
    embeddings = unit(np.array([[1, 0, 0.1], [1, 0.1, 0], [0, 1, 0], [0.2, 1, 0]]))
    points = texts(["de", "en", "de", "en"], ["dog", "dog", None, "owl"])
    assert measures.measure(points, embeddings, embeddings[:, :2])["translations"] == 1.0


def test_one_language_has_no_mixing():
    embeddings = unit(np.random.default_rng(0).normal(size=(8, 4)))
    measured = measures.measure(texts(["de"] * 8, ["dog"] * 8), embeddings, embeddings[:, :2])
    assert (measured["mixing"], measured["translations"], measured["languages"]) == (None, None, [])


def test_kinds_in_opposite_corners_are_two_apart():
    points = [MapPoint("text", "a", "en", "dog", "s", "a"), MapPoint("audio", "b", None, "dog", "s", "b")]
    embeddings = np.array([[1, 0], [-1, 0]], np.float32)
    (distance,) = measures.measure(points, embeddings, embeddings)["distances"]
    assert distance == {"first": "text", "second": "audio", "centres": 2.0, "same_concept": -1.0, "all_pairs": -1.0}


def test_a_map_that_is_its_own_plane_keeps_every_neighbourhood():
    angles = np.linspace(0, np.pi, 40) ** 1.1
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    measured = measures.measure(texts(["de"] * 40, ["x"] * 40), embeddings, embeddings)
    assert measured["trustworthiness"] == pytest.approx(1.0, abs=0.01)
    assert measured["kept"] == pytest.approx(1.0, abs=0.02)


def test_a_single_point_has_no_figures():
    measured = measures.measure(texts(["de"], ["dog"]), np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32))
    assert (measured["trustworthiness"], measured["kept"], measured["distances"]) == (None, None, [])
