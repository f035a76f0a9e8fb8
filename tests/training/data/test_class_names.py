from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cacara.encoders.class_names import CLASS_NAMES
from cacara.model.parts.centring import LanguageCentring
from training.data.class_names import class_embeddings, class_weights, phrasings


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("Speech", ["speech"]),
        ("Chicken, rooster", ["chicken", "rooster"]),
        ("Fart", ["fart"]),
        ("Whoosh, swoosh, swish", ["whoosh", "swoosh", "swish"]),
        ("Train wheels squealing (rails)", ["train wheels squealing", "rails"]),
        ("Hum (a, b), drone", ["hum", "drone", "a", "b"]),
        ("Bird vocalization, bird call, bird song,", ["bird vocalization", "bird call", "bird song"]),
    ],
)
def test_a_class_is_called_by_each_of_its_names_bare_and_as_a_sound(name, names):
    assert phrasings(name) == names + [f"the sound of {name}" for name in names]


def test_a_class_embedding_is_the_mean_of_its_phrasings(tiny_model):
    embedded = class_embeddings(["Dog, cat", "Rain"], tiny_model.text, None)
    assert embedded.shape == (2, 32) and embedded.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    mean = tiny_model.encode_text(phrasings("Dog, cat"), "en", centre=False).mean(0)
    np.testing.assert_allclose(embedded[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_class_embeddings_are_centred_as_english(tiny_model):
    centring = LanguageCentring(["de", "en"], 32)
    centring.means[1] = 0.1
    plain = class_embeddings(["Dog", "Rain"], tiny_model.text, LanguageCentring(["en"], 32))
    np.testing.assert_allclose(plain, class_embeddings(["Dog", "Rain"], tiny_model.text, None), atol=1e-6)
    assert not np.allclose(class_embeddings(["Dog", "Rain"], tiny_model.text, centring), plain, atol=1e-3)
    centring.means[1], centring.means[0] = 0.0, 0.1
    np.testing.assert_allclose(class_embeddings(["Dog", "Rain"], tiny_model.text, centring), plain, atol=1e-6)


PROBABILITIES = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(0, 1, width=32)
)


@settings(deadline=None)
@given(PROBABILITIES, st.floats(0, 1))
def test_weights_are_in_0_to_1_and_the_rarest_class_has_1(probabilities, damping):
    weights = class_weights(probabilities, damping)
    assert weights.shape == probabilities.shape[1:] and weights.dtype == np.float32
    assert weights.min() > 0 and weights.max() == 1
    assert weights[probabilities.mean(0).argmin()] == 1


@settings(deadline=None)
@given(PROBABILITIES)
def test_damping_goes_from_equal_weights_to_the_inverse(probabilities):
    assert np.array_equal(class_weights(probabilities, 0.0), np.ones(probabilities.shape[1], np.float32))
    prior = probabilities.mean(0) + 1e-3
    np.testing.assert_allclose(class_weights(probabilities, 1.0), prior.min() / prior, rtol=1e-4)


def test_the_more_probable_a_class_is_everywhere_the_less_it_weighs():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.1]], np.float32)
    weak, strong = class_weights(probabilities, 0.3), class_weights(probabilities, 0.9)
    assert weak[0] < weak[1] < weak[2] == 1
    assert (strong[:2] < weak[:2]).all()


@pytest.mark.weights
def test_every_class_of_yamnet_has_a_name_to_be_called_by():
    from cacara.encoders import audio

    names = CLASS_NAMES["yamnet"]()
    assert len(names) == audio.load("yamnet", "mean").classes
    assert all(phrasings(name) for name in names)
    assert set(CLASS_NAMES) == set(audio.BACKBONES)
