"""Training data as manifests that can be read, checked and counted before anything is trained on them.

The folder holds ``clips.jsonl`` (sounds with English captions, ``cacara.galleries.manifest.Clip`` a line), one
``pairs-POLICY.jsonl`` and one ``lexicon-POLICY.jsonl.gz`` for each policy of ``training.data.translations``,
``report.json``, and ``report.html`` with its charts. The same packages give the same bytes, except for the paths of the
clips.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara import sources
from cacara.benchmark.dataset import benchmark_file, splits
from cacara.errors import ManifestError
from cacara.galleries.manifest import write_clips
from cacara_files import atomic
from training.data import corpora, translations
from training.data import page as data_page
from training.data.batches import refuse_measuring_only, require_english, with_licences
from training.data.benchmarks import held_out
from training.data.benchmarks.held_out import HeldOut
from training.data.corpora.packages import PACKAGES
from training.data.lexicon import lexicon
from training.data.lexicon.lexicon import LexiconRow
from training.data.report import LexiconFigures, describe_clips, describe_pairs, durations

log = logging.getLogger(__name__)


def prepare(
    output: Path,
    benchmark: Path,
    packages: Sequence[str],
    licences: Collection[str] = (),
    pictures: Path = splits.PICTURES,
) -> dict[str, Any]:
    """Fetch the packages, write the manifests into ``output`` and return the report.

    Args:
        output: The folder; files of an earlier run are replaced.
        benchmark: The frozen benchmark: none of its sounds, and of its texts what the policies say, is kept out.
        packages: Keys of ``cacara.sources`` whose sounds are wanted.
        licences: When given, only clips under exactly one of these licences are kept.
        pictures: The frozen benchmark of pictures, whose texts are kept out of the lexicon.

    Raises:
        ManifestError: An unknown package, a leak, a caption that is not English, or no clip under the licences.
        SourceError: A package cannot be fetched.
    """
    if unknown := sorted(set(packages) - set(PACKAGES)):
        raise ManifestError(f"unknown packages {', '.join(unknown)}; wanted some of {', '.join(sorted(PACKAGES))}")
    paired = (*translations.ALL_SOURCES, *translations.SENTENCES)
    wanted = {
        *packages,
        *paired,
        *lexicon.SOURCES,
        *benchmark_file.read(benchmark).sources,
        *corpora.held_out_sources(benchmark),
    }
    folders = sources.fetch_all(sorted(wanted), lambda progress: log.info("%s: %s", progress.subject, progress.stage))
    clips = corpora.train_clips({key: folders[key] for key in packages}, benchmark, folders)
    clips = with_licences(clips, licences)
    require_english(clips)
    refuse_measuring_only(clips)
    corpora.check_leakage(clips, benchmark, folders)
    pairs = translations.collect({key: folders[key] for key in paired})
    seen = {policy: translations.allowed(pairs, policy, benchmark) for policy in translations.POLICIES}
    rows = benchmark_file.read(benchmark)
    report = {
        "benchmark": {"name": rows.name, "hash": rows.hash},
        "clips": describe_clips(clips, durations(clips)),
        "pairs": {policy: describe_pairs(allowed) for policy, allowed in seen.items()},
    }
    output.mkdir(parents=True, exist_ok=True)
    kept_out = held_out.read(benchmark, pictures, folders["tuxpaint"])
    report["lexicon"] = _write_lexicon(output, lexicon.merge({key: folders[key] for key in lexicon.SOURCES}), kept_out)
    write_clips(clips, output / "clips.jsonl")
    for policy, allowed in seen.items():
        _write(output / f"pairs-{policy}.jsonl", (dataclasses.asdict(pair) for pair in allowed))
    _write(output / "report.json", [report])
    atomic.write_text(output / "report.html", data_page.to_html(report))
    return report


def _write_lexicon(output: Path, rows: Iterable[LexiconRow], kept_out: HeldOut) -> dict[str, Any]:
    """Write the lexicon of every policy in one pass, as each has millions of rows, and return the figures of each."""
    figures = {policy: LexiconFigures() for policy in translations.POLICIES}
    fields = [field.name for field in dataclasses.fields(LexiconRow)]
    with contextlib.ExitStack() as stack:
        packed = {}
        for policy in translations.POLICIES:
            path = stack.enter_context(atomic.replacing(output / f"lexicon-{policy}.jsonl.gz"))
            raw = stack.enter_context(path.open("wb"))
            # Neither name nor time, so that the same rows are the same bytes.
            archive = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0))
            packed[policy] = stack.enter_context(io.TextIOWrapper(archive, encoding="utf-8"))
        for row in rows:
            line = json.dumps({name: getattr(row, name) for name in fields}, ensure_ascii=False, sort_keys=True)
            for policy, file in packed.items():
                if kept_out.allows(row.english, row.text, policy):
                    file.write(f"{line}\n")
                    figures[policy].add(row)
    return {policy: counted.describe() for policy, counted in figures.items()}


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with atomic.replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
