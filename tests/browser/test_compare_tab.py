"""The Compare tab as a linguist meets it."""

from __future__ import annotations

import csv

import pytest
from tabs import open_unspoken, show_tab

from ui.page.wording import wording

HOSTILE = '<img src=x onerror="alert(1)">'


def open_tab(page):
    show_tab(page, "compare")
    page.wait_for_selector("#compare-run")


def compare(page, words=None):
    if words is not None:
        page.fill("#compare-rows textarea", words)
    page.click("#compare-run")
    page.wait_for_selector(".comparison", timeout=120_000)


def drawn(page, kind):
    page.wait_for_selector(f".chart[data-kind={kind}] .main-svg", state="attached")


def test_one_thing_in_ten_languages_is_compared_drawn_and_saved(open_page, tmp_path):
    page = open_page(accept_downloads=True)
    open_tab(page)
    compare(page)
    assert page.inner_text(".comparison .summary").startswith("10 words in 10 languages;")
    for kind in ("places", "agreement", "similarity"):
        drawn(page, kind)
    assert page.locator(".words tbody tr").count() == 10
    assert "The wanted sound comes first" in page.inner_text(".words tbody tr:first-child .told")
    assert page.locator(".firsts td.right").count() > 0

    with page.expect_download() as saved:
        page.click(".places [data-csv=texts]")
    saved.value.save_as(tmp_path / "texts.csv")
    with (tmp_path / "texts.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["language"] for row in csv.DictReader(file)] == "en de fr sw ar hi zh ko ru yo".split()
    with page.expect_download() as saved:
        page.click(".similarity [data-picture]")
    saved.value.save_as(tmp_path / "similarity.png")
    assert (tmp_path / "similarity.png").read_bytes().startswith(b"\x89PNG")

    page.select_option("select[name=measure]", "score")
    page.wait_for_function("document.querySelector('.chart[data-kind=places]').data[0].z.flat().every(z => z < 1)")
    page.click(".firsts [data-sound]")
    page.wait_for_selector(".firsts [data-sound][aria-pressed=true]")


def test_hostile_words_are_text_bad_lines_are_told_and_a_phone_does_not_scroll_sideways(open_page):
    page = open_page(viewport={"width": 360, "height": 780})
    open_tab(page)
    compare(page, f"en, {HOSTILE}, <b>x</b>\nde, Hund, dog\nen-GB, dog, dog\nen-US, =dog, dog\nbad code!, x\n")
    drawn(page, "places")
    assert "Line 5:" in page.inner_text(".left-out")
    assert page.inner_text(".words tbody tr:first-child .word") == HOSTILE
    assert page.locator("#comparison img").count() == 0
    assert "<b>x</b>" in page.locator(".chart[data-kind=places]").inner_html().replace("&lt;", "<").replace("&gt;", ">")
    page.select_option("select[name=concept]", "dog")
    page.wait_for_selector(".concept[data-concept=dog] .spellings li")
    assert "in common" in page.inner_text(".spellings li")
    drawn(page, "similarity")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_list_and_a_concept_fill_the_box_and_the_work_can_be_stopped(open_page, tmp_path):
    page = open_page()
    open_tab(page)
    rows = [f"en\tword number {number} {number * number}\tthing {number}" for number in range(3_000)]
    (tmp_path / "list.tsv").write_text("\n".join([*rows, "no code!\tx"]), encoding="utf-8")
    page.set_input_files("#compare-tab input[type=file]", tmp_path / "list.tsv")
    page.wait_for_selector("#compare-left-out .left-out")
    assert "Line 3001" in page.inner_text("#compare-left-out")
    assert page.input_value("#compare-rows textarea").startswith("en\tword number 0 0\tthing 0\n")
    page.click("#compare-run")
    page.wait_for_selector("#comparison progress")
    page.click("#compare-stop")
    page.wait_for_selector("#comparison >> text=Stopped.")

    page.locator("#compare-lexicon input").press_sequentially("violin")
    page.click("[role=option]:has-text('violin') >> nth=0")
    page.wait_for_function("document.querySelector('#compare-rows textarea').value.startsWith('en\\tviolin\\tviolin')")
    assert page.locator("#compare-left-out .left-out").count() == 0


def test_a_program_compares_too(app, open_page):
    open_page()  # waits until the model is ready
    client = pytest.importorskip("gradio_client").Client(app.url, verbose=False)
    answer = client.predict(
        texts=[
            {"language": "en", "text": "dog", "concept": "dog"},
            {"language": "sw", "text": "mbwa", "concept": "dog"},
        ],
        api_name="/compare",
    )
    assert [text["rank"] for text in answer["texts"]][0] == 1
    assert answer["columns"] == ["en", "sw"] and answer["concepts"][0]["wanted"]


def test_the_choice_of_a_wanted_sound_speaks_the_visitors_language_before_the_page_does(open_page):
    page, go_on = open_unspoken(open_page, "ar-EG")
    open_tab(page)
    wanted = wording("ar")("compare_wanted_auto")
    page.wait_for_function("text => document.querySelector('#compare-wanted input').value === text", arg=wanted)
    go_on()
