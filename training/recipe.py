"""Recipes of whole models: stages run one after another, each on the checkpoint of the one before."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from cacara import files
from training.run_folder import RunError

FINAL = "final"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training of a recipe.

    Attributes:
        command: Of ``python -m training``.
        recipe: The file with its options.
    """

    command: str
    recipe: Path


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Stages that make a model.

    Attributes:
        stages: What is trained, in order.
        base: The model that the first stage starts from; None where it starts from encoders alone.
    """

    stages: tuple[Stage, ...]
    base: str | None = None


def read(path: Path, commands: Mapping[str, Callable[..., None]]) -> Recipe:
    """Return the recipe of a YAML file: ``stages``, a list of ``command`` and ``recipe``, and perhaps ``base``.

    Args:
        path: The file; the stages' recipes are named relative to its folder.
        commands: The known commands.

    Raises:
        RunError: The file cannot be read or is no recipe, names an unknown command, or a stage's file is missing.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    known = isinstance(content, dict) and {"stages"} <= content.keys() <= {"stages", "base"}
    if not known or not isinstance(content["stages"], list) or not content["stages"]:
        raise RunError(f"{path} is no recipe of a model; wanted a list named stages, and perhaps a base")
    return Recipe(tuple(_stage(path, row, commands) for row in content["stages"]), content.get("base"))


def run(recipe: Recipe, output: Path) -> Path:
    """Run the stages, each in a process of its own; return the folder of the last one's checkpoint.

    Stages that are finished are not run again, and one that was interrupted goes on where it was. Each stage works in
    ``output / "1-COMMAND"`` and so on; the model is copied to ``output / "final"``.

    Raises:
        RunError: A stage failed; it has said why on standard error.
    """
    base = recipe.base
    for number, stage in enumerate(recipe.stages, start=1):
        folder = output / f"{number}-{stage.command}"
        command = [sys.executable, "-m", "training", stage.command, "--recipe", str(stage.recipe)]
        command += ["--output", str(folder)] + (["--base", base] if base else [])
        done = subprocess.run(command, check=False, env=os.environ | {"PYTHONUTF8": "1"})
        if done.returncode:
            raise RunError(f"stage {number}, {stage.command}, ended with exit code {done.returncode}")
        base = str(folder / FINAL)
    with files.replacing(output / FINAL) as partial:
        shutil.copytree(Path(str(base)), partial)
    return output / FINAL


def _stage(path: Path, row: object, commands: Mapping[str, Callable[..., None]]) -> Stage:
    if not isinstance(row, dict) or row.keys() != {"command", "recipe"}:
        raise RunError(f"{path}: a stage is {row!r:.80}; wanted command and recipe")
    if row["command"] not in commands:
        raise RunError(f"{path}: unknown command {row['command']!r:.40}; wanted one of {', '.join(commands)}")
    recipe = path.parent / str(row["recipe"])
    if not recipe.is_file():
        raise RunError(f"{path}: the stage's recipe {recipe} is missing")
    return Stage(row["command"], recipe)
