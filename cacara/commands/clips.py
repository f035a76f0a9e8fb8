"""``python -m cacara clips``: a gallery out of a tape, a clip for each annotation of an ELAN tier."""

from __future__ import annotations

import argparse
import contextlib
import sys
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara import languages
from cacara.errors import QueryError
from cacara_files import atomic, tables

if TYPE_CHECKING:
    import numpy as np

    from cacara.recordings.elan import Annotation


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    summary = (clips.__doc__ or "").split("\n")[0]
    parser = commands.add_parser("clips", help=summary.rstrip("."), description=summary)
    parser.set_defaults(run=clips)
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="a sound or video file of any length")
    parser.add_argument("annotations", type=Path, metavar="EAF", help="the ELAN document of the recording")
    parser.add_argument("--tier", required=True, help="the tier whose annotations become captions")
    parser.add_argument("--language", required=True, metavar="CODE", help="the language of that tier")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="a new folder: clips and captions.csv"
    )


def clips(options: argparse.Namespace) -> None:
    """Make a gallery of a tape: a clip for each annotation of an ELAN tier, with the annotation as its caption."""
    from cacara.media import streaming
    from cacara.recordings import elan

    language = languages.normalise(options.language)
    found = elan.annotations_of(elan.read(options.annotations), options.tier)
    if not found:
        raise QueryError(f"the tier {options.tier!r:.60} has no annotation with a text and a time; wanted one or more")
    if options.output.exists():
        raise QueryError(f"{options.output} exists; wanted a new folder")
    width = len(str(len(found)))
    names = [f"{options.recording.stem}-{number:0{width}d}.wav" for number in range(1, len(found) + 1)]
    with atomic.replacing(options.output) as partial:
        partial.mkdir()
        limits = streaming.StreamLimits(1 << 40, 24 * 3600.0, 24 * 3600)
        blocks = streaming.blocks(options.recording, limits)
        with contextlib.closing(blocks):
            written = _cut(blocks, found, [partial / name for name in names])
        kept = [(name, each) for name, each, whole in zip(names, found, written, strict=True) if whole]
        if not kept:
            raise QueryError(
                f"{options.recording.name} ends before the first annotation; wanted the tape of this document"
            )
        rows = [("file", "language", "text"), *((name, language, each.text) for name, each in kept)]
        (partial / "captions.csv").write_text("".join(tables.quoted(row, ",") + "\n" for row in rows), encoding="utf-8")
    lost = len(found) - len(kept)
    note = f"; {lost} annotations lie beyond the end of {options.recording.name} and were left out" if lost else ""
    sys.stdout.write(f"{len(kept)} clips in {options.output}{note}\n")


def _cut(blocks: Iterator[np.ndarray], spans: Sequence[Annotation], paths: Sequence[Path]) -> list[bool]:
    """Write spans of a recording as they pass by; return for each whether there was sound for it."""
    import numpy as np

    from cacara.media.streaming import SAMPLE_RATE_HZ

    edges = [(round(each.start_seconds * SAMPLE_RATE_HZ), round(each.end_seconds * SAMPLE_RATE_HZ)) for each in spans]
    begun = [False] * len(spans)
    at, first = 0, 0
    writers: dict[int, wave.Wave_write] = {}
    try:
        for block in blocks:
            end = at + len(block)
            samples = np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2")
            for number in range(first, len(spans)):
                start, stop = edges[number]
                if start >= end:
                    break
                if stop > at:
                    if number not in writers:
                        writers[number] = _writer(paths[number], SAMPLE_RATE_HZ)
                        begun[number] = True
                    writers[number].writeframesraw(samples[max(0, start - at) : stop - at].tobytes())
                if stop <= end and number in writers:
                    writers.pop(number).close()
            while first < len(spans) and edges[first][1] <= end and first not in writers:
                first += 1
            at = end
    finally:
        for writer in writers.values():
            writer.close()
    return begun


def _writer(path: Path, sample_rate_hz: int) -> wave.Wave_write:
    writer = wave.open(str(path), "wb")
    writer.setparams((1, 2, sample_rate_hz, 0, "NONE", ""))
    return writer
