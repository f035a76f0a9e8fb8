from __future__ import annotations

import pytest

from cacara.errors import CacaraError
from cacara.words import word_lists
from cacara.words.word_lists import BadRow, Entry, read


@pytest.mark.parametrize(
    "content",
    [
        "de\tHund\tdog\nsw\tmbwa\tdog",
        "de, Hund, dog\nsw, mbwa, dog\n",
        "de;Hund;dog\r\nsw;mbwa;dog\r\n",
        "de: Hund: dog\n\nsw: mbwa: dog",
        'concept,text,language\ndog,"Hund",de\ndog,mbwa,sw',
        'sep=;\nText;Language;Concept;;\n"Hund";de;dog;;\nmbwa;sw;dog;;\n',
        "ISO 639-3,Form,English\nde,Hund,dog\nsw,mbwa,dog",
        "ID,Language_ID,Parameter_ID,Form,Segments\n1,de,dog,Hund,h u n t\n2,sw,dog,mbwa,m b w a",
        "concept,de,sw\ndog,Hund,mbwa\n",
        "de|Hund|dog\nsw|mbwa|dog",
        "de\u00a0,\u200bHund,dog\rsw, mbwa ,dog\r",
        "Lang\tNotes\tWord\tGloss\nde\tx\tHund\tdog\nsw\t\tmbwa\tdog",
    ],
)
def test_a_list_is_read_however_its_cells_are_separated_and_ordered(content):
    found = read(content)
    assert [(each.language, each.text, each.concept) for each in found.entries] == [
        ("de", "Hund", "dog"),
        ("sw", "mbwa", "dog"),
    ]
    assert found.problems == ()


def test_bad_rows_are_told_by_line_and_the_others_stay():
    found = read("de, Hund\nnot a code, x\nsw,\n, mbwa\n\nde, Hund\nsw, mbwa\nfr, ...\n" + f"en, {'x' * 301}\n")
    assert [(each.line, each.text) for each in found.entries] == [(1, "Hund"), (7, "mbwa")]
    assert [bad.line for bad in found.problems] == [2, 3, 4, 6, 8, 9]
    reasons = " | ".join(bad.reason for bad in found.problems)
    for told in ("'not a code' is not a language code", "no text", "no language", "repeats line 1", "no letter", "301"):
        assert told in reasons


def test_a_line_number_counts_lines_also_after_a_quoted_cell_of_several():
    found = read('de,"der\nHund"\nsw\nfr,chien')
    assert [(each.line, each.text) for each in found.entries] == [(1, "der Hund"), (4, "chien")]
    assert found.problems == (BadRow(3, "it has no text; found 1 cell, wanted two or more"),)


def test_two_spellings_of_a_language_both_stay():
    assert [each.text for each in read("en, colour\nen, color").entries] == ["colour", "color"]


def test_an_open_quote_swallows_no_lines():
    assert len(read('de, "Hund\nsw, mbwa\nfr, chien').entries) == 3


def test_what_is_written_is_read_again():
    entries = (Entry("de", 'Hund, "der"', "dog", 1), Entry("ar", "كلب", "dog", 2), Entry("ja", "犬: いぬ", "", 3))
    assert read(word_lists.write(entries)).entries == entries


@pytest.mark.parametrize("content", ["", " \n\t\n", "language,text\n", "no language here", "<script>\n"])
def test_a_list_without_a_usable_row_is_refused(content):
    with pytest.raises(CacaraError, match="no text to compare"):
        read(content)


def test_rows_beyond_the_cap_are_left_out_and_told():
    found = read("\n".join(f"en, word{number}" for number in range(word_lists.MAX_ROWS + 5)))
    assert len(found.entries) == word_lists.MAX_ROWS
    assert found.problems[-1].line == word_lists.MAX_ROWS + 1 and "more than 5,000 rows" in found.problems[-1].reason


def test_of_very_many_bad_rows_the_first_are_told_and_the_rest_counted():
    found = read("en, dog\n" + "\n".join(f"not a code {number}, x" for number in range(1000)))
    assert len(found.problems) == word_lists.MAX_PROBLEMS
    assert "and 800 more lines" in found.problems[-1].reason


def test_a_file_is_read_in_the_encodings_that_spreadsheets_write(tmp_path):
    path = tmp_path / "list.csv"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text("hi,कुत्ता\n", encoding=encoding)
        assert word_lists.read_file(path).entries == (Entry("hi", "कुत्ता", "", 1),)


def test_a_file_that_is_large_or_no_text_is_refused(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"en,dog\n" * (word_lists.MAX_BYTES // 7 + 1))
    with pytest.raises(CacaraError, match="more than 2,097,152 bytes"):
        word_lists.read_file(path)
    path.write_bytes(b"en,d\xf6g\n")
    with pytest.raises(CacaraError, match="not in UTF-8"):
        word_lists.read_file(path)
    with pytest.raises(CacaraError, match="cannot be read"):
        word_lists.read_file(tmp_path / "none.csv")


def test_control_and_direction_characters_are_dropped_and_formulas_and_markup_stay_text():
    found = read("en\t\u202ed\x00og \x07\nen\t=1+1\nen\t<b>dog</b>\n")
    assert [each.text for each in found.entries] == ["dog", "=1+1", "<b>dog</b>"]


def test_rows_that_came_from_elsewhere_are_checked_alike():
    found = word_lists.check([Entry("pt_BR", "  cão ", "dog", 1), Entry("", "x", "", 2), Entry("de", "", "", 3)])
    assert found.entries == (Entry("pt-BR", "cão", "dog", 1),)
    assert [bad.line for bad in found.problems] == [2, 3]


def test_a_colon_that_writes_a_long_vowel_parts_no_cells():
    assert read("sw: mbwa\nfi: ko:ra: koira").entries[1] == Entry("fi", "ko:ra", "koira", 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "dog, mbwa, Hund\ncat, paka, Katze\nhouse, nyumba, Haus",
            r"the first column \(dog, cat, house\) would be the lang",
        ),
        ("dog, mbwa, Hund\ncow, ng'ombe, Kuh", "would be the languages dog, Cowlitz; wanted a heading"),
        ("mbwa, sw\nHund, de", "the languages stand in the second column"),
        ("Sprache,Wort,Gloss\nde,Hund,dog", "'Sprache', 'Wort' is no heading that is known.*known are language"),
        ("English,Swahili,German\ndog,mbwa,Hund", "no column is headed language or text"),
        ("\\lx mbwa\n\\ge dog\n", "in Toolbox's format"),
    ],
)
def test_columns_that_are_not_understood_are_refused_and_never_loaded_as_nonsense(content, reason):
    with pytest.raises(CacaraError, match=reason):
        read(content)


@pytest.mark.parametrize("text", ["\U0001e4d0\U0001e4e8", "\ue000\ue001"])
def test_scripts_that_python_does_not_know_and_private_letters_are_words(text):
    assert read(f"qaa,{text},dog").entries == (Entry("qaa", text, "dog", 1),)


def test_small_languages_without_a_heading_are_no_reason_to_refuse():
    assert [each.language for each in read("kab, aqjun, dog\nrif, aydi, dog\ntzm, aydi, dog").entries] == [
        "kab",
        "rif",
        "tzm",
    ]


def test_texts_that_read_as_english_are_noticed_where_the_meaning_stands_in_their_column():
    swapped = "text,language,concept\nthe dog,sw,mbwa\nthe black cat,sw,paka\na house with a roof,sw,nyumba\n"
    assert read(swapped).english_instead == ("sw",)
    assert (
        read(swapped.replace("text,", "x,").replace("concept", "text").replace("x,", "concept,")).english_instead == ()
    )
