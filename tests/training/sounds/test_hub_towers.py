"""The paper's kind of towers, tiny: saved to a folder, trained for two steps, saved, loaded, searched."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from searching import search

from cacara.encoders import text
from cacara.galleries import gallery
from cacara.model import checkpoint
from cacara.model.config import TextConfig
from cacara.search.retriever import Retriever
from tests.cacara.encoders.test_hub_towers import LABELS, open_clip, save_ast, save_clap, xlm_roberta  # noqa: F401
from tests.training.sounds.test_alignment import World, noise, world  # noqa: F401
from training import __main__ as cli
from training import dry_run
from training.loop import LoopOptions
from training.run_folder import RunError
from training.sounds.alignment import EmergentAlignmentOptions, HeadOptions, ObjectiveOptions
from training.sounds.trainable import TuningOptions

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
NO_ANCHOR = HeadOptions(hidden=16, projection_weight=1.0, anchor_weight=0.0)
ALONE = ObjectiveOptions(projection_share=0.0, distillation=0.0)
TWO_STEPS = LoopOptions(steps=2, batch_size=4, checkpoint_every=1)


def folder_of(tower: str, path: Path) -> Path:
    return save_ast(path, "ASTModel") if tower == "ast" else save_clap(path)


@pytest.mark.parametrize(
    ("tower", "trainable"),
    [("ast", "projection"), ("ast", "lora"), ("ast", "last_n"), ("clap", "lora"), ("clap", "all")],
)
def test_two_steps_leave_a_model_that_loads_and_searches(world, open_clip, tmp_path, tower, trainable, monkeypatch):  # noqa: F811
    backbone = folder_of(tower, tmp_path / tower)
    options = dataclasses.replace(
        world.options,
        text=TextConfig(str(open_clip), "", 16),
        audio_backbone=str(backbone),
        trainable=trainable,
        tuning=TuningOptions(last_n=1, lora_rank=2, cached=False, checkpoint_gradients=True),
        head=NO_ANCHOR,
        objective=ALONE,
        loop=TWO_STEPS,
    )
    before = text.load(options.text).state_dict()
    final = dataclasses.replace(world, options=options).train()
    model = checkpoint.load(final)
    assert model.dimension == 12 and model.audio.classes == 0
    after = model.text.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    sounds = tmp_path / "sounds"
    noise(sounds / "dog.wav", 1)
    noise(sounds / "cat.wav", 2)
    hits = search(Retriever(model, gallery.load_folder(sounds)), "dog", language="en")
    assert {hit.text for hit in hits} == {"dog", "cat"}
    assert sorted(hits, key=lambda hit: -hit.score) == list(hits) and np.isfinite([hit.score for hit in hits]).all()


def test_an_ast_with_named_classes_has_an_anchor_of_their_names(world, tmp_path):  # noqa: F811
    labelled = save_ast(tmp_path / "ast", id2label=LABELS, label2id={name: n for n, name in LABELS.items()})
    model = checkpoint.load(world.train(audio_backbone=str(labelled), trainable="last_n"))
    anchors = model.head.class_embeddings
    assert anchors.shape == (3, 32)
    torch.testing.assert_close(anchors.norm(dim=1), torch.ones(3))
    assert model.variant("untrained").encode_audio([np.ones(8000, np.float32)]).shape == (1, 32)


def test_an_anchor_that_no_classes_carry_is_refused(world, tmp_path):  # noqa: F811
    with pytest.raises(RunError, match="head.anchor_weight is 0.5, but .*clap names no classes; wanted 0"):
        world.train(audio_backbone=str(save_clap(tmp_path / "clap")))


def recipe(name: str, monkeypatch) -> EmergentAlignmentOptions:
    calls: list[EmergentAlignmentOptions] = []
    monkeypatch.setattr(cli, "train_emergent_alignment", lambda options, *_: calls.append(options) or Path("x"))
    assert cli.main(["emergent_alignment", "--recipe", str(RECIPES / name), "--output", "x"]) == 0
    return calls[0]


@pytest.mark.parametrize("name", ["paper-ast.yaml", "paper-clap.yaml"])
def test_the_papers_recipes_are_read_and_their_architectures_known(monkeypatch, name):
    options = recipe(name, monkeypatch)
    assert options.recipe == f"training/recipes/{name}"
    assert [folder.layout for folder in options.folders] == ["audiocaps", "clotho"]
    assert options.text.backbone in dry_run.TEXT_ARCHITECTURES
    assert options.audio_backbone in dry_run.AUDIO_ARCHITECTURES
    assert options.loop.precision == "bf16" and options.tuning.checkpoint_gradients
    assert options.head.anchor_weight == 0


@pytest.fixture
def bf16():
    """Forget the precision of this process's earlier runs, and then this one's: accelerate allows one a process."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_dry_run_takes_a_step_and_counts_what_learns(bf16, monkeypatch, capsys):
    options = recipe("paper-ast.yaml", monkeypatch)
    capsys.readouterr()
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from cacara.encoders.hub.text import HubText

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    tiny = XLMRobertaModel(XLMRobertaConfig(vocab_size=50, **sizes), add_pooling_layer=False)
    monkeypatch.setitem(dry_run.TEXT_ARCHITECTURES, options.text.backbone, lambda: HubText(tiny, None))
    flags = ["--options.audio_backbone", "yamnet", "--options.trainable", "last_n", "--options.tuning.last_n", "1"]
    path = str(RECIPES / "paper-ast.yaml")
    assert cli.main(["dry_run", "--recipe", path, *flags, "--clips", "2", "--seconds", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    parameters = report["parameters"]
    # The published 3,751,369 count three values a channel of the batch norms, 10,944 in all; here two are weights.
    assert parameters["audio tower"] == {"total": 3_751_369 - 10_944, "trainable": 9 * 1024 + 1024**2 + 4 * 1024}
    assert parameters["text tower"]["trainable"] == 0 and parameters["text tower"]["total"] > 50 * 32
    assert json.loads(report["losses"])["step"] == 1
    assert (
        list(report["seconds"])
        == list(report["processor_seconds"])
        == [
            "build the text tower",
            "build the audio side",
            "embed the captions",
            "one training step",
        ]
    )
    peaks = list(report["peak_memory_mb"].values())
    assert peaks == sorted(peaks) and peaks[0] > 50


def test_a_dry_run_of_an_unknown_size_is_refused(monkeypatch):
    options = dataclasses.replace(recipe("paper-ast.yaml", monkeypatch), audio_backbone="nobody/nothing")
    with pytest.raises(
        RunError, match="audio_backbone is 'nobody/nothing', whose size is not known here; wanted one of MIT"
    ):
        dry_run.run(options, 2, 1.0)
