"""Recipes of whole models: read strictly, and run stage after stage."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from cacara.model import checkpoint
from training import __main__ as cli
from training import recipe as recipes
from training.run_folder import RunError

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def test_every_bundled_model_has_a_recipe_of_its_name_whose_stages_take_their_files():
    parser = cli._parser()
    for name in checkpoint.bundled():
        recipe = recipes.read(RECIPES / f"{name}.yaml", cli.COMMANDS)
        for number, stage in enumerate(recipe.stages):
            base = ["--base", "x"] if number or recipe.base else []
            parser.parse_args([stage.command, "--recipe", str(stage.recipe), "--output", "x", *base])
        assert recipe.base in (None, *checkpoint.bundled())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stages: []", "is no recipe of a model; wanted a list named stages"),
        ("options: {}", "is no recipe of a model"),
        ("stages: [", "cannot be read"),
        ("stages: [{command: fly, recipe: a.yaml}]", "unknown command 'fly'; wanted one of"),
        ("stages: [{command: uclip, recipe: a.yaml}]", "a.yaml is missing"),
        ("stages: [{command: uclip}]", "wanted command and recipe"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(tmp_path, capsys, text, complaint):
    (tmp_path / "model.yaml").write_text(text)
    assert cli.main(["model", "--recipe", str(tmp_path / "model.yaml"), "--output", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert complaint in told and told.count("\n") == 1


def test_stages_run_in_order_each_on_the_checkpoint_of_the_one_before_and_know_the_time_left(
    tmp_path, monkeypatch, capfd
):
    """A small program stands in for Python: it leaves a checkpoint that says how it was called."""
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\nimport os, pathlib, sys\n"
        "given = dict(zip(sys.argv[4::2], sys.argv[5::2]))\n"
        "final = pathlib.Path(given['--output'], 'final')\nfinal.mkdir(parents=True)\n"
        "(final / 'called').write_text(f\"{sys.argv[3]} {given.get('--base')}\")\n"
        "print(os.environ.get('CACARA_DEADLINE'))\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    final = recipes.run(recipes.read(RECIPES / "mla.yaml", cli.COMMANDS), tmp_path / "mla")
    assert final == tmp_path / "mla" / "final"
    assert (final / "called").read_text() == f"calibration {tmp_path}/mla/3-language_acquisition/final"
    first = (tmp_path / "mla" / "1-emergent_alignment" / "final" / "called").read_text()
    assert first == "emergent_alignment None"
    assert capfd.readouterr().out.split() == ["None"] * 4
    recipes.run(recipes.read(RECIPES / "cacara-plus.yaml", cli.COMMANDS), tmp_path / "plus", minutes=5)
    until = {float(line) for line in capfd.readouterr().out.split()}
    assert len(until) == 1 and time.time() + 200 < until.pop() <= time.time() + 300


def test_a_stage_that_fails_ends_the_recipe_and_is_named(tmp_path, capfd):
    (tmp_path / "stage.yaml").write_text("options: {unknown: 1}")
    (tmp_path / "model.yaml").write_text("stages: [{command: emergent_alignment, recipe: stage.yaml}]")
    recipe = recipes.read(tmp_path / "model.yaml", cli.COMMANDS)
    with pytest.raises(RunError, match="stage 1, emergent_alignment, ended with exit code 2"):
        recipes.run(recipe, tmp_path / "out")
    assert "unknown" in capfd.readouterr().err
