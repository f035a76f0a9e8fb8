"""Detection of a table's separator from its first rows."""

from __future__ import annotations

import collections
import io
import re
from collections.abc import Callable, Iterable, Sequence

from cacara_files.tables.cells import split_rows
from cacara_files.tables.errors import TableError

SEPARATORS = ("\t", ";", ",", "|")
"""Tried by default, in the order that decides between equals."""
NAMES = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "vertical bar", ":": "colon", ": ": "colon", "": "none"}
SNIFFED_ROWS = 50
SNIFFED_CHARACTERS = 1 << 18

_DECLARED = re.compile(r'"?sep=(?P<separator>[^\r\n"])"?(?P<end>\r\n|\r|\n|\Z)', re.IGNORECASE)

Fits = Callable[[Sequence[str]], bool]
"""Whether a row's trimmed cells look like a row of the table that is expected."""


def declared(head: str) -> tuple[str, int] | None:
    """Return the separator that Excel's first line ``sep=;`` names and how long that line is, or None."""
    found = _DECLARED.match(head)
    return (found["separator"], found.end()) if found else None


def sniffed(head: str, candidates: Iterable[str] = SEPARATORS, fits: Fits | None = None) -> str:
    """Return the separator of a text by its beginning: most rows that fit, then most rows of one width win.

    Args:
        head: The beginning, ``SNIFFED_CHARACTERS`` at most.
        candidates: Separators to try; the first wins between equals.
        fits: Tells rows of the table that is expected; None asks for the width alone.
    """
    scores = {separator: _score(head, separator, fits) for separator in candidates}
    return max(scores, key=lambda separator: scores[separator])


def _score(head: str, separator: str, fits: Fits | None) -> tuple[int, int]:
    rows = []
    try:
        for row in split_rows(io.StringIO(head, newline=""), separator, len(head) + 1):
            cells = [cell.strip() for cell in row.cells]
            while cells and not cells[-1]:
                cells.pop()
            rows.append(cells)
            if len(rows) == SNIFFED_ROWS:
                break
    except TableError:
        return 0, 0
    several = [cells for cells in rows if len(cells) > 1]
    widths = collections.Counter(map(len, several))
    fitting = sum(fits(cells) for cells in several) if fits else 0
    return fitting, max(widths.values(), default=0)
