"""Construction of a benchmark of pictures from stamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cacara import sources
from cacara.benchmark.dataset import splits
from cacara.benchmark.dataset.benchmark_file import ImageRow
from training.data.benchmarks import images as builder
from training.data.benchmarks.images import concept_of, noun_of, shared_looks

SOUNDS = Path(__file__).parents[4] / "benchmarks" / "sounds-v1.jsonl"


@pytest.mark.parametrize(
    ("description", "noun"),
    [
        ("A dog.", "dog"),
        ("A pair of blue jeans with patches.", "jeans"),
        ("Some cherries.", "cherries"),
        ("A calculator.  6x7=42", "calculator"),
        ("Mercury—the planet closest to the Sun.", "mercury"),
        ("A peacock (a male peafowl).", "peacock"),
        ("The house of the hunter.", "house"),
        ("A “pattypan” squash.", "squash"),
        ("", None),
        ("!!!", None),
    ],
)
def test_a_description_gives_its_noun(description, noun):
    assert noun_of(description) == noun


def test_the_first_line_that_matches_decides_and_a_dash_leaves_out():
    chosen = [("toys/*", "-"), ("*/dog", "dog"), ("*", "thing")]
    assert concept_of("toys/dog", "A dog.", chosen) is None
    assert concept_of("animals/dog", "A hound.", chosen) == "dog"
    assert concept_of("animals/cat", "A cat.", chosen[:2]) == "cat"


def test_two_pictures_that_look_alike_may_not_stand_in_two_splits(tmp_path):
    random = np.random.default_rng(0)
    first = random.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    for name, pixels in (("a", first), ("b", first ^ 1), ("c", 255 - first)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    rows = [
        ImageRow(split, name, name, "tuxpaint", f"{name}.png", "", "", "")
        for name, split in (("a", "train"), ("b", "test"), ("c", "dev"))
    ]
    assert shared_looks(rows, tmp_path) == ["a (train) looks like b (test)"]


@pytest.mark.weights
def test_the_frozen_file_is_built_anew_to_the_same_bytes(tmp_path):
    builder.build(sources.fetch("tuxpaint"), tmp_path / "images.jsonl", SOUNDS)
    assert (tmp_path / "images.jsonl").read_bytes() == splits.PICTURES.read_bytes()
