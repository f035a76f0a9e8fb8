from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset import rules as benchmark_rules
from cacara.errors import ManifestError
from cacara.media import audio
from cacara.sources.texts import text_hash
from training.data.benchmarks import sounds as builder
from training.data.corpora import rules

ROOT = Path(__file__).parents[4]
SIMUTRANS = "usr/share/games/simutrans/pak/sound"
TEST_TABLE = """animals/dog\tdog
animals/hound\tdog\ta hound is a dog
animals/ewe\tsheep
animals/stone\t-\tsilent
"""
DEV_TABLE = """gavel\tA gavel.\t1F528\tsimutrans/gavel
boing\tA cartoon boing.\t-\tsimutrans/boi?g
"""
LOCALES = {"de": "Ein {}", "pt_BR": "Um {}", "en_GB": "A {}.", "zh_TW": "一{}", "sw": "{}"}


def noise(path: Path, seed: int, gain: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = gain * np.random.default_rng(seed).uniform(-1, 1, 4800)
    audio.write_wav(path, samples.astype(np.float32))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in ("concepts.tsv", "simutrans.tsv"):
        shutil.copy(rules.TABLES / name, folder)
    (folder / "test.tsv").write_text(TEST_TABLE, encoding="utf-8")
    (folder / "dev.tsv").write_text(DEV_TABLE, encoding="utf-8")
    return folder


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Tiny packages: four stamps, two animals, two dev sounds and CLDR in two languages."""
    monkeypatch.setattr(benchmark_rules, "MIN_TEST_TEXTS", 3)
    monkeypatch.setattr(builder, "MIN_DEV_TEXTS", 1)
    stamps = tmp_path / "tuxpaint/usr/share/tuxpaint/stamps"
    for seed, name in enumerate(("dog", "hound", "ewe", "stone")):
        noise(stamps / f"animals/{name}.ogg", seed, gain=0.0 if name == "stone" else 0.5)
        lines = [f"{locale}.utf8={text.format(name)}" for locale, text in LOCALES.items()]
        if name == "ewe":
            lines[-1] = "sw.utf8="  # two Swahili texts are too few
        (stamps / f"animals/{name}.txt").write_text("\n".join([f"A {name}.", *lines]), encoding="utf-8")
    noise(stamps / "animals/dog_desc_de.ogg", 20)  # spoken
    noise(stamps / "symbols/math/one.ogg", 21)
    (stamps / "symbols/math/one.txt").write_text("One.", encoding="utf-8")
    for seed, name in enumerate(("dog", "sheep"), start=30):
        noise(tmp_path / f"ovos/{builder.OVOS_FOLDER}/{name}.mp3", seed)
    for seed, name in enumerate(("gavel", "boing", "horse"), start=40):
        noise(tmp_path / f"simutrans/{SIMUTRANS}/{name}.wav", seed)
    for language, name in {"de": "Hammer", "zh": "锤子", "en": "hammer", "de-CH": "Hammer", "und": None}.items():
        content = {"annotations": {"annotations": {"\N{HAMMER}": {"tts": [name]}} if name else {}}}
        file = tmp_path / f"cldr/package/annotations/{language}/annotations.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content), encoding="utf-8")
    return {key: tmp_path / key for key in ("tuxpaint", "ovos", "simutrans", "cldr")}


def test_the_same_packages_give_the_same_bytes(folders, tables, tmp_path):
    builder.build(folders, tmp_path / "one.jsonl", tables)
    builder.build(folders, tmp_path / "two.jsonl", tables)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert benchmark_rules.find_problems(tmp_path / "one.jsonl") == []


def test_test_sounds_are_the_stamps_of_the_table_and_the_ovos_animals(folders, tables, tmp_path):
    rows = builder.build(folders, tmp_path / "b.jsonl", tables).of_split("test")
    assert {(row.clip_id, row.concept) for row in rows.sounds} == {
        ("tuxpaint/animals/dog", "dog"),
        ("tuxpaint/animals/hound", "dog"),
        ("tuxpaint/animals/ewe", "sheep"),
        ("ovos/dog", "dog"),
        ("ovos/sheep", "sheep"),
    }


def test_test_texts_are_the_stamps_own_in_languages_that_have_enough(folders, tables, tmp_path):
    rows = builder.build(folders, tmp_path / "b.jsonl", tables).of_split("test")
    assert {row.source for row in rows.texts} == {"tuxpaint"}
    assert {row.language for row in rows.texts} == {"en", "de", "pt-BR", "zh-Hant"}  # no en-GB, two of sw
    dog = next(row for row in rows.texts if row.reference == "animals/dog.txt#pt_BR")
    assert (dog.concept, dog.sha256_16, dog.text) == ("dog", text_hash("Um dog"), None)


def test_dev_has_the_chosen_clips_our_sentences_and_cldr_names(folders, tables, tmp_path):
    rows = builder.build(folders, tmp_path / "b.jsonl", tables).of_split("dev")
    assert {(row.clip_id, row.concept) for row in rows.sounds} == {
        ("simutrans/gavel", "gavel"),
        ("simutrans/boing", "boing"),
    }
    assert {(row.language, row.reference, row.text) for row in rows.texts} == {
        ("en", "own", "A gavel."),
        ("en", "own", "A cartoon boing."),
        ("de", "de/1F528", None),
        ("zh-Hans", "zh/1F528", None),
    }


def test_the_header_tells_what_was_left_out_and_merged_and_why(folders, tables, tmp_path):
    told = builder.build(folders, tmp_path / "b.jsonl", tables).rules
    assert told["test_left_out"] == {"animals/stone": "silent"}
    assert told["test_merged"] == {"animals/hound": "a hound is a dog"}


def test_a_stamp_that_nobody_has_judged_stops_the_build(folders, tables, tmp_path):
    stamps = folders["tuxpaint"] / "usr/share/tuxpaint/stamps"
    noise(stamps / "animals/cat.ogg", 50)
    (stamps / "animals/cat.txt").write_text("A cat.", encoding="utf-8")
    with pytest.raises(ManifestError, match="not in the table.*animals/cat"):
        builder.build(folders, tmp_path / "b.jsonl", tables)
    assert not (tmp_path / "b.jsonl").exists()


def test_a_silent_stamp_stops_the_build(folders, tables, tmp_path):
    (tables / "test.tsv").write_text(TEST_TABLE.replace("-\tsilent", "stone"), encoding="utf-8")
    with pytest.raises(ManifestError, match="animals/stone is silent"):
        builder.build(folders, tmp_path / "b.jsonl", tables)


def test_one_recording_for_two_concepts_stops_the_build(folders, tables, tmp_path):
    noise(folders["tuxpaint"] / "usr/share/tuxpaint/stamps/animals/ewe.ogg", 0)  # the dog's noise
    with pytest.raises(ManifestError, match="are one recording"):
        builder.build(folders, tmp_path / "b.jsonl", tables)


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [("simutrans/cat", "names 0 clips"), ("simutrans/horse", "other concepts \\['horse'\\]")],
)
def test_a_dev_pattern_without_a_clip_of_its_concept_stops_the_build(folders, tables, tmp_path, pattern, complaint):
    (tables / "dev.tsv").write_text(f"gavel\tA gavel.\t-\t{pattern}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=complaint):
        builder.build(folders, tmp_path / "b.jsonl", tables)


def test_a_missing_source_is_named(folders, tables, tmp_path):
    del folders["ovos"]
    with pytest.raises(ManifestError, match="needs the sources ovos"):
        builder.build(folders, tmp_path / "b.jsonl", tables)


def test_the_committed_benchmark_keeps_its_rules():
    path = ROOT / "benchmarks/sounds-v1.jsonl"
    assert benchmark_rules.find_problems(path) == []
    rows = benchmark_file.read(path)
    assert rows.sources == set(builder.needed_sources())
    concepts = {dev.name for dev in builder._dev_concepts(rules.TABLES)}
    assert {row.concept for row in rows.of_split("dev").sounds} == concepts


def test_no_dev_concept_is_a_test_concept_and_each_has_clips_to_learn_kind_from():
    known = rules.load_concepts()
    test = {cells[1] for _, cells in rules.read_table(rules.TABLES / "test.tsv", columns=3)}
    dev = {dev.name for dev in builder._dev_concepts(rules.TABLES)}
    assert not dev & test
    assert dev <= set(known)
