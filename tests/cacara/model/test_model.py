from __future__ import annotations

import numpy as np
import pytest
import torch

from cacara import devices
from cacara.errors import AudioError, DeviceError, LanguageError, QueryError
from cacara.model.parts.centring import LanguageCentring


def unit(embeddings: np.ndarray) -> bool:
    return embeddings.dtype == np.float32 and np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_texts_and_sounds_share_a_space_of_unit_vectors(tiny_model, noise):
    texts = tiny_model.encode_text(["dog", "cat"], "en")
    sounds = tiny_model.encode_audio([noise, noise[:9000], noise[:3000]])
    assert texts.shape == (2, 32) and sounds.shape == (3, 32)
    assert unit(texts) and unit(sounds)


def test_nothing_in_gives_nothing_of_the_right_width(tiny_model):
    assert tiny_model.encode_text([]).shape == (0, 32)
    assert tiny_model.encode_audio([]).shape == (0, 32)


def test_a_clip_embeds_the_same_alone_in_a_batch_and_twice(tiny_model, noise):
    clips = [noise, noise[:20_000] * 0.3, np.roll(noise, 700)[:12_345], noise[:200]]
    batch = tiny_model.encode_audio(clips)
    alone = np.concatenate([tiny_model.encode_audio([clip]) for clip in clips])
    assert (batch * alone).sum(1).min() >= 0.9999
    assert np.array_equal(batch, tiny_model.encode_audio(clips))


def test_loudness_does_not_matter(tiny_model, noise):
    quiet, loud = tiny_model.encode_audio([noise * 0.01, noise])
    assert quiet @ loud >= 0.9999


def test_a_text_embeds_the_same_alone_in_a_batch_and_twice(tiny_model):
    texts = ["dog", "a bird a bell a cat rain", "katze", "unknown words here"]
    batch = tiny_model.encode_text(texts, "en")
    alone = np.concatenate([tiny_model.encode_text([text], "en") for text in texts])
    assert (batch * alone).sum(1).min() >= 0.9999
    assert np.array_equal(batch, tiny_model.encode_text(texts, "en"))


def test_centring_uses_the_language_its_base_or_the_mean_of_all(tiny_model):
    german, austrian, unknown, raw = (
        tiny_model.encode_text(["hund"], "de")[0],
        tiny_model.encode_text(["hund"], "de-AT")[0],
        tiny_model.encode_text(["hund"], "xh")[0],
        tiny_model.encode_text(["hund"], "de", centre=False)[0],
    )
    assert np.array_equal(german, austrian)
    assert not np.allclose(german, unknown) and not np.allclose(german, raw)


@pytest.mark.parametrize("typed", ["CAT", "Cat", "\u200bcat\u200d", "c\u00adat", "cat\ufe0f"])
def test_a_word_is_one_text_however_it_is_typed(tiny_model, typed):
    assert np.array_equal(tiny_model.encode_text([typed], "en"), tiny_model.encode_text(["cat"], "en"))
    assert tiny_model.detect(typed) == tiny_model.detect("cat")


def test_centring_takes_away_a_shift_that_a_language_shares():
    torch.manual_seed(0)
    texts = torch.nn.functional.normalize(torch.randn(50, 16), dim=-1)
    shift = torch.randn(16)
    centring = LanguageCentring(["aa"], 16)
    centring.means[0] = shift
    moved = centring(texts + shift, ["aa"] * 50)
    assert torch.allclose(moved, texts, atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "languages", "message"),
    [(["dog", " "], "en", "text 1 of 2 is blank"), (["dog"], ["en", "de"], "2 languages for 1 texts")],
)
def test_unfit_texts_are_told(tiny_model, texts, languages, message):
    with pytest.raises(QueryError, match=message):
        tiny_model.encode_text(texts, languages)


def test_a_string_instead_of_a_list_is_told(tiny_model):
    with pytest.raises(QueryError, match="a list of texts"):
        tiny_model.encode_text("dog")


def test_a_wrong_language_is_told(tiny_model):
    with pytest.raises(LanguageError):
        tiny_model.encode_text(["dog"], "no language at all")


@pytest.mark.parametrize("waveform", [np.zeros(0, np.float32), np.zeros((2, 8), np.float32), np.full(99, np.nan)])
def test_unfit_waveforms_are_told(tiny_model, waveform):
    with pytest.raises(AudioError):
        tiny_model.encode_audio([waveform])


def test_variants_share_towers_and_differ_in_their_branches(tiny_model, noise):
    both = tiny_model.encode_audio([noise])[0]
    untrained, projection = (tiny_model.variant(name).encode_audio([noise])[0] for name in ("untrained", "projection"))
    halves = 0.5 * untrained + 0.5 * projection
    assert np.allclose(both, halves / np.linalg.norm(halves), atol=1e-5)
    assert tiny_model.variant("untrained").text is tiny_model.text
    with pytest.raises(QueryError, match="unknown variant"):
        tiny_model.variant("best")


def test_reduced_precision_stays_close(tiny_model, noise):
    exact = tiny_model.encode_audio([noise])[0]
    tiny_model.precision = "bfloat16"
    try:
        assert tiny_model.encode_audio([noise])[0] @ exact > 0.99
    finally:
        tiny_model.precision = "float32"


def test_devices_that_are_not_here_are_told():
    assert devices.resolve("cpu") == torch.device("cpu")
    assert devices.resolve("auto").type in devices.DEVICES
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        devices.resolve("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="not available"):
            devices.resolve("cuda")
    with pytest.raises(DeviceError, match="unknown precision"):
        devices.precision("int3", torch.device("cpu"))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_sound_has_one_pass_for_its_embedding_and_its_classes(tiny_model, noise, monkeypatch, pooling):
    monkeypatch.setattr(tiny_model.audio, "patch_pooling", pooling)
    embedding, classes = tiny_model.encode_sound(noise)
    assert np.array_equal(embedding, tiny_model.encode_audio([noise])[0])
    with torch.inference_mode():
        _, logits = tiny_model.audio.network(tiny_model.audio.patches(noise))
    np.testing.assert_allclose(classes, logits.sigmoid().mean(0), atol=1e-6)  # the mean, however patches are pooled
