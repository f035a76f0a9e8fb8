from __future__ import annotations

import io
import wave

import pytest
from audio_files import encoded_tone
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cacara.errors import AudioError
from cacara.galleries.gallery import load_folder
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import make_gallery, make_services
from ui.server.media import media_routes, picture_url, sound_url
from ui.server.playable import PlayableCopies
from ui.services.engine import Engine
from ui.services.services import Feedback, Services


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


@pytest.mark.parametrize("name", ["tone.aiff", "alac.m4a", "adpcm.wav", "double.wav", "tone.amr"])
def test_a_sound_that_browsers_do_not_play_is_sent_decoded(tiny_model, tmp_path, monkeypatch, name):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / name).write_bytes(encoded_tone(name, seconds=40))
    engine = Engine(lambda report: Retriever(tiny_model, load_folder(tmp_path / "gallery"), report))
    engine._run()
    services = Services(engine, Feedback(tmp_path / "feedback.db"))
    with TestClient(Starlette(routes=media_routes(services))) as client:
        answer = client.get("/" + sound_url(name))
        part = client.get("/" + sound_url(name), headers={"Range": "bytes=0-3"})
    assert answer.headers["content-type"] == "audio/wav" and (part.status_code, part.content) == (206, b"RIFF")
    with wave.open(io.BytesIO(answer.content)) as decoded:
        assert decoded.getframerate() == 16_000
        assert decoded.getnframes() == pytest.approx(40 * 16_000, abs=2_000), "all of it, not what is searched"


def test_a_copy_is_made_once_and_old_ones_make_room(tmp_path):
    names = ["alac.m4a", "adpcm.wav", "double.wav"]
    for name in names:
        (tmp_path / name).write_bytes(encoded_tone(name))
    copies = PlayableCopies(max_bytes=150_000)  # each has 64 kB
    first, second = (copies.of(tmp_path / name).path for name in names[:2])
    before = first.stat()
    assert copies.of(tmp_path / names[0]).path == first and first.stat() == before, "it is not made again"
    third = copies.of(tmp_path / names[2]).path
    assert first.is_file() and third.is_file() and not second.exists(), "the second was asked for longest ago"
    assert copies.of(tmp_path / names[1]).path.is_file()
    assert len(list(first.parent.glob("*.wav"))) == 2


def test_a_file_that_is_no_sound_is_said_to_be_none(tmp_path):
    (tmp_path / "text.wav").write_text("no sound at all", encoding="utf-8")
    with pytest.raises(AudioError, match="this is text|cannot be read"):
        PlayableCopies().of(tmp_path / "text.wav")


def test_before_the_gallery_is_ready_there_is_nothing(tmp_path):
    services = Services(Engine(lambda report: None), Feedback(tmp_path / "feedback.db"))
    with TestClient(Starlette(routes=media_routes(services))) as client:
        assert client.get("/" + sound_url("dog.wav")).status_code == 404
