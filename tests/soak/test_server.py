"""Fifty visitors for five minutes, and a kill among them; by ``make soak``."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from visitors import TOLD, Seen, Visitor, crowd, visit

from app import OPEN_PAGES
from cacara.media import audio

ROOT = Path(__file__).parents[2]
VISITORS = 50
SECONDS = 300.0
GENEROUS = ("--session-per-minute", "1000", "--address-per-minute", "100000")
"""All visitors come from one address here."""

pytestmark = [pytest.mark.soak, pytest.mark.weights]


class Server:
    """The app on one port and one database, which can be started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self.database, self._folder = f"http://127.0.0.1:{self.port}/", folder / "feedback.db", folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(ROOT / "app.py"), "--port", str(self.port), "--database", str(self.database)]
        with (self._folder / "app.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *GENEROUS], stdout=log, stderr=log)
        for _ in range(600):
            try:
                if isinstance(Visitor(self.url).call("search_text", "dog", *TOLD), dict):
                    return
            except OSError:
                pass
            time.sleep(1)
        pytest.fail("the app was not ready within ten minutes")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def resident_mb(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stored(self) -> str:
        """Return all that the database holds, as text."""
        database = sqlite3.connect(self.database)
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        dump = "\n".join(str(row) for table in tables for row in database.execute(f'select * from "{table}"'))
        database.close()
        return dump


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def sound(tmp_path):
    audio.write_wav(tmp_path / "a.wav", (0.4 * np.sin(np.arange(32_000) / 8)).astype(np.float32))
    return (tmp_path / "a.wav").read_bytes()


def test_fifty_visitors_are_answered_in_flat_memory_and_no_flag_is_lost(server, sound):
    warm = 0
    # What is loaded at the first use is loaded then, and as many pages are remembered as will be.
    while warm < OPEN_PAGES:
        warm += len(crowd(server.url, VISITORS, SECONDS / 10, sound).seconds)
    before = server.resident_mb()
    seen = crowd(server.url, VISITORS, SECONDS, sound)
    after = server.resident_mb()
    sys.stdout.write(f"{os.cpu_count()} cores: {seen.table()}; memory {before:.0f} MB before, {after:.0f} MB after\n")
    assert not seen.problems
    assert after < 1.15 * before + 50
    stored = server.stored()
    assert seen.flags and all(judgement_id in stored for judgement_id in seen.flags)


def test_a_kill_among_visitors_loses_no_acknowledged_flag_and_the_app_comes_back(server, sound):
    seen, until = Seen(), time.monotonic() + 60
    threads = [threading.Thread(target=visit, args=(server.url, seen, until, sound, seed)) for seed in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(20)
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    stored = server.stored()
    assert seen.flags and all(judgement_id in stored for judgement_id in seen.flags)
    assert not crowd(server.url, 5, 10, sound).problems
