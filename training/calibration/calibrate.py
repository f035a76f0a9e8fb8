"""Giving a model a calibration: curves fitted on dev-2 and on dev's pictures; all its weights stay, byte by byte."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset import splits as benchmark_splits
from cacara.errors import CheckpointError
from cacara.model import checkpoint
from cacara.model.calibration import CALIBRATION, Calibration, Curve
from cacara_files.atomic import replacing, write_text
from training import card as model_card
from training.calibration import fitting, queries, trials
from training.calibration.trials import Asked, Trials
from training.data.corpora.split import held_out_sources, train_clips
from training.recipe import FINAL

REPORT = "reliability"
_WHAT = """\
How likely a hit is right is told beside its score: a logistic curve in the score, in how far it lies above what is
usual in the gallery, and in the gallery's size. Fitted by `python -m training calibration` on dev-2 and the dev
pictures in galleries of {sizes} items, half of which hold what is asked for; measured by cross-validation over
concepts, in percent."""
_NOTHING = """\
*Nothing fits* is said where the best hit is too unlikely: of so many queries whose answer the gallery lacks, holds, or
that have a right hit among the ten shown. *None right*: of the times that it is said, none of the ten is right.
*Absent*: the gallery lacks it; what it holds and is not found looks the same, so this is told apart from that badly."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CalibrationOptions:
    """A calibration.

    Attributes:
        packages: Of training sounds, which fill the galleries.
        seed: Of the galleries and the folds.
    """

    packages: list[str]
    seed: int = 0


def give(base: str, folder: Path, options: CalibrationOptions, benchmark: Path, sounds: Path) -> Path:
    """Write a model that is another one with a calibration, and return its folder.

    Args:
        base: The other model's name or folder; a calibration that it has is replaced.
        folder: The run's folder: the model goes in ``final``, ``reliability.json`` and ``reliability.md`` beside it.
        options: The calibration.
        benchmark: dev-2.
        sounds: The frozen benchmark, whose dev split takes a second look.

    Raises:
        CheckpointError: ``base`` is no model, or the folder cannot be written.
        SourceError: Sounds or pictures cannot be fetched.
    """
    origin = checkpoint.find(base)
    model = checkpoint.load(origin)
    pictured = {row.source for row in benchmark_file.read(benchmark_splits.PICTURES).images} if model.sees else set()
    splits = ((benchmark, "dev"), (sounds, "dev"))
    needed = set[str]().union(*(benchmark_splits.required_sources(*split) for split in splits))
    keys = needed | pictured | held_out_sources(sounds) | set(options.packages)
    folders = sources.fetch_all(sorted(keys))
    dev_2 = benchmark_splits.load(benchmark, "dev", folders)
    others = train_clips({key: folders[key] for key in options.packages}, sounds, folders)
    families = queries.of_sounds(model, dev_2, others, options.seed)
    if model.sees:
        families += queries.of_pictures(model, *queries.pictures(folders), options.seed)
    curves, measured = fit(families, options.seed)
    calibration = Calibration(dev_2.hash, tuple(curves))
    again = queries.of_sounds(model, benchmark_splits.load(sounds, "dev", folders), others, options.seed)
    report = {
        "model": f"{model.name} {model.version}",
        "benchmark": {"name": dev_2.name, "hash": dev_2.hash},
        "cross_validated": measured,
        "second_look": look_again(calibration, again, options.seed),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{REPORT}.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(folder / f"{REPORT}.md", to_markdown(report))
    return _write(origin, folder / FINAL, calibration, measured)


def fit(families: Sequence[Sequence[Asked]], seed: int) -> tuple[list[Curve], list[dict[str, Any]]]:
    """Return the curves of all kinds, and how far they can be believed, by cross-validation.

    Args:
        families: Kinds of query that are fitted together, of one target each.
        seed: Of galleries and folds.
    """
    curves: list[Curve] = []
    measured = []
    for family in families:
        drawn = [trials.draw(asked, seed) for asked in family]
        drawn = [each for each in drawn if len(each.concepts)]
        if not drawn:
            continue
        for curve, each, told in zip(fitting.fit(drawn), drawn, fitting.cross_validated(drawn, seed), strict=True):
            below = fitting.threshold(each, told)
            curves.append(dataclasses.replace(curve, nothing_below=below))
            measured.append(fitting.reliability(each, told, below))
    return curves, measured


def look_again(calibration: Calibration, families: Sequence[Sequence[Asked]], seed: int) -> list[dict[str, Any]]:
    """Return how far a calibration can be believed on queries that it was not fitted on."""
    found = []
    for asked in (each for family in families for each in family):
        curve = calibration.curve(asked.query, asked.target)
        drawn: Trials = trials.draw(asked, seed)
        if curve is not None and len(drawn.concepts):
            told = fitting.probabilities(curve, drawn)
            found.append(fitting.reliability(drawn, told, curve.nothing_below))
    return found


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown: its summary, then each kind's deciles."""
    lines = [f"# How likely hits of {report['model']} are right"]
    for name, title in (("cross_validated", "Cross-validated over concepts"), ("second_look", "Second look, dev")):
        lines += ["", f"## {title}", "", summary(report[name]), "", deciles(report[name])]
    return "\n".join([*lines, ""])


def summary(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return a row for each kind as a table of Markdown, percentages."""
    columns = (
        "query → found",
        "trials",
        "log loss (of the share alone)",
        "ECE",
        "likely: hits, right",
        "nothing fits: of absent, present, shown",
        "none right, absent",
    )
    rows = []
    for row in measured:
        nothing, likely = row["nothing"], row["likely"]
        said = [_percent(nothing[name]) for name in ("of_absent", "of_present", "of_shown")]
        rows.append(
            (
                f"{row['query']} → {row['target']}",
                f"{row['trials']}, {row['concepts']} concepts",
                f"{row['log_loss']:.3f} ({row['log_loss_of_share']:.3f})",
                f"{100 * row['ece']:.1f}",
                f"{_percent(likely['share'])}, {_percent(likely['right'])}",
                ", ".join(said),
                f"{_percent(nothing['none_right'])}, {_percent(nothing['absent'])}",
            )
        )
    return model_card.table(columns, rows)


def deciles(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return the tenths of each kind's hits by probability as a table of Markdown: said / came, percentages."""
    columns = ("query → found", *(str(number) for number in range(1, fitting.BINS + 1)))
    rows = [
        (
            f"{row['query']} → {row['target']}",
            *(f"{100 * said:.1f} / {100 * came:.1f}" for said, came in row["deciles"]),
        )
        for row in measured
    ]
    return model_card.table(columns, rows)


def _write(origin: Path, target: Path, calibration: Calibration, measured: Sequence[Mapping[str, Any]]) -> Path:
    card = (origin / checkpoint.CARD).read_text(encoding="utf-8")
    what = _WHAT.format(sizes=", ".join(str(size) for size in trials.SIZES))
    card = model_card.without_section(card, model_card.CALIBRATION)
    card = model_card.with_section(card, model_card.CALIBRATION, what, summary(measured), _NOTHING)
    try:
        # The weights are copied, not written anew: what a model shares with a bundled one stays shared.
        with replacing(target) as partial:
            shutil.copytree(origin, partial)
            (partial / CALIBRATION).write_text(json.dumps(calibration.to_json(), indent=1) + "\n", encoding="utf-8")
            (partial / checkpoint.CARD).write_text(card, encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"the model folder {target} cannot be written: {error}") from error
    return target


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
