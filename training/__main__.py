"""``python -m training``: one command a method, its options from a recipe, from flags, or both."""

from __future__ import annotations

import json
import logging
import signal
import sys
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from pathlib import Path

from jsonargparse import ActionConfigFile, ArgumentParser

from cacara.errors import CacaraError
from cacara.lexicon import PersonalWords
from cacara.lexicon import table as lexicon_table
from cacara.model.config import DEFAULT_MODEL
from training.calibration.calibrate import CalibrationOptions
from training.feedback.data import MinimumFeedback
from training.feedback.finetuning import FeedbackOptions
from training.images.alignment import ImageAlignmentOptions
from training.images.alignment import train as train_image_alignment
from training.mla.acquisition import LanguageAcquisitionOptions
from training.run_folder import RunError
from training.sounds.alignment import EmergentAlignmentOptions
from training.sounds.alignment import train as train_emergent_alignment
from training.sounds.linear_map import LinearMapOptions
from training.sounds.linear_map import train as train_linear_map
from training.texts.memory import LexicalMemoryOptions
from training.texts.memory import give as give_memory
from training.uclip.projectors import UclipOptions
from training.uclip.projectors import train as train_uclip

BENCHMARK = Path("benchmarks/sounds-v1.jsonl")
IMAGE_BENCHMARK = Path("benchmarks/images-v1.jsonl")
DEV_BENCHMARK = Path("benchmarks/dev-2.jsonl")
STAGES = Path(__file__).parent / "recipes" / "stages"
LEXICON = lexicon_table.BUNDLED


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
    from training.sounds.translated_captions import train

    sys.stdout.write(f"{train(options, output, benchmark)}\n")


def uclip(
    options: UclipOptions, base: str, output: Path, benchmark: Path = BENCHMARK, pictures: Path = IMAGE_BENCHMARK
) -> None:
    """Train uCLIP: heads that give a dual encoder of English the languages of a text encoder, from unpaired data.

    Args:
        options: The model; ``--recipe`` sets them all, ``--options.FIELD`` one.
        base: The dual encoder: a bundled model's name or a model folder.
        output: The run's folder; the checkpoint is in its ``final``. Run again to go on after an interruption.
        benchmark: The frozen benchmark of sounds, whose sounds and texts are kept out.
        pictures: The frozen benchmark of pictures, of which only the train split is used.
    """
    sys.stdout.write(f"{train_uclip(options, base, output, benchmark, pictures)}\n")


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
    from training.data.benchmarks import sounds as builder

    builder.build_from_sources(output)
    sys.stdout.write(f"{output}\n")


def prepare(
    output: Path, benchmark: Path = BENCHMARK, packages: list[str] | None = None, licences: list[str] | None = None
) -> None:
    """Write the training data as manifests, with a report of what is in them.

    Args:
        output: The folder for ``clips.jsonl``, ``pairs-POLICY.jsonl`` and ``lexicon-POLICY.jsonl.gz`` of the policies
            strict and studio, ``report.json`` and ``report.html``.
        benchmark: The frozen benchmark, which is kept out.
        packages: Sources of sounds; all when not given (2.5 GB).
        licences: Keep only clips under these, e.g. ``[CC0-1.0]`` for a model without conditions.
    """
    from training.data import prepare as preparation
    from training.data.corpora.packages import PACKAGES

    report = preparation.prepare(output, benchmark, packages or sorted(PACKAGES), licences or ())
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def gallery(output: Path | None = None, benchmark: Path = BENCHMARK) -> None:
    """Write the table of the default gallery's sounds anew, from the packages of set-up.

    Args:
        output: The table; that of ``cacara.galleries.default_gallery`` when not given.
        benchmark: The frozen benchmark; sounds that it or one beside it has are marked.
    """
    import yaml

    from cacara.galleries.default_gallery import TABLE
    from training.data import gallery_table

    recipes = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(STAGES.glob("*.yaml"))]
    trained_on = {key for recipe in recipes for key in recipe["options"].get("packages") or ()}
    counts = gallery_table.build(benchmark, sorted(trained_on), output or TABLE)
    sys.stdout.write(json.dumps(counts, indent=1) + "\n")


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


def dev_benchmark(
    output: Path = Path("runs/dev-2.jsonl"), sounds: Path = BENCHMARK, frozen: Path = DEV_BENCHMARK
) -> None:
    """Build dev-2, the benchmark by which choices are made, anew, and say how it differs from the frozen file.

    Args:
        output: The file to write, never the frozen one.
        sounds: The frozen benchmark of sounds, none of whose recordings may be in this one.
        frozen: dev-2 as it was when choices began: every filter of the lexicon since gives some other texts.
    """
    from training.data.benchmarks import dev as builder

    sys.stdout.write(f"{output}: {builder.build_from_sources(sounds, output, frozen)}\n")


def lexicon(output: Path = LEXICON, sounds: Path = BENCHMARK, pictures: Path = IMAGE_BENCHMARK) -> None:
    """Build the lexicon's table that lexical memories look words up in; the same inputs give the same bytes.

    Args:
        output: The folder to write.
        sounds: The frozen benchmark of sounds, whose strings and concepts are kept out as the policies say.
        pictures: The frozen benchmark of pictures, likewise.
    """
    from training.data.lexicon.table import build_from_sources

    build_from_sources(output, sounds, pictures)
    sys.stdout.write(f"{output}\n")


def lexical_memory(options: LexicalMemoryOptions, base: str, output: Path) -> None:
    """Give a model a lexical memory: words that a lexicon knows are mixed into texts by what they mean in English.

    Args:
        options: The memory; ``--recipe`` sets it.
        base: A bundled model's name or a model folder; its weights stay as they are.
        output: The run's folder; the model is in its ``final``.
    """
    sys.stdout.write(f"{give_memory(base, output, options)}\n")


def calibration(
    options: CalibrationOptions, base: str, output: Path, benchmark: Path = DEV_BENCHMARK, sounds: Path = BENCHMARK
) -> None:
    """Give a model a calibration: how likely its hits are right, fitted on dev-2; its weights stay as they are.

    Args:
        options: The calibration; ``--recipe`` sets it.
        base: A bundled model's name or a model folder.
        output: The run's folder: the model is in its ``final``, how far the calibration can be believed beside it.
        benchmark: The benchmark by which choices are made.
        sounds: The frozen benchmark of sounds, whose dev split takes a second look.
    """
    from training.calibration.calibrate import give

    sys.stdout.write(f"{give(base, output, options, benchmark, sounds)}\n")


def image_benchmark(output: Path = IMAGE_BENCHMARK, sounds: Path = BENCHMARK) -> None:
    """Build the frozen benchmark of pictures anew from the stamps; the same inputs give the same bytes.

    Args:
        output: The file to write.
        sounds: The frozen benchmark of sounds, which decides the split of the concepts that sound.
    """
    from training.data.benchmarks import images as builder

    builder.build_from_sources(output, sounds)
    sys.stdout.write(f"{output}\n")


def language_acquisition(
    output: Path,
    options: LanguageAcquisitionOptions | None = None,
    base: str | None = None,
    benchmark: Path = BENCHMARK,
    images: Path = IMAGE_BENCHMARK,
    add_language: str | None = None,
    pairs: Path | None = None,
    model: str = "mla",
    progress: Path | None = None,
) -> None:
    """Train MLA: acquirers for other languages of an English dual encoder, or for one language from your own pairs.

    Args:
        output: The run's folder, whose ``final`` is the model; with ``--add-language`` where the acquirers' file goes.
        options: The model; ``--recipe`` sets them all, ``--options.FIELD`` one.
        base: The English dual encoder: a bundled model's name or a model folder.
        benchmark: The frozen benchmark of sounds, which is kept out.
        images: The frozen benchmark of pictures, whose train split is used.
        add_language: Code of one more language, BCP-47; then ``--pairs`` and ``--model`` count, and no option.
        pairs: The file with English, a tab and that language in each line; 20 to 100,000 lines.
        model: The model that learns the language; it is not changed.
        progress: A file for progress as JSON lines.
    """
    if add_language is not None:
        from training.mla import teaching

        if pairs is None or options is not None:
            raise RunError("--add-language wants --pairs FILE, and neither a recipe nor options")
        done = teaching.command(add_language, pairs, output, model, progress)
        sys.stdout.write(json.dumps(done, ensure_ascii=False, indent=1) + "\n")
        return
    if options is None or base is None:
        raise RunError("options or base are missing; wanted --recipe and --base, or --add-language CODE")
    from training.mla.acquisition import train

    sys.stdout.write(f"{train(options, base, output, benchmark, images)}\n")


def finetune_feedback(
    options: FeedbackOptions,
    database: Path,
    output: Path,
    base: str = DEFAULT_MODEL,
    gallery: str | None = None,
    progress: Path | None = None,
    benchmark: Path = BENCHMARK,
) -> None:
    """Fine-tune a model on what people said of its results, and ask the gate whether it may be promoted.

    Args:
        options: The fine-tuning; ``--recipe`` sets them all, ``--options.FIELD`` one.
        database: The app's feedback database.
        output: The run's folder; the model is in its ``final``, the gate's report in ``gate.json``. Run again to go on.
        base: The model to begin with: a bundled model's name or a model folder.
        gallery: The folder or dataset that was judged; the default gallery when not given.
        progress: A file that is told how far it is, JSON lines.
        benchmark: The frozen benchmark, whose dev split the gate asks.
    """
    from training.feedback.finetuning import train

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: tell it, and leave what can go on
    sys.stdout.write(f"{train(options, database, base, output, benchmark, gallery, progress)}\n")


def feedback_status(database: Path, needed: MinimumFeedback) -> None:
    """Say how much feedback there is, and how much is missing for a fine-tuning, as JSON.

    Args:
        database: The app's feedback database.
        needed: Least amount.
    """
    from training.feedback.finetuning import status

    sys.stdout.write(json.dumps(status(database, needed), ensure_ascii=False, indent=1) + "\n")


def study(study: str, output: Path, only: list[str] | None = None, seeds: list[int] | None = None) -> None:
    """Make the variants of a study with each seed, measure them on dev, and lay them side by side.

    Args:
        study: A study of ``training/studies`` by its name, such as ``uclip``, or a YAML file of your own.
        output: The folder for ``study.md``, ``study.json`` and the cells; run again to go on.
        only: Names of variants; all when not given.
        seeds: In place of the study's own.
    """
    from training.studies import study as studies

    sys.stdout.write(f"{studies.run(studies.read(study, seeds or ()), output, main, only or ())}\n")


def feedback_words(database: Path, gallery: str | None = None, words: Path | None = None) -> None:
    """Say which words corrected captions and judged queries suggest, with what they mean in English, as JSON.

    Args:
        database: The app's feedback database.
        gallery: The folder or dataset that was judged; the default gallery when not given.
        words: A file of personal words, such as data/models/words.jsonl, into which they are all taken.
    """
    from training.feedback.words import suggest

    found = suggest(database, gallery)
    taken = PersonalWords(words).add(each.word for each in found.words) if words else ()
    sys.stdout.write(json.dumps({**found.to_json(), "taken": len(taken)}, ensure_ascii=False, indent=1) + "\n")


def taught_words(output: Path, base: str = DEFAULT_MODEL, benchmark: Path = DEV_BENCHMARK) -> None:
    """Measure what words bring that are taught to the lexical memory, in languages that the encoder has not read.

    Args:
        output: The folder for the table ``taught_words.md``.
        base: A model with a lexical memory.
        benchmark: The frozen benchmark by which choices are made.
    """
    from training.studies.taught_words import study

    sys.stdout.write(study(output, benchmark, base))


def model(recipe: Path, output: Path, minutes: float | None = None) -> None:
    """Make a model by all stages of its recipe; run again to go on after an interruption.

    Args:
        recipe: A YAML file such as ``training/recipes/cacara-studio.yaml``.
        output: The folder of the runs; the model is in its ``final``.
        minutes: Save the state of the stage at work and stop after so long, on a machine that is lent for a time.
    """
    from training import recipe as recipes

    sys.stdout.write(f"{recipes.run(recipes.read(recipe, COMMANDS), output, minutes)}\n")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "model": model,
    "prepare": prepare,
    "emergent_alignment": emergent_alignment,
    "uclip": uclip,
    "translated_captions": translated_captions,
    "linear_map": linear_map,
    "language_acquisition": language_acquisition,
    "benchmark": benchmark,
    "image_alignment": image_alignment,
    "dev_benchmark": dev_benchmark,
    "image_benchmark": image_benchmark,
    "lexical_memory": lexical_memory,
    "calibration": calibration,
    "lexicon": lexicon,
    "gallery": gallery,
    "dry_run": dry_run,
    "finetune_feedback": finetune_feedback,
    "feedback_status": feedback_status,
    "study": study,
    "taught_words": taught_words,
    "feedback_words": feedback_words,
}

WITHOUT_OPTIONS = ("model", "study")
"""Commands whose file lists stages or variants, not options."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 1 when it failed, 2 when it was called wrongly."""
    parser = _parser()
    try:
        chosen = parser.parse_args([_underscored(text) for text in (sys.argv[1:] if arguments is None else arguments)])
        values = parser.instantiate(chosen)[chosen.subcommand]
    except (ArgumentError, RunError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}; python -m training COMMAND --help lists all flags\n")
        return 2
    if chosen.subcommand not in WITHOUT_OPTIONS:
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


def _underscored(argument: str) -> str:
    """Return a flag as the functions spell it: ``--add-language`` is ``--add_language``."""
    if not argument.startswith("--"):
        return argument
    name, sign, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + sign + value


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m training", description=__doc__, exit_on_error=False)
    commands = parser.add_subcommands()
    for name, function in COMMANDS.items():
        command = ArgumentParser(description=(function.__doc__ or "").splitlines()[0])
        if name not in WITHOUT_OPTIONS:
            command.add_argument("--recipe", action=ActionConfigFile, help="YAML file with the options")
        command.add_function_arguments(function)
        commands.add_subcommand(name, command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
