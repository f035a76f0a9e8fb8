"""A user's own pairs: a text file of English, a tab and the other language, checked line by line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from cacara.words import text_pairs
from cacara.words.text_pairs import MAX_PAIRS, MIN_PAIRS
from training.run_folder import RunError

MAX_BYTES = 50_000_000
SHOWN = 10


@dataclasses.dataclass(frozen=True)
class PairsFile:
    """What a file holds.

    Attributes:
        pairs: English and the other language, each pair once, in the file's order.
        problems: What was left out, each with its line.
    """

    pairs: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]

    def warnings(self) -> list[str]:
        """Return the problems for a person: the first ones, and how many more."""
        more = len(self.problems) - SHOWN
        return [*self.problems[:SHOWN], *([f"and {more} more lines were left out"] if more > 0 else [])]


def read(path: Path) -> PairsFile:
    """Return the pairs of a file in UTF-8; blank lines and lines that begin with ``#`` are passed over.

    Raises:
        RunError: It cannot be read, is too large, holds other characters than UTF-8's, or its good lines are fewer than
            ``MIN_PAIRS`` or more than ``MAX_PAIRS``.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RunError(f"{path.name} has {size:,} bytes; wanted at most {MAX_BYTES:,}")
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path.name} is not in UTF-8 (byte {error.start}); save it as UTF-8 and try again") from error
    pairs: dict[tuple[str, str], None] = {}
    problems = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = text_pairs.cleaned(line.split("\t"))
        if problem := fault(columns):
            problems.append(f"line {number}: {problem}")
        elif (pair := (columns[0], columns[1])) in pairs:
            problems.append(f"line {number}: the same pair stands above")
        else:
            pairs[pair] = None
    if not MIN_PAIRS <= len(pairs) <= MAX_PAIRS:
        first = f"; first problem: {problems[0]}" if problems else ""
        raise RunError(f"{path.name} holds {len(pairs):,} good pairs; wanted {MIN_PAIRS} to {MAX_PAIRS:,}{first}")
    return PairsFile(tuple(pairs), tuple(problems))


def fault(columns: Sequence[str]) -> str:
    """Return what is wrong with a line's columns, English and the other language, or an empty string."""
    found = text_pairs.fault(columns)
    if found is None:
        return ""
    name = ("the English text", "the other text")[found.column]
    return {
        "columns": f"{found.count} columns; wanted English, a tab and the other language",
        "empty": f"{name} has no letters",
        "long": f"{name} has {found.count} characters; wanted at most {text_pairs.MAX_CHARACTERS}",
        "control": f"{name} holds control characters",
    }[found.kind]
