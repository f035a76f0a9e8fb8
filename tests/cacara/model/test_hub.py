"""Models of the Hugging Face Hub: the real client against a stand-in for the Hub's HTTP API."""

from __future__ import annotations

import copy
import dataclasses

import hub_server
import numpy as np
import pytest
from huggingface_hub import constants

import cacara
from cacara.encoders import audio
from cacara.errors import CheckpointError
from cacara.model import checkpoint, weights_file
from cacara.model.checkpoint import CARD, CONFIG, WEIGHTS


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The stand-in, which the client takes for the Hub, with an empty cache."""
    with hub_server.serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server


@pytest.fixture
def saved(tmp_path, tiny_model, monkeypatch):
    """The folder of the tiny model."""
    yamnet = tiny_model.audio.network
    monkeypatch.setitem(audio.BACKBONES, "tiny", lambda report: copy.deepcopy(yamnet))
    config = dataclasses.replace(tiny_model.config, audio=dataclasses.replace(tiny_model.config.audio, backbone="tiny"))
    checkpoint.save(tmp_path / "model", config, [tiny_model.head, tiny_model.centring], "# tiny\n")
    return tmp_path / "model"


def test_a_pushed_model_loads_from_the_hub_and_embeds_the_same(hub, saved, noise):
    model = cacara.load(saved, "cpu")
    address = model.push_to_hub("lab/dogs", token="none")
    assert address == f"hub:lab/dogs@{hub.commit_of('models/lab/dogs')}"
    hub.repositories["models/lab/dogs"]["pytorch_model.bin"] = b"of no use"
    for wanted in ("hub:lab/dogs", f"hub:lab/dogs@{hub.commit_of('models/lab/dogs')}"):
        fetched = cacara.load(wanted, "cpu")
        assert np.array_equal(fetched.encode_audio([noise]), model.encode_audio([noise]))
        assert fetched.fingerprint == model.fingerprint
    assert not (checkpoint.find("hub:lab/dogs") / "pytorch_model.bin").exists(), "only a model's own files are fetched"


def test_without_a_network_the_fetched_copy_answers(hub, saved):
    cacara.load(saved, "cpu").push_to_hub("lab/dogs", token="none")
    cacara.load("hub:lab/dogs", "cpu")
    hub.shutdown()
    hub.server_close()
    assert cacara.load("hub:lab/dogs", "cpu").name == "tiny"
    with pytest.raises(CheckpointError, match="hub:lab/cats cannot be fetched: "):
        cacara.load("hub:lab/cats", "cpu")


def test_what_a_bundled_model_shares_is_pushed_along(hub):
    folder = checkpoint.find("cacara-studio")
    assert weights_file.base_of(folder / WEIGHTS) == "cacara"
    from cacara.model import hub as model_hub

    model_hub.push(folder, "lab/studio", token="none")
    pushed = checkpoint.find("hub:lab/studio")
    assert weights_file.base_of(pushed / WEIGHTS) is None
    whole, there = weights_file.read(folder / WEIGHTS)[1], weights_file.read(pushed / WEIGHTS)[1]
    assert whole.keys() == there.keys()
    assert all(bool((whole[name] == there[name]).all()) for name in whole)
    assert (pushed / CARD).read_bytes() == (folder / CARD).read_bytes()


@pytest.mark.parametrize(
    "address", ["hub:dogs", "hub:../../etc", "hub:lab/dogs@", "hub:lab/dogs/more", "hub:lab/<dogs>"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(CheckpointError, match="is no model of the Hub; wanted hub:OWNER/NAME"):
        cacara.load(address, "cpu")


def test_refusals_are_one_line(hub, saved, tiny_model):
    with pytest.raises(CheckpointError, match="hub:lab/none cannot be fetched: ") as refusal:
        cacara.load("hub:lab/none", "cpu")
    assert "\n" not in str(refusal.value)
    hub.repositories["models/lab/other"] = {"README.md": b"# other\n"}
    with pytest.raises(CheckpointError, match=f"lacks {CONFIG}, {WEIGHTS}"):
        cacara.load("hub:lab/other", "cpu")
    with pytest.raises(CheckpointError, match="was put together in memory"):
        tiny_model.push_to_hub("lab/dogs")
    with pytest.raises(CheckpointError, match="is no repository of the Hub; wanted OWNER/NAME"):
        cacara.load(saved, "cpu").push_to_hub("dogs")
