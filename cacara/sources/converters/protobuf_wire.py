"""Just enough of the protocol-buffer wire format to read and write a few fields without generated classes.

Two kinds of files need it: SentencePiece's model (its compiled normalisation rule, its pieces) and the index of
a TensorFlow checkpoint. Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the integer that starts at ``position`` and the position behind it.

    Raises:
        ValueError: The data end inside the integer.
    """
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position
    raise ValueError("the data end inside an integer")


def fields(data: bytes) -> dict[int, list[int | bytes]]:
    """Return a message's fields by number; nested messages, strings and fixed-size numbers stay bytes.

    Raises:
        ValueError: The data are no well-formed message.
    """
    found: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        value: int | bytes
        match tag & 7:
            case 0:
                value, position = varint(data, position)
            case 1:
                value, position = data[position : position + 8], position + 8
            case 2:
                length, position = varint(data, position)
                value, position = data[position : position + length], position + length
            case 5:
                value, position = data[position : position + 4], position + 4
            case kind:
                raise ValueError(f"wire type {kind} at byte {position}")
        if position > len(data):
            raise ValueError("the data end inside a field")
        found.setdefault(tag >> 3, []).append(value)
    return found


def integer_field(number: int, value: int) -> bytes:
    """Return a field that holds an integer, 0 or more."""
    return _varint(number << 3) + _varint(value)


def float_field(number: int, value: float) -> bytes:
    """Return a field that holds a float of 32 bits."""
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a field that holds bytes: a string in UTF-8, or a message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])
