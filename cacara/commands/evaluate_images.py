"""``python -m cacara evaluate --modality image``, ``video`` and ``text``: one model on the benchmark of pictures."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from cacara.commands.command_line import require_writable, show_progress
from cacara.sources.clients import Progress


def evaluate_images(options: argparse.Namespace, sounds_path: Path) -> None:
    """Report recall per language between texts and pictures, and between sounds and pictures.

    With the modality ``video`` each picture is the film that ``stamp_films`` makes of it.

    Args:
        options: ``modality``, ``model``, ``split``, ``device`` and ``json``.
        sounds_path: The frozen benchmark of sounds.

    Raises:
        CacaraError: The model knows no pictures, or something cannot be had.
    """
    from cacara import sources
    from cacara.benchmark import image_benchmark, image_retrieval, sound_benchmark, sound_retrieval, stamp_films
    from cacara.benchmark.tables import to_markdown
    from cacara.errors import QueryError
    from cacara.media import audio, images, video
    from cacara.model import checkpoint

    if options.json:
        require_writable(options.json)
    folder = checkpoint.find(options.model)
    if checkpoint.read_config(folder).image is None:  # before minutes of fetching
        raise QueryError(f"the model {options.model} knows no pictures; wanted one with an image head")
    rows = image_benchmark.read()
    keys = sound_benchmark.required_sources(sounds_path, options.split) | {row.source for row in rows.images}
    folders = sources.fetch_all(sorted(keys), show_progress)
    pictures = image_benchmark.load(image_benchmark.PATH, options.split, folders)
    sounds = sound_benchmark.load(sounds_path, options.split, folders)
    model = checkpoint.load(folder, options.device, report=show_progress)
    seen = [images.load(picture.path, images.GALLERY_LIMITS) for picture in pictures.images]
    frames = 1
    if options.modality == "video":
        pictures = dataclasses.replace(pictures, name=f"films panned over the pictures of {pictures.name}")
        seen = [frame for pixels in seen for frame in stamp_films.frames_of(pixels)]
        frames = video.FRAMES
    heard = [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in sounds.clips]
    measured = image_retrieval.measure(
        model,
        pictures,
        seen,
        sounds,
        heard,
        frames=frames,
        progress=lambda fraction, message: show_progress(Progress("evaluate", message, fraction)),
    )
    report = image_retrieval.to_report(measured, pictures)
    report |= {"model_version": model.version, "fingerprint": model.fingerprint}
    if options.json:
        sound_retrieval.write_report(report, options.json)
    sys.stdout.write(to_markdown(report))


def evaluate_descriptions(options: argparse.Namespace) -> None:
    """Report how often a picture's description in one language finds the English one, among texts alone.

    Args:
        options: ``model``, ``split``, ``device`` and ``json``.

    Raises:
        CacaraError: Something cannot be had.
    """
    from cacara import sources
    from cacara.benchmark import image_benchmark, sound_retrieval, text_retrieval
    from cacara.benchmark.tables import to_markdown
    from cacara.model import checkpoint

    if options.json:
        require_writable(options.json)
    folder = checkpoint.find(options.model)
    keys = {row.source for row in image_benchmark.read().images}
    folders = sources.fetch_all(sorted(keys), show_progress)
    pictures = image_benchmark.load(image_benchmark.PATH, options.split, folders)
    model = checkpoint.load(folder, options.device, report=show_progress)
    report = text_retrieval.to_report(text_retrieval.measure(model, pictures), pictures)
    report |= {"model_version": model.version, "fingerprint": model.fingerprint}
    if options.json:
        sound_retrieval.write_report(report, options.json)
    sys.stdout.write(to_markdown(report))
