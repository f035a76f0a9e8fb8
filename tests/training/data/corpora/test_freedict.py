from __future__ import annotations

import gzip

import pytest

from cacara.errors import SourceError
from training.data import translations
from training.data.corpora.words import freedict

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def base64(number: int) -> str:
    digits = ""
    while number or not digits:
        digits = DIGITS[number % 64] + digits
        number //= 64
    return digits


def dictionary(folder, entries):
    """The files of a dict server's dictionary."""
    content, index = b"", []
    for word, body in entries:
        packed = f"{word}{body}".encode()
        index.append(f"{word}\t{base64(len(content))}\t{base64(len(packed))}")
        content += packed
    folder.mkdir(exist_ok=True)
    (folder / "d.index").write_text("\n".join(index), encoding="utf-8")
    with gzip.open(folder / "d.dict.dz", "wb") as file:
        file.write(content)
    return folder


def test_the_first_sense_gives_the_translations_and_nothing_else(tmp_path):
    folder = dictionary(
        tmp_path / "x",
        [
            ("00databaseinfo", "\nabout\n"),
            ("dog", " /dɒɡ/ <n>\n1. mbwa, jibwa, umbwa\n2. mtu\n"),
            ("absorb", ' /ɐb/ <VT>\n1. soma (kitu)\n      "It absorbs water."\n'),
            ("be quiet", " /biː/ <v>\n\nnyamaza\n"),
            ("th", " /x/\nThis is a gloss that is far too long to be a word\n"),
            ("page 3", "\nukurasa\n"),
        ],
    )
    assert list(freedict.read("freedict-eng-swh", folder)) == [
        ("dog", "sw", "mbwa"),
        ("dog", "sw", "jibwa"),
        ("absorb", "sw", "soma"),
        ("be quiet", "sw", "nyamaza"),
    ]


def test_a_dictionary_into_english_is_turned_round_and_stress_marks_go(tmp_path):
    folder = dictionary(tmp_path / "x", [("ку\N{COMBINING ACUTE ACCENT}че", " <n>\ndog\n")])
    assert list(freedict.read("freedict-bul-eng", folder)) == [("dog", "bg", "куче")]


@pytest.mark.parametrize("damage", [b"not gzip", b""])
def test_a_damaged_dictionary_is_told(tmp_path, damage):
    folder = dictionary(tmp_path / "x", [("dog", "\nmbwa\n")])
    (folder / "d.dict.dz").write_bytes(damage)
    if not damage:
        (folder / "d.index").unlink()
    with pytest.raises(SourceError, match="dictionary in .* cannot be read"):
        list(freedict.read("freedict-eng-swh", folder))


def test_rare_words_of_dictionaries_are_left_out(tmp_path):
    folders = {}
    for key, both in (("eng-swh", True), ("eng-fin", True), ("eng-tur", True), ("eng-lat", False)):
        words = [("dog", f"\nd {key[-1]}\n"), *([("ibex", f"\ni {key[-1]}\n")] if both else [])]
        folders[f"freedict-{key}"] = dictionary(tmp_path / key, words)
    assert {pair.english for pair in translations.collect(folders)} == {"dog"}
