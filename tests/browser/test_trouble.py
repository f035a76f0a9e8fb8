"""The app when something is missing: it starts, says what, and goes on."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def blocked_database(tmp_path_factory: pytest.TempPathFactory):
    """A place where no database can be."""
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "file").write_text("in the way")
    return folder / "file" / "feedback.db"


def test_the_page_says_what_is_missing_and_offers_to_try_again(open_page, start_app, tmp_path, blocked_database):
    crippled = start_app(tmp_path, "--model", str(tmp_path / "no-model"), database=blocked_database)
    page = open_page(crippled.url, wait=False)
    page.wait_for_selector(".preparation.failed")
    assert "no-model" in page.inner_text(".preparation.failed .step")
    assert "Feedback is switched off" in page.inner_text("#notice")
    page.fill("#query textarea", "dog")
    page.press("#query textarea", "Enter")
    page.wait_for_selector(".problem")
    assert "no-model" in page.inner_text(".problem")
    page.click("#retry")
    page.wait_for_selector(".preparation.failed")


def test_search_works_without_a_database_and_a_flag_says_why_it_does_not(
    open_page, start_app, tmp_path, blocked_database
):
    running = start_app(tmp_path, database=blocked_database)
    page = open_page(running.url)
    page.fill("#query textarea", "dog")
    page.press("#query textarea", "Enter")
    card = page.locator(".card").first
    card.locator("[data-label=relevant]").click()
    card.locator(".verdict.wrong", has_text="cannot be placed").wait_for()
    assert card.locator("[aria-pressed=true]").count() == 0
