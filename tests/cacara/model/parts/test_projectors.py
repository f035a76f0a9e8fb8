"""uCLIP's heads as a model uses them: their size, their place behind the towers, their folder."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cacara.benchmark import systems
from cacara.errors import CheckpointError
from cacara.model import checkpoint
from cacara.model.config import ModelConfig, ProjectorsConfig
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.projectors import ProjectorHead, Projectors

CARD = "---\nlicense: apache-2.0\n---\n\n# tiny 1\n"


def parameters(text_width: int, dual_width: int, shared: int = 512) -> int:
    heads = Projectors(ProjectorsConfig(text_width, dual_width), shared)
    return sum(value.numel() for value in heads.parameters())


def test_the_papers_heads_have_the_papers_number_of_parameters():
    assert parameters(384, 512) == 1_743_104
    assert parameters(768, 512) == 3_023_360


def test_the_apps_own_heads_have_fewer():
    assert parameters(384, 384) == 1_381_888


def test_a_head_gives_unit_vectors_of_the_shared_width_and_one_alone_is_one_of_many():
    torch.manual_seed(0)
    head = ProjectorHead(6, 10).eval()
    many = torch.randn(5, 6)
    assert head(many).shape == (5, 10)
    torch.testing.assert_close(head(many).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(head(many[2:3]), head(many)[2:3])


@pytest.fixture
def folder(tiny_model, tmp_path, monkeypatch):
    """A folder of uCLIP on ``tiny_model``, 32 wide, into 20 dimensions; and the heads in it."""
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    checkpoint.save(tmp_path / "base", tiny_model.config, [tiny_model.head, tiny_model.centring], CARD)
    torch.manual_seed(4)
    projectors = Projectors(ProjectorsConfig(32, 32), 20)
    projectors.text.layers[1].running_mean.normal_()
    config = dataclasses.replace(
        tiny_model.config, name="uclip", dimension=20, projectors=ProjectorsConfig(32, 32), languages=("de",)
    )
    centring = LanguageCentring(("de",), 32)
    centring.means.copy_(0.1 * torch.randn(1, 32))
    checkpoint.save(tmp_path / "uclip", config, [projectors, centring], CARD, base=tmp_path / "base", storage="compact")
    return tmp_path / "uclip", projectors.eval()


def test_a_folder_loads_as_a_model_whose_texts_and_sounds_went_through_the_heads(folder, tiny_model, noise):
    path, projectors = folder
    model = checkpoint.load(path, "cpu")
    assert (model.name, model.dimension, model.languages) == ("uclip", 20, ("de",))
    texts, sounds = model.encode_text(["hund", "dog"], "de"), model.encode_audio([noise])
    assert texts.shape == (2, 20) and sounds.shape == (1, 20)
    expected = projectors.dual(torch.from_numpy(tiny_model.encode_audio([noise]))).detach().numpy()
    np.testing.assert_allclose(sounds, expected, atol=0.02)  # int8
    plain = checkpoint.load(path, "cpu")
    plain.parts = tuple(part for part in plain.parts if not isinstance(part, Projectors))
    before = torch.from_numpy(plain.encode_text(["hund", "dog"], "de"))
    np.testing.assert_allclose(texts, projectors.text(before).detach().numpy(), atol=0.02)
    np.testing.assert_allclose(model.encode_text(["hund"], "de"), texts[:1], atol=1e-6)
    assert model.encode_text([], "de").shape == (0, 20)
    assert model.variant("untrained").encode_audio([noise]).shape == (1, 20)


def test_pictures_go_through_the_same_head_as_sounds(seeing_model, folder):
    path, _ = folder
    model = checkpoint.load(path, "cpu")
    model = model.with_parts(seeing_model.image_head)
    model.image = seeing_model.image
    picture = np.full((20, 30, 3), 90, np.uint8)
    expected = model.part(Projectors).dual(torch.from_numpy(seeing_model.encode_image([picture]))).detach().numpy()
    np.testing.assert_allclose(model.encode_image([picture]), expected, atol=1e-5)
    own, *branches = systems.sights_of(model, systems.SharedTowers().seen(model, [picture])).values()
    np.testing.assert_allclose(own.encode_audio([picture]), expected, atol=1e-5)
    assert all(branch.encode_audio([picture]).shape == (1, 20) for branch in branches)


def test_the_config_comes_back_from_json(folder):
    path, _ = folder
    written = json.loads((path / checkpoint.CONFIG).read_text(encoding="utf-8"))
    assert written["projectors"] == {"text_width": 32, "dual_width": 32}
    config = ModelConfig.from_json(written)
    assert config.projectors == ProjectorsConfig(32, 32) and (config.text_width, config.media_width) == (32, 32)
    plain = dataclasses.replace(config, projectors=None)
    assert (plain.text_width, plain.media_width) == (20, 20) and "projectors" not in plain.to_json()


def test_unfit_widths_are_refused(folder):
    path, _ = folder
    with pytest.raises(CheckpointError, match=r"projectors.dual_width is 0; wanted a number from 1 up"):
        ProjectorsConfig(32, 0)
    written = json.loads((path / checkpoint.CONFIG).read_text(encoding="utf-8"))
    written["projectors"]["text_width"] = 16
    (path / checkpoint.CONFIG).write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(CheckpointError, match="the text backbone is 32 wide, config.json says 16"):
        checkpoint.load(path, "cpu")


def test_a_folder_that_lacks_a_head_is_refused(folder, tmp_path):
    path, _ = folder
    tensors = load_file(path / checkpoint.WEIGHTS)
    from safetensors.torch import save_file

    kept = {name: value for name, value in tensors.items() if not name.startswith("projectors.dual")}
    save_file(kept, path / checkpoint.WEIGHTS)
    with pytest.raises(CheckpointError, match="does not fit its config"):
        checkpoint.load(path, "cpu")


def test_nothing_is_added_to_a_model_whose_heads_fit_its_towers_as_they_are(folder, tmp_path, seeing_model):
    path, _ = folder
    config = dataclasses.replace(checkpoint.read_config(path), image=seeing_model.config.image)
    with pytest.raises(CheckpointError, match="has uCLIP's heads, which fit the rest of it as it is"):
        checkpoint.save(tmp_path / "seeing", config, [seeing_model.image_head], CARD, base=path)
