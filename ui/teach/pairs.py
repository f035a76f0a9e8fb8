"""Pairs of texts that a visitor gives, with each line that is no good in the interface's words.

The training reads what ``Pairs.tsv`` writes by the same reader, and checks it by the same limits once more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from cacara.words import pair_tables, text_pairs
from cacara.words.pair_tables import PairTable
from cacara.words.text_pairs import MIN_PAIRS, PairFault
from cacara_files.tables import Preview

MAX_BYTES = 20_000_000
MIN_ENGLISH = 3
"""A tenth of the English texts, two at least, is held out; some must be left to learn from."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """Fault of a line.

    Attributes:
        line: Its number, from 1.
        key: Of the interface's text that says so.
        values: Values of that text's places.
    """

    line: int
    key: str
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs of texts and faulty lines of an input.

    Attributes:
        pairs: English and the other language, each pair once, in order.
        faults: The lines that were left out.
        preview: The table as it was read; None for pairs that came from none.
        swapped: The columns read as if English were in the second one.
        headed: A heading says which column is English, so that its word counts.
    """

    pairs: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    preview: Preview | None = None
    swapped: bool = False
    headed: bool = False

    @property
    def missing(self) -> int:
        """Number of missing pairs; 0 when there are enough."""
        return max(0, MIN_PAIRS - len(self.pairs))

    @property
    def missing_english(self) -> int:
        """Number of missing different English texts; 0 when there are enough."""
        return max(0, MIN_ENGLISH - len({english for english, _ in self.pairs}))

    def tsv(self) -> str:
        """Return the pairs as the training reads them."""
        return pair_tables.write(self.pairs)


def read_file(path: Path, language: str | None = None) -> Pairs:
    """Return the pairs of a file, UTF-8 or UTF-16.

    Args:
        path: The file.
        language: The other language; None where it is not known yet.

    Raises:
        QueryError: It is too large, no text, its heading is not understood, or it holds too many pairs.
    """
    return _pairs(pair_tables.read_file(path, MAX_BYTES, language))


def read(content: str, language: str | None = None) -> Pairs:
    """Return the pairs of a text, see ``cacara.words.pair_tables``.

    Raises:
        QueryError: It is too long, its heading is not understood, or it holds too many pairs.
    """
    return _pairs(pair_tables.read_text(content, MAX_BYTES, language))


def _pairs(table: PairTable) -> Pairs:
    faults = tuple(fault_of(line, found) for line, found in table.faults)
    return Pairs(table.pairs, faults, table.preview, table.swapped, table.headed)


def fault_of(line: int, found: PairFault) -> Fault:
    """Return what is wrong with a line, in the interface's words."""
    values = {"columns": {"count": found.count}, "long": {"count": found.count, "most": text_pairs.MAX_CHARACTERS}}
    return Fault(line, f"teach_fault_{found.kind}", values.get(found.kind, {}))
