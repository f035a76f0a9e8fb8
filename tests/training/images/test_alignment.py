"""Adding pictures to a model: what changes, what stays bit by bit, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import ImageRow, Rows
from cacara.encoders import image
from cacara.errors import CheckpointError, ManifestError, QueryError
from cacara.model import checkpoint
from cacara.model.config import ImageConfig
from cacara.model.parts.head import ImageHead
from training.images import alignment
from training.images import card as image_card
from training.images.alignment import ImageAlignmentOptions, ImageHeadOptions, phrasings, train_pictures
from training.images.features import ImageViewOptions
from training.loop import LoopOptions
from training.run_folder import RunError

CONCEPTS = ("banana", "key", "kite", "tent")
OPTIONS = ImageAlignmentOptions(
    recipe="recipe.yaml",
    head=ImageHeadOptions(hidden=16, anchor_top=2),
    views=ImageViewOptions(views=2),
    loop=LoopOptions(steps=4, batch_size=4, checkpoint_every=2),
)


@pytest.fixture
def base(tiny_model, tmp_path, monkeypatch):
    """A model folder without pictures, its audio backbone a tiny one."""
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    folder = tmp_path / "base"
    checkpoint.save(folder, tiny_model.config, [tiny_model.head, tiny_model.centring], "# tiny\n\nA card.\n")
    return folder


@pytest.fixture
def world(tmp_path, monkeypatch, tiny_image_tower):
    """Four stamps on disk, their benchmark, an empty benchmark of sounds, and a tiny tower of five classes."""
    root = tmp_path / "stamps"
    root.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for number, concept in enumerate(CONCEPTS):
        Image.fromarray(random.integers(0, 255, (30, 40, 3)).astype(np.uint8)).save(root / f"{concept}.png")
        (root / f"{concept}.txt").write_text(f"A {concept} here.\nde.utf8=Etwas {number}.\n", encoding="utf-8")
        hashes = [benchmark_file.file_hash(root / f"{concept}.{suffix}") for suffix in ("png", "txt")]
        rows.append(
            ImageRow("train", concept, concept, "tuxpaint", f"{concept}.png", hashes[0], f"{concept}.txt", hashes[1])
        )
    benchmark_file.write(Rows("images-test", 1, {}, images=tuple(rows)), tmp_path / "images.jsonl")
    benchmark_file.write(benchmark_file.Rows("sounds-test", 1, {}, (), ()), tmp_path / "sounds.jsonl")
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cacara.sources.fetch_all", lambda keys, report: {"tuxpaint": root})
    monkeypatch.setattr(image, "load", lambda backbone, report=None: tiny_image_tower)
    names = [(name, f"it is {name}") for name in ("kite", "banana", "key, lock", "tent", "dog")]
    monkeypatch.setattr("cacara.sources.converters.efficientnet.class_names", lambda: names)
    return tmp_path


def train(world, base, output="run", options=OPTIONS):
    return alignment.train(options, str(base), world / output, world / "images.jsonl", world / "sounds.jsonl")


def test_texts_and_sounds_stay_bit_by_bit_and_pictures_come_beside(world, base, noise):
    final = train(world, base)
    before, after = (load_file(folder / checkpoint.WEIGHTS) for folder in (base, final))
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())
    added = set(after) - set(before)
    assert added
    assert all(name.startswith("image_head.") and after[name].dtype == torch.float16 for name in added)
    old, new = checkpoint.load(base, "cpu"), checkpoint.load(final, "cpu")
    assert (old.encode_text(["ein hund"], "de") == new.encode_text(["ein hund"], "de")).all()
    assert (old.encode_audio([noise]) == new.encode_audio([noise])).all()
    picture = np.full((20, 30, 3), 90, np.uint8)
    (embedding,) = new.encode_image([picture])
    assert embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert new.encode_image([]).shape == (0, 32)
    assert (old.sees, new.sees) == (False, True)
    with pytest.raises(QueryError, match="knows no pictures"):
        old.encode_image([picture])


def test_the_same_inputs_give_the_same_bytes_and_another_base_of_the_same_texts_the_same_head(world, base):
    first, second = train(world, base, "one"), train(world, base, "two")
    assert (first / checkpoint.WEIGHTS).read_bytes() == (second / checkpoint.WEIGHTS).read_bytes()
    again = train(world, first, "three")  # a model that has pictures already gets them anew
    assert (first / checkpoint.WEIGHTS).read_bytes() == (again / checkpoint.WEIGHTS).read_bytes()
    assert (again / checkpoint.CARD).read_text().count(f"## {image_card.HEADING}\n") == 1


def test_a_run_leaves_the_expected_files_and_another_run_is_refused_there(world, base):
    final = train(world, base)
    assert {path.name for path in final.iterdir()} == set(checkpoint.FILES)
    config = json.loads((final / checkpoint.CONFIG).read_text())
    assert config["image"]["anchor_top"] == 2
    assert "image" not in json.loads((base / checkpoint.CONFIG).read_text())
    card = (final / checkpoint.CARD).read_text()
    assert card.startswith("---\ntraining:\n  pictures: 4\n---\n\n# tiny\n\nA card.\n\n## Pictures\n")
    assert "on\n4 pictures of 4 concepts" in card
    changed = dataclasses.replace(OPTIONS, loop=dataclasses.replace(OPTIONS.loop, seed=1))
    with pytest.raises(RunError, match=r"loop\.seed was 0, is 1"):
        train(world, base, options=changed)


def test_only_the_projection_learns(world, base):
    frozen = {name: value.clone() for name, value in image.load("x").state_dict().items()}
    short = dataclasses.replace(OPTIONS, loop=LoopOptions(steps=1, batch_size=4, learning_rate=1e-9))
    little, much = (
        load_file(train(world, base, str(n), options) / checkpoint.WEIGHTS)
        for n, options in enumerate((short, OPTIONS))
    )
    assert all(torch.equal(value, frozen[name]) for name, value in image.load("x").state_dict().items())
    changed = {name for name in much if not torch.equal(little[name], much[name])}
    assert changed
    assert all(name.startswith("image_head.projection.") for name in changed)


def test_train_pictures_have_english_alone(world):
    pictures = train_pictures(
        benchmark_file.read(world / "images.jsonl"), world / "images.jsonl", world / "sounds.jsonl"
    )
    assert [picture.captions for picture in pictures] == [
        {"en": (f"A {name} here.", f"A {name}.")} for name in CONCEPTS
    ]


def test_a_benchmark_that_breaks_its_rules_is_not_trained_on(world, base):
    sound = benchmark_file.SoundRow("test", "kite", "a/kite", "tuxpaint", "kite.ogg", "0" * 64)
    benchmark_file.write(benchmark_file.Rows("sounds-test", 1, {}, (sound,), ()), world / "sounds.jsonl")
    with pytest.raises(ManifestError, match="'kite' is heard in test and seen in train"):
        train(world, base)


def test_a_class_is_phrased_by_its_names_and_by_what_it_is():
    assert phrasings("Tabby, tabby cat", "a grey cat") == [
        "tabby",
        "tabby cat",
        "a picture of tabby",
        "a picture of tabby cat",
        "tabby: a grey cat",
        "a grey cat",
    ]


@pytest.mark.parametrize(
    "wrong", [{"backbone": "clip"}, {"hidden": 0}, {"anchor_top": 0}, {"damping": 1.5}, {"damping": -0.1}]
)
def test_unfit_options_are_told(wrong):
    with pytest.raises(RunError, match=next(iter(wrong))):
        ImageHeadOptions(**wrong)


def test_image_tensors_that_the_config_does_not_tell_of_are_refused(world, base):
    final = train(world, base)
    config = json.loads((final / checkpoint.CONFIG).read_text())
    del config["image"]
    (final / checkpoint.CONFIG).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="tensors of no known part: image_head"):
        checkpoint.load(final, "cpu")


def test_a_head_of_another_width_is_refused(world, base):
    final = train(world, base)
    wide = ImageConfig("efficientnet-lite0", 99, 0.5, 0.5, 2, 1.0)
    config = dataclasses.replace(checkpoint.read_config(final), image=wide)
    head = ImageHead(ImageConfig("x", 16, 0.5, 0.5, 2, 1.0), 12, 5, 32)
    checkpoint.save(world / "wide", config, [head], "", base=final)
    with pytest.raises(CheckpointError, match="does not fit its config"):
        checkpoint.load(world / "wide", "cpu")


def test_the_recipe_is_read_by_the_command(monkeypatch, tmp_path):
    from training import __main__ as command

    asked = {}
    monkeypatch.setattr(command, "train_image_alignment", lambda *values: asked.update(values=values) or tmp_path)
    recipe = Path(command.__file__).parent / "recipes" / "stages" / "pictures.yaml"
    given = ["--recipe", str(recipe), "--base", "cacara", "--output", str(tmp_path), "--options.loop.steps", "7"]
    assert command.main(["image_alignment", *given]) == 0
    options, name, *_ = asked["values"]
    assert (options.loop.steps, options.head.projection_weight, name) == (7, 0.3, "cacara")
