"""The Recordings tab as a linguist meets it: an hour's stand-in is sent, searched, heard and taken along."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cacara.media import audio
from cacara.recordings import elan

HEARING_SECONDS = 240
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def tape(dogs, tmp_path_factory):
    """Faint noise for a minute, and a dog after half of it; the file's name is HTML."""
    path = tmp_path_factory.mktemp("tape") / f"{HOSTILE}.wav"
    samples = np.random.default_rng(0).normal(0, 0.003, 60 * audio.SAMPLE_RATE_HZ).astype(np.float32)
    bark = audio.load(dogs[0].path).waveform[: 4 * audio.SAMPLE_RATE_HZ]
    start = 30 * audio.SAMPLE_RATE_HZ
    samples[start : start + bark.size] += 0.8 * bark
    audio.write_wav(path, samples)
    return path


def open_tab(page):
    if not page.locator("#recordings-tab-button:visible").count():
        page.click("#tabs .overflow-menu > button")
        page.click("#tabs .overflow-dropdown button >> text=/^(Recordings|Enregistrements|التسجيلات)$/")
    else:
        page.click("#recordings-tab-button:visible")
    page.wait_for_selector("#recordings-source .drop")


def send(page, path):
    page.set_input_files("#recordings-source input[type=file]", path)
    ended = ", ".join(f"#recordings-source .state[data-phase={phase}]" for phase in ("ready", "failed"))
    page.wait_for_selector(ended, timeout=HEARING_SECONDS * 1000)


def find(page, query):
    page.fill("#recordings-query textarea", query)
    page.click("#recordings-find")


def test_a_tape_is_sent_searched_heard_exported_and_deleted(open_page, tape):
    page = open_page()
    open_tab(page)
    find(page, "mbwa")
    page.wait_for_selector("#recordings-found .problem >> text=Open a recording first")
    send(page, tape)
    state = page.inner_text("#recordings-source .state")
    assert "Ready. 1:00" in state and HOSTILE in state, "the name is shown as text"

    find(page, "der Hund bellt")
    page.wait_for_selector("#recordings-found .found li")
    first = page.locator("#recordings-found li button").first
    assert 28 <= float(first.get_attribute("data-start")) <= 34
    assert page.locator("#recordings-found .timeline svg rect").count() == page.locator("#recordings-found li").count()
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#recordings-found audio').currentTime > 27.9")
    page.wait_for_selector("#recordings-found .playhead:not([hidden])")
    with page.expect_download() as waiting:
        page.click("#recordings-found .exports a >> text=ELAN")
    assert waiting.value.suggested_filename.endswith(".eaf")
    mine = waiting.value.path().read_bytes()
    field = page.locator("#recordings-found .exports input[type=file]")
    with page.expect_download() as waiting:
        field.set_input_files({"name": "mine.eaf", "mimeType": "", "buffer": mine})
    assert waiting.value.suggested_filename == "mine.eaf"
    assert len(elan.tiers(waiting.value.path().read_bytes())) == 2, "what was there and what was added"

    page.click("#recordings-source [data-action=forget]")
    page.wait_for_selector("#recordings-source .state[data-phase=forgotten]")
    find(page, "der Hund bellt")
    page.wait_for_selector("#recordings-found .problem >> text=Open a recording first")


def test_the_model_of_the_menu_listens_also_to_what_is_open(open_page, tape):
    page = open_page()
    open_tab(page)
    send(page, tape)
    find(page, "der Hund bellt")
    page.wait_for_selector("#recordings-found .answered >> text=Deutsch · heard by cacara-studio ·")
    page.click("#model input")
    page.locator("#model [role=option]", has_text="cacara · ").first.click()
    working = ", ".join(f"#recordings-source .state[data-phase={phase}]" for phase in ("queued", "listening"))
    page.wait_for_selector(working, timeout=HEARING_SECONDS * 1000)
    page.wait_for_selector("#recordings-source .state[data-phase=ready]", timeout=HEARING_SECONDS * 1000)
    find(page, "der Hund bellt")
    page.wait_for_selector("#recordings-found .answered >> text=Deutsch · heard by cacara ·")


def test_what_is_no_recording_is_told_and_words_stay_words(open_page, tmp_path):
    page = open_page(locale="ar-EG", viewport={"width": 390, "height": 800})
    open_tab(page)
    (tmp_path / f"{HOSTILE}.mp3").write_bytes(b"#EXTM3U\nfile:///etc/passwd\n")
    send(page, tmp_path / f"{HOSTILE}.mp3")
    assert page.get_attribute("#recordings-source .state", "data-phase") == "failed"
    assert "a playlist" in page.inner_text("#recordings-source .told")
    find(page, HOSTILE)
    page.wait_for_selector("#recordings-found .problem")
    assert page.locator("#recordings-source img, #recordings-found img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page does not scroll sideways"


def test_the_page_is_there_before_the_model(start_app, open_page, tmp_path):
    """The tab can be opened and a recording sent while the model is still being prepared."""
    running = start_app(tmp_path)
    page = open_page(running.url, wait=False)
    open_tab(page)
    began = time.monotonic()
    assert page.is_visible("#recordings-query textarea") and time.monotonic() - began < 5
