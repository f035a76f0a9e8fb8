"""The real app in a process of its own, and a headless Chromium whose microphone hears a sound of the gallery."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cacara.galleries import gallery
from cacara.galleries.manifest import Clip
from cacara.media import audio
from ui.page.wording import wording

playwright = pytest.importorskip("playwright.sync_api", reason="requirements-dev.txt is not installed")

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
READY_SECONDS = 300
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: each needs a browser and the real weights."""
    missing = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.browser, pytest.mark.weights, missing):
                item.add_marker(mark)


class RunningApp:
    """A started app: its address, its database, its process."""

    def __init__(self, folder: Path, *arguments: str, database: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.database = database or folder / "feedback.db"
        self.log = folder / "app.log"
        command = [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--database", str(self.database)]
        with self.log.open("wb") as log:
            # The small gallery, so that a model that a test makes embeds it within seconds.
            environment = {"CACARA_GALLERY": "tuxpaint", **os.environ}
            self.process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, cwd=folder, env=environment)

    def wait_until_served(self) -> None:
        """Return once the page answers."""
        for _ in range(READY_SECONDS):
            if self.process.poll() is not None:
                pytest.fail(f"the app ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                with urllib.request.urlopen(self.url, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(1)
        pytest.fail(f"the app did not answer in {READY_SECONDS} s:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def start_app() -> Iterator[Callable[..., RunningApp]]:
    """A function that starts an app and returns it when it answers; all are ended with the tests."""
    started = []

    def start(folder: Path, *arguments: str, database: Path | None = None) -> RunningApp:
        started.append(RunningApp(folder, *arguments, database=database))
        started[-1].wait_until_served()
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def app(start_app: Callable[..., RunningApp], tmp_path_factory: pytest.TempPathFactory) -> RunningApp:
    """The real app with its own database, over the small gallery."""
    return start_app(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="session")
def dogs() -> list[Clip]:
    """The dogs of the small gallery."""
    return [clip for clip in gallery.load_tux_paint().clips if clip.concept == "dog"]


@pytest.fixture(scope="session")
def microphone(dogs: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound of Chromium's microphone, in a loop: the first dog."""
    path = tmp_path_factory.mktemp("microphone") / "dog.wav"
    bark = audio.load(dogs[0].path).waveform
    pause = np.zeros(audio.SAMPLE_RATE_HZ // 4, np.float32)
    audio.write_wav(path, np.concatenate([bark, pause] * 3))
    return path


@pytest.fixture(scope="session")
def chromium(microphone: Path):
    """A browser."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
        )
        yield browser
        browser.close()


def is_ours(line) -> bool:
    """Return whether a console line is an error, and not of Gradio's own player about an upload it cannot draw."""
    players = ("Waveform load error", "ERR_REQUEST_RANGE_NOT_SATISFIABLE", "status of 416")
    return line.type == "error" and not any(text in line.text for text in players)


@pytest.fixture
def open_page(chromium, app: RunningApp):
    """A function that opens the app as a new visitor; at the end nothing may have gone wrong or outside."""
    contexts, outside, wrong = [], [], []

    def visit(url: str = app.url, wait: bool = True, **context):
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", "permissions": ["microphone"]}
        settings |= context
        contexts.append(chromium.new_context(**settings))
        page = contexts[-1].new_page()
        site = "/".join(url.split("/")[:3]) + "/"  # a link may carry a query
        own = (site, site.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(own) else outside.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("console", lambda line: wrong.append(line.text) if is_ours(line) else None)
        page.goto(url)
        page.wait_for_selector("#query textarea", state="attached")  # a link to a campaign opens another tab
        if wait:
            page.wait_for_selector("#preparation .prepared", state="attached", timeout=READY_SECONDS * 1000)
            spoken = wording(settings["locale"]).code
            page.wait_for_selector(f"html[lang='{spoken}']", state="attached")
            page.wait_for_timeout(300)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert outside == [], "the page asked other machines"
    assert wrong == [], "the page's console has errors"
