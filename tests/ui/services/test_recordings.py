from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from audio_files import encode, tone
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cacara.errors import QueryError
from cacara.media import audio
from cacara.recordings import elan
from ui.page.wording import available, wording
from ui.recordings import actions as recordings_actions
from ui.recordings import rendering, routes
from ui.services import recordings as library
from ui.services.recordings import Recordings
from ui.services.services import Services

OWN = {"X-Cacara": "1"}


@pytest.fixture
def services(tiny_model):
    """A library, and an engine whose model is ready."""
    engine = SimpleNamespace(
        default="",
        status_of=lambda model: SimpleNamespace(phase="ready", problem=""),
        retriever=lambda words, model=None: SimpleNamespace(model=tiny_model),
    )
    return Services(engine, None, recordings=Recordings())


@pytest.fixture
def client(services):
    """A visitor on this machine."""
    app = Starlette(routes=routes.recording_routes(services))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as visitor:
        yield visitor


@pytest.fixture
def tape(tmp_path, noise):
    """Ten seconds: noise, silence, noise."""
    path = tmp_path / "tape.wav"
    audio.write_wav(path, np.concatenate([noise, np.zeros(96_000, np.float32), noise]))
    return path


def wait_for(services, recording):
    for _ in range(600):
        told = recordings_actions.progress(services, recording)
        if told["phase"] not in ("queued", "listening"):
            return told
        time.sleep(0.1)
    raise AssertionError(told)


def files(folder):
    """Return the files of a folder but the one that says whose it is."""
    return list(folder.glob("[!.]*"))


def sent(client, path, name="tape.wav"):
    answer = client.post("/media/recording", params={"name": name}, content=path.read_bytes(), headers=OWN)
    assert answer.status_code == 200, answer.text
    return answer.json()["recording"]


def test_a_recording_is_sent_heard_searched_played_exported_and_deleted(services, client, tape):
    recording = sent(client, tape, "../../etc/<b>tape.wav")
    assert client.get("/media/recording", params={"id": recording}).status_code == 404, "not ready to be played"
    recordings_actions.listen(services, recording)
    told = wait_for(services, recording)
    assert (told["phase"], told["seconds"], told["name"]) == ("ready", 10.0, "<b>tape.wav")

    found = recordings_actions.find_text(services, recording, "a dog", "en", 3)
    assert len(found["hits"]) <= 3 and found["curve"][3:7] == [None] * 4, "silence matches nothing"
    assert found["language"] == "en" and found["hits"][0]["rank"] == 1
    part = client.get("/" + found["sound"], headers={"Range": "bytes=44-1043"})
    assert part.status_code == 206 and len(part.content) == 1000 and part.headers["content-type"] == "audio/wav"
    for suffix, address in found["exports"].items():
        answer = client.get("/" + address)
        assert answer.status_code == 200 and b"dog" in answer.content
        assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''%3Cb%3Etape{suffix}"
    mine = (
        b'<ANNOTATION_DOCUMENT><HEADER/><TIME_ORDER/><TIER TIER_ID="Ana" LINGUISTIC_TYPE_REF="u"/>'
        b'<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="u" TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>'
    )
    answer = client.post("/" + found["exports"][".eaf"], content=mine, headers=OWN)
    assert answer.status_code == 200 and elan.tiers(answer.content)[0] == "Ana" and b"dog" in answer.content
    for content, problem in (
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x"><a/>', "DOCTYPE"),
        (b"", "damaged"),
        (b" " * (routes.MAX_DOCUMENT_BYTES + 1), "wanted up to 16 MiB"),
    ):
        refused = client.post("/" + found["exports"][".eaf"], content=content, headers=OWN)
        assert refused.status_code == 400 and problem in refused.json()["problem"]
    assert client.post("/" + found["exports"][".eaf"], content=mine).status_code == 400, "from the own page alone"
    folder = services.recordings.get(recording).copy.parent
    assert [path.suffix for path in files(folder)] == [".wav"], "what was sent is gone once it was heard"

    recordings_actions.forget(services, recording)
    assert files(folder) == [] and client.get("/" + found["sound"]).status_code == 404
    with pytest.raises(QueryError, match="no longer open"):
        recordings_actions.progress(services, recording)


def test_what_is_no_sound_is_told_and_may_be_tried_again(services, client, tmp_path):
    (tmp_path / "no.wav").write_bytes(b"<script>alert(1)</script>")
    recording = sent(client, tmp_path / "no.wav")
    recordings_actions.listen(services, recording)
    told = wait_for(services, recording)
    assert told["phase"] == "failed" and "this is text" in told["problem"]
    with pytest.raises(QueryError, match="not been listened to"):
        recordings_actions.find_text(services, recording, "dog")
    recordings_actions.listen(services, recording)
    assert wait_for(services, recording)["phase"] == "failed"


def test_listening_can_be_stopped_and_begun_again(services, client, tape):
    recording = sent(client, tape)
    ready = services.engine.status_of
    services.engine.status_of = lambda model: SimpleNamespace(phase="preparing", problem="")
    assert recordings_actions.listen(services, recording)["phase"] == "queued", "it waits for the model"
    recordings_actions.cancel(services, recording)
    assert wait_for(services, recording)["phase"] == "cancelled"
    time.sleep(2 * library.WAITING_SECONDS)
    services.engine.status_of = ready
    recordings_actions.listen(services, recording)
    assert wait_for(services, recording)["phase"] == "ready"


def test_times_are_the_players_and_notes_are_in_the_pages_language_whichever_model_listens(services, client, tmp_path):
    beep = np.tile(tone(1, 48000), 3)
    film = tmp_path / "film.mp4"
    film.write_bytes(encode("mp4", "aac", 48000, beep, move=lambda moment: moment + 10, film=True))
    recording = sent(client, film, "film.mp4")
    for model in ("first", "second"):
        recordings_actions.listen(services, recording, model)
        told = wait_for(services, recording)
        assert told["phase"] == "ready" and told["seconds"] == pytest.approx(13, abs=0.1)
        (note,) = recordings_actions.progress(services.speaking(wording("de")), recording)["notes"]
        assert note.startswith("Der Datei fehlt vor ihrem Ende für 10.0 Sekunden der Ton.")
        found = recordings_actions.find_text(services, recording, "a dog", "en")
        assert found["notes"][0].startswith("the file has no sound for 10.0 seconds"), "programs get English"
        assert note in rendering.found(found, wording("de"))
        assert 9 <= min(hit["start_seconds"] for hit in found["hits"])


def test_another_model_listens_to_the_copy_and_one_still_at_work_gives_way(services, client, tape, tiny_model):
    asked = []

    def retriever(words, model=None):
        asked.append(model)
        return SimpleNamespace(model=tiny_model)

    services.engine.retriever = retriever
    waiting = {"slow"}
    services.engine.status_of = lambda model: SimpleNamespace(
        phase="preparing" if model in waiting else "ready", problem=""
    )
    recording = sent(client, tape)
    recordings_actions.listen(services, recording, "slow")
    recordings_actions.listen(services, recording, "first")
    assert wait_for(services, recording)["phase"] == "ready" and asked == ["first"]
    opened = services.recordings.get(recording)
    heard, copied = opened.timeline, opened.copy.read_bytes()
    recordings_actions.listen(services, recording, "first")
    assert opened.timeline is heard, "it was heard by this one"

    recordings_actions.listen(services, recording, "second")
    told = wait_for(services, recording)
    assert (told["phase"], told["seconds"], asked) == ("ready", 10.0, ["first", "second"])
    assert opened.timeline is not heard and opened.copy.read_bytes() == copied
    found = recordings_actions.find_text(services, recording, "a dog", "en")
    assert (found["model"], found["model_version"]) == (tiny_model.config.name, tiny_model.config.version)

    recordings_actions.listen(services, recording, "slow")
    recordings_actions.cancel(services, recording)
    assert wait_for(services, recording)["phase"] == "cancelled" and opened.copy.is_file(), "it can be begun again"
    recordings_actions.listen(services, recording, "first")
    assert wait_for(services, recording)["phase"] == "ready"


def test_uploads_are_refused_from_other_pages_and_above_the_cap(client, tape, monkeypatch):
    assert "own page" in client.post("/media/recording", content=b"x").json()["problem"]
    monkeypatch.setattr(library, "MAX_BYTES", 1000)
    answer = client.post("/media/recording", content=tape.read_bytes(), headers=OWN)
    assert answer.status_code == 400 and "MiB" in answer.json()["problem"]
    assert "0 MiB" in client.post("/media/recording", content=b"", headers=OWN).json()["problem"]


def test_the_oldest_recordings_make_room(services, client, tape, monkeypatch):
    monkeypatch.setattr(library, "MAX_RECORDINGS", 2)
    first, second, third = (sent(client, tape) for _ in range(3))
    with pytest.raises(QueryError):
        services.recordings.get(first)
    assert services.recordings.get(second) and services.recordings.get(third)
    assert len(files(services.recordings.get(third).path.parent)) == 2


def test_files_of_this_machine_are_opened_only_below_the_given_folder(services, client, tape, tmp_path):
    def ask(name, **changes):
        return client.post("/media/recording/local", params={"name": name}, **({"headers": OWN} | changes))

    assert ask("tape.wav").status_code == 400, "no folder was given"
    folder = tmp_path / "field"
    (folder / "day1").mkdir(parents=True)
    tape.rename(folder / "day1" / "a.wav")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    services.recordings.local_folder = folder
    assert services.recordings.local_files() == ["day1/a.wav", "link.wav"]
    for name in ("../secret.wav", str(tmp_path / "secret.wav"), "link.wav", "", "day1"):
        assert ask(name).status_code == 400, name
    assert ask("day1/a.wav", headers={}).status_code == 400
    assert ask("day1/a.wav", headers={**OWN, "Host": "evil.example"}).status_code == 400
    recording = ask("day1/a.wav").json()["recording"]
    recordings_actions.listen(services, recording)
    assert wait_for(services, recording)["phase"] == "ready"
    recordings_actions.forget(services, recording)
    assert (folder / "day1" / "a.wav").is_file(), "a file of one's own is never deleted"


def test_a_program_finds_passages_of_a_file_at_once(services, tape):
    found = recordings_actions.find_in_file(services, str(tape), "a dog", "en")
    assert found["hits"] and "sound" not in found and found["seconds"] == 10.0


def test_what_was_found_is_shown_as_text():
    hit = {"rank": 1, "start_seconds": 3599.96, "end_seconds": 3700.0, "score": 0.4, "prominence": 4.0, "clear": True}
    result = {
        "query": "<script>",
        "name": '"><img>',
        "notes": ["<b>"],
        "hits": [hit],
        "curve": [0.1, None, 0.4],
        "usual": 0.1,
        "seconds": 7200.0,
        "sound": "media/recording?id=x",
        "exports": {".csv": 'media?"'},
        "language": "sw",
        "model": "<u>",
        "model_version": "1",
    }
    for _, code in available():
        page = rendering.found(result, wording(code))
        assert "<script>" not in page and "<img>" not in page and "<b>" not in page and "{" not in page
        assert "1:00:00.0 – 1:01:40.0" in page and "&lt;u&gt; · 1" in page and "Kiswahili" in page
        source = rendering.source(["<i>.wav"], 700, wording(code))
        assert "&lt;i&gt;.wav" in source and "{mebibytes}" not in source


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00.0"), (59.96, "1:00.0"), (83.24, "1:23.2"), (3661, "1:01:01.0")]
)
def test_moments_are_told_to_the_tenth(seconds, told):
    assert rendering.clock(seconds) == told
