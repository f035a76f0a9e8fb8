"""Class profiles: what they score, what they leave as it is, and how a folder and the heads around them keep them."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from cacara.benchmark import systems
from cacara.errors import CheckpointError, QueryError
from cacara.model import checkpoint, weights_file
from cacara.model.config import ModelConfig, ProfileConfig
from cacara.model.model import Cacara
from cacara.model.parts.head import ImageHead
from cacara.model.parts.part import TextBatch, acting_on_media
from cacara.model.parts.profile import ClassProfile
from training.feedback import finetuning
from training.feedback.data import TowerOutputs
from training.feedback.method import FeedbackObjective, FeedbackTuning, JudgedPairs
from training.images import alignment

CARD = "# tiny\n"
CONFIG = ProfileConfig(size=4, share=0.3, temperature=0.05, floor=0.01)
SHARED = 32 + CONFIG.size


def make_profile(config: ProfileConfig = CONFIG, classes: int = 7, width: int = 32) -> ClassProfile:
    torch.manual_seed(6)
    profile = ClassProfile(config, classes, width)
    profile.fit(functional.normalize(torch.randn(classes, width), dim=-1), torch.rand(40, classes) ** 3)
    return profile


def with_profile(model: Cacara, profile: ClassProfile) -> Cacara:
    config = dataclasses.replace(model.config, dimension=32 + profile.config.size, profile=profile.config)
    return Cacara(config, model.towers, [*model.parts, profile], "profiled", torch.device("cpu"))


def as_texts(profile: ClassProfile, embeddings: torch.Tensor) -> torch.Tensor:
    return profile.texts(TextBatch(embeddings, [], [], True)).embeddings


@pytest.fixture
def profiled(seeing_model) -> Cacara:
    return with_profile(seeing_model, make_profile())


def test_a_score_is_the_weighted_sum_of_both_parts_cosines():
    profile = make_profile()
    texts = functional.normalize(torch.randn(3, 32), dim=-1)
    sounds, probabilities = functional.normalize(torch.randn(5, 32), dim=-1), torch.rand(5, 7)
    placed, heard = as_texts(profile, texts), profile.sounds(sounds, probabilities)
    assert placed.shape == (3, SHARED) and heard.shape == (5, SHARED)
    torch.testing.assert_close(placed.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(heard.norm(dim=1), torch.ones(5))
    named = (texts @ profile.class_embeddings.T / 0.05).softmax(-1) @ profile.basis
    logs = ((probabilities + 0.01).log() - profile.log_mean) / profile.log_scale @ profile.basis
    expected = 0.7 * texts @ sounds.T + 0.3 * functional.cosine_similarity(named[:, None], logs[None], dim=-1)
    torch.testing.assert_close(placed @ heard.T, expected)


def test_the_statistics_are_those_of_the_sounds_and_the_directions_those_of_most_variance():
    torch.manual_seed(7)
    probabilities = torch.rand(50, 7) ** 3
    profile = ClassProfile(CONFIG, 7, 8)
    profile.fit(torch.zeros(7, 8), probabilities)
    logs = np.log(probabilities.double().numpy() + 0.01)
    np.testing.assert_allclose(profile.log_mean, logs.mean(0), rtol=1e-5)
    np.testing.assert_allclose(profile.log_scale, np.sqrt(logs.std(0)), rtol=1e-5)
    scaled = (logs - logs.mean(0)) / np.sqrt(logs.std(0))
    directions = np.linalg.svd(scaled, full_matrices=False)[2][:4]
    np.testing.assert_allclose(np.abs(directions @ profile.basis.numpy()), np.eye(4), atol=1e-4)


def test_a_text_that_names_a_class_finds_the_sound_that_holds_it_among_sounds_that_lie_together():
    """All class names but for a little are the same text, as those of animals are for a text encoder."""
    torch.manual_seed(8)
    names = functional.normalize(torch.ones(6, 16) + 0.3 * torch.randn(6, 16), dim=-1)
    probabilities = 0.02 + 0.9 * torch.eye(6)
    profile = ClassProfile(ProfileConfig(6, 0.5, 0.03, 0.01), 6, 16)
    profile.fit(names, probabilities)
    same = functional.normalize(torch.ones(6, 16), dim=-1)
    scores = as_texts(profile, names) @ profile.sounds(same, probabilities).T
    assert scores.argmax(1).tolist() == list(range(6))
    assert (same @ names.T).std(0).max() < 1e-6  # the text space alone cannot tell the sounds apart


def test_centred_sounds_lose_what_they_have_in_common_and_texts_and_pictures_nothing():
    """All sounds lie near one text, which would be named for each of them."""
    torch.manual_seed(9)
    texts = functional.normalize(torch.randn(5, 32), dim=-1)
    sounds, probabilities = functional.normalize(texts + 3 * texts[:1], dim=-1), torch.full((5, 7), 0.5)
    plain, centred = make_profile(), make_profile(dataclasses.replace(CONFIG, centred=True))
    centred.fit_centre(sounds)
    named = [
        (profile.sounds(sounds, probabilities) @ as_texts(profile, texts).T).argmax(1) for profile in (plain, centred)
    ]
    assert named[0].tolist() == [0] * 5 and named[1].tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(centred.images(sounds), plain.images(sounds))
    assert torch.equal(as_texts(centred, texts), as_texts(plain, texts))


def test_the_models_texts_sounds_and_pictures_are_as_wide_as_the_shared_space(profiled, seeing_model, noise):
    picture = np.full((20, 30, 3), 90, np.uint8)
    texts, sounds = profiled.encode_text(["hund", "dog"], "de"), profiled.encode_audio([noise])
    pictures = profiled.encode_image([picture])
    assert texts.shape == (2, SHARED) and sounds.shape == pictures.shape == (1, SHARED)
    for made in (texts, sounds, pictures):
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert profiled.encode_text([]).shape == (0, SHARED) and profiled.encode_audio([]).shape == (0, SHARED)
    # Pictures rank as they did: every score with a text is the old one times the same number.
    before = seeing_model.encode_text(["hund", "dog"], "de") @ seeing_model.encode_image([picture]).T
    np.testing.assert_allclose(texts @ pictures.T, 0.7**0.5 * before, atol=1e-6)


def test_without_profiles_a_text_lies_in_the_text_space(profiled, seeing_model):
    plain = profiled.encode_text(["hund", "dog"], "de", space="text")
    np.testing.assert_array_equal(plain, seeing_model.encode_text(["hund", "dog"], "de"))
    assert profiled.encode_text([], space="text").shape == (0, 32)
    shared = profiled.encode_text(["hund", "dog"], "de")
    np.testing.assert_allclose(profiled.text_space(shared), plain, atol=1e-6)
    assert seeing_model.text_space(plain) is plain, "without profiles there is one space"


def test_a_variant_without_profiles_ranks_as_the_text_space_does(profiled, seeing_model, noise):
    texts = profiled.encode_text(["hund", "dog", "cat"], "de")
    for name in ("unprofiled", "projection", "anchor"):
        heard = profiled.variant(name).encode_audio([noise, noise[:9000]])
        bare = seeing_model if name == "unprofiled" else seeing_model.variant(name)
        plain = bare.encode_audio([noise, noise[:9000]])
        expected = seeing_model.encode_text(["hund", "dog", "cat"], "de") @ plain.T
        np.testing.assert_allclose(texts @ heard.T, 0.7**0.5 * expected, atol=1e-6)
    assert profiled.variant("untrained").encode_audio([noise])[0, 32:].any()
    with pytest.raises(QueryError, match="has no class profiles, so there is no variant 'unprofiled'"):
        seeing_model.variant("unprofiled")


def test_measured_pictures_are_as_wide_too(profiled):
    picture = np.full((20, 30, 3), 90, np.uint8)
    sights = systems.sights_of(profiled, systems.SharedTowers().seen(profiled, [picture])).values()
    assert all(sight.encode_audio([picture]).shape == (1, SHARED) for sight in sights)


@pytest.fixture
def folder(profiled, tiny_model, tmp_path, monkeypatch):
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    config = dataclasses.replace(profiled.config, image=None)
    parts = [part for part in profiled.parts if not isinstance(part, ImageHead)]
    checkpoint.save(tmp_path / "profiled", config, parts, CARD)
    return tmp_path / "profiled"


def test_a_folder_keeps_them_and_so_do_the_folders_made_from_it(folder, profiled, seeing_model, tmp_path, noise):
    model = checkpoint.load(folder, "cpu")
    np.testing.assert_allclose(model.encode_text(["dog"], "en"), profiled.encode_text(["dog"], "en"), atol=2e-3)
    np.testing.assert_allclose(model.encode_audio([noise]), profiled.encode_audio([noise]), atol=2e-3)
    seeing = dataclasses.replace(checkpoint.read_config(folder), image=seeing_model.config.image)
    checkpoint.save(tmp_path / "seeing", seeing, [seeing_model.image_head], CARD, base=folder)
    _, before = weights_file.read(folder / checkpoint.WEIGHTS)
    _, after = weights_file.read(tmp_path / "seeing" / checkpoint.WEIGHTS)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert checkpoint.read_config(tmp_path / "seeing").profile == CONFIG


def test_the_config_comes_back_from_json(folder):
    written = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))
    config = ModelConfig.from_json(written)
    assert config.profile == CONFIG and (config.dimension, config.text_width, config.media_width) == (SHARED, 32, 32)
    assert "profile" not in dataclasses.replace(config, profile=None).to_json()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("size", 0, "profile.size is 0; wanted a number from 1 up"),
        ("share", 0.0, "profile.share is 0.0; wanted more than 0, below 1"),
        ("share", 1.0, "profile.share is 1.0; wanted more than 0, below 1"),
        ("temperature", -1.0, "profile.temperature is -1.0; wanted more than 0"),
        ("floor", float("nan"), "profile.floor is nan; wanted more than 0"),
    ],
)
def test_unfit_values_are_refused(name, value, message):
    with pytest.raises(CheckpointError, match=message):
        dataclasses.replace(CONFIG, **{name: value})


def test_a_space_without_room_for_the_profiles_is_refused(folder):
    path = folder / checkpoint.CONFIG
    written = json.loads(path.read_text(encoding="utf-8")) | {"dimension": CONFIG.size}
    path.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(CheckpointError, match="dimension is 4; wanted a number from 5 up"):
        checkpoint.load(folder, "cpu")


def test_a_head_of_pictures_is_trained_in_the_text_space(profiled):
    found = alignment.class_embeddings([("cat", "an animal"), ("dog", "an animal")], profiled)
    assert found.shape == (2, 32)


@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_fine_tuning_sees_what_the_model_will_give(profiled, kind):
    rng = np.random.default_rng(0)
    head = profiled.head if kind == "sound" else profiled.image_head
    tower = profiled.audio if kind == "sound" else profiled.image
    features = rng.normal(size=(6, tower.features)).astype(np.float32)
    probabilities = rng.uniform(size=(6, tower.classes)).astype(np.float32)
    queries = profiled.encode_text(["hund", "dog"], "de")
    pairs = np.array([[0, 0], [1, 1]])
    grades, weights = np.array([1, 0], np.float32), np.ones(2, np.float32)
    judged = JudgedPairs(queries, features, probabilities, pairs, grades, weights, np.arange(6))
    method = FeedbackTuning(copy.deepcopy(head), judged, FeedbackObjective(), acting_on_media(profiled.parts), kind)
    clips = tuple(range(6))
    heard = TowerOutputs(clips, features, probabilities)  # type: ignore[arg-type]
    embedded = method.embed(torch.from_numpy(features), torch.from_numpy(probabilities)).detach().numpy()
    np.testing.assert_allclose(embedded, finetuning.placed(profiled, heard, kind), atol=1e-6)
    assert embedded.shape == (6, SHARED) and bool(embedded[:, 32:].any()) == (kind == "sound")
    moved = method.double()  # as to a device: what is not saved comes along, and the model's own stays where it is
    assert next(moved._before.parameters()).dtype == moved._behind[0].basis.dtype == torch.float64
    assert profiled.part(ClassProfile).basis.dtype == torch.float32
    embedded = moved.embed(torch.from_numpy(features).double(), torch.from_numpy(probabilities).double())
    np.testing.assert_allclose(embedded.detach().numpy(), moved.base.numpy(), atol=1e-6)
