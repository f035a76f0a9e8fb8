"""Memory of the running app with few and with many clips in its gallery."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.app_start import many_clips, start_and_ask
from benchmarks.speed.timing import Row, Size

LIMITS_GB = {1_000: 1.5, 100_000: 2.0}


def measure(size: Size) -> Iterator[Row]:
    """Yield a row for each number of clips; the first start embeds them, the second is measured."""
    for count in size.clips:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "gallery")
            many_clips(folder, count)
            first, _ = start_and_ask(folder)
            seconds, megabytes = start_and_ask(folder)
        limit = LIMITS_GB.get(count)
        details = {"megabytes": megabytes, "start_seconds": seconds, "first_start_seconds": first}
        goal = f"≤ {limit} GB" if limit else ""
        met = megabytes / 1e3 <= limit if limit else None
        told = f"start {seconds:.0f} s, embedding before {first:.0f} s"
        yield Row(f"memory of the app, {count:,} clips", f"{megabytes / 1e3:.2f} GB", told, None, goal, met, details)
