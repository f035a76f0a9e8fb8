from __future__ import annotations

import dataclasses
import io
import multiprocessing
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from cacara import sources
from cacara.errors import SourceError
from cacara.sources import repositories

FILES = {
    "words/en_sw.tsv": "dog\tmbwa\r\n",
    "words/en_ö ü.tsv": "cat\tpaka\n",
    "words/deep/en_zu.tsv": "cow\tinkomo\n",
    "words/convert.py": "raise SystemExit\n",
    "LICENSE": "CC0\n",
    ".gitattributes": "*.tsv text eol=lf\n",
}
PATHS = ("words/**/*.tsv", "LICENSE")
SELECTED = ["LICENSE", "words/deep/en_zu.tsv", "words/en_sw.tsv", "words/en_ö ü.tsv"]


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def origin(tmp_path) -> Path:
    """A repository whose second commit is wanted, and whose third changes it."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--template=")
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    for message, more in (("first", {"old.tsv": "x"}), ("second", FILES), ("third", {"LICENSE": "other"})):
        for name, text in more.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
        if message == "second":
            (folder / "words" / "en_link.tsv").symlink_to("en_sw.tsv")
        git(folder, "-c", "core.attributesFile=/dev/null", "add", ".")
        git(folder, "commit", "--quiet", "-m", message)
    return folder


@pytest.fixture
def row(origin, tmp_path, monkeypatch) -> sources.Source:
    """The table's row of that repository, and an empty cache."""
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CACARA_MIRROR", raising=False)
    # Line endings as the repository's objects have them: what a checkout would make of them is not wanted.
    expected = tmp_path / "expected"
    for name in SELECTED:
        (expected / name).parent.mkdir(parents=True, exist_ok=True)
        shown = subprocess.run(["git", "show", f"HEAD~1:{name}"], cwd=origin, check=True, capture_output=True)
        (expected / name).write_bytes(shown.stdout)
    row = sources.Source(
        key="words",
        client="git",
        package=origin.as_uri(),
        version=git(origin, "rev-parse", "HEAD~1"),
        sha256=repositories.tree_hash(expected),
        megabytes=0.1,
        licence="CC0-1.0",
        yields="words",
        paths=PATHS,
        archive="words.tar.xz",
    )
    monkeypatch.setitem(sources.SOURCES, "words", row)
    return row


def make_mirror(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "words.tar.xz", "w:xz") as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return folder


def mirrored(tmp_path: Path) -> dict[str, bytes]:
    expected = tmp_path / "expected"
    files = {path.relative_to(expected).as_posix(): path.read_bytes() for path in expected.rglob("*") if path.is_file()}
    return {**files, "words/convert.py": b"raise SystemExit"}


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def partials() -> list[Path]:
    return sorted((sources.cache_folder() / "sources").glob("*.partial"))


@pytest.mark.parametrize("partial_clones", [True, False])
def test_the_wanted_files_of_one_commit_are_fetched_without_history(row, origin, tmp_path, monkeypatch, partial_clones):
    git(origin, "config", "uploadpack.allowFilter", str(partial_clones).lower())
    (tmp_path / "gitconfig").write_text("[safe]\n\tbareRepository = explicit\n[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(origin / ".git"))  # as in a hook: it binds git to another repository
    stages = []
    folder = sources.fetch("words", lambda progress: stages.append(progress.stage))
    assert files_of(folder) == SELECTED
    assert (folder / "LICENSE").read_text() == "CC0\n"
    assert stages[-2:] == ["verify", "ready"] and partials() == []
    assert sources.find("words") == folder and sources.holder_of(folder / "LICENSE") == "words"


def test_a_mirror_gives_the_same_without_the_repository(row, origin, tmp_path, monkeypatch):
    mirror = make_mirror(tmp_path / "mirror", mirrored(tmp_path))
    origin.rename(tmp_path / "away")
    monkeypatch.setenv("CACARA_MIRROR", str(mirror))
    folder = sources.fetch("words")
    assert files_of(folder) == SELECTED and repositories.tree_hash(folder) == row.sha256
    assert partials() == []


def test_a_mirror_may_be_given_by_the_caller(row, origin, tmp_path):
    mirror = make_mirror(tmp_path / "mirror", mirrored(tmp_path))
    origin.rename(tmp_path / "away")
    assert files_of(sources.fetch("words", mirror=mirror)) == SELECTED


def test_the_tree_hash_is_that_of_sha256sum(tmp_path, row):
    command = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    done = subprocess.run(command, shell=True, cwd=tmp_path / "expected", capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == row.sha256


def test_what_arrived_before_an_interruption_is_not_fetched_again(row, origin, tmp_path, monkeypatch):
    monkeypatch.setattr(repositories, "BATCH", 1)
    fetches: list[list[str]] = []
    run = repositories.clients.run

    def run_twice_then_fail(command, *arguments, **named):
        if len(fetches) == 2:
            raise SourceError("no data for 180 s")
        fetches.append(list(command))
        run(command, *arguments, **named)

    monkeypatch.setattr(repositories.clients, "run", run_twice_then_fail)
    with pytest.raises(SourceError, match="no data"):
        sources.fetch("words")
    assert sources.find("words") is None and len(partials()) == 1
    (partials()[0] / "repository.git" / "shallow.lock").touch()  # of a git that was killed
    before = {fetches[1][-1]}
    fetches.clear()

    def run_and_count(command, *arguments, **named):
        fetches.append(list(command))
        run(command, *arguments, **named)

    monkeypatch.setattr(repositories.clients, "run", run_and_count)
    assert files_of(sources.fetch("words")) == SELECTED
    assert len(fetches) == len(SELECTED) - 1 and before.isdisjoint(command[-1] for command in fetches)


def test_a_damaged_remainder_is_begun_anew(row):
    remainder = sources.cache_folder() / "sources" / f"words-{row.version[:12]}-{row.sha256[:8]}.partial/repository.git"
    remainder.mkdir(parents=True)
    (remainder / "HEAD").write_text("nonsense")
    (remainder / "objects").write_text("no folder")
    assert files_of(sources.fetch("words")) == SELECTED


def _fetch_in_a_process(queue) -> None:
    stages: list[str] = []
    folder = sources.fetch("words", lambda progress: stages.append(progress.stage))
    queue.put((str(folder), "verify" in stages))


def test_two_processes_at_once_fetch_once(row):
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


def test_without_network_and_mirror_the_error_is_one_line_that_names_both(row, origin, tmp_path, monkeypatch):
    origin.rename(tmp_path / "away")
    with pytest.raises(SourceError, match=r"git could not fetch .*origin.*CACARA_MIRROR.*words.tar.xz") as caught:
        sources.fetch("words")
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("CACARA_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match="CACARA_MIRROR names .*nowhere, which is no folder"):
        sources.fetch("words")


def test_other_files_than_the_table_knows_are_refused(row, tmp_path, monkeypatch):
    files = {**mirrored(tmp_path), "words/en_new.tsv": b"new\tnew\n"}
    monkeypatch.setenv("CACARA_MIRROR", str(make_mirror(tmp_path / "mirror", files)))
    with pytest.raises(SourceError, match=r"words.tar.xz has tree hash .* wanted"):
        sources.fetch("words")
    assert sources.find("words") is None and partials() == []


def test_a_damaged_archive_and_one_that_writes_elsewhere_are_refused(row, tmp_path, monkeypatch):
    mirror = make_mirror(tmp_path / "mirror", {"words/../../../en_sw.tsv": b"x"})
    monkeypatch.setenv("CACARA_MIRROR", str(mirror))
    with pytest.raises(SourceError, match="outside"):
        sources.fetch("words")
    (mirror / "words.tar.xz").write_bytes((mirror / "words.tar.xz").read_bytes()[:40])
    with pytest.raises(SourceError, match="cannot be unpacked"):
        sources.fetch("words")


def test_what_only_a_mirror_has_says_so(row, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "words", dataclasses.replace(row, client="mirror"))
    with pytest.raises(SourceError, match="no public address.*CACARA_MIRROR.*words.tar.xz"):
        sources.fetch("words")


def test_what_is_for_measuring_alone_is_refused_to_everything_else(row, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "words", dataclasses.replace(row, measuring_only=True))
    with pytest.raises(SourceError, match="for measuring alone"):
        sources.fetch("words")
    assert sources.fetch("words", measuring=True).is_dir()
    with pytest.raises(SourceError, match="for measuring alone"):  # also when it lies there
        sources.fetch("words")


@pytest.mark.parametrize(
    ("pattern", "path", "selected"),
    [
        ("a/*.tsv", "a/x.tsv", True),
        ("a/*.tsv", "a/b/x.tsv", False),
        ("*.tsv", "a/x.tsv", False),
        ("**/*.tsv", "x.tsv", True),
        ("a/**/*.tsv", "a/b/c/x.tsv", True),
        ("a/", "a/b/c", True),
        ("a/", "ab", False),
        ("a.b", "aXb", False),
    ],
)
def test_patterns(pattern, path, selected):
    assert repositories.is_selected(path, [pattern]) is selected
