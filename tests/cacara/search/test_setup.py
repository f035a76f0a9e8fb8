from __future__ import annotations

import copy
import dataclasses

import pytest
from audio_files import tone
from searching import search

from cacara.encoders import audio as towers
from cacara.errors import CheckpointError, DeviceError, GalleryError
from cacara.galleries import gallery
from cacara.media import audio
from cacara.model import checkpoint
from cacara.search import setup


@pytest.fixture
def model_folder(tmp_path, tiny_model, monkeypatch):
    """The tiny model, saved under a backbone that builds the tiny tower anew; and a cache of its own."""
    yamnet = tiny_model.audio.network
    monkeypatch.setitem(towers.BACKBONES, "tiny", lambda report: copy.deepcopy(yamnet))
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    config = dataclasses.replace(tiny_model.config, audio=dataclasses.replace(tiny_model.config.audio, backbone="tiny"))
    checkpoint.save(tmp_path / "model", config, [tiny_model.head, tiny_model.centring], "# tiny")
    return tmp_path / "model"


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in ("dog", "cat"):
        audio.write_wav(folder / f"{name}.wav", tone(0.5))
    return folder


def test_a_model_and_a_folder_become_a_retriever_with_progress(model_folder, sounds):
    told = []
    retriever = setup.prepare(model_folder, sounds, "cpu", told.append)
    assert {hit.text for hit in search(retriever, "dog", language="en")} == {"dog", "cat"}
    assert (retriever.model.version, retriever.gallery.name) == ("1", "sounds")
    assert {(step.subject, step.stage) for step in told} == {("sounds", "embed"), ("sounds", "ready")}
    assert all(step.fraction is None or 0 <= step.fraction <= 1 for step in told)


def test_without_a_folder_the_default_gallery_is_searched(model_folder, sounds, monkeypatch):
    monkeypatch.setattr(
        gallery, "load_default", lambda report: dataclasses.replace(gallery.load_folder(sounds), notice="!")
    )
    assert setup.prepare(model_folder, device="cpu").gallery.notice == "!"


def test_a_wrong_model_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "load_default", lambda report: pytest.fail("fetched"))
    with pytest.raises(CheckpointError, match="no model 'cacarra'"):
        setup.prepare("cacarra")
    with pytest.raises(CheckpointError, match="lacks config.json"):
        setup.prepare(tmp_path)


def test_a_wrong_gallery_is_told_before_the_model_is_loaded(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "load", lambda *arguments: pytest.fail("loaded"))
    with pytest.raises(GalleryError, match="no gallery at"):
        setup.prepare(model_folder, tmp_path / "absent")


def test_a_wrong_device_or_precision_is_told(model_folder, sounds):
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        setup.prepare(model_folder, sounds, "tpu")
    with pytest.raises(DeviceError, match="unknown precision 'int4'"):
        setup.prepare(model_folder, sounds, "cpu", precision="int4")


def test_a_reduced_precision_is_used(model_folder, sounds):
    assert setup.prepare(model_folder, sounds, "cpu", precision="bfloat16").model.precision == "bfloat16"
