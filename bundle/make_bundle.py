"""Make one archive that installs and runs the app on a machine without network.

It holds the repository, wheels of everything in requirements.txt, and the cache as ``python -m cacara setup`` leaves
it: converted weights, the gallery and its embeddings. The machine must have the same Python and processor family.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NAME = "cacara-studio"
SCRIPTS = ("install.sh", "run.sh")
NOT_CARRIED = ("tests/", "runs/", ".ci/")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the archive and say where it is; return the exit code."""
    parser = argparse.ArgumentParser(prog="make_bundle.py", description=__doc__)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "dist", metavar="DIR", help="where to put it")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=options.output) as place:
            archive = make(Path(place), options.output, fetch_wheels, fill_cache)
    except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{archive}: {archive.stat().st_size / 1e9:.2f} GB\n")
    return 0


def make(
    place: Path, output: Path, wheels: Callable[[Path], None], cache: Callable[[Path], None], root: Path = REPOSITORY
) -> Path:
    """Return the archive, made in ``place`` and then put into ``output``.

    Args:
        place: An empty folder on the disk of ``output``.
        output: Path of the archive.
        wheels: Fills a folder with the wheels that are needed.
        cache: Fills a folder with what the app keeps in its cache.
        root: The repository.
    """
    bundle = place / f"{NAME}-{platform.machine()}"
    for name, fill in (("wheels", wheels), ("cache", cache)):
        (bundle / name).mkdir(parents=True)
        fill(bundle / name)
    copy_repository(root, bundle / "repository")
    for script in SCRIPTS:
        shutil.copy2(Path(__file__).with_name(script), bundle / script)
    tag = f"{sys.version_info[0]}.{sys.version_info[1]} {sys.platform} {platform.machine()}"
    (bundle / "PYTHON").write_text(f"{tag}\n", encoding="utf-8")
    write_hashes(bundle)
    archive = place / f"{bundle.name}.tar"
    with tarfile.open(archive, "w") as file:  # wheels and sounds are compressed already
        file.add(bundle, bundle.name, filter=_nobodys)
    return archive.replace(output / archive.name)


def fetch_wheels(folder: Path) -> None:
    """Put a wheel of every requirement into a folder; what comes as source is built here, where there is a network."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*command, "-r", str(REPOSITORY / "requirements.txt"), "-w", str(folder)], check=True)


def fill_cache(folder: Path) -> None:
    """Set the app up with a cache of its own.

    Raises:
        RuntimeError: The gallery is installed on this machine, so that set-up would not fetch it.
    """
    sys.path.insert(0, str(REPOSITORY))
    from cacara import sources

    for source in sources.SOURCES.values():
        if source.installed and Path(source.installed).is_dir():
            raise RuntimeError(f"{source.package} is installed on this machine, so it would be missing in the bundle")
    environment = {**os.environ, "CACARA_CACHE": str(folder)}
    subprocess.run([sys.executable, "-m", "cacara", "setup"], cwd=REPOSITORY, env=environment, check=True)
    for lock in folder.rglob("*.lock"):
        lock.unlink()


def copy_repository(root: Path, target: Path) -> None:
    """Copy the files that git knows, as they are now, without tests."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(NOT_CARRIED) and (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def write_hashes(bundle: Path) -> None:
    """Write ``SHA256SUMS`` over all files."""
    lines = []
    for path in sorted(bundle.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {path.relative_to(bundle).as_posix()}\n")
    (bundle / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    sys.exit(main())
