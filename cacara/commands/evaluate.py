"""``python -m cacara evaluate``: one model on the frozen benchmark, or several side by side."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara import files
from cacara.commands import evaluate_esc50, evaluate_images
from cacara.commands.command_line import add_command, make_folder, require_writable, show_progress
from cacara.errors import CacaraError
from cacara.sources.clients import Progress

if TYPE_CHECKING:
    import numpy as np

    from cacara.benchmark.entries import Entry
    from cacara.benchmark.image_benchmark import ImageBenchmark
    from cacara.benchmark.outcome import Outcomes
    from cacara.benchmark.sound_benchmark import Benchmark
    from cacara.model.model import Cacara

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sounds-v1.jsonl"
DEV_2 = "dev-2"
COMPARE_OUTPUT = Path("runs") / "compare"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "evaluate", evaluate)
    parser.add_argument(
        "--benchmark",
        choices=("sounds-v1", DEV_2, "esc50"),
        default="sounds-v1",
        help=f"the frozen benchmark of this repository, {DEV_2}, by which choices are made, or ESC-50, for measuring "
        "alone (default: sounds-v1)",
    )
    parser.add_argument("--split", choices=("dev", "test"), help="of sounds-v1, which wants one; the others have none")
    parser.add_argument(
        "--modality",
        choices=("audio", "image", "video", "text"),
        default="audio",
        help="measure sounds, pictures, films panned over those pictures, or their descriptions among themselves "
        "(default: audio)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the report as JSON")
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="MODEL",
        help="compare these models on the same queries, each [LABEL=]NAME_OR_FOLDER[:VARIANT], VARIANT being "
        "untrained, anchor, projection, unprofiled, unlexical or native; models that share a name are seeds of one",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"where --compare writes compare.json, compare.md and compare.html (default: {COMPARE_OUTPUT}-SPLIT)",
    )
    evaluate_esc50.add_options(parser)


def evaluate(options: argparse.Namespace) -> None:
    """Report recall per language on a split of the frozen benchmark, for one model or several side by side."""
    if options.benchmark == "esc50":
        if options.split or options.modality != "audio" or options.output:
            raise CacaraError("ESC-50 has sounds alone and no split; --split, --modality and --output are sounds-v1's")
        evaluate_esc50.evaluate_esc50(options)
        return
    if options.benchmark == DEV_2:
        if options.split or options.modality != "audio":
            raise CacaraError(f"{DEV_2} has sounds alone and no split; --split and --modality are sounds-v1's")
        options.split = DEV_2
    if options.split is None:
        raise CacaraError("no --split is given; wanted dev, by which to choose, or test, to report")
    if options.compare:
        _compare(options)
    elif options.modality == "text":
        evaluate_images.evaluate_descriptions(options)
    elif options.modality != "audio":
        evaluate_images.evaluate_images(options, BENCHMARK)
    else:
        _evaluate_one(options)


def _evaluate_one(options: argparse.Namespace) -> None:
    from cacara.benchmark import sound_retrieval
    from cacara.benchmark.tables import to_markdown
    from cacara.model import checkpoint, text_cache

    if options.json:
        require_writable(options.json)
    checkpoint.find(options.model)  # a wrong name fails before minutes of fetching
    sound_benchmark = _benchmark(options.split)
    model = checkpoint.load(options.model, options.device, report=show_progress)
    waveforms = _waveforms(sound_benchmark)
    # Without an anchor nothing of a model works untrained, and its projection is the model.
    names = ("untrained", "projection") if model.config.audio.anchor_weight else ()
    variants = {model.name: model, **{name: model.variant(name) for name in names}}
    texts = [query.text for query in sound_benchmark.queries]
    text_cache.recall(model, texts)
    measured = sound_retrieval.measure(variants, sound_benchmark, waveforms, shared_text=True, progress=_tell)
    text_cache.keep(model, texts)
    report = sound_retrieval.to_report(measured, sound_benchmark)
    report |= {"model_version": model.version, "fingerprint": model.fingerprint}
    if options.json:
        sound_retrieval.write_report(report, options.json)
    sys.stdout.write(to_markdown(report))


def _compare(options: argparse.Namespace) -> None:
    from cacara.benchmark import entries as evaluation_models
    from cacara.benchmark.side_by_side import Contender, compare
    from cacara.benchmark.side_by_side_tables import to_markdown

    output = options.output or COMPARE_OUTPUT.with_name(f"{COMPARE_OUTPUT.name}-{options.split}")
    make_folder(output)
    if options.json:
        require_writable(options.json)
    entries = evaluation_models.parse(options.compare)
    groups = evaluation_models.grouped(entries)
    seen = {name: evaluation_models.seen_by([entries[at] for at in places]) for name, places in groups.items()}
    sound_benchmark = _benchmark(options.split)
    models = evaluation_models.load(entries, options.device, show_progress)
    outcomes, pictures = _measure_all(entries, models, sound_benchmark)
    costs = _costs({name: (entries[places[0]], models[places[0]]) for name, places in groups.items()}, sound_benchmark)
    contenders = [
        Contender(
            name,
            tuple(outcomes[place] for place in places),
            seen[name],
            {
                "versions": [models[place].version for place in places],
                "fingerprints": [models[place].fingerprint for place in places],
                "cost": costs[name],
            },
        )
        for name, places in groups.items()
    ]
    _tell(1.0, "figures and tests")
    report = compare(contenders, sound_benchmark)
    if pictures is not None:
        report["benchmark_of_pictures"] = {"name": pictures.name, "hash": pictures.hash}
    _write_comparison(report, output, options.json)
    sys.stdout.write(to_markdown(report))
    sys.stdout.write(f"\nwritten: {output / 'compare.json'}, {output / 'compare.md'}, {output / 'compare.html'}\n")


def _measure_all(
    entries: Sequence[Entry], models: Sequence[Cacara], sound_benchmark: Benchmark
) -> tuple[list[Outcomes], ImageBenchmark | None]:
    """Return each model's outcomes, with those of pictures where it knows pictures, and the pictures' benchmark."""
    from cacara.benchmark import entries as evaluation_models
    from cacara.benchmark import image_retrieval, sound_retrieval
    from cacara.model import text_cache

    waveforms = _waveforms(sound_benchmark)
    has_pictures = sound_benchmark.name != DEV_2 and any(model.sees for model in models)
    pictures, seen = _pictures(sound_benchmark.split) if has_pictures else (None, ())
    texts = [query.text for query in (*sound_benchmark.queries, *(pictures.queries if pictures else ()))]
    towers = list({id(model.text): model for model in models}.values())
    for model in towers:
        text_cache.recall(model, texts)
    heard: dict[int, Any] = {}
    systems = {
        entry.given: evaluation_models.SharedModel(model, heard) for entry, model in zip(entries, models, strict=True)
    }
    as_it_is = [sound_retrieval.AS_THE_MODEL_HAS_IT]
    measured = sound_retrieval.measure(systems, sound_benchmark, waveforms, modes=as_it_is, progress=_tell)
    outcomes = [dict(found.outcomes) for found in measured]
    for entry, model, found in zip(entries, models, outcomes, strict=True):
        if pictures is not None and model.sees:
            _tell(0.0, f"{entry.given}: {len(seen)} pictures")
            of_pictures = image_retrieval.measure(model, pictures, seen, sound_benchmark, waveforms, modes=as_it_is)
            # Without acquirers ("native") its pictures are its own; other variants are branches of the image head too.
            alone = {"untrained": "untrained", "anchor": "untrained", "projection": "projection"}
            wanted = alone.get(entry.variant or "", model.name)
            found.update(next(row.outcomes for row in of_pictures if row.system == wanted))
    for model in towers:
        text_cache.keep(model, texts)
    return list(outcomes), pictures


def _costs(models: Mapping[str, tuple[Entry, Cacara]], sound_benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Return what each model cost to make and what a query costs, JSON-ready; a variant is told as the whole model."""
    from cacara.benchmark import query_latency
    from cacara.model import checkpoint, training_facts

    _tell(1.0, "latency of a query")
    latencies = query_latency.of({name: model for name, (_, model) in models.items()}, sound_benchmark.queries)
    found = {}
    for name, (entry, _) in models.items():
        facts = training_facts.of_card((entry.folder / checkpoint.CARD).read_text(encoding="utf-8"))
        found[name] = {
            "trained_parameters": training_facts.trained_parameters(entry.folder),
            "training": dataclasses.asdict(facts) | {"data": facts.data()},
            "query_latency": dataclasses.asdict(latencies[name]),
        }
    return found


def _write_comparison(report: Mapping[str, Any], output: Path, copy: Path | None) -> None:
    from cacara.benchmark.page import to_html
    from cacara.benchmark.side_by_side_tables import to_markdown

    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    for path in (output / "compare.json", *([copy] if copy else [])):
        files.write_text(path, text)
    files.write_text(output / "compare.md", to_markdown(report))
    files.write_text(output / "compare.html", to_html(report))


def _benchmark(split: str) -> Benchmark:
    from cacara import sources
    from cacara.benchmark import sound_benchmark

    path, part = (BENCHMARK.with_name(f"{DEV_2}.jsonl"), "dev") if split == DEV_2 else (BENCHMARK, split)
    keys = sound_benchmark.required_sources(path, part)
    return sound_benchmark.load(path, part, sources.fetch_all(sorted(keys), show_progress))


def _pictures(split: str) -> tuple[ImageBenchmark, Sequence[np.ndarray]]:
    from cacara import sources
    from cacara.benchmark import image_benchmark
    from cacara.media import images

    keys = {row.source for row in image_benchmark.read().images}
    pictures = image_benchmark.load(image_benchmark.PATH, split, sources.fetch_all(sorted(keys), show_progress))
    return pictures, [images.load(picture.path, images.GALLERY_LIMITS) for picture in pictures.images]


def _waveforms(sound_benchmark: Benchmark) -> Sequence[np.ndarray]:
    from cacara.media import audio

    waveforms = []
    for number, clip in enumerate(sound_benchmark.clips):
        _tell(number / len(sound_benchmark.clips), "read the sounds")
        waveforms.append(audio.load(clip.path, audio.GALLERY_LIMITS).waveform)
    return waveforms


def _tell(fraction: float, message: str) -> None:
    show_progress(Progress("evaluate", message, fraction))
