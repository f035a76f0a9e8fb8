"""From nothing to a retriever: fetch, load, embed."""

from __future__ import annotations

from pathlib import Path

from cacara.galleries import gallery
from cacara.model import checkpoint
from cacara.model.config import DEFAULT_MODEL
from cacara.search.retriever import Retriever
from cacara.sources.clients import Report, silent


def prepare(
    model: str | Path = DEFAULT_MODEL,
    place: str | Path | None = None,
    device: str = "auto",
    report: Report = silent,
    precision: str = "float32",
) -> Retriever:
    """Return a retriever; whatever is missing is fetched first.

    Args:
        model: A bundled model's name, or a model folder.
        place: The gallery, as ``gallery.load`` takes it; None means the default one.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        report: Told of the progress.
        precision: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        CacaraError: The model, its backbones or the gallery cannot be had; the message says which and why.
    """
    checkpoint.find(model)  # a wrong name fails before minutes of fetching
    sounds = gallery.load(place, report)
    return Retriever(checkpoint.load(model, device, precision, report), sounds, report)
