"""Times in interleaved rounds, and the rows of the table."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: Work that was timed.
        ours: Our figure with its unit.
        other: Compared program, with its figure.
        ratio: How many times better ours is; None where nothing is compared.
        goal: Goal, in words.
        met: Whether it is reached; None where there is no goal.
        details: Everything measured, JSON-ready.
    """

    work: str
    ours: str
    other: str
    ratio: float | None
    goal: str
    met: bool | None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Size:
    """Size of a measurement.

    Attributes:
        rounds: Interleaved rounds of each timing.
        rows: Sizes of the indexes that are searched.
        approximate: Vectors that are searched approximately.
        gallery: Clips that a text query searches.
        files: Sounds that are embedded in bulk.
        clips: Clips in the app's memory.
        concepts: Words that are compared, each in thirty languages.
    """

    rounds: int = 15
    rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    approximate: int = 200_000
    gallery: int = 100_000
    files: int = 256
    clips: tuple[int, ...] = (1_000, 100_000)
    concepts: int = 100


SHORT = Size(rounds=3, rows=(1_000,), approximate=10_000, gallery=1_000, files=8, clips=(1_000,), concepts=5)


def interleaved(
    works: Mapping[str, Callable[[], object]], rounds: int, before: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Return the seconds of each work in each round; in a round all run one after another, in turns of order.

    What disturbs the machine then disturbs all alike, and ratios within a round hold. One round before is not counted.
    ``before`` is called ahead of each work and not timed.
    """
    names = list(works)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            before()
            begin = time.perf_counter()
            works[name]()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(seconds: Mapping[str, list[float]], other: str, ours: str) -> float:
    """Return the median over rounds of other's time over ours: above 1, ours is faster."""
    return statistics.median(theirs / mine for theirs, mine in zip(seconds[other], seconds[ours], strict=True))


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def milliseconds(values: list[float]) -> str:
    """Return median and 95th percentile of seconds, as milliseconds."""
    return f"{1e3 * percentile(values, 0.5):.3g} / {1e3 * percentile(values, 0.95):.3g} ms"
