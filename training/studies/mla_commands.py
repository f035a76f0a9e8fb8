"""The commands of the studies of MLA."""

from __future__ import annotations

import sys
from pathlib import Path

from training.mla.acquisition import LanguageAcquisitionOptions
from training.studies.mla_amounts import AmountOptions

SOUNDS = Path("benchmarks/sounds-v1.jsonl")
PICTURES = Path("benchmarks/images-v1.jsonl")


def mla_study(
    options: LanguageAcquisitionOptions,
    base: str,
    output: Path,
    only: list[str] | None = None,
    benchmark: Path = SOUNDS,
    images: Path = PICTURES,
) -> None:
    """Compare MLA's stages, what is left out of it, distillation and a dictionary, on dev and the same material.

    Args:
        options: The model; its two stages say how long a first and a second stage are.
        base: The English dual encoder: a bundled model's name or a model folder.
        output: The folder for ``study.md`` and a file a variant; run again to go on.
        only: Names of ``training.studies.mla_study.VARIANTS``; all when not given.
        benchmark: The frozen benchmark of sounds.
        images: The frozen benchmark of pictures.
    """
    from training.studies import mla_study as study

    sys.stdout.write(f"{study.run(options, base, output, benchmark, images, only or ())}\n")


def mla_amounts(
    options: AmountOptions,
    output: Path,
    model: str = "mla",
    benchmark: Path = SOUNDS,
    images: Path = PICTURES,
) -> None:
    """Measure on dev how much a language needs that is added later: acquirers, with LE and without, beside MKD.

    Args:
        options: Languages, numbers of pairs and seeds.
        output: The folder for ``amounts.md`` and a file a drawing; run again to go on.
        model: A model with acquirers that reads none of the languages: name or folder.
        benchmark: The frozen benchmark of sounds.
        images: The frozen benchmark of pictures.
    """
    from training.studies import mla_amounts as amounts

    sys.stdout.write(f"{amounts.run(options, model, output, benchmark, images)}\n")
