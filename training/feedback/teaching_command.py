"""``python -m training teach_feedback`` and ``teach_feedback_status``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from training.feedback.teaching import TeachFeedbackOptions, status, teach
from training.feedback.teaching_pairs import NeededPairs
from training.mla.teaching import run_told

BENCHMARK = Path("benchmarks/sounds-v1.jsonl")


def teach_feedback(
    database: Path,
    language: str,
    output: Path,
    model: str = "mla",
    pairs: Path | None = None,
    gallery: str | None = None,
    current: Path | None = None,
    register: Path | None = None,
    needed: NeededPairs | None = None,
    progress: Path | None = None,
    benchmark: Path = BENCHMARK,
) -> None:
    """Teach a model a language from corrected captions and judged queries, and ask the gate whether it may be used.

    Args:
        database: The app's feedback database.
        language: Code of the language, BCP-47.
        output: The folder for the acquirers' file, ``gate.json`` and ``report.md``.
        model: The model that learns the language; it is not changed.
        pairs: A file of more pairs, with English, a tab and that language in each line.
        gallery: The folder or dataset that was judged; the default gallery when not given.
        current: The acquirers' file that reads the language now, when it is none of the model's own.
        register: A folder into which acquirers that pass are put too, such as ``models/acquirers/mla`` of the app.
        needed: How much there must be.
        progress: A file for progress as JSON lines.
        benchmark: The frozen benchmark, whose dev split the gate asks.
    """
    wanted = needed or NeededPairs()
    options = TeachFeedbackOptions(language, model, pairs, gallery, current, register, wanted)
    done = run_told(progress, lambda tell: teach(options, database, output, benchmark, tell))
    sys.stdout.write(json.dumps(done, ensure_ascii=False, indent=1) + "\n")


def teach_feedback_status(database: Path, gallery: str | None = None) -> None:
    """Say for each language of the feedback how many pairs there are to teach it from, and how many are missing.

    Args:
        database: The app's feedback database.
        gallery: The folder or dataset that was judged; the default gallery when not given.
    """
    sys.stdout.write(json.dumps(status(database, NeededPairs(), gallery), ensure_ascii=False, indent=1) + "\n")
