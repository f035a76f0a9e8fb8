from __future__ import annotations

import dataclasses

import pytest

from cacara.languages.coverage import Coverage, MeasuredRecall, Row
from ui.languages import rendering
from ui.page.wording import available, wording

FOUND = MeasuredRecall(51.3, 40.0, 60.4, 16.5, 9)
SWAHILI = Row("sw", "Swahili", "Kiswahili", "Latn", "ltr", True, 900, 1.84, 5.3, 0.0, dev=FOUND)
OTHER = Row("chr", "<Cherokee>", "ᏣᎳᎩ", "Cher", "ltr", False, 900, None, None, 0.412)


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_a_languages_figures_are_told_in_words(code):
    told = " ".join(rendering.sentences(SWAHILI, wording(code)))
    assert all(figure in told for figure in ("1.8", "51", "40", "60", "16"))
    assert "{" not in told
    other = " ".join(rendering.sentences(OTHER, wording(code)))
    assert "41.2" in other and "{" not in other and "1.8" not in other


def test_what_is_told_depends_on_what_is_known():
    english = wording("en")
    assert list(rendering.sentences(SWAHILI, english)) == [
        "The text encoder was trained on it.",
        "A word is cut into 1.8 pieces on average; the fewer, the better it is known.",
        "No sign of it is unknown.",
        "In a test, 51 % of the queries found a right sound among the first ten (likely between 40 and 60 %; by chance "
        "16 %).",
    ]
    tested = dataclasses.replace(SWAHILI, test=dataclasses.replace(FOUND, recall_at_10=30.0))
    assert "30 %" in list(rendering.sentences(tested, english))[-1], "test figures go before dev's"
    assert list(rendering.sentences(OTHER, english))[-1].endswith("has not been measured.")


def test_names_in_the_table_are_text():
    page = rendering.table(Coverage("m", "e", "", (OTHER, SWAHILI)), wording("ar"))
    assert "&lt;Cherokee&gt;" in page and "<Cherokee>" not in page
    assert page.startswith('<div class="languages" lang="ar" dir="rtl">')
    assert page.count("<tr") == 3 and 'data-value="51.3"' in page


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_the_words_that_the_lexicon_has_are_counted(code):
    page = rendering.table(Coverage("m", "e", "", (OTHER, SWAHILI)), wording(code), {"sw": 12345})
    assert 'data-value="12345"' in page and page.count("12,345") == 2
