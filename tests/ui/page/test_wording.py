from __future__ import annotations

import copy
import json
import pickle
import re

import pytest

from cacara.media.notes import ENGLISH as ENGLISH_NOTES
from cacara.media.notes import Note, unpacked
from ui.page import wording as wording_module
from ui.page.wording import FALLBACK, available, folders, wording

CODES = [code for _, code in available()]
ENGLISH = wording(FALLBACK).table


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("code", CODES)
def test_no_language_lacks_a_text(code):
    assert wording(code).missing == frozenset()


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.parent.name)
@pytest.mark.parametrize("code", CODES)
def test_every_text_has_the_places_of_the_english_one_and_no_key_is_unknown(code, folder):
    own = json.loads((folder / f"{code}.json").read_text(encoding="utf-8"))
    english = json.loads((folder / "en.json").read_text(encoding="utf-8"))
    assert set(own) <= set(english)
    assert {key: places(text) for key, text in own.items()} == {key: places(english[key]) for key in own}


def test_a_key_stands_in_one_folder_only():
    keys = [key for folder in folders() for key in json.loads((folder / "en.json").read_text(encoding="utf-8"))]
    assert len(keys) == len(set(keys))


def test_the_promised_languages_are_there():
    assert {"en", "pt-BR", "es", "fr", "de", "ar", "zh", "sw"} <= set(CODES)
    assert available()[0] == ("English", "en")


@pytest.mark.parametrize(
    ("asked", "given"),
    [("pt", "pt-BR"), ("pt_BR", "pt-BR"), ("zh-CN", "zh"), ("AR-eg", "ar"), ("xx", "en"), ("", "en"), ("../en", "en")],
)
def test_a_browsers_language_gets_the_nearest_interface(asked, given):
    assert wording(asked).code == given


def test_arabic_alone_is_written_right_to_left():
    assert {code for code in CODES if wording(code).direction == "rtl"} == {"ar"}


def test_a_missing_text_falls_back_to_english(tmp_path, monkeypatch):
    (tmp_path / "strings").mkdir()
    (tmp_path / "strings" / "en.json").write_text(json.dumps(dict(ENGLISH)), encoding="utf-8")
    (tmp_path / "strings" / "eo.json").write_text(json.dumps({"language_name": "Esperanto"}), encoding="utf-8")
    monkeypatch.setattr("ui.page.wording.UI", tmp_path / "none")
    monkeypatch.setattr("ui.page.wording.COMMON", tmp_path / "strings")
    wording_module._tables.cache_clear()
    try:
        words = wording("eo")
        assert words("search") == ENGLISH["search"]
        assert words.missing == set(ENGLISH) - {"language_name"}
    finally:
        wording_module._tables.cache_clear()


def test_braces_in_a_value_are_text():
    assert wording(FALLBACK)("detected", language="{language} {0}") == "Detected: {language} {0}"


@pytest.mark.parametrize("code", CODES)
def test_every_note_of_a_decoder_is_given_in_the_interfaces_language(code):
    words = wording(code)
    for kind, sentence in ENGLISH_NOTES.items():
        note = Note(kind, **dict.fromkeys(places(sentence), "12.3"))
        assert ("12.3" in words.note(note)) == bool(places(sentence)) and "{" not in words.note(note)
        assert words.note(note) != note, "it is not left as the decoder has it"
    assert words.note("a sentence of another kind") == "a sentence of another kind"


def test_a_note_survives_copies_and_json():
    note = Note("cut", seconds="30")
    for again in (copy.deepcopy(note), pickle.loads(pickle.dumps(note)), unpacked([note.packed()])[0]):
        assert (again, again.code, again.values) == (note, "cut", {"seconds": "30"})
    assert json.dumps({"notes": [note]}) == '{"notes": ["only the first 30 seconds were used"]}'
