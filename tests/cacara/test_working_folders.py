from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cacara import working_folders
from cacara.errors import CacaraError
from cacara.working_folders import OWNER

ROOT = Path(__file__).parents[2]
MAKE = """
import sys, time
from cacara import working_folders
folder = working_folders.make("test")
(folder / "secret.wav").write_bytes(b"RIFF")
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The system's temporary folder, as the test's own; also for processes that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def other():
    """Another process that has made a folder and waits."""
    command = [sys.executable, "-c", MAKE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        process.folder = Path(process.stdout.readline().strip())
        yield process
        process.kill()


def test_a_folder_goes_with_its_process(other):
    assert (other.folder / "secret.wav").is_file()
    other.stdin.close()
    assert other.wait(20) == 0
    assert not other.folder.exists()


def test_the_folder_of_a_killed_process_goes_at_the_next_start_and_not_before(other):
    assert working_folders.remove_stale() == []
    assert (other.folder / "secret.wav").is_file()
    other.send_signal(signal.SIGKILL)
    other.wait(20)
    assert other.folder.is_dir(), "a killed process cleans up nothing"
    assert working_folders.remove_stale() == [other.folder]
    assert not other.folder.exists()


def test_ones_own_folders_are_never_stale(temporary):
    with working_folders.made("test") as folder:
        assert working_folders.remove_stale() == []
        assert folder.parent == temporary and folder.stat().st_mode & 0o077 == 0
        (folder / OWNER).write_bytes(b"")
        assert working_folders.remove_stale() == []
        assert folder.is_dir()
    assert not folder.exists()


def test_what_was_not_made_here_is_left_alone(temporary):
    (temporary / "cacara-tapes").mkdir()
    (temporary / "cacara-tapes" / "monday.wav").write_bytes(b"RIFF")
    home = temporary / "home"
    home.mkdir()
    (home / OWNER).touch()
    (temporary / "cacara-link").symlink_to(home)
    (temporary / "cacara-file").touch()
    (temporary / "cacara-odd").mkdir()
    (temporary / "cacara-odd" / OWNER).symlink_to(home / OWNER)
    assert working_folders.remove_stale() == []
    assert (home / OWNER).exists() and (temporary / "cacara-tapes" / "monday.wav").exists()


def test_a_temporary_folder_that_cannot_be_written_is_told(temporary, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    with pytest.raises(CacaraError, match="no folder for uploads can be made.*gone"):
        working_folders.make("uploads")


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a file to another user")
def test_another_users_folder_is_left_alone(temporary):
    folder = temporary / "cacara-test-x"
    folder.mkdir()
    (folder / OWNER).touch()
    os.chown(folder / OWNER, 12345, 12345)
    assert working_folders.remove_stale() == []
    os.chown(folder / OWNER, 0, 0)
    assert working_folders.remove_stale() == [folder]


def test_an_app_removes_what_a_killed_one_left_and_nothing_is_left_when_it_is_stopped(temporary, other, free_port):
    other.send_signal(signal.SIGKILL)
    other.wait(20)
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    # An empty gallery cannot be prepared, so that no model is loaded here.
    (temporary / "gallery").mkdir()
    given = ("--port", str(free_port), "--database", str(temporary / "feedback.db"), "--gallery", temporary / "gallery")
    with subprocess.Popen([sys.executable, ROOT / "app.py", *given], env=environment, cwd=temporary) as app:
        until = time.monotonic() + 120
        while time.monotonic() < until and app.poll() is None:
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{free_port}/", timeout=5).close()
                break
            time.sleep(0.2)
        (uploads,) = temporary.glob("cacara-*")
        assert uploads.name.startswith("cacara-uploads-") and uploads != other.folder
        app.send_signal(signal.SIGTERM)
        assert app.wait(30) == 0
    assert list(temporary.glob("cacara-*")) == []
