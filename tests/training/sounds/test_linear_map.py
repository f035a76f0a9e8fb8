from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from cacara.errors import CheckpointError
from cacara.model import checkpoint
from cacara.model.config import AudioConfig
from cacara.model.parts.head import AudioHead
from cacara.model.parts.text_map import TextMap
from tests.training.sounds.test_alignment import world  # noqa: F401  (a fixture)
from training.run_folder import RunError
from training.sounds import linear_map
from training.sounds.linear_map import LinearMap, LinearMapOptions


def options(world) -> LinearMapOptions:  # noqa: F811
    shared = {field.name: getattr(world.options, field.name) for field in dataclasses.fields(LinearMapOptions)[:8]}
    return LinearMapOptions(**shared | {"name": "m2m"}, views=world.options.views, loop=world.options.loop)


def test_a_run_leaves_a_model_of_two_linear_layers_that_loads(world, noise):  # noqa: F811
    final = linear_map.train(options(world), world.output, world.benchmark)
    model = checkpoint.load(final)
    assert isinstance(model.head.projection, nn.Linear) and model.part(TextMap) is not None
    assert (model.config.audio.anchor_weight, model.config.audio.hidden, model.config.text_map) == (0.0, 0, True)
    texts, sounds = model.encode_text(["dog", "hund"], ["en", "de"]), model.encode_audio([noise])
    assert np.allclose(np.linalg.norm(texts, axis=1), 1) and np.allclose(np.linalg.norm(sounds, axis=1), 1)
    card = (final / "README.md").read_text(encoding="utf-8")
    assert "in the manner of M2M" in card and "python -m training linear_map" in card and "no other language" in card
    assert json.loads((final / "config.json").read_text())["text_map"] is True


def test_texts_are_centred_then_mapped_and_without_centring_mapped_alone(world):  # noqa: F811
    model = checkpoint.load(linear_map.train(options(world), world.output, world.benchmark))
    plain = checkpoint.load(world.output / "final")
    plain.parts = tuple(part for part in plain.parts if not isinstance(part, TextMap))
    for centre in (True, False):
        before = torch.from_numpy(plain.encode_text(["dog"], "en", centre=centre))
        mapped = model.part(TextMap)(before).detach().numpy()
        assert np.allclose(model.encode_text(["dog"], "en", centre=centre), mapped, atol=1e-6)
        assert not np.allclose(before.numpy(), mapped, atol=1e-3)
    assert np.array_equal(model.variant("untrained").encode_text(["dog"], "en"), model.encode_text(["dog"], "en"))


def test_a_folder_without_the_text_layer_that_its_config_promises_is_refused(world):  # noqa: F811
    final = linear_map.train(options(world), world.output, world.benchmark)
    model = checkpoint.load(final)
    with pytest.raises(CheckpointError, match="a config with text maps, but none are given"):
        checkpoint.save(final, model.config, [model.head, model.centring], "card")
    checkpoint.save(final, dataclasses.replace(model.config, text_map=None), [model.head, model.centring], "card")
    (final / "config.json").write_text(json.dumps(model.config.to_json()), encoding="utf-8")
    with pytest.raises(CheckpointError, match="does not fit its config"):
        checkpoint.load(final)


def test_only_both_layers_learn_and_the_loss_falls_on_pairs_learnt_by_heart():
    torch.manual_seed(0)
    head = AudioHead(AudioConfig("yamnet", 0, 1.0, 0.0, 1, 1.0, "mean"), 12, 0, 8)
    method = LinearMap(head, TextMap(8), 0.05)
    assert sum(parameter.numel() for parameter in method.parameters()) == 12 * 8 + 8 + 8 * 8 + 8
    batch = {
        "features": torch.randn(8, 12),
        "texts": nn.functional.normalize(torch.randn(8, 8), dim=-1),
        "labels": torch.arange(8),
    }
    optimiser = torch.optim.AdamW(method.parameters(), lr=0.01)
    first = method(batch)["loss"].item()
    for _ in range(200):
        optimiser.zero_grad()
        loss = method(batch)["loss"]
        loss.backward()
        optimiser.step()
    assert first > 1 and loss.item() < 0.1


def test_unfit_options_are_refused(world):  # noqa: F811
    with pytest.raises(RunError, match="temperature is 0"):
        dataclasses.replace(options(world), temperature=0)
    with pytest.raises(RunError, match="packages is empty"):
        dataclasses.replace(options(world), packages=())
