"""Bytes of a table as text: UTF-8 and UTF-16, with a byte order mark or without; what is no text is refused by name."""

from __future__ import annotations

from cacara_files.tables.errors import TableError

HEAD_BYTES = 65_536
"""So much of a file's beginning decides its encoding."""
ADVICE = "save it as CSV in UTF-8 (in Excel: 'CSV UTF-8' or 'Unicode Text')"

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NO_TEXT = (
    (b"PK\x03\x04", "an archive or a workbook of another kind than .xlsx"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel (.xls)"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a compressed file"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "a database"),
)
_MIN_NUL_SHARE = 0.02


def encoding_of(head: bytes) -> str:
    """Return the name of the encoding that a file with this beginning has.

    UTF-16 without a mark is told by the bytes 0 that every ASCII character of it has on one side. Legacy encodings are
    not guessed: read by the wrong one, a language's words become other words without a sign of it.

    Args:
        head: The first ``HEAD_BYTES`` bytes at most.

    Raises:
        TableError: It is the beginning of a workbook or of something else that is no text.
    """
    for magic, kind in _NO_TEXT:
        if head.startswith(magic):
            raise TableError(f"it is {kind}, not text; {ADVICE}")
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even + odd <= _MIN_NUL_SHARE * len(head):
        return "utf-8"
    if max(even, odd) < 4 * min(even, odd):
        raise TableError(f"it holds {even + odd:,} bytes 0 and is no text; {ADVICE}")
    return "utf-16-le" if odd > even else "utf-16-be"


def decoded(content: bytes) -> tuple[str, str]:
    """Return bytes as text and the name of their encoding.

    Raises:
        TableError: They are no text in UTF-8 or UTF-16.
    """
    encoding = encoding_of(content[:HEAD_BYTES])
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise undecodable(encoding, error.start) from error


def undecodable(encoding: str, position: int | None) -> TableError:
    """Return the error of bytes that are not what their beginning promised."""
    where = "" if position is None else f" (byte {position:,})"
    return TableError(f"it is not in {_TITLES[encoding]}{where}; {ADVICE}")


_TITLES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}


def title(encoding: str) -> str:
    """Return an encoding's name as people write it."""
    return _TITLES.get(encoding, encoding)
