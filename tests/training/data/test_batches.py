from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara import sources
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from training.data.batches import CaptionedFeatures, refuse_measuring_only, require_english
from training.data.features import Features

EMBEDDINGS = {text: np.full(4, number, np.float32) for number, text in enumerate(("bark", "a dog", "rain", "wind"))}
DOG = Clip("dog", Path("-"), "0" * 64, {"en": ("bark", "a dog")}, "dog", "-", "-")
HOUND = dataclasses.replace(DOG, clip_id="hound", captions={"en": ("a dog",)})
RAIN = dataclasses.replace(DOG, clip_id="rain", captions={"en": ("rain",)}, concept=None)
WIND = dataclasses.replace(DOG, clip_id="wind", captions={"en": ("wind",)}, concept="wind")


def captioned(clips=(DOG, HOUND, RAIN, WIND), kept=(0, 1, 2, 3)) -> CaptionedFeatures:
    """Every view's features are ten times the clip's row plus the view's number."""
    rows = np.arange(len(kept), dtype=np.float32)[:, None, None]
    views = rows * 10 + np.arange(3, dtype=np.float32)[None, :, None] + np.zeros((1, 1, 5), np.float32)
    return CaptionedFeatures(clips, Features(views, views[..., :2], kept), EMBEDDINGS)


@pytest.mark.parametrize(
    "captions",
    [{"de": ("ein Hund",)}, {"en": ("a dog",), "de": ("ein Hund",)}, {"en-GB": ("a dog",)}, {}, {"en": ()}],
)
def test_a_clip_without_english_captions_alone_is_refused_by_name(captions):
    planted = dataclasses.replace(DOG, clip_id="planted", captions=captions)
    with pytest.raises(ManifestError, match="1 clips.*first planted"):
        require_english([DOG, planted])
    with pytest.raises(ManifestError, match="planted"):
        captioned(clips=(DOG, planted), kept=(0,))  # though its sound could not be read


def test_english_clips_pass():
    require_english([DOG, RAIN])


@pytest.mark.parametrize("name", ["1-11687-A-47.opus", "5-9032-A-0.wav"])
def test_clips_of_esc50_are_refused_wherever_they_lie(name, tmp_path):
    planted = dataclasses.replace(DOG, clip_id="planted", path=tmp_path / name)
    with pytest.raises(ManifestError, match="1 clips are of ESC-50, first planted"):
        captioned(clips=(DOG, planted), kept=(0,))


def test_clips_in_the_folder_of_the_source_esc50_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path))
    source = sources.source("esc50")
    folder = tmp_path / "sources" / f"esc50-{source.version}-{source.sha256[:8]}"
    with pytest.raises(ManifestError, match="ESC-50"):
        refuse_measuring_only([dataclasses.replace(DOG, path=folder / "renamed.wav")])
    refuse_measuring_only([dataclasses.replace(DOG, path=tmp_path / "1-dog.wav")])


def test_a_batch_holds_a_row_a_clip_in_the_order_asked_for():
    batch = captioned().batch([3, 0, 2], step=0, seed=0)
    assert {name: tuple(value.shape) for name, value in batch.items()} == {
        "features": (3, 5),
        "probabilities": (3, 2),
        "texts": (3, 4),
        "labels": (3,),
    }
    assert (batch["features"][:, 0] // 10).tolist() == [3, 0, 2]
    assert torch.equal(batch["features"][:, :2], batch["probabilities"])  # of the same view
    assert batch["texts"][[0, 2], 0].tolist() == [3, 2]


def test_clips_of_one_concept_are_each_others_positives_and_one_without_stands_for_itself():
    labels = captioned().batch([0, 1, 2, 3], 0, 0)["labels"].tolist()
    assert labels[0] == labels[1]
    assert len(set(labels)) == 3


def test_a_batch_depends_on_step_and_seed_alone():
    first, second = captioned(), captioned()
    first.batch([0], 5, 0)
    for step in range(5):
        batches = first.batch([0, 1, 2, 3], step, 7), second.batch([0, 1, 2, 3], step, 7)
        assert all(torch.equal(batches[0][name], batches[1][name]) for name in batches[0])


def test_views_and_phrasings_are_all_drawn_in_time():
    data = captioned()
    batches = [data.batch([0], step, 0) for step in range(60)]
    assert {float(batch["features"][0, 0]) for batch in batches} == {0.0, 1.0, 2.0}
    assert {float(batch["texts"][0, 0]) for batch in batches} == {0.0, 1.0}


def test_clips_that_could_not_be_read_have_no_row():
    data = captioned(kept=(1, 3))
    assert len(data) == 2
    batch = data.batch([0, 1], 0, 0)
    assert batch["texts"][:, 0].tolist() == [1, 3]


def test_probabilities_are_those_of_the_clips_as_they_are():
    assert captioned().probabilities[:, 0].tolist() == [0, 10, 20, 30]
