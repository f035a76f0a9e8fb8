"""Coming back to a search: links, earlier queries, more like this, filters, hidden scores, clearing."""

from __future__ import annotations

import urllib.parse

import pytest

from tests.browser.test_search import HOSTILE, ask


def test_a_link_reopens_the_query_with_its_language_and_kind(open_page, app):
    page = open_page(url=f"{app.url}?q=mbwa&lang=sw&kind=sound")
    page.wait_for_selector(".results.read .sounds .card")
    assert page.input_value("#query textarea") == "mbwa"
    assert "Searched in: Kiswahili" in page.inner_text(".understood")
    assert page.locator(".pictures .card").count() == 0


def test_a_hostile_link_is_text_and_shows_what_it_can(open_page, app):
    query = urllib.parse.urlencode({name: HOSTILE for name in ("q", "lang", "kind", "licence")})
    page = open_page(url=f"{app.url}?{query}")
    page.wait_for_selector(".results.read .card")
    assert page.input_value("#query textarea") == HOSTILE
    assert page.evaluate("window.hacked") is None
    assert HOSTILE[:40] in page.inner_text("#history")  # long questions are shortened there


@pytest.mark.parametrize("name", ["q", "like"])
def test_an_endless_link_is_answered(open_page, app, name):
    page = open_page(url=f"{app.url}?{name}={'x' * 6000}")
    page.wait_for_selector(".card, .problem")
    assert page.locator("#search").is_enabled()


def test_what_was_asked_is_offered_again_and_can_be_forgotten(open_page, app):
    page = open_page()
    assert page.locator("#history .history").is_hidden()
    ask(page, "ein Hund")
    page.locator("#history button.example", has_text="ein Hund").wait_for()
    assert "q=ein+Hund" in page.url
    page.click("#clear")
    page.wait_for_function("!document.querySelector('.card')")
    assert page.input_value("#query textarea") == "" and "q=" not in page.url
    page.goto(app.url)
    page.wait_for_selector("#preparation .prepared", state="attached")
    page.locator("#history button.example").click()
    page.wait_for_selector(".results.read .card")
    page.click("#history [data-action=forget]")
    assert page.locator("#history .history").is_hidden()
    assert page.evaluate("localStorage.getItem('cacara-asked')") == "[]"


def test_what_is_asked_before_the_model_is_there_is_answered_when_it_is(open_page, start_app, tmp_path):
    page = open_page(start_app(tmp_path).url, wait=False)
    page.fill("#query textarea", "a dog")
    page.press("#query textarea", "Enter")
    assert "Still preparing" in page.inner_text("#results .problem")
    page.wait_for_selector("#results .card", timeout=300_000)
    assert page.locator("#results .problem").count() == 0


def test_more_like_this_finds_others_and_has_a_link(open_page):
    page = open_page()
    ask(page, "a dog")
    card = page.locator(".sounds .card").first
    asked = card.get_attribute("data-clip")
    card.locator("[data-action=like]").click()
    page.wait_for_selector(".results.seen .card")
    shown = page.locator(".card").evaluate_all("(cards) => cards.map((card) => card.dataset.clip)")
    assert asked not in shown and len(shown) == 20
    page.goto(page.url)
    page.wait_for_selector(".results.seen .card")
    assert page.locator(".card").evaluate_all("(cards) => cards.map((card) => card.dataset.clip)") == shown


def test_scores_are_hidden_and_stay_so(open_page):
    page = open_page()
    ask(page, "a dog")
    assert page.locator(".score").first.is_visible()
    page.click("[data-action=scores]")
    assert page.locator(".score").first.is_hidden()
    ask(page, "a cat")
    page.wait_for_selector(".card")
    assert page.locator(".score").first.is_hidden() and page.inner_text("[data-action=scores]") == "Show scores"


def test_a_sound_shows_its_waveform(open_page, app):
    page = open_page()
    ask(page, "a dog")
    wave = page.locator(".sounds .wave").first
    address = wave.evaluate('(wave) => /url\\("(.*)"\\)/.exec(getComputedStyle(wave).maskImage)[1]')
    answer = page.request.get(address)
    assert answer.ok and answer.text().startswith("<svg")
