from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cacara.sources.converters.protobuf_wire import fields, varint


def write_varint(value: int) -> bytes:
    written = b""
    while value >= 128:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])


def write_field(number: int, value: int | bytes, kind: int) -> bytes:
    tag = write_varint(number << 3 | kind)
    if kind == 0:
        return tag + write_varint(value)
    return tag + (write_varint(len(value)) if kind == 2 else b"") + value


NUMBERS = st.integers(1, 2**29 - 1)
FIELDS = st.lists(
    st.one_of(
        st.tuples(NUMBERS, st.integers(0, 2**64 - 1), st.just(0)),
        st.tuples(NUMBERS, st.binary(min_size=8, max_size=8), st.just(1)),
        st.tuples(NUMBERS, st.binary(max_size=300), st.just(2)),
        st.tuples(NUMBERS, st.binary(min_size=4, max_size=4), st.just(5)),
    )
)


def test_the_example_of_the_formats_guide():
    assert varint(b"\x96\x01", 0) == (150, 2)
    assert fields(b"\x08\x96\x01") == {1: [150]}
    assert fields(b"\x12\x07testing") == {2: [b"testing"]}
    assert fields(b"") == {}


@settings(deadline=None)
@given(st.integers(0, 2**70), st.binary(max_size=9), st.binary(max_size=9))
def test_an_integer_is_read_where_it_stands(value, before, after):
    written = write_varint(value)
    assert varint(before + written + after, len(before)) == (value, len(before) + len(written))


@settings(deadline=None)
@given(FIELDS)
def test_written_fields_come_back_in_order(written):
    expected: dict[int, list[int | bytes]] = {}
    for number, value, _ in written:
        expected.setdefault(number, []).append(value)
    assert fields(b"".join(write_field(*field) for field in written)) == expected


@settings(deadline=None)
@given(FIELDS.filter(bool), st.data())
def test_a_message_cut_short_is_an_error_or_lacks_its_last_fields(written, data):
    message = b"".join(write_field(*field) for field in written)
    whole = fields(message)
    try:
        found = fields(message[: data.draw(st.integers(0, len(message) - 1))])
    except ValueError:
        return
    assert sum(map(len, found.values())) < sum(map(len, whole.values()))


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_give_fields_or_a_value_error(data):
    try:
        found = fields(data)
    except ValueError:
        return
    assert all(isinstance(value, int | bytes) for values in found.values() for value in values)
    assert sum(len(value) for values in found.values() for value in values if isinstance(value, bytes)) <= len(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80", "inside an integer"),
        (b"\x08", "inside an integer"),
        (b"\x12\x05abcd", "inside a field"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a", "inside a field"),
        (b"\x09\x00\x00\x00\x00\x00\x00\x00", "inside a field"),
        (b"\x0d\x00\x00\x00", "inside a field"),
        (b"\x0b", "wire type 3 at byte 1"),
        (b"\x08\x01\x0f", "wire type 7 at byte 3"),
    ],
)
def test_what_is_wrong_is_told(data, message):
    with pytest.raises(ValueError, match=message):
        fields(data)
