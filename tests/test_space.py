"""A folder for Hugging Face Spaces: whole, pinned, and started as a Space starts it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from cacara.__main__ import main
from cacara.commands.space import CHECKOUT, ZEROGPU_PACKAGES

USER = 1000
PREFIX = "/spaces/lab"


@pytest.fixture
def folder(tmp_path, capsys):
    made = tmp_path / "space"
    assert main(["space", "--output", str(made), "--model", "cacara", "--title", "Sounds: ours"]) == 0
    assert "--repo-type space" in capsys.readouterr().out
    return made


def test_the_folder_can_be_pushed_as_it_is(folder, tmp_path, capsys):
    front = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (front["sdk"], front["app_file"], front["title"]) == ("gradio", "start.py", "Sounds: ours")
    assert "spaces" not in (folder / "requirements.txt").read_text()
    assert f"gradio=={front['sdk_version']}\n" in (folder / "requirements.txt").read_text()
    for name in ("app.py", "packages.txt", "cacara/bundled/cacara/model.safetensors", "ui/layout.py", "benchmarks"):
        assert (folder / name).exists(), name
    assert not (folder / "tests").exists() and not list(folder.rglob("*.pyc"))
    large = [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 10_000_000]
    assert large == [], "larger files are not taken without LFS"
    assert main(["space", "--output", str(folder)]) == 1
    assert "exists; wanted a new folder" in capsys.readouterr().err
    assert main(["space", "--output", str(tmp_path / "plain")]) == 0
    assert not (tmp_path / "plain" / "start.py").exists()


def test_a_folder_for_zerogpu_differs_in_what_that_needs(tmp_path, capsys):
    made = tmp_path / "space"
    assert main(["space", "--output", str(made), "--hardware", "zerogpu"]) == 0
    front = yaml.safe_load((made / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (front["suggested_hardware"], front["python_version"]) == ("zero-a10g", "3.12")
    assert "\nspaces==" in (made / "requirements.txt").read_text(encoding="utf-8")
    assert "app.main([*['--device', 'zerogpu']" in (made / "start.py").read_text(encoding="utf-8")
    developers = (CHECKOUT / "requirements-dev.txt").read_text(encoding="utf-8")
    assert ZEROGPU_PACKAGES.split()[0] in developers, "what is tested is what the Space installs"


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes what lies below a prefix on to the app, without the prefix."""

    port = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        if not self.path.startswith(PREFIX):
            self.send_error(404)
            return
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Host": self.headers["Host"], "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": PREFIX}
        try:
            asked.request("GET", self.path.removeprefix(PREFIX) or "/", headers=headers)
        except OSError:
            self.send_error(502)
            return
        answer = asked.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        asked.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_a_user(home: Path) -> tuple[list[str], dict[str, object]]:
    """What goes before a command, and options of it, so that it may write nowhere but in its HOME."""
    if os.getuid() != 0:
        return [], {}
    options = {"user": USER, "group": USER, "extra_groups": []}
    for parent in (home, *home.parents):  # pytest's own folders are for their owner alone
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, **options)
    except (OSError, subprocess.CalledProcessError):  # the interpreter lies in root's own folder
        return [shutil.which("setpriv") or "setpriv", "--bounding-set=-all", "--inh-caps=-all"], {}
    os.chown(home, USER, USER)
    return [], options


@pytest.fixture
def started(folder, tmp_path):
    """The Space's address behind a proxy: as a user, HOME empty, the checkout read-only."""
    home = tmp_path / "home"
    home.mkdir()
    before, options = as_a_user(home)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "SPACE_ID": "lab/sounds", "GRADIO_ROOT_PATH": PREFIX}
    command = [*before, sys.executable, "start.py", "--port", str(port)]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,
        )
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Proxy,), {"port": port}))
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield process, proxy.server_address[1], log
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
            proxy.shutdown()
            proxy.server_close()
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


def test_it_starts_as_a_space_does(started):
    process, port, log = started
    deadline = time.monotonic() + 120
    page = b""
    while time.monotonic() < deadline and process.poll() is None:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError):
            asked.request("GET", f"{PREFIX}/", headers={"Host": "lab-sounds.hf.space"})
            answer = asked.getresponse()
            if answer.status == 200:
                page = answer.read()
                break
        asked.close()
        time.sleep(0.5)
    assert page, log.read_text()[-2000:]
    assert f"https://lab-sounds.hf.space{PREFIX}".encode() in page, "the page's own addresses keep the prefix"
