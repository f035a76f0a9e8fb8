"""The app's flags, and its endpoints on a launched server with a tiny real model."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import app as app_module
from cacara.media import audio
from tests.ui.services.test_services import in_event_loop, make_services

ROOT = Path(app_module.__file__).parent
ME = "visitor-1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture(scope="module")
def page(services):
    with warnings.catch_warnings():
        # The server and its client are Gradio's; what they leave to the collector is not ours to mend.
        warnings.simplefilter("ignore")
        page = in_event_loop(lambda: app_module.start_server(services, "127.0.0.1", free_port()))
        yield page
        page.close()
        services.feedback.store().close()
        gc.collect()


@pytest.fixture(scope="module")
def client(page):
    from gradio_client import Client

    return Client(page.local_url, verbose=False)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "recording.wav"
    times = np.arange(20_000) / audio.SAMPLE_RATE_HZ
    audio.write_wav(path, (0.4 * np.sin(2 * np.pi * 330 * times)).astype(np.float32))
    return path


def test_help_comes_at_once_and_names_every_flag():
    answer = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "--help"], capture_output=True, text=True, timeout=10, check=True
    )
    for flag in ("--host", "--port", "--model", "--gallery", "--index", "--database", "--device"):
        assert flag in answer.stdout


def test_on_ones_own_machine_only_that_machine_is_listened_to():
    settings = app_module.read_settings([], {})
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 7860, "auto")
    assert settings.database == ROOT / "data" / "feedback.db"


def test_on_a_space_everyone_is_and_feedback_goes_where_it_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "SPACE_DISK", tmp_path)
    settings = app_module.read_settings([], {"SPACE_ID": "someone/cacara"})
    assert (settings.host, settings.database) == ("0.0.0.0", tmp_path / "feedback.db")
    monkeypatch.setattr(app_module, "SPACE_DISK", tmp_path / "missing")
    assert app_module.read_settings([], {"SPACE_ID": "x"}).database == ROOT / "data" / "feedback.db"


def test_feedback_goes_to_a_dataset_only_when_one_is_named():
    assert app_module.read_settings([], {}).feedback_dataset is None
    assert app_module.read_settings([], {"FEEDBACK_DATASET": "lab/feedback"}).feedback_dataset == "lab/feedback"
    named = app_module.read_settings(["--feedback-dataset", "lab/other"], {"FEEDBACK_DATASET": "lab/feedback"})
    assert named.feedback_dataset == "lab/other"


def test_a_space_is_told_its_gallery_by_a_variable(tmp_path):
    assert app_module.read_settings([], {"CACARA_GALLERY": ""}).gallery is None
    assert app_module.read_settings([], {"CACARA_GALLERY": str(tmp_path)}).gallery == str(tmp_path)
    named = app_module.read_settings(["--gallery", "mine"], {"CACARA_GALLERY": str(tmp_path)})
    assert named.gallery == str(Path("mine").absolute())
    assert app_module.read_settings(["--gallery", "hf://datasets/me/mine"], {}).gallery == "hf://datasets/me/mine"


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_an_impossible_port_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        app_module.read_settings(["--port", port], {})
    assert "wanted a whole number from 1 to 65535" in capsys.readouterr().err


def test_a_taken_port_is_one_line_and_exit_code_1(page):
    answer = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "--port", str(page.server_port)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert answer.returncode == 1
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")]
    assert "cannot listen" in line
    assert "Traceback" not in answer.stderr


def test_the_searchs_endpoints_are_published_with_plain_parameters(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    names = {name: [each["parameter_name"] for each in info["parameters"]] for name, info in endpoints.items()}
    told = ["language", "top_k", "model", "kind", "licence"]
    wanted = {
        "/search_text": ["query", *told],
        "/search_audio": ["recording", *told],
        "/search_image": ["picture", *told],
        "/search_video": ["video", *told],
        "/search_like": ["clip_id", *told],
        "/write_down": ["search_id", "language"],
        "/flag": ["search_id", "clip_id", "label", "annotator", "keep_recording", "seen"],
        "/undo": ["judgement_id", "annotator"],
    }
    assert {name: names.get(name) for name in wanted} == wanted
    assert all(info["description"] for info in endpoints.values())


def test_programs_that_never_come_back_are_forgotten(page, monkeypatch):
    import httpx

    remembered = page.state_holder
    assert remembered.capacity == app_module.OPEN_PAGES <= 500
    monkeypatch.setattr(remembered, "capacity", len(remembered.session_data) + 3)
    for _ in range(12):
        called = httpx.post(f"{page.local_url}gradio_api/call/models", json={"data": []}).json()
        told = httpx.get(f"{page.local_url}gradio_api/call/models/{called['event_id']}", timeout=30)
        assert "event: complete" in told.text
    assert len(remembered.session_data) <= remembered.capacity + 1


def test_a_program_searches_flags_and_takes_it_back(client, services):
    found = client.predict("hund", "de", 2, api_name="/search_text")
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    answer = client.predict(
        search_id=found["search_id"],
        clip_id=found["hits"][0]["clip_id"],
        label="not_relevant",
        annotator=ME,
        api_name="/flag",
    )
    (row,) = services.feedback.store().current_judgements()
    assert (row.judgement_id, row.label, row.query_text) == (answer["judgement_id"], "not_relevant", "hund")
    client.predict(answer["judgement_id"], ME, api_name="/undo")
    assert services.feedback.store().current_judgements() == []


def test_a_program_searches_with_a_sound_and_flags_with_consent(client, services, recording):
    from gradio_client import handle_file

    found = client.predict(handle_file(recording), api_name="/search_audio")
    sounds = found["sounds"]
    answer = client.predict(sounds["search_id"], sounds["hits"][0]["clip_id"], "relevant", ME, True, api_name="/flag")
    (row,) = services.feedback.store().current_judgements()
    assert row.recording_sha256 is not None
    client.predict(answer["judgement_id"], ME, api_name="/undo")


@pytest.mark.parametrize(
    ("arguments", "endpoint", "said"),
    [
        (("", "auto", 3), "/search_text", "Type a word"),
        (("dog", "auto", 0), "/search_text", "top_k"),
        (("dog", "???", 3), "/search_text", "language"),
        (("made up", "dog.wav", "relevant", ME), "/flag", "no longer remembered"),
        (("0" * 32, ME), "/undo", "no judgement"),
    ],
)
def test_a_program_is_told_what_was_wrong(client, arguments, endpoint, said):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=said):
        client.predict(*arguments, api_name=endpoint)


def test_no_file_of_the_server_can_be_searched_with(page, client):
    import httpx

    answer = httpx.post(
        f"{page.local_url}gradio_api/call/search_audio",
        json={"data": [{"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, "auto", 1, "en"]},
    )
    stream = httpx.get(f"{page.local_url}gradio_api/call/search_audio/{answer.json()['event_id']}", timeout=30)
    assert "event: error" in stream.text


@pytest.mark.parametrize("path", ["/gradio_api/file=/etc/hostname", "/gradio_api/file=app.py"])
def test_no_file_of_the_server_is_served(page, path):
    import httpx

    assert httpx.get(page.local_url.rstrip("/") + path).status_code in (403, 404)


def test_the_gallerys_sounds_are_served_by_name(page):
    import httpx

    assert httpx.get(f"{page.local_url}media/sound?clip=dog.wav").content[:4] == b"RIFF"
    assert httpx.get(f"{page.local_url}media/sound?clip=../gallery/dog.wav").status_code == 404


def test_the_page_is_wired_as_meant(page):
    names = {function.api_name for function in page.fns.values() if function.api_visibility == "public"}
    searching = {"search_text", "search_audio", "search_image", "search_video", "search_like", "write_down"}
    assert names >= {*searching, "flag", "undo"}


def test_a_page_that_is_opened_keeps_no_copy_of_every_component(page):
    state = page.state_holder["somebody who has just come"]
    assert state.blocks_config.blocks and not state.config_values
