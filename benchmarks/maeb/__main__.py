"""``python -m benchmarks.maeb --model NAME [--tasks …]``: a model of ours on mteb's audio tasks and on sounds-v1.

mteb's own tasks are fetched from the Hugging Face hub and need a network; sounds-v1 does not. Results are written as
mteb writes them, one JSON a task, below ``--output``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.errors import CacaraError

if TYPE_CHECKING:
    from mteb.abstasks.abstask import AbsTask
    from mteb.results import ModelResult

OURS = ("SoundsV1T2ARetrieval", "SoundsV1A2TRetrieval")
FIELD = (
    "ClothoT2ARetrieval.v2",
    "ClothoA2TRetrieval.v2",
    "AudioCapsT2ARetrieval",
    "AudioCapsA2TRetrieval",
    "SoundDescsT2ARetrieval",
    "SoundDescsA2TRetrieval",
    "AudioSetStrongT2ARetrieval.v2",
    "AudioSetStrongA2TRetrieval.v2",
    "MACST2ARetrieval.v2",
    "MACSA2TRetrieval.v2",
    "ESC50_Zeroshot",
    "UrbanSound8kZeroshot",
)
"""The tasks that papers report for sounds: retrieval in both directions and zero-shot classification."""
RESULTS = Path(__file__).resolve().parents[1] / "results" / "maeb"


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate a model; return 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maeb", description=__doc__)
    parser.add_argument("--model", default="cacara", help="a bundled model's name or a model folder")
    parser.add_argument(
        "--tasks",
        nargs="+",
        metavar="TASK",
        default=[*OURS, *FIELD],
        help="names of mteb, or of ours (default: all of these)",
    )
    parser.add_argument("--splits", nargs="+", metavar="SPLIT", help="these splits only, e.g. dev of sounds-v1")
    parser.add_argument("--languages", nargs="+", metavar="CODE", help="these languages only, e.g. swa deu")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help="for the results (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(_run(options))
    except CacaraError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _run(options: argparse.Namespace) -> str:
    try:
        import mteb
    except ModuleNotFoundError as error:
        raise CacaraError(f"{error.name} is not installed; wanted pip install -r requirements-bench.txt") from error
    from benchmarks.maeb.encoder import CacaraEncoder
    from cacara.model import checkpoint

    logging.getLogger("mteb").setLevel(logging.WARNING)
    checkpoint.find(options.model)  # a wrong name fails before anything is fetched
    tasks = chosen_tasks(options.tasks, options.splits, options.languages)
    model = checkpoint.load(options.model, options.device)
    result = mteb.evaluate(
        CacaraEncoder(model),
        tasks,
        cache=mteb.ResultCache(cache_path=options.output),
        co2_tracker=False,
        raise_error=True,
    )
    return to_markdown(model.name, tasks, result)


def chosen_tasks(
    names: Sequence[str], splits: Sequence[str] | None = None, languages: Sequence[str] | None = None
) -> list[AbsTask]:
    """Return tasks by name, ours among them.

    Raises:
        CacaraError: There is no such task, or none of its splits or languages is asked for.
    """
    import mteb

    from benchmarks.maeb import sounds_tasks

    ours = {name: getattr(sounds_tasks, name) for name in OURS}
    tasks: list[AbsTask] = []
    for name in names:
        try:
            task = ours[name]() if name in ours else mteb.get_task(name)
        except KeyError as error:
            raise CacaraError(f"there is no task {name!r}; wanted {', '.join(OURS)} or one of mteb's") from error
        task = task.filter_languages(languages) if languages else task
        known = set(task.metadata.eval_splits)
        task = task.filter_eval_splits(splits) if splits else task
        if not task.hf_subsets or not known & set(task.eval_splits):
            raise CacaraError(f"{name} has none of the splits and languages that are asked for")
        tasks.append(task)
    return tasks


def to_markdown(model: str, tasks: Sequence[AbsTask], result: ModelResult) -> str:
    """Return a table: task, split, subset, and the task's main score in percent."""
    main_scores = {task.metadata.name: task.metadata.main_score for task in tasks}
    lines = [
        f"# {model} on audio tasks of mteb",
        "",
        "| task | split | subset | score | value |",
        "|---|---|---|---|---|",
    ]
    for found in result.task_results:
        for split, subsets in found.scores.items():
            for row in sorted(subsets, key=lambda row: row["hf_subset"]):
                cells = [found.task_name, split, row["hf_subset"], main_scores[found.task_name]]
                lines.append(f"| {' | '.join(cells)} | {100 * row['main_score']:.1f} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
