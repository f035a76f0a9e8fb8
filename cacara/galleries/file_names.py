"""Names of files as tables spell them, matched with the files that are there."""

from __future__ import annotations

import collections
import dataclasses
import os
import unicodedata
from collections.abc import Iterable, Sequence

SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Unmatched:
    """Differences between a table and a folder.

    Attributes:
        rows: (line, name) of the rows that name no file.
        files: Files that no row names.
    """

    rows: tuple[tuple[int, str], ...] = ()
    files: tuple[str, ...] = ()

    def sentences(self, table: str) -> list[str]:
        """Return it for people: how many of each, and the first ``SHOWN``; nothing where all match.

        Args:
            table: The name of the table.
        """
        told = []
        if self.rows:
            first = ", ".join(f"{name!r:.80} in line {line}" for line, name in self.rows[:SHOWN])
            told.append(f"{table}: {count(self.rows, 'row names', 'rows name')} no file: {first}")
        if self.files:
            first = ", ".join(f"{name!r:.80}" for name in self.files[:SHOWN])
            told.append(f"{table}: {count(self.files, 'file has', 'files have')} no row: {first}")
        return [f"{each}{', …' if more > SHOWN else ''}" for each, more in zip(told, self._numbers(), strict=True)]

    def _numbers(self) -> list[int]:
        return [number for number in (len(self.rows), len(self.files)) if number]


class Names:
    r"""Names that are there, found however they are spelled: the exact one first.

    Else Unicode in another normal form, ``\`` for ``/``, a leading ``./`` and doubled slashes make no difference, nor,
    where that leaves one candidate alone, do capitals.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names, as they are to be returned."""
        self._exact = dict.fromkeys(names)
        self._plain: dict[str, list[str]] = collections.defaultdict(list)
        self._folded: dict[str, list[str]] = collections.defaultdict(list)
        for name in self._exact:
            self._plain[plain(name)].append(name)
            self._folded[plain(name).casefold()].append(name)

    def find(self, spelled: str) -> str | None:
        """Return the name that is meant; None if there is none, or several could be."""
        if spelled in self._exact:
            return spelled
        key = plain(spelled)
        for found in (self._plain.get(key, ()), self._folded.get(key.casefold(), ())):
            if len(found) == 1:
                return found[0]
            if found:
                return None
        return None


def as_text(name: str) -> str:
    """Return a file's name as valid Unicode; bytes that are no UTF-8 become their hex, so that names stay apart."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def plain(name: str) -> str:
    """Return a name in NFC with single forward slashes and without a leading ``./``."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def count(things: Sequence[object], one: str, several: str) -> str:
    """Return ``1 row names`` or ``3 rows name``."""
    return f"{len(things):,} {one if len(things) == 1 else several}"
