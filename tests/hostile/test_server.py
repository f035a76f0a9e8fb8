"""The real server on loopback, a tiny model behind it: every endpoint with wrong values, hostile files, a crowd."""

from __future__ import annotations

import json
import sqlite3
import sys

import numpy as np
import pytest
from serving import served
from visitors import TOLD, Visitor, crowd

import app as app_module
from cacara.media import audio
from tests.ui.services.test_services import make_services

WRONG = [
    None,
    [],
    {},
    [[[]]],
    -1,
    1e308,
    True,
    10**30,
    "\ud800",
    "\u202e<script>alert(1)</script>",
    "../../etc/passwd",
    "'; drop table events; --",
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
]


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture(scope="module")
def url(services):
    with served(services) as address:
        yield address


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    audio.write_wav(path, (0.4 * np.sin(np.arange(16_000) / 8)).astype(np.float32))
    return path.read_bytes()


def test_every_search_and_judgement_endpoint_answers_wrong_values_and_goes_on(url, capfd):
    visitor = Visitor(url)
    endpoints = json.loads(visitor.request("GET", "/gradio_api/info")[1])["named_endpoints"]
    searched = [name.strip("/") for name in endpoints if name.startswith(("/search_", "/flag", "/undo", "/write_down"))]
    assert len(searched) >= 8
    for name in searched:
        parameters = len(endpoints[f"/{name}"]["parameters"])
        for value in WRONG:
            answer = visitor.patient_call(name, *[value] * parameters)  # a quick machine reaches the limit a minute
            assert isinstance(answer, str) and answer.startswith("error"), (name, value, answer)
            assert "passwd:" not in answer and "root:" not in answer and "<script>" not in answer
    assert isinstance(visitor.patient_call("search_text", "dog", *TOLD), dict), "it no longer answers"
    ours = [line for line in capfd.readouterr().err.splitlines() if f'File "{app_module.REPOSITORY}/' in line]
    assert not [line for line in ours if "/.venv/" not in line and "alerts.py" not in line], (
        "an error nobody had thought of"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=app.py",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file=http://127.0.0.1:22/",
        "/static/..%2f..%2f..%2fetc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/svelte/..%2f..%2f..%2fetc/passwd",
        "/media/sound?clip=../../etc/passwd",
        "/media/recording?id=../../etc/passwd",
        "/media/recording/export?id=x&format=%0d%0aX:y",
        "/fonts/..%2f/passwd",
        "/gradio_api/proxy=http://127.0.0.1:22/",
        "/monitoring",
    ],
)
def test_no_route_gives_a_file_of_this_machine(url, path):
    status, body = Visitor(url).request("GET", path)
    assert status in (403, 404)
    assert b"root:" not in body and b"import" not in body


def test_a_name_that_was_made_to_point_here_gets_nothing_from_the_real_server(url):
    assert Visitor(url).request("GET", "/config", headers={"Host": "evil.example"})[0] == 421


@pytest.mark.parametrize("name", ["a.html", "a.svg", "..%2f..%2fa.html"])
def test_an_uploaded_page_never_runs_here(url, name):
    import http.client
    import urllib.parse

    visitor = Visitor(url)
    path = visitor.upload(b"<script>alert(1)</script>", name)
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    connection.request("GET", "/gradio_api/file=" + urllib.parse.quote(path))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in (403, 404) or "attachment" in answer.headers.get("content-disposition", "")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_crowd_is_answered_and_every_acknowledged_flag_is_in_the_database(url, services, sound):
    seen = crowd(url, visitors=6, seconds=5, sound=sound)
    sys.stdout.write(seen.table() + "\n")
    assert seen.seconds and seen.flags
    assert not seen.problems
    with sqlite3.connect(services.feedback._database) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        dump = "\n".join(str(row) for table in tables for row in database.execute(f'select * from "{table}"'))
    database.close()
    assert all(judgement_id in dump for judgement_id in seen.flags)
