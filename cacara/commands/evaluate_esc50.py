"""``python -m cacara evaluate --benchmark esc50``: zero-shot classification and retrieval on ESC-50."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.commands.command_line import require_writable, show_progress
from cacara.languages import spelling
from cacara.sources.clients import Progress
from cacara_files import atomic

if TYPE_CHECKING:
    from cacara.benchmark.esc50.clips import Esc50
    from cacara.model.model import Cacara
    from cacara.search.classification import Labels

MOST_SHOWN = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that this benchmark alone has."""
    group = parser.add_argument_group("ESC-50")
    group.add_argument(
        "--mirror", type=Path, metavar="DIR", help="a folder with esc50.tar (default: what CACARA_MIRROR names)"
    )
    group.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="use this folder instead: the unpacked archive, or a clone of https://github.com/karolpiczak/ESC-50",
    )
    group.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="class names of further languages, e.g. from a lexicon: CSV with label, language, name; "
        "languages that name all 50 classes are measured and marked",
    )


def evaluate_esc50(options: argparse.Namespace) -> None:
    """Report zero-shot accuracy and retrieval per language on ESC-50, for one model or several.

    Args:
        options: ``model`` or ``compare``, ``device``, ``json``, ``mirror``, ``folder`` and ``names``.

    Raises:
        CacaraError: A model or the benchmark cannot be had.
    """
    from cacara.benchmark import entries as named
    from cacara.benchmark.esc50 import clips as esc50
    from cacara.benchmark.esc50 import tables
    from cacara.search import classification

    if options.json:
        require_writable(options.json)
    entries = named.parse(options.compare or [options.model])
    benchmark = esc50.load(options.folder or esc50.fetch(options.mirror, show_progress))
    further = None
    if options.names:
        further = esc50.naming_all(classification.read_labels(options.names), benchmark.classes)
    sounds_id = benchmark.hash
    models = named.load(entries, options.device, show_progress)
    measured = [
        {"name": entry.name, "version": model.version, "fingerprint": model.fingerprint}
        | _measure(model, entry.name, benchmark, sounds_id, further)
        for entry, model in zip(entries, models, strict=True)
    ]
    report = {
        "benchmark": {
            "name": "ESC-50",
            "hash": sounds_id,
            "clips": len(benchmark.clips),
            "classes": len(benchmark.classes),
            "files": benchmark.files,
        },
        "models": measured,
        "peers": [dataclasses.asdict(peer) for peer in tables.PEERS],
        "notes": [*tables.NOTES, _named(benchmark)],
    }
    if options.json:
        atomic.write_text(options.json, json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    sys.stdout.write(tables.to_markdown(report))


def _named(benchmark: Esc50) -> str:
    """Return which languages the bundled lexicon could name all classes in."""
    from cacara.benchmark.esc50 import clips as esc50
    from cacara.lexicon import table

    counts = esc50.named_by_lexicon(benchmark.labels, benchmark.classes, table.read(table.BUNDLED))
    total = len(benchmark.classes)
    whole = [code for code, count in counts.items() if count == total]
    most = ", ".join(f"{code} {count}" for code, count in list(counts.items())[:MOST_SHOWN])
    who = f"{len(whole)} languages name" if whole else "no language names"
    return f"by entries of the bundled lexicon on which sources agree {who} all {total} classes; the most: {most}"


def _measure(model: Cacara, name: str, benchmark: Esc50, sounds_id: str, further: Labels | None) -> dict[str, Any]:
    from cacara.benchmark import audio_cache, text_cache
    from cacara.benchmark.esc50 import zero_shot
    from cacara.media import audio

    tables = [benchmark.labels, *([further] if further else [])]
    texts = [
        spelling.fold(text, code)
        for table in tables
        for code, names in table.names.items()
        for found in names.values()
        for text in found
    ]
    text_cache.recall(model, texts)
    embeddings = audio_cache.embed(
        model,
        f"ESC-50 {sounds_id}",
        len(benchmark.clips),
        lambda position: audio.load(benchmark.clips[position].path, audio.GALLERY_LIMITS).waveform,
        lambda share: show_progress(Progress(name, f"hear {len(benchmark.clips)} clips", share)),
    )
    show_progress(
        Progress(name, f"measure in {len({code for table in tables for code in table.names})} languages", None)
    )
    clips = zero_shot.FoldedClips(embeddings, benchmark.targets, benchmark.folds, benchmark.classes)
    found = zero_shot.measure(model, clips, benchmark.labels, further)
    text_cache.keep(model, texts)
    return found
