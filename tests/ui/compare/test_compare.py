"""The Compare tab's handlers with plain values, on a tiny real model; no server."""

from __future__ import annotations

import csv
import html
import io
import json
import re

import markupsafe
import pytest

from cacara.errors import CacaraError, QueryError
from cacara.words.diagnosis import Finding
from cacara.words.lexicon import Lexicon
from tests.cacara.words.test_lexicon import folders  # noqa: F401
from tests.ui.services.test_services import make_services
from ui.compare import actions, rendering
from ui.page.wording import available, wording
from ui.services.comparisons import ComparisonMemory, StoredComparison

HOSTILE = '<img src=x onerror="alert(1)">'
LIST = f"en, dog, dog\nde, hund, dog\nde, {HOSTILE}, dog\nsw, <b>a</b> cat, cat\nbad code!, x\n"


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui-compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture(scope="module")
def pages(services):
    return list(actions.show_comparison(services, LIST))


def key_of(page: str) -> str:
    return re.search(r'data-comparison="([^"]+)"', page)[1]


def test_programs_get_plain_values(services):
    texts = [
        {"language": "en", "text": "dog", "concept": "dog"},
        {"language": "de_DE", "text": "=hund", "concept": "dog"},
    ]
    answer = json.loads(json.dumps(actions.compare(services, [*texts, {"language": "", "text": "x"}])))
    assert answer["columns"] == ["en", "de-DE"] and answer["model"] == "tiny 1" and answer["sounds"] == 4
    assert answer["problems"] == [{"line": 3, "reason": "it has no language; wanted a code such as 'sw'"}]
    first = answer["texts"][0]
    assert 1 <= first["rank"] <= 4 and len(first["hits"]) == 4 and first["pieces"] == ["dog"]
    assert first["diagnosis"].startswith("The encoder knows it as one piece.")
    (concept,) = answer["concepts"]
    assert concept["wanted"] == ["dog.wav"]
    assert [item["label"] for item in concept["items"]][:3] == ["dog", "=hund", "A dog."]
    assert [len(row) for row in concept["similarity"]] == [len(concept["items"])] * len(concept["items"])
    assert answer["agreement"] == [[1.0, 1.0], [1.0, 1.0]], "of four sounds all are among the first ten"


@pytest.mark.parametrize(
    "texts", [None, "dog", [], ["dog"], [{"language": 1, "text": "x"}], [{"text": "x"}], [{"language": "en"}] * 5_001]
)
def test_unfit_texts_are_told_so(services, texts):
    with pytest.raises(CacaraError):
        actions.compare(services, texts)


def test_an_unfit_wanted_sound_is_told_so(services):
    texts = [{"language": "en", "text": "dog"}]
    with pytest.raises(QueryError, match="wanted is a list"):
        actions.compare(services, texts, ["dog"])
    with pytest.raises(CacaraError, match="no sound of the gallery is called 'owl'"):
        actions.compare(services, texts, {"": "owl"})


def test_the_page_shows_progress_and_then_everything(pages):
    assert all("<progress" in page for page in pages[:-1]) and len(pages) > 1
    page = pages[-1]
    for part in ("places", "agreement", "words", "spellings", "firsts", "similarity"):
        assert f'<section class="{part}"' in page
    assert "Line 5: &#39;bad code!&#39; is not a language code" in page


def test_no_text_of_a_list_is_markup_anywhere(services, pages):
    page = pages[-1] + actions.show_concept(services, key_of(pages[-1]), "cat")["html"]
    assert "<img" not in page and "<b>a" not in page
    assert markupsafe.escape(HOSTILE) in page
    for data in re.findall(r'data-figures="([^"]*)"', page):
        figures = json.loads(html.unescape(data))
        labels = json.dumps([[figure["data"][0]["hovertext"], figure["layout"]["xaxis"]["ticktext"],
                              figure["layout"]["yaxis"]["ticktext"]] for figure in figures.values()])  # fmt: skip
        assert "<img" not in labels and "<b>a" not in labels, "Plotly reads tags in labels"


def test_the_overview_holds_a_cell_for_each_word_and_none_where_there_is_no_word(pages):
    data = re.search(r'data-kind="places" data-figures="([^"]*)"', pages[-1])[1]
    figures = json.loads(html.unescape(data))
    assert [[value is None for value in row] for row in figures["score"]["data"][0]["z"]] == [
        [False, True],
        [False, True],
        [False, True],
        [True, False],
    ]
    ranks = figures["rank"]["data"][0]
    assert all(10**value == pytest.approx(int(text)) for row, texts in zip(ranks["z"], ranks["text"], strict=True)
               for value, text in zip(row, texts, strict=True) if value is not None)  # fmt: skip


def test_a_list_without_meanings_is_called_by_its_english_word(services):
    lists = ("en, <dog>\nde, hund", "de, hund")
    named, unnamed = ([*actions.show_comparison(services, text)][-1] for text in lists)
    assert "&lt;dog&gt;" in html.unescape(named) and "no meaning given" not in named
    assert "no meaning given" in unnamed


def test_a_closer_look_and_tables_need_a_comparison_that_is_remembered(services, pages):
    key = key_of(pages[-1])
    assert (
        "<b>a</b> cat".replace("<", "&lt;").replace(">", "&gt;") in actions.show_concept(services, key, "cat")["html"]
    )
    table = actions.make_csv(services, key, "similarity", "cat")
    assert table["name"] == "compare-similarity-cat.csv"
    rows = list(csv.reader(io.StringIO(table["content"])))
    assert rows[0][:3] == ["", "text sw <b>a</b> cat", 'sound A <b>cat</b> & "kitten".']
    assert [row[0] for row in rows] == rows[0] and float(rows[1][1]) == 1
    for unknown in ("", "x" * 22, None):
        with pytest.raises(QueryError, match="no longer remembered"):
            actions.make_csv(services, unknown, "texts")
    with pytest.raises(CacaraError, match="no concept"):
        actions.show_concept(services, key, "owl")
    with pytest.raises(CacaraError, match="no table"):
        actions.make_csv(services, key, "../secrets")


@pytest.mark.parametrize(
    ("content", "told"), [("", "Type some words"), (None, "Type some words"), ("nothing here", "no text to compare")]
)
def test_a_list_of_nothing_is_refused(services, content, told):
    with pytest.raises(CacaraError, match=told):
        list(actions.show_comparison(services, content))


def test_an_uploaded_list_fills_the_box_and_tells_what_was_left_out(services, tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text("text\tlanguage\nhund\tde\n<script>\tno code!\n", encoding="utf-8")
    content, left_out = actions.read_list(services, str(path))
    assert content == "de\thund\n"
    assert "Line 3" in left_out and "<script>" not in left_out
    with pytest.raises(QueryError):
        actions.read_list(services, None)


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_each_finding_has_a_sentence_in_each_language(code):
    values = {"pieces": 91, "words": 72, "unknown": 53, "script": "Cyrl", "usual": "Latn", "rank": 34, "sounds": 108,
              "heard": "{rank}"}  # fmt: skip
    codes = "whole split split_text many many_text unknown script untrained apart no_sound first found missed instead"
    told = list(rendering.sentences([Finding(each, values) for each in codes.split()], wording(code)))
    assert len(set(told)) == 14
    assert "91" in told[1] and "53" in told[5] and "34" in told[12] and "{rank}" in told[13]
    assert not any("{" in sentence for sentence in told[:13])


def test_the_oldest_comparison_is_forgotten():
    memory, things = ComparisonMemory(2), [StoredComparison(None, None) for _ in range(3)]
    keys = [memory.remember(each) for each in things[:2]]
    assert memory.recall(keys[0]) is things[0]
    third = memory.remember(things[2])
    assert [memory.recall(key) for key in (*keys, third)] == [things[0], None, things[2]]


def test_the_lexicon_is_offered_in_the_visitors_language_with_the_english_name(services, folders, monkeypatch):  # noqa: F811
    monkeypatch.setattr(actions, "lexicon", lambda: Lexicon(folders))
    assert dict(actions.lexicon_choices(services.speaking(wording("pt-BR"))))["🎻 violino · violin"] == "cldr/🎻"
    labels = [label for label, _ in actions.lexicon_choices(services.speaking(wording("sw")))]
    assert any(label.startswith("🐕 mbwa · dog") for label in labels) and "🎻 violin" in labels
    english = [label for label, _ in actions.lexicon_choices(services)]
    assert "🎻 violin" in english
    assert english.index("🐕 dog ♪") < english.index("dog · Tux Paint ♪"), "of one name CLDR's bare word comes first"


def test_an_opened_list_shows_what_was_understood_of_it(services, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes("Word;Code;Gloss;Freq;;\r\nmbwa <b>;swh;dog;1,5;;\r\nHund;de;dog;2;;\r\n".encode("utf-16"))
    content, shown = actions.read_list(services, str(path))
    assert content == "swh\tmbwa <b>\tdog\nde\tHund\tdog\n"
    assert "Read as UTF-16" in shown and "Not used: Freq." in shown and "<code>language</code>" in shown
    assert "<code>swh</code> Swahili" in shown and "mbwa &lt;b&gt;" in shown and "<b>" not in shown.replace("<bdi>", "")
    path.write_text("text,language,concept\n" + "".join(f"the black {n},sw,paka\n" for n in ("cat", "dog", "house")))
    assert "These texts read as English: Swahili (sw)" in actions.read_list(services, str(path))[1]


def test_a_file_is_named_by_its_concept_with_all_its_letters(services):
    (page,) = [part for part in actions.show_comparison(services, "hi, कुत्ता, कुत्ता") if "data-comparison" in part]
    assert actions.make_csv(services, key_of(page), "texts", "कुत्ता")["name"] == "compare-texts-कुत्ता.csv"
