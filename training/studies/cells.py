"""Cells of a study: one variant with one seed, as it was measured, and what makes one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.studies.dev_split import DevSplit

Row = tuple[str, str, str, str, int]
"""Set of queries (a direction such as ``text_to_audio``), language, concept, query, rank of its first right answer."""
Perform = Callable[[list[str]], int]
"""Runs a command of ``python -m training`` by its arguments; returns the exit code."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One variant with one seed, measured.

    Attributes:
        rows: The queries with their ranks.
        facts: More to show, JSON-ready: numbers, and truths that are counted.
    """

    rows: Sequence[Row]
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Context:
    """What a maker gets beside its variant's arguments.

    Attributes:
        dev: Queries and clips to measure on.
        folder: The cell's own, for a training.
        seed: The cell's.
        perform: Runs a command.
    """

    dev: DevSplit
    folder: Path
    seed: int
    perform: Perform
