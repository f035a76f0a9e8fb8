"""Display of file names, and their words."""

from __future__ import annotations

import unicodedata

import pytest

from cacara_files import tables

NAG_MUNDARI = "\U0001e4d0\U0001e4e8\U0001e4d9"
"""Letters of Unicode 15, which Python 3.11 does not know."""
PRIVATE = "\ue000\ue001"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("कुत्ता", "कुत्ता"),
        ("หมู_2", "หมู 2"),
        ("Big_dog-barks (2)", "Big dog barks 2"),
        ("k\u2019aq\u02bco", "k\u2019aq\u02bco"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("two\u00a0 words", "two words"),
        (NAG_MUNDARI, NAG_MUNDARI),
        (PRIVATE, PRIVATE),
        ("'quoted'", "quoted"),
        (unicodedata.normalize("NFD", "Gänse"), unicodedata.normalize("NFD", "Gänse")),
        ("---", ""),
    ],
)
def test_the_words_of_a_name_keep_all_of_their_letters(name, words):
    assert tables.words(name) == words


def test_what_is_shown_keeps_letters_and_joiners_and_escapes_what_moves_a_line():
    for kept in (NAG_MUNDARI, PRIVATE, "می\u200cخواهم", "👩\u200d🔬", "a\u00a0b", "two  spaces", "कुत्ता"):
        assert tables.shown(kept) == kept
    assert tables.shown("a\x1b[2J\nb\u202ec\ud800\u2028\ufffe") == "a\\x1b[2J\\x0ab\\u202ec\\ud800\\u2028\\ufffe"


def test_letters_that_python_does_not_know_are_content():
    assert tables.has_content(NAG_MUNDARI) and tables.has_content(PRIVATE) and tables.has_content("🐕")
    assert not tables.has_content("… !") and not tables.has_content("\u0301") and not tables.has_content("\uffff")
