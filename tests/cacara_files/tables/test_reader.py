"""The one reader of tables: encodings, separators, quotes, headings, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cacara_files import tables
from cacara_files.tables import Fields, Limits, TableError
from cacara_files.tables import cells as cells_module

LIMITS = Limits(1 << 20, 1000)
FIELDS = Fields({"language": tables.LANGUAGE, "text": tables.TEXT, "concept": tables.CONCEPT}, ("language", "text"))
ROWS = (("language", "text", "concept"), ("sw", "mbwa", "dog"), ("ru", "собака", "dog"))


def rows(content: str | bytes, **options) -> tuple[tuple[str, ...], ...]:
    read = tables.read_bytes if isinstance(content, bytes) else tables.read_text
    return tuple(row.cells for row in read(content, LIMITS, **options).rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", ["\t", ";", ",", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_separator_and_line_end_that_programs_write_is_read(encoding, separator, end):
    content = end.join(separator.join(row) for row in ROWS) + end
    assert rows(content.encode(encoding)) == ROWS
    assert [row.line for row in tables.read_bytes(content.encode(encoding), LIMITS).rows] == [1, 2, 3]


@pytest.mark.parametrize("first", ["sep=;\r\n", "SEP=;\n", '"sep=;"\r\n', "\ufeffsep=;\n"])
def test_excels_line_names_the_separator_and_is_no_row(first):
    found = tables.read_text(first + "a,b;c,d\n", LIMITS)
    assert (found.rows[0], found.separator) == ((2, ("a,b", "c,d")), ";")


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('"mbwa; jibwa",dog', ("mbwa; jibwa", "dog")),
        ('"He said ""hello""",x', ('He said "hello"', "x")),
        ('t"amart,beard', ('t"amart', "beard")),
        ('"open,x', ('"open', "x")),
        ('"a"b,x', ('"a"b', "x")),
        ('"a\r\nb",x', ("a\r\nb", "x")),
        (' "a" , "b"', ("a", "b")),
        ('"",x', ("", "x")),
    ],
)
def test_a_cell_that_is_quoted_as_a_whole_is_unquoted_and_other_quotes_are_letters(line, cells):
    assert rows(f"{line}\nnext,row\n", candidates=",") == (cells, ("next", "row"))


def test_an_open_quote_swallows_no_lines_also_where_another_one_follows():
    assert rows('sw,"mbwa,dog\nde,Hund,dog\nfr,"chien,dog\n')[1] == ("de", "Hund", "dog")


@given(st.lists(st.lists(st.text('ab,;"\r\n é', max_size=5), min_size=2, max_size=3), max_size=4), st.integers(1, 9))
def test_what_the_csv_module_writes_is_read_as_it_was_wherever_a_read_ends(written, size):
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(written)
    before, cells_module.CHUNK_CHARACTERS = cells_module.CHUNK_CHARACTERS, size
    try:
        found = list(tables.split_rows(io.StringIO(file.getvalue(), newline=""), ",", 1000))
    finally:
        cells_module.CHUNK_CHARACTERS = before
    assert [list(row.cells) for row in found] == [row for row in written if any(cell.strip() for cell in row)]


@given(st.text('ab "\n\r,;\t|', max_size=14), st.sampled_from(",;\t|"))
def test_the_short_way_of_reading_a_usual_row_gives_what_the_long_one_does(content, separator):
    found = list(tables.split_rows(io.StringIO(content, newline=""), separator, 1000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "_usual_row", lambda *_: None)
        assert list(tables.split_rows(io.StringIO(content, newline=""), separator, 1000)) == found


@given(
    st.lists(st.text('ab,;"#\t\r\n\u200b é', max_size=5), min_size=2, max_size=3).filter(
        lambda row: "".join(row).strip()
    )
)
def test_a_written_line_is_read_back(row):
    found = rows(tables.quoted(row, "\t") + "\n", candidates=("\t",))
    assert found == (tuple(row),)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04" + b"\x14\0\x06\0" * 9, "a workbook of another kind than .xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel"),
        (b"SQLite format 3\0", "a database"),
        ("de;Gänse\n".encode("cp1252"), "not in UTF-8 (byte 4)"),
        (b"\0\0\1\2\0\0" * 9, "is no text"),
        (b"a,b\n" * (1 << 18) + b"x", "more than 1,048,576 bytes"),
    ],
)
def test_what_is_no_text_is_refused_by_what_it_is(content, reason):
    with pytest.raises(TableError) as caught:
        tables.read_bytes(content, LIMITS)
    assert reason in str(caught.value)


def test_sizes_are_bounded():
    assert tables.read_text("a,b\n" * 1001, LIMITS).cut
    assert len(tables.read_text("a,b\n" * 1001, LIMITS).rows) == 1000
    with pytest.raises(TableError, match="line 2 has more than 100 characters"):
        tables.read_text("a,b\n" + "x" * 200, Limits(1 << 20, 10, 100))
    with pytest.raises(TableError, match="1,048,577 characters"):
        tables.read_text("x" * ((1 << 20) + 1), LIMITS)


@pytest.mark.parametrize(
    "heading",
    [
        ("language", "text", "concept"),
        ("LANGUAGE", " Text\u00a0", "Concept"),
        ("Lang", "Caption", "Gloss"),
        ("ISO 639-3", "Form", "English"),
        ("Language_ID", "Form", "Parameter_ID"),
        ("\ufeffCode", "Word", "Meaning", "", ""),
    ],
)
def test_headings_are_known_in_any_case_by_their_usual_names(heading):
    columns = tables.match(heading, FIELDS)
    assert columns is not None and columns.fields == ("language", "text", "concept")
    assert columns.values(("sw", "mbwa", "dog", "", "")) == {"language": "sw", "text": "mbwa", "concept": "dog"}


def test_an_unknown_heading_is_an_error_that_lists_the_known_ones():
    with pytest.raises(TableError, match="'Sprache' is no heading.*no column is headed language.*known are language"):
        tables.match(("Sprache", "Text", "Gloss"), FIELDS)
    with pytest.raises(TableError, match="'Bedeutung' is no heading"):
        tables.match(("Language", "Text", "Bedeutung"), FIELDS)
    # Where every field has its column, a further one cannot be what was meant.
    columns = tables.match(("Language", "Text", "Gloss", "Frequenz"), FIELDS)
    assert columns.passed_over == ("Frequenz",)
    assert tables.match(("ID", "Language", "Text", "Notes"), FIELDS).passed_over == ("ID", "Notes")
    assert tables.match(("mbwa", "Hund"), FIELDS) is None


def test_of_two_columns_that_mean_the_same_the_one_with_the_fields_name_counts():
    assert tables.match(("lang", "word", "Text"), FIELDS).fields == ("language", None, "text")


def test_a_preview_says_what_was_understood():
    table = tables.read_text("id;Text;Lang\n" + "1;mbwa\x1b;sw\n" * 9, LIMITS)
    found = table.preview(tables.match(table.rows[0].cells, FIELDS), table.rows[1:])
    assert found.plain()["rows"] == [["mbwa\x1b", "sw"]] * 5
    assert found.lines()[0] == (
        "read as text, separated by semicolon; columns: Text = text, Lang = language; not used: id"
    )
    assert found.lines()[1] == "mbwa\\x1b | sw", "a terminal gets no control characters"


def test_a_cell_is_trimmed_of_what_cannot_be_seen_and_keeps_a_joiner_at_its_end():
    assert tables.trimmed("\u200b\u00a0 mbwa\u00a0kubwa\ufeff\t") == "mbwa\u00a0kubwa"
    assert tables.trimmed("ന്\u200d") == "ന്\u200d"
