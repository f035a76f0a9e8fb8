"""The drawing of a sound: the same bytes each time, kept, sent as a picture."""

from __future__ import annotations

import re

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cacara import sources
from cacara.galleries.gallery import load_folder
from cacara.media import audio
from tests.ui.services.test_services import make_services
from ui.server.media import media_routes, waveform_url
from ui.server.waveforms import BARS, HEIGHT, draw, drawing


@pytest.fixture(scope="module")
def client(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("waveforms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        services = make_services(tiny_model, folder)
        with TestClient(Starlette(routes=media_routes(services))) as client:
            yield client


def test_a_drawing_is_made_once_and_then_kept(client):
    first = client.get("/" + waveform_url("dog.wav"))
    assert (first.status_code, first.headers["content-type"]) == (200, "image/svg+xml")
    assert "sandbox" in first.headers["content-security-policy"]
    (kept,) = (sources.cache_folder() / "drawings").glob("*.svg")
    assert kept.read_bytes() == first.content
    kept.write_text("<svg>kept</svg>")
    assert client.get("/" + waveform_url("dog.wav")).text == "<svg>kept</svg>"
    assert not list(kept.parent.glob("*.partial"))
    kept.unlink()


@pytest.mark.parametrize("clip", ["", "nothing", "../gallery/dog.wav", "dog.png"])
def test_only_sounds_of_the_gallery_are_drawn(client, clip):
    assert client.get("/media/waveform", params={"clip": clip}).status_code == 404


def test_the_loudest_moment_fills_the_height_and_silence_is_a_line():
    peaks = np.zeros((3, 2), np.float32)
    peaks[1] = (-0.2, 0.2)
    tops = [float(bar) for bar in re.findall(r"M\d+\.5 ([\d.]+)V", draw(peaks))]
    assert tops == [HEIGHT / 2 - 0.5, 1.0, HEIGHT / 2 - 0.5]
    assert draw(peaks) == draw(peaks.copy())


def test_a_drawing_stays_small():
    noise = np.random.default_rng(0).uniform(-1, 1, (BARS, 2)).astype(np.float32)
    assert len(draw(np.sort(noise, axis=1))) < 3_000


def test_a_long_sound_is_drawn_whole_as_the_player_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    samples = np.zeros(48 * audio.SAMPLE_RATE_HZ, np.float32)
    samples[-4 * audio.SAMPLE_RATE_HZ :] = 0.5 * np.sin(np.arange(4 * audio.SAMPLE_RATE_HZ) * 0.2)
    (tmp_path / "gallery").mkdir()
    audio.write_wav(tmp_path / "gallery" / "late.wav", samples)
    (clip,) = load_folder(tmp_path / "gallery").clips
    tops = [float(bar) for bar in re.findall(r"M\d+\.5 ([\d.]+)V", drawing(clip))]
    assert len(tops) == BARS and tops[:88] == [HEIGHT / 2 - 0.5] * 88 and max(tops[88:]) < 2
