from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cacara.errors import SourceError
from cacara.sources import archives

SOUND = b"RIFF" + struct.pack("<I", 8) + b"WAVEdata"


def rcc(members: list[tuple[str, bytes, int]], folder: str = "sounds") -> bytes:
    """A version-3 resource file: one folder with ``members``, each (name, payload as stored, flags)."""
    names, offsets = b"", []
    for name in [folder, *(member[0] for member in members)]:
        offsets.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    payloads, starts = b"", []
    for _, payload, _ in members:
        starts.append(len(payloads))
        payloads += struct.pack(">I", len(payload)) + payload
    nodes = [struct.pack(">IHIIQ", 0, 2, 1, 1, 0), struct.pack(">IHIIQ", offsets[0], 2, len(members), 2, 0)]
    for (_, _, flags), name_at, start in zip(members, offsets[1:], starts, strict=True):
        nodes.append(struct.pack(">IHHHIQ", name_at, flags, 0, 1, start, 0))
    names_at = 24 + len(payloads)
    header = b"qres" + struct.pack(">IIIII", 3, names_at + len(names), 24, names_at, 0)
    return header + payloads + names + b"".join(nodes)


def compressed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + zlib.compress(payload)


def cat(samples: list[tuple[str, bytes]]) -> bytes:
    table, body, start = b"", b"", 8 * len(samples)
    for credit, sound in samples:
        name = credit.encode("latin-1") + b"\0"
        table += struct.pack("<II", (start + len(body)) | 0x80000000, len(sound))
        body += bytes([len(name)]) + name + sound + b"\0"
    return table + body


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_resource_file_gives_its_sounds_stored_or_compressed(tmp_path):
    members = [("bark.wav", SOUND, 0), ("meow.ogg", compressed(b"OggS" * 100), 1), ("page.qml", b"Item {}", 0)]
    written = archives.extract_rcc(write(tmp_path / "a.rcc", rcc(members)), tmp_path / "out")
    assert written == [tmp_path / "out/sounds/bark.wav", tmp_path / "out/sounds/meow.ogg"]
    assert [path.read_bytes() for path in written] == [SOUND, b"OggS" * 100]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["bark.wav", "meow.ogg"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "wanted b'qres'"),
        (b"PK\3\4 something else", "wanted b'qres'"),
        (b"qres\0\0", "truncated"),
        (b"qres" + struct.pack(">IIII", 9, 0, 0, 0), "resource format 9"),
        (rcc([("bark.wav", SOUND, 0)])[:-30], "truncated"),
        (rcc([("bark.wav", compressed(SOUND)[:-6], 1)]), "ends early"),
        (rcc([("bark.wav", b"\0\0\0\0 no zlib", 1)]), "damaged"),
        (rcc([("bark.wav", b"\x28\xb5\x2f\xfd", 4)]), "zstd"),
        (rcc([("../../bark.wav", SOUND, 0)]), "slash"),
        (rcc([("bark.wav", SOUND, 0)], folder=".."), "outside"),
    ],
)
def test_a_damaged_or_hostile_resource_file_is_refused(tmp_path, content, complaint):
    with pytest.raises(SourceError, match=complaint):
        archives.extract_rcc(write(tmp_path / "a.rcc", content), tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("*.wav"))


def test_a_resource_tree_that_loops_is_refused(tmp_path):
    loop = rcc([("bark.wav", SOUND, 0)])
    nodes_at = struct.unpack_from(">I", loop, 8)[0]
    looped = bytearray(loop)
    struct.pack_into(">IHII", looped, nodes_at, 0, 2, 1, 0)  # the root's only child is the root
    with pytest.raises(SourceError, match="twice"):
        archives.extract_rcc(write(tmp_path / "a.rcc", bytes(looped)), tmp_path / "out")


def test_a_catalogue_gives_its_samples_by_title_with_their_credits(tmp_path):
    credit = '"Level crossing (old)". By Somebody. License: Creative Commons Zero 1.0.'
    content = cat([(credit, SOUND), ("untitled", SOUND)])
    written = archives.extract_cat(write(tmp_path / "a.cat", content), tmp_path / "out")
    assert [path.name for path in written] == ["00_level_crossing_old.wav", "01_untitled.wav"]
    assert written[0].read_bytes() == SOUND
    credits_by_name = json.loads((tmp_path / "out" / archives.CREDITS_NAME).read_text(encoding="utf-8"))
    assert credits_by_name["00_level_crossing_old.wav"] == credit


def test_a_title_cannot_lead_out_of_the_folder(tmp_path):
    content = cat([('"../../etc/passwd"', SOUND)])
    (written,) = archives.extract_cat(write(tmp_path / "a.cat", content), tmp_path / "out")
    assert written == tmp_path / "out" / "00_etc_passwd.wav"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "truncated"),
        (struct.pack("<I", 0), "not a sample catalogue"),
        (struct.pack("<I", 13), "not a sample catalogue"),
        (cat([("a", SOUND)])[:-8], "truncated"),
        (cat([("a", b"FORM" + SOUND[4:])]), "wanted b'RIFF'"),
    ],
)
def test_a_damaged_catalogue_is_refused(tmp_path, content, complaint):
    with pytest.raises(SourceError, match=complaint):
        archives.extract_cat(write(tmp_path / "a.cat", content), tmp_path / "out")


def test_a_zip_gives_its_sounds_under_their_paths(tmp_path):
    with zipfile.ZipFile(tmp_path / "base.wz", "w") as archive:
        archive.writestr("audio/sfx/boom.ogg", b"OggS")
        archive.writestr("texpages/page.png", b"PNG")
    written = archives.extract_zip(tmp_path / "base.wz", tmp_path / "out")
    assert written == [tmp_path / "out/audio/sfx/boom.ogg"]


@pytest.mark.parametrize("name", ["../boom.ogg", "/tmp/boom.ogg", "a/../../boom.ogg", "..\\boom.ogg", "C:\\boom.ogg"])
def test_a_zip_cannot_write_outside_its_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "base.wz", "w") as archive:
        archive.writestr(name, b"OggS")
    with pytest.raises(SourceError, match="outside"):
        archives.extract_zip(tmp_path / "base.wz", tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("*.ogg"))


def test_what_is_no_zip_or_a_damaged_one_is_refused(tmp_path):
    with pytest.raises(SourceError, match="not a readable zip"):
        archives.extract_zip(write(tmp_path / "a.wz", b"qres"), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "b.wz", "w") as archive:
        archive.writestr("boom.ogg", b"OggS" * 50)
    damaged = (tmp_path / "b.wz").read_bytes().replace(b"OggSOggS", b"OggSOggT", 1)
    with pytest.raises(SourceError, match="not a readable zip"):
        archives.extract_zip(write(tmp_path / "b.wz", damaged), tmp_path / "out")


def test_a_sound_of_unreasonable_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    members = [("bomb.wav", compressed(bytes(100_000)), 1)]
    with pytest.raises(SourceError, match="more than 1000 bytes"):
        archives.extract_rcc(write(tmp_path / "a.rcc", rcc(members)), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "a.wz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.ogg", bytes(100_000))
    with pytest.raises(SourceError, match="more than 1000 bytes"):
        archives.extract_zip(tmp_path / "a.wz", tmp_path / "out")


def test_all_containers_of_a_package_are_extracted_into_one_folder(tmp_path):
    package = tmp_path / "usr/share"
    package.mkdir(parents=True)
    write(package / "a.rcc", rcc([("bark.wav", SOUND, 0)]))
    for name in ("base", "mp"):
        with zipfile.ZipFile(package / f"{name}.wz", "w") as archive:
            archive.writestr("audio/boom.ogg", b"OggS")
    written = archives.extract_inside(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "extracted/base/audio/boom.ogg",
        "extracted/mp/audio/boom.ogg",
        "extracted/sounds/bark.wav",
    ]
    assert archives.extract_inside(package / "nothing") == []


@given(st.binary(max_size=200), st.sampled_from(["a.rcc", "a.cat", "a.wz"]))
def test_any_bytes_either_extract_or_raise_a_source_error(tmp_path_factory, content, name):
    folder = tmp_path_factory.mktemp("any")
    head = b"qres" if name == "a.rcc" else b""
    write(folder / name, head + content)
    try:
        archives.extract_inside(folder)
    except SourceError as error:
        assert str(folder / name) in str(error)
