"""Fitting, storing and the command: the real layout process, on a tiny model's gallery."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from cacara.__main__ import main
from cacara.embedding_map import layout, points, store
from cacara.embedding_map.plane import MapInputs, MapPoint
from cacara.errors import LanguageError, QueryError
from cacara.galleries.gallery import load_folder
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import make_gallery


@pytest.fixture(scope="module")
def retriever(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield Retriever(tiny_model, load_folder(make_gallery(folder / "gallery")))


@pytest.fixture(scope="module")
def made(retriever):
    return store.make(retriever, points.choose(retriever, ["en", "de"]))


def inputs_of(count: int) -> MapInputs:
    things = tuple(MapPoint("text", f"text {row}", "en", None, "folder", "clip") for row in range(count))
    return MapInputs("tiny", "f", ("en",), True, things, {})


def test_all_texts_of_the_chosen_languages_and_all_sounds_are_on_the_map(retriever):
    inputs = points.choose(retriever, ["de", "en"])
    assert [(point.kind, point.language) for point in inputs.points] == [
        *[("text", "de")] * 2,
        *[("text", "en")] * 4,
        *[("audio", None)] * 4,
    ]
    assert inputs.points[0].clip_id in {"cat.wav", "dog.wav"}
    assert inputs.languages == ("de", "en")


def test_the_order_in_which_languages_are_chosen_does_not_matter(retriever):
    first = points.choose(retriever, ["de", "en", "de"]).key
    assert first == points.choose(retriever, ["en", "de"]).key
    assert first != points.choose(retriever, ["en"]).key
    assert first != points.choose(retriever, ["en", "de"], centred=False).key


def test_the_default_takes_those_of_the_usual_languages_that_have_texts(retriever):
    assert points.choose(retriever).languages == ("ar", "de", "en")


def test_a_language_without_texts_or_no_language_at_all_is_refused(retriever):
    with pytest.raises(QueryError, match="no texts in sw"):
        points.choose(retriever, ["sw", "en"])
    with pytest.raises(LanguageError):
        points.choose(retriever, ["no language"])


def test_a_map_that_would_be_too_large_is_refused_with_both_numbers(retriever, monkeypatch):
    monkeypatch.setattr(points, "MAX_POINTS", 5)
    with pytest.raises(QueryError, match="8 points; wanted at most 5"):
        points.choose(retriever, ["en"])


def test_a_small_map_lies_along_its_main_directions_and_fills_its_square(made):
    assert made.method == "pca"
    assert made.positions.shape == (10, 2)
    assert np.abs(made.positions).max() == pytest.approx(1.0)
    assert made.measures["languages"][0]["texts"] == 2


def test_raw_texts_lie_elsewhere_than_centred_ones(retriever, made):
    raw = points.embed(retriever, points.choose(retriever, ["en", "de"], centred=False))
    assert not np.allclose(raw[:6], made.embeddings[:6], atol=1e-3)
    assert np.allclose(raw[6:], made.embeddings[6:])


def test_a_stored_map_is_read_and_not_made_again(retriever, made, monkeypatch):
    monkeypatch.setattr(points, "embed", lambda *_: pytest.fail("embedded again"))
    monkeypatch.setattr(store, "embed", lambda *_: pytest.fail("embedded again"))
    again = store.make(retriever, points.choose(retriever, ["en", "de"]))
    assert np.array_equal(again.positions, made.positions)
    assert again.measures == made.measures


def test_a_damaged_map_counts_as_none(retriever, caplog):
    inputs = points.choose(retriever, ["de"])
    store.make(retriever, inputs)
    path = store.path_of(inputs)
    path.write_bytes(path.read_bytes()[:200])
    assert store.read(inputs) is None
    assert "unreadable" in caplog.text


def test_only_the_newest_maps_are_kept(retriever, monkeypatch, made):
    monkeypatch.setattr(store, "MAPS_KEPT", 1)
    store.write(made)
    other = points.choose(retriever, ["ar"])
    store.make(retriever, other)
    assert store.read(other) is not None
    assert len(list(store.path_of(other).parent.glob("*.npz"))) == 1


def test_a_map_that_is_stopped_is_not_stored(retriever):
    inputs = points.choose(retriever, ["ar", "en"])
    with pytest.raises(points.MapStopped):
        store.make(retriever, inputs, stopped=lambda: True)
    assert store.read(inputs) is None


def test_stopping_ends_the_layout_process_at_once():
    stop = threading.Event()
    stages = []

    def report(progress):
        stages.append(progress.stage)
        if progress.stage == "load UMAP":
            stop.set()

    embeddings = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    with pytest.raises(points.MapStopped):
        layout.lay_out(inputs_of(200), embeddings, report, stop.is_set)
    assert "load UMAP" in stages and "measure" not in stages


def test_the_command_fits_stores_and_writes_the_map(retriever, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("cacara.search.setup.prepare", lambda *_: retriever)
    output = tmp_path / "map.json"
    assert main(["map", "--languages", "en, de", "--texts", "centred", "--output", str(output)]) == 0
    assert "6 texts in 2 languages, 4 sounds" in capsys.readouterr().out
    content = json.loads(output.read_text(encoding="utf-8"))
    assert len(content["centred"]["points"]) == 10
    assert store.read(points.choose(retriever, ["en", "de"])) is not None
    assert main(["map", "--languages", " , "]) == 1
    assert "wanted codes" in capsys.readouterr().err


@pytest.mark.weights
def test_umap_gives_the_same_map_twice_and_keeps_clusters_together():
    """Takes half a minute, most of it compiling; the real layout twice."""
    random = np.random.default_rng(4)
    centres = random.normal(size=(6, 24))
    embeddings = (np.repeat(centres, 25, axis=0) + 0.2 * random.normal(size=(150, 24))).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    fractions = []
    first = layout.lay_out(inputs_of(150), embeddings, lambda progress: fractions.append(progress.fraction))
    second = layout.lay_out(inputs_of(150), embeddings)
    assert first.method == "umap"
    assert np.array_equal(first.positions, second.positions)
    assert first.measures["trustworthiness"] > 0.9
    assert any(fraction and 0 < fraction <= 1 for fraction in fractions)
    groups = first.positions.reshape(6, 25, 2)
    spread = np.linalg.norm(groups - groups.mean(axis=1, keepdims=True), axis=2).mean()
    between = np.linalg.norm(groups.mean(axis=1)[:, None] - groups.mean(axis=1)[None], axis=2)
    assert spread < 0.3 * between[np.triu_indices(6, 1)].min()


def test_kinds_that_lie_apart_are_drawn_around_one_centre_and_keep_their_own_order():
    rng = np.random.default_rng(0)
    things = rng.normal(size=(20, 12)).astype(np.float32)
    apart = np.concatenate([things + 4, things - 4]).astype(np.float32)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    kinds = ["text"] * 20 + ["audio"] * 20
    before, after = apart, layout.together(apart, kinds)
    assert ((before @ before.T)[20:, :20] < 0).all()
    assert ((after @ after.T)[20:, :20].argmax(axis=1) == np.arange(20)).mean() > 0.9, "each sound lies by its own text"
    assert np.allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    alone = layout.together(apart[:1], ["text"])
    assert np.array_equal(alone, apart[:1])
