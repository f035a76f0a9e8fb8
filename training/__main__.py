"""``python -m training``: one command a method, its options from a recipe, from flags, or both."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from jsonargparse import ActionConfigFile, ArgumentParser

from cacara.errors import CacaraError
from training.emergent_alignment import EmergentAlignmentOptions
from training.emergent_alignment import train as train_emergent_alignment

BENCHMARK = Path("benchmarks/sounds-v1.jsonl")


def emergent_alignment(options: EmergentAlignmentOptions, output: Path, benchmark: Path = BENCHMARK) -> None:
    """Train CACARA: align sounds to the frozen multilingual text space on English captions.

    Args:
        options: The model; ``--recipe`` sets them all, ``--options.FIELD`` one.
        output: The run's folder; the checkpoint is in its ``final``. Run again to go on after an interruption.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.
    """
    final = train_emergent_alignment(options, output, benchmark)
    sys.stdout.write(f"{final}\n")


def benchmark(output: Path = BENCHMARK) -> None:
    """Build the frozen benchmark anew from the packages; the same inputs give the same bytes.

    Args:
        output: The file to write.
    """
    from training import benchmark as builder

    builder.build_from_sources(output)
    sys.stdout.write(f"{output}\n")


COMMANDS: dict[str, Callable[..., None]] = {"emergent_alignment": emergent_alignment, "benchmark": benchmark}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subcommands()
    for name, function in COMMANDS.items():
        command = ArgumentParser(description=(function.__doc__ or "").splitlines()[0])
        command.add_argument("--recipe", action=ActionConfigFile, help="YAML file with the options")
        command.add_function_arguments(function)
        commands.add_subcommand(name, command)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    values = parser.instantiate_classes(chosen)[chosen.subcommand]
    values.pop("recipe", None)
    try:
        COMMANDS[chosen.subcommand](**values)
    except CacaraError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
