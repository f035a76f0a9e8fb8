from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cacara.errors import ManifestError
from cacara.model.config import TextConfig
from training import __main__ as cli
from training.loop import LoopOptions
from training.run_folder import RunError
from training.sounds.alignment import EmergentAlignmentOptions, ObjectiveOptions

RECIPE = Path(__file__).parents[2] / "training" / "recipes" / "stages" / "sounds.yaml"


class Calls(list):
    """Stands for the training function and keeps what it was called with."""

    def __call__(self, options: EmergentAlignmentOptions, output: Path, benchmark: Path) -> Path:
        self.append((options, output, benchmark))
        return output / "final"


@pytest.fixture
def calls(monkeypatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(cli, "train_emergent_alignment", calls)
    return calls


def call(*flags: str) -> int:
    return cli.main(["emergent_alignment", "--recipe", str(RECIPE), "--output", "runs/x", *flags])


def refusal(capsys, *arguments: str) -> str:
    """Call with ``arguments``; return the one line that says what was wrong."""
    assert cli.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def test_a_recipe_reaches_the_function_and_the_checkpoint_is_named(calls, capsys):
    assert call() == 0
    [(options, output, benchmark)] = calls
    assert output == Path("runs/x") and benchmark == Path("benchmarks/sounds-v1.jsonl")
    assert capsys.readouterr().out == f"{output / 'final'}\n"
    assert options.name == "cacara" and "wesnoth" in options.packages
    assert options.text == TextConfig("multilingual-e5-small", "query: ", 128)
    assert options.audio_backbone == "yamnet" and options.trainable == "projection"
    assert options.loop == LoopOptions(steps=800, batch_size=256, checkpoint_every=200)
    assert options.objective == ObjectiveOptions(temperature=0.05, projection_share=0.5, distillation=3.0)


def test_a_flag_reaches_the_function_and_overrules_the_recipe(calls):
    flags = ("--options.loop.steps", "3", "--options.text.backbone", "folder", "--options.head.damping=0.25")
    assert call(*flags, "--benchmark", "other.jsonl") == 0
    [(options, _, benchmark)] = calls
    assert options.loop == LoopOptions(steps=3, batch_size=256, checkpoint_every=200)
    assert options.text == TextConfig("folder", "query: ", 128)
    assert options.head.damping == 0.25
    assert benchmark == Path("other.jsonl")


def test_flags_alone_do_without_a_recipe(calls):
    values = {"name": "a", "version": "1", "licence": "b", "licence_reason": "c", "recipe": "d", "packages": "[e, f]"}
    flags = [part for name, value in values.items() for part in (f"--options.{name}", value)]
    assert cli.main(["emergent_alignment", *flags, "--output", "x"]) == 0
    assert calls[0][0].packages == ("e", "f")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--options.loop.stepz", "3"), "options.loop.stepz"),
        (("--options.loop.steps", "three"), "Got value: three"),
        (("--options.loop.steps", "0"), "loop.steps is 0; wanted more than 0"),
        (("--options.loop.precision", "fp64"), "fp64"),
        (("--options.trainable", "some"), "projection"),
        (("--options.audio_backbone", "clap"), "yamnet"),
        (("--options.head.damping", "2"), "head.damping is 2"),
    ],
)
def test_an_unknown_flag_or_a_bad_value_is_refused_in_one_line(calls, capsys, flags, complaint):
    arguments = ("emergent_alignment", "--recipe", str(RECIPE), "--output", "x", *flags)
    assert complaint in refusal(capsys, *arguments)
    assert calls == []


def test_a_recipe_that_does_not_exist_or_cannot_be_read_is_refused_in_one_line(calls, capsys, tmp_path):
    assert "nowhere.yaml" in refusal(capsys, "emergent_alignment", "--recipe", "nowhere.yaml", "--output", "x")
    (tmp_path / "bad.yaml").write_text("options: {loop: [", encoding="utf-8")
    (tmp_path / "unknown.yaml").write_text("options: {lop: 1}", encoding="utf-8")
    refusal(capsys, "emergent_alignment", "--recipe", str(tmp_path / "bad.yaml"), "--output", "x")
    unknown = refusal(capsys, "emergent_alignment", "--recipe", str(tmp_path / "unknown.yaml"), "--output", "x")
    assert "lop" in unknown


def test_what_is_missing_is_named(calls, capsys):
    assert "output" in refusal(capsys, "emergent_alignment", "--recipe", str(RECIPE))
    assert "options.name" in refusal(capsys, "emergent_alignment", "--output", "x")
    assert "emergent_alignment" in refusal(capsys)
    assert "no_such_method" in refusal(capsys, "no_such_method")


def test_help_tells_every_field_with_its_docstring(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["emergent_alignment", "--help"])
    assert stopped.value.code == 0
    help_text = " ".join(capsys.readouterr().out.split())
    for expected in (
        "--options.loop.steps STEPS Optimiser steps. (type: int, default: 400)",
        "--options.objective.temperature TEMPERATURE Of the contrastive losses.",
        "--options.text.prefix PREFIX Put before every text, as the backbone was trained.",
        "--options.trainable {projection,last_n,all,lora} The part that learns: ",
        "--recipe RECIPE YAML file with the options",
        "--output OUTPUT The run's folder",
    ):
        assert expected in help_text, expected


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ManifestError("a clip leaks"), "error: a clip leaks\n"),
        (RunError("another run"), "error: another run\n"),
        (PermissionError(13, "Permission denied", "/root"), "error: [Errno 13] Permission denied: '/root'\n"),
    ],
)
def test_a_run_that_fails_says_so_in_one_line(monkeypatch, capsys, error, line):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli, "train_emergent_alignment", fail)
    assert call() == 1
    assert capsys.readouterr() == ("", line)


def test_an_interrupted_run_ends_without_a_traceback(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "train_emergent_alignment", interrupt)
    assert call() == 130
    assert capsys.readouterr().err == "stopped\n"


def test_the_baselines_recipes_differ_in_their_names_and_the_text_encoder_alone(calls, monkeypatch):
    from training.sounds import translated_captions

    monkeypatch.setattr(translated_captions, "train", calls)
    for command, recipe in (
        ("emergent_alignment", "stages/english-sounds.yaml"),
        ("translated_captions", "baselines/translated.yaml"),
    ):
        assert cli.main([command, "--recipe", str(RECIPE.parents[1] / recipe), "--output", "runs/x"]) == 0
    assert call() == 0
    [(english, _, _), (translated, _, _), (demo, _, _)] = calls
    assert (english.name, translated.name) == ("english-only", "translated")
    assert english.text == TextConfig("all-MiniLM-L6-v2", "", 128) and translated.text == demo.text
    changed = {field: getattr(translated, field) for field in ("name", "version", "recipe", "text")}
    assert translated == dataclasses.replace(english, **changed)
    assert english.profile is None and demo.profile is not None
    assert set(english.packages) < set(demo.packages)


def test_m2ms_recipe_has_the_baselines_sounds_and_no_anchor(calls, monkeypatch):
    monkeypatch.setattr(cli, "train_linear_map", calls)
    english = RECIPE.parent / "english-sounds.yaml"
    assert cli.main(["emergent_alignment", "--recipe", str(english), "--output", "runs/x"]) == 0
    place = RECIPE.parents[1] / "baselines" / "m2m.yaml"
    assert cli.main(["linear_map", "--recipe", str(place), "--output", "runs/x"]) == 0
    [(english, _, _), (m2m, _, _)] = calls
    assert m2m.name == "m2m" and m2m.packages == english.packages and m2m.loop == english.loop
    assert m2m.text == TextConfig("multilingual-e5-small", "query: ", 128)
