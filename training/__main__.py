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
from training.run_folder import RunError

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


def prepare(
    output: Path, benchmark: Path = BENCHMARK, packages: list[str] | None = None, licences: list[str] | None = None
) -> None:
    """Write the training data as manifests, with a report of what is in them.

    Args:
        output: The folder for ``clips.jsonl``, ``pairs-strict.jsonl``, ``pairs-studio.jsonl`` and ``report.json``.
        benchmark: The frozen benchmark, which is kept out.
        packages: Sources of sounds; all when not given (2.5 GB).
        licences: Keep only clips under these, e.g. ``[CC0-1.0]`` for a model without conditions.
    """
    from training import prepare as preparation
    from training.corpora.packages import PACKAGES

    report = preparation.prepare(output, benchmark, packages or sorted(PACKAGES), licences or ())
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "prepare": prepare,
    "emergent_alignment": emergent_alignment,
    "benchmark": benchmark,
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
