"""Sounds as strangers have them: a gallery of a phone's and a recorder's files, and an upload whose channels cancel."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from audio_files import encode

from cacara.media import audio, formats
from tests.browser.test_recordings_tab import find, open_tab, send

PLAYED = """async (card) => {
    const audio = card.querySelector("audio");
    audio.muted = true;
    await audio.play();
    for (let waited = 0; audio.currentTime <= 0.3 && waited < 100; waited++)
        await new Promise((done) => setTimeout(done, 100));
    audio.pause();
    return [audio.error === null, audio.currentTime, audio.duration];
}"""


@pytest.fixture(scope="module")
def bark(dogs) -> np.ndarray:
    return np.resize(audio.load(dogs[0].path).waveform, 4 * audio.SAMPLE_RATE_HZ)


@pytest.fixture(scope="module")
def foreign(start_app, bark, tmp_path_factory):
    """The app over a gallery of a dog in ALAC, one in ADPCM, one in AMR, and one that barks after 35 seconds."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "gallery").mkdir()
    alac = encode("ipod", "alac", audio.SAMPLE_RATE_HZ, bark)
    (folder / "gallery" / "dog in ALAC.m4a").write_bytes(alac)
    (folder / "gallery" / "dog in ADPCM.wav").write_bytes(encode("wav", "adpcm_ms", audio.SAMPLE_RATE_HZ, bark))
    (folder / "gallery" / "dog in AMR.amr").write_bytes(encode("amr", "libopencore_amrnb", 8000, bark[::2]))
    late = np.concatenate([0.01 * np.random.default_rng(0).normal(size=35 * audio.SAMPLE_RATE_HZ), bark])
    soundfile.write(folder / "gallery" / "dog at the end.flac", late, audio.SAMPLE_RATE_HZ)
    return start_app(folder, "--gallery", str(folder / "gallery"))


def test_what_browsers_do_not_play_is_played_and_a_long_sound_says_what_is_searched(open_page, foreign):
    page = open_page(foreign.url)
    page.fill("#query textarea", "a barking dog")
    page.press("#query textarea", "Enter")
    page.wait_for_selector(".results.read .card")
    for kind in ("ALAC", "ADPCM", "AMR"):
        whole, reached, length = page.locator(f".card:has-text('dog in {kind}')").first.evaluate(PLAYED)
        assert whole and reached > 0.3 and length == pytest.approx(4, abs=0.1), kind
    late = page.locator(".card:has-text('dog at the end')").first
    assert "Only its first 30 seconds are searched." in late.inner_text()


def test_an_upload_whose_channels_cancel_is_heard_and_says_so_in_the_pages_language(open_page, foreign, bark, tmp_path):
    inverted = tmp_path / "inverted.wav"
    soundfile.write(inverted, np.stack([bark, -bark], axis=1), audio.SAMPLE_RATE_HZ)
    page = open_page(foreign.url, locale="de-DE")
    page.click("#sound [aria-label='Datei hochladen'], #sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", inverted)
    page.wait_for_selector(".results.heard .card")
    assert "Die Kanäle löschen einander aus" in page.inner_text(".results.heard")
    assert "dog in ALAC" in page.locator(".results.heard .sounds .card").first.inner_text()


def upload(page, path):
    """Choose a file to search with, as the browser's own dialogue offers it."""
    page.click("#sound [aria-label='Upload file']")
    with page.expect_file_chooser() as chosen:
        page.click("#sound .upload-container, #sound button:has(input[type=file])")
    assert chosen.value.element.get_attribute("accept").split(",") == ["audio/*", "video/*", *formats.SOUNDS]
    chosen.value.set_files(path)


@pytest.mark.parametrize("name", ["memo.amr", "camera.mts", "film.mkv", "bark.wv"])
def test_a_phones_a_cameras_and_a_recorders_files_are_searched_with(open_page, foreign, bark, tmp_path, name):
    container, codec, rate_hz = {
        "memo.amr": ("amr", "libopencore_amrnb", 8000),
        "camera.mts": ("mpegts", "ac3", 48000),
        "film.mkv": ("matroska", "aac", 16000),
        "bark.wv": ("wv", "wavpack", 16000),
    }[name]
    samples = np.interp(np.arange(4 * rate_hz) / rate_hz, np.arange(bark.size) / 16000, bark).astype(np.float32)
    (tmp_path / name).write_bytes(encode(container, codec, rate_hz, samples, film=name.endswith(("mts", "mkv"))))
    page = open_page(foreign.url)
    upload(page, tmp_path / name)
    page.wait_for_selector(".results.heard .card")
    assert "dog in A" in page.locator(".results.heard .sounds .card").first.inner_text()


def test_a_voice_memo_in_alac_is_searched_with_and_opened_in_recordings(open_page, foreign, bark, tmp_path):
    memo = tmp_path / "memo.m4a"
    memo.write_bytes(encode("ipod", "alac", audio.SAMPLE_RATE_HZ, bark))
    page = open_page(foreign.url)
    upload(page, memo)
    page.wait_for_selector(".results.heard .card")
    open_tab(page)
    send(page, memo)
    find(page, "a dog")
    page.wait_for_selector("#recordings-found .found li")
    whole, reached, length = page.locator("#recordings-found .found").evaluate(PLAYED)
    assert whole and reached > 0.3 and length == pytest.approx(4, abs=0.1)


def test_a_film_whose_sound_begins_late_has_the_times_of_its_player(open_page, foreign, bark, tmp_path):
    film = tmp_path / "late.mp4"
    film.write_bytes(encode("mp4", "aac", audio.SAMPLE_RATE_HZ, bark, move=lambda moment: moment + 20, film=True))
    page = open_page(foreign.url, locale="fr-FR")
    open_tab(page)
    send(page, film)
    assert "Le son manque pendant 19.9 secondes" in page.inner_text("#recordings-source .state")
    page.fill("#recordings-query textarea", "un chien aboie")
    page.click("#recordings-find")
    page.wait_for_selector("#recordings-found .found li")
    assert 19 <= float(page.locator("#recordings-found li button").first.get_attribute("data-start")) <= 24
