from __future__ import annotations

import dataclasses
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import Rows, SoundRow, TextRow, file_hash, read, write
from cacara.benchmark.dataset.rules import MIN_TEST_TEXTS, find_problems
from cacara.benchmark.dataset.splits import load, required_sources
from cacara.errors import ManifestError
from cacara.sources.texts import CldrTexts, TuxPaintTexts, text_hash

DOG = {"en": "A dog.", "pt_BR": "Um cão.", "sr@latin": "Pas."}


@pytest.fixture
def folders(tmp_path):
    """Fetched sources as their packages unpack: Tux Paint with one stamp a concept, gcompris, CLDR."""
    stamps = tmp_path / "tuxpaint/usr/share/tuxpaint/stamps/animals"
    stamps.mkdir(parents=True)
    (stamps / "dog.ogg").write_bytes(b"woof")
    (stamps / "dog.txt").write_text("A dog.\npt_BR.utf8=Um cão. \nsr@latin.utf8=Pas.\naf.utf8=\n")
    for number in range(MIN_TEST_TEXTS):
        (stamps / f"thing{number}.ogg").write_bytes(b"sound %d" % number)
        (stamps / f"thing{number}.txt").write_text(f"Thing {number}.\nsw.utf8=Kitu {number}.\n")
    (tmp_path / "gcompris").mkdir()
    (tmp_path / "gcompris/rain.wav").write_bytes(b"drip")
    swahili = tmp_path / "cldr/package/annotations/sw"
    swahili.mkdir(parents=True)
    names = {"🌧": {"default": ["mvua"], "tts": ["wingu lenye mvua"]}, "🐈\u200d⬛": {"tts": ["paka mweusi"]}}
    (swahili / "annotations.json").write_text(json.dumps({"annotations": {"annotations": names}}))
    return {name: tmp_path / name for name in ("tuxpaint", "gcompris", "cldr")}


@pytest.fixture
def rows(folders):
    """A benchmark that keeps every rule: 60 things in English and Swahili, and rain as dev."""
    stamps = folders["tuxpaint"] / "usr/share/tuxpaint/stamps"
    sounds, texts = [], []
    for number in range(MIN_TEST_TEXTS):
        name, member = f"thing{number}", f"animals/thing{number}"
        digest = file_hash(stamps / f"{member}.ogg")
        sounds.append(SoundRow("test", name, f"tuxpaint/{member}", "tuxpaint", f"{member}.ogg", digest))
        for language, text in (("en", f"Thing {number}."), ("sw", f"Kitu {number}.")):
            reference = f"{member}.txt#{language}"
            texts.append(TextRow("test", name, language, "tuxpaint", reference, text_hash(text)))
    digest = file_hash(folders["gcompris"] / "rain.wav")
    sounds.append(SoundRow("dev", "rain", "gcompris/rain", "gcompris", "rain.wav", digest))
    texts.append(TextRow("dev", "rain", "sw", "cldr", "sw/1F327", text_hash("wingu lenye mvua")))
    texts.append(TextRow("dev", "rain", "en", "own", "own", text_hash("heavy rain"), "heavy rain"))
    return Rows("sounds-v1", 1, {"languages": ">= 60"}, tuple(sounds), tuple(texts))


@pytest.fixture
def path(rows, tmp_path):
    path = tmp_path / "sounds-v1.jsonl"
    write(rows, path)
    return path


def test_what_is_written_is_read_back_and_has_no_problems(rows, path):
    back = read(path)
    assert (back.name, back.version, back.rules) == (rows.name, rows.version, rows.rules)
    assert set(back.sounds) == set(rows.sounds)
    assert set(back.texts) == set(rows.texts)
    assert find_problems(path) == []


def test_the_file_holds_no_sentence_of_others(path):
    content = path.read_text(encoding="utf-8")
    assert "Kitu" not in content
    assert "mvua" not in content
    assert "heavy rain" in content


def test_a_split_is_resolved_with_its_files_and_texts(path, folders):
    benchmark = load(path, "dev", folders)
    assert (benchmark.name, benchmark.hash, benchmark.split) == ("sounds-v1", benchmark_file.read(path).hash, "dev")
    assert benchmark.languages == ("en", "sw")
    assert [(query.language, query.text) for query in benchmark.queries] == [
        ("en", "heavy rain"),
        ("sw", "wingu lenye mvua"),
    ]
    (clip,) = benchmark.clips
    assert clip.path.read_bytes() == b"drip"
    assert clip.concept == "rain"
    assert clip.captions == {"en": ("heavy rain",), "sw": ("wingu lenye mvua",)}
    assert clip.licence


def test_the_test_split_has_all_things_in_both_languages(path, folders):
    benchmark = load(path, "test", folders)
    assert (len(benchmark.clips), len(benchmark.queries)) == (MIN_TEST_TEXTS, 2 * MIN_TEST_TEXTS)


def test_each_split_says_which_sources_it_needs(path):
    assert required_sources(path, "test") == {"tuxpaint"}
    assert required_sources(path, "dev") == {"gcompris", "cldr"}


def test_a_source_that_was_not_fetched_is_named(path, folders):
    with pytest.raises(ManifestError, match="dev of sounds-v1 needs the sources cldr, gcompris"):
        load(path, "dev", {"tuxpaint": folders["tuxpaint"]})


def test_an_unknown_split_is_refused(path, folders):
    with pytest.raises(ManifestError, match="has no split 'train'; wanted one that"):
        load(path, "train", folders)


def test_sounds_of_another_release_are_counted_and_the_first_is_named(path, folders):
    stamps = folders["tuxpaint"] / "usr/share/tuxpaint/stamps/animals"
    (stamps / "thing3.ogg").write_bytes(b"another take")
    (stamps / "thing5.ogg").unlink()
    with pytest.raises(ManifestError, match=r"2 of 60 sounds .* first tuxpaint/animals/thing3: .*has sha256"):
        load(path, "test", folders)


def test_texts_of_another_release_are_counted_and_the_first_is_named(path, folders):
    stamps = folders["tuxpaint"] / "usr/share/tuxpaint/stamps/animals"
    (stamps / "thing3.txt").write_text("Thing 3.\nsw.utf8=Kitu kingine.\n")
    (stamps / "thing5.txt").write_text("Thing 5.\n")
    with pytest.raises(ManifestError, match=r"2 of 120 texts .*thing3\.txt#sw: text has hash"):
        load(path, "test", folders)


def test_a_system_wide_install_without_outer_folders_is_read_too(path, folders):
    installed = folders["tuxpaint"] / "usr/share/tuxpaint/stamps"
    assert len(load(path, "test", {"tuxpaint": installed}).clips) == MIN_TEST_TEXTS


def test_tux_paint_texts_are_found_by_file_and_locale(folders):
    texts = TuxPaintTexts(folders["tuxpaint"])
    assert {locale: texts(f"animals/dog.txt#{locale}") for locale in DOG} == DOG
    with pytest.raises(KeyError):
        texts("animals/dog.txt#af")  # an empty translation is none
    with pytest.raises(OSError, match="cat"):
        texts("animals/cat.txt#en")


def test_cldr_names_are_found_by_language_and_code_points(folders):
    texts = CldrTexts(folders["cldr"])
    assert texts("sw/1F327") == "wingu lenye mvua"
    assert texts("sw/1F408-200D-2B1B") == "paka mweusi"


def test_the_hash_ignores_order_and_white_space_and_sees_every_change(rows, path, tmp_path):
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    other = tmp_path / "other.jsonl"
    loose = [json.dumps(json.loads(line), indent=None, separators=(", ", ":  ")) for line in reversed(lines)]
    other.write_text("\n\n".join([header, *loose]), encoding="utf-8")
    assert benchmark_file.read(other).hash == benchmark_file.read(path).hash
    for changed in (
        dataclasses.replace(rows, version=2),
        dataclasses.replace(rows, rules={}),
        dataclasses.replace(rows, sounds=rows.sounds[1:]),
        dataclasses.replace(rows, texts=rows.texts[1:]),
    ):
        write(changed, other)
        assert benchmark_file.read(other).hash != benchmark_file.read(path).hash


@given(st.text(min_size=1))
def test_the_text_hash_does_not_depend_on_the_normal_form(text):
    assert text_hash(unicodedata.normalize("NFD", text)) == text_hash(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: '\\[\\]' is not an object"),
        ('{"row": "film"}', "line 2: row is 'film'; wanted one of sound, text, image"),
        ('{"row": "sound", "colour": "red"}', "line 2: a row 'sound' has no fields \\['colour'\\]"),
        ('{"row": "text", "split": "dev"}', "line 2: a row 'text' lacks the fields"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"benchmark": "b", "version": 1, "rules": {}}\n' + line)
    with pytest.raises(ManifestError, match=message):
        read(path)
    assert len(find_problems(path)) == 1


@pytest.mark.parametrize("content", ["", '{"row": "sound"}', '{"benchmark": "b", "version": "1", "rules": {}}'])
def test_a_file_without_a_header_is_refused(tmp_path, content):
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(ManifestError, match="line 1: wanted the header"):
        read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="cannot read the benchmark"):
        benchmark_file.read(tmp_path / "none.jsonl")


SOUND = SoundRow("dev", "rain", "gcompris/again", "gcompris", "again.wav", "0" * 64)
TEXT = TextRow("dev", "rain", "de", "cldr", "de/1F327", "0" * 16)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (dataclasses.replace(SOUND, clip_id="gcompris/rain"), "clip_id gcompris/rain occurs 2 times"),
        (dataclasses.replace(SOUND, concept="thing1"), "concept 'thing1' is in both test and dev"),
        (dataclasses.replace(SOUND, concept="wind"), "concept 'wind' has sounds and no English text"),
        (dataclasses.replace(SOUND, source="moon"), "unknown source 'moon'"),
        (dataclasses.replace(SOUND, split="train"), "split 'train'; wanted one of"),
        (dataclasses.replace(SOUND, member="../again.wav"), "is not a path inside the source"),
        (dataclasses.replace(SOUND, member="sea/harbor1.wav"), "list of refused sounds"),
        (dataclasses.replace(SOUND, source="tuxpaint", member="a/wombat.ogg"), "list of refused sounds"),
        (dataclasses.replace(SOUND, sha256="A" * 64), "is not 64 hex digits"),
        (dataclasses.replace(TEXT, concept="wind"), "concept 'wind' has texts and no sound"),
        (dataclasses.replace(TEXT, language="pt_BR"), "language 'pt_BR' is not a BCP-47 code"),
        (dataclasses.replace(TEXT, sha256_16="0"), "is not 16 hex digits"),
        (
            dataclasses.replace(TEXT, source="ovos"),
            "unknown source 'ovos'; wanted one of cldr, frigate-names",
        ),
        (
            dataclasses.replace(TEXT, text="Regen"),
            "the text itself stands in our own sentences, and only there",
        ),
        (dataclasses.replace(TEXT, source="own", text="Regen"), "the text's hash is"),
        (dataclasses.replace(TEXT, source="own"), "the text itself stands in our own sentences"),
        (
            dataclasses.replace(TEXT, split="test", concept="thing1"),
            "test text from 'cldr'; wanted 'tuxpaint' only",
        ),
        (
            TextRow("test", "thing1", "de", "tuxpaint", "animals/thing1.txt#de", "0" * 16),
            "language 'de' has 1 test texts; wanted 60 or more, or none",
        ),
        (
            TextRow("dev", "rain", "sw", "cldr", "sw/2614", text_hash("wingu lenye mvua")),
            "text of (split, concept, language, hash) ('dev', 'rain', 'sw',",
        ),
    ],
)
def test_a_broken_rule_is_found(rows, path, row, problem):
    extended = (
        dataclasses.replace(rows, sounds=(*rows.sounds, row))
        if isinstance(row, SoundRow)
        else dataclasses.replace(rows, texts=(*rows.texts, row))
    )
    write(extended, path)
    assert any(problem in found for found in find_problems(path)), find_problems(path)


def test_the_same_sound_under_two_names_is_found(rows, path):
    twice = dataclasses.replace(rows.sounds[0], clip_id="tuxpaint/again")
    write(dataclasses.replace(rows, sounds=(*rows.sounds, twice)), path)
    assert find_problems(path) == [f"sound with sha256 {twice.sha256} occurs 2 times"]


def test_sounds_of_the_gallery_that_models_were_trained_on_measure_nothing(path, folders, rows, monkeypatch):
    heard = rows.of_split("dev").sounds[0]
    monkeypatch.setattr("cacara.galleries.default_gallery.splits", lambda: {heard.sha256: "train"})
    with pytest.raises(
        ManifestError, match=f"trained on 1 sounds of .*, first: {heard.clip_id} of the default gallery"
    ):
        load(path, "dev", folders)
    monkeypatch.setattr("cacara.galleries.default_gallery.splits", lambda: {heard.sha256: "dev"})
    assert load(path, "dev", folders).clips
