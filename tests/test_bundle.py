from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
NEEDED_BYTES = 14 << 30
CALL_HOME = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"


def maker():
    spec = importlib.util.spec_from_file_location("make_bundle", REPOSITORY / "bundle" / "make_bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_network():
    """Return what begins a command in a namespace of its own, whose only device is a loopback that is down."""
    tried = [["unshare", "--net"], ["unshare", "--map-root-user", "--net"]]
    for command in tried:
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip("this machine permits no namespace without network (unshare --net)")


def small_wheel(folder):
    with zipfile.ZipFile(folder / "bark-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("bark.py", "WORD = 'wuff'\n")
        wheel.writestr("bark-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: bark\nVersion: 1.0\n")
        wheel.writestr("bark-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("bark-1.0.dist-info/RECORD", "")


@pytest.fixture
def bundle(tmp_path):
    """A bundle of a small program, unpacked in another place than it was made in."""
    root = tmp_path / "repository"
    (root / "tests").mkdir(parents=True)
    (root / "requirements.txt").write_text("bark==1.0\n")
    (root / "app.py").write_text(
        "import bark, os, sys\nprint(bark.WORD, open(os.environ['CACARA_CACHE'] + '/sound').read(), *sys.argv[1:])\n"
    )
    (root / "secret.txt").write_text("not known to git")
    (root / "tests" / "test_x.py").write_text("")
    for command in (["init", "-q"], ["add", "requirements.txt", "app.py", "tests"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    work, output, elsewhere = (tmp_path / name for name in ("work", "output", "else where"))
    for folder in (work, output, elsewhere):
        folder.mkdir()
    archive = maker().make(work, output, small_wheel, lambda cache: (cache / "sound").write_text("woof"), root)
    with tarfile.open(archive) as file:
        file.extractall(elsewhere, filter="data")
    return next(elsewhere.iterdir())


def run(*command, **index):
    """Run a command whose pip has no index, unless it is given one by variables."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(index or {"PIP_INDEX_URL": "http://192.0.2.1/none"})}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_namespace_really_has_no_network():
    assert run(*without_network(), sys.executable, "-c", CALL_HOME).returncode != 0


def test_a_bundle_installs_and_runs_without_network(bundle):
    alone = without_network()
    installed = run(*alone, "sh", str(bundle / "install.sh"), sys.executable)
    assert installed.returncode == 0, installed.stderr
    started = run(*alone, "sh", str(bundle / "run.sh"), "--port", "8080")
    assert started.stdout.split()[:2] == ["wuff", "woof"], started.stderr
    assert started.stdout.split()[-2:] == ["--port", "8080"]


def test_a_bundle_holds_what_git_knows_and_no_tests(bundle):
    assert sorted(path.name for path in (bundle / "repository").iterdir()) == ["app.py", "requirements.txt"]


def test_a_damaged_bundle_is_not_installed(bundle):
    (bundle / "cache" / "sound").write_text("wouf")
    done = run("sh", str(bundle / "install.sh"), sys.executable)
    assert done.returncode == 1 and "cache/sound" in done.stderr and not (bundle / ".venv").exists()


def test_another_python_than_the_wheels_are_for_is_told(bundle):
    (bundle / "PYTHON").write_text("2.7 linux pdp11\n")
    done = run("sh", str(bundle / "install.sh"), sys.executable)
    assert done.returncode == 1 and "this bundle is for 2.7 linux pdp11" in done.stderr


def test_a_bundle_that_is_not_installed_says_so(bundle):
    done = run("sh", str(bundle / "run.sh"))
    assert done.returncode == 1 and "install.sh" in done.stderr


@pytest.mark.soak
def test_the_real_bundle_installs_starts_finds_a_dog_and_takes_a_flag_without_network(tmp_path):
    alone, times = without_network(), {}
    if shutil.disk_usage(tmp_path).free < NEEDED_BYTES:
        pytest.skip(f"a bundle and what is installed from it need {NEEDED_BYTES >> 30} GiB in {tmp_path}")

    def timed(name, *command, **index):
        begun = time.monotonic()
        done = run(*command, **index)
        times[name] = round(time.monotonic() - begun)
        assert done.returncode == 0, done.stderr
        return done.stdout

    maker_file = str(REPOSITORY / "bundle" / "make_bundle.py")
    timed("make", sys.executable, maker_file, "--output", str(tmp_path), PIP_NO_INPUT="1")  # with its own index
    archive = next(tmp_path.glob("*.tar"))
    size = archive.stat().st_size
    timed("unpack", "tar", "-xf", str(archive), "-C", str(tmp_path))
    archive.unlink()
    bundle = next(path for path in tmp_path.iterdir() if path.is_dir())
    timed("install", *alone, "sh", str(bundle / "install.sh"), sys.executable)
    asked = timed("ask", *alone, sys.executable, str(Path(__file__).parent / "soak" / "bundled_app.py"), str(bundle))
    told = json.loads(asked.splitlines()[-1])
    assert told["hits"][0]["concept"] == "dog"
    assert (told["status"], told["bytes"] > 1000) == (200, True), "its sound"
    stored = b"".join(path.read_bytes() for path in (bundle / "data").glob("feedback.db*"))  # its journal among them
    assert told["flagged"]["judgement_id"].encode() in stored
    found = timed("command", *alone, "sh", str(bundle / "run.sh"), "-m", "cacara", "search", "der Hund bellt")
    assert "dog" in found
    sys.stdout.write(f"{size / 1e9:.2f} GB, first answer after {told['seconds']:.0f} s; seconds: {times}\n")
