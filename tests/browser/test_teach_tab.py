"""The Teach tab as a linguist meets it."""

from __future__ import annotations

import pytest
from tabs import show_tab

from cacara.galleries import gallery
from feedback_db.records.opinions import Caption
from feedback_db.store.store import Store

HOSTILE = '<img src=x onerror="alert(1)">'


def open_tab(page):
    show_tab(page, "teach")
    page.wait_for_selector("#teach-rows textarea")


def test_words_are_checked_added_measured_and_taken_back_and_hostile_rows_are_text(start_app, open_page, tmp_path):
    page = open_page(url=start_app(tmp_path).url, viewport={"width": 360, "height": 780})
    open_tab(page)
    english = ("dog", "cat", "rain", "bell", "cow", "goat", "hen", "fire", "drum", "lion", "bird", "river")
    rows = "".join(f"{text}\tzu{number}\n" for number, text in enumerate(english))
    page.fill("#teach-code input", "x-foo")
    page.fill("#teach-rows textarea", f"{HOSTILE}\t<b>zub</b>\nonly one\n{rows}")
    page.fill("#teach-source input", HOSTILE)
    page.click("#teach-check")
    page.wait_for_selector(".teach-report .found >> text=13 words and phrases can be added")
    assert "Line 2:" in page.inner_text(".left-out") and page.locator(".teach-report tbody tr").count() == 5
    assert page.locator("#teach-start").is_disabled()
    page.click("#teach-add")
    page.wait_for_selector(".teach-added .scores", timeout=120_000)
    assert page.locator(".teach-report img, .teach-words img, .teach-words b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("[data-action=take-back]")
    page.wait_for_selector(".teach-words >> text=None yet")


def correct(database, language, texts):
    """Let somebody correct the captions of the gallery's first sounds."""
    with Store(database) as store:
        for clip, text in zip(gallery.load_tux_paint().clips, texts, strict=False):
            about = {"query_text": "sound", "recording_sha256": None, "consent": False, "language": "en"}
            ranked = {"clip_id": clip.clip_id, "rank": 1, "score": None, "model": None, "model_version": None}
            said = {"caption": text, "caption_language": language, "gallery": "tuxpaint", "annotator": "<b>ana</b>"}
            store.add_caption(Caption(**about, **ranked, **said))


def test_words_that_people_corrected_are_suggested_and_added(start_app, open_page, tmp_path):
    running = start_app(tmp_path)
    correct(running.database, "fo", [HOSTILE, "froskur", "svartur fuglur"])
    page = open_page(url=running.url, viewport={"width": 360, "height": 780})
    open_tab(page)
    row = page.locator(".teach-offers tr").filter(has=page.locator("code", has_text="fo"))
    row.wait_for(timeout=120_000)
    assert "froskur → " in row.inner_text() and page.locator("#teach-offers img").count() == 0
    page.click("#teach-from-which input")
    page.locator("[role=option]").filter(has_text="(fo)").click()
    page.click("#teach-from-start")
    page.wait_for_selector(".teach-words >> text=feedback")


@pytest.mark.soak
def test_a_language_is_checked_taught_measured_and_then_in_the_menu(start_app, open_page, tmp_path):
    rows = "\n".join(f"the colour number {number}\tqolur {number} nam" for number in range(40))
    running = start_app(tmp_path)
    page = open_page(url=running.url)
    open_tab(page)
    page.fill("#teach-code input", "qaa")
    page.fill("#teach-rows textarea", rows)
    page.click("#teach-check")
    page.wait_for_selector(".teach-report >> text=40 pairs can be trained on", timeout=120_000)
    page.click("#teach-start")
    page.wait_for_selector(".teach-job progress", timeout=60_000)
    assert page.locator("#teach-cancel").is_visible()
    page.wait_for_selector(".teach-job[data-state=done] .scores", timeout=900_000)
    assert page.locator(".teach-taught code", has_text="qaa").is_visible()
    page.click("[role=tab]:has-text('Search')")
    page.click("#language input")
    page.wait_for_selector("[role=option]:has-text('qaa')")
