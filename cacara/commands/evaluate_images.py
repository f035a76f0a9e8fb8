"""``python -m cacara evaluate --modality image``, ``video`` and ``text``: one model on the benchmark of pictures."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cacara.commands.command_line import require_writable, show_progress
from cacara.sources.clients import Progress

if TYPE_CHECKING:
    from cacara.benchmark.dataset.splits import Benchmark
    from cacara.benchmark.retrieval import Measurement
    from cacara.model.model import Cacara


def evaluate_images(options: argparse.Namespace) -> None:
    """Report recall per language between texts and pictures, and between sounds and pictures.

    With the modality ``video`` each picture is the film that ``films`` makes of it.

    Args:
        options: ``modality``, ``model``, ``split``, ``device`` and ``json``.

    Raises:
        CacaraError: The model knows no pictures, or something cannot be had.
    """
    from cacara.benchmark import retrieval
    from cacara.benchmark.dataset import films, splits
    from cacara.errors import QueryError
    from cacara.media import video
    from cacara.model import checkpoint

    if options.json:
        require_writable(options.json)
    folder = checkpoint.find(options.model)
    if checkpoint.read_config(folder).image is None:  # before minutes of fetching
        raise QueryError(f"the model {options.model} knows no pictures; wanted one with an image head")
    pictures = splits.fetch(splits.PICTURES, options.split, show_progress)
    sounds = splits.fetch(splits.SOUNDS, options.split, show_progress)
    model = checkpoint.load(folder, options.device, report=show_progress)
    seen = list(splits.pixels(pictures))
    frames = 1
    if options.modality == "video":
        pictures = dataclasses.replace(pictures, name=f"films panned over the pictures of {pictures.name}")
        seen = [frame for pixels in seen for frame in films.frames_of(pixels)]
        frames = video.FRAMES
    measured = retrieval.measure_pictures(
        model,
        pictures,
        seen,
        sounds,
        list(splits.waveforms(sounds)),
        frames=frames,
        progress=lambda fraction, message: show_progress(Progress("evaluate", message, fraction)),
    )
    _write(measured, pictures, model, options)


def evaluate_descriptions(options: argparse.Namespace) -> None:
    """Report how often a picture's description in one language finds the English one, among texts alone.

    Args:
        options: ``model``, ``split``, ``device`` and ``json``.

    Raises:
        CacaraError: Something cannot be had.
    """
    from cacara.benchmark import text_retrieval
    from cacara.benchmark.dataset import splits
    from cacara.model import checkpoint

    if options.json:
        require_writable(options.json)
    folder = checkpoint.find(options.model)
    pictures = splits.fetch(splits.PICTURES, options.split, show_progress)
    model = checkpoint.load(folder, options.device, report=show_progress)
    _write(text_retrieval.measure(model, pictures), pictures, model, options)


def _write(measured: Sequence[Measurement], pictures: Benchmark, model: Cacara, options: argparse.Namespace) -> None:
    from cacara.benchmark import retrieval
    from cacara.benchmark.report.tables import to_markdown

    report = retrieval.to_report(measured, pictures)
    report |= {"model_version": model.version, "fingerprint": model.fingerprint}
    if options.json:
        retrieval.write_report(report, options.json)
    sys.stdout.write(to_markdown(report))
