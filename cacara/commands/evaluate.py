"""``python -m cacara evaluate``: one model on the frozen benchmark, or several side by side."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.commands import evaluate_esc50, evaluate_images
from cacara.commands.command_line import add_command, make_folder, require_writable, show_progress
from cacara.errors import CacaraError
from cacara.languages import spelling
from cacara.sources.clients import Progress
from cacara_files import atomic

if TYPE_CHECKING:
    import numpy as np

    from cacara.benchmark.dataset.splits import Benchmark
    from cacara.benchmark.entries import Entry
    from cacara.benchmark.outcome import Outcomes
    from cacara.model.model import Cacara

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
        evaluate_images.evaluate_images(options)
    else:
        _evaluate_one(options)


def _evaluate_one(options: argparse.Namespace) -> None:
    from cacara.benchmark import retrieval, text_cache
    from cacara.benchmark.report.tables import to_markdown
    from cacara.model import checkpoint

    if options.json:
        require_writable(options.json)
    checkpoint.find(options.model)  # a wrong name fails before minutes of fetching
    sound_benchmark = _benchmark(options.split)
    model = checkpoint.load(options.model, options.device, report=show_progress)
    waveforms = _waveforms(sound_benchmark)
    # Without an anchor nothing of a model works untrained, and its projection is the model.
    names = ("untrained", "projection") if model.config.audio.anchor_weight else ()
    variants = {model.name: model, **{name: model.variant(name) for name in names}}
    texts = [spelling.fold(query.text, query.language) for query in sound_benchmark.queries]
    text_cache.recall(model, texts)
    measured = retrieval.measure(variants, sound_benchmark, waveforms, shared_text=True, progress=_tell)
    text_cache.keep(model, texts)
    report = retrieval.to_report(measured, sound_benchmark)
    report |= {"model_version": model.version, "fingerprint": model.fingerprint}
    if options.json:
        retrieval.write_report(report, options.json)
    sys.stdout.write(to_markdown(report))


def _compare(options: argparse.Namespace) -> None:
    from cacara.benchmark import entries as named
    from cacara.benchmark.comparison import Contender, compare
    from cacara.benchmark.report.comparison_tables import to_markdown

    output = options.output or COMPARE_OUTPUT.with_name(f"{COMPARE_OUTPUT.name}-{options.split}")
    make_folder(output)
    if options.json:
        require_writable(options.json)
    entries = named.parse(options.compare)
    groups = named.grouped(entries)
    seen = {name: named.seen_by([entries[at] for at in places]) for name, places in groups.items()}
    sound_benchmark = _benchmark(options.split)
    models = named.load(entries, options.device, show_progress)
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
) -> tuple[list[Outcomes], Benchmark | None]:
    """Return each model's outcomes, with those of pictures where it knows pictures, and the pictures' benchmark."""
    from cacara.benchmark import retrieval, systems, text_cache
    from cacara.benchmark.dataset import splits

    waveforms = _waveforms(sound_benchmark)
    has_pictures = sound_benchmark.name != DEV_2 and any(model.sees for model in models)
    pictures = splits.fetch(splits.PICTURES, sound_benchmark.split, show_progress) if has_pictures else None
    pixels = list(splits.pixels(pictures)) if pictures else []
    queries = (*sound_benchmark.queries, *(pictures.queries if pictures else ()))
    texts = [spelling.fold(query.text, query.language) for query in queries]
    readers = list({id(model.text): model for model in models}.values())
    for model in readers:
        text_cache.recall(model, texts)
    towers = systems.SharedTowers()
    shared = {entry.given: systems.SharedModel(model, towers) for entry, model in zip(entries, models, strict=True)}
    as_it_is = [retrieval.AS_THE_MODEL_HAS_IT]
    measured = retrieval.measure(shared, sound_benchmark, waveforms, modes=as_it_is, progress=_tell)
    outcomes = [dict(found.outcomes) for found in measured]
    for entry, model, found in zip(entries, models, outcomes, strict=True):
        if pictures is not None and model.sees:
            _tell(0.0, f"{entry.given}: {len(pixels)} pictures")
            of_pictures = retrieval.measure_pictures(
                model, pictures, pixels, sound_benchmark, waveforms, modes=as_it_is, towers=towers
            )
            # Without acquirers ("native") its pictures are its own; other variants are branches of the image head too.
            alone = {"untrained": "untrained", "anchor": "untrained", "projection": "projection"}
            wanted = alone.get(entry.variant or "", model.name)
            found.update(next(row.outcomes for row in of_pictures if row.system == wanted))
    for model in readers:
        text_cache.keep(model, texts)
    return list(outcomes), pictures


def _costs(models: Mapping[str, tuple[Entry, Cacara]], sound_benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Return what each model cost to make and what a query costs, JSON-ready; a variant is told as the whole model."""
    from cacara.benchmark import latency
    from cacara.model import checkpoint, training_facts

    _tell(1.0, "latency of a query")
    latencies = latency.of({name: model for name, (_, model) in models.items()}, sound_benchmark.queries)
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
    from cacara.benchmark.report.comparison_tables import to_markdown
    from cacara.benchmark.report.page import to_html

    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    for path in (output / "compare.json", *([copy] if copy else [])):
        atomic.write_text(path, text)
    atomic.write_text(output / "compare.md", to_markdown(report))
    atomic.write_text(output / "compare.html", to_html(report))


def _benchmark(split: str) -> Benchmark:
    from cacara.benchmark.dataset import splits

    path, part = (splits.DEV_2, "dev") if split == DEV_2 else (splits.SOUNDS, split)
    return splits.fetch(path, part, show_progress)


def _waveforms(sounds: Benchmark) -> Sequence[np.ndarray]:
    from cacara.benchmark.dataset import splits

    _tell(0.0, "read the sounds")
    return list(splits.waveforms(sounds))


def _tell(fraction: float, message: str) -> None:
    show_progress(Progress("evaluate", message, fraction))
