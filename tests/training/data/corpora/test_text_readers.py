"""Readers of words and sentences, over made-up files in the layouts of the originals."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from cacara.errors import SourceError
from training.data.corpora.words import (
    african_storybook,
    frigate,
    gatitos,
    openstreetmap,
    panlexia,
    picture_words,
    scratch,
    tatoeba,
    weather,
    wiktionary,
    wordnet,
)
from training.data.corpora.words.entries import Entry, language_of, plain, plain_english


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def pairs(entries) -> list[tuple[str, str, str]]:
    return [(entry.english, entry.language, entry.text) for entry in entries]


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("arb", "ar"),
        ("swh", "sw"),
        ("cmn", "zh"),
        ("ar-MA", "ary"),
        ("nb_NO", "nb"),
        ("zh-CN", "zh"),
        ("zh_TW", "zh-Hant"),
    ]
    + [("eng", None), ("en_GB", None), ("mul", None), ("not a code", None), ("tl", "fil"), ("sr@latin", "sr-Latn")],
)
def test_codes_of_sources_become_bcp47(code, language):
    assert language_of(code) == language


def test_remarks_articles_and_the_sign_of_an_infinitive_are_taken_off():
    assert plain(" horse (animal [of a kind]) ; ") == "horse"
    assert plain_english("the dog (young)") == ("dog", False)
    assert plain_english("to bark (of a dog)") == ("bark", True)


def test_gatitos_parts_translations_by_commas_in_words_and_not_in_sentences(tmp_path):
    write(tmp_path, {"gatitos/en_qu.tsv": "dog\talqu, allqu\ndog\tallquy\nhow are you today\timaynalla, wawqi\n"})
    write(tmp_path, {"gatitos/en_wo.tsv": "feed\txont (verb)\n", "gatitos/qu_en.tsv": "alqu\tdog\n"})
    entries = list(gatitos.read(tmp_path))
    assert [(entry.text, entry.sense) for entry in entries if entry.english == "dog"] == [
        ("alqu", 0),
        ("allqu", 1),
        ("allquy", 2),
    ]
    assert ("how are you today", "qu", "imaynalla, wawqi") in pairs(entries)
    assert entries[-1] == Entry("feed", "wo", "xont", "gatitos", "verb")


def gloss(part: str, *items: str) -> str:
    return f"<i>{part}</i><br><ol>" + "".join(f"<li>{item}</li>" for item in items) + "</ol>"


def test_wiktionary_gives_the_short_glosses_of_first_senses(tmp_path):
    lines = [
        "hundr|hundar|hundum\t"
        + gloss("noun", "dog, <b>hound</b> (animal)", "a bad person who deserves nothing", "third"),
        "gelta\t" + gloss("verb", "(intransitive) to bark; to utter the cry of a dog"),
        "hundar\t" + gloss("noun", "plural of hundr"),
        "Akureyri\t" + gloss("name", "Akureyri (a town)"),
        "kukur\t" + gloss("noun", "(vulgar) something") + "<br>" + gloss("adj", "(archaic) old"),
    ]
    write(tmp_path, {"Icelandic-English Wiktionary dictionary.tsv": "\n".join(lines)})
    write(tmp_path, {"Old Norse-English Wiktionary dictionary.tsv": "ulfr\t" + gloss("noun", "wolf")})
    write(tmp_path, {"Yoruba-English Wiktionary dictionary.tsv": "ile|ilé|ìlú\t" + gloss("noun", "house")})
    key = wiktionary.SOURCE
    assert list(wiktionary.read(tmp_path)) == [
        Entry("dog", "is", "hundr", key, "noun"),
        Entry("hound", "is", "hundr", key, "noun"),
        Entry("bark", "is", "gelta", key, "verb"),
        Entry("something", "is", "kukur", key, "noun", vulgar=True),
        Entry("house", "yo", "ile", key, "noun"),
        Entry("house", "yo", "ilé", key, "noun"),
    ]


def test_panlexia_takes_the_english_from_the_synset(tmp_path):
    rows = (
        "id\tstyle\tword\nPWN:alarm_clock.n.01\t\tsaa ya kengele\nPWN:bark.v.04\t\tbweka, -lia\nPLX:1SG.pro\t\tmimi\n"
    )
    write(tmp_path, {"dict/S/swh.tsv": rows, "dict/L/lidepla.tsv": rows, "dict/E/eng.tsv": rows})
    assert list(panlexia.read(tmp_path)) == [
        Entry("alarm clock", "sw", "saa ya kengele", "panlexia", "noun"),
        Entry("bark", "sw", "bweka", "panlexia", "verb", 3),
    ]


def test_wordnet_joins_words_to_english_by_synset(tmp_path):
    licence = "  1 This software\n"
    empty = {f"wordnet/{kind}.{part}": licence for kind in ("data", "index") for part in ("noun", "verb", "adj", "adv")}
    write(tmp_path, empty)
    dog = "00000010 05 n 03 dog 0 domestic_dog 0 hound 0 001 @ 0 n 0000 | a pet\n"
    dog += "00000030 05 n 02 horse 0 Equus_caballus 0 000 | rides\n"
    data = dog + "00000020 18 n 01 Shakespeare 0 000 | a poet\n"
    index = "dog n 2 1 @ 2 1 00000099 00000010  \n"
    write(tmp_path, {"wordnet/data.noun": licence + data, "wordnet/index.noun": licence + index})
    lemmas = {"00000010": "mbwa", "00000020": "somebody", "00000030": "farasi", "00000077": "lost"}
    rows = "# Wiktionary\tswa\n" + "".join(f"{synset}-n\tswa:lemma\t{lemma}\n" for synset, lemma in lemmas.items())
    write(tmp_path, {"omw/wns/wikt/wn-wikt-swa.tab": rows, "omw/wns/wikt/wn-wikt-Xbh.tab": rows})
    assert list(wordnet.read(tmp_path / "omw", tmp_path / "wordnet")) == [
        Entry("dog", "sw", "mbwa", "omw-wikt", "noun", 1),
        Entry("domestic dog", "sw", "mbwa", "omw-wikt", "noun", 0),
        Entry("horse", "sw", "farasi", "omw-wikt", "noun", 0),
    ]


def test_frigate_leaves_out_what_nobody_translated(tmp_path):
    root = "web/public/locales"
    write(tmp_path, {f"{root}/en/audio.json": json.dumps({"dog": "Dog", "moo": "Moo", "a": {"b": "Bark"}})})
    write(tmp_path, {f"{root}/en/objects.json": "{}"})
    write(tmp_path, {f"{root}/th/audio.json": json.dumps({"dog": "[dog]", "moo": "มอ", "a": {"b": "เห่า"}, "x": "y"})})
    assert sorted(pairs(frigate.read(tmp_path))) == [("Bark", "th", "เห่า"), ("Moo", "th", "มอ")]


def test_tatoeba_goes_line_by_line_and_tells_of_files_that_do_not_match(tmp_path):
    root = "data/tatoeba/v1"
    write(
        tmp_path, {f"{root}/tatoeba.swh-eng.swh": "Hakuna  matata.\n", f"{root}/tatoeba.swh-eng.eng": "No problem.\n"}
    )
    assert pairs(tatoeba.read(tmp_path)) == [("No problem.", "sw", "Hakuna matata.")]
    write(tmp_path, {f"{root}/tatoeba.swh-eng.eng": "No problem.\nOne more.\n"})
    with pytest.raises(SourceError, match=r"tatoeba\.swh-eng\.swh has 1 lines and its English file 2"):
        list(tatoeba.read(tmp_path))


def story(title: str, *pages: str, licence: str = "[CC-BY]") -> str:
    body = "".join(f"##\n{page}\n\n" for page in pages)
    return f"# {title}\n\n{body}##\n* License: {licence}\n* Language: xx\n"


def test_african_storybook_gives_pages_under_cc_by_alone(tmp_path):
    write(
        tmp_path,
        {
            "en/0001_dogs.md": story("Dogs", "A dog\nbarks.", "It sleeps."),
            "en/0002_cats.md": story("Cats", "A cat.", licence="[CC-BY-NC]"),
            "sw/0001_mbwa.md": story("Mbwa", "Mbwa anabweka.", "Analala."),
            "sw/0002_paka.md": story("Paka", "Paka."),
            "zu/0001_inja.md": story("Inja", "Inja."),  # a page is missing
            "tw-akua/0001_kraman.md": story("Ɔkraman", "Ɔkraman.", "Ɔda.", licence="CC BY"),
            "lg/0001_embwa.md": story("Embwa", "Embwa.", "Yeebase.", licence="CC BY-NC-SA"),
        },
    )
    assert pairs(african_storybook.read(tmp_path)) == [
        ("Dogs", "sw", "Mbwa"),
        ("A dog barks.", "sw", "Mbwa anabweka."),
        ("It sleeps.", "sw", "Analala."),
        ("Dogs", "ak", "Ɔkraman"),
        ("A dog barks.", "ak", "Ɔkraman."),
        ("It sleeps.", "ak", "Ɔda."),
    ]


def resource(files: dict[str, str]) -> bytes:
    """A Qt resource of version 1 with compressed members at its root."""
    names, payloads = b"", b""
    tree = struct.pack(">IHII", 0, 2, len(files), 1)
    for name, content in files.items():
        packed = zlib.compress(content.encode())
        tree += struct.pack(">IHHHI", len(names), 1, 0, 0, len(payloads))
        payloads += struct.pack(">II", len(packed) + 4, len(content)) + packed
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    start = 20
    offsets = (start, start + len(tree), start + len(tree) + len(payloads))
    return b"qres" + struct.pack(">IIII", 1, *offsets) + tree + payloads + names


def test_picture_words_are_joined_by_the_file_that_speaks_them(tmp_path):
    files = {"content-en.json": '{"dog.ogg": "dog", "x.ogg": "ax"}', "content-pt_BR.json": '{"dog.ogg": "cão"}'}
    (tmp_path / "lang.rcc").write_bytes(resource(files))
    assert list(picture_words.read(tmp_path)) == [Entry("dog", "pt", "cão", "gcompris-words")]


def test_presets_of_the_map_are_joined_by_key(tmp_path):
    def content(code: str, **names: str) -> str:
        return json.dumps({code: {"presets": {"presets": {key: {"name": name} for key, name in names.items()}}}})

    root = "package/dist/translations"
    write(tmp_path, {f"{root}/en.json": content("en", bell="Bell", bench="Bench")})
    write(tmp_path, {f"{root}/uk.json": content("uk", bell="Дзвін"), f"{root}/uk.min.json": "{}"})
    assert pairs(openstreetmap.read(tmp_path)) == [("Bell", "uk", "Дзвін")]


def test_instruments_lose_their_numbers(tmp_path):
    root = "package/editor/extensions"
    write(tmp_path, {f"{root}/en.json": json.dumps({"music.drumSnare": "(1) Snare Drum", "music.play": "play"})})
    write(tmp_path, {f"{root}/sw.json": json.dumps({"music.drumSnare": "(1) Ngoma", "music.play": "cheza"})})
    assert pairs(scratch.read(tmp_path)) == [("Snare Drum", "sw", "Ngoma")]


def catalogue(messages: dict[str, str]) -> bytes:
    """A compiled gettext catalogue."""
    keys = sorted(messages)
    count, header = len(keys), 28
    originals, translations = [key.encode() for key in keys], [messages[key].encode() for key in keys]
    position = header + 16 * count
    tables = b""
    for texts in (originals, translations):
        for text in texts:
            tables += struct.pack("<II", len(text), position)
            position += len(text) + 1
    content = b"".join(text + b"\0" for text in (*originals, *translations))
    return struct.pack("<7I", 0x950412DE, 0, count, header, header + 8 * count, 0, 0) + tables + content


def test_weather_is_told_from_messages_of_the_program(tmp_path):
    path = tmp_path / "usr/share/locale/uk/LC_MESSAGES/libgweather-4.0.mo"
    path.parent.mkdir(parents=True)
    charset = "Content-Type: text/plain; charset=UTF-8\n"
    messages = {"": charset, "Hail": "Град", "%.1f km": "%.1f км", "Retrieval failed": "Збій", "sky\x04Clear": "Ясно"}
    path.write_bytes(catalogue(messages))
    assert pairs(weather.read(tmp_path)) == [("Hail", "uk", "Град"), ("Clear", "uk", "Ясно")]


@pytest.mark.parametrize(
    "read",
    [african_storybook.read, frigate.read, gatitos.read, openstreetmap.read, panlexia.read, picture_words.read]
    + [scratch.read, tatoeba.read, weather.read, wiktionary.read, lambda folder: wordnet.read(folder, folder)],
)
def test_an_empty_folder_is_told(read, tmp_path):
    with pytest.raises(SourceError, match=str(tmp_path)):
        list(read(tmp_path))
