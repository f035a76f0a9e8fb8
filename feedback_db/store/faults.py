"""SQLite errors as one line that names the file, the fault and the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

_DAMAGED = "is damaged; move it away together with its -wal file and restore a backup"
# By SQLite's primary result code; the clause follows "the feedback database PATH".
_CLAUSES: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "is locked by another program; nothing was stored, try again when it is done",
    sqlite3.SQLITE_LOCKED: "is locked by another program; nothing was stored, try again when it is done",
    sqlite3.SQLITE_PROTOCOL: "is locked by other programs; nothing was stored, try again",
    sqlite3.SQLITE_READONLY: "is read-only; wanted a file and folder this program may write to",
    sqlite3.SQLITE_PERM: "may not be opened; wanted a file and folder this program may write to",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; wanted a file and folder this program may write to",
    sqlite3.SQLITE_FULL: "has no room left on its disk; nothing was stored, free some space",
    sqlite3.SQLITE_IOERR: "cannot be read or written; nothing was stored, check the disk and its free space",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; choose another file, or move this one away",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: "refused the row; nothing was stored",
}


def describe(error: sqlite3.Error, path: Path) -> str:
    """Return one line for a person: which file, what is wrong with it, what to do, SQLite's own words."""
    # Errors of Python's own driver, such as a text that is not UTF-8, carry no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    clause = _CLAUSES.get(code & 0xFF, "is not as expected; choose another file, or restore a backup")
    return f"the feedback database {path} {clause} (SQLite: {error})"


def describe_damage(found: str, path: Path) -> str:
    """Return the same kind of line for a problem that an integrity check found."""
    return f"the feedback database {path} {_DAMAGED} (SQLite: {' '.join(found.split())})"
