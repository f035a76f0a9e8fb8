"""Pairs of texts as people have them: typed, TSV or CSV, with a heading or without; each line that is no good is told.

The training reads what ``Pairs.tsv`` writes, and checks it by the same limits once more.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cacara.errors import QueryError
from cacara.words import text_pairs
from cacara.words.text_pairs import MAX_PAIRS, MIN_PAIRS

MAX_BYTES = 20_000_000
MIN_ENGLISH = 3
"""A tenth of the English texts, two at least, is held out; some must be left to learn from."""
_ENGLISH = frozenset({"en", "eng", "english"})


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is wrong with a line.

    Attributes:
        line: Its number, from 1.
        key: Of the interface's text that says so.
        values: What that text has places for.
    """

    line: int
    key: str
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """What was given.

    Attributes:
        pairs: English and the other language, each pair once, in order.
        faults: The lines that were left out.
    """

    pairs: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]

    @property
    def missing(self) -> int:
        """How many pairs there are too few; 0 when there are enough."""
        return max(0, MIN_PAIRS - len(self.pairs))

    @property
    def missing_english(self) -> int:
        """How many different English texts there are too few; 0 when there are enough."""
        return max(0, MIN_ENGLISH - len({english for english, _ in self.pairs}))

    def tsv(self) -> str:
        """Return the pairs as the training reads them."""
        # A line that begins with # is a comment there; a space before it is dropped again.
        return "".join(f"{' ' if english.startswith('#') else ''}{english}\t{other}\n" for english, other in self.pairs)


def read_file(path: Path) -> Pairs:
    """Return the pairs of a file, UTF-8 or UTF-16 with its mark.

    Raises:
        QueryError: It is too large, no text, or holds too many pairs.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise QueryError(f"the file cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise QueryError(f"the file has more than {MAX_BYTES:,} bytes; wanted a smaller one")
    code = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return read(raw.decode(code))
    except UnicodeDecodeError as error:
        raise QueryError(f"the file is not in UTF-8 (byte {error.start}); save it as UTF-8 and try again") from error


def read(content: str) -> Pairs:
    """Return the pairs of a text; blank lines and lines that begin with ``#`` are passed over.

    Args:
        content: A pair a line: English and the other language with a tab, semicolon or comma between. A first line
            that says ``english`` above one of the columns is a heading.

    Raises:
        QueryError: It is too long, or holds too many pairs.
    """
    if len(content) > MAX_BYTES:
        raise QueryError(f"the text has {len(content):,} characters; wanted at most {MAX_BYTES:,}")
    pairs: dict[tuple[str, str], None] = {}
    faults = []
    english, heading_possible = 0, True
    for line, cells in _rows(content):
        columns = text_pairs.cleaned(cells)
        if heading_possible:
            heading_possible = False
            named = [place for place, cell in enumerate(columns) if cell.lower() in _ENGLISH]
            if len(columns) == 2 and len(named) == 1:
                english = named[0]
                continue
        if english == 1:
            columns.reverse()
        if fault := _fault(line, columns):
            faults.append(fault)
        elif (pair := (columns[0], columns[1])) in pairs:
            faults.append(Fault(line, "teach_fault_same"))
        elif len(pairs) == MAX_PAIRS:
            raise QueryError(f"there are more than {MAX_PAIRS:,} pairs; wanted fewer")
        else:
            pairs[pair] = None
    return Pairs(tuple(pairs), tuple(faults))


def _rows(content: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and cells; by tabs if any line has one, else by semicolons or commas with quotes."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told = [line for line in lines if line.strip() and not line.startswith("#")]
    if any("\t" in line for line in told):
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.startswith("#"):
                yield number, line.split("\t")
        return
    separator = ";" if told and all(";" in line for line in told[:5]) else ","
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            try:
                yield number, next(csv.reader([line], delimiter=separator, skipinitialspace=True))
            except (csv.Error, StopIteration):
                yield number, []


def _fault(line: int, columns: Sequence[str]) -> Fault | None:
    found = text_pairs.fault(columns)
    if found is None:
        return None
    values = {"columns": {"count": found.count}, "long": {"count": found.count, "most": text_pairs.MAX_CHARACTERS}}
    return Fault(line, f"teach_fault_{found.kind}", values.get(found.kind, {}))
