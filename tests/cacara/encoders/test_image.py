"""The image tower: what it is shown, what it says, and its weights from the package."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cacara import sources
from cacara.encoders import image
from cacara.encoders.image import MARGIN, SIDE, fit
from cacara.errors import CheckpointError, ImageError, SourceError
from cacara.media import images
from cacara.sources import texts as source_texts
from cacara.sources.converters import efficientnet


def plain(height, width, colour=(10, 20, 200)):
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(("height", "width"), [(50, 100), (100, 50), (1, 300), (224, 224), (2000, 1000)])
def test_a_picture_is_shown_whole_in_the_middle_of_a_square(height, width):
    picture = plain(height, width)
    picture[0, :] = picture[-1, :] = picture[:, 0] = picture[:, -1] = 255
    square = fit(picture)
    assert (square.shape, square.dtype) == ((SIDE, SIDE, 3), np.uint8)
    edge = int(SIDE * MARGIN) - 1
    assert (square[:edge] == 255).all()
    assert (square[:, :edge] == 255).all()


def test_what_is_left_of_the_square_has_the_borders_colour():
    assert (fit(plain(10, 40)) == (10, 20, 200)).all()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_rgb_picture_is_refused(wrong):
    with pytest.raises(ImageError, match=r"wanted uint8 \[height, width, 3\]"):
        fit(wrong)


def test_the_tower_gives_features_and_probabilities_of_each_picture_alone(tiny_image_tower):
    pictures = [plain(30, 40), plain(50, 20, (200, 9, 9)), plain(10, 10)]
    with torch.inference_mode():
        features, probabilities = tiny_image_tower(pictures)
        alone, _ = tiny_image_tower(pictures[1:2])
        nothing = tiny_image_tower([])
    assert (features.shape, probabilities.shape) == ((3, 12), (3, 5))
    assert torch.allclose(probabilities.sum(1), torch.ones(3))
    assert torch.allclose(features[1], alone[0], atol=1e-6)
    assert [part.shape for part in nothing] == [(0, 12), (0, 5)]


def test_an_unknown_backbone_is_refused():
    with pytest.raises(CheckpointError, match="unknown image backbone 'clip'; wanted one of efficientnet-lite0"):
        image.load("clip")


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(SourceError, match="do not fit"):
        efficientnet.read(path, {"b": torch.zeros(4)})
    path.write_bytes(b"not weights")
    with pytest.raises(SourceError, match="cannot be read"):
        efficientnet.read(path, {})


def test_class_names_are_those_of_imagenet_in_its_order():
    names = efficientnet.class_names()
    assert len(names) == 1000
    assert names[281] == ("tabby, tabby cat", "a cat with a grey or tawny coat mottled with black")
    assert names[0][0] == "tench, Tinca tinca"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("stamp", "name"),
    [
        ("vehicles/emergency/firetruck.png", "fire engine"),
        ("household/vacuum_cleaner.svg", "vacuum"),
        ("animals/mammals/equines/zebra.png", "zebra"),
        ("food/fruit/banana.png", "banana"),
    ],
)
def test_the_real_weights_know_what_is_seen(stamp, name):
    root = source_texts.content_folder("tuxpaint", sources.fetch("tuxpaint"))
    with torch.inference_mode():
        _, probabilities = image.load("efficientnet-lite0")([images.load(root / stamp, images.GALLERY_LIMITS)])
    best = int(probabilities[0].argmax())
    assert name in efficientnet.class_names()[best][0]
