from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cacara.encoders import audio
from cacara.errors import CheckpointError, DeviceError
from cacara.model import checkpoint
from cacara.model.checkpoint import CARD, CONFIG, FILES, WEIGHTS
from cacara.model.towers import TowerUpdates

CARD_TEXT = "# tiny\n\nOf no use.\n"


@pytest.fixture
def config(tiny_model, monkeypatch):
    """The tiny model's config, under a backbone that builds the tiny tower anew."""
    yamnet = tiny_model.audio.network
    monkeypatch.setitem(audio.BACKBONES, "tiny", lambda report: copy.deepcopy(yamnet))
    return dataclasses.replace(
        tiny_model.config, audio=dataclasses.replace(tiny_model.config.audio, backbone="tiny"), languages=("de", "en")
    )


@pytest.fixture
def folder(tmp_path, config, tiny_model):
    """The tiny model, saved."""
    folder = tmp_path / "model"
    checkpoint.save(folder, config, [tiny_model.head, tiny_model.centring], CARD_TEXT)
    return folder


def change_config(folder, **changes):
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, **changes}))


def change_weights(folder, **changes):
    tensors = {**load_file(folder / WEIGHTS), **changes}
    save_file({name: value for name, value in tensors.items() if value is not None}, folder / WEIGHTS)


def refusal(folder) -> str:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(folder, "cpu")
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_saved_model_loads_and_embeds_bit_identically(folder, tiny_model, noise):
    model = checkpoint.load(folder, "cpu")
    sounds, texts = [noise, noise[:5000]], ["dog", "hund a bell"]
    assert np.array_equal(model.encode_audio(sounds), tiny_model.encode_audio(sounds))
    assert np.array_equal(model.encode_text(texts, "de"), tiny_model.encode_text(texts, "de"))
    assert (model.name, model.version, model.languages) == ("tiny", "1", ("de", "en"))


def test_a_folder_holds_the_three_files_and_others_may_read_them(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.iterdir())
    assert (folder / CARD).read_text() == CARD_TEXT
    assert list(folder.parent.iterdir()) == [folder]


def test_audio_layers_that_training_changed_replace_the_backbones(folder, config, tiny_model, noise):
    changed = {"network.stem.weight": tiny_model.audio.network.stem.weight * 2 + 1}
    checkpoint.save(
        folder, config, [tiny_model.head, tiny_model.centring], CARD_TEXT, updates=TowerUpdates(audio=changed)
    )
    model = checkpoint.load(folder, "cpu")
    assert torch.equal(model.audio.network.stem.weight, changed["network.stem.weight"])
    assert torch.equal(model.audio.network.classifier.weight, tiny_model.audio.network.classifier.weight)
    assert not np.array_equal(model.encode_audio([noise]), tiny_model.encode_audio([noise]))


def test_low_rank_updates_of_the_audio_tower_are_merged_and_unfit_ones_refused(folder, config, tiny_model):
    name = "network.blocks.0.pointwise"
    weight = tiny_model.audio.network.blocks[0].pointwise.weight
    torch.manual_seed(0)
    updates = {f"{name}.down": torch.randn(2, weight.shape[1]), f"{name}.up": torch.randn(weight.shape[0], 2)}
    checkpoint.save(
        folder, config, [tiny_model.head, tiny_model.centring], CARD_TEXT, updates=TowerUpdates(audio_lora=updates)
    )
    merged = checkpoint.load(folder, "cpu").audio.network.blocks[0].pointwise.weight
    change = (updates[f"{name}.up"] @ updates[f"{name}.down"])[..., None, None]
    torch.testing.assert_close(merged, weight + change)
    change_weights(folder, **{f"audio_lora.{name}.up": None})
    assert "does not fit its config.json" in refusal(folder)


def test_the_fingerprint_tells_folders_apart(folder, config, tiny_model):
    first = checkpoint.load(folder, "cpu").fingerprint
    assert first == checkpoint.load(folder, "cpu").fingerprint and len(first) == 12
    (folder / CARD).write_text("another card")
    assert checkpoint.load(folder, "cpu").fingerprint == first
    change_config(folder, version="2")
    second = checkpoint.load(folder, "cpu").fingerprint
    change_weights(folder, **{"centring.global_mean": torch.ones(32)})
    assert len({first, second, checkpoint.load(folder, "cpu").fingerprint}) == 3


def test_a_bundled_name_is_found_and_a_wrong_one_lists_the_right_ones(tmp_path):
    assert checkpoint.find("cacara") == checkpoint.bundled()["cacara"]
    with pytest.raises(CheckpointError, match="no model 'cacarra'; wanted cacara"):
        checkpoint.load("cacarra")
    with pytest.raises(CheckpointError, match="no model .*absent"):
        checkpoint.load(tmp_path / "absent")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"lacks {name}" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 7, 100, 5000, -1])
def test_a_truncated_weights_file_is_damaged(folder, kept):
    raw = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(raw[:kept])
    message = refusal(folder)
    assert "is damaged" in message and f"({len(raw[:kept]):,} bytes" in message


def test_a_pickle_under_the_weights_name_is_refused_unread(folder):
    class Trap:
        def __reduce__(self):
            return (shutil.rmtree, (str(folder),))

    (folder / WEIGHTS).write_bytes(pickle.dumps(Trap()))
    assert "is damaged" in refusal(folder)
    assert folder.is_dir()


def test_weights_that_cannot_be_read_are_told(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    assert "model.safetensors cannot be read: Permission denied" in refusal(folder)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_another_format_version_is_told_with_what_to_do(folder, version):
    change_config(folder, format_version=version)
    message = refusal(folder)
    assert f"format_version is {version!r}, this program reads 1; update" in message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b"null"])
def test_a_config_that_is_no_json_object_is_told(folder, content):
    (folder / CONFIG).write_bytes(content)
    assert CONFIG in refusal(folder)


def test_a_missing_tensor_is_named(folder):
    change_weights(folder, **{"head.class_weights": None})
    assert "does not fit its config.json" in (message := refusal(folder)) and "class_weights" in message


def test_a_missing_mean_is_named(folder):
    change_weights(folder, **{"centring.means": None})
    assert '"means"' in refusal(folder)


@pytest.mark.parametrize("name", ["head.extra", "centring.extra", "audio.yamnet.extra"])
def test_a_tensor_too_many_is_named(folder, name):
    change_weights(folder, **{name: torch.zeros(1)})
    assert "extra" in refusal(folder)


def test_a_tensor_of_no_part_is_named(folder):
    change_weights(folder, **{"optimizer.step": torch.zeros(1)})
    assert "no known part: optimizer.step" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("centring.means", (3, 32)), ("head.class_embeddings", (7, 31)), ("head.projection.1.weight", (16, 25))],
)
def test_a_tensor_of_another_shape_is_named(folder, name, shape):
    change_weights(folder, **{name: torch.zeros(shape)})
    message = refusal(folder)
    assert "size mismatch" in message and name.partition(".")[2] in message


def test_languages_that_do_not_match_the_means_are_told(folder):
    change_config(folder, languages=["de", "en", "fr"])
    assert "size mismatch" in refusal(folder)


def test_a_dimension_that_is_not_the_text_backbones_is_told(folder):
    change_config(folder, dimension=33)
    with pytest.raises(CheckpointError, match="text backbone is 32 wide, config.json says 33"):
        checkpoint.load(folder, "cpu")


def test_backbones_that_do_not_exist_are_told(folder, config, tmp_path):
    change_config(folder, audio={**dataclasses.asdict(config.audio), "backbone": "panns"})
    with pytest.raises(CheckpointError, match="unknown audio backbone 'panns'; wanted one of yamnet"):
        checkpoint.load(folder, "cpu")
    change_config(folder, text={**dataclasses.asdict(config.text), "backbone": str(tmp_path / "none")})
    with pytest.raises(CheckpointError, match="text backbone '.*none' cannot be loaded"):
        checkpoint.load(folder, "cpu")


def test_a_wrong_device_or_precision_is_told(folder):
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        checkpoint.load(folder, "tpu")
    with pytest.raises(DeviceError, match="unknown precision 'int4'"):
        checkpoint.load(folder, "cpu", "int4")


def test_saving_again_replaces_an_older_model(folder, config, tiny_model):
    checkpoint.save(folder, dataclasses.replace(config, version="2"), [tiny_model.head, tiny_model.centring], "new")
    assert checkpoint.read_config(folder).version == "2"
    assert (folder / CARD).read_text() == "new"
    assert list(folder.parent.iterdir()) == [folder]


def test_saving_into_an_empty_or_a_deep_new_folder_works(tmp_path, config, tiny_model):
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "a" / "b"):
        checkpoint.save(target, config, [tiny_model.head, tiny_model.centring], CARD_TEXT)
        assert checkpoint.find(target) == target


@pytest.mark.parametrize("names", [("notes.txt",), (CONFIG, "tokenizer.json"), (WEIGHTS,), (CONFIG, CARD, "photos/")])
def test_a_folder_that_is_no_model_is_left_alone(tmp_path, config, tiny_model, names):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in names:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("mine")
    with pytest.raises(CheckpointError, match="mine is no model folder"):
        checkpoint.save(folder, config, [tiny_model.head, tiny_model.centring], CARD_TEXT)
    assert {path.name for path in folder.iterdir()} == {name.strip("/") for name in names}
    assert list(tmp_path.glob("mine.*")) == []


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path, config, tiny_model):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(CheckpointError, match="is no model folder"):
        checkpoint.save(tmp_path / "mine", config, [tiny_model.head, tiny_model.centring], CARD_TEXT)
    with pytest.raises(CheckpointError, match="cannot be written"):
        checkpoint.save(tmp_path / "mine" / "model", config, [tiny_model.head, tiny_model.centring], CARD_TEXT)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_the_old_model(folder, config, tiny_model, monkeypatch, trouble):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupt(tensors, path, metadata):
        path.write_bytes(b"half")
        raise trouble

    monkeypatch.setattr(checkpoint, "save_file", interrupt)
    with pytest.raises((CheckpointError, KeyboardInterrupt)):
        checkpoint.save(folder, config, [tiny_model.head, tiny_model.centring], "new")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]
