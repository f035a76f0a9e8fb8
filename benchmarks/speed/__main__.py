"""``python -m benchmarks.speed [ROW …]``: measure, print one table, keep the figures as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results"
ROWS = (
    "text_query",
    "sound_query",
    "audio_embedding",
    "exact_search",
    "approximate_search",
    "bulk_embedding",
    "training_step",
    "app_start",
    "app_memory",
    "word_comparison",
)

ON_REQUEST = ("set_up",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen rows; return 0, or 1 when a goal is missed and ``--strict`` asks for that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)} (default: all); {', '.join(ON_REQUEST)}"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help="for the files (%(default)s)")
    parser.add_argument("--approximate", type=int, metavar="N", help="vectors of approximate_search (200,000)")
    parser.add_argument("--short", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.rows) - {*ROWS, *ON_REQUEST}):
        parser.error(f"unknown row {unknown[0]!r}; wanted any of {', '.join(ROWS)}")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as app.py sets it

    from benchmarks.speed import machine, report
    from benchmarks.speed.timing import SHORT, Size

    size = SHORT if options.short else Size()
    size = dataclasses.replace(size, approximate=options.approximate or size.approximate)
    described = machine.describe()
    rows = []
    for name in options.rows or ROWS:
        sys.stderr.write(f"measuring {name}\n")
        for row in importlib.import_module(f"benchmarks.speed.{name}").measure(size):
            rows.append(row)
            report.write(options.output, described, rows)  # what is measured is kept, whatever comes
    sys.stdout.write(report.markdown(described, rows))
    return int(options.strict and any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
