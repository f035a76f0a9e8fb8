"""Readers of the containers in which games keep their sounds, run once after a package is unpacked.

Three formats: Qt's binary resources (``.rcc``), OpenTTD's sample catalogue (``.cat``) and the zips of Warzone (``.wz``)
and of UFO: Alien Invasion (``.pk3``).
Only sound files are written; nothing is written outside the folder that the caller names.
"""

from __future__ import annotations

import json
import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from cacara.errors import SourceError

AUDIO_SUFFIXES = frozenset({".ogg", ".oga", ".opus", ".wav", ".mp3", ".flac"})
CREDITS_NAME = "credits.json"
EXTRACTED = "extracted"
MAX_MEMBER_BYTES = 64 * 1024 * 1024

_RCC_COMPRESSED_ZLIB, _RCC_DIRECTORY, _RCC_COMPRESSED_ZSTD = 1, 2, 4

log = logging.getLogger(__name__)


def extract_inside(folder: Path) -> list[Path]:
    """Extract the sounds of every known container below ``folder`` into ``folder/extracted``.

    Args:
        folder: The root of an unpacked package.

    Returns:
        The files written, sorted; empty if the package has no such container.

    Raises:
        SourceError: A container is malformed, or names a file outside the target.
    """
    target = folder / EXTRACTED
    containers = sorted(path for path in folder.rglob("*") if path.suffix in _EXTRACTORS and path.is_file())
    written: list[Path] = []
    for path in containers:
        # A zip is one of several with the same inner folders, so each gets its own.
        out_dir = target / path.stem if _EXTRACTORS[path.suffix] is extract_zip else target
        written += _EXTRACTORS[path.suffix](path, out_dir)
    log.info("extracted %d sounds from %d containers below %s", len(written), len(containers), folder)
    return sorted(written)


def extract_rcc(path: Path, out_dir: Path) -> list[Path]:
    """Write the sounds of a Qt resource file under their resource paths.

    Args:
        path: A binary resource file of version 1 to 3 ("qres"), members stored or zlib-compressed.
        out_dir: Where to write; made if missing.

    Returns:
        The files written, in the order of the resource tree.

    Raises:
        SourceError: The file is no such resource, is damaged, or a sound in it is zstd-compressed.
    """
    return [_write(out_dir, member, payload, path) for member, payload in rcc_files(path, AUDIO_SUFFIXES)]


def rcc_files(path: Path, suffixes: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (resource path, content) of a Qt resource file's members, in the order of the resource tree.

    Args:
        path: A binary resource file of version 1 to 3 ("qres"), members stored or zlib-compressed.
        suffixes: Only members with one of these suffixes (lower case, with the dot).

    Raises:
        SourceError: The file is no such resource, is damaged, or a wanted member is zstd-compressed.
    """
    data = path.read_bytes()
    if data[:4] != b"qres":
        raise SourceError(f"{path} begins with {data[:4]!r}, wanted b'qres': not a Qt resource file")
    for member, flags, offset in _rcc_members(data, path):
        if PurePosixPath(member).suffix.lower() not in suffixes:
            continue
        (length,) = _unpack(">I", data, offset, path)
        payload = _slice(data, offset + 4, length, path)
        if flags & _RCC_COMPRESSED_ZSTD:
            raise SourceError(f"{path}: {member} is zstd-compressed; only stored and zlib members are read")
        if flags & _RCC_COMPRESSED_ZLIB:
            payload = _inflate(payload[4:], f"{path}: {member}")  # 4 bytes: the size that qCompress prepends
        yield member, payload


def extract_cat(path: Path, out_dir: Path) -> list[Path]:
    """Write the samples of an OpenTTD catalogue as ``NN_title.wav``, and ``credits.json`` beside them.

    Args:
        path: The catalogue; each sample carries a description such as
            ``"Sheep". Original "…" by …. License: Creative Commons Zero 1.0.``
        out_dir: Where to write; made if missing. ``credits.json`` maps each file name to its description.

    Returns:
        The WAV files written, in catalogue order.

    Raises:
        SourceError: The catalogue is truncated, or a sample is no RIFF file.
    """
    data = path.read_bytes()
    table_bytes = _unpack("<I", data, 0, path)[0] & 0x7FFFFFFF  # the first sample follows the table
    if not table_bytes or table_bytes % 8:
        raise SourceError(f"{path}: a table of {table_bytes} bytes, wanted a multiple of 8: not a sample catalogue")
    written, credit_of = [], {}
    for number in range(table_bytes // 8):
        offset = _unpack("<I", data, number * 8, path)[0] & 0x7FFFFFFF
        (name_bytes,) = _unpack("<B", data, offset, path)
        credit = _slice(data, offset + 1, name_bytes, path).rstrip(b"\0").decode("latin-1")
        start = offset + 1 + name_bytes
        magic, size = _unpack("<4sI", data, start, path)
        if magic != b"RIFF":
            raise SourceError(f"{path}: sample {number} begins with {magic!r}, wanted b'RIFF'")
        title = re.match(r'"([^"]*)"', credit)
        slug = re.sub(r"[^a-z0-9]+", "_", (title[1] if title else credit).lower()).strip("_")[:60]
        name = f"{number:02d}_{slug}.wav"
        written.append(_write(out_dir, name, _slice(data, start, size + 8, path), path))
        credit_of[name] = credit
    text = json.dumps(credit_of, ensure_ascii=False, indent=1, sort_keys=True)
    (out_dir / CREDITS_NAME).write_text(text + "\n", encoding="utf-8")
    return written


def extract_zip(path: Path, out_dir: Path) -> list[Path]:
    """Write the sounds of a game's zip archive under their paths in it.

    Args:
        path: The archive.
        out_dir: Where to write; made if missing.

    Returns:
        The files written, in the order of the archive.

    Raises:
        SourceError: The archive is no zip, is damaged, or holds a sound above 64 MiB.
    """
    written = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir() or PurePosixPath(info.filename).suffix.lower() not in AUDIO_SUFFIXES:
                    continue
                with archive.open(info) as member:
                    payload = member.read(MAX_MEMBER_BYTES + 1)
                written.append(_write(out_dir, info.filename, payload, path))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{path} is not a readable zip archive: {error}") from error
    return written


_EXTRACTORS: dict[str, Callable[[Path, Path], list[Path]]] = {
    ".rcc": extract_rcc,
    ".cat": extract_cat,
    ".wz": extract_zip,
    ".pk3": extract_zip,
}


def _rcc_members(data: bytes, path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield (resource path, flags, offset of the payload) of each file in a resource tree."""
    version, tree, payloads, names = _unpack(">IIII", data, 4, path)
    if version not in (1, 2, 3):
        raise SourceError(f"{path}: resource format {version}, wanted 1, 2 or 3")
    node_bytes = 14 if version == 1 else 22  # later versions append an 8-byte time
    pending = [(0, PurePosixPath())]
    seen: set[int] = set()
    while pending:
        index, parent = pending.pop()
        if index in seen:
            raise SourceError(f"{path}: tree node {index} is reached twice; the file is damaged")
        seen.add(index)
        node = tree + index * node_bytes
        name_offset, flags = _unpack(">IH", data, node, path)
        here = parent / _rcc_name(data, names + name_offset, path) if index else parent
        if flags & _RCC_DIRECTORY:
            count, first = _unpack(">II", data, node + 6, path)
            if count * node_bytes > len(data):
                raise SourceError(f"{path}: a folder of {count} entries does not fit into {len(data)} bytes")
            pending += [(child, here) for child in reversed(range(first, first + count))]
        else:
            (offset,) = _unpack(">I", data, node + 10, path)
            yield str(here), flags, payloads + offset


def _rcc_name(data: bytes, offset: int, path: Path) -> str:
    (length,) = _unpack(">H", data, offset, path)
    try:
        name = _slice(data, offset + 6, 2 * length, path).decode("utf-16-be")  # a 4-byte hash stands between
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: a member's name is not UTF-16: {error}") from error
    if "/" in name:
        raise SourceError(f"{path}: the member name {name!r} holds a slash")
    return name


def _unpack(layout: str, data: bytes, offset: int, path: Path) -> tuple:
    try:
        return struct.unpack_from(layout, data, offset)
    except struct.error as error:
        raise SourceError(
            f"{path} is truncated: {struct.calcsize(layout)} bytes wanted at {offset}, it has {len(data)}"
        ) from error


def _slice(data: bytes, start: int, length: int, path: Path) -> bytes:
    if start + length > len(data):
        raise SourceError(f"{path} is truncated: {length} bytes wanted at {start}, it has {len(data)}")
    return data[start : start + length]


def _inflate(payload: bytes, what: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(payload, MAX_MEMBER_BYTES + 1)
    except zlib.error as error:
        raise SourceError(f"{what} is damaged: {error}") from error
    if not inflater.eof and len(inflated) <= MAX_MEMBER_BYTES:
        raise SourceError(f"{what} is damaged: its zlib stream ends early")
    return inflated


def _write(out_dir: Path, member: str, payload: bytes, path: Path) -> Path:
    parts = PurePosixPath(member.replace("\\", "/")).parts
    if not parts or parts[0].startswith("/") or ".." in parts or ":" in parts[0] or "\0" in member:
        raise SourceError(f"{path}: the member {member!r} would be written outside {out_dir}")
    if len(payload) > MAX_MEMBER_BYTES:
        raise SourceError(f"{path}: {member} has more than {MAX_MEMBER_BYTES} bytes")
    target = out_dir.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(payload)
    return target
