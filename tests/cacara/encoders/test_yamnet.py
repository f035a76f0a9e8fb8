from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cacara.encoders import audio
from cacara.encoders.audio import AudioTower
from cacara.encoders.yamnet import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    PATCH_FRAMES,
    PATCH_SAMPLES,
    PEAK,
    LogMel,
    Yamnet,
    YamnetConfig,
    mel_matrix,
    normalise_peak,
    pad_same,
)
from cacara.errors import AudioError, CheckpointError, SourceError
from cacara.media import audio as audio_files
from cacara.sources.converters import yamnet as yamnet_weights

SMALL = YamnetConfig(8, ((16, 2), (24, 2)), 7)


@pytest.fixture
def yamnet() -> Yamnet:
    """A two-block network with weights from a seed."""
    torch.manual_seed(0)
    return Yamnet(SMALL).eval()


def to_mel(hertz: float) -> float:
    return 1127.0 * math.log(1 + hertz / 700.0)


def test_the_mel_filters_are_the_triangles_of_the_definition():
    expected = np.zeros((257, 64))
    step = (to_mel(7500) - to_mel(125)) / 65
    for band in range(64):
        left = to_mel(125) + band * step
        for bin_number in range(1, 257):
            distance = abs(to_mel(bin_number * 8000 / 256) - (left + step)) / step
            expected[bin_number, band] = max(0.0, 1 - distance)
    found = mel_matrix()
    assert found.dtype == torch.float32 and found.shape == (257, 64)
    assert np.allclose(found.numpy(), expected, atol=1e-6)
    assert (found[0] == 0).all() and (found.sum(0) > 0).all()


def test_the_spectrogram_is_the_log_of_magnitudes_of_25_ms_every_10_ms(noise):
    waveform = noise[:2000]
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * i / FRAME_SAMPLES) for i in range(FRAME_SAMPLES)]
    rows = []
    for start in range(0, len(waveform) - FRAME_SAMPLES + 1, HOP_SAMPLES):
        magnitudes = np.abs(np.fft.rfft(waveform[start : start + FRAME_SAMPLES] * hann, 512))
        rows.append(np.log(magnitudes @ mel_matrix().numpy() + 0.001))
    found = LogMel()(torch.from_numpy(waveform)[None])[0]
    assert found.shape == (11, 64)
    assert np.allclose(found.numpy(), np.stack(rows), atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", range(1, 12))
def test_padding_gives_the_sums_of_tensorflows_same(size, stride):
    row = torch.arange(1.0, size + 1)
    kernel = torch.tensor([1.0, 10.0, 100.0])
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + 3 - size, 0) // 2
    expected = [
        sum(kernel[k] * row[i] for k in range(3) if 0 <= (i := out * stride + k - before) < size)
        for out in range(outputs)
    ]
    padded = pad_same(row.expand(1, 1, size, size), 3, stride)
    along = torch.nn.functional.conv2d(padded, kernel.view(1, 1, 1, 3), stride=(1, stride))[0, 0]
    assert along[before].tolist() == pytest.approx([float(value) for value in expected])
    down = torch.nn.functional.conv2d(
        pad_same(row.expand(1, 1, size, size).mT, 3, stride), kernel.view(1, 1, 3, 1), stride=(stride, 1)
    )[0, 0]
    assert down[:, before].tolist() == pytest.approx([float(value) for value in expected])


@pytest.mark.parametrize(
    ("samples", "patches"),
    [
        (1, 1),
        (FRAME_SAMPLES, 1),
        (PATCH_SAMPLES - 1, 1),
        (PATCH_SAMPLES, 1),
        (PATCH_SAMPLES + 1, 2),
        (PATCH_SAMPLES + 7680, 2),
        (PATCH_SAMPLES + 7681, 3),
        (160_000, 1 + math.ceil((160_000 - PATCH_SAMPLES) / 7680)),
    ],
)
def test_a_clip_is_padded_to_whole_patches_half_overlapping(yamnet, samples, patches):
    assert PATCH_SAMPLES == 15_600
    assert yamnet.patches(torch.ones(samples)).shape == (patches, PATCH_FRAMES, 64)


def test_patches_are_the_spectrograms_frames_in_order(yamnet, noise):
    waveform = torch.from_numpy(noise[: PATCH_SAMPLES + 7680])
    frames = yamnet.front_end(waveform[None])[0]
    patches = yamnet.patches(waveform)
    assert len(frames) == PATCH_FRAMES + 48
    assert torch.equal(patches[0], frames[:96]) and torch.equal(patches[1], frames[48:])


def test_zeros_behind_a_short_clip_are_silence(yamnet, noise):
    short = torch.from_numpy(noise[:5000])
    padded = torch.cat([short, torch.zeros(PATCH_SAMPLES - 5000)])
    assert torch.equal(yamnet.patches(short), yamnet.patches(padded))


def test_batch_norms_stay_in_evaluation_whatever_trains(yamnet):
    tower = AudioTower(yamnet, "mean")
    tower.train()
    norms = [module for module in tower.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 5 and not any(module.training for module in norms)
    assert tower.training and yamnet.training and yamnet.classifier.training
    before = {name: value.clone() for name, value in yamnet.state_dict().items()}
    yamnet(torch.randn(4, 96, 64))
    assert all(torch.equal(value, before[name]) for name, value in yamnet.state_dict().items())
    tower.eval()
    assert not any(module.training for module in tower.modules())


def test_the_network_halves_time_and_bands_as_its_strides_say(yamnet):
    features, logits = yamnet(torch.zeros(3, 96, 64))
    assert features.shape == (3, 24) and logits.shape == (3, 7)
    hidden = torch.relu(yamnet.stem_norm(yamnet.stem(pad_same(torch.zeros(1, 1, 96, 64), 3, 2))))
    assert hidden.shape == (1, 8, 48, 32)
    assert yamnet.blocks[1](yamnet.blocks[0](hidden)).shape == (1, 24, 12, 8)


def test_the_published_network_has_the_published_size():
    whole = Yamnet()
    trained = sum(value.numel() for name, value in whole.named_parameters() if not name.endswith("norm.weight"))
    running = sum(value.numel() for name, value in whole.named_buffers() if "running" in name)
    assert (trained, trained + running) == (3_729_481, 3_751_369)  # norms without gamma
    assert (whole.config.features, whole.config.classes) == (1024, 521)


def test_loudness_is_taken_away_and_silence_stays_silence():
    quiet = np.array([0.0, 1e-6, -4e-6], np.float32)
    assert np.abs(normalise_peak(quiet)).max() == pytest.approx(PEAK)
    assert np.allclose(normalise_peak(quiet * 1000), normalise_peak(quiet))
    for faint in (0.0, 1e-45, 1e-40, 1.2e-38, 3e38):
        found = normalise_peak(np.full(4, faint, np.float32))
        assert np.isfinite(found).all() and np.abs(found).max() <= 0.51
    assert normalise_peak(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_clips_patches_are_pooled(yamnet, noise, pooling):
    tower = AudioTower(yamnet, pooling).eval()
    with torch.inference_mode():
        features, probabilities = tower([noise, noise[:999]])
        by_patch = yamnet(yamnet.patches(torch.from_numpy(normalise_peak(noise))))
    assert torch.allclose(features[0], by_patch[0].mean(0), atol=1e-5)
    pooled = by_patch[1].sigmoid().mean(0) if pooling == "mean" else by_patch[1].sigmoid().amax(0)
    assert torch.allclose(probabilities[0], pooled, atol=1e-5)
    assert features.shape == (2, 24) and probabilities.shape == (2, 7)


def test_patches_go_through_in_chunks_with_the_same_result(yamnet, noise, monkeypatch):
    tower = AudioTower(yamnet, "mean").eval()
    clips = [noise, noise[:5000], np.tile(noise, 3)]
    with torch.inference_mode():
        whole = tower(clips)
        monkeypatch.setattr(yamnet, "patches_at_once", 2)
        chunked = tower(clips)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, chunked, strict=True))


def test_no_clips_give_nothing_and_unfit_ones_are_told(yamnet):
    tower = AudioTower(yamnet, "mean")
    assert [part.shape for part in tower([])] == [(0, 24), (0, 7)]
    for waveform, message in (
        (np.zeros(0, np.float32), "wanted .samples. with at least one"),
        (np.zeros((2, 9), np.float32), r"shape \(2, 9\)"),
        (np.array([0, np.inf], np.float32), "NaN or infinity"),
    ):
        with pytest.raises(AudioError, match=message):
            tower([np.ones(500, np.float32), waveform])


def test_an_unknown_backbone_is_told():
    with pytest.raises(CheckpointError, match="unknown audio backbone 'vggish'; wanted one of yamnet"):
        audio.load("vggish", "mean")


def test_weights_that_are_no_checkpoint_are_told(tmp_path):
    with pytest.raises(SourceError, match="YAMNet's weights in .* cannot be read"):
        yamnet_weights.read(tmp_path)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    for content in (b"", b"x" * 10, bytes(48), b"\xff" * 200, bytes(1000)):
        (tmp_path / "variables" / "variables.index").write_bytes(content)
        with pytest.raises(SourceError, match="cannot be read"):
            yamnet_weights.read(tmp_path)
    with pytest.raises(SourceError, match="cannot read YAMNet's class names"):
        yamnet_weights.class_names(tmp_path)


@pytest.fixture(scope="module")
def real():
    """The published network with its class names."""
    return audio.load("yamnet", "mean"), yamnet_weights.class_names(yamnet_weights.prepare())


def top(real, waveform: np.ndarray, count: int = 5) -> list[str]:
    tower, names = real
    with torch.inference_mode():
        probabilities = tower([waveform.astype(np.float32)])[1][0]
    return [names[position] for position in probabilities.topk(count).indices]


@pytest.mark.weights
def test_generated_sounds_are_recognised(real):
    generator = np.random.default_rng(0)
    seconds = np.arange(48_000) / 16_000
    assert {"Sine wave", "Beep, bleep", "Tuning fork", "Dial tone"} & set(top(real, np.sin(2 * np.pi * 440 * seconds)))
    assert {"White noise", "Static", "Noise", "Pink noise"} & set(top(real, generator.normal(0, 0.2, 48_000)))
    assert top(real, np.zeros(48_000), 1) == ["Silence"]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("animal", "wanted"),
    [("dog", {"Dog", "Bark"}), ("cow", {"Moo"}), ("duck", {"Duck", "Quack"}), ("rooster", {"Chicken, rooster"})],
)
def test_recorded_animals_are_recognised(real, animal, wanted):
    from cacara import sources

    (path,) = sources.fetch("ovos").rglob(f"{animal}.mp3")
    found = top(real, audio_files.load(path, audio_files.GALLERY_LIMITS).waveform)
    assert wanted & set(found), found


@pytest.mark.weights
def test_class_names_stand_in_the_order_of_the_outputs(real):
    tower, names = real
    assert len(names) == tower.classes == len(set(names)) == 521
    assert (names[0], names[69], names[494]) == ("Speech", "Dog", "Silence")


@pytest.mark.weights
def test_a_damaged_index_of_weights_is_told(tmp_path):
    folder = yamnet_weights.prepare()
    assert {value.dtype for value in yamnet_weights.read(folder).values()} == {np.dtype("<f4")}
    raw = (folder / "variables" / "variables.index").read_bytes()
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.data-00000-of-00001").write_bytes(b"short")
    generator = np.random.default_rng(0)
    for content in (raw, raw[:-1], raw[100:], *(generator.permutation(list(raw[-400:])).tobytes() for _ in range(20))):
        (tmp_path / "variables" / "variables.index").write_bytes(content)
        with pytest.raises(SourceError, match="cannot be read"):
            yamnet_weights.read(tmp_path)
