"""A spoken query, live listening and a video, as a visitor meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cacara import sources
from cacara.recordings import speech
from cacara.sources import texts as source_texts

SPOKEN = "animals/amphibians/frog-1_desc_es.ogg"


@pytest.fixture
def stamps() -> Path:
    return source_texts.content_folder("tuxpaint", sources.fetch("tuxpaint"))


@pytest.fixture
def whisper() -> None:
    """Its weights are here: how long a registry takes is no matter of the page."""
    speech.prepare()


def test_what_is_said_is_written_down_searched_and_can_be_corrected(open_page, stamps, whisper):
    page = open_page()
    page.click("#sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", stamps / SPOKEN)
    page.wait_for_selector(".speech [data-action=write]")
    page.click(".speech [data-action=write]")
    page.wait_for_selector(".speech.said", timeout=300_000)
    assert page.input_value(".speech input")
    page.wait_for_selector(".results.read .card")
    page.fill(".speech input", "una rana <b>verde</b>")
    page.press(".speech input", "Enter")
    page.wait_for_function("document.querySelector('#query textarea').value === 'una rana <b>verde</b>'")
    page.wait_for_selector(".results.read .card")
    assert page.locator("b").count() == 0


def test_a_bark_is_not_taken_for_speech(open_page, dogs):
    page = open_page()
    page.click("#sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", dogs[0].path)
    page.wait_for_selector(".results.heard .card")
    assert page.locator(".speech").count() == 0


def test_live_listening_shows_words_until_it_is_stopped(open_page):
    page = open_page()
    page.locator("#live > button").click()
    # Gradio fetches its recorder when the component is first shown; until then its button throws an error.
    page.locator("#live-sound .record-button").wait_for()
    page.wait_for_timeout(3000)
    page.locator("#live-sound .record-button").click()
    page.wait_for_selector(".live li", timeout=120_000)
    assert page.locator(".live li").count() == 5
    page.locator("#live-sound .stop-button").click()


def test_a_video_finds_what_it_shows_and_a_file_that_is_none_is_told(open_page, stamps, tmp_path):
    import av
    from PIL import Image

    picture = np.asarray(Image.open(stamps / "vehicles/emergency/firetruck.png").convert("RGB").resize((320, 240)))
    with av.open(str(tmp_path / "film.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(30):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    page = open_page()
    with page.expect_file_chooser() as chosen:
        page.click("#search-video")
    chosen.value.set_files(tmp_path / "film.mp4")
    page.wait_for_selector(".results.seen .card")
    assert "12 pictures of the video" in page.inner_text(".note")
    (tmp_path / "none.mp4").write_text("no video")
    with page.expect_file_chooser() as chosen:
        page.click("#search-video")
    chosen.value.set_files(tmp_path / "none.mp4")
    page.wait_for_selector(".problem")
    assert "wanted a short video" in page.inner_text(".problem")
