from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara.benchmark.dataset.benchmark_file import file_hash
from cacara.encoders.audio import AudioTower
from cacara.encoders.yamnet import Yamnet, YamnetConfig
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from cacara.media import audio
from training.data import features
from training.data.features import ViewOptions
from training.run_folder import RunError

OPTIONS = ViewOptions(views=3, max_seconds=1.0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "training"


@pytest.fixture
def clips(tmp_path) -> list[Clip]:
    """Three sounds of 0.5, 1.5 and 2.5 s, the last in a file that ends within its header."""
    found = []
    for number, seconds in enumerate((0.5, 1.5, 2.5)):
        path = tmp_path / f"{number}.wav"
        samples = np.random.default_rng(number).normal(0, 0.1, int(seconds * audio.SAMPLE_RATE_HZ))
        audio.write_wav(path, samples.astype(np.float32))
        if number == 2:
            path.write_bytes(path.read_bytes()[:20])
        found.append(Clip(str(number), path, file_hash(path), {"en": ("noise",)}, "noise", "-", "-"))
    return found


def tower(seed: int = 0) -> AudioTower:
    torch.manual_seed(seed)
    return AudioTower(Yamnet(YamnetConfig(8, ((16, 2), (24, 2)), 7)), "mean").eval()


def test_every_clip_has_its_views_and_an_unreadable_one_none(clips):
    computed = features.compute(clips, tower(), OPTIONS)
    assert computed.features.shape == (2, 3, 24) and computed.features.dtype == np.float32
    assert computed.probabilities.shape == (2, 3, 7) and computed.probabilities.dtype == np.float32
    assert computed.kept == (0, 1)


def test_the_first_view_is_the_clip_as_it_is_up_to_the_longest_length(clips):
    computed = features.compute(clips, tower(), OPTIONS)
    waveform = audio.load(clips[1].path).waveform[: audio.SAMPLE_RATE_HZ]
    with torch.inference_mode():
        encoded, classes = tower()([waveform])
    np.testing.assert_allclose(computed.features[1, 0], encoded[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(computed.probabilities[1, 0], classes[0].numpy(), atol=1e-5)
    assert not np.allclose(computed.features[1, 1], computed.features[1, 0])
    assert not np.allclose(computed.features[1, 1], computed.features[1, 2])


def test_computed_twice_they_are_equal_to_the_bit(clips, cache):
    first = features.compute(clips, tower(), OPTIONS)
    for file in cache.iterdir():
        file.unlink()
    second = features.compute(clips, tower(), OPTIONS)
    assert np.array_equal(first.features, second.features)
    assert np.array_equal(first.probabilities, second.probabilities)


def test_cached_features_need_no_audio(clips):
    first = features.compute(clips, tower(), OPTIONS)
    for clip in clips:
        clip.path.unlink()
    second = features.compute(clips, tower(), OPTIONS)
    assert np.array_equal(first.features, second.features)
    assert first.kept == second.kept


def test_other_weights_options_or_clips_are_computed_anew(clips, cache):
    features.compute(clips, tower(), OPTIONS)
    features.compute(clips, tower(seed=1), OPTIONS)
    features.compute(clips, tower(), dataclasses.replace(OPTIONS, seed=1))
    features.compute(clips[:1], tower(), OPTIONS)
    assert len(list(cache.iterdir())) == 4


def test_when_nothing_can_be_read_the_run_ends(clips, cache):
    with pytest.raises(ManifestError, match="none of 1 training clips"):
        features.compute(clips[2:], tower(), OPTIONS)
    assert not cache.exists()


def test_a_silent_clip_or_background_stays_finite():
    rng = np.random.default_rng(0)
    silence, sound = np.zeros(8000, np.float32), rng.normal(0, 0.1, 3000).astype(np.float32)
    for waveform, other in ((silence, sound), (sound, silence)):
        assert np.isfinite(features.augment(waveform, [other], rng, OPTIONS)).all()


def test_a_view_is_no_longer_than_the_longest_length_at_the_slowest_speed():
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 100_000).astype(np.float32)
    lengths = [len(features.augment(sound, [sound], rng, OPTIONS)) for _ in range(20)]
    assert max(lengths) <= audio.SAMPLE_RATE_HZ / min(features.SPEEDS) + 1
    assert len(set(lengths)) > 1


@pytest.mark.parametrize("values", [{"views": 0}, {"max_seconds": 0.0}])
def test_options_out_of_range_are_refused(values):
    with pytest.raises(RunError, match="wanted more than 0"):
        ViewOptions(**values)
