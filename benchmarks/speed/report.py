"""The rows as a table, as JSON, and as a drawing of how search grows."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.timing import Row, percentile

HEADER = ("work", "ours", "compared with", "times better", "goal", "met")


def markdown(machine: dict[str, Any], rows: Sequence[Row]) -> str:
    """Return the machine in a line, then the table."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    told = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, load {machine['load_1_minute']}"
    )
    lines = [f"{told}; Python {machine['python']}, {versions}; threads {machine['threads']}.", ""]
    lines += [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    for row in rows:
        times = "" if row.ratio is None else f"{row.ratio:.2f}"
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        lines.append(f"| {' | '.join((row.work, row.ours, row.other, times, row.goal, met))} |")
    return "\n".join(lines) + "\n"


def write(folder: Path, machine: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write ``speed.json``, ``speed.md`` and, where search was measured at several sizes, ``growth.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine, "rows": [dataclasses.asdict(row) for row in rows]}
    (folder / "speed.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "speed.md").write_text(markdown(machine, rows), encoding="utf-8")
    if drawing := growth(rows):
        (folder / "growth.svg").write_text(drawing, encoding="utf-8")


def growth(rows: Sequence[Row]) -> str | None:
    """Return how one query's time grows with the number of vectors, both axes logarithmic, as SVG."""
    points: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if match := re.fullmatch(r"exact search, ([\d,]+) × \d+, 1 at once", row.work):
            for name, values in row.details["seconds"].items():
                points.setdefault(name, []).append((int(match[1].replace(",", "")), 1e3 * percentile(values, 0.5)))
    if max(map(len, points.values()), default=0) < 2:
        return None
    times = [value for line in points.values() for _, value in line]
    sizes = [count for line in points.values() for count, _ in line]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    first, last = math.log10(min(sizes)), math.log10(max(sizes))

    def place(count: int, value: float) -> tuple[float, float]:
        across = 60 + 420 * (math.log10(count) - first) / (last - first)
        return across, 280 - 250 * (math.log10(value) - low) / max(1, high - low)

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 320" font-family="sans-serif" font-size="12">']
    for power in range(low, high + 1):
        _, y = place(min(sizes), 10.0**power)
        parts.append(f'<path d="M60 {y:.1f}H480" stroke="#ddd"/><text x="52" y="{y + 4:.1f}" text-anchor="end">')
        parts.append(f"{10.0**power:g} ms</text>")
    for count in sorted(set(sizes)):
        parts.append(f'<text x="{place(count, 10.0**low)[0]:.1f}" y="300" text-anchor="middle">{count:,}</text>')
    colours = ("#0b5cad", "#d9730d", "#777777", "#111111")
    for number, ((name, line), colour) in enumerate(zip(points.items(), colours, strict=False)):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="490" y="{40 + 20 * number}" fill="{colour}">{name}</text>')
    return "".join(parts) + "</svg>\n"
