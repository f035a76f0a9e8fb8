"""Spellings that mean the same are read as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cacara.languages.spelling import fold, plain


@pytest.mark.parametrize(
    ("text", "language", "read"),
    [
        ("СОБАКА", "ru", "собака"),
        ("Mbwa Anabweka", "sw-KE", "mbwa anabweka"),
        ("IŞIK İNEK", "tr", "ışık inek"),
        ("ILIQ", "az", "ılıq"),
        ("İNEK", None, "inek"),
        ("BIRD", "en", "bird"),
        ("ΣΚΥΛΟΣ", "el", "σκυλος"),
        ("კატა", "ka", "კატა"),
        ("ᲙᲐᲢᲐ", "ka", "კატა"),
        ("Å\u0301 e\u0301", "fr", "ǻ é"),  # letters as one character
    ],
)
def test_capitals_are_read_as_small_letters_with_the_dots_of_the_language(text, language, read):
    assert fold(text, language) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("hund", "Hund"),
        ("Hund", "Hund"),
        ("HUND", "Hund"),
        ("der Hund bellt", "der Hund bellt"),
        ("DER HUND BELLT", "Der Hund Bellt"),
        ("der hund bellt", "Der Hund Bellt"),
        ("Der hund bellt", "Der Hund Bellt"),
        ("A", "A"),
    ],
)
def test_german_nouns_keep_their_capital_or_get_it(text, read):
    assert fold(text, "de") == read


@pytest.mark.parametrize(
    ("text", "language", "read"),
    [
        ("كـــلب", "ar", "كلب"),
        ("كَلْبٌ", "ar", "كلب"),
        ("כֶּלֶב", "he", "כלב"),
        ("פֿאָגל", "yi", "פֿאָגל"),  # Yiddish letters
        ("соба\u0301ка", "ru", "собака"),  # stress
        ("Feuer\u00adwehr", "de", "Feuerwehr"),
        ("\u200b\ufeffpaka\u200d", "sw", "paka"),
        ("❤\ufe0f", None, "❤"),
        ("می\u200cخواهم", "fa", "می\u200cخواهم"),  # a joiner inside a word shapes it
        ("👩\u200d🚒", None, "👩\u200d🚒"),
        ("അവന്\u200d", "ml", "അവന്\u200d"),  # the joiner makes its last letter
        ("\u200f", None, "\u200f"),  # nothing else is there
    ],
)
def test_marks_that_say_nothing_and_vowel_signs_are_not_read(text, language, read):
    assert fold(text, language) == read


@given(st.text(min_size=1), st.sampled_from((None, "de", "tr", "ar", "yi")))
def test_what_was_read_is_read_alike_and_nothing_becomes_blank(text, language):
    assert fold(text, language) and plain(plain(text, language), language) == plain(text, language)
    if language != "de":
        assert fold(fold(text, language), language) == fold(text, language)
    assert bool(text.strip()) <= bool(fold(text, language).strip())
