"""Files of a public git repository at one commit, from its address or from a mirror's archive, and their tree hash.

The same files come by either way and are checked by the same hash. From an address, git fetches the commit and its
folders without history, then only the files that are wanted (a partial clone; a server that does not know partial
clones sends all files of the commit). Contents are read from git's objects, so attributes, line endings and hooks of
the user's configuration change nothing. A mirror is a folder with one tar archive a repository, its files at their
paths in the repository.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from cacara.errors import SourceError
from cacara.sources import clients

BATCH = 256
"""Number of files requested at once; an interrupted fetch repeats at most so many."""

_REPOSITORY = "repository.git"
_REGULAR_MODES = ("100644", "100755")  # neither links nor submodules


class _DamagedRepositoryError(SourceError):
    """A repository of ours cannot be read."""


def is_selected(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a path of a repository is wanted.

    Args:
        path: Path below the repository's root, with ``/``.
        patterns: Whole paths in which ``*`` stands for anything but ``/``, and ``**/`` for any number of folders.
            A pattern that ends with ``/`` means everything below.
    """
    return any(_expression(pattern).fullmatch(path) for pattern in patterns)


def tree_hash(folder: Path) -> str:
    r"""Return the SHA-256 that identifies all files below a folder: their paths and their contents.

    It is the hash of what ``find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum`` prints in that
    folder: a line a file, in the order of the paths' bytes.

    Args:
        folder: A folder; links are left out.
    """
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    named = sorted((os.fsencode(path.relative_to(folder).as_posix()), path) for path in paths)
    whole = hashlib.sha256()
    for name, path in named:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").hexdigest().encode() + b"  " + name + b"\n")
    return whole.hexdigest()


def unpack_mirror(archive: Path, patterns: Sequence[str], content: Path) -> None:
    """Write the selected files of a mirror's archive below ``content``.

    Args:
        archive: A tar archive, compressed or not.
        patterns: See ``is_selected``.
        content: An empty folder.

    Raises:
        SourceError: The archive is no tar, is damaged, or names a file outside ``content``.
    """
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                name = member.name.removeprefix("./")
                if not member.isfile() or not is_selected(name, patterns):
                    continue
                file = packed.extractfile(member)
                if file is not None:
                    with file, _create(content, name, archive.name).open("wb") as target:
                        shutil.copyfileobj(file, target)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise SourceError(f"{archive} cannot be unpacked: {error}") from error


def fetch_from_git(
    address: str,
    commit: str,
    patterns: Sequence[str],
    work: Path,
    content: Path,
    megabytes: float,
    report: Callable[[float | None], None],
) -> None:
    """Write the selected files of a commit below ``content``.

    What arrived stays in ``work`` when this is interrupted, and is not fetched again by the next call.

    Args:
        address: The repository's public address, ``https://…`` (or ``file://…``).
        commit: The full hash of a commit.
        patterns: See ``is_selected``.
        work: A folder of ours, kept between calls.
        content: An empty folder.
        megabytes: Expected size of the selected files, for the progress.
        report: Called with the share that has arrived.

    Raises:
        SourceError: git is not installed, the repository cannot be reached or does not hold the commit.
    """
    clients.require("git", "git 2.17 or newer")
    repository = work / _REPOSITORY
    try:
        _fetch_objects(address, commit, patterns, repository, megabytes, report)
    except _DamagedRepositoryError:  # by a process that was killed: from the beginning
        shutil.rmtree(repository)
        _fetch_objects(address, commit, patterns, repository, megabytes, report)
    _write_files(repository, _selected_blobs(repository, commit, patterns), content)


@functools.lru_cache(maxsize=64)
def _expression(pattern: str) -> re.Pattern[str]:
    if pattern.endswith("/"):
        return re.compile(re.escape(pattern) + ".*", re.DOTALL)
    parts = re.split(r"(\*\*/|\*)", pattern)
    meaning = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _fetch_objects(
    address: str,
    commit: str,
    patterns: Sequence[str],
    repository: Path,
    megabytes: float,
    report: Callable[[float | None], None],
) -> None:
    def fetch(*arguments: str) -> None:
        clients.run(
            # Nothing is common with the server but the commit: no history is compared.
            [*_command(repository), "-c", "fetch.negotiationAlgorithm=noop", "-c", "gc.auto=0"]
            + ["-c", "maintenance.auto=false", "fetch", "--quiet", "--no-tags", "--recurse-submodules=no"]
            + ["--filter=blob:none", *arguments],
            repository,
            repository,
            report,
            megabytes,
            wanted=f"{address} at {commit[:12]}",
            variables=_environment(address),
        )

    repository.mkdir(parents=True, exist_ok=True)
    for lock in repository.glob("*.lock"):  # of a git that was killed
        lock.unlink()
    _git(repository, "init", "--quiet", "--bare", "--template=")
    _git(repository, "config", "remote.origin.url", address)
    if not _holds(repository, commit):
        fetch("--depth=1", "origin", commit)
    wanted = {blob for blob, _ in _selected_blobs(repository, commit, patterns)}
    missing = sorted(wanted & _missing(repository, commit))
    for start in range(0, len(missing), BATCH):
        fetch("origin", *missing[start : start + BATCH])


def _holds(repository: Path, commit: str) -> bool:
    """Return whether the commit has arrived; asks the repository alone, never the server."""
    done = subprocess.run(
        [*_command(repository), "rev-list", "--max-count=1", "--missing=print", commit],
        capture_output=True,
        env=clients.environment(),
        check=False,
    )
    return done.returncode == 0


def _missing(repository: Path, commit: str) -> set[str]:
    """Return the objects of the commit that have not arrived."""
    listed = _git(repository, "rev-list", "--objects", "--missing=print", "--max-count=1", commit)
    return {line[1:] for line in listed.decode().splitlines() if line.startswith("?")}


def _selected_blobs(repository: Path, commit: str, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Return (object, path) of the commit's selected files."""
    found = []
    for entry in _git(repository, "ls-tree", "-r", "-z", commit).split(b"\0"):
        if entry:
            about, name = entry.split(b"\t", 1)
            mode, _, blob = about.decode().split(" ")[:3]
            path = name.decode("utf-8", "surrogateescape")
            if mode in _REGULAR_MODES and is_selected(path, patterns):
                found.append((blob, path))
    return found


def _write_files(repository: Path, blobs: Sequence[tuple[str, str]], content: Path) -> None:
    with tempfile.TemporaryFile() as names:
        names.write("".join(f"{blob}\n" for blob, _ in blobs).encode())
        names.seek(0)
        with subprocess.Popen(
            [*_command(repository), "cat-file", "--batch"],
            stdin=names,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clients.environment(),
        ) as process:
            assert process.stdout is not None
            for blob, path in blobs:
                header = process.stdout.readline().decode().split()
                if len(header) != 3 or header[0] != blob:
                    process.kill()
                    raise SourceError(f"{path} ({blob[:12]}) is not in the fetched repository; retry")
                data = process.stdout.read(int(header[2]))
                process.stdout.read(1)  # the line's end
                _create(content, path, blob[:12]).write_bytes(data)


def _create(content: Path, name: str, origin: str) -> Path:
    """Return the path of a new file below ``content``, its folder made."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in name or ":" in parts[0]:
        raise SourceError(f"{origin}: the file {name!r} would be written outside {content}")
    path = content.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _command(repository: Path) -> list[str]:
    """Return the beginning of a command on a repository; naming it is allowed where looking for one is not."""
    return ["git", "--git-dir", str(repository)]


def _git(repository: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        [*_command(repository), *arguments], capture_output=True, env=clients.environment(), check=False
    )
    if done.returncode:
        words = clients.last_words(done.stderr.decode("utf-8", "replace"))
        raise _DamagedRepositoryError(f"git {arguments[0]} failed in {repository}: {words}")
    return done.stdout


def _environment(address: str) -> dict[str, str]:
    scheme = address.partition(":")[0]
    # A repository that is gone is an error, not a question for a password. The user's configuration may put ssh in the
    # place of https.
    return {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_ALLOW_PROTOCOL": f"{scheme}:https:ssh"}
