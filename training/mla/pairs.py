"""A user's own pairs, English and the other language, from a file: checked line by line."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from cacara.errors import QueryError
from cacara.words import pair_tables, text_pairs
from cacara.words.text_pairs import MAX_PAIRS, MIN_PAIRS, PairFault
from training.run_folder import RunError

MAX_BYTES = 50_000_000
SHOWN = 10
SWAPPED = "the column that the heading calls English does not read as English, and the other one does"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class PairsFile:
    """Contents of a file of pairs.

    Attributes:
        pairs: English and the other language, each pair once, in the file's order.
        problems: Rows left out, each with its line.
    """

    pairs: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]

    def warnings(self) -> list[str]:
        """Return the problems for a person: the first ones, and how many more."""
        more = len(self.problems) - SHOWN
        return [*self.problems[:SHOWN], *([f"and {more} more lines were left out"] if more > 0 else [])]


def read(path: Path, language: str | None = None) -> PairsFile:
    """Return the pairs of a file, see ``cacara.words.pair_tables``.

    Args:
        path: The file, UTF-8 or UTF-16.
        language: The other language, whose names are known as headings too.

    Raises:
        RunError: It cannot be read, is too large or no text, its heading is not understood, its columns have changed
            places, or its good lines are fewer than ``MIN_PAIRS`` or more than ``MAX_PAIRS``.
    """
    try:
        table = pair_tables.read_file(path, MAX_BYTES, language)
    except QueryError as error:
        raise RunError(f"{path.name}: {error}") from error
    for line in table.preview.lines():
        log.info("%s: %s", path.name, line)
    problems = [f"line {line}: {describe(found)}" for line, found in table.faults]
    if not MIN_PAIRS <= len(table.pairs) <= MAX_PAIRS:
        first = f"; first problem: {problems[0]}" if problems else ""
        raise RunError(f"{path.name} holds {len(table.pairs):,} good pairs; wanted {MIN_PAIRS} to {MAX_PAIRS:,}{first}")
    if table.swapped and not table.headed:
        english, other = table.pairs[0]
        raise RunError(
            f"{path.name} reads as if English were its second column: found {english!r:.60} and {other!r:.60}; wanted "
            "English first, or a heading such as 'text<tab>english'"
        )
    notes = [SWAPPED] if table.swapped else []
    return PairsFile(table.pairs, (*notes, *problems))


def describe(found: PairFault) -> str:
    """Return what is wrong with a line."""
    name = ("the English text", "the other text")[found.column]
    return {
        "columns": f"{found.count} columns; wanted English, a tab and the other language",
        "empty": f"{name} has no letters",
        "long": f"{name} has {found.count} characters; wanted at most {text_pairs.MAX_CHARACTERS}",
        "control": f"{name} holds control characters",
        "same": "the same pair stands above",
    }[found.kind]
