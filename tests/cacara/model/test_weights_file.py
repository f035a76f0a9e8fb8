from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from cacara.errors import CheckpointError
from cacara.model import checkpoint, weights_file


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A shelf of bundled models with one on it."""
    monkeypatch.setattr(weights_file, "BUNDLED", tmp_path)
    (tmp_path / "base").mkdir()
    save_file({"a": torch.ones(2), "b": torch.zeros(3)}, tmp_path / "base" / weights_file.NAME)
    return tmp_path


def write(folder, tensors, metadata):
    folder.mkdir()
    save_file(tensors, folder / weights_file.NAME, metadata=metadata)
    return folder / weights_file.NAME


def test_only_what_differs_from_a_bundled_base_is_written_and_all_of_it_is_read(shelf):
    tensors = {"a": torch.ones(2), "b": torch.full((3,), 2.0), "c": torch.ones(1)}
    own, metadata = weights_file.shared(tensors, shelf / "base")
    assert set(own) == {"b", "c"}
    _, read = weights_file.read(write(shelf / "made", own, metadata))
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_with_a_base_elsewhere_or_one_that_has_more_all_is_written(shelf, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("runs") / "base"
    shutil.copytree(shelf / "base", elsewhere)
    whole = {"a": torch.ones(2), "b": torch.zeros(3)}
    assert weights_file.shared(whole, elsewhere) == (whole, {})
    own, metadata = weights_file.shared({"a": torch.ones(2)}, shelf / "base")
    assert set(own) == {"a"} and metadata == {}


def test_a_base_that_has_changed_is_refused(shelf):
    own, metadata = weights_file.shared({"a": torch.ones(2), "b": torch.ones(3)}, shelf / "base")
    made = write(shelf / "made", own, metadata)
    save_file({"a": torch.zeros(2), "b": torch.zeros(3)}, shelf / "base" / weights_file.NAME)
    with pytest.raises(
        CheckpointError, match="was made on another base .hash [0-9a-f]{12}, found [0-9a-f]{12}.; train"
    ):
        weights_file.read(made)


@pytest.mark.parametrize("name", ["missing", "../base", "/etc"])
def test_a_base_that_is_not_bundled_is_refused(shelf, name):
    made = write(shelf / "made", {"a": torch.ones(1)}, {weights_file.BASE: name, weights_file.BASE_HASH: "0"})
    with pytest.raises(CheckpointError, match="which is not there"):
        weights_file.read(made)


def test_the_bundled_models_with_another_text_side_have_the_sounds_and_pictures_of_cacara_bit_by_bit():
    base = load_file(checkpoint.find("cacara") / checkpoint.WEIGHTS)
    for name in ("cacara-plus", "cacara-studio"):
        _, tensors = weights_file.read(checkpoint.find(name) / checkpoint.WEIGHTS)
        kept = [key for key in base if not key.startswith("centring.")]
        assert kept and all(torch.equal(tensors[key], base[key]) for key in kept)
