"""``python -m training``: one command a method, its options from a recipe, from flags, or both."""

from __future__ import annotations

import json
import logging
import sys
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from pathlib import Path

from jsonargparse import ActionConfigFile, ArgumentParser

from cacara.errors import CacaraError
from training.emergent_alignment import EmergentAlignmentOptions
from training.emergent_alignment import train as train_emergent_alignment
from training.image_alignment import ImageAlignmentOptions
from training.image_alignment import train as train_image_alignment
from training.linear_map import LinearMapOptions
from training.linear_map import train as train_linear_map
from training.run_folder import RunError
from training.text_alignment import TextAlignmentOptions
from training.text_alignment import train as train_text_alignment

BENCHMARK = Path("benchmarks/sounds-v1.jsonl")
IMAGE_BENCHMARK = Path("benchmarks/images-v1.jsonl")


def emergent_alignment(options: EmergentAlignmentOptions, output: Path, benchmark: Path = BENCHMARK) -> None:
    """Train CACARA: align sounds to the frozen multilingual text space on English captions.

    Args:
        options: The model; ``--recipe`` sets them all, ``--options.FIELD`` one.
        output: The run's folder; the checkpoint is in its ``final``. Run again to go on after an interruption.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.
    """
    final = train_emergent_alignment(options, output, benchmark)
    sys.stdout.write(f"{final}\n")


def translated_captions(options: EmergentAlignmentOptions, output: Path, benchmark: Path = BENCHMARK) -> None:
    """Train a baseline that is not English-only: the same model on captions in all languages, out of lexicons.

    Args:
        options: The model, as of ``emergent_alignment``.
        output: The run's folder; the checkpoint is in its ``final``.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.
    """
    from training.translated_captions import train

    sys.stdout.write(f"{train(options, output, benchmark)}\n")


def text_alignment(
    options: TextAlignmentOptions, output: Path, base: str = "cacara", benchmark: Path = BENCHMARK
) -> None:
    """Train the text side of a model on translations; its sounds and pictures stay as they are.

    Args:
        options: The model.
        output: The run's folder; the checkpoint is in its ``final``.
        base: A bundled model's name or a model folder.
        benchmark: The frozen benchmark, whose texts are kept out as the policy says.
    """
    sys.stdout.write(f"{train_text_alignment(options, base, output, benchmark)}\n")


def linear_map(options: LinearMapOptions, output: Path, benchmark: Path = BENCHMARK) -> None:
    """Train a baseline in the manner of M2M: a linear layer on each side of two frozen towers, English captions only.

    Args:
        options: The model.
        output: The run's folder; the checkpoint is in its ``final``.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.
    """
    sys.stdout.write(f"{train_linear_map(options, output, benchmark)}\n")


def benchmark(output: Path = BENCHMARK) -> None:
    """Build the frozen benchmark anew from the packages; the same inputs give the same bytes.

    Args:
        output: The file to write.
    """
    from training import benchmark as builder

    builder.build_from_sources(output)
    sys.stdout.write(f"{output}\n")


def prepare(
    output: Path, benchmark: Path = BENCHMARK, packages: list[str] | None = None, licences: list[str] | None = None
) -> None:
    """Write the training data as manifests, with a report of what is in them.

    Args:
        output: The folder for ``clips.jsonl``, ``pairs-strict.jsonl``, ``pairs-studio.jsonl``, ``report.json`` and
            ``report.html``.
        benchmark: The frozen benchmark, which is kept out.
        packages: Sources of sounds; all when not given (2.5 GB).
        licences: Keep only clips under these, e.g. ``[CC0-1.0]`` for a model without conditions.
    """
    from training import prepare as preparation
    from training.corpora.packages import PACKAGES

    report = preparation.prepare(output, benchmark, packages or sorted(PACKAGES), licences or ())
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def dry_run(options: EmergentAlignmentOptions, clips: int = 4, seconds: float = 10.0) -> None:
    """Take one training step of a recipe's full-size architecture with random weights, and say what it costs.

    Args:
        options: As for ``emergent_alignment``; nothing is fetched and nothing saved.
        clips: Sounds in the step's batch.
        seconds: Length of each.
    """
    from training import dry_run as trial

    report = trial.run(options, clips, seconds)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def image_alignment(
    options: ImageAlignmentOptions,
    base: str,
    output: Path,
    benchmark: Path = IMAGE_BENCHMARK,
    sounds: Path = BENCHMARK,
) -> None:
    """Add pictures to a model that exists, on English descriptions; its texts and sounds stay as they are.

    Args:
        options: The image head; ``--recipe`` sets them all, ``--options.FIELD`` one.
        base: The model: a bundled model's name or a model folder.
        output: The run's folder; the model with pictures is in its ``final``. Run again to go on.
        benchmark: The frozen benchmark of pictures, whose train split is trained on.
        sounds: The frozen benchmark of sounds, whose concepts are kept out.
    """
    final = train_image_alignment(options, base, output, benchmark, sounds)
    sys.stdout.write(f"{final}\n")


def image_benchmark(output: Path = IMAGE_BENCHMARK, sounds: Path = BENCHMARK) -> None:
    """Build the frozen benchmark of pictures anew from the stamps; the same inputs give the same bytes.

    Args:
        output: The file to write.
        sounds: The frozen benchmark of sounds, which decides the split of the concepts that sound.
    """
    from training import image_benchmark as builder

    builder.build_from_sources(output, sounds)
    sys.stdout.write(f"{output}\n")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "prepare": prepare,
    "emergent_alignment": emergent_alignment,
    "text_alignment": text_alignment,
    "translated_captions": translated_captions,
    "linear_map": linear_map,
    "benchmark": benchmark,
    "image_alignment": image_alignment,
    "image_benchmark": image_benchmark,
    "dry_run": dry_run,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 1 when it failed, 2 when it was called wrongly."""
    parser = _parser()
    try:
        chosen = parser.parse_args(arguments)
        values = parser.instantiate(chosen)[chosen.subcommand]
    except (ArgumentError, RunError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}; python -m training COMMAND --help lists all flags\n")
        return 2
    values.pop("recipe", None)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    try:
        COMMANDS[chosen.subcommand](**values)
    except (CacaraError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m training", description=__doc__, exit_on_error=False)
    commands = parser.add_subcommands()
    for name, function in COMMANDS.items():
        command = ArgumentParser(description=(function.__doc__ or "").splitlines()[0])
        command.add_argument("--recipe", action=ActionConfigFile, help="YAML file with the options")
        command.add_function_arguments(function)
        commands.add_subcommand(name, command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
