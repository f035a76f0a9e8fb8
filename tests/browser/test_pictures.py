"""Pictures in the Search tab as a visitor meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cacara import sources
from cacara.sources import texts as source_texts

PHOTOGRAPH = "vehicles/emergency/firetruck.png"


@pytest.fixture
def stamps() -> Path:
    return source_texts.content_folder("tuxpaint", sources.fetch("tuxpaint"))


def is_drawn(image) -> bool:
    image.scroll_into_view_if_needed()
    return image.evaluate("async (image) => { await image.decode(); return image.naturalWidth > 0; }")


def test_a_word_finds_pictures_that_are_drawn(open_page):
    page = open_page()
    page.fill("#query textarea", "ein Zebra")
    page.press("#query textarea", "Enter")
    page.wait_for_selector(".results.read .pictures .card")
    cards = page.locator(".pictures .card")
    assert cards.count() == 10
    assert any("zebra" in cards.nth(n).get_attribute("data-clip") for n in range(10))
    assert is_drawn(cards.first.locator("img"))


def test_a_recording_shows_pictures(open_page):
    page = open_page()
    page.click("#sound .record-button")
    page.wait_for_timeout(2500)
    page.click("#sound .stop-button")
    page.wait_for_selector(".results.heard .pictures .card")
    assert page.locator(".pictures .card").count() == 10
    assert is_drawn(page.locator(".pictures img").first)


def test_a_picture_finds_its_sound_and_is_searched_at_once(open_page, stamps):
    page = open_page()
    page.set_input_files("#picture input[type=file]", stamps / PHOTOGRAPH)
    page.wait_for_selector(".results.seen .sounds .card")
    heard = page.locator(".sounds .card").evaluate_all("(cards) => cards.map((card) => card.dataset.clip)")
    assert "tuxpaint/vehicles/emergency/firetruck" in heard
    assert page.locator(".pictures .card").first.get_attribute("data-clip").endswith("emergency/firetruck")
    assert page.locator("[data-label]").count() == 0


def test_a_file_that_is_no_picture_is_answered_in_words(open_page, tmp_path):
    page = open_page()
    (tmp_path / "note.png").write_text("not a picture")
    page.set_input_files("#picture input[type=file]", tmp_path / "note.png")
    page.wait_for_selector(".problem")
    assert "wanted a picture" in page.locator(".problem").inner_text()


def test_the_button_for_a_picture_is_reached_by_keyboard(open_page):
    page = open_page()
    page.locator("#search-picture").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".problem")
    assert "Take or upload a picture first" in page.locator(".problem").inner_text()


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_is_wider_than_the_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    page.fill("#query textarea", "a dog")
    page.press("#query textarea", "Enter")
    page.wait_for_selector(".results.read .pictures .card")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
