"""The frozen benchmark of pictures: its rules, its leaks, and its files."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from cacara import sources
from cacara.benchmark.dataset import benchmark_file, splits
from cacara.benchmark.dataset.benchmark_file import ImageRow, Rows, read, write
from cacara.benchmark.dataset.rules import find_problems_of_pictures
from cacara.benchmark.dataset.splits import MIN_IMAGE_TEXTS, load
from cacara.errors import ManifestError
from cacara.sources import texts as source_texts
from training.data import translations

ROOT = Path(__file__).parents[4]
SOUNDS = ROOT / "benchmarks" / "sounds-v1.jsonl"
FROZEN = "c88eb866823e"
ROW = ImageRow("test", "dog", "tuxpaint/dog", "tuxpaint", "dog.png", "a" * 64, "dog.txt", "b" * 64)


@pytest.fixture(scope="module")
def frozen():
    return read(splits.PICTURES)


@pytest.fixture(scope="module")
def sounds():
    return benchmark_file.read(SOUNDS)


@pytest.fixture(scope="module")
def stamps():
    return sources.fetch("tuxpaint")


def rows(*images):
    return Rows("images-test", 1, {}, images=images)


def test_the_file_is_the_frozen_one_and_keeps_its_rules(frozen, sounds):
    assert frozen.hash == FROZEN
    assert find_problems_of_pictures(frozen, sounds) == []


def test_every_concept_with_a_test_sound_has_a_test_picture_and_no_other(frozen, sounds):
    heard = {row.concept for row in sounds.of_split("test").sounds}
    assert {row.concept for row in frozen.of_split("test").images} == heard
    assert not heard & {row.concept for split in ("train", "dev") for row in frozen.of_split(split).images}


@pytest.mark.weights
def test_no_train_or_dev_picture_names_a_test_concept_in_any_wording(frozen, sounds, stamps):
    names = translations.concept_names({row.concept for row in sounds.of_split("test").sounds})
    root = source_texts.content_folder("tuxpaint", stamps)
    naming = [
        row.image_id
        for split in ("train", "dev")
        for row in frozen.of_split(split).images
        if translations.names_any(f"{source_texts.read_stamp_texts(root / row.texts)['en']} {row.concept}", names)
    ]
    assert naming == []


@pytest.mark.weights
def test_no_train_picture_names_a_concept_that_sounds_in_dev(frozen, sounds, stamps):
    heard = {row.concept for row in sounds.of_split("dev").sounds}
    root = source_texts.content_folder("tuxpaint", stamps)
    texts = {
        row.image_id: source_texts.read_stamp_texts(root / row.texts)["en"] for row in frozen.of_split("train").images
    }
    words = {name: set(re.findall("[a-z]+", text.lower())) for name, text in texts.items()}
    assert [name for name, said in words.items() if said & heard] == ["tuxpaint/clothes/bellbottoms"]  # a pair of pants


def test_a_picture_stands_once_and_a_concept_in_one_split(frozen, sounds):
    twice = rows(ROW, dataclasses.replace(ROW, image_id="tuxpaint/dog2"))
    assert find_problems_of_pictures(twice, sounds) == [f"picture with sha256 {'a' * 64} occurs 2 times"]
    apart = rows(ROW, dataclasses.replace(ROW, image_id="tuxpaint/dog2", sha256="c" * 64, split="train"))
    assert "concept 'dog' is in test and in train" in find_problems_of_pictures(apart, sounds)[0]


def test_a_concept_is_seen_in_the_split_where_it_is_heard(sounds):
    (problem,) = find_problems_of_pictures(rows(dataclasses.replace(ROW, split="dev")), sounds)
    assert problem == "concept 'dog' is heard in test and seen in dev"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"split": "validation"}, "split 'validation'"),
        ({"source": "nowhere"}, "unknown source 'nowhere'"),
        ({"member": "../../etc/passwd"}, "not a path inside the source"),
        ({"texts": "/etc/passwd"}, "not a path inside the source"),
        ({"sha256": "abc"}, "64 hex digits"),
    ],
)
def test_a_malformed_row_is_told(sounds, changed, said):
    assert any(
        said in problem for problem in find_problems_of_pictures(rows(dataclasses.replace(ROW, **changed)), sounds)
    )


def test_what_is_written_is_read_again_and_the_same_rows_give_the_same_bytes(tmp_path, frozen):
    write(frozen, tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == splits.PICTURES.read_bytes()
    assert read(tmp_path / "a.jsonl").hash == frozen.hash


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not JSON"),
        ('{"row": "sound"}', "a row 'sound' lacks the fields"),
        (json.dumps({"row": "image", **dataclasses.asdict(ROW), "concept": ""}), "must be strings that are not empty"),
        (json.dumps({"row": "image", **dataclasses.asdict(ROW), "caption": "a dog"}), r"no fields \['caption'\]"),
    ],
)
def test_a_malformed_file_is_told_by_line(tmp_path, line, said):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"benchmark": "x", "version": 1, "rules": {}}) + "\n" + line + "\n")
    with pytest.raises(ManifestError, match=said):
        read(path)
    with pytest.raises(ManifestError, match="cannot read"):
        read(tmp_path / "none.jsonl")


def test_a_changed_or_missing_file_is_told(tmp_path, frozen):
    row = frozen.of_split("dev").images[0]
    path = tmp_path / "b.jsonl"
    write(rows(row), path)
    (tmp_path / Path(row.member).parent).mkdir(parents=True)
    (tmp_path / row.member).write_bytes(b"another picture")
    with pytest.raises(ManifestError, match="2 of 2 pictures and descriptions of the benchmark are missing or differ"):
        load(path, "dev", {"tuxpaint": tmp_path})
    with pytest.raises(ManifestError, match="needs the sources tuxpaint"):
        load(path, "dev", {})
    with pytest.raises(ManifestError, match="no split 'all'"):
        load(path, "all", {"tuxpaint": tmp_path})


@pytest.mark.weights
def test_a_split_resolves_to_pictures_with_texts_in_many_languages(stamps):
    dev = load(splits.PICTURES, "dev", {"tuxpaint": stamps})
    assert all(picture.kind == "image" and picture.path.is_file() and picture.captions["en"] for picture in dev.clips)
    languages = {query.language for query in dev.queries}
    assert {"en", "de", "sw", "zh-Hans"} - languages <= {"sw"}
    assert not any(language.startswith("en-") for language in languages)
    assert min(sum(query.language == code for query in dev.queries) for code in languages) >= MIN_IMAGE_TEXTS
