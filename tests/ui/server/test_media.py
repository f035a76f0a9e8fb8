from __future__ import annotations

import io
import wave

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.ui.server.test_services import make_gallery, make_services
from ui.server.media import media_routes, picture_url, sound_url
from ui.server.services import Feedback, Services
from ui.server.startup import Engine


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture(scope="module")
def client(services):
    with TestClient(Starlette(routes=media_routes(services))) as client:
        yield client


def test_a_sound_comes_whole_or_in_part(client, tmp_path):
    whole = client.get("/" + sound_url("dog.wav"))
    assert whole.status_code == 200
    assert whole.headers["content-type"].startswith("audio/")
    assert whole.content == (make_gallery(tmp_path / "again") / "dog.wav").read_bytes()
    part = client.get("/" + sound_url("dog.wav"), headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")


def test_a_picture_comes_as_one_and_may_run_nothing(client):
    answer = client.get("/" + picture_url("dog.wav"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("clip", ["", "nothing", "../gallery/dog.wav", "/etc/hostname", "dog.wav/..", "\x00"])
@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_only_clips_of_the_gallery_are_sent(client, kind, clip):
    assert client.get(f"/media/{kind}", params={"clip": clip}).status_code == 404


def test_a_clip_without_a_picture_has_none(client):
    assert client.get("/" + picture_url("rain.wav")).status_code == 404


def test_a_sound_that_browsers_do_not_play_is_sent_decoded(tiny_model, tmp_path, monkeypatch):
    import av
    import numpy as np

    from cacara.search.gallery import load_folder
    from cacara.search.retriever import Retriever

    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "gallery").mkdir()
    with av.open(tmp_path / "gallery" / "tone.aiff", "w") as file:
        stream = file.add_stream("pcm_s16be", rate=16_000, layout="mono")
        tone = (8000 * np.sin(np.arange(16_000) / 10)).astype(np.int16)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate = 16_000
        file.mux([*stream.encode(frame), *stream.encode(None)])
    engine = Engine(lambda report: Retriever(tiny_model, load_folder(tmp_path / "gallery"), report))
    engine._run()
    services = Services(engine, Feedback(tmp_path / "feedback.db"))
    with TestClient(Starlette(routes=media_routes(services))) as client:
        answer = client.get("/" + sound_url("tone.aiff"))
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as decoded:
        assert (decoded.getframerate(), decoded.getnframes()) == (16_000, 16_000)


def test_before_the_gallery_is_ready_there_is_nothing(tmp_path):
    services = Services(Engine(lambda report: None), Feedback(tmp_path / "feedback.db"))
    with TestClient(Starlette(routes=media_routes(services))) as client:
        assert client.get("/" + sound_url("dog.wav")).status_code == 404
