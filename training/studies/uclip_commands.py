"""The commands of the studies of uCLIP."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from cacara import files
from training.uclip.projectors import UclipOptions

BENCHMARK = Path("benchmarks/sounds-v1.jsonl")
IMAGE_BENCHMARK = Path("benchmarks/images-v1.jsonl")


def uclip_ablations(
    options: UclipOptions,
    base: str,
    output: Path,
    only: list[str] | None = None,
    seeds: int = 1,
    benchmark: Path = BENCHMARK,
    pictures: Path = IMAGE_BENCHMARK,
) -> None:
    """Train uCLIP whole and with one thing changed at a time, and measure all on dev: one table, with intervals.

    Args:
        options: The whole model, as of ``uclip``.
        base: The dual encoder: a bundled model's name or a model folder.
        output: Holds a run's folder for each, and ``table.json`` and ``table.md`` of all that have been made there.
            Run again to go on.
        only: Names of ``training.studies.uclip_study.ABLATIONS``; all when not given.
        seeds: How many of each.
        benchmark: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.
    """
    from training.studies import uclip_study

    uclip_study.ablate(options, base, output, benchmark, pictures, only or (), seeds)
    sys.stdout.write(uclip_study.tables(uclip_study.finished(options, output), output, benchmark, pictures))


def uclip_beside(
    models: list[str],
    base: str,
    output: Path,
    benchmark: Path = BENCHMARK,
    pictures: Path = IMAGE_BENCHMARK,
) -> None:
    """Measure on dev what uCLIP is worth beside translating first, and how models sort pictures by translated names.

    Args:
        models: Each ``[LABEL=]NAME_OR_FOLDER``, e.g. ``[uclip,cacara]``.
        base: The English dual encoder, likewise.
        output: The folder for ``beside.json`` and ``beside.md``.
        benchmark: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.
    """
    from training.studies import uclip_beside

    found = uclip_beside.study(models, base, benchmark, pictures)
    output.mkdir(parents=True, exist_ok=True)
    files.write_text(output / "beside.json", json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    files.write_text(output / "beside.md", uclip_beside.to_markdown(found))
    sys.stdout.write(uclip_beside.to_markdown(found))


def uclip_latency(model: str, base: str, languages: list[str], queries: int = 100, benchmark: Path = BENCHMARK) -> None:
    """Measure how long a query takes: through uCLIP's model, and through a dictionary and the English base.

    Args:
        model: A bundled model's name or a model folder.
        base: The dual encoder that it was trained on.
        languages: In which dev texts are asked, e.g. ``[cs,fi]``.
        queries: How many at most.
        benchmark: The frozen benchmark of sounds.
    """
    from training.studies import uclip_study

    found = uclip_study.latency(model, base, benchmark, languages, queries)
    sys.stdout.write(json.dumps({name: dataclasses.asdict(row) for name, row in found.items()}, indent=1) + "\n")
