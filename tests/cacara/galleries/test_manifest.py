from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cacara.errors import ManifestError
from cacara.galleries.manifest import KINDS, Clip, find_problems, read_clips, write_clips

DOG = Clip("tuxpaint/dog", Path("/sounds/dog.ogg"), "a" * 64, {"en": ("A dog.",)}, "dog", "tuxpaint", "GPL-2")

words = st.text()
paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda name: Path("/sounds") / name.lstrip("/")
)
clips = st.builds(
    Clip,
    clip_id=words,
    path=paths,
    sha256=words,
    captions=st.dictionaries(words, st.lists(words).map(tuple)),
    concept=st.none() | words,
    source=words,
    licence=words,
    kind=st.sampled_from(KINDS),
    image_path=st.none() | paths,
)


@settings(deadline=None)
@given(st.lists(clips, max_size=5))
@example([dataclasses.replace(DOG, captions={"en": ("one\u2028two", "next\x85line", "\r\n", "\x1e\x00", '"\\u2028"')})])
@example([dataclasses.replace(DOG, clip_id="\u2029", concept="", licence="\ufeff")])
def test_written_clips_are_read_back_as_they_were(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "clips.jsonl"
    write_clips(written, path)
    assert read_clips(path) == written
    assert path.read_bytes().count(b"\n") == len(written)


def test_a_path_that_is_no_utf_8_survives(tmp_path):
    clip = dataclasses.replace(DOG, path=Path(os.fsdecode(b"/sounds/caf\xe9.wav")))
    write_clips([clip, DOG], tmp_path / "clips.jsonl")
    assert read_clips(tmp_path / "clips.jsonl") == [clip, DOG]


def test_a_write_leaves_one_file_and_replaces_the_old_one(tmp_path):
    for kept in ([DOG, DOG], [DOG]):
        write_clips(kept, tmp_path / "clips.jsonl")
        assert read_clips(tmp_path / "clips.jsonl") == kept
    assert [path.name for path in tmp_path.iterdir()] == ["clips.jsonl"]


def test_blank_lines_and_absent_optional_fields_are_fine(tmp_path):
    row = DOG.to_json()
    del row["kind"], row["image_path"]
    (tmp_path / "clips.jsonl").write_text(f"\n  \n{json.dumps(row)}\n\n")
    assert read_clips(tmp_path / "clips.jsonl") == [DOG]


def changed(**fields) -> str:
    return json.dumps({**DOG.to_json(), **fields})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expecting property name"),
        ("5", "a clip is 5; wanted an object"),
        ("null", "a clip is None; wanted an object"),
        ('["clip_id"]', "wanted an object"),
        ("{}", "lacks the fields .*'clip_id'"),
        (changed(colour="red"), "unknown fields .'colour'.; wanted .*'captions'"),
        (changed(captions="A dog."), "captions must map a language to a list of texts, found 'A dog.'"),
        (changed(captions={"en": "A dog."}), "captions must map"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_bad_line_is_told_by_its_number(tmp_path, line, message):
    path = tmp_path / "clips.jsonl"
    path.write_text(f"{changed()}\n\n{line}\n{changed()}\n")
    with pytest.raises(ManifestError, match=message) as caught:
        read_clips(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")


OPTIONAL = {"kind", "image_path", "author", "recording", "split"}
"""Fields that manifests written before them lack."""


@pytest.mark.parametrize("missing", sorted({field.name for field in dataclasses.fields(Clip)} - OPTIONAL))
def test_a_missing_field_is_named(missing):
    row = DOG.to_json()
    del row[missing]
    with pytest.raises(ManifestError, match=f"lacks the fields \\['{missing}'\\]"):
        Clip.from_json(row)


def test_a_file_that_is_missing_or_no_text_is_told(tmp_path):
    with pytest.raises(ManifestError, match="cannot read the manifest .*absent"):
        read_clips(tmp_path / "absent")
    (tmp_path / "sound").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot read the manifest .*sound"):
        read_clips(tmp_path / "sound")


def test_every_problem_is_found_and_a_sound_list_has_none(tmp_path):
    (tmp_path / "dog.ogg").write_bytes(b"woof")
    good = dataclasses.replace(DOG, path=tmp_path / "dog.ogg")
    assert find_problems([good]) == [] and find_problems([]) == []
    bad = dataclasses.replace(
        good, sha256="A" * 64, captions={"en": (" ",), "de": ()}, kind="noise", path=tmp_path / "cat.ogg"
    )
    assert find_problems([good, bad]) == [
        "tuxpaint/dog: rows 0 and 1 share this id",
        f"tuxpaint/dog: kind 'noise', wanted one of {KINDS}",
        f"tuxpaint/dog: sha256 '{'A' * 64}' is not 64 hex digits",
        "tuxpaint/dog: empty caption in 'en'",
        "tuxpaint/dog: empty caption in 'de'",
        f"tuxpaint/dog: no file at {tmp_path / 'cat.ogg'}",
    ]


@settings(deadline=None)
@given(st.lists(clips, max_size=3))
@example([dataclasses.replace(DOG, path=Path("/sounds/" + "x" * 5000))])
def test_the_search_for_problems_never_fails(found):
    assert all(isinstance(problem, str) for problem in find_problems(found))


@pytest.mark.parametrize(
    ("captions", "language", "expected"),
    [
        ({"de": ("Hund", "Köter"), "en": ("Dog",)}, "de", "Hund"),
        ({"de": ("Hund",), "en": ("Dog",)}, "de-AT", "Hund"),
        ({"de": ("Hund",), "en": ("Dog",)}, "xh", "Dog"),
        ({"de": ("Hund",), "en": ("Dog",)}, None, "Dog"),
        ({"zh-Hans": ("狗",), "de": ("Hund",)}, "xh", "狗"),
        ({"en": ()}, "en", "dog"),
        ({}, "en", "dog"),
    ],
)
def test_a_clip_answers_in_a_language_its_base_english_any_or_by_its_concept(captions, language, expected):
    assert dataclasses.replace(DOG, captions=captions).caption(language) == expected


def test_a_clip_that_nobody_described_answers_with_its_id():
    assert dataclasses.replace(DOG, captions={}, concept=None).caption("de") == "tuxpaint/dog"
