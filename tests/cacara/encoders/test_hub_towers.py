"""Towers of other architectures: tiny ones built from their config, saved by `transformers`, loaded by ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cacara.encoders import audio, image, text
from cacara.encoders.hub import audio as hub_audio
from cacara.errors import CheckpointError
from cacara.model.config import TextConfig

LABELS = {0: "Dog", 1: "Cat", 2: "Rain, drizzle"}


def ast_config(**changes):
    from transformers import ASTConfig

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    return ASTConfig(**sizes, max_length=96, num_mel_bins=32, **changes)


def save_ast(folder: Path, kind: str = "ASTForAudioClassification", **changes) -> Path:
    import transformers

    torch.manual_seed(0)
    model = getattr(transformers, kind)(ast_config(**changes))
    model.save_pretrained(folder)
    transformers.ASTFeatureExtractor(max_length=96, num_mel_bins=32).save_pretrained(folder)
    return folder


def save_clap(folder: Path, fused: bool = False, whole: bool = False) -> Path:
    from transformers import (
        ClapAudioConfig,
        ClapAudioModelWithProjection,
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapTextConfig,
    )

    torch.manual_seed(0)
    config = ClapAudioConfig(
        spec_size=64,
        window_size=4,
        num_mel_bins=32,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        patch_embeds_hidden_size=16,
        hidden_size=32,
        projection_dim=24,
        enable_fusion=fused,
        num_classes=3,
    )
    if whole:
        words = ClapTextConfig(
            vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
        ClapModel(
            ClapConfig(text_config=words.to_dict(), audio_config=config.to_dict(), projection_dim=24)
        ).save_pretrained(folder)
    else:
        ClapAudioModelWithProjection(config).save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=32,
        hop_length=480,
        max_length_s=1,
        truncation="fusion" if fused else "rand_trunc",
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def labelled(tmp_path) -> Path:
    return save_ast(tmp_path / "ast", id2label=LABELS, label2id={name: number for number, name in LABELS.items()})


def test_ast_hears_windows_as_transformers_own_pipeline_does(labelled, noise):
    from transformers import ASTFeatureExtractor, ASTForAudioClassification

    tower = audio.load(str(labelled), "mean")
    assert (tower.features, tower.classes) == (32, 3)
    assert list(tower.network.class_names) == list(LABELS.values())
    waveform = 0.5 * noise / np.abs(noise).max()
    samples = 400 + 95 * 160
    extractor = ASTFeatureExtractor.from_pretrained(labelled)
    model = ASTForAudioClassification.from_pretrained(labelled).eval()
    windows = [waveform[:samples], waveform[samples : 2 * samples]]  # what is left, 800 samples, is dropped
    inputs = extractor(windows, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        features, probabilities = tower([noise])
        hidden = model.audio_spectrogram_transformer(**inputs).pooler_output
        logits = model(**inputs).logits
    torch.testing.assert_close(features[0], hidden.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(probabilities[0], logits.sigmoid().mean(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("make", [lambda folder: save_ast(folder, "ASTModel"), save_ast, save_clap])
def test_a_tower_without_named_classes_has_none(tmp_path, noise, make):
    tower = audio.load(str(make(tmp_path / "tower")), "max")
    features, probabilities = tower([noise, noise[:5000]])
    assert features.shape == (2, tower.features) and probabilities.shape == (2, 0)
    assert tower.classes == 0 and list(tower.network.class_names) == []


@pytest.mark.parametrize("fused", [False, True])
def test_clap_hears_a_short_clip_as_transformers_own_pipeline_does(tmp_path, noise, fused):
    import torchaudio
    from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

    folder = save_clap(tmp_path / "clap", fused)
    waveform = torch.from_numpy(0.5 * noise[:9000] / np.abs(noise[:9000]).max())
    resampled = torchaudio.functional.resample(waveform, 16_000, 48_000).numpy()
    inputs = ClapFeatureExtractor.from_pretrained(folder)([resampled], sampling_rate=48_000, return_tensors="pt")
    inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
    with torch.inference_mode():
        features, _ = audio.load(str(folder), "mean")([noise[:9000]])
        expected = ClapAudioModelWithProjection.from_pretrained(folder).eval()(**inputs).audio_embeds
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


def test_a_whole_clap_gives_its_audio_side(tmp_path, noise):
    tower = audio.load(str(save_clap(tmp_path / "clap", whole=True)), "mean")
    assert tower([noise])[0].shape == (1, 24)


@pytest.mark.parametrize("make", [save_ast, save_clap, lambda folder: save_clap(folder, fused=True)])
def test_a_clip_alone_is_what_it_is_in_a_batch_and_the_same_every_time(tmp_path, noise, make):
    tower = audio.load(str(make(tmp_path / "tower")), "mean")
    clips = [noise, np.tile(noise, 3), noise[:300]]
    with torch.inference_mode():
        together, again = tower(clips)[0], tower(clips)[0]
        alone = torch.cat([tower([clip])[0] for clip in clips])
    assert torch.equal(together, again)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_long_clips_are_cut_into_windows_and_a_short_rest_is_dropped():
    waveform = torch.arange(50_000.0)
    assert [len(window) for window in hub_audio.cut(waveform, 20_000)] == [20_000, 20_000]
    assert [len(window) for window in hub_audio.cut(waveform[:36_000], 20_000)] == [20_000, 16_000]
    assert [len(window) for window in hub_audio.cut(waveform[:100], 20_000)] == [400]
    assert torch.equal(torch.cat(hub_audio.cut(waveform[:40_000], 20_000)), waveform[:40_000])


@pytest.mark.parametrize("make", [save_ast, save_clap])
def test_the_stages_hold_all_that_can_learn_but_the_classifier(tmp_path, make):
    network = audio.load(str(make(tmp_path / "tower")), "mean").network
    inside = [parameter for stage in network.stages() for module in stage for parameter in module.parameters()]
    assert len(inside) == len({id(parameter) for parameter in inside})
    outside = {id(parameter) for parameter in network.parameters()} - {id(parameter) for parameter in inside}
    names = {name for name, parameter in network.named_parameters() if id(parameter) in outside}
    assert names == set()
    assert len(network.stages()) == 3


def test_a_folder_that_lacks_weights_is_refused_and_not_filled_with_random_ones(labelled):
    tensors = load_file(labelled / "model.safetensors")
    name = next(name for name in tensors if name.endswith("layernorm.weight"))
    save_file(
        {key: value for key, value in tensors.items() if key != name}, labelled / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(CheckpointError, match=f"1 weights are missing.*{name}"):
        audio.load(str(labelled), "mean")


def test_what_is_no_audio_network_is_refused(tiny_text_folder, tmp_path):
    with pytest.raises(CheckpointError, match="holds a 'bert'; wanted one of audio-spectrogram-transformer, clap"):
        audio.load(str(tiny_text_folder), "mean")
    with pytest.raises(CheckpointError, match="nobody/nothing.*cannot be loaded"):
        audio.load("nobody/nothing", "mean")
    with pytest.raises(CheckpointError, match="unknown audio backbone 'beats'"):
        audio.load("beats", "mean")


def test_a_torchaudio_that_does_not_fit_is_told(labelled, monkeypatch):
    import builtins

    original = builtins.__import__

    def broken(name, *rest):
        if name == "torchaudio":
            raise OSError("libcudart.so.12: cannot open shared object file")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(CheckpointError, match="torchaudio does not work beside torch.*libcudart"):
        audio.load(str(labelled), "mean")


# Text towers.


@pytest.fixture
def xlm_roberta(tmp_path, tiny_text_folder) -> Path:
    """A tiny XLM-R with the tiny tokenizer."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path / "xlm-roberta"
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = XLMRobertaConfig(vocab_size=13, max_position_embeddings=40, pad_token_id=1, **sizes)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_text_folder / name, folder)
    return folder


def embed(folder: Path) -> tuple[text.TextTower, torch.Tensor]:
    tower = text.load(TextConfig(str(folder), "query: ", 16))
    with torch.inference_mode():
        return tower, tower(**tower.tokenize(["dog", "katze a bell"]))


def mean_of_tokens(folder: Path) -> torch.Tensor:
    from transformers import AutoTokenizer, XLMRobertaModel

    tokens = AutoTokenizer.from_pretrained(folder)(["query: dog", "query: katze a bell"])
    encoder = XLMRobertaModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        hidden = [encoder(torch.tensor([ids])).last_hidden_state[0] for ids in tokens["input_ids"]]
    return torch.stack([rows.mean(0) for rows in hidden])


def split_encoder(folder: Path, prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in load_file(folder / "model.safetensors").items()}


def test_an_xlm_roberta_pools_by_the_mean_over_tokens(xlm_roberta):
    tower, embedded = embed(xlm_roberta)
    assert tower.dimension == 32 and tower.projection is None
    torch.testing.assert_close(embedded, nn.functional.normalize(mean_of_tokens(xlm_roberta), dim=-1))
    first, second = (embed(xlm_roberta)[0].state_dict() for _ in range(2))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_an_m_clip_folder_projects_by_its_linear_layer(xlm_roberta, tmp_path):
    torch.manual_seed(1)
    weight, bias = torch.randn(12, 32), torch.randn(12)
    folder = tmp_path / "m-clip"
    folder.mkdir()
    described = {"model_type": "M-CLIP", "modelBase": str(xlm_roberta), "transformerDimensions": 32, "numDims": 12}
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    linear = {"LinearTransformation.weight": weight, "LinearTransformation.bias": bias}
    torch.save({**split_encoder(xlm_roberta, "transformer."), **linear}, folder / "pytorch_model.bin")
    tower, embedded = embed(folder)
    assert tower.dimension == 12 and not any(parameter.requires_grad for parameter in tower.parameters())
    expected = mean_of_tokens(xlm_roberta) @ weight.T + bias
    torch.testing.assert_close(embedded, nn.functional.normalize(expected, dim=-1), atol=1e-5, rtol=1e-5)


@pytest.fixture
def open_clip(xlm_roberta, tmp_path) -> Path:
    torch.manual_seed(1)
    folder = tmp_path / "open-clip"
    folder.mkdir()
    described = {
        "hf_model_name": str(xlm_roberta),
        "hf_tokenizer_name": str(xlm_roberta),
        "hf_pooler_type": "mean_pooler",
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {"embed_dim": 12, "text_cfg": described}}), encoding="utf-8"
    )
    tensors = {"text.proj.0.weight": torch.randn(22, 32), "text.proj.2.weight": torch.randn(12, 22)}
    tensors |= {"visual.class_embedding": torch.zeros(4), "logit_scale": torch.zeros(())}
    tensors |= split_encoder(xlm_roberta, "text.transformer.")
    tensors["text.transformer.embeddings.position_ids"] = torch.arange(40)[None]
    save_file(tensors, folder / "open_clip_model.safetensors", {"format": "pt"})
    return folder


def test_an_open_clip_folder_projects_by_its_two_layers(open_clip, xlm_roberta):
    tensors = load_file(open_clip / "open_clip_model.safetensors")
    tower, embedded = embed(open_clip)
    assert tower.dimension == 12
    hidden = nn.functional.gelu(mean_of_tokens(xlm_roberta) @ tensors["text.proj.0.weight"].T)
    expected = hidden @ tensors["text.proj.2.weight"].T
    torch.testing.assert_close(embedded, nn.functional.normalize(expected, dim=-1), atol=1e-5, rtol=1e-5)


def test_a_text_folder_that_lacks_weights_is_refused(open_clip, xlm_roberta):
    path = open_clip / "open_clip_model.safetensors"
    tensors = load_file(path)
    del tensors["text.transformer.encoder.layer.1.output.dense.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match="1 weights do not fit .*encoder.layer.1.output.dense.weight"):
        embed(open_clip)
    plain = load_file(xlm_roberta / "model.safetensors")
    del plain["embeddings.word_embeddings.weight"]
    save_file(plain, xlm_roberta / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="1 weights are missing.*word_embeddings"):
        embed(xlm_roberta)
    with pytest.raises(CheckpointError, match="text backbone 'nobody/nothing' cannot be loaded"):
        text.load(TextConfig("nobody/nothing", "", 16))


# Image towers.


@pytest.fixture
def clip(tmp_path) -> Path:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path / "clip"
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = CLIPVisionConfig(**sizes, projection_dim=12, image_size=image.SIDE, patch_size=56)
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    described = {
        "image_processor_type": "CLIPImageProcessor",
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(described), encoding="utf-8")
    return folder


def test_clip_sees_whole_pictures_in_its_own_colours(clip):
    from transformers import CLIPVisionModelWithProjection

    tower = image.load(str(clip))
    assert (tower.features, tower.classes) == (12, 0)
    pictures = [np.full((40, 90, 3), 7, np.uint8), np.random.default_rng(0).integers(0, 256, (64, 30, 3), np.uint8)]
    squares = torch.from_numpy(np.stack([image.fit(picture) for picture in pictures])).permute(0, 3, 1, 2) / 255
    means, deviations = (torch.tensor(values)[:, None, None] for values in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    with torch.inference_mode():
        features, probabilities = tower(pictures)
        model = CLIPVisionModelWithProjection.from_pretrained(clip).eval()
        expected = model(pixel_values=(squares - means) / deviations).image_embeds
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)
    assert probabilities.shape == (2, 0) and tower([])[0].shape == (0, 12)


def test_what_is_no_clip_is_refused(tiny_text_folder):
    with pytest.raises(CheckpointError, match="holds a 'bert'; wanted one of clip"):
        image.load(str(tiny_text_folder))
