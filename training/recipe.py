"""Recipes of whole models: stages run one after another, each on the checkpoint of the one before."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser

from cacara_files import atomic
from training.run_folder import DEADLINE, RunError

FINAL = "final"
Options = TypeVar("Options")


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
        stages: Stages to train, in order.
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


def run(recipe: Recipe, output: Path, minutes: float | None = None) -> Path:
    """Run the stages, each in a process of its own; return the folder of the last one's checkpoint.

    Stages that are finished are not run again, and one that was interrupted goes on where it was. Each stage works in
    ``output / "1-COMMAND"`` and so on; the model is copied to ``output / "final"``.

    Args:
        recipe: The stages.
        output: The folder of the runs.
        minutes: After so many minutes a stage saves its state and stops, between two of its steps; None for never.

    Raises:
        RunError: A stage failed; it has said why on standard error.
    """
    base, environment = recipe.base, os.environ | {"PYTHONUTF8": "1"}
    if minutes is not None:
        environment[DEADLINE] = str(time.time() + 60 * minutes)
    for number, stage in enumerate(recipe.stages, start=1):
        folder = output / f"{number}-{stage.command}"
        command = [sys.executable, "-m", "training", stage.command, "--recipe", str(stage.recipe)]
        command += ["--output", str(folder)] + (["--base", base] if base else [])
        done = subprocess.run(command, check=False, env=environment)
        if done.returncode:
            raise RunError(f"stage {number}, {stage.command}, ended with exit code {done.returncode}")
        base = str(folder / FINAL)
    with atomic.replacing(output / FINAL) as partial:
        shutil.copytree(Path(str(base)), partial)
    return output / FINAL


def options(path: Path, kind: type[Options]) -> tuple[Options, str]:
    """Return the options and the base of a stage's recipe.

    Raises:
        RunError: It cannot be read, or lacks either.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return options_of(kind, content["options"]), content["base"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise RunError(f"{path} is no recipe with options and a base: {' '.join(str(error).split())}") from error


def options_of(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """Return options of nested values, read as a recipe's are.

    Raises:
        RunError: A name is unknown, or a value unfit.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "options")
    try:
        return parser.instantiate(parser.parse_object({"options": dict(values)})).options
    except ArgumentError as error:
        raise RunError(" ".join(str(error).split())) from error


def _stage(path: Path, row: object, commands: Mapping[str, Callable[..., None]]) -> Stage:
    if not isinstance(row, dict) or row.keys() != {"command", "recipe"}:
        raise RunError(f"{path}: a stage is {row!r:.80}; wanted command and recipe")
    if row["command"] not in commands:
        raise RunError(f"{path}: unknown command {row['command']!r:.40}; wanted one of {', '.join(commands)}")
    recipe = path.parent / str(row["recipe"])
    if not recipe.is_file():
        raise RunError(f"{path}: the stage's recipe {recipe} is missing")
    return Stage(row["command"], recipe)
