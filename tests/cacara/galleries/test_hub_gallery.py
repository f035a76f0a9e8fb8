"""Datasets as galleries, from a stand-in of the hub's API on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from audio_files import tone

from cacara.errors import GalleryError
from cacara.galleries import gallery, hub_gallery
from cacara.media import audio

REPOSITORY = Path(__file__).parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOAD = """
import json, sys
from cacara.errors import GalleryError
from cacara.galleries import gallery
try:
    found = gallery.load(sys.argv[1])
    clips = {
        clip.clip_id: [clip.caption("de"), clip.concept, clip.licence, clip.path.is_file()] for clip in found.clips
    }
    print(json.dumps([found.name, found.notice, clips]))
except GalleryError as error:
    print(json.dumps(str(error)))
"""


class Hub:
    """A server that answers as the hub does for one dataset: its description, and its files at one commit."""

    def __init__(self, folder: Path) -> None:
        hub, self.asked, self.licence = self, [], "cc-by-4.0"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append(self.path)
                path = unquote(urlsplit(self.path).path)
                if path in hub.described:
                    self._answer(json.dumps(hub.description(folder)).encode(), "application/json")
                elif path == f"/api/datasets/me/barks/tree/{COMMIT}":
                    self._answer(json.dumps(hub.tree(folder)).encode(), "application/json")
                elif path.startswith(start := f"/datasets/me/barks/resolve/{COMMIT}/"):
                    self._answer((folder / path.removeprefix(start)).read_bytes(), "application/octet-stream")
                else:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "RepoNotFound")
                    self.end_headers()

            do_HEAD = do_GET

            def _answer(self, content: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                pass

        about = "/api/datasets/me/barks"
        self.described = (about, f"{about}/revision/main", f"{about}/revision/{COMMIT}")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def description(self, folder: Path) -> dict[str, Any]:
        siblings = [{"rfilename": file["path"], "size": file["size"]} for file in self.tree(folder)]
        card = {"license": self.licence} if self.licence else {}
        return {"id": "me/barks", "sha": COMMIT, "cardData": card, "siblings": siblings, "tags": [], "private": False}

    def tree(self, folder: Path) -> list[dict[str, Any]]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [
            {
                "type": "file",
                "path": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
            }
            for path in files
        ]


@pytest.fixture
def dataset(tmp_path) -> Path:
    folder = tmp_path / "barks"
    for name in ("train/a.wav", "train/b.wav", "test/c.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        audio.write_wav(folder / name, tone(0.5))
    (folder / "train" / "metadata.csv").write_text("file_name,language,text\na.wav,de,ein Hund\nb.wav,en,a cat\n")
    (folder / "test" / "metadata.jsonl").write_text(json.dumps({"file_name": "c.wav", "transcription": "rain"}) + "\n")
    (folder / "README.md").write_text("not fetched")
    return folder


@pytest.fixture
def hub(dataset) -> Iterator[Hub]:
    served = Hub(dataset)
    thread = threading.Thread(target=served.server.serve_forever, daemon=True)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


@pytest.fixture
def load(hub, tmp_path):
    """A function that loads a gallery in a process of its own, as HF_ENDPOINT is read once a process."""

    def run(place: str, **variables: str) -> Any:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        environment |= {"CACARA_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf"), **variables}
        done = subprocess.run(
            [sys.executable, "-c", LOAD, place], cwd=REPOSITORY, env=environment, capture_output=True, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


def test_a_dataset_is_a_gallery_with_its_licence_and_is_pinned(hub, load):
    name, notice, clips = load("hf://datasets/me/barks")
    assert (name, clips) == (
        "me/barks",
        {
            "test/c.wav": ["rain", None, "CC-BY-4.0", True],
            "train/a.wav": ["ein Hund", None, "CC-BY-4.0", True],
            "train/b.wav": ["a cat", None, "CC-BY-4.0", True],
        },
    )
    assert notice == (
        f"me/barks at {COMMIT[:12]}, licence CC-BY-4.0; hf://datasets/me/barks@{COMMIT} is always these sounds"
    )
    assert not any("README" in path for path in hub.asked)
    asked = len(hub.asked)
    assert load(f"hf://datasets/me/barks@{COMMIT}", HF_HUB_OFFLINE="1")[2] == clips
    assert len(hub.asked) == asked, "a commit that is here needs no network"


def test_folders_are_labels_where_there_is_no_table(hub, load, dataset):
    for table in dataset.rglob("metadata.*"):
        table.unlink()
    (dataset / "train" / "tawny_owl").mkdir()
    (dataset / "train" / "a.wav").rename(dataset / "train" / "tawny_owl" / "a.wav")
    hub.licence = None
    clips = load("hf://datasets/me/barks")[2]
    assert clips["train/tawny_owl/a.wav"] == ["tawny owl", "tawny owl", "not stated", True]
    assert clips["train/b.wav"][:2] == ["b", None]


def test_what_cannot_be_had_is_one_line(hub, load, dataset):
    assert "the dataset me/absent cannot be had from the hub" in load("hf://datasets/me/absent")
    assert "cannot be had from the hub" in load(f"hf://datasets/me/barks@{COMMIT}", HF_HUB_OFFLINE="1")
    for sound in dataset.rglob("*.wav"):
        sound.unlink()
    assert "me/barks holds no sound files; wanted the audiofolder layout" in load("hf://datasets/me/barks@main")


@pytest.mark.parametrize("place", ["hf://datasets/", "hf://datasets/me", "hf://datasets/me/a/b", "hf://datasets/../x"])
def test_a_malformed_place_is_refused(place):
    with pytest.raises(GalleryError, match="wanted hf://datasets/OWNER/NAME"):
        gallery.load(place)


def test_a_dataset_that_is_too_large_is_refused(hub, monkeypatch, dataset):
    monkeypatch.setattr(hub_gallery, "MAX_MEGABYTES", 0.01)
    info = type("Info", (), {"id": "me/barks", "siblings": [type("F", (), {"rfilename": "a.wav", "size": 20_000})]})
    with pytest.raises(GalleryError, match="me/barks has 0 MB of sounds; wanted at most 0.01"):
        hub_gallery._wanted(info)
