from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from cacara.errors import ManifestError
from cacara.galleries.manifest import find_problems
from cacara.model import checkpoint
from tests.training.sounds.test_alignment import World, noise, world  # noqa: F401
from training.data.corpora import captioned_folders
from training.data.corpora.captioned_folders import CaptionedFolder
from training.run_folder import RunError

CLOTHO = ["file_name", *(f"caption_{number}" for number in range(1, 6))]
AUDIOCAPS = ["audiocap_id", "youtube_id", "start_time", "caption"]
DOG, RAIN = "dOg12345_-x", "rAiN2345678"


def table(path: Path, columns: list[str], *rows: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture
def sounds(tmp_path) -> Path:
    return tmp_path / "sounds"


@pytest.fixture
def clotho(tmp_path, sounds) -> CaptionedFolder:
    for seed, name in enumerate(("Dog barks, far.wav", "rain 2.wav", "bell.wav")):
        noise(sounds / name, seed)
    rows = [
        ["Dog barks, far.wav", "A dog barks.", "Far away, a dog is barking", "A dog barks.", "", "Barks"],
        ["rain 2.wav", *[f"Rain falls {number}" for number in range(5)]],
        ["missing.wav", *["Nothing is heard"] * 5],
        ["bell.wav", "", " ", "", "", ""],
        ["bell.wav", "колокол звонит", "", "", "", ""],
        ["../bell.wav", "A bell rings", "", "", "", ""],
    ]
    captions = table(tmp_path / "clotho_captions_development.csv", CLOTHO, *rows)
    return CaptionedFolder("clotho", "clotho", str(captions), str(sounds), "mixed, see Clotho")


@pytest.fixture
def audiocaps(tmp_path, sounds) -> CaptionedFolder:
    noise(sounds / f"Y{DOG}.wav", 1)
    noise(sounds / f"{RAIN}_30.flac.wav", 2)
    noise(sounds / f"{RAIN}_30.wav", 3)
    rows = [
        ["101", DOG, "20", "A dog barks"],
        ["102", DOG, "20", "Barking, then silence"],
        ["103", RAIN, "30", "Rain"],
        ["104", "nowhere_123", "0", "Wind"],
        ["105", "short", "0", "Wind"],
        ["106", RAIN, "half", "Wind"],
        ["107", RAIN, "30", ""],
    ]
    return CaptionedFolder(
        "audiocaps", "audiocaps", str(table(tmp_path / "train.csv", AUDIOCAPS, *rows)), str(sounds), "unknown"
    )


def test_clotho_gives_a_clip_with_its_distinct_captions_a_line(clotho):
    clips, problems = captioned_folders.read(clotho)
    assert find_problems(clips) == []
    assert {clip.clip_id: clip.captions for clip in clips} == {
        "clotho/Dog barks, far": {"en": ("A dog barks.", "Far away, a dog is barking", "Barks")},
        "clotho/rain 2": {"en": tuple(f"Rain falls {number}" for number in range(5))},
    }
    assert {(clip.source, clip.licence, clip.concept) for clip in clips} == {("clotho", "mixed, see Clotho", None)}
    assert [problem.split(": ", 1) for problem in problems] == [
        ["clotho_captions_development.csv, line 4", "no sound missing.wav in sounds"],
        ["clotho_captions_development.csv, line 5", "no caption"],
        ["clotho_captions_development.csv, line 6", "a caption is 'колокол звонит'; wanted English"],
        [
            "clotho_captions_development.csv, line 7",
            "file_name is '../bell.wav'; wanted the name of a file, without a folder",
        ],
    ]


def test_audiocaps_lines_about_one_sound_become_one_clip_and_files_may_be_named_in_several_ways(audiocaps):
    clips, problems = captioned_folders.read(audiocaps)
    assert {clip.clip_id: (clip.path.name, clip.captions["en"]) for clip in clips} == {
        f"audiocaps/{DOG}_20": (f"Y{DOG}.wav", ("A dog barks", "Barking, then silence")),
        f"audiocaps/{RAIN}_30": (f"{RAIN}_30.wav", ("Rain",)),
    }
    assert [problem.split(": ", 1)[0] for problem in problems] == [f"train.csv, line {line}" for line in (5, 6, 7, 8)]
    assert "no sound nowhere_123_0 or Ynowhere_123_0" in problems[0]
    assert "youtube_id is 'short'" in problems[1] and "start_time is 'half'" in problems[2]
    assert "caption is empty" in problems[3]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"layout": "audiocaps"}, "lacks the columns audiocap_id, youtube_id, start_time, caption"),
        ({"captions": "nowhere.csv"}, "cannot read the captions nowhere.csv"),
        ({"sounds": "nowhere"}, "cannot read the folder of sounds nowhere"),
    ],
)
def test_a_folder_that_cannot_be_read_is_told(clotho, change, complaint):
    with pytest.raises(ManifestError, match=complaint):
        captioned_folders.read(dataclasses.replace(clotho, **change))


def test_a_table_without_one_good_line_is_refused_with_its_first_problem(clotho, sounds):
    for path in sounds.iterdir():
        path.unlink()
    with pytest.raises(
        ManifestError, match="gives no clip, 6 lines are bad; first: .*line 2: no sound Dog barks, far.wav"
    ):
        captioned_folders.read(clotho)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "a b"}, "name is 'a b'"),
        ({"name": "wesnoth"}, "is a package's"),
        ({"layout": "esc50"}, "audiocaps, clotho"),
    ],
)
def test_folders_that_no_run_can_have_are_refused(clotho, change, complaint):
    with pytest.raises(RunError, match=complaint):
        dataclasses.replace(clotho, **change)


def test_two_folders_of_one_name_are_refused(clotho):
    with pytest.raises(ManifestError, match="two folders are named 'clotho'"):
        captioned_folders.read_all([clotho, clotho])


def test_a_model_trains_on_a_folder_without_the_benchmarks_sounds(world, clotho, sounds):  # noqa: F811
    (sounds / "bell.wav").write_bytes(world.held_out.read_bytes())
    rows = [["bell.wav", "A bell rings", "", "", "", ""], ["rain 2.wav", "Rain falls", "", "", "", ""]]
    (sounds / "Dog barks, far.wav").write_bytes(b"no sound")
    table(Path(clotho.captions), CLOTHO, ["Dog barks, far.wav", "A dog", "", "", "", ""], *rows)
    final = world.train(packages=(), folders=(clotho,))
    stored = json.loads((world.output / "options.json").read_text(encoding="utf-8"))
    assert stored["clips"]["count"] == 1
    card = (final / "README.md").read_text(encoding="utf-8")
    assert "| clotho | a folder of the user's | 1 | mixed, see Clotho |" in card
    assert checkpoint.load(final).name == "tiny"
