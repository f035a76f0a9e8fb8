"""The Search tab as a visitor meets it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from cacara.media import audio
from feedback_db import Store

HOSTILE = "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'> ${window.hacked=3} {{value}}"


def ask(page, text: str) -> None:
    page.fill("#query textarea", text)
    page.press("#query textarea", "Enter")
    page.wait_for_selector(".results.read .card, .problem")


def rows(database: Path, table: str) -> list[sqlite3.Row]:
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(f"select * from {table}").fetchall()
    finally:
        connection.close()


@pytest.fixture
def judged(app):
    """A function that returns the opinions made since the test began: all tests share the database."""
    Store(app.database).close()  # the app makes it at the first judgement; this test may be the first
    before = {row["seq"] for row in rows(app.database, "current_judgements")}

    def since() -> list[sqlite3.Row]:
        return [row for row in rows(app.database, "current_judgements") if row["seq"] not in before]

    return since


def wait_for_verdict(card, text: str) -> None:
    card.locator(".verdict", has_text=text).wait_for()


def test_record_results_flag_row_undo(open_page, app, judged, dogs):
    page = open_page()
    page.click("#sound .record-button")
    page.wait_for_timeout(2500)
    page.click("#sound .stop-button")
    page.wait_for_selector(".results.heard .sounds .card")
    assert page.locator(".results.heard .words .card").count() == 10
    best = page.locator(".results.heard .sounds .card").first
    found = best.get_attribute("data-clip")
    assert found in [dog.clip_id for dog in dogs]

    best.locator("[data-label=relevant]").click()
    wait_for_verdict(best, "Keep my recording")
    assert judged() == []

    page.check("#consent input")
    best.locator("[data-label=relevant]").click()
    wait_for_verdict(best, "saved")
    assert best.locator("[data-label=relevant]").get_attribute("aria-pressed") == "true"
    (row,) = judged()
    assert (row["clip_id"], row["rank"], row["label"], row["consent"]) == (found, 1, "relevant", 1)
    assert row["query_text"] is None
    (kept,) = (app.database.parent / "recordings").rglob(f"{row['recording_sha256']}.wav")
    assert kept.is_file()

    best.locator("[data-action=undo]").click()
    wait_for_verdict(best, "Taken back")
    assert best.locator("[aria-pressed=true]").count() == 0
    assert judged() == []
    assert [each for each in rows(app.database, "judgements") if each["event_id"] == row["event_id"]], "it is kept"


def test_a_changed_mind_is_undone_one_step_at_a_time(open_page, judged):
    page = open_page()
    ask(page, "a cow")
    card = page.locator(".card").first
    card.locator("[data-label=relevant]").click()
    wait_for_verdict(card, "saved")
    card.locator("[data-label=unsure]").click()
    page.wait_for_selector(".card[data-state=unsure]")
    assert [row["label"] for row in judged()] == ["unsure"]
    card.locator("[data-action=undo]").click()
    page.wait_for_selector(".card[data-state=relevant]")
    assert [row["label"] for row in judged()] == ["relevant"]
    card.locator("[data-action=undo]").click()
    page.wait_for_function("!document.querySelector('.card [aria-pressed=true]')")
    assert judged() == []


def test_german_is_recognised_and_answered_in_german(open_page):
    page = open_page(locale="de-DE")
    ask(page, "Der Hund bellt im Garten")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert "Erkannt: Deutsch" in page.inner_text(".understood")
    assert page.locator(".sounds .card").count() == page.locator(".pictures .card").count() == 10
    assert page.locator(".caption [lang=de]").count() > 0


def test_arabic_is_shown_from_right_to_left(open_page):
    page = open_page(locale="ar-EG")
    ask(page, "القطة تموء في البيت")
    assert page.evaluate("document.documentElement.dir") == "rtl"
    assert "العربية" in page.inner_text(".understood")
    query, sound = page.locator("#by-text").bounding_box(), page.locator("#by-sound").bounding_box()
    assert query["x"] > sound["x"]
    caption = page.locator(".caption [lang=ar]").first
    assert caption.evaluate("element => getComputedStyle(element).direction") == "rtl"


def test_a_chosen_language_is_searched_in_and_an_example_goes_back_to_detection(open_page):
    page = open_page()
    page.click("#language input")
    page.fill("#language input", "Swahili")
    page.locator("#language [role=option]", has_text="Swahili").first.click()
    ask(page, "mbwa")
    assert "Searched in: Kiswahili" in page.inner_text(".understood")
    page.click(".understood button")
    assert page.evaluate("document.activeElement.closest('#language') !== null")
    page.keyboard.press("Escape")
    page.locator(".example", has_text="der Hund bellt").click()
    page.locator(".understood", has_text="Deutsch").wait_for()
    assert page.input_value("#query textarea") == "der Hund bellt"
    assert page.input_value("#language input") == "Detect"


def test_everything_works_by_keyboard_alone(open_page, judged):
    page = open_page()
    for _ in range(20):
        if page.evaluate("document.activeElement.matches('#query textarea')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type("a horse")
    page.keyboard.press("Enter")
    page.wait_for_selector(".results.read .card")
    page.wait_for_timeout(300)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.card [data-label=not_relevant]')"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector(".card[data-state=not_relevant]")
    page.keyboard.press("Tab")  # past the third answer
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('[data-action=undo]')")
    page.keyboard.press("Enter")
    wait_for_verdict(page.locator(".card").first, "Taken back")
    assert page.evaluate("document.activeElement.closest('.card') !== null")
    assert judged() == []


def test_a_sound_plays_and_another_stops_it(open_page):
    page = open_page()
    ask(page, "a dog")
    players = page.locator(".card audio")
    for number in range(2):
        players.nth(number).evaluate("player => { player.loop = true; player.muted = true; return player.play(); }")
    assert players.nth(0).evaluate("player => player.paused")
    assert not players.nth(1).evaluate("player => player.paused")
    assert players.nth(1).evaluate("player => player.duration > 0.05")
    assert page.locator(".card.playing").count() == 1


def test_pictures_of_the_gallery_are_shown(open_page):
    page = open_page()
    ask(page, "a dog")
    page.wait_for_function("[...document.querySelectorAll('.picture img')].slice(0, 1).every(i => i.naturalWidth > 1)")


def test_hostile_text_is_text(open_page):
    page = open_page()
    ask(page, HOSTILE)
    assert page.locator(".sounds .card").count() == page.locator(".pictures .card").count() == 10
    ask(page, HOSTILE * 40)
    page.wait_for_selector(".problem")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize(
    ("query", "said"),
    [("", "Type a word"), ("   ", "Type a word"), ("x" * 10_000, "10,000"), ("...", "empty")],
    ids=["empty", "blank", "endless", "dots"],
)
def test_an_unfit_query_gets_a_kind_message_in_place_of_results(open_page, query, said):
    page = open_page()
    ask(page, query)
    assert said in page.inner_text(".problem")
    ask(page, "dog")
    page.wait_for_selector(".card")


@pytest.mark.parametrize("query", ["x", "🐶", "dog собака 犬 كلب"])
def test_an_odd_query_is_answered(open_page, query):
    page = open_page()
    ask(page, query)
    assert page.locator(".sounds .card").count() == page.locator(".pictures .card").count() == 10


def silence(path: Path) -> None:
    audio.write_wav(path, np.zeros(32_000, np.float32))


def blip(path: Path) -> None:
    audio.write_wav(path, np.full(200, 0.5, np.float32))


FILES = {
    "silence.wav": silence,
    "blip.wav": blip,
    "empty.wav": lambda path: path.write_bytes(b""),
    "text.wav": lambda path: path.write_text("no sound at all\n" * 100),
    "list.mp3": lambda path: path.write_text("#EXTM3U\n/etc/hostname\n"),
    "cut.wav": lambda path: path.write_bytes(b"RIFF\xff\xff\x00\x00WAVEfmt \x10\x00"),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_upload_that_is_no_usable_sound_is_told_so_and_the_app_stays_up(open_page, tmp_path, name):
    FILES[name](tmp_path / name)
    page = open_page()
    page.click("#sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", tmp_path / name)
    page.wait_for_selector(".problem")
    assert name in page.inner_text(".problem") or "silent" in page.inner_text(".problem")
    ask(page, "dog")
    page.wait_for_selector(".card")


def test_an_uploaded_sound_is_searched_with(open_page, dogs):
    page = open_page()
    page.click("#sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", dogs[0].path)
    page.wait_for_selector(".results.heard .card")
    best = page.locator(".results.heard .sounds .card").first
    assert best.get_attribute("data-clip") == dogs[0].clip_id


def test_without_a_sound_one_is_asked_for(open_page):
    page = open_page()
    page.click("#search-sound")
    page.wait_for_selector(".problem")
    assert "Record or upload" in page.inner_text(".problem")


def test_the_interface_language_is_chosen_and_remembered(open_page, app):
    page = open_page()
    page.click("#interface input")
    page.locator("#interface [role=option]", has_text="Kiswahili").click()
    page.locator("#search", has_text="Tafuta").wait_for()
    page.goto(app.url)
    page.locator("#search", has_text="Tafuta").wait_for()
    assert page.evaluate("document.documentElement.lang") == "sw"


def test_on_a_phone_the_answer_comes_into_sight(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    ask(page, "der Hund bellt")
    page.wait_for_function("document.querySelector('.card').getBoundingClientRect().top < innerHeight / 2")


@pytest.mark.parametrize("width", [360, 768, 2560])
@pytest.mark.parametrize("locale", ["en-US", "ar-EG"])
def test_no_width_needs_sideways_scrolling(open_page, width, locale):
    page = open_page(viewport={"width": width, "height": 800}, locale=locale)
    ask(page, "der Hund bellt")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_more_results_come_below_and_the_keyboard_goes_on_there(open_page):
    page = open_page()
    page.fill("#query textarea", "dog")
    page.press("#query textarea", "Enter")
    more = page.locator(".sounds [data-action=more]")
    more.wait_for()
    place = "document.querySelector('.sounds .card').getBoundingClientRect().top + scrollY"
    before = page.evaluate(place)
    more.focus()
    page.keyboard.press("Enter")
    assert page.locator(".sounds .card").count() == 20 and page.locator(".pictures .card").count() == 10
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "11"
    assert page.evaluate(place) == before, "what was there stays where it was"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.card').querySelector('.rank').textContent") == "11"
    while more.count():
        more.click()
    assert page.locator(".sounds .card").count() == 40
