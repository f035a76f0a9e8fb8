"""Promoting, listing and rolling back real model folders of toy width."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cacara.errors import CacaraError, CheckpointError, RegistryError
from cacara.model import checkpoint, weights_file
from cacara.model.config import DEFAULT_MODEL
from cacara.model.registry import GATE, POINTER, VERSIONS, Registry


@pytest.fixture
def trained(tiny_model, tmp_path, monkeypatch):
    """A function that makes a run's folder: a model in ``final`` and the gate's report beside it."""
    loaded = {}

    def make(version: str, passed: bool | None = True, name: str = "tiny") -> Path:
        folder = tmp_path / "runs" / version / "final"
        config = dataclasses.replace(tiny_model.config, name=name, version=version)
        checkpoint.save(folder, config, [tiny_model.head, tiny_model.centring], "A card.")
        loaded[folder] = dataclasses.replace(config), f"fingerprint-{version}"
        if passed is not None:
            failed = [] if passed else ["(b) lost 3.0 points in de"]
            report = {"passed": passed, "failed": failed, "fingerprint": f"fingerprint-{version}"}
            (folder.parent / GATE).write_text(json.dumps(report))
        return folder

    class Loaded:
        def __init__(self, folder):
            self.config, self.fingerprint = loaded[folder]
            self.name, self.version = self.config.name, self.config.version

    def load(folder, device):
        # A tiny tower cannot be loaded by name; damage is found all the same.
        weights_file.read(folder / checkpoint.WEIGHTS)
        return Loaded(folder)

    monkeypatch.setattr(checkpoint, "load", load)
    return make


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "models")


def test_without_promotions_the_bundled_default_answers_and_nothing_is_written(registry):
    assert registry.current() == DEFAULT_MODEL
    assert DEFAULT_MODEL in {entry.model_id for entry in registry.entries()}
    assert not registry.folder.exists()


def test_a_promoted_model_answers_until_it_is_rolled_back(registry, trained):
    first, second = registry.promote(trained("1")), registry.promote(trained("2"))
    assert (first.model_id, second.model_id) == ("tiny@1", "tiny@2")
    assert registry.current() == "tiny@2"
    assert registry.rollback() == "tiny@1"
    assert registry.rollback() == DEFAULT_MODEL
    with pytest.raises(RegistryError, match="nothing to roll back"):
        registry.rollback()
    assert [(row["action"], row["model_id"]) for row in registry.history()] == [
        ("promote", "tiny@1"),
        ("promote", "tiny@2"),
        ("rollback", "tiny@1"),
        ("rollback", DEFAULT_MODEL),
    ]
    assert [entry.model_id for entry in registry.entries()][-2:] == ["tiny@2", "tiny@1"]  # still to be chosen


def test_the_registry_keeps_a_copy_of_the_models_files(registry, trained):
    folder = trained("1")
    place = registry.promote(folder).folder
    weights = (folder / checkpoint.WEIGHTS).read_bytes()
    (folder / checkpoint.WEIGHTS).unlink()
    assert (place / checkpoint.WEIGHTS).read_bytes() == weights
    assert registry.find("tiny@1").gate["passed"] is True


@pytest.mark.parametrize(("passed", "said"), [(False, "lost 3.0 points in de"), (None, "there is no gate's report")])
def test_what_the_gate_stopped_is_promoted_by_force_only_and_says_so(registry, trained, passed, said):
    folder = trained("1", passed)
    with pytest.raises(RegistryError, match=said):
        registry.promote(folder)
    assert registry.current() == DEFAULT_MODEL
    assert registry.promote(folder, force=True).forced
    assert registry.find("tiny@1").forced


def test_the_report_of_another_model_does_not_count(registry, trained):
    folder, other = trained("1"), trained("2")
    with pytest.raises(RegistryError, match="of another model"):
        registry.promote(folder, other.parent / GATE)


def test_damaged_weights_are_refused_and_change_nothing(registry, trained):
    folder = trained("1")
    (folder / checkpoint.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="damaged"):
        registry.promote(folder)
    assert registry.current() == DEFAULT_MODEL


def test_a_version_is_never_overwritten(registry, trained):
    folder = trained("1")
    registry.promote(folder)
    registry.promote(folder)  # the same bytes: nothing to complain about
    (folder / checkpoint.CARD).write_text("Another card.")
    with pytest.raises(RegistryError, match="other weights"):
        registry.promote(folder)


@pytest.mark.parametrize("model_id", ["/etc", "../runs/1/final", "tiny@9", "", "tiny@1/../1"])
def test_nothing_but_bundled_and_promoted_models_can_be_named(registry, trained, model_id):
    registry.promote(trained("1"))
    with pytest.raises(RegistryError, match="no model"):
        registry.find(model_id)


@pytest.mark.parametrize("version", ["../out", "a/b", "-x", ""])
def test_a_version_that_leads_out_of_the_folder_is_refused(registry, trained, version):
    pointer = registry.promote(trained("2")).folder.parents[2] / POINTER
    rows = json.loads(pointer.read_text())
    rows["models"][0]["version"] = version
    pointer.write_text(json.dumps(rows))
    with pytest.raises(CacaraError, match="version"):
        registry.entries()


def test_a_link_out_of_the_folder_is_no_model_of_it(registry, trained, tmp_path):
    place = registry.promote(trained("1")).folder
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RegistryError, match="no model"):
        registry.find("tiny@1")


def test_a_damaged_pointer_is_told_and_not_taken_for_an_empty_registry(registry, trained):
    registry.promote(trained("1"))
    (registry.folder / POINTER).write_text("{")
    with pytest.raises(RegistryError, match="cannot be read"):
        registry.current()


def test_a_promotion_that_is_interrupted_leaves_the_old_one(registry, trained, monkeypatch):
    registry.promote(trained("1"))

    def fail(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RegistryError, match="no space left"):
        registry.promote(trained("2"))
    assert registry.current() == "tiny@1"
    assert (registry.folder / VERSIONS / "tiny" / "2").is_dir()  # not named, so not offered
    assert "tiny@2" not in {entry.model_id for entry in registry.entries()}


def test_the_command_lists_refuses_and_rolls_back(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cacara", "models", *arguments, "--models", str(tmp_path / "models")]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False)

    listed = run("list")
    assert listed.returncode == 0
    assert f"* {DEFAULT_MODEL} " in listed.stdout
    refused = run("rollback")
    assert (refused.returncode, "nothing to roll back" in refused.stderr) == (1, True)
    assert json.loads(run("list", "--json").stdout)["current"] == DEFAULT_MODEL
