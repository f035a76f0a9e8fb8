"""Qt's compiled translations (``.qm``): pairs of source text and translation.

The file is a magic, then sections of a tag, a length and data. The messages' section is a run of tagged
fields: 3 the translation (UTF-16), 6 the source text, 7 its context, 5 a hash, 1 the end of a message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError

_MAGIC = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")
_MESSAGES = 0x69
_END, _TRANSLATION, _HASH, _SOURCE = 1, 3, 5, 6
_ABSENT = 0xFFFFFFFF


def read(path: Path) -> list[tuple[str, str]]:
    """Return (source text, translation) of every message that has both, in the file's order.

    Raises:
        SourceError: The file is no Qt translation, or is damaged.
    """
    try:
        data = path.read_bytes()
        if not data.startswith(_MAGIC):
            raise ValueError("it does not begin as a Qt translation does")
        return [pair for section in _sections(data) for pair in _messages(section)]
    except (OSError, ValueError, struct.error) as error:
        raise SourceError(f"{path.name} cannot be read as a Qt translation: {error}") from error


def _sections(data: bytes) -> Iterator[bytes]:
    position = len(_MAGIC)
    while position + 5 <= len(data):
        tag, length = struct.unpack_from(">BI", data, position)
        position += 5
        if tag == _MESSAGES:
            yield data[position : position + length]
        position += length


def _messages(section: bytes) -> Iterator[tuple[str, str]]:
    source = translation = ""
    position = 0
    while position < len(section):
        tag = section[position]
        position += 1
        if tag == _END:
            if source and translation:
                yield source, translation
            source = translation = ""
        elif tag == _HASH:
            position += 4
        else:
            (length,) = struct.unpack_from(">I", section, position)
            position += 4
            if length == _ABSENT:
                continue
            value = section[position : position + length]
            position += length
            if tag == _TRANSLATION and not translation:  # the first of several plural forms
                translation = value.decode("utf-16-be", "replace")
            elif tag == _SOURCE:
                source = value.decode("utf-8", "replace")
