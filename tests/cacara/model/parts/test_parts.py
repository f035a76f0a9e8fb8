"""Model parts: their table, a part of one's own in a model, and what a model made of another one keeps."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from cacara.encoders import audio, image
from cacara.errors import CheckpointError, QueryError
from cacara.model import checkpoint, towers
from cacara.model.config import ModelConfig
from cacara.model.parts import table
from cacara.model.parts.head import AnchoredHead, ImageHead
from cacara.model.parts.part import Part, TextBatch
from cacara.model.parts.text_map import TextMap
from cacara.model.towers import TowerUpdates
from training.feedback.method import FeedbackObjective, FeedbackTuning, JudgedPairs
from training.sounds.alignment import EmergentAlignment, ObjectiveOptions

LAYER = "encoder.layer.0.output.dense"


class Shift(Part):
    """A part of one's own: it moves texts, reads Klingon itself, and has a file."""

    field, prefix, title = "licence", "shift.", "shifts"  # a field that every config has
    folder = "shifts"
    variants = ("unmoved",)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.by = torch.nn.Parameter(torch.zeros(width))

    @classmethod
    def build(cls, config, towers, report=None):
        return cls(config.text_width)

    def files(self):
        return {"shifts/note.txt": b"moved"}

    def read(self, texts, languages):
        unit = np.eye(self.width, dtype=np.float32)[0]
        return {position: unit for position, language in enumerate(languages) if language == "tlh"}

    def texts(self, batch: TextBatch) -> TextBatch:
        return dataclasses.replace(batch, embeddings=functional.normalize(batch.embeddings + self.by, dim=-1))

    def variant(self, name):
        return None if name == "unmoved" else self


@pytest.fixture
def known(monkeypatch, tiny_model, tiny_image_tower):
    """``Shift`` in the table, and towers that are found by any name."""
    monkeypatch.setattr(table, "PARTS", (*table.PARTS, Shift))
    monkeypatch.setattr(table, "VARIANTS", (*table.VARIANTS, *Shift.variants))
    monkeypatch.setattr(table, "FOLDERS", (*table.FOLDERS, Shift.folder))
    monkeypatch.setattr(checkpoint, "OPTIONAL_FILES", (*checkpoint.OPTIONAL_FILES, Shift.folder))
    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    monkeypatch.setattr(image, "load", lambda *arguments, **named: tiny_image_tower)


@pytest.fixture
def shifted(known, seeing_model, tmp_path):
    """A folder of a model with pictures and with ``Shift``."""
    shift = Shift(32)
    torch.nn.init.normal_(shift.by)
    checkpoint.save(tmp_path / "base", seeing_model.config, [*seeing_model.parts, shift], "# base\n")
    return tmp_path / "base"


def test_no_parts_tensors_can_be_taken_for_anothers_and_each_has_a_field_of_the_config():
    prefixes = [*(kind.prefix for kind in table.PARTS), *towers.PREFIXES.values()]
    assert not any(one.startswith(other) for one, other in itertools.permutations(prefixes, 2))
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    assert all(kind.field in fields for kind in table.PARTS)
    assert {prefix for kind in table.PARTS for prefix in kind.fits} <= set(prefixes)


def test_a_part_of_ones_own_goes_with_the_model(shifted, seeing_model, noise):
    model = checkpoint.load(shifted, "cpu")
    shift = model.part(Shift)
    assert shift is not None and shift.by.any()
    plain = torch.from_numpy(seeing_model.encode_text(["dog", "hund"], ["en", "de"]))
    expected = functional.normalize(plain + shift.by, dim=-1).detach().numpy()
    np.testing.assert_allclose(model.encode_text(["dog", "hund"], ["en", "de"]), expected, atol=1e-6)
    assert np.array_equal(model.encode_audio([noise]), seeing_model.encode_audio([noise]))
    bare = model.variant("unmoved")
    assert np.array_equal(bare.encode_text(["dog"], "en"), plain[:1].numpy()) and bare.fingerprint != model.fingerprint
    with pytest.raises(QueryError, match="seeing has no shifts, so there is no variant 'unmoved'"):
        seeing_model.variant("unmoved")


def test_what_a_part_reads_itself_counts_as_english(shifted):
    model = checkpoint.load(shifted, "cpu")
    raw = torch.eye(32)[:1]
    expected = model.part(Shift).texts(model.centring.texts(TextBatch(raw, ["x"], ["en"], True))).embeddings
    found = model.encode_text(["dog", "Qapla"], ["de", "tlh"])
    np.testing.assert_allclose(found[1:], expected.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(found[:1], model.encode_text(["dog"], "de"), atol=1e-6)


def test_a_model_made_of_another_keeps_all_that_it_is_not_given(shifted, seeing_model, tmp_path):
    head = ImageHead(seeing_model.config.image, 12, 5, 32)
    checkpoint.save(tmp_path / "made", seeing_model.config, [head], "# made\n", base=shifted)
    before, after = (load_file(folder / checkpoint.WEIGHTS) for folder in (shifted, tmp_path / "made"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys() and changed and all(name.startswith("image_head.") for name in changed)
    assert (tmp_path / "made" / "shifts" / "note.txt").read_bytes() == b"moved"


def test_a_model_loses_what_its_config_does_not_have_and_must_have_the_rest(shifted, seeing_model, tmp_path):
    blind = dataclasses.replace(seeing_model.config, image=None)
    checkpoint.save(tmp_path / "blind", blind, [], "# blind\n", base=shifted)
    assert not any(name.startswith("image_head.") for name in load_file(tmp_path / "blind" / checkpoint.WEIGHTS))
    mapped = dataclasses.replace(seeing_model.config, text_map=True)
    with pytest.raises(CheckpointError, match="a config with text maps, but none are given"):
        checkpoint.save(tmp_path / "no", mapped, [], "", base=shifted)
    with pytest.raises(CheckpointError, match="text maps, which its config does not have"):
        checkpoint.save(tmp_path / "no", seeing_model.config, [TextMap(32)], "", base=shifted)
    shift = Shift(32)
    shift.files = dict
    with pytest.raises(CheckpointError, match="holds shifts/note.txt, which would be lost"):
        checkpoint.save(shifted, seeing_model.config, [*seeing_model.parts, shift], "")


def test_updates_of_a_tower_stay_while_the_model_has_that_tower(shifted, seeing_model, tmp_path):
    updates = TowerUpdates(text_lora={f"{LAYER}.down": torch.ones(1, 64), f"{LAYER}.up": torch.ones(32, 1)})
    config = seeing_model.config
    checkpoint.save(tmp_path / "one", config, [], "", base=shifted, updates=updates)
    other = dataclasses.replace(config, text=dataclasses.replace(config.text, backbone="another"))
    kept = {}
    for name, described, given in (("same", config, None), ("other", other, None), ("none", config, {})):
        folder = tmp_path / name
        checkpoint.save(folder, described, [], "", base=tmp_path / "one", updates=TowerUpdates(text_lora=given))
        kept[name] = checkpoint.has_text_updates(folder)
    assert kept == {"same": True, "other": False, "none": False}


def test_training_fine_tuning_and_inference_take_the_anchor_from_one_place(tiny_model, noise, monkeypatch):
    features, probabilities = (value.clone() for value in next(iter(tiny_model.hear([noise, noise[:9000]]))))
    judged = JudgedPairs(
        np.eye(2, 32, dtype=np.float32), features.numpy(), probabilities.numpy(), np.array([[0, 0], [1, 1]]),
        np.array([1, 0], np.float32), np.ones(2, np.float32), np.arange(2),
    )  # fmt: skip
    batch = {"features": features, "probabilities": probabilities}
    batch |= {"texts": functional.normalize(torch.ones(2, 32), dim=-1), "labels": torch.arange(2)}

    def outcomes() -> list[np.ndarray]:
        trained = EmergentAlignment(tiny_model.head, ObjectiveOptions()).eval()(batch)["distillation"]
        tuned = FeedbackTuning(tiny_model.head, judged, FeedbackObjective()).embed(features, probabilities)
        return [tiny_model.encode_audio([noise]), trained.detach().numpy(), tuned.detach().numpy()]

    before = outcomes()
    monkeypatch.setattr(AnchoredHead, "anchor", lambda head, values, offset=None: torch.eye(len(values), 32))
    assert not any(np.allclose(one, other) for one, other in zip(before, outcomes(), strict=True))
