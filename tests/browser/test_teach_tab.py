"""The Teach tab as a linguist meets it."""

from __future__ import annotations

import pytest
from tabs import show_tab

from cacara.search import gallery
from feedback_db.records.opinions import Caption
from feedback_db.store.store import Store

HOSTILE = '<img src=x onerror="alert(1)">'


def open_tab(page):
    show_tab(page, "teach")
    page.wait_for_selector("#teach-rows textarea")


def test_hostile_rows_are_text_bad_lines_are_told_and_what_is_missing_is_counted(open_page):
    page = open_page(viewport={"width": 360, "height": 780})
    open_tab(page)
    page.fill("#teach-code input", "sw")
    page.fill("#teach-rows textarea", f"{HOSTILE}\t<b>mbwa</b>\nonly one\n")
    page.click("#teach-check")
    page.wait_for_selector(".teach-report .lacking")
    assert "19 more pairs are needed" in page.inner_text(".teach-report")
    assert "Line 2:" in page.inner_text(".left-out")
    assert page.locator(".teach-report img, .teach-report b").count() == 0
    assert page.locator("#teach-start").is_disabled()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def correct(database, language, texts):
    """Let somebody correct the captions of the gallery's first sounds."""
    with Store(database) as store:
        for clip, text in zip(gallery.load_tux_paint().clips, texts, strict=False):
            about = {"query_text": "sound", "recording_sha256": None, "consent": False, "language": "en"}
            ranked = {"clip_id": clip.clip_id, "rank": 1, "score": None, "model": None, "model_version": None}
            said = {"caption": text, "caption_language": language, "gallery": "tuxpaint", "annotator": "<b>ana</b>"}
            store.add_caption(Caption(**about, **ranked, **said))


def test_languages_that_people_corrected_are_offered_with_what_is_missing_and_too_little_is_refused(app, open_page):
    correct(app.database, "fo", [HOSTILE, "froskur", "svartur fuglur"])
    page = open_page(viewport={"width": 360, "height": 780})
    open_tab(page)
    row = page.locator(".teach-offers tr").filter(has=page.locator("code", has_text="fo"))
    row.wait_for(timeout=120_000)
    assert row.locator(".count").all_inner_texts() == ["3", "3"]
    assert "57 pairs in all" in row.inner_text()
    assert page.locator("#teach-offers img").count() == 0
    page.click("#teach-from-which input")
    page.locator("[role=option]").filter(has_text="(fo)").click()
    page.click("#teach-from-start")
    page.wait_for_selector("#teach-notice >> text=Too little feedback in Faroese. Missing: 57 pairs in all")
    assert page.locator("#teach-use").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.soak
def test_a_language_is_checked_taught_measured_and_then_in_the_menu(start_app, open_page, tmp_path):
    rows = "\n".join(f"the colour number {number}\tqolur {number} nam" for number in range(40))
    running = start_app(tmp_path)
    page = open_page(url=running.url)
    open_tab(page)
    page.fill("#teach-code input", "qaa")
    page.fill("#teach-rows textarea", rows)
    page.click("#teach-check")
    page.wait_for_selector(".teach-report .found >> text=40 good pairs", timeout=120_000)
    page.click("#teach-start")
    page.wait_for_selector(".teach-job progress", timeout=60_000)
    assert page.locator("#teach-cancel").is_visible()
    page.wait_for_selector(".teach-job[data-state=done] .scores", timeout=900_000)
    assert page.locator(".teach-taught code", has_text="qaa").is_visible()
    page.click("[role=tab]:has-text('Search')")
    page.click("#language input")
    page.wait_for_selector("[role=option]:has-text('qaa')")
