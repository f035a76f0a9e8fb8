"""Measuring pictures: four directions, three variants, on a tiny model and hand-made benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.benchmark.outcome import NO_LANGUAGE
from cacara.benchmark.report.tables import to_markdown
from cacara.benchmark.retrieval import IMAGE_DIRECTIONS, Mode, between, measure_pictures, to_report
from cacara.benchmark.systems import SharedTowers, sights_of
from cacara.errors import QueryError
from cacara.galleries.manifest import Clip

CONCEPTS = ("dog", "cat", "bell")


def clip(name, concept, kind="effect"):
    return Clip(name, Path(name), "0" * 64, {"en": (f"A {concept}.",)}, concept, "tuxpaint", "GPL-2", kind)


@pytest.fixture(scope="module")
def measured(seeing_model):
    random = np.random.default_rng(0)
    pictures = [clip(f"picture/{concept}{n}", concept, "image") for concept in CONCEPTS for n in range(2)]
    queries = [Query(concept, code, f"{concept} {code}") for concept in CONCEPTS for code in ("en", "de")]
    benchmark = Benchmark("images-test", "0" * 12, "dev", tuple(pictures), tuple(queries))
    sounds = Benchmark("sounds-test", "1" * 12, "dev", (clip("dog", "dog"), clip("rain", "rain")), ())
    pixels = [random.integers(0, 255, (20, 30, 3)).astype(np.uint8) for _ in pictures]
    waveforms = [random.normal(0, 0.1, 16_000).astype(np.float32) for _ in sounds.clips]
    return measure_pictures(seeing_model, benchmark, pixels, sounds, waveforms), benchmark


def test_the_models_own_pictures_come_first_in_all_four_directions(measured):
    first, *others = measured[0]
    assert (first.system, first.mode) == ("seeing", Mode(True, True))
    assert tuple(first.outcomes) == IMAGE_DIRECTIONS
    assert set(first.outcomes["text_to_image"]) == set(first.outcomes["image_to_text"]) == {"en", "de"}
    assert set(first.outcomes["audio_to_image"]) == {NO_LANGUAGE}
    assert {found.system for found in others} == {"seeing", "untrained", "projection"}


def test_a_sound_or_picture_whose_concept_has_no_counterpart_is_left_out_and_counted(measured):
    heard = measured[0][0].outcomes["audio_to_image"][NO_LANGUAGE]
    seen = measured[0][0].outcomes["image_to_audio"][NO_LANGUAGE]
    assert (heard.queries, heard.candidates, heard.left_out) == (("dog",), 6, 1)
    assert (seen.queries, seen.candidates, seen.left_out) == (("picture/dog0", "picture/dog1"), 2, 4)


def test_the_report_has_a_row_a_variant_and_reads_as_tables(measured):
    found, benchmark = measured
    report = to_report(found, benchmark)
    assert (report["model"], report["benchmark"]["name"], report["split"]) == ("seeing", "images-test", "dev")
    assert set(report["summary"]) == set(IMAGE_DIRECTIONS)
    assert report["summary"]["image_to_audio"]["without_language"]["recall_at_10"] == 100
    page = to_markdown(report)
    assert "## audio to image" in page
    assert page.count("| untrained | given | yes |") == 4


def test_ranks_are_those_of_the_scores():
    clips = [clip("dog", "dog"), clip("cat", "cat")]
    pictures = [clip("p/dog", "dog", "image"), clip("p/cat", "cat", "image"), clip("p/cat2", "cat", "image")]
    heard = np.eye(2, 3, dtype=np.float32)
    seen = np.array([[0.1, 0.9, 0], [0.2, 0.8, 0], [0.9, 0.1, 0]], np.float32)
    outcomes = between(clips, heard, pictures, seen)
    assert outcomes["audio_to_image"][NO_LANGUAGE].ranks.tolist() == [3, 2]
    assert outcomes["image_to_audio"][NO_LANGUAGE].ranks.tolist() == [2, 1, 2]
    assert between(clips[:1], heard[:1], pictures[1:], seen[1:]) == {}


def test_variants_share_the_tower_and_differ_in_the_heads_shares(seeing_model):
    pixels = [np.random.default_rng(1).integers(0, 255, (9, 9, 3)).astype(np.uint8) for _ in range(2)]
    found = {
        name: sight.encode_audio(pixels)
        for name, sight in sights_of(seeing_model, SharedTowers().seen(seeing_model, pixels)).items()
    }
    assert np.allclose(found["seeing"], seeing_model.encode_image(pixels), atol=1e-6)
    both = found["untrained"] + found["projection"]
    assert np.allclose(found["seeing"], both / np.linalg.norm(both, axis=1, keepdims=True), atol=1e-5)


def test_a_model_without_pictures_is_not_measured(tiny_model, seeing_model):
    with pytest.raises(QueryError, match="tiny knows no pictures"):
        SharedTowers().seen(tiny_model, [])
    with pytest.raises(ValueError, match="wanted one each"):
        measure_pictures(
            seeing_model,
            Benchmark("x", "", "dev", (clip("a", "a"),), ()),
            [],
            Benchmark("x", "", "dev", (), ()),
            [],
        )
